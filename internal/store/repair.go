package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/store/head"
)

// DropDamaged takes the days off the list whose files are missing or not what
// was written, deletes what is left of them, and returns them. Their samples
// are lost, and can then be imported again. With dry it only returns them. Only
// damage that shows when a file is opened or, with deep, read whole counts; a
// file that cannot be opened for other reasons is an error. It is refused while
// a load is open.
func (s *Store) DropDamaged(ctx context.Context, dry, deep bool) ([]FileProblem, error) {
	unlock, err := s.lockWrites(ctx)
	if err != nil {
		return nil, fmt.Errorf("repair: %w", err)
	}
	defer unlock()
	s.mu.RLock()
	open := len(s.loads)
	s.mu.RUnlock()
	if open > 0 {
		return nil, errors.New("repair: an import is under way; try again when it is done")
	}
	found, days, err := s.damagedDays(ctx, deep)
	if err != nil {
		return nil, fmt.Errorf("repair: %w", err)
	}
	if dry || len(days) == 0 {
		return found, nil
	}
	s.appending.Lock()
	defer s.appending.Unlock()
	w := &write{s: s, gen: s.nextGeneration()}
	w.tx.remove = days
	w.describe()
	if err := s.apply(&w.tx); err != nil {
		return nil, fmt.Errorf("repair: %w", err)
	}
	s.mu.Lock()
	s.install(&w.tx, nil)
	s.dropSealed(nil)
	s.mu.Unlock()
	w.after()
	if err := s.headAgain(ctx, days); err != nil {
		return nil, fmt.Errorf("repair: %w", err)
	}
	return found, nil
}

// headAgain reads the log of the head again where it has rows of days whose
// files were dropped: those rows may have been merged with what the files held.
// The caller holds the write lock and appending.
func (s *Store) headAgain(ctx context.Context, days []target) error {
	if !slices.ContainsFunc(days, func(t target) bool { return s.head.days[t.day] != nil }) {
		return nil
	}
	// It is read as an opening does, beside what questions see meanwhile.
	again := &Store{opt: s.opt, fs: s.fs, dir: s.dir, db: s.db, head: &headState{table: s.head.table}}
	again.head.reset()
	err := again.openAgain(context.WithoutCancel(ctx), s.head.current)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.broken = fmt.Errorf("the head cannot be read again, open the store again: %w", err)
		return s.broken
	}
	s.head.become(again.head)
	s.unsee()
	return nil
}

// lookAgain reads the log of the head again where days could not be answered for
// want of a sealed file that could be opened, and now it can be. Where a write is
// being made true, the next one to come looks.
func (s *Store) lookAgain(ctx context.Context) {
	var days []target
	s.mu.RLock()
	if s.head.damaged > 0 && !s.closed && s.broken == nil {
		for on, d := range s.head.days {
			if d.again {
				days = append(days, target{ofHosts, on}, target{ofGroups, on})
			}
		}
	}
	s.mu.RUnlock()
	if len(days) == 0 {
		return
	}
	if !s.opensAll(days) {
		return
	}
	select {
	case s.writing <- struct{}{}:
		defer func() { <-s.writing }()
	default:
		return
	}
	s.appending.Lock()
	defer s.appending.Unlock()
	s.mu.RLock()
	closed := s.closed
	s.mu.RUnlock()
	if !closed {
		_ = s.headAgain(ctx, days) // the store says what it could not do
	}
}

// opensAll says whether the files of days can be opened, all at once: reading the
// log again takes a few more.
func (s *Store) opensAll(days []target) bool {
	spare, err := s.fs.Open(s.dbPath())
	if err != nil {
		return false
	}
	defer func() { _ = spare.Close() }()
	for _, t := range days {
		p, err := s.pinStored(t)
		if err != nil {
			return false
		}
		defer p.release()
	}
	return true
}

// openAgain reads what a store that is open has, but for the generation that it
// writes to, which it takes over.
func (s *Store) openAgain(ctx context.Context, current *head.Generation) error {
	st, err := s.readState()
	if err != nil {
		return err
	}
	if current != nil {
		if err := current.Close(); err != nil {
			return err
		}
	}
	for k := range kinds {
		for _, d := range s.days[k] {
			d.path = s.pathOf(k, d)
			defer d.close(s)
		}
	}
	return s.openHead(ctx, st)
}

// damagedDays finds the days that cannot be trusted.
func (s *Store) damagedDays(ctx context.Context, deep bool) (found []FileProblem, days []target, err error) {
	for k := range kinds {
		files, bad, err := s.damagedOf(ctx, k, deep)
		if err != nil {
			return nil, nil, err
		}
		found, days = append(found, files...), append(days, bad...)
	}
	return found, days, nil
}

func (s *Store) damagedOf(ctx context.Context, k kind, deep bool) (found []FileProblem, days []target, err error) {
	v, err := s.look(k, fleet.Window{})
	if err != nil {
		return nil, nil, err
	}
	defer v.release()
	p := v.pinned
	for i, d := range p.days {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		err := p.open(i)
		if isUnavailable(err) {
			return nil, nil, err
		}
		if err == nil && deep {
			err = d.verify(d.fd)
		}
		if err != nil {
			found = append(found, FileProblem{p.paths[i], err.Error()})
			days = append(days, target{k, d.Day})
		}
	}
	return found, days, nil
}
