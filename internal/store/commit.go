package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"reflect"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/store/dayfile"
	"github.com/leanfleet/leanfleet/internal/store/head"
	"github.com/leanfleet/leanfleet/inventory"
)

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

// commit stages the days beside appends. Where some of those went to the same
// days meanwhile, these are staged again while appends wait: the load comes
// after them.
func (l *load) commit(ctx context.Context) (fleet.Appended, error) {
	if l.spill != nil { // leave the memory to the merge
		if err := l.spillArena(); err != nil {
			return fleet.Appended{}, err
		}
		l.arena = arena{}
	}
	if err := l.rebase(); err != nil {
		return fleet.Appended{}, err
	}
	s := l.s
	w := &write{s: s, l: l, gen: s.nextGeneration()}
	if err := w.stage(ctx, l.touched(), false); err != nil {
		w.abandon()
		return fleet.Appended{}, err
	}
	s.appending.Lock()
	err := w.catchUp(ctx)
	if err == nil {
		err = l.rebase()
	}
	if err == nil {
		for i := range l.hosts {
			l.see(l.book, &l.hosts[i])
		}
		err = w.commit(l.book)
	}
	s.appending.Unlock()
	if err != nil {
		w.abandon()
		return fleet.Appended{}, err
	}
	w.after()
	n := w.counts()
	return fleet.Appended{Inserted: n.inserted, Changed: n.changed, Unchanged: n.unchanged, Outranked: n.outranked}, nil
}

// touched are the days that the load has samples of.
func (l *load) touched() []target {
	out := make([]target, 0, len(l.days))
	for d := range l.days {
		out = append(out, target{ofHosts, d})
	}
	slices.SortFunc(out, compareTargets)
	return out
}

// nextGeneration returns a number that no commit had before. The caller holds
// the write lock.
func (s *Store) nextGeneration() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generation++
	return s.generation
}

// checkUnlisted refuses to write days whose file nobody listed: the new file
// would replace it.
func (s *Store) checkUnlisted(days []target) error {
	for _, d := range days {
		if s.find(d) != nil {
			continue
		}
		path := filepath.Join(s.dirOf(d.kind.dir()), d.name())
		if _, err := s.fs.Stat(path); err == nil {
			return fmt.Errorf("write %s: %s is there and the store does not know it; move it away, and import it if its samples are wanted", d.label(), path)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("look at %s: %w", path, err)
		}
	}
	return nil
}

// apply makes a transaction true. The caller holds the write lock; nothing is
// pending.
func (s *Store) apply(c *commitTx) error {
	if c.empty() {
		return nil
	}
	if s.opt.beforeCommit != nil {
		s.opt.beforeCommit()
	}
	if err := c.apply(s.db); err != nil {
		return s.commitFailed(c.generation, err)
	}
	return nil
}

// describe takes what changed of the hosts into a transaction.
func (s *Store) describe(c *commitTx, book *inventory.Book) (err error) {
	if c.hosts, err = documents(book); err != nil {
		return err
	}
	c.records = recordsDiffer(s.stated, book, c.hosts)
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

// install shows questions which files there are after a transaction. The caller
// holds mu.
func (s *Store) install(c *commitTx, staged []stagedDay) {
	for k := range kinds {
		next := make([]*day, 0, len(s.days[k])+len(staged))
		gone := map[dayfile.Day]bool{}
		for i := range staged {
			if staged[i].kind == k {
				gone[staged[i].entry.Day] = true
				next = append(next, &day{dayEntry: staged[i].entry, kind: k, path: staged[i].path})
			}
		}
		for _, d := range c.remove {
			if d.kind == k {
				gone[d.day] = true
			}
		}
		for _, d := range s.days[k] {
			if gone[d.Day] {
				d.drop(s)
			} else {
				next = append(next, d)
			}
		}
		slices.SortFunc(next, func(a, b *day) int { return int(a.Day) - int(b.Day) })
		s.days[k] = next
	}
	s.pending = c.pending
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

// carryOut renames and deletes; the log of the head last.
func (s *Store) carryOut() error {
	var gone []uint64
	for _, dir := range []string{daysName, groupsName, headName} {
		touched := false
		for i := range s.pending {
			p := &s.pending[i]
			if p.dir() != dir {
				continue
			}
			touched = true
			if err := s.carryOutOne(p); err != nil {
				return err
			}
			if n, ok := head.ParseName(p.Target); ok && dir == headName {
				gone = append(gone, n)
			}
		}
		if !touched {
			continue
		}
		if err := s.fs.SyncDir(s.dirOf(dir)); err != nil {
			return fmt.Errorf("sync directory %s: %w", s.dirOf(dir), err)
		}
	}
	if err := clearPending(s.db, gone); err != nil {
		return fmt.Errorf("write %s: %w", s.dbPath(), err)
	}
	return nil
}

func (s *Store) carryOutOne(p *pendingOp) error {
	dir := s.dirOf(p.dir())
	target := filepath.Join(dir, p.Target)
	if p.Staged == "" {
		if err := s.fs.Remove(target); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("delete %s: %w", target, err)
		}
		return nil
	}
	staged := filepath.Join(dir, p.Staged)
	// Questions open files by path under the same lock.
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.fs.Stat(staged); errors.Is(err, fs.ErrNotExist) {
		return nil // renamed before
	}
	if err := s.fs.Rename(staged, target); err != nil {
		return fmt.Errorf("rename %s to %s: %w", staged, target, err)
	}
	for _, list := range s.days {
		for _, d := range list {
			if d.path == staged {
				d.path = target
			}
		}
	}
	return nil
}

// find returns a stored day, nil when there is none.
func (s *Store) find(t target) *day {
	s.mu.RLock()
	defer s.mu.RUnlock()
	i, ok := slices.BinarySearchFunc(s.days[t.kind], t.day, func(x *day, d dayfile.Day) int { return int(x.Day) - int(d) })
	if !ok {
		return nil
	}
	return s.days[t.kind][i]
}
