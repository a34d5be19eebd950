package embedded

import (
	"crypto/sha256"
	"fmt"
	"iter"
	"sync"

	"github.com/leanfleet/leanfleet/internal/catalog"
	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
)

// Source is the source of what the embedded catalogue states.
const Source = "embedded catalogue"

// Base shows a catalogue as what lies beneath a price book. It may be used by
// many goroutines at once.
type Base struct {
	catalog  *catalog.Catalog
	revision func() string
}

// New returns the base that shows c.
func New(c *catalog.Catalog) *Base {
	return &Base{catalog: c, revision: sync.OnceValue(func() string { return revision(c.Info()) })}
}

// revision is the day of the newest fact and a digest of the files that the
// catalogue was made from, and of the generator.
func revision(info catalog.Info) string {
	sum := sha256.New()
	fmt.Fprintln(sum, info.Generator)
	for _, s := range info.Sources {
		fmt.Fprintln(sum, s.Name, s.SHA256)
	}
	return fmt.Sprintf("%s-%x", info.Date.Format("20060102"), sum.Sum(nil)[:4])
}

// Revision identifies the facts.
func (b *Base) Revision() string { return b.revision() }

// Providers returns the three clouds.
func (b *Base) Providers() []string { return []string{catalog.AWS, catalog.Azure, catalog.GCP} }

// Regions returns the known regions of a provider, sorted; one may have no
// price.
func (b *Base) Regions(provider string) []string {
	var names []string
	for r := range b.catalog.Regions(provider) {
		names = append(names, r.Name)
	}
	return names
}

// Types yields the names of the provider's types, sorted.
func (b *Base) Types(provider string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for t := range b.catalog.Types(provider) {
			if !yield(t.Name) {
				return
			}
		}
	}
}

// Offers returns the list prices of a type in a region.
func (b *Base) Offers(provider, region, instanceType string) []pricing.Offer {
	offers := b.catalog.Offers(provider, region, instanceType)
	if len(offers) == 0 {
		return nil
	}
	out := make([]pricing.Offer, len(offers))
	for i, o := range offers {
		purchase, term := purchaseOf(o.Provider, o.Purchase)
		out[i] = pricing.Offer{
			Provider: o.Provider, Region: o.Region, InstanceType: o.Type, OS: o.OS, Purchase: purchase, Term: term,
			PerHour: price(o.PricePerHour), ObservedAt: o.AsOf, Basis: pricing.Basis(o.Basis), Source: Source,
		}
	}
	return out
}

func price(n catalog.Number) money.Price {
	return money.PriceOf(money.FromScaled(n.Mantissa, -int(n.Exponent)), catalog.Currency)
}

// purchaseOf returns a purchase option of the catalogue in the book's words: a
// commitment of GCP is committed use, one of the others reserved.
func purchaseOf(provider string, p catalog.Purchase) (pricing.Purchase, pricing.Term) {
	kind := pricing.Reserved
	if provider == catalog.GCP {
		kind = pricing.CommittedUse
	}
	switch p {
	case catalog.Commitment1:
		return kind, pricing.Term{Years: 1}
	case catalog.Commitment3:
		return kind, pricing.Term{Years: 3}
	}
	return pricing.Purchase(p), pricing.Term{}
}

// Components returns the component prices of a GCP series in a region. The
// catalogue gives them no date of their own; they fit its GCP list prices and
// are of their day.
func (b *Base) Components(provider, region, family string) []pricing.ComponentOffer {
	if provider != catalog.GCP {
		return nil
	}
	var out []pricing.ComponentOffer
	for _, p := range []catalog.Purchase{catalog.OnDemand, catalog.Spot, catalog.Commitment1, catalog.Commitment3} {
		c, ok := b.catalog.Component(region, family, p)
		if !ok {
			continue
		}
		purchase, term := purchaseOf(catalog.GCP, p)
		out = append(out, pricing.ComponentOffer{
			Provider: catalog.GCP, Region: region, Family: family, Purchase: purchase, Term: term,
			PerVCPUHour: price(c.PerVCPUHour), PerGiBHour: price(c.PerGiBHour),
			ObservedAt: b.catalog.Info().NewestAt, Basis: pricing.Derived, Source: Source,
		})
	}
	return out
}

// Specification returns what the catalogue knows of a type.
func (b *Base) Specification(provider, instanceType string) (pricing.Specification, bool) {
	t, ok := b.catalog.Type(provider, instanceType)
	if !ok {
		return pricing.Specification{}, false
	}
	s := pricing.Specification{
		Provider: t.Provider, InstanceType: t.Name,
		VCPUs: known(t.VCPUs), MemoryBytes: known(t.MemoryBytes), GPUs: known(t.GPUs), NetworkGbps: known(t.NetworkGbps),
		NetworkKind: string(t.NetworkKind),
	}
	if t.Arch != "" {
		s.Arch = pricing.Known(t.Arch, Source)
	}
	if t.CPUKind != "" {
		s.CPUKind = pricing.Known(string(t.CPUKind), Source)
	}
	if t.GenerationRank > 0 {
		s.GenerationRank = pricing.Known(t.GenerationRank, Source)
	}
	if v := t.BilledVCPUs; v.OK {
		// The fractions are 0.25, 0.5 and 1: exact in a float.
		if n, err := money.ParseNumber(fmt.Sprint(v.Value)); err == nil {
			s.BilledVCPUs = pricing.Known(n, Source)
		}
	}
	if d := t.LocalDisk; d.State != catalog.DiskUnknown {
		s.LocalDisk = pricing.Known(pricing.LocalDisk{Present: d.State != catalog.DiskNone, GiB: d.GiB}, Source+": "+d.Basis)
	}
	if t.Family != "" {
		s.Family = pricing.Known(t.Family, Source)
		if f, ok := b.FamilySpecification(provider, t.Family); ok {
			s = s.Merge(f)
		}
	}
	return s, true
}

func known[T any](k catalog.Known[T]) pricing.Fact[T] {
	if !k.OK {
		return pricing.Fact[T]{}
	}
	return pricing.Known(k.Value, Source)
}

// FamilySpecification returns what holds for all types of a family.
func (b *Base) FamilySpecification(provider, family string) (pricing.Specification, bool) {
	f, ok := b.catalog.Family(provider, family)
	if !ok {
		return pricing.Specification{}, false
	}
	source := Source
	if f.Source != "" {
		source += ": " + f.Source
	}
	s := pricing.Specification{
		Provider: provider, Family: pricing.Known(family, Source),
		Purpose: pricing.Known(string(f.Purpose), source), Status: pricing.Known(string(f.Status), source),
	}
	if provider == catalog.GCP {
		d := f.SustainedUseDiscount
		s.SustainedUseDiscount = pricing.Known(money.FromScaled(d.Mantissa, -int(d.Exponent)), source)
	}
	return s, true
}

// Near returns the region of another provider that lies nearest to a region.
func (b *Base) Near(provider, region, to string) (pricing.Neighbour, bool) {
	n, ok := b.catalog.NearestRegion(provider, region, to)
	return pricing.Neighbour{Provider: n.Provider, Region: n.Region, KmApprox: n.KmApprox, SameCountry: n.SameCountry}, ok
}
