package report

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// TestDetectStyleOfATerminal opens a real pseudo-terminal.
func TestDetectStyleOfATerminal(t *testing.T) {
	control, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("NOT TESTED: no pseudo-terminals here: %v", err)
	}
	defer control.Close()
	fd := int(control.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	terminal, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("NOT TESTED: no pseudo-terminals here: %v", err)
	}
	defer terminal.Close()
	if err := unix.IoctlSetWinsize(int(terminal.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: 97}); err != nil {
		t.Fatal(err)
	}
	env := func(key string) string { return map[string]string{"LANG": "C.UTF-8", "TERM": "xterm"}[key] }
	if got, want := DetectStyle(terminal, env), (Style{Terminal: true, Color: true, Unicode: true, Width: 97}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
