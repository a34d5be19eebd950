package leanfleet_test

import (
	"compress/gzip"
	"context"
	"encoding/csv"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/catalog"
	"github.com/leanfleet/leanfleet/statistics"
)

// traces is the folder of real traces: LEANFLEET_TRACES, else shared/traces
// beside the project. Without it the test is skipped, loudly.
func traces(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("SKIPPED: real traces take minutes in a shortened run under the race detector; the full run has them")
	}
	dir := os.Getenv("LEANFLEET_TRACES")
	if dir == "" {
		dir = filepath.Join("..", "shared", "traces")
	}
	if _, err := os.Stat(filepath.Join(dir, "bitbrains-inventory.csv")); err != nil {
		t.Skipf("SKIPPED: no real traces: %v; set LEANFLEET_TRACES to their folder", err)
	}
	return dir
}

// naive holds what an independent computation makes of the same files.
type naive struct {
	vcpus, memory map[string]float64
	dept          map[string]string
	// scaled values by department and metric
	values map[string]map[string][]int64
}

func readCSV(t *testing.T, path string, row func(field func(string) string)) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var r io.Reader = f
	if filepath.Ext(path) == ".gz" {
		if r, err = gzip.NewReader(f); err != nil {
			t.Fatal(err)
		}
	}
	c := csv.NewReader(r)
	c.ReuseRecord = true
	header, err := c.Read()
	if err != nil {
		t.Fatal(err)
	}
	header = slices.Clone(header)
	for {
		record, err := c.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		row(func(name string) string { return record[slices.Index(header, name)] })
	}
}

// inventory reads departments and sizes.
func (n *naive) inventory(t *testing.T, path string) {
	types, err := catalog.Open()
	if err != nil {
		t.Fatal(err)
	}
	readCSV(t, path, func(field func(string) string) {
		host := field("host")
		n.dept[host] = field("tag_dept")
		x, ok := types.Type(field("provider"), field("instance_type"))
		if !ok || !x.VCPUs.OK || !x.MemoryBytes.OK {
			t.Fatalf("the catalogue does not know %s", field("instance_type"))
		}
		n.vcpus[host] = float64(x.VCPUs.Value)
		n.memory[host] = math.Round(float64(x.MemoryBytes.Value)/(1<<20)) * (1 << 20) // the resolution of capacities
	})
}

// samples reads the values of a window; cpu names the metric of cpu_cores_used.
func (n *naive) samples(t *testing.T, path string, w fleet.Window, cpu string) {
	metrics := fleet.CanonicalMetrics()
	readCSV(t, path, func(field func(string) string) {
		seconds, err := strconv.ParseInt(field("timestamp"), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		if !w.Contains(time.Unix(seconds, 0)) {
			return
		}
		host := field("host")
		add := func(metric, text string, divisor float64) {
			if text == "" {
				return
			}
			v, err := strconv.ParseFloat(text, 64)
			if err != nil {
				t.Fatal(err)
			}
			m, err := metrics.Lookup(metric)
			if err != nil {
				t.Fatal(err)
			}
			dept := n.dept[host]
			if n.values[dept] == nil {
				n.values[dept] = map[string][]int64{}
			}
			n.values[dept][metric] = append(n.values[dept][metric], int64(math.Round(v/divisor*float64(m.Den)/float64(m.Num))))
		}
		add(cpu, field("cpu_cores_used"), n.vcpus[host])
		add("memory_usage", field("memory_used_bytes"), n.memory[host])
		for _, rate := range []string{"disk_read_bytes_per_second", "disk_write_bytes_per_second", "network_receive_bytes_per_second", "network_transmit_bytes_per_second"} {
			add(rate, field(rate), 1)
		}
	})
}

func newNaive() *naive {
	return &naive{map[string]float64{}, map[string]float64{}, map[string]string{}, map[string]map[string][]int64{}}
}

// compare holds the answers for each department against the naive ones.
func (n *naive) compare(t *testing.T, m *leanfleet.Monitor, metric string, w fleet.Window) {
	t.Helper()
	r, err := m.Statistics(t.Context(), statistics.Request{Metric: metric, GroupBy: []string{"dept"}, Percentiles: []float64{99.9},
		Scope: fleet.Scope{Range: w.Start.Format(time.RFC3339) + ".." + w.End.Format(time.RFC3339)}})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Groups) != len(n.values) {
		t.Fatalf("%s: %d groups, want %d", metric, len(r.Groups), len(n.values))
	}
	x, err := fleet.CanonicalMetrics().Lookup(metric)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range r.Groups {
		values := n.values[*g.Group[0].Value][metric]
		slices.Sort(values)
		if int64(len(values)) != g.Samples {
			t.Errorf("%s %s: %d samples, want %d", metric, g.Group, g.Samples, len(values))
			continue
		}
		rank := func(percent float64) float64 {
			return x.Value(values[int(math.Ceil(percent/100*float64(len(values))-1e-9))-1])
		}
		var sum float64
		for _, v := range values {
			sum += float64(v)
		}
		mean := sum / float64(len(values)) * x.Resolution()
		near(t, metric, g.Group, "mean", *g.Mean, mean, x.Resolution()/1000)
		for name, pair := range map[string][2]float64{
			"median": {*g.Median, rank(50)}, "p95": {*g.P95, rank(95)}, "p99": {*g.P99, rank(99)},
			"p99.9": {*g.Percentiles[0].Value, rank(99.9)}, "min": {*g.Min, x.Value(values[0])}, "max": {*g.Max, x.Value(values[len(values)-1])},
		} {
			near(t, metric, g.Group, name, pair[0], pair[1], r.QuantileError*pair[1])
		}
	}
}

