package gcp

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/api/compute/v1"

	"github.com/leanfleet/leanfleet/pricing"
)

// typeSource is what facts from the machine types name as their source.
const typeSource = "gcp machine types"

// partitionGiB is the size of a local SSD partition of the series whose
// partitions are known to have it; Z3 has others.
const partitionGiB = 375

var partitioned = []string{"a2", "c3", "c3d", "c4", "c4a", "c4d", "g2", "n1", "n2", "n2d"}

// machineTypes reads the machine types of all zones of a region, each once.
func (s *Source) machineTypes(ctx context.Context, region string) ([]pricing.Specification, error) {
	r := &reading{source: s, region: region, list: "machine types", skipped: make(map[string]int)}
	zones, err := call(ctx, r, func() ([]string, error) { return s.zones(ctx, region) })
	if err != nil {
		return nil, err
	}
	var specs []pricing.Specification
	seen := make(map[string]bool)
	for _, zone := range zones {
		tokens := make(map[string]bool)
		for token := ""; ; {
			page, err := call(ctx, r, func() (*compute.MachineTypeList, error) { return s.types(ctx, zone, token) })
			if err != nil {
				return specs, fmt.Errorf("zone %s: %w", zone, err)
			}
			r.pages++
			for _, t := range page.Items {
				r.rows++
				if t == nil || t.Name == "" || seen[t.Name] {
					continue
				}
				seen[t.Name] = true
				specs = append(specs, specification(t))
			}
			r.report(Progress{})
			token = page.NextPageToken
			if token == "" {
				break
			}
			if tokens[token] || len(tokens) >= maxPages {
				return specs, fmt.Errorf("zone %s: the tokens of the next page do not end", zone)
			}
			tokens[token] = true
		}
	}
	r.items = len(specs)
	r.report(Progress{Done: true})
	return specs, nil
}

// specification returns the facts of a machine type. What the API does not say
// stays unknown.
func specification(t *compute.MachineType) pricing.Specification {
	s := pricing.Specification{Provider: pricing.GCP, InstanceType: t.Name}
	family, _, _ := strings.Cut(t.Name, "-")
	s.Family = pricing.Known(family, typeSource)
	if t.GuestCpus > 0 && t.GuestCpus < 1<<16 {
		s.VCPUs = pricing.Known(int(t.GuestCpus), typeSource)
	}
	if t.MemoryMb > 0 && t.MemoryMb < 1<<36 {
		s.MemoryBytes = pricing.Known(t.MemoryMb<<20, typeSource)
	}
	switch t.Architecture {
	case "X86_64":
		s.Arch = pricing.Known("x86_64", typeSource)
	case "ARM64":
		s.Arch = pricing.Known("arm64", typeSource)
	}
	s.CPUKind = pricing.Known(pricing.CPUDedicated, typeSource)
	if t.IsSharedCpu {
		s.CPUKind = pricing.Known(pricing.CPUBurstable, typeSource)
	}
	if billed, ok := sharedCore[t.Name]; ok {
		s.BilledVCPUs = pricing.Known(billed, "rule: E2 shared-core types are billed as a part of a vCPU")
	}
	gpus := int64(0)
	for _, a := range t.Accelerators {
		if a != nil && a.GuestAcceleratorCount > 0 && a.GuestAcceleratorCount < 1024 {
			gpus += a.GuestAcceleratorCount
			s.Accelerator = pricing.Known(a.GuestAcceleratorType, typeSource)
		}
	}
	s.GPUs = pricing.Known(float64(gpus), typeSource)
	disk := pricing.LocalDisk{}
	if b := t.BundledLocalSsds; b != nil && b.PartitionCount > 0 && b.PartitionCount < 1024 {
		disk.Present = true
		for _, f := range partitioned {
			if f == family {
				disk.GiB = float64(b.PartitionCount * partitionGiB)
			}
		}
	}
	s.LocalDisk = pricing.Known(disk, typeSource)
	return s
}
