package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestTableCSV(t *testing.T) {
	golden(t, "table.csv.golden", func(b *bytes.Buffer) error { return sample().Write(b, FormatCSV, Style{}) })
}

func TestTableJSON(t *testing.T) {
	golden(t, "table.json.golden", func(b *bytes.Buffer) error { return sample().Write(b, FormatJSON, Style{}) })
	golden(t, "table.jsonl.golden", func(b *bytes.Buffer) error { return sample().Write(b, FormatJSONLines, Style{}) })
	limited, err := sample().View(View{SortBy: "hosts", Columns: "dept,hosts", Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "table_limit.json.golden", func(b *bytes.Buffer) error { return limited.Write(b, FormatJSON, Style{}) })
	named := &Table{Columns: []Column{{Key: "reasons"}}, Rows: []Row{{Unknown("x")}}}
	var b bytes.Buffer
	if err := named.WriteJSONLines(&b); err != nil || b.String() != `{"reasons":null,"reasons_":{"reasons":"x"}}`+"\n" {
		t.Errorf("a column named reasons: %s, %v", &b, err)
	}
}

// TestCSVParsesBack checks over many tables that what a CSV reader gets are the table's own values, bit for bit.
func TestCSVParsesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table := drawTable(t)
		var b bytes.Buffer
		if err := table.WriteCSV(&b); err != nil {
			t.Fatal(err)
		}
		records, err := csv.NewReader(bytes.NewReader(b.Bytes())).ReadAll()
		if err != nil {
			t.Fatalf("%v in\n%s", err, &b)
		}
		if len(records) != len(table.Rows)+1 {
			t.Fatalf("%d records for %d rows:\n%s", len(records), len(table.Rows), &b)
		}
		for i, c := range table.Columns {
			if records[0][i] != c.MachineName() {
				t.Fatalf("column %d is headed %q", i, records[0][i])
			}
			for n, row := range table.Rows {
				if field := records[n+1][i]; !sameValue(row[i], field) {
					t.Fatalf("row %d, column %d: %s became %q", n, i, row[i], field)
				}
			}
		}
	})
}

// sameValue reads a CSV field as the value's kind and compares.
func sameValue(v Value, field string) bool {
	if !v.known {
		return field == ""
	}
	switch v.kind {
	case KindText:
		return field == v.text
	case KindInteger:
		n, err := strconv.ParseInt(field, 10, 64)
		return err == nil && n == v.whole
	case KindDuration:
		d, err := time.ParseDuration(field + "s")
		if v.whole == math.MinInt64 {
			return field == "-9223372036.854775808"
		}
		return err == nil && int64(d) == v.whole
	case KindTime:
		at, err := time.Parse(time.RFC3339Nano, field)
		return err == nil && at.Equal(v.time)
	default:
		f, err := strconv.ParseFloat(field, 64)
		return err == nil && math.Float64bits(f) == math.Float64bits(v.number)
	}
}

// TestJSONParsesBack checks that every row is a JSON object with the table's own numbers and null for the unknown.
func TestJSONParsesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table := drawTable(t)
		var b bytes.Buffer
		if err := table.WriteJSON(&b); err != nil {
			t.Fatal(err)
		}
		var got struct{ Rows []map[string]any }
		d := json.NewDecoder(&b)
		d.UseNumber()
		if err := d.Decode(&got); err != nil {
			t.Fatal(err)
		}
		if len(got.Rows) != len(table.Rows) {
			t.Fatalf("%d objects for %d rows", len(got.Rows), len(table.Rows))
		}
		for n, row := range table.Rows {
			reasons, _ := got.Rows[n]["reasons"].(map[string]any)
			for i, c := range table.Columns {
				switch member := got.Rows[n][c.MachineName()].(type) {
				case nil:
					reason, _ := reasons[c.MachineName()].(string)
					if row[i].known || reason != row[i].Reason() {
						t.Fatalf("row %d: %s became null because %q", n, row[i], reason)
					}
				case json.Number:
					if !sameValue(row[i], member.String()) {
						t.Fatalf("row %d: %s became %s", n, row[i], member)
					}
				case string:
					if !sameValue(row[i], member) && strings.ToValidUTF8(row[i].text, "\ufffd") != member {
						t.Fatalf("row %d: %s became %q", n, row[i], member)
					}
				default:
					t.Fatalf("row %d: %s became a %T", n, row[i], member)
				}
			}
		}
	})
}

func TestWriteJSONDeterministicWithoutEscapes(t *testing.T) {
	v := map[string]any{"b": "<&>", "a": []int{1}, "c": nil}
	want := "{\n  \"a\": [\n    1\n  ],\n  \"b\": \"<&>\",\n  \"c\": null\n}\n"
	for range 20 {
		var b bytes.Buffer
		if err := WriteJSON(&b, v); err != nil || b.String() != want {
			t.Fatalf("got %s, %v", &b, err)
		}
	}
	var b bytes.Buffer
	if err := WriteJSON(&b, func() {}); err == nil || b.Len() != 0 {
		t.Errorf("a func was written: %q, %v", &b, err)
	}
}

func TestWriteJSONLines(t *testing.T) {
	f := func(v any, want, wantErr string) {
		t.Helper()
		var b bytes.Buffer
		err := WriteJSONLines(&b, v)
		if b.String() != want || (err == nil) != (wantErr == "") || err != nil && !strings.Contains(err.Error(), wantErr) {
			t.Errorf("%T: got %q, %v", v, &b, err)
		}
	}
	f([]map[string]string{{"b": "<", "a": "x"}, nil}, "{\"a\":\"x\",\"b\":\"<\"}\nnull\n", "")
	f([2]int{1, 2}, "1\n2\n", "")
	f([]int(nil), "", "")
	f(nil, "", "<nil> is not a slice")
	f(map[string]int{}, "", "map[string]int is not a slice")
	f([]any{1, func() {}}, "1\n", "line 2")
}
