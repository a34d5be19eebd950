package files

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"

	"github.com/leanfleet/leanfleet/fleet"
)

// table writes a Parquet file of columns in order.
func table(tb testing.TB, names []string, nodes []parquet.Node, rows ...[]any) []byte {
	tb.Helper()
	schema := orderedGroup{Group: parquet.Group{}, order: names}
	for i, name := range names {
		schema.Group[name] = nodes[i]
	}
	var out bytes.Buffer
	w := parquet.NewWriter(&out, parquet.NewSchema("t", schema), parquet.MaxRowsPerRowGroup(3))
	for _, cells := range rows {
		var row parquet.Row
		for i, c := range cells {
			v, level := parquet.ValueOf(c), 0
			if nodes[i].Optional() && c != nil {
				level = 1
			}
			row = append(row, v.Level(0, level, i))
		}
		if _, err := w.WriteRows([]parquet.Row{row}); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

var (
	textNode  = parquet.String()
	ratioNode = parquet.Leaf(parquet.DoubleType)
)

func TestParquetTypes(t *testing.T) {
	const first = int64(1767225600) // seconds
	times := map[string]struct {
		node parquet.Node
		at   func(seconds int64) any
	}{
		"milliseconds": {parquet.Timestamp(parquet.Millisecond), func(s int64) any { return s * 1e3 }},
		"microseconds": {parquet.Timestamp(parquet.Microsecond), func(s int64) any { return s*1e6 + 400 }},
		"nanoseconds":  {parquet.Timestamp(parquet.Nanosecond), func(s int64) any { return s*1e9 - 400_000 }},
		"Unix seconds": {parquet.Leaf(parquet.Int64Type), func(s int64) any { return s }},
		"Unix ms":      {parquet.Int(64), func(s int64) any { return s * 1e3 }},
		"32 bits":      {parquet.Leaf(parquet.Int32Type), func(s int64) any { return int32(s) }},
		"float":        {parquet.Leaf(parquet.DoubleType), func(s int64) any { return float64(s) }},
		"text":         {parquet.String(), func(s int64) any { return showTime(s * 1e3) }},
		"bytes":        {parquet.Leaf(parquet.ByteArrayType), func(s int64) any { return []byte(fmt.Sprint(s)) }},
	}
	for name, x := range times {
		data := table(t, []string{"host", "timestamp", "cpu_usage"}, []parquet.Node{textNode, x.node, ratioNode},
			[]any{"a", x.at(first), 0.5}, []any{"a", x.at(first + 60), 0.25}, []any{"a", x.at(first + 120), 0.0}, []any{"b", x.at(first), 1.0})
		lines, sum, err := read(t, SamplesOptions{}, write(t, "s.csv", data))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		same(t, lines, []string{
			"a 60000 1767225600000 cpu_usage=5000", "a 60000 1767225660000 cpu_usage=2500", "a 60000 1767225720000 cpu_usage=0", "b 60000 1767225600000 cpu_usage=10000",
		})
		if sum.Rows != 4 || sum.Samples != 4 || sum.Hosts != 2 {
			t.Errorf("%s: %+v", name, sum)
		}
	}
	fixed := func(n int64, size int) []byte {
		b := bytes.Repeat([]byte{byte(n >> 63)}, size)
		binary.BigEndian.PutUint64(b[size-8:], uint64(n))
		return b
	}
	values := map[string]struct {
		node  parquet.Node
		value any
		want  int32
	}{
		"float":           {parquet.Leaf(parquet.FloatType), float32(0.4032), 4032},
		"double":          {ratioNode, 0.4032, 4032},
		"optional":        {parquet.Optional(ratioNode), 0.4032, 4032},
		"int":             {parquet.Int(32), int32(2), 20000},
		"int64":           {parquet.Leaf(parquet.Int64Type), int64(2), 20000},
		"plain int":       {parquet.Leaf(parquet.Int32Type), int32(2), 20000},
		"long":            {parquet.Int(64), int64(2), 20000},
		"unsigned":        {parquet.Uint(32), uint32(3), 30000},
		"unsigned long":   {parquet.Uint(64), uint64(3), 30000},
		"boolean":         {parquet.Leaf(parquet.BooleanType), true, 10000},
		"decimal":         {parquet.Decimal(4, 9, parquet.Int32Type), int32(4032), 4032},
		"long decimal":    {parquet.Decimal(8, 18, parquet.Int64Type), int64(40320000), 4032},
		"fixed decimal":   {parquet.Decimal(4, 38, parquet.FixedLenByteArrayType(16)), fixed(4032, 16), 4032},
		"fixed decimal 8": {parquet.Decimal(4, 18, parquet.FixedLenByteArrayType(8)), fixed(4032, 8), 4032},
		"bytes decimal":   {parquet.Decimal(4, 9, parquet.ByteArrayType), []byte{0x0f, 0xc0}, 4032},
		"no decimal":      {parquet.Decimal(4, 9, parquet.ByteArrayType), []byte{}, 0},
	}
	for name, x := range values {
		data := table(t, []string{"cpu_usage", "timestamp", "host"}, []parquet.Node{x.node, parquet.Int(64), parquet.Encoded(textNode, &parquet.RLEDictionary)},
			[]any{x.value, first, "a"})
		lines, _, err := read(t, SamplesOptions{Step: time.Minute}, write(t, "s.parquet", data))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		same(t, lines, []string{fmt.Sprintf("a 60000 1767225600000 cpu_usage=%d", x.want)})
	}
	if got := bigDecimal(fixed(-5, 16)); got != -5 {
		t.Errorf("-5 in 16 bytes is %v", got)
	}
	if got := bigDecimal(fixed(-5, 8)); got != -5 {
		t.Errorf("-5 in 8 bytes is %v", got)
	}
}

func TestParquetErrors(t *testing.T) {
	ms := parquet.Timestamp(parquet.Millisecond)
	names := []string{"host", "timestamp", "cpu_usage"}
	one := []any{"a", int64(1767225600000), 0.5}
	f := func(want string, data []byte) {
		t.Helper()
		path := write(t, "s.parquet", data)
		_, _, err := read(t, SamplesOptions{Step: time.Minute}, path)
		fails(t, err, path, want)
	}
	f(`s.parquet: column 1 (host): is of type INT(64,true); names of hosts are text (STRING)`, table(t, names, []parquet.Node{parquet.Int(64), ms, ratioNode}))
	f(`s.parquet: column 2 (timestamp): is of type DATE; times are TIMESTAMP, a number since 1970, or RFC 3339 text`, table(t, names, []parquet.Node{textNode, parquet.Date(), ratioNode}))
	f(`s.parquet: column 2 (timestamp): is of the outdated type INT96; write times as TIMESTAMP`, table(t, names, []parquet.Node{textNode, parquet.Leaf(parquet.Int96Type), ratioNode}, []any{"a", deprecated.Int96{}, 0.5}))
	f(`s.parquet: column 2 (timestamp): holds times without a time zone: write them as UTC (isAdjustedToUTC), in pandas with tz_localize, in DuckDB as TIMESTAMPTZ`, table(t, names, []parquet.Node{textNode, parquet.TimestampAdjusted(parquet.Microsecond, false), ratioNode}))
	f(`s.parquet: column 3 (cpu_usage): is of type STRING; values are integers, FLOAT, DOUBLE or DECIMAL`, table(t, names, []parquet.Node{textNode, ms, textNode}))
	f(`s.parquet: column 3 (cpu_usage): is of type TIMESTAMP(isAdjustedToUTC=true,unit=MILLIS); values are integers, FLOAT, DOUBLE or DECIMAL`, table(t, names, []parquet.Node{textNode, ms, ms}))
	f(`s.parquet: column 3 (cpu_usage): holds lists or groups, not one value a row`, table(t, names, []parquet.Node{textNode, ms, parquet.Repeated(ratioNode)}))
	f(`s.parquet: column 3 (cpu): unknown column "cpu"; did you mean "capacity_vcpus" or "cpu_cores_used"? (to leave a column out, map it to -)`, table(t, []string{"host", "timestamp", "cpu"}, []parquet.Node{textNode, ms, ratioNode}))
	f(`s.parquet: there is no column timestamp: the header is "host,cpu_usage"`, table(t, []string{"host", "cpu_usage"}, []parquet.Node{textNode, ratioNode}))
	f(`s.parquet: row 2: column 1 (host): the host is empty`, table(t, names, []parquet.Node{parquet.Optional(textNode), ms, ratioNode}, one, []any{nil, int64(1767225600000), 0.5}))
	f(`s.parquet: row 5: column 2 (timestamp): the time is empty`, table(t, names, []parquet.Node{textNode, parquet.Optional(ms), ratioNode}, one, []any{"b", int64(1), 0.5}, []any{"c", int64(1), 0.5}, []any{"d", int64(1), 0.5}, []any{"a", nil, 0.5}))
	f(`s.parquet: row 1: column 2 (timestamp): "noon" is not a time: use Unix seconds, Unix milliseconds or RFC 3339 (2026-01-31T08:00:00Z)`, table(t, names, []parquet.Node{textNode, textNode, ratioNode}, []any{"a", "noon", 0.5}))
	f(`s.parquet: row 2: column 3 (cpu_usage): impossible value: -1 is negative`, table(t, names, []parquet.Node{textNode, ms, ratioNode}, one, []any{"b", int64(1767225600000), -1.0}))
	f(`s.parquet: row 2: column 3 (cpu_usage): impossible value: NaN is not a number`, table(t, names, []parquet.Node{textNode, ms, ratioNode}, one, []any{"b", int64(1767225600000), math.NaN()}))
	f(`s.parquet: row 2: column 2 (timestamp): impossible value: time goes backwards: host a has 2026-01-01T00:00:00Z here, after 2026-01-02T00:00:00Z on row 1`, table(t, names, []parquet.Node{textNode, ms, ratioNode}, []any{"a", int64(1767312000000), .5}, one))

	whole := table(t, names, []parquet.Node{textNode, ms, ratioNode}, one)
	f("s.parquet: the file begins as Parquet but does not end so: it was written only in part", whole[:len(whole)/2])
	f("s.parquet: the file begins as Parquet but does not end so: it was written only in part", whole[:4])
	path := write(t, "inv.csv", whole)
	_, err := ReadInventory(t.Context(), path, InventoryOptions{})
	fails(t, err, path, "inv.csv: this is a Parquet file; inventories are CSV (plain, gzip or zstd)")
}

// Nested columns are no trouble where they are left out.
func TestParquetIgnoresNested(t *testing.T) {
	names := []string{"host", "nested", "timestamp", "cpu_usage"}
	data := table(t, names, []parquet.Node{textNode, parquet.Repeated(ratioNode), parquet.Int(64), ratioNode}, []any{"a", nil, int64(1767225600), 0.5})
	lines, _, err := read(t, SamplesOptions{Step: time.Minute, Ignore: []string{"nested"}, Stdin: bytes.NewReader(data), TempDir: t.TempDir()}, "-")
	if err != nil {
		t.Fatal(err)
	}
	same(t, lines, []string{"a 60000 1767225600000 cpu_usage=5000"})
}

// parquetFile is an exported file of some size.
func parquetFile(tb testing.TB) []byte {
	tb.Helper()
	batch := fleet.Batch{Host: "host", Step: 60_000}
	c := fleet.Column{Metric: fleet.CPUUsage}
	for i := range 3000 {
		batch.Start = append(batch.Start, 1767225600000+int64(i)*60_000)
		c.Values, c.Present = append(c.Values, int32(i*7919%10001)), append(c.Present, i%7 > 0)
	}
	batch.Columns = []fleet.Column{c}
	var out bytes.Buffer
	if _, err := WriteSamplesParquet(tb.Context(), &out, []fleet.Metric{fleet.CPUUsage}, seq(batch)); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

// Flipped bytes give an error that names the file, or another answer, but
// never a panic.
func TestParquetFlippedBytes(t *testing.T) {
	whole := parquetFile(t)
	failed := 0
	for at := 4; at < len(whole); at += max(1, len(whole)/400) {
		for _, flip := range []byte{0x01, 0x80, 0xff} {
			data := slices.Clone(whole)
			data[at] ^= flip
			path := write(t, "s.parquet", data)
			if _, _, err := read(t, SamplesOptions{Now: time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)}, path); err != nil {
				failed++
				if !strings.HasPrefix(err.Error(), path) {
					t.Errorf("byte %d: the error does not name the file: %v", at, err)
				}
			}
		}
	}
	if failed < 100 {
		t.Errorf("only %d flips were noticed", failed)
	}
}

func TestParquetProgress(t *testing.T) {
	path := write(t, "s.parquet", parquetFile(t))
	last, total := int64(-1), int64(0)
	if _, _, err := read(t, SamplesOptions{Now: time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC), Progress: func(r, n int64) { last, total = r, n }}, path); err != nil || last != total || total == 0 {
		t.Errorf("%d of %d, %v", last, total, err)
	}
}

func FuzzParquet(f *testing.F) {
	names := []string{"host", "timestamp", "cpu_usage"}
	f.Add(table(f, names, []parquet.Node{textNode, parquet.Timestamp(parquet.Millisecond), parquet.Optional(ratioNode)}, []any{"a", int64(1767225600000), 0.5}, []any{"a", int64(1767225660000), nil}))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < 4 || string(data[:4]) != "PAR1" {
			return
		}
		opt := SamplesOptions{SkipBad: true, Now: now}
		_, err := ReadSamples(t.Context(), []string{write(t, "s", data)}, opt, func(b fleet.Batch) error { return b.Validate() })
		if err != nil && strings.Contains(err.Error(), "batch") {
			t.Fatal(err)
		}
	})
}

func BenchmarkReadParquet(b *testing.B) {
	path := write(b, "s.parquet", parquetFile(b))
	benchRead(b, []string{path}, SamplesOptions{}, 0)
}
