package files

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/parquet-go/parquet-go"
)

// parquetBlock is how many rows are decoded at a time.
const parquetBlock = 1024

// parquetRows reads the samples of a Parquet file. The library panics on some
// damaged files: every call into it goes through guard.
type parquetRows struct {
	in     *intake
	src    *source
	file   *parquet.File
	layout *layout
	total  int64 // rows
	row    int64 // the present one, from 1

	host    chunkReader
	stamp   chunkReader
	numbers []chunkReader
	readInt func(parquet.Value) (int64, error) // of the time column

	names  []byte // the hosts of a block
	bounds []int
	stamps []int64
	cells  [][]cell // by column
	line   []cell   // a row of them
}

// parquet reads the samples of a Parquet file.
func (in *intake) parquet(src *source) error {
	r := &parquetRows{in: in, src: src}
	if err := r.guard(r.open); err != nil {
		return err
	}
	found := steps{all: int32(in.opt.Step.Milliseconds())}
	if in.opt.Step == 0 {
		finder := newStepFinder(in)
		if err := r.each(false, func(name []byte, ms int64, _ []cell) error {
			finder.add(name, ms)
			return nil
		}); err != nil {
			return err
		}
		found = finder.steps()
	}
	in.setLayout(r.layout, found)
	return r.each(true, func(name []byte, ms int64, cells []cell) error { return in.row(r, name, ms, cells) })
}

// guard calls into the library and turns its panics into errors.
func (r *parquetRows) guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s: the Parquet data is damaged: %v", r.src.name, p)
		}
	}()
	return f()
}

func (r *parquetRows) place(index int) place {
	p := place{file: r.src.name, record: r.row, rows: true}
	if index >= 0 {
		p.column, p.header = index+1, r.layout.headers[index]
	}
	return p
}

// text is a value of the present row.
func (r *parquetRows) text(index int) string {
	for k := range r.layout.values {
		if r.layout.values[k].index == index {
			return strconv.FormatFloat(r.line[k].value, 'g', -1, 64)
		}
	}
	return ""
}

func (r *parquetRows) reference(record int64) string { return fmt.Sprintf("row %d", record) }

// open reads the footer and says what the columns hold.
func (r *parquetRows) open() error {
	tail := make([]byte, 8)
	if _, err := r.src.file.ReadAt(tail, max(0, r.src.size-8)); err != nil || r.src.size < 12 || string(tail[4:]) != "PAR1" {
		return fmt.Errorf("%s: the file begins as Parquet but does not end so: it was written only in part", r.src.name)
	}
	if footer := int64(binary.LittleEndian.Uint32(tail)); footer > r.src.size-12 {
		return fmt.Errorf("%s: the Parquet data is damaged: its footer is said to be longer than the file", r.src.name)
	}
	f, err := parquet.OpenFile(r.src.file, r.src.size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return fmt.Errorf("%s: the Parquet data is damaged: %w", r.src.name, err)
	}
	r.file, r.total = f, f.NumRows()
	columns := f.Root().Columns()
	headers := make([]string, len(columns))
	for i, c := range columns {
		headers[i] = c.Name()
	}
	if r.layout, err = r.in.header(headers, place{file: r.src.name, rows: true}); err != nil {
		return err
	}
	return r.columns(columns)
}

// columns picks a reader for each column by its type.
func (r *parquetRows) columns(columns []*parquet.Column) error {
	pick := func(index int, choose func(parquet.Type) error) (chunkReader, error) {
		c := columns[index]
		if !c.Leaf() || c.Repeated() {
			return chunkReader{}, fmt.Errorf("%s: holds lists or groups, not one value a row", r.place(index))
		}
		if err := choose(c.Type()); err != nil {
			return chunkReader{}, fmt.Errorf("%s: %w", r.place(index), err)
		}
		return chunkReader{column: c.Index(), buf: make([]parquet.Value, parquetBlock)}, nil
	}
	var err error
	if r.host, err = pick(r.layout.host, checkText); err != nil {
		return err
	}
	if r.stamp, err = pick(r.layout.stamp, func(t parquet.Type) (err error) {
		r.readInt, err = timeOf(t)
		return err
	}); err != nil {
		return err
	}
	for k := range r.layout.values {
		var number func(parquet.Value) float64
		c, err := pick(r.layout.values[k].index, func(t parquet.Type) (err error) {
			number, err = numberOf(t)
			return err
		})
		if err != nil {
			return err
		}
		c.number = number
		r.numbers = append(r.numbers, c)
		r.cells = append(r.cells, make([]cell, parquetBlock))
	}
	r.stamps, r.line = make([]int64, parquetBlock), make([]cell, len(r.layout.values))
	return nil
}

