package source_test

import (
	"fmt"
	"maps"
	"math"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/inventory"
	"github.com/leanfleet/leanfleet/prom/source"
)

// recorder makes series of two hours with a value every 30 s.
type recorder struct{ list []testSeries }

const (
	scrapes = 240
	every   = 30
)

// gauge is a series with one value, counter one that grows by perSecond.
func (r *recorder) gauge(name string, value float64, labels ...string) {
	r.add(name, func(int) float64 { return value }, labels)
}

func (r *recorder) counter(name string, perSecond float64, labels ...string) {
	r.add(name, func(i int) float64 { return 5000 + perSecond*float64(i*every) }, labels)
}

func (r *recorder) add(name string, value func(int) float64, labels []string) {
	s := testSeries{labels: map[string]string{"__name__": name}}
	for i := 0; i+1 < len(labels); i += 2 {
		s.labels[labels[i]] = labels[i+1]
	}
	for i := range scrapes + 1 {
		s.times = append(s.times, begin.Add(time.Duration(i*every)*time.Second).UnixMilli())
		s.values = append(s.values, value(i))
	}
	r.list = append(r.list, s)
}

const gib = 1 << 30

func windowsFleet() (*recorder, map[string]float64) {
	r := &recorder{}
	host := func(labels ...string) []string { return append(labels, "instance", "win-1:9182", "job", "windows") }
	for core := range 4 {
		for mode, share := range map[string]float64{"idle": 0.7, "user": 0.2, "privileged": 0.06, "dpc": 0.01, "interrupt": 0.03} {
			r.counter("windows_cpu_time_total", share, host("core", fmt.Sprintf("0,%d", core), "mode", mode)...)
		}
	}
	r.gauge("windows_memory_physical_total_bytes", 16*gib, host()...)
	r.gauge("windows_memory_available_bytes", 4*gib, host()...)
	r.gauge("windows_logical_disk_size_bytes", 100*gib, host("volume", "C:")...)
	r.gauge("windows_logical_disk_free_bytes", 40*gib, host("volume", "C:")...)
	r.gauge("windows_logical_disk_size_bytes", 100*gib, host("volume", "HarddiskVolume1")...)
	r.gauge("windows_logical_disk_free_bytes", 1*gib, host("volume", "HarddiskVolume1")...)
	r.counter("windows_logical_disk_read_bytes_total", 10240, host("volume", "C:")...)
	r.counter("windows_logical_disk_writes_total", 7, host("volume", "C:")...)
	r.counter("windows_net_bytes_received_total", 20480, host("nic", "Intel[R] 82574L")...)
	r.counter("windows_net_bytes_received_total", 999999, host("nic", "isatap.example.org")...)
	r.gauge("windows_system_processes", 120, host()...)
	r.gauge("windows_os_info", 1, host("product", "Microsoft Windows Server 2025")...)
	r.gauge("windows_os_hostname", 1, host("hostname", "SHOP", "fqdn", "shop.corp.example.org", "domain", "corp.example.org")...)
	r.gauge("windows_os_smbios_info", 1, host("vendor", "Amazon EC2", "name", "m5.xlarge", "uuid", "ec2-1")...)
	r.gauge("windows_pagefile_limit_bytes", 6*gib, host("file", "C:\\pagefile.sys")...)
	r.gauge("windows_pagefile_limit_bytes", 2*gib, host("file", "D:\\pagefile.sys")...)
	r.gauge("windows_pagefile_free_bytes", 5*gib, host("file", "C:\\pagefile.sys")...)
	r.gauge("windows_pagefile_free_bytes", 1*gib, host("file", "D:\\pagefile.sys")...)
	r.gauge("windows_system_boot_time_timestamp", float64(begin.Unix()-86400), host()...)
	r.gauge("up", 1, host()...)
	return r, map[string]float64{"cpu_usage": 0.3, "memory_usage": 0.75, "disk_usage": 0.6, "disk_read_bytes_per_second": 10240, "disk_write_ops_per_second": 7,
		"network_receive_bytes_per_second": 20480, "processes": 120, "swap_usage": 0.25, "uptime_seconds": 86400 + 3660, "capacity_vcpus": 4, "capacity_memory_bytes": 16 * gib, "up": 1, "cpu_cores_used": 1.2, "memory_used_bytes": 12 * gib}
}

