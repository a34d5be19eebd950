package statistics

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/leanfleet/leanfleet/fleet"
)

// Over says what is weighed.
type Over string

// The ways of weighing.
const (
	// OverTime weighs every sample by its step.
	OverTime Over = "time"
	// OverHosts takes each host's mean first and weighs all hosts the same.
	OverHosts Over = "hosts"
)

// Request asks for fleet statistics of one metric.
type Request struct {
	// Metric is its name.
	Metric string `json:"metric"`
	fleet.Scope
	// GroupBy are built-in keys, tags, "tag:NAME" or "set".
	GroupBy []string `json:"group_by,omitempty"`
	// Over is time (the default) or hosts.
	Over Over `json:"over,omitempty"`
	// Percentiles are added to median, p95 and p99, above 0 and at most 100.
	Percentiles []float64 `json:"percentiles,omitempty"`
	// Distribution adds the time spent at each value.
	Distribution bool `json:"distribution,omitempty"`
	// Peaks adds the sum of peaks and the peak of the sum.
	Peaks bool `json:"peaks,omitempty"`
}

// DefaultRange is the window of statistics when none is asked for.
const DefaultRange = "7d"

// Result is the answer to a [Request]. Values are in Unit.
type Result struct {
	Metric string       `json:"metric"`
	Unit   fleet.Unit   `json:"unit"`
	Window fleet.Window `json:"window"`
	Over   Over         `json:"over"`
	// QuantileError bounds the relative error of quantiles; 0 is exact.
	QuantileError float64 `json:"quantile_error"`
	// RankError bounds how far the share of time below any value is off, as a ratio:
	// a p95 with 0.0075 lies between the exact p94.25 and p95.75. 0, and left out of
	// JSON, where every sample is read; an engine elsewhere may be asked for a grid
	// of quantiles instead. Counts, means, minima and maxima are exact all the same.
	RankError float64 `json:"rank_error,omitzero"`
	Groups    []Group `json:"groups"`
	// Total is over all hosts. It is nil with a single group, and where a host
	// may be in several named sets.
	Total *Group `json:"total,omitempty"`
	// Simulated says that hosts of a synthetic fleet are among those asked about.
	Simulated bool `json:"simulated,omitempty"`
	// Data says what is stored when the answer has no sample.
	Data *fleet.Window `json:"data,omitempty"`
	// Damaged files were left out of a partial answer.
	Damaged []fleet.Damage `json:"damaged,omitempty"`
}

// Figures are the figures of one group; nil is unknown.
type Figures struct {
	Samples  int64    `json:"samples"`
	Coverage *float64 `json:"coverage"`
	Mean     *float64 `json:"mean"`
	Median   *float64 `json:"median"`
	P95      *float64 `json:"p95"`
	P99      *float64 `json:"p99"`
	// Percentiles are the further ones asked for, ascending; in JSON each stands
	// beside the others as "p90" or "p99.9".
	Percentiles []Percentile `json:"-"`
	Min         *float64     `json:"min"`
	Max         *float64     `json:"max"`
	StdDev      *float64     `json:"stddev"`
	// WithoutCapacity is the samples of a derived metric that are left out
	// because the host's capacity at their time is unknown.
	WithoutCapacity int64 `json:"without_capacity,omitempty"`
	// Reason says why figures are unknown; see docs/statistics.md.
	Reason string `json:"reason"`
}

// Percentile is a figure that was asked for by number.
type Percentile struct {
	Percent float64
	Value   *float64
}

// Name is the percentile's name in JSON and tables: p90, p99.9.
func (p Percentile) Name() string { return percentileName(p.Percent) }

func percentileName(p float64) string { return "p" + strconv.FormatFloat(p, 'f', -1, 64) }

// Group is the statistics of one group of hosts.
type Group struct {
	Group fleet.GroupKey `json:"group"`
	Hosts int            `json:"hosts"`
	Figures
	Distribution []Bin  `json:"distribution,omitempty"`
	Peaks        *Peaks `json:"peaks,omitempty"`
}

