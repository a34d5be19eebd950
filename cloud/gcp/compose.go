package gcp

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
)

// composer makes items of the rates of a region.
type composer struct {
	region  string
	at      time.Time
	rates   map[rateKey]rate
	skipped map[string]int
}

// plan is how something is bought.
type plan struct {
	purchase pricing.Purchase
	years    int
}

var plans = [...]plan{
	{pricing.OnDemand, 0}, {pricing.Spot, 0}, {pricing.CommittedUse, 1}, {pricing.CommittedUse, 3},
}

func (o plan) term() pricing.Term { return pricing.Term{Years: o.years} }

// get returns a rate that is not in doubt.
func (c *composer) get(p part, name string, custom bool, o plan) (rate, bool) {
	r, ok := c.rates[rateKey{part: p, name: name, custom: custom, purchase: o.purchase, years: o.years}]
	return r, ok && !r.clash
}

// sorted returns the keys of the rates in order, and counts those in doubt.
func (c *composer) sorted(parts ...part) []rateKey {
	keys := slices.Collect(maps.Keys(c.rates))
	keys = slices.DeleteFunc(keys, func(k rateKey) bool { return !slices.Contains(parts, k.part) })
	slices.SortFunc(keys, func(a, b rateKey) int {
		return cmp.Or(cmp.Compare(a.part, b.part), cmp.Compare(a.name, b.name), cmp.Compare(a.purchase, b.purchase), cmp.Compare(a.years, b.years))
	})
	return keys
}

// singles yields what one SKU prices: disks, addresses, f1-micro and g1-small.
// It is false where the consumer has enough.
func (c *composer) singles(put func(pricing.Item) bool) bool {
	for _, r := range c.rates {
		if r.clash {
			c.skipped[skipAmbiguous]++
		}
	}
	licences := c.licences()
	for _, k := range c.sorted(partMachine, partLocalSSD, partDisk, partIdle, partInUse) {
		r := c.rates[k]
		if r.clash || (k.part == partLocalSSD && k.purchase != pricing.OnDemand) {
			continue
		}
		item := c.single(k, r)
		if !put(item) {
			return false
		}
		// Both show one vCPU; their licences have a price of their own.
		if k.part == partMachine && !c.withLicences(licences, item.Offer, 1, put) {
			return false
		}
	}
	return true
}

func (c *composer) single(k rateKey, r rate) pricing.Item {
	switch k.part {
	case partMachine:
		return pricing.Item{Offer: &pricing.Offer{
			Provider: pricing.GCP, Region: c.region, InstanceType: k.name, OS: pricing.Linux, Purchase: k.purchase,
			Term: pricing.Term{Years: k.years}, PerHour: r.price, ValidFrom: r.start, ObservedAt: c.at, Basis: pricing.Observed, Source: sourceName,
		}}
	case partIdle, partInUse:
		return pricing.Item{Address: &pricing.AddressOffer{
			Provider: pricing.GCP, Region: c.region, PerHour: r.price, Idle: k.part == partIdle,
			ValidFrom: r.start, ObservedAt: c.at, Basis: pricing.Observed, Source: sourceName,
		}}
	}
	disk := k.name
	if k.part == partLocalSSD {
		disk = strings.TrimSuffix("local-ssd-"+k.name, "-")
	}
	return pricing.Item{Storage: &pricing.StorageOffer{
		Provider: pricing.GCP, Region: c.region, DiskType: disk, PerGiBMonth: r.price,
		ValidFrom: r.start, ObservedAt: c.at, Basis: pricing.Observed, Source: sourceName,
	}}
}

// component returns the rates of a series under a purchase option, both of
// which have to be known.
func (c *composer) component(name string, custom bool, o plan) (pricing.ComponentOffer, bool) {
	if name == "m2" {
		return c.m2(o)
	}
	core, ok := c.get(partCore, name, custom, o)
	if !ok {
		return pricing.ComponentOffer{}, false
	}
	ram, ok := c.get(partRAM, name, custom, o)
	if !ok {
		return pricing.ComponentOffer{}, false
	}
	offer := pricing.ComponentOffer{
		Provider: pricing.GCP, Region: c.region, Family: name, Purchase: o.purchase, Term: o.term(), Custom: custom,
		PerVCPUHour: core.price, PerGiBHour: ram.price, ValidFrom: later(core.start, ram.start), ObservedAt: c.at,
		Basis: pricing.Observed, Source: sourceName,
	}
	if extended, ok := c.get(partExtended, name, custom, o); ok {
		offer.PerExtendedGiBHour = extended.price
	}
	return offer, true
}

