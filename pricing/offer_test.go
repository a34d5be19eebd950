package pricing_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/leanfleet/leanfleet/pricing"
)

func TestOfferJSONRoundTrip(t *testing.T) {
	o := offer(t, "m5.large", "0.0960000000", "2026-07-20")
	raw := asJSON(t, o)
	want := `{"provider":"aws","region":"us-east-1","instance_type":"m5.large","os":"linux","purchase":"on_demand","price_per_hour":0.096,"currency":"USD","as_of":"2026-07-20T00:00:00Z","basis":"observed","source":"test"}`
	if raw != want {
		t.Errorf("%s", raw)
	}
	o.Purchase, o.Term = pricing.Reserved, pricing.Term{Years: 3, Payment: pricing.PartialUpfront, Class: "convertible"}
	o.Upfront, o.Recurring, o.ValidFrom = usd(t, "100"), usd(t, "0.01"), at(t, "2026-01-01")
	var back pricing.Offer
	if err := json.Unmarshal([]byte(asJSON(t, o)), &back); err != nil || back != o {
		t.Errorf("%+v, %v", back, err)
	}
	if err := json.Unmarshal([]byte(`{"price_per_hour":"x"}`), &back); err == nil {
		t.Error("a text was read as a price")
	}
}

func TestPriceOS(t *testing.T) {
	for in, want := range map[string]string{
		"Ubuntu 24.04": "linux", "Amazon Linux 2 (amzn)": "linux", "linux": "linux", "Debian": "linux",
		"Windows Server 2022": "windows", "windows": "windows", "Red Hat Enterprise Linux 9": "rhel", "RHEL": "rhel", "SLES 15": "suse", "openSUSE": "suse",
		"RHEL 9 for SAP with HA": "rhel_sap", "Red Hat Enterprise Linux for SAP Applications": "rhel_sap", "rhel_sap": "rhel_sap", "Red Hat 9": "rhel",
		"SUSE Linux Enterprise Server 15 SP5 for SAP Applications": "suse_sap", "sles-15-sp4-sap": "suse_sap", "Windows with SAP": "windows", "Ubuntu with SAP": "linux",
		"": "", "BeOS": "",
	} {
		got, ok := pricing.PriceOS(in)
		if got != want || ok != (want != "") {
			t.Errorf("%q is priced as %q, %v", in, got, ok)
		}
	}
}

func TestAmortised(t *testing.T) {
	got, err := pricing.Amortised(usd(t, "438"), usd(t, "0.01"), pricing.Term{Years: 1})
	if err != nil || got != usd(t, "0.06") {
		t.Errorf("%s, %v", got, err)
	}
	if got, err := pricing.Amortised(usd(t, "1"), usd(t, "0"), pricing.Term{Years: 3}); err != nil || got != usd(t, "0.000038051750") {
		t.Errorf("%s, %v", got, err)
	}
	if _, err := pricing.Amortised(usd(t, "1"), usd(t, "1"), pricing.Term{}); err == nil {
		t.Error("no term was taken")
	}
	if s := (pricing.Term{Years: 1, Payment: pricing.NoUpfront, Class: "standard"}).String(); s != "1 year no_upfront standard" {
		t.Error(s)
	}
	if s := (pricing.Term{Years: 3}).String(); s != "3 years" {
		t.Error(s)
	}
	if p, err := pricing.ParsePurchase(" Savings-Plan "); p != pricing.SavingsPlan || err != nil {
		t.Errorf("%s, %v", p, err)
	}
	if p, err := pricing.ParsePayment("All Upfront"); p != pricing.AllUpfront || err != nil {
		t.Errorf("%s, %v", p, err)
	}
}

// FuzzShelf decodes sections behind their checksum.
func FuzzShelf(f *testing.F) {
	b, err := pricing.NewBook(pricing.Options{})
	if err != nil {
		f.Fatal(err)
	}
	o := offer(f, "m5.large", "0.1", "2025-01-01")
	add(f, b, live(at(f, "2025-01-01"), true), append(items(o),
		pricing.Item{Storage: &pricing.StorageOffer{Provider: "aws", Region: "us-east-1", DiskType: "gp3", PerGiBMonth: usd(f, "0.08")}},
		pricing.Item{Address: &pricing.AddressOffer{Provider: "aws", Region: "us-east-1", PerHour: usd(f, "0.005")}},
		pricing.Item{Component: &pricing.ComponentOffer{Provider: "aws", Region: "us-east-1", Family: "x", Purchase: pricing.Spot, PerVCPUHour: usd(f, "0.005"), PerGiBHour: usd(f, "0.001")}},
		pricing.Item{Spec: &pricing.Specification{Provider: "aws", InstanceType: "m5.large", VCPUs: pricing.Known(2, "api")}}))
	add(f, b, live(at(f, "2025-02-01"), true), nil)
	for _, p := range b.Places() {
		raw, err := pricing.EncodeItems(b, p)
		if err != nil {
			f.Fatal(err)
		}
		if again, err := pricing.DecodeShelf(raw); err != nil || !bytes.Equal(again, raw) {
			f.Fatalf("%v: %v", p, err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		again, err := pricing.DecodeShelf(raw)
		if err != nil {
			return
		}
		if twice, err := pricing.DecodeShelf(again); err != nil || !bytes.Equal(twice, again) {
			t.Errorf("%v", err)
		}
	})
}

func TestShelfTruncated(t *testing.T) {
	b := newBook(t, pricing.Options{})
	add(t, b, live(at(t, "2025-01-01"), true), items(offer(t, "m5.large", "0.1", "2025-01-01")))
	raw, err := pricing.EncodeItems(b, pricing.Place{Provider: "aws", Region: "us-east-1"})
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		if _, err := pricing.DecodeShelf(raw[:i]); err == nil {
			t.Errorf("%d bytes of %d were read", i, len(raw))
		}
	}
	if _, err := pricing.DecodeShelf(append(raw, 0)); err == nil {
		t.Error("a section with a rest was read")
	}
	if errors.Is(err, pricing.ErrBook) {
		t.Error(err)
	}
}
