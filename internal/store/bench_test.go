package store

import (
	"fmt"
	"testing"

	"github.com/leanfleet/leanfleet/fleet"
)

// generated is samples that look like measurements: a level a host, noise and
// some repetition.
type generated struct {
	hosts, rows int // rows of each host, a minute apart
	metrics     []fleet.Metric
}

func sixteen() []fleet.Metric { return fleet.CanonicalMetrics().Stored()[:16] }

// batch returns rows [from, to) of a host into b's memory.
func (g *generated) batch(b *fleet.Batch, host, from, to int) {
	b.Host, b.Origin, b.Step = fleet.HostID(fmt.Sprintf("host-%05d", host)), fleet.OriginImport, 60_000
	b.Start = b.Start[:0]
	for r := from; r < to; r++ {
		b.Start = append(b.Start, dayStart+int64(r)*60_000)
	}
	b.Columns = grow(b.Columns, len(g.metrics))
	for m := range g.metrics {
		c := &b.Columns[m]
		c.Metric, c.Values = g.metrics[m], c.Values[:0]
		x := uint32(host*31+m*17+1) * 2654435761
		level := int32(x % 5000)
		for r := from; r < to; r++ {
			h := (uint32(r)*2246822519 + x) ^ x>>13
			h ^= h >> 15
			h *= 3266489917
			c.Values = append(c.Values, level+int32(h>>20)&255)
		}
	}
}

func (g *generated) samples() int64 { return int64(g.hosts) * int64(g.rows) * int64(len(g.metrics)) }

// hostMajor loads one host after another, in batches of some rows.
func (g *generated) hostMajor(t testing.TB, l fleet.Load, rows int) {
	var b fleet.Batch
	for h := range g.hosts {
		for from := 0; from < g.rows; from += rows {
			g.batch(&b, h, from, min(g.rows, from+rows))
			if err := l.Add(t.Context(), []fleet.Batch{b}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// timeMajor loads one minute after another: every row another host.
func (g *generated) timeMajor(t testing.TB, l fleet.Load) {
	batches := make([]fleet.Batch, g.hosts)
	for r := range g.rows {
		for h := range batches {
			g.batch(&batches[h], h, r, r+1)
		}
		if err := l.Add(t.Context(), batches); err != nil {
			t.Fatal(err)
		}
	}
}

// BenchmarkLoad loads 23 million sample values, a day of 1,000 hosts and 16
// metrics, and commits them. The values are made up while it runs, which
// "generate" measures alone.
func BenchmarkLoad(b *testing.B) {
	g := &generated{hosts: 1000, rows: 1440, metrics: sixteen()}
	run := func(b *testing.B, g *generated, load func(l fleet.Load)) {
		for b.Loop() {
			s := open(b, b.TempDir())
			l, err := s.Begin(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			load(l)
			n, err := l.Commit(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			if n.Inserted != g.samples() {
				b.Fatalf("%+v", n)
			}
		}
		b.ReportMetric(float64(g.samples())*float64(b.N)/b.Elapsed().Seconds()/1e6, "Msamples/s")
	}
	b.Run("generate", func(b *testing.B) {
		var batch fleet.Batch
		for b.Loop() {
			for h := range g.hosts {
				g.batch(&batch, h, 0, g.rows)
			}
		}
		b.ReportMetric(float64(g.samples())*float64(b.N)/b.Elapsed().Seconds()/1e6, "Msamples/s")
	})
	b.Run("by_host", func(b *testing.B) { run(b, g, func(l fleet.Load) { g.hostMajor(b, l, g.rows) }) })
	b.Run("by_time", func(b *testing.B) { run(b, g, func(l fleet.Load) { g.timeMajor(b, l) }) })
	long := &generated{hosts: 100, rows: 14400, metrics: sixteen()}
	b.Run("by_host_10_days", func(b *testing.B) { run(b, long, func(l fleet.Load) { long.hostMajor(b, l, 10_000) }) })
}

// BenchmarkOpen opens a store of 1,000 hosts and 30 days, and closes it.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	s := open(b, dir)
	g := &generated{hosts: 1000, rows: 30 * 24, metrics: sixteen()[:2]}
	l, err := s.Begin(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	var batch fleet.Batch
	for h := range g.hosts {
		g.batch(&batch, h, 0, g.rows)
		for i := range batch.Start {
			batch.Start[i] = dayStart + int64(i)*3600_000
		}
		batch.Step = 3600_000
		if err := l.Add(b.Context(), []fleet.Batch{batch}); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := l.Commit(b.Context()); err != nil {
		b.Fatal(err)
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	for _, readOnly := range []bool{true, false} {
		b.Run(map[bool]string{true: "read", false: "write"}[readOnly], func(b *testing.B) {
			for b.Loop() {
				s, err := Open(b.Context(), Options{Dir: dir, ReadOnly: readOnly})
				if err != nil {
					b.Fatal(err)
				}
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
