package statistics

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

// TrendRequest asks how a metric developed.
type TrendRequest struct {
	// Metric is its name.
	Metric string `json:"metric"`
	fleet.Scope
	// Step is hour, day (the default), week or month, or 1h, 1d, 1w, 1mo, or a part
	// of an hour: 15m, 5m, 1m, 10s; see [fleet.ParseStep].
	Step string `json:"step,omitempty"`
	// GroupBy, Over and Percentiles are as in [Request].
	GroupBy     []string  `json:"group_by,omitempty"`
	Over        Over      `json:"over,omitempty"`
	Percentiles []float64 `json:"percentiles,omitempty"`
}

// DefaultTrendRange is the window of trends when none is asked for.
const DefaultTrendRange = "30d"

// TrendResult is the answer to a [TrendRequest]. Values are in Unit.
type TrendResult struct {
	Metric        string       `json:"metric"`
	Unit          fleet.Unit   `json:"unit"`
	Window        fleet.Window `json:"window"`
	Timezone      string       `json:"timezone"`
	Over          Over         `json:"over"`
	Step          fleet.Step   `json:"step"`
	QuantileError float64      `json:"quantile_error"`
	// RankError is as in [Result].
	RankError float64      `json:"rank_error,omitzero"`
	Groups    []TrendGroup `json:"groups"`
	// Simulated says that hosts of a synthetic fleet are among those asked about.
	Simulated bool `json:"simulated,omitempty"`
	// Data says what is stored when the answer has no sample.
	Data *fleet.Window `json:"data,omitempty"`
	// Damaged files were left out of a partial answer.
	Damaged []fleet.Damage `json:"damaged,omitempty"`
}

// TrendGroup is the development of one group of hosts.
type TrendGroup struct {
	Group  fleet.GroupKey `json:"group"`
	Points []Point        `json:"points"`
	// SlopePerDay is in the metric's unit, with its 95 % interval.
	SlopePerDay *float64 `json:"slope_per_day"`
	SlopeLow    *float64 `json:"slope_low"`
	SlopeHigh   *float64 `json:"slope_high"`
	// Mean is of the whole window, PreviousMean of the window of the same length
	// before it, Change their relative difference.
	Mean         *float64 `json:"mean"`
	PreviousMean *float64 `json:"previous_mean"`
	Change       *float64 `json:"change"`
}

// Point is one step of a trend.
type Point struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
	Hosts int       `json:"hosts"`
	Figures
}

// maxPools bounds the histograms held at once, about 130 kB each: a trend of
// more steps times groups reads its window in pieces.
const maxPools = 1000

// maxSteps bounds the steps of a trend: five weeks by the minute, five years by
// the hour. maxPoints bounds the points of all its groups, some 300 bytes each.
const (
	maxSteps  = 52000
	maxPoints = 1000000
)

// Trend answers a [TrendRequest]. Every group has a point for every step.
func Trend(ctx context.Context, env fleet.Environment, req TrendRequest) (TrendResult, error) {
	if req.Step == "" {
		req.Step = string(fleet.StepDay)
	}
	step, err := fleet.ParseStep(req.Step)
	if err == nil && step == fleet.StepWhole {
		err = fmt.Errorf("step %q: a trend has steps of 1h, 1d, 1w or 1mo, or a part of an hour such as 15m", req.Step)
	}
	if err != nil {
		return TrendResult{}, fleet.BadRequest(err)
	}
	p, err := newPlan(env, req.Metric, req.Scope, DefaultTrendRange, req.GroupBy, req.Over, req.Percentiles)
	if err != nil {
		return TrendResult{}, err
	}
	t := &trend{plan: p, step: step, steps: step.Split(p.question.Window, p.question.Location)}
	if err := t.bounded(1); err != nil {
		return TrendResult{}, err
	}
	groups, err := t.answer(ctx)
	if err != nil {
		return TrendResult{}, err
	}
	r := TrendResult{
		Metric: p.metric.Name, Unit: p.metric.Unit, Window: p.question.Window,
		Timezone: p.question.Location.String(), Over: p.over, Step: step,
		QuantileError: p.metric.QuantileError(), RankError: t.worst, Groups: groups, Simulated: t.simulated, Damaged: p.damaged,
	}
	if !t.any {
		r.Data, err = dataWindow(ctx, env.Source)
	}
	return r, err
}

type trend struct {
	*plan
	step      fleet.Step
	steps     []fleet.Window
	any       bool // a sample was seen
	simulated bool
	finest    time.Duration // the shortest time that samples of a profile cover, each
	worst     float64       // rank error of the pieces
	// whole collects the window's means while the points are read, in so many
	// pieces.
	whole  *means
	pieces int
}

