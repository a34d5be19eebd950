package chargeback

import (
	"cmp"
	"context"
	"math/big"
	"slices"
	"time"

	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
)

// PlainReport is Report with commitments applied in the plain way: slot by slot,
// with nothing kept from one to the next.
func PlainReport(ctx context.Context, env Environment, req Request) (Result, error) {
	r, _, _, err := reportWith(ctx, env, req, (*bill).plainCommit)
	return r, err
}

// plainCommit applies the commitments to everything that runs on demand, by the
// clock hour, and returns what each of them cost and covered in the period.
func (b *bill) plainCommit() ([]commitmentSum, error) {
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
		if err := b.plainCover(slot, active); err != nil {
			return nil, err
		}
	}
	sums, err := b.committedSums(set)
	if err != nil {
		return nil, err
	}
	return sums, b.withoutRates(set, pieces, sums)
}

// plainCover applies the commitments to one slot. A row of hours counts as its first
// hour, so many times: then what is covered, which is whole nanoseconds, does
// not depend on how hours are put into rows.
func (b *bill) plainCover(s slot, active []*piece) error {
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
			of[i].plainTake(v)
		}
	}
	return nil
}

// plainTake adds what a commitment covers of the piece.
func (x *piece) plainTake(v pricing.Covering) {
	for i := range x.covering {
		if have := &x.covering[i]; have.Commitment == v.Commitment {
			have.Covered += v.Covered
			have.Cost = mustAdd(have.Cost, v.Cost)
			return
		}
	}
	x.covering = append(x.covering, v)
}

// Exact returns the costs of a report before they are rounded, list, contracted
// and effective, by group, the total under "".
func Exact(ctx context.Context, env Environment, req Request) (map[string][3]*big.Rat, error) {
	_, b, _, err := report(ctx, env, req)
	if err != nil {
		return nil, err
	}
	out := map[string][3]*big.Rat{"": {new(big.Rat), new(big.Rat), new(big.Rat)}}
	for _, g := range b.sorted() {
		t := g.total
		own := [3]*big.Rat{t.cost.Exact(), t.contracted.Exact(), t.effective.Exact()}
		out[g.key.String()] = own
		for i := range own {
			out[""][i].Add(out[""][i], own[i])
		}
	}
	return out, nil
}

// ExactLines returns the costs of a report's lines before they are rounded, by
// group and host, and the report.
func ExactLines(ctx context.Context, env Environment, req Request) (map[[2]string][3]*big.Rat, Result, error) {
	r, b, _, err := report(ctx, env, req)
	if err != nil {
		return nil, r, err
	}
	out := map[[2]string][3]*big.Rat{}
	for _, g := range b.sorted() {
		t := g.total
		out[[2]string{g.key.ID(), ""}] = [3]*big.Rat{t.cost.Exact(), t.contracted.Exact(), t.effective.Exact()}
		for i, l := range g.lines {
			s := g.sums[i]
			out[[2]string{g.key.ID(), string(l.host)}] = [3]*big.Rat{s.cost.Exact(), s.contracted.Exact(), s.effective.Exact()}
		}
	}
	return out, r, nil
}

// RoundTo is roundTo.
func RoundTo(whole money.Amount, exact []money.Amount, ceilings []*money.Amount) ([]money.Amount, error) {
	return roundTo(whole, exact, ceilings)
}
