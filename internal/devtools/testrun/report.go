package testrun

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"time"
)

// Version is the version of the report's JSON form. It grows when a field
// changes its meaning or goes away, not when one is added.
const Version = 1

// Outcomes of a test or a package.
const (
	Pass = "pass"
	Fail = "fail"
	Skip = "skip"
)

// Names of failures that are no test of their own. Go identifiers hold no
// parenthesis, so none of them can be the name of a test.
const (
	NameBuild   = "(build)"   // the package or its test does not compile
	NamePackage = "(package)" // the package failed or never ended, and no test of it says why
	NameGoTest  = "(go test)" // go test itself failed, outside any package
)

// maxOutput bounds, in bytes, the output kept for one test in the JSON and
// JUnit reports. It is far above what a failing comparison prints; what is
// longer (a dump of all goroutines) loses its middle.
const maxOutput = 128 << 10

// Report is what one run of the tests, or several appended to each other, found.
type Report struct {
	Version  int       `json:"version"`
	Started  time.Time `json:"started"`  // UTC, start of the first run
	Seconds  float64   `json:"seconds"`  // wall time of all runs, compiling included
	Go       string    `json:"go"`       // version of the Go toolchain, "go1.26.0"
	Summary  Summary   `json:"summary"`  // counts over Tests and Packages
	Coverage *Coverage `json:"coverage"` // nil where no run measured it
	Packages []Package `json:"packages"` // in the order in which they ended
	Tests    []Test    `json:"tests"`    // by package in the order in which they ended
}

// Summary counts the outcomes of a report.
type Summary struct {
	Packages int     `json:"packages"` // packages that have tests or failed; one that ran twice counts twice
	Tests    int     `json:"tests"`    // tests, subtests, examples and fuzz seeds; failures without a test included
	Passed   int     `json:"passed"`
	Failed   int     `json:"failed"`
	Skipped  int     `json:"skipped"`
	Seconds  float64 `json:"seconds"` // sum over the packages of the time their tests took
}

// Package is one package of a run.
type Package struct {
	Package string  `json:"package"`       // import path
	Outcome string  `json:"outcome"`       // Pass, Fail, or Skip where it has no tests
	Seconds float64 `json:"seconds"`       // run time of its tests
	Tests   int     `json:"tests"`         // how many entries of Report.Tests are its own
	Run     string  `json:"run,omitempty"` // label of the run, such as "race"; empty for the main one
}

// Test is one test, subtest, example or fuzz seed, or one of the failures
// without a test: NameBuild, NamePackage, NameGoTest.
type Test struct {
	Package string  `json:"package"`          // import path
	Name    string  `json:"name"`             // "TestX" or "TestX/sub_test"
	Outcome string  `json:"outcome"`          // Pass, Fail or Skip
	Seconds float64 `json:"seconds"`          // run time; 0 where go test gives none
	Output  string  `json:"output,omitempty"` // what it printed, unless it passed
	Run     string  `json:"run,omitempty"`    // label of the run, such as "race"; empty for the main one
}

// Label names the test for a reader: package, test and the run's label.
func (t Test) Label() string {
	s := t.Package + ":" + t.Name
	if t.Run != "" {
		s += " (" + t.Run + ")"
	}
	return s
}

// Summarize sets r.Summary from r.Tests and r.Packages.
func (r *Report) Summarize() {
	s := Summary{Tests: len(r.Tests)}
	for _, t := range r.Tests {
		switch t.Outcome {
		case Pass:
			s.Passed++
		case Skip:
			s.Skipped++
		default:
			s.Failed++
		}
	}
	for _, p := range r.Packages {
		if p.Outcome != Skip {
			s.Packages++
		}
		s.Seconds += p.Seconds
	}
	s.Seconds = milli(s.Seconds)
	r.Summary = s
}

// Append adds the tests and packages of a later run to r and counts again.
// The coverage of later, where it has any, replaces that of r, because it was
// computed from the merged profile of both.
func (r *Report) Append(later Report) {
	r.Seconds = milli(r.Seconds + later.Seconds)
	r.Packages = append(r.Packages, later.Packages...)
	r.Tests = append(r.Tests, later.Tests...)
	if later.Coverage != nil {
		r.Coverage = later.Coverage
	}
	r.Summarize()
}

// Select returns the tests of one outcome, in order.
func (r *Report) Select(outcome string) []Test {
	var out []Test
	for _, t := range r.Tests {
		if t.Outcome == outcome {
			out = append(out, t)
		}
	}
	return out
}

// WriteJSON writes the report as indented JSON. Outputs longer than 128 KiB
// lose their middle, and say so.
func (r *Report) WriteJSON(w io.Writer) error {
	out := *r
	out.Packages = slices.Clone(r.Packages)
	if out.Packages == nil {
		out.Packages = []Package{}
	}
	out.Tests = make([]Test, len(r.Tests))
	for i, t := range r.Tests {
		t.Output = shorten(t.Output)
		out.Tests[i] = t
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(out); err != nil {
		return fmt.Errorf("encode test report: %w", err)
	}
	return nil
}

// ReadFile reads a report that WriteJSON wrote. A report of another version, or
// one whose packages and tests do not add up, is an error.
func ReadFile(name string) (Report, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return Report{}, fmt.Errorf("read test report: %w", err)
	}
	var r Report
	if err := json.Unmarshal(b, &r); err != nil {
		return Report{}, fmt.Errorf("read test report %s: %w", name, err)
	}
	if r.Version != Version {
		return Report{}, fmt.Errorf("read test report %s: its version is %d, this program reads %d", name, r.Version, Version)
	}
	tests := 0
	for _, p := range r.Packages {
		tests += p.Tests
	}
	if tests != len(r.Tests) {
		return Report{}, fmt.Errorf("read test report %s: its packages count %d tests, it lists %d", name, tests, len(r.Tests))
	}
	return r, nil
}

// shorten cuts the middle out of a text that is longer than maxOutput, at line
// ends where there are any.
func shorten(s string) string {
	if len(s) <= maxOutput {
		return s
	}
	head, tail := s[:maxOutput/2], s[len(s)-maxOutput/2:]
	if i := strings.LastIndexByte(head, '\n'); i >= 0 {
		head = head[:i+1]
	}
	if i := strings.IndexByte(tail, '\n'); i >= 0 {
		tail = tail[i+1:]
	}
	cut := len(s) - len(head) - len(tail)
	return strings.ToValidUTF8(fmt.Sprintf("%s... %d bytes left out ...\n%s", head, cut, tail), "\uFFFD")
}

// milli rounds seconds to a thousandth.
func milli(s float64) float64 { return math.Round(s*1000) / 1000 }
