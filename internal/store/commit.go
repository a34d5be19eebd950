package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"reflect"
	"slices"
	"sort"
	"sync"

	"go.etcd.io/bbolt"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/store/dayfile"
	"github.com/leanfleet/leanfleet/inventory"
)

// Append stores batches, durable when it returns.
func (s *Store) Append(ctx context.Context, batches []fleet.Batch) (fleet.Appended, error) {
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

// Commit merges what was staged with what is stored and makes it true.
func (l *load) Commit(ctx context.Context) (fleet.Appended, error) {
	if err := l.usable(ctx); err != nil {
		return fleet.Appended{}, err
	}
	unlock, err := l.s.lockWrites(ctx)
	if err != nil {
		return fleet.Appended{}, fmt.Errorf("commit a load: %w", err)
	}
	defer unlock()
	appended, err := l.commit(ctx)
	if err != nil {
		l.err = err
		return fleet.Appended{}, err
	}
	// The spill file is nothing but rubbish now; the next opening deletes it.
	_ = l.end()
	return appended, nil
}

func (l *load) commit(ctx context.Context) (fleet.Appended, error) {
	if l.spill != nil { // leave the memory to the merge
		if err := l.spillArena(); err != nil {
			return fleet.Appended{}, err
		}
		l.arena = arena{}
	}
	if l.s.book != l.base {
		if err := l.rebase(l.s.book); err != nil {
			return fleet.Appended{}, err
		}
	}
	for i := range l.hosts {
		l.see(l.book, &l.hosts[i])
	}
	gen := l.s.nextGeneration()
	staged, n, err := l.stage(ctx, gen)
	if err == nil && len(staged) > 0 {
		if err = l.s.fs.SyncDir(l.s.daysDir()); err != nil {
			err = fmt.Errorf("sync directory %s: %w", l.s.daysDir(), err)
		}
	}
	if err == nil {
		err = l.s.commit(&commitTx{generation: gen}, staged, l.book)
	}
	if err != nil {
		l.s.unstage(staged)
		return fleet.Appended{}, err
	}
	return fleet.Appended{Inserted: n.inserted, Changed: n.changed, Unchanged: n.unchanged, Outranked: n.outranked}, nil
}

// nextGeneration returns a number that no commit had before. The caller holds
// the write lock.
func (s *Store) nextGeneration() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generation++
	return s.generation
}

// unstage deletes staged files of a commit that was not made. When nobody can
// say whether it was, they stay.
func (s *Store) unstage(staged []stagedDay) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.broken != nil {
		return
	}
	for i := range staged {
		removeQuietly(s.fs, staged[i].path)
	}
}

// stage merges every touched day into a staged file, several at once. On an
// error it returns the files to be deleted.
func (l *load) stage(ctx context.Context, gen uint64) ([]stagedDay, counts, error) {
	days := make([]dayfile.Day, 0, len(l.days))
	for d := range l.days {
		days = append(days, d)
	}
	slices.Sort(days)
	rank := l.rank()
	l.arena.sort(rank)
	if err := l.s.checkUnlisted(days); err != nil {
		return nil, counts{}, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		mu     sync.Mutex
		group  sync.WaitGroup
		heavy  sync.Mutex
		staged []stagedDay
		total  counts
		next   = make(chan dayfile.Day)
	)
	workers := min(l.s.opt.Workers, len(days))
	inner := max(1, l.s.opt.Workers/max(1, workers))
	for range workers {
		group.Go(func() {
			for d := range next {
				file, n, err := l.stageDay(ctx, d, gen, inner, rank, &heavy)
				mu.Lock()
				total.add(n)
				if file != nil {
					staged = append(staged, *file)
				}
				mu.Unlock()
				if err != nil {
					cancel(err)
				}
			}
		})
	}
	for _, d := range days {
		if ctx.Err() != nil {
			break
		}
		next <- d
	}
	close(next)
	group.Wait()
	sort.Slice(staged, func(i, j int) bool { return staged[i].entry.Day < staged[j].entry.Day })
	return staged, total, context.Cause(ctx)
}

func (l *load) stageDay(ctx context.Context, d dayfile.Day, gen uint64, workers int, rank []uint32, heavy *sync.Mutex) (*stagedDay, counts, error) {
	job := &dayJob{s: l.s, l: l, day: d, gen: gen, workers: workers, heavy: heavy}
	if stored := l.s.find(d); stored != nil {
		p := l.s.pin([]*day{stored})
		defer p.release()
		if err := p.open(0); err != nil {
			return nil, counts{}, fmt.Errorf("day %s cannot be added to: %s: %w; restore the file from a backup", d, p.paths[0], err)
		}
		job.old = stored.file
	}
	return job.run(ctx, rank, l.cursorsOf(d))
}

// checkUnlisted refuses to write days whose file nobody listed: the new file
// would replace it.
func (s *Store) checkUnlisted(days []dayfile.Day) error {
	for _, d := range days {
		if s.find(d) != nil {
			continue
		}
		path := filepath.Join(s.daysDir(), dayName(d))
		if _, err := s.fs.Stat(path); err == nil {
			return fmt.Errorf("write day %s: %s is there and the store does not know it; move it away, and import it if its samples are wanted", d, path)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("look at %s: %w", path, err)
		}
	}
	return nil
}

