package report

import (
	"encoding/csv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestParseSort(t *testing.T) {
	got, err := ParseSort(`dept, -p95,+hosts,-"x`)
	if err == nil {
		t.Errorf("a quote that is not closed was read as %v", got)
	}
	got, err = ParseSort(`dept, -p95 ,+hosts,"-cost, centre"`)
	want := []SortKey{{Column: "dept"}, {Column: "p95", Direction: Descending}, {Column: "hosts", Direction: Ascending}, {Column: "cost, centre", Direction: Descending}}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(SortKey{})); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	if got, err := ParseSort("  "); err != nil || got != nil {
		t.Errorf("nothing is %v, %v", got, err)
	}
}

func TestNearest(t *testing.T) {
	f := func(name, want string, valid ...string) {
		t.Helper()
		if got := (&UnknownNameError{Name: name, Valid: valid}).Nearest(); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
	f("p59", "p95", "mean", "p95", "p99")
	f("P99", "p99", "p95", "p99")
	f("departement", "department", "department", "dept")
	f("x", "", "mean", "p95")
	f("x", "", "y") // one letter tells nothing
	f("zürich", "zurich", "zurich", "berlin")
	f("", "", "a")
}

// FuzzSpecs reads any specification: there must be no panic; what is read has no empty names and reads again from its
// own spelling; and a View either refuses it or keeps every row.
func FuzzSpecs(f *testing.F) {
	for _, seed := range []string{"", "dept", "-p95,dept", "+hosts, -last", `"a,b",-"c"`, "-", ",", "--p95", "dept\n", `"`, "p95_ratio", "é,\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		if names, err := ParseColumns(spec); err == nil && len(names) > 0 {
			var b strings.Builder
			w := csv.NewWriter(&b)
			if err := w.Write(names); err != nil {
				t.Fatal(err)
			}
			w.Flush()
			again, err := ParseColumns(strings.TrimSuffix(b.String(), "\n"))
			if err != nil || cmp.Diff(names, again) != "" {
				t.Fatalf("%q was read as %q and, written as %q, as %q, %v", spec, names, b.String(), again, err)
			}
			for _, name := range names {
				if strings.TrimSpace(name) == "" {
					t.Fatalf("%q: an empty name in %q", spec, names)
				}
			}
		}
		if keys, err := ParseSort(spec); err == nil {
			for _, key := range keys {
				if key.Column == "" {
					t.Fatalf("%q: an empty key", spec)
				}
			}
		}
		table := sample()
		if v, err := table.View(View{SortBy: spec}); err == nil && len(v.Rows) != len(table.Rows) {
			t.Fatalf("%q lost rows", spec)
		}
		if v, err := table.View(View{Columns: spec}); err == nil {
			if err := v.Check(); err != nil {
				t.Fatalf("%q: %v", spec, err)
			}
		}
	})
}
