package fleet

import (
	"math"
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// run is samples of one step.
type run struct {
	values []int32
	step   int64
}

func runs() *rapid.Generator[[]run] {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) run {
		limit := rapid.SampledFrom([]int32{2, 10000, 16385, math.MaxInt32}).Draw(t, "limit")
		return run{
			rapid.SliceOfN(rapid.Int32Range(0, limit), 0, 30).Draw(t, "values"),
			rapid.SampledFrom([]int64{1000, 60000, 300000}).Draw(t, "step"),
		}
	}), 0, 5)
}

func equalProfiles(a, b *Profile) bool {
	x, y := *a, *b
	x.Distribution, y.Distribution = Distribution{}, Distribution{}
	return x.Record == y.Record && x.Window == y.Window && x.Count == y.Count && x.Covered == y.Covered &&
		x.Expected == y.Expected && x.Sum == y.Sum && x.SumSquares == y.SumSquares && x.Min == y.Min && x.Max == y.Max &&
		x.WithoutCapacity == y.WithoutCapacity && a.Distribution.Equal(&b.Distribution)
}

// checkProfile holds a profile against sums in big integers and floats.
func checkProfile(t *rapid.T, p *Profile, all []run) {
	sum, squares := new(big.Int), new(big.Int)
	var count, covered int64
	lowest, highest := int64(math.MaxInt64), int64(math.MinInt64)
	for _, r := range all {
		for _, v := range r.values {
			w, x := big.NewInt(r.step), big.NewInt(int64(v))
			sum.Add(sum, new(big.Int).Mul(w, x))
			squares.Add(squares, new(big.Int).Mul(w, new(big.Int).Mul(x, x)))
			count++
			covered += r.step
			lowest, highest = min(lowest, int64(v)), max(highest, int64(v))
		}
	}
	if p.Count != count || p.Covered != time.Duration(covered)*time.Millisecond || p.Sum.Big().Cmp(sum) != 0 || p.SumSquares.Big().Cmp(squares) != 0 {
		t.Fatalf("%d samples, %v, sums %v and %v; want %d, %d ms, %v and %v", p.Count, p.Covered, p.Sum.Big(), p.SumSquares.Big(), count, covered, sum, squares)
	}
	mean, ok := p.Mean()
	deviation, ok2 := p.StdDev()
	if ok != (count > 0) || ok2 != ok {
		t.Fatalf("mean known %v, deviation %v, of %d samples", ok, ok2, count)
	}
	if count == 0 {
		if p.Min != 0 || p.Max != 0 {
			t.Fatalf("no samples from %d to %d", p.Min, p.Max)
		}
		return
	}
	if p.Min != lowest || p.Max != highest {
		t.Fatalf("from %d to %d, want %d to %d", p.Min, p.Max, lowest, highest)
	}
	// The two-pass deviation, in 300 bits.
	f := func(x *big.Int) *big.Float { return new(big.Float).SetPrec(300).SetInt(x) }
	n := f(big.NewInt(covered))
	m := new(big.Float).SetPrec(300).Quo(f(sum), n)
	variance := new(big.Float).SetPrec(300)
	for _, r := range all {
		for _, v := range r.values {
			d := new(big.Float).SetPrec(300).Sub(f(big.NewInt(int64(v))), m)
			variance.Add(variance, d.Mul(d, d).Mul(d, f(big.NewInt(r.step))))
		}
	}
	want, _ := variance.Sqrt(variance.Quo(variance, n)).Float64()
	if wantMean, _ := m.Float64(); math.Abs(mean-wantMean) > 1e-12*wantMean {
		t.Fatalf("mean %v, want %v", mean, wantMean)
	}
	if math.Abs(deviation-want) > 1e-9*want {
		t.Fatalf("deviation %v, want %v", deviation, want)
	}
	for _, share := range []Share{1, 500000, 950000, 1000000} {
		if q, ok := p.Quantile(share); !ok || q < lowest || q > highest {
			t.Fatalf("quantile %d: %d, %v, outside [%d, %d]", share, q, ok, lowest, highest)
		}
	}
}

