package head

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/leanfleet/leanfleet/fleet"
)

// Table numbers what rows have in common: metrics, sets of them, origins. Numbers
// are never given back. It may be used by several goroutines.
type Table struct {
	known   int // metrics that batches may have
	all     *Shape
	mu      sync.RWMutex
	metrics []fleet.Metric
	byName  map[string]int // of those that are known
	defined map[definition]int
	shapes  map[string]*Shape // some; where they are very many all are forgotten
	sets    map[string]*Set
	origins []string
	number  map[string]uint32
	recent  atomic.Pointer[Shape] // the shape found last
}

// definition is what the values of a metric mean.
type definition struct {
	name     string
	unit     fleet.Unit
	num, den int64
}

func definitionOf(m fleet.Metric) definition { return definition{m.Name, m.Unit, m.Num, m.Den} }

// maxShapes is how many shapes, and sets, are remembered.
const maxShapes = 1024

// Shape is the metrics of a batch's columns, in the order of the batch.
type Shape struct {
	// Metrics are numbers of the table, one for each column.
	Metrics []int
	metrics []fleet.Metric
	set     *Set
}

// Set is a set of metrics, ascending by number.
type Set struct {
	metrics []int
	at      []int16 // by number of a metric, -1 where it is not among them
	// from remembers which column of a shape each metric is; one writer uses it.
	from map[*Shape][]int
}

// column is where a metric stands in the set, -1 where it does not.
func (s *Set) column(metric int) int {
	if metric < 0 || metric >= len(s.at) {
		return -1
	}
	return int(s.at[metric])
}

// NewTable returns a table that knows metrics, numbered in their order. Only
// they may be written; others, and the same ones defined otherwise, which files
// tell of, can be added to be read.
func NewTable(metrics []fleet.Metric) *Table {
	t := &Table{
		known: len(metrics), metrics: slices.Clone(metrics), byName: map[string]int{}, defined: map[definition]int{},
		shapes: map[string]*Shape{}, sets: map[string]*Set{}, number: map[string]uint32{},
	}
	numbers := make([]int, len(metrics))
	for i, m := range metrics {
		t.byName[m.Name], t.defined[definitionOf(m)], numbers[i] = i, i, i
	}
	t.all = t.shape(numbers)
	return t
}

// Metrics returns the metrics by number. The caller must not change them.
func (t *Table) Metrics() []fleet.Metric {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.metrics[:len(t.metrics):len(t.metrics)]
}

// Number returns the number of a metric that is known, -1 when it is not.
func (t *Table) Number(name string) int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if n, ok := t.byName[name]; ok {
		return n
	}
	return -1
}

// Named returns the numbers of all metrics of a name, however they are defined.
func (t *Table) Named(name string) (numbers []int) {
	for n, m := range t.Metrics() {
		if m.Name == name {
			numbers = append(numbers, n)
		}
	}
	return numbers
}

