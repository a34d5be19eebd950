package names

import (
	"fmt"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

// Schema is a vocabulary of metrics.
type Schema string

// The schemas. Auto asks the engine for series of each.
const (
	Auto            Schema = "auto"
	NodeExporter    Schema = "node_exporter"
	WindowsExporter Schema = "windows_exporter"
	OTel            Schema = "otel"
	Leanfleet       Schema = "leanfleet"
)

// Schemas returns those that have a table, in the order in which they are
// looked for: what leanfleet wrote itself is the most exact.
func Schemas() []Schema { return []Schema{Leanfleet, NodeExporter, WindowsExporter, OTel} }

// ParseSchema reads a schema; "" is auto.
func ParseSchema(s string) (Schema, error) {
	switch x := Schema(strings.ToLower(s)); x {
	case "", Auto:
		return Auto, nil
	case NodeExporter, WindowsExporter, OTel, Leanfleet:
		return x, nil
	}
	return "", fmt.Errorf("unknown schema %q: use auto, node_exporter, windows_exporter, otel or leanfleet", s)
}

// Traits say how a schema tells of hosts.
type Traits struct {
	// Host is the label that names the host.
	Host string
	// Evidence is a selector's inside that finds series of every host which was
	// measured; few series a host are best.
	Evidence string
	// Info are series that describe hosts by their labels.
	Info []string
	// Stored says that samples stand in the engine as they were measured, with
	// their own times, one series a metric, and the milliseconds that each covers
	// in the label StepLabel. Otherwise a metric is an expression that is
	// evaluated on a grid.
	Stored bool
}

// StepLabel is the label of leanfleet's own series that holds the seconds each
// sample covers: "60", "0.5".
const StepLabel = "step"

// GroupLabel is the label of leanfleet's own series of process groups.
const GroupLabel = "group"

// HostInfo is leanfleet's own series that describes hosts.
const HostInfo = "leanfleet_host_info"

// TraitsOf returns how a schema tells of hosts. The schema is one of [Schemas].
func TraitsOf(s Schema) Traits {
	switch s {
	case Leanfleet:
		return Traits{Host: "host", Stored: true, Evidence: `__name__=~"leanfleet_.+",__name__!="` + HostInfo + `",` + GroupLabel + `=""`, Info: []string{HostInfo}}
	case NodeExporter:
		return Traits{Host: "instance", Evidence: `__name__="node_memory_MemTotal_bytes"`, Info: []string{"node_uname_info", "node_dmi_info"}}
	case WindowsExporter:
		return Traits{Host: "instance", Evidence: `__name__=~"windows_memory_physical_total_bytes|windows_cs_physical_memory_bytes"`, Info: []string{"windows_os_info", "windows_os_hostname", "windows_cs_hostname", "windows_os_smbios_info"}}
	case OTel:
		return Traits{Host: "instance", Evidence: `__name__=~"system_memory_usage_bytes|system_cpu_logical_count|system_memory_limit_bytes|system_cpu_load_average_1m(_thread|_ratio)?",state=~"used|",system_memory_state=~"used|"`, Info: []string{"target_info"}}
	}
	return Traits{}
}

// Own is the name of leanfleet's own series of a stored metric: the metric's
// name, with its unit where that is a ratio.
func Own(m fleet.Metric) string {
	if m.Unit == fleet.UnitRatio {
		return "leanfleet_" + m.Name + "_ratio"
	}
	return "leanfleet_" + m.Name
}

// Expr is how a schema tells of a metric: a PromQL expression that yields one
// series a host, in the metric's unit, whose value at t describes [t - step, t).
type Expr struct {
	text string
	// Counter says that the expression takes rates of counters.
	Counter bool
}

// Bind fills an expression in.
type Bind struct {
	// Match are matchers, separated by commas, that every selector gets.
	Match string
	// By are the labels, separated by commas, by which series are told apart
	// before those of one host are made one.
	By string
	// Step is the time that a value describes.
	Step time.Duration
	// Rate is the time over which rates are taken: Step, or longer where that
	// holds too few scrapes.
	Rate time.Duration
	// Peak is the time over which each rate of a peak is taken, Every the time from
	// one to the next.
	Peak, Every time.Duration
}

// Of returns how a schema tells of a stored metric; false where it does not.
func Of(s Schema, m fleet.Metric) (Expr, bool) {
	if s == Leanfleet {
		return Expr{text: "sum by ($by) (last_over_time(" + Own(m) + "{$m}[$s]))"}, !m.Derived()
	}
	text, ok := tables()[s][m.Name]
	return Expr{text: text, Counter: strings.Contains(text, "rate(")}, ok
}

// Query is the expression with names, labels and times filled in.
func (e Expr) Query(b Bind) string {
	return strings.NewReplacer("$m", b.Match, "$by", b.By, "$s", Duration(b.Step), "$r", Duration(b.Rate), "$p", Duration(b.Peak), "$q", Duration(b.Every)).Replace(e.text)
}

// Duration writes a duration as PromQL reads it, in whole milliseconds.
func Duration(d time.Duration) string {
	switch {
	case d%time.Hour == 0 && d > 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d%time.Minute == 0 && d > 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d%time.Second == 0 && d > 0:
		return fmt.Sprintf("%ds", d/time.Second)
	}
	return fmt.Sprintf("%dms", d.Milliseconds())
}