func TestProfileBuilder(t *testing.T) {
	rate, err := CanonicalMetrics().Lookup("disk_read_bytes_per_second")
	if err != nil {
		t.Fatal(err)
	}
	reused := NewProfileBuilder(rate)
	rapid.Check(t, func(t *rapid.T) {
		m := rapid.SampledFrom([]Metric{CPUUsage, rate}).Draw(t, "metric")
		all := runs().Draw(t, "runs")
		record := &Record{Host: "a"}
		w := Window{time.Unix(0, 0), time.Unix(86400, 0)}

		reused.Reset(m)
		if !reused.Empty() {
			t.Fatal("not empty after Reset")
		}
		single, parts := NewProfileBuilder(m), NewProfileBuilder(m)
		mixed := NewProfileBuilder(m)
		for i, r := range all {
			reused.AddRun(r.values, r.step)
			for _, v := range r.values {
				single.Add(int64(v), r.step)
			}
			part := NewProfileBuilder(m)
			part.AddRun(r.values, r.step)
			p := part.Build(nil, Window{})
			parts.Merge(&p)
			if i%2 == 0 { // samples and profiles in one builder
				mixed.Merge(&p)
			} else {
				mixed.AddRun(r.values, r.step)
			}
		}
		p := reused.Build(record, w)
		if p.Record != record || p.Window != w {
			t.Fatal("record or window lost")
		}
		checkProfile(t, &p, all)
		for name, b := range map[string]*ProfileBuilder{"one by one": single, "of parts": parts, "mixed": mixed, "again": reused} {
			if got := b.Build(record, w); !equalProfiles(&got, &p) {
				t.Fatalf("%s: %+v\nwant %+v", name, got, p)
			}
		}
	})
}

// TestProfileMergesInAnyOrder merges permuted parts, with expected time and
// samples without capacity.
func TestProfileMergesInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var parts []Profile
		for i, r := range runs().Draw(t, "runs") {
			b := NewProfileBuilder(CPUUsage)
			b.AddRun(r.values, r.step)
			b.AddExpected(time.Duration(i) * time.Hour)
			b.AddWithoutCapacity(int64(i))
			parts = append(parts, b.Build(nil, Window{}))
		}
		merge := func(list []Profile) Profile {
			b := NewProfileBuilder(CPUUsage)
			for i := range list {
				b.Merge(&list[i])
			}
			return b.Build(nil, Window{})
		}
		a, b := merge(parts), merge(rapid.Permutation(parts).Draw(t, "order"))
		if !equalProfiles(&a, &b) {
			t.Fatalf("%+v\n%+v", a, b)
		}
		n := int64(len(parts))
		if a.WithoutCapacity != n*(n-1)/2 || a.Expected != time.Duration(n*(n-1)/2)*time.Hour {
			t.Fatalf("expected %v, without capacity %d", a.Expected, a.WithoutCapacity)
		}
	})
}

func TestProfileByHand(t *testing.T) {
	// 10 % for 3 minutes, 90 % for one: mean 30 %, deviation √1200 = 34.64 %.
	b := NewProfileBuilder(CPUUsage)
	b.AddRun([]int32{1000, 1000, 1000, 9000}, 60000)
	p := b.Build(nil, Window{})
	mean, _ := p.Mean()
	deviation, _ := p.StdDev()
	median, _ := p.Quantile(500000)
	p75, _ := p.Quantile(750000)
	p76, _ := p.Quantile(760000)
	if mean != 3000 || math.Abs(deviation-3464.1016151377544) > 1e-9 || median != 1000 || p75 != 1000 || p76 != 9000 || p.Covered != 4*time.Minute {
		t.Errorf("mean %v, deviation %v, median %d, p75 %d, p76 %d, covered %v", mean, deviation, median, p75, p76, p.Covered)
	}
}

// TestProfileQuantileIsClipped shows that the middle of a bin never lies
// outside the values seen.
func TestProfileQuantileIsClipped(t *testing.T) {
	rate, _ := CanonicalMetrics().Lookup("disk_read_bytes_per_second")
	for _, v := range []int64{1000, 1003, 1 << 40} {
		b := NewProfileBuilder(rate)
		b.Add(v, 60000)
		p := b.Build(nil, Window{})
		if got, ok := p.Quantile(950000); !ok || got != v {
			t.Errorf("the only value %d has p95 %d", v, got)
		}
	}
	var none Profile
	if _, ok := none.Quantile(500000); ok {
		t.Error("a profile without samples has a median")
	}
}