func near(t *testing.T, metric string, group fleet.GroupKey, figure string, have, want, tolerance float64) {
	t.Helper()
	if math.Abs(have-want) > tolerance+1e-12 {
		t.Errorf("%s %s: %s is %v, independently %v", metric, group, figure, have, want)
	}
}

// TestRealTraceEqualsIndependentComputation imports the Bitbrains trace and
// holds every department's figures against a computation over the same CSV
// files that shares no code with the store.
func TestRealTraceEqualsIndependentComputation(t *testing.T) {
	dir := traces(t)
	m := traceMonitor(t)
	samples, err := filepath.Glob(filepath.Join(dir, "bitbrains-*.csv.gz"))
	if err != nil {
		t.Fatal(err)
	}
	inventory := filepath.Join(dir, "bitbrains-inventory.csv")
	first, err := m.Import(t.Context(), leanfleet.ImportRequest{Samples: samples, Inventory: []string{inventory}})
	if err != nil {
		t.Fatal(err)
	}
	if first.Samples.Hosts != 116 || first.Stored.Inserted != first.Samples.Samples {
		t.Errorf("read %d samples of %d hosts, inserted %d", first.Samples.Samples, first.Samples.Hosts, first.Stored.Inserted)
	}
	above := map[string]bool{}
	for _, h := range first.Samples.High {
		above[h.Host] = true
	}
	t.Logf("%d ratios above 1, %d hosts above 1.25", first.Samples.AboveOne, len(above))
	w := fleet.Window{Start: time.Date(2013, 8, 1, 0, 0, 0, 0, time.UTC), End: time.Date(2013, 8, 29, 0, 0, 0, 0, time.UTC)}
	n := newNaive()
	n.inventory(t, inventory)
	for _, path := range samples {
		n.samples(t, path, w, "cpu_usage")
	}
	for _, metric := range []string{"cpu_usage", "memory_usage", "disk_read_bytes_per_second", "disk_write_bytes_per_second", "network_receive_bytes_per_second", "network_transmit_bytes_per_second"} {
		n.compare(t, m, metric, w)
	}
	again, err := m.Import(t.Context(), leanfleet.ImportRequest{Samples: samples[:1]})
	if err != nil {
		t.Fatal(err)
	}
	if again.Stored.Inserted != 0 || again.Stored.Changed != 0 || again.Stored.Unchanged != again.Samples.Samples {
		t.Errorf("importing a file again: %+v of %d samples", *again.Stored, again.Samples.Samples)
	}
}

// TestAzureMeanAndPeak loads the two Azure files into the same hosts, one as
// mean, one as peak.
func TestAzureMeanAndPeak(t *testing.T) {
	dir := traces(t)
	m := traceMonitor(t)
	inventory := filepath.Join(dir, "azure-inventory.csv")
	mean, peak := filepath.Join(dir, "azure-mean.csv.gz"), filepath.Join(dir, "azure-max.csv.gz")
	if _, err := m.Import(t.Context(), leanfleet.ImportRequest{Samples: []string{mean}, Inventory: []string{inventory}}); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Import(t.Context(), leanfleet.ImportRequest{Samples: []string{peak}, Map: map[string]string{"cpu_cores_used": "cpu_cores_used_peak"}}); err != nil {
		t.Fatal(err)
	}
	w := fleet.Window{Start: time.Date(2017, 1, 2, 0, 0, 0, 0, time.UTC), End: time.Date(2017, 1, 16, 0, 0, 0, 0, time.UTC)}
	n := newNaive()
	n.inventory(t, inventory)
	n.samples(t, mean, w, "cpu_usage")
	n.samples(t, peak, w, "cpu_usage_peak")
	n.compare(t, m, "cpu_usage", w)
	n.compare(t, m, "cpu_usage_peak", w)
}

func traceMonitor(t *testing.T) *leanfleet.Monitor {
	t.Helper()
	m, err := leanfleet.Open(context.Background(), leanfleet.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}
