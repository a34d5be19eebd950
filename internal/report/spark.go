package report

import (
	"math"
	"strings"
)

// Sparkline draws values as a line of text, one character each, from the smaller of zero and the least value up to the
// greatest. A value that is not finite is a space. Without Unicode the levels are ASCII characters of growing darkness.
func (s Style) Sparkline(values []float64) string {
	levels := []rune(".:-=+*#@")
	if s.Unicode {
		levels = []rune("▁▂▃▄▅▆▇█")
	}
	low, high := 0.0, 0.0
	for _, v := range values {
		if finite(v) {
			low, high = min(low, v), max(high, v)
		}
	}
	var b strings.Builder
	for _, v := range values {
		if !finite(v) {
			b.WriteByte(' ')
			continue
		}
		level := 0
		if high > low {
			level = int(math.Round((v/2 - low/2) / (high/2 - low/2) * float64(len(levels)-1)))
		}
		b.WriteRune(levels[level])
	}
	return b.String()
}

// Bar draws a ratio as a horizontal bar of a width in cells, padded with spaces to that width: in eighths of a cell
// with Unicode, in whole cells of "#" without. Ratios above 1 fill it and end in ">", ratios that are not finite or
// below 0 leave it empty.
func (s Style) Bar(ratio float64, width int) string {
	if width <= 0 {
		return ""
	}
	if math.IsNaN(ratio) || ratio < 0 {
		ratio = 0
	}
	if !s.Unicode {
		full := int(math.Round(min(ratio, 1) * float64(width)))
		return overflow(ratio, strings.Repeat("#", full)+strings.Repeat(" ", width-full))
	}
	eighths := int(math.Round(min(ratio, 1) * float64(width*8)))
	bar := strings.Repeat("█", eighths/8)
	cells := eighths / 8
	if rest := eighths % 8; rest > 0 {
		bar += string([]rune(" ▏▎▍▌▋▊▉")[rest])
		cells++
	}
	return overflow(ratio, bar+strings.Repeat(" ", width-cells))
}

// overflow replaces the last character of a bar by ">" where the ratio is more than the bar can show.
func overflow(ratio float64, bar string) string {
	if ratio <= 1 {
		return bar
	}
	runes := []rune(bar)
	runes[len(runes)-1] = '>'
	return string(runes)
}
