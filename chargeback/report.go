package chargeback

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/money"
)

// Report answers a [Request].
func Report(ctx context.Context, env Environment, req Request) (Result, error) {
	r, _, _, err := report(ctx, env, req)
	return r, err
}

// report returns the bill and the evidence beside the result.
func report(ctx context.Context, env Environment, req Request) (Result, *bill, *evidence, error) {
	return reportWith(ctx, env, req, (*bill).commit)
}

// reportWith is report with what applies the commitments.
func reportWith(ctx context.Context, env Environment, req Request, commit func(*bill) ([]commitmentSum, error)) (Result, *bill, *evidence, error) {
	if env.Book == nil {
		return Result{}, nil, nil, errors.New("BUG: chargeback without a price book")
	}
	p, err := newPlan(env, req)
	if err != nil {
		return Result{}, nil, nil, err
	}
	b, err := makeBill(ctx, p)
	if err != nil {
		return Result{}, nil, nil, err
	}
	commitments, err := commit(b)
	if err != nil {
		return Result{}, nil, nil, fmt.Errorf("apply commitments: %w", err)
	}
	if err := b.settle(); err != nil {
		return Result{}, nil, nil, err
	}
	e, err := b.estimate(ctx)
	if err != nil {
		return Result{}, nil, nil, err
	}
	r := Result{
		Period: p.period(), Currency: p.req.Currency, GroupBy: append([]string{}, p.req.GroupBy...),
		Method: method(e), NotCharged: append([]NotCharged{}, b.silent...), Damaged: e.damaged,
	}
	if err := b.assemble(&r); err != nil {
		return Result{}, nil, nil, err
	}
	if r.Commitments, err = p.commitmentUses(commitments); err != nil {
		return Result{}, nil, nil, err
	}
	b.priced(&r)
	if r.Method.SustainedUse {
		r.Method.SustainedUsePool = sustainedPool
	}
	r.Manifest, err = b.manifest(e, req.Manifest, req.Program)
	return r, b, e, err
}

// makeBill prices the timelines of all hosts at list and contract, and settles
// the currency.
func makeBill(ctx context.Context, p *plan) (*bill, error) {
	records, err := p.env.Source.Records(ctx, fleet.Selector{}, fleet.Window{})
	if err != nil {
		return nil, fmt.Errorf("list hosts: %w", err)
	}
	b := newBill(p)
	for _, timeline := range byHost(records) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := b.add(timeline); err != nil {
			return nil, err
		}
	}
	for i := range b.hosts {
		b.markSilent(&b.hosts[i])
	}
	return b, b.currency()
}

// markSilent notes on the last line of a host that it was not heard of since.
func (b *bill) markSilent(h *hostBill) {
	t := silentSince(h.timeline, b.plan.charged)
	if t.IsZero() || t.Before(b.plan.charged.Start) {
		return
	}
	for i := len(h.pieces) - 1; i >= 0; i-- {
		if l := h.pieces[i].line; l != nil {
			l.silent = t
			return
		}
	}
}

func (p *plan) period() Period {
	out := Period{Start: p.window.Start, End: p.window.End, Timezone: p.req.Timezone}
	if !p.charged.End.Equal(p.window.End) {
		out.ChargedUntil = &p.charged.End
	}
	return out
}

// sustainedPool is whose use counts together for sustained use.
const sustainedPool = "each vCPU and GiB of a host by itself, in its region and series"

func method(e *evidence) Method {
	m := Method{
		Rules: Rules, MinimumSeconds: map[string]int{}, Month: "calendar month in the period's time zone", Rounding: "largest remainder, from the total down",
		UnknownState: "running from the first to the last evidence", Evidence: e.asked,
	}
	for provider, d := range minimums {
		m.MinimumSeconds[provider] = int(d / time.Second)
	}
	return m
}

// commitmentUses rounds what commitments cost: used and unused sum to the cost.
func (p *plan) commitmentUses(list []commitmentSum) ([]CommitmentUse, error) {
	var out []CommitmentUse
	for _, c := range list {
		unused, err := c.cost.Sub(c.used)
		if err != nil {
			return nil, err
		}
		parts, total, err := money.RoundParts([]money.Amount{c.used.In(p.req.Currency), unused})
		if err != nil {
			return nil, err
		}
		use := CommitmentUse{Commitment: c.id, Cost: total, Used: parts[0], Unused: parts[1],
			OnDemand: c.demand.In(p.req.Currency).Round(), AboveOnDemand: c.used.Exact().Cmp(c.demand.Exact()) > 0}
		if len(c.unrated) > 0 {
			use.Unrated = unpriced(c.unrated)
		}
		out = append(out, use)
	}
	return out, nil
}
