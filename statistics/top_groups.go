package statistics

import (
	"context"
	"fmt"

	"github.com/leanfleet/leanfleet/fleet"
)

// topGroups answers a [TopRequest] for process groups. A group's coverage is the
// part of its host's running time in which it was measured.
func topGroups(ctx context.Context, env fleet.Environment, req TopRequest, figure func(*Figures) *float64, percentiles []float64) (TopResult, error) {
	p, err := newPlan(env, req.Metric, req.Scope, DefaultRange, nil, OverTime, percentiles)
	if err != nil {
		return TopResult{}, err
	}
	if !groupMetric(p.metric) {
		return TopResult{}, fleet.BadRequest(fmt.Errorf("process groups have no %s: ask for cpu_usage or memory_usage, or for cpu_cores_used or memory_used_bytes", p.metric.Name))
	}
	r := TopResult{Metric: p.metric.Name, Unit: p.metric.Unit, Window: p.question.Window, By: req.By, QuantileError: p.metric.QuantileError(), Hosts: []TopHost{}}
	records, err := env.Source.Records(ctx, p.question.Hosts, p.question.Window)
	if err != nil {
		return TopResult{}, fmt.Errorf("list hosts: %w", err)
	}
	r.Simulated = fleet.AnySimulated(records)
	newest := make(map[fleet.HostID]*fleet.Record, len(records))
	for i := range records {
		newest[records[i].Host] = &records[i]
	}
	samples := int64(0)
	for h, err := range p.groups(ctx) {
		if err != nil {
			return TopResult{}, err
		}
		h.describe(newest)
		samples += h.Samples
		r.Hosts = append(r.Hosts, h)
	}
	r.Of, r.Damaged = len(r.Hosts), p.damaged
	r.rank(req, figure)
	if samples == 0 {
		r.Data, err = dataWindow(ctx, env.Source)
		return r, err
	}
	q := p.query(fleet.StepWhole)
	q.Groups = true
	r.RankError, err = p.rankError(ctx, q)
	return r, err
}

// groupMetric says whether process groups have a metric.
func groupMetric(m fleet.Metric) bool {
	name := m.Name
	if m.Derived() {
		name = m.Ratio
	}
	return name == fleet.CPUUsage.Name || name == fleet.MemoryUsage.Name
}

// groups yields the figures of each process group of each host. The profiles of
// a group follow each other.
func (p *plan) groups(ctx context.Context) func(yield func(TopHost, error) bool) {
	return func(yield func(TopHost, error) bool) {
		var at TopHost
		var g *pool
		send := func() bool {
			if g == nil {
				return true
			}
			at.Figures = g.figures(p.shares)
			return yield(at, nil)
		}
		q := p.query(fleet.StepWhole)
		q.Groups = true
		for profile, err := range p.env.Source.Profiles(ctx, q) {
			if err != nil {
				if err = fleet.Tolerate(err, p.partial, &p.damaged); err != nil {
					yield(TopHost{}, fmt.Errorf("read %s of process groups: %w", p.metric.Name, err))
					return
				}
				continue
			}
			if g == nil || profile.Record.Host != at.Host || profile.Group != at.Group {
				if !send() {
					return
				}
				at = TopHost{Host: profile.Record.Host, Group: profile.Group}
				g = newPool(fleet.GroupKey{}, p.metric, p.over)
			}
			g.add(&profile)
		}
		send()
	}
}
