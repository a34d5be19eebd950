package head

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/leanfleet/leanfleet/fleet"
)

// Files is what the log needs of a file layer; bbolt writes the content of its
// files itself.
type Files interface {
	Rename(from, to string) error
	Remove(path string) error
	SyncDir(path string) error
	ReadDir(path string) ([]fs.DirEntry, error)
}

// Options say where a log is.
type Options struct {
	// Dir is the directory of the generations; it is there.
	Dir   string
	Files Files
	Table *Table
	// ReadOnly opens generations for reading.
	ReadOnly bool
	// NoSync lets tests that simulate crashes do without the disk.
	NoSync bool
}

const (
	suffix    = ".db"
	tmpSuffix = ".tmp"
)

var bucketRecords = []byte("records")

// Name is the file name of a generation.
func Name(number uint64) string { return fmt.Sprintf("%06d%s", number, suffix) }

// ParseName reads the number of a generation from its file name.
func ParseName(name string) (uint64, bool) {
	digits, ok := strings.CutSuffix(name, suffix)
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, ok && err == nil && Name(n) == name
}

// List returns the numbers of the generations there are, ascending.
func List(o Options) ([]uint64, error) {
	entries, err := o.Files.ReadDir(o.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list directory %s: %w", o.Dir, err)
	}
	var out []uint64
	for _, e := range entries {
		if n, ok := ParseName(e.Name()); ok {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out, nil
}

// Generation is a file of the log. It is for one goroutine.
type Generation struct {
	Number uint64
	path   string
	db     *bbolt.DB
	next   uint64
	enc    *encoder
	// foreign says that a metric has another resolution in the file than in the
	// table: nothing can be added.
	foreign bool
}

// Create makes a new generation: whole, under its name, durable.
func Create(ctx context.Context, o Options, number uint64) (*Generation, error) {
	path := filepath.Join(o.Dir, Name(number))
	db, err := openFile(ctx, path+tmpSuffix, o)
	if err == nil {
		err = db.Update(func(tx *bbolt.Tx) error {
			_, err := tx.CreateBucketIfNotExists(bucketRecords)
			return err
		})
		err = errors.Join(err, db.Close())
	}
	if err == nil {
		err = o.Files.Rename(path+tmpSuffix, path)
	}
	if err != nil {
		_ = o.Files.Remove(path + tmpSuffix)
		return nil, fmt.Errorf("create %s: %w", path, err)
	}
	if err := o.Files.SyncDir(o.Dir); err != nil {
		_ = o.Files.Remove(path)
		return nil, fmt.Errorf("sync directory %s: %w", o.Dir, err)
	}
	if db, err = openFile(ctx, path, o); err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return &Generation{Number: number, path: path, db: db, enc: newEncoder(o.Table, codes{})}, nil
}

func openFile(ctx context.Context, path string, o Options) (*bbolt.DB, error) {
	options := &bbolt.Options{
		Timeout: time.Second, ReadOnly: o.ReadOnly, FreelistType: bbolt.FreelistMapType, NoFreelistSync: true,
		NoSync: o.NoSync, NoGrowSync: o.NoSync,
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	db, err := bbolt.Open(path, 0o600, options)
	if errors.Is(err, berrors.ErrTimeout) {
		return nil, fmt.Errorf("%w: another process has the file open", fleet.ErrLocked)
	}
	return db, err
}

// Open opens a generation and hands on what its records tell, in order.
func Open(ctx context.Context, o Options, number uint64, added func(*Added) error, rows func(*Rows) error) (g *Generation, err error) {
	path := filepath.Join(o.Dir, Name(number))
	db, err := openFile(ctx, path, o)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	d := &decoder{table: o.Table}
	g = &Generation{Number: number, path: path, db: db}
	if err := g.read(ctx, d, added, rows); err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	g.foreign = len(d.other) > 0
	g.enc = newEncoder(o.Table, d.codes)
	return g, nil
}

func (g *Generation) read(ctx context.Context, d *decoder, added func(*Added) error, rows func(*Rows) error) (err error) {
	defer func() {
		if p := recover(); p != nil { // bbolt trusts the pages it reads
			err = fmt.Errorf("the database is damaged: %v", p)
		}
	}()
	return g.db.View(func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucketRecords)
		if b == nil {
			return errors.New("bucket records is missing")
		}
		return b.ForEach(func(k, v []byte) error {
			if len(k) != 8 || binary.BigEndian.Uint64(k) != g.next {
				return fmt.Errorf("record %d is missing", g.next)
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := d.record(v, added, rows); err != nil {
				return fmt.Errorf("record %d: %w", g.next, err)
			}
			g.next++
			return nil
		})
	})
}

// Definitions are the metrics that generations tell of, each as the last of them
// defines it that has it.
func Definitions(ctx context.Context, o Options, numbers []uint64) ([]fleet.Metric, error) {
	o.ReadOnly = true
	at := map[string]int{}
	var out []fleet.Metric
	for _, n := range numbers {
		path := filepath.Join(o.Dir, Name(n))
		db, err := openFile(ctx, path, o)
		if err != nil {
			return nil, fmt.Errorf("open %s: %w", path, err)
		}
		d := &decoder{table: NewTable(nil), learn: true}
		g := &Generation{db: db}
		err = g.read(ctx, d, func(*Added) error { return nil }, func(*Rows) error { return nil })
		if err = errors.Join(err, db.Close()); err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		for _, m := range d.table.Metrics() {
			if i, ok := at[m.Name]; ok {
				out[i] = m
				continue
			}
			at[m.Name] = len(out)
			out = append(out, m)
		}
	}
	return out, nil
}

// Writable says whether records can be added.
func (g *Generation) Writable() bool { return !g.foreign && !g.db.IsReadOnly() }

// Path is the path of the file.
func (g *Generation) Path() string { return g.path }

// AddHost adds to the next commit that rows brought a host.
func (g *Generation) AddHost(a *Added) { g.enc.added(a) }

// Add adds a batch, under the host it is of, to the next commit. Nothing of
// it is kept.
func (g *Generation) Add(k Key, b *Batch) { g.enc.rows(k, b) }

// Forget takes back what was added to the next commit.
func (g *Generation) Forget() { g.enc.forget() }

// Commit makes durable what was added, all of it or nothing: in one transaction,
// and in several records where it is long. When it fails, what was added is
// forgotten; uncertain says that nobody knows whether it was written.
func (g *Generation) Commit() (uncertain bool, err error) {
	if g.enc.empty() {
		return false, nil
	}
	records := g.enc.finish()
	err = g.db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucketRecords)
		b.FillPercent = 1 // records come in order
		for i, record := range records {
			if err := b.Put(binary.BigEndian.AppendUint64(nil, g.next+uint64(i)), record); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		g.enc.forget()
		return g.has(g.next), fmt.Errorf("write %s: %w", g.path, err)
	}
	g.next += uint64(len(records))
	g.enc.begin()
	return false, nil
}

// has says whether a record is there, or cannot be looked for.
func (g *Generation) has(record uint64) bool {
	found := true
	err := g.db.View(func(tx *bbolt.Tx) error {
		found = tx.Bucket(bucketRecords).Get(binary.BigEndian.AppendUint64(nil, record)) != nil
		return nil
	})
	return err != nil || found
}

// Size is the size of the file in bytes, 0 when it is not known.
func (g *Generation) Size() int64 {
	var n int64
	_ = g.db.View(func(tx *bbolt.Tx) error {
		n = tx.Size()
		return nil
	})
	return n
}

// Close closes the file.
func (g *Generation) Close() error {
	if err := g.db.Close(); err != nil {
		return fmt.Errorf("close %s: %w", g.path, err)
	}
	return nil
}
