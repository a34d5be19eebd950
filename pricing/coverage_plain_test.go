package pricing

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/money"
	"pgregory.net/rapid"
)

// This file has the plain computation of coverage: usage by usage, in fractions
// of arbitrary size, without anything kept from one slot to the next. The one
// that answers has to give the same, to the last fraction.

// plainApply is Apply in the plain way.
func plainApply(s *Commitments, start time.Time, length time.Duration, usages []Usage, rate RateFunc) (Coverage, error) {
	out := Coverage{Usages: make([]UsageCoverage, len(usages))}
	for i := range usages {
		out.Usages[i] = UsageCoverage{Host: usages[i].Host, OnDemand: usages[i].Running}
	}
	for i := range s.list {
		c := &s.list[i]
		if !c.Active(start) {
			continue
		}
		use, err := c.plainApply(length, usages, out.Usages, rate)
		if err != nil {
			return Coverage{}, err
		}
		out.Commitments = append(out.Commitments, use)
	}
	return out, nil
}

// plainDraw is a usage that a commitment may cover: what a nanosecond of it takes
// from the commitment's budget, and the price of an hour of cover.
type plainDraw struct {
	at       int // place among the usages
	takes    *big.Rat
	also     *big.Rat // of a second budget; nil without one
	perHour  money.Price
	fraction [2]int64 // of perHour, for other sizes
	order    *big.Rat // lower is first
}

// plainApply covers what is left of the usages and returns how far it got.
func (c *Commitment) plainApply(length time.Duration, usages []Usage, left []UsageCoverage, rate RateFunc) (CommitmentUse, error) {
	perHour, err := c.CostPerHour()
	if err != nil {
		return CommitmentUse{}, err
	}
	use := CommitmentUse{Commitment: c.ID, Cost: perHour.Times(length), Used: money.Zero(perHour.Currency())}
	budget, second := c.plainBudget(length)
	draws := c.plainDraws(usages, left, rate)
	slices.SortStableFunc(draws, func(a, b plainDraw) int {
		return cmp.Or(a.order.Cmp(b.order), money.ComparePrices(a.perHour, b.perHour), strings.Compare(usages[a.at].Host, usages[b.at].Host))
	})
	for _, d := range draws {
		u := &left[d.at]
		covered := min(u.OnDemand, plainLasts(budget, d.takes))
		if d.also != nil {
			covered = min(covered, plainLasts(second, d.also))
		}
		if covered <= 0 {
			continue
		}
		ns := new(big.Rat).SetInt64(int64(covered))
		budget.Sub(budget, new(big.Rat).Mul(ns, d.takes))
		if d.also != nil {
			second.Sub(second, new(big.Rat).Mul(ns, d.also))
		}
		cost := d.perHour.Times(covered).Fraction(money.Whole(d.fraction[0]), money.Whole(d.fraction[1]))
		if use.Used, err = use.Used.Add(cost); err != nil {
			return CommitmentUse{}, err
		}
		u.OnDemand -= covered
		u.Covering = append(u.Covering, Covering{c.ID, covered, cost})
	}
	use.Unused, err = use.Cost.Sub(use.Used)
	return use, err
}

// plainLasts returns how many whole nanoseconds a budget lasts.
func plainLasts(budget, takes *big.Rat) time.Duration {
	q := new(big.Rat).Quo(budget, takes)
	n := new(big.Int).Quo(q.Num(), q.Denom())
	if !n.IsInt64() {
		return 1<<63 - 1
	}
	return time.Duration(n.Int64())
}

