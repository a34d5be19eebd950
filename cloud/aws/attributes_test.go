package aws

import (
	"math"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/leanfleet/leanfleet/pricing"
)

func TestMemoryOf(t *testing.T) {
	f := func(s string, want int64) {
		t.Helper()
		if got := memoryOf(s); got != want {
			t.Errorf("%q: %d, want %d", s, got, want)
		}
	}
	f("8 GiB", 8<<30)
	f("0.5 GiB", 1<<29)
	f("1,952 GiB", 1952<<30)
	f("24,576 GiB", 24576<<30)
	f(" 3.75 GiB ", 15<<28)
	for _, s := range []string{"", "NA", "GiB", "8", "8 GB", "-1 GiB", "NaN GiB", "Inf GiB", "1e99 GiB"} {
		f(s, 0)
	}
}

func TestNetworkOf(t *testing.T) {
	f := func(s string, want float64) {
		t.Helper()
		if got := networkOf(s); got != want {
			t.Errorf("%q: %g, want %g", s, got, want)
		}
	}
	f("10 Gigabit", 10)
	f("25 Gigabit", 25)
	f("12.5 Gigabit", 12.5)
	f("50000 Megabit", 50)
	for _, s := range []string{"", "Up to 10 Gigabit", "High", "Very Low", "NA", "4x 100 Gigabit", "-5 Gigabit", "NaN Gigabit"} {
		f(s, 0)
	}
}

func TestThroughputOf(t *testing.T) {
	for s, want := range map[string]float64{
		"4750 Mbps": 593.75e6, "13,570 Mbps": 1696.25e6, "80 Gbps": 10e9, "Up to 4750 Mbps": 0, "NA": 0, "": 0, "-1 Mbps": 0, "NaN Mbps": 0, "5 MiB": 0, "5": 0,
	} {
		if got := throughputOf(s); got != want {
			t.Errorf("%q: %v, want %v", s, got, want)
		}
	}
}

func TestDiskOf(t *testing.T) {
	f := func(s string, gb float64, present, ok bool) {
		t.Helper()
		d, got := diskOf(s)
		if got != ok || d.Present != present || math.Abs(d.GiB-gb*1e9/(1<<30)) > 1e-9 {
			t.Errorf("%q: %+v, %v", s, d, got)
		}
	}
	f("EBS only", 0, false, true)
	f("EBS Only", 0, false, true)
	f("1 x 75 NVMe SSD", 75, true, true)
	f("2 x 900 NVMe SSD", 1800, true, true)
	f("1 x 300 NVMe SSD", 300, true, true)
	f("24 x 2,000 HDD", 48000, true, true)
	f("1 x 1.9 NVMe SSD", 1900, true, true)
	f("8 x 1.9 NVMe SSD", 15200, true, true)
	f("1 x 0.475 NVMe SSD", 475, true, true)
	f("1 x 937.5 NVMe SSD", 937.5, true, true)
	f("1 x 4 SSD", 4, true, true)
	f("1 x 1 TB NVMe SSD", 1000, true, true)
	f("2 x 900 GB NVMe SSD", 1800, true, true)
	f("150 GB NVMe SSD", 150, true, true)
	for _, s := range []string{"", "NA", "many", "0 x 5", "1 x", "x", "1 x -5 SSD", "900 SSD", "99999 x 5", "1 x 99999999"} {
		f(s, 0, false, false)
	}
}

func TestArchOf(t *testing.T) {
	for processor, want := range map[string]string{
		"AWS Graviton2 Processor": "arm64", "AWS Graviton": "arm64", "Apple M1": "arm64", "Intel Xeon Platinum 8175": "x86_64",
		"AMD EPYC 7571": "x86_64", "High Frequency Intel Xeon E7-8880 v3 (Haswell)": "x86_64", "Something new": "",
	} {
		if got := archOf(processor, "64-bit"); got != want {
			t.Errorf("%s: %q, want %q", processor, got, want)
		}
	}
	if got := archOf("Variable", "32-bit or 64-bit"); got != "x86_64" {
		t.Errorf("Variable: %q", got)
	}
}

