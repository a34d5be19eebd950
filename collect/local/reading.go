package local

import (
	"context"
	"errors"
	"time"
)

// A reading is what a machine shows at a moment: counters since boot, and
// gauges. What could not be read is left zero and not ok.
type reading struct {
	wall time.Time
	mono time.Duration

	boot   string // identifies the boot; "" when unknown
	uptime known[float64]

	cpu   known[cpuTimes]
	vcpus int // 0 when unknown

	memory    known[memory]
	load1     known[float64]
	fullest   known[float64] // share in use of the fullest file system
	disks     known[map[string]counters]
	networks  known[map[string]counters]
	processes known[int]
	sessions  known[int]

	limit  limits
	groups *groupReading
}

// known is a value that may be unknown.
type known[T any] struct {
	v  T
	ok bool
}

func is[T any](v T) known[T] { return known[T]{v, true} }

// cpuTimes are counters of CPU time in any unit, the same for all of them.
type cpuTimes struct {
	total, busy, iowait, steal uint64
	// used is CPU time of the container in microseconds, where one is limited.
	used known[uint64]
}

type memory struct{ total, available, swapTotal, swapFree uint64 }

// counters of a device: bytes in and out (read and written, received and sent),
// then operations.
type counters [4]uint64

const (
	bytesIn = iota
	bytesOut
	opsIn
	opsOut
)

// limits are what a control group allows the container that is measured; zero
// is no limit.
type limits struct {
	cpus   float64
	memory uint64
}

func (l limits) any() bool { return l.cpus > 0 || l.memory > 0 }

// source reads a machine.
type source interface {
	// read fills a reading but for its times and groups. The errors, joined, name
	// what could not be read; the rest is filled.
	read(ctx context.Context, r *reading) error
	// times reads the counters of CPU time alone.
	times(ctx context.Context) (cpuTimes, error)
}

// errNothing is wrapped where neither CPU nor memory could be read.
var errNothing = errors.New("neither CPU nor memory can be read")

// since is how much a counter grew, from a to b. It is unknown where the
// counter was reset. other is the device's other counter of the same kind:
// a counter of 32 bits that wrapped leaves it growing, a reset does not.
func since(a, b, otherA, otherB uint64) (uint64, bool) {
	const top, quarter = 1 << 32, 1 << 30
	switch {
	case b >= a:
		return b - a, true
	case a < top && a >= top-quarter && b < quarter && otherB >= otherA:
		return top - a + b, true
	}
	return 0, false
}

// grown is how much the counters of all devices grew together. It is unknown
// where a device came, went, or was reset meanwhile. Counters of 32 bits wrap
// where they may; what goes back elsewhere was reset.
func grown(a, b known[map[string]counters], which int, wraps bool) (uint64, bool) {
	if !a.ok || !b.ok || len(a.v) != len(b.v) || len(b.v) == 0 {
		return 0, false
	}
	var sum uint64
	for name, now := range b.v {
		before, there := a.v[name]
		d, ok := since(before[which], now[which], before[which^1], now[which^1])
		if !there || !ok || !wraps && now[which] < before[which] {
			return 0, false
		}
		sum += d
	}
	return sum, true
}

// usage is the share of CPU time in use between two readings of the counters,
// time apart by a clock that is never set.
func usage(a, b cpuTimes, elapsed time.Duration, l limits) (float64, bool) {
	if l.cpus > 0 {
		if !a.used.ok || !b.used.ok || b.used.v < a.used.v || elapsed <= 0 {
			return 0, false
		}
		return float64(b.used.v-a.used.v) / (float64(elapsed.Microseconds()) * l.cpus), true
	}
	return share(a.busy, b.busy, a, b)
}

// share is the part of the CPU time between two readings that a counter says.
// Counters of iowait and of idle time may go back a little on Linux; what goes
// back grew by nothing.
func share(from, to uint64, a, b cpuTimes) (float64, bool) {
	if b.total <= a.total {
		return 0, false
	}
	if to <= from {
		return 0, true
	}
	return min(1, float64(to-from)/float64(b.total-a.total)), true
}
