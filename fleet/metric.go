package fleet

import (
	"fmt"
	"math"
	"sort"
	"strings"
)

// Unit is what a metric's values are measured in, after scaling.
type Unit string

// The units of canonical metrics.
const (
	UnitRatio          Unit = "ratio"            // share of a capacity, 1 = all of it
	UnitTasks          Unit = "tasks"            // runnable tasks
	UnitBytes          Unit = "bytes"            // bytes
	UnitBytesPerSecond Unit = "bytes_per_second" // bytes per second
	UnitPerSecond      Unit = "per_second"       // operations per second
	UnitCount          Unit = "count"            // things
	UnitCores          Unit = "cores"            // virtual CPUs
	UnitSeconds        Unit = "seconds"          // seconds
)

// Metric is a row of the metric table: what is measured, in which unit, and to
// which resolution. The stored integer n stands for n × Num / Den in the unit.
// Rounding to the resolution is part of a metric's definition.
type Metric struct {
	// Name is the metric's name in the API, the CLI and imported files.
	Name string
	// Unit of the scaled value.
	Unit Unit
	// Num and Den are the resolution as a fraction: 1/10000, 512/5 (102.4), 1/1.
	Num, Den int64
	// Exact says that distributions keep every distinct value. Otherwise they
	// keep bins no wider than QuantileError allows.
	Exact bool
	// Column is the name of the metric's column in sealed files; it ends in the
	// unit the file shows where that differs from Unit.
	Column string
	// Digits is the number of decimal digits of the column's DECIMAL type.
	Digits int
	// Ratio and Capacity name the two stored metrics whose product this metric
	// is. Both are empty for a stored metric.
	Ratio, Capacity string
	// Description is one line for help texts.
	Description string
}

// QuantileError is the relative error, at most, of quantiles of metrics that
// are not exact.
const QuantileError = 0.005

// The canonical metrics that code refers to by name.
var (
	CPUUsage        = ratio("cpu_usage", "share of the host's CPU capacity in use, mean over the interval")
	CPUUsagePeak    = ratio("cpu_usage_peak", "share of the host's CPU capacity in use, highest sub-interval inside the interval")
	MemoryUsage     = ratio("memory_usage", "(capacity - available) / capacity of memory")
	CapacityVCPUs   = Metric{Name: "capacity_vcpus", Unit: UnitCores, Num: 1, Den: 100, Exact: true, Column: "capacity_vcpus", Digits: 2, Description: "virtual CPUs the host itself saw"}
	CapacityMemory  = Metric{Name: "capacity_memory_bytes", Unit: UnitBytes, Num: 1 << 20, Den: 1, Exact: true, Column: "capacity_memory_mib", Description: "memory the host itself saw"}
	CPUCoresUsed    = Metric{Name: "cpu_cores_used", Unit: UnitCores, Num: 1, Den: 1000000, Ratio: "cpu_usage", Capacity: "capacity_vcpus", Description: "cpu_usage x virtual CPUs at that time"}
	CPUCoresPeak    = Metric{Name: "cpu_cores_used_peak", Unit: UnitCores, Num: 1, Den: 1000000, Ratio: "cpu_usage_peak", Capacity: "capacity_vcpus", Description: "cpu_usage_peak x virtual CPUs at that time"}
	MemoryUsedBytes = Metric{Name: "memory_used_bytes", Unit: UnitBytes, Num: 1 << 20, Den: 10000, Ratio: "memory_usage", Capacity: "capacity_memory_bytes", Description: "memory_usage x memory at that time"}
)

func ratio(name, description string) Metric {
	return Metric{Name: name, Unit: UnitRatio, Num: 1, Den: 10000, Exact: true, Column: name, Digits: 4, Description: description}
}

// byteRate is stored in units of 0.1 KiB/s: fine enough for idle rules of
// 1,000 B/s, while 1 B/s would be half the store.
func byteRate(name, description string) Metric {
	column := strings.TrimSuffix(name, "_bytes_per_second") + "_kib_per_second"
	return Metric{Name: name, Unit: UnitBytesPerSecond, Num: 512, Den: 5, Column: column, Digits: 1, Description: description}
}

