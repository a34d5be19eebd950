package dayfile

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sort"

	"github.com/klauspost/compress/zstd"
)

// readAhead is the most bytes of a column that are read at once.
const readAhead = 1 << 20

// Scratch is memory that reading reuses. The zero Scratch is ready. It is for
// one goroutine at a time. What it lends out for one metric stays valid while
// others are read.
type Scratch struct {
	zstd  *zstd.Decoder
	file  *File // of raw
	raw   []byte
	at    int64 // of raw in the file
	plain []byte
	slots []*slot
}

// slot is the page of one column that was decoded last.
type slot struct {
	file        *File
	group, page int
	first, end  int64 // rows
	values      []int32
	present     []bool // empty: every row has a value
	times       []int64
	names       []string // the dictionary of the row group
	// The row of the page, and the value, that were handed out last.
	row, value int
	run        struct {
		values  []int32
		present []bool
		times   []int64
	}
}

func (s *Scratch) slot(column int) *slot {
	for len(s.slots) <= column {
		s.slots = append(s.slots, &slot{})
	}
	return s.slots[column]
}

// bytes reads a page and checks its sum. It reads ahead up to byte end.
func (s *Scratch) bytes(f *File, p page, end int64) ([]byte, error) {
	stop := p.offset + int64(p.size)
	if s.file != f || p.offset < s.at || stop > s.at+int64(len(s.raw)) {
		n := int(max(stop, min(end, p.offset+readAhead)) - p.offset)
		if p.offset+int64(n) > f.size {
			return nil, fmt.Errorf("%d bytes at %d are beyond the end of the file", n, p.offset)
		}
		s.file = nil
		// A little more capacity lets values be unpacked in place.
		s.raw = slices.Grow(s.raw[:0], n+64)[:n]
		if err := readFull(f.r, s.raw, p.offset); err != nil {
			return nil, err
		}
		s.file, s.at = f, p.offset
	}
	b := s.raw[p.offset-s.at : stop-s.at]
	if sum := checksum(b); sum != p.sum {
		return nil, fmt.Errorf("bytes %d to %d are damaged: their checksum is %08x, the index says %08x", p.offset, stop-1, sum, p.sum)
	}
	return b, nil
}

// payload reads a page and returns its definition levels and its values,
// decompressed.
func (s *Scratch) payload(f *File, p page, compressed bool, end int64) (levels, values []byte, err error) {
	b, err := s.bytes(f, p, end)
	if err != nil {
		return nil, nil, err
	}
	levels, values = b[p.header:p.header+p.levels], b[p.header+p.levels:]
	if !compressed {
		if len(values) != int(p.raw) {
			return nil, nil, fmt.Errorf("values have %d bytes, the index says %d", len(values), p.raw)
		}
		return levels, values, nil
	}
	if s.zstd == nil {
		s.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecodeAllCapLimit(true))
		if err != nil {
			return nil, nil, err
		}
	}
	s.plain = slices.Grow(s.plain[:0], int(p.raw)+64)
	out, err := s.zstd.DecodeAll(values, s.plain[:0:int(p.raw)])
	if err != nil {
		return nil, nil, fmt.Errorf("decompress: %w", err)
	}
	if len(out) != int(p.raw) {
		return nil, nil, fmt.Errorf("values have %d bytes, the index says %d", len(out), p.raw)
	}
	return levels, s.plain[:len(out)], nil
}

// seek decodes the page of a column that holds a row, unless it is the one
// decoded last. It reads ahead up to the page that holds the row before until.
func (f *File) seek(s *Scratch, column int, row, until int64) (*slot, error) {
	sl := s.slot(column)
	if sl.file == f && row >= sl.first && row < sl.end {
		return sl, nil
	}
	g, p := f.next(sl, row)
	sameGroup := sl.file == f && sl.group == g
	sl.file = nil
	group := &f.index.groups[g]
	chunk := &group.chunks[column]
	if f.index.text(column) && !sameGroup {
		if err := f.dictionary(s, sl, column, chunk); err != nil {
			return nil, fmt.Errorf("dictionary of %s: %w", f.where(column, g, -1), err)
		}
	}
	if err := f.decode(s, sl, column, group, p, until); err != nil {
		return nil, fmt.Errorf("%s: %w", f.where(column, g, p), err)
	}
	sl.file, sl.group, sl.page = f, g, p
	sl.first, sl.end = group.rows[p], group.rows[p+1]
	sl.row, sl.value = 0, 0
	return sl, nil
}

