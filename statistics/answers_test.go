package statistics_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/fleettest"
	"github.com/leanfleet/leanfleet/internal/zones"
	"github.com/leanfleet/leanfleet/statistics"
)

var update = flag.Bool("update", false, "rewrite golden files")

func at(s string) time.Time {
	t, err := fleet.ParseTime(s, nil)
	if err != nil {
		panic(err)
	}
	return t
}

func environment(s fleet.Source) fleet.Environment {
	return fleet.Environment{Source: s, Metrics: fleettest.Metrics(), Now: at("2024-01-03"), Zone: zones.Load}
}

// put states what a host is.
func put(t *testing.T, m *fleettest.Memory, effective string, statements ...fleet.Statement) {
	t.Helper()
	if _, err := m.PutRecords(t.Context(), statements, fleet.Put{At: at("2024-01-03"), Effective: at(effective)}); err != nil {
		t.Fatal(err)
	}
}

func host(name, dept string) fleet.Statement {
	s := fleet.Statement{Record: fleet.Record{Host: fleet.HostID(name)}}
	if dept != "" {
		s.Tags = fleet.Tags{"dept": dept}
	}
	return s
}

// hourly appends a sample an hour.
func hourly(t *testing.T, m *fleettest.Memory, name string, metric fleet.Metric, start string, values ...float64) {
	t.Helper()
	b := fleet.Batch{Host: fleet.HostID(name), Origin: fleet.OriginImport, Step: 3600000, Columns: []fleet.Column{{Metric: metric}}}
	for i, v := range values {
		scaled, err := metric.Scale(v)
		if err != nil {
			t.Fatal(err)
		}
		b.Start = append(b.Start, at(start).UnixMilli()+int64(i)*3600000)
		b.Columns[0].Values = append(b.Columns[0].Values, scaled)
	}
	if _, err := m.Append(t.Context(), []fleet.Batch{b}); err != nil {
		t.Fatal(err)
	}
}

// small is a fleet of three measured hosts and a silent one.
func small(t *testing.T) *fleettest.Memory {
	m := fleettest.NewMemory(fleettest.Options{})
	put(t, m, "2024-01-01", host("a", "eng"), host("b", "data"), host("silent", "ops"),
		fleet.Statement{Record: fleet.Record{Host: "c", Provider: "aws", InstanceType: "m5.large"}})
	hourly(t, m, "a", fleet.CPUUsage, "2023-12-31", 0.2, 0.2)
	hourly(t, m, "a", fleet.CPUUsage, "2024-01-01", 0.1, 0.2, 0.3, 0.4)
	hourly(t, m, "b", fleet.CPUUsage, "2024-01-01", 0.5, 0.7)
	hourly(t, m, "c", fleet.CPUUsage, "2024-01-02", 0.25, 0.5)
	return m
}

// golden compares JSON with a file of testdata, and reads it back: nothing is
// lost on the way.
func golden[T any](t *testing.T, name string, x T) {
	t.Helper()
	got, err := json.MarshalIndent(x, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(got), "\n")); d != "" {
		t.Errorf("%s differs (-want +got):\n%s", path, d)
	}
	var back T
	if err := json.Unmarshal(got, &back); err != nil {
		t.Fatalf("%s: read back: %v", path, err)
	}
	if d := cmp.Diff(x, back); d != "" {
		t.Errorf("%s read back differs (-want +got):\n%s", path, d)
	}
}

