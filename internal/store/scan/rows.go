package scan

import (
	"sort"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/store/dayfile"
)

// gapRuns is how many unwanted runs are read along rather than sought over.
const gapRuns = 8

// wanted is a stretch of neighbouring runs, and which host of the block each is
// of; -1 is a run read along.
type wanted struct {
	lo, hi int
	owner  []int
}

// stretches finds the runs of a block's hosts in a day. Hosts that were merged
// from several are left out: their runs lie apart; and so are those of which the
// head has all rows.
func stretches(d *DayView, hosts []host) []wanted {
	if d.File == nil {
		return nil
	}
	var list []wanted
	for i := range hosts {
		if len(hosts[i].members) > 1 || !d.sealed(hosts[i].id) {
			continue
		}
		lo, hi := d.File.FindHost(hosts[i].id)
		if lo == hi {
			continue
		}
		n := len(list)
		if n == 0 || lo-list[n-1].hi > gapRuns {
			list = append(list, wanted{lo: lo, hi: lo})
			n++
		}
		last := &list[n-1]
		for last.hi < lo {
			last.owner = append(last.owner, -1)
			last.hi++
		}
		for last.hi < hi {
			last.owner = append(last.owner, i)
			last.hi++
		}
	}
	return list
}

// day adds one day's rows to the hosts of a block.
func (w *worker) day(d DayView, hosts []host, states []*state) {
	for i := range hosts {
		if len(hosts[i].members) > 1 {
			w.mergedDay(d, states[i])
		}
	}
	for _, x := range stretches(&d, hosts) {
		w.stretch(d, x, func(lo, hi int, next *int) error { return w.runs(d, x, states, lo, hi, next) })
	}
	w.headDay(&d, hosts, states)
}

// stretch reads neighbouring runs. Where a page is damaged, the runs on it are
// left out and the rest is read run by run. read is told the first run that it
// has not yet read.
func (w *worker) stretch(d DayView, x wanted, read func(lo, hi int, next *int) error) {
	next := x.lo
	err := read(x.lo, x.hi, &next)
	if err == nil {
		return
	}
	for run := next; run < x.hi; run++ {
		if x.owner[run-x.lo] < 0 {
			continue // damage among runs that were only read along is nobody's
		}
		if err := read(run, run+1, &next); err != nil {
			w.note(d, err)
		}
	}
}

func (w *worker) note(d DayView, err error) {
	if w.damage.first(d.Day) {
		w.errs = append(w.errs, damaged(d, err))
	}
}

// runs adds runs [lo, hi); next is the first one not yet added.
func (w *worker) runs(d DayView, x wanted, states []*state, lo, hi int, next *int) error {
	starts, err := w.starts(d, x, states, lo, hi)
	if err != nil {
		return err
	}
	var capacity *column
	metric := w.plan.query.Metric
	if metric.Derived() {
		if capacity, err = w.rows.column(d.File, w.plan.capacity, lo, hi, w.scratch); err != nil {
			return err
		}
		metric = w.plan.ratio
	}
	index := d.File.Runs()
	return d.File.Scan(metric, lo, hi, w.scratch, func(run int, values []int32, present []bool) error {
		*next = run + 1
		if x.owner[run-x.lo] < 0 || len(values) == 0 {
			return nil
		}
		s := states[x.owner[run-x.lo]]
		rows := runRows{run: index[run], values: values, present: present, starts: starts[run]}
		if capacity != nil {
			rows.capacity = capacity.of(run)
		}
		w.plan.addRun(s, rows)
		return nil
	})
}

// starts reads the times of those runs in which a boundary falls and whose rows
// are not regular.
func (w *worker) starts(d DayView, x wanted, states []*state, lo, hi int) (map[int][]int64, error) {
	var need map[int][]int64
	index := d.File.Runs()
	first, last := hi, lo
	for run := lo; run < hi; run++ {
		owner := x.owner[run-x.lo]
		if owner < 0 || index[run].Regular || w.plan.whole(states[owner].host, index[run]) {
			continue
		}
		if need == nil {
			need = map[int][]int64{}
		}
		need[run] = nil
		first, last = min(first, run), max(last, run+1)
	}
	if need == nil {
		return nil, nil
	}
	w.rows.starts = w.rows.starts[:0]
	err := d.File.Starts(first, last, w.scratch, func(run int, starts []int64) error {
		if _, ok := need[run]; ok {
			at := len(w.rows.starts)
			w.rows.starts = append(w.rows.starts, starts...)
			need[run] = w.rows.starts[at:len(w.rows.starts):len(w.rows.starts)]
		}
		return nil
	})
	return need, err
}

// whole says whether no boundary falls inside a run: it lies in one piece and
// one record, or in none.
func (p *plan) whole(h *host, r dayfile.Run) bool {
	i := p.pieceAt(r.First)
	if i < len(p.pieces) && r.Last >= p.pieces[i].from && (r.First < p.pieces[i].from || r.Last >= p.pieces[i].to) {
		return false
	}
	return r.Last < h.records[h.recordAt(r.First)].to
}

