package fleet

import (
	"math"
	"math/rand/v2"
	"testing"
)

const benchDay = 1440

// benchValues are values such as a metric has: a level that wanders, noise
// around it, and bursts.
func benchValues(n int, level, noise, limit float64) []int32 {
	r := rand.New(rand.NewPCG(1, 2))
	out := make([]int32, n)
	at := level
	for i := range out {
		at += 0.05*(level-at) + 0.1*noise*r.NormFloat64()
		v := at + noise*r.NormFloat64()
		if r.IntN(200) == 0 {
			v = limit * r.Float64()
		}
		out[i] = int32(math.Max(0, math.Min(limit, v)))
	}
	return out
}

// benchCases are metrics in the three ways a builder treats them.
func benchCases() []struct {
	name   string
	metric Metric
	values []int32
} {
	rate, _ := CanonicalMetrics().Lookup("network_receive_bytes_per_second")
	flat := make([]int32, 30*benchDay)
	for i := range flat {
		flat[i] = 4210 + int32(i/977%3)
	}
	return []struct {
		name   string
		metric Metric
		values []int32
	}{
		{"cpu", CPUUsage, benchValues(30*benchDay, 2500, 400, 10000)},
		{"flat", MemoryUsage, flat},
		{"rate", rate, benchValues(30*benchDay, 40000, 15000, 4000000)},
	}
}

// BenchmarkAddRun adds 30 days of one host, day by day.
func BenchmarkAddRun(b *testing.B) {
	for _, c := range benchCases() {
		b.Run(c.name, func(b *testing.B) {
			builder := NewProfileBuilder(c.metric)
			b.ReportAllocs()
			for b.Loop() {
				for i := 0; i < len(c.values); i += benchDay {
					builder.AddRun(c.values[i:i+benchDay], 60000)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(c.values)), "ns/sample")
		})
	}
}

// BenchmarkBuild makes a profile of each day: reset, 1,440 samples, build.
func BenchmarkBuild(b *testing.B) {
	for _, c := range benchCases() {
		b.Run(c.name, func(b *testing.B) {
			builder := NewProfileBuilder(c.metric)
			b.ReportAllocs()
			i, bins := 0, 0
			for b.Loop() {
				builder.Reset(c.metric)
				builder.AddRun(c.values[i:i+benchDay], 60000)
				p := builder.Build(nil, Window{})
				bins += p.Distribution.Len()
				i = (i + benchDay) % len(c.values)
			}
			b.ReportMetric(float64(bins)/float64(b.N), "bins")
		})
	}
}

// BenchmarkMerge merges daily profiles into one.
func BenchmarkMerge(b *testing.B) {
	for _, c := range benchCases() {
		b.Run(c.name, func(b *testing.B) {
			builder := NewProfileBuilder(c.metric)
			var days []Profile
			bins := 0
			for i := 0; i < len(c.values); i += benchDay {
				builder.Reset(c.metric)
				builder.AddRun(c.values[i:i+benchDay], 60000)
				days = append(days, builder.Build(nil, Window{}))
				bins += days[len(days)-1].Distribution.Len()
			}
			builder.Reset(c.metric)
			b.ReportAllocs()
			for b.Loop() {
				for i := range days {
					builder.Merge(&days[i])
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(bins), "ns/bin")
		})
	}
}
