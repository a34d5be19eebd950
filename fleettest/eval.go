package fleettest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/hosts"
	"github.com/leanfleet/leanfleet/statistics"
)

// question is the words of an eval line.
type question struct {
	scope       fleet.Scope
	metric      string
	by          []string
	over        statistics.Over
	percentiles []float64
	step        string
	rank        string
	limit       int
	flags       map[string]bool
	host        string
	show        []string // nil: all
}

// eval answers a question with lines.
func (s *script) eval(args []string) ([]string, error) {
	if len(args) == 0 {
		return nil, errors.New("eval stats|trend|top|hosts|history")
	}
	q := question{flags: map[string]bool{}}
	for _, a := range args[1:] {
		if err := q.read(a); err != nil {
			return nil, fmt.Errorf("%s: %w", a, err)
		}
	}
	switch args[0] {
	case "stats":
		return s.stats(&q)
	case "trend":
		return s.trend(&q)
	case "top":
		return s.top(&q)
	case "hosts":
		return s.hosts(&q)
	case "history":
		return s.history(&q)
	}
	return nil, fmt.Errorf("unknown question %q: use stats, trend, top, hosts or history", args[0])
}

func (q *question) read(word string) (err error) {
	key, v, valued := strings.Cut(word, "=")
	switch {
	case !valued && slices.Contains([]string{"distribution", "peaks", "lowest", "partial"}, key):
		q.flags[key] = true
		q.scope.Partial = q.flags["partial"]
		return nil
	case !valued:
		return errors.New("use KEY=VALUE, distribution, peaks, lowest or partial")
	}
	switch key {
	case "metric":
		q.metric = v
	case "range":
		q.scope.Range = v
	case "as-of":
		q.scope.AsOf, err = fleet.ParseTime(v, nil)
	case "select":
		q.scope.Select = v
	case "timezone":
		q.scope.Timezone = v
	case "hours":
		q.scope.Hours = v
	case "group-by":
		q.by = strings.Split(v, ",")
	case "over":
		q.over = statistics.Over(v)
	case "percentile":
		for x := range strings.SplitSeq(v, ",") {
			var p float64
			if p, err = strconv.ParseFloat(x, 64); err != nil {
				break
			}
			q.percentiles = append(q.percentiles, p)
		}
	case "step":
		q.step = v
	case "by":
		q.rank = v
	case "limit":
		q.limit, err = strconv.Atoi(v)
	case "host":
		q.host = v
	case "show":
		q.show = strings.Split(v, ",")
	default:
		err = errors.New("unknown word")
	}
	return err
}

// field is a named figure as it is printed.
type field struct{ name, text string }

func number(name string, v *float64) field {
	if v == nil {
		return field{name, "-"}
	}
	return field{name, showFloat(*v)}
}

func whole(name string, n int64) field { return field{name, strconv.FormatInt(n, 10)} }

func figureFields(f *statistics.Figures) []field {
	out := []field{whole("samples", f.Samples), number("coverage", f.Coverage), number("mean", f.Mean), number("median", f.Median), number("p95", f.P95), number("p99", f.P99)}
	for _, p := range f.Percentiles {
		out = append(out, number(p.Name(), p.Value))
	}
	out = append(out, number("min", f.Min), number("max", f.Max), number("stddev", f.StdDev))
	if f.WithoutCapacity > 0 {
		out = append(out, whole("without_capacity", f.WithoutCapacity))
	}
	if f.Reason != "" {
		out = append(out, field{"reason", f.Reason})
	}
	return out
}

// line prints the fields that are to be shown behind a heading, and always the
// reason for unknown ones; "" when none is to be shown.
func (q *question) line(heading string, list []field) string {
	var out []string
	shown := false
	for _, f := range list {
		wanted := q.show == nil || slices.Contains(q.show, f.name)
		shown = shown || wanted
		if wanted || f.name == "reason" {
			out = append(out, f.name+"="+f.text)
		}
	}
	if !shown {
		return ""
	}
	return heading + " " + strings.Join(out, " ")
}

func heading(k fleet.GroupKey) string {
	if len(k) == 0 {
		return "all"
	}
	return k.String()
}

func (q *question) appendLine(out []string, heading string, list []field) []string {
	if l := q.line(heading, list); l != "" {
		out = append(out, l)
	}
	return out
}

// tail tells of an answer without samples what is stored, and what was damaged.
func tail(out []string, data *fleet.Window, damaged []fleet.Damage) []string {
	if data != nil {
		out = append(out, "data "+showWindow(*data))
	}
	for _, d := range damaged {
		out = append(out, "damaged "+d.Day+" "+d.Reason)
	}
	return out
}

