package source_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"math"
	"math/bits"
	"os"
	"path/filepath"
	"slices"
	"sort"
)

// castagnoli is the polynomial of Prometheus' checksums.
func castagnoli(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// xorChunk packs samples as Prometheus does: times as differences of
// differences, values as what changed of their bits.
func xorChunk(times []int64, values []float64) []byte {
	w := bitWriter{data: binary.BigEndian.AppendUint16(nil, uint16(len(times)))}
	var delta int64
	leading, trailing := 255, 0
	for i, t := range times {
		switch i {
		case 0:
			w.data = binary.AppendVarint(w.data, t)
			w.data = binary.BigEndian.AppendUint64(w.data, math.Float64bits(values[0]))
			continue
		case 1:
			delta = t - times[0]
			w.data = binary.AppendUvarint(w.data, uint64(delta))
		default:
			d := t - times[i-1]
			w.dod(d - delta)
			delta = d
		}
		x := math.Float64bits(values[i]) ^ math.Float64bits(values[i-1])
		if x == 0 {
			w.put(0, 1)
			continue
		}
		l, r := min(31, bits.LeadingZeros64(x)), bits.TrailingZeros64(x)
		if leading != 255 && l >= leading && r >= trailing {
			w.put(0b10, 2)
			w.put(x>>trailing, 64-leading-trailing)
			continue
		}
		leading, trailing = l, r
		n := 64 - l - r
		w.put(0b11, 2)
		w.put(uint64(l), 5)
		w.put(uint64(n&63), 6)
		w.put(x>>r, n)
	}
	return w.data
}

// bitWriter appends bits, the highest first. free is how many of the last byte
// are not taken.
type bitWriter struct {
	data []byte
	free int
}

func (w *bitWriter) put(v uint64, n int) {
	for n > 0 {
		if w.free == 0 {
			w.data, w.free = append(w.data, 0), 8
		}
		k := min(n, w.free)
		w.data[len(w.data)-1] |= byte(v >> (n - k) & (1<<k - 1) << (w.free - k))
		w.free -= k
		n -= k
	}
}

func (w *bitWriter) dod(d int64) {
	fits := func(n int) bool { return d >= -(1<<(n-1)-1) && d <= 1<<(n-1) }
	switch {
	case d == 0:
		w.put(0, 1)
	case fits(14):
		w.put(0b10, 2)
		w.put(uint64(d), 14)
	case fits(17):
		w.put(0b110, 3)
		w.put(uint64(d), 17)
	case fits(20):
		w.put(0b1110, 4)
		w.put(uint64(d), 20)
	default:
		w.put(0b1111, 4)
		w.put(uint64(d), 64)
	}
}

// block writes a block of a Prometheus' storage: its format is documented with
// the engine, and promtool takes a hundred times as long. Series come in the
// order of their labels.
type block struct {
	dir      string
	ulid     string
	from, to int64
	segment  int
	file     *os.File
	out      *bufio.Writer
	offset   int64
	series   []blockSeries
	samples  int64
	chunks   int
}

type blockSeries struct {
	labels []string // name, value, ... in order of names
	chunks []blockChunk
}

type blockChunk struct {
	from, to int64
	ref      uint64
}

// newBlock begins the nth block of a storage, of samples in [from, to).
func newBlock(data string, n int, from, to int64) (*block, error) {
	const digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	ulid := []byte("01HT00000000000000000000AA")
	for i := 20; n > 0; i-- {
		ulid[i], n = digits[n%32], n/32
	}
	b := &block{dir: filepath.Join(data, string(ulid)), ulid: string(ulid), from: from, to: to}
	if err := os.MkdirAll(filepath.Join(b.dir, "chunks"), 0o755); err != nil {
		return nil, err
	}
	return b, b.cut()
}

// cut begins the next file of chunks.
func (b *block) cut() (err error) {
	if b.file != nil {
		if err := errors.Join(b.out.Flush(), b.file.Close()); err != nil {
			return err
		}
	}
	b.segment++
	if b.file, err = os.Create(filepath.Join(b.dir, "chunks", fmt.Sprintf("%06d", b.segment))); err != nil {
		return err
	}
	b.out = bufio.NewWriterSize(b.file, 1<<20)
	_, err = b.out.Write([]byte{0x85, 0xBD, 0x40, 0xDD, 1, 0, 0, 0})
	b.offset = 8
	return err
}

// add adds a series with its samples.
func (b *block) add(labels []string, times []int64, values []float64) error {
	s := blockSeries{labels: labels}
	const most = 120
	for i := 0; i < len(times); i += most {
		j := min(len(times), i+most)
		chunk := xorChunk(times[i:j], values[i:j])
		if b.offset > 500<<20 {
			if err := b.cut(); err != nil {
				return err
			}
		}
		s.chunks = append(s.chunks, blockChunk{times[i], times[j-1], uint64(b.segment-1)<<32 | uint64(b.offset)})
		text := append(binary.AppendUvarint(nil, uint64(len(chunk))), 1)
		text = append(text, chunk...)
		text = binary.BigEndian.AppendUint32(text, castagnoli(text[len(text)-len(chunk)-1:]))
		if _, err := b.out.Write(text); err != nil {
			return err
		}
		b.offset += int64(len(text))
	}
	b.series = append(b.series, s)
	b.samples += int64(len(times))
	b.chunks += len(s.chunks)
	return nil
}

// close writes the index and what the block says of itself.
func (b *block) close() error {
	if err := errors.Join(b.out.Flush(), b.file.Close()); err != nil {
		return err
	}
	meta := fmt.Sprintf(`{"ulid":%q,"minTime":%d,"maxTime":%d,"stats":{"numSamples":%d,"numSeries":%d,"numChunks":%d},"compaction":{"level":1,"sources":[%q]},"version":1}`,
		b.ulid, b.from, b.to, b.samples, len(b.series), b.chunks, b.ulid)
	if err := os.WriteFile(filepath.Join(b.dir, "meta.json"), []byte(meta), 0o600); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(b.dir, "index"))
	if err != nil {
		return err
	}
	x := &indexWriter{out: bufio.NewWriterSize(f, 1<<20)}
	x.write(b.series)
	return errors.Join(x.err, x.out.Flush(), f.Close())
}

