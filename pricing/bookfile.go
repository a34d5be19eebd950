package pricing

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// A book file holds what was read live: a magic line, a directory, then one
// section for each place, each a zstd frame that is decoded when the place is
// first asked for. The directory has the readings, and length and SHA-256 of
// each section; its own SHA-256 follows it.
const bookMagic = "leanfleet prices 1\n"

const (
	maxSection   = 1 << 28 // unpacked bytes of a section
	maxDirectory = 1 << 28
)

// ErrBook is the error of a book file that is damaged or of another kind.
var ErrBook = errors.New("damaged price book")

// WriteTo writes what was read live into the book, for [ReadBook]. Where places
// did not change since they were read from a file, their bytes are copied. The
// caller makes the writing atomic: a temporary file, synced, renamed.
func (b *Book) WriteTo(w io.Writer) (int64, error) {
	l := b.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	if int(b.seen()) != len(l.batches) {
		return 0, errors.New("write price book: the book is seen at an older revision")
	}
	packer, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return 0, fmt.Errorf("write price book: %w", err)
	}
	defer packer.Close()
	places := sortedKeys(l.slots, func(x, y place) int {
		return cmp.Or(strings.Compare(x.provider, y.provider), strings.Compare(x.region, y.region))
	})
	e := &encoder{}
	e.uint(uint64(len(l.batches)))
	for i := range l.batches {
		r := &l.batches[i]
		e.text(r.List)
		e.text(r.Provider)
		e.text(r.Region)
		e.time(r.At)
		e.bool(r.Complete)
		e.b = append(e.b, r.hash[:]...)
	}
	e.uint(uint64(len(places)))
	sections := make([][]byte, len(places))
	for i, at := range places {
		if sections[i], err = l.slots[at].pack(packer); err != nil {
			return 0, fmt.Errorf("write price book: %s %s: %w", at.provider, at.region, err)
		}
		sum := sha256.Sum256(sections[i])
		e.text(at.provider)
		e.text(at.region)
		e.uint(uint64(len(sections[i])))
		e.b = append(e.b, sum[:]...)
	}
	directory := e.section()
	sum := sha256.Sum256(directory)
	head := append([]byte(bookMagic), binary.LittleEndian.AppendUint32(nil, uint32(len(directory)))...)
	var total int64
	for _, part := range append([][]byte{head, directory, sum[:]}, sections...) {
		n, err := w.Write(part)
		total += int64(n)
		if err != nil {
			return total, fmt.Errorf("write price book: %w", err)
		}
	}
	return total, nil
}

// pack returns the section of a slot.
func (s *slot) pack(packer *zstd.Encoder) ([]byte, error) {
	if s.packed != nil {
		return s.packed, nil
	}
	shelf, err := s.open()
	if err != nil {
		return nil, err
	}
	raw, err := shelf.encode()
	if err != nil {
		return nil, err
	}
	if len(raw) > maxSection {
		return nil, fmt.Errorf("%d bytes, at most %d are written", len(raw), maxSection)
	}
	s.packed = packer.EncodeAll(raw, nil)
	return s.packed, nil
}

// ReadBook returns the book whose file holds data, with the given options. It
// checks the directory now and each place when it is first asked for; damage
// wraps [ErrBook]. The book keeps data, which must not change.
func ReadBook(data []byte, o Options) (*Book, error) {
	b, err := NewBook(o)
	if err != nil {
		return nil, err
	}
	if err := b.ledger.read(data); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBook, err)
	}
	return b, nil
}

func (l *ledger) read(data []byte) error {
	rest, ok := bytes.CutPrefix(data, []byte(bookMagic))
	if !ok {
		return fmt.Errorf("it does not begin with %q: another version, or no price book", strings.TrimSpace(bookMagic))
	}
	if len(rest) < 4 {
		return errShort
	}
	size := binary.LittleEndian.Uint32(rest)
	rest = rest[4:]
	if uint64(size)+sha256.Size > uint64(len(rest)) || size > maxDirectory {
		return errShort
	}
	directory, sum := rest[:size], rest[size:size+sha256.Size]
	rest = rest[size+sha256.Size:]
	if got := sha256.Sum256(directory); !bytes.Equal(got[:], sum) {
		return errors.New("the checksum of its directory is wrong")
	}
	d := &decoder{b: directory}
	d.readTable()
	for range d.count() {
		r := batch{Reading: Reading{List: d.text(), Provider: d.text(), Region: d.text(), At: d.time(), Complete: d.bool()}}
		copy(r.hash[:], d.bytes(len(r.hash)))
		l.batches = append(l.batches, r)
		if r.Complete {
			k := listKey{r.List, place{r.Provider, r.Region}}
			l.complete[k] = append(l.complete[k], int32(len(l.batches)))
		}
	}
	for range d.count() {
		at, n := place{d.text(), d.text()}, d.uint()
		want := d.bytes(sha256.Size)
		if d.err != nil {
			break
		}
		if n > uint64(len(rest)) {
			return fmt.Errorf("%s %s: %w", at.provider, at.region, errShort)
		}
		if _, twice := l.slots[at]; twice {
			return fmt.Errorf("%s %s is there twice", at.provider, at.region)
		}
		l.slots[at] = packedSlot(at, len(l.batches), rest[:n:n], want)
		rest = rest[n:]
	}
	if d.err == nil && (len(d.b) > 0 || len(rest) > 0) {
		return errors.New("it goes on after its end")
	}
	return d.err
}

func (d *decoder) bytes(n int) []byte {
	if n > len(d.b) {
		d.fail(errShort)
		return nil
	}
	b := d.b[:n]
	d.b = d.b[n:]
	return b
}

// packedSlot is a place whose section is decoded on first use.
func packedSlot(at place, batches int, packed, sum []byte) *slot {
	return &slot{packed: packed, open: sync.OnceValues(func() (*shelf, error) {
		s, err := unpack(at, batches, packed, sum)
		if err != nil {
			return nil, fmt.Errorf("%w: %s %s: %w", ErrBook, at.provider, at.region, err)
		}
		return s, nil
	})}
}

func unpack(at place, batches int, packed, sum []byte) (*shelf, error) {
	if got := sha256.Sum256(packed); !slices.Equal(got[:], sum) {
		return nil, errors.New("the checksum is wrong")
	}
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxSection))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	raw, err := z.DecodeAll(packed, nil)
	if err != nil {
		return nil, err
	}
	return decodeShelf(at, min(batches, math.MaxInt32), raw)
}
