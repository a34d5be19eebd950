package source

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/prom/internal/names"
)

// addGroups makes targets of the process groups that have series in the
// question's window, by host and name. They are read exactly.
func (s *Source) addGroups(ctx context.Context, a *ask) error {
	if !a.view.traits.Stored {
		return fmt.Errorf("%s: process groups are read from leanfleet's own series only, and these are of %s", s.client.shown, a.view.schema)
	}
	v := *a.view
	v.groups, v.groupSteps = true, map[string]int64{}
	a.view = &v
	inside := oneOf("__name__", []string{names.Own(fleet.CPUUsage), names.Own(fleet.MemoryUsage)}) + "," + names.GroupLabel + `!=""`
	w := fleet.Window{Start: a.q.Window.Start, End: a.q.Window.End.Add(fleet.MaxStep)}
	sets, err := s.labelSets(ctx, []string{"{" + s.match(inside) + "}"}, w)
	if err != nil {
		return err
	}
	groups := map[fleet.HostID]map[string][]string{} // labels by host and group
	for _, labels := range sets {
		label, group := labels[v.host], labels[names.GroupLabel]
		if seconds, err := strconv.ParseFloat(labels[names.StepLabel], 64); err == nil {
			v.steps = append(slices.Clone(v.steps), int64(math.Round(seconds*1000)))
			v.groupSteps[labels[names.StepLabel]] = int64(math.Round(seconds * 1000))
		}
		id, ok := v.owner(label, a.q.Window.End)
		if !ok {
			continue // nobody knows the host
		}
		if groups[id] == nil {
			groups[id] = map[string][]string{}
		}
		if !slices.Contains(groups[id][group], label) {
			groups[id][group] = append(groups[id][group], label)
		}
	}
	slices.Sort(v.steps)
	v.steps = slices.Compact(v.steps)
	for _, id := range slices.Sorted(maps.Keys(groups)) {
		for _, group := range slices.Sorted(maps.Keys(groups[id])) {
			if t := a.groupTarget(id, group, groups[id][group]); t != nil {
				a.targets = append(a.targets, t)
				a.samples += t.samples(&v, milli(a.q.Window))
			}
		}
	}
	return nil
}

// owner is the host that a label means.
func (v *view) owner(label string, at time.Time) (fleet.HostID, bool) {
	if members := v.book.Members(fleet.HostID(label)); members != nil {
		return members[0], true
	}
	return v.book.Resolve(label, at)
}

// groupTarget is a process group of a host as the question sees it; nil when the
// host is not asked for.
func (a *ask) groupTarget(id fleet.HostID, group string, labels []string) *target {
	t := a.target(id)
	if t == nil {
		return nil
	}
	t.group, t.labels, t.keys = group, nil, nil
	add := func(label string) {
		if slices.Contains(labels, label) && !slices.Contains(t.labels, label) {
			t.labels = append(t.labels, label)
			w := milli(a.q.Window)
			t.keys = append(t.keys, key{label: label, step: a.view.steps[0], first: w.from + a.view.steps[0], last: w.to})
		}
	}
	for _, member := range a.view.book.Members(id) {
		add(string(member))
	}
	for _, label := range labels {
		add(label)
	}
	return t
}

// sizeHolds is how long what a host told of its size holds for its process
// groups, whose rows have none of their own, in milliseconds.
const sizeHolds = int64(24 * 3600 * 1000)

// readGroups is readSamples for absolute figures of process groups: shares of
// what the host itself told last of its size, else of its record's.
func (s *Source) readGroups(ctx context.Context, a *ask, targets []*target, want extentMS) ([][]point, error) {
	hosts := *a.view
	hosts.groups = false
	sized := make(map[fleet.HostID]*target, len(targets))
	var labels, sizeLabels []string
	for _, t := range targets {
		labels = append(labels, t.labels...)
		if sized[t.id] == nil {
			if sized[t.id] = a.target(t.id); sized[t.id] != nil {
				sizeLabels = append(sizeLabels, sized[t.id].labels...)
			}
		}
	}
	got, err := s.fetch(ctx, a.view, a.ratio, distinct(labels), want)
	if err != nil {
		return nil, err
	}
	sizes, err := s.fetch(ctx, &hosts, a.capacity, distinct(sizeLabels), want)
	if err != nil {
		return nil, err
	}
	told := make(map[fleet.HostID][]point, len(sized))
	for id, t := range sized {
		told[id] = t.sizes(sizes)
	}
	out := make([][]point, len(targets))
	var early []string // of hosts that told their size too late in the window
	for i, t := range targets {
		out[i] = slices.Clone(t.merge(got))
		if n := len(out[i]); n > 0 && (len(told[t.id]) == 0 || told[t.id][0].start > out[i][0].start) {
			early = append(early, sized[t.id].labels...)
		}
	}
	if early = distinct(early); len(early) > 0 {
		before := extentMS{want.from - sizeHolds, want.from}
		if sizes, err = s.fetch(ctx, &hosts, a.capacity, early, before); err != nil {
			return nil, err
		}
		for id, t := range sized {
			told[id] = append(t.sizes(sizes), told[id]...)
		}
	}
	for i, t := range targets {
		t.absolute(a, out[i], told[t.id])
	}
	return out, nil
}

// distinct is a list in order, each once.
func distinct(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}

// sizes are what a host told of its size, in time order.
func (t *target) sizes(p piece) []point {
	return slices.DeleteFunc(slices.Clone(t.merge(p)), func(x point) bool { return x.value <= 0 })
}

// absolute multiplies the shares of a process group by what its host told last
// of its size, at most a day before, else by that of the record valid then.
func (t *target) absolute(a *ask, shares, told []point) {
	next, hint := 0, 0
	for i := range shares {
		p := &shares[i]
		for next < len(told) && told[next].start <= p.start {
			next++
		}
		var c int64
		if next > 0 && told[next-1].start > p.start-sizeHolds {
			c = told[next-1].value
		} else {
			c = a.nominal(t.recordAt(p.start, &hint))
		}
		p.value, p.known = p.value*c, c > 0
	}
}
