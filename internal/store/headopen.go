package store

import (
	"context"
	"fmt"
	"time"

	"github.com/leanfleet/leanfleet/internal/store/dayfile"
	"github.com/leanfleet/leanfleet/internal/store/head"
)

// openHead reads what is acknowledged and not sealed. The newest generation of
// the log is written on.
func (s *Store) openHead(ctx context.Context, st state) error {
	numbers, err := head.List(s.headOptions(s.opt.ReadOnly))
	if err != nil {
		return err
	}
	s.head.last = st.head
	for i, n := range numbers {
		gen := &generation{number: n, days: map[dayfile.Day]struct{}{}}
		var hosts []*headHost // by code
		newest := i == len(numbers)-1 && !s.opt.ReadOnly
		g, err := head.Open(ctx, s.headOptions(!newest), n, s.replayHost, func(r *head.Rows) error {
			for r.Code >= len(hosts) {
				hosts = append(hosts, nil)
			}
			if hosts[r.Code] == nil {
				hosts[r.Code] = s.head.hostOf(r.Key)
			}
			s.replay(gen, st.sealed, hosts[r.Code], &r.Batch)
			return nil
		})
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
func (s *Store) replay(gen *generation, sealed map[sealedDay]struct{}, hh *headHost, b *head.Batch) {
	_ = s.head.noteOrigin(b.Batch.Origin) // there was room for it
	for lo := 0; lo < len(b.Start); {
		day := dayfile.DayOf(b.Start[lo])
		hi := lo + 1
		for end := day.Start() + dayMillis; hi < len(b.Start) && b.Start[hi] < end; {
			hi++
		}
		if _, ok := sealed[sealedDay{gen.number, day}]; !ok {
			s.head.write(s.replayStrip(hh, day, b.Start[lo]), b, lo, hi)
			gen.days[day] = struct{}{}
		}
		lo = hi
	}
	s.head.see(hh, b)
}

// replayStrip finds or makes the strip for rows that were let in before. Where
// the sealed file cannot be read any more, the day cannot be answered.
func (s *Store) replayStrip(hh *headHost, day dayfile.Day, from int64) *head.Strip {
	st := hh.strip(day)
	if st != nil && (st.Over || from > st.Base.Last) {
		return st
	}
	made, err := s.makeStrip(hh, day, from, ripe)
	if err == nil {
		return made
	}
	if st == nil {
		st = s.head.add(hh, day, head.Base{Over: true}, ripe)
	}
	st.Base = head.Base{Over: true}
	if d := s.head.days[day]; d.err == nil {
		d.err = err
		s.head.damaged++
	}
	return st
}
