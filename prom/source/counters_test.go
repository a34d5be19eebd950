package source_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/fleettest"
	"github.com/leanfleet/leanfleet/prom/source"
)

// PromQL's rate(), by hand: a scrape every 60 s, a range of 5 minutes.
func TestRate(t *testing.T) {
	const minute = 60_000
	for _, c := range []struct {
		name                 string
		gain, value          float64
		first, last, from    int64
		n                    int
		range3, rangeBefore3 float64 // of five minutes
	}{
		{"on the minute, both ends", 300, 1000, 0, 5 * minute, 0, 6, 1, 1},
		{"17 s off: 17 s and 43 s are extrapolated", 240, 1000, 17_000, 17_000 + 4*minute, 0, 5, 1, 1},
		{"two samples, far from both ends: half a minute each", 60, 1000, 2 * minute, 3 * minute, 0, 2, 120.0 / 300, 120.0 / 300},
		{"the counter is zero 10 s before", 240, 10, 17_000, 17_000 + 4*minute, 0, 5, (240 + 10 + 43) / 300.0, (240 + 10 + 43) / 300.0},
		// Zero lies 40 s before the first of two, the start of the range 2 minutes.
		{"zero and the start are far", 60, 40, 2 * minute, 3 * minute, 0, 2, 120.0 / 300, (60 + 40 + 30) / 300.0},
		{"nothing gained", 0, 1000, 17_000, 17_000 + 4*minute, 0, 5, 0, 0},
	} {
		for before3, want := range map[bool]float64{false: c.range3, true: c.rangeBefore3} {
			if got := source.Rate(c.gain, c.value, c.first, c.last, c.n, c.from, c.from+5*minute, before3); math.Abs(got-want) > 1e-12 {
				t.Errorf("%s, before 3 %v: %g, want %g", c.name, before3, got, want)
			}
		}
	}
}

// awkward makes what goes wrong with counters: they begin anew, end, are scraped
// late or twice, by pairs, without a mode, and kernels say less of memory.
type awkward struct {
	r      *rand.Rand
	scrape time.Duration
	hours  int
	list   []testSeries
}

// times are those of scrapes, late by a little, with gaps.
func (a *awkward) times(gaps bool) []int64 {
	var out []int64
	end := begin.Add(time.Duration(a.hours) * time.Hour).UnixMilli()
	offset := a.r.Int64N(a.scrape.Milliseconds())
	for at := begin.UnixMilli() + offset; at < end; at += a.scrape.Milliseconds() {
		if gaps && a.r.IntN(50) == 0 {
			at += a.r.Int64N(40) * a.scrape.Milliseconds()
		}
		if late := at + a.r.Int64N(30); a.r.IntN(25) > 0 && late < end {
			out = append(out, late)
		}
	}
	return out
}

func (a *awkward) add(times []int64, value func(i int) float64, labels ...string) {
	s := testSeries{labels: map[string]string{"job": "node"}, times: times}
	for i := 0; i < len(labels); i += 2 {
		s.labels[labels[i]] = labels[i+1]
	}
	for i := range times {
		s.values = append(s.values, value(i))
	}
	a.list = append(a.list, s)
}

// counter grows by about perSecond, begins anew now and then, and may be marked
// as ended before a gap.
func (a *awkward) counter(times []int64, perSecond float64, labels ...string) {
	v := math.Floor(a.r.Float64()*3*perSecond*a.scrape.Seconds()*100) / 100 // zero is near
	a.add(times, func(i int) float64 {
		if i > 0 {
			v += math.Round(perSecond*float64(times[i]-times[i-1])/10*a.r.Float64()*2) / 100
			if a.r.IntN(150) == 0 {
				v = math.Round(a.r.Float64()*perSecond*100) / 100
			}
			if i+1 < len(times) && times[i+1]-times[i] > 3*a.scrape.Milliseconds() && times[i]%2 == 0 {
				return math.Float64frombits(stale) // of all series of a scrape, or of none
			}
		}
		return v
	}, labels...)
}

func (a *awkward) gauge(times []int64, level float64, labels ...string) {
	a.add(times, func(int) float64 { return math.Round(level * (0.5 + a.r.Float64())) }, labels...)
}

