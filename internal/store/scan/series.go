package scan

import (
	"cmp"
	"context"
	"iter"
	"slices"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/store/dayfile"
)

// Series answers a query; see [fleet.Source]. It reads a few neighbouring hosts
// at a time, so that their common pages are read once.
func Series(ctx context.Context, v View, q fleet.Query) iter.Seq2[fleet.Series, error] {
	return func(yield func(fleet.Series, error) bool) {
		q.Step = fleet.StepWhole
		p, err := newPlan(v, q)
		if err != nil {
			yield(fleet.Series{}, err)
			return
		}
		for _, d := range p.days {
			if d.Err != nil && !yield(fleet.Series{}, damaged(d, d.Err)) {
				return
			}
		}
		if q.Groups {
			p.groupSeries(ctx, yield)
			return
		}
		w := newWorker(p, &damageList{seen: map[dayfile.Day]bool{}})
		size := p.seriesBlock()
		for first, end := 0, 0; first < len(p.hosts); first = end {
			if end = min(first+size, len(p.hosts)); first == 0 {
				end = 1 // there are those who only ask whether there is any sample
			}
			hosts := p.hosts[first:end]
			ok := w.read(ctx, p.days, hosts)
			if !ok {
				yield(fleet.Series{}, ctx.Err())
				return
			}
			for _, e := range w.errs {
				if !yield(fleet.Series{}, e) {
					return
				}
			}
			w.errs = nil
			for i := range hosts {
				if !p.emit(&hosts[i], w.held[i].all, yield) {
					return
				}
			}
		}
	}
}

// seriesBlock is how many hosts are read at once: three pages' worth, less for
// long windows, so that about 200,000 samples are held, a megabyte: an export reads
// twenty metrics along with each other.
func (p *plan) seriesBlock() int {
	return max(1, min(blockHosts, 200000/(1440*max(1, len(p.days)))))
}

// sample is one value in time.
type sample struct {
	start, value int64
	step         int32
}

// read collects the samples of some hosts on some days in time order.
func (w *worker) read(ctx context.Context, days []DayView, hosts []host) bool {
	for len(w.held) < len(hosts) {
		w.held, w.oneDay = append(w.held, held{}), append(w.oneDay, nil)
	}
	for i := range hosts {
		w.held[i].reset()
	}
	out := w.oneDay[:len(hosts)]
	for _, d := range days {
		if ctx.Err() != nil {
			return false
		}
		for i := range out {
			out[i] = out[i][:0]
		}
		if d.File == nil && len(d.Head) == 0 {
			continue
		}
		for i := range hosts {
			if len(hosts[i].members) > 1 {
				out[i] = append(out[i], w.mergedSamples(d, &hosts[i])...)
			}
		}
		for _, x := range stretches(&d, hosts) {
			w.stretch(d, x, func(lo, hi int, next *int) error {
				return w.runSamples(d, x, hosts, lo, hi, next, out)
			})
		}
		for i := range hosts {
			if len(hosts[i].members) > 1 || len(d.Head) == 0 {
				continue
			}
			if s := d.strip(hosts[i].id); s != nil {
				out[i] = w.headSamples(&d, s, &hosts[i], out[i])
			}
		}
		for i := range out {
			w.held[i].add(out[i])
		}
	}
	return true
}

// mergedSamples returns a day of a host merged from several, in time order.
// Where two tell of the same start, the host's own id wins, then the ones merged
// earlier.
func (w *worker) mergedSamples(d DayView, h *host) []sample {
	all := make([][]sample, 1)
	members := 0
	for _, id := range h.members {
		before := len(all[0])
		if d.File != nil && d.sealed(id) {
			if lo, hi := d.File.FindHost(id); lo < hi {
				x := wanted{lo: lo, hi: hi, owner: make([]int, hi-lo)}
				w.stretch(d, x, func(lo, hi int, next *int) error {
					return w.runSamples(d, x, []host{*h}, lo, hi, next, all)
				})
			}
		}
		if s := d.strip(id); s != nil {
			all[0] = w.headSamples(&d, s, h, all[0])
		}
		if len(all[0]) > before {
			members++
		}
	}
	out := all[0]
	if members > 1 {
		slices.SortStableFunc(out, func(a, b sample) int { return cmp.Compare(a.start, b.start) })
		out = slices.CompactFunc(out, func(a, b sample) bool { return a.start == b.start })
	}
	return out
}