// oldWindowsFleet is what windows_exporter wrote before 0.31.
func oldWindowsFleet() (*recorder, map[string]float64) {
	r := &recorder{}
	host := func(labels ...string) []string { return append(labels, "instance", "win-2:9182", "job", "windows") }
	r.counter("windows_cpu_time_total", 0.5, host("core", "0,0", "mode", "idle")...)
	r.counter("windows_cpu_time_total", 0.5, host("core", "0,0", "mode", "user")...)
	r.gauge("windows_cs_physical_memory_bytes", 8*gib, host()...)
	r.gauge("windows_cs_logical_processors", 2, host()...)
	r.gauge("windows_cs_hostname", 1, host("hostname", "OLD", "fqdn", "old.corp.example.org", "domain", "corp.example.org")...)
	r.gauge("windows_memory_available_bytes", 2*gib, host()...)
	r.gauge("windows_os_processes", 80, host()...)
	r.gauge("windows_os_paging_limit_bytes", 4*gib, host()...)
	r.gauge("windows_os_paging_free_bytes", 1*gib, host()...)
	r.gauge("windows_system_system_up_time", float64(begin.Unix()-86400), host()...)
	return r, map[string]float64{"cpu_usage": 0.5, "memory_usage": 0.75, "swap_usage": 0.75, "processes": 80, "uptime_seconds": 86400 + 3660, "capacity_vcpus": 2, "capacity_memory_bytes": 8 * gib}
}

// otelFleet has the attributes of the semantic conventions, or those that
// receivers in the field write.
func otelFleet(mode, state, direction string) (*recorder, map[string]float64) {
	r := &recorder{}
	host := func(labels ...string) []string { return append(labels, "instance", "i-0abc", "job", "shop/web") }
	for cpu := range 2 {
		for m, share := range map[string]float64{"idle": 0.6, "user": 0.2, "system": 0.1, "wait": 0.06, "steal": 0.04} {
			r.counter("system_cpu_time_seconds_total", share, host("cpu", fmt.Sprintf("cpu%d", cpu), mode, m)...)
		}
	}
	// Slab is in what is used and cached already.
	for s, share := range map[string]float64{"used": 0.5, "free": 0.2, "cached": 0.25, "buffered": 0.05, "slab_reclaimable": 0.1, "slab_unreclaimable": 0.05} {
		r.gauge("system_memory_usage_bytes", share*8*gib, host(state, s)...)
	}
	paging := state
	if state == "system_memory_state" {
		paging = "system_paging_state"
	}
	for s, share := range map[string]float64{"used": 0.25, "free": 0.75, "cached": 0.1} {
		r.gauge("system_paging_usage_bytes", share*2*gib, host("device", "/dev/sda2", paging, s)...)
	}
	if mode == "state" { // what the scrapers do by default; the others are the conventions' optional ones
		r.gauge("system_cpu_load_average_1m_ratio", 1.5, host()...)
		r.gauge("system_linux_memory_available_bytes", 3*gib, host()...)
	} else {
		r.gauge("system_cpu_load_average_1m", 1.5, host()...)
		r.gauge("system_cpu_logical_count", 2, host()...)
	}
	r.gauge("system_uptime_seconds", 3600, host()...)
	r.gauge("system_processes_count", 100, host("status", "sleeping")...)
	r.gauge("system_processes_count", 20, host("status", "running")...)
	deviceLabel := "device"
	if direction == "disk_io_direction" {
		deviceLabel = "system_device"
	}
	for d, rate := range map[string]float64{"read": 10240, "write": 20480} {
		// Partitions and what lies above disks are the disk's.
		for _, device := range []string{"sda", "sda1", "nvme0n1p2", "dm-0", "loop3"} {
			r.counter("system_disk_io_bytes_total", rate, host(deviceLabel, device, direction, d)...)
		}
	}
	network, nic, prefix := direction, "device", ""
	if direction == "disk_io_direction" {
		network, nic, prefix = "network_io_direction", "network_interface_name", "system_filesystem_"
	}
	r.counter("system_network_io_bytes_total", 30720, host(nic, "eth0", network, "receive")...)
	for _, name := range []string{"lo", "veth12ab", "docker0"} {
		r.counter("system_network_io_bytes_total", 1e9, host(nic, name, network, "receive")...)
	}
	for s, size := range map[string]float64{"used": 30 * gib, "free": 70 * gib, "reserved": 5 * gib} {
		r.gauge("system_filesystem_usage_bytes", size, host(deviceLabel, "sda1", prefix+"mountpoint", "/", prefix+"type", "ext4", prefix+"state", s)...)
		r.gauge("system_filesystem_usage_bytes", gib, host(deviceLabel, "sdb1", prefix+"mountpoint", "/var", prefix+"type", "ext4", prefix+"state", s)...) // half full
		if s == "used" {
			r.gauge("system_filesystem_usage_bytes", gib, host(deviceLabel, "tmpfs", prefix+"mountpoint", "/run", prefix+"type", "tmpfs", prefix+"state", s)...)
		}
	}
	r.gauge("target_info", 1, host("cloud_provider", "aws", "cloud_region", "eu-west-1", "cloud_availability_zone", "eu-west-1b", "cloud_account_id", "1234", "host_type", "m5.large",
		"host_arch", "amd64", "host_name", "web-7", "os_type", "LINUX", "team", "core", "service_name", "web")...)
	memory := 0.5 // what is used of the sum of states, where nothing says what is available
	if mode == "state" {
		memory = 0.625
	}
	return r, map[string]float64{"cpu_usage": 0.3, "cpu_steal": 0.04, "cpu_iowait": 0.06, "load1": 1.5, "memory_usage": memory, "swap_usage": 0.25, "processes": 120, "uptime_seconds": 3600, "disk_usage": 0.5, "disk_read_bytes_per_second": 10240,
		"disk_write_bytes_per_second": 20480, "network_receive_bytes_per_second": 30720, "capacity_vcpus": 2, "capacity_memory_bytes": 8 * gib, "cpu_cores_used": 0.6}
}

