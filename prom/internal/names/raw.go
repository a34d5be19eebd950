package names

import (
	"math"

	"github.com/leanfleet/leanfleet/fleet"
)

// Raw is how a metric follows from series as an engine stores them: what its
// expression says, for a reader who computes it.
type Raw struct {
	// Terms are what is read.
	Terms []Term
	// Else is how the metric follows for hosts of which the terms have no value at
	// all, or have some where the metric has none. nil is not at all.
	Else *Raw
	// Peak says that the value is the highest of those over pieces of the step.
	Peak bool
	// Apart says that series that differ in any label are told apart until the
	// highest value is taken; otherwise those of one host are one.
	Apart bool
	// Value is the metric of the terms' values, of which NaN is none.
	Value func(terms []float64) float64
}

// Term is a value made of the series of one name.
type Term struct {
	// Name is that of the series, Match its further matchers, "" or with a comma
	// behind each.
	Name, Match string
	// Rate says that it is the rate of counters; otherwise the last value inside
	// the step.
	Rate bool
	// Fold is what is made of the values of a host's series.
	Fold Fold
	// Each is the label over whose values Mean and Count go.
	Each string
}

// Fold is how one value is made of those of several series.
type Fold int

// The folds. Mean is the sum over the number of values that the label Each has,
// Count that number.
const (
	Max Fold = iota
	Sum
	Mean
	Count
)

// Selector is the inside of a selector of the term's series, with further
// matchers.
func (t *Term) Selector(match string) string {
	text := `__name__="` + t.Name + `",` + t.Match + match
	if text[len(text)-1] == ',' {
		text = text[:len(text)-1]
	}
	return text
}

// RawOf returns how a metric follows from the series of a schema as they are
// stored; false where only the expression tells.
func RawOf(s Schema, m fleet.Metric) (Raw, bool) {
	r, ok := raws(s)[m.Name]
	return r, ok
}

func raws(s Schema) map[string]Raw {
	switch s {
	case NodeExporter:
		return nodeRaw()
	case WindowsExporter:
		return windowsRaw()
	}
	return nil
}

// only is the one term's value.
func only(t []float64) float64 { return t[0] }

// rest is what the one term leaves of one.
func rest(t []float64) float64 { return 1 - t[0] }

func rawOf(value func([]float64) float64, terms ...Term) Raw {
	return Raw{Terms: terms, Value: value}
}

func gaugeOf(name string) Term { return Term{Name: name} }

func sumOf(name, match string) Raw {
	return rawOf(only, Term{Name: name, Match: match + ",", Rate: true, Fold: Sum})
}

func nodeRaw() map[string]Raw {
	cpu := func(match string, value func([]float64) float64) Raw {
		return rawOf(value, Term{Name: "node_cpu_seconds_total", Match: match + ",", Rate: true, Fold: Mean, Each: "cpu"})
	}
	memory := func(name string) Term { return gaugeOf("node_memory_" + name + "_bytes") }
	space := func(name string) Term {
		return Term{Name: "node_filesystem_" + name + "_bytes", Match: noFS + ","}
	}
	usage := cpu(`mode=~"idle|iowait|steal"`, rest)
	peak := usage
	peak.Peak = true
	// Kernels since 3.14 say what is available.
	used := rawOf(func(t []float64) float64 { return 1 - t[1]/t[0] }, memory("MemTotal"), memory("MemAvailable"))
	old := rawOf(func(t []float64) float64 {
		available := t[1]
		if math.IsNaN(available) {
			available = t[2] + t[3] + t[4] + t[5]
		}
		return 1 - available/t[0]
	}, append(used.Terms, memory("MemFree"), memory("Buffers"), memory("Cached"), memory("Slab"))...)
	used.Else = &old
	// Any mode tells of a CPU. Nice time hardly ever changes, and takes a thirtieth
	// of the room of idle time.
	number := func(mode string) Raw {
		return rawOf(only, Term{Name: "node_cpu_seconds_total", Match: `mode="` + mode + `",`, Fold: Count, Each: "cpu"})
	}
	cpus, idle := number("nice"), number("idle")
	cpus.Else = &idle
	disk := rawOf(func(t []float64) float64 {
		return (t[0] - t[1]) / positive(t[0]-t[1]+t[2])
	}, space("size"), space("free"), space("avail"))
	disk.Apart = true
	return map[string]Raw{
		"cpu_usage":                         usage,
		"cpu_usage_peak":                    peak,
		"cpu_steal":                         cpu(`mode="steal"`, only),
		"cpu_iowait":                        cpu(`mode="iowait"`, only),
		"load1":                             rawOf(only, gaugeOf("node_load1")),
		"memory_usage":                      used,
		"swap_usage":                        rawOf(func(t []float64) float64 { return 1 - t[0]/positive(t[1]) }, memory("SwapFree"), memory("SwapTotal")),
		"disk_usage":                        disk,
		"disk_read_bytes_per_second":        sumOf("node_disk_read_bytes_total", noDisk),
		"disk_write_bytes_per_second":       sumOf("node_disk_written_bytes_total", noDisk),
		"disk_read_ops_per_second":          sumOf("node_disk_reads_completed_total", noDisk),
		"disk_write_ops_per_second":         sumOf("node_disk_writes_completed_total", noDisk),
		"network_receive_bytes_per_second":  sumOf("node_network_receive_bytes_total", noNet),
		"network_transmit_bytes_per_second": sumOf("node_network_transmit_bytes_total", noNet),
		"processes":                         rawOf(only, gaugeOf("node_processes_pids")),
		"capacity_vcpus":                    cpus,
		"capacity_memory_bytes":             rawOf(only, memory("MemTotal")),
		"up":                                rawOf(only, gaugeOf("up")),
		"uptime_seconds":                    rawOf(func(t []float64) float64 { return t[0] - t[1] }, gaugeOf("node_time_seconds"), gaugeOf("node_boot_time_seconds")),
	}
}

// windowsRaw are counters; gauges have had several names, and are few.
func windowsRaw() map[string]Raw {
	const volume = `volume!~"HarddiskVolume.*|_Total"`
	const nic = `nic!~".*([Ll]oopback|isatap|Teredo|vEthernet|Pseudo).*"`
	usage := rawOf(rest, Term{Name: "windows_cpu_time_total", Match: `mode="idle",`, Rate: true, Fold: Mean, Each: "core"})
	peak := usage
	peak.Peak = true
	return map[string]Raw{
		"cpu_usage":                         usage,
		"cpu_usage_peak":                    peak,
		"disk_read_bytes_per_second":        sumOf("windows_logical_disk_read_bytes_total", volume),
		"disk_write_bytes_per_second":       sumOf("windows_logical_disk_write_bytes_total", volume),
		"disk_read_ops_per_second":          sumOf("windows_logical_disk_reads_total", volume),
		"disk_write_ops_per_second":         sumOf("windows_logical_disk_writes_total", volume),
		"network_receive_bytes_per_second":  sumOf("windows_net_bytes_received_total", nic),
		"network_transmit_bytes_per_second": sumOf("windows_net_bytes_sent_total", nic),
	}
}

// positive is a value above zero, else none.
func positive(v float64) float64 {
	if v > 0 {
		return v
	}
	return math.NaN()
}
