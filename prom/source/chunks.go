package source

import (
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
	"slices"
)

// errChunk says that bytes are no chunk of samples.
var errChunk = errors.New("not a chunk of samples")

// staleNaN are the bits of the value with which a Prometheus says that a series
// has ended. It is no sample.
const staleNaN = 0x7ff0000000000002

// unpackXOR appends the samples of a chunk of Prometheus' storage, whose format
// is documented there (tsdb/docs/format/chunks.md): the first time and value
// whole, then what changed of the differences of times, and of the bits of
// values. It is plain where times ascend and no value is the mark of an end.
//
// Bits are read from a word that has left of them at its front and zeros behind;
// left is negative where more were taken than there are. What a fleet's answer
// takes here is spent in this one loop, so that it is written out.
func unpackXOR(data []byte, times []int64, values []float64) (_ []int64, _ []float64, plain bool, _ error) {
	if len(data) < 2 {
		return times, values, false, errChunk
	}
	count := int(binary.BigEndian.Uint16(data))
	if data = data[2:]; count == 0 {
		return times, values, true, nil
	}
	old := len(times)
	at, n := binary.Varint(data)
	if n <= 0 || len(data) < n+8 {
		return times, values, false, errChunk
	}
	value := binary.BigEndian.Uint64(data[n:])
	data = data[n+8:]
	times, values = append(times, at), append(values, math.Float64frombits(value))
	plain = value != staleNaN
	if count == 1 {
		return times, values, plain, nil
	}
	first, n := binary.Uvarint(data)
	if n <= 0 {
		return times[:old], values[:old], false, errChunk
	}
	data = data[n:]
	// Of each sample two bits are there at least.
	if count--; len(data) < (2*count-1)/8 {
		return times[:old], values[:old], false, errChunk
	}
	end := len(times) + count
	times, values = slices.Grow(times, count)[:end], slices.Grow(values, count)[:end]
	outTimes, outValues := times[old+1:], values[old+1:][:count]
	delta := int64(first)
	var word uint64
	var left int
	var width, shift uint // of the bits that change
	for i := range outTimes {
		if left <= 56 {
			word, left, data = fill(word, left, data)
		}
		if i > 0 {
			if word>>63 == 0 {
				word, left = word<<1, left-1
			} else {
				var change int64
				change, word, left, data = difference(word, left, data)
				delta += change
			}
		}
		at += delta
		plain = plain && delta > 0
		if word>>63 == 0 { // unchanged
			word, left = word<<1, left-1
		} else {
			if word>>62 == 0b11 { // other bits change than the last time
				lead := uint(word >> 57 & 31)
				width = uint(word>>51&63-1)&63 + 1 // 0 is 64
				word, left = word<<13, left-13
				if lead+width > 64 {
					return times[:old], values[:old], false, errChunk
				}
				shift = 64 - lead - width
			} else {
				word, left = word<<2, left-2
				if width == 0 {
					return times[:old], values[:old], false, errChunk
				}
			}
			if left < int(width) {
				word, left, data = fill(word, left, data)
			}
			if left >= int(width) {
				value ^= word >> (64 - width) << shift
				word, left = word<<width, left-int(width)
			} else {
				var part uint64
				part, word, left, data = wide(word, left, data, width)
				value ^= part << shift
			}
			plain = plain && value != staleNaN
		}
		if left < 0 {
			return times[:old], values[:old], false, errChunk
		}
		outTimes[i], outValues[i] = at, math.Float64frombits(value)
	}
	return times, values, plain, nil
}

// fill makes a word hold 56 bits at least, or all that are left.
func fill(word uint64, left int, data []byte) (uint64, int, []byte) {
	if left < 0 {
		return word, left, data
	}
	if len(data) >= 8 {
		n := (64 - left) / 8
		word |= binary.BigEndian.Uint64(data) >> uint(left)
		left += 8 * n
		return word & (^uint64(0) << uint(64-left)), left, data[n:] // a part of the next byte came along
	}
	for left <= 56 && len(data) > 0 {
		word |= uint64(data[0]) << uint(56-left)
		data, left = data[1:], left+8
	}
	return word, left, data
}

// difference reads by how much a difference of times differs from the last one:
// how many bits that has, in ones, and these.
func difference(word uint64, left int, data []byte) (int64, uint64, int, []byte) {
	var n uint
	switch bits.LeadingZeros64(^word) {
	case 0:
		return 0, word << 1, left - 1, data
	case 1:
		word, left, n = word<<2, left-2, 14
	case 2:
		word, left, n = word<<3, left-3, 17
	case 3:
		word, left, n = word<<4, left-4, 20
	default:
		d, word, left, data := wide(word<<4, left-4, data, 64)
		word, left, data = fill(word, left, data)
		return int64(d), word, left, data
	}
	d := int64(word >> (64 - n))
	if d > 1<<(n-1) {
		d -= 1 << n
	}
	return d, word << n, left - int(n), data
}

// wide reads up to 64 bits, more than the word may hold.
func wide(word uint64, left int, data []byte, width uint) (uint64, uint64, int, []byte) {
	word, left, data = fill(word, left, data)
	if width <= 56 {
		return word >> (64 - width), word << width, left - int(width), data
	}
	rest := width - 56
	high := word >> 8
	word, left, data = fill(word<<56, left-56, data)
	return high<<rest | word>>(64-rest), word << rest, left - int(rest), data
}
