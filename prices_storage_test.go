package leanfleet_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/pricing"
)

// TestStoragePrices: disks by type and size and addresses of a region, each
// with the layer and the age of its price.
func TestStoragePrices(t *testing.T) {
	now := priceNow
	disk := func(typ string, size int64, price string) pricing.Item {
		o := &pricing.StorageOffer{Provider: "azure", Region: "eastus", DiskType: typ, MaxGiB: size, MonthHours: 730, Basis: pricing.Observed, Source: "azure retail prices"}
		if size > 0 {
			o.PerDiskMonth = listPrice(t, price)
		} else {
			o.PerGiBMonth = listPrice(t, price)
		}
		return pricing.Item{Storage: o}
	}
	address := func(idle bool, price string) pricing.Item {
		return pricing.Item{Address: &pricing.AddressOffer{Provider: "azure", Region: "eastus", Idle: idle, PerHour: listPrice(t, price), Basis: pricing.Observed, Source: "azure retail prices"}}
	}
	vm := pricing.Item{Offer: &pricing.Offer{Provider: "azure", Region: "eastus", InstanceType: "Standard_D2s_v5", OS: "linux", Purchase: pricing.OnDemand, PerHour: listPrice(t, "0.09"), Basis: pricing.Observed, Source: "azure retail prices"}}
	list := &priceList{name: "azure", items: map[string][]pricing.Item{"eastus": {
		vm, disk("Premium_LRS P10", 128, "19.71"), disk("Premium_LRS P4", 32, "5.28"), disk("PremiumV2_LRS", 0, "0.081"), address(false, "0.005"), address(true, "0.005"),
	}}}
	m := priceMonitor(t, t.TempDir(), &now, list)
	if _, err := update(t, m, "eastus"); err != nil {
		t.Fatal(err)
	}
	ask := func(typ string) string {
		t.Helper()
		r, err := m.StoragePrices(t.Context(), leanfleet.StoragePricesRequest{Region: "eastus", DiskType: typ})
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, d := range r.Disks {
			price := d.PerGiBMonth
			if price.IsZero() {
				price = d.PerDiskMonth
			}
			if d.MonthHours != 730 || d.Currency != "USD" || d.Layer != pricing.LayerLive || *d.AgeSeconds != now.Sub(priceNow).Seconds() {
				t.Errorf("%+v", d)
			}
			out = append(out, d.DiskType+" "+price.String())
		}
		return strings.Join(out, ", ")
	}
	for typ, want := range map[string]string{
		"":            "Premium_LRS P4 5.28 USD, Premium_LRS P10 19.71 USD, PremiumV2_LRS 0.081 USD",
		"premium_lrs": "Premium_LRS P4 5.28 USD, Premium_LRS P10 19.71 USD", "Premium_LRS p10": "Premium_LRS P10 19.71 USD", "premiumv2_lrs": "PremiumV2_LRS 0.081 USD",
	} {
		if got := ask(typ); len(got) != len(want) || !strings.Contains(got, want[:20]) {
			t.Errorf("%q: %s; want %s", typ, got, want)
		}
	}
	r, err := m.AddressPrices(t.Context(), leanfleet.AddressPricesRequest{Provider: "azure", Region: "eastus"})
	if err != nil || len(r.Addresses) != 2 || r.Reason != "" || r.Addresses[0].Use != leanfleet.AddressInUse || r.Addresses[1].Use != leanfleet.AddressIdle || r.Addresses[1].PerMonth.String() != "3.72 USD" {
		t.Errorf("%+v, %v", r, err)
	}
	// The JSON comes back, with the currency beside the prices.
	s, err := m.StoragePrices(t.Context(), leanfleet.StoragePricesRequest{Region: "azure:eastus"})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var back leanfleet.StoragePricesResult
	if err := json.Unmarshal(raw, &back); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(back)
	if err != nil || string(again) != string(raw) {
		t.Errorf("%v\n%s\n%s", err, raw, again)
	}
	// Gone from the list they keep their price, with the day they were last seen.
	now = now.AddDate(0, 0, 100)
	list.items["eastus"] = []pricing.Item{vm, disk("Premium_LRS P10", 128, "19.71"), address(false, "0.005")}
	if _, err := update(t, m, "eastus"); err != nil {
		t.Fatal(err)
	}
	if s, err = m.StoragePrices(t.Context(), leanfleet.StoragePricesRequest{Region: "eastus"}); err != nil || len(s.Disks) != 3 {
		t.Fatalf("%+v, %v", s, err)
	}
	for _, d := range s.Disks {
		kept := d.DiskType == "Premium_LRS P10"
		if d.Gone == kept || d.Stale == kept || d.LastSeen.Equal(priceNow) == kept {
			t.Errorf("%+v", d)
		}
	}
	if len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0], "up to 100 days old") {
		t.Errorf("%q", s.Warnings)
	}
	if r, err = m.AddressPrices(t.Context(), leanfleet.AddressPricesRequest{Region: "eastus"}); err != nil || !r.Addresses[1].Gone || len(r.Warnings) != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	// A day before anything was read there is none, and it says why.
	if s, err = m.StoragePrices(t.Context(), leanfleet.StoragePricesRequest{Region: "eastus", PricesAsOf: priceNow.AddDate(0, 0, -1)}); err != nil || len(s.Disks) != 0 || !strings.Contains(s.Reason, "no list of azure eastus was read until 2026-07-31") {
		t.Errorf("%+v, %v", s, err)
	}
	for _, c := range []struct {
		req  leanfleet.StoragePricesRequest
		want string
	}{
		{leanfleet.StoragePricesRequest{}, "name a region"},
		{leanfleet.StoragePricesRequest{Region: "eastsu"}, "did you mean eastus"},
		{leanfleet.StoragePricesRequest{Provider: "aws", Region: "eastus"}, `unknown region "eastus"`},
		{leanfleet.StoragePricesRequest{Provider: "gcp", Region: "azure:eastus"}, "is not one of gcp"},
		{leanfleet.StoragePricesRequest{Region: "eastus", DiskType: "Standard_HDD"}, "known are Premium_LRS P4, Premium_LRS P10, PremiumV2_LRS"},
	} {
		if _, err := m.StoragePrices(t.Context(), c.req); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v; want %q", c.req, err, c.want)
		}
	}
	if _, err := m.AddressPrices(t.Context(), leanfleet.AddressPricesRequest{Region: "eastus", Timezone: "Mars/Base"}); err == nil {
		t.Error("an unknown zone is taken")
	}
}

