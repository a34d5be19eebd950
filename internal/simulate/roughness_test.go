package simulate

import (
	"bufio"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/leanfleet/leanfleet/fleet"
)

var update = flag.Bool("update", false, "rewrite the files in testdata")

// roughness is testdata/roughness.json: how rough real hosts are.
type roughness struct {
	Definition string `json:"definition"`
	Source     string `json:"source"`
	Made       string `json:"made"`
	Hosts      int    `json:"hosts"`
	Rows       int    `json:"rows"`
	// Capacities of the instance types in the trace's inventory.
	Capacities map[string]typeCapacity `json:"capacities"`
	// Targets by metric.
	Targets map[string]roughBits `json:"targets"`
}

type typeCapacity struct {
	VCPUs     float64 `json:"vcpus"`
	MemoryGiB float64 `json:"memory_gib"`
}

type roughBits struct {
	EntropyBits float64 `json:"entropy_bits"`
	PackedBits  float64 `json:"packed_bits"`
}

const roughnessFile = "testdata/roughness.json"

func readRoughness(t testing.TB) roughness {
	t.Helper()
	data, err := os.ReadFile(roughnessFile)
	if err != nil {
		t.Fatal(err)
	}
	var r roughness
	if err := json.Unmarshal(data, &r); err != nil {
		t.Fatalf("%s: %v", roughnessFile, err)
	}
	return r
}

// roughMetrics are the columns of the trace files after host and timestamp, as
// the metric each becomes.
var roughMetrics = []string{
	"cpu_usage", "memory_usage", "disk_read_bytes_per_second", "disk_write_bytes_per_second",
	"network_receive_bytes_per_second", "network_transmit_bytes_per_second",
}

// gauge takes the mean of both measures over hosts.
type gauge struct {
	hosts map[string]int
	sums  map[string]roughBits
}

func newGauge() *gauge { return &gauge{map[string]int{}, map[string]roughBits{}} }

func (g *gauge) host(metric string, values []int32) {
	g.hosts[metric]++
	s := g.sums[metric]
	s.EntropyBits += entropy(values)
	s.PackedBits += packed(values)
	g.sums[metric] = s
}

func (g *gauge) mean(metric string) roughBits {
	n := float64(g.hosts[metric])
	return roughBits{g.sums[metric].EntropyBits / n, g.sums[metric].PackedBits / n}
}

// tracesFolder finds the recorded traces: LEANFLEET_TRACES, or a folder
// shared/traces beside the repository.
func tracesFolder(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("LEANFLEET_TRACES"); dir != "" {
		return dir
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if found := filepath.Join(dir, "shared", "traces"); exists(filepath.Join(found, "bitbrains-inventory.csv")) {
			return found
		}
	}
	t.Skip("SKIPPED: the roughness of the real trace is not recomputed: no folder of traces beside the repository; set LEANFLEET_TRACES")
	return ""
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, os.ErrNotExist)
}

