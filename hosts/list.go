package hosts

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

// ListRequest asks which hosts there are.
type ListRequest struct {
	// Select is a selector; "" is all hosts.
	Select string `json:"select,omitempty"`
	// AsOf is the time the list is of; zero is now.
	AsOf time.Time `json:"as_of,omitzero"`
}

// ListResult is the answer to a [ListRequest].
type ListResult struct {
	AsOf time.Time `json:"as_of"`
	// Hosts are the records valid then, by name. Of a host whose size no inventory
	// tells it is what the host itself saw lately, where it told: CapacityFrom is
	// "measured".
	Hosts []fleet.Record `json:"hosts"`
}

// List answers a [ListRequest].
func List(ctx context.Context, env fleet.Environment, req ListRequest) (ListResult, error) {
	sel, err := env.Selector(req.Select)
	if err != nil {
		return ListResult{}, err
	}
	r := ListResult{AsOf: req.AsOf, Hosts: []fleet.Record{}}
	if r.AsOf.IsZero() {
		r.AsOf = env.Now
	}
	r.AsOf = r.AsOf.UTC()
	records, err := env.Source.Records(ctx, sel, instant(r.AsOf))
	if err != nil {
		return ListResult{}, fmt.Errorf("list hosts: %w", err)
	}
	r.Hosts = append(r.Hosts, records...)
	if err := r.addSeen(ctx, env); err != nil {
		return ListResult{}, err
	}
	slices.SortStableFunc(r.Hosts, func(a, b fleet.Record) int { return cmp.Compare(a.DisplayName(), b.DisplayName()) })
	return r, nil
}

// seenWithin is how far back a size that a host saw is looked for.
const seenWithin = 30 * 24 * time.Hour

// addSeen completes the sizes that nobody tells by what hosts saw lately.
func (r *ListResult) addSeen(ctx context.Context, env fleet.Environment) error {
	lacking := map[fleet.HostID]*fleet.Record{}
	from := r.AsOf
	for i := range r.Hosts {
		h := &r.Hosts[i]
		if h.Capacity.VCPUs > 0 && h.Capacity.MemoryBytes > 0 || h.Seen.IsZero() || !h.Seen.Start.Before(r.AsOf) {
			continue
		}
		lacking[h.Host] = h
		if begin := h.Seen.End.Add(-24 * time.Hour); begin.Before(from) {
			from = begin
		}
	}
	if earliest := r.AsOf.Add(-seenWithin); from.Before(earliest) {
		from = earliest
	}
	if len(lacking) == 0 {
		return nil
	}
	vcpus, memory := map[fleet.HostID]float64{}, map[fleet.HostID]float64{} // of the last record that has any
	var lost []fleet.Damage                                                 // the list does without
	for m, into := range map[*fleet.Metric]map[fleet.HostID]float64{&fleet.CapacityVCPUs: vcpus, &fleet.CapacityMemory: memory} {
		query := fleet.Query{Metric: *m, Window: fleet.Window{Start: from, End: r.AsOf}}
		if len(lacking) == 1 {
			for id := range lacking {
				query.Hosts = fleet.SelectHost(id)
			}
		}
		for p, err := range env.Source.Profiles(ctx, query) {
			if err != nil {
				if err = fleet.Tolerate(err, true, &lost); err != nil {
					return fmt.Errorf("read %s: %w", m.Name, err)
				}
				continue
			}
			if lacking[p.Record.Host] != nil && p.Count > 0 {
				into[p.Record.Host] = m.Value(p.Max)
			}
		}
	}
	for id, h := range lacking {
		if h.Capacity.VCPUs == 0 && vcpus[id] > 0 {
			h.Capacity.VCPUs = vcpus[id]
			h.CapacityFrom = cmp.Or(h.CapacityFrom, "measured")
		}
		if h.Capacity.MemoryBytes == 0 && memory[id] > 0 {
			h.Capacity.MemoryBytes = int64(memory[id])
			h.CapacityFrom = cmp.Or(h.CapacityFrom, "measured")
		}
	}
	return nil
}

// instant is the window of one moment.
func instant(t time.Time) fleet.Window { return fleet.Window{Start: t, End: t.Add(1)} }
