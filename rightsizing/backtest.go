package rightsizing

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/money"
)

// Share is a share with its parts, and the 90 % bootstrap interval over hosts;
// nil where the denominator is zero.
type Share struct {
	Numerator   float64  `json:"numerator"`
	Denominator float64  `json:"denominator"`
	Value       *float64 `json:"value"`
	Low         *float64 `json:"low,omitempty"`
	High        *float64 `json:"high,omitempty"`
}

func share(n, d float64) Share {
	s := Share{Numerator: n, Denominator: d}
	if d > 0 {
		s.Value = known(n / d)
	}
	return s
}

// Tally is what became of some hosts under a policy. Amounts are for a month.
type Tally struct {
	Hosts        int `json:"hosts"`
	Changed      int `json:"changed"`
	Shrunk       int `json:"shrunk"`
	Swapped      int `json:"swapped"`
	Broken       int `json:"broken"`
	BrokenShrunk int `json:"broken_shrunk"`
	// Stated and StatedShrunk are the mean chances of breaking that were stated
	// for the changed and for the really shrunk hosts.
	Stated           float64      `json:"stated"`
	StatedShrunk     float64      `json:"stated_shrunk"`
	Saved            money.Amount `json:"saved"`
	SavedSwaps       money.Amount `json:"saved_swaps"`
	CostBefore       money.Amount `json:"cost_before"`
	ClairvoyantSaved money.Amount `json:"clairvoyant_saved"`
	// TimeAbove80 and TimeAbove100 are shares of all measured time above 80 and
	// 100 % of the vCPUs that hosts would have had.
	TimeAbove80  float64 `json:"time_above_80"`
	TimeAbove100 float64 `json:"time_above_100"`
	// MemoryExceeded is the number of hosts whose memory was reduced too far.
	MemoryExceeded int `json:"memory_exceeded"`

	SavedShare        Share `json:"saved_share"`         // of the cost before
	OfClairvoyant     Share `json:"of_clairvoyant"`      // of what could be saved
	BrokenShare       Share `json:"broken_share"`        // of the changed
	BrokenShrunkShare Share `json:"broken_shrunk_share"` // of the really shrunk
}

// PolicyOutcome is what one policy came to.
type PolicyOutcome struct {
	Policy string `json:"policy"`
	// Confidence is nil for policies that state none.
	Confidence *float64 `json:"confidence"`
	Tally
	// Busy is the same over busy hosts alone.
	Busy *Tally `json:"busy"`
}

// HostOutcome is what a policy did to one host in one window.
type HostOutcome struct {
	Host             fleet.HostID `json:"host"`
	From             string       `json:"from"`
	To               string       `json:"to"`
	Kind             Kind         `json:"kind"`
	BreakProbability float64      `json:"break_probability"`
	Broken           bool         `json:"broken"`
	NeededVCPUs      float64      `json:"needed_vcpus"`
	LargestMemory    float64      `json:"largest_memory_bytes"`
}

// WindowOutcome is one window of a back-test.
type WindowOutcome struct {
	Train fleet.Window `json:"train"`
	Test  fleet.Window `json:"test"`
	// Shift says that the share of hosts that were above the limit unchanged,
	// AboveLimit, exceeds twice its median over the windows.
	Shift      bool  `json:"shift"`
	AboveLimit Share `json:"above_limit"`
	// Unjudged counts the hosts that do not count, by reason: no_type, no_price,
	// rule_excludes, gone, before_unmeasured, test_unmeasured.
	Unjudged map[string]int  `json:"unjudged,omitempty"`
	Policies []PolicyOutcome `json:"policies"`
	// Hosts are the changes of leanfleet at the first confidence.
	Hosts []HostOutcome `json:"hosts"`
}

// BacktestResult is the answer to a [BacktestRequest].
type BacktestResult struct {
	Currency money.Currency  `json:"currency"`
	Windows  []WindowOutcome `json:"windows"`
	// Pooled is over all windows, PooledWithoutShift over those that are none.
	Pooled             []PolicyOutcome `json:"pooled"`
	PooledWithoutShift []PolicyOutcome `json:"pooled_without_shift"`
	Calibration        []Bin           `json:"calibration"`
	HoursPerMonth      int             `json:"hours_per_month"`
	Damaged            []fleet.Damage  `json:"damaged,omitempty"`
}

