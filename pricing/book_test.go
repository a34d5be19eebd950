package pricing_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
	"pgregory.net/rapid"
)

func TestUsageDateIsNotPriceDate(t *testing.T) {
	b := newBook(t, pricing.Options{Base: testBase(t)})
	add(t, b, live(at(t, "2025-01-01"), true), items(offer(t, "m5.large", "0.100", "2025-01-01")))
	dated := offer(t, "m5.large", "0.090", "2025-06-01")
	dated.ValidFrom = at(t, "2025-03-01")
	add(t, b, live(at(t, "2025-06-01"), true), items(dated))
	f := func(name, usage, asOf, price, basis string, layer pricing.Layer) {
		t.Helper()
		q := query("m5.large")
		if usage != "" {
			q.At = at(t, usage)
		}
		if asOf != "" {
			q.AsOf = at(t, asOf)
		}
		got := lookup(t, b, q)
		if got.List.PerHour != usd(t, price) || got.PriceBasis != basis || got.Layer != layer {
			t.Errorf("%s: %s %q from %s, want %s %q from %s", name, got.List.PerHour, got.PriceBasis, got.Layer, price, basis, layer)
		}
	}
	f("the newest known", "", "", "0.090", "", pricing.LayerLive)
	f("valid in 2025-02", "2025-02-01", "", "0.100", "", pricing.LayerLive)
	f("valid from the day the provider says", "2025-03-01", "", "0.090", "", pricing.LayerLive)
	f("what was known before June", "2025-04-01", "2025-05-31", "0.100", "", pricing.LayerLive)
	f("before the live lists, the embedded price is valid", "2024-12-01", "", "0.096", "", pricing.LayerEmbedded)
	f("before everything, the earliest", "2013-08-01 05:00", "", "0.096", pricing.NearestLater, pricing.LayerEmbedded)
	f("prices as of 2024", "2025-04-01", "2024-12-31", "0.096", "", pricing.LayerEmbedded)
}

func TestStrictAndHiddenPrices(t *testing.T) {
	b := newBook(t, pricing.Options{Base: testBase(t)})
	q := query("m5.large")
	q.At, q.Strict = at(t, "2013-08-01"), true
	_, err := b.Lookup(q)
	if !errors.Is(err, pricing.ErrNoPrice) {
		t.Fatal(err)
	}
	wantError(t, err, "first known price is of 2024-08-09", "2013-08-01")
	q = query("m5.large")
	q.AsOf = at(t, "2020-01-01")
	_, err = b.Lookup(q)
	if !errors.Is(err, pricing.ErrNoPrice) {
		t.Fatal(err)
	}
	wantError(t, err, "observed after 2020-01-01")
}

func TestNoPriceSaysWhyWithNearestNames(t *testing.T) {
	base := testBase(t)
	base.regions = map[string][]string{"aws": {"us-west-2"}}
	b := newBook(t, pricing.Options{Base: base})
	f := func(change func(q *pricing.OfferQuery), is error, parts ...string) {
		t.Helper()
		q := query("m5.large")
		change(&q)
		_, err := b.Lookup(q)
		if !errors.Is(err, pricing.ErrNoPrice) || (is != nil && !errors.Is(err, is)) {
			t.Errorf("%v", err)
		}
		wantError(t, err, parts...)
	}
	f(func(q *pricing.OfferQuery) { q.InstanceType = "m5.lrage" }, pricing.ErrUnknownType, `"m5.lrage"`, "m5.large")
	f(func(q *pricing.OfferQuery) { q.InstanceType = "M5.LARGE" }, pricing.ErrUnknownType, "did you mean m5.large")
	f(func(q *pricing.OfferQuery) { q.Region = "us-eest-1" }, pricing.ErrUnknownRegion, "us-east-1")
	f(func(q *pricing.OfferQuery) { q.Region = "us-west-2" }, nil, "no list has m5.large in us-west-2")
	f(func(q *pricing.OfferQuery) { q.OS = pricing.Windows }, nil, "for windows on_demand", "linux on_demand")
	f(func(q *pricing.OfferQuery) { q.Purchase = pricing.Spot }, nil, "for linux spot")
	f(func(q *pricing.OfferQuery) { q.Provider = "" }, pricing.ErrUnknownType, "provider is unknown")
	f(func(q *pricing.OfferQuery) { q.InstanceType = "" }, pricing.ErrUnknownType, "instance type is unknown")
	f(func(q *pricing.OfferQuery) { q.Region = "" }, pricing.ErrUnknownRegion, "region is unknown")
	f(func(q *pricing.OfferQuery) { q.InstanceType = "zzzzzzzzzzzz" }, pricing.ErrUnknownType, `unknown instance type "zzzzzzzzzzzz" of aws`)
}