// TestRoughnessTargets recomputes the committed targets from the real trace.
func TestRoughnessTargets(t *testing.T) {
	dir := tracesFolder(t)
	want := readRoughness(t)
	types := traceTypes(t, filepath.Join(dir, "bitbrains-inventory.csv"), want.Capacities)
	files, err := filepath.Glob(filepath.Join(dir, "bitbrains-[0-9]*.csv.gz"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no trace in %s (%v)", dir, err)
	}
	g := newGauge()
	rows := 0
	for _, file := range files {
		rows += gaugeTrace(t, file, types, g)
	}
	got := want
	got.Rows, got.Hosts, got.Targets = rows, g.hosts["cpu_usage"], map[string]roughBits{}
	for _, name := range roughMetrics {
		m := g.mean(name)
		got.Targets[name] = roughBits{math.Round(m.EntropyBits*1e4) / 1e4, math.Round(m.PackedBits*1e4) / 1e4}
	}
	if *update {
		writeJSON(t, roughnessFile, got)
		return
	}
	if got.Rows != want.Rows || got.Hosts != want.Hosts {
		t.Errorf("the trace has %d rows of %d hosts; %s says %d of %d", got.Rows, got.Hosts, roughnessFile, want.Rows, want.Hosts)
	}
	for _, name := range roughMetrics {
		if got.Targets[name] != want.Targets[name] {
			t.Errorf("%s: the trace gives %v, %s says %v", name, got.Targets[name], roughnessFile, want.Targets[name])
		}
	}
}

func writeJSON(t *testing.T, file string, v any) {
	t.Helper()
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(data, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

// traceTypes reads which capacity each host of the trace has.
func traceTypes(t *testing.T, file string, capacities map[string]typeCapacity) map[string]typeCapacity {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	list, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	out := map[string]typeCapacity{}
	for _, row := range list[1:] { // host, provider, region, instance_type
		c, ok := capacities[row[1]+"/"+row[3]]
		if !ok {
			t.Fatalf("%s: no capacity of %s/%s in %s", file, row[1], row[3], roughnessFile)
		}
		out[row[0]] = c
	}
	return out
}

// gaugeTrace measures the hosts of one trace file and returns its rows.
func gaugeTrace(t *testing.T, file string, types map[string]typeCapacity, g *gauge) int {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	var (
		lines   = bufio.NewScanner(z)
		metrics []fleet.Metric
		host    string
		values  [6][]int32
		rows    int
	)
	metrics = metricsNamed(t, roughMetrics...)
	finish := func() {
		for k := range values {
			if host != "" {
				g.host(roughMetrics[k], values[k])
			}
			values[k] = values[k][:0]
		}
	}
	lines.Scan() // the header
	for lines.Scan() {
		name, rest, _ := strings.Cut(lines.Text(), ",")
		_, rest, _ = strings.Cut(rest, ",")
		if name != host {
			finish()
			host = name
		}
		c := types[host]
		for k, divisor := range []float64{c.VCPUs, c.MemoryGiB * (1 << 30), 1, 1, 1, 1} {
			var field string
			if field, rest, _ = strings.Cut(rest, ","); field == "" {
				continue
			}
			x, err := strconv.ParseFloat(field, 64)
			if err != nil {
				t.Fatalf("%s, host %s: %v", file, host, err)
			}
			scaled, err := metrics[k].Scale(x / divisor)
			if err != nil {
				t.Fatalf("%s, host %s: %v", file, host, err)
			}
			values[k] = append(values[k], scaled)
		}
		rows++
	}
	if err := lines.Err(); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	finish()
	return rows
}

// TestRoughness holds a simulated fleet against the committed targets: it may
// not be smoother than real hosts, and not much rougher. Eighteen days of a
// minute have as many rows a host as the trace's 91 days of five minutes, so
// that the entropies are of samples of one size.
func TestRoughness(t *testing.T) {
	want := readRoughness(t)
	gauged := metricsNamed(t, append([]string{"cpu_usage_peak", "cpu_iowait", "load1", "processes", "disk_read_ops_per_second", "disk_write_ops_per_second"}, roughMetrics...)...)
	for _, seed := range []uint64{1, 2} {
		g := newGauge()
		values := map[fleet.HostID][][]int32{}
		c := &collected{each: func(b *fleet.Batch) {
			v := values[b.Host]
			if v == nil {
				v = make([][]int32, len(b.Columns))
				values[b.Host] = v
			}
			for k := range b.Columns {
				v[k] = append(v[k], b.Columns[k].Values...)
			}
		}}
		o := Options{Seed: seed, Hosts: 100, Days: 18, Start: monday, Metrics: gauged}
		if _, err := Run(t.Context(), o, c, nil); err != nil {
			t.Fatal(err)
		}
		for _, v := range values {
			for k := range v {
				g.host(gauged[k].Name, v[k])
			}
		}
		for _, m := range gauged {
			got := g.mean(m.Name)
			target, real := want.Targets[m.Name]
			if !real {
				t.Logf("seed %d: %-34s entropy %.3f, packed %.2f bits", seed, m.Name, got.EntropyBits, got.PackedBits)
				if got.EntropyBits < 0.4 {
					t.Errorf("seed %d: %s has %.3f bits of entropy, so it hardly moves", seed, m.Name, got.EntropyBits)
				}
				continue
			}
			e, p := got.EntropyBits/target.EntropyBits, got.PackedBits/target.PackedBits
			t.Logf("seed %d: %-34s entropy %.3f bits = %.3f x real, packed %.2f bits = %.3f x real", seed, m.Name, got.EntropyBits, e, got.PackedBits, p)
			if e < 1 || e > 1.2 {
				t.Errorf("seed %d: %s has %.4f bits of entropy, %.3f times the real %.4f; want 1 to 1.2 times", seed, m.Name, got.EntropyBits, e, target.EntropyBits)
			}
			if p < 1 || p > 1.2 {
				t.Errorf("seed %d: %s packs to %.4f bits, %.3f times the real %.4f; want 1 to 1.2 times", seed, m.Name, got.PackedBits, p, target.PackedBits)
			}
		}
	}
}

// TestEntropyByHand checks both measures on values that can be checked by hand.
func TestEntropyByHand(t *testing.T) {
	f := func(values []int32, wantEntropy, wantPacked float64) {
		t.Helper()
		if e, p := entropy(values), packed(values); math.Abs(e-wantEntropy) > 1e-12 || math.Abs(p-wantPacked) > 1e-12 {
			t.Errorf("%v: entropy %v, packed %v; want %v, %v", values, e, p, wantEntropy, wantPacked)
		}
	}
	f([]int32{5, 5, 5, 5}, 0, 0)
	f([]int32{0, 1, 2, 3}, 0, 0)                     // the difference is always 1
	f([]int32{0, 1, 1, 2, 2}, 1, 1)                  // differences 1 0 1 0
	f([]int32{0, 1, 3, 6, 10}, 2, 2)                 // differences 1 2 3 4: four equally likely, 0 to 3 above the smallest
	f([]int32{0, 8, 8, 8, 8}, 0.8112781244591328, 4) // differences 8 0 0 0
	f([]int32{7}, 0, 0)
}

func ExampleParseMix() {
	mix, err := ParseMix("idle=3, web=1")
	fmt.Println(mix[KindIdle], mix[KindWeb], mix[KindBusy], err)
	_, err = ParseMix("idel=3")
	fmt.Println(err)
	// Output:
	// 3 1 0 <nil>
	// mix "idel=3": unknown kind "idel"; did you mean "idle"?
}
