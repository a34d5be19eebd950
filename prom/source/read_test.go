package source_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/fleettest"
	"github.com/leanfleet/leanfleet/prom/source"
)

// copyAll reads a window into a Memory, and says which host-days came.
func copyAll(t *testing.T, s *source.Source, w fleet.Window, o source.ReadOptions, into *fleettest.Memory) (days []string) {
	t.Helper()
	for d, err := range s.Read(t.Context(), w, o) {
		if err != nil {
			t.Fatal(err)
		}
		if o.Verify && d.Counted != d.Samples {
			t.Errorf("%s %s: copied %d, counted %d", d.Host, d.Day, d.Samples, d.Counted)
		}
		var n int64
		for i := range d.Batches {
			n += int64(d.Batches[i].Samples())
		}
		if n != d.Samples || n == 0 {
			t.Errorf("%s %s: %d samples in batches, said are %d", d.Host, d.Day, n, d.Samples)
		}
		if _, err := into.Append(t.Context(), d.Batches); err != nil {
			t.Fatal(err)
		}
		days = append(days, string(d.Host)+" "+d.Day.Format(time.DateOnly))
	}
	return days
}

// What is copied is what is there, on the day it begins, with its step; what was
// copied is not copied again.
func TestImport(t *testing.T) {
	for name, open := range map[string]func(testing.TB) writer{
		"VictoriaMetrics": func(t testing.TB) writer { return newVictoria(t) },
		"Prometheus":      func(t testing.TB) writer { return newPrometheus(t) },
	} {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t, open(t), source.Options{BatchSamples: 5000})
			fill(t, e, 4, 3, 5*time.Minute)
			odd := fleet.Batch{Host: "h01", Origin: fleet.OriginImport, Step: 3600_000, Start: []int64{begin.Add(80 * time.Hour).UnixMilli(), begin.Add(95*time.Hour + 30*time.Minute).UnixMilli()},
				Columns: []fleet.Column{{Metric: fleet.MemoryUsage, Values: []int32{1, 2}}, {Metric: fleet.CPUUsage, Values: []int32{3, 0}, Present: []bool{true, false}}}}
			// Two process groups of one host, of which one comes every 10 minutes on the
			// second day, and one of another host that is under that name already.
			groups := func(host, group string, day int, step time.Duration) fleet.Batch {
				b := fleet.Batch{Host: fleet.HostID(host), Group: group, Origin: fleet.OriginImport, Step: int32(step.Milliseconds()), Columns: []fleet.Column{{Metric: fleet.CPUUsage}, {Metric: fleet.MemoryUsage}}}
				for i := range int(24 * time.Hour / step) {
					b.Start = append(b.Start, begin.AddDate(0, 0, day).Add(time.Duration(i)*step).UnixMilli())
					b.Columns[0].Values, b.Columns[1].Values = append(b.Columns[0].Values, int32(i)), append(b.Columns[1].Values, int32(5000+i))
				}
				return b
			}
			if _, err := e.Append(t.Context(), []fleet.Batch{odd, groups("h00", "web", 0, 5*time.Minute), groups("h00", "web", 1, 10*time.Minute), groups("h00", "db", 1, 5*time.Minute), groups("h02", "web", 2, 5*time.Minute)}); err != nil {
				t.Fatal(err)
			}
			w := fleet.Window{Start: begin, End: begin.Add(4 * 24 * time.Hour)}
			into := fleettest.NewMemory(fleettest.Options{})
			days := copyAll(t, e.current(), w, source.ReadOptions{Verify: true}, into)
			if n, err := e.current().HostDays(t.Context(), w, source.ReadOptions{}); err != nil || n != len(days) || n != 4*3+1 {
				t.Errorf("%d host-days, foreseen %d, error %v", len(days), n, err)
			}
			var want, got []fleettest.Stored
			for s := range e.Memory.Stored() {
				want = append(want, s)
			}
			for s := range into.Stored() {
				got = append(got, s)
			}
			if d := cmp.Diff(want, got, cmp.Comparer(func(a, b fleet.Metric) bool { return a.Name == b.Name })); d != "" {
				t.Errorf("copied (-there +copied):\n%.2000s", d)
			}
			// A window inside a day is the day; hosts and metrics can be chosen; days
			// that are done are left out.
			days = copyAll(t, e.current(), fleet.Window{Start: begin.Add(30 * time.Hour), End: begin.Add(31 * time.Hour)}, source.ReadOptions{
				Hosts: fleet.MustSelector("name=~h0[12]"), Metrics: []fleet.Metric{fleet.CPUUsage},
				Done: func(host fleet.HostID, day time.Time, _ bool) bool { return host == "h02" },
			}, fleettest.NewMemory(fleettest.Options{}))
			if d := cmp.Diff([]string{"h01 2024-03-29"}, days); d != "" {
				t.Error(d)
			}
			// It is told on which days a host has process groups.
			var grouped []string
			copyAll(t, e.current(), w, source.ReadOptions{Done: func(host fleet.HostID, day time.Time, groups bool) bool {
				if groups {
					grouped = append(grouped, string(host)+" "+day.Format(time.DateOnly))
				}
				return true
			}}, fleettest.NewMemory(fleettest.Options{}))
			if d := cmp.Diff([]string{"h00 2024-03-28", "h00 2024-03-29", "h02 2024-03-30"}, grouped); d != "" {
				t.Error(d)
			}
		})
	}
}

