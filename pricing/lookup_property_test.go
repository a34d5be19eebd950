package pricing_test

import (
	"errors"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
	"pgregory.net/rapid"
)

// A lookup gives what the rule says when it is read off the list of readings:
// among the prices observed up to AsOf, the last observed one that had begun;
// else the one that begins first.
func TestLookupFollowsTheRule(t *testing.T) {
	day := func(n int) time.Time { return at(t, "2025-01-01").AddDate(0, 0, n) }
	rapid.Check(t, func(rt *rapid.T) {
		type told struct {
			price           money.Price
			start, observed time.Time
		}
		b := newBook(t, pricing.Options{})
		var list []told
		for i := range rapid.IntRange(0, 6).Draw(rt, "readings") {
			o := offer(t, "m5.large", "1", "2025-01-01")
			o.PerHour = money.PriceOf(money.Whole(int64(i+1)), "USD")
			o.ObservedAt = day(10 * (i + 1))
			start := o.ObservedAt
			if rapid.Bool().Draw(rt, "has a date") {
				o.ValidFrom = day(rapid.IntRange(0, 90).Draw(rt, "valid from"))
				start = o.ValidFrom
			}
			add(t, b, live(o.ObservedAt, rapid.Bool().Draw(rt, "complete")), items(o))
			list = append(list, told{o.PerHour, start, o.ObservedAt})
		}
		use, asOf := day(rapid.IntRange(0, 100).Draw(rt, "use")), day(rapid.IntRange(0, 100).Draw(rt, "as of"))
		var want *told
		basis := ""
		for i := range list {
			if x := &list[i]; !x.observed.After(asOf) && !x.start.After(use) {
				want = x
			}
		}
		if want == nil {
			basis = pricing.NearestLater
			for i := range list {
				if x := &list[i]; !x.observed.After(asOf) && (want == nil || x.start.Before(want.start) || x.start.Equal(want.start)) {
					want = x
				}
			}
		}
		q := query("m5.large")
		q.At, q.AsOf = use, asOf
		got, err := b.Lookup(q)
		switch {
		case want == nil:
			if !errors.Is(err, pricing.ErrNoPrice) {
				rt.Fatalf("%s, %v, want no price", got.List.PerHour, err)
			}
		case err != nil || got.PriceBasis != basis:
			rt.Fatalf("%s %q, %v, want %s %q", got.List.PerHour, got.PriceBasis, err, want.price, basis)
		case basis == "" && got.List.PerHour != want.price:
			rt.Fatalf("%s, want %s", got.List.PerHour, want.price)
		case basis != "" && !startOf(got.List).Equal(want.start):
			rt.Fatalf("begins %s, want %s", startOf(got.List), want.start)
		}
		q.Strict = true
		if _, err := b.Lookup(q); (err == nil) != (want != nil && basis == "") {
			rt.Fatalf("strict: %v", err)
		}
	})
}

func startOf(o pricing.Offer) time.Time {
	if o.ValidFrom.IsZero() {
		return o.ObservedAt
	}
	return o.ValidFrom
}
