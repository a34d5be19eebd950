package head

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

// A record of the log is what one commit wrote, or, of a long one, a part of it:
//
//	CRC-32C of the rest (4 bytes, little-endian), then items, each a kind and fields
//
//	m  metric   name, unit, column, description, numerator, denominator, digits, exact
//	s  shape    metrics: their number, then the number of each
//	o  origin   text
//	h  host     id, process group
//	a  added    key, time asked for, time of writing, why, origin, id: a host that the next rows brought
//	b  rows     host, shape, origin, step, rows, first start, starts, columns
//
// Numbers are varints, texts have their length before them. Metrics, shapes,
// origins and hosts are numbered in the order they come in a generation. Starts
// are a flag, 0 when all are equally far apart, then that distance, or 1 and
// each distance. Of one row a column is 0 without a value, else the value plus
// one; of more it is one of the flags of a chunk, then its values.
const (
	itemMetric = 'm'
	itemShape  = 's'
	itemOrigin = 'o'
	itemHost   = 'h'
	itemAdded  = 'a'
	itemRows   = 'b'
)

// Key is whose rows a strip holds.
type Key struct {
	Host  fleet.HostID
	Group string
}

// Added is a host that samples brought.
type Added struct {
	// Key is what it was called, when At, and ID what it became.
	Key string
	At  int64
	ID  fleet.HostID
	// Put is what its history says.
	Put fleet.Put
}

// ErrRecord is wrapped when a record of the log is not what was written.
var ErrRecord = errors.New("a record is damaged")

// ErrDefinition is wrapped when the table that the log is read by defines a metric
// otherwise than the log does, in another unit or in a resolution in which a
// value has no place, or does not know it.
var ErrDefinition = errors.New("a metric is defined otherwise")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// codes are the numbers of a generation, as far as they are committed.
type codes struct {
	metrics []int // of the table
	shapes  []*Shape
	origins []string
	hosts   []Key
}

// encoder writes the records of a commit. What they introduce is forgotten when
// it is not committed.
type encoder struct {
	table  *Table
	codes  codes
	metric map[int]int
	shape  map[*Shape]int
	origin map[fleet.Origin]int
	host   map[Key]int
	mark   [4]int   // lengths of codes when the commit began
	full   [][]byte // records of the commit before the one at hand
	b      []byte
}

func newEncoder(t *Table, c codes) *encoder {
	e := &encoder{table: t, codes: c, metric: map[int]int{}, shape: map[*Shape]int{}, origin: map[fleet.Origin]int{}, host: map[Key]int{}}
	for i, m := range c.metrics {
		e.metric[m] = i
	}
	for i, s := range c.shapes {
		e.shape[s] = i
	}
	for i, o := range c.origins {
		e.origin[fleet.Origin(o)] = i
	}
	for i, k := range c.hosts {
		e.host[k] = i
	}
	e.begin()
	return e
}

// begin begins a commit.
func (e *encoder) begin() {
	e.mark = [4]int{len(e.codes.metrics), len(e.codes.shapes), len(e.codes.origins), len(e.codes.hosts)}
	e.full = nil
	if cap(e.b) > keepBytes {
		e.b = nil
	}
	e.b = append(e.b[:0], 0, 0, 0, 0)
}

const (
	// recordBytes is the length behind which a record ends and the commit goes on
	// in another one: readers hold one.
	recordBytes = 16 << 20
	// keepBytes is how much memory is kept from commit to commit.
	keepBytes = 4 << 20
)

// forget takes back what the commit introduced, and begins another one.
func (e *encoder) forget() {
	c := &e.codes
	for _, m := range c.metrics[e.mark[0]:] {
		delete(e.metric, m)
	}
	for _, s := range c.shapes[e.mark[1]:] {
		delete(e.shape, s)
	}
	for _, o := range c.origins[e.mark[2]:] {
		delete(e.origin, fleet.Origin(o))
	}
	for _, k := range c.hosts[e.mark[3]:] {
		delete(e.host, k)
	}
	c.metrics, c.shapes, c.origins, c.hosts = c.metrics[:e.mark[0]], c.shapes[:e.mark[1]], c.origins[:e.mark[2]], c.hosts[:e.mark[3]]
	e.begin()
}

// cut ends the record at hand if it is long.
func (e *encoder) cut() {
	if len(e.b) < recordBytes {
		return
	}
	e.full = append(e.full, sign(e.b))
	e.b = make([]byte, 4, keepBytes)
}

// sign puts the checksum before the items of a record.
func sign(record []byte) []byte {
	binary.LittleEndian.PutUint32(record, crc32.Checksum(record[4:], castagnoli))
	return record
}

// finish returns the records.
func (e *encoder) finish() [][]byte {
	if len(e.b) == 4 {
		return e.full
	}
	return append(e.full, sign(e.b))
}