// indexWriter writes the index of a block, version 2.
type indexWriter struct {
	out *bufio.Writer
	at  uint64
	err error
}

func (x *indexWriter) raw(b []byte) {
	n, err := x.out.Write(b)
	x.at, x.err = x.at+uint64(n), errors.Join(x.err, err)
}

func (x *indexWriter) align(n uint64) {
	for x.at%n != 0 {
		x.raw([]byte{0})
	}
}

// section writes a part with its length and its checksum.
func (x *indexWriter) section(content []byte) {
	x.raw(binary.BigEndian.AppendUint32(nil, uint32(len(content))))
	x.raw(content)
	x.raw(binary.BigEndian.AppendUint32(nil, castagnoli(content)))
}

func text(to []byte, s string) []byte {
	return append(binary.AppendUvarint(to, uint64(len(s))), s...)
}

func (x *indexWriter) write(series []blockSeries) {
	x.raw([]byte{0xBA, 0xAA, 0xD7, 0x00, 2})
	seen := map[string]int{"": 0}
	for i := range series {
		for _, s := range series[i].labels {
			seen[s] = 0
		}
	}
	list := slices.Sorted(maps.Keys(seen))
	symbols := binary.BigEndian.AppendUint32(nil, uint32(len(list)))
	for i, s := range list {
		seen[s] = i
		symbols = text(symbols, s)
	}
	toc := []uint64{x.at}
	x.section(symbols)
	x.align(16)
	toc = append(toc, x.at)
	type pair struct{ name, value string }
	postings := map[pair][]uint32{}
	for i := range series {
		x.align(16)
		s, ref := &series[i], uint32(x.at/16)
		content := binary.AppendUvarint(nil, uint64(len(s.labels)/2))
		postings[pair{}] = append(postings[pair{}], ref)
		for k := 0; k < len(s.labels); k += 2 {
			p := pair{s.labels[k], s.labels[k+1]}
			postings[p] = append(postings[p], ref)
			content = binary.AppendUvarint(binary.AppendUvarint(content, uint64(seen[p.name])), uint64(seen[p.value]))
		}
		content = binary.AppendUvarint(content, uint64(len(s.chunks)))
		for k, c := range s.chunks {
			if k == 0 {
				content = binary.AppendVarint(content, c.from)
				content = binary.AppendUvarint(content, uint64(c.to-c.from))
				content = binary.AppendUvarint(content, c.ref)
				continue
			}
			before := s.chunks[k-1]
			content = binary.AppendUvarint(content, uint64(c.from-before.to))
			content = binary.AppendUvarint(content, uint64(c.to-c.from))
			content = binary.AppendVarint(content, int64(c.ref-before.ref))
		}
		x.raw(binary.AppendUvarint(nil, uint64(len(content))))
		x.raw(content)
		x.raw(binary.BigEndian.AppendUint32(nil, castagnoli(content)))
	}
	pairs := slices.SortedFunc(maps.Keys(postings), func(a, b pair) int {
		if a.name != b.name {
			return bytes.Compare([]byte(a.name), []byte(b.name))
		}
		return bytes.Compare([]byte(a.value), []byte(b.value))
	})
	x.align(4)
	toc = append(toc, 0, 0, x.at) // no indexes of labels: nobody reads them
	table := binary.BigEndian.AppendUint32(nil, uint32(len(pairs)))
	for _, p := range pairs {
		x.align(4)
		table = append(table, 2)
		table = binary.AppendUvarint(text(text(table, p.name), p.value), x.at)
		content := binary.BigEndian.AppendUint32(nil, uint32(len(postings[p])))
		for _, ref := range postings[p] {
			content = binary.BigEndian.AppendUint32(content, ref)
		}
		x.section(content)
	}
	toc = append(toc, x.at)
	x.section(table)
	var end []byte
	for _, v := range toc {
		end = binary.BigEndian.AppendUint64(end, v)
	}
	x.raw(binary.BigEndian.AppendUint32(end, castagnoli(end)))
}

// writeBlock writes a block of series in any order.
func writeBlock(data string, n int, from, to int64, list []testSeries) error {
	b, err := newBlock(data, n, from, to)
	if err != nil {
		return err
	}
	flat := make([][]string, len(list))
	order := make([]int, len(list))
	for i := range list {
		order[i] = i
		for _, name := range slices.Sorted(maps.Keys(list[i].labels)) {
			if list[i].labels[name] != "" {
				flat[i] = append(flat[i], name, list[i].labels[name])
			}
		}
	}
	sort.Slice(order, func(i, j int) bool { return slices.Compare(flat[order[i]], flat[order[j]]) < 0 })
	for _, i := range order {
		if len(list[i].times) > 0 {
			if err := b.add(flat[i], list[i].times, list[i].values); err != nil {
				return err
			}
		}
	}
	return b.close()
}
