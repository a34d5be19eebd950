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

// Request asks what hosts cost in a period.
type Request struct {
	// Period is a range as fleet.ParseWindow reads it, such as "2013-08"; "" is
	// Start and End, or without them the last month.
	Period string `json:"period,omitempty"`
	// Start and End are dates or times; a date as End is included.
	Start string `json:"start,omitempty"`
	End   string `json:"end,omitempty"`
	// AsOf is what "last-month" is relative to, and until when costs are known;
	// zero is now.
	AsOf time.Time `json:"as_of,omitzero"`
	// Timezone is the IANA zone of days and months; "" is the configured one,
	// else UTC.
	Timezone string `json:"timezone,omitempty"`
	// Select is a selector of records; "" is all.
	Select string `json:"select,omitempty"`
	// GroupBy are built-in keys, tags or "tag:NAME".
	GroupBy []string `json:"group_by,omitempty"`
	// PricesAsOf hides prices that were observed later; zero hides none.
	PricesAsOf time.Time `json:"prices_as_of,omitzero"`
	// StrictPrices refuses prices that were first known after their use.
	StrictPrices bool `json:"strict_prices,omitempty"`
	// Currency of the report; "" is that of the prices.
	Currency money.Currency `json:"currency,omitempty"`
	// Rates are exchange rates beside the configured ones, and in place of those
	// from the same currency to the same.
	Rates []money.Rate `json:"rates,omitempty"`
	// Partial answers although files with samples are damaged. Costs do not
	// depend on them, estimated hours do.
	Partial bool `json:"partial,omitempty"`
	// Program names who asks, with its version, for the manifest.
	Program string `json:"program,omitempty"`
	// Manifest asks for the report it was written beside, byte for byte. All
	// else of the request is ignored then.
	Manifest *Manifest `json:"manifest,omitempty"`
}

// DefaultPeriod is the period when none is asked for.
const DefaultPeriod = "last-month"

// Rules is the version of the rules of docs/chargeback.md.
const Rules = "chargeback/3"

// Environment is what a report is made from beside the request.
type Environment struct {
	fleet.Environment
	// Book has the prices.
	Book *pricing.Book
	// Commitments and Rates are the user's; nil is none.
	Commitments *pricing.Commitments
	Rates       *money.Rates
	// ZoneData is the release of the time-zone data, for the manifest.
	ZoneData string
}

// maxPeriod bounds a period, so that lengths fit.
const maxPeriod = 100 * 366 * 24 * time.Hour

// plan is a checked request.
type plan struct {
	env   Environment
	req   Request // with its times resolved
	book  *pricing.Book
	rates *money.Rates

	loc      *time.Location
	selector fleet.Selector
	window   fleet.Window // the period as asked for
	charged  fleet.Window // as far as it is not in the future
	// looked is the time that is looked at: from the beginning of the month, and
	// with commitments in whole clock hours.
	looked fleet.Window
	months []fleet.Window // that cover looked
	cuts   []time.Time    // at which every piece is cut, in order

	used usedRates
}

func newPlan(env Environment, req Request) (*plan, error) {
	p := &plan{env: env, book: env.Book, rates: env.Rates}
	pinned := req.Manifest
	if pinned != nil {
		if err := p.pin(pinned); err != nil {
			return nil, err
		}
		req = pinned.Request
	} else if err := p.addRates(req.Rates); err != nil {
		return nil, fleet.BadRequest(err)
	}
	p.req = req
	if err := p.check(); err != nil {
		return nil, fleet.BadRequest(err)
	}
	return p, p.prepare()
}

// check refuses requests that cannot be understood, and resolves the others.
func (p *plan) check() error {
	if err := p.resolve(); err != nil {
		return err
	}
	if slices.Contains(p.req.GroupBy, fleet.SetKey) {
		return errors.New("group by set: sets may overlap, so that their costs would not sum to the total; group by tags")
	}
	if err := fleet.CheckGroupBy(p.req.GroupBy, p.env.Sets); err != nil {
		return err
	}
	if p.req.Currency == "" {
		return nil
	}
	var err error
	if p.req.Currency, err = money.ParseCurrency(string(p.req.Currency)); err != nil {
		return fmt.Errorf("currency: %w", err)
	}
	return nil
}

// addRates takes rates in place of those that are configured from one currency
// to the other.
func (p *plan) addRates(list []money.Rate) error {
	if len(list) == 0 {
		return nil
	}
	all := slices.DeleteFunc(p.rates.All(), func(old money.Rate) bool {
		return slices.ContainsFunc(list, func(r money.Rate) bool { return r.From == old.From && r.To == old.To })
	})
	var err error
	p.rates, err = money.NewRates(append(all, list...)...)
	return err
}

