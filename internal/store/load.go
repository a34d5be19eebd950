package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/store/dayfile"
	"github.com/leanfleet/leanfleet/inventory"
)

// load is one bulk load, and one append: batches are cut by day and host into
// chunks, sorted in memory, spilled when there are many, and merged with the
// sealed days by Commit.
type load struct {
	s    *Store
	name string // of the spill file
	// base is the book that the load began from, book what it makes of it, and
	// steps how, should another write come first.
	base, book *inventory.Book
	steps      []func(*inventory.Book) error
	keys       map[fleet.HostID]*keyUse

	metrics   []fleet.Metric
	metricNum map[string]int
	shapes    [][]int // metric numbers
	shapeNum  map[string]int
	origins   []fleet.Origin
	originNum map[fleet.Origin]int
	hosts     []loadHost
	hostNum   map[fleet.HostID]uint32
	days      map[dayfile.Day]map[int]struct{} // shapes of each day

	arena   arena
	spill   *spill
	done    bool
	err     error // of an Add that failed: the load can only be aborted
	scratch []byte
	columns []int
	key     []byte
}

// keyUse is that a key was found to be a host, from when to when it was asked
// for. A key may have been several hosts at different times.
type keyUse struct {
	id          fleet.HostID
	host        uint32 // its number
	first, last int64
	other       *keyUse
}

// loadHost is a host with samples in the load.
type loadHost struct {
	id         fleet.HostID
	first, end int64 // start of its first sample, end of its last one
}

// Begin begins a bulk load. Loads and other writes may go on side by side; what
// a load finds out about hosts is worked out again by Commit if the records
// changed in between.
func (s *Store) Begin(ctx context.Context) (fleet.Load, error) {
	l, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	return l, nil
}

func (s *Store) begin(ctx context.Context) (*load, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.writable(); err != nil {
		return nil, fmt.Errorf("begin a load: %w", err)
	}
	s.loadCount++
	l := &load{
		s: s, name: fmt.Sprintf("load-%06d%s", s.loadCount, tmpSuffix),
		base: s.bookNow(), keys: map[fleet.HostID]*keyUse{},
		metricNum: map[string]int{}, shapeNum: map[string]int{}, originNum: map[fleet.Origin]int{},
		hostNum: map[fleet.HostID]uint32{}, days: map[dayfile.Day]map[int]struct{}{},
	}
	l.book = l.base.Clone()
	s.loads[l] = struct{}{}
	return l, nil
}

