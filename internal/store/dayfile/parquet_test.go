package dayfile

import (
	"bytes"
	"encoding/binary"
	"io"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"github.com/leanfleet/leanfleet/fleet"
)

// foreignRows reads a file with parquet-go, which knows nothing of leanfleet,
// row by row.
func foreignRows(t *testing.T, data []byte, f *File) []piece {
	t.Helper()
	file, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatalf("parquet-go: %v", err)
	}
	var out []piece
	at := 0
	for _, group := range file.RowGroups() {
		reader := group.Rows()
		buf := make([]parquet.Row, 1)
		for {
			n, err := reader.ReadRows(buf)
			if n == 1 {
				row := buf[0]
				if at == 0 || len(out[at-1].Rows.Start) == f.Runs()[at-1].Rows {
					run := f.Runs()[at]
					out = append(out, piece{Host: run.Host, Step: run.Step})
					at++
				}
				addForeign(t, &out[at-1], row, f.Metrics())
			}
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("parquet-go: %v", err)
			}
		}
		if err := reader.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return normal(out, f.Metrics())
}

func addForeign(t *testing.T, p *piece, row parquet.Row, metrics []fleet.Metric) {
	t.Helper()
	if len(row) != firstMetric+len(metrics) {
		t.Fatalf("a row has %d columns, not %d", len(row), firstMetric+len(metrics))
	}
	if host := row[columnHost].String(); host != string(p.Host) {
		t.Fatalf("a row of host %s is one of %s in the index", host, p.Host)
	}
	p.Rows.Start = append(p.Rows.Start, row[columnTime].Int64())
	p.Rows.Origin = append(p.Rows.Origin, row[columnOrigin].String())
	if p.Rows.Columns == nil {
		p.Rows.Columns = make([]fleet.Column, len(metrics))
	}
	for i := range metrics {
		c := &p.Rows.Columns[i]
		c.Metric = metrics[i]
		v := row[firstMetric+i]
		if v.IsNull() {
			c.Values, c.Present = append(c.Values, 0), append(c.Present, false)
		} else {
			c.Values, c.Present = append(c.Values, v.Int32()), append(c.Present, true)
		}
	}
}

// TestForeignReader keeps that another Parquet reader sees the same rows.
func TestForeignReader(t *testing.T) {
	metrics, pieces := smallDay()
	for _, opt := range []Options{{}, {GroupRows: 60, PageRows: 20}, {GroupRows: 1, PageRows: 1}} {
		data, _ := write(t, metrics, pieces, opt)
		f := open(t, data)
		if d := diff(foreignRows(t, data, f), normal(pieces, metrics)); d != "" {
			t.Errorf("options %+v: rows differ (-want +got):\n%s", opt, d)
		}
	}
}

// TestForeignSchema keeps the types that other readers see.
func TestForeignSchema(t *testing.T) {
	metrics, pieces := smallDay()
	data, _ := write(t, metrics, pieces, Options{GroupRows: 60, PageRows: 20})
	file, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	var order []string
	for _, field := range file.Schema().Fields() {
		kind := field.Type().String()
		if field.Optional() {
			kind += " optional"
		}
		got[field.Name()] = kind
		order = append(order, field.Name())
	}
	want := map[string]string{
		"host":                     "STRING",
		"time":                     "TIMESTAMP(isAdjustedToUTC=true,unit=MILLIS)",
		"origin":                   "STRING",
		"cpu_usage":                "DECIMAL(9,4) optional",
		"load1":                    "DECIMAL(9,2) optional",
		"disk_read_kib_per_second": "DECIMAL(9,1) optional",
		"processes":                "INT32 optional",
		"capacity_memory_mib":      "INT32 optional",
		"queue_depth":              "INT32 optional",
	}
	for name, kind := range want {
		if got[name] != kind {
			t.Errorf("column %s is %q, not %q", name, got[name], kind)
		}
	}
	wantOrder := []string{"host", "time", "origin"}
	for _, m := range metrics {
		wantOrder = append(wantOrder, m.Column)
	}
	if d := cmp.Diff(wantOrder, order); d != "" {
		t.Errorf("columns are out of order:\n%s", d)
	}
	if v, ok := file.Lookup(dayKey); !ok || v != "2013-08-01" {
		t.Errorf("%s is %q", dayKey, v)
	}
	for _, g := range file.Metadata().RowGroups {
		if d := cmp.Diff([]format.SortingColumn{{ColumnIdx: 0}, {ColumnIdx: 1}}, []format.SortingColumn(g.SortingColumns)); d != "" {
			t.Errorf("sorting columns:\n%s", d)
		}
	}
}

// TestForeignStatistics keeps that the bounds by which other readers leave out
// row groups and pages are right.
func TestForeignStatistics(t *testing.T) {
	metrics, pieces := smallDay()
	data, _ := write(t, metrics, pieces, Options{GroupRows: 60, PageRows: 20})
	file, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	f := open(t, data)
	var s Scratch
	for g, group := range file.RowGroups() {
		meta := file.Metadata().RowGroups[g]
		cpu := slices.IndexFunc(metrics, func(m fleet.Metric) bool { return m.Name == "cpu_usage" })
		lo, hi, nulls := int32(1<<30), int32(-1), int64(0)
		for row := f.index.groups[g].first(); row < f.index.groups[g].end(); row++ {
			sl, err := f.seek(&s, firstMetric+cpu, row, row+1)
			if err != nil {
				t.Fatal(err)
			}
			values, present := sl.part(row, row+1)
			if present != nil {
				nulls++
				continue
			}
			lo, hi = min(lo, values[0]), max(hi, values[0])
		}
		stats := meta.Columns[firstMetric+cpu].MetaData.Statistics
		if stats.NullCount != nulls {
			t.Errorf("group %d: %d nulls, the footer says %d", g, nulls, stats.NullCount)
		}
		if hi >= 0 && (int32(binary.LittleEndian.Uint32(stats.MinValue)) != lo || int32(binary.LittleEndian.Uint32(stats.MaxValue)) != hi) {
			t.Errorf("group %d: values lie in [%d, %d], the footer says %v, %v", g, lo, hi, stats.MinValue, stats.MaxValue)
		}
		hosts := meta.Columns[columnHost].MetaData.Statistics
		if string(hosts.MinValue) != string(f.hostOf(f.index.groups[g].first())) || string(hosts.MaxValue) != string(f.hostOf(f.index.groups[g].end()-1)) {
			t.Errorf("group %d: the footer says hosts %s to %s", g, hosts.MinValue, hosts.MaxValue)
		}
		for c, chunk := range group.ColumnChunks() {
			offsets, err := chunk.OffsetIndex()
			if err != nil {
				t.Fatal(err)
			}
			index, err := chunk.ColumnIndex()
			if err != nil {
				t.Fatal(err)
			}
			pages := f.index.groups[g].chunks[c].pages
			if offsets.NumPages() != len(pages) || index.NumPages() != len(pages) {
				t.Fatalf("group %d, column %d: %d pages in the page index, %d in ours", g, c, offsets.NumPages(), len(pages))
			}
			for i, p := range pages {
				if offsets.Offset(i) != p.offset || offsets.CompressedPageSize(i) != int64(p.size) || index.NullCount(i) != int64(p.nulls) {
					t.Errorf("group %d, column %d, page %d: offset %d, size %d, nulls %d in the page index; ours %+v",
						g, c, i, offsets.Offset(i), offsets.CompressedPageSize(i), index.NullCount(i), p)
				}
			}
		}
	}
}
