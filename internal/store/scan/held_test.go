package scan

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestHeld: what is held comes out as it went in, day by day, with values of any
// size, gaps and changes of step, and after it was used for another host.
func TestHeld(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var h held
	for round := range 50 {
		h.reset()
		var want []sample
		at := int64(random.IntN(1000))
		for range random.IntN(4) {
			var day []sample
			for range random.IntN(300) {
				x := sample{start: at, value: int64(random.Uint32() >> 1), step: 60_000}
				if random.IntN(50) == 0 {
					x.step = 300_000
				}
				if round%2 == 1 && random.IntN(100) == 0 {
					x.value = []int64{-1, math.MaxInt32, math.MaxInt32 + 1, math.MaxInt64, math.MinInt64}[random.IntN(5)]
				}
				if at += int64(x.step); random.IntN(40) == 0 {
					at += 1 + int64(random.IntN(100))
				}
				day = append(day, x)
			}
			h.add(day)
			want = append(want, day...)
		}
		if got := slices.Collect(h.all); !slices.Equal(got, want) {
			t.Fatalf("round %d: %d samples came out of %d", round, len(got), len(want))
		}
		if n := len(h.values) + len(h.wide); n != len(want) {
			t.Errorf("round %d: %d values of %d samples", round, n, len(want))
		}
		for x := range h.all {
			if x != want[0] {
				t.Errorf("round %d: the first is %v, wanted %v", round, x, want[0])
			}
			break
		}
	}
}
