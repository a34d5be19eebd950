package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/leanfleet/leanfleet/internal/store/head"
)

// FS is the file layer below everything but leanfleet.db, which bbolt writes
// itself. Paths are those of the operating system. Methods may be called from
// several goroutines; errors name the path.
type FS interface {
	// Mkdir creates one directory.
	Mkdir(path string) error
	// Create creates or empties a file for writing and reading.
	Create(path string) (File, error)
	// Open opens a file for reading.
	Open(path string) (File, error)
	// OpenWrite opens a file that is there for reading and writing.
	OpenWrite(path string) (File, error)
	// Rename moves a file over another one of the same directory.
	Rename(from, to string) error
	// Remove deletes a file.
	Remove(path string) error
	// SyncDir makes the entries of a directory durable.
	SyncDir(path string) error
	// ReadDir lists a directory by name.
	ReadDir(path string) ([]fs.DirEntry, error)
	// Stat describes a file; the error of a missing one wraps fs.ErrNotExist.
	Stat(path string) (fs.FileInfo, error)
}

// File is an open file of an [FS].
type File interface {
	io.Writer
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Truncate cuts the file off, or adds zeros.
	Truncate(size int64) error
	// Sync makes the file durable.
	Sync() error
	// SyncData makes durable what was written, and the length of the file, but not
	// when it was changed.
	SyncData() error
	// Stat describes the file.
	Stat() (fs.FileInfo, error)
}

// osFS is the real file layer.
type osFS struct {
	// noSync is for tests that do without waiting for the disk.
	noSync bool
}

func (osFS) Mkdir(path string) error { return os.Mkdir(path, 0o755) }

func (o osFS) Create(path string) (File, error) {
	return o.asFile(os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644))
}

func (o osFS) Open(path string) (File, error) { return o.asFile(os.Open(path)) }

func (o osFS) OpenWrite(path string) (File, error) {
	return o.asFile(os.OpenFile(path, os.O_RDWR, 0))
}

// asFile keeps a nil *os.File from becoming a File that is not nil.
func (o osFS) asFile(f *os.File, err error) (File, error) {
	if err != nil {
		return nil, err
	}
	if o.noSync {
		return looseFile{osFile{f}}, nil
	}
	return osFile{f}, nil
}

type osFile struct{ *os.File }

// looseFile does not wait for the disk.
type looseFile struct{ osFile }

func (looseFile) Sync() error     { return nil }
func (looseFile) SyncData() error { return nil }

// logFS is a file layer as the log of the head needs it.
type logFS struct{ FS }

func (l logFS) Create(path string) (head.File, error) { return l.FS.Create(path) }

func (l logFS) Open(path string, readOnly bool) (head.File, error) {
	if readOnly {
		return l.FS.Open(path)
	}
	return l.FS.OpenWrite(path)
}

func (osFS) Rename(from, to string) error { return os.Rename(from, to) }

func (osFS) Remove(path string) error { return os.Remove(path) }

func (o osFS) SyncDir(path string) error {
	if o.noSync {
		return nil
	}
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (osFS) ReadDir(path string) ([]fs.DirEntry, error) { return os.ReadDir(path) }

func (osFS) Stat(path string) (fs.FileInfo, error) { return os.Stat(path) }

// makeDir creates a directory and those above it that are missing, and returns
// the directories that got a new entry: they are the caller's to sync.
func makeDir(fsys FS, path string) (changed []string, err error) {
	_, err = fsys.Stat(path)
	if err == nil {
		return nil, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("look at directory %s: %w", path, err)
	}
	parent := filepath.Dir(path)
	if parent != path {
		if changed, err = makeDir(fsys, parent); err != nil {
			return nil, err
		}
	}
	if err := fsys.Mkdir(path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("create directory %s: %w", path, err)
	}
	return append(changed, parent), nil
}

// removeQuietly deletes a file that no longer matters; a failure leaves a file
// that the next opening deletes.
func removeQuietly(fsys FS, path string) { _ = fsys.Remove(path) }
