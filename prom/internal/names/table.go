package names

import "strings"

// Selectors that leave out what carries others, or nothing: partitions and
// devices made of devices; interfaces that are not physical.
const (
	noDisk = `device!~"(loop|ram|dm-|md|zram|sr|fd).*"`
	noNet  = `device!~"lo|(veth|docker|br-|virbr|cni|flannel|cali|tun|tap|wg|bond|team|dummy|ifb|sit|ip6tnl|kube|lxc|vnet).*"`
	noFS   = `fstype!~"` + otherFS + `"`
	// otherFS are types of file systems that are not on the host's own disks.
	otherFS = `tmpfs|ramfs|overlay|squashfs|iso9660|nfs.*|cifs|smb.*|fuse.*|devtmpfs|autofs|proc|sysfs|cgroup.*|efivarfs|rootfs|9p|erofs`
	// parts are partitions, which node_exporter leaves out itself.
	parts = `(h|s|v|xv)d[a-z]+[0-9]+|nvme[0-9]+n[0-9]+p[0-9]+|mmcblk[0-9]+p[0-9]+`
)

// tables are the expressions of each schema by metric. $m are matchers, $by the
// labels that tell series apart, $s the step, $r the time of a rate, $p that of
// a peak's rates, which are taken every $q. Gauges are the last value inside the step, so that a value
// does not outlive its host by the engine's look-back.
func tables() map[Schema]map[string]string {
	return map[Schema]map[string]string{NodeExporter: node(), WindowsExporter: windows(), OTel: otel()}
}

// node is what node_exporter says, by the rules of its mixin: time that is idle,
// waits for input and output, or is stolen is not in use; what guests use is in
// user and nice already.
func node() map[string]string {
	gauge := func(name string) string { return "max by ($by) (last_over_time(" + name + "{$m}[$s]))" }
	rate := func(name, matchers string) string {
		return "sum by ($by) (rate(" + name + "{" + matchers + ",$m}[$r]))"
	}
	mode := func(name string) string {
		return `avg by ($by) (sum by ($by,cpu) (rate(node_cpu_seconds_total{mode="` + name + `",$m}[$r])))`
	}
	used := func(r string) string {
		return `1 - avg by ($by) (sum by ($by,cpu) (rate(node_cpu_seconds_total{mode=~"idle|iowait|steal",$m}[` + r + `])))`
	}
	available := "(" + gauge("node_memory_MemAvailable_bytes") + " or (" + gauge("node_memory_MemFree_bytes") + " + " + gauge("node_memory_Buffers_bytes") + " + " + gauge("node_memory_Cached_bytes") + " + " + gauge("node_memory_Slab_bytes") + "))"
	return map[string]string{
		"cpu_usage":                         used("$r"),
		"cpu_usage_peak":                    "max_over_time((" + used("$p") + ")[$s:$q])",
		"cpu_steal":                         mode("steal"),
		"cpu_iowait":                        mode("iowait"),
		"load1":                             gauge("node_load1"),
		"memory_usage":                      "1 - " + available + " / " + gauge("node_memory_MemTotal_bytes"),
		"swap_usage":                        "1 - " + gauge("node_memory_SwapFree_bytes") + " / (" + gauge("node_memory_SwapTotal_bytes") + " > 0)",
		"disk_usage":                        `max by ($by) ((last_over_time(node_filesystem_size_bytes{` + noFS + `,$m}[$s]) - last_over_time(node_filesystem_free_bytes{` + noFS + `,$m}[$s])) / (last_over_time(node_filesystem_size_bytes{` + noFS + `,$m}[$s]) - last_over_time(node_filesystem_free_bytes{` + noFS + `,$m}[$s]) + last_over_time(node_filesystem_avail_bytes{` + noFS + `,$m}[$s]) > 0))`,
		"disk_read_bytes_per_second":        rate("node_disk_read_bytes_total", noDisk),
		"disk_write_bytes_per_second":       rate("node_disk_written_bytes_total", noDisk),
		"disk_read_ops_per_second":          rate("node_disk_reads_completed_total", noDisk),
		"disk_write_ops_per_second":         rate("node_disk_writes_completed_total", noDisk),
		"network_receive_bytes_per_second":  rate("node_network_receive_bytes_total", noNet),
		"network_transmit_bytes_per_second": rate("node_network_transmit_bytes_total", noNet),
		"processes":                         gauge("node_processes_pids"),
		"capacity_vcpus":                    `count by ($by) (count by ($by,cpu) (last_over_time(node_cpu_seconds_total{mode="idle",$m}[$s])))`,
		"capacity_memory_bytes":             gauge("node_memory_MemTotal_bytes"),
		"up":                                gauge("up"),
		"uptime_seconds":                    gauge("node_time_seconds") + " - " + gauge("node_boot_time_seconds"),
	}
}