// entry is one host in one window under one policy: the type it had, the one it
// was given, and the one that a clairvoyant would have given it.
type entry struct {
	host                     fleet.HostID
	outcome                  *outcome
	from, to, foreseen       *candidate
	changed                  bool
	broke, shrunk, memBroke  bool
	p                        float64
	before, after, foresight float64
}

// column is a policy at a confidence with all its entries.
type column struct {
	policy     string
	confidence float64
	windows    [][]entry
}

// Backtest answers a [BacktestRequest]: it makes the advice of the past from
// what was known then, and judges it by what came.
func Backtest(ctx context.Context, env Environment, req BacktestRequest) (BacktestResult, error) {
	req, err := req.normal()
	if err != nil {
		return BacktestResult{}, err
	}
	if env.Prices == nil {
		return BacktestResult{}, errNoBook
	}
	q, err := env.Resolve(req.Scope, DefaultRange)
	if err != nil {
		return BacktestResult{}, err
	}
	b := &backtest{env: env, req: &req, question: q}
	b.columns = b.newColumns()
	out := BacktestResult{Currency: req.Currency, Windows: []WindowOutcome{}, HoursPerMonth: HoursPerMonth}
	for _, split := range b.splits() {
		w, err := b.window(ctx, split)
		if err != nil {
			return BacktestResult{}, fmt.Errorf("back-test at %s: %w", split.Format(time.RFC3339), err)
		}
		out.Windows = append(out.Windows, w)
	}
	markShifts(out.Windows)
	all, calm := []int{}, []int{}
	for i := range out.Windows {
		all = append(all, i)
		if !out.Windows[i].Shift {
			calm = append(calm, i)
		}
	}
	if out.Pooled, err = b.pool(all, true); err != nil {
		return out, err
	}
	if out.PooledWithoutShift, err = b.pool(calm, true); err != nil {
		return out, err
	}
	for i := range out.Windows {
		if out.Windows[i].Policies, err = b.pool([]int{i}, false); err != nil {
			return out, err
		}
	}
	out.Calibration, out.Damaged = b.calibration.table(), b.damage
	return out, nil
}

type backtest struct {
	env         Environment
	req         *BacktestRequest
	question    fleet.Question
	columns     []*column
	calibration calibration
	damage      []fleet.Damage
}

func (b *backtest) newColumns() []*column {
	var out []*column
	for _, p := range b.req.Policies {
		if p != PolicyLeanfleet {
			out = append(out, &column{policy: p})
			continue
		}
		for _, c := range b.req.Confidences {
			out = append(out, &column{policy: p, confidence: c})
		}
	}
	return append(out, &column{policy: PolicyClairvoyant})
}

// splits are the instants at which advice is made, earliest first.
func (b *backtest) splits() []time.Time {
	if len(b.req.Splits) > 0 {
		return slices.SortedFunc(slices.Values(b.req.Splits), time.Time.Compare)
	}
	var out []time.Time
	for i := b.req.Windows; i > 0; i-- {
		out = append(out, b.question.Window.End.Add(-time.Duration(i)*b.req.Test))
	}
	return out
}

// window learns up to a split, then reads what came after it.
func (b *backtest) window(ctx context.Context, split time.Time) (WindowOutcome, error) {
	split = split.Truncate(time.Second)
	m, err := learn(ctx, b.env, &b.req.Request, b.question.Within, split, int(b.req.Train/day))
	if err != nil {
		return WindowOutcome{}, err
	}
	a := newAdvisor(m, b.question.Hosts, &b.req.Request)
	choices := make([]choice, len(b.columns))
	for k, c := range b.columns {
		if c.policy != PolicyClairvoyant {
			choices[k] = a.choose(c.policy, c.confidence)
		}
	}
	test, err := readHistory(ctx, b.env, b.question.Within, split.Add(b.req.Test), int(b.req.Test/day), b.req.Partial, false)
	if err != nil {
		return WindowOutcome{}, err
	}
	for _, d := range append(m.history.damage, test.damage...) {
		if !slices.Contains(b.damage, d) {
			b.damage = append(b.damage, d)
		}
	}
	w := WindowOutcome{Train: m.history.window, Test: test.window, Hosts: []HostOutcome{}}
	v := &verdict{unjudged: map[string]int{}, b: b, m: m, test: test, choices: choices, before: int64(minOutcome) * min(horizon, int64(b.req.Train/day)) / horizon, entries: make([][]entry, len(b.columns))}
	for _, i := range a.list {
		w.Hosts = append(w.Hosts, v.judge(i)...)
	}
	for _, q := range m.without {
		if b.question.Hosts.Matches(q.host.record) {
			v.unjudged[q.reason]++
		}
	}
	w.Unjudged = v.unjudged
	for k, c := range b.columns {
		c.windows = append(c.windows, v.entries[k])
	}
	w.AboveLimit = share(float64(v.above), float64(v.hosts))
	return w, nil
}

