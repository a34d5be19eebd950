package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode"
	"unicode/utf8"
)

// csv reads the samples of a CSV file.
func (in *intake) csv(src *source) (err error) {
	m := in.meter
	if in.opt.Step == 0 {
		m = nil // this time only the header is read
	}
	l, text, split, err := in.openCSV(src, m)
	if err != nil {
		return err
	}
	if in.opt.Step == 0 {
		// The steps are found by reading the keys first.
		if err := text.Close(); err != nil {
			return fmt.Errorf("%s: %w", src.name, err)
		}
		found, err := in.csvSteps(src, l)
		if err != nil {
			return err
		}
		in.setLayout(l, found)
		if _, text, split, err = in.openCSV(src, in.meter); err != nil {
			return err
		}
	} else {
		in.setLayout(l, steps{all: int32(in.opt.Step.Milliseconds())})
	}
	defer func() {
		if closed := text.Close(); err == nil && closed != nil {
			err = fmt.Errorf("%s: %w", src.name, closed)
		}
	}()
	r := csvRows{in: in, src: src, split: split, layout: l}
	if err := r.readAll(); err != nil {
		return err
	}
	if in.steps.cut != nil {
		return fmt.Errorf("%s: the file changed while it was read", src.name)
	}
	return nil
}

// openCSV opens a CSV file and reads its header.
func (in *intake) openCSV(src *source, m *meter) (*layout, io.ReadCloser, *splitter, error) {
	text, err := src.text(m)
	if err != nil {
		return nil, nil, nil, err
	}
	split := newSplitter(text)
	l, err := in.csvHeader(src, split)
	if err != nil {
		return nil, nil, nil, errors.Join(err, text.Close())
	}
	return l, text, split, nil
}

func (in *intake) csvHeader(src *source, split *splitter) (*layout, error) {
	fields, err := split.read()
	at := place{file: src.name, record: split.line}
	if err == io.EOF {
		return nil, fmt.Errorf("%s: the file is empty: its first line must name the columns host, timestamp and metrics", src.name)
	}
	if err != nil {
		at.column = split.field
		return nil, fmt.Errorf("%s: %w", at, src.describe(err))
	}
	headers := make([]string, len(fields))
	for i, f := range fields {
		if !utf8.Valid(f) {
			at.column = i + 1
			return nil, fmt.Errorf("%s: the header is not UTF-8 text", at)
		}
		headers[i] = string(f)
	}
	return in.header(headers, at)
}

// csvRows reads the rows behind a header.
type csvRows struct {
	in     *intake
	src    *source
	split  *splitter
	layout *layout
	fields [][]byte // of the present row
}

func (r *csvRows) place(index int) place {
	p := place{file: r.src.name, record: r.split.line}
	if index >= 0 {
		p.column, p.header = index+1, r.layout.headers[index]
	}
	return p
}

// text is a cell of the present row as it stands in the file.
func (r *csvRows) text(index int) string { return string(trim(r.fields[index])) }

func (r *csvRows) reference(record int64) string { return fmt.Sprintf("line %d", record) }

func (r *csvRows) readAll() error {
	l := r.layout
	cells := make([]cell, len(l.values))
	for n := 0; ; n++ {
		if n%1024 == 0 {
			if err := context.Cause(r.in.ctx); err != nil {
				return err
			}
		}
		fields, err := r.split.read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			at := r.place(-1)
			at.column = r.split.field
			return fmt.Errorf("%s: %w", at, r.src.describe(err))
		}
		if len(fields) != l.width {
			return fmt.Errorf("%s: %s where the header has %d", r.place(min(len(fields), l.width)-1), plural(len(fields), "column"), l.width)
		}
		r.fields = fields
		ms, err := parseStamp(trim(fields[l.stamp]))
		if err != nil {
			return fmt.Errorf("%s: %q %w", r.place(l.stamp), r.text(l.stamp), err)
		}
		for k := range l.values {
			c := &cells[k]
			text := trim(fields[l.values[k].index])
			if c.has = len(text) > 0; !c.has {
				continue
			}
			if c.value, err = parseNumber(text); err != nil {
				return fmt.Errorf("%s: %q %w", r.place(l.values[k].index), text, err)
			}
		}
		if err := r.in.row(r, trim(fields[l.host]), ms, cells); err != nil {
			return err
		}
	}
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// maxHostName is the longest name of a host in bytes; ids of clouds have up to
// 250 or so.
const maxHostName = 1024

// checkHostName says what is wrong with the name of a host.
func checkHostName(b []byte) error {
	switch {
	case len(b) == 0:
		return errors.New("the host is empty")
	case len(b) > maxHostName:
		return fmt.Errorf("the name of the host is longer than %d bytes", maxHostName)
	case !utf8.Valid(b):
		return fmt.Errorf("%q is not UTF-8 text", b)
	}
	for _, c := range string(b) {
		if unicode.IsControl(c) {
			return fmt.Errorf("%q has a control character", b)
		}
	}
	return nil
}
