package source_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/fleettest"
	"github.com/leanfleet/leanfleet/internal/zones"
	"github.com/leanfleet/leanfleet/prom/source"
)

var begin = time.Date(2024, 3, 28, 0, 0, 0, 0, time.UTC)

// fill stores days of samples of some hosts: a daily wave, noise, plateaus, a
// few equal values, gaps; capacities beside them, of which one host's changes;
// a host that moved at noon of the third day.
func fill(t testing.TB, e fleettest.Engine, hosts, days int, step time.Duration) {
	t.Helper()
	r := rand.New(rand.NewPCG(7, 7))
	var batches []fleet.Batch
	for h := range hosts {
		n := int(time.Duration(days) * 24 * time.Hour / step)
		b := fleet.Batch{Host: fleet.HostID(fmt.Sprintf("h%02d", h)), Origin: fleet.OriginImport, Step: int32(step.Milliseconds())}
		cpu, size, ops := fleet.Column{Metric: fleet.CPUUsage}, fleet.Column{Metric: fleet.CapacityVCPUs}, fleet.Column{Metric: lookup("disk_read_ops_per_second")}
		for i := range n {
			at := begin.Add(time.Duration(i) * step)
			if h == 3 && i%97 < 20 {
				continue
			}
			v := 0.3 + 0.2*math.Sin(float64(at.Unix())/13751) + 0.05*r.NormFloat64()
			switch h % 4 {
			case 1:
				v = math.Round(v*4) / 4
			case 2:
				v = math.Pow(r.Float64(), 8)
			}
			cores := int32(400)
			if h == 1 && i > n/2+100 {
				cores = 800
			}
			b.Start = append(b.Start, at.UnixMilli())
			cpu.Values = append(cpu.Values, int32(max(0, min(1.2, v))*10000))
			size.Values = append(size.Values, cores)
			ops.Values = append(ops.Values, int32(math.Exp(12*r.Float64())))
		}
		b.Columns = []fleet.Column{cpu, size, ops}
		batches = append(batches, b)
	}
	if _, err := e.Append(t.Context(), batches); err != nil {
		t.Fatal(err)
	}
	for _, dept := range []string{"eng", "data"} {
		put := fleet.Put{At: begin, Effective: begin.Add(60 * time.Hour), Origin: fleet.OriginImport}
		if dept == "eng" {
			put.Effective = begin
		}
		if _, err := e.PutRecords(t.Context(), []fleet.Statement{{Record: fleet.Record{Host: "h00", Tags: fleet.Tags{"dept": dept}}}}, put); err != nil {
			t.Fatal(err)
		}
	}
}

func lookup(name string) fleet.Metric {
	m, err := fleettest.Metrics().Lookup(name)
	if err != nil {
		panic(err)
	}
	return m
}

func zone(t testing.TB, name string) *time.Location {
	loc, err := zones.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func profilesOf(t testing.TB, s fleet.Source, q fleet.Query) (list []fleet.Profile) {
	t.Helper()
	for p, err := range s.Profiles(context.Background(), q) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	return list
}

// rankDistance is the largest difference between two distributions' shares of
// time at or below any value; values that differ by the metric's own error count
// as one.
func rankDistance(m fleet.Metric, a, b *fleet.Distribution) float64 {
	share := func(d *fleet.Distribution, v float64) float64 {
		var sum int64
		for i := range d.Len() {
			if x := d.Bin(i); float64(x.Value) <= v {
				sum += x.Weight
			}
		}
		return float64(sum) / float64(d.Weight())
	}
	worst := 0.0
	for i := range a.Len() {
		// The share below a value lies between those a little below and above it.
		v := float64(a.Bin(i).Value)
		slack := 1 + v*2*m.QuantileError()
		low, high := share(b, v-slack), share(b, v+slack)
		have := share(a, v)
		worst = max(worst, low-have, have-high)
	}
	return worst
}

// A profile from a grid has the counts, times, sums and bounds of the exact one,
// and no share of time is off by more than what is stated.
func TestGridWithinItsBound(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(testing.TB) writer{
		"VictoriaMetrics": func(t testing.TB) writer { return newVictoria(t) },
		"Prometheus":      func(t testing.TB) writer { return newPrometheus(t) },
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t)
			e := newEngine(t, w, source.Options{Method: source.MethodGrid})
			fill(t, e, 5, 3, time.Minute)
			berlin := zone(t, "Europe/Berlin")
			hours, err := fleet.ParseHours("mon-fri 09:00-17:00")
			if err != nil {
				t.Fatal(err)
			}
			all := fleet.Window{Start: begin, End: begin.Add(4 * 24 * time.Hour)}
			odd := fleet.Window{Start: begin.Add(7*time.Hour + 1234*time.Millisecond), End: begin.Add(71*time.Hour + 30*time.Second)}
			for i, q := range []fleet.Query{
				{Metric: fleet.CPUUsage, Window: all},
				{Metric: fleet.CPUUsage, Window: odd, Step: fleet.StepDay},
				{Metric: fleet.CPUUsage, Window: all, Step: fleet.StepDay, Location: berlin},
				{Metric: fleet.CPUUsage, Window: all, Step: fleet.StepDay, Within: fleet.Calendar{Hours: hours, Location: berlin}},
				{Metric: fleet.CPUUsage, Window: all, Step: fleet.StepDay, Within: fleet.Calendar{Exclude: []fleet.Window{{Start: begin.Add(30 * time.Hour), End: begin.Add(40 * time.Hour)}}}},
				{Metric: fleet.CPUUsage, Window: all, Step: fleet.StepDay, Hosts: fleet.MustSelector("dept=data")},
				{Metric: fleet.CPUCoresUsed, Window: all, Step: fleet.StepDay},
				{Metric: lookup("disk_read_ops_per_second"), Window: all, Step: fleet.StepDay},
				{Metric: fleet.MemoryUsage, Window: all},
			} {
				checkGrid(t, fmt.Sprintf("question %d", i), e, q)
			}
		})
	}
}

