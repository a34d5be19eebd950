package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/store/dayfile"
	"github.com/leanfleet/leanfleet/internal/store/head"
	"github.com/leanfleet/leanfleet/inventory"
)

// MaxGroups is the most process groups that a host may have in one UTC day.
const MaxGroups = 10_000

// largeAppend is the number of sample values from which an append is made as a
// load is: merged with the sealed days and not kept in memory.
const largeAppend = 4 << 20

const (
	// largeBytes is the length in the log, at most, from which an append is made as
	// a load is.
	largeBytes = 64 << 20
	// commitBytes is the length, at most, of the calls that share a commit. One that
	// is longer has a commit of its own.
	commitBytes = 32 << 20
	// maxBatchBytes is the most that one batch may take in the log.
	maxBatchBytes = 1 << 30
)

// Append stores batches, durable when it returns. Rows go to the head, all of a
// call or none; callers that come at the same time share a commit.
func (s *Store) Append(ctx context.Context, batches []fleet.Batch) (fleet.Appended, error) {
	if err := ctx.Err(); err != nil {
		return fleet.Appended{}, err
	}
	s.mu.RLock()
	err := s.writable()
	s.mu.RUnlock()
	if err != nil {
		return fleet.Appended{}, fmt.Errorf("append: %w", err)
	}
	s.lookAgain(ctx)
	c, ok := s.calls.Get().(*appendCall)
	if !ok {
		c = &appendCall{done: make(chan struct{}, 1)}
	}
	c.ctx = ctx
	n, again, err := s.handOver(c, batches)
	if again {
		c.reset()
		s.calls.Put(c)
	}
	return n, err
}

// handOver has the committer make a call true. again says that nobody else
// holds the call any more.
func (s *Store) handOver(c *appendCall, batches []fleet.Batch) (n fleet.Appended, again bool, err error) {
	if err := c.prepare(s, batches); err != nil {
		return fleet.Appended{}, true, err
	}
	if len(c.parts) == 0 {
		return fleet.Appended{}, true, nil
	}
	if !c.groups && (c.samples >= largeAppend || c.bytes >= largeBytes) {
		n, err = s.appendAsLoad(c.ctx, batches)
		return n, true, err
	}
	if b := c.long; b != nil {
		return fleet.Appended{}, true, fmt.Errorf("append: host %s: a batch of %d rows and %d values is too large; append it in pieces", b.Host, len(b.Start), b.Samples())
	}
	s.appendsUnderWay.Add(1)
	defer s.appendsUnderWay.Add(-1)
	select {
	case s.appends <- c:
	case <-s.quit:
		return fleet.Appended{}, true, fmt.Errorf("append: %w", fleet.ErrClosed)
	}
	// What was handed over is stored or not, whatever becomes of ctx.
	select {
	case <-c.done:
	case <-s.committed:
		select {
		case <-c.done:
		default: // it came when the committer had ended
			return fleet.Appended{}, false, fmt.Errorf("append: %w", fleet.ErrClosed)
		}
	}
	if c.err != nil {
		return fleet.Appended{}, true, c.err
	}
	return fleet.Appended{Inserted: c.counts.inserted, Changed: c.counts.changed, Unchanged: c.counts.unchanged, Outranked: c.counts.outranked}, true, nil
}

func (s *Store) appendAsLoad(ctx context.Context, batches []fleet.Batch) (fleet.Appended, error) {
	l, err := s.begin(ctx)
	if err != nil {
		return fleet.Appended{}, err
	}
	defer func() { _ = l.Abort() }()
	if err := l.Add(ctx, batches); err != nil {
		return fleet.Appended{}, err
	}
	return l.Commit(ctx)
}

// appendCall is one call of Append on its way through the committer.
type appendCall struct {
	ctx     context.Context
	parts   []appendPart
	samples int
	bytes   int          // in the log, at most
	long    *fleet.Batch // one that is too long for the log
	groups  bool

	added  []head.Added    // hosts that it brings
	book   *inventory.Book // with them; nil when there are none
	spans  []appendSpan
	counts counts
	err    error
	done   chan struct{} // gets a token when the call is dealt with
}

// reset forgets a call, but for its memory.
func (c *appendCall) reset() {
	clear(c.parts)
	clear(c.spans)
	*c = appendCall{parts: c.parts[:0], spans: c.spans[:0], done: c.done}
}