// verdict judges the choices of one window.
type verdict struct {
	b            *backtest
	m            *model
	test         *history
	choices      []choice
	before       int64 // least time measured before the split
	entries      [][]entry
	hosts, above int
	unjudged     map[string]int
}

// Why a host does not count in a window.
const (
	unjudgedGone   = "gone"              // by the end of the test
	unjudgedBefore = "before_unmeasured" // too little of the time before the split
	unjudgedTest   = "test_unmeasured"   // too little of the test
)

// judge judges what was advised for a host, or for each member of a group. It
// returns leanfleet's changes at the first confidence.
func (v *verdict) judge(i int) []HostOutcome {
	q := v.m.quotes[i]
	of := q.members
	if of == nil {
		of = []int{i}
	}
	var outcomes []*outcome
	for _, k := range of {
		own := v.m.quotes[k]
		after := v.test.hosts[own.host.record.Host]
		if after == nil || after.gone {
			v.unjudged[unjudgedGone]++
			continue
		}
		o := judge(own, after, v.before)
		if o.unworthy != "" {
			v.unjudged[o.unworthy]++
			continue
		}
		outcomes = append(outcomes, o)
		v.hosts++
		if o.above > perMilleOK/1000.0 {
			v.above++
		}
		v.b.calibrate(own, o)
	}
	foreseen := clairvoyant(q, outcomes)
	var changes []HostOutcome
	for _, o := range outcomes {
		first := true
		for k, c := range v.b.columns {
			j := foreseen
			if c.policy != PolicyClairvoyant {
				j = v.choices[k].chosen[i]
			}
			e := newEntry(q, o, j, foreseen)
			v.entries[k] = append(v.entries[k], e)
			if c.policy == PolicyLeanfleet && first {
				first = false
				if e.changed {
					changes = append(changes, e.report())
				}
			}
		}
	}
	return changes
}

// calibrate counts every candidate of a host that shrinks what is known.
func (b *backtest) calibrate(q *quote, o *outcome) {
	for j := 1; j < len(q.list); j++ {
		c := &q.list[j]
		if c.shrinks() && !c.remembered && (!c.lessCPU || c.pCPU < 1) && (!c.lessMem || c.pMem < 1) {
			b.calibration.add(c.p, o.breaks(c))
		}
	}
}

// newEntry judges one host by the candidate chosen for it, or for its group.
func newEntry(q *quote, o *outcome, j, foreseen int) entry {
	x := o.quote.host
	e := entry{host: x.record.Host, outcome: o, from: &o.quote.list[0]}
	e.to, e.foreseen = e.from, e.from
	if j > 0 {
		e.to, e.changed, e.p = &q.list[j], true, q.list[j].p
		e.broke = o.breaks(e.to)
		e.shrunk = e.to.vcpus < x.vcpus-1e-9 || e.to.memory < x.memory
		e.memBroke = e.to.memory < x.memory && o.memory > e.to.memory
	}
	if foreseen > 0 {
		e.foreseen = &q.list[foreseen]
	}
	e.before, e.after, e.foresight = e.from.price, e.to.price, e.from.price-e.foreseen.price
	return e
}

func (e *entry) report() HostOutcome {
	kind := KindSwap
	if e.shrunk {
		kind = KindShrink
	}
	return HostOutcome{
		Host: e.host, From: e.from.Spec.InstanceType, To: e.to.Spec.InstanceType, Kind: kind,
		BreakProbability: e.p, Broken: e.broke, NeededVCPUs: e.outcome.needed, LargestMemory: e.outcome.memory,
	}
}