func awkwardFleet(seed uint64, scrape time.Duration, hours int, windows bool) []testSeries {
	a := &awkward{r: rand.New(rand.NewPCG(seed, 1)), scrape: scrape, hours: hours}
	for h := range 6 {
		instance := fmt.Sprintf("awk-%d:9100", h)
		members := []string{""}
		if h == 1 {
			members = []string{"a", "b"}
		}
		for _, member := range members {
			labels := func(more ...string) []string {
				more = append(more, "instance", instance, "prometheus_replica", member)
				if h == 2 {
					more = append(more, "job", "other")
				}
				return more
			}
			times := a.times(h != 0)
			if windows {
				for c := range 2 {
					a.counter(times, 0.45, labels("__name__", "windows_cpu_time_total", "core", fmt.Sprintf("0,%d", c), "mode", "idle")...)
				}
				a.gauge(times, 8*gib, labels("__name__", "windows_memory_physical_total_bytes")...)
				a.counter(times, 7000, labels("__name__", "windows_logical_disk_read_bytes_total", "volume", "C:")...)
				a.counter(times, 7000, labels("__name__", "windows_net_bytes_received_total", "nic", "Intel")...)
				continue
			}
			for c := range 1 + h%3 {
				for m, mode := range []string{"idle", "iowait", "steal", "user", "nice"} {
					if h == 3 && mode == "nice" || h == 4 && mode == "steal" && c == 0 {
						continue // no mode to count CPUs by; a CPU without one
					}
					a.counter(times, []float64{0.4, 0.05, 0.03, 0.15, 0}[m], labels("__name__", "node_cpu_seconds_total", "cpu", fmt.Sprint(c), "mode", mode)...)
				}
			}
			for i, name := range []string{"MemTotal", "MemAvailable", "MemFree", "Buffers", "Cached", "Slab", "SwapTotal", "SwapFree"} {
				of := times
				switch {
				case h == 5 && name == "MemAvailable":
					continue // an old kernel
				case h == 4 && name == "MemAvailable":
					of = times[len(times)/2:] // a new one from then on
				}
				level := []float64{8, 4, 1, 0.5, 1, 0.5, 2, 0.6}[i] * gib
				if h == 0 && i >= 6 {
					level = 0 // no swap
				}
				if name == "MemTotal" {
					a.add(of, func(int) float64 { return 2 * level }, labels("__name__", "node_memory_MemTotal_bytes")...)
					continue
				}
				a.gauge(of, level, labels("__name__", "node_memory_"+name+"_bytes")...)
			}
			for _, disk := range []string{"sda", "sdb", "dm-0"} {
				for _, name := range []string{"read_bytes", "written_bytes", "reads_completed", "writes_completed"} {
					a.counter(times, 9000, labels("__name__", "node_disk_"+name+"_total", "device", disk)...)
				}
				for i, name := range []string{"size", "free", "avail"} {
					a.gauge(times, []float64{400, 80, 70}[i]*gib, labels("__name__", "node_filesystem_"+name+"_bytes", "device", "/dev/"+disk, "mountpoint", "/"+disk, "fstype", "ext4")...)
				}
			}
			for _, nic := range []string{"eth0", "lo"} {
				a.counter(times, 5000, labels("__name__", "node_network_receive_bytes_total", "device", nic)...)
				a.counter(times, 5000, labels("__name__", "node_network_transmit_bytes_total", "device", nic)...)
			}
			a.gauge(times, 2, labels("__name__", "node_load1")...)
			a.gauge(times, 200, labels("__name__", "node_processes_pids")...)
			a.add(times, func(int) float64 { return 1 }, labels("__name__", "up")...)
			a.add(times, func(i int) float64 { return float64(times[i]) / 1000 }, labels("__name__", "node_time_seconds")...)
			a.add(times, func(int) float64 { return float64(begin.Unix() - 5000) }, labels("__name__", "node_boot_time_seconds")...)
		}
	}
	return a.list
}

