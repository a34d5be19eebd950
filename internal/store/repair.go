package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/store/dayfile"
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
	c := &commitTx{generation: s.nextGeneration(), remove: days}
	if err := s.commit(c, nil, s.book.Clone()); err != nil {
		return nil, fmt.Errorf("repair: %w", err)
	}
	return found, nil
}

// damagedDays finds the days that cannot be trusted.
func (s *Store) damagedDays(ctx context.Context, deep bool) (found []FileProblem, days []dayfile.Day, err error) {
	p, _, err := s.look(fleet.Window{})
	if err != nil {
		return nil, nil, err
	}
	defer p.release()
	for i, d := range p.days {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		err := p.open(i)
		if unavailable(p.errs[i]) {
			return nil, nil, p.errs[i]
		}
		if err == nil && deep {
			err = d.verify(d.fd)
		}
		if err != nil {
			found = append(found, FileProblem{p.paths[i], err.Error()})
			days = append(days, d.Day)
		}
	}
	return found, days, nil
}
