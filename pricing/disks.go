package pricing

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"time"
)

// ListedStorage returns every price of block storage that is known in a region
// at a time, one for each disk type and size, by the rules of [Book.Storage];
// by the first word of the name, then size. It is empty where nothing was read and no sheet speaks.
func (b *Book) ListedStorage(provider, region string, at, asOf time.Time) ([]FoundStorage, error) {
	keys := make(map[storageKey]bool)
	for i := range b.sheet.storage {
		if o := &b.sheet.storage[i]; o.Provider == provider && (o.Region == region || o.Region == "") {
			keys[storageKey{o.DiskType, o.MaxGiB}] = true
		}
	}
	b.ledger.mu.RLock()
	shelf, err := b.ledger.shelf(place{provider, region})
	if err == nil && shelf != nil {
		for k, h := range shelf.storage {
			if len(h.upTo(b.seen())) > 0 {
				keys[k] = true
			}
		}
	}
	b.ledger.mu.RUnlock()
	if err != nil {
		return nil, err
	}
	var out []FoundStorage
	for k := range keys {
		// Of a type without sizes the disk may be of any size.
		f, err := b.Storage(StorageQuery{Provider: provider, Region: region, DiskType: k.disk, GiB: float64(cmp.Or(k.maxGiB, 1<<60)), At: at, AsOf: asOf})
		switch {
		case errors.Is(err, ErrNoPrice):
		case err != nil:
			return nil, err
		default:
			out = append(out, f)
		}
	}
	slices.SortFunc(out, func(x, y FoundStorage) int {
		kind := func(o *FoundStorage) string { name, _, _ := strings.Cut(strings.ToLower(o.DiskType), " "); return name }
		return cmp.Or(strings.Compare(kind(&x), kind(&y)), cmp.Compare(x.MaxGiB, y.MaxGiB), strings.Compare(x.DiskType, y.DiskType))
	})
	// A sheet may say once what a list says of many sizes.
	return slices.CompactFunc(out, func(x, y FoundStorage) bool { return x.StorageOffer == y.StorageOffer }), nil
}

// ListedAddresses returns the prices of a public IPv4 address that are known in
// a region at a time, by the rules of [Book.Address]: of one in use, then of an
// idle one. It is empty where nothing was read and no sheet speaks.
func (b *Book) ListedAddresses(provider, region string, at, asOf time.Time) ([]FoundAddress, error) {
	var out []FoundAddress
	for _, idle := range []bool{false, true} {
		f, err := b.Address(provider, region, idle, at, asOf, false)
		switch {
		case errors.Is(err, ErrNoPrice):
		case err != nil:
			return nil, err
		default:
			out = append(out, f)
		}
	}
	return out, nil
}

// lastSeenOf returns when a value of a history, the one that was observed at a
// time, was last found in its list, and whether later readings of it lacked it,
// as far as asOf does not hide that. The caller holds the ledger's lock.
func lastSeenOf[T any](b *Book, at place, h history[T], same func(*T) bool, observed time.Time, asOf int64) (seen time.Time, gone bool) {
	h = h.upTo(b.seen())
	i := len(h) - 1
	if i > 0 && h[i].gone {
		i--
	}
	if i < 0 || !same(&h[i].value) {
		return observed, false // a newer value took its place
	}
	newest := h[len(h)-1]
	seen = b.ledger.lastSeen(at, newest.batch, newest.gone, h[i].batch, b.seen(), observed)
	if seen.Unix() > asOf {
		seen = observed
	}
	return seen, newest.gone && b.ledger.batches[newest.batch-1].At.Unix() <= asOf
}

// seenStorage is lastSeenOf for the price of a disk.
func (b *Book) seenStorage(o *StorageOffer, asOf int64) (time.Time, bool) {
	b.ledger.mu.RLock()
	defer b.ledger.mu.RUnlock()
	at := place{o.Provider, o.Region}
	shelf, err := b.ledger.shelf(at)
	if err != nil || shelf == nil {
		return o.ObservedAt, false
	}
	return lastSeenOf(b, at, shelf.storage[storageKey{o.DiskType, o.MaxGiB}], func(x *StorageOffer) bool { return *x == *o }, o.ObservedAt, asOf)
}

// seenAddress is lastSeenOf for the price of an address.
func (b *Book) seenAddress(o *AddressOffer, asOf int64) (time.Time, bool) {
	b.ledger.mu.RLock()
	defer b.ledger.mu.RUnlock()
	at := place{o.Provider, o.Region}
	shelf, err := b.ledger.shelf(at)
	if err != nil || shelf == nil {
		return o.ObservedAt, false
	}
	return lastSeenOf(b, at, shelf.addresses[o.Idle], func(x *AddressOffer) bool { return *x == *o }, o.ObservedAt, asOf)
}
