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
	// Hosts are the records valid then, by name.
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
	slices.SortStableFunc(r.Hosts, func(a, b fleet.Record) int { return cmp.Compare(a.DisplayName(), b.DisplayName()) })
	return r, nil
}

// instant is the window of one moment.
func instant(t time.Time) fleet.Window { return fleet.Window{Start: t, End: t.Add(1)} }
