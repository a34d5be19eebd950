package source_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/simulate"
	"github.com/leanfleet/leanfleet/internal/store"
	"github.com/leanfleet/leanfleet/inventory"
	"github.com/leanfleet/leanfleet/prom/source"
)

// nodeLoad takes a simulated fleet into a store, and as the counters and gauges
// that node_exporter would have had: four scrapes a step, in which the use of a
// CPU is even.
type nodeLoad struct {
	fleet.Load // the store's
	book       *inventory.Book
	hosts      map[fleet.HostID]*nodeState
	series     map[string]*testSeries
}

// nodeState is a host's counters after its last row.
type nodeState struct {
	end  int64 // of the row, milliseconds
	used float64
	idle []float64 // seconds, by CPU
}

const nodeScrapes = 4

func (l *nodeLoad) Add(ctx context.Context, batches []fleet.Batch) error {
	for i := range batches {
		b := &batches[i]
		columns := map[string]*fleet.Column{}
		for c := range b.Columns {
			columns[b.Columns[c].Metric.Name] = &b.Columns[c]
		}
		cpu := columns[fleet.CPUUsage.Name]
		peak := fleet.Column{Metric: fleet.CPUUsagePeak, Values: make([]int32, len(b.Start)), Present: make([]bool, len(b.Start))}
		for r, at := range b.Start {
			value := func(m fleet.Metric) (float64, bool) {
				c := columns[m.Name]
				return m.Value(int64(c.Values[r])), c.Has(r)
			}
			used, ok := value(fleet.CPUUsage)
			memory, okMemory := value(fleet.MemoryUsage)
			cpus, okCPUs := value(fleet.CapacityVCPUs)
			total, okTotal := value(fleet.CapacityMemory)
			if !ok || !okMemory || !okCPUs || !okTotal {
				if ok || okMemory {
					return fmt.Errorf("%s has a row in part", b.Host)
				}
				continue
			}
			highest := used
			if s := l.hosts[b.Host]; s != nil && s.end == at && len(s.idle) == int(math.Round(cpus)) {
				highest = max(used, (s.used+used)/2) // the first of a peak's rates begins a scrape before
			}
			peak.Values[r], peak.Present[r] = int32(math.Round(highest*float64(peak.Metric.Den)/float64(peak.Metric.Num))), true
			l.row(string(b.Host), at, int64(b.Step), used, memory, int(math.Round(cpus)), total)
		}
		if cpu != nil {
			b.Columns = append(b.Columns, peak)
		}
	}
	return l.Load.Add(ctx, batches)
}

// row scrapes a host through one row.
func (l *nodeLoad) row(host string, at, step int64, used, memory float64, cpus int, total float64) {
	s := l.hosts[fleet.HostID(host)]
	first := s == nil || s.end != at
	if s == nil {
		s = &nodeState{}
		l.hosts[fleet.HostID(host)] = s
	}
	for len(s.idle) < cpus {
		s.idle = append(s.idle, 1000)
	}
	s.idle = s.idle[:cpus]
	from := 1
	if first {
		from = 0 // nothing told where the counters stood
	}
	for k := from; k <= nodeScrapes; k++ {
		t, share := at+step*int64(k)/nodeScrapes, float64(k)/nodeScrapes
		for cpu := range cpus {
			l.sample(t, s.idle[cpu]+(1-used)*share*float64(step)/1000, "node_cpu_seconds_total", host, "cpu", fmt.Sprint(cpu), "mode", "idle")
		}
		l.sample(t, total, "node_memory_MemTotal_bytes", host)
		l.sample(t, (1-memory)*total, "node_memory_MemAvailable_bytes", host)
	}
	for cpu := range cpus {
		s.idle[cpu] += (1 - used) * float64(step) / 1000
	}
	s.end, s.used = at+step, used
}

func (l *nodeLoad) sample(at int64, value float64, name, host string, more ...string) {
	id := name + host + fmt.Sprint(more)
	s := l.series[id]
	if s == nil {
		s = &testSeries{labels: map[string]string{"__name__": name, "instance": host + ":9100", "job": "node"}}
		for i := 0; i < len(more); i += 2 {
			s.labels[more[i]] = more[i+1]
		}
		l.series[id] = s
	}
	s.times, s.values = append(s.times, at), append(s.values, value)
}

func (l *nodeLoad) PutRecords(ctx context.Context, s []fleet.Statement, p fleet.Put) (fleet.PutResult, error) {
	if _, err := l.book.Put(s, p); err != nil {
		return fleet.PutResult{}, err
	}
	return l.Load.PutRecords(ctx, s, p)
}

// TestSameDecisionsFromCounters: from node_exporter's counters right-sizing
// decides for at least 99 % of hosts what it decides from the embedded store,
// on both engines.
func TestSameDecisionsFromCounters(t *testing.T) {
	t.Parallel()
	capacities, prices := types(t)
	const days = 14
	st, err := store.Open(t.Context(), store.Options{Dir: t.TempDir(), Types: capacities})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	begun, err := st.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	load := &nodeLoad{Load: begun, book: inventory.NewBook(capacities), hosts: map[fleet.HostID]*nodeState{}, series: map[string]*testSeries{}}
	simulated(t, simulate.Options{Seed: 5, Hosts: 30, Days: days, Start: begin, Interval: 10 * time.Minute,
		Metrics: []fleet.Metric{fleet.CPUUsage, fleet.MemoryUsage, fleet.CapacityVCPUs, fleet.CapacityMemory}}, load)
	now := begin.AddDate(0, 0, days)
	want := decisions(t, st, prices, now, days)
	changes := 0
	for _, d := range want {
		if d[len(d)-4:] != "keep" {
			changes++
		}
	}
	if len(want) < 20 || changes < 5 {
		t.Fatalf("%d hosts, %d changes: too few to compare", len(want), changes)
	}
	var list []testSeries
	for _, s := range load.series {
		list = append(list, *s)
	}
	for name, open := range map[string]func() string{
		"VictoriaMetrics": func() string {
			w := newVictoria(t)
			writeRemote(t, w.base, list)
			w.settle(t)
			return w.base
		},
		"Prometheus": func() string {
			dir := t.TempDir()
			config := filepath.Join(dir, "prometheus.yml")
			if err := os.WriteFile(config, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			for i := range days + 1 { // the last sample is of the end
				from := begin.AddDate(0, 0, i).UnixMilli()
				if err := writeBlock(filepath.Join(dir, "data"), i, from, from+86400_000, samplesBetween(list, from, from+86400_000)); err != nil {
					t.Fatal(err)
				}
			}
			return startPrometheus(t, binaryOf(t, "prometheus"), config, dir, "--storage.tsdb.min-block-duration=2h", "--storage.tsdb.max-block-duration=24h").base
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := source.New(source.Options{URL: open(), Now: func() time.Time { return now.Add(time.Hour) }, Lookback: 30 * 24 * time.Hour, Book: load.book})
			if err != nil {
				t.Fatal(err)
			}
			got := decisions(t, s, prices, now, days)
			same := 0
			for id, d := range want {
				if got[id] == d {
					same++
				} else {
					t.Logf("%s: %s from the store, %s from counters", id, d, got[id])
				}
			}
			t.Logf("the same for %d of %d hosts, of which %d are to change; %+v", same, len(want), changes, s.Cost())
			if float64(same) < 0.99*float64(len(want)) || len(got) != len(want) {
				t.Errorf("the same decision for %d of %d hosts", same, len(want))
			}
		})
	}
}
