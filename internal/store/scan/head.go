package scan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/store/dayfile"
	"github.com/leanfleet/leanfleet/internal/store/head"
)

// strip returns what the head has of a host on a day; nil when it has nothing.
func (d *DayView) strip(id fleet.HostID) *head.Strip {
	if len(d.Head) == 0 {
		return nil
	}
	i, ok := slices.BinarySearchFunc(d.Head, id, func(s head.Strip, id fleet.HostID) int { return strings.Compare(string(s.Host), string(id)) })
	if !ok {
		return nil
	}
	return &d.Head[i]
}

// sealed says whether the rows of a host in the day's file count.
func (d *DayView) sealed(id fleet.HostID) bool {
	s := d.strip(id)
	return s == nil || !s.Over
}

// headBuffer is memory for rows of the head.
type headBuffer struct {
	values, capacity head.Column
	starts           []int64
}

// headRows are the rows of a segment of a strip. Where the metric was defined
// otherwise when they came, they are converted as those of sealed files are.
func (w *worker) headRows(d *DayView, s *head.Strip, i int) runRows {
	p := w.plan
	table := p.view.Table
	r := runRows{run: s.Run(i)}
	for _, n := range p.inHead {
		if r.values, r.present = s.Values(i, n, &w.head.values); len(r.values) == 0 {
			continue
		}
		c, err := dayfile.Convert(fleet.Column{Metric: table.Metrics()[n], Values: r.values}, p.stored())
		if err != nil {
			w.note(*d, fmt.Errorf("host %s: %w", s.Host, err))
			return runRows{run: r.run}
		}
		r.values = c.Values
		break
	}
	if !r.run.Regular {
		w.head.starts = s.Starts(i, w.head.starts[:0])
		r.starts = w.head.starts
	}
	if p.query.Metric.Derived() && len(r.values) > 0 {
		values, present := s.Values(i, table.Number(p.capacity.Name), &w.head.capacity)
		r.capacity = spreadOut(values, present, r.run.Rows)
	}
	return r
}

// spreadOut is packed capacities row by row, 0 where there is none.
func spreadOut(values []int32, present []bool, rows int) capacityOf {
	switch {
	case len(values) == 0:
		return capacityOf{}
	case present == nil:
		return capacityOf{values: values}
	}
	full := make([]int32, rows)
	k := 0
	for i, p := range present {
		if p {
			full[i] = values[k]
			k++
		}
	}
	return capacityOf{values: full}
}

// headDay adds what the head has of a day to the hosts of a block; sealed rows
// come before it.
func (w *worker) headDay(d *DayView, hosts []host, states []*state) {
	if len(d.Head) == 0 {
		return
	}
	for i := range hosts {
		if len(hosts[i].members) > 1 {
			continue
		}
		if s := d.strip(hosts[i].id); s != nil {
			w.addStrip(d, s, states[i])
		}
	}
}

func (w *worker) addStrip(d *DayView, s *head.Strip, to *state) {
	for k := range s.Segments() {
		if r := w.headRows(d, s, k); len(r.values) > 0 {
			w.plan.addRun(to, r)
		}
	}
}

// headSamples appends what the head has of a host's id on a day.
func (w *worker) headSamples(d *DayView, s *head.Strip, h *host, out []sample) []sample {
	derived := w.plan.query.Metric.Derived()
	for i := range s.Segments() {
		r := w.headRows(d, s, i)
		if len(r.values) == 0 {
			continue
		}
		k := 0
		t := r.run.First
		for row := range r.run.Rows {
			if r.starts != nil {
				t = r.starts[row]
			} else if row > 0 {
				t += int64(r.run.Step)
			}
			if r.present != nil && !r.present[row] {
				continue
			}
			v := int64(r.values[k])
			k++
			if derived {
				v = w.plan.absolute(h, r.capacity, row, t, v)
			}
			out = append(out, sample{t, v, r.run.Step})
		}
	}
	return out
}
