package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/store/dayfile"
	"github.com/leanfleet/leanfleet/internal/store/head"
)

// openHead reads what is acknowledged and not sealed. The newest generation of
// the log is written on.
func (s *Store) openHead(ctx context.Context, st state) error {
	names, err := head.List(s.headOptions(s.opt.ReadOnly))
	if err != nil {
		return err
	}
	s.head.last = st.head
	for i, name := range names {
		n, _ := head.ParseName(name)
		gen := &generation{number: n, name: name, days: map[dayfile.Day]struct{}{}}
		var hosts []*headHost // by code
		newest := i == len(names)-1 && !s.opt.ReadOnly
		g, err := head.Open(ctx, s.headOptions(!newest), name, s.replayHost, func(r *head.Rows) error {
			for r.Code >= len(hosts) {
				hosts = append(hosts, nil)
			}
			if hosts[r.Code] == nil {
				hosts[r.Code] = s.head.hostOf(r.Key)
			}
			return s.replay(gen, st.sealed, hosts[r.Code], &r.Batch)
		})
		if errors.Is(err, head.ErrDefinition) || notOpened(err) || err != nil && ctx.Err() != nil {
			return err
		}
		if err != nil {
			return fmt.Errorf("%w; move the file away to go on without what it holds", err)
		}
		s.head.generations = append(s.head.generations, gen)
		s.head.last = max(s.head.last, n)
		if newest && g.Writable() {
			s.head.current = g
			continue
		}
		gen.size = g.Size()
		if err := g.Close(); err != nil {
			return err
		}
	}
	s.head.looked = s.head.samples
	s.tidy()
	return nil
}

// notOpened says whether a file of the log could not be opened, which says nothing
// of what it holds.
func notOpened(err error) bool {
	var opening *fs.PathError
	return errors.Is(err, fleet.ErrLocked) || errors.As(err, &opening) && opening.Op == "open"
}

// replayHost adds a host that rows brought, unless leanfleet.db has it.
func (s *Store) replayHost(a *head.Added) error {
	if s.book.Members(a.ID) != nil {
		return nil
	}
	if !s.brought {
		s.book = s.book.Clone()
		s.brought = true
	}
	if id := s.book.Ensure(a.Key, time.UnixMilli(a.At).UTC(), a.Put); id != a.ID {
		return fmt.Errorf("host %s is %s by what leanfleet.db says, and %s by what was appended", a.Key, id, a.ID)
	}
	return nil
}

// replay puts rows of the log where they were, but for those that are sealed.
func (s *Store) replay(gen *generation, sealed map[sealedDay]struct{}, hh *headHost, b *head.Batch) error {
	s.head.origins[b.Batch.Origin] = struct{}{}
	for lo := 0; lo < len(b.Start); {
		day := dayfile.DayOf(b.Start[lo])
		hi := lo + 1
		for end := day.Start() + dayMillis; hi < len(b.Start) && b.Start[hi] < end; {
			hi++
		}
		if _, ok := sealed[sealedDay{gen.number, day}]; !ok {
			st, err := s.replayStrip(hh, day, b.Start[lo])
			if err != nil {
				return err
			}
			s.head.write(st, b, lo, hi)
			gen.days[day] = struct{}{}
		}
		lo = hi
	}
	s.head.see(hh, b)
	return nil
}

// replayStrip finds or makes the strip for rows that were let in before. Where
// the sealed file cannot be read any more, the day cannot be answered.
func (s *Store) replayStrip(hh *headHost, day dayfile.Day, from int64) (*head.Strip, error) {
	st := hh.strip(day)
	if st != nil && (st.Over || from > st.Base.Last) {
		return st, nil
	}
	made, err := s.makeStrip(hh, day, from, ripe)
	if err == nil {
		return made, nil
	}
	if errors.Is(err, fleet.ErrImpossible) {
		return nil, fmt.Errorf("%w: %w", head.ErrDefinition, err)
	}
	if st == nil {
		st = s.head.add(hh, day, head.Base{Over: true}, ripe)
	}
	st.Base = head.Base{Over: true}
	if d := s.head.days[day]; d.err == nil {
		d.err, d.again = err, s.cannotOpen(target{kindOf(hh.key), day})
		s.head.damaged++
	}
	return st, nil
}

