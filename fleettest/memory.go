package fleettest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/inventory"
)

// Options say what a [Memory] knows from elsewhere.
type Options struct {
	// Metrics are those that samples may have; the zero value is [Metrics].
	Metrics fleet.Metrics
	// Types gives the nominal capacity of instance types; nil is [Types].
	Types inventory.Types
	// Clock tells when a host that samples bring was added; nil is the start of
	// 1970.
	Clock func() time.Time
}

// Memory is a plain engine in memory: maps of what was stored, and answers by
// looking at every sample. It is the yardstick of the suites, not fast. Its
// methods may be called from several goroutines.
type Memory struct {
	metrics fleet.Metrics
	clock   func() time.Time

	mu    sync.Mutex
	state *state // replaced by every write, never changed
}

// state is all that is stored.
type state struct {
	book *inventory.Book
	data map[owner]*hostData // by the id that samples were stored under
}

// owner is a host, or a process group of one.
type owner struct {
	host  fleet.HostID
	group string
}

// hostData is the samples of one host, or of a process group of it.
type hostData struct {
	steps  map[int64]int32            // by start: a row has one step
	values map[string]map[int64]value // by metric, then start
}

type value struct {
	scaled int32
	origin fleet.Origin
}

// NewMemory returns an empty engine.
func NewMemory(o Options) *Memory {
	if len(o.Metrics.All()) == 0 {
		o.Metrics = Metrics()
	}
	if o.Types == nil {
		o.Types = Types
	}
	if o.Clock == nil {
		o.Clock = func() time.Time { return time.Unix(0, 0).UTC() }
	}
	return &Memory{metrics: o.Metrics, clock: o.Clock, state: &state{book: inventory.NewBook(o.Types), data: map[owner]*hostData{}}}
}

func (m *Memory) current() *state {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state
}

// write changes a copy of the state, which becomes the state if that succeeds.
func (m *Memory) write(ctx context.Context, change func(*state) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	next := m.state.clone()
	if err := change(next); err != nil {
		return err
	}
	m.state = next
	return nil
}

func (s *state) clone() *state {
	c := &state{book: s.book.Clone(), data: make(map[owner]*hostData, len(s.data))}
	for id, d := range s.data {
		c.data[id] = d.clone()
	}
	return c
}

func (d *hostData) clone() *hostData {
	c := &hostData{steps: maps.Clone(d.steps), values: make(map[string]map[int64]value, len(d.values))}
	for metric, list := range d.values {
		c.values[metric] = maps.Clone(list)
	}
	return c
}

// Append stores batches; see [fleet.Sink].
func (m *Memory) Append(ctx context.Context, batches []fleet.Batch) (fleet.Appended, error) {
	var counts fleet.Appended
	err := m.write(ctx, func(s *state) error { return m.add(s, batches, &counts) })
	if err != nil {
		return fleet.Appended{}, err
	}
	return counts, nil
}

// PutRecords states what hosts are; see [fleet.Sink].
func (m *Memory) PutRecords(ctx context.Context, statements []fleet.Statement, put fleet.Put) (r fleet.PutResult, err error) {
	err = m.write(ctx, func(s *state) error {
		r, err = s.book.Put(statements, put)
		return err
	})
	return r, err
}

// MergeHosts records that two hosts are one; see [inventory.Book.Merge].
func (m *Memory) MergeHosts(into, from string, put fleet.Put) error {
	return m.write(context.Background(), func(s *state) error { return s.book.Merge(into, from, put) })
}

// Host finds a host by its id or by an alias valid at a time. The error of an
// unknown one wraps [fleet.ErrUnknownHost].
func (m *Memory) Host(key string, at time.Time) (inventory.Host, error) {
	book := m.current().book
	id, ok := book.Resolve(key, at)
	if !ok {
		return inventory.Host{}, fmt.Errorf("%w %q%s", fleet.ErrUnknownHost, key, hint(book.Nearest(key, 2)))
	}
	h, _ := book.Host(id)
	return h, nil
}

func hint(near []string) string {
	if len(near) == 0 {
		return ""
	}
	return "; did you mean " + strings.Join(near, " or ") + "?"
}

func (m *Memory) add(s *state, batches []fleet.Batch, counts *fleet.Appended) error {
	for i := range batches {
		if err := m.addBatch(s, &batches[i], counts); err != nil {
			return err
		}
	}
	return nil
}

func (m *Memory) addBatch(s *state, b *fleet.Batch, counts *fleet.Appended) error {
	if err := b.Validate(); err != nil {
		return err
	}
	for i := range b.Columns {
		known, err := m.metrics.Lookup(b.Columns[i].Metric.Name)
		if err != nil {
			return fmt.Errorf("host %s: %w", b.Host, err)
		}
		if x := b.Columns[i].Metric; x.Num != known.Num || x.Den != known.Den {
			return fmt.Errorf("host %s: metric %s has a resolution of %d/%d, the engine's has %d/%d", b.Host, x.Name, x.Num, x.Den, known.Num, known.Den)
		}
	}
	if b.Samples() == 0 {
		return nil
	}
	for i := range b.Columns {
		if m := b.Columns[i].Metric.Name; b.Group != "" && m != fleet.CPUUsage.Name && m != fleet.MemoryUsage.Name {
			return fmt.Errorf("host %s, process group %s: metric %s is not one that groups have", b.Host, b.Group, m)
		}
	}
	id := s.book.Ensure(string(b.Host), time.UnixMilli(b.Start[0]).UTC(),
		fleet.Put{At: m.clock(), Who: "leanfleet", Why: "first samples of the host", Origin: b.Origin})
	key := owner{id, b.Group}
	d := s.data[key]
	if d == nil {
		d = &hostData{steps: map[int64]int32{}, values: map[string]map[int64]value{}}
		s.data[key] = d
	}
	var seen fleet.Window
	for i := range b.Start {
		if !d.addRow(b, i, counts) {
			continue
		}
		if seen.IsZero() {
			seen.Start = time.UnixMilli(b.Start[i]).UTC()
		}
		seen.End = time.UnixMilli(b.Start[i] + int64(b.Step)).UTC()
	}
	if b.Group == "" { // what a group does is no evidence of its host
		s.book.See(id, seen)
	}
	return nil
}

