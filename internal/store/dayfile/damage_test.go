package dayfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"github.com/leanfleet/leanfleet/fleet"
)

var update = flag.Bool("update", false, "write golden files that are missing")

// tinyDay is a file small enough to flip each of its bits.
func tinyDay(t testing.TB) []byte {
	own := ownMetric()
	mixed := plainRows(2, 12, 60_000, fleet.CPUUsage, own)
	mixed.Start[5] += 7
	mixed.Columns[1].Present = []bool{true, false, true, true, false, true, true, true, true, false, true, true}
	mixed.Origin = strings.Split("agent cloud agent agent agent cloud agent agent agent agent agent agent", " ")
	data, _ := write(t, []fleet.Metric{fleet.CPUUsage, own}, []piece{
		{"ash", 60_000, plainRows(1, 20, 60_000, fleet.CPUUsage)},
		{"birch", 60_000, mixed},
	}, Options{GroupRows: 20, PageRows: 10})
	return data
}

// tryRead opens a file and reads everything in it.
func tryRead(data []byte) error {
	f, err := Open(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return err
	}
	return f.Check(new(Scratch))
}

func dataEnd(t testing.TB, data []byte) int64 {
	t.Helper()
	end, err := readSealed(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	return end.dataEnd
}

// TestEveryBit flips each bit of a file: behind the pages Open notices, in the
// pages whoever reads them, and every message says what is wrong.
func TestEveryBit(t *testing.T) {
	data := tinyDay(t)
	if err := tryRead(data); err != nil {
		t.Fatal(err)
	}
	pages := dataEnd(t, data)
	reasons := make(map[string]int)
	for i := range data {
		for bit := range 8 {
			data[i] ^= 1 << bit
			f, err := Open(bytes.NewReader(data), int64(len(data)))
			switch inPages := int64(i) >= int64(len(magic)) && int64(i) < pages; {
			case !inPages && err == nil:
				t.Errorf("bit %d of byte %d: Open notices nothing", bit, i)
			case inPages && err != nil:
				t.Errorf("bit %d of byte %d, in a page: Open says %v", bit, i, err)
			case inPages:
				if err = f.Check(new(Scratch)); err == nil {
					t.Errorf("bit %d of byte %d: Check notices nothing", bit, i)
				} else if !strings.Contains(err.Error(), "column ") && !strings.Contains(err.Error(), "dictionary of") {
					t.Errorf("bit %d of byte %d: %q does not name a column", bit, i, err)
				}
			}
			if err != nil {
				if errors.Is(err, ErrForeign) || errors.Is(err, ErrVersion) {
					t.Errorf("bit %d of byte %d: %v", bit, i, err)
				}
				for _, word := range []string{"checksum", "seal", "start of the file", "end of the file", "length of the footer", "index is damaged"} {
					if strings.Contains(err.Error(), word) {
						reasons[word]++
					}
				}
			}
			data[i] ^= 1 << bit
		}
	}
	t.Logf("%d bits, of which %d in pages: %v", 8*len(data), 8*(pages-4), reasons)
}

// TestDamagedPageScan keeps that a question notices the damage of the pages it
// reads, and no other.
func TestDamagedPageScan(t *testing.T) {
	data := tinyDay(t)
	clean := open(t, data)
	p := clean.index.groups[0].chunks[firstMetric].pages[0]
	data[p.offset+int64(p.header)+3] ^= 0x10
	f := open(t, data)
	nothing := func(int, []int32, []bool) error { return nil }
	if err := f.Scan(ownMetric(), 0, 2, new(Scratch), nothing); err != nil {
		t.Errorf("another metric: %v", err)
	}
	if err := f.Scan(fleet.CPUUsage, 1, 2, new(Scratch), nothing); err != nil {
		t.Errorf("another host: %v", err)
	}
	err := f.Scan(fleet.CPUUsage, 0, 2, new(Scratch), nothing)
	want := fmt.Sprintf("column cpu_usage of hosts ash to ash: bytes %d to %d are damaged: their checksum is ", p.offset, p.offset+int64(p.size)-1)
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want %s...", err, want)
	}
	w, err := NewWriter(new(bytes.Buffer), testDay, f.Metrics(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Copy(f, f.Segments()[0], new(Scratch)); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("a damaged segment is copied: %v", err)
	}
	if _, err := w.Close(); err == nil {
		t.Error("a file is finished after an error")
	}
}

// TestTruncated cuts a file off and adds to its end.
func TestTruncated(t *testing.T) {
	metrics, pieces := smallDay()
	data, _ := write(t, metrics, pieces, Options{GroupRows: 60, PageRows: 20})
	for n := 0; n < len(data); n += 64 {
		if err := tryRead(data[:n]); err == nil {
			t.Errorf("cut off at byte %d of %d: no error", n, len(data))
		}
	}
	for n := 1; n < 64; n++ {
		if err := tryRead(data[:len(data)-n]); err == nil {
			t.Errorf("cut off %d bytes before the end: no error", n)
		}
		if err := tryRead(append(bytes.Clone(data), make([]byte, n)...)); err == nil {
			t.Errorf("%d bytes added: no error", n)
		}
		if err := tryRead(append(make([]byte, n), data...)); err == nil {
			t.Errorf("%d bytes before: no error", n)
		}
		short := append(bytes.Clone(data[:4+n]), data[5+n:]...)
		if err := tryRead(short); err == nil {
			t.Errorf("byte %d left out: no error", 4+n)
		}
	}
	f := open(t, data)
	f.r = bytes.NewReader(data[:len(data)/4])
	if err := f.Check(new(Scratch)); err == nil || !strings.Contains(err.Error(), "unexpected EOF") {
		t.Errorf("a file cut off after it was opened: %v", err)
	}
}

// reseal computes the seal of a changed file anew; false without a seal.
func reseal(data []byte) bool {
	at := bytes.LastIndex(data, []byte(sealMark))
	if at < 0 || at+len(sealMark)+sealBytes > len(data) {
		return false
	}
	value := data[at+len(sealMark):][:sealBytes]
	var version, index int
	var begin int64
	if _, err := fmt.Sscanf(string(value[:sealBytes-sealDigits-7]), "v%03d data=%016x index=%08x", &version, &begin, &index); err != nil || begin < 0 || begin > int64(at) {
		return false
	}
	copy(value[sealBytes-sealDigits:], "0000000000000000")
	copy(value[sealBytes-sealDigits:], fmt.Sprintf("%016x", xxhash.Sum64(data[begin:])))
	return true
}

func TestVersion(t *testing.T) {
	data := tinyDay(t)
	at := bytes.LastIndex(data, []byte(sealMark)) + len(sealMark)
	copy(data[at:], "v003")
	if err := tryRead(data); err == nil || errors.Is(err, ErrVersion) {
		t.Errorf("a version that the seal does not cover: %v", err)
	}
	if !reseal(data) {
		t.Fatal("no seal")
	}
	if err := tryRead(data); !errors.Is(err, ErrVersion) || err.Error() != "the format is newer than this program: version 3, this program reads 2" {
		t.Errorf("version 3: %v", err)
	}
	copy(data[at:], "v001")
	reseal(data)
	if err := tryRead(data); err != nil {
		t.Errorf("version 1 sealed anew: %v", err)
	}
}

func TestForeignFile(t *testing.T) {
	type row struct {
		Host string
		CPU  int32
	}
	var other bytes.Buffer
	if err := parquet.Write(&other, []row{{"ash", 1}, {"birch", 2}}); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"empty":         nil,
		"short":         []byte("PAR1"),
		"text":          []byte("host,time,cpu_usage\nash,2013-08-01T00:00:00Z,0.5\n"),
		"other Parquet": other.Bytes(),
	} {
		if err := tryRead(data); !errors.Is(err, ErrForeign) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestGolden opens a file that the first version of the format wrote. The file
// is never written anew: a later version gets a file of its own beside it.
func TestGolden(t *testing.T) {
	metrics, pieces := smallDay()
	path := filepath.Join("testdata", "v1.parquet")
	if _, err := os.Stat(path); *update && errors.Is(err, os.ErrNotExist) {
		data, _ := write(t, metrics, pieces, Options{GroupRows: 60, PageRows: 20})
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f := open(t, golden)
	got, err := read(f)
	if err != nil {
		t.Fatal(err)
	}
	if d := diff(got, normal(pieces, metrics)); d != "" {
		t.Errorf("rows of %s differ (-want +got):\n%s", path, d)
	}
	if err := f.Check(new(Scratch)); err != nil {
		t.Error(err)
	}
}

// sampleIndex is an index as a file has it, and where its pages end.
func sampleIndex(t testing.TB) ([]byte, int64) {
	data := tinyDay(t)
	end, err := readSealed(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	return end.index, end.dataEnd
}

// TestIndexBytes changes each byte of an index that nothing covers: it is
// refused, or it is another index that is sound.
func TestIndexBytes(t *testing.T) {
	data, end := sampleIndex(t)
	x, err := decodeIndex(data, end, false)
	if err != nil {
		t.Fatal(err)
	}
	if again := x.append(nil); !bytes.Equal(again, data) {
		t.Errorf("an index is written differently once read")
	}
	for i := range data {
		if _, err := decodeIndex(data[:i], end, false); err == nil {
			t.Errorf("cut off at byte %d: no error", i)
		}
		for _, v := range []byte{0, 1, 0x7f, 0x80, 0xff} {
			changed := bytes.Clone(data)
			changed[i] = v
			if y, err := decodeIndex(changed, end, false); err == nil {
				if z, err := decodeIndex(y.append(nil), end, false); err != nil {
					t.Errorf("byte %d as %d: an index is refused once written again: %v", i, v, err)
				} else if d := cmp.Diff(y, z, cmp.AllowUnexported(index{}, group{}, chunk{}, page{})); d != "" {
					t.Errorf("byte %d as %d:\n%s", i, v, d)
				}
			}
		}
	}
}

// readAll reads all that an opened file offers; it must not panic.
func readAll(f *File) {
	var s Scratch
	_ = f.Check(&s)
	n := len(f.Runs())
	for i := range n {
		_, _ = f.Rows(i, &s)
	}
	for _, m := range f.Metrics() {
		_ = f.Scan(m, 0, n, &s, func(run int, values []int32, present []bool) error {
			if rows := f.Runs()[run].Rows; len(values) > rows || present != nil && len(present) != rows {
				panic("BUG: more values than rows")
			}
			return nil
		})
	}
	_ = f.Starts(0, min(n, 100), &s, func(int, []int64) error { return nil })
	w, err := NewWriter(new(bytes.Buffer), f.Day(), f.Metrics(), Options{})
	if err != nil {
		return
	}
	for _, seg := range f.Segments() {
		if _, err := w.Copy(f, seg, &s); err != nil {
			return
		}
	}
	_, _ = w.Close()
}

// FuzzOpen opens and reads anything, as it is and with a seal that fits.
func FuzzOpen(f *testing.F) {
	tiny := tinyDay(f)
	f.Add(tiny)
	f.Add(tiny[:len(tiny)/2])
	f.Add([]byte("PAR1PAR1PAR1"))
	empty, _ := write(f, nil, nil, Options{})
	f.Add(empty)
	f.Fuzz(func(t *testing.T, data []byte) {
		for range 2 {
			if file, err := Open(bytes.NewReader(data), int64(len(data))); err == nil && file.NumRows() < 1<<22 {
				readAll(file)
			}
			data = bytes.Clone(data)
			if !reseal(data) {
				return
			}
		}
	})
}

// FuzzIndex decodes any index.
func FuzzIndex(f *testing.F) {
	data, end := sampleIndex(f)
	f.Add(data, end)
	f.Fuzz(func(t *testing.T, data []byte, end int64) {
		x, err := decodeIndex(data, end, false)
		if err != nil {
			return
		}
		y, err := decodeIndex(x.append(nil), end, false)
		if err != nil {
			t.Fatalf("refused once written again: %v", err)
		}
		if d := cmp.Diff(x, y, cmp.AllowUnexported(index{}, group{}, chunk{}, page{})); d != "" {
			t.Fatal(d)
		}
	})
}

// FuzzPage decodes any payload of a page of each kind.
func FuzzPage(f *testing.F) {
	file := open(f, tinyDay(f))
	var s Scratch
	for c := range file.layout.columns {
		g := &file.index.groups[len(file.index.groups)-1]
		p := g.chunks[c].pages[0]
		levels, raw, err := s.payload(file, p, g.chunks[c].zstd, 0)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(c, bytes.Clone(levels), bytes.Clone(raw), int(g.rows[1]-g.rows[0]), int(p.nulls))
	}
	f.Add(firstMetric, binary.AppendUvarint(nil, 1<<40), []byte{128, 1, 4, 2, 0}, 2, 1)
	f.Fuzz(func(t *testing.T, column int, levels, raw []byte, rows, nulls int) {
		if column < 0 || column > firstMetric || rows < 1 || rows > 1<<16 || nulls < 0 || nulls >= rows {
			return
		}
		sl := &slot{names: []string{"agent", "cloud"}}
		if err := sl.fill(column, levels, raw, rows, nulls); err != nil {
			return
		}
		sl.end = int64(rows)
		switch {
		case column == columnTime && len(sl.times) != rows,
			hasDictionary(column) && len(sl.values) != rows,
			column == firstMetric && len(sl.values) != rows-nulls:
			t.Fatalf("%d times, %d values for %d rows, %d of them null", len(sl.times), len(sl.values), rows, nulls)
		}
		if column == firstMetric {
			if values, _ := sl.part(0, int64(rows)); len(values) != rows-nulls {
				t.Fatalf("%d values are handed out, not %d", len(values), rows-nulls)
			}
		}
	})
}
