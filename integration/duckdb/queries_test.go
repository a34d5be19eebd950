package duckdb

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/hosts"
	"github.com/leanfleet/leanfleet/statistics"
)

// check holds what a documented query gives against what leanfleet answers.
type check func(t *testing.T, m *leanfleet.Monitor, d *database, got []cells)

// fleets are the data directories that queries are run on, each with its checks
// by the name of the query. Every documented query has one.
var fleets = []struct {
	name   string
	create func(*testing.T) (*leanfleet.Monitor, string)
	checks map[string]check
}{
	{"one step", uniform, map[string]check{
		"p95_by_department": p95ByDepartment,
		"top_hosts":         topHosts,
		"daily_trend":       dailyTrend,
		"office_hours":      officeHours,
		"units":             units,
		"absolute_use":      absoluteUse,
		"hosts":             hostList,
		"host_history":      hostHistory,
		"host_series":       hostSeries,
		"samples_by_day":    samplesByDay,
		"samples_by_metric": samplesByMetric,
	}},
	{"several steps", mixed, map[string]check{"weighted_p95": weightedP95}},
	{"merged hosts", merged, map[string]check{
		"hosts_without_records": hostsWithoutRecords,
		"merged_hosts":          mergedHosts,
	}},
}

// TestDocumentedQueries runs every query of docs/queries.md as it stands there
// and compares all of its rows and columns with leanfleet's answer.
func TestDocumentedQueries(t *testing.T) {
	queries, err := documented(readPage(t))
	if err != nil {
		t.Fatal(err)
	}
	delete(queries, "views") // runs before each of the others
	for _, f := range fleets {
		t.Run(f.name, func(t *testing.T) {
			m, dir := f.create(t)
			d := open(t, dir)
			for _, name := range slices.Sorted(maps.Keys(f.checks)) {
				t.Run(name, func(t *testing.T) {
					got := d.run(t, name)
					if len(got) == 0 {
						t.Fatal("no rows")
					}
					f.checks[name](t, m, d, got)
				})
			}
		})
		for name := range f.checks {
			delete(queries, name)
		}
	}
	for name := range queries {
		t.Errorf("the documented query %s is not run", name)
	}
}

