package fleet

import (
	"maps"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// checkBin holds one value against its bin: of the right width, its middle
// within 0.4 %, and not after the bin of the next value.
func checkBin(t testing.TB, v int64) {
	t.Helper()
	key := binOf(v)
	middle := middleOf(key)
	if diff := math.Abs(float64(middle - v)); diff > 0.004*float64(v) {
		t.Errorf("value %d: the middle of its bin is %d, %.4f %% off", v, middle, 100*diff/float64(v))
	}
	if binOf(middle) != key {
		t.Errorf("value %d: the middle %d of bin %d is in bin %d", v, middle, key, binOf(middle))
	}
	if v < 256 && middle != v {
		t.Errorf("value %d is not kept: %d", v, middle)
	}
	if v < math.MaxInt64 {
		if next := binOf(v + 1); next != key && next != key+1 {
			t.Errorf("value %d is in bin %d, the next in %d", v, key, next)
		}
	}
	if key < 0 || key >= denseKeys {
		t.Errorf("value %d: bin %d is beyond the array", v, key)
	}
}

func TestBins(t *testing.T) {
	for v := int64(0); v <= 1<<16; v++ {
		checkBin(t, v)
	}
	for s := 8; s < 63; s++ { // both sides of each power of two
		for d := int64(-2); d <= 2; d++ {
			checkBin(t, 1<<s+d)
		}
	}
	checkBin(t, math.MaxInt64)
	r := rand.New(rand.NewPCG(7, 7))
	for range 100000 {
		checkBin(t, r.Int64()>>r.IntN(63))
	}
	if QuantileError < 0.004 {
		t.Errorf("the stated error %v is below that of bins", QuantileError)
	}
}

func TestSharePercent(t *testing.T) {
	good := func(p float64, want Share) {
		t.Helper()
		if got, err := SharePercent(p); err != nil || got != want {
			t.Errorf("SharePercent(%v) = %d, %v; want %d", p, got, err, want)
		}
	}
	good(50, 500000)
	good(95, 950000)
	good(99.9, 999000)
	good(99.9999, 999999)
	good(100, 1000000)
	good(0.0001, 1)
	for _, p := range []float64{0, -1, 100.0001, math.NaN(), math.Inf(1), math.Inf(-1), 0.00001} {
		if got, err := SharePercent(p); err == nil {
			t.Errorf("SharePercent(%v) = %d, want an error", p, got)
		}
	}
}

// sample is a value that lasted some milliseconds.
type sample struct{ value, weight int64 }

// samples draws values of the kind a metric has, some beyond the array of keys,
// many of them equal.
func samples(exact bool) *rapid.Generator[[]sample] {
	return rapid.Custom(func(t *rapid.T) []sample {
		limit := rapid.SampledFrom([]int64{3, 300, 10000, 16390, 1 << 20, math.MaxInt32}).Draw(t, "limit")
		if !exact && rapid.Bool().Draw(t, "wide") {
			limit = 1 << 61
		}
		return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) sample {
			return sample{Between(t, 0, limit, "value"), rapid.SampledFrom([]int64{1, 20, 60000, 300000, 86400000}).Draw(t, "weight")}
		}), 0, 40).Draw(t, "samples")
	})
}

// naiveQuantile is the definition: the smallest value whose cumulative weight
// reaches the share, in big integers.
func naiveQuantile(list []sample, share Share) int64 {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b sample) int { return int(max(-1, min(1, a.value-b.value))) })
	total := new(big.Int)
	for _, s := range list {
		total.Add(total, big.NewInt(s.weight))
	}
	need := total.Mul(total, big.NewInt(int64(share)))
	sum := new(big.Int)
	for _, s := range list {
		sum.Add(sum, big.NewInt(s.weight*1000000))
		if sum.Cmp(need) >= 0 {
			return s.value
		}
	}
	panic("no value reaches the share")
}

func histogramOf(exact bool, list []sample) *Histogram {
	h := NewHistogram(exact)
	for _, s := range list {
		h.Add(s.value, s.weight)
	}
	return h
}

