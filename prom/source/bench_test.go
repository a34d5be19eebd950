package source_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/zones"
	"github.com/leanfleet/leanfleet/prom/source"
	"github.com/leanfleet/leanfleet/statistics"
)

// size is LEANFLEET_PROM_BENCH as HOSTSxDAYS, 100 hosts of 5 days if it is not set:
// filling an engine with a thousand hosts of 30 days takes minutes.
func size(b *testing.B) (hosts, days int) {
	hosts, days = 100, 5
	if text := os.Getenv("LEANFLEET_PROM_BENCH"); text != "" {
		if _, err := fmt.Sscanf(text, "%dx%d", &hosts, &days); err != nil {
			b.Fatalf("LEANFLEET_PROM_BENCH=%q is not like 1000x30", text)
		}
	}
	return hosts, days
}

// filled is a VictoriaMetrics with a sample a minute of cpu_usage of each host.
func filled(b *testing.B, hosts, days int) *victoria {
	v := newVictoria(b)
	r := rand.New(rand.NewPCG(1, 1))
	var body bytes.Buffer
	for h := range hosts {
		level := 0.05 + 0.5*r.Float64()
		for d := range days {
			fmt.Fprintf(&body, `{"metric":{"__name__":"leanfleet_cpu_usage_ratio","host":"host-%04d","step":"60"},"values":[`, h)
			for i := range 1440 {
				if i > 0 {
					body.WriteByte(',')
				}
				body.WriteString(strconv.FormatFloat(float64(int(10000*level*(0.5+r.Float64())))/10000, 'f', -1, 64))
			}
			body.WriteString(`],"timestamps":[`)
			at := begin.AddDate(0, 0, d).UnixMilli()
			for i := range int64(1440) {
				if i > 0 {
					body.WriteByte(',')
				}
				body.WriteString(strconv.FormatInt(at+(i+1)*60000, 10))
			}
			body.WriteString("]}\n")
		}
		if body.Len() > 1<<23 || h == hosts-1 {
			q, err := http.Post(v.base+"/api/v1/import", "application/json", &body)
			if err != nil || q.StatusCode >= 300 {
				b.Fatalf("import: %v, %v", q, err)
			}
			q.Body.Close()
			body.Reset()
		}
	}
	v.settle(b)
	return v
}

// peak watches the memory in use while something runs.
func peak(f func()) float64 {
	var most atomic.Uint64
	done, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		for {
			most.Store(max(most.Load(), resident()))
			select {
			case <-done:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	f()
	close(done)
	<-gone
	return float64(most.Load()) / (1 << 20)
}

// resident is what the operating system says this process has in memory.
func resident() uint64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseUint(strings.Fields(string(text))[1], 10, 64)
	return n * uint64(os.Getpagesize())
}

// filledPrometheus is a Prometheus with the same, in blocks of a day.
func filledPrometheus(b *testing.B, hosts, days int) *prometheus {
	path, dir := binaryOf(b, "prometheus"), b.TempDir()
	config := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(config, nil, 0o600); err != nil {
		b.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 1))
	levels := make([]float64, hosts)
	for h := range levels {
		levels[h] = 0.05 + 0.5*r.Float64()
	}
	for d := range days {
		var list []testSeries
		at := begin.AddDate(0, 0, d).UnixMilli()
		for h, level := range levels {
			s := testSeries{labels: map[string]string{"__name__": "leanfleet_cpu_usage_ratio", "host": fmt.Sprintf("host-%04d", h), "step": "60"}}
			for i := range int64(1440) {
				s.times = append(s.times, at+(i+1)*60_000)
				s.values = append(s.values, float64(int(10000*level*(0.5+r.Float64())))/10000)
			}
			list = append(list, s)
		}
		if err := writeBlock(filepath.Join(dir, "data"), d, at+60_000, at+60_000+86400_000, list); err != nil {
			b.Fatal(err)
		}
	}
	return startPrometheus(b, path, config, dir, "--storage.tsdb.min-block-duration=2h", "--storage.tsdb.max-block-duration=24h")
}

// BenchmarkFleetStatistics asks for the 95th percentile of a fleet, a sample a
// minute, of VictoriaMetrics and of Prometheus. engine-s is the time until
// answers began, the engine's own, of up to two requests at a time; MB what this
// process had in memory.
func BenchmarkFleetStatistics(b *testing.B) {
	hosts, days := size(b)
	for _, engine := range []struct {
		name    string
		open    func() string
		methods []source.Method
	}{
		{"VictoriaMetrics", func() string { return filled(b, hosts, days).url() }, []source.Method{source.MethodAuto, source.MethodExact}},
		{"Prometheus", func() string { return filledPrometheus(b, hosts, days).url() }, []source.Method{source.MethodAuto}},
	} {
		b.Run(engine.name, func(b *testing.B) {
			url := engine.open()
			for _, method := range engine.methods {
				b.Run(string(method), func(b *testing.B) { fleetStatistics(b, url, method, hosts, days) })
			}
		})
	}
}

func fleetStatistics(b *testing.B, url string, method source.Method, hosts, days int) {
	debug.FreeOSMemory() // what filled the engine is not the answer's
	now, began := begin.AddDate(0, 0, days), time.Now()
	var engine time.Duration
	var memory, bound float64
	for b.Loop() {
		s, err := source.New(source.Options{URL: url, Now: func() time.Time { return now.Add(time.Since(began)) }, Method: method})
		if err != nil {
			b.Fatal(err)
		}
		memory = max(memory, peak(func() {
			r, err := statistics.Fleet(b.Context(), fleet.Environment{Source: s, Metrics: fleet.CanonicalMetrics(), Now: now, Zone: zones.Load},
				statistics.Request{Metric: "cpu_usage", Scope: fleet.Scope{Range: fmt.Sprintf("%dd", days)}})
			if err != nil || len(r.Groups) != 1 || r.Groups[0].Samples != int64(hosts*days*1440) {
				b.Fatalf("%+v, error %v", r, err)
			}
			bound = r.RankError
		}))
		engine += s.Cost().Waited
	}
	b.ReportMetric(memory, "MB")
	b.ReportMetric(engine.Seconds()/float64(b.N), "engine-s")
	b.ReportMetric(float64(hosts*days*1440), "samples")
	b.ReportMetric(bound, "rank_error")
}

// BenchmarkRead copies from VictoriaMetrics, counting what was copied.
func BenchmarkRead(b *testing.B) {
	hosts, days := size(b)
	v := filled(b, hosts, days)
	var samples int64
	var memory float64
	for b.Loop() {
		s, err := source.New(source.Options{URL: v.url(), Now: time.Now, Lookback: 20 * 365 * 24 * time.Hour})
		if err != nil {
			b.Fatal(err)
		}
		memory = max(memory, peak(func() {
			for d, err := range s.Read(b.Context(), fleet.Window{Start: begin, End: begin.AddDate(0, 0, days)}, source.ReadOptions{Verify: true}) {
				if err != nil {
					b.Fatal(err)
				}
				samples += d.Samples
			}
		}))
	}
	if samples != int64(b.N*hosts*days*1440) {
		b.Fatalf("%d samples", samples)
	}
	b.ReportMetric(float64(samples)/b.Elapsed().Seconds(), "samples/s")
	b.ReportMetric(memory, "MB")
}
