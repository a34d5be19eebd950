package rightsizing

import (
	"context"
	"fmt"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/pricing"
)

// The resources beside CPU and memory, and what is known of a type's limit.
const (
	ResourceNetwork        = "network"         // bytes per second, the busier direction
	ResourceDiskThroughput = "disk_throughput" // bytes per second, read and written
	ResourceDiskIOPS       = "disk_iops"       // operations per second, read and written

	LimitSustained = "sustained" // there all the time
	LimitMaximum   = "maximum"   // an "up to" figure

	LimitOK      = "ok"
	LimitShort   = "short"
	LimitUnknown = "unknown"
)

const (
	demandShare = 9950 // of the time, in parts per 10,000
	halfTail    = 9975 // with half as much above it
	bytesPerGB  = 1e9 / 8
)

// flow is the time spent at each rate of one metric over a history.
type flow struct {
	metric fleet.Metric
	cell
}

func (f *flow) at(per10000 int64) (float64, bool) {
	return percentile(f.metric, []cell{f.cell}, per10000)
}

// beside is what a host uses beside CPU and memory.
type beside struct {
	received, sent, read, written, reads, writes flow
	quiet                                        quiet
	needed                                       [3]*float64 // by resource, once settled
}

// settle works out what a host needs of each resource and drops the flows.
func (b *beside) settle() {
	s := beside{quiet: b.quiet}
	for i, r := range resources() {
		if v, ok := b.demand(r); ok {
			s.needed[i] = known(v)
		}
	}
	*b = s
}

// network is the P99.5 of the busier direction: limits hold for each of them.
func (b *beside) network() (float64, bool) {
	in, known := b.received.at(demandShare)
	out, both := b.sent.at(demandShare)
	return max(in, out), known && both
}

// together bounds the P99.5 of the sum of two flows: each is above its P99.75 for
// 0.25 % of the time, so the sum is above theirs for 0.5 % at most.
func together(a, b *flow) (float64, bool) {
	x, known := a.at(halfTail)
	y, both := b.at(halfTail)
	return x + y, known && both
}

// demand is what a host needs of a resource; false is unknown.
func (b *beside) demand(resource string) (float64, bool) {
	switch resource {
	case ResourceNetwork:
		return b.network()
	case ResourceDiskThroughput:
		return together(&b.read, &b.written)
	}
	return together(&b.reads, &b.writes)
}

// flows are the metrics that a history reads whole, and where they go.
func (b *beside) flows() map[string]*flow {
	return map[string]*flow{
		"network_receive_bytes_per_second": &b.received, "network_transmit_bytes_per_second": &b.sent,
		"disk_read_bytes_per_second": &b.read, "disk_write_bytes_per_second": &b.written,
		"disk_read_ops_per_second": &b.reads, "disk_write_ops_per_second": &b.writes,
	}
}

func besideMetrics() []string {
	return []string{
		"network_receive_bytes_per_second", "network_transmit_bytes_per_second", "disk_read_bytes_per_second", "disk_write_bytes_per_second",
		"disk_read_ops_per_second", "disk_write_ops_per_second",
	}
}

// readBeside reads what hosts use beside CPU and memory: over the whole history,
// and the network of the last days by day.
func (h *history) readBeside(ctx context.Context, s fleet.Source, within fleet.Calendar, partial bool) error {
	metrics := fleet.CanonicalMetrics()
	for _, name := range besideMetrics() {
		m, err := metrics.Lookup(name)
		if err != nil {
			return err
		}
		q := fleet.Query{Metric: m, Window: h.window, Within: within}
		err = h.profiles(ctx, s, q, partial, func(x *host, p *fleet.Profile) {
			f := x.beside.flows()[name]
			f.metric = m
			f.add(p, m)
		})
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
	}
	for i, name := range besideMetrics()[:2] {
		m, err := metrics.Lookup(name)
		if err != nil {
			return err
		}
		w := fleet.Window{Start: h.window.End.Add(-idleDays * day), End: h.window.End}
		if w.Start.Before(h.window.Start) {
			w.Start = h.window.Start
		}
		q := fleet.Query{Metric: m, Window: w, Step: fleet.StepDay, Location: alignedZone(w.End), Within: within}
		err = h.profiles(ctx, s, q, partial, func(x *host, p *fleet.Profile) {
			x.beside.quiet.add(i, int(w.End.Sub(p.Window.Start)/day)-1, p, m)
		})
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
	}
	return nil
}

