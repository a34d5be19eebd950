package dayfile

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/cespare/xxhash/v2"

	"github.com/leanfleet/leanfleet/fleet"
)

// Options tune the shape of a file. The zero Options are good for up to a few
// thousand hosts.
type Options struct {
	// GroupRows ends a row group at the first change of host behind so many
	// rows; 0 means 144,000, a hundred hosts at one minute. Above 5,000 hosts
	// 500,000 keep the footer small.
	GroupRows int
	// PageRows ends a page in the same way; 0 means a tenth of GroupRows.
	PageRows int
	// Workers is the number of row groups encoded at once, beside the caller;
	// 0 means 2. Each holds one row group in memory, and so does the caller.
	Workers int
	// Groups says that rows are of process groups; see [File.Grouped].
	Groups bool
	// Encoders are used by one file after the other; nil makes them anew.
	Encoders *Encoders
}

// Encoders keep what encoding takes, a few megabytes for each worker, from file to
// file, until the memory is wanted for something else. The zero Encoders are
// ready, and may be used by several files at once.
type Encoders struct{ pool sync.Pool }

// get returns an encoder for files of a layout.
func (x *Encoders) get(l *layout) (*encoder, error) {
	if x != nil {
		if e, ok := x.pool.Get().(*encoder); ok {
			e.layout = l
			return e, nil
		}
	}
	return newEncoder(l)
}

// put takes an encoder back that nobody uses.
func (x *Encoders) put(e *encoder) {
	if x != nil {
		e.layout = nil
		x.pool.Put(e)
	}
}

func (o Options) complete() (Options, error) {
	if o.GroupRows < 0 || o.PageRows < 0 || o.Workers < 0 {
		return o, errors.New("options of a day file are not negative")
	}
	if o.GroupRows == 0 {
		o.GroupRows = 144_000
	}
	if o.PageRows == 0 {
		o.PageRows = max(1, o.GroupRows/10)
	}
	if o.Workers == 0 {
		o.Workers = 2
	}
	// A page is cut at twice PageRows where a single host has more.
	o.PageRows = min(o.PageRows, maxPageRows/2, o.GroupRows)
	o.GroupRows = min(o.GroupRows, maxGroupRows/4)
	return o, nil
}

// Summary says what a finished file holds.
type Summary struct {
	Day   Day
	Rows  int64
	Runs  int
	Hosts int
	// Samples counts values by the name of the metric.
	Samples map[string]int64
	// First and Last are the starts of the earliest and the latest row in Unix
	// milliseconds; both 0 without rows.
	First, Last int64
	// Bytes is the size of the file.
	Bytes int64
	// Checksum is that of the whole file; see [Checksum].
	Checksum uint64
}

// Writer writes one file. It is for one goroutine; it encodes on others of its
// own. A Writer that is given up needs no Close.
type Writer struct {
	out      io.Writer
	hash     *xxhash.Digest
	opt      Options
	layout   *layout
	index    index
	buffer   *buffer
	sources  []*fleet.Column
	encoders chan *encoder
	made     int
	jobs     []*job
	spare    []*job
	groups   []*encoded // without bodies
	offset   int64
	summary  Summary
	err      error
	closed   bool
}

// job is a row group being encoded.
type job struct {
	buffer *buffer
	body   []byte
	group  *encoded
	err    error
	done   chan struct{}
}

// NewWriter begins a file of a day with one column for each metric, in order.
// Rows may lack any of the metrics but have no others.
func NewWriter(w io.Writer, day Day, metrics []fleet.Metric, opt Options) (*Writer, error) {
	opt, err := opt.complete()
	if err != nil {
		return nil, err
	}
	if day < 0 || day > maxDay {
		return nil, fmt.Errorf("day %s is out of range", day)
	}
	l, err := newLayout(slices.Clone(metrics), opt.Groups)
	if err != nil {
		return nil, fmt.Errorf("write day %s: %w", day, err)
	}
	x := &Writer{
		out: w, hash: xxhash.New(), opt: opt, layout: l, index: index{day: day, grouped: opt.Groups, metrics: l.metrics},
		buffer: newBuffer(l), sources: make([]*fleet.Column, len(l.metrics)),
		encoders: make(chan *encoder, opt.Workers),
		summary:  Summary{Day: day, Samples: make(map[string]int64, len(l.metrics))},
	}
	if err := x.write([]byte(magic)); err != nil {
		return nil, err
	}
	return x, nil
}

// Add appends rows of one host and step. Hosts come in ascending order, the
// rows of a host in time order; they may come in pieces. Of run only Host and
// Step are read. Nothing that rows points to is kept. After an error the file
// cannot be finished.
func (w *Writer) Add(run Run, rows Rows) error {
	if w.err != nil {
		return w.err
	}
	if err := w.add(run, &rows); err != nil {
		w.err = fmt.Errorf("write day %s: %w", w.index.day, err)
	}
	return w.err
}

