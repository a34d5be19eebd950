package leanfleet_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/statistics"
)

// open opens a fresh directory at noon of 10 January 2024, with the hosts and
// samples of the examples.
func open() (*leanfleet.Monitor, func()) {
	dir, err := os.MkdirTemp("", "leanfleet-example-")
	if err != nil {
		log.Fatal(err)
	}
	m, err := leanfleet.Open(context.Background(), leanfleet.Options{
		Dir: dir, Clock: func() time.Time { return time.Date(2024, 1, 10, 12, 0, 0, 0, time.UTC) }})
	if err != nil {
		log.Fatal(err)
	}
	return m, func() {
		m.Close()
		os.RemoveAll(dir)
	}
}

// hourly is samples of an hour each, from midnight of 10 January 2024.
func hourly(host fleet.HostID, metric fleet.Metric, values ...float64) fleet.Batch {
	b := fleet.Batch{Host: host, Origin: fleet.OriginAgent, Step: 3600000, Columns: []fleet.Column{{Metric: metric}}}
	start := time.Date(2024, 1, 10, 0, 0, 0, 0, time.UTC).UnixMilli()
	for i, v := range values {
		scaled, err := metric.Scale(v)
		if err != nil {
			log.Fatal(err)
		}
		b.Start = append(b.Start, start+int64(i)*3600000)
		b.Columns[0].Values = append(b.Columns[0].Values, scaled)
	}
	return b
}

func ExampleMonitor_FleetStatistics() {
	ctx := context.Background()
	m, done := open()
	defer done()
	for _, host := range []string{"web-1", "web-2"} {
		if err := m.AddHost(ctx, host, fleet.Tags{"dept": "eng"}, leanfleet.WithInstance("aws", "us-east-1", "m5.large")); err != nil {
			log.Fatal(err)
		}
	}
	_, err := m.Append(ctx, []fleet.Batch{
		hourly("web-1", fleet.CPUUsage, 0.1, 0.2, 0.3, 0.4),
		hourly("web-2", fleet.CPUUsage, 0.5, 0.6),
	})
	if err != nil {
		log.Fatal(err)
	}
	r, err := m.FleetStatistics(ctx, "cpu_usage", "1d", "dept")
	if err != nil {
		log.Fatal(err)
	}
	for _, g := range r.Groups {
		fmt.Println(g.Group, g.Hosts, "hosts", g.Samples, "samples, mean", *g.Mean, "p95", *g.P95)
	}
	// Output: dept=eng 2 hosts 6 samples, mean 0.35 p95 0.6
}

func ExampleMonitor_Trend() {
	ctx := context.Background()
	m, done := open()
	defer done()
	if _, err := m.Append(ctx, []fleet.Batch{hourly("db-1", fleet.MemoryUsage, 0.10, 0.12, 0.14, 0.16)}); err != nil {
		log.Fatal(err)
	}
	r, err := m.Trend(ctx, statistics.TrendRequest{Metric: "memory_usage", Step: "1h",
		Scope: fleet.Scope{Range: "2024-01-10T00:00:00Z..2024-01-10T04:00:00Z"}})
	if err != nil {
		log.Fatal(err)
	}
	for _, p := range r.Groups[0].Points {
		fmt.Println(p.Start.Format("15:04"), *p.Mean)
	}
	fmt.Printf("slope a day %.2f\n", *r.Groups[0].SlopePerDay)
	// Output:
	// 00:00 0.1
	// 01:00 0.12
	// 02:00 0.14
	// 03:00 0.16
	// slope a day 0.48
}

func ExampleMonitor_AddHost() {
	ctx := context.Background()
	m, done := open()
	defer done()
	// A new host is valid from the beginning of time ...
	err := m.AddHost(ctx, "web-1", fleet.Tags{"dept": "eng"}, leanfleet.WithInstance("aws", "us-east-1", "m5.large"))
	if err != nil {
		log.Fatal(err)
	}
	// ... and another type is a change at the clock of Options, which stands at noon.
	err = m.AddHost(ctx, "web-1", fleet.Tags{"dept": "eng"}, leanfleet.WithInstance("aws", "us-east-1", "m5.xlarge"))
	if err != nil {
		log.Fatal(err)
	}
	_, err = m.Append(ctx, []fleet.Batch{hourly("web-1", fleet.CPUUsage, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5)})
	if err != nil {
		log.Fatal(err)
	}
	r, err := m.Statistics(ctx, statistics.Request{Metric: "cpu_cores_used", GroupBy: []string{"instance_type"},
		Scope: fleet.Scope{Range: "2024-01-10"}})
	if err != nil {
		log.Fatal(err)
	}
	for _, g := range r.Groups {
		fmt.Println(g.Group, g.Samples, "samples, highest", *g.Max, "cores")
	}
	// Output:
	// instance_type=m5.large 12 samples, highest 1 cores
	// instance_type=m5.xlarge 1 samples, highest 2 cores
}

func ExampleMonitor_Import() {
	ctx := context.Background()
	m, done := open()
	defer done()
	dir, err := os.MkdirTemp("", "leanfleet-example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			log.Fatal(err)
		}
		return path
	}
	hosts := write("hosts.csv", "host,provider,instance_type\nweb-1,aws,m5.large\n")
	usage := write("usage.csv", "host,timestamp,cpu_cores_used\nweb-1,2024-01-10T00:00:00Z,1\nweb-1,2024-01-10T00:05:00Z,0.5\n")
	for range 2 { // the second time changes nothing
		r, err := m.Import(ctx, leanfleet.ImportRequest{Samples: []string{usage}, Inventory: []string{hosts}})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(r.Samples.Rows, "rows,", r.Stored.Inserted, "inserted,", r.Stored.Unchanged, "unchanged")
	}
	// Output:
	// 2 rows, 4 inserted, 0 unchanged
	// 2 rows, 0 inserted, 4 unchanged
}
