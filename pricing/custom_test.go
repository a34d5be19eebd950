package pricing_test

import (
	"errors"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/pricing"
)

func components(t testing.TB, family string, custom bool, cpu, gib, extended string) pricing.ComponentOffer {
	t.Helper()
	c := pricing.ComponentOffer{
		Provider: "gcp", Region: "us-central1", Family: family, Purchase: pricing.OnDemand, Custom: custom,
		PerVCPUHour: usd(t, cpu), PerGiBHour: usd(t, gib), ObservedAt: at(t, "2026-07-20"), Basis: pricing.Observed, Source: "list",
	}
	if extended != "" {
		c.PerExtendedGiBHour = usd(t, extended)
	}
	return c
}

func TestCustomMachineTypes(t *testing.T) {
	b := newBook(t, pricing.Options{Base: &base{
		components: []pricing.ComponentOffer{components(t, "n2", false, "0.03", "0.004", ""), components(t, "e2", false, "0.02", "0.003", ""), components(t, "n1", false, "0.03", "0.004", ""),
			components(t, "c9", false, "0.03", "0.004", "")},
		regions:  map[string][]string{"gcp": {"us-central1"}},
		families: map[string]pricing.Specification{"gcp n2": {SustainedUseDiscount: pricing.Known(num(t, "0.2"), "test"), Status: pricing.Known("current", "test")}},
	}})
	f := func(typ, want string, basis pricing.Basis) {
		t.Helper()
		got, err := b.Lookup(pricing.OfferQuery{Provider: "gcp", Region: "us-central1", InstanceType: typ})
		if err != nil || got.List.PerHour != usd(t, want) || got.List.Basis != basis {
			t.Errorf("%s: %s %s, %v; want %s %s", typ, got.List.PerHour, got.List.Basis, err, want, basis)
		}
	}
	// Only predefined rates: (4 x 0.03 + 16 x 0.004) x 1.05, said to be inferred.
	f("n2-custom-4-16384", "0.1932", pricing.Inferred)
	f("custom-2-8192", "0.0966", pricing.Inferred)         // N1: (0.06 + 0.032) x 1.05
	f("e2-custom-2-4096", "0.052", pricing.Inferred)       // 2 x 0.02 + 4 x 0.003
	f("e2-custom-small-3072", "0.019", pricing.Inferred)   // 0.5 x 0.02 + 3 x 0.003
	f("e2-custom-micro-1536", "0.0095", pricing.Inferred)  // 0.25 x 0.02 + 1.5 x 0.003
	f("n2-custom-4-16384-ext", "0.1932", pricing.Inferred) // no memory beyond 8 GiB a vCPU
	for _, typ := range []string{"c9-custom-4-16384", "n2-custom-4-65536-ext", "n2-custom-x-1", "n2-custom-4", "n2-custom-0-1024", "n2-custom-4--1"} {
		if got, err := b.Lookup(pricing.OfferQuery{Provider: "gcp", Region: "us-central1", InstanceType: typ}); !errors.Is(err, pricing.ErrNoPrice) {
			t.Errorf("%s: %s, %v", typ, got.List.PerHour, err)
		}
	}
	if _, err := b.Lookup(pricing.OfferQuery{Provider: "gcp", Region: "us-central1", InstanceType: "n2-custom-4-16384", OS: pricing.Windows}); !errors.Is(err, pricing.ErrNoPrice) {
		t.Error(err)
	}
	// Live custom rates replace the inference.
	reading := pricing.Reading{List: "gcp", Provider: "gcp", Region: "us-central1", At: at(t, "2026-08-01"), Complete: true}
	custom, predefined := components(t, "n2", true, "0.033", "0.0045", "0.0096"), components(t, "n2", false, "0.03", "0.004", "")
	a := add(t, b, reading, []pricing.Item{{Component: &custom}, {Component: &predefined}})
	if a.New != 2 || len(a.Refused) != 0 {
		t.Fatalf("%+v", a)
	}
	f("n2-custom-4-16384", "0.204", pricing.Derived)      // 4 x 0.033 + 16 x 0.0045
	f("n2-custom-4-40960-ext", "0.3528", pricing.Derived) // + 32 GiB at 0.0045 and 8 at 0.0096
	offers, err := b.Offers("gcp", "us-central1", "n2-custom-4-16384", time.Time{}, time.Time{})
	if err != nil || len(offers) != 1 {
		t.Errorf("%d, %v", len(offers), err)
	}
	s, ok := b.Specification("gcp", "n2-custom-4-16384")
	if !ok || s.VCPUs.Value != 4 || s.MemoryBytes.Value != 16<<30 || s.SustainedUseDiscount.Value != num(t, "0.2") || !s.IsCurrent() {
		t.Errorf("%s", asJSON(t, s))
	}
	if s, ok := b.Specification("gcp", "e2-custom-small-3072"); !ok || s.VCPUs.Value != 2 || s.BilledVCPUs.Value != num(t, "0.5") || s.CPUKind.Value != pricing.CPUBurstable || s.BurstBaseline.Value != num(t, "0.25") {
		t.Errorf("%s", asJSON(t, s))
	}
	c, err := b.Components(pricing.OfferQuery{Region: "us-central1", Purchase: pricing.OnDemand}, "n2", false)
	if err != nil || c.PerVCPUHour != usd(t, "0.03") {
		t.Errorf("%+v, %v", c, err)
	}
	if c, err := b.Components(pricing.OfferQuery{Region: "us-central1", Purchase: pricing.OnDemand}, "n2", true); err != nil || !c.Custom {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := b.Components(pricing.OfferQuery{Region: "us-central1", Purchase: pricing.Spot}, "n2", true); !errors.Is(err, pricing.ErrNoPrice) {
		t.Error(err)
	}
	if a := add(t, b, reading, nil); a.Gone != 2 {
		t.Errorf("%+v", a)
	}
}

func TestCustomSize(t *testing.T) {
	f := func(name string, vcpus int, gib float64, ok bool) {
		t.Helper()
		n, memory, known := pricing.CustomSize(name)
		if n != vcpus || float64(memory) != gib*(1<<30) || known != ok {
			t.Errorf("%s: %d vCPUs, %d bytes, %v", name, n, memory, known)
		}
	}
	f("custom-2-5120", 2, 5, true)
	f("n2-custom-4-16384", 4, 16, true)
	f("n2-custom-4-16896-ext", 4, 16.5, true)
	f("e2-custom-small-3072", 2, 3, true)
	f("n2-standard-4", 0, 0, false)
	f("n2-custom-4", 0, 0, false)
	f("custom-0-1024", 0, 0, false)
}
