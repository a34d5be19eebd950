package head

import (
	"encoding/binary"
	"slices"
)

// A chunk is rows of a strip that are not going to be the newest ones any more,
// as varints:
//
//	unless the starts are regular: the distance of each start to the one before
//	origins: number, rows; and so on
//	for each metric of the set: one of the flags below, then its values
//
// Values are differences to the value before, zigzag. Chunks live in memory
// only and are never changed, so the decoder trusts them.
type chunk struct {
	set         *Set
	rows        int
	step        int32
	first, last int64
	regular     bool
	data        []byte
	// at is where the origins begin in data, then each column.
	at []uint32
}

const (
	colNone     = iota // no value
	colConstant        // every row has the one value that follows
	colFull            // a value for every row
	colSome            // the number of values, a bit for each row, the values there are
)

// chunkOverhead is about what a chunk takes beside its data.
const chunkOverhead = 144

func (c *chunk) memory() int64 { return int64(len(c.data)+4*len(c.at)) + chunkOverhead }

// pack encodes the first n rows of a tail.
func (t *tail) pack(n int) *chunk {
	starts := t.starts[:n]
	c := &chunk{set: t.set, rows: n, step: t.step, first: starts[0], last: starts[n-1], regular: true}
	for i := 1; i < n; i++ {
		if starts[i]-starts[i-1] != int64(t.step) {
			c.regular = false
			break
		}
	}
	b := make([]byte, 0, 64+n*len(t.columns)*2)
	if !c.regular {
		for i := 1; i < n; i++ {
			b = binary.AppendUvarint(b, uint64(starts[i]-starts[i-1]))
		}
	}
	c.at = make([]uint32, 0, 1+len(t.columns))
	c.at = append(c.at, uint32(len(b)))
	for i := 0; i < n; {
		k := i + 1
		for k < n && t.origins[k] == t.origins[i] {
			k++
		}
		b = binary.AppendUvarint(b, uint64(t.origins[i]))
		b = binary.AppendUvarint(b, uint64(k-i))
		i = k
	}
	for _, values := range t.columns {
		c.at = append(c.at, uint32(len(b)))
		b = packColumn(b, values[:n])
	}
	c.data = append(make([]byte, 0, len(b)), b...)
	return c
}

func packColumn(b []byte, values []int32) []byte {
	missing, differ := 0, int32(0)
	for _, v := range values {
		missing += int(uint32(v) >> 31)
		differ |= v ^ values[0]
	}
	there, constant := len(values)-missing, differ == 0
	switch {
	case there == 0:
		return append(b, colNone)
	case constant:
		return binary.AppendUvarint(append(b, colConstant), uint64(values[0]))
	case there == len(values):
		return packFull(append(b, colFull), values)
	}
	b = binary.AppendUvarint(append(b, colSome), uint64(there))
	bits := len(b)
	b = append(b, make([]byte, (len(values)+7)/8)...)
	last := int64(0)
	for i, v := range values {
		if v >= 0 {
			b[bits+i/8] |= 1 << (i % 8)
			b = binary.AppendVarint(b, int64(v)-last)
			last = int64(v)
		}
	}
	return b
}

// packFull appends the differences of values that are all there.
func packFull(b []byte, values []int32) []byte {
	at := len(b)
	b = slices.Grow(b, 5*len(values))[:at+5*len(values)]
	last := int32(0)
	for _, v := range values {
		d := v - last // of two values that are not negative: no overflow
		last = v
		u := uint32(d)<<1 ^ uint32(d>>31)
		for u >= 0x80 {
			b[at] = byte(u) | 0x80
			at++
			u >>= 7
		}
		b[at] = byte(u)
		at++
	}
	return b[:at]
}

// startsInto decodes the starts.
func (c *chunk) startsInto(out []int64) []int64 {
	out = append(out, c.first)
	at, b := c.first, c.data
	for i := 1; i < c.rows; i++ {
		d := uint64(c.step)
		if !c.regular {
			var n int
			d, n = binary.Uvarint(b)
			b = b[n:]
		}
		at += int64(d)
		out = append(out, at)
	}
	return out
}

// count is the number of values of a metric.
func (c *chunk) count(column int) int {
	b := c.data[c.at[1+column]:]
	switch b[0] {
	case colNone:
		return 0
	case colSome:
		n, _ := binary.Uvarint(b[1:])
		return int(n)
	}
	return c.rows
}

// column decodes the values of a column, packed; present is nil when every row
// has one.
func (c *chunk) column(column int, buf *Column) (values []int32, present []bool) {
	b := c.data[c.at[1+column]:]
	kind := b[0]
	b = b[1:]
	switch kind {
	case colNone:
		return nil, nil
	case colConstant:
		v, _ := binary.Uvarint(b)
		buf.values = grow(buf.values, c.rows)
		for i := range buf.values {
			buf.values[i] = int32(v)
		}
		return buf.values, nil
	case colFull:
		buf.values = grow(buf.values, c.rows)
		unpackFull(buf.values, b)
		return buf.values, nil
	}
	n, k := binary.Uvarint(b)
	b = b[k:]
	bits := b[:(c.rows+7)/8]
	b = b[len(bits):]
	buf.values, buf.present = grow(buf.values, int(n)), grow(buf.present, c.rows)
	for i := range buf.present {
		buf.present[i] = bits[i/8]&(1<<(i%8)) != 0
	}
	last := int64(0)
	for i := range buf.values {
		d, k := binary.Varint(b)
		b = b[k:]
		last += d
		buf.values[i] = int32(last)
	}
	return buf.values, buf.present
}

func unpackFull(values []int32, b []byte) {
	last, at := int32(0), 0
	for i := range values {
		u := uint32(b[at])
		at++
		if u >= 0x80 {
			u &= 0x7f
			for shift := 7; ; shift += 7 {
				x := uint32(b[at])
				at++
				u |= (x & 0x7f) << shift
				if x < 0x80 {
					break
				}
			}
		}
		last += int32(u>>1) ^ -int32(u&1)
		values[i] = last
	}
}

// originsInto decodes the origin of each row.
func (c *chunk) originsInto(out []uint32) []uint32 {
	b := c.data[c.at[0]:]
	for len(out) < c.rows {
		o, n := binary.Uvarint(b)
		rows, m := binary.Uvarint(b[n:])
		b = b[n+m:]
		for range rows {
			out = append(out, uint32(o))
		}
	}
	return out
}

// grow returns a slice of length n that reuses s where it can; its content is
// not cleared.
func grow[T any](s []T, n int) []T {
	if cap(s) >= n {
		return s[:n]
	}
	return append(s[:cap(s)], make([]T, n-cap(s))...)
}
