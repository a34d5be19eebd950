package dayfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/leanfleet/leanfleet/fleet"
)

// The columns before those of metrics.
const (
	columnHost = iota
	columnTime
	columnOrigin
	firstMetric
)

// index is what a file says of itself, in memory: enough to read any page
// without Parquet's own footer.
type index struct {
	day     Day
	grouped bool // rows are of process groups, whose names are the last column
	metrics []fleet.Metric
	groups  []group
	runs    []Run
}

// group is a row group.
type group struct {
	// rows[i] is the number of the first row of page i in the file; one more
	// entry is the end. Every column has the same pages.
	rows   []int64
	chunks []chunk // by column
}

func (g *group) first() int64 { return g.rows[0] }
func (g *group) end() int64   { return g.rows[len(g.rows)-1] }

// chunk is the pages of one column in a row group; they lie one after another.
type chunk struct {
	zstd       bool // the data pages are compressed; dictionaries always are
	dictionary page // of strings; size is 0 without
	pages      []page
}

// page is where a page lies and how it is cut.
type page struct {
	offset int64
	size   int32  // header and payload
	header int32  // bytes of the header
	levels int32  // bytes of the definition levels, which follow the header
	nulls  int32  // rows without a value
	raw    int32  // bytes of the values once decompressed
	sum    uint32 // CRC-32C of header and payload
}

// append writes the index in its binary form: varints, strings with their
// length before them, host names without what they share with the one before.
// Offsets are not written: the pages lie one after another behind the magic.
func (x *index) append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(x.day))
	b = binary.AppendUvarint(b, uint64(len(x.metrics)))
	for _, m := range x.metrics {
		for _, s := range []string{m.Name, string(m.Unit), m.Column, m.Description} {
			b = appendString(b, s)
		}
		b = binary.AppendUvarint(b, uint64(m.Num))
		b = binary.AppendUvarint(b, uint64(m.Den))
		b = binary.AppendUvarint(b, uint64(m.Digits))
		b = appendBool(b, m.Exact)
	}
	b = binary.AppendUvarint(b, uint64(len(x.groups)))
	for i := range x.groups {
		b = x.groups[i].append(b)
	}
	b = binary.AppendUvarint(b, uint64(len(x.runs)))
	last := ""
	for _, r := range x.runs {
		shared := sharedPrefix(last, string(r.Host))
		last = string(r.Host)
		b = binary.AppendUvarint(b, uint64(shared))
		b = appendString(b, last[shared:])
		b = binary.AppendUvarint(b, uint64(r.Rows))
		b = binary.AppendUvarint(b, uint64(r.Step))
		b = binary.AppendUvarint(b, uint64(r.First-x.day.Start()))
		b = appendBool(b, r.Regular)
		if !r.Regular {
			b = binary.AppendUvarint(b, uint64(r.Last-r.First))
		}
	}
	return b
}

func (g *group) append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(g.rows)-1))
	for i := 1; i < len(g.rows); i++ {
		b = binary.AppendUvarint(b, uint64(g.rows[i]-g.rows[i-1]))
	}
	for c := range g.chunks {
		chunk := &g.chunks[c]
		b = appendBool(b, chunk.zstd)
		if chunk.dictionary.size != 0 {
			b = chunk.dictionary.append(b)
		}
		for i := range chunk.pages {
			b = chunk.pages[i].append(b)
		}
	}
	return b
}

func (p *page) append(b []byte) []byte {
	for _, n := range []int32{p.size, p.header, p.levels, p.nulls, p.raw} {
		b = binary.AppendUvarint(b, uint64(n))
	}
	return binary.LittleEndian.AppendUint32(b, p.sum)
}

func hasDictionary(column int) bool { return column == columnHost || column == columnOrigin }

// columns is the number of columns.
func (x *index) columns() int {
	if x.grouped {
		return firstMetric + len(x.metrics) + 1
	}
	return firstMetric + len(x.metrics)
}

