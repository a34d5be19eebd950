package rightsizing

import "math"

// choice is the candidate of each listed host, by index into its quote's list; 0
// is to keep.
type choice struct {
	chosen []int   // beside model.quotes; 0 where a host is not listed
	stated float64 // mean chance of the changed hosts
	met    bool    // whether the confidence was reached, of every list
	again  map[int]bool
	// dismissed is what would have been chosen had nobody decided against it;
	// fresh what would have been chosen had nothing been advised before.
	dismissed, fresh map[int]int
	lists            []*list
	of               []*list // beside model.quotes
}

// list is the hosts of one policy and how they were chosen for.
type list struct {
	terms           *terms
	members         []int
	confidence      float64
	lambda, mean    float64
	hosts, changed  float64 // a group counts with its members
	statedSum       float64
	stated          float64
	met             bool
	chosen          map[int]int
	again           map[int]bool
	dismiss, before map[int]int // see choice.dismissed and choice.fresh
}

func newChoice(m *model) choice {
	return choice{
		chosen: make([]int, len(m.quotes)), of: make([]*list, len(m.quotes)), met: true,
		again: map[int]bool{}, dismissed: map[int]int{}, fresh: map[int]int{},
	}
}

// lists cuts what is listed into one list for each policy, without the hosts that
// a rule leaves out.
func (m *model) lists(listed []int, confidence float64) []*list {
	byTerms := make([]*list, len(m.shop.req.terms))
	for _, i := range listed {
		t := m.quotes[i].terms
		if t.leftOut {
			continue
		}
		l := byTerms[t.index]
		if l == nil {
			l = &list{terms: t, confidence: confidence}
			if t.confidence > 0 {
				l.confidence = t.confidence
			}
			byTerms[t.index] = l
		}
		l.members = append(l.members, i)
		l.mean += m.quotes[i].list[0].price
	}
	var out []*list
	for _, l := range byTerms {
		if l != nil {
			l.mean /= float64(len(l.members))
			out = append(out, l)
		}
	}
	return out
}

// take adds a list that was chosen for.
func (c *choice) take(l *list) {
	c.lists = append(c.lists, l)
	c.met = c.met && l.met
	for _, i := range l.members {
		c.of[i], c.chosen[i] = l, l.chosen[i]
		if l.again[i] {
			c.again[i] = true
		}
		if j, ok := l.dismiss[i]; ok {
			c.dismissed[i] = j
		}
		if j, ok := l.before[i]; ok {
			c.fresh[i] = j
		}
	}
	var changed, sum float64
	for _, x := range c.lists {
		changed += x.changed
		sum += x.statedSum
	}
	c.stated = sum / math.Max(1, changed)
}

// allowed says whether a candidate may be chosen at all, and why not.
func (m *model) allowed(q *quote, j int) string {
	c := &q.list[j]
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
	case !c.shrinks() && older(q.today.Spec, c.Spec):
		return RejectedOlder
	case c.p > q.terms.maxRisk:
		return RejectedRisk
	case c.lessCPU && q.lately[0] > recentFactor*c.vcpus, c.lessMem && q.lately[1] > recentFactor*c.memory:
		return RejectedRecent
	case !q.terms.worthwhile(q, j):
		return RejectedSavings
	}
	return ""
}

// choose makes the choice for the listed hosts at a confidence. Hosts in keep
// stay as they are.
func (m *model) choose(listed []int, keep map[int]bool, confidence float64) choice {
	out := newChoice(m)
	for _, l := range m.lists(listed, confidence) {
		m.chooseList(l, keep)
		out.take(l)
	}
	return out
}

// chooseList climbs with the weight of risk until the list keeps its promise, then
// holds on to what was advised before as far as it still does.
func (m *model) chooseList(l *list, keep map[int]bool) {
	alpha := 1 - l.confidence
	for k := range ladderSteps {
		l.lambda = ladderFirst * math.Pow(ladderFactor, float64(k))
		m.at(l, keep, alpha)
		if l.met = m.keeps(l, alpha); l.met {
			break
		}
	}
	if l.met {
		m.hold(l, keep, alpha)
	}
}

// keeps says whether a list keeps its promise.
func (m *model) keeps(l *list, alpha float64) bool { return l.stated*m.allowance() <= alpha }

func (m *model) at(l *list, keep map[int]bool, alpha float64) {
	l.chosen, l.again, l.dismiss, l.before = map[int]int{}, map[int]bool{}, map[int]int{}, map[int]int{}
	for _, i := range l.members {
		if !keep[i] {
			m.pick(l, i, false)
		}
	}
	for _, i := range m.spread(l, alpha) {
		l.again[i] = true
		m.pick(l, i, true)
	}
	m.sum(l)
}

// sum counts what a list came to.
func (m *model) sum(l *list) {
	l.hosts, l.changed, l.statedSum = 0, 0, 0
	for _, i := range l.members {
		q := m.quotes[i]
		l.hosts += q.count()
		if j := l.chosen[i]; j > 0 {
			l.changed += q.count()
			l.statedSum += q.list[j].p * q.count()
		}
	}
	l.stated = l.statedSum / math.Max(1, l.changed)
}

// pick chooses the best candidate for one host.
func (m *model) pick(l *list, i int, noBets bool) {
	m.settle(l, i, m.best(m.quotes[i], l.lambda, l.mean, noBets))
}

// settle takes a candidate unless it was dismissed.
func (m *model) settle(l *list, i, j int) {
	q := m.quotes[i]
	delete(l.dismiss, i)
	l.chosen[i] = j
	if j > 0 && q.dismissed(q.list[j].Spec.InstanceType) {
		l.dismiss[i], l.chosen[i] = j, 0
	}
}

// objective is what a candidate costs with its risk.
func objective(q *quote, c *candidate, lambda, mean float64) float64 {
	return c.price + lambda*c.p*(mean+q.list[0].price)/2
}

// best is the candidate with the least objective; ties go to the lower price,
// then to what is not of an older generation, then to the order of the list.
func (m *model) best(q *quote, lambda, mean float64, noBets bool) int {
	best, least := 0, q.list[0].price
	for j := 1; j < len(q.list); j++ {
		c := &q.list[j]
		if m.allowed(q, j) != "" || noBets && m.bet(c) {
			continue
		}
		o := objective(q, c, lambda, mean)
		b := &q.list[best]
		tie := o == least && c.price == b.price && older(q.today.Spec, b.Spec) && !older(q.today.Spec, c.Spec)
		if o < least || o == least && c.price < b.price || tie {
			best, least = j, o
		}
	}
	return best
}
