package catalog

import "time"

// AWS, Azure and GCP are the provider names of the embedded catalogue.
const (
	AWS   = "aws"
	Azure = "azure"
	GCP   = "gcp"
)

// Known is a figure that the source may lack. The zero value is unknown;
// Value means something only where OK is true.
type Known[T any] struct {
	Value T
	OK    bool
}

// KnownAs returns v as a known figure.
func KnownAs[T any](v T) Known[T] { return Known[T]{Value: v, OK: true} }

// CPUKind says what a vCPU of a type is.
type CPUKind string

// The kinds of CPU. Dedicated vCPUs are always there in full; burstable ones
// have a baseline and credits, or are billed as a fraction (GCP shared-core);
// shared ones are the AWS flex sizes.
const (
	CPUDedicated CPUKind = "dedicated"
	CPUBurstable CPUKind = "burstable"
	CPUShared    CPUKind = "shared"
)

// NetworkKind says what a network figure means.
type NetworkKind string

// The meanings of NetworkGbps: AWS states the baseline a type always has, GCP
// the highest egress it may reach. The two must not be compared as equals.
const (
	NetworkBaseline NetworkKind = "baseline"
	NetworkMaximum  NetworkKind = "maximum"
)

// DiskState says what is known of the local disk of a type.
type DiskState string

// The states of a local disk. Present means that there is one and its size is
// not known; sized that GiB holds the size.
const (
	DiskUnknown DiskState = "unknown"
	DiskNone    DiskState = "none"
	DiskPresent DiskState = "present"
	DiskSized   DiskState = "sized"
)

// LocalDisk is what is known of the disks that come with an instance type
// (instance store, temporary disk, local SSD).
type LocalDisk struct {
	State DiskState
	GiB   float64 // sum of all disks in GiB; zero unless State is DiskSized
	Basis string  // where the state comes from: the type list, or the naming rule with its source
}

// InstanceType is the specification of one instance type as the source states
// it, with the rules of the generator where the source leaves a gap.
type InstanceType struct {
	Provider    string
	Name        string // the provider's own spelling
	Family      string // empty where the source knows none
	VCPUs       Known[int]
	BilledVCPUs Known[float64] // vCPUs a shared-core size is priced as; unknown for types priced whole
	MemoryBytes Known[int64]   // rounded to the byte from the GiB of the source
	Arch        string         // x86_64 or arm64
	CPUKind     CPUKind
	GPUs        Known[float64] // fractions for sizes that get a part of a GPU
	NetworkGbps Known[float64]
	NetworkKind NetworkKind // what NetworkGbps means; empty where it is unknown
	LocalDisk   LocalDisk
	// GenerationRank grows with the generation, from 1. It compares only
	// within one provider and one line of families.
	GenerationRank int
}

// Purpose is what a family is made for.
type Purpose string

// The purposes of families.
const (
	PurposeGeneral      Purpose = "general"
	PurposeCompute      Purpose = "compute"
	PurposeMemory       Purpose = "memory"
	PurposeStorage      Purpose = "storage"
	PurposeAccelerator  Purpose = "accelerator"
	PurposeHPC          Purpose = "hpc"
	PurposeConfidential Purpose = "confidential"
	PurposeOther        Purpose = "other"
)

// Status is where a family stands in its life.
type Status string

// The states of a family's life. Retiring sizes have an announced end, which
// the family's Source tells.
const (
	StatusCurrent  Status = "current"
	StatusOlder    Status = "older"
	StatusPrevious Status = "previous"
	StatusRetiring Status = "retiring"
	StatusRetired  Status = "retired"
)

// Family is a line of instance types of one provider.
type Family struct {
	Provider string
	Name     string
	Purpose  Purpose
	Status   Status
	// SustainedUseDiscount is the share of the list price that a host running
	// the whole month is not charged, in [0, 1). It is not in the prices.
	SustainedUseDiscount Number
	Source               string // of status and discount; empty where nothing had to be looked up
	AsOf                 time.Time
}

// Region is a place where a provider sells instances.
type Region struct {
	Provider, Name  string
	GeoArea         string // coarse area such as us-east
	Metro, Country  string // Country is an ISO 3166 code
	LatitudeApprox  float64
	LongitudeApprox float64
}

// Neighbour is the region of another provider that lies nearest to a region.
type Neighbour struct {
	FromProvider, FromRegion string
	Provider, Region         string
	KmApprox                 int
	SameCountry              bool
}

// Purchase is how an instance is bought.
type Purchase string

// The purchase options. Commitments are the price per hour of the provider's
// standard commitment of one or three years.
const (
	OnDemand    Purchase = "on_demand"
	Spot        Purchase = "spot"
	Commitment1 Purchase = "commit_1y"
	Commitment3 Purchase = "commit_3y"
)

// Basis says how a price came to be.
type Basis string

// Observed prices stand in a provider's list as they are. Inferred ones were
// worked out from neighbouring rows, see docs/catalog.md, and must be shown as
// such.
const (
	Observed Basis = "observed"
	Inferred Basis = "inferred"
)

// Currency is the currency of every price of the catalogue.
const Currency = "USD"

// Offer is the list price of an instance type in a region under one purchase
// option. Discounts that a host gets by itself are not in it.
type Offer struct {
	Provider, Region, Type string
	OS                     string // linux
	Purchase               Purchase
	PricePerHour           Number // exactly the source's figure
	Currency               string
	AsOf                   time.Time // day the price list is of, midnight UTC
	Basis                  Basis
}

// Component is the GCP price of one vCPU-hour and one GiB-hour of a series in
// a region, in USD, from which predefined and custom types are priced. The
// source gives no date for it.
type Component struct {
	Region, Family          string
	Purchase                Purchase
	PerVCPUHour, PerGiBHour Number
	// MaxRelativeResidual is the largest relative difference between the list
	// price of a predefined type and the price its components give.
	MaxRelativeResidual float64
}

// SourceFile is one file the catalogue was generated from.
type SourceFile struct {
	Name   string
	SHA256 string // of the file as it lay there, hexadecimal
	Rows   int
}

// Info says what a catalogue was made of.
type Info struct {
	Date      time.Time // newest date of any fact in it
	OldestAt  time.Time // oldest date of a price
	NewestAt  time.Time // newest date of a price
	Generator string    // version of the generator
	Sources   []SourceFile
}
