package files

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

// Reasons for which rows and values are left out.
const (
	reasonNegative  = "negative"
	reasonNotNumber = "not a number"
	reasonTooLarge  = "too large"
	reasonZero      = "capacity of zero"
	reasonNoSize    = "no capacity known"
	reasonFuture    = "time in the future"
	reasonPast      = "time before 1970"
	reasonBackwards = "time goes backwards"
	reasonConflict  = "two values at the same time"
)

// cell is a value of a row in the unit of its column.
type cell struct {
	value float64
	has   bool
}

// locator says where the present row is, for errors.
type locator interface {
	place(index int) place         // of a cell, or of the row for -1
	text(index int) string         // a cell as it stands in the file
	reference(record int64) string // how an error calls another row
}

// intake turns the rows of files into batches.
type intake struct {
	ctx      context.Context
	opt      SamplesOptions
	emit     func(fleet.Batch) error
	meter    *meter
	latest   int64 // times after it are in the future
	lastFile bool

	// Of all files.
	sum         SamplesSummary
	first, last int64
	names       map[string]struct{}
	hostSteps   map[hostStep]struct{}
	high        map[hostMetric]*HighRatio
	skips       map[string]*Skip
	matched     map[string]bool // columns of Map and Ignore that were met

	// Of the present file.
	layout   *layout
	steps    steps
	hosts    map[string]*hostRows
	order    []*hostRows
	now      *hostRows
	buffered int64   // bytes
	budget   int64   // what may be buffered, but for one row of each host
	limit    int64   // the budget, or room for those rows
	values   []int32 // of the present row, by target
	has      []bool
	batch    fleet.Batch
}

type hostStep struct {
	host string
	step int32
}

type hostMetric struct{ host, metric string }

func newIntake(ctx context.Context, opt SamplesOptions, emit func(fleet.Batch) error) (*intake, error) {
	if err := checkSamplesOptions(&opt); err != nil {
		return nil, err
	}
	in := &intake{
		ctx: ctx, opt: opt, emit: emit, latest: fleet.MaxTime, first: math.MaxInt64, budget: bufferBytes, limit: bufferBytes,
		names: map[string]struct{}{}, hostSteps: map[hostStep]struct{}{}, high: map[hostMetric]*HighRatio{},
		skips: map[string]*Skip{}, matched: map[string]bool{},
	}
	if !opt.Now.IsZero() {
		in.latest = min(fleet.MaxTime, opt.Now.Add(opt.FutureTolerance).UnixMilli())
	}
	return in, nil
}

// begin starts a file: hosts are known by file, so that files may overlap.
func (in *intake) begin() {
	in.layout, in.now, in.buffered = nil, nil, 0
	in.hosts, in.order = map[string]*hostRows{}, nil
}

// setLayout fixes what the rows of the file hold.
func (in *intake) setLayout(l *layout, s steps) {
	in.layout, in.steps = l, s
	in.values, in.has = make([]int32, len(l.targets)), make([]bool, len(l.targets))
}

// badTime is the reason for which a time is impossible, "" when it is possible.
func (in *intake) badTime(ms int64) string {
	switch {
	case ms < fleet.MinTime:
		return reasonPast
	case ms > in.latest:
		return reasonFuture
	}
	return ""
}

// row takes a row of the present file.
func (in *intake) row(at locator, name []byte, ms int64, cells []cell) error {
	in.sum.Rows++
	if in.now == nil || string(name) != in.now.name {
		if err := in.enter(at, name); err != nil {
			return err
		}
	}
	h, l := in.now, in.layout
	if reason := in.badTime(ms); reason != "" {
		return in.badRow(at, cells, reason, fmt.Sprintf("%s is %s", showTime(ms), whyTime(reason)))
	}
	if h.step == 0 {
		if h.step = in.steps.of(h.name); h.step == 0 {
			return fmt.Errorf("%s: host %s has one row in the file, so the time its rows cover cannot be told: give the step", at.place(l.stamp), h.name)
		}
	}
	start := ms
	if in.opt.Stamp == StampEnd {
		if start -= int64(h.step); start < fleet.MinTime {
			return in.badRow(at, cells, reasonPast, fmt.Sprintf("an interval that ends at %s begins before 1970", showTime(ms)))
		}
	}
	if h.seen && start < h.last {
		return in.badRow(at, cells, reasonBackwards, fmt.Sprintf("time goes backwards: host %s has %s here, after %s on %s", h.name, showTime(ms), showTime(h.last+ms-start), at.reference(h.lastRecord)))
	}
	again := h.seen && start == h.last && len(h.start) > 0 && h.start[len(h.start)-1] == start
	previous := h.lastRecord
	h.seen, h.last, h.lastRecord = true, start, at.place(-1).record
	some, err := in.scale(at, h, start, cells)
	if err != nil || !some {
		return err
	}
	if again {
		return in.repeat(at, h, previous)
	}
	return in.append(h, start)
}

