package gcp

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"
	"time"

	"google.golang.org/api/cloudbilling/v1"

	"github.com/leanfleet/leanfleet/pricing"
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

// BenchmarkLicensedBook opens a book with ten regions of 200 machine types, each
// with Linux and five systems with a licence under four purchase options, read
// twice from a server on this machine, and looks one of them up.
func BenchmarkLicensedBook(b *testing.B) {
	var regions []string
	for i := range 10 {
		regions = append(regions, fmt.Sprintf("us-central%d", i))
	}
	skus := func(nanos int64) []m {
		var list []m
		for _, words := range [][2]string{
			{"N1 Predefined Instance Core running in Americas", "h"}, {"N1 Predefined Instance Ram running in Americas", "GiBy.h"},
			{"Spot Preemptible N1 Predefined Instance Core running in Americas", "h"}, {"Spot Preemptible N1 Predefined Instance Ram running in Americas", "GiBy.h"},
			{"Commitment v1: Cpu in Americas for 1 Year", "h"}, {"Commitment v1: Ram in Americas for 1 Year", "GiBy.h"},
			{"Commitment v1: Cpu in Americas for 3 Year", "h"}, {"Commitment v1: Ram in Americas for 3 Year", "GiBy.h"},
		} {
			for i, region := range regions {
				list = append(list, sku(words[0], words[1], nanos+int64(i)*1000, in(region)))
			}
		}
		return append(list, fees()...)
	}
	var types []pricing.Specification
	for i := range 100 {
		types = append(types, x86(fmt.Sprintf("n1-standard-%d", i+1), i+1, 3.75*float64(i+1)), x86(fmt.Sprintf("n1-highmem-%d", i+1), i+1, 6.5*float64(i+1)))
	}
	book, err := pricing.NewBook(pricing.Options{})
	if err != nil {
		b.Fatal(err)
	}
	offers, linux := 0, 0
	var sizes []int
	for day, nanos := range []int64{31_000_000, 32_000_000} {
		f := newFake(b, skus(nanos)...)
		f.pageSize = 5000
		source := New(f.options(types...))
		for _, region := range regions {
			var items []pricing.Item
			for item, err := range source.Items(b.Context(), region) {
				if err != nil {
					b.Fatal(err)
				}
				if item.Offer != nil {
					offers++
					if item.Offer.OS == pricing.Linux {
						linux++
					}
				}
				items = append(items, item)
			}
			at := time.Date(2026, 8, 1+day, 0, 0, 0, 0, time.UTC)
			if added, err := book.Add(pricing.Reading{List: sourceName, Provider: pricing.GCP, Region: region, At: at, Complete: true}, items); err != nil || len(added.Refused) > 0 {
				b.Fatal(err, added.Refused)
			}
		}
		var file bytes.Buffer
		if _, err := book.WriteTo(&file); err != nil {
			b.Fatal(err)
		}
		sizes = append(sizes, file.Len())
	}
	if linux != 2*10*200*4 || offers < 5*linux {
		b.Fatalf("%d offers, %d with Linux", offers, linux)
	}
	var file bytes.Buffer
	if _, err := book.WriteTo(&file); err != nil {
		b.Fatal(err)
	}
	q := pricing.OfferQuery{Provider: pricing.GCP, Region: "us-central7", InstanceType: "n1-highmem-5", OS: pricing.Windows}
	for b.Loop() {
		book, err := pricing.ReadBook(file.Bytes(), pricing.Options{})
		if err != nil {
			b.Fatal(err)
		}
		if f, err := book.Lookup(q); err != nil || f.Machine.IsZero() {
			b.Fatal(f, err)
		}
	}
	b.ReportMetric(float64(offers), "offers")
	b.ReportMetric(float64(sizes[0]), "bytes-of-one-reading")
	b.ReportMetric(float64(sizes[1]), "bytes-of-two")
}
