package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/leanfleet/leanfleet/fleet"
)

// A chunk is rows of one host and one UTC day while they wait to be sealed:
// some varints in memory, or in a load's spill file.
//
//	rows, shape, origin, step, first start less the day's begin
//	flag: 0 all starts equally far apart, then that distance; 1 then each distance
//	for each metric of the shape: one of the flags below, then its values
//
// Values are differences to the value before, zigzag. The shape (which metrics)
// and the origin are numbers of the load's tables; the host and the day stand
// outside. A chunk is decoded only from memory or behind a frame's checksum, and
// the decoder still trusts no length.

const (
	colFull     = 0 // a value for every row
	colNone     = 1 // no value
	colSome     = 2 // a bit for each row, then the values there are
	colConstant = 3 // every row has the one value that follows
)

// maxChunkRows bounds a chunk, so that a frame of the spill file stays small:
// 4,096 rows of 20 metrics are at most 0.5 MB.
const maxChunkRows = 4096

// chunkHeader is what a chunk says about all its rows.
type chunkHeader struct {
	shape, origin int
	step          int32
}

// appendChunk encodes rows [lo, hi) of a batch. cols are the batch's columns in
// the order of the shape's metrics.
func appendChunk(dst []byte, h chunkHeader, dayStart int64, b *fleet.Batch, cols []int, lo, hi int) []byte {
	starts := b.Start[lo:hi]
	dst = binary.AppendUvarint(dst, uint64(len(starts)))
	dst = binary.AppendUvarint(dst, uint64(h.shape))
	dst = binary.AppendUvarint(dst, uint64(h.origin))
	dst = binary.AppendUvarint(dst, uint64(h.step))
	dst = binary.AppendUvarint(dst, uint64(starts[0]-dayStart))
	dst = appendStarts(dst, starts)
	for _, c := range cols {
		col := &b.Columns[c]
		var present []bool
		if col.Present != nil {
			present = col.Present[lo:hi]
		}
		dst = appendColumn(dst, col.Values[lo:hi], present)
	}
	return dst
}

func appendStarts(dst []byte, starts []int64) []byte {
	distance := int64(0)
	if len(starts) > 1 {
		distance = starts[1] - starts[0]
	}
	for i := 2; i < len(starts); i++ {
		if starts[i]-starts[i-1] != distance {
			dst = append(dst, 1)
			for i := 1; i < len(starts); i++ {
				dst = binary.AppendUvarint(dst, uint64(starts[i]-starts[i-1]))
			}
			return dst
		}
	}
	return binary.AppendUvarint(append(dst, 0), uint64(distance))
}

func appendColumn(dst []byte, values []int32, present []bool) []byte {
	n := len(values)
	if present != nil {
		n = 0
		for _, p := range present {
			if p {
				n++
			}
		}
	}
	switch {
	case n == 0:
		return append(dst, colNone)
	case n < len(values):
		dst = append(dst, colSome)
		return appendSome(dst, values, present)
	}
	constant := true
	for _, v := range values {
		constant = constant && v == values[0]
	}
	if constant {
		return binary.AppendUvarint(append(dst, colConstant), uint64(values[0]))
	}
	dst = append(dst, colFull)
	last := int64(0)
	for _, v := range values {
		dst = binary.AppendVarint(dst, int64(v)-last)
		last = int64(v)
	}
	return dst
}

func appendSome(dst []byte, values []int32, present []bool) []byte {
	at := len(dst)
	dst = append(dst, make([]byte, (len(values)+7)/8)...)
	last := int64(0)
	for i, v := range values {
		if present[i] {
			dst[at+i/8] |= 1 << (i % 8)
			dst = binary.AppendVarint(dst, int64(v)-last)
			last = int64(v)
		}
	}
	return dst
}

// layer is rows of one host and day with one origin and step: a decoded chunk.
type layer struct {
	origin int
	step   int32
	starts []int64
	// shape is the number of the layer's shape; metrics are numbers of the load's
	// metrics, one for each column.
	shape   int
	metrics []int
	values  [][]int32
	// present is nil for a column that every row has.
	present [][]bool
	// flags is memory for present.
	flags [][]bool
}

var errChunk = errors.New("the staged rows are damaged")

// chunkReader reads varints and remembers that it failed.
type chunkReader struct {
	b   []byte
	bad bool
}

