package pricing_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/leanfleet/leanfleet/advice"
	"github.com/leanfleet/leanfleet/pricing"
)

func shared(t testing.TB) pricing.Specification {
	s := spec("gcp", "e2-small", "e2", 2, 2)
	s.BilledVCPUs = pricing.Known(num(t, "0.5"), "list")
	s.BurstBaseline = pricing.Known(num(t, "0.25"), "rule")
	s.NetworkGbps, s.NetworkKind = pricing.Known(1.0, "list"), pricing.NetworkMaximum
	s.LocalDisk = pricing.Known(pricing.LocalDisk{Present: true}, "rule")
	s.Accelerator = pricing.Known("NVIDIA T4", "api")
	s.Confidential, s.HyperdiskOnly = pricing.Known(false, "api"), pricing.Known(true, "api")
	s.ImageGenerations, s.GenerationRank = pricing.Known([]string{"1", "2"}, "api"), pricing.Known(3, "list")
	s.SustainedUseDiscount = pricing.Known(num(t, "0"), "list")
	return s
}

func TestSpecificationJSONRoundTrip(t *testing.T) {
	for _, s := range []pricing.Specification{shared(t), spec("azure", "x", "y", 1, 1), {Provider: "aws", InstanceType: "z"}} {
		raw := asJSON(t, s)
		var back pricing.Specification
		if err := json.Unmarshal([]byte(raw), &back); err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		if again := asJSON(t, back); again != raw {
			t.Errorf("%s\n%s", raw, again)
		}
	}
	raw := asJSON(t, shared(t))
	for _, part := range []string{`"vcpus":2`, `"billed_vcpus":0.5`, `"local_disk":{"present":true,"gib":null}`, `"network_kind":"maximum"`, `"vcpus":"test"`, `"unknown":["disk_bytes_per_second","disk_iops","hypervisor","disk_interface"]`} {
		if !strings.Contains(raw, part) {
			t.Errorf("%s lacks %s", raw, part)
		}
	}
	for _, bad := range []string{`[]`, `{"vcpus":"two"}`, `{"vcpu":2}`, `{"provider":5}`, `{"local_disk":5}`} {
		var s pricing.Specification
		if err := json.Unmarshal([]byte(bad), &s); err == nil {
			t.Errorf("%s was read", bad)
		}
	}
}

func TestUnknownFactsAreThoseThatCanBeKnown(t *testing.T) {
	s := pricing.Specification{Provider: "aws", InstanceType: "m5.large"}
	got := s.Unknown()
	for _, name := range []string{"vcpus", "memory_bytes", "hypervisor", "network_gbps"} {
		if !slices.Contains(got, name) {
			t.Errorf("%v lacks %s", got, name)
		}
	}
	for _, name := range []string{"temporary_disk", "hyperdisk_only", "sustained_use_discount", "billed_vcpus"} {
		if slices.Contains(got, name) {
			t.Errorf("%v has %s", got, name)
		}
	}
}

func TestFactsComeFromTheBestLayer(t *testing.T) {
	base := testBase(t)
	b := newBook(t, pricing.Options{Base: base, Sheet: sheet(t, "s.yaml", "types: [{provider: aws, instance_type: m5.large, memory_gib: 9}]")})
	api := pricing.Specification{Provider: "aws", InstanceType: "m5.large", VCPUs: pricing.Known(3, "api"), MemoryBytes: pricing.Known(int64(1), "api")}
	before, _ := b.Specification("aws", "m5.large")
	add(t, b, live(at(t, "2025-01-01"), true), []pricing.Item{{Spec: &api}, {Spec: &pricing.Specification{Provider: "aws", InstanceType: "m5.large", Confidential: pricing.Known(true, "api 2")}}})
	s, ok := b.Specification("aws", "m5.large")
	if !ok || s.MemoryBytes.Value != 9<<30 || s.MemoryBytes.Source != "s.yaml:1" || s.VCPUs.Value != 3 || s.VCPUs.Source != "api" ||
		s.Arch.Source != "test" || s.Confidential.Source != "api 2" || !strings.HasPrefix(s.Hypervisor.Source, "rule: ") {
		t.Errorf("%s", asJSON(t, s))
	}
	if before.VCPUs.Value != 2 {
		t.Errorf("%s", asJSON(t, before))
	}
	// The same description again is nothing new.
	if a := add(t, b, live(at(t, "2025-02-01"), true), []pricing.Item{{Spec: &api}}); a.Changed != 1 { // confidential is no longer told
		t.Errorf("%+v", a)
	}
	if a := add(t, b, live(at(t, "2025-03-01"), true), []pricing.Item{{Spec: &api}}); a.Unchanged != 1 || a.Changed != 0 {
		t.Errorf("%+v", a)
	}
	if _, ok := b.Specification("aws", "nonsense"); ok {
		t.Error("nonsense is a type")
	}
}

