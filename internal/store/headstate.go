package store

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/store/dayfile"
	"github.com/leanfleet/leanfleet/internal/store/head"
	"github.com/leanfleet/leanfleet/inventory"
)

// headState is what was appended and is not sealed. Who changes it holds both
// appending and the store's mu; who reads it holds either.
type headState struct {
	table *head.Table
	hosts map[head.Key]*headHost
	days  map[dayfile.Day]*headDay
	// damaged is the number of days that have an err.
	damaged int
	// unseen are hosts whose evidence the book may lack. It is guarded by mu.
	unseen map[*headHost]struct{}

	// current is the generation that is written to, nil before the first append;
	// generations are all there are, current among them, ascending.
	current     *head.Generation
	generations []*generation
	last        uint64 // the highest number that a generation ever had

	origins map[fleet.Origin]struct{}
	folder  *folder
	column  map[string]int // the folder's column of a metric
	layer   layer
	starts  []int64
	// samples counts values that came; looked is what it was when the sealer
	// last looked.
	samples, looked int64
}

// generation is a file of the log and the days it has rows of that are not
// sealed.
type generation struct {
	number uint64
	days   map[dayfile.Day]struct{}
	size   int64 // of one that is not written to any more
}

// headHost is a host, or a process group of one, with rows in the head.
type headHost struct {
	key    head.Key
	latest *head.Strip // the one written to last
	strips []*head.Strip
	// first and end are the start of the first sample and the end of the last one
	// since the host has rows in the head; groups have none.
	first, end int64
}

// headDay is a day with rows in the head.
type headDay struct {
	strips [kinds][]*head.Strip
	sorted [kinds]bool
	// since is when the first of its rows came, in Unix milliseconds of the clock;
	// ripe when that was before the store was opened.
	since int64
	// err says why the day cannot be answered: its sealed file could not be read
	// when rows were to be merged with it.
	err error
}

const ripe = math.MinInt64

func newHeadState(metrics []fleet.Metric) *headState {
	h := &headState{table: head.NewTable(metrics)}
	h.reset()
	return h
}

// reset forgets all rows.
func (h *headState) reset() {
	h.hosts, h.days, h.unseen = map[head.Key]*headHost{}, map[dayfile.Day]*headDay{}, map[*headHost]struct{}{}
	h.origins, h.damaged = map[fleet.Origin]struct{}{}, 0
}

// strip returns the strip of a day, nil when there is none.
func (h *headHost) strip(day dayfile.Day) *head.Strip {
	if h.latest != nil && h.latest.Day == day {
		return h.latest
	}
	for _, s := range h.strips {
		if s.Day == day {
			h.latest = s
			return s
		}
	}
	return nil
}

// add puts a new, empty strip in its places. The caller holds appending and mu.
func (h *headState) add(hh *headHost, day dayfile.Day, base head.Base, now int64) *head.Strip {
	st := &head.Strip{Host: hh.key.Host, Group: hh.key.Group, Day: day, Base: base}
	d := h.days[day]
	if d == nil {
		d = &headDay{since: now}
		h.days[day] = d
	}
	k := kindOf(hh.key)
	d.strips[k] = append(d.strips[k], st)
	d.sorted[k] = false
	hh.strips = append(hh.strips, st)
	hh.latest = st
	return st
}

// hostOf returns the entry of a key, made if need be. The caller holds appending
// and mu.
func (h *headState) hostOf(key head.Key) *headHost {
	hh := h.hosts[key]
	if hh == nil {
		hh = &headHost{key: key, first: math.MaxInt64, end: math.MinInt64}
		h.hosts[key] = hh
	}
	return hh
}

// unclear says why a day cannot be added to: nobody knows what it has. The
// caller holds appending or mu.
func (h *headState) unclear(day dayfile.Day) error {
	if h.damaged == 0 {
		return nil
	}
	if d := h.days[day]; d != nil && d.err != nil {
		return fmt.Errorf("%w; then open the store again", d.err)
	}
	return nil
}

// replace puts a strip in another's place, or takes it away when next is nil.
// The caller holds appending and mu.
func (h *headState) replace(old, next *head.Strip) {
	d, k := h.days[old.Day], kindOfGroup(old.Group)
	hh := h.hosts[head.Key{Host: old.Host, Group: old.Group}]
	swap := func(list []*head.Strip) []*head.Strip {
		i := slices.Index(list, old)
		if next != nil {
			list[i] = next
			return list
		}
		return slices.Delete(list, i, i+1)
	}
	d.strips[k] = swap(d.strips[k])
	hh.strips = swap(hh.strips)
	hh.latest = nil
	if next == nil && len(hh.strips) == 0 {
		delete(h.hosts, hh.key)
		delete(h.unseen, hh)
	}
	if next == nil && len(d.strips[ofHosts])+len(d.strips[ofGroups]) == 0 {
		delete(h.days, old.Day)
	}
}

