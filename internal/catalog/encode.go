package catalog

import (
	"cmp"
	"fmt"
	"slices"
)

// Source is everything a catalogue is encoded from. The order of the rows does
// not matter.
type Source struct {
	Info       Info
	Types      []InstanceType
	Families   []Family
	Regions    []Region
	Neighbours []Neighbour
	Components []Component
	Offers     []Offer
}

// Encode returns the catalogue of the source in the form that Decode reads. The
// same source gives the same bytes. It refuses rows that are there twice,
// prices of types that are missing and figures that it cannot hold exactly; the
// generator refuses the rest with file and line. The source is not changed.
func Encode(s Source) ([]byte, error) {
	types := slices.Clone(s.Types)
	slices.SortFunc(types, func(a, b InstanceType) int {
		return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Name, b.Name))
	})
	families := slices.Clone(s.Families)
	slices.SortFunc(families, func(a, b Family) int {
		return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Name, b.Name))
	})
	regions := slices.Clone(s.Regions)
	slices.SortFunc(regions, func(a, b Region) int {
		return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Name, b.Name))
	})
	neighbours := slices.Clone(s.Neighbours)
	slices.SortFunc(neighbours, func(a, b Neighbour) int {
		return cmp.Or(cmp.Compare(a.FromProvider, b.FromProvider), cmp.Compare(a.FromRegion, b.FromRegion), cmp.Compare(a.Provider, b.Provider))
	})
	components := slices.Clone(s.Components)
	slices.SortFunc(components, func(a, b Component) int {
		return cmp.Or(cmp.Compare(a.Region, b.Region), cmp.Compare(a.Family, b.Family), cmp.Compare(a.Purchase, b.Purchase))
	})

	raw := map[string][]byte{sectionInfo: encodeInfo(s.Info), sectionNeighbours: encodeNeighbours(neighbours)}
	names := []string{sectionInfo, sectionTypes, sectionFamilies, sectionRegions, sectionNeighbours, sectionComponents}
	var err error
	keep := func(name string, b []byte, e error) {
		raw[name] = b
		if e != nil && err == nil {
			err = fmt.Errorf("encode section %s: %w", name, e)
		}
	}
	for _, step := range []struct {
		name   string
		encode func() ([]byte, error)
	}{
		{sectionTypes, func() ([]byte, error) { return encodeTypes(types) }},
		{sectionFamilies, func() ([]byte, error) { return encodeFamilies(families) }},
		{sectionRegions, func() ([]byte, error) { return encodeRegions(regions) }},
		{sectionComponents, func() ([]byte, error) { return encodeComponents(components) }},
	} {
		b, e := step.encode()
		keep(step.name, b, e)
	}
	offers := make(map[string][]Offer)
	for _, o := range s.Offers {
		offers[o.Provider] = append(offers[o.Provider], o)
	}
	for _, provider := range []string{AWS, Azure, GCP} {
		b, e := encodePrices(ofProvider(types, provider), offers[provider])
		keep(sectionPrices+provider, b, e)
		names = append(names, sectionPrices+provider)
		delete(offers, provider)
	}
	if err != nil {
		return nil, err
	}
	for provider := range offers {
		return nil, fmt.Errorf("encode prices: unknown provider %q", provider)
	}
	data, err := pack(names, raw)
	if err != nil {
		return nil, fmt.Errorf("encode catalogue: %w", err)
	}
	// What nobody can read back must not be written.
	c, err := Decode(data)
	if err != nil {
		return nil, err
	}
	return data, c.Verify()
}

// ofProvider returns the run of a provider in types sorted by provider.
func ofProvider(types []InstanceType, provider string) []InstanceType {
	from, _ := slices.BinarySearchFunc(types, provider, func(t InstanceType, p string) int { return cmp.Compare(t.Provider, p) })
	to := from
	for to < len(types) && types[to].Provider == provider {
		to++
	}
	return types[from:to]
}
