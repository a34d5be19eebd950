package dayfile

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"

	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/leanfleet/leanfleet/fleet"
)

// magic begins and ends every Parquet file.
const magic = "PAR1"

// createdBy is the name other readers see; its form is Parquet's.
const createdBy = "leanfleet version 1.0.0 (build 1)"

// decimalPrecision is the most digits a 32-bit DECIMAL may declare.
const decimalPrecision = 9

// layout is the columns of a file.
type layout struct {
	metrics []fleet.Metric
	grouped bool
	columns []column
	byName  map[string]int // metric name -> index in metrics
}

// column is a column as Parquet sees it.
type column struct {
	name     string
	typ      format.Type
	encoding format.Encoding
	element  format.SchemaElement
}

// newLayout returns the columns for metrics: host, time, origin, then each
// metric in the order given, then the process group where rows are of those.
func newLayout(metrics []fleet.Metric, grouped bool) (*layout, error) {
	l := &layout{metrics: metrics, grouped: grouped, byName: make(map[string]int, len(metrics))}
	l.columns = append(l.columns, textColumn("host"), timeColumn("time"), textColumn("origin"))
	taken := map[string]bool{"host": true, "time": true, "origin": true, "group": grouped}
	for i, m := range metrics {
		if err := checkMetric(m); err != nil {
			return nil, err
		}
		if _, twice := l.byName[m.Name]; twice || taken[m.Column] {
			return nil, fmt.Errorf("metric %s: the name or its column %q stands twice", m.Name, m.Column)
		}
		l.byName[m.Name], taken[m.Column] = i, true
		l.columns = append(l.columns, metricColumn(m))
	}
	if grouped {
		l.columns = append(l.columns, textColumn("group"))
	}
	return l, nil
}

func checkMetric(m fleet.Metric) error {
	switch {
	case m.Name == "" || m.Column == "" || m.Derived():
		return fmt.Errorf("metric %q has no column of its own", m.Name)
	case m.Num <= 0 || m.Den <= 0:
		return fmt.Errorf("metric %s: a resolution of %d/%d is not above zero", m.Name, m.Num, m.Den)
	case m.Digits < 0 || m.Digits > decimalPrecision:
		return fmt.Errorf("metric %s: %d decimal digits are not between 0 and %d", m.Name, m.Digits, decimalPrecision)
	case max(len(m.Name), len(m.Column), len(m.Unit), len(m.Description)) > MaxNameBytes:
		return fmt.Errorf("metric %.40s...: a name is longer than %d bytes", m.Name, MaxNameBytes)
	}
	return nil
}

func textColumn(name string) column {
	return column{name: name, typ: format.ByteArray, encoding: format.RLEDictionary, element: format.SchemaElement{
		Name: name, Type: thrift.New(format.ByteArray), RepetitionType: thrift.New(format.Required),
		ConvertedType: thrift.New(deprecated.UTF8), LogicalType: format.LogicalType{Value: &format.StringType{}},
	}}
}

func timeColumn(name string) column {
	return column{name: name, typ: format.Int64, encoding: format.DeltaBinaryPacked, element: format.SchemaElement{
		Name: name, Type: thrift.New(format.Int64), RepetitionType: thrift.New(format.Required),
		ConvertedType: thrift.New(deprecated.TimestampMillis),
		LogicalType: format.LogicalType{Value: &format.TimestampType{
			IsAdjustedToUTC: true, Unit: format.TimeUnit{Value: &format.MilliSeconds{}},
		}},
	}}
}

// metricColumn is OPTIONAL even where no value is missing: that costs a page
// four bytes and leanfleet's own reader no time, and it lets row groups be
// copied from file to file.
func metricColumn(m fleet.Metric) column {
	c := column{name: m.Column, typ: format.Int32, encoding: format.DeltaBinaryPacked, element: format.SchemaElement{
		Name: m.Column, Type: thrift.New(format.Int32), RepetitionType: thrift.New(format.Optional),
	}}
	if m.Digits > 0 {
		c.element.ConvertedType = thrift.New(deprecated.Decimal)
		c.element.Scale, c.element.Precision = thrift.New(int32(m.Digits)), thrift.New(int32(decimalPrecision))
		c.element.LogicalType = format.LogicalType{Value: &format.DecimalType{Scale: int32(m.Digits), Precision: decimalPrecision}}
	}
	return c
}

