package files

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// kind is what the first bytes of an input say it is.
type kind int

const (
	kindText kind = iota
	kindGzip
	kindZstd
	kindParquet
	kindForeign // known, and not for us
)

// maxWindow bounds the memory that a zstd file can ask for; zstd --ultra -22
// --long=27 needs this much.
const maxWindow = 128 << 20

// sniff tells the kind of an input by its first bytes, and the name of a
// foreign one.
func sniff(head []byte) (kind, string) {
	has := func(magic string) bool { return bytes.HasPrefix(head, []byte(magic)) }
	switch {
	case has("\x1f\x8b"):
		return kindGzip, "gzip"
	case has("\x28\xb5\x2f\xfd"):
		return kindZstd, "zstd"
	case len(head) >= 4 && head[0]>>4 == 5 && has(string(head[0])+"\x2a\x4d\x18"):
		return kindZstd, "zstd" // begins with a skippable frame
	case has("PAR1"):
		return kindParquet, "Parquet"
	case has("PARE"):
		return kindForeign, "an encrypted Parquet file"
	case has("PK\x03\x04"):
		return kindForeign, "a zip archive or a spreadsheet"
	case has("\xfd7zXZ"):
		return kindForeign, "an xz file"
	case has("BZh"):
		return kindForeign, "a bzip2 file"
	case has("\xff\xfe"), has("\xfe\xff"):
		return kindForeign, "UTF-16 text (save it as UTF-8)"
	case has("SQLite format 3"):
		return kindForeign, "an SQLite database"
	}
	return kindText, "CSV"
}

// source is one input, opened.
type source struct {
	name   string // as errors name it
	kind   kind
	size   int64         // bytes; 0 when unknown
	file   *os.File      // may be read again and anywhere; nil for a stream
	stream *bufio.Reader // of a stream
	spool  string        // the temporary file to be removed
}

// sourceOptions say how to open inputs.
type sourceOptions struct {
	stdin     io.Reader
	directory string // where relative paths begin; "" is the process's own
	tempDir   string
	again     bool // the input is read more than once
}

// Open opens a file whose path, if it is relative, begins at a directory; "" is
// the process's own. Errors name the path as it was given.
func Open(directory, path string) (*os.File, error) {
	at := path
	if directory != "" && !filepath.IsAbs(path) {
		at = filepath.Join(directory, path)
	}
	f, err := os.Open(at)
	var failed *fs.PathError
	if errors.As(err, &failed) {
		failed.Path = path
	}
	return f, err
}

// openSource opens a file, or standard input for "-". Pipes are copied to a
// temporary file where they must be read again or anywhere.
func openSource(ctx context.Context, path string, o sourceOptions) (*source, error) {
	if path == "-" {
		if o.stdin == nil {
			o.stdin = os.Stdin
		}
		return openStream(ctx, "standard input", o.stdin, o)
	}
	f, err := Open(o.directory, path)
	if err != nil {
		return nil, err
	}
	s, err := openFile(ctx, path, f, o)
	if err != nil {
		_ = f.Close() // read only: nothing is lost
		return nil, err
	}
	return s, nil
}

func openFile(ctx context.Context, path string, f *os.File, o sourceOptions) (*source, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, fmt.Errorf("%s: is a directory, not a file", path)
	}
	if !info.Mode().IsRegular() {
		s, err := openStream(ctx, path, f, o)
		if err != nil {
			return nil, err
		}
		if s.file != nil {
			_ = f.Close() // copied: read only from here on
		} else {
			s.file = f // to be closed
			s.size = 0
		}
		return s, nil
	}
	head := make([]byte, 16)
	n, err := f.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	k, what := sniff(head[:n])
	if k == kindForeign {
		return nil, errForeign(path, what)
	}
	return &source{name: path, kind: k, size: info.Size(), file: f}, nil
}

func errForeign(name, what string) error {
	return fmt.Errorf("%s: this is %s; leanfleet reads CSV (plain, gzip or zstd) and Parquet", name, what)
}

func openStream(ctx context.Context, name string, r io.Reader, o sourceOptions) (*source, error) {
	stream := bufio.NewReaderSize(r, 64<<10)
	head, err := stream.Peek(16)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	k, what := sniff(head)
	if k == kindForeign {
		return nil, errForeign(name, what)
	}
	s := &source{name: name, kind: k, stream: stream}
	if !o.again && k != kindParquet {
		return s, nil
	}
	f, err := os.CreateTemp(o.tempDir, "leanfleet-input-*")
	if err != nil {
		return nil, fmt.Errorf("copy %s to a temporary file: %w", name, err)
	}
	s.file, s.spool, s.stream = f, f.Name(), nil
	if s.size, err = io.Copy(f, &contextReader{ctx, stream}); err != nil {
		return nil, errors.Join(fmt.Errorf("copy %s to a temporary file: %w", name, err), s.close())
	}
	return s, nil
}

// contextReader stops reading when its context ends.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// close closes the file and removes it if it was a copy.
func (s *source) close() error {
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	if s.spool != "" {
		err = errors.Join(err, os.Remove(s.spool))
	}
	return err
}

