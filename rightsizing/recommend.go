package rightsizing

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/leanfleet/leanfleet/advice"
	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
)

// Recommend answers a [Request]: a line for each host that matches, by host id.
func Recommend(ctx context.Context, env Environment, req Request) (Result, error) {
	req, err := req.normal()
	if err != nil {
		return Result{}, err
	}
	if env.Prices == nil {
		return Result{}, errNoBook
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
			Days: m.days, Splits: m.learned.splits, CPU: m.learned.cpu, Memory: m.learned.mem,
			ShippedCPU: shipped(priorCPU, m.days), ShippedMemory: shipped(priorMem, m.days),
		},
	}
	lines := a.lines()
	if out.Summary, err = summarize(lines, &req, a.choice.stated, a.choice.met); err != nil {
		return Result{}, err
	}
	for _, l := range lines {
		if req.Host == "" || req.Host == string(l.Host) || req.Host == l.Name {
			out.Recommendations = append(out.Recommendations, l)
		}
	}
	if req.Host != "" && len(out.Recommendations) == 0 {
		var names []string
		for _, l := range lines {
			names = append(names, l.Name)
		}
		return Result{}, fmt.Errorf("%w %q%s", fleet.ErrUnknownHost, req.Host, fleet.DidYouMean(req.Host, names))
	}
	return out, nil
}

// advisor turns a choice into lines.
type advisor struct {
	m      *model
	req    *Request
	sel    fleet.Selector
	list   []int
	short  map[int]bool
	needs  map[int]pressure
	choice choice
	mean   float64
}

func newAdvisor(m *model, sel fleet.Selector, req *Request) *advisor {
	a := &advisor{m: m, req: req, sel: sel}
	a.list, a.short, a.needs = m.listed(sel)
	a.choice = a.choose(req.Policy, req.Confidence)
	for _, i := range a.list {
		a.mean += m.quotes[i].list[0].price
	}
	a.mean /= math.Max(1, float64(len(a.list)))
	return a
}

// choose makes the choice of any policy.
func (a *advisor) choose(policy string, confidence float64) choice {
	if policy == PolicyLeanfleet {
		return a.m.choose(a.list, a.short, confidence)
	}
	out := choice{chosen: make([]int, len(a.m.quotes))}
	name, swap := cutSwap(policy)
	r, ok := ruleOf(name)
	if !ok {
		out.met = true // nothing is changed
		return out
	}
	n := 0
	for _, i := range a.list {
		j := r.pick(a.m.quotes[i], swap)
		if j > 0 && !a.req.worthwhile(a.m.quotes[i], j) {
			j = 0
		}
		if out.chosen[i] = j; j > 0 {
			n++
			out.stated += a.m.quotes[i].list[j].p
		}
	}
	out.stated /= math.Max(1, float64(n))
	out.met = out.stated <= 1-confidence
	return out
}

func cutSwap(policy string) (name string, swap bool) {
	if n := len(policy) - len(swapSuffix); n > 0 && policy[n:] == swapSuffix {
		return policy[:n], true
	}
	return policy, false
}

func (a *advisor) lines() []Recommendation {
	var out []Recommendation
	for _, i := range a.list {
		out = append(out, a.line(i))
	}
	for _, q := range a.m.without {
		if a.sel.Matches(q.host.record) {
			out = append(out, excluded(q))
		}
	}
	slices.SortFunc(out, func(x, y Recommendation) int { return cmp.Compare(x.Host, y.Host) })
	return out
}

func newLine(q *quote) Recommendation {
	r := q.host.record
	return Recommendation{
		Host: r.Host, Name: r.DisplayName(), Provider: r.Provider, Region: r.Region, Reasons: []string{}, Options: []Option{}, Checks: []advice.Check{},
		Current: Size{InstanceType: r.InstanceType, VCPUs: q.host.vcpus, MemoryBytes: int64(q.host.memory)},
	}
}

// excluded is the line of a host without a type, a size or a price.
func excluded(q *quote) Recommendation {
	l := newLine(q)
	l.Finding, l.Reasons = FindingExcluded, append(l.Reasons, q.reason)
	return l
}

