package gcp

import (
	"fmt"
	"runtime"
	"testing"

	"google.golang.org/api/cloudbilling/v1"
)

// BenchmarkTake keeps the rates of a list of 40,000 SKUs of 40 regions, a third
// of which are known.
func BenchmarkTake(b *testing.B) {
	var skus []*cloudbilling.Sku
	for i := range 40_000 {
		region := fmt.Sprintf("place-north%d", i%40)
		description := []string{"N%d Instance Core running in Place", "Spot Preemptible N%d AMD Instance Ram running in Place", "Network Egress %d from Place",
			"Licensing Fee for Something %d (CPU cost)", "Sole Tenancy N%d Instance Ram running in Place", "Cloud Interconnect %d in Place"}[i%6]
		unit := "h"
		if i%6 == 1 {
			unit = "GiBy.h"
		}
		skus = append(skus, &cloudbilling.Sku{
			Description: fmt.Sprintf(description, i%20), ServiceRegions: []string{region}, Category: &cloudbilling.Category{},
			PricingInfo: []*cloudbilling.PricingInfo{{EffectiveTime: "2026-07-30T00:00:00Z", PricingExpression: &cloudbilling.PricingExpression{
				UsageUnit: unit, TieredRates: []*cloudbilling.TierRate{{UnitPrice: &cloudbilling.Money{CurrencyCode: "USD", Nanos: 31_611_000}}}}}},
		})
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var c *catalog
	for b.Loop() {
		c = &catalog{regions: make(map[string]map[rateKey]rate)}
		skipped := make(map[string]int)
		for _, s := range skus {
			if err := c.take(s, "USD", skipped); err != nil {
				b.Fatal(err)
			}
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(len(skus)*b.N)/b.Elapsed().Seconds(), "SKUs/s")
	b.ReportMetric(float64(int64(after.HeapAlloc)-int64(before.HeapAlloc))/(1<<20), "MiB-kept")
	runtime.KeepAlive(c)
	runtime.KeepAlive(skus)
}