// plainBudget returns what the commitment has for the slot: normalized nanoseconds
// of instances, vCPU and GiB nanoseconds, or money times nanoseconds an hour.
func (c *Commitment) plainBudget(length time.Duration) (*big.Rat, *big.Rat) {
	ns := new(big.Rat).SetInt64(int64(length))
	switch c.form() {
	case formResources:
		return new(big.Rat).Mul(ns, c.VCPUs.Decimal().Rat()), new(big.Rat).Mul(ns, c.MemoryGiB.Decimal().Rat())
	case formSpend:
		return new(big.Rat).Mul(ns, c.Spend.Decimal().Rat()), nil
	}
	units := int64(c.Count)
	if c.SizeFlexible {
		f, _ := normalizationOf(c.InstanceType)
		units *= f
	}
	return new(big.Rat).Mul(ns, new(big.Rat).SetInt64(units)), nil
}

// plainDraws returns the usages that the commitment may cover.
func (c *Commitment) plainDraws(usages []Usage, left []UsageCoverage, rate RateFunc) []plainDraw {
	var out []plainDraw
	for i := range usages {
		u := &usages[i]
		if left[i].OnDemand <= 0 || !c.Covers(u) {
			continue
		}
		d := plainDraw{at: i, takes: big.NewRat(1, 1), perHour: c.PerHour, fraction: [2]int64{1, 1}, order: new(big.Rat)}
		switch c.form() {
		case formInstances:
			if c.SizeFlexible {
				own, _ := normalizationOf(c.InstanceType)
				its, _ := normalizationOf(u.Spec.InstanceType)
				d.takes, d.order, d.fraction = big.NewRat(its, 1), big.NewRat(its, 1), [2]int64{its, own}
			}
		case formResources:
			if !u.Spec.VCPUs.Known || !u.Spec.MemoryBytes.Known {
				continue
			}
			vcpus := money.Whole(int64(u.Spec.VCPUs.Value))
			if u.Spec.BilledVCPUs.Known {
				vcpus = u.Spec.BilledVCPUs.Value
			}
			gib := big.NewRat(u.Spec.MemoryBytes.Value, 1<<30)
			exact, err := money.NumberOf(money.Whole(u.Spec.MemoryBytes.Value).Decimal().DivRound(money.Whole(1<<30).Decimal(), 12))
			if err != nil || vcpus.Sign() <= 0 || gib.Sign() <= 0 {
				continue
			}
			d.takes, d.also = vcpus.Decimal().Rat(), exact.Decimal().Rat()
			if d.perHour, err = ComponentPrice(ComponentOffer{PerVCPUHour: c.PerVCPUHour, PerGiBHour: c.PerGiBHour}, vcpus, exact, money.Number{}); err != nil {
				continue
			}
		case formSpend:
			r, ok := c.rateOf(u, rate)
			if !ok {
				continue
			}
			d.perHour, d.takes = r, r.Decimal().Rat()
			d.order.Quo(d.takes, u.PerHour.Decimal().Rat()) // the smaller the share that is paid, the larger the discount
		}
		out = append(out, d)
	}
	return out
}

// drawnSpecs are types of a family whose facts differ in what commitments look
// at: sizes, memory that is no whole number of GiB, shared cores, unknown facts.
func drawnSpecs() []*Specification {
	describe := func(provider, typ, family string, vcpus int, memory int64) *Specification {
		s := &Specification{Provider: provider, InstanceType: typ, VCPUs: Known(vcpus, "t"), MemoryBytes: Known(memory, "t")}
		if family != "" {
			s.Family = Known(family, "t")
		}
		return s
	}
	shared := describe(GCP, "e2-small", "e2", 2, 2<<30)
	shared.BilledVCPUs = Known(money.FromScaled(5, 1), "t")
	unknown := describe(GCP, "n1-odd", "n1", 2, 0)
	unknown.MemoryBytes = Fact[int64]{}
	return []*Specification{
		describe(AWS, "m5.large", "m5", 2, 8<<30), describe(AWS, "m5.xlarge", "m5", 4, 16<<30), describe(AWS, "m5.2xlarge", "m5", 8, 32<<30),
		describe(AWS, "m5.metal", "m5", 96, 384<<30), describe(AWS, "c5.large", "c5", 2, 4<<30), describe(AWS, "t3.nano", "", 2, 512<<20),
		describe(GCP, "n1-standard-1", "n1", 1, 4026531840), describe(GCP, "n1-standard-4", "n1", 4, 15<<30), shared, unknown,
	}
}

