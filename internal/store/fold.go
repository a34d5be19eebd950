package store

import (
	"fmt"
	"slices"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/store/dayfile"
)

// MaxRowsPerDay is the most rows that one host may have in one UTC day, ten a
// second. A host's day is merged in memory.
const MaxRowsPerDay = 864_000

// MaxOrigins is the most different origins that rows of a day may have that a
// load is merged with.
const MaxOrigins = 50_000

// folder merges what is known of one host in one day with what arrives, value
// by value, as if the layers had been written one after another:
//
//	no value stored          inserted
//	an equal one             unchanged; the higher-ranked origin vouches for it
//	a different one          changed, or outranked where the stored one's origin
//	                         ranks higher
//
// A row has one step. A layer that writes or repeats a value in a row sets it,
// unless a higher-ranked origin has a value there; where that changes the step,
// the layer's equal values count as changed.
//
// It is reused from host to host and used by one goroutine.
type folder struct {
	metrics []fleet.Metric // the columns
	origins *originTable

	starts []int64
	values [][]int32  // by metric, then row
	origin [][]uint16 // the same; 0 is no value
	step   []int32
	rank   []uint8 // the highest rank in the row

	counts counts
	dirty  bool // the host differs from what is stored

	rows    []int // rows of the layer at hand
	entitle []uint8
	sign    []uint16
	out     dayfile.Rows
	texts   []string
	flags   [][]bool
}

// counts is what became of samples.
type counts struct{ inserted, changed, unchanged, outranked int64 }

func (c *counts) add(o counts) {
	c.inserted += o.inserted
	c.changed += o.changed
	c.unchanged += o.unchanged
	c.outranked += o.outranked
}

// newFolder returns a folder of rows with at most so many different origins.
func newFolder(metrics []fleet.Metric, origins int) *folder {
	return &folder{
		metrics: metrics, origins: newOriginTable(origins),
		values: make([][]int32, len(metrics)), origin: make([][]uint16, len(metrics)),
		sign: make([]uint16, len(metrics)), flags: make([][]bool, len(metrics)),
	}
}

// begin prepares for a host whose rows start at the times collected in starts,
// in any order and with repetitions; it takes the slice over.
func (f *folder) begin(starts []int64) {
	if !increasing(starts) {
		slices.Sort(starts)
		starts = slices.Compact(starts)
	}
	f.starts, f.dirty = starts, false
	n := len(starts)
	for m := range f.metrics {
		f.values[m] = grow(f.values[m], n)
		f.origin[m] = grow(f.origin[m], n)
		clear(f.origin[m])
	}
	f.step = grow(f.step, n)
	f.rank = grow(f.rank, n)
	clear(f.rank)
}

func increasing(s []int64) bool {
	for i := 1; i < len(s); i++ {
		if s[i] <= s[i-1] {
			return false
		}
	}
	return true
}

// locate finds the rows of increasing starts, all of which begin was told of.
func (f *folder) locate(starts []int64) []int {
	f.rows = grow(f.rows, len(starts))
	at, _ := slices.BinarySearch(f.starts, starts[0])
	for i, t := range starts {
		for f.starts[at] != t {
			at++
		}
		f.rows[i] = at
	}
	return f.rows
}

// load takes the rows of a stored run as they are. column gives the folder's
// column of a metric, below 0 where it has none.
func (f *folder) load(run dayfile.Run, rows *dayfile.Rows, column func(fleet.Metric) int) error {
	if len(rows.Start) == 0 {
		return nil
	}
	at := f.locate(rows.Start)
	for _, r := range at {
		f.step[r] = run.Step
	}
	for c := range rows.Columns {
		col := &rows.Columns[c]
		m := column(col.Metric)
		if m < 0 {
			return fmt.Errorf("BUG: column %s of the stored day has no place", col.Metric.Name)
		}
		if err := f.loadColumn(m, col, rows, at); err != nil {
			return err
		}
	}
	return nil
}

func (f *folder) loadColumn(m int, col *fleet.Column, rows *dayfile.Rows, at []int) error {
	values, origin := f.values[m], f.origin[m]
	to := f.metrics[m]
	same := col.Metric.Num == to.Num && col.Metric.Den == to.Den
	text, number := "", uint16(0)
	for i, r := range at {
		if !col.Has(i) {
			continue
		}
		if o := rows.OriginOf(i); number == 0 || o != text {
			parsed, err := f.origins.parse(o)
			if err != nil {
				return err
			}
			text, number = o, parsed.common
			if n, ok := parsed.other[col.Metric.Name]; ok {
				number = n
			}
		}
		values[r], origin[r] = col.Values[i], number
		if !same { // the configuration changed the resolution since
			var err error
			if values[r], err = to.Scale(col.Metric.Value(int64(col.Values[i]))); err != nil {
				return err
			}
		}
		f.rank[r] = max(f.rank[r], f.origins.rank[number])
	}
	return nil
}

// What a layer may do to a row.
const (
	mayNotStep = iota // a higher-ranked origin is there: the step stays
	sameStep          // the step is already the layer's, or the row is new
	newStep           // the layer changes the step
)