// TestDeviationWithoutCancellation has values so close together and so large
// that a difference of squares in floats is noise.
func TestDeviationWithoutCancellation(t *testing.T) {
	b := NewProfileBuilder(MemoryUsedBytes)
	const large = 1 << 40
	for i := range int64(1000) {
		b.Add(large+i%2, 60000)
	}
	p := b.Build(nil, Window{})
	if d, _ := p.StdDev(); d != 0.5 {
		t.Errorf("deviation %v, want 0.5", d)
	}
}

// TestSumsHoldLargeFleets adds the largest sensible absolute values: 32 TiB in
// use on 10,000 hosts for 400 days.
func TestSumsHoldLargeFleets(t *testing.T) {
	b := NewProfileBuilder(MemoryUsedBytes)
	value := int64(32<<40) / (1 << 20) * 10000
	const day = 86400000
	b.Add(value, day)
	one := b.Build(nil, Window{})
	b.Reset(MemoryUsedBytes)
	for range 400 * 10000 / 1000 {
		b.Merge(&one)
	}
	p := b.Build(nil, Window{})
	squares := new(big.Int).Mul(p.SumSquares.Big(), big.NewInt(1000))
	want := new(big.Int).Mul(big.NewInt(value), big.NewInt(value))
	want.Mul(want, big.NewInt(day*400*10000))
	limit := new(big.Int).Lsh(big.NewInt(1), 127)
	if squares.Cmp(want) != 0 || squares.Cmp(limit) >= 0 {
		t.Errorf("sum of squares %v, want %v, below %v", squares, want, limit)
	}
}

// TestSumsBeyond64Bits takes sums that need the upper half of their 128 bits
// from the distribution, and sample by sample.
func TestSumsBeyond64Bits(t *testing.T) {
	taken, told := NewProfileBuilder(CPUUsage), NewProfileBuilder(CPUUsage)
	sum, squares := new(big.Int), new(big.Int)
	const step = 1 << 40
	for i := range int64(50) {
		v := math.MaxInt32 - i%7*1000003
		taken.Add(v, step)
		one := NewProfileBuilder(CPUUsage)
		one.Add(v, step)
		p := one.Build(nil, Window{})
		told.Merge(&p)
		weighted := new(big.Int).Mul(big.NewInt(v), big.NewInt(step))
		sum.Add(sum, weighted)
		squares.Add(squares, new(big.Int).Mul(weighted, big.NewInt(v)))
	}
	for _, b := range []*ProfileBuilder{taken, told} {
		p := b.Build(nil, Window{})
		if p.Sum.Big().Cmp(sum) != 0 || p.SumSquares.Big().Cmp(squares) != 0 {
			t.Errorf("sums %v and %v, want %v and %v", p.Sum.Big(), p.SumSquares.Big(), sum, squares)
		}
	}
}

// TestMergeKeepsSums: an engine may know a sum better than its distribution,
// so the sums of merged profiles are added, never taken from distributions.
func TestMergeKeepsSums(t *testing.T) {
	b := NewProfileBuilder(CPUUsage)
	b.AddRun([]int32{100, 200}, 1000)
	rough := Profile{Count: 1, Covered: time.Second, Sum: Mul128(333, 1000), SumSquares: Mul128(333*333, 1000), Min: 330, Max: 340, Distribution: histogramOf(true, []sample{{350, 1000}}).Distribution()}
	b.Merge(&rough)
	b.AddRun([]int32{7}, 1000)
	b.Merge(&rough)
	b.Add(8, 1000)
	p := b.Build(nil, Window{})
	if want := int64(100+200+333+7+333+8) * 1000; p.Sum != Int128From(want) || p.Min != 7 || p.Max != 340 || p.Distribution.Weight() != 6000 {
		t.Errorf("sum %v, want %d; from %d to %d", p.Sum.Big(), want, p.Min, p.Max)
	}
	if want := int64(100*100+200*200+2*333*333+7*7+8*8) * 1000; p.SumSquares != Int128From(want) {
		t.Errorf("sum of squares %v, want %d", p.SumSquares.Big(), want)
	}
}

func TestAddRunAllocatesNothing(t *testing.T) {
	values := benchValues(benchDay, 2500, 400, 10000)
	for _, c := range benchCases() {
		b := NewProfileBuilder(c.metric)
		if n := testing.AllocsPerRun(10, func() {
			b.Reset(c.metric)
			b.AddRun(values, 60000)
			b.Add(77, 60000)
		}); n != 0 {
			t.Errorf("%s: %v allocations", c.name, n)
		}
	}
}