func checkGrid(t *testing.T, what string, e *engine, q fleet.Query) {
	t.Helper()
	plan, err := e.current().Explain(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	if plan.Method != source.MethodGrid || len(plan.Queries) == 0 || plan.RankError <= 0 || plan.RankError > 0.06 {
		t.Errorf("%s: plan %+v", what, plan)
	}
	compareGrid(t, what, e.Memory, e, q, plan.RankError)
}

// compareGrid compares a source's profiles, some from a grid, with exact ones.
func compareGrid(t *testing.T, what string, exact, s fleet.Source, q fleet.Query, bound float64) {
	t.Helper()
	want, got := profilesOf(t, exact, q), profilesOf(t, s, q)
	if len(want) != len(got) {
		t.Fatalf("%s: %d profiles, exactly %d", what, len(got), len(want))
	}
	worst, differ := 0.0, 0
	for i := range want {
		a, b := &want[i], &got[i]
		if a.Record.Host != b.Record.Host || !a.Record.From.Equal(b.Record.From) || a.Window != b.Window || a.Count != b.Count || a.Covered != b.Covered || a.Expected != b.Expected ||
			a.Min != b.Min || a.Max != b.Max || a.WithoutCapacity != b.WithoutCapacity || b.Distribution.Weight() != b.Covered.Milliseconds() {
			t.Errorf("%s: %s %s: %d samples, %s of %s, %d to %d; exactly %d, %s of %s, %d to %d", what, b.Record.Host, b.Window, b.Count, b.Covered, b.Expected, b.Min, b.Max, a.Count, a.Covered, a.Expected, a.Min, a.Max)
			continue
		}
		if a.Count == 0 {
			continue
		}
		if !near(a.Sum.Float64(), b.Sum.Float64()) || !near(a.SumSquares.Float64(), b.SumSquares.Float64()) {
			t.Errorf("%s: %s %s: sums %g and %g, exactly %g and %g", what, b.Record.Host, b.Window, b.Sum.Float64(), b.SumSquares.Float64(), a.Sum.Float64(), a.SumSquares.Float64())
		}
		d := rankDistance(q.Metric, &b.Distribution, &a.Distribution)
		if d > bound {
			t.Errorf("%s: %s %s: shares are off by %.4f, stated is %.4f", what, b.Record.Host, b.Window, d, bound)
		}
		worst = max(worst, d)
		if !a.Distribution.Equal(&b.Distribution) {
			differ++
		}
	}
	merged := func(list []fleet.Profile) fleet.Distribution {
		var ds []fleet.Distribution
		for i := range list {
			ds = append(ds, list[i].Distribution)
		}
		return fleet.MergeDistributions(ds...)
	}
	x, y := merged(got), merged(want)
	if y.Len() > 0 {
		if d := rankDistance(q.Metric, &x, &y); d > bound {
			t.Errorf("%s: all hosts': shares are off by %.4f, stated is %.4f", what, d, bound)
		}
	}
	t.Logf("%s: %d profiles, %d not exact, worst %.4f of %.4f", what, len(got), differ, worst, bound)
}

// near allows for values that were not rounded to their resolution.
func near(a, b float64) bool { return math.Abs(a-b) <= 1e-5*max(math.Abs(a), math.Abs(b), 1) }

// Where a question is small every sample is read, and the plan says so.
func TestPlanSaysHow(t *testing.T) {
	w := newVictoria(t)
	e := newEngine(t, w, source.Options{})
	fill(t, e, 2, 2, time.Minute)
	q := fleet.Query{Metric: fleet.CPUCoresUsed, Window: fleet.Window{Start: begin, End: begin.Add(48 * time.Hour)}, Step: fleet.StepDay}
	plan, err := e.current().Explain(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	if plan.Method != source.MethodExact || plan.RankError != 0 || plan.Samples != 2*2*1440 || plan.Hosts != 2 || len(plan.Queries) != 2 || plan.Engine != "victoriametrics" || plan.Schema != "leanfleet" {
		t.Errorf("plan %+v", plan)
	}
	before := e.current().Cost().Requests
	if n := len(profilesOf(t, e, q)); n != 4 && n != 5 {
		t.Errorf("%d profiles", n)
	}
	if n := e.current().Cost().Requests - before; n != int64(len(plan.Queries)) {
		t.Errorf("%d requests, planned were %d", n, len(plan.Queries))
	}
	// Days are exact though a grid is allowed for.
	e = newEngine(t, w, source.Options{ExactUpTo: 1})
	fill(t, e, 1, 4, time.Minute)
	q.Window.End = begin.Add(96 * time.Hour)
	if plan, err = e.current().Explain(t.Context(), q); err != nil || plan.Method != source.MethodExact {
		t.Errorf("plan %+v, error %v", plan, err)
	}
	q.Step = fleet.StepWhole
	if plan, err = e.current().Explain(t.Context(), q); err != nil || plan.Method != source.MethodGrid {
		t.Errorf("plan %+v, error %v", plan, err)
	}
	if !slices.ContainsFunc(plan.Queries, func(q source.PlannedQuery) bool { return len(q.Query) > 400 }) {
		t.Errorf("plan %+v", plan)
	}
}

// The same of expressions over node_exporter's series: sums are of values that
// the engine did not round.
func TestGridOfExpressions(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(testing.TB) writer{
		"VictoriaMetrics": func(t testing.TB) writer { return newVictoria(t) },
		"Prometheus":      func(t testing.TB) writer { return newPrometheus(t) },
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t)
			r := rand.New(rand.NewPCG(3, 4))
			var list []testSeries
			for h := range 3 {
				total := testSeries{labels: map[string]string{"__name__": "node_memory_MemTotal_bytes", "instance": fmt.Sprintf("n%d:9100", h), "job": "node"}}
				free := testSeries{labels: map[string]string{"__name__": "node_memory_MemAvailable_bytes", "instance": fmt.Sprintf("n%d:9100", h), "job": "node"}}
				for i := range 2*24*120 - 1440 {
					if h == 2 && i%500 < 100 {
						continue
					}
					at := begin.Add(time.Duration(i) * 30 * time.Second).UnixMilli()
					total.times, total.values = append(total.times, at), append(total.values, 8*gib)
					free.times, free.values = append(free.times, at), append(free.values, 8*gib*(0.2+0.6*math.Pow(r.Float64(), 3)))
				}
				list = append(list, total, free)
			}
			w.write(t, list)
			w.settle(t)
			open := func(m source.Method) *source.Source {
				s, err := source.New(source.Options{URL: w.url(), Now: func() time.Time { return begin.Add(48 * time.Hour) }, Lookback: 72 * time.Hour, Method: m, Step: time.Minute})
				if err != nil {
					t.Fatal(err)
				}
				return s
			}
			for _, m := range []fleet.Metric{fleet.MemoryUsage, fleet.MemoryUsedBytes} {
				q := fleet.Query{Metric: m, Window: fleet.Window{Start: begin, End: begin.Add(48 * time.Hour)}, Step: fleet.StepDay}
				grid := open(source.MethodGrid)
				plan, err := grid.Explain(t.Context(), q)
				if err != nil || plan.Method != source.MethodGrid {
					t.Fatalf("plan %+v, error %v", plan, err)
				}
				compareGrid(t, m.Name, open(source.MethodExact), grid, q, plan.RankError)
			}
		})
	}
}

