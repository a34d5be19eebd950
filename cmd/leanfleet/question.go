package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/config"
	"github.com/leanfleet/leanfleet/internal/server"
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
	o, err := a.options()
	if err != nil {
		return nil, err
	}
	o.Dir, o.ReadOnly, o.Existing, o.PricesOnly = dir, !op.Writes, op.Existing, op.Prices
	return leanfleet.Open(ctx, o)
}

// options are those that follow from the configuration.
func (a *app) options() (leanfleet.Options, error) {
	o := leanfleet.Options{
		Prices: a.priceOptions(), Clock: a.now, Who: a.who(), History: a.newHistory,
		Timezone: string(a.config.TimeZone), MemoryBudget: int64(a.config.Import.MemoryBudget),
	}
	var err error
	if o.Metrics, err = a.config.FleetMetrics(); err != nil {
		return o, err
	}
	if o.Sets, err = a.config.Selectors(); err != nil {
		return o, err
	}
	o.Hours = map[string]fleet.Calendar{}
	for name := range a.config.BusinessHours {
		c, err := a.config.Calendar(name, zones.Load)
		if err != nil {
			return o, err
		}
		c.Exclude = nil // blackouts are given apart
		o.Hours[name] = c
	}
	for _, b := range a.config.Blackouts {
		o.Blackouts = append(o.Blackouts, fleet.Window{Start: b.From, End: b.To})
	}
	return o, nil
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
	result, err := a.operate(ctx, op, request)
	if r, ok := result.(Result); ok {
		return r, err
	}
	return zero, err
}

// operate runs an operation: in the process that holds the data directory, where
// there is one that answers, else here.
func (a *app) operate(ctx context.Context, op leanfleet.Operation, request any) (any, error) {
	if a.engine.url != "" {
		return a.operateElsewhere(ctx, op, request)
	}
	if op.Prices {
		return a.operateHere(ctx, op, request)
	}
	c, err := a.connect(ctx)
	if err != nil {
		return nil, err
	}
	if c == nil {
		result, err := a.operateHere(ctx, op, request)
		if !errors.Is(err, fleet.ErrLocked) {
			return result, err
		}
		// Whoever holds it may have begun to answer meanwhile.
		if c, _ = a.connect(ctx); c == nil {
			return nil, err
		}
	}
	defer c.Close()
	return c.Run(ctx, op, request)
}

// connect finds the process that holds the data directory and answers; nil is
// none.
func (a *app) connect(ctx context.Context) (*server.Client, error) {
	dir, err := a.directory()
	if err != nil {
		return nil, err
	}
	settings, err := config.Marshal(a.config, false)
	if err != nil {
		return nil, err
	}
	connect := a.connectTo
	if connect == nil {
		connect = server.Connect
	}
	return connect(ctx, dir, server.Settings{Config: string(settings), Who: a.who(), Version: version})
}

// session is what another process is answered with: its settings, on the
// directory that m holds.
func (a *app) session(m *leanfleet.Monitor, s server.Settings) (*leanfleet.Monitor, error) {
	settings, err := config.Parse("the settings of the asking process", []byte(s.Config), func(string) (string, bool) { return "", false })
	if err != nil {
		return nil, err
	}
	other := &app{config: settings, now: a.now, env: func(name string) (string, bool) { return s.Who, name == "LEANFLEET_WHO" }}
	o, err := other.options()
	if err != nil {
		return nil, err
	}
	o.Prices.Directory = s.Directory
	return m.As(o), nil
}

func (a *app) operateHere(ctx context.Context, op leanfleet.Operation, request any) (any, error) {
	m, err := a.open(ctx, op)
	if err != nil {
		return nil, err
	}
	result, err := op.Run(ctx, m, request)
	if closeErr := m.Close(); err == nil {
		err = closeErr
	}
	return result, err
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