func (s *script) stats(q *question) ([]string, error) {
	r, err := statistics.Fleet(s.ctx, s.env, statistics.Request{
		Metric: q.metric, Scope: q.scope, GroupBy: q.by, Over: q.over, Percentiles: q.percentiles,
		Distribution: q.flags["distribution"], Peaks: q.flags["peaks"],
	})
	if err != nil {
		return nil, err
	}
	var out []string
	if slices.Contains(q.show, "window") {
		out = append(out, "window "+showWindow(r.Window))
	}
	if slices.Contains(q.show, "quantile_error") {
		out = append(out, "quantile_error "+showFloat(r.QuantileError))
	}
	for i := range r.Groups {
		out = q.appendLine(out, heading(r.Groups[i].Group), groupFields(&r.Groups[i]))
	}
	if r.Total != nil {
		out = q.appendLine(out, "total", groupFields(r.Total))
	}
	return tail(out, r.Data, r.Damaged), nil
}

func groupFields(g *statistics.Group) []field {
	out := append([]field{whole("hosts", int64(g.Hosts))}, figureFields(&g.Figures)...)
	if g.Peaks != nil {
		out = append(out, number("sum_of_peaks", g.Peaks.SumOfPeaks), number("peak_of_sum", g.Peaks.PeakOfSum),
			field{"peak_at", g.Peaks.PeakAt}, field{"grid", showFloat(g.Peaks.GridSeconds) + "s"})
	}
	if g.Distribution != nil {
		var bins []string
		for _, b := range g.Distribution {
			bins = append(bins, showFloat(b.Value)+":"+showFloat(b.Share))
		}
		out = append(out, field{"distribution", strings.Join(bins, ",")})
	}
	return out
}

func (s *script) trend(q *question) ([]string, error) {
	r, err := statistics.Trend(s.ctx, s.env, statistics.TrendRequest{
		Metric: q.metric, Scope: q.scope, Step: q.step, GroupBy: q.by, Over: q.over, Percentiles: q.percentiles,
	})
	if err != nil {
		return nil, err
	}
	var out []string
	for i := range r.Groups {
		g := &r.Groups[i]
		for j := range g.Points {
			p := &g.Points[j]
			out = q.appendLine(out, heading(g.Group)+" "+showTime(p.Start), append([]field{whole("hosts", int64(p.Hosts))}, figureFields(&p.Figures)...))
		}
		out = q.appendLine(out, heading(g.Group), []field{
			number("slope_per_day", g.SlopePerDay), number("slope_low", g.SlopeLow), number("slope_high", g.SlopeHigh),
			number("window_mean", g.Mean), number("previous_mean", g.PreviousMean), number("change", g.Change),
		})
	}
	return tail(out, r.Data, r.Damaged), nil
}

func (s *script) top(q *question) ([]string, error) {
	r, err := statistics.Top(s.ctx, s.env, statistics.TopRequest{Metric: q.metric, Scope: q.scope, By: q.rank, Lowest: q.flags["lowest"], Limit: q.limit})
	if err != nil {
		return nil, err
	}
	var out []string
	for i := range r.Hosts {
		h := &r.Hosts[i]
		out = q.appendLine(out, h.Name, append([]field{{"host", string(h.Host)}}, figureFields(&h.Figures)...))
	}
	if r.Of > len(r.Hosts) {
		out = append(out, fmt.Sprintf("and %d more", r.Of-len(r.Hosts)))
	}
	return tail(out, r.Data, r.Damaged), nil
}

func (s *script) hosts(q *question) ([]string, error) {
	r, err := hosts.List(s.ctx, s.env, hosts.ListRequest{Select: q.scope.Select, AsOf: q.scope.AsOf})
	var out []string
	for i := range r.Hosts {
		out = append(out, showFields(&r.Hosts[i]))
	}
	return out, err
}

func (s *script) history(q *question) ([]string, error) {
	r, err := hosts.History(s.ctx, s.env, s.engine, hosts.HistoryRequest{Host: q.host, AsOf: q.scope.AsOf})
	var out []string
	for _, e := range r.Writes {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", showTime(e.At), e.Who, e.Action, e.Why)))
		for _, c := range e.Changes {
			out = append(out, fmt.Sprintf("- %s %s %q to %q from %s", c.Kind, c.Field, c.From, c.To, showTime(c.Effective)))
		}
	}
	return out, err
}

// showFields prints a record with what is known of it:
//
//	web-1@2024-01-01T12:00 type=aws/us-east-1/m5.large vcpus=2 memory=8GiB dept=eng
func showFields(r *fleet.Record) string {
	out := []string{showRecord(r)}
	add := func(name, v string) {
		if v != "" {
			out = append(out, name+"="+v)
		}
	}
	if r.Name != string(r.Host) {
		add("name", r.Name)
	}
	if r.InstanceType != "" {
		add("type", strings.Trim(r.Provider+"/"+r.Region+"/"+r.InstanceType, "/"))
	}
	if r.Capacity.VCPUs > 0 {
		add("vcpus", showFloat(r.Capacity.VCPUs))
	}
	if r.Capacity.MemoryBytes > 0 {
		add("memory", showFloat(float64(r.Capacity.MemoryBytes)/gib)+"GiB")
	}
	add("state", string(r.State))
	for _, k := range slices.Sorted(maps.Keys(r.Tags)) {
		add(k, r.Tags[k])
	}
	if !r.Seen.IsZero() {
		add("seen", showWindow(r.Seen))
	}
	return strings.Join(out, " ")
}
