package chargeback

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
)

// commitmentSum is what a commitment did in the period.
type commitmentSum struct {
	id         string
	cost, used money.Amount
	demand     money.Amount           // what it covers, on demand
	unrated    map[unpricedKey]*tally // what it may cover but has no rate for
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
	changes, err := b.rateChanges(pieces, set)
	if err != nil {
		return nil, err
	}
	c := b.covering(set, pieces, changes)
	for _, slot := range slots(pieces, begin, b.plan.looked.End, set, changes) {
		c.enter(slot)
		if !slices.ContainsFunc(c.all, func(x pricing.Commitment) bool { return x.Active(slot.start) }) {
			continue
		}
		if err := c.cover(slot); err != nil {
			return nil, err
		}
	}
	for _, x := range pieces {
		if err := b.coverPiece(x); err != nil {
			return nil, err
		}
	}
	sums, err := b.committedSums(set)
	if err != nil {
		return nil, err
	}
	return sums, b.withoutRates(set, pieces, sums)
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

// rateChanges returns when rates of commitments change, in order.
func (b *bill) rateChanges(pieces []*piece, set *pricing.Commitments) ([]time.Time, error) {
	var out []time.Time
	seen := map[what]bool{}
	for _, c := range set.All() {
		if !rated(&c) {
			continue
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
				out = append(out, q.Start)
			}
		}
	}
	slices.SortFunc(out, time.Time.Compare)
	return out, nil
}

type slot struct{ start, end time.Time }

