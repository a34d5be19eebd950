package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/leanfleet/leanfleet/internal/report"
)

// TestSizing runs the scripts about decisions, testdata/sizing/*.txtar. Each has
// usage.csv beside it: January 2024 of three hosts that hardly do anything.
func TestSizing(t *testing.T) {
	p := scripts()
	p.Dir, p.UpdateScripts = "testdata/sizing", *update
	setup := p.Setup
	p.Setup = func(e *testscript.Env) error {
		if err := setup(e); err != nil {
			return err
		}
		for name, text := range map[string]string{"usage.csv": sleepers(), "five.csv": lastDays(sleepers(), 5), "cpu.csv": withoutMemory(sleepers())} {
			if err := os.WriteFile(filepath.Join(e.WorkDir, name), []byte(text), 0o644); err != nil {
				return err
			}
		}
		return nil
	}
	testscript.Run(t, p)
}

// sleepers is January 2024 of three hosts that hardly do anything, as CSV.
func sleepers() string {
	var b strings.Builder
	b.WriteString("host,timestamp,cpu_cores_used,memory_used_bytes\n")
	for i := range 3 {
		for at := scriptNow.AddDate(0, 0, -31); at.Before(scriptNow); at = at.Add(10 * time.Minute) {
			fmt.Fprintf(&b, "web-%d,%s,0.%d%d,%d\n", i+1, at.Format(time.RFC3339), at.Hour()/8, i, 2<<30)
		}
	}
	return b.String()
}

// lastDays is the head and the last days of a file of samples.
func lastDays(csv string, days int) string {
	var b strings.Builder
	from := scriptNow.AddDate(0, 0, -days).Format(time.RFC3339)
	for i, line := range strings.SplitAfter(csv, "\n") {
		if cells := strings.SplitN(line, ",", 3); i == 0 || len(cells) == 3 && cells[1] >= from {
			b.WriteString(line)
		}
	}
	return b.String()
}

// withoutMemory is a file of samples without its last column.
func withoutMemory(csv string) string {
	var b strings.Builder
	for line := range strings.Lines(csv) {
		b.WriteString(line[:strings.LastIndexByte(line, ',')] + "\n")
	}
	return b.String()
}

// TestSizingFits: on a terminal of 80 columns every line of the answers about
// sizes fits, nothing that matters is cut off, and the best ten come first.
func TestSizingFits(t *testing.T) {
	dir := t.TempDir()
	run := func(style report.Style, args ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		a := &app{in: strings.NewReader(""), out: &out, err: &errs, style: style, errStyle: style, now: func() time.Time { return scriptNow },
			env: func(string) (string, bool) { return "", false }}
		if code := a.run(context.Background(), append(args, "--data", dir)); code != 0 {
			t.Fatalf("%v: exit code %d\n%s", args, code, errs.String())
		}
		return out.String()
	}
	run(report.Style{}, "simulate", "--hosts", "40", "--days", "31", "--start", "2024-01-01", "--interval", "15m", "-q")
	for _, unicode := range []bool{true, false} {
		style := report.Style{Terminal: true, Unicode: unicode, Width: 80}
		for _, args := range [][]string{{"rightsize"}, {"rightsize", "--group-by", "env"}, {"backtest", "--train", "17d", "--windows", "1", "--policies", "leanfleet,aws-default,aws-default+swap"}} {
			out := run(style, args...)
			for line := range strings.SplitSeq(out, "\n") {
				if n := len([]rune(line)); n > 80 {
					t.Errorf("%v: a line of %d characters: %s", args, n, line)
				}
				if !unicode && strings.ContainsFunc(line, func(r rune) bool { return r > 127 }) {
					t.Errorf("%v: not ASCII: %s", args, line)
				}
			}
			if args[0] == "rightsize" && len(args) == 1 {
				table, _, _ := strings.Cut(out, " more, --limit 0 shows all")
				rows := strings.Split(table, "\n")[3:]
				if rows = rows[:len(rows)-1]; len(rows) != tenBest {
					t.Errorf("%d rows:\n%s", len(rows), table)
				}
				for _, row := range rows {
					if what := strings.Join(strings.Fields(row)[1:], " "); strings.Contains(what, "…") || strings.Contains(what, "...") {
						t.Errorf("more than the name is cut off: %s", row)
					}
				}
			}
		}
	}
}
