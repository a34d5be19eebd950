package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/leanfleet/leanfleet/internal/devtools/testrun"
)

// fixture unpacks a module of testdata and returns its directory and an empty
// one for the reports.
func fixture(t *testing.T, name string) (dir, out string) {
	t.Helper()
	a, err := txtar.ParseFile(filepath.Join("testdata", name+".txtar"))
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	if err := txtar.Write(a, dir); err != nil {
		t.Fatal(err)
	}
	return dir, filepath.Join(t.TempDir(), "reports")
}

// report runs the command and returns its status, what it printed on standard
// output, and the report it left in out, if any.
func report(t *testing.T, stdin, out string, args ...string) (int, string, testrun.Report) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	status := run(append([]string{"-out", out}, args...), strings.NewReader(stdin), &stdout, &stderr)
	r, err := testrun.ReadFile(filepath.Join(out, reportName))
	if err != nil && status == 0 {
		t.Fatal(err)
	}
	t.Logf("status %d\n%s%s", status, stdout.String(), stderr.String())
	return status, stdout.String(), r
}

// outcomes lists "outcome package:test" of a report, sorted.
func outcomes(r testrun.Report) []string {
	var s []string
	for _, t := range r.Tests {
		s = append(s, t.Outcome+" "+strings.TrimPrefix(t.Package, "example.com/fixture/")+":"+t.Name)
	}
	slices.Sort(s)
	return s
}

func lastLine(s string) string {
	s = strings.TrimSuffix(s, "\n")
	return s[strings.LastIndexByte(s, '\n')+1:]
}

func TestFixtures(t *testing.T) {
	for _, c := range []struct {
		fixture string
		args    []string
		status  int
		last    string
		want    []string
		prints  []string
	}{
		{"passing", nil, 0, "3 passed, 0 failed, 1 skipped",
			[]string{"pass a:TestBelow", "pass a:TestSign", "pass a:TestSign/above_zero", "skip a:TestTraces"},
			[]string{"ok  \texample.com/fixture/a\t", "?   \texample.com/fixture/b\t[no test files]", "no traces here"}},
		{"failing", nil, 1, "1 passed, 3 failed, 0 skipped",
			[]string{"fail a:TestBad", "fail a:TestSub", "fail a:TestSub/x", "pass a:TestGood"},
			[]string{"one is not two", "deep inside", "FAIL\texample.com/fixture/a\t"}},
		{"panicking", []string{"-timeout", "3s"}, 1, "2 passed, 4 failed, 0 skipped",
			[]string{"fail exits:TestExit", "fail hangs:TestHang", "fail panics:TestPanic", "fail testmain:(package)", "pass good:TestGood", "pass testmain:TestGood"},
			[]string{"panic: boo", "test timed out after 3s", "the test never ended"}},
		{"notcompiling", []string{"-coverpkg", ""}, 1, "1 passed, 3 failed, 0 skipped",
			[]string{"fail broken:(build)", "fail brokentest:(build)", "fail lost:(build)", "pass good:TestGood"},
			[]string{"b.go:3:29: cannot use 1", "undefined: undefined", "nowhere"}},
	} {
		t.Run(c.fixture, func(t *testing.T) {
			t.Parallel()
			dir, out := fixture(t, c.fixture)
			status, printed, r := report(t, "", out, append([]string{"-C", dir}, c.args...)...)
			if status != c.status {
				t.Errorf("status %d, want %d", status, c.status)
			}
			if d := cmp.Diff(c.want, outcomes(r)); d != "" {
				t.Error(d)
			}
			if got := lastLine(printed); got != c.last {
				t.Errorf("last line %q, want %q", got, c.last)
			}
			for _, s := range c.prints {
				if !strings.Contains(printed, s) {
					t.Errorf("%q is not printed", s)
				}
			}
			checkFiles(t, out)
		})
	}
}

// checkFiles holds the report against its published schema and looks for JUnit.
func checkFiles(t *testing.T, out string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(out, reportName))
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema(t).Validate(v); err != nil {
		t.Error(err)
	}
	if b, err := os.ReadFile(filepath.Join(out, junitName)); err != nil || !bytes.Contains(b, []byte("<testsuite ")) {
		t.Errorf("JUnit report: %v, %d bytes", err, len(b))
	}
}

