package head

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"

	"github.com/cespare/xxhash/v2"
)

// A file of the log is a header, then frames, one for each commit, then zeros:
//
//	header   "leanfleet log 1\n", number of the generation (8 bytes), salt (8),
//	         sum of these (8), zeros to 64 bytes
//	frame    length of the body (4), number of its records (4), number of the
//	         commit from 0 (8), sum of the body (8), sum of the header's salt and
//	         these (8), then the body: records, each behind its length as a varint,
//	         and zeros, one at least, to a multiple of 8 bytes; all of it XOR 0xa5
//
// Numbers are little-endian, sums XXH64, that of a body of what it is without the
// XOR, which is there so that no sector of a frame is zero: rows that stay the same
// are long zeros. A commit is one write and one sync: the zeros behind it were
// written before, so that the disk has no length and no blocks of the file to
// remember each time.
//
// The end of the log is where the zeros begin, or the one frame that was being
// written when the process or the machine stopped: one that lacks a sector, where
// there are zeros in its place, or its last byte, or that the file ends in, and that
// has nothing behind it. Every other frame that is not what was written is damage.
const (
	logMagic    = "leanfleet log 1\n"
	headerBytes = 64
	frameHeader = 32
	sector      = 512
	maskByte    = 0xa5

	// aheadBytes is how many zeros are written behind a frame when there are none,
	// unless the frame is longer than smallFrame: then the disk has enough to do.
	aheadBytes = 256 << 10
	smallFrame = 64 << 10
	// pieceBytes is the length from which a frame is written and read in pieces.
	pieceBytes = 1 << 20
)

// File is an open file of the log.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Truncate cuts the file off.
	Truncate(size int64) error
	// SyncData makes durable what was written, and the length of the file.
	SyncData() error
	Stat() (fs.FileInfo, error)
}

// errDamaged says that a file of the log is not what was written.
var errDamaged = errors.New("the log is damaged")

// log is a file of the log that is written to or was read.
type log struct {
	file   File
	number uint64
	salt   uint64
	end    int64  // of the last frame
	filled int64  // where the zeros behind it end
	last   int64  // where the last frame begins, 0 without one
	next   uint64 // number of the next commit
	ahead  int64
	b      []byte // of the frame that is being written
}

// newLog writes the header of a file, durably.
func newLog(f File, number uint64, ahead int64) (*log, error) {
	l := &log{file: f, number: number, salt: rand.Uint64(), end: headerBytes, filled: headerBytes, ahead: ahead}
	if _, err := f.WriteAt(l.header(), 0); err != nil {
		return nil, err
	}
	return l, f.SyncData()
}

func (l *log) header() []byte {
	b := append(make([]byte, 0, headerBytes), logMagic...)
	b = binary.LittleEndian.AppendUint64(b, l.number)
	b = binary.LittleEndian.AppendUint64(b, l.salt)
	b = binary.LittleEndian.AppendUint64(b, xxhash.Sum64(b))
	return b[:headerBytes]
}

// frame is the header of a frame.
type frame struct {
	length, records uint32
	number, sum     uint64
}

// bytes is the length of a frame with its header.
func (f frame) bytes() int64 { return frameHeader + int64(f.length) }

// appendFrame appends the header of a frame.
func (l *log) appendFrame(b []byte, f frame) []byte {
	at := len(b)
	b = binary.LittleEndian.AppendUint32(b, f.length)
	b = binary.LittleEndian.AppendUint32(b, f.records)
	b = binary.LittleEndian.AppendUint64(b, f.number)
	b = binary.LittleEndian.AppendUint64(b, f.sum)
	return binary.LittleEndian.AppendUint64(b, l.frameSum(b[at:]))
}

// frameSum is the sum of a frame's header: that of another file is no frame of
// this one.
func (l *log) frameSum(b []byte) uint64 {
	var all [frameHeader]byte
	binary.LittleEndian.PutUint64(all[:], l.salt)
	copy(all[8:], b[:frameHeader-8])
	return xxhash.Sum64(all[:])
}

