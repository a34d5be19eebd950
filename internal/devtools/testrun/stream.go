package testrun

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// event is one line of "go test -json" (go doc test2json, go help buildjson).
type event struct {
	Action      string
	Package     string
	ImportPath  string // of build events
	Test        string
	Elapsed     float64
	Output      string
	FailedBuild string
}

// Collector gathers the events of one run. It is not safe for concurrent use.
type Collector struct {
	// OnPackage, where set, is called when a package ends, with its tests.
	OnPackage func(p Package, tests []Test)

	run      string
	tests    []Test
	packages []Package
	open     map[string]*openPackage
	order    []string                    // import paths of open packages, in the order of their start
	builds   map[string]*strings.Builder // compiler output by build
	used     map[string]bool             // builds whose output a package has reported
	stray    strings.Builder             // lines that are no event
}

// openPackage is a package whose end has not been seen.
type openPackage struct {
	tests  []*openTest // in the order of their start, ended ones included
	byName map[string]*openTest
	output strings.Builder
	ok     bool // go test printed its "ok" line, so the package has tests
}

type openTest struct {
	test   Test
	output strings.Builder
	ended  bool
}

// NewCollector returns a Collector that marks each test and package with the
// label run, which is empty for the main run.
func NewCollector(run string) *Collector {
	return &Collector{
		run:    run,
		open:   map[string]*openPackage{},
		builds: map[string]*strings.Builder{},
		used:   map[string]bool{},
	}
}

// Read takes in events until the stream ends. Packages and tests without an
// end are failures then. Lines that are no event are kept for Stray. The error
// is that of reading; what was read before it stays.
func (c *Collector) Read(r io.Reader) error {
	br := bufio.NewReaderSize(r, 64<<10)
	var rerr error
	for {
		line, err := br.ReadString('\n')
		if strings.TrimSpace(line) != "" {
			c.line(line)
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				rerr = fmt.Errorf("read go test events: %w", err)
			}
			break
		}
	}
	for len(c.order) > 0 {
		pkg := c.order[0]
		p := c.open[pkg]
		p.output.WriteString("the package never ended: the stream of events stopped\n")
		c.endPackage(event{Action: Fail, Package: pkg})
	}
	return rerr
}

// Tests returns the tests of the ended packages; the slice stays the Collector's.
func (c *Collector) Tests() []Test { return c.tests }

// Packages returns the ended packages; the slice stays the Collector's.
func (c *Collector) Packages() []Package { return c.packages }

// Failed reports whether anything has failed so far.
func (c *Collector) Failed() bool {
	for _, t := range c.tests {
		if t.Outcome == Fail {
			return true
		}
	}
	return false
}

// Stray returns the lines that were no event, and the compiler output that no
// package of the run reported.
func (c *Collector) Stray() string {
	s := c.stray.String()
	for name, b := range c.builds {
		if !c.used[name] {
			s += b.String()
		}
	}
	return s
}

// AddFailure records a failure that belongs to no package of the stream.
func (c *Collector) AddFailure(name, output string) {
	t := Test{Package: name, Name: name, Outcome: Fail, Output: output, Run: c.run}
	p := Package{Package: name, Outcome: Fail, Tests: 1, Run: c.run}
	c.tests = append(c.tests, t)
	c.packages = append(c.packages, p)
	if c.OnPackage != nil {
		c.OnPackage(p, []Test{t})
	}
}

func (c *Collector) line(line string) {
	var e event
	if !strings.HasPrefix(strings.TrimSpace(line), "{") || json.Unmarshal([]byte(line), &e) != nil || e.Action == "" {
		c.stray.WriteString(line)
		return
	}
	switch e.Action {
	case "build-output":
		b := c.builds[e.ImportPath]
		if b == nil {
			b = &strings.Builder{}
			c.builds[e.ImportPath] = b
		}
		b.WriteString(e.Output)
		return
	case "build-fail":
		return
	}
	if e.Package == "" {
		c.stray.WriteString(line)
		return
	}
	p := c.pkg(e.Package)
	if e.Test == "" {
		switch e.Action {
		case "output":
			p.ok = p.ok || strings.HasPrefix(e.Output, "ok  \t")
			p.output.WriteString(e.Output)
		case Pass, Fail, Skip:
			c.endPackage(e)
		}
		return
	}
	t := p.test(e.Package, e.Test, c.run)
	switch e.Action {
	case "output":
		t.output.WriteString(e.Output)
	case Pass, Fail, Skip:
		t.end(e.Action, e.Elapsed)
	}
}

func (c *Collector) pkg(name string) *openPackage {
	p := c.open[name]
	if p == nil {
		p = &openPackage{byName: map[string]*openTest{}}
		c.open[name] = p
		c.order = append(c.order, name)
	}
	return p
}

// test returns the test of a name, opening it where it is new or, with
// -count above 1, has ended.
func (p *openPackage) test(pkg, name, run string) *openTest {
	t := p.byName[name]
	if t == nil || t.ended {
		t = &openTest{test: Test{Package: pkg, Name: name, Run: run}}
		p.byName[name] = t
		p.tests = append(p.tests, t)
	}
	return t
}

func (t *openTest) end(outcome string, seconds float64) {
	t.ended = true
	t.test.Outcome = outcome
	t.test.Seconds = milli(seconds)
	if outcome != Pass {
		t.test.Output = t.output.String()
	}
	t.output.Reset()
}

// endPackage closes the package of e: tests without an end fail, a failed
// package without a failed test becomes a failure of its own.
func (c *Collector) endPackage(e event) {
	p := c.open[e.Package]
	delete(c.open, e.Package)
	for i, name := range c.order {
		if name == e.Package {
			c.order = append(c.order[:i], c.order[i+1:]...)
			break
		}
	}

	outcome, failed := e.Action, false
	tests := make([]Test, 0, len(p.tests))
	for _, t := range p.tests {
		if !t.ended {
			t.output.WriteString("the test never ended: its process exited, timed out or was killed\n")
			t.end(Fail, 0)
		}
		failed = failed || t.test.Outcome == Fail
		tests = append(tests, t.test)
	}
	if failed {
		outcome = Fail
	}
	if outcome == Fail && !failed {
		tests = append(tests, c.withoutTest(e, p))
	}
	if outcome == Pass && len(tests) == 0 && !p.ok {
		outcome = Skip // no test files; go test only measured its coverage
	}

	result := Package{Package: e.Package, Outcome: outcome, Seconds: milli(e.Elapsed), Tests: len(tests), Run: c.run}
	c.packages = append(c.packages, result)
	c.tests = append(c.tests, tests...)
	if c.OnPackage != nil {
		c.OnPackage(result, tests)
	}
}

// withoutTest is the failure of a package that no test of it explains.
func (c *Collector) withoutTest(e event, p *openPackage) Test {
	t := Test{Package: e.Package, Name: NamePackage, Outcome: Fail, Output: p.output.String(), Run: c.run}
	if e.FailedBuild == "" {
		return t
	}
	t.Name = NameBuild
	if b := c.builds[e.FailedBuild]; b != nil {
		c.used[e.FailedBuild] = true
		t.Output = b.String() + t.Output
	}
	return t
}
