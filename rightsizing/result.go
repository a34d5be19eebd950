package rightsizing

import (
	"encoding/json"
	"time"

	"github.com/leanfleet/leanfleet/advice"
	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
)

// Finding is what a host is found to be.
type Finding string

// The findings.
const (
	FindingOverProvisioned  Finding = "over_provisioned"
	FindingUnderProvisioned Finding = "under_provisioned"
	FindingRightSized       Finding = "right_sized"
	FindingIdle             Finding = "idle"
	FindingNotEnoughData    Finding = "not_enough_data"
	FindingExcluded         Finding = "excluded"
)

// Kind is what a change does to the size.
type Kind string

// The kinds of change. A swap has no less of anything. Spot and move are options
// only, whatever their size: today's type at its spot price, and a type in
// another region or cloud.
const (
	KindSwap   Kind = "swap"
	KindShrink Kind = "shrink"
	KindGrow   Kind = "grow"
	KindSpot   Kind = "spot"
	KindMove   Kind = "move"
)

// MarshalJSON writes a kind; null where nothing is changed.
func (k Kind) MarshalJSON() ([]byte, error) {
	if k == "" {
		return []byte("null"), nil
	}
	return json.Marshal(string(k))
}

// VCPUs is a number of vCPUs; 0 is unknown, and null in JSON.
type VCPUs float64

// MarshalJSON writes the number, or null where it is unknown.
func (v VCPUs) MarshalJSON() ([]byte, error) {
	if v == 0 {
		return []byte("null"), nil
	}
	return json.Marshal(float64(v))
}

// Bytes is an amount of memory; 0 is unknown, and null in JSON.
type Bytes int64

// MarshalJSON writes the number, or null where it is unknown.
func (b Bytes) MarshalJSON() ([]byte, error) {
	if b == 0 {
		return []byte("null"), nil
	}
	return json.Marshal(int64(b))
}

// Size is a type with its size and what a host of it pays that runs all month of
// 730 hours. Unknown costs are nil. On the line of a scaling group amounts are
// those of all its members.
type Size struct {
	// Provider and Region are set where they are not the host's.
	Provider string `json:"provider,omitempty"`
	Region   string `json:"region,omitempty"`
	// Purchase is "spot" at a spot price, and empty on demand.
	Purchase        pricing.Purchase `json:"purchase,omitempty"`
	InstanceType    string           `json:"instance_type"`
	VCPUs           VCPUs            `json:"vcpus"`
	MemoryBytes     Bytes            `json:"memory_bytes"`
	MonthlyCost     *money.Amount    `json:"monthly_cost"`
	MonthlyListCost *money.Amount    `json:"monthly_list_cost"`
	PriceObservedAt time.Time        `json:"price_observed_at,omitzero"`
}

// Savings are what a change saves, as a host pays that runs all month; the list
// price's is apart. Negative is more cost, nil unknown.
type Savings struct {
	MonthlySavings     *money.Amount `json:"monthly_savings"`
	AnnualSavings      *money.Amount `json:"annual_savings"`
	MonthlyListSavings *money.Amount `json:"monthly_list_savings"`
	// MonthlySavingsAfterCommitments is what less the user would pay if this were
	// the only change, in a steady month under his commitments; nil without any,
	// and on what is not advised.
	MonthlySavingsAfterCommitments *money.Amount `json:"monthly_savings_after_commitments"`
	AnnualSavingsAfterCommitments  *money.Amount `json:"annual_savings_after_commitments"`
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
	ProjectedCPU    *float64 `json:"projected_cpu"`
	ProjectedMemory *float64 `json:"projected_memory"`
	// Limits holds what else the host uses against the limits of the type.
	Limits []Limit        `json:"limits,omitempty"`
	Effort advice.Effort  `json:"effort"`
	Checks []advice.Check `json:"checks"`
}

