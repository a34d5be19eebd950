package catalog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// maxDecimals bounds the scale of a column of scaled numbers: 10^15 is the
// largest power of ten that a float64 divides by exactly with any mantissa of
// ours.
const maxDecimals = 15

// writer appends columns to a section. Every method has its mirror in reader.
type writer struct{ b []byte }

func (w *writer) uvarint(v uint64) { w.b = binary.AppendUvarint(w.b, v) }
func (w *writer) varint(v int64)   { w.b = binary.AppendVarint(w.b, v) }

func (w *writer) string(s string) {
	w.uvarint(uint64(len(s)))
	w.b = append(w.b, s...)
}

// strings writes a column of n strings: the lengths, then the bytes.
func (w *writer) strings(n int, at func(i int) string) {
	for i := range n {
		w.uvarint(uint64(len(at(i))))
	}
	for i := range n {
		w.b = append(w.b, at(i)...)
	}
}

// words writes a column of n strings that repeat: the distinct ones in order
// of first use, then an index a row.
func (w *writer) words(n int, at func(i int) string) {
	index := make(map[string]int)
	var distinct []string
	for i := range n {
		s := at(i)
		if _, ok := index[s]; !ok {
			index[s] = len(distinct)
			distinct = append(distinct, s)
		}
	}
	w.uvarint(uint64(len(distinct)))
	w.strings(len(distinct), func(i int) string { return distinct[i] })
	for i := range n {
		w.uvarint(uint64(index[at(i)]))
	}
}

// numbers writes a column of n exact numbers: the decimals, then the mantissas.
func (w *writer) numbers(n int, at func(i int) Number) error {
	decimals := 0
	for i := range n {
		decimals = max(decimals, -int(at(i).Exponent))
	}
	if decimals > maxDecimals {
		return fmt.Errorf("a number with %d decimals, at most %d are held", decimals, maxDecimals)
	}
	w.uvarint(uint64(decimals))
	for i := range n {
		m, ok := at(i).scaledTo(decimals)
		if !ok {
			return fmt.Errorf("%v does not fit %d decimals", at(i), decimals)
		}
		w.varint(m)
	}
	return nil
}

// floats writes a column of n figures that may be unknown, as scaled integers
// plus one with zero for unknown. Figures that are no short decimals are
// refused.
func (w *writer) floats(n int, at func(i int) Known[float64]) error {
	decimals := 0
	for i := range n {
		v := at(i)
		for v.OK && !isScaled(v.Value, decimals) {
			if decimals++; decimals > maxDecimals {
				return fmt.Errorf("%v is not a short decimal", v.Value)
			}
		}
	}
	w.uvarint(uint64(decimals))
	for i := range n {
		v := at(i)
		if !v.OK {
			w.uvarint(0)
			continue
		}
		if !isScaled(v.Value, decimals) {
			return fmt.Errorf("%v does not fit %d decimals", v.Value, decimals)
		}
		m := int64(math.Round(v.Value * float64(pow10(decimals))))
		w.uvarint((uint64(m)<<1 ^ uint64(m>>63)) + 1)
	}
	return nil
}

// isScaled reports whether v is exactly what a mantissa with that many
// decimals reads back as.
func isScaled(v float64, decimals int) bool {
	m := math.Round(v * float64(pow10(decimals)))
	return math.Abs(m) < 1<<53 && m/float64(pow10(decimals)) == v
}

var (
	errShort = errors.New("ends too early")
	errRest  = errors.New("has bytes after its end")
)

// reader takes columns from a section. The first error sticks and every later
// call returns zero values, so that a decoder looks at err once.
type reader struct {
	b   []byte
	err error
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
		r.b = nil
	}
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail(errShort)
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail(errShort)
		return 0
	}
	r.b = r.b[n:]
	return v
}

// upTo reads a number of at most limit.
func (r *reader) upTo(limit int, what string) int {
	v := r.uvarint()
	if v > uint64(limit) {
		r.fail(fmt.Errorf("%s is %d, at most %d are allowed", what, v, limit))
		return 0
	}
	return int(v)
}

func (r *reader) bytes(n int) []byte {
	if n > len(r.b) {
		r.fail(errShort)
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) string() string {
	return string(r.bytes(r.upTo(len(r.b), "length of a text")))
}

// strings reads a column of n strings that share one allocation.
func (r *reader) strings(n int) []string {
	if n > len(r.b) {
		r.fail(errShort)
	}
	if r.err != nil {
		return nil
	}
	lengths := make([]int, n)
	total := 0
	for i := range lengths {
		lengths[i] = r.upTo(len(r.b), "length of a text")
		total += lengths[i]
	}
	all := string(r.bytes(total))
	if r.err != nil {
		return nil
	}
	out := make([]string, n)
	for i, l := range lengths {
		out[i], all = all[:l], all[l:]
	}
	return out
}

// words reads a column of n strings that repeat.
func (r *reader) words(n int) []string {
	distinct := r.strings(r.upTo(len(r.b), "number of words"))
	out := r.column(n)
	if r.err != nil {
		return nil
	}
	words := make([]string, n)
	for i, v := range out {
		if v >= uint64(len(distinct)) {
			r.fail(fmt.Errorf("word %d of %d", v, len(distinct)))
			return nil
		}
		words[i] = distinct[v]
	}
	return words
}

// column reads n unsigned integers.
func (r *reader) column(n int) []uint64 {
	if n > len(r.b) {
		r.fail(errShort)
	}
	if r.err != nil {
		return nil
	}
	out := make([]uint64, n)
	for i := range out {
		out[i] = r.uvarint()
	}
	return out
}

// numbers reads a column of n exact numbers.
func (r *reader) numbers(n int) []Number {
	decimals := r.upTo(maxDecimals, "number of decimals")
	if n > len(r.b) {
		r.fail(errShort)
	}
	if r.err != nil {
		return nil
	}
	out := make([]Number, n)
	for i := range out {
		out[i] = canonical(r.varint(), decimals)
	}
	return out
}

// floats reads a column of n figures that may be unknown.
func (r *reader) floats(n int) []Known[float64] {
	decimals := r.upTo(maxDecimals, "number of decimals")
	column := r.column(n)
	if r.err != nil {
		return nil
	}
	out := make([]Known[float64], n)
	for i, v := range column {
		if v == 0 {
			continue
		}
		v--
		m := int64(v>>1) ^ -int64(v&1)
		out[i] = KnownAs(float64(m) / float64(pow10(decimals)))
	}
	return out
}

// end returns the error of the section, or that it goes on after its end.
func (r *reader) end() error {
	if r.err == nil && len(r.b) > 0 {
		r.err = errRest
	}
	return r.err
}
