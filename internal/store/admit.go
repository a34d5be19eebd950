package store

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/store/dayfile"
	"github.com/leanfleet/leanfleet/internal/store/head"
	"github.com/leanfleet/leanfleet/inventory"
)

// admit finds where the rows of a call belong, and says why they cannot go
// there. The caller holds appending.
func (s *Store) admit(c *appendCall, book *inventory.Book) error {
	var fresh []fleet.Origin
	for i := range c.parts {
		p := &c.parts[i]
		b := p.batch.Batch
		if _, known := s.head.origins[b.Origin]; !known && !slices.Contains(fresh, b.Origin) {
			if n := len(s.head.origins) + len(fresh); n >= maxOrigins {
				return fmt.Errorf("host %s: origin %q: there are %d others already", b.Host, b.Origin, n)
			}
			fresh = append(fresh, b.Origin)
		}
		if c.book != nil {
			book = c.book
		}
		id, known := book.Resolve(string(b.Host), time.UnixMilli(b.Start[0]))
		if !known {
			var err error
			if id, err = s.bring(c, book, b); err != nil {
				return err
			}
		}
		p.key = head.Key{Host: id, Group: b.Group}
		if b.Group != "" && strings.ContainsRune(string(id), 0) { // which parts the two in files
			return fmt.Errorf("host %q: process group %s: the name of the host has a zero byte", id, b.Group)
		}
		if err := s.place(c, i); err != nil {
			return err
		}
	}
	for _, o := range fresh {
		s.head.origins[o] = struct{}{}
	}
	for i := range c.parts {
		if b := &c.parts[i].batch; i > 0 && b.Batch.Origin == c.parts[i-1].batch.Batch.Origin {
			b.Origin = c.parts[i-1].batch.Origin
		} else {
			b.Origin = s.head.table.Origin(string(b.Batch.Origin))
		}
	}
	s.head.admitted = append(s.head.admitted, c)
	return nil
}

// bring adds a host that samples are of and nobody knows.
func (s *Store) bring(c *appendCall, book *inventory.Book, b *fleet.Batch) (fleet.HostID, error) {
	if c.book == nil {
		c.book = book.Clone()
	}
	a := head.Added{Key: string(b.Host), At: b.Start[0], Put: s.stamp("first samples of the host", b.Origin)}
	a.ID = c.book.Ensure(a.Key, time.UnixMilli(a.At).UTC(), a.Put)
	if id, ok := c.book.Resolve(a.Key, time.UnixMilli(a.At)); !ok || id != a.ID {
		return "", fmt.Errorf("host %s: it cannot be added", b.Host)
	}
	c.added = append(c.added, a)
	return a.ID, nil
}

// place cuts a part by day and finds the strips.
func (s *Store) place(c *appendCall, part int) error {
	p := &c.parts[part]
	if p.host = s.head.hosts[p.key]; p.host == nil {
		s.mu.Lock()
		p.host = s.head.hostOf(p.key)
		s.mu.Unlock()
	}
	starts := p.batch.Start
	for lo := 0; lo < len(starts); {
		day := dayfile.DayOf(starts[lo])
		hi := lo + 1
		if end := day.Start() + dayMillis; starts[len(starts)-1] < end {
			hi = len(starts)
		} else {
			for hi < len(starts) && starts[hi] < end {
				hi++
			}
		}
		if err := s.head.unclear(day); err != nil {
			return err
		}
		st := p.host.strip(day)
		if st == nil || !st.Over && starts[lo] <= st.Base.Last {
			var err error
			if st, err = s.makeStrip(p.host, day, starts[lo], s.nowMillis()); err != nil {
				return err
			}
		}
		if err := s.head.days[day].fits(p.batch.Batch); err != nil {
			return fmt.Errorf("host %s: day %s: %w", p.batch.Host, day, err)
		}
		s.head.count(p.host, day, hi-lo)
		c.spans = append(c.spans, appendSpan{part, lo, hi, st})
		if err := s.room(c, p.host, st); err != nil {
			return err
		}
		lo = hi
	}
	return nil
}

