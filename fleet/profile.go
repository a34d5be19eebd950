package fleet

import (
	"math"
	"math/bits"
	"time"
)

// Profile is one metric of one host in one step under one record. It holds
// integers only, so that merging in any order gives the same bytes.
type Profile struct {
	// Record is what the host was; a profile never spans two records.
	Record *Record
	// Group is the process group, "" for the host itself.
	Group string
	// Window is the step, cut to the question's window. It is not cut to the
	// record, so that the profiles of a step line up.
	Window Window
	// Count is the number of samples.
	Count int64
	// Covered is the time the samples cover, each its step. It may exceed
	// Expected a little, where a last sample reaches past the window, or much,
	// where samples overlap; a coverage is capped at 1 for each profile.
	Covered time.Duration
	// Expected is the time the host was known to run (its lifetime) in this
	// window under this record, as far as the question's calendar counts it.
	Expected time.Duration
	// Sum and SumSquares are of scaled value × milliseconds.
	Sum, SumSquares Int128
	// Min and Max are scaled values, meaningless when Count is 0.
	Min, Max int64
	// Distribution is the time spent at each value.
	Distribution Distribution
	// WithoutCapacity counts samples of a derived metric that are left out
	// because the host's capacity at that time is unknown.
	WithoutCapacity int64
}

// Quantile is the distribution's quantile within [Min, Max], in scaled units;
// false without samples.
func (p *Profile) Quantile(share Share) (int64, bool) {
	v, ok := p.Distribution.Quantile(share)
	return max(p.Min, min(p.Max, v)), ok
}

// Mean is the time-weighted mean in scaled units; false without samples.
func (p *Profile) Mean() (float64, bool) {
	if p.Count == 0 {
		return 0, false
	}
	return p.Sum.Float64() / float64(p.Covered.Milliseconds()), true
}

// StdDev is the time-weighted population standard deviation in scaled units;
// false without samples. It is taken from the exact integer
// n·Σwv² - (Σwv)², so that it does not suffer cancellation.
func (p *Profile) StdDev() (float64, bool) {
	if p.Count == 0 {
		return 0, false
	}
	n := Int128From(p.Covered.Milliseconds()).Big()
	d := n.Mul(n, p.SumSquares.Big())
	s := p.Sum.Big()
	f, _ := bigFloat(d.Sub(d, s.Mul(s, s)))
	return math.Sqrt(max(0, f)) / float64(p.Covered.Milliseconds()), true
}

// ProfileBuilder collects samples of one metric into a [Profile], or profiles
// into a larger one. It is reused from profile to profile; see Reset.
type ProfileBuilder struct {
	p    Profile
	hist *Histogram
	// untold says that Sum, SumSquares, Min and Max of p lack the samples, all
	// of which are in hist, exactly, and nothing else is. They are taken from
	// there at the end, which halves the cost of a sample.
	untold bool
}

// NewProfileBuilder returns a builder for a metric.
func NewProfileBuilder(m Metric) *ProfileBuilder {
	b := &ProfileBuilder{hist: NewHistogram(m.Exact)}
	b.Reset(m)
	return b
}

// Reset empties the builder for the next profile, of the given metric.
func (b *ProfileBuilder) Reset(m Metric) {
	b.hist.Reset(m.Exact)
	b.p = Profile{Min: math.MaxInt64, Max: math.MinInt64}
	b.untold = m.Exact
}

// Empty says whether no sample was added.
func (b *ProfileBuilder) Empty() bool { return b.p.Count == 0 && b.p.WithoutCapacity == 0 }

// AddRun adds samples of the same step, in milliseconds. None is negative.
func (b *ProfileBuilder) AddRun(values []int32, step int64) {
	if len(values) == 0 {
		return
	}
	b.p.Count += int64(len(values))
	b.p.Covered += time.Duration(int64(len(values))*step) * time.Millisecond
	if !b.untold {
		b.tell(values, step)
	}
	b.hist.addRun(values, step)
}

