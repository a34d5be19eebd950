package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

// childVar tells the test binary, started again by a test, what to be.
const childVar = "LEANFLEET_STORE_TEST_CHILD"

// TestMain lets the test binary be another process on a directory.
func TestMain(m *testing.M) {
	switch what := os.Getenv(childVar); what {
	case "":
		os.Exit(m.Run())
	case "hold":
		childHold(os.Args[1], os.Args[2] == "read")
	case "import":
		childImport(os.Args[1])
	case "append":
		childAppend(os.Args[1])
	case "full":
		childFull(os.Args[1])
	case "memory":
		childMemory(os.Args[1], os.Args[2])
	default:
		fmt.Fprintf(os.Stderr, "BUG: unknown child %q\n", what)
		os.Exit(2)
	}
}

// child starts the test binary as another process.
func child(t testing.TB, what string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), childVar+"="+what)
	cmd.Stderr = os.Stderr
	return cmd
}

func childFailed(err error) {
	fmt.Fprintln(os.Stderr, "child:", err)
	os.Exit(1)
}

// childHold opens a store, says so, and holds it until its input ends.
func childHold(dir string, readOnly bool) {
	s, err := Open(context.Background(), Options{Dir: dir, ReadOnly: readOnly})
	if err != nil {
		childFailed(err)
	}
	fmt.Println("open")
	_, _ = os.Stdin.Read(make([]byte, 1))
	if err := s.Close(); err != nil {
		childFailed(err)
	}
}

// TestTwoProcesses: one process writes; others are told which, for two seconds
// long they wait for it; readers share.
func TestTwoProcesses(t *testing.T) {
	dir := t.TempDir()
	must(t, threeDays(t, dir).Close())
	hold := func(how string) (pid int, end func()) {
		cmd := child(t, "hold", dir, how)
		in, err := cmd.StdinPipe()
		must(t, err)
		out, err := cmd.StdoutPipe()
		must(t, err)
		must(t, cmd.Start())
		if n, err := out.Read(make([]byte, 16)); n == 0 {
			t.Fatal(err)
		}
		return cmd.Process.Pid, func() { _ = in.Close(); must(t, cmd.Wait()) }
	}
	refused := func(readOnly bool, want string) {
		t.Helper()
		s, err := Open(t.Context(), Options{Dir: dir, ReadOnly: readOnly})
		if err == nil {
			_ = s.Close()
		}
		if !errors.Is(err, fleet.ErrLocked) || !strings.Contains(err.Error(), want) {
			t.Errorf("opening (read only: %v) says %v, not %q", readOnly, err, want)
		}
	}
	pid, end := hold("write")
	refused(false, fmt.Sprintf("process %d writes to %s", pid, dir))
	refused(true, fmt.Sprintf("process %d writes to %s", pid, dir))
	endWriter := end
	go func() {
		time.Sleep(200 * time.Millisecond)
		endWriter()
	}()
	s, err := Open(t.Context(), Options{Dir: dir}) // waits for the writer to end
	must(t, err)
	must(t, s.Close())

	_, end = hold("read")
	s, err = Open(t.Context(), Options{Dir: dir, ReadOnly: true})
	must(t, err)
	if got := len(dump(t, s)); got != 18 {
		t.Errorf("a reader beside a reader sees %d rows", got)
	}
	must(t, s.Close())
	refused(false, "is being read by another process")
	end()
	if _, err := os.Stat(filepath.Join(dir, lockName)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the lock file is left behind: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	open(t, dir)
	cancel()
	if _, err := Open(ctx, Options{Dir: dir}); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled opening says %v", err)
	}
}

// TestReadOnly: a reader of nothing says what to do, and no reader writes.
func TestReadOnly(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	for _, missing := range []string{dir, filepath.Join(dir, "nowhere")} {
		_, err := Open(ctx, Options{Dir: missing, ReadOnly: true})
		if !errors.Is(err, ErrNoData) || !strings.Contains(err.Error(), "no data in "+missing+"; import samples first") {
			t.Errorf("%v", err)
		}
		if list, err := os.ReadDir(dir); err != nil || len(list) != 0 {
			t.Errorf("the reader made %v, %v", list, err)
		}
	}
	must(t, os.WriteFile(filepath.Join(dir, dbName), nil, 0o600))
	if _, err := Open(ctx, Options{Dir: dir, ReadOnly: true}); !errors.Is(err, ErrNoData) {
		t.Errorf("an empty database: %v", err)
	}
	must(t, threeDays(t, dir).Close())
	s := open(t, dir, func(o *Options) { o.ReadOnly = true })
	for what, do := range map[string]func() error{
		"append": func() error { _, err := s.Append(ctx, []fleet.Batch{crashBatch("a", 0, 1, 1)}); return err },
		"begin":  func() error { _, err := s.Begin(ctx); return err },
		"put":    func() error { _, err := s.PutRecords(ctx, nil, fleet.Put{}); return err },
		"merge":  func() error { return s.MergeHosts("a", "b", fleet.Put{}) },
		"retain": func() error { _, err := s.Retain(time.Hour); return err },
	} {
		if err := do(); err == nil || !strings.Contains(err.Error(), "open for reading only") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if problems, err := s.Verify(ctx); err != nil || len(problems) != 0 {
		t.Errorf("%v, %v", problems, err)
	}
}

// TestClosed: a closed store says so, whatever is asked.
func TestClosed(t *testing.T) {
	ctx := t.Context()
	s := threeDays(t, t.TempDir())
	load, err := s.Begin(ctx)
	must(t, err)
	must(t, load.Add(ctx, []fleet.Batch{crashBatch("a", 0, 1, 1)}))
	must(t, s.Close())
	must(t, s.Close())
	for what, do := range map[string]func() error{
		"append":    func() error { _, err := s.Append(ctx, nil); return err },
		"put":       func() error { _, err := s.PutRecords(ctx, nil, fleet.Put{}); return err },
		"records":   func() error { _, err := s.Records(ctx, fleet.Selector{}, fleet.Window{}); return err },
		"add":       func() error { return load.Add(ctx, nil) },
		"commit":    func() error { _, err := load.Commit(ctx); return err },
		"status":    func() error { _, err := s.Status(); return err },
		"verify":    func() error { _, err := s.Verify(ctx); return err },
		"host":      func() error { _, err := s.Host("a", time.Time{}); return err },
		"conflicts": func() error { _, err := s.Conflicts(ctx); return err },
		"profiles": func() error {
			for _, err := range s.Profiles(ctx, wholeQuery()) {
				return err
			}
			return nil
		},
		"series": func() error {
			for _, err := range s.Series(ctx, wholeQuery()) {
				return err
			}
			return nil
		},
	} {
		if err := do(); !errors.Is(err, fleet.ErrClosed) {
			t.Errorf("%s: %v", what, err)
		}
	}
	must(t, load.Abort())
}
