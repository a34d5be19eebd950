package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
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
	io.Closer
	// Sync makes what was written durable.
	Sync() error
	// Stat describes the file.
	Stat() (fs.FileInfo, error)
}

// osFS is the real file layer.
type osFS struct{}

func (osFS) Mkdir(path string) error { return os.Mkdir(path, 0o755) }

func (osFS) Create(path string) (File, error) {
	return asFile(os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644))
}

func (osFS) Open(path string) (File, error) { return asFile(os.Open(path)) }

// asFile keeps a nil *os.File from becoming a File that is not nil.
func asFile(f *os.File, err error) (File, error) {
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (osFS) Rename(from, to string) error { return os.Rename(from, to) }

func (osFS) Remove(path string) error { return os.Remove(path) }

func (osFS) SyncDir(path string) error {
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
