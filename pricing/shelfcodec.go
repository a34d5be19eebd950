package pricing

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

func compareTerms(a, b Term) int {
	return cmp.Or(cmp.Compare(a.Years, b.Years), cmp.Compare(a.Payment, b.Payment), cmp.Compare(a.Class, b.Class))
}

func compareOfferKeys(a, b offerKey) int {
	return cmp.Or(strings.Compare(a.typ, b.typ), strings.Compare(a.os, b.os), cmp.Compare(a.purchase, b.purchase), compareTerms(a.term, b.term))
}

func compareComponentKeys(a, b componentKey) int {
	c := 0
	if a.custom != b.custom {
		c = 1
		if b.custom {
			c = -1
		}
	}
	return cmp.Or(strings.Compare(a.family, b.family), cmp.Compare(a.purchase, b.purchase), compareTerms(a.term, b.term), c)
}

func sortedKeys[K comparable, V any](m map[K]V, compare func(a, b K) int) []K {
	return slices.SortedFunc(maps.Keys(m), compare)
}

// encodeHistory writes the stamps of one key.
func encodeHistory[T any](e *encoder, h history[T], value func(v *T)) {
	e.uint(uint64(len(h)))
	for i := range h {
		s := &h[i]
		e.uint(uint64(s.batch)<<1 | map[bool]uint64{true: 1}[s.gone])
		if !s.gone {
			value(&s.value)
		}
	}
}

// decodeHistory reads the stamps of one key: batches in order, the first one a
// value.
func decodeHistory[T any](d *decoder, batches int, value func() T) history[T] {
	n := d.count()
	var h history[T]
	for i := range n {
		v := d.uint()
		s := stamp[T]{batch: int32(min(v>>1, 1<<30)), gone: v&1 == 1}
		switch {
		case d.err != nil:
			return nil
		case s.batch < 1 || int(s.batch) > batches:
			d.fail(fmt.Errorf("batch %d of %d", s.batch, batches))
		case i > 0 && s.batch <= h[i-1].batch, s.gone && (i == 0 || h[i-1].gone):
			d.fail(errors.New("batches are not in order"))
		case s.gone:
			s.value = h[i-1].value
		default:
			s.value = value()
		}
		h = append(h, s)
	}
	if n == 0 {
		d.fail(errors.New("a key without a value"))
	}
	return h
}

// encode returns the rows of a shelf in the order of their keys.
func (s *shelf) encode() ([]byte, error) {
	e := &encoder{}
	e.uint(uint64(len(s.offers)))
	for _, k := range sortedKeys(s.offers, compareOfferKeys) {
		e.text(k.typ)
		e.text(k.os)
		e.text(string(k.purchase))
		e.term(k.term)
		encodeHistory(e, s.offers[k], func(r *offerRecord) {
			e.price(r.perHour)
			e.price(r.upfront)
			e.price(r.recurring)
			e.seconds(r.validFrom)
			e.seconds(r.observedAt)
			e.text(string(r.basis))
			e.text(r.source)
		})
	}
	e.uint(uint64(len(s.storage)))
	for _, k := range sortedKeys(s.storage, func(a, b storageKey) int {
		return cmp.Or(strings.Compare(a.disk, b.disk), cmp.Compare(a.maxGiB, b.maxGiB))
	}) {
		e.text(k.disk)
		e.uint(uint64(k.maxGiB))
		encodeHistory(e, s.storage[k], func(o *StorageOffer) {
			e.price(o.PerGiBMonth)
			e.price(o.PerDiskMonth)
			e.uint(uint64(o.MonthHours))
			e.time(o.ValidFrom)
			e.time(o.ObservedAt)
			e.text(string(o.Basis))
			e.text(o.Source)
		})
	}
	e.uint(uint64(len(s.addresses)))
	for _, idle := range []bool{false, true} {
		h, ok := s.addresses[idle]
		if !ok {
			continue
		}
		e.bool(idle)
		encodeHistory(e, h, func(o *AddressOffer) {
			e.price(o.PerHour)
			e.time(o.ValidFrom)
			e.time(o.ObservedAt)
			e.text(string(o.Basis))
			e.text(o.Source)
		})
	}
	e.uint(uint64(len(s.components)))
	for _, k := range sortedKeys(s.components, compareComponentKeys) {
		e.text(k.family)
		e.text(string(k.purchase))
		e.term(k.term)
		e.bool(k.custom)
		encodeHistory(e, s.components[k], func(o *ComponentOffer) {
			e.price(o.PerVCPUHour)
			e.price(o.PerGiBHour)
			e.price(o.PerExtendedGiBHour)
			e.time(o.ValidFrom)
			e.time(o.ObservedAt)
			e.text(string(o.Basis))
			e.text(o.Source)
		})
	}
	var err error
	e.uint(uint64(len(s.specs)))
	for _, k := range sortedKeys(s.specs, strings.Compare) {
		e.text(k)
		encodeHistory(e, s.specs[k], func(spec *Specification) {
			raw, e1 := json.Marshal(spec)
			err = errors.Join(err, e1)
			e.text(string(raw))
		})
	}
	return e.section(), err
}

