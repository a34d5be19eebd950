package pricing

import (
	"cmp"
	"fmt"
	"math/big"
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
	for i := range usages {
		if usages[i].Running < 0 || usages[i].Running > length {
			return Coverage{}, fmt.Errorf("host %s runs %v in a slot of %v", usages[i].Host, usages[i].Running, length)
		}
		out.Usages[i] = UsageCoverage{Host: usages[i].Host, OnDemand: usages[i].Running}
	}
	if s == nil {
		return out, nil
	}
	for i := range s.list {
		c := &s.list[i]
		if !c.Active(start) {
			continue
		}
		if start.Add(length).After(c.End) {
			return Coverage{}, fmt.Errorf("the slot at %s crosses the end of commitment %s", start.UTC().Format(time.RFC3339), c.ID)
		}
		use, err := c.apply(length, usages, out.Usages, rate)
		if err != nil {
			return Coverage{}, fmt.Errorf("commitment %s: %w", c.ID, err)
		}
		out.Commitments = append(out.Commitments, use)
	}
	return out, nil
}

// matches reports whether the commitment may cover a usage at all.
func (c *Commitment) matches(u *Usage) bool {
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

// draw is a usage that a commitment may cover: what a nanosecond of it takes
// from the commitment's budget, and the price of an hour of cover.
type draw struct {
	at       int // place among the usages
	takes    *big.Rat
	also     *big.Rat // of a second budget; nil without one
	perHour  money.Price
	fraction [2]int64 // of perHour, for other sizes
	order    *big.Rat // lower is first
}

// apply covers what is left of the usages and returns how far it got.
func (c *Commitment) apply(length time.Duration, usages []Usage, left []UsageCoverage, rate RateFunc) (CommitmentUse, error) {
	perHour, err := c.CostPerHour()
	if err != nil {
		return CommitmentUse{}, err
	}
	use := CommitmentUse{Commitment: c.ID, Cost: perHour.Times(length), Used: money.Zero(perHour.Currency())}
	budget, second := c.budget(length)
	draws := c.draws(usages, left, rate)
	slices.SortStableFunc(draws, func(a, b draw) int {
		return cmp.Or(a.order.Cmp(b.order), money.ComparePrices(a.perHour, b.perHour), strings.Compare(usages[a.at].Host, usages[b.at].Host))
	})
	for _, d := range draws {
		u := &left[d.at]
		covered := min(u.OnDemand, lasts(budget, d.takes))
		if d.also != nil {
			covered = min(covered, lasts(second, d.also))
		}
		if covered <= 0 {
			continue
		}
		ns := new(big.Rat).SetInt64(int64(covered))
		budget.Sub(budget, new(big.Rat).Mul(ns, d.takes))
		if d.also != nil {
			second.Sub(second, new(big.Rat).Mul(ns, d.also))
		}
		cost := d.perHour.Times(covered).Fraction(money.Whole(d.fraction[0]), money.Whole(d.fraction[1]))
		if use.Used, err = use.Used.Add(cost); err != nil {
			return CommitmentUse{}, err
		}
		u.OnDemand -= covered
		u.Covering = append(u.Covering, Covering{c.ID, covered, cost})
	}
	use.Unused, err = use.Cost.Sub(use.Used)
	return use, err
}

// lasts returns how many whole nanoseconds a budget lasts.
func lasts(budget, takes *big.Rat) time.Duration {
	q := new(big.Rat).Quo(budget, takes)
	n := new(big.Int).Quo(q.Num(), q.Denom())
	if !n.IsInt64() {
		return 1<<63 - 1
	}
	return time.Duration(n.Int64())
}

// budget returns what the commitment has for the slot: normalized nanoseconds
// of instances, vCPU and GiB nanoseconds, or money times nanoseconds an hour.
func (c *Commitment) budget(length time.Duration) (*big.Rat, *big.Rat) {
	ns := new(big.Rat).SetInt64(int64(length))
	switch c.form() {
	case formResources:
		return new(big.Rat).Mul(ns, c.VCPUs.Decimal().Rat()), new(big.Rat).Mul(ns, c.MemoryGiB.Decimal().Rat())
	case formSpend:
		return new(big.Rat).Mul(ns, c.Spend.Decimal().Rat()), nil
	}
	units := int64(c.Count)
	if c.SizeFlexible {
		f, _ := normalizationOf(c.InstanceType)
		units *= f
	}
	return new(big.Rat).Mul(ns, new(big.Rat).SetInt64(units)), nil
}

// draws returns the usages that the commitment may cover.
func (c *Commitment) draws(usages []Usage, left []UsageCoverage, rate RateFunc) []draw {
	var out []draw
	for i := range usages {
		u := &usages[i]
		if left[i].OnDemand <= 0 || !c.matches(u) {
			continue
		}
		d := draw{at: i, takes: big.NewRat(1, 1), perHour: c.PerHour, fraction: [2]int64{1, 1}, order: new(big.Rat)}
		switch c.form() {
		case formInstances:
			if c.SizeFlexible {
				own, _ := normalizationOf(c.InstanceType)
				its, _ := normalizationOf(u.Spec.InstanceType)
				d.takes, d.order, d.fraction = big.NewRat(its, 1), big.NewRat(its, 1), [2]int64{its, own}
			}
		case formResources:
			if !u.Spec.VCPUs.Known || !u.Spec.MemoryBytes.Known {
				continue
			}
			vcpus := money.Whole(int64(u.Spec.VCPUs.Value))
			if u.Spec.BilledVCPUs.Known {
				vcpus = u.Spec.BilledVCPUs.Value
			}
			gib := big.NewRat(u.Spec.MemoryBytes.Value, 1<<30)
			exact, err := money.NumberOf(money.Whole(u.Spec.MemoryBytes.Value).Decimal().DivRound(money.Whole(1<<30).Decimal(), 12))
			if err != nil || vcpus.Sign() <= 0 || gib.Sign() <= 0 {
				continue
			}
			d.takes, d.also = vcpus.Decimal().Rat(), exact.Decimal().Rat()
			if d.perHour, err = ComponentPrice(ComponentOffer{PerVCPUHour: c.PerVCPUHour, PerGiBHour: c.PerGiBHour}, vcpus, exact, money.Number{}); err != nil {
				continue
			}
		case formSpend:
			r, ok := c.rateOf(u, rate)
			if !ok {
				continue
			}
			d.perHour, d.takes = r, r.Decimal().Rat()
			d.order.Quo(d.takes, u.PerHour.Decimal().Rat()) // the smaller the share that is paid, the larger the discount
		}
		out = append(out, d)
	}
	return out
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
