package source_test

import (
	"fmt"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/prom/source"
)

// A real node_exporter, scraped by a real Prometheus: leanfleet answers for this
// machine.
func TestThisMachine(t *testing.T) {
	exporter := binaryOf(t, "prometheus-node-exporter", "node_exporter")
	server := binaryOf(t, "prometheus")
	node := freePort(t)
	start(t, "http://"+node+"/metrics", exporter, "--web.listen-address="+node)
	dir := t.TempDir()
	config := filepath.Join(dir, "prometheus.yml")
	text := fmt.Sprintf("global: {scrape_interval: 1s}\nscrape_configs:\n- job_name: node\n  static_configs:\n  - targets: [%q]\n    labels: {region: here, team: core}\n", node)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := startPrometheus(t, server, config, dir)
	began := time.Now()
	var s *source.Source
	var w fleet.Window
	for range 60 { // until two steps are over, however slow the machine
		time.Sleep(time.Second)
		var err error
		if s, err = source.New(source.Options{URL: p.url(), Now: time.Now, Step: 4 * time.Second, Lookback: time.Hour}); err != nil {
			t.Fatal(err)
		}
		w = fleet.Window{Start: began, End: time.Now()}
		if records, err := s.Records(t.Context(), fleet.Selector{}, w); err != nil || len(records) == 0 {
			continue // nothing was scraped so far
		}
		if list := profilesOf(t, s, fleet.Query{Metric: fleet.CPUUsage, Window: w}); len(list) == 1 && list[0].Count >= 2 {
			break
		}
	}
	get := func(name string) *fleet.Profile {
		t.Helper()
		list := profilesOf(t, s, fleet.Query{Metric: lookup(name), Window: w})
		if len(list) != 1 || list[0].Count == 0 {
			notes, _ := s.Notes(t.Context(), lookup(name), w)
			t.Fatalf("%s: %d profiles: %+v; %q", name, len(list), list, notes)
		}
		return &list[0]
	}
	mean := func(name string) float64 {
		m, _ := get(name).Mean()
		return m * lookup(name).Resolution()
	}
	if v := mean("cpu_usage"); v < 0 || v > 1.1 {
		t.Errorf("cpu_usage %g", v)
	}
	if v := mean("capacity_vcpus"); v != float64(runtime.NumCPU()) {
		t.Errorf("capacity_vcpus %g, this machine has %d", v, runtime.NumCPU())
	}
	info := memInfo(t)
	if v := mean("capacity_memory_bytes"); math.Abs(v-info["MemTotal"]) > 1<<20 {
		t.Errorf("capacity_memory_bytes %g, this machine has %g", v, info["MemTotal"])
	}
	used := 1 - info["MemAvailable"]/info["MemTotal"]
	if v := mean("memory_usage"); math.Abs(v-used) > 0.2 {
		t.Errorf("memory_usage %g, this machine now %g", v, used)
	}
	if p := get("cpu_cores_used"); p.Max > int64(runtime.NumCPU())*1100000 {
		t.Errorf("cpu_cores_used up to %d", p.Max)
	}
	if v := mean("uptime_seconds"); v < 10 {
		t.Errorf("uptime_seconds %g", v)
	}
	for _, name := range []string{"load1", "cpu_steal", "cpu_iowait", "up", "cpu_usage_peak"} {
		get(name)
	}
	r := get("up").Record
	host, _ := os.Hostname()
	if r.Host != "127.0.0.1" || r.Name != host || r.Region != "here" || r.Tags["team"] != "core" || r.OS != "linux" || r.Arch == "" || r.Capacity.VCPUs != float64(runtime.NumCPU()) || r.InstanceType != "" {
		t.Errorf("record %+v", r)
	}
	plan, err := s.Explain(t.Context(), fleet.Query{Metric: fleet.CPUUsage, Window: w})
	if err != nil || plan.Scrape != time.Second || plan.Schema != "node_exporter" || plan.Engine != "prometheus" {
		t.Errorf("plan %+v, error %v", plan, err)
	}
	// By the name that the node gives itself, from its first sample on.
	named, err := source.New(source.Options{URL: p.url(), Now: time.Now, Step: 4 * time.Second, Lookback: time.Hour, HostLabel: "nodename"})
	if err != nil {
		t.Fatal(err)
	}
	list := profilesOf(t, named, fleet.Query{Metric: fleet.CPUCoresUsed, Window: w})
	kernel, err := os.ReadFile("/proc/sys/kernel/hostname")
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 1 || list[0].Count == 0 || string(list[0].Record.Host) != strings.TrimSpace(string(kernel)) || list[0].Record.Tags["team"] != "core" {
		t.Errorf("by nodename, which is %s: %+v", kernel, list)
	}
	t.Run("EndStamps", func(t *testing.T) { endStamps(t, s, w) })
}

