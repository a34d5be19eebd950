package rightsizing

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

const (
	day = 24 * time.Hour
	// maxDays bounds a history.
	maxDays = 400
)

// cell is one resource of one host on one day. A cell without measured time is
// not known.
type cell struct {
	dist    fleet.Distribution
	covered int64 // milliseconds measured
	sum     float64
	max     float64 // in the metric's unit, exact
	median  float64
}

// mean is in the metric's unit.
func (c *cell) mean() float64 { return c.sum / float64(c.covered) }

// host is what is known of a host in the days of a history.
type host struct {
	record *fleet.Record // valid just before the end
	vcpus  float64       // today's size
	memory float64       // bytes
	cpu    []cell        // by day, oldest first
	mem    []cell
	// expected is the host's lifetime in the window, covered what was measured
	// of its CPU; alive is the lifetime by day.
	expected, covered time.Duration
	alive             []time.Duration
	beside            beside
	load              *load // derived from the days, for the size it has
	slim              bool  // most days have lost their distributions
	// members are the hosts of a scaling group, those that are gone by the end
	// last; nil for a host of its own.
	members []*host
	gone    bool
}

// parts are the hosts whose demand counts: the members, or the host itself.
func (x *host) parts() []*host {
	if x.members != nil {
		return x.members
	}
	return []*host{x}
}

// current is the parts that are there at the end of the history.
func (x *host) current() []*host {
	parts := x.parts()
	for i, p := range parts {
		if p.gone {
			return parts[:i]
		}
	}
	return parts
}

// most is the largest figure of the parts; false where none is known.
func (x *host) most(figure func(*host) (float64, bool)) (float64, bool) {
	top, known := math.Inf(-1), false
	for _, p := range x.parts() {
		if v, ok := figure(p); ok {
			top, known = math.Max(top, v), true
		}
	}
	return top, known
}

// history is the days that end at an instant.
type history struct {
	window fleet.Window
	days   int
	// counted is the time of each day that counts.
	counted []time.Duration
	hosts   map[fleet.HostID]*host
	order   []*host // by host id, there at the end
	gone    []*host // members of scaling groups that are gone by the end
	damage  []fleet.Damage
}

// readHistory reads so many days up to an instant of every host that has a
// record then, and what they use beside CPU and memory where that is asked for. It
// asks the source for nothing at or after the end.
func readHistory(ctx context.Context, env Environment, within fleet.Calendar, end time.Time, days int, partial, beside bool) (*history, error) {
	end = end.Truncate(time.Second)
	h := &history{window: fleet.Window{Start: end.Add(-time.Duration(days) * day), End: end}, days: days, hosts: map[fleet.HostID]*host{}}
	for d := range days {
		from := h.window.Start.Add(time.Duration(d) * day)
		h.counted = append(h.counted, within.Duration(fleet.Window{Start: from, End: from.Add(day)}))
	}
	records, err := env.Source.Records(ctx, fleet.Selector{}, fleet.Window{Start: end.Add(-time.Millisecond), End: end})
	if err != nil {
		return nil, fmt.Errorf("list hosts: %w", err)
	}
	for i := range records {
		r := &records[i]
		if !r.ValidAt(end.Add(-time.Millisecond)) || r.State == fleet.StateTerminated || h.hosts[r.Host] != nil {
			continue
		}
		h.order = append(h.order, h.add(r))
	}
	if len(h.order) == 0 {
		return h, nil
	}
	if err := h.addGone(ctx, env.Source); err != nil {
		return nil, err
	}
	peaks := map[fleet.HostID][]cell{}
	for _, m := range []fleet.Metric{fleet.CPUCoresUsed, fleet.CPUCoresPeak, fleet.MemoryUsedBytes} {
		if err := h.read(ctx, env.Source, m, within, partial, peaks); err != nil {
			return nil, fmt.Errorf("read %s: %w", m.Name, err)
		}
	}
	for id, list := range peaks {
		h.hosts[id].usePeaks(list)
	}
	if beside {
		if err := h.readBeside(ctx, env.Source, within, partial); err != nil {
			return nil, err
		}
		for _, x := range h.hosts {
			x.beside.settle()
		}
	}
	for _, x := range h.hosts {
		finish(fleet.CPUCoresUsed, x.cpu)
		finish(fleet.MemoryUsedBytes, x.mem)
	}
	return h, nil
}

