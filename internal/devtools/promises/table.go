package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Words of the tables.
const (
	notKept = "*not kept yet*" // in the test cell: nothing shows the promise
	traces  = "*traces*"       // in the promise cell: the test needs the trace folder and may skip
)

// columns are the header of every table.
var columns = []string{"promise", "test", "last result"}

// row is one promise.
type row struct {
	file    string
	line    int
	promise string
	tests   []reference // empty where nothing shows the promise yet
	traces  bool
}

// reference names one test or benchmark.
type reference struct {
	pkg  string // directory below the module's root, "." for the root
	name string // TestX, TestX/sub_test, ExampleX, FuzzX, BenchmarkX
}

func (r reference) String() string { return r.pkg + ":" + r.name }

// benchmark reports whether the reference is to a benchmark, which a run of
// the tests does not run.
func (r reference) benchmark() bool { return strings.HasPrefix(r.name, "Benchmark") }

// function is the name without subtests.
func (r reference) function() string {
	name, _, _ := strings.Cut(r.name, "/")
	return name
}

var referencePattern = regexp.MustCompile(`^(\.|[a-zA-Z0-9_][a-zA-Z0-9_.\-/]*[a-zA-Z0-9_]|[a-zA-Z0-9_]):((?:Test|Example|Fuzz|Benchmark)[^A-Za-z]?[A-Za-z0-9_]*(?:/.+)?)$`)

// readDir reads all tables of a directory, in the order of the file names;
// README.md holds none. The error joins all mistakes.
func readDir(dir string) ([]row, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.md"))
	if err != nil {
		return nil, fmt.Errorf("list promises in %s: %w", dir, err)
	}
	names = slices.DeleteFunc(names, func(s string) bool { return filepath.Base(s) == "README.md" })
	if len(names) == 0 {
		return nil, fmt.Errorf("list promises in %s: it holds no page", dir)
	}
	var rows []row
	var errs []error
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read promises: %w", err)
		}
		r, err := parse(name, string(b))
		rows = append(rows, r...)
		errs = append(errs, err)
	}
	return rows, errors.Join(errs...)
}

// parse reads the tables of one page. Every table of the page is one of
// promises; text around them is free. Each mistake names file and line.
func parse(file, text string) ([]row, error) {
	var rows []row
	var errs []error
	mistake := func(line int, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s:%d: %s", file, line, fmt.Sprintf(format, args...)))
	}
	const ( // where in a table the next line is
		outside = iota
		header
		body
	)
	where, fenced, tables := outside, false, 0
	for i, line := range strings.Split(text, "\n") {
		n := i + 1
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
		}
		if fenced || !strings.HasPrefix(line, "|") {
			if where == header {
				mistake(n, "the table ends before its rule |---|---|---|")
			}
			where = outside
			continue
		}
		cells, err := split(line)
		if err != nil {
			mistake(n, "%v", err)
		}
		switch where {
		case outside:
			where = header
			tables++
			if !slices.Equal(cells, columns) {
				mistake(n, "a table starts with %q, want the columns | %s |", line, strings.Join(columns, " | "))
			}
		case header:
			where = body
			for _, c := range cells {
				if strings.Trim(c, ":-") != "" || !strings.Contains(c, "-") {
					mistake(n, "want the rule |---|---|---| beneath the columns, found %q", line)
					break
				}
			}
		case body:
			r, err := parseRow(cells)
			if err != nil {
				mistake(n, "%v", err)
				continue
			}
			r.file, r.line = file, n
			rows = append(rows, r)
		}
	}
	if tables == 0 {
		mistake(1, "the page holds no table of promises")
	}
	return rows, errors.Join(errs...)
}

// split cuts a line of a table into its cells; \| is a bar inside one.
func split(line string) ([]string, error) {
	if len(line) < 2 || !strings.HasSuffix(line, "|") || strings.HasSuffix(line, `\|`) {
		return nil, fmt.Errorf("a line of a table starts and ends with |, found %q", line)
	}
	const bar = "\x00"
	inner := strings.ReplaceAll(line[1:len(line)-1], `\|`, bar)
	cells := strings.Split(inner, "|")
	for i, c := range cells {
		cells[i] = strings.TrimSpace(strings.ReplaceAll(c, bar, "|"))
	}
	return cells, nil
}

func parseRow(cells []string) (row, error) {
	var r row
	if len(cells) != len(columns) {
		return r, fmt.Errorf("the row has %d cells, want %d: | %s |", len(cells), len(columns), strings.Join(columns, " | "))
	}
	promise, tests, result := cells[0], cells[1], cells[2]
	r.promise, r.traces = promise, strings.Contains(promise, traces)
	if strings.TrimSpace(strings.ReplaceAll(promise, traces, "")) == "" {
		return r, errors.New("the promise is empty")
	}
	if tests == notKept {
		return r, nil
	}
	if result == "" {
		return r, errors.New("the last result is empty")
	}
	for s := range strings.SplitSeq(tests, "<br>") {
		ref, err := parseReference(s)
		if err != nil {
			return r, err
		}
		if ref.benchmark() && !strings.ContainsAny(result, "0123456789") {
			return r, fmt.Errorf("%s is a benchmark, but the last result %q holds no number", ref, result)
		}
		r.tests = append(r.tests, ref)
	}
	return r, nil
}

func parseReference(s string) (reference, error) {
	s = strings.TrimSpace(s)
	if len(s) > 2 && s[0] == '`' && s[len(s)-1] == '`' {
		s = s[1 : len(s)-1]
	}
	m := referencePattern.FindStringSubmatch(s)
	if m == nil {
		return reference{}, fmt.Errorf("%q names no test: want PACKAGE:TestName, several with <br> between, or %s", s, notKept)
	}
	// The testing package writes the spaces of subtest names as underscores.
	return reference{pkg: m[1], name: strings.ReplaceAll(m[2], " ", "_")}, nil
}
