package pricing

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/leanfleet/leanfleet/money"
)

// customType is a custom machine type of GCP read from its name:
// n2-custom-4-16384, custom-2-8192 (N1), e2-custom-small-3072, with -ext for
// extended memory.
type customType struct {
	family    string
	vcpus     int
	billed    money.Number // vCPUs that are priced
	shared    bool
	memoryMiB int64
	extended  bool
}

// sharedCore are the shared-core sizes of E2 and the vCPUs they are priced as;
// each shows 2.
var sharedCore = map[string]money.Number{
	"micro":  money.FromScaled(25, 2),
	"small":  money.FromScaled(5, 1),
	"medium": money.Whole(1),
}

func parseCustom(name string) (customType, bool) {
	family, rest, ok := strings.Cut(name, "-custom-")
	if !ok {
		if rest, ok = strings.CutPrefix(name, "custom-"); !ok {
			return customType{}, false
		}
		family = "n1"
	}
	c := customType{family: family}
	rest, c.extended = strings.CutSuffix(rest, "-ext")
	cpus, memory, ok := strings.Cut(rest, "-")
	if !ok {
		return customType{}, false
	}
	mib, err := strconv.ParseInt(memory, 10, 64)
	if err != nil || mib <= 0 || mib > 1<<25 {
		return customType{}, false
	}
	c.memoryMiB = mib
	if billed, ok := sharedCore[cpus]; ok && family == "e2" {
		c.vcpus, c.billed, c.shared = 2, billed, true
		return c, true
	}
	n, err := strconv.Atoi(cpus)
	if err != nil || n <= 0 || n > 1<<12 {
		return customType{}, false
	}
	c.vcpus, c.billed = n, money.Whole(int64(n))
	return c, true
}

const customSource = "name of the custom machine type"

func (c customType) specification() Specification {
	s := Specification{
		Family:      Known(c.family, customSource),
		VCPUs:       Known(c.vcpus, customSource),
		MemoryBytes: Known(c.memoryMiB<<20, customSource),
		CPUKind:     Known(CPUDedicated, customSource),
		GPUs:        Known(0.0, customSource),
		LocalDisk:   Known(LocalDisk{}, customSource),
	}
	if c.shared {
		s.CPUKind, s.BilledVCPUs = Known(CPUBurstable, customSource), Known(c.billed, customSource)
	}
	return s
}

// gib returns the memory in GiB, exactly.
func (c customType) gib() money.Number {
	// A MiB is 1/1024 GiB: ten binary places are ten decimal ones.
	return money.FromScaled(c.memoryMiB*9765625, 10)
}

// customPremium is about what custom types of these series cost beside
// predefined ones, by which they are priced where only predefined rates are
// known: such a price is inferred, and a list that has the custom rates
// replaces it. Series that are not here are not priced from predefined rates.
var customPremium = map[string]money.Number{
	"n1": money.FromScaled(105, 2),
	"n2": money.FromScaled(105, 2), "n2d": money.FromScaled(105, 2), "n4": money.FromScaled(105, 2),
	"e2": money.Whole(1),
}

// ComponentPrice returns the price per hour of a number of vCPUs and GiB at
// component rates: vCPUs x vCPU rate + GiB x GiB rate, of which extended GiB at
// the extended rate.
func ComponentPrice(c ComponentOffer, vcpus, gib, extendedGiB money.Number) (money.Price, error) {
	sum, err := c.PerVCPUHour.Scale(vcpus).Add(c.PerGiBHour.Scale(gib))
	if err != nil || extendedGiB.IsZero() {
		return sum, err
	}
	if c.PerExtendedGiBHour.IsZero() {
		return money.Price{}, fmt.Errorf("%w of extended memory of series %s in %s", ErrNoPrice, c.Family, c.Region)
	}
	return sum.Add(c.PerExtendedGiBHour.Scale(extendedGiB))
}

// ratioGiB is the most memory per vCPU that is not extended, in GiB.
var ratioGiB = map[string]money.Number{
	"n1": money.FromScaled(65, 1), "n2": money.Whole(8), "n2d": money.Whole(8), "n4": money.Whole(8), "e2": money.Whole(8),
}

