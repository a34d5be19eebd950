package source

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/prom/internal/names"
)

// point is one sample.
type point struct {
	start, value int64
	step         int32
	known        bool // false where the capacity is unknown
}

// extentMS is the starts of samples, [from, to), in milliseconds.
type extentMS struct{ from, to int64 }

func milli(w fleet.Window) extentMS { return extentMS{ceilMilli(w.Start), ceilMilli(w.End)} }

// ceilMilli is the first millisecond at or after a time.
func ceilMilli(t time.Time) int64 {
	ms := t.UnixMilli()
	if t.After(time.UnixMilli(ms)) {
		ms++
	}
	return ms
}

// piece is samples of one metric by the host label's value.
type piece map[string][]point

// collector turns an answer into points.
type collector struct {
	s      *Source
	v      *view
	metric fleet.Metric
	want   extentMS
	out    piece
	label  string
	step   int64
	list   []point
}

func (c *collector) flush() {
	if len(c.list) > 0 {
		c.out[c.label] = append(c.out[c.label], c.list...)
	}
	c.list = c.list[:0]
}

func (c *collector) series(labels map[string]string) error {
	c.flush()
	c.label, c.step = labels[c.v.host], c.v.step.Milliseconds()
	if c.v.groups {
		c.label = ofGroup(c.label, labels[names.GroupLabel])
	}
	if !c.v.traits.Stored {
		return nil
	}
	c.step = 0
	for _, k := range c.v.keys[fleet.HostID(labels[c.v.host])] {
		if k.stepLabel == labels[names.StepLabel] {
			c.step = k.step
			break
		}
	}
	if c.step == 0 { // a step that came up since hosts were looked for
		if f, err := strconv.ParseFloat(labels[names.StepLabel], 64); err == nil {
			c.step = int64(math.Round(f * 1000))
		}
	}
	if c.step <= 0 || c.step > fleet.MaxStep.Milliseconds() {
		return fmt.Errorf("%w: host %s: label %s=%q is no step", errConsumer, c.label, names.StepLabel, clip(labels[names.StepLabel]))
	}
	return nil
}

func (c *collector) point(at int64, value float64) error {
	start := at - c.step
	if start < c.want.from || start >= c.want.to {
		return nil
	}
	scaled, ok := scale(c.metric, value)
	if !ok {
		c.s.impossible.Add(1)
		return nil
	}
	if scaled >= 0 {
		c.list = append(c.list, point{start, scaled, int32(c.step), true})
	}
	return nil
}

// scale turns a value into units of resolution. NaN, which engines give for no
// value, is -1. Rates of idle time may exceed the time by a scrape's jitter, so
// that a ratio a little below zero is zero. What cannot be is not ok.
func scale(m fleet.Metric, value float64) (int64, bool) {
	if math.IsNaN(value) {
		return -1, true
	}
	if value < 0 && m.Unit == fleet.UnitRatio && value > -0.05 {
		value = 0
	}
	scaled, err := m.Scale(value)
	return int64(scaled), err == nil
}

// fetch reads the samples of a stored metric of hosts whose start lies in an
// extent, in as many requests as the engine's limits make it.
func (s *Source) fetch(ctx context.Context, v *view, m fleet.Metric, labels []string, want extentMS) (piece, error) {
	return s.fetchCounted(ctx, v, m, labels, want, nil)
}

// fetchCounted is fetch that lets the engine count what is read as it is stored;
// the tally may be nil.
func (s *Source) fetchCounted(ctx context.Context, v *view, m fleet.Metric, labels []string, want extentMS, t *tally) (piece, error) {
	want.to = min(want.to, v.horizon())
	if len(labels) == 0 || want.from >= want.to {
		return piece{}, nil
	}
	again := func(labels []string, want extentMS) (piece, error) {
		return s.fetchCounted(ctx, v, m, labels, want, t)
	}
	p, size := &s.client.patience, int64(len(labels))*(want.to-want.from)
	smallest := len(labels) == 1 && want.to-want.from <= least
	if most := p.fits(m.Name); most > 0 && size > most && !smallest {
		return s.inTime(ctx, labels, want, most, again)
	}
	round := p.round()
	out, err := s.fetchOnce(ctx, v, m, labels, want, t)
	switch {
	case err == nil || ctx.Err() != nil:
		return out, err
	case late(err):
		if !p.late(m.Name, size, round) {
			return nil, waited(err)
		}
		if smallest {
			return nil, tooMuch(labels[0], want, err)
		}
		return again(labels, want)
	case errors.Is(err, errRoom):
		p.bound(m.Name, size/2) // not to find out again
		return s.halves(labels, want, err, again)
	case tooLarge(err):
		return s.halves(labels, want, err, again)
	}
	return nil, err
}