// Bin is the share of time spent at a value.
type Bin struct {
	Value float64 `json:"value"`
	Share float64 `json:"share"`
}

// Peaks compares hosts' own peaks with their common one.
type Peaks struct {
	SumOfPeaks *float64 `json:"sum_of_peaks"`
	PeakOfSum  *float64 `json:"peak_of_sum"`
	// PeakAt is the start of the grid cell of PeakOfSum, RFC 3339.
	PeakAt string `json:"peak_at,omitempty"`
	// GridSeconds is the width of the grid.
	GridSeconds float64 `json:"grid_seconds,omitempty"`
}

// Reasons for unknown figures.
const (
	ReasonNoSamples  = "no_samples"
	ReasonNoCapacity = "no_capacity"
	ReasonNoLifetime = "no_lifetime"
)

// plan is a checked request.
type plan struct {
	metric   fleet.Metric
	question fleet.Question
	groupBy  []string
	over     Over
	shares   []share // median, p95, p99, then those asked for
	env      fleet.Environment
	partial  bool
	damaged  []fleet.Damage
}

type share struct {
	percent float64
	share   fleet.Share
}

// newPlan checks a request; an error is a *fleet.RequestError.
func newPlan(env fleet.Environment, metric string, scope fleet.Scope, defaultRange string, by []string, over Over, percentiles []float64) (*plan, error) {
	p, err := checkPlan(env, metric, scope, defaultRange, by, over, percentiles)
	return p, fleet.BadRequest(err)
}

func checkPlan(env fleet.Environment, metric string, scope fleet.Scope, defaultRange string, by []string, over Over, percentiles []float64) (*plan, error) {
	p := &plan{env: env, groupBy: by, over: over, partial: scope.Partial}
	var err error
	if metric == "" {
		metric = fleet.CPUUsage.Name
	}
	if p.metric, err = env.Metrics.Lookup(metric); err != nil {
		return nil, err
	}
	if p.question, err = env.Resolve(scope, defaultRange); err != nil {
		return nil, err
	}
	if err := fleet.CheckGroupBy(by, env.Sets); err != nil {
		return nil, err
	}
	switch over {
	case "":
		p.over = OverTime
	case OverTime, OverHosts:
	default:
		return nil, fmt.Errorf("over %q: use time or hosts", over)
	}
	p.shares, err = sharesOf(percentiles)
	return p, err
}

// sharesOf are median, p95, p99 and the percentiles asked for beside them, each
// once, ascending.
func sharesOf(percentiles []float64) ([]share, error) {
	out := []share{{50, 500000}, {95, 950000}, {99, 990000}}
	further := slices.Clone(percentiles)
	slices.Sort(further)
	for _, percent := range slices.Compact(further) {
		s, err := fleet.SharePercent(percent)
		if err != nil {
			return nil, err
		}
		if percent != 95 && percent != 99 {
			out = append(out, share{percent, s})
		}
	}
	return out, nil
}

func (p *plan) query(step fleet.Step) fleet.Query {
	return fleet.Query{
		Metric: p.metric, Hosts: p.question.Hosts, Window: p.question.Window,
		Step: step, Location: p.question.Location, Within: p.question.Within,
	}
}

// rankError is how far the shares of time of an answer may be off.
func (p *plan) rankError(ctx context.Context, q fleet.Query) (float64, error) {
	bound, err := fleet.RankError(ctx, p.env.Source, q)
	if err != nil {
		err = fmt.Errorf("see how exact %s is: %w", p.metric.Name, err)
	}
	return bound, err
}

// hasTotal says whether the groups' total means something: there is more than
// one group and no host can be in several of them at once.
func (p *plan) hasTotal(groups int) bool {
	return groups > 1 && !slices.Contains(p.groupBy, fleet.SetKey)
}
