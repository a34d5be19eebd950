package report

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
)

// ScatterPoint is one point of a [ScatterSpec].
type ScatterPoint struct {
	Name string
	// Mark is the character it is drawn with.
	Mark rune
	X, Y float64
	// Strong points are drawn over others, and bold where there are colours.
	Strong bool
}

// ScatterSpec says what points to plot.
type ScatterSpec struct {
	Title string
	// XName and YName say what the axes are.
	XName, YName string
	// XKind and YKind are what the numbers are: any kind that is a quantity.
	XKind, YKind Kind
	Points       []ScatterPoint
	// Limit is a value of the y-axis at which a line is drawn, LimitName what the
	// line is; nil draws none.
	Limit     *float64
	LimitName string
	// Height is the greatest number of rows above the lowest; 0 means 16.
	Height int
}

// The size of a scatter plot beside those of plots.
const (
	scatterHeight = 16
	scatterSteps  = 8 // labels of the y-axis, at most
	scatterTicks  = 7 // labels of the x-axis, at most
	scatterShift  = 2 // cells that a point may move aside
)

// Scatter draws points over two axes with round numbers, with a legend of the
// marks beneath. A point whose cell is taken moves aside by up to two cells;
// where that is not enough, the legend names the one that hides it. Points that
// are not finite are named in the legend without a place. No points, and kinds
// that are no quantities, are errors.
func Scatter(w io.Writer, style Style, spec ScatterSpec) error {
	if err := spec.check(); err != nil {
		return fmt.Errorf("plot %q: %w", spec.Title, err)
	}
	var b strings.Builder
	if spec.Title != "" {
		b.WriteString(style.paint(ansiBold, printable(spec.Title)) + "\n")
	}
	if low, high, known := spec.bounds(); known {
		s := newScatter(spec, style, low, high)
		s.draw(&b)
	} else {
		b.WriteString("nothing to plot: no value is known\n")
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write plot: %w", err)
	}
	return nil
}

func (s ScatterSpec) check() error {
	for _, k := range []Kind{s.XKind, s.YKind} {
		if k == KindText || k == KindTime || int(k) >= len(kindNames) {
			return fmt.Errorf("a %s cannot be plotted", k)
		}
	}
	if s.Height < 0 {
		return fmt.Errorf("the height is %d", s.Height)
	}
	if len(s.Points) == 0 {
		return errors.New("there are no points")
	}
	return nil
}

type place struct{ x, y float64 }

// bounds returns the smallest and greatest coordinates of the points that are
// known, with the limit.
func (s ScatterSpec) bounds() (low, high place, known bool) {
	low, high = place{math.Inf(1), math.Inf(1)}, place{math.Inf(-1), math.Inf(-1)}
	for _, p := range s.Points {
		if finite(p.X) && finite(p.Y) {
			low, high, known = place{min(low.x, p.X), min(low.y, p.Y)}, place{max(high.x, p.X), max(high.y, p.Y)}, true
		}
	}
	if s.Limit != nil && finite(*s.Limit) {
		low.y, high.y = min(low.y, *s.Limit), max(high.y, *s.Limit)
	}
	return low, high, known
}

// scatter is a plot being drawn.
type scatter struct {
	spec          ScatterSpec
	style         Style
	x, y          axis
	perStep       int // rows between two labels of the y-axis
	left, columns int
	rows          int // above the lowest
	limit         int // row of the limit, -1 for none
	cells         map[[2]int]int
	hidden        map[int]int // point to the one that hides it
}

func newScatter(spec ScatterSpec, style Style, low, high place) *scatter {
	height := spec.Height
	if height == 0 {
		height = scatterHeight
	}
	s := &scatter{spec: spec, style: style, cells: map[[2]int]int{}, hidden: map[int]int{}}
	s.y = newAxis(PlotSpec{Kind: spec.YKind, Height: min(height, scatterSteps)}, low.y, high.y)
	s.perStep = max(1, height/s.y.rows)
	s.rows = s.perStep * s.y.rows
	s.limit = -1
	if spec.Limit != nil && finite(*spec.Limit) {
		s.limit = int(math.Round(s.y.share(*spec.Limit) * float64(s.rows)))
	}
	width := style.Width
	if width == 0 {
		width = plotWidth
	}
	s.left = s.y.labelWidth() + 2
	s.columns = max(min(width, plotWidthMax)-s.left, plotColumns)
	s.x = newAxis(PlotSpec{Kind: spec.XKind, Tight: true, Height: scatterTicks}, low.x, high.x)
	return s
}

// put gives each point a cell: strong ones first, each in its order.
func (s *scatter) put() {
	for _, strong := range []bool{true, false} {
		for i, p := range s.spec.Points {
			if p.Strong != strong || !finite(p.X) || !finite(p.Y) {
				continue
			}
			column := int(math.Round(s.x.share(p.X) * float64(s.columns-1)))
			s.putOne(i, column, s.row(p.Y))
		}
	}
}

