package report

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func keysOf(t *Table, column int) []string {
	var out []string
	for _, row := range t.Rows {
		out = append(out, row[column].String())
	}
	return out
}

// hosts is a small table to sort.
func hosts() *Table {
	return &Table{
		Columns: []Column{{Key: "host"}, {Key: "p95", Kind: KindRatio}, {Key: "seen", Kind: KindTime}, {Key: "-odd"}},
		Rows: []Row{
			{Text("vm10"), Ratio(0.5), Time(time.Unix(300, 0)), Text("b")},
			{Text("vm2"), Unknown("no_samples"), Time(time.Unix(100, 0)), Text("c")},
			{Text("vm1"), Ratio(0.9), Unknown("never_seen"), Text("a")},
			{Text("vm3"), Ratio(0.5), Time(time.Unix(200, 0)), Text("b")},
		},
	}
}

func TestSort(t *testing.T) {
	f := func(spec, want string) {
		t.Helper()
		table := hosts()
		got, err := table.View(View{SortBy: spec})
		if err != nil {
			t.Fatalf("%q: %v", spec, err)
		}
		if s := strings.Join(keysOf(got, 0), " "); s != want {
			t.Errorf("%q: got %s, want %s", spec, s, want)
		}
		if diff := cmp.Diff(keysOf(hosts(), 0), keysOf(table, 0)); diff != "" {
			t.Errorf("%q: the table itself was sorted:\n%s", spec, diff)
		}
	}
	f("", "vm10 vm2 vm1 vm3")
	f("host", "vm1 vm2 vm3 vm10")  // text ascends, by number
	f("-host", "vm10 vm3 vm2 vm1") //
	f("p95", "vm1 vm10 vm3 vm2")   // quantities: greatest first; equal ones keep their order; unknown last
	f("-p95", "vm1 vm10 vm3 vm2")  //
	f("+p95", "vm10 vm3 vm1 vm2")  // unknown last here too
	f("p95_ratio,host", "vm1 vm3 vm10 vm2")
	f(" p95 , -host ", "vm1 vm10 vm3 vm2")
	f("seen", "vm2 vm3 vm10 vm1") // times ascend
	f("-seen", "vm10 vm3 vm2 vm1")
	f("-odd", "vm1 vm10 vm3 vm2") // a column whose key begins with the sign
	f("--odd", "vm2 vm10 vm3 vm1")
}

func TestColumns(t *testing.T) {
	f := func(spec string, want ...string) {
		t.Helper()
		table := sample()
		got, err := table.View(View{SortBy: "hosts", Columns: spec, Limit: 1})
		if err != nil {
			t.Fatalf("%q: %v", spec, err)
		}
		var keys []string
		for _, c := range got.Columns {
			keys = append(keys, c.Key)
			if c.Wide {
				t.Errorf("%q: column %q was chosen and is still wide", spec, c.Key)
			}
		}
		if !slices.Equal(keys, want) {
			t.Errorf("%q: got %q", spec, keys)
		}
		if len(got.Rows[0]) != len(want) || len(got.Totals[0]) != len(want) || got.Hidden() != 3 {
			t.Errorf("%q: %d values in a row, %d in a total, %d rows hidden", spec, len(got.Rows[0]), len(got.Totals[0]), got.Hidden())
		}
		if !sample().Columns[5].Wide || !table.Columns[5].Wide {
			t.Errorf("%q: the table itself was changed", spec)
		}
	}
	f("p95", "p95")
	f("net,dept", "net", "dept")
	f("net_bytes_per_second, hosts", "net", "hosts")
	got, err := sample().View(View{SortBy: "-hosts", Columns: "dept"})
	if err != nil || got.Rows[0][0].String() != "engineering" || got.Hidden() != 0 {
		t.Errorf("sorted by a column that is not shown: %v, %v", got, err)
	}
}