// resolve turns the words of the request into times, and the request into one
// that means the same on any day.
func (p *plan) resolve() error {
	text := p.req.Period
	switch {
	case text != "" && (p.req.Start != "" || p.req.End != ""):
		return fmt.Errorf("period %q: give either a period or start and end", text)
	case p.req.Start != "" && p.req.End != "":
		text = p.req.Start + ".." + p.req.End
	case p.req.Start != "":
		return fmt.Errorf("start %s without an end", p.req.Start)
	case p.req.End != "":
		return fmt.Errorf("end %s without a start", p.req.End)
	}
	q, err := p.env.Resolve(fleet.Scope{Range: text, AsOf: p.req.AsOf, Timezone: p.req.Timezone, Select: p.req.Select}, DefaultPeriod)
	if err != nil {
		return fmt.Errorf("period: %w", err)
	}
	p.loc, p.selector, p.window = q.Location, q.Hosts, q.Window
	asOf := q.AsOf.UTC()
	switch {
	case !p.window.Start.Before(asOf):
		return fmt.Errorf("the period %s lies in the future: it is %s", p.window, asOf.Format(time.RFC3339))
	case p.window.Duration() > maxPeriod:
		return fmt.Errorf("the period %s is longer than 100 years", p.window)
	}
	p.charged = p.window
	if p.charged.End.After(asOf) {
		p.charged.End = asOf
	}
	zone := p.req.Timezone
	if zone == "" {
		zone = p.env.Timezone
	}
	if zone == "" {
		zone = "UTC"
	}
	p.req.Period, p.req.AsOf, p.req.Timezone = "", asOf, zone
	p.req.Start, p.req.End = p.window.Start.Format(time.RFC3339Nano), p.window.End.Format(time.RFC3339Nano)
	return nil
}

// prepare works out what is looked at and where everything is cut.
func (p *plan) prepare() error {
	begin := p.charged.Start
	p.looked = p.charged
	if p.committed() {
		begin = begin.Truncate(time.Hour)
		if end := p.charged.End.Truncate(time.Hour); end.Before(p.charged.End) && p.charged.End.Equal(p.window.End) {
			p.looked.End = end.Add(time.Hour)
		}
	}
	var err error
	if p.months, err = monthsOf(fleet.Window{Start: begin, End: p.looked.End}, p.loc); err != nil {
		return err
	}
	p.looked.Start = p.months[0].Start
	if hour := p.looked.Start.Truncate(time.Hour); p.committed() && !hour.Equal(p.looked.Start) {
		p.looked.Start = hour
		if p.months, err = monthsOf(p.looked, p.loc); err != nil {
			return err
		}
	}
	p.cuts = []time.Time{p.charged.Start, p.charged.End}
	for _, m := range p.months[1:] {
		p.cuts = append(p.cuts, m.Start)
	}
	for _, r := range p.rates.All() {
		if p.req.Currency != "" && r.Date.After(p.looked.Start) && r.Date.Before(p.looked.End) {
			p.cuts = append(p.cuts, r.Date)
		}
	}
	slices.SortFunc(p.cuts, time.Time.Compare)
	p.cuts = slices.CompactFunc(p.cuts, time.Time.Equal)
	return nil
}

func (p *plan) committed() bool { return len(p.env.Commitments.All()) > 0 }

// monthsOf returns the whole calendar months that cover a window.
func monthsOf(w fleet.Window, loc *time.Location) ([]fleet.Window, error) {
	y, m, _ := w.Start.In(loc).Date()
	var out []fleet.Window
	for i := 0; ; i++ {
		name := time.Date(y, m+time.Month(i), 1, 0, 0, 0, 0, time.UTC).Format("2006-01")
		month, err := fleet.ParseWindow(name, w.Start, loc)
		if err != nil {
			return nil, fmt.Errorf("month %s: %w", name, err)
		}
		if n := len(out); n > 0 && !month.Start.Equal(out[n-1].End) {
			month.Start = out[n-1].End // months cover all time
		}
		out = append(out, month)
		if !month.End.Before(w.End) {
			return out, nil
		}
	}
}

// month returns the calendar month that holds t.
func (p *plan) month(t time.Time) fleet.Window {
	for _, m := range p.months {
		if m.Contains(t) {
			return m
		}
	}
	return p.months[0]
}