func windows() map[string]string {
	gauge := func(name string) string { return "max by ($by) (last_over_time(" + name + "{$m}[$s]))" }
	either := func(a, b string) string { return "(" + gauge(a) + " or " + gauge(b) + ")" }
	rate := func(name, matchers string) string {
		return "sum by ($by) (rate(" + name + "{" + matchers + "$m}[$r]))"
	}
	used := func(r string) string {
		return `1 - avg by ($by) (sum by ($by,core) (rate(windows_cpu_time_total{mode="idle",$m}[` + r + `])))`
	}
	total := either("windows_memory_physical_total_bytes", "windows_cs_physical_memory_bytes")
	// The time of boot has had three names.
	boot := "(" + gauge("windows_system_boot_time_timestamp") + " or " + gauge("windows_system_boot_time_timestamp_seconds") + " or " + gauge("windows_system_system_up_time") + ")"
	paging := func(name, old string) string {
		return "(sum by ($by) (last_over_time(" + name + "{$m}[$s])) or " + gauge(old) + ")"
	}
	const volume = `volume!~"HarddiskVolume.*|_Total",`
	const nic = `nic!~".*([Ll]oopback|isatap|Teredo|vEthernet|Pseudo).*",`
	return map[string]string{
		"cpu_usage":                         used("$r"),
		"cpu_usage_peak":                    "max_over_time((" + used("$p") + ")[$s:$q])",
		"memory_usage":                      "1 - " + either("windows_memory_available_bytes", "windows_memory_physical_free_bytes") + " / " + total,
		"swap_usage":                        "1 - " + paging("windows_pagefile_free_bytes", "windows_os_paging_free_bytes") + " / (" + paging("windows_pagefile_limit_bytes", "windows_os_paging_limit_bytes") + " > 0)",
		"disk_usage":                        "max by ($by) (1 - last_over_time(windows_logical_disk_free_bytes{" + volume + "$m}[$s]) / (last_over_time(windows_logical_disk_size_bytes{" + volume + "$m}[$s]) > 0))",
		"disk_read_bytes_per_second":        rate("windows_logical_disk_read_bytes_total", volume),
		"disk_write_bytes_per_second":       rate("windows_logical_disk_write_bytes_total", volume),
		"disk_read_ops_per_second":          rate("windows_logical_disk_reads_total", volume),
		"disk_write_ops_per_second":         rate("windows_logical_disk_writes_total", volume),
		"network_receive_bytes_per_second":  rate("windows_net_bytes_received_total", nic),
		"network_transmit_bytes_per_second": rate("windows_net_bytes_sent_total", nic),
		"processes":                         either("windows_system_processes", "windows_os_processes"),
		"capacity_vcpus":                    `(` + gauge("windows_cpu_logical_processor") + " or " + gauge("windows_cs_logical_processors") + ` or count by ($by) (count by ($by,core) (last_over_time(windows_cpu_time_total{mode="idle",$m}[$s]))))`,
		"capacity_memory_bytes":             total,
		"up":                                gauge("up"),
		"uptime_seconds":                    "time() - " + boot,
	}
}