// profiles hands over every profile with samples of a host of the history.
func (h *history) profiles(ctx context.Context, s fleet.Source, q fleet.Query, partial bool, take func(*host, *fleet.Profile)) error {
	for p, err := range s.Profiles(ctx, q) {
		if err != nil {
			if err = fleet.Tolerate(err, partial, &h.damage); err != nil {
				return err
			}
			continue
		}
		if x := h.hosts[p.Record.Host]; x != nil && p.Count > 0 {
			take(x, &p)
		}
	}
	return nil
}

// resources are those beside CPU and memory.
func resources() [3]string {
	return [3]string{ResourceNetwork, ResourceDiskThroughput, ResourceDiskIOPS}
}

// needBeside sets what a host needs beside CPU and memory, a group what its most
// demanding member does.
func (q *quote) needBeside() {
	for i := range q.beside {
		if v, ok := q.host.most(func(p *host) (float64, bool) {
			if need := p.beside.needed[i]; need != nil {
				return *need, true
			}
			return 0, false
		}); ok {
			q.beside[i] = known(v)
		}
	}
}

// limits holds what a host uses beside CPU and memory against the limits of a
// type, in the order of resources.
func (q *quote) limits(then *pricing.Specification) [3]Limit {
	today := q.today.Spec
	var out [3]Limit
	for i, r := range resources() {
		l := Limit{Resource: r, Demand: q.beside[i], State: LimitUnknown}
		switch r {
		case ResourceNetwork:
			l.network(today, then)
		case ResourceDiskThroughput:
			l.sustained(today.DiskBytesPerSecond, then.DiskBytesPerSecond, 1)
		default:
			l.sustained(today.DiskIOPS, then.DiskIOPS, 1)
		}
		out[i] = l
	}
	return out
}

// shortOf is the first resource of which a type has too little for a host; ""
// where there is none.
func (q *quote) shortOf(then *pricing.Specification) string {
	if q.beside == [3]*float64{} {
		return ""
	}
	for _, l := range q.limits(then) {
		if l.State == LimitShort {
			return l.Resource
		}
	}
	return ""
}

// sustained judges by limits that are there all the time. A limit no lower than
// today's is never short: the host lives with today's.
func (l *Limit) sustained(today, then pricing.Fact[float64], unit float64) {
	l.Kind = LimitSustained
	if today.Known {
		l.Today = known(today.Value * unit)
	}
	if !then.Known {
		l.Kind = ""
		return
	}
	l.Capacity = known(then.Value * unit)
	switch {
	case today.Known && then.Value >= today.Value:
		l.State = LimitOK
	case l.Demand == nil:
	case *l.Demand > limitUse**l.Capacity:
		l.State = LimitShort
	default:
		l.State = LimitOK
	}
}

// network judges by the sustained network where it is known of the new type. An
// "up to" figure is no guarantee: it is taken where nothing better is known of
// both types, and like is compared with like. A type whose very maximum is below
// the demand is short whatever else is unknown.
func (l *Limit) network(today, then *pricing.Specification) {
	now, next := baseline(today), baseline(then)
	if next.Known {
		l.sustained(now, next, bytesPerGB)
		return
	}
	most, top := maximum(today), maximum(then)
	if !top.Known {
		return
	}
	judged := *l
	judged.sustained(most, top, bytesPerGB)
	judged.Kind = LimitMaximum
	if judged.State == LimitShort || !now.Known && most.Known {
		*l = judged
	}
}

// baseline is the sustained network of a type in Gbit/s.
func baseline(s *pricing.Specification) pricing.Fact[float64] {
	if s.NetworkBaselineGbps.Known {
		return s.NetworkBaselineGbps
	}
	if s.NetworkKind == pricing.NetworkBaseline {
		return s.NetworkGbps
	}
	return pricing.Fact[float64]{}
}

// maximum is the "up to" network of a type in Gbit/s.
func maximum(s *pricing.Specification) pricing.Fact[float64] {
	if s.NetworkKind == pricing.NetworkMaximum {
		return s.NetworkGbps
	}
	return pricing.Fact[float64]{}
}
