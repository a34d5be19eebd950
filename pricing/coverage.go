package pricing

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/money"
)

// Usage is a host that ran on demand in a slot of time.
type Usage struct {
	Host     string
	Provider string
	Region   string
	Account  string
	OS       string
	Spec     *Specification
	// Running is how long it ran in the slot.
	Running time.Duration
	// PerHour is what an hour costs on demand, contracted.
	PerHour money.Price
	// Machine is the part of it on which sustained use is discounted, see
	// [Found.Machine]; no price is all of it with Linux and none of it with an
	// operating system whose licence it holds.
	Machine money.Price
}

// machine is the part of the price on which sustained use is discounted, no price
// where that is none.
func (u *Usage) machine() money.Price {
	if u.Machine.IsZero() && !Licensed(u.OS) {
		return u.PerHour
	}
	return u.Machine
}

// Covering is the part of a usage that a commitment covers.
type Covering struct {
	Commitment string        `json:"commitment"`
	Covered    time.Duration `json:"covered_ns"`
	Cost       money.Amount  `json:"cost"` // exact, out of what the commitment costs
}

// UsageCoverage says who pays for a usage.
type UsageCoverage struct {
	Host     string
	Covering []Covering
	// OnDemand is the time that no commitment covers; it is paid at the price on
	// demand, less what the host gets by itself.
	OnDemand time.Duration
}

// CommitmentUse says how far a commitment was used in a slot. Used and Unused
// sum exactly to what it costs in the slot.
type CommitmentUse struct {
	Commitment string
	Cost       money.Amount
	Used       money.Amount
	Unused     money.Amount
}

// Coverage is how commitments apply to the usages of a slot.
type Coverage struct {
	Usages      []UsageCoverage // in the order of the usages given
	Commitments []CommitmentUse // those active in the slot, in the order applied
}

// RateFunc returns what an hour of a usage costs under a spend commitment, and
// false where nobody knows: the usage is not covered then.
type RateFunc func(c *Commitment, u *Usage) (money.Price, bool)

// Boundaries returns the instants in a window at which a commitment begins or
// ends, in order: slots must be cut there.
func (s *Commitments) Boundaries(from, to time.Time) []time.Time {
	var out []time.Time
	if s == nil {
		return nil
	}
	for i := range s.list {
		for _, t := range []time.Time{s.list[i].Start, s.list[i].End} {
			if t.After(from) && t.Before(to) {
				out = append(out, t.UTC())
			}
		}
	}
	slices.SortFunc(out, time.Time.Compare)
	return slices.CompactFunc(out, time.Time.Equal)
}

// Apply applies the commitments to the usages of a slot that begins at start
// and is length long. Providers bill by the clock hour, so a slot is one clock
// hour, or a row of them in which every usage runs the whole time and nothing
// changes: the result scales. No slot crosses a boundary.
//
// Commitments are applied in their order. Instances cover usages of their type
// by host; size-flexible ones cover the family from the smallest size to the
// largest, then by host; resources cover hosts of their series by host as long
// as both vCPUs and memory last; spend covers the usages of the largest
// discount first, then of the lower rate, then by host. Each covers what those
// before it left. What a commitment covers is whole nanoseconds.
func (s *Commitments) Apply(start time.Time, length time.Duration, usages []Usage, rate RateFunc) (Coverage, error) {
	out := Coverage{Usages: make([]UsageCoverage, len(usages))}
	order := make([]int, len(usages))
	for i := range usages {
		if usages[i].Running < 0 || usages[i].Running > length {
			return Coverage{}, fmt.Errorf("host %s runs %v in a slot of %v", usages[i].Host, usages[i].Running, length)
		}
		out.Usages[i] = UsageCoverage{Host: usages[i].Host, OnDemand: usages[i].Running}
		order[i] = i
	}
	slices.SortStableFunc(order, func(x, y int) int { return strings.Compare(usages[x].Host, usages[y].Host) })
	a, uses := s.Applier(rate), make([]Use, len(usages))
	for i, at := range order {
		uses[i] = Use{a.Kind(&usages[at]), usages[at].Running}
	}
	t := tally{}
	room := make([]Covering, 0, len(usages)) // for the first covering of each
	err := a.Slot(start, length, uses, func(i int, c *Cover, covered time.Duration) {
		u := &out.Usages[order[i]]
		u.OnDemand -= covered
		v := Covering{c.Commitment.ID, covered, t.add(c, covered)}
		if u.Covering == nil && len(room) < cap(room) {
			room = append(room, v)
			u.Covering = room[len(room)-1 : len(room) : len(room)]
			return
		}
		u.Covering = append(u.Covering, v)
	})
	if err != nil {
		return Coverage{}, err
	}
	out.Commitments, err = s.uses(start, length, t)
	return out, err
}

