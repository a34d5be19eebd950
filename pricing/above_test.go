package pricing_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
	"pgregory.net/rapid"
)

// Whatever layer a price for spot or under a commitment lies in, it is at most
// the one on demand for the same system, or flagged with it; at list and
// contracted.
func TestAboveOnDemandIsFlaggedInAllLayers(t *testing.T) {
	terms := []struct {
		purchase pricing.Purchase
		years    int
	}{{pricing.OnDemand, 0}, {pricing.Spot, 0}, {pricing.Reserved, 1}, {pricing.Reserved, 3}, {pricing.SavingsPlan, 1}, {pricing.CommittedUse, 3}}
	flagged := 0
	rapid.Check(t, func(rt *rapid.T) {
		price := func() string { return fmt.Sprintf("0.%d", rapid.IntRange(1, 9).Draw(rt, "price")) }
		draw := func(source string) []pricing.Offer {
			var out []pricing.Offer
			for _, os := range []string{pricing.Linux, pricing.Windows} {
				for _, k := range terms {
					if rapid.Bool().Draw(rt, "there") {
						o := offer(t, "m5.large", price(), "2025-01-01")
						o.OS, o.Purchase, o.Term.Years, o.Source = os, k.purchase, k.years, source
						if rapid.IntRange(0, 9).Draw(rt, "euro") == 0 {
							o.PerHour = inCurrency(t, o.PerHour.Literal(), "EUR")
						}
						out = append(out, o)
					}
				}
			}
			return out
		}
		var rows strings.Builder
		for _, o := range draw("sheet") {
			kind := rapid.SampledFrom([]string{"price", "list"}).Draw(rt, "kind")
			years := ""
			if o.Term.Years > 0 {
				years = fmt.Sprint(o.Term.Years)
			}
			fmt.Fprintf(&rows, "%s,aws,us-east-1,m5.large,%s,%s,%s,%s,%s,\n", kind, o.OS, o.Purchase, years, o.PerHour.Literal(), o.PerHour.Currency())
		}
		if rapid.Bool().Draw(rt, "discount") {
			fmt.Fprintf(&rows, "discount,aws,,,,%s,,,,%d\n", rapid.SampledFrom([]string{"", "on_demand", "reserved"}).Draw(rt, "of"), rapid.IntRange(1, 90).Draw(rt, "percent"))
		}
		own := sheet(t, "s.csv", "kind,provider,region,instance_type,os,purchase,years,price_per_hour,currency,percent\n"+rows.String())
		b := newBook(t, pricing.Options{Base: &base{offers: draw("embedded")}, Sheet: own})
		add(t, b, live(at(t, "2025-01-01"), true), items(draw("live")...))
		found, err := b.Offers("aws", "us-east-1", "m5.large", time.Time{}, time.Time{})
		if err != nil {
			rt.Fatal(err)
		}
		above := func(p, demand money.Price) bool {
			return p.Currency() == demand.Currency() && p.Number().Cmp(demand.Number()) > 0
		}
		for _, f := range found {
			if f.List.Purchase == pricing.OnDemand {
				if !f.AboveOnDemand.IsZero() {
					rt.Fatalf("on demand is flagged: %+v", f)
				}
				continue
			}
			want := false
			for _, d := range found {
				if d.List.Purchase == pricing.OnDemand && d.List.OS == f.List.OS {
					want = above(f.List.PerHour, d.List.PerHour) || above(f.Contracted, d.Contracted)
				}
			}
			if want == f.AboveOnDemand.IsZero() {
				rt.Fatalf("%s %s at %s, contracted %s: flagged with %s, want %v", f.Layer, f.List.Purchase, f.List.PerHour, f.Contracted, f.AboveOnDemand, want)
			}
			if want {
				flagged++
			}
		}
	})
	if flagged == 0 {
		t.Error("nothing was above on demand")
	}
}