// TestSpecification reads the specifications of types from the price list.
func TestSpecification(t *testing.T) {
	spec := func(typ string, attributes ...string) pricing.Specification {
		r := instance("S", typ, "Linux", "RunInstances", "1").with("S", attributes...)
		var p product
		if _, err := head(r.document(), &p); err != nil {
			t.Fatal(err)
		}
		return p.specification()
	}
	known := func(v string) pricing.Fact[string] { return pricing.Known(v, sourceAttributes) }
	m5 := spec("m5.large")
	if m5.Provider != "aws" || m5.InstanceType != "m5.large" || m5.Family != known("m5") || m5.Purpose != known("general") || m5.VCPUs != pricing.Known(2, sourceAttributes) ||
		m5.MemoryBytes != pricing.Known[int64](8<<30, sourceAttributes) || m5.Arch != known("x86_64") || m5.LocalDisk != pricing.Known(pricing.LocalDisk{}, sourceAttributes) || m5.GPUs != pricing.Known(0.0, sourceAttributes) {
		t.Errorf("%+v", m5)
	}
	if m5.Status.Known || m5.NetworkGbps.Known || m5.Hypervisor.Known || m5.Accelerator.Known || m5.CPUKind.Known {
		t.Errorf("what the list does not tell is known: %+v", m5)
	}
	old := spec("m1.small", "currentGeneration", "No", "networkPerformance", "Low", "memory", "1.7 GiB", "vcpu", "NA", "storage", "1 x 160", "instanceFamily", "Odd")
	if old.Status != known("previous") || old.VCPUs.Known || !old.LocalDisk.Value.Present || old.Purpose.Known || old.GPUs.Known {
		t.Errorf("%+v", old)
	}
	if m5.DiskBytesPerSecond.Known {
		t.Errorf("a list without it tells the limit of block storage: %+v", m5.DiskBytesPerSecond)
	}
	if burst := spec("m5.large", "dedicatedEbsThroughput", "Up to 4750 Mbps"); burst.DiskBytesPerSecond.Known {
		t.Errorf("a burst is a baseline: %+v", burst.DiskBytesPerSecond)
	}
	// 9500 Mbit/s are 1187.5 MB/s.
	if full := spec("m5.12xlarge", "dedicatedEbsThroughput", "9500 Mbps"); full.DiskBytesPerSecond != pricing.Known(1187.5e6, sourceAttributes) || full.DiskIOPS.Known {
		t.Errorf("%+v", full)
	}
	gpu := spec("p5.48xlarge", "instanceFamily", "GPU instance", "gpu", "8", "networkPerformance", "3200 Gigabit", "vcpu", "192")
	if gpu.GPUs != pricing.Known(8.0, sourceAttributes) || gpu.Purpose != known("accelerator") || gpu.NetworkGbps != pricing.Known(3200.0, sourceAttributes) || gpu.NetworkKind != pricing.NetworkBaseline {
		t.Errorf("%+v", gpu)
	}
	for group, want := range map[string]string{"Compute optimized": "compute", "Memory optimized": "memory", "Storage optimized": "storage", "FPGA Instances": "accelerator", "High Performance Computing": "hpc"} {
		if got := spec("x.large", "instanceFamily", group); got.Purpose != known(want) {
			t.Errorf("%s: %+v", group, got.Purpose)
		}
	}
}