// A copy that the engine counts differently is an error of that day alone.
func TestImportCountsAreVerified(t *testing.T) {
	f, server := newFake(t)
	f.before = func(_ int, w http.ResponseWriter, r *http.Request) bool {
		if q := r.Form.Get("query"); strings.HasPrefix(q, "sum by (instance) (count_over_time(") {
			n := "1440"
			if strings.Contains(q, "node_load1") {
				n = "1441"
			}
			_, _ = w.Write([]byte(`{"status":"success","data":{"resultType":"vector","result":[{"metric":{"instance":"a:9100"},"value":[0,"` + n + `"]},{"metric":{"instance":"b:9100"},"value":[0,"1440"]}]}}`))
			return true
		}
		return false
	}
	_, s, err := askFake(t, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	good, bad := 0, 0
	for d, err := range s.Read(t.Context(), fleet.Window{Start: begin, End: begin.Add(24 * time.Hour)}, source.ReadOptions{Verify: true, Metrics: []fleet.Metric{lookup("load1"), fleet.CPUUsage}}) {
		var wrong *source.CountError
		switch {
		case err == nil && d.Host == "b":
			good++
		case errors.As(err, &wrong) && wrong.Host == "a" && wrong.Metric == "load1" && wrong.Copied == 1440 && wrong.Counted == 1441 && strings.Contains(err.Error(), "host a, 2024-03-28, load1"):
			bad++
		default:
			t.Errorf("%s: error %v", d.Host, err)
		}
	}
	if good != 1 || bad != 1 {
		t.Errorf("%d good, %d bad", good, bad)
	}
}

// Statements of a source, put into an empty inventory, make its records.
func TestStatements(t *testing.T) {
	_, server := newFake(t)
	_, s, err := askFake(t, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	list, err := s.Statements(t.Context())
	if err != nil || len(list) != 2 || list[0].Host != "a" || list[0].InstanceType != "m5.large" || !list[0].Seen.IsZero() {
		t.Fatalf("%+v, error %v", list, err)
	}
	into := fleettest.NewMemory(fleettest.Options{})
	if _, err := into.PutRecords(t.Context(), list, fleet.Put{At: begin, Origin: fleet.OriginScrape}); err != nil {
		t.Fatal(err)
	}
	records, err := into.Records(t.Context(), fleet.Selector{}, fleet.Window{})
	if err != nil || len(records) != 2 || records[1].Region != "eu-west-1" || records[1].Tags["env"] != "prod" {
		t.Errorf("%+v, error %v", records, err)
	}
}
