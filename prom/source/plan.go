package source

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/prom/internal/names"
)

// Plan is how a question would be answered.
type Plan struct {
	// Address and Engine, "prometheus" or "victoriametrics" by what it can do, are
	// whom is asked.
	Address string `json:"address"`
	Engine  string `json:"engine"`
	// Schema is the vocabulary, Hosts how many hosts are asked about.
	Schema string `json:"schema"`
	Hosts  int    `json:"hosts"`
	// Samples are in the window, about.
	Samples int64 `json:"samples"`
	// Scrape is the interval found, Step the time that a value describes; zero
	// where stored samples have steps of their own.
	Scrape time.Duration `json:"scrape,omitzero"`
	Step   time.Duration `json:"step,omitzero"`
	// Method is "exact" or "grid".
	Method Method `json:"method"`
	// RankError is how far, at most, the share of time below any value is off: 0
	// where every sample is read. A 95th percentile with a rank error of 0.005
	// lies between the true 94.5th and 95.5th.
	RankError float64 `json:"rank_error"`
	// Queries are what is asked, without those that look for hosts; each is asked
	// Times times, of further hosts and times.
	Queries []PlannedQuery `json:"queries"`
}

// PlannedQuery is one form of query.
type PlannedQuery struct {
	Path  string    `json:"path"`
	Query string    `json:"query"`
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
	// Step is that of a range query.
	Step  time.Duration `json:"step,omitzero"`
	Times int           `json:"times"`
}

// Explain says how Profiles would answer a query. It looks for hosts, as an
// answer does, and asks nothing else.
func (s *Source) Explain(ctx context.Context, q fleet.Query) (Plan, error) {
	a, err := s.prepare(ctx, q, true)
	if err != nil {
		return Plan{}, err
	}
	v := a.view
	p := Plan{Address: s.client.shown, Engine: v.engine.name(), Schema: string(v.schema), Hosts: len(a.targets), Samples: a.samples, Scrape: v.scrape, Step: v.step, Method: MethodExact}
	if len(measured(a.targets)) == 0 {
		return p, nil
	}
	metrics := []fleet.Metric{a.ratio}
	if q.Metric.Derived() {
		metrics = append(metrics, a.capacity)
	}
	if a.grid != nil {
		p.Method = MethodGrid
		p.RankError = a.grid.rankError()
		parts := s.batches(a, func(*target) int64 { return int64(len(a.steps) * (len(a.grid.shares) + 5)) })
		batches, labels := len(parts), labelsOf(parts)
		for i, m := range metrics {
			s.explainCells(&p, a, m, labels, batches, i == 0)
		}
		return p, nil
	}
	w := milli(q.Window)
	batches := s.batches(a, func(t *target) int64 { return t.samples(v, w) })
	labels := labelsOf(batches)
	for _, m := range metrics {
		if one, ok := s.explainSamples(a, m, labels, w); ok {
			one.Times *= len(batches)
			p.Queries = append(p.Queries, one)
		}
	}
	return p, nil
}

// labelsOf are the hosts of the first batch that has any, as they are asked for.
func labelsOf(batches [][]*target) []string {
	for _, targets := range batches {
		var labels []string
		for _, t := range targets {
			labels = append(labels, t.labels...)
		}
		if len(labels) > 0 {
			slices.Sort(labels)
			return slices.Compact(labels)
		}
	}
	return nil
}

func (s *Source) explainCells(p *Plan, a *ask, m fleet.Metric, labels []string, batches int, quantiles bool) {
	kind := stepKind{step: a.view.step.Milliseconds()}
	for _, k := range a.view.keys[fleet.HostID(labels[0])] {
		if a.view.traits.Stored {
			kind = stepKind{k.stepLabel, k.step}
		}
	}
	for _, r := range runs(a.steps) {
		first, last := milli(a.steps[r.first]), milli(a.steps[r.last])
		for _, q := range s.cellQueries(a, a.grid, m, labels, kind.label, kind.step, a.steps[r.first], quantiles) {
			p.Queries = append(p.Queries, PlannedQuery{Path: "/api/v1/query_range", Query: q.text, Times: batches,
				Start: time.UnixMilli(first.to + kind.step - 1).UTC(), End: time.UnixMilli(last.to + kind.step - 1).UTC(), Step: time.Duration(first.to-first.from) * time.Millisecond})
		}
	}
}

