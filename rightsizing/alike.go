package rightsizing

import (
	"cmp"
	"math"
	"slices"
)

// Outgrown is the share of look-alikes that needed more than a share of their size
// on one day, from which on a change to it is a bet.
const Outgrown = 0.1

// How alike two hosts are, and when a group has begun to outgrow a size.
const (
	widthSize, widthLevel = 0.4, 0.5
	offsetCPU, offsetMem  = 0.005, 0.002
	rareDays              = 0.1 // share of days that a safe look-alike may exceed
	outgrown              = Outgrown
	shortBets             = 1.5 // by how much a short history widens the limit of bets
)

// alike is how alike each two hosts of a model are; 0 to a host whose CPU is
// not known, and to itself.
func (m *model) alike() [][]float64 {
	type point [4]float64
	points := make([]point, len(m.quotes))
	for i, q := range m.quotes {
		l := m.loads[i]
		points[i] = point{
			math.Log(q.host.vcpus) / widthSize, math.Log(q.host.memory) / widthSize,
			math.Log(level(l.cpu.median)/q.host.vcpus+offsetCPU) / widthLevel,
			math.Log(level(l.mem.median)/q.host.memory+offsetMem) / widthLevel,
		}
	}
	out := make([][]float64, len(points))
	for i := range points {
		out[i] = make([]float64, len(points))
		for j := range points {
			if i == j || !m.loads[j].cpu.known(m.days) || slices.Contains(m.quotes[i].members, j) {
				continue
			}
			sum := 0.0
			for k := range points[i] {
				d := points[i][k] - points[j][k]
				sum += d * d
			}
			out[i][j] = math.Exp(-sum / 2)
		}
	}
	return out
}

// level is the median of the daily medians, 0 where nothing is known.
func level(medians []float64) float64 {
	if v := medianOf(medians); !math.IsNaN(v) {
		return v
	}
	return 0
}

// medianOf is the median of what is known; NaN where nothing is.
func medianOf(list []float64) float64 {
	var known []float64
	for _, v := range list {
		if !math.IsNaN(v) {
			known = append(known, v)
		}
	}
	if len(known) == 0 {
		return math.NaN()
	}
	slices.Sort(known)
	n := len(known)
	return (known[(n-1)/2] + known[n/2]) / 2
}

// excess is the days on which a safe look-alike needed more than a fraction of
// its size.
type excess struct {
	host int
	days []int
}

// addGroups sets, for every candidate with fewer vCPUs, the share of safe
// look-alikes that outgrew its fraction of the size on one and the same day.
func (m *model) addGroups() {
	m.weights = m.alike()
	type at struct{ host, cand int }
	byFraction := map[float64][]at{}
	for i, q := range m.quotes {
		for j := range q.list {
			if c := &q.list[j]; c.lessCPU {
				f := c.vcpus / q.host.vcpus
				byFraction[f] = append(byFraction[f], at{i, j})
			}
		}
	}
	perDay := make([]float64, m.days)
	for f, list := range byFraction {
		safe, over := m.safe(f)
		last, share, sum := -1, 0.0, 0.0
		for _, a := range list {
			if a.host != last {
				last = a.host
				share, sum = m.outgrown(a.host, safe, over, perDay)
			}
			c := &m.quotes[a.host].list[a.cand]
			c.group, c.groupOver = share, sum
		}
	}
}

// safe returns the hosts that needed more than a fraction of their size on few
// days, and those of them that ever did.
func (m *model) safe(fraction float64) (safe []int, over []excess) {
	for i, q := range m.quotes[:m.hosts] {
		limit := fraction * q.host.vcpus
		known := 0
		var days []int
		for d, v := range m.loads[i].cpu.day {
			if math.IsNaN(v) {
				continue
			}
			known++
			if v > limit {
				days = append(days, d)
			}
		}
		if float64(len(days)) > rareDays*math.Max(1, float64(known)) {
			continue
		}
		safe = append(safe, i)
		if len(days) > 0 {
			over = append(over, excess{i, days})
		}
	}
	return safe, over
}

func (m *model) outgrown(host int, safe []int, over []excess, perDay []float64) (share, sum float64) {
	w := m.weights[host]
	for _, i := range safe {
		sum += w[i]
	}
	clear(perDay)
	top := 0.0
	for _, e := range over {
		for _, d := range e.days {
			perDay[d] += w[e.host]
			top = math.Max(top, perDay[d])
		}
	}
	return top / (sum + 1), sum
}

// bet says whether a candidate is one: like hosts have begun to outgrow it, or
// the history is too short to hold a precedent and the candidate has fewer vCPUs.
func (m *model) bet(c *candidate) bool { return c.group >= outgrown || c.lessCPU && !m.long() }

// spread keeps few bets within one group: of the hosts whose choice is a bet it
// returns those that have to choose again. Those that were advised before come
// first, and a scaling group is as many bets as it has members.
func (m *model) spread(l *list, alpha float64) []int {
	changed := 0.0
	var bets []int
	for _, i := range l.members {
		if l.chosen[i] == 0 {
			continue
		}
		changed += m.quotes[i].count()
		if m.bet(&m.quotes[i].list[l.chosen[i]]) {
			bets = append(bets, i)
		}
	}
	limit := math.Max(1, alpha*changed)
	if !m.long() {
		limit = math.Max(1, shortBets*limit)
	}
	relative := func(i int) float64 {
		list := m.quotes[i].list
		return (list[0].price - list[l.chosen[i]].price) / list[0].price
	}
	anew := func(i int) int { return btoi(m.quotes[i].prior != l.chosen[i]) }
	slices.SortFunc(bets, func(a, b int) int {
		return cmp.Or(cmp.Compare(anew(a), anew(b)), cmp.Compare(relative(b), relative(a)), cmp.Compare(a, b))
	})
	var kept, again []int
	for _, i := range bets {
		sum := m.quotes[i].count()
		for _, k := range kept {
			sum += m.weights[i][k] * m.quotes[k].count()
		}
		if sum <= limit {
			kept = append(kept, i)
		} else {
			again = append(again, i)
		}
	}
	return again
}
