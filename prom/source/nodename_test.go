package source_test

import (
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/prom/source"
)

// nodenameFleet is four hours of two nodes: web moved to another address after
// two, where another node had been before.
func nodenameFleet() []testSeries {
	var list []testSeries
	node := func(name, instance string, from, to time.Duration) {
		add := func(metric string, value float64, more ...string) {
			s := testSeries{labels: map[string]string{"__name__": metric, "instance": instance, "job": "node"}}
			for i := 0; i < len(more); i += 2 {
				s.labels[more[i]] = more[i+1]
			}
			for at := from; at <= to; at += 30 * time.Second {
				s.times, s.values = append(s.times, begin.Add(at).UnixMilli()), append(s.values, value)
			}
			list = append(list, s)
		}
		add("node_memory_MemTotal_bytes", 8*gib)
		add("node_memory_MemAvailable_bytes", 2*gib)
		add("node_uname_info", 1, "nodename", name, "sysname", "Linux", "machine", "x86_64")
	}
	node("web.example.org", "10.0.0.1:9100", 0, 2*time.Hour)
	node("web.example.org", "10.0.0.2:9100", 2*time.Hour+30*time.Second, 4*time.Hour)
	node("db.example.org", "10.0.0.3:9100", 0, 4*time.Hour)
	node("zz-before", "10.0.0.2:9100", -6*time.Hour, -4*time.Hour)
	return list
}

// A node that is scraped under two addresses is one host by its own name; an
// address that had two nodes counts for the last, and it is said.
func TestNodeNames(t *testing.T) {
	for name, open := range map[string]func(testing.TB) writer{
		"VictoriaMetrics": func(t testing.TB) writer { return newVictoria(t) },
		"Prometheus":      func(t testing.TB) writer { return newPrometheus(t) },
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t)
			w.write(t, nodenameFleet())
			w.settle(t)
			ask := func(label string) ([]fleet.Profile, string) {
				s, err := source.New(source.Options{URL: w.url(), Now: func() time.Time { return begin.Add(5 * time.Hour) }, Lookback: 48 * time.Hour, HostLabel: label})
				if err != nil {
					t.Fatal(err)
				}
				window := fleet.Window{Start: begin, End: begin.Add(4 * time.Hour)}
				list := profilesOf(t, s, fleet.Query{Metric: fleet.MemoryUsage, Window: window})
				notes, err := s.Notes(t.Context(), fleet.MemoryUsage, window)
				if err != nil {
					t.Fatal(err)
				}
				return list, strings.Join(notes, "\n")
			}
			list, notes := ask("nodename")
			if len(list) != 2 || list[0].Record.Host != "db.example.org" || list[1].Record.Host != "web.example.org" || list[0].Count != 120 || list[1].Count != 120 ||
				!strings.Contains(notes, "1 values of instance had several node names over time, such as 10.0.0.2:9100") {
				t.Errorf("by nodename: %+v; %s", list, notes)
			}
			if list, notes = ask(""); len(list) != 3 || list[0].Record.Host != "10.0.0.1" || list[0].Record.Name != "web.example.org" || list[1].Record.Name == "zz-before" || strings.Contains(notes, "several") {
				t.Errorf("by address: %+v; %s", list, notes)
			}
		})
	}
}
