package statistics

import (
	"context"
	"fmt"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

// addPeaks reads the series twice: for the grid's width, then for the sums.
func (p *plan) addPeaks(ctx context.Context, r *Result) error {
	width, err := p.largestStep(ctx)
	if err != nil || width == 0 {
		return err
	}
	sums := map[string]*peakSum{}
	total := newPeakSum(p, width)
	for s, err := range p.env.Source.Series(ctx, p.query(fleet.StepWhole)) {
		if err != nil {
			if err = fleet.Tolerate(err, p.partial, &p.damaged); err != nil {
				return fmt.Errorf("read series of %s: %w", p.metric.Name, err)
			}
			continue
		}
		total.add(&s)
		for _, key := range fleet.GroupsOf(s.Record, p.groupBy, p.env.Sets) {
			g := sums[key.ID()]
			if g == nil {
				g = newPeakSum(p, width)
				sums[key.ID()] = g
			}
			g.add(&s)
		}
	}
	for i := range r.Groups {
		if g := sums[r.Groups[i].Group.ID()]; g != nil {
			r.Groups[i].Peaks = g.peaks()
		}
	}
	if r.Total != nil {
		r.Total.Peaks = total.peaks()
	}
	return nil
}

func (p *plan) largestStep(ctx context.Context) (int64, error) {
	var width int64
	for s, err := range p.env.Source.Series(ctx, p.query(fleet.StepWhole)) {
		if err != nil {
			if err = fleet.Tolerate(err, p.partial, &p.damaged); err != nil {
				return 0, fmt.Errorf("read series of %s: %w", p.metric.Name, err)
			}
			continue
		}
		width = max(width, int64(s.Step))
	}
	return width, nil
}

// peakSum adds hosts up on a grid of time. A host's samples come in the order
// of time, so that one cell of it is at hand at once.
type peakSum struct {
	metric fleet.Metric
	width  int64
	first  int64     // number of the grid's first cell
	cells  []float64 // scaled
	peaked float64   // sum of the peaks of hosts done

	host   fleet.HostID
	peak   int64
	cell   int64 // of the host at hand
	weight int64 // in that cell; 0 is none
	sum    float64
}

func newPeakSum(p *plan, width int64) *peakSum {
	first := p.question.Window.Start.UnixMilli() / width
	last := p.question.Window.End.Add(-1).UnixMilli() // of a window whose end may lie inside a millisecond
	n := last/width - first + 1
	return &peakSum{metric: p.metric, width: width, first: first, cells: make([]float64, n)}
}

func (g *peakSum) add(s *fleet.Series) {
	if s.Record.Host != g.host {
		g.closeHost()
		g.host = s.Record.Host
	}
	for i, t := range s.Start {
		if cell := t/g.width - g.first; cell != g.cell {
			g.closeCell()
			g.cell = cell
		}
		g.weight += int64(s.Step)
		g.sum += float64(s.Values[i]) * float64(s.Step)
		g.peak = max(g.peak, s.Values[i])
	}
}

func (g *peakSum) closeCell() {
	if g.weight > 0 {
		g.cells[g.cell] += g.sum / float64(g.weight)
	}
	g.weight, g.sum = 0, 0
}

func (g *peakSum) closeHost() {
	g.closeCell()
	g.peaked += float64(g.peak)
	g.peak = 0
}

func (g *peakSum) peaks() *Peaks {
	g.closeHost()
	best := 0
	for i, v := range g.cells {
		if v > g.cells[best] {
			best = i
		}
	}
	unit := float64(g.metric.Num) / float64(g.metric.Den)
	sum, peak := g.peaked*unit, g.cells[best]*unit
	return &Peaks{
		SumOfPeaks: &sum, PeakOfSum: &peak,
		PeakAt:      time.UnixMilli((g.first + int64(best)) * g.width).UTC().Format(time.RFC3339),
		GridSeconds: float64(g.width) / 1000,
	}
}