// nodeFleet is what the test of blocks leaves out.
func nodeFleet() (*recorder, map[string]float64) {
	r := &recorder{}
	host := func(labels ...string) []string {
		return append(labels, "instance", "n1:9100", "job", "node", "cluster", "c1", "container", "node-exporter")
	}
	for mode, share := range map[string]float64{"idle": 0.5, "user": 0.3, "iowait": 0.15, "steal": 0.05} {
		r.counter("node_cpu_seconds_total", share, host("cpu", "0", "mode", mode)...)
	}
	for name, v := range map[string]float64{"MemTotal": 8 * gib, "MemFree": 1 * gib, "Buffers": gib / 2, "Cached": gib, "Slab": gib / 2, "SwapTotal": 4 * gib, "SwapFree": 3 * gib} {
		r.gauge("node_memory_"+name+"_bytes", v, host()...) // a kernel without MemAvailable
	}
	r.gauge("node_load1", 0.75, host()...)
	r.gauge("node_filesystem_size_bytes", 100*gib, host("device", "/dev/sda1", "mountpoint", "/", "fstype", "ext4")...)
	r.gauge("node_filesystem_free_bytes", 60*gib, host("device", "/dev/sda1", "mountpoint", "/", "fstype", "ext4")...)
	r.gauge("node_filesystem_avail_bytes", 40*gib, host("device", "/dev/sda1", "mountpoint", "/", "fstype", "ext4")...)
	r.gauge("node_filesystem_size_bytes", 1*gib, host("device", "tmpfs", "mountpoint", "/run", "fstype", "tmpfs")...)
	r.gauge("node_filesystem_free_bytes", 0, host("device", "tmpfs", "mountpoint", "/run", "fstype", "tmpfs")...)
	r.gauge("node_filesystem_avail_bytes", 0, host("device", "tmpfs", "mountpoint", "/run", "fstype", "tmpfs")...)
	for device, factor := range map[string]float64{"sda": 1, "sdb": 2, "dm-0": 3, "loop4": 50} {
		r.counter("node_disk_read_bytes_total", 10240*factor, host("device", device)...)
		r.counter("node_disk_written_bytes_total", 20480*factor, host("device", device)...)
		r.counter("node_disk_reads_completed_total", 2*factor, host("device", device)...)
		r.counter("node_disk_writes_completed_total", 5*factor, host("device", device)...)
	}
	for device, rate := range map[string]float64{"ens3": 10240, "lo": 1e6, "docker0": 1e6, "veth0": 1e6} {
		r.counter("node_network_transmit_bytes_total", rate, host("device", device)...)
	}
	r.gauge("node_processes_pids", 99, host()...)
	r.gauge("node_dmi_info", 1, host("system_vendor", "Amazon EC2", "product_name", "m5.large")...)
	r.gauge("node_uname_info", 1, host("nodename", "shop-1", "sysname", "Linux", "machine", "aarch64")...)
	return r, map[string]float64{"cpu_usage": 0.3, "cpu_usage_peak": 0.3, "cpu_steal": 0.05, "cpu_iowait": 0.15, "load1": 0.75, "memory_usage": 1 - 3.0/8, "swap_usage": 0.25, "disk_usage": 0.5,
		"disk_read_bytes_per_second": 30720, "disk_write_bytes_per_second": 61440, "disk_read_ops_per_second": 6, "disk_write_ops_per_second": 15,
		"network_transmit_bytes_per_second": 10240, "processes": 99, "capacity_vcpus": 1, "capacity_memory_bytes": 8 * gib}
}

