package fleet_test

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/leanfleet/leanfleet/fleet"
)

func metric(t testing.TB, name string) fleet.Metric {
	t.Helper()
	m, err := fleet.CanonicalMetrics().Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestScale(t *testing.T) {
	f := func(name string, value float64, want int32, back float64) {
		t.Helper()
		m := metric(t, name)
		got, err := m.Scale(value)
		if err != nil || got != want || m.Value(int64(got)) != back {
			t.Errorf("%s %v is %d, %v, back %v; want %d and %v", name, value, got, err, m.Value(int64(got)), want, back)
		}
	}
	f("cpu_usage", 0, 0, 0)
	f("cpu_usage", 0.4032, 4032, 0.4032)
	f("cpu_usage", 1, 10000, 1)
	f("cpu_usage", 1.2345678, 12346, 1.2346)
	f("cpu_usage", 0.00005, 1, 0.0001) // halves away from zero
	f("cpu_usage", 0.00004999, 0, 0)
	f("cpu_usage", math.Copysign(0, -1), 0, 0)
	f("load1", 0.125, 13, 0.13)
	f("load1", 12.34, 1234, 12.34)
	f("processes", 2.5, 3, 3)
	f("capacity_vcpus", 0.5, 50, 0.5)
	f("capacity_memory_bytes", 8<<30, 8192, 8<<30)
	f("capacity_memory_bytes", 3<<19, 2, 2<<20)
	f("capacity_memory_bytes", 3<<19-1, 1, 1<<20)
	// 0.1 KiB/s is 102.4 B/s: whole KiB/s are exact.
	f("disk_read_bytes_per_second", 1024, 10, 1024)
	f("disk_read_bytes_per_second", 102.4, 1, 102.4)
	f("disk_read_bytes_per_second", 51.2, 1, 102.4)
	f("disk_read_bytes_per_second", 51.1, 0, 0)
	f("network_receive_bytes_per_second", 1<<30, 10485760, 1<<30)
	f("network_receive_bytes_per_second", 1000, 10, 1024)
	f("uptime_seconds", math.MaxInt32, math.MaxInt32, math.MaxInt32)
}

func TestScaleImpossible(t *testing.T) {
	for _, m := range fleet.CanonicalMetrics().Stored() {
		for value, want := range map[float64]string{
			math.NaN(): "not a number", math.Inf(1): "not a number", math.Inf(-1): "not a number",
			-1e-9: "negative", -1: "negative", math.MaxFloat64: "above the largest", m.Value(math.MaxInt32) * 1.001: "above the largest",
		} {
			got, err := m.Scale(value)
			if !errors.Is(err, fleet.ErrImpossible) || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), m.Name+": ") {
				t.Errorf("%s %v: %d, %v; want %s", m.Name, value, got, err, want)
			}
		}
	}
}

// TestScaleIsExact: every stored integer comes back from its value, and a value
// becomes the nearest integer.
func TestScaleIsExact(t *testing.T) {
	stored := fleet.CanonicalMetrics().Stored()
	rapid.Check(t, func(t *rapid.T) {
		m := rapid.SampledFrom(stored).Draw(t, "metric")
		n := fleet.Between(t, 0, math.MaxInt32, "n")
		if got, err := m.Scale(m.Value(n)); err != nil || int64(got) != n {
			t.Fatalf("%s: %d is %v, which is %d, %v", m.Name, n, m.Value(n), got, err)
		}
		exact := new(big.Rat).SetFrac64(m.Num, m.Den)
		exact.Mul(exact, new(big.Rat).SetInt64(n))
		if want, _ := exact.Float64(); m.Value(n) != want {
			t.Fatalf("%s: %d is %v, want %v", m.Name, n, m.Value(n), want)
		}
		if off := rapid.Float64Range(-0.49, 0.49).Draw(t, "off"); float64(n)+off >= 0 && float64(n)+off < math.MaxInt32 {
			if got, err := m.Scale((float64(n) + off) * m.Resolution()); err != nil || int64(got) != n {
				t.Fatalf("%s: %v units is %d, %v", m.Name, float64(n)+off, got, err)
			}
		}
	})
}

func TestCanonicalMetrics(t *testing.T) {
	all := fleet.CanonicalMetrics()
	columns := map[string]string{}
	derived := false
	for _, m := range all.All() {
		if found, err := all.Lookup(m.Name); err != nil || found != m {
			t.Errorf("%s is found as %v, %v", m.Name, found, err)
		}
		if m.Description == "" || m.Unit == "" || m.Num <= 0 || m.Den <= 0 {
			t.Errorf("%s lacks something: %+v", m.Name, m)
		}
		if m.Derived() {
			derived = true
			r, c := metric(t, m.Ratio), metric(t, m.Capacity)
			// The product of the stored integers is the derived one.
			if r.Num*c.Num*m.Den != m.Num*r.Den*c.Den {
				t.Errorf("%s: resolutions do not multiply", m.Name)
			}
			if m.Exact || m.QuantileError() != fleet.QuantileError || m.Column != "" {
				t.Errorf("%s is exact or has a column", m.Name)
			}
			continue
		}
		if derived {
			t.Errorf("%s stands behind derived metrics", m.Name)
		}
		if columns[m.Column] != "" || m.Column == "" {
			t.Errorf("column %q of %s is also of %s", m.Column, m.Name, columns[m.Column])
		}
		columns[m.Column] = m.Name
		if (m.QuantileError() == 0) != m.Exact {
			t.Errorf("%s: exact %v, error %v", m.Name, m.Exact, m.QuantileError())
		}
	}
	if got, want := len(all.Stored()), len(all.All())-3; got != want {
		t.Errorf("%d stored metrics, want %d", got, want)
	}
}

