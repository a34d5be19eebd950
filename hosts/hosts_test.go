package hosts_test

import (
	"context"
	"errors"
	"flag"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"encoding/json"

	"github.com/google/go-cmp/cmp"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/fleettest"
	"github.com/leanfleet/leanfleet/hosts"
	"github.com/leanfleet/leanfleet/internal/zones"
)

var update = flag.Bool("update", false, "rewrite golden files")

const gib = 1 << 30

func at(s string) time.Time {
	t, err := fleet.ParseTime(s, nil)
	if err != nil {
		panic(err)
	}
	return t
}

func environment(s fleet.Source) fleet.Environment {
	return fleet.Environment{Source: s, Metrics: fleettest.Metrics(), Now: at("2024-01-03"), Zone: zones.Load}
}

// shown is the fleet of these tests: web is i-1, measured for two of four
// hours, resized at 02:00, merged with old; quiet was never heard of.
func shown(t *testing.T) *fleettest.Memory {
	t.Helper()
	m := fleettest.NewMemory(fleettest.Options{})
	put := func(effective string, s fleet.Statement) {
		t.Helper()
		if _, err := m.PutRecords(t.Context(), []fleet.Statement{s}, fleet.Put{At: at("2024-01-02"), Effective: at(effective), Who: "ann", Why: "inventory"}); err != nil {
			t.Fatal(err)
		}
	}
	web := fleet.Statement{Record: fleet.Record{Host: "i-1", Name: "web", Provider: "aws", Region: "us-east-1", InstanceType: "m5.large", Tags: fleet.Tags{"dept": "eng"}}}
	put("2024-01-01", web)
	web.InstanceType = "m5.xlarge"
	put("2024-01-01T02:00", web)
	put("2024-01-01", fleet.Statement{Record: fleet.Record{Host: "quiet", Tags: fleet.Tags{"dept": "data"}}})
	load := func(host string, metric fleet.Metric, start string, values ...float64) {
		t.Helper()
		b := fleet.Batch{Host: fleet.HostID(host), Origin: fleet.OriginAgent, Step: 3600000, Columns: []fleet.Column{{Metric: metric}}}
		for i, v := range values {
			scaled, err := metric.Scale(v)
			if err != nil {
				t.Fatal(err)
			}
			b.Start = append(b.Start, at(start).UnixMilli()+int64(i)*3600000)
			b.Columns[0].Values = append(b.Columns[0].Values, scaled)
		}
		if _, err := m.Append(t.Context(), []fleet.Batch{b}); err != nil {
			t.Fatal(err)
		}
	}
	load("web", fleet.CPUUsage, "2024-01-01", 0.1)
	load("web", fleet.CPUUsage, "2024-01-01T03:00", 0.5)
	load("web", fleet.CapacityVCPUs, "2024-01-01", 2, 2, 4, 4)
	load("web", fleet.CapacityMemory, "2024-01-01T03:00", 14*gib)
	load("old", fleet.MemoryUsage, "2024-01-01", 0.25)
	if err := m.MergeHosts("web", "old", fleet.Put{At: at("2024-01-02"), Who: "bob", Why: "same machine"}); err != nil {
		t.Fatal(err)
	}
	return m
}

func golden(t *testing.T, name string, x any) {
	t.Helper()
	got, err := json.MarshalIndent(x, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, append(got, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(got)+"\n", "\n")); d != "" {
		t.Errorf("%s differs (-want +got):\n%s", path, d)
	}
}

