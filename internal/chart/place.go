package chart

import "math"

// box is a rectangle in points, y upwards.
type box struct{ x0, y0, x1, y1 float64 }

func (b box) overlap(o box) float64 {
	w := math.Min(b.x1, o.x1) - math.Max(b.x0, o.x0)
	h := math.Min(b.y1, o.y1) - math.Max(b.y0, o.y0)
	if w <= 0 || h <= 0 {
		return 0
	}
	return w * h
}

func (b box) grow(by float64) box { return box{b.x0 - by, b.y0 - by, b.x1 + by, b.y1 + by} }

// around is a box of a half width around a point.
func around(x, y, r float64) box { return box{x - r, y - r, x + r, y + r} }

// text is a label that looks for its place.
type text struct {
	x, y          float64 // of its mark
	width, height float64
	near          float64 // distance of the nearest place from the mark
}

// placement is where a label went, and how far away that is.
type placement struct {
	box
	far bool // a line to the mark is needed
}

// directions are tried in this order: right, left, above, below, then between.
var directions = [][2]float64{
	{1, 0}, {-1, 0}, {0, 1}, {0, -1}, {0.8, 0.6}, {0.8, -0.6}, {-0.8, 0.6}, {-0.8, -0.6},
	{0.5, 0.9}, {0.5, -0.9}, {-0.5, 0.9}, {-0.5, -0.9}, {0.95, 0.3}, {0.95, -0.3}, {-0.95, 0.3}, {-0.95, -0.3},
}

// place finds a place for each label, one after another: near its mark, inside
// the frame, and on no mark, line or other label as far as that can be had.
// taken are the boxes of marks and lines.
func place(texts []text, taken []box, frame box) []placement {
	taken = append([]box(nil), taken...)
	out := make([]placement, len(texts))
	for i, t := range texts {
		best, least := placement{}, math.Inf(1)
		for ring := range 7 {
			away := t.near + float64(ring)*9
			for k, d := range directions {
				p := placement{box: t.at(d[0], d[1], away), far: ring > 1}
				cost := float64(ring)*30 + float64(k)
				for _, b := range taken {
					cost += 40 * p.grow(1.5).overlap(b)
				}
				area := t.width * t.height
				cost += 60 * (area - p.overlap(frame))
				if cost < least {
					best, least = p, cost
				}
			}
		}
		out[i] = best
		taken = append(taken, best.box)
	}
	return out
}

// at is the label's box when its nearest edge or corner lies in a direction, so
// far away from the mark.
func (t text) at(dx, dy, away float64) box {
	cx := t.x + dx*(away+t.width/2)
	cy := t.y + dy*(away+t.height/2)
	if math.Abs(dx) < 0.9 && math.Abs(dy) > 0.5 {
		cx = t.x + dx*(away+t.width/2)
	}
	return box{cx - t.width/2, cy - t.height/2, cx + t.width/2, cy + t.height/2}
}
