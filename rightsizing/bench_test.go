package rightsizing_test

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/rightsizing"
)

// canned is a source of ready-made days: what is measured is the analysis, not
// the reading.
type canned struct {
	fleet.Source
	records  []fleet.Record
	profiles map[string][]fleet.Profile
}

func (c *canned) Records(context.Context, fleet.Selector, fleet.Window) ([]fleet.Record, error) {
	return c.records, nil
}

func (c *canned) Profiles(_ context.Context, q fleet.Query) iter.Seq2[fleet.Profile, error] {
	return func(yield func(fleet.Profile, error) bool) {
		for _, p := range c.profiles[q.Metric.Name] {
			if !yield(p, nil) {
				return
			}
		}
	}
}

// newCanned is a thousand hosts of 60 days of 60-second samples.
func newCanned(hosts, days int) *canned {
	c := &canned{profiles: map[string][]fleet.Profile{}}
	random := rand.New(rand.NewPCG(1, 2))
	types := []struct {
		name   string
		vcpus  float64
		memory int64
	}{{"m5.large", 2, 8 * gib}, {"m5.xlarge", 4, 16 * gib}, {"m5.2xlarge", 8, 32 * gib}, {"r5.4xlarge", 16, 128 * gib}}
	for i := range hosts {
		x := types[i%len(types)]
		c.records = append(c.records, fleet.Record{
			Host: fleet.HostID(fmt.Sprintf("h%04d", i)), Provider: "aws", Region: "us-east-1", InstanceType: x.name, OS: "linux",
			Capacity: fleet.Capacity{VCPUs: x.vcpus, MemoryBytes: x.memory},
		})
	}
	for i := range c.records {
		r := &c.records[i]
		for _, m := range []fleet.Metric{fleet.CPUCoresUsed, fleet.MemoryUsedBytes} {
			b := fleet.NewProfileBuilder(m)
			size := r.Capacity.VCPUs
			if m.Name == fleet.MemoryUsedBytes.Name {
				size = float64(r.Capacity.MemoryBytes)
			}
			base := 0.02 + 0.3*random.Float64()
			for d := range days {
				b.Reset(m)
				for range 1440 {
					b.Add(int64(size*base*(0.5+random.Float64())/m.Resolution()), 60000)
				}
				start := asOf.Add(time.Duration(d-days) * 24 * time.Hour)
				c.profiles[m.Name] = append(c.profiles[m.Name], b.Build(r, fleet.Window{Start: start, End: start.Add(24 * time.Hour)}))
			}
		}
	}
	return c
}

// BenchmarkRecommend is a thousand hosts with 60 days of 60-second samples
// against all types of a region, days ready-made.
func BenchmarkRecommend(b *testing.B) {
	env := rightsizing.Environment{Environment: environment(newCanned(1000, 60), asOf), Prices: book(b)}
	for b.Loop() {
		r, err := rightsizing.Recommend(b.Context(), env, rightsizing.Request{})
		if err != nil {
			b.Fatal(err)
		}
		if len(r.Recommendations) != 1000 {
			b.Fatalf("%d lines", len(r.Recommendations))
		}
	}
}
