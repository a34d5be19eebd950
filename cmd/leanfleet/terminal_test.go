package main

import (
	"bytes"
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/internal/report"
)

// colour is a change of colour on a terminal.
var colour = regexp.MustCompile("\x1b\\[[0-9;]*m")

// TestTerminal: on a terminal tables are limited and fit, and colours follow
// the style; elsewhere everything is printed plain.
func TestTerminal(t *testing.T) {
	dir := t.TempDir()
	run := func(style report.Style, env map[string]string, args ...string) (string, string, int) {
		t.Helper()
		var out, errs bytes.Buffer
		a := &app{in: strings.NewReader(""), out: &out, err: &errs, style: style, errStyle: style, now: func() time.Time { return scriptNow },
			env: func(name string) (string, bool) { v, ok := env[name]; return v, ok }}
		code := a.run(context.Background(), append(args, "--data", dir))
		return out.String(), errs.String(), code
	}
	plain := report.Style{Unicode: true}
	terminal := report.Style{Terminal: true, Color: true, Unicode: true, Width: 100}
	if _, errs, code := run(plain, nil, "simulate", "--hosts", "30", "--days", "1", "--start", "2024-01-30", "--interval", "10m"); code != 0 {
		t.Fatal(errs)
	}

	out, _, _ := run(terminal, nil, "hosts")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if !strings.Contains(out, "and 9 more, --limit 0 shows all") || len(lines) > 26 {
		t.Errorf("a terminal shows %d lines:\n%s", len(lines), out)
	}
	for _, line := range lines {
		if n := len([]rune(colour.ReplaceAllString(line, ""))); n > 100 {
			t.Errorf("a line of %d characters on a terminal of 100: %s", n, line)
		}
	}
	if out, _, _ := run(terminal, nil, "hosts", "--limit", "0"); strings.Contains(out, "more, --limit") {
		t.Error("--limit 0 does not show all")
	}
	if out, _, _ := run(terminal, map[string]string{"LEANFLEET_LIMIT": "5"}, "hosts"); !strings.Contains(out, "and 24 more") {
		t.Errorf("LEANFLEET_LIMIT=5:\n%s", out)
	}
	if out, _, _ := run(plain, nil, "hosts"); strings.Contains(out, "more, --limit") || strings.Contains(out, "\x1b") {
		t.Error("where nobody looks, rows are left out or coloured")
	}
	if out, _, _ := run(terminal, nil, "trend", "--range", "2024-01-30", "--step", "1h"); !strings.Contains(out, "mean of cpu_usage") {
		t.Errorf("no plot:\n%s", out)
	}
	_, errs, code := run(terminal, nil, "stats", "--metric", "nothing")
	if code != exitUsage || !strings.HasPrefix(errs, "\x1b[31mleanfleet:") {
		t.Errorf("an error on a terminal: %d, %q", code, errs)
	}
	if _, errs, _ := run(plain, nil, "stats", "--metric", "nothing"); strings.Contains(errs, "\x1b") {
		t.Errorf("a coloured error where nobody looks: %q", errs)
	}
	for _, quiet := range []bool{false, true} {
		args := []string{"export", "inventory"}
		if quiet {
			args = append(args, "--quiet")
		}
		if _, errs, _ := run(plain, nil, args...); (errs == "") != quiet {
			t.Errorf("quiet %v: standard error is %q", quiet, errs)
		}
	}
}