func TestFamilyRules(t *testing.T) {
	rule := func(provider, typ, family string) pricing.Specification {
		s := pricing.Specification{Provider: provider, InstanceType: typ}
		if family != "" {
			s.Family = pricing.Known(family, "test")
		}
		return pricing.ApplyRules(s)
	}
	aws := func(typ, hypervisor, disk, baseline string) {
		t.Helper()
		s := rule("aws", typ, strings.Split(typ, ".")[0])
		got := ""
		if s.BurstBaseline.Known {
			got = s.BurstBaseline.Value.String()
		}
		if s.Hypervisor.Value != hypervisor || s.DiskInterface.Value != disk || got != baseline {
			t.Errorf("%s: %s %s %s", typ, s.Hypervisor.Value, s.DiskInterface.Value, got)
		}
	}
	aws("m4.large", "xen", "scsi", "")
	aws("t2.xlarge", "xen", "scsi", "0.225")
	aws("t3.nano", "nitro", "nvme", "0.05")
	aws("t4g.xlarge", "nitro", "nvme", "0.4")
	aws("m5.large", "nitro", "nvme", "")
	aws("i3.metal", "metal", "nvme", "")
	aws("p3dn.24xlarge", "nitro", "nvme", "")
	aws("m7i-flex.large", "nitro", "nvme", "0.4")
	if s := rule("aws", "q9.large", ""); s.Hypervisor.Known {
		t.Error("a family that nobody knows has a hypervisor")
	}
	if s := rule("aws", "nonsense", ""); s.Hypervisor.Known {
		t.Error("nonsense has a hypervisor")
	}
	azure := func(typ, temporary, disk, generations, baseline, confidential string) {
		t.Helper()
		s := rule("azure", typ, "")
		word := func(f pricing.Fact[bool]) string {
			return map[bool]map[bool]string{true: {true: "yes", false: "no"}, false: {false: "?"}}[f.Known][f.Value]
		}
		base := ""
		if s.BurstBaseline.Known {
			base = s.BurstBaseline.Value.String()
		}
		got := []string{word(s.TemporaryDisk), s.DiskInterface.Value, strings.Join(s.ImageGenerations.Value, ","), base, word(s.Confidential)}
		if want := []string{temporary, disk, generations, baseline, confidential}; !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", typ, got, want)
		}
	}
	azure("Standard_D2s_v3", "yes", "scsi", "1,2", "", "no")
	azure("Standard_D2_v3", "yes", "scsi", "1", "", "no")
	azure("Standard_DS2_v2", "yes", "scsi", "1,2", "", "no")
	azure("Standard_A1", "yes", "scsi", "1", "", "no")
	azure("Standard_D4as_v4", "yes", "scsi", "1,2", "", "no")
	azure("Standard_D4s_v4", "no", "scsi", "1,2", "", "no")
	azure("Standard_D4ds_v5", "yes", "scsi", "1,2", "", "no")
	azure("Standard_D4as_v5", "no", "scsi", "1,2", "", "no")
	azure("Standard_E4bds_v5", "yes", "both", "1,2", "", "no")
	azure("Standard_D4ps_v5", "no", "scsi", "2", "", "no")
	azure("Standard_D4ds_v6", "yes", "nvme", "2", "", "no")
	azure("Standard_E8-2ads_v5", "yes", "scsi", "1,2", "", "no")
	azure("Standard_DC4as_v5", "no", "scsi", "2", "", "yes")
	azure("Standard_B2ms", "yes", "scsi", "1,2", "0.3", "no")
	azure("Standard_B2ts_v2", "no", "scsi", "1,2", "0.2", "no")
	azure("Standard_B2als_v2", "no", "scsi", "1,2", "0.3", "no")
	azure("Standard_B4s_v2", "no", "scsi", "1,2", "0.4", "no")
	azure("Standard_NC6s_v3", "?", "", "", "", "no")
	azure("Basic_A1", "?", "", "", "", "?")
	azure("Standard_D2_vx", "?", "", "", "", "?")
	gcp := func(typ, family string, hyperdisk, disk, baseline string) {
		t.Helper()
		s := rule("gcp", typ, family)
		word := map[bool]map[bool]string{true: {true: "only", false: "no"}, false: {false: "?"}}[s.HyperdiskOnly.Known][s.HyperdiskOnly.Value]
		base := ""
		if s.BurstBaseline.Known {
			base = s.BurstBaseline.Value.String()
		}
		if word != hyperdisk || s.DiskInterface.Value != disk || base != baseline {
			t.Errorf("%s: %s %s %s", typ, word, s.DiskInterface.Value, base)
		}
	}
	gcp("n1-standard-1", "n1", "no", "scsi", "")
	gcp("c3-standard-4", "c3", "no", "nvme", "")
	gcp("c3-standard-192-metal", "c3", "only", "nvme", "")
	gcp("n4-standard-4", "n4", "only", "nvme", "")
	gcp("e2-micro", "e2", "no", "scsi", "0.125")
	gcp("f1-micro", "f1", "no", "scsi", "0.2")
	gcp("x9-standard-1", "x9", "?", "", "")
	if s := rule("onprem", "b", ""); len(s.Sources()) != 0 {
		t.Errorf("%v", s.Sources())
	}
}

