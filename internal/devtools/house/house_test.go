package house

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = "../../.."

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestMakefile(t *testing.T) {
	text := read(t, "Makefile")
	if n := strings.Count(text, "\n"); n >= 40 {
		t.Errorf("the Makefile has %d lines, want under 40", n)
	}
	for _, target := range []string{"build", "demo", "test", "test-deps", "lint", "bench", "catalog", "cover", "promises"} {
		if !regexp.MustCompile(`(?m)^` + target + `:`).MatchString(text) {
			t.Errorf("the Makefile has no target %s", target)
		}
	}
}

// TestMakeTestInstallsNothing: what make test runs is our own command of this
// module, which runs go test; it asks for reports below out and for 80 %.
func TestMakeTestInstallsNothing(t *testing.T) {
	cmd := exec.Command("make", "-n", "--no-print-directory", "GO=go", "PKG=./...", "TESTFLAGS=", "test")
	cmd.Dir = root
	cmd.Env = slices.DeleteFunc(os.Environ(), func(s string) bool { // of a make around this test
		return strings.HasPrefix(s, "MAKE") || strings.HasPrefix(s, "MFLAGS")
	})
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("make -n test: %v\n%s", err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != 1 || !strings.HasPrefix(lines[0], "go run ./internal/devtools/testreport ") {
		t.Errorf("make test runs\n%s\nwant our testreport alone", out)
	}
	for _, s := range []string{" -out out ", " -min-coverage 80 ", " ./..."} {
		if !strings.Contains(lines[0], s) {
			t.Errorf("make test runs %q without%s", lines[0], s)
		}
	}
}

func TestIntegrationScript(t *testing.T) {
	name := filepath.Join(root, ".ci", "run")
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode()&0o111 == 0 {
		t.Error(".ci/run cannot be executed")
	}
	if out, err := exec.Command("bash", "-n", name).CombinedOutput(); err != nil {
		t.Errorf("bash -n .ci/run: %v\n%s", err, out)
	}
	text := read(t, ".ci/run")
	at := 0
	for _, s := range []string{"set -euo pipefail", "\nmake test-deps", "\nmake lint", "\nmake test ", " -race ", "git ls-files '*go.mod'", "\nmake promises", "bash bench/gate.sh"} {
		i := strings.Index(text[at:], s)
		if i < 0 {
			t.Fatalf(".ci/run lacks %q after its first %d bytes", s, at)
		}
		at += i
	}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if last := lines[len(lines)-1]; !strings.Contains(last, "./internal/devtools/testreport ") || !strings.Contains(last, " -summary") {
		t.Errorf(".ci/run ends with %q, want the summary of the tests", last)
	}
}

func TestLicence(t *testing.T) {
	text := read(t, "LICENSE")
	for _, s := range []string{"Apache License", "Version 2.0, January 2004", "9. Accepting Warranty or Additional Liability.", "END OF TERMS AND CONDITIONS"} {
		if !strings.Contains(text, s) {
			t.Errorf("LICENSE lacks %q", s)
		}
	}
}

// testDeps runs the installing script with a PATH that holds nothing but the
// given programs, as stand-ins that write down how they are called. It runs as
// somebody who is not root, so that all it would change goes through sudo.
func testDeps(t *testing.T, programs ...string) (status int, out, calls string) {
	t.Helper()
	bin := t.TempDir()
	log := filepath.Join(t.TempDir(), "calls")
	put := func(name, script string) {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range programs {
		put(p, `echo "`+p+` $*" >>"`+log+`"`)
	}
	put("id", "echo 1000")
	put("sudo", `while read -r line; do :; done; echo "sudo $*" >>"`+log+`"`)
	cmd := exec.Command("/bin/sh", filepath.Join(root, "internal", "devtools", "test-deps.sh"))
	cmd.Env = []string{"PATH=" + bin}
	b, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	c, _ := os.ReadFile(log) // no call, no file
	return cmd.ProcessState.ExitCode(), string(b), string(c)
}

func TestDepsInstallsWhatIsMissing(t *testing.T) {
	all := []string{"prometheus", "prometheus-node-exporter", "victoria-metrics", "sshd", "pdftotext", "g++", "systemd-analyze"}

	status, out, calls := testDeps(t, append(all, "apt-get")...)
	if status != 0 || calls != "" || !strings.Contains(out, "nothing to install") {
		t.Errorf("with everything there: status %d, calls %q\n%s", status, calls, out)
	}

	status, out, calls = testDeps(t, "prometheus", "sshd", "victoria-metrics", "g++", "systemd-analyze", "apt-get")
	const packages = " prometheus-node-exporter poppler-utils"
	if status != 0 || !strings.Contains(out, "installing"+packages+"\n") {
		t.Errorf("with two missing: status %d\n%s", status, out)
	}
	for _, s := range []string{"sudo apt-get -q update\n", "DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends" + packages + "\n"} {
		if strings.Count(calls, s) != 1 {
			t.Errorf("with two missing: want one call %q, found\n%s", s, calls)
		}
	}

	status, out, calls = testDeps(t, "prometheus", "sshd", "pdftotext", "g++", "systemd-analyze", "prometheus-node-exporter")
	if status != 1 || calls != "" || !strings.Contains(out, "no apt-get; install by hand what Debian calls: victoria-metrics") {
		t.Errorf("without apt-get: status %d, calls %q\n%s", status, calls, out)
	}
}
