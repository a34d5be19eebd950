package money

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
)

// ErrNoWeight is the error of a split among weights that are all zero, or none:
// nothing says who gets the amount.
var ErrNoWeight = errors.New("no weight above zero")

// Split shares the rounded total among weights in proportion, by the largest
// remainder: each part is its exact share rounded down or up to a minor unit,
// and the parts sum to total.Round() to the last unit. Units that remain go to
// the largest remainders, equal ones in the order given. A part of weight zero
// is zero. A negative weight is an error that names its place; so are weights
// that are all zero, unless there is nothing to share. A negative total splits
// as the positive one does.
func Split(total Amount, weights []Number) ([]Amount, error) {
	quotas := make([]*big.Rat, len(weights))
	sum := new(big.Rat)
	for i, w := range weights {
		if w.Sign() < 0 {
			return nil, fmt.Errorf("split %s: weight %d is negative: %s", total, i+1, w)
		}
		quotas[i] = w.rat()
		sum.Add(sum, quotas[i])
	}
	whole := total.minor()
	if sum.Sign() == 0 {
		if whole.Sign() != 0 {
			return nil, fmt.Errorf("split %s: %w", total, ErrNoWeight)
		}
		return zeros(len(weights), total.Currency()), nil
	}
	unit := new(big.Rat).Quo(new(big.Rat).SetInt(new(big.Int).Abs(whole)), sum)
	for _, q := range quotas {
		q.Mul(q, unit)
	}
	parts := largestRemainder(new(big.Int).Abs(whole), quotas)
	return amounts(parts, whole.Sign() < 0, total.Currency()), nil
}

// RoundParts rounds exact parts so that they sum to their own rounded sum, each
// rounded down or up to a minor unit, and returns that sum. Parts may be
// negative. All must be of one currency.
func RoundParts(parts []Amount) (rounded []Amount, total Amount, err error) {
	if total, err = Sum(parts...); err != nil {
		return nil, Amount{}, err
	}
	total = total.Round()
	rounded, err = RoundPartsTo(total, parts)
	return rounded, total, err
}

// RoundPartsTo rounds exact parts so that they sum to a total that was rounded
// before, as the lines of a group whose sum is already printed. The total may
// lie less than a minor unit from the exact sum of the parts; a further one is
// an error, use [Split] there.
func RoundPartsTo(total Amount, parts []Amount) ([]Amount, error) {
	sum, err := Sum(parts...)
	if err != nil {
		return nil, err
	}
	diff, err := total.Sub(sum)
	if err != nil {
		return nil, err
	}
	c := total.Currency()
	scale := new(big.Rat).SetInt(scaleOf(c.Digits()))
	if d := diff.Exact(); d.Mul(d.Abs(d), scale).Cmp(big.NewRat(1, 1)) >= 0 {
		return nil, fmt.Errorf("round parts of %s: they sum to %s", total, sum.Decimal(c.Digits()+2))
	}
	quotas := make([]*big.Rat, len(parts))
	for i, p := range parts {
		quotas[i] = p.Exact()
		quotas[i].Mul(quotas[i], scale)
	}
	return amounts(largestRemainder(total.minor(), quotas), false, c), nil
}

// largestRemainder rounds the quotas down and hands the units that are missing
// to whole to the largest remainders, ties in order. Where the quotas sum to
// nearly one less than whole, or more, all of them suffice.
func largestRemainder(whole *big.Int, quotas []*big.Rat) []*big.Int {
	parts, rests := make([]*big.Int, len(quotas)), make([]*big.Rat, len(quotas))
	missing := new(big.Int).Set(whole)
	order := make([]int, len(quotas))
	for i, q := range quotas {
		floor := new(big.Int)
		floor.DivMod(q.Num(), q.Denom(), new(big.Int)) // Euclidean: down, for negative ones too
		parts[i], order[i] = floor, i
		rests[i] = new(big.Rat).Sub(q, new(big.Rat).SetInt(floor))
		missing.Sub(missing, floor)
	}
	slices.SortStableFunc(order, func(a, b int) int { return rests[b].Cmp(rests[a]) })
	one := big.NewInt(1)
	for i := 0; missing.Sign() > 0; i = (i + 1) % len(order) {
		parts[order[i]].Add(parts[order[i]], one)
		missing.Sub(missing, one)
	}
	for i := len(order) - 1; missing.Sign() < 0; i-- { // whole lies below the sum of the floors: at most one unit
		parts[order[i]].Sub(parts[order[i]], one)
		missing.Add(missing, one)
	}
	return parts
}

func zeros(n int, c Currency) []Amount {
	out := make([]Amount, n)
	for i := range out {
		out[i] = Zero(c)
	}
	return out
}

func amounts(minor []*big.Int, negative bool, c Currency) []Amount {
	out := make([]Amount, len(minor))
	for i, n := range minor {
		if negative {
			n.Neg(n)
		}
		out[i] = fromMinor(n, c)
	}
	return out
}