// text returns the decompressed text of a CSV input from its beginning. Every
// byte read of the input is counted by m. A stream can be read once.
func (s *source) text(m *meter) (io.ReadCloser, error) {
	var raw io.Reader = s.stream
	if s.stream == nil {
		if _, err := s.file.Seek(0, io.SeekStart); err != nil {
			return nil, fmt.Errorf("read %s: %w", s.name, err)
		}
		raw = s.file
	}
	raw = &countingReader{raw, m}
	var text io.ReadCloser
	switch s.kind {
	case kindGzip:
		z, err := gzip.NewReader(bufio.NewReaderSize(raw, 64<<10))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, s.describe(err))
		}
		text = newAhead(z)
	case kindZstd:
		z, err := zstd.NewReader(raw, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true), zstd.WithDecoderConcurrency(2))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, s.describe(err))
		}
		text = z.IOReadCloser()
	case kindText:
		return io.NopCloser(raw), nil
	default:
		return nil, fmt.Errorf("%s: this is a Parquet file, not CSV", s.name)
	}
	inner := bufio.NewReaderSize(text, 64<<10)
	head, err := inner.Peek(16)
	if err != nil && err != io.EOF {
		_ = text.Close() // the first error is the one to tell
		return nil, fmt.Errorf("%s: %w", s.name, s.describe(err))
	}
	if k, what := sniff(head); k != kindText {
		_ = text.Close() // read only
		if k != kindForeign {
			what = "a file compressed twice, or Parquet that was compressed once more: unpack it first"
		}
		return nil, errForeign(s.name, what)
	}
	return &readCloser{inner, text}, nil
}

// describe says what an error of reading the input means for it.
func (s *source) describe(err error) error {
	what := map[kind]string{kindGzip: "gzip", kindZstd: "zstd"}[s.kind]
	switch {
	case what == "":
		return err
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fmt.Errorf("the %s data ends early, the file is truncated: %w", what, io.ErrUnexpectedEOF)
	case errors.Is(err, os.ErrClosed), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	}
	return fmt.Errorf("the %s data is damaged: %w", what, err)
}

type readCloser struct {
	io.Reader
	io.Closer
}

// meter counts the bytes read of all inputs for a progress bar. With files read
// twice, each reading counts half.
type meter struct {
	report func(read, total int64)
	total  int64
	done   int64 // bytes of inputs that are behind us
	read   int64 // bytes read of the present one
	passes int64
	last   int64
}

// add counts n bytes and reports, at most once for 256 KiB.
func (m *meter) add(n int64) {
	if m == nil || m.report == nil {
		return
	}
	m.read += n
	if at := m.done + m.read/m.passes; at-m.last >= 256<<10 {
		m.last = at
		m.report(at, m.total)
	}
}

// finish ends an input of a known size, so that sizes add up however much of it
// was read.
func (m *meter) finish(size int64) {
	if m == nil || m.report == nil {
		return
	}
	if size == 0 {
		size = m.read
	}
	m.done, m.read = m.done+size, 0
	m.last = m.done
	m.report(m.done, m.total)
}

type countingReader struct {
	r io.Reader
	m *meter
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.m.add(int64(n))
	return n, err
}

// ahead decompresses in a goroutine of its own, so that parsing need not wait
// for it where there is a second core. The meter is then called from there.
type ahead struct {
	blocks  chan block
	free    chan []byte
	quit    chan struct{}
	stopped chan struct{}
	now     block
	rest    []byte
}

type block struct {
	data []byte
	err  error
}

const aheadBlock = 128 << 10

func newAhead(r io.Reader) *ahead {
	a := &ahead{blocks: make(chan block, 2), free: make(chan []byte, 4), quit: make(chan struct{}), stopped: make(chan struct{})}
	for range cap(a.free) {
		a.free <- make([]byte, aheadBlock)
	}
	go a.run(r)
	return a
}

func (a *ahead) run(r io.Reader) {
	defer close(a.stopped)
	defer close(a.blocks)
	for {
		var buf []byte
		select {
		case buf = <-a.free:
		case <-a.quit:
			return
		}
		n, err := 0, error(nil)
		for empty := 0; n < len(buf) && err == nil; {
			var k int
			k, err = r.Read(buf[n:])
			n += k
			if k > 0 {
				empty = 0
			} else if empty++; empty > 100 && err == nil {
				err = io.ErrNoProgress
			}
		}
		select {
		case a.blocks <- block{buf[:n], err}:
		case <-a.quit:
			return
		}
		if err != nil {
			return
		}
	}
}

// Read returns decompressed bytes, and after the last ones the error of the
// decompressor.
func (a *ahead) Read(p []byte) (int, error) {
	for len(a.rest) == 0 {
		if a.now.err != nil {
			return 0, a.now.err
		}
		if a.now.data != nil {
			a.free <- a.now.data[:aheadBlock]
		}
		a.now = <-a.blocks
		a.rest = a.now.data
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

// Close stops the goroutine and waits for it.
func (a *ahead) Close() error {
	close(a.quit)
	<-a.stopped
	return nil
}