func (a *advisor) line(i int) Recommendation {
	q, load := a.m.quotes[i], a.m.loads[i]
	l := newLine(q)
	l.Current = size(&q.list[0])
	if q.osAssumed {
		l.Reasons = append(l.Reasons, reasonOSAssumed)
	}
	if !load.mem.known(a.m.days) {
		l.Reasons = append(l.Reasons, reasonMemoryUnknown)
	}
	if cells := lastDays(q.host.cpu, pressureDays); timeAbove(cells, cpuLimit(q.host.vcpus))*1000 > measured(cells)*perMilleOK {
		l.Reasons = append(l.Reasons, reasonAboveLimit)
	}
	l.Evidence = a.evidence(i)
	l.Options = a.options(i)
	switch cpuKnown := load.cpu.known(a.m.days); {
	case a.short[i] && a.req.Policy == PolicyLeanfleet:
		a.grow(&l, i)
	case a.choice.chosen[i] > 0:
		a.advise(&l, i, a.choice.chosen[i])
	case !cpuKnown:
		l.Finding, l.Reasons = FindingNotEnoughData, append(l.Reasons, whyUnknown(&load.cpu))
	default:
		l.Finding, l.Reasons = FindingRightSized, append(l.Reasons, reasonNothingBetter)
	}
	if a.req.Explain {
		l.Candidates = a.explain(i, l.Recommended)
	}
	return l
}

func whyUnknown(r *daily) string {
	switch n := r.knownDays(); {
	case n == 0:
		return reasonNoSamples
	case n < leastKnown:
		return reasonFewDays
	}
	return reasonSilent
}

// advise fills a line with a candidate.
func (a *advisor) advise(l *Recommendation, i, j int) {
	q := a.m.quotes[i]
	c := &q.list[j]
	l.Finding, l.Kind = FindingRightSized, KindSwap
	if c.shrinks() {
		l.Finding, l.Kind = FindingOverProvisioned, KindShrink
		if c.lessCPU {
			l.Reasons = append(l.Reasons, "cpu_over")
		}
		if c.lessMem {
			l.Reasons = append(l.Reasons, "memory_over")
		}
	} else {
		l.Reasons = append(l.Reasons, "cheaper_equal")
	}
	a.take(l, q, a.option(q, c, l.Kind))
}

func (a *advisor) take(l *Recommendation, q *quote, o Option) {
	l.Recommended = &o.Size
	l.BreakProbability, l.Confidence = o.BreakProbability, 1-o.BreakProbability
	l.Savings, l.Checks, l.Effort = o.Savings, o.Checks, o.Effort
}

// grow looks for the cheapest type that covers an under-provisioned host.
func (a *advisor) grow(l *Recommendation, i int) {
	q, p := a.m.quotes[i], a.needs[i]
	l.Finding = FindingUnderProvisioned
	if p.vcpus > 0 {
		l.Reasons = append(l.Reasons, reasonPressureCPU)
	}
	if p.memory > 0 {
		l.Reasons = append(l.Reasons, reasonPressureMem)
	}
	var options []Option
	for _, c := range q.all {
		y := a.m.shop.candidate(q.host, c)
		if a.m.shop.rejects(q, c) != "" || !p.covered(&y, q.host) {
			continue
		}
		if options = append(options, a.option(q, &y, KindGrow)); len(options) == a.req.Options {
			break
		}
	}
	if len(options) == 0 {
		l.Options, l.Reasons = []Option{}, append(l.Reasons, reasonNoLarger)
		return
	}
	l.Options, l.Kind = options, KindGrow
	a.take(l, q, options[0])
}

// covered says whether a type is no smaller, and larger where it has to be.
func (p pressure) covered(c *candidate, x *host) bool {
	if p.vcpus > 0 && c.vcpus <= x.vcpus || p.memory > 0 && c.memory <= x.memory {
		return false
	}
	return c.vcpus >= math.Max(p.vcpus, x.vcpus)-1e-9 && c.memory >= math.Max(p.memory, x.memory)
}

