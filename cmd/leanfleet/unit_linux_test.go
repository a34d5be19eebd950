package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/internal/server"
)

const (
	unitFile   = "../../packaging/leanfleet-collect.service"
	unitBinary = "/usr/local/bin/leanfleet"
)

// unit is the settings of the systemd unit, each by its name.
func unit(t *testing.T) (text string, settings map[string]string) {
	t.Helper()
	data, err := os.ReadFile(unitFile)
	if err != nil {
		t.Fatal(err)
	}
	settings = map[string]string{}
	for line := range strings.Lines(string(data)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(name, "#") {
			settings[name] = value
		}
	}
	return string(data), settings
}

// startOf are the arguments of the unit's command.
func startOf(t *testing.T, settings map[string]string) []string {
	t.Helper()
	args := strings.Fields(settings["ExecStart"])
	if len(args) < 2 || args[0] != unitBinary {
		t.Fatalf("the unit starts nothing of ours: %q", settings["ExecStart"])
	}
	return args[1:]
}

// TestServiceFile: the unit runs a command that there is, on the directory that
// systemd makes for it.
func TestServiceFile(t *testing.T) {
	_, settings := unit(t)
	args := startOf(t, settings)
	c, rest, err := newRoot(&app{out: new(bytes.Buffer), err: new(bytes.Buffer), env: func(string) (string, bool) { return "", false }, now: time.Now}).Find(args)
	if err != nil || c.Name() != "collect" || c.ParseFlags(rest) != nil {
		t.Errorf("%s: %v", args, err)
	}
	if i := slices.Index(args, "--data"); i < 0 || args[i+1] != "/var/lib/"+settings["StateDirectory"] || settings["StateDirectoryMode"] != "0700" {
		t.Errorf("%s, but the directory is %s, mode %s", args, settings["StateDirectory"], settings["StateDirectoryMode"])
	}
	for _, hidden := range []string{"ProtectProc", "ProcSubset", "PrivateNetwork", "PrivateUsers"} {
		if v, ok := settings[hidden]; ok {
			t.Errorf("%s=%s hides what is to be measured", hidden, v)
		}
	}
}

// TestServiceVerified: systemd finds nothing wrong with the unit, and little that
// a service like it should not be allowed.
func TestServiceVerified(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("SKIPPED: systemd-analyze is missing, so nobody checks the unit; Debian has it in the package systemd")
	}
	text, _ := unit(t)
	program, err := os.Executable() // one that there is
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), filepath.Base(unitFile))
	check := func(text string, args ...string) (string, error) {
		t.Helper()
		if err := os.WriteFile(path, []byte(strings.Replace(text, unitBinary, program, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(analyze, append(args, path)...).CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	if said, err := check(text, "verify", "--man=no"); err != nil || said != "" {
		t.Errorf("%v: %s", err, said)
	}
	if said, err := check(strings.Replace(text, "Restart=", "Restrat=", 1), "verify", "--man=no"); !strings.Contains(said, "Restrat") {
		t.Errorf("a mistake is not found, so nothing was checked: %v %s", err, said)
	}
	if said, err := check(text, "security", "--offline=true", "--no-pager", "--threshold=25"); err != nil { // of 100
		t.Errorf("%v: %s", err, said)
	}
}

// openDir is a folder that every user can look into, for a binary and data.
func openDir(t *testing.T) string {
	t.Helper()
	for _, base := range []string{os.TempDir(), "/var/tmp", "/dev/shm"} {
		reachable := true
		for dir := base; ; dir = filepath.Dir(dir) {
			info, err := os.Stat(dir)
			reachable = reachable && err == nil && info.Mode().Perm()&0o001 != 0
			if dir == "/" || dir == "." {
				break
			}
		}
		if !reachable {
			continue
		}
		dir, err := os.MkdirTemp(base, "leanfleet-unit")
		if err != nil {
			continue
		}
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	t.Fatal("there is no folder for temporary files that every user can look into")
	return ""
}

// TestServiceRuns runs the unit's command as a user without rights, as far as it
// can be done without systemd: with an empty environment, a directory of its own, new
// privileges forbidden, and SIGTERM at the end.
func TestServiceRuns(t *testing.T) {
	t.Parallel() // it waits, most of the time
	_, settings := unit(t)
	base := openDir(t)
	program, data := filepath.Join(base, "leanfleet"), filepath.Join(base, "data")
	if err := copyProgram(program); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	var who *syscall.Credential
	if os.Getuid() == 0 {
		const nobody = 65534
		who = &syscall.Credential{Uid: nobody, Gid: nobody}
		if err := os.Chown(data, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) (*exec.Cmd, *bytes.Buffer) {
		cmd := exec.Command(program, args...)
		cmd.Dir = "/"
		cmd.Env = []string{mainVar + "=1", "PATH=/usr/bin", "LANG=C.UTF-8", "USER=leanfleet", "LOGNAME=leanfleet", "HOME=" + data, "GOCOVERDIR=" + data}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who, Setsid: true}
		said := new(bytes.Buffer)
		cmd.Stdout, cmd.Stderr = said, said
		return cmd, said
	}
	args := startOf(t, settings)
	for i := range args {
		args[i] = strings.Replace(args[i], "/var/lib/leanfleet", data, 1)
	}
	service, said := run(append(args, "--interval", "1s")...)
	if err := service.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- service.Wait() }()
	defer func() { _ = service.Process.Kill() }()
	var last string
	for range 300 {
		ask, out := run("top", "--metric", "memory_used_bytes", "--range", "1h", "-o", "csv", "--columns", "samples", "--data", data)
		err := ask.Run()
		if last = out.String(); err == nil && strings.Count(last, "\n") == 2 {
			last = ""
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if last != "" {
		t.Fatalf("nothing was measured: %s", last)
	}
	for path, want := range map[string]os.FileMode{data: os.ModeDir | 0o700, filepath.Join(data, server.SocketName): os.ModeSocket | 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}
	stop, err := time.ParseDuration(settings["TimeoutStopSec"])
	if err != nil {
		t.Fatal(err)
	}
	if err := service.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err != nil || said.Len() > 0 {
			t.Errorf("it ended with %v: %s", err, said)
		}
	case <-time.After(stop):
		t.Errorf("it did not end in %s", stop)
	}
	if _, err := os.Stat(filepath.Join(data, server.SocketName)); !os.IsNotExist(err) {
		t.Errorf("the socket is left: %v", err)
	}
}

// copyProgram copies this program to where others can run it.
func copyProgram(to string) error {
	from, err := os.Open(os.Args[0])
	if err != nil {
		return err
	}
	defer from.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, from); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}
