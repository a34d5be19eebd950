package pricing

import (
	"slices"

	"github.com/leanfleet/leanfleet/money"
)

// Fact is something that is known with its source, or not known. The zero value
// is unknown; Value means something only where Known is true.
type Fact[T any] struct {
	Value  T
	Known  bool
	Source string
}

// Known returns v as a fact from a source.
func Known[T any](v T, source string) Fact[T] { return Fact[T]{Value: v, Known: true, Source: source} }

// The kinds of CPU. A dedicated vCPU is always there in full, a burstable one
// has a baseline and credits or is a fraction of a core, a shared one is that
// of an AWS flex size.
const (
	CPUDedicated = "dedicated"
	CPUBurstable = "burstable"
	CPUShared    = "shared"
)

// The meanings of a network figure. They do not compare with each other.
const (
	NetworkBaseline = "baseline"
	NetworkMaximum  = "maximum"
)

// LocalDisk is the disk that comes with a type (instance store, temporary disk,
// local SSD) and loses its data with the host.
type LocalDisk struct {
	Present bool
	GiB     float64 // all disks together; 0 where the size is not known
}

// The hypervisors and disk interfaces that a change of type can cross.
const (
	HypervisorXen    = "xen"
	HypervisorNitro  = "nitro"
	HypervisorMetal  = "metal"
	HypervisorHyperV = "hyperv"
	HypervisorKVM    = "kvm"

	DiskNVMe = "nvme" // block storage appears as NVMe devices only
	DiskSCSI = "scsi" // SCSI or Xen block devices, no NVMe
	DiskBoth = "both" // NVMe or SCSI, as the image and the request say
)

// Specification is what an instance type is, each field with its source or
// unknown. It is a value; its strings and slices are never written to.
type Specification struct {
	Provider, InstanceType string

	Family  Fact[string]
	Purpose Fact[string] // general, compute, memory, storage, accelerator, hpc, confidential, other
	// Status is where the family stands: current, older, previous, retiring or
	// retired.
	Status         Fact[string]
	GenerationRank Fact[int] // grows with the generation; compares within one provider and line only

	VCPUs Fact[int]
	// BilledVCPUs is the number of vCPUs a shared-core size is priced as; where
	// it is unknown, VCPUs are priced.
	BilledVCPUs Fact[money.Number]
	MemoryBytes Fact[int64]
	Arch        Fact[string] // x86_64 or arm64
	CPUKind     Fact[string]
	// BurstBaseline is the share of each vCPU that a burstable type may use all
	// the time, in (0, 1].
	BurstBaseline Fact[money.Number]
	NetworkGbps   Fact[float64]
	NetworkKind   string // what NetworkGbps means
	// NetworkBaselineGbps is the bandwidth that is there all the time, where it
	// is told apart from a maximum or a burst. Where NetworkGbps is a baseline
	// and nothing else is known, it is the same figure.
	NetworkBaselineGbps Fact[float64]
	// AcceleratedNetworking says whether an Azure size can have its network
	// adapter passed through (SR-IOV).
	AcceleratedNetworking Fact[bool]
	LocalDisk             Fact[LocalDisk]
	// TemporaryDisk says whether an Azure size has a temporary disk (D:, /dev/sdb).
	TemporaryDisk Fact[bool]
	// DiskBytesPerSecond and DiskIOPS are what a type reads and writes at most on
	// its network-attached disks (EBS, managed disks, Persistent Disk), all of
	// them together, for as long as it likes; a burst above that is not told.
	// Slower disks may allow less.
	DiskBytesPerSecond Fact[float64]
	DiskIOPS           Fact[float64]
	GPUs               Fact[float64] // fractions for sizes that get a part of a GPU
	Accelerator        Fact[string]  // model, such as "NVIDIA T4"
	Confidential       Fact[bool]

	Hypervisor    Fact[string]
	DiskInterface Fact[string]
	// ImageGenerations are the VM generations whose images boot (Azure): "1",
	// "2", in order.
	ImageGenerations Fact[[]string]
	// HyperdiskOnly says that a GCP series takes Hyperdisk volumes and no
	// Persistent Disk.
	HyperdiskOnly Fact[bool]
	// SustainedUseDiscount is the share of the list price that a host running
	// all month is not charged, in [0, 1).
	SustainedUseDiscount Fact[money.Number]
}

// IsCurrent reports whether the family is sold as a current one. It is false
// where the status is unknown.
func (s *Specification) IsCurrent() bool { return s.Status.Known && s.Status.Value == "current" }

// field is one fact of a specification by its JSON name.
type field struct {
	name  string
	known func(s *Specification) (source string, ok bool)
	merge func(into, from *Specification)
	value func(s *Specification) any
	parse func(s *Specification, raw []byte, source string) error
}

// Unknown returns the names of the facts that are unknown, in the order of
// declaration. Facts that a provider's types never have are left out.
func (s *Specification) Unknown() []string {
	var names []string
	for _, f := range fields() {
		if _, ok := f.known(s); !ok && f.concerns(s.Provider) {
			names = append(names, f.name)
		}
	}
	return names
}

func (f field) concerns(provider string) bool {
	only, ok := map[string][]string{
		"temporary_disk":         {Azure},
		"image_generations":      {Azure},
		"accelerated_networking": {Azure},
		"network_baseline_gbps":  {AWS},
		"hyperdisk_only":         {GCP},
		"sustained_use_discount": {GCP},
		"billed_vcpus":           {},
		"burst_baseline":         {},
		"accelerator":            {},
	}[f.name]
	return !ok || slices.Contains(only, provider)
}

// Sources returns the source of each known fact by its JSON name.
func (s *Specification) Sources() map[string]string {
	m := make(map[string]string)
	for _, f := range fields() {
		if source, ok := f.known(s); ok {
			m[f.name] = source
		}
	}
	return m
}

// Merge returns s with the facts it lacks taken from what lies beneath it. A
// baseline of the network that s tells as its figure stands before any that
// lies beneath.
func (s Specification) Merge(beneath Specification) Specification {
	s.learnBaseline()
	for _, f := range fields() {
		if _, ok := f.known(&s); !ok {
			f.merge(&s, &beneath)
		}
	}
	return s
}

// learnBaseline takes a network figure that is a baseline as one.
func (s *Specification) learnBaseline() {
	if s.NetworkGbps.Known && s.NetworkKind == NetworkBaseline {
		learn(&s.NetworkBaselineGbps, s.NetworkGbps.Value, s.NetworkGbps.Source)
	}
}
