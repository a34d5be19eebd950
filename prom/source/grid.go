package source

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/prom/internal/names"
)

// grid is quantiles that an engine is asked for, each for a cell of the
// distribution: the value at the middle of a cell stands for the whole of it.
type grid struct {
	bounds []float64 // of the cells, from 0 to 1
	shares []float64 // the middles of the cells
	text   []string  // the middles as they are written
}

// newGrid makes a grid of cells: up to each share, cells of a width.
func newGrid(parts ...[2]float64) *grid {
	g := &grid{bounds: []float64{0}}
	for _, p := range parts {
		from := g.bounds[len(g.bounds)-1]
		n := int(math.Round((p[0] - from) / p[1]))
		for i := 1; i <= n; i++ {
			g.bounds = append(g.bounds, math.Round((from+(p[0]-from)*float64(i)/float64(n))*1e6)/1e6)
		}
	}
	for i := 1; i < len(g.bounds); i++ {
		middle := (g.bounds[i-1] + g.bounds[i]) / 2
		g.shares = append(g.shares, middle)
		g.text = append(g.text, strconv.FormatFloat(math.Round(middle*1e7)/1e7, 'f', -1, 64))
	}
	return g
}

// fineGrid is asked of engines that take many quantiles at once; coarseGrid of
// those that read all samples anew for each.
func fineGrid() *grid {
	return newGrid([2]float64{0.9, 0.01}, [2]float64{0.95, 0.005}, [2]float64{0.99, 0.002}, [2]float64{1, 0.0005})
}

func coarseGrid() *grid {
	return newGrid([2]float64{0.9, 0.1}, [2]float64{0.98, 0.02}, [2]float64{1, 0.01})
}

// fewest is how many samples a profile must have to be taken from a grid. Fewer
// are cheaper to read, and a sample weighs much of a profile of few.
const fewest = 400

// worth is how many samples a profile must have for a grid to be chosen where
// nobody asks for one. Days of a sample a minute are below it: who asks for days
// weighs the few worst minutes of each, and is to get them exactly.
const worth = 5000

// rankError is how far, at most, the share of time below any value is off, in a
// profile and in all that is merged from them: half the widest cell, and one
// sample, as engines interpolate between two.
func (g *grid) rankError() float64 {
	widest := 0.0
	for i := 1; i < len(g.bounds); i++ {
		widest = max(widest, g.bounds[i]-g.bounds[i-1])
	}
	return widest/2 + 1.0/fewest
}

// tooMany is how many samples of a question are too many to bring over by
// queries from an engine that reads all of them anew for each quantile, or has to
// evaluate an expression twice for a grid.
const tooMany = 200_000_000

// choose settles whether profiles are made from a grid; nil where every sample
// is read.
func (s *Source) choose(a *ask) *grid {
	g := fineGrid()
	if !a.view.engine.metricsQL {
		g = coarseGrid()
	}
	switch s.o.Method {
	case MethodExact:
		return nil
	case MethodGrid:
		return g
	}
	profiles := int64(len(a.targets) * max(1, len(a.steps)))
	switch {
	case a.samples <= s.o.ExactUpTo, !a.q.Within.IsZero() && len(a.within) > 2*len(a.steps):
		return nil
	case a.samples < profiles*worth:
		return nil
	case s.storedRaw(a.view, a.ratio):
		return nil
	case !(a.view.engine.metricsQL && a.view.traits.Stored) && a.samples <= tooMany:
		return nil
	}
	return g
}

// cell is what an engine says of one metric of one host in one step.
type cell struct {
	count, sum, squares, lowest, highest float64
	quantiles                            []float64
}

// cells are those of hosts by label, one a step of the question.
type cells map[string][]cell

// cellsOf takes an answer into cells.
type cellsOf struct {
	a     *ask
	step  int64 // milliseconds that a sample covers
	g     *grid
	index map[int64]int // steps by when they are asked for
	out   cells
	kind  string // of an answer without the label that tells

	set     func(*cell, float64)
	current []cell
}

