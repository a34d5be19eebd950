package fleet

import (
	"fmt"
	"time"
)

// Batch is rows of one host in time order, one column a metric: the shape of
// the wire, the head and the sealed file.
type Batch struct {
	// Host is the host's id, or any alias of it, resolved by the sink at the
	// time of the first row. A name nobody knows becomes a new host.
	Host HostID
	// Group is the process group the rows are of, such as "postgres"; "" is the
	// host itself. Rows of a group carry cpu_usage and memory_usage only, as
	// shares of the host's capacity, and count nowhere as the host's.
	Group string
	// Origin is the way the rows came in.
	Origin Origin
	// Start holds the start of each row's interval in Unix milliseconds,
	// strictly increasing.
	Start []int64
	// Step is the milliseconds that each row covers.
	Step int32
	// Columns hold the values, each metric at most once.
	Columns []Column
}

// Column is the values of one metric in a [Batch], one for each row.
type Column struct {
	Metric Metric
	// Values are scaled to the metric's resolution; none is negative.
	Values []int32
	// Present says which rows have a value; nil means all of them.
	Present []bool
}

// Has says whether row i has a value.
func (c *Column) Has(i int) bool { return c.Present == nil || c.Present[i] }

// Count is the number of values.
func (c *Column) Count() int {
	if c.Present == nil {
		return len(c.Values)
	}
	n := 0
	for _, p := range c.Present {
		if p {
			n++
		}
	}
	return n
}

// MaxStep is the longest step of a sample, a day: a sample belongs whole to the
// day that holds its start.
const MaxStep = 24 * time.Hour

// MinTime and MaxTime bound the starts a sample may have: the years 1970 to
// 2261, which nanoseconds since 1970 can hold.
const (
	MinTime int64 = 0
	MaxTime int64 = 9223372036854
)

// Validate says what is wrong with a batch, naming host, row and metric.
func (b *Batch) Validate() error {
	if b.Host == "" {
		return fmt.Errorf("batch without a host")
	}
	if b.Step <= 0 || int64(b.Step) > MaxStep.Milliseconds() {
		return fmt.Errorf("host %s: a step of %d ms is not between 1 ms and 24 h", b.Host, b.Step)
	}
	for i, t := range b.Start {
		if t < MinTime || t > MaxTime {
			return fmt.Errorf("host %s, row %d: time %d ms is out of range", b.Host, i, t)
		}
		if i > 0 && t <= b.Start[i-1] {
			return fmt.Errorf("host %s, row %d: time goes backwards, %s after %s", b.Host, i, stamp(t), stamp(b.Start[i-1]))
		}
	}
	seen := make(map[string]bool, len(b.Columns))
	for i := range b.Columns {
		if err := b.validateColumn(&b.Columns[i]); err != nil {
			return fmt.Errorf("host %s: %w", b.Host, err)
		}
		if seen[b.Columns[i].Metric.Name] {
			return fmt.Errorf("host %s: metric %s stands twice in a batch", b.Host, b.Columns[i].Metric.Name)
		}
		seen[b.Columns[i].Metric.Name] = true
	}
	return nil
}

func (b *Batch) validateColumn(c *Column) error {
	switch {
	case c.Metric.Name == "" || c.Metric.Derived():
		return fmt.Errorf("metric %q is not a stored one", c.Metric.Name)
	case len(c.Values) != len(b.Start):
		return fmt.Errorf("metric %s has %d values for %d rows", c.Metric.Name, len(c.Values), len(b.Start))
	case c.Present != nil && len(c.Present) != len(b.Start):
		return fmt.Errorf("metric %s says of %d rows out of %d whether it is present", c.Metric.Name, len(c.Present), len(b.Start))
	}
	for i, v := range c.Values {
		if v < 0 && c.Has(i) {
			return fmt.Errorf("metric %s at %s: %w: %v is negative", c.Metric.Name, stamp(b.Start[i]), ErrImpossible, c.Metric.Value(int64(v)))
		}
	}
	return nil
}

// Cut returns the rows before row and those from it on; they share memory with b.
func (b *Batch) Cut(row int) (before, after Batch) {
	before, after = *b, *b
	before.Start, after.Start = b.Start[:row:row], b.Start[row:]
	before.Columns, after.Columns = make([]Column, len(b.Columns)), make([]Column, len(b.Columns))
	for i, c := range b.Columns {
		x, y := c, c
		x.Values, y.Values = c.Values[:row:row], c.Values[row:]
		if c.Present != nil {
			x.Present, y.Present = c.Present[:row:row], c.Present[row:]
		}
		before.Columns[i], after.Columns[i] = x, y
	}
	return before, after
}

// Samples is the number of values in the batch.
func (b *Batch) Samples() int {
	n := 0
	for i := range b.Columns {
		n += b.Columns[i].Count()
	}
	return n
}

func stamp(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339Nano) }
