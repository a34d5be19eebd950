package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/chargeback"
	"github.com/leanfleet/leanfleet/collect"
	"github.com/leanfleet/leanfleet/collect/local"
	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/hosts"
	"github.com/leanfleet/leanfleet/internal/report"
	"github.com/leanfleet/leanfleet/rightsizing"
	"github.com/leanfleet/leanfleet/statistics"
)

func newDemo(a *app) *cobra.Command {
	req := leanfleet.SimulateRequest{Seed: 1, Hosts: 100, Days: 30}
	var keep bool
	c := &cobra.Command{
		Use:     "demo",
		GroupID: groupSetup,
		Short:   "A simulated fleet, stored and measured, in under a minute",
		Long: `Simulates a fleet, stores it in a directory of its own, and shows what leanfleet
answers about it. With --data the directory is kept, so that you can ask on.`,
		Example: "  leanfleet demo\n  leanfleet demo --data demo && leanfleet top --data demo",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if !a.forPeople() {
				return usage(errors.New("the demo is for people; -o json and csv are for the verbs it shows"))
			}
			keep = a.flags.data != ""
			if !keep {
				dir, err := os.MkdirTemp("", "leanfleet-demo-")
				if err != nil {
					return fmt.Errorf("make a directory for the demo: %w", err)
				}
				defer func() { _ = os.RemoveAll(dir) }() // it is in the system's temporary directory
				a.flags.data = dir
			}
			if err := a.demo(c, &req); err != nil {
				return err
			}
			if keep {
				fmt.Fprintf(a.out, "\nThe fleet is kept in %s. Ask on, for example:\n  leanfleet top --data %s --metric memory_usage\n", a.flags.data, a.flags.data)
			} else {
				fmt.Fprintln(a.out, "\nNothing was kept. To keep the fleet and ask on: leanfleet demo --data DIR")
			}
			return nil
		},
	}
	f := c.Flags()
	f.IntVar(&req.Hosts, "hosts", req.Hosts, "`number` of hosts")
	f.IntVar(&req.Days, "days", req.Days, "`number` of days")
	f.Uint64Var(&req.Seed, "seed", req.Seed, "`number` that chooses the fleet")
	return c
}

