package rightsizing

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/leanfleet/leanfleet/fleet"
)

// Recommend answers a [Request]: a line for each host that matches, by host id,
// and one for each scaling group in place of its members.
func Recommend(ctx context.Context, env Environment, req Request) (Result, error) {
	req, err := req.normal()
	if err != nil {
		return Result{}, err
	}
	if env.Prices == nil {
		return Result{}, errNoBook
	}
	if err := req.checkPlaces(env.Prices); err != nil {
		return Result{}, err
	}
	q, err := env.Resolve(req.Scope, DefaultRange)
	if err != nil {
		return Result{}, err
	}
	days := int(min(maxDays, math.Ceil(float64(q.Window.Duration())/float64(day))))
	m, err := learn(ctx, env, &req, q.Within, q.Window.End, days)
	if err != nil {
		return Result{}, err
	}
	a := newAdvisor(m, q.Hosts, &req)
	out := Result{
		AsOf: m.history.window.End, Window: m.history.window, Policy: req.Policy, Confidence: req.Confidence, MaxRisk: req.MaxRisk,
		Currency: req.Currency, Recommendations: []Recommendation{}, Calibration: m.calibrate(), Damaged: m.history.damage,
		Learned: Learned{
			Days: m.days, Splits: m.learned.splits, CPU: m.learned.cpu.a, Memory: m.learned.mem.a,
			ShippedCPU: shipped(priorCPU, m.days), ShippedMemory: shipped(priorMem, m.days),
		},
	}
	lines, err := a.lines()
	if err != nil {
		return Result{}, err
	}
	bought, err := a.afterCommitments(env.Commitments, lines)
	if err != nil {
		return Result{}, err
	}
	if out.Summary, err = a.summarize(lines); err != nil {
		return Result{}, err
	}
	out.Summary.AfterCommitments = bought
	for _, l := range lines {
		if l.isOf(req.Host) {
			out.Recommendations = append(out.Recommendations, l)
		}
	}
	if req.Host != "" && len(out.Recommendations) == 0 {
		return Result{}, fmt.Errorf("%w %q%s", fleet.ErrUnknownHost, req.Host, fleet.DidYouMean(req.Host, namesOf(lines)))
	}
	return out, nil
}

// isOf says whether a line is a host's, by id or name, or its group's; every line
// is of the empty one.
func (l *Recommendation) isOf(host string) bool {
	return host == "" || host == string(l.Host) || host == l.Name ||
		slices.ContainsFunc(l.Members, func(m Member) bool { return host == string(m.Host) || host == m.Name })
}

func namesOf(lines []Recommendation) []string {
	var names []string
	for i := range lines {
		names = append(names, lines[i].Name)
		for _, m := range lines[i].Members {
			names = append(names, m.Name)
		}
	}
	return names
}

// advisor turns a choice into lines.
type advisor struct {
	m      *model
	req    *Request
	sel    fleet.Selector
	list   []int
	short  map[int]bool
	needs  map[int]pressure
	idle   map[int]*Idle
	choice choice
}

func newAdvisor(m *model, sel fleet.Selector, req *Request) *advisor {
	a := &advisor{m: m, req: req, sel: sel, idle: map[int]*Idle{}}
	a.list, a.short, a.needs = m.listed(sel)
	a.choice = a.choose(req.Policy, req.Confidence)
	return a
}

// choose makes the choice of any policy.
func (a *advisor) choose(policy string, confidence float64) choice {
	if policy == PolicyLeanfleet {
		return a.m.choose(a.list, a.short, confidence)
	}
	out := newChoice(a.m)
	name, swap := cutSwap(policy)
	r, ok := ruleOf(name)
	for _, l := range a.m.lists(a.list, confidence) {
		l.chosen, l.dismiss = map[int]int{}, map[int]int{}
		for _, i := range l.members {
			if !ok {
				continue // nothing is changed
			}
			q := a.m.quotes[i]
			j := r.pick(q, swap)
			if j > 0 && !q.terms.worthwhile(q, j) {
				j = 0
			}
			a.m.settle(l, i, j)
		}
		a.m.sum(l)
		l.met = l.stated <= 1-l.confidence
		out.take(l)
	}
	return out
}

func cutSwap(policy string) (name string, swap bool) {
	if n := len(policy) - len(swapSuffix); n > 0 && policy[n:] == swapSuffix {
		return policy[:n], true
	}
	return policy, false
}

func (a *advisor) lines() ([]Recommendation, error) {
	var out []Recommendation
	for _, i := range a.list {
		l, err := a.line(i)
		if err != nil {
			return nil, err
		}
		out = append(out, l)
	}
	for _, q := range a.m.without {
		if a.sel.Matches(q.host.record) {
			out = append(out, excluded(q))
		}
	}
	slices.SortFunc(out, func(x, y Recommendation) int { return cmp.Compare(x.Host, y.Host) })
	return out, nil
}