// appendPart is a batch that has samples.
type appendPart struct {
	batch head.Batch
	key   head.Key
	host  *headHost
}

// appendSpan is rows [lo, hi) of a part, which lie in one day.
type appendSpan struct {
	part, lo, hi int
	strip        *head.Strip
}

// prepare checks batches as far as that needs no look at what is stored.
func (c *appendCall) prepare(s *Store, batches []fleet.Batch) error {
	c.parts = slices.Grow(c.parts[:0], len(batches))
	for i := range batches {
		b := &batches[i]
		if !plausible(b) {
			if err := b.Validate(); err != nil {
				return err
			}
		}
		if len(b.Start) == 0 {
			continue
		}
		shape, err := s.head.table.ShapeOf(b)
		if err != nil {
			return s.shapeError(b, err)
		}
		n := b.Samples()
		if n == 0 {
			continue
		}
		if k := len(c.parts); k == 0 || b.Origin != c.parts[k-1].batch.Batch.Origin {
			if err := checkOrigin(b.Origin); err != nil {
				return fmt.Errorf("host %s: %w", b.Host, err)
			}
		}
		if err := checkNames(b); err != nil {
			return err
		}
		if len(b.Start) > head.MaxRows {
			return fmt.Errorf("host %s: a batch of %d rows has more than %d; append it in pieces", b.Host, len(b.Start), head.MaxRows)
		}
		bytes := len(b.Start)*(10+len(b.Columns)/8) + 16*len(b.Columns) + 5*n
		if c.bytes += bytes; bytes > maxBatchBytes {
			c.long = b
		}
		c.samples += n
		c.groups = c.groups || b.Group != ""
		c.parts = append(c.parts, appendPart{batch: head.Batch{Batch: b, Shape: shape}})
	}
	return nil
}

// shapeError says what is wrong with the metrics of a batch.
func (s *Store) shapeError(b *fleet.Batch, err error) error {
	if invalid := b.Validate(); invalid != nil {
		return invalid
	}
	for i := range b.Columns {
		if _, unknown := s.opt.Metrics.Lookup(b.Columns[i].Metric.Name); unknown != nil {
			return fmt.Errorf("host %s: %w", b.Host, unknown)
		}
	}
	return fmt.Errorf("host %s: %w", b.Host, err)
}

// checkNames checks the names of a batch's host and process group.
func checkNames(b *fleet.Batch) error {
	if len(b.Host) > MaxHostID || !utf8.ValidString(string(b.Host)) {
		return fmt.Errorf("host %.60q: a name has at most %d bytes of UTF-8", b.Host, MaxHostID)
	}
	if b.Group == "" {
		return nil
	}
	if len(b.Group) > MaxHostID || !utf8.ValidString(b.Group) || strings.ContainsRune(b.Group, 0) {
		return fmt.Errorf("host %s: process group %.60q: a name has at most %d bytes of UTF-8", b.Host, b.Group, MaxHostID)
	}
	for i := range b.Columns {
		if m := b.Columns[i].Metric.Name; m != fleet.CPUUsage.Name && m != fleet.MemoryUsage.Name {
			return fmt.Errorf("host %s, process group %s: metric %s: rows of a group have cpu_usage and memory_usage only", b.Host, b.Group, m)
		}
	}
	return nil
}

// appendQueue is how many calls wait for the committer before others wait to be
// let in.
const appendQueue = 1024

// commitAppends is the committer: it takes the calls that wait, makes them
// durable in one commit, and shows them to questions, until the store is closed.
func (s *Store) commitAppends() {
	defer close(s.committed)
	calls := make([]*appendCall, 0, appendQueue)
	callers := 0
	for {
		calls = calls[:0]
		select {
		case c := <-s.appends:
			calls = append(calls, c)
		case <-s.quit:
			s.refuseAppends()
			return
		}
		calls = s.gather(calls, callers)
		callers = max(len(calls), callers-callers/8-1)
		s.commitCalls(calls)
		for _, c := range calls {
			c.done <- struct{}{}
		}
	}
}

// gather takes the calls that wait. As many callers as there were of late are
// about to come back: those are waited for, as long as they keep coming.
func (s *Store) gather(calls []*appendCall, callers int) []*appendCall {
	idle, bytes := 0, calls[0].bytes
	for len(calls) < appendQueue && bytes < commitBytes {
		select {
		case c := <-s.appends:
			calls = append(calls, c)
			bytes += c.bytes
			idle = 0
			continue
		default:
		}
		if len(calls) >= callers || idle == 64 {
			break
		}
		idle++
		runtime.Gosched()
	}
	return calls
}

