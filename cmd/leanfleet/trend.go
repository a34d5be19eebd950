package main

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/report"
	"github.com/leanfleet/leanfleet/statistics"
)

func newTrend(a *app) *cobra.Command {
	var req statistics.TrendRequest
	var scope scopeFlags
	var over, show string
	c := &cobra.Command{
		Use:     "trend",
		GroupID: groupAnswers,
		Short:   "How a metric developed, by calendar steps and group",
		Long: `A metric by hour, day, week or month of the calendar in a time zone, with the
slope of each group, its 95 % interval, and the change against the window of
the same length before. On a terminal a plot comes with it.`,
		Example: `  leanfleet trend --metric memory_usage --range 90d --step 1d --group-by dept
  leanfleet trend --metric cpu_usage --range last-month --step 1w --timezone Asia/Kolkata
  leanfleet trend --metric cpu_usage --step 1h --range 2d --show p95 -o csv
  leanfleet trend --metric cpu_usage_peak --step 5m --range 6h -l name=web-1`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var err error
			if req.Scope, err = scope.resolve(a); err != nil {
				return err
			}
			req.GroupBy = list(req.GroupBy)
			req.Over = statistics.Over(over)
			a.statisticsDefaults(&req.Over, &req.Percentiles)
			if _, ok := plotted(&statistics.Figures{}, show); !ok {
				return usage(fmt.Errorf("--show %q: use mean, median, p95, p99, min or max", show))
			}
			result, err := ask[statistics.TrendResult](c.Context(), a, "trend", &req)
			if err != nil {
				return err
			}
			return a.print(trendAnswer(a, &req, &result, scope.location(a), show), narrowFigures(show)...)
		},
	}
	scope.add(c, statistics.DefaultTrendRange)
	metricFlag(c, &req.Metric)
	groupFlag(c, &req.GroupBy)
	overFlags(c, &over, &req.Percentiles)
	c.Flags().StringVar(&req.Step, "step", string(fleet.StepDay), "`length` of a step: 1h, 1d, 1w or 1mo, or a part of an hour: 15m, 5m, 1m, 10s")
	c.Flags().StringVar(&show, "show", "mean", "`figure` that is plotted: mean, median, p95, p99, min or max")
	return c
}

func trendAnswer(a *app, req *statistics.TrendRequest, r *statistics.TrendResult, loc *time.Location, show string) answer {
	t := &report.Table{
		Title:   fmt.Sprintf("%s by %s, over %s, %s", r.Metric, r.Step, r.Over, window(r.Window, loc)) + simulatedLabel(r.Simulated),
		Columns: append(groupColumns(req.GroupBy), report.Column{Key: "start", Header: "start", Kind: report.KindTime}, report.Column{Key: "hosts", Header: "hosts", Kind: report.KindInteger}),
	}
	hosts := 0
	var keys []fleet.GroupKey
	for _, g := range r.Groups {
		keys = append(keys, g.Group)
		for i := range g.Points {
			hosts = max(hosts, g.Points[i].Hosts)
		}
	}
	t.Notes = slices.Concat(a.dataNote(r.Data, r.Window, hosts, r.Metric, req.Select, loc), groupNotes(req.GroupBy, keys),
		a.blackoutNotes(r.Window, loc), damageNotes(r.Damaged), rankNote(r.RankError))
	var percentiles []statistics.Percentile
	if len(r.Groups) > 0 && len(r.Groups[0].Points) > 0 {
		percentiles = r.Groups[0].Points[0].Percentiles
	}
	t.Columns = append(t.Columns, onlyWide(figureColumns(r.Unit, percentiles), "", "samples")...)
	first := a.newestSteps(r, t)
	for _, g := range r.Groups {
		for i := first; i < len(g.Points); i++ {
			p := &g.Points[i]
			row := append(groupCells(g.Group), report.Time(p.Start.In(loc)), report.Integer(int64(p.Hosts)))
			t.Rows = append(t.Rows, append(row, figureCells(r.Unit, &p.Figures)...))
		}
	}
	return answer{result: r, rows: r.Groups, table: t, after: func() error {
		if err := printSlopes(a, req, r); err != nil {
			return err
		}
		return plotTrend(a, r, loc, show)
	}}
}