// commit makes staged days, removed days and a new book true at once. The caller
// holds the write lock, and nothing is pending.
func (s *Store) commit(c *commitTx, staged []stagedDay, book *inventory.Book) error {
	docs, err := documents(book)
	if err != nil {
		return err
	}
	c.hosts = docs
	c.records = recordsDiffer(s.book, book, docs)
	for i := range staged {
		e := staged[i].entry
		c.put = append(c.put, e)
		c.pending = append(c.pending, pendingOp{Staged: filepath.Base(staged[i].path), Target: dayName(e.Day), fileSum: e.fileSum})
	}
	for _, d := range c.remove {
		c.pending = append(c.pending, pendingOp{Target: dayName(d)})
	}
	if len(c.put) == 0 && len(c.remove) == 0 && len(c.hosts) == 0 {
		return nil
	}
	if err := c.apply(s.db); err != nil {
		return s.commitFailed(c.generation, err)
	}
	book.ClearTouched()
	s.install(c, staged, book)
	// From here on the write is true. What remains to be done on files is tried
	// again by the next write and the next opening.
	_ = s.finish()
	if c.records {
		s.publish()
	}
	return nil
}

// commitFailed says what became of a transaction that failed: bbolt may have
// written it and only failed to sync it.
func (s *Store) commitFailed(gen uint64, failure error) error {
	failure = fmt.Errorf("commit to %s: %w", s.dbPath(), failure)
	var seen uint64
	err := s.db.View(func(tx *bbolt.Tx) error {
		seen = getUint(tx.Bucket(bucketMeta).Get(keyGeneration))
		return nil
	})
	if err == nil && seen != gen {
		return failure
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = fmt.Errorf("it is uncertain whether the last write was stored, open the store again: %w", failure)
	return s.broken
}

// documents are the hosts that changed.
func documents(book *inventory.Book) (map[fleet.HostID][]byte, error) {
	docs := map[fleet.HostID][]byte{}
	for _, id := range book.Touched() {
		doc, err := book.Marshal(id)
		if err != nil {
			return nil, fmt.Errorf("write host %s: %w", id, err)
		}
		docs[id] = doc
	}
	return docs, nil
}

// recordsDiffer says whether the records of any touched host changed, leaving
// aside when it was seen.
func recordsDiffer(before, after *inventory.Book, touched map[fleet.HostID][]byte) bool {
	for id := range touched {
		a, b := before.Timeline(id), after.Timeline(id)
		if len(a) != len(b) {
			return true
		}
		for i := range a {
			x, y := a[i], b[i]
			x.Seen, y.Seen = fleet.Window{}, fleet.Window{}
			if !reflect.DeepEqual(x, y) {
				return true
			}
		}
	}
	return false
}

// install shows questions what was committed.
func (s *Store) install(c *commitTx, staged []stagedDay, book *inventory.Book) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := make([]*day, 0, len(s.days)+len(staged))
	gone := map[dayfile.Day]bool{}
	for i := range staged {
		gone[staged[i].entry.Day] = true
		next = append(next, &day{dayEntry: staged[i].entry, path: staged[i].path})
	}
	for _, d := range c.remove {
		gone[d] = true
	}
	for _, d := range s.days {
		if gone[d.Day] {
			d.drop(s)
		} else {
			next = append(next, d)
		}
	}
	slices.SortFunc(next, func(a, b *day) int { return int(a.Day) - int(b.Day) })
	s.days, s.book, s.pending = next, book, c.pending
	if c.records {
		s.records = c.generation
	}
}

// finish carries out what is pending: renames and deletions, made durable,
// forgotten last. The caller holds the write lock.
func (s *Store) finish() error {
	if len(s.pending) == 0 {
		return nil
	}
	err := s.carryOut()
	if err != nil {
		err = fmt.Errorf("finish the write before: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pendingErr = err; err == nil {
		s.pending = nil
	}
	return err
}

func (s *Store) carryOut() error {
	for i := range s.pending {
		if err := s.carryOutOne(&s.pending[i]); err != nil {
			return err
		}
	}
	if err := s.fs.SyncDir(s.daysDir()); err != nil {
		return fmt.Errorf("sync directory %s: %w", s.daysDir(), err)
	}
	if err := clearPending(s.db); err != nil {
		return fmt.Errorf("write %s: %w", s.dbPath(), err)
	}
	return nil
}

func (s *Store) carryOutOne(p *pendingOp) error {
	target := filepath.Join(s.daysDir(), p.Target)
	if p.Staged == "" {
		if err := s.fs.Remove(target); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("delete %s: %w", target, err)
		}
		return nil
	}
	staged := filepath.Join(s.daysDir(), p.Staged)
	// Questions open files by path under the same lock.
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.fs.Stat(staged); errors.Is(err, fs.ErrNotExist) {
		return nil // renamed before
	}
	if err := s.fs.Rename(staged, target); err != nil {
		return fmt.Errorf("rename %s to %s: %w", staged, target, err)
	}
	for _, d := range s.days {
		if d.path == staged {
			d.path = target
		}
	}
	return nil
}

// find returns a stored day, nil when there is none.
func (s *Store) find(d dayfile.Day) *day {
	s.mu.RLock()
	defer s.mu.RUnlock()
	i, ok := slices.BinarySearchFunc(s.days, d, func(x *day, d dayfile.Day) int { return int(x.Day) - int(d) })
	if !ok {
		return nil
	}
	return s.days[i]
}
