package rightsizing

import (
	"math/rand/v2"
	"slices"

	"github.com/leanfleet/leanfleet/fleet"
)

const (
	replicates = 1000
	tail       = 0.05 // on either side
	seed       = 20130701
)

// parts are the parts of the four shares: saved, cost, what could be saved,
// broken, changed, broken shrinks, shrinks. Money is per month.
type parts [7]float64

func (p *parts) add(o *parts) {
	for i := range p {
		p[i] += o[i]
	}
}

func sums(list []entry) parts {
	var p parts
	for i := range list {
		x := list[i].parts()
		p.add(&x)
	}
	return p
}

func (e *entry) parts() parts {
	one := func(b bool) float64 { return float64(btoi(b)) }
	return parts{
		(e.before - e.after) * HoursPerMonth, e.before * HoursPerMonth, e.foresight * HoursPerMonth,
		one(e.broke), one(e.changed), one(e.broke && e.shrunk), one(e.shrunk),
	}
}

// intervals adds the bootstrap intervals: hosts are drawn with all their
// windows.
func (t *Tally) intervals(list []entry) {
	index := map[fleet.HostID]int{}
	var hosts []parts
	for i := range list {
		k, ok := index[list[i].host]
		if !ok {
			k = len(hosts)
			index[list[i].host] = k
			hosts = append(hosts, parts{})
		}
		x := list[i].parts()
		hosts[k].add(&x)
	}
	if len(hosts) < 2 {
		return
	}
	shares := []*Share{&t.SavedShare, &t.OfClairvoyant, &t.BrokenShare, &t.BrokenShrunkShare}
	of := [][2]int{{0, 1}, {0, 2}, {3, 4}, {5, 6}}
	values := make([][]float64, len(shares))
	random := rand.New(rand.NewPCG(seed, seed))
	for range replicates {
		var p parts
		for range hosts {
			p.add(&hosts[random.IntN(len(hosts))])
		}
		for k, i := range of {
			if p[i[1]] > 0 {
				values[k] = append(values[k], p[i[0]]/p[i[1]])
			}
		}
	}
	for k, s := range shares {
		if v := values[k]; s.Value != nil && len(v) > 0 {
			slices.Sort(v)
			s.Low, s.High = known(v[int(tail*float64(len(v)))]), known(v[min(len(v)-1, int((1-tail)*float64(len(v))))])
		}
	}
}
