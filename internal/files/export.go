package files

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/leanfleet/leanfleet/fleet"
)

// TimeFormat is how times of samples are written as CSV.
type TimeFormat string

// The time formats. The zero value is RFC 3339, in UTC.
const (
	TimeRFC3339    TimeFormat = "rfc3339"
	TimeUnixMillis TimeFormat = "unix_ms"
)

// ExportSummary counts what was written.
type ExportSummary struct {
	Rows    int64 `json:"rows"`
	Samples int64 `json:"samples"`
}

// WriteSamplesCSV writes rows as host, timestamp and the given stored metrics,
// each in its unit, with as many decimals as its resolution has, so that
// reading the file gives the same stored integers. Missing values are empty.
// The rows come as batches of any size, ordered as they are to be written, each
// valid until the next; a batch with a metric that is not among the given ones
// is an error. An error leaves the output incomplete.
func WriteSamplesCSV(ctx context.Context, w io.Writer, metrics []fleet.Metric, rows iter.Seq2[fleet.Batch, error], format TimeFormat) (ExportSummary, error) {
	c := csvExport{w: w, format: format, columns: make([]exportColumn, len(metrics))}
	if format != "" && format != TimeRFC3339 && format != TimeUnixMillis {
		return ExportSummary{}, fmt.Errorf("time format %q: use %s or %s", format, TimeRFC3339, TimeUnixMillis)
	}
	c.buf = append(c.buf, columnHost+","+columnTimestamp...)
	for i, m := range metrics {
		decimals, factor := digits(m)
		c.columns[i] = exportColumn{m, decimals, factor}
		c.buf = append(append(c.buf, ','), m.Name...)
	}
	c.buf = append(c.buf, '\n')
	if err := export(ctx, metrics, rows, c.write, &c.summary); err != nil {
		return c.summary, err
	}
	return c.summary, c.flush()
}

// export checks batches and hands them on with, for each metric, the batch's
// column or nil.
func export(ctx context.Context, metrics []fleet.Metric, rows iter.Seq2[fleet.Batch, error], write func(*fleet.Batch, []*fleet.Column) error, sum *ExportSummary) error {
	index := make(map[string]int, len(metrics))
	for i, m := range metrics {
		if m.Derived() {
			return fmt.Errorf("export %s: it is not stored but derived on reading: export %s and %s", m.Name, m.Ratio, m.Capacity)
		}
		if _, twice := index[m.Name]; twice {
			return fmt.Errorf("export %s: the metric is named twice", m.Name)
		}
		index[m.Name] = i
	}
	columns := make([]*fleet.Column, len(metrics))
	for b, err := range rows {
		if err == nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		if err := b.Validate(); err != nil {
			return fmt.Errorf("export samples: %w", err)
		}
		clear(columns)
		for i := range b.Columns {
			at, ok := index[b.Columns[i].Metric.Name]
			if !ok {
				return fmt.Errorf("export host %s: metric %s is not one of the columns", b.Host, b.Columns[i].Metric.Name)
			}
			columns[at] = &b.Columns[i]
		}
		if err := write(&b, columns); err != nil {
			return fmt.Errorf("export host %s: %w", b.Host, err)
		}
		sum.Rows += int64(len(b.Start))
		sum.Samples += int64(b.Samples())
	}
	return nil
}

type exportColumn struct {
	metric   fleet.Metric
	decimals int
	factor   int64
}

type csvExport struct {
	w       io.Writer
	format  TimeFormat
	columns []exportColumn
	buf     []byte
	host    []byte // as it is written
	name    fleet.HostID
	summary ExportSummary
}

