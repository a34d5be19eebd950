package pricing

import (
	"maps"
	"slices"
)

// Providers returns the names of the providers that the book knows, sorted.
func (b *Book) Providers() []string {
	set := make(map[string]bool)
	for _, p := range b.base.Providers() {
		set[p] = true
	}
	for _, r := range b.Readings() {
		set[r.Provider] = true
	}
	for k := range b.sheet.specs {
		set[k[0]] = true
	}
	for _, m := range []sheetPrices{b.sheet.prices, b.sheet.lists} {
		for c := range m {
			set[c.provider] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// Regions returns the regions of a provider that the book knows, sorted. The
// slice is the caller's.
func (b *Book) Regions(provider string) []string {
	set := make(map[string]bool)
	for _, list := range [][]string{b.base.Regions(provider), b.livePlaces(provider)} {
		for _, r := range list {
			set[r] = true
		}
	}
	for _, m := range []sheetPrices{b.sheet.prices, b.sheet.lists} {
		for c := range m {
			if c.provider == provider && c.region != "" {
				set[c.region] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// Types returns the instance types of a provider that the book knows, sorted.
// It looks into what was read of every region. The slice is the caller's.
func (b *Book) Types(provider string) []string { return b.types(provider, "", true) }

// types returns the types that the base and the sheets know of a provider and
// the readings know of one region, or of all.
func (b *Book) types(provider, region string, all bool) []string {
	set := make(map[string]bool)
	for t := range b.base.Types(provider) {
		set[t] = true
	}
	for k := range b.sheet.specs {
		if k[0] == provider {
			set[k[1]] = true
		}
	}
	for _, m := range []sheetPrices{b.sheet.prices, b.sheet.lists} {
		for c := range m {
			if c.provider == provider {
				set[c.typ] = true
			}
		}
	}
	b.ledger.mu.RLock()
	defer b.ledger.mu.RUnlock()
	for at := range b.ledger.slots {
		if at.provider != provider || (!all && at.region != region && at.region != "") {
			continue
		}
		// A place that cannot be read says so when a price in it is asked for.
		shelf, err := b.ledger.shelf(at)
		if err != nil {
			continue
		}
		for k, h := range shelf.offers {
			if h[0].batch <= b.seen() {
				set[k.typ] = true
			}
		}
		for t, h := range shelf.specs {
			if h[0].batch <= b.seen() {
				set[t] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// NearestTypes returns up to n type names of a provider that a misspelt name
// may have meant, best first; with the empty provider, of all providers.
func (b *Book) NearestTypes(provider, name string, n int) []string {
	providers := []string{provider}
	if provider == "" {
		providers = b.Providers()
	}
	var names []string
	for _, p := range providers {
		names = append(names, b.Types(p)...)
	}
	return nearest(names, name, n)
}

// NearestRegions returns up to n region names of a provider that a misspelt
// name may have meant, best first.
func (b *Book) NearestRegions(provider, name string, n int) []string {
	return nearest(b.Regions(provider), name, n)
}

// Near returns the region of another provider that lies nearest to a region. It
// is false where nobody knows.
func (b *Book) Near(provider, region, to string) (Neighbour, bool) {
	if provider == to {
		return Neighbour{Provider: to, Region: region, SameCountry: true}, true
	}
	return b.base.Near(provider, region, to)
}