// runSamples appends the samples of runs [lo, hi) to their hosts; next is the
// first run not yet read. Samples of a derived metric whose capacity is unknown
// have the value -1.
func (w *worker) runSamples(d DayView, x wanted, hosts []host, lo, hi int, next *int, out [][]sample) error {
	index := d.File.Runs()
	metric := w.plan.query.Metric
	var capacity *column
	var err error
	if metric.Derived() {
		metric = w.plan.ratio
		if capacity, err = w.rows.column(d.File, w.plan.capacity, lo, hi, w.scratch); err != nil {
			return err
		}
	}
	at := make([]int, hi-lo+1) // of each run's times
	w.rows.starts = w.rows.starts[:0]
	err = d.File.Starts(lo, hi, w.scratch, func(run int, s []int64) error {
		at[run-lo] = len(w.rows.starts)
		w.rows.starts = append(w.rows.starts, s...)
		return nil
	})
	if err != nil {
		return err
	}
	return d.File.Scan(metric, lo, hi, w.scratch, func(run int, values []int32, present []bool) error {
		*next = run + 1
		owner := x.owner[run-x.lo]
		if owner < 0 {
			return nil
		}
		var c capacityOf
		if capacity != nil {
			c = capacity.of(run)
		}
		k := 0
		for i, t := range w.rows.starts[at[run-lo]:][:index[run].Rows] {
			if present != nil && !present[i] {
				continue
			}
			v := int64(values[k])
			k++
			if capacity != nil {
				v = w.plan.absolute(&hosts[owner], c, i, t, v)
			}
			out[owner] = append(out[owner], sample{t, v, index[run].Step})
		}
		return nil
	})
}

// absolute is ratio × capacity, -1 where the capacity is unknown.
func (p *plan) absolute(h *host, c capacityOf, row int, t, ratio int64) int64 {
	known := int64(0)
	if r := h.recordAt(t); r < len(h.timeline) { // else it has no record then
		known = nominal(p.capacity, h.timeline[r].Capacity)
	}
	if x := c.at(row, known); x > 0 {
		return ratio * x
	}
	return -1
}

// mergedDay adds one day of a host that was merged from several.
func (w *worker) mergedDay(d DayView, s *state) {
	p := w.plan
	for _, x := range w.mergedSamples(d, s.host) {
		p.addSample(s, x)
	}
}

// addSample adds a sample to the profile it belongs to; samples come in time
// order.
func (p *plan) addSample(s *state, x sample) {
	i, record := p.pieceAt(x.start), s.host.recordAt(x.start)
	if i == len(p.pieces) || x.start < p.pieces[i].from || !s.host.holds(record, x.start) {
		return
	}
	b := s.at(p, record, p.pieces[i].step)
	if x.value < 0 {
		b.AddWithoutCapacity(1)
		return
	}
	b.Add(x.value, int64(x.step))
}

// emit yields a host's samples in blocks cut at records and changes of step.
func (p *plan) emit(h *host, samples iter.Seq[sample], yield func(fleet.Series, error) bool) bool {
	var s fleet.Series
	record := -1
	send := func() bool {
		ok := len(s.Start) == 0 || yield(s, nil)
		s.Start, s.Values = s.Start[:0], s.Values[:0]
		return ok
	}
	for x := range samples {
		i, r := p.pieceAt(x.start), h.recordAt(x.start)
		if i == len(p.pieces) || x.start < p.pieces[i].from || x.value < 0 || !h.holds(r, x.start) {
			continue
		}
		if r != record || x.step != s.Step || len(s.Start) == maxSeries {
			if !send() {
				return false
			}
			record = r
			s.Record, s.Step = &h.timeline[r], x.step
		}
		s.Start = append(s.Start, x.start)
		s.Values = append(s.Values, x.value)
	}
	return send()
}

// maxSeries bounds the samples of a block of a series.
const maxSeries = 8192
