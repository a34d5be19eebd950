package source_test

import (
	"fmt"
	"runtime/debug"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/zones"
	"github.com/leanfleet/leanfleet/prom/source"
	"github.com/leanfleet/leanfleet/statistics"
)

// nodeEngines are engines with the series of node_exporter.
func nodeEngines(n nodeShape) map[string]func(testing.TB) string {
	return map[string]func(testing.TB) string{
		"Prometheus":      func(t testing.TB) string { return prometheusOfNodes(t, n).url() },
		"VictoriaMetrics": func(t testing.TB) string { return victoriaOfNodes(t, n).url() },
	}
}

// BenchmarkNodeExporterStatistics asks for the 95th percentile of a fleet's use
// of CPU and of memory, from node_exporter's counters and gauges.
func BenchmarkNodeExporterStatistics(b *testing.B) {
	n := shape(b, false)
	for engine, open := range nodeEngines(n) {
		b.Run(engine, func(b *testing.B) {
			url := open(b)
			for _, metric := range []string{"cpu_usage", "memory_usage"} {
				b.Run(metric, func(b *testing.B) { nodeStatistics(b, url, n, metric) })
			}
		})
	}
}

func nodeStatistics(b *testing.B, url string, n nodeShape, metric string) {
	debug.FreeOSMemory() // what filled the engine is not the answer's
	now, began := begin.AddDate(0, 0, n.days), time.Now()
	var engine time.Duration
	var memory, bound, megabytes float64
	var samples int64
	for b.Loop() {
		s, err := source.New(source.Options{URL: url, Now: func() time.Time { return now.Add(time.Since(began)) }, Lookback: time.Duration(n.days+1) * 24 * time.Hour})
		if err != nil {
			b.Fatal(err)
		}
		memory = max(memory, peak(func() {
			r, err := statistics.Fleet(b.Context(), fleet.Environment{Source: s, Metrics: fleet.CanonicalMetrics(), Now: now, Zone: zones.Load},
				statistics.Request{Metric: metric, Scope: fleet.Scope{Range: fmt.Sprintf("%dd", n.days)}})
			if err != nil || len(r.Groups) != 1 || r.Groups[0].Samples < int64(n.hosts*n.days*280) {
				b.Fatalf("%+v, error %v", r, err)
			}
			bound, samples = r.RankError, r.Groups[0].Samples
		}))
		engine += s.Cost().Waited
		megabytes = float64(s.Cost().Bytes) / 1e6
	}
	b.ReportMetric(memory, "MB")
	b.ReportMetric(megabytes, "wireMB")
	b.ReportMetric(engine.Seconds()/float64(b.N), "engine-s")
	b.ReportMetric(float64(samples), "samples")
	b.ReportMetric(bound, "rank_error")
}

// BenchmarkNodeExporterRead copies all that node_exporter tells of hosts,
// counting what was copied.
func BenchmarkNodeExporterRead(b *testing.B) {
	n := shape(b, true)
	for engine, open := range nodeEngines(n) {
		b.Run(engine, func(b *testing.B) {
			url := open(b)
			for _, verify := range []bool{true, false} {
				b.Run(fmt.Sprintf("verify=%v", verify), func(b *testing.B) { nodeRead(b, url, n, verify, nil) })
			}
		})
	}
}

func nodeRead(b *testing.B, url string, n nodeShape, verify bool, metrics []fleet.Metric) {
	var samples int64
	var memory float64
	var waited time.Duration
	for b.Loop() {
		now := begin.AddDate(0, 0, n.days)
		s, err := source.New(source.Options{URL: url, Now: func() time.Time { return now }, Lookback: time.Duration(n.days+1) * 24 * time.Hour})
		if err != nil {
			b.Fatal(err)
		}
		memory = max(memory, peak(func() {
			for d, err := range s.Read(b.Context(), fleet.Window{Start: begin, End: now}, source.ReadOptions{Verify: verify, Metrics: metrics}) {
				if err != nil {
					b.Fatal(err)
				}
				samples += d.Samples
			}
		}))
		waited += s.Cost().Waited
	}
	b.ReportMetric(float64(samples)/b.Elapsed().Seconds(), "samples/s")
	b.ReportMetric(float64(samples)/float64(b.N), "samples")
	b.ReportMetric(waited.Seconds()/float64(b.N), "engine-s")
	b.ReportMetric(memory, "MB")
}

// BenchmarkNodeExporterMetrics copies each metric by itself.
func BenchmarkNodeExporterMetrics(b *testing.B) {
	n := shape(b, true)
	for engine, open := range nodeEngines(n) {
		b.Run(engine, func(b *testing.B) {
			url := open(b)
			for _, m := range fleet.CanonicalMetrics().Stored() {
				if m.Name != "sessions" {
					b.Run(m.Name, func(b *testing.B) { nodeRead(b, url, n, false, []fleet.Metric{m}) })
				}
			}
		})
	}
}
