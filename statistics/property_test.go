package statistics_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/fleettest"
	"github.com/leanfleet/leanfleet/statistics"
)

// The random fleets of the properties: up to five hosts, three days.
var (
	first = at("2024-01-01")
	whole = fleet.Window{Start: first, End: first.Add(72 * time.Hour)}
)

// drawBatches draws batches that do not tell of the same sample twice.
func drawBatches(t *rapid.T, m fleet.Metric) []fleet.Batch {
	var out []fleet.Batch
	for h := range rapid.IntRange(1, 5).Draw(t, "hosts") {
		next := first.UnixMilli() + rapid.Int64Range(0, 3600000).Draw(t, "offset")
		for range rapid.IntRange(0, 4).Draw(t, "batches") {
			step := rapid.SampledFrom([]int64{60000, 300000, 90000, 3600000}).Draw(t, "step")
			next += rapid.Int64Range(0, 20).Draw(t, "gap") * 600000
			b := fleet.Batch{Host: fleet.HostID(fmt.Sprintf("h%d", h)), Origin: fleet.OriginImport, Step: int32(step), Columns: []fleet.Column{{Metric: m}}}
			for _, v := range rapid.SliceOfN(rapid.Int32Range(0, 12000), 1, 20).Draw(t, "values") {
				b.Start = append(b.Start, next)
				b.Columns[0].Values = append(b.Columns[0].Values, v)
				next += step
			}
			out = append(out, b)
		}
	}
	return out
}

// drawRecords draws moves between departments.
func drawRecords(t *rapid.T) []change {
	var out []change
	for range rapid.IntRange(0, 6).Draw(t, "changes") {
		out = append(out, change{
			fmt.Sprintf("h%d", rapid.IntRange(0, 4).Draw(t, "host")),
			rapid.SampledFrom([]string{"eng", "data", "ops"}).Draw(t, "dept"),
			first.Add(time.Duration(rapid.IntRange(0, 71).Draw(t, "hour")) * time.Hour),
		})
	}
	return out
}

type change struct {
	host, dept string
	at         time.Time
}