func (t *trend) answer(ctx context.Context) ([]TrendGroup, error) {
	records, err := t.env.Source.Records(ctx, t.question.Hosts, t.question.Window)
	if err != nil {
		return nil, fmt.Errorf("list hosts: %w", err)
	}
	t.simulated = fleet.AnySimulated(records)
	groups := t.groupsOf(records)
	if err := t.bounded(len(groups)); err != nil {
		return nil, err
	}
	for _, g := range groups {
		t.empty(g)
	}
	t.whole = t.newMeans()
	perQuery := max(1, maxPools/max(1, len(groups)))
	t.pieces = (len(t.steps) + perQuery - 1) / perQuery
	for first := 0; first < len(t.steps); first += perQuery {
		last := min(first+perQuery, len(t.steps))
		if err := t.points(ctx, groups, first, last); err != nil {
			return nil, err
		}
	}
	if err := t.fine(); err != nil {
		return nil, err
	}
	return t.finish(ctx, groups)
}

// bounded refuses more steps, or points of so many groups, than an answer may
// have.
func (t *trend) bounded(groups int) error {
	n := len(t.steps)
	switch {
	case n > maxSteps:
		return fleet.BadRequest(fmt.Errorf("step %s: %d steps in %s, and a trend has %d at most: choose a longer step or a shorter range", t.step, n, t.question.Window, maxSteps))
	case n*groups > maxPoints:
		return fleet.BadRequest(fmt.Errorf("step %s: %d steps of %d groups are more points than the %d that a trend may have: choose a longer step, a shorter range or fewer groups", t.step, n, groups, maxPoints))
	}
	return nil
}

// fine refuses parts of an hour that are shorter than every sample: most of them
// would have none, and the others would show more time than they are long.
func (t *trend) fine() error {
	var longest time.Duration // the first and last are cut
	for _, w := range t.steps[:min(3, len(t.steps))] {
		longest = max(longest, w.Duration())
	}
	if len(t.steps) < 3 || longest >= time.Hour || t.finest <= longest {
		return nil
	}
	return fleet.BadRequest(fmt.Errorf("step %s is shorter than the time of a sample: those of %s in this window cover %s or more, so ask for steps as long", t.step, t.metric.Name, t.finest.Round(time.Second)))
}

// groupsOf are the groups, by id, of all records of the window.
func (t *trend) groupsOf(records []fleet.Record) map[string]*TrendGroup {
	groups := map[string]*TrendGroup{}
	for i := range records {
		for _, key := range fleet.GroupsOf(&records[i], t.groupBy, t.env.Sets) {
			if id := key.ID(); groups[id] == nil {
				groups[id] = &TrendGroup{Group: key}
			}
		}
	}
	if len(groups) == 0 && len(t.groupBy) == 0 {
		key := fleet.GroupKey{}
		groups[key.ID()] = &TrendGroup{Group: key}
	}
	return groups
}

// empty gives a group its points, without figures.
func (t *trend) empty(g *TrendGroup) *TrendGroup {
	nothing := newPool(nil, t.metric, t.over)
	g.Points = make([]Point, len(t.steps))
	for i, w := range t.steps {
		g.Points[i] = Point{Start: w.Start, End: w.End, Figures: nothing.figures(t.shares)}
	}
	return g
}

// points fills the points of steps [first, last).
func (t *trend) points(ctx context.Context, groups map[string]*TrendGroup, first, last int) error {
	index := make(map[int64]int, last-first)
	pools := make([]*pools, last-first)
	for i := range pools {
		pools[i] = t.newPools()
		index[t.steps[first+i].Start.UnixMilli()] = i
	}
	q := t.query(t.step)
	q.Window = fleet.Window{Start: t.steps[first].Start, End: t.steps[last-1].End}
	for profile, err := range t.env.Source.Profiles(ctx, q) {
		if err != nil {
			if err = fleet.Tolerate(err, t.partial, &t.damaged); err != nil {
				return fmt.Errorf("read %s: %w", t.metric.Name, err)
			}
			continue
		}
		i, ok := index[profile.Window.Start.UnixMilli()]
		if !ok {
			return fmt.Errorf("read %s: the engine answered for a step at %s that was not asked for", t.metric.Name, profile.Window.Start)
		}
		pools[i].add(&profile)
		t.whole.add(&profile)
		if profile.Count > 0 {
			if each := profile.Covered / time.Duration(profile.Count); !t.any || each < t.finest {
				t.finest = each
			}
			t.any = true
		}
	}
	if t.any && t.over == OverTime { // hosts' means are exact
		bound, err := t.rankError(ctx, q)
		if err != nil {
			return err
		}
		t.worst = max(t.worst, bound)
	}
	for i, s := range pools {
		for id, g := range s.byID {
			if groups[id] == nil { // of a record written since the records were read
				groups[id] = t.empty(&TrendGroup{Group: g.key})
			}
			point := &groups[id].Points[first+i]
			point.Hosts, point.Figures = g.hosts, g.figures(t.shares)
		}
	}
	return nil
}

