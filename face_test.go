package leanfleet_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/statistics"
)

func faceMonitor(t *testing.T) (*leanfleet.Monitor, string) {
	t.Helper()
	dir := t.TempDir()
	m, err := leanfleet.Open(t.Context(), leanfleet.Options{Dir: dir, Clock: func() time.Time { return time.Date(2024, 2, 1, 0, 0, 0, 0, time.UTC) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m, dir
}

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestReusedName: samples under a name go to the host that had it at their
// time, also where one file covers the day the name changed hands.
func TestReusedName(t *testing.T) {
	m, _ := faceMonitor(t)
	inventory := writeFile(t, "hosts.csv", "host,name,valid_from\ni-1,web-1,\n")
	later := writeFile(t, "later.csv", "host,name,valid_from\ni-2,web-1,2024-01-15T12:00:00Z\n")
	for _, path := range []string{inventory, later} {
		if _, err := m.Import(t.Context(), leanfleet.ImportRequest{Inventory: []string{path}}); err != nil {
			t.Fatal(err)
		}
	}
	var b strings.Builder
	b.WriteString("host,timestamp,cpu_usage\n")
	for hour := range 48 {
		b.WriteString("web-1," + time.Date(2024, 1, 15, hour, 0, 0, 0, time.UTC).Format(time.RFC3339) + ",0.5\n")
	}
	if _, err := m.Import(t.Context(), leanfleet.ImportRequest{Samples: []string{writeFile(t, "usage.csv", b.String())}}); err != nil {
		t.Fatal(err)
	}
	r, err := m.FleetStatistics(t.Context(), "cpu_usage", "2024-01-15..2024-01-16", "host")
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]int64{}
	for _, g := range r.Groups {
		have[*g.Group[0].Value] = g.Samples
	}
	if have["i-1"] != 12 || have["i-2"] != 36 {
		t.Errorf("samples by host: %v, want 12 of i-1 and 36 of i-2", have)
	}
}

// TestInventoryAndSamplesAreOneCommit: when the samples are refused, the
// inventory of the same command is not stored either.
func TestInventoryAndSamplesAreOneCommit(t *testing.T) {
	m, _ := faceMonitor(t)
	_, err := m.Import(t.Context(), leanfleet.ImportRequest{
		Inventory: []string{writeFile(t, "hosts.csv", "host,region\nweb-1,us-east-1\n")},
		Samples:   []string{writeFile(t, "usage.csv", "host,timestamp,cpu_usage\nweb-1,2024-01-15T00:00:00Z,0.5\nweb-1,2024-01-15T00:01:00Z,-1\n")},
	})
	if err == nil || !strings.Contains(err.Error(), "usage.csv:3") {
		t.Fatalf("error %v", err)
	}
	s, err := m.Status(t.Context(), leanfleet.StatusRequest{})
	if err != nil || s.Store.Hosts != 0 || s.Store.Samples != 0 {
		t.Errorf("%d hosts and %d samples are stored, %v", s.Store.Hosts, s.Store.Samples, err)
	}
}

// TestSimulated: a synthetic fleet is labelled in every answer, also when an
// inventory teaches more of it, and real hosts are not mixed with it.
func TestSimulated(t *testing.T) {
	m, dir := faceMonitor(t)
	request := leanfleet.SimulateRequest{Seed: 1, Hosts: 3, Days: 2, Start: time.Date(2024, 1, 10, 0, 0, 0, 0, time.UTC), Interval: 10 * time.Minute}
	if _, err := m.Simulate(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	export := filepath.Join(t.TempDir(), "hosts.csv")
	f, err := os.Create(export)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Export(t.Context(), leanfleet.ExportRequest{What: "inventory", Output: f}); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(export)
	if err != nil {
		t.Fatal(err)
	}
	taught := strings.ReplaceAll(strings.Replace(string(text), ",tag_role", ",tag_role,tag_owner", 1), ",true\n", ",carlos,true\n")
	if _, err := m.Import(t.Context(), leanfleet.ImportRequest{Inventory: []string{writeFile(t, "taught.csv", taught)}}); err != nil {
		t.Fatal(err)
	}
	scope := fleet.Scope{Range: "2024-01-10..2024-01-11"}
	stats, err1 := m.Statistics(t.Context(), statistics.Request{Scope: scope})
	trend, err2 := m.Trend(t.Context(), statistics.TrendRequest{Scope: scope})
	top, err3 := m.Top(t.Context(), statistics.TopRequest{Scope: scope})
	status, err4 := m.Status(t.Context(), leanfleet.StatusRequest{Verify: true})
	if err1 != nil || err2 != nil || err3 != nil || err4 != nil {
		t.Fatal(err1, err2, err3, err4)
	}
	if !stats.Simulated || !trend.Simulated || !top.Simulated || !status.Simulated {
		t.Errorf("labelled simulated: stats %v, trend %v, top %v, status %v", stats.Simulated, trend.Simulated, top.Simulated, status.Simulated)
	}
	if _, err := m.Simulate(t.Context(), request); err != nil {
		t.Errorf("simulating again: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "simulated-truth-1.json")); err != nil {
		t.Error(err)
	}
	if err := m.AddHost(t.Context(), "real-1", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Simulate(t.Context(), request); err == nil || !strings.Contains(err.Error(), "real-1") {
		t.Errorf("simulating beside a real host: %v", err)
	}
}

// TestVerifyKeepsLevel: a file the store does not know is a warning, also when
// every file is read.
func TestVerifyKeepsLevel(t *testing.T) {
	m, dir := faceMonitor(t)
	if _, err := m.Append(t.Context(), []fleet.Batch{hourly("a", fleet.CPUUsage, 0.1)}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "days", "2030-01-01.parquet"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := m.Status(t.Context(), leanfleet.StatusRequest{Verify: true})
	if err != nil || r.Level != leanfleet.LevelWarning || len(r.Findings) != 1 {
		t.Errorf("level %s, findings %q, %v", r.Level, r.Findings, err)
	}
}

// TestPeaksOfOddWindow: the grid has room for a sample in the last millisecond
// of a window that ends inside it.
func TestPeaksOfOddWindow(t *testing.T) {
	m, _ := faceMonitor(t)
	if err := m.AddHost(t.Context(), "a", nil, leanfleet.WithCapacity(2, 1<<30)); err != nil {
		t.Fatal(err)
	}
	b := hourly("a", fleet.CPUUsage, 0.1, 0.2, 0.3)
	if _, err := m.Append(t.Context(), []fleet.Batch{b}); err != nil {
		t.Fatal(err)
	}
	r, err := m.Statistics(t.Context(), statistics.Request{Metric: "cpu_cores_used", Peaks: true,
		Scope: fleet.Scope{Range: "2024-01-10T00:00:00Z..2024-01-10T02:00:00.0005Z"}})
	if err != nil || *r.Groups[0].Peaks.PeakOfSum != 0.6 {
		t.Errorf("%+v, %v", r.Groups, err)
	}
}

// TestDataAfterRetention: an empty answer names the days there are, not those
// that retention dropped.
func TestDataAfterRetention(t *testing.T) {
	m, _ := faceMonitor(t)
	b := fleet.Batch{Host: "a", Origin: fleet.OriginImport, Step: 3600000, Columns: []fleet.Column{{Metric: fleet.CPUUsage}}}
	for day := range 5 {
		b.Start = append(b.Start, time.Date(2024, 1, 10+day, 0, 0, 0, 0, time.UTC).UnixMilli())
		b.Columns[0].Values = append(b.Columns[0].Values, 100)
	}
	if _, err := m.Append(t.Context(), []fleet.Batch{b}); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Retain(t.Context(), leanfleet.RetainRequest{Keep: 48 * time.Hour}); err != nil {
		t.Fatal(err)
	}
	r, err := m.FleetStatistics(t.Context(), "cpu_usage", "2023-01")
	if err != nil || r.Data == nil || !r.Data.Start.Equal(time.Date(2024, 1, 13, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("the data covers %v, %v", r.Data, err)
	}
}
