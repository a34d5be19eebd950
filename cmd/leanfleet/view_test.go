package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/leanfleet/leanfleet/internal/report"
)

// viewFleet is a small simulated fleet with a decision and a price sheet.
func viewFleet(t *testing.T) *command {
	t.Helper()
	c := newCommand(t)
	c.ok("simulate", "--hosts", "12", "--days", "31", "--start", "2026-07-01", "--interval", "1h", "-q")
	return c
}

// TestNoOptionDoesNothing: every option about a table is heeded or refused, by
// every verb, in every format, before anything is done.
func TestNoOptionDoesNothing(t *testing.T) {
	options := [][]string{{"--sort-by", "nothing_is_called_so"}, {"--columns", "nothing_is_called_so"}, {"--limit", "1"}}
	everyVerb(func(v *cobra.Command) {
		if v.HasSubCommands() && strings.Contains("leanfleet import export prices config", v.Name()) {
			return // prints its help
		}
		for _, format := range []string{"json", "jsonl"} {
			for _, option := range options {
				var out, errs bytes.Buffer
				dir := filepath.Join(t.TempDir(), "data")
				a := &app{in: strings.NewReader(""), out: &out, err: &errs, style: report.Style{}, now: newCommand(t).clock(), env: func(string) (string, bool) { return "", false }}
				args := slices.Concat(strings.Fields(v.CommandPath())[1:], arguments(v), option, []string{"-o", format, "--data", dir})
				ctx, cancel := context.WithCancel(t.Context())
				cancel() // nothing is done
				code := a.run(ctx, args)
				heeded := strings.Fields(heeds(v, format))
				flag := strings.TrimPrefix(option[0], "--")
				if slices.Contains(heeded, flag) {
					if code == exitUsage && strings.Contains(errs.String(), "does not go with") {
						t.Errorf("%s is refused, but heeded: %s", strings.Join(args, " "), errs.String())
					}
					continue
				}
				if code != exitUsage || errs.Len() == 0 {
					t.Errorf("%s: exit %d, %s", strings.Join(args, " "), code, errs.String())
				}
				if _, err := os.Stat(dir); err == nil {
					t.Errorf("%s made the data directory", strings.Join(args, " "))
				}
			}
		}
	})
}

// arguments are what a verb wants.
func arguments(c *cobra.Command) []string {
	for n := range 3 {
		args := slices.Repeat([]string{"x"}, n)
		if c.Args(c, args) == nil {
			return args
		}
	}
	return nil
}

// heeds says which options about a table a verb heeds in a format.
func heeds(c *cobra.Command, format string) string {
	switch c.CommandPath() {
	case "leanfleet demo", "leanfleet collect", "leanfleet version", "leanfleet config check", "leanfleet config schema", "leanfleet config show",
		"leanfleet export samples", "leanfleet export inventory":
		return ""
	case "leanfleet prices search", "leanfleet prices equivalents":
		if format == "json" {
			return "limit"
		}
	case "leanfleet trend", "leanfleet hosts history", "leanfleet hosts merge", "leanfleet hosts tag", "leanfleet hosts rename", "leanfleet hosts retire",
		"leanfleet status", "leanfleet seal", "leanfleet retain", "leanfleet simulate", "leanfleet import samples", "leanfleet import inventory", "leanfleet import prometheus",
		"leanfleet prices export", "leanfleet prices import":
		if format == "jsonl" {
			return "limit" // its lines are no rows of the table
		}
	}
	if format == "jsonl" {
		return "sort-by limit"
	}
	return ""
}

