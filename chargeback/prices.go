package chargeback

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
)

// tally counts the time and the hosts of something.
type tally struct {
	hours length
	hosts map[fleet.HostID]bool
}

func (t *tally) add(x *piece, d time.Duration) {
	t.hours.add(d)
	if t.hosts == nil {
		t.hosts = map[fleet.HostID]bool{}
	}
	t.hosts[x.span.record.Host] = true
}

// unpricedKey is what has no price, and why.
type unpricedKey struct {
	what   what
	reason string
}

type usedKey struct {
	what  what
	quote quote
}

// priced says what the pieces were priced with, and what has no price.
func (b *bill) priced(r *Result) {
	used, without := map[usedKey]*tally{}, map[unpricedKey]*tally{}
	var assumed, uncovered length
	for _, l := range b.lines {
		for _, x := range l.pieces {
			w := x.what
			if w.kind == disk && !x.wholeDisk {
				w.gib = 0
			}
			if !x.known {
				count(without, unpricedKey{w, x.reason}, x, x.Duration())
				continue
			}
			if x.list.IsZero() {
				continue // there is no disk, or no address
			}
			count(used, usedKey{w, x.quote}, x, x.Duration())
			for i := range x.covers {
				if c := &x.covers[i]; c.rate.known {
					count(used, usedKey{c.what, c.rate}, x, c.time)
				}
			}
			if x.osAssumed {
				assumed.add(x.Duration())
			}
			if x.kind == compute && x.span.record.Purchase == fleet.PurchaseReserved {
				uncovered.add(max(0, x.Duration()-x.coveredFor))
			}
			r.Method.SustainedUse = r.Method.SustainedUse || x.share.rule.Of != 0
		}
	}
	r.Method.OSAssumedHours, r.Method.ReservedHours = assumed.hours(), uncovered.hours()
	r.Prices = b.prices(used)
	r.Unpriced = unpriced(without)
}

func count[K comparable](m map[K]*tally, k K, x *piece, d time.Duration) {
	t := m[k]
	if t == nil {
		t = &tally{}
		m[k] = t
	}
	t.add(x, d)
}

func compareWhat(a, b what) int {
	return cmp.Or(cmp.Compare(a.kind, b.kind), strings.Compare(a.provider, b.provider), strings.Compare(a.region, b.region),
		strings.Compare(a.name, b.name), strings.Compare(a.os, b.os), strings.Compare(string(a.purchase), string(b.purchase)),
		cmp.Compare(a.term.Years, b.term.Years), strings.Compare(string(a.term.Payment), string(b.term.Payment)), strings.Compare(a.term.Class, b.term.Class),
		cmp.Compare(a.gib, b.gib), compareBools(a.idle, b.idle))
}

func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// shownOS is the operating system that a price is for.
func (w *what) shownOS() string {
	if w.kind == compute && w.os == "" {
		return pricing.Linux
	}
	return w.os
}

func (w *what) types() (instance, disks string) {
	if w.kind == disk {
		return "", w.name
	}
	return w.name, ""
}

func unpriced(without map[unpricedKey]*tally) []Unpriced {
	out := []Unpriced{}
	keys := make([]unpricedKey, 0, len(without))
	for k := range without {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b unpricedKey) int {
		return cmp.Or(compareWhat(a.what, b.what), strings.Compare(a.reason, b.reason))
	})
	for _, k := range keys {
		instance, disks := k.what.types()
		out = append(out, Unpriced{
			What: k.what.kind.String(), Provider: k.what.provider, Region: k.what.region, InstanceType: instance, DiskType: disks,
			OS: k.what.shownOS(), Purchase: k.what.purchase, Term: k.what.term.String(), Reason: k.reason, Hosts: len(without[k].hosts), Hours: without[k].hours.hours(),
		})
	}
	return out
}

func (b *bill) prices(used map[usedKey]*tally) Prices {
	p := Prices{Book: b.plan.book.Revision(), Strict: b.plan.req.StrictPrices, Used: []PriceUsed{}, Rates: b.plan.used.list()}
	if at := b.plan.req.PricesAsOf; !at.IsZero() {
		p.AsOf = &at
	}
	keys := make([]usedKey, 0, len(used))
	for k := range used {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b usedKey) int {
		return cmp.Or(compareWhat(a.what, b.what), a.quote.valid.Compare(b.quote.valid), a.quote.observed.Compare(b.quote.observed),
			money.ComparePrices(a.quote.list, b.quote.list), money.ComparePrices(a.quote.contracted, b.quote.contracted),
			strings.Compare(a.quote.source, b.quote.source), strings.Compare(a.quote.contract, b.quote.contract), strings.Compare(string(a.quote.basis), string(b.quote.basis)),
			compareBools(a.quote.nearestLater, b.quote.nearestLater), compareBools(a.quote.wholeDisk, b.quote.wholeDisk), cmp.Compare(a.quote.monthHours, b.quote.monthHours))
	})
	for _, k := range keys {
		u := priceUsed(&k.what, &k.quote)
		u.Hours = used[k].hours.hours()
		p.Used = append(p.Used, u)
		if u.PriceBasis != "" {
			p.PriceBasis = u.PriceBasis
		}
		if u.AsOf != "" && (p.Oldest == "" || u.AsOf < p.Oldest) {
			p.Oldest = u.AsOf
		}
		p.Newest = max(p.Newest, u.AsOf)
		p.Stale = b.age(p.Stale, &k)
	}
	return p
}

// age adds a price to the places with old ones; prices come by kind, then place.
func (b *bill) age(list []StalePrices, k *usedKey) []StalePrices {
	age := b.plan.charged.End.Sub(k.quote.seen)
	if k.quote.seen.IsZero() || age <= pricing.StaleAfter {
		return list
	}
	s := StalePrices{What: k.what.kind.String(), Provider: k.what.provider, Region: k.what.region, LastSeen: day(k.quote.seen), Days: int(age / (24 * time.Hour))}
	last := len(list) - 1
	switch {
	case last < 0 || list[last].What != s.What || list[last].Provider != s.Provider || list[last].Region != s.Region:
		return append(list, s)
	case s.LastSeen < list[last].LastSeen:
		list[last] = s
	}
	return list
}

func priceUsed(w *what, q *quote) PriceUsed {
	instance, disks := w.types()
	u := PriceUsed{
		What: w.kind.String(), Provider: w.provider, Region: w.region, InstanceType: instance, DiskType: disks, OS: w.shownOS(), Purchase: w.purchase, Term: w.term.String(),
		Price: q.list, ContractedPrice: q.contracted, Currency: q.list.Currency(), Unit: q.unit(w), Basis: q.basis,
		AsOf: day(q.observed), ValidFrom: day(q.valid), Source: q.source, ContractSource: q.contract,
	}
	if c := q.contracted.Currency(); c != u.Currency {
		u.ContractedCurrency = c
	}
	if q.nearestLater {
		u.PriceBasis = pricing.NearestLater
	}
	return u
}

// unit is what a price is for.
func (q *quote) unit(w *what) string {
	month := "month"
	if q.monthHours > 0 {
		month = "month of 730 h"
	}
	switch {
	case q.wholeDisk:
		return "disk-" + month
	case q.perMonth:
		return "GiB-" + month
	case w.kind == address && w.idle:
		return "idle address-hour"
	case w.kind == address:
		return "address-hour"
	}
	return "hour"
}
