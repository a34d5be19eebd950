package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/store/dayfile"
	"github.com/leanfleet/leanfleet/internal/store/head"
	"github.com/leanfleet/leanfleet/internal/store/scan"
	"github.com/leanfleet/leanfleet/inventory"
)

// day is one generation of one sealed day. Its file is opened when a question
// needs it and kept open while questions use it, and as long as there is room
// afterwards, so that a file that was replaced stays readable for who began with
// it.
type day struct {
	dayEntry
	kind kind

	// Guarded by the store's mu.
	path string
	fd   File
	pins int
	gone bool // replaced or deleted: closed with the last pin
	used uint64

	parse  sync.Mutex // guards what follows
	parsed bool
	file   *dayfile.File
	err    error
}

// pinned is days that a question holds.
type pinned struct {
	s     *Store
	days  []*day
	paths []string
	errs  []error // of opening the file
}

// pin holds days and opens their files, without reading them: afterwards no
// write can take them away. The caller may be answering for long.
func (s *Store) pin(days []*day) *pinned {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pinLocked(days)
}

func (s *Store) pinLocked(days []*day) *pinned {
	p := &pinned{s: s, days: days, paths: make([]string, len(days)), errs: make([]error, len(days))}
	s.useCount++
	for i, d := range days {
		d.pins++
		d.used = s.useCount
		p.paths[i] = d.path
		if d.fd != nil {
			continue
		}
		if d.fd, p.errs[i] = s.fs.Open(d.path); p.errs[i] != nil {
			d.fd = nil
			continue
		}
		s.openFiles++
	}
	return p
}

// release gives the days back.
func (p *pinned) release() {
	s := p.s
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range p.days {
		d.pins--
		if d.pins == 0 && (d.gone || s.closed || d.err != nil) {
			d.close(s) // a damaged file is looked at again: it may be restored
		}
	}
	if s.openFiles > s.opt.OpenFiles {
		s.closeIdle()
	}
}

// closeIdle closes the files that were not used for longest.
func (s *Store) closeIdle() {
	var idle []*day
	for _, list := range s.days {
		for _, d := range list {
			if d.pins == 0 && d.fd != nil {
				idle = append(idle, d)
			}
		}
	}
	slices.SortFunc(idle, func(a, b *day) int {
		if a.used < b.used {
			return -1
		}
		return 1
	})
	for _, d := range idle {
		if s.openFiles <= s.opt.OpenFiles {
			return
		}
		d.close(s)
	}
}

// close closes the file; nobody holds the day. The caller holds mu.
func (d *day) close(s *Store) {
	if d.fd == nil {
		return
	}
	_ = d.fd.Close()
	s.openFiles--
	d.fd, d.parsed, d.file, d.err = nil, false, nil, nil
}

// drop lets go of a day that is no longer true. The caller holds mu.
func (d *day) drop(s *Store) {
	d.gone = true
	if d.pins == 0 {
		d.close(s)
	}
}

// open reads the end of a pinned day's file, unless somebody did before.
func (p *pinned) open(i int) error {
	if err := p.errs[i]; err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return errors.New("the file is missing")
		}
		return &unavailableError{err}
	}
	d := p.days[i]
	d.parse.Lock()
	defer d.parse.Unlock()
	if !d.parsed {
		d.parsed = true
		d.file, d.err = d.read()
	}
	return d.err
}

func (d *day) read() (*dayfile.File, error) {
	if err := d.mismatch(d.fd); err != nil {
		return nil, err
	}
	f, err := dayfile.Open(d.fd, d.Size)
	if err != nil {
		return nil, err
	}
	if f.Day() != d.Day {
		return nil, fmt.Errorf("it holds day %s", f.Day())
	}
	if f.Grouped() != (d.kind == ofGroups) {
		return nil, errors.New("it holds process groups where hosts belong, or hosts where those do")
	}
	return f, nil
}

// unavailableError is the error of a file that is there but cannot be opened: too
// many open files, no permission. It says nothing about what the file holds.
type unavailableError struct{ err error }

