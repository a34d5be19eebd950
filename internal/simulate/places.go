package simulate

import "github.com/leanfleet/leanfleet/fleet"

// size is an instance type of a family. Memory is in MiB.
type size struct {
	name   string
	vcpus  int64
	memory int64
}

// family is instance types of one kind, smallest first: a resize goes to a
// neighbour.
type family struct {
	provider  string
	arch      string
	purpose   string // general, compute, memory
	burstable bool
	sizes     []size
}

const gib = 1024

// families returns the instance types of simulated hosts: real ones of families
// that the providers sell today.
func families() []family {
	return []family{
		{"aws", "x86_64", "general", true, []size{{"t3.medium", 2, 4 * gib}, {"t3.large", 2, 8 * gib}, {"t3.xlarge", 4, 16 * gib}}},
		{"aws", "x86_64", "general", false, []size{{"m6i.large", 2, 8 * gib}, {"m6i.xlarge", 4, 16 * gib}, {"m6i.2xlarge", 8, 32 * gib}}},
		{"aws", "arm64", "general", false, []size{{"m7g.large", 2, 8 * gib}, {"m7g.xlarge", 4, 16 * gib}}},
		{"aws", "x86_64", "compute", false, []size{{"c6i.large", 2, 4 * gib}, {"c6i.xlarge", 4, 8 * gib}, {"c6i.2xlarge", 8, 16 * gib}}},
		{"aws", "x86_64", "memory", false, []size{{"r6i.large", 2, 16 * gib}, {"r6i.xlarge", 4, 32 * gib}}},
		{"azure", "x86_64", "general", true, []size{{"Standard_B2s_v2", 2, 8 * gib}, {"Standard_B4s_v2", 4, 16 * gib}}},
		{"azure", "x86_64", "general", false, []size{{"Standard_D2s_v5", 2, 8 * gib}, {"Standard_D4s_v5", 4, 16 * gib}, {"Standard_D8s_v5", 8, 32 * gib}}},
		{"azure", "x86_64", "compute", false, []size{{"Standard_F2als_v6", 2, 4 * gib}, {"Standard_F4als_v6", 4, 8 * gib}, {"Standard_F8als_v6", 8, 16 * gib}}},
		{"azure", "x86_64", "memory", false, []size{{"Standard_E2s_v5", 2, 16 * gib}, {"Standard_E4s_v5", 4, 32 * gib}}},
		{"gcp", "x86_64", "general", true, []size{{"e2-medium", 2, 4 * gib}, {"e2-standard-2", 2, 8 * gib}, {"e2-standard-4", 4, 16 * gib}}},
		{"gcp", "x86_64", "general", false, []size{{"n2-standard-2", 2, 8 * gib}, {"n2-standard-4", 4, 16 * gib}, {"n2-standard-8", 8, 32 * gib}}},
		{"gcp", "x86_64", "compute", false, []size{{"n2-highcpu-2", 2, 2 * gib}, {"n2-highcpu-4", 4, 4 * gib}, {"n2-highcpu-8", 8, 8 * gib}}},
		{"gcp", "x86_64", "memory", false, []size{{"n2-highmem-2", 2, 16 * gib}, {"n2-highmem-4", 4, 32 * gib}}},
	}
}

// regions returns a provider's regions with the zones used in each.
func regions(provider string) (names []string, zone func(region string, n int) string) {
	letters := func(separator, first string) func(string, int) string {
		return func(region string, n int) string { return region + separator + string(first[0]+byte(n)) }
	}
	switch provider {
	case "aws":
		return []string{"us-east-1", "eu-west-1", "ap-south-1"}, letters("", "a")
	case "azure":
		return []string{"eastus", "westeurope", "centralindia"}, letters("-", "1")
	}
	return []string{"us-central1", "europe-west1", "asia-south1"}, letters("-", "a")
}

// diskType is the provider's usual type of block device.
func diskType(provider string) string {
	switch provider {
	case "aws":
		return "gp3"
	case "azure":
		return "Premium_LRS"
	}
	return "pd-balanced"
}

// departments and their cost centres.
func departments() (names, centres []string, weights []int) {
	return []string{"engineering", "data", "finance", "marketing", "operations", "research"},
		[]string{"cc-101", "cc-102", "cc-103", "cc-104", "cc-105", "cc-106"},
		[]int{30, 20, 12, 12, 16, 10}
}

// environments of a kind and their weights.
func environments(k Kind) (names []string, weights []int) {
	names = []string{"prod", "staging", "dev", "test"}
	switch k {
	case KindIdle:
		return names, []int{30, 25, 30, 15}
	case KindOffice, KindBursty:
		return names, []int{40, 10, 40, 10}
	}
	return names, []int{70, 12, 12, 6}
}

// roles of a kind; a role begins the host's name.
func roles(k Kind) []string {
	switch k {
	case KindIdle:
		return []string{"util", "jump", "legacy", "app", "web"}
	case KindOffice:
		return []string{"desktop", "erp", "intranet"}
	case KindBatch:
		return []string{"etl", "report", "backup"}
	case KindBusy:
		return []string{"compute", "search", "db"}
	case KindGrowing:
		return []string{"db", "index"}
	case KindBursty:
		return []string{"ci", "build"}
	case KindLeaking:
		return []string{"app", "cache"}
	}
	return []string{"web", "api"}
}

// account and tagSimulated label every host.
const (
	account      = "simulated"
	tagSimulated = "simulated"
)

func (s size) capacity() fleet.Capacity {
	return fleet.Capacity{VCPUs: float64(s.vcpus), MemoryBytes: s.memory << 20}
}

// seen is the memory in MiB that the host itself sees: firmware and kernel keep
// some of the nominal memory.
func (s size) seen() int64 { return s.memory - s.memory/64 - 40 }
