package testrun

import (
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// The JUnit form that test viewers agree on: one suite a package, one case a
// test, the package as class name.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Skipped  int          `xml:"skipped,attr"`
		Time     string       `xml:"time,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name      string      `xml:"name,attr"`
		Tests     int         `xml:"tests,attr"`
		Failures  int         `xml:"failures,attr"`
		Skipped   int         `xml:"skipped,attr"`
		Time      string      `xml:"time,attr"`
		Timestamp string      `xml:"timestamp,attr"`
		Cases     []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string       `xml:"classname,attr"`
		Name    string       `xml:"name,attr"`
		Time    string       `xml:"time,attr"`
		Failure *junitDetail `xml:"failure"`
		Skipped *junitDetail `xml:"skipped"`
	}
	junitDetail struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// WriteJUnit writes the report as JUnit XML. Packages without tests are left
// out; characters that XML cannot hold become U+FFFD.
func (r *Report) WriteJUnit(w io.Writer) error {
	out := junitSuites{
		Tests:    r.Summary.Tests,
		Failures: r.Summary.Failed,
		Skipped:  r.Summary.Skipped,
		Time:     seconds(r.Summary.Seconds),
	}
	rest := r.Tests // the tests lie by package, in the order of the packages
	for _, p := range r.Packages {
		tests := rest[:p.Tests]
		rest = rest[p.Tests:]
		if p.Tests == 0 {
			continue
		}
		name := p.Package
		if p.Run != "" {
			name += " (" + p.Run + ")"
		}
		suite := junitSuite{
			Name:      name,
			Tests:     p.Tests,
			Time:      seconds(p.Seconds),
			Timestamp: r.Started.UTC().Format(time.RFC3339),
		}
		for _, t := range tests {
			c := junitCase{Class: name, Name: t.Name, Time: seconds(t.Seconds)}
			switch t.Outcome {
			case Fail:
				suite.Failures++
				c.Failure = &junitDetail{Message: firstLine(t.Output), Text: shorten(t.Output)}
			case Skip:
				suite.Skipped++
				c.Skipped = &junitDetail{Message: firstLine(t.Output), Text: shorten(t.Output)}
			}
			suite.Cases = append(suite.Cases, c)
		}
		out.Suites = append(out.Suites, suite)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return fmt.Errorf("write JUnit report: %w", err)
	}
	e := xml.NewEncoder(w)
	e.Indent("", " ")
	if err := e.Encode(out); err != nil {
		return fmt.Errorf("write JUnit report: %w", err)
	}
	if _, err := io.WriteString(w, "\n"); err != nil {
		return fmt.Errorf("write JUnit report: %w", err)
	}
	return nil
}

// firstLine is the first line of an output that is the test's own, or "".
func firstLine(output string) string {
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "=== ") && !strings.HasPrefix(line, "--- ") && !strings.HasPrefix(line, "# ") {
			return line
		}
	}
	return ""
}

func seconds(s float64) string { return strconv.FormatFloat(s, 'f', 3, 64) }
