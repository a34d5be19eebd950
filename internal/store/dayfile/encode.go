package dayfile

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// encoded is a row group ready to be written. Offsets in it count from the
// group's first byte until it is placed.
type encoded struct {
	body  []byte
	group group
	meta  format.RowGroup
	pages []pageIndex // by column
}

// pageIndex is what Parquet keeps of a column's pages for other readers.
type pageIndex struct {
	column format.ColumnIndex
	offset format.OffsetIndex
}

// place moves the group behind bytes and rows that come before it in the file.
func (e *encoded) place(offset, row int64, ordinal int) {
	for i := range e.group.rows {
		e.group.rows[i] += row
	}
	for c := range e.group.chunks {
		chunk := &e.group.chunks[c]
		meta := &e.meta.Columns[c].MetaData
		if chunk.dictionary.size != 0 {
			chunk.dictionary.offset += offset
			meta.DictionaryPageOffset += offset
		}
		meta.DataPageOffset += offset
		for i := range chunk.pages {
			chunk.pages[i].offset += offset
			e.pages[c].offset.PageLocations[i].Offset += offset
		}
	}
	e.meta.FileOffset += offset
	e.meta.Ordinal = int16(ordinal)
}

// encoder turns buffers into row groups. It is for one goroutine at a time.
type encoder struct {
	layout  *layout
	zstd    *zstd.Encoder
	body    []byte
	indices []byte
	raw     []byte // values of a chunk's pages, one after another
	ends    []int  // where each page's values end in raw
	scratch []byte // a page's values as encoded
	packed  []byte // a page's values as compressed
	levels  []byte // definition levels of a chunk's pages
	levelAt []int  // where each page's levels end in levels
}

func newEncoder(l *layout) (*encoder, error) {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, fmt.Errorf("begin zstd: %w", err)
	}
	return &encoder{layout: l, zstd: z}, nil
}

// pageBounds is the least and the greatest value of a page; a page without
// values has none.
type pageBounds struct {
	nulls    int
	min, max []byte
}

// group encodes a buffer into body's memory.
func (e *encoder) group(b *buffer, body []byte) (*encoded, error) {
	b.cut()
	out := &encoded{meta: format.RowGroup{NumRows: int64(b.rows()), SortingColumns: e.layout.sortedBy()}}
	out.group.rows = append(out.group.rows, 0)
	for _, c := range b.cuts {
		out.group.rows = append(out.group.rows, int64(c.rows))
	}
	e.body = body[:0]
	for column := range e.layout.columns {
		if err := e.chunk(out, b, column); err != nil {
			return nil, fmt.Errorf("encode column %s: %w", e.layout.columns[column].name, err)
		}
	}
	out.body, e.body = e.body, nil
	out.meta.TotalCompressedSize = int64(len(out.body))
	return out, nil
}

// chunk encodes one column.
func (e *encoder) chunk(out *encoded, b *buffer, column int) error {
	bounds, dictionary, err := e.values(b, column)
	if err != nil {
		return err
	}
	c := chunk{zstd: e.pays()}
	begin := len(e.body)
	uncompressed := 0
	if dictionary != nil {
		entries := len(e.texts(b, column).list)
		c.dictionary, err = e.page(format.PageHeader{Type: format.DictionaryPage,
			DictionaryPageHeader: thrift.New(format.DictionaryPageHeader{NumValues: int32(entries), Encoding: format.Plain})},
			nil, dictionary, true) // a dictionary page cannot say that it is not compressed
		if err != nil {
			return err
		}
		uncompressed += int(c.dictionary.header) + len(dictionary)
	}
	rows, raw, levels := 0, 0, 0
	for i, cut := range b.cuts {
		p, err := e.page(format.PageHeader{Type: format.DataPageV2,
			DataPageHeaderV2: thrift.New(format.DataPageHeaderV2{
				NumValues: int32(cut.rows - rows), NumRows: int32(cut.rows - rows), NumNulls: int32(bounds[i].nulls),
				Encoding: e.layout.columns[column].encoding, IsCompressed: thrift.New(c.zstd),
			})},
			e.levels[levels:e.levelAt[i]], e.raw[raw:e.ends[i]], c.zstd)
		if err != nil {
			return err
		}
		p.nulls = int32(bounds[i].nulls)
		c.pages = append(c.pages, p)
		uncompressed += int(p.header+p.levels) + e.ends[i] - raw
		rows, raw, levels = cut.rows, e.ends[i], e.levelAt[i]
	}
	out.describe(e.layout.columns[column], c, bounds, int64(uncompressed), int64(len(e.body)-begin))
	return nil
}

// pays samples whether compressing a chunk saves enough to be worth undoing on
// each read: most metrics are noise that delta encoding already packed.
func (e *encoder) pays() bool {
	if e.zstd == nil {
		return false
	}
	n := len(e.ends)
	before, after := 0, 0
	for _, i := range slices.Compact([]int{0, n / 2, n - 1}) {
		begin := 0
		if i > 0 {
			begin = e.ends[i-1]
		}
		e.packed = e.zstd.EncodeAll(e.raw[begin:e.ends[i]], e.packed[:0])
		before += e.ends[i] - begin
		after += len(e.packed)
	}
	return after < before-before/minSaving
}

// minSaving is the part of a chunk that compression must save: one in 25. At 1
// in 50 disk writes per second, which save 2 %, would be decompressed by every
// question about them.
const minSaving = 25