// otel is what the host metrics of OpenTelemetry are called in a Prometheus.
// Semantic conventions and receivers in the field name attributes differently:
// cpu.mode and state, system.memory.state and state; all are accepted. Receivers
// measure partitions beside their disks, and give slab memory beside the states
// that hold it already.
func otel() map[string]string {
	gauge := func(name string) string { return "max by ($by) (last_over_time(" + name + "{$m}[$s]))" }
	// of selects by an attribute under each of the labels it may have.
	of := func(before, name, want, rangeOf, after string, labels ...string) string {
		var parts []string
		for _, label := range labels {
			parts = append(parts, before+name+"{"+label+"=~\""+want+"\",$m}["+rangeOf+"]"+after)
		}
		return "(" + strings.Join(parts, " or ") + ")"
	}
	cpu := func(want, r string) string {
		return of("sum by ($by) (rate(", "system_cpu_time_seconds_total", want, r, "))", "cpu_mode", "state", "system_cpu_state")
	}
	last := func(name, want string) string {
		return of("sum by ($by) (last_over_time(", name, want, "$s", "))", "state", "system_memory_state", "system_paging_state")
	}
	used := func(r string) string {
		return "1 - " + cpu("idle|wait|iowait|steal", r) + " / sum by ($by) (rate(system_cpu_time_seconds_total{$m}[" + r + "]))"
	}
	share := func(mode string) string {
		return cpu(mode, "$r") + " / sum by ($by) (rate(system_cpu_time_seconds_total{$m}[$r]))"
	}
	disk := func(name, direction string) string {
		const but = `"(loop|ram|dm-|md|zram|sr|fd).*|` + parts + `"`
		return of("sum by ($by) (rate(", name, direction, "$r", "))", `device!~`+but+`,direction`, `device!~`+but+`,system_device!~`+but+`,disk_io_direction`)
	}
	network := func(direction string) string {
		but := strings.TrimPrefix(noNet, "device!~")
		return of("sum by ($by) (rate(", "system_network_io_bytes_total", direction, "$r", "))", `device!~`+but+`,direction`,
			`device!~`+but+`,system_device!~`+but+`,network_interface_name!~`+but+`,network_io_direction`)
	}
	space := func(states string) string {
		return "(" + `sum by ($by,device,mountpoint) (last_over_time(system_filesystem_usage_bytes{state=~"` + states + `",type!~"` + otherFS + `",$m}[$s]))` +
			` or sum by ($by,system_device,system_filesystem_mountpoint) (last_over_time(system_filesystem_usage_bytes{system_filesystem_state=~"` + states + `",system_filesystem_type!~"` + otherFS + `",$m}[$s]))` + ")"
	}
	memory := last("system_memory_usage_bytes", "used")
	total := "(" + gauge("system_memory_limit_bytes") + ` or sum by ($by) (last_over_time(system_memory_usage_bytes{state!~"slab.*|total",system_memory_state!~"slab.*|total",$m}[$s])))`
	available := "(" + gauge("system_linux_memory_available_bytes") + " or " + gauge("system_memory_linux_available_bytes") + ")"
	return map[string]string{
		"cpu_usage":                         used("$r"),
		"cpu_usage_peak":                    "max_over_time((" + used("$p") + ")[$s:$q])",
		"cpu_steal":                         share("steal"),
		"cpu_iowait":                        share("wait|iowait"),
		"load1":                             "(" + gauge("system_cpu_load_average_1m") + " or " + gauge("system_cpu_load_average_1m_thread") + " or " + gauge("system_cpu_load_average_1m_ratio") + ")",
		"memory_usage":                      "(1 - " + available + " / " + total + ") or " + memory + " / " + total,
		"swap_usage":                        last("system_paging_usage_bytes", "used") + " / (" + last("system_paging_usage_bytes", "used|free") + " > 0)",
		"disk_usage":                        "max by ($by) (" + space("used") + " / (" + space("used|free") + " > 0))",
		"disk_read_bytes_per_second":        disk("system_disk_io_bytes_total", "read"),
		"disk_write_bytes_per_second":       disk("system_disk_io_bytes_total", "write"),
		"disk_read_ops_per_second":          disk("system_disk_operations_total", "read"),
		"disk_write_ops_per_second":         disk("system_disk_operations_total", "write"),
		"network_receive_bytes_per_second":  network("receive"),
		"network_transmit_bytes_per_second": network("transmit"),
		"processes":                         "(sum by ($by) (last_over_time(system_processes_count{$m}[$s])) or sum by ($by) (last_over_time(system_process_count{$m}[$s])))",
		"capacity_vcpus":                    "(" + gauge("system_cpu_logical_count") + ` or count by ($by) (count by ($by,cpu,cpu_logical_number,system_cpu_logical_number) (last_over_time(system_cpu_time_seconds_total{$m}[$s]))))`,
		"capacity_memory_bytes":             total,
		"uptime_seconds":                    gauge("system_uptime_seconds"),
	}
}
