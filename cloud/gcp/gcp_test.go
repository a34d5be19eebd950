package gcp

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leanfleet/leanfleet/internal/webclient"
	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
)

func collect(t testing.TB, s *Source, region string) ([]pricing.Item, error) {
	t.Helper()
	var items []pricing.Item
	for item, err := range s.Items(t.Context(), region) {
		if err != nil {
			return items, err
		}
		items = append(items, item)
	}
	return items, nil
}

// lines writes items in short, one a line.
func lines(items []pricing.Item) []string {
	var all []string
	for _, i := range items {
		switch {
		case i.Offer != nil:
			o := i.Offer
			s := fmt.Sprintf("%s %s %s", o.InstanceType, o.OS, o.Purchase)
			if o.Term != (pricing.Term{}) {
				s += " " + o.Term.String()
			}
			all = append(all, s+" "+o.PerHour.String())
		case i.Component != nil:
			o := i.Component
			s := fmt.Sprintf("rates %s %s", o.Family, o.Purchase)
			if o.Term != (pricing.Term{}) {
				s += " " + o.Term.String()
			}
			if o.Custom {
				s += " custom"
			}
			s += fmt.Sprintf(" %s %s", o.PerVCPUHour.Literal(), o.PerGiBHour.Literal())
			if !o.PerExtendedGiBHour.IsZero() {
				s += " extended " + o.PerExtendedGiBHour.Literal()
			}
			all = append(all, s)
		case i.Storage != nil:
			all = append(all, fmt.Sprintf("disk %s %s/GiB", i.Storage.DiskType, i.Storage.PerGiBMonth))
		case i.Address != nil:
			all = append(all, fmt.Sprintf("address idle=%t %s", i.Address.Idle, i.Address.PerHour))
		case i.Spec != nil:
			all = append(all, "spec "+i.Spec.InstanceType)
		}
	}
	return all
}

func same(t *testing.T, got, want []string) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Error("-want +got:\n" + d)
	}
}

// n1 are the SKUs of N1 in the Americas at their list prices.
func n1() []m {
	return []m{
		sku("N1 Predefined Instance Core running in Americas", "h", 31_611_000),
		sku("N1 Predefined Instance Ram running in Americas", "GiBy.h", 4_237_000),
	}
}