// parseFrame reads the header of a frame; ok says that it is one of this file.
func (l *log) parseFrame(b []byte) (f frame, ok bool) {
	f = frame{
		length: binary.LittleEndian.Uint32(b), records: binary.LittleEndian.Uint32(b[4:]),
		number: binary.LittleEndian.Uint64(b[8:]), sum: binary.LittleEndian.Uint64(b[16:]),
	}
	return f, binary.LittleEndian.Uint64(b[24:]) == l.frameSum(b) && f.length%8 == 0
}

// commit writes records as one frame and makes it durable. When it fails, none
// of them is stored, or uncertain says that nobody knows.
func (l *log) commit(records [][]byte) (uncertain bool, err error) {
	f, err := l.frame(records)
	if err != nil {
		return false, err
	}
	ahead := l.ahead
	if l.end+f.bytes() <= l.filled || f.bytes() > smallFrame {
		ahead = 0
	}
	err = l.write(f, records, ahead)
	if err != nil && ahead > 0 { // there may be room for the frame alone
		if uncertain, err = l.undo(err, false); uncertain {
			return true, err
		}
		err = l.write(f, records, 0)
	}
	if err != nil {
		return l.undo(err, false)
	}
	if err := l.file.SyncData(); err != nil {
		return l.undo(err, true)
	}
	l.last, l.end = l.end, l.end+f.bytes()
	l.next++
	return false, nil
}

// frame describes the frame of records.
func (l *log) frame(records [][]byte) (frame, error) {
	var length [binary.MaxVarintLen64]byte
	var sum xxhash.Digest
	sum.Reset()
	n := 0
	for _, r := range records {
		k := binary.PutUvarint(length[:], uint64(len(r)))
		_, _ = sum.Write(length[:k])
		_, _ = sum.Write(r)
		n += k + len(r)
	}
	pad := padding(n)
	_, _ = sum.Write(pad)
	if n += len(pad); uint64(n) > math.MaxUint32 {
		return frame{}, fmt.Errorf("a commit of %d bytes is too long", n)
	}
	return frame{length: uint32(n), records: uint32(len(records)), number: l.next, sum: sum.Sum64()}, nil
}

// padding is the end of a body that has n bytes before it.
func padding(n int) []byte { return make([]byte, 1+(-(n+1)&7)) }

// mask makes a part of a body what is written, and the other way round.
func mask(b []byte) {
	const all = maskByte * (math.MaxUint64 / 0xff)
	for ; len(b) >= 8; b = b[8:] {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^all)
	}
	for i := range b {
		b[i] ^= maskByte
	}
}

// unmasked reads a body.
type unmasked struct{ io.Reader }

func (u unmasked) Read(p []byte) (int, error) {
	n, err := u.Reader.Read(p)
	mask(p[:n])
	return n, err
}

// write writes a frame and zeros behind it, a short one at once.
func (l *log) write(f frame, records [][]byte, zeros int64) error {
	at, end := l.end, l.end+f.bytes()
	l.b = l.appendFrame(l.b[:0], f)
	body := frameHeader // where it begins in l.b
	flush := func(zeros int64) error {
		mask(l.b[body:])
		body = 0
		l.b = append(l.b, make([]byte, zeros)...)
		_, err := l.file.WriteAt(l.b, at)
		at += int64(len(l.b))
		l.b = l.b[:0]
		return err
	}
	for _, r := range records {
		l.b = binary.AppendUvarint(l.b, uint64(len(r)))
		for len(l.b)+len(r) > pieceBytes {
			n := max(pieceBytes-len(l.b), 0)
			l.b = append(l.b, r[:n]...)
			r = r[n:]
			if err := flush(0); err != nil {
				return err
			}
		}
		l.b = append(l.b, r...)
	}
	l.b = append(l.b, padding(int(at+int64(len(l.b))-l.end-frameHeader))...)
	l.filled = max(l.filled, end+zeros)
	return flush(zeros)
}

// undo takes back a frame that could not be written or, rewrite says, synced. When
// that works, it is certain that the frame is not there.
func (l *log) undo(failure error, rewrite bool) (uncertain bool, err error) {
	if err := l.settle(rewrite); err != nil {
		return true, errors.Join(failure, err)
	}
	return false, failure
}