// refuseAppends answers the calls that came too late.
func (s *Store) refuseAppends() {
	for {
		select {
		case c := <-s.appends:
			c.err = fmt.Errorf("append: %w", fleet.ErrClosed)
			c.done <- struct{}{}
		default:
			return
		}
	}
}

// commitCalls makes calls true. Calls that cannot be are told why and leave no
// trace.
func (s *Store) commitCalls(calls []*appendCall) {
	s.appending.Lock()
	defer s.appending.Unlock()
	defer s.tidy()
	s.mu.RLock()
	err, base := s.writable(), s.book
	s.mu.RUnlock()
	good := make([]*appendCall, 0, len(calls))
	book := base
	for _, c := range calls {
		if c.err = err; c.err == nil {
			c.err = c.ctx.Err()
		}
		if c.err == nil {
			c.err = s.admit(c, book)
		}
		if c.err != nil {
			c.err = appendError(c.err)
			continue
		}
		if c.book != nil {
			book = c.book
		}
		good = append(good, c)
	}
	if len(good) == 0 {
		return
	}
	if err := s.logCalls(good); err != nil {
		for _, c := range good {
			c.err = appendError(err)
		}
		return
	}
	s.showCalls(good, base, book)
}

// appendError leaves errors that callers branch on as they are.
func appendError(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("append: %w", err)
}

// logCalls makes calls durable.
func (s *Store) logCalls(calls []*appendCall) error {
	if s.head.current == nil {
		if err := s.firstGeneration(); err != nil {
			return err
		}
	}
	g := s.head.current
	for _, c := range calls {
		for i := range c.added {
			g.AddHost(&c.added[i])
		}
		for i := range c.parts {
			g.Add(c.parts[i].key, &c.parts[i].batch)
		}
	}
	if s.opt.beforeAppend != nil {
		s.opt.beforeAppend()
	}
	uncertain, err := g.Commit()
	if err != nil && uncertain {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.broken = fmt.Errorf("it is uncertain whether the last append was stored, open the store again: %w", err)
		return s.broken
	}
	return err
}

// showCalls lets questions see what is durable, and counts what became of it.
func (s *Store) showCalls(calls []*appendCall, base, book *inventory.Book) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if book != base {
		swapped := s.book != base
		if s.book = book; swapped { // a question added evidence to the one before
			s.unsee()
		}
	}
	g := s.head.generations[len(s.head.generations)-1]
	for _, c := range calls {
		s.brought = s.brought || len(c.added) > 0
		for i := range c.spans {
			x := &c.spans[i]
			p := &c.parts[x.part]
			c.counts.add(s.head.write(x.strip, &p.batch, x.lo, x.hi))
			if _, ok := g.days[x.strip.Day]; !ok {
				g.days[x.strip.Day] = struct{}{}
				s.wakeSealer()
			}
		}
		for i := range c.parts {
			s.head.see(c.parts[i].host, &c.parts[i].batch)
		}
	}
	if s.head.samples-s.head.looked > lookAfter {
		s.head.looked = s.head.samples
		s.wakeSealer()
	}
}

// lookAfter is the number of values after which the sealer looks how much
// memory the head takes.
const lookAfter = 16 << 20

// firstGeneration begins the log.
func (s *Store) firstGeneration() error {
	g, err := s.newGeneration(context.Background())
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.useGeneration(g)
	return nil
}

// newGeneration makes a generation with a number that none had before. The
// caller holds the write lock, or appending while there is no generation.
func (s *Store) newGeneration(ctx context.Context) (*head.Generation, error) {
	return head.Create(ctx, s.headOptions(false), s.head.last+1)
}

// useGeneration has appends go to a new generation. The caller holds appending
// and mu.
func (s *Store) useGeneration(g *head.Generation) {
	s.head.current = g
	s.head.last = g.Number
	s.head.generations = append(s.head.generations, &generation{number: g.Number, name: head.Name(g.Number), days: map[dayfile.Day]struct{}{}})
}

func (s *Store) headDir() string { return filepath.Join(s.dir, headName) }

func (s *Store) headOptions(readOnly bool) head.Options {
	return head.Options{Dir: s.headDir(), Files: logFS{s.fs}, Table: s.head.table, ReadOnly: readOnly, Ahead: s.opt.logAhead}
}
