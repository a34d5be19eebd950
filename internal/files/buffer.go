package files

import "github.com/leanfleet/leanfleet/fleet"

const (
	// batchRows is how many rows a batch has at most.
	batchRows = 4096
	// bufferBytes is how much all hosts' unfinished batches may take: a file in
	// which 10,000 hosts take turns with six metrics still makes batches of 57 rows,
	// with a heap of 65 MB at most.
	bufferBytes = 32 << 20
)

// hostRows is the unfinished batch of a host of the present file.
type hostRows struct {
	name       string
	step       int32
	seen       bool
	last       int64 // start of the last row, left out or not
	lastRecord int64

	start   []int64
	columns []rowColumn

	asked    bool // for the timeline
	day      int64
	timeline []fleet.Record
	record   *fleet.Record // valid at the last row that needed it
	identity fleet.HostID
}

type rowColumn struct {
	values  []int32
	present []bool
	count   int
}

// rowBytes is what a row takes: a time, and a value and a flag for each column.
func (in *intake) rowBytes() int64 { return 8 + 5*int64(len(in.layout.targets)) }

// append adds the row in in.values and in.has.
func (in *intake) append(h *hostRows, start int64) error {
	if h.record != nil && h.record.Host != h.identity {
		// The name belongs to another host from here on.
		if len(h.start) > 0 {
			if err := in.emitRows(h, len(h.start)); err != nil {
				return err
			}
		}
		h.identity = h.record.Host
	}
	if len(h.start) > batchRows {
		if err := in.emitRows(h, len(h.start)-1); err != nil {
			return err
		}
	}
	if len(h.start) == cap(h.start) {
		in.grow(h)
		if in.buffered > in.limit {
			if err := in.flush(false); err != nil {
				return err
			}
			if len(h.start) == cap(h.start) {
				in.grow(h)
			}
		}
	}
	h.start = append(h.start, start)
	for k := range h.columns {
		c := &h.columns[k]
		c.values, c.present = append(c.values, in.values[k]), append(c.present, in.has[k])
		if in.has[k] {
			c.count++
		}
	}
	return nil
}

// grow makes room for four times the rows, up to a full batch.
func (in *intake) grow(h *hostRows) {
	n := cap(h.start)
	size := max(1, min(4*n, batchRows+1))
	in.buffered += int64(size-n) * in.rowBytes()
	h.start = append(make([]int64, 0, size), h.start...)
	for k := range h.columns {
		c := &h.columns[k]
		c.values = append(make([]int32, 0, size), c.values...)
		c.present = append(make([]bool, 0, size), c.present...)
	}
}

// flush emits what all hosts have, but for the last row of each unless the file
// ends, because the next row may belong to the same time. It gives the memory
// back.
func (in *intake) flush(end bool) error {
	in.buffered = 0
	for _, h := range in.order {
		n := len(h.start) - 1
		if end {
			n++
		}
		if n > 0 {
			if err := in.emitRows(h, n); err != nil {
				return err
			}
		}
		// A capacity of one row, or of none, is what is left.
		h.start = append(make([]int64, 0, len(h.start)), h.start...)
		for k := range h.columns {
			c := &h.columns[k]
			c.values = append(make([]int32, 0, len(c.values)), c.values...)
			c.present = append(make([]bool, 0, len(c.present)), c.present...)
		}
		in.buffered += int64(len(h.start)) * in.rowBytes()
	}
	return nil
}

// emitRows hands on the first n rows of a host and keeps the rest.
func (in *intake) emitRows(h *hostRows, n int) error {
	b := &in.batch
	b.Host, b.Origin, b.Step, b.Start = fleet.HostID(h.name), in.opt.Origin, h.step, h.start[:n]
	b.Columns = b.Columns[:0]
	rest := len(h.start) - n
	for k := range h.columns {
		c := &h.columns[k]
		count := c.count
		kept := 0
		for _, p := range c.present[n:] {
			if p {
				kept++
			}
		}
		count -= kept
		if c.count = kept; count == 0 {
			continue
		}
		column := fleet.Column{Metric: in.layout.targets[k], Values: c.values[:n]}
		if count < n {
			column.Present = c.present[:n]
		}
		b.Columns = append(b.Columns, column)
		in.sum.Samples += int64(count)
	}
	in.names[h.name] = struct{}{}
	in.hostSteps[hostStep{h.name, h.step}] = struct{}{}
	in.first = min(in.first, b.Start[0])
	in.last = max(in.last, b.Start[n-1]+int64(h.step))
	if err := in.emit(*b); err != nil {
		return err
	}
	copy(h.start, h.start[n:])
	h.start = h.start[:rest]
	for k := range h.columns {
		c := &h.columns[k]
		copy(c.values, c.values[n:])
		copy(c.present, c.present[n:])
		c.values, c.present = c.values[:rest], c.present[:rest]
	}
	return nil
}
