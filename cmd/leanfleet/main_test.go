package main

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/internal/report"
)

var update = flag.Bool("update", false, "write the expected files anew")

// scriptNow is the clock of the scripts.
var scriptNow = time.Date(2024, 2, 1, 0, 0, 0, 0, time.UTC)

// mainVar makes this the program itself, for tests that need a process of it.
const mainVar = "LEANFLEET_TEST_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(mainVar) != "" {
		main()
	}
	testscript.Main(m, map[string]func(){
		"leanfleet": func() { os.Exit(scriptRun()) },
	})
}

// scriptRun is main with a clock that stands still and no terminal.
func scriptRun() int {
	a := &app{in: os.Stdin, out: os.Stdout, err: os.Stderr, env: os.LookupEnv, now: func() time.Time { return scriptNow }, style: report.Style{Unicode: true}}
	if os.Getenv(besideVar) != "" {
		return runBeside(a, os.Args[1:])
	}
	return a.run(context.Background(), os.Args[1:])
}

// TestScripts runs the command line end to end: testdata/script/*.txtar.
func TestScripts(t *testing.T) {
	p := scripts()
	p.Dir, p.UpdateScripts = "testdata/script", *update
	testscript.Run(t, p)
}

// scripts are what scripts are run with.
func scripts(env ...string) testscript.Params {
	return testscript.Params{
		Setup: func(e *testscript.Env) error {
			e.Vars = append(e.Vars, env...)
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("USER", "carlos")
			e.Setenv("XDG_CONFIG_HOME", filepath.Join(e.WorkDir, "config"))
			e.Setenv("LEANFLEET_DATA", filepath.Join(e.WorkDir, "data"))
			return nil
		},
		// exits runs a command and wants its exit code: exits 2 leanfleet ...
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
	}
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND ARGS")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := "0"
	if err != nil {
		code = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if code != args[0] {
		ts.Fatalf("%s exited with %s, not %s", strings.Join(args[1:], " "), code, args[0])
	}
}

// everyVerb calls f for each command but those of cobra's own.
func everyVerb(f func(c *cobra.Command)) {
	a := &app{out: new(bytes.Buffer), err: new(bytes.Buffer), env: func(string) (string, bool) { return "", false }, now: time.Now}
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		f(c)
		for _, sub := range c.Commands() {
			if sub.Name() != "help" && sub.Name() != "completion" {
				walk(sub)
			}
		}
	}
	walk(newRoot(a))
}

// TestGrammar keeps all verbs to the grammar of docs/cli.md.
func TestGrammar(t *testing.T) {
	// A flag means the same everywhere: the same shorthand, type and placeholder.
	type meaning struct{ shorthand, kind, first string }
	seen := map[string]meaning{}
	everyVerb(func(c *cobra.Command) {
		path := c.CommandPath()
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: the summary is missing or ends with a full stop", path)
		}
		if c.HasParent() && c.Example == "" {
			t.Errorf("%s has no example", path)
		}
		for line := range strings.SplitSeq(c.Example, "\n") {
			if line != "" && !strings.Contains(line, c.CommandPath()) && !strings.Contains(line, "leanfleet") {
				t.Errorf("%s: example %q does not call it", path, line)
			}
		}
		if c.Args == nil {
			t.Errorf("%s does not check its arguments", path)
		}
		for _, name := range flagNames(c) {
			f := c.Flags().Lookup(name)
			if f.Usage == "" || strings.ToLower(name) != name || strings.Contains(name, "_") {
				t.Errorf("%s --%s: no usage text, or a name that is not in lower case with dashes", path, name)
			}
			m := meaning{f.Shorthand, f.Value.Type(), f.Name}
			if had, ok := seen[name]; ok && had != m {
				t.Errorf("%s --%s is %v, elsewhere %v", path, name, m, had)
			}
			seen[name] = m
		}
		for _, name := range []string{"output", "columns", "sort-by", "limit", "quiet", "data", "config"} {
			if c.InheritedFlags().Lookup(name) == nil && c.PersistentFlags().Lookup(name) == nil {
				t.Errorf("%s does not take --%s", path, name)
			}
		}
		scoped := c.Flags().Lookup("range") != nil
		for _, name := range []string{"as-of", "selector", "timezone", "hours", "partial"} {
			if scoped && c.Flags().Lookup(name) == nil {
				t.Errorf("%s takes --range but not --%s", path, name)
			}
		}
	})
}

// TestOperationsHaveVerbs: every operation is reached by a verb, and verbs use
// nothing but operations.
func TestOperationsHaveVerbs(t *testing.T) {
	var source strings.Builder
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		source.Write(b)
	}
	for _, op := range leanfleet.Operations() {
		if !strings.Contains(source.String(), "\""+op.Name+"\"") {
			t.Errorf("no verb asks the operation %s", op.Name)
		}
		if op.NewRequest() == nil || op.Summary == "" {
			t.Errorf("operation %s has no request or no summary", op.Name)
		}
		if _, err := op.Run(t.Context(), nil, struct{}{}); err == nil {
			t.Errorf("operation %s takes a request of another type", op.Name)
		}
	}
}

// TestHelpMatchesDocs: docs/cli.md holds the help of every verb as it is.
func TestHelpMatchesDocs(t *testing.T) {
	var b strings.Builder
	everyVerb(func(c *cobra.Command) {
		c.InitDefaultHelpFlag()
		b.WriteString("\n### " + c.CommandPath() + "\n\n```\n")
		long := c.Long
		if long == "" {
			long = c.Short
		}
		b.WriteString(long + "\n\n" + c.UsageString() + "```\n")
	})
	path := filepath.Join("..", "..", "docs", "cli.md")
	doc, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const mark = "<!-- Written by the tests (go test ./cmd/leanfleet -update). -->\n"
	head, have, ok := strings.Cut(string(doc), mark)
	if !ok {
		t.Fatalf("%s has no line %q", path, mark)
	}
	if *update {
		if err := os.WriteFile(path, []byte(head+mark+b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if have != b.String() {
		t.Errorf("the help texts in %s are not those of the command; run the test with -update", path)
	}
}
