package rightsizing

import (
	"math"
	"time"

	"github.com/leanfleet/leanfleet/pricing"
)

// explain lists every type of the region with what speaks against it.
func (a *advisor) explain(i int, advised *Size) []Explained {
	q := a.m.quotes[i]
	index := map[string]int{}
	for j := range q.list {
		index[q.list[j].Spec.InstanceType] = j
	}
	out := make([]Explained, 0, len(q.all))
	for _, c := range q.all {
		y := a.m.shop.candidate(q.host, c)
		e := Explained{Size: q.size(&y)}
		j, listed := index[c.Spec.InstanceType]
		switch {
		case advised != nil && c.Spec.InstanceType == advised.InstanceType:
			e.Chosen = true
		case a.short[i] && a.req.Policy == PolicyLeanfleet:
			e.Rejected = a.tooSmall(i, c, &y)
		default:
			e.Rejected, e.By = a.rejected(i, c, &y, j, listed)
		}
		if listed && j > 0 {
			e.BreakProbability, e.BreakCPU, e.BreakMemory = known(q.list[j].p), known(q.list[j].pCPU), known(q.list[j].pMem)
		}
		out = append(out, e)
	}
	return out
}

// tooSmall is what speaks against a type for an under-provisioned host.
func (a *advisor) tooSmall(i int, c *pricing.Candidate, y *candidate) string {
	q, p := a.m.quotes[i], a.needs[i]
	if reason := a.m.shop.rejects(q, c); reason != "" {
		return reason
	}
	if !p.covered(y, q.host) {
		return RejectedTooSmall
	}
	return RejectedCostlier
}

func (a *advisor) rejected(i int, c *pricing.Candidate, y *candidate, j int, listed bool) (reason, by string) {
	q := a.m.quotes[i]
	if reason = a.m.shop.rejects(q, c); reason != "" {
		return reason, ""
	}
	if !cheaper(c, q.today) {
		return RejectedNotCheaper, ""
	}
	if !listed {
		if d := dominator(q.list[1:], y); d != nil {
			by = d.Spec.InstanceType
		}
		return RejectedDominated, by
	}
	if reason = a.m.allowed(q, j); reason != "" {
		return reason, ""
	}
	if q.dismissed(c.Spec.InstanceType) {
		return RejectedDismissed, ""
	}
	if a.choice.again[i] && a.m.bet(&q.list[j]) {
		return RejectedGroup, ""
	}
	return RejectedCostlier, ""
}

// plot is the days of a host's history beside its capacity and the advised one.
func (a *advisor) plot(i int, advised *Size) *Plot {
	q, l := a.m.quotes[i], a.m.loads[i]
	p := &Plot{VCPUs: q.host.vcpus, MemoryBytes: q.host.memory, Days: make([]PlotDay, a.m.days)}
	if advised != nil {
		p.AdvisedVCPUs, p.AdvisedMemoryBytes = known(float64(advised.VCPUs)), known(float64(advised.MemoryBytes))
	}
	for d := range p.Days {
		x := PlotDay{Start: a.m.history.window.Start.Add(time.Duration(d) * day)}
		if v := l.cpu.day[d]; !math.IsNaN(v) {
			x.NeededVCPUs = known(v)
			if top, ok := q.host.most(func(p *host) (float64, bool) { return p.cpu[d].max, p.cpu[d].covered > 0 }); ok {
				x.PeakVCPUs = known(top)
			}
		}
		if v := l.mem.day[d]; !math.IsNaN(v) {
			x.MemoryBytes = known(v)
		}
		p.Days[d] = x
	}
	return p
}
