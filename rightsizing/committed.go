package rightsizing

import (
	"fmt"
	"slices"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
)

// steadyHour is an hour in which every host of the fleet that has a price runs,
// under the user's commitments.
type steadyHour struct {
	a        *advisor
	set      *pricing.Commitments
	start    time.Time
	rate     pricing.RateFunc
	usages   []pricing.Usage
	month    []money.Price // beside usages: an hour on demand, of a host that runs all month
	place    map[int]int   // from a host's quote to its usage
	before   hourCost
	marginal map[changeKey]money.Amount
}

// changeKey is what a change is to commitments: hosts that are alike in it save
// alike.
type changeKey struct{ provider, account, region, os, from, to string }

// hourCost is what an hour comes to, exactly.
type hourCost struct{ onDemand, bought, unused money.Amount }

// afterCommitments sets what the lines save under the user's commitments, and
// returns what all of them save together; nil without commitments.
func (a *advisor) afterCommitments(set *pricing.Commitments, lines []Recommendation) (*CommitmentSummary, error) {
	if set == nil || len(set.All()) == 0 {
		return nil, nil
	}
	s := a.newSteadyHour(set)
	if s.otherCurrency() {
		for k := range lines {
			if lines[k].Recommended != nil {
				lines[k].Reasons = append(lines[k].Reasons, reasonCurrency)
			}
		}
		return nil, nil
	}
	var err error
	if s.before, err = s.cost(nil); err != nil {
		return nil, fmt.Errorf("savings after commitments: %w", err)
	}
	quotes := map[fleet.HostID]*quote{}
	for _, i := range a.list {
		quotes[a.m.quotes[i].host.record.Host] = a.m.quotes[i]
	}
	all := map[*quote]*pricing.Candidate{}
	for k := range lines {
		l := &lines[k]
		q := quotes[l.Host]
		if q == nil || l.Recommended == nil {
			continue
		}
		to := q.candidateOf(l.Recommended.InstanceType)
		if err := s.line(l, q, to); err != nil {
			return nil, fmt.Errorf("savings after commitments of %s: %w", l.Name, err)
		}
		all[q] = to
	}
	return s.summary(all)
}

// newSteadyHour makes the hour that holds the as-of instant, or the next one in
// which no commitment begins or ends.
func (a *advisor) newSteadyHour(set *pricing.Commitments) *steadyHour {
	at := a.req.PricesAsOf
	s := &steadyHour{
		a: a, set: set, start: a.m.history.window.End.Truncate(time.Hour), rate: a.m.shop.book.CommitmentRates(at, at),
		place: map[int]int{}, marginal: map[changeKey]money.Amount{},
	}
	for {
		inside := set.Boundaries(s.start, s.start.Add(time.Hour))
		if len(inside) == 0 {
			break
		}
		s.start = inside[len(inside)-1]
	}
	for i, q := range a.m.quotes[:a.m.hosts] {
		r := q.host.record
		if r.Purchase == fleet.PurchaseSpot {
			continue // commitments do not cover it
		}
		s.place[i] = len(s.usages)
		s.usages = append(s.usages, pricing.Usage{
			Host: string(r.Host), Provider: r.Provider, Region: r.Region, Account: r.Account, OS: q.os,
			Spec: q.today.Spec, Running: time.Hour, PerHour: q.today.Contracted, Machine: q.today.Machine,
		})
		s.month = append(s.month, q.today.FullMonth)
	}
	return s
}

func (s *steadyHour) otherCurrency() bool {
	return slices.ContainsFunc(s.set.All(), func(c pricing.Commitment) bool {
		p, err := c.CostPerHour()
		return c.Active(s.start) && err == nil && p.Currency() != s.a.req.Currency
	})
}

// candidateOf is a type among all those of a quote's region.
func (q *quote) candidateOf(instanceType string) *pricing.Candidate {
	i := slices.IndexFunc(q.all, func(c *pricing.Candidate) bool { return c.Spec.InstanceType == instanceType })
	return q.all[i]
}

