package store

import (
	"fmt"
	"io"

	"github.com/cespare/xxhash/v2"
)

// tailSize is how much of a file's end identifies it when it is opened.
const tailSize = 4096

// summer counts and hashes what is written through it.
type summer struct {
	w    io.Writer
	size int64
	hash *xxhash.Digest
	tail []byte
}

func newSummer(w io.Writer) *summer { return &summer{w: w, hash: xxhash.New()} }

// Write passes bytes on and hashes those that were taken.
func (s *summer) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	s.size += int64(n)
	_, _ = s.hash.Write(p[:n])
	s.tail = append(s.tail, p[max(0, n-tailSize):n]...)
	if over := len(s.tail) - tailSize; over > 0 {
		s.tail = append(s.tail[:0], s.tail[over:]...)
	}
	return n, err
}

func (s *summer) sum() fileSum {
	return fileSum{Size: s.size, Checksum: hash64(s.hash.Sum64()), Tail: hash64(xxhash.Sum64(s.tail))}
}

// mismatch says in which way an open file is not the one a sum describes, as far
// as its size and end tell; nil when it is.
func (f fileSum) mismatch(file File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if info.Size() != f.Size {
		return fmt.Errorf("it has %d bytes where %d were written", info.Size(), f.Size)
	}
	tail := make([]byte, min(f.Size, tailSize))
	if _, err := file.ReadAt(tail, f.Size-int64(len(tail))); err != nil && err != io.EOF {
		return fmt.Errorf("read its end: %w", err)
	}
	if got := hash64(xxhash.Sum64(tail)); got != f.Tail {
		return fmt.Errorf("its end is not what was written: checksum %016x where %016x was stored", uint64(got), uint64(f.Tail))
	}
	return nil
}

// verify reads a whole file against its checksum.
func (f fileSum) verify(file File) error {
	if err := f.mismatch(file); err != nil {
		return err
	}
	h := xxhash.New()
	if _, err := io.Copy(h, io.NewSectionReader(file, 0, f.Size)); err != nil {
		return fmt.Errorf("read it: %w", err)
	}
	if got := hash64(h.Sum64()); got != f.Checksum {
		return fmt.Errorf("its checksum is %016x where %016x was stored", uint64(got), uint64(f.Checksum))
	}
	return nil
}
