package chargeback

import (
	"errors"
	"fmt"
	"slices"
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
	perMonth         bool // the price is for a month, else for an hour
	wholeDisk        bool // and for the disk, else for a GiB
	monthHours       int  // of the month it is for; 0 is the calendar month
	basis            pricing.Basis
	nearestLater     bool
	observed, valid  time.Time
	seen             time.Time // last in its list; zero for own sheets and where it is not known
	source, contract string
}

// quoted is a quote and when it holds.
type quoted struct {
	fleet.Window
	quote
	reason string // why it is not known
}

// quotes finds prices, and keeps what it found.
type quotes struct {
	book     *pricing.Book
	window   fleet.Window
	asOf     time.Time
	strict   bool
	readings []pricing.Reading
	// steady says that nothing but the embedded facts is in the book, each of
	// which has one date.
	steady bool
	found  map[what][]quoted
}

func newQuotes(p *plan) *quotes {
	r := p.book.Revision()
	return &quotes{
		book: p.book, window: p.looked, asOf: p.req.PricesAsOf, strict: p.req.StrictPrices,
		readings: p.book.Readings(), steady: r.Live == "0" && r.Sheet == "", found: map[what][]quoted{},
	}
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

// search asks for the price at the beginning, at the end, and where the book has
// more than the embedded facts, at each hour and whenever a list was read; where
// two answers differ it finds the second at which the price changed.
func (q *quotes) search(w what) ([]quoted, error) {
	probes := q.probes(&w)
	var out []quoted
	add := func(from time.Time, x quote) {
		if n := len(out); n > 0 {
			if out[n-1].quote == x {
				return
			}
			out[n-1].End = from
		}
		out = append(out, quoted{Window: fleet.Window{Start: from, End: q.window.End}, quote: x})
	}
	var from time.Time
	var last quote
	for i, at := range probes {
		x, _, err := q.at(&w, at)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			if err := q.bisect(&w, from, at, last, x, add); err != nil {
				return nil, err
			}
		} else {
			add(q.window.Start, x)
		}
		from, last = at, x
	}
	for i := range out {
		if !out[i].known {
			_, missing, err := q.at(&w, out[i].Start)
			if err != nil {
				return nil, err
			}
			out[i].reason = reasonOf(missing)
		}
	}
	return out, nil
}

// bisect adds the changes between two times with quotes a and b. Prices hold
// from whole seconds.
func (q *quotes) bisect(w *what, from, to time.Time, a, b quote, add func(time.Time, quote)) error {
	for a != b {
		low, high, at := from, to, b
		for high.Sub(low) > time.Second {
			middle := low.Add(high.Sub(low) / 2).Truncate(time.Second)
			if !middle.After(low) {
				middle = middle.Add(time.Second)
			}
			x, _, err := q.at(w, middle)
			if err != nil {
				return err
			}
			if x == a {
				low = middle
			} else {
				high, at = middle, x
			}
		}
		if t := high.Truncate(time.Second); t.After(low) {
			high = t
		}
		add(high, at)
		from, a = high, at
	}
	return nil
}

// probes are the times at which prices are asked for first, in order.
func (q *quotes) probes(w *what) []time.Time {
	last := q.window.End.Add(-1).Truncate(time.Second)
	out := []time.Time{q.window.Start}
	add := func(t time.Time) {
		if t.After(q.window.Start) && t.Before(last) {
			out = append(out, t)
		}
	}
	if !q.steady {
		for t := q.window.Start.Truncate(time.Hour); t.Before(last); t = t.Add(time.Hour) {
			add(t)
		}
		for _, r := range q.readings {
			if r.Provider == w.provider {
				add(r.At)
			}
		}
	}
	if last.After(q.window.Start) {
		out = append(out, last)
	}
	slices.SortFunc(out, time.Time.Compare)
	return slices.CompactFunc(out, time.Time.Equal)
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
		known: true, list: f.List.PerHour, contracted: f.Contracted, basis: f.List.Basis, nearestLater: f.PriceBasis == pricing.NearestLater,
		observed: f.List.ObservedAt, valid: f.List.ValidFrom, source: f.List.Source, contract: f.ContractSource,
	}
	if f.Layer != pricing.LayerSheet {
		x.seen = f.LastSeen.UTC()
	}
	return x, nil
}

func (q *quotes) disk(w *what, t time.Time) (quote, error) {
	f, err := q.book.Storage(pricing.StorageQuery{Provider: w.provider, Region: w.region, DiskType: w.name, GiB: w.gib, At: t, AsOf: q.asOf, Strict: q.strict})
	if err != nil {
		return quote{}, err
	}
	x := quote{
		known: true, list: f.PerGiBMonth, perMonth: true, monthHours: f.MonthHours, basis: f.Basis, nearestLater: f.PriceBasis == pricing.NearestLater,
		observed: f.ObservedAt, valid: f.ValidFrom, source: f.Source,
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
		observed: f.ObservedAt, valid: f.ValidFrom, source: f.Source,
	}, nil
}

func reasonOf(err error) string {
	var n *pricing.NoPriceError
	if errors.As(err, &n) {
		return n.Reason()
	}
	return err.Error()
}
