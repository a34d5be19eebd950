//go:build linux

package local_test

import (
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/collect/local"
	"github.com/leanfleet/leanfleet/collect/local/proctree"
	"github.com/leanfleet/leanfleet/fleet"
)

// shortInterval is one that machines whose time since boot stands still between
// two readings seem to live through.
const shortInterval = 1200 * time.Millisecond

// BenchmarkThisMachine is the cost of one interval of this machine: 12 finer
// readings and a whole one, process groups included.
func BenchmarkThisMachine(b *testing.B) {
	clock := newClock()
	c, err := local.New(local.Options{Now: clock.now, Interval: shortInterval, Groups: []local.GroupRule{{Group: "shells", Name: ".*sh"}, {Group: "user $1", User: "(.*)"}}})
	if err != nil {
		b.Fatal(err)
	}
	rows := 0
	defer cpuTime(b)()
	for b.Loop() {
		for range 12 {
			clock.pass(shortInterval / 12)
			if err := c.Sample(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
		batches, err := c.Collect(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		rows += len(batches)
	}
	if rows == 0 && b.N > 1 {
		b.Fatal("nothing was measured")
	}
}

// BenchmarkOneHost is one whole reading of a recorded machine of 300 processes
// in 4 groups.
func BenchmarkOneHost(b *testing.B) { benchmarkHosts(b, 1, 300) }

// BenchmarkHundredHosts is one whole reading of each of 100 recorded machines
// of 100 processes, which turns them into batches.
func BenchmarkHundredHosts(b *testing.B) { benchmarkHosts(b, 100, 100) }

func benchmarkHosts(b *testing.B, hosts, processes int) {
	clock := newClock()
	var list []fleet.Collector
	for i := range hosts {
		dir, err := os.MkdirTemp(b.TempDir(), "host")
		if err != nil {
			b.Fatal(err)
		}
		h := proctree.New(dir, busyMachine(i, processes))
		if err := h.Write(); err != nil {
			b.Fatal(err)
		}
		c, err := local.New(local.Options{Now: clock.now, Interval: shortInterval, Root: dir, Space: func(string) (local.Space, error) { return local.Space{Used: 1, Available: 1}, nil },
			Groups: []local.GroupRule{{Group: "db", Name: "postgres"}, {Group: "web", Name: "nginx|java"}, {Group: "user $1", User: "(1.*)"}, {Group: "unit $1", CGroup: `/system\.slice/(.*)`}}})
		if err != nil {
			b.Fatal(err)
		}
		list = append(list, c)
	}
	collect := func() (rows int) {
		for _, c := range list {
			batches, err := c.Collect(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			rows += len(batches)
		}
		return rows
	}
	collect()
	b.ReportAllocs()
	defer cpuTime(b)()
	for b.Loop() {
		clock.pass(shortInterval)
		if collect() < 5*hosts { // the host and its groups
			b.Fatal("nothing was measured")
		}
	}
}

// busyMachine is a server with many processes.
func busyMachine(i, processes int) proctree.Machine {
	m := proctree.Machine{Name: fmt.Sprintf("host-%03d", i), CPUs: 8, MemoryBytes: 32 << 30, Disks: []string{"nvme0n1", "nvme1n1"}, Processes: map[int]*proctree.Process{}}
	for p := range processes {
		name := []string{"postgres", "nginx", "java", "sshd", "cron"}[p%5]
		m.Processes[100+p] = &proctree.Process{Name: name, User: 1000 + p%3, CGroup: "/system.slice/" + name + ".service", Start: uint64(p), Ticks: uint64(p * 10), Resident: 50 << 20, Shared: 10 << 20}
	}
	return m
}

// cpuTime reports the CPU time of a benchmark beside its time: others may use
// the machine meanwhile.
func cpuTime(b *testing.B) func() {
	used := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	begun := used()
	return func() {
		b.ReportMetric(float64((used()-begun).Microseconds())/1000/float64(b.N), "cpu-ms/op")
	}
}