// each goes through all rows, with their values or only with their keys.
func (r *parquetRows) each(values bool, take func(name []byte, ms int64, cells []cell) error) error {
	r.row = 0
	told := int64(0)
	for _, group := range r.file.RowGroups() {
		for left := group.NumRows(); left > 0; {
			if err := context.Cause(r.in.ctx); err != nil {
				return err
			}
			n := int(min(left, parquetBlock))
			first := left == group.NumRows()
			if err := r.guard(func() error { return r.block(group, first, n, values) }); err != nil {
				return errors.Join(err, r.guard(r.closeChunks))
			}
			left -= int64(n)
			from := 0
			for i := range n {
				r.row++
				for k := range r.line {
					r.line[k] = r.cells[k][i]
				}
				if err := take(r.names[from:r.bounds[i]], r.stamps[i], r.line); err != nil {
					return errors.Join(err, r.guard(r.closeChunks))
				}
				from = r.bounds[i]
			}
			done := int64(float64(r.src.size) * float64(r.row) / float64(r.total))
			r.in.meter.add(done - told)
			told = done
		}
		if err := r.guard(r.closeChunks); err != nil {
			return fmt.Errorf("%s: %w", r.src.name, err)
		}
	}
	return nil
}

// block decodes n rows.
func (r *parquetRows) block(group parquet.RowGroup, first bool, n int, values bool) error {
	if first {
		chunks := group.ColumnChunks()
		r.host.open(chunks)
		r.stamp.open(chunks)
		if values {
			for k := range r.numbers {
				r.numbers[k].open(chunks)
			}
		}
	}
	r.names, r.bounds = r.names[:0], r.bounds[:0]
	if err := r.decode(&r.host, r.layout.host, n, func(i int, v parquet.Value) error {
		if v.IsNull() {
			return errors.New("the host is empty")
		}
		r.names = append(r.names, v.ByteArray()...)
		r.bounds = append(r.bounds, len(r.names))
		return nil
	}); err != nil {
		return err
	}
	if err := r.decode(&r.stamp, r.layout.stamp, n, func(i int, v parquet.Value) (err error) {
		if v.IsNull() {
			return errors.New("the time is empty")
		}
		r.stamps[i], err = r.readInt(v)
		return err
	}); err != nil {
		return err
	}
	if !values {
		return nil
	}
	for k := range r.numbers {
		number, cells := r.numbers[k].number, r.cells[k]
		if err := r.decode(&r.numbers[k], r.layout.values[k].index, n, func(i int, v parquet.Value) error {
			if v.IsNull() {
				cells[i] = cell{}
			} else {
				cells[i] = cell{number(v), true}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// decode reads n values of a column and names row and column of what is wrong.
func (r *parquetRows) decode(c *chunkReader, index, n int, put func(i int, v parquet.Value) error) error {
	i, err := c.read(n, put)
	if err == nil {
		return nil
	}
	at := r.place(index)
	at.record = r.row + int64(i) + 1
	if errors.Is(err, errDamagedChunk) {
		at.record = 0
	}
	return fmt.Errorf("%s: %w", at, err)
}

func (r *parquetRows) closeChunks() error {
	err := errors.Join(r.host.close(), r.stamp.close())
	for k := range r.numbers {
		err = errors.Join(err, r.numbers[k].close())
	}
	return err
}

var errDamagedChunk = errors.New("the Parquet data is damaged")

// chunkReader reads the values of a column of a row group in order.
type chunkReader struct {
	column int // of the file's leaves
	number func(parquet.Value) float64
	buf    []parquet.Value
	pages  parquet.Pages
	page   parquet.Page
	values parquet.ValueReader
}

func (c *chunkReader) open(chunks []parquet.ColumnChunk) { c.pages = chunks[c.column].Pages() }

// read hands on n values. It returns how many were, and what stopped it.
func (c *chunkReader) read(n int, put func(i int, v parquet.Value) error) (int, error) {
	for i := 0; i < n; {
		if c.values == nil {
			page, err := c.pages.ReadPage()
			if err == io.EOF {
				return i, fmt.Errorf("%w: the column has fewer rows than the file", errDamagedChunk)
			}
			if err != nil {
				return i, fmt.Errorf("%w: %w", errDamagedChunk, err)
			}
			c.page, c.values = page, page.Values()
		}
		m, err := c.values.ReadValues(c.buf[:min(n-i, len(c.buf))])
		for _, v := range c.buf[:m] {
			if err := put(i, v); err != nil {
				return i, err
			}
			i++
		}
		if err == io.EOF || (err == nil && m == 0) {
			parquet.Release(c.page)
			c.page, c.values = nil, nil
		} else if err != nil {
			return i, fmt.Errorf("%w: %w", errDamagedChunk, err)
		}
	}
	return n, nil
}

func (c *chunkReader) close() error {
	if c.page != nil {
		parquet.Release(c.page)
	}
	pages := c.pages
	c.page, c.values, c.pages = nil, nil, nil
	if pages == nil {
		return nil
	}
	return pages.Close()
}
