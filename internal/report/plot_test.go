package report

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
	"pgregory.net/rapid"
)

// month is a plot of 28 days of two departments with gaps of one and two days and a series that begins late.
func month() PlotSpec {
	var times []time.Time
	eng, data := make([]float64, 28), make([]float64, 28)
	for i := range eng {
		times = append(times, time.Date(2013, 8, 1+i, 0, 0, 0, 0, time.UTC))
		eng[i] = 0.3 + 0.02*float64((i*7)%11)
		data[i] = 0.1 + 0.01*float64(i)
	}
	for _, gap := range []int{5, 6, 8} {
		eng[gap] = math.NaN()
	}
	data[0], data[27] = math.NaN(), math.NaN()
	return PlotSpec{
		Title: "p95 of cpu_usage", Kind: KindRatio, Labels: TimeLabels(times, nil),
		Series: []PlotSeries{{"engineering", eng}, {"東京 data", data}},
	}
}

func TestPlot(t *testing.T) {
	f := func(file string, style Style, spec PlotSpec) {
		t.Helper()
		golden(t, file, func(b *bytes.Buffer) error { return Plot(b, style, spec) })
	}
	f("plot.golden", Style{Unicode: true}, month())
	f("plot_ascii.golden", Style{}, month())
	f("plot_color.golden", Style{Unicode: true, Color: true}, month())
	f("plot_40.golden", Style{Unicode: true, Width: 40}, month())
	f("plot_200.golden", Style{Unicode: true, Width: 200}, month())

	many := PlotSpec{Title: "memory_used_bytes", Kind: KindBytes, Tight: true, Height: 6}
	one := make([]float64, 720)
	var times []time.Time
	for i := range one {
		one[i] = 40e9 + 1e7*float64(i%24)
		times = append(times, time.Date(2013, 8, 1, i, 0, 0, 0, time.UTC))
	}
	many.Series, many.Labels = []PlotSeries{{"", one}}, TimeLabels(times, nil)
	f("plot_bytes.golden", Style{Unicode: true, Width: 100}, many)

	cores := PlotSpec{Kind: KindNumber, Unit: "cores", Series: []PlotSeries{{"a", []float64{-1, 2.5, math.Inf(1), 7}}}}
	f("plot_cores.golden", Style{Unicode: true, Width: 60}, cores)
	f("plot_hosts.golden", Style{Unicode: true, Width: 60}, PlotSpec{Kind: KindInteger, Unit: "hosts", Series: []PlotSeries{{"", []float64{0, 3, 2, 2}}}})
	crowd := PlotSpec{Title: "more series than marks, more legend than line", Kind: KindDuration, Height: 8}
	for i := range 8 {
		name := strings.Repeat("long ", i) + string(rune('a'+i))
		crowd.Series = append(crowd.Series, PlotSeries{name, []float64{float64(i) * 600, float64(8-i) * 600}})
	}
	f("plot_crowd.golden", Style{Unicode: true, Width: 40}, crowd)
	f("plot_unknown.golden", Style{Unicode: true}, PlotSpec{Title: "nothing", Kind: KindRatio, Series: []PlotSeries{{"a", []float64{math.NaN()}}}})
}