// addRow merges one row, metric by metric, and says whether it has a value.
func (d *hostData) addRow(b *fleet.Batch, i int, counts *fleet.Appended) bool {
	start, rank := b.Start[i], b.Origin.Rank()
	stored, exists := d.steps[start]
	mayStep := !exists || rank >= d.rank(start)
	restep := exists && mayStep && stored != b.Step
	any := false
	for c := range b.Columns {
		col := &b.Columns[c]
		if !col.Has(i) {
			continue
		}
		any = true
		list := d.values[col.Metric.Name]
		if list == nil {
			list = map[int64]value{}
			d.values[col.Metric.Name] = list
		}
		old, ok := list[start]
		x := value{col.Values[i], b.Origin}
		switch {
		case !ok:
			counts.Inserted++
		case rank < old.origin.Rank() && old.scaled != x.scaled:
			counts.Outranked++
			continue
		case old.scaled == x.scaled && restep:
			counts.Changed++
		case old.scaled == x.scaled:
			counts.Unchanged++
		default:
			counts.Changed++
		}
		if ok && rank <= old.origin.Rank() && old.scaled == x.scaled {
			x.origin = old.origin // the higher rank vouches for it
		}
		list[start] = x
	}
	if any && mayStep {
		d.steps[start] = b.Step
	}
	return any
}

// rank is the highest rank of a row's values.
func (d *hostData) rank(start int64) int {
	highest := 0
	for _, list := range d.values {
		if v, ok := list[start]; ok {
			highest = max(highest, v.origin.Rank())
		}
	}
	return highest
}

// Begin begins a bulk load; see [fleet.Loader].
func (m *Memory) Begin(ctx context.Context) (fleet.Load, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return &memoryLoad{m: m, staged: m.current().clone()}, nil
}

// memoryLoad keeps what it is to do, and what comes of it for Records.
type memoryLoad struct {
	m      *Memory
	staged *state
	steps  []func(*state) error
	counts fleet.Appended
	err    error // the load can only be aborted
}

var errEnded = errors.New("the load has ended")

func (l *memoryLoad) do(ctx context.Context, step func(*state) error) error {
	if l.err != nil {
		return l.err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := step(l.staged); err != nil {
		return err
	}
	l.steps = append(l.steps, step)
	return nil
}

// Add stages batches; see [fleet.Load].
func (l *memoryLoad) Add(ctx context.Context, batches []fleet.Batch) error {
	kept := make([]fleet.Batch, len(batches))
	for i, b := range batches {
		kept[i] = b
		kept[i].Start = slices.Clone(b.Start)
		kept[i].Columns = slices.Clone(b.Columns)
		for c := range b.Columns {
			kept[i].Columns[c].Values = slices.Clone(b.Columns[c].Values)
			kept[i].Columns[c].Present = slices.Clone(b.Columns[c].Present)
		}
	}
	err := l.do(ctx, func(s *state) error { return l.m.add(s, kept, &l.counts) })
	if err != nil && l.err == nil && ctx.Err() == nil {
		l.err = fmt.Errorf("the load must be aborted after: %w", err)
	}
	return err
}

// PutRecords stages statements; see [fleet.Load].
func (l *memoryLoad) PutRecords(ctx context.Context, statements []fleet.Statement, put fleet.Put) (r fleet.PutResult, err error) {
	kept := make([]fleet.Statement, len(statements))
	for i, s := range statements {
		kept[i] = fleet.Statement{Record: s.Record.Clone(), Clear: slices.Clone(s.Clear)}
	}
	err = l.do(ctx, func(s *state) error {
		r, err = s.book.Put(kept, put)
		return err
	})
	return r, err
}

// Records returns what a host's records would be; see [fleet.Load].
func (l *memoryLoad) Records(ctx context.Context, key string, at time.Time) ([]fleet.Record, error) {
	if l.err != nil {
		return nil, l.err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	id, ok := l.staged.book.Resolve(key, at)
	if !ok {
		return nil, nil
	}
	return slices.Clone(l.staged.book.Timeline(id)), nil
}

// Commit does on the state of today what was staged; see [fleet.Load].
func (l *memoryLoad) Commit(ctx context.Context) (fleet.Appended, error) {
	if l.err != nil {
		return fleet.Appended{}, l.err
	}
	l.counts = fleet.Appended{}
	err := l.m.write(ctx, func(s *state) error {
		for _, step := range l.steps {
			if err := step(s); err != nil {
				return fmt.Errorf("commit a load: %w", err)
			}
		}
		return nil
	})
	if err != nil {
		return fleet.Appended{}, err
	}
	counts := l.counts
	return counts, l.end()
}

// Abort discards the load; see [fleet.Load].
func (l *memoryLoad) Abort() error { return l.end() }

func (l *memoryLoad) end() error {
	l.err, l.staged, l.steps = errEnded, nil, nil
	return nil
}
