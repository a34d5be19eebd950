package pricing_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
)

// bigBook has what a provider's lists have: 30 regions of 1,000 types, each
// with 14 offers, 420,000 in all.
func bigBook(b *testing.B) *pricing.Book {
	b.Helper()
	book := newBook(b, pricing.Options{})
	for r := range 30 {
		region := fmt.Sprintf("region-%d", r)
		var it []pricing.Item
		for i := range 1000 {
			for k := range 14 {
				o := pricing.Offer{
					Provider: "aws", Region: region, InstanceType: fmt.Sprintf("f%d.s%d", i/10, i%10), OS: pricing.Linux, Purchase: pricing.OnDemand,
					PerHour: money.PriceOf(money.FromScaled(int64(100000+i*37+k*11+r), 7), "USD"), Basis: pricing.Observed, Source: "aws price list bulk",
					ValidFrom: at(b, "2026-01-01"),
				}
				switch {
				case k == 1:
					o.OS = pricing.Windows
				case k > 1:
					o.Purchase, o.Term = pricing.Reserved, pricing.Term{Years: 1 + k%3, Payment: pricing.NoUpfront, Class: fmt.Sprint("c", k)}
				}
				it = append(it, pricing.Item{Offer: &o})
			}
		}
		add(b, book, pricing.Reading{List: "aws", Provider: "aws", Region: region, At: at(b, "2026-02-01"), Complete: true}, it)
	}
	return book
}

// BenchmarkBookOpen opens a book of 420,000 live offers and looks one up.
func BenchmarkBookOpen(b *testing.B) {
	var file bytes.Buffer
	if _, err := bigBook(b).WriteTo(&file); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(file.Len()), "bytes")
	q := pricing.OfferQuery{Provider: "aws", Region: "region-7", InstanceType: "f5.s5", OS: pricing.Linux}
	for b.Loop() {
		book, err := pricing.ReadBook(file.Bytes(), pricing.Options{})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := book.Lookup(q); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(file.Len()), "bytes")
}

// BenchmarkLookup is one price out of 420,000 live ones, with a discount of an
// own sheet on it.
func BenchmarkLookup(b *testing.B) {
	for name, s := range map[string]string{"live": "provider,percent\n", "discount": "provider,family,percent\naws,,5\naws,f5,10\n"} {
		b.Run(name, func(b *testing.B) {
			book, err := bigBook(b).With(pricing.Options{Sheet: sheet(b, "s.csv", s)})
			if err != nil {
				b.Fatal(err)
			}
			q := pricing.OfferQuery{Provider: "aws", Region: "region-7", InstanceType: "f5.s5", OS: pricing.Linux, At: at(b, "2026-03-01")}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := book.Lookup(q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkApply applies commitments to 1,000 hosts in one slot.
func BenchmarkApply(b *testing.B) {
	set := commitments(b, "c.csv", "id,purchase,provider,instance_type,count,size_flexible,spend_per_hour,percent,price_per_hour,currency,start,end\n"+
		"ri,reserved,aws,m5.large,200,true,,,0.06,USD,2026-01-01,2026-12-31\nsp,savings_plan,aws,,,,20,30,,USD,2026-01-01,2026-12-31\n")
	usages := manyUsages(b)
	for b.Loop() {
		if _, err := set.Apply(at(b, slotStart), 3600e9, usages, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func manyUsages(b *testing.B) []pricing.Usage {
	var out []pricing.Usage
	for i := range 1000 {
		out = append(out, usage(b, fmt.Sprint("h", i), "m5.large", "m5", "0.1", 2, 8, 3600e9))
	}
	return out
}
