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
