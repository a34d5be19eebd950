package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/leanfleet/leanfleet/internal/store/dayfile"
	"github.com/leanfleet/leanfleet/internal/store/head"
	"github.com/leanfleet/leanfleet/inventory"
)

const (
	// sealAfter is how long after its end a day is sealed where the options do
	// not say: agents that were cut off for a while have sent by then.
	sealAfter = time.Hour
	// sealDelay is how long rows of a day that is over wait for others to be
	// sealed with them: each time the day is written again.
	sealDelay = 10 * time.Minute
	// sealPoll is how often the sealer looks.
	sealPoll = time.Minute
	// headMemory is the memory of the head, in bytes, from which all of it is
	// sealed, where the options do not say.
	headMemory = 512 << 20
)

// Seal moves what the head has of all days into their sealed files, those of
// today too.
func (s *Store) Seal(ctx context.Context) error {
	s.lookAgain(ctx)
	unlock, err := s.lockWrites(ctx)
	if err != nil {
		return fmt.Errorf("seal: %w", err)
	}
	defer unlock()
	if err := s.sealDays(ctx, s.unsealed()); err != nil {
		return fmt.Errorf("seal: %w", err)
	}
	return nil
}

// headDays are the days that the head has rows of, ascending.
func (s *Store) headDays() []dayfile.Day {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []dayfile.Day
	for day, d := range s.head.days {
		if !d.empty() {
			out = append(out, day)
		}
	}
	slices.Sort(out)
	return out
}

// unsealed are the days that the head or its log has rows of, ascending: the log
// alone has rows that changed nothing, and those without a value.
func (s *Store) unsealed() []dayfile.Day {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.head.unsealed()
}

// sealDays seals days one commit each, so that no more than one of them is in
// memory as a file. The caller holds the write lock.
func (s *Store) sealDays(ctx context.Context, days []dayfile.Day) error {
	var errs []error
	for _, day := range days {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.finish(); err != nil {
			return err
		}
		if err := s.sealDay(ctx, day); err != nil {
			errs = append(errs, err) // the others may be sealed nevertheless
		}
	}
	return errors.Join(errs...)
}

func (s *Store) sealDay(ctx context.Context, day dayfile.Day) error {
	w := &write{s: s, gen: s.nextGeneration()}
	if err := w.stage(ctx, []target{{ofHosts, day}}, false); err != nil {
		w.abandon()
		return err
	}
	if len(w.sealed) == 0 {
		w.abandon()
		return nil
	}
	s.mu.Lock()
	book := s.bookNow()
	s.mu.Unlock()
	w.describe()
	err := s.describe(&w.tx, book)
	if err == nil {
		err = s.apply(&w.tx)
	}
	if err != nil {
		w.abandon()
		return err
	}
	if err := w.settle(day, book); err != nil {
		return err
	}
	w.after()
	return nil
}