// A real engine with a small limit answers in parts, exactly and by grid. Where
// even looking for hosts is too much, its words are the error.
func TestLimitsOfEngines(t *testing.T) {
	week := fleet.Query{Metric: fleet.CPUUsage, Window: fleet.Window{Start: begin, End: begin.Add(168 * time.Hour)}}
	t.Run("Prometheus", func(t *testing.T) {
		w := newPrometheus(t, "--query.max-samples=10000")
		for _, method := range []source.Method{source.MethodExact, source.MethodGrid} {
			e := newEngine(t, w, source.Options{Method: method, Lookback: time.Since(begin) + 24*time.Hour})
			fill(t, e, 3, 7, time.Minute)
			before := e.current().Cost().Requests
			compareGrid(t, string(method), e.Memory, e, week, 0.0525)
			if n := e.current().Cost().Requests - before; n < 8 {
				t.Errorf("%d requests: nothing was asked in parts", n)
			}
		}
	})
	t.Run("VictoriaMetrics", func(t *testing.T) {
		e := newEngine(t, newVictoria(t, "-search.maxSamplesPerQuery=1000"), source.Options{})
		fill(t, e, 4, 2, time.Minute)
		var refused *source.EngineError
		for _, err := range e.Profiles(t.Context(), week) {
			if !errors.As(err, &refused) || refused.Status != 422 || !strings.Contains(err.Error(), "-search.max") {
				t.Errorf("error %v", err)
			}
		}
		if refused == nil {
			t.Error("no error")
		}
	})
}
