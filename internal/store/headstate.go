package store

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
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
	// made and met are strips and hosts that the commit under way made, admitted the
	// calls that it let in; commits counts it.
	made     []*head.Strip
	met      []*headHost
	admitted []*appendCall
	commits  uint64

	folder *folder
	layer  layer
	starts []int64
	// samples counts values that came; looked is what it was when the sealer
	// last looked.
	samples, looked int64
}

// generation is a file of the log and the days it has rows of that are not
// sealed.
type generation struct {
	number uint64
	name   string
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
	// coming is the number of rows that commit, the last one that had any, brought,
	// byDay the same by day where there are very many.
	coming int
	byDay  map[dayfile.Day]int
	commit uint64
}

// headDay is a day with rows in the head.
type headDay struct {
	strips [kinds][]*head.Strip
	sorted [kinds]bool
	groups map[fleet.HostID]int // process groups of each host
	// since is when the first of its rows came, in Unix milliseconds of the clock;
	// ripe when that was before the store was opened.
	since int64
	// err says why the day cannot be answered: its sealed file could not be read
	// when rows were to be merged with it.
	err error
	// again says that it was for want of a file that could be opened.
	again bool
	// other are metrics that the sealed file has in another unit than the
	// configuration.
	other []fleet.Metric
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

// become takes over what another state of the same table has. The caller holds
// appending and mu.
func (h *headState) become(o *headState) {
	h.hosts, h.days, h.unseen, h.origins, h.damaged = o.hosts, o.days, o.unseen, o.origins, o.damaged
	h.current, h.generations, h.last = o.current, o.generations, o.last
	h.samples, h.looked = o.samples, o.looked
}

// unsealed are the days that there are rows of, in memory or in the log alone,
// ascending. The caller holds mu.
func (h *headState) unsealed() []dayfile.Day {
	days := map[dayfile.Day]struct{}{}
	for day, d := range h.days {
		if !d.empty() {
			days[day] = struct{}{}
		}
	}
	for _, g := range h.generations {
		maps.Copy(days, g.days)
	}
	return slices.Sorted(maps.Keys(days))
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
	if k == ofGroups {
		if d.groups == nil {
			d.groups = map[fleet.HostID]int{}
		}
		d.groups[hh.key.Host]++
	}
	d.strips[k] = append(d.strips[k], st)
	d.sorted[k] = false
	hh.strips = append(hh.strips, st)
	hh.latest = st
	h.made = append(h.made, st)
	return st
}

// hostOf returns the entry of a key, made if need be. The caller holds appending
// and mu.
func (h *headState) hostOf(key head.Key) *headHost {
	hh := h.hosts[key]
	if hh == nil {
		hh = &headHost{key: key, first: math.MaxInt64, end: math.MinInt64}
		h.hosts[key] = hh
		h.met = append(h.met, hh)
	}
	return hh
}

// count adds rows of a host to those of the commit under way.
func (h *headState) count(hh *headHost, day dayfile.Day, rows int) {
	if hh.commit != h.commits {
		hh.commit, hh.coming, hh.byDay = h.commits, 0, nil
	}
	if hh.coming += rows; hh.byDay != nil {
		hh.byDay[day] += rows
	}
}

// comingOf are the rows of a host that calls of the commit under way bring, the
// one that is being admitted included.
func (h *headState) comingOf(c *appendCall, hh *headHost) iter.Seq2[dayfile.Day, []int64] {
	return func(yield func(dayfile.Day, []int64) bool) {
		for _, calls := range [][]*appendCall{h.admitted, {c}} {
			for _, o := range calls {
				for i := range o.spans {
					x := &o.spans[i]
					p := &o.parts[x.part]
					if p.host == hh && !yield(x.strip.Day, p.batch.Start[x.lo:x.hi]) {
						return
					}
				}
			}
		}
	}
}

// tidy ends a commit: what was made for calls that were refused then is taken
// back, rows that were read from sealed files for them included. The caller holds
// appending.
func (s *Store) tidy() {
	h := s.head
	h.commits++
	clear(h.admitted)
	h.admitted = h.admitted[:0]
	if len(h.made)+len(h.met) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var idle []*head.Strip
	for _, st := range h.made {
		if st.Len() == 0 || !st.Changed() && !h.logged(st.Day) {
			idle = append(idle, st)
		}
	}
	h.forget(idle)
	for _, hh := range h.met {
		if len(hh.strips) == 0 {
			delete(h.hosts, hh.key)
			delete(h.unseen, hh)
		}
	}
	h.made, h.met = nil, nil
}

// logged says whether the log has rows of a day.
func (h *headState) logged(day dayfile.Day) bool {
	return slices.ContainsFunc(h.generations, func(g *generation) bool {
		_, has := g.days[day]
		return has
	})
}

// unclear says why a day cannot be added to: nobody knows what it has. The
// caller holds appending or mu.
func (h *headState) unclear(day dayfile.Day) error {
	if h.damaged == 0 {
		return nil
	}
	if d := h.days[day]; d != nil && d.err != nil {
		if d.again {
			return d.err
		}
		return fmt.Errorf("%w; then open the store again", d.err)
	}
	return nil
}

// forget takes strips away. The caller holds appending and mu.
func (h *headState) forget(list []*head.Strip) {
	next := make(map[*head.Strip]*head.Strip, len(list))
	for _, st := range list {
		next[st] = nil
	}
	h.replace(next)
}

// replace puts strips in the place of others, and takes away those that have nil
// in theirs. The caller holds appending and mu.
func (h *headState) replace(next map[*head.Strip]*head.Strip) {
	swap := func(list []*head.Strip) []*head.Strip {
		out := list[:0]
		for _, st := range list {
			if now, is := next[st]; is {
				st = now
			}
			if st != nil {
				out = append(out, st)
			}
		}
		clear(list[len(out):])
		return out
	}
	days := map[dayfile.Day]struct{}{}
	for old, now := range next {
		days[old.Day] = struct{}{}
		if now == nil && old.Group != "" {
			h.days[old.Day].groups[old.Host]--
		}
		hh := h.hosts[head.Key{Host: old.Host, Group: old.Group}]
		if hh == nil { // its strips of other days were all that it had
			continue
		}
		if hh.strips, hh.latest = swap(hh.strips), nil; len(hh.strips) == 0 {
			delete(h.hosts, hh.key)
			delete(h.unseen, hh)
		}
	}
	for day := range days {
		d := h.days[day]
		for k := range d.strips {
			d.strips[k] = swap(d.strips[k])
		}
		if len(d.strips[ofHosts])+len(d.strips[ofGroups]) == 0 {
			delete(h.days, day)
			if d.err != nil {
				h.damaged--
			}
		}
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
	n, err := h.mergeBy(h.fold(), st, b, lo, hi)
	if err != nil { // the folder may know too many origins of others
		h.folder = nil
		n, err = h.mergeBy(h.fold(), st, b, lo, hi)
	}
	return n, err
}

func (h *headState) mergeBy(f *folder, st *head.Strip, b *head.Batch, lo, hi int) (counts, error) {
	from, to := st.Overlap(b.Start[lo], b.Start[hi-1])
	h.starts = append(h.starts[:0], b.Start[lo:hi]...)
	for i := from; i < to; i++ {
		h.starts = st.Starts(i, h.starts)
	}
	f.begin(h.starts)
	h.starts = f.starts
	for i := from; i < to; i++ {
		rows := st.Rows(i, h.table)
		if err := f.load(st.Run(i), &rows, h.table.AddMetric); err != nil {
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

// fold returns a folder with a column for each metric, by number. What it
// remembers of origins is forgotten once it is much.
func (h *headState) fold() *folder {
	metrics := h.table.Metrics()
	if h.folder == nil || len(h.folder.metrics) != len(metrics) || h.folder.origins.much() || len(h.starts) > heavyRows {
		h.folder, h.starts = newFolder(metrics, math.MaxUint16), nil
	}
	return h.folder
}

// maxOrigins is how many different origins the head takes. Those of sealed rows
// do not count until late rows come to them.
const maxOrigins = 10_000

// forgetOrigins forgets origins that no row of the head has any more, once there
// are many. The caller holds appending and mu, and no call is under way.
func (h *headState) forgetOrigins() {
	if len(h.origins) <= maxOrigins/2 {
		return
	}
	clear(h.origins)
	texts := map[uint32]struct{}{}
	for _, d := range h.days {
		for _, list := range d.strips {
			for _, st := range list {
				st.Origins(texts)
			}
		}
	}
	for n := range texts {
		for _, o := range originsOf(h.table.OriginText(n)) {
			h.origins[o] = struct{}{}
		}
	}
	h.folder = nil
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