// endStamps checks that a value at t describes the step before it: the boot is
// fixed, so that the uptime in a step tells when it was.
func endStamps(t *testing.T, s *source.Source, w fleet.Window) {
	r, err := http.Get(s.Address() + "/api/v1/query?query=node_boot_time_seconds")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	boot := 0.0
	buffer := make([]byte, 4096)
	n, _ := r.Body.Read(buffer)
	if i := strings.LastIndex(string(buffer[:n]), `,"`); i < 0 {
		t.Fatalf("%s", buffer[:n])
	} else if _, err := fmt.Sscanf(string(buffer[i+2:n]), "%f", &boot); err != nil {
		t.Fatal(err)
	}
	late, n := 0.0, 0
	for x, err := range s.Series(t.Context(), fleet.Query{Metric: lookup("uptime_seconds"), Window: w}) {
		if err != nil {
			t.Fatal(err)
		}
		for i, at := range x.Start {
			late += float64(at+int64(x.Step))/1000 - boot - float64(x.Values[i])
			n++
		}
	}
	// Scrapes lie inside the step: half a second before its end where nothing else
	// runs, and never a step off.
	if late /= float64(n); n == 0 || late < -0.6 || late > 3.4 {
		t.Errorf("uptime is %.1f s before that of the intervals' ends, in the mean of %d", late, n)
	}
}

func memInfo(t *testing.T) map[string]float64 {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		t.Skipf("SKIPPED: this machine has no /proc: %v", err)
	}
	out := map[string]float64{}
	for line := range strings.SplitSeq(string(text), "\n") {
		var name string
		var kib float64
		if n, _ := fmt.Sscanf(line, "%s %f", &name, &kib); n == 2 {
			out[strings.TrimSuffix(name, ":")] = kib * 1024
		}
	}
	return out
}

