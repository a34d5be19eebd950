package chargeback

import (
	"slices"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/inventory"
	"github.com/leanfleet/leanfleet/pricing"
)

// state is what a host is charged for.
type state uint8

const (
	running state = iota // stated
	assumed              // by evidence: nobody stated a state
	stopped              // stated
)

func (s state) String() string { return [...]string{"running", "unknown", "stopped"}[s] }

// span is a part of one record in one state.
type span struct {
	fleet.Window
	record *fleet.Record
	state  state
	// extra is what a run that ended here is charged beyond its length, because
	// the provider charges a minimum for each start.
	extra time.Duration
}

// minimums are the shortest times that providers charge for a start. They are
// in docs/chargeback.md with their sources.
var minimums = map[string]time.Duration{pricing.AWS: time.Minute, pricing.GCP: time.Minute}

// spansOf returns the charged spans of a host's timeline as far as they lie in a
// window, in order. A run of less than the provider's minimum has its extra
// time on its last span, wherever the window lies.
func spansOf(timeline []fleet.Record, within fleet.Window) []span {
	var all []span
	lifetime := inventory.Lifetime(timeline)
	for i := range timeline {
		r := &timeline[i]
		stated, isStated := statedWindow(r)
		for _, w := range lifetime[i] {
			if !isStated || r.State != fleet.StateRunning || !w.Overlaps(stated) {
				all = append(all, span{w, r, assumed, 0})
				continue
			}
			if before := (fleet.Window{Start: w.Start, End: stated.Start}); !stated.Start.IsZero() && !before.Empty() {
				all = append(all, span{before, r, assumed, 0})
			}
			all = append(all, span{w.Intersect(stated), r, running, 0})
		}
		if isStated && r.State == fleet.StateStopped {
			all = append(all, span{stated, r, stopped, 0})
		}
	}
	addMinimums(all)
	return clip(all, within)
}

// statedWindow is the part of a record in which its state is stated; false where
// it is nowhere.
func statedWindow(r *fleet.Record) (fleet.Window, bool) {
	w := r.Window()
	if r.State == fleet.StateUnknown || r.Stated.IsZero() || (!r.To.IsZero() && !r.Stated.Before(r.To)) {
		return w, false
	}
	if r.Stated.After(w.Start) {
		w.Start = r.Stated
	}
	return w, true
}

// addMinimums finds runs that were stated to start and ended too early.
func addMinimums(all []span) {
	for i := 0; i < len(all); {
		j := i + 1
		for j < len(all) && all[i].state != stopped && all[j].state != stopped && all[j].Start.Equal(all[j-1].End) {
			j++
		}
		first, last := &all[i], &all[j-1]
		if first.state == running && !first.Start.IsZero() && !last.End.IsZero() {
			last.extra = max(0, minimums[last.record.Provider]-last.End.Sub(first.Start))
		}
		i = j
	}
}

// clip cuts spans to a window. The extra time of a run stays with its end.
func clip(all []span, within fleet.Window) []span {
	out := all[:0]
	for _, s := range all {
		end := s.End
		s.Window = s.Intersect(within)
		if s.Empty() {
			continue
		}
		if !s.End.Equal(end) {
			s.extra = 0
		}
		out = append(out, s)
	}
	return out
}

// silentSince is when a host of unknown state was last heard of, if that was
// before the end of a window; zero else.
func silentSince(timeline []fleet.Record, w fleet.Window) time.Time {
	last := &timeline[len(timeline)-1]
	if _, stated := statedWindow(last); stated || !last.To.IsZero() {
		return time.Time{}
	}
	if last.State != fleet.StateUnknown || last.Seen.IsZero() || !last.Seen.End.Before(w.End) {
		return time.Time{}
	}
	return last.Seen.End
}

// byHost cuts records, which are ordered by host and time, into timelines.
func byHost(records []fleet.Record) [][]fleet.Record {
	var out [][]fleet.Record
	for from := 0; from < len(records); {
		to := from + 1
		for to < len(records) && records[to].Host == records[from].Host {
			to++
		}
		out = append(out, records[from:to:to])
		from = to
	}
	return out
}

// cutAt returns the parts of a window between cuts, which are in order.
func cutAt(w fleet.Window, cuts []time.Time) []fleet.Window {
	i, _ := slices.BinarySearchFunc(cuts, w.Start, time.Time.Compare)
	var out []fleet.Window
	for ; i < len(cuts) && cuts[i].Before(w.End); i++ {
		if cuts[i].After(w.Start) {
			out = append(out, fleet.Window{Start: w.Start, End: cuts[i]})
			w.Start = cuts[i]
		}
	}
	return append(out, w)
}
