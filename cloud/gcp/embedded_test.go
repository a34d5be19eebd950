package gcp

import (
	"testing"

	"github.com/shopspring/decimal"

	embeddedfacts "github.com/leanfleet/leanfleet/internal/catalog"
	"github.com/leanfleet/leanfleet/internal/embedded"
	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
)

// The rule by which prices are put together gives the published price of every
// type of the embedded catalogue whose rates it holds, within 0.002 % or
// the last of its six decimals, those with local SSDs, on bare metal and with
// shared cores included.
func TestRuleGivesPublishedPrices(t *testing.T) {
	facts, err := embeddedfacts.Open()
	if err != nil {
		t.Fatal(err)
	}
	base := embedded.New(facts)
	ssd := map[string]int64{"": 80, "c4": 160, "c4d": 160, "c4a": 120} // thousandths of a dollar for a GiB-month on demand
	checked, withSSD := 0, 0
	for _, region := range []string{"us-central1", "europe-west4", "asia-east1"} {
		rates := make(map[rateKey]rate)
		for family := range families(base) {
			for _, c := range base.Components(pricing.GCP, region, family) {
				k := rateKey{part: partCore, name: family, purchase: c.Purchase, years: c.Term.Years}
				rates[k] = rate{price: c.PerVCPUHour}
				k.part = partRAM
				rates[k] = rate{price: c.PerGiBHour}
			}
		}
		if region == "us-central1" {
			for series, thousandths := range ssd {
				rates[rateKey{part: partLocalSSD, name: series, purchase: pricing.OnDemand}] = rate{price: money.PriceOf(money.FromScaled(thousandths, 3), "USD")}
			}
		}
		c := &composer{region: region, rates: rates, skipped: make(map[string]int)}
		c.machines(func(yield func(pricing.Specification) bool) {
			for name := range base.Types(pricing.GCP) {
				if s, ok := base.Specification(pricing.GCP, name); ok && !yield(s) {
					return
				}
			}
		}, func(i pricing.Item) bool {
			for _, want := range base.Offers(pricing.GCP, region, i.Offer.InstanceType) {
				if want.Purchase != i.Offer.Purchase || want.Term != i.Offer.Term {
					continue
				}
				checked++
				off := i.Offer.PerHour.Decimal().Sub(want.PerHour.Decimal()).Abs()
				if off.Div(want.PerHour.Decimal()).GreaterThan(decimal.New(2, -5)) && off.GreaterThan(decimal.New(5, -7)) {
					t.Errorf("%s %s %s: %s, published %s", region, i.Offer.InstanceType, i.Offer.Purchase, i.Offer.PerHour, want.PerHour)
				}
				if i.Offer.Source == sourceName+": vCPU and memory, local SSD" {
					withSSD++
				}
			}
			return true
		})
	}
	if checked < 2000 || withSSD < 50 {
		t.Errorf("%d prices checked, %d with local SSD", checked, withSSD)
	}
	t.Logf("%d prices checked, %d with local SSD", checked, withSSD)
}

func families(base *embedded.Base) map[string]bool {
	m := make(map[string]bool)
	for name := range base.Types(pricing.GCP) {
		if s, ok := base.Specification(pricing.GCP, name); ok && s.Family.Known {
			m[s.Family.Value] = true
		}
	}
	return m
}