// empty says that the commit has no item.
func (e *encoder) empty() bool { return len(e.b) == 4 && len(e.full) == 0 }

func (e *encoder) uint(n uint64) { e.b = binary.AppendUvarint(e.b, n) }

func (e *encoder) text(s string) {
	e.uint(uint64(len(s)))
	e.b = append(e.b, s...)
}

func (e *encoder) metricOf(n int) int {
	if code, ok := e.metric[n]; ok {
		return code
	}
	m := e.table.Metrics()[n]
	e.b = append(e.b, itemMetric)
	for _, s := range []string{m.Name, string(m.Unit), m.Column, m.Description} {
		e.text(s)
	}
	e.uint(uint64(m.Num))
	e.uint(uint64(m.Den))
	e.uint(uint64(m.Digits))
	exact := uint64(0)
	if m.Exact {
		exact = 1
	}
	e.uint(exact)
	e.codes.metrics = append(e.codes.metrics, n)
	e.metric[n] = len(e.codes.metrics) - 1
	return e.metric[n]
}

func (e *encoder) shapeOf(s *Shape) int {
	if code, ok := e.shape[s]; ok {
		return code
	}
	numbers := make([]int, len(s.Metrics))
	for i, m := range s.Metrics {
		numbers[i] = e.metricOf(m)
	}
	e.b = append(e.b, itemShape)
	e.uint(uint64(len(numbers)))
	for _, n := range numbers {
		e.uint(uint64(n))
	}
	e.codes.shapes = append(e.codes.shapes, s)
	e.shape[s] = len(e.codes.shapes) - 1
	return e.shape[s]
}

func (e *encoder) originOf(o fleet.Origin) int {
	if code, ok := e.origin[o]; ok {
		return code
	}
	e.b = append(e.b, itemOrigin)
	e.text(string(o))
	e.codes.origins = append(e.codes.origins, string(o))
	e.origin[o] = len(e.codes.origins) - 1
	return e.origin[o]
}

func (e *encoder) hostOf(k Key) int {
	if code, ok := e.host[k]; ok {
		return code
	}
	e.b = append(e.b, itemHost)
	e.text(string(k.Host))
	e.text(k.Group)
	e.codes.hosts = append(e.codes.hosts, k)
	e.host[k] = len(e.codes.hosts) - 1
	return e.host[k]
}

// added writes that a host was added.
func (e *encoder) added(a *Added) {
	e.b = append(e.b, itemAdded)
	e.text(a.Key)
	e.uint(uint64(a.At))
	e.b = binary.AppendVarint(e.b, a.Put.At.UnixNano())
	e.text(a.Put.Who)
	e.text(a.Put.Why)
	e.text(string(a.Put.Origin))
	e.text(string(a.ID))
}

// rows writes a batch under a key.
func (e *encoder) rows(k Key, b *Batch) {
	e.cut()
	columns := b.Columns
	as := b.Shape
	if _, known := e.shape[as]; !known && len(e.codes.shapes) >= maxShapes {
		as, columns = e.table.all, e.wide(b)
	}
	host, shape, origin := e.hostOf(k), e.shapeOf(as), e.originOf(b.Batch.Origin)
	e.b = append(e.b, itemRows)
	e.uint(uint64(host))
	e.uint(uint64(shape))
	e.uint(uint64(origin))
	e.uint(uint64(b.Step))
	e.uint(uint64(len(b.Start)))
	e.uint(uint64(b.Start[0]))
	if len(b.Start) == 1 {
		for i := range columns {
			c := &columns[i]
			if c.Values == nil || c.Present != nil && !c.Present[0] {
				e.b = append(e.b, 0)
				continue
			}
			e.b = binary.AppendUvarint(e.b, uint64(c.Values[0])+1)
		}
		return
	}
	e.b = appendStarts(e.b, b.Start)
	for i := range columns {
		if columns[i].Values == nil {
			e.b = append(e.b, colNone)
			continue
		}
		e.b = appendColumn(e.b, columns[i].Values, columns[i].Present)
	}
}

// wide are the columns of a batch among those of all metrics: where a source
// sends ever other ones, its rows are written so, and not each with its shape.
func (e *encoder) wide(b *Batch) []fleet.Column {
	columns := make([]fleet.Column, len(e.table.all.Metrics))
	for i, m := range b.Shape.Metrics {
		columns[m] = b.Columns[i]
	}
	return columns
}

func appendStarts(b []byte, starts []int64) []byte {
	distance := starts[1] - starts[0]
	for i := 2; i < len(starts); i++ {
		if starts[i]-starts[i-1] != distance {
			b = append(b, 1)
			for i := 1; i < len(starts); i++ {
				b = binary.AppendUvarint(b, uint64(starts[i]-starts[i-1]))
			}
			return b
		}
	}
	return binary.AppendUvarint(append(b, 0), uint64(distance))
}