// enter makes the named host the present one.
func (in *intake) enter(at locator, name []byte) error {
	h := in.hosts[string(name)]
	if h == nil {
		if err := checkHostName(name); err != nil {
			return fmt.Errorf("%s: %w", at.place(in.layout.host), err)
		}
		h = &hostRows{name: string(name), columns: make([]rowColumn, len(in.layout.targets))}
		in.hosts[h.name] = h
		in.order = append(in.order, h)
		// Each host keeps one row buffered: leave room for that many.
		in.limit = max(in.budget, 4*int64(len(in.order))*in.rowBytes())
	}
	in.now = h
	return nil
}

// scale turns the cells of a row into stored integers, in in.values and in.has.
func (in *intake) scale(at locator, h *hostRows, start int64, cells []cell) (some bool, err error) {
	clear(in.has)
	clear(in.values)
	for k := range cells {
		if !cells[k].has {
			continue
		}
		c, v := &in.layout.values[k], cells[k].value
		if c.capacity >= 0 && v >= 0 && !math.IsInf(v, 1) {
			var known bool
			if v, known, err = in.relate(at, h, start, c, v); err != nil {
				return false, err
			} else if !known {
				continue
			}
		}
		scaled := math.Round(v * c.den / c.num)
		if !(v >= 0 && scaled <= math.MaxInt32) || (scaled == 0 && c.sized) {
			if err := in.badValue(at, c, cells[k].value, scaled); err != nil {
				return false, err
			}
			continue
		}
		in.values[c.target], in.has[c.target], some = int32(scaled), true, true
		if c.ratio && scaled*c.num > c.den {
			in.aboveOne(h, &in.layout.targets[c.target], v)
		}
	}
	return some, nil
}

// aboveOne counts a ratio above 1.
func (in *intake) aboveOne(h *hostRows, m *fleet.Metric, ratio float64) {
	in.sum.AboveOne++
	if ratio <= in.opt.RatioWarning {
		return
	}
	key := hostMetric{h.name, m.Name}
	r := in.high[key]
	if r == nil {
		r = &HighRatio{Host: h.name, Metric: m.Name}
		in.high[key] = r
	}
	r.Samples++
	scaled, err := m.Scale(ratio)
	if err == nil {
		r.Highest = max(r.Highest, m.Value(int64(scaled)))
	}
}

// relate turns an absolute value into a ratio of the capacity that the row
// states, or else of the one recorded, which then goes into the row.
func (in *intake) relate(at locator, h *hostRows, start int64, c *valueColumn, v float64) (ratio float64, known bool, err error) {
	if !in.has[c.capacity] {
		scaled, err := in.capacity(h, start, in.layout.targets[c.capacity])
		if err != nil {
			return 0, false, fmt.Errorf("%s: capacity of host %s: %w", at.place(c.index), h.name, err)
		}
		if scaled == 0 {
			return 0, false, in.noCapacity(at, h, start, c)
		}
		in.values[c.capacity], in.has[c.capacity] = scaled, true
	}
	m := &in.layout.targets[c.capacity]
	return v / m.Value(int64(in.values[c.capacity])), true, nil
}