// options are the best candidates by price and risk together.
func (a *advisor) options(i int) []Option {
	q := a.m.quotes[i]
	var order []int
	for j := 1; j < len(q.list); j++ {
		if a.m.allowed(q, j) == "" {
			order = append(order, j)
		}
	}
	slices.SortStableFunc(order, func(x, y int) int {
		if first := a.choice.chosen[i]; x == first || y == first {
			return btoi(y == first) - btoi(x == first)
		}
		return cmp.Compare(objective(q, &q.list[x], a.choice.lambda, a.mean), objective(q, &q.list[y], a.choice.lambda, a.mean))
	})
	out := []Option{}
	for _, j := range order[:min(len(order), a.req.Options)] {
		c := &q.list[j]
		kind := KindSwap
		if c.shrinks() {
			kind = KindShrink
		}
		out = append(out, a.option(q, c, kind))
	}
	return out
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// option describes a candidate of a host.
func (a *advisor) option(q *quote, c *candidate, kind Kind) Option {
	o := Option{
		Size: size(c), Kind: kind, BreakProbability: c.p, BreakCPU: c.pCPU, BreakMemory: c.pMem, GroupShare: c.group,
		Checks: pricing.Checks(q.today.Spec, c.Spec), Savings: savings(q.today, c.Candidate),
	}
	if o.Checks == nil {
		o.Checks = []advice.Check{}
	}
	o.Effort = advice.EffortOf(o.Checks)
	cpu, mem := lastDays(q.host.cpu, horizon), lastDays(q.host.mem, horizon)
	if v, ok := percentile(fleet.CPUCoresUsed, cpu, 9950); ok {
		o.ProjectedCPU = known(v / c.vcpus)
	}
	if measured(mem) > 0 {
		o.ProjectedMemory = known(largest(mem) / c.memory)
	}
	return o
}

func known(v float64) *float64 { return &v }

func size(c *candidate) Size {
	full, list := monthly(c.FullMonth).Round(), monthly(c.List).Round()
	return Size{InstanceType: c.Spec.InstanceType, VCPUs: c.vcpus, MemoryBytes: int64(c.memory), MonthlyCost: &full, MonthlyListCost: &list, PriceObservedAt: c.ObservedAt}
}

// savings of a change; negative where it costs more.
func savings(from, to *pricing.Candidate) Savings {
	diff := func(a, b money.Price) (month, year *money.Amount) {
		x, err := a.Per(money.Whole(HoursPerMonth)).Sub(b.Per(money.Whole(HoursPerMonth)))
		if err != nil {
			return nil, nil // candidates of one query have one currency
		}
		y, z := x.Round(), x.Scale(money.Whole(12)).Round()
		return &y, &z
	}
	var s Savings
	s.MonthlySavings, s.AnnualSavings = diff(from.FullMonth, to.FullMonth)
	s.MonthlyListSavings, _ = diff(from.List, to.List)
	return s
}

func (a *advisor) evidence(i int) Evidence {
	q, l := a.m.quotes[i], a.m.loads[i]
	x := q.host
	e := Evidence{Days: a.m.days, KnownDaysCPU: l.cpu.knownDays(), KnownDaysMemory: l.mem.knownDays()}
	if x.expected > 0 {
		e.Coverage = known(float64(x.covered) / float64(x.expected))
	}
	if e.KnownDaysCPU > 0 {
		v := l.cpu.view(a.m.days, a.m.recent, a.m.long())
		e.TypicalCPU, e.WorstCPU = known(v.typical), known(v.worst)
		if d := v.setAside; d >= 0 {
			e.SetAsideCPU = a.m.history.window.Start.Add(time.Duration(d) * day).Format(time.DateOnly)
			e.SetAsideCPUNeed = known(l.cpu.day[d])
		}
	}
	if e.KnownDaysMemory > 0 {
		v := l.mem.view(a.m.days, a.m.recent, a.m.long())
		e.TypicalMemory, e.WorstMemory = known(v.typical), known(v.worst)
		if d := v.setAside; d >= 0 {
			e.SetAsideMemory = a.m.history.window.Start.Add(time.Duration(d) * day).Format(time.DateOnly)
			e.SetAsideMemoryBytes = known(l.mem.day[d])
		}
	}
	if j := a.choice.chosen[i]; j > 0 {
		c := &q.list[j]
		cpu, mem := l.cpu.view(a.m.days, a.m.recent, a.m.long()), l.mem.view(a.m.days, a.m.recent, a.m.long())
		e.DaysAboveCPU, _ = cpu.above(c.vcpus)
		e.DaysAboveMemory, _ = mem.above(c.memory)
		e.GroupShare, e.LookAlikes = c.group, c.groupOver
	}
	e.HeldBack = a.choice.again[i]
	return e
}

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
		e := Explained{Size: size(&y)}
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
	if a.choice.again[i] && a.m.bet(&q.list[j]) {
		return RejectedGroup, ""
	}
	return RejectedCostlier, ""
}
