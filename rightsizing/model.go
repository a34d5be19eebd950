package rightsizing

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

// model is what was learned of a fleet up to an instant.
type model struct {
	history *history
	shop    *shop
	days    int
	quotes  []*quote // of hosts that have one, by host id
	loads   []*load  // beside quotes
	without []*quote // hosts without a quote
	learned learned
	weights [][]float64 // how alike two hosts are
	recent  []float64   // weights of days
}

// learn reads the days before an instant and learns from them. Nothing at or
// after the end is asked for: advice and back-test both come from here.
func learn(ctx context.Context, env Environment, req *Request, within fleet.Calendar, end time.Time, days int) (*model, error) {
	h, err := readHistory(ctx, env, within, end, days, req.Partial)
	if err != nil {
		return nil, err
	}
	h.trim()
	m := &model{history: h, shop: newShop(env.Prices, req), days: h.days, recent: recency(h.days)}
	for _, x := range h.order {
		q, err := m.shop.quote(x)
		if err != nil {
			return nil, err
		}
		if q.reason != "" {
			m.without = append(m.without, q)
			continue
		}
		q.pressed = longAboveLimit(x)
		m.quotes = append(m.quotes, q)
		m.loads = append(m.loads, newLoad(x, h.days))
	}
	m.learned.cpu, m.learned.rowsCPU = m.fit(true)
	m.learned.mem, m.learned.rowsMem = m.fit(false)
	m.learned.splits = len(splits(m.days))
	m.addChances()
	m.addGroups()
	return m, nil
}

// resource is a host's days and smaller capacities of one resource.
func (m *model) resource(i int, cpu bool) (*daily, func(*candidate) (capacity float64, less bool)) {
	if cpu {
		return &m.loads[i].cpu, func(c *candidate) (float64, bool) { return c.vcpus, c.lessCPU }
	}
	return &m.loads[i].mem, func(c *candidate) (float64, bool) { return c.memory, c.lessMem }
}

