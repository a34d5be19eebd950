package pricing

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/money"
)

// Offers returns every price of a type in a region that is known at a time, one
// for each operating system and purchase option, on demand and linux first. The
// times mean what they mean in [OfferQuery]. It is empty where there is none.
func (b *Book) Offers(provider, region, instanceType string, at, asOf time.Time) ([]Found, error) {
	keys := make(map[offerKey]bool)
	for _, o := range b.base.offers(provider, region, instanceType) {
		keys[offerKey{o.InstanceType, o.OS, o.Purchase, o.Term}] = true
	}
	for _, m := range []sheetPrices{b.sheet.prices, b.sheet.lists} {
		for _, r := range []string{region, ""} {
			for _, o := range m[sheetCell{provider, r, instanceType}] {
				keys[offerKey{o.InstanceType, o.OS, o.Purchase, o.Term}] = true
			}
		}
	}
	if err := b.liveKeys(keys, place{provider, region}, instanceType); err != nil {
		return nil, err
	}
	if c, ok := parseCustom(instanceType); ok && provider == GCP {
		for _, o := range b.customKeys(c, region) {
			keys[o] = true
		}
	}
	var out []Found
	for _, k := range sortedKeys(keys, compareShown) {
		f, err := b.Lookup(OfferQuery{Provider: provider, Region: region, InstanceType: instanceType, OS: k.os, Purchase: k.purchase, Term: k.term, At: at, AsOf: asOf})
		if err == nil {
			out = append(out, f)
		}
	}
	flagAbove(out)
	return out, nil
}

// flagAbove notes which prices are above the one on demand.
func flagAbove(list []Found) {
	demand := make(map[string]*Found)
	for i := range list {
		if f := &list[i]; f.List.Purchase == OnDemand {
			demand[f.List.OS] = f
		}
	}
	for i := range list {
		f := &list[i]
		d := demand[f.List.OS]
		switch {
		case d == nil || f.List.Purchase == OnDemand:
		case above(f.List.PerHour, d.List.PerHour):
			f.AboveOnDemand = d.List.PerHour
		case above(f.Contracted, d.Contracted):
			f.AboveOnDemand = d.Contracted
		}
	}
}

// above reports whether a price is above another in the same currency.
func above(p, demand money.Price) bool {
	return p.Currency() == demand.Currency() && p.Number().Cmp(demand.Number()) > 0
}

// liveKeys adds the keys that readings know of a type in a place.
func (b *Book) liveKeys(keys map[offerKey]bool, at place, typ string) error {
	b.ledger.mu.Lock() // it may build the index
	defer b.ledger.mu.Unlock()
	shelf, err := b.ledger.shelf(at)
	if err != nil || shelf == nil {
		return err
	}
	if shelf.types == nil {
		shelf.types = make(map[string][]offerKey)
		for k := range shelf.offers {
			shelf.types[k.typ] = append(shelf.types[k.typ], k)
		}
	}
	for _, k := range shelf.types[typ] {
		keys[k] = true
	}
	return nil
}

// compareShown orders keys as prices are shown.
func compareShown(a, b offerKey) int {
	rank := func(p Purchase) int {
		return slices.Index([]Purchase{OnDemand, Spot, Reserved, SavingsPlan, CommittedUse}, p)
	}
	linux := func(os string) int { return number(os != Linux) }
	return cmp.Or(cmp.Compare(linux(a.os), linux(b.os)), strings.Compare(a.os, b.os), cmp.Compare(rank(a.purchase), rank(b.purchase)), compareTerms(a.term, b.term))
}

// FoundStorage is the price of a disk.
type FoundStorage struct {
	StorageOffer
	Layer      Layer
	PriceBasis string
	// LastSeen is when it was last found in its list; Gone says that later
	// readings of the list lacked it.
	LastSeen time.Time
	Gone     bool
}

// StorageQuery asks for the price of a disk.
type StorageQuery struct {
	Provider, Region, DiskType string
	GiB                        float64 // size, for providers that sell fixed sizes
	At, AsOf                   time.Time
	Strict                     bool
}

