package fleettest

import (
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/inventory"
)

// Records returns records; see [fleet.Source].
func (m *Memory) Records(ctx context.Context, sel fleet.Selector, w fleet.Window) ([]fleet.Record, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return m.current().book.Records(sel, w), nil
}

// Profiles answers a query; see [fleet.Source].
func (m *Memory) Profiles(ctx context.Context, q fleet.Query) iter.Seq2[fleet.Profile, error] {
	return func(yield func(fleet.Profile, error) bool) {
		a, err := m.ask(q)
		if err != nil {
			yield(fleet.Profile{}, err)
			return
		}
		for _, id := range a.state.book.Hosts() {
			for _, p := range a.ofHost(id) {
				if err := ctx.Err(); err != nil {
					yield(fleet.Profile{}, err)
					return
				}
				if !yield(p, nil) {
					return
				}
			}
		}
		if err := ctx.Err(); err != nil {
			yield(fleet.Profile{}, err)
		}
	}
}

// Series answers a query; see [fleet.Source].
func (m *Memory) Series(ctx context.Context, q fleet.Query) iter.Seq2[fleet.Series, error] {
	return func(yield func(fleet.Series, error) bool) {
		a, err := m.ask(q)
		if err != nil {
			yield(fleet.Series{}, err)
			return
		}
		for _, id := range a.state.book.Hosts() {
			for _, s := range a.seriesOf(id) {
				if err := ctx.Err(); err != nil {
					yield(fleet.Series{}, err)
					return
				}
				if !yield(s, nil) {
					return
				}
			}
		}
		if err := ctx.Err(); err != nil {
			yield(fleet.Series{}, err)
		}
	}
}

// answer is a question and the state it is asked of.
type answer struct {
	query  fleet.Query
	state  *state
	steps  []fleet.Window
	within []fleet.Window // the time that counts
	// ratio and capacity are the parts of a derived metric.
	ratio, capacity fleet.Metric
}

func (m *Memory) ask(q fleet.Query) (*answer, error) {
	if q.Window.Start.IsZero() || q.Window.End.IsZero() {
		return nil, errors.New("a query needs a window with a start and an end")
	}
	a := &answer{query: q, state: m.current(), steps: q.Step.Split(q.Window, q.Location), within: q.Within.Within(q.Window)}
	if !q.Metric.Derived() {
		return a, nil
	}
	var err error
	if a.ratio, err = m.metrics.Lookup(q.Metric.Ratio); err != nil {
		return nil, err
	}
	a.capacity, err = m.metrics.Lookup(q.Metric.Capacity)
	return a, err
}

// sample is one value in time; not known where the host's capacity is unknown.
type sample struct {
	start time.Time
	step  int32
	value int64
	known bool
}

