package dayfile

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/parquet-go/parquet-go/encoding/delta"
)

// The block layout of DELTA_BINARY_PACKED that the encoder writes.
const (
	deltaBlock      = 128
	deltaMiniBlocks = 4
)

// checkDelta walks the headers of a DELTA_BINARY_PACKED page and says whether
// it holds exactly n values of at most width bits and nothing else. The decoder
// trusts what it reads, so it is only given what passed.
func checkDelta(src []byte, n, width int) error {
	var header [3]uint64
	for i := range header {
		v, size := binary.Uvarint(src)
		if size <= 0 {
			return errors.New("the delta header is cut off")
		}
		header[i], src = v, src[size:]
	}
	if header[0] != deltaBlock || header[1] != deltaMiniBlocks || header[2] != uint64(n) {
		return fmt.Errorf("the delta header says %d values in blocks of %d/%d, %d values in blocks of %d/%d are due",
			header[2], header[0], header[1], n, deltaBlock, deltaMiniBlocks)
	}
	_, size := binary.Varint(src)
	if size <= 0 {
		return errors.New("the first value is cut off")
	}
	src = src[size:]
	for left := n - 1; left > 0; left -= deltaBlock {
		_, size := binary.Varint(src)
		if size <= 0 || len(src) < size+deltaMiniBlocks {
			return errors.New("a delta block is cut off")
		}
		widths := src[size : size+deltaMiniBlocks]
		bytes := 0
		for _, w := range widths {
			if int(w) > width {
				return fmt.Errorf("a delta block has values of %d bits", w)
			}
			bytes += int(w) * (deltaBlock / deltaMiniBlocks / 8)
		}
		src = src[size+deltaMiniBlocks:]
		if len(src) < bytes {
			return errors.New("a delta block is cut off")
		}
		src = src[bytes:]
	}
	if len(src) != 0 {
		return fmt.Errorf("%d bytes follow the last value", len(src))
	}
	return nil
}

// decodeInt32 decodes exactly n values into dst's memory.
func decodeInt32(dst []int32, src []byte, n int) ([]int32, error) {
	if err := checkDelta(src, n, 32); err != nil {
		return nil, err
	}
	return new(delta.BinaryPackedEncoding).DecodeInt32(dst[:0], src)
}

// decodeInt64 decodes exactly n values into dst's memory.
func decodeInt64(dst []int64, src []byte, n int) ([]int64, error) {
	if err := checkDelta(src, n, 64); err != nil {
		return nil, err
	}
	return new(delta.BinaryPackedEncoding).DecodeInt64(dst[:0], src)
}

// encodeInt32 encodes values into dst's memory.
func encodeInt32(dst []byte, values []int32) ([]byte, error) {
	return new(delta.BinaryPackedEncoding).EncodeInt32(dst[:0], values)
}

// encodeInt64 encodes values into dst's memory.
func encodeInt64(dst []byte, values []int64) ([]byte, error) {
	return new(delta.BinaryPackedEncoding).EncodeInt64(dst[:0], values)
}
