package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/collect"
	"github.com/leanfleet/leanfleet/collect/local"
	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/hosts"
	"github.com/leanfleet/leanfleet/internal/config"
	"github.com/leanfleet/leanfleet/internal/report"
	"github.com/leanfleet/leanfleet/internal/server"
	"github.com/leanfleet/leanfleet/inventory"
)

func newCollect(a *app) *cobra.Command {
	var interval string
	c := &cobra.Command{
		Use:     "collect",
		GroupID: groupData,
		Short:   "Measure this machine until stopped, and answer questions meanwhile",
		Long: `Measures this machine, each interval on the clock's grid, stores it durably, and
answers every other leanfleet command that uses the same data directory. Days
beyond the configured retention (400 days) are dropped hourly. Ctrl-C or SIGTERM
ends it; nothing that was measured is lost. docs/collect.md says what is measured,
how to run it as a service and how to name process groups.`,
		Example: `  leanfleet collect --data /var/lib/leanfleet
  leanfleet collect --interval 10s`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			o, err := a.collectOptions(interval)
			if err != nil {
				return err
			}
			return a.collect(c.Context(), o)
		},
	}
	c.Flags().StringVar(&interval, "interval", "", "`time` between two rows (default: the configured one, else 60s)")
	return c
}

// collectOptions are the configured ones with the flag over them.
func (a *app) collectOptions(interval string) (local.Options, error) {
	c := &a.config.Collect
	o := local.Options{Now: a.clock(), Interval: time.Duration(c.Interval), Root: c.Root, MaxGroups: c.MaxGroups}
	for _, g := range c.Groups {
		o.Groups = append(o.Groups, local.GroupRule{Group: g.Group, Name: g.Name, User: g.User, CGroup: g.CGroup})
	}
	if interval != "" {
		d, err := config.ParseDuration(interval)
		if err != nil {
			return o, usage(fmt.Errorf("--interval: %w", err))
		}
		if d == 0 {
			return o, usage(errors.New("--interval: must be longer than nothing"))
		}
		o.Interval = time.Duration(d)
	}
	return o, nil
}

// clock tells the time of day, and the time that passed.
func (a *app) clock() func() (time.Time, time.Duration) {
	begun := time.Now()
	return func() (time.Time, time.Duration) { return a.now(), time.Since(begun) }
}

