package rightsizing

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/pricing"
)

// model is what was learned of a fleet up to an instant.
type model struct {
	history *history
	shop    *shop
	days    int
	quotes  []*quote // of hosts that have one, by host id, then of scaling groups
	loads   []*load  // beside quotes
	hosts   int      // the number of quotes that are of hosts
	grouped []bool   // hosts that are advised through their group
	without []*quote // hosts without a quote
	learned learned
	weights [][]float64 // how alike two hosts are
	recent  []float64   // weights of days
}

// learn reads the days before an instant and learns from them. Nothing at or
// after the end is asked for: advice and back-test both come from here.
func learn(ctx context.Context, env Environment, req *Request, within fleet.Calendar, end time.Time, days int) (*model, error) {
	key := keyOf(&env, within, end, days, req.Partial)
	if h := env.Memory.recall(key); h != nil {
		m, err := learnFrom(h, env, req, end)
		if !errors.Is(err, errStale) {
			return m, err
		}
	}
	h, err := readHistory(ctx, env, within, end, days, req.Partial, true)
	if err != nil {
		return nil, err
	}
	h.trim()
	m, err := learnFrom(h, env, req, end)
	if err == nil {
		env.Memory.keep(key, h)
	}
	return m, err
}

// errStale says that what was remembered is of other sizes of the hosts.
var errStale = errors.New("remembered figures are of other sizes")

