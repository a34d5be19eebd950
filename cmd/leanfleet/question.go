package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/zones"
)

// scopeFlags are the flags of every question.
type scopeFlags struct {
	scope fleet.Scope
	asOf  string
}

func (s *scopeFlags) add(c *cobra.Command, defaultRange string) {
	f := c.Flags()
	f.StringVar(&s.scope.Range, "range", "", "time `range`: 7d, 2w, 36h, last-month, 2026-01, 2026-01-01..2026-01-31 (default "+defaultRange+")")
	f.StringVar(&s.asOf, "as-of", "", "end of relative ranges: a `time` such as 2026-01-31T00:00:00Z, or a date, which is included (default now)")
	f.StringVarP(&s.scope.Select, "selector", "l", "", "hosts, such as `dept=eng,env!=dev,name=~web-.*`")
	f.StringVar(&s.scope.Timezone, "timezone", "", "IANA `zone` of calendar steps and dates (default: the configured one, else UTC)")
	f.StringVar(&s.scope.Hours, "hours", "", "only these `hours`: configured ones by name, or \"mon-fri 09:00-17:00\"")
	f.BoolVar(&s.scope.Partial, "partial", false, "answer from what can be read where files are damaged")
}

// resolve fills the scope from the flags.
func (s *scopeFlags) resolve(a *app) (fleet.Scope, error) {
	scope := s.scope
	if scope.Timezone == "" {
		scope.Timezone = string(a.config.TimeZone)
	}
	if s.asOf != "" {
		loc, err := zones.Load(scope.Timezone)
		if err != nil {
			return scope, usage(err)
		}
		scope.AsOf, err = fleet.ParseEnd(s.asOf, loc)
		if err != nil {
			return scope, usage(fmt.Errorf("--as-of: %w", err))
		}
	}
	return scope, nil
}

// location is the zone an answer is printed in.
func (s *scopeFlags) location(a *app) *time.Location {
	name := s.scope.Timezone
	if name == "" {
		name = string(a.config.TimeZone)
	}
	loc, err := zones.Load(name)
	if err != nil {
		return time.UTC
	}
	return loc
}

// groupFlag adds --group-by.
func groupFlag(c *cobra.Command, by *[]string) {
	c.Flags().StringSliceVar(by, "group-by", nil, "group by `keys`: tags, provider, region, zone, instance_type, ... or set; tag:region is the tag where a built-in key has its name")
}

// directory is the data directory in effect.
func (a *app) directory() (string, error) {
	if a.flags.data != "" {
		return a.flags.data, nil
	}
	return a.config.DataDirectory(a.env)
}

// open opens the data directory for an operation.
func (a *app) open(ctx context.Context, op leanfleet.Operation) (*leanfleet.Monitor, error) {
	dir, err := a.directory()
	if err != nil {
		return nil, err
	}
	o := leanfleet.Options{
		Dir: dir, ReadOnly: !op.Writes, Existing: op.Existing, PricesOnly: op.Prices, Prices: a.priceOptions(), Clock: a.now, Who: a.who(),
		Timezone: string(a.config.TimeZone), MemoryBudget: int64(a.config.Import.MemoryBudget),
	}
	if o.Metrics, err = a.config.FleetMetrics(); err != nil {
		return nil, err
	}
	if o.Sets, err = a.config.Selectors(); err != nil {
		return nil, err
	}
	o.Hours = map[string]fleet.Calendar{}
	for name := range a.config.BusinessHours {
		c, err := a.config.Calendar(name, zones.Load)
		if err != nil {
			return nil, err
		}
		c.Exclude = nil // blackouts are given apart
		o.Hours[name] = c
	}
	for _, b := range a.config.Blackouts {
		o.Blackouts = append(o.Blackouts, fleet.Window{Start: b.From, End: b.To})
	}
	return leanfleet.Open(ctx, o)
}

// who is named in the history of records.
func (a *app) who() string {
	for _, name := range []string{"LEANFLEET_WHO", "SUDO_USER", "USER", "LOGNAME"} {
		if v, ok := a.env(name); ok && v != "" {
			return v
		}
	}
	return "cli"
}

// ask runs an operation by name. The request is a pointer to its Request.
func ask[Result any](ctx context.Context, a *app, operation string, request any) (Result, error) {
	var zero Result
	op, ok := leanfleet.FindOperation(operation)
	if !ok {
		panic("BUG: no operation " + operation)
	}
	m, err := a.open(ctx, op)
	if err != nil {
		return zero, err
	}
	result, err := op.Run(ctx, m, request)
	if closeErr := m.Close(); err == nil {
		err = closeErr
	}
	if r, ok := result.(Result); ok {
		return r, err
	}
	return zero, err
}

// list splits a flag of comma-separated values into trimmed ones.
func list(values []string) []string {
	var out []string
	for _, v := range values {
		if v = strings.TrimSpace(v); v != "" {
			out = append(out, v)
		}
	}
	return out
}
