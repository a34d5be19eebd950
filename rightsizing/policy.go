package rightsizing

import (
	"math"
	"slices"

	"github.com/leanfleet/leanfleet/fleet"
)

// The policies: ours, the published rules of others, and the two ends.
const (
	PolicyLeanfleet   = "leanfleet"
	PolicyDoNothing   = "do-nothing"
	PolicyClairvoyant = "clairvoyant"
)

// swapSuffix is added to a rule that also takes cheaper types of no less.
const swapSuffix = "+swap"

// rule is a published sizing rule: the demand of CPU and memory in a window. A
// false demand is not known.
type rule struct {
	name       string
	days       int
	minMonthly float64 // least saving a month
	cpu, mem   func(cells []cell) (float64, bool)
}

func cpuAt(per10000 int64, over float64) func([]cell) (float64, bool) {
	return func(cells []cell) (float64, bool) {
		v, ok := percentile(fleet.CPUCoresUsed, cells, per10000)
		return v / over, ok
	}
}

func memAt(per10000 int64, over float64) func([]cell) (float64, bool) {
	return func(cells []cell) (float64, bool) {
		v, ok := percentile(fleet.MemoryUsedBytes, cells, per10000)
		return v / over, ok
	}
}

func maxTimes(factor float64) func([]cell) (float64, bool) {
	return func(cells []cell) (float64, bool) { return largest(cells) * factor, measured(cells) > 0 }
}

// rules are the published ones, with their sources in docs/rightsizing.md.
func rules() []rule {
	return []rule{
		{"aws-default", 14, 0, cpuAt(9950, 0.8), maxTimes(1 / 0.8)},
		{"aws-balanced", 14, 0, cpuAt(9500, 0.7), maxTimes(1 / 0.7)},
		{"aws-max-savings", 14, 0, cpuAt(9000, 1), maxTimes(1 / 0.9)},
		{"aws-max-performance", 14, 0, cpuAt(9950, 0.7), maxTimes(1 / 0.7)},
		{"azure-user", 7, 0, cpuAt(9500, 0.4), memAt(9900, 0.6)},
		{"azure-other", 7, 0, cpuAt(9500, 0.8), memAt(9900, 0.8)},
		{"gcp", 8, 10, maxTimes(1), maxTimes(1)},
		{"krr", 14, 0, cpuAt(9500, 1), maxTimes(1.15)},
		{"vpa", 8, 0, vpaCPU, vpaMemory},
		{"max", 14, 0, maxTimes(1), maxTimes(1)},
	}
}

const vpaMargin = 1.15

// vpaCPU is 1.15 x P90 with each day weighing half of the next.
func vpaCPU(cells []cell) (float64, bool) {
	factors := make([]int64, len(cells))
	var total int64
	for i := range cells {
		factors[i] = 1 << i
		total += cells[i].covered << i
	}
	v, ok := quantileFromTop(cells, factors, total-(total*9+9)/10)
	return vpaMargin * fleet.CPUCoresUsed.Value(v), ok
}

// vpaMemory is 1.15 x P90 of the daily peaks, weighted likewise.
func vpaMemory(cells []cell) (float64, bool) {
	type peak struct {
		value  float64
		weight int64
	}
	var peaks []peak
	var total int64
	for i := range cells {
		if cells[i].covered > 0 {
			peaks = append(peaks, peak{cells[i].max, 1 << i})
			total += 1 << i
		}
	}
	slices.SortFunc(peaks, func(a, b peak) int {
		switch {
		case a.value > b.value:
			return -1
		case a.value < b.value:
			return 1
		}
		return 0
	})
	budget, spent := total-(total*9+9)/10, int64(0)
	for _, p := range peaks {
		if spent += p.weight; spent > budget {
			return vpaMargin * p.value, true
		}
	}
	return 0, false
}

// Policies returns the names of all policies that advice can follow: leanfleet,
// the published rules, and do-nothing.
func Policies() []string {
	names := []string{PolicyLeanfleet}
	for _, r := range rules() {
		names = append(names, r.name)
	}
	return append(names, PolicyDoNothing)
}

