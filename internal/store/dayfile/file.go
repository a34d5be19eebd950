package dayfile

import (
	"fmt"
	"io"
	"sort"
	"sync"

	"github.com/leanfleet/leanfleet/fleet"
)

// File is an open sealed day. It is immutable and safe for any number of
// goroutines, each with a [Scratch] of its own.
type File struct {
	r      io.ReaderAt
	size   int64
	index  *index
	layout *layout
	// rows[i] is the number of rows before run i; one more entry is their sum.
	rows   []int64
	parse  sync.Once // guards footer and err
	footer *footer
	err    error
}

// Open reads the end of a file of size bytes and checks it: the index, the
// footer and the seal over both. It reads no page; pages are checked as they
// are read. The error wraps [ErrForeign] for a file that is not leanfleet's and
// [ErrVersion] for one of a newer format; any other means that the file cannot
// be read or is damaged. The File reads from r until it is no longer used.
func Open(r io.ReaderAt, size int64) (f *File, err error) {
	defer func() {
		if p := recover(); p != nil {
			f, err = nil, fmt.Errorf("the index is damaged: %v", p)
		}
	}()
	end, err := readSealed(r, size)
	if err != nil {
		return nil, err
	}
	x, err := decodeIndex(end.index, end.dataEnd, end.version == formatGroups)
	if err != nil {
		return nil, fmt.Errorf("the index is damaged: %w", err)
	}
	l, err := newLayout(x.metrics, x.grouped)
	if err != nil {
		return nil, fmt.Errorf("the index is damaged: %w", err)
	}
	f = &File{r: r, size: size, index: x, layout: l, rows: make([]int64, len(x.runs)+1)}
	for i, run := range x.runs {
		f.rows[i+1] = f.rows[i] + int64(run.Rows)
	}
	return f, nil
}

// Day is the day the file holds.
func (f *File) Day() Day { return f.index.day }

// Size is the size of the file in bytes.
func (f *File) Size() int64 { return f.size }

// Version is the version of the file's format.
func (f *File) Version() int { return f.index.version() }

// Grouped says whether the rows are of process groups. The host of a run is
// then the id of the host, a zero byte, and the name of the group.
func (f *File) Grouped() bool { return f.index.grouped }

// NumRows is the number of rows.
func (f *File) NumRows() int64 { return f.rows[len(f.rows)-1] }

// Metrics returns the metrics of the file's columns, as they were defined when
// it was written. The caller must not change them.
func (f *File) Metrics() []fleet.Metric { return f.index.metrics }

// Metric finds a metric of the file by name.
func (f *File) Metric(name string) (fleet.Metric, bool) {
	i, ok := f.layout.byName[name]
	if !ok {
		return fleet.Metric{}, false
	}
	return f.index.metrics[i], true
}

// Runs returns the runs of rows by host, then time. The caller must not change
// them.
func (f *File) Runs() []Run { return f.index.runs }

// FindHost returns the runs [lo, hi) of a host; lo equals hi when the file has
// none, and is then where they would be.
func (f *File) FindHost(id fleet.HostID) (lo, hi int) {
	runs := f.index.runs
	lo = sort.Search(len(runs), func(i int) bool { return runs[i].Host >= id })
	for hi = lo; hi < len(runs) && runs[hi].Host == id; hi++ {
	}
	return lo, hi
}

// Segment is row groups that begin and end between hosts.
type Segment struct {
	// Lo and Hi bound the segment's runs [Lo, Hi) in [File.Runs].
	Lo, Hi int
	// Rows is the number of rows.
	Rows int64
	// groups [from, to)
	from, to int
}

// Segments returns the pieces of the file that [Writer.Copy] can copy into
// another, in order; together they are the whole file. A piece is one row group
// or, where a host is spread over several, those.
func (f *File) Segments() []Segment {
	var out []Segment
	lo, from := 0, 0
	for i := range f.index.groups {
		end := f.index.groups[i].end()
		hi := sort.Search(len(f.rows), func(r int) bool { return f.rows[r] >= end })
		within := f.rows[hi] != end || hi < len(f.index.runs) && f.index.runs[hi].Host == f.index.runs[hi-1].Host
		if within {
			continue
		}
		out = append(out, Segment{Lo: lo, Hi: hi, Rows: f.rows[hi] - f.rows[lo], from: from, to: i + 1})
		lo, from = hi, i+1
	}
	return out
}

// groupOf finds the row group that holds a row.
func (f *File) groupOf(row int64) int {
	return sort.Search(len(f.index.groups), func(i int) bool { return f.index.groups[i].end() > row })
}

// where names a page for an error.
func (f *File) where(column, group, page int) string {
	g := &f.index.groups[group]
	rows := g.rows
	lo, hi := g.first(), g.end()-1
	if page >= 0 {
		lo, hi = rows[page], rows[page+1]-1
	}
	return fmt.Sprintf("column %s of hosts %s to %s", f.layout.columns[column].name, f.hostOf(lo), f.hostOf(hi))
}

func (f *File) hostOf(row int64) fleet.HostID {
	i := sort.Search(len(f.index.runs), func(i int) bool { return f.rows[i+1] > row })
	return f.index.runs[i].Host
}
