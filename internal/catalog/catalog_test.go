package catalog

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shopspring/decimal"
)

// opened returns the embedded catalogue.
func opened(t testing.TB) *Catalog {
	t.Helper()
	c, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestEmbeddedVerifies(t *testing.T) {
	c := opened(t)
	if err := c.Verify(); err != nil {
		t.Fatal(err)
	}
	if len(embedded) > 1_500_000 {
		t.Errorf("the catalogue has %d bytes, at most 1.5 MB are allowed", len(embedded))
	}
	info := c.Info()
	if info.Generator == "" || len(info.Sources) != 6 || !c.Date().Equal(info.Date) || info.Date.Before(info.NewestAt) || info.NewestAt.Before(info.OldestAt) {
		t.Errorf("info %+v", info)
	}
	for _, s := range info.Sources {
		if len(s.SHA256) != 64 || s.Rows == 0 {
			t.Errorf("source %+v", s)
		}
	}
}

// TestEmbeddedCounts holds the counts that docs/catalog.md states.
func TestEmbeddedCounts(t *testing.T) {
	c := opened(t)
	f := func(provider string, types, priced, regions, offers int) {
		t.Helper()
		n := 0
		for range c.Types(provider) {
			n++
		}
		g := 0
		for r := range c.Regions(provider) {
			if r.Provider != provider {
				t.Errorf("%s among the regions of %s", r.Name, provider)
			}
			g++
		}
		o := 0
		for _, region := range c.PricedRegions(provider) {
			for range c.OffersIn(provider, region) {
				o++
			}
		}
		if n != types || len(c.PricedRegions(provider)) != priced || g != regions || o != offers {
			t.Errorf("%s: %d types, %d priced of %d regions, %d offers", provider, n, len(c.PricedRegions(provider)), g, o)
		}
	}
	f(AWS, 1377, 30, 36, 15277)
	f(Azure, 1778, 57, 57, 65045)
	f(GCP, 528, 43, 43, 69025)
	f("ibm", 0, 0, 0, 0)
}

func TestEmbeddedAnchors(t *testing.T) {
	c := opened(t)
	f := func(provider, region, typ string, purchase Purchase, price, asOf string, basis Basis) {
		t.Helper()
		for _, o := range c.Offers(provider, region, typ) {
			if o.Purchase != purchase {
				continue
			}
			if o.PricePerHour.String() != price || o.AsOf.Format(time.DateOnly) != asOf || o.Basis != basis ||
				o.OS != "linux" || o.Currency != "USD" || o.Provider != provider || o.Region != region || o.Type != typ {
				t.Errorf("%s: %+v", typ, o)
			}
			if o.PricePerHour.Decimal().Cmp(decimal.RequireFromString(price)) != 0 {
				t.Errorf("%s: decimal %v", typ, o.PricePerHour.Decimal())
			}
			return
		}
		t.Errorf("%s %s %s has no offer", provider, region, typ)
	}
	f(AWS, "us-east-1", "m5.large", OnDemand, "0.096", "2026-07-20", Observed)
	f(Azure, "eastus", "Standard_D2s_v3", OnDemand, "0.096", "2026-06-18", Observed)
	f(GCP, "us-central1", "n1-standard-1", OnDemand, "0.0475", "2026-07-20", Observed)
	f(AWS, "af-south-1", "c5.12xlarge", OnDemand, "2.736", "2024-08-09", Inferred)
	f(GCP, "us-west2", "m4-megamem-112", Commitment1, "6.785933", "2026-07-20", Observed)
}

func TestTypeOfEachKind(t *testing.T) {
	c := opened(t)
	m5, ok := c.Type(AWS, "m5.large")
	want := InstanceType{
		Provider: AWS, Name: "m5.large", Family: "m5", VCPUs: KnownAs(2), MemoryBytes: KnownAs[int64](8 << 30), Arch: "x86_64",
		CPUKind: CPUDedicated, GPUs: KnownAs(0.0), NetworkGbps: KnownAs(0.75), NetworkKind: NetworkBaseline,
		LocalDisk: m5.LocalDisk, GenerationRank: 5,
	}
	if !ok || m5 != want || m5.LocalDisk.State != DiskNone || m5.LocalDisk.Basis == "" {
		t.Errorf("m5.large: %+v", m5)
	}
	a0, ok := c.Type(Azure, "Basic_A0")
	if !ok || a0.VCPUs.OK || a0.MemoryBytes.OK || a0.NetworkGbps.OK || a0.NetworkKind != "" || a0.LocalDisk.State != DiskUnknown {
		t.Errorf("what is unknown must say so: %+v", a0)
	}
	micro, ok := c.Type(GCP, "e2-micro")
	if !ok || micro.CPUKind != CPUBurstable || micro.VCPUs != KnownAs(2) || micro.BilledVCPUs != KnownAs(0.25) || micro.NetworkKind != NetworkMaximum {
		t.Errorf("e2-micro: %+v", micro)
	}
	if flex, _ := c.Type(AWS, "m7i-flex.large"); flex.CPUKind != CPUShared {
		t.Errorf("m7i-flex.large: %+v", flex)
	}
	if g4, _ := c.Type(GCP, "g4-standard-6"); g4.GPUs != KnownAs(0.125) {
		t.Errorf("g4-standard-6: %+v", g4)
	}
	for _, k := range [][2]string{{AWS, "M5.large"}, {Azure, "m5.large"}, {"", ""}, {"ibm", "m5.large"}} {
		if typ, ok := c.Type(k[0], k[1]); ok || typ != (InstanceType{}) {
			t.Errorf("%v: %+v", k, typ)
		}
	}
}

func TestFamilyRegionNeighbour(t *testing.T) {
	c := opened(t)
	n1, ok := c.Family(GCP, "n1")
	if !ok || n1.SustainedUseDiscount.String() != "0.3" || n1.Purpose != PurposeGeneral || n1.Source == "" || n1.AsOf.IsZero() {
		t.Errorf("n1: %+v", n1)
	}
	if m5, ok := c.Family(AWS, "m5"); !ok || m5.SustainedUseDiscount != (Number{}) || m5.Status != StatusCurrent {
		t.Errorf("m5: %+v", m5)
	}
	if f, ok := c.Family(Azure, "NCASv3_T4"); !ok {
		t.Errorf("family names carry no blanks: %+v", f)
	}
	if _, ok := c.Family(AWS, "n1"); ok {
		t.Error("n1 is no family of AWS")
	}
	for _, provider := range []string{AWS, Azure, GCP} {
		for typ := range c.Types(provider) {
			if _, ok := c.Family(provider, typ.Family); !ok {
				t.Errorf("%s has the unlisted family %q", typ.Name, typ.Family)
			}
		}
	}
	r, ok := c.Region(AWS, "us-east-1")
	if !ok || r.Metro != "N. Virginia" || r.Country != "US" || r.LatitudeApprox != 38.9 || r.LongitudeApprox != -77.5 {
		t.Errorf("us-east-1: %+v", r)
	}
	if _, ok := c.Region(GCP, "us-east-1"); ok {
		t.Error("us-east-1 is no region of GCP")
	}
	// A region may be known and without any price.
	if _, ok := c.Region(AWS, "mx-central-1"); !ok || slices.Contains(c.PricedRegions(AWS), "mx-central-1") {
		t.Error("mx-central-1 is known and has no price")
	}
	n, ok := c.NearestRegion(AWS, "us-east-1", GCP)
	if !ok || n != (Neighbour{AWS, "us-east-1", GCP, "us-east4", 10, true}) {
		t.Errorf("near us-east-1: %+v", n)
	}
	if _, ok := c.NearestRegion(AWS, "us-east-1", AWS); ok {
		t.Error("a region has no neighbour in its own cloud")
	}
	for range c.Regions(AWS) {
		break // a loop may end early
	}
}

func TestOffersOrderAndGaps(t *testing.T) {
	c := opened(t)
	offers := c.Offers(GCP, "us-central1", "n2-standard-4")
	var plans []Purchase
	for _, o := range offers {
		plans = append(plans, o.Purchase)
	}
	if !slices.Equal(plans, []Purchase{Commitment1, Commitment3, OnDemand, Spot}) {
		t.Errorf("plans %v", plans)
	}
	for _, k := range [][3]string{{GCP, "us-central1", "m5.large"}, {GCP, "moon", "n2-standard-4"}, {"ibm", "x", "y"}, {AWS, "mx-central-1", "m5.large"}} {
		if o := c.Offers(k[0], k[1], k[2]); o != nil {
			t.Errorf("%v: %v", k, o)
		}
	}
	last, n := "", 0
	for o := range c.OffersIn(AWS, "us-east-1") {
		if k := o.Type + string(o.Purchase); k <= last || o.Region != "us-east-1" {
			t.Fatalf("%s after %s", k, last)
		} else {
			last = k
		}
		if n++; n == 100 {
			break
		}
	}
	for range c.OffersIn(AWS, "moon") {
		t.Error("an unknown region has an offer")
	}
	for range c.OffersIn("ibm", "moon") {
		t.Error("an unknown provider has an offer")
	}
}

// TestPlansAreOrdered holds what the lists promise: no commitment and no spot
// price above the price on demand, three years not above one.
func TestPlansAreOrdered(t *testing.T) {
	c := opened(t)
	checked := 0
	for _, provider := range []string{AWS, Azure, GCP} {
		for _, region := range c.PricedRegions(provider) {
			for typ := range c.Types(provider) {
				by := make(map[Purchase]decimal.Decimal)
				for _, o := range c.Offers(provider, region, typ.Name) {
					by[o.Purchase] = o.PricePerHour.Decimal()
				}
				for _, pair := range [][2]Purchase{{Spot, OnDemand}, {Commitment1, OnDemand}, {Commitment3, Commitment1}} {
					low, ok1 := by[pair[0]]
					high, ok2 := by[pair[1]]
					if ok1 && ok2 {
						checked++
						if low.GreaterThan(high) {
							t.Errorf("%s %s: %s %v is above %s %v", region, typ.Name, pair[0], low, pair[1], high)
						}
					}
				}
			}
		}
	}
	if checked < 50_000 {
		t.Errorf("only %d pairs were checked", checked)
	}
}

// TestComponentsPriceTypes rebuilds list prices of e2 from their components:
// the billed fraction of the shared-core sizes is what makes them fit.
func TestComponentsPriceTypes(t *testing.T) {
	c := opened(t)
	checked := 0
	for p := range c.Components() {
		if p.Family != "e2" {
			continue
		}
		for _, name := range []string{"e2-micro", "e2-small", "e2-medium", "e2-standard-8"} {
			typ, _ := c.Type(GCP, name)
			vcpus := decimal.NewFromInt(int64(typ.VCPUs.Value))
			if typ.BilledVCPUs.OK {
				vcpus = decimal.NewFromFloat(typ.BilledVCPUs.Value)
			}
			gib := decimal.NewFromInt(typ.MemoryBytes.Value >> 30)
			sum := p.PerVCPUHour.Decimal().Mul(vcpus).Add(p.PerGiBHour.Decimal().Mul(gib))
			for _, o := range c.Offers(GCP, p.Region, name) {
				if o.Purchase != p.Purchase {
					continue
				}
				checked++
				list := o.PricePerHour.Decimal()
				if sum.Sub(list).Abs().GreaterThan(list.Mul(decimal.RequireFromString("0.001"))) {
					t.Errorf("%s %s %s: %v from components, %v in the list", p.Region, name, p.Purchase, sum, list)
				}
			}
		}
	}
	if checked < 400 {
		t.Errorf("only %d prices were checked", checked)
	}
	p, ok := c.Component("us-central1", "n1", OnDemand)
	if !ok || p.PerVCPUHour.Mantissa == 0 || p.Region != "us-central1" {
		t.Errorf("n1: %+v", p)
	}
	if _, ok := c.Component("us-central1", "m5", OnDemand); ok {
		t.Error("m5 has no components")
	}
}

func TestNearest(t *testing.T) {
	c := opened(t)
	f := func(provider, name string, n int, want ...string) {
		t.Helper()
		if got := c.Nearest(provider, name, n); !slices.Equal(got, want) {
			t.Errorf("%q: %q, expected %q", name, got, want)
		}
	}
	f(AWS, "M5.Large", 1, "m5.large")
	f(AWS, "m5large", 1, "m5.large")
	f(AWS, "m5.lrage", 1, "m5.large")
	f(AWS, "m5.xlarg", 2, "m5.xlarge", "m5.2xlarge")
	f(Azure, "D2s_v3", 1, "Standard_D2s_v3")
	f(Azure, "standard_d2s_v3", 1, "Standard_D2s_v3")
	f(Azure, "Standard D2sv3", 1, "Standard_D2s_v3")
	f(GCP, "n1-standard1", 1, "n1-standard-1")
	f(GCP, "m5.large", 3)
	f("", "M5.LARGE", 1, "m5.large")
	f("ibm", "m5.large", 3)
	f(AWS, "", 3)
	f(AWS, "m5.large", 0)
	f(AWS, "m5.large", -1)
	f(AWS, strings.Repeat("m5.large", 1000), 3)
	f(AWS, "quantum", 3)
	if got := c.Nearest(AWS, "m5.large", 3); len(got) != 3 || got[0] != "m5.large" {
		t.Errorf("three hits: %q", got)
	}
	if got := c.NearestRegions(AWS, "useast1", 1); !slices.Equal(got, []string{"us-east-1"}) {
		t.Errorf("regions %q", got)
	}
	if got := c.NearestRegions("", "EastUS", 1); !slices.Equal(got, []string{"eastus"}) {
		t.Errorf("regions %q", got)
	}
}

func TestSlips(t *testing.T) {
	f := func(a, b string, want int) {
		t.Helper()
		if got, back := slips(a, b), slips(b, a); got != want || back != want {
			t.Errorf("%q to %q: %d and %d, expected %d", a, b, got, back, want)
		}
	}
	f("", "", 0)
	f("", "abc", 3)
	f("abc", "abc", 0)
	f("abc", "acb", 1)
	f("kitten", "sitting", 3)
	f("m5large", "m5lrage", 1)
}

// TestManyAtOnce reads every part from many goroutines (run with -race).
func TestManyAtOnce(t *testing.T) {
	c := opened(t)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for _, k := range [][3]string{{AWS, "us-east-1", "m5.large"}, {Azure, "eastus", "Standard_D2s_v3"}, {GCP, "us-central1", "e2-micro"}} {
				if _, ok := c.Type(k[0], k[2]); !ok || len(c.Offers(k[0], k[1], k[2])) == 0 {
					t.Errorf("goroutine %d: %v is missing", i, k)
				}
			}
		})
	}
	group.Wait()
}

