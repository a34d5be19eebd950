package head

import (
	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/store/dayfile"
)

// ChunkRows is the most rows of a chunk; a usual one has half as many. Packing
// 128 rows of 18 metrics takes some 10 µs.
const ChunkRows = 256

// Strip is rows of one host, or of one process group of it, in one UTC day. A
// copy of a Strip is a snapshot: it stays as it is while the Strip is written
// to. One goroutine writes; who takes copies beside it needs a lock for that,
// and none for reading them.
type Strip struct {
	// Host and Group say whose rows these are; Group is "" for the host itself.
	Host  fleet.HostID
	Group string
	Day   dayfile.Day
	Base

	chunks  []*chunk // in time order; the slice is appended to or replaced
	tail    *tail    // the newest rows; nil when there are none
	n       int      // rows of the tail
	rows    int
	limit   int // rows at which the tail becomes a chunk
	splices int
	changed bool
	covered []int64 // what was read from the sealed file: rows, then values by metric
}

// Base is what a strip is to the rows of its host in the sealed file of its
// day.
type Base struct {
	// Over says that the strip is all there is of the host in its day: rows of
	// the sealed file, if it has any, are among the strip's and do not count
	// beside it. Otherwise the strip's rows all start after those of the file.
	Over bool
	// Last is the start of the host's last row in the sealed file; it is -1
	// without one. Rows is the number of them. Both are 0 and meaningless when
	// Over is set.
	Last int64
	Rows int
}

// tail is rows as plain columns. Readers hold the first n of them while more
// are written behind, so what was written is never written again.
type tail struct {
	set     *Set
	step    int32
	starts  []int64
	origins []uint32
	columns [][]int32 // by metric of the set; -1 is no value
}

// Batch is a batch with what a table knows of it.
type Batch struct {
	*fleet.Batch
	// Shape is that of the batch's columns.
	Shape *Shape
	// Origin is the number of the origin's text.
	Origin uint32
}

// Len is the number of rows in the strip, those of the file beneath it not
// counted.
func (s *Strip) Len() int { return s.rows }

// Total is the number of rows of the host in the day.
func (s *Strip) Total() int {
	if s.Over {
		return s.rows
	}
	return s.rows + s.Base.Rows
}

// First is the start of the strip's first row; there is one.
func (s *Strip) First() int64 {
	if len(s.chunks) > 0 {
		return s.chunks[0].first
	}
	return s.tail.starts[0]
}

// End is the start of the last row of the host in the day, -1 when there is
// none.
func (s *Strip) End() int64 {
	switch {
	case s.n > 0:
		return s.tail.starts[s.n-1]
	case len(s.chunks) > 0:
		return s.chunks[len(s.chunks)-1].last
	case s.Over:
		return -1
	}
	return s.Base.Last
}

// Reach is where the last of the strip's samples ends; there is one. A step that
// is longer than the time to the next sample may reach beyond it.
func (s *Strip) Reach() int64 {
	reach := int64(0)
	for i := range s.Segments() {
		r := s.Run(i)
		reach = max(reach, r.Last+int64(r.Step))
	}
	return reach
}

// Since says how a strip was written to since a snapshot of it was taken:
// whether rows were added behind, and whether others were changed.
func (s *Strip) Since(snapshot *Strip) (pushed, spliced bool) {
	return s.rows != snapshot.rows, s.splices != snapshot.splices
}

// Changed says whether the strip has anything that was not read from the sealed
// file.
func (s *Strip) Changed() bool { return s.changed }

// Memory is about how many bytes the strip holds.
func (s *Strip) Memory() int64 {
	n := int64(200)
	for _, c := range s.chunks {
		n += c.memory()
	}
	if s.tail != nil {
		n += s.tail.memory()
	}
	return n
}

func (t *tail) memory() int64 { return int64(len(t.starts))*(12+4*int64(len(t.columns))) + 100 }