func (c *csvExport) write(b *fleet.Batch, columns []*fleet.Column) error {
	if c.host == nil || b.Host != c.name {
		c.name, c.host = b.Host, appendQuoted(c.host[:0], string(b.Host))
	}
	for i, start := range b.Start {
		c.buf = append(append(c.buf, c.host...), ',')
		if c.format == TimeUnixMillis {
			c.buf = appendUnixMillis(c.buf, start)
		} else {
			c.buf = time.UnixMilli(start).UTC().AppendFormat(c.buf, "2006-01-02T15:04:05.999Z07:00")
		}
		for k, column := range columns {
			c.buf = append(c.buf, ',')
			if column != nil && column.Has(i) {
				c.buf = appendScaled(c.buf, c.columns[k].metric, c.columns[k].decimals, c.columns[k].factor, column.Values[i])
			}
		}
		c.buf = append(c.buf, '\n')
		if len(c.buf) >= 256<<10 {
			if err := c.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// appendUnixMillis writes milliseconds so that they are read as such: those
// before March 1973, which would pass for seconds, are written as seconds with
// a fraction.
func appendUnixMillis(dst []byte, ms int64) []byte {
	if ms >= firstMillisecond {
		return strconv.AppendInt(dst, ms, 10)
	}
	return fmt.Appendf(dst, "%d.%03d", ms/1000, ms%1000)
}

func (c *csvExport) flush() error {
	_, err := c.w.Write(c.buf)
	c.buf = c.buf[:0]
	return err
}

// appendQuoted writes a field of CSV.
func appendQuoted(dst []byte, s string) []byte {
	if !strings.ContainsAny(s, ",\"\r\n") {
		return append(dst, s...)
	}
	dst = append(dst, '"')
	for i := range len(s) {
		if s[i] == '"' {
			dst = append(dst, '"')
		}
		dst = append(dst, s[i])
	}
	return append(dst, '"')
}

// parquetGroupRows is how many rows a row group of exported Parquet has; it
// bounds memory.
const parquetGroupRows = 128 << 10

// WriteSamplesParquet is [WriteSamplesCSV] as Parquet: host STRING, timestamp
// TIMESTAMP in milliseconds and UTC, metrics in their unit as DOUBLE, or as
// INT64 where the unit is whole, NULL when missing; compressed with zstd.
func WriteSamplesParquet(ctx context.Context, w io.Writer, metrics []fleet.Metric, rows iter.Seq2[fleet.Batch, error]) (ExportSummary, error) {
	p := parquetExport{whole: make([]bool, len(metrics))}
	schema := orderedGroup{Group: parquet.Group{}}
	add := func(name string, node parquet.Node) {
		schema.Group[name], schema.order = parquet.Compressed(node, &parquet.Zstd), append(schema.order, name)
	}
	add(columnHost, parquet.Encoded(parquet.String(), &parquet.RLEDictionary))
	add(columnTimestamp, parquet.Encoded(parquet.Timestamp(parquet.Millisecond), &parquet.DeltaBinaryPacked))
	for i, m := range metrics {
		if p.whole[i] = m.Num%m.Den == 0; p.whole[i] {
			add(m.Name, parquet.Optional(parquet.Encoded(parquet.Int(64), &parquet.DeltaBinaryPacked)))
		} else {
			add(m.Name, parquet.Optional(parquet.Leaf(parquet.DoubleType)))
		}
	}
	p.w = parquet.NewGenericWriter[any](w, parquet.NewSchema("samples", schema), parquet.MaxRowsPerRowGroup(parquetGroupRows), parquet.CreatedBy("leanfleet", "", ""))
	if err := export(ctx, metrics, rows, p.write, &p.summary); err != nil {
		return p.summary, err
	}
	if err := p.w.Close(); err != nil {
		return p.summary, fmt.Errorf("finish the Parquet file: %w", err)
	}
	return p.summary, nil
}

type parquetExport struct {
	w       *parquet.GenericWriter[any]
	whole   []bool
	rows    []parquet.Row
	values  []parquet.Value
	summary ExportSummary
}

func (p *parquetExport) write(b *fleet.Batch, columns []*fleet.Column) error {
	host := parquet.ByteArrayValue([]byte(b.Host)).Level(0, 0, 0)
	for i := 0; i < len(b.Start); {
		p.rows, p.values = p.rows[:0], p.values[:0]
		for ; i < len(b.Start) && len(p.rows) < parquetBlock; i++ {
			from := len(p.values)
			p.values = append(p.values, host, parquet.Int64Value(b.Start[i]).Level(0, 0, 1))
			for k, c := range columns {
				p.values = append(p.values, p.value(k, c, i))
			}
			p.rows = append(p.rows, p.values[from:len(p.values):len(p.values)])
		}
		if _, err := p.w.WriteRows(p.rows); err != nil {
			return err
		}
	}
	return nil
}

func (p *parquetExport) value(k int, c *fleet.Column, i int) parquet.Value {
	switch {
	case c == nil || !c.Has(i):
		return parquet.NullValue().Level(0, 0, k+2)
	case p.whole[k]:
		return parquet.Int64Value(int64(c.Values[i])*(c.Metric.Num/c.Metric.Den)).Level(0, 1, k+2)
	}
	return parquet.DoubleValue(c.Metric.Value(int64(c.Values[i]))).Level(0, 1, k+2)
}

// orderedGroup is a Parquet schema whose columns keep their order;
// parquet.Group sorts them by name.
type orderedGroup struct {
	parquet.Group
	order []string
}

// Fields returns the columns in order.
func (g orderedGroup) Fields() []parquet.Field {
	fields := g.Group.Fields()
	slices.SortFunc(fields, func(a, b parquet.Field) int {
		return cmp.Compare(slices.Index(g.order, a.Name()), slices.Index(g.order, b.Name()))
	})
	return fields
}
