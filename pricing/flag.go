package pricing

import (
	"fmt"
)

// noted is a change in a form that has all of its fields in JSON.
func noted(k, v any) any {
	s := fmt.Sprintf("%+v", k)
	if r, ok := v.(*offerRecord); ok && r != nil {
		return []any{s, r.perHour.String(), r.upfront.String(), r.recurring.String(), r.validFrom, r.observedAt, r.basis, r.source}
	}
	switch v := v.(type) {
	case *StorageOffer:
		if v != nil {
			return []any{s, v.PerGiBMonth.String(), v.PerDiskMonth.String(), v}
		}
	case *AddressOffer:
		if v != nil {
			return []any{s, v.PerHour.String(), v}
		}
	case *ComponentOffer:
		if v != nil {
			return []any{s, v.PerVCPUHour.String(), v}
		}
	case *Specification:
		if v != nil {
			return []any{s, v}
		}
	}
	return []any{s}
}

// flag reports offers of the batch that contradict the one on demand.
func (a *adding) flag() {
	for _, k := range sortedKeys(a.offers, compareOfferKeys) {
		o := a.offers[k]
		if o == nil || k.purchase == OnDemand {
			continue
		}
		h := a.shelf.offers[offerKey{typ: k.typ, os: k.os, purchase: OnDemand}]
		if len(h) == 0 {
			continue
		}
		demand := h[len(h)-1].value.perHour
		if above(o.PerHour, demand) {
			a.added.Flagged = append(a.added.Flagged, Refused{offerWords(o), fmt.Sprintf("%s an hour is above on demand at %s", o.PerHour, demand)})
		}
	}
}
