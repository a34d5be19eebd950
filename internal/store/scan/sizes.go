package scan

import (
	"context"
	"iter"
	"sort"
	"time"

	"github.com/leanfleet/leanfleet/internal/store/dayfile"
)

// SizeHolds is how long what a host told of its size holds for its process
// groups, whose rows have none of their own.
const SizeHolds = 24 * time.Hour

// groupReader reads the process groups of one host after the other. Its worker
// reads the metric as it is stored: where a derived one is asked for, each
// sample is multiplied by the size that the host itself told last.
type groupReader struct {
	*worker
	question *plan
	hosts    *worker   // reads the capacity of the hosts themselves
	within   []DayView // of the hosts, in the window
	before   []DayView
	// sizes are those of the host that is read.
	sizes              []size
	sized, sizedBefore bool
}

// size is a capacity that a host told, and the starts of rows of its process
// groups for which it holds.
type size struct{ from, to, value int64 }

func newGroupReader(p *plan) *groupReader {
	r := &groupReader{question: p}
	if !p.query.Metric.Derived() {
		r.worker = newWorker(p, &damageList{seen: map[dayfile.Day]bool{}})
		return r
	}
	stored, hosts := *p, *p
	stored.query.Metric = p.ratio
	hosts.query.Metric, hosts.inHead = p.capacity, nil
	if p.view.Table != nil {
		hosts.inHead = p.view.Table.Named(p.capacity.Name)
	}
	r.worker = newWorker(&stored, &damageList{seen: map[dayfile.Day]bool{}})
	r.hosts = newWorker(&hosts, &damageList{seen: map[dayfile.Day]bool{}})
	for _, d := range p.view.Hosts {
		switch day := millisOf(d.Day.Window()); {
		case day.overlap(p.window) > 0:
			r.within = append(r.within, d)
		case day.to <= p.window.from:
			r.before = append(r.before, d)
		}
	}
	return r
}

// absolutes multiplies the shares of a process group in the window by the size
// of the host then: what it told itself, else that of the record. Where neither
// is known the value is -1.
func (r *groupReader) absolutes(ctx context.Context, h *host, samples []sample) []sample {
	p, out := r.question, samples[:0]
	for _, x := range samples {
		if x.start < p.window.from || x.start >= p.window.to {
			continue
		}
		var told capacityOf
		if c := r.sizeAt(ctx, h, x.start); c > 0 {
			told.values = []int32{int32(c)}
		}
		x.value = p.absolute(h, told, 0, x.start, x.value)
		out = append(out, x)
	}
	return out
}

// sizeAt is the size that the host told last, in the day before t at most; 0 is
// none. The days before the window are read where it is not told in it soon
// enough.
func (r *groupReader) sizeAt(ctx context.Context, h *host, t int64) int64 {
	if !r.sized {
		r.sized = true
		r.sizes = sizesOf(r.told(ctx, h, r.within))
	}
	v := holding(r.sizes, t)
	if v == 0 && !r.sizedBefore && t < r.question.window.from+SizeHolds.Milliseconds() {
		r.sizedBefore = true
		if before := sizesOf(r.told(ctx, h, r.before)); len(before) > 0 {
			if last := &before[len(before)-1]; len(r.sizes) > 0 {
				last.to = min(last.to, r.sizes[0].from)
			}
			r.sizes = append(before, r.sizes...)
			v = holding(r.sizes, t)
		}
	}
	return v
}

// told yields the capacities of a host in time order, until the next call.
func (r *groupReader) told(ctx context.Context, h *host, days []DayView) iter.Seq[sample] {
	for _, d := range days {
		if d.Err != nil {
			r.hosts.note(d, d.Err)
		}
	}
	read := r.hosts.read(ctx, days, []host{*h})
	r.errs, r.hosts.errs = append(r.errs, r.hosts.errs...), nil
	if !read {
		return func(func(sample) bool) {}
	}
	return r.hosts.held[0].all
}

// sizesOf are the sizes told by capacities in time order.
func sizesOf(told iter.Seq[sample]) []size {
	var out []size
	for x := range told {
		if x.value <= 0 {
			continue
		}
		until := x.start + SizeHolds.Milliseconds()
		if n := len(out); n > 0 {
			last := &out[n-1]
			if last.value == x.value && x.start <= last.to {
				last.to = until
				continue
			}
			last.to = min(last.to, x.start)
		}
		out = append(out, size{x.start, until, x.value})
	}
	return out
}

// holding is the size that holds at t; 0 is none.
func holding(sizes []size, t int64) int64 {
	i := sort.Search(len(sizes), func(i int) bool { return sizes[i].to > t })
	if i == len(sizes) || t < sizes[i].from {
		return 0
	}
	return sizes[i].value
}
