package fleet

import (
	"fmt"
	"math"
	"math/bits"
	"slices"
)

// Share is a part of a whole in millionths: 950000 is 95 %.
type Share int64

// SharePercent is the share of a percentage such as 95 or 99.9. It is rounded
// to a millionth and refused outside (0, 100].
func SharePercent(p float64) (Share, error) {
	s := Share(math.Round(p * 10000))
	if math.IsNaN(p) || s <= 0 || s > 1000000 {
		return 0, fmt.Errorf("percentile %v is not above 0 and at most 100", p)
	}
	return s, nil
}

// Bin is a value, or a range of values, with the time spent there.
type Bin struct {
	// Value is scaled: the exact value, or the middle of the bin's range.
	Value int64
	// Weight is the time in milliseconds.
	Weight int64
}

// Distribution is how much time a metric spent at which value. It is immutable
// and sparse. With exact metrics each distinct value is kept. With others a
// value below 256 units of resolution is kept, and larger ones fall into bins
// of 1/128 of a power of two, whose middle is within 0.4 % of every value in
// them. The zero Distribution is empty and merges with any other.
type Distribution struct {
	exact   bool
	keys    []int32 // ascending: the value, or the bin's number
	weights []int64 // milliseconds, above zero
}

// bin numbers of metrics that are not exact: value v below 256 is bin v; above,
// with s = (number of bits of v) - 8, bin 128·s + (v >> s).
func binOf(v int64) int32 {
	if v < 256 {
		return int32(v)
	}
	s := bits.Len64(uint64(v)) - 8
	return int32(s<<7) + int32(v>>s)
}

// middleOf is the middle of a bin, rounded down.
func middleOf(key int32) int64 {
	if key < 256 {
		return int64(key)
	}
	s := int(key>>7) - 1
	low := int64(key-int32(s<<7)) << s
	return low + (int64(1)<<s-1)/2
}

// Exact says whether every distinct value is kept.
func (d *Distribution) Exact() bool { return d.exact }

// Len is the number of bins.
func (d *Distribution) Len() int { return len(d.keys) }

// Bin returns bin i in ascending order of value.
func (d *Distribution) Bin(i int) Bin {
	v := int64(d.keys[i])
	if !d.exact {
		v = middleOf(d.keys[i])
	}
	return Bin{Value: v, Weight: d.weights[i]}
}

// Weight is the total time in milliseconds.
func (d *Distribution) Weight() int64 {
	var sum int64
	for _, w := range d.weights {
		sum += w
	}
	return sum
}

// Quantile returns the smallest value whose cumulative weight reaches the
// share of the whole (nearest rank), in scaled units. It is false when the
// distribution is empty.
func (d *Distribution) Quantile(share Share) (int64, bool) {
	if len(d.keys) == 0 {
		return 0, false
	}
	need := Mul128(d.Weight(), int64(share))
	var cumulative int64
	for i, w := range d.weights {
		cumulative += w
		if Mul128(cumulative, 1000000).Cmp(need) >= 0 {
			return d.Bin(i).Value, true
		}
	}
	return d.Bin(len(d.keys) - 1).Value, true
}

// WeightAbove is the time, in milliseconds, spent strictly above a scaled
// value. Where values are binned, a bin counts whole by its middle.
func (d *Distribution) WeightAbove(value int64) int64 {
	var sum int64
	for i := len(d.keys) - 1; i >= 0 && d.Bin(i).Value > value; i-- {
		sum += d.weights[i]
	}
	return sum
}

// ShareAbove is the share of time spent strictly above a scaled value; false
// when the distribution is empty.
func (d *Distribution) ShareAbove(value int64) (float64, bool) {
	total := d.Weight()
	if total == 0 {
		return 0, false
	}
	return float64(d.WeightAbove(value)) / float64(total), true
}

// Equal says whether two distributions hold the same time at the same values.
func (d *Distribution) Equal(o *Distribution) bool {
	return (d.exact == o.exact || len(d.keys) == 0) && slices.Equal(d.keys, o.keys) && slices.Equal(d.weights, o.weights)
}