// Push appends rows [lo, hi) of a batch, all of which start behind the strip's
// end and lie in its day. Rows without a value are left out. It returns the
// number of values.
func (s *Strip) Push(t *Table, b *Batch, lo, hi int) (samples int64) {
	full := true
	for i := range b.Columns {
		full = full && b.Columns[i].Present == nil
	}
	for lo < hi {
		if !full && !hasValue(b, lo) {
			lo++
			continue
		}
		room := s.ready(t, b.Shape.set, b.Step, hi-lo)
		n := min(room, hi-lo)
		if !full {
			for k := 1; k < n; k++ {
				if !hasValue(b, lo+k) {
					n = k
				}
			}
		}
		samples += s.write(b, lo, n)
		lo += n
	}
	return samples
}

func hasValue(b *Batch, row int) bool {
	for i := range b.Columns {
		if b.Columns[i].Has(row) {
			return true
		}
	}
	return false
}

// write appends n rows for which there is room, each with a value.
func (s *Strip) write(b *Batch, lo, n int) (samples int64) {
	s.changed = true
	x, at := s.tail, s.n
	copy(x.starts[at:at+n], b.Start[lo:lo+n])
	for i := at; i < at+n; i++ {
		x.origins[i] = b.Origin
	}
	from := x.set.columnsOf(b.Shape)
	for c := range x.columns {
		to := x.columns[c][at : at+n]
		if from[c] < 0 {
			for i := range to {
				to[i] = -1
			}
			continue
		}
		source := &b.Columns[from[c]]
		if source.Present == nil {
			copy(to, source.Values[lo:lo+n])
			samples += int64(n)
			continue
		}
		for i := range to {
			if to[i] = -1; source.Present[lo+i] {
				to[i] = source.Values[lo+i]
				samples++
			}
		}
	}
	s.n += n
	s.rows += n
	return samples
}

// smallTail is the rows that a new tail has room for. It doubles.
const smallTail = 8

// ready makes a tail that has the metrics of a set, a step and room, and
// returns how many rows it has room for.
func (s *Strip) ready(t *Table, set *Set, step int32, want int) int {
	if s.limit == 0 {
		// Strips that begin at the same time are not to be packed at the same time.
		s.limit = ChunkRows/4 + spread(s.Host)%(ChunkRows/4)
	}
	if s.tail != nil && (s.tail.step != step || s.n >= s.limit) {
		s.flush()
	}
	if s.tail == nil {
		room := max(smallTail, want)
		if len(s.chunks) > 0 { // it will fill up, as the one before did
			room = s.limit
		}
		s.tail = newTail(set, step, min(s.limit, room))
	}
	if both := t.union(s.tail.set, set); both != s.tail.set {
		s.tail = s.tail.copyTo(newTail(both, step, len(s.tail.starts)), s.n)
	}
	if room := len(s.tail.starts) - s.n; room > 0 {
		return room
	}
	s.tail = s.tail.copyTo(newTail(s.tail.set, step, min(s.limit, max(2*s.n, s.n+want))), s.n)
	return len(s.tail.starts) - s.n
}

// flush packs the tail.
func (s *Strip) flush() {
	if s.n > 0 {
		s.chunks = append(s.chunks, s.tail.pack(s.n))
		s.limit = ChunkRows / 2
	}
	s.tail, s.n = nil, 0
}

func spread(host fleet.HostID) int {
	h := uint32(2166136261)
	for i := range len(host) {
		h = (h ^ uint32(host[i])) * 16777619
	}
	return int((h ^ h>>15) & 0x7fffffff)
}

func newTail(set *Set, step int32, room int) *tail {
	t := &tail{set: set, step: step, starts: make([]int64, room), origins: make([]uint32, room), columns: make([][]int32, len(set.metrics))}
	all := make([]int32, room*len(set.metrics))
	for i := range t.columns {
		t.columns[i], all = all[:room:room], all[room:]
	}
	return t
}

// copyTo copies n rows to a new tail, which has all the metrics of the old one.
func (t *tail) copyTo(to *tail, n int) *tail {
	copy(to.starts, t.starts[:n])
	copy(to.origins, t.origins[:n])
	for c, m := range to.set.metrics {
		if own := t.set.column(m); own >= 0 {
			copy(to.columns[c], t.columns[own][:n])
			continue
		}
		for i := range n {
			to.columns[c][i] = -1
		}
	}
	return to
}