func fill(t *rapid.T, changes []change, batches []fleet.Batch) *fleettest.Memory {
	m := fleettest.NewMemory(fleettest.Options{})
	for _, c := range changes {
		if _, err := m.PutRecords(t.Context(), []fleet.Statement{host(c.host, c.dept)}, fleet.Put{At: at("2024-02-01"), Effective: c.at}); err != nil {
			t.Fatal(err)
		}
	}
	for _, b := range batches {
		if _, err := m.Append(t.Context(), []fleet.Batch{b}); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func drawMetric(t *rapid.T) fleet.Metric {
	name := rapid.SampledFrom([]string{"cpu_usage", "load1", "disk_read_ops_per_second", "network_receive_bytes_per_second"}).Draw(t, "metric")
	m, err := fleettest.Metrics().Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// merged is the profile of all that queries answer together.
func merged(t *rapid.T, s fleet.Source, queries ...fleet.Query) fleet.Profile {
	b := fleet.NewProfileBuilder(queries[0].Metric)
	for _, q := range queries {
		for p, err := range s.Profiles(t.Context(), q) {
			if err != nil {
				t.Fatal(err)
			}
			b.Merge(&p)
		}
	}
	return b.Build(nil, fleet.Window{})
}

// equalProfiles compares all that merges, to the last bit.
func equalProfiles(t *rapid.T, what string, want, got fleet.Profile) {
	t.Helper()
	if !want.Distribution.Equal(&got.Distribution) {
		t.Errorf("%s: the distributions differ", what)
	}
	want.Distribution, got.Distribution = fleet.Distribution{}, fleet.Distribution{}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(fleet.Distribution{})); d != "" {
		t.Errorf("%s (-whole +parts):\n%s", what, d)
	}
}

// TestPartsMergeToTheWhole: the statistics of parts, whether cut by hosts, by
// time, by steps or by groups, merge to those of the whole.
func TestPartsMergeToTheWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		metric := drawMetric(t)
		m := fill(t, drawRecords(t), drawBatches(t, metric))
		query := func(change func(*fleet.Query)) fleet.Query {
			q := fleet.Query{Metric: metric, Window: whole}
			change(&q)
			return q
		}
		sel := func(s string) fleet.Query {
			return query(func(q *fleet.Query) { q.Hosts = fleet.MustSelector(s) })
		}
		all := merged(t, m, query(func(*fleet.Query) {}))
		equalProfiles(t, "by hosts", all, merged(t, m, sel("name=~h[012]"), sel("name!~h[012]")))
		equalProfiles(t, "by groups", all, merged(t, m, sel("dept=eng"), sel("dept=data"), sel("dept=ops"), sel("!dept")))
		cut := first.Add(time.Duration(rapid.Int64Range(1, 72*3600000-1).Draw(t, "cut")) * time.Millisecond)
		equalProfiles(t, "by time", all, merged(t, m,
			query(func(q *fleet.Query) { q.Window.End = cut }), query(func(q *fleet.Query) { q.Window.Start = cut })))
		for _, step := range []fleet.Step{fleet.StepHour, fleet.StepDay, fleet.StepMonth} {
			equalProfiles(t, "by "+string(step), all, merged(t, m, query(func(q *fleet.Query) { q.Step = step })))
		}

		// And so do the answers: counts add up, extremes are the extremes.
		env := environment(m)
		r, err := statistics.Fleet(t.Context(), env, statistics.Request{Metric: metric.Name, Scope: fleet.Scope{Range: "2024-01-01..2024-01-03"}, GroupBy: []string{"dept"}})
		if err != nil {
			t.Fatal(err)
		}
		one, err := statistics.Fleet(t.Context(), env, statistics.Request{Metric: metric.Name, Scope: fleet.Scope{Range: "2024-01-01..2024-01-03"}})
		if err != nil {
			t.Fatal(err)
		}
		if r.Total != nil {
			if d := cmp.Diff(one.Groups[0].Figures, r.Total.Figures); d != "" {
				t.Errorf("the total is not the whole (-whole +total):\n%s", d)
			}
		}
		var samples int64
		lowest := math.Inf(1)
		for _, g := range r.Groups {
			samples += g.Samples
			if g.Min != nil {
				lowest = min(lowest, *g.Min)
			}
		}
		if samples != one.Groups[0].Samples || samples > 0 && lowest != *one.Groups[0].Min {
			t.Errorf("groups with %d samples from %v on, the whole: %+v", samples, lowest, one.Groups[0])
		}
	})
}

// TestOrderDoesNotMatter: the same samples in another order give the same bytes.
func TestOrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		metric := drawMetric(t)
		changes, batches := drawRecords(t), drawBatches(t, metric)
		answer := func(batches []fleet.Batch) string {
			// The inventory is written when the samples are there, so that hosts it does
			// not know are the same whatever comes first.
			m := fill(t, changes, batches)
			var out []any
			stats, err := statistics.Fleet(t.Context(), environment(m), statistics.Request{Metric: metric.Name, Scope: fleet.Scope{Range: "2024-01-01..2024-01-03"}, GroupBy: []string{"dept"}, Distribution: true})
			if err != nil {
				t.Fatal(err)
			}
			trend, err := statistics.Trend(t.Context(), environment(m), statistics.TrendRequest{Metric: metric.Name, Scope: fleet.Scope{Range: "2024-01-01..2024-01-03"}, Over: statistics.OverHosts})
			if err != nil {
				t.Fatal(err)
			}
			data, err := json.Marshal(append(out, stats, trend))
			if err != nil {
				t.Fatal(err)
			}
			return string(data)
		}
		shuffled := slices.Clone(batches)
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if d := cmp.Diff(answer(batches), answer(shuffled)); d != "" {
			t.Error(d)
		}
	})
}

