package rightsizing

import (
	"cmp"
	"fmt"
	"math"

	"github.com/leanfleet/leanfleet/fleet"
)

// terms are the policy of one list of hosts: a rule's, or the request's own.
type terms struct {
	index      int
	name       string
	own        bool // the request's own
	hosts      fleet.Selector
	confidence float64 // 0 is that of the request
	maxRisk    float64
	minSavings float64
	minMonthly float64
	burstable  Burstable
	leftOut    bool
}

// checkRules reads the rules of a request.
func (r *Request) checkRules() error {
	r.terms = nil
	for i := range r.Rules {
		t, err := r.termsOf(&r.Rules[i])
		if err != nil {
			return fmt.Errorf("rule %d (%s): %w", i+1, cmp.Or(r.Rules[i].Name, r.Rules[i].Select), err)
		}
		t.index = i
		r.terms = append(r.terms, t)
	}
	own := &terms{
		index: len(r.Rules), own: true, maxRisk: r.MaxRisk, minSavings: r.MinSavings, minMonthly: r.MinMonthlySavings, burstable: r.Burstable,
	}
	r.terms = append(r.terms, own)
	return own.check()
}

func (r *Request) termsOf(rule *Rule) (*terms, error) {
	sel, err := fleet.ParseSelector(rule.Select)
	if err != nil {
		return nil, err
	}
	t := &terms{
		name: cmp.Or(rule.Name, rule.Select, "all"), hosts: sel, confidence: rule.Confidence, maxRisk: cmp.Or(rule.MaxRisk, r.MaxRisk),
		minSavings: r.MinSavings, minMonthly: r.MinMonthlySavings, burstable: cmp.Or(rule.Burstable, r.Burstable), leftOut: rule.Exclude,
	}
	if rule.MinSavings != nil {
		t.minSavings = *rule.MinSavings
	}
	if rule.MinMonthlySavings != nil {
		t.minMonthly = *rule.MinMonthlySavings
	}
	if t.confidence != 0 && !inside(t.confidence) {
		return nil, fmt.Errorf("confidence %v: must lie above 0 and below 1", t.confidence)
	}
	return t, t.check()
}

// check refuses numbers that make no sense.
func (t *terms) check() error {
	switch {
	case !inside(t.maxRisk) && t.maxRisk != 1:
		return fmt.Errorf("max-risk %v: must lie above 0 and be at most 1", t.maxRisk)
	case math.IsNaN(t.minSavings) || t.minSavings < 0 || t.minSavings >= 1:
		return fmt.Errorf("min-savings %v: must be at least 0 and below 1", t.minSavings)
	case math.IsNaN(t.minMonthly) || t.minMonthly < 0:
		return fmt.Errorf("min-monthly-savings %v: must not be negative", t.minMonthly)
	case t.burstable != BurstableKeep && t.burstable != BurstableAllow && t.burstable != BurstableExclude:
		return fmt.Errorf("burstable %q: use keep, allow or exclude", t.burstable)
	}
	return nil
}

// termsFor is the policy that holds for a host: that of the first rule that
// matches.
func (r *Request) termsFor(x *fleet.Record) *terms {
	for _, t := range r.terms {
		if t.own || t.hosts.Matches(x) {
			return t
		}
	}
	return nil
}

// worthwhile says whether a candidate saves as much as a change has to.
func (t *terms) worthwhile(q *quote, j int) bool {
	saved := q.list[0].price - q.list[j].price
	return saved >= t.minSavings*q.list[0].price-1e-12 && saved*q.hosts()*HoursPerMonth >= t.minMonthly-1e-9
}
