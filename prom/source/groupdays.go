package source

import (
	"context"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/prom/internal/names"
)

// groupDays finds out which UTC days of hosts have samples of process groups:
// a host's days that were copied before its groups were measured, or read, are
// told from those that have none.
func (s *Source) groupDays(ctx context.Context, a *ask, groups *groupsRead) (func(fleet.HostID, time.Time) bool, error) {
	const day = 24 * time.Hour
	v := groups.view
	if len(a.steps) == 0 {
		return func(fleet.HostID, time.Time) bool { return false }, nil
	}
	owner := map[string]fleet.HostID{}
	for id, list := range groups.of {
		for _, t := range list {
			for _, label := range t.labels {
				owner[label] = id
			}
		}
	}
	inside := oneOf("__name__", []string{names.Own(fleet.CPUUsage), names.Own(fleet.MemoryUsage)}) + "," + names.GroupLabel + `!=""`
	query := "count by (" + v.host + ") (last_over_time({" + s.match(inside) + "}[" + names.Duration(v.engine.window(day)) + "]))"
	// A sample that ends with the day is one of it.
	first, last := a.steps[0].Start.UTC().Truncate(day), a.steps[len(a.steps)-1].Start.UTC().Truncate(day)
	c := &seenDays{host: v.host, owner: owner, out: map[fleet.HostID]map[int64]bool{}}
	err := s.span(ctx, query, first.Add(day).UnixMilli(), last.Add(day).UnixMilli(), day.Milliseconds(), "process groups", func() consumer { return c })
	return func(id fleet.HostID, at time.Time) bool { return c.out[id][at.Add(day).UnixMilli()] }, err
}

// seenDays collects the ends of the days on which hosts have something.
type seenDays struct {
	host  string
	owner map[string]fleet.HostID
	out   map[fleet.HostID]map[int64]bool
	at    map[int64]bool
}

func (c *seenDays) series(labels map[string]string) error {
	id := c.owner[labels[c.host]]
	if c.out[id] == nil {
		c.out[id] = map[int64]bool{}
	}
	c.at = c.out[id]
	return nil
}

func (c *seenDays) point(at int64, _ float64) error {
	c.at[at] = true
	return nil
}
