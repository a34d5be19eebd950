package chargeback

import (
	"cmp"
	"slices"
	"time"

	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
)

// commitmentSum is what a commitment did in the period.
type commitmentSum struct {
	id         string
	cost, used money.Amount
}

// commit applies the commitments to everything that runs on demand, by the
// clock hour, and returns what each of them cost and covered in the period.
func (b *bill) commit() ([]commitmentSum, error) {
	if !b.plan.committed() {
		return nil, nil
	}
	set := b.plan.env.Commitments
	pieces := b.coverable(set)
	begin := b.plan.charged.Start.Truncate(time.Hour)
	if slices.ContainsFunc(set.All(), func(c pricing.Commitment) bool { return c.Provider == pricing.GCP }) {
		begin = b.plan.looked.Start // what is covered earns no sustained use
	}
	next := 0
	var active []*piece
	changes, err := b.rateChanges(pieces, set)
	if err != nil {
		return nil, err
	}
	for _, slot := range slots(pieces, begin, b.plan.looked.End, set, changes) {
		for next < len(pieces) && pieces[next].Start.Before(slot.end) {
			active = append(active, pieces[next])
			next++
		}
		active = slices.DeleteFunc(active, func(x *piece) bool { return !x.End.After(slot.start) })
		if err := b.cover(slot, active); err != nil {
			return nil, err
		}
	}
	return b.committedSums(set)
}

// coverable are the pieces that a commitment may cover, by start.
func (b *bill) coverable(set *pricing.Commitments) []*piece {
	providers := map[string]bool{}
	for _, c := range set.All() {
		providers[c.Provider] = true
	}
	var out []*piece
	for i := range b.hosts {
		for _, x := range b.hosts[i].pieces {
			if x.kind == compute && x.known && x.what.purchase == pricing.OnDemand && providers[x.what.provider] {
				out = append(out, x)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b *piece) int {
		return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.span.record.Host, b.span.record.Host))
	})
	return out
}

// rate is what an hour of a type costs under a commitment.
func rate(c *pricing.Commitment, provider, region, typ, os string) what {
	if os == "" {
		os = pricing.Linux
	}
	return what{kind: compute, provider: provider, region: region, name: typ, os: os, purchase: c.Kind, term: c.Term}
}

// ratesAt gives the rates of commitments to spend that hold at a time, found as
// all prices are. An error goes to failed.
func (b *bill) ratesAt(at time.Time, failed *error) pricing.RateFunc {
	return func(c *pricing.Commitment, u *pricing.Usage) (money.Price, bool) {
		list, err := b.quotes.of(rate(c, u.Provider, u.Region, u.Spec.InstanceType, u.OS))
		if err != nil {
			*failed = err
			return money.Price{}, false
		}
		for i := range list {
			if list[i].Contains(at) {
				return list[i].quote.contracted, list[i].known
			}
		}
		return money.Price{}, false
	}
}

// rateChanges returns the clock hours that are the first with another rate.
func (b *bill) rateChanges(pieces []*piece, set *pricing.Commitments) ([]time.Time, error) {
	var out []time.Time
	seen := map[what]bool{}
	for _, c := range set.All() {
		if c.Spend.IsZero() || !c.Percent.IsZero() {
			continue // it needs no rates of the book
		}
		for _, x := range pieces {
			w := rate(&c, x.what.provider, x.what.region, x.what.name, x.what.os)
			if seen[w] || c.Provider != w.provider || (c.Region != "" && c.Region != w.region) {
				continue
			}
			seen[w] = true
			list, err := b.quotes.of(w)
			if err != nil {
				return nil, err
			}
			for _, q := range list[min(1, len(list)):] {
				out = append(out, q.Start.Add(time.Hour-1).Truncate(time.Hour))
			}
		}
	}
	return out, nil
}

type slot struct{ start, end time.Time }

