package pricing

import (
	"math"
	"slices"
	"time"

	"github.com/leanfleet/leanfleet/money"
)

// OfferQuery asks for one offer.
type OfferQuery struct {
	Provider, Region, InstanceType string
	// OS is an operating system as prices tell them apart, see [PriceOS]. Empty
	// is priced as linux and marked OSAssumed. No system falls back to another.
	OS       string
	Purchase Purchase // empty is on demand
	Term     Term     // of a commitment, exactly
	// At is the hour of use. Zero is the newest known offer; prices of a sheet
	// that end are not used then.
	At time.Time
	// AsOf hides everything observed later. Zero hides nothing.
	AsOf time.Time
	// Strict refuses the earliest known offer where the book begins later than
	// At.
	Strict bool
}

// NearestLater is the price basis of a price that was first known after the
// hour it is used for.
const NearestLater = "nearest-later"

// Found is the answer to a query.
type Found struct {
	// List is the provider's list price, or that of the own sheet where no list
	// has one.
	List  Offer
	Layer Layer // where List lies
	// PriceBasis is NearestLater where the book begins later than the hour,
	// else empty.
	PriceBasis string
	// LastSeen is when List was last found in its list; Gone says that later
	// readings of the list lacked it.
	LastSeen time.Time
	Gone     bool
	// Contracted is what own sheets make of the price: a stated price, or the
	// list price less a discount. It equals List.PerHour where no sheet speaks.
	Contracted money.Price
	// ContractSource is the sheet and line of Contracted, empty without one.
	ContractSource string
	// Machine is the part of Contracted that is for the machine and not for the
	// licence of the operating system, on which alone sustained use is discounted:
	// all of it for Linux, and no price where it is not known.
	Machine money.Price
	// OSAssumed says that the query named no operating system.
	OSAssumed bool
	// AboveOnDemand is the price on demand for the same operating system where
	// this one, for spot or under a commitment, is higher: at list or, where that
	// is not so, contracted. It is no price where it is not higher, where the two
	// are in different currencies, and in the answer to a [Book.Lookup], which
	// looks at one price only; [Book.Offers] fills it in.
	AboveOnDemand money.Price
}

// Age returns how old the list price is at now, by the last time it was seen.
// A price stated in an own sheet has no age.
func (f *Found) Age(now time.Time) time.Duration {
	if f.Layer == LayerSheet || f.LastSeen.IsZero() {
		return 0
	}
	return max(0, now.Sub(f.LastSeen))
}

// Stale reports whether the price deserves a warning at now: see [StaleAfter].
func (f *Found) Stale(now time.Time) bool { return f.Age(now) > StaleAfter }

// span is when an offer holds and when it was observed, in Unix seconds.
type span struct{ start, end, observed int64 }

// moment is the time that a query is about.
type moment struct{ at, asOf int64 }

func momentOf(q *OfferQuery) moment {
	m := moment{math.MaxInt64 - 1, math.MaxInt64} // before the open end of a span
	if !q.At.IsZero() {
		m.at = q.At.Unix()
	}
	if !q.AsOf.IsZero() {
		m.asOf = q.AsOf.Unix()
	}
	return m
}

// fit says how an offer fits a moment: not at all, as one that begins later, or
// as one that is valid.
type fit int

const (
	fitNone fit = iota
	fitLater
	fitValid
)

func (m moment) fit(s span) fit {
	switch {
	case s.observed > m.asOf:
		return fitNone
	case s.start > m.at:
		return fitLater
	case m.at >= s.end:
		return fitNone
	}
	return fitValid
}

// spanOfOffer returns the span of an offer: from the time the provider says,
// else from the reading; an own price without a date holds always.
func spanOfOffer(o *Offer) span {
	s := span{start: unixOf(o.ValidFrom), end: math.MaxInt64, observed: unixOf(o.ObservedAt)}
	if s.start == noTime {
		s.start = s.observed
	}
	if !o.ValidTo.IsZero() {
		s.end = o.ValidTo.Unix()
	}
	return s
}

func (r *offerRecord) span() span {
	s := span{start: r.validFrom, end: math.MaxInt64, observed: r.observedAt}
	if s.start == noTime {
		s.start = s.observed
	}
	return s
}

// pick collects the best offer of a search through the layers.
type pick struct {
	m     moment
	found Found
	fit   fit
	start int64
	// hidden says that there is an offer which AsOf hides.
	hidden bool
}

// better reports whether an offer of the next layer with that fit replaces what
// was picked so far: a valid one replaces one that begins later, and of those
// that begin later the earliest wins.
func (p *pick) better(f fit, start int64) bool {
	return f > p.fit || (f == fitLater && p.fit == fitLater && start < p.start)
}

// live picks from the history of a key.
func (p *pick) live(b *Book, at place, k offerKey) error {
	shelf, err := b.ledger.shelf(at)
	if err != nil || shelf == nil {
		return err
	}
	n := b.seen()
	h := shelf.offers[k].upTo(n)
	best := -1
	var bestFit fit
	var bestStart int64
	for i := len(h) - 1; i >= 0; i-- {
		if h[i].gone {
			continue
		}
		s := h[i].value.span()
		f := p.m.fit(s)
		p.hidden = p.hidden || s.observed > p.m.asOf
		if f > bestFit || (f == fitLater && bestFit == fitLater && s.start < bestStart) {
			best, bestFit, bestStart = i, f, s.start
		}
		if f == fitValid {
			break
		}
	}
	if best < 0 || !p.better(bestFit, bestStart) {
		return nil
	}
	p.fit, p.start = bestFit, bestStart
	p.found.List, p.found.Layer = h[best].value.offer(at, k), LayerLive
	newest := h[len(h)-1]
	p.found.LastSeen, p.found.Gone = p.found.List.ObservedAt, false
	if best == len(h)-1 || (newest.gone && best == len(h)-2) {
		// Confirmations count only as far as they are not hidden.
		seen := b.ledger.lastSeen(at, newest.batch, newest.gone, h[best].batch, n, p.found.List.ObservedAt)
		if seen.Unix() <= p.m.asOf {
			p.found.LastSeen = seen
		}
		p.found.Gone = newest.gone && b.ledger.batches[newest.batch-1].At.Unix() <= p.m.asOf
	}
	return nil
}

