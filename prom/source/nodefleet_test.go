package source_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// nodeShape is a fleet of hosts with four CPUs, as node_exporter tells of them.
type nodeShape struct {
	hosts, days int
	scrape      time.Duration
	// whole is all that node_exporter tells, about 60 series a host; otherwise what
	// the use of CPU and memory is computed from, 19 of them.
	whole bool
}

func (n nodeShape) name() string {
	kind := "cpu"
	if n.whole {
		kind = "whole"
	}
	return fmt.Sprintf("node-%s-%dx%dx%s", kind, n.hosts, n.days, n.scrape)
}

// nodeSeries is one series of the fleet: what it grows by in a second, 0 for a
// gauge, whose level it is.
type nodeSeries struct {
	labels  []string
	host    int
	counter bool
	level   float64 // of a gauge, or a counter's mean growth a second
	noise   float64 // share of the level
	unit    float64 // values are multiples of it
	state   float64
}

// series are those of the fleet in the order of their labels.
func (n nodeShape) series() []nodeSeries {
	var out []nodeSeries
	add := func(h int, name string, counter bool, level, noise, unit float64, more ...string) {
		labels := map[string]string{"__name__": name, "instance": fmt.Sprintf("host-%04d:9100", h), "job": "node"}
		for i := 0; i < len(more); i += 2 {
			labels[more[i]] = more[i+1]
		}
		s := nodeSeries{host: h, counter: counter, level: level, noise: noise, unit: unit}
		if counter {
			s.state = math.Round(1e6*level*(1+float64(h%17))/unit) * unit
		}
		for _, k := range []string{"__name__", "cpu", "device", "domainname", "fstype", "instance", "job", "machine", "mode", "mountpoint", "nodename", "sysname"} {
			if labels[k] != "" {
				s.labels = append(s.labels, k, labels[k])
			}
		}
		out = append(out, s)
	}
	for h := range n.hosts {
		r := rand.New(rand.NewPCG(7, uint64(h)))
		busy := 0.03 + 0.6*r.Float64()*r.Float64()
		for cpu := range 4 {
			share := map[string]float64{"idle": 1 - busy, "iowait": 0.01 * r.Float64(), "steal": 0.0001 * float64(h%3), "nice": 0}
			if n.whole {
				for mode, s := range map[string]float64{"user": 0.7 * busy, "system": 0.2 * busy, "softirq": 0.02 * busy, "irq": 0} {
					share[mode] = s
				}
			}
			for mode, s := range share {
				add(h, "node_cpu_seconds_total", true, s, 0.3, 0.01, "cpu", fmt.Sprint(cpu), "mode", mode)
			}
		}
		const total = 16 << 30
		add(h, "node_memory_MemTotal_bytes", false, total, 0, 4096)
		add(h, "node_memory_MemAvailable_bytes", false, total*(0.2+0.6*r.Float64()), 0.02, 4096)
		add(h, "node_uname_info", false, 1, 0, 1, "nodename", fmt.Sprintf("node%d", h), "sysname", "Linux", "machine", "x86_64", "domainname", "(none)")
		if !n.whole {
			continue
		}
		add(h, "node_memory_SwapTotal_bytes", false, total/8, 0, 4096)
		for i, name := range []string{"MemFree", "Buffers", "Cached", "Slab", "SwapFree"} {
			add(h, "node_memory_"+name+"_bytes", false, total*0.02*float64(i+1), 0.02, 4096)
		}
		for _, disk := range []string{"sda", "sdb"} {
			add(h, "node_disk_read_bytes_total", true, 2e5*r.Float64(), 0.9, 512, "device", disk)
			add(h, "node_disk_written_bytes_total", true, 4e5*r.Float64(), 0.9, 512, "device", disk)
			add(h, "node_disk_reads_completed_total", true, 5*r.Float64(), 0.9, 1, "device", disk)
			add(h, "node_disk_writes_completed_total", true, 20*r.Float64(), 0.9, 1, "device", disk)
			add(h, "node_filesystem_size_bytes", false, 100<<30, 0, 4096, "device", "/dev/"+disk+"1", "fstype", "ext4", "mountpoint", "/"+disk)
			add(h, "node_filesystem_free_bytes", false, 50<<30, 0.001, 4096, "device", "/dev/"+disk+"1", "fstype", "ext4", "mountpoint", "/"+disk)
			add(h, "node_filesystem_avail_bytes", false, 45<<30, 0.001, 4096, "device", "/dev/"+disk+"1", "fstype", "ext4", "mountpoint", "/"+disk)
		}
		for _, nic := range []string{"eth0", "eth1", "lo"} {
			add(h, "node_network_receive_bytes_total", true, 1e5*r.Float64(), 0.9, 1, "device", nic)
			add(h, "node_network_transmit_bytes_total", true, 1e5*r.Float64(), 0.9, 1, "device", nic)
		}
		add(h, "node_load1", false, 4*busy, 0.4, 0.01)
		add(h, "node_processes_pids", false, 150, 0.05, 1)
		add(h, "node_boot_time_seconds", false, float64(begin.Unix()-1e6), 0, 1)
		add(h, "node_time_seconds", false, 0, 0, 0.001)
		add(h, "up", false, 1, 0, 1)
	}
	slices.SortFunc(out, func(a, b nodeSeries) int { return slices.Compare(a.labels, b.labels) })
	return out
}

