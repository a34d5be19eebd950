package head

import (
	"encoding/binary"
	"slices"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/store/dayfile"
)

// Column is memory for the values of one metric.
type Column struct {
	values  []int32
	present []bool
}

// Segments is the number of segments: rows of one step, in time order.
func (s *Strip) Segments() int {
	if s.n > 0 {
		return len(s.chunks) + 1
	}
	return len(s.chunks)
}

// Run describes segment i.
func (s *Strip) Run(i int) dayfile.Run {
	if i < len(s.chunks) {
		c := s.chunks[i]
		return dayfile.Run{Host: s.Host, Rows: c.rows, Step: c.step, First: c.first, Last: c.last, Regular: c.regular}
	}
	r := dayfile.Run{Host: s.Host, Rows: s.n, Step: s.tail.step, First: s.tail.starts[0], Last: s.tail.starts[s.n-1], Regular: true}
	for k, t := range s.tail.starts[1:s.n] {
		if t-s.tail.starts[k] != int64(r.Step) {
			r.Regular = false
			break
		}
	}
	return r
}

// Starts appends the starts of the rows of segment i.
func (s *Strip) Starts(i int, to []int64) []int64 {
	if i < len(s.chunks) {
		return s.chunks[i].startsInto(to)
	}
	return append(to, s.tail.starts[:s.n]...)
}

// Values returns the values of a metric in segment i that are there, packed;
// present says which rows they are of, nil meaning all of them. They are valid
// until buf is used again.
func (s *Strip) Values(i, metric int, buf *Column) (values []int32, present []bool) {
	if i < len(s.chunks) {
		c := s.chunks[i]
		at := c.set.column(metric)
		if at < 0 {
			return nil, nil
		}
		return c.column(at, buf)
	}
	at := s.tail.set.column(metric)
	if at < 0 {
		return nil, nil
	}
	all := s.tail.columns[at][:s.n]
	if !slices.Contains(all, -1) {
		return all, nil
	}
	buf.values, buf.present = buf.values[:0], buf.present[:0]
	for _, v := range all {
		buf.present = append(buf.present, v >= 0)
		if v >= 0 {
			buf.values = append(buf.values, v)
		}
	}
	return buf.values, buf.present
}

// Count adds the number of values of each metric to counts, by number.
func (s *Strip) Count(counts []int64) {
	for _, c := range s.chunks {
		for i, m := range c.set.metrics {
			counts[m] += int64(c.count(i))
		}
	}
	if s.n == 0 {
		return
	}
	for i, m := range s.tail.set.metrics {
		for _, v := range s.tail.columns[i][:s.n] {
			if v >= 0 {
				counts[m]++
			}
		}
	}
}

// Beyond adds the number of values of each metric, by number, that the sealed
// file does not have, and returns the number of such rows.
func (s *Strip) Beyond(counts []int64) (rows int64) {
	s.Count(counts)
	if s.covered == nil {
		return int64(s.rows)
	}
	for i, n := range s.covered[1:] {
		counts[i] -= n
	}
	return int64(s.rows) - s.covered[0]
}

// Sealed notes that the sealed file has the rows of a snapshot now, beside those
// that were read from it.
func (s *Strip) Sealed(t *Table, snapshot *Strip) {
	covered := make([]int64, 1+len(t.Metrics()))
	if !snapshot.Over {
		copy(covered, s.covered)
	}
	covered[0] += int64(snapshot.rows)
	snapshot.Count(covered[1:])
	s.covered = covered
}

// Origins adds the numbers of the texts of all origins that rows have.
func (s *Strip) Origins(numbers map[uint32]struct{}) {
	for _, c := range s.chunks {
		b := c.data[c.at[0]:]
		for rows := 0; rows < c.rows; {
			o, n := binary.Uvarint(b)
			same, m := binary.Uvarint(b[n:])
			b, rows = b[n+m:], rows+int(same)
			numbers[uint32(o)] = struct{}{}
		}
	}
	if s.n > 0 {
		for _, o := range s.tail.origins[:s.n] {
			numbers[o] = struct{}{}
		}
	}
}

// Metrics marks the metrics, by number, that rows have values of.
func (s *Strip) Metrics(marks []bool) {
	for _, c := range s.chunks {
		for i, m := range c.set.metrics {
			marks[m] = marks[m] || c.count(i) > 0
		}
	}
	if s.n > 0 {
		for i, m := range s.tail.set.metrics {
			marks[m] = marks[m] || slices.ContainsFunc(s.tail.columns[i][:s.n], func(v int32) bool { return v >= 0 })
		}
	}
}

// Rows returns everything that segment i holds. The memory is the caller's.
func (s *Strip) Rows(i int, t *Table) dayfile.Rows {
	var out dayfile.Rows
	out.Start = s.Starts(i, nil)
	var numbers []uint32
	set := (*Set)(nil)
	if i < len(s.chunks) {
		set = s.chunks[i].set
		numbers = s.chunks[i].originsInto(make([]uint32, 0, s.chunks[i].rows))
	} else {
		set = s.tail.set
		numbers = s.tail.origins[:s.n]
	}
	setOrigins(&out, numbers, t)
	metrics := t.Metrics()
	for _, m := range set.metrics {
		var buf Column
		values, present := s.Values(i, m, &buf)
		if len(values) == 0 {
			continue
		}
		c := fleet.Column{Metric: metrics[m], Values: slices.Clone(values)}
		if present != nil {
			c.Values, c.Present = make([]int32, len(present)), slices.Clone(present)
			for k, p := range present {
				if p {
					c.Values[k], values = values[0], values[1:]
				}
			}
		}
		out.Columns = append(out.Columns, c)
	}
	return out
}

