package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/leanfleet/leanfleet/internal/store/dayfile"
)

// Retain deletes the days that ended longer than keep before the end of the
// newest day stored, and returns how many those were. Days that lie in the
// future by the clock do not count as the newest, so that one wrong time stamp
// does not cost the history. It is refused while a load is open: an old
// archive being imported is not to be deleted as it comes in.
func (s *Store) Retain(keep time.Duration) (deleted int, err error) {
	if keep <= 0 {
		return 0, fmt.Errorf("apply retention: a retention of %s keeps nothing", keep)
	}
	unlock, err := s.lockWrites(context.Background())
	if err != nil {
		return 0, fmt.Errorf("apply retention: %w", err)
	}
	defer unlock()
	s.mu.RLock()
	open := len(s.loads)
	s.mu.RUnlock()
	if open > 0 {
		return 0, errors.New("apply retention: an import is under way; try again when it is done")
	}
	days := s.expired(keep)
	if len(days) == 0 {
		return 0, nil
	}
	if err := s.removeDays(days); err != nil {
		return 0, fmt.Errorf("apply retention: %w", err)
	}
	return len(days), nil
}

// removeDays deletes all that is stored of some days. Appends wait for it. The
// caller holds the write lock.
func (s *Store) removeDays(days []dayfile.Day) error {
	s.appending.Lock()
	w := &write{s: s, gen: s.nextGeneration()}
	err := w.remove(days)
	s.appending.Unlock()
	if err != nil {
		return err
	}
	w.after()
	return nil
}

func (w *write) remove(days []dayfile.Day) error {
	s := w.s
	w.removes, w.strips = true, map[target][]taken{}
	var all []target
	for _, d := range days {
		for k := range kinds {
			t := target{k, d}
			all = append(all, t)
			if s.find(t) != nil {
				w.tx.remove = append(w.tx.remove, t)
			}
		}
	}
	if _, err := w.take(context.Background(), all, true); err != nil {
		return err
	}
	w.describe()
	s.mu.Lock()
	book := s.bookNow()
	s.mu.Unlock()
	if err := s.describe(&w.tx, book); err != nil { // the log loses what it knows of hosts
		return err
	}
	if err := s.apply(&w.tx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.takeOver(book)
	s.install(&w.tx, nil)
	s.dropSealed(w.sealed)
	s.head.forget(w.taken())
	s.dropEmpty(all)
	return nil
}

// expired lists the days that retention deletes, ascending.
func (s *Store) expired(keep time.Duration) []dayfile.Day {
	stored := s.storedDays()
	newest, found := dayfile.Day(0), false
	for _, d := range stored {
		if s.opt.Clock == nil || !d.Window().Start.After(s.opt.Clock()) {
			newest, found = max(newest, d), true
		}
	}
	if !found {
		return nil
	}
	cut := newest.Window().End.Add(-keep)
	var out []dayfile.Day
	for _, d := range stored {
		if !d.Window().End.After(cut) {
			out = append(out, d)
		}
	}
	return out
}

// storedDays are the days of which anything is stored, ascending.
func (s *Store) storedDays() []dayfile.Day {
	out := s.headDays()
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, list := range s.days {
		for _, d := range list {
			out = append(out, d.Day)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
