package rightsizing

import "math"

// The numbers of the method; docs/rightsizing.md has their meaning.
const (
	priorCPU, priorMem   = 3.0, 5.8
	priorPerLogDays      = 0.7
	priorPrecision       = 2.0
	steepPrecision       = 20.0
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
	hidden  bool      // a group's, with a member of which it is not known
}

// load is what the learner knows of a host.
type load struct {
	cpu, mem daily
	measured []int64 // milliseconds of any resource before day d
	vcpus    float64 // the size that they are for
	pressed  bool    // its vCPUs are not reduced
	members  []*load // of a scaling group, beside its host's members
}

// newLoad derives a host's figures from its days.
func newLoad(x *host, days int) *load {
	l := &load{
		cpu:      daily{day: nans(days), median: nans(days), week: nans(days + 1), outcome: nans(days + 1)},
		mem:      daily{day: nans(days), median: nans(days), outcome: nans(days + 1)},
		measured: make([]int64, days+1),
		vcpus:    x.vcpus,
	}
	above := make([]int64, days+1) // prefix sums of time above today's limit
	total := make([]int64, days+1) // and of the time in which the CPU was measured
	limit := cpuLimit(x.vcpus)
	for i := range days {
		c, m := &x.cpu[i], &x.mem[i]
		up := c.dist.WeightAbove(limit)
		above[i+1], total[i+1] = above[i]+up, total[i]+c.covered
		l.measured[i+1] = l.measured[i] + max(c.covered, m.covered)
		if c.covered >= minDay {
			l.cpu.day[i], l.cpu.median[i] = need(x.cpu[i:i+1], up), c.median
		}
		if m.covered >= minDay {
			l.mem.day[i], l.mem.median[i] = m.max, m.median
		}
	}
	l.pressed = longAboveLimit(above, total)
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
	if r.hidden {
		return false
	}
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

// view looks at the end of day d; long says whether the history holds a
// pseudo-split. In a shorter one the worst day of the CPU is not set aside.
func (r *daily) view(d int, weights []float64, long bool) view {
	v := view{values: append([]float64(nil), r.day[:d]...), weights: weights, setAside: -1}
	memory := r.week == nil
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
	if !memory {
		for i := min(7, d); i <= d; i++ {
			if x := r.week[i]; x > v.typical {
				v.typical = x
			}
		}
	} else {
		v.typical = medianOf(r.day[:d])
	}
	if n > 2 && (long || memory) {
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

// curve is what was learned of one resource: at log odds z without a, those of
// breaking are a + z + steeper x (z + prior).
type curve struct {
	a, prior float64
	steeper  float64 // not negative
	rows     int
}

func (c *curve) logOdds(z float64) float64 { return c.a + z + c.steeper*(z+c.prior) }

// learned is the curve of each resource.
type learned struct {
	cpu, mem curve
	splits   int
}

// chance is that of one resource at some log odds.
func (l *learned) chance(cpu bool, z float64) float64 {
	if cpu {
		return chance(floorCPU, l.cpu.logOdds(z))
	}
	return chance(floorMem, l.mem.logOdds(z))
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

// fit finds the curve by Newton's method: the mode of the weighted likelihood
// under the priors, steeper kept from falling below 0.
func fit(prior float64, rows []row, splits int) curve {
	c := curve{a: prior, prior: prior, rows: len(rows)}
	if len(rows) == 0 {
		return c
	}
	w := 1 / math.Sqrt(float64(splits))
	for range 60 {
		g := c.slope(rows, w)
		step := math.Max(-1, math.Min(1, g.a/g.aa))
		c.a -= step
		if math.Abs(step) < 1e-9 {
			break
		}
	}
	// The likelihood is concave: where it does not rise from here, 0 is best.
	if c.slope(rows, w).s >= 0 {
		return c
	}
	for range 60 {
		g := c.slope(rows, w)
		det := g.aa*g.ss - g.as*g.as
		a := math.Max(-1, math.Min(1, (g.ss*g.a-g.as*g.s)/det))
		s := math.Max(-0.3, math.Min(0.3, (g.aa*g.s-g.as*g.a)/det))
		c.a -= a
		c.steeper = math.Max(0, c.steeper-s)
		if math.Abs(a)+math.Abs(s) < 1e-9 {
			break
		}
	}
	return c
}

// slope is the gradient and the second derivatives of the negative log
// likelihood with its priors, by a and by steeper.
type slope struct{ a, s, aa, as, ss float64 }

func (c *curve) slope(rows []row, w float64) slope {
	var g slope
	for i := range rows {
		r := &rows[i]
		u := r.z + c.prior
		p := logistic(c.logOdds(r.z))
		e, q := p, p*(1-p)
		if r.exceed {
			e--
		}
		g.a += e
		g.s += e * u
		g.aa += q
		g.as += q * u
		g.ss += q * u * u
	}
	return slope{
		w*g.a + priorPrecision*(c.a-c.prior), w*g.s + steepPrecision*c.steeper,
		w*g.aa + priorPrecision, w * g.as, w*g.ss + steepPrecision,
	}
}

// splits are the days of the history at which the fleet's past is judged.
func splits(days int) []int {
	var out []int
	for d := firstSplit; d+horizon <= days; d += stepDays {
		out = append(out, d)
	}
	return out
}
