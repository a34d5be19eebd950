package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/report"
	"github.com/leanfleet/leanfleet/statistics"
)

func newStats(a *app) *cobra.Command {
	var req statistics.Request
	var scope scopeFlags
	var over string
	c := &cobra.Command{
		Use:     "stats",
		GroupID: groupAnswers,
		Short:   "Statistics of a metric over all samples, by group",
		Long: `Mean, median, p95, p99, minimum, maximum and standard deviation of a metric over
every raw sample in a window, by group. Quantiles are exact for ratios, loads
and counts, and within 0.5 % for rates and absolute figures.`,
		Example: `  leanfleet stats --metric cpu_usage --range 28d --group-by dept
  leanfleet stats --metric cpu_usage --hours "mon-fri 09:00-17:00" --timezone Europe/Berlin
  leanfleet stats --metric cpu_cores_used --peaks --group-by dept,env -l provider=aws
  leanfleet stats --metric memory_usage --over hosts --percentile 90,99.9 -o json`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var err error
			if req.Scope, err = scope.resolve(a); err != nil {
				return err
			}
			req.GroupBy = list(req.GroupBy)
			req.Over = statistics.Over(over)
			a.statisticsDefaults(&req.Over, &req.Percentiles)
			result, err := ask[statistics.Result](c.Context(), a, "stats", &req)
			if err != nil {
				return err
			}
			return a.print(statsAnswer(a, &req, &result, &scope), narrowFigures("")...)
		},
	}
	scope.add(c, statistics.DefaultRange)
	metricFlag(c, &req.Metric)
	groupFlag(c, &req.GroupBy)
	overFlags(c, &over, &req.Percentiles)
	c.Flags().BoolVar(&req.Distribution, "distribution", false, "add the time spent at each value")
	c.Flags().BoolVar(&req.Peaks, "peaks", false, "add the sum of the hosts' peaks and the peak of their sum")
	return c
}

func metricFlag(c *cobra.Command, metric *string) {
	c.Flags().StringVar(metric, "metric", fleet.CPUUsage.Name, "`name` of the metric; docs/metrics.md lists them")
	_ = c.RegisterFlagCompletionFunc("metric", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		var names []string
		for _, m := range fleet.CanonicalMetrics().All() {
			names = append(names, m.Name+"\t"+m.Description)
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	})
}

func overFlags(c *cobra.Command, over *string, percentiles *[]float64) {
	c.Flags().StringVar(over, "over", "", "weigh `time` (every sample its step) or hosts (each host's mean)")
	c.Flags().Float64SliceVar(percentiles, "percentile", nil, "further percentiles, such as `90,99.9`")
}

// statisticsDefaults fills in what the configuration says.
func (a *app) statisticsDefaults(over *statistics.Over, percentiles *[]float64) {
	if *over == "" {
		*over = statistics.Over(a.config.Statistics.Over)
	}
	if *percentiles == nil {
		for _, p := range a.config.Statistics.Percentiles {
			*percentiles = append(*percentiles, float64(p))
		}
	}
}

func statsAnswer(a *app, req *statistics.Request, r *statistics.Result, scope *scopeFlags) answer {
	loc := scope.location(a)
	t := &report.Table{
		Title:   fmt.Sprintf("%s over %s, %s", r.Metric, r.Over, window(r.Window, loc)) + simulatedLabel(r.Simulated),
		Columns: append(groupColumns(req.GroupBy), report.Column{Key: "hosts", Header: "hosts", Kind: report.KindInteger}),
	}
	hosts := 0
	var keys []fleet.GroupKey
	for i := range r.Groups {
		hosts += r.Groups[i].Hosts
		keys = append(keys, r.Groups[i].Group)
	}
	t.Notes = slices.Concat(a.dataNote(r.Data, r.Window, hosts, r.Metric, req.Select, loc), groupNotes(req.GroupBy, keys),
		a.blackoutNotes(r.Window, loc), damageNotes(r.Damaged))
	var percentiles []statistics.Percentile
	if len(r.Groups) > 0 {
		percentiles = r.Groups[0].Percentiles
	}
	t.Columns = append(t.Columns, figureColumns(r.Unit, percentiles)...)
	if req.Peaks {
		kind := kindOf(r.Unit)
		t.Columns = append(t.Columns,
			report.Column{Key: "sum_of_peaks", Header: "sum of peaks", Kind: kind},
			report.Column{Key: "peak_of_sum", Header: "peak of sum", Kind: kind},
			report.Column{Key: "peak_at", Header: "peak at"})
	}
	row := func(begin report.Row, g *statistics.Group) report.Row {
		begin = append(begin, report.Integer(int64(g.Hosts)))
		begin = append(begin, figureCells(r.Unit, &g.Figures)...)
		if req.Peaks {
			begin = append(begin, peakCells(r.Unit, g)...)
		}
		return begin
	}
	for i := range r.Groups {
		t.Rows = append(t.Rows, row(groupCells(r.Groups[i].Group), &r.Groups[i]))
	}
	if r.Total != nil {
		t.Totals = append(t.Totals, row(totalCells(req.GroupBy), r.Total))
	}
	var lacking int64
	for i := range r.Groups {
		lacking += r.Groups[i].WithoutCapacity
	}
	if lacking > 0 {
		t.Notes = append(t.Notes, plural(lacking, "sample")+" left out: the size of the host at that time is unknown; give vcpus and memory_bytes or instance_type in an inventory.")
	}
	if r.QuantileError > 0 {
		t.Notes = append(t.Notes, quantileNote(r.Metric, r.QuantileError))
	}
	t.Notes = append(t.Notes, rankNote(r.RankError)...)
	return answer{result: r, rows: r.Groups, table: t, after: func() error { return printDistributions(a, r) }}
}