// What is computed from series as they are stored, is what the engine says of
// the expressions: the same samples, each within one unit of its resolution.
func TestBothWays(t *testing.T) {
	t.Parallel()
	path := binaryOf(t, "prometheus")
	for name, c := range map[string]struct {
		scrape  time.Duration
		hours   int
		step    time.Duration
		windows bool
	}{
		"15 s":                  {15 * time.Second, 26, 0, false},
		"a minute":              {time.Minute, 50, 0, false},
		"17 s":                  {17 * time.Second, 10, 0, false},
		"a step of two scrapes": {30 * time.Second, 12, time.Minute, false},
		"windows_exporter":      {15 * time.Second, 10, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			config := filepath.Join(dir, "prometheus.yml")
			if err := os.WriteFile(config, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			list := awkwardFleet(uint64(len(name)), c.scrape, c.hours, c.windows)
			for i := range (c.hours + 23) / 24 { // blocks of a day, so that series are in several
				from := begin.Add(time.Duration(i) * 24 * time.Hour).UnixMilli()
				if err := writeBlock(filepath.Join(dir, "data"), i, from, from+86400_000, samplesBetween(list, from, from+86400_000)); err != nil {
					t.Fatal(err)
				}
			}
			p := startPrometheus(t, path, config, dir)
			end := begin.Add(time.Duration(c.hours) * time.Hour)
			open := func(queries bool) (*source.Source, *toldQueries) {
				a := &toldQueries{}
				s, err := source.New(source.Options{URL: p.url(), Now: func() time.Time { return end }, Lookback: 10 * 24 * time.Hour, Step: c.step, QueriesOnly: queries, Asked: a.add})
				if err != nil {
					t.Fatal(err)
				}
				return s, a
			}
			raw, rawAsked := open(false)
			queried, queriedAsked := open(true)
			w := fleet.Window{Start: begin.Add(30 * time.Minute), End: end}
			sameRecords(t, raw, queried)
			var samples int
			for _, m := range fleettest.Metrics().Stored() {
				if _, err := fleet.CanonicalMetrics().Lookup(m.Name); err == nil {
					samples += sameSeries(t, raw, queried, m, w)
				}
			}
			if samples < 1000 {
				t.Errorf("%d samples are compared", samples)
			}
			if !rawAsked.has("/api/v1/read") || queriedAsked.has("/api/v1/read") {
				t.Error("not both ways are gone")
			}
			if !c.windows && (rawAsked.has("node_cpu_seconds_total{") || !queriedAsked.has("node_cpu_seconds_total{")) {
				t.Error("rates are asked for by the wrong way")
			}
			// A copy is counted by the engine, and is the same.
			sameCopies(t, raw, queried, w)
		})
	}
}

// samplesBetween are the samples of series with from <= time < to.
func samplesBetween(list []testSeries, from, to int64) []testSeries {
	var out []testSeries
	for _, s := range list {
		i, _ := slices.BinarySearch(s.times, from)
		j, _ := slices.BinarySearch(s.times, to)
		if i < j {
			out = append(out, testSeries{s.labels, s.times[i:j], s.values[i:j]})
		}
	}
	return out
}

func sameRecords(t *testing.T, a, b *source.Source) {
	t.Helper()
	x, err := a.Records(t.Context(), fleet.Selector{}, fleet.Window{})
	if err != nil {
		t.Fatal(err)
	}
	y, err := b.Records(t.Context(), fleet.Selector{}, fleet.Window{})
	if err != nil {
		t.Fatal(err)
	}
	text := func(list []fleet.Record) string {
		var b strings.Builder
		for _, r := range list {
			fmt.Fprintf(&b, "%s %s %s %+v\n", r.Host, r.Window(), r.Seen, r.Capacity)
		}
		return b.String()
	}
	if len(x) < 6 || text(x) != text(y) {
		t.Errorf("records\n%sby queries\n%s", text(x), text(y))
	}
}

// sameSeries compares the samples of a metric, and says how many there are.
func sameSeries(t *testing.T, a, b *source.Source, m fleet.Metric, w fleet.Window) (n int) {
	t.Helper()
	read := func(s *source.Source) map[string]int64 {
		out := map[string]int64{}
		for x, err := range s.Series(t.Context(), fleet.Query{Metric: m, Window: w}) {
			if err != nil {
				t.Fatal(err)
			}
			for i, at := range x.Start {
				out[fmt.Sprint(x.Record.Host, " ", time.UnixMilli(at).UTC().Format(time.TimeOnly), " ", at)] = x.Values[i]
			}
		}
		return out
	}
	x, y := read(a), read(b)
	wrong := 0
	for id, v := range y {
		if got, ok := x[id]; !ok || got < v-1 || got > v+1 {
			if wrong++; wrong < 4 {
				t.Errorf("%s of %s is %d (there: %v), by queries %d", m.Name, id, got, ok, v)
			}
		}
	}
	if len(x) != len(y) || wrong > 0 {
		t.Errorf("%s: %d samples, by queries %d, %d differ", m.Name, len(x), len(y), wrong)
	}
	return len(x)
}

func sameCopies(t *testing.T, a, b *source.Source, w fleet.Window) {
	t.Helper()
	read := func(s *source.Source) map[string]int64 {
		out := map[string]int64{}
		for d, err := range s.Read(t.Context(), w, source.ReadOptions{Verify: true}) {
			if err != nil {
				t.Fatal(err)
			}
			if d.Counted != d.Samples {
				t.Errorf("%s %s: copied %d, counted %d", d.Host, d.Day, d.Samples, d.Counted)
			}
			out[string(d.Host)+" "+d.Day.Format(time.DateOnly)] = d.Samples
		}
		return out
	}
	x, y := read(a), read(b)
	if fmt.Sprint(x) != fmt.Sprint(y) || len(x) < 6 {
		t.Errorf("copied %v, by queries %v", x, y)
	}
}
