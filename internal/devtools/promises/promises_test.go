package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/leanfleet/leanfleet/internal/devtools/testrun"
)

const head = "| promise | test | last result |\n|---|:--:|---|\n"

func TestParse(t *testing.T) {
	rows, err := parse("p.md", "# Title\n\nFree text.\n\n"+head+
		"| one | internal/a:TestX/sub test<br>`.:ExampleOpen` | passes |\n"+
		"| a \\| b *traces* | a:BenchmarkB | 0.08 s |\n"+
		"\n```\n| no | table | here |\n```\n\n## More\n"+head+
		"| two | *not kept yet* | |\n")
	if err != nil {
		t.Fatal(err)
	}
	want := []row{
		{file: "p.md", line: 7, promise: "one", tests: []reference{{"internal/a", "TestX/sub_test"}, {".", "ExampleOpen"}}},
		{file: "p.md", line: 8, promise: "a | b *traces*", tests: []reference{{"a", "BenchmarkB"}}, traces: true},
		{file: "p.md", line: 17, promise: "two"},
	}
	if d := cmp.Diff(want, rows, cmp.AllowUnexported(row{}, reference{})); d != "" {
		t.Error(d)
	}
}

func TestParseMistakes(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"no table\n", "p.md:1: the page holds no table"},
		{"| promise | test |\n|---|---|\n", "p.md:1: a table starts with"},
		{"| promise | test | last result |\n| a | b:TestX | passes |\n", "p.md:2: want the rule"},
		{"| promise | test | last result |\n\n", "p.md:2: the table ends before its rule"},
		{head + "| a | b:TestX |\n", "p.md:3: the row has 2 cells, want 3"},
		{head + "| a | b:TestX | passes\n", "p.md:3: a line of a table starts and ends with |"},
		{head + "| | b:TestX | passes |\n", "p.md:3: the promise is empty"},
		{head + "| *traces* | b:TestX | passes |\n", "p.md:3: the promise is empty"},
		{head + "| a | | passes |\n", "p.md:3: \"\" names no test"},
		{head + "| a | TestX | passes |\n", "p.md:3: \"TestX\" names no test"},
		{head + "| a | b:helper | passes |\n", "p.md:3: \"b:helper\" names no test"},
		{head + "| a | /b:TestX | passes |\n", "p.md:3: \"/b:TestX\" names no test"},
		{head + "| a | b:TestX, c:TestY | passes |\n", "names no test"},
		{head + "| a | b:TestX<br> | passes |\n", "p.md:3: \"\" names no test"},
		{head + "| a | b:TestX | |\n", "p.md:3: the last result is empty"},
		{head + "| a | b:BenchmarkX | fast |\n", "p.md:3: b:BenchmarkX is a benchmark, but the last result \"fast\" holds no number"},
	} {
		if _, err := parse("p.md", c.text); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: error %v, want %s", c.text, err, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(head + "| one | a:TestX/sub | passes |\n")
	f.Add(head + "| one \\| two *traces* | *not kept yet* | |\n```\n| x |")
	f.Add("|\n|-|\n||||\n")
	f.Fuzz(func(t *testing.T, text string) {
		rows, err := parse("p.md", text)
		lines := strings.Count(text, "\n") + 1
		for _, r := range rows {
			if r.line < 1 || r.line > lines || r.promise == "" {
				t.Errorf("row %+v of a text of %d lines", r, lines)
			}
			for _, ref := range r.tests {
				if again, err := parseReference(ref.String()); err != nil || again != ref {
					t.Errorf("%v reads back as %v, %v", ref, again, err)
				}
			}
		}
		if err != nil && !strings.HasPrefix(err.Error(), "p.md:") {
			t.Errorf("error without file and line: %v", err)
		}
	})
}

// module writes the module of testdata and a report of its run, and returns
// the directory.
func module(t *testing.T) string {
	t.Helper()
	a, err := txtar.ParseFile("testdata/module.txtar")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := txtar.Write(a, dir); err != nil {
		t.Fatal(err)
	}
	r := testrun.Report{Version: testrun.Version, Go: "go1.26.0", Tests: []testrun.Test{
		{Package: "example.com/m", Name: "TestRoot", Outcome: testrun.Pass},
		{Package: "example.com/m/a", Name: "TestGood", Outcome: testrun.Pass},
		{Package: "example.com/m/a", Name: "TestGood/sub_test", Outcome: testrun.Pass},
		{Package: "example.com/m/a", Name: "TestBad", Outcome: testrun.Fail},
		{Package: "example.com/m/a", Name: "TestSkipped", Outcome: testrun.Skip},
		{Package: "example.com/m/a", Name: "TestPartly/deep/er", Outcome: testrun.Skip},
		{Package: "example.com/m/a", Name: "TestPartly", Outcome: testrun.Pass},
		{Package: "example.com/m/a", Name: "TestTwice", Outcome: testrun.Pass},
		{Package: "example.com/m/a", Name: "TestTwice", Outcome: testrun.Fail, Run: "race"},
		{Package: "example.com/m/a", Name: "TestShort", Outcome: testrun.Pass},
		{Package: "example.com/m/a", Name: "TestShort", Outcome: testrun.Skip, Run: "race"},
		{Package: "example.com/m/a", Name: "TestShortOnly", Outcome: testrun.Skip, Run: "race"},
		{Package: "example.com/m/a", Name: "TestVanished", Outcome: testrun.Pass},
	}}
	r.Packages = []testrun.Package{{Package: "example.com/m/a", Outcome: testrun.Fail, Tests: len(r.Tests)}}
	var b bytes.Buffer
	if err := r.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "report.json"), b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// check runs the command over a page with the given rows.