// weighted is a sample of the plain computation.
type weighted struct {
	value  float64
	weight int64
}

// naiveQuantile is the smallest value whose cumulative weight reaches the
// share, by sorting all milliseconds.
func naiveQuantile(list []weighted, percent float64) float64 {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b weighted) int {
		switch {
		case a.value < b.value:
			return -1
		case a.value > b.value:
			return 1
		}
		return 0
	})
	var total int64
	for _, x := range list {
		total += x.weight
	}
	var sum int64
	for _, x := range list {
		sum += x.weight
		if sum*1000000 >= total*int64(math.Round(percent*10000)) {
			return x.value
		}
	}
	return list[len(list)-1].value
}

// TestAgainstPlainComputation holds every figure against one computed from the
// list of samples in floating point.
func TestAgainstPlainComputation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		metric := drawMetric(t)
		batches := drawBatches(t, metric)
		m := fill(t, nil, batches)
		percent := rapid.SampledFrom([]float64{0.1, 1, 10, 25, 33.3333, 66.6667, 75, 90, 99.9, 100}).Draw(t, "percent")
		w := fleet.Window{Start: first, End: first.Add(time.Duration(rapid.Int64Range(1, 72*60).Draw(t, "minutes")) * time.Minute)}
		var list []weighted
		byHost := map[fleet.HostID][]weighted{}
		for _, b := range batches {
			for i, s := range b.Start {
				if w.Contains(time.UnixMilli(s)) {
					x := weighted{metric.Value(int64(b.Columns[0].Values[i])), int64(b.Step)}
					list = append(list, x)
					byHost[b.Host] = append(byHost[b.Host], x)
				}
			}
		}
		scope := fleet.Scope{Range: w.Start.Format(time.RFC3339) + ".." + w.End.Format(time.RFC3339)}
		r, err := statistics.Fleet(t.Context(), environment(m), statistics.Request{Metric: metric.Name, Scope: scope, Percentiles: []float64{percent}})
		if err != nil {
			t.Fatal(err)
		}
		g := r.Groups[0]
		if g.Samples != int64(len(list)) {
			t.Fatalf("%d samples, not %d", g.Samples, len(list))
		}
		if len(list) == 0 {
			if g.Mean != nil || g.Median != nil || g.Min != nil || g.StdDev != nil || g.Reason != statistics.ReasonNoSamples {
				t.Fatalf("figures of nothing: %+v", g)
			}
			return
		}
		var sum, squares, weight float64
		for _, x := range list {
			sum += x.value * float64(x.weight)
			weight += float64(x.weight)
		}
		mean := sum / weight
		for _, x := range list {
			squares += (x.value - mean) * (x.value - mean) * float64(x.weight)
		}
		rounding := metric.Resolution() / 1000
		near := func(what string, got *float64, want, tolerance float64) {
			t.Helper()
			if got == nil || math.Abs(*got-want) > tolerance {
				t.Errorf("%s: got %v, want %v", what, got, want)
			}
		}
		near("mean", g.Mean, mean, rounding)
		near("stddev", g.StdDev, math.Sqrt(squares/weight), rounding+1e-7)
		for _, p := range []struct {
			percent float64
			got     *float64
		}{{50, g.Median}, {95, g.P95}, {99, g.P99}, {percent, pick(g.Percentiles, g)}} {
			want := naiveQuantile(list, p.percent)
			near(fmt.Sprintf("p%v", p.percent), p.got, want, want*r.QuantileError)
		}
		near("min", g.Min, naiveQuantile(list, 0.0001), 0)
		near("max", g.Max, naiveQuantile(list, 100), 0)
		if g.Coverage == nil || *g.Coverage < 0 || *g.Coverage > 1 {
			t.Errorf("coverage %v", g.Coverage)
		}

		// Over hosts: the same of the hosts' means.
		over, err := statistics.Fleet(t.Context(), environment(m), statistics.Request{Metric: metric.Name, Scope: scope, Over: statistics.OverHosts, Percentiles: []float64{percent}})
		if err != nil {
			t.Fatal(err)
		}
		var means []weighted
		total := 0.0
		for _, samples := range byHost {
			var s, n float64
			for _, x := range samples {
				s += x.value * float64(x.weight)
				n += float64(x.weight)
			}
			means = append(means, weighted{s / n, 1})
			total += s / n
		}
		g = over.Groups[0]
		near("mean over hosts", g.Mean, total/float64(len(means)), rounding)
		near("median over hosts", g.Median, naiveQuantile(means, 50), rounding)
		near("percentile over hosts", pick(g.Percentiles, g), naiveQuantile(means, percent), rounding)
		near("max over hosts", g.Max, naiveQuantile(means, 100), rounding)
	})
}