// quantileNote says how exact quantiles are.
func quantileNote(metric string, bound float64) string {
	s := fmt.Sprintf("Quantiles are within %s of the exact ones", report.FormatRatio(bound))
	if m, err := fleet.CanonicalMetrics().Lookup(metric); err == nil && m.Derived() {
		s += fmt.Sprintf("; %s is stored, rounded to 0.01 %% of the capacity", m.Ratio)
	}
	return s + "."
}

func peakCells(unit fleet.Unit, g *statistics.Group) report.Row {
	if g.Peaks == nil {
		return report.Row{report.Unknown(g.Reason), report.Unknown(g.Reason), report.Unknown(g.Reason)}
	}
	return report.Row{figure(unit, g.Peaks.SumOfPeaks, g.Reason), figure(unit, g.Peaks.PeakOfSum, g.Reason), text(g.Peaks.PeakAt)}
}

// figureColumns are the columns of figures, in the order of figureCells.
func figureColumns(unit fleet.Unit, percentiles []statistics.Percentile) []report.Column {
	kind, name := kindOf(unit), ""
	if kind == report.KindNumber {
		name = string(unit)
	}
	column := func(key string) report.Column { return report.Column{Key: key, Header: key, Kind: kind, Unit: name} }
	out := []report.Column{
		{Key: "samples", Header: "samples", Kind: report.KindInteger},
		{Key: "coverage", Header: "coverage", Kind: report.KindRatio},
		column("mean"), column("median"), column("p95"), column("p99"),
	}
	for _, p := range percentiles {
		out = append(out, column(p.Name()))
	}
	deviation := column("stddev")
	deviation.Wide = true
	return append(out, column("min"), column("max"), deviation)
}

func figureCells(unit fleet.Unit, f *statistics.Figures) report.Row {
	coverage := f.Reason
	if f.Coverage == nil && coverage == "" {
		coverage = statistics.ReasonNoLifetime
	}
	row := report.Row{
		report.Integer(f.Samples), ratio(f.Coverage, coverage),
		figure(unit, f.Mean, f.Reason), figure(unit, f.Median, f.Reason),
		figure(unit, f.P95, f.Reason), figure(unit, f.P99, f.Reason),
	}
	for _, p := range f.Percentiles {
		row = append(row, figure(unit, p.Value, f.Reason))
	}
	return append(row, figure(unit, f.Min, f.Reason), figure(unit, f.Max, f.Reason), figure(unit, f.StdDev, f.Reason))
}

// distributionBars is how many bars a printed distribution has at most.
const distributionBars = 20

// printDistributions draws each group's distribution as bars of equal width.
func printDistributions(a *app, r *statistics.Result) error {
	for _, g := range r.Groups {
		if len(g.Distribution) == 0 {
			continue
		}
		title := "distribution"
		if len(g.Group) > 0 {
			title += " of " + g.Group.String()
		}
		t := &report.Table{Title: title, Columns: []report.Column{
			{Key: "from", Header: "from", Kind: kindOf(r.Unit)}, {Key: "to", Header: "below", Kind: kindOf(r.Unit)},
			{Key: "share", Header: "time", Kind: report.KindRatio}, {Key: "bar", Header: "", Decoration: true},
		}}
		lo, hi := g.Distribution[0].Value, g.Distribution[len(g.Distribution)-1].Value
		width := (hi - lo) / distributionBars
		shares := make([]float64, distributionBars)
		for _, b := range g.Distribution {
			i := 0
			if width > 0 {
				i = min(distributionBars-1, int((b.Value-lo)/width))
			}
			shares[i] += b.Share
		}
		for i, s := range shares {
			from, to := lo+float64(i)*width, lo+float64(i+1)*width
			t.Rows = append(t.Rows, report.Row{figure(r.Unit, &from, ""), figure(r.Unit, &to, ""), report.Ratio(s), report.Text(a.style.Bar(s, 30))})
			if width == 0 {
				break
			}
		}
		fmt.Fprintln(a.out)
		if err := t.Write(a.out, report.FormatTable, a.style); err != nil {
			return err
		}
	}
	return nil
}
