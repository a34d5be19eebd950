package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/collect"
	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/report"
	"github.com/leanfleet/leanfleet/internal/server"
	"github.com/leanfleet/leanfleet/statistics"
)

// besideCollect runs "leanfleet collect" on this machine and returns how to run
// other verbs beside it, and how to end it.
func besideCollect(t *testing.T, args ...string) (verb func(args ...string) (code int, out, complaint string), end func() string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	run := func(ctx context.Context, args ...string) (int, string, string) {
		var out, complaint bytes.Buffer
		a := &app{in: strings.NewReader(""), out: &out, err: &complaint, now: time.Now, style: report.Style{}, env: func(name string) (string, bool) {
			return map[string]string{"HOME": dir, "USER": "carlos"}[name], name == "HOME" || name == "USER"
		}}
		code := a.run(ctx, append(args, "--data", dir))
		return code, out.String(), complaint.String()
	}
	ctx, cancel := context.WithCancel(t.Context())
	type ended struct {
		code int
		said string
	}
	done := make(chan ended, 1)
	go func() {
		code, _, said := run(ctx, append([]string{"collect"}, args...)...)
		done <- ended{code, said}
	}()
	end = func() string {
		t.Helper()
		cancel()
		x := <-done
		if x.code != 0 && !strings.Contains(x.said, "interrupted") {
			t.Errorf("collect ends with %d: %s", x.code, x.said)
		}
		return x.said
	}
	t.Cleanup(cancel)
	return func(args ...string) (int, string, string) { return run(t.Context(), args...) }, end
}

