package rightsizing

import (
	"cmp"
	"slices"
)

// What it takes to give up an earlier advice for a new one: it has to save so much
// of today's price more, and where it is the riskier one, leave the list at so much
// of the risk that it may have.
const (
	steadyBand  = 0.05
	steadySlack = 0.9
)

// holding is a list on its way back to what was advised before.
type holding struct {
	m     *model
	l     *list
	alpha float64
	fresh map[int]int // what was chosen now, of the hosts that hold on to something else
}

// hold goes back to what was advised before, wherever that is still allowed, as
// long as the list keeps its promise and no group has more bets than it may. The
// list as it was chosen does both.
func (m *model) hold(l *list, keep map[int]bool, alpha float64) {
	h := &holding{m: m, l: l, alpha: alpha, fresh: map[int]int{}}
	for _, i := range l.members {
		q := m.quotes[i]
		j := q.prior
		if _, no := l.dismiss[i]; no || j < 0 || j == l.chosen[i] || keep[i] || m.allowed(q, j) != "" || q.dismissed(q.list[j].Spec.InstanceType) {
			continue
		}
		h.fresh[i], l.chosen[i] = l.chosen[i], j
	}
	if len(h.fresh) == 0 {
		return
	}
	h.fewerBets()
	h.lessRisk()
	h.moreSavings()
	if !h.fine(1) {
		for _, i := range l.members {
			if _, ok := h.fresh[i]; ok {
				h.renew(i)
			}
		}
	}
	l.before = h.fresh
	m.sum(l)
	l.met = m.keeps(l, alpha)
}

// fine says whether the list keeps its promise with a share of the risk it may
// have, and no group has too many bets.
func (h *holding) fine(share float64) bool {
	h.m.sum(h.l)
	return h.m.keeps(h.l, h.alpha*share) && len(h.m.spread(h.l, h.alpha)) == 0
}

// renew takes the new advice of a host.
func (h *holding) renew(i int) {
	h.l.chosen[i] = h.fresh[i]
	delete(h.fresh, i)
}

// risk is what the new advice of a host adds to the number of broken ones.
func (h *holding) risk(i int) float64 {
	q := h.m.quotes[i]
	return q.count() * (q.list[h.fresh[i]].p - q.list[h.l.chosen[i]].p)
}

// saves is what it saves more an hour.
func (h *holding) saves(i int) float64 {
	q := h.m.quotes[i]
	return q.list[h.l.chosen[i]].price - q.list[h.fresh[i]].price
}

// by is the hosts that hold on to something, by a figure, then in the list's order.
func (h *holding) by(figure func(i int) float64) []int {
	var out []int
	for _, i := range h.l.members {
		if _, ok := h.fresh[i]; ok {
			out = append(out, i)
		}
	}
	slices.SortStableFunc(out, func(a, b int) int { return cmp.Compare(figure(a), figure(b)) })
	return out
}

// fewerBets gives up what are too many bets of one group.
func (h *holding) fewerBets() {
	for _, i := range h.m.spread(h.l, h.alpha) {
		if _, ok := h.fresh[i]; ok {
			h.renew(i)
		}
	}
}

// lessRisk gives up what adds most to the risk until the list keeps its promise.
func (h *holding) lessRisk() {
	for _, i := range h.by(h.risk) {
		if h.m.sum(h.l); h.risk(i) >= 0 || h.m.keeps(h.l, h.alpha) {
			return
		}
		h.renew(i)
	}
}

// moreSavings takes new advice that saves enough more: what adds no risk, then what
// saves most for its risk, as far as there is room for it.
func (h *holding) moreSavings() {
	enough := func(i int) bool { return h.saves(i) >= steadyBand*h.m.quotes[i].list[0].price }
	for _, i := range h.by(func(i int) float64 {
		if !enough(i) {
			return 0
		}
		return h.risk(i) / h.saves(i)
	}) {
		if !enough(i) {
			continue
		}
		riskier, old := h.risk(i) > 0, h.l.chosen[i]
		h.l.chosen[i] = h.fresh[i]
		share := 1.0
		if riskier {
			share = steadySlack
		}
		if h.fine(share) {
			delete(h.fresh, i)
			continue
		}
		h.l.chosen[i] = old
	}
}
