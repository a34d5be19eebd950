package pricing

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strings"
)

// commit appends what changed to the histories, then the batch to the ledger.
func (a *adding) commit() {
	l, r := a.ledger, a.reading
	a.commitOffers()
	merge(a, "storage", a.shelf.storage, a.storage, func(x, y storageKey) int {
		return cmp.Or(strings.Compare(x.disk, y.disk), cmp.Compare(x.maxGiB, y.maxGiB))
	}, func(x, y *StorageOffer) bool {
		return x.PerGiBMonth == y.PerGiBMonth && x.PerDiskMonth == y.PerDiskMonth && x.MonthHours == y.MonthHours && x.ValidFrom.Equal(y.ValidFrom) && x.Basis == y.Basis
	}, r.Complete)
	merge(a, "address", a.shelf.addresses, a.addresses, func(x, y bool) int { return cmp.Compare(number(x), number(y)) },
		func(x, y *AddressOffer) bool {
			return x.PerHour == y.PerHour && x.ValidFrom.Equal(y.ValidFrom) && x.Basis == y.Basis
		}, r.Complete)
	merge(a, "component", a.shelf.components, a.components, compareComponentKeys, func(x, y *ComponentOffer) bool {
		return x.PerVCPUHour == y.PerVCPUHour && x.PerGiBHour == y.PerGiBHour && x.PerExtendedGiBHour == y.PerExtendedGiBHour && x.ValidFrom.Equal(y.ValidFrom) && x.Basis == y.Basis
	}, r.Complete)
	merge(a, "specification", a.types.specs, a.specs, strings.Compare, func(x, y *Specification) bool {
		xs, errX := json.Marshal(x)
		ys, errY := json.Marshal(y)
		return errX == nil && errY == nil && bytes.Equal(xs, ys)
	}, false)

	next := batch{Reading: r}
	copy(next.hash[:], a.digest.Sum(nil))
	l.batches = append(l.batches, next)
	if r.Complete {
		k := listKey{r.List, a.at}
		l.complete[k] = append(l.complete[k], a.number)
	}
	a.shelf.types, a.types.types = nil, nil
	l.slots[a.at] = slotOf(a.shelf)
	if len(a.specs) > 0 {
		l.slots[place{r.Provider, ""}] = slotOf(a.types)
	}
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

// commitOffers turns the offers into records and merges them.
func (a *adding) commitOffers() {
	records := make(map[offerKey]*offerRecord, len(a.offers))
	for k, o := range a.offers {
		records[k] = nil
		if o != nil {
			r := recordOf(o)
			records[k] = &r
			if h := a.shelf.offers[k]; len(h) > 0 && h[len(h)-1].value.perHour != r.perHour {
				a.added.Changes = append(a.added.Changes, PriceChange{h[len(h)-1].value.offer(a.at, k), *o})
			}
		}
	}
	slices.SortFunc(a.added.Changes, func(x, y PriceChange) int {
		return compareOfferKeys(offerKey{x.After.InstanceType, x.After.OS, x.After.Purchase, x.After.Term}, offerKey{y.After.InstanceType, y.After.OS, y.After.Purchase, y.After.Term})
	})
	merge(a, "offer", a.shelf.offers, records, compareOfferKeys, func(x, y *offerRecord) bool { return x.same(y) }, a.reading.Complete)
}

// merge appends the values of a reading to their histories; nil is a key that
// is still in the list but whose value was refused. Where the reading is
// complete, keys whose last value came from the same list and that it lacks
// are noted as gone. An incomplete reading stores an equal value again, since
// nothing else would tell that it was seen.
func merge[K comparable, V any](a *adding, kind string, into map[K]history[V], values map[K]*V, compare func(x, y K) int, same func(x, y *V) bool, complete bool) {
	for _, k := range sortedKeys(values, compare) {
		v, h := values[k], into[k]
		if v == nil {
			continue
		}
		last := len(h) - 1
		switch {
		case last < 0:
			a.added.New++
		case h[last].gone:
			a.added.Returned++
		case !same(&h[last].value, v):
			a.added.Changed++
		case a.ledger.batches[h[last].batch-1].List == a.reading.List && (complete || kind == "specification"):
			a.added.Unchanged++
			continue
		default:
			a.added.Unchanged++
		}
		into[k] = append(h, stamp[V]{batch: a.number, value: *v})
		a.note(kind, noted(k, v))
	}
	if !complete {
		return
	}
	for _, k := range sortedKeys(into, compare) {
		h := into[k]
		last := h[len(h)-1]
		if _, there := values[k]; there || last.gone || a.ledger.batches[last.batch-1].List != a.reading.List {
			continue
		}
		into[k] = append(h, stamp[V]{batch: a.number, gone: true, value: last.value})
		a.added.Gone++
		a.note("gone "+kind, noted(k, (*V)(nil)))
	}
}