// lookCustom prices a custom machine type from the components of its series.
func (b *Book) lookCustom(p *pick, q *OfferQuery) error {
	c, ok := parseCustom(q.InstanceType)
	if !ok || q.OS != Linux {
		return nil
	}
	var all []layered[ComponentOffer]
	fits := func(o *ComponentOffer) bool {
		return o.Family == c.family && o.Purchase == q.Purchase && o.Term == q.Term
	}
	if err := b.eachComponent(q.Region, c.family, func(o ComponentOffer, l Layer) {
		if fits(&o) {
			all = append(all, layered[ComponentOffer]{o, l, spanOfOffer(&Offer{ValidFrom: o.ValidFrom, ObservedAt: o.ObservedAt})})
		}
	}); err != nil {
		return err
	}
	best, f := bestOf(b.order, p.m, all, func(x, y *ComponentOffer) int { return number(y.Custom) - number(x.Custom) })
	if f == fitNone {
		return nil
	}
	rates, source, basis := best.value, best.value.Source+": components", Derived
	if !rates.Custom {
		premium, ok := customPremium[c.family]
		if !ok {
			return nil
		}
		rates.PerVCPUHour, rates.PerGiBHour = rates.PerVCPUHour.Scale(premium), rates.PerGiBHour.Scale(premium)
		source, basis = fmt.Sprintf("%s: predefined components x %s, the custom rates are not known", best.value.Source, premium), Inferred
	}
	extended := money.Number{}
	gib := c.gib()
	if most := ratioGiB[c.family].Decimal().Mul(c.billed.Decimal()); c.extended && gib.Decimal().GreaterThan(most) {
		within, err := money.NumberOf(most)
		if err != nil {
			return err
		}
		if extended, err = money.NumberOf(gib.Decimal().Sub(most)); err != nil {
			return err
		}
		gib = within
	}
	price, err := ComponentPrice(rates, c.billed, gib, extended)
	if err != nil {
		return err
	}
	p.fit, p.start = f, best.span.start
	p.found.List = Offer{
		Provider: q.Provider, Region: q.Region, InstanceType: q.InstanceType, OS: q.OS, Purchase: q.Purchase, Term: q.Term, PerHour: price,
		ValidFrom: best.value.ValidFrom, ObservedAt: best.value.ObservedAt, Basis: basis, Source: source,
	}
	p.found.Layer, p.found.LastSeen = best.layer, best.value.ObservedAt
	return nil
}

// eachComponent calls f for the component prices of a series in a region.
func (b *Book) eachComponent(region, family string, f func(o ComponentOffer, l Layer)) error {
	for _, o := range b.base.Components(GCP, region, family) {
		f(o, LayerEmbedded)
	}
	b.ledger.mu.RLock()
	defer b.ledger.mu.RUnlock()
	shelf, err := b.ledger.shelf(place{GCP, region})
	if err != nil || shelf == nil {
		return err
	}
	for k, h := range shelf.components {
		for _, s := range h.upTo(b.seen()) {
			if k.family == family && !s.gone {
				f(s.value, LayerLive)
			}
		}
	}
	return nil
}

// customKeys returns the offers that a custom type may have.
func (b *Book) customKeys(c customType, region string) []offerKey {
	var keys []offerKey
	name := fmt.Sprintf("%s-custom", c.family)
	// A place that cannot be read says so in the lookup of each key.
	_ = b.eachComponent(region, c.family, func(o ComponentOffer, _ Layer) {
		keys = append(keys, offerKey{typ: name, os: Linux, purchase: o.Purchase, term: o.Term})
	})
	slices.SortFunc(keys, compareOfferKeys)
	return slices.Compact(keys)
}

// Components returns the newest component prices of a series in a region under
// a purchase option, custom ones where asked for and known, by the rules of
// [Book.Lookup].
func (b *Book) Components(q OfferQuery, family string, custom bool) (ComponentOffer, error) {
	var all []layered[ComponentOffer]
	err := b.eachComponent(q.Region, family, func(o ComponentOffer, l Layer) {
		if o.Purchase == q.Purchase && o.Term == q.Term && (custom || !o.Custom) {
			all = append(all, layered[ComponentOffer]{o, l, spanOfOffer(&Offer{ValidFrom: o.ValidFrom, ObservedAt: o.ObservedAt})})
		}
	})
	if err != nil {
		return ComponentOffer{}, err
	}
	best, f := bestOf(b.order, momentOf(&q), all, func(x, y *ComponentOffer) int { return number(y.Custom) - number(x.Custom) })
	if f == fitNone || (f == fitLater && q.Strict) {
		return ComponentOffer{}, fmt.Errorf("%w of the components of series %q in %s", ErrNoPrice, family, q.Region)
	}
	return best.value, nil
}