// m2 returns the rates of M2: those of M1 and a premium, which there is on
// demand only.
func (c *composer) m2(o plan) (pricing.ComponentOffer, bool) {
	offer, ok := c.component("m1", false, o)
	if !ok {
		return offer, false
	}
	offer.Family, offer.Basis, offer.Source = "m2", pricing.Derived, sourceName+": M1 and the M2 premium"
	for _, p := range []struct {
		part part
		into *money.Price
	}{{partCore, &offer.PerVCPUHour}, {partRAM, &offer.PerGiBHour}} {
		premium, known := c.rates[rateKey{part: p.part, name: "m2", premium: true, purchase: o.purchase, years: o.years}]
		if !known || premium.clash {
			return offer, false
		}
		sum, err := p.into.Add(premium.price)
		if err != nil {
			return offer, false
		}
		*p.into, offer.ValidFrom = sum, later(offer.ValidFrom, premium.start)
	}
	return offer, true
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// components yields the rates of all series. It is false where the consumer
// has enough.
func (c *composer) components(put func(pricing.Item) bool) bool {
	for _, k := range c.sorted(partCore) {
		offer, ok := c.component(k.name, k.custom, plan{k.purchase, k.years})
		if ok && !put(pricing.Item{Component: &offer}) {
			return false
		}
	}
	return true
}

// sharedCore are the vCPUs that E2's shared-core types are priced as; each
// shows 2.
var sharedCore = map[string]money.Number{
	"e2-micro":  money.FromScaled(25, 2),
	"e2-small":  money.FromScaled(5, 1),
	"e2-medium": money.Whole(1),
}

// typeGPUs are the models of the GPUs that come with types, by the beginning of
// their names.
var typeGPUs = []struct{ prefix, model string }{
	{"a2-highgpu-", "a100"}, {"a2-megagpu-", "a100"}, {"a2-ultragpu-", "a100-80gb"}, {"g2-", "l4"},
}

// machine is a machine type with what its price depends on.
type machine struct {
	name, series string
	vcpus, gib   money.Number
	gpus, ssdGiB money.Number
	gpuModel     string
}

// machineOf reads a specification. The reason is why the type cannot be priced.
func machineOf(s *pricing.Specification) (m machine, reason string) {
	m.name = s.InstanceType
	m.series, _, _ = strings.Cut(m.name, "-")
	if m.name == "m4-ultramem-224" {
		m.series = m.name
	}
	if !s.VCPUs.Known || !s.MemoryBytes.Known || !s.GPUs.Known || !s.LocalDisk.Known || s.VCPUs.Value <= 0 || s.MemoryBytes.Value <= 0 {
		return m, skipFacts
	}
	m.vcpus = money.Whole(int64(s.VCPUs.Value))
	if billed, ok := sharedCore[m.name]; ok {
		m.vcpus = billed
	}
	if s.BilledVCPUs.Known {
		m.vcpus = s.BilledVCPUs.Value
	}
	var err error
	if m.gib, err = gib(s.MemoryBytes.Value); err != nil {
		return m, skipFacts
	}
	if s.LocalDisk.Value.Present {
		if m.ssdGiB, err = money.NumberOf(decimal.NewFromFloat(s.LocalDisk.Value.GiB)); err != nil || m.ssdGiB.Sign() <= 0 {
			return m, skipFacts
		}
	}
	if s.GPUs.Value == 0 {
		return m, ""
	}
	if m.gpus, err = money.NumberOf(decimal.NewFromFloat(s.GPUs.Value)); err != nil || m.gpus.Sign() < 0 {
		return m, skipFacts
	}
	for _, t := range typeGPUs {
		if strings.HasPrefix(m.name, t.prefix) {
			m.gpuModel = t.model
			return m, ""
		}
	}
	return m, skipNoGPU
}

// gib returns bytes in GiB: exactly for whole MiB, as providers count, else to
// six decimals, as a catalogue in GiB has rounded them.
func gib(bytes int64) (money.Number, error) {
	places := int32(6)
	if bytes%(1<<20) == 0 {
		places = 10
	}
	return money.NumberOf(decimal.NewFromInt(bytes).DivRound(decimal.NewFromInt(1<<30), places))
}

// machines yields the offers of machine types. It is false where the consumer
// has enough.
func (c *composer) machines(types iter.Seq[pricing.Specification], put func(pricing.Item) bool) bool {
	if types == nil {
		return true
	}
	licences := c.licences()
	seen := make(map[string]bool)
	for s := range types {
		if s.Provider != pricing.GCP || seen[s.InstanceType] || strings.Contains(s.InstanceType, "custom") || s.InstanceType == "f1-micro" || s.InstanceType == "g1-small" {
			continue
		}
		seen[s.InstanceType] = true
		m, reason := machineOf(&s)
		priced := false
		for _, o := range plans {
			if reason != "" {
				break
			}
			offer, ok := c.offer(&m, o)
			if !ok {
				continue
			}
			priced = true
			if !put(pricing.Item{Offer: &offer}) {
				return false
			}
			if mayBeLicensed(&s) && !c.withLicences(licences, &offer, s.VCPUs.Value, put) {
				return false
			}
		}
		if reason == "" && !priced {
			reason = skipNoRate
		}
		if reason != "" {
			c.skipped[reason]++
		}
	}
	return true
}

// offer composes the price of a type under a purchase option. It is false
// where a rate is missing.
func (c *composer) offer(m *machine, o plan) (pricing.Offer, bool) {
	rates, ok := c.component(m.series, false, o)
	if !ok {
		return pricing.Offer{}, false
	}
	price, err := pricing.ComponentPrice(rates, m.vcpus, m.gib, money.Number{})
	if err != nil {
		return pricing.Offer{}, false
	}
	start, source := rates.ValidFrom, sourceName+": vCPU and memory"
	add := func(r rate, p money.Price, what string) bool {
		price, err = price.Add(p)
		start, source = later(start, r.start), source+what
		return err == nil
	}
	if !m.gpus.IsZero() {
		r, ok := c.get(partGPU, m.gpuModel, false, o)
		if !ok || !add(r, r.price.Scale(m.gpus), ", GPU") {
			return pricing.Offer{}, false
		}
	}
	if !m.ssdGiB.IsZero() {
		r, ok := c.get(partLocalSSD, m.series, false, o)
		if !ok {
			r, ok = c.get(partLocalSSD, "", false, o)
		}
		if !ok || !add(r, r.price.Scale(m.ssdGiB).Over(money.Whole(pricing.HoursPerMonth)), ", local SSD") {
			return pricing.Offer{}, false
		}
	}
	return pricing.Offer{
		Provider: pricing.GCP, Region: c.region, InstanceType: m.name, OS: pricing.Linux, Purchase: o.purchase, Term: o.term(),
		PerHour: price, ValidFrom: start, ObservedAt: c.at, Basis: pricing.Derived, Source: source,
	}, true
}