func TestWindowsNeverFallsBackToLinux(t *testing.T) {
	b := newBook(t, pricing.Options{Base: testBase(t), Sheet: sheet(t, "s.csv", "provider,region,percent\naws,,10\n")})
	for _, os := range []string{pricing.Windows, pricing.RHEL, pricing.SUSE} {
		q := query("m5.large")
		q.OS = os
		if f, err := b.Lookup(q); !errors.Is(err, pricing.ErrNoPrice) {
			t.Errorf("%s costs %s, %v", os, f.List.PerHour, err)
		}
	}
	q := query("m5.large")
	q.OS = ""
	if f := lookup(t, b, q); !f.OSAssumed {
		t.Error("a price for no system is not marked")
	}
	if f := lookup(t, b, query("m5.large")); f.OSAssumed {
		t.Error("a price for linux is marked as assumed")
	}
}

func TestZeroPricesAreNeverOffers(t *testing.T) {
	b := newBook(t, pricing.Options{})
	add(t, b, live(at(t, "2025-01-01"), true), items(offer(t, "m5.large", "0.1", "2025-01-01")))
	none, negative := offer(t, "c5.large", "0.1", "2025-02-01"), offer(t, "r5.large", "-1", "2025-02-01")
	none.PerHour = money.Price{}
	a := add(t, b, live(at(t, "2025-02-01"), true), items(offer(t, "m5.large", "0", "2025-02-01"), none, negative))
	if len(a.Refused) != 3 || a.Gone != 0 || a.New != 0 {
		t.Fatalf("%+v", a)
	}
	text := asJSON(t, a.Refused)
	for _, part := range []string{"a price of zero", "no price", "below zero", "m5.large linux on_demand"} {
		if !strings.Contains(text, part) {
			t.Errorf("%s lacks %q", text, part)
		}
	}
	if f := lookup(t, b, query("m5.large")); f.List.PerHour != usd(t, "0.1") || f.Gone {
		t.Errorf("the last good price is %s, gone %v", f.List.PerHour, f.Gone)
	}
}

func TestTwoPricesForOneThingAreRefusedInAnyOrder(t *testing.T) {
	x, y := offer(t, "m5.large", "0.1", "2025-01-01"), offer(t, "m5.large", "0.2", "2025-01-01")
	for _, it := range [][]pricing.Item{items(x, y), items(y, x), items(x, y, x), items(y, x, y), items(x, y, y)} {
		b := newBook(t, pricing.Options{})
		a := add(t, b, live(at(t, "2025-01-01"), true), it)
		if len(a.Refused) != 1 || a.New != 0 {
			t.Errorf("%+v", a)
		}
		if !strings.Contains(a.Refused[0].Reason, "0.1 USD and 0.2 USD") {
			t.Errorf("%+v", a.Refused)
		}
		if f, err := b.Lookup(query("m5.large")); !errors.Is(err, pricing.ErrNoPrice) {
			t.Errorf("%s, %v", f.List.PerHour, err)
		}
	}
	b := newBook(t, pricing.Options{})
	if a := add(t, b, live(at(t, "2025-01-01"), true), items(x, x)); a.New != 1 || len(a.Refused) != 0 {
		t.Errorf("the same price twice: %+v", a)
	}
}