// Limit is a limit of a type beside vCPUs and memory, and what the host needs of
// it. Unknown figures are nil.
type Limit struct {
	// Resource is network, disk_throughput (both in bytes per second) or disk_iops.
	Resource string `json:"resource"`
	// Demand is the P99.5 of the samples.
	Demand *float64 `json:"demand"`
	// Capacity is the limit of the type, Today that of today's; Kind is
	// "sustained", or "maximum" where nothing better is known of both.
	Capacity *float64 `json:"capacity"`
	Today    *float64 `json:"today"`
	Kind     string   `json:"kind,omitempty"`
	// State is "ok", "short" or "unknown".
	State string `json:"state"`
}

// Idle is how a host stands against the published rules for idle hosts.
type Idle struct {
	Rules []IdleRule `json:"rules"`
	// PeakCPU is the largest CPU sample of the last 14 days over today's vCPUs,
	// NetworkPerDay the largest number of bytes received and sent on one of them.
	PeakCPU       *float64 `json:"peak_cpu"`
	NetworkPerDay *float64 `json:"network_bytes_per_day"`
	// StopMonthlySavings is what stopping the host saves in a month: the compute
	// cost; its disks and addresses still cost. Nil where the host is not idle.
	StopMonthlySavings *money.Amount `json:"stop_monthly_savings"`
}

// IdleRule is the verdict of one published rule; nil is unknown.
type IdleRule struct {
	Rule string `json:"rule"` // aws, azure or gcp
	Idle *bool  `json:"idle"`
	Why  string `json:"why"`
}

// Held says that a line holds on to what was advised before.
type Held struct {
	// Since is when it was advised, Instead what would be advised now; empty is
	// to keep today's type.
	Since   time.Time `json:"since"`
	Instead string    `json:"instead,omitempty"`
}

// Member is a host of a scaling group.
type Member struct {
	Host         fleet.HostID `json:"host"`
	Name         string       `json:"name"`
	InstanceType string       `json:"instance_type"`
}

// Plot is the days of a line's history, to draw demand against capacity.
type Plot struct {
	VCPUs              float64   `json:"vcpus"`
	MemoryBytes        float64   `json:"memory_bytes"`
	AdvisedVCPUs       *float64  `json:"advised_vcpus"`
	AdvisedMemoryBytes *float64  `json:"advised_memory_bytes"`
	Days               []PlotDay `json:"days"`
}

