package source

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/prom/internal/names"
)

// HostDay is what was copied of one host and UTC day.
type HostDay struct {
	// Host is the host's id in the source's book; its statements are those of
	// Statements.
	Host fleet.HostID
	// Day is the UTC day's first instant.
	Day time.Time
	// Batches are its samples, in time order, one list of columns for each step,
	// and behind them those of its process groups, by name. They are valid until
	// the next HostDay.
	Batches []fleet.Batch
	// Samples are the values in Batches. Counted are those that the engine counted
	// itself, -1 where it was not asked. Where a metric is computed from series that
	// were read as they are stored, the engine counts these, and the values
	// computed from them are counted if it counts as many as were read.
	Samples, Counted int64
}

// ReadOptions say what to copy.
type ReadOptions struct {
	// Hosts selects hosts by what they are at any time of the window.
	Hosts fleet.Selector
	// Metrics are the stored ones to copy; nil is all of the schema.
	Metrics []fleet.Metric
	// Done says that a host's day was copied before and is left out; nil is never.
	// It is told whether the host has process groups on that day, too.
	// A day that is not over is never left out.
	Done func(host fleet.HostID, day time.Time, groups bool) bool
	// Verify counts samples in the engine as well, and makes a difference an error
	// of that day, a *CountError, after which the rest follows.
	Verify bool
}

// CountError says that a day's copy differs from what the engine counted.
type CountError struct {
	Host            fleet.HostID
	Day             time.Time
	Metric          string
	Copied, Counted int64
}

// Error names host, day, metric and both counts.
func (e *CountError) Error() string {
	return fmt.Sprintf("host %s, %s, %s: copied %d samples, the engine counts %d", e.Host, e.Day.Format(time.DateOnly), e.Metric, e.Copied, e.Counted)
}

// Statements says what the hosts of the engine are, for an inventory: all that
// labels told and that the given book did not.
func (s *Source) Statements(ctx context.Context) ([]fleet.Statement, error) {
	records, err := s.Records(ctx, fleet.Selector{}, fleet.Window{})
	if err != nil {
		return nil, err
	}
	out := make([]fleet.Statement, 0, len(records))
	for _, r := range records {
		x := r.Clone()
		x.Seen, x.Stated = fleet.Window{}, time.Time{}
		if x.CapacityFrom == "catalogue" {
			x.Capacity = fleet.Capacity{}
		}
		x.CapacityFrom = ""
		out = append(out, fleet.Statement{Record: x})
	}
	return out, nil
}

// wholeDays widens a window to whole UTC days, so that a day that was copied was
// copied whole.
func wholeDays(w fleet.Window) fleet.Window {
	const day = 24 * time.Hour
	w.Start, w.End = w.Start.UTC().Truncate(day), w.End.UTC().Add(day-1).Truncate(day)
	return w
}

// HostDays is how many host-days Read would yield of a window, done ones
// included: the whole of a progress bar.
func (s *Source) HostDays(ctx context.Context, w fleet.Window, o ReadOptions) (int, error) {
	a, err := s.prepare(ctx, fleet.Query{Metric: fleet.CPUUsage, Hosts: o.Hosts, Window: wholeDays(w), Step: fleet.StepDay}, false)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, day := range a.steps {
		for _, t := range measured(a.targets) {
			if t.samples(a.view, milli(day)) > 0 {
				n++
			}
		}
	}
	return n, nil
}