func TestVanishedPriceStaysWithItsAge(t *testing.T) {
	b := newBook(t, pricing.Options{})
	both := items(offer(t, "m5.large", "0.1", "2025-01-01"), offer(t, "c5.large", "0.08", "2025-01-01"))
	add(t, b, live(at(t, "2025-01-01"), true), both)
	stay := func(day string) []pricing.Item { return items(offer(t, "c5.large", "0.08", day)) }
	if a := add(t, b, live(at(t, "2025-02-01"), true), append(stay("2025-02-01"), items(offer(t, "m5.large", "0.1", "2025-02-01"))...)); a.Unchanged != 2 || a.Gone != 0 {
		t.Fatalf("%+v", a)
	}
	if a := add(t, b, live(at(t, "2025-03-01"), true), stay("2025-03-01")); a.Gone != 1 || a.Unchanged != 1 {
		t.Fatalf("%+v", a)
	}
	if a := add(t, b, live(at(t, "2025-04-01"), true), stay("2025-04-01")); a.Gone != 0 {
		t.Fatalf("gone twice: %+v", a)
	}
	f := lookup(t, b, query("m5.large"))
	now := at(t, "2025-05-10")
	if !f.Gone || !f.LastSeen.Equal(at(t, "2025-02-01")) || f.List.PerHour != usd(t, "0.1") || !f.Stale(now) {
		t.Errorf("gone %v, seen %s, stale %v", f.Gone, f.LastSeen, f.Stale(now))
	}
	if got := f.Age(now); got != 98*24*time.Hour {
		t.Errorf("age %v", got)
	}
	if f := lookup(t, b, query("c5.large")); f.Gone || !f.LastSeen.Equal(at(t, "2025-04-01")) || f.Stale(now) || !f.List.ObservedAt.Equal(at(t, "2025-01-01")) {
		t.Errorf("gone %v, seen %s", f.Gone, f.LastSeen)
	}
	// Prices as of February know nothing of March.
	q := query("m5.large")
	q.AsOf = at(t, "2025-02-10")
	if f := lookup(t, b, q); f.Gone || !f.LastSeen.Equal(at(t, "2025-02-01")) {
		t.Errorf("as of February: gone %v, seen %s", f.Gone, f.LastSeen)
	}
	if a := add(t, b, live(at(t, "2025-05-01"), true), both); a.Returned != 1 || a.Unchanged != 1 {
		t.Errorf("%+v", a)
	}
	if f := lookup(t, b, query("m5.large")); f.Gone {
		t.Error("it came back and is still gone")
	}
}

func TestIncompleteReadingTakesNothingForGone(t *testing.T) {
	b := newBook(t, pricing.Options{})
	add(t, b, live(at(t, "2025-01-01"), true), items(offer(t, "m5.large", "0.1", "2025-01-01"), offer(t, "c5.large", "0.08", "2025-01-01")))
	a := add(t, b, live(at(t, "2025-02-01"), false), items(offer(t, "c5.large", "0.08", "2025-02-01")))
	if a.Gone != 0 || a.Unchanged != 1 {
		t.Fatalf("%+v", a)
	}
	if f := lookup(t, b, query("c5.large")); !f.LastSeen.Equal(at(t, "2025-02-01")) {
		t.Errorf("seen %s", f.LastSeen)
	}
	if f := lookup(t, b, query("m5.large")); f.Gone || !f.LastSeen.Equal(at(t, "2025-01-01")) {
		t.Errorf("gone %v, seen %s", f.Gone, f.LastSeen)
	}
	// Another list's reading does not make this list's prices gone.
	other := live(at(t, "2025-03-01"), true)
	other.List = "aws spot"
	if a := add(t, b, other, nil); a.Gone != 0 {
		t.Errorf("%+v", a)
	}
}

func TestAddRefuses(t *testing.T) {
	b := newBook(t, pricing.Options{})
	for _, r := range []pricing.Reading{{}, {List: "x", Provider: "aws"}, {List: "x", At: time.Now()}, {Provider: "aws", At: time.Now()}} {
		if _, err := b.Add(r, nil); err == nil {
			t.Errorf("%+v was taken", r)
		}
	}
	bad := func(change func(o *pricing.Offer)) pricing.Item {
		o := offer(t, "m5.large", "0.1", "2025-01-01")
		change(&o)
		return pricing.Item{Offer: &o}
	}
	refused := []pricing.Item{
		bad(func(o *pricing.Offer) { o.Region = "eu-west-1" }),
		bad(func(o *pricing.Offer) { o.InstanceType = "" }),
		bad(func(o *pricing.Offer) { o.OS = "" }),
		bad(func(o *pricing.Offer) { o.Purchase = "gift" }),
		bad(func(o *pricing.Offer) { o.Purchase = pricing.Reserved }),
		bad(func(o *pricing.Offer) { o.Term.Years = 1 }),
		bad(func(o *pricing.Offer) { o.PerHour = o.PerHour.In("XXX") }),
		{Storage: &pricing.StorageOffer{Provider: "aws", Region: "us-east-1", DiskType: "gp3"}},
		{Storage: &pricing.StorageOffer{Provider: "aws", Region: "us-east-1", PerGiBMonth: usd(t, "1")}},
		{Address: &pricing.AddressOffer{Provider: "aws", Region: "us-east-1"}},
		{Address: &pricing.AddressOffer{Provider: "gcp", Region: "us-east-1", PerHour: usd(t, "1")}},
		{Component: &pricing.ComponentOffer{Provider: "aws", Region: "us-east-1", Family: "n2", Purchase: pricing.OnDemand, PerVCPUHour: usd(t, "1")}},
		{Component: &pricing.ComponentOffer{Provider: "aws", Region: "us-east-1", Purchase: pricing.OnDemand, PerVCPUHour: usd(t, "1"), PerGiBHour: usd(t, "1")}},
		{Component: &pricing.ComponentOffer{Provider: "aws", Region: "us-east-1", Family: "n2", Purchase: "gift", PerVCPUHour: usd(t, "1"), PerGiBHour: usd(t, "1")}},
		{Component: &pricing.ComponentOffer{Provider: "aws", Region: "us-east-1", Family: "n2", Purchase: pricing.OnDemand, PerVCPUHour: usd(t, "1"), PerGiBHour: inCurrency(t, "1", "EUR")}},
		{Spec: &pricing.Specification{Provider: "gcp", InstanceType: "n2"}},
		{},
	}
	a := add(t, b, live(at(t, "2025-01-01"), true), refused)
	if len(a.Refused) != len(refused)-1 || a.New != 0 {
		t.Errorf("%d refused of %d: %s", len(a.Refused), len(refused), asJSON(t, a.Refused))
	}
}

