package statistics

import (
	"math"
	"testing"
	"time"
)

// pointsAt are points whose middles lie at x days, with means y.
func pointsAt(x, y []float64) []Point {
	base := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	var out []Point
	for i := range x {
		at := base.Add(time.Duration(x[i] * 24 * float64(time.Hour)))
		p := Point{Start: at, End: at}
		if !math.IsNaN(y[i]) {
			p.Mean = &y[i]
		}
		out = append(out, p)
	}
	return out
}

// wave is one turn of a cosine: of its points hardly one is independent.
func wave(n int) []float64 {
	y := make([]float64, n)
	for i := range y {
		y[i] = math.Cos(2 * math.Pi * float64(i) / float64(n))
	}
	return y
}

func upTo(n int) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = float64(i)
	}
	return x
}

// TestSlope holds slopes and intervals against figures worked out elsewhere.
func TestSlope(t *testing.T) {
	for name, c := range map[string]struct {
		x, y             []float64
		slope, low, high float64
	}{
		// F. J. Anscombe, "Graphs in Statistical Analysis", The American Statistician
		// 27 (1973): the first of the four sets in the order of x. Its residuals are not
		// positively autocorrelated, so the interval is that of plain least squares,
		// as R prints it: confint(lm(y1 ~ x1, anscombe)) is 0.2333701 to 0.7668117.
		"Anscombe": {
			[]float64{4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14},
			[]float64{4.26, 5.68, 7.24, 4.82, 6.95, 8.81, 8.04, 8.33, 10.84, 7.58, 9.96},
			0.5000909, 0.2333701, 0.7668117,
		},
		// Heights and masses of the World Almanac of 1975, a usual example of simple
		// regression with the slope 61.272. Its residuals follow each other with
		// r = 0.557432, so 15 points count as 4.262476; the interval is from a program
		// of its own that integrates Student's density by Simpson's rule.
		"autocorrelated": {
			[]float64{1.47, 1.50, 1.52, 1.55, 1.57, 1.60, 1.63, 1.65, 1.68, 1.70, 1.73, 1.75, 1.78, 1.80, 1.83},
			[]float64{52.21, 53.12, 54.48, 55.84, 57.20, 58.57, 59.93, 61.29, 63.11, 64.47, 66.28, 68.10, 69.92, 72.19, 74.46},
			61.2721865, 44.8487081, 77.6956650,
		},
		// A slow wave on a slight rise, from the same program: r = 0.546106, 12 points
		// count as 3.522865.
		"wave": {
			upTo(12), []float64{0.50, 0.54, 0.55, 0.51, 0.47, 0.48, 0.53, 0.58, 0.60, 0.59, 0.55, 0.56},
			0.0065035, -0.0395723, 0.0525793,
		},
	} {
		b, low, high := slope(pointsAt(c.x, c.y))
		if b == nil || low == nil || high == nil {
			t.Errorf("%s: %v %v %v", name, b, low, high)
			continue
		}
		for _, v := range []struct{ got, want float64 }{{*b, c.slope}, {*low, c.low}, {*high, c.high}} {
			if math.Abs(v.got-v.want) > 2e-7*max(1, math.Abs(v.want)) {
				t.Errorf("%s: got %.7f, want %.7f", name, v.got, v.want)
			}
		}
	}
}

// TestSlopeUnknown: what too few points cannot say is null.
func TestSlopeUnknown(t *testing.T) {
	gap := math.NaN()
	for name, c := range map[string]struct {
		y                   []float64
		hasSlope, hasBounds bool
	}{
		"none":                      {nil, false, false},
		"no samples":                {[]float64{gap, gap, gap}, false, false},
		"one":                       {[]float64{1}, false, false},
		"one of many":               {[]float64{gap, 1, gap}, false, false},
		"two":                       {[]float64{1, 2}, true, false},
		"two of many":               {[]float64{1, gap, gap, 2}, true, false},
		"three on a line":           {[]float64{1, 2, 3}, true, true},
		"constant":                  {[]float64{5, 5, 5, 5}, true, true},
		"a wave: r leaves too few":  {wave(200), true, false},
		"gaps are left out, not 0s": {[]float64{1, gap, 3, gap, 5}, true, true},
	} {
		b, low, high := slope(pointsAt(upTo(len(c.y)), c.y))
		if (b != nil) != c.hasSlope || (low != nil) != c.hasBounds || (high != nil) != c.hasBounds {
			t.Errorf("%s: slope %v, from %v to %v", name, b, low, high)
		}
	}
	b, low, high := slope(pointsAt(upTo(5), []float64{1, gap, 3, gap, 5}))
	for _, v := range []*float64{b, low, high} {
		if math.Abs(*v-1) > 1e-12 {
			t.Errorf("slope of a line with gaps: %v", *v)
		}
	}
}

// TestSlopeHardlyIndependent: an interval that no float can hold is unknown,
// never infinite. JSON could not carry it.
func TestSlopeHardlyIndependent(t *testing.T) {
	// A bend: the residuals' r comes arbitrarily close to where n' is 2.
	for k := range 2000 {
		y := []float64{0, 0, 0, 0, 1, 1, 1, float64(k) / 1000}
		_, low, high := slope(pointsAt(upTo(len(y)), y))
		for _, v := range []*float64{low, high} {
			if v != nil && (math.IsNaN(*v) || math.IsInf(*v, 0)) {
				t.Fatalf("%v: bound %v", y, *v)
			}
		}
	}
}