func (w *Writer) add(run Run, rows *Rows) error {
	if w.closed {
		return errors.New("the file is finished")
	}
	next, err := describe(w.index.day, run.Host, run.Step, rows.Start)
	if err != nil {
		return err
	}
	if err := w.match(next.Host, rows); err != nil {
		return err
	}
	if next.Rows == 0 {
		return nil
	}
	sameHost, err := w.note(next)
	if err != nil {
		return err
	}
	if !sameHost {
		w.summary.Hosts++
		if w.buffer.pageRows() >= w.opt.PageRows {
			w.buffer.cut()
		}
		if w.buffer.rows() >= w.opt.GroupRows || w.buffer.full() {
			if err := w.flush(); err != nil {
				return err
			}
		}
	}
	for from := 0; from < next.Rows; {
		to := min(next.Rows, from+2*w.opt.PageRows-w.buffer.pageRows())
		w.buffer.add(next.Host, rows, from, to, w.sources)
		if w.buffer.pageRows() >= 2*w.opt.PageRows {
			w.buffer.cut()
		}
		if w.buffer.rows() >= 2*w.opt.GroupRows || w.buffer.full() {
			if err := w.flush(); err != nil {
				return err
			}
		}
		from = to
	}
	return nil
}

// full says whether the dictionaries have grown so large that the row group
// must end.
func (b *buffer) full() bool {
	return max(b.hosts.bytes, b.groups.bytes, b.origins.bytes) > maxDictionary/4
}

// note adds a run to the index, or its rows to the run before where they go on.
func (w *Writer) note(next Run) (sameHost bool, err error) {
	if w.summary.Rows == 0 {
		w.summary.First, w.summary.Last = next.First, next.Last
	}
	w.summary.First, w.summary.Last = min(w.summary.First, next.First), max(w.summary.Last, next.Last)
	w.summary.Rows += int64(next.Rows)
	n := len(w.index.runs)
	if n == 0 {
		w.index.runs = append(w.index.runs, next)
		return false, nil
	}
	last := &w.index.runs[n-1]
	switch {
	case next.Host < last.Host:
		return false, fmt.Errorf("host %s comes after host %s", next.Host, last.Host)
	case next.Host > last.Host:
		w.index.runs = append(w.index.runs, next)
		return false, nil
	case next.First <= last.Last:
		return false, fmt.Errorf("host %s: rows from %d ms come after a row at %d ms", next.Host, next.First, last.Last)
	case next.Step == last.Step:
		last.Regular = last.Regular && next.Regular && next.First == last.Last+int64(last.Step)
		last.Rows += next.Rows
		last.Last = next.Last
	default:
		w.index.runs = append(w.index.runs, next)
	}
	return true, nil
}

// match finds the column of each metric in rows and checks all of them.
func (w *Writer) match(host fleet.HostID, rows *Rows) error {
	clear(w.sources)
	n := len(rows.Start)
	if rows.Origin != nil && len(rows.Origin) != n {
		return fmt.Errorf("host %s: %d origins for %d rows", host, len(rows.Origin), n)
	}
	if err := checkOrigins(rows); err != nil {
		return fmt.Errorf("host %s: %w", host, err)
	}
	for i := range rows.Columns {
		c := &rows.Columns[i]
		at, known := w.layout.byName[c.Metric.Name]
		switch {
		case !known:
			return fmt.Errorf("host %s: metric %q is not among those of the file", host, c.Metric.Name)
		case w.sources[at] != nil:
			return fmt.Errorf("host %s: metric %s stands twice", host, c.Metric.Name)
		case len(c.Values) != n || c.Present != nil && len(c.Present) != n:
			return fmt.Errorf("host %s: metric %s has %d values and %d marks for %d rows", host, c.Metric.Name, len(c.Values), len(c.Present), n)
		}
		if !sameResolution(c.Metric, w.layout.metrics[at]) {
			converted, err := Convert(*c, w.layout.metrics[at])
			if err != nil {
				return fmt.Errorf("host %s: %w", host, err)
			}
			c = &converted
		}
		if negative(c) {
			return fmt.Errorf("host %s: metric %s: %w: a value is negative", host, c.Metric.Name, fleet.ErrImpossible)
		}
		w.sources[at] = c
		w.summary.Samples[c.Metric.Name] += int64(c.Count())
	}
	return nil
}

func checkOrigins(rows *Rows) error {
	last := rows.Default
	if len(last) > MaxNameBytes {
		return fmt.Errorf("an origin of %d bytes is longer than %d", len(last), MaxNameBytes)
	}
	for _, o := range rows.Origin {
		if o != last && len(o) > MaxNameBytes {
			return fmt.Errorf("an origin of %d bytes is longer than %d", len(o), MaxNameBytes)
		}
		last = o
	}
	return nil
}