func TestSpotAndCommitmentsAboveOnDemandAreFlagged(t *testing.T) {
	b := newBook(t, pricing.Options{})
	spot, reserved, good := offer(t, "m5.large", "0.2", "2025-01-01"), offer(t, "m5.large", "0.11", "2025-01-01"), offer(t, "m5.large", "0.06", "2025-01-01")
	spot.Purchase = pricing.Spot
	reserved.Purchase, reserved.Term = pricing.Reserved, pricing.Term{Years: 1}
	good.Purchase, good.Term = pricing.Reserved, pricing.Term{Years: 3}
	a := add(t, b, live(at(t, "2025-01-01"), true), items(offer(t, "m5.large", "0.1", "2025-01-01"), spot, reserved, good))
	if a.New != 4 || len(a.Flagged) != 2 || !strings.Contains(a.Flagged[0].Reason, "above on demand at 0.1 USD") {
		t.Errorf("%s", asJSON(t, a))
	}
}

func TestChangesAreReported(t *testing.T) {
	b := newBook(t, pricing.Options{})
	add(t, b, live(at(t, "2025-01-01"), true), items(offer(t, "m5.large", "0.1", "2025-01-01")))
	a := add(t, b, live(at(t, "2025-02-01"), true), items(offer(t, "m5.large", "0.09", "2025-02-01")))
	if len(a.Changes) != 1 || a.Changed != 1 || a.Changes[0].Before.PerHour != usd(t, "0.1") || a.Changes[0].After.PerHour != usd(t, "0.09") {
		t.Errorf("%s", asJSON(t, a))
	}
}

// A revision is reproduced after later readings.
func TestBookAtRevision(t *testing.T) {
	b := newBook(t, pricing.Options{Base: testBase(t)})
	start := b.Revision()
	add(t, b, live(at(t, "2025-01-01"), true), items(offer(t, "m5.large", "0.1", "2025-01-01")))
	first := b.Revision()
	add(t, b, live(at(t, "2025-02-01"), true), items(offer(t, "m5.large", "0.2", "2025-02-01")))
	old, err := b.At(first)
	if err != nil {
		t.Fatal(err)
	}
	if f := lookup(t, old, query("m5.large")); f.List.PerHour != usd(t, "0.1") {
		t.Errorf("%s", f.List.PerHour)
	}
	if got := old.Revision(); asJSON(t, got) != asJSON(t, first) {
		t.Errorf("%+v, want %+v", got, first)
	}
	if n := len(old.Readings()); n != 1 {
		t.Errorf("%d readings", n)
	}
	if _, err := old.Add(live(at(t, "2025-03-01"), true), nil); err == nil {
		t.Error("an old revision was added to")
	}
	if _, err := old.WriteTo(&bytes.Buffer{}); err == nil {
		t.Error("an old revision was written")
	}
	oldest, err := b.At(start)
	if err != nil {
		t.Fatal(err)
	}
	if f := lookup(t, oldest, query("m5.large")); f.Layer != pricing.LayerEmbedded {
		t.Errorf("%s", f.Layer)
	}
	for _, change := range []func(r *pricing.Revision){
		func(r *pricing.Revision) { r.Live = "1-0000000000000000" },
		func(r *pricing.Revision) { r.Live = "9-0000000000000000" },
		func(r *pricing.Revision) { r.Live = "x" },
		func(r *pricing.Revision) { r.Sheet = "other" },
		func(r *pricing.Revision) { r.Embedded = "other" },
		func(r *pricing.Revision) { r.Order = []pricing.Layer{"cellar"} },
	} {
		r := first
		change(&r)
		if _, err := b.At(r); !errors.Is(err, pricing.ErrRevision) {
			t.Errorf("%+v: %v", r, err)
		}
	}
}