// PlotDay is one day: the vCPUs it needs, its largest CPU demand in vCPUs, and its
// largest memory in bytes; nil is unknown. On a group's line they are those of the
// member that needed most.
type PlotDay struct {
	Start       time.Time `json:"start"`
	NeededVCPUs *float64  `json:"needed_vcpus"`
	PeakVCPUs   *float64  `json:"peak_vcpus"`
	MemoryBytes *float64  `json:"memory_bytes"`
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
	// WorstMemberCPU and WorstMemberMemory are the members of a scaling group that
	// needed what WorstCPU and WorstMemory say.
	WorstMemberCPU    fleet.HostID `json:"worst_member_vcpus,omitempty"`
	WorstMemberMemory fleet.HostID `json:"worst_member_memory,omitempty"`
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

// Recommendation is the line of one host, or of one scaling group.
type Recommendation struct {
	// Host is the host's id, or the group's: "group:" and what tells it apart.
	Host     fleet.HostID `json:"host"`
	Name     string       `json:"name"`
	Provider string       `json:"provider"`
	Account  string       `json:"account,omitempty"`
	Region   string       `json:"region"`
	Zone     string       `json:"zone,omitempty"`
	OS       string       `json:"os,omitempty"` // as it is priced
	OwnedBy  string       `json:"owned_by,omitempty"`
	Tags     fleet.Tags   `json:"tags,omitempty"`
	// State, Arch and Purchase are those of the inventory, empty where it does not
	// say. A scaling group has them where all of its members agree.
	State    fleet.State          `json:"state,omitempty"`
	Arch     string               `json:"arch,omitempty"`
	Purchase fleet.PurchaseOption `json:"purchase,omitempty"`
	// Members are the hosts of a group by id, MeanMembers the number that ran on
	// average, which amounts are for. A group of mixed types is advised from the
	// commonest.
	Members     []Member `json:"members,omitempty"`
	MeanMembers *float64 `json:"mean_members,omitempty"`
	// Rule is the rule whose policy the host follows, empty for the request's.
	Rule        string   `json:"rule,omitempty"`
	Current     Size     `json:"current"`
	Finding     Finding  `json:"finding"`
	Reasons     []string `json:"reasons"`
	Recommended *Size    `json:"recommended"` // nil is to keep
	Kind        Kind     `json:"kind"`        // empty is to keep, null in JSON
	Options     []Option `json:"options"`
	// BreakProbability is of the recommended type, nil where there is none;
	// Confidence is 1 less that.
	BreakProbability *float64 `json:"break_probability"`
	Confidence       *float64 `json:"confidence"`
	Savings
	Effort   advice.Effort  `json:"effort,omitempty"`
	Checks   []advice.Check `json:"checks"`
	Evidence Evidence       `json:"evidence"`
	// Idle is the host against the rules for idle hosts; nil where nothing of it
	// was measured.
	Idle *Idle `json:"idle,omitempty"`
	// Held is set where an earlier advice is held on to.
	Held *Held `json:"held,omitempty"`
	// Decision is the last decision about the host that counts.
	Decision *advice.Decision `json:"decision,omitempty"`
	// Plot is the days of the history, where explanation was asked for.
	Plot *Plot `json:"plot,omitempty"`
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

// IdleTotal is the idle hosts, and what stopping them would save. It is not part
// of the other totals: an idle host that is stopped saves nothing by its size.
type IdleTotal struct {
	Hosts              int          `json:"hosts"`
	MonthlyCost        money.Amount `json:"monthly_cost"`
	StopMonthlySavings money.Amount `json:"stop_monthly_savings"`
}

// RuleSummary is the list of one rule; that of the request's own policy has no
// name.
type RuleSummary struct {
	Rule             string  `json:"rule"`
	Hosts            int     `json:"hosts"`
	Changed          int     `json:"changed"`
	Confidence       float64 `json:"confidence"`
	MaxRisk          float64 `json:"max_risk"`
	StatedBreakShare float64 `json:"stated_break_share"`
	ConfidenceMet    bool    `json:"confidence_met"`
}

// CommitmentSummary is a steady month of 730 hours in which every host of the
// fleet runs, before and after all advised changes.
type CommitmentSummary struct {
	// MonthlyCost is what commitments cost and hosts on demand pay before.
	MonthlyCost       money.Amount `json:"monthly_cost"`
	Commitments       money.Amount `json:"commitments"`
	UnusedBefore      money.Amount `json:"unused_before"`
	UnusedAfter       money.Amount `json:"unused_after"`
	MonthlySavings    money.Amount `json:"monthly_savings"`
	HostsWithoutPrice int          `json:"hosts_without_price"`
}

// Summary totals the lines of the list, whatever host was picked out of it. The
// line of a scaling group counts as one host; its amounts are the group's.
type Summary struct {
	Hosts       int             `json:"hosts"`
	Findings    map[Finding]int `json:"findings"`
	MonthlyCost money.Amount    `json:"monthly_cost"` // of the hosts with a price
	// HostsWithPrice is their number. Unadvised counts the reasons why hosts are
	// excluded or too little is known of them.
	HostsWithPrice int            `json:"hosts_with_price"`
	Unadvised      map[string]int `json:"unadvised,omitempty"`
	Swaps          Total          `json:"swaps"`
	Shrinks        Total          `json:"shrinks"`
	Grows          Total          `json:"grows"`
	Idle           IdleTotal      `json:"idle"`
	// Spot and Moves total the best option of its kind of each line, where asked
	// for. They are instead of the advised changes, not on top.
	Spot  *Total `json:"spot,omitempty"`
	Moves *Total `json:"moves,omitempty"`
	// AfterCommitments is nil without commitments.
	AfterCommitments *CommitmentSummary `json:"after_commitments,omitempty"`
	// Held lines hold on to an earlier advice, Dismissed ones would be changed had
	// nobody decided otherwise.
	Held      int `json:"held"`
	Dismissed int `json:"dismissed"`
	// Rules are the lists of the rules, where there are any.
	Rules []RuleSummary `json:"rules,omitempty"`
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
