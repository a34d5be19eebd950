package hosts

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/inventory"
)

// Directory finds hosts by what they are called.
type Directory interface {
	// Host finds a host by its id or by an alias valid at a time. The error of an
	// unknown one wraps fleet.ErrUnknownHost.
	Host(key string, at time.Time) (inventory.Host, error)
}

// ShowRequest asks what one host is.
type ShowRequest struct {
	// Host is an id, a name or another key.
	Host string `json:"host"`
	fleet.Scope
}

// DefaultRange is the window of the usage a host is shown with.
const DefaultRange = "7d"

// ShowResult is the answer to a [ShowRequest].
type ShowResult struct {
	Host   fleet.HostID `json:"host"`
	AsOf   time.Time    `json:"as_of"`
	Window fleet.Window `json:"window"`
	// Record is the one valid at AsOf; nil when none is.
	Record *fleet.Record `json:"record"`
	// Records are all of the host's records in time.
	Records []fleet.Record    `json:"records"`
	Aliases []inventory.Alias `json:"aliases"`
	Merged  []fleet.HostID    `json:"merged,omitempty"`
	// Listed is when a cloud's listing last named the host; zero when none did.
	Listed   time.Time     `json:"listed,omitzero"`
	Capacity CapacityCheck `json:"capacity"`
	// Usage is each metric that has samples in the window.
	Usage   []Usage        `json:"usage"`
	Damaged []fleet.Damage `json:"damaged,omitempty"`
}

// CapacityCheck compares what a host should have with what it saw itself.
type CapacityCheck struct {
	Nominal fleet.Capacity `json:"nominal"`
	// From is "inventory", "catalogue" or "" when nothing is known.
	From string `json:"from,omitempty"`
	// Seen is the largest capacity stored beside samples in the window; zero is
	// unknown.
	Seen fleet.Capacity `json:"seen"`
	// Differences are sentences about figures more than 5 % apart.
	Differences []string `json:"differences,omitempty"`
}

// Usage is what a host used of one thing in the window, in Unit.
type Usage struct {
	Metric   string     `json:"metric"`
	Unit     fleet.Unit `json:"unit"`
	Samples  int64      `json:"samples"`
	Coverage *float64   `json:"coverage"`
	Mean     float64    `json:"mean"`
	P95      float64    `json:"p95"`
	Max      float64    `json:"max"`
}

// tolerance is how far what a host sees may be from its nominal capacity: the
// firmware and the kernel keep some memory for themselves.
const tolerance = 0.05

// Show answers a [ShowRequest].
func Show(ctx context.Context, env fleet.Environment, directory Directory, req ShowRequest) (ShowResult, error) {
	q, err := env.Resolve(req.Scope, DefaultRange)
	if err != nil {
		return ShowResult{}, err
	}
	host, err := Find(ctx, env.Source, directory, req.Host, q.AsOf)
	if err != nil {
		return ShowResult{}, err
	}
	r := ShowResult{Host: host.ID, AsOf: q.AsOf.UTC(), Window: q.Window, Aliases: host.Aliases, Merged: host.Merged, Listed: host.Listed, Usage: []Usage{}}
	r.Records, err = env.Source.Records(ctx, fleet.SelectHost(host.ID), fleet.Window{})
	if err != nil {
		return ShowResult{}, fmt.Errorf("read the records of %s: %w", host.ID, err)
	}
	for i := range r.Records {
		if r.Records[i].ValidAt(q.AsOf) {
			r.Record = &r.Records[i]
		}
	}
	if err := r.addUsage(ctx, env, q, req.Partial); err != nil {
		return ShowResult{}, err
	}
	r.checkCapacity()
	return r, nil
}

