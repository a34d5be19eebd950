// Promises holds the tables of docs/promises against a run of the tests.
//
//	go run ./internal/devtools/promises [-dir docs/promises] [-report out/test-report.json] [-root .]
//
// It fails when a table is malformed, when a test that a row names does not
// exist, did not run, failed or was skipped (rows with *traces* may skip), and
// when a named benchmark does not exist. Rows that nothing shows yet are listed
// and counted. docs/promises/README.md says what the tables look like. Exit
// status: 0 when every row holds, 1 when one does not, 2 on wrong usage.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/leanfleet/leanfleet/internal/devtools/testrun"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is main with its surroundings as arguments; it returns the exit status.
func run(args []string, stdout, stderr io.Writer) int {
	f := flag.NewFlagSet("promises", flag.ContinueOnError)
	f.SetOutput(stderr)
	dir := f.String("dir", "docs/promises", "read the tables of this `directory`")
	report := f.String("report", "out/test-report.json", "hold them against this test report")
	root := f.String("root", ".", "the `directory` of the module, where benchmarks are looked up")
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if f.NArg() > 0 {
		fmt.Fprintf(stderr, "promises: unexpected argument %q\n", f.Arg(0))
		return 2
	}
	ok, err := hold(*dir, *report, *root, stdout)
	if err != nil {
		fmt.Fprintln(stderr, "promises:", err)
		return 1
	}
	if !ok {
		return 1
	}
	return 0
}

// hold checks all rows, prints what it found and reports whether all is well.
// Mistakes in the tables do not hide broken promises, nor the other way round.
func hold(dir, reportFile, root string, stdout io.Writer) (bool, error) {
	r, err := testrun.ReadFile(reportFile)
	if err != nil {
		return false, err
	}
	c, err := newChecker(root, r)
	if err != nil {
		return false, err
	}
	rows, mistakes := readDir(dir)
	kept, open, broken := 0, 0, 0
	for _, row := range rows {
		wrong := c.check(row)
		switch {
		case len(row.tests) == 0:
			open++
			fmt.Fprintf(stdout, "%s:%d: not kept yet: %s\n", row.file, row.line, row.promise)
		case len(wrong) == 0:
			kept++
		default:
			broken++
			for _, s := range wrong {
				fmt.Fprintln(stdout, s)
			}
		}
	}
	if mistakes != nil {
		fmt.Fprintln(stdout, mistakes)
	}
	fmt.Fprintf(stdout, "promises: %d kept, %d broken, %d not kept yet\n", kept, broken, open)
	return mistakes == nil && broken == 0, nil
}
