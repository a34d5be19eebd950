package money_test

import (
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/money"
	"github.com/shopspring/decimal"
	"pgregory.net/rapid"
)

func price(t testing.TB, s string, c money.Currency) money.Price {
	t.Helper()
	p, err := money.ParsePrice(s, c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func amount(t testing.TB, s string, c money.Currency) money.Amount {
	t.Helper()
	a, err := money.ParseAmount(s, c)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func wantError(t testing.TB, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", parts)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("error %q lacks %q", err, p)
		}
	}
}

func TestCurrencyDigits(t *testing.T) {
	f := func(c money.Currency, digits int, valid bool) {
		t.Helper()
		if c.Digits() != digits || c.Valid() != valid {
			t.Errorf("%s: %d digits, valid %v; want %d, %v", c, c.Digits(), c.Valid(), digits, valid)
		}
	}
	f("USD", 2, true)
	f("EUR", 2, true)
	f("JPY", 0, true)
	f("KWD", 3, true)
	f("SDS", 2, false) // lies across two codes of the table
	f("usd", 2, false)
	f("", 2, false)
	if n := len(money.Currencies()); n < 150 {
		t.Errorf("%d currencies", n)
	}
}

func TestCurrencyNearestNames(t *testing.T) {
	if c, err := money.ParseCurrency(" eur "); c != "EUR" || err != nil {
		t.Errorf("%q, %v", c, err)
	}
	_, err := money.ParseCurrency("UDS")
	wantError(t, err, `unknown currency "UDS"`, "USD")
	_, err = money.ParseCurrency("EURO")
	wantError(t, err, "EUR")
	_, err = money.ParseCurrency("dollars")
	wantError(t, err, "ISO 4217")
}

func TestParseNumber(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		n, err := money.ParseNumber(in)
		if err != nil || n.String() != want {
			t.Errorf("%q: %s, %v; want %s", in, n, err, want)
		}
	}
	f("0.0960000000", "0.096")
	f("0", "0")
	f("-0", "0")
	f("-1.50", "-1.5")
	f("1.2E-05", "0.000012")
	f("12e3", "12000")
	f("000123.4500", "123.45")
	f("0.000000000000000001", "0.000000000000000001")
	f("999999999999999999", "999999999999999999")
	for _, in := range []string{"", ".", "1.", ".5", "+1", "1,000", " 1", "1 ", "0x10", "1e", "1e99", "NaN", "1.2.3", "--1",
		"1234567890123456789", "0.0000000000000000001", "1_000", "١"} {
		if n, err := money.ParseNumber(in); err == nil {
			t.Errorf("%q was read as %s", in, n)
		}
	}
}

func TestNumberCompare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) money.Number {
			return money.FromScaled(rapid.Int64Range(-1e18+1, 1e18-1).Draw(t, name), rapid.IntRange(0, 18).Draw(t, name+" decimals"))
		}
		a, b := draw("a"), draw("b")
		if got, want := a.Cmp(b), a.Decimal().Cmp(b.Decimal()); got != want {
			t.Fatalf("%s cmp %s = %d, want %d", a, b, got, want)
		}
		back, err := money.ParseNumber(a.String())
		if err != nil || back != a {
			t.Fatalf("%s reads back as %s, %v", a, back, err)
		}
		raw, err := json.Marshal(a)
		var c money.Number
		if err != nil || json.Unmarshal(raw, &c) != nil || c != a {
			t.Fatalf("%s is %s in JSON, back as %s", a, raw, c)
		}
		if n, err := money.NumberOf(a.Decimal()); err != nil || n != a {
			t.Fatalf("%s from its decimal is %s, %v", a, n, err)
		}
	})
}

func TestNumberOfRefusesWhatDoesNotFit(t *testing.T) {
	for _, s := range []string{"1234567890123456789", "0.1234567890123456789", "1e30"} {
		d := decimal.RequireFromString(s)
		if n, err := money.NumberOf(d); err == nil {
			t.Errorf("%s became %s", s, n)
		}
	}
	if _, err := money.NewPrice(decimal.RequireFromString("0.1234567890123456789"), "USD"); err == nil {
		t.Error("a price of 19 digits was taken")
	}
}

