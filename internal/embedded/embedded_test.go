package embedded_test

import (
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/internal/catalog"
	"github.com/leanfleet/leanfleet/internal/embedded"
	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
)

func price(t testing.TB, s string) money.Price {
	t.Helper()
	p, err := money.ParsePrice(s, "USD")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAnchorPrices(t *testing.T) {
	b := openBook(t)
	f := func(provider, region, typ string, purchase pricing.Purchase, term pricing.Term, want, date string) {
		t.Helper()
		got, err := b.Lookup(pricing.OfferQuery{Provider: provider, Region: region, InstanceType: typ, OS: pricing.Linux, Purchase: purchase, Term: term})
		if err != nil || got.List.PerHour != price(t, want) || got.List.ObservedAt.Format(time.DateOnly) != date || got.Layer != pricing.LayerEmbedded || got.List.Source != embedded.Source {
			t.Errorf("%s %s: %+v, %v", region, typ, got, err)
		}
	}
	f("aws", "us-east-1", "m5.large", pricing.OnDemand, pricing.Term{}, "0.096", "2026-07-20")
	f("azure", "eastus", "Standard_D2s_v3", pricing.OnDemand, pricing.Term{}, "0.096", "2026-06-18")
	f("gcp", "us-central1", "n1-standard-1", pricing.OnDemand, pricing.Term{}, "0.0475", "2026-07-20")
	three, err := b.Lookup(pricing.OfferQuery{Provider: "gcp", Region: "us-central1", InstanceType: "n2-standard-4", Purchase: pricing.CommittedUse, Term: pricing.Term{Years: 3}})
	if err != nil || three.List.PerHour.Sign() <= 0 {
		t.Errorf("%+v, %v", three, err)
	}
	if got, err := b.Lookup(pricing.OfferQuery{Provider: "aws", Region: "us-east-1", InstanceType: "m5.large", At: time.Date(2013, 8, 1, 0, 0, 0, 0, time.UTC)}); err != nil || got.PriceBasis != pricing.NearestLater {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := b.Lookup(pricing.OfferQuery{Provider: "aws", Region: "us-east-1", InstanceType: "m5.large", OS: pricing.Windows}); !errors.Is(err, pricing.ErrNoPrice) {
		t.Errorf("%v", err)
	}
}

// Every price of the catalogue is in the book, and commitments and spot are
// nowhere above on demand.
func TestEveryOfferIsShown(t *testing.T) {
	c, err := catalog.Open()
	if err != nil {
		t.Fatal(err)
	}
	base := embedded.New(c)
	total := 0
	for _, p := range base.Providers() {
		for _, r := range base.Regions(p) {
			for typ := range base.Types(p) {
				offers := base.Offers(p, r, typ)
				total += len(offers)
				var demand money.Price
				for _, o := range offers {
					if o.Purchase == pricing.OnDemand {
						demand = o.PerHour
					}
				}
				for _, o := range offers {
					if o.PerHour.Sign() <= 0 || (!demand.IsZero() && money.ComparePrices(o.PerHour, demand) > 0) || o.Purchase.Committed() != (o.Term.Years > 0) {
						t.Fatalf("%+v beside %s on demand", o, demand)
					}
				}
			}
		}
	}
	if total != 149347 {
		t.Errorf("%d offers, want 149,347", total)
	}
}

func TestSpecificationsOfEachKind(t *testing.T) {
	b := openBook(t)
	get := func(provider, typ string) *pricing.Specification {
		t.Helper()
		s, ok := b.Specification(provider, typ)
		if !ok {
			t.Fatalf("%s %s is unknown", provider, typ)
		}
		raw, err := json.Marshal(s)
		var back pricing.Specification
		if err != nil || json.Unmarshal(raw, &back) != nil {
			t.Errorf("%s, %v", raw, err)
		}
		return s
	}
	if s := get("aws", "m5.large"); s.VCPUs.Value != 2 || s.MemoryBytes.Value != 8<<30 || s.Arch.Value != "x86_64" || !s.IsCurrent() || s.NetworkKind != pricing.NetworkBaseline ||
		s.Hypervisor.Value != pricing.HypervisorNitro || !s.LocalDisk.Known || s.LocalDisk.Value.Present {
		t.Errorf("%+v", s)
	}
	if s := get("gcp", "e2-micro"); s.BilledVCPUs.Value.String() != "0.25" || s.CPUKind.Value != pricing.CPUBurstable || s.BurstBaseline.Value.String() != "0.125" || !s.SustainedUseDiscount.Known {
		t.Errorf("%+v", s)
	}
	if s := get("azure", "Standard_A1"); s.VCPUs.Known || s.Status.Value != "retired" || s.NetworkGbps.Known {
		t.Errorf("%+v", s)
	}
	if s := get("azure", "Standard_D4ds_v6"); !s.TemporaryDisk.Value || s.DiskInterface.Value != pricing.DiskNVMe || !slices.Equal(s.ImageGenerations.Value, []string{"2"}) {
		t.Errorf("%+v", s)
	}
	if s := get("aws", "m5d.large"); !s.LocalDisk.Value.Present || s.LocalDisk.Value.GiB == 0 {
		t.Errorf("%+v", s)
	}
	base := embedded.New(mustOpen(t))
	if _, ok := base.Specification("aws", "nonsense"); ok {
		t.Error("nonsense is a type")
	}
	if _, ok := base.FamilySpecification("aws", "nonsense"); ok {
		t.Error("nonsense is a family")
	}
	if base.Offers("aws", "us-east-1", "nonsense") != nil || base.Components("aws", "us-east-1", "m5") != nil || len(base.Components("gcp", "us-central1", "n2")) != 4 {
		t.Error("offers or components")
	}
}

// The network figures that the facts hold are baselines on AWS, which the
// specification then knows as such, and maxima on GCP, which say nothing of a
// baseline; disk limits nobody told.
func TestNetworkAndDiskFigures(t *testing.T) {
	b := openBook(t)
	baselines := map[string]int{}
	for _, provider := range []string{"aws", "azure", "gcp"} {
		for typ := range embedded.New(mustOpen(t)).Types(provider) {
			s, ok := b.Specification(provider, typ)
			if !ok {
				t.Fatal(typ)
			}
			if s.NetworkBaselineGbps.Known {
				baselines[provider]++
				if s.NetworkBaselineGbps.Value <= 0 || s.NetworkBaselineGbps.Value != s.NetworkGbps.Value || s.NetworkBaselineGbps.Source == "" {
					t.Errorf("%s: %+v of %+v", typ, s.NetworkBaselineGbps, s.NetworkGbps)
				}
			}
			if s.DiskBytesPerSecond.Known || s.DiskIOPS.Known || s.AcceleratedNetworking.Known {
				t.Errorf("%s: %+v %+v %+v", typ, s.DiskBytesPerSecond, s.DiskIOPS, s.AcceleratedNetworking)
			}
		}
	}
	if len(baselines) != 1 || baselines["aws"] != 1320 {
		t.Errorf("%v", baselines)
	}
	if s, _ := b.Specification("aws", "m5.large"); s.NetworkBaselineGbps.Value != 0.75 {
		t.Errorf("%+v", s.NetworkBaselineGbps)
	}
	if s, _ := b.Specification("gcp", "n2-standard-4"); !s.NetworkGbps.Known || s.NetworkKind == pricing.NetworkBaseline {
		t.Errorf("%+v %s", s.NetworkGbps, s.NetworkKind)
	}
}

func mustOpen(t testing.TB) *catalog.Catalog {
	t.Helper()
	c, err := catalog.Open()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Predefined types cost what their components do.
func TestComponentsPriceTypes(t *testing.T) {
	b := openBook(t)
	c, err := b.Components(pricing.OfferQuery{Region: "us-central1", Purchase: pricing.OnDemand}, "n2", false)
	if err != nil {
		t.Fatal(err)
	}
	got, err := pricing.ComponentPrice(c, money.Whole(4), money.Whole(16), money.Number{})
	if err != nil {
		t.Fatal(err)
	}
	list, err := b.Lookup(pricing.OfferQuery{Provider: "gcp", Region: "us-central1", InstanceType: "n2-standard-4"})
	if err != nil {
		t.Fatal(err)
	}
	ratio := got.Decimal().Div(list.List.PerHour.Decimal()).InexactFloat64()
	if ratio < 0.9999 || ratio > 1.0001 {
		t.Errorf("components %s, list %s", got, list.List.PerHour)
	}
}

func TestNeighboursAndEquivalents(t *testing.T) {
	b := openBook(t)
	n, ok := b.Near("aws", "us-east-1", "gcp")
	if !ok || n.Region != "us-east4" || n.KmApprox != 10 || !n.SameCountry {
		t.Errorf("%+v", n)
	}
	got, err := b.Equivalents(pricing.EquivalentQuery{Provider: "aws", Region: "us-east-1", InstanceType: "m5.xlarge",
		Targets: []pricing.Target{{Provider: "azure", Region: "eastus2"}, {Provider: "gcp", Region: "us-east4"}}})
	if err != nil || len(got) != 10 {
		t.Fatalf("%d, %v", len(got), err)
	}
	for _, m := range got {
		if m.Spec.VCPUs.Value != 4 || m.Spec.MemoryBytes.Value != 16<<30 || !m.Spec.IsCurrent() || m.Spec.Arch.Value != "x86_64" || len(m.Reasons) == 0 {
			t.Errorf("%s: %v", m.Spec.InstanceType, m.Reasons)
		}
	}
	if got[0].Spec.InstanceType != "Standard_D4as_v5" {
		t.Errorf("%s", got[0].Spec.InstanceType)
	}
}

func TestRevisionNamesTheFacts(t *testing.T) {
	x, y := embedded.New(mustOpen(t)), embedded.New(mustOpen(t))
	if x.Revision() == "" || x.Revision() != y.Revision() {
		t.Errorf("%q, %q", x.Revision(), y.Revision())
	}
}

func TestManyAtOnce(t *testing.T) {
	b := openBook(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			q := pricing.OfferQuery{Provider: "aws", Region: "us-east-1", InstanceType: "m5.large"}
			if _, err := b.Lookup(q); err != nil {
				t.Error(err)
			}
			if _, err := b.Candidates(pricing.CandidateQuery{Provider: "gcp", Region: "us-central1", Demand: pricing.Demand{VCPUs: 2}}); err != nil {
				t.Error(err)
			}
			if _, ok := b.Specification("azure", "Standard_D2s_v3"); !ok {
				t.Error("unknown")
			}
			spot := pricing.Offer{Provider: "aws", Region: "us-east-1", InstanceType: "m5.large", OS: "linux", Purchase: pricing.Spot, PerHour: price(t, "0.03"), Basis: pricing.Observed, Source: "t"}
			if _, err := b.Add(pricing.Reading{List: "spot", Provider: "aws", Region: "us-east-1", At: time.Unix(int64(1800000000+i), 0)}, []pricing.Item{{Offer: &spot}}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}
