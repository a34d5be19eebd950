package scan

import "math"

// held is a host's samples in time order, as small as they come: a hundred hosts
// of a month have a hundred million of them in an export. The zero value is empty.
type held struct {
	runs   []heldRun
	values []int32
	wide   []int64 // in place of values, once one has no place there
}

// heldRun is samples that follow one another without a gap.
type heldRun struct {
	start   int64
	step    int32
	samples int32
}

// reset empties it, and keeps its memory.
func (h *held) reset() { h.runs, h.values, h.wide = h.runs[:0], h.values[:0], h.wide[:0] }

// add adds samples that come after those there are.
func (h *held) add(list []sample) {
	var last *heldRun
	if n := len(h.runs); n > 0 {
		last = &h.runs[n-1]
	}
	for _, x := range list {
		if last != nil && x.step == last.step && x.start == last.start+int64(last.samples)*int64(last.step) && last.samples < math.MaxInt32 {
			last.samples++
		} else {
			h.runs = append(h.runs, heldRun{x.start, x.step, 1})
			last = &h.runs[len(h.runs)-1]
		}
		switch {
		case len(h.wide) > 0:
			h.wide = append(h.wide, x.value)
		case x.value == int64(int32(x.value)):
			h.values = append(h.values, int32(x.value))
		default:
			for _, v := range h.values {
				h.wide = append(h.wide, int64(v))
			}
			h.values, h.wide = h.values[:0], append(h.wide, x.value)
		}
	}
}

// all yields the samples.
func (h *held) all(yield func(sample) bool) {
	i := 0
	for _, r := range h.runs {
		for k := range int64(r.samples) {
			x := sample{start: r.start + k*int64(r.step), step: r.step}
			if len(h.wide) > 0 {
				x.value = h.wide[i]
			} else {
				x.value = int64(h.values[i])
			}
			i++
			if !yield(x) {
				return
			}
		}
	}
}
