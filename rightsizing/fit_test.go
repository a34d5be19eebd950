package rightsizing

import (
	"math"
	"testing"
)

// rowsOf makes rows whose outcome follows log odds of a + steep x z exactly: of n
// at each z, the expected number exceed.
func rowsOf(n int, a, steep float64) []row {
	var rows []row
	for z := -9.0; z <= 3; z += 0.25 {
		exceed := int(math.Round(float64(n) * logistic(a+steep*z)))
		for i := range n {
			rows = append(rows, row{z, i < exceed})
		}
	}
	return rows
}

// TestFitFindsTheCurve: a fleet that breaks as the fixed slopes say teaches a and
// nothing else; in one that breaks more sharply the curve gets steeper; one that
// breaks less sharply does not make it flatter.
func TestFitFindsTheCurve(t *testing.T) {
	const prior = 3.0
	for name, c := range map[string]struct{ a, steep, wantA, wantSteeper float64 }{
		"as the slopes say": {4, 1, 4, 0},
		"sharper":           {6, 2, 3, 1}, // 6 + 2z = 3 + z + (z + 3)
		"less sharp":        {2, 0.5, math.NaN(), 0},
	} {
		got := fit(prior, rowsOf(4000, c.a, c.steep), 1)
		if math.Abs(got.steeper-c.wantSteeper) > 0.05 || math.Abs(got.a-c.wantA) > 0.15 {
			t.Errorf("%s: %+v, want a %v and steeper %v", name, got, c.wantA, c.wantSteeper)
		}
		if g := got.slope(rowsOf(4000, c.a, c.steep), 1); math.Abs(g.a) > 1e-3 || got.steeper > 0 && math.Abs(g.s) > 1e-3 || got.steeper == 0 && g.s < -1e-3 {
			t.Errorf("%s: %+v is not the mode: %+v", name, got, g)
		}
	}
	if got := fit(prior, nil, 0); got.a != prior || got.steeper != 0 || got.logOdds(-2) != 1 {
		t.Errorf("without rows: %+v", got)
	}
	few := fit(prior, rowsOf(4, 6, 2), 24)
	if few.steeper <= 0 || few.steeper > 0.9 {
		t.Errorf("few rows: %+v, want the prior to hold it back", few)
	}
}
