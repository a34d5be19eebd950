package report

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/guptarohit/asciigraph"
)

// The size of a plot. The width counts the labels of the y-axis, and is what an unlimited Style gets; a wider terminal
// is used up to the greatest width.
const (
	plotWidth    = 80
	plotWidthMax = 200
	plotColumns  = 10 // at least, even where the labels leave less
	plotHeight   = 10
)

// PlotSeries is one line of a plot.
type PlotSeries struct {
	Name string
	// Values are the points in order; one that is not finite is unknown and leaves a gap.
	Values []float64
}

// PlotSpec says what to plot.
type PlotSpec struct {
	Title string
	// Kind is what the values are: any kind that is a quantity. Durations are in seconds.
	Kind Kind
	// Unit follows the numbers of the y-axis where the kind does not say it, such as "cores".
	Unit string
	// Labels name the points along the x-axis, as TimeLabels does for times; as many as there are points, or none.
	Labels []string
	Series []PlotSeries
	// Height is the greatest number of rows above the lowest; 0 means 10. Where a coarser round step needs fewer, fewer
	// are drawn.
	Height int
	// Peaks shows in each column the greatest of its points, and no line between
	// two: for what must not be made smaller by drawing it.
	Peaks bool
	// Tight lets the y-axis begin near the smallest value instead of at zero, so that small changes are seen.
	Tight bool
}

// Plot draws a plot: title, lines over a y-axis with round numbers in the right unit, labels along the x-axis and,
// with more than one series, a legend. Points that are unknown are gaps, never bridged. With more points than columns
// each column shows the mean of the known points that fall on it, and a line beneath says so. Without colour the series
// differ by what they are drawn with. If no value is known, a sentence says that in place of the plot. Series of
// different lengths, a kind that is no quantity and a number of labels that is not that of the points are errors.
func Plot(w io.Writer, style Style, spec PlotSpec) error {
	n, err := spec.check()
	if err != nil {
		return fmt.Errorf("plot %q: %w", spec.Title, err)
	}
	var b strings.Builder
	if spec.Title != "" {
		b.WriteString(style.paint(ansiBold, printable(spec.Title)) + "\n")
	}
	if low, high, known := spec.bounds(); known {
		spec.draw(&b, style, n, newAxis(spec, low, high))
	} else {
		b.WriteString("nothing to plot: no value is known\n")
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write plot: %w", err)
	}
	return nil
}

// check returns the number of points.
func (s PlotSpec) check() (int, error) {
	if s.Kind == KindText || s.Kind == KindTime || int(s.Kind) >= len(kindNames) {
		return 0, fmt.Errorf("a %s cannot be plotted", s.Kind)
	}
	if s.Height < 0 {
		return 0, fmt.Errorf("the height is %d", s.Height)
	}
	if len(s.Series) == 0 {
		return 0, errors.New("there are no series")
	}
	n := len(s.Series[0].Values)
	for _, series := range s.Series {
		if len(series.Values) != n {
			return 0, fmt.Errorf("series %q has %d points, series %q has %d", s.Series[0].Name, n, series.Name, len(series.Values))
		}
	}
	if len(s.Labels) != 0 && len(s.Labels) != n {
		return 0, fmt.Errorf("%d labels for %d points", len(s.Labels), n)
	}
	return n, nil
}

// bounds returns the smallest and greatest known value.
func (s PlotSpec) bounds() (low, high float64, known bool) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, series := range s.Series {
		for _, v := range series.Values {
			if finite(v) {
				low, high, known = min(low, v), max(high, v), true
			}
		}
	}
	return low, high, known
}