func (e *unavailableError) Error() string { return e.err.Error() }
func (e *unavailableError) Unwrap() error { return e.err }

func isUnavailable(err error) bool {
	var e *unavailableError
	return errors.As(err, &e)
}

// unavailable is the error of a file that the view needs and that cannot be
// opened, its own or one that rows of the head were to be merged with.
func (v *view) unavailable() error {
	for _, err := range v.errs {
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	for i := range v.head {
		if isUnavailable(v.head[i].err) {
			return v.head[i].err
		}
	}
	if v.hosts != nil {
		return v.hosts.unavailable()
	}
	return nil
}

// openAll reads the ends of all pinned files, several at once, and returns what
// questions are answered from, the rows of the head among it.
func (v *view) openAll() []scan.DayView {
	p := v.pinned
	views := make([]scan.DayView, len(p.days), len(p.days)+len(v.head))
	next := make(chan int)
	var group sync.WaitGroup
	for range min(p.s.opt.Workers, len(p.days)) {
		group.Go(func() {
			for i := range next {
				views[i] = scan.DayView{Day: p.days[i].Day, Path: p.paths[i]}
				if err := p.open(i); err != nil {
					views[i].Err = err
				} else {
					views[i].File = p.days[i].file
				}
			}
		})
	}
	for i := range p.days {
		next <- i
	}
	close(next)
	group.Wait()
	return v.addHead(views)
}

// addHead adds the rows of the head to the days.
func (v *view) addHead(views []scan.DayView) []scan.DayView {
	for i := range v.head {
		h := &v.head[i]
		at, found := slices.BinarySearchFunc(views, h.day, func(x scan.DayView, d dayfile.Day) int { return int(x.Day) - int(d) })
		if !found {
			views = slices.Insert(views, at, scan.DayView{Day: h.day, Path: v.pinned.s.headDir()})
		}
		if views[at].Head = h.strips; h.err != nil && views[at].Err == nil {
			views[at].Err, views[at].File = h.err, nil
		}
		if h.err != nil {
			views[at].Head = nil
		}
	}
	return views
}

// view is one state of the store: days whose files are pinned, the rows of the
// head, and the hosts.
type view struct {
	*pinned
	head []headView
	book *inventory.Book
	// hosts is the same state of the hosts themselves, where one of process groups
	// needs it; else nil.
	hosts *view
}

// headView is a snapshot of a day's rows in the head.
type headView struct {
	day    dayfile.Day
	strips []head.Strip
	err    error
}

// look takes a view of the days that overlap a window.
func (s *Store) look(k kind, w fleet.Window) (*view, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lookLocked(k, w)
}

func (s *Store) lookLocked(k kind, w fleet.Window) (*view, error) {
	if s.closed {
		return nil, fleet.ErrClosed
	}
	var days []*day
	for _, d := range s.days[k] {
		if d.Day.Window().Overlaps(w) {
			days = append(days, d)
		}
	}
	v := &view{book: s.bookNow()}
	for d, rows := range s.head.days {
		if !d.Window().Overlaps(w) {
			continue
		}
		if strips := rows.snapshot(k); len(strips) > 0 || rows.err != nil {
			v.head = append(v.head, headView{d, strips, rows.err})
		}
	}
	v.pinned = s.pinLocked(days)
	return v, nil
}

// Records returns the records that match and overlap a window, by host, then
// time. What they point to is shared and must not be changed.
func (s *Store) Records(ctx context.Context, sel fleet.Selector, w fleet.Window) ([]fleet.Record, error) {
	book, err := s.snapshot(ctx)
	if err != nil {
		return nil, fmt.Errorf("records: %w", err)
	}
	return book.Records(sel, w), nil
}

func (s *Store) snapshot(ctx context.Context) (*inventory.Book, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, fleet.ErrClosed
	}
	return s.bookNow(), nil
}

