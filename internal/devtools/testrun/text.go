package testrun

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
)

// slowTests is how many of the slowest tests the summary names.
const slowTests = 5

// WriteText writes the report for a reader: what was skipped and why, what
// failed, the slowest tests, the coverage; then the package lines in the form
// of go test, and last the closing line "N passed, N failed, N skipped".
func (r *Report) WriteText(w io.Writer) error {
	bw := bufio.NewWriter(w)
	writeList(bw, "Skipped", r.Select(Skip), func(t Test) string {
		return t.Label() + ": " + cmp.Or(firstLine(t.Output), "no reason given")
	})
	writeList(bw, "Failed", r.Select(Fail), Test.Label)
	writeList(bw, "Slowest", r.slowest(slowTests), func(t Test) string {
		return fmt.Sprintf("%7.2f s  %s", t.Seconds, t.Label())
	})
	if c := r.Coverage; c != nil {
		fmt.Fprintf(bw, "Coverage: %.2f %% of statements (%d of %d)\n\n", c.Percent, c.Covered, c.Statements)
	}
	r.writePackages(bw)
	fmt.Fprintln(bw, r.Summary)
	if err := bw.Flush(); err != nil {
		return fmt.Errorf("write test summary: %w", err)
	}
	return nil
}

// String returns the closing line of a run.
func (s Summary) String() string {
	return fmt.Sprintf("%d passed, %d failed, %d skipped", s.Passed, s.Failed, s.Skipped)
}

// writePackages writes one line a package as go test does. The coverage on it
// is that of the package's own statements by all tests.
func (r *Report) writePackages(w io.Writer) {
	coverage := map[string]float64{}
	if r.Coverage != nil {
		for _, c := range r.Coverage.Packages {
			coverage[c.Package] = c.Percent
		}
	}
	packages := slices.Clone(r.Packages)
	slices.SortStableFunc(packages, func(a, b Package) int {
		return cmp.Or(cmp.Compare(a.Run, b.Run), cmp.Compare(a.Package, b.Package))
	})
	for _, p := range packages {
		line := ""
		switch p.Outcome {
		case Pass:
			line = fmt.Sprintf("ok  \t%s\t%.3fs", p.Package, p.Seconds)
		case Fail:
			line = fmt.Sprintf("FAIL\t%s\t%.3fs", p.Package, p.Seconds)
		default:
			line = fmt.Sprintf("?   \t%s\t[no test files]", p.Package)
		}
		if percent, ok := coverage[p.Package]; ok && p.Run == "" {
			line += fmt.Sprintf("\tcoverage: %.1f%% of statements", percent)
		}
		if p.Run != "" {
			line += "\t(" + p.Run + ")"
		}
		fmt.Fprintln(w, line)
	}
}

// slowest returns the n top-level tests that took longest, those of 0.1 s and more.
func (r *Report) slowest(n int) []Test {
	var out []Test
	for _, t := range r.Tests {
		if t.Seconds >= 0.1 && !strings.Contains(t.Name, "/") {
			out = append(out, t)
		}
	}
	slices.SortStableFunc(out, func(a, b Test) int { return cmp.Compare(b.Seconds, a.Seconds) })
	return out[:min(n, len(out))]
}

func writeList(w io.Writer, title string, tests []Test, line func(Test) string) {
	if len(tests) == 0 {
		return
	}
	fmt.Fprintf(w, "%s:\n", title)
	for _, t := range tests {
		fmt.Fprintf(w, "  %s\n", line(t))
	}
	fmt.Fprintln(w)
}
