package files

import (
	"fmt"
	"slices"
	"strings"

	"github.com/leanfleet/leanfleet/fleet"
)

// Names of the key columns of samples.
const (
	columnHost      = "host"
	columnTimestamp = "timestamp"
	columnTime      = "time"
)

// place is where in an input something is.
type place struct {
	file   string
	record int64  // line of a CSV file, row of a Parquet file; 0: the file as a whole
	rows   bool   // records are rows
	column int    // from 1; 0: the record as a whole
	header string // of the column
}

// String is FILE:LINE: column N (NAME), or FILE: row R: column N (NAME).
func (p place) String() string {
	s := p.file
	if p.rows && p.record > 0 {
		s += fmt.Sprintf(": row %d", p.record)
	} else if p.record > 0 {
		s += fmt.Sprintf(":%d", p.record)
	}
	if p.column > 0 {
		s += fmt.Sprintf(": column %d", p.column)
		if p.header != "" {
			s += fmt.Sprintf(" (%s)", p.header)
		}
	}
	return s
}

// layout says what the columns of a file hold.
type layout struct {
	width       int // columns of the file
	host, stamp int // their indices
	headers     []string
	values      []valueColumn  // stored metrics first, then absolute ones
	targets     []fleet.Metric // the stored metrics that come out
}

// valueColumn is a column with values.
type valueColumn struct {
	index    int          // in the file, from 0
	metric   fleet.Metric // stored or derived
	target   int          // of the stored metric, or of an absolute one's ratio
	capacity int          // target of an absolute one's capacity, else -1
	num, den float64      // of the target's resolution
	ratio    bool         // the target is a share of a capacity
	sized    bool         // the target is a capacity, which cannot be zero
}

func isColumn(metrics fleet.Metrics, name string) bool {
	return slices.Contains(columnNames(metrics), name)
}

// columnNames are the headers that files of samples may have.
func columnNames(metrics fleet.Metrics) []string {
	names := []string{columnHost, columnTimestamp, columnTime}
	for _, m := range metrics.All() {
		names = append(names, m.Name)
	}
	return names
}

// header reads the header of a file, which is at a place.
func (in *intake) header(headers []string, at place) (*layout, error) {
	l := &layout{width: len(headers), host: -1, stamp: -1, headers: make([]string, len(headers))}
	column := func(i int) place {
		at.column, at.header = i+1, l.headers[i]
		return at
	}
	byName := map[string]int{} // what columns are read as
	for i, header := range headers {
		header = strings.TrimSpace(header)
		l.headers[i] = header
		name := in.readAs(header)
		if name == "-" {
			continue
		}
		if before, twice := byName[name]; twice {
			return nil, fmt.Errorf("%s: column %d (%s) is read as %s too", column(i), before+1, l.headers[before], name)
		}
		byName[name] = i
		if err := l.add(in.opt.Metrics, i, name); err != nil {
			return nil, fmt.Errorf("%s: %w%s", column(i), err, separators(headers))
		}
	}
	if l.host < 0 || l.stamp < 0 {
		return nil, errNoKey(l, at)
	}
	if len(l.values) == 0 {
		return nil, fmt.Errorf("%s: no column holds a metric", at)
	}
	l.aim(in.opt.Metrics)
	for i := range l.values {
		if c := &l.values[i]; c.capacity >= 0 {
			if j, twice := byName[c.metric.Ratio]; twice {
				return nil, fmt.Errorf("%s: column %d (%s) says the same as a ratio; leave one of them out", column(c.index), j+1, l.headers[j])
			}
		}
	}
	return l, in.unmatched(l, at)
}

// readAs is the name a header is read as, "-" for none.
func (in *intake) readAs(header string) string {
	if to, ok := in.opt.Map[header]; ok {
		in.matched[header] = true
		return to
	}
	if slices.Contains(in.opt.Ignore, header) {
		in.matched[header] = true
		return "-"
	}
	return header
}

func (l *layout) add(metrics fleet.Metrics, i int, name string) error {
	switch name {
	case columnHost:
		l.host = i
		return nil
	case columnTimestamp, columnTime:
		if l.stamp >= 0 {
			return fmt.Errorf("column %d (%s) is the time already", l.stamp+1, l.headers[l.stamp])
		}
		l.stamp = i
		return nil
	}
	m, err := metrics.Lookup(name)
	if err != nil {
		return fmt.Errorf("unknown column %q%s (to leave a column out, map it to -)", name, fleet.DidYouMean(name, columnNames(metrics)))
	}
	l.values = append(l.values, valueColumn{index: i, metric: m, capacity: -1})
	return nil
}

// aim gives each column its targets, and puts absolute columns behind stored
// ones, because they need the capacities of the row.
func (l *layout) aim(metrics fleet.Metrics) {
	slices.SortStableFunc(l.values, func(a, b valueColumn) int {
		if a.metric.Derived() == b.metric.Derived() {
			return 0
		} else if b.metric.Derived() {
			return -1
		}
		return 1
	})
	target := func(name string) int {
		if i := slices.IndexFunc(l.targets, func(m fleet.Metric) bool { return m.Name == name }); i >= 0 {
			return i
		}
		m, err := metrics.Lookup(name)
		if err != nil {
			panic("BUG: a derived metric is the product of unknown ones: " + err.Error())
		}
		l.targets = append(l.targets, m)
		return len(l.targets) - 1
	}
	for i := range l.values {
		c := &l.values[i]
		if c.metric.Derived() {
			c.target, c.capacity = target(c.metric.Ratio), target(c.metric.Capacity)
		} else {
			c.target = target(c.metric.Name)
		}
		m := l.targets[c.target]
		c.num, c.den, c.ratio = float64(m.Num), float64(m.Den), m.Unit == fleet.UnitRatio
		c.sized = m.Name == fleet.CapacityVCPUs.Name || m.Name == fleet.CapacityMemory.Name
	}
}

// indexOf is the column of the file that a stored metric comes from, -1 for
// capacities that come from records.
func (l *layout) indexOf(target int) int {
	for i := range l.values {
		if l.values[i].target == target {
			return l.values[i].index
		}
	}
	return -1
}

func errNoKey(l *layout, at place) error {
	missing := "host"
	if l.host >= 0 {
		missing = "timestamp"
	}
	hint := fmt.Sprintf("the header is %q%s", strings.Join(l.headers, ","), separators(l.headers))
	return fmt.Errorf("%s: there is no column %s: %s", at, missing, hint)
}

// separators is a hint when a header of one column seems to have others inside.
func separators(headers []string) string {
	if len(headers) == 1 {
		for _, sep := range []struct{ text, name string }{{";", "semicolons"}, {"\t", "tabs"}, {"|", "bars"}} {
			if strings.Contains(headers[0], sep.text) {
				return "; columns are separated by commas, not " + sep.name
			}
		}
	}
	return ""
}

// unmatched is an error when, in the last file, a renamed or ignored column has
// been in no file.
func (in *intake) unmatched(l *layout, at place) error {
	if !in.lastFile {
		return nil
	}
	var names []string
	for name := range in.opt.Map {
		names = append(names, name)
	}
	names = append(names, in.opt.Ignore...)
	slices.Sort(names)
	for _, name := range names {
		if !in.matched[name] {
			return fmt.Errorf("%s: there is no column %q to rename or leave out%s", at, name, fleet.DidYouMean(name, l.headers))
		}
	}
	return nil
}
