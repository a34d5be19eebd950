package chargeback

import (
	"fmt"
	"math/big"
	"slices"

	"github.com/leanfleet/leanfleet/money"
)

// roundTo rounds exact parts so that they sum to a whole that is rounded
// already, by the largest remainder, none above its ceiling; a nil ceiling is
// none. A part at its ceiling leaves its unit to the next one. Where all are at
// their ceilings the whole counts more than they do.
//
// It is what keeps the discounted cost of a line from being printed a cent above
// its list cost: each is rounded to a total of its own, and the remainders of
// the two need not be those of the same lines.
func roundTo(whole money.Amount, exact []money.Amount, ceilings []*money.Amount) ([]money.Amount, error) {
	missing, err := whole.Minor()
	if err != nil {
		return nil, err
	}
	unit := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(whole.Currency().Digits())), nil))
	parts, rests, order := make([]int64, len(exact)), make([]*big.Rat, len(exact)), make([]int, len(exact))
	for i, a := range exact {
		q := a.Exact()
		q.Mul(q, unit)
		floor := new(big.Int)
		floor.DivMod(q.Num(), q.Denom(), new(big.Int)) // Euclidean: down, for negative ones too
		if !floor.IsInt64() {
			return nil, fmt.Errorf("amount %s is out of range", a)
		}
		parts[i], order[i] = floor.Int64(), i
		rests[i] = q.Sub(q, new(big.Rat).SetInt(floor))
		missing -= parts[i]
	}
	room := make([]bool, len(exact))
	tops := make([]int64, len(exact))
	for i, c := range ceilings {
		if room[i] = c == nil; room[i] {
			continue
		}
		if tops[i], err = c.Minor(); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return rests[b].Cmp(rests[a]) })
	for bounded := true; missing > 0 && len(order) > 0; {
		before := missing
		for _, i := range order {
			if missing > 0 && (room[i] || !bounded || parts[i] < tops[i]) {
				parts[i]++
				missing--
			}
		}
		bounded = bounded && missing < before
	}
	for i := len(order) - 1; missing < 0 && i >= 0; i-- {
		parts[order[i]]--
		missing++
	}
	out := make([]money.Amount, len(parts))
	for i, n := range parts {
		out[i] = money.FromMinor(n, whole.Currency())
	}
	return out, nil
}

// ceilings are the rounded list costs of parts that cost no more than these,
// exactly; nil for all others.
func ceilings(exact, list []money.Amount, rounded []*money.Amount) []*money.Amount {
	out := make([]*money.Amount, len(exact))
	for i := range exact {
		if exact[i].Exact().Cmp(list[i].Exact()) <= 0 {
			out[i] = rounded[i]
		}
	}
	return out
}
