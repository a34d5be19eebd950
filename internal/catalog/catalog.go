package catalog

import (
	_ "embed" // the catalogue itself
	"fmt"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

//go:embed catalog.bin
var embedded []byte

// Open returns the embedded catalogue. It reads the directory and the checksums
// only; every part is decoded on first use. Each call returns a catalogue of
// its own, so a program opens one and passes it on.
func Open() (*Catalog, error) { return Decode(embedded) }

// Catalog is an immutable set of facts about instance types and their prices.
// All methods may be called by many goroutines at once.
type Catalog struct {
	info       func() Info
	types      func() typeTable
	families   func() map[key]Family
	regions    func() regionTable
	neighbours func() map[[3]string]Neighbour
	components func() componentTable
	prices     map[string]func() *priceTable
	decoders   []func() // decode one part each
	firstErr   atomic.Pointer[error]
}

// key is a provider and a name of its.
type key struct{ provider, name string }

type typeTable struct {
	all   []InstanceType // by provider, then name
	by    map[string][]InstanceType
	index map[key]int // place among the provider's types
}

type regionTable struct {
	all   []Region // by provider, then name
	index map[key]int
}

type componentTable struct {
	all   []Component
	index map[[3]string]int
}

// Decode returns the catalogue held by data, which must stay unchanged as long
// as the catalogue is in use. Damage that the checksums or the directory show
// is an error here; damage behind a right checksum shows when the part is first
// used, see Err.
func Decode(data []byte) (*Catalog, error) {
	sections, err := unpack(data)
	if err != nil {
		return nil, err
	}
	c := &Catalog{prices: make(map[string]func() *priceTable)}
	for _, name := range []string{
		sectionInfo, sectionTypes, sectionFamilies, sectionRegions, sectionNeighbours, sectionComponents,
		sectionPrices + AWS, sectionPrices + Azure, sectionPrices + GCP,
	} {
		if _, ok := sections[name]; !ok {
			return nil, fmt.Errorf("open catalogue: section %s is missing", name)
		}
	}
	c.info = part(c, sections[sectionInfo], decodeInfo)
	c.types = part(c, sections[sectionTypes], func(raw []byte) (typeTable, error) {
		types, err := decodeTypes(raw)
		return newTypeTable(types), err
	})
	c.families = part(c, sections[sectionFamilies], func(raw []byte) (map[key]Family, error) {
		families, err := decodeFamilies(raw)
		return mapped(families, func(f Family) key { return key{f.Provider, f.Name} }, err)
	})
	c.regions = part(c, sections[sectionRegions], func(raw []byte) (regionTable, error) {
		regions, err := decodeRegions(raw)
		index, err := placed(regions, func(r Region) key { return key{r.Provider, r.Name} }, err)
		return regionTable{regions, index}, err
	})
	c.neighbours = part(c, sections[sectionNeighbours], func(raw []byte) (map[[3]string]Neighbour, error) {
		neighbours, err := decodeNeighbours(raw)
		return mapped(neighbours, func(n Neighbour) [3]string { return [3]string{n.FromProvider, n.FromRegion, n.Provider} }, err)
	})
	c.components = part(c, sections[sectionComponents], func(raw []byte) (componentTable, error) {
		components, err := decodeComponents(raw)
		index, err := placed(components, func(p Component) [3]string { return [3]string{p.Region, p.Family, string(p.Purchase)} }, err)
		return componentTable{components, index}, err
	})
	for _, provider := range []string{AWS, Azure, GCP} {
		c.prices[provider] = part(c, sections[sectionPrices+provider], func(raw []byte) (*priceTable, error) {
			return decodePrices(provider, c.types().by[provider], raw)
		})
	}
	return c, nil
}

// part returns a function that decodes a section on its first call. Where that
// fails it gives the zero value and keeps the error for Err.
func part[T any](c *Catalog, s section, decode func(raw []byte) (T, error)) func() T {
	get := sync.OnceValue(func() T {
		raw, err := s.open()
		var v T
		if err == nil {
			v, err = decode(raw)
		}
		if err != nil {
			err = fmt.Errorf("decode catalogue: section %s: %w", s.name, err)
			c.firstErr.CompareAndSwap(nil, &err)
			var zero T
			return zero
		}
		return v
	})
	c.decoders = append(c.decoders, func() { get() })
	return get
}

func newTypeTable(types []InstanceType) typeTable {
	t := typeTable{all: types, by: make(map[string][]InstanceType), index: make(map[key]int, len(types))}
	for _, provider := range []string{AWS, Azure, GCP} {
		t.by[provider] = ofProvider(types, provider)
		for i, typ := range t.by[provider] {
			t.index[key{provider, typ.Name}] = i
		}
	}
	return t
}

// mapped returns the rows by their key and refuses a key that is there twice.
func mapped[K comparable, V any](rows []V, keyOf func(V) K, err error) (map[K]V, error) {
	index, err := placed(rows, keyOf, err)
	m := make(map[K]V, len(rows))
	for k, i := range index {
		m[k] = rows[i]
	}
	return m, err
}

// placed returns the place of each row by its key and refuses a key that is
// there twice.
func placed[K comparable, V any](rows []V, keyOf func(V) K, err error) (map[K]int, error) {
	index := make(map[K]int, len(rows))
	for i, row := range rows {
		k := keyOf(row)
		if _, ok := index[k]; ok && err == nil {
			err = fmt.Errorf("%v is there twice", k)
		}
		index[k] = i
	}
	return index, err
}

// Err returns the first error that any method met while decoding a part, nil if
// there was none. A method whose part is damaged answers as if the part were
// empty. The embedded catalogue has no such part: a test verifies it.
func (c *Catalog) Err() error {
	if err := c.firstErr.Load(); err != nil {
		return *err
	}
	return nil
}

// Verify decodes every part and returns the first error, which names the
// section.
func (c *Catalog) Verify() error {
	for _, decode := range c.decoders {
		decode()
	}
	return c.Err()
}

// Info returns what the catalogue was made of and by which generator. The
// sources are a copy.
func (c *Catalog) Info() Info {
	info := c.info()
	info.Sources = slices.Clone(info.Sources)
	return info
}

// Date returns the newest date of any fact of the catalogue, midnight UTC.
// Prices are mostly older: each offer has a date of its own.
func (c *Catalog) Date() time.Time { return c.info().Date }

// Type returns the specification of an instance type by the provider's exact
// spelling.
func (c *Catalog) Type(provider, name string) (InstanceType, bool) {
	t := c.types()
	i, ok := t.index[key{provider, name}]
	if !ok {
		return InstanceType{}, false
	}
	return t.by[provider][i], true
}

// Types yields the instance types of a provider by name.
func (c *Catalog) Types(provider string) iter.Seq[InstanceType] {
	return slices.Values(c.types().by[provider])
}

// Family returns a family by name. Types without a known family have the empty
// name, which is a family of purpose other on Azure.
func (c *Catalog) Family(provider, family string) (Family, bool) {
	f, ok := c.families()[key{provider, family}]
	return f, ok
}

// Region returns a region by name. A region may be known without any price.
func (c *Catalog) Region(provider, name string) (Region, bool) {
	t := c.regions()
	i, ok := t.index[key{provider, name}]
	if !ok {
		return Region{}, false
	}
	return t.all[i], true
}

// Regions yields the regions of a provider by name.
func (c *Catalog) Regions(provider string) iter.Seq[Region] {
	return func(yield func(Region) bool) {
		for _, r := range c.regions().all {
			if r.Provider == provider && !yield(r) {
				return
			}
		}
	}
}

// NearestRegion returns the region of the provider to that lies nearest to a
// region of another provider.
func (c *Catalog) NearestRegion(provider, region, to string) (Neighbour, bool) {
	n, ok := c.neighbours()[[3]string{provider, region, to}]
	return n, ok
}

// Offers returns the list prices of a type in a region, by operating system and
// purchase option, and nil where none is known. The slice is the caller's.
func (c *Catalog) Offers(provider, region, typ string) []Offer {
	t := c.priceTable(provider)
	if t == nil {
		return nil
	}
	r, ok := t.region[region]
	i, known := c.types().index[key{provider, typ}]
	if !ok || !known {
		return nil
	}
	from, to := t.cell(r, i)
	if from == to {
		return nil
	}
	offers := make([]Offer, 0, to-from)
	for at := from; at < to; at++ {
		offers = append(offers, t.offer(r, i, at))
	}
	return offers
}

// OffersIn yields the list prices of a region by type, operating system and
// purchase option.
func (c *Catalog) OffersIn(provider, region string) iter.Seq[Offer] {
	return func(yield func(Offer) bool) {
		t := c.priceTable(provider)
		if t == nil {
			return
		}
		r, ok := t.region[region]
		if !ok {
			return
		}
		for i := range t.types {
			from, to := t.cell(r, i)
			for at := from; at < to; at++ {
				if !yield(t.offer(r, i, at)) {
					return
				}
			}
		}
	}
}

// PricedRegions returns the names of the regions of a provider that have a
// price, sorted. The slice is the caller's.
func (c *Catalog) PricedRegions(provider string) []string {
	t := c.priceTable(provider)
	if t == nil {
		return nil
	}
	return slices.Clone(t.regions)
}

func (c *Catalog) priceTable(provider string) *priceTable {
	get, ok := c.prices[provider]
	if !ok {
		return nil
	}
	return get()
}

// Component returns the GCP prices of a vCPU-hour and a GiB-hour of a series in
// a region.
func (c *Catalog) Component(region, family string, purchase Purchase) (Component, bool) {
	t := c.components()
	i, ok := t.index[[3]string{region, family, string(purchase)}]
	if !ok {
		return Component{}, false
	}
	return t.all[i], true
}

// Components yields all GCP components by region, series and purchase option.
func (c *Catalog) Components() iter.Seq[Component] { return slices.Values(c.components().all) }
