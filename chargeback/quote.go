package chargeback

import (
	"errors"
	"fmt"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
)

// what is priced: an instance, a disk of a size, or an address.
type what struct {
	kind             kind
	provider, region string
	name             string // instance type, disk type
	os               string
	purchase         pricing.Purchase
	term             pricing.Term // of a rate under a commitment
	gib              float64
	idle             bool
}

// kind is what a piece is charged for.
type kind uint8

const (
	compute kind = iota
	disk
	address
)

func (k kind) String() string { return [...]string{"compute", "disk", "address"}[k] }

// quote is the price of something at a time. Quotes that would charge the same
// are equal.
type quote struct {
	known            bool
	list, contracted money.Price
	machine          money.Price // the part of contracted that earns sustained use
	perMonth         bool        // the price is for a month, else for an hour
	wholeDisk        bool        // and for the disk, else for a GiB
	monthHours       int         // of the month it is for; 0 is the calendar month
	basis            pricing.Basis
	nearestLater     bool
	observed, valid  time.Time
	seen             time.Time // last in its list; zero for own sheets and where it is not known
	source, contract string
}

// begins is when the price holds from, as far as the book knows.
func (q *quote) begins() time.Time {
	if q.valid.IsZero() {
		return q.observed
	}
	return q.valid
}

// quoted is a quote and when it holds.
type quoted struct {
	fleet.Window
	quote
	reason string // why it is not known
}

// quotes finds prices, and keeps what it found.
type quotes struct {
	book   *pricing.Book
	window fleet.Window
	asOf   time.Time
	strict bool
	found  map[what][]quoted
}

func newQuotes(p *plan) *quotes {
	return &quotes{book: p.book, window: p.looked, asOf: p.req.PricesAsOf, strict: p.req.StrictPrices, found: map[what][]quoted{}}
}

// of returns the quotes that follow each other through the whole time.
func (q *quotes) of(w what) ([]quoted, error) {
	if list, ok := q.found[w]; ok {
		return list, nil
	}
	list, err := q.search(w)
	if err != nil {
		return nil, err
	}
	q.found[w] = list
	return list, nil
}

// search asks for the price at the beginning and whenever the book says that it
// may change. Prices hold from whole seconds.
func (q *quotes) search(w what) ([]quoted, error) {
	times, err := q.boundaries(&w)
	if err != nil {
		return nil, fmt.Errorf("look up when prices of %s %s in %s change: %w", w.provider, w.name, w.region, err)
	}
	var out []quoted
	for _, from := range append([]time.Time{q.window.Start}, times...) {
		x, missing, err := q.at(&w, from)
		if err != nil {
			return nil, err
		}
		if n := len(out); n > 0 {
			if out[n-1].quote == x {
				continue
			}
			out[n-1].End = from
		}
		next := quoted{Window: fleet.Window{Start: from, End: q.window.End}, quote: x}
		if !x.known {
			next.reason = reasonOf(missing)
		}
		out = append(out, next)
	}
	return out, nil
}

func (q *quotes) boundaries(w *what) ([]time.Time, error) {
	switch w.kind {
	case disk:
		return q.book.StorageBoundaries(w.provider, w.region, w.name, q.window.Start, q.window.End)
	case address:
		return q.book.AddressBoundaries(w.provider, w.region, q.window.Start, q.window.End)
	}
	return q.book.Boundaries(w.provider, w.region, w.name, q.window.Start, q.window.End)
}

// at asks the book. That nobody knows a price comes as missing; its reason costs
// much to work out.
func (q *quotes) at(w *what, t time.Time) (x quote, missing, err error) {
	switch w.kind {
	case disk:
		x, err = q.disk(w, t)
	case address:
		x, err = q.address(w, t)
	default:
		x, err = q.compute(w, t)
	}
	switch {
	case err == nil:
		return x, nil, nil
	case errors.Is(err, pricing.ErrNoPrice):
		return quote{}, err, nil
	}
	return quote{}, nil, fmt.Errorf("look up the price of %s %s in %s: %w", w.provider, w.name, w.region, err)
}

func (q *quotes) compute(w *what, t time.Time) (quote, error) {
	f, err := q.book.Lookup(pricing.OfferQuery{
		Provider: w.provider, Region: w.region, InstanceType: w.name, OS: w.os, Purchase: w.purchase, Term: w.term, At: t, AsOf: q.asOf, Strict: q.strict,
	})
	if err != nil {
		return quote{}, err
	}
	x := quote{
		known: true, list: f.List.PerHour, contracted: f.Contracted, machine: f.Machine, basis: f.List.Basis, nearestLater: f.PriceBasis == pricing.NearestLater,
		observed: f.List.ObservedAt, valid: f.List.ValidFrom, source: f.List.Source, contract: f.ContractSource,
	}
	x.seen = seenIn(f.Layer, f.LastSeen)
	return x, nil
}

// seenIn is when a price was last in its list; own sheets have no age.
func seenIn(l pricing.Layer, seen time.Time) time.Time {
	if l == pricing.LayerSheet || seen.IsZero() {
		return time.Time{}
	}
	return seen.UTC()
}

func (q *quotes) disk(w *what, t time.Time) (quote, error) {
	f, err := q.book.Storage(pricing.StorageQuery{Provider: w.provider, Region: w.region, DiskType: w.name, GiB: w.gib, At: t, AsOf: q.asOf, Strict: q.strict})
	if err != nil {
		return quote{}, err
	}
	x := quote{
		known: true, list: f.PerGiBMonth, perMonth: true, monthHours: f.MonthHours, basis: f.Basis, nearestLater: f.PriceBasis == pricing.NearestLater,
		observed: f.ObservedAt, valid: f.ValidFrom, seen: seenIn(f.Layer, f.LastSeen), source: f.Source,
	}
	if !f.PerDiskMonth.IsZero() {
		x.list, x.wholeDisk = f.PerDiskMonth, true
	}
	x.contracted = x.list
	return x, nil
}

func (q *quotes) address(w *what, t time.Time) (quote, error) {
	f, err := q.book.Address(w.provider, w.region, w.idle, t, q.asOf, q.strict)
	if err != nil {
		return quote{}, err
	}
	return quote{
		known: true, list: f.PerHour, contracted: f.PerHour, basis: f.Basis, nearestLater: f.PriceBasis == pricing.NearestLater,
		observed: f.ObservedAt, valid: f.ValidFrom, seen: seenIn(f.Layer, f.LastSeen), source: f.Source,
	}, nil
}

func reasonOf(err error) string {
	var n *pricing.NoPriceError
	if errors.As(err, &n) {
		return n.Reason()
	}
	return err.Error()
}
