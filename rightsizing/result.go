package rightsizing

import (
	"time"

	"github.com/leanfleet/leanfleet/advice"
	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/money"
)

// Finding is what a host is found to be.
type Finding string

// The findings.
const (
	FindingOverProvisioned  Finding = "over_provisioned"
	FindingUnderProvisioned Finding = "under_provisioned"
	FindingRightSized       Finding = "right_sized"
	FindingNotEnoughData    Finding = "not_enough_data"
	FindingExcluded         Finding = "excluded"
)

// Kind is what a change does to the size.
type Kind string

// The kinds of change. A swap has no less of anything.
const (
	KindSwap   Kind = "swap"
	KindShrink Kind = "shrink"
	KindGrow   Kind = "grow"
)

// Size is a type with its size and what a host of it pays that runs all month of
// 730 hours. Unknown costs are nil.
type Size struct {
	InstanceType    string        `json:"instance_type"`
	VCPUs           float64       `json:"vcpus"`
	MemoryBytes     int64         `json:"memory_bytes"`
	MonthlyCost     *money.Amount `json:"monthly_cost"`
	MonthlyListCost *money.Amount `json:"monthly_list_cost"`
	PriceObservedAt time.Time     `json:"price_observed_at,omitzero"`
}

// Savings are what a change saves, as a host pays that runs all month; the list
// price's is apart. Negative is more cost, nil unknown.
type Savings struct {
	MonthlySavings     *money.Amount `json:"monthly_savings"`
	AnnualSavings      *money.Amount `json:"annual_savings"`
	MonthlyListSavings *money.Amount `json:"monthly_list_savings"`
}

// Option is a type that a host could have instead.
type Option struct {
	Size
	Savings
	Kind Kind `json:"kind"`
	// BreakProbability is the chance of breaking in the next 14 days; BreakCPU
	// and BreakMemory are those of each resource.
	BreakProbability float64 `json:"break_probability"`
	BreakCPU         float64 `json:"break_cpu"`
	BreakMemory      float64 `json:"break_memory"`
	// GroupShare is the share of like hosts that needed more than this fraction
	// of their size on one day.
	GroupShare float64 `json:"group_share"`
	// ProjectedCPU is the P99.5 of CPU of the last 14 days, ProjectedMemory the
	// largest memory, each over the new size; nil is unknown.
	ProjectedCPU    *float64       `json:"projected_cpu"`
	ProjectedMemory *float64       `json:"projected_memory"`
	Effort          advice.Effort  `json:"effort"`
	Checks          []advice.Check `json:"checks"`
}

// Evidence is what a line rests on. Unknown is nil.
type Evidence struct {
	Days            int      `json:"days"`
	KnownDaysCPU    int      `json:"known_days_cpu"`
	KnownDaysMemory int      `json:"known_days_memory"`
	Coverage        *float64 `json:"coverage"`
	// TypicalCPU and WorstCPU are vCPUs needed in the worst week, and on the
	// worst day but the one set aside; memory in bytes, typical being the median
	// of daily maxima.
	TypicalCPU          *float64 `json:"typical_vcpus"`
	WorstCPU            *float64 `json:"worst_vcpus"`
	TypicalMemory       *float64 `json:"typical_memory_bytes"`
	WorstMemory         *float64 `json:"worst_memory_bytes"`
	SetAsideCPU         string   `json:"set_aside_cpu_day,omitempty"`
	SetAsideCPUNeed     *float64 `json:"set_aside_vcpus"`
	SetAsideMemory      string   `json:"set_aside_memory_day,omitempty"`
	SetAsideMemoryBytes *float64 `json:"set_aside_memory_bytes"`
	// DaysAboveCPU and DaysAboveMemory are the days, but the worst one, on which
	// more was needed than the advised size has.
	DaysAboveCPU    int `json:"days_above_vcpus"`
	DaysAboveMemory int `json:"days_above_memory"`
	// GroupShare is the share of LookAlikes, a sum of weights, that needed more
	// on one day. HeldBack says that the host may not bet with its group.
	GroupShare float64 `json:"group_share"`
	LookAlikes float64 `json:"look_alikes"`
	HeldBack   bool    `json:"held_back,omitempty"`
}

// Explained is a type of the region and what speaks against it, "" where
// nothing does. By names the candidate that dominates it.
type Explained struct {
	Size
	Chosen           bool     `json:"chosen,omitempty"`
	Rejected         string   `json:"rejected,omitempty"`
	By               string   `json:"by,omitempty"`
	BreakProbability *float64 `json:"break_probability"`
	BreakCPU         *float64 `json:"break_cpu"`
	BreakMemory      *float64 `json:"break_memory"`
}

