package report

import (
	"slices"
	"strings"
	"time"

	"github.com/guptarohit/asciigraph"
)

// marks say how each series is drawn, and with which sign the legend names it.
type marks struct {
	chars  []asciigraph.CharSet
	colors []asciigraph.AnsiColor
	signs  []string
}

// seriesMarks returns the marks of n series. With colours they differ by colour, without by character; beyond six they
// repeat.
func seriesMarks(style Style, n int) marks {
	// Blue, green, yellow, magenta, cyan, red of the bright ANSI palette, readable on dark and light ground.
	colors := []asciigraph.AnsiColor{12, 10, 11, 13, 14, 9}
	signs := []string{"*", "+", "o", "x", "#"}
	line, block := asciigraph.DefaultCharSet, "■"
	if !style.Unicode {
		line = asciigraph.CharSet{
			Horizontal: "-", VerticalLine: "|", ArcDownRight: ".", ArcDownLeft: ".", ArcUpRight: "'", ArcUpLeft: "'",
			EndCap: "-", StartCap: "-", UpRight: "+", DownHorizontal: "+",
		}
		block = "#"
	}
	var m marks
	for i := range n {
		m.colors = append(m.colors, colors[i%len(colors)])
		switch k := i % (len(signs) + 1); {
		case style.Color:
			m.chars, m.signs = append(m.chars, line), append(m.signs, block)
		case k == 0:
			m.chars, m.signs = append(m.chars, line), append(m.signs, line.Horizontal)
		default:
			m.chars, m.signs = append(m.chars, asciigraph.CreateCharSet(signs[k-1])), append(m.signs, signs[k-1])
		}
	}
	return m
}

// writeLegend names the series, as many to a line as fit.
func (s PlotSpec) writeLegend(b *strings.Builder, style Style, m marks, width int) {
	used := 0
	for i, series := range s.Series {
		name := trim(style, printable(series.Name), max(width-3, 1))
		needed := cellWidth(name) + 3
		if used > 0 && used+2+needed > width {
			b.WriteByte('\n')
			used = 0
		}
		if used > 0 {
			b.WriteString("  ")
			used += 2
		}
		sign := m.signs[i]
		if style.Color {
			sign = m.colors[i].String() + sign + asciigraph.Default.String()
		}
		b.WriteString(" " + sign + " " + name)
		used += needed
	}
	b.WriteByte('\n')
}

// writeLabels draws the x-axis and, where there are labels, as many as fit beneath it, each under its tick or as near
// as the edges allow.
func (s PlotSpec) writeLabels(b *strings.Builder, style Style, n, left, columns int) {
	corner, rule, tick := "└", "─", "┬"
	if !style.Unicode {
		corner, rule, tick = "+", "-", "+"
	}
	line := slices.Repeat([]string{rule}, columns)
	var labels strings.Builder
	end := 0 // cells of labels written
	if len(s.Labels) > 0 {
		for _, x := range s.ticks(n, columns) {
			label := trim(style, printable(s.Labels[min(pointAt(x, n, columns), n-1)]), left+columns)
			width := cellWidth(label)
			at := max(min(left+x-width/2, left+columns-width), 0)
			if at < end+2 && end > 0 {
				continue
			}
			line[x] = tick
			labels.WriteString(strings.Repeat(" ", at-end) + label)
			end = at + width
		}
	}
	b.WriteString(strings.Repeat(" ", left-1) + corner + strings.Join(line, "") + "\n")
	if labels.Len() > 0 {
		b.WriteString(labels.String() + "\n")
	}
}

// ticks returns the columns of evenly spaced points, first and last among them, so few that their labels have room.
func (s PlotSpec) ticks(n, columns int) []int {
	widest := 1
	for _, label := range s.Labels {
		widest = max(widest, cellWidth(printable(label)))
	}
	count := min(max(columns/(widest+4), 1), 8, n)
	if count < 2 {
		return []int{0}
	}
	ticks := make([]int, 0, count)
	for i := range count {
		ticks = append(ticks, columnOf(i*(n-1)/(count-1), n, columns))
	}
	return slices.Compact(ticks)
}

// columnOf returns the column that shows a point, pointAt the point a column shows, both as resample places them.
func columnOf(point, n, columns int) int {
	if n > columns {
		return min(((point+1)*columns-1)/n, columns-1)
	}
	if n < 2 {
		return 0
	}
	return (point*(columns-1) + (n-1)/2) / (n - 1)
}

func pointAt(column, n, columns int) int {
	if n > columns {
		return column * n / columns
	}
	return (column*(n-1) + (columns-1)/2) / max(columns-1, 1)
}

// TimeLabels returns a label for each of some ascending times in a location (nil means UTC), all in the shortest form
// that tells them apart: months ("2013-08"), days ("Aug 02", with the year where it changes), times of one day ("15:04")
// or both ("Aug 02 15:04"). A point of a plot in daily steps begins at midnight and is labelled by its day.
func TimeLabels(times []time.Time, location *time.Location) []string {
	if location == nil {
		location = time.UTC
	}
	days, months, oneYear, oneDay := true, true, true, true
	for i, t := range times {
		t = t.In(location)
		if i > 0 {
			first := times[0].In(location)
			oneYear = oneYear && t.Year() == first.Year()
			oneDay = oneDay && t.Year() == first.Year() && t.YearDay() == first.YearDay()
		}
		days = days && t.Hour() == 0 && t.Minute() == 0 && t.Second() == 0
		months = months && t.Day() == 1
	}
	layout := "Jan 02 15:04"
	switch {
	case days && months && len(times) > 1:
		layout = "2006-01"
	case days && oneYear:
		layout = "Jan 02"
	case days:
		layout = "2006-01-02"
	case oneDay:
		layout = "15:04"
	case !oneYear:
		layout = "2006-01-02 15:04"
	}
	labels := make([]string, len(times))
	for i, t := range times {
		labels[i] = t.In(location).Format(layout)
	}
	return labels
}
