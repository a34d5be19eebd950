package gcp

import (
	"encoding/json"
	"fmt"
	"testing"

	"google.golang.org/api/cloudbilling/v1"
	"google.golang.org/api/compute/v1"

	"github.com/leanfleet/leanfleet/pricing"
)

func TestDescribe(t *testing.T) {
	for _, c := range []struct{ description, usage, want string }{
		{"N1 Predefined Instance Core running in Americas", "OnDemand", "core n1 on_demand"},
		{"N1 Predefined Instance Ram running in Zurich", "OnDemand", "ram n1 on_demand"},
		{"N2 Instance Core running in Americas", "", "core n2 on_demand"},
		{"N2 Instance RAM running in Northern Virginia", "OnDemand", "ram n2 on_demand"},
		{"N2D AMD Instance Ram running in APAC", "OnDemand", "ram n2d on_demand"},
		{"T2A Arm Instance Core running in Iowa", "OnDemand", "core t2a on_demand"},
		{"C4A Arm Instance Ram running in Iowa", "OnDemand", "ram c4a on_demand"},
		{"Compute optimized Core running in Americas", "OnDemand", "core c2 on_demand"},
		{"Compute optimized Instance Core running in Madrid", "OnDemand", "core c2 on_demand"},
		{"Memory-optimized Instance Core running in Americas", "OnDemand", "core m1 on_demand"},
		{"M3 Memory-optimized Instance Ram running in Iowa", "OnDemand", "ram m3 on_demand"},
		{"M4Ultramem224 Instance Core running in Iowa", "OnDemand", "core m4-ultramem-224 on_demand"},
		{"M4 Instance Core running in Iowa", "OnDemand", "core m4 on_demand"},
		{"Memory Optimized Upgrade Premium for Memory-optimized Instance Core running in Americas", "OnDemand", "core m2 premium on_demand"},
		{"Spot Preemptible N2 Instance Core running in Americas", "Preemptible", "core n2 spot"},
		{"Preemptible N1 Predefined Instance Ram running in Americas", "Preemptible", "ram n1 spot"},
		{"N2 Instance Ram running in Americas", "Preemptible", "ram n2 spot"},
		{"Custom Instance Core running in Americas", "OnDemand", "core n1 custom on_demand"},
		{"Custom Extended Instance Ram running in Los Angeles", "OnDemand", "extended n1 custom on_demand"},
		{"N2 Custom Instance Core running in Americas", "OnDemand", "core n2 custom on_demand"},
		{"N2D AMD Custom Extended Instance Ram running in Americas", "OnDemand", "extended n2d custom on_demand"},
		{"Custom E2 Instance Core running in Americas", "OnDemand", "core e2 custom on_demand"},
		{"Commitment v1: Cpu in Americas for 1 Year", "Commit1Yr", "core n1 committed_use 1"},
		{"Commitment v1: Ram in Americas for 3 Year", "Commit3Yr", "ram n1 committed_use 3"},
		{"Commitment v1: N2D AMD Cpu in Americas for 1 Year", "Commit1Yr", "core n2d committed_use 1"},
		{"Commitment v1: C4A Arm Ram in Iowa for 3 Years", "Commit3Yr", "ram c4a committed_use 3"},
		{"Commitment: Compute optimized Core in Americas for 1 Year", "Commit1Yr", "core c2 committed_use 1"},
		{"Commitment v1: Memory-optimized Cpu in Frankfurt for 3 Year", "", "core m1 committed_use 3"},
		{"Commitment v1: Local SSD In Iowa for 1 Year", "Commit1Yr", "ssd committed_use 1"},
		{"Commitment v1: C4 Local SSD in Iowa for 3 Years", "Commit3Yr", "ssd c4 committed_use 3"},
		{"Commitment v1: Nvidia Tesla A100 GPU running in Americas for 1 Year", "Commit1Yr", "gpu a100 committed_use 1"},
		{"Commitment v1: Nvidia Tesla A100 80GB GPU in Americas for 1 Year", "Commit1Yr", "gpu a100-80gb committed_use 1"},
		{"Nvidia L4 GPU attached to Spot Preemptible VMs running in Iowa", "Preemptible", "gpu l4 spot"},
		{"Nvidia L4 GPU running in Iowa", "OnDemand", "gpu l4 on_demand"},
		{"SSD backed Local Storage", "OnDemand", "ssd on_demand"},
		{"SSD backed Local Storage in Paris", "OnDemand", "ssd on_demand"},
		{"SSD backed Local Storage attached to Spot Preemptible VMs in Paris", "OnDemand", "ssd spot"},
		{"Spot Preemptible C4D Instance Local SSD running in Frankfurt", "Preemptible", "ssd c4d spot"},
		{"Spot Preemptible Small Instance with 1 VCPU running in Americas", "Preemptible", "machine g1-small spot"},
		{"Hyperdisk Throughput Capacity in Iowa", "OnDemand", "disk hyperdisk-throughput on_demand"},
		{"Static Ip Charge in Japan", "OnDemand", "idle on_demand"},
		{"External IP Charge on a Standard VM", "OnDemand", "in-use on_demand"},
		{"Licensing Fee for SUSE Linux Enterprise Server 15 on f1-micro", "OnDemand", "licence suse {version:15 machine:f1-micro from:0 to:0 perVCPU:false other:false} on_demand"},
		{"Licensing Fee for Windows Server 2012 R2 Datacenter Edition (CPU cost)", "OnDemand", "licence windows {version:2012 r2 machine: from:0 to:0 perVCPU:true other:false} on_demand"},
		{"Licensing Fee for Red Hat Enterprise Linux 9 on VM with 9 to 127 VCPU", "", "licence rhel {version:9 machine: from:9 to:127 perVCPU:true other:false} on_demand"},
		{"Licensing Fee for Red Hat Enterprise Linux 8 (RAM cost)", "OnDemand", "licence rhel {version:8 machine: from:0 to:0 perVCPU:true other:true} on_demand"},
		{"Licensing Fee for SLES 15 For SAP License on VM with 6 or more VCPU", "OnDemand", "licence suse_sap {version:15 machine: from:6 to:0 perVCPU:false other:false} on_demand"},

		{"N2 Sole Tenancy Instance Core running in Americas", "OnDemand", skipTenancy},
		{"Reserved A2 Instance Core in Americas", "OnDemand", skipReserved},
		{"DWS Calendar Mode A3 Core running in Iowa", "OnDemand", skipReserved},
		{"Nvidia Tesla T4 GPU running in Americas", "OnDemand", skipGPU},
		{"Commitment v1: Cpu in Americas for 1 Year", "Commit3Yr", skipUsage},
		{"Commitment v1: Cpu in Americas for 1 Year", "OnDemand", skipUsage},
		{"Committed Use Discount Premium for E2 Custom Instance Core running in Johannesburg", "CmtCudPremium", skipUsage},
		{"Committed Use Discount Premium for E2 Custom Instance Core running in Johannesburg", "OnDemand", skipUnknown},
		{"N2 Instance Core running in Americas", "CmtCudPremium", skipUsage},
		{"Spot Preemptible N2 Instance Core running in Americas", "OnDemand", skipUnknown},
		{"Commitment v1: Memory Optimized Upgrade Premium for Memory-optimized Instance Cpu in Americas for 1 Year", "Commit1Yr", skipUnknown},
		{"Commitment v1: N2 Custom Cpu in Americas for 1 Year", "Commit1Yr", skipUnknown},
		{"Commitment v1: N2 Cpu in Americas for 5 Years", "", skipUnknown},
		{"Commitment v1: Dollar based for 1 Year", "Commit1Yr", skipUnknown},
		{"N2 Confidential Instance Core running in Americas", "OnDemand", skipUnknown},
		{"N2 E2 Instance Core running in Americas", "OnDemand", skipUnknown},
		{"N2 Compute optimized Core running in Americas", "OnDemand", skipUnknown},
		{"N2 Memory-optimized Core running in Americas", "OnDemand", skipUnknown},
		{"N2 Extended Instance Ram running in Americas", "OnDemand", skipUnknown},
		{"N2 Custom Extended Instance Core running in Americas", "OnDemand", skipUnknown},
		{"Instance Core running in Americas", "OnDemand", skipUnknown},
		{"Core", "OnDemand", skipUnknown},
		{"Licensing Fee for SUSE Linux Enterprise Server 15 on VM with 9 to 8 VCPU", "OnDemand", skipLicence},
		{"Licensing Fee for SQL Server 2016 Standard on VM with 18 VCPU", "OnDemand", skipLicence},
		{"Licensing Fee for SUSE Linux Enterprise Server 15 on f1-micro", "Commit1Yr", skipUsage},
		{"Hyperdisk Balanced IOPS in Iowa", "OnDemand", skipUnknown},
		{"VM state: preserved local SSD in Iowa", "OnDemand", skipUnknown},
		{"", "", skipUnknown},
	} {
		k, reason := describe(c.description, c.usage)
		got := reason
		if reason == "" {
			got = key2string(k)
		}
		if got != c.want {
			t.Errorf("%q (%s): %s, want %s", c.description, c.usage, got, c.want)
		}
	}
}

