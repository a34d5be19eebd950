package catalog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/klauspost/compress/zstd"
)

// The file: the magic with the version of the form, the number of sections,
// for each its name, raw and stored length and checksum, a checksum of all
// this, then the sections, each one zstd frame.
const magic = "LFCAT\x01"

const (
	maxSections = 64
	// maxSection bounds what a section may decode to, so that a damaged or
	// hostile file cannot ask for unbounded memory. The largest section of the
	// present catalogue has 0.2 MB.
	maxSection = 16 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// section is one named part of the file as it is stored.
type section struct {
	name   string
	stored []byte
	raw    int
}

// open decodes a section's frame into its bytes.
func (s section) open() ([]byte, error) {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxSection))
	if err != nil {
		return nil, err
	}
	defer d.Close()
	b, err := d.DecodeAll(s.stored, make([]byte, 0, s.raw))
	if err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	if len(b) != s.raw {
		return nil, fmt.Errorf("decompress: %d bytes, %d expected", len(b), s.raw)
	}
	return b, nil
}

// pack builds a file of named raw sections, in the order given.
func pack(names []string, raw map[string][]byte) ([]byte, error) {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderCRC(false))
	if err != nil {
		return nil, err
	}
	defer e.Close()
	var payload []byte
	dir := &writer{b: []byte(magic)}
	dir.uvarint(uint64(len(names)))
	for _, name := range names {
		if len(raw[name]) > maxSection {
			return nil, fmt.Errorf("section %s has %d bytes, at most %d are allowed", name, len(raw[name]), maxSection)
		}
		stored := e.EncodeAll(raw[name], nil)
		dir.string(name)
		dir.uvarint(uint64(len(raw[name])))
		dir.uvarint(uint64(len(stored)))
		dir.b = binary.LittleEndian.AppendUint32(dir.b, crc32.Checksum(stored, castagnoli))
		payload = append(payload, stored...)
	}
	dir.b = binary.LittleEndian.AppendUint32(dir.b, crc32.Checksum(dir.b, castagnoli))
	return append(dir.b, payload...), nil
}

// unpack reads the directory of a file and checks every checksum. The sections
// keep pointing into data.
func unpack(data []byte) (map[string]section, error) {
	if len(data) < len(magic) || string(data[:len(magic)]) != magic {
		return nil, errors.New("open catalogue: not a catalogue of this version")
	}
	r := &reader{b: data[len(magic):]}
	n := r.upTo(maxSections, "number of sections")
	type entry struct {
		name        string
		raw, stored int
		sum         uint32
	}
	var entries []entry
	for range n {
		e := entry{name: r.string()}
		e.raw = r.upTo(maxSection, "length of section "+e.name)
		e.stored = r.upTo(len(data), "stored length of section "+e.name)
		sum := r.bytes(4)
		if r.err != nil {
			return nil, fmt.Errorf("open catalogue: directory: %w", r.err)
		}
		e.sum = binary.LittleEndian.Uint32(sum)
		entries = append(entries, e)
	}
	head := data[:len(data)-len(r.b)]
	sum := r.bytes(4)
	if r.err != nil {
		return nil, fmt.Errorf("open catalogue: directory: %w", r.err)
	}
	if binary.LittleEndian.Uint32(sum) != crc32.Checksum(head, castagnoli) {
		return nil, errors.New("open catalogue: directory: checksum differs")
	}
	sections := make(map[string]section, n)
	for _, e := range entries {
		stored := r.bytes(e.stored)
		if r.err != nil {
			return nil, fmt.Errorf("open catalogue: section %s: %w", e.name, r.err)
		}
		if crc32.Checksum(stored, castagnoli) != e.sum {
			return nil, fmt.Errorf("open catalogue: section %s: checksum differs", e.name)
		}
		if _, ok := sections[e.name]; ok {
			return nil, fmt.Errorf("open catalogue: section %s: is there twice", e.name)
		}
		sections[e.name] = section{name: e.name, stored: stored, raw: e.raw}
	}
	if err := r.end(); err != nil {
		return nil, fmt.Errorf("open catalogue: %w", err)
	}
	return sections, nil
}