// TestCollect: this machine is measured, other verbs ask beside it, a second
// collector is told who measures, and what was measured is there afterwards.
func TestCollect(t *testing.T) {
	settings := filepath.Join(t.TempDir(), "leanfleet.yaml")
	if err := os.WriteFile(settings, []byte("collect:\n  interval: 1s\n  groups:\n    - {group: all, name: '.*'}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	verb, end := besideCollect(t, "--config", settings)
	var during leanfleet.StatusResult
	for range 300 {
		time.Sleep(100 * time.Millisecond)
		code, out, complaint := verb("status", "-o", "json", "--min-free", "0.01%")
		if code > 3 {
			t.Fatalf("status: %d %s", code, complaint)
		}
		during = leanfleet.StatusResult{}
		if json.Unmarshal([]byte(out), &during) == nil && during.Collector != nil && during.Collector.Stored.Inserted > 20 {
			break
		}
	}
	if during.Collector == nil || during.Collector.Stored.Inserted <= 20 || during.Collector.Dropped != 0 {
		t.Fatalf("%+v", during)
	}
	if code, out, complaint := verb("top", "--range", "1h", "-o", "csv", "--columns", "host,samples"); code != 0 || strings.Count(out, "\n") != 2 {
		t.Errorf("top: %d %s %s", code, out, complaint)
	}
	if code, out, complaint := verb("top", "--by", "group", "--range", "1h", "-o", "csv", "--columns", "group,samples"); code != 0 || !strings.Contains(out, "\nall,") {
		t.Errorf("top --by group: %d %s %s", code, out, complaint)
	}
	// Nobody stated how large this machine is; it measured it.
	for metric, least := range map[string]float64{"memory_used_bytes": 1 << 20, "cpu_cores_used": 0} {
		var r statistics.TopResult
		code, out, complaint := verb("top", "--groups", "--metric", metric, "--range", "1h", "-o", "json")
		if err := json.Unmarshal([]byte(out), &r); code != 0 || err != nil || len(r.Hosts) != 2 || r.Hosts[0].Group != "all" || r.Hosts[0].Max == nil || *r.Hosts[0].Max <= least {
			t.Errorf("top --groups of %s: %d %s %s", metric, code, out, complaint)
		}
	}
	host := during.Collector.Tasks[0].Name
	if code, out, complaint := verb("hosts", "tag", host, "dept=eng"); code != 0 {
		t.Errorf("tag: %d %s %s", code, out, complaint)
	}
	if code, _, complaint := verb("collect"); code != 1 || !strings.Contains(complaint, "process ") {
		t.Errorf("a second collector: %d %s", code, complaint)
	}
	if said := end(); !strings.Contains(said, "Stored ") {
		t.Errorf("%s", said)
	}
	code, out, complaint := verb("hosts", "-o", "csv", "--columns", "host,vcpus,memory_bytes,tags")
	if code != 0 || !strings.Contains(out, host+",") || !strings.Contains(out, "dept=eng") {
		t.Errorf("afterwards: %d %s %s", code, out, complaint)
	}
	if code, _, complaint := verb("status", "--max-age", "1h"); code != 0 {
		t.Errorf("status: %d %s", code, complaint)
	}
}

// TestCollectRefuses: an interval that is no time is wrong
// usage.
func TestCollectRefuses(t *testing.T) {
	for _, interval := range []string{"0s", "soon", "100ms", "25h"} {
		var out, complaint bytes.Buffer
		a := &app{in: strings.NewReader(""), out: &out, err: &complaint, now: time.Now, env: func(string) (string, bool) { return "", false }}
		if code := a.run(t.Context(), []string{"collect", "--interval", interval, "--data", t.TempDir()}); code != exitUsage {
			t.Errorf("--interval %s: %d %s", interval, code, complaint.String())
		}
	}
}

// TestCollectLeavesSharedAlone: nothing is made in a directory of all users.
func TestCollectLeavesSharedAlone(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	var out, complaint bytes.Buffer
	a := &app{in: strings.NewReader(""), out: &out, err: &complaint, now: time.Now, env: func(string) (string, bool) { return "", false }}
	if code := a.run(t.Context(), []string{"collect", "--data", dir}); code != exitFailed || !strings.Contains(complaint.String(), "shared by all users") {
		t.Errorf("%d %s", code, complaint.String())
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) > 0 {
		t.Errorf("%v, %v", list, err)
	}
}

// TestTogether: when one of several ends, all do, and every error is told.
func TestTogether(t *testing.T) {
	broken := errors.New("broken")
	err := together(t.Context(), func(context.Context) error { return broken }, func(ctx context.Context) error { <-ctx.Done(); return nil })
	if !errors.Is(err, broken) {
		t.Error(err)
	}
}

// TestStatusOfCollector: what a collector lost, or cannot store, is found.
func TestStatusOfCollector(t *testing.T) {
	dir := t.TempDir()
	m, err := leanfleet.Open(t.Context(), leanfleet.Options{Dir: dir, Collecting: func() collect.Status {
		return collect.Status{Dropped: 3, Waiting: 2, LastSinkError: "disk full", Tasks: []collect.TaskStatus{{Name: "web-1", Consecutive: 4, LastError: "no answer"}}}
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	r, err := m.Status(t.Context(), leanfleet.StatusRequest{})
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(r.Findings, "\n")
	for _, want := range []string{"3 samples were lost", "2 samples wait to be stored: disk full", "collector web-1 failed 4 times in a row: no answer"} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is not in %s", want, all)
		}
	}
	if r.Level != leanfleet.LevelCritical {
		t.Errorf("%s", r.Level)
	}
}

// measured is a store in which an inventory knows i-1 as web-1, by a host that
// samples brought, last measured at 09:00.
func measured(t *testing.T) (*app, *leanfleet.Monitor, func(args ...string) string) {
	t.Helper()
	dir := t.TempDir()
	var out, complaint bytes.Buffer
	now := time.Date(2024, 2, 1, 12, 0, 0, 0, time.UTC)
	a := &app{in: strings.NewReader(""), out: &out, err: &complaint, now: func() time.Time { return now }, env: func(string) (string, bool) { return "", false }}
	m, err := leanfleet.Open(t.Context(), leanfleet.Options{Dir: dir, Clock: a.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	cpu := fleet.Column{Metric: fleet.CPUUsage, Values: []int32{1}}
	row := fleet.Batch{Host: "web-1", Origin: fleet.OriginAgent, Start: []int64{now.Add(-3*time.Hour - time.Minute).UnixMilli()}, Step: 60_000, Columns: []fleet.Column{cpu}}
	if _, err := m.Append(t.Context(), []fleet.Batch{row}); err != nil {
		t.Fatal(err)
	}
	known := fleet.Statement{Record: fleet.Record{Host: "i-1", Name: "web-1", OS: "rhel"}}
	if _, err := m.PutRecords(t.Context(), []fleet.Statement{known}, fleet.Put{Origin: fleet.OriginImport}); err != nil {
		t.Fatal(err)
	}
	return a, m, func(args ...string) string {
		t.Helper()
		a.connectTo = func(ctx context.Context, dir string, s server.Settings) (*server.Client, error) { return nil, nil }
		out.Reset()
		complaint.Reset()
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		if code := a.run(t.Context(), append(args, "--data", dir)); code != 0 {
			t.Fatalf("%v: %d %s", args, code, complaint.String())
		}
		return out.String()
	}
}

// TestMachineSays: what a machine says of itself adds keys, each shown with its
// kind and origin, and never replaces what an inventory says, by whatever key the
// host goes. That it was down before its boot is inferred, and shown so.
func TestMachineSays(t *testing.T) {
	a, m, verb := measured(t)
	says := []fleet.Statement{{Record: fleet.Record{Host: "i-1", Name: "ip-10-0-0-7", OS: "linux", Arch: "x86_64"}, Aliases: []fleet.Alias{
		{Kind: fleet.AliasInstance, Key: "i-1"}, {Kind: fleet.AliasMachine, Key: "4c5a"}, {Kind: fleet.AliasHostName, Key: "ip-10-0-0-7"}}}}
	if err := a.stateMeasured(t.Context(), m, says, a.now().Add(-time.Hour), leastDowntime); err != nil {
		t.Fatal(err)
	}
	shown := verb("hosts", "show", "4c5a", "--as-of", "2024-02-01T10:00:00Z")
	for _, want := range []string{
		`(?m)^id +web-1$`, `(?m)^name +web-1$`, `(?m)^os +rhel, x86_64$`, `(?m)^state +stopped \(inferred`,
		`4c5a \(machine id, by agent\)`, `i-1 \(instance id, by import\)`, `ip-10-0-0-7 \(host name, by agent\)`,
	} {
		if !regexp.MustCompile(want).MatchString(shown) {
			t.Errorf("%s is not in\n%s", want, shown)
		}
	}
	history := verb("hosts", "history", "i-1", "-o", "csv", "--columns", "action,field,after,effective,until,why")
	if want := "inferred,state,stopped,2024-02-01 09:00 UTC,2024-02-01 11:00 UTC,no sample before it booted at 2024-02-01T11:00:00Z"; !strings.Contains(history, want) {
		t.Errorf("%s is not in\n%s", want, history)
	}
}

// TestMachineRestarted: a restart, and a boot that was before the last sample, say
// nothing of a stop.
func TestMachineRestarted(t *testing.T) {
	for _, boot := range []time.Duration{3*time.Hour - time.Minute, 5 * time.Hour} {
		a, m, verb := measured(t)
		says := []fleet.Statement{{Record: fleet.Record{Host: "i-1", OS: "linux"}}}
		if err := a.stateMeasured(t.Context(), m, says, a.now().Add(-boot), leastDowntime); err != nil {
			t.Fatal(err)
		}
		if history := verb("hosts", "history", "i-1"); strings.Contains(history, "inferred") {
			t.Errorf("booted %s ago:\n%s", boot, history)
		}
	}
}
