package store

import (
	"context"
	"errors"
	"fmt"
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
	remove := s.expired(keep)
	if len(remove) == 0 {
		return 0, nil
	}
	c := &commitTx{generation: s.nextGeneration(), remove: remove}
	if err := s.commit(c, nil, s.book.Clone()); err != nil {
		return 0, fmt.Errorf("apply retention: %w", err)
	}
	return len(remove), nil
}

// expired lists the days that retention deletes.
func (s *Store) expired(keep time.Duration) []dayfile.Day {
	newest, found := dayfile.Day(0), false
	for _, d := range s.days {
		if s.opt.Clock == nil || !d.Day.Window().Start.After(s.opt.Clock()) {
			newest, found = max(newest, d.Day), true
		}
	}
	if !found {
		return nil
	}
	cut := newest.Window().End.Add(-keep)
	var out []dayfile.Day
	for _, d := range s.days {
		if !d.Day.Window().End.After(cut) {
			out = append(out, d.Day)
		}
	}
	return out
}