// Read copies the history in a window, widened to whole UTC days, day by day, and within a day by host, in
// bounded memory: Options.BatchSamples for each of Options.Concurrency requests.
// Samples have the origin scrape. A host-day without samples is not yielded.
func (s *Source) Read(ctx context.Context, w fleet.Window, o ReadOptions) iter.Seq2[HostDay, error] {
	return func(yield func(HostDay, error) bool) {
		a, err := s.prepare(ctx, fleet.Query{Metric: fleet.CPUUsage, Hosts: o.Hosts, Window: wholeDays(w), Step: fleet.StepDay}, false)
		if err != nil {
			yield(HostDay{}, err)
			return
		}
		metrics := s.readable(a.view, o.Metrics)
		a.targets = measured(a.targets)
		groups, err := s.groupsToRead(ctx, a, metrics)
		if err != nil {
			yield(HostDay{}, err)
			return
		}
		withGroups := func(fleet.HostID, time.Time) bool { return false }
		if o.Done != nil && groups != nil {
			if withGroups, err = s.groupDays(ctx, a, groups); err != nil {
				yield(HostDay{}, err)
				return
			}
		}
		var jobs []job
		for _, day := range a.steps {
			jobs = append(jobs, s.jobs(a, day, len(metrics), &o, withGroups)...)
		}
		enough := false
		err = ordered(ctx, len(jobs), s.o.Concurrency, func(ctx context.Context, i int) ([]copied, error) {
			return s.copyDay(ctx, a, metrics, groups, jobs[i], o.Verify)
		}, func(list []copied) bool {
			for _, c := range list {
				if ctx.Err() != nil {
					return false
				}
				var err error
				if c.wrong != nil {
					err = c.wrong
				}
				if enough = !yield(c.HostDay, err); enough {
					return false
				}
			}
			return true
		})
		if err := ending(ctx, err); err != nil && !enough {
			yield(HostDay{}, err)
		}
	}
}

// readable are the stored metrics that the schema has.
func (s *Source) readable(v *view, want []fleet.Metric) []fleet.Metric {
	if want == nil {
		want = s.o.Metrics.Stored()
	}
	return slices.DeleteFunc(slices.Clone(want), func(m fleet.Metric) bool {
		_, ok := names.Of(v.schema, m)
		return !ok
	})
}

// job is a day of some hosts.
type job struct {
	day     fleet.Window
	targets []*target
}

func (s *Source) jobs(a *ask, day fleet.Window, metrics int, o *ReadOptions, groups func(fleet.HostID, time.Time) bool) []job {
	var out []job
	var n int64
	first := day.Start.UTC().Truncate(24 * time.Hour)
	over := !a.view.made.Before(first.Add(24 * time.Hour))
	for _, t := range a.targets {
		cost := t.samples(a.view, milli(day)) * int64(metrics)
		if cost == 0 || over && o.Done != nil && o.Done(t.id, first, groups(t.id, first)) {
			continue
		}
		if k := len(out); k > 0 && n+cost <= s.o.BatchSamples && len(out[k-1].targets) < 200 {
			out[k-1].targets = append(out[k-1].targets, t)
			n += cost
			continue
		}
		out = append(out, job{day, []*target{t}})
		n = cost
	}
	return out
}

type copied struct {
	HostDay
	wrong *CountError
}

// copyDay copies a day of some hosts.
func (s *Source) copyDay(ctx context.Context, a *ask, metrics []fleet.Metric, groups *groupsRead, j job, verify bool) ([]copied, error) {
	var labels []string
	for _, t := range j.targets {
		labels = append(labels, t.labels...)
	}
	slices.Sort(labels)
	out := make([]copied, len(j.targets))
	builders := make([]*rows, len(j.targets))
	for i, t := range j.targets {
		out[i].HostDay = HostDay{Host: t.id, Day: j.day.Start.UTC().Truncate(24 * time.Hour), Counted: -1}
		builders[i] = &rows{}
	}
	for _, m := range metrics {
		var sums *tally
		if verify {
			sums = &tally{}
		}
		got, err := s.fetchCounted(ctx, a.view, m, labels, milli(j.day), sums)
		if err != nil {
			return nil, err
		}
		var counts map[string]int64
		if verify && !sums.raw() {
			if counts, err = s.count(ctx, a.view, m, labels, j.day); err != nil {
				return nil, err
			}
		}
		for i, t := range j.targets {
			list := t.merge(got)
			switch {
			case verify && sums.raw():
				out[i].verifyRaw(t, m, len(list), sums)
			case verify:
				out[i].verify(t, m, got, len(list), counts)
			}
			out[i].Samples += int64(len(list))
			builders[i].add(m, list)
		}
	}
	for i, t := range j.targets {
		out[i].Batches = builders[i].batches(t.id)
	}
	if err := s.copyGroups(ctx, groups, j, out, verify); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(out, func(c copied) bool { return c.Samples == 0 && c.wrong == nil }), nil
}