// TestJSON pins what each answer looks like in JSON.
func TestJSON(t *testing.T) {
	env := environment(small(t))
	ctx := t.Context()
	scope := fleet.Scope{Range: "2024-01-01..2024-01-02"}
	t.Run("stats", func(t *testing.T) {
		r, err := statistics.Fleet(ctx, env, statistics.Request{Metric: "cpu_usage", Scope: scope, GroupBy: []string{"dept"}, Percentiles: []float64{99.9, 25}})
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "stats.json", r)
	})
	t.Run("stats of cores", func(t *testing.T) {
		r, err := statistics.Fleet(ctx, env, statistics.Request{Metric: "cpu_cores_used", Scope: scope, Distribution: true, Peaks: true})
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "stats_cores.json", r)
	})
	t.Run("stats of nothing", func(t *testing.T) {
		r, err := statistics.Fleet(ctx, env, statistics.Request{Metric: "memory_usage", Scope: scope, Over: statistics.OverHosts, GroupBy: []string{"dept", "tag:min"}})
		if err != nil {
			t.Fatal(err)
		}
		r.Damaged = []fleet.Damage{{File: "days/2024-01-01.parquet", Day: "2024-01-01", Reason: "it is gone"}}
		golden(t, "stats_nothing.json", r)
	})
	t.Run("trend", func(t *testing.T) {
		r, err := statistics.Trend(ctx, env, statistics.TrendRequest{Metric: "cpu_usage", Scope: fleet.Scope{Range: "2024-01-01", Select: "name=~[ab]"}, Step: "1d", GroupBy: []string{"dept"}, Percentiles: []float64{90}})
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "trend.json", r)
	})
	t.Run("top", func(t *testing.T) {
		r, err := statistics.Top(ctx, env, statistics.TopRequest{Metric: "cpu_usage", Scope: scope, By: "p99.9", Limit: 3})
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "top.json", r)
	})
	t.Run("requests", func(t *testing.T) {
		golden(t, "request.json", statistics.Request{Metric: "cpu_usage", Scope: fleet.Scope{Range: "7d", AsOf: at("2024-01-01"), Timezone: "Asia/Kolkata", Select: "dept=eng", Hours: "office", Partial: true},
			GroupBy: []string{"dept"}, Over: statistics.OverHosts, Percentiles: []float64{90}, Distribution: true, Peaks: true})
	})
}

// TestJSONFields: the fields that others rely on, in their order.
func TestJSONFields(t *testing.T) {
	r, err := statistics.Fleet(t.Context(), environment(small(t)), statistics.Request{Metric: "cpu_usage", Scope: fleet.Scope{Range: "2023-01-01"}, GroupBy: []string{"dept"}, Percentiles: []float64{99.9}})
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"metric":"cpu_usage","unit":"ratio","window":{"start":"2023-01-01T00:00:00Z","end":"2023-01-02T00:00:00Z"},"over":"time","quantile_error":0,` +
		`"groups":[{"group":{"dept":"ops"},"hosts":1,"samples":0,"coverage":null,"mean":null,"median":null,"p95":null,"p99":null,"p99.9":null,"min":null,"max":null,"stddev":null,"reason":"no_samples"}],` +
		`"data":{"start":"2023-12-31T00:00:00Z","end":"2024-01-02T02:00:00Z"}}`
	if d := cmp.Diff(want, string(data)); d != "" {
		t.Error(d)
	}
}

// FuzzGroupJSON: whatever is read as a group is written and read again alike.
func FuzzGroupJSON(f *testing.F) {
	f.Add([]byte(`{"group":{"dept":"eng","min":null},"hosts":1,"samples":2,"coverage":0.5,"mean":1,"median":1,"p95":1,"p99":1,"p99.9":2,"min":1,"max":1,"stddev":0}`))
	f.Add([]byte(`{"group":{},"p50":null,"p0":1,"pNaN":1,"p1e1":3,"p":4,"":5,"reason":"no_samples"}`))
	f.Add([]byte(`{"p90":"x"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var g statistics.Group
		if json.Unmarshal(data, &g) != nil {
			return
		}
		once, err := json.Marshal(g)
		if err != nil {
			t.Fatalf("write %+v: %v", g, err)
		}
		var again statistics.Group
		if err := json.Unmarshal(once, &again); err != nil {
			t.Fatalf("read %s: %v", once, err)
		}
		twice, err := json.Marshal(again)
		if err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("%s became %s, error %v", once, twice, err)
		}
	})
}

// faulty is a source that tells of faults before or among its answers.
type faulty struct {
	fleet.Source
	records error
	answers []error
	// hide keeps records from Records, as if they were written after it was asked.
	hide bool
	// shift moves the steps of profiles.
	shift time.Duration
}

func (s *faulty) Records(ctx context.Context, sel fleet.Selector, w fleet.Window) ([]fleet.Record, error) {
	if s.records != nil || s.hide {
		return nil, s.records
	}
	return s.Source.Records(ctx, sel, w)
}

func (s *faulty) Profiles(ctx context.Context, q fleet.Query) iter.Seq2[fleet.Profile, error] {
	return func(yield func(fleet.Profile, error) bool) {
		for _, err := range s.answers {
			if !yield(fleet.Profile{}, err) {
				return
			}
		}
		for p, err := range s.Source.Profiles(ctx, q) {
			p.Window.Start = p.Window.Start.Add(s.shift)
			if !yield(p, err) {
				return
			}
		}
	}
}

