package pricing_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
	"pgregory.net/rapid"
)

func commitments(t testing.TB, name, text string) *pricing.Commitments {
	t.Helper()
	c, err := pricing.ParseCommitments(name, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func usage(t testing.TB, host, typ, family, price string, vcpus int, gib float64, running time.Duration) pricing.Usage {
	t.Helper()
	s := spec("aws", typ, family, vcpus, gib)
	return pricing.Usage{Host: host, Provider: "aws", Region: "us-east-1", OS: pricing.Linux, Spec: &s, Running: running, PerHour: usd(t, price)}
}

// told writes a coverage as a reader checks it by hand.
func told(c pricing.Coverage) string {
	var b strings.Builder
	for _, u := range c.Usages {
		fmt.Fprintf(&b, "%s: on demand %v", u.Host, u.OnDemand)
		for _, v := range u.Covering {
			fmt.Fprintf(&b, ", %s covers %v for %s", v.Commitment, v.Covered, v.Cost.Decimal(6))
		}
		b.WriteString("\n")
	}
	for _, u := range c.Commitments {
		fmt.Fprintf(&b, "%s: costs %s, used %s, unused %s\n", u.Commitment, u.Cost.Decimal(6), u.Used.Decimal(6), u.Unused.Decimal(6))
	}
	return b.String()
}

const slotStart = "2026-03-01 05:00"

func TestCommitmentsByHand(t *testing.T) {
	const head = "id,purchase,provider,region,family,instance_type,count,size_flexible,vcpus,memory_gib,price_per_vcpu_hour,price_per_gib_hour,spend_per_hour,percent,price_per_hour,upfront,currency,start,end\n"
	a := func(running time.Duration) pricing.Usage {
		return usage(t, "a", "m5.large", "m5", "0.10", 2, 8, running)
	}
	b := func(running time.Duration) pricing.Usage {
		return usage(t, "b", "m5.xlarge", "m5", "0.20", 4, 16, running)
	}
	c := usage(t, "c", "c5.large", "c5", "0.08", 2, 4, time.Hour)
	f := func(name, rows string, usages []pricing.Usage, want string) {
		t.Helper()
		got, err := commitments(t, "c.csv", head+rows).Apply(at(t, slotStart), time.Hour, usages, nil)
		if err != nil {
			t.Fatal(err)
		}
		if told(got) != want {
			t.Errorf("%s: got\n%swant\n%s", name, told(got), want)
		}
	}
	f("an instance of the type", "ri,reserved,aws,us-east-1,,m5.large,1,,,,,,,,0.06,,USD,2026-01-01,2026-12-31\n",
		[]pricing.Usage{a(time.Hour), b(time.Hour)},
		"a: on demand 0s, ri covers 1h0m0s for 0.06\nb: on demand 1h0m0s\nri: costs 0.06, used 0.06, unused 0\n")
	f("half an hour is unused", "ri,reserved,aws,us-east-1,,m5.large,1,,,,,,,,0.06,,USD,2026-01-01,2026-12-31\n",
		[]pricing.Usage{a(30 * time.Minute)},
		"a: on demand 0s, ri covers 30m0s for 0.03\nri: costs 0.06, used 0.03, unused 0.03\n")
	f("an upfront payment over 8,760 hours", "ri,reserved,aws,us-east-1,,m5.large,2,,,,,,,,0.01,438,USD,2026-01-01,2026-12-31\n",
		[]pricing.Usage{a(time.Hour)},
		"a: on demand 0s, ri covers 1h0m0s for 0.06\nri: costs 0.12, used 0.06, unused 0.06\n")
	f("one xlarge covers a large and half an xlarge", "ri,reserved,aws,us-east-1,,m5.xlarge,1,true,,,,,,,0.12,,USD,2026-01-01,2026-12-31\n",
		[]pricing.Usage{b(time.Hour), a(time.Hour), c},
		"b: on demand 30m0s, ri covers 30m0s for 0.06\na: on demand 0s, ri covers 1h0m0s for 0.06\nc: on demand 1h0m0s\nri: costs 0.12, used 0.12, unused 0\n")
	f("spend takes the largest discount first; equal ones the lower rate", "sp,savings_plan,aws,,,,,,,,,,0.07,50,,,USD,2026-01-01,2026-12-31\n",
		[]pricing.Usage{a(time.Hour), b(time.Hour), c},
		"a: on demand 24m0s, sp covers 36m0s for 0.03\nb: on demand 1h0m0s\nc: on demand 0s, sp covers 1h0m0s for 0.04\nsp: costs 0.07, used 0.07, unused 0\n")
	f("spend that is left", "sp,savings_plan,aws,,m5,,,,,,,,0.07,50,,,USD,2026-01-01,2026-12-31\n",
		[]pricing.Usage{a(time.Hour), c},
		"a: on demand 0s, sp covers 1h0m0s for 0.05\nc: on demand 1h0m0s\nsp: costs 0.07, used 0.05, unused 0.02\n")
	f("resources last while vCPUs and memory do", "cud,committed_use,aws,us-east-1,m5,,,,3,64,0.02,0.001,,,,,USD,2026-01-01,2026-12-31\n",
		[]pricing.Usage{a(time.Hour), b(time.Hour), c},
		"a: on demand 0s, cud covers 1h0m0s for 0.048\nb: on demand 45m0s, cud covers 15m0s for 0.024\nc: on demand 1h0m0s\ncud: costs 0.124, used 0.072, unused 0.052\n")
	f("instances before spend, each covers what is left",
		"sp,savings_plan,aws,,,,,,,,,,0.05,50,,,USD,2026-01-01,2026-12-31\nri,reserved,aws,us-east-1,,m5.large,1,,,,,,,,0.06,,USD,2026-02-01,2026-12-31\n",
		[]pricing.Usage{a(time.Hour), usage(t, "d", "m5.large", "m5", "0.10", 2, 8, time.Hour)},
		"a: on demand 0s, ri covers 1h0m0s for 0.06\nd: on demand 0s, sp covers 1h0m0s for 0.05\nri: costs 0.06, used 0.06, unused 0\nsp: costs 0.05, used 0.05, unused 0\n")
	f("nothing runs", "ri,reserved,aws,us-east-1,,m5.large,1,,,,,,,,0.06,,USD,2026-01-01,2026-12-31\n", nil,
		"ri: costs 0.06, used 0, unused 0.06\n")
	f("it has not begun", "ri,reserved,aws,us-east-1,,m5.large,1,,,,,,,,0.06,,USD,2026-04-01,2026-12-31\n", []pricing.Usage{a(time.Hour)},
		"a: on demand 1h0m0s\n")
}

func TestCommitmentsCoverOnlyWhatMatches(t *testing.T) {
	set := commitments(t, "c.yaml", `currency: USD
commitments:
  - {id: ri, purchase: reserved, provider: aws, region: us-east-1, instance_type: m5.large, price_per_hour: 0.06, start: 2026-01-01, years: 1, account: prod}
  - {id: sp, purchase: savings_plan, provider: aws, region: eu-west-1, spend_per_hour: 1, percent: 10, start: 2026-01-01, years: 3, class: compute, payment: No Upfront}
  - {id: cud, purchase: committed_use, provider: gcp, region: us-central1, family: n1, vcpus: 4, memory_gib: 16, price_per_vcpu_hour: 0.02, price_per_gib_hour: 0.003, start: 2026-01-01, years: 1}
`)
	f := func(name string, change func(u *pricing.Usage), covered bool) {
		t.Helper()
		u := usage(t, "a", "m5.large", "m5", "0.10", 2, 8, time.Hour)
		u.Account = "prod"
		change(&u)
		got, err := set.Apply(at(t, slotStart), time.Hour, []pricing.Usage{u}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if (len(got.Usages[0].Covering) > 0) != covered {
			t.Errorf("%s: %s", name, told(got))
		}
	}
	f("all right", func(*pricing.Usage) {}, true)
	f("another account", func(u *pricing.Usage) { u.Account = "test" }, false)
	f("windows", func(u *pricing.Usage) { u.OS = pricing.Windows }, false)
	f("another region", func(u *pricing.Usage) { u.Region = "us-west-2" }, false)
	f("another provider", func(u *pricing.Usage) { u.Provider = "gcp" }, false)
	f("no specification", func(u *pricing.Usage) { u.Spec = nil }, false)
	f("spend in its region", func(u *pricing.Usage) { u.Region = "eu-west-1" }, true)
	f("another currency", func(u *pricing.Usage) { u.Region, u.PerHour = "eu-west-1", inCurrency(t, "0.1", "EUR") }, false)
	onGCP := func(os string) func(*pricing.Usage) {
		return func(u *pricing.Usage) {
			s := spec("gcp", "n1-standard-2", "n1", 2, 7.5)
			u.Provider, u.Region, u.Spec, u.OS = "gcp", "us-central1", &s, os
		}
	}
	f("resources", onGCP(pricing.Linux), true)
	f("resources hold no licence", onGCP(pricing.Windows), false)
	all := set.All()
	if len(all) != 3 || all[2].Term != (pricing.Term{Years: 3, Payment: pricing.NoUpfront, Class: "compute"}) || !all[2].End.Equal(at(t, "2029-01-01")) {
		t.Errorf("%+v", all)
	}
	other, err := pricing.NewCommitments(all[0])
	if err != nil || other.Revision() == set.Revision() || set.Revision() == "" || (*pricing.Commitments)(nil).Revision() != "" {
		t.Errorf("%q and %q, %v", other.Revision(), set.Revision(), err)
	}
	cuts := set.Boundaries(at(t, "2026-01-01"), at(t, "2030-01-01"))
	if len(cuts) != 2 || !cuts[0].Equal(at(t, "2027-01-01")) {
		t.Errorf("%v", cuts)
	}
}

func TestSpendRatesComeFromTheBook(t *testing.T) {
	base := testBase(t)
	rate := offer(t, "m5.large", "0.07", "2024-08-09")
	rate.Purchase, rate.Term = pricing.SavingsPlan, pricing.Term{Years: 1, Class: "compute", Payment: pricing.NoUpfront}
	base.offers = append(base.offers, rate)
	b := newBook(t, pricing.Options{Base: base})
	set := commitments(t, "c.csv", "id,purchase,provider,spend_per_hour,currency,years,class,payment,start\nsp,savings_plan,aws,1,USD,1,compute,no_upfront,2026-01-01\n")
	usages := []pricing.Usage{usage(t, "a", "m5.large", "m5", "0.096", 2, 8, time.Hour), usage(t, "b", "c5.large", "c5", "0.085", 2, 4, time.Hour)}
	got, err := set.Apply(at(t, slotStart), time.Hour, usages, b.CommitmentRates(at(t, slotStart), time.Time{}))
	want := "a: on demand 0s, sp covers 1h0m0s for 0.07\nb: on demand 1h0m0s\nsp: costs 1, used 0.07, unused 0.93\n"
	if err != nil || told(got) != want {
		t.Errorf("%v\n%s", err, told(got))
	}
	// A rate above the price on demand covers nothing.
	usages[0].PerHour = usd(t, "0.06")
	if got, err := set.Apply(at(t, slotStart), time.Hour, usages, b.CommitmentRates(at(t, slotStart), time.Time{})); err != nil || len(got.Usages[0].Covering) != 0 {
		t.Errorf("%v\n%s", err, told(got))
	}
}

func TestApplyRefusesBadSlots(t *testing.T) {
	set := commitments(t, "c.csv", "id,purchase,provider,instance_type,price_per_hour,currency,start,end\nri,reserved,aws,m5.large,0.06,USD,2026-01-01,2026-03-01\n")
	_, err := set.Apply(at(t, "2026-03-01 23:30"), time.Hour, nil, nil)
	wantError(t, err, "crosses the end", "ri")
	_, err = set.Apply(at(t, slotStart), time.Hour, []pricing.Usage{usage(t, "a", "m5.large", "m5", "1", 2, 8, 2*time.Hour)}, nil)
	wantError(t, err, "host a", "2h0m0s")
	var none *pricing.Commitments
	got, err := none.Apply(at(t, slotStart), time.Hour, []pricing.Usage{usage(t, "a", "m5.large", "m5", "1", 2, 8, time.Hour)}, nil)
	if err != nil || got.Usages[0].OnDemand != time.Hour || none.All() != nil || none.Boundaries(time.Time{}, time.Time{}) != nil {
		t.Errorf("%v %+v", err, got)
	}
}

// What commitments cost is used or unused, to the last fraction; nothing is
// covered twice; and n hours are n times one hour.
func TestCommitmentProperties(t *testing.T) {
	types := []struct {
		typ, family, price string
		vcpus              int
		gib                float64
	}{{"m5.large", "m5", "0.1", 2, 8}, {"m5.xlarge", "m5", "0.2", 4, 16}, {"m5.24xlarge", "m5", "4.8", 96, 384}, {"c5.large", "c5", "0.085", 2, 4}}
	rows := []string{
		"ri,reserved,aws,,,m5.large,2,,,,,,,,0.0613,,USD,2026-01-01,2027-01-01",
		"flex,reserved,aws,,,m5.xlarge,3,true,,,,,,,0.1171,,USD,2026-01-01,2027-01-01",
		"cud,committed_use,aws,,c5,,,,5,13,0.0213,0.00171,,,,,USD,2026-01-01,2027-01-01",
		"sp,savings_plan,aws,,,,,,,,,,0.3177,27.3,,,USD,2026-01-01,2027-01-01",
		"fam,savings_plan,aws,,m5,,,,,,,,0.2111,41,,,USD,2026-01-01,2027-01-01",
	}
	const head = "id,purchase,provider,region,family,instance_type,count,size_flexible,vcpus,memory_gib,price_per_vcpu_hour,price_per_gib_hour,spend_per_hour,percent,price_per_hour,upfront,currency,start,end\n"
	rapid.Check(t, func(rt *rapid.T) {
		chosen := rapid.SliceOfNDistinct(rapid.SampledFrom(rows), 1, len(rows), rapid.ID).Draw(rt, "commitments")
		set := commitments(t, "c.csv", head+strings.Join(chosen, "\n")+"\n")
		var usages []pricing.Usage
		whole := rapid.Bool().Draw(rt, "whole hours")
		for i := range rapid.IntRange(0, 8).Draw(rt, "hosts") {
			k := rapid.SampledFrom(types).Draw(rt, "type")
			running := time.Hour
			if !whole {
				running = time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(rt, "running"))
			}
			usages = append(usages, usage(t, fmt.Sprint("h", i), k.typ, k.family, k.price, k.vcpus, k.gib, running))
		}
		got, err := set.Apply(at(t, slotStart), time.Hour, usages, nil)
		if err != nil {
			rt.Fatal(err)
		}
		used := make(map[string]money.Amount)
		for i, u := range got.Usages {
			left := u.OnDemand
			for _, v := range u.Covering {
				left += v.Covered
				if used[v.Commitment], err = used[v.Commitment].Add(v.Cost); err != nil {
					rt.Fatal(err)
				}
			}
			if left != usages[i].Running || u.OnDemand < 0 {
				rt.Fatalf("%s runs %v, told %v", u.Host, usages[i].Running, left)
			}
		}
		for _, c := range got.Commitments {
			sum, err := c.Used.Add(c.Unused)
			if err != nil || !sum.Equal(c.Cost) || c.Used.Cmp(money.Zero("USD")) < 0 {
				rt.Fatalf("%+v, %v", c, err)
			}
			if own := used[c.Commitment]; !own.In("USD").Equal(c.Used) {
				rt.Fatalf("%s: used %s, lines say %s", c.Commitment, c.Used.Decimal(9), own.Decimal(9))
			}
			if c.Unused.Decimal(9).Sign() < 0 {
				rt.Fatalf("%s is used more than it costs: %s", c.Commitment, c.Unused.Decimal(12))
			}
		}
		if whole {
			for i := range usages {
				usages[i].Running *= 5
			}
			five, err := set.Apply(at(t, slotStart), 5*time.Hour, usages, nil)
			if err != nil {
				rt.Fatal(err)
			}
			for i, c := range got.Commitments {
				diff, _ := c.Used.Scale(money.Whole(5)).Sub(five.Commitments[i].Used)
				if diff.Decimal(9).Sign() != 0 { // whole nanoseconds of one hour and of five
					rt.Fatalf("%s: 5 x %s is not %s", c.Commitment, c.Used.Decimal(12), five.Commitments[i].Used.Decimal(12))
				}
			}
		}
	})
}

func TestCommitmentsRefuse(t *testing.T) {
	f := func(rows string, parts ...string) {
		t.Helper()
		_, err := pricing.ParseCommitments("c.csv", strings.NewReader("id,purchase,provider,family,os,instance_type,count,size_flexible,vcpus,memory_gib,price_per_vcpu_hour,price_per_gib_hour,spend_per_hour,percent,price_per_hour,upfront,currency,years,payment,start,end\n"+rows))
		wantError(t, err, append(parts, "c.csv")...)
	}
	f("a,gift,aws,,,m5.large,,,,,,,,,1,,USD,1,,2026-01-01,\n", "c.csv:2", "purchase")
	f("a,on_demand,aws,,,m5.large,,,,,,,,,1,,USD,1,,2026-01-01,\n", "no commitment")
	f("a,reserved,aws,,,m5.large,,,,,,,,,1,,USD,,,2026-01-01,\n", "end", "term")
	f("a,reserved,aws,,,m5.large,,,,,,,,,1,,USD,1,,,\n", "start", "missing")
	f("a,reserved,aws,,,m5.large,,,,,,,,,1,,USD,1,later,2026-01-01,\n", "payment")
	f("a,reserved,aws,,,m5.large,,,,,,,,,,,USD,1,,2026-01-01,\n", "price_per_hour", "upfront")
	f("a,reserved,aws,,,,2,,,,,,,,1,,USD,1,,2026-01-01,\n", "instance_type", "missing")
	f("a,reserved,aws,,,,,,,,,,,,1,,USD,1,,2026-01-01,\n", "give one of")
	f("a,reserved,aws,,,m5.large,,,,,,,1,,1,,USD,1,,2026-01-01,\n", "give one of")
	f("a,reserved,aws,,,m5.large,,,,,,,,5,1,,USD,1,,2026-01-01,\n", "percent")
	f("a,reserved,gcp,,,n2-standard-4,,true,,,,,,,1,,USD,1,,2026-01-01,\n", "size_flexible")
	f("a,reserved,aws,,windows,m5.large,,true,,,,,,,1,,USD,1,,2026-01-01,\n", "size_flexible")
	f("a,reserved,aws,,,m5.metal,,true,,,,,,,1,,USD,1,,2026-01-01,\n", "size_flexible")
	f("a,committed_use,gcp,n2,,,,,2,,1,1,,,,,USD,1,,2026-01-01,\n", "resources need")
	f("a,committed_use,gcp,,,,,,2,4,1,1,,,,,USD,1,,2026-01-01,\n", "family")
	f("a,committed_use,gcp,n2,,,,,2,4,1,1,,,1,,USD,1,,2026-01-01,\n", "priced by vCPU")
	f("a,savings_plan,aws,,,,,,,,,,1,,1,,USD,1,,2026-01-01,\n", "spend_per_hour is the price")
	f("a,savings_plan,aws,,,,,,,,,,1,100,,,USD,1,,2026-01-01,\n", "whole price")
	f("a,savings_plan,aws,,,,,,,,,,1,5,,,USD,1,,2026-01-01,2025-01-01\n", "end", "before")
	f("a,savings_plan,aws,,,,,,,,,,1,5,,,USD,1,,2026-01-01,\na,savings_plan,aws,,,,,,,,,,1,5,,,USD,1,,2026-01-01,\n", "two commitments", "c.csv:2", "c.csv:3")
	_, err := pricing.ParseCommitments("c.csv", strings.NewReader("ids\n"))
	wantError(t, err, "c.csv:1", "ids")
}

func FuzzParseCommitments(f *testing.F) {
	f.Add("c.csv", "id,purchase,provider,instance_type,price_per_hour,currency,start,end\nri,reserved,aws,m5.large,0.06,USD,2026-01-01,2026-03-01\n")
	f.Add("c.yaml", "currency: USD\ncommitments:\n  - {purchase: savings_plan, provider: aws, spend_per_hour: 1, percent: 10, start: 2026-01-01, years: 3}\n")
	f.Add("c.yaml", "commitments: [{purchase: committed_use, provider: gcp, family: n2, vcpus: 8, memory_gib: 32, price_per_vcpu_hour: 0.02, price_per_gib_hour: 0.003, currency: USD, start: 2026-01-01, years: 1}]")
	f.Fuzz(func(t *testing.T, name, text string) {
		set, err := pricing.ParseCommitments(name, strings.NewReader(text))
		if err != nil {
			return
		}
		for _, c := range set.All() {
			cost, err := c.CostPerHour()
			if err == nil && cost.Sign() <= 0 || !c.Start.Before(c.End) {
				t.Errorf("%+v costs %s, %v", c, cost, err)
			}
		}
	})
}