// verify compares what was copied with what the engine counts, by label. A host
// with one label has as many rows, too: two samples of one time are a fault.
func (c *copied) verify(t *target, m fleet.Metric, got piece, rows int, counts map[string]int64) {
	c.Counted = max(0, c.Counted)
	for _, l := range t.labels {
		l = ofGroup(l, t.group)
		n := int64(len(got[l]))
		if len(t.labels) == 1 {
			n = int64(rows)
		}
		c.Counted += counts[l]
		if n != counts[l] && c.wrong == nil {
			name := m.Name
			if t.group != "" {
				name += " of the process group " + t.group
			}
			c.wrong = &CountError{t.id, c.Day, name, n, counts[l]}
		}
	}
}

// count lets the engine count the samples of a day, of fewer hosts at a time
// where it is slow.
func (s *Source) count(ctx context.Context, v *view, m fleet.Metric, labels []string, day fleet.Window) (map[string]int64, error) {
	return byHosts(ctx, s, "count of "+m.Name, labels, day.Duration().Milliseconds(), func(labels []string) (map[string]int64, error) {
		return s.countOnce(ctx, v, m, labels, day)
	}, func(all, more map[string]int64) map[string]int64 {
		for l, n := range more {
			all[l] += n
		}
		return all
	})
}

func (s *Source) countOnce(ctx context.Context, v *view, m fleet.Metric, labels []string, day fleet.Window) (map[string]int64, error) {
	out := map[string]int64{}
	w := milli(day)
	w.to = min(w.to, v.horizon())
	if w.from >= w.to {
		return out, nil
	}
	over := names.Duration(v.engine.window(time.Duration(w.to-w.from) * time.Millisecond))
	ask := func(of string, step int64) error {
		c, by := &counts{host: v.host, out: map[string]int64{}}, v.host
		if v.groups {
			by += "," + names.GroupLabel
		}
		err := s.instant(ctx, "sum by ("+by+") (count_over_time("+of+"))", time.UnixMilli(w.to+step-1), "count "+m.Name, func() consumer { clear(c.out); return c })
		for l, n := range c.out {
			out[l] += n
		}
		return err
	}
	if !v.traits.Stored {
		expr, _ := names.Of(v.schema, m)
		step := v.step.Milliseconds()
		return out, ask("("+s.hostExpr(v, expr, labels, v.step)+")["+over+":"+names.Duration(v.step)+"]", step)
	}
	if v.groups {
		for label, step := range v.groupSteps {
			if err := ask(s.stored(v, m, labels, label)+"["+over+"]", step); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	done := map[string]bool{}
	for _, l := range labels {
		for _, k := range v.keys[fleet.HostID(l)] {
			if done[k.stepLabel] {
				continue
			}
			done[k.stepLabel] = true
			if err := ask(s.stored(v, m, labels, k.stepLabel)+"["+over+"]", k.step); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

type counts struct {
	host, at string
	out      map[string]int64
}

func (c *counts) series(labels map[string]string) error {
	c.at = ofGroup(labels[c.host], labels[names.GroupLabel])
	return nil
}
func (c *counts) point(_ int64, value float64) error { c.out[c.at] += int64(value); return nil }

// rows collects columns into batches: runs of rows of one step.
type rows struct {
	metrics []fleet.Metric
	lists   [][]point
}

func (r *rows) add(m fleet.Metric, list []point) {
	if len(list) > 0 {
		r.metrics, r.lists = append(r.metrics, m), append(r.lists, list)
	}
}

// batches merges the columns by time.
func (r *rows) batches(id fleet.HostID) []fleet.Batch {
	var out []fleet.Batch
	at := make([]int, len(r.lists))
	for {
		// The next row is at the lowest start; the first column there gives its step.
		var start int64
		var step int32
		for c, list := range r.lists {
			if at[c] < len(list) && (step == 0 || list[at[c]].start < start) {
				start, step = list[at[c]].start, list[at[c]].step
			}
		}
		if step == 0 {
			return r.trim(out)
		}
		if n := len(out); n == 0 || out[n-1].Step != step {
			out = append(out, r.batch(id, step))
		}
		b := &out[len(out)-1]
		b.Start = append(b.Start, start)
		for c, list := range r.lists {
			col := &b.Columns[c]
			has := at[c] < len(list) && list[at[c]].start == start
			v := int32(0)
			if has {
				v = int32(list[at[c]].value)
				at[c]++
			}
			col.Values, col.Present = append(col.Values, v), append(col.Present, has)
		}
	}
}

// groupsRead are the process groups to copy.
type groupsRead struct {
	view    *view
	metrics []fleet.Metric
	of      map[fleet.HostID][]*target // by name
}

// groupsToRead finds the process groups of leanfleet's own series; nil where
// there are none. Other schemas have none.
func (s *Source) groupsToRead(ctx context.Context, a *ask, metrics []fleet.Metric) (*groupsRead, error) {
	if !a.view.traits.Stored {
		return nil, nil
	}
	with := *a
	with.targets = nil
	if err := s.addGroups(ctx, &with); err != nil || len(with.targets) == 0 {
		return nil, err
	}
	g := &groupsRead{view: with.view, of: map[fleet.HostID][]*target{}}
	for _, m := range metrics {
		if m.Name == fleet.CPUUsage.Name || m.Name == fleet.MemoryUsage.Name {
			g.metrics = append(g.metrics, m)
		}
	}
	for _, t := range with.targets {
		g.of[t.id] = append(g.of[t.id], t)
	}
	return g, nil
}

// copyGroups adds the process groups of a day of some hosts.
func (s *Source) copyGroups(ctx context.Context, groups *groupsRead, j job, out []copied, verify bool) error {
	if groups == nil {
		return nil
	}
	var labels []string
	builders := map[*target]*rows{}
	for _, h := range j.targets {
		for _, t := range groups.of[h.id] {
			builders[t] = &rows{}
			labels = append(labels, t.labels...)
		}
	}
	slices.Sort(labels)
	labels = slices.Compact(labels)
	if len(labels) == 0 {
		return nil
	}
	for _, m := range groups.metrics {
		got, err := s.fetch(ctx, groups.view, m, labels, milli(j.day))
		if err != nil {
			return err
		}
		var counts map[string]int64
		if verify {
			if counts, err = s.count(ctx, groups.view, m, labels, j.day); err != nil {
				return err
			}
		}
		for i, h := range j.targets {
			for _, t := range groups.of[h.id] {
				list := t.merge(got)
				if verify {
					out[i].verify(t, m, got, len(list), counts)
				}
				out[i].Samples += int64(len(list))
				builders[t].add(m, list)
			}
		}
	}
	for i, h := range j.targets {
		for _, t := range groups.of[h.id] {
			list := builders[t].batches(h.id)
			for k := range list {
				list[k].Group = t.group
			}
			out[i].Batches = append(out[i].Batches, list...)
		}
	}
	return nil
}

func (r *rows) batch(id fleet.HostID, step int32) fleet.Batch {
	b := fleet.Batch{Host: id, Origin: fleet.OriginScrape, Step: step, Columns: make([]fleet.Column, len(r.metrics))}
	for c, m := range r.metrics {
		n := len(r.lists[c])
		b.Columns[c] = fleet.Column{Metric: m, Values: make([]int32, 0, n), Present: make([]bool, 0, n)}
	}
	return b
}

// trim drops columns without values, and the marks of full ones.
func (r *rows) trim(list []fleet.Batch) []fleet.Batch {
	for i := range list {
		b := &list[i]
		b.Columns = slices.DeleteFunc(b.Columns, func(c fleet.Column) bool { return c.Count() == 0 })
		for c := range b.Columns {
			if col := &b.Columns[c]; col.Count() == len(col.Values) {
				col.Present = nil
			}
		}
	}
	return list
}