// Blocks made by promtool from an OpenMetrics file, of node_exporter's series: a
// resize, a change of labels, a reset of counters and a gap.
func TestBlocksOfNodeExporter(t *testing.T) {
	tool, server := binaryOf(t, "promtool"), binaryOf(t, "prometheus")
	dir := t.TempDir()
	blocks, metrics, config := filepath.Join(dir, "data"), filepath.Join(dir, "metrics.txt"), filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(metrics, []byte(nodeMetrics(true)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(config, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(tool, "tsdb", "create-blocks-from", "openmetrics", metrics, blocks).CombinedOutput(); err != nil {
		t.Fatalf("promtool: %v\n%s", err, out)
	}
	p := startPrometheus(t, server, config, dir)
	checkNodeFleet(t, p.url())
}

// The same series in VictoriaMetrics.
func TestVictoriaOfNodeExporter(t *testing.T) {
	v := newVictoria(t)
	r, err := http.Post(v.url()+"/api/v1/import/prometheus", "text/plain", strings.NewReader(nodeMetrics(false)))
	if err != nil || r.StatusCode >= 300 {
		t.Fatalf("import: %v %v", r, err)
	}
	r.Body.Close()
	v.settle(t)
	checkNodeFleet(t, v.url())
}

// nodeMetrics is a day of two hosts, scraped every 30 s. Of web-1 one CPU in two
// is busy for a quarter of the time, and at 12:00 it has four CPUs and another
// type; its counters begin anew then. db-1 is scraped by two members of an HA
// pair, and not at all from 06:00 to 07:00.
func nodeMetrics(open bool) string {
	var b strings.Builder
	const scrape = 30
	write := func(name, labels string, value float64, at int64) {
		if open {
			fmt.Fprintf(&b, "%s{%s} %g %d\n", name, labels, value, at)
		} else {
			fmt.Fprintf(&b, "%s{%s} %g %d\n", name, labels, value, at*1000)
		}
	}
	each := func(name, kind string, f func(at int64)) {
		if open {
			fmt.Fprintf(&b, "# TYPE %s %s\n", strings.TrimSuffix(name, "_total"), kind)
		}
		for at := begin.Unix(); at <= begin.Unix()+24*3600; at += scrape {
			f(at)
		}
	}
	web := func(at int64) (labels string, cores int, since float64) {
		if into := at - begin.Unix(); into > 12*3600 {
			return `instance="web-1:9100",job="node",instance_type="m5.xlarge",region="eu-west-1",dept="eng"`, 4, float64(into - 12*3600)
		}
		return `instance="web-1:9100",job="node",instance_type="m5.large",region="eu-west-1",dept="eng"`, 2, float64(at - begin.Unix())
	}
	gap := func(at int64) bool { h := float64(at-begin.Unix()) / 3600; return h > 6 && h <= 7 }
	pair := func(at int64, f func(labels string)) {
		if !gap(at) {
			for _, replica := range []string{"0", "1"} {
				f(`instance="db-1:9100",job="node",prometheus_replica="` + replica + `"`)
			}
		}
	}
	each("node_cpu_seconds_total", "counter", func(at int64) {
		labels, cores, since := web(at)
		for c := range cores {
			busy := 0.0
			if c == 0 {
				busy = since / 2
			}
			write("node_cpu_seconds_total", fmt.Sprintf(`%s,cpu="%d",mode="idle"`, labels, c), since-busy, at)
			write("node_cpu_seconds_total", fmt.Sprintf(`%s,cpu="%d",mode="user"`, labels, c), busy, at)
		}
		pair(at, func(labels string) {
			since := float64(at - begin.Unix())
			write("node_cpu_seconds_total", labels+`,cpu="0",mode="idle"`, since*0.9, at)
			write("node_cpu_seconds_total", labels+`,cpu="0",mode="user"`, since*0.1, at)
		})
	})
	each("node_network_receive_bytes_total", "counter", func(at int64) {
		labels, _, since := web(at)
		write("node_network_receive_bytes_total", labels+`,device="eth0"`, since*10240, at)
		write("node_network_receive_bytes_total", labels+`,device="lo"`, since*1e9, at)
		write("node_network_receive_bytes_total", labels+`,device="veth1a2"`, since*1e9, at)
		pair(at, func(labels string) {
			write("node_network_receive_bytes_total", labels+`,device="eth0"`, float64(at-begin.Unix())*20480, at)
		})
	})
	gauge := func(name string, large, small float64) {
		each(name, "gauge", func(at int64) {
			labels, cores, _ := web(at)
			v := small
			if cores == 4 {
				v = large
			}
			write(name, labels, v, at)
			pair(at, func(labels string) { write(name, labels, small, at) })
		})
	}
	gauge("node_memory_MemTotal_bytes", 16<<30, 8<<30)
	gauge("node_memory_MemAvailable_bytes", 4<<30, 4<<30)
	each("node_uname_info", "gauge", func(at int64) {
		labels, _, _ := web(at)
		write("node_uname_info", labels+`,nodename="web-1.example.org",sysname="Linux",machine="x86_64"`, 1, at)
	})
	if open {
		b.WriteString("# EOF\n")
	}
	return b.String()
}

func checkNodeFleet(t *testing.T, url string) {
	t.Helper()
	s, err := source.New(source.Options{URL: url, Now: func() time.Time { return begin.Add(24 * time.Hour) }, Lookback: 10 * 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	records, err := s.Records(t.Context(), fleet.Selector{}, fleet.Window{})
	if err != nil {
		t.Fatal(err)
	}
	noon := begin.Add(12 * time.Hour)
	if len(records) != 3 || records[0].Host != "db-1" || records[0].Capacity.VCPUs != 1 || records[0].Capacity.MemoryBytes != 8<<30 ||
		records[1].Host != "web-1" || records[1].InstanceType != "m5.large" || records[2].InstanceType != "m5.xlarge" || !records[2].From.Equal(noon) ||
		records[1].Capacity.VCPUs != 2 || records[2].Capacity.VCPUs != 4 || records[1].Capacity.MemoryBytes != 8<<30 || records[2].Capacity.MemoryBytes != 16<<30 || records[1].Tags["dept"] != "eng" {
		for i := range records {
			t.Errorf("record %+v", records[i])
		}
		t.Fatal("records differ")
	}
	if records[1].Name != "web-1.example.org" || records[1].OS != "linux" || records[1].Arch != "x86_64" {
		t.Errorf("record %+v", records[1])
	}
	w := fleet.Window{Start: begin, End: begin.Add(24 * time.Hour)}
	type figure struct {
		host    string
		value   float64 // median and 90th percentile
		samples int64
	}
	for _, c := range []struct {
		metric fleet.Metric
		want   []figure
	}{
		// Of two CPUs one is busy for half of the time, of four one; where counters
		// begin anew no rate is negative or giant. The members of a pair count once.
		{fleet.CPUUsage, []figure{{"db-1", 0.1, 690}, {"web-1", 0.25, 360}, {"web-1", 0.125, 360}}},
		{fleet.CPUCoresUsed, []figure{{"db-1", 0.1, 690}, {"web-1", 0.5, 360}, {"web-1", 0.5, 360}}},
		{fleet.MemoryUsage, []figure{{"db-1", 0.5, 691}, {"web-1", 0.5, 361}, {"web-1", 0.75, 360}}},
		{lookup("network_receive_bytes_per_second"), []figure{{"db-1", 20480, 690}, {"web-1", 10240, 360}, {"web-1", 10240, 360}}},
	} {
		list := profilesOf(t, s, fleet.Query{Metric: c.metric, Window: w})
		if len(list) != len(c.want) {
			t.Fatalf("%s: %d profiles, want %d", c.metric.Name, len(list), len(c.want))
		}
		for i := range list {
			p, want := &list[i], &c.want[i]
			median, _ := p.Quantile(500000)
			high, _ := p.Quantile(900000)
			for _, v := range []int64{median, high} {
				if d := c.metric.Value(v)/want.value - 1; math.Abs(d) > 0.006 {
					t.Errorf("%s of %s: %g, want %g", c.metric.Name, p.Record.Host, c.metric.Value(v), want.value)
				}
			}
			if string(p.Record.Host) != want.host || p.Count < want.samples-3 || p.Count > want.samples+3 {
				t.Errorf("%s: %d samples of %s, want about %d of %s", c.metric.Name, p.Count, p.Record.Host, want.samples, want.host)
			}
		}
	}
}