// TestSortedLines: a table, its CSV and its lines of JSON are in the same order
// and equally many, for every verb whose lines are the rows of its table.
func TestSortedLines(t *testing.T) {
	c := viewFleet(t)
	host := strings.TrimSpace(strings.Split(c.ok("hosts", "-o", "csv", "--columns", "name"), "\n")[1])
	for _, x := range []struct{ args, sort, key string }{
		{"stats --group-by instance_type", "-mean", "mean"},
		{"top", "+p95", "p95"},
		{"hosts", "-vcpus", "vcpus"},
		{"hosts show " + host, "+metric", "metric"},
		{"underused --any --share 0.1 --below 90%", "-cpu_p95", "instance_type"},
		{"rightsize --all", "-name", "name"},
		{"rightsize --all", "+monthly_savings", "monthly_savings"},
		{"rightsize --group-by env", "+monthly_cost", "monthly_cost"},
		{"rightsize --host " + host + " --explain", "-monthly_cost", "instance_type"},
		{"chargeback --period 2026-07 --group-by instance_type", "+cost", "cost"},
	} {
		args := append(strings.Fields(x.args), "--sort-by", x.sort, "--limit", "5", "-q")
		if !strings.Contains(x.args, "--period") {
			args = append(args, "--as-of", "2026-08-01T00:00:00Z")
		}
		records, err := csv.NewReader(strings.NewReader(c.ok(append(args, "-o", "csv")...))).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		column := slices.IndexFunc(records[0], func(s string) bool { return s == x.key || strings.HasPrefix(s, x.key+"_") })
		var lines []map[string]any
		for line := range strings.Lines(c.ok(append(args, "-o", "jsonl")...)) {
			var object map[string]any
			d := json.NewDecoder(strings.NewReader(line))
			d.UseNumber()
			if err := d.Decode(&object); err != nil {
				t.Fatal(err)
			}
			lines = append(lines, object)
		}
		if len(lines) != len(records)-1 || len(lines) < 2 || len(lines) > 5 || column < 0 {
			t.Errorf("%s: %d lines, %d records, column %d", x.args, len(lines), len(records)-1, column)
			continue
		}
		var shown, printed []string
		for i, object := range lines {
			v, ok := object[x.key]
			if key, isGroup := object["group"].(map[string]any); !ok && isGroup {
				v = key[x.key]
			}
			if v == nil {
				v = ""
			}
			if capacity, ok := object["capacity"].(map[string]any); ok && x.key == "vcpus" {
				v = capacity["vcpus"]
			}
			shown, printed = append(shown, fmt.Sprint(v)), append(printed, records[i+1][column])
		}
		if !slices.Equal(shown, printed) {
			t.Errorf("%s --sort-by %s:\nlines %v\nCSV   %v", x.args, x.sort, shown, printed)
		}
	}
	// Amounts are sorted as numbers, though machines get their exact text.
	last := -1e9
	for line := range strings.Lines(c.ok("rightsize", "--all", "--as-of", "2026-08-01T00:00:00Z", "--sort-by", "+monthly_savings", "-o", "csv", "--columns", "monthly_savings", "-q")) {
		var v float64
		if n, _ := fmt.Sscanf(line, "%f", &v); n == 0 {
			continue
		}
		if v < last {
			t.Errorf("%f after %f", v, last)
		}
		last = v
	}
}

// TestUsualTablesFit: the usual tables fit into 80 columns of a terminal without
// a name or a number being cut, and into 110 where nobody looks; what is left out
// is named.
func TestUsualTablesFit(t *testing.T) {
	c := viewFleet(t)
	host := lastOf(c.ok("hosts", "-o", "csv", "--columns", "name"))
	types := lastOf(c.ok("hosts", "-o", "csv", "--columns", "instance_type"))
	for _, x := range []struct {
		args  string
		whole []string
		gone  string
	}{
		{"stats --group-by dept", nil, "min"},
		{"stats --metric network_receive_bytes_per_second --group-by dept", nil, "min, samples"},
		{"stats --metric memory_used_bytes --group-by dept --percentile 90,99.9", []string{"p99.9"}, "min, samples"},
		{"trend --metric memory_usage --range 7d --group-by dept", nil, "min"},
		{"trend --metric disk_write_bytes_per_second --range 7d --show median", []string{"median"}, "min, coverage"},
		{"top --metric disk_write_bytes_per_second", []string{host}, "median"},
		{"top --metric disk_write_bytes_per_second --by median", []string{"median"}, "coverage"},
		{"top --by min", []string{"min"}, ""},
		{"underused --any --share 0.1 --below 90%", []string{"mem max"}, ""},
		{"rightsize --all", []string{host, strings.TrimPrefix(types, "Standard_")}, "kind"},
		{"rightsize --group-by dept", []string{"saves"}, ""},
		{"hosts", []string{host, types}, "state"},
		{"hosts show " + host, []string{"network_transmit_bytes_per_second"}, "samples"},
		{"hosts history " + host, []string{"instance_type"}, "until"},
	} {
		args := append(strings.Fields(x.args), "--limit", "0")
		if !strings.HasPrefix(x.args, "hosts") || strings.HasPrefix(x.args, "hosts show") {
			args = append(args, "--as-of", "2026-08-01T00:00:00Z")
		}
		for _, width := range []int{80, 0} {
			out, errs, code := c.runOn(t.Context(), width, args...)
			if code != 0 {
				t.Fatalf("%s: exit %d\n%s", x.args, code, errs)
			}
			most := width
			if width == 0 {
				most = 110
			}
			for line := range strings.Lines(out) {
				// The rule beneath the header is as long as the grid is wide. Tags and
				// reasons are as long as they are where nobody looks.
				if n := len([]rune(strings.TrimSpace(line))); strings.HasPrefix(line, "──") && n > most && (width > 0 || !strings.Contains(x.args, "hosts") && !strings.Contains(x.args, "--all") && !strings.Contains(x.args, "--percentile")) {
					t.Errorf("%s on %d columns: a grid of %d:\n%s", x.args, width, n, out)
				}
			}
			for _, want := range x.whole {
				if !strings.Contains(out, want) {
					t.Errorf("%s on %d columns: no %q in\n%s", x.args, width, want, out)
				}
			}
			note := ""
			if _, after, ok := strings.Cut(out, "Left out for want of room: "); ok {
				note, _, _ = strings.Cut(after, "; -o wide has all.")
			}
			if width == 0 && note != "" || width > 0 && !strings.HasPrefix(note, x.gone) {
				t.Errorf("%s on %d columns: left out %q, not %q", x.args, width, note, x.gone)
			}
		}
	}
}

// lastOf is the last line of a text.
func lastOf(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}