func setOrigins(out *dayfile.Rows, numbers []uint32, t *Table) {
	same := true
	for _, n := range numbers {
		same = same && n == numbers[0]
	}
	out.Default = t.OriginText(numbers[0])
	if same {
		return
	}
	last := numbers[0]
	text := out.Default
	out.Origin, out.Default = make([]string, len(numbers)), ""
	for i, n := range numbers {
		if n != last {
			last, text = n, t.OriginText(n)
		}
		out.Origin[i] = text
	}
}

// Overlap returns the segments [from, to) that rows which start between first
// and last, both included, are to be merged with. Where there is none, small
// neighbours are taken in, so that rows which come one by one do not leave a
// segment each.
func (s *Strip) Overlap(first, last int64) (from, to int) {
	n := s.Segments()
	for from < n && s.Run(from).Last < first {
		from++
	}
	to = from
	for to < n && s.Run(to).First <= last {
		to++
	}
	if from == to && from > 0 && s.Run(from-1).Rows < ChunkRows/2 {
		from--
	}
	if from == to && to < n && s.Run(to).Rows < ChunkRows/2 {
		to++
	}
	return from, to
}

// Splice replaces segments [from, to) by the rows that emit yields, about so
// many, in time order, as runs of one step. It fails only as emit does.
func (s *Strip) Splice(t *Table, from, to, about int, emit func(yield func(step int32, rows dayfile.Rows) error) error) error {
	pieces := (about + ChunkRows*3/4 - 1) / (ChunkRows * 3 / 4)
	fresh := Strip{Host: s.Host, limit: max(1, (about+pieces-1)/max(1, pieces))}
	if err := emit(func(step int32, rows dayfile.Rows) error { fresh.add(t, step, &rows); return nil }); err != nil {
		return err
	}
	rows := s.rows + fresh.rows
	for i := from; i < to; i++ {
		rows -= s.Run(i).Rows
	}
	newest := to == s.Segments()
	if !newest {
		fresh.flush()
	}
	chunks := make([]*chunk, 0, len(s.chunks)+len(fresh.chunks)+1)
	chunks = append(append(chunks, s.chunks[:from]...), fresh.chunks...)
	if newest {
		s.tail, s.n = fresh.tail, fresh.n
	} else {
		chunks = append(chunks, s.chunks[to:]...)
	}
	s.chunks, s.rows, s.limit = chunks, rows, ChunkRows/2
	s.splices++
	s.changed = true
	return nil
}

// After returns a strip of the rows that start behind a time, which are new to
// the sealed file of the day, where the host then has its last row at that time.
func (s *Strip) After(t *Table, last int64, sealed int) *Strip {
	out := &Strip{Host: s.Host, Group: s.Group, Day: s.Day, Base: Base{Last: last, Rows: sealed}, limit: s.limit}
	for i := range s.Segments() {
		r := s.Run(i)
		if r.Last <= last {
			continue
		}
		rows := s.Rows(i, t)
		if at, found := slices.BinarySearch(rows.Start, last); found || at > 0 {
			if found {
				at++
			}
			rows = behind(&rows, at)
		}
		out.add(t, r.Step, &rows)
	}
	return out
}

// behind is the rows from row on.
func behind(r *dayfile.Rows, row int) dayfile.Rows {
	out := dayfile.Rows{Start: r.Start[row:], Default: r.Default}
	if r.Origin != nil {
		out.Origin = r.Origin[row:]
	}
	for _, c := range r.Columns {
		c.Values = c.Values[row:]
		if c.Present != nil {
			c.Present = c.Present[row:]
		}
		if c.Count() > 0 {
			out.Columns = append(out.Columns, c)
		}
	}
	return out
}

// Cover puts the rows of the host in the sealed file before those of the strip,
// which then is all there is of the host.
func (s *Strip) Cover(t *Table, sealed func(yield func(step int32, rows dayfile.Rows) error) error) error {
	changed, had := s.changed, s.rows
	before := make([]int64, len(t.Metrics()))
	s.Count(before)
	if err := s.Splice(t, 0, 0, s.Base.Rows, sealed); err != nil {
		return err
	}
	s.covered = make([]int64, 1+len(t.Metrics()))
	s.Count(s.covered[1:])
	for i, n := range before {
		s.covered[1+i] -= n
	}
	s.covered[0] = int64(s.rows - had)
	s.Base, s.changed = Base{Over: true}, changed
	return nil
}

// add appends rows that start behind the strip's end.
func (s *Strip) add(t *Table, step int32, rows *dayfile.Rows) {
	numbers := make([]int, len(rows.Columns))
	for i := range rows.Columns {
		numbers[i] = t.AddMetric(rows.Columns[i].Metric)
	}
	b := Batch{Batch: &fleet.Batch{Start: rows.Start, Step: step, Columns: rows.Columns}, Shape: t.shape(numbers)}
	if rows.Origin == nil {
		b.Origin = t.Origin(rows.Default)
		s.Push(t, &b, 0, len(rows.Start))
		return
	}
	for lo := 0; lo < len(rows.Start); {
		hi := lo + 1
		for hi < len(rows.Start) && rows.Origin[hi] == rows.Origin[lo] {
			hi++
		}
		b.Origin = t.Origin(rows.Origin[lo])
		s.Push(t, &b, lo, hi)
		lo = hi
	}
}
