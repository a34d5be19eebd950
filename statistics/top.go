package statistics

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/leanfleet/leanfleet/fleet"
)

// TopRequest asks for the hosts that use most, or least, of something.
type TopRequest struct {
	// Metric is its name.
	Metric string `json:"metric"`
	fleet.Scope
	// By is the figure that ranks: mean, median, p95 (the default), p99, pX,
	// min, max, stddev.
	By string `json:"by,omitempty"`
	// Lowest ranks from below.
	Lowest bool `json:"lowest,omitempty"`
	// Limit is the number of hosts; 0 is all.
	Limit int `json:"limit,omitempty"`
	// Groups ranks process groups of hosts in place of hosts: one line for each
	// group of each host. They have cpu_usage and memory_usage, as shares of their
	// host's capacity, and what is derived from those.
	Groups bool `json:"groups,omitempty"`
}

// TopResult is the answer to a [TopRequest].
type TopResult struct {
	Metric        string       `json:"metric"`
	Unit          fleet.Unit   `json:"unit"`
	Window        fleet.Window `json:"window"`
	By            string       `json:"by"`
	QuantileError float64      `json:"quantile_error"`
	// RankError is as in [Result].
	RankError float64 `json:"rank_error,omitzero"`
	// Hosts are ranked; hosts whose figure is unknown come last, by name.
	Hosts []TopHost `json:"hosts"`
	// Of is the number of hosts, or of process groups, before the limit.
	Of int `json:"of"`
	// Simulated says that hosts of a synthetic fleet are among those asked about.
	Simulated bool `json:"simulated,omitempty"`
	// Data says what is stored when the answer has no sample.
	Data    *fleet.Window  `json:"data,omitempty"`
	Damaged []fleet.Damage `json:"damaged,omitempty"`
}

// TopHost is one host of a ranking, as it is at the end of the window.
type TopHost struct {
	Host fleet.HostID `json:"host"`
	Name string       `json:"name"`
	// Group is the process group, "" for the host itself.
	Group        string     `json:"group,omitempty"`
	Provider     string     `json:"provider,omitempty"`
	Region       string     `json:"region,omitempty"`
	InstanceType string     `json:"instance_type,omitempty"`
	Tags         fleet.Tags `json:"tags,omitempty"`
	Figures
}

// Top answers a [TopRequest].
func Top(ctx context.Context, env fleet.Environment, req TopRequest) (TopResult, error) {
	if req.By == "" {
		req.By = "p95"
	}
	figure, percentiles, err := figureNamed(req.By)
	if err != nil {
		return TopResult{}, fleet.BadRequest(err)
	}
	if req.Groups {
		return topGroups(ctx, env, req, figure, percentiles)
	}
	answer, err := Fleet(ctx, env, Request{Metric: req.Metric, Scope: req.Scope, GroupBy: []string{"host"}, Percentiles: percentiles})
	if err != nil {
		return TopResult{}, err
	}
	r := TopResult{Metric: answer.Metric, Unit: answer.Unit, Window: answer.Window, By: req.By,
		QuantileError: answer.QuantileError, RankError: answer.RankError, Hosts: []TopHost{}, Of: len(answer.Groups), Simulated: answer.Simulated, Data: answer.Data, Damaged: answer.Damaged}
	newest, err := newestRecords(ctx, env, req.Scope, answer.Window)
	if err != nil {
		return TopResult{}, err
	}
	for _, g := range answer.Groups {
		h := TopHost{Host: fleet.HostID(*g.Group[0].Value), Figures: g.Figures}
		h.describe(newest)
		r.Hosts = append(r.Hosts, h)
	}
	r.rank(req, figure)
	return r, nil
}

// describe fills in what the host is.
func (h *TopHost) describe(newest map[fleet.HostID]*fleet.Record) {
	if x := newest[h.Host]; x != nil {
		h.Name, h.Provider, h.Region, h.InstanceType, h.Tags = x.DisplayName(), x.Provider, x.Region, x.InstanceType, x.Tags
	}
}

// rank orders the hosts and cuts them at the limit.
func (r *TopResult) rank(req TopRequest, figure func(*Figures) *float64) {
	slices.SortStableFunc(r.Hosts, func(a, b TopHost) int { return compareTop(a, b, figure, req.Lowest) })
	if req.Limit > 0 && len(r.Hosts) > req.Limit {
		r.Hosts = r.Hosts[:req.Limit]
	}
}

func compareTop(a, b TopHost, figure func(*Figures) *float64, lowest bool) int {
	x, y := figure(&a.Figures), figure(&b.Figures)
	switch {
	case x == nil && y == nil:
		return compareNames(a, b)
	case x == nil:
		return 1
	case y == nil:
		return -1
	case *x == *y:
		return compareNames(a, b)
	case lowest:
		return cmp.Compare(*x, *y)
	}
	return cmp.Compare(*y, *x)
}

func compareNames(a, b TopHost) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Group, b.Group))
}

// newestRecords are the last records of hosts in a window.
func newestRecords(ctx context.Context, env fleet.Environment, scope fleet.Scope, w fleet.Window) (map[fleet.HostID]*fleet.Record, error) {
	sel, err := fleet.ParseSelector(scope.Select)
	if err != nil {
		return nil, err
	}
	records, err := env.Source.Records(ctx, sel, w)
	if err != nil {
		return nil, fmt.Errorf("list hosts: %w", err)
	}
	newest := make(map[fleet.HostID]*fleet.Record, len(records))
	for i := range records {
		newest[records[i].Host] = &records[i]
	}
	return newest, nil
}

// figureNamed finds a figure by its name in tables and JSON, and the further
// percentiles it needs.
func figureNamed(name string) (func(*Figures) *float64, []float64, error) {
	switch name {
	case "mean":
		return func(f *Figures) *float64 { return f.Mean }, nil, nil
	case "median":
		return func(f *Figures) *float64 { return f.Median }, nil, nil
	case "p95":
		return func(f *Figures) *float64 { return f.P95 }, nil, nil
	case "p99":
		return func(f *Figures) *float64 { return f.P99 }, nil, nil
	case "min":
		return func(f *Figures) *float64 { return f.Min }, nil, nil
	case "max":
		return func(f *Figures) *float64 { return f.Max }, nil, nil
	case "stddev":
		return func(f *Figures) *float64 { return f.StdDev }, nil, nil
	}
	var percent float64
	if n, err := fmt.Sscanf(name, "p%g", &percent); n != 1 || err != nil || percentileName(percent) != name {
		return nil, nil, fmt.Errorf("rank by %q: use mean, median, p95, p99, p99.9, min, max or stddev", name)
	}
	return func(f *Figures) *float64 { return f.Percentiles[0].Value }, []float64{percent}, nil
}