// comparedPolicies are those a back-test compares by default.
func comparedPolicies() []string {
	names := []string{PolicyLeanfleet}
	for _, r := range rules() {
		names = append(names, r.name, r.name+swapSuffix)
	}
	return append(names, PolicyDoNothing)
}

func ruleOf(name string) (rule, bool) {
	for _, r := range rules() {
		if r.name == name {
			return r, true
		}
	}
	return rule{}, false
}

// pick is the candidate that a rule takes for a host, by index into its list. For a
// group it takes the demand of the member that has most.
func (r rule) pick(q *quote, swap bool) int {
	x := q.host
	cpu := demandOf(x, x.vcpus, func(p *host) (float64, bool) { return r.cpu(lastDays(p.cpu, r.days)) })
	mem := demandOf(x, x.memory, func(p *host) (float64, bool) { return r.mem(lastDays(p.mem, r.days)) })
	best := fitting(q, cpu, mem)
	if saved := q.list[0].price - q.list[best].price; saved*HoursPerMonth*q.hosts() < r.minMonthly {
		best = 0
	}
	if swap {
		if s := fitting(q, x.vcpus, x.memory); s > 0 && (best == 0 || s < best) {
			best = s
		}
	}
	return best
}

// demandOf is the largest demand of the parts of a host, its size where that of a
// part which is still there is not known.
func demandOf(x *host, size float64, of func(*host) (float64, bool)) float64 {
	top := 0.0
	for _, p := range x.parts() {
		v, ok := of(p)
		switch {
		case ok:
			top = math.Max(top, v)
		case !p.gone:
			return size
		}
	}
	return top
}

// fitting is the cheapest candidate of at least a size, 0 for today's type.
func fitting(q *quote, vcpus, memory float64) int {
	for j := 1; j < len(q.list); j++ {
		if c := &q.list[j]; c.vcpus >= vcpus-1e-9 && c.memory >= memory {
			return j
		}
	}
	return 0
}

// outcome is what a test window did to one host.
type outcome struct {
	quote    *quote
	cpu, mem []cell
	needed   float64 // need of the window on today's vCPUs
	memory   float64 // largest sample
	above    float64 // share of the time above 80 % of today's vCPUs
	memKnown bool    // before the window
	unworthy string  // why the host does not count: too little was measured; empty where it does
	busy     bool    // median CPU before over 5 % of today's vCPUs
}

// breaks says whether a host breaks on another type.
func (o *outcome) breaks(c *candidate) bool {
	return broken(o.needed, o.memory, c.vcpus, c.memory, o.quote.host.memory)
}

// clairvoyant is the cheapest candidate on which none of the hosts breaks that are
// changed together, 0 where there is none.
func clairvoyant(q *quote, outcomes []*outcome) int {
	for j := 1; j < len(q.list); j++ {
		c := &q.list[j]
		if !slices.ContainsFunc(outcomes, func(o *outcome) bool {
			return c.memory < o.quote.host.memory && !o.memKnown || o.breaks(c)
		}) {
			return j
		}
	}
	return 0
}

// judge derives what a window did to a host from its days in it. The host counts
// when so many milliseconds of the 14 days before were measured, and enough of
// the window.
func judge(q *quote, test *host, leastBefore int64) *outcome {
	x := q.host
	before := lastDays(x.cpu, horizon)
	o := &outcome{quote: q, cpu: test.cpu, mem: test.mem}
	total := measured(test.cpu)
	up := timeAbove(test.cpu, cpuLimit(x.vcpus))
	o.needed, o.memory = need(test.cpu, up), largest(test.mem)
	if math.IsNaN(o.needed) {
		o.needed = 0
	}
	if total > 0 {
		o.above = float64(up) / float64(total)
	}
	o.memKnown = measured(x.mem) > 0
	least := int64(minOutcome)
	switch {
	case max(measured(before), measured(lastDays(x.mem, horizon))) < leastBefore:
		o.unworthy = unjudgedBefore
	case max(total, measured(test.mem)) < least*int64(len(test.cpu))/horizon:
		o.unworthy = unjudgedTest
	}
	if v, ok := percentile(fleet.CPUCoresUsed, before, 5000); ok {
		o.busy = v > busyLevel*x.vcpus
	}
	return o
}

// busyLevel is the median use above which a host is busy.
const busyLevel = 0.05