// makeStrip makes a strip that takes rows from a time on: where the sealed file
// has later rows of the host, those are read into the strip first. now is when
// the rows came.
func (s *Store) makeStrip(hh *headHost, on dayfile.Day, from, now int64) (*head.Strip, error) {
	k := kindOf(hh.key)
	if err := s.head.unclear(on); err != nil {
		return nil, err
	}
	st := hh.strip(on)
	stored := s.find(target{k, on})
	if stored == nil {
		if now != ripe { // rows of the log were let in before
			if err := s.checkNew(target{k, on}, hh); err != nil {
				return nil, err
			}
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.head.add(hh, on, head.Base{Over: true}, now), nil
	}
	p := s.pin([]*day{stored})
	defer p.release()
	if err := p.open(0); err != nil {
		return nil, cannotAdd("day "+on.String(), p.paths[0], err)
	}
	other, coarser := s.otherwise(stored.file)
	base := baseIn(stored.file, hh.key)
	behind := st == nil && (base.Over || from > base.Last)
	var runs runsOf
	if !behind || coarser && !base.Over { // it may have values that the configuration cannot tell
		var err error
		if runs, err = s.sealedRuns(stored.file, hh.key); errors.Is(err, fleet.ErrImpossible) {
			return nil, fmt.Errorf("host %s: day %s cannot be added to: what is stored cannot be told as the configuration now defines the metric: %w", hh.key.Host, on, err)
		} else if err != nil {
			return nil, cannotAdd("day "+on.String(), p.paths[0], err)
		}
	}
	if behind {
		if err := s.checkGroups(on, hh, stored.file); err != nil {
			return nil, err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		st = s.head.add(hh, on, base, now)
		s.head.days[on].other = other
		return st, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if st == nil {
		st = s.head.add(hh, on, base, now)
		s.head.days[on].other = other
	}
	return st, st.Cover(s.head.table, runs)
}

// baseIn is what a sealed file has of a key.
func baseIn(f *dayfile.File, key head.Key) head.Base {
	lo, hi := f.FindHost(rowKey(key))
	if lo == hi {
		return head.Base{Over: true}
	}
	base := head.Base{Last: f.Runs()[hi-1].Last}
	for _, r := range f.Runs()[lo:hi] {
		base.Rows += r.Rows
	}
	return base
}

// runsOf yields rows as runs of one step.
type runsOf func(yield func(step int32, rows dayfile.Rows) error) error

// cannotAdd says why rows cannot be merged with those of a sealed file.
func cannotAdd(what, path string, err error) error {
	if isUnavailable(err) {
		return fmt.Errorf("%s cannot be added to: %w", what, err)
	}
	return fmt.Errorf("%s cannot be added to: %s: %w; restore the file from a backup", what, path, err)
}

// sealedRuns reads the rows of a key from a sealed file, in the resolutions of
// the configuration; metrics that it does not have in this unit stay as they are.
// An error that wraps [fleet.ErrImpossible] is of a value that has no place.
func (s *Store) sealedRuns(f *dayfile.File, key head.Key) (runsOf, error) {
	lo, hi := f.FindHost(rowKey(key))
	var scratch dayfile.Scratch
	type run struct {
		step int32
		rows dayfile.Rows
	}
	list := make([]run, 0, hi-lo)
	for i := lo; i < hi; i++ {
		rows, err := f.Rows(i, &scratch)
		if err != nil {
			return nil, err
		}
		for c := range rows.Columns {
			if rows.Columns[c], err = s.asConfigured(rows.Columns[c]); err != nil {
				return nil, err
			}
		}
		list = append(list, run{f.Runs()[i].Step, rows})
	}
	return func(yield func(step int32, rows dayfile.Rows) error) error {
		for i := range list {
			if err := yield(list[i].step, list[i].rows); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// otherwise finds the metrics of a sealed file whose unit the configuration changed
// since, and says whether there are some of a coarser resolution than it has now.
func (s *Store) otherwise(f *dayfile.File) (units []fleet.Metric, coarser bool) {
	for _, m := range f.Metrics() {
		n := s.head.table.Number(m.Name)
		if n < 0 {
			continue
		}
		known := s.head.table.Metrics()[n]
		switch {
		case known.Unit != m.Unit:
			units = append(units, m)
		case m.Resolution() > known.Resolution():
			coarser = true
		}
	}
	return units, coarser
}

// fits refuses values of a metric that the day has in another unit.
func (d *headDay) fits(b *fleet.Batch) error {
	for i := range d.other {
		for k := range b.Columns {
			c := &b.Columns[k]
			if m := &d.other[i]; c.Metric.Name == m.Name && c.Count() > 0 {
				return fmt.Errorf("metric %s is stored in %s, the configuration now says %s; leave it out, or give what is measured in the new unit another name", m.Name, m.Unit, c.Metric.Unit)
			}
		}
	}
	return nil
}

// asConfigured rounds stored values anew where the configuration changed the
// resolution of their metric since.
func (s *Store) asConfigured(c fleet.Column) (fleet.Column, error) {
	n := s.head.table.Number(c.Metric.Name)
	if n < 0 {
		return c, nil
	}
	m := s.head.table.Metrics()[n]
	if m.Unit != c.Metric.Unit {
		return c, nil
	}
	return dayfile.Convert(c, m)
}

// checkNew says why a day that is not sealed cannot be begun for a host.
func (s *Store) checkNew(t target, hh *headHost) error {
	if d := s.head.days[t.day]; d == nil || len(d.strips[t.kind]) == 0 {
		if err := s.checkUnlisted([]target{t}); err != nil {
			return err
		}
	}
	return s.checkGroups(t.day, hh, nil)
}

// checkGroups refuses ever more process groups of a host: their cardinality is
// bounded where they are named, and a name that is different each time is a
// mistake there. sealed is the day's file, nil when there is none.
func (s *Store) checkGroups(day dayfile.Day, hh *headHost, sealed *dayfile.File) error {
	if hh.key.Group == "" {
		return nil
	}
	live := &headDay{}
	if d := s.head.days[day]; d != nil {
		live = d
	}
	var runs []dayfile.Run
	if sealed != nil {
		lo, _ := sealed.FindHost(hh.key.Host + "\x00")
		hi, _ := sealed.FindHost(hh.key.Host + "\x01")
		runs = sealed.Runs()[lo:hi]
	}
	if live.groups[hh.key.Host]+len(runs) < MaxGroups {
		return nil
	}
	names := map[fleet.HostID]struct{}{}
	for _, r := range runs {
		names[r.Host] = struct{}{}
	}
	for _, st := range live.strips[ofGroups] {
		if st.Host == hh.key.Host {
			names[rowKey(head.Key{Host: st.Host, Group: st.Group})] = struct{}{}
		}
	}
	if _, known := names[rowKey(hh.key)]; known || len(names) < MaxGroups {
		return nil
	}
	return fmt.Errorf("host %s has %d process groups on %s, the most it may have; group %q is too many: name groups by what they are, not by process id or the like", hh.key.Host, len(names), day, hh.key.Group)
}

// room says whether a host may have the rows in a day that a call and those
// admitted before it in the same commit bring.
func (s *Store) room(c *appendCall, hh *headHost, st *head.Strip) error {
	if st.Total()+hh.coming <= MaxRowsPerDay {
		return nil
	}
	if hh.byDay == nil {
		hh.byDay = map[dayfile.Day]int{}
		for day, rows := range s.head.comingOf(c, hh) {
			hh.byDay[day] += len(rows)
		}
	}
	if st.Total()+hh.byDay[st.Day] <= MaxRowsPerDay {
		return nil
	}
	var starts []int64
	for day, rows := range s.head.comingOf(c, hh) {
		if day == st.Day {
			starts = append(starts, rows...)
		}
	}
	for i := range st.Segments() {
		starts = st.Starts(i, starts)
	}
	slices.Sort(starts)
	total := len(slices.Compact(starts))
	if !st.Over {
		total += st.Base.Rows
	}
	if total > MaxRowsPerDay {
		return fmt.Errorf("day %s, host %s: it has more than %d rows in one day, the most a host may have", st.Day, st.Host, MaxRowsPerDay)
	}
	return nil
}

// nowMillis is the clock in Unix milliseconds, 0 without one.
func (s *Store) nowMillis() int64 {
	if s.opt.Clock == nil {
		return 0
	}
	return s.opt.Clock().UnixMilli()
}
