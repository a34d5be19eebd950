package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/collect/local/proctree"
)

// daemon is a "leanfleet collect" that is a process of its own.
type daemon struct {
	t    *testing.T
	dir  string
	cmd  *exec.Cmd
	said *bytes.Buffer // read it after end
}

// startDaemon starts the program itself on a data directory.
func startDaemon(t *testing.T, dir string, args ...string) *daemon {
	t.Helper()
	d := &daemon{t: t, dir: dir, said: new(bytes.Buffer)}
	d.cmd = exec.Command(os.Args[0], append([]string{"collect", "--data", dir}, args...)...)
	d.cmd.Env = []string{mainVar + "=1", "HOME=" + t.TempDir(), "USER=carlos",
		"GOCOVERDIR=" + t.TempDir()} // else a binary that counts coverage complains at its end
	d.cmd.Stdout, d.cmd.Stderr = d.said, d.said
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.cmd.Process.Kill(); _ = d.cmd.Wait() })
	return d
}

func (d *daemon) signal(s os.Signal) {
	d.t.Helper()
	if err := d.cmd.Process.Signal(s); err != nil {
		d.t.Fatal(err)
	}
}

// ask runs the program beside the daemon.
func (d *daemon) ask(args ...string) (out, complaint string, code int) {
	d.t.Helper()
	cmd := exec.Command(os.Args[0], append(args, "--data", d.dir)...)
	cmd.Env = d.cmd.Env
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		d.t.Fatal(err)
	}
	return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
}

// asked is the answer to a question beside the daemon.
func (d *daemon) asked(args ...string) string {
	d.t.Helper()
	out, complaint, code := d.ask(args...)
	if code != 0 {
		d.t.Fatalf("%v: %d %s", args, code, complaint)
	}
	return out
}

// until asks for the status until it is as wanted.
func (d *daemon) until(what string, ok func(*leanfleet.StatusResult) bool) leanfleet.StatusResult {
	d.t.Helper()
	var last string
	for range 600 {
		var r leanfleet.StatusResult
		out, complaint, _ := d.ask("status", "-o", "json")
		if last = out + complaint; json.Unmarshal([]byte(out), &r) == nil && r.Collector != nil && ok(&r) {
			return r
		}
		time.Sleep(100 * time.Millisecond)
	}
	d.t.Fatalf("%s did not come about: %s", what, last)
	return leanfleet.StatusResult{}
}

// end ends the daemon as a service manager does and returns what it said.
func (d *daemon) end() string {
	d.t.Helper()
	d.signal(syscall.SIGTERM)
	if err := d.cmd.Wait(); err != nil {
		d.t.Errorf("it ended with %v: %s", err, d.said)
	}
	return d.said.String()
}

// TestSuspended stops a real "leanfleet collect" for some intervals, as a laptop
// that sleeps does, while its machine transfers a lot: no row comes twice, the
// intervals are left out and counted, and what was transferred meanwhile is in no
// rate; what is transferred afterwards is.
func TestSuspended(t *testing.T) {
	t.Parallel() // it waits, most of the time
	host := proctree.New(t.TempDir(), proctree.Machine{Name: "web-1"})
	write := func(l proctree.Load) {
		t.Helper()
		host.Advance(time.Second, l)
		if err := host.Write(); err != nil {
			t.Fatal(err)
		}
	}
	write(proctree.Load{})
	settings := filepath.Join(t.TempDir(), "leanfleet.yaml")
	if err := os.WriteFile(settings, []byte("collect: {interval: 1s, root: "+strconv.Quote(host.Dir)+"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := startDaemon(t, filepath.Join(t.TempDir(), "data"), "--config", settings)
	before := d.until("a few rows", func(r *leanfleet.StatusResult) bool { return r.Store.Rows >= 3 })
	d.signal(syscall.SIGSTOP)
	stopped := time.Now()
	time.Sleep(time.Until(stopped.Add(4500 * time.Millisecond)))
	write(proctree.Load{Receive: 1 << 30})
	d.signal(syscall.SIGCONT)
	continued := time.Now()
	after := d.until("rows afterwards", func(r *leanfleet.StatusResult) bool { return r.Store.Seen.End.After(continued.Add(2 * time.Second)) })
	write(proctree.Load{Receive: 1 << 20})
	now := time.Now()
	d.until("rows of the last transfer", func(r *leanfleet.StatusResult) bool { return r.Store.Seen.End.After(now.Add(2 * time.Second)) })

	skipped := after.Collector.Skipped - before.Collector.Skipped
	if least := int64(continued.Sub(stopped)/time.Second) - 1; skipped < least {
		t.Errorf("%d intervals were skipped in %s", skipped, continued.Sub(stopped))
	}
	if n := after.Collector.Stored; n.Changed+n.Unchanged+n.Refused != 0 {
		t.Errorf("rows came twice: %+v", n)
	}
	out, complaint, code := d.ask("export", "samples", "--range", "1h", "--metrics", "network_receive_bytes_per_second", "--times", "unix_ms")
	if code != 0 {
		t.Fatal(complaint)
	}
	records, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	last, missing, sum := int64(0), int64(0), 0.0
	for _, r := range records[1:] {
		var start int64
		var rate float64
		if _, err := fmt.Sscan(r[1]+" "+r[2], &start, &rate); err != nil {
			t.Fatal(r, err)
		}
		switch {
		case start <= last || start%1000 != 0:
			t.Errorf("a row at %d after one at %d", start, last)
		case last > 0 && start > last+1000:
			missing += (start-last)/1000 - 1
		}
		last, sum = start, sum+rate
	}
	if missing < skipped {
		t.Errorf("%d rows are missing, but %d intervals were skipped:\n%s", missing, skipped, out)
	}
	// The rate of the last transfer is over the time between two readings, a
	// quarter more or less than a second.
	if sum < 0.75*(1<<20) || sum > 1.5*(1<<20) {
		t.Errorf("rates sum to %.0f B/s; only the last transfer of 1 MiB is to be in them:\n%s", sum, out)
	}
	if said := d.end(); !strings.Contains(said, "skipped") {
		t.Errorf("at its end it does not say that intervals were skipped: %s", said)
	}
}

// TestStoppedHolder: beside a "leanfleet collect" that is stopped every verb says
// so, and which process it is, soon; continued, it answers as if nothing had been.
func TestStoppedHolder(t *testing.T) {
	t.Parallel() // it waits, most of the time
	d := startDaemon(t, filepath.Join(t.TempDir(), "data"), "--interval", "1s")
	d.until("a row", func(r *leanfleet.StatusResult) bool { return r.Store.Rows >= 1 })
	d.signal(syscall.SIGSTOP)
	want := fmt.Sprintf("process %d holds %s and has not answered for 5s: is it stopped?", d.cmd.Process.Pid, d.dir)
	for _, verb := range []string{"stats", "hosts"} {
		begun := time.Now()
		_, complaint, code := d.ask(verb)
		if code != exitFailed || !strings.Contains(complaint, want) || !strings.Contains(complaint, fmt.Sprint("kill -CONT ", d.cmd.Process.Pid)) {
			t.Errorf("%s: %d %s, want %s", verb, code, complaint, want)
		}
		if took := time.Since(begun); took > 20*time.Second {
			t.Errorf("%s waited %s", verb, took)
		}
	}
	d.signal(syscall.SIGCONT)
	d.asked("stats")
	d.end()
}
