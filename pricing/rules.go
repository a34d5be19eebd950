package pricing

import (
	"slices"
	"strings"

	"github.com/leanfleet/leanfleet/money"
)

// The rules below say what holds for whole families, where neither a list nor a
// provider's description of the type does. Each names its source, and beside it
// stands what the source says; what no rule covers stays unknown.
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

// xenFamilies are the AWS families on Xen; every other one is on Nitro. AWS's
// own list, which is generated from EC2 and says the hypervisor of every type
// (github.com/aws/amazon-vpc-resource-controller-k8s, pkg/aws/vpc/limits.go of
// September 2026), has of these c1 c3 c4 d2 f1 h1 i2 i3 m1 m2 m3 m4 p3 r3 r4 t1
// t2 x1 x1e, 162 other families on Nitro, none on both, and .metal on neither.
// The rest was withdrawn before and stands in the table of virtualization types
// in the EC2 guide of 2018.
var xenFamilies = []string{
	"c1", "c3", "c4", "cc1", "cc2", "cg1", "cr1", "d2", "f1", "g2", "g3", "g3s", "h1", "hi1", "hs1", "i2", "i3", "m1", "m2", "m3", "m4",
	"p2", "p3", "r3", "r4", "t1", "t2", "x1", "x1e",
}

// creditBaseline are the baselines of AWS burstable sizes in thousandths of
// each vCPU; the last column is that of t2. The credit table lists them so for
// T2, T3, T3a and T4g, "baseline utilization per vCPU".
var creditBaseline = map[string][2]int64{
	"nano": {50, 50}, "micro": {100, 100}, "small": {200, 200}, "medium": {200, 200}, "large": {300, 300}, "xlarge": {400, 225}, "2xlarge": {400, 170},
}

// bSeriesBaseline are the baselines of Azure's first B series in thousandths of
// each vCPU: "base CPU perf of VM (%)" over the vCPUs. It has a temporary disk
// and takes images of both generations.
var bSeriesBaseline = map[string]int64{
	"B1ls": 50, "B1s": 100, "B1ms": 200, "B2s": 200, "B2ms": 300, "B4ms": 225, "B8ms": 170, "B12ms": 170, "B16ms": 170, "B20ms": 170,
}

// sharedBaseline are the shares of each vCPU that GCP's shared-core types have
// all the time, in thousandths: "e2-micro sustains 2 vCPUs, each for 12.5 % of
// CPU time", e2-small 25 %, e2-medium 50 %, f1-micro 0.2 and g1-small 0.5 of one.
var sharedBaseline = map[string]int64{"e2-micro": 125, "e2-small": 250, "e2-medium": 500, "f1-micro": 200, "g1-small": 500}

// Which series take which disks. C4, C4A, C4D, N4, N4A and N4D take no
// Persistent Disk ("[pd-balanced, c4-standard-16] features are not compatible"),
// C3 and C3D take both; of bare metal "C3 supports Hyperdisk only". Persistent
// Disk is NVMe on "Tau T2A and third-generation or later series" and SCSI
// before, except on Confidential VMs, which no name of a type tells. Of series
// in none of the lists, such as A3, H3, M3, M4, X4 and Z3, nothing is confirmed.
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
	s.learnBaseline()
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
	// Those alone of the others: "Mv2, Msv2, Mdsv2 medium memory and NDv2 do not
	// support generation 1".
	if n.letters == "M" && n.version == 2 || s.InstanceType == "Standard_ND40rs_v2" {
		learn(&s.ImageGenerations, []string{"2"}, ruleAzureGen2)
	}
	usual := slices.Contains([]string{"A", "B", "D", "DS", "E", "F", "DC", "EC"}, n.letters)
	d, premium, arm := strings.Contains(n.features, "d"), strings.Contains(n.features, "s") || n.letters == "DS", strings.Contains(n.features, "p")
	if !usual {
		return
	}
	// The d decides from version 4 on ("Dv4 and Dsv4 have no local disk, Ddv4 and
	// Ddsv4 have"); the AMD sizes of version 4 (Dav4, Dasv4, Eav4, Easv4) still
	// have the disk without saying so. Bsv2, Basv2 and Bpsv2 were the first B
	// without, DCsv3 the first DC: "temp storage: none; DCdsv3: local disk".
	first := 4
	switch n.letters {
	case "B":
		first = 2
	case "DC":
		first = 3
	}
	switch {
	case d, n.version < first, n.version == 4 && strings.Contains(n.features, "a"):
		learn(&s.TemporaryDisk, true, ruleAzureTemp)
	default:
		learn(&s.TemporaryDisk, false, ruleAzureTemp)
	}
	// "Da, Ea and Fa v6 and newer only support NVMe; D and E v5, Fv2 and older
	// run with SCSI; Ebsv5 and Ebdsv5 with both", and NVMe not on generation 1.
	// Of the confidential v6 sizes it does not speak.
	switch {
	case n.version >= 6 && confidential:
	case n.version >= 6:
		learn(&s.DiskInterface, DiskNVMe, ruleAzureNVMe)
		learn(&s.ImageGenerations, []string{"2"}, ruleAzureNVMe)
	case strings.Contains(n.features, "b") && n.version == 5:
		learn(&s.DiskInterface, DiskBoth, ruleAzureNVMe)
	default:
		learn(&s.DiskInterface, DiskSCSI, ruleAzureNVMe)
	}
	// "DC-series and Dpsv5, Bpsv2: generation 2 only; A, Av2, D, Dv2, Dv3, Ev3, F:
	// generation 1; B, DS, Dsv2, Dsv3, Esv3, Fs, Fsv2 and from version 4 on both".
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
