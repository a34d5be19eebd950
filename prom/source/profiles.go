package source

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/inventory"
)

// ask is a question, what it is about, and how it is answered.
type ask struct {
	q       fleet.Query
	view    *view
	steps   []fleet.Window
	within  []fleet.Window // the time that counts
	targets []*target
	// ratio is the metric itself, or the ratio of a derived one with its capacity.
	ratio, capacity fleet.Metric
	samples         int64 // about
	grid            *grid // nil: every sample is read
}

// prepare looks for hosts and settles how a question is answered.
func (s *Source) prepare(ctx context.Context, q fleet.Query, profiles bool) (*ask, error) {
	if q.Window.Start.IsZero() || q.Window.End.IsZero() {
		return nil, errors.New("a query needs a window with a start and an end")
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	v, err := s.look(ctx)
	if err != nil {
		return nil, err
	}
	return s.prepareIn(ctx, v, q, profiles)
}

// prepareIn is prepare for what was found out of the engine before.
func (s *Source) prepareIn(ctx context.Context, v *view, q fleet.Query, profiles bool) (a *ask, err error) {
	a = &ask{q: q, view: v, steps: q.Step.Split(q.Window, q.Location), within: q.Within.Within(q.Window), ratio: q.Metric}
	if q.Metric.Derived() {
		if a.ratio, err = s.o.Metrics.Lookup(q.Metric.Ratio); err != nil {
			return nil, err
		}
		if a.capacity, err = s.o.Metrics.Lookup(q.Metric.Capacity); err != nil {
			return nil, err
		}
	}
	if q.Groups {
		return a, s.addGroups(ctx, a)
	}
	for _, id := range v.book.Hosts() {
		if t := a.target(id); t != nil {
			a.targets = append(a.targets, t)
			a.samples += t.samples(v, milli(q.Window))
		}
	}
	if profiles {
		a.grid = s.choose(a)
	}
	return a, nil
}

// target is a host as the question sees it; nil when it is not asked for.
func (a *ask) target(id fleet.HostID) *target {
	t := &target{id: id, timeline: a.view.book.Timeline(id)}
	for i := range t.timeline {
		if r := &t.timeline[i]; r.Window().Overlaps(a.q.Window) && a.q.Hosts.Matches(r) {
			t.matching = append(t.matching, i)
		}
	}
	if len(t.matching) == 0 {
		return nil
	}
	t.lifetime = inventory.Lifetime(t.timeline)
	add := func(label fleet.HostID) {
		if keys := a.view.keys[label]; len(keys) > 0 && !slices.Contains(t.labels, string(label)) {
			t.labels = append(t.labels, string(label))
			t.keys = append(t.keys, keys...)
		}
	}
	for _, member := range a.view.book.Members(id) {
		if slices.Contains(a.view.alias[id], member) {
			add(member)
		}
	}
	for _, label := range a.view.alias[id] {
		add(label)
	}
	return t
}

// batches are runs of targets that bring about as many samples as one request
// is to bring.
func (s *Source) batches(a *ask, each func(*target) int64) [][]*target {
	var out [][]*target
	var n int64
	const mostHosts = 500 // of a matcher
	for _, t := range a.targets {
		cost := each(t)
		if k := len(out); k > 0 && n+cost <= s.o.BatchSamples && len(out[k-1]) < mostHosts {
			out[k-1] = append(out[k-1], t)
			n += cost
			continue
		}
		out = append(out, []*target{t})
		n = cost
	}
	return out
}

// Profiles answers a query; see [fleet.Source]. How, is chosen by what it
// costs; see [Method] and docs/prometheus.md.
func (s *Source) Profiles(ctx context.Context, q fleet.Query) iter.Seq2[fleet.Profile, error] {
	return func(yield func(fleet.Profile, error) bool) {
		a, err := s.prepare(ctx, q, true)
		if err != nil {
			yield(fleet.Profile{}, err)
			return
		}
		if a.grid != nil {
			s.approximate(a.grid.rankError())
		}
		batches := s.batches(a, func(t *target) int64 {
			if a.grid != nil {
				return int64(len(a.steps) * (len(a.grid.shares) + 5))
			}
			return t.samples(a.view, milli(q.Window))
		})
		enough := false
		err = ordered(ctx, len(batches), s.o.Concurrency, func(ctx context.Context, i int) ([][]fleet.Profile, error) {
			if a.grid != nil {
				return s.gridProfiles(ctx, a, batches[i])
			}
			return s.exactProfiles(ctx, a, batches[i])
		}, func(hosts [][]fleet.Profile) bool {
			for _, list := range hosts {
				for _, p := range list {
					if ctx.Err() != nil {
						return false
					}
					if enough = !yield(p, nil); enough {
						return false
					}
				}
			}
			return true
		})
		if err := ending(ctx, err); err != nil && !enough {
			yield(fleet.Profile{}, err)
		}
	}
}

// ending is the error that an answer ends in.
func ending(ctx context.Context, err error) error {
	if err == nil || errors.Is(err, errStopped) {
		return ctx.Err()
	}
	return err
}

// errStopped says that the reader of an answer has had enough.
var errStopped = errors.New("stopped")

// ordered does work for 0 to n-1, some at a time, and takes the results in
// order. It ends early, with errStopped, where take returns false.
func ordered[T any](ctx context.Context, n, parallel int, work func(context.Context, int) (T, error), take func(T) bool) error {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	type result struct {
		value T
		err   error
	}
	results := make([]chan result, n)
	begin := func(i int) {
		if i >= n {
			return
		}
		results[i] = make(chan result, 1)
		running.Go(func() {
			value, err := work(ctx, i)
			results[i] <- result{value, err}
		})
	}
	for i := range parallel {
		begin(i)
	}
	for i := range n {
		r := <-results[i]
		results[i] = nil
		if r.err != nil {
			return r.err
		}
		begin(i + parallel)
		if !take(r.value) {
			return errStopped
		}
	}
	return nil
}

// exactProfiles reads every sample of some hosts.
func (s *Source) exactProfiles(ctx context.Context, a *ask, targets []*target) ([][]fleet.Profile, error) {
	samples, err := s.readSamples(ctx, a, measured(targets), milli(a.q.Window))
	if err != nil {
		return nil, err
	}
	out := make([][]fleet.Profile, len(targets))
	b := fleet.NewProfileBuilder(a.q.Metric)
	next := 0
	for i, t := range targets {
		var list []point
		if len(t.labels) > 0 {
			list = a.counting(samples[next])
			next++
		}
		for _, j := range t.matching {
			r := &t.timeline[j]
			for k := range a.steps {
				b.Reset(a.q.Metric)
				a.add(b, list, r, a.steps[k])
				if p, ok := a.finish(b, t, j, k); ok {
					out[i] = append(out[i], p)
				}
			}
		}
	}
	return out, nil
}

// measured are the targets with series.
func measured(targets []*target) []*target {
	return slices.DeleteFunc(slices.Clone(targets), func(t *target) bool { return len(t.labels) == 0 })
}

// counting are the samples in the time that counts.
func (a *ask) counting(list []point) []point {
	if a.q.Within.IsZero() {
		return list
	}
	out, w := list[:0], 0
	for _, p := range list {
		at := time.UnixMilli(p.start)
		for w < len(a.within) && !a.within[w].End.After(at) {
			w++
		}
		if w < len(a.within) && a.within[w].Contains(at) {
			out = append(out, p)
		}
	}
	return out
}

// add adds the samples of a record in a step.
func (a *ask) add(b *fleet.ProfileBuilder, list []point, r *fleet.Record, step fleet.Window) {
	w := milli(step.Intersect(r.Window()))
	first := sort.Search(len(list), func(i int) bool { return list[i].start >= w.from })
	for _, p := range list[first:] {
		if p.start >= w.to {
			break
		}
		if p.known {
			b.Add(p.value, int64(p.step))
		} else {
			b.AddWithoutCapacity(1)
		}
	}
}

// finish is the profile of a record and step; false where the host neither ran
// nor was measured.
func (a *ask) finish(b *fleet.ProfileBuilder, t *target, record, step int) (fleet.Profile, bool) {
	expected := a.expected(a.steps[step], t.lifetime[record])
	if b.Empty() && (expected == 0 || t.group != "") {
		return fleet.Profile{}, false // a group is told of where it has samples
	}
	b.AddExpected(expected)
	p := b.Build(&t.timeline[record], a.steps[step])
	p.Group = t.group
	return p, true
}

// expected is the time that counts in a step while the host was known to run.
func (a *ask) expected(step fleet.Window, lifetime []fleet.Window) time.Duration {
	var sum time.Duration
	first := sort.Search(len(a.within), func(i int) bool { return a.within[i].End.After(step.Start) })
	for _, w := range a.within[first:] {
		if !w.Start.Before(step.End) {
			break
		}
		for _, live := range lifetime {
			if x := w.Intersect(step); !x.Empty() {
				sum += x.Intersect(live).Duration()
			}
		}
	}
	return sum
}
