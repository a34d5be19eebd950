package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/internal/config"
	"github.com/leanfleet/leanfleet/internal/report"
)

func newSimulate(a *app) *cobra.Command {
	req := leanfleet.SimulateRequest{Seed: 1, Hosts: 100, Days: 30}
	var interval, start string
	c := &cobra.Command{
		Use:     "simulate",
		GroupID: groupData,
		Short:   "Store a synthetic fleet, labelled simulated",
		Long: `A deterministic synthetic fleet: idle hosts with steady agents, office hours,
nightly batch, busy, growing, bursty, leaking; tags that change mid-month,
resizes, stops. At least as rough as real traces, so that it flatters nobody.
What is true of it but hidden from its samples is written beside the data.`,
		Example: `  leanfleet simulate --hosts 1000 --days 30 --data fleet
  leanfleet simulate --seed 7 --mix idle=50,office=30,busy=20 --timezone Europe/Berlin`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var err error
			if req.Start, err = a.time("--start", start); err != nil {
				return err
			}
			if interval != "" {
				d, err := config.ParseDuration(interval)
				if err != nil {
					return usage(fmt.Errorf("--interval: %w", err))
				}
				req.Interval = time.Duration(d)
			}
			if err := a.checkNames(simulateAnswer(a, &leanfleet.SimulateResult{})); err != nil {
				return err
			}
			result, err := a.simulate(c, &req)
			if err != nil {
				return err
			}
			return a.print(simulateAnswer(a, &result))
		},
	}
	f := c.Flags()
	f.Uint64Var(&req.Seed, "seed", req.Seed, "`number` that chooses the fleet")
	f.IntVar(&req.Hosts, "hosts", req.Hosts, "`number` of hosts")
	f.IntVar(&req.Days, "days", req.Days, "`number` of days")
	f.StringVar(&interval, "interval", "", "`time` between samples (default 60s)")
	f.StringVar(&start, "start", "", "first `day` (default: so that the last day is yesterday)")
	f.StringVar(&req.Timezone, "timezone", "", "IANA `zone` of offices and nightly jobs (default UTC)")
	f.StringVar(&req.Mix, "mix", "", "weight of each kind, such as `idle=40,web=10`")
	return c
}

// simulate runs the operation with a progress bar.
func (a *app) simulate(c *cobra.Command, req *leanfleet.SimulateRequest) (leanfleet.SimulateResult, error) {
	bar := a.progress("simulating")
	req.Progress = func(done, total int64) {
		if done == total {
			bar.phase("sealing")
			return
		}
		bar.items(done, total)
	}
	result, err := ask[leanfleet.SimulateResult](c.Context(), a, "simulate", req)
	bar.done()
	return result, err
}

func simulateAnswer(a *app, r *leanfleet.SimulateResult) answer {
	t := &report.Table{Columns: []report.Column{{Key: "what", Header: "simulated"}, {Key: "count", Header: "count", Kind: report.KindInteger}}}
	t.Rows = []report.Row{
		{report.Text("hosts"), report.Integer(int64(r.Hosts))},
		{report.Text("samples inserted"), report.Integer(r.Stored.Inserted)},
		{report.Text("samples changed"), report.Integer(r.Stored.Changed)},
		{report.Text("samples unchanged"), report.Integer(r.Stored.Unchanged)},
	}
	t.Notes = []string{
		"The samples cover " + window(r.Window, a.location()) + ".",
		"What is true of this fleet is in " + r.Truth + ".",
		fmt.Sprintf("done in %s, %s samples a second", time.Duration(r.Seconds*float64(time.Second)).Round(10*time.Millisecond),
			report.FormatCount(int64(float64(r.Stored.Inserted)/max(r.Seconds, 0.001)))),
	}
	return answer{result: r, rows: []*leanfleet.SimulateResult{r}, table: t}
}