func appendColumn(b []byte, values []int32, present []bool) []byte {
	if present == nil {
		return packColumn(b, values)
	}
	sparse := make([]int32, len(values))
	for i, v := range values {
		if sparse[i] = -1; present[i] {
			sparse[i] = v
		}
	}
	return packColumn(b, sparse)
}

// Rows is what a record tells of one batch. Its memory is used again for the
// next one.
type Rows struct {
	Key Key
	// Code numbers the keys of a generation, from 0 on.
	Code  int
	Batch Batch
}

// decoder reads the records of a generation, in order.
type decoder struct {
	table *Table
	codes codes
	other map[int][2]fleet.Metric // by number of a metric of another resolution: as written, as known
	learn bool                    // metrics are taken as they are written
	d     []byte
	bad   bool

	rows    Rows
	batches []*fleet.Batch // by code of the shape: its metrics stand in it already
	batch   *fleet.Batch   // the one at hand
	added   Added
}

// MaxRows is the most rows of a batch in a record.
const MaxRows = 1 << 22

func (d *decoder) uint(limit uint64) uint64 {
	v, n := binary.Uvarint(d.d)
	if n <= 0 || v > limit {
		d.bad, d.d = true, nil
		return 0
	}
	d.d = d.d[n:]
	return v
}

func (d *decoder) text() string {
	n := d.uint(uint64(len(d.d)))
	if d.bad || n > uint64(len(d.d)) {
		d.bad = true
		return ""
	}
	s := string(d.d[:n])
	d.d = d.d[n:]
	return s
}