func TestMetricsWith(t *testing.T) {
	all := fleet.CanonicalMetrics()
	own := fleet.Metric{Name: "queue_length", Unit: fleet.UnitCount, Num: 1, Den: 1, Exact: true, Description: "jobs waiting"}
	more, err := all.With(own)
	if err != nil {
		t.Fatal(err)
	}
	m, err := more.Lookup("queue_length")
	if err != nil || m.Column != "queue_length" || len(more.All()) != len(all.All())+1 || more.All()[len(more.All())-1] != m {
		t.Errorf("%+v, %v", m, err)
	}
	if _, err := all.Lookup("queue_length"); err == nil {
		t.Error("With changed the set it was called on")
	}
	f := func(want string, change func(m *fleet.Metric)) {
		t.Helper()
		x := own
		x.Name = "other"
		change(&x)
		if _, err := more.With(x); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v; want %q", x, err, want)
		}
	}
	f("the name is taken", func(m *fleet.Metric) { m.Name = "cpu_usage" })
	f("the name is taken", func(m *fleet.Metric) { m.Name = "queue_length" })
	f("is that of disk_read_bytes_per_second", func(m *fleet.Metric) { m.Name = "disk_read_kib_per_second" })
	f("is that of load1", func(m *fleet.Metric) { m.Column = "load1" })
	for _, name := range []string{"", "Queue", "queue-length", "größe", "a b"} {
		f("a name has lower-case letters", func(m *fleet.Metric) { m.Name = name })
	}
	f("are tags", func(m *fleet.Metric) { m.Name = "tag_dept" })
	for _, name := range []string{"host", "time", "timestamp", "origin", "step"} {
		f("key column", func(m *fleet.Metric) { m.Name = name })
	}
	f("above zero", func(m *fleet.Metric) { m.Num = 0 })
	f("above zero", func(m *fleet.Metric) { m.Den = -1 })
	f("only stored", func(m *fleet.Metric) { m.Ratio, m.Capacity = "cpu_usage", "capacity_vcpus" })
}

func TestLookupNamesTheNearest(t *testing.T) {
	for name, want := range map[string]string{
		"cpu_usgae":    `unknown metric "cpu_usgae"; did you mean "cpu_usage"`,
		"CPU_USAGE":    `; did you mean "cpu_usage"`,
		"memory":       `"memory_usage"`,
		"uptime":       `"uptime_seconds"`,
		"temperature":  `unknown metric "temperature"`,
		"":             `unknown metric ""`,
		"memory_usage": "",
	} {
		_, err := fleet.CanonicalMetrics().Lookup(name)
		if want == "" {
			if err != nil {
				t.Error(err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %s", name, err, want)
		}
	}
	for _, name := range []string{"temperature", ""} {
		if _, err := fleet.CanonicalMetrics().Lookup(name); strings.Contains(err.Error(), "did you mean") {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestNearest(t *testing.T) {
	known := []string{"stats", "status", "trend", "up", "top", "import samples"}
	f := func(name string, n int, want ...string) {
		t.Helper()
		if got := fleet.Nearest(name, known, n); !slices.Equal(got, want) {
			t.Errorf("%q is near %q, want %q", name, got, want)
		}
	}
	f("stat", 2, "stats", "status")
	f("stat", 1, "stats")
	f("stat", 0)
	f("statsu", 2, "stats", "status") // a tie in alphabetical order
	f("TREND", 2, "trend")
	f("samples", 2, "import samples")
	f("xy", 2) // nothing of "up" is in it
	f("", 2)
	f("x", 9)
	f("tp", 9, "top", "up")
	if got := fleet.DidYouMean("stat", known); got != `; did you mean "stats" or "status"?` {
		t.Error(got)
	}
	if got := fleet.DidYouMean("nothing like it", known); got != "" {
		t.Error(got)
	}
}

func Example() {
	m, err := fleet.CanonicalMetrics().Lookup("disk_read_bytes_per_second")
	if err != nil {
		fmt.Println(err)
		return
	}
	stored, err := m.Scale(5000)
	fmt.Println(stored, m.Value(int64(stored)), err)
	// Output: 49 5017.6 <nil>
}