// tooMuch is the error of a question about one host that cannot be made smaller.
func tooMuch(label string, want extentMS, cause error) error {
	return fmt.Errorf("host %s from %s: even a small question is too much for the engine: %w", label, time.UnixMilli(want.from).UTC().Format(time.RFC3339), cause)
}

// halves asks two smaller questions where one was too large: of half the hosts,
// or, of one host, of half the time.
func (s *Source) halves(labels []string, want extentMS, cause error, ask func([]string, extentMS) (piece, error)) (piece, error) {
	first, second, middle := labels, labels, int64(0)
	long := want.to-want.from > least
	switch {
	case long && (len(labels) == 1 || tooLong(cause)):
		middle = want.from + (want.to-want.from)/2
	case len(labels) > 1:
		first, second = labels[:len(labels)/2], labels[len(labels)/2:]
	default:
		return nil, tooMuch(labels[0], want, cause)
	}
	a, b := want, want
	if middle > 0 {
		a.to, b.from = middle, middle
	}
	x, err := ask(first, a)
	if err != nil {
		return nil, err
	}
	y, err := ask(second, b)
	if err != nil {
		return nil, err
	}
	for label, list := range y {
		x[label] = append(x[label], list...)
	}
	return x, nil
}

func (s *Source) fetchOnce(ctx context.Context, v *view, m fleet.Metric, labels []string, want extentMS, t *tally) (piece, error) {
	if p, ok := s.rawPlan(v, m, want, v.step); ok {
		out, err := s.fetchRaw(ctx, v, m, labels, want, p, t)
		if err == nil || !s.queriesInstead(err, labels, want) {
			return out, err
		}
	}
	t.queried()
	var c *collector
	start := func() consumer {
		c = &collector{s: s, v: v, metric: m, want: want, out: piece{}}
		return c
	}
	if v.traits.Stored {
		err := s.fetchStored(ctx, v, m, labels, want, start)
		if err != nil {
			return nil, err
		}
		c.flush()
		return c.out, nil
	}
	expr, ok := names.Of(v.schema, m)
	if !ok {
		return piece{}, nil
	}
	query := s.hostExpr(v, expr, labels, v.step)
	out := piece{}
	step := v.step.Milliseconds()
	from, to := (want.from+2*step-1)/step*step, (want.to+step-1)/step*step // evaluated at the ends
	const most = 10000
	for ; from <= to; from += most * step {
		if err := s.span(ctx, query, from, min(to, from+(most-1)*step), step, m.Name, start); err != nil {
			return nil, err
		}
		c.flush()
		for label, list := range c.out {
			out[label] = append(out[label], list...)
		}
	}
	return out, nil
}

// stored is a selector of a metric of leanfleet's own series.
func (s *Source) stored(v *view, m fleet.Metric, labels []string, step string) string {
	group := `="",`
	if v.groups {
		group = `!="",`
	}
	inside := `__name__="` + names.Own(m) + `",` + names.GroupLabel + group + oneOf(v.host, labels)
	if step != "" {
		inside += "," + names.StepLabel + "=" + strconv.Quote(step)
	}
	return "{" + s.match(inside) + "}"
}

func (s *Source) fetchStored(ctx context.Context, v *view, m fleet.Metric, labels []string, want extentMS, start func() consumer) error {
	if len(v.steps) == 0 {
		start()
		return nil
	}
	selector := s.stored(v, m, labels, "")
	from, to := want.from+v.steps[0], want.to+v.steps[len(v.steps)-1]
	if v.engine.metricsQL {
		return s.export(ctx, selector, from, to, m.Name, start)
	}
	if s.readsRaw(v) {
		err := s.readRaw(ctx, []string{selector[1 : len(selector)-1]}, from, to, m.Name, func() rawConsumer { return &rawPoints{start()} })
		if err == nil || !s.queriesInstead(err, labels, want) {
			return err
		}
	}
	over := time.Duration(to-from+1) * time.Millisecond
	return s.instant(ctx, selector+"["+names.Duration(over)+"]", time.UnixMilli(to), m.Name, start)
}