func check(t *testing.T, rows string) (int, string) {
	t.Helper()
	dir := module(t)
	if err := os.WriteFile(filepath.Join(dir, "promises", "area.md"), []byte(head+rows), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	status := run([]string{"-dir", filepath.Join(dir, "promises"), "-report", filepath.Join(dir, "report.json"), "-root", dir}, &stdout, &stderr)
	return status, stdout.String() + stderr.String()
}

func TestPromises(t *testing.T) {
	for _, c := range []struct {
		row    string
		status int
		want   string
	}{
		{"| p | a:TestGood<br>.:TestRoot | passes |", 0, "promises: 1 kept, 0 broken, 0 not kept yet"},
		{"| p | a:TestGood/sub test | passes |", 0, "1 kept"},
		{"| p | a:BenchmarkFast | 3 ms |", 0, "1 kept"},
		{"| p | *not kept yet* | |", 0, "area.md:3: not kept yet: p\npromises: 0 kept, 0 broken, 1 not kept yet"},
		{"| p *traces* | a:TestSkipped | skips |", 0, "1 kept"},
		{"| p *traces* | a:TestPartly | passes |", 0, "1 kept"},
		{"| p | a:TestSkipped | passes |", 1, "area.md:3: a:TestSkipped was skipped"},
		{"| p | a:TestPartly | passes |", 1, "a:TestPartly was skipped, or a subtest"},
		{"| p *traces* | a:TestBad | passes |", 1, "a:TestBad failed"},
		{"| p | a:TestTwice | passes |", 1, "a:TestTwice failed"},
		{"| p | a:TestShort | passes |", 0, "1 kept"},
		{"| p | a:TestShortOnly | passes |", 1, "a:TestShortOnly did not run"},
		{"| p | a:TestNotRun | passes |", 1, "a:TestNotRun did not run"},
		{"| p *traces* | a:TestNotRun | passes |", 1, "a:TestNotRun did not run"},
		{"| p | a:TestGood/other | passes |", 1, "the report has no subtest of that name"},
		{"| p | a:TestVanished | passes |", 1, "a:TestVanished does not exist"},
		{"| p | a:TestMethod | passes |", 1, "a:TestMethod does not exist"},
		{"| p | nowhere:TestGood | passes |", 1, "nowhere:TestGood does not exist"},
		{"| p | a:BenchmarkSlow | 3 ms |", 1, "a:BenchmarkSlow does not exist"},
		{"| p | broken:TestX | passes |", 1, "broken:TestX cannot be looked up"},
		{"| p | a:TestGood | passes |\n| malformed |", 1, "area.md:4: the row has 1 cells"},
		{"| malformed |\n| p | a:TestBad | passes |", 1, "a:TestBad failed"},
	} {
		if status, out := check(t, c.row+"\n"); status != c.status || !strings.Contains(out, c.want) {
			t.Errorf("%s\nstatus %d, want %d and %q:\n%s", c.row, status, c.status, c.want, out)
		}
	}
}

func TestUsage(t *testing.T) {
	dir := module(t)
	empty := t.TempDir()
	for _, c := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"-nonsense"}, 2, "nonsense"},
		{[]string{"extra"}, 2, "unexpected argument"},
		{[]string{"-h"}, 0, "-report"},
		{[]string{"-report", filepath.Join(empty, "none.json")}, 1, "none.json"},
		{[]string{"-report", filepath.Join(dir, "report.json"), "-root", empty}, 1, "go.mod"},
		{[]string{"-report", filepath.Join(dir, "report.json"), "-root", dir, "-dir", empty}, 1, "holds no page"},
	} {
		var out bytes.Buffer
		if status := run(c.args, &out, &out); status != c.status || !strings.Contains(out.String(), c.want) {
			t.Errorf("%q: status %d, want %d and %q:\n%s", c.args, status, c.status, c.want, out.String())
		}
	}
	if err := os.WriteFile(filepath.Join(empty, "go.mod"), []byte("go 1.26\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := modulePath(filepath.Join(empty, "go.mod")); err == nil || !strings.Contains(err.Error(), "no module line") {
		t.Errorf("a go.mod without a module line: %v", err)
	}
}

// TestPagesAreWellFormed reads the promises of this module, so that a
// malformed row fails where it was written, before any report exists.
func TestPagesAreWellFormed(t *testing.T) {
	rows, err := readDir("../../../docs/promises")
	if err != nil {
		t.Error(err)
	}
	if len(rows) == 0 {
		t.Error("the module promises nothing")
	}
}