// record reads a record and hands on what it tells.
func (d *decoder) record(data []byte, added func(*Added) error, rows func(*Rows) error) error {
	if len(data) < 4 || binary.LittleEndian.Uint32(data) != crc32.Checksum(data[4:], castagnoli) {
		return fmt.Errorf("%w: its checksum is another one", ErrRecord)
	}
	d.d, d.bad = data[4:], false
	for len(d.d) > 0 {
		kind := d.d[0]
		d.d = d.d[1:]
		var err error
		switch kind {
		case itemMetric:
			err = d.metric()
		case itemShape:
			d.shape()
		case itemOrigin:
			d.codes.origins = append(d.codes.origins, d.text())
		case itemHost:
			d.codes.hosts = append(d.codes.hosts, Key{fleet.HostID(d.text()), d.text()})
		case itemAdded:
			if d.readAdded(); !d.bad {
				err = added(&d.added)
			}
		case itemRows:
			if d.readRows(); !d.bad {
				if err = d.inResolution(); err == nil {
					err = rows(&d.rows)
				}
			}
		default:
			d.bad = true
		}
		if d.bad {
			return fmt.Errorf("%w: item %q", ErrRecord, kind)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *decoder) metric() error {
	var m fleet.Metric
	m.Name = d.text()
	m.Unit = fleet.Unit(d.text())
	m.Column, m.Description = d.text(), d.text()
	m.Num, m.Den = int64(d.uint(math.MaxInt64)), int64(d.uint(math.MaxInt64))
	m.Digits, m.Exact = int(d.uint(9)), d.uint(1) == 1
	if d.bad || m.Name == "" || m.Num <= 0 || m.Den <= 0 {
		d.bad = true
		return nil
	}
	if d.learn {
		d.codes.metrics = append(d.codes.metrics, d.table.AddMetric(m))
		return nil
	}
	n := d.table.Number(m.Name)
	if n < 0 {
		return fmt.Errorf("%w: metric %s is stored, the configuration does not have it any more", ErrDefinition, m.Name)
	}
	known := d.table.Metrics()[n]
	if known.Unit != m.Unit {
		return fmt.Errorf("%w: metric %s is stored in %s, the configuration now says %s", ErrDefinition, m.Name, m.Unit, known.Unit)
	}
	if known.Num != m.Num || known.Den != m.Den {
		if d.other == nil {
			d.other = map[int][2]fleet.Metric{}
		}
		d.other[n] = [2]fleet.Metric{m, known}
	}
	d.codes.metrics = append(d.codes.metrics, n)
	return nil
}

func (d *decoder) shape() {
	numbers := make([]int, 0, 32)
	for range d.uint(uint64(len(d.d))) {
		n := int(d.uint(math.MaxInt32))
		if d.bad || n >= len(d.codes.metrics) {
			d.bad = true
			return
		}
		numbers = append(numbers, d.codes.metrics[n])
	}
	if d.bad {
		return
	}
	s := d.table.shape(numbers)
	b := &fleet.Batch{Columns: make([]fleet.Column, len(s.metrics))}
	for i, m := range s.metrics {
		b.Columns[i].Metric = m
	}
	d.codes.shapes, d.batches = append(d.codes.shapes, s), append(d.batches, b)
}

func (d *decoder) readAdded() {
	d.added = Added{Key: d.text(), At: int64(d.uint(math.MaxInt64))}
	at, n := binary.Varint(d.d)
	if n <= 0 {
		d.bad = true
		return
	}
	d.d = d.d[n:]
	d.added.Put = fleet.Put{At: time.Unix(0, at).UTC(), Who: d.text(), Why: d.text(), Origin: fleet.Origin(d.text())}
	d.added.ID = fleet.HostID(d.text())
}

func (d *decoder) readRows() {
	host, shape, origin := int(d.uint(math.MaxInt32)), int(d.uint(math.MaxInt32)), int(d.uint(math.MaxInt32))
	step, rows, first := d.uint(uint64(fleet.MaxStep.Milliseconds())), int(d.uint(MaxRows)), int64(d.uint(uint64(fleet.MaxTime)))
	if d.bad || host >= len(d.codes.hosts) || shape >= len(d.codes.shapes) || origin >= len(d.codes.origins) || step == 0 || rows == 0 {
		d.bad = true
		return
	}
	s, b := d.codes.shapes[shape], d.batches[shape]
	d.batch = b
	b.Host, b.Group, b.Origin, b.Step = d.codes.hosts[host].Host, d.codes.hosts[host].Group, fleet.Origin(d.codes.origins[origin]), int32(step)
	d.rows.Key, d.rows.Code, d.rows.Batch = d.codes.hosts[host], host, Batch{Batch: b, Shape: s, Origin: d.table.Origin(string(b.Origin))}
	b.Start = append(b.Start[:0], first)
	if rows > 1 {
		d.readStarts(rows)
	}
	for i := range b.Columns {
		c := &b.Columns[i]
		if rows > 1 {
			d.readColumn(c, rows)
			continue
		}
		v := d.uint(math.MaxInt32 + 1)
		c.Values = append(c.Values[:0], int32(int64(v)-1))
		if c.Present = c.Present[:0]; v == 0 {
			c.Values[0], c.Present = 0, append(c.Present, false)
		} else {
			c.Present = nil
		}
	}
}

func (d *decoder) readStarts(rows int) {
	irregular := d.uint(1)
	distance := uint64(0)
	if irregular == 0 {
		distance = d.uint(uint64(fleet.MaxTime))
	}
	at := uint64(d.batch.Start[0])
	for i := 1; i < rows && !d.bad; i++ {
		if irregular == 1 {
			distance = d.uint(uint64(fleet.MaxTime))
		}
		if at += distance; distance == 0 || at > uint64(fleet.MaxTime) {
			d.bad = true
		}
		d.batch.Start = append(d.batch.Start, int64(at))
	}
}

func (d *decoder) readColumn(c *fleet.Column, rows int) {
	kind := d.uint(colSome)
	c.Values = grow(c.Values, rows)
	present := c.Present
	c.Present = nil
	switch kind {
	case colConstant:
		v := int32(d.uint(math.MaxInt32))
		for i := range c.Values {
			c.Values[i] = v
		}
	case colFull:
		d.readValues(c.Values, nil)
	case colNone:
		c.Present = grow(present, rows)
		clear(c.Present)
		clear(c.Values)
	case colSome:
		d.uint(uint64(rows))
		bits := (rows + 7) / 8
		if d.bad || len(d.d) < bits {
			d.bad = true
			return
		}
		c.Present = grow(present, rows)
		for i := range c.Present {
			c.Present[i] = d.d[i/8]&(1<<(i%8)) != 0
		}
		d.d = d.d[bits:]
		d.readValues(c.Values, c.Present)
	}
}

// readValues reads differences.
func (d *decoder) readValues(values []int32, present []bool) {
	b, last := d.d, int64(0)
	for i := range values {
		if present != nil && !present[i] {
			values[i] = 0
			continue
		}
		x, n := binary.Varint(b)
		if last += x; n <= 0 || last < 0 || last > math.MaxInt32 {
			d.bad = true
			return
		}
		b = b[n:]
		values[i] = int32(last)
	}
	d.d = b
}

// inResolution rounds values anew whose metric's resolution the configuration
// changed since they were written.
func (d *decoder) inResolution() error {
	if len(d.other) == 0 {
		return nil
	}
	b := d.batch
	for i, m := range d.rows.Batch.Shape.Metrics {
		as, ok := d.other[m]
		if !ok {
			continue
		}
		c := &b.Columns[i]
		for k := range c.Values {
			if !c.Has(k) {
				continue
			}
			var err error
			if c.Values[k], err = as[1].Scale(as[0].Value(int64(c.Values[k]))); err != nil {
				return fmt.Errorf("%w: host %s: %w", ErrDefinition, b.Host, err)
			}
		}
	}
	return nil
}
