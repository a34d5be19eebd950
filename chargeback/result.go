package chargeback

import (
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
)

// Result is the answer to a [Request].
type Result struct {
	Period   Period         `json:"period"`
	Currency money.Currency `json:"currency"`
	GroupBy  []string       `json:"group_by"`
	Total    Total          `json:"total"`
	// Groups are ordered by key, the group without the tag last.
	Groups []Group `json:"groups"`
	// Unpriced is what has no price, with the reason.
	Unpriced []Unpriced `json:"unpriced"`
	// NotCharged are hosts of which nobody knows whether they ran.
	NotCharged  []NotCharged    `json:"not_charged"`
	Commitments []CommitmentUse `json:"commitments,omitempty"`
	Prices      Prices          `json:"prices"`
	Method      Method          `json:"method"`
	Manifest    Manifest        `json:"manifest"`
	// Damaged files were left out of a partial answer.
	Damaged []fleet.Damage `json:"damaged,omitempty"`
}

// Period is what a report is about, half-open and in UTC.
type Period struct {
	Start    time.Time `json:"start"`
	End      time.Time `json:"end"`
	Timezone string    `json:"timezone"`
	// ChargedUntil is the as-of time where the period reaches beyond it.
	ChargedUntil *time.Time `json:"charged_until,omitempty"`
}

// Figures are what a line, a group or all of them cost, in the report's
// currency; nil is unknown.
type Figures struct {
	Cost           *money.Amount `json:"cost"`
	ContractedCost *money.Amount `json:"contracted_cost"`
	EffectiveCost  *money.Amount `json:"effective_cost"`
	// ComputeCost, DiskCost and AddressCost are the parts of Cost.
	ComputeCost *money.Amount `json:"compute_cost"`
	DiskCost    *money.Amount `json:"disk_cost"`
	AddressCost *money.Amount `json:"address_cost"`
	// HostHours is how long hosts ran, StoppedHours how long they were known to
	// be stopped.
	HostHours    float64 `json:"host_hours"`
	StoppedHours float64 `json:"stopped_hours"`
	// UnpricedHours are host hours without a price; no cost holds them.
	UnpricedHours float64 `json:"unpriced_hours"`
	// EstimatedHours are host hours of unknown state that no sample covers.
	EstimatedHours float64 `json:"estimated_hours"`
	// PriceBasis is "nearest-later" where any price was first known after its
	// use, NearestLaterHours the host hours with such a price.
	PriceBasis        string  `json:"price_basis,omitempty"`
	NearestLaterHours float64 `json:"nearest_later_hours"`
}

// Total is over all groups.
type Total struct {
	Figures
	Hosts int `json:"hosts"`
}

// Group is the hosts that share values of the keys asked for.
type Group struct {
	Group fleet.GroupKey `json:"group"`
	Figures
	// Hosts are the lines of the group, by name.
	Hosts []Line `json:"hosts"`
}

// Line is what one host costs in one group.
type Line struct {
	Host fleet.HostID `json:"host"`
	Name string       `json:"name"`
	Figures
	Provider      string   `json:"provider,omitzero"`
	Region        string   `json:"region,omitzero"`
	InstanceTypes []string `json:"instance_types"`
	// Basis and PriceDates say where the prices come from; a price of an own
	// sheet has no date.
	Basis      []pricing.Basis `json:"basis"`
	PriceDates []string        `json:"price_dates"`
	// Reason says why the cost is unknown, or a part of it.
	Reason string `json:"reason,omitempty"`
	// SilentSince is when a host of unknown state was last heard of: charging
	// ends there.
	SilentSince *time.Time `json:"silent_since,omitempty"`
}

// Unpriced is something that has no price.
type Unpriced struct {
	// What is compute, disk or address.
	What         string           `json:"what"`
	Provider     string           `json:"provider"`
	Region       string           `json:"region"`
	InstanceType string           `json:"instance_type,omitzero"`
	DiskType     string           `json:"disk_type,omitzero"`
	OS           string           `json:"os,omitzero"`
	Purchase     pricing.Purchase `json:"purchase,omitzero"`
	// Term is that of a rate under a commitment, in words.
	Term   string `json:"term,omitzero"`
	Reason string `json:"reason"`
	Hosts  int    `json:"hosts"`
	// Hours are those of the hosts, running or stopped.
	Hours float64 `json:"hours"`
}

// NotCharged is a host that may have run.
type NotCharged struct {
	Host   fleet.HostID `json:"host"`
	Name   string       `json:"name"`
	Reason string       `json:"reason"`
}