// page appends a page to the body: header, levels, values.
func (e *encoder) page(header format.PageHeader, levels, raw []byte, compress bool) (page, error) {
	payload := raw
	if compress {
		e.packed = e.zstd.EncodeAll(raw, e.packed[:0])
		payload = e.packed
	}
	begin := len(e.body)
	header.UncompressedPageSize = int32(len(levels) + len(raw))
	header.CompressedPageSize = int32(len(levels) + len(payload))
	header.CRC = int32(crc32.Update(crc32.ChecksumIEEE(levels), crc32.IEEETable, payload))
	if header.DataPageHeaderV2.Valid {
		header.DataPageHeaderV2.V.DefinitionLevelsByteLength = int32(len(levels))
	}
	h, err := thrift.Marshal(new(thrift.CompactProtocol), &header)
	if err != nil {
		return page{}, fmt.Errorf("page header: %w", err)
	}
	e.body = append(e.body, h...)
	e.body = append(e.body, levels...)
	e.body = append(e.body, payload...)
	return page{
		offset: int64(begin), size: int32(len(e.body) - begin), header: int32(len(h)),
		levels: int32(len(levels)), raw: int32(len(raw)), sum: checksum(e.body[begin:]),
	}, nil
}

// checksum is the CRC-32C that the index holds of each page.
func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// values encodes the values of a column's pages into e.raw and e.levels, and
// returns their bounds and, for columns of strings, the dictionary page.
func (e *encoder) values(b *buffer, column int) (bounds []pageBounds, dictionary []byte, err error) {
	e.raw, e.ends, e.levels, e.levelAt = e.raw[:0], e.ends[:0], e.levels[:0], e.levelAt[:0]
	if n := e.texts(b, column); n != nil {
		return e.names(b, n), e.dictionary(n), nil
	}
	if column == columnTime {
		bounds, err = e.times(b)
		return bounds, nil, err
	}
	v := &b.columns[column-firstMetric]
	row, value := 0, 0
	for _, cut := range b.cuts {
		end := cut.packed[column-firstMetric]
		page := v.packed[value:end]
		if e.scratch, err = encodeInt32(e.scratch, page); err != nil {
			return nil, nil, err
		}
		e.raw = append(e.raw, e.scratch...)
		if nulls := cut.rows - row - len(page); nulls == 0 {
			e.levels = appendRepeat(e.levels, cut.rows-row, 1, 1)
		} else {
			e.levels = appendLevels(e.levels, v.present[row:cut.rows])
		}
		e.ends, e.levelAt = append(e.ends, len(e.raw)), append(e.levelAt, len(e.levels))
		bounds = append(bounds, bounds32(page, cut.rows-row))
		row, value = cut.rows, end
	}
	return bounds, nil, nil
}

// texts is the strings of a column; nil for a column of numbers.
func (e *encoder) texts(b *buffer, column int) *names {
	switch column {
	case columnHost:
		return &b.hosts
	case columnOrigin:
		return &b.origins
	case firstMetric + len(b.columns):
		return &b.groups
	}
	return nil
}

func bounds32(values []int32, rows int) pageBounds {
	b := pageBounds{nulls: rows - len(values)}
	if len(values) == 0 {
		return b
	}
	lo, hi := values[0], values[0]
	for _, v := range values {
		lo, hi = min(lo, v), max(hi, v)
	}
	b.min = binary.LittleEndian.AppendUint32(nil, uint32(lo))
	b.max = binary.LittleEndian.AppendUint32(nil, uint32(hi))
	return b
}

func (e *encoder) times(b *buffer) (bounds []pageBounds, err error) {
	row := 0
	for _, cut := range b.cuts {
		page := b.starts[row:cut.rows]
		if e.scratch, err = encodeInt64(e.scratch, page); err != nil {
			return nil, err
		}
		e.raw = append(e.raw, e.scratch...)
		e.ends, e.levelAt = append(e.ends, len(e.raw)), append(e.levelAt, 0)
		bounds = append(bounds, pageBounds{
			min: binary.LittleEndian.AppendUint64(nil, uint64(slices.Min(page))),
			max: binary.LittleEndian.AppendUint64(nil, uint64(slices.Max(page))),
		})
		row = cut.rows
	}
	return bounds, nil
}

func (e *encoder) dictionary(n *names) []byte {
	e.indices = e.indices[:0]
	for _, s := range n.list {
		e.indices = binary.LittleEndian.AppendUint32(e.indices, uint32(len(s)))
		e.indices = append(e.indices, s...)
	}
	return e.indices
}

func (e *encoder) names(b *buffer, n *names) (bounds []pageBounds) {
	width := indexWidth(len(n.list))
	row, run := 0, 0
	for _, cut := range b.cuts {
		e.raw = append(e.raw, byte(width))
		lo, hi := n.list[n.codes[run]], n.list[n.codes[run]]
		for row < cut.rows {
			name := n.list[n.codes[run]]
			lo, hi = min(lo, name), max(hi, name)
			end := min(cut.rows, n.ends[run])
			e.raw = appendRepeat(e.raw, end-row, uint32(n.codes[run]), width)
			row = end
			if row == n.ends[run] {
				run++
			}
		}
		e.ends, e.levelAt = append(e.ends, len(e.raw)), append(e.levelAt, 0)
		bounds = append(bounds, pageBounds{min: []byte(lo), max: []byte(hi)})
	}
	return bounds
}