// capacity is what records say of a host's size, at the resolution of the
// metric; 0 when they say nothing.
func (in *intake) capacity(h *hostRows, start int64, m fleet.Metric) (int32, error) {
	if in.opt.Records == nil {
		return 0, nil
	}
	t := time.UnixMilli(start).UTC()
	if day := start / fleet.MaxStep.Milliseconds(); !h.asked || day != h.day {
		timeline, err := in.opt.Records(h.name, t)
		if err != nil {
			return 0, err
		}
		h.timeline, h.asked, h.day, h.record = timeline, true, day, nil
	}
	if h.record == nil || !h.record.ValidAt(t) {
		h.record = nil
		for i := range h.timeline {
			if h.timeline[i].ValidAt(t) {
				h.record = &h.timeline[i]
				break
			}
		}
	}
	if h.record == nil {
		return 0, nil
	}
	switch m.Name {
	case fleet.CapacityVCPUs.Name:
		return m.Scale(h.record.Capacity.VCPUs)
	case fleet.CapacityMemory.Name:
		return m.Scale(float64(h.record.Capacity.MemoryBytes))
	}
	return 0, nil
}

// repeat takes a second row of a host at the same time: it may add values, and
// repeat them, but not contradict them.
func (in *intake) repeat(at locator, h *hostRows, previous int64) error {
	last := len(h.start) - 1
	for k := range in.has {
		if !in.has[k] {
			continue
		}
		c := &h.columns[k]
		switch {
		case !c.present[last]:
			c.values[last], c.present[last] = in.values[k], true
			c.count++
		case c.values[last] == in.values[k]:
			in.sum.Repeated++
		default:
			m := in.layout.targets[k]
			index := in.layout.indexOf(k)
			text := fmt.Sprintf("host %s has two values of %s at %s: %v here and %v on %s", h.name, m.Name, showTime(h.last), m.Value(int64(in.values[k])), m.Value(int64(c.values[last])), at.reference(previous))
			if err := in.bad(at.place(index), reasonConflict, text, 1, 0, fleet.ErrImpossible); err != nil {
				return err
			}
		}
	}
	return nil
}

// badValue deals with a value that cannot be stored.
func (in *intake) badValue(at locator, c *valueColumn, v, scaled float64) error {
	text := at.text(c.index)
	switch {
	case math.IsNaN(v):
		return in.bad(at.place(c.index), reasonNotNumber, text+" is not a number", 1, 0, fleet.ErrImpossible)
	case v < 0:
		return in.bad(at.place(c.index), reasonNegative, text+" is negative", 1, 0, fleet.ErrImpossible)
	case scaled == 0:
		return in.bad(at.place(c.index), reasonZero, text+" is no capacity: leave the cell empty where it is unknown", 1, 0, fleet.ErrImpossible)
	}
	m := in.layout.targets[c.target]
	limit := strconv.FormatFloat(m.Value(math.MaxInt32), 'f', -1, 64)
	return in.bad(at.place(c.index), reasonTooLarge, text+" is too large: the largest "+m.Name+" is "+limit, 1, 0, fleet.ErrImpossible)
}

// noCapacity deals with an absolute value of a host of unknown size.
func (in *intake) noCapacity(at locator, h *hostRows, start int64, c *valueColumn) error {
	column := "vcpus"
	if in.layout.targets[c.capacity].Name == fleet.CapacityMemory.Name {
		column = "memory_bytes"
	}
	text := fmt.Sprintf("for host %s at %s: give %s in the file, or %s or instance_type in an inventory", h.name, showTime(start), in.layout.targets[c.capacity].Name, column)
	return in.bad(at.place(c.index), reasonNoSize, text, 1, 0, ErrNoCapacity)
}

// badRow deals with a row whose time is impossible.
func (in *intake) badRow(at locator, cells []cell, reason, text string) error {
	n := int64(0)
	for _, c := range cells {
		if c.has {
			n++
		}
	}
	return in.bad(at.place(in.layout.stamp), reason, text, n, 1, fleet.ErrImpossible)
}

// bad is an error, or counts what is left out and is nil.
func (in *intake) bad(at place, reason, text string, samples, rows int64, kind error) error {
	if !in.opt.SkipBad {
		if errors.Is(kind, ErrNoCapacity) {
			return fmt.Errorf("%s: %w %s", at, kind, text)
		}
		return fmt.Errorf("%s: %w: %s", at, kind, text)
	}
	s := in.skips[reason]
	if s == nil {
		s = &Skip{Reason: reason, First: fmt.Sprintf("%s: %s", at, text)}
		in.skips[reason] = s
	}
	s.Samples += samples
	s.Rows += rows
	return nil
}

func showTime(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339Nano) }

func whyTime(reason string) string {
	if reason == reasonPast {
		return "before 1970"
	}
	return "in the future"
}
