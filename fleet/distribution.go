package fleet

import (
	"fmt"
	"maps"
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
// ratio up to 1.6384 and every bin of metrics that are not exact. The array has
// pages of pageKeys keys.
const (
	denseKeys = 1 << 14
	pageKeys  = denseKeys / 64
)

// fineSamples is up to how many samples a Histogram notes each key in use, at
// the cost of about half a nanosecond a sample. Beyond, it notes pages only, and
// looks through all keys of those when the distribution is asked for: a cost
// that is small beside that many samples, and large beside those of a day.
const fineSamples = 4096

// Histogram collects a Distribution. Adding is fast and any order gives the
// same result. The zero Histogram is not usable; see NewHistogram.
type Histogram struct {
	exact   bool
	dense   *[denseKeys]int64      // weight by key
	used    [denseKeys / 64]uint64 // a bit for each key that has weight, save those in pages
	pages   uint64                 // a bit for each page that may hold more keys with weight
	fine    int                    // samples of runs whose keys were noted one by one
	further map[int32]int64        // weight of the keys beyond
}

// NewHistogram returns an empty histogram of exact values or of bins.
func NewHistogram(exact bool) *Histogram {
	return &Histogram{exact: exact, dense: new([denseKeys]int64)}
}

// Reset empties the histogram for reuse with the given kind of values.
func (h *Histogram) Reset(exact bool) {
	for i, word := range &h.used {
		if word == 0 {
			continue
		}
		h.used[i] = 0
		if bits.OnesCount64(word) > 8 {
			clear(h.dense[i*64 : i*64+64])
			continue
		}
		for ; word != 0; word &= word - 1 {
			h.dense[(i*64+bits.TrailingZeros64(word))%denseKeys] = 0
		}
	}
	for ; h.pages != 0; h.pages &= h.pages - 1 {
		at := bits.TrailingZeros64(h.pages) * pageKeys
		clear(h.dense[at : at+pageKeys])
	}
	h.exact, h.fine = exact, 0
	clear(h.further)
}

// Add adds time at a scaled value, neither of them negative.
func (h *Histogram) Add(value, weight int64) {
	if !h.exact {
		h.addKey(binOf(value), weight)
		return
	}
	if value > math.MaxInt32 {
		panic(fmt.Sprintf("BUG: exact value %d", value))
	}
	h.addKey(int32(value), weight)
}

func (h *Histogram) addKey(key int32, weight int64) {
	if weight == 0 {
		return
	}
	if k := uint32(key); k < denseKeys {
		h.dense[k] += weight
		h.used[k/64] |= 1 << (k % 64)
		return
	}
	if h.further == nil {
		h.further = make(map[int32]int64)
	}
	h.further[key] += weight
}

// addRun adds the same time at each of a run of values.
func (h *Histogram) addRun(values []int32, weight int64) {
	if weight == 0 {
		return
	}
	fine := h.fine+len(values) <= fineSamples
	if fine {
		h.fine += len(values)
	}
	for len(values) > 0 {
		n := 0
		switch {
		case h.exact && fine:
			n = h.addFine(values, weight)
		case h.exact:
			n = h.addCoarse(values, weight)
		case fine:
			n = h.addFineBins(values, weight)
		default:
			n = h.addCoarseBins(values, weight)
		}
		if n < len(values) { // a key beyond the array
			h.Add(int64(values[n]), weight)
			n++
		}
		values = values[n:]
	}
}

// addFine adds exact values up to the first beyond the array, and says how many.
func (h *Histogram) addFine(values []int32, weight int64) int {
	dense, used := h.dense, &h.used
	for i, v := range values {
		k := uint32(v)
		if k >= denseKeys {
			return i
		}
		dense[k] += weight
		used[k/64] |= 1 << (k % 64)
	}
	return len(values)
}

// addCoarse is addFine for many values.
func (h *Histogram) addCoarse(values []int32, weight int64) int {
	dense, pages := h.dense, uint64(0)
	for i, v := range values {
		k := uint32(v)
		if k >= denseKeys {
			h.pages |= pages
			return i
		}
		dense[k] += weight
		pages |= 1 << (k / pageKeys % 64)
	}
	h.pages |= pages
	return len(values)
}

// addFineBins adds values by bin. No bin of a 32-bit value is beyond the array.
func (h *Histogram) addFineBins(values []int32, weight int64) int {
	dense, used := h.dense, &h.used
	for i, v := range values {
		if v < 0 {
			return i
		}
		k := uint32(binOf(int64(v))) % denseKeys
		dense[k] += weight
		used[k/64] |= 1 << (k % 64)
	}
	return len(values)
}

// addCoarseBins is addFineBins for many values.
func (h *Histogram) addCoarseBins(values []int32, weight int64) int {
	dense, pages := h.dense, uint64(0)
	for i, v := range values {
		if v < 0 {
			h.pages |= pages
			return i
		}
		k := uint32(binOf(int64(v))) % denseKeys
		dense[k] += weight
		pages |= 1 << (k / pageKeys % 64)
	}
	h.pages |= pages
	return len(values)
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
	n := len(d.keys)
	if d.keys[n-1] >= denseKeys {
		n, _ = slices.BinarySearch(d.keys, denseKeys)
	}
	if n > 0 {
		dense := h.dense
		weights := d.weights[:n]
		for i, k := range d.keys[:n] {
			dense[k&(denseKeys-1)] += weights[i]
		}
		first, last := d.keys[0]/pageKeys, d.keys[n-1]/pageKeys
		h.pages |= ^uint64(0) << first & (^uint64(0) >> (63 - last))
	}
	for i, k := range d.keys[n:] {
		h.addKey(k, d.weights[n+i])
	}
}

// settle notes the keys in use of pages one by one.
func (h *Histogram) settle() {
	for ; h.pages != 0; h.pages &= h.pages - 1 {
		page := bits.TrailingZeros64(h.pages) * pageKeys
		for at := page; at < page+pageKeys; at += 64 {
			var word uint64
			for i, w := range h.dense[at : at+64] {
				word |= uint64(w|-w) >> 63 << i // a bit where w is not 0
			}
			h.used[at/64] = word
		}
	}
}

// Distribution returns what was collected. The histogram may be used on.
func (h *Histogram) Distribution() Distribution {
	h.settle()
	n := 0
	for _, word := range &h.used {
		n += bits.OnesCount64(word)
	}
	d := Distribution{exact: h.exact, keys: make([]int32, n, n+len(h.further)), weights: make([]int64, n, n+len(h.further))}
	keys, weights, dense := d.keys, d.weights, h.dense
	i := 0
	for at, word := range &h.used {
		for ; word != 0 && i < len(keys) && i < len(weights); word &= word - 1 {
			k := at*64 + bits.TrailingZeros64(word)
			keys[i], weights[i] = int32(k), dense[k%denseKeys]
			i++
		}
	}
	if len(h.further) == 0 {
		return d
	}
	for _, k := range slices.Sorted(maps.Keys(h.further)) {
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
