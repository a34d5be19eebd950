package duckdb

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/fleet"
)

// TestDocumentedColumns: the tables of columns in docs/queries.md are what
// DuckDB finds, in its order, and the factors are those of the metrics.
func TestDocumentedColumns(t *testing.T) {
	_, dir := uniform(t)
	d := open(t, dir)
	rows := row.FindAllStringSubmatch(readPage(t), -1)
	metrics := map[string]fleet.Metric{}
	for _, x := range fleet.CanonicalMetrics().Stored() {
		metrics[x.Column] = x
	}
	for _, view := range []string{"samples", "records"} {
		for _, c := range d.query(t, "describe "+view) {
			if len(rows) == 0 {
				t.Fatalf("column %s of %s is not documented", c["column_name"], view)
			}
			name, kind, rest := rows[0][1], rows[0][2], rows[0][3]
			rows = rows[1:]
			if name != c["column_name"] || kind != c["column_type"] {
				t.Errorf("%s: documented is %s %s, DuckDB has %s %s", view, name, kind, c["column_name"], c["column_type"])
			}
			x, ok := metrics[name]
			if view != "samples" || !ok {
				continue
			}
			if want := fmt.Sprintf(" `%s` | %d |", x.Name, factor(x)); rest != want {
				t.Errorf("column %s: documented is%s, it should be%s", name, rest, want)
			}
		}
	}
	if len(rows) > 0 {
		t.Errorf("%d documented columns are not there, the first is %s", len(rows), rows[0][1])
	}
}

// factor is what a column's values times give the metric's unit.
func factor(x fleet.Metric) int64 {
	n := x.Num
	for range x.Digits {
		n *= 10
	}
	return n / x.Den
}

// TestValues: every value and every NULL that DuckDB reads is the one that
// leanfleet exports, and neither has a row that the other has not.
func TestValues(t *testing.T) {
	m, dir := uniform(t)
	d := open(t, dir)
	var b bytes.Buffer
	if _, err := m.Export(t.Context(), leanfleet.ExportRequest{Scope: window(), Times: "unix_ms", Output: &b}); err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(&b).ReadAll()
	must(t, err)
	stored := make(map[string][]string, len(lines))
	for _, line := range lines[1:] {
		stored[line[0]+" "+line[1]] = line
	}
	metrics := fleet.CanonicalMetrics()
	var values, nulls, wrong int
	got := d.query(t, "select * from samples")
	for _, r := range got {
		key := fmt.Sprintf("%s %d", r["host"], r["time"].(time.Time).UnixMilli())
		line, ok := stored[key]
		if !ok {
			t.Fatalf("leanfleet has no row %s", key)
		}
		delete(stored, key)
		for i, name := range lines[0][2:] {
			x, err := metrics.Lookup(name)
			must(t, err)
			cell := r[x.Column]
			if cell == nil {
				nulls++
			} else {
				values++
			}
			if !sameNumber(x, cell, line[i+2]) {
				if wrong++; wrong <= 10 {
					t.Errorf("%s, %s: %s where leanfleet has %q", key, x.Column, show(cell), line[i+2])
				}
			}
		}
	}
	if len(stored) > 0 {
		t.Errorf("DuckDB lacks %d rows", len(stored))
	}
	if values < 1_000_000 || nulls < 1000 || wrong > 10 {
		t.Errorf("%d values, %d NULLs, %d wrong", values, nulls, wrong)
	}
	t.Logf("%d rows, %d values and %d NULLs are the same", len(got), values, nulls)
}

// sameNumber says whether a cell of DuckDB and a number that leanfleet exported
// are one stored integer.
func sameNumber(x fleet.Metric, cell any, exported string) bool {
	if exported == "" || cell == nil {
		return exported == "" && cell == nil
	}
	value, err := strconv.ParseFloat(exported, 64)
	if err != nil {
		return false
	}
	want, err := x.Scale(value)
	if err != nil {
		return false
	}
	switch c := cell.(type) {
	case decimal:
		return c.scale == x.Digits && c.value == int64(want)
	case int64:
		return x.Digits == 0 && c == int64(want)
	}
	return false
}

// TestPandasNames looks at the pandas examples, which nothing runs here: they
// name only columns that are there, in the documented places.
func TestPandasNames(t *testing.T) {
	_, dir := uniform(t)
	d := open(t, dir)
	columns := map[string]bool{}
	for _, view := range []string{"samples", "records"} {
		for _, c := range d.query(t, "describe "+view) {
			columns[c["column_name"].(string)] = true
		}
	}
	blocks := regexp.MustCompile("(?ms)^```python\n(.*?)^```$").FindAllStringSubmatch(readPage(t), -1)
	if len(blocks) == 0 {
		t.Fatal("there are none")
	}
	read := regexp.MustCompile(`read_samples\(\[([^\]]*)\]`)
	for _, b := range blocks {
		for _, list := range read.FindAllStringSubmatch(b[1], -1) {
			for name := range strings.SplitSeq(list[1], ",") {
				if name = strings.Trim(name, `" `); !columns[name] {
					t.Errorf("there is no column %s", name)
				}
			}
		}
		for _, path := range regexp.MustCompile(`DATA/[^"]*`).FindAllString(b[1], -1) {
			if path != "DATA/days/*.parquet" && path != "DATA/inventory.parquet" {
				t.Errorf("there is no %s", path)
			}
		}
	}
}