// TestEveryBlockIsFound: SQL that the test would miss is a mistake of the page.
func TestEveryBlockIsFound(t *testing.T) {
	for text, want := range map[string]string{
		"```sql\nselect 1;\n```\n": "does not begin with a name",
		"```sql\n-- name: a\nselect 1;\n```\n\n```sql\n-- name: a\n\n```\n": "two queries are named a",
		"  ```sql\n-- name: a\nselect 1;\n```\n":                            "0 of 1",
	} {
		if _, err := documented(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func hostsAt(at time.Time) hosts.ListRequest { return hosts.ListRequest{AsOf: at} }

// text is a text as SQL has it: NULL where it is unknown.
func text(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// instant is a bound of a record as SQL has it: NULL where it is open.
func instant(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t
}

// dept is the department of a group, nil where it is unknown.
func dept(k fleet.GroupKey) any {
	if k[0].Value == nil {
		return nil
	}
	return *k[0].Value
}

// lastIfNull orders departments as DuckDB does.
func lastIfNull(a, b any) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return 1
	case b == nil:
		return -1
	}
	return strings.Compare(a.(string), b.(string))
}

// groups asks for statistics by department, in DuckDB's order. Every group has
// samples.
func groups(t *testing.T, m *leanfleet.Monitor, req statistics.Request) []statistics.Group {
	t.Helper()
	req.GroupBy = []string{"dept"}
	if req.AsOf.IsZero() {
		req.Scope = window()
	}
	r, err := m.Statistics(t.Context(), req)
	must(t, err)
	slices.SortFunc(r.Groups, func(a, b statistics.Group) int { return lastIfNull(dept(a.Group), dept(b.Group)) })
	for _, g := range r.Groups {
		if g.Samples == 0 {
			t.Fatalf("group %s has no samples", g.Group)
		}
	}
	return r.Groups
}

func p95ByDepartment(t *testing.T, m *leanfleet.Monitor, _ *database, got []cells) {
	var want []cells
	for _, g := range groups(t, m, statistics.Request{Metric: "cpu_usage"}) {
		want = append(want, cells{
			"dept": dept(g.Group), "samples": g.Samples, "mean": near{fleet.CPUUsage, g.Mean}, "stddev": near{fleet.CPUUsage, g.StdDev},
			"median": exact{fleet.CPUUsage, g.Median}, "p95": exact{fleet.CPUUsage, g.P95}, "p99": exact{fleet.CPUUsage, g.P99},
			"min": exact{fleet.CPUUsage, g.Min}, "max": exact{fleet.CPUUsage, g.Max},
		})
	}
	compare(t, got, want)
	if n := slices.IndexFunc(got, func(r cells) bool { return r["dept"] == "moved in mid-day" }); n < 0 {
		t.Error("no host moved")
	}
	if got[len(got)-1]["dept"] != nil {
		t.Error("no host is without a department")
	}
}

func topHosts(t *testing.T, m *leanfleet.Monitor, _ *database, got []cells) {
	r, err := m.Top(t.Context(), statistics.TopRequest{Metric: "cpu_usage", Scope: window(), By: "p95", Limit: 1000})
	must(t, err)
	slices.SortFunc(r.Hosts, func(a, b statistics.TopHost) int {
		return cmp.Or(-cmp.Compare(*a.P95, *b.P95), strings.Compare(string(a.Host), string(b.Host)))
	})
	var want []cells
	for _, h := range r.Hosts[:10] {
		want = append(want, cells{"host": string(h.Host), "samples": h.Samples, "p95": exact{fleet.CPUUsage, h.P95}})
	}
	compare(t, got, want)
}

// points are the rows of a trend that have samples.
func points(t *testing.T, m *leanfleet.Monitor, req statistics.TrendRequest, row func(statistics.TrendGroup, statistics.Point) cells) []cells {
	t.Helper()
	r, err := m.Trend(t.Context(), req)
	must(t, err)
	if len(req.GroupBy) > 0 {
		slices.SortFunc(r.Groups, func(a, b statistics.TrendGroup) int { return lastIfNull(dept(a.Group), dept(b.Group)) })
	}
	var out []cells
	for _, g := range r.Groups {
		for _, p := range g.Points {
			if p.Samples > 0 {
				out = append(out, row(g, p))
			}
		}
	}
	return out
}

func dailyTrend(t *testing.T, m *leanfleet.Monitor, _ *database, got []cells) {
	compare(t, got, points(t, m, statistics.TrendRequest{Metric: "memory_usage", Scope: window(), Step: "1d", GroupBy: []string{"dept"}},
		func(g statistics.TrendGroup, p statistics.Point) cells {
			return cells{"day": p.Start, "dept": dept(g.Group), "samples": p.Samples,
				"mean": near{fleet.MemoryUsage, p.Mean}, "p95": exact{fleet.MemoryUsage, p.P95}}
		}))
}

func officeHours(t *testing.T, m *leanfleet.Monitor, _ *database, got []cells) {
	scope := window()
	scope.Timezone, scope.Hours = "Asia/Kolkata", "mon-fri 09:00-17:00"
	kolkata := time.FixedZone("", 5*3600+1800)
	compare(t, got, points(t, m, statistics.TrendRequest{Metric: "cpu_usage", Scope: scope, Step: "1d"},
		func(_ statistics.TrendGroup, p statistics.Point) cells {
			// A local day of the query is a time without a zone.
			y, month, d := p.Start.In(kolkata).Date()
			return cells{"day": time.Date(y, month, d, 0, 0, 0, 0, time.UTC), "samples": p.Samples,
				"mean": near{fleet.CPUUsage, p.Mean}, "p95": exact{fleet.CPUUsage, p.P95}}
		}))
}

func metric(t *testing.T, name string) fleet.Metric {
	t.Helper()
	x, err := fleet.CanonicalMetrics().Lookup(name)
	must(t, err)
	return x
}

func units(t *testing.T, m *leanfleet.Monitor, _ *database, got []cells) {
	by := func(metric string) map[fleet.HostID]statistics.Figures {
		r, err := m.Top(t.Context(), statistics.TopRequest{Metric: metric, Scope: window(), Limit: 1000})
		must(t, err)
		out := map[fleet.HostID]statistics.Figures{}
		for _, h := range r.Hosts {
			out[h.Host] = h.Figures
		}
		return out
	}
	reads, receives, memory := by("disk_read_bytes_per_second"), by("network_receive_bytes_per_second"), by("capacity_memory_bytes")
	list, err := m.Hosts(t.Context(), hostsAt(end))
	must(t, err)
	var want []cells
	for _, h := range list.Hosts {
		want = append(want, cells{"host": string(h.Host),
			"disk_read_bytes_per_second":           near{metric(t, "disk_read_bytes_per_second"), reads[h.Host].Mean},
			"network_receive_bytes_per_second_max": near{metric(t, "network_receive_bytes_per_second"), receives[h.Host].Max},
			"capacity_memory_bytes":                near{fleet.CapacityMemory, memory[h.Host].Max}})
	}
	slices.SortFunc(want, func(a, b cells) int { return lastIfNull(a["host"], b["host"]) })
	compare(t, got, want)
}

func absoluteUse(t *testing.T, m *leanfleet.Monitor, _ *database, got []cells) {
	r, err := m.Statistics(t.Context(), statistics.Request{Metric: "cpu_cores_used", Scope: window(), GroupBy: []string{"dept"}})
	must(t, err)
	memory, err := m.Statistics(t.Context(), statistics.Request{Metric: "memory_used_bytes", Scope: window(), GroupBy: []string{"dept"}})
	must(t, err)
	bytes := map[string]*float64{}
	for _, g := range memory.Groups {
		bytes[g.Group.ID()] = g.Mean
	}
	slices.SortFunc(r.Groups, func(a, b statistics.Group) int { return lastIfNull(dept(a.Group), dept(b.Group)) })
	var want []cells
	for _, g := range r.Groups {
		want = append(want, cells{"dept": dept(g.Group), "samples": g.Samples,
			"cores_mean": near{fleet.CPUCoresUsed, g.Mean}, "cores_max": near{fleet.CPUCoresUsed, g.Max},
			"memory_bytes_mean": near{fleet.MemoryUsedBytes, bytes[g.Group.ID()]}})
	}
	compare(t, got, want)
	if last := r.Groups[len(r.Groups)-1]; last.Reason != statistics.ReasonNoCapacity {
		t.Errorf("group %s should have no capacity: %q", last.Group, last.Reason)
	}
}

// capacity is a capacity as SQL has it: NULL where it is unknown.
func capacity[N int64 | float64](n N) any {
	if n == 0 {
		return nil
	}
	return n
}

func hostList(t *testing.T, m *leanfleet.Monitor, d *database, got []cells) {
	list, err := m.Hosts(t.Context(), hostsAt(end))
	must(t, err)
	slices.SortFunc(list.Hosts, func(a, b fleet.Record) int {
		return cmp.Or(strings.Compare(a.DisplayName(), b.DisplayName()), strings.Compare(string(a.Host), string(b.Host)))
	})
	var want []cells
	for _, h := range list.Hosts {
		want = append(want, cells{
			"host": string(h.Host), "name": h.DisplayName(), "provider": text(h.Provider), "region": text(h.Region),
			"instance_type": text(h.InstanceType), "vcpus": capacity(h.Capacity.VCPUs), "memory_bytes": capacity(h.Capacity.MemoryBytes),
			"state": text(string(h.State)), "dept": text(h.Tags["dept"]), "valid_from": instant(h.From), "valid_to": instant(h.To),
		})
	}
	compare(t, got, want)
	if len(want) != 22 {
		t.Errorf("%d hosts", len(want))
	}
	// The file has every record, not only those of today.
	all, err := m.Hosts(t.Context(), hostsAt(start))
	must(t, err)
	n := d.query(t, `select count(*) as n, count(distinct host) as hosts from records`)[0]
	if n["hosts"] != int64(len(all.Hosts)) || n["n"].(int64) < int64(len(all.Hosts))+4 {
		t.Errorf("%v records of %v hosts", n["n"], n["hosts"])
	}
}

// hostHistory is known without asking leanfleet.
func hostHistory(t *testing.T, _ *leanfleet.Monitor, _ *database, got []cells) {
	resized := start.Add(33 * time.Hour)
	compare(t, got, []cells{
		{"valid_from": nil, "valid_to": resized, "instance_type": "m5.large", "vcpus": 2.0, "state": nil,
			"tags": fleet.Tags{"dept": "eng", "env": "prod"}},
		{"valid_from": resized, "valid_to": nil, "instance_type": "m5.xlarge", "vcpus": 4.0, "state": nil,
			"tags": fleet.Tags{"dept": "data", "env": "prod"}},
	})
}

// hostSeries is what the test appended, known without asking leanfleet.
func hostSeries(t *testing.T, _ *leanfleet.Monitor, _ *database, got []cells) {
	b := web1.batch()
	day := fleet.Window{Start: start.AddDate(0, 0, 1), End: start.AddDate(0, 0, 2)}
	var want []cells
	missing := 0
	for i, ms := range b.Start {
		if at := time.UnixMilli(ms).UTC(); day.Contains(at) {
			r := cells{"time": at, "cpu_usage": nil, "capacity_vcpus": nil, "origin": "import",
				"memory_usage": decimal{int64(b.Columns[1].Values[i]), 4}}
			if b.Columns[0].Has(i) {
				r["cpu_usage"] = decimal{int64(b.Columns[0].Values[i]), 4}
			} else {
				missing++
			}
			want = append(want, r)
		}
	}
	compare(t, got, want)
	if missing == 0 || len(want) == 1440 {
		t.Errorf("%d rows, %d without a value", len(want), missing)
	}
}

func samplesByDay(t *testing.T, m *leanfleet.Monitor, d *database, got []cells) {
	by := func(metric string) []int64 {
		r, err := m.Trend(t.Context(), statistics.TrendRequest{Metric: metric, Scope: window(), Step: "1d"})
		must(t, err)
		var n []int64
		for _, p := range r.Groups[0].Points {
			n = append(n, p.Samples)
		}
		return n
	}
	// Every row of these fleets has memory_usage.
	rows, cpu, load := by("memory_usage"), by("cpu_usage"), by("load1")
	for i := range got {
		h := d.query(t, "select count(distinct host) as n from '"+d.dir+"/days/"+start.AddDate(0, 0, i).Format(time.DateOnly)+".parquet'")
		compare(t, got[i:i+1], []cells{{"day": start.AddDate(0, 0, i), "rows": rows[i], "hosts": h[0]["n"],
			"cpu_usage": cpu[i], "without_cpu_usage": rows[i] - cpu[i], "load1": load[i]}})
		if cpu[i] == 0 || cpu[i] == rows[i] || load[i] == rows[i] {
			t.Errorf("day %d: every row has a value", i)
		}
	}
	if len(got) != 3 {
		t.Errorf("%d days", len(got))
	}
}

func samplesByMetric(t *testing.T, m *leanfleet.Monitor, _ *database, got []cells) {
	want := cells{}
	var total int64
	for _, x := range fleet.CanonicalMetrics().Stored() {
		r, err := m.Statistics(t.Context(), statistics.Request{Metric: x.Name, Scope: window()})
		must(t, err)
		want[x.Column] = r.Groups[0].Samples
		total += r.Groups[0].Samples
	}
	compare(t, got, []cells{want})
	status, err := m.Status(t.Context(), leanfleet.StatusRequest{Verify: true})
	must(t, err)
	if status.Level != leanfleet.LevelOK || status.Store.Samples != total {
		t.Errorf("%d samples where status has %d, %s: %v", total, status.Store.Samples, status.Level, status.Findings)
	}
}

func weightedP95(t *testing.T, m *leanfleet.Monitor, d *database, got []cells) {
	var want []cells
	for _, g := range groups(t, m, statistics.Request{Metric: "cpu_usage"}) {
		want = append(want, cells{"dept": dept(g.Group), "samples": g.Samples, "mean": near{fleet.CPUUsage, g.Mean}, "p95": exact{fleet.CPUUsage, g.P95}})
	}
	compare(t, got, want)
	// Weighing makes a difference here, or the test would show nothing.
	same := true
	for i, r := range d.run(t, "p95_by_department") {
		same = same && math.Abs(number(r["mean"])-number(got[i]["mean"])) < 1e-4
	}
	if same {
		t.Error("the steps make no difference")
	}
}

// hostsWithoutRecords is known without asking leanfleet.
func hostsWithoutRecords(t *testing.T, _ *leanfleet.Monitor, _ *database, got []cells) {
	compare(t, got, []cells{{"host": "old-1", "rows": int64(30 * 60)}})
}

func mergedHosts(t *testing.T, m *leanfleet.Monitor, _ *database, got []cells) {
	scope := window()
	scope.Select = "name=new-1"
	var want []cells
	for _, g := range groups(t, m, statistics.Request{Metric: "cpu_usage", Scope: scope}) {
		want = append(want, cells{"host": "new-1", "dept": dept(g.Group), "samples": g.Samples, "p95": exact{fleet.CPUUsage, g.P95}})
	}
	compare(t, got, want)
	if len(want) != 2 {
		t.Errorf("%d departments", len(want))
	}
}