func codes(checks []advice.Check) string {
	var out []string
	for _, c := range checks {
		out = append(out, string(c.Code))
		if c.Text == "" || c.From == "" || c.To == "" {
			return "incomplete: " + c.Text
		}
	}
	return strings.Join(out, " ")
}

func TestChecks(t *testing.T) {
	type change = func(s *pricing.Specification)
	f := func(name, provider string, from, to change, want string) {
		t.Helper()
		a, b := spec(provider, "from", "f", 2, 8), spec(provider, "to", "f", 2, 8)
		for _, s := range []*pricing.Specification{&a, &b} {
			s.Hypervisor, s.DiskInterface = pricing.Known("nitro", "t"), pricing.Known("nvme", "t")
			s.NetworkGbps, s.NetworkKind = pricing.Known(1.0, "t"), pricing.NetworkBaseline
			s.HyperdiskOnly, s.TemporaryDisk, s.ImageGenerations = pricing.Known(false, "t"), pricing.Known(false, "t"), pricing.Known([]string{"1", "2"}, "t")
		}
		from(&a)
		to(&b)
		if got := codes(pricing.Checks(&a, &b)); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	same := func(*pricing.Specification) {}
	f("nothing differs", "aws", same, same, "")
	f("arch", "aws", same, func(s *pricing.Specification) { s.Arch.Value = "arm64" }, "architecture")
	f("arch unknown", "aws", same, func(s *pricing.Specification) { s.Arch.Known = false }, "unknown")
	f("xen to nitro", "aws", func(s *pricing.Specification) { s.Hypervisor.Value, s.DiskInterface.Value = "xen", "scsi" }, same, "hypervisor disk_interface")
	f("nitro to xen", "aws", same, func(s *pricing.Specification) { s.Hypervisor.Value = "xen" }, "hypervisor")
	f("both takes either", "azure", func(s *pricing.Specification) { s.DiskInterface.Value = "both" }, same, "")
	f("scsi to nvme", "azure", func(s *pricing.Specification) { s.DiskInterface.Value = "scsi" }, same, "disk_interface")
	f("images of generation 1", "azure", same, func(s *pricing.Specification) { s.ImageGenerations.Value = []string{"2"} }, "image_generation")
	f("images unknown", "azure", same, func(s *pricing.Specification) { s.ImageGenerations.Known = false }, "unknown")
	f("temporary disk", "azure", func(s *pricing.Specification) { s.TemporaryDisk.Value = true }, same, "temporary_disk")
	f("temporary disk unknown", "azure", func(s *pricing.Specification) { s.TemporaryDisk.Known = false }, same, "unknown")
	f("hyperdisk", "gcp", same, func(s *pricing.Specification) { s.HyperdiskOnly.Value = true }, "disk_generation")
	f("hyperdisk unknown", "gcp", same, func(s *pricing.Specification) { s.HyperdiskOnly.Known = false }, "unknown")
	f("local disk gone", "aws", func(s *pricing.Specification) { s.LocalDisk.Value = pricing.LocalDisk{Present: true, GiB: 75} }, same, "local_disk")
	f("local disk smaller", "aws", func(s *pricing.Specification) { s.LocalDisk.Value = pricing.LocalDisk{Present: true, GiB: 75} },
		func(s *pricing.Specification) { s.LocalDisk.Value = pricing.LocalDisk{Present: true, GiB: 50} }, "local_disk")
	f("local disk larger, data lost", "aws", func(s *pricing.Specification) { s.LocalDisk.Value = pricing.LocalDisk{Present: true, GiB: 75} },
		func(s *pricing.Specification) { s.LocalDisk.Value = pricing.LocalDisk{Present: true, GiB: 90} }, "local_disk")
	f("local disk unknown", "aws", func(s *pricing.Specification) { s.LocalDisk.Known = false }, same, "unknown")
	f("gpu", "aws", func(s *pricing.Specification) { s.GPUs.Value = 1 }, same, "gpu")
	f("gpu model", "aws", func(s *pricing.Specification) { s.GPUs.Value, s.Accelerator = 1, pricing.Known("T4", "t") },
		func(s *pricing.Specification) { s.GPUs.Value, s.Accelerator = 1, pricing.Known("L4", "t") }, "gpu")
	f("other accelerators", "aws", func(s *pricing.Specification) { s.Purpose.Value = "accelerator" }, same, "unknown")
	f("burstable", "aws", same, func(s *pricing.Specification) { s.CPUKind.Value = "burstable" }, "burstable")
	f("lower baseline", "aws", func(s *pricing.Specification) {
		s.CPUKind.Value, s.BurstBaseline = "burstable", pricing.Known(num(t, "0.3"), "t")
	}, func(s *pricing.Specification) {
		s.CPUKind.Value, s.BurstBaseline = "burstable", pricing.Known(num(t, "0.2"), "t")
	}, "burstable")
	f("to dedicated", "aws", func(s *pricing.Specification) { s.CPUKind.Value = "burstable" }, same, "")
	f("less network", "aws", same, func(s *pricing.Specification) { s.NetworkGbps.Value = 0.5 }, "network")
	f("more network", "aws", same, func(s *pricing.Specification) { s.NetworkGbps.Value = 5 }, "")
	f("other figures of network", "aws", same, func(s *pricing.Specification) { s.NetworkKind = pricing.NetworkMaximum }, "network")
	f("network unknown", "aws", same, func(s *pricing.Specification) { s.NetworkGbps.Known = false }, "unknown")
	limits := func(bytes, ops float64) change {
		return func(s *pricing.Specification) {
			s.DiskBytesPerSecond, s.DiskIOPS = pricing.Known(bytes, "t"), pricing.Known(ops, "t")
		}
	}
	f("lower disk limits", "aws", limits(2e8, 5000), limits(1e8, 4000), "disk_throughput disk_throughput")
	f("fewer operations", "azure", limits(2e8, 5000), limits(2e8, 4000), "disk_throughput")
	f("higher disk limits", "aws", limits(1e8, 4000), limits(2e8, 5000), "")
	f("disk limits unknown", "aws", limits(1e8, 4000), same, "")
	baseline := func(gbps, steady float64) change {
		return func(s *pricing.Specification) {
			s.NetworkGbps, s.NetworkKind, s.NetworkBaselineGbps = pricing.Known(gbps, "t"), pricing.NetworkMaximum, pricing.Known(steady, "t")
		}
	}
	f("lower baseline of the network", "aws", baseline(10, 0.75), baseline(12.5, 0.5), "network")
	f("lower maximum of the network", "aws", baseline(12.5, 0.75), baseline(10, 0.75), "network")
	f("less of both once", "aws", baseline(12.5, 0.75), baseline(10, 0.5), "network")
	f("a baseline and a maximum beside its baseline", "aws", baseline(10, 1), func(s *pricing.Specification) {
		s.NetworkGbps, s.NetworkKind, s.NetworkBaselineGbps = pricing.Known(1.0, "t"), pricing.NetworkBaseline, pricing.Known(1.0, "t")
	}, "")
	accelerated := func(v bool) change {
		return func(s *pricing.Specification) { s.AcceleratedNetworking = pricing.Known(v, "t") }
	}
	f("accelerated networking lost", "azure", accelerated(true), accelerated(false), "network")
	f("accelerated networking gained", "azure", accelerated(false), accelerated(true), "")
	f("accelerated networking unknown", "azure", accelerated(true), same, "")
	f("confidential lost", "aws", func(s *pricing.Specification) { s.Confidential = pricing.Known(true, "t") },
		func(s *pricing.Specification) { s.Confidential = pricing.Known(false, "t") }, "confidential")
	f("confidential unknown", "aws", func(s *pricing.Specification) { s.Confidential = pricing.Known(true, "t") }, same, "unknown")
	f("ordinary on one side", "aws", func(s *pricing.Specification) { s.Confidential = pricing.Known(false, "t") }, same, "")
	f("smaller", "aws", same, func(s *pricing.Specification) { s.VCPUs.Value, s.MemoryBytes.Value = 1, 4<<30 }, "cpu memory")
	f("size unknown", "aws", same, func(s *pricing.Specification) { s.VCPUs.Known, s.MemoryBytes.Known = false, false }, "unknown unknown")
	f("another cloud", "aws", same, func(s *pricing.Specification) { s.Provider = "gcp" }, "provider")
	f("machines of one's own", "onprem", func(s *pricing.Specification) { s.Hypervisor.Known, s.DiskInterface.Known = false, false },
		func(s *pricing.Specification) { s.Hypervisor.Known, s.DiskInterface.Known = false, false }, "")
	s := spec("aws", "x", "f", 2, 8)
	if got := pricing.Checks(&s, &s); got != nil {
		t.Errorf("%v", got)
	}
}

// A network figure that is a baseline is the baseline, and that of a higher
// layer stands before one told apart beneath it.
func TestNetworkBaselineFollowsTheBestLayer(t *testing.T) {
	figure := func(gbps float64, kind string) pricing.Specification {
		return pricing.Specification{Provider: "aws", InstanceType: "m5.large", NetworkGbps: pricing.Known(gbps, "list"), NetworkKind: kind}
	}
	told := figure(10, pricing.NetworkMaximum)
	told.NetworkBaselineGbps = pricing.Known(0.75, "api")
	if s := figure(5, pricing.NetworkBaseline).Merge(told); s.NetworkBaselineGbps != pricing.Known(5.0, "list") || s.NetworkKind != pricing.NetworkBaseline {
		t.Errorf("%s", asJSON(t, s))
	}
	if s := figure(10, pricing.NetworkMaximum).Merge(told); s.NetworkBaselineGbps != pricing.Known(0.75, "api") {
		t.Errorf("%s", asJSON(t, s))
	}
	if s := pricing.ApplyRules(figure(10, pricing.NetworkMaximum)); s.NetworkBaselineGbps.Known {
		t.Errorf("a maximum is a baseline: %s", asJSON(t, s))
	}
	if s := pricing.ApplyRules(figure(10, pricing.NetworkBaseline)); s.NetworkBaselineGbps != pricing.Known(10.0, "list") {
		t.Errorf("%s", asJSON(t, s))
	}
}

// Limits of disks and network stay through JSON, and are unknown by name where
// a description of before lacks them.
func TestLimitsOfDisksAndNetwork(t *testing.T) {
	s := pricing.Specification{
		Provider: "azure", InstanceType: "Standard_D2s_v3", DiskBytesPerSecond: pricing.Known(48e6, "sku"), DiskIOPS: pricing.Known(3200.0, "sku"),
		AcceleratedNetworking: pricing.Known(true, "sku"),
	}
	raw := asJSON(t, s)
	for _, part := range []string{`"disk_bytes_per_second":48000000`, `"disk_iops":3200`, `"accelerated_networking":true`, `"disk_iops":"sku"`} {
		if !strings.Contains(raw, part) {
			t.Errorf("%s lacks %s", raw, part)
		}
	}
	var back pricing.Specification
	if err := json.Unmarshal([]byte(raw), &back); err != nil || back.DiskIOPS != s.DiskIOPS || back.AcceleratedNetworking != s.AcceleratedNetworking {
		t.Errorf("%v %s", err, asJSON(t, back))
	}
	if err := json.Unmarshal([]byte(`{"provider":"azure","instance_type":"x","vcpus":2,"sources":{"vcpus":"s"},"unknown":["arch"]}`), &back); err != nil {
		t.Fatal(err)
	}
	unknown := back.Unknown()
	for _, name := range []string{"disk_bytes_per_second", "disk_iops", "accelerated_networking"} {
		if !slices.Contains(unknown, name) {
			t.Errorf("%v lacks %s", unknown, name)
		}
	}
	if slices.Contains(unknown, "network_baseline_gbps") {
		t.Errorf("azure tells no baseline: %v", unknown)
	}
}
