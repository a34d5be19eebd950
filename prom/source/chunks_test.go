package source_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/leanfleet/leanfleet/prom/source"
)

const stale = 0x7ff0000000000002

// sameSamples compares bits, so that NaN is itself.
func sameSamples(a, b []float64) bool {
	return slices.EqualFunc(a, b, func(x, y float64) bool { return math.Float64bits(x) == math.Float64bits(y) })
}

// Whatever times and values, what was packed comes out.
func TestChunks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 300).Draw(t, "n")
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		kinds := rapid.SampledFrom([]string{"counter", "gauge", "constant", "bits", "marks"}).Draw(t, "kind")
		jitter := rapid.SampledFrom([]int64{0, 1, 20, 5000, 1 << 17, 1 << 19, 1 << 40}).Draw(t, "jitter")
		at, value := r.Int64N(1<<41), 0.0
		var times []int64
		var values []float64
		plain := true
		for range n {
			switch kinds {
			case "counter":
				value += float64(r.IntN(6000)) / 100
			case "gauge":
				value = r.NormFloat64() * 1e9
			case "bits":
				value = math.Float64frombits(r.Uint64())
			case "marks":
				if value = 1; r.IntN(3) == 0 {
					value = math.Float64frombits(stale)
				}
			}
			plain = plain && math.Float64bits(value) != stale
			times, values = append(times, at), append(values, value)
			at += 60_000 + r.Int64N(jitter+1)
		}
		before, first := []int64{7}, []float64{8}
		gotTimes, gotValues, gotPlain, err := source.Unpack(xorChunk(times, values), before, first)
		if err != nil || !slices.Equal(gotTimes, append([]int64{7}, times...)) || !sameSamples(gotValues, append([]float64{8}, values...)) || gotPlain != plain {
			t.Fatalf("%d samples, error %v, plain %v", len(gotTimes), err, gotPlain)
		}
	})
}

// What is cut off is no chunk, nor is what says that it has more samples.
func TestChunksCut(t *testing.T) {
	var times []int64
	var values []float64
	for i := range int64(120) {
		times, values = append(times, 1700000000000+i*60000), append(values, float64(i)*57.31)
	}
	whole := xorChunk(times, values)
	for n := range whole {
		if got, _, _, err := source.Unpack(whole[:n], nil, nil); err == nil {
			t.Errorf("%d of %d bytes: %d samples", n, len(whole), len(got))
		}
	}
	more := slices.Clone(whole)
	more[0], more[1] = 0xff, 0xff
	if _, _, _, err := source.Unpack(more, nil, nil); err == nil {
		t.Error("65,535 samples in a chunk of 120")
	}
	if got, _, plain, err := source.Unpack([]byte{0, 0}, nil, nil); err != nil || len(got) != 0 || !plain {
		t.Error("an empty chunk", got, err)
	}
}

// Chunks withstand any bytes; what they hold can be packed again.
func FuzzChunks(f *testing.F) {
	f.Add([]byte{0, 0})
	f.Add(xorChunk([]int64{1}, []float64{2}))
	f.Add(xorChunk([]int64{1, 60001, 120001, 180002, 1 << 40}, []float64{2, 2, 2.5, math.Inf(1), math.Float64frombits(stale)}))
	f.Add([]byte{0, 3, 2, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		times, values, _, err := source.Unpack(data, nil, nil)
		if err != nil {
			if len(times)+len(values) > 1 {
				t.Fatalf("%d times and %d values of what is no chunk", len(times), len(values))
			}
			return
		}
		if len(times) != len(values) || len(times) > 65535 {
			t.Fatalf("%d times, %d values", len(times), len(values))
		}
		for i := 1; i < len(times); i++ {
			if times[i] < times[i-1] {
				return // no engine packs these
			}
		}
		again, same, _, err := source.Unpack(xorChunk(times, values), nil, nil)
		if len(times) > 0 && (err != nil || !slices.Equal(again, times) || !sameSamples(same, values)) {
			t.Fatalf("%v %v are %v %v, error %v", times, values, again, same, err)
		}
	})
}

func BenchmarkChunks(b *testing.B) {
	for _, kind := range []string{"counter", "slow counter", "constant"} {
		b.Run(kind, func(b *testing.B) {
			r := rand.New(rand.NewPCG(1, 1))
			var times []int64
			var values []float64
			total := 123456.0
			for i := range int64(120) {
				switch {
				case kind == "counter":
					total += float64(5000+r.IntN(1000)) / 100
				case kind == "slow counter" && r.IntN(2) == 0:
					total += float64(r.IntN(30)) / 100
				}
				times, values = append(times, 1700000000000+i*60000), append(values, math.Round(total*100)/100)
			}
			chunk := xorChunk(times, values)
			for b.Loop() {
				var err error
				if times, values, _, err = source.Unpack(chunk, times[:0], values[:0]); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(chunk))/120, "bytes/sample")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/120, "ns/sample")
		})
	}
}