// cannotOpen says whether a sealed file cannot be opened.
func (s *Store) cannotOpen(t target) bool {
	p, err := s.pinStored(t)
	if err != nil {
		return true
	}
	p.release()
	return false
}

// openLogged opens the head. Where the log defines a metric otherwise than the
// configuration does, in another unit or in a coarser resolution than a value of
// it can be told in, or has one that is no longer configured, its rows are sealed
// by its own definitions first; who only reads answers from them as from sealed
// files of that time.
func (s *Store) openLogged(ctx context.Context, st state) error {
	err := s.openHead(ctx, st)
	if !errors.Is(err, head.ErrDefinition) {
		return err
	}
	if s.head.current != nil {
		if err := s.head.current.Close(); err != nil {
			return err
		}
		s.head.current = nil
	}
	table, failed := s.tableOfLog(ctx)
	if failed != nil {
		return errors.Join(err, failed)
	}
	if !s.opt.ReadOnly {
		if failed := s.sealAsLogged(ctx, table); failed != nil {
			return fmt.Errorf("%w; what is not sealed cannot be sealed as it was: %w", err, failed)
		}
		table = head.NewTable(s.opt.Metrics.Stored())
	}
	s.brought = false
	s.dropDays()
	if st, err = s.readState(); err != nil {
		return err
	}
	if s.opt.ReadOnly {
		s.locateDays()
	}
	s.head = &headState{table: table}
	s.head.reset()
	return s.openHead(ctx, st)
}

// tableOfLog has the metrics of the configuration, but those that the log tells
// of as the log defines them.
func (s *Store) tableOfLog(ctx context.Context) (*head.Table, error) {
	o := s.headOptions(true)
	names, err := head.List(o)
	if err != nil {
		return nil, err
	}
	logged, err := head.Definitions(ctx, o, names)
	if err != nil {
		return nil, err
	}
	metrics := slices.Clone(s.opt.Metrics.Stored())
	for _, m := range logged {
		at := slices.IndexFunc(metrics, func(o fleet.Metric) bool { return o.Name == m.Name })
		if at < 0 {
			metrics = append(metrics, m)
		} else {
			metrics[at] = m
		}
	}
	return head.NewTable(metrics), nil
}

// sealAsLogged seals all that the log has, and leaves a generation that has
// nothing.
func (s *Store) sealAsLogged(ctx context.Context, table *head.Table) error {
	old := &Store{
		opt: s.opt, fs: s.fs, dir: s.dir, db: s.db, writing: make(chan struct{}, 1), wake: make(chan struct{}, 1),
		head: &headState{table: table},
	}
	old.head.reset()
	st, err := old.readState()
	if err == nil {
		err = old.openHead(ctx, st)
	}
	if err == nil {
		err = old.sealAll(ctx)
	}
	if old.head.current != nil {
		err = errors.Join(err, old.head.current.Close())
	}
	old.dropDays()
	return err
}

// dropDays lets go of all files of days.
func (s *Store) dropDays() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, list := range s.days {
		for _, d := range list {
			d.drop(s)
		}
	}
}

// sealAll seals all days and deletes all of the log.
func (s *Store) sealAll(ctx context.Context) error {
	g, err := s.newGeneration(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.rotate(g)
	s.mu.Unlock()
	if err := s.sealDays(ctx, s.unsealed()); err != nil {
		return err
	}
	if err := s.finish(); err != nil {
		return err
	}
	if err := s.writeBook(); err != nil {
		return err
	}
	w := &write{s: s, gen: s.nextGeneration()} // of generations that had nothing to be sealed
	w.describe()
	if err := s.apply(&w.tx); err != nil {
		return err
	}
	s.mu.Lock()
	s.pending = w.tx.pending
	s.dropSealed(nil)
	s.mu.Unlock()
	return s.finish()
}
