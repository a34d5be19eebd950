package gcp

import (
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/pricing"
)

// fee is a SKU of a licence: the same in all regions.
func fee(of string, nanos int64, change ...m) m {
	s := sku("Licensing Fee for "+of, "h", nanos, in("global"), m{"category": m{"resourceFamily": "License", "resourceGroup": "Google", "usageType": "OnDemand"}})
	for _, c := range change {
		maps.Copy(s, c)
	}
	return s
}

// fees are the SKUs of the licences as the list has them, with the hourly
// prices of 2026: Windows 0.046 a vCPU, RHEL 0.0144 a vCPU up to 8, SLES 0.11 a
// machine.
func fees() []m {
	return []m{
		fee("Windows Server 2019 Datacenter Edition (CPU cost)", 46_000_000),
		fee("Windows Server 2019 Datacenter Edition (RAM cost)", 0, tiers("GiBy.h", tier(0, 0))),
		fee("Windows Server 2019 Datacenter Edition on f1-micro", 20_000_000),
		fee("Windows Server 2019 Datacenter Edition on g1-small", 20_000_000),
		fee("Windows Server 2012 R2 Datacenter Edition (CPU cost)", 46_000_000),
		fee("Windows Server 2022 Datacenter Core Edition on VM", 46_000_000),
		fee("Windows Server 2025 Datacenter Edition on VM", 46_000_000),
		fee("Windows Server 2012 BYOL (CPU cost)", 0),
		fee("Red Hat Enterprise Linux 9 on VM with up to 8 VCPU", 14_400_000),
		fee("Red Hat Enterprise Linux 9 on VM with 9 to 127 VCPU", 10_800_000),
		fee("Red Hat Enterprise Linux 9 on VM with 128 VCPU or more", 9_600_000),
		fee("RedHat Enterprise Linux 8 on VM with 1 to 4 VCPU", 60_000_000),
		fee("RedHat Enterprise Linux 8 on VM with 6 or more VCPU", 130_000_000),
		fee("Red Hat Enterprise Linux 9 for SAP with High Availability and Update Services on VM with up to 8 VCPU", 22_500_000),
		fee("Red Hat Enterprise Linux 9 for SAP with High Availability and Update Services on VM with 128 or more VCPU", 15_000_000),
		fee("SUSE Linux Enterprise Server 15 (CPU cost)", 110_000_000),
		fee("SUSE Linux Enterprise Server 15 on f1-micro", 20_000_000),
		fee("SLES 15 For SAP License on VM with 1 to 3 VCPU", 170_000_000),
		fee("SLES 15 For SAP License on VM with 4 VCPU", 340_000_000),
		fee("SLES 15 For SAP License on VM with 6 or more VCPU", 410_000_000),
		fee("SQL Server 2016 Standard on VM with 18 VCPU", 1_800_000_000),
		sku("Commitment v1: SLES for SAP for VM with 4 VCPU for 1 Year", "h", 200_000_000, in("global")),
	}
}

// x86 is mt with an architecture, which the embedded catalogue knows.
func x86(name string, vcpus int, gib float64) pricing.Specification {
	s := mt(name, vcpus, gib)
	s.Arch = pricing.Known("x86_64", "test")
	return s
}

