package source_test

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/fleettest"
	"github.com/leanfleet/leanfleet/internal/store"
	"github.com/leanfleet/leanfleet/internal/zones"
	"github.com/leanfleet/leanfleet/prom/source"
	"github.com/leanfleet/leanfleet/statistics"
)

// Answers from a grid of quantiles say how far they may be off, and keep to it:
// each percentile lies between the exact ones of the embedded store, loaded with
// the same, so far below and above it. What was read exactly says nothing, and is
// equal.
func TestAnswersSayTheirRankError(t *testing.T) {
	t.Parallel()
	st, err := store.Open(t.Context(), store.Options{Dir: t.TempDir(), Metrics: fleettest.Metrics()})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	fill(t, st, 5, 3, time.Minute)
	for name, open := range map[string]func(testing.TB) writer{
		"VictoriaMetrics": func(t testing.TB) writer { return newVictoria(t) },
		"Prometheus":      func(t testing.TB) writer { return newPrometheus(t) },
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t)
			e := newEngine(t, w, source.Options{Method: source.MethodGrid})
			fill(t, e, 5, 3, time.Minute)
			grid := e.current()
			e.options.Method = source.MethodExact
			e.changed()
			exact := e.current()
			bound := 0.0075
			if name == "Prometheus" {
				bound = 0.0525
			}
			for _, metric := range []string{"cpu_cores_used", "disk_read_ops_per_second"} {
				compareAnswers(t, metric, bound, st, grid)
			}
			compareAnswers(t, "cpu_usage", 0, st, exact)
		})
	}
}

// asked are the percentiles that are compared.
var asked = []float64{0.5, 2, 5, 10, 25, 40, 60, 75, 90, 96, 97, 98, 99.5, 99.9, 100}

// compareAnswers asks both for statistics, a trend and a ranking.
func compareAnswers(t *testing.T, metric string, bound float64, store, engine fleet.Source) {
	t.Helper()
	env := func(s fleet.Source) fleet.Environment {
		return fleet.Environment{Source: s, Metrics: fleettest.Metrics(), Now: begin.AddDate(0, 0, 3), Zone: zones.Load}
	}
	scope := fleet.Scope{Range: "3d"}
	stats := func(s fleet.Source, more []float64) statistics.Result {
		r, err := statistics.Fleet(t.Context(), env(s), statistics.Request{Metric: metric, Scope: scope, GroupBy: []string{"dept"}, Percentiles: more})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	trend := func(s fleet.Source, more []float64) statistics.TrendResult {
		r, err := statistics.Trend(t.Context(), env(s), statistics.TrendRequest{Metric: metric, Scope: scope, Percentiles: more})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	got, more := stats(engine, asked), between(bound)
	want := stats(store, more)
	if math.Abs(got.RankError-bound) > 1e-9 || want.RankError != 0 {
		t.Fatalf("%s: the rank error is %v, want %v; of the store it is %v", metric, got.RankError, bound, want.RankError)
	}
	says(t, got, bound > 0)
	says(t, want, false)
	if len(got.Groups) != len(want.Groups) {
		t.Fatalf("%s: %d groups, want %d", metric, len(got.Groups), len(want.Groups))
	}
	for i := range got.Groups {
		within(t, metric+" of "+want.Groups[i].Group.String(), bound, got.QuantileError, &got.Groups[i].Figures, &want.Groups[i].Figures)
	}
	within(t, metric+" of all", bound, got.QuantileError, &got.Total.Figures, &want.Total.Figures)

	days, exactDays := trend(engine, asked), trend(store, more)
	if math.Abs(days.RankError-bound) > 1e-9 || exactDays.RankError != 0 {
		t.Errorf("%s by day: the rank error is %v, want %v", metric, days.RankError, bound)
	}
	says(t, days, bound > 0)
	for i := range days.Groups[0].Points {
		p, x := &days.Groups[0].Points[i], &exactDays.Groups[0].Points[i]
		within(t, metric+" on "+p.Start.String(), bound, days.QuantileError, &p.Figures, &x.Figures)
	}

	top, err := statistics.Top(t.Context(), env(engine), statistics.TopRequest{Metric: metric, Scope: scope})
	if err != nil || math.Abs(top.RankError-bound) > 1e-9 || len(top.Hosts) != 5 {
		t.Errorf("%s ranked: %d hosts, the rank error is %v, want %v; error %v", metric, len(top.Hosts), top.RankError, bound, err)
	}
	says(t, top, bound > 0)
	// Means of hosts are exact.
	hosts, err := statistics.Fleet(t.Context(), env(engine), statistics.Request{Metric: metric, Scope: scope, Over: statistics.OverHosts})
	if err != nil || hosts.RankError != 0 {
		t.Errorf("%s over hosts: the rank error is %v; error %v", metric, hosts.RankError, err)
	}
}

// says checks whether an answer in JSON has a rank error.
func says(t *testing.T, answer any, want bool) {
	t.Helper()
	text, err := json.Marshal(answer)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), `"rank_error":0.0`) != want {
		t.Errorf("rank_error in JSON should be there: %v: %s", want, text)
	}
}

// between are the percentiles a bound below and above those that are compared.
func between(bound float64) []float64 {
	out := slices.Clone(asked)
	for _, p := range append([]float64{50, 95, 99}, asked...) {
		out = append(out, below(p, bound), above(p, bound))
	}
	return out
}

// A percentile is asked for to six digits of its share.
func below(p, bound float64) float64 { return max(0.0001, math.Floor((p-100*bound)*1e4)/1e4) }
func above(p, bound float64) float64 { return min(100, math.Ceil((p+100*bound)*1e4)/1e4) }

// within checks that percentiles lie between exact ones, and that the rest is
// what it is.
func within(t *testing.T, what string, bound, quantileError float64, got, want *statistics.Figures) {
	t.Helper()
	if got.Samples != want.Samples || *got.Min != *want.Min || *got.Max != *want.Max || !near(*got.Mean, *want.Mean) || *got.Coverage != *want.Coverage {
		t.Errorf("%s: %d samples, %g to %g, mean %g; exactly %d, %g to %g, mean %g", what, got.Samples, *got.Min, *got.Max, *got.Mean, want.Samples, *want.Min, *want.Max, *want.Mean)
	}
	exact := map[float64]float64{50: *want.Median, 95: *want.P95, 99: *want.P99}
	for _, p := range want.Percentiles {
		exact[p.Percent] = *p.Value
	}
	figures := append([]statistics.Percentile{{Percent: 50, Value: got.Median}, {Percent: 95, Value: got.P95}, {Percent: 99, Value: got.P99}}, got.Percentiles...)
	for _, p := range figures {
		low, high := exact[below(p.Percent, bound)], exact[above(p.Percent, bound)]
		if v := *p.Value; v < low*(1-2*quantileError) || v > high*(1+2*quantileError) {
			t.Errorf("%s: p%g is %g, not between the exact p%g, %g, and p%g, %g", what, p.Percent, v, below(p.Percent, bound), low, above(p.Percent, bound), high)
		}
	}
}
