package pricing

import "iter"

// Base is what lies beneath a book: the facts that are there before anything
// was read. All methods may be called by many goroutines at once, are cheap to
// call for one type, and decode what they need on first use.
type Base interface {
	// Revision identifies the facts: equal revisions hold equal facts.
	Revision() string
	// Providers returns the names of the providers with facts.
	Providers() []string
	// Regions returns the known regions of a provider, sorted.
	Regions(provider string) []string
	// Types yields the names of the provider's instance types, sorted.
	Types(provider string) iter.Seq[string]
	// Offers returns the list prices of a type in a region. The slice is the
	// caller's.
	Offers(provider, region, instanceType string) []Offer
	// Components returns the component prices of a series in a region.
	Components(provider, region, family string) []ComponentOffer
	// Specification returns what is known of a type.
	Specification(provider, instanceType string) (Specification, bool)
	// FamilySpecification returns what holds for all types of a family.
	FamilySpecification(provider, family string) (Specification, bool)
	// Near returns the region of another provider that lies nearest to a
	// region.
	Near(provider, region, to string) (Neighbour, bool)
}

// Neighbour is the region of another provider that lies nearest to a region.
type Neighbour struct {
	Provider    string `json:"provider"`
	Region      string `json:"region"`
	KmApprox    int    `json:"km_approx"`
	SameCountry bool   `json:"same_country"`
}

// noBase is what lies beneath a book that was made without a Base.
type noBase struct{}

func (noBase) Revision() string                                   { return "" }
func (noBase) Providers() []string                                { return nil }
func (noBase) Regions(string) []string                            { return nil }
func (noBase) Types(string) iter.Seq[string]                      { return func(func(string) bool) {} }
func (noBase) Offers(string, string, string) []Offer              { return nil }
func (noBase) Components(string, string, string) []ComponentOffer { return nil }
func (noBase) Specification(string, string) (Specification, bool) { return Specification{}, false }
func (noBase) FamilySpecification(string, string) (Specification, bool) {
	return Specification{}, false
}
func (noBase) Near(string, string, string) (Neighbour, bool) { return Neighbour{}, false }