// The price of an operating system with a licence is that of Linux and its
// licence: on n1-standard-1 at 0.04749975 Windows is 0.046 more, RHEL 0.0144,
// SLES 0.11; spot and commitments pay the licence in full. On 16 vCPUs Windows
// is 16 x 0.046 = 0.736 more and RHEL 16 x 0.0108 = 0.1728. SLES costs the same
// on any machine.
func TestLicences(t *testing.T) {
	f := newFake(t, append(append(n1(),
		sku("Spot Preemptible N1 Predefined Instance Core running in Americas", "h", 6_000_000),
		sku("Spot Preemptible N1 Predefined Instance Ram running in Americas", "GiBy.h", 1_000_000),
		sku("Commitment v1: Cpu in Americas for 1 Year", "h", 20_000_000),
		sku("Commitment v1: Ram in Americas for 1 Year", "GiBy.h", 2_000_000),
		sku("Micro Instance with burstable CPU running in Americas", "h", 7_600_000),
		sku("Small Instance with 1 VCPU running in Americas", "h", 25_700_000),
	), fees()...)...)
	var skipped map[string]int
	o := f.options(x86("n1-standard-1", 1, 3.75), x86("n1-standard-16", 16, 60), mt("n1-standard-2", 2, 7.5))
	o.Progress = func(p Progress) {
		if p.List == "prices" {
			skipped = p.Skipped
		}
	}
	items, err := collect(t, New(o), "us-central1")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range lines(items) {
		if !strings.HasPrefix(l, "rates ") {
			got = append(got, l)
		}
	}
	same(t, got, []string{
		"f1-micro linux on_demand 0.0076 USD",
		"f1-micro windows on_demand 0.0276 USD",
		"f1-micro suse on_demand 0.0276 USD",
		"g1-small linux on_demand 0.0257 USD",
		"g1-small windows on_demand 0.0457 USD",
		"n1-standard-1 linux on_demand 0.04749975 USD",
		"n1-standard-1 windows on_demand 0.09349975 USD",
		"n1-standard-1 rhel on_demand 0.06189975 USD",
		"n1-standard-1 suse on_demand 0.15749975 USD",
		"n1-standard-1 rhel_sap on_demand 0.06999975 USD",
		"n1-standard-1 suse_sap on_demand 0.21749975 USD",
		"n1-standard-1 linux spot 0.00975 USD",
		"n1-standard-1 windows spot 0.05575 USD",
		"n1-standard-1 rhel spot 0.02415 USD",
		"n1-standard-1 suse spot 0.11975 USD",
		"n1-standard-1 rhel_sap spot 0.03225 USD",
		"n1-standard-1 suse_sap spot 0.17975 USD",
		"n1-standard-1 linux committed_use 1 year 0.0275 USD",
		"n1-standard-1 windows committed_use 1 year 0.0735 USD",
		"n1-standard-1 rhel committed_use 1 year 0.0419 USD",
		"n1-standard-1 suse committed_use 1 year 0.1375 USD",
		"n1-standard-1 rhel_sap committed_use 1 year 0.05 USD",
		"n1-standard-1 suse_sap committed_use 1 year 0.1975 USD",
		"n1-standard-16 linux on_demand 0.759996 USD",
		"n1-standard-16 windows on_demand 1.495996 USD",
		"n1-standard-16 rhel on_demand 0.932796 USD",
		"n1-standard-16 suse on_demand 0.869996 USD",
		"n1-standard-16 suse_sap on_demand 1.169996 USD", // no licence of RHEL for SAP is for 16
		"n1-standard-16 linux spot 0.156 USD",
		"n1-standard-16 windows spot 0.892 USD",
		"n1-standard-16 rhel spot 0.3288 USD",
		"n1-standard-16 suse spot 0.266 USD",
		"n1-standard-16 suse_sap spot 0.566 USD",
		"n1-standard-16 linux committed_use 1 year 0.44 USD",
		"n1-standard-16 windows committed_use 1 year 1.176 USD",
		"n1-standard-16 rhel committed_use 1 year 0.6128 USD",
		"n1-standard-16 suse committed_use 1 year 0.55 USD",
		"n1-standard-16 suse_sap committed_use 1 year 0.85 USD",
		"n1-standard-2 linux on_demand 0.0949995 USD", // of which nobody says that it is no Arm
		"n1-standard-2 linux spot 0.0195 USD",
		"n1-standard-2 linux committed_use 1 year 0.055 USD",
	})
	for _, i := range items {
		if o := i.Offer; o != nil && o.OS == "windows" && o.InstanceType == "n1-standard-1" && o.Purchase == pricing.OnDemand &&
			(o.Basis != pricing.Derived || o.Source != "gcp cloud billing catalog: vCPU and memory, licence of Windows Server 0.046 an hour") {
			t.Errorf("%+v", o)
		}
	}
	// The book knows the machine's part of each.
	b, err := pricing.NewBook(pricing.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Add(pricing.Reading{List: "gcp", Provider: pricing.GCP, Region: "us-central1", At: time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC), Complete: true}, items); err != nil {
		t.Fatal(err)
	}
	for _, os := range []string{pricing.Linux, pricing.Windows, pricing.RHEL, pricing.SUSE, pricing.RHELForSAP, pricing.SUSEForSAP} {
		found, err := b.Lookup(pricing.OfferQuery{Provider: pricing.GCP, Region: "us-central1", InstanceType: "n1-standard-1", OS: os})
		if err != nil || found.Machine.Literal() != "0.04749975" {
			t.Errorf("%s: the machine is %s of %s, %v", os, found.Machine, found.List.PerHour, err)
		}
	}
	if skipped[skipNoLicence] != 8 { // 3 on f1-micro, these and SLES on g1-small, RHEL for SAP on 16 vCPUs
		t.Error(skipped)
	}
}