func (s *Source) explainSamples(a *ask, m fleet.Metric, labels []string, w extentMS) (PlannedQuery, bool) {
	v := a.view
	if v.traits.Stored {
		from, to := w.from+v.steps[0], w.to+v.steps[len(v.steps)-1]
		q := PlannedQuery{Query: s.stored(v, m, labels, ""), Start: time.UnixMilli(from).UTC(), End: time.UnixMilli(to).UTC(), Times: 1, Path: "/api/v1/export"}
		if s.readsRaw(v) {
			q.Path = "/" + remoteRead
		} else if !v.engine.metricsQL {
			q.Path = "/api/v1/query"
			q.Query += "[" + names.Duration(time.Duration(to-from+1)*time.Millisecond) + "]"
		}
		return q, true
	}
	expr, ok := names.Of(v.schema, m)
	if !ok {
		return PlannedQuery{}, false
	}
	if p, ok := s.rawPlan(v, m, extentMS{w.from, min(w.to, v.horizon())}, v.step); ok {
		return s.explainRaw(v, labels, p), p.at.n > 0
	}
	step := v.step.Milliseconds()
	from, to := (w.from+2*step-1)/step*step, (w.to+step-1)/step*step
	return PlannedQuery{Path: "/api/v1/query_range", Query: s.hostExpr(v, expr, labels, v.step), Start: time.UnixMilli(from).UTC(), End: time.UnixMilli(to).UTC(),
		Step: v.step, Times: int((to-from)/step/10000) + 1}, true
}

// Reach returns from when to when the engine has samples of hosts, zero when it
// has none.
func (s *Source) Reach(ctx context.Context) (fleet.Window, error) {
	v, err := s.look(ctx)
	if err != nil {
		return fleet.Window{}, err
	}
	return v.reach, nil
}

// RankError says how far the shares of time of the profiles that answer a query
// are off at most: 0 where every sample is read, else the bound of the grid. It
// goes by what was known of the engine at the last answer, so that it is of that
// answer.
func (s *Source) RankError(ctx context.Context, q fleet.Query) (float64, error) {
	v, err := s.known(ctx)
	if err != nil || q.Groups {
		return 0, err // process groups are read exactly
	}
	a, err := s.prepareIn(ctx, v, q, true)
	if err != nil || a.grid == nil || len(a.targets) == 0 {
		return 0, err
	}
	return a.grid.rankError(), nil
}

// WorstRankError is the largest rank error of the answers so far.
func (s *Source) WorstRankError() float64 { return math.Float64frombits(s.worst.Load()) }

// approximate remembers the rank error of an answer.
func (s *Source) approximate(bound float64) {
	for {
		was := s.worst.Load()
		if math.Float64frombits(was) >= bound || s.worst.CompareAndSwap(was, math.Float64bits(bound)) {
			return
		}
	}
}

// Notes says what a reader of an answer about a window should know: that the
// engine's samples begin after the window does, which metrics the schema does
// not have, partial answers that were taken, values that could not be. It goes by what was known of the engine at
// the last answer.
func (s *Source) Notes(ctx context.Context, m fleet.Metric, w fleet.Window) ([]string, error) {
	v, err := s.known(ctx)
	if err != nil {
		return nil, err
	}
	var out []string
	switch {
	case v.reach.IsZero():
		out = append(out, s.client.shown+" has no samples of hosts")
	case !v.reach.Start.Before(w.End):
		out = append(out, fmt.Sprintf("%s has samples from %s on only, after the range asked for", s.client.shown, v.reach.Start.Format(time.RFC3339)))
	case v.reach.Start.Sub(w.Start) > 2*v.longest():
		keeps := ""
		if v.engine.retention != "" {
			keeps = ", and keeps " + v.engine.retention
		}
		out = append(out, fmt.Sprintf("%s has samples from %s on only%s: %s of the %s asked for", s.client.shown, v.reach.Start.Format(time.RFC3339), keeps, days(w.End.Sub(v.reach.Start)), days(w.Duration())))
	}
	for _, name := range []string{m.Name, m.Ratio, m.Capacity} {
		if x, err := s.o.Metrics.Lookup(name); err == nil && !x.Derived() {
			if _, ok := names.Of(v.schema, x); !ok {
				out = append(out, fmt.Sprintf("%s is not measured by %s", name, v.schema))
			}
		}
	}
	if n := len(v.renamed); n > 0 && s.o.HostLabel == "nodename" {
		out = append(out, fmt.Sprintf("%d values of %s had several node names over time, such as %s: all samples of each count for its last name", n, v.host, v.renamed[0]))
	}
	if n := s.client.parts.Load(); n > 0 {
		out = append(out, fmt.Sprintf("figures may be too low: %d answers were partial, the last one: %v", n, s.client.part.Load()))
	}
	if n := s.impossible.Load(); n > 0 {
		out = append(out, fmt.Sprintf("%d values that cannot be, such as negative ones, are left out", n))
	}
	return out, nil
}

// longest is the longest time that a sample covers.
func (v *view) longest() time.Duration {
	if n := len(v.steps); n > 0 {
		return time.Duration(v.steps[n-1]) * time.Millisecond
	}
	return v.step
}

// days is a time in days, or in less where it is less than two.
func days(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%.1f d", d.Hours()/24)
	case d >= 2*time.Hour:
		return fmt.Sprintf("%.1f h", d.Hours())
	}
	return fmt.Sprintf("%.0f min", d.Minutes())
}