// Equal readings give equal revisions, whatever the order of their items; any
// difference gives another one.
func TestRevisionIsOfTheContent(t *testing.T) {
	one := func(it []pricing.Item, r pricing.Reading) string {
		b := newBook(t, pricing.Options{})
		return add(t, b, r, it).Revision.Live
	}
	x, y := offer(t, "m5.large", "0.1", "2025-01-01"), offer(t, "c5.large", "0.08", "2025-01-01")
	r := live(at(t, "2025-01-01"), true)
	want := one(items(x, y), r)
	if got := one(items(y, x), r); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	z := y
	z.PerHour = usd(t, "0.081")
	later := r
	later.At = at(t, "2025-01-02")
	for _, got := range []string{one(items(x, z), r), one(items(x), r), one(items(x, y), later)} {
		if got == want {
			t.Errorf("another book has the revision %s too", got)
		}
	}
}

func TestPrecedenceIsConfigurable(t *testing.T) {
	s := sheet(t, "s.csv", "provider,instance_type,price_per_hour,currency\naws,m5.large,0.05,USD\n")
	f := func(order []pricing.Layer, list, contracted string, layer pricing.Layer) {
		t.Helper()
		b := newBook(t, pricing.Options{Base: testBase(t), Sheet: s, Precedence: order})
		add(t, b, live(at(t, "2025-01-01"), true), items(offer(t, "m5.large", "0.1", "2025-01-01")))
		q := query("m5.large")
		q.At = at(t, "2025-06-01")
		got := lookup(t, b, q)
		if got.List.PerHour != usd(t, list) || got.Contracted != usd(t, contracted) || got.Layer != layer {
			t.Errorf("%v: list %s, contracted %s from %s", order, got.List.PerHour, got.Contracted, got.Layer)
		}
	}
	f(nil, "0.1", "0.05", pricing.LayerLive)
	f([]pricing.Layer{"sheet", "embedded", "live"}, "0.096", "0.05", pricing.LayerEmbedded)
	f([]pricing.Layer{"live", "sheet", "embedded"}, "0.1", "0.1", pricing.LayerLive)
	f([]pricing.Layer{"embedded"}, "0.096", "0.096", pricing.LayerEmbedded)
	f([]pricing.Layer{"sheet"}, "0.05", "0.05", pricing.LayerSheet)
	for _, order := range [][]pricing.Layer{{"cellar"}, {"live", "live"}} {
		if _, err := pricing.NewBook(pricing.Options{Precedence: order}); err == nil {
			t.Errorf("%v was taken", order)
		}
	}
}

