package pricing_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
	"pgregory.net/rapid"
)

// Two hosts on demand at 0.10 and 0.20 an hour, and a savings plan of 0.05 an
// hour at half price: it covers the small host. Halving the large one saves on
// demand; halving the small one saves what the plan then covers of the large one.
func ExampleCommitments_Steady() {
	set, err := pricing.ParseCommitments("commitments.csv", strings.NewReader(
		"id,purchase,provider,spend_per_hour,percent,currency,start,end\nplan,savings_plan,aws,0.05,50,USD,2026-01-01,2026-12-31\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	large := pricing.Specification{Provider: "aws", InstanceType: "m5.large"}
	xlarge := pricing.Specification{Provider: "aws", InstanceType: "m5.xlarge"}
	host := func(name string, s *pricing.Specification, perHour string) pricing.Usage {
		p, _ := money.ParsePrice(perHour, money.USD)
		return pricing.Usage{Host: name, Provider: "aws", Region: "us-east-1", OS: pricing.Linux, Spec: s, PerHour: p}
	}
	fleet, err := set.Steady(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), []pricing.Usage{
		host("a", &large, "0.10"), host("b", &xlarge, "0.20"),
	}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	now, err := fleet.Month()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("now %s: %s on demand, %s committed, of which %s for nothing\n", now.Total, now.OnDemand, now.Committed, now.Unused)
	smaller := host("b", &large, "0.10")
	then, err := fleet.MonthWith(1, &smaller)
	if err != nil {
		fmt.Println(err)
		return
	}
	saved, _ := now.Total.Sub(then.Total)
	fmt.Printf("b as m5.large saves %s\n", saved)
	then, _ = fleet.MonthWith(1, nil)
	saved, _ = now.Total.Sub(then.Total)
	fmt.Printf("b stopped saves %s\n", saved)
	// Output:
	// now 182.50 USD: 146.00 USD on demand, 36.50 USD committed, of which 0.00 USD for nothing
	// b as m5.large saves 73.00 USD
	// b stopped saves 146.00 USD
}

// A change of a host that a commitment pays for saves nothing, where nothing
// else can use what it leaves.
func TestSavingAfterCommitments(t *testing.T) {
	set := commitments(t, "c.csv", "id,purchase,provider,region,instance_type,count,price_per_hour,currency,start,end\nri,reserved,aws,us-east-1,m5.xlarge,1,0.12,USD,2026-01-01,2026-12-31\n")
	large := usage(t, "a", "m5.large", "m5", "0.10", 2, 8, 0)
	f := func(name string, usages []pricing.Usage, i int, to *pricing.Usage, before, after string) {
		t.Helper()
		s, err := set.Steady(at(t, slotStart), usages, nil)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // asking changes nothing
			now, err := s.Month()
			if err != nil {
				t.Fatal(err)
			}
			then, err := s.MonthWith(i, to)
			if err != nil {
				t.Fatal(err)
			}
			if told := monthWords(now); told != before {
				t.Errorf("%s: %s, want %s", name, told, before)
			}
			if told := monthWords(then); told != after {
				t.Errorf("%s: then %s, want %s", name, told, after)
			}
		}
		s.Change(i, to)
		if then, err := s.Month(); err != nil || monthWords(then) != after {
			t.Errorf("%s: changed %s, %v, want %s", name, monthWords(then), err, after)
		}
	}
	xlarge := func(host string) pricing.Usage { return usage(t, host, "m5.xlarge", "m5", "0.20", 4, 16, 0) }
	// 0.12 x 730 = 87.60 is paid either way; the smaller host is on demand besides: 73.00.
	f("it was covered", []pricing.Usage{xlarge("a")}, 0, &large, "87.60 = 0.00 + 87.60, unused 0.00", "160.60 = 73.00 + 87.60, unused 87.60")
	// The other one is covered in its place.
	f("another one takes over", []pricing.Usage{xlarge("b"), xlarge("a")}, 1, &large, "233.60 = 146.00 + 87.60, unused 0.00", "160.60 = 73.00 + 87.60, unused 0.00")
	f("it stops", []pricing.Usage{xlarge("a")}, 0, nil, "87.60 = 0.00 + 87.60, unused 0.00", "87.60 = 0.00 + 87.60, unused 87.60")
}

func monthWords(m pricing.MonthCost) string {
	return fmt.Sprintf("%s = %s + %s, unused %s", m.Total.Literal(), m.OnDemand.In("USD").Literal(), m.Committed.Literal(), m.Unused.Literal())
}

// What is on demand in a month earns the sustained-use discount of its own hours.
func TestSteadyMonthEarnsSustainedUse(t *testing.T) {
	s := spec("gcp", "n1-standard-1", "n1", 1, 4)
	s.SustainedUseDiscount = pricing.Known(num(t, "0.3"), "test")
	u := pricing.Usage{Host: "a", Provider: "gcp", Region: "us-central1", OS: pricing.Linux, Spec: &s, PerHour: usd(t, "0.10")}
	// 730 h at 0.10, less 30 %.
	var none *pricing.Commitments
	steady, err := none.Steady(at(t, slotStart), []pricing.Usage{u}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := steady.Month(); err != nil || m.Total.String() != "51.10 USD" || m.Committed.Sign() != 0 {
		t.Errorf("%+v %v", m.Total, err)
	}
	// Half of each hour is covered: the other half is 365 h, 182.5 at 0.10 and 182.5 at 0.08.
	set := commitments(t, "c.csv", "id,purchase,provider,region,family,vcpus,memory_gib,price_per_vcpu_hour,price_per_gib_hour,currency,start,end\ncud,committed_use,gcp,us-central1,n1,0.5,2,0.02,0.01,USD,2026-01-01,2026-12-31\n")
	if steady, err = set.Steady(at(t, slotStart), []pricing.Usage{u}, nil); err != nil {
		t.Fatal(err)
	}
	// 0.5 x 0.02 + 2 x 0.01 = 0.03 an hour.
	if m, err := steady.Month(); err != nil || monthWords(m) != "54.75 = 32.85 + 21.90, unused 0.00" {
		t.Errorf("%s %v", monthWords(m), err)
	}
}

// A steady month is 730 times one hour of Apply, and a change of one host is what
// the fleet with that host costs.
func TestSteadyMonthIsOfItsHours(t *testing.T) {
	types := []pricing.Usage{
		usage(t, "", "m5.large", "m5", "0.1", 2, 8, 0), usage(t, "", "m5.xlarge", "m5", "0.2", 4, 16, 0), usage(t, "", "c5.large", "c5", "0.085", 2, 4, 0),
	}
	set := commitments(t, "c.csv", "id,purchase,provider,family,instance_type,count,size_flexible,spend_per_hour,percent,price_per_hour,currency,start,end\n"+
		"ri,reserved,aws,,m5.large,2,,,,0.0613,USD,2026-01-01,2027-01-01\nflex,reserved,aws,,m5.xlarge,1,true,,,0.1171,USD,2026-01-01,2027-01-01\nsp,savings_plan,aws,,,,,0.0577,27.3,,USD,2026-01-01,2027-01-01\n")
	month := func(rt *rapid.T, usages []pricing.Usage) string {
		var running []pricing.Usage
		for _, u := range usages {
			if u.Spec != nil {
				u.Running = time.Hour
				running = append(running, u)
			}
		}
		c, err := set.Apply(at(t, slotStart), time.Hour, running, nil)
		if err != nil {
			rt.Fatal(err)
		}
		total := money.Zero("USD")
		unused := money.Zero("USD")
		for i, u := range c.Usages {
			if total, err = total.Add(running[i].PerHour.Times(u.OnDemand)); err != nil {
				rt.Fatal(err)
			}
		}
		for _, x := range c.Commitments {
			total, _ = total.Add(x.Cost)
			unused, _ = unused.Add(x.Unused)
		}
		hours := money.Whole(pricing.HoursPerMonth)
		return total.Scale(hours).Exact().String() + " " + unused.Scale(hours).Exact().String()
	}
	told := func(m pricing.MonthCost) string { return m.Total.Exact().String() + " " + m.Unused.Exact().String() }
	rapid.Check(t, func(rt *rapid.T) {
		var usages []pricing.Usage
		for range rapid.IntRange(1, 9).Draw(rt, "hosts") {
			u := rapid.SampledFrom(types).Draw(rt, "type")
			u.Host = fmt.Sprint("h", rapid.IntRange(0, 99).Draw(rt, "name"))
			usages = append(usages, u)
		}
		s, err := set.Steady(at(t, slotStart), usages, nil)
		if err != nil {
			rt.Fatal(err)
		}
		m, err := s.Month()
		if err != nil || told(m) != month(rt, usages) {
			rt.Fatalf("%s, hour by hour %s; %v", told(m), month(rt, usages), err)
		}
		i := rapid.IntRange(0, len(usages)-1).Draw(rt, "changed")
		to := rapid.SampledFrom(types).Draw(rt, "to")
		to.Host = usages[i].Host
		other := &to
		if rapid.Bool().Draw(rt, "stops") {
			other, to = nil, pricing.Usage{Host: to.Host}
		}
		if m, err = s.MonthWith(i, other); err != nil {
			rt.Fatal(err)
		}
		changed := append([]pricing.Usage{}, usages...)
		changed[i] = to
		if want := month(rt, changed); told(m) != want {
			rt.Fatalf("with %s as %s: %s, hour by hour %s", usages[i].Host, to.Host, told(m), want)
		}
	})
}

func TestSteadyMonthInTwoCurrencies(t *testing.T) {
	a, b := usage(t, "a", "m5.large", "m5", "0.1", 2, 8, 0), usage(t, "b", "m5.large", "m5", "0.1", 2, 8, 0)
	b.PerHour = inCurrency(t, "0.1", "EUR")
	var none *pricing.Commitments
	s, err := none.Steady(at(t, slotStart), []pricing.Usage{a, b}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Month(); !errors.Is(err, money.ErrCurrency) {
		t.Errorf("%v", err)
	}
	set := commitments(t, "c.csv", "id,purchase,provider,spend_per_hour,percent,currency,start,end\nx,savings_plan,aws,1,5,EUR,2026-01-01,2026-12-31\n")
	if s, err = set.Steady(at(t, slotStart), []pricing.Usage{a}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Month(); !errors.Is(err, money.ErrCurrency) {
		t.Errorf("%v", err)
	}
	mixed := commitments(t, "c.csv", "id,purchase,provider,spend_per_hour,percent,currency,start,end\nx,savings_plan,aws,1,5,EUR,2026-01-01,2026-12-31\ny,savings_plan,aws,1,5,USD,2026-01-01,2026-12-31\n")
	if _, err := mixed.Steady(at(t, slotStart), nil, nil); !errors.Is(err, money.ErrCurrency) {
		t.Errorf("%v", err)
	}
}

// BenchmarkSteadyChange is what one host of 1,000 costs as another type, after
// commitments.
func BenchmarkSteadyChange(b *testing.B) {
	set := commitments(b, "c.csv", "id,purchase,provider,instance_type,count,size_flexible,spend_per_hour,percent,price_per_hour,currency,start,end\n"+
		"ri,reserved,aws,m5.large,200,true,,,0.06,USD,2026-01-01,2026-12-31\nsp,savings_plan,aws,,,,20,30,,USD,2026-01-01,2026-12-31\n")
	s, err := set.Steady(at(b, slotStart), manyUsages(b), nil)
	if err != nil {
		b.Fatal(err)
	}
	to := usage(b, "h7", "m5.xlarge", "m5", "0.2", 4, 16, 0)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := s.MonthWith(i%1000, &to); err != nil {
			b.Fatal(err)
		}
	}
}
