package rightsizing

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/leanfleet/leanfleet/fleet"
)

// The defaults of an [UnderusedRequest].
const (
	DefaultUnderusedRange = "30d"
	DefaultBelow          = 0.20
	DefaultTimeShare      = 0.95
	DefaultCoverage       = 0.80
)

// UnderusedRequest asks for the hosts that hardly use what they have.
type UnderusedRequest struct {
	fleet.Scope
	// Below is the ratio of the capacity valid at the time under which use has
	// to stay, in (0, 1]; 0 is 0.20.
	Below float64 `json:"below,omitzero"`
	// Share is the share of the measured time, in (0, 1]; 0 is 0.95.
	Share float64 `json:"share,omitzero"`
	// Coverage is the share of its lifetime of which a host has to be measured,
	// in (0, 1]; 0 is 0.80.
	Coverage float64 `json:"coverage,omitzero"`
	// Any is content with one of CPU and memory.
	Any bool `json:"any,omitempty"`
}

// Use is how one resource of a host is used. Unknown figures are nil, with a
// reason.
type Use struct {
	// ShareBelow is the share of the measured time under the threshold.
	ShareBelow *float64 `json:"share_below"`
	Mean       *float64 `json:"mean"`
	P95        *float64 `json:"p95"`
	Max        *float64 `json:"max"`
	Coverage   *float64 `json:"coverage"`
	// Under says whether the resource is underused; nil is unknown.
	Under  *bool  `json:"under"`
	Reason string `json:"reason,omitempty"` // no_samples, low_coverage
}

// UnderusedHost is a host with its use.
type UnderusedHost struct {
	Host         fleet.HostID `json:"host"`
	Name         string       `json:"name"`
	Provider     string       `json:"provider,omitempty"`
	Region       string       `json:"region,omitempty"`
	InstanceType string       `json:"instance_type,omitempty"`
	Tags         fleet.Tags   `json:"tags,omitempty"`
	CPU          Use          `json:"cpu"`
	Memory       Use          `json:"memory"`
}

// UnderusedResult is the answer to an [UnderusedRequest], hosts by id.
type UnderusedResult struct {
	Window   fleet.Window    `json:"window"`
	Below    float64         `json:"below"`
	Share    float64         `json:"share"`
	Coverage float64         `json:"coverage"`
	Any      bool            `json:"any,omitempty"`
	Hosts    []UnderusedHost `json:"hosts"`
	// Undecided are the hosts about which the samples say too little.
	Undecided []UnderusedHost `json:"undecided"`
	// Of is the number of hosts that were looked at.
	Of      int            `json:"of"`
	Damaged []fleet.Damage `json:"damaged,omitempty"`
}

const reasonLowCoverage = "low_coverage"

// Underused answers an [UnderusedRequest].
func Underused(ctx context.Context, env Environment, req UnderusedRequest) (UnderusedResult, error) {
	req.Below, req.Share, req.Coverage = cmp.Or(req.Below, DefaultBelow), cmp.Or(req.Share, DefaultTimeShare), cmp.Or(req.Coverage, DefaultCoverage)
	for name, v := range map[string]float64{"below": req.Below, "share": req.Share, "coverage": req.Coverage} {
		if !inside(v) && v != 1 {
			return UnderusedResult{}, fmt.Errorf("%s %v: must lie above 0 and be at most 1", name, v)
		}
	}
	q, err := env.Resolve(req.Scope, DefaultUnderusedRange)
	if err != nil {
		return UnderusedResult{}, err
	}
	out := UnderusedResult{Window: q.Window, Below: req.Below, Share: req.Share, Coverage: req.Coverage, Any: req.Any, Hosts: []UnderusedHost{}, Undecided: []UnderusedHost{}}
	records, err := env.Source.Records(ctx, q.Hosts, q.Window)
	if err != nil {
		return out, fmt.Errorf("list hosts: %w", err)
	}
	last := map[fleet.HostID]*fleet.Record{} // as it is at the end
	for i := range records {
		if r := &records[i]; r.State != fleet.StateTerminated {
			last[r.Host] = r
		}
	}
	uses := [2]map[fleet.HostID]Use{}
	for i, m := range []fleet.Metric{fleet.CPUUsage, fleet.MemoryUsage} {
		if uses[i], err = use(ctx, env, q, m, &req, &out.Damaged); err != nil {
			return out, fmt.Errorf("read %s: %w", m.Name, err)
		}
	}
	for id, r := range last {
		h := UnderusedHost{Host: id, Name: r.DisplayName(), Provider: r.Provider, Region: r.Region, InstanceType: r.InstanceType, Tags: r.Tags, CPU: unseen(uses[0], id), Memory: unseen(uses[1], id)}
		switch under, decided := h.underused(req.Any); {
		case !decided:
			out.Undecided = append(out.Undecided, h)
		case under:
			out.Hosts = append(out.Hosts, h)
		}
	}
	out.Of = len(last)
	for _, list := range [][]UnderusedHost{out.Hosts, out.Undecided} {
		slices.SortFunc(list, func(a, b UnderusedHost) int { return cmp.Compare(a.Host, b.Host) })
	}
	return out, nil
}

