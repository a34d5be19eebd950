package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sort"
	"sync"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/store/dayfile"
	"github.com/leanfleet/leanfleet/internal/store/head"
	"github.com/leanfleet/leanfleet/inventory"
)

// write is a change of sealed days on its way to being true: a load's, or a
// seal of the head's rows. The caller of its methods holds the write lock.
type write struct {
	s   *Store
	l   *load // nil for a seal
	gen uint64

	removes bool               // days are deleted, whatever they have
	days    []target           // of the load
	strips  map[target][]taken // what of the head goes into the files
	sealed  []sealedDay        // rows of the log that do
	staged  []stagedDay
	merged  map[target]counts
	rank    []uint32
	tx      commitTx
}

// taken is a strip as it was when the write began, and the strip that appends
// go on writing to.
type taken struct {
	head.Strip
	live *head.Strip
}

// sealedDay is a day of which all rows of a generation are in sealed files.
type sealedDay struct {
	generation uint64
	day        dayfile.Day
}

// stage merges the days of a load and all that the head has of the given days
// into staged files. appending says whether the caller holds that lock.
func (w *write) stage(ctx context.Context, days []target, appending bool) error {
	if err := w.s.checkUnlisted(days); err != nil {
		return err
	}
	if w.strips == nil {
		w.strips, w.merged = map[target][]taken{}, map[target]counts{}
		if w.l != nil {
			w.rank = w.l.rank()
			w.l.arena.sort(w.rank)
		}
	}
	found, err := w.take(ctx, days, appending)
	if err != nil {
		return err
	}
	for _, t := range days {
		if w.l != nil && !slices.Contains(w.days, t) {
			w.days = append(w.days, t)
		}
	}
	files := slices.Clone(days)
	for _, t := range found {
		if !slices.Contains(files, t) {
			files = append(files, t)
		}
	}
	slices.SortFunc(files, compareTargets)
	if err := w.stageFiles(ctx, files); err != nil {
		return err
	}
	// Their names are to be durable before the commit says that they are there.
	for k := range kinds {
		if !slices.ContainsFunc(w.staged, func(d stagedDay) bool { return d.kind == k }) {
			continue
		}
		if err := w.s.fs.SyncDir(w.s.dirOf(k.dir())); err != nil {
			return fmt.Errorf("sync directory %s: %w", w.s.dirOf(k.dir()), err)
		}
	}
	return nil
}

