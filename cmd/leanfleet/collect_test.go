package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/collect"
	"github.com/leanfleet/leanfleet/internal/report"
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

// TestTogether: when one of several ends, all do, and every error is told.
func TestTogether(t *testing.T) {
	broken := errors.New("broken")
	err := together(t.Context(), func(context.Context) error { return broken }, func(ctx context.Context) error { <-ctx.Done(); return nil })
	if !errors.Is(err, broken) {
		t.Error(err)
	}
}

// TestServiceFile: the unit runs a command that there is.
func TestServiceFile(t *testing.T) {
	data, err := os.ReadFile("../../packaging/leanfleet-collect.service")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(string(data), "\n") {
		command, ok := strings.CutPrefix(line, "ExecStart=/usr/local/bin/leanfleet ")
		if !ok {
			continue
		}
		c, rest, err := newRoot(&app{out: new(bytes.Buffer), err: new(bytes.Buffer), env: func(string) (string, bool) { return "", false }, now: time.Now}).Find(strings.Fields(command))
		if err != nil || c.Name() != "collect" || c.ParseFlags(rest) != nil {
			t.Errorf("%s: %v", command, err)
		}
		return
	}
	t.Error("the unit starts nothing of ours")
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
