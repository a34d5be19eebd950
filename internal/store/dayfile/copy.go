package dayfile

import (
	"errors"
	"fmt"
	"slices"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/leanfleet/leanfleet/fleet"
)

// Copy writes a segment of another file of the same day behind what was added,
// as Add of all its rows would. Where each of its metrics is defined as in this
// file, pages are copied as they are, their checksums checked, and no value is
// decoded; copied says so. Otherwise rows are read and added.
func (w *Writer) Copy(f *File, seg Segment, s *Scratch) (copied bool, err error) {
	if w.err != nil {
		return false, w.err
	}
	copied, err = w.copy(f, seg, s)
	if err != nil {
		w.err = fmt.Errorf("write day %s: copy rows: %w", w.index.day, err)
	}
	return copied, w.err
}

func (w *Writer) copy(f *File, seg Segment, s *Scratch) (bool, error) {
	switch {
	case w.closed:
		return false, errors.New("the file is finished")
	case f.index.day != w.index.day:
		return false, fmt.Errorf("they are of day %s", f.index.day)
	case f.index.grouped != w.index.grouped:
		return false, errors.New("process groups and hosts do not go into one file")
	case seg.Lo < 0 || seg.Hi > len(f.index.runs) || seg.Lo >= seg.Hi || seg.from < 0 || seg.to > len(f.index.groups):
		return false, fmt.Errorf("segment %+v is not one of the file", seg)
	case len(w.index.runs) > 0 && f.index.runs[seg.Lo].Host <= w.index.runs[len(w.index.runs)-1].Host:
		return false, fmt.Errorf("host %s comes after host %s", f.index.runs[seg.Lo].Host, w.index.runs[len(w.index.runs)-1].Host)
	}
	columns, same := w.correspond(f)
	if !same {
		return false, w.recode(f, seg, s)
	}
	if err := w.flush(); err != nil {
		return false, err
	}
	if err := w.settle(0); err != nil {
		return false, err
	}
	foot, err := f.parseFooter()
	if err != nil {
		return false, err
	}
	for g := seg.from; g < seg.to; g++ {
		e, err := w.copyGroup(f, foot, g, columns, s)
		if err != nil {
			return false, err
		}
		if err := w.place(e); err != nil {
			return false, err
		}
		e.body = nil
	}
	for i := seg.Lo; i < seg.Hi; i++ {
		same, err := w.note(f.index.runs[i])
		if err != nil {
			return false, err
		}
		if !same {
			w.summary.Hosts++
		}
	}
	return true, nil
}

// correspond finds for each column of this file the one of f, -1 where f has
// none. It is false when f has a metric that is not defined the same here.
func (w *Writer) correspond(f *File) (columns []int, same bool) {
	columns = make([]int, len(w.layout.columns))
	columns[columnTime], columns[columnOrigin] = columnTime, columnOrigin
	found := 0
	for i, m := range w.layout.metrics {
		at, ok := f.layout.byName[m.Name]
		if !ok {
			columns[firstMetric+i] = -1
			continue
		}
		own := f.index.metrics[at]
		if !sameResolution(own, m) || own.Digits != m.Digits {
			return nil, false
		}
		columns[firstMetric+i] = firstMetric + at
		found++
	}
	if w.index.grouped {
		columns[len(columns)-1] = f.index.columns() - 1
	}
	return columns, found == len(f.index.metrics)
}

// recode reads the rows of a segment and adds them.
func (w *Writer) recode(f *File, seg Segment, s *Scratch) error {
	for run := seg.Lo; run < seg.Hi; run++ {
		rows, err := f.Rows(run, s)
		if err != nil {
			return err
		}
		if err := w.add(f.index.runs[run], &rows); err != nil {
			return err
		}
	}
	return nil
}

// footer is what Parquet's own footer and page index say, read when row groups
// are copied.
type footer struct {
	meta  format.FileMetaData
	pages [][]pageIndex // by row group, by column
}

func (f *File) parseFooter() (*footer, error) {
	f.parse.Do(func() {
		defer func() {
			if p := recover(); p != nil {
				f.err = fmt.Errorf("the footer is damaged: %v", p)
			}
		}()
		f.footer, f.err = f.readFooter()
	})
	return f.footer, f.err
}

func (f *File) readFooter() (*footer, error) {
	end, err := readSealed(f.r, f.size)
	if err != nil {
		return nil, err
	}
	out := &footer{}
	if err := thrift.Unmarshal(new(thrift.CompactProtocol), end.footer, &out.meta); err != nil {
		return nil, fmt.Errorf("the footer is damaged: %w", err)
	}
	if len(out.meta.RowGroups) != len(f.index.groups) {
		return nil, fmt.Errorf("the footer has %d row groups, the index %d", len(out.meta.RowGroups), len(f.index.groups))
	}
	for g := range out.meta.RowGroups {
		meta := &out.meta.RowGroups[g]
		if len(meta.Columns) != len(f.layout.columns) || meta.NumRows != f.index.groups[g].end()-f.index.groups[g].first() {
			return nil, fmt.Errorf("the footer has another row group %d than the index", g)
		}
		pages := make([]pageIndex, len(meta.Columns))
		for c := range pages {
			if err := f.readPageIndex(&pages[c], &meta.Columns[c], len(f.index.groups[g].chunks[c].pages)); err != nil {
				return nil, fmt.Errorf("page index of column %s: %w", f.layout.columns[c].name, err)
			}
		}
		out.pages = append(out.pages, pages)
	}
	return out, nil
}

