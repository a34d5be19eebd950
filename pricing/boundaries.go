package pricing

import (
	"math"
	"slices"
	"strings"
	"time"
)

// Boundaries returns the instants after from and before to at which the answer
// of [Book.Lookup] about a type in a region may change as the hour of use goes
// on, for any operating system and purchase option, in order: when an offer
// begins to hold or a price or discount of a sheet begins or ends. Between two
// of them, and for one AsOf, every answer is the same. They are whole seconds.
// The error is that of a place that cannot be read.
func (b *Book) Boundaries(provider, region, instanceType string, from, to time.Time) ([]time.Time, error) {
	c := newCuts(from, to)
	for _, o := range b.base.offers(provider, region, instanceType) {
		c.add(spanOfOffer(&o))
	}
	for _, m := range []sheetPrices{b.sheet.prices, b.sheet.lists} {
		for _, r := range []string{region, ""} {
			for _, o := range m[sheetCell{provider, r, instanceType}] {
				c.add(spanOfOffer(&o))
			}
		}
	}
	for i := range b.sheet.discounts {
		if d := &b.sheet.discounts[i]; d.Provider == provider && (d.Region == "" || d.Region == region) {
			c.add(spanOfOffer(&Offer{ValidFrom: d.ValidFrom, ObservedAt: d.ValidFrom, ValidTo: d.ValidTo}))
		}
	}
	if custom, ok := parseCustom(instanceType); ok && provider == GCP {
		if err := b.eachComponent(region, custom.family, func(o ComponentOffer, _ Layer) {
			c.add(spanOfOffer(&Offer{ValidFrom: o.ValidFrom, ObservedAt: o.ObservedAt}))
		}); err != nil {
			return nil, err
		}
	}
	keys := make(map[offerKey]bool)
	if err := b.liveKeys(keys, place{provider, region}, instanceType); err != nil {
		return nil, err
	}
	b.ledger.mu.RLock()
	defer b.ledger.mu.RUnlock()
	shelf, err := b.ledger.shelf(place{provider, region})
	if err != nil {
		return nil, err
	}
	for k := range keys {
		for _, s := range shelf.offers[k].upTo(b.seen()) {
			if !s.gone {
				c.add(s.value.span())
			}
		}
	}
	return c.list(), nil
}

// StorageBoundaries is [Book.Boundaries] for [Book.Storage] of a disk type.
func (b *Book) StorageBoundaries(provider, region, diskType string, from, to time.Time) ([]time.Time, error) {
	c := newCuts(from, to)
	add := func(o *StorageOffer) {
		if strings.EqualFold(o.DiskType, diskType) {
			c.add(spanOfOffer(&Offer{ValidFrom: o.ValidFrom, ObservedAt: o.ObservedAt}))
		}
	}
	for i := range b.sheet.storage {
		add(&b.sheet.storage[i])
	}
	b.ledger.mu.RLock()
	defer b.ledger.mu.RUnlock()
	shelf, err := b.ledger.shelf(place{provider, region})
	if err != nil || shelf == nil {
		return c.list(), err
	}
	for _, h := range shelf.storage {
		for _, s := range h.upTo(b.seen()) {
			if !s.gone {
				add(&s.value)
			}
		}
	}
	return c.list(), nil
}

// AddressBoundaries is [Book.Boundaries] for [Book.Address], idle or not.
func (b *Book) AddressBoundaries(provider, region string, from, to time.Time) ([]time.Time, error) {
	c := newCuts(from, to)
	add := func(o *AddressOffer) { c.add(spanOfOffer(&Offer{ValidFrom: o.ValidFrom, ObservedAt: o.ObservedAt})) }
	for i := range b.sheet.addresses {
		add(&b.sheet.addresses[i])
	}
	b.ledger.mu.RLock()
	defer b.ledger.mu.RUnlock()
	shelf, err := b.ledger.shelf(place{provider, region})
	if err != nil || shelf == nil {
		return c.list(), err
	}
	for _, h := range shelf.addresses {
		for _, s := range h.upTo(b.seen()) {
			if !s.gone {
				add(&s.value)
			}
		}
	}
	return c.list(), nil
}

// cuts collects instants within a window.
type cuts struct {
	from, to time.Time
	seconds  []int64
}

func newCuts(from, to time.Time) *cuts { return &cuts{from: from, to: to} }

func (c *cuts) add(s span) {
	for _, t := range [2]int64{s.start, s.end} {
		if t != noTime && t != math.MaxInt64 {
			c.seconds = append(c.seconds, t)
		}
	}
}

func (c *cuts) list() []time.Time {
	slices.Sort(c.seconds)
	var out []time.Time
	for _, s := range slices.Compact(c.seconds) {
		if t := timeOf(s); t.After(c.from) && t.Before(c.to) {
			out = append(out, t)
		}
	}
	return out
}
