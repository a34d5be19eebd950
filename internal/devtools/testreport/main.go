// Testreport runs the tests of a module and says what they found: progress and
// failing output while they run, a summary at the end, and three files.
//
//	go run ./internal/devtools/testreport [flags] [-- flags of go test] [packages]
//
//	DIR/test-report.json   every test with its outcome (docs/test-report.schema.json)
//	DIR/junit.xml          the same for test viewers
//	DIR/coverage.out       the merged cover profile
//
// It needs the Go toolchain and nothing else. Exit status: 0 when everything
// passed, 1 when a test failed, coverage is too low or a skip is not allowed,
// 2 on wrong usage. See docs/testing.md.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/internal/devtools/testrun"
)

// Files below the -out directory.
const (
	reportName  = "test-report.json"
	junitName   = "junit.xml"
	profileName = "coverage.out"
)

// raceRun labels the tests of a run under the race detector.
const raceRun = "race"

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// options are the command line.
type options struct {
	out         string
	dir         string
	race        bool
	timeout     time.Duration
	coverpkg    string
	exclude     *regexp.Regexp
	minCoverage float64
	add         bool
	stdin       bool
	summary     bool
	failOnSkip  bool
	allowSkip   *regexp.Regexp
	args        []string // for go test
}

// run is main with its surroundings as arguments; it returns the exit status.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(stderr, "testreport:", err)
		return 2
	}
	ok, err := o.work(stdin, stdout, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "testreport:", err)
		return 1
	}
	if !ok {
		return 1
	}
	return 0
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("testreport", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&o.out, "out", "out", "write the reports into this `directory`")
	f.StringVar(&o.dir, "C", ".", "run the tests of the module in this `directory`")
	f.BoolVar(&o.race, "race", false, "run under the race detector, without coverage unless -coverpkg is given, and label the tests so")
	f.DurationVar(&o.timeout, "timeout", 20*time.Minute, "stop a package's tests after this time")
	f.StringVar(&o.coverpkg, "coverpkg", "./...", "measure the coverage of these `packages`; empty measures none")
	f.Float64Var(&o.minCoverage, "min-coverage", 0, "fail under this `percentage` of covered statements")
	f.BoolVar(&o.add, "append", false, "add to the reports in -out instead of replacing them")
	f.BoolVar(&o.stdin, "stdin", false, "run nothing: read a stream of go test -json from standard input")
	f.BoolVar(&o.summary, "summary", false, "run nothing: print the summary of the report in -out")
	f.BoolVar(&o.failOnSkip, "fail-on-skip", false, "fail when a test was skipped")
	regexpVar(f, &o.exclude, "exclude", "leave packages whose import path matches this `regexp` out of the coverage")
	regexpVar(f, &o.allowSkip, "allow-skip", "let -fail-on-skip pass over tests whose PACKAGE:TEST or output matches this `regexp`")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	o.args = f.Args()
	given := map[string]bool{}
	f.Visit(func(f *flag.Flag) { given[f.Name] = true })
	switch {
	case o.stdin && o.summary:
		return o, errors.New("-stdin and -summary exclude each other")
	case (o.stdin || o.summary) && len(o.args) > 0:
		return o, fmt.Errorf("-stdin and -summary run nothing, so %q has no use", o.args)
	case o.summary && (o.add || o.race):
		return o, errors.New("-summary changes nothing, so -append and -race have no use")
	case o.stdin && given["coverpkg"]:
		return o, errors.New("-stdin runs nothing, so -coverpkg has no use")
	case o.minCoverage < 0 || o.minCoverage > 100:
		return o, fmt.Errorf("-min-coverage %v is no percentage", o.minCoverage)
	case o.allowSkip != nil && !o.failOnSkip:
		return o, errors.New("-allow-skip needs -fail-on-skip")
	}
	if o.race && !given["coverpkg"] || o.stdin {
		o.coverpkg = ""
	}
	if len(o.args) == 0 {
		o.args = []string{"./..."}
	}
	return o, nil
}

func regexpVar(f *flag.FlagSet, re **regexp.Regexp, name, usage string) {
	f.Func(name, usage, func(s string) error {
		if s == "" {
			return errors.New("it is empty and would match everything")
		}
		var err error
		*re, err = regexp.Compile(s)
		return err
	})
}

// work does what the options ask for and reports whether all is well.
func (o *options) work(stdin io.Reader, stdout, stderr io.Writer) (bool, error) {
	reportFile := filepath.Join(o.out, reportName)
	if o.summary {
		r, err := testrun.ReadFile(reportFile)
		if err != nil {
			return false, err
		}
		return o.conclude(&r, r.Tests, stdout)
	}
	var before *testrun.Report
	if o.add {
		r, err := testrun.ReadFile(reportFile)
		if err != nil {
			return false, fmt.Errorf("-append: %w", err)
		}
		before = &r
	}
	if err := os.MkdirAll(o.out, 0o777); err != nil {
		return false, fmt.Errorf("make report directory: %w", err)
	}

	r, err := o.collect(stdin, stdout, stderr)
	if err != nil {
		return false, err
	}
	tests := r.Tests
	if before != nil {
		before.Append(r)
		r = *before
	}
	if err := writeFile(reportFile, r.WriteJSON); err != nil {
		return false, err
	}
	if err := writeFile(filepath.Join(o.out, junitName), r.WriteJUnit); err != nil {
		return false, err
	}
	return o.conclude(&r, tests, stdout)
}