// listed picks from offers of the base or of a sheet; the later of two valid
// ones in the list wins where both were observed at once.
func (p *pick) listed(offers []Offer, layer Layer, k offerKey) {
	best := -1
	var bestFit fit
	var bestSpan span
	for i := range offers {
		o := &offers[i]
		if o.OS != k.os || o.Purchase != k.purchase || o.Term != k.term {
			continue
		}
		s := spanOfOffer(o)
		f := p.m.fit(s)
		p.hidden = p.hidden || s.observed > p.m.asOf
		switch {
		case f == fitNone:
			continue
		case f > bestFit,
			f == fitValid && bestFit == fitValid && (s.observed > bestSpan.observed || (s.observed == bestSpan.observed && s.start >= bestSpan.start)),
			f == fitLater && bestFit == fitLater && s.start < bestSpan.start:
			best, bestFit, bestSpan = i, f, s
		}
	}
	if best < 0 || !p.better(bestFit, bestSpan.start) {
		return
	}
	p.fit, p.start = bestFit, bestSpan.start
	p.found.List, p.found.Layer = offers[best], layer
	p.found.LastSeen, p.found.Gone = offers[best].ObservedAt, false
}

// Lookup returns the offer that is valid at the hour of use, in the first layer
// of the precedence that has one. Within a layer it is the one observed last
// among those that hold at the hour; an offer holds from its ValidFrom, else
// from the time it was observed. Where none holds yet, it is the one of all
// layers that begins first, marked NearestLater. The error wraps [ErrNoPrice]
// and says why, with the nearest names where the region or the type is unknown.
//
// Where an own sheet states a price it is Contracted; where one gives a
// discount, Contracted is the list price less that.
func (b *Book) Lookup(q OfferQuery) (Found, error) {
	assumed := q.OS == ""
	if assumed {
		q.OS = Linux
	}
	if q.Purchase == "" {
		q.Purchase = OnDemand
	}
	k := offerKey{q.InstanceType, q.OS, q.Purchase, q.Term}
	p := pick{m: momentOf(&q)}
	foundAt := len(b.order) // place in the precedence
	for i, layer := range b.order {
		before := p.fit
		switch layer {
		case LayerSheet:
			b.sheet.lists.pick(&p, q.Provider, q.Region, k)
		case LayerLive:
			if err := b.lookLive(&p, place{q.Provider, q.Region}, k); err != nil {
				return Found{}, err
			}
		case LayerEmbedded:
			p.listed(b.base.offers(q.Provider, q.Region, q.InstanceType), LayerEmbedded, k)
		}
		if p.fit > before {
			foundAt = i
		}
		if p.fit == fitValid {
			break
		}
	}
	if p.fit == fitNone && q.Provider == GCP {
		if err := b.lookCustom(&p, &q); err != nil {
			return Found{}, err
		}
	}
	if i := slices.Index(b.order, LayerSheet); i >= 0 {
		b.contract(&p, k, i < foundAt || p.fit == fitNone, q.Provider, q.Region)
	}
	if p.fit == fitNone || (p.fit == fitLater && q.Strict) {
		return Found{}, b.noPrice(&p, q)
	}
	if p.fit == fitLater {
		p.found.PriceBasis = NearestLater
	}
	if p.found.Contracted.IsZero() {
		p.found.Contracted, p.found.Machine = p.found.List.PerHour, machineOf(&p.found.List)
	}
	p.found.OSAssumed = assumed
	return p.found, nil
}

func (b *Book) lookLive(p *pick, at place, k offerKey) error {
	b.ledger.mu.RLock()
	defer b.ledger.mu.RUnlock()
	return p.live(b, at, k)
}

// contract sets what own sheets make of the list price that was picked: the
// price they state, if the sheet comes before the list in the precedence or
// there is no list, else their discount.
func (b *Book) contract(p *pick, k offerKey, first bool, provider, region string) {
	if len(b.sheet.prices) > 0 && first {
		own := pick{m: p.m}
		b.sheet.prices.pick(&own, provider, region, k)
		switch {
		case p.fit == fitNone && own.fit != fitNone:
			p.fit, p.start, p.found = own.fit, own.start, own.found
			return
		case own.fit == fitValid:
			p.found.Contracted, p.found.ContractSource = own.found.List.PerHour, own.found.List.Source
			p.found.Machine = machineOf(&own.found.List)
			return
		}
	}
	if len(b.sheet.discounts) == 0 || p.fit == fitNone {
		return
	}
	family := ""
	if s, ok := b.Specification(provider, k.typ); ok {
		family = s.Family.Value
	}
	if d := b.sheet.discount(provider, region, family, k, p.m); d != nil {
		p.found.Contracted = p.found.List.PerHour.Less(d.Percent)
		switch machine := machineOf(&p.found.List); machine {
		case p.found.List.PerHour:
			p.found.Machine = p.found.Contracted
		case money.Price{}:
		default:
			p.found.Machine = machine.Less(d.Percent)
		}
		p.found.ContractSource = d.Source
	}
}