// take notes what the head has of the days, and lets appends go on in a new
// generation of the log where they are still written to.
func (w *write) take(ctx context.Context, days []target, appending bool) (found []target, err error) {
	s := w.s
	in := map[dayfile.Day]bool{}
	for _, t := range days {
		in[t.day] = true
	}
	var fresh *head.Generation
	if s.writesTo(in, appending) {
		if err := w.readable(in); err != nil {
			return nil, err
		}
		if fresh, err = s.newGeneration(ctx); err != nil {
			return nil, err
		}
	}
	if !appending {
		s.appending.Lock()
		defer s.appending.Unlock()
		if fresh == nil && s.writesTo(in, true) { // rows came in between
			if fresh, err = s.newGeneration(ctx); err != nil {
				return nil, err
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if fresh != nil {
		s.rotate(fresh)
	}
	for day := range in {
		if err := s.head.unclear(day); err != nil && !w.removes {
			return nil, err
		}
		for k := range kinds {
			t := target{k, day}
			delete(w.strips, t)
			d := s.head.days[day]
			if d == nil { // the log may have rows of it that changed nothing
				continue
			}
			for _, live := range d.list(k) {
				if live.Len() > 0 {
					w.strips[t] = append(w.strips[t], taken{*live, live})
				}
			}
			if len(w.strips[t]) > 0 {
				found = append(found, t)
			}
		}
		for _, g := range s.head.generations {
			x := sealedDay{g.number, day}
			if _, ok := g.days[day]; ok && !slices.Contains(w.sealed, x) {
				w.sealed = append(w.sealed, x)
			}
		}
	}
	return found, nil
}

// readable says which file cannot be merged with, before a generation is made for
// it: who tries again and again would make one each time.
func (w *write) readable(days map[dayfile.Day]bool) error {
	if w.removes {
		return nil
	}
	for day := range days {
		for k := range kinds {
			t := target{k, day}
			w.s.mu.RLock()
			d := w.s.head.days[day]
			needed := w.l != nil && k == ofHosts || d != nil && len(d.strips[k]) > 0
			w.s.mu.RUnlock()
			if !needed {
				continue
			}
			p, err := w.s.pinStored(t)
			if err != nil {
				return err
			}
			p.release()
		}
	}
	return nil
}

// pinStored pins the file of a day, which may be none, and opens it.
func (s *Store) pinStored(t target) (*pinned, error) {
	p := s.pin(nil)
	if stored := s.find(t); stored != nil {
		p = s.pin([]*day{stored})
		if err := p.open(0); err != nil {
			p.release()
			return nil, cannotAdd(t.label(), p.paths[0], err)
		}
	}
	return p, nil
}

// writesTo says whether the generation that is written to has rows of any of
// the days.
func (s *Store) writesTo(days map[dayfile.Day]bool, appending bool) bool {
	if !appending {
		s.appending.Lock()
		defer s.appending.Unlock()
	}
	n := len(s.head.generations)
	if s.head.current == nil || n == 0 {
		return false
	}
	for d := range s.head.generations[n-1].days {
		if days[d] {
			return true
		}
	}
	return false
}

// rotate has appends go to a fresh generation. The caller holds appending and
// mu.
func (s *Store) rotate(fresh *head.Generation) {
	if old := s.head.current; old != nil {
		s.head.generations[len(s.head.generations)-1].size = old.Size()
		if err := old.Close(); err != nil {
			s.closeErr = err // what was committed is durable
		}
	}
	s.useGeneration(fresh)
}

// stageFiles merges files, several at once.
func (w *write) stageFiles(ctx context.Context, files []target) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		mu    sync.Mutex
		group sync.WaitGroup
		heavy sync.Mutex
		next  = make(chan target)
	)
	workers := min(w.s.opt.Workers, len(files))
	inner := max(1, w.s.opt.Workers/max(1, workers))
	for range workers {
		group.Go(func() {
			for t := range next {
				file, n, err := w.stageFile(ctx, t, inner, &heavy)
				mu.Lock()
				w.merged[t] = n
				if file != nil {
					w.staged = append(w.staged, *file)
				}
				mu.Unlock()
				if err != nil {
					cancel(err)
				}
			}
		})
	}
	for _, t := range files {
		if ctx.Err() != nil {
			break
		}
		next <- t
	}
	close(next)
	group.Wait()
	sort.Slice(w.staged, func(i, j int) bool { return compareTargets(w.staged[i].target(), w.staged[j].target()) < 0 })
	return context.Cause(ctx)
}

func (w *write) stageFile(ctx context.Context, t target, workers int, heavy *sync.Mutex) (*stagedDay, counts, error) {
	job := dayJob{s: w.s, l: w.l, target: t, gen: w.gen, workers: workers, heavy: heavy, strips: w.strips[t]}
	p, err := w.s.pinStored(t)
	if err != nil {
		return nil, counts{}, err
	}
	defer p.release()
	if len(p.days) > 0 {
		job.old = p.days[0].file
	}
	run := func(job dayJob) (*stagedDay, counts, error) {
		var cursors []cursor
		if w.l != nil && t.kind == ofHosts {
			cursors = w.l.cursorsOf(t.day)
		}
		return job.run(ctx, w.rank, cursors)
	}
	staged, n, err := run(job)
	if errors.Is(err, fleet.ErrImpossible) { // what is stored cannot be told in the resolution of the configuration
		job.asStored = true
		return run(job)
	}
	return staged, n, err
}

// catchUp stages those days of a load again that appends went to since. The
// caller holds appending.
func (w *write) catchUp(ctx context.Context) error {
	var again []target
	for _, t := range w.days {
		if w.changed(t.day) {
			again = append(again, t)
		}
	}
	if len(again) == 0 {
		return nil
	}
	for _, t := range again {
		w.unstage(func(d target) bool { return d.day == t.day })
	}
	w.gen = w.s.nextGeneration() // another name, other files
	return w.stage(ctx, again, true)
}

// changed says whether rows of a day were appended that the write did not take:
// they are in a generation that began since. Rows that changed nothing count,
// else they would be read back after what the load made of them.
func (w *write) changed(day dayfile.Day) bool {
	return slices.ContainsFunc(w.s.head.generations, func(g *generation) bool {
		_, has := g.days[day]
		return has && !slices.Contains(w.sealed, sealedDay{g.number, day})
	})
}

// unstage deletes staged files.
func (w *write) unstage(of func(target) bool) {
	w.staged = slices.DeleteFunc(w.staged, func(d stagedDay) bool {
		if of(d.target()) {
			removeQuietly(w.s.fs, d.path)
			return true
		}
		return false
	})
}

// abandon deletes the staged files of a write that is not going to be made.
// When nobody can say whether it was, they stay.
func (w *write) abandon() {
	w.s.mu.RLock()
	broken := w.s.broken != nil
	w.s.mu.RUnlock()
	if !broken {
		w.unstage(func(target) bool { return true })
	}
}

// describe takes files and rows of the log into the transaction.
func (w *write) describe() {
	c := &w.tx
	w.s.mu.RLock()
	c.generation, c.sealed, c.head = w.gen, w.sealed, w.s.head.last
	w.s.mu.RUnlock()
	for i := range w.staged {
		d := &w.staged[i]
		c.put = append(c.put, putDay{d.kind, d.entry})
		c.pending = append(c.pending, pendingOp{Dir: d.kind.dir(), Staged: filepath.Base(d.path), Target: d.target().name(), fileSum: d.entry.fileSum})
	}
	for _, t := range c.remove {
		c.pending = append(c.pending, pendingOp{Dir: t.kind.dir(), Target: t.name()})
	}
	for _, name := range w.s.emptied(w.sealed) {
		c.pending = append(c.pending, pendingOp{Dir: headName, Target: name})
	}
}

// emptied are the generations that are written to no more and have no rows left
// once days are sealed. The caller holds the write lock, which rotations need.
func (s *Store) emptied(sealed []sealedDay) (names []string) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, g := range s.head.generations {
		if s.head.current != nil && g.number == s.head.current.Number {
			continue
		}
		left := len(g.days)
		for _, x := range sealed {
			if x.generation == g.number {
				left--
			}
		}
		if left == 0 {
			names = append(names, g.name)
		}
	}
	return names
}