func TestPriceKeepsAllDigits(t *testing.T) {
	p := price(t, "0.0116210345", "USD")
	if p.String() != "0.0116210345 USD" || p.Literal() != "0.0116210345" || p.Currency() != "USD" || p.Sign() != 1 {
		t.Errorf("%s", p)
	}
	raw, err := json.Marshal(map[string]any{"p": p, "none": money.Price{}})
	if err != nil || string(raw) != `{"none":null,"p":0.0116210345}` {
		t.Errorf("%s, %v", raw, err)
	}
	var back money.Price
	if err := json.Unmarshal([]byte("0.0116210345"), &back); err != nil || back.In("USD") != p {
		t.Errorf("%s, %v", back, err)
	}
	if err := json.Unmarshal([]byte("null"), &back); err != nil || !back.IsZero() {
		t.Errorf("%s, %v", back, err)
	}
	if err := json.Unmarshal([]byte(`"0.1"`), &back); err == nil {
		t.Error("a text was read as a price")
	}
	if zero := price(t, "0", "USD"); zero.IsZero() || zero.Sign() != 0 {
		t.Error("a price of zero is not the same as no price")
	}
	if _, err := money.ParsePrice("1", "UDS"); err == nil {
		t.Error("an unknown currency was taken")
	}
	if d := p.Decimal(); d.String() != "0.0116210345" {
		t.Errorf("%s", d)
	}
}

func TestPriceArithmetic(t *testing.T) {
	p := price(t, "0.096", "USD")
	percent, _ := money.ParseNumber("12.5")
	if got := p.Less(percent); got != price(t, "0.084", "USD") {
		t.Errorf("12.5 %% less is %s", got)
	}
	if got := price(t, "100", "USD").Over(money.Whole(8760)); got != price(t, "0.011415525114", "USD") {
		t.Errorf("100 over a year is %s", got)
	}
	sum, err := p.Add(price(t, "0.004", "USD"))
	if err != nil || sum != price(t, "0.1", "USD") {
		t.Errorf("%s, %v", sum, err)
	}
	if sum, err := p.Add(money.Price{}); err != nil || sum != p {
		t.Errorf("%s, %v", sum, err)
	}
	if sum, err := (money.Price{}).Add(p); err != nil || sum != p {
		t.Errorf("%s, %v", sum, err)
	}
	if _, err := p.Add(price(t, "1", "EUR")); !errors.Is(err, money.ErrCurrency) {
		t.Errorf("%v", err)
	}
	if money.ComparePrices(price(t, "9", "EUR"), price(t, "1", "USD")) >= 0 || money.ComparePrices(p, sum) >= 0 {
		t.Error("prices are not in order")
	}
	// A product of more than 18 digits is rounded to 18, half away from zero.
	long := price(t, "0.123456789012345678", "USD").Scale(money.FromScaled(15, 1))
	if long != price(t, "0.185185183518518517", "USD") {
		t.Errorf("%s", long)
	}
}

func TestPriceOverflowIsNotZero(t *testing.T) {
	huge := price(t, "900000000000000000", "USD")
	if got := huge.Scale(money.Whole(1000)); got != price(t, "999999999999999999", "USD") {
		t.Errorf("%s", got)
	}
	if got := huge.Scale(money.Whole(-1000)); got != price(t, "-999999999999999999", "USD") {
		t.Errorf("%s", got)
	}
}

func TestAmountIsExactUntilRounded(t *testing.T) {
	p := price(t, "0.01", "USD")
	third := p.Times(20 * time.Minute) // 0.00333...
	sum, err := money.Sum(third, third, third)
	if err != nil || !sum.Equal(amount(t, "0.01", "USD")) {
		t.Errorf("three thirds are %v, %v", sum, err)
	}
	if third.Rounded() || !third.Round().Rounded() || third.Literal() != "0.00" {
		t.Errorf("%s", third)
	}
	if got := third.Decimal(6).String(); got != "0.003333" {
		t.Errorf("%s", got)
	}
	if got := price(t, "0.08", "USD").Per(money.Whole(100)); got.String() != "8.00 USD" {
		t.Errorf("%s", got)
	}
}

func TestAmountRounding(t *testing.T) {
	f := func(in string, c money.Currency, want string) {
		t.Helper()
		if got := amount(t, in, c).Round().String(); got != want {
			t.Errorf("%s %s rounds to %s, want %s", in, c, got, want)
		}
	}
	f("0.005", "USD", "0.01 USD")
	f("-0.005", "USD", "-0.01 USD")
	f("0.0049999", "USD", "0.00 USD")
	f("12.3", "USD", "12.30 USD")
	f("12.5", "JPY", "13 JPY")
	f("1.2345", "KWD", "1.235 KWD")
}

