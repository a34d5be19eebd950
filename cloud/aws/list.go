package aws

import (
	"fmt"
	"time"

	"github.com/leanfleet/leanfleet/pricing"
)

// maxSKUs bounds what a list may keep: twenty times what a region sells.
const maxSKUs = 200_000

// list is the reading of a region's lists.
type list struct {
	region    string
	source    string // name of the list that is read
	observed  time.Time
	published time.Time // of the file that is read
	skus      map[string]sku
	specs     map[string]bool // types whose specification was yielded
	idle      bool            // an idle address was yielded
	held      []pricing.Item  // old addresses, for a region without new ones
	report    Report
	give      func(pricing.Item, error) bool
}

func newList(s *Source, region string, yield func(pricing.Item, error) bool) *list {
	return &list{
		region: region, observed: s.options.Now().UTC(), give: yield, skus: make(map[string]sku), specs: make(map[string]bool),
		report: Report{Region: region, Yielded: make(map[string]int), Skipped: make(map[string]int)},
	}
}

func (l *list) done(name string)    { l.report.Lists = append(l.report.Lists, name) }
func (l *list) notice(text string)  { l.report.Notices = append(l.report.Notices, text) }
func (l *list) skip(reason string)  { l.report.Skipped[reason]++ }
func (l *list) yielded(what string) { l.report.Yielded[what]++ }
func (l *list) next(i pricing.Item) error {
	if !l.give(i, nil) {
		return errStop
	}
	return nil
}

// take keeps a product that is wanted and yields the specification of its type.
func (l *list) take(id string, p *product) error {
	k, skipped := p.classify(l.region)
	switch {
	case skipped != "":
		l.skip(skipped)
		return nil
	case k.kind == 0:
		return nil
	case len(l.skus) >= maxSKUs:
		return fmt.Errorf("more than %d products of one region", maxSKUs)
	}
	l.skus[id] = k
	if k.kind != ofInstance || l.specs[k.name] {
		return nil
	}
	l.specs[k.name] = true
	return l.spec(p.specification())
}

func (l *list) spec(s pricing.Specification) error {
	l.yielded("specifications")
	return l.next(pricing.Item{Spec: &s})
}

// settle drops the products that are not the lowest of their type and
// operating system.
func (l *list) settle() {
	type key struct{ name, os string }
	lowest := make(map[key]uint8)
	for _, k := range l.skus {
		if r, ok := lowest[key{k.name, k.os}]; k.kind == ofInstance && (!ok || k.rank < r) {
			lowest[key{k.name, k.os}] = k.rank
		}
	}
	for id, k := range l.skus {
		if k.kind == ofInstance && k.rank > lowest[key{k.name, k.os}] {
			delete(l.skus, id)
			l.skip(SkippedVariant)
		}
	}
}

// offer yields an offer of an instance type.
func (l *list) offer(k sku, o pricing.Offer) error {
	o.Provider, o.Region, o.InstanceType, o.OS = pricing.AWS, l.region, k.name, k.os
	o.ObservedAt, o.Basis, o.Source = l.observed, pricing.Observed, l.source
	if o.PerHour.Sign() <= 0 {
		l.skip(SkippedZero)
		return nil
	}
	l.yielded("offers")
	return l.next(pricing.Item{Offer: &o})
}

func (l *list) storage(o pricing.StorageOffer) error {
	o.Provider, o.Region, o.ObservedAt, o.Basis, o.Source = pricing.AWS, l.region, l.observed, pricing.Observed, l.source
	if o.PerGiBMonth.Sign() <= 0 {
		l.skip(SkippedZero)
		return nil
	}
	l.yielded("storage")
	return l.next(pricing.Item{Storage: &o})
}

func (l *list) address(k sku, o pricing.AddressOffer) error {
	o.Provider, o.Region, o.Idle, o.ObservedAt, o.Basis, o.Source = pricing.AWS, l.region, k.idle, l.observed, pricing.Observed, l.source
	switch {
	case o.PerHour.Sign() <= 0:
		l.skip(SkippedZero)
		return nil
	case k.kind == ofOldAddress:
		l.held = append(l.held, pricing.Item{Address: &o})
		return nil
	}
	l.idle = l.idle || k.idle
	l.yielded("addresses")
	return l.next(pricing.Item{Address: &o})
}

// flush yields the old address prices where the list has no new ones.
func (l *list) flush() error {
	for _, it := range l.held {
		if l.idle {
			l.skip(SkippedVariant)
			continue
		}
		l.yielded("addresses")
		if err := l.next(it); err != nil {
			return err
		}
	}
	l.held = nil
	return nil
}
