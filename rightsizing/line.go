package rightsizing

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/advice"
	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
)

func newLine(q *quote) Recommendation {
	r := q.host.record
	l := Recommendation{
		Host: r.Host, Name: r.DisplayName(), Provider: r.Provider, Account: r.Account, Region: r.Region, Zone: r.Zone, OS: q.os, OwnedBy: r.OwnedBy, Tags: r.Tags,
		State: r.State, Arch: r.Arch, Purchase: r.Purchase,
		Reasons: []string{}, Options: []Option{}, Checks: []advice.Check{},
		Current: Size{InstanceType: r.InstanceType, VCPUs: VCPUs(q.host.vcpus), MemoryBytes: Bytes(q.host.memory)},
	}
	if q.terms != nil {
		l.Rule = q.terms.name
	}
	return l
}

// excluded is the line of a host without a type, a size or a price.
func excluded(q *quote) Recommendation {
	l := newLine(q)
	l.Finding, l.Reasons = FindingExcluded, append(l.Reasons, q.reason)
	return l
}

func (a *advisor) line(i int) (Recommendation, error) {
	q, load := a.m.quotes[i], a.m.loads[i]
	l := newLine(q)
	l.Current, l.Decision = q.current(), q.decision
	if q.members != nil {
		var mixed bool
		if l.Members, mixed = a.m.memberList(q); mixed {
			l.Reasons = append(l.Reasons, reasonMixedTypes)
		}
		l.MeanMembers = known(q.mean)
	}
	if q.terms.leftOut {
		l.Finding, l.Reasons = FindingExcluded, append(l.Reasons, reasonRuleExcludes)
		return l, nil
	}
	if q.osAssumed {
		l.Reasons = append(l.Reasons, reasonOSAssumed)
	}
	if !load.mem.known(a.m.days) {
		l.Reasons = append(l.Reasons, reasonMemoryUnknown)
	}
	if q.host.aboveLimit() {
		l.Reasons = append(l.Reasons, reasonAboveLimit)
	}
	if l.State == fleet.StateStopped {
		l.Reasons = append(l.Reasons, reasonStopped)
	}
	l.Evidence = a.evidence(i)
	l.Options = a.options(i)
	l.Idle = idleOf(q.host, q.today.Spec)
	a.find(&l, i)
	if err := a.elsewhere(&l, i); err != nil {
		return l, err
	}
	if a.req.Explain {
		l.Candidates, l.Plot = a.explain(i, l.Recommended), a.plot(i, l.Recommended)
	}
	return l, nil
}

// find fills in what a host is found to be, and what is advised.
func (a *advisor) find(l *Recommendation, i int) {
	q, load := a.m.quotes[i], a.m.loads[i]
	idle := l.findIdle(q)
	dismissed, no := a.choice.dismissed[i]
	cpuKnown := load.cpu.known(a.m.days)
	switch {
	case a.short[i] && a.req.Policy == PolicyLeanfleet && !idle:
		a.grow(l, i)
	case no:
		a.describe(l, i, dismissed)
		l.Kind, l.Reasons = "", append(l.Reasons, whyDismissed(q.decision))
	case a.choice.chosen[i] > 0:
		a.describe(l, i, a.choice.chosen[i])
		a.take(l, q, a.option(q, &q.list[a.choice.chosen[i]], l.Kind))
	case !cpuKnown:
		l.Finding, l.Reasons = FindingNotEnoughData, append(l.Reasons, whyUnknown(&load.cpu))
	default:
		l.Finding, l.Reasons = FindingRightSized, append(l.Reasons, reasonNothingBetter)
	}
	l.Held = a.heldOn(i)
	if idle {
		l.Finding = FindingIdle
	}
}

// findIdle says whether a host is idle, why, and what stopping it would save.
func (l *Recommendation) findIdle(q *quote) bool {
	if l.Idle == nil {
		return false
	}
	why := l.Idle.is(q.host.record.Provider)
	if len(why) == 0 {
		return false
	}
	l.Reasons = append(l.Reasons, why...)
	if p := l.Idle.PeakCPU; p != nil && *p >= wakesAt {
		l.Reasons = append(l.Reasons, reasonWakes)
	}
	l.Idle.StopMonthlySavings = l.Current.MonthlyCost
	return true
}

