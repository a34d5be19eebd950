package scan

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/store/dayfile"
	"github.com/leanfleet/leanfleet/internal/store/head"
)

// Process groups are answered host by host: of each the groups in the order of
// their names, each read over all days. There are few rows of them beside those
// of the hosts, so nothing is done at once.

// groupProfiles answers a query for the profiles of process groups.
func (p *plan) groupProfiles(ctx context.Context, yield func(fleet.Profile, error) bool) {
	w := newGroupReader(p)
	s := &state{builder: p.view.Memory.builder(p.query.Metric)}
	defer p.view.Memory.keep([]*state{s})
	for i := range p.hosts {
		h := &p.hosts[i]
		for group, samples := range w.groups(ctx, h) {
			s.begin(h, p)
			for _, x := range samples {
				p.addSample(s, x)
			}
			s.flush(p)
			if !w.report(func(e error) bool { return yield(fleet.Profile{}, e) }) {
				return
			}
			for _, x := range s.measured(p) {
				if x.Group = group; !yield(x, nil) {
					return
				}
			}
		}
		if !w.report(func(e error) bool { return yield(fleet.Profile{}, e) }) {
			return
		}
		if err := ctx.Err(); err != nil {
			yield(fleet.Profile{}, err)
			return
		}
	}
}

// groupSeries answers a query for the series of process groups.
func (p *plan) groupSeries(ctx context.Context, yield func(fleet.Series, error) bool) {
	w := newGroupReader(p)
	for i := range p.hosts {
		h := &p.hosts[i]
		for group, samples := range w.groups(ctx, h) {
			if !w.report(func(e error) bool { return yield(fleet.Series{}, e) }) {
				return
			}
			tell := func(s fleet.Series, err error) bool {
				s.Group = group
				return yield(s, err)
			}
			if !p.emit(h, slices.Values(samples), tell) {
				return
			}
		}
		if !w.report(func(e error) bool { return yield(fleet.Series{}, e) }) {
			return
		}
		if err := ctx.Err(); err != nil {
			yield(fleet.Series{}, err)
			return
		}
	}
}

// report hands on what was found damaged.
func (w *worker) report(yield func(error) bool) bool {
	errs := w.errs
	w.errs = nil
	for _, e := range errs {
		if !yield(e) {
			return false
		}
	}
	return true
}

// groups yields the process groups of a host by name, with their samples in
// time order.
func (w *groupReader) groups(ctx context.Context, h *host) iter.Seq2[string, []sample] {
	return func(yield func(string, []sample) bool) {
		w.sizes = nil
		w.sized, w.sizedBefore = false, false
		for _, group := range w.groupNames(h) {
			if ctx.Err() != nil {
				return
			}
			var all []sample
			for i := range w.plan.days {
				all = append(all, w.groupDay(&w.plan.days[i], h, group)...)
				w.plan.view.giveWay()
			}
			if w.question.query.Metric.Derived() {
				all = w.absolutes(ctx, h, all)
			}
			if len(all) > 0 && !yield(group, all) {
				return
			}
		}
	}
}

// groupNames are the process groups that a host has on the days of the plan.
func (w *worker) groupNames(h *host) []string {
	seen := map[string]struct{}{}
	for i := range w.plan.days {
		d := &w.plan.days[i]
		for _, id := range h.members {
			if d.File != nil {
				for _, run := range groupRuns(d.File, id) {
					_, group, _ := strings.Cut(string(run.Host[len(id):]), "\x00")
					seen[group] = struct{}{}
				}
			}
			for _, s := range d.strips(id) {
				seen[s.Group] = struct{}{}
			}
		}
	}
	names := make([]string, 0, len(seen))
	for name := range seen {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// groupRuns are the runs of a host's process groups.
func groupRuns(f *dayfile.File, id fleet.HostID) []dayfile.Run {
	lo, _ := f.FindHost(id + "\x00")
	hi, _ := f.FindHost(id + "\x01")
	return f.Runs()[lo:hi]
}

// strips are what the head has of a host's process groups on a day.
func (d *DayView) strips(id fleet.HostID) []head.Strip {
	by := func(s head.Strip, id fleet.HostID) int { return strings.Compare(string(s.Host), string(id)) }
	lo, _ := slices.BinarySearchFunc(d.Head, id, by)
	hi := lo
	for hi < len(d.Head) && d.Head[hi].Host == id {
		hi++
	}
	return d.Head[lo:hi]
}

// groupDay returns the samples of a host's process group on a day, in time order.
// Where hosts that were merged tell of the same start, the host's own id wins,
// then the ones merged earlier.
func (w *worker) groupDay(d *DayView, h *host, group string) []sample {
	var out []sample
	told := 0
	for _, id := range h.members {
		before := len(out)
		var strip *head.Strip
		for i, list := 0, d.strips(id); i < len(list); i++ {
			if list[i].Group == group {
				strip = &list[i]
			}
		}
		if d.File != nil && (strip == nil || !strip.Over) {
			out = w.sealedGroup(d, h, id+"\x00"+fleet.HostID(group), out)
		}
		if strip != nil {
			out = w.headSamples(d, strip, h, out)
		}
		if len(out) > before {
			told++
		}
	}
	if told > 1 {
		slices.SortStableFunc(out, func(a, b sample) int { return cmp.Compare(a.start, b.start) })
		out = slices.CompactFunc(out, func(a, b sample) bool { return a.start == b.start })
	}
	return out
}

// sealedGroup appends the samples of a key in a day's file.
func (w *worker) sealedGroup(d *DayView, h *host, key fleet.HostID, out []sample) []sample {
	lo, hi := d.File.FindHost(key)
	if lo == hi {
		return out
	}
	all := [][]sample{out}
	x := wanted{lo: lo, hi: hi, owner: make([]int, hi-lo)}
	w.stretch(*d, x, func(lo, hi int, next *int) error {
		return w.runSamples(*d, x, []host{*h}, lo, hi, next, all)
	})
	return all[0]
}

// measured are the profiles with samples.
func (s *state) measured(p *plan) []fleet.Profile {
	var out []fleet.Profile
	for _, x := range s.answer(p, nil) {
		if x.Count > 0 || x.WithoutCapacity > 0 {
			out = append(out, x)
		}
	}
	return out
}
