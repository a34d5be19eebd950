package fleet

import (
	"math/rand/v2"

	"pgregory.net/rapid"
)

// Between draws a number from lo to hi, half of the times with any number as
// likely as another: on its own, rapid draws mostly small ones.
func Between(t *rapid.T, lo, hi int64, label string) int64 {
	if rapid.Bool().Draw(t, label+" small") {
		return rapid.Int64Range(lo, hi).Draw(t, label)
	}
	r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, label), 1))
	return lo + r.Int64N(hi-lo+1)
}
