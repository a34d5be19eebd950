package dayfile

import (
	"slices"
	"strings"

	"github.com/leanfleet/leanfleet/fleet"
)

// buffer collects the rows of one row group, column by column, until they are
// encoded.
type buffer struct {
	hosts   names
	grouped bool
	groups  names
	starts  []int64
	origins names
	columns []values // by metric
	cuts    []cut    // ends of pages
}

// values is one metric's column: the values of the rows that have one.
type values struct {
	packed  []int32
	present []bool // nil: every row so far has a value
}

// cut is the end of a page: rows, and values by metric, before it.
type cut struct {
	rows   int
	packed []int
}

// names is a column of strings that repeat: a dictionary in order of first
// appearance and runs of rows.
type names struct {
	list  []string
	index map[string]int
	bytes int   // of the dictionary page
	ends  []int // the row behind each run
	codes []int // the name of each run
}

func (n *names) add(name string, rows int) {
	end := rows
	if last := len(n.ends) - 1; last >= 0 {
		end += n.ends[last]
		if n.list[n.codes[last]] == name {
			n.ends[last] = end
			return
		}
	}
	code, known := n.index[name]
	if !known {
		if n.index == nil {
			n.index = make(map[string]int)
		}
		code = len(n.list)
		n.index[name] = code
		n.list = append(n.list, name)
		n.bytes += 4 + len(name)
	}
	n.ends = append(n.ends, end)
	n.codes = append(n.codes, code)
}

func (n *names) reset() {
	clear(n.index)
	n.list, n.ends, n.codes, n.bytes = n.list[:0], n.ends[:0], n.codes[:0], 0
}

func newBuffer(l *layout) *buffer {
	return &buffer{grouped: l.grouped, columns: make([]values, len(l.metrics))}
}

func (b *buffer) reset() {
	b.hosts.reset()
	b.groups.reset()
	b.origins.reset()
	b.starts = b.starts[:0]
	b.cuts = b.cuts[:0]
	for i := range b.columns {
		b.columns[i].packed = b.columns[i].packed[:0]
		b.columns[i].present = nil
	}
}

func (b *buffer) rows() int { return len(b.starts) }

// pageRows is the number of rows behind the last cut.
func (b *buffer) pageRows() int {
	if len(b.cuts) == 0 {
		return b.rows()
	}
	return b.rows() - b.cuts[len(b.cuts)-1].rows
}

// cut ends the page, if it has rows.
func (b *buffer) cut() {
	if b.pageRows() == 0 {
		return
	}
	c := cut{rows: b.rows(), packed: make([]int, len(b.columns))}
	for i := range b.columns {
		c.packed[i] = len(b.columns[i].packed)
	}
	b.cuts = append(b.cuts, c)
}

// add appends rows [from, to). sources[i] is the column of metric i, nil where
// the rows have none.
func (b *buffer) add(host fleet.HostID, rows *Rows, from, to int, sources []*fleet.Column) {
	before := b.rows()
	name, group := splitHost(host, b.grouped)
	b.hosts.add(name, to-from)
	if b.grouped {
		b.groups.add(group, to-from)
	}
	b.starts = append(b.starts, rows.Start[from:to]...)
	if rows.Origin == nil {
		b.origins.add(rows.Default, to-from)
	} else {
		for _, o := range rows.Origin[from:to] {
			b.origins.add(o, 1)
		}
	}
	for i := range b.columns {
		b.columns[i].add(sources[i], before, from, to)
	}
}

// splitHost parts the host of a run into the host and its process group.
func splitHost(id fleet.HostID, grouped bool) (host, group string) {
	if i := strings.LastIndexByte(string(id), 0); grouped && i >= 0 {
		return string(id[:i]), string(id[i+1:])
	}
	return string(id), ""
}

// add appends rows [from, to) of a column, which may be nil, behind the rows
// the column has so far.
func (v *values) add(c *fleet.Column, before, from, to int) {
	switch {
	case c == nil:
		v.missing(before)
		v.present = append(v.present, make([]bool, to-from)...)
	case c.Present == nil || !slices.Contains(c.Present[from:to], false):
		v.packed = append(v.packed, c.Values[from:to]...)
		if v.present != nil {
			v.present = appendTrue(v.present, to-from)
		}
	default:
		v.missing(before)
		for i := from; i < to; i++ {
			if c.Present[i] {
				v.packed = append(v.packed, c.Values[i])
			}
		}
		v.present = append(v.present, c.Present[from:to]...)
	}
}

// missing begins to keep track of which rows have a value.
func (v *values) missing(before int) {
	if v.present == nil {
		v.present = appendTrue(make([]bool, 0, max(before, 1024)), before)
	}
}

func appendTrue(list []bool, n int) []bool {
	begin := len(list)
	list = slices.Grow(list, n)[:begin+n]
	for i := range list[begin:] {
		list[begin+i] = true
	}
	return list
}
