package chart

import (
	"errors"
	"fmt"
	"math"
	"strconv"
)

// Role says how a mark is drawn.
type Role uint8

// The roles of marks.
const (
	// Own is what the picture is about; its marks are joined in their order.
	Own Role = iota
	// Other is what it is compared with.
	Other
	// Variant is drawn hollow and joined to the mark its Of names; its label is
	// only drawn where there is no such mark.
	Variant
	// Bound is the limit of what could be had.
	Bound
	// Origin is doing nothing. It does not stretch the axes.
	Origin
)

// Mark is one point of a [Plane].
type Mark struct {
	Label string
	Role  Role
	// Of is the label of the mark that a Variant belongs to.
	Of string
	// Saved and Broken are shares. Saved may be negative.
	Saved, Broken float64
	// Low and High are an interval around Broken; both zero is none.
	Low, High float64
}

// Plane is a picture of marks, what is saved to the right, what is broken
// upwards.
type Plane struct {
	Title, Subtitle string
	// XLabel and YLabel name the axes.
	XLabel, YLabel string
	// Limit is a share of broken that is drawn as a line; 0 is none.
	Limit      float64
	LimitLabel string
	Marks      []Mark
}

// check refuses what cannot be drawn.
func (p *Plane) check() error {
	if len(p.Marks) == 0 {
		return errors.New("there are no marks")
	}
	for _, m := range p.Marks {
		for _, v := range []float64{m.Saved, m.Broken, m.Low, m.High} {
			if math.IsNaN(v) || math.Abs(v) > 1000 {
				return fmt.Errorf("mark %q lies at %v, %v", m.Label, m.Saved, m.Broken)
			}
		}
	}
	return nil
}

// scale is an axis from Low to High with a tick at each Step.
type scale struct{ low, high, step float64 }

// bounds returns the two axes: round, wide enough for every mark but one of
// doing nothing, and for the limit.
func (p *Plane) bounds() (x, y scale) {
	left, right, top := math.Inf(1), math.Inf(-1), p.Limit
	bottom := 0.0
	for _, m := range p.Marks {
		if m.Role == Origin {
			continue
		}
		left, right = math.Min(left, m.Saved), math.Max(right, m.Saved)
		top, bottom = math.Max(top, m.Broken), math.Min(bottom, m.Broken)
		if m.Role == Own {
			top = math.Max(top, m.High)
		}
	}
	if left > right {
		left, right = 0, 0
	}
	pad := math.Max(0.01, (right-left)*0.12)
	return newScale(left-pad, right+pad, 8), newScale(bottom, top*1.06+0.005, 8)
}

// newScale rounds outwards to a step of 1, 2 or 5 times a power of ten of which
// about n fit.
func newScale(low, high float64, n int) scale {
	wanted := (high - low) / float64(n)
	power := math.Pow(10, math.Floor(math.Log10(wanted)))
	step := power * 10
	for _, m := range []float64{1, 2, 5} {
		if m*power >= wanted*0.999 {
			step = m * power
			break
		}
	}
	return scale{low: math.Floor(low/step+1e-9) * step, high: math.Ceil(high/step-1e-9) * step, step: step}
}

// share is where a value lies on the axis, 0 to 1.
func (s scale) share(v float64) float64 { return (v - s.low) / (s.high - s.low) }

// ticks are the values of the axis's ticks.
func (s scale) ticks() []float64 {
	var out []float64
	for i := 0; ; i++ {
		v := s.low + float64(i)*s.step
		if v > s.high+s.step/2 {
			return out
		}
		out = append(out, v)
	}
}

// label writes a share as a percentage, with as many decimals as the step has.
func (s scale) label(v float64) string {
	digits := 0
	if s.step < 0.00999 {
		digits = int(math.Ceil(-math.Log10(s.step*100) - 1e-9))
	}
	text := strconv.FormatFloat(v*100, 'f', digits, 64)
	if zero := strconv.FormatFloat(0, 'f', digits, 64); text == "-"+zero {
		text = zero
	}
	return text + " %"
}