// AddMetric returns the number of a metric with this unit and resolution, and
// adds it if it is new.
func (t *Table) AddMetric(m fleet.Metric) int {
	d := definitionOf(m)
	t.mu.RLock()
	n, ok := t.defined[d]
	t.mu.RUnlock()
	if ok {
		return n
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if n, ok := t.defined[d]; ok {
		return n
	}
	t.metrics = append(t.metrics, m)
	t.defined[d] = len(t.metrics) - 1
	return len(t.metrics) - 1
}

// Origin returns the number of the text of an origin.
func (t *Table) Origin(text string) uint32 {
	t.mu.RLock()
	n, ok := t.number[text]
	t.mu.RUnlock()
	if ok {
		return n
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if n, ok := t.number[text]; ok {
		return n
	}
	t.origins = append(t.origins, text)
	t.number[text] = uint32(len(t.origins) - 1)
	return uint32(len(t.origins) - 1)
}

// OriginText returns the text of an origin.
func (t *Table) OriginText(n uint32) string {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.origins[n]
}

// is says whether the shape is that of columns.
func (s *Shape) is(columns []fleet.Column) bool {
	if len(columns) != len(s.metrics) {
		return false
	}
	for i := range columns {
		m, own := &columns[i].Metric, &s.metrics[i]
		if m.Name != own.Name || m.Num != own.Num || m.Den != own.Den {
			return false
		}
	}
	return true
}

// ShapeOf returns the shape of a batch. The error of one that cannot be stored
// names the metric: it is unknown, of another resolution or stands twice.
func (t *Table) ShapeOf(b *fleet.Batch) (*Shape, error) {
	if s := t.recent.Load(); s != nil && s.is(b.Columns) {
		return s, nil
	}
	numbers := make([]int, len(b.Columns))
	for i := range b.Columns {
		m := &b.Columns[i].Metric
		if numbers[i] = t.Number(m.Name); numbers[i] < 0 || numbers[i] >= t.known {
			return nil, fmt.Errorf("metric %q is not known", m.Name)
		}
		if known := &t.Metrics()[numbers[i]]; known.Num != m.Num || known.Den != m.Den {
			return nil, fmt.Errorf("metric %s has a resolution of %d/%d, the store's has %d/%d", m.Name, m.Num, m.Den, known.Num, known.Den)
		}
		if slices.Contains(numbers[:i], numbers[i]) {
			return nil, fmt.Errorf("metric %s stands twice in a batch", m.Name)
		}
	}
	s := t.shape(numbers)
	t.recent.Store(s)
	return s, nil
}

// shape returns the shape of numbered metrics, which differ.
func (t *Table) shape(numbers []int) *Shape {
	key := keyOf(numbers)
	t.mu.RLock()
	s := t.shapes[key]
	t.mu.RUnlock()
	if s != nil {
		return s
	}
	sorted := slices.Clone(numbers)
	slices.Sort(sorted)
	set := t.set(sorted)
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.shapes[key]; s != nil {
		return s
	}
	s = &Shape{Metrics: slices.Clone(numbers), set: set}
	for _, n := range numbers {
		s.metrics = append(s.metrics, t.metrics[n])
	}
	t.forget()
	t.shapes[key] = s
	return s
}

// forget makes room for a shape or a set. Who has one goes on with it; only that
// two are the same is then to be found out by looking at them. The caller holds
// mu.
func (t *Table) forget() {
	if max(len(t.shapes), len(t.sets)) < maxShapes {
		return
	}
	clear(t.shapes)
	clear(t.sets)
	if t.all != nil {
		t.shapes[keyOf(t.all.Metrics)] = t.all
	}
}

func keyOf(numbers []int) string {
	key := make([]byte, 0, 2*len(numbers))
	for _, n := range numbers {
		key = binary.AppendUvarint(key, uint64(n))
	}
	return string(key)
}

// set returns the set of metrics that ascend.
func (t *Table) set(sorted []int) *Set {
	key := keyOf(sorted)
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.sets[key]; s != nil {
		return s
	}
	s := &Set{metrics: slices.Clone(sorted), from: map[*Shape][]int{}}
	if n := len(sorted); n > 0 {
		s.at = make([]int16, sorted[n-1]+1)
	}
	for i := range s.at {
		s.at[i] = -1
	}
	for i, m := range sorted {
		s.at[m] = int16(min(i, math.MaxInt16))
	}
	t.forget()
	t.sets[key] = s
	return s
}

// union is the set of the metrics of both.
func (t *Table) union(a, b *Set) *Set {
	switch {
	case a == b || a.holds(b):
		return a
	case b.holds(a):
		return b
	}
	all := append(slices.Clone(a.metrics), b.metrics...)
	slices.Sort(all)
	return t.set(slices.Compact(all))
}

// holds says whether all metrics of o are in s.
func (s *Set) holds(o *Set) bool {
	for _, m := range o.metrics {
		if s.column(m) < 0 {
			return false
		}
	}
	return true
}

// columnsOf returns, for each metric of the set, which column of a shape has
// it, -1 for none. It is for the one goroutine that writes.
func (s *Set) columnsOf(shape *Shape) []int {
	if list, ok := s.from[shape]; ok {
		return list
	}
	list := make([]int, len(s.metrics))
	for i, m := range s.metrics {
		list[i] = slices.Index(shape.Metrics, m)
	}
	if len(s.from) >= maxShapes {
		clear(s.from)
	}
	s.from[shape] = list
	return list
}