func TestAmountJSONKeepsItsDigits(t *testing.T) {
	type result struct {
		Cost     money.Amount   `json:"cost"`
		Currency money.Currency `json:"currency"`
	}
	raw, err := json.Marshal(result{amount(t, "12.3", "USD"), "USD"})
	if err != nil || string(raw) != `{"cost":12.30,"currency":"USD"}` {
		t.Fatalf("%s, %v", raw, err)
	}
	var back result
	if err := json.Unmarshal(raw, &back); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(back)
	if err != nil || string(again) != string(raw) {
		t.Errorf("%s becomes %s, %v", raw, again, err)
	}
	if !back.Cost.In("USD").Equal(amount(t, "12.30", "USD")) {
		t.Errorf("%s", back.Cost)
	}
	for _, bad := range []string{`null`, `"12.30"`, `true`, `[1]`} {
		if err := json.Unmarshal([]byte(bad), &back.Cost); err == nil {
			t.Errorf("%s was read as an amount", bad)
		}
	}
}

func TestAmountArithmetic(t *testing.T) {
	a, b := amount(t, "10", "USD"), amount(t, "3.25", "USD")
	if got, err := a.Sub(b); err != nil || got.String() != "6.75 USD" {
		t.Errorf("%s, %v", got, err)
	}
	if a.Cmp(b) <= 0 || a.Cmp(amount(t, "10", "EUR")) <= 0 || a.Sign() != 1 || a.Neg().Sign() != -1 {
		t.Error("amounts are not in order")
	}
	var none money.Amount
	if got, err := none.Add(a); err != nil || !got.Equal(a) || none.Sign() != 0 || none.Neg().Sign() != 0 {
		t.Errorf("%s, %v", got, err)
	}
	if got, err := a.Add(none); err != nil || !got.Equal(a) {
		t.Errorf("%s, %v", got, err)
	}
	if _, err := a.Add(amount(t, "1", "EUR")); !errors.Is(err, money.ErrCurrency) {
		t.Errorf("%v", err)
	}
	if _, err := money.Sum(a, amount(t, "1", "EUR")); !errors.Is(err, money.ErrCurrency) {
		t.Errorf("%v", err)
	}
	if got := a.Scale(money.FromScaled(5, 1)); got.String() != "5.00 USD" {
		t.Errorf("%s", got)
	}
	if got := money.Zero("USD").Scale(money.Whole(7)); got.String() != "0.00 USD" {
		t.Errorf("%s", got)
	}
	if n, err := b.Minor(); n != 325 || err != nil || !money.FromMinor(325, "USD").Equal(b) {
		t.Errorf("%d, %v", n, err)
	}
	huge := money.FromExact(new(big.Rat).SetInt(new(big.Int).Lsh(big.NewInt(1), 80)), "USD")
	if _, err := huge.Minor(); err == nil {
		t.Error("an amount out of range has minor units")
	}
	if got := money.NewAmount(decimal.RequireFromString("1.5"), "USD"); got.String() != "1.50 USD" || got.Exact().Cmp(big.NewRat(3, 2)) != 0 {
		t.Errorf("%s", got)
	}
	if _, err := money.ParseAmount("x", "USD"); err == nil {
		t.Error("x was read as an amount")
	}
}

// Adjacent periods sum exactly to their union, in any order.
func TestPeriodsAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := money.PriceOf(money.FromScaled(rapid.Int64Range(1, 1e12).Draw(t, "price"), rapid.IntRange(0, 12).Draw(t, "decimals")), "USD")
		cuts := rapid.SliceOfN(rapid.Int64Range(0, int64(31*24*time.Hour)), 1, 8).Draw(t, "parts")
		var total time.Duration
		var sum money.Amount
		var err error
		for i := len(cuts) - 1; i >= 0; i-- {
			total += time.Duration(cuts[i])
			if sum, err = sum.Add(p.Times(time.Duration(cuts[i]))); err != nil {
				t.Fatal(err)
			}
		}
		if !sum.Equal(p.Times(total)) {
			t.Fatalf("parts sum to %s, whole is %s", sum.Decimal(30), p.Times(total).Decimal(30))
		}
	})
}