// learnFrom learns from a history.
func learnFrom(h *history, env Environment, req *Request, end time.Time) (*model, error) {
	m := &model{history: h, shop: newShop(env.Prices, req), days: h.days, recent: recency(h.days)}
	var sized []*host
	for _, x := range h.order {
		q, err := m.shop.quote(x)
		if err != nil {
			return nil, err
		}
		if q.reason != "" {
			m.without = append(m.without, q)
			continue
		}
		m.quotes = append(m.quotes, q)
		sized = append(sized, x)
	}
	if !deriveAll(sized, h.days) {
		return nil, errStale
	}
	for i, x := range sized {
		m.quotes[i].pressed = x.load.pressed
		m.loads = append(m.loads, x.load)
	}
	if err := m.addScaling(); err != nil {
		return nil, err
	}
	m.remember(end)
	m.learned.cpu, m.learned.mem = m.fit(true), m.fit(false)
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
		if capacity, less := of(&m.quotes[i].list[j]); less && !m.quotes[i].list[j].remembered {
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

// fit learns the curve of one resource from the pseudo-splits.
func (m *model) fit(cpu bool) curve {
	prior := shipped(priorMem, m.days)
	if cpu {
		prior = shipped(priorCPU, m.days)
	}
	ds := splits(m.days)
	var rows []row
	for _, d := range ds {
		weights := recency(d)
		for i := range m.hosts {
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
	return fit(prior, rows, len(ds))
}

// addChances sets the chances of breaking of every candidate.
func (m *model) addChances() {
	for i, q := range m.quotes {
		chances := m.chancesOf(i)
		for j := range q.list {
			chances(&q.list[j])
		}
	}
}

// chancesOf returns what sets a candidate's chances of breaking for a host.
func (m *model) chancesOf(i int) func(*candidate) {
	l := m.loads[i]
	m.quotes[i].lately = [2]float64{l.cpu.lately(m.days), l.mem.lately(m.days)}
	cpu, mem := l.cpu.view(m.days, m.recent, m.long()), l.mem.view(m.days, m.recent, m.long())
	cpuKnown, memKnown := l.cpu.known(m.days), l.mem.known(m.days)
	return func(c *candidate) {
		if c.lessCPU {
			c.pCPU = 1
			if cpuKnown {
				c.pCPU = m.learned.chance(true, cpu.odds(c.vcpus))
			}
		}
		if c.lessMem {
			c.pMem = 1
			if memKnown {
				c.pMem = m.learned.chance(false, mem.odds(c.memory))
			}
		}
		c.p = 1 - (1-c.pCPU)*(1-c.pMem)
	}
}

// recentFactor is by how much one of the last 14 days may have taken more than a
// smaller size has. The one worst day says nothing about what comes, and is set
// aside; but nobody carries out a change to less than half of what last week took.
const recentFactor = 2

// lately is the most that one of the last 14 days took; 0 where none is known.
func (r *daily) lately(d int) float64 {
	top := 0.0
	for _, v := range r.day[max(0, d-horizon):d] {
		if v > top {
			top = v
		}
	}
	return top
}

// The choice's numbers.
const (
	ladderFirst, ladderFactor = 0.05, 1.1
	ladderSteps               = 100
	allowance                 = 1.25 // for shocks that no day foretold
	shortPower                = 0.5  // by which it grows as days are fewer than a pseudo-split takes
)

// long says whether the history holds a pseudo-split. In a shorter one nothing is
// learned, no day of the CPU is set aside, and the allowance is larger.
func (m *model) long() bool { return m.days >= firstSplit+horizon }

// allowance is by how much the stated share has to lie below what is promised.
func (m *model) allowance() float64 {
	return allowance * math.Pow(math.Max(1, float64(firstSplit+horizon)/float64(m.days)), shortPower)
}

// pressure is what an under-provisioned host needs; zero fields are not short.
type pressure struct {
	vcpus, memory float64
}

const (
	ceilingCPU, ceilingMem = 0.90, 0.95
	pressedShare           = 0.50
	stillPressed           = 0.25 // where a larger size was advised before
	pressedDays            = 3
	pressedLimit           = 0.05
	pressureDays           = 14
)

// pressed looks for a ceiling in the last 14 days: of a host, or of at least half
// of a group's members.
func pressed(q *quote) pressure {
	var sum pressure
	var cpus, mems int
	parts := q.host.current()
	share := pressedShare
	if q.grown() {
		share = stillPressed
	}
	for _, x := range parts {
		p := pressedHost(x, share)
		if p.vcpus > 0 {
			cpus++
		}
		if p.memory > 0 {
			mems++
		}
		sum.vcpus, sum.memory = math.Max(sum.vcpus, p.vcpus), math.Max(sum.memory, p.memory)
	}
	if 2*cpus < len(parts) {
		sum.vcpus = 0
	}
	if 2*mems < len(parts) {
		sum.memory = 0
	}
	return sum
}

// grown says whether a larger size was advised before.
func (q *quote) grown() bool {
	if q.before == nil || q.today == nil {
		return false
	}
	to := q.before.target(q.host.record.InstanceType)
	return slices.ContainsFunc(q.all, func(c *pricing.Candidate) bool {
		return c.Spec.InstanceType == to && (float64(c.Spec.VCPUs.Value) > q.host.vcpus || float64(c.Spec.MemoryBytes.Value) > q.host.memory)
	})
}

func pressedHost(x *host, least float64) pressure {
	var p pressure
	cpu, mem := lastDays(x.cpu, pressureDays), lastDays(x.mem, pressureDays)
	limit := int64(math.Round(ceilingCPU * x.vcpus / fleet.CPUCoresUsed.Resolution()))
	if share, days := pressedTime(cpu, limit); share >= least && days >= pressedDays {
		p.vcpus = math.Max(need(cpu, 0), x.vcpus)
	}
	limit = int64(math.Round(ceilingMem * x.memory / fleet.MemoryUsedBytes.Resolution()))
	if share, days := pressedTime(mem, limit); share >= least && days >= pressedDays {
		p.memory = math.Max(largest(mem)/ceilingMem, x.memory)
	}
	return p
}

// longAboveLimit says whether a host was above 80 % of its vCPUs for 5 % of any 14
// days of the history, the last of them among it: of their measured time, and where
// these are fewer, of all. By the definition of broken such a host may lose vCPUs
// without breaking more; no engineer would take them away. The times are prefix
// sums by day.
func longAboveLimit(above, total []int64) bool {
	for d := 1; d < len(total); d++ {
		from := max(0, d-pressureDays)
		if d < pressureDays && d < len(total)-1 {
			continue
		}
		if t := total[d] - total[from]; t > 0 && float64(above[d]-above[from]) >= pressedLimit*float64(t) {
			return true
		}
	}
	return false
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

// listed are the hosts and groups that a selector matches, the flags of those
// that are under-provisioned, and what these need. What a rule leaves out is in
// it, too.
func (m *model) listed(sel fleet.Selector) (list []int, short map[int]bool, needs map[int]pressure) {
	short, needs = map[int]bool{}, map[int]pressure{}
	for i, q := range m.quotes {
		if !m.matches(sel, i) {
			continue
		}
		list = append(list, i)
		if p := pressed(q); p.any() {
			short[i], needs[i] = true, p
		}
	}
	return list, short, needs
}

// matches says whether a selector takes a line: a group by any of its members.
func (m *model) matches(sel fleet.Selector, i int) bool {
	if i < m.hosts {
		return !m.grouped[i] && sel.Matches(m.quotes[i].host.record)
	}
	return slices.ContainsFunc(m.quotes[i].members, func(k int) bool { return sel.Matches(m.quotes[k].host.record) })
}
