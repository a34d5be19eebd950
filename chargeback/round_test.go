package chargeback_test

import (
	"fmt"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/leanfleet/leanfleet/chargeback"
	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/money"
)

// TestDiscountedCostIsNotAboveList: what costs no more than at list, exactly, is
// not printed above its list cost, on lines, groups and pieces, although both are
// rounded to totals of their own.
func TestDiscountedCostIsNotAboveList(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		s := newScript(t)
		s.now = at("2024-03-05")
		for i := range rapid.IntRange(2, 12).Draw(r, "hosts") {
			typ := rapid.SampledFrom([]string{"m5.large", "m5.xlarge", "c5.large"}).Draw(r, "type")
			minutes := rapid.IntRange(1, 40).Draw(r, "minutes")
			id := fmt.Sprintf("h%02d", i)
			if err := s.host([]string{id, "type=aws/us-east-1/" + typ, "state=running", "from=2024-02-01", "disks=none", "addresses=0",
				fmt.Sprintf("to=2024-02-01T00:%02d:00Z", minutes), "dept=" + rapid.SampledFrom([]string{"a", "b", "c"}).Draw(r, "dept")}); err != nil {
				r.Fatal(err)
			}
		}
		s.sheet = []string{fmt.Sprintf("discount,aws,,,,,,%d,,,,,", rapid.IntRange(1, 60).Draw(r, "off"))}
		s.commitments = []string{fmt.Sprintf("r1,reserved,aws,us-east-1,m5.large,1,0.0%d,,,USD,2024-01-01,2024-02-29,", rapid.IntRange(1, 9).Draw(r, "rate"))}
		env, req, err := s.question("2024-02", []string{"by=dept"})
		if err != nil {
			r.Fatal(err)
		}
		exact, result, err := chargeback.ExactLines(t.Context(), env, req)
		if err != nil {
			r.Fatal(err)
		}
		checkSums(t, &result)
		check := func(what string, key [2]string, f *chargeback.Figures) {
			e := exact[key]
			if e[1].Cmp(e[0]) <= 0 && f.ContractedCost.Cmp(*f.Cost) > 0 {
				r.Fatalf("%s: contracted %s, list %s", what, f.ContractedCost, f.Cost)
			}
			if e[2].Cmp(e[0]) <= 0 && f.EffectiveCost.Cmp(*f.Cost) > 0 {
				r.Fatalf("%s: effective %s, list %s; exactly %s and %s", what, f.EffectiveCost, f.Cost, e[2].FloatString(6), e[0].FloatString(6))
			}
		}
		for i := range result.Groups {
			g := &result.Groups[i]
			check(g.Group.String(), [2]string{g.Group.ID(), ""}, &g.Figures)
			for j := range g.Hosts {
				l := &g.Hosts[j]
				check(l.Name, [2]string{g.Group.ID(), string(l.Host)}, &l.Figures)
			}
		}
		host := fleet.HostID("h00")
		x, err := chargeback.Explain(t.Context(), env, s.memory, chargeback.ExplainRequest{Request: req, Host: string(host)})
		if err != nil {
			r.Fatal(err)
		}
		for _, p := range x.Pieces {
			// The commitment is cheaper than any list price here.
			if p.Cost != nil && (p.EffectiveCost.Cmp(*p.Cost) > 0 || p.Contracted.Cmp(*p.Cost) > 0) {
				r.Fatalf("a piece: contracted %s, effective %s, list %s", p.Contracted, p.EffectiveCost, p.Cost)
			}
		}
	})
}

// TestRoundTo: by hand, in cents.
func TestRoundTo(t *testing.T) {
	amount := func(s string) money.Amount {
		a, err := money.ParseAmount(s, money.USD)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	f := func(whole string, exact, tops []string, want string) {
		t.Helper()
		var parts []money.Amount
		ceilings := make([]*money.Amount, len(exact))
		for i := range exact {
			parts = append(parts, amount(exact[i]))
			if tops != nil && tops[i] != "" {
				a := amount(tops[i])
				ceilings[i] = &a
			}
		}
		got, err := chargeback.RoundTo(amount(whole), parts, ceilings)
		if err != nil {
			t.Fatal(err)
		}
		text := ""
		for _, a := range got {
			text += a.Literal() + " "
		}
		if text != want {
			t.Errorf("%s to %s below %s: %s, want %s", exact, whole, tops, text, want)
		}
	}
	f("0.02", []string{"0.004", "0.006", "0.006"}, nil, "0.00 0.01 0.01 ")
	// List 0.003, 0.003, 0.05 is 0.06: the first has the cent. Effective 0.002, 0.003, 0.05 is 0.06
	// after rounding, and the second would have it.
	f("0.06", []string{"0.002", "0.003", "0.05"}, nil, "0.00 0.01 0.05 ")
	f("0.06", []string{"0.002", "0.003", "0.05"}, []string{"0.01", "0.00", "0.05"}, "0.01 0.00 0.05 ")
	// The one with room takes two.
	f("0.03", []string{"0.004", "0.004", "0.014"}, []string{"0.00", "0.00", "0.05"}, "0.00 0.00 0.03 ")
	f("0.03", []string{"0.004", "0.004", "0.014"}, []string{"0.00", "", "0.01"}, "0.00 0.02 0.01 ")
	// Nobody has room: the whole counts.
	f("0.02", []string{"0.004", "0.009"}, []string{"0.00", "0.00"}, "0.01 0.01 ")
	f("0.00", []string{"0.01", "0.004"}, nil, "0.00 0.00 ")
	f("0.00", nil, nil, "")
	huge := money.FromMinor(1<<62, money.USD).Scale(money.Whole(100))
	if _, err := chargeback.RoundTo(huge, nil, nil); err == nil {
		t.Error("an amount out of range was rounded")
	}
	if _, err := chargeback.RoundTo(amount("1"), []money.Amount{huge}, nil); err == nil {
		t.Error("a part out of range was rounded")
	}
}

// TestRoundToIsLargestRemainder: without ceilings it is what money does.
func TestRoundToIsLargestRemainder(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		var parts []money.Amount
		for range rapid.IntRange(1, 12).Draw(r, "parts") {
			parts = append(parts, money.FromExact(big.NewRat(rapid.Int64Range(0, 100000).Draw(r, "amount"), rapid.Int64Range(1, 100000).Draw(r, "over")), money.USD))
		}
		want, whole, err := money.RoundParts(parts)
		if err != nil {
			r.Fatal(err)
		}
		got, err := chargeback.RoundTo(whole, parts, make([]*money.Amount, len(parts)))
		if err != nil {
			r.Fatal(err)
		}
		for i := range want {
			if !want[i].Equal(got[i]) {
				r.Fatalf("part %d is %s, by the largest remainder %s", i, got[i], want[i])
			}
		}
	})
}
