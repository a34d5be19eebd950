package pricefile

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/leanfleet/leanfleet/pricing"
)

// The names of the files in a data directory: the book, and the lock of who
// writes it, which stays there and is empty.
const (
	Name     = "prices.book"
	LockName = "prices.lock"
)

// lockWait is how long Update waits for another writer, which holds the lock
// for as long as writing the file takes; lockPoll is how often it looks.
const (
	lockWait = 10 * time.Second
	lockPoll = 50 * time.Millisecond
)

// ErrLocked is the error of a book that another process keeps writing.
var ErrLocked = errors.New("another process writes to the price book")

// Read returns the price book of a data directory with the given options. A
// directory or file that is not there is a book into which nothing was read.
// Damage wraps [pricing.ErrBook] and names the file.
func Read(dir string, o pricing.Options) (*pricing.Book, error) {
	path := filepath.Join(dir, Name)
	data, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return pricing.NewBook(o)
	case err != nil:
		return nil, fmt.Errorf("read price book: %w", err)
	}
	b, err := pricing.ReadBook(data, o)
	if err != nil {
		return nil, fmt.Errorf("read price book %s: %w", path, err)
	}
	return b, nil
}

// Update reads the price book, lets change add to it, and replaces the file by
// the book that change returns. It returns the book as it is written. Where
// change fails, or returns a book of the revision that is there, the file stays
// as it was. The directory is created when it is missing. It waits ten seconds
// for another writer, then the error wraps [ErrLocked].
func Update(ctx context.Context, dir string, o pricing.Options, change func(*pricing.Book) (*pricing.Book, error)) (*pricing.Book, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("create the data directory: %w", err)
	}
	unlock, err := lock(ctx, filepath.Join(dir, LockName), lockWait)
	if err != nil {
		return nil, err
	}
	defer unlock()
	b, err := Read(dir, o)
	if err != nil {
		return nil, err
	}
	before := b.Revision().Live
	if b, err = change(b); err != nil {
		return nil, err
	}
	if b.Revision().Live == before {
		return b, nil
	}
	if _, err := WriteTo(filepath.Join(dir, Name), b); err != nil {
		return nil, err
	}
	return b, nil
}

// lock takes the lock of writers, for which it waits, and returns what gives it
// back.
func lock(ctx context.Context, path string, wait time.Duration) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock the price book: %w", err)
	}
	for waited := time.Duration(0); ; waited += lockPoll {
		taken, err := tryLock(f)
		switch {
		case err != nil:
			_ = f.Close() // what went wrong is known
			return nil, fmt.Errorf("lock the price book: %s: %w", path, err)
		case taken:
			return func() { _ = f.Close() }, nil // closing gives the lock back
		case waited >= wait:
			_ = f.Close()
			return nil, fmt.Errorf("%w: %s; try again when it is done", ErrLocked, path)
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, ctx.Err()
		case <-time.After(lockPoll):
		}
	}
}

// WriteTo writes what was read into a book to a file and returns its size; a
// crash leaves the old file or the new one.
func WriteTo(path string, b *pricing.Book) (size int64, err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*")
	if err != nil {
		return 0, fmt.Errorf("write price book: %w", err)
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
			err = fmt.Errorf("write price book %s: %w", path, err)
		}
	}()
	w := bufio.NewWriterSize(f, 1<<20)
	if size, err = b.WriteTo(w); err != nil {
		return 0, err
	}
	if err = w.Flush(); err != nil {
		return 0, err
	}
	if err = f.Chmod(0o644); err != nil {
		return 0, err
	}
	if err = f.Sync(); err != nil {
		return 0, err
	}
	if err = f.Close(); err != nil {
		return 0, err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return 0, err
	}
	return size, syncDir(dir)
}
