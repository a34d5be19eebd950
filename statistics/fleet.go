package statistics

import (
	"context"
	"fmt"

	"github.com/leanfleet/leanfleet/fleet"
)

// Fleet answers a [Request]. Groups are ordered by key. Without a matching host
// there is one group without hosts when nothing is grouped by, and none
// otherwise.
func Fleet(ctx context.Context, env fleet.Environment, req Request) (Result, error) {
	p, err := newPlan(env, req.Metric, req.Scope, DefaultRange, req.GroupBy, req.Over, req.Percentiles)
	if err != nil {
		return Result{}, err
	}
	if req.Peaks && p.metric.Unit == fleet.UnitRatio {
		return Result{}, fleet.BadRequest(fmt.Errorf("peaks of %s: ratios of different hosts do not add up; ask for an absolute metric such as cpu_cores_used or memory_used_bytes", p.metric.Name))
	}
	records, err := env.Source.Records(ctx, p.question.Hosts, p.question.Window)
	if err != nil {
		return Result{}, fmt.Errorf("list hosts: %w", err)
	}
	groups, err := p.pool(ctx, records)
	if err != nil {
		return Result{}, err
	}
	r := Result{
		Metric: p.metric.Name, Unit: p.metric.Unit, Window: p.question.Window,
		Over: p.over, QuantileError: p.metric.QuantileError(), Groups: []Group{},
		Simulated: fleet.AnySimulated(records),
	}
	for _, g := range groups.sorted() {
		r.Groups = append(r.Groups, p.group(g, req.Distribution))
	}
	if len(r.Groups) == 0 && len(p.groupBy) == 0 {
		r.Groups = append(r.Groups, p.group(newPool(fleet.GroupKey{}, p.metric, p.over), false))
	}
	if p.hasTotal(len(r.Groups)) {
		total := p.group(groups.total, req.Distribution)
		r.Total = &total
	}
	if req.Peaks {
		if err := p.addPeaks(ctx, &r); err != nil {
			return Result{}, err
		}
	}
	r.Damaged = p.damaged
	if empty(r.Groups) {
		r.Data, err = dataWindow(ctx, env.Source)
		return r, err
	}
	if p.over == OverTime || req.Distribution { // hosts' means are exact
		r.RankError, err = p.rankError(ctx, p.query(fleet.StepWhole))
	}
	return r, err
}

// pool reads the profiles of the whole window into groups.
func (p *plan) pool(ctx context.Context, records []fleet.Record) (*pools, error) {
	groups := p.newPools()
	if len(p.groupBy) > 0 {
		groups.total = newPool(fleet.GroupKey{}, p.metric, p.over)
	}
	heard := map[fleet.HostID]bool{}
	for profile, err := range p.env.Source.Profiles(ctx, p.query(fleet.StepWhole)) {
		if err != nil {
			if err = fleet.Tolerate(err, p.partial, &p.damaged); err != nil {
				return nil, fmt.Errorf("read %s: %w", p.metric.Name, err)
			}
			continue
		}
		groups.add(&profile)
		heard[profile.Record.Host] = true
	}
	for i := range records {
		if r := &records[i]; !r.Seen.IsZero() || r.State != fleet.StateUnknown {
			heard[r.Host] = true
		}
	}
	for i := range records {
		if r := &records[i]; !heard[r.Host] {
			heard[r.Host] = true // a host that moved counts once, where it began
			groups.silent(r)
		}
	}
	return groups, nil
}

func (p *plan) group(g *pool, distribution bool) Group {
	out := Group{Group: g.key, Hosts: g.hosts, Figures: g.figures(p.shares)}
	if distribution {
		profile := g.all()
		d := &profile.Distribution
		total := float64(d.Weight())
		for i := range d.Len() {
			b := d.Bin(i)
			out.Distribution = append(out.Distribution, Bin{Value: p.metric.Value(b.Value), Share: float64(b.Weight) / total})
		}
	}
	return out
}

func empty(groups []Group) bool {
	for i := range groups {
		if groups[i].Samples > 0 {
			return false
		}
	}
	return true
}

// holder is a source that knows what it holds. Seen of a record does not shrink
// when old samples are dropped.
type holder interface {
	// DataWindow runs from the start of the first sample held to the end of the
	// last one; false without samples.
	DataWindow() (fleet.Window, bool)
}

// dataWindow is the time the store has samples of, nil when it has none.
func dataWindow(ctx context.Context, s fleet.Source) (*fleet.Window, error) {
	if h, ok := s.(holder); ok {
		w, found := h.DataWindow()
		if !found {
			return nil, nil
		}
		return &w, nil
	}
	records, err := s.Records(ctx, fleet.Selector{}, fleet.Window{})
	if err != nil {
		return nil, fmt.Errorf("list hosts: %w", err)
	}
	var w *fleet.Window
	for i := range records {
		seen := records[i].Seen
		switch {
		case seen.IsZero():
		case w == nil:
			w = &seen
		default:
			if seen.Start.Before(w.Start) {
				w.Start = seen.Start
			}
			if seen.End.After(w.End) {
				w.End = seen.End
			}
		}
	}
	return w, nil
}