// next finds the row group and page that hold a row; it looks behind the
// decoded page first.
func (f *File) next(sl *slot, row int64) (group, page int) {
	if sl.file == f && row == sl.end && sl.page+2 < len(f.index.groups[sl.group].rows) {
		return sl.group, sl.page + 1
	}
	group = f.groupOf(row)
	rows := f.index.groups[group].rows
	return group, sort.Search(len(rows), func(i int) bool { return rows[i] > row }) - 1
}

// decode decodes a page into the slot. Panics of the libraries it calls become
// errors.
func (f *File) decode(s *Scratch, sl *slot, column int, g *group, page int, until int64) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the page is damaged: %v", p)
		}
	}()
	chunk := &g.chunks[column]
	p := chunk.pages[page]
	rows := int(g.rows[page+1] - g.rows[page])
	sl.values, sl.present = sl.values[:0], sl.present[:0]
	if int(p.nulls) == rows {
		sl.present = slices.Grow(sl.present, rows)[:rows]
		clear(sl.present)
		return nil
	}
	last := sort.Search(len(g.rows)-1, func(i int) bool { return g.rows[i] >= until }) // the page behind those wanted
	end := p.offset
	if last > 0 {
		end = chunk.pages[last-1].offset + int64(chunk.pages[last-1].size)
	}
	levels, raw, err := s.payload(f, p, chunk.zstd, end)
	if err != nil {
		return err
	}
	if f.index.text(column) {
		column = columnHost // all of them are filled the same way
	}
	return sl.fill(column, levels, raw, rows, int(p.nulls))
}

// fill decodes the payload of a page of rows.
func (sl *slot) fill(column int, levels, raw []byte, rows, nulls int) (err error) {
	switch {
	case column == columnTime:
		sl.times, err = decodeInt64(sl.times, raw, rows)
		return err
	case hasDictionary(column):
		sl.values = slices.Grow(sl.values, rows)[:rows]
		return decodeIndices(sl.values, raw, len(sl.names))
	}
	if nulls > 0 {
		sl.present = slices.Grow(sl.present, rows)[:rows]
		count, err := decodeLevels(sl.present, levels)
		if err != nil {
			return err
		}
		if count != rows-nulls {
			return fmt.Errorf("definition levels say %d values, the index says %d", count, rows-nulls)
		}
	}
	sl.values, err = decodeInt32(sl.values, raw, rows-nulls)
	return err
}

// dictionary decodes the names of a column of strings in a row group.
func (f *File) dictionary(s *Scratch, sl *slot, column int, c *chunk) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the page is damaged: %v", p)
		}
	}()
	_, raw, err := s.payload(f, c.dictionary, true, 0)
	if err != nil {
		return err
	}
	sl.names = sl.names[:0]
	for len(raw) > 0 {
		if len(raw) < 4 || uint64(binary.LittleEndian.Uint32(raw)) > uint64(len(raw)-4) {
			return errCut
		}
		n := int(binary.LittleEndian.Uint32(raw))
		sl.names = append(sl.names, string(raw[4:4+n]))
		raw = raw[4+n:]
	}
	return nil
}

// part hands out the values of rows [from, to), which lie in the page. present
// is nil when each has one.
func (sl *slot) part(from, to int64) (values []int32, present []bool) {
	a, b := int(from-sl.first), int(to-sl.first)
	if len(sl.present) == 0 {
		return sl.values[a:b], nil
	}
	if a < sl.row {
		sl.row, sl.value = 0, 0
	}
	begin := sl.value + countTrue(sl.present[sl.row:a])
	present = sl.present[a:b]
	n := countTrue(present)
	sl.row, sl.value = b, begin+n
	if n == len(present) {
		present = nil
	}
	return sl.values[begin : begin+n], present
}

func countTrue(list []bool) int {
	n := 0
	for _, p := range list {
		if p {
			n++
		}
	}
	return n
}