func TestStorageAndAddresses(t *testing.T) {
	s := sheet(t, "s.yaml", "currency: USD\ndisks:\n  - {provider: aws, disk_type: own, price_per_gib_month: 0.01}\naddresses:\n  - {provider: aws, price_per_hour: 0.001, idle: true}\n")
	b := newBook(t, pricing.Options{Sheet: s})
	q := pricing.StorageQuery{Provider: "aws", Region: "us-east-1", DiskType: "gp3"}
	if _, err := b.Storage(q); !errors.Is(err, pricing.ErrNoPrice) {
		t.Error(err)
	}
	if _, err := b.Address("aws", "us-east-1", false, time.Time{}, time.Time{}, false); !errors.Is(err, pricing.ErrNoPrice) {
		t.Error(err)
	}
	disk := func(name string, max int64, price string) pricing.Item {
		o := &pricing.StorageOffer{Provider: "aws", Region: "us-east-1", DiskType: name, MaxGiB: max}
		if max > 0 {
			o.PerDiskMonth = usd(t, price)
		} else {
			o.PerGiBMonth = usd(t, price)
		}
		return pricing.Item{Storage: o}
	}
	address := pricing.Item{Address: &pricing.AddressOffer{Provider: "aws", Region: "us-east-1", PerHour: usd(t, "0.005")}}
	add(t, b, live(at(t, "2025-01-01"), true), []pricing.Item{disk("gp3", 0, "0.08"), disk("fixed", 32, "1.5"), disk("fixed", 64, "3"), address})
	add(t, b, live(at(t, "2025-02-01"), true), []pricing.Item{disk("gp3", 0, "0.09"), disk("fixed", 32, "1.5"), disk("fixed", 64, "3"), address, disk("gp3", 0, "0.1")})
	if f, err := b.Storage(q); err != nil || f.PerGiBMonth != usd(t, "0.08") || f.Layer != pricing.LayerLive {
		t.Errorf("two prices for one disk: %+v, %v", f, err) // both refused, the last good one stays
	}
	q.At = at(t, "2013-01-01")
	if f, err := b.Storage(q); err != nil || f.PriceBasis != pricing.NearestLater {
		t.Errorf("%+v, %v", f, err)
	}
	q.Strict = true
	if _, err := b.Storage(q); !errors.Is(err, pricing.ErrNoPrice) {
		t.Error(err)
	}
	q = pricing.StorageQuery{Provider: "aws", Region: "us-east-1", DiskType: "FIXED", GiB: 40}
	if f, err := b.Storage(q); err != nil || f.MaxGiB != 64 || f.PerDiskMonth != usd(t, "3") {
		t.Errorf("%+v, %v", f, err)
	}
	if f, err := b.Storage(pricing.StorageQuery{Provider: "aws", Region: "eu-west-1", DiskType: "own"}); err != nil || f.Layer != pricing.LayerSheet || f.Source != "s.yaml:3" {
		t.Errorf("%+v, %v", f, err)
	}
	if f, err := b.Address("aws", "us-east-1", false, at(t, "2013-01-01"), time.Time{}, false); err != nil || f.PerHour != usd(t, "0.005") || f.PriceBasis != pricing.NearestLater {
		t.Errorf("%+v, %v", f, err)
	}
	if f, err := b.Address("aws", "us-east-1", true, time.Time{}, time.Time{}, false); err != nil || f.PerHour != usd(t, "0.001") || f.Layer != pricing.LayerSheet {
		t.Errorf("%+v, %v", f, err)
	}
	if a := add(t, b, live(at(t, "2025-03-01"), true), nil); a.Gone != 4 {
		t.Errorf("%+v", a)
	}
}

func TestOffersOfAType(t *testing.T) {
	b := newBook(t, pricing.Options{Base: testBase(t), Sheet: sheet(t, "s.csv", "provider,instance_type,os,price_per_hour,currency\naws,m5.large,windows,0.2,USD\n")})
	spot := offer(t, "m5.large", "0.03", "2025-01-01")
	spot.Purchase = pricing.Spot
	add(t, b, live(at(t, "2025-01-01"), true), items(spot))
	got, err := b.Offers("aws", "us-east-1", "m5.large", time.Time{}, time.Time{})
	if err != nil || len(got) != 3 {
		t.Fatalf("%d, %v", len(got), err)
	}
	for i, want := range []string{"linux on_demand embedded", "linux spot live", "windows on_demand sheet"} {
		o := got[i]
		if s := strings.Join([]string{o.List.OS, string(o.List.Purchase), string(o.Layer)}, " "); s != want {
			t.Errorf("%d: %s, want %s", i, s, want)
		}
	}
}

