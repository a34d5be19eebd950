package chargeback

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/money"
)

// usedRates are the exchange rates that were used.
type usedRates map[money.Rate]bool

// currency settles the currency of the report: the one asked for, else the one
// of all prices and of the commitments of the period.
func (b *bill) currency() error {
	p := b.plan
	if p.req.Currency != "" {
		return nil
	}
	all := map[money.Currency]bool{}
	for i := range b.hosts {
		for _, x := range b.hosts[i].pieces {
			if x.known && x.line != nil && !x.list.IsZero() {
				all[x.list.Currency()] = true
				all[x.quote.contracted.Currency()] = true
			}
		}
	}
	for _, c := range p.env.Commitments.All() {
		perHour, err := c.CostPerHour()
		if err != nil {
			return err
		}
		if c.Start.Before(p.charged.End) && c.End.After(p.charged.Start) {
			all[perHour.Currency()] = true
		}
	}
	switch len(all) {
	case 0:
		p.req.Currency = money.USD
	case 1:
		for c := range all {
			p.req.Currency = c
		}
	default:
		var names []string
		for _, c := range slices.Sorted(maps.Keys(all)) {
			names = append(names, string(c))
		}
		return fleet.BadRequest(fmt.Errorf("%w: the prices are in %s; name the currency of the report and give exchange rates to it, as in --currency %s --rate %s/%s=RATE",
			money.ErrCurrency, strings.Join(names, " and "), names[0], names[1], names[0]))
	}
	return nil
}

// convert turns an amount into the currency of the report, at the rate of a
// time.
func (p *plan) convert(a money.Amount, at time.Time) (money.Amount, error) {
	to := p.req.Currency
	if a.Currency() == to || a.Currency() == "" {
		return a.In(to), nil
	}
	out, rate, err := p.rates.Amount(a, to, at)
	if err != nil {
		return money.Amount{}, fleet.BadRequest(err)
	}
	if p.used == nil {
		p.used = usedRates{}
	}
	p.used[rate] = true
	return out, nil
}

// convert turns the costs of a piece into the currency of the report, and adds
// what commitments cost.
func (x *piece) convert(p *plan) error {
	if x.line == nil || !x.known {
		return nil
	}
	for _, a := range []*money.Amount{&x.cost, &x.contracted, &x.effective} {
		var err error
		if *a, err = p.convert(*a, x.Start); err != nil {
			return err
		}
	}
	for _, v := range x.covering {
		a, err := p.convert(v.Cost, x.Start)
		if err != nil {
			return err
		}
		x.effective = mustAdd(x.effective, a)
	}
	return nil
}

// list returns the rates by currencies and date.
func (u usedRates) list() []money.Rate {
	set, err := money.NewRates(slices.Collect(maps.Keys(u))...)
	if err != nil {
		panic("BUG: " + err.Error()) // they come from one set
	}
	return set.All()
}

func windowOf(from, to time.Time) fleet.Window { return fleet.Window{Start: from, End: to} }