// finish adds slopes and the change against the window before, and sorts the
// groups by key.
func (t *trend) finish(ctx context.Context, groups map[string]*TrendGroup) ([]TrendGroup, error) {
	now := t.whole.values()
	w := t.question.Window
	if t.pieces > 1 && t.over == OverHosts { // hosts came several times, so their means are not whole
		var err error
		if now, err = t.means(ctx, w); err != nil {
			return nil, err
		}
	}
	before, err := t.means(ctx, fleet.Window{Start: w.Start.Add(-w.Duration()), End: w.Start})
	if err != nil {
		return nil, err
	}
	list := make([]TrendGroup, 0, len(groups))
	for id, g := range groups {
		g.SlopePerDay, g.SlopeLow, g.SlopeHigh = slope(g.Points)
		g.Mean, g.PreviousMean = now[id], before[id]
		if g.Mean != nil && g.PreviousMean != nil && *g.PreviousMean != 0 {
			change := (*g.Mean - *g.PreviousMean) / *g.PreviousMean
			g.Change = &change
		}
		list = append(list, *g)
	}
	slices.SortFunc(list, func(a, b TrendGroup) int { return a.Group.Compare(b.Group) })
	return list, nil
}

// means are the mean of each group in a whole window.
func (t *trend) means(ctx context.Context, w fleet.Window) (map[string]*float64, error) {
	q := t.query(fleet.StepWhole)
	q.Window = w
	means := t.newMeans()
	for profile, err := range t.env.Source.Profiles(ctx, q) {
		if err != nil {
			if err = fleet.Tolerate(err, t.partial, &t.damaged); err != nil {
				return nil, fmt.Errorf("read %s: %w", t.metric.Name, err)
			}
			continue
		}
		means.add(&profile)
	}
	return means.values(), nil
}

// means collect the mean of each group and nothing else.
type means struct {
	plan  *plan
	byID  map[string]*groupMean
	cache map[*fleet.Record][]*groupMean
}

// groupMean is the sum of a group so far; over hosts, the sum of the host at
// hand and the means of those before.
type groupMean struct {
	sum   fleet.Int128
	time  time.Duration
	host  fleet.HostID
	hosts []float64
}

func (p *plan) newMeans() *means {
	return &means{plan: p, byID: map[string]*groupMean{}, cache: map[*fleet.Record][]*groupMean{}}
}

func (m *means) of(r *fleet.Record) []*groupMean {
	if list, ok := m.cache[r]; ok {
		return list
	}
	var list []*groupMean
	for _, key := range fleet.GroupsOf(r, m.plan.groupBy, m.plan.env.Sets) {
		id := key.ID()
		if m.byID[id] == nil {
			m.byID[id] = &groupMean{}
		}
		list = append(list, m.byID[id])
	}
	m.cache[r] = list
	return list
}

func (m *means) add(x *fleet.Profile) {
	if x.Count == 0 {
		return
	}
	for _, g := range m.of(x.Record) {
		if m.plan.over == OverHosts && x.Record.Host != g.host {
			g.close()
			g.host = x.Record.Host
		}
		g.sum = g.sum.Add(x.Sum)
		g.time += x.Covered
	}
}

// close keeps the mean of the host at hand.
func (g *groupMean) close() {
	if g.time > 0 {
		g.hosts = append(g.hosts, g.sum.Float64()/float64(g.time.Milliseconds()))
	}
	g.sum, g.time = fleet.Int128{}, 0
}

// values are the means in the metric's unit, by the group's id.
func (m *means) values() map[string]*float64 {
	out := make(map[string]*float64, len(m.byID))
	for id, g := range m.byID {
		if m.plan.over == OverTime {
			out[id] = round(m.plan.metric, g.sum.Float64()/float64(g.time.Milliseconds()))
			continue
		}
		g.close()
		slices.Sort(g.hosts) // as over=hosts sums them, so that the last digit is the same
		var sum float64
		for _, x := range g.hosts {
			sum += x
		}
		out[id] = round(m.plan.metric, sum/float64(len(g.hosts)))
	}
	return out
}
