package chargeback

import (
	"context"
	"math/big"
)

// Exact returns the costs of a report before they are rounded, list, contracted
// and effective, by group, the total under "".
func Exact(ctx context.Context, env Environment, req Request) (map[string][3]*big.Rat, error) {
	_, b, _, err := report(ctx, env, req)
	if err != nil {
		return nil, err
	}
	out := map[string][3]*big.Rat{"": {new(big.Rat), new(big.Rat), new(big.Rat)}}
	for _, g := range b.sorted() {
		t := g.total
		own := [3]*big.Rat{t.cost.Exact(), t.contracted.Exact(), t.effective.Exact()}
		out[g.key.String()] = own
		for i := range own {
			out[""][i].Add(out[""][i], own[i])
		}
	}
	return out, nil
}
