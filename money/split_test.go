package money_test

import (
	"errors"
	"math/big"
	"testing"

	"github.com/leanfleet/leanfleet/money"
	"pgregory.net/rapid"
)

func numbers(v ...int64) []money.Number {
	out := make([]money.Number, len(v))
	for i, n := range v {
		out[i] = money.Whole(n)
	}
	return out
}

func TestSplit(t *testing.T) {
	f := func(total string, weights []money.Number, want ...string) {
		t.Helper()
		parts, err := money.Split(amount(t, total, "USD"), weights)
		if err != nil || len(parts) != len(want) {
			t.Fatalf("%v, %v", parts, err)
		}
		for i, p := range parts {
			if p.Literal() != want[i] {
				t.Errorf("split %s: part %d is %s, want %s", total, i, p.Literal(), want[i])
			}
		}
	}
	f("100", numbers(1, 1, 1), "33.34", "33.33", "33.33") // ties go to the first
	f("0.01", numbers(1, 1), "0.01", "0.00")
	f("10", numbers(0, 3, 0), "0.00", "10.00", "0.00")
	f("-100", numbers(1, 1, 1), "-33.34", "-33.33", "-33.33")
	f("0", numbers(0, 0), "0.00", "0.00")
	f("0", nil)
	f("1", []money.Number{money.FromScaled(25, 2), money.FromScaled(75, 2)}, "0.25", "0.75")
}

func TestSplitRefuses(t *testing.T) {
	_, err := money.Split(amount(t, "1", "USD"), numbers(1, -2))
	wantError(t, err, "weight 2 is negative", "-2", "1.00 USD")
	for _, w := range [][]money.Number{nil, numbers(0, 0)} {
		if _, err := money.Split(amount(t, "1", "USD"), w); !errors.Is(err, money.ErrNoWeight) {
			t.Errorf("%v: %v", w, err)
		}
	}
}

// Parts sum exactly, lie within one unit of their exact share, and do not
// depend on where equal weights stand but for ties.
func TestSplitProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := rapid.SampledFrom([]money.Currency{"USD", "JPY", "KWD"}).Draw(t, "currency")
		minor := rapid.Int64Range(-1e12, 1e12).Draw(t, "total")
		weights := rapid.SliceOfN(rapid.Int64Range(0, 1e6), 1, 30).Draw(t, "weights")
		sum := int64(0)
		for _, w := range weights {
			sum += w
		}
		if sum == 0 {
			weights[0], sum = 1, 1
		}
		total := money.FromMinor(minor, c)
		parts, err := money.Split(total, numbers(weights...))
		if err != nil {
			t.Fatal(err)
		}
		back, err := money.Sum(parts...)
		if err != nil || !back.Equal(total) {
			t.Fatalf("parts sum to %s, not %s (%v)", back, total, err)
		}
		for i, p := range parts {
			n, err := p.Minor()
			if err != nil {
				t.Fatal(err)
			}
			off := new(big.Rat).Sub(new(big.Rat).SetInt64(n), new(big.Rat).Mul(big.NewRat(minor, sum), big.NewRat(weights[i], 1)))
			if off.Abs(off).Cmp(big.NewRat(1, 1)) >= 0 {
				t.Fatalf("part %d is %s off by a unit or more", i, p)
			}
			if weights[i] == 0 && n != 0 {
				t.Fatalf("part %d of weight zero is %s", i, p)
			}
			for j := range i {
				m, _ := parts[j].Minor()
				if weights[i] == weights[j] && (n-m > 1 || m-n > 1) {
					t.Fatalf("equal weights get %d and %d", m, n)
				}
				if weights[i] > weights[j] && (minor >= 0 && n < m || minor < 0 && n > m) {
					t.Fatalf("the larger weight %d gets %d, the smaller %d %d", weights[i], n, weights[j], m)
				}
			}
		}
	})
}

// Lines sum to their group and groups to the total, whatever was exact.
func TestRoundPartsNested(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		groups := rapid.SliceOfN(rapid.SliceOfN(rapid.Int64Range(-1e9, 1e9), 0, 12), 1, 8).Draw(t, "groups")
		exact := make([]money.Amount, len(groups))
		lines := make([][]money.Amount, len(groups))
		for i, g := range groups {
			exact[i] = money.Zero("USD")
			for _, v := range g {
				a := money.FromExact(big.NewRat(v, 700000), "USD")
				lines[i] = append(lines[i], a)
				var err error
				if exact[i], err = exact[i].Add(a); err != nil {
					t.Fatal(err)
				}
			}
		}
		rounded, total, err := money.RoundParts(exact)
		if err != nil {
			t.Fatal(err)
		}
		if sum, err := money.Sum(rounded...); err != nil || !sum.Equal(total) {
			t.Fatalf("groups sum to %s, total is %s, %v", sum, total, err)
		}
		for i, g := range lines {
			if len(g) == 0 {
				continue
			}
			parts, err := money.RoundPartsTo(rounded[i], g)
			if err != nil {
				t.Fatal(err)
			}
			sum, err := money.Sum(parts...)
			if err != nil || !sum.Equal(rounded[i]) {
				t.Fatalf("lines sum to %s, group is %s, %v", sum, rounded[i], err)
			}
			for j, p := range parts {
				d, _ := p.Sub(g[j])
				if d.Exact().Abs(d.Exact()).Cmp(big.NewRat(1, 100)) >= 0 || !p.Rounded() {
					t.Fatalf("line %s was rounded to %s", g[j].Decimal(6), p)
				}
			}
		}
	})
}

func TestRoundPartsRefuses(t *testing.T) {
	a := amount(t, "1", "USD")
	_, err := money.RoundPartsTo(amount(t, "1.01", "USD"), []money.Amount{a})
	wantError(t, err, "1.01 USD", "1")
	if _, _, err := money.RoundParts([]money.Amount{a, amount(t, "1", "EUR")}); !errors.Is(err, money.ErrCurrency) {
		t.Error(err)
	}
	if _, err := money.RoundPartsTo(amount(t, "1", "EUR"), []money.Amount{a}); !errors.Is(err, money.ErrCurrency) {
		t.Error(err)
	}
	if _, err := money.RoundPartsTo(a, []money.Amount{a, amount(t, "1", "EUR")}); !errors.Is(err, money.ErrCurrency) {
		t.Error(err)
	}
}