// E2's shared cores, Arm and bare metal have no licence whose count is told.
func TestTypesWithoutLicence(t *testing.T) {
	rates := []m{
		sku("E2 Instance Core running in Americas", "h", 20_000_000), sku("E2 Instance Ram running in Americas", "GiBy.h", 3_000_000),
		sku("C4A Arm Instance Core running in Americas", "h", 30_000_000), sku("C4A Arm Instance Ram running in Americas", "GiBy.h", 3_000_000),
		sku("C3 Instance Core running in Americas", "h", 30_000_000), sku("C3 Instance Ram running in Americas", "GiBy.h", 3_000_000),
	}
	arm := mt("c4a-standard-4", 4, 16)
	arm.Arch = pricing.Known("arm64", "test")
	f := newFake(t, append(rates, fees()...)...)
	items, err := collect(t, New(f.options(x86("e2-small", 2, 2), x86("e2-standard-2", 2, 8), arm, x86("c3-standard-192-metal", 192, 768))), "us-east1")
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range items {
		if i.Offer != nil && i.Offer.OS != "linux" && i.Offer.InstanceType != "e2-standard-2" {
			t.Errorf("%+v", i.Offer)
		}
	}
	if got := lines(items); !strings.Contains(strings.Join(got, "\n"), "e2-standard-2 windows on_demand 0.156 USD") {
		t.Error(got)
	}
}

// A question for Windows where the list has no licence, licences that differ,
// or a part of one that nobody tells how to count, has no price with a reason,
// never that of Linux.
func TestNoLicenceIsNoPrice(t *testing.T) {
	for name, list := range map[string][]m{
		"no licences":      nil,
		"brought along":    {fee("Windows Server 2012 BYOL (CPU cost)", 10_000_000)},
		"the old model":    {fee("RedHat Enterprise Linux 8 on VM with 1 to 4 VCPU", 60_000_000)},
		"other words":      {fee("Windows Server 2019 Datacenter Edition with Extras (CPU cost)", 46_000_000), fee("RHEL 9", 1_000_000)},
		"another unit":     {fee("Windows Server 2019 Datacenter Edition (CPU cost)", 0, tiers("mo", tier(0, 46_000_000)))},
		"zero":             {fee("Windows Server 2019 Datacenter Edition (CPU cost)", 0)},
		"versions differ":  {fee("Windows Server 2019 Datacenter Edition (CPU cost)", 46_000_000), fee("Windows Server 2025 Datacenter Edition on VM", 50_000_000)},
		"memory is priced": {fee("Windows Server 2019 Datacenter Edition (CPU cost)", 46_000_000), fee("Windows Server 2019 Datacenter Edition (RAM cost)", 0, tiers("GiBy.h", tier(0, 1_000_000)))},
		"two prices":       {fee("Windows Server 2019 Datacenter Edition (CPU cost)", 46_000_000), fee("Windows Server 2019 Datacenter Edition on VM", 47_000_000)},
		"a commitment":     {fee("Windows Server 2019 Datacenter Edition (CPU cost)", 46_000_000, filed("Commit1Yr"))},
	} {
		f := newFake(t, append(n1(), list...)...)
		items, err := collect(t, New(f.options(x86("n1-standard-1", 1, 3.75))), "us-central1")
		if err != nil {
			t.Fatal(name, err)
		}
		book, err := pricing.NewBook(pricing.Options{})
		if err != nil {
			t.Fatal(err)
		}
		added, err := book.Add(pricing.Reading{List: sourceName, Provider: "gcp", Region: "us-central1", At: today, Complete: true}, items)
		if err != nil || len(added.Refused) > 0 {
			t.Fatal(name, err, added.Refused)
		}
		for _, os := range []string{"windows", "rhel"} {
			_, err = book.Lookup(pricing.OfferQuery{Provider: "gcp", Region: "us-central1", InstanceType: "n1-standard-1", OS: os})
			if !errors.Is(err, pricing.ErrNoPrice) || !strings.Contains(err.Error(), "no list has it for "+os) || !strings.Contains(err.Error(), "known are linux") {
				t.Errorf("%s, %s: %v", name, os, err)
			}
		}
	}
}
