package decisions

import (
	"cmp"
	"slices"
	"time"

	"github.com/leanfleet/leanfleet/advice"
)

// State is where a host stands after what was decided.
type State string

// The states.
const (
	// Accepted: the change is to be made, and nobody said that it was.
	Accepted State = "accepted"
	// Dismissed: the change is not to be made.
	Dismissed State = "dismissed"
	// Done: somebody said that the change was made.
	Done State = "done"
	// Expired: the last decision ran out; the host is as if nobody had decided.
	Expired State = "expired"
)

// Standing is what holds for one host.
type Standing struct {
	Host  string `json:"host"`
	State State  `json:"state"`
	// Decision is the last one, History all of them, oldest first.
	Decision advice.Decision   `json:"decision"`
	History  []advice.Decision `json:"history"`
}

// Standings returns what holds for each host at an instant, by host. Decisions
// made later are as if they were not there; of two made at one time the one
// further down the ledger is the later.
func Standings(ledger []advice.Decision, at time.Time) []Standing {
	index := map[string]int{}
	out := []Standing{}
	for _, d := range ledger {
		if d.At.After(at) {
			continue
		}
		i, ok := index[d.Host]
		if !ok {
			i = len(out)
			index[d.Host] = i
			out = append(out, Standing{Host: d.Host})
		}
		out[i].History = append(out[i].History, d)
	}
	for i := range out {
		s := &out[i]
		slices.SortStableFunc(s.History, func(a, b advice.Decision) int { return a.At.Compare(b.At) })
		s.Decision = s.History[len(s.History)-1]
		s.State = stateOf(&s.Decision, at)
	}
	slices.SortFunc(out, func(a, b Standing) int { return cmp.Compare(a.Host, b.Host) })
	return out
}

func stateOf(d *advice.Decision, at time.Time) State {
	switch {
	case !d.Active(at):
		return Expired
	case d.Action == advice.DecisionAccept:
		return Accepted
	case d.Action == advice.DecisionDone:
		return Done
	}
	return Dismissed
}

// Accepting returns the decision to accept that stands for a host at an instant;
// nil when none does.
func Accepting(ledger []advice.Decision, host string, at time.Time) *advice.Decision {
	for _, s := range Standings(ledger, at) {
		if s.Host == host && s.State == Accepted {
			return &s.Decision
		}
	}
	return nil
}
