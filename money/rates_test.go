package money_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/money"
)

const ratesFile = `# European Central Bank
date,from,to,rate,source
2026-01-01,USD,EUR,0.90,ecb
2026-02-01,USD,EUR,0.95,ecb
2026-01-01, EUR ,GBP,0.85,
`

func day(t testing.TB, s string) time.Time {
	t.Helper()
	d, err := time.Parse(time.DateOnly, s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestRatesFile(t *testing.T) {
	rates, err := money.ParseRates("rates.csv", strings.NewReader(ratesFile))
	if err != nil {
		t.Fatal(err)
	}
	got, rate, err := rates.Amount(amount(t, "10", "USD"), "EUR", day(t, "2026-01-15"))
	if err != nil || got.String() != "9.00 EUR" || rate.Source != "ecb (rates.csv:3)" || !rate.Date.Equal(day(t, "2026-01-01")) {
		t.Errorf("%s by %+v, %v", got, rate, err)
	}
	if got, rate, err := rates.Amount(amount(t, "10", "USD"), "EUR", day(t, "2026-02-01")); err != nil || got.String() != "9.50 EUR" || rate.Value.String() != "0.95" {
		t.Errorf("%s by %+v, %v", got, rate, err)
	}
	if got, _, err := rates.Amount(amount(t, "10", "USD"), "EUR", time.Time{}); err != nil || got.String() != "9.50 EUR" {
		t.Errorf("the latest rate gives %s, %v", got, err)
	}
	if got, rate, err := rates.Price(price(t, "0.096", "USD"), "EUR", day(t, "2026-01-15")); err != nil || got != price(t, "0.0864", "EUR") || rate.To != "EUR" {
		t.Errorf("%s, %v", got, err)
	}
	if got, rate, err := rates.Price(price(t, "0.096", "USD"), "USD", time.Time{}); err != nil || got != price(t, "0.096", "USD") || rate.Value != money.Whole(1) {
		t.Errorf("%s, %v", got, err)
	}
	if (money.Rate{Value: money.Whole(2), To: "EUR"}).Price(money.Price{}) != (money.Price{}) {
		t.Error("no price was converted to one")
	}
	if all := rates.All(); len(all) != 3 || all[0].From != "EUR" {
		t.Errorf("%+v", all)
	}
}

func TestRatesNeverGuess(t *testing.T) {
	rates, err := money.ParseRates("rates.csv", strings.NewReader(ratesFile))
	if err != nil {
		t.Fatal(err)
	}
	f := func(r *money.Rates, from, to money.Currency, at string, parts ...string) {
		t.Helper()
		_, err := r.At(from, to, day(t, at))
		if !errors.Is(err, money.ErrNoRate) {
			t.Errorf("%v", err)
		}
		wantError(t, err, parts...)
	}
	f(rates, "USD", "EUR", "2025-12-31", "from USD to EUR", "2025-12-31", "2026-01-01")
	f(rates, "EUR", "USD", "2026-01-15", "there is one from USD to EUR")
	f(rates, "USD", "GBP", "2026-01-15", "give one")
	f(nil, "USD", "EUR", "2026-01-15", "give one")
	if _, _, err := rates.Amount(amount(t, "1", "GBP"), "USD", time.Time{}); !errors.Is(err, money.ErrNoRate) {
		t.Error(err)
	}
	if _, _, err := rates.Price(price(t, "1", "GBP"), "USD", time.Time{}); !errors.Is(err, money.ErrNoRate) {
		t.Error(err)
	}
	if (*money.Rates)(nil).All() != nil {
		t.Error("no rates hold one")
	}
}

func TestRatesRefuse(t *testing.T) {
	f := func(file string, parts ...string) {
		t.Helper()
		_, err := money.ParseRates("r.csv", strings.NewReader(file))
		wantError(t, err, append(parts, "r.csv")...)
	}
	f("", "no header")
	f("date,from,to\n", `"rate" is missing`)
	f("date,date,from,to,rate\n", "twice")
	f("date,from,to,rate\n2026-01-01,USD,EUR\n", "wrong number of fields")
	f("date,from,to,rate\nyesterday,USD,EUR,1\n", "r.csv:2", "date", "yesterday")
	f("date,from,to,rate\n2026-01-01,UDS,EUR,1\n", "r.csv:2", "from", "USD")
	f("date,from,to,rate\n2026-01-01,USD,EURO,1\n", "r.csv:2", "to", "EUR")
	f("date,from,to,rate\n2026-01-01,USD,EUR,0.9x\n", "r.csv:2", "rate")
	f("date,from,to,rate\n2026-01-01,USD,EUR,0\n", "r.csv:2", "above zero")
	f("date,from,to,rate\n2026-01-01,USD,USD,1\n", "r.csv:2", "itself")
	f("date,from,to,rate\n2026-01-01,USD,EUR,1\n2026-01-01,USD,EUR,2\n", "r.csv:3", "two rates", "r.csv:2")
	f("date,from,to,rate\n\"2026", "r.csv")
	f("\"", "r.csv")
}

func TestUserGivenRates(t *testing.T) {
	rate := money.Rate{From: "USD", To: "EUR", Value: money.FromScaled(92, 2), Source: "flag"}
	rates, err := money.NewRates(rate)
	if err != nil {
		t.Fatal(err)
	}
	if got, used, err := rates.Amount(amount(t, "1", "USD"), "EUR", day(t, "1999-01-01")); err != nil || got.String() != "0.92 EUR" || used != rate {
		t.Errorf("%s by %+v, %v", got, used, err)
	}
	for _, bad := range []money.Rate{{From: "UDS", To: "EUR"}, {From: "USD", To: "UDS"}, {From: "USD", To: "EUR"}} {
		if _, err := money.NewRates(bad); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
	if _, err := money.NewRates(rate, rate); err == nil || !strings.Contains(err.Error(), "all days") {
		t.Error(err)
	}
}

func FuzzParseRates(f *testing.F) {
	f.Add(ratesFile)
	f.Add("date,from,to,rate\n2026-01-01,USD,EUR,1e-5\n")
	f.Add("rate,to,from,date,source\n1,EUR,USD,2026-01-01,\"a\nb\"\n")
	f.Fuzz(func(t *testing.T, s string) {
		rates, err := money.ParseRates("r", strings.NewReader(s))
		if err != nil {
			return
		}
		for _, r := range rates.All() {
			if got, err := rates.At(r.From, r.To, r.Date); err != nil || got != r || r.Value.Sign() <= 0 {
				t.Errorf("%+v: %+v, %v", r, got, err)
			}
		}
	})
}

func FuzzParseNumber(f *testing.F) {
	for _, s := range []string{"0.0960000000", "-1.5e-3", "12e3", "1e40", "0.000000000000000001"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := money.ParseNumber(s)
		if err != nil {
			return
		}
		if back, err := money.ParseNumber(n.String()); err != nil || back != n {
			t.Errorf("%q is %s, back as %s, %v", s, n, back, err)
		}
	})
}