// negative says whether a value is below zero.
func negative(c *fleet.Column) bool {
	var all int32
	for _, v := range c.Values {
		all |= v
	}
	if all >= 0 {
		return false
	}
	for i, v := range c.Values {
		if v < 0 && c.Has(i) {
			return true
		}
	}
	return false
}

// Convert returns a column with its values in the resolution of a metric of the
// same name: files keep the resolution they were written with. Another unit is an
// error, and so is a value that has no place, which wraps [fleet.ErrImpossible].
func Convert(c fleet.Column, m fleet.Metric) (fleet.Column, error) {
	if c.Metric.Unit != m.Unit {
		return c, fmt.Errorf("metric %s is in %q, not in %q", m.Name, c.Metric.Unit, m.Unit)
	}
	if sameResolution(c.Metric, m) {
		return c, nil
	}
	out := fleet.Column{Metric: m, Values: make([]int32, len(c.Values)), Present: c.Present}
	for i, v := range c.Values {
		if !c.Has(i) {
			continue
		}
		scaled, err := m.Scale(c.Metric.Value(int64(v)))
		if err != nil {
			return c, err
		}
		out.Values[i] = scaled
	}
	return out, nil
}

func sameResolution(a, b fleet.Metric) bool {
	return a.Num == b.Num && a.Den == b.Den && a.Unit == b.Unit
}

// flush hands the buffer to a goroutine that encodes it.
func (w *Writer) flush() error {
	if w.buffer.rows() == 0 {
		return nil
	}
	if err := w.settle(w.opt.Workers - 1); err != nil {
		return err
	}
	if w.made < w.opt.Workers {
		e, err := w.opt.Encoders.get(w.layout)
		if err != nil {
			return err
		}
		w.encoders <- e
		w.made++
	}
	var j *job
	if n := len(w.spare); n > 0 {
		j, w.spare = w.spare[n-1], w.spare[:n-1]
	} else {
		j = &job{buffer: newBuffer(w.layout)}
	}
	w.buffer, j.buffer = j.buffer, w.buffer
	j.done = make(chan struct{})
	w.jobs = append(w.jobs, j)
	go func(e *encoder) {
		defer close(j.done)
		j.group, j.err = e.group(j.buffer, j.body)
		w.encoders <- e
	}(<-w.encoders)
	return nil
}

// settle writes the oldest row groups until at most n are being encoded.
func (w *Writer) settle(n int) error {
	for len(w.jobs) > n {
		j := w.jobs[0]
		w.jobs = w.jobs[1:]
		<-j.done
		if j.err != nil {
			return j.err
		}
		if err := w.place(j.group); err != nil {
			return err
		}
		j.body, j.group.body, j.group = j.group.body, nil, nil
		j.buffer.reset()
		w.spare = append(w.spare, j)
	}
	return nil
}

// place writes a row group behind what is written.
func (w *Writer) place(g *encoded) error {
	if len(w.groups) == maxGroups {
		return fmt.Errorf("a file has at most %d row groups: raise GroupRows", maxGroups)
	}
	row := int64(0)
	if n := len(w.index.groups); n > 0 {
		row = w.index.groups[n-1].end()
	}
	g.place(w.offset, row, len(w.groups))
	w.groups = append(w.groups, g)
	w.index.groups = append(w.index.groups, g.group)
	return w.write(g.body)
}

func (w *Writer) write(b []byte) error {
	n, err := w.out.Write(b)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return fmt.Errorf("write day %s: %w", w.index.day, err)
	}
	_, _ = w.hash.Write(b)
	w.offset += int64(len(b))
	return nil
}

// Close writes what is left, the index and the footer. It does not close the
// underlying writer.
func (w *Writer) Close() (Summary, error) {
	if w.err == nil && w.closed {
		w.err = fmt.Errorf("write day %s: the file is finished", w.index.day)
	}
	if w.err == nil {
		w.err = w.finish()
	}
	if w.err != nil {
		return Summary{}, w.err
	}
	w.closed = true
	return w.summary, nil
}

func (w *Writer) finish() error {
	if err := w.flush(); err != nil {
		return err
	}
	if err := w.settle(0); err != nil {
		return err
	}
	for ; w.made > 0; w.made-- { // no row group is being encoded
		w.opt.Encoders.put(<-w.encoders)
	}
	end, err := tail(w.offset, &w.index, w.layout, w.groups)
	if err != nil {
		return fmt.Errorf("write day %s: %w", w.index.day, err)
	}
	if err := w.write(end); err != nil {
		return err
	}
	w.summary.Runs, w.summary.Bytes, w.summary.Checksum = len(w.index.runs), w.offset, w.hash.Sum64()
	return nil
}