func drawUsages(t *rapid.T, hosts int) []Usage {
	specs := drawnSpecs()
	var out []Usage
	for range rapid.IntRange(0, hosts).Draw(t, "usages") {
		s := rapid.SampledFrom(specs).Draw(t, "spec")
		u := Usage{
			Host: fmt.Sprint("h", rapid.IntRange(0, 9).Draw(t, "host")), Provider: s.Provider, Region: rapid.SampledFrom([]string{"r1", "r2"}).Draw(t, "region"),
			Account: rapid.SampledFrom([]string{"", "a"}).Draw(t, "account"), OS: rapid.SampledFrom([]string{Linux, Linux, Windows}).Draw(t, "os"), Spec: s,
			PerHour: testPrice(rapid.Int64Range(1, 3).Draw(t, "price")*100, 3, rapid.SampledFrom([]money.Currency{"USD", "USD", "USD", "EUR"}).Draw(t, "currency")),
			Running: rapid.SampledFrom([]time.Duration{time.Hour, time.Hour, 0, 30 * time.Minute}).Draw(t, "running"),
		}
		if rapid.IntRange(0, 3).Draw(t, "odd") == 0 {
			u.Running = time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "odd time"))
		}
		if rapid.IntRange(0, 9).Draw(t, "copy") == 0 {
			c := *s
			u.Spec = &c
		}
		if rapid.IntRange(0, 19).Draw(t, "no spec") == 0 {
			u.Spec = nil
		}
		out = append(out, u)
	}
	return out
}

// testPrice is a price of a scaled number.
func testPrice(mantissa int64, decimals int, c money.Currency) money.Price {
	return money.PriceOf(money.FromScaled(mantissa, decimals), c)
}

func drawSet(t *rapid.T) *Commitments {
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	var list []Commitment
	for i := range rapid.IntRange(0, 6).Draw(t, "commitments") {
		c := Commitment{ID: fmt.Sprint("c", i), Kind: SavingsPlan, Provider: rapid.SampledFrom([]string{AWS, AWS, GCP}).Draw(t, "provider"),
			Start: start.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "begin")) * time.Hour), End: start.Add(time.Duration(rapid.IntRange(4, 9).Draw(t, "end")) * time.Hour)}
		c.Region = rapid.SampledFrom([]string{"", "r1"}).Draw(t, "in")
		c.Account = rapid.SampledFrom([]string{"", "", "a"}).Draw(t, "of")
		price := func(label string) money.Price {
			return testPrice(rapid.Int64Range(1, 99999).Draw(t, label), 6, "USD")
		}
		family := rapid.SampledFrom([]string{"", "m5", "n1", "e2"}).Draw(t, "family")
		switch rapid.IntRange(0, 3).Draw(t, "form") {
		case 0:
			c.InstanceType, c.Count, c.PerHour = rapid.SampledFrom([]string{"m5.large", "c5.large", "n1-standard-1"}).Draw(t, "type"), rapid.IntRange(1, 4).Draw(t, "count"), price("each")
		case 1:
			c.InstanceType, c.Count, c.PerHour, c.SizeFlexible = rapid.SampledFrom([]string{"m5.large", "m5.2xlarge", "t3.nano"}).Draw(t, "type"), rapid.IntRange(1, 4).Draw(t, "count"), price("each"), true
		case 2:
			c.Family = family
			c.VCPUs, c.MemoryGiB = money.FromScaled(rapid.Int64Range(1, 2000).Draw(t, "vcpus"), 2), money.FromScaled(rapid.Int64Range(1, 9000).Draw(t, "gib"), 2)
			c.PerVCPUHour, c.PerGiBHour = price("vcpu"), price("memory")
		default:
			c.Family = family
			c.Spend = testPrice(rapid.Int64Range(1, 3_000_000).Draw(t, "spend"), 6, "USD")
			if rapid.Bool().Draw(t, "percent") {
				c.Percent = money.FromScaled(rapid.Int64Range(1, 999).Draw(t, "off"), 1)
			}
		}
		list = append(list, c)
	}
	s, err := NewCommitments(list...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// rateOfTest knows a rate of most types, some of them above on demand.
func rateOfTest(shift int64) RateFunc {
	return func(_ *Commitment, u *Usage) (money.Price, bool) {
		n, d := u.PerHour.Number().Scaled()
		if len(u.Spec.InstanceType)%4 == 3 {
			return money.Price{}, false
		}
		return testPrice(n*(shift+int64(len(u.Spec.InstanceType)))*10, min(d+3, 18), u.PerHour.Currency()), true
	}
}

// shown is everything a coverage says, exactly.
func shown(t *rapid.T, c Coverage) string {
	var b strings.Builder
	for _, u := range c.Usages {
		fmt.Fprintf(&b, "%s: on demand %d", u.Host, u.OnDemand)
		for _, v := range u.Covering {
			raw, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, " %s %s %s", raw, v.Cost.Exact(), v.Cost.Currency())
		}
		b.WriteString("\n")
	}
	for _, u := range c.Commitments {
		fmt.Fprintf(&b, "%s %s %s %s %s\n", u.Commitment, u.Cost.Exact(), u.Used.Exact(), u.Unused.Exact(), u.Used.Currency())
	}
	return b.String()
}

