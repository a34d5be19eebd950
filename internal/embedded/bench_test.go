package embedded_test

import (
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/internal/catalog"
	"github.com/leanfleet/leanfleet/internal/embedded"
	"github.com/leanfleet/leanfleet/pricing"
)

func openBook(tb testing.TB) *pricing.Book {
	tb.Helper()
	c, err := catalog.Open()
	if err != nil {
		tb.Fatal(err)
	}
	b, err := pricing.NewBook(pricing.Options{Base: embedded.New(c)})
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// BenchmarkReady is the first price of a new book: everything that has to be
// decoded for it.
func BenchmarkReady(b *testing.B) {
	for b.Loop() {
		book := openBook(b)
		if _, err := book.Lookup(pricing.OfferQuery{Provider: "aws", Region: "us-east-1", InstanceType: "m5.large", OS: "linux"}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLookup is one price from the embedded facts once warm.
func BenchmarkLookup(b *testing.B) {
	book := openBook(b)
	q := pricing.OfferQuery{Provider: "aws", Region: "us-east-1", InstanceType: "m5.large", OS: "linux", At: time.Date(2013, 8, 1, 5, 0, 0, 0, time.UTC)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := book.Lookup(q); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCandidates is all types of a region that meet a demand, sorted.
func BenchmarkCandidates(b *testing.B) {
	for _, d := range []struct {
		name   string
		demand pricing.Demand
	}{
		{"all", pricing.Demand{OlderToo: true, Purposes: []string{}, BurstableToo: true, AnyGPU: true}},
		{"4x16", pricing.Demand{VCPUs: 4, MemoryBytes: 16 << 30, Arch: "x86_64"}},
	} {
		b.Run(d.name, func(b *testing.B) {
			book := openBook(b)
			q := pricing.CandidateQuery{Provider: "aws", Region: "us-east-1", Demand: d.demand}
			n := 0
			b.ReportAllocs()
			for b.Loop() {
				got, err := book.Candidates(q)
				if err != nil {
					b.Fatal(err)
				}
				n = len(got.List)
			}
			b.ReportMetric(float64(n), "types")
		})
	}
}
