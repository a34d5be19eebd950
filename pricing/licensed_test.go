package pricing_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/pricing"
	"pgregory.net/rapid"
)

// gcpLinux is an offer of gcp us-central1 for linux on demand.
func gcpLinux(t testing.TB, typ, price, observed string) pricing.Offer {
	o := offer(t, typ, price, observed)
	o.Provider, o.Region, o.Source = "gcp", "us-central1", "list: vCPU and memory"
	return o
}

// Of a price that is Linux and a licence the machine's part is known, at list and
// less a discount; of any other price for such a system it is not, and all of a
// price for Linux is the machine's. Only the machine's part earns sustained use:
// of n1 30 %, so that a full month of 0.10 and a licence of 0.046 costs
// 0.07 + 0.046 an hour.
func TestMachinePart(t *testing.T) {
	linux := gcpLinux(t, "n1-standard-1", "0.10", "2026-01-01")
	windows, err := pricing.WithLicence(&linux, pricing.Windows, "Windows Server 2025", usd(t, "0.046"))
	if err != nil {
		t.Fatal(err)
	}
	if windows.PerHour != usd(t, "0.146") || windows.Basis != pricing.Derived || windows.OS != pricing.Windows || windows.Source != "list: vCPU and memory, licence of Windows Server 2025 0.046 an hour" {
		t.Errorf("%+v", windows)
	}
	if _, err := pricing.WithLicence(&linux, pricing.Windows, "Windows", inCurrency(t, "1", "EUR")); err == nil {
		t.Error("a licence in another currency")
	}
	n1 := spec("gcp", "n1-standard-1", "n1", 1, 3.75)
	n1.SustainedUseDiscount = pricing.Known(num(t, "0.3"), "test")
	f := func(rows string, o pricing.Offer, contracted, machine, month string) {
		t.Helper()
		b := newBook(t, pricing.Options{Base: &base{specs: map[string]pricing.Specification{"gcp n1-standard-1": n1}}, Sheet: sheet(t, "s.csv", "kind,provider,instance_type,os,price_per_hour,currency,percent,region\n"+rows)})
		add(t, b, pricing.Reading{List: "list", Provider: "gcp", Region: "us-central1", At: o.ObservedAt}, items(linux, o))
		got, err := b.Lookup(pricing.OfferQuery{Provider: "gcp", Region: "us-central1", InstanceType: "n1-standard-1", OS: o.OS})
		if err != nil {
			t.Fatal(err)
		}
		full := got.FullMonth(&n1)
		if got.Contracted.Literal() != contracted || got.Machine.Literal() != machine || full.Literal() != month {
			t.Errorf("%s %q: contracted %s, machine %s, full month %s; want %s, %s, %s", o.OS, rows, got.Contracted, got.Machine, full, contracted, machine, month)
		}
		if machine == "0" && !got.Machine.IsZero() {
			t.Errorf("%s %q: a machine for %v", o.OS, rows, got.Machine)
		}
		// Candidates are compared by the same price.
		list, err := b.Candidates(pricing.CandidateQuery{Provider: "gcp", Region: "us-central1", OS: o.OS})
		if err != nil || len(list.List) != 1 || list.List[0].FullMonth != full || list.List[0].Machine != got.Machine {
			t.Errorf("%s %q: candidates %+v, %v", o.OS, rows, list, err)
		}
	}
	f("", linux, "0.1", "0.1", "0.07")
	f("", windows, "0.146", "0.1", "0.116")
	// Less 10 %: 0.1314, of which 0.09 are the machine: 0.063 + 0.0414.
	f("discount,gcp,,,,,10,\n", windows, "0.1314", "0.09", "0.1044")
	// A price of one's own does not tell the licence's part.
	f("price,gcp,n1-standard-1,windows,0.12,USD,,\n", windows, "0.12", "0", "0.12")
	f("price,gcp,n1-standard-1,linux,0.08,USD,,\n", linux, "0.08", "0.08", "0.056")
	observed := windows
	observed.Basis, observed.Source = pricing.Observed, "list"
	f("", observed, "0.146", "0", "0.146")
	odd := windows
	odd.Source = "list, licence of Windows 0.2 an hour" // more than the price
	f("", odd, "0.146", "0", "0.146")
	odd.Source = "list, licence of Windows free an hour"
	f("", odd, "0.146", "0", "0.146")
	odd.Source = "list, licence of Windows -0.046 an hour"
	f("", odd, "0.146", "0", "0.146")
}

