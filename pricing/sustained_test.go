package pricing_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/pricing"
	"pgregory.net/rapid"
)

func discounted(share string, t testing.TB) *pricing.Specification {
	s := spec("gcp", "n1-standard-1", "n1", 1, 3.75)
	s.SustainedUseDiscount = pricing.Known(num(t, share), "test")
	return &s
}

// A month of 720 hours at 0.10: each quarter of it is 180 hours or 18.00 at the
// list price.
func TestSustainedUseByHand(t *testing.T) {
	month := 720 * time.Hour
	f := func(share string, before, run time.Duration, want string) {
		t.Helper()
		u := pricing.SustainedUseOf(discounted(share, t))
		if got := u.Charge(usd(t, "0.10"), month, before*time.Hour, run*time.Hour).Round().Literal(); got != want {
			t.Errorf("%s after %d h, %d h: %s, want %s", share, before, run, got, want)
		}
	}
	f("0.3", 0, 180, "18.00")  // 18
	f("0.3", 0, 360, "32.40")  // 18 + 14.4
	f("0.3", 0, 540, "43.20")  // + 10.8
	f("0.3", 0, 720, "50.40")  // + 7.2: 70 % of 72
	f("0.3", 540, 180, "7.20") // the last quarter alone
	f("0.3", 170, 20, "1.80")  // 10 h at 100 %, 10 h at 80 %
	f("0.3", 720, 10, "0.40")  // beyond the month: as its last quarter
	f("0.2", 0, 180, "18.00")  // 18
	f("0.2", 0, 360, "33.60")  // + 15.6
	f("0.2", 0, 540, "46.80")  // + 13.2
	f("0.2", 0, 720, "57.60")  // + 10.8: 80 % of 72
	f("0", 0, 720, "72.00")    // no discount
	f("0.3", 0, 0, "0.00")     // nothing
	if u := pricing.SustainedUseOf(nil); u.Of != 0 {
		t.Error("an unknown type has a discount")
	}
	for share, want := range map[string]string{"0.3": "0.07", "0.2": "0.08", "0": "0.1"} {
		if got := pricing.FullMonth(usd(t, "0.1"), discounted(share, t)); got != usd(t, want) {
			t.Errorf("%s: a full month is %s an hour, want %s", share, got, want)
		}
	}
}

// A month cut into periods costs what the whole does, exactly, also February
// of a leap year and months with days of 23 and 25 hours.
func TestSustainedUseCutsExactly(t *testing.T) {
	tb := testing.TB(t)
	rapid.Check(t, func(t *rapid.T) {
		hours := rapid.SampledFrom([]int64{672, 696, 719, 720, 721, 743, 744, 745}).Draw(t, "hours of the month")
		month := time.Duration(hours) * time.Hour
		u := pricing.SustainedUseOf(discounted(rapid.SampledFrom([]string{"0.3", "0.2", "0"}).Draw(t, "discount"), tb))
		p := usd(tb, fmt.Sprintf("0.%09d", rapid.Int64Range(1, 999999999).Draw(t, "price")))
		var done time.Duration
		sum := p.Times(0)
		for done < month {
			run := min(month-done, time.Duration(rapid.Int64Range(1, int64(month)).Draw(t, "run")))
			var err error
			if sum, err = sum.Add(u.Charge(p, month, done, run)); err != nil {
				t.Fatal(err)
			}
			done += run
		}
		whole := u.Charge(p, month, 0, month)
		if !sum.Equal(whole) {
			t.Fatalf("parts %s, whole %s", sum.Decimal(20), whole.Decimal(20))
		}
		if whole.Cmp(p.Times(month)) > 0 {
			t.Fatalf("%s is above list %s", whole, p.Times(month))
		}
	})
}

// A price with a licence in it is not discounted: of a licence Google gives no
// discount, and the price does not tell its part.
func TestNoSustainedUseOnLicences(t *testing.T) {
	base := marketBase(t)
	for _, os := range []string{pricing.Windows, pricing.RHEL, pricing.SUSE, pricing.RHELForSAP} {
		o := offer(t, "n2-standard-2", "0.192", "2026-01-01")
		o.Provider, o.Region, o.OS = "gcp", "us-east4", os
		base.offers = append(base.offers, o)
	}
	b := newBook(t, pricing.Options{Base: base})
	for os, want := range map[string]string{"": "0.08", "linux": "0.08", "windows": "0.192", "rhel": "0.192", "suse": "0.192", "rhel_sap": "0.192"} {
		got, err := b.Candidates(pricing.CandidateQuery{Provider: "gcp", Region: "us-east4", OS: os, Demand: pricing.Demand{VCPUs: 2}})
		if err != nil {
			t.Fatal(os, err)
		}
		found := false
		for _, c := range got.List {
			if c.Spec.InstanceType == "n2-standard-2" {
				found = true
				if c.FullMonth != usd(t, want) {
					t.Errorf("%q: %s a full month, want %s", os, c.FullMonth, want)
				}
			}
		}
		if !found {
			t.Errorf("%q: %s", os, names(got.List))
		}
	}
}
