package advice

import "github.com/leanfleet/leanfleet/money"

// Code names a kind of check. Codes are stable: scripts filter by them.
type Code string

// The checks. Each stands for something that a change of instance type can
// break although the new size is large enough.
const (
	// CheckArchitecture: the software has to be built for another processor.
	CheckArchitecture Code = "architecture"
	// CheckHypervisor: the image needs drivers for another hypervisor (Xen to
	// Nitro).
	CheckHypervisor Code = "hypervisor"
	// CheckDiskInterface: disks appear as other devices (NVMe instead of SCSI).
	CheckDiskInterface Code = "disk_interface"
	// CheckDiskGeneration: the new type takes other kinds of network disk
	// (Hyperdisk only).
	CheckDiskGeneration Code = "disk_generation"
	// CheckImageGeneration: the image has to be one of another VM generation.
	CheckImageGeneration Code = "image_generation"
	// CheckTemporaryDisk: a temporary disk appears or is gone.
	CheckTemporaryDisk Code = "temporary_disk"
	// CheckLocalDisk: a local disk is gone, smaller, or loses its data.
	CheckLocalDisk Code = "local_disk"
	// CheckGPU: the accelerators differ.
	CheckGPU Code = "gpu"
	// CheckBurstable: full speed is no longer there all the time.
	CheckBurstable Code = "burstable"
	// CheckDiskThroughput: less throughput or fewer operations on network-attached
	// disks.
	CheckDiskThroughput Code = "disk_throughput"
	// CheckNetwork: less network, figures that do not compare, or no accelerated
	// networking any more.
	CheckNetwork Code = "network"
	// CheckConfidential: protection of memory in use is gained or lost.
	CheckConfidential Code = "confidential"
	// CheckMemory: less memory.
	CheckMemory Code = "memory"
	// CheckCPU: fewer vCPUs.
	CheckCPU Code = "cpu"
	// CheckGeneration: an older generation, whose vCPUs do less.
	CheckGeneration Code = "older_generation"
	// CheckExceptionalDay: one day took more than the new type has.
	CheckExceptionalDay Code = "exceptional_day"
	// CheckProvider: a move to another cloud.
	CheckProvider Code = "provider"
	// CheckRegion: a move to another region.
	CheckRegion Code = "region"
	// CheckInterruption: the provider may take the host away at short notice.
	CheckInterruption Code = "interruption"
	// CheckUnknown: something that matters is not known of one of the two.
	CheckUnknown Code = "unknown"
)

// Check is what a person has to verify before a change.
type Check struct {
	Code Code   `json:"code"`
	Text string `json:"text"` // one sentence, what differs and what to do
	From string `json:"from"` // how it is, "unknown" where it is not known
	To   string `json:"to"`   // how it would be
}

// Action is what a change does to a host.
type Action string

// The actions.
const (
	ActionResize   Action = "resize"
	ActionStop     Action = "stop"
	ActionSchedule Action = "schedule"
	ActionPurchase Action = "purchase"
	ActionMove     Action = "move" // to another provider or region
)

// Effort is how much work a change is.
type Effort string

// The efforts, from a restart at most to a project.
const (
	EffortLow    Effort = "low"
	EffortMedium Effort = "medium"
	EffortHigh   Effort = "high"
)

// Change is one action on one host. Unknown savings are nil, never zero.
type Change struct {
	Action Action `json:"action"`
	Host   string `json:"host"`
	From   string `json:"from"` // instance type, schedule or purchase option
	To     string `json:"to"`
	// MonthlySavings is at list price, MonthlyEffectiveSavings at what the host
	// pays after automatic discounts and commitments.
	MonthlySavings          *money.Amount  `json:"monthly_savings"`
	MonthlyEffectiveSavings *money.Amount  `json:"monthly_effective_savings"`
	Currency                money.Currency `json:"currency,omitzero"`
	Effort                  Effort         `json:"effort"`
	Checks                  []Check        `json:"checks"`
}

// EffortOf returns the effort that the checks of a change call for: low without
// any, high where software or data has to be rebuilt or moved, medium between.
func EffortOf(checks []Check) Effort {
	effort := EffortLow
	for _, c := range checks {
		switch c.Code {
		case CheckArchitecture, CheckProvider, CheckRegion, CheckGPU, CheckDiskGeneration:
			return EffortHigh
		case CheckUnknown, CheckHypervisor, CheckDiskInterface, CheckImageGeneration, CheckTemporaryDisk, CheckLocalDisk, CheckConfidential, CheckInterruption:
			effort = EffortMedium
		}
	}
	return effort
}