func TestPlotErrors(t *testing.T) {
	f := func(spec PlotSpec, want string) {
		t.Helper()
		var b strings.Builder
		if err := Plot(&b, Style{}, spec); err == nil || err.Error() != want || b.Len() != 0 {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	series := []PlotSeries{{"a", []float64{1}}}
	f(PlotSpec{Title: "x", Kind: KindText, Series: series}, `plot "x": a text cannot be plotted`)
	f(PlotSpec{Kind: KindTime, Series: series}, `plot "": a time cannot be plotted`)
	f(PlotSpec{Kind: 99, Series: series}, `plot "": a kind 99 cannot be plotted`)
	f(PlotSpec{Kind: KindRatio}, `plot "": there are no series`)
	f(PlotSpec{Kind: KindRatio, Height: -1, Series: series}, `plot "": the height is -1`)
	f(PlotSpec{Kind: KindRatio, Series: series, Labels: []string{"a", "b"}}, `plot "": 2 labels for 1 points`)
	f(PlotSpec{Kind: KindRatio, Series: append(series, PlotSeries{"b", nil})}, `plot "": series "a" has 1 points, series "b" has 0`)
	if err := Plot(&fullWriter{}, Style{}, month()); !errors.Is(err, errFull) {
		t.Errorf("a full device: got %v", err)
	}
}

// TestPlotGapsAreNotBridged checks that a column is drawn just where points are known, also a lone one among unknowns.
func TestPlotGapsAreNotBridged(t *testing.T) {
	nan := math.NaN()
	f := func(values []float64, columns int, want string) {
		t.Helper()
		var got strings.Builder
		for _, v := range resample(values, columns) {
			if finite(v) {
				got.WriteByte('x')
			} else {
				got.WriteByte('.')
			}
		}
		if got.String() != want {
			t.Errorf("%v: got %s, want %s", values, got.String(), want)
		}
	}
	f([]float64{1, nan, 3}, 9, "xx....xxx")
	f([]float64{nan, 2, nan}, 9, "..xxxx...")
	f([]float64{nan, math.Inf(1), nan}, 9, ".........")
	f([]float64{1}, 5, "xxxxx")
	f([]float64{1, nan, nan, 2, nan, nan, 3, nan}, 4, "xx.x")
	f([]float64{1, nan}, 1, "x")
}

func TestResampleValues(t *testing.T) {
	f := func(values []float64, columns int, want ...float64) {
		t.Helper()
		if got := resample(values, columns); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%v: got %v, want %v", values, got, want)
		}
	}
	f([]float64{0, 4}, 5, 0, 1, 2, 3, 4)
	f([]float64{0, 4, 2}, 3, 0, 4, 2)
	f([]float64{1, 3, 10, 20, math.NaN(), 7}, 3, 2, 15, 7)
}

// TestPlotAxis checks that axes have round steps, hold the values and start at zero unless told otherwise.
func TestPlotAxis(t *testing.T) {
	f := func(spec PlotSpec, low, high float64, want string) {
		t.Helper()
		a := newAxis(spec, low, high)
		got := fmt.Sprint(a.label(0), " to ", a.label(1), " by ", a.format(a.step))
		if got != want {
			t.Errorf("%s %g to %g: got %s, want %s", spec.Kind, low, high, got, want)
		}
	}
	f(PlotSpec{Kind: KindRatio}, 0.12, 0.97, "0 % to 100 % by 10 %")
	f(PlotSpec{Kind: KindRatio}, 0.001, 0.0123, "0.0 % to 1.4 % by 0.2 %")
	f(PlotSpec{Kind: KindRatio, Tight: true}, 0.4011, 0.4012, "40.110 % to 40.120 % by 0.001 %")
	f(PlotSpec{Kind: KindRatio}, 0, 0, "0 % to 100 % by 10 %")
	f(PlotSpec{Kind: KindRatio}, 0, 2.2, "0 % to 225 % by 25 %")
	f(PlotSpec{Kind: KindBytes}, 0, 24e9, "0 B to 24.0 GiB by 3.0 GiB")
	f(PlotSpec{Kind: KindByteRate}, 100, 1000, "0 B/s to 1.0 KiB/s by 128 B/s")
	f(PlotSpec{Kind: KindInteger}, 0, 3, "0 to 3 by 1")
	f(PlotSpec{Kind: KindInteger}, 0, 21, "0 to 25 by 5")
	f(PlotSpec{Kind: KindInteger}, 0, 250, "0 to 250 by 25")
	f(PlotSpec{Kind: KindNumber, Unit: "cores"}, -3, 3, "-3 cores to 3 cores by 1 cores")
	f(PlotSpec{Kind: KindDuration}, 0, 86400, "0s to 1d by 3h")
	f(PlotSpec{Kind: KindDuration}, 0, 0.02, "0s to 20ms by 2ms")
	f(PlotSpec{Kind: KindDuration}, 0, 5000, "0s to 1h30m by 10m")
	f(PlotSpec{Kind: KindDuration}, 0, 3e7, "0s to 350d by 50d")
	f(PlotSpec{Kind: KindNumber, Tight: true}, 5, 5, "5.0 to 10.0 by 0.5")
}

func TestPlotLabels(t *testing.T) {
	at := func(list ...string) (times []time.Time) {
		for _, s := range list {
			v, err := time.Parse("2006-01-02 15:04", s)
			if err != nil {
				t.Fatal(err)
			}
			times = append(times, v)
		}
		return times
	}
	f := func(location *time.Location, times []time.Time, want string) {
		t.Helper()
		if got := strings.Join(TimeLabels(times, location), ","); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	f(nil, nil, "")
	f(nil, at("2013-08-01 00:00"), "Aug 01")
	f(nil, at("2013-08-01 00:00", "2013-08-02 00:00"), "Aug 01,Aug 02")
	f(nil, at("2013-08-01 00:00", "2013-09-01 00:00"), "2013-08,2013-09")
	f(nil, at("2013-12-31 00:00", "2014-01-01 00:00"), "2013-12-31,2014-01-01")
	f(nil, at("2013-08-01 00:00", "2013-08-01 01:00"), "00:00,01:00")
	f(nil, at("2013-08-01 23:00", "2013-08-02 00:00"), "Aug 01 23:00,Aug 02 00:00")
	f(nil, at("2013-12-31 23:00", "2014-01-01 00:00"), "2013-12-31 23:00,2014-01-01 00:00")
	f(time.FixedZone("IST", 19800), at("2013-07-31 18:30", "2013-08-01 18:30"), "Aug 01,Aug 02")
}

// TestPlotTicksMatchPoints checks that the label under a tick is that of a point drawn in its column.
func TestPlotTicksMatchPoints(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, columns := rapid.IntRange(1, 500).Draw(t, "points"), rapid.IntRange(10, 200).Draw(t, "columns")
		point := rapid.IntRange(0, n-1).Draw(t, "point")
		column := columnOf(point, n, columns)
		if column < 0 || column >= columns {
			t.Fatalf("column %d of %d", column, columns)
		}
		if n > columns {
			if first, last := column*n/columns, (column+1)*n/columns-1; point < first || point > last {
				t.Fatalf("point %d is drawn in %d, which shows %d to %d", point, column, first, last)
			}
			return
		}
		if got := pointAt(column, n, columns); got != point {
			t.Fatalf("point %d is drawn in column %d, which shows %d", point, column, got)
		}
	})
}

