package rightsizing

import "math"

// The numbers of the method; docs/rightsizing.md has their meaning.
const (
	priorCPU, priorMem   = 3.0, 5.8
	priorPerLogDays      = 0.7
	priorPrecision       = 2.0
	floorCPU, floorMem   = 0.01, 0.02
	shareEpsilon         = 0.05
	ratioClip            = 2.0
	halfLife             = 7.0 // days
	horizon              = 14  // days of a pseudo-split's outcome
	firstSplit, stepDays = 7, 2
	fullHistory          = 60 // days with which the prior is as shipped
	leastKnown, recent   = 3, 7
)

// daily is a resource of one host by day: need of the CPU or largest memory, NaN
// where the day is not known.
type daily struct {
	day     []float64
	median  []float64 // of the day's samples
	week    []float64 // CPU only: need of the 7 days before the end of day i-1
	outcome []float64 // by split d: need or largest of the 14 days from d; NaN is not known
}

// load is what the learner knows of a host.
type load struct {
	cpu, mem daily
	measured []int64 // milliseconds of any resource before day d
}

// newLoad derives a host's figures from its days.
func newLoad(x *host, days int) *load {
	l := &load{
		cpu:      daily{nans(days), nans(days), nans(days + 1), nans(days + 1)},
		mem:      daily{nans(days), nans(days), nil, nans(days + 1)},
		measured: make([]int64, days+1),
	}
	above := make([]int64, days+1) // prefix sums of time above today's limit
	limit := cpuLimit(x.vcpus)
	for i := range days {
		c, m := &x.cpu[i], &x.mem[i]
		up := c.dist.WeightAbove(limit)
		above[i+1] = above[i] + up
		l.measured[i+1] = l.measured[i] + max(c.covered, m.covered)
		if c.covered >= minDay {
			l.cpu.day[i], l.cpu.median[i] = need(x.cpu[i:i+1], up), c.median
		}
		if m.covered >= minDay {
			l.mem.day[i], l.mem.median[i] = m.max, m.median
		}
	}
	for d := 1; d <= days; d++ {
		from := max(0, d-7)
		if week := x.cpu[from:d]; measured(week) >= minWeek {
			l.cpu.week[d] = need(week, above[d]-above[from])
		}
	}
	for d := firstSplit; d+horizon <= days; d++ {
		if l.measured[d+horizon]-l.measured[d] < minOutcome {
			continue
		}
		next := x.cpu[d : d+horizon]
		l.cpu.outcome[d] = need(next, above[d+horizon]-above[d])
		l.mem.outcome[d] = largest(x.mem[d : d+horizon])
	}
	return l
}

func nans(n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = math.NaN()
	}
	return out
}

// known says whether a resource may be judged at the end of day d.
func (r *daily) known(d int) bool {
	n, late := 0, false
	for i, v := range r.day[:d] {
		if !math.IsNaN(v) {
			n++
			late = late || i >= d-recent
		}
	}
	return n >= leastKnown && late
}

// knownDays counts the days that are known.
func (r *daily) knownDays() int {
	n := 0
	for _, v := range r.day {
		if !math.IsNaN(v) {
			n++
		}
	}
	return n
}

// view is a resource as it looks at the end of day d: the single worst day is
// set aside.
type view struct {
	values       []float64 // remaining days, NaN where not known
	weights      []float64 // by day, shared
	worst        float64
	typical      float64
	remaining    int
	remainWeight float64
	setAside     int // day, -1 for none
}

// weights are 2^(-age/7) by day, the newest last.
func recency(d int) []float64 {
	w := make([]float64, d)
	for i := range w {
		w[i] = math.Exp2(-float64(d-1-i) / halfLife)
	}
	return w
}

// view looks at the end of day d; setAside says whether the single worst day may
// be set aside.
func (r *daily) view(d int, weights []float64, setAside bool) view {
	v := view{values: append([]float64(nil), r.day[:d]...), weights: weights, setAside: -1}
	n := 0
	for i, x := range v.values {
		if math.IsNaN(x) {
			continue
		}
		n++
		if v.setAside < 0 || x > v.values[v.setAside] {
			v.setAside = i
		}
	}
	if r.week != nil {
		for i := min(7, d); i <= d; i++ {
			if x := r.week[i]; x > v.typical {
				v.typical = x
			}
		}
	} else {
		v.typical = medianOf(r.day[:d])
	}
	if n > 2 && setAside {
		v.values[v.setAside] = math.NaN()
	} else {
		v.setAside = -1
	}
	for i, x := range v.values {
		if !math.IsNaN(x) {
			v.worst = math.Max(v.worst, x)
			v.remaining++
			v.remainWeight += weights[i]
		}
	}
	return v
}

// above is the number of remaining days above a capacity, and their weight.
func (v *view) above(capacity float64) (days int, weight float64) {
	for i, x := range v.values {
		if x > capacity {
			days++
			weight += v.weights[i]
		}
	}
	return days, weight
}

// odds are the log odds of breaking on a capacity, without the learned number.
func (v *view) odds(capacity float64) float64 {
	days, weight := v.above(capacity)
	ex := float64(days) / math.Max(1, float64(v.remaining))
	exw := weight / math.Max(1e-12, v.remainWeight)
	ratio := func(x float64) float64 {
		return math.Max(-ratioClip, math.Min(ratioClip, math.Log(math.Max(x, 1e-9*capacity)/capacity)))
	}
	return ratio(v.typical) + ratio(v.worst) + math.Log(ex+shareEpsilon) + math.Log(exw+shareEpsilon)
}

func logistic(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// chance is the chance of breaking at some log odds.
func chance(floor, z float64) float64 { return floor + (1-floor)*logistic(z) }

// learned is the number a of each resource.
type learned struct {
	cpu, mem         float64
	splits           int
	rowsCPU, rowsMem int
}

// shipped is a0 of a history of so many days.
func shipped(prior float64, days int) float64 {
	return prior + priorPerLogDays*math.Log(fullHistory/math.Min(fullHistory, math.Max(7, float64(days))))
}

// row is one observation of a pseudo-split: the log odds without a, and whether
// the outcome exceeded the capacity.
type row struct {
	z      float64
	exceed bool
}

// fit finds a by Newton's method: the mode of the weighted likelihood under the
// prior.
func fit(prior float64, rows []row, splits int) float64 {
	a := prior
	if len(rows) == 0 {
		return a
	}
	w := 1 / math.Sqrt(float64(splits))
	for range 60 {
		var g, h float64
		for _, r := range rows {
			p := logistic(a + r.z)
			g += p
			if r.exceed {
				g--
			}
			h += p * (1 - p)
		}
		step := (w*g + priorPrecision*(a-prior)) / (w*h + priorPrecision)
		step = math.Max(-1, math.Min(1, step))
		a -= step
		if math.Abs(step) < 1e-9 {
			break
		}
	}
	return a
}

// splits are the days of the history at which the fleet's past is judged.
func splits(days int) []int {
	var out []int
	for d := firstSplit; d+horizon <= days; d += stepDays {
		out = append(out, d)
	}
	return out
}
