package pricing

import (
	"slices"
	"strings"

	"github.com/leanfleet/leanfleet/money"
)

// The rules below say what holds for whole families, where neither a list nor a
// provider's description of the type does. Each names its source; what no rule
// covers stays unknown.
const (
	ruleNitro       = "rule: families of the EC2 Nitro page (docs.aws.amazon.com/ec2/latest/instancetypes/ec2-nitro-instances.html)"
	ruleNVMe        = "rule: EBS is NVMe on Nitro (docs.aws.amazon.com/ebs/latest/userguide/nvme-ebs-volumes.html)"
	ruleCredits     = "rule: EC2 CPU credit table (docs.aws.amazon.com/AWSEC2/latest/UserGuide/burstable-credits-baseline-concepts.html)"
	ruleFlex        = "rule: flex sizes (aws.amazon.com/ec2/instance-types/flex)"
	ruleBSeries     = "rule: Azure B-series table (learn.microsoft.com/azure/virtual-machines/sizes-b-series-burstable)"
	ruleBSeries2    = "rule: Azure Bsv2, Basv2 and Bpsv2 tables (learn.microsoft.com/azure/virtual-machines/sizes/general-purpose/bpsv2-series)"
	ruleAzureNames  = "rule: Azure VM size naming (learn.microsoft.com/azure/virtual-machines/vm-naming-conventions)"
	ruleAzureTemp   = "rule: Azure sizes without local temporary disk (learn.microsoft.com/azure/virtual-machines/azure-vms-no-temp-disk)"
	ruleAzureNVMe   = "rule: Azure v6 sizes are NVMe (learn.microsoft.com/azure/virtual-machines/enable-nvme-faqs)"
	ruleAzureGen2   = "rule: Azure generation 2 VMs (learn.microsoft.com/azure/virtual-machines/generation-2)"
	ruleHyperdisk   = "rule: Compute Engine series that take Hyperdisk only (docs.cloud.google.com/compute/docs/disks/hyperdisks)"
	ruleGCPDisk     = "rule: Compute Engine disk interfaces (docs.cloud.google.com/compute/docs/disks/persistent-disks)"
	ruleSharedCore  = "rule: Compute Engine shared-core types (docs.cloud.google.com/compute/docs/general-purpose-machines)"
	ruleProviderVMM = "rule: the provider's hypervisor"
)

// xenFamilies are the AWS families on Xen; every other one is on Nitro.
var xenFamilies = []string{
	"c1", "c3", "c4", "cc1", "cc2", "cg1", "cr1", "d2", "f1", "g2", "g3", "g3s", "h1", "hi1", "hs1", "i2", "i3", "m1", "m2", "m3", "m4",
	"p2", "p3", "r3", "r4", "t1", "t2", "x1", "x1e",
}

// creditBaseline are the baselines of AWS burstable sizes in thousandths of
// each vCPU; the last column is that of t2.
var creditBaseline = map[string][2]int64{
	"nano": {50, 50}, "micro": {100, 100}, "small": {200, 200}, "medium": {200, 200}, "large": {300, 300}, "xlarge": {400, 225}, "2xlarge": {400, 170},
}

// bSeriesBaseline are the baselines of Azure's first B series in thousandths of
// each vCPU.
var bSeriesBaseline = map[string]int64{
	"B1ls": 50, "B1s": 100, "B1ms": 200, "B2s": 200, "B2ms": 300, "B4ms": 225, "B8ms": 170, "B12ms": 170, "B16ms": 170, "B20ms": 170,
}

// sharedBaseline are the shares of each vCPU that GCP's shared-core types have
// all the time, in thousandths.
var sharedBaseline = map[string]int64{"e2-micro": 125, "e2-small": 250, "e2-medium": 500, "f1-micro": 200, "g1-small": 500}

var (
	hyperdiskOnly  = []string{"c4", "c4a", "c4d", "n4", "n4a", "n4d"}
	persistentDisk = []string{"a2", "c2", "c2d", "c3", "c3d", "e2", "f1", "g1", "m1", "m2", "n1", "n2", "n2d", "t2a", "t2d"}
	gcpNVMe        = []string{"c3", "c3d", "c4", "c4a", "c4d", "n4", "n4a", "n4d", "t2a"}
	gcpSCSI        = []string{"e2", "f1", "g1", "n1", "n2", "n2d", "c2", "c2d", "t2d"}
)

func share(thousandths int64) money.Number { return money.FromScaled(thousandths, 3) }

// learn sets a fact that is not known yet.
func learn[T any](f *Fact[T], v T, source string) {
	if !f.Known {
		*f = Known(v, source)
	}
}

// applyRules returns the specification with what the rules add to it.
func applyRules(s Specification) Specification {
	switch s.Provider {
	case AWS:
		applyAWS(&s)
	case Azure:
		applyAzure(&s)
	case GCP:
		applyGCP(&s)
	}
	return s
}