// draw writes the lines, axes and legend.
func (s PlotSpec) draw(b *strings.Builder, style Style, n int, y axis) {
	width := style.Width
	if width == 0 {
		width = plotWidth
	}
	// asciigraph puts a space before the label, then a space and the axis.
	left := y.labelWidth() + 3
	columns := max(min(width, plotWidthMax)-left, plotColumns)
	data := make([][]float64, len(s.Series))
	for i, series := range s.Series {
		data[i] = s.fit(series.Values, columns)
		for x, v := range data[i] {
			data[i][x] = y.share(v)
		}
	}
	marks := seriesMarks(style, len(s.Series))
	options := []asciigraph.Option{
		asciigraph.Height(y.rows), asciigraph.LowerBound(0), asciigraph.UpperBound(1),
		asciigraph.Offset(3),
		asciigraph.YAxisValueFormatter(y.label),
		asciigraph.SeriesChars(marks.chars...),
	}
	if style.Color {
		options = append(options, asciigraph.SeriesColors(marks.colors...))
	}
	plot := asciigraph.PlotMany(data, options...)
	if !style.Unicode {
		plot = strings.NewReplacer("┤", "|", "┼", "+").Replace(plot)
	}
	b.WriteString(plot + "\n")
	s.writeLabels(b, style, n, left, columns)
	if len(s.Series) > 1 {
		s.writeLegend(b, style, marks, width)
	}
	if n > columns {
		mean := strconv.FormatFloat(float64(n)/float64(columns), 'f', 1, 64)
		figure := "mean"
		if s.Peaks {
			figure = "greatest"
		}
		b.WriteString(style.paint(ansiDim, "each column is the "+figure+" of about "+mean+" points") + "\n")
	}
}

// axis is a y-axis whose lines lie at round numbers.
type axis struct {
	low, step float64
	rows      int
	format    func(float64) string
}

// newAxis returns the axis with the finest round step that holds the values within the rows.
func newAxis(s PlotSpec, low, high float64) axis {
	rows := s.Height
	if rows == 0 {
		rows = plotHeight
	}
	if !s.Tight {
		low, high = min(low, 0), max(high, 0)
	}
	if low == high {
		high = low + max(math.Abs(low), 1)
	}
	// Halves, because the whole range of float64 is beyond float64; and not below what a power of ten can be taken of.
	finest := max((high/2-low/2)/float64(rows)*2, 1e-300)
	wanted := finest
	for range 64 {
		// The beginning is rounded down to a step too, which can cost the next larger step.
		step := s.roundStep(wanted)
		from := math.Floor(low/step) * step
		if from/2+step/2*float64(rows) >= high/2 && finite(from) {
			needed := int(math.Ceil((high/2 - from/2) / step * 2))
			return axis{from, step, min(max(needed, 1), rows), s.labeller(step)}
		}
		wanted = step * 1.0001
	}
	// Values so large or so close that no round step fits between them.
	return axis{low, finest, rows, s.labeller(finest)}
}

// clockSteps are the round numbers of seconds between a second and a day.
var clockSteps = [...]float64{1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400}

// roundStep returns the smallest round number that is not below the wanted step: 1, 2, 2.5 or 5 times a power of ten,
// 1 or 1.5 times a power of two where people count in 1,024s, and what a clock or calendar shows for durations.
func (s PlotSpec) roundStep(wanted float64) float64 {
	if s.Kind == KindDuration && wanted > 0.5 {
		for _, step := range clockSteps {
			if step >= wanted {
				return step
			}
		}
		const daySeconds = 86400
		return PlotSpec{Kind: KindInteger}.roundStep(wanted/daySeconds) * daySeconds
	}
	if s.Kind == KindBytes || s.Kind == KindByteRate {
		power := math.Pow(2, math.Floor(math.Log2(wanted)))
		for _, m := range []float64{1, 1.5} {
			if power*m >= wanted {
				return power * m
			}
		}
		return power * 2
	}
	mantissas := []float64{1, 2, 2.5, 5}
	exponent := math.Floor(math.Log10(wanted))
	if s.Kind == KindInteger {
		if wanted <= 1 {
			return 1
		}
		if exponent == 0 {
			mantissas = []float64{1, 2, 5} // there are no half things
		}
	}
	for _, m := range mantissas {
		if step := scale10(m, exponent); step >= wanted {
			return step
		}
	}
	return scale10(1, exponent+1)
}

// scale10 returns m times ten to the exponent; dividing by a whole power keeps 0.1 and its like as near as they can be.
func scale10(m, exponent float64) float64 {
	if exponent < 0 && exponent > -300 {
		return m / math.Pow(10, -exponent)
	}
	return m * math.Pow(10, exponent)
}

