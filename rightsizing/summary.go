package rightsizing

import (
	"slices"

	"github.com/leanfleet/leanfleet/money"
)

// summarize totals the lines of a list.
func (a *advisor) summarize(lines []Recommendation) (Summary, error) {
	zero := money.Zero(a.req.Currency)
	s := Summary{
		Findings: map[Finding]int{}, StatedBreakShare: a.choice.stated, ConfidenceMet: a.choice.met, HoursPerMonth: HoursPerMonth, MonthlyCost: zero,
		Idle: IdleTotal{MonthlyCost: zero, StopMonthlySavings: zero},
	}
	totals := map[Kind]*Total{KindSwap: &s.Swaps, KindShrink: &s.Shrinks, KindGrow: &s.Grows}
	if a.req.Spot {
		s.Spot = &Total{}
		totals[KindSpot] = s.Spot
	}
	if len(a.req.Regions)+len(a.req.Providers) > 0 {
		s.Moves = &Total{}
		totals[KindMove] = s.Moves
	}
	for _, t := range totals {
		t.MonthlySavings = zero
	}
	for i := range lines {
		if err := s.add(&lines[i], totals); err != nil {
			return s, err
		}
	}
	s.Dismissed = len(a.choice.dismissed)
	if len(a.req.Rules) > 0 {
		for _, l := range a.choice.lists {
			s.Rules = append(s.Rules, RuleSummary{
				Rule: l.terms.name, Hosts: int(l.hosts), Changed: int(l.changed), Confidence: l.confidence, MaxRisk: l.terms.maxRisk,
				StatedBreakShare: l.stated, ConfidenceMet: l.met,
			})
		}
	}
	return s, nil
}

// add counts a line.
func (s *Summary) add(l *Recommendation, totals map[Kind]*Total) error {
	s.Hosts++
	s.Findings[l.Finding]++
	if l.Held != nil {
		s.Held++
	}
	var err error
	sum := func(into *money.Amount, x *money.Amount) {
		if err == nil && x != nil {
			*into, err = into.Add(*x)
		}
	}
	sum(&s.MonthlyCost, l.Current.MonthlyCost)
	if l.Current.MonthlyCost != nil {
		s.HostsWithPrice++
	}
	if l.Recommended == nil && (l.Finding == FindingExcluded || l.Finding == FindingNotEnoughData) {
		if s.Unadvised == nil {
			s.Unadvised = map[string]int{}
		}
		s.Unadvised[l.unadvised()]++
	}
	if l.Finding == FindingIdle {
		s.Idle.Hosts++
		sum(&s.Idle.MonthlyCost, l.Current.MonthlyCost)
		sum(&s.Idle.StopMonthlySavings, l.Idle.StopMonthlySavings)
	}
	if t := totals[l.Kind]; t != nil && l.MonthlySavings != nil {
		t.Hosts++
		if p := l.BreakProbability; p != nil {
			t.StatedBroken += *p
		}
		sum(&t.MonthlySavings, l.MonthlySavings)
	}
	for _, k := range []Kind{KindSpot, KindMove} {
		if t, o := totals[k], l.cheapest(k); t != nil && o != nil {
			t.Hosts++
			t.StatedBroken += o.BreakProbability
			sum(&t.MonthlySavings, o.MonthlySavings)
		}
	}
	return err
}

// cheapest is the option of a kind that saves most.
func (l *Recommendation) cheapest(k Kind) *Option {
	var best *Option
	for i := range l.Options {
		o := &l.Options[i]
		if o.Kind == k && o.MonthlySavings != nil && (best == nil || o.MonthlySavings.Cmp(*best.MonthlySavings) > 0) {
			best = o
		}
	}
	return best
}

// unadvised is the reason why nothing can be said about a host.
func (l *Recommendation) unadvised() string {
	for _, r := range []string{reasonNoType, reasonNoPrice, reasonRuleExcludes, reasonNoSamples, reasonFewDays, reasonSilent} {
		if slices.Contains(l.Reasons, r) {
			return r
		}
	}
	return string(l.Finding)
}