// TestCoverageIsThePlainOne holds Apply, and an Applier that goes through one
// slot after the other with changing rates, against the plain computation.
func TestCoverageIsThePlainOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		set := drawSet(t)
		start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
		a := set.Applier(rateOfTest(85))
		same := drawUsages(t, 12)
		for slot := range 6 {
			at := start.Add(time.Duration(slot) * time.Hour)
			usages := slices.Clone(same)
			if rapid.Bool().Draw(t, "others") {
				usages = drawUsages(t, 12)
			}
			rate := rateOfTest(85)
			if slot >= 3 {
				rate = rateOfTest(75)
			}
			want, err := plainApply(set, at, time.Hour, usages, rate)
			if err != nil {
				t.Fatal(err)
			}
			got, err := set.Apply(at, time.Hour, usages, rate)
			if err != nil {
				t.Fatal(err)
			}
			if g, w := shown(t, got), shown(t, want); g != w {
				t.Fatalf("at %s: got\n%swant\n%s", at, g, w)
			}
			if slot == 3 {
				a.Rates(rate)
			}
			slices.SortStableFunc(usages, func(x, y Usage) int { return strings.Compare(x.Host, y.Host) })
			if want, err = plainApply(set, at, time.Hour, usages, rate); err != nil {
				t.Fatal(err)
			}
			kept := Coverage{Commitments: want.Commitments}
			var uses []Use
			for i := range usages {
				uses = append(uses, Use{a.Kind(&usages[i]), usages[i].Running})
				kept.Usages = append(kept.Usages, UsageCoverage{Host: usages[i].Host, OnDemand: usages[i].Running})
			}
			if err := a.Slot(at, time.Hour, uses, func(i int, c *Cover, covered time.Duration) {
				kept.Usages[i].OnDemand -= covered
				kept.Usages[i].Covering = append(kept.Usages[i].Covering, Covering{c.Commitment.ID, covered, c.Cost(covered)})
			}); err != nil {
				t.Fatal(err)
			}
			if g, w := shown(t, kept), shown(t, want); g != w {
				t.Fatalf("slot after slot, at %s: got\n%swant\n%s", at, g, w)
			}
		}
	})
}
