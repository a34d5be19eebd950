package pricing_test

import (
	"encoding/json"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
)

func usd(t testing.TB, s string) money.Price { return inCurrency(t, s, "USD") }

func inCurrency(t testing.TB, s string, c money.Currency) money.Price {
	t.Helper()
	p, err := money.ParsePrice(s, c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func num(t testing.TB, s string) money.Number {
	t.Helper()
	n, err := money.ParseNumber(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// at reads a date, or a date and an hour.
func at(t testing.TB, s string) time.Time {
	t.Helper()
	for _, form := range []string{time.DateOnly, "2006-01-02 15:04"} {
		if x, err := time.Parse(form, s); err == nil {
			return x
		}
	}
	t.Fatalf("time %q", s)
	return time.Time{}
}

func wantError(t testing.TB, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", parts)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("error %q lacks %q", err, p)
		}
	}
}

// offer is an offer of aws us-east-1 for linux on demand, observed on a day.
func offer(t testing.TB, typ, price, observed string) pricing.Offer {
	t.Helper()
	return pricing.Offer{
		Provider: "aws", Region: "us-east-1", InstanceType: typ, OS: pricing.Linux, Purchase: pricing.OnDemand,
		PerHour: usd(t, price), ObservedAt: at(t, observed), Basis: pricing.Observed, Source: "test",
	}
}

func items(offers ...pricing.Offer) []pricing.Item {
	var out []pricing.Item
	for _, o := range offers {
		out = append(out, pricing.Item{Offer: &o})
	}
	return out
}

// base is a small Base.
type base struct {
	offers     []pricing.Offer
	components []pricing.ComponentOffer
	specs      map[string]pricing.Specification // by "provider type"
	families   map[string]pricing.Specification // by "provider family"
	near       map[string]pricing.Neighbour     // by "provider region to"
	revision   string
	regions    map[string][]string
}

func (b *base) Revision() string {
	if b.revision == "" {
		return "base-1"
	}
	return b.revision
}
func (b *base) Providers() []string { return []string{"aws", "azure", "gcp"} }

func (b *base) Regions(provider string) []string {
	set := slices.Clone(b.regions[provider])
	for _, o := range b.offers {
		if o.Provider == provider {
			set = append(set, o.Region)
		}
	}
	slices.Sort(set)
	return slices.Compact(set)
}

func (b *base) Types(provider string) iter.Seq[string] {
	var names []string
	for k := range b.specs {
		if name, ok := strings.CutPrefix(k, provider+" "); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Values(names)
}

func (b *base) Offers(provider, region, typ string) []pricing.Offer {
	var out []pricing.Offer
	for _, o := range b.offers {
		if o.Provider == provider && o.Region == region && o.InstanceType == typ {
			out = append(out, o)
		}
	}
	return out
}

func (b *base) Components(provider, region, family string) []pricing.ComponentOffer {
	var out []pricing.ComponentOffer
	for _, o := range b.components {
		if o.Provider == provider && o.Region == region && o.Family == family {
			out = append(out, o)
		}
	}
	return out
}

func (b *base) Specification(provider, typ string) (pricing.Specification, bool) {
	s, ok := b.specs[provider+" "+typ]
	return s, ok
}

func (b *base) FamilySpecification(provider, family string) (pricing.Specification, bool) {
	s, ok := b.families[provider+" "+family]
	return s, ok
}

func (b *base) Near(provider, region, to string) (pricing.Neighbour, bool) {
	n, ok := b.near[provider+" "+region+" "+to]
	return n, ok
}

// spec is a current general-purpose type.
func spec(provider, typ, family string, vcpus int, gib float64) pricing.Specification {
	return pricing.Specification{
		Provider: provider, InstanceType: typ,
		Family: pricing.Known(family, "test"), Purpose: pricing.Known("general", "test"), Status: pricing.Known("current", "test"),
		VCPUs: pricing.Known(vcpus, "test"), MemoryBytes: pricing.Known(int64(gib*(1<<30)), "test"), Arch: pricing.Known("x86_64", "test"),
		CPUKind: pricing.Known(pricing.CPUDedicated, "test"), GPUs: pricing.Known(0.0, "test"), LocalDisk: pricing.Known(pricing.LocalDisk{}, "test"),
	}
}

// testBase has three aws types in one region with prices of 2024.
func testBase(t testing.TB) *base {
	return &base{
		offers: []pricing.Offer{
			offer(t, "m5.large", "0.096", "2024-08-09"),
			offer(t, "m5.xlarge", "0.192", "2024-08-09"),
			offer(t, "c5.large", "0.085", "2026-07-20"),
		},
		specs: map[string]pricing.Specification{
			"aws m5.large": spec("aws", "m5.large", "m5", 2, 8), "aws m5.xlarge": spec("aws", "m5.xlarge", "m5", 4, 16),
			"aws c5.large": spec("aws", "c5.large", "c5", 2, 4),
		},
	}
}

func newBook(t testing.TB, o pricing.Options) *pricing.Book {
	t.Helper()
	b, err := pricing.NewBook(o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func query(typ string) pricing.OfferQuery {
	return pricing.OfferQuery{Provider: "aws", Region: "us-east-1", InstanceType: typ, OS: pricing.Linux, Purchase: pricing.OnDemand}
}

func lookup(t testing.TB, b *pricing.Book, q pricing.OfferQuery) pricing.Found {
	t.Helper()
	f, err := b.Lookup(q)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func live(day time.Time, complete bool) pricing.Reading {
	return pricing.Reading{List: "aws list", Provider: "aws", Region: "us-east-1", At: day, Complete: complete}
}

func add(t testing.TB, b *pricing.Book, r pricing.Reading, it []pricing.Item) pricing.Added {
	t.Helper()
	a, err := b.Add(r, it)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func sheet(t testing.TB, name, text string) *pricing.Sheet {
	t.Helper()
	s, err := pricing.ParseSheet(name, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func asJSON(t testing.TB, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