func unseen(m map[fleet.HostID]Use, id fleet.HostID) Use {
	if u, ok := m[id]; ok {
		return u
	}
	return Use{Reason: reasonNoSamples}
}

// underused says whether each known resource is, or with any one of them, and
// whether that can be said.
func (h *UnderusedHost) underused(anyOf bool) (under, decided bool) {
	yes, no, unclear, seen := 0, 0, 0, 0
	for _, u := range []*Use{&h.CPU, &h.Memory} {
		switch {
		case u.Reason == reasonNoSamples:
		case u.Under == nil:
			unclear++
			seen++
		case *u.Under:
			yes++
			seen++
		default:
			no++
			seen++
		}
	}
	switch {
	case anyOf && yes > 0:
		return true, true
	case !anyOf && no > 0:
		return false, true // whatever the other one is
	case unclear > 0 || seen == 0:
		return false, false
	}
	return !anyOf && yes == seen, true
}

// use reads one ratio of every host.
func use(ctx context.Context, env Environment, q fleet.Question, m fleet.Metric, req *UnderusedRequest, damage *[]fleet.Damage) (map[fleet.HostID]Use, error) {
	merged := map[fleet.HostID]*fleet.Profile{}
	query := fleet.Query{Metric: m, Hosts: q.Hosts, Window: q.Window, Step: fleet.StepWhole, Location: q.Location, Within: q.Within}
	for p, err := range env.Source.Profiles(ctx, query) {
		if err != nil {
			if err = fleet.Tolerate(err, req.Partial, damage); err != nil {
				return nil, err
			}
			continue
		}
		id := p.Record.Host
		p.Covered = min(p.Covered, p.Expected)
		have := merged[id]
		if have == nil {
			merged[id] = &p
			continue
		}
		covered := have.Covered + p.Covered // each capped by its own lifetime
		b := fleet.NewProfileBuilder(m)
		b.Merge(have)
		b.Merge(&p)
		sum := b.Build(p.Record, q.Window)
		sum.Covered = covered
		merged[id] = &sum
	}
	out := make(map[fleet.HostID]Use, len(merged))
	limit := int64(math.Ceil(req.Below/m.Resolution() - 1e-6)) // under is below this
	for id, p := range merged {
		out[id] = useOf(m, p, limit, req)
	}
	return out, nil
}

func useOf(m fleet.Metric, p *fleet.Profile, limit int64, req *UnderusedRequest) Use {
	if p.Count == 0 {
		return Use{Reason: reasonNoSamples}
	}
	total := p.Distribution.Weight()
	under := total - p.Distribution.WeightAbove(limit-1)
	p95, _ := p.Quantile(950000)
	u := Use{
		ShareBelow: known(float64(under) / float64(total)), Mean: known(p.Sum.Float64() / float64(total) * m.Resolution()),
		P95: known(m.Value(p95)), Max: known(m.Value(p.Max)),
	}
	if p.Expected <= 0 {
		u.Reason = reasonLowCoverage
		return u
	}
	u.Coverage = known(float64(p.Covered) / float64(p.Expected))
	if float64(p.Covered) < req.Coverage*float64(p.Expected)-1 {
		u.Reason = reasonLowCoverage
		return u
	}
	yes := float64(under) >= req.Share*float64(total)-1e-6
	u.Under = &yes
	return u
}
