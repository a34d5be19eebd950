//go:build linux

package pricefile

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/leanfleet/leanfleet/pricing"
)

// fullVariable names the directory in which a process of its own, whose files
// may not grow, updates the price book.
const fullVariable = "LEANFLEET_TEST_FULL_DISK"

// TestFullDisk: where the new file does not fit, the last good prices stay to
// the byte, the error names the file, and nothing is left beside it. A limit on
// the size of files stands for the full disk: both fail in write.
func TestFullDisk(t *testing.T) {
	if dir := os.Getenv(fullVariable); dir != "" {
		fullDisk(t, dir)
		return
	}
	dir := t.TempDir()
	for _, region := range []string{"us-east-1", "eu-west-1"} {
		if _, err := Update(t.Context(), dir, pricing.Options{}, reading(t, region, "0.1")); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, Name)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFullDisk$", "-test.v")
	c.Env = append(os.Environ(), fullVariable+"="+dir)
	if out, err := c.CombinedOutput(); err != nil || !strings.Contains(string(out), "PASS: TestFullDisk") {
		t.Fatalf("%v\n%s", err, out)
	}
	after, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the prices changed: %v", err)
	}
	if got := names(t, dir); got != Name+" "+LockName {
		t.Errorf("the directory holds %s", got)
	}
	// With room again it works.
	b, err := Update(t.Context(), dir, pricing.Options{}, reading(t, "us-west-2", "0.3"))
	if err != nil || priceOf(t, b, "us-west-2") != "0.3 USD" || priceOf(t, b, "us-east-1") != "0.1 USD" {
		t.Errorf("afterwards: %v", err)
	}
}

// fullDisk is the process whose files may not grow.
func fullDisk(t *testing.T, dir string) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 64, Max: limit.Max}); err != nil {
		t.Fatal(err)
	}
	_, err := Update(t.Context(), dir, pricing.Options{}, reading(t, "us-west-1", "0.2"))
	// What the test binary itself writes at its end, such as coverage, fits.
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(err, syscall.EFBIG) || !strings.Contains(err.Error(), "write price book "+filepath.Join(dir, Name)) {
		t.Errorf("a full disk: %v", err)
	}
}