// CommitmentUse is what a commitment cost in the period, and for what.
type CommitmentUse struct {
	Commitment string       `json:"commitment"`
	Cost       money.Amount `json:"cost"`
	Used       money.Amount `json:"used"`
	Unused     money.Amount `json:"unused"`
	// OnDemand is what the use it covers would have cost on demand, at the
	// contracted price and before sustained use. AboveOnDemand says that Used is
	// more than that: the commitment is dearer than what it stands in for.
	OnDemand      money.Amount `json:"on_demand"`
	AboveOnDemand bool         `json:"above_on_demand,omitempty"`
	// Unrated is what a commitment to spend could have covered and did not,
	// because nobody knows its rate, or with strict prices knew it in time.
	Unrated []Unpriced `json:"unrated,omitempty"`
}

// Prices say what the report was priced with.
type Prices struct {
	Book   pricing.Revision `json:"book"`
	AsOf   *time.Time       `json:"as_of,omitempty"`
	Strict bool             `json:"strict"`
	// PriceBasis is "nearest-later" where any price was.
	PriceBasis string `json:"price_basis,omitempty"`
	// Oldest and Newest are the dates of the lists used.
	Oldest string       `json:"oldest,omitempty"`
	Newest string       `json:"newest,omitempty"`
	Used   []PriceUsed  `json:"used"`
	Rates  []money.Rate `json:"rates,omitempty"`
	// Stale are the places whose prices of instances, of disks or of addresses
	// were last seen in their list more than [pricing.StaleAfter] before the end of
	// what is charged.
	Stale []StalePrices `json:"stale,omitempty"`
}

// StalePrices says when the oldest price used of one kind in a place was last
// seen in its list, and how many whole days that was before the end of what is
// charged.
type StalePrices struct {
	// What is compute, disk or address.
	What     string `json:"what"`
	Provider string `json:"provider"`
	Region   string `json:"region"`
	LastSeen string `json:"last_seen"`
	Days     int    `json:"days"`
}

// PriceUsed is one price and how long it was used for.
type PriceUsed struct {
	What         string           `json:"what"`
	Provider     string           `json:"provider"`
	Region       string           `json:"region"`
	InstanceType string           `json:"instance_type,omitzero"`
	DiskType     string           `json:"disk_type,omitzero"`
	OS           string           `json:"os,omitzero"`
	Purchase     pricing.Purchase `json:"purchase,omitzero"`
	// Term is that of a rate under a commitment, in words.
	Term string `json:"term,omitzero"`
	// Price is the list price per Unit, ContractedPrice what own sheets make of
	// it, both in Currency unless ContractedCurrency says otherwise.
	Price              money.Price    `json:"price"`
	ContractedPrice    money.Price    `json:"contracted_price"`
	Unit               string         `json:"unit"`
	Currency           money.Currency `json:"currency"`
	ContractedCurrency money.Currency `json:"contracted_currency,omitzero"`
	Basis              pricing.Basis  `json:"basis"`
	PriceBasis         string         `json:"price_basis,omitzero"`
	AsOf               string         `json:"as_of,omitzero"`
	ValidFrom          string         `json:"valid_from,omitzero"`
	Source             string         `json:"source"`
	ContractSource     string         `json:"contract_source,omitzero"`
	Hours              float64        `json:"hours"`
}

// Method says how the report was made; docs/chargeback.md explains it.
type Method struct {
	Rules          string         `json:"rules"`
	MinimumSeconds map[string]int `json:"minimum_seconds"`
	Month          string         `json:"month"`
	Rounding       string         `json:"rounding"`
	UnknownState   string         `json:"unknown_state"`
	// Evidence are the metrics that were asked whether hosts ran.
	Evidence []string `json:"evidence,omitempty"`
	// SustainedUse says that a sustained-use discount was applied,
	// SustainedUsePool whose use counts together for it.
	SustainedUse     bool   `json:"sustained_use"`
	SustainedUsePool string `json:"sustained_use_pool,omitempty"`
	// OSAssumedHours are host hours priced as Linux because nobody knows the
	// operating system.
	OSAssumedHours float64 `json:"os_assumed_hours"`
	// ReservedHours are host hours of hosts marked reserved that no commitment
	// covers: their effective cost is that on demand, at most.
	ReservedHours float64 `json:"reserved_uncovered_hours"`
}

// Reasons why something is not charged, or has no price.
const (
	ReasonNoEvidence       = "no_evidence"
	ReasonDisksUnknown     = "disks_unknown"
	ReasonAddressesUnknown = "addresses_unknown"
)