// addUsage reads each metric over the window.
func (r *ShowResult) addUsage(ctx context.Context, env fleet.Environment, q fleet.Question, partial bool) error {
	p95, err := fleet.SharePercent(95)
	if err != nil {
		return err
	}
	for _, m := range env.Metrics.All() {
		b := fleet.NewProfileBuilder(m)
		var covered, expected time.Duration
		query := fleet.Query{Metric: m, Hosts: fleet.SelectHost(r.Host), Window: q.Window, Location: q.Location, Within: q.Within}
		for p, err := range env.Source.Profiles(ctx, query) {
			if err != nil {
				if err = fleet.Tolerate(err, partial, &r.Damaged); err != nil {
					return fmt.Errorf("read %s of %s: %w", m.Name, r.Host, err)
				}
				continue
			}
			b.Merge(&p)
			covered += min(p.Covered, p.Expected)
			expected += p.Expected
		}
		all := b.Build(nil, q.Window)
		if all.Count == 0 {
			continue
		}
		mean, _ := all.Mean()
		high, _ := all.Quantile(p95)
		u := Usage{Metric: m.Name, Unit: m.Unit, Samples: all.Count, Mean: round(mean, m), P95: m.Value(high), Max: m.Value(all.Max)}
		if expected > 0 {
			c := float64(covered) / float64(expected)
			u.Coverage = &c
		}
		r.note(m, &all)
		r.Usage = append(r.Usage, u)
	}
	return nil
}

// round turns a scaled mean into the metric's unit, kept to a thousandth of the
// resolution, as fleet statistics do.
func round(scaled float64, m fleet.Metric) float64 {
	if m.Num == 1 {
		return math.Round(scaled*1000) / (1000 * float64(m.Den))
	}
	return math.Round(scaled*1000) / 1000 * float64(m.Num) / float64(m.Den)
}

// note keeps the capacity the host saw.
func (r *ShowResult) note(m fleet.Metric, p *fleet.Profile) {
	switch m.Name {
	case fleet.CapacityVCPUs.Name:
		r.Capacity.Seen.VCPUs = m.Value(p.Max)
	case fleet.CapacityMemory.Name:
		r.Capacity.Seen.MemoryBytes = int64(m.Value(p.Max))
	}
}

func (r *ShowResult) checkCapacity() {
	if r.Record == nil {
		return
	}
	c := &r.Capacity
	c.Nominal, c.From = r.Record.Capacity, r.Record.CapacityFrom
	from := c.From
	if from == "measured" {
		from = "record" // of what it saw before
	}
	differ := func(nominal, seen float64) bool {
		return nominal > 0 && seen > 0 && math.Abs(seen-nominal) > tolerance*nominal
	}
	if differ(c.Nominal.VCPUs, c.Seen.VCPUs) {
		c.Differences = append(c.Differences, fmt.Sprintf("the host saw %g vCPUs, the %s says %g", c.Seen.VCPUs, from, c.Nominal.VCPUs))
	}
	if differ(float64(c.Nominal.MemoryBytes), float64(c.Seen.MemoryBytes)) {
		const gib = 1 << 30
		c.Differences = append(c.Differences, fmt.Sprintf("the host saw %.2f GiB of memory, the %s says %.2f GiB",
			float64(c.Seen.MemoryBytes)/gib, from, float64(c.Nominal.MemoryBytes)/gib))
	}
}

// HistoryRequest asks what a host's record went through.
type HistoryRequest struct {
	// Host is an id, a name or another key.
	Host string `json:"host"`
	// AsOf is when the name is meant; zero is now.
	AsOf time.Time `json:"as_of,omitzero"`
}

// HistoryResult is the answer to a [HistoryRequest]: the records in time, and
// the writes that made them, oldest first.
type HistoryResult struct {
	Host    fleet.HostID      `json:"host"`
	Records []fleet.Record    `json:"records"`
	Aliases []inventory.Alias `json:"aliases"`
	Writes  []inventory.Entry `json:"writes"`
}

// History answers a [HistoryRequest].
func History(ctx context.Context, env fleet.Environment, directory Directory, req HistoryRequest) (HistoryResult, error) {
	at := req.AsOf
	if at.IsZero() {
		at = env.Now
	}
	host, err := Find(ctx, env.Source, directory, req.Host, at)
	if err != nil {
		return HistoryResult{}, err
	}
	records, err := env.Source.Records(ctx, fleet.SelectHost(host.ID), fleet.Window{})
	if err != nil {
		return HistoryResult{}, fmt.Errorf("read the records of %s: %w", host.ID, err)
	}
	return HistoryResult{Host: host.ID, Records: records, Aliases: host.Aliases, Writes: host.History}, nil
}
