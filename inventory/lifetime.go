package inventory

import (
	"sort"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

// A phase is a part of a timeline in which its states say one thing.
type phase struct {
	fleet.Window
	kind phaseKind
}

type phaseKind int

const (
	unsaid  phaseKind = iota // nobody stated a state
	running                  // from where an inventory stated it
	down                     // stopped or terminated, from where it was stated
)

// Lifetime returns, for each record of a host's timeline, the windows in which
// the host is known to run, in order; a zero End is until contradicted.
//
// A host runs from where an inventory states that it does until the inventory
// says otherwise. Where nobody stated a state it runs between its first and
// last evidence: the start of the timeline where that is a launch, samples
// (Seen), stated states, and the end of the timeline. Gaps between samples
// count. A stated stop or termination ends it. A host that was never sampled
// and whose state nobody stated has no lifetime, unless both its launch and
// its end are known.
func Lifetime(timeline []fleet.Record) [][]fleet.Window {
	out := make([][]fleet.Window, len(timeline))
	if len(timeline) == 0 {
		return out
	}
	phases := phasesOf(timeline)
	for i, p := range phases {
		live := p.Window
		switch p.kind {
		case down:
			continue
		case unsaid:
			live = evidence(p.Window, i > 0 && phases[i-1].kind == running, &timeline[0])
		}
		if live.Start.IsZero() {
			continue
		}
		first := sort.Search(len(timeline), func(j int) bool { return startsBefore(live.Start, timeline[j].To) })
		for j := first; j < len(timeline) && (live.End.IsZero() || timeline[j].From.Before(live.End)); j++ {
			w := live.Intersect(timeline[j].Window())
			if w.End.IsZero() || !w.Empty() {
				out[j] = join(out[j], w)
			}
		}
	}
	return out
}

// join appends a window, to the last one if they touch.
func join(list []fleet.Window, w fleet.Window) []fleet.Window {
	if n := len(list); n > 0 && list[n-1].End.Equal(w.Start) {
		list[n-1].End = w.End
		return list
	}
	return append(list, w)
}

// evidence is the part of an unsaid phase in which the host ran, given whether
// it ran until the phase began; its Start is zero when there is none.
func evidence(p fleet.Window, ran bool, first *fleet.Record) fleet.Window {
	seen := first.Seen
	sampled := !seen.IsZero() && seen.Overlaps(p)
	var from time.Time
	switch {
	case ran:
		from = p.Start
	case !first.From.IsZero() && p.Start.Equal(first.From):
		from = p.Start // the launch
	case sampled:
		from = latest(seen.Start, p.Start)
	default:
		return fleet.Window{}
	}
	to := p.End // a state stated then, or the end of the timeline
	if to.IsZero() {
		if !sampled {
			return fleet.Window{}
		}
		to = seen.End
	}
	return fleet.Window{Start: from, End: to}
}

// phasesOf cuts a timeline where its states begin to be stated or end.
func phasesOf(timeline []fleet.Record) []phase {
	var out []phase
	add := func(from, to time.Time, kind phaseKind) {
		if n := len(out); n > 0 && out[n-1].kind == kind {
			out[n-1].End = to
			return
		}
		out = append(out, phase{fleet.Window{Start: from, End: to}, kind})
	}
	for i := range timeline {
		r := &timeline[i]
		kind := unsaid
		switch r.State {
		case fleet.StateRunning:
			kind = running
		case fleet.StateStopped, fleet.StateTerminated:
			kind = down
		}
		switch {
		case kind == unsaid || r.Stated.IsZero() || !startsBefore(r.Stated, r.To):
			add(r.From, r.To, unsaid)
		case r.Stated.After(r.From):
			add(r.From, r.Stated, unsaid)
			add(r.Stated, r.To, kind)
		default:
			add(r.From, r.To, kind)
		}
	}
	return out
}

// Downtime is the time in which a host was down of which nobody stated anything,
// as its boot tells: from the end of its last sample before, to the boot. It is
// false where the host booted before that end, so that it ran unmeasured since,
// and where the time is shorter than least: it was started again.
func Downtime(lastSample, boot time.Time, least time.Duration) (fleet.Window, bool) {
	if lastSample.IsZero() || boot.Sub(lastSample) < max(least, 1) {
		return fleet.Window{}, false
	}
	return fleet.Window{Start: clean(lastSample), End: clean(boot)}, true
}
