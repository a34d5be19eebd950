package pricing

import "cmp"

// Place is a region of a provider.
type Place struct {
	Provider, Region string
}

// Places returns the regions of which something was read live, sorted; the
// empty region of a provider holds its specifications.
func (b *Book) Places() []Place {
	b.ledger.mu.RLock()
	defer b.ledger.mu.RUnlock()
	set := make(map[Place]bool)
	for _, r := range b.ledger.batches[:b.seen()] {
		set[Place{r.Provider, r.Region}] = true
		if _, ok := b.ledger.slots[place{r.Provider, ""}]; ok {
			set[Place{r.Provider, ""}] = true
		}
	}
	return sortedKeys(set, func(x, y Place) int {
		return cmp.Or(cmp.Compare(x.Provider, y.Provider), cmp.Compare(x.Region, y.Region))
	})
}

// Items returns the newest value of everything that was read live of a place,
// each with the time it was observed, to add to another book. The empty region
// gives the provider's specifications.
func (b *Book) Items(p Place) ([]Item, error) {
	b.ledger.mu.RLock()
	defer b.ledger.mu.RUnlock()
	at, n := place{p.Provider, p.Region}, b.seen()
	shelf, err := b.ledger.shelf(at)
	if err != nil || shelf == nil {
		return nil, err
	}
	var out []Item
	for _, k := range sortedKeys(shelf.offers, compareOfferKeys) {
		if r, ok := newest(shelf.offers[k], n); ok {
			o := r.offer(at, k)
			out = append(out, Item{Offer: &o})
		}
	}
	for _, k := range sortedKeys(shelf.storage, func(x, y storageKey) int {
		return cmp.Or(cmp.Compare(x.disk, y.disk), cmp.Compare(x.maxGiB, y.maxGiB))
	}) {
		if o, ok := newest(shelf.storage[k], n); ok {
			out = append(out, Item{Storage: &o})
		}
	}
	for _, idle := range []bool{false, true} {
		if o, ok := newest(shelf.addresses[idle], n); ok {
			out = append(out, Item{Address: &o})
		}
	}
	for _, k := range sortedKeys(shelf.components, compareComponentKeys) {
		if o, ok := newest(shelf.components[k], n); ok {
			out = append(out, Item{Component: &o})
		}
	}
	for _, k := range sortedKeys(shelf.specs, cmp.Compare[string]) {
		if s, ok := newest(shelf.specs[k], n); ok {
			out = append(out, Item{Spec: &s})
		}
	}
	return out, nil
}

// newest returns the last value that the first n batches told, gone or not.
func newest[T any](h history[T], n int32) (T, bool) {
	h = h.upTo(n)
	if len(h) == 0 {
		var zero T
		return zero, false
	}
	return h[len(h)-1].value, true
}