func (c *cellsOf) series(labels map[string]string) error {
	list := c.out[labels[c.a.view.host]]
	if list == nil {
		list = make([]cell, len(c.a.steps))
		c.out[labels[c.a.view.host]] = list
	}
	kind := c.kind
	if kind == "" {
		kind = labels["rollup"] + labels["phi"]
	}
	c.current = list
	if c.set = setter(kind, c.g); c.set == nil {
		return fmt.Errorf("%w: an answer about %q was not asked for", errConsumer, clip(kind))
	}
	return nil
}

func setter(kind string, g *grid) func(*cell, float64) {
	switch kind {
	case "count_over_time":
		return func(c *cell, v float64) { c.count = v }
	case "sum_over_time":
		return func(c *cell, v float64) { c.sum = v }
	case "sum2_over_time":
		return func(c *cell, v float64) { c.squares = v }
	case "min_over_time":
		return func(c *cell, v float64) { c.lowest = v }
	case "max_over_time":
		return func(c *cell, v float64) { c.highest = v }
	}
	i := slices.Index(g.text, kind)
	if i < 0 {
		return nil
	}
	return func(c *cell, v float64) {
		if c.quantiles == nil {
			c.quantiles = make([]float64, len(g.shares))
		}
		c.quantiles[i] = v
	}
}

func (c *cellsOf) point(at int64, v float64) error {
	i, ok := c.index[at]
	if !ok {
		return fmt.Errorf("%w: a value at %s was not asked for", errConsumer, time.UnixMilli(at).UTC().Format(time.RFC3339Nano))
	}
	c.set(&c.current[i], v)
	return nil
}

// run is steps of the same length that follow each other.
type run struct{ first, last int }

func runs(steps []fleet.Window) []run {
	var out []run
	for i, w := range steps {
		if n := len(out); n > 0 && steps[i-1].Duration() == w.Duration() {
			out[n-1].last = i
			continue
		}
		out = append(out, run{i, i})
	}
	return out
}