// openLog reads a file of the log and hands on its records. The end is where the
// next frame belongs.
func openLog(f File, number uint64, record func(number uint64, b []byte) error) (*log, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	l := &log{file: f, number: number, filled: info.Size(), end: headerBytes}
	if err := l.readHeader(); err != nil {
		return nil, err
	}
	return l, l.frames(record)
}

func (l *log) readHeader() error {
	b := make([]byte, headerBytes)
	if _, err := l.file.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if string(b[:len(logMagic)]) != logMagic {
		return fmt.Errorf("%w: it does not begin as one", errDamaged)
	}
	number := binary.LittleEndian.Uint64(b[16:])
	l.salt = binary.LittleEndian.Uint64(b[24:])
	if l.number, number = number, l.number; !bytes.Equal(b, l.header()) {
		return fmt.Errorf("%w: its header is not what was written", errDamaged)
	}
	if number != l.number {
		return fmt.Errorf("%w: it is generation %d", errDamaged, l.number)
	}
	return nil
}

// frames reads all frames.
func (l *log) frames(record func(number uint64, b []byte) error) error {
	section := io.NewSectionReader(l.file, l.end, max(l.filled-l.end, 0))
	in := bufio.NewReaderSize(section, int(min(max(section.Size(), frameHeader), pieceBytes)))
	var b []byte
	first := uint64(0) // record of the frame
	for {
		head, err := in.Peek(frameHeader)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if len(head) < frameHeader {
			return l.checkTail()
		}
		f, ok := l.parseFrame(head)
		if !ok || f.number != l.next || f.bytes() > l.filled-l.end {
			return l.checkTail()
		}
		if f.length <= pieceBytes {
			_, _ = in.Discard(frameHeader)
			b = append(b[:0], make([]byte, f.length)...)
			if _, err := io.ReadFull(in, b); err != nil {
				return err
			}
			mask(b)
			if xxhash.Sum64(b) != f.sum {
				return l.checkTail()
			}
			err = eachRecord(bufio.NewReader(bytes.NewReader(b)), f, first, record)
		} else {
			var whole bool
			if whole, err = l.long(f, first, record); err == nil && !whole {
				return l.checkTail()
			}
			_, _ = section.Seek(l.end+f.bytes()-headerBytes, io.SeekStart)
			in.Reset(section)
		}
		if err != nil {
			return err
		}
		first += uint64(f.records)
		l.last, l.end = l.end, l.end+f.bytes()
		l.next++
	}
}

// long reads a frame that is not held as a whole; whole says that it is what was
// written.
func (l *log) long(f frame, first uint64, record func(uint64, []byte) error) (whole bool, err error) {
	var sum xxhash.Digest
	sum.Reset()
	body := io.NewSectionReader(l.file, l.end+frameHeader, int64(f.length))
	if _, err := io.CopyBuffer(&sum, unmasked{body}, make([]byte, pieceBytes)); err != nil {
		return false, err
	}
	if sum.Sum64() != f.sum {
		return false, nil
	}
	_, _ = body.Seek(0, io.SeekStart)
	return true, eachRecord(bufio.NewReaderSize(unmasked{body}, pieceBytes), f, first, record)
}

// eachRecord hands on the records of a frame whose sum is right.
func eachRecord(in *bufio.Reader, f frame, first uint64, record func(uint64, []byte) error) error {
	var b []byte
	left := int64(f.length)
	for i := range uint64(f.records) {
		n, err := binary.ReadUvarint(in)
		if err != nil || n > uint64(left) {
			return fmt.Errorf("record %d: %w", first+i, ErrRecord)
		}
		left -= int64(n)
		b = append(b[:0], make([]byte, n)...)
		if _, err := io.ReadFull(in, b); err != nil {
			return fmt.Errorf("record %d: %w", first+i, err)
		}
		if err := record(first+i, b); err != nil {
			return fmt.Errorf("record %d: %w", first+i, err)
		}
	}
	return nil
}
