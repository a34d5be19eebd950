package report

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/jedib0t/go-pretty/v6/text"
	"pgregory.net/rapid"
)

func TestTableText(t *testing.T) {
	f := func(file string, table *Table, view View, style Style, wide bool) {
		t.Helper()
		shown, err := table.View(view)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, file, func(b *bytes.Buffer) error { return shown.WriteText(b, style, wide) })
	}
	unicode := Style{Unicode: true}
	f("table.golden", sample(), View{}, unicode, false)
	f("table_ascii.golden", sample(), View{}, Style{Width: 70}, false)
	f("table_color.golden", sample(), View{}, Style{Unicode: true, Color: true}, false)
	f("table_wide.golden", sample(), View{}, unicode, true)
	f("table_70.golden", sample(), View{}, Style{Unicode: true, Width: 70}, false)
	f("table_20.golden", sample(), View{}, Style{Unicode: true, Width: 20}, false) // numbers stay whole
	f("table_limit.golden", sample(), View{SortBy: "p95", Limit: 2}, unicode, false)
	f("table_columns.golden", sample(), View{Columns: "last,dept"}, unicode, false)
	empty := sample()
	empty.Rows, empty.Totals, empty.Title = nil, nil, ""
	empty.Notes = []string{"No samples in this window; the data covers 2013-08-01 to 2013-09-29."}
	f("table_empty.golden", empty, View{}, unicode, false)
	f("table_nothing.golden", &Table{Title: "nothing"}, View{}, unicode, false)
}

func TestTableLimitLine(t *testing.T) {
	table := &Table{Columns: []Column{{Key: "host"}}, Totals: []Row{{Text("800 hosts")}}}
	for range 800 {
		table.Rows = append(table.Rows, Row{Text("vm")})
	}
	shown, err := table.View(View{Limit: 20})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := shown.WriteText(&b, Style{}, false); err != nil {
		t.Fatal(err)
	}
	want := "host\n---------\n" + strings.Repeat("vm\n", 20) + "and 780 more, --limit 0 shows all\n---------\n800 hosts\n"
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

// TestTableAligned checks over many tables, styles and widths that every line of the grid is as long as its neighbours
// say, that nothing but text is trimmed, that the width is kept where text can give way, and that no control character
// of a value gets through.
func TestTableAligned(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table := drawTable(t)
		style := Style{
			Unicode: rapid.Bool().Draw(t, "unicode"), Color: rapid.Bool().Draw(t, "color"),
			Width: rapid.IntRange(0, 120).Draw(t, "width"),
		}
		var b strings.Builder
		if err := table.WriteText(&b, style, true); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(b.String(), "\n")
		rule := text.StringWidthWithoutEscSequences(lines[1])
		least := (len(table.Columns) - 1) * 2
		for i, c := range table.Columns {
			widest := 2 // of the key
			for _, row := range table.Rows {
				s := printable(row[i].String())
				widest = max(widest, cellWidth(s))
				if c.Kind != KindText && row[i].Known() && !strings.Contains(b.String(), s) {
					t.Fatalf("%q was cut in\n%s", s, b.String())
				}
			}
			if c.Kind == KindText {
				widest = min(widest, narrowest)
			}
			least += widest
		}
		if style.Width > 0 && rule > max(style.Width, least) {
			t.Fatalf("%d cells wide, %d allowed, %d needed:\n%s", rule, style.Width, least, b.String())
		}
		for i, line := range lines[:len(table.Rows)+2] {
			if w := text.StringWidthWithoutEscSequences(line); w > rule {
				t.Fatalf("line %d has %d cells, the rule %d:\n%s", i, w, rule, b.String())
			}
		}
		plain := b.String()
		for _, sequence := range []string{ansiBold, ansiDim, ansiOff} {
			plain = strings.ReplaceAll(plain, sequence, "")
		}
		if !utf8.ValidString(plain) || strings.ContainsFunc(plain, func(r rune) bool { return r < ' ' && r != '\n' || r == 0x7f }) {
			t.Fatalf("a control character got through: %q", plain)
		}
	})
}

