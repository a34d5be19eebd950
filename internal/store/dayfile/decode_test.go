package dayfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/leanfleet/leanfleet/fleet"
)

// TestLevels round-trips definition levels and keeps that they never take much
// more than a bit a row.
func TestLevels(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, 7, 8, 9, 64, 1440, 14_401} {
		for _, share := range []float64{0, 0.001, 0.1, 0.5, 0.99, 1} {
			present := make([]bool, n)
			for i := range present {
				present[i] = r.Float64() < share
			}
			b := appendLevels(nil, present)
			if len(b) > (n+7)/8+3 {
				t.Errorf("%d rows, %v present: %d bytes", n, share, len(b))
			}
			got := make([]bool, n)
			count, err := decodeLevels(got, b)
			if err != nil || !slices.Equal(got, present) || count != countTrue(present) {
				t.Errorf("%d rows, %v present: %d, %v", n, share, count, err)
			}
		}
	}
	if b := appendLevels(nil, make([]bool, 14_400)); len(b) != 4 {
		t.Errorf("a page without values takes %d bytes for that", len(b))
	}
}

func TestLevelsRefused(t *testing.T) {
	for name, b := range map[string][]byte{
		"empty":            nil,
		"no value":         {20},
		"value 2":          {20, 2},
		"no rows":          {0, 1},
		"too many rows":    {22, 1},
		"too few rows":     {18, 1},
		"no groups":        {1},
		"groups missing":   {5, 0xff},
		"too many groups":  {7, 0xff, 0xff, 0xff},
		"bytes behind":     {20, 1, 0},
		"endless varint":   bytes.Repeat([]byte{0xff}, 20),
		"enormous run":     append(binary.AppendUvarint(nil, 1<<63), 1),
		"enormous packing": append(binary.AppendUvarint(nil, 1<<63|1), 1),
	} {
		if n, err := decodeLevels(make([]bool, 10), b); err == nil {
			t.Errorf("%s: %d rows have a value", name, n)
		}
	}
}

func TestIndicesRefused(t *testing.T) {
	if err := decodeIndices(make([]int32, 10), []byte{2, 10, 0, 10, 2}, 3); err != nil {
		t.Errorf("sound indices: %v", err)
	}
	for name, b := range map[string][]byte{
		"empty":         nil,
		"width":         {3, 20, 0},
		"bit-packed":    {2, 5, 0, 0, 0, 0},
		"no rows":       {2, 0, 0},
		"too many rows": {2, 22, 0},
		"too few rows":  {2, 18, 0},
		"no index":      {2, 20},
		"beyond":        {2, 20, 3},
		"bytes behind":  {2, 20, 0, 0},
	} {
		if err := decodeIndices(make([]int32, 10), b, 3); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestCheckDelta(t *testing.T) {
	values := make([]int32, 300)
	for i := range values {
		values[i] = int32(i * i * i)
	}
	b, err := encodeInt32(nil, values)
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeInt32(nil, b, 300)
	if err != nil || !slices.Equal(got, values) {
		t.Fatalf("%v", err)
	}
	for n := range b {
		if _, err := decodeInt32(nil, b[:n], 300); err == nil {
			t.Errorf("cut off at byte %d: no error", n)
		}
	}
	for name, c := range map[string]struct {
		b    []byte
		n    int
		want string
	}{
		"other count":  {b, 299, "299 values in blocks"},
		"bytes behind": {append(bytes.Clone(b), 0), 300, "1 bytes follow the last value"},
		"block size":   {[]byte{0x80, 2, 4, 1, 0}, 1, "in blocks of 256/4"},
		"wide":         {[]byte{0x80, 1, 4, 2, 0, 0, 33, 0, 0, 0}, 2, "values of 33 bits"},
	} {
		if _, err := decodeInt32(nil, c.b, c.n); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := decodeInt64(nil, b, 1); err == nil {
		t.Error("64 bits: no error")
	}
}

// broken is a reader that fails after n reads.
type broken struct {
	r *bytes.Reader
	n int
}

var errDisk = errors.New("input/output error")

func (b *broken) ReadAt(p []byte, off int64) (int, error) {
	if b.n--; b.n < 0 {
		return 0, errDisk
	}
	return b.r.ReadAt(p, off)
}

// TestReadFails lets each read fail in turn: the error is passed on, and the
// same Scratch reads on when the disk does.
func TestReadFails(t *testing.T) {
	data := tinyDay(t)
	for n := 0; ; n++ {
		r := &broken{bytes.NewReader(data), n}
		f, err := Open(r, int64(len(data)))
		var s Scratch
		if err == nil {
			err = f.Check(&s)
		}
		if err == nil {
			if n < 5 {
				t.Errorf("%d reads are enough", n)
			}
			return
		}
		if !errors.Is(err, errDisk) {
			t.Fatalf("read %d: %v", n, err)
		}
		if f != nil {
			r.n = 1 << 30
			if err := f.Check(&s); err != nil {
				t.Errorf("read %d: the next one says %v", n, err)
			}
		}
	}
}

// counting counts the bytes that are read.
type counting struct {
	r *bytes.Reader
	n int64
}

func (c *counting) ReadAt(p []byte, off int64) (int, error) {
	c.n += int64(len(p))
	return c.r.ReadAt(p, off)
}

// TestReadsNothingElse keeps that a question reads the pages of its metric
// alone, and one about a host only the page that holds it.
func TestReadsNothingElse(t *testing.T) {
	var pieces []piece
	for i := range 40 {
		pieces = append(pieces, piece{hostName(i), 60_000, plainRows(uint64(i), 100, 60_000, stored()...)})
	}
	data, _ := write(t, stored(), pieces, Options{GroupRows: 1000, PageRows: 200})
	r := &counting{r: bytes.NewReader(data)}
	f, err := Open(r, int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	at := firstMetric + f.layout.byName["memory_usage"]
	var column int64
	for _, g := range f.index.groups {
		column += g.chunks[at].end() - g.chunks[at].start()
	}
	nothing := func(int, []int32, []bool) error { return nil }
	r.n = 0
	if err := f.Scan(fleet.MemoryUsage, 0, 40, new(Scratch), nothing); err != nil || r.n != column {
		t.Errorf("all hosts: %d bytes are read of a column of %d: %v", r.n, column, err)
	}
	r.n = 0
	page := f.index.groups[1].chunks[at].pages[2]
	if err := f.Scan(fleet.MemoryUsage, 15, 16, new(Scratch), nothing); err != nil || r.n != int64(page.size) {
		t.Errorf("one host: %d bytes are read of a page of %d: %v", r.n, page.size, err)
	}
	r.n = 0
	if err := f.Starts(0, 40, new(Scratch), func(int, []int64) error { return nil }); err != nil || r.n != 0 {
		t.Errorf("times of regular runs: %d bytes are read: %v", r.n, err)
	}
}
