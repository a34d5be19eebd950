package head

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/leanfleet/leanfleet/fleet"
)

// Files is what the log needs of a file layer.
type Files interface {
	// Create creates or empties a file for reading and writing.
	Create(path string) (File, error)
	// Open opens a file for reading, and for writing too unless readOnly.
	Open(path string, readOnly bool) (File, error)
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
	// Ahead is how many zeros are written behind a commit at a time, 0 for what is
	// good for disks.
	Ahead int64
}

const (
	suffix    = ".log"
	tmpSuffix = ".tmp"
)

// Name is the file name of a generation.
func Name(number uint64) string { return fmt.Sprintf("%06d%s", number, suffix) }

// ParseName reads the number of a generation from its file name.
func ParseName(name string) (uint64, bool) {
	ending := suffix
	if strings.HasSuffix(name, boltSuffix) {
		ending = boltSuffix
	}
	digits, ok := strings.CutSuffix(name, ending)
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, ok && err == nil && fmt.Sprintf("%06d%s", n, ending) == name
}

// List returns the file names of the generations there are, by number.
func List(o Options) ([]string, error) {
	entries, err := o.Files.ReadDir(o.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list directory %s: %w", o.Dir, err)
	}
	numbers := map[string]uint64{}
	var out []string
	for _, e := range entries {
		if n, ok := ParseName(e.Name()); ok {
			numbers[e.Name()] = n
			out = append(out, e.Name())
		}
	}
	slices.SortFunc(out, func(a, b string) int { return cmp.Compare(numbers[a], numbers[b]) })
	return out, nil
}

// Generation is a file of the log. It is for one goroutine.
type Generation struct {
	Number uint64
	path   string
	log    *log // nil of one that bbolt wrote
	size   int64
	enc    *encoder
	closed bool
	// fixed says that nothing can be added: it was opened for reading, bbolt wrote
	// it, or a metric has another resolution in it than in the table.
	fixed bool
}

// Create makes a new generation: whole, under its name, durable.
func Create(ctx context.Context, o Options, number uint64) (*Generation, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	path := filepath.Join(o.Dir, Name(number))
	f, err := o.Files.Create(path + tmpSuffix)
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", path, err)
	}
	l, err := newLog(f, number, o.ahead())
	err = errors.Join(err, f.Close())
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
	if l.file, err = o.Files.Open(path, false); err != nil {
		_ = o.Files.Remove(path)
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return &Generation{Number: number, path: path, log: l, enc: newEncoder(o.Table, codes{})}, nil
}

func (o *Options) ahead() int64 {
	if o.Ahead > 0 {
		return o.Ahead
	}
	return aheadBytes
}

// Open opens a generation by its file name and hands on what its records tell, in
// order.
func Open(ctx context.Context, o Options, name string, added func(*Added) error, rows func(*Rows) error) (*Generation, error) {
	number, _ := ParseName(name)
	g := &Generation{Number: number, path: filepath.Join(o.Dir, name)}
	d := &decoder{table: o.Table}
	if err := g.open(ctx, o, d, added, rows); err != nil {
		return nil, err
	}
	g.fixed = g.fixed || len(d.other) > 0
	g.enc = newEncoder(o.Table, d.codes)
	if o.ReadOnly || g.log == nil {
		return g, nil
	}
	if err := g.log.settle(true); err != nil {
		_ = g.log.file.Close()
		return nil, fmt.Errorf("write %s: %w", g.path, err)
	}
	return g, nil
}

func (g *Generation) open(ctx context.Context, o Options, d *decoder, added func(*Added) error, rows func(*Rows) error) error {
	record := func(_ uint64, b []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return d.record(b, added, rows)
	}
	if strings.HasSuffix(g.path, boltSuffix) {
		g.fixed = true
		size, err := readBolt(g.path, record)
		g.size = size
		return err
	}
	g.fixed = o.ReadOnly
	f, err := o.Files.Open(g.path, o.ReadOnly)
	if err != nil {
		return fmt.Errorf("open %s: %w", g.path, err)
	}
	l, err := openLog(f, g.Number, record)
	if err != nil {
		_ = f.Close()
		return fmt.Errorf("read %s: %w", g.path, err)
	}
	l.ahead = o.ahead()
	g.log = l
	return nil
}

// Definitions are the metrics that generations tell of, each as the last of them
// defines it that has it.
func Definitions(ctx context.Context, o Options, names []string) ([]fleet.Metric, error) {
	o.ReadOnly = true
	at := map[string]int{}
	var out []fleet.Metric
	for _, name := range names {
		d := &decoder{table: NewTable(nil), learn: true}
		g := &Generation{path: filepath.Join(o.Dir, name)}
		g.Number, _ = ParseName(name)
		if err := g.open(ctx, o, d, func(*Added) error { return nil }, func(*Rows) error { return nil }); err != nil {
			return nil, err
		}
		if err := g.Close(); err != nil {
			return nil, err
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
func (g *Generation) Writable() bool { return !g.fixed }

// Path is the path of the file.
func (g *Generation) Path() string { return g.path }

// AddHost adds to the next commit that rows brought a host.
func (g *Generation) AddHost(a *Added) { g.enc.added(a) }

// Add adds a batch, under the host it is of, to the next commit. Nothing of
// it is kept.
func (g *Generation) Add(k Key, b *Batch) { g.enc.rows(k, b) }

// Forget takes back what was added to the next commit.
func (g *Generation) Forget() { g.enc.forget() }

// Commit makes durable what was added, all of it or nothing: one frame of the
// log, and several records where it is long. When it fails, what was added is
// forgotten; uncertain says that nobody knows whether it was written.
func (g *Generation) Commit() (uncertain bool, err error) {
	if g.enc.empty() {
		return false, nil
	}
	if uncertain, err = g.log.commit(g.enc.finish()); err != nil {
		g.enc.forget()
		return uncertain, fmt.Errorf("write %s: %w", g.path, err)
	}
	g.enc.begin()
	return false, nil
}

// Size is how many bytes of the file are in use.
func (g *Generation) Size() int64 {
	if g.log == nil {
		return g.size
	}
	return g.log.end
}

// Close closes the file; once is enough.
func (g *Generation) Close() error {
	if g.log == nil || g.closed {
		return nil
	}
	g.closed = true
	if !g.fixed && g.log.filled > g.log.end {
		_ = g.log.file.Truncate(g.log.end) // zeros do no harm
	}
	if err := g.log.file.Close(); err != nil {
		return fmt.Errorf("close %s: %w", g.path, err)
	}
	return nil
}