// decodeShelf reads what encode writes, for a book of that many batches.
func decodeShelf(at place, batches int, raw []byte) (*shelf, error) {
	d := &decoder{b: raw}
	d.readTable()
	s := newShelf()
	for range d.count() {
		k := offerKey{typ: d.text(), os: d.text(), purchase: d.purchase(), term: d.term()}
		put(d, s.offers, k, decodeHistory(d, batches, func() offerRecord {
			return offerRecord{
				perHour: d.price(), upfront: d.price(), recurring: d.price(),
				validFrom: d.seconds(), observedAt: d.seconds(), basis: Basis(d.text()), source: d.text(),
			}
		}))
	}
	for range d.count() {
		k := storageKey{d.text(), int64(min(d.uint(), 1<<60))}
		put(d, s.storage, k, decodeHistory(d, batches, func() StorageOffer {
			return StorageOffer{
				Provider: at.provider, Region: at.region, DiskType: k.disk, MaxGiB: k.maxGiB,
				PerGiBMonth: d.price(), PerDiskMonth: d.price(), MonthHours: int(min(d.uint(), 1<<20)),
				ValidFrom: d.time(), ObservedAt: d.time(), Basis: Basis(d.text()), Source: d.text(),
			}
		}))
	}
	for range d.count() {
		idle := d.bool()
		put(d, s.addresses, idle, decodeHistory(d, batches, func() AddressOffer {
			return AddressOffer{
				Provider: at.provider, Region: at.region, Idle: idle, PerHour: d.price(),
				ValidFrom: d.time(), ObservedAt: d.time(), Basis: Basis(d.text()), Source: d.text(),
			}
		}))
	}
	for range d.count() {
		k := componentKey{d.text(), d.purchase(), d.term(), d.bool()}
		put(d, s.components, k, decodeHistory(d, batches, func() ComponentOffer {
			return ComponentOffer{
				Provider: at.provider, Region: at.region, Family: k.family, Purchase: k.purchase, Term: k.term, Custom: k.custom,
				PerVCPUHour: d.price(), PerGiBHour: d.price(), PerExtendedGiBHour: d.price(),
				ValidFrom: d.time(), ObservedAt: d.time(), Basis: Basis(d.text()), Source: d.text(),
			}
		}))
	}
	for range d.count() {
		k := d.text()
		put(d, s.specs, k, decodeHistory(d, batches, func() (spec Specification) {
			if err := json.Unmarshal([]byte(d.text()), &spec); err != nil {
				d.fail(fmt.Errorf("specification of %s: %w", k, err))
			}
			return spec
		}))
	}
	if d.err == nil && len(d.b) > 0 {
		d.fail(errors.New("has bytes after its end"))
	}
	if d.err != nil {
		return nil, d.err
	}
	return s, nil
}

// put keeps a decoded history and refuses a key that is there twice.
func put[K comparable, V any](d *decoder, m map[K]V, k K, v V) {
	if d.err != nil {
		return
	}
	if _, twice := m[k]; twice {
		d.fail(fmt.Errorf("%v is there twice", k))
		return
	}
	m[k] = v
}