// demo simulates, then asks what a user would ask first.
func (a *app) demo(c *cobra.Command, req *leanfleet.SimulateRequest) error {
	if a.config.Limit == 0 || a.config.Limit > 10 {
		a.config.Limit = 10
	}
	a.heading("A simulated fleet: %d hosts, %d days, a sample of every metric each minute", req.Hosts, req.Days)
	made, err := a.simulate(c, req)
	if err != nil {
		return err
	}
	if err := a.print(simulateAnswer(a, &made)); err != nil {
		return err
	}
	ctx := c.Context()
	scope := scopeFlags{scope: fleet.Scope{AsOf: made.Window.End, Range: fmt.Sprintf("%dd", req.Days)}}
	for _, part := range []func(context.Context, scopeFlags) error{a.demoHosts, a.demoStats, a.demoTrend, a.demoSize, a.demoCosts, a.demoSizing, a.demoLive} {
		if err := part(ctx, scope); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) heading(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if a.style.Color {
		text = "\x1b[1m" + text + "\x1b[0m"
	}
	fmt.Fprintf(a.out, "\n%s\n\n", text)
}

func (a *app) demoHosts(ctx context.Context, scope scopeFlags) error {
	a.heading("Some of the (simulated) hosts")
	r, err := ask[hosts.ListResult](ctx, a, "hosts", &hosts.ListRequest{AsOf: scope.scope.AsOf.Add(-time.Second)})
	if err != nil {
		return err
	}
	x := hostsAnswer(a, &r)
	view, err := x.table.View(report.View{Columns: "name,provider,region,instance_type,vcpus,memory_bytes,state,tags", Limit: 5})
	if err != nil {
		return err
	}
	return view.Write(a.out, report.FormatTable, a.style)
}

func (a *app) demoStats(ctx context.Context, scope scopeFlags) error {
	a.heading("What the (simulated) departments use: every raw sample, exact percentiles")
	began := time.Now()
	req := statistics.Request{Metric: "cpu_usage", Scope: scope.scope, GroupBy: []string{"dept"}}
	r, err := ask[statistics.Result](ctx, a, "stats", &req)
	if err != nil {
		return err
	}
	if err := a.print(statsAnswer(a, &req, &r, &scope)); err != nil {
		return err
	}
	var samples int64
	if r.Total != nil {
		samples = r.Total.Samples
	}
	fmt.Fprintf(a.out, "answered from %s in %s\n", plural(samples, "sample"), time.Since(began).Round(time.Millisecond))
	return nil
}

func (a *app) demoTrend(ctx context.Context, scope scopeFlags) error {
	a.heading("How memory developed in the (simulated) departments")
	req := statistics.TrendRequest{Metric: "memory_usage", Scope: scope.scope, GroupBy: []string{"dept"}}
	r, err := ask[statistics.TrendResult](ctx, a, "trend", &req)
	if err != nil {
		return err
	}
	if err := printSlopes(a, &req, &r); err != nil {
		return err
	}
	return plotTrend(a, &r, scope.location(a), "mean")
}

func (a *app) demoSize(ctx context.Context, _ scopeFlags) error {
	a.heading("What it takes on disk")
	r, err := ask[leanfleet.StatusResult](ctx, a, "status", &leanfleet.StatusRequest{})
	if err != nil {
		return err
	}
	if err := statusAnswer(a, &r).table.Write(a.out, report.FormatTable, a.style); err != nil {
		return err
	}
	days := float64(r.Store.Days)
	perHost := float64(r.Store.DayBytes) / float64(max(1, r.Store.Hosts)) / max(1, days) * 90
	fmt.Fprintf(a.out, "that is %s a host for 90 days of all metrics\n", report.FormatBytes(perHost))
	return nil
}

func (a *app) demoCosts(ctx context.Context, scope scopeFlags) error {
	a.heading("What the (simulated) departments cost, from the embedded list prices")
	w, err := fleet.ParseWindow(scope.scope.Range, scope.scope.AsOf, time.UTC)
	if err != nil {
		return err
	}
	r, err := ask[chargeback.Result](ctx, a, "chargeback", &chargeback.Request{
		Start: w.Start.Format(time.RFC3339), End: w.End.Format(time.RFC3339), AsOf: w.End, GroupBy: []string{"dept"}})
	if err != nil {
		return err
	}
	return a.print(chargebackAnswer(a, &r, false, scope.location(a)))
}

// demoSizing shows the ten best changes, and what a back-test on the same fleet
// says of such advice.
func (a *app) demoSizing(ctx context.Context, scope scopeFlags) error {
	a.heading("Which sizes would do: the ten (simulated) changes that save most")
	r, err := ask[rightsizing.Result](ctx, a, "rightsize", &rightsizing.Request{Scope: scope.scope, MinSavings: 0.2})
	if err != nil {
		return err
	}
	x := rightsizeAnswer(a, &r, false, scope.location(a))
	view, err := x.table.View(report.View{SortBy: "-monthly_savings", Limit: 10})
	if err != nil {
		return err
	}
	if err := view.Write(a.out, report.FormatTable, a.style); err != nil {
		return err
	}
	days := int(r.Window.Duration().Hours() / 24)
	if days < 8 {
		return nil // too short for a back-test
	}
	a.heading("What such advice was worth: the first %d days advise, the last %d judge", days-days/2, days/2)
	const day = 24 * time.Hour
	b, err := ask[rightsizing.BacktestResult](ctx, a, "backtest", &rightsizing.BacktestRequest{
		Request: rightsizing.Request{Scope: scope.scope}, Train: time.Duration(days-days/2) * day, Test: time.Duration(days/2) * day, Windows: 1,
		Policies: []string{"leanfleet", "aws-default", "max"}})
	if err != nil {
		return err
	}
	y := backtestAnswer(a, &b, scope.location(a))
	y.table.Notes = nil
	return y.table.Write(a.out, report.FormatTable, a.style)
}

// demoMetrics are those that the measured machine is shown with.
func demoMetrics() []string {
	return []string{"cpu_usage", "cpu_usage_peak", "memory_usage", "disk_usage", "network_receive_bytes_per_second", "disk_write_bytes_per_second"}
}

// demoLive measures this machine with the real collector and shows it beside
// the simulated fleet.
func (a *app) demoLive(ctx context.Context, scope scopeFlags) error {
	const lasts = 3 * time.Second
	a.heading("This very machine, measured for %s by the real collector, beside the (simulated) fleet", lasts)
	dir, err := os.MkdirTemp("", "leanfleet-demo-live-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	live := *a // its samples do not belong among simulated ones
	live.now, live.flags.data = time.Now, dir
	if err := live.measure(ctx, lasts); err != nil {
		fmt.Fprintf(a.out, "It cannot be measured: %v\n", err)
		return nil
	}
	t := &report.Table{Columns: []report.Column{
		{Key: "metric", Header: "metric"}, {Key: "here", Header: "here, mean", Align: report.AlignRight}, {Key: "here_max", Header: "max", Align: report.AlignRight},
		{Key: "fleet", Header: "(simulated) fleet, mean", Align: report.AlignRight}, {Key: "fleet_p95", Header: "p95", Align: report.AlignRight},
	}}
	for _, metric := range demoMetrics() {
		here, err := ask[statistics.Result](ctx, &live, "stats", &statistics.Request{Metric: metric, Scope: fleet.Scope{Range: "1h", AsOf: live.now()}})
		if err != nil {
			return err
		}
		all, err := ask[statistics.Result](ctx, a, "stats", &statistics.Request{Metric: metric, Scope: scope.scope})
		if err != nil {
			return err
		}
		if len(here.Groups) == 0 || len(all.Groups) == 0 {
			continue
		}
		h, f := &here.Groups[0].Figures, &all.Groups[0].Figures
		cell := func(v *float64) report.Value { return report.Text(figure(here.Unit, v, "").String()) }
		t.Rows = append(t.Rows, report.Row{report.Text(metric), cell(h.Mean), cell(h.Max), cell(f.Mean), cell(f.P95)})
	}
	t.Notes = []string{"\"leanfleet collect\" measures it every minute until stopped."}
	return t.Write(a.out, report.FormatTable, a.style)
}

// measure collects from this machine each second for a while.
func (a *app) measure(ctx context.Context, lasts time.Duration) (err error) {
	o := local.Options{Now: a.clock(), Interval: time.Second}
	c, err := local.New(o)
	if err != nil {
		return err
	}
	m, err := a.open(ctx, leanfleet.Operation{Writes: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	loop, err := collect.New(m, []collect.Task{{Name: "this machine", Collector: c}}, collect.Options{Now: o.Now, Interval: o.Interval})
	if err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(ctx, lasts)
	defer stop()
	return loop.Run(ctx)
}