// apply writes a layer. column gives the folder's column of each of the layer's.
func (f *folder) apply(l *layer, origin fleet.Origin, column []int) error {
	number, err := f.origins.number(origin)
	if err != nil {
		return err
	}
	rank := f.origins.rank[number]
	at := f.locate(l.starts)
	f.entitle = grow(f.entitle, len(at))
	for i, r := range at {
		switch {
		case rank < f.rank[r]:
			f.entitle[i] = mayNotStep
		case f.rank[r] == 0 || f.step[r] == l.step:
			f.entitle[i] = sameStep
		default:
			f.entitle[i] = newStep
		}
	}
	before := f.counts
	for c, m := range column {
		f.applyColumn(m, l.values[c], l.present[c], at, number)
	}
	f.applySteps(l, at, column, number)
	if f.counts.inserted != before.inserted || f.counts.changed != before.changed {
		f.dirty = true
	}
	return nil
}

func (f *folder) applyColumn(m int, in []int32, present []bool, at []int, number uint16) {
	values, origin, rank := f.values[m], f.origin[m], f.origins.rank
	var n counts
	for i, r := range at {
		if present != nil && !present[i] {
			continue
		}
		switch {
		case origin[r] == 0:
			values[r], origin[r] = in[i], number
			n.inserted++
		case values[r] == in[i]:
			if f.entitle[i] == newStep {
				n.changed++
			} else {
				n.unchanged++
			}
			if rank[number] > rank[origin[r]] {
				origin[r] = number
				f.dirty = true
			}
		case rank[number] >= rank[origin[r]]:
			values[r], origin[r] = in[i], number
			n.changed++
		default:
			n.outranked++
		}
	}
	f.counts.add(n)
}

func (f *folder) applySteps(l *layer, at []int, column []int, number uint16) {
	for i, r := range at {
		if f.entitle[i] == mayNotStep || !l.has(i) {
			continue
		}
		f.step[r] = l.step
		for _, m := range column {
			if f.origin[m][r] == number { // repeating a value does not make it one's own
				f.rank[r] = f.origins.rank[number]
				break
			}
		}
	}
}

// has says whether row i has any value.
func (l *layer) has(i int) bool {
	for _, p := range l.present {
		if p == nil || p[i] {
			return true
		}
	}
	return false
}

// emit yields the merged rows as runs of one step. The rows are valid until the
// next call.
func (f *folder) emit(yield func(step int32, rows dayfile.Rows) error) error {
	f.dropEmpty()
	for lo := 0; lo < len(f.starts); {
		hi := lo + 1
		for hi < len(f.starts) && f.step[hi] == f.step[lo] {
			hi++
		}
		f.fill(lo, hi)
		if err := yield(f.step[lo], f.out); err != nil {
			return err
		}
		lo = hi
	}
	return nil
}

// dropEmpty removes rows without any value.
func (f *folder) dropEmpty() {
	if !slices.Contains(f.rank, 0) {
		return
	}
	n := 0
	for r := range f.starts {
		if f.rank[r] == 0 {
			continue
		}
		f.starts[n], f.step[n], f.rank[n] = f.starts[r], f.step[r], f.rank[r]
		for m := range f.metrics {
			f.values[m][n], f.origin[m][n] = f.values[m][r], f.origin[m][r]
		}
		n++
	}
	f.starts, f.step, f.rank = f.starts[:n], f.step[:n], f.rank[:n]
	for m := range f.metrics {
		f.values[m], f.origin[m] = f.values[m][:n], f.origin[m][:n]
	}
}

// fill sets out to rows [lo, hi).
func (f *folder) fill(lo, hi int) {
	f.out.Start = f.starts[lo:hi]
	f.out.Columns = f.out.Columns[:0]
	for m := range f.metrics {
		have := 0
		for _, o := range f.origin[m][lo:hi] {
			if o != 0 {
				have++
			}
		}
		if have == 0 {
			continue
		}
		col := fleet.Column{Metric: f.metrics[m], Values: f.values[m][lo:hi]}
		if have < hi-lo {
			f.flags[m] = grow(f.flags[m], hi-lo)
			for i, o := range f.origin[m][lo:hi] {
				f.flags[m][i] = o != 0
			}
			col.Present = f.flags[m]
		}
		f.out.Columns = append(f.out.Columns, col)
	}
	f.fillOrigins(lo, hi)
}

func (f *folder) fillOrigins(lo, hi int) {
	f.out.Origin, f.out.Default = nil, ""
	if len(f.origins.list) == 1 {
		f.out.Default = string(f.origins.list[0])
		return
	}
	f.texts = f.texts[:0]
	same := true
	for r := lo; r < hi; r++ {
		for m := range f.metrics {
			f.sign[m] = f.origin[m][r]
		}
		f.texts = append(f.texts, f.origins.join(f.sign, f.metrics))
		same = same && f.texts[r-lo] == f.texts[0]
	}
	if same {
		f.out.Default = f.texts[0]
	} else {
		f.out.Origin = f.texts
	}
}