// Recommendation is the line of one host.
type Recommendation struct {
	Host        fleet.HostID `json:"host"`
	Name        string       `json:"name"`
	Provider    string       `json:"provider"`
	Region      string       `json:"region"`
	Current     Size         `json:"current"`
	Finding     Finding      `json:"finding"`
	Reasons     []string     `json:"reasons"`
	Recommended *Size        `json:"recommended"` // nil is to keep
	Kind        Kind         `json:"kind,omitempty"`
	Options     []Option     `json:"options"`
	// BreakProbability is of the recommended type; Confidence is 1 less that.
	BreakProbability float64 `json:"break_probability"`
	Confidence       float64 `json:"confidence"`
	Savings
	Effort   advice.Effort  `json:"effort,omitempty"`
	Checks   []advice.Check `json:"checks"`
	Evidence Evidence       `json:"evidence"`
	// Candidates are all types of the region, where they were asked for.
	Candidates []Explained `json:"candidates,omitempty"`
}

// Total is a number of changes and what they come to in a month.
type Total struct {
	Hosts          int          `json:"hosts"`
	MonthlySavings money.Amount `json:"monthly_savings"`
	// StatedBroken is the sum of the chances of breaking.
	StatedBroken float64 `json:"stated_broken"`
}

// Summary totals the lines of the list, whatever host was picked out of it.
type Summary struct {
	Hosts       int             `json:"hosts"`
	Findings    map[Finding]int `json:"findings"`
	MonthlyCost money.Amount    `json:"monthly_cost"` // of the hosts with a price
	Swaps       Total           `json:"swaps"`
	Shrinks     Total           `json:"shrinks"`
	Grows       Total           `json:"grows"`
	// StatedBreakShare is the mean chance of breaking over swaps and shrinks.
	// ConfidenceMet says whether it keeps the confidence asked for; rules of
	// others are not made for one.
	StatedBreakShare float64 `json:"stated_break_share"`
	ConfidenceMet    bool    `json:"confidence_met"`
	HoursPerMonth    int     `json:"hours_per_month"`
}

// Bin is one line of a calibration table: candidates that shrink something, by
// their stated chance of breaking in [From, To).
type Bin struct {
	From       float64 `json:"from"`
	To         float64 `json:"to"`
	Candidates int     `json:"candidates"`
	// Stated is their mean chance; Observed the share that broke.
	Stated   float64 `json:"stated"`
	Broken   int     `json:"broken"`
	Observed float64 `json:"observed"`
}

// Learned is the learned number of each resource, beside the shipped one, and
// from how much.
type Learned struct {
	Days          int     `json:"days"`
	Splits        int     `json:"splits"`
	CPU           float64 `json:"cpu"`
	Memory        float64 `json:"memory"`
	ShippedCPU    float64 `json:"shipped_cpu"`
	ShippedMemory float64 `json:"shipped_memory"`
}

// Result is the answer to a [Request].
type Result struct {
	AsOf            time.Time        `json:"as_of"`
	Window          fleet.Window     `json:"window"`
	Policy          string           `json:"policy"`
	Confidence      float64          `json:"confidence"`
	MaxRisk         float64          `json:"max_risk"`
	Currency        money.Currency   `json:"currency"`
	Recommendations []Recommendation `json:"recommendations"`
	Summary         Summary          `json:"summary"`
	// Calibration is of the pseudo-splits that the learned numbers come from.
	Calibration []Bin          `json:"calibration"`
	Learned     Learned        `json:"learned"`
	Damaged     []fleet.Damage `json:"damaged,omitempty"`
}

func summarize(lines []Recommendation, req *Request, stated float64, met bool) (Summary, error) {
	s := Summary{Findings: map[Finding]int{}, StatedBreakShare: stated, ConfidenceMet: met, HoursPerMonth: HoursPerMonth, MonthlyCost: money.Zero(req.Currency)}
	totals := map[Kind]*Total{KindSwap: &s.Swaps, KindShrink: &s.Shrinks, KindGrow: &s.Grows}
	for _, t := range totals {
		t.MonthlySavings = money.Zero(req.Currency)
	}
	for i := range lines {
		l := &lines[i]
		s.Hosts++
		s.Findings[l.Finding]++
		var err error
		if l.Current.MonthlyCost != nil {
			if s.MonthlyCost, err = s.MonthlyCost.Add(*l.Current.MonthlyCost); err != nil {
				return s, err
			}
		}
		t := totals[l.Kind]
		if t == nil || l.MonthlySavings == nil {
			continue
		}
		t.Hosts++
		t.StatedBroken += l.BreakProbability
		if t.MonthlySavings, err = t.MonthlySavings.Add(*l.MonthlySavings); err != nil {
			return s, err
		}
	}
	return s, nil
}
