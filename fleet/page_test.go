package fleet_test

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/leanfleet/leanfleet/fleet"
)

var update = flag.Bool("update", false, "write the tables of docs/metrics.md anew")

const (
	metricsPage  = "../docs/metrics.md"
	metricsBegin = "<!-- made by: go test ./fleet -run TestMetricsPage -update -->\n"
	metricsEnd   = "<!-- end -->\n"
)

// metricTables are the metrics as docs/metrics.md lists them.
func metricTables() string {
	var b strings.Builder
	b.WriteString("\n| metric | unit | resolution | percentiles | column in sealed files | what it is |\n|---|---|---|---|---|---|\n")
	all := fleet.CanonicalMetrics()
	for _, m := range all.Stored() {
		percentiles := "exact"
		if !m.Exact {
			percentiles = percent(m.QuantileError())
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | `%s` | %s |\n", m.Name, m.Unit, resolution(m), percentiles, m.Column, m.Description)
	}
	b.WriteString("\nDerived on reading:\n\n| metric | unit | resolution | percentiles | is | what it is |\n|---|---|---|---|---|---|\n")
	for _, m := range all.All() {
		if m.Derived() {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s | `%s` x `%s` | %s |\n", m.Name, m.Unit, resolution(m), percent(m.QuantileError()), m.Ratio, m.Capacity, m.Description)
		}
	}
	b.WriteString("\n")
	return b.String()
}

func percent(share float64) string { return fmt.Sprintf("within %v %%", share*100) }

func resolution(m fleet.Metric) string {
	s := strconv.FormatFloat(m.Resolution(), 'f', -1, 64)
	switch {
	case strings.Contains(m.Column, "_kib"):
		return fmt.Sprintf("%s (%v KiB)", s, m.Resolution()/1024)
	case strings.HasSuffix(m.Column, "_mib"):
		return fmt.Sprintf("%s (%v MiB)", s, m.Resolution()/(1<<20))
	}
	return s
}

// TestMetricsPage holds the tables of the page against the metrics.
func TestMetricsPage(t *testing.T) {
	page, err := os.ReadFile(metricsPage)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(page), metricsBegin)
	_, tail, ok2 := strings.Cut(rest, metricsEnd)
	if !ok || !ok2 {
		t.Fatalf("%s lacks the marks of its tables", metricsPage)
	}
	want := head + metricsBegin + metricTables() + metricsEnd + tail
	if want == string(page) {
		return
	}
	if !*update {
		t.Fatalf("%s is not what the metrics say: run go test ./fleet -run TestMetricsPage -update and read the difference", metricsPage)
	}
	if err := os.WriteFile(metricsPage, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}