// samples are those of a host, and of the hosts merged into it, in order of
// time. Where two tell of the same start, the host's own id wins, then those
// merged earlier.
func (a *answer) samples(id fleet.HostID, group string) []sample {
	var out []sample
	var sizes map[int64]int64
	if group != "" && a.query.Metric.Derived() {
		sizes = a.sizes(id)
	}
	taken := map[int64]bool{}
	for _, member := range a.state.book.Members(id) {
		d := a.state.data[owner{member, group}]
		if d == nil {
			continue
		}
		name := a.query.Metric.Name
		if a.query.Metric.Derived() {
			name = a.ratio.Name
		}
		for start, v := range d.values[name] {
			if taken[start] {
				continue
			}
			taken[start] = true
			s := sample{start: time.UnixMilli(start).UTC(), step: d.steps[start], value: int64(v.scaled), known: true}
			if a.query.Metric.Derived() {
				c := a.capacityAt(id, int64(d.values[a.capacity.Name][start].scaled), start)
				if group != "" {
					c = a.capacityAt(id, toldBefore(sizes, start), start)
				}
				s.value, s.known = s.value*c, c > 0
			}
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(x, y sample) int { return x.start.Compare(y.start) })
	return slices.DeleteFunc(out, func(s sample) bool { return !contain(a.within, s.start) })
}

// sizes are the capacities that a host itself told, by start.
func (a *answer) sizes(id fleet.HostID) map[int64]int64 {
	out := map[int64]int64{}
	for _, member := range slices.Backward(a.state.book.Members(id)) {
		if d := a.state.data[owner{member, ""}]; d != nil {
			for start, v := range d.values[a.capacity.Name] {
				out[start] = int64(v.scaled)
			}
		}
	}
	return out
}

// toldBefore is what a host told last of its size, in the 24 hours before a
// start or at it; 0 is nothing.
func toldBefore(sizes map[int64]int64, start int64) int64 {
	var value int64
	last := int64(-1)
	for at, v := range sizes {
		if v > 0 && at <= start && at > start-24*time.Hour.Milliseconds() && at > last {
			last, value = at, v
		}
	}
	return value
}

// capacityAt is the capacity told with a sample, else that of the record valid
// then, scaled; 0 is unknown.
func (a *answer) capacityAt(id fleet.HostID, told, start int64) int64 {
	if told > 0 {
		return told
	}
	timeline := a.state.book.Timeline(id)
	for i := range timeline {
		if r := &timeline[i]; r.ValidAt(time.UnixMilli(start)) {
			nominal := r.Capacity.VCPUs
			if a.capacity.Name == fleet.CapacityMemory.Name {
				nominal = float64(r.Capacity.MemoryBytes)
			}
			if scaled, err := a.capacity.Scale(nominal); err == nil {
				return int64(scaled)
			}
		}
	}
	return 0
}

func contain(list []fleet.Window, t time.Time) bool {
	i, _ := slices.BinarySearchFunc(list, t, func(w fleet.Window, t time.Time) int {
		if !w.End.After(t) {
			return -1
		}
		return 1
	})
	return i < len(list) && list[i].Contains(t)
}

// matching yields the records of a host that are asked for.
func (a *answer) matching(id fleet.HostID) iter.Seq2[int, *fleet.Record] {
	return func(yield func(int, *fleet.Record) bool) {
		timeline := a.state.book.Timeline(id)
		for i := range timeline {
			r := &timeline[i]
			if r.Window().Overlaps(a.query.Window) && a.query.Hosts.Matches(r) && !yield(i, r) {
				return
			}
		}
	}
}

// groups are the process groups of a host, and of those merged into it, by name.
func (a *answer) groups(id fleet.HostID) []string {
	seen := map[string]bool{}
	for _, member := range a.state.book.Members(id) {
		for key := range a.state.data {
			if key.host == member && key.group != "" {
				seen[key.group] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// ofHost are the profiles of a host, or those with samples of each of its
// process groups.
func (a *answer) ofHost(id fleet.HostID) []fleet.Profile {
	if !a.query.Groups {
		return a.profiles(id, "")
	}
	var out []fleet.Profile
	for _, group := range a.groups(id) {
		for _, p := range a.profiles(id, group) {
			if p.Count > 0 || p.WithoutCapacity > 0 {
				p.Group = group
				out = append(out, p)
			}
		}
	}
	return out
}

func (a *answer) seriesOf(id fleet.HostID) []fleet.Series {
	if !a.query.Groups {
		return a.series(id, "")
	}
	var out []fleet.Series
	for _, group := range a.groups(id) {
		for _, s := range a.series(id, group) {
			s.Group = group
			out = append(out, s)
		}
	}
	return out
}

func (a *answer) profiles(id fleet.HostID, group string) []fleet.Profile {
	var out []fleet.Profile
	samples := a.samples(id, group)
	lifetime := inventory.Lifetime(a.state.book.Timeline(id))
	b := fleet.NewProfileBuilder(a.query.Metric)
	for i, r := range a.matching(id) {
		next := 0
		for _, step := range a.steps {
			b.Reset(a.query.Metric)
			for ; next < len(samples) && samples[next].start.Before(step.End); next++ {
				switch s := samples[next]; {
				case s.start.Before(step.Start) || !r.ValidAt(s.start):
				case s.known:
					b.Add(s.value, int64(s.step))
				default:
					b.AddWithoutCapacity(1)
				}
			}
			expected := a.expected(step, lifetime[i])
			if b.Empty() && expected == 0 {
				continue
			}
			b.AddExpected(expected)
			out = append(out, b.Build(r, step))
		}
	}
	return out
}

// expected is the time that counts in a step while the host was known to run.
func (a *answer) expected(step fleet.Window, lifetime []fleet.Window) time.Duration {
	var sum time.Duration
	for _, live := range lifetime {
		for _, w := range a.within {
			if x := w.Intersect(step); !x.Empty() {
				sum += x.Intersect(live).Duration()
			}
		}
	}
	return sum
}

func (a *answer) series(id fleet.HostID, group string) []fleet.Series {
	var out []fleet.Series
	samples := a.samples(id, group)
	for _, r := range a.matching(id) {
		for _, s := range samples {
			if !r.ValidAt(s.start) || !s.known || !a.query.Window.Contains(s.start) {
				continue
			}
			if n := len(out); n == 0 || out[n-1].Record != r || out[n-1].Step != s.step {
				out = append(out, fleet.Series{Record: r, Step: s.step})
			}
			last := &out[len(out)-1]
			last.Start = append(last.Start, s.start.UnixMilli())
			last.Values = append(last.Values, s.value)
		}
	}
	return out
}
