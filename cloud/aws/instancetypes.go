package aws

import (
	"slices"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/leanfleet/leanfleet/pricing"
)

// specificationOf returns what EC2 tells of a type.
func specificationOf(t *types.InstanceTypeInfo) pricing.Specification {
	name := string(t.InstanceType)
	family, size, _ := strings.Cut(name, ".")
	s := pricing.Specification{Provider: pricing.AWS, InstanceType: name, Family: told(family)}
	if t.CurrentGeneration != nil && !*t.CurrentGeneration {
		s.Status = told("previous")
	}
	if v := t.VCpuInfo; v != nil && sdk.ToInt32(v.DefaultVCpus) > 0 {
		s.VCPUs = told(int(*v.DefaultVCpus))
	}
	if m := t.MemoryInfo; m != nil && sdk.ToInt64(m.SizeInMiB) > 0 {
		s.MemoryBytes = told(*m.SizeInMiB << 20)
	}
	switch {
	case sdk.ToBool(t.BurstablePerformanceSupported):
		s.CPUKind = told(pricing.CPUBurstable)
	case strings.HasSuffix(family, "-flex"):
		s.CPUKind = told(pricing.CPUShared)
	case t.BurstablePerformanceSupported != nil:
		s.CPUKind = told(pricing.CPUDedicated)
	}
	machine(&s, t, size)
	devices(&s, t)
	return s
}

func told[T any](v T) pricing.Fact[T] { return pricing.Known(v, sourceTypes) }

// machine sets the architecture, the hypervisor, the disk interface and the
// network.
func machine(s *pricing.Specification, t *types.InstanceTypeInfo, size string) {
	if p := t.ProcessorInfo; p != nil {
		has := func(any ...types.ArchitectureType) bool {
			return slices.ContainsFunc(any, func(a types.ArchitectureType) bool { return slices.Contains(p.SupportedArchitectures, a) })
		}
		switch {
		case has("x86_64", "x86_64_mac"):
			s.Arch = told("x86_64")
		case has("arm64", "arm64_mac"):
			s.Arch = told("arm64")
		}
	}
	switch {
	case sdk.ToBool(t.BareMetal), strings.HasPrefix(size, "metal"):
		s.Hypervisor = told(pricing.HypervisorMetal)
	case t.Hypervisor == types.InstanceTypeHypervisorNitro:
		s.Hypervisor = told(pricing.HypervisorNitro)
	case t.Hypervisor == types.InstanceTypeHypervisorXen:
		s.Hypervisor = told(pricing.HypervisorXen)
	}
	if e := t.EbsInfo; e != nil {
		switch e.NvmeSupport {
		case types.EbsNvmeSupportRequired:
			s.DiskInterface = told(pricing.DiskNVMe)
		case types.EbsNvmeSupportSupported:
			s.DiskInterface = told(pricing.DiskBoth)
		case types.EbsNvmeSupportUnsupported:
			s.DiskInterface = told(pricing.DiskSCSI)
		}
		storageLimits(s, e.EbsOptimizedInfo)
	}
	if n := t.NetworkInfo; n != nil {
		gbps := 0.0
		for _, c := range n.NetworkCards {
			if sdk.ToFloat64(c.BaselineBandwidthInGbps) <= 0 {
				return // the sum would be too low
			}
			gbps += *c.BaselineBandwidthInGbps
		}
		if gbps > 0 {
			s.NetworkGbps, s.NetworkKind = told(gbps), pricing.NetworkBaseline
			s.NetworkBaselineGbps = told(gbps)
		}
	}
}

// storageLimits sets what the type moves to and from block storage all the
// time; that the figures are a burst for smaller types stands in their maximum,
// which is left out.
func storageLimits(s *pricing.Specification, i *types.EbsOptimizedInfo) {
	if i == nil {
		return
	}
	if mb := sdk.ToFloat64(i.BaselineThroughputInMBps); mb > 0 {
		s.DiskBytesPerSecond = told(mb * 1e6)
	}
	if n := sdk.ToInt32(i.BaselineIops); n > 0 {
		s.DiskIOPS = told(float64(n))
	}
}

// devices sets the local disks and the accelerators.
func devices(s *pricing.Specification, t *types.InstanceTypeInfo) {
	switch d := t.InstanceStorageInfo; {
	case d != nil && sdk.ToInt64(d.TotalSizeInGB) > 0:
		s.LocalDisk = told(pricing.LocalDisk{Present: true, GiB: gibOf(float64(*d.TotalSizeInGB))})
	case t.InstanceStorageSupported != nil:
		s.LocalDisk = told(pricing.LocalDisk{Present: *t.InstanceStorageSupported})
	}
	if t.GpuInfo == nil {
		if t.InferenceAcceleratorInfo == nil && t.NeuronInfo == nil && t.FpgaInfo == nil && t.MediaAcceleratorInfo == nil {
			s.GPUs = told(0.0)
		}
		return
	}
	gpus := 0.0
	var models []string
	for _, g := range t.GpuInfo.Gpus {
		part := 1.0 // sizes with a part of a GPU say which
		if p := sdk.ToFloat64(g.GpuPartitionSize); p > 0 && p < 1 {
			part = p
		}
		count := sdk.ToInt32(g.Count)
		if count == 0 {
			count = sdk.ToInt32(g.LogicalGpuCount)
		}
		gpus += float64(count) * part
		model := strings.TrimSpace(sdk.ToString(g.Manufacturer) + " " + sdk.ToString(g.Name))
		if model != "" && !slices.Contains(models, model) {
			models = append(models, model)
		}
	}
	if gpus > 0 {
		s.GPUs = told(gpus)
	}
	if len(models) > 0 {
		s.Accelerator = told(strings.Join(models, ", "))
	}
}
