package statistics

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

// pool collects the profiles of one group, host after host.
type pool struct {
	key    fleet.GroupKey
	over   Over
	metric fleet.Metric

	// one is the first profile with samples. A builder, which holds a large
	// histogram, is made for the second one: where hosts are grouped by host
	// there is hardly any.
	one     *fleet.Profile
	builder *fleet.ProfileBuilder

	last              fleet.HostID // hosts arrive one after the other
	hosts             int
	covered, expected time.Duration

	// means of hosts done, and the sum and time of the host at hand
	means []hostMean
	sum   fleet.Int128
	time  time.Duration
}

// hostMean is a host's mean and the time it was taken over.
type hostMean float64

func newPool(key fleet.GroupKey, m fleet.Metric, over Over) *pool {
	return &pool{key: key, over: over, metric: m}
}

func (p *pool) add(x *fleet.Profile) {
	p.enter(x.Record.Host)
	p.merge(x)
	p.expected += x.Expected
	p.covered += min(x.Covered, x.Expected)
	if p.over == OverHosts && x.Count > 0 {
		p.sum = p.sum.Add(x.Sum)
		p.time += x.Covered
	}
}

func (p *pool) merge(x *fleet.Profile) {
	switch {
	case p.builder != nil:
		p.builder.Merge(x)
	case p.one == nil:
		first := *x
		p.one = &first
	case x.Count == 0:
		p.one.WithoutCapacity += x.WithoutCapacity
	case p.one.Count == 0:
		first := *x
		first.WithoutCapacity += p.one.WithoutCapacity
		p.one = &first
	default:
		p.builder = fleet.NewProfileBuilder(p.metric)
		p.builder.Merge(p.one)
		p.builder.Merge(x)
	}
}

// all is the profile of all that was collected.
func (p *pool) all() fleet.Profile {
	switch {
	case p.builder != nil:
		return p.builder.Build(nil, fleet.Window{})
	case p.one != nil:
		return *p.one
	}
	return fleet.Profile{}
}

// enter counts a host once, its profiles being neighbours.
func (p *pool) enter(host fleet.HostID) {
	if p.hosts > 0 && host == p.last {
		return
	}
	p.closeHost()
	p.hosts++
	p.last = host
}

func (p *pool) closeHost() {
	if p.time > 0 {
		p.means = append(p.means, hostMean(p.sum.Float64()/float64(p.time.Milliseconds())))
	}
	p.sum, p.time = fleet.Int128{}, 0
}

// figures closes the pool and computes its figures.
func (p *pool) figures(shares []share) Figures {
	p.closeHost()
	total := p.all()
	f := Figures{Samples: total.Count, WithoutCapacity: total.WithoutCapacity}
	if p.expected > 0 {
		c := float64(p.covered) / float64(p.expected)
		f.Coverage = &c
	}
	switch {
	case total.Count == 0 && total.WithoutCapacity > 0:
		f.Reason = ReasonNoCapacity
	case total.Count == 0:
		f.Reason = ReasonNoSamples
	case f.Coverage == nil:
		f.Reason = ReasonNoLifetime
	}
	values := make([]*float64, len(shares))
	switch {
	case total.Count == 0:
	case p.over == OverHosts:
		p.overHosts(&f, shares, values)
	default:
		p.overTime(&f, &total, shares, values)
	}
	f.Median, f.P95, f.P99 = values[0], values[1], values[2]
	for i := 3; i < len(shares); i++ {
		f.Percentiles = append(f.Percentiles, Percentile{shares[i].percent, values[i]})
	}
	return f
}

func (p *pool) overTime(f *Figures, total *fleet.Profile, shares []share, values []*float64) {
	mean, _ := total.Mean()
	deviation, _ := total.StdDev()
	f.Mean, f.StdDev = round(p.metric, mean), round(p.metric, deviation)
	f.Min, f.Max = p.value(total.Min), p.value(total.Max)
	for i, s := range shares {
		if v, ok := total.Quantile(s.share); ok {
			values[i] = p.value(v)
		}
	}
}

func (p *pool) overHosts(f *Figures, shares []share, values []*float64) {
	slices.SortFunc(p.means, func(a, b hostMean) int { return cmp.Compare(a, b) })
	n := len(p.means)
	var sum, squares float64
	for _, m := range p.means {
		sum += float64(m)
	}
	mean := sum / float64(n)
	for _, m := range p.means {
		squares += (float64(m) - mean) * (float64(m) - mean)
	}
	f.Mean, f.StdDev = round(p.metric, mean), round(p.metric, math.Sqrt(squares/float64(n)))
	f.Min, f.Max = round(p.metric, float64(p.means[0])), round(p.metric, float64(p.means[n-1]))
	for i, s := range shares {
		rank := (int64(n)*int64(s.share) + 999999) / 1000000
		values[i] = round(p.metric, float64(p.means[rank-1]))
	}
}

// value turns a scaled integer into the metric's unit.
func (p *pool) value(scaled int64) *float64 {
	v := p.metric.Value(scaled)
	return &v
}

// round turns a scaled mean into the metric's unit, kept to a thousandth of the
// resolution so that printed digits mean something.
func round(m fleet.Metric, scaled float64) *float64 {
	v := math.Round(scaled*1000) / 1000 * float64(m.Num) / float64(m.Den)
	if m.Num == 1 {
		v = math.Round(scaled*1000) / (1000 * float64(m.Den))
	}
	return &v
}

// pools are the groups of one step.
type pools struct {
	plan  *plan
	byID  map[string]*pool
	total *pool
	cache map[*fleet.Record][]*pool
}

func (p *plan) newPools() *pools {
	return &pools{plan: p, byID: map[string]*pool{}, cache: map[*fleet.Record][]*pool{}}
}

// of returns the pools a record counts in, the total not among them.
func (s *pools) of(r *fleet.Record) []*pool {
	if list, ok := s.cache[r]; ok {
		return list
	}
	var list []*pool
	for _, key := range fleet.GroupsOf(r, s.plan.groupBy, s.plan.env.Sets) {
		id := key.ID()
		g := s.byID[id]
		if g == nil {
			g = newPool(key, s.plan.metric, s.plan.over)
			s.byID[id] = g
		}
		list = append(list, g)
	}
	s.cache[r] = list
	return list
}

func (s *pools) add(x *fleet.Profile) {
	for _, g := range s.of(x.Record) {
		g.add(x)
	}
	if s.total != nil {
		s.total.add(x)
	}
}

// silent counts a host that was never heard of.
func (s *pools) silent(r *fleet.Record) {
	for _, g := range s.of(r) {
		g.enter(r.Host)
	}
	if s.total != nil {
		s.total.enter(r.Host)
	}
}

// sorted returns the groups by key.
func (s *pools) sorted() []*pool {
	list := make([]*pool, 0, len(s.byID))
	for _, g := range s.byID {
		list = append(list, g)
	}
	slices.SortFunc(list, func(a, b *pool) int { return a.key.Compare(b.key) })
	return list
}