// markShifts compares each window's share of hosts above the limit with twice
// the median.
func markShifts(windows []WindowOutcome) {
	if len(windows) < 2 {
		return
	}
	var shares []float64
	for i := range windows {
		if v := windows[i].AboveLimit.Value; v != nil {
			shares = append(shares, *v)
		}
	}
	median := medianOf(shares)
	for i := range windows {
		if v := windows[i].AboveLimit.Value; v != nil {
			windows[i].Shift = *v > 2*median
		}
	}
}

// pool tallies each policy over some windows.
func (b *backtest) pool(windows []int, intervals bool) ([]PolicyOutcome, error) {
	out := []PolicyOutcome{}
	for _, c := range b.columns {
		var all, busy []entry
		for _, w := range windows {
			for _, e := range c.windows[w] {
				all = append(all, e)
				if e.outcome.busy {
					busy = append(busy, e)
				}
			}
		}
		p := PolicyOutcome{Policy: c.policy}
		if c.policy == PolicyLeanfleet {
			p.Confidence = known(c.confidence)
		}
		var err error
		if p.Tally, err = b.tally(all, intervals); err != nil {
			return nil, err
		}
		few, err := b.tally(busy, intervals)
		if err != nil {
			return nil, err
		}
		p.Busy = &few
		out = append(out, p)
	}
	return out, nil
}

// tally sums what became of some hosts.
func (b *backtest) tally(list []entry, intervals bool) (Tally, error) {
	zero := money.Zero(b.req.Currency)
	t := Tally{Saved: zero, SavedSwaps: zero, CostBefore: zero, ClairvoyantSaved: zero}
	var total, above80, above100 int64
	for i := range list {
		e := &list[i]
		if err := t.money(e); err != nil {
			return t, err
		}
		t.count(e)
		total += measured(e.outcome.cpu)
		above80 += timeAbove(e.outcome.cpu, cpuLimit(e.to.vcpus))
		above100 += timeAbove(e.outcome.cpu, int64(math.Round(e.to.vcpus/fleet.CPUCoresUsed.Resolution())))
	}
	t.Stated /= math.Max(1, float64(t.Changed))
	t.StatedShrunk /= math.Max(1, float64(t.Shrunk))
	if total > 0 {
		t.TimeAbove80, t.TimeAbove100 = float64(above80)/float64(total), float64(above100)/float64(total)
	}
	s := sums(list)
	t.SavedShare, t.OfClairvoyant = share(s[0], s[1]), share(s[0], s[2])
	t.BrokenShare, t.BrokenShrunkShare = share(s[3], s[4]), share(s[5], s[6])
	if intervals {
		t.intervals(list)
	}
	t.Saved, t.SavedSwaps, t.CostBefore, t.ClairvoyantSaved = t.Saved.Round(), t.SavedSwaps.Round(), t.CostBefore.Round(), t.ClairvoyantSaved.Round()
	return t, nil
}

func (t *Tally) count(e *entry) {
	t.Hosts++
	if !e.changed {
		return
	}
	t.Changed++
	t.Stated += e.p
	if e.broke {
		t.Broken++
	}
	if e.memBroke {
		t.MemoryExceeded++
	}
	if !e.shrunk {
		t.Swapped++
		return
	}
	t.Shrunk++
	t.StatedShrunk += e.p
	if e.broke {
		t.BrokenShrunk++
	}
}

// money adds exact amounts.
func (t *Tally) money(e *entry) error {
	before := monthly(e.from.FullMonth)
	saved, err := before.Sub(monthly(e.to.FullMonth))
	if err != nil {
		return err
	}
	foresight, err := before.Sub(monthly(e.foreseen.FullMonth))
	if err != nil {
		return err
	}
	add := func(into *money.Amount, x money.Amount) {
		if err == nil {
			*into, err = into.Add(x)
		}
	}
	add(&t.CostBefore, before)
	add(&t.Saved, saved)
	add(&t.ClairvoyantSaved, foresight)
	if !e.shrunk {
		add(&t.SavedSwaps, saved)
	}
	return err
}