func key2string(k rateKey) string {
	s := [...]string{"core", "ram", "extended", "machine", "gpu", "ssd", "disk", "idle", "in-use", "licence"}[k.part]
	if k.name != "" {
		s += " " + k.name
	}
	if k.part == partLicence {
		s += fmt.Sprintf(" %+v", k.licence)
	}
	if k.custom {
		s += " custom"
	}
	if k.premium {
		s += " premium"
	}
	s += " " + string(k.purchase)
	if k.years > 0 {
		s += fmt.Sprint(" ", k.years)
	}
	return s
}

// FuzzDescribe reads any description: known ones are whole.
func FuzzDescribe(f *testing.F) {
	f.Add("Spot Preemptible N2D AMD Custom Extended Instance Ram running in Americas", "Preemptible")
	f.Add("Commitment v1: C4A Arm Ram in Iowa for 3 Years", "Commit3Yr")
	f.Add("Licensing Fee for Red Hat Enterprise Linux 9 on VM with 9 to 127 VCPU", "OnDemand")
	f.Add("Nvidia Tesla A100 80GB GPU attached to Spot Preemptible VMs running in Iowa", "")
	f.Fuzz(func(t *testing.T, description, usage string) {
		k, reason := describe(description, usage)
		if reason != "" {
			return
		}
		if k.purchase.Committed() != (k.years > 0) {
			t.Errorf("%q: %+v", description, k)
		}
		if nameless := k.part == partIdle || k.part == partInUse || k.part == partLocalSSD; k.name == "" && !nameless {
			t.Errorf("%q: %+v", description, k)
		}
	})
}