// Every metric of every schema, from real engines, against figures that follow
// from how the series were made.
func TestSchemas(t *testing.T) {
	t.Parallel()
	type made struct {
		schema string
		make   func() (*recorder, map[string]float64)
		record func(*fleet.Record) bool
	}
	cases := map[string]made{
		"node_exporter": {"node_exporter", nodeFleet, func(r *fleet.Record) bool {
			return r.Host == "n1" && r.Name == "shop-1" && r.Provider == "aws" && r.InstanceType == "m5.large" && r.Arch == "arm64" && r.OS == "linux" && len(r.Tags) == 1 && r.Tags["cluster"] == "c1"
		}},
		"windows_exporter": {"windows_exporter", windowsFleet, func(r *fleet.Record) bool {
			return r.Host == "win-1" && r.Name == "shop.corp.example.org" && r.OS == "windows" && r.Provider == "aws" && r.InstanceType == "m5.xlarge" && r.Capacity == fleet.Capacity{VCPUs: 4, MemoryBytes: 16 * gib}
		}},
		"an old windows_exporter": {"windows_exporter", oldWindowsFleet, func(r *fleet.Record) bool {
			return r.Host == "win-2" && r.Name == "old.corp.example.org" && r.OS == "windows" && r.Capacity == fleet.Capacity{VCPUs: 2, MemoryBytes: 8 * gib}
		}},
		"otel": {"otel", func() (*recorder, map[string]float64) {
			return otelFleet("cpu_mode", "system_memory_state", "disk_io_direction")
		}, otelRecord},
		"otel in the field": {"otel", func() (*recorder, map[string]float64) { return otelFleet("state", "state", "direction") }, otelRecord},
	}
	for engine, open := range map[string]func(testing.TB) writer{
		"VictoriaMetrics": func(t testing.TB) writer { return newVictoria(t) },
		"Prometheus":      func(t testing.TB) writer { return newPrometheus(t) },
	} {
		t.Run(engine, func(t *testing.T) {
			w := open(t)
			for name, c := range cases {
				t.Run(name, func(t *testing.T) {
					run := fmt.Sprint(generations.Add(1))
					r, want := c.make()
					for i := range r.list {
						r.list[i].labels["run"] = run
					}
					w.write(t, r.list)
					w.settle(t)
					checkSchema(t, w.url(), run, c.schema, want, c.record)
				})
			}
		})
	}
}

func otelRecord(r *fleet.Record) bool {
	return r.Host == "i-0abc" && r.Name == "web-7" && r.Provider == "aws" && r.Region == "eu-west-1" && r.Zone == "eu-west-1b" && r.Account == "1234" &&
		r.InstanceType == "m5.large" && r.Arch == "x86_64" && r.OS == "linux" && maps.Equal(r.Tags, fleet.Tags{"team": "core"})
}

func checkSchema(t *testing.T, url, run, schema string, want map[string]float64, record func(*fleet.Record) bool) {
	t.Helper()
	options := source.Options{URL: url, Now: func() time.Time { return begin.Add(2 * time.Hour) }, Lookback: 48 * time.Hour, Matchers: `run="` + run + `"`, DropLabels: []string{"run"}}
	s, err := source.New(options)
	if err != nil {
		t.Fatal(err)
	}
	w := fleet.Window{Start: begin.Add(10 * time.Minute), End: begin.Add(110 * time.Minute)}
	plan, err := s.Explain(t.Context(), fleet.Query{Metric: fleet.CPUUsage, Window: w})
	if err != nil || plan.Schema != schema || plan.Step != 2*time.Minute {
		t.Fatalf("plan %+v, error %v", plan, err)
	}
	records, err := s.Records(t.Context(), fleet.Selector{}, fleet.Window{})
	if err != nil || len(records) != 1 || !record(&records[0]) {
		t.Fatalf("records %+v, error %v", records, err)
	}
	options.Method = source.MethodGrid
	grid, err := source.New(options)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range fleet.CanonicalMetrics().All() {
		for _, s := range []*source.Source{s, grid} {
			list := profilesOf(t, s, fleet.Query{Metric: m, Window: w})
			figure, ok := want[m.Name]
			if !ok {
				if len(list) == 1 && list[0].Count > 0 && m.Name != "cpu_usage_peak" && !m.Derived() {
					t.Errorf("%s: %d samples, none was expected", m.Name, list[0].Count)
				}
				continue
			}
			if len(list) != 1 || list[0].Count != 50 || list[0].Expected != 100*time.Minute || list[0].WithoutCapacity != 0 {
				t.Errorf("%s: profiles %+v", m.Name, list)
				continue
			}
			mean, _ := list[0].Mean()
			if v := mean * m.Resolution(); math.Abs(v-figure) > 0.001*figure+m.Resolution() {
				t.Errorf("%s: %g, want %g", m.Name, v, figure)
			}
		}
	}
}