// ofGroup is the key of a piece: the host label's value, with the process group
// where one is meant.
func ofGroup(label, group string) string {
	if group == "" {
		return label
	}
	return label + "\x00" + group
}

// target is a host that a question is about.
type target struct {
	id       fleet.HostID
	group    string // a process group of the host
	timeline []fleet.Record
	lifetime [][]fleet.Window
	matching []int // indexes of records that are asked for
	labels   []string
	keys     []key
	kept     map[int][]point // samples of steps that were read
}

// samples is how many samples a target has in an extent, about.
func (t *target) samples(v *view, w extentMS) int64 {
	var n int64
	for i := range t.keys {
		k := &t.keys[i]
		step := v.step.Milliseconds()
		if v.traits.Stored {
			step = k.step
		}
		from, to := max(w.from, k.start(v)), min(w.to, k.end(v))
		if from < to {
			n += (to - from + step - 1) / step
		}
	}
	return n
}

// merge makes one list in time order of the samples under a host's labels. Where
// two tell of the same start, the first label wins.
func (t *target) merge(p piece) []point {
	var out []point
	sorted := true
	for i, l := range t.labels {
		list := p[ofGroup(l, t.group)]
		if i == 0 {
			out = list
		} else {
			out = append(slices.Clone(out), list...)
		}
	}
	for i := 1; i < len(out); i++ {
		if out[i].start <= out[i-1].start {
			sorted = false
			break
		}
	}
	if sorted {
		return out
	}
	slices.SortStableFunc(out, func(a, b point) int {
		switch {
		case a.start < b.start:
			return -1
		case a.start > b.start:
			return 1
		}
		return 0
	})
	return slices.CompactFunc(out, func(a, b point) bool { return a.start == b.start })
}

// read reads the samples of the question's metric of targets, derived ones
// multiplied out, in time order for each target.
func (s *Source) readSamples(ctx context.Context, a *ask, targets []*target, want extentMS) ([][]point, error) {
	if a.view.groups && a.q.Metric.Derived() {
		return s.readGroups(ctx, a, targets, want)
	}
	var labels []string
	for _, t := range targets {
		labels = append(labels, t.labels...)
	}
	slices.Sort(labels)
	labels = slices.Compact(labels)
	got, err := s.fetch(ctx, a.view, a.ratio, labels, want)
	if err != nil {
		return nil, err
	}
	var sizes piece
	if a.q.Metric.Derived() {
		if sizes, err = s.fetch(ctx, a.view, a.capacity, labels, want); err != nil {
			return nil, err
		}
	}
	out := make([][]point, len(targets))
	for i, t := range targets {
		if a.q.Metric.Derived() {
			for _, l := range t.labels {
				key := ofGroup(l, t.group)
				t.multiply(a, got[key], sizes[key])
			}
		}
		out[i] = t.merge(got)
	}
	return out, nil
}

// multiply makes a ratio's samples those of the derived metric: by the capacity
// measured beside each, else by that of the record valid then.
func (t *target) multiply(a *ask, ratios, sizes []point) {
	sizeAt := make(map[int64]int64, len(sizes))
	for _, c := range sizes {
		if _, ok := sizeAt[c.start]; !ok {
			sizeAt[c.start] = c.value
		}
	}
	at := 0
	for i := range ratios {
		p := &ratios[i]
		c := sizeAt[p.start]
		if c <= 0 {
			c = a.nominal(t.recordAt(p.start, &at))
		}
		p.value, p.known = p.value*c, c > 0
	}
}

// recordAt is the record valid at a time, found from a hint on; nil where none is.
func (t *target) recordAt(ms int64, hint *int) *fleet.Record {
	at := time.UnixMilli(ms)
	if i := *hint; i < len(t.timeline) && t.timeline[i].ValidAt(at) {
		return &t.timeline[i]
	}
	for i := range t.timeline {
		if t.timeline[i].ValidAt(at) {
			*hint = i
			return &t.timeline[i]
		}
	}
	return nil
}

// nominal is the capacity of a record in units of resolution; 0 is unknown.
func (a *ask) nominal(r *fleet.Record) int64 {
	if r == nil {
		return 0
	}
	size := r.Capacity.VCPUs
	if a.capacity.Name == fleet.CapacityMemory.Name {
		size = float64(r.Capacity.MemoryBytes)
	}
	scaled, err := a.capacity.Scale(size)
	if err != nil {
		return 0
	}
	return int64(scaled)
}