func plain(name string, unit Unit, exact bool, description string) Metric {
	return Metric{Name: name, Unit: unit, Num: 1, Den: 1, Exact: exact, Column: name, Description: description}
}

// Metrics is a set of metrics, found by name.
type Metrics struct {
	list   []Metric
	byName map[string]Metric
}

// CanonicalMetrics returns the metrics every leanfleet knows: stored ones
// first, in the order documents list them, then derived ones.
func CanonicalMetrics() Metrics {
	return newMetrics([]Metric{
		CPUUsage, CPUUsagePeak,
		ratio("cpu_steal", "share of CPU time taken by the hypervisor"),
		ratio("cpu_iowait", "share of CPU time waiting for input and output"),
		{Name: "load1", Unit: UnitTasks, Num: 1, Den: 100, Exact: true, Column: "load1", Digits: 2, Description: "runnable tasks, one-minute average"},
		MemoryUsage,
		ratio("swap_usage", "share of swap space in use"),
		ratio("disk_usage", "share in use of the fullest file system"),
		byteRate("disk_read_bytes_per_second", "bytes read from disks"),
		byteRate("disk_write_bytes_per_second", "bytes written to disks"),
		byteRate("network_receive_bytes_per_second", "bytes received on physical interfaces"),
		byteRate("network_transmit_bytes_per_second", "bytes sent on physical interfaces"),
		plain("disk_read_ops_per_second", UnitPerSecond, false, "read operations on disks"),
		plain("disk_write_ops_per_second", UnitPerSecond, false, "write operations on disks"),
		plain("processes", UnitCount, true, "processes"),
		plain("sessions", UnitCount, true, "logged-in users"),
		CapacityVCPUs, CapacityMemory,
		plain("up", UnitCount, true, "1 when the host was reached"),
		plain("uptime_seconds", UnitSeconds, false, "time since boot"),
		CPUCoresUsed, CPUCoresPeak, MemoryUsedBytes,
	})
}

func newMetrics(list []Metric) Metrics {
	m := Metrics{list: list, byName: make(map[string]Metric, len(list))}
	for _, x := range list {
		m.byName[x.Name] = x
	}
	return m
}

// With returns the set with further metrics of the user's own. A name or column
// that is taken, or a name or resolution that cannot be stored, is an error.
func (m Metrics) With(own ...Metric) (Metrics, error) {
	list := append([]Metric(nil), m.list...)
	next := newMetrics(list)
	columns := make(map[string]string, len(list))
	for _, x := range list {
		columns[x.Column] = x.Name
	}
	for _, x := range own {
		if err := checkOwnMetric(x); err != nil {
			return Metrics{}, err
		}
		if _, taken := next.byName[x.Name]; taken {
			return Metrics{}, fmt.Errorf("metric %q: the name is taken", x.Name)
		}
		if x.Column == "" {
			x.Column = x.Name
		}
		if other, taken := columns[x.Column]; taken {
			return Metrics{}, fmt.Errorf("metric %q: its column %s is that of %s", x.Name, x.Column, other)
		}
		columns[x.Column] = x.Name
		next.list = append(next.list, x)
		next.byName[x.Name] = x
	}
	return next, nil
}

func checkOwnMetric(x Metric) error {
	if x.Name == "" || strings.Trim(x.Name, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
		return fmt.Errorf("metric %q: a name has lower-case letters, digits and underscores", x.Name)
	}
	if strings.HasPrefix(x.Name, "tag_") {
		return fmt.Errorf("metric %q: names that begin with tag_ are tags", x.Name)
	}
	switch x.Name {
	case "host", "time", "timestamp", "origin", "step":
		return fmt.Errorf("metric %q: the name is a key column of sample files", x.Name)
	}
	if x.Derived() || x.Capacity != "" {
		return fmt.Errorf("metric %q: only stored metrics can be added", x.Name)
	}
	if x.Num <= 0 || x.Den <= 0 {
		return fmt.Errorf("metric %q: the resolution must be above zero", x.Name)
	}
	return nil
}