// The published price of n1-standard-1 is 0.0475: 1 x 0.031611 + 3.75 x
// 0.004237 = 0.04749975. That of e2-micro is 0.008375 (0.25 x 0.02181159 + 1 x
// 0.00292353 = 0.0083764275), not the 0.0465 of its two vCPUs.
func TestPublishedPrices(t *testing.T) {
	f := newFake(t, append(n1(),
		sku("E2 Instance Core running in Americas", "h", 21_811_590),
		sku("E2 Instance Ram running in Americas", "GiBy.h", 2_923_530),
		sku("Spot Preemptible E2 Instance Core running in Americas", "h", 6_543_000),
		sku("Spot Preemptible E2 Instance Ram running in Americas", "GiBy.h", 877_000),
		sku("Commitment v1: Cpu in Americas for 1 Year", "h", 19_915_000),
		sku("Commitment v1: Ram in Americas for 1 Year", "GiBy.h", 2_669_000),
		sku("Commitment v1: Cpu in Americas for 3 Year", "h", 14_225_000),
		sku("Commitment v1: Ram in Americas for 3 Year", "GiBy.h", 1_907_000),
	)...)
	items, err := collect(t, New(f.options(mt("n1-standard-1", 1, 3.75), mt("e2-micro", 2, 1), mt("e2-small", 2, 2), mt("e2-medium", 2, 4))), "us-central1")
	if err != nil {
		t.Fatal(err)
	}
	same(t, lines(items), []string{
		"rates e2 on_demand 0.02181159 0.00292353",
		"rates e2 spot 0.006543 0.000877",
		"rates n1 committed_use 1 year 0.019915 0.002669",
		"rates n1 committed_use 3 years 0.014225 0.001907",
		"rates n1 on_demand 0.031611 0.004237",
		"n1-standard-1 linux on_demand 0.04749975 USD",
		"n1-standard-1 linux committed_use 1 year 0.02992375 USD",
		"n1-standard-1 linux committed_use 3 years 0.02137625 USD",
		"e2-micro linux on_demand 0.0083764275 USD",
		"e2-micro linux spot 0.00251275 USD",
		"e2-small linux on_demand 0.016752855 USD",
		"e2-small linux spot 0.0050255 USD",
		"e2-medium linux on_demand 0.03350571 USD",
		"e2-medium linux spot 0.010051 USD",
	})
	o := items[5].Offer
	if o.Basis != pricing.Derived || o.Source != "gcp cloud billing catalog: vCPU and memory" || o.Region != "us-central1" || o.Provider != "gcp" ||
		!o.ObservedAt.Equal(today) || !o.ValidFrom.Equal(time.Date(2026, 7, 30, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("%+v", o)
	}
	r := f.requests[0]
	if q := r.URL.Query(); q.Get("pageSize") != "5000" || q.Get("currencyCode") != "USD" || q.Has("key") || r.Header.Get("X-Goog-Api-Key") != key {
		t.Error(r.URL, r.Header)
	}
}

func TestAttachedParts(t *testing.T) {
	f := newFake(t,
		sku("C3 Instance Core running in Americas", "h", 33_980_000), sku("C3 Instance Ram running in Americas", "GiBy.h", 4_105_000),
		sku("Spot Preemptible C3 Instance Core running in Americas", "h", 9_000_000), sku("Spot Preemptible C3 Instance Ram running in Americas", "GiBy.h", 1_000_000),
		sku("C4 Instance Core running in Americas", "h", 34_000_000), sku("C4 Instance Ram running in Americas", "GiBy.h", 4_000_000),
		sku("C4 Instance Local SSD running in Iowa", "GiBy.mo", 160_000_000),
		sku("SSD backed Local Storage", "GiBy.mo", 80_000_000),
		// Spot local SSD is filed as on demand.
		sku("SSD backed Local Storage attached to Spot Preemptible VMs", "GiBy.mo", 36_500_000, filed("OnDemand")),
		sku("A2 Instance Core running in Americas", "h", 31_611_000), sku("A2 Instance Ram running in Americas", "GiBy.h", 4_237_000),
		sku("Nvidia Tesla A100 GPU running in Americas", "h", 2_933_908_000),
		sku("Nvidia Tesla A100 80GB GPU running in Americas", "h", 3_928_080_000),
		sku("Memory-optimized Instance Core running in Americas", "h", 34_800_000), sku("Memory-optimized Instance Ram running in Americas", "GiBy.h", 5_100_000),
		sku("Commitment v1: Memory-optimized Cpu in Americas for 1 Year", "h", 20_000_000), sku("Commitment v1: Memory-optimized Ram in Americas for 1 Year", "GiBy.h", 3_000_000),
		sku("Memory Optimized Upgrade Premium for Memory-optimized Instance Core running in Americas", "h", 5_200_000),
		sku("Memory Optimized Upgrade Premium for Memory-optimized Instance Ram running in Americas", "GiBy.h", 900_000),
		sku("G4 Instance Core running in Americas", "h", 1), sku("G4 Instance Ram running in Americas", "GiBy.h", 1),
	)
	unknown := mt("c3-standard-8", 8, 32)
	unknown.LocalDisk = pricing.Fact[pricing.LocalDisk]{}
	other := mt("m5.large", 2, 8)
	other.Provider = "aws"
	var last Progress
	o := f.options(
		mt("c3-standard-4", 4, 16), withSSD(mt("c3-standard-4-lssd", 4, 16), 375), withSSD(mt("c4-standard-4-lssd", 4, 15), 375),
		withGPUs(mt("a2-highgpu-1g", 12, 85), 1), withGPUs(withSSD(mt("a2-ultragpu-1g", 12, 170), 375), 1),
		mt("m1-megamem-96", 96, 1433.6), mt("m2-ultramem-208", 208, 5888),
		withGPUs(mt("g4-standard-48", 48, 180), 1), unknown, withSSD(mt("c3-x", 4, 16), 0), mt("h3-standard-88", 88, 352),
		mt("n2-custom-2-8192", 2, 8), mt("c3-standard-4", 4, 16), other)
	o.Progress = func(p Progress) { last = p }
	items, err := collect(t, New(o), "us-central1")
	if err != nil {
		t.Fatal(err)
	}
	got := lines(slices.DeleteFunc(items, func(i pricing.Item) bool { return i.Offer == nil }))
	same(t, got, []string{
		"c3-standard-4 linux on_demand 0.2016 USD",
		"c3-standard-4 linux spot 0.052 USD",
		"c3-standard-4-lssd linux on_demand 0.242695890411 USD", // 0.2016 + 375 x 0.08 / 730
		"c3-standard-4-lssd linux spot 0.07075 USD",             // 0.052 + 375 x 0.0365 / 730
		"c4-standard-4-lssd linux on_demand 0.278191780822 USD", // 0.196 + 375 x 0.16 / 730
		"a2-highgpu-1g linux on_demand 3.673385 USD",            // as published
		"a2-ultragpu-1g linux on_demand 5.068797890411 USD",     // as published
		"m1-megamem-96 linux on_demand 10.65216 USD",
		"m1-megamem-96 linux committed_use 1 year 6.2208 USD",
		"m2-ultramem-208 linux on_demand 43.648 USD", // 208 x 0.04 + 5888 x 0.006
	})
	want := map[string]int{skipNoGPU: 1, skipFacts: 2, skipNoRate: 1}
	if d := cmp.Diff(want, last.Skipped); d != "" || !last.Done || last.List != "prices" {
		t.Error(d, last)
	}
	i := slices.IndexFunc(items, func(i pricing.Item) bool { return i.Offer.InstanceType == "a2-ultragpu-1g" })
	if s := items[i].Offer.Source; s != "gcp cloud billing catalog: vCPU and memory, GPU, local SSD" {
		t.Error(s)
	}
}

func TestSinglesAndCustom(t *testing.T) {
	f := newFake(t,
		sku("Micro Instance with burstable CPU running in Americas", "h", 7_600_000),
		sku("Spot Preemptible Micro Instance with burstable CPU running in Americas", "h", 3_500_000),
		sku("Small Instance with 1 VCPU running in Americas", "h", 25_700_000),
		sku("Storage PD Capacity", "GiBy.mo", 0, tiers("GiBy.mo", tier(0, 0), tier(30, 40_000_000))),
		sku("Balanced PD Capacity in Iowa", "GiBy.mo", 100_000_000), sku("SSD backed PD Capacity", "GiBy.mo", 170_000_000),
		sku("Regional SSD backed PD Capacity in Iowa", "GiBy.mo", 340_000_000),
		sku("Hyperdisk Balanced Capacity in Iowa", "GiBy.h", 109_589), sku("Hyperdisk Balanced IOPS in Iowa", "h", 1),
		sku("SSD backed Local Storage", "GiBy.mo", 80_000_000), sku("C4A Instance Local SSD running in Iowa", "GiBy.mo", 120_000_000),
		sku("SSD backed Local Storage attached to Spot Preemptible VMs", "GiBy.mo", 30_000_000, filed("OnDemand")),
		sku("Static Ip Charge", "h", 0, tiers("h", tier(1, 10_000_000), tier(0, 0))),
		sku("External IP Charge on a Standard VM", "h", 0, tiers("h", tier(0, 0), tier(744, 5_000_000)), in("global")),
		sku("N2 Custom Instance Core running in Americas", "h", 33_191_550), sku("N2 Custom Instance Ram running in Americas", "GiBy.h", 4_448_850),
		sku("N2 Custom Extended Instance Ram running in Americas", "GiBy.h", 9_550_000),
		sku("Custom Instance Core running in Americas", "h", 33_174_000), sku("Custom Instance Ram running in Americas", "GiBy.h", 4_446_000),
		sku("Custom Extended Instance Ram running in Americas", "GiBy.h", 9_550_000),
		sku("Spot Preemptible N2D AMD Custom Instance Core running in Americas", "h", 8_000_000), sku("Spot Preemptible N2D AMD Custom Instance Ram running in Americas", "GiBy.h", 1_000_000),
		sku("N2D AMD Instance Core running in Americas", "h", 27_502_000), // its memory has no price
	)
	items, err := collect(t, New(f.options()), "us-east1")
	if err != nil {
		t.Fatal(err)
	}
	same(t, lines(items), []string{
		"f1-micro linux on_demand 0.0076 USD",
		"f1-micro linux spot 0.0035 USD",
		"g1-small linux on_demand 0.0257 USD",
		"disk local-ssd 0.08 USD/GiB",
		"disk local-ssd-c4a 0.12 USD/GiB",
		"disk hyperdisk-balanced 0.07999997 USD/GiB", // 0.000109589 x 730
		"disk pd-balanced 0.1 USD/GiB",
		"disk pd-ssd 0.17 USD/GiB",
		"disk pd-standard 0.04 USD/GiB", // the first 30 GiB are free
		"disk regional-pd-ssd 0.34 USD/GiB",
		"address idle=true 0.01 USD",
		"address idle=false 0.005 USD",
		"rates n1 on_demand custom 0.033174 0.004446 extended 0.00955",
		"rates n2 on_demand custom 0.03319155 0.00444885 extended 0.00955",
		"rates n2d spot custom 0.008 0.001",
	})
	// A book makes prices of custom types of them.
	book, err := pricing.NewBook(pricing.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if added, err := book.Add(pricing.Reading{List: sourceName, Provider: "gcp", Region: "us-east1", At: today, Complete: true}, items); err != nil || len(added.Refused) > 0 {
		t.Fatal(err, added.Refused)
	}
	found, err := book.Lookup(pricing.OfferQuery{Provider: "gcp", Region: "us-east1", InstanceType: "n2-custom-4-8192", OS: "linux"})
	if err != nil || found.List.PerHour.String() != "0.168357 USD" { // 4 x 0.03319155 + 8 x 0.00444885
		t.Error(err, found.List.PerHour)
	}
}

func TestSKUsOfOneThing(t *testing.T) {
	ram := sku("N2 Instance Ram running in Americas", "GiBy.h", 1_000_000)
	for _, c := range []struct {
		name  string
		cores []m
		want  []string
	}{
		{"the SKU of fewer regions", []m{
			sku("N2 Instance Core running in Iowa", "h", 30_000_000, in("us-central1")), sku("N2 Instance Core running in Americas", "h", 20_000_000)},
			[]string{"rates n2 on_demand 0.03 0.001"}},
		{"the SKU of fewer regions, last", []m{
			sku("N2 Instance Core running in Americas", "h", 20_000_000), sku("N2 Instance Core running in Iowa", "h", 30_000_000, in("us-central1"))},
			[]string{"rates n2 on_demand 0.03 0.001"}},
		{"twice the same", []m{sku("N2 Instance Core running in Virginia", "h", 20_000_000), sku("N2 Instance Core running in Northern Virginia", "h", 20_000_000)},
			[]string{"rates n2 on_demand 0.02 0.001"}},
		{"two prices", []m{sku("N2 Instance Core running in Tokyo", "h", 20_000_000), sku("N2 Instance Core running in Japan", "h", 21_000_000)}, nil},
		{"two prices, then a narrower one", []m{sku("N2 Instance Core running in Tokyo", "h", 20_000_000), sku("N2 Instance Core running in Japan", "h", 21_000_000),
			sku("N2 Instance Core running in Tokyo", "h", 22_000_000, in("us-central1"))}, []string{"rates n2 on_demand 0.022 0.001"}},
		{"the information that begins last", []m{sku("N2 Instance Core running in Americas", "h", 0, m{"pricingInfo": []m{
			{"effectiveTime": "2026-07-30T00:00:00Z", "pricingExpression": m{"usageUnit": "h", "tieredRates": []m{tier(0, 20_000_000)}}},
			{"effectiveTime": "2026-01-01T00:00:00Z", "pricingExpression": m{"usageUnit": "h", "tieredRates": []m{tier(0, 10_000_000)}}}}})},
			[]string{"rates n2 on_demand 0.02 0.001"}},
		{"a zero price", []m{sku("N2 Instance Core running in Americas", "h", 0)}, nil},
		{"whole units", []m{sku("N2 Instance Core running in Americas", "h", 12_000_000_001)}, []string{"rates n2 on_demand 12.000000001 0.001"}},
		{"a price below zero", []m{sku("N2 Instance Core running in Americas", "h", -5)}, nil},
		{"another unit", []m{sku("N2 Instance Core running in Americas", "mo", 5)}, nil},
		{"no price information", []m{sku("N2 Instance Core running in Americas", "h", 5, m{"pricingInfo": []m{}})}, nil},
	} {
		items, err := collect(t, New(newFake(t, append(c.cores, ram)...).options()), "us-central1")
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if d := cmp.Diff(c.want, lines(items)); d != "" {
			t.Errorf("%s:\n%s", c.name, d)
		}
	}
}

func TestUnknownSKUsAreCounted(t *testing.T) {
	f := newFake(t, append(n1(),
		sku("Sole Tenancy Premium for N2 Sole Tenancy Instance Core running in Americas", "h", 1),
		sku("Reserved A2 Instance Core in Americas", "h", 1), sku("Network Internet Egress from Americas", "GiBy", 1),
		sku("N9 Quantum Instance Core running in Americas", "h", 1), sku("Licensing Fee for Windows Server 2019 (CPU cost)", "h", 1),
		sku("Nvidia Tesla T4 GPU running in Americas", "h", 1), sku("N2 Instance Core running in Americas", "h", 1, filed("Commit1Yr")))...)
	var done Progress
	o := f.options()
	o.Progress = func(p Progress) {
		if p.List == "skus" && p.Done {
			done = p
		}
	}
	if _, err := collect(t, New(o), "us-central1"); err != nil {
		t.Fatal(err)
	}
	want := map[string]int{skipTenancy: 1, skipReserved: 1, skipUnknown: 2, skipLicence: 1, skipGPU: 1, skipUsage: 1}
	if d := cmp.Diff(want, done.Skipped); d != "" || done.Rows != 9 || done.Pages != 3 || done.Items != 6 {
		t.Error(d, done)
	}
}

func TestTwoCurrencies(t *testing.T) {
	skus := n1()
	for _, s := range skus {
		eur := sku(s["description"].(string), s["pricingInfo"].([]m)[0]["pricingExpression"].(m)["usageUnit"].(string), 1)
		eur["pricingInfo"].([]m)[0]["pricingExpression"].(m)["tieredRates"] = []m{{"startUsageAmount": 0, "unitPrice": m{"currencyCode": "EUR", "units": "0", "nanos": 27_000_000}}}
		s["eur"] = eur
	}
	f := newFake(t, skus...)
	o := f.options()
	o.Currency = "EUR"
	items, err := collect(t, New(o), "us-central1")
	if err != nil || len(items) != 1 || items[0].Component.PerVCPUHour.String() != "0.027 EUR" {
		t.Fatal(err, lines(items))
	}
	if q := f.requests[0].URL.Query(); q.Get("currencyCode") != "EUR" {
		t.Error(q)
	}
	delete(skus[1], "eur") // a list that is not all in the currency asked for
	if _, err := collect(t, New(o), "us-central1"); err == nil || !strings.Contains(err.Error(), `priced in "USD", asked for EUR`) {
		t.Error(err)
	}
}

func TestThrottling(t *testing.T) {
	f := newFake(t, n1()...)
	f.pageSize = 1
	var waits []time.Duration
	o := f.options()
	o.Wait = func(_ context.Context, d time.Duration) error { waits = append(waits, d); return nil }
	f.before = func(n int, w http.ResponseWriter, _ *http.Request) bool {
		switch n {
		case 1:
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusTooManyRequests)
		case 2:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 3:
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"error":{"code":403,"message":"slow down","errors":[{"reason":"rateLimitExceeded"}]}}`)
		case 5:
			w.Header().Set("Date", "Tue, 24 Nov 2026 09:00:00 GMT")
			w.Header().Set("Retry-After", "Tue, 24 Nov 2026 09:00:09 GMT")
			w.WriteHeader(http.StatusTooManyRequests)
		default:
			return false
		}
		return true
	}
	items, err := collect(t, New(o), "us-central1")
	if err != nil || len(items) != 1 {
		t.Fatal(err, lines(items))
	}
	if d := cmp.Diff([]time.Duration{7 * time.Second, 2 * time.Second, 4 * time.Second, 9 * time.Second}, waits); d != "" {
		t.Error(d)
	}
	f.before = func(_ int, w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusTooManyRequests)
		return true
	}
	waits = nil
	if _, err := collect(t, New(o), "us-central1"); err == nil || len(waits) != maxAttempts-1 || !strings.Contains(err.Error(), "page 1 of the SKUs") {
		t.Error(err, waits)
	}
	f.Close()
	waits = nil
	if _, err := collect(t, New(o), "us-central1"); err == nil || len(waits) != maxUnreached-1 || strings.Contains(err.Error(), key) {
		t.Error(err, waits)
	}
}

func TestFaultsThatStay(t *testing.T) {
	for _, c := range []struct {
		status     int
		body, want string
	}{
		{400, `{"error":{"code":400,"message":"API key not valid: ` + key + `"}}`, "API key not valid: [redacted]"},
		{403, `{"error":{"code":403,"message":"Cloud Billing API has not been used"}}`, "has not been used"},
		{200, `{"skus":[{"pricingInfo":7}]}`, "cannot unmarshal"},
		{200, `nonsense`, "invalid character"},
		{200, `{}`, "list of SKUs is empty"},
		{200, `{"skus":[],"nextPageToken":"again"}`, "do not end"},
	} {
		f := newFake(t)
		f.before = func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(c.status)
			fmt.Fprint(w, c.body)
			return true
		}
		items, err := collect(t, New(f.options()), "us-central1")
		if err == nil || len(items) > 0 || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), key) || !strings.HasPrefix(err.Error(), "gcp prices of us-central1: ") {
			t.Errorf("%s: %v", c.body, err)
		}
		if len(f.requests) > 2 {
			t.Errorf("%s: asked %d times", c.body, len(f.requests))
		}
	}
}

func TestPageCutInTheMiddle(t *testing.T) {
	skus := append(n1(), sku("Static Ip Charge", "h", 10_000_000), sku("Balanced PD Capacity", "GiBy.mo", 100_000_000),
		sku("N2 Instance Core running in Americas", "h", 30_000_000), sku("N2 Instance Ram running in Americas", "GiBy.h", 4_000_000))
	f := newFake(t, skus...)
	types := []pricing.Specification{mt("n1-standard-1", 1, 3.75), mt("n2-standard-2", 2, 8)}
	whole, err := collect(t, New(f.options(types...)), "us-central1")
	if err != nil {
		t.Fatal(err)
	}
	cuts := 0
	f.cut = func(from int) bool { cuts++; return from == 4 && cuts == 2 }
	again, err := collect(t, New(f.options(types...)), "us-central1")
	if err != nil || cuts != 3 {
		t.Fatal(err, cuts)
	}
	same(t, lines(again), lines(whole))
	// For good: what came before stays, then the error; the broken list is not
	// kept.
	f.cut = func(from int) bool { return from == 4 }
	s := New(f.options(types...))
	before, err := collect(t, s, "us-central1")
	if err == nil || !strings.Contains(err.Error(), "page 2 of the SKUs") {
		t.Fatal(err)
	}
	same(t, lines(before), []string{
		"disk pd-balanced 0.1 USD/GiB", "address idle=true 0.01 USD", "rates n1 on_demand 0.031611 0.004237", "n1-standard-1 linux on_demand 0.04749975 USD"})
	f.cut = nil
	if after, err := collect(t, s, "us-central1"); err != nil || len(after) != len(whole) {
		t.Error(err, lines(after))
	}
}

// A SKU that is gone keeps its last price in a book, never zero.
func TestSKUGoneFromTheList(t *testing.T) {
	f := newFake(t, append(n1(), sku("N2 Instance Core running in Americas", "h", 30_000_000), sku("N2 Instance Ram running in Americas", "GiBy.h", 4_000_000))...)
	book, err := pricing.NewBook(pricing.Options{})
	if err != nil {
		t.Fatal(err)
	}
	gone := 0
	for day := range 2 {
		at := today.AddDate(0, 0, day)
		o := f.options(mt("n1-standard-1", 1, 3.75), mt("n2-standard-2", 2, 8))
		o.Now = func() time.Time { return at }
		items, err := collect(t, New(o), "us-central1")
		if err != nil {
			t.Fatal(err)
		}
		added, err := book.Add(pricing.Reading{List: sourceName, Provider: "gcp", Region: "us-central1", At: at, Complete: true}, items)
		if err != nil || len(added.Refused) > 0 {
			t.Fatal(err, added.Refused)
		}
		gone = added.Gone
		f.skus = f.skus[:3] // the memory of N2 is gone, and with it its rates and types
	}
	found, err := book.Lookup(pricing.OfferQuery{Provider: "gcp", Region: "us-central1", InstanceType: "n2-standard-2", OS: "linux"})
	if err != nil || gone != 2 || !found.Gone || found.List.PerHour.String() != "0.092 USD" {
		t.Errorf("%v gone %d: %+v", err, gone, found)
	}
	if _, err := book.Lookup(pricing.OfferQuery{Provider: "gcp", Region: "us-central1", InstanceType: "n2-standard-2", OS: "windows"}); !errors.Is(err, pricing.ErrNoPrice) {
		t.Error("windows is priced as linux:", err)
	}
}

func TestOneListServesAllRegions(t *testing.T) {
	f := newFake(t, append(n1(), sku("External IP Charge on a Standard VM", "h", 5_000_000, in("global")), sku("Multi", "h", 1, in("us")))...)
	now := today
	o := f.options()
	o.Now = func() time.Time { return now }
	s := New(o)
	var wg sync.WaitGroup
	for _, region := range americas {
		wg.Go(func() {
			items, err := collect(t, s, region)
			if err != nil || len(items) != 2 {
				t.Error(region, err, lines(items))
			}
		})
	}
	wg.Wait()
	regions, err := s.Regions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	same(t, regions, americas)
	if n := len(f.requests); n != 1 {
		t.Errorf("%d requests", n)
	}
	now = now.Add(listAge)
	if _, err := s.Regions(t.Context()); err != nil || len(f.requests) != 2 {
		t.Error(err, len(f.requests))
	}
	if _, err := collect(t, s, "mars-north1"); err == nil || !strings.Contains(err.Error(), "gcp prices of mars-north1: none of the SKUs is sold there; the list has 3 regions") {
		t.Error(err)
	}
	if _, err := collect(t, s, "us-east-1"); err == nil || !strings.Contains(err.Error(), "such as us-central1") {
		t.Error(err)
	}
}

func TestMachineTypes(t *testing.T) {
	f := newFake(t, append(n1(), sku("E2 Instance Core running in Americas", "h", 20_000_000), sku("E2 Instance Ram running in Americas", "GiBy.h", 3_000_000))...)
	f.zones = map[string][]m{
		"us-central1-a": {
			{"name": "n1-standard-1", "guestCpus": 1, "memoryMb": 3840, "zone": "us-central1-a"},
			{"name": "e2-micro", "guestCpus": 2, "memoryMb": 1024, "isSharedCpu": true, "architecture": "X86_64"},
			{"name": "a2-highgpu-2g", "guestCpus": 24, "memoryMb": 174080, "accelerators": []m{{"guestAcceleratorType": "nvidia-tesla-a100", "guestAcceleratorCount": 2}}},
		},
		"us-central1-b": {
			{"name": "c4a-highmem-8-lssd", "guestCpus": 8, "memoryMb": 65536, "architecture": "ARM64", "bundledLocalSsds": m{"defaultInterface": "NVME", "partitionCount": 2}},
			{"name": "z3-highmem-88", "guestCpus": 88, "memoryMb": 720896, "bundledLocalSsds": m{"partitionCount": 12}},
			{"name": "n1-standard-1", "guestCpus": 1, "memoryMb": 3840},
		},
	}
	o := f.options(mt("n1-standard-64", 64, 240)) // not there by the live list
	o.Project, o.HTTPClient = "proj", f.Client()
	f.before = func(n int, w http.ResponseWriter, r *http.Request) bool {
		if n == 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}
		return false
	}
	items, err := collect(t, New(o), "us-central1")
	if err != nil {
		t.Fatal(err)
	}
	var offers, facts []string
	for _, i := range items {
		if i.Offer != nil {
			offers = append(offers, lines([]pricing.Item{i})...)
		}
		if s := i.Spec; s != nil {
			facts = append(facts, fmt.Sprintf("%s %s %d %d %s %s %v %v %v %v", s.InstanceType, s.Family.Value, s.VCPUs.Value, s.MemoryBytes.Value>>20,
				s.Arch.Value, s.CPUKind.Value, s.BilledVCPUs.Value, s.GPUs.Value, s.Accelerator.Value, s.LocalDisk.Value))
		}
	}
	slices.Sort(facts)
	slices.Sort(offers)
	same(t, facts, []string{
		"a2-highgpu-2g a2 24 174080  dedicated 0 2 nvidia-tesla-a100 {false 0}",
		"c4a-highmem-8-lssd c4a 8 65536 arm64 dedicated 0 0  {true 750}",
		"e2-micro e2 2 1024 x86_64 burstable 0.25 0  {false 0}",
		"n1-standard-1 n1 1 3840  dedicated 0 0  {false 0}",
		"z3-highmem-88 z3 88 720896  dedicated 0 0  {true 0}",
	})
	same(t, offers, []string{"e2-micro linux on_demand 0.008 USD", "n1-standard-1 linux on_demand 0.04749975 USD"})
	// A list of types that fails ends the stream, after the rest.
	for name, fail := range map[string]func(r *http.Request) bool{
		"the region": func(r *http.Request) bool { return strings.Contains(r.URL.Path, "/regions/") },
		"a zone":     func(r *http.Request) bool { return strings.Contains(r.URL.Path, "/zones/us-central1-b") },
	} {
		f.before = func(_ int, w http.ResponseWriter, r *http.Request) bool {
			if !fail(r) {
				return false
			}
			w.WriteHeader(http.StatusForbidden)
			return true
		}
		items, err := collect(t, New(o), "us-central1")
		if err == nil || !strings.Contains(err.Error(), "machine types of project proj") || !slices.Contains(lines(items), "rates n1 on_demand 0.031611 0.004237") {
			t.Errorf("%s: %v %v", name, err, lines(items))
		}
	}
	f.before = func(_ int, w http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, "/zones/") {
			fmt.Fprint(w, `{"items":[null,{}],"nextPageToken":"again"}`)
			return true
		}
		return false
	}
	if _, err := collect(t, New(o), "us-central1"); err == nil || !strings.Contains(err.Error(), "do not end") {
		t.Error(err)
	}
}

func TestStopEarly(t *testing.T) {
	f := newFake(t, append(n1(), sku("Static Ip Charge", "h", 10_000_000))...)
	f.zones = map[string][]m{"us-central1-a": {{"name": "n1-standard-1", "guestCpus": 1, "memoryMb": 3840}}}
	o := f.options()
	o.Project, o.HTTPClient = "proj", f.Client()
	for stop := 1; stop <= 4; stop++ { // address, rates, specification, offer
		n := 0
		for _, err := range New(o).Items(t.Context(), "us-central1") {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n == stop {
				break
			}
		}
		if n != stop {
			t.Error(n, stop)
		}
	}
}

func TestCancel(t *testing.T) {
	f := newFake(t, append(n1(), n1()...)...)
	f.pageSize = 1
	ctx, cancel := context.WithCancel(t.Context())
	f.before = func(n int, w http.ResponseWriter, _ *http.Request) bool {
		if n == 2 {
			cancel()
		}
		return false
	}
	var last error
	s := New(f.options())
	for _, err := range s.Items(ctx, "us-central1") {
		last = err
	}
	if !errors.Is(last, context.Canceled) {
		t.Error(last)
	}
	// While waiting for another reading.
	<-s.turn
	if _, err := s.Regions(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	// While waiting for the server.
	ctx, cancel = context.WithCancel(t.Context())
	f.before = func(_ int, w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	}
	o := f.options()
	o.Wait = nil
	o.Progress = func(p Progress) {
		if p.Waiting != time.Second || p.Cause == nil {
			t.Errorf("%+v", p)
		}
		cancel()
	}
	for _, err := range New(o).Items(ctx, "us-central1") {
		last = err
	}
	if !errors.Is(last, context.Canceled) {
		t.Error(last)
	}
}

// noCredentials hides the credentials that this machine may have.
func noCredentials(t *testing.T) {
	empty := t.TempDir()
	for _, v := range []string{"HOME", "APPDATA", "CLOUDSDK_CONFIG"} {
		t.Setenv(v, empty)
	}
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", filepath.Join(empty, "none.json"))
}

func TestWithoutCredentials(t *testing.T) {
	noCredentials(t)
	f := newFake(t, n1()...)
	o := f.options()
	o.APIKey = ""
	if _, err := collect(t, New(o), "us-central1"); err == nil || !strings.Contains(err.Error(), "give an API key, or set GOOGLE_APPLICATION_CREDENTIALS") {
		t.Error(err)
	}
	if _, err := New(o).Regions(t.Context()); err == nil || !strings.Contains(err.Error(), "gcp regions") {
		t.Error(err)
	}
	o = f.options()
	o.Project = "proj"
	items, err := collect(t, New(o), "us-central1")
	if err == nil || len(items) != 1 || !strings.Contains(err.Error(), "leave the project out") {
		t.Error(err, lines(items))
	}
}

// serviceAccount makes the default credentials those of a service account that
// gets its tokens at an address.
func serviceAccount(t *testing.T, token string) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "account.json")
	account := fmt.Sprintf(`{"type":"service_account","project_id":"proj","private_key_id":"1","private_key":%q,"client_email":"a@proj.iam.gserviceaccount.com","client_id":"1","token_uri":%q}`,
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), token)
	if err := os.WriteFile(file, []byte(account), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", file)
}

// The default credentials of a service account open both APIs; its key stands
// in no request but the one for a token.
func TestDefaultCredentials(t *testing.T) {
	noCredentials(t)
	f := newFake(t, n1()...)
	f.zones = map[string][]m{"us-central1-a": {{"name": "n1-standard-1", "guestCpus": 1, "memoryMb": 3840}}}
	tokens := 0
	f.before = func(_ int, w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/token" {
			tokens++
			send(w, m{"access_token": "token-1", "token_type": "Bearer", "expires_in": 3600}, false)
			return true
		}
		if r.Header.Get("Authorization") != "Bearer token-1" {
			t.Error(r.URL.Path, r.Header)
		}
		return false
	}
	serviceAccount(t, f.URL+"/token")
	o := f.options()
	o.APIKey, o.Project = "", "proj"
	items, err := collect(t, New(o), "us-central1")
	if err != nil {
		t.Fatal(err)
	}
	same(t, lines(items), []string{"rates n1 on_demand 0.031611 0.004237", "spec n1-standard-1", "n1-standard-1 linux on_demand 0.04749975 USD"})
	if tokens == 0 {
		t.Error("no token was asked for")
	}
}

func TestCAFileAndProxy(t *testing.T) {
	f := newFake(t, n1()...)
	secure := httptest.NewTLSServer(f.Config.Handler)
	defer secure.Close()
	o := f.options()
	o.BillingEndpoint = secure.URL
	waits := 0
	o.Wait = func(context.Context, time.Duration) error { waits++; return nil }
	if _, err := collect(t, New(o), "us-central1"); err == nil || !strings.Contains(err.Error(), "certificate") || waits != 0 {
		t.Error(err, waits)
	}
	o.CAFile = filepath.Join(t.TempDir(), "ca.pem")
	if _, err := collect(t, New(o), "us-central1"); err == nil || !strings.Contains(err.Error(), "read CA file") {
		t.Error(err)
	}
	if err := os.WriteFile(o.CAFile, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	o.Project = "proj"
	s := New(o)
	if _, err := s.zones(t.Context(), "us-central1"); err == nil || !strings.Contains(err.Error(), "no certificate") {
		t.Error(err)
	}
	o.Project = ""
	if err := os.WriteFile(o.CAFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	items, err := collect(t, New(o), "us-central1")
	if err != nil || len(items) != 1 {
		t.Error(err, lines(items))
	}
	if tr, err := webclient.Transport(""); err != nil || tr.Proxy == nil {
		t.Error("the proxy variables are not honoured:", err)
	}
}

func TestNameAndOptions(t *testing.T) {
	s := New(Options{})
	if s.Name() != pricing.GCP || s.o.Currency != money.USD || !s.now().IsZero() {
		t.Error(s.Name(), s.o)
	}
	if _, err := collect(t, New(Options{Currency: "EURO"}), "us-central1"); err == nil || !strings.Contains(err.Error(), "EUR") {
		t.Error(err)
	}
}