// uses says how far the commitments that are active at a time were used.
func (s *Commitments) uses(start time.Time, length time.Duration, t tally) ([]CommitmentUse, error) {
	var out []CommitmentUse
	for i := range s.All() {
		c := &s.list[i]
		if !c.Active(start) {
			continue
		}
		perHour, err := c.CostPerHour()
		if err != nil {
			return nil, fmt.Errorf("commitment %s: %w", c.ID, err)
		}
		use := CommitmentUse{Commitment: c.ID, Cost: perHour.Times(length)}
		if use.Used, err = t.used(c, perHour.Currency()); err != nil {
			return nil, fmt.Errorf("commitment %s: %w", c.ID, err)
		}
		if use.Unused, err = use.Cost.Sub(use.Used); err != nil {
			return nil, fmt.Errorf("commitment %s: %w", c.ID, err)
		}
		out = append(out, use)
	}
	return out, nil
}

// tally counts how often which time was covered by what: most usages of a kind
// are covered for the same time.
type tally map[tallied]*tallyCount

type tallied struct {
	cover   *Cover
	covered time.Duration
}

type tallyCount struct {
	times int64
	cost  money.Amount // of each
}

// add counts a covering and returns its cost.
func (t tally) add(c *Cover, covered time.Duration) money.Amount {
	k := tallied{c, covered}
	n := t[k]
	if n == nil {
		n = &tallyCount{cost: c.Cost(covered)}
		t[k] = n
	}
	n.times++
	return n.cost
}

// used returns what was covered of a commitment.
func (t tally) used(c *Commitment, currency money.Currency) (money.Amount, error) {
	sum := money.Zero(currency)
	for k, n := range t {
		if k.cover.Commitment != c {
			continue
		}
		var err error
		if sum, err = sum.Add(n.cost.Scale(money.Whole(n.times))); err != nil {
			return money.Amount{}, err
		}
	}
	return sum, nil
}

// Covers reports whether the commitment may cover a usage at all, as far as
// provider, region, account, operating system, type and family say. A commitment
// to spend needs a rate for it besides.
func (c *Commitment) Covers(u *Usage) bool {
	os := c.OS
	if c.form() != formSpend {
		os = cmp.Or(os, Linux)
	}
	if u.Spec == nil || c.Provider != u.Provider || (c.Region != "" && c.Region != u.Region) ||
		(c.Account != "" && c.Account != u.Account) || (os != "" && os != u.OS) {
		return false
	}
	if c.form() == formInstances {
		if !c.SizeFlexible {
			return u.Spec.InstanceType == c.InstanceType
		}
		own, _, _ := strings.Cut(c.InstanceType, ".")
		family, _, _ := strings.Cut(u.Spec.InstanceType, ".")
		_, sized := normalizationOf(u.Spec.InstanceType)
		return sized && own == family
	}
	return c.Family == "" || (u.Spec.Family.Known && u.Spec.Family.Value == c.Family)
}

// rateOf returns the rate of a usage under a spend commitment. A rate above the
// price on demand, or in another currency, covers nothing.
func (c *Commitment) rateOf(u *Usage, rate RateFunc) (money.Price, bool) {
	r := u.PerHour.Less(c.Percent)
	if c.Percent.IsZero() {
		var ok bool
		if rate == nil {
			return r, false
		}
		if r, ok = rate(c, u); !ok {
			return r, false
		}
	}
	ok := r.Sign() > 0 && u.PerHour.Sign() > 0 && r.Currency() == c.Spend.Currency() && r.Currency() == u.PerHour.Currency() && r.Number().Cmp(u.PerHour.Number()) <= 0
	return r, ok
}

// CommitmentRates returns the rates of spend commitments from the book: the
// savings-plan or committed-use offer of the usage's type with the commitment's
// term, valid at a time.
func (b *Book) CommitmentRates(at, asOf time.Time) RateFunc {
	return func(c *Commitment, u *Usage) (money.Price, bool) {
		f, err := b.Lookup(OfferQuery{Provider: u.Provider, Region: u.Region, InstanceType: u.Spec.InstanceType, OS: u.OS, Purchase: c.Kind, Term: c.Term, At: at, AsOf: asOf})
		return f.Contracted, err == nil
	}
}