// The book of any readings comes back from its file with equal answers, and a
// later revision is written on top.
func TestBookFileRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := newBook(t, pricing.Options{})
		n := rapid.IntRange(0, 4).Draw(rt, "readings")
		for i := range n {
			it := items()
			for _, typ := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a.1", "a.2", "b.1"}), 0, 3, rapid.ID).Draw(rt, "types") {
				o := offer(t, typ, "0.1", "2025-01-01")
				o.PerHour = money.PriceOf(money.FromScaled(rapid.Int64Range(1, 5).Draw(rt, "price"), 4), "USD")
				if rapid.Bool().Draw(rt, "committed") {
					o.Purchase, o.Term = pricing.Reserved, pricing.Term{Years: 1, Payment: pricing.AllUpfront, Class: "standard"}
					o.Upfront = usd(t, "876")
				}
				o.ObservedAt = time.Time{}
				it = append(it, pricing.Item{Offer: &o})
			}
			it = append(it,
				pricing.Item{Storage: &pricing.StorageOffer{Provider: "aws", Region: "us-east-1", DiskType: "gp3", PerGiBMonth: usd(t, "0.08"), MonthHours: 730}},
				pricing.Item{Address: &pricing.AddressOffer{Provider: "aws", Region: "us-east-1", PerHour: usd(t, "0.005"), Idle: true}},
				pricing.Item{Component: &pricing.ComponentOffer{Provider: "aws", Region: "us-east-1", Family: "x", Purchase: pricing.Spot, PerVCPUHour: usd(t, "0.005"), PerGiBHour: usd(t, "0.001")}},
				pricing.Item{Spec: &pricing.Specification{Provider: "aws", InstanceType: "a.1", VCPUs: pricing.Known(2, "api"), LocalDisk: pricing.Known(pricing.LocalDisk{Present: true}, "api")}})
			add(t, b, live(at(t, "2025-01-01").AddDate(0, i, 0), rapid.Bool().Draw(rt, "complete")), it)
		}
		var file bytes.Buffer
		if _, err := b.WriteTo(&file); err != nil {
			rt.Fatal(err)
		}
		back, err := pricing.ReadBook(file.Bytes(), pricing.Options{})
		if err != nil {
			rt.Fatal(err)
		}
		var again bytes.Buffer
		if _, err := back.WriteTo(&again); err != nil || !bytes.Equal(again.Bytes(), file.Bytes()) {
			rt.Fatalf("written again it differs, %v", err)
		}
		if asJSON(t, b.Revision()) != asJSON(t, back.Revision()) || asJSON(t, b.Readings()) != asJSON(t, back.Readings()) {
			rt.Fatalf("%+v, want %+v", back.Revision(), b.Revision())
		}
		for _, p := range b.Places() {
			x, errX := b.Items(p)
			y, errY := back.Items(p)
			if errX != nil || errY != nil || asJSON(t, x) != asJSON(t, y) {
				rt.Fatalf("%v: %s\n%s", p, asJSON(t, x), asJSON(t, y))
			}
		}
		for i := range n + 1 {
			for _, typ := range []string{"a.1", "a.2", "b.1"} {
				q := query(typ)
				q.At = at(t, "2025-01-15").AddDate(0, i-1, 0)
				x, errX := b.Lookup(q)
				y, errY := back.Lookup(q)
				if (errX == nil) != (errY == nil) || asJSON(t, x) != asJSON(t, y) {
					rt.Fatalf("%s at %s: %s %v\n%s %v", typ, q.At, asJSON(t, x), errX, asJSON(t, y), errY)
				}
			}
		}
		// Both take the same next reading in the same way.
		next := items(offer(t, "a.1", "0.5", "2026-01-01"))
		if x, y := add(t, b, live(at(t, "2026-01-01"), true), next), add(t, back, live(at(t, "2026-01-01"), true), next); asJSON(t, x) != asJSON(t, y) {
			rt.Fatalf("%s\n%s", asJSON(t, x), asJSON(t, y))
		}
	})
}

func TestItemsMoveToAnotherBook(t *testing.T) {
	from, to := newBook(t, pricing.Options{}), newBook(t, pricing.Options{})
	add(t, from, live(at(t, "2025-01-01"), true), append(items(offer(t, "m5.large", "0.1", "2025-01-01")),
		pricing.Item{Spec: &pricing.Specification{Provider: "aws", InstanceType: "m5.large", VCPUs: pricing.Known(2, "api")}}))
	places := from.Places()
	if len(places) != 2 {
		t.Fatalf("%v", places)
	}
	for _, p := range places {
		it, err := from.Items(p)
		if err != nil {
			t.Fatal(err)
		}
		add(t, to, pricing.Reading{List: "import", Provider: p.Provider, Region: p.Region, At: at(t, "2025-03-01")}, it)
	}
	if f := lookup(t, to, query("m5.large")); f.List.PerHour != usd(t, "0.1") || !f.List.ObservedAt.Equal(at(t, "2025-01-01")) || !f.LastSeen.Equal(at(t, "2025-01-01")) {
		t.Errorf("%+v", f)
	}
	if s, ok := to.Specification("aws", "m5.large"); !ok || s.VCPUs.Value != 2 {
		t.Errorf("%+v", s)
	}
}