// smaller are a host's distinct smaller capacities of a resource.
func (m *model) smaller(i int, cpu bool) []float64 {
	_, of := m.resource(i, cpu)
	var out []float64
	for j := range m.quotes[i].list {
		if capacity, less := of(&m.quotes[i].list[j]); less {
			out = append(out, capacity)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// judged says whether a host counts at a pseudo-split.
func (m *model) judged(i int, r *daily, d int) bool {
	return r.known(d) && !math.IsNaN(r.outcome[d]) && m.loads[i].measured[d] >= minOutcome
}

// fit learns a of one resource from the pseudo-splits.
func (m *model) fit(cpu bool) (float64, int) {
	prior := shipped(priorMem, m.days)
	if cpu {
		prior = shipped(priorCPU, m.days)
	}
	ds := splits(m.days)
	var rows []row
	for _, d := range ds {
		weights := recency(d)
		for i := range m.quotes {
			r, _ := m.resource(i, cpu)
			capacities := m.smaller(i, cpu)
			if len(capacities) == 0 || !m.judged(i, r, d) {
				continue
			}
			v := r.view(d, weights, true)
			for _, c := range capacities {
				rows = append(rows, row{v.odds(c), r.outcome[d] > c})
			}
		}
	}
	return fit(prior, rows, len(ds)), len(rows)
}

// addChances sets the chances of breaking of every candidate.
func (m *model) addChances() {
	for i, q := range m.quotes {
		l := m.loads[i]
		cpu, mem := l.cpu.view(m.days, m.recent, m.long()), l.mem.view(m.days, m.recent, m.long())
		cpuKnown, memKnown := l.cpu.known(m.days), l.mem.known(m.days)
		for j := range q.list {
			c := &q.list[j]
			if c.lessCPU {
				c.pCPU = 1
				if cpuKnown {
					c.pCPU = chance(floorCPU, m.learned.cpu+cpu.odds(c.vcpus))
				}
			}
			if c.lessMem {
				c.pMem = 1
				if memKnown {
					c.pMem = chance(floorMem, m.learned.mem+mem.odds(c.memory))
				}
			}
			c.p = 1 - (1-c.pCPU)*(1-c.pMem)
		}
	}
}

// The choice's numbers.
const (
	ladderFirst, ladderFactor = 0.05, 1.1
	ladderSteps               = 100
	allowance                 = 1.25 // for shocks that no day foretold
	shortPower                = 0.5  // by which it grows as days are fewer than a pseudo-split takes
)

// long says whether the history holds a pseudo-split. In a shorter one nothing is
// learned, no day is set aside, and the allowance is larger.
func (m *model) long() bool { return m.days >= firstSplit+horizon }

// allowance is by how much the stated share has to lie below what is promised.
func (m *model) allowance() float64 {
	return allowance * math.Pow(math.Max(1, float64(firstSplit+horizon)/float64(m.days)), shortPower)
}

// choice is the candidate of each listed host, by index into its quote's list; 0
// is to keep.
type choice struct {
	chosen []int // beside model.quotes; 0 where a host is not listed
	lambda float64
	stated float64 // mean chance of the changed hosts
	met    bool    // whether the confidence was reached
	again  map[int]bool
}

// allowed says whether a candidate may be chosen at all, and why not.
func (m *model) allowed(q *quote, j int) string {
	c, r := &q.list[j], m.shop.req
	if j == 0 {
		return ""
	}
	switch {
	case c.lessCPU && c.pCPU == 1:
		return RejectedCPUUnknown
	case c.lessMem && c.pMem == 1:
		return RejectedMemUnknown
	case c.lessCPU && q.pressed:
		return RejectedPressed
	case c.p > r.MaxRisk:
		return RejectedRisk
	case !r.worthwhile(q, j):
		return RejectedSavings
	}
	return ""
}

// worthwhile says whether a candidate saves as much as a change has to.
func (r *Request) worthwhile(q *quote, j int) bool {
	saved := q.list[0].price - q.list[j].price
	return saved >= r.MinSavings*q.list[0].price-1e-12 && saved*HoursPerMonth >= r.MinMonthlySavings-1e-9
}

// choose makes the choice for the listed hosts at a confidence. Hosts in keep
// stay as they are.
func (m *model) choose(list []int, keep map[int]bool, confidence float64) choice {
	alpha := 1 - confidence
	mean := 0.0
	for _, i := range list {
		mean += m.quotes[i].list[0].price
	}
	mean /= math.Max(1, float64(len(list)))
	out := choice{}
	for k := range ladderSteps {
		lambda := ladderFirst * math.Pow(ladderFactor, float64(k))
		out = m.at(list, keep, lambda, alpha, mean)
		if out.met = out.stated*m.allowance() <= alpha; out.met {
			return out
		}
	}
	return out
}

func (m *model) at(list []int, keep map[int]bool, lambda, alpha, mean float64) choice {
	out := choice{chosen: make([]int, len(m.quotes)), lambda: lambda, again: map[int]bool{}}
	for _, i := range list {
		if !keep[i] {
			out.chosen[i] = m.best(m.quotes[i], lambda, mean, false)
		}
	}
	for _, i := range m.spread(out.chosen, list, alpha) {
		out.again[i] = true
		out.chosen[i] = m.best(m.quotes[i], lambda, mean, true)
	}
	n := 0
	for _, i := range list {
		if j := out.chosen[i]; j > 0 {
			n++
			out.stated += m.quotes[i].list[j].p
		}
	}
	out.stated /= math.Max(1, float64(n))
	return out
}

// objective is what a candidate costs with its risk.
func objective(q *quote, c *candidate, lambda, mean float64) float64 {
	return c.price + lambda*c.p*(mean+q.list[0].price)/2
}

// best is the candidate with the least objective; ties go to the lower price,
// then to the order of the list.
func (m *model) best(q *quote, lambda, mean float64, noBets bool) int {
	best, least := 0, q.list[0].price
	for j := 1; j < len(q.list); j++ {
		c := &q.list[j]
		if m.allowed(q, j) != "" || noBets && m.bet(c) {
			continue
		}
		o := objective(q, c, lambda, mean)
		if o < least || o == least && c.price < q.list[best].price {
			best, least = j, o
		}
	}
	return best
}

// pressure is what an under-provisioned host needs; zero fields are not short.
type pressure struct {
	vcpus, memory float64
	cpuShare      float64 // of the time above 90 % of the vCPUs
	memShare      float64 // of the time above 95 % of the memory
}

const (
	ceilingCPU, ceilingMem = 0.90, 0.95
	pressedShare           = 0.50
	pressedDays            = 3
	pressedLimit           = 0.05
	pressureDays           = 14
)

// pressed looks for a ceiling in the last 14 days.
func pressed(x *host) pressure {
	var p pressure
	cpu, mem := lastDays(x.cpu, pressureDays), lastDays(x.mem, pressureDays)
	limit := int64(math.Round(ceilingCPU * x.vcpus / fleet.CPUCoresUsed.Resolution()))
	if share, days := pressedTime(cpu, limit); share >= pressedShare && days >= pressedDays {
		p.cpuShare, p.vcpus = share, math.Max(need(cpu, 0), x.vcpus)
	}
	limit = int64(math.Round(ceilingMem * x.memory / fleet.MemoryUsedBytes.Resolution()))
	if share, days := pressedTime(mem, limit); share >= pressedShare && days >= pressedDays {
		p.memShare, p.memory = share, math.Max(largest(mem)/ceilingMem, x.memory)
	}
	return p
}

// longAboveLimit says whether a host was above 80 % of its vCPUs for 5 % of the
// last 14 days. By the definition of broken such a host may lose vCPUs without
// breaking more; no engineer would take them away.
func longAboveLimit(x *host) bool {
	cells := lastDays(x.cpu, pressureDays)
	total := measured(cells)
	return total > 0 && float64(timeAbove(cells, cpuLimit(x.vcpus))) >= pressedLimit*float64(total)
}

func pressedTime(cells []cell, limit int64) (share float64, days int) {
	var above, total int64
	for i := range cells {
		w := cells[i].dist.WeightAbove(limit)
		above += w
		total += cells[i].covered
		if w > 0 {
			days++
		}
	}
	if total == 0 {
		return 0, 0
	}
	return float64(above) / float64(total), days
}

func lastDays(cells []cell, n int) []cell { return cells[max(0, len(cells)-n):] }

func (p pressure) any() bool { return p.vcpus > 0 || p.memory > 0 }

// listed are the hosts that a selector matches, the flags of those that are
// under-provisioned, and what these need.
func (m *model) listed(sel fleet.Selector) (list []int, short map[int]bool, needs map[int]pressure) {
	short, needs = map[int]bool{}, map[int]pressure{}
	for i, q := range m.quotes {
		if !sel.Matches(q.host.record) {
			continue
		}
		list = append(list, i)
		if p := pressed(q.host); p.any() {
			short[i], needs[i] = true, p
		}
	}
	return list, short, needs
}