func applyAWS(s *Specification) {
	family, size, ok := strings.Cut(s.InstanceType, ".")
	if !ok {
		return
	}
	xen := slices.Contains(xenFamilies, family)
	switch {
	case strings.HasPrefix(size, "metal"):
		learn(&s.Hypervisor, HypervisorMetal, ruleNitro)
		learn(&s.DiskInterface, DiskNVMe, ruleNVMe)
	case xen:
		learn(&s.Hypervisor, HypervisorXen, ruleNitro)
		learn(&s.DiskInterface, DiskSCSI, ruleNVMe)
	case s.Family.Known:
		learn(&s.Hypervisor, HypervisorNitro, ruleNitro)
		learn(&s.DiskInterface, DiskNVMe, ruleNVMe)
	}
	if b, ok := creditBaseline[size]; ok && slices.Contains([]string{"t2", "t3", "t3a", "t4g"}, family) {
		thousandths := b[0]
		if family == "t2" {
			thousandths = b[1]
		}
		learn(&s.BurstBaseline, share(thousandths), ruleCredits)
	}
	if strings.HasSuffix(family, "-flex") {
		learn(&s.BurstBaseline, share(400), ruleFlex)
		learn(&s.CPUKind, CPUShared, ruleFlex)
	}
}

// azureName is an Azure size read by its naming convention:
// Standard_D4ads_v5 is letters D, vCPUs 4, features ads, version 5.
type azureName struct {
	letters, features string
	version           int
}

func parseAzureName(name string) (azureName, bool) {
	rest, ok := strings.CutPrefix(name, "Standard_")
	if !ok {
		return azureName{}, false
	}
	var n azureName
	parts := strings.Split(rest, "_")
	head := parts[0]
	i := strings.IndexAny(head, "0123456789")
	if i <= 0 {
		return azureName{}, false
	}
	n.letters = head[:i]
	n.features = strings.ToLower(strings.TrimLeft(head[i:], "0123456789-"))
	n.version = 1
	if last := parts[len(parts)-1]; len(parts) > 1 && len(last) > 1 && last[0] == 'v' {
		n.version = 0
		for _, c := range last[1:] {
			if c < '0' || c > '9' || n.version > 99 {
				return azureName{}, false
			}
			n.version = 10*n.version + int(c-'0')
		}
	}
	return n, true
}

func applyAzure(s *Specification) {
	learn(&s.Hypervisor, HypervisorHyperV, ruleProviderVMM)
	if b, ok := bSeriesBaseline[strings.TrimPrefix(s.InstanceType, "Standard_")]; ok {
		learn(&s.BurstBaseline, share(b), ruleBSeries)
	}
	n, ok := parseAzureName(s.InstanceType)
	if !ok {
		return
	}
	if n.letters == "B" && n.version == 2 { // Bsv2, Basv2, Bpsv2: tiny, low memory, full
		b := int64(400)
		switch {
		case strings.Contains(n.features, "t"):
			b = 200
		case strings.Contains(n.features, "l"):
			b = 300
		}
		learn(&s.BurstBaseline, share(b), ruleBSeries2)
	}
	confidential := n.letters == "DC" || n.letters == "EC"
	learn(&s.Confidential, confidential, ruleAzureNames)
	usual := slices.Contains([]string{"A", "B", "D", "DS", "E", "F", "DC", "EC"}, n.letters)
	d, premium, arm := strings.Contains(n.features, "d"), strings.Contains(n.features, "s") || n.letters == "DS", strings.Contains(n.features, "p")
	if !usual {
		return
	}
	// The d decides from version 4 on; the AMD sizes of version 4 still have
	// the disk without saying so, and Bsv2 was the first B without.
	switch {
	case d, n.version <= 3 && n.letters != "B", n.letters == "B" && n.version == 1, n.version == 4 && strings.Contains(n.features, "a"):
		learn(&s.TemporaryDisk, true, ruleAzureTemp)
	case n.version >= 4, n.letters == "B":
		learn(&s.TemporaryDisk, false, ruleAzureTemp)
	}
	switch {
	case n.version >= 6:
		learn(&s.DiskInterface, DiskNVMe, ruleAzureNVMe)
		learn(&s.ImageGenerations, []string{"2"}, ruleAzureNVMe)
	case strings.Contains(n.features, "b") && n.version == 5:
		learn(&s.DiskInterface, DiskBoth, ruleAzureNVMe)
	default:
		learn(&s.DiskInterface, DiskSCSI, ruleAzureNVMe)
	}
	switch {
	case confidential, arm:
		learn(&s.ImageGenerations, []string{"2"}, ruleAzureGen2)
	case n.version <= 3 && !premium && n.letters != "B":
		learn(&s.ImageGenerations, []string{"1"}, ruleAzureGen2)
	default:
		learn(&s.ImageGenerations, []string{"1", "2"}, ruleAzureGen2)
	}
}

func applyGCP(s *Specification) {
	family := s.Family.Value
	metal := strings.HasSuffix(s.InstanceType, "-metal")
	if metal {
		learn(&s.Hypervisor, HypervisorMetal, ruleProviderVMM)
	} else {
		learn(&s.Hypervisor, HypervisorKVM, ruleProviderVMM)
	}
	switch {
	case slices.Contains(hyperdiskOnly, family) || metal:
		learn(&s.HyperdiskOnly, true, ruleHyperdisk)
	case slices.Contains(persistentDisk, family):
		learn(&s.HyperdiskOnly, false, ruleHyperdisk)
	}
	switch {
	case slices.Contains(gcpNVMe, family):
		learn(&s.DiskInterface, DiskNVMe, ruleGCPDisk)
	case slices.Contains(gcpSCSI, family):
		learn(&s.DiskInterface, DiskSCSI, ruleGCPDisk)
	}
	name := s.InstanceType
	if c, ok := parseCustom(name); ok && c.shared {
		name = "e2-" + strings.Split(name, "-")[2]
	}
	if b, ok := sharedBaseline[name]; ok {
		learn(&s.BurstBaseline, share(b), ruleSharedCore)
	}
}