func TestList(t *testing.T) {
	env := environment(shown(t))
	for name, c := range map[string]struct {
		req  hosts.ListRequest
		want string
	}{
		"now":            {hosts.ListRequest{}, "quiet -; web m5.xlarge"},
		"then":           {hosts.ListRequest{AsOf: at("2024-01-01T01:59")}, "quiet -; web m5.large"},
		"at the resize":  {hosts.ListRequest{AsOf: at("2024-01-01T02:00")}, "quiet -; web m5.xlarge"},
		"selected":       {hosts.ListRequest{Select: "dept=eng"}, "web m5.xlarge"},
		"selected then":  {hosts.ListRequest{Select: "instance_type=m5.xlarge", AsOf: at("2024-01-01")}, ""},
		"another moment": {hosts.ListRequest{Select: "dept=nobody"}, ""},
	} {
		r, err := hosts.List(t.Context(), env, c.req)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got []string
		for _, h := range r.Hosts {
			instanceType := h.InstanceType
			if instanceType == "" {
				instanceType = "-"
			}
			got = append(got, h.DisplayName()+" "+instanceType)
		}
		if d := cmp.Diff(c.want, strings.Join(got, "; ")); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
		if want := c.req.AsOf; !want.IsZero() && !r.AsOf.Equal(want) || want.IsZero() && !r.AsOf.Equal(env.Now) {
			t.Errorf("%s: the list is of %s", name, r.AsOf)
		}
	}
	if _, err := hosts.List(t.Context(), env, hosts.ListRequest{Select: "="}); err == nil {
		t.Error("a selector without a key: no error")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := hosts.List(ctx, env, hosts.ListRequest{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func show(t *testing.T, m *fleettest.Memory, req hosts.ShowRequest) hosts.ShowResult {
	t.Helper()
	r, err := hosts.Show(t.Context(), environment(m), m, req)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestShow pins what is told of a host.
func TestShow(t *testing.T) {
	m := shown(t)
	r := show(t, m, hosts.ShowRequest{Host: "web", Scope: fleet.Scope{Range: "2024-01-01T00:00:00Z..2024-01-01T04:00:00Z"}})
	golden(t, "show.json", r)

	// What the host saw is 12.5 % less than 16 GiB; within 5 % nothing is said.
	if len(r.Capacity.Differences) != 1 || !strings.Contains(r.Capacity.Differences[0], "the host saw 14.00 GiB of memory, the catalogue says 16.00 GiB") {
		t.Errorf("differences: %q", r.Capacity.Differences)
	}
	// Half of its four hours are covered by CPU samples.
	if u := r.Usage[0]; u.Metric != "cpu_usage" || u.Samples != 2 || *u.Coverage != 0.5 || u.Mean != 0.3 || u.P95 != 0.5 || u.Max != 0.5 {
		t.Errorf("usage of CPU: %+v", u)
	}
	// By every name it has, now and then.
	for _, key := range []string{"i-1", "old"} {
		if other := show(t, m, hosts.ShowRequest{Host: key, Scope: fleet.Scope{Range: "2024-01-01T00:00:00Z..2024-01-01T04:00:00Z"}}); cmp.Diff(r, other) != "" {
			t.Errorf("%s is another host: %s", key, cmp.Diff(r, other))
		}
	}
}

func TestShowRecordThen(t *testing.T) {
	m := shown(t)
	// At 01:00 it had 2 vCPUs; within two hours it saw 2.
	r := show(t, m, hosts.ShowRequest{Host: "web", Scope: fleet.Scope{Range: "1h", AsOf: at("2024-01-01T01:00")}})
	if r.Record == nil || r.Record.InstanceType != "m5.large" || r.Capacity.Nominal.VCPUs != 2 || r.Capacity.Seen.VCPUs != 2 || len(r.Capacity.Differences) != 0 {
		t.Errorf("record %+v, capacity %+v", r.Record, r.Capacity)
	}
	if len(r.Records) != 2 {
		t.Errorf("%d records", len(r.Records))
	}
	// The largest capacity seen in the window counts: 4 where 2 is nominal then.
	r = show(t, m, hosts.ShowRequest{Host: "web", Scope: fleet.Scope{Range: "2024-01-01T00:00:00Z..2024-01-01T04:00:00Z", AsOf: at("2024-01-01T01:00")}})
	if len(r.Capacity.Differences) != 2 || r.Capacity.Differences[0] != "the host saw 4 vCPUs, the catalogue says 2" {
		t.Errorf("differences: %q", r.Capacity.Differences)
	}
}

// TestShowUnknown: a host without samples or capacity shows neither.
func TestShowUnknown(t *testing.T) {
	m := shown(t)
	r := show(t, m, hosts.ShowRequest{Host: "quiet"})
	if len(r.Usage) != 0 || r.Usage == nil || r.Capacity.From != "" || r.Capacity.Differences != nil || r.Window != (fleet.Window{Start: at("2023-12-27"), End: at("2024-01-03")}) {
		t.Errorf("%+v", r)
	}
	_, err := hosts.Show(t.Context(), environment(m), m, hosts.ShowRequest{Host: "wab"})
	if !errors.Is(err, fleet.ErrUnknownHost) || !strings.Contains(err.Error(), "web") {
		t.Errorf("a misspelt name: %v", err)
	}
	for name, req := range map[string]hosts.ShowRequest{
		"range":    {Host: "web", Scope: fleet.Scope{Range: "soon"}},
		"timezone": {Host: "web", Scope: fleet.Scope{Timezone: "Mars/Base"}},
		"hours":    {Host: "web", Scope: fleet.Scope{Hours: "office"}},
	} {
		if _, err := hosts.Show(t.Context(), environment(m), m, req); err == nil {
			t.Errorf("a wrong %s: no error", name)
		}
	}
}

// TestShowRecordNone: before a host's validity there is no record.
func TestShowRecordNone(t *testing.T) {
	m := fleettest.NewMemory(fleettest.Options{})
	s := fleet.Statement{Record: fleet.Record{Host: "a", State: fleet.StateRunning, From: at("2024-01-02"), To: at("2024-01-05")}}
	if _, err := m.PutRecords(t.Context(), []fleet.Statement{s}, fleet.Put{At: at("2024-01-02")}); err != nil {
		t.Fatal(err)
	}
	if r := show(t, m, hosts.ShowRequest{Host: "a", Scope: fleet.Scope{AsOf: at("2024-01-01")}}); r.Record != nil || len(r.Records) != 1 {
		t.Errorf("record %+v of %+v", r.Record, r.Records)
	}
	if r := show(t, m, hosts.ShowRequest{Host: "a", Scope: fleet.Scope{AsOf: at("2024-01-04")}}); r.Record == nil {
		t.Error("no record while it is valid")
	}
}

// TestHistory pins what is told of a host's writes.
func TestHistory(t *testing.T) {
	m := shown(t)
	r, err := hosts.History(t.Context(), environment(m), m, hosts.HistoryRequest{Host: "web"})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "history.json", r)
	if _, err := hosts.History(t.Context(), environment(m), m, hosts.HistoryRequest{Host: "nobody", AsOf: at("2024-01-01")}); !errors.Is(err, fleet.ErrUnknownHost) {
		t.Errorf("history of nobody: %v", err)
	}
}

// damaged is a source with a damaged file.
type damaged struct {
	fleet.Source
	err error
}

func (d damaged) Profiles(ctx context.Context, q fleet.Query) iter.Seq2[fleet.Profile, error] {
	return func(yield func(fleet.Profile, error) bool) {
		if !yield(fleet.Profile{}, d.err) {
			return
		}
		for p, err := range d.Source.Profiles(ctx, q) {
			if !yield(p, err) {
				return
			}
		}
	}
}

func (d damaged) Records(ctx context.Context, sel fleet.Selector, w fleet.Window) ([]fleet.Record, error) {
	var file *fleet.DamagedError
	if !errors.As(d.err, &file) {
		return nil, d.err
	}
	return d.Source.Records(ctx, sel, w)
}

func TestShowDamaged(t *testing.T) {
	m := shown(t)
	env := environment(damaged{m, &fleet.DamagedError{File: "days/2024-01-01.parquet", Day: "2024-01-01", Err: errors.New("it is gone")}})
	_, err := hosts.Show(t.Context(), env, m, hosts.ShowRequest{Host: "web"})
	if err == nil || !strings.Contains(err.Error(), "days/2024-01-01.parquet") || !strings.Contains(err.Error(), "--partial") {
		t.Errorf("a damaged file: %v", err)
	}
	r, err := hosts.Show(t.Context(), env, m, hosts.ShowRequest{Host: "web", Scope: fleet.Scope{Partial: true}})
	if err != nil || len(r.Usage) == 0 || cmp.Diff([]fleet.Damage{{File: "days/2024-01-01.parquet", Day: "2024-01-01", Reason: "it is gone"}}, r.Damaged) != "" {
		t.Errorf("a partial answer: %+v, error %v", r.Damaged, err)
	}
	broken := errors.New("the disk is on fire")
	env = environment(damaged{m, broken})
	if _, err := hosts.Show(t.Context(), env, m, hosts.ShowRequest{Host: "web", Scope: fleet.Scope{Partial: true}}); !errors.Is(err, broken) {
		t.Errorf("show: %v", err)
	}
	if _, err := hosts.History(t.Context(), env, m, hosts.HistoryRequest{Host: "web"}); !errors.Is(err, broken) {
		t.Errorf("history: %v", err)
	}
	if _, err := hosts.List(t.Context(), env, hosts.ListRequest{}); !errors.Is(err, broken) {
		t.Errorf("list: %v", err)
	}
}