// FuzzPlot draws any numbers in any style: there must be no panic, no escape sequence without colour, and no line
// longer than the width, if that leaves room for the labels and ten columns.
func FuzzPlot(f *testing.F) {
	f.Add(uint8(KindRatio), 80, 10, true, false, 0.1, 0.5, math.NaN(), 17)
	f.Add(uint8(KindBytes), 40, 3, false, true, 1e300, -1e300, 5e-324, 1)
	f.Add(uint8(KindNumber), 200, 0, false, true, math.MaxFloat64, -math.MaxFloat64, 0.0, 300)
	f.Add(uint8(KindDuration), 60, 5, true, true, 1e16, 1e16+2, math.Inf(-1), 5)
	f.Fuzz(func(t *testing.T, kind uint8, width, height int, unicode, tight bool, a, b, c float64, n int) {
		values := make([]float64, min(max(n, 0), 1000))
		labels := make([]string, len(values))
		for i := range values {
			values[i] = []float64{a, b, c}[i%3]
			labels[i] = fmt.Sprint("p", i)
		}
		var out strings.Builder
		style := Style{Unicode: unicode, Width: min(max(width, 0), 1000)}
		spec := PlotSpec{Kind: Kind(kind), Height: min(height, 50), Tight: tight, Labels: labels, Series: []PlotSeries{{"one", values}, {"two", values}}}
		if err := Plot(&out, style, spec); err != nil {
			return
		}
		lines := strings.Split(out.String(), "\n")
		left := strings.IndexAny(lines[0], "┤┼|+")
		if left < 0 || style.Width == 0 || left+20 > style.Width || n > 40 && style.Width < 40 {
			return
		}
		for _, line := range lines {
			if w := text.StringWidthWithoutEscSequences(line); w > max(style.Width, 45) {
				t.Fatalf("%d cells in a line of %d:\n%s", w, style.Width, out.String())
			}
			if strings.Contains(line, "\x1b") {
				t.Fatalf("an escape without colour: %q", line)
			}
		}
	})
}

func TestSparkline(t *testing.T) {
	f := func(style Style, want string, values ...float64) {
		t.Helper()
		if got := style.Sparkline(values); got != want {
			t.Errorf("%v: got %q, want %q", values, got, want)
		}
	}
	u := Style{Unicode: true}
	f(u, "▁▂▃▄▅▆▇█", 0, 1, 2, 3, 4, 5, 6, 7)
	f(Style{}, ".:-=+*#@", 0, 1, 2, 3, 4, 5, 6, 7)
	f(u, "▇ █", 0.9, math.NaN(), 1)
	f(u, "▁▁", 0, 0)
	f(u, "▁▅█", -1, 0, 1)
	f(u, "█▁", math.MaxFloat64, -math.MaxFloat64)
	f(u, "")
}

func TestBar(t *testing.T) {
	f := func(style Style, ratio float64, width int, want string) {
		t.Helper()
		if got := style.Bar(ratio, width); got != want {
			t.Errorf("%g: got %q, want %q", ratio, got, want)
		}
	}
	u := Style{Unicode: true}
	f(u, 0.5, 4, "██  ")
	f(u, 0.43, 10, "████▎     ")
	f(u, 1, 3, "███")
	f(u, 1.2, 3, "██>")
	f(u, 0, 2, "  ")
	f(u, -1, 2, "  ")
	f(u, math.NaN(), 2, "  ")
	f(u, 1, 0, "")
	f(Style{}, 0.5, 4, "##  ")
	f(Style{}, math.Inf(1), 4, "###>")
}

// TestPeaks: no drawing makes the greatest value smaller.
func TestPeaks(t *testing.T) {
	nan := math.NaN()
	f := func(values []float64, columns int, want ...float64) {
		t.Helper()
		if got := peaks(values, columns); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%v: got %v, want %v", values, got, want)
		}
	}
	f([]float64{1, 9, 2}, 3, 1, 9, 2)
	f([]float64{1, 9, 2}, 5, 1, 1, 9, 9, 2)
	f([]float64{1, 9, 2, nan, nan, -3, nan, math.Inf(1)}, 4, 9, 2, -3, nan)
	f([]float64{nan}, 2, nan, nan)
	var b strings.Builder
	spec := PlotSpec{Kind: KindInteger, Peaks: true, Series: []PlotSeries{{"", make([]float64, 500)}}}
	spec.Series[0].Values[250] = 8
	if err := Plot(&b, Style{Unicode: true, Width: 60}, spec); err != nil || !strings.Contains(strings.SplitN(b.String(), "\n", 2)[0], "╮") || !strings.Contains(b.String(), "each column is the greatest of about") {
		t.Errorf("%v:\n%s", err, b.String())
	}
}
