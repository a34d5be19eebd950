package leanfleet_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/fleet"
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
		Scope: fleet.Scope{Range: "30d", AsOf: benchStart.AddDate(0, 0, 30), Select: "name=~.*-500"}})
	if err != nil {
		return 0, err
	}
	return r.Groups[0].Samples, nil
}

// BenchmarkOneHost30d: one host x 30 d with files open.
func BenchmarkOneHost30d(b *testing.B) { question(b, benchFleet(b, 1000, 30), false, oneHost) }

// BenchmarkOneHost30dOpening: one host x 30 d, opening included.
func BenchmarkOneHost30dOpening(b *testing.B) { question(b, benchFleet(b, 1000, 30), true, oneHost) }
