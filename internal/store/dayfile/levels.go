package dayfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
)

// This file has Parquet's RLE/bit-packed hybrid, used for definition levels
// (one bit: is there a value?) and for indices into dictionaries.

// errHybrid says that levels or indices do not decode to what the index says.
var errHybrid = errors.New("run lengths do not add up to the rows of the page")

// appendRepeat appends a run of n equal values of a bit width.
func appendRepeat(dst []byte, n int, value uint32, width int) []byte {
	dst = binary.AppendUvarint(dst, uint64(n)<<1)
	for i := 0; i < (width+7)/8; i++ {
		dst = append(dst, byte(value>>(8*i)))
	}
	return dst
}

// appendLevels appends the definition levels of a page: as run lengths, or one
// bit a row where that is shorter.
func appendLevels(dst []byte, present []bool) []byte {
	begin := len(dst)
	packed := (len(present)+7)/8 + 3
	for i := 0; i < len(present); {
		j := i + 1
		for j < len(present) && present[j] == present[i] {
			j++
		}
		value := uint32(0)
		if present[i] {
			value = 1
		}
		dst = appendRepeat(dst, j-i, value, 1)
		if len(dst)-begin > packed {
			return appendPackedLevels(dst[:begin], present)
		}
		i = j
	}
	return dst
}

func appendPackedLevels(dst []byte, present []bool) []byte {
	groups := (len(present) + 7) / 8
	dst = binary.AppendUvarint(dst, uint64(groups)<<1|1)
	for g := range groups {
		var b byte
		for i, p := range present[g*8 : min(len(present), g*8+8)] {
			if p {
				b |= 1 << i
			}
		}
		dst = append(dst, b)
	}
	return dst
}

// decodeLevels fills present from definition levels and returns how many rows
// have a value.
func decodeLevels(present []bool, src []byte) (count int, err error) {
	for i := 0; i < len(present); {
		h, n := binary.Uvarint(src)
		if n <= 0 {
			return 0, errHybrid
		}
		src = src[n:]
		if h&1 == 0 {
			rows := h >> 1
			if rows == 0 || rows > uint64(len(present)-i) || len(src) == 0 || src[0] > 1 {
				return 0, errHybrid
			}
			run := present[i : i+int(rows)]
			if src[0] == 0 {
				clear(run)
			} else {
				for k := range run {
					run[k] = true
				}
				count += len(run)
			}
			src = src[1:]
			i += int(rows)
			continue
		}
		groups := h >> 1
		if groups == 0 || groups > uint64(len(src)) || (groups-1)*8 >= uint64(len(present)-i) {
			return 0, errHybrid
		}
		for _, b := range src[:groups] {
			out := present[i:min(len(present), i+8)]
			for k := range out {
				out[k] = b&(1<<k) != 0
			}
			b &= byte(1<<len(out) - 1)
			count += bits.OnesCount8(b)
			i += len(out)
		}
		src = src[groups:]
	}
	if len(src) != 0 {
		return 0, fmt.Errorf("%d bytes follow the definition levels", len(src))
	}
	return count, nil
}

// decodeIndices fills dst with indices into a dictionary of size entries. It
// reads what [appendRepeat] writes: run lengths alone.
func decodeIndices(dst []int32, src []byte, size int) error {
	if len(src) == 0 || int(src[0]) != indexWidth(size) {
		return errors.New("the width of indices does not fit the dictionary")
	}
	width := (int(src[0]) + 7) / 8
	src = src[1:]
	for i := 0; i < len(dst); {
		h, n := binary.Uvarint(src)
		if n <= 0 || h&1 != 0 || h>>1 == 0 || h>>1 > uint64(len(dst)-i) || len(src)-n < width {
			return errHybrid
		}
		src = src[n:]
		var v uint32
		for k := range width {
			v |= uint32(src[k]) << (8 * k)
		}
		src = src[width:]
		if v >= uint32(size) {
			return fmt.Errorf("index %d is beyond the dictionary of %d", v, size)
		}
		run := dst[i : i+int(h>>1)]
		for k := range run {
			run[k] = int32(v)
		}
		i += len(run)
	}
	if len(src) != 0 {
		return fmt.Errorf("%d bytes follow the indices", len(src))
	}
	return nil
}

// indexWidth is the bits that indices into a dictionary of size entries have.
func indexWidth(size int) int { return max(1, bits.Len(uint(max(0, size-1)))) }