// TestSpecificationOf reads what EC2 describes.
func TestSpecificationOf(t *testing.T) {
	no, yes := sdk.Bool(false), sdk.Bool(true)
	t2 := specificationOf(&types.InstanceTypeInfo{InstanceType: "t2.micro", BurstablePerformanceSupported: yes, CurrentGeneration: no, Hypervisor: "xen",
		ProcessorInfo: &types.ProcessorInfo{SupportedArchitectures: []types.ArchitectureType{"i386", "x86_64"}}, EbsInfo: &types.EbsInfo{NvmeSupport: "unsupported"}})
	if t2.CPUKind != told(pricing.CPUBurstable) || t2.Hypervisor != told(pricing.HypervisorXen) || t2.DiskInterface != told(pricing.DiskSCSI) || t2.Arch != told("x86_64") || t2.Status != told("previous") {
		t.Errorf("%+v", t2)
	}
	flex := specificationOf(&types.InstanceTypeInfo{InstanceType: "m7i-flex.large", BurstablePerformanceSupported: no, EbsInfo: &types.EbsInfo{NvmeSupport: "supported"}})
	if flex.CPUKind != told(pricing.CPUShared) || flex.DiskInterface != told(pricing.DiskBoth) || flex.Family != told("m7i-flex") {
		t.Errorf("%+v", flex)
	}
	g5g := specificationOf(&types.InstanceTypeInfo{InstanceType: "g5g.metal", BareMetal: yes, InstanceStorageInfo: &types.InstanceStorageInfo{TotalSizeInGB: sdk.Int64(75)},
		ProcessorInfo: &types.ProcessorInfo{SupportedArchitectures: []types.ArchitectureType{"arm64"}},
		GpuInfo: &types.GpuInfo{Gpus: []types.GpuDeviceInfo{
			{Count: sdk.Int32(2), Manufacturer: sdk.String("NVIDIA"), Name: sdk.String("T4g")}, {Count: sdk.Int32(0), LogicalGpuCount: sdk.Int32(1), GpuPartitionSize: sdk.Float64(0.125), Manufacturer: sdk.String("NVIDIA"), Name: sdk.String("L4")}}},
		NetworkInfo: &types.NetworkInfo{NetworkCards: []types.NetworkCardInfo{{BaselineBandwidthInGbps: sdk.Float64(25)}, {BaselineBandwidthInGbps: sdk.Float64(25)}}}})
	if g5g.GPUs != told(2.125) || g5g.Accelerator != told("NVIDIA T4g, NVIDIA L4") || g5g.Arch != told("arm64") || g5g.Hypervisor != told(pricing.HypervisorMetal) || g5g.NetworkGbps != told(50.0) || math.Abs(g5g.LocalDisk.Value.GiB-69.849) > 0.001 {
		t.Errorf("%+v", g5g)
	}
	m5 := specificationOf(&types.InstanceTypeInfo{InstanceType: "m5.large", EbsInfo: &types.EbsInfo{NvmeSupport: "required", EbsOptimizedInfo: &types.EbsOptimizedInfo{
		BaselineThroughputInMBps: sdk.Float64(81.25), BaselineIops: sdk.Int32(3600), MaximumThroughputInMBps: sdk.Float64(593.75), MaximumIops: sdk.Int32(18750)}},
		NetworkInfo: &types.NetworkInfo{NetworkCards: []types.NetworkCardInfo{{BaselineBandwidthInGbps: sdk.Float64(0.75), PeakBandwidthInGbps: sdk.Float64(10)}}}})
	if m5.DiskBytesPerSecond != told(81.25e6) || m5.DiskIOPS != told(3600.0) || m5.NetworkBaselineGbps != told(0.75) || m5.NetworkGbps != told(0.75) || m5.NetworkKind != pricing.NetworkBaseline {
		t.Errorf("%+v", m5)
	}
	if t2.DiskBytesPerSecond.Known || t2.DiskIOPS.Known || t2.NetworkBaselineGbps.Known {
		t.Errorf("what EC2 does not tell is known: %+v", t2)
	}
	inf := specificationOf(&types.InstanceTypeInfo{InstanceType: "inf2.xlarge", NeuronInfo: &types.NeuronInfo{}, NetworkInfo: &types.NetworkInfo{NetworkCards: []types.NetworkCardInfo{{}}}})
	if inf.GPUs.Known || inf.NetworkGbps.Known || inf.CPUKind.Known {
		t.Errorf("%+v", inf)
	}
}
