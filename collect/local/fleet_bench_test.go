//go:build linux

package local_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/collect/local"
	"github.com/leanfleet/leanfleet/collect/local/proctree"
	"github.com/leanfleet/leanfleet/fleet"
)

// BenchmarkHundredHostsByDepartment measures 100 recorded machines of 100
// processes, stores what was measured and asks for the mean by department.
func BenchmarkHundredHostsByDepartment(b *testing.B) {
	clock := newClock()
	m, err := leanfleet.Open(b.Context(), leanfleet.Options{Dir: b.TempDir(), Clock: func() time.Time { t, _ := clock.now(); return t }})
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	var list []fleet.Collector
	var statements []fleet.Statement
	for i := range 100 {
		machine := busyMachine(i, 100)
		h := proctree.New(b.TempDir(), machine)
		if err := h.Write(); err != nil {
			b.Fatal(err)
		}
		c, err := local.New(local.Options{Now: clock.now, Interval: shortInterval, Root: h.Dir, Space: func(string) (local.Space, error) { return local.Space{Used: 1, Available: 1}, nil }})
		if err != nil {
			b.Fatal(err)
		}
		list = append(list, c)
		statements = append(statements, fleet.Statement{Record: fleet.Record{Host: c.Host(), Tags: fleet.Tags{"dept": fmt.Sprint("dept-", i%7)}}})
	}
	if _, err := m.PutRecords(b.Context(), statements, fleet.Put{}); err != nil {
		b.Fatal(err)
	}
	collect := func() (out []fleet.Batch) {
		for _, c := range list {
			batches, err := c.Collect(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			out = append(out, batches...)
		}
		return out
	}
	collect()
	defer cpuTime(b)()
	for b.Loop() {
		clock.pass(shortInterval)
		if _, err := m.Append(b.Context(), collect()); err != nil {
			b.Fatal(err)
		}
		r, err := m.FleetStatistics(b.Context(), "memory_usage", "1h", "dept")
		if err != nil || len(r.Groups) != 7 || r.Total.Hosts != 100 {
			b.Fatalf("%d groups, %v", len(r.Groups), err)
		}
	}
}
