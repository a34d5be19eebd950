package statistics_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/fleettest"
	"github.com/leanfleet/leanfleet/statistics"
)

// grouped appends samples of a process group, an hour apart.
func grouped(t *testing.T, m *fleettest.Memory, host, group string, metric fleet.Metric, values ...int32) {
	t.Helper()
	b := fleet.Batch{Host: fleet.HostID(host), Group: group, Origin: fleet.OriginAgent, Step: 3600000, Columns: []fleet.Column{{Metric: metric, Values: values}}}
	for i := range values {
		b.Start = append(b.Start, at("2024-01-01").UnixMilli()+int64(i)*3600000)
	}
	if _, err := m.Append(t.Context(), []fleet.Batch{b}); err != nil {
		t.Fatal(err)
	}
}

// TestTopGroups: process groups are ranked apart from their hosts, one line for
// each of each host.
func TestTopGroups(t *testing.T) {
	m := fleettest.NewMemory(fleettest.Options{})
	put(t, m, "2024-01-01", host("a", "eng"), host("b", "data"))
	hourly(t, m, "a", fleet.CPUUsage, "2024-01-01", 0.9, 0.9, 0.9, 0.9)
	hourly(t, m, "b", fleet.CPUUsage, "2024-01-01", 0.9, 0.9)
	grouped(t, m, "a", "nginx", fleet.CPUUsage, 1000, 2000, 3000)
	grouped(t, m, "a", "postgres", fleet.CPUUsage, 5000, 5000, 5000, 5000)
	grouped(t, m, "b", "nginx", fleet.CPUUsage, 4000, 4000)
	grouped(t, m, "b", "cron", fleet.MemoryUsage, 100)
	show := func(req statistics.TopRequest) []string {
		t.Helper()
		req.Groups, req.Range, req.AsOf = true, "3d", at("2024-01-03")
		r, err := statistics.Top(t.Context(), environment(m), req)
		if err != nil {
			t.Fatal(err)
		}
		lines := []string{fmt.Sprintf("%d by %s", r.Of, r.By)}
		for _, h := range r.Hosts {
			if h.Mean == nil {
				lines = append(lines, fmt.Sprintf("%s %s %s %s without=%d", h.Name, h.Group, h.Tags["dept"], h.Reason, h.WithoutCapacity))
				continue
			}
			lines = append(lines, fmt.Sprintf("%s %s %s n=%d mean=%v p95=%v coverage=%v", h.Name, h.Group, h.Tags["dept"], h.Samples, *h.Mean, *h.P95, *h.Coverage))
		}
		return lines
	}
	f := func(req statistics.TopRequest, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, show(req)); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", req, diff)
		}
	}
	f(statistics.TopRequest{},
		"3 by p95",
		"a postgres eng n=4 mean=0.5 p95=0.5 coverage=1",
		"b nginx data n=2 mean=0.4 p95=0.4 coverage=1",
		"a nginx eng n=3 mean=0.2 p95=0.3 coverage=0.75")
	f(statistics.TopRequest{By: "mean", Lowest: true, Limit: 1}, "3 by mean", "a nginx eng n=3 mean=0.2 p95=0.3 coverage=0.75")
	f(statistics.TopRequest{Scope: fleet.Scope{Select: "dept=data"}}, "1 by p95", "b nginx data n=2 mean=0.4 p95=0.4 coverage=1")
	f(statistics.TopRequest{Metric: "memory_usage"}, "1 by p95", "b cron data n=1 mean=0.01 p95=0.01 coverage=0.5")
	// No inventory tells how large a is, but a itself does; nobody tells it of b.
	hourly(t, m, "a", fleet.CapacityVCPUs, "2024-01-01", 4, 4, 4, 8)
	f(statistics.TopRequest{Metric: "cpu_cores_used", Scope: fleet.Scope{Select: "dept=eng"}},
		"2 by p95",
		"a postgres eng n=4 mean=2.5 p95=4 coverage=1",
		"a nginx eng n=3 mean=0.8 p95=1.2 coverage=0.75")
	f(statistics.TopRequest{Metric: "cpu_cores_used"},
		"3 by p95",
		"a postgres eng n=4 mean=2.5 p95=4 coverage=1",
		"a nginx eng n=3 mean=0.8 p95=1.2 coverage=0.75",
		"b nginx data no_capacity without=2")

	r, err := statistics.Top(t.Context(), environment(m), statistics.TopRequest{Metric: "memory_usage", Groups: true, Scope: fleet.Scope{Range: "1d", AsOf: at("2025-01-03")}})
	if err != nil || len(r.Hosts) != 0 || r.Data == nil {
		t.Errorf("nothing in the window: %+v, %v", r, err)
	}
	var bad *fleet.RequestError
	_, err = statistics.Top(t.Context(), environment(m), statistics.TopRequest{Metric: "load1", Groups: true})
	if !errors.As(err, &bad) || !strings.Contains(err.Error(), "process groups have no load1") {
		t.Errorf("a metric that groups lack: %v", err)
	}
	// In JSON the group stands beside its host, and hosts have none.
	for groups, want := range map[bool]bool{true: true, false: false} {
		r, err := statistics.Top(t.Context(), environment(m), statistics.TopRequest{Groups: groups, Scope: fleet.Scope{Range: "3d", AsOf: at("2024-01-03")}})
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(r)
		if err != nil || strings.Contains(string(b), `"group":"nginx"`) != want {
			t.Errorf("%s, %v", b, err)
		}
		var back statistics.TopResult
		if err := json.Unmarshal(b, &back); err != nil || slices.IndexFunc(back.Hosts, func(h statistics.TopHost) bool { return h.Group == "nginx" }) >= 0 != want {
			t.Errorf("read back: %+v, %v", back, err)
		}
	}
}