func (s *faulty) Series(ctx context.Context, q fleet.Query) iter.Seq2[fleet.Series, error] {
	return func(yield func(fleet.Series, error) bool) {
		for _, err := range s.answers {
			if !yield(fleet.Series{}, err) {
				return
			}
		}
		for p, err := range s.Source.Series(ctx, q) {
			if !yield(p, err) {
				return
			}
		}
	}
}

func damage(day string) error {
	return &fleet.DamagedError{File: "days/" + day + ".parquet", Day: day, Err: errors.New("its end is not what was written")}
}

// ask runs every question and returns the damage that each lists.
func ask(t *testing.T, s fleet.Source, scope fleet.Scope) (damaged map[string][]fleet.Damage, errs map[string]error) {
	env := environment(s)
	damaged, errs = map[string][]fleet.Damage{}, map[string]error{}
	stats, err := statistics.Fleet(t.Context(), env, statistics.Request{Metric: "cpu_usage", Scope: scope})
	damaged["stats"], errs["stats"] = stats.Damaged, err
	peaks, err := statistics.Fleet(t.Context(), env, statistics.Request{Metric: "cpu_cores_used", Scope: scope, Peaks: true, GroupBy: []string{"dept"}})
	damaged["peaks"], errs["peaks"] = peaks.Damaged, err
	trend, err := statistics.Trend(t.Context(), env, statistics.TrendRequest{Metric: "cpu_usage", Scope: scope})
	damaged["trend"], errs["trend"] = trend.Damaged, err
	top, err := statistics.Top(t.Context(), env, statistics.TopRequest{Metric: "cpu_usage", Scope: scope})
	damaged["top"], errs["top"] = top.Damaged, err
	if err == nil && len(top.Hosts) != 4 {
		t.Errorf("%d hosts in the rest of the answer", len(top.Hosts))
	}
	return damaged, errs
}

// TestDamagedFiles: a damaged file fails a question and is named, or with
// partial is listed, once, beside the answer from the rest.
func TestDamagedFiles(t *testing.T) {
	s := &faulty{Source: small(t), answers: []error{damage("2024-01-01"), damage("2024-01-02"), damage("2024-01-01")}}
	_, errs := ask(t, s, fleet.Scope{Range: "2024-01-01..2024-01-02"})
	for question, err := range errs {
		var d *fleet.DamagedError
		if !errors.As(err, &d) || !strings.Contains(err.Error(), "days/2024-01-01.parquet") || !strings.Contains(err.Error(), "--partial") {
			t.Errorf("%s: %v", question, err)
		}
	}
	want := []fleet.Damage{
		{File: "days/2024-01-01.parquet", Day: "2024-01-01", Reason: "its end is not what was written"},
		{File: "days/2024-01-02.parquet", Day: "2024-01-02", Reason: "its end is not what was written"},
	}
	damaged, errs := ask(t, s, fleet.Scope{Range: "2024-01-01..2024-01-02", Partial: true})
	for question, err := range errs {
		if d := cmp.Diff(want, damaged[question]); d != "" || err != nil {
			t.Errorf("%s: error %v, damage (-want +got):\n%s", question, err, d)
		}
	}
}

// TestErrorsOfTheSource: any other error ends every question, partial or not.
func TestErrorsOfTheSource(t *testing.T) {
	broken := errors.New("the disk is on fire")
	for name, s := range map[string]*faulty{
		"records":  {Source: small(t), records: broken},
		"profiles": {Source: small(t), answers: []error{broken}},
	} {
		_, errs := ask(t, s, fleet.Scope{Range: "2024-01-01..2024-01-02", Partial: true})
		for question, err := range errs {
			if !errors.Is(err, broken) {
				t.Errorf("%s, %s: %v", name, question, err)
			}
		}
	}
	_, err := statistics.Trend(t.Context(), environment(&faulty{Source: small(t), shift: time.Minute}), statistics.TrendRequest{Metric: "cpu_usage", Scope: fleet.Scope{Range: "2024-01-01..2024-01-02"}})
	if err == nil || !strings.Contains(err.Error(), "not asked for") {
		t.Errorf("a step that was not asked for: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := statistics.Fleet(ctx, environment(small(t)), statistics.Request{Metric: "cpu_usage", Scope: fleet.Scope{Range: "2024-01-01"}}); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled question: %v", err)
	}
}

