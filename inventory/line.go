package inventory

import (
	"slices"
	"time"
)

// span is the value of one field from a time until the next span begins.
type span struct {
	from   time.Time // zero: the beginning of time
	value  string
	known  bool
	stated time.Time // state only: the earliest time at which it was stated
	// inferred, state only: a conclusion that gives way to what is stated.
	inferred bool
	write    int // index into the host's history
}

func (s span) same(o span) bool {
	return s.known == o.known && s.value == o.value && s.inferred == o.inferred
}

// line is a field over all time: the first span begins at zero, every next one
// later and with another value. A nil line is unknown throughout. Lines are
// never changed in place, so that books share them.
type line []span

// at is the index of the span that holds at t.
func (l line) at(t time.Time) int {
	i, found := slices.BinarySearchFunc(l, t, func(s span, t time.Time) int { return s.from.Compare(t) })
	if !found {
		i--
	}
	return max(i, 0)
}

// atEnd is the index of the span that holds just before t, zero being the end
// of time.
func (l line) atEnd(t time.Time) int {
	if t.IsZero() {
		return len(l) - 1
	}
	i, _ := slices.BinarySearchFunc(l, t, func(s span, t time.Time) int { return s.from.Compare(t) })
	return max(i-1, 0)
}

// end is when span i ends, zero for never.
func (l line) end(i int) time.Time {
	if i+1 < len(l) {
		return l[i+1].from
	}
	return time.Time{}
}

// whole is the line, one unknown span where it is nil.
func (l line) whole() line {
	if len(l) == 0 {
		return line{{}}
	}
	return l
}

// set returns the line with s in [s.from, to); a zero to is the end of time.
func (l line) set(s span, to time.Time) line {
	l = l.whole()
	out := make(line, 0, len(l)+2)
	for _, x := range l {
		if x.from.Before(s.from) {
			out = append(out, x)
		}
	}
	out = append(out, s)
	for i, x := range l {
		if endsBefore(to, l.end(i)) {
			x.from = latest(x.from, to)
			out = append(out, x)
		}
	}
	return out.compact()
}

// compact joins neighbours of one value.
func (l line) compact() line {
	out := l[:1]
	for _, s := range l[1:] {
		last := &out[len(out)-1]
		if !last.same(s) {
			out = append(out, s)
			continue
		}
		last.stated = earliest(last.stated, s.stated)
		last.write = max(last.write, s.write)
	}
	return out
}

// fill returns the line with the unknown parts taken from o, which then carry
// the given write.
func (l line) fill(o line, write int) line {
	l = l.whole()
	out := l
	for i, s := range l {
		if s.known {
			continue
		}
		end := l.end(i)
		for j, x := range o {
			if !x.known || !startsBefore(x.from, end) || !startsBefore(s.from, o.end(j)) {
				continue
			}
			to := o.end(j)
			if endsBefore(end, to) {
				to = end
			}
			x.from, x.write = latest(x.from, s.from), write
			out = out.set(x, to)
		}
	}
	return out
}

// said is the line without what was inferred.
func (l line) said() line {
	if !slices.ContainsFunc(l, func(s span) bool { return s.inferred }) {
		return l
	}
	out := slices.Clone(l)
	for i := range out {
		if out[i].inferred {
			out[i] = span{from: out[i].from}
		}
	}
	return out.compact()
}

// around cuts out of the pieces of an op what was inferred of the time before
// it: the op says nothing of that.
func (l line) around(pieces []piece, at time.Time) []piece {
	for i, s := range l {
		end := l.end(i)
		if !s.inferred || end.IsZero() || end.After(at) {
			continue
		}
		var out []piece
		for _, p := range pieces {
			if s.from.Before(p.from) || endsBefore(p.to, end) {
				out = append(out, p)
				continue
			}
			before, after := p, p
			before.to, after.from = s.from, end
			for _, part := range []piece{before, after} {
				if startsBefore(part.from, part.to) {
					out = append(out, part)
				}
			}
		}
		pieces = out
	}
	return pieces
}

// infer returns the line with s where nobody stated a value: where none is known,
// and where one was only learned for the time before it was stated.
func (l line) infer(s span, to time.Time) line {
	old := l.whole()
	out := old
	for i, x := range old {
		end := old.end(i)
		switch {
		case x.inferred:
			continue
		case x.known && (x.stated.IsZero() || !x.stated.After(x.from)):
			continue
		case x.known && endsBefore(x.stated, end):
			end = x.stated
		}
		piece := s
		piece.from = latest(s.from, x.from)
		if endsBefore(to, end) {
			end = to
		}
		if startsBefore(piece.from, end) {
			out = out.set(piece, end)
		}
	}
	return out
}

// startsBefore says whether a start lies before an end, zero being the end of
// time.
func startsBefore(start, end time.Time) bool { return end.IsZero() || start.Before(end) }

// endsBefore compares two ends, zero being the end of time.
func endsBefore(a, b time.Time) bool { return !a.IsZero() && (b.IsZero() || a.Before(b)) }

// earliest of two times that may be zero for none.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