func TestViewErrors(t *testing.T) {
	f := func(v View, want string) {
		t.Helper()
		_, err := sample().View(v)
		if err == nil || err.Error() != want {
			t.Errorf("%+v:\n got %v\nwant %s", v, err, want)
		}
	}
	valid := " (valid: dept, hosts, p95, cores, memory_bytes, net, covered, last, look)"
	f(View{SortBy: "-p59"}, `unknown column "p59", did you mean "p95"?`+valid)
	f(View{Columns: "dept,memory_byte"}, `unknown column "memory_byte", did you mean "memory_bytes"?`+valid)
	f(View{Columns: "zzzzzzzz"}, `unknown column "zzzzzzzz"`+valid)
	f(View{Columns: "dept,p95,dept"}, `columns "dept,p95,dept": "dept" is named twice`)
	f(View{Columns: "p95,p95_ratio"}, `columns "p95,p95_ratio": "p95" is named twice`)
	f(View{Columns: "dept,,p95"}, `columns "dept,,p95": name 2 is empty`)
	f(View{Columns: `de"pt`}, `columns "de\"pt": character 3: bare " in non-quoted-field`)
	f(View{SortBy: "dept,-"}, `sort order "dept,-": "-" names no column`)
	f(View{SortBy: "a\nb"}, `sort order "a\nb": a list is written on one line`)
	f(View{Limit: -1}, `limit -1: the number of rows cannot be negative; 0 shows all`)

	_, err := sample().View(View{SortBy: "p59"})
	var unknown *UnknownNameError
	if !errors.As(err, &unknown) || unknown.Name != "p59" || unknown.Nearest() != "p95" {
		t.Errorf("the error is %#v", err)
	}
}

func TestParseFormat(t *testing.T) {
	for _, name := range []string{"table", "wide", "json", "jsonl", "csv"} {
		if f, err := ParseFormat(name); err != nil || string(f) != name {
			t.Errorf("%s: got %q, %v", name, f, err)
		}
	}
	_, err := ParseFormat("jsno")
	if want := `unknown output format "jsno", did you mean "json"? (valid: table, wide, json, jsonl, csv)`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if err := sample().Write(&strings.Builder{}, "xml", Style{}); err == nil {
		t.Error("an unknown format was written")
	}
}

func TestCheckRefusesTablesBuiltWrongly(t *testing.T) {
	f := func(table *Table, want string) {
		t.Helper()
		for _, format := range []Format{FormatTable, FormatWide, FormatJSON, FormatJSONLines, FormatCSV} {
			var b strings.Builder
			if err := table.Write(&b, format, Style{}); err == nil || err.Error() != want || b.Len() != 0 {
				t.Errorf("%s:\n got %v and %q\nwant %s", format, err, b.String(), want)
			}
		}
		if _, err := table.View(View{}); err == nil || err.Error() != want {
			t.Errorf("View: got %v", err)
		}
	}
	two := []Column{{Key: "a"}, {Key: "b", Kind: KindRatio}}
	f(&Table{Title: "x", Columns: []Column{{}}}, `table "x": column 1 has no key`)
	f(&Table{Columns: []Column{{Key: "a", Kind: 99}}}, `table "": column "a" is of unknown kind 99`)
	f(&Table{Columns: []Column{{Key: "a", Kind: KindRatio}, {Key: "a_ratio"}}}, `table "": two columns are named "a_ratio"`)
	f(&Table{Columns: two, Rows: []Row{{Text("x")}}}, `table "": row 1: it has 1 of 2 values`)
	f(&Table{Columns: two, Rows: []Row{{Text("x"), Text("y")}}}, `table "": row 1: column "b" holds a value of kind text, not ratio`)
	f(&Table{Columns: two, Totals: []Row{{Text("x"), Integer(1)}}}, `table "": total 1: column "b" holds a value of kind integer, not ratio`)
	if err := (&Table{Columns: two, Totals: []Row{{Text("x"), Text("total")}}}).Check(); err != nil {
		t.Errorf("text in a total: %v", err)
	}
}

func TestMachineName(t *testing.T) {
	f := func(c Column, want string) {
		t.Helper()
		if got := c.MachineName(); got != want {
			t.Errorf("%+v: got %q, want %q", c, got, want)
		}
	}
	f(Column{Key: "dept"}, "dept")
	f(Column{Key: "mean", Kind: KindRatio}, "mean_ratio")
	f(Column{Key: "ratio", Kind: KindRatio}, "ratio")
	f(Column{Key: "memory_bytes", Kind: KindBytes}, "memory_bytes")
	f(Column{Key: "net", Kind: KindByteRate}, "net_bytes_per_second")
	f(Column{Key: "age", Kind: KindDuration}, "age_seconds")
	f(Column{Key: "used", Kind: KindNumber, Unit: "cores"}, "used_cores")
	f(Column{Key: "slope", Kind: KindNumber, Unit: "GiB/day"}, "slope_gib_per_day")
	f(Column{Key: "cost", Kind: KindNumber, Unit: "USD"}, "cost_usd")
	f(Column{Key: "seen", Kind: KindTime}, "seen")
}

