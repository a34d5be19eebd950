package scan

import (
	"context"
	"errors"
	"iter"
	"sync"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/store/dayfile"
	"github.com/leanfleet/leanfleet/inventory"
)

var errOpenWindow = errors.New("a query needs a window with a start and an end")

// blockHosts is how many neighbouring hosts are worked on at once: three pages
// of a day file, whose counters fit a core's cache.
const blockHosts = 30

// Profiles answers a query; see [fleet.Source]. Up to the given number of
// workers read at once.
func Profiles(ctx context.Context, v View, q fleet.Query, workers int) iter.Seq2[fleet.Profile, error] {
	return func(yield func(fleet.Profile, error) bool) {
		p, err := newPlan(v, q)
		if err != nil {
			yield(fleet.Profile{}, err)
			return
		}
		for _, d := range p.days {
			if d.Err != nil && !yield(fleet.Profile{}, damaged(d, d.Err)) {
				return
			}
		}
		if q.Groups {
			p.groupProfiles(ctx, yield)
			return
		}
		for b := range p.blocks(ctx, workers) {
			for _, e := range b.errs {
				if !yield(fleet.Profile{}, e) {
					return
				}
			}
			for _, x := range b.profiles {
				if !yield(x, nil) {
					return
				}
			}
		}
		if err := ctx.Err(); err != nil {
			yield(fleet.Profile{}, err)
		}
	}
}

func damaged(d DayView, err error) error {
	return &fleet.DamagedError{File: d.Path, Day: d.Day.String(), Err: err}
}

// block is the answer for neighbouring hosts.
type block struct {
	profiles []fleet.Profile
	errs     []error
}

// blocks yields the blocks in the order of hosts while workers run ahead a
// little. All workers have ended when it returns.
func (p *plan) blocks(ctx context.Context, workers int) iter.Seq[block] {
	return func(yield func(block) bool) {
		ctx, cancel := context.WithCancel(ctx)
		n := (len(p.hosts) + blockHosts - 1) / blockHosts
		results := make([]chan block, n)
		for i := range results {
			results[i] = make(chan block, 1)
		}
		next := make(chan int)
		ahead := make(chan struct{}, 4*max(1, workers)) // bounds the blocks not yet taken
		damage := &damageList{seen: map[dayfile.Day]bool{}}
		var running sync.WaitGroup
		defer running.Wait()
		defer cancel()
		running.Go(func() {
			defer close(next)
			for i := range n {
				select {
				case ahead <- struct{}{}:
				case <-ctx.Done():
					return
				}
				next <- i
			}
		})
		for range max(1, workers) {
			running.Go(func() {
				w := newWorker(p, damage)
				defer func() { p.view.Memory.keep(w.states) }()
				for i := range next {
					if ctx.Err() != nil {
						continue
					}
					results[i] <- w.block(ctx, p.hosts[i*blockHosts:min((i+1)*blockHosts, len(p.hosts))])
				}
			})
		}
		for i := range n {
			select {
			case b := <-results[i]:
				<-ahead
				if !yield(b) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}
}

// damageList remembers which files were reported.
type damageList struct {
	mu   sync.Mutex
	seen map[dayfile.Day]bool
}

func (l *damageList) first(d dayfile.Day) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen[d] {
		return false
	}
	l.seen[d] = true
	return true
}

// worker works on one block after the other.
type worker struct {
	plan    *plan
	scratch *dayfile.Scratch
	states  []*state // one for each host of a block
	damage  *damageList
	errs    []error
	rows    rowBuffer
	head    headBuffer
	held    []held     // of the hosts of a block of series
	oneDay  [][]sample // of the same, before they are held
}

func newWorker(p *plan, d *damageList) *worker {
	return &worker{plan: p, scratch: new(dayfile.Scratch), damage: d}
}

// state is what is known of one host of the block so far.
type state struct {
	host     *host
	builder  *fleet.ProfileBuilder
	record   int // of the profile being built; -1 is none
	step     int
	profiles []done
}

// done is a finished profile with samples.
type done struct {
	record, step int
	profile      fleet.Profile
}

func (w *worker) block(ctx context.Context, hosts []host) block {
	w.errs = nil
	for len(w.states) < len(hosts) {
		w.states = append(w.states, &state{builder: w.plan.view.Memory.builder(w.plan.query.Metric)})
	}
	states := w.states[:len(hosts)]
	for i := range hosts {
		states[i].begin(&hosts[i], w.plan)
	}
	for _, d := range w.plan.days {
		if ctx.Err() != nil {
			return block{}
		}
		if d.File != nil || len(d.Head) > 0 {
			w.day(d, hosts, states)
			w.plan.view.giveWay()
		}
	}
	var b block
	for i, s := range states {
		if i%8 == 7 {
			w.plan.view.giveWay()
		}
		s.flush(w.plan)
		b.profiles = s.answer(w.plan, b.profiles)
	}
	b.errs = w.errs
	return b
}

func (s *state) begin(h *host, p *plan) {
	s.host, s.record, s.profiles = h, -1, nil
	s.builder.Reset(p.query.Metric)
}

// flush finishes the profile being built.
func (s *state) flush(p *plan) {
	if s.record < 0 {
		return
	}
	if !s.builder.Empty() {
		r := &s.host.timeline[s.record]
		s.profiles = append(s.profiles, done{s.record, s.step, s.builder.Build(r, p.steps[s.step])})
		s.builder.Reset(p.query.Metric)
	}
	s.record = -1
}

// at makes the builder that of a record and step. Rows come in the order of
// time, so records and steps do too.
func (s *state) at(p *plan, record, step int) *fleet.ProfileBuilder {
	if s.record != record || s.step != step {
		s.flush(p)
		s.record, s.step = record, step
	}
	return s.builder
}

// answer appends the host's profiles: those with samples, and empty ones where
// it was known to run.
func (s *state) answer(p *plan, out []fleet.Profile) []fleet.Profile {
	lifetime := inventory.Lifetime(s.host.timeline)
	next := 0
	for i := range s.host.timeline {
		if !s.host.matches[i] {
			continue
		}
		var lives []millis
		for _, l := range lifetime[i] {
			lives = append(lives, millisOf(l))
		}
		for step, bounds := range p.bounds {
			var x fleet.Profile
			has := next < len(s.profiles) && s.profiles[next].record == i && s.profiles[next].step == step
			if has {
				x = s.profiles[next].profile
				next++
			} else if bounds.overlap(s.host.records[i]) == 0 {
				continue
			}
			expected := p.expected(step, lives)
			if !has && expected == 0 {
				continue
			}
			if !has {
				x = fleet.Profile{Record: &s.host.timeline[i], Window: p.steps[step]}
			}
			x.Expected = time.Duration(expected) * time.Millisecond
			out = append(out, x)
		}
	}
	return out
}