// day makes the samples of a day.
func (s *nodeSeries) day(n nodeShape, index, day int, times []int64, values []float64) ([]int64, []float64) {
	r := rand.New(rand.NewPCG(uint64(index), uint64(day)))
	seconds := n.scrape.Seconds()
	at := begin.AddDate(0, 0, day).UnixMilli() + int64(s.host*7919)%n.scrape.Milliseconds()
	end := begin.AddDate(0, 0, day+1).UnixMilli()
	times, values = times[:0], values[:0]
	for ; at < end; at += n.scrape.Milliseconds() {
		factor := 1.0
		if s.noise > 0 {
			factor += s.noise * (r.Float64() - 0.5)
		}
		if s.level == 0 && !s.counter { // the time
			values = append(values, float64(at)/1000)
		} else if s.counter {
			s.state += math.Round(s.level*factor*seconds/s.unit) * s.unit
			values = append(values, math.Round(s.state/s.unit)*s.unit)
		} else {
			values = append(values, math.Round(s.level*factor/s.unit)*s.unit)
		}
		times = append(times, at)
	}
	return times, values
}

// benchDir is where what fills an engine is kept for the benchmarks after this
// one: LEANFLEET_BENCH_DIR, or the temporary directory. made says that it is
// there already.
func benchDir(t testing.TB, name string) (dir string, made bool) {
	root := os.Getenv("LEANFLEET_BENCH_DIR")
	if root == "" {
		root = os.TempDir()
	}
	dir = filepath.Join(root, "leanfleet-prom-"+name)
	if _, err := os.Stat(filepath.Join(dir, "made")); err == nil {
		return dir, true
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir, false
}

func done(t testing.TB, dir string) {
	if err := os.WriteFile(filepath.Join(dir, "made"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

// prometheusOfNodes is a Prometheus with the fleet, in blocks of a day.
func prometheusOfNodes(t testing.TB, n nodeShape) *prometheus {
	path := binaryOf(t, "prometheus")
	dir, made := benchDir(t, n.name()+"-prometheus")
	config := filepath.Join(dir, "prometheus.yml")
	if !made {
		if err := os.WriteFile(config, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		series := n.series()
		var times []int64
		var values []float64
		for d := range n.days {
			from := begin.AddDate(0, 0, d).UnixMilli()
			b, err := newBlock(filepath.Join(dir, "data"), d, from, from+86400_000)
			if err != nil {
				t.Fatal(err)
			}
			for i := range series {
				times, values = series[i].day(n, i, d, times, values)
				if err := b.add(series[i].labels, times, values); err != nil {
					t.Fatal(err)
				}
			}
			if err := b.close(); err != nil {
				t.Fatal(err)
			}
		}
		done(t, dir)
	}
	return startPrometheus(t, path, config, dir, "--storage.tsdb.min-block-duration=2h", "--storage.tsdb.max-block-duration=24h")
}

// victoriaOfNodes is a VictoriaMetrics with the fleet.
func victoriaOfNodes(t testing.TB, n nodeShape) *victoria {
	dir, made := benchDir(t, n.name()+"-victoria")
	v := newVictoria(t, "-storageDataPath="+filepath.Join(dir, "data"), "-search.maxUniqueTimeseries=10000000", "-search.maxSamplesPerQuery=10000000000")
	if made {
		return v
	}
	series := n.series()
	var times []int64
	var values []float64
	for d := range n.days {
		var list []testSeries
		size := 0
		flush := func() {
			writeRemote(t, v.base, list)
			list, size = list[:0], 0
		}
		for i := range series {
			s := &series[i]
			times, values = s.day(n, i, d, times, values)
			labels := map[string]string{}
			for k := 0; k < len(s.labels); k += 2 {
				labels[s.labels[k]] = s.labels[k+1]
			}
			list = append(list, testSeries{labels, slices.Clone(times), slices.Clone(values)})
			if size += len(times); size > 100_000 {
				flush()
			}
		}
		flush()
	}
	v.settle(t)
	for _, path := range []string{"/snapshot/create", "/snapshot/delete_all"} { // what is in memory alone is written
		r, err := http.Get(v.base + path)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
	}
	done(t, dir)
	return v
}

// shape is LEANFLEET_PROM_NODES as HOSTSxDAYSxSCRAPE: 60x5x60s if it is not set.
func shape(b *testing.B, whole bool) nodeShape {
	n := nodeShape{60, 5, time.Minute, whole}
	if text := os.Getenv("LEANFLEET_PROM_NODES"); text != "" {
		parts := strings.SplitN(text, "x", 3)
		var err error
		if len(parts) == 3 {
			_, err = fmt.Sscanf(parts[0]+" "+parts[1], "%d %d", &n.hosts, &n.days)
			if err == nil {
				n.scrape, err = time.ParseDuration(parts[2])
			}
		}
		if err != nil || len(parts) != 3 {
			b.Fatalf("LEANFLEET_PROM_NODES=%q is not like 1000x30x60s", text)
		}
	}
	return n
}
