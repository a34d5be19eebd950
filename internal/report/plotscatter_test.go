package report

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"
)

// policies are points as a back-test has them.
func policies() ScatterSpec {
	limit := 0.05
	s := ScatterSpec{Title: "what was saved, and what broke", XName: "saved, of the cost", YName: "broken, of the changed hosts",
		XKind: KindRatio, YKind: KindRatio, Limit: &limit, LimitName: "5 %"}
	add := func(mark rune, name string, x, y float64) {
		s.Points = append(s.Points, ScatterPoint{Name: name, Mark: mark, X: x, Y: y, Strong: mark >= '1' && mark <= '9'})
	}
	add('1', "leanfleet 95 %", 0.399, 0.042)
	add('a', "aws-default", 0.415, 0.167)
	add('A', "aws-default+swap", 0.439, 0.131)
	add('b', "max", 0.414, 0.162)
	add('B', "max+swap", 0.435, 0.135)
	add('c', "vpa", 0.497, 0.384)
	add('*', "clairvoyant", 0.448, 0)
	add('?', "nobody", math.NaN(), 0)
	return s
}

func TestScatter(t *testing.T) {
	f := func(name string, style Style, spec ScatterSpec) {
		t.Helper()
		var b strings.Builder
		if err := Scatter(&b, style, spec); err != nil {
			t.Fatal(err)
		}
		golden(t, name, func(w *bytes.Buffer) error { return Scatter(w, style, spec) })
		for line := range strings.SplitSeq(b.String(), "\n") {
			if w := cellWidth(line); style.Width > 0 && w > style.Width {
				t.Errorf("%s: a line of %d cells: %s", name, w, line)
			}
		}
	}
	f("scatter.golden", Style{Unicode: true}, policies())
	f("scatter_ascii_60.golden", Style{Width: 60}, policies())
	f("scatter_color_120.golden", Style{Unicode: true, Color: true, Width: 120}, policies())
	one := ScatterSpec{XKind: KindRatio, YKind: KindInteger, Height: 4, Points: []ScatterPoint{{Name: "a", Mark: 'a', X: 0.5, Y: 3}}}
	for range 7 { // a crowd on one cell
		one.Points = append(one.Points, ScatterPoint{Name: "b", Mark: 'b', X: 0.5, Y: 3})
	}
	f("scatter_crowd.golden", Style{Unicode: true, Width: 40}, one)
	f("scatter_unknown.golden", Style{Unicode: true}, ScatterSpec{Title: "nothing", XKind: KindRatio, YKind: KindRatio, Points: []ScatterPoint{{Name: "a", X: math.Inf(1)}}})
}

func TestScatterErrors(t *testing.T) {
	f := func(spec ScatterSpec, want string) {
		t.Helper()
		var b strings.Builder
		if err := Scatter(&b, Style{}, spec); err == nil || err.Error() != want || b.Len() != 0 {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	points := []ScatterPoint{{Name: "a"}}
	f(ScatterSpec{XKind: KindText, YKind: KindRatio, Points: points}, `plot "": a text cannot be plotted`)
	f(ScatterSpec{XKind: KindRatio, YKind: KindTime, Points: points}, `plot "": a time cannot be plotted`)
	f(ScatterSpec{XKind: KindRatio, YKind: KindRatio}, `plot "": there are no points`)
	f(ScatterSpec{XKind: KindRatio, YKind: KindRatio, Height: -1, Points: points}, `plot "": the height is -1`)
	if err := Scatter(&fullWriter{}, Style{}, policies()); !errors.Is(err, errFull) {
		t.Errorf("a full device: got %v", err)
	}
}

// FuzzScatter: no numbers crash it, lose a point from the legend, or make a line
// longer than the terminal.
func FuzzScatter(f *testing.F) {
	f.Add(0.4, 0.1, 0.5, 0.2, 80, true)
	f.Add(0.0, 0.0, 0.0, 0.0, 20, false)
	f.Add(math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, math.NaN(), 40, true)
	f.Fuzz(func(t *testing.T, x1, y1, x2, y2 float64, width int, unicode bool) {
		style := Style{Width: min(max(width, 30), 300), Unicode: unicode}
		spec := ScatterSpec{XKind: KindRatio, YKind: KindRatio, XName: "x", YName: "y", Limit: &y2, LimitName: "limit",
			Points: []ScatterPoint{{Name: "first", Mark: '1', X: x1, Y: y1}, {Name: "second", Mark: '2', X: x2, Y: y2}}}
		var b strings.Builder
		if err := Scatter(&b, style, spec); err != nil {
			t.Fatal(err)
		}
		known := finite(x1) && finite(y1) || finite(x2) && finite(y2)
		if known != (strings.Contains(b.String(), "1 first") && strings.Contains(b.String(), "2 second")) {
			t.Errorf("%s", b.String())
		}
		lines := strings.Split(b.String(), "\n")
		if left := strings.IndexAny(lines[1], "┤│|+"); !known || left+20 > style.Width {
			return // labels that are wider than the terminal
		}
		for _, line := range lines {
			if w := cellWidth(line); w > style.Width {
				t.Errorf("a line of %d cells at a width of %d: %s", w, style.Width, line)
			}
		}
	})
}