// FuzzPage decodes any bytes as a page of SKUs and makes items of it: no panic,
// and no price that is not above zero.
func FuzzPage(f *testing.F) {
	for _, skus := range [][]m{n1(), append(n1(), fees()[:4]...), {sku("Storage PD Capacity", "GiBy.mo", 0, tiers("GiBy.mo", tier(0, 0), tier(30, 40_000_000)))}} {
		b, err := json.Marshal(m{"skus": skus})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`{"skus":[null,{"description":"N2 Instance Core","serviceRegions":["us-central1"],"pricingInfo":[null,{"pricingExpression":{"usageUnit":"h","tieredRates":[null,{"unitPrice":{"currencyCode":"USD","units":"9223372036854775807","nanos":-1}}]}}]}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var page cloudbilling.ListSkusResponse
		if json.Unmarshal(raw, &page) != nil {
			return
		}
		c := &catalog{regions: make(map[string]map[rateKey]rate)}
		for _, s := range page.Skus {
			if err := c.take(s, "USD", make(map[string]int)); err != nil {
				return
			}
		}
		c.everywhere()
		for region, rates := range c.regions {
			o := &composer{region: region, rates: rates, skipped: make(map[string]int)}
			put := func(i pricing.Item) bool {
				if i.Offer != nil && i.Offer.PerHour.Sign() <= 0 || i.Component != nil && (i.Component.PerVCPUHour.Sign() <= 0 || i.Component.PerGiBHour.Sign() <= 0) {
					t.Errorf("%+v", i)
				}
				return true
			}
			o.singles(put)
			o.components(put)
			o.machines(func(yield func(pricing.Specification) bool) {
				_ = yield(mt("n2-standard-2", 2, 8)) && yield(withSSD(x86("n1-standard-1", 1, 3.75), 375))
			}, put)
		}
	})
}

// FuzzMachineType reads any machine type.
func FuzzMachineType(f *testing.F) {
	f.Add([]byte(`{"name":"n1-standard-1","guestCpus":1,"memoryMb":3840,"bundledLocalSsds":{"partitionCount":9},"accelerators":[null]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var mt compute.MachineType
		if json.Unmarshal(raw, &mt) != nil {
			return
		}
		s := specification(&mt)
		if s.VCPUs.Value < 0 || s.MemoryBytes.Value < 0 || s.GPUs.Value < 0 || s.LocalDisk.Value.GiB < 0 {
			t.Errorf("%+v", s)
		}
		_, _ = machineOf(&s)
	})
}
