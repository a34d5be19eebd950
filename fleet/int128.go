package fleet

import (
	"math/big"
	"math/bits"
)

// Int128 is a signed integer of 128 bits: wide enough for sums of squares of
// scaled values times milliseconds over any fleet, so that adding in any order
// gives the same result.
type Int128 struct {
	Hi int64
	Lo uint64
}

// Int128From widens an integer.
func Int128From(x int64) Int128 { return Int128{x >> 63, uint64(x)} }

// Mul128 is the product of two integers.
func Mul128(a, b int64) Int128 {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	h := int64(hi)
	if a < 0 {
		h -= b
	}
	if b < 0 {
		h -= a
	}
	return Int128{h, lo}
}

// Add returns x + y.
func (x Int128) Add(y Int128) Int128 {
	lo, carry := bits.Add64(x.Lo, y.Lo, 0)
	return Int128{x.Hi + y.Hi + int64(carry), lo}
}

// MulUint64 returns x × k for an x that is not negative.
func (x Int128) MulUint64(k uint64) Int128 {
	hi, lo := bits.Mul64(x.Lo, k)
	return Int128{int64(hi) + x.Hi*int64(k), lo}
}

// Cmp is -1, 0 or 1 as x is below, equal to or above y.
func (x Int128) Cmp(y Int128) int {
	switch {
	case x.Hi < y.Hi || x.Hi == y.Hi && x.Lo < y.Lo:
		return -1
	case x == y:
		return 0
	}
	return 1
}

// Big returns x as a big integer.
func (x Int128) Big() *big.Int {
	b := new(big.Int).SetInt64(x.Hi)
	b.Lsh(b, 64)
	return b.Add(b, new(big.Int).SetUint64(x.Lo))
}

// Float64 returns the nearest float to x.
func (x Int128) Float64() float64 {
	if x.Hi == 0 && x.Lo < 1<<53 {
		return float64(x.Lo)
	}
	f, _ := new(big.Float).SetInt(x.Big()).Float64()
	return f
}

func bigFloat(x *big.Int) (float64, big.Accuracy) {
	return new(big.Float).SetInt(x).Float64()
}
