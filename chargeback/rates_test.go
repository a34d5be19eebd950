package chargeback_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/leanfleet/leanfleet/chargeback"
	"github.com/leanfleet/leanfleet/pricing"
)

// TestRatesAreMarked: a rate of a commitment is in the list of prices, and what
// was first known later is marked there, on the line and in the totals; with
// strict prices it is none, and everybody says so.
func TestRatesAreMarked(t *testing.T) {
	s := newScript(t)
	s.run("rates", `now 2024-03-05
read 2023-01-01 aws/us-east-1/m5.large 0.10
read 2024-03-01 aws/us-east-1/m5.large 0.05 purchase=savings_plan years=1
commitment s1,savings_plan,aws,,,,,0.04,,USD,2024-01-01,2024-12-31,1
host a type=aws/us-east-1/m5.large state=running from=2024-01-01 disks=none addresses=0
`)
	ask := func(options ...string) (chargeback.Result, chargeback.ExplainResult) {
		t.Helper()
		env, req, err := s.question("2024-02-01", options)
		if err != nil {
			t.Fatal(err)
		}
		r, err := chargeback.Report(t.Context(), env, req)
		if err != nil {
			t.Fatal(err)
		}
		x, err := chargeback.Explain(t.Context(), env, s.memory, chargeback.ExplainRequest{Request: req, Host: "a"})
		if err != nil {
			t.Fatal(err)
		}
		return r, x
	}
	rate := func(r *chargeback.Result) *chargeback.PriceUsed {
		i := slices.IndexFunc(r.Prices.Used, func(u chargeback.PriceUsed) bool { return u.Purchase == pricing.SavingsPlan })
		if i < 0 {
			return nil
		}
		return &r.Prices.Used[i]
	}
	r, x := ask()
	line := r.Groups[0].Hosts[0]
	// 0.04 an hour at 0.05 covers 48 minutes of each of 24 hours.
	u := rate(&r)
	if u == nil || u.PriceBasis != pricing.NearestLater || u.Hours != 19.2 || u.Price.Literal() != "0.05" || u.Term != "1 year" || u.AsOf != "2024-03-01" || u.InstanceType != "m5.large" {
		t.Fatalf("%+v", u)
	}
	if line.PriceBasis != pricing.NearestLater || line.NearestLaterHours != 19.2 || r.Total.PriceBasis != pricing.NearestLater || r.Total.NearestLaterHours != 19.2 || r.Prices.PriceBasis != pricing.NearestLater ||
		r.Groups[0].NearestLaterHours != 19.2 || !slices.Contains(line.PriceDates, "2024-03-01") || line.Reason != "" {
		t.Errorf("%+v", line)
	}
	if why := strings.Join(x.Pieces[0].Why, "\n"); !strings.Contains(why, "the first known rate under commitment s1 is of 2024-03-01, after the use") {
		t.Errorf("%s", why)
	}
	if got := r.Commitments[0]; got.OnDemand.Literal() != "1.92" || got.Used.Literal() != "0.96" || got.AboveOnDemand || len(got.Unrated) != 0 {
		t.Errorf("%+v", got)
	}
	r, x = ask("strict")
	line = r.Groups[0].Hosts[0]
	const why = "commitment s1 has no rate for m5.large: the first known price is of 2024-03-01, after 2024-02-01"
	if rate(&r) != nil || line.PriceBasis != "" || line.Reason != why || line.EffectiveCost.Literal() != "2.40" || !slices.Contains(x.Pieces[0].Why, why) {
		t.Errorf("%+v %q", line, x.Pieces[0].Why)
	}
	if got := r.Commitments[0]; len(got.Unrated) != 1 || got.Unrated[0].Hours != 24 || got.Unrated[0].Hosts != 1 || got.Unused.Literal() != "0.96" {
		t.Errorf("%+v", got)
	}
}