// TestRecordsWrittenMeanwhile: records that come between two queries of a trend
// have their groups all the same.
func TestRecordsWrittenMeanwhile(t *testing.T) {
	r, err := statistics.Trend(t.Context(), environment(&faulty{Source: small(t), hide: true}), statistics.TrendRequest{
		Metric: "cpu_usage", Scope: fleet.Scope{Range: "2024-01-01"}, GroupBy: []string{"dept"}})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	for _, g := range r.Groups {
		got[g.Group.String()] = g.Points[0].Samples
	}
	if d := cmp.Diff(map[string]int64{"dept=eng": 4, "dept=data": 2}, got); d != "" {
		t.Error(d)
	}
}

// TestLongTrend: a trend of more steps and groups than are held at once is read
// in pieces, and is the same.
func TestLongTrend(t *testing.T) {
	m := fleettest.NewMemory(fleettest.Options{})
	const hours = 1300
	values := make([]float64, hours)
	for i := range values {
		values[i] = float64(i%90) / 100
	}
	hourly(t, m, "a", fleet.CPUUsage, "2024-01-01", values...)
	hourly(t, m, "b", fleet.CPUUsage, "2024-01-01", values...)
	r, err := statistics.Trend(t.Context(), environment(m), statistics.TrendRequest{
		Metric: "cpu_usage", Step: "1h", GroupBy: []string{"host"}, Scope: fleet.Scope{Range: "1300h", AsOf: at("2024-01-01").Add(hours * time.Hour)}})
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range r.Groups {
		if len(g.Points) != hours {
			t.Fatalf("%d points", len(g.Points))
		}
		for i, p := range g.Points {
			if p.Samples != 1 || p.Hosts != 1 || *p.Mean != values[i] || !p.Start.Equal(at("2024-01-01").Add(time.Duration(i)*time.Hour)) {
				t.Fatalf("%s, point %d: %+v", g.Group, i, p)
			}
		}
	}
	if len(r.Groups) != 2 {
		t.Errorf("%d groups", len(r.Groups))
	}
}

// TestTooManyPoints: a trend of more points than an answer may have is refused
// before anything is read, and says what to do.
func TestTooManyPoints(t *testing.T) {
	m := fleettest.NewMemory(fleettest.Options{})
	for i := range 30 {
		put(t, m, "2024-01-01", host(fmt.Sprint("h", i), "eng"))
	}
	ask := func(step string, by ...string) error {
		_, err := statistics.Trend(t.Context(), environment(m), statistics.TrendRequest{Step: step, GroupBy: by, Scope: fleet.Scope{Range: "30d", AsOf: at("2024-03-01")}})
		return err
	}
	var bad *fleet.RequestError
	err := ask("1m", "host")
	if want := "43200 steps of 30 groups are more points than the 1000000 that a trend may have: choose a longer step, a shorter range or fewer groups"; !errors.As(err, &bad) || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
	if err := ask("15m", "host"); err != nil {
		t.Error(err)
	}
	if err := ask("5m", "dept"); err != nil {
		t.Error(err)
	}
}

// TestDefaults: a question without words is about cpu_usage of the last seven
// days, a trend of the last 30 by day, a ranking by p95.
func TestDefaults(t *testing.T) {
	env := environment(small(t))
	stats, err := statistics.Fleet(t.Context(), env, statistics.Request{})
	if err != nil || stats.Metric != "cpu_usage" || stats.Over != "time" || stats.Window != (fleet.Window{Start: at("2023-12-27"), End: at("2024-01-03")}) {
		t.Errorf("stats: %+v, error %v", stats, err)
	}
	trend, err := statistics.Trend(t.Context(), env, statistics.TrendRequest{})
	if err != nil || trend.Metric != "cpu_usage" || trend.Step != fleet.StepDay || trend.Timezone != "UTC" || trend.Window != (fleet.Window{Start: at("2023-12-04"), End: at("2024-01-03")}) || len(trend.Groups[0].Points) != 30 {
		t.Errorf("trend: %v %v %v, error %v", trend.Metric, trend.Step, trend.Window, err)
	}
	top, err := statistics.Top(t.Context(), env, statistics.TopRequest{})
	if err != nil || top.By != "p95" || top.Of != 4 {
		t.Errorf("top: %+v, error %v", top, err)
	}
}
