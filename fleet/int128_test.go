package fleet

import (
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

func TestInt128AgainstBig(t *testing.T) {
	edge := []int64{0, 1, -1, math.MaxInt64, math.MinInt64, 1 << 32, -(1 << 32), math.MaxInt32}
	number := rapid.OneOf(rapid.SampledFrom(edge), rapid.Int64())
	modulus := new(big.Int).Lsh(big.NewInt(1), 128)
	half := new(big.Int).Lsh(big.NewInt(1), 127)
	wrap := func(x *big.Int) *big.Int { // to [-2^127, 2^127)
		x.Add(x, half)
		x.Mod(x, modulus)
		return x.Sub(x, half)
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b, c, d := number.Draw(t, "a"), number.Draw(t, "b"), number.Draw(t, "c"), number.Draw(t, "d")
		x, y := Mul128(a, b), Mul128(c, d)
		bx := new(big.Int).Mul(big.NewInt(a), big.NewInt(b))
		by := new(big.Int).Mul(big.NewInt(c), big.NewInt(d))
		if x.Big().Cmp(bx) != 0 {
			t.Fatalf("%d × %d = %v", a, b, x.Big())
		}
		if got := Int128From(a).Big(); got.Cmp(big.NewInt(a)) != 0 {
			t.Fatalf("%d widens to %v", a, got)
		}
		if got, want := x.Add(y).Big(), wrap(new(big.Int).Add(bx, by)); got.Cmp(want) != 0 {
			t.Fatalf("%v + %v = %v, want %v", bx, by, got, want)
		}
		if got := x.Cmp(y); got != bx.Cmp(by) {
			t.Fatalf("%v against %v: %d", bx, by, got)
		}
		if want, _ := new(big.Float).SetInt(bx).Float64(); x.Float64() != want {
			t.Fatalf("%v as a float: %v, want %v", bx, x.Float64(), want)
		}
		if a >= 0 && b >= 0 {
			k := rapid.Uint64().Draw(t, "k")
			want := wrap(new(big.Int).Mul(bx, new(big.Int).SetUint64(k)))
			if got := x.MulUint64(k).Big(); got.Cmp(want) != 0 {
				t.Fatalf("%v × %d = %v, want %v", bx, k, got, want)
			}
		}
	})
}