func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	s, err := c.Compile("../../../docs/test-report.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSchema shows that the schema is a strict one: each change to a valid
// report makes it invalid.
func TestSchema(t *testing.T) {
	s := schema(t)
	valid := func() map[string]any {
		r := testrun.Report{
			Version: testrun.Version, Go: "go1.26.0",
			Packages: []testrun.Package{{Package: "m", Outcome: testrun.Fail, Tests: 1}},
			Tests:    []testrun.Test{{Package: "m", Name: "TestX", Outcome: testrun.Fail, Output: "no", Run: "race"}},
			Coverage: &testrun.Coverage{Packages: []testrun.PackageCoverage{{Package: "m"}}},
		}
		r.Summarize()
		var b bytes.Buffer
		if err := r.WriteJSON(&b); err != nil {
			t.Fatal(err)
		}
		var v map[string]any
		if err := json.Unmarshal(b.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	if err := s.Validate(valid()); err != nil {
		t.Fatal(err)
	}
	first := func(v map[string]any, key string) map[string]any { return v[key].([]any)[0].(map[string]any) }
	for name, change := range map[string]func(v map[string]any){
		"another version":          func(v map[string]any) { v["version"] = 2.0 },
		"no summary":               func(v map[string]any) { delete(v, "summary") },
		"an unknown field":         func(v map[string]any) { v["extra"] = true },
		"an unknown field of test": func(v map[string]any) { first(v, "tests")["extra"] = true },
		"an unknown outcome":       func(v map[string]any) { first(v, "tests")["outcome"] = "maybe" },
		"no name":                  func(v map[string]any) { delete(first(v, "tests"), "name") },
		"output of a passed test":  func(v map[string]any) { first(v, "tests")["outcome"] = "pass" },
		"a time in words":          func(v map[string]any) { v["started"] = "yesterday" },
		"negative seconds":         func(v map[string]any) { first(v, "packages")["seconds"] = -1.0 },
		"half a statement":         func(v map[string]any) { v["coverage"].(map[string]any)["covered"] = 0.5 },
	} {
		v := valid()
		change(v)
		if s.Validate(v) == nil {
			t.Errorf("%s: the schema accepts it", name)
		}
	}
}

// TestCoverage: statements count once, whichever package's tests reach them;
// packages without tests count; -exclude leaves out; -append merges.
func TestCoverage(t *testing.T) {
	dir, out := fixture(t, "passing")
	exclude := []string{"-C", dir, "-exclude", "/tool$"}
	with := func(args ...string) []string { return append(slices.Clone(exclude), args...) }

	status, printed, r := report(t, "", out, with("-min-coverage", "80", "--", "-run", "TestSign", "./...")...)
	want := testrun.Coverage{Percent: 60, Statements: 5, Covered: 3, Packages: []testrun.PackageCoverage{
		{Package: "example.com/fixture/a", Percent: 66.66, Statements: 3, Covered: 2},
		{Package: "example.com/fixture/b", Percent: 100, Statements: 1, Covered: 1},
		{Package: "example.com/fixture/untested", Percent: 0, Statements: 1, Covered: 0},
	}}
	if d := cmp.Diff(&want, r.Coverage); d != "" {
		t.Error(d)
	}
	if status != 1 || !strings.Contains(printed, "coverage of 60.00 % is under 80 %") {
		t.Errorf("status %d, want 1 and the reason", status)
	}

	status, _, r = report(t, "", out, with("-append", "-min-coverage", "80", "--", "-run", "TestBelow", "./...")...)
	if status != 0 || r.Coverage.Covered != 4 || r.Coverage.Statements != 5 {
		t.Errorf("after -append: status %d, coverage %+v, want 4 of 5", status, r.Coverage)
	}
	if d := cmp.Diff([]string{"pass a:TestBelow", "pass a:TestSign", "pass a:TestSign/above_zero"}, outcomes(r)); d != "" {
		t.Error(d)
	}
	profile, err := os.ReadFile(filepath.Join(out, profileName))
	if err != nil || bytes.Count(profile, []byte("\n")) != 6 {
		t.Errorf("merged profile, want 5 blocks once each (%v):\n%s", err, profile)
	}

	status, printed, again := report(t, "", out, "-summary", "-min-coverage", "90")
	if status != 1 || lastLine(printed) != "3 passed, 0 failed, 0 skipped" {
		t.Errorf("-summary: status %d, last line %q", status, lastLine(printed))
	}
	if d := cmp.Diff(r, again); d != "" {
		t.Errorf("-summary changed the report: %s", d)
	}
}

const stream = `{"Action":"run","Package":"m","Test":"TestA"}
{"Action":"output","Package":"m","Test":"TestA","Output":"no trace folder\n"}
{"Action":"skip","Package":"m","Test":"TestA"}
{"Action":"pass","Package":"m"}
`

func TestStream(t *testing.T) {
	out := t.TempDir()
	f := func(stdin string, status int, last, contains string, args ...string) {
		t.Helper()
		got, printed, _ := report(t, stdin, out, args...)
		if got != status || lastLine(printed) != last || !strings.Contains(printed, contains) {
			t.Errorf("%q: status %d, last line %q, want %d, %q and %q", args, got, lastLine(printed), status, last, contains)
		}
	}
	f(stream, 0, "0 passed, 0 failed, 1 skipped", "no trace folder", "-stdin")
	f(stream, 1, "0 passed, 0 failed, 1 skipped", "skipped, which is not allowed here: m:TestA", "-stdin", "-fail-on-skip")
	f(stream, 1, "0 passed, 0 failed, 1 skipped", "not allowed", "-stdin", "-fail-on-skip", "-allow-skip", "TestB")
	f(stream, 0, "0 passed, 0 failed, 1 skipped", "", "-stdin", "-fail-on-skip", "-allow-skip", "^m:TestA$")
	f(stream, 0, "0 passed, 0 failed, 1 skipped", "", "-stdin", "-fail-on-skip", "-allow-skip", "trace folder")
	f(stream, 0, "0 passed, 0 failed, 2 skipped", "m:TestA (race)", "-stdin", "-race", "-append")
	f(strings.ReplaceAll(stream, `"skip"`, `"pass"`), 0, "1 passed, 0 failed, 2 skipped", "", "-stdin", "-append", "-fail-on-skip")
	f("", 1, "1 passed, 0 failed, 2 skipped", "not allowed here: m:TestA (race)", "-summary", "-fail-on-skip")
	f(stream, 1, "0 passed, 0 failed, 1 skipped", "coverage was not measured", "-stdin", "-min-coverage", "1")
	f("", 1, "0 passed, 1 failed, 0 skipped", "no test ran", "-stdin")
	f("make: go: No such file\n", 1, "0 passed, 1 failed, 0 skipped", "No such file", "-stdin")
}

// TestGoTestItselfFails: a failure of go test that no package accounts for.
func TestGoTestItselfFails(t *testing.T) {
	dir, out := fixture(t, "passing")
	status, _, r := report(t, "", out, "-C", dir, "--", "-run", "(", "./...")
	if status != 1 || r.Summary.Failed == 0 {
		t.Errorf("a bad -run pattern: status %d, %s", status, r.Summary)
	}
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module example.com/fixture\nnonsense\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	status, printed, r := report(t, "", out, "-C", dir)
	if status != 1 || len(r.Tests) != 1 || r.Tests[0].Name != testrun.NameGoTest || !strings.Contains(printed, "nonsense") {
		t.Errorf("a broken go.mod: status %d, tests %+v", status, r.Tests)
	}
	checkFiles(t, out)
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{
		{"-stdin", "-summary"},
		{"-stdin", "./..."},
		{"-summary", "-append"},
		{"-stdin", "-coverpkg", "x"},
		{"-min-coverage", "101"},
		{"-allow-skip", "x"},
		{"-allow-skip", "", "-fail-on-skip"},
		{"-exclude", "("},
		{"-nonsense"},
	} {
		if status, _, _ := report(t, "", t.TempDir(), args...); status != 2 {
			t.Errorf("%q: status %d, want 2", args, status)
		}
	}
	if status, _, _ := report(t, stream, t.TempDir(), "-stdin", "-append"); status != 1 {
		t.Errorf("-append to nothing: status %d, want 1", status)
	}
	if o, err := parse([]string{"-race"}, os.Stderr); err != nil || o.coverpkg != "" || !slices.Equal(o.args, []string{"./..."}) {
		t.Errorf("-race alone: %+v, %v; want no coverage and all packages", o, err)
	}
	if o, err := parse([]string{"-exclude", "^m/x$"}, os.Stderr); err != nil || o.exclude.String() != regexp.MustCompile("^m/x$").String() {
		t.Errorf("-exclude: %+v, %v", o, err)
	}
}