// aboveLimit says whether a part of a host was above the limit for longer than is
// broken.
func (x *host) aboveLimit() bool {
	for _, p := range x.parts() {
		if cells := lastDays(p.cpu, pressureDays); timeAbove(cells, cpuLimit(p.vcpus))*1000 > measured(cells)*perMilleOK {
			return true
		}
	}
	return false
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

// describe says what a candidate would be.
func (a *advisor) describe(l *Recommendation, i, j int) {
	c := &a.m.quotes[i].list[j]
	l.Finding, l.Kind = FindingRightSized, c.kind()
	if !c.shrinks() {
		l.Reasons = append(l.Reasons, "cheaper_equal")
		if cpu := &a.m.loads[i].cpu; !cpu.known(a.m.days) { // it costs less whatever the host needs
			l.Finding, l.Reasons = FindingNotEnoughData, append(l.Reasons, whyUnknown(cpu))
		}
		return
	}
	l.Finding = FindingOverProvisioned
	if c.lessCPU {
		l.Reasons = append(l.Reasons, "cpu_over")
	}
	if c.lessMem {
		l.Reasons = append(l.Reasons, "memory_over")
	}
}

// kind is that of a change to a cheaper candidate.
func (c *candidate) kind() Kind {
	if c.shrinks() {
		return KindShrink
	}
	return KindSwap
}

// take advises an option.
func (a *advisor) take(l *Recommendation, q *quote, o Option) {
	l.Recommended = &o.Size
	l.BreakProbability, l.Confidence = known(o.BreakProbability), known(1-o.BreakProbability)
	l.Savings, l.Checks, l.Effort = o.Savings, o.Checks, o.Effort
	for _, x := range o.Limits {
		reason := reasonDiskUnknown
		if x.Resource == ResourceNetwork {
			reason = reasonNetUnknown
		}
		if x.State == LimitUnknown && !slices.Contains(l.Reasons, reason) {
			l.Reasons = append(l.Reasons, reason)
		}
	}
	if c, ok := l.exceptionalDay(); ok {
		l.Checks, l.Reasons = append(slices.Clip(l.Checks), c), append(l.Reasons, reasonDay)
	}
	if slices.ContainsFunc(l.Checks, func(c advice.Check) bool { return c.Code == advice.CheckGeneration }) {
		l.Reasons = append(l.Reasons, reasonOlder)
	}
}

// exceptionalDay is the check of a change to less than the day took that is set
// aside: whoever carries it out wants to know what that day was.
func (l *Recommendation) exceptionalDay() (advice.Check, bool) {
	e, to := &l.Evidence, l.Recommended
	c := advice.Check{Code: advice.CheckExceptionalDay}
	var took []string
	if v := e.SetAsideCPUNeed; v != nil && to.VCPUs < l.Current.VCPUs && *v > float64(to.VCPUs) {
		took = append(took, fmt.Sprintf("%.1f vCPUs on %s", *v, e.SetAsideCPU))
	}
	if v := e.SetAsideMemoryBytes; v != nil && to.MemoryBytes < l.Current.MemoryBytes && *v > float64(to.MemoryBytes) {
		took = append(took, fmt.Sprintf("%.1f GiB on %s", *v/(1<<30), e.SetAsideMemory))
	}
	if len(took) == 0 {
		return c, false
	}
	c.From, c.To = strings.Join(took, " and "), fmt.Sprintf("%v vCPUs and %.4g GiB", float64(to.VCPUs), float64(to.MemoryBytes)/(1<<30))
	c.Text = "needed " + c.From + ", more than the new type has: one such day is set aside; find out what it was, and whether it comes again"
	return c, true
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
	l.Options = options
	if q.dismissed(options[0].InstanceType) {
		l.Reasons = append(l.Reasons, whyDismissed(q.decision))
		return
	}
	l.Kind = KindGrow
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
	q, l := a.m.quotes[i], a.choice.of[i]
	first := a.choice.chosen[i]
	if j, ok := a.choice.dismissed[i]; ok {
		first = j
	}
	var order []int
	for j := 1; j < len(q.list); j++ {
		if a.m.allowed(q, j) == "" {
			order = append(order, j)
		}
	}
	slices.SortStableFunc(order, func(x, y int) int {
		if x == first || y == first {
			return btoi(y == first) - btoi(x == first)
		}
		return cmp.Compare(objective(q, &q.list[x], l.lambda, l.mean), objective(q, &q.list[y], l.lambda, l.mean))
	})
	out := []Option{}
	for _, j := range order[:min(len(order), a.req.Options)] {
		out = append(out, a.option(q, &q.list[j], q.list[j].kind()))
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
		Size: q.size(c), Kind: kind, BreakProbability: c.p, BreakCPU: c.pCPU, BreakMemory: c.pMem, GroupShare: c.group,
		Checks: pricing.Checks(q.today.Spec, c.Spec), Savings: q.savings(c.Candidate),
	}
	if o.Checks == nil {
		o.Checks = []advice.Check{}
	}
	if older(q.today.Spec, c.Spec) {
		o.Checks = append(o.Checks, olderCheck(q.today.Spec, c.Spec))
	}
	o.Effort = advice.EffortOf(o.Checks)
	limits := q.limits(c.Spec)
	o.Limits = limits[:]
	if v, ok := q.projection(0); ok {
		o.ProjectedCPU = known(v / c.vcpus)
	}
	if v, ok := q.projection(1); ok {
		o.ProjectedMemory = known(v / c.memory)
	}
	return o
}

// projection is the P99.5 of CPU (0) or the largest memory (1) of the last 14 days;
// a group's is that of the member with most.
func (q *quote) projection(resource int) (float64, bool) {
	if q.projected == nil {
		q.projected = &[2]*float64{}
		if v, ok := q.host.most(func(p *host) (float64, bool) {
			return percentile(fleet.CPUCoresUsed, lastDays(p.cpu, horizon), demandShare)
		}); ok {
			q.projected[0] = known(v)
		}
		if v, ok := q.host.most(func(p *host) (float64, bool) {
			cells := lastDays(p.mem, horizon)
			return largest(cells), measured(cells) > 0
		}); ok {
			q.projected[1] = known(v)
		}
	}
	if v := q.projected[resource]; v != nil {
		return *v, true
	}
	return 0, false
}

func known(v float64) *float64 { return &v }

// size is a candidate with what the host, or the whole group, pays for it.
func (q *quote) size(c *candidate) Size {
	full, list := q.monthly(c.FullMonth), q.monthly(c.List)
	return Size{InstanceType: c.Spec.InstanceType, VCPUs: VCPUs(c.vcpus), MemoryBytes: Bytes(c.memory), MonthlyCost: &full, MonthlyListCost: &list, PriceObservedAt: c.ObservedAt}
}

// monthly is what the hosts of a quote pay in a month at a price.
func (q *quote) monthly(p money.Price) money.Amount { return q.times(monthly(p)).Round() }

// times is an amount for as many hosts as a quote's amounts are for.
func (q *quote) times(x money.Amount) money.Amount {
	if q.mean == 0 {
		return x
	}
	return x.Scale(money.FromScaled(int64(math.Round(q.mean*1e6)), 6))
}

// average is what a host pays today in a month at some price, of a group's members
// on average.
func (q *quote) average(price func(*pricing.Candidate) money.Price) money.Amount {
	if q.peers == nil {
		return monthly(price(q.today))
	}
	sum := monthly(price(q.peers[0].today))
	for _, p := range q.peers[1:] {
		more, err := sum.Add(monthly(price(p.today)))
		if err != nil {
			return sum // candidates of one query have one currency
		}
		sum = more
	}
	return sum.Fraction(money.Whole(1), money.Whole(int64(len(q.peers))))
}

// current is today's size with what it costs.
func (q *quote) current() Size {
	s := q.size(&q.list[0])
	if q.peers != nil {
		full, list := q.times(q.average(fullMonth)).Round(), q.times(q.average(listPrice)).Round()
		s.MonthlyCost, s.MonthlyListCost = &full, &list
		s.VCPUs, s.MemoryBytes = VCPUs(q.today.Spec.VCPUs.Value), Bytes(q.today.Spec.MemoryBytes.Value)
	}
	return s
}

func fullMonth(c *pricing.Candidate) money.Price { return c.FullMonth }
func listPrice(c *pricing.Candidate) money.Price { return c.List }

// savings of a change; negative where it costs more. A group's members of other
// types than the template's save from what they cost today.
func (q *quote) savings(to *pricing.Candidate) Savings {
	var s Savings
	s.MonthlySavings, s.AnnualSavings = q.difference(q.average(fullMonth), to.FullMonth)
	s.MonthlyListSavings, _ = q.difference(q.average(listPrice), to.List)
	return s
}

func (q *quote) difference(from money.Amount, to money.Price) (month, year *money.Amount) {
	x, err := from.Sub(monthly(to))
	if err != nil {
		return nil, nil // candidates of one query have one currency
	}
	x = q.times(x)
	y, z := x.Round(), x.Scale(money.Whole(12)).Round()
	return &y, &z
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
		e.WorstMemberCPU = q.memberOf(l, func(l *load) []float64 { return l.cpu.day }, v.worst, v.setAside)
		if d := v.setAside; d >= 0 {
			e.SetAsideCPU = a.m.history.window.Start.Add(time.Duration(d) * day).Format(time.DateOnly)
			e.SetAsideCPUNeed = known(l.cpu.day[d])
		}
	}
	if e.KnownDaysMemory > 0 {
		v := l.mem.view(a.m.days, a.m.recent, a.m.long())
		e.TypicalMemory, e.WorstMemory = known(v.typical), known(v.worst)
		e.WorstMemberMemory = q.memberOf(l, func(l *load) []float64 { return l.mem.day }, v.worst, v.setAside)
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

// memberOf is the member of a scaling group that needed so much on a day other
// than the one set aside; empty for a host of its own.
func (q *quote) memberOf(l *load, of func(*load) []float64, needed float64, setAside int) fleet.HostID {
	for k, one := range l.members {
		for d, v := range of(one) {
			if d != setAside && v == needed {
				return q.host.members[k].record.Host
			}
		}
	}
	return ""
}