func TestDistributionAgainstSorting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		exact := rapid.Bool().Draw(t, "exact")
		list := samples(exact).Draw(t, "list")
		h := histogramOf(exact, list)
		d := h.Distribution()
		share := Share(Between(t, 1, 1000000, "share"))
		got, ok := d.Quantile(share)
		if ok != (len(list) > 0) || d.Exact() != exact {
			t.Fatalf("quantile of %d samples: %v, exact %v", len(list), ok, d.Exact())
		}
		var total, above int64
		limit := Between(t, 0, 20000, "limit")
		want := map[int64]int64{}
		for _, s := range list {
			key := s.value
			if !exact {
				key = middleOf(binOf(key))
			}
			want[key] += s.weight
			total += s.weight
			if key > limit {
				above += s.weight
			}
		}
		if d.Weight() != total || d.WeightAbove(limit) != above {
			t.Fatalf("weight %d, above %d: %d; want %d and %d", d.Weight(), limit, d.WeightAbove(limit), total, above)
		}
		if share, ok := d.ShareAbove(limit); ok != (total > 0) || ok && share != float64(above)/float64(total) {
			t.Fatalf("share above %d: %v, %v", limit, share, ok)
		}
		bins := map[int64]int64{}
		for i := range d.Len() {
			b := d.Bin(i)
			bins[b.Value] = b.Weight
			if b.Weight <= 0 || i > 0 && b.Value <= d.Bin(i-1).Value {
				t.Fatalf("bin %d: %+v", i, b)
			}
		}
		if !maps.Equal(bins, want) || len(bins) != d.Len() {
			t.Fatalf("bins %v, want %v", bins, want)
		}
		if len(list) == 0 {
			return
		}
		exactly := naiveQuantile(list, share)
		if exact && got != exactly {
			t.Fatalf("quantile %d is %d, want %d", share, got, exactly)
		}
		if math.Abs(float64(got-exactly)) > 0.004*float64(exactly) {
			t.Fatalf("quantile %d is %d, more than 0.4 %% from %d", share, got, exactly)
		}
	})
}

func TestMergeInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		exact := rapid.Bool().Draw(t, "exact")
		var all []sample
		var parts []Distribution
		for range rapid.IntRange(0, 5).Draw(t, "parts") {
			part := samples(exact).Draw(t, "part")
			parts = append(parts, histogramOf(exact, part).Distribution())
			all = append(all, part...)
		}
		want := histogramOf(exact, all).Distribution()
		order := rapid.Permutation(parts).Draw(t, "order")
		if got := MergeDistributions(order...); !got.Equal(&want) {
			t.Fatalf("merged %+v, want %+v", got, want)
		}
		if len(parts) < 2 {
			return
		}
		left := MergeDistributions(parts[:len(parts)/2]...)
		right := MergeDistributions(parts[len(parts)/2:]...)
		if got := MergeDistributions(left, Distribution{}, right); !got.Equal(&want) {
			t.Fatalf("merged in halves %+v, want %+v", got, want)
		}
	})
}

func TestEmptyDistribution(t *testing.T) {
	var zero Distribution
	if _, ok := zero.Quantile(500000); ok {
		t.Error("an empty distribution has a median")
	}
	if _, ok := zero.ShareAbove(0); ok {
		t.Error("an empty distribution has a share above 0")
	}
	one := histogramOf(true, []sample{{7, 60000}}).Distribution()
	same := histogramOf(false, []sample{{7, 60000}}).Distribution()
	nothing := NewHistogram(true).Distribution()
	if one.Equal(&zero) || one.Equal(&same) || !zero.Equal(&nothing) || !one.Equal(&one) {
		t.Error("Equal is wrong")
	}
	h := NewHistogram(true)
	h.Add(7, 0)
	h.Add(70000, 0)
	if d := h.Distribution(); d.Len() != 0 {
		t.Errorf("no time at a value makes %d bins", d.Len())
	}
}

// TestHistogramReuse holds a histogram that was used, asked, merged into and
// reset against fresh ones.
func TestHistogramReuse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := NewHistogram(true)
		for range rapid.IntRange(1, 4).Draw(t, "rounds") {
			exact := rapid.Bool().Draw(t, "exact")
			h.Reset(exact)
			var all []sample
			for range rapid.IntRange(0, 4).Draw(t, "actions") {
				list := samples(exact).Draw(t, "list")
				all = append(all, list...)
				switch rapid.IntRange(0, 3).Draw(t, "action") {
				case 0:
					d := histogramOf(exact, list).Distribution()
					h.Merge(&d)
				case 1:
					for _, s := range list {
						h.Add(s.value, s.weight)
					}
				case 2: // so many that only pages are noted
					long := make([]int32, fineSamples+1)
					for i := range long {
						long[i] = int32(i % 40 * 450)
						all = append(all, sample{int64(long[i]), 20})
					}
					h.addRun(long, 20)
					for _, s := range list {
						h.Add(s.value, s.weight)
					}
				default:
					for _, s := range list {
						h.addRun([]int32{int32(min(s.value, math.MaxInt32))}, s.weight)
					}
					for i := range list {
						all[len(all)-len(list)+i].value = min(list[i].value, math.MaxInt32)
					}
				}
				if rapid.Bool().Draw(t, "unasked") {
					continue
				}
				want := histogramOf(exact, all).Distribution()
				if got := h.Distribution(); !got.Equal(&want) {
					t.Fatalf("%d bins, want %d", got.Len(), want.Len())
				}
			}
		}
	})
}

func TestHistogramMistakes(t *testing.T) {
	mustPanic := func(name string, f func()) {
		t.Helper()
		defer func() {
			if recover() == nil {
				t.Errorf("%s does not panic", name)
			}
		}()
		f()
	}
	mustPanic("an exact value beyond 32 bits", func() { NewHistogram(true).Add(1<<31, 1) })
	d := histogramOf(false, []sample{{7, 60000}}).Distribution()
	mustPanic("merging bins into exact values", func() { NewHistogram(true).Merge(&d) })
}
