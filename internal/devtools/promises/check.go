package main

import (
	"bufio"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/leanfleet/leanfleet/internal/devtools/testrun"
)

// checker holds promises against the report of a run and the source.
type checker struct {
	root     string // directory of the module
	module   string // its path
	outcomes map[string]outcome
	sources  map[string]map[string]bool // test functions by package directory
}

// outcome is what the runs of one test came to.
type outcome struct {
	passed, failed, skipped int
}

func newChecker(root string, r testrun.Report) (*checker, error) {
	module, err := modulePath(filepath.Join(root, "go.mod"))
	if err != nil {
		return nil, err
	}
	c := &checker{root: root, module: module, outcomes: map[string]outcome{}, sources: map[string]map[string]bool{}}
	for _, t := range r.Tests {
		c.count(t)
	}
	return c, nil
}

// count books a test under its own name; a skipped subtest counts for the
// tests above it as well, since their promise was not shown in full. What a
// further run, such as that under the race detector, skips was shown by the
// main one, or it shows there as not run.
func (c *checker) count(t testrun.Test) {
	if t.Run != "" && t.Outcome == testrun.Skip {
		return
	}
	add := func(name string) {
		key := t.Package + ":" + name
		o := c.outcomes[key]
		switch t.Outcome {
		case testrun.Pass:
			o.passed++
		case testrun.Skip:
			o.skipped++
		default:
			o.failed++
		}
		c.outcomes[key] = o
	}
	add(t.Name)
	if t.Outcome != testrun.Skip {
		return
	}
	for name := t.Name; strings.Contains(name, "/"); {
		name = name[:strings.LastIndexByte(name, '/')]
		add(name)
	}
}

// check returns what is wrong with one row, each line naming file and line.
func (c *checker) check(r row) []string {
	var wrong []string
	for _, ref := range r.tests {
		if s := c.checkReference(ref, r.traces); s != "" {
			wrong = append(wrong, fmt.Sprintf("%s:%d: %s %s", r.file, r.line, ref, s))
		}
	}
	return wrong
}

func (c *checker) checkReference(ref reference, maySkip bool) string {
	exists, err := c.inSource(ref)
	switch {
	case err != nil:
		return "cannot be looked up: " + err.Error()
	case !exists:
		return "does not exist"
	case ref.benchmark():
		return ""
	}
	o, ran := c.outcomes[path.Join(c.module, ref.pkg)+":"+ref.name]
	switch {
	case !ran && ref.name != ref.function():
		return "did not run: the report has no subtest of that name"
	case !ran:
		return "did not run: the report does not have it"
	case o.failed > 0:
		return "failed"
	case o.skipped > 0 && !maySkip:
		return "was skipped, or a subtest of it was; only rows with " + traces + " may skip"
	}
	return ""
}

// inSource reports whether the test files of the package declare the function.
func (c *checker) inSource(ref reference) (bool, error) {
	functions, ok := c.sources[ref.pkg]
	if !ok {
		var err error
		functions, err = testFunctions(filepath.Join(c.root, filepath.FromSlash(ref.pkg)))
		if err != nil {
			return false, err
		}
		c.sources[ref.pkg] = functions
	}
	return functions[ref.function()], nil
}

// testFunctions lists the functions that the test files of a directory
// declare. A directory that is not there has none.
func testFunctions(dir string) (map[string]bool, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read package: %w", err)
	}
	functions := map[string]bool{}
	for _, e := range entries {
		if e.IsDir() || !strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, e.Name()), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, fmt.Errorf("read test file: %w", err)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
				functions[fn.Name.Name] = true
			}
		}
	}
	return functions, nil
}

// modulePath reads the module line of a go.mod file.
func modulePath(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("read module path: %w", err)
	}
	defer f.Close()
	sc := bufio.NewScanner(f)
	for sc.Scan() {
		if f := strings.Fields(sc.Text()); len(f) >= 2 && f[0] == "module" {
			return strings.Trim(f[1], `"`), nil
		}
	}
	if err := sc.Err(); err != nil {
		return "", fmt.Errorf("read module path in %s: %w", name, err)
	}
	return "", fmt.Errorf("read module path: %s has no module line", name)
}
