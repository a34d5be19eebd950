package names

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

// Every metric of the tables is one that leanfleet stores, and every expression
// is filled in whole, with balanced brackets.
func TestTables(t *testing.T) {
	stored := map[string]fleet.Metric{}
	for _, m := range fleet.CanonicalMetrics().Stored() {
		stored[m.Name] = m
	}
	for schema, table := range tables() {
		for name := range table {
			m, ok := stored[name]
			if !ok {
				t.Errorf("%s has %s, which nobody stores", schema, name)
				continue
			}
			e, ok := Of(schema, m)
			q := e.Query(Bind{Match: `job="x"`, By: "instance,job", Step: time.Minute, Rate: 2 * time.Minute, Peak: 30 * time.Second, Every: 15 * time.Second})
			if !ok || strings.Contains(q, "$") || strings.Count(q, "(") != strings.Count(q, ")") || strings.Count(q, "{") != strings.Count(q, "}") {
				t.Errorf("%s of %s: %s", name, schema, q)
			}
			if n, of := strings.Count(q, `job="x"}`), strings.Count(q, "}"); n != of {
				t.Errorf("%s of %s: %d of %d selectors have the matchers: %s", name, schema, n, of, q)
			}
			if e.Counter != strings.Contains(q, "rate(") {
				t.Errorf("%s of %s: counter %v", name, schema, e.Counter)
			}
		}
	}
}

func TestOwnNames(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range fleet.CanonicalMetrics().Stored() {
		name := Own(m)
		if seen[name] || !regexp.MustCompile(`^leanfleet_[a-z0-9_]+$`).MatchString(name) {
			t.Errorf("%s is written as %s", m.Name, name)
		}
		seen[name] = true
		if _, ok := Of(Leanfleet, m); !ok {
			t.Errorf("%s is not read", name)
		}
	}
	for _, want := range []string{"leanfleet_cpu_usage_ratio", "leanfleet_load1", "leanfleet_capacity_memory_bytes", "leanfleet_network_receive_bytes_per_second", "leanfleet_up"} {
		if !seen[want] {
			t.Errorf("nothing is written as %s", want)
		}
	}
	if _, ok := Of(Leanfleet, fleet.CPUCoresUsed); ok {
		t.Error("a derived metric has a series")
	}
	if _, ok := Of(NodeExporter, fleet.Metric{Name: "sessions"}); ok {
		t.Error("node_exporter has sessions")
	}
}

func TestParseSchema(t *testing.T) {
	for text, want := range map[string]Schema{"": Auto, "auto": Auto, "Node_Exporter": NodeExporter, "windows_exporter": WindowsExporter, "otel": OTel, "leanfleet": Leanfleet} {
		if got, err := ParseSchema(text); err != nil || got != want {
			t.Errorf("%q: %q, error %v", text, got, err)
		}
	}
	if _, err := ParseSchema("nagios"); err == nil {
		t.Error("nagios is no schema")
	}
	for _, s := range Schemas() {
		if x := TraitsOf(s); x.Host == "" || x.Evidence == "" || x.Stored != (s == Leanfleet) {
			t.Errorf("traits of %s: %+v", s, x)
		}
	}
	if x := TraitsOf(Auto); x.Host != "" {
		t.Errorf("traits of auto: %+v", x)
	}
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{time.Hour: "1h", 90 * time.Minute: "90m", 90 * time.Second: "90s", 1500 * time.Millisecond: "1500ms", 24*time.Hour - time.Millisecond: "86399999ms", 0: "0ms"} {
		if got := Duration(d); got != want {
			t.Errorf("%s is written %s, want %s", d, got, want)
		}
	}
}

// docs/prometheus.md has every expression as it is asked.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../../../docs/prometheus.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, schema := range Schemas() {
		for _, m := range fleet.CanonicalMetrics().Stored() {
			_, ok := Of(schema, m)
			line := regexp.MustCompile("(?m)^\\| `" + m.Name + "` \\|.*$").FindString(string(text))
			cells := strings.Split(strings.Trim(line, "|"), "|")
			if len(cells) != 5 {
				t.Fatalf("docs/prometheus.md has no row of %s: %q", m.Name, line)
			}
			column := map[Schema]int{NodeExporter: 1, WindowsExporter: 2, OTel: 3, Leanfleet: 4}[schema]
			if has := strings.TrimSpace(cells[column]) != "-"; has != ok {
				t.Errorf("docs/prometheus.md says %q of %s in %s", cells[column], m.Name, schema)
			}
		}
	}
}
