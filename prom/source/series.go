package source

import (
	"context"
	"iter"

	"github.com/leanfleet/leanfleet/fleet"
)

// Series yields samples; see [fleet.Source]. Memory holds what a few requests
// bring (Options.BatchSamples each), or the samples of one host in the window
// where those are more.
func (s *Source) Series(ctx context.Context, q fleet.Query) iter.Seq2[fleet.Series, error] {
	return func(yield func(fleet.Series, error) bool) {
		a, err := s.prepare(ctx, q, false)
		if err != nil {
			yield(fleet.Series{}, err)
			return
		}
		a.targets = measured(a.targets)
		batches := s.batches(a, func(t *target) int64 { return t.samples(a.view, milli(q.Window)) })
		type result struct {
			targets []*target
			samples [][]point
		}
		enough := false
		one := func(x fleet.Series) bool {
			if ctx.Err() != nil {
				return false
			}
			enough = !yield(x, nil)
			return !enough
		}
		err = ordered(ctx, len(batches), s.o.Concurrency, func(ctx context.Context, i int) (result, error) {
			samples, err := s.readSamples(ctx, a, batches[i], milli(q.Window))
			return result{batches[i], samples}, err
		}, func(r result) bool {
			for i, t := range r.targets {
				if !a.blocks(t, a.counting(r.samples[i]), one) {
					return false
				}
			}
			return true
		})
		if err := ending(ctx, err); err != nil && !enough {
			yield(fleet.Series{}, err)
		}
	}
}

// blocks yields one host's samples, cut at records and where steps change.
func (a *ask) blocks(t *target, list []point, yield func(fleet.Series) bool) bool {
	for _, j := range t.matching {
		r := &t.timeline[j]
		w := milli(r.Window().Intersect(a.q.Window))
		block := fleet.Series{Record: r, Group: t.group}
		for _, p := range list {
			if p.start < w.from || p.start >= w.to || !p.known {
				continue
			}
			if len(block.Start) > 0 && p.step != block.Step {
				if !yield(block) {
					return false
				}
				block.Start, block.Values = block.Start[:0], block.Values[:0]
			}
			block.Step = p.step
			block.Start, block.Values = append(block.Start, p.start), append(block.Values, p.value)
		}
		if len(block.Start) > 0 && !yield(block) {
			return false
		}
	}
	return true
}