// slots cuts time into clock hours in which something begins or ends, and rows
// of hours between them, also at the given hours. A commitment that begins or
// ends within an hour cuts it.
func slots(pieces []*piece, begin, end time.Time, set *pricing.Commitments, hours []time.Time) []slot {
	cuts := append(set.Boundaries(begin, end), begin, end)
	cuts = append(cuts, hours...)
	for _, x := range pieces {
		for _, t := range []time.Time{x.Start, x.End} {
			hour := t.Truncate(time.Hour)
			cuts = append(cuts, hour)
			if !hour.Equal(t) {
				cuts = append(cuts, hour.Add(time.Hour))
			}
		}
	}
	for _, t := range set.Boundaries(begin, end) {
		if hour := t.Truncate(time.Hour); !hour.Equal(t) {
			cuts = append(cuts, hour, hour.Add(time.Hour))
		}
	}
	slices.SortFunc(cuts, time.Time.Compare)
	cuts = slices.CompactFunc(cuts, time.Time.Equal)
	var out []slot
	for i := 1; i < len(cuts); i++ {
		if !cuts[i-1].Before(begin) && !cuts[i].After(end) {
			out = append(out, slot{cuts[i-1], cuts[i]})
		}
	}
	return out
}

// cover applies the commitments to one slot. A row of hours counts as its first
// hour, so many times: then what is covered, which is whole nanoseconds, does
// not depend on how hours are put into rows.
func (b *bill) cover(s slot, active []*piece) error {
	hours := int64(1)
	if n := int64(s.end.Sub(s.start) / time.Hour); n > 1 {
		hours, s.end = n, s.start.Add(time.Hour)
	}
	var usages []pricing.Usage
	var of []*piece
	for _, x := range active {
		from, to := later(x.Start, s.start), earlier(x.End, s.end)
		if !from.Before(to) {
			continue
		}
		r := x.span.record
		os := x.what.os
		if os == "" {
			os = pricing.Linux
		}
		usages = append(usages, pricing.Usage{
			Host: string(r.Host), Provider: r.Provider, Region: r.Region, Account: r.Account, OS: os,
			Spec: b.specification(r.Provider, r.InstanceType), Running: to.Sub(from), PerHour: x.quote.contracted,
		})
		of = append(of, x)
	}
	if len(usages) == 0 {
		return nil
	}
	var failed error
	c, err := b.plan.env.Commitments.Apply(s.start, s.end.Sub(s.start), usages, b.ratesAt(s.start, &failed))
	if err = cmp.Or(failed, err); err != nil {
		return err
	}
	for i, u := range c.Usages {
		for _, v := range u.Covering {
			v.Covered, v.Cost = v.Covered*time.Duration(hours), v.Cost.Scale(money.Whole(hours))
			of[i].coveredFor += v.Covered
			of[i].take(v)
		}
	}
	return nil
}

// take adds what a commitment covers of the piece.
func (x *piece) take(v pricing.Covering) {
	for i := range x.covering {
		if have := &x.covering[i]; have.Commitment == v.Commitment {
			have.Covered += v.Covered
			have.Cost = mustAdd(have.Cost, v.Cost)
			return
		}
	}
	x.covering = append(x.covering, v)
}

// committedSums adds up what each commitment cost and covered in the period.
func (b *bill) committedSums(set *pricing.Commitments) ([]commitmentSum, error) {
	used := map[string]money.Amount{}
	for i := range b.hosts {
		for _, x := range b.hosts[i].pieces {
			if x.Start.Before(b.plan.charged.Start) || !x.Start.Before(b.plan.charged.End) {
				continue
			}
			for _, v := range x.covering {
				a, err := b.plan.convert(v.Cost, x.Start)
				if err != nil {
					return nil, err
				}
				used[v.Commitment] = mustAdd(used[v.Commitment], a)
			}
		}
	}
	var out []commitmentSum
	for _, c := range set.All() {
		from, to := later(c.Start, b.plan.charged.Start), earlier(c.End, b.plan.charged.End)
		if !from.Before(to) {
			continue
		}
		perHour, err := c.CostPerHour()
		if err != nil {
			return nil, err
		}
		sum := commitmentSum{id: c.ID, used: used[c.ID]}
		for _, w := range cutAt(windowOf(from, to), b.plan.cuts) {
			a, err := b.plan.convert(perHour.Times(w.Duration()), w.Start)
			if err != nil {
				return nil, err
			}
			sum.cost = mustAdd(sum.cost, a)
		}
		out = append(out, sum)
	}
	return out, nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// mustAdd adds amounts that were converted to one currency, or come from one
// commitment.
func mustAdd(a, b money.Amount) money.Amount {
	sum, err := a.Add(b)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return sum
}
