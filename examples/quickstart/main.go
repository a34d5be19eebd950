// Command quickstart is the reference use of the library: two hosts, their
// samples, what their departments use and cost, and which sizes would do.
//
//	go run ./examples/quickstart
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"slices"
	"time"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/chargeback"
	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/rightsizing"
)

func main() {
	dir, err := os.MkdirTemp("", "leanfleet-quickstart-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := run(context.Background(), dir, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// now is the time of the example, so that its output is always the same.
var now = time.Date(2024, 2, 1, 0, 0, 0, 0, time.UTC)

func run(ctx context.Context, dir string, out io.Writer) error {
	m, err := leanfleet.Open(ctx, leanfleet.Options{Dir: dir, Clock: func() time.Time { return now }})
	if err != nil {
		return err
	}
	defer m.Close()

	// Two hosts, what they are and whose.
	err = m.AddHost(ctx, "web-1", fleet.Tags{"dept": "eng", "env": "prod"},
		leanfleet.WithInstance("aws", "us-east-1", "m5.2xlarge"))
	if err != nil {
		return err
	}
	err = m.AddHost(ctx, "report-1", fleet.Tags{"dept": "finance", "env": "prod"},
		leanfleet.WithInstance("azure", "eastus", "Standard_D4s_v3"))
	if err != nil {
		return err
	}

	// January, a sample every five minutes: web-1 works in office hours,
	// report-1 a little all the time.
	start := now.AddDate(0, -1, 0)
	batches := []fleet.Batch{
		batch("web-1", start, now, func(t time.Time) (cpu, memory float64) {
			if t.Weekday() >= time.Monday && t.Weekday() <= time.Friday && t.Hour() >= 8 && t.Hour() < 18 {
				return 0.30, 0.20
			}
			return 0.02, 0.15
		}),
		batch("report-1", start, now, func(time.Time) (cpu, memory float64) { return 0.05, 0.60 }),
	}
	appended, err := m.Append(ctx, batches)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "stored %d samples\n\n", appended.Inserted)

	// What do the departments use?
	stats, err := m.FleetStatistics(ctx, "cpu_usage", "7d", "dept")
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s, %s\n", stats.Metric, stats.Window)
	for _, g := range stats.Groups {
		fmt.Fprintf(out, "  %-14s hosts %d  mean %.4f  median %.4f  p95 %.4f  p99 %.4f  coverage %.2f\n",
			g.Group, g.Hosts, *g.Mean, *g.Median, *g.P95, *g.P99, *g.Coverage)
	}

	// What did they cost in January?
	report, err := m.Chargeback(ctx, chargeback.Request{Period: "2024-01", GroupBy: []string{"dept"}})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\ncost of January 2024 in %s\n", report.Currency)
	for _, g := range report.Groups {
		fmt.Fprintf(out, "  %-14s %s for %.0f host hours (prices: %s)\n", g.Group, g.Cost, g.HostHours, g.PriceBasis)
	}

	// Which sizes would do? Changes that save at least 20 % of the cost, in a list
	// of which 95 % stays within the limits.
	advice, err := m.RightsizingRecommendations(ctx, 0.20, 0.95)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\nsizes at confidence %.2f, in %s a month\n", advice.Confidence, advice.Currency)
	best := slices.DeleteFunc(advice.Recommendations, func(r rightsizing.Recommendation) bool { return r.Recommended == nil })
	slices.SortStableFunc(best, func(x, y rightsizing.Recommendation) int { return y.MonthlySavings.Cmp(*x.MonthlySavings) })
	for _, r := range best[:min(3, len(best))] {
		fmt.Fprintf(out, "  %-14s %s -> %s saves %s, chance of breaking %.1f %%\n",
			r.Name, r.Current.InstanceType, r.Recommended.InstanceType, r.MonthlySavings, *r.BreakProbability*100)
	}
	return nil
}

// batch makes the samples of one host.
func batch(host fleet.HostID, from, to time.Time, use func(time.Time) (cpu, memory float64)) fleet.Batch {
	const step = 5 * time.Minute
	b := fleet.Batch{Host: host, Origin: fleet.OriginAgent, Step: int32(step.Milliseconds()),
		Columns: []fleet.Column{{Metric: fleet.CPUUsage}, {Metric: fleet.MemoryUsage}}}
	for t := from; t.Before(to); t = t.Add(step) {
		b.Start = append(b.Start, t.UnixMilli())
		cpu, memory := use(t)
		for i, v := range []float64{cpu, memory} {
			scaled, err := b.Columns[i].Metric.Scale(v)
			if err != nil {
				log.Fatal(err) // an impossible value is a mistake of this program
			}
			b.Columns[i].Values = append(b.Columns[i].Values, scaled)
		}
	}
	return b
}