// row is the row of a value. Only what lies on the limit is drawn on its line:
// what is less than it lies beneath.
func (s *scatter) row(y float64) int {
	row := int(math.Round(s.y.share(y) * float64(s.rows)))
	if s.spec.Limit == nil || row != s.limit {
		return row
	}
	switch {
	case y < *s.spec.Limit:
		row--
	case y > *s.spec.Limit:
		row++
	}
	return min(max(row, 0), s.rows)
}

func (s *scatter) putOne(i, column, row int) {
	for away := range scatterShift + 1 {
		for _, side := range []int{away, -away} {
			at := [2]int{column + side, row}
			if _, taken := s.cells[at]; !taken && at[0] >= 0 && at[0] < s.columns {
				s.cells[at] = i
				return
			}
		}
	}
	s.hidden[i] = s.cells[[2]int{column, row}]
}

func (s *scatter) draw(b *strings.Builder) {
	s.put()
	bar, tick, dash := "│", "┤", "╌"
	if !s.style.Unicode {
		bar, tick, dash = "|", "+", "-"
	}
	if s.spec.YName != "" {
		b.WriteString(s.style.paint(ansiDim, trim(s.style, printable(s.spec.YName), s.left+s.columns)) + "\n")
	}
	for row := s.rows; row >= 0; row-- {
		label, axis := "", bar
		if row%s.perStep == 0 {
			label, axis = s.y.label(float64(row)/float64(s.rows)), tick
		}
		fill := " "
		if row == s.limit {
			fill = dash
		}
		b.WriteString(strings.Repeat(" ", s.left-2-cellWidth(label)) + label + " " + axis)
		b.WriteString(strings.TrimRight(s.line(row, fill, row == s.limit), " ") + "\n")
	}
	s.writeBelow(b)
	s.legend(b)
}

// line is a row of cells. The name of the limit stands at the right end of its
// line, where no point is.
func (s *scatter) line(row int, fill string, limit bool) string {
	name := ""
	if limit && s.spec.LimitName != "" {
		name = " " + printable(s.spec.LimitName)
	}
	free := s.columns - cellWidth(name)
	for column := free; column < s.columns && free > 0; column++ {
		if _, taken := s.cells[[2]int{column, row}]; taken {
			name, free = "", s.columns
		}
	}
	if free <= 0 {
		name, free = "", s.columns
	}
	var b strings.Builder
	for column := range free {
		i, ok := s.cells[[2]int{column, row}]
		switch {
		case !ok && fill == " ":
			b.WriteString(fill)
		case !ok:
			b.WriteString(s.style.paint(ansiDim, fill))
		default:
			b.WriteString(s.mark(i))
		}
	}
	return b.String() + s.style.paint(ansiDim, name)
}

func (s *scatter) mark(i int) string {
	p := s.spec.Points[i]
	mark := trim(s.style, printable(string(p.Mark)), 1)
	if p.Strong {
		return s.style.paint(ansiBold, mark)
	}
	return mark
}

// writeBelow draws the x-axis with its labels and its name.
func (s *scatter) writeBelow(b *strings.Builder) {
	corner, rule, tick := "└", "─", "┬"
	if !s.style.Unicode {
		corner, rule, tick = "+", "-", "+"
	}
	line := make([]string, s.columns)
	for i := range line {
		line[i] = rule
	}
	var labels strings.Builder
	end := 0
	for step := range s.x.rows + 1 {
		share := float64(step) / float64(s.x.rows)
		column := int(math.Round(share * float64(s.columns-1)))
		label := trim(s.style, s.x.label(share), s.left+s.columns)
		width := cellWidth(label)
		at := max(min(s.left+column-width/2, s.left+s.columns-width), 0)
		if at < end+2 && end > 0 {
			continue
		}
		line[column] = tick
		labels.WriteString(strings.Repeat(" ", at-end) + label)
		end = at + width
	}
	b.WriteString(strings.Repeat(" ", s.left-1) + corner + strings.Join(line, "") + "\n" + labels.String() + "\n")
	if name := trim(s.style, printable(s.spec.XName), s.columns); name != "" {
		b.WriteString(strings.Repeat(" ", max(0, s.left+s.columns-cellWidth(name))) + s.style.paint(ansiDim, name) + "\n")
	}
}

// legend names the marks, as many to a line as fit.
func (s *scatter) legend(b *strings.Builder) {
	width, used := s.left+s.columns, 0
	for i, p := range s.spec.Points {
		name := printable(p.Name)
		switch by, hidden := s.hidden[i]; {
		case hidden:
			name += " (behind " + printable(string(s.spec.Points[by].Mark)) + ")"
		case !finite(p.X) || !finite(p.Y):
			name += " (not known)"
		}
		name = trim(s.style, name, max(width-3, 1))
		needed := cellWidth(name) + 3
		if used > 0 && used+2+needed > width {
			b.WriteByte('\n')
			used = 0
		}
		if used > 0 {
			b.WriteString("  ")
			used += 2
		}
		b.WriteString(" " + s.mark(i) + " " + name)
		used += needed
	}
	b.WriteByte('\n')
}
