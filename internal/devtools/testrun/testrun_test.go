package testrun

import (
	"encoding/xml"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// collect reads a stream and lists "outcome package:test" of every test and
// "outcome package" of every package.
func collect(t *testing.T, stream string) (*Collector, []string) {
	t.Helper()
	c := NewCollector("")
	if err := c.Read(strings.NewReader(stream)); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, x := range c.Tests() {
		got = append(got, x.Outcome+" "+x.Package+":"+x.Name)
	}
	for _, p := range c.Packages() {
		got = append(got, p.Outcome+" "+p.Package)
	}
	return c, got
}

func TestCollector(t *testing.T) {
	for _, c := range []struct {
		name, stream string
		want         []string
	}{
		{"a passing package", `
{"Action":"start","Package":"m/a"}
{"Action":"run","Package":"m/a","Test":"TestA"}
{"Action":"output","Package":"m/a","Test":"TestA","Output":"--- PASS: TestA (0.50s)\n"}
{"Action":"pass","Package":"m/a","Test":"TestA","Elapsed":0.5}
{"Action":"output","Package":"m/a","Output":"ok  \tm/a\t0.6s\n"}
{"Action":"pass","Package":"m/a","Elapsed":0.6}`,
			[]string{"pass m/a:TestA", "pass m/a"}},
		{"a failing subtest fails its parent", `
{"Action":"run","Package":"m/a","Test":"TestA"}
{"Action":"run","Package":"m/a","Test":"TestA/x"}
{"Action":"fail","Package":"m/a","Test":"TestA/x"}
{"Action":"fail","Package":"m/a","Test":"TestA"}
{"Action":"fail","Package":"m/a"}`,
			[]string{"fail m/a:TestA", "fail m/a:TestA/x", "fail m/a"}},
		{"a test without an end", `
{"Action":"run","Package":"m/a","Test":"TestA"}
{"Action":"fail","Package":"m/a"}`,
			[]string{"fail m/a:TestA", "fail m/a"}},
		{"a test without an end in a package that says it passed", `
{"Action":"run","Package":"m/a","Test":"TestA"}
{"Action":"pass","Package":"m/a"}`,
			[]string{"fail m/a:TestA", "fail m/a"}},
		{"a package that fails without a test", `
{"Action":"run","Package":"m/a","Test":"TestA"}
{"Action":"pass","Package":"m/a","Test":"TestA"}
{"Action":"fail","Package":"m/a"}`,
			[]string{"pass m/a:TestA", "fail m/a:(package)", "fail m/a"}},
		{"a package that does not compile", `
{"Action":"build-output","ImportPath":"m/a","Output":"a.go:1: oops\n"}
{"Action":"build-fail","ImportPath":"m/a"}
{"Action":"fail","Package":"m/a","FailedBuild":"m/a"}`,
			[]string{"fail m/a:(build)", "fail m/a"}},
		{"a stream that stops", `
{"Action":"start","Package":"m/a"}
{"Action":"run","Package":"m/a","Test":"TestA"}
{"Action":"pass","Package":"m/a","Test":"TestA"}`,
			[]string{"pass m/a:TestA", "fail m/a:(package)", "fail m/a"}},
		{"packages without tests", `
{"Action":"output","Package":"m/a","Output":"\tm/a\t\tcoverage: 0.0% of statements\n"}
{"Action":"pass","Package":"m/a"}
{"Action":"skip","Package":"m/b"}`,
			[]string{"skip m/a", "skip m/b"}},
		{"a package whose tests are all filtered out", `
{"Action":"output","Package":"m/a","Output":"ok  \tm/a\t0.6s [no tests to run]\n"}
{"Action":"pass","Package":"m/a"}`,
			[]string{"pass m/a"}},
		{"a test that ran twice", `
{"Action":"run","Package":"m/a","Test":"TestA"}
{"Action":"pass","Package":"m/a","Test":"TestA"}
{"Action":"run","Package":"m/a","Test":"TestA"}
{"Action":"skip","Package":"m/a","Test":"TestA"}
{"Action":"pass","Package":"m/a"}`,
			[]string{"pass m/a:TestA", "skip m/a:TestA", "pass m/a"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, got := collect(t, c.stream)
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestCollectorOutput(t *testing.T) {
	c, _ := collect(t, `
go: downloading something
{"Action":"build-output","ImportPath":"m/b","Output":"b.go:1: oops\n"}
{"Action":"build-output","ImportPath":"m/lost","Output":"lost.go:1: oops\n"}
{"Action":"run","Package":"m/a","Test":"TestPass"}
{"Action":"output","Package":"m/a","Test":"TestPass","Output":"chatter\n"}
{"Action":"pass","Package":"m/a","Test":"TestPass","Elapsed":1.23456}
{"Action":"run","Package":"m/a","Test":"TestSkip"}
{"Action":"output","Package":"m/a","Test":"TestSkip","Output":"no traces\n"}
{"Action":"skip","Package":"m/a","Test":"TestSkip"}
{"Action":"run","Package":"m/a","Test":"TestGone"}
{"Action":"output","Package":"m/a","Test":"TestGone","Output":"exit status 3\n"}
{"Action":"fail","Package":"m/a"}
{"Action":"output","Package":"m/b","Output":"FAIL\tm/b [build failed]\n"}
{"Action":"fail","Package":"m/b","FailedBuild":"m/b"}`)
	want := []Test{
		{Package: "m/a", Name: "TestPass", Outcome: Pass, Seconds: 1.235},
		{Package: "m/a", Name: "TestSkip", Outcome: Skip, Output: "no traces\n"},
		{Package: "m/a", Name: "TestGone", Outcome: Fail,
			Output: "exit status 3\nthe test never ended: its process exited, timed out or was killed\n"},
		{Package: "m/b", Name: NameBuild, Outcome: Fail, Output: "b.go:1: oops\nFAIL\tm/b [build failed]\n"},
	}
	if d := cmp.Diff(want, c.Tests()); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff("go: downloading something\nlost.go:1: oops\n", c.Stray()); d != "" {
		t.Error(d)
	}
}

func TestProfileMergesDuplicates(t *testing.T) {
	p := Profile{}
	err := p.Read(strings.NewReader(`mode: atomic
m/a/a.go:10.1,11.2 3 0
m/a/a.go:9.1,9.9 1 0
m/b/b.go:1.1,2.2 4 0
m/tool/t.go:1.1,2.2 50 0
mode: set
m/a/a.go:10.1,11.2 3 7
m/a/a.go:9.1,9.9 1 0
`))
	if err != nil {
		t.Fatal(err)
	}
	p.Exclude(regexp.MustCompile(`/tool$`))
	want := Coverage{Percent: 37.5, Statements: 8, Covered: 3, Packages: []PackageCoverage{
		{Package: "m/a", Percent: 75, Statements: 4, Covered: 3},
		{Package: "m/b", Percent: 0, Statements: 4, Covered: 0},
	}}
	got := p.Coverage()
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if !got.Reaches(37.5) || got.Reaches(37.51) || (Coverage{}).Reaches(0) {
		t.Error("Reaches is wrong at its bound")
	}
	var b strings.Builder
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff("mode: set\nm/a/a.go:9.1,9.9 1 0\nm/a/a.go:10.1,11.2 3 1\nm/b/b.go:1.1,2.2 4 0\n", b.String()); d != "" {
		t.Error(d)
	}
}

func TestProfileErrorsNameTheLine(t *testing.T) {
	for _, line := range []string{"m/a.go:1.1,2.2 3", "no place 1 1", "m/a.go:1.1,2.2 x 1", "m/a.go:1.1,2.2 1 -1", "m/a.go:1.1,2.2 -1 1"} {
		err := Profile{}.Read(strings.NewReader("mode: set\n" + line + "\n"))
		if err == nil || !strings.HasPrefix(err.Error(), "line 2: ") {
			t.Errorf("%q: error %v, want one of line 2", line, err)
		}
	}
	if err := (Profile{}).ReadProfileFile(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a missing profile is no error")
	}
}

// sample is a report with one test of each outcome in two runs.
func sample() Report {
	r := Report{
		Version: Version, Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Seconds: 9, Go: "go1.26.0",
		Packages: []Package{{Package: "m/b", Outcome: Fail, Seconds: 2, Tests: 2}, {Package: "m/a", Outcome: Pass, Seconds: 1.5, Tests: 1}, {Package: "m/c", Outcome: Skip}},
		Tests: []Test{
			{Package: "m/b", Name: "TestX", Outcome: Fail, Seconds: 1.5, Output: "=== RUN   TestX\n    x_test.go:3: 1 < 2\x00\n"},
			{Package: "m/b", Name: "TestY", Outcome: Skip, Output: "    y_test.go:3: no traces\n"},
			{Package: "m/a", Name: "TestZ", Outcome: Pass, Seconds: 0.2},
		},
		Coverage: &Coverage{Percent: 50, Statements: 2, Covered: 1, Packages: []PackageCoverage{{Package: "m/a", Percent: 50, Statements: 2, Covered: 1}}},
	}
	r.Summarize()
	r.Append(Report{Seconds: 1, Packages: []Package{{Package: "m/a", Outcome: Pass, Seconds: 3, Tests: 1, Run: "race"}},
		Tests: []Test{{Package: "m/a", Name: "TestZ", Outcome: Pass, Run: "race"}}})
	return r
}

func TestWriteText(t *testing.T) {
	r := sample()
	var b strings.Builder
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	want := `Skipped:
  m/b:TestY: y_test.go:3: no traces

Failed:
  m/b:TestX

Slowest:
     1.50 s  m/b:TestX
     0.20 s  m/a:TestZ

Coverage: 50.00 % of statements (1 of 2)

ok  	m/a	1.500s	coverage: 50.0% of statements
FAIL	m/b	2.000s
?   	m/c	[no test files]
ok  	m/a	3.000s	(race)
2 passed, 1 failed, 1 skipped
`
	if d := cmp.Diff(want, b.String()); d != "" {
		t.Error(d)
	}
}

func TestReportRoundTrip(t *testing.T) {
	r := sample()
	if want := (Summary{Packages: 3, Tests: 4, Passed: 2, Failed: 1, Skipped: 1, Seconds: 6.5}); r.Summary != want {
		t.Errorf("summary %+v, want %+v", r.Summary, want)
	}
	long := strings.Repeat("a line of a goroutine dump\n", maxOutput/10)
	r.Tests[0].Output = "first\n" + long + "last\n"
	var b strings.Builder
	if err := r.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "report.json")
	if err := os.WriteFile(name, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	out := got.Tests[0].Output
	if len(out) > maxOutput+100 || !strings.HasPrefix(out, "first\n") || !strings.HasSuffix(out, "last\n") || !strings.Contains(out, "bytes left out") {
		t.Errorf("a long output became %d bytes, %.20q ... ", len(out), out)
	}
	got.Tests[0].Output = r.Tests[0].Output
	if d := cmp.Diff(r, got); d != "" {
		t.Error(d)
	}
}

func TestReadFileRefuses(t *testing.T) {
	for _, content := range []string{"", "[]", `{"version":2}`, `{"version":1,"packages":[{"package":"m","tests":2}],"tests":[]}`} {
		name := filepath.Join(t.TempDir(), "report.json")
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadFile(name); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%q: error %v, want one that names the file", content, err)
		}
	}
}

func TestWriteJUnit(t *testing.T) {
	r := sample()
	var b strings.Builder
	if err := r.WriteJUnit(&b); err != nil {
		t.Fatal(err)
	}
	var got junitSuites
	if err := xml.Unmarshal([]byte(b.String()), &got); err != nil {
		t.Fatal(err)
	}
	if got.Tests != 4 || got.Failures != 1 || got.Skipped != 1 || len(got.Suites) != 3 {
		t.Errorf("totals %+v", got)
	}
	x := got.Suites[0].Cases[0]
	if x.Name != "TestX" || x.Class != "m/b" || x.Failure == nil || x.Failure.Message != "x_test.go:3: 1 < 2\uFFFD" || x.Time != "1.500" {
		t.Errorf("failed case %+v", x)
	}
	if y := got.Suites[0].Cases[1]; y.Skipped == nil || y.Failure != nil {
		t.Errorf("skipped case %+v", y)
	}
	if got.Suites[2].Name != "m/a (race)" {
		t.Errorf("suite of the second run is named %q", got.Suites[2].Name)
	}
}

func FuzzCollector(f *testing.F) {
	f.Add("{\"Action\":\"run\",\"Package\":\"m\",\"Test\":\"T\"}\n{\"Action\":\"fail\",\"Package\":\"m\"}\n")
	f.Add("{\"Action\":\"fail\",\"Package\":\"m\",\"FailedBuild\":\"m\"}\nFAIL\n")
	f.Add("{\"Action\":\"pass\",\"Package\":\"m\"}{")
	f.Fuzz(func(t *testing.T, stream string) {
		c := NewCollector("")
		if err := c.Read(strings.NewReader(stream)); err != nil {
			t.Fatal(err)
		}
		tests, failed := 0, 0
		for _, p := range c.Packages() {
			tests += p.Tests
			if p.Outcome == Fail {
				failed++
			}
		}
		if tests != len(c.Tests()) {
			t.Errorf("packages count %d tests, there are %d", tests, len(c.Tests()))
		}
		if failed > 0 != c.Failed() {
			t.Errorf("%d packages failed, Failed says %v", failed, c.Failed())
		}
		r := Report{Packages: c.Packages(), Tests: c.Tests()}
		r.Summarize()
		var b strings.Builder
		if err := r.WriteJUnit(&b); err != nil {
			t.Error(err)
		}
		if err := xml.Unmarshal([]byte(b.String()), new(junitSuites)); err != nil {
			t.Errorf("JUnit does not parse: %v", err)
		}
	})
}

func FuzzProfile(f *testing.F) {
	f.Add("mode: set\nm/a.go:1.1,2.2 3 1\n")
	f.Add("m/a.go:10.1,2.2 3 0\nm/a.go:9.x 0 18446744073709551615")
	f.Add("a:b:c 1 1")
	f.Fuzz(func(t *testing.T, text string) {
		p := Profile{}
		if p.Read(strings.NewReader(text)) != nil {
			return
		}
		var b strings.Builder
		if err := p.Write(&b); err != nil {
			t.Fatal(err)
		}
		q := Profile{}
		if err := q.Read(strings.NewReader(b.String())); err != nil {
			t.Fatalf("what was written is not read: %v", err)
		}
		if d := cmp.Diff(p, q); d != "" {
			t.Error(d)
		}
	})
}