// slots cuts time into clock hours in which something begins or ends, and rows
// of hours between them. A rate that changes holds from the next hour on; a
// commitment that begins or ends within an hour cuts it.
func slots(pieces []*piece, begin, end time.Time, set *pricing.Commitments, changes []time.Time) []slot {
	cuts := append(set.Boundaries(begin, end), begin, end)
	for _, t := range changes {
		cuts = append(cuts, t.Add(time.Hour-1).Truncate(time.Hour))
	}
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

// covering goes through the slots.
type covering struct {
	bill    *bill
	all     []pricing.Commitment
	applier *pricing.Applier
	pieces  []*piece // by start
	active  []*piece // those in the slot, by host and time
	changes []time.Time
	rated   time.Time // of the rates that hold
	failed  error     // of the rates
	uses    []pricing.Use
	of      []*piece
}

func (b *bill) covering(set *pricing.Commitments, pieces []*piece, changes []time.Time) *covering {
	c := &covering{bill: b, all: set.All(), applier: set.Applier(nil), pieces: pieces, changes: changes}
	for _, x := range pieces {
		u := b.usage(x)
		x.usage = c.applier.Kind(&u)
	}
	return c
}

// usage is a piece as commitments see it.
func (b *bill) usage(x *piece) pricing.Usage {
	r := x.span.record
	return pricing.Usage{
		Host: string(r.Host), Provider: r.Provider, Region: r.Region, Account: r.Account, OS: x.what.shownOS(),
		Spec: b.specification(r.Provider, r.InstanceType), PerHour: x.quote.contracted,
	}
}

// enter brings the active pieces and the rates to a slot.
func (c *covering) enter(s slot) {
	c.active = slices.DeleteFunc(c.active, func(x *piece) bool { return !x.End.After(s.start) })
	for len(c.pieces) > 0 && c.pieces[0].Start.Before(s.end) {
		x := c.pieces[0]
		c.pieces = c.pieces[1:]
		if !x.End.After(s.start) {
			continue
		}
		i, _ := slices.BinarySearchFunc(c.active, x, func(a, b *piece) int {
			return cmp.Or(cmp.Compare(a.span.record.Host, b.span.record.Host), a.Start.Compare(b.Start))
		})
		c.active = slices.Insert(c.active, i, x)
	}
	changed := c.rated.IsZero()
	for len(c.changes) > 0 && !c.changes[0].After(s.start) {
		c.changes, changed = c.changes[1:], true
	}
	if changed {
		c.rated = s.start
		c.applier.Rates(c.bill.ratesAt(s.start, &c.failed))
	}
}

// cover applies the commitments to one slot. A row of hours counts as its first
// hour, so many times: then what is covered, which is whole nanoseconds, does
// not depend on how hours are put into rows.
func (c *covering) cover(s slot) error {
	hours := int64(1)
	if n := int64(s.end.Sub(s.start) / time.Hour); n > 1 {
		hours, s.end = n, s.start.Add(time.Hour)
	}
	c.uses, c.of = c.uses[:0], c.of[:0]
	for _, x := range c.active {
		from, to := later(x.Start, s.start), earlier(x.End, s.end)
		if from.Before(to) {
			c.uses, c.of = append(c.uses, pricing.Use{Kind: x.usage, Running: to.Sub(from)}), append(c.of, x)
		}
	}
	if len(c.uses) == 0 {
		return nil
	}
	err := c.applier.Slot(s.start, s.end.Sub(s.start), c.uses, func(i int, cover *pricing.Cover, covered time.Duration) {
		c.of[i].take(cover, s.start, covered*time.Duration(hours))
	})
	return cmp.Or(c.failed, err)
}

// covered is what one commitment covers of a piece at one price.
type covered struct {
	cover *pricing.Cover
	at    time.Time // when it was first covered so
	time  time.Duration
	// what and rate say which rate of the price book that is, if it is one.
	what what
	rate quote
}

// take adds what a commitment covers of the piece.
func (x *piece) take(c *pricing.Cover, at time.Time, d time.Duration) {
	x.coveredFor += d
	for i := len(x.covers) - 1; i >= 0; i-- {
		if have := &x.covers[i]; have.cover == c {
			have.time += d
			return
		}
	}
	x.covers = append(x.covers, covered{cover: c, at: at, time: d})
}

// coverPiece adds up what each commitment covers of a piece, what that costs and
// at which rates.
func (b *bill) coverPiece(x *piece) error {
	for i := range x.covers {
		c := &x.covers[i]
		v := pricing.Covering{Commitment: c.cover.Commitment.ID, Covered: c.time, Cost: c.cover.Cost(c.time)}
		if at := slices.IndexFunc(x.covering, func(have pricing.Covering) bool { return have.Commitment == v.Commitment }); at >= 0 {
			have := &x.covering[at]
			have.Covered += v.Covered
			have.Cost = mustAdd(have.Cost, v.Cost)
		} else {
			x.covering = append(x.covering, v)
		}
		if !rated(c.cover.Commitment) {
			continue
		}
		c.what = rate(c.cover.Commitment, x.what.provider, x.what.region, x.what.name, x.what.os)
		list, err := b.quotes.of(c.what)
		if err != nil {
			return err
		}
		if at := slices.IndexFunc(list, func(q quoted) bool { return q.Contains(c.at) }); at >= 0 {
			c.rate = list[at].quote
		}
	}
	return nil
}

// rated reports whether a commitment takes its rates from the price book.
func rated(c *pricing.Commitment) bool { return !c.Spend.IsZero() && c.Percent.IsZero() }

// withoutRates finds what runs on demand although there is a commitment to
// spend for it, because nobody knows its rate.
func (b *bill) withoutRates(set *pricing.Commitments, pieces []*piece, sums []commitmentSum) error {
	for _, c := range set.All() {
		if !rated(&c) {
			continue
		}
		i := slices.IndexFunc(sums, func(s commitmentSum) bool { return s.id == c.ID })
		for _, x := range pieces {
			left := x.Duration() - x.coveredFor
			if u := b.usage(x); i < 0 || x.line == nil || left <= 0 || !c.Covers(&u) {
				continue
			}
			w := rate(&c, x.what.provider, x.what.region, x.what.name, x.what.os)
			list, err := b.quotes.of(w)
			if err != nil {
				return err
			}
			for _, q := range list {
				d := min(left, q.Intersect(x.Window).Intersect(windowOf(c.Start, c.End)).Duration())
				if q.known || d <= 0 {
					continue
				}
				if sums[i].unrated == nil {
					sums[i].unrated = map[unpricedKey]*tally{}
				}
				count(sums[i].unrated, unpricedKey{w, q.reason}, x, d)
				x.unrated = appendNew(x.unrated, fmt.Sprintf("commitment %s has no rate for %s: %s", c.ID, w.name, q.reason))
			}
		}
	}
	return nil
}

// committedSums adds up what each commitment cost and covered in the period.
func (b *bill) committedSums(set *pricing.Commitments) ([]commitmentSum, error) {
	used, demand := map[string]money.Amount{}, map[string]money.Amount{}
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
				if a, err = b.plan.convert(x.quote.contracted.Times(v.Covered), x.Start); err != nil {
					return nil, err
				}
				demand[v.Commitment] = mustAdd(demand[v.Commitment], a)
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
		sum := commitmentSum{id: c.ID, used: used[c.ID], demand: demand[c.ID]}
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