// Whatever a machine and a licence cost, what WithLicence puts together comes
// apart again exactly, behind a discount too, and a full month costs what that
// of the machine alone and the licence do.
func TestMachinePartComesApart(t *testing.T) {
	n1 := spec("gcp", "n1-standard-1", "n1", 1, 3.75)
	n1.SustainedUseDiscount = pricing.Known(num(t, "0.3"), "test")
	rapid.Check(t, func(rt *rapid.T) {
		price := func(name string) string {
			return fmt.Sprintf("%d.%09d", rapid.IntRange(0, 99).Draw(rt, name), rapid.IntRange(1, 999_999_999).Draw(rt, name))
		}
		linux := gcpLinux(t, "n1-standard-1", price("machine"), "2026-01-01")
		licence := usd(t, price("licence"))
		name := rapid.SampledFrom([]string{"RHEL", "SLES 15", "Windows, licence of 3", "odd 0.5 an hour"}).Draw(rt, "name")
		o, err := pricing.WithLicence(&linux, pricing.RHEL, name, licence)
		if err != nil {
			rt.Fatal(err)
		}
		percent := rapid.IntRange(0, 99).Draw(rt, "percent")
		rows := "kind,provider,percent\n"
		if percent > 0 {
			rows += fmt.Sprintf("discount,gcp,%d\n", percent)
		}
		b := newBook(t, pricing.Options{Base: &base{specs: map[string]pricing.Specification{"gcp n1-standard-1": n1}}, Sheet: sheet(t, "s.csv", rows)})
		add(t, b, pricing.Reading{List: "list", Provider: "gcp", Region: "us-central1", At: o.ObservedAt}, items(linux, o))
		ask := func(os string) pricing.Found {
			f, err := b.Lookup(pricing.OfferQuery{Provider: "gcp", Region: "us-central1", InstanceType: "n1-standard-1", OS: os})
			if err != nil {
				rt.Fatal(err)
			}
			return f
		}
		bare, with := ask(pricing.Linux), ask(pricing.RHEL)
		own := licence
		if percent > 0 {
			own = licence.Less(num(t, fmt.Sprint(percent)))
		}
		whole, err := bare.FullMonth(&n1).Add(own)
		if err != nil || with.Machine != bare.Contracted || with.FullMonth(&n1) != whole {
			rt.Fatalf("machine %s of %s, alone %s; a month %s, want %s", with.Machine, with.Contracted, bare.Contracted, with.FullMonth(&n1), whole)
		}
	})
}

// A steady month discounts the machine's part of a price: all of it with Linux,
// none where an operating system's part is not known. 730 h at 0.10 less 30 % are
// 51.10, 730 h of a licence of 0.046 are 33.58.
func TestSteadyMonthOfLicences(t *testing.T) {
	var none *pricing.Commitments
	n1 := spec("gcp", "n1-standard-1", "n1", 1, 3.75)
	n1.SustainedUseDiscount = pricing.Known(num(t, "0.3"), "test")
	u := func(os, perHour, machine string) pricing.Usage {
		u := pricing.Usage{Host: os + perHour + machine, Provider: "gcp", Region: "us-central1", OS: os, Spec: &n1, Running: time.Hour, PerHour: usd(t, perHour)}
		if machine != "" {
			u.Machine = usd(t, machine)
		}
		return u
	}
	f := func(want string, usages ...pricing.Usage) {
		t.Helper()
		s, err := none.Steady(at(t, slotStart), usages, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Month()
		if err != nil || got.Total.Round().Literal() != want {
			t.Errorf("%s: %s, want %s, %v", usages[0].Host, got.Total.Round(), want, err)
		}
	}
	f("51.10", u(pricing.Linux, "0.10", ""))
	f("51.10", u(pricing.Linux, "0.10", "0.10"))
	f("51.10", u("", "0.10", ""))
	f("84.68", u(pricing.Windows, "0.146", "0.10"))
	f("106.58", u(pricing.Windows, "0.146", ""))
	f("191.26", u(pricing.Windows, "0.146", ""), u(pricing.Windows, "0.146", "0.10"))
}
