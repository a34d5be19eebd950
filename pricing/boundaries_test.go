package pricing_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/pricing"
	"pgregory.net/rapid"
)

// Between two boundaries every answer is the same: what the book says at any
// second is what it says at the boundary before it.
func TestPricesChangeAtBoundariesOnly(t *testing.T) {
	from, to := at(t, "2025-02-01"), at(t, "2025-03-01")
	changed := 0
	rapid.Check(t, func(rt *rapid.T) {
		second := func(label string) time.Time {
			return from.Add(time.Duration(rapid.Int64Range(-40*86400, 40*86400).Draw(rt, label)) * time.Second)
		}
		day := func(label string) string {
			if rapid.Bool().Draw(rt, label+" is open") {
				return ""
			}
			return from.AddDate(0, 0, rapid.IntRange(-10, 35).Draw(rt, label)).Format(time.DateOnly)
		}
		span := func() string {
			a, b := day("valid from"), day("valid to")
			if a != "" && b != "" && b < a {
				a, b = b, a
			}
			return a + "," + b
		}
		var rows strings.Builder
		rows.WriteString("kind,provider,region,instance_type,price_per_hour,currency,percent,disk_type,price_per_gib_month,valid_from,valid_to\n")
		if rapid.Bool().Draw(rt, "own price") {
			fmt.Fprintf(&rows, "%s,aws,%s,m5.large,0.0%d,USD,,,,%s\n", rapid.SampledFrom([]string{"price", "list"}).Draw(rt, "kind"), rapid.SampledFrom([]string{"", "us-east-1"}).Draw(rt, "in"), rapid.IntRange(1, 9).Draw(rt, "own"), span())
		}
		for _, region := range []string{"", "us-east-1"} {
			if rapid.Bool().Draw(rt, "discount") {
				fmt.Fprintf(&rows, "discount,aws,%s,,,,%d,,,%s\n", region, rapid.IntRange(1, 90).Draw(rt, "percent"), span())
			}
		}
		if rapid.Bool().Draw(rt, "own disk") {
			fmt.Fprintf(&rows, "disk,aws,,,,USD,,gp3,0.1,%s,\n", day("since"))
		}
		b := newBook(t, pricing.Options{Base: testBase(t), Sheet: sheet(t, "s.csv", rows.String())})
		var times []time.Time
		for range rapid.IntRange(0, 4).Draw(rt, "readings") {
			times = append(times, second("read"))
		}
		slices.SortFunc(times, time.Time.Compare)
		for i, when := range times {
			o := offer(t, "m5.large", fmt.Sprintf("0.1%d", i), "2025-01-01")
			o.ObservedAt = when
			disk := pricing.StorageOffer{Provider: "aws", Region: "us-east-1", DiskType: "gp3", PerGiBMonth: o.PerHour, ObservedAt: when, Basis: pricing.Observed, Source: "test"}
			address := pricing.AddressOffer{Provider: "aws", Region: "us-east-1", PerHour: o.PerHour, ObservedAt: when, Basis: pricing.Observed, Source: "test"}
			if rapid.Bool().Draw(rt, "valid") {
				o.ValidFrom = second("holds from")
				disk.ValidFrom, address.ValidFrom = second("disk holds from"), second("address holds from")
			}
			if rapid.IntRange(0, 3).Draw(rt, "empty") == 0 {
				add(t, b, live(when, true), nil)
				continue
			}
			add(t, b, live(when, rapid.Bool().Draw(rt, "complete")), []pricing.Item{{Offer: &o}, {Storage: &disk}, {Address: &address}})
		}
		asOf := time.Time{}
		if rapid.Bool().Draw(rt, "as of") {
			asOf = second("prices as of")
		}
		for kind, boundaries := range map[string]func() ([]time.Time, error){
			"m5.large": func() ([]time.Time, error) { return b.Boundaries("aws", "us-east-1", "m5.large", from, to) },
			"disk":     func() ([]time.Time, error) { return b.StorageBoundaries("aws", "us-east-1", "GP3", from, to) },
			"address":  func() ([]time.Time, error) { return b.AddressBoundaries("aws", "us-east-1", from, to) },
		} {
			said := func(when time.Time) string {
				var x any
				var err error
				switch kind {
				case "disk":
					x, err = b.Storage(pricing.StorageQuery{Provider: "aws", Region: "us-east-1", DiskType: "gp3", At: when, AsOf: asOf})
				case "address":
					x, err = b.Address("aws", "us-east-1", false, when, asOf, false)
				default:
					q := query(kind)
					q.At, q.AsOf = when, asOf
					x, err = b.Lookup(q)
				}
				return fmt.Sprintf("%+v %v", x, err != nil)
			}
			cuts, err := boundaries()
			if err != nil || !slices.IsSortedFunc(cuts, time.Time.Compare) {
				rt.Fatalf("%v, %v", cuts, err)
			}
			for _, c := range cuts {
				if !c.After(from) || !c.Before(to) || c.Nanosecond() != 0 {
					rt.Fatalf("%s is no second between %s and %s", c, from, to)
				}
			}
			starts := append([]time.Time{from}, cuts...)
			for range 8 {
				when := from.Add(time.Duration(rapid.Int64Range(0, int64(to.Sub(from))-1).Draw(rt, "when")))
				before := starts[0]
				for _, s := range starts {
					if !s.After(when) {
						before = s
					}
				}
				if a, b := said(when), said(before); a != b {
					rt.Fatalf("%s at %s: %s\nat the boundary %s: %s", kind, when, a, before, b)
				}
			}
			for i := 1; i < len(starts); i++ {
				if said(starts[i]) != said(starts[i-1]) {
					changed++
				}
			}
		}
	})
	if changed == 0 {
		t.Error("no price changed at a boundary")
	}
}

// Custom types change with the prices of their components, and a place that
// cannot be read says so.
func TestBoundariesOfCustomTypes(t *testing.T) {
	b := newBook(t, pricing.Options{})
	c := pricing.ComponentOffer{Provider: "gcp", Region: "us-central1", Family: "n2", Purchase: pricing.OnDemand, Custom: true,
		PerVCPUHour: usd(t, "0.03"), PerGiBHour: usd(t, "0.004"), ObservedAt: at(t, "2025-02-01"), Basis: pricing.Observed, Source: "test"}
	add(t, b, pricing.Reading{List: "gcp", Provider: "gcp", Region: "us-central1", At: at(t, "2025-02-01")}, []pricing.Item{{Component: &c}})
	cuts, err := b.Boundaries("gcp", "us-central1", "n2-custom-4-8192", at(t, "2025-01-01"), at(t, "2025-03-01"))
	if err != nil || len(cuts) != 1 || !cuts[0].Equal(at(t, "2025-02-01")) {
		t.Errorf("%v, %v", cuts, err)
	}
	if cuts, err := b.Boundaries("gcp", "us-central1", "n1-standard-1", at(t, "2025-01-01"), at(t, "2025-03-01")); err != nil || len(cuts) != 0 {
		t.Errorf("%v, %v", cuts, err)
	}
	for _, ask := range []func() ([]time.Time, error){
		func() ([]time.Time, error) {
			return b.StorageBoundaries("aws", "nowhere", "gp3", time.Time{}, at(t, "2026-01-01"))
		},
		func() ([]time.Time, error) {
			return b.AddressBoundaries("aws", "nowhere", time.Time{}, at(t, "2026-01-01"))
		},
	} {
		if cuts, err := ask(); err != nil || cuts != nil {
			t.Errorf("%v, %v", cuts, err)
		}
	}
}