// labeller returns how the numbers of the y-axis are written: with as many decimals as tell its steps apart.
func (s PlotSpec) labeller(step float64) func(float64) string {
	unit := ""
	if s.Unit != "" {
		unit = " " + printable(s.Unit)
	}
	switch s.Kind {
	case KindRatio:
		digits := stepDigits(step * 100)
		return func(v float64) string { return formatPercent(v, digits) }
	case KindBytes:
		return func(v float64) string { return formatBytes(v, step) }
	case KindByteRate:
		return func(v float64) string { return formatBytes(v, step) + "/s" }
	case KindDuration:
		return func(v float64) string { return FormatDuration(seconds(v)) }
	case KindInteger:
		return func(v float64) string { return FormatNumber(v, 0) + unit }
	default:
		digits := stepDigits(step)
		return func(v float64) string { return FormatNumber(v, digits) + unit }
	}
}

// seconds returns a number of seconds as a duration, the longest there is where it is longer.
func seconds(v float64) time.Duration {
	ns := v * 1e9
	switch {
	case ns >= math.MaxInt64:
		return math.MaxInt64
	case ns <= math.MinInt64:
		return math.MinInt64
	}
	return time.Duration(math.Round(ns))
}

// stepDigits returns how many decimals a round step has, at most 9.
func stepDigits(step float64) int {
	for digits := range 9 {
		scaled := scale10(step, float64(digits))
		if math.Abs(scaled-math.Round(scaled)) < 1e-6*math.Max(scaled, 1) && scaled >= 0.5 {
			return digits
		}
	}
	return 9
}

// share returns where a value lies between the ends of the axis, 0 to 1; NaN stays NaN.
func (a axis) share(v float64) float64 {
	share := (v/2 - a.low/2) / (a.step / 2 * float64(a.rows))
	if math.IsNaN(share) {
		return share
	}
	return min(max(share, 0), 1)
}

// label returns the text at a share of the axis.
func (a axis) label(share float64) string {
	return a.format(a.low + a.step*math.Round(share*float64(a.rows)))
}

// labelWidth returns the width of the widest label.
func (a axis) labelWidth() int {
	widest := 0
	for row := range a.rows + 1 {
		widest = max(widest, cellWidth(a.label(float64(row)/float64(a.rows))))
	}
	return widest
}

// fit brings points to a number of columns.
func (s PlotSpec) fit(values []float64, columns int) []float64 {
	if s.Peaks {
		return peaks(values, columns)
	}
	return resample(values, columns)
}

// peaks fits points to a number of columns: each shows the greatest of the known
// points that fall on it, or the one point it belongs to.
func peaks(values []float64, columns int) []float64 {
	out := make([]float64, columns)
	n := len(values)
	for x := range out {
		out[x] = math.NaN()
		for _, v := range values[x*n/columns : max((x+1)*n/columns, x*n/columns+1)] {
			if finite(v) && !(v <= out[x]) {
				out[x] = v
			}
		}
	}
	return out
}

// resample fits points to a number of columns. Fewer points are joined by lines, where both ends are known, and
// otherwise reach half-way to their neighbours; of more points each column gets the mean of the known ones.
func resample(values []float64, columns int) []float64 {
	out := make([]float64, columns)
	n := len(values)
	for x := range out {
		if n > columns {
			out[x] = meanKnown(values[x*n/columns : (x+1)*n/columns])
			continue
		}
		at := 0.0
		if columns > 1 {
			at = float64(x) * float64(n-1) / float64(columns-1)
		}
		before := int(at)
		after := min(before+1, n-1)
		part := at - float64(before)
		v := values[before]*(1-part) + values[after]*part
		if !finite(v) || part == 0 {
			v = values[int(math.Round(at))]
		}
		if !finite(v) {
			v = math.NaN()
		}
		out[x] = v
	}
	return out
}

// meanKnown returns the mean of the finite values, NaN if there is none.
func meanKnown(values []float64) float64 {
	mean, n := 0.0, 0.0
	for _, v := range values {
		if finite(v) {
			n++
			mean += v/n - mean/n
		}
	}
	if n == 0 {
		return math.NaN()
	}
	return mean
}
