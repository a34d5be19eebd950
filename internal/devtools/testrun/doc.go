// Package testrun turns the event stream of "go test -json" into one report of
// a test run: every test with its outcome, the failing output, the statements
// covered, as JSON, as JUnit XML and as text.
//
//	c := testrun.NewCollector("")
//	if err := c.Read(stream); err != nil { ... }
//	report := testrun.Report{Version: testrun.Version, Tests: c.Tests(), Packages: c.Packages()}
//	report.Summarize()
//	err := report.WriteJSON(w)
//
// A package that does not compile, that panics, that ends without naming a
// failed test or that never ends is a failure of its own in the report, so a
// run with "0 failed" did run to its end.
//
// The package starts no process and reads no clock; the commands beside it do.
package testrun