// TestSheetsAreChecked: a sheet that names what nobody knows stops questions,
// not what is needed to learn the name.
func TestSheetsAreChecked(t *testing.T) {
	dir, now := t.TempDir(), priceNow
	sheet := filepath.Join(dir, "own.csv")
	if err := os.WriteFile(sheet, []byte("provider,region,instance_type,price_per_hour,currency\naws,mars-north-1,m5.large,0.05,USD\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	list := &priceList{name: "aws", items: map[string][]pricing.Item{"mars-north-1": {item(t, "mars-north-1", "m5.large", "0.1")}}}
	m, err := leanfleet.Open(t.Context(), leanfleet.Options{Dir: dir, PricesOnly: true, Clock: func() time.Time { return now },
		Prices: leanfleet.PriceOptions{Sheets: []string{sheet}, Sources: []pricing.PriceSource{list}}})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	ask := leanfleet.PriceRequest{Provider: "aws", InstanceType: "m5.large", Region: "mars-north-1"}
	if _, err := m.Price(t.Context(), ask); !errors.Is(err, pricing.ErrUnknownRegion) || !strings.Contains(err.Error(), sheet+`:2: region: unknown region "mars-north-1" of aws`) {
		t.Errorf("%v", err)
	}
	if _, err := update(t, m, "aws:mars-north-1"); err != nil {
		t.Fatal(err)
	}
	r, err := m.Price(t.Context(), ask)
	if err != nil || r.Offers[0].Contracted.String() != "0.05 USD" {
		t.Errorf("%+v, %v", r, err)
	}
}
