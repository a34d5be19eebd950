package handoff

import (
	"cmp"
	"slices"

	"github.com/leanfleet/leanfleet/advice"
	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/rightsizing"
)

// Change is one change to be carried out: of a host, or of the template of a
// scaling group where the line has members.
type Change struct {
	Line *rightsizing.Recommendation
	// To is the instance type to change to.
	To string
	// Kind is empty where somebody decided for a type that was not advised.
	Kind rightsizing.Kind
	// MonthlySavings and Risk are nil where they are not known.
	MonthlySavings *money.Amount
	Risk           *float64
	Effort         advice.Effort
	Checks         []advice.Check
	// Stopped says that the host is known to be stopped: it is changed as it is, and
	// not started.
	Stopped bool
	// Decision is the decision that the change follows from, nil without one.
	Decision *advice.Decision
}

// Left is a line that asks for something which is not handed off, and why.
type Left struct {
	Line   *rightsizing.Recommendation
	Reason string
}

// Changes picks the changes out of an answer, those that save most first: what
// is advised, or only what somebody accepted, to the type that was accepted.
// Lines that stay as they are are in neither list.
func Changes(r *rightsizing.Result, accepted bool) (changes []Change, left []Left) {
	for i := range r.Recommendations {
		l := &r.Recommendations[i]
		d := l.Decision
		switch {
		case accepted && (d == nil || d.Action != advice.DecisionAccept):
			continue
		case accepted && d.To != "" && d.To == l.Current.InstanceType:
			left = append(left, Left{l, "it is " + d.To + " already; say so with rightsize done"})
		case accepted && d.To != "" && (l.Recommended == nil || d.To != l.Recommended.InstanceType):
			changes = append(changes, decided(l))
		case l.Recommended == nil:
			if accepted {
				left = append(left, Left{l, "no type was named, and none is advised any more"})
			}
		default:
			c := Change{Line: l, To: l.Recommended.InstanceType, Kind: l.Kind, MonthlySavings: l.MonthlySavings,
				Risk: l.BreakProbability, Effort: l.Effort, Checks: l.Checks}
			if d != nil && d.Action == advice.DecisionAccept && d.About(c.To) {
				c.Decision = d
			}
			changes = append(changes, c)
		}
	}
	for i := range changes {
		changes[i].Stopped = changes[i].Line.State == fleet.StateStopped
	}
	slices.SortStableFunc(changes, func(a, b Change) int {
		return cmp.Or(compareSavings(a.MonthlySavings, b.MonthlySavings), cmp.Compare(a.Line.Host, b.Line.Host))
	})
	return changes, left
}

// compareSavings puts the larger first, unknown last.
func compareSavings(a, b *money.Amount) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return 1
	case b == nil:
		return -1
	}
	return b.Cmp(*a)
}

// decided is the change to a type that somebody accepted and that is not, or no
// longer, the one advised.
func decided(l *rightsizing.Recommendation) Change {
	c := Change{Line: l, To: l.Decision.To, Decision: l.Decision, MonthlySavings: l.Decision.MonthlySavings}
	for i := range l.Options {
		if o := &l.Options[i]; o.InstanceType == c.To && o.Kind != rightsizing.KindSpot && o.Kind != rightsizing.KindMove {
			c.Kind, c.MonthlySavings, c.Risk, c.Effort, c.Checks = o.Kind, o.MonthlySavings, &o.BreakProbability, o.Effort, o.Checks
			return c
		}
	}
	return c
}