// askCells asks for the cells of a metric of hosts, samples of one step.
func (s *Source) askCells(ctx context.Context, a *ask, g *grid, m fleet.Metric, labels []string, stepLabel string, step int64, quantiles bool) (cells, error) {
	out := cells{}
	for _, r := range runs(a.steps) {
		for _, q := range s.cellQueries(a, g, m, labels, stepLabel, step, a.steps[r.first], quantiles) {
			c := &cellsOf{a: a, step: step, g: g, out: out, kind: q.kind, index: map[int64]int{}}
			for i := r.first; i <= r.last; i++ {
				c.index[milli(a.steps[i]).to+step-1] = i
			}
			w := milli(a.steps[r.first])
			from, to := w.to+step-1, milli(a.steps[r.last]).to+step-1
			if err := s.span(ctx, q.text, from, to, w.to-w.from, m.Name, func() consumer { return c }); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// cellQuery is one query for cells; kind is what it asks for where the answer
// does not say.
type cellQuery struct{ text, kind string }

// cellQueries are the queries for the cells of steps as long as w.
func (s *Source) cellQueries(a *ask, g *grid, m fleet.Metric, labels []string, stepLabel string, step int64, w fleet.Window, quantiles bool) []cellQuery {
	v := a.view
	length := time.Duration(milli(w).to-milli(w).from) * time.Millisecond
	over := "[" + names.Duration(v.engine.window(length)) + "]"
	of := s.stored(v, m, labels, stepLabel)
	if !v.traits.Stored {
		expr, ok := names.Of(v.schema, m)
		if !ok {
			return nil
		}
		of = "(" + s.hostExpr(v, expr, labels, v.step) + ")"
		over = "[" + names.Duration(v.engine.window(length)) + ":" + names.Duration(time.Duration(step)*time.Millisecond) + "]"
	}
	// One series a host, also of HA pairs.
	by := func(extra, text string) string { return "max by (" + v.host + extra + ") (" + text + ")" }
	if v.engine.metricsQL {
		out := []cellQuery{{by(",rollup", `aggr_over_time(("count_over_time","sum_over_time","sum2_over_time","min_over_time","max_over_time"),`+of+over+")"), ""}}
		if quantiles {
			out = append(out, cellQuery{by(",phi", `quantiles_over_time("phi",`+strings.Join(g.text, ",")+","+of+over+")"), ""})
		}
		return out
	}
	var out []cellQuery
	for _, kind := range []string{"count_over_time", "sum_over_time", "min_over_time", "max_over_time"} {
		out = append(out, cellQuery{by("", kind+"("+of+over+")"), kind})
	}
	// Of n values, the sum of squares is n times the variance and the squared mean.
	out = append(out, cellQuery{by("", "count_over_time("+of+over+") * (stdvar_over_time("+of+over+") + avg_over_time("+of+over+") ^ 2)"), "sum2_over_time"})
	if quantiles {
		for _, share := range g.text {
			out = append(out, cellQuery{by("", "quantile_over_time("+share+","+of+over+")"), share})
		}
	}
	return out
}

// unanswered is the count of cells that the engine did not answer.
const unanswered = -1

// askCellsSplit is askCells with fewer hosts where the engine says that it is
// too much, or is too slow. The cells of one host that are too much are
// unanswered.
func (s *Source) askCellsSplit(ctx context.Context, a *ask, g *grid, m fleet.Metric, labels []string, stepLabel string, step int64, quantiles bool) (cells, error) {
	w, what, p := milli(a.q.Window), "cells of "+m.Name, &s.client.patience
	return byHosts(ctx, s, what, labels, w.to-w.from, func(labels []string) (cells, error) {
		round := p.round()
		out, err := s.askCells(ctx, a, g, m, labels, stepLabel, step, quantiles)
		if len(labels) > 1 || err == nil || ctx.Err() != nil || !tooLarge(err) && !(late(err) && p.late(what, w.to-w.from, round)) {
			return out, err
		}
		list := make([]cell, len(a.steps))
		for i := range list {
			list[i].count = unanswered
		}
		return cells{labels[0]: list}, nil
	}, func(all, more cells) cells {
		maps.Copy(all, more)
		return all
	})
}

// stepKind is series with samples of one step.
type stepKind struct {
	label string
	step  int64
}

// cellsByStep asks for the cells of targets, for each step that their samples
// have.
func (s *Source) cellsByStep(ctx context.Context, a *ask, m fleet.Metric, targets []*target, quantiles bool) (map[stepKind]cells, error) {
	labels := map[stepKind][]string{}
	for _, t := range targets {
		for i := range t.keys {
			k := &t.keys[i]
			kind := stepKind{k.stepLabel, k.step}
			if !a.view.traits.Stored {
				kind = stepKind{step: a.view.step.Milliseconds()}
			}
			if !slices.Contains(labels[kind], k.label) {
				labels[kind] = append(labels[kind], k.label)
			}
		}
	}
	out := map[stepKind]cells{}
	for kind, list := range labels {
		slices.Sort(list)
		got, err := s.askCellsSplit(ctx, a, a.grid, m, list, kind.label, kind.step, quantiles)
		if err != nil {
			return nil, err
		}
		out[kind] = got
	}
	return out, nil
}

// simple says which record a target has in a whole step that counts whole; the
// step can be answered from cells. Otherwise the samples are read.
func (a *ask) simple(t *target, step fleet.Window) (int, bool) {
	if len(t.labels) != 1 || milli(step).to > a.view.horizon() {
		return 0, false // where labels overlap samples must be told apart; and no step is taken before it is over
	}
	for j := range t.timeline {
		if r := &t.timeline[j]; r.ValidAt(step.Start) {
			if !r.To.IsZero() && r.To.Before(step.End) {
				return 0, false
			}
			if a.q.Within.IsZero() {
				return j, true
			}
			i, _ := slices.BinarySearchFunc(a.within, step.Start, func(w fleet.Window, at time.Time) int {
				if !w.End.After(at) {
					return -1
				}
				return 1
			})
			return j, i < len(a.within) && !a.within[i].Start.After(step.Start) && !a.within[i].End.Before(step.End)
		}
	}
	return 0, false
}

// gridProfiles makes profiles of some hosts from cells, and from samples in the
// steps that cells cannot tell: those with a change of the record or of the
// capacity, those that count in part, hosts with several labels.
func (s *Source) gridProfiles(ctx context.Context, a *ask, targets []*target) ([][]fleet.Profile, error) {
	with := measured(targets)
	got, err := s.cellsByStep(ctx, a, a.ratio, with, true)
	if err != nil {
		return nil, err
	}
	var sizes map[stepKind]cells
	if a.q.Metric.Derived() {
		if sizes, err = s.cellsByStep(ctx, a, a.capacity, with, false); err != nil {
			return nil, err
		}
	}
	parts := make([][]*fleet.Profile, len(targets)) // by target and step; nil is to be read
	for i, t := range targets {
		parts[i] = make([]*fleet.Profile, len(a.steps))
		for k, w := range a.steps {
			parts[i][k] = a.fromCells(t, k, w, got, sizes)
		}
	}
	if err := s.readRest(ctx, a, targets, parts); err != nil {
		return nil, err
	}
	return a.assemble(targets, parts), nil
}

// fromCells is the profile of a step without its record, window and expected
// time; nil where samples must be read.
func (a *ask) fromCells(t *target, k int, w fleet.Window, got, sizes map[stepKind]cells) *fleet.Profile {
	if len(t.labels) == 0 {
		return &fleet.Profile{}
	}
	record, ok := a.simple(t, w)
	if !ok {
		return nil
	}
	b := fleet.NewProfileBuilder(a.q.Metric)
	for kind, list := range got {
		of := list[t.labels[0]]
		if of == nil || of[k].count == 0 {
			continue
		}
		c := of[k]
		if len(c.quantiles) == 0 || c.count < fewest {
			return nil
		}
		factor := int64(1)
		if a.q.Metric.Derived() {
			if factor, ok = a.factor(&t.timeline[record], c.count, sizes[kind][t.labels[0]], k); !ok {
				return nil
			}
			if factor == 0 {
				b.AddWithoutCapacity(int64(c.count))
				continue
			}
		}
		p, ok := a.profile(&c, kind.step, factor)
		if !ok {
			return nil
		}
		b.Merge(&p)
	}
	p := b.Build(nil, w)
	return &p
}

// factor is the capacity in a step, in units of resolution, where it is the same
// for all samples; 0 where it is unknown for all.
func (a *ask) factor(r *fleet.Record, count float64, sizes []cell, k int) (int64, bool) {
	if sizes == nil || sizes[k].count == 0 {
		return a.nominal(r), true
	}
	c := sizes[k]
	if c.count == unanswered {
		return 0, false
	}
	low, err1 := a.capacity.Scale(c.lowest)
	high, err2 := a.capacity.Scale(c.highest)
	if err1 != nil || err2 != nil || low != high || low <= 0 {
		return 0, false
	}
	return int64(low), c.count >= count || int64(low) == a.nominal(r)
}

// profile makes a profile of a cell whose samples cover step milliseconds each;
// factor is what values are multiplied by. False where the engine's figures
// cannot be.
func (a *ask) profile(c *cell, step, factor int64) (fleet.Profile, bool) {
	m := a.ratio
	units := float64(m.Den) / float64(m.Num)
	n := int64(math.Round(c.count))
	low, ok1 := scale(m, c.lowest)
	high, ok2 := scale(m, c.highest)
	if !ok1 || !ok2 || low < 0 || high < low || math.IsNaN(c.sum) || math.IsNaN(c.squares) {
		return fleet.Profile{}, false
	}
	p := fleet.Profile{
		Count: n, Covered: time.Duration(n*step) * time.Millisecond, Min: low * factor, Max: high * factor,
		Sum:        whole(c.sum * units).MulUint64(uint64(step)).MulUint64(uint64(factor)),
		SumSquares: whole(c.squares * units * units).MulUint64(uint64(step)).MulUint64(uint64(factor)).MulUint64(uint64(factor)),
	}
	h := fleet.NewHistogram(a.q.Metric.Exact)
	total := n * step
	var before int64
	for i, q := range c.quantiles {
		v, ok := scale(m, q)
		if !ok || v < 0 {
			return fleet.Profile{}, false
		}
		v = max(low, min(high, v))
		until := int64(math.Round(a.grid.bounds[i+1] * float64(total)))
		weight := until - before
		before = until
		// The lowest and the highest sample are known.
		if i == 0 && weight > step {
			h.Add(low*factor, step)
			weight -= step
		}
		if i == len(c.quantiles)-1 && weight >= step {
			h.Add(high*factor, step)
			weight -= step
		}
		if weight > 0 {
			h.Add(v*factor, weight)
		}
	}
	p.Distribution = h.Distribution()
	return p, true
}

// whole is a float rounded to an integer; it is not negative.
func whole(f float64) fleet.Int128 {
	if f < 1<<62 {
		return fleet.Int128From(int64(math.Round(max(0, f))))
	}
	mantissa, exponent := math.Frexp(f) // f = mantissa * 2^exponent, mantissa in [0.5, 1)
	x := fleet.Int128From(int64(mantissa * (1 << 53)))
	for range min(exponent-53, 73) {
		x = x.MulUint64(2)
	}
	return x
}

// readRest reads the samples of the steps that cells did not tell.
func (s *Source) readRest(ctx context.Context, a *ask, targets []*target, parts [][]*fleet.Profile) error {
	for k, w := range a.steps {
		var list []*target
		for i, t := range targets {
			if parts[i][k] == nil {
				list = append(list, t)
			}
		}
		if len(list) == 0 {
			continue
		}
		samples, err := s.readPieces(ctx, a, list, w)
		if err != nil {
			return err
		}
		for i, t := range list {
			if t.kept == nil {
				t.kept = map[int][]point{}
			}
			t.kept[k] = a.counting(samples[i])
		}
	}
	return nil
}

// readPieces reads the time of a step that counts, piece by piece where that is
// less than half of it.
func (s *Source) readPieces(ctx context.Context, a *ask, list []*target, step fleet.Window) ([][]point, error) {
	if a.q.Within.Duration(step) > step.Duration()/2 {
		return s.readSamples(ctx, a, list, milli(step))
	}
	out := make([][]point, len(list))
	for _, w := range a.q.Within.Within(step) {
		part, err := s.readSamples(ctx, a, list, milli(w))
		if err != nil {
			return nil, err
		}
		for i := range part {
			out[i] = append(out[i], part[i]...)
		}
	}
	return out, nil
}

// assemble gives profiles their records, windows and expected times.
func (a *ask) assemble(targets []*target, parts [][]*fleet.Profile) [][]fleet.Profile {
	out := make([][]fleet.Profile, len(targets))
	b := fleet.NewProfileBuilder(a.q.Metric)
	for i, t := range targets {
		for _, j := range t.matching {
			r := &t.timeline[j]
			for k, w := range a.steps {
				if !w.Overlaps(r.Window()) {
					continue
				}
				p := parts[i][k]
				if p == nil {
					b.Reset(a.q.Metric)
					a.add(b, t.kept[k], r, w)
					if p, ok := a.finish(b, t, j, k); ok {
						out[i] = append(out[i], p)
					}
					continue
				}
				expected := a.expected(w, t.lifetime[j])
				if (p.Count == 0 && p.WithoutCapacity == 0 || !r.ValidAt(w.Start)) && expected == 0 {
					continue
				}
				one := *p
				if !r.ValidAt(w.Start) {
					one = fleet.Profile{}
				}
				one.Record, one.Window, one.Expected = r, w, expected
				out[i] = append(out[i], one)
			}
		}
	}
	return out
}