// commit makes a load true. The caller holds appending.
func (w *write) commit(book *inventory.Book) error {
	w.describe()
	if err := w.s.describe(&w.tx, book); err != nil {
		return err
	}
	if err := w.s.apply(&w.tx); err != nil {
		return err
	}
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	w.s.takeOver(book)
	w.s.install(&w.tx, w.staged)
	w.s.dropSealed(w.sealed)
	w.s.head.forget(w.taken())
	w.s.dropEmpty(w.days)
	return nil
}

// taken are the strips that the write took.
func (w *write) taken() (out []*head.Strip) {
	for _, strips := range w.strips {
		for i := range strips {
			out = append(out, strips[i].live)
		}
	}
	return out
}

// takeOver makes a book that was written down the one of questions. The caller
// holds appending and mu.
func (s *Store) takeOver(book *inventory.Book) {
	book.ClearTouched()
	s.book, s.stated = book, book
	s.brought = false
	s.unsee()
}

// dropSealed forgets rows of the log that are sealed, and generations without
// others. The caller holds mu.
func (s *Store) dropSealed(sealed []sealedDay) {
	h := s.head
	h.generations = slices.DeleteFunc(h.generations, func(g *generation) bool {
		for _, x := range sealed {
			if x.generation == g.number {
				delete(g.days, x.day)
			}
		}
		return len(g.days) == 0 && (h.current == nil || g.number != h.current.Number)
	})
}

// dropEmpty forgets strips without rows: what they take themselves to be to the
// sealed file was true of the one before. The caller holds appending and mu.
func (s *Store) dropEmpty(days []target) {
	var empty []*head.Strip
	for _, t := range days {
		if d := s.head.days[t.day]; d != nil {
			for _, list := range d.strips {
				for _, st := range list {
					if st.Len() == 0 {
						empty = append(empty, st)
					}
				}
			}
		}
	}
	s.head.forget(empty)
	s.head.forgetOrigins()
}

// after does what remains once a write is true: what is to be done on files is
// tried again by the next write and the next opening.
func (w *write) after() {
	_ = w.s.finish()
	if w.tx.records {
		w.s.publish()
	}
}

// counts is what became of the load's samples.
func (w *write) counts() (n counts) {
	for _, c := range w.merged {
		n.add(c)
	}
	return n
}