// text says whether a column is one of strings: host, origin, or process group.
func (x *index) text(column int) bool {
	return hasDictionary(column) || column == firstMetric+len(x.metrics)
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

func sharedPrefix(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// decodeIndex reads an index whose pages lie in [magic, end of pages).
func decodeIndex(data []byte, dataEnd int64, grouped bool) (*index, error) {
	d := &decoder{data: data}
	x := &index{grouped: grouped}
	x.day = Day(d.number("day", 0, uint64(maxDay)))
	x.decodeMetrics(d)
	offset := int64(len(magic))
	row := int64(0)
	groups := d.number("row groups", 0, maxGroups)
	for range groups {
		g := x.decodeGroup(d, row, offset)
		if d.err != nil {
			return nil, d.err
		}
		row = g.end()
		offset = g.chunks[len(g.chunks)-1].end()
		x.groups = append(x.groups, g)
	}
	if offset != dataEnd && d.err == nil {
		d.err = fmt.Errorf("pages end at byte %d, not at %d", offset, dataEnd)
	}
	rows := x.decodeRuns(d)
	switch {
	case d.err != nil:
		return nil, d.err
	case len(d.data) != 0:
		return nil, fmt.Errorf("%d bytes follow the runs", len(d.data))
	case rows != row:
		return nil, fmt.Errorf("runs have %d rows, row groups %d", rows, row)
	}
	return x, nil
}

func (x *index) decodeMetrics(d *decoder) {
	n := d.number("metrics", 0, 1<<14)
	for i := uint64(0); i < n && d.err == nil; i++ {
		var m fleet.Metric
		m.Name = d.text("metric")
		m.Unit = fleet.Unit(d.text("unit"))
		m.Column = d.text("column")
		m.Description = d.text("description")
		m.Num = int64(d.number("resolution", 1, math.MaxInt64))
		m.Den = int64(d.number("resolution", 1, math.MaxInt64))
		m.Digits = int(d.number("decimal digits", 0, 9))
		m.Exact = d.flag("exact")
		x.metrics = append(x.metrics, m)
	}
}

func (x *index) decodeGroup(d *decoder, row, offset int64) group {
	columns := x.columns()
	pages := int(d.number("pages", 1, uint64(len(d.data))))
	g := group{rows: make([]int64, 1, pages+1), chunks: make([]chunk, columns)}
	g.rows[0] = row
	for i := 0; i < pages && d.err == nil; i++ {
		row += int64(d.number("rows of a page", 1, maxPageRows))
		g.rows = append(g.rows, row)
	}
	if d.err == nil && g.end()-g.first() > maxGroupRows {
		d.err = fmt.Errorf("a row group has %d rows", g.end()-g.first())
	}
	if d.err == nil && columns*pages*leastPage > len(d.data) {
		d.err = errCut
	}
	if d.err != nil {
		return g
	}
	all := make([]page, columns*pages)
	for c := 0; c < columns && d.err == nil; c++ {
		chunk := &g.chunks[c]
		chunk.zstd = d.flag("compression")
		if x.text(c) {
			chunk.dictionary = d.page(offset, 0, maxDictionary)
			offset += int64(chunk.dictionary.size)
		}
		chunk.pages, all = all[:pages:pages], all[pages:]
		for i := 0; i < pages && d.err == nil; i++ {
			rows := g.rows[i+1] - g.rows[i]
			p := d.page(offset, rows, 256+16*uint64(rows))
			if d.err == nil && (c < firstMetric || x.text(c)) && (p.nulls != 0 || p.levels != 0) {
				d.err = errors.New("a key column has nulls")
			}
			offset += int64(p.size)
			chunk.pages[i] = p
		}
	}
	return g
}

// leastPage is the fewest bytes of a page in the index: five numbers and the sum.
const leastPage = 9

func (d *decoder) page(offset, rows int64, maxRaw uint64) page {
	p := page{
		offset: offset,
		size:   int32(d.number("size of a page", 1, math.MaxInt32)),
		header: int32(d.number("page header", 1, math.MaxInt32)),
		levels: int32(d.number("definition levels", 0, math.MaxInt32)),
		nulls:  int32(d.number("nulls", 0, uint64(rows))),
		raw:    int32(d.number("values of a page", 0, maxRaw)),
		sum:    d.sum(),
	}
	if d.err == nil && int64(p.size) < int64(p.header)+int64(p.levels) {
		d.err = fmt.Errorf("a page of %d bytes has %d bytes of header and levels", p.size, int64(p.header)+int64(p.levels))
	}
	return p
}

func (c *chunk) start() int64 {
	if c.dictionary.size != 0 {
		return c.dictionary.offset
	}
	return c.pages[0].offset
}

func (c *chunk) end() int64 {
	p := c.pages[len(c.pages)-1]
	return p.offset + int64(p.size)
}

// decodeRuns reads the runs and returns the sum of their rows. The names of all
// hosts share one piece of memory.
func (x *index) decodeRuns(d *decoder) (rows int64) {
	n := d.number("runs", 0, uint64(len(d.data)))
	if d.err != nil {
		return 0
	}
	x.runs = make([]Run, n)
	ends := make([]int, n) // of each run's host in names
	var names, last []byte
	for i := range x.runs {
		shared := int(d.number("shared prefix", 0, uint64(len(last))))
		rest := d.bytes("host")
		if d.err != nil {
			return 0
		}
		host := last
		if shared < len(last) || len(rest) > 0 {
			begin := len(names)
			names = append(append(names, last[:shared]...), rest...)
			host = names[begin:]
		}
		ends[i] = len(names)
		r := &x.runs[i]
		r.Rows = int(d.number("rows of a run", 1, math.MaxInt32))
		r.Step = int32(d.number("step", 1, millisPerDay))
		r.First = x.day.Start() + int64(d.number("first row", 0, millisPerDay-1))
		if r.Regular = d.flag("regular"); r.Regular {
			r.Last = r.First + int64(r.Rows-1)*int64(r.Step)
		} else {
			r.Last = r.First + int64(d.number("last row", 0, millisPerDay-1))
		}
		if d.err == nil {
			d.err = x.checkRun(i, host, last)
		}
		if d.err != nil {
			return 0
		}
		rows += int64(r.Rows)
		last = host
	}
	x.nameRuns(string(names), ends)
	return rows
}

// nameRuns gives each run its host.
func (x *index) nameRuns(names string, ends []int) {
	begin := 0
	for i, end := range ends {
		if i > 0 && end == ends[i-1] {
			x.runs[i].Host = x.runs[i-1].Host
			continue
		}
		x.runs[i].Host = fleet.HostID(names[begin:end])
		begin = end
	}
}

// checkRun says whether run i can follow those before it. It has no name yet.
func (x *index) checkRun(i int, host, last []byte) error {
	r := &x.runs[i]
	order := bytes.Compare(host, last)
	switch {
	case order < 0 || len(host) == 0 || len(host) > MaxNameBytes:
		return fmt.Errorf("host %.40q does not follow %.40q", host, last)
	case order == 0 && r.First <= x.runs[i-1].Last:
		return fmt.Errorf("host %s: a run begins before the one before ends", host)
	case !x.day.Contains(r.Last) || r.Last-r.First < int64(r.Rows-1):
		return fmt.Errorf("host %s: %d rows from %d ms to %d ms do not fit into %s", host, r.Rows, r.First, r.Last, x.day)
	}
	return nil
}

var errCut = errors.New("it is cut off")

// decoder reads the binary form; after the first error it yields zeros.
type decoder struct {
	data []byte
	err  error
}

func (d *decoder) number(what string, least, most uint64) uint64 {
	if d.err != nil {
		return least
	}
	if len(d.data) > 0 && d.data[0] < 0x80 && uint64(d.data[0]) >= least && uint64(d.data[0]) <= most {
		v := uint64(d.data[0])
		d.data = d.data[1:]
		return v
	}
	v, n := binary.Uvarint(d.data)
	if n <= 0 {
		d.err = fmt.Errorf("%s: %w", what, errCut)
		return least
	}
	d.data = d.data[n:]
	if v < least || v > most {
		d.err = fmt.Errorf("%s: %d is not between %d and %d", what, v, least, most)
		return least
	}
	return v
}

func (d *decoder) flag(what string) bool { return d.number(what, 0, 1) == 1 }

func (d *decoder) text(what string) string { return string(d.bytes(what)) }

// bytes reads bytes with their length before them; they stay in the index.
func (d *decoder) bytes(what string) []byte {
	n := int(d.number(what, 0, MaxNameBytes))
	if n > len(d.data) {
		d.err = fmt.Errorf("%s: %w", what, errCut)
	}
	if d.err != nil {
		return nil
	}
	b := d.data[:n]
	d.data = d.data[n:]
	return b
}

func (d *decoder) sum() uint32 {
	if d.err == nil && len(d.data) < 4 {
		d.err = errCut
	}
	if d.err != nil {
		return 0
	}
	v := binary.LittleEndian.Uint32(d.data)
	d.data = d.data[4:]
	return v
}