// hostsOf are the hosts that change with a quote, among the model's quotes.
func (s *steadyHour) hostsOf(q *quote) []int {
	if q.members != nil {
		return q.members
	}
	return []int{slices.Index(s.a.m.quotes, q)}
}

// cost is what the hour comes to when some quotes have other types.
func (s *steadyHour) cost(changed map[*quote]*pricing.Candidate) (hourCost, error) {
	usages, month := slices.Clone(s.usages), slices.Clone(s.month)
	for q, c := range changed {
		for _, i := range s.hostsOf(q) {
			if k, ok := s.place[i]; ok {
				usages[k].Spec, usages[k].PerHour, usages[k].Machine, month[k] = c.Spec, c.Contracted, c.Machine, c.FullMonth
			}
		}
	}
	zero := money.Zero(s.a.req.Currency)
	out := hourCost{zero, zero, zero}
	cover, err := s.set.Apply(s.start, time.Hour, usages, s.rate)
	if err != nil {
		return out, err
	}
	add := func(into *money.Amount, x money.Amount) {
		if err == nil {
			*into, err = into.Add(x)
		}
	}
	for k := range cover.Usages {
		add(&out.onDemand, month[k].Times(cover.Usages[k].OnDemand))
	}
	for _, c := range cover.Commitments {
		add(&out.bought, c.Cost)
		add(&out.unused, c.Unused)
	}
	return out, err
}

// saved is what less an hour on demand comes to; commitments cost what they cost.
func (s *steadyHour) saved(changed map[*quote]*pricing.Candidate) (money.Amount, error) {
	after, err := s.cost(changed)
	if err != nil {
		return money.Amount{}, err
	}
	return s.before.onDemand.Sub(after.onDemand)
}

// line sets what one change alone saves.
func (s *steadyHour) line(l *Recommendation, q *quote, to *pricing.Candidate) error {
	r := q.host.record
	if q.members == nil && r.Purchase == fleet.PurchaseSpot {
		l.MonthlySavingsAfterCommitments, l.AnnualSavingsAfterCommitments = l.MonthlySavings, l.AnnualSavings
		return nil
	}
	key := changeKey{r.Provider, r.Account, r.Region, q.os, r.InstanceType, to.Spec.InstanceType}
	hour, ok := s.marginal[key]
	if !ok || q.members != nil {
		var err error
		if hour, err = s.saved(map[*quote]*pricing.Candidate{q: to}); err != nil {
			return err
		}
		if q.members == nil {
			s.marginal[key] = hour
		}
	}
	month := q.times(hour.Scale(money.Whole(HoursPerMonth)))
	if q.members != nil { // the hour is of today's members, amounts are of their mean number
		month = month.Fraction(money.Whole(1), money.Whole(int64(len(q.members))))
	}
	x, y := month.Round(), month.Scale(money.Whole(12)).Round()
	l.MonthlySavingsAfterCommitments, l.AnnualSavingsAfterCommitments = &x, &y
	if l.MonthlySavings != nil && l.MonthlySavings.Sign() > 0 && x.Sign() <= 0 {
		l.Reasons = append(l.Reasons, reasonCovered)
	}
	return nil
}

// summary is the steady month before and after all changes.
func (s *steadyHour) summary(all map[*quote]*pricing.Candidate) (*CommitmentSummary, error) {
	after, err := s.cost(all)
	if err != nil {
		return nil, fmt.Errorf("savings after commitments: %w", err)
	}
	month := func(x money.Amount) money.Amount { return x.Scale(money.Whole(HoursPerMonth)).Round() }
	total, err := s.before.onDemand.Add(s.before.bought)
	if err != nil {
		return nil, err
	}
	saved, err := s.before.onDemand.Sub(after.onDemand)
	if err != nil {
		return nil, err
	}
	return &CommitmentSummary{
		MonthlyCost: month(total), Commitments: month(s.before.bought), UnusedBefore: month(s.before.unused), UnusedAfter: month(after.unused),
		MonthlySavings: month(saved), HostsWithoutPrice: len(s.a.m.without),
	}, nil
}