// newestSteps is the first step that a table shows: where there are more rows
// than the limit, each group's newest ones.
func (a *app) newestSteps(r *statistics.TrendResult, t *report.Table) int {
	if len(r.Groups) == 0 || a.config.Limit == 0 || !a.forPeople() || a.flags.sortBy != "" {
		return 0
	}
	steps := len(r.Groups[0].Points)
	show := max(1, a.config.Limit/len(r.Groups))
	if show >= steps || show*len(r.Groups) > a.config.Limit {
		return 0
	}
	t.Notes = append(t.Notes, fmt.Sprintf("The newest %s of each group of %d; --limit 0 shows all.", plural(int64(show), "step"), steps))
	return steps - show
}

// printSlopes prints a line a group: where it is going.
func printSlopes(a *app, req *statistics.TrendRequest, r *statistics.TrendResult) error {
	kind := kindOf(r.Unit)
	t := &report.Table{Columns: append(groupColumns(req.GroupBy),
		report.Column{Key: "mean", Header: "mean", Kind: kind},
		report.Column{Key: "previous_mean", Header: "window before", Kind: kind},
		report.Column{Key: "change", Header: "change", Kind: report.KindRatio},
		report.Column{Key: "slope_per_day", Header: "slope a day"},
		report.Column{Key: "interval", Header: "95 % interval"},
	)}
	for _, g := range r.Groups {
		row := append(groupCells(g.Group), figure(r.Unit, g.Mean, statistics.ReasonNoSamples),
			figure(r.Unit, g.PreviousMean, statistics.ReasonNoSamples), ratio(g.Change, "no_window_before"))
		interval := report.Unknown("few_points")
		if g.SlopeLow != nil {
			interval = report.Text(slopeText(r.Unit, *g.SlopeLow) + " to " + slopeText(r.Unit, *g.SlopeHigh))
		}
		slope := report.Unknown("few_points")
		if g.SlopePerDay != nil {
			slope = report.Text(slopeText(r.Unit, *g.SlopePerDay))
		}
		t.Rows = append(t.Rows, append(row, slope, interval))
	}
	fmt.Fprintln(a.out)
	return t.Write(a.out, report.FormatTable, a.style)
}

// slopeText prints a slope with its sign; ratios in points of percent.
func slopeText(unit fleet.Unit, v float64) string {
	sign := "+"
	if v < 0 {
		sign = "-"
	}
	v = math.Abs(v)
	switch unit {
	case fleet.UnitRatio:
		return fmt.Sprintf("%s%.3f points", sign, v*100)
	case fleet.UnitBytes:
		return sign + report.FormatBytes(v)
	case fleet.UnitBytesPerSecond:
		return sign + report.FormatByteRate(v)
	}
	return sign + report.FormatNumber(v, 3)
}

// maxPlotted is how many groups a plot can show and still be read.
const maxPlotted = 6

func plotTrend(a *app, r *statistics.TrendResult, loc *time.Location, show string) error {
	if len(r.Groups) == 0 || r.Data != nil || len(r.Groups[0].Points) < 2 {
		return nil
	}
	spec := report.PlotSpec{Title: show + " of " + r.Metric, Kind: kindOf(r.Unit), Tight: true}
	if spec.Kind == report.KindNumber {
		spec.Unit = string(r.Unit)
	}
	var times []time.Time
	for _, p := range r.Groups[0].Points {
		times = append(times, p.Start)
	}
	spec.Labels = report.TimeLabels(times, loc)
	for _, g := range r.Groups[:min(maxPlotted, len(r.Groups))] {
		s := report.PlotSeries{Name: g.Group.String()}
		if s.Name == "" {
			s.Name = "all hosts"
		}
		for i := range g.Points {
			v, _ := plotted(&g.Points[i].Figures, show)
			if v == nil {
				s.Values = append(s.Values, math.NaN())
				continue
			}
			s.Values = append(s.Values, *v)
		}
		spec.Series = append(spec.Series, s)
	}
	fmt.Fprintln(a.out)
	if err := report.Plot(a.out, a.style, spec); err != nil {
		return err
	}
	if n := len(r.Groups) - maxPlotted; n > 0 {
		fmt.Fprintf(a.out, "%s more not plotted; choose with -l\n", plural(int64(n), "group"))
	}
	return nil
}

// plotted is a figure by its name.
func plotted(f *statistics.Figures, show string) (*float64, bool) {
	switch show {
	case "mean":
		return f.Mean, true
	case "median":
		return f.Median, true
	case "p95":
		return f.P95, true
	case "p99":
		return f.P99, true
	case "min":
		return f.Min, true
	case "max":
		return f.Max, true
	}
	return nil, false
}