// All returns the metrics of the set in order. The caller must not change it.
func (m Metrics) All() []Metric { return m.list }

// Stored returns the metrics that have a column of their own, in order.
func (m Metrics) Stored() []Metric {
	var out []Metric
	for _, x := range m.list {
		if !x.Derived() {
			out = append(out, x)
		}
	}
	return out
}

// Lookup finds a metric by name. The error of an unknown name lists the
// nearest known ones.
func (m Metrics) Lookup(name string) (Metric, error) {
	if x, ok := m.byName[name]; ok {
		return x, nil
	}
	names := make([]string, 0, len(m.list))
	for _, x := range m.list {
		names = append(names, x.Name)
	}
	return Metric{}, fmt.Errorf("unknown metric %q%s", name, DidYouMean(name, names))
}

// Derived says whether the metric is a product of two stored ones.
func (m Metric) Derived() bool { return m.Ratio != "" }

// Value turns a scaled integer into the metric's unit.
func (m Metric) Value(scaled int64) float64 {
	if m.Num == 1 {
		return float64(scaled) / float64(m.Den)
	}
	return float64(scaled) * float64(m.Num) / float64(m.Den)
}

// ErrImpossible is wrapped by the error of [Metric.Scale].
var ErrImpossible = fmt.Errorf("impossible value")

// Scale rounds a value in the metric's unit to the resolution, halves away
// from zero. Negative values, NaN, infinities and values beyond 2^31-1 units
// of resolution wrap ErrImpossible.
func (m Metric) Scale(value float64) (int32, error) {
	scaled := math.Round(value * float64(m.Den) / float64(m.Num))
	switch {
	case math.IsNaN(value) || math.IsInf(value, 0):
		return 0, fmt.Errorf("%s: %w: %v is not a number", m.Name, ErrImpossible, value)
	case value < 0:
		return 0, fmt.Errorf("%s: %w: %v is negative", m.Name, ErrImpossible, value)
	case scaled > math.MaxInt32:
		return 0, fmt.Errorf("%s: %w: %v is above the largest %v", m.Name, ErrImpossible, value, m.Value(math.MaxInt32))
	}
	return int32(scaled), nil
}

// Resolution is the smallest difference the metric can show, in its unit.
func (m Metric) Resolution() float64 { return float64(m.Num) / float64(m.Den) }

// QuantileError is the relative error, at most, of the metric's quantiles: 0
// for exact metrics.
func (m Metric) QuantileError() float64 {
	if m.Exact {
		return 0
	}
	return QuantileError
}

// DidYouMean returns `; did you mean "a" or "b"?` with the names nearest to a
// mistyped one, or "" when none is near. It is the tail of error messages.
func DidYouMean(name string, known []string) string {
	near := Nearest(name, known, 2)
	if len(near) == 0 {
		return ""
	}
	for i, n := range near {
		near[i] = fmt.Sprintf("%q", n)
	}
	return "; did you mean " + strings.Join(near, " or ") + "?"
}

// Nearest returns up to n of the known names that are near to a mistyped one,
// nearest first, ties in alphabetical order.
func Nearest(name string, known []string, n int) []string {
	type scored struct {
		name string
		d    int
	}
	if name == "" {
		return nil
	}
	var list []scored
	limit := max(2, len(name)/3)
	for _, k := range known {
		d := distance(strings.ToLower(name), strings.ToLower(k))
		if strings.Contains(k, name) && len(name) >= 3 {
			d = min(d, limit)
		}
		if d <= limit && d < len(k) {
			list = append(list, scored{k, d})
		}
	}
	sort.Slice(list, func(i, j int) bool {
		if list[i].d != list[j].d {
			return list[i].d < list[j].d
		}
		return list[i].name < list[j].name
	})
	var out []string
	for i := 0; i < len(list) && i < n; i++ {
		out = append(out, list[i].name)
	}
	return out
}

// distance is the Levenshtein distance.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}