// Storage returns the price of a disk type by the rules of [Book.Lookup]. Where
// the provider sells fixed sizes it is the smallest one that holds GiB. The
// embedded facts have no disks: without a reading or a sheet the error wraps
// [ErrNoPrice].
func (b *Book) Storage(q StorageQuery) (FoundStorage, error) {
	m := momentOf(&OfferQuery{At: q.At, AsOf: q.AsOf})
	var all []layered[StorageOffer]
	fits := func(o *StorageOffer) bool {
		return o.Provider == q.Provider && (o.Region == q.Region || o.Region == "") && strings.EqualFold(o.DiskType, q.DiskType) && (o.MaxGiB == 0 || q.GiB <= float64(o.MaxGiB))
	}
	for i := range b.sheet.storage {
		if o := &b.sheet.storage[i]; fits(o) {
			all = append(all, layered[StorageOffer]{*o, LayerSheet, spanOfOffer(&Offer{ValidFrom: o.ValidFrom, ObservedAt: o.ObservedAt})})
		}
	}
	b.ledger.mu.RLock()
	shelf, err := b.ledger.shelf(place{q.Provider, q.Region})
	if err == nil && shelf != nil {
		for _, h := range shelf.storage {
			for _, s := range h.upTo(b.seen()) {
				if !s.gone && fits(&s.value) {
					all = append(all, layered[StorageOffer]{s.value, LayerLive, spanOfOffer(&Offer{ValidFrom: s.value.ValidFrom, ObservedAt: s.value.ObservedAt})})
				}
			}
		}
	}
	b.ledger.mu.RUnlock()
	if err != nil {
		return FoundStorage{}, err
	}
	best, f := bestOf(b.order, m, all, func(x, y *StorageOffer) int {
		size := func(o *StorageOffer) int64 { return cmp.Or(o.MaxGiB, 1<<60) }
		return cmp.Or(cmp.Compare(size(x), size(y)), strings.Compare(y.Region, x.Region))
	})
	if f == fitNone || (f == fitLater && q.Strict) {
		return FoundStorage{}, fmt.Errorf("%w of disk type %q of %s in %s: fetch prices, or give it in a sheet", ErrNoPrice, q.DiskType, q.Provider, q.Region)
	}
	out := FoundStorage{StorageOffer: best.value, Layer: best.layer, LastSeen: best.value.ObservedAt}
	if out.Layer == LayerLive {
		out.LastSeen, out.Gone = b.seenStorage(&out.StorageOffer, m.asOf)
	}
	if f == fitLater {
		out.PriceBasis = NearestLater
	}
	return out, nil
}

// layered is a value of a layer with its span.
type layered[T any] struct {
	value T
	layer Layer
	span  span
}

// bestOf picks by the rules of Lookup: valid before later, layers in order, the
// preferred value, then the one observed last (of later ones, the first).
func bestOf[T any](order []Layer, m moment, all []layered[T], prefer func(x, y *T) int) (layered[T], fit) {
	var best *layered[T]
	bestFit := fitNone
	for i := range all {
		c := &all[i]
		rank := slices.Index(order, c.layer)
		f := m.fit(c.span)
		if rank < 0 || f == fitNone {
			continue
		}
		if best == nil {
			best, bestFit = c, f
			continue
		}
		if d := cmp.Or(cmp.Compare(bestFit, f), cmp.Compare(rank, slices.Index(order, best.layer)), prefer(&c.value, &best.value)); d != 0 {
			if d < 0 {
				best, bestFit = c, f
			}
			continue
		}
		if (f == fitValid && c.span.observed >= best.span.observed) || (f == fitLater && c.span.start < best.span.start) {
			best, bestFit = c, f
		}
	}
	if best == nil {
		return layered[T]{}, fitNone
	}
	return *best, bestFit
}

// FoundAddress is the price of a public address.
type FoundAddress struct {
	AddressOffer
	Layer      Layer
	PriceBasis string
	// LastSeen is when it was last found in its list; Gone says that later
	// readings of the list lacked it.
	LastSeen time.Time
	Gone     bool
}

// Address returns the price per hour of a public IPv4 address by the rules of
// [Book.Lookup]; an idle one is used by no running host. Without a reading or a
// sheet the error wraps [ErrNoPrice].
func (b *Book) Address(provider, region string, idle bool, at, asOf time.Time, strict bool) (FoundAddress, error) {
	m := momentOf(&OfferQuery{At: at, AsOf: asOf})
	var all []layered[AddressOffer]
	for _, o := range b.sheet.addresses {
		if o.Provider == provider && (o.Region == region || o.Region == "") && o.Idle == idle {
			all = append(all, layered[AddressOffer]{o, LayerSheet, spanOfOffer(&Offer{ValidFrom: o.ValidFrom, ObservedAt: o.ObservedAt})})
		}
	}
	b.ledger.mu.RLock()
	shelf, err := b.ledger.shelf(place{provider, region})
	if err == nil && shelf != nil {
		for _, s := range shelf.addresses[idle].upTo(b.seen()) {
			if !s.gone {
				all = append(all, layered[AddressOffer]{s.value, LayerLive, spanOfOffer(&Offer{ValidFrom: s.value.ValidFrom, ObservedAt: s.value.ObservedAt})})
			}
		}
	}
	b.ledger.mu.RUnlock()
	if err != nil {
		return FoundAddress{}, err
	}
	best, f := bestOf(b.order, m, all, func(x, y *AddressOffer) int { return strings.Compare(y.Region, x.Region) })
	if f == fitNone || (f == fitLater && strict) {
		return FoundAddress{}, fmt.Errorf("%w of a public address of %s in %s: fetch prices, or give it in a sheet", ErrNoPrice, provider, region)
	}
	out := FoundAddress{AddressOffer: best.value, Layer: best.layer, LastSeen: best.value.ObservedAt}
	if out.Layer == LayerLive {
		out.LastSeen, out.Gone = b.seenAddress(&out.AddressOffer, m.asOf)
	}
	if f == fitLater {
		out.PriceBasis = NearestLater
	}
	return out, nil
}