func ExampleOpen() {
	c, err := Open()
	if err != nil {
		fmt.Println(err)
		return
	}
	m5, _ := c.Type(AWS, "m5.large")
	fmt.Println(m5.VCPUs.Value, m5.MemoryBytes.Value>>30, m5.LocalDisk.State)
	for _, o := range c.Offers(AWS, "us-east-1", "m5.large") {
		fmt.Println(o.Purchase, o.PricePerHour, o.Currency, o.AsOf.Format(time.DateOnly), o.Basis)
	}
	// Output:
	// 2 8 none
	// on_demand 0.096 USD 2026-07-20 observed
}

func BenchmarkTypesReady(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		c, err := Open()
		if err != nil {
			b.Fatal(err)
		}
		if _, ok := c.Type(AWS, "m5.large"); !ok {
			b.Fatal("m5.large is missing")
		}
	}
}

func BenchmarkPricesReady(b *testing.B) {
	for _, k := range [][3]string{{AWS, "us-east-1", "m5.large"}, {Azure, "eastus", "Standard_D2s_v3"}, {GCP, "us-central1", "e2-micro"}} {
		b.Run(k[0], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c, err := Open()
				if err != nil {
					b.Fatal(err)
				}
				if c.Offers(k[0], k[1], k[2]) == nil {
					b.Fatal("no offer")
				}
			}
		})
	}
}

func BenchmarkOfferLookup(b *testing.B) {
	c := opened(b)
	for _, k := range [][3]string{{AWS, "us-east-1", "m5.large"}, {GCP, "us-central1", "e2-micro"}} {
		b.Run(k[0], func(b *testing.B) {
			if c.Offers(k[0], k[1], k[2]) == nil {
				b.Fatal("no offer")
			}
			b.ReportAllocs()
			for b.Loop() {
				c.Offers(k[0], k[1], k[2])
			}
		})
	}
}