// usable says whether the load may go on.
func (l *load) usable(ctx context.Context) error {
	if l.done {
		return errors.New("the load has ended")
	}
	if l.err != nil {
		return fmt.Errorf("the load must be aborted after: %w", l.err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	l.s.mu.RLock()
	defer l.s.mu.RUnlock()
	return l.s.writable()
}

// Add stages batches.
func (l *load) Add(ctx context.Context, batches []fleet.Batch) error {
	if err := l.usable(ctx); err != nil {
		return err
	}
	for i := range batches {
		err := ctx.Err()
		if err == nil {
			err = l.add(&batches[i])
		}
		if err != nil {
			l.err = err
			return err
		}
	}
	return nil
}

func (l *load) add(b *fleet.Batch) error {
	if !plausible(b) {
		if err := b.Validate(); err != nil {
			return err
		}
	}
	if len(b.Start) == 0 {
		return nil
	}
	if b.Group != "" {
		return fmt.Errorf("host %s: process group %s: groups are appended, not loaded", b.Host, b.Group)
	}
	h := chunkHeader{step: b.Step}
	var err error
	if h.shape, err = l.shapeOf(b); err != nil {
		return fmt.Errorf("host %s: %w", b.Host, err)
	}
	if len(l.shapes[h.shape]) == 0 {
		return nil
	}
	if h.origin, err = l.originOf(b.Origin); err != nil {
		return fmt.Errorf("host %s: %w", b.Host, err)
	}
	host, err := l.hostOf(b)
	if err != nil {
		return err
	}
	most := max(1, min(maxChunkRows, maxChunkValues/len(l.columns)))
	for lo := 0; lo < len(b.Start); {
		day := dayfile.DayOf(b.Start[lo])
		end := day.Start() + dayMillis
		hi := lo + 1
		for hi < len(b.Start) && hi-lo < most && b.Start[hi] < end {
			hi++
		}
		l.noteDay(day, h.shape)
		l.scratch = appendChunk(l.scratch[:0], h, day.Start(), b, l.columns, lo, hi)
		l.arena.add(day, host, l.scratch)
		lo = hi
	}
	if l.arena.used() > l.s.opt.MemoryBudget/4 {
		return l.spillArena()
	}
	return nil
}

// plausible is Batch.Validate without words, and without a look for metrics that
// stand twice, which shapeOf finds: batches of one row are many.
func plausible(b *fleet.Batch) bool {
	if b.Host == "" || b.Step <= 0 || int64(b.Step) > fleet.MaxStep.Milliseconds() {
		return false
	}
	last := fleet.MinTime - 1
	for _, t := range b.Start {
		if t <= last || t > fleet.MaxTime {
			return false
		}
		last = t
	}
	for i := range b.Columns {
		c := &b.Columns[i]
		if len(c.Values) != len(b.Start) || c.Present != nil && len(c.Present) != len(b.Start) {
			return false
		}
		var all int32
		for _, v := range c.Values {
			all |= v
		}
		if all < 0 { // perhaps only where there is no value
			return false
		}
	}
	return true
}

// maxChunkValues keeps a chunk of very many metrics below maxFrame.
const maxChunkValues = 1 << 20

func (l *load) noteDay(day dayfile.Day, shape int) {
	shapes := l.days[day]
	if shapes == nil {
		shapes = map[int]struct{}{}
		l.days[day] = shapes
	}
	shapes[shape] = struct{}{}
}

// shapeOf numbers the set of metrics of a batch, and leaves in l.columns which
// column of the batch has each of them. Columns without a value do not count.
func (l *load) shapeOf(b *fleet.Batch) (int, error) {
	l.columns, l.key = l.columns[:0], l.key[:0]
	for i := range b.Columns {
		c := &b.Columns[i]
		if c.Present != nil && !slices.Contains(c.Present, true) {
			continue
		}
		n, ok := l.metricNum[c.Metric.Name]
		if !ok || l.metrics[n].Num != c.Metric.Num || l.metrics[n].Den != c.Metric.Den {
			var err error
			if n, err = l.addMetric(c.Metric); err != nil {
				return 0, err
			}
		}
		l.columns = append(l.columns, i)
		l.key = append(l.key, byte(n), byte(n>>8))
	}
	if n, ok := l.shapeNum[string(l.key)]; ok {
		return n, nil
	}
	if err := b.Validate(); err != nil { // no metric stands twice
		return 0, err
	}
	shape := make([]int, 0, len(l.columns))
	for i := 0; i < len(l.key); i += 2 {
		shape = append(shape, int(l.key[i])|int(l.key[i+1])<<8)
	}
	l.shapes = append(l.shapes, shape)
	l.shapeNum[string(l.key)] = len(l.shapes) - 1
	return len(l.shapes) - 1, nil
}

// addMetric takes a metric into the load that is the store's of that name.
func (l *load) addMetric(m fleet.Metric) (int, error) {
	known, err := l.s.opt.Metrics.Lookup(m.Name)
	if err != nil {
		return 0, err
	}
	if known.Num != m.Num || known.Den != m.Den {
		return 0, fmt.Errorf("metric %s has a resolution of %d/%d, the store's has %d/%d", m.Name, m.Num, m.Den, known.Num, known.Den)
	}
	if len(l.metrics) > math.MaxUint16 {
		return 0, fmt.Errorf("more than %d metrics", math.MaxUint16)
	}
	l.metrics = append(l.metrics, known)
	l.metricNum[m.Name] = len(l.metrics) - 1
	return len(l.metrics) - 1, nil
}

func (l *load) originOf(o fleet.Origin) (int, error) {
	if n, ok := l.originNum[o]; ok {
		return n, nil
	}
	if err := checkOrigin(o); err != nil {
		return 0, err
	}
	l.origins = append(l.origins, o)
	l.originNum[o] = len(l.origins) - 1
	return len(l.origins) - 1, nil
}

// MaxHostID is the most bytes of a host's id or alias.
const MaxHostID = 1024

// hostOf finds or makes the host of a batch and widens its evidence.
func (l *load) hostOf(b *fleet.Batch) (uint32, error) {
	if len(b.Host) > MaxHostID || !utf8.ValidString(string(b.Host)) {
		return 0, fmt.Errorf("host %.60q: a name has at most %d bytes of UTF-8", b.Host, MaxHostID)
	}
	first, last := measured(b)
	key, at := string(b.Host), b.Start[0]
	id, known := l.book.Resolve(key, time.UnixMilli(at))
	if !known {
		when, origin := time.UnixMilli(at).UTC(), b.Origin
		ensure := func(book *inventory.Book) error {
			book.Ensure(key, when, l.s.stamp("first samples of the host", origin))
			return nil
		}
		_ = ensure(l.book)
		l.steps = append(l.steps, ensure)
		if id, known = l.book.Resolve(key, when); !known {
			return 0, fmt.Errorf("host %s: it cannot be added", b.Host)
		}
	}
	use := l.use(b.Host, id, at)
	begin, end := b.Start[first], b.Start[last]+int64(b.Step)
	h := &l.hosts[use.host]
	h.first, h.end = min(h.first, begin), max(h.end, end)
	return use.host, nil
}

// use notes that a key was found to be a host at a time.
func (l *load) use(key, id fleet.HostID, at int64) *keyUse {
	use := l.keys[key]
	for use != nil && use.id != id {
		use = use.other
	}
	if use == nil {
		n, ok := l.hostNum[id]
		if !ok {
			n = uint32(len(l.hosts))
			l.hosts = append(l.hosts, loadHost{id, math.MaxInt64, math.MinInt64})
			l.hostNum[id] = n
		}
		use = &keyUse{id: id, host: n, first: at, last: at, other: l.keys[key]}
		l.keys[key] = use
	}
	use.first, use.last = min(use.first, at), max(use.last, at)
	return use
}

// measured returns the first and the last row that has a value; there is one.
func measured(b *fleet.Batch) (first, last int) {
	has := func(row int) bool {
		return slices.ContainsFunc(b.Columns, func(c fleet.Column) bool { return c.Has(row) })
	}
	for !has(first) {
		first++
	}
	for last = len(b.Start) - 1; !has(last); {
		last--
	}
	return first, last
}

// spillArena writes what is in memory to the spill file.
func (l *load) spillArena() error {
	if l.spill == nil {
		path := filepath.Join(l.s.daysDir(), l.name)
		f, err := l.s.fs.Create(path)
		if err != nil {
			return fmt.Errorf("create spill file: %w", err)
		}
		l.spill = &spill{file: f, path: path, spans: map[dayfile.Day][]span{}}
	}
	l.arena.sort(l.rank())
	if err := l.spill.write(&l.arena); err != nil {
		return err
	}
	l.arena.reset()
	return nil
}

// rank orders host numbers as their ids are.
func (l *load) rank() []uint32 {
	order := make([]uint32, len(l.hosts))
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortFunc(order, func(a, b uint32) int {
		if l.hosts[a].id < l.hosts[b].id {
			return -1
		}
		return 1
	})
	rank := make([]uint32, len(order))
	for r, n := range order {
		rank[n] = uint32(r)
	}
	return rank
}

// PutRecords stages statements.
func (l *load) PutRecords(ctx context.Context, statements []fleet.Statement, put fleet.Put) (fleet.PutResult, error) {
	if err := l.usable(ctx); err != nil {
		return fleet.PutResult{}, err
	}
	if err := checkStatements(statements); err != nil {
		return fleet.PutResult{}, err
	}
	result, err := l.book.Put(statements, put)
	if err != nil {
		return fleet.PutResult{}, fmt.Errorf("put records: %w", err)
	}
	kept := make([]fleet.Statement, len(statements))
	for i := range statements {
		kept[i] = fleet.Statement{Record: statements[i].Record.Clone(), Clear: slices.Clone(statements[i].Clear)}
	}
	l.steps = append(l.steps, func(book *inventory.Book) error {
		_, err := book.Put(kept, put)
		return err
	})
	return result, nil
}

// Records returns the records a host would have after the commit.
func (l *load) Records(ctx context.Context, key string, at time.Time) ([]fleet.Record, error) {
	if err := l.usable(ctx); err != nil {
		return nil, err
	}
	id, ok := l.book.Resolve(key, at)
	if !ok {
		return nil, nil
	}
	if n, ok := l.hostNum[id]; ok {
		l.see(l.book, &l.hosts[n])
	}
	return slices.Clone(l.book.Timeline(id)), nil
}

func (l *load) see(book *inventory.Book, h *loadHost) {
	book.See(h.id, fleet.Window{Start: time.UnixMilli(h.first).UTC(), End: time.UnixMilli(h.end).UTC()})
}

// Abort discards the load.
func (l *load) Abort() error {
	if l.done {
		return nil
	}
	return l.end()
}

// end gives up the load's memory and its spill file.
func (l *load) end() error {
	l.done = true
	l.s.mu.Lock()
	delete(l.s.loads, l)
	l.s.mu.Unlock()
	l.arena = arena{}
	if l.spill == nil {
		return nil
	}
	err := l.spill.file.Close()
	removed := l.s.fs.Remove(l.spill.path)
	if err == nil && !errors.Is(removed, fs.ErrNotExist) { // closing the store removes it too
		err = removed
	}
	l.spill = nil
	if err != nil {
		return fmt.Errorf("remove spill file: %w", err)
	}
	return nil
}

// rebase works out again, on the book of today, what the load found out about
// hosts. It is an error when a key would now be another host.
func (l *load) rebase() error {
	l.s.mu.Lock()
	today := l.s.bookNow()
	l.s.mu.Unlock()
	if today == l.base {
		return nil
	}
	book := today.Clone()
	for _, step := range l.steps {
		if err := step(book); err != nil {
			return fmt.Errorf("the records changed while the load was open: %w", err)
		}
	}
	for key, use := range l.keys {
		for ; use != nil; use = use.other {
			for _, at := range []int64{use.first, use.last} {
				if id, ok := book.Resolve(string(key), time.UnixMilli(at)); !ok || id != use.id {
					return fmt.Errorf("the records changed while the load was open: %s was host %s and is now %q; load again", key, use.id, id)
				}
			}
		}
	}
	l.base, l.book = today, book
	return nil
}
