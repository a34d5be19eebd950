package main

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/collect"
)

// TestTrouble: a collector's log says when something goes wrong and when it is
// over, once each.
func TestTrouble(t *testing.T) {
	noon := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	task := func(consecutive int64, err string) []collect.TaskStatus {
		return []collect.TaskStatus{{Name: "web-1", Consecutive: consecutive, LastError: err}}
	}
	well := collect.Status{LastStored: noon, Tasks: task(0, "")}
	full := collect.Status{LastStored: noon, Waiting: 19, LastSinkError: "no space left", LastSinkErrorAt: noon.Add(time.Second), Tasks: task(0, "")}
	fuller := full
	fuller.Waiting, fuller.LastSinkErrorAt = 38, noon.Add(time.Minute)
	lossy := fuller
	lossy.Dropped = 5
	again := lossy
	again.Waiting, again.LastStored = 0, noon.Add(time.Hour)
	slept := well
	slept.Skipped = 7
	blind, blinder, other := well, well, well
	blind.Tasks, blinder.Tasks, other.Tasks = task(1, "permission denied"), task(2, "permission denied"), task(3, "no such file")
	sees := well
	sees.Tasks = task(0, "no such file")
	busy := well // what was measured a moment ago
	busy.Waiting = 19
	for _, x := range []struct {
		name        string
		before, now collect.Status
		want        []string
	}{
		{"nothing", well, well, nil},
		{"a moment's wait", well, busy, nil},
		{"full", well, full, []string{"19 samples wait to be stored, and tried again: no space left"}},
		{"still full", full, fuller, nil},
		{"lost", fuller, lossy, []string{"5 samples lost"}},
		{"room again", lossy, again, []string{"samples are stored again; 5 lost"}},
		{"slept", well, slept, []string{"7 intervals skipped: this process did not run, or the clock was set"}},
		{"cannot read", well, blind, []string{"measuring web-1: permission denied"}},
		{"still cannot", blind, blinder, nil},
		{"for another reason", blinder, other, []string{"measuring web-1: no such file"}},
		{"reads again", other, sees, []string{"measuring web-1 works again"}},
	} {
		if got := trouble(&x.before, &x.now); !slices.Equal(got, x.want) {
			t.Errorf("%s: %q, not %q", x.name, got, x.want)
		}
	}
}

// TestPlural: what people count.
func TestPlural(t *testing.T) {
	for want, got := range map[string]string{"1 day": plural(1, "day"), "2 days": plural(2, "day"), "0 entries": plural(0, "entry"), "3,000 hosts": plural(3000, "host"), "host-days": plural(2, "host-day")[2:]} {
		if got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
}

// TestStatusShowsRetention: beside a collector the status says how long samples
// are kept and when it looked; alone, who would drop older ones. What could not be
// dropped is a finding.
func TestStatusShowsRetention(t *testing.T) {
	t.Parallel() // it waits, most of the time
	dir := filepath.Join(t.TempDir(), "data")
	d := startDaemon(t, dir, "--interval", "1s")
	d.until("retention", func(r *leanfleet.StatusResult) bool {
		return r.Collector.Retention != nil && !r.Collector.Retention.Ran.IsZero() && r.Store.Rows > 0
	})
	out, complaint, _ := d.ask("status")
	if !strings.Contains(out, "400d; looked at every 1h, last ") || !strings.Contains(out, " UTC, 0 days dropped") {
		t.Errorf("%s%s", out, complaint)
	}
	out, complaint, code := d.ask("hosts", "show", "--range", "1h", lastOf(d.asked("hosts", "-o", "csv", "--columns", "host")))
	if code != 0 || !strings.Contains(out, "(as it sees itself; no inventory tells)") {
		t.Errorf("the size of a host that only measured itself: %s%s", out, complaint)
	}
	if _, complaint, code := d.ask("collect"); code != exitFailed || !strings.Contains(complaint, "this machine is measured already: leanfleet status --data "+dir) {
		t.Errorf("a second collector: %d %s", code, complaint)
	}
	// Killed hard, nothing of what was stored is lost, and it begins again.
	before := d.until("some rows", func(r *leanfleet.StatusResult) bool { return r.Store.Rows >= 2 })
	d.signal(syscall.SIGKILL)
	if err := d.cmd.Wait(); err == nil {
		t.Error("it ended well")
	}
	out, complaint, _ = d.ask("status")
	if !strings.Contains(out, `400d; older days go with "leanfleet retain", or hourly while collect runs`) {
		t.Errorf("%s%s", out, complaint)
	}
	again := startDaemon(t, dir, "--interval", "1s", "--quiet")
	after := again.until("more rows", func(r *leanfleet.StatusResult) bool { return r.Collector.Stored.Inserted > 0 })
	if after.Store.Rows <= before.Store.Rows {
		t.Errorf("%d rows before it was killed, %d afterwards", before.Store.Rows, after.Store.Rows)
	}
	if said := again.end(); said != "" {
		t.Errorf("--quiet: %s", said)
	}
	failed := &retention{keep: time.Hour, every: time.Hour} // less than a day is refused
	var errs bytes.Buffer
	m, err := leanfleet.Open(t.Context(), leanfleet.Options{Dir: t.TempDir(), Collecting: func() collect.Status { return failed.in(collect.Status{}) }})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	ctx := t.Context()
	go func() { _ = failed.run(ctx, &app{err: &errs, now: time.Now}, m) }()
	for range 200 {
		r, err := m.Status(t.Context(), leanfleet.StatusRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(strings.Join(r.Findings, "\n"), "days beyond the retention could not be dropped: retain: keep at least a day") {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Error("that days could not be dropped is no finding")
}