func TestBookFileDamage(t *testing.T) {
	b := newBook(t, pricing.Options{})
	add(t, b, live(at(t, "2025-01-01"), true), items(offer(t, "m5.large", "0.1", "2025-01-01")))
	var file bytes.Buffer
	if _, err := b.WriteTo(&file); err != nil {
		t.Fatal(err)
	}
	whole := file.Bytes()
	for i := range whole {
		for _, data := range [][]byte{flip(whole, i), whole[:i]} {
			got, err := pricing.ReadBook(data, pricing.Options{})
			if err == nil {
				_, err = got.Lookup(query("m5.large"))
			}
			if !errors.Is(err, pricing.ErrBook) {
				t.Fatalf("byte %d of %d: %v", i, len(whole), err)
			}
		}
	}
	if _, err := pricing.ReadBook(append(bytes.Clone(whole), 0), pricing.Options{}); !errors.Is(err, pricing.ErrBook) {
		t.Errorf("%v", err)
	}
	if _, err := pricing.ReadBook(whole, pricing.Options{Precedence: []pricing.Layer{"x"}}); err == nil {
		t.Error("an unknown layer was taken")
	}
}

// A place that cannot be read fails its own questions and nobody else's.
func TestDamagedPlaceSaysSo(t *testing.T) {
	b := newBook(t, pricing.Options{})
	add(t, b, live(at(t, "2025-01-01"), true), items(offer(t, "m5.large", "0.1", "2025-01-01")))
	var file bytes.Buffer
	if _, err := b.WriteTo(&file); err != nil {
		t.Fatal(err)
	}
	back, err := pricing.ReadBook(flip(file.Bytes(), file.Len()-1), pricing.Options{Base: &base{offers: []pricing.Offer{{
		Provider: "gcp", Region: "r", InstanceType: "t", OS: "linux", Purchase: pricing.OnDemand, PerHour: usd(t, "1"), ObservedAt: at(t, "2025-01-01")}}}})
	if err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"lookup":    second(back.Lookup(query("m5.large"))),
		"offers":    second(back.Offers("aws", "us-east-1", "m5.large", time.Time{}, time.Time{})),
		"disk":      second(back.Storage(pricing.StorageQuery{Provider: "aws", Region: "us-east-1", DiskType: "x"})),
		"addr":      second(back.Address("aws", "us-east-1", false, time.Time{}, time.Time{}, false)),
		"when":      second(back.Boundaries("aws", "us-east-1", "m5.large", time.Time{}, at(t, "2026-01-01"))),
		"when disk": second(back.StorageBoundaries("aws", "us-east-1", "x", time.Time{}, at(t, "2026-01-01"))),
		"when addr": second(back.AddressBoundaries("aws", "us-east-1", time.Time{}, at(t, "2026-01-01"))),
		"add":       second(back.Add(live(at(t, "2025-01-01"), true), nil)),
		"items":     second(back.Items(pricing.Place{Provider: "aws", Region: "us-east-1"})),
	} {
		if !errors.Is(err, pricing.ErrBook) || !strings.Contains(err.Error(), "aws us-east-1") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := back.Lookup(pricing.OfferQuery{Provider: "gcp", Region: "r", InstanceType: "t"}); err != nil {
		t.Error(err)
	}
	if got := back.Types("aws"); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

func second[T any](_ T, err error) error { return err }

func flip(b []byte, i int) []byte {
	c := bytes.Clone(b)
	c[i] ^= 0x40
	return c
}

type full struct{ left int }

func (w *full) Write(p []byte) (int, error) {
	if w.left < len(p) {
		return 0, errors.New("disk full")
	}
	w.left -= len(p)
	return len(p), nil
}

func TestWriteToSaysThatTheDiskIsFull(t *testing.T) {
	b := newBook(t, pricing.Options{})
	add(t, b, live(at(t, "2025-01-01"), true), items(offer(t, "m5.large", "0.1", "2025-01-01")))
	for left := range 3 {
		_, err := b.WriteTo(&full{left * 60})
		wantError(t, err, "write price book", "disk full")
	}
}

func FuzzReadBook(f *testing.F) {
	b, err := pricing.NewBook(pricing.Options{})
	if err != nil {
		f.Fatal(err)
	}
	var empty, one bytes.Buffer
	if _, err := b.WriteTo(&empty); err != nil {
		f.Fatal(err)
	}
	add(f, b, live(at(f, "2025-01-01"), true), items(offer(f, "m5.large", "0.1", "2025-01-01")))
	if _, err := b.WriteTo(&one); err != nil {
		f.Fatal(err)
	}
	f.Add(empty.Bytes())
	f.Add(one.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		book, err := pricing.ReadBook(data, pricing.Options{})
		if err != nil {
			if !errors.Is(err, pricing.ErrBook) {
				t.Errorf("%v", err)
			}
			return
		}
		for _, p := range book.Places() {
			if _, err := book.Items(p); err != nil && !errors.Is(err, pricing.ErrBook) {
				t.Errorf("%v", err)
			}
		}
	})
}