// collect runs the tests, or reads their stream, and returns the report of
// this run alone; its coverage is over the merged profile.
func (o *options) collect(stdin io.Reader, stdout, stderr io.Writer) (testrun.Report, error) {
	label := ""
	if o.race {
		label = raceRun
	}
	c := testrun.NewCollector(label)
	c.OnPackage = func(p testrun.Package, tests []testrun.Test) {
		if p.Outcome != testrun.Skip {
			fmt.Fprintf(stderr, "%-4s %8.2fs %5d tests  %s\n", p.Outcome, p.Seconds, p.Tests, p.Package)
		}
		for _, t := range tests {
			if t.Outcome == testrun.Fail {
				fmt.Fprintf(stdout, "--- FAIL %s\n%s\n", t.Label(), t.Output)
			}
		}
	}

	start := time.Now()
	profile := ""
	if o.coverpkg != "" {
		dir, err := os.MkdirTemp("", "testreport-")
		if err != nil {
			return testrun.Report{}, fmt.Errorf("make a place for the cover profile: %w", err)
		}
		defer os.RemoveAll(dir)
		profile = filepath.Join(dir, profileName)
	}
	var err error
	if o.stdin {
		err = c.Read(stdin)
	} else {
		err = o.goTest(c, profile, stderr)
	}
	if err != nil {
		return testrun.Report{}, err
	}
	if s := c.Stray(); s != "" && o.stdin {
		fmt.Fprint(stdout, s)
	}
	if len(c.Tests()) == 0 {
		c.AddFailure(testrun.NameGoTest, "no test ran\n"+c.Stray())
	}

	r := testrun.Report{
		Version:  testrun.Version,
		Started:  start.UTC().Truncate(time.Second),
		Go:       runtime.Version(),
		Packages: c.Packages(),
		Tests:    c.Tests(),
	}
	r.Coverage, err = o.cover(profile, c.Failed())
	if err != nil {
		return testrun.Report{}, err
	}
	r.Seconds = time.Since(start).Round(time.Millisecond).Seconds()
	r.Summarize()
	return r, nil
}

// goTest runs go test and feeds its events to c. A failure of go test that no
// package accounts for becomes one of its own.
func (o *options) goTest(c *testrun.Collector, profile string, stderr io.Writer) error {
	args := []string{"test", "-json", "-count=1", "-timeout=" + o.timeout.String()}
	if o.race {
		args = append(args, "-race")
	}
	if profile != "" {
		args = append(args, "-coverpkg="+o.coverpkg, "-coverprofile="+profile)
	}
	cmd := exec.Command("go", append(args, o.args...)...)
	cmd.Dir = o.dir
	var said bytes.Buffer
	cmd.Stderr = io.MultiWriter(stderr, &said)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("run go test: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run go test: %w", err)
	}
	readErr := c.Read(out)
	err = cmd.Wait()
	if readErr != nil {
		return readErr
	}
	if err != nil && !c.Failed() {
		c.AddFailure(testrun.NameGoTest, fmt.Sprintf("go %s: %v\n%s%s", strings.Join(cmd.Args[1:], " "), err, c.Stray(), said.String()))
	}
	return nil
}

// cover merges the profile of this run, and with -append that of the runs
// before, into the -out directory. It returns nil where coverage was not
// measured, or where the run failed too early to leave a profile.
func (o *options) cover(profile string, failed bool) (*testrun.Coverage, error) {
	merged := filepath.Join(o.out, profileName)
	if profile == "" {
		if !o.add {
			// A profile of an earlier run does not belong to this report.
			if err := os.Remove(merged); err != nil && !errors.Is(err, os.ErrNotExist) {
				return nil, fmt.Errorf("remove old cover profile: %w", err)
			}
		}
		return nil, nil
	}
	p := testrun.Profile{}
	if err := p.ReadProfileFile(profile); err != nil {
		if errors.Is(err, os.ErrNotExist) && failed {
			return nil, nil
		}
		return nil, err
	}
	if o.add {
		if err := p.ReadProfileFile(merged); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	if o.exclude != nil {
		p.Exclude(o.exclude)
	}
	if err := writeFile(merged, p.Write); err != nil {
		return nil, err
	}
	c := p.Coverage()
	return &c, nil
}

// conclude prints the summary, what else is wrong before it, and reports
// whether all is well. Of the skipped tests only those of this run count: a
// run before it may have been allowed to skip.
func (o *options) conclude(r *testrun.Report, tests []testrun.Test, stdout io.Writer) (bool, error) {
	var wrong []string
	if o.failOnSkip {
		for _, t := range tests {
			if t.Outcome == testrun.Skip && (o.allowSkip == nil || !o.allowSkip.MatchString(t.Package+":"+t.Name) && !o.allowSkip.MatchString(t.Output)) {
				wrong = append(wrong, "skipped, which is not allowed here: "+t.Label())
			}
		}
	}
	switch {
	case o.minCoverage == 0:
	case r.Coverage == nil:
		wrong = append(wrong, fmt.Sprintf("coverage was not measured, at least %g %% is asked for", o.minCoverage))
	case !r.Coverage.Reaches(o.minCoverage):
		wrong = append(wrong, fmt.Sprintf("coverage of %.2f %% is under %g %%", r.Coverage.Percent, o.minCoverage))
	}
	if r.Summary.Tests == 0 {
		wrong = append(wrong, "no test ran")
	}
	for _, s := range wrong {
		fmt.Fprintln(stdout, "NOT OK:", s)
	}
	if len(wrong) > 0 {
		fmt.Fprintln(stdout)
	}
	err := r.WriteText(stdout)
	return len(wrong) == 0 && r.Summary.Failed == 0, err
}

// writeFile writes a file through a temporary one, so that a reader never
// sees half of it.
func writeFile(name string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	defer os.Remove(f.Name()) // after the rename there is nothing to remove
	err = errors.Join(write(f), f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}