// denseKeys is the range of keys a Histogram counts in an array: it holds every
// ratio up to 1.6384 and every bin of metrics that are not exact.
const denseKeys = 1 << 14

// Histogram collects a Distribution. Adding is fast and any order gives the
// same result. The zero Histogram is not usable; see NewHistogram.
type Histogram struct {
	exact   bool
	dense   []int64 // weight by key
	lo, hi  int     // keys in use lie in [lo, hi)
	further map[int32]int64
}

// NewHistogram returns an empty histogram of exact values or of bins.
func NewHistogram(exact bool) *Histogram {
	return &Histogram{exact: exact, dense: make([]int64, denseKeys), lo: denseKeys}
}

// Reset empties the histogram for reuse with the given kind of values.
func (h *Histogram) Reset(exact bool) {
	if h.lo < h.hi {
		clear(h.dense[h.lo:h.hi])
	}
	h.exact, h.lo, h.hi = exact, denseKeys, 0
	clear(h.further)
}

// Add adds time at a scaled value.
func (h *Histogram) Add(value, weight int64) {
	if h.exact {
		if value > math.MaxInt32 {
			panic(fmt.Sprintf("BUG: exact value %d", value))
		}
		h.addKey(int32(value), weight)
		return
	}
	h.addKey(binOf(value), weight)
}

func (h *Histogram) addKey(key int32, weight int64) {
	if uint32(key) < denseKeys {
		h.dense[key] += weight
		h.lo = min(h.lo, int(key))
		h.hi = max(h.hi, int(key)+1)
		return
	}
	if h.further == nil {
		h.further = make(map[int32]int64)
	}
	h.further[key] += weight
}

// addRun adds the same time at each of a run of values whose bounds are known.
func (h *Histogram) addRun(values []int32, weight int64, lowest, highest int32) {
	if h.exact && lowest >= 0 && highest < denseKeys {
		h.lo = min(h.lo, int(lowest))
		h.hi = max(h.hi, int(highest)+1)
		dense := (*[denseKeys]int64)(h.dense)
		for _, v := range values {
			dense[v&(denseKeys-1)] += weight
		}
		return
	}
	for _, v := range values {
		h.Add(int64(v), weight)
	}
}

// Merge adds a distribution. Mixing exact values and bins is a mistake of the
// caller and panics.
func (h *Histogram) Merge(d *Distribution) {
	if len(d.keys) == 0 {
		return
	}
	if h.exact != d.exact {
		panic("BUG: merging exact values with bins")
	}
	if last := d.keys[len(d.keys)-1]; last < denseKeys {
		h.lo = min(h.lo, int(d.keys[0]))
		h.hi = max(h.hi, int(last)+1)
		dense := (*[denseKeys]int64)(h.dense)
		for i, k := range d.keys {
			dense[k&(denseKeys-1)] += d.weights[i]
		}
		return
	}
	for i, k := range d.keys {
		h.addKey(k, d.weights[i])
	}
}

// Distribution returns what was collected. The histogram may be used on.
func (h *Histogram) Distribution() Distribution {
	n := len(h.further)
	for _, w := range h.dense[min(h.lo, h.hi):h.hi] {
		if w != 0 {
			n++
		}
	}
	d := Distribution{exact: h.exact, keys: make([]int32, 0, n), weights: make([]int64, 0, n)}
	for k := h.lo; k < h.hi; k++ {
		if w := h.dense[k]; w != 0 {
			d.keys = append(d.keys, int32(k))
			d.weights = append(d.weights, w)
		}
	}
	further := make([]int32, 0, len(h.further))
	for k := range h.further {
		further = append(further, k)
	}
	slices.Sort(further)
	for _, k := range further {
		d.keys = append(d.keys, k)
		d.weights = append(d.weights, h.further[k])
	}
	return d
}

// MergeDistributions returns the distribution of all the time in ds.
func MergeDistributions(ds ...Distribution) Distribution {
	var h *Histogram
	for i := range ds {
		if ds[i].Len() == 0 {
			continue
		}
		if h == nil {
			h = NewHistogram(ds[i].exact)
		}
		h.Merge(&ds[i])
	}
	if h == nil {
		return Distribution{}
	}
	return h.Distribution()
}