// settle lets questions find the rows in the sealed files, and the head forget
// them: all of a strip, or, where appends went on meanwhile, what they did not
// change. The book is the one that was written down.
func (w *write) settle(day dayfile.Day, book *inventory.Book) error {
	s := w.s
	s.appending.Lock()
	defer s.appending.Unlock()
	covers, err := w.covers()
	if err != nil {
		// The seal is true, what the head has is not clear any more.
		s.mu.Lock()
		defer s.mu.Unlock()
		s.broken = fmt.Errorf("day %s was sealed and cannot be read, open the store again: %w", day, err)
		return s.broken
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.install(&w.tx, w.staged)
	s.dropSealed(w.sealed)
	if s.stated = book; s.book == book { // otherwise some hosts are written down again
		book.ClearTouched()
		s.brought = false
	}
	s.bookNow() // an append that was under way may have put an older book in place
	next := map[*head.Strip]*head.Strip{}
	for _, strips := range w.strips {
		for i := range strips {
			x := &strips[i]
			switch pushed, spliced := x.live.Since(&x.Strip); {
			case spliced: // it is all there is of the host, or is made that
				if covers[x.live] != nil {
					if err := x.live.Cover(s.head.table, covers[x.live]); err != nil {
						return err
					}
				}
				x.live.Sealed(s.head.table, &x.Strip)
			case pushed:
				next[x.live] = x.live.After(s.head.table, x.Strip.End(), x.Strip.Total())
			default:
				next[x.live] = nil
			}
		}
	}
	s.head.replace(next)
	s.dropEmpty([]target{{ofHosts, day}})
	if d := s.head.days[day]; d != nil {
		d.since = s.nowMillis()
	}
	return nil
}

// covers reads the rows that were sealed before under strips that begin behind
// those and of which rows were changed since they were taken.
func (w *write) covers() (map[*head.Strip]runsOf, error) {
	out := map[*head.Strip]runsOf{}
	for t, strips := range w.strips {
		for i := range strips {
			x := &strips[i]
			_, spliced := x.live.Since(&x.Strip)
			if !spliced || x.live.Over {
				continue
			}
			p := w.s.pin([]*day{w.s.find(t)})
			err := p.open(0)
			if err == nil {
				out[x.live], err = w.s.sealedRuns(p.days[0].file, head.Key{Host: x.Host, Group: x.Group})
			}
			p.release()
			if err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// wakeSealer has the sealer look.
func (s *Store) wakeSealer() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// sealDue is the sealer: it seals days when they are due, until the store is
// closed.
func (s *Store) sealDue() {
	ticker := time.NewTicker(sealPoll)
	defer ticker.Stop()
	for {
		select {
		case <-s.stopped:
			return
		case <-ticker.C:
		case <-s.wake:
		}
		err := s.sealOnce(context.Background())
		s.mu.Lock()
		s.sealErr = err
		s.mu.Unlock()
	}
}

// sealOnce seals what is due, and writes down the hosts that appends brought.
func (s *Store) sealOnce(ctx context.Context) error {
	s.lookAgain(ctx)
	due := s.due()
	s.mu.RLock()
	brought := s.brought
	s.mu.RUnlock()
	if len(due) == 0 && !brought {
		return nil
	}
	unlock, err := s.lockWrites(ctx)
	if err != nil {
		return fmt.Errorf("seal: %w", err)
	}
	defer unlock()
	var errs []error
	for _, day := range due {
		select {
		case <-s.stopped: // the next opening seals the others
			return errors.Join(errs...)
		default:
		}
		if err := s.sealDays(ctx, []dayfile.Day{day}); err != nil {
			errs = append(errs, fmt.Errorf("seal: %w", err))
		}
	}
	if err := s.finish(); err != nil {
		return errors.Join(append(errs, err)...)
	}
	if err := s.writeBook(); err != nil {
		errs = append(errs, fmt.Errorf("write hosts: %w", err))
	}
	return errors.Join(errs...)
}

// due are the days to be sealed now, ascending: those that are over and whose
// rows have waited long enough, and all of them when the head takes too much
// memory. Days that have not begun are sealed with others: they are of hosts whose
// clocks are wrong, and their rows would keep the log of all hosts for as long.
func (s *Store) due() []dayfile.Day {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out, ahead []dayfile.Day
	now := s.sealClock()
	full := s.headMemory() > s.opt.HeadMemory
	for _, day := range s.head.unsealed() {
		d := s.head.days[day]
		over := day.Window().End.Add(s.opt.SealAfter).UnixMilli() <= now
		waited := d == nil || d.since == ripe || now-d.since >= sealDelay.Milliseconds() || now < d.since-sealDelay.Milliseconds()
		switch {
		case full || over && waited:
			out = append(out, day)
		case day.Start() > now:
			ahead = append(ahead, day)
		}
	}
	if len(out) == 0 {
		return nil
	}
	return append(out, ahead...) // they come after all others
}

// sealClock is the clock in Unix milliseconds; without one it is as late as the
// newest sample in the head. The caller holds mu.
func (s *Store) sealClock() int64 {
	if s.opt.Clock != nil {
		return s.opt.Clock().UnixMilli()
	}
	newest := int64(math.MinInt64)
	for _, hh := range s.head.hosts {
		newest = max(newest, hh.end)
	}
	return newest
}

// headMemory is about how many bytes the head takes. The caller holds mu.
func (s *Store) headMemory() (bytes int64) {
	for _, d := range s.head.days {
		for _, list := range d.strips {
			for _, st := range list {
				bytes += st.Memory()
			}
		}
	}
	return bytes
}

// writeBook writes down the hosts that appends brought, so that they are
// published. The caller holds the write lock.
func (s *Store) writeBook() error {
	s.mu.RLock()
	brought := s.brought
	s.mu.RUnlock()
	if !brought {
		return nil
	}
	s.appending.Lock()
	c, err := s.putBook(nil)
	s.appending.Unlock()
	if err != nil {
		return err
	}
	s.afterBook(c)
	return nil
}
