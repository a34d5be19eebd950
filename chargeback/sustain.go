package chargeback

import (
	"errors"
	"fmt"
	"time"

	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
)

// share says how a sustained-use discount came about.
type share struct {
	before time.Duration
	month  time.Duration
	rule   pricing.SustainedUse
	grown  bool // a part of it began later than the host did
}

// pool is what shares one count of sustained use.
type pool struct {
	region, family string
	month          time.Time
}

// earned is how long a host used each vCPU and each byte of memory on demand
// since a month began.
type earned struct{ vcpus, memory heights }

// heights are amounts of a resource, from the bottom up, and how long each was
// used: the more of it a host has, the later it began to use the uppermost.
type heights []height

type height struct {
	amount int64
	used   time.Duration
}

// charge returns what an amount of the resource costs at a price an hour for all
// of it, used for some time after what was used before; that is counted in.
func (h *heights) charge(amount int64, rule pricing.SustainedUse, perHour money.Price, month, d time.Duration) (sum money.Amount, grown bool) {
	sum = money.Zero(perHour.Currency())
	left, out := amount, make(heights, 0, len(*h)+1)
	take := func(n int64, used time.Duration) {
		cost := rule.Charge(perHour, month, used, d)
		if n != amount {
			cost = cost.Fraction(money.Whole(n), money.Whole(amount))
			grown = true
		}
		sum = mustAdd(sum, cost)
		left -= n
		out = append(out, height{n, used + d})
	}
	for _, x := range *h {
		switch {
		case left == 0:
			out = append(out, x)
		case x.amount <= left:
			take(x.amount, x.used)
		default:
			take(left, x.used)
			out = append(out, height{x.amount - out[len(out)-1].amount, x.used})
		}
	}
	if left > 0 {
		take(left, 0)
	}
	*h = out.joined()
	return sum, grown
}

// joined puts neighbours together that were used for the same time.
func (h heights) joined() heights {
	out := h[:0]
	for _, x := range h {
		if n := len(out); n > 0 && out[n-1].used == x.used {
			out[n-1].amount += x.amount
			continue
		}
		out = append(out, x)
	}
	return out
}

// sustain works out what a piece costs where no commitment covers it, given what
// its host used before; it counts the piece in.
func (b *bill) sustain(x *piece, before map[pool]*earned) error {
	onDemand := x.length() - x.coveredFor
	counts := x.known && x.line != nil
	if counts && x.coveredFor > 0 {
		x.effective = x.quote.contracted.Times(onDemand)
	}
	if x.what.provider != pricing.GCP || x.what.purchase != pricing.OnDemand || x.known && x.quote.machine.IsZero() {
		return nil
	}
	s := b.specification(x.what.provider, x.what.name)
	rule := pricing.SustainedUseOf(s)
	if rule.Of == 0 {
		return nil
	}
	m := b.plan.month(x.Start)
	k := pool{x.what.region, s.Family.Value, m.Start}
	e := before[k]
	if e == nil {
		e = &earned{}
		before[k] = e
	}
	x.share = share{month: m.Duration(), rule: rule}
	if len(e.vcpus) > 0 {
		x.share.before = e.vcpus[0].used
	}
	vcpus, memory := resources(s)
	ofVCPUs, grown := e.vcpus.charge(vcpus, rule, x.quote.machine, m.Duration(), onDemand)
	ofMemory, _ := e.memory.charge(memory, rule, x.quote.machine, m.Duration(), onDemand)
	x.share.grown = grown
	if !counts {
		return nil
	}
	// Both would be what the piece costs if all of its price were that of one of
	// the two: where they differ, each counts by its part of the price.
	x.effective = ofMemory
	if diff, err := ofVCPUs.Sub(ofMemory); err != nil {
		return err
	} else if diff.Sign() != 0 {
		part, whole, err := b.vcpuPart(x, s)
		if err != nil {
			return err
		}
		x.effective = mustAdd(x.effective, diff.Fraction(part, whole))
	}
	x.effective = mustAdd(x.effective, x.licence(onDemand))
	return nil
}

// licence is what the licence in a piece's price costs for a time: it is paid in
// full.
func (x *piece) licence(d time.Duration) money.Amount {
	whole, machine := x.quote.contracted.Times(d), x.quote.machine.Times(d)
	out, err := whole.Sub(machine)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return out
}

// resources returns the vCPUs that a type is priced as, in millionths, and its
// bytes of memory; 1 where they are not known.
func resources(s *pricing.Specification) (vcpus, memory int64) {
	n := money.Whole(1)
	switch {
	case s.BilledVCPUs.Known:
		n = s.BilledVCPUs.Value
	case s.VCPUs.Known:
		n = money.Whole(int64(s.VCPUs.Value))
	}
	m, decimals := n.Scaled()
	for ; decimals < 6; decimals++ {
		m *= 10
	}
	for ; decimals > 6; decimals-- {
		m /= 10
	}
	return max(m, 1), max(s.MemoryBytes.Value, 1)
}

// vcpuPart returns the part of a type's price that is for its vCPUs, over the
// whole: by the newest known prices of the series' vCPUs and memory. Where
// nobody knows these, all of it is.
func (b *bill) vcpuPart(x *piece, s *pricing.Specification) (part, whole money.Number, err error) {
	c, err := b.components(x.what.region, s.Family.Value)
	if errors.Is(err, pricing.ErrNoPrice) {
		return money.Whole(1), money.Whole(1), nil
	}
	if err != nil {
		return part, whole, fmt.Errorf("split the price of %s: %w", x.what.name, err)
	}
	vcpus, memory := resources(s)
	ofVCPUs := c.PerVCPUHour.Scale(money.FromScaled(vcpus, 6))
	both, err := ofVCPUs.Add(c.PerGiBHour.Scale(money.FromScaled(memory>>10, 0)).Over(money.Whole(1 << 20)))
	return ofVCPUs.Number(), both.Number(), err
}

// components are the newest known prices of a series' vCPUs and memory.
func (b *bill) components(region, family string) (pricing.ComponentOffer, error) {
	k := [2]string{region, family}
	if have, ok := b.series[k]; ok {
		return have.offer, have.err
	}
	c, err := b.plan.book.Components(pricing.OfferQuery{Provider: pricing.GCP, Region: region, Purchase: pricing.OnDemand, AsOf: b.plan.req.PricesAsOf}, family, false)
	b.series[k] = componentsFound{c, err}
	return c, err
}

type componentsFound struct {
	offer pricing.ComponentOffer
	err   error
}