// Profiles answers a question for profiles; see fleet.Source. The question sees
// the state of the moment its answer begins to be read.
func (s *Store) Profiles(ctx context.Context, q fleet.Query) iter.Seq2[fleet.Profile, error] {
	return func(yield func(fleet.Profile, error) bool) {
		s.lookAgain(ctx)
		v, err := s.lookFor(q)
		if err != nil {
			yield(fleet.Profile{}, fmt.Errorf("profiles: %w", err))
			return
		}
		defer v.release()
		if err := v.unavailable(); err != nil {
			yield(fleet.Profile{}, fmt.Errorf("profiles: %w", err))
			return
		}
		scan.Profiles(ctx, v.scan(), q, s.opt.Workers)(yield)
	}
}

// Series answers a question for series; see fleet.Source. The question sees the
// state of the moment its answer begins to be read.
func (s *Store) Series(ctx context.Context, q fleet.Query) iter.Seq2[fleet.Series, error] {
	return func(yield func(fleet.Series, error) bool) {
		s.lookAgain(ctx)
		v, err := s.lookFor(q)
		if err != nil {
			yield(fleet.Series{}, fmt.Errorf("series: %w", err))
			return
		}
		defer v.release()
		if err := v.unavailable(); err != nil {
			yield(fleet.Series{}, fmt.Errorf("series: %w", err))
			return
		}
		scan.Series(ctx, v.scan(), q)(yield)
	}
}

// Host returns what is known of a host, found by id or by an alias valid at a
// time. The error of one nobody knows wraps [fleet.ErrUnknownHost] and names the
// nearest known ones.
func (s *Store) Host(key string, at time.Time) (inventory.Host, error) {
	book, err := s.snapshot(context.Background())
	if err != nil {
		return inventory.Host{}, fmt.Errorf("host %s: %w", key, err)
	}
	if id, ok := book.Resolve(key, at); ok {
		if h, ok := book.Host(id); ok {
			return h, nil
		}
	}
	return inventory.Host{}, fmt.Errorf("%w %q%s", fleet.ErrUnknownHost, key, didYouMean(book.Nearest(key, 2)))
}

func didYouMean(near []string) string {
	if len(near) == 0 {
		return ""
	}
	return "; did you mean " + strings.Join(near, " or ") + "?"
}

// Conflicts returns what statements contradict and nobody has settled.
func (s *Store) Conflicts(ctx context.Context) ([]fleet.Conflict, error) {
	book, err := s.snapshot(ctx)
	if err != nil {
		return nil, fmt.Errorf("conflicts: %w", err)
	}
	return book.Conflicts(), nil
}

// DataWindow runs from the start of the first sample stored to the end of the
// last one; it is false without samples. Retention moves its start.
func (s *Store) DataWindow() (fleet.Window, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var w extent
	for _, d := range s.days[ofHosts] {
		w.add(d.First, d.End)
	}
	for _, d := range s.head.days {
		for _, st := range d.strips[ofHosts] {
			if st.Len() > 0 {
				w.add(st.First(), st.Reach())
			}
		}
	}
	return w.window()
}

// extent is a range of Unix milliseconds that grows.
type extent struct {
	any        bool
	first, end int64
}

func (s *extent) add(first, end int64) {
	if !s.any {
		s.any, s.first, s.end = true, first, end
	}
	s.first, s.end = min(s.first, first), max(s.end, end)
}

func (s *extent) window() (fleet.Window, bool) {
	if !s.any {
		return fleet.Window{}, false
	}
	return fleet.Window{Start: time.UnixMilli(s.first).UTC(), End: time.UnixMilli(s.end).UTC()}, true
}

// scan is the view as questions are answered from it.
func (v *view) scan() scan.View {
	s := v.pinned.s
	x := scan.View{Days: v.openAll(), Book: v.book, Metrics: s.opt.Metrics, Table: s.head.table, Memory: &s.memory, GiveWay: s.giveWay}
	if v.hosts != nil {
		x.Hosts = v.hosts.openAll()
	}
	return x
}

// kindOfQuery is whose rows a query asks for.
func kindOfQuery(q fleet.Query) kind {
	if q.Groups {
		return ofGroups
	}
	return ofHosts
}