// see widens the evidence of a host that samples tell of.
func (h *headState) see(hh *headHost, b *head.Batch) {
	if hh.key.Group != "" {
		return
	}
	first, last := 0, 0
	if len(b.Start) > 1 {
		first, last = measured(b.Batch)
	}
	begin, end := b.Start[first], b.Start[last]+int64(b.Step)
	if begin < hh.first || end > hh.end {
		hh.first, hh.end = min(hh.first, begin), max(hh.end, end)
		h.unseen[hh] = struct{}{}
	}
}

// strips returns the strips of a day by host, then group. The caller holds mu.
func (d *headDay) list(k kind) []*head.Strip {
	if !d.sorted[k] {
		slices.SortFunc(d.strips[k], func(a, b *head.Strip) int {
			return cmp.Or(strings.Compare(string(a.Host), string(b.Host)), strings.Compare(a.Group, b.Group))
		})
		d.sorted[k] = true
	}
	return d.strips[k]
}

// snapshot copies the strips of a day that have rows. The caller holds mu.
func (d *headDay) snapshot(k kind) []head.Strip {
	out := make([]head.Strip, 0, len(d.strips[k]))
	for _, s := range d.list(k) {
		if s.Len() > 0 {
			out = append(out, *s)
		}
	}
	return out
}

// empty says whether a day has no row: what was to be written failed.
func (d *headDay) empty() bool {
	for _, list := range d.strips {
		for _, s := range list {
			if s.Len() > 0 {
				return false
			}
		}
	}
	return true
}

// write merges rows [lo, hi) of a batch into a strip and counts what became of
// them. All of them lie in its day and, unless the strip is over the sealed
// rows, behind those. The caller holds appending and mu.
func (h *headState) write(st *head.Strip, b *head.Batch, lo, hi int) counts {
	if b.Start[lo] > st.End() {
		n := st.Push(h.table, b, lo, hi)
		h.samples += n
		return counts{inserted: n}
	}
	n, err := h.merge(st, b, lo, hi)
	if err != nil {
		panic("BUG: rows of host " + string(st.Host) + " that were let in cannot be merged: " + err.Error())
	}
	h.samples += n.inserted
	return n
}

// merge is write for rows that are not all behind the strip's.
func (h *headState) merge(st *head.Strip, b *head.Batch, lo, hi int) (counts, error) {
	f := h.fold()
	from, to := st.Overlap(b.Start[lo], b.Start[hi-1])
	h.starts = append(h.starts[:0], b.Start[lo:hi]...)
	for i := from; i < to; i++ {
		h.starts = st.Starts(i, h.starts)
	}
	f.begin(h.starts)
	h.starts = f.starts
	for i := from; i < to; i++ {
		rows := st.Rows(i, h.table)
		if err := f.load(st.Run(i), &rows, h.column); err != nil {
			return counts{}, err
		}
	}
	l := &h.layer
	l.starts, l.step = b.Start[lo:hi], b.Step
	l.values, l.present = l.values[:0], l.present[:0]
	for i := range b.Columns {
		c := &b.Columns[i]
		l.values = append(l.values, c.Values[lo:hi])
		if c.Present == nil {
			l.present = append(l.present, nil)
		} else {
			l.present = append(l.present, c.Present[lo:hi])
		}
	}
	f.counts = counts{}
	if err := f.apply(l, b.Batch.Origin, b.Shape.Metrics); err != nil {
		return counts{}, err
	}
	if !f.dirty {
		return f.counts, nil
	}
	return f.counts, st.Splice(h.table, from, to, len(f.starts), f.emit)
}

// fold returns a folder with a column for each metric, by number.
func (h *headState) fold() *folder {
	metrics := h.table.Metrics()
	if h.folder == nil || len(h.folder.metrics) != len(metrics) || len(h.folder.origins.list) > maxOrigins || len(h.starts) > heavyRows {
		h.folder, h.starts = newFolder(metrics), nil
		h.column = make(map[string]int, len(metrics))
		for i, m := range metrics {
			h.column[m.Name] = i
		}
	}
	return h.folder
}

// maxOrigins is how many different origins the head takes: a day has room for
// 255, those of its sealed file included.
const maxOrigins = 200

// noteOrigin says whether there is room for an origin.
func (h *headState) noteOrigin(o fleet.Origin) error {
	if _, ok := h.origins[o]; ok {
		return nil
	}
	if len(h.origins) == maxOrigins {
		return fmt.Errorf("origin %q: there are %d others already", o, maxOrigins)
	}
	h.origins[o] = struct{}{}
	return nil
}

// bookNow is the book with the evidence of all samples. The caller holds mu for
// writing.
func (s *Store) bookNow() *inventory.Book {
	if len(s.head.unseen) == 0 {
		return s.book
	}
	book := s.book.Clone()
	for hh := range s.head.unseen {
		book.See(hh.key.Host, fleet.Window{Start: time.UnixMilli(hh.first).UTC(), End: time.UnixMilli(hh.end).UTC()})
	}
	clear(s.head.unseen)
	s.book = book
	return book
}

// unsee makes sure that the next book has the evidence of the head: it was
// replaced by one that may lack it. The caller holds mu.
func (s *Store) unsee() {
	for key, hh := range s.head.hosts {
		if key.Group == "" && hh.first <= hh.end {
			s.head.unseen[hh] = struct{}{}
		}
	}
}