func (r *chunkReader) uint(limit uint64) uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > limit {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *chunkReader) byte() byte {
	if len(r.b) == 0 {
		r.bad = true
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

// decode reads a chunk into a layer, reusing its memory. shapes and origins are
// the load's tables.
func (l *layer) decode(chunk []byte, dayStart int64, shapes [][]int, origins int) error {
	r := chunkReader{b: chunk}
	if err := l.decodeTimes(&r, dayStart, shapes, origins); err != nil {
		return err
	}
	l.values = grow(l.values, len(l.metrics))
	l.present = grow(l.present, len(l.metrics))
	l.flags = grow(l.flags, len(l.metrics))
	for i := range l.metrics {
		l.values[i] = grow(l.values[i], len(l.starts))
		if !l.decodeColumn(&r, i) {
			return fmt.Errorf("%w: column %d", errChunk, i)
		}
	}
	if len(r.b) != 0 {
		return fmt.Errorf("%w: %d bytes too many", errChunk, len(r.b))
	}
	return nil
}

// decodeTimes reads the part of a chunk before its values.
func (l *layer) decodeTimes(r *chunkReader, dayStart int64, shapes [][]int, origins int) error {
	rows := int(r.uint(maxChunkRows))
	shape := int(r.uint(math.MaxInt32))
	l.origin = int(r.uint(math.MaxInt32))
	l.step = int32(r.uint(uint64(fleet.MaxStep.Milliseconds())))
	first := int64(r.uint(uint64(dayMillis - 1)))
	if r.bad || rows == 0 || shape >= len(shapes) || l.origin >= origins || l.step == 0 {
		return fmt.Errorf("%w: header", errChunk)
	}
	l.starts = grow(l.starts, rows)
	if !l.decodeStarts(r, dayStart, first) {
		return fmt.Errorf("%w: times", errChunk)
	}
	l.metrics, l.shape = shapes[shape], shape
	return nil
}

func (l *layer) decodeStarts(r *chunkReader, dayStart, first int64) bool {
	irregular := r.byte()
	distance := int64(0)
	if irregular == 0 {
		distance = int64(r.uint(uint64(dayMillis)))
	}
	at := first
	l.starts[0] = dayStart + at
	for i := 1; i < len(l.starts); i++ {
		if irregular != 0 {
			distance = int64(r.uint(uint64(dayMillis)))
		}
		at += distance
		if distance == 0 || at >= dayMillis {
			return false
		}
		l.starts[i] = dayStart + at
	}
	return !r.bad && irregular <= 1
}

func (l *layer) decodeColumn(r *chunkReader, i int) bool {
	values := l.values[i]
	kind := r.byte()
	if kind == colFull || kind == colConstant {
		l.present[i] = nil
	} else {
		l.flags[i] = grow(l.flags[i], len(values))
		l.present[i] = l.flags[i]
	}
	switch kind {
	case colNone:
		clear(l.present[i])
	case colConstant:
		v := int32(r.uint(math.MaxInt32))
		for k := range values {
			values[k] = v
		}
	case colFull:
		return decodeFull(r, values)
	case colSome:
		return decodeSome(r, values, l.present[i])
	default:
		return false
	}
	return !r.bad
}

func decodeFull(r *chunkReader, values []int32) bool {
	b, last := r.b, int64(0)
	for k := range values {
		d, n := binary.Varint(b)
		if n <= 0 {
			return false
		}
		b = b[n:]
		last += d
		if last < 0 || last > math.MaxInt32 {
			return false
		}
		values[k] = int32(last)
	}
	r.b = b
	return true
}

func decodeSome(r *chunkReader, values []int32, present []bool) bool {
	bits := (len(values) + 7) / 8
	if len(r.b) < bits {
		return false
	}
	bitmap := r.b[:bits]
	b, last := r.b[bits:], int64(0)
	for k := range values {
		present[k] = bitmap[k/8]&(1<<(k%8)) != 0
		if !present[k] {
			continue
		}
		d, n := binary.Varint(b)
		if n <= 0 {
			return false
		}
		b = b[n:]
		last += d
		if last < 0 || last > math.MaxInt32 {
			return false
		}
		values[k] = int32(last)
	}
	r.b = b
	return true
}

// grow returns a slice of length n that reuses s where it can; its content is
// not cleared.
func grow[T any](s []T, n int) []T {
	if cap(s) >= n {
		return s[:n]
	}
	return append(s[:cap(s)], make([]T, n-cap(s))...)
}