func TestPrintable(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		if got := printable(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	f("", "")
	f("Qualität 東京\u3000e\u0301", "Qualität 東京\u3000e\u0301")
	f("a\x1b[31mb\n\t\x00", `a\x1b[31mb\n\t\x00`)
	f("a\u202eb\u200b\u2028", `a\u202eb\u200b\u2028`)
	f("bad \xff byte, real \ufffd", `bad \xff byte, real `+"\ufffd")
	f("\u009b31m", `\u009b31m`)
}

func TestTrim(t *testing.T) {
	f := func(style Style, s string, width int, want string) {
		t.Helper()
		if got := trim(style, s, width); got != want {
			t.Errorf("%q to %d: got %q, want %q", s, width, got, want)
		}
	}
	u, a := Style{Unicode: true}, Style{}
	f(u, "engineering", 11, "engineering")
	f(u, "engineering", 8, "enginee…")
	f(a, "engineering", 8, "engin...")
	f(u, "東京データ", 10, "東京データ")
	f(u, "東京データ", 8, "東京デ…")
	f(u, "東京データ", 7, "東京デ…")
	f(u, "ab", 1, "a")
	f(a, "abcde", 3, "abc")
}

func TestWriteErrors(t *testing.T) {
	table := sample()
	for _, format := range []Format{FormatTable, FormatWide, FormatJSON, FormatJSONLines, FormatCSV} {
		for _, room := range []int{0, 10, 300} {
			if err := table.Write(&fullWriter{room}, format, Style{}); !errors.Is(err, errFull) {
				t.Errorf("%s after %d bytes: got %v", format, room, err)
			}
		}
	}
	one := &Table{Columns: []Column{{Key: "a"}}, Rows: []Row{{Unknown("x")}}}
	if err := one.WriteCSV(&fullWriter{1}); !errors.Is(err, errFull) {
		t.Errorf("an empty field after the header: got %v", err)
	}
	if err := one.WriteCSV(&fullWriter{3}); !errors.Is(err, errFull) {
		t.Errorf("an empty field: got %v", err)
	}
}

func TestTableAlign(t *testing.T) {
	table := &Table{
		Columns: []Column{{Key: "left", Kind: KindInteger, Align: AlignLeft}, {Key: "right", Align: AlignRight}},
		Rows:    []Row{{Integer(1), Text("a")}, {Integer(22), Text("ab")}},
	}
	var b strings.Builder
	if err := table.WriteText(&b, Style{}, false); err != nil {
		t.Fatal(err)
	}
	if want := "left  right\n----  -----\n1         a\n22       ab\n"; b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}

// BenchmarkTableThousandHosts sorts and prints a table of 1,000 hosts and 10 columns for a terminal of 120 cells.
func BenchmarkTableThousandHosts(b *testing.B) {
	table := &Table{Columns: []Column{{Key: "host"}, {Key: "dept"}}}
	for i := range 8 {
		table.Columns = append(table.Columns, Column{Key: "p" + string(rune('a'+i)), Kind: KindRatio})
	}
	for i := range 1000 {
		row := Row{Text("a-rather-long-host-name-" + FormatCount(int64(i*7919%1000))), Text("engineering")}
		for j := range 8 {
			row = append(row, Ratio(float64(i*j%97)/97))
		}
		table.Rows = append(table.Rows, row)
	}
	for b.Loop() {
		shown, err := table.View(View{SortBy: "pc,host"})
		if err != nil {
			b.Fatal(err)
		}
		if err := shown.WriteText(io.Discard, Style{Unicode: true, Width: 120}, false); err != nil {
			b.Fatal(err)
		}
	}
}

// TestProseIsTrimmedFirst: where a line is too long a sentence is trimmed, and a
// name only when that is not enough; numbers never.
func TestProseIsTrimmedFirst(t *testing.T) {
	table := &Table{
		Columns: []Column{{Key: "host"}, {Key: "mean", Kind: KindNumber}, {Key: "tags", Prose: true}},
		Rows:    []Row{{Text("database-production-17"), Number(1234567.5, 1), Text("dept=eng env=prod")}},
	}
	for width, want := range map[int]string{
		60: "database-production-17  1,234,567.5  dept=eng env=prod",
		45: "database-production-17  1,234,567.5  dept=en…",
		40: "database-product…  1,234,567.5  dept=en…",
		10: "databas…  1,234,567.5  dept=en…",
	} {
		var b strings.Builder
		if err := table.WriteText(&b, Style{Unicode: true, Width: width}, false); err != nil {
			t.Fatal(err)
		}
		if line := strings.Split(b.String(), "\n")[2]; line != want {
			t.Errorf("width %d: %q, not %q", width, line, want)
		}
	}
}