// What an inventory says of a host wins over its labels, which fill in the rest;
// it is found by the name that the node gives itself.
func TestInventoryBesideLabels(t *testing.T) {
	w := newVictoria(t)
	r, _ := nodeFleet()
	w.write(t, r.list)
	w.settle(t)
	book := inventory.NewBook(nil)
	if _, err := book.Put([]fleet.Statement{
		{Record: fleet.Record{Host: "shop-1", Region: "us-east-1", InstanceType: "c7.big", Tags: fleet.Tags{"dept": "eng", "cluster": "other"}}},
		{Record: fleet.Record{Host: "quiet-1", Region: "us-east-1"}},
	}, fleet.Put{At: begin, Origin: fleet.OriginImport}); err != nil {
		t.Fatal(err)
	}
	s, err := source.New(source.Options{URL: w.url(), Now: func() time.Time { return begin.Add(2 * time.Hour) }, Lookback: 48 * time.Hour, Book: book})
	if err != nil {
		t.Fatal(err)
	}
	records, err := s.Records(t.Context(), fleet.Selector{}, fleet.Window{})
	if err != nil || len(records) != 2 {
		t.Fatalf("records %+v, error %v", records, err)
	}
	x := records[1]
	if records[0].Host != "quiet-1" || x.Host != "shop-1" || x.Name != "shop-1" || x.Region != "us-east-1" || x.InstanceType != "c7.big" || x.Provider != "aws" || x.Tags["cluster"] != "other" || x.Tags["dept"] != "eng" || x.Seen.IsZero() || x.Capacity.VCPUs != 1 {
		t.Errorf("records %+v", records)
	}
	if list := profilesOf(t, s, fleet.Query{Metric: fleet.CPUUsage, Window: fleet.Window{Start: begin, End: begin.Add(time.Hour)}, Hosts: fleet.MustSelector("dept=eng")}); len(list) != 1 || list[0].Count == 0 {
		t.Errorf("profiles %+v", list)
	}
	// The book that was given is as it was.
	if tl := book.Timeline("shop-1"); tl[0].Provider != "" || !tl[0].Seen.IsZero() {
		t.Errorf("the inventory was changed: %+v", tl)
	}
}

// Discovery labels under names of one's own.
func TestOwnLabels(t *testing.T) {
	w := newVictoria(t)
	r := &recorder{}
	r.gauge("node_memory_MemTotal_bytes", 8*gib, "instance", "a:9100", "vm", "blue", "size", "https://compute.example.org/zones/z/machineTypes/n2-standard-2", "lifecycle", "spot", "zone", "projects/1/zones/europe-west1-b", "provider", "GCE")
	w.write(t, r.list)
	w.settle(t)
	s, err := source.New(source.Options{URL: w.url(), Now: func() time.Time { return begin.Add(2 * time.Hour) }, Lookback: 48 * time.Hour, HostLabel: "vm", Schema: "node_exporter",
		Fields: map[string]string{"instance_type": "size", "os": ""}, DropLabels: []string{"instance"}})
	if err != nil {
		t.Fatal(err)
	}
	records, err := s.Records(t.Context(), fleet.Selector{}, fleet.Window{})
	if err != nil || len(records) != 1 {
		t.Fatalf("records %+v, error %v", records, err)
	}
	if x := records[0]; x.Host != "blue" || x.InstanceType != "n2-standard-2" || x.Zone != "europe-west1-b" || x.Provider != "gcp" || x.Purchase != fleet.PurchaseSpot || len(x.Tags) != 0 {
		t.Errorf("record %+v", x)
	}
}