// TestViewKeepsRows checks over many tables that sorting neither loses, doubles nor changes a row, that it is stable,
// that unknown values are last, and that limit and hidden rows add up.
func TestViewKeepsRows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table := drawTable(t)
		column := rapid.IntRange(0, len(table.Columns)-1).Draw(t, "column")
		sign := rapid.SampledFrom([]string{"", "-", "+"}).Draw(t, "sign")
		limit := rapid.IntRange(0, 6).Draw(t, "limit")
		all, err := table.View(View{SortBy: sign + table.Columns[column].Key})
		if err != nil {
			t.Fatal(err)
		}
		if len(all.Rows) != len(table.Rows) {
			t.Fatalf("%d rows of %d", len(all.Rows), len(table.Rows))
		}
		position := func(row Row) int {
			return slices.IndexFunc(table.Rows, func(r Row) bool { return &r[0] == &row[0] })
		}
		descends := sign == "-" || sign == "" && table.Columns[column].Kind.descends()
		for i := 1; i < len(all.Rows); i++ {
			a, b := all.Rows[i-1], all.Rows[i]
			x, y := a[column], b[column]
			c := 0
			switch {
			case x.known && y.known:
				if c = compareValues(x, y); descends {
					c = -c
				}
			case y.known:
				t.Fatalf("unknown before %s", y)
			case x.known:
				c = -1
			}
			if c > 0 || c == 0 && position(a) >= position(b) {
				t.Fatalf("row %d: %s before %s with %q", i, x, y, sign)
			}
		}
		some, err := table.View(View{SortBy: sign + table.Columns[column].Key, Limit: limit})
		if err != nil || len(some.Rows)+some.Hidden() != len(table.Rows) {
			t.Fatalf("limit %d: %d rows and %d hidden of %d, %v", limit, len(some.Rows), some.Hidden(), len(table.Rows), err)
		}
	})
}

// drawTable draws a table of up to five columns of any kind.
func drawTable(t *rapid.T) *Table {
	table := &Table{}
	for i := range rapid.IntRange(1, 5).Draw(t, "columns") {
		table.Columns = append(table.Columns, Column{
			Key:  "k" + string(rune('a'+i)),
			Kind: Kind(rapid.IntRange(0, len(kindNames)-1).Draw(t, "kind")),
		})
	}
	for range rapid.IntRange(0, 8).Draw(t, "rows") {
		var row Row
		for _, c := range table.Columns {
			row = append(row, drawValue(t, c.Kind))
		}
		table.Rows = append(table.Rows, row)
	}
	return table
}

func drawValue(t *rapid.T, kind Kind) Value {
	if rapid.IntRange(0, 4).Draw(t, "unknown") == 0 {
		return Unknown(rapid.SampledFrom([]string{"", "no_samples", "no_price"}).Draw(t, "reason"))
	}
	number := func() float64 {
		if rapid.Bool().Draw(t, "few") {
			return float64(rapid.IntRange(-2, 2).Draw(t, "number"))
		}
		return rapid.Float64().Draw(t, "number")
	}
	switch kind {
	case KindInteger:
		return Integer(rapid.Int64().Draw(t, "integer"))
	case KindNumber:
		return Number(number(), rapid.IntRange(0, 4).Draw(t, "digits"))
	case KindRatio:
		return Ratio(number())
	case KindBytes:
		return Bytes(number())
	case KindByteRate:
		return ByteRate(number())
	case KindDuration:
		return Duration(time.Duration(rapid.Int64().Draw(t, "duration")))
	case KindTime:
		// Years 1 to 9999: what RFC 3339 can say.
		return Time(time.Unix(rapid.Int64Range(-62135596800+1, 253402300799).Draw(t, "seconds"), rapid.Int64Range(0, 999999999).Draw(t, "ns")))
	default:
		// CSV readers may turn CR LF inside a field into LF.
		return Text(strings.ReplaceAll(rapid.String().Draw(t, "text"), "\r", ""))
	}
}