// pick is the percentile that was asked for.
func pick(list []statistics.Percentile, g statistics.Group) *float64 {
	if len(list) == 0 {
		return g.P99
	}
	return list[0].Value
}

// TestPeaksAgainstPlainComputation: the sum of peaks is never below the peak of
// the sum, and both are what a plain computation says.
func TestPeaksAgainstPlainComputation(t *testing.T) {
	metric, err := fleettest.Metrics().Lookup("load1")
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		batches := drawBatches(t, metric)
		m := fill(t, nil, batches)
		r, err := statistics.Fleet(t.Context(), environment(m), statistics.Request{Metric: metric.Name, Scope: fleet.Scope{Range: "2024-01-01..2024-01-03"}, Peaks: true})
		if err != nil {
			t.Fatal(err)
		}
		var width int64
		for _, b := range batches {
			for _, s := range b.Start {
				if whole.Contains(time.UnixMilli(s)) {
					width = max(width, int64(b.Step))
				}
			}
		}
		got := r.Groups[0].Peaks
		if width == 0 {
			if got != nil {
				t.Fatalf("peaks of nothing: %+v", got)
			}
			return
		}
		type cell struct {
			host fleet.HostID
			n    int64
		}
		sums, weights := map[cell]float64{}, map[cell]float64{}
		peaks := map[fleet.HostID]float64{}
		for _, b := range batches {
			for i, s := range b.Start {
				if !whole.Contains(time.UnixMilli(s)) {
					continue
				}
				v := metric.Value(int64(b.Columns[0].Values[i]))
				c := cell{b.Host, s / width}
				sums[c] += v * float64(b.Step)
				weights[c] += float64(b.Step)
				peaks[b.Host] = max(peaks[b.Host], v)
			}
		}
		totals := map[int64]float64{}
		for c, sum := range sums {
			totals[c.n] += sum / weights[c]
		}
		var sumOfPeaks, peakOfSum float64
		for _, p := range peaks {
			sumOfPeaks += p
		}
		for _, total := range totals {
			peakOfSum = max(peakOfSum, total)
		}
		if math.Abs(*got.SumOfPeaks-sumOfPeaks) > 1e-6 || math.Abs(*got.PeakOfSum-peakOfSum) > 1e-6 || got.GridSeconds != float64(width)/1000 {
			t.Errorf("peaks %v and %v on %v s, want %v and %v on %d ms", *got.SumOfPeaks, *got.PeakOfSum, got.GridSeconds, sumOfPeaks, peakOfSum, width)
		}
		if *got.PeakOfSum > *got.SumOfPeaks+1e-9 {
			t.Errorf("the peak of the sum %v is above the sum of peaks %v", *got.PeakOfSum, *got.SumOfPeaks)
		}
		if at, err := time.Parse(time.RFC3339, got.PeakAt); err == nil && width%1000 == 0 && math.Abs(totals[at.UnixMilli()/width]-peakOfSum) > 1e-6 {
			t.Errorf("at %s the total is %v, not %v", got.PeakAt, totals[at.UnixMilli()/width], peakOfSum)
		}
	})
}