// collect measures until the context ends.
func (a *app) collect(ctx context.Context, o local.Options) (err error) {
	// Unlike a question it runs for long: memory is given back.
	debug.SetGCPercent(100)
	debug.SetMemoryLimit(math.MaxInt64)
	c, err := local.New(o)
	if err != nil {
		return usage(err)
	}
	settings, err := a.options()
	if err != nil {
		return err
	}
	if settings.Dir, err = a.directory(); err != nil {
		return err
	}
	if err := server.Private(settings.Dir); err != nil {
		return err
	}
	var loop *collect.Loop
	old := &retention{keep: time.Duration(a.config.Retention), every: retainEvery}
	settings.Who, settings.Collecting = "collect", func() collect.Status { return old.in(loop.Status()) }
	m, err := leanfleet.Open(ctx, settings)
	if errors.Is(err, fleet.ErrLocked) {
		return fmt.Errorf("%w\nWhere that is another \"leanfleet collect\", this machine is measured already: leanfleet status --data %s", err, settings.Dir)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	loop, err = collect.New(m, []collect.Task{{Name: string(c.Host()), Collector: c}}, collect.Options{
		Now: o.Now, Interval: o.Interval,
		State: func(ctx context.Context, list []fleet.Statement) error {
			boot, _ := c.Boot()
			return a.stateMeasured(ctx, m, list, boot, max(leastDowntime, 2*o.Interval))
		},
	})
	if err != nil {
		return usage(err)
	}
	l, err := server.Listen(settings.Dir)
	if err != nil {
		return err
	}
	handler := server.Handler(server.Options{Monitor: m, Version: version, Session: func(s server.Settings) (*leanfleet.Monitor, error) { return a.session(m, s) }})
	a.note("Measuring %s every %s into %s; Ctrl-C ends it.", calledBy(ctx, c), report.FormatDuration(o.Interval), settings.Dir)
	err = together(ctx,
		func(ctx context.Context) error { return server.Serve(ctx, l, handler) },
		loop.Run,
		func(ctx context.Context) error { return old.run(ctx, a, m) },
		func(ctx context.Context) error { return a.watch(ctx, loop, max(o.Interval, watchEvery)) })
	s := loop.Status()
	a.note("%s", ended(&s))
	return err
}

// ended says what a collector did when it ends.
func ended(s *collect.Status) string {
	text := fmt.Sprintf("Stored %s of %s", plural(s.Stored.Inserted, "sample"), plural(s.Collections, "collection"))
	if s.Failures > 0 {
		text += fmt.Sprintf(", %s with errors", report.FormatCount(s.Failures))
	}
	if lost := s.Dropped + s.Refused + s.Waiting; lost > 0 {
		text += fmt.Sprintf("; %s lost", plural(lost, "sample"))
	}
	if s.Skipped > 0 {
		text += fmt.Sprintf("; %s skipped, in which it did not run or the clock was set", plural(s.Skipped, "interval"))
	}
	return text + "."
}

// leastDowntime is the time between a sample and a boot that is more than a
// restart.
const leastDowntime = 5 * time.Minute

// stateMeasured writes what a measured machine says of itself, and whether it was
// down before it booted. Where an inventory knows a name or a system, that counts.
func (a *app) stateMeasured(ctx context.Context, m *leanfleet.Monitor, list []fleet.Statement, boot time.Time, least time.Duration) error {
	for i := range list {
		s := &list[i]
		known, err := m.HostHistory(ctx, hosts.HistoryRequest{Host: string(s.Host)})
		if errors.Is(err, fleet.ErrUnknownHost) {
			continue
		}
		if err != nil {
			return err
		}
		if namedByOthers(&known) {
			s.Name = ""
		}
		var last time.Time // of its samples
		for _, r := range known.Records {
			if r.OS != "" {
				s.OS = ""
			}
			last = r.Seen.End
		}
		if down, ok := inventory.Downtime(last, boot, least); ok {
			inferred := fleet.Statement{Record: fleet.Record{Host: s.Host, State: fleet.StateStopped, From: down.Start, To: down.End}, Inferred: true}
			put := fleet.Put{Why: "no sample before it booted at " + down.End.Format(time.RFC3339), Origin: fleet.OriginAgent}
			if _, err := m.PutRecords(ctx, []fleet.Statement{inferred}, put); err != nil {
				return err
			}
		}
	}
	r, err := m.PutRecords(ctx, list, fleet.Put{Why: "measured here", Origin: fleet.OriginAgent})
	for _, c := range r.Conflicts {
		a.complain(fmt.Errorf("not applied: %s: %s", c.Host, c.Reason))
	}
	return err
}

// namedByOthers says whether a host has a name that is more than its id, or what
// the machine calls itself.
func namedByOthers(h *hosts.HistoryResult) bool {
	own := map[string]bool{"": true, string(h.Host): true}
	for _, e := range h.Writes {
		for _, c := range e.Changes {
			switch {
			case c.Field != "name" || c.To == "":
			case e.Origin == fleet.OriginAgent:
				own[c.To] = true
			default:
				return true
			}
		}
	}
	return slices.ContainsFunc(h.Records, func(r fleet.Record) bool { return !own[r.Name] })
}

// calledBy is a machine's name with its id.
func calledBy(ctx context.Context, c *local.Collector) string {
	id := string(c.Host())
	list, err := c.Statements(ctx)
	if err != nil || len(list) == 0 || list[0].Name == "" || list[0].Name == id {
		return id
	}
	return list[0].Name + " (" + id + ")"
}

// together runs functions until the context ends or one of them does, and
// returns their errors.
func together(ctx context.Context, runs ...func(context.Context) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, len(runs))
	for _, run := range runs {
		go func() {
			defer stop()
			ended <- run(ctx)
		}()
	}
	var err error
	for range runs {
		err = errors.Join(err, <-ended)
	}
	return err
}