func (h *history) add(r *fleet.Record) *host {
	x := &host{record: r, cpu: make([]cell, h.days), mem: make([]cell, h.days), alive: make([]time.Duration, h.days)}
	h.hosts[r.Host] = x
	return x
}

// addGone adds the hosts that were in one of today's scaling groups inside the
// window and are gone by its end: their demand was the group's.
func (h *history) addGone(ctx context.Context, s fleet.Source) error {
	groups := map[groupKey]bool{}
	for _, x := range h.order {
		if k := groupOf(x.record); k.ownedBy != "" {
			groups[k] = true
		}
	}
	if len(groups) == 0 {
		return nil
	}
	records, err := s.Records(ctx, fleet.Selector{}, h.window)
	if err != nil {
		return fmt.Errorf("list members of scaling groups: %w", err)
	}
	for i := range records {
		r := &records[i]
		if x := h.hosts[r.Host]; x != nil {
			if x.gone && r.From.After(x.record.From) {
				x.record = r
			}
			continue
		}
		if groups[groupOf(r)] {
			x := h.add(r)
			x.gone = true
			h.gone = append(h.gone, x)
		}
	}
	return nil
}

// alignedZone is a zone whose midnight is at the given instant's time of day, so
// that a source's days are 24 hours counted from it.
func alignedZone(t time.Time) *time.Location {
	u := t.UTC()
	into := u.Hour()*3600 + u.Minute()*60 + u.Second()
	return time.FixedZone("aligned", -into)
}

func (h *history) read(ctx context.Context, s fleet.Source, m fleet.Metric, within fleet.Calendar, partial bool, peaks map[fleet.HostID][]cell) error {
	q := fleet.Query{Metric: m, Window: h.window, Step: fleet.StepDay, Location: alignedZone(h.window.End), Within: within}
	for p, err := range s.Profiles(ctx, q) {
		if err != nil {
			if err = fleet.Tolerate(err, partial, &h.damage); err != nil {
				return err
			}
			continue
		}
		x := h.hosts[p.Record.Host]
		if x == nil {
			continue
		}
		i := int(p.Window.Start.Sub(h.window.Start) / day)
		var into []cell
		switch m.Name {
		case fleet.CPUCoresUsed.Name:
			into = x.cpu
			x.alive[i] += p.Expected
			x.expected += p.Expected
			x.covered += min(p.Covered, p.Expected)
		case fleet.MemoryUsedBytes.Name:
			into = x.mem
		default:
			if p.Count == 0 {
				continue
			}
			if into = peaks[p.Record.Host]; into == nil {
				into = make([]cell, h.days)
				peaks[p.Record.Host] = into
			}
		}
		into[i].add(&p, m)
	}
	return nil
}

// add takes in a day's samples under one record; a day may have several.
func (c *cell) add(p *fleet.Profile, m fleet.Metric) {
	if p.Count == 0 {
		return
	}
	if c.covered == 0 {
		c.dist = p.Distribution
	} else {
		c.dist = fleet.MergeDistributions(c.dist, p.Distribution)
	}
	c.covered += p.Distribution.Weight()
	c.sum += p.Sum.Float64() * m.Resolution()
	c.max = math.Max(c.max, m.Value(p.Max))
}

// usePeaks lets sub-interval peaks take the place of means on the days of which
// they cover most.
func (x *host) usePeaks(peaks []cell) {
	for i := range peaks {
		if p := &peaks[i]; p.covered > 0 && p.covered*5 >= x.cpu[i].covered*4 {
			x.cpu[i] = *p
		}
	}
}

func finish(m fleet.Metric, cells []cell) {
	for i := range cells {
		if c := &cells[i]; c.covered > 0 {
			v, _ := c.dist.Quantile(500000)
			c.median = m.Value(v)
		}
	}
}

// trim drops the leading days on which nothing at all was measured, so that the
// history begins with the fleet's first sample.
func (h *history) trim() {
	first := h.days
	for _, x := range h.hosts {
		for i := 0; i < first; i++ {
			if x.cpu[i].covered > 0 || x.mem[i].covered > 0 {
				first = i
				break
			}
		}
	}
	first = min(first, h.days-1)
	for _, x := range h.hosts {
		x.cpu, x.mem, x.alive = x.cpu[first:], x.mem[first:], x.alive[first:]
	}
	h.counted = h.counted[first:]
	h.days -= first
	h.window.Start = h.window.Start.Add(time.Duration(first) * day)
}