func (f *File) readPageIndex(p *pageIndex, c *format.ColumnChunk, pages int) error {
	for _, part := range []struct {
		offset int64
		length int32
		into   any
	}{{c.ColumnIndexOffset, c.ColumnIndexLength, &p.column}, {c.OffsetIndexOffset, c.OffsetIndexLength, &p.offset}} {
		if part.length < 0 || part.offset < 0 || part.offset+int64(part.length) > f.size {
			return errCut
		}
		b := make([]byte, part.length)
		if err := readFull(f.r, b, part.offset); err != nil {
			return err
		}
		if err := thrift.Unmarshal(new(thrift.CompactProtocol), b, part.into); err != nil {
			return err
		}
	}
	if len(p.offset.PageLocations) != pages || len(p.column.NullPages) != pages {
		return fmt.Errorf("it has %d pages, the index %d", len(p.offset.PageLocations), pages)
	}
	return nil
}

// copyGroup makes a row group of the pages of another file's.
func (w *Writer) copyGroup(f *File, foot *footer, at int, columns []int, s *Scratch) (*encoded, error) {
	from := &f.index.groups[at]
	meta := &foot.meta.RowGroups[at]
	out := &encoded{meta: format.RowGroup{NumRows: meta.NumRows, SortingColumns: w.layout.sortedBy()}}
	out.body = make([]byte, 0, from.chunks[len(from.chunks)-1].end()-from.chunks[0].start()+1024*int64(len(columns)))
	for _, row := range from.rows {
		out.group.rows = append(out.group.rows, row-from.first())
	}
	for c, source := range columns {
		if source < 0 {
			if err := w.emptyChunk(out, c); err != nil {
				return nil, err
			}
			continue
		}
		if err := f.copyChunk(out, &from.chunks[source], s); err != nil {
			return nil, fmt.Errorf("%s: %w", f.where(source, at, -1), err)
		}
		chunk := format.ColumnChunk{MetaData: meta.Columns[source].MetaData}
		chunk.MetaData.PathInSchema = []string{w.layout.columns[c].name}
		shift := out.group.chunks[c].start() - from.chunks[source].start()
		chunk.MetaData.DataPageOffset += shift
		if chunk.MetaData.DictionaryPageOffset != 0 {
			chunk.MetaData.DictionaryPageOffset += shift
		}
		pages := pageIndex{column: foot.pages[at][source].column}
		for _, p := range foot.pages[at][source].offset.PageLocations {
			p.Offset += shift
			pages.offset.PageLocations = append(pages.offset.PageLocations, p)
		}
		out.meta.Columns = append(out.meta.Columns, chunk)
		out.meta.TotalByteSize += chunk.MetaData.TotalUncompressedSize
		out.pages = append(out.pages, pages)
		if c >= firstMetric && !w.index.text(c) {
			samples := chunk.MetaData.NumValues - chunk.MetaData.Statistics.NullCount
			if samples > 0 {
				w.summary.Samples[w.layout.metrics[c-firstMetric].Name] += samples
			}
		}
	}
	out.meta.TotalCompressedSize = int64(len(out.body))
	return out, nil
}

// copyChunk appends the pages of a chunk to the body, each checked.
func (f *File) copyChunk(out *encoded, from *chunk, s *Scratch) error {
	c := chunk{zstd: from.zstd, dictionary: from.dictionary, pages: slices.Clone(from.pages)}
	copyPage := func(p *page) error {
		b, err := s.bytes(f, *p, from.end())
		if err != nil {
			return err
		}
		p.offset = int64(len(out.body))
		out.body = append(out.body, b...)
		return nil
	}
	if c.dictionary.size != 0 {
		if err := copyPage(&c.dictionary); err != nil {
			return err
		}
	}
	for i := range c.pages {
		if err := copyPage(&c.pages[i]); err != nil {
			return err
		}
	}
	out.group.chunks = append(out.group.chunks, c)
	return nil
}

// emptyChunk appends a column without values.
func (w *Writer) emptyChunk(out *encoded, column int) error {
	e := &encoder{layout: w.layout, body: out.body}
	b := newBuffer(w.layout)
	for _, rows := range out.group.rows[1:] {
		b.cuts = append(b.cuts, cut{rows: int(rows), packed: make([]int, len(b.columns))})
	}
	b.columns[column-firstMetric].present = make([]bool, out.meta.NumRows)
	if err := e.chunk(out, b, column); err != nil {
		return err
	}
	out.body = e.body
	return nil
}

// Samples counts the values of a metric in the file, from its index.
func (f *File) Samples(metric fleet.Metric) int64 {
	at, ok := f.layout.byName[metric.Name]
	if !ok {
		return 0
	}
	n := f.NumRows()
	for g := range f.index.groups {
		for _, p := range f.index.groups[g].chunks[firstMetric+at].pages {
			n -= int64(p.nulls)
		}
	}
	return n
}
