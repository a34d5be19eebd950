package leanfleet_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/simulate"
	"github.com/leanfleet/leanfleet/internal/store"
	"github.com/leanfleet/leanfleet/statistics"
)

// benchStart is the first day of the fleets that benchmarks ask about.
var benchStart = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// benchFleet simulates a fleet once and keeps it in the system's temporary
// directory, or where LEANFLEET_BENCH_DIR says, for the benchmarks after it.
func benchFleet(b *testing.B, hosts, days int) string {
	b.Helper()
	root := os.Getenv("LEANFLEET_BENCH_DIR")
	if root == "" {
		root = os.TempDir()
	}
	dir := filepath.Join(root, fmt.Sprintf("leanfleet-bench-%dx%d", hosts, days))
	if _, err := os.Stat(filepath.Join(dir, "simulated-truth-1.json")); err == nil {
		return dir
	}
	m, err := leanfleet.Open(b.Context(), leanfleet.Options{Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := m.Simulate(b.Context(), leanfleet.SimulateRequest{Seed: 1, Hosts: hosts, Days: days, Start: benchStart}); err != nil {
		b.Fatal(err)
	}
	if err := m.Close(); err != nil {
		b.Fatal(err)
	}
	return dir
}

func openFleet(b *testing.B, dir string) *leanfleet.Monitor {
	b.Helper()
	m, err := leanfleet.Open(b.Context(), leanfleet.Options{Dir: dir, ReadOnly: true,
		Clock: func() time.Time { return benchStart.AddDate(0, 0, 30) }})
	if err != nil {
		b.Fatal(err)
	}
	return m
}

// question runs one question again and again, with opening the directory where
// that is asked, and reports nanoseconds a sample.
func question(b *testing.B, dir string, opening bool, ask func(context.Context, *leanfleet.Monitor) (int64, error)) {
	b.Helper()
	var m *leanfleet.Monitor
	if !opening {
		m = openFleet(b, dir)
		defer m.Close()
		if _, err := ask(b.Context(), m); err != nil {
			b.Fatal(err)
		}
	}
	var samples int64
	for b.Loop() {
		if opening {
			m = openFleet(b, dir)
		}
		n, err := ask(b.Context(), m)
		if err != nil {
			b.Fatal(err)
		}
		samples = n
		if opening {
			if err := m.Close(); err != nil {
				b.Fatal(err)
			}
		}
	}
	if samples == 0 {
		b.Fatal("the question had no sample")
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(samples), "ns/sample")
	b.ReportMetric(float64(samples), "samples")
}

func grouped(days int) func(context.Context, *leanfleet.Monitor) (int64, error) {
	return func(ctx context.Context, m *leanfleet.Monitor) (int64, error) {
		r, err := m.Statistics(ctx, statistics.Request{Metric: "cpu_usage", GroupBy: []string{"dept"},
			Scope: fleet.Scope{Range: fmt.Sprintf("%dd", days), AsOf: benchStart.AddDate(0, 0, days)}})
		if err != nil {
			return 0, err
		}
		return r.Total.Samples, nil
	}
}

func trend(scope fleet.Scope) func(context.Context, *leanfleet.Monitor) (int64, error) {
	return func(ctx context.Context, m *leanfleet.Monitor) (int64, error) {
		scope.Range, scope.AsOf = "30d", benchStart.AddDate(0, 0, 30)
		r, err := m.Trend(ctx, statistics.TrendRequest{Metric: "cpu_usage", GroupBy: []string{"dept"}, Scope: scope})
		var samples int64
		for _, g := range r.Groups {
			for _, p := range g.Points {
				samples += p.Samples
			}
		}
		return samples, err
	}
}

// BenchmarkGrouped1000x30d: grouped mean, median, p95, p99 over 1,000 hosts x
// 30 d x 60 s from sealed files, opening included, exact.
func BenchmarkGrouped1000x30d(b *testing.B) {
	question(b, benchFleet(b, 1000, 30), true, grouped(30))
}

// BenchmarkDailyTrend1000x30d: a daily trend on the same data.
func BenchmarkDailyTrend1000x30d(b *testing.B) {
	question(b, benchFleet(b, 1000, 30), true, trend(fleet.Scope{}))
}

// BenchmarkBusinessHoursKolkata1000x30d: business hours in Asia/Kolkata on the
// same data, by local day.
func BenchmarkBusinessHoursKolkata1000x30d(b *testing.B) {
	question(b, benchFleet(b, 1000, 30), true, trend(fleet.Scope{Timezone: "Asia/Kolkata", Hours: "mon-fri 09:00-17:00"}))
}

// BenchmarkGrouped1000x400d: the grouped question over 400 days.
func BenchmarkGrouped1000x400d(b *testing.B) {
	question(b, benchFleet(b, 1000, 400), true, grouped(400))
}

func oneHost(ctx context.Context, m *leanfleet.Monitor) (int64, error) {
	r, err := m.Statistics(ctx, statistics.Request{Metric: "cpu_usage",
		Scope: fleet.Scope{Range: "30d", AsOf: benchStart.AddDate(0, 0, 30), Select: "name=web-prod-500"}})
	if err != nil {
		return 0, err
	}
	return r.Groups[0].Samples, nil
}

// BenchmarkOneHost30d: one host x 30 d with files open.
func BenchmarkOneHost30d(b *testing.B) { question(b, benchFleet(b, 1000, 30), false, oneHost) }

// BenchmarkOneHost30dOpening: one host x 30 d, opening included.
func BenchmarkOneHost30dOpening(b *testing.B) { question(b, benchFleet(b, 1000, 30), true, oneHost) }

// BenchmarkImport: import of CSV files, in sample values a second.
func BenchmarkImport(b *testing.B) {
	dir := b.TempDir()
	source := filepath.Join(dir, "source")
	m, err := leanfleet.Open(b.Context(), leanfleet.Options{Dir: source})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := m.Simulate(b.Context(), leanfleet.SimulateRequest{Seed: 1, Hosts: 100, Days: 10, Start: benchStart}); err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(dir, "samples.csv")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	exported, err := m.Export(b.Context(), leanfleet.ExportRequest{Output: f, Scope: fleet.Scope{Range: "10d", AsOf: benchStart.AddDate(0, 0, 10)}})
	if err != nil {
		b.Fatal(err)
	}
	if err := errors.Join(f.Close(), m.Close()); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		into, err := leanfleet.Open(b.Context(), leanfleet.Options{Dir: b.TempDir()})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := into.Import(b.Context(), leanfleet.ImportRequest{Samples: []string{path}}); err != nil {
			b.Fatal(err)
		}
		if err := into.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(exported.Samples)*float64(b.N)/b.Elapsed().Seconds(), "samples/s")
}

// BenchmarkSimulate: a fleet made and sealed, in sample values a second.
func BenchmarkSimulate(b *testing.B) {
	var samples int64
	for b.Loop() {
		samples = sealed(b, simulate.Options{Seed: 1, Hosts: 100, Days: 10, Start: benchStart}).Samples
	}
	b.ReportMetric(float64(samples)*float64(b.N)/b.Elapsed().Seconds(), "samples/s")
}

// sealed simulates into a fresh store and returns what it takes.
func sealed(b *testing.B, o simulate.Options) store.Status {
	b.Helper()
	s, err := store.Open(b.Context(), store.Options{Dir: b.TempDir(), Clock: time.Now})
	if err != nil {
		b.Fatal(err)
	}
	load, err := s.Begin(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	if _, err := simulate.Run(b.Context(), o, load, nil); err != nil {
		b.Fatal(err)
	}
	if _, err := load.Commit(b.Context()); err != nil {
		b.Fatal(err)
	}
	st, err := s.Status()
	if err != nil {
		b.Fatal(err)
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	return st
}

// BenchmarkBytes: what a CPU sample takes alone (its time and index included),
// and a host for 90 days of all canonical metrics, on data as rough as the
// Bitbrains trace.
func BenchmarkBytes(b *testing.B) {
	var cpu, all store.Status
	for b.Loop() {
		o := simulate.Options{Seed: 1, Hosts: 100, Days: 10, Start: benchStart}
		all = sealed(b, o)
		o.Metrics = []fleet.Metric{fleet.CPUUsage}
		cpu = sealed(b, o)
	}
	b.ReportMetric(float64(cpu.DayBytes)/float64(cpu.Samples), "bytes/cpu-sample")
	b.ReportMetric(float64(all.DayBytes)/float64(all.Rows)*1440*90/1e6, "MB/host-90d")
}
