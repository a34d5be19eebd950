package rightsizing

import (
	"math"

	"github.com/leanfleet/leanfleet/fleet"
)

// The limit: a host is broken when it is above 80 % of its vCPUs for more than
// 0.5 % of the time.
const (
	limitUse   = 0.8
	perMilleOK = 5 // of the time
)

// The least time measured, in milliseconds, below which a figure is not known.
const (
	minute     = 60_000
	minDay     = 100 * minute
	minWeek    = 1_000 * minute
	minOutcome = 5_000 * minute // of 14 days
)

// quantileFromTop is the smallest value of some cells such that the time spent
// above it is at most the budget, in scaled units; false without samples. A
// cell's time counts so many times as factor says; nil is once.
func quantileFromTop(cells []cell, factor []int64, budget int64) (int64, bool) {
	at := make([]int, len(cells))
	for i := range cells {
		at[i] = cells[i].dist.Len() - 1
	}
	for spent := int64(0); ; {
		top, value := -1, int64(math.MinInt64)
		for i := range cells {
			if at[i] < 0 {
				continue
			}
			if b := cells[i].dist.Bin(at[i]); b.Value > value {
				top, value = i, b.Value
			}
		}
		if top < 0 {
			return 0, false
		}
		w := cells[top].dist.Bin(at[top]).Weight
		if factor != nil {
			w *= factor[top]
		}
		if spent += w; spent > budget {
			return value, true
		}
		at[top]--
	}
}

func measured(cells []cell) int64 {
	var w int64
	for i := range cells {
		w += cells[i].covered
	}
	return w
}

func largest(cells []cell) float64 {
	top := 0.0
	for i := range cells {
		top = math.Max(top, cells[i].max)
	}
	return top
}

// cpuLimit is 80 % of some vCPUs as a scaled value; time above it is strictly
// above.
func cpuLimit(vcpus float64) int64 {
	return int64(math.Round(limitUse * vcpus / fleet.CPUCoresUsed.Resolution()))
}

// timeAbove is the time above a scaled value.
func timeAbove(cells []cell, scaled int64) int64 {
	var w int64
	for i := range cells {
		w += cells[i].dist.WeightAbove(scaled)
	}
	return w
}

// need is the smallest number of vCPUs that does not break in the time of the
// cells, when the host is already above the limit for some of it; NaN without
// samples.
func need(cells []cell, above int64) float64 {
	v, ok := quantileFromTop(cells, nil, measured(cells)*perMilleOK/1000+above)
	if !ok {
		if measured(cells) > 0 {
			return 0 // above the limit all the time: nothing can be worse
		}
		return math.NaN()
	}
	return fleet.CPUCoresUsed.Value(v) / limitUse
}

// percentile is the nearest-rank percentile of all samples, in parts per 10,000,
// in the metric's unit.
func percentile(m fleet.Metric, cells []cell, per10000 int64) (float64, bool) {
	total := measured(cells)
	v, ok := quantileFromTop(cells, nil, total-(total*per10000+9999)/10000)
	return m.Value(v), ok
}

// broken says whether a size breaks: vcpus below what the time needed, or memory
// reduced and exceeded.
func broken(needed, largestMemory, vcpus, memory, oldMemory float64) bool {
	return vcpus < needed-1e-9 || memory < oldMemory && largestMemory > memory
}