// runRows is the rows of one run.
type runRows struct {
	run      dayfile.Run
	values   []int32 // present ones, packed
	present  []bool  // nil: all
	starts   []int64 // nil: regular, or not needed
	capacity capacityOf
}

// rowAt is the first row at or after t.
func (r *runRows) rowAt(t int64) int {
	if r.starts != nil {
		return sort.Search(len(r.starts), func(i int) bool { return r.starts[i] >= t })
	}
	if t <= r.run.First {
		return 0
	}
	step := int64(r.run.Step)
	return int(min(int64(r.run.Rows), (t-r.run.First+step-1)/step))
}

// addRun adds the rows of a run to the profiles they belong to.
func (p *plan) addRun(s *state, r runRows) {
	if p.whole(s.host, r.run) {
		record := s.host.recordAt(r.run.First)
		i := p.pieceAt(r.run.First)
		if i < len(p.pieces) && r.run.First >= p.pieces[i].from && s.host.matches[record] {
			p.addRows(s, &r, record, p.pieces[i].step, 0, r.run.Rows, r.values)
		}
		return
	}
	row, packed := 0, 0
	for i := p.pieceAt(r.run.First); i < len(p.pieces) && p.pieces[i].from <= r.run.Last; i++ {
		x := p.pieces[i]
		for record := s.host.recordAt(max(x.from, r.run.First)); record < len(s.host.records); record++ {
			bounds := s.host.records[record]
			if bounds.from >= x.to {
				break
			}
			from, to := r.rowAt(max(x.from, bounds.from)), r.rowAt(min(x.to, bounds.to))
			if from >= to {
				continue
			}
			packed += count(r.present, row, from)
			n := count(r.present, from, to)
			if s.host.matches[record] && n > 0 {
				p.addRows(s, &r, record, x.step, from, to, r.values[packed:packed+n])
			}
			row, packed = to, packed+n
		}
	}
}

// count is the number of present rows in [from, to).
func count(present []bool, from, to int) int {
	if present == nil {
		return to - from
	}
	n := 0
	for _, p := range present[from:to] {
		if p {
			n++
		}
	}
	return n
}

// addRows adds rows [from, to), whose present values are given packed.
func (p *plan) addRows(s *state, r *runRows, record, step, from, to int, values []int32) {
	b := s.at(p, record, step)
	if !p.query.Metric.Derived() {
		b.AddRun(values, int64(r.run.Step))
		return
	}
	known := nominal(p.capacity, s.host.timeline[record].Capacity)
	k := 0
	for i := from; i < to; i++ {
		if r.present != nil && !r.present[i] {
			continue
		}
		if c := r.capacity.at(i, known); c > 0 {
			b.Add(int64(values[k])*c, int64(r.run.Step))
		} else {
			b.AddWithoutCapacity(1)
		}
		k++
	}
}

// nominal is a record's capacity scaled to a capacity metric, 0 when unknown.
func nominal(m fleet.Metric, c fleet.Capacity) int64 {
	v := c.VCPUs
	if m.Name == fleet.CapacityMemory.Name {
		v = float64(c.MemoryBytes)
	}
	scaled, err := m.Scale(v)
	if err != nil {
		return 0
	}
	return int64(scaled)
}

// rowBuffer holds rows copied out of a file.
type rowBuffer struct {
	starts []int64
	col    column
}

// column is the values of one metric in neighbouring runs.
type column struct {
	lo      int
	values  []int32
	present []bool
	runs    []columnRun
}

type columnRun struct {
	values, present, rows int // offsets; rows is 0 when the run has no value
	packed                int
	all                   bool
}

func (b *rowBuffer) column(f *dayfile.File, m fleet.Metric, lo, hi int, s *dayfile.Scratch) (*column, error) {
	c := &b.col
	c.lo, c.values, c.present = lo, c.values[:0], c.present[:0]
	c.runs = append(c.runs[:0], make([]columnRun, hi-lo)...)
	index := f.Runs()
	err := f.Scan(m, lo, hi, s, func(run int, values []int32, present []bool) error {
		c.runs[run-lo] = columnRun{len(c.values), len(c.present), index[run].Rows, len(values), present == nil}
		c.values = append(c.values, values...)
		c.present = append(c.present, present...)
		return nil
	})
	return c, err
}

// of returns a run's capacities, expanded row by row where some are missing.
func (c *column) of(run int) capacityOf {
	r := c.runs[run-c.lo]
	if r.rows == 0 || r.packed == 0 {
		return capacityOf{}
	}
	values := c.values[r.values : r.values+r.packed]
	if r.all {
		return capacityOf{values: values}
	}
	present := c.present[r.present : r.present+r.rows]
	full := make([]int32, r.rows)
	k := 0
	for i, p := range present {
		if p {
			full[i] = values[k]
			k++
		}
	}
	return capacityOf{values: full}
}

// capacityOf is the capacity stored beside each row; 0 and nil are unknown.
type capacityOf struct{ values []int32 }

// at is the capacity of a row, else the record's.
func (c capacityOf) at(row int, record int64) int64 {
	if c.values != nil && c.values[row] > 0 {
		return int64(c.values[row])
	}
	return record
}