// tell adds samples to the sums and bounds.
func (b *ProfileBuilder) tell(values []int32, step int64) {
	lowest, highest := values[0], values[0]
	var sum int64
	var squares, squaresHi uint64
	for _, v := range values {
		lowest, highest = min(lowest, v), max(highest, v)
		sum += int64(v)
		var carry uint64
		squares, carry = bits.Add64(squares, uint64(v)*uint64(v), 0)
		squaresHi += carry
	}
	b.p.Min = min(b.p.Min, int64(lowest))
	b.p.Max = max(b.p.Max, int64(highest))
	b.p.Sum = b.p.Sum.Add(Mul128(sum, step))
	b.p.SumSquares = b.p.SumSquares.Add(Int128{int64(squaresHi), squares}.MulUint64(uint64(step)))
}

// Add adds one sample, which is not negative, of a step in milliseconds.
func (b *ProfileBuilder) Add(value, step int64) {
	b.p.Count++
	b.p.Covered += time.Duration(step) * time.Millisecond
	if !b.untold {
		b.p.Min = min(b.p.Min, value)
		b.p.Max = max(b.p.Max, value)
		b.p.Sum = b.p.Sum.Add(Mul128(value, step))
		b.p.SumSquares = b.p.SumSquares.Add(Mul128(value, value).MulUint64(uint64(step)))
	}
	b.hist.Add(value, step)
}

// AddWithoutCapacity counts samples whose absolute value is unknown.
func (b *ProfileBuilder) AddWithoutCapacity(n int64) { b.p.WithoutCapacity += n }

// Merge adds a profile's samples and its expected time. Records and windows
// are the caller's business.
func (b *ProfileBuilder) Merge(p *Profile) {
	b.p.Expected += p.Expected
	b.p.WithoutCapacity += p.WithoutCapacity
	if p.Count == 0 {
		return
	}
	if b.untold {
		if b.p.Count > 0 {
			d := b.hist.Distribution()
			b.p.measure(&d)
		}
		b.untold = false
	}
	b.p.Count += p.Count
	b.p.Covered += p.Covered
	b.p.Sum = b.p.Sum.Add(p.Sum)
	b.p.SumSquares = b.p.SumSquares.Add(p.SumSquares)
	b.p.Min = min(b.p.Min, p.Min)
	b.p.Max = max(b.p.Max, p.Max)
	b.hist.Merge(&p.Distribution)
}

// AddExpected adds time the host was known to run.
func (b *ProfileBuilder) AddExpected(d time.Duration) { b.p.Expected += d }

// Build returns the profile under a record and window. The builder may be used
// on, or Reset.
func (b *ProfileBuilder) Build(r *Record, w Window) Profile {
	p := b.p
	p.Record, p.Window = r, w
	if p.Count == 0 {
		p.Min, p.Max = 0, 0
	} else {
		p.Distribution = b.hist.Distribution()
		if b.untold {
			p.measure(&p.Distribution)
		}
	}
	return p
}

// measure takes the sums and bounds from an exact distribution, whose keys and
// weights are not negative.
func (p *Profile) measure(d *Distribution) {
	if len(d.keys) == 0 {
		p.Min, p.Max = 0, 0
		return
	}
	var sumHi, sumLo, squaresHi, squaresLo, carry uint64
	weights := d.weights[:len(d.keys)]
	for i, k := range d.keys {
		hi, lo := bits.Mul64(uint64(k), uint64(weights[i]))
		sumLo, carry = bits.Add64(sumLo, lo, 0)
		sumHi += hi + carry
		high, low := bits.Mul64(lo, uint64(k))
		squaresLo, carry = bits.Add64(squaresLo, low, 0)
		squaresHi += high + hi*uint64(k) + carry
	}
	p.Sum = Int128{int64(sumHi), sumLo}
	p.SumSquares = Int128{int64(squaresHi), squaresLo}
	p.Min, p.Max = int64(d.keys[0]), int64(d.keys[len(d.keys)-1])
}