func (l *layout) schema() []format.SchemaElement {
	root := format.SchemaElement{Name: "sample", NumChildren: thrift.New(int32(len(l.columns)))}
	out := []format.SchemaElement{root}
	for _, c := range l.columns {
		out = append(out, c.element)
	}
	return out
}

func (l *layout) orders() []format.ColumnOrder {
	out := make([]format.ColumnOrder, len(l.columns))
	for i := range out {
		out[i].Value = &format.TypeDefinedOrder{}
	}
	return out
}

func (l *layout) sortedBy() []format.SortingColumn {
	if l.grouped {
		return []format.SortingColumn{{ColumnIdx: columnHost}, {ColumnIdx: int32(len(l.columns) - 1)}, {ColumnIdx: columnTime}}
	}
	return []format.SortingColumn{{ColumnIdx: columnHost}, {ColumnIdx: columnTime}}
}

// describe adds a chunk with what Parquet's footer and page index say of it.
func (e *encoded) describe(c column, ch chunk, bounds []pageBounds, uncompressed, compressed int64) {
	rows := int64(e.meta.NumRows)
	meta := format.ColumnMetaData{
		Type: c.typ, Encoding: []format.Encoding{format.RLE, c.encoding}, PathInSchema: []string{c.name},
		NumValues: rows, TotalUncompressedSize: uncompressed, TotalCompressedSize: compressed,
		DataPageOffset: ch.pages[0].offset,
		// Pages that are not worth compressing say so in their headers: not every
		// reader expects the codec of a column to change between row groups.
		Codec:         format.Zstd,
		EncodingStats: []format.PageEncodingStats{{PageType: format.DataPageV2, Encoding: c.encoding, Count: int32(len(ch.pages))}},
	}
	if ch.dictionary.size != 0 {
		meta.Encoding = append(meta.Encoding, format.Plain)
		meta.DictionaryPageOffset = ch.dictionary.offset
		meta.EncodingStats = append([]format.PageEncodingStats{{PageType: format.DictionaryPage, Encoding: format.Plain, Count: 1}}, meta.EncodingStats...)
	}
	var index pageIndex
	if c.name == "host" {
		index.column.BoundaryOrder = format.Ascending
	}
	for i, p := range ch.pages {
		b := bounds[i]
		index.column.NullPages = append(index.column.NullPages, b.min == nil)
		index.column.MinValues = append(index.column.MinValues, b.min)
		index.column.MaxValues = append(index.column.MaxValues, b.max)
		index.column.NullCounts = append(index.column.NullCounts, int64(b.nulls))
		index.offset.PageLocations = append(index.offset.PageLocations, format.PageLocation{
			Offset: p.offset, CompressedPageSize: p.size, FirstRowIndex: e.group.rows[i],
		})
		meta.Statistics.NullCount += int64(b.nulls)
		if b.min == nil {
			continue
		}
		if s := &meta.Statistics; s.MinValue == nil {
			s.MinValue, s.MaxValue = b.min, b.max
		} else {
			if c.less(b.min, s.MinValue) {
				s.MinValue = b.min
			}
			if c.less(s.MaxValue, b.max) {
				s.MaxValue = b.max
			}
		}
	}
	if len(meta.Statistics.MinValue) == 0 { // an empty string would be written as unknown
		meta.Statistics.MinValue, meta.Statistics.MaxValue = nil, nil
	}
	e.group.chunks = append(e.group.chunks, ch)
	e.meta.Columns = append(e.meta.Columns, format.ColumnChunk{MetaData: meta})
	e.meta.TotalByteSize += uncompressed
	e.pages = append(e.pages, index)
}

// less compares two bounds in the order of the column's type.
func (c column) less(a, b []byte) bool {
	switch c.typ {
	case format.Int32:
		return cmp.Less(int32(binary.LittleEndian.Uint32(a)), int32(binary.LittleEndian.Uint32(b)))
	case format.Int64:
		return cmp.Less(int64(binary.LittleEndian.Uint64(a)), int64(binary.LittleEndian.Uint64(b)))
	default:
		return bytes.Compare(a, b) < 0
	}
}
