package statistics

import (
	"math"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// slope fits a line through the means of steps, in unit per day, and gives its
// 95 % interval with the number of points reduced for autocorrelation; the
// formula and its source are in docs/statistics.md.
func slope(points []Point) (estimate, low, high *float64) {
	var x, y []float64
	for i := range points {
		p := &points[i]
		if p.Mean == nil {
			continue
		}
		middle := p.Start.Add(p.End.Sub(p.Start) / 2)
		x = append(x, middle.Sub(points[0].Start).Hours()/24)
		y = append(y, *p.Mean)
	}
	n := float64(len(x))
	if n < 2 {
		return nil, nil, nil
	}
	intercept, b := stat.LinearRegression(x, y, nil, false)
	estimate = &b
	if n < 3 {
		return estimate, nil, nil
	}
	residuals := make([]float64, len(x))
	var squares, lagged, spread float64
	meanX := stat.Mean(x, nil)
	for i := range x {
		residuals[i] = y[i] - intercept - b*x[i]
		squares += residuals[i] * residuals[i]
		spread += (x[i] - meanX) * (x[i] - meanX)
		if i > 0 {
			lagged += residuals[i] * residuals[i-1]
		}
	}
	independent := n
	if squares > 0 {
		r := max(0, lagged/squares)
		independent = min(n, n*(1-r)/(1+r))
	}
	if independent <= 2 {
		return estimate, nil, nil
	}
	deviation := math.Sqrt(squares / (independent - 2) / spread)
	half := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: independent - 2}.Quantile(0.975) * deviation
	if math.IsNaN(half) || math.IsInf(half, 0) {
		return estimate, nil, nil // hardly any independent point: no bound
	}
	l, h := b-half, b+half
	return estimate, &l, &h
}
