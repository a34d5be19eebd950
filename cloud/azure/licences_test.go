package azure

import (
	"errors"
	"strings"
	"testing"

	"github.com/leanfleet/leanfleet/internal/catalog"
	"github.com/leanfleet/leanfleet/pricing"
)

// fee returns a row of a licence: of no region.
func fee(product, name string, price any, change ...m) m {
	return meter("Virtual Machines Licenses", product, name, "1 Hour", price, append([]m{{"armRegionName": "", "location": ""}}, change...)...)
}

const (
	rhel = "Red Hat Enterprise Linux"
	sles = "SUSE Linux Enterprise Server Standard"
)

// The list has no machines with Red Hat's or SUSE's Linux: they are Linux at
// 0.096 and a licence, of 0.0288 for 2 vCPUs and of 0.0575 for 1 to 2. A
// reservation and a savings plan are for the machine alone; its licence is paid
// by the hour: 501 / 8760 = 0.057191780822 and 0.0288.
func TestLicences(t *testing.T) {
	f := newFake(t, append(sample(),
		vm("Standard_D8s_v3", ds, 0.384), vm("Standard_D11_v2", "Virtual Machines Dv2 Series", 0.149), vm("Standard_E8-2s_v5", "Virtual Machines Esv5 Series", 0.5),
		vm("Standard_D2ps_v5", "Virtual Machines Dpsv5 Series", 0.077),
		fee(rhel, "2 vCPU VM License", 0.0288), fee(rhel, "8-vCPU VM License", 0.1152), fee(rhel, "1-4 vCPU VM License", 0.06),
		fee(rhel, "2 vCPU VM BYOS License", 0.001), fee(rhel, "2 vCPU VM License", 99.0, m{"type": "Reservation", "reservationTerm": "1 Year"}),
		fee(rhel, "2 vCPU VM License", 5.0, m{"armRegionName": "usgovvirginia"}), fee(rhel, "16 vCPU VM License", 0.0),
		fee(rhel, "32 vCPU VM License", 1.0, m{"unitOfMeasure": "1 Month"}), fee(rhel, "4 vCPU VM License", 0.05, m{"effectiveEndDate": "2024-01-01T00:00:00Z"}),
		fee(rhel+" with HA", "2 vCPU VM License", 0.07),
		fee(sles, "1-2 vCPU VM Support", 0.0575), fee(sles, "3-4 vCPU VM Support", 0.11, m{"armRegionName": "Global"}), fee(sles, "5+ vCPU VM Support", 0.2),
	)...)
	skipped := make(map[string]map[string]int)
	o := f.options()
	o.Progress = func(p Progress) { skipped[p.List] = p.Skipped }
	items, err := collect(t, New(o), "eastus")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range lines(items) {
		if strings.Contains(l, " rhel ") || strings.Contains(l, " suse ") {
			got = append(got, l)
		}
	}
	same(t, got, []string{
		"Standard_D2s_v3 rhel on_demand 0.1248 USD",
		"Standard_D2s_v3 rhel reserved 1 year 0.085991780822 USD upfront 501 USD",
		"Standard_D2s_v3 rhel reserved 3 years 0.065634094368 USD upfront 968 USD",
		"Standard_D2s_v3 rhel savings_plan 1 year 0.0948 USD",
		"Standard_D2s_v3 rhel savings_plan 3 years 0.0728 USD",
		"Standard_D8s_v3 rhel on_demand 0.4992 USD",
		"Standard_D2s_v3 suse on_demand 0.1535 USD",
		"Standard_D2s_v3 suse reserved 1 year 0.114691780822 USD upfront 501 USD",
		"Standard_D2s_v3 suse reserved 3 years 0.094334094368 USD upfront 968 USD",
		"Standard_D2s_v3 suse savings_plan 1 year 0.1235 USD",
		"Standard_D2s_v3 suse savings_plan 3 years 0.1015 USD",
		"Standard_D8s_v3 suse on_demand 0.584 USD",
	})
	for _, i := range items {
		if i.Offer == nil || i.Offer.OS != "rhel" {
			continue
		}
		if o := i.Offer; o.Basis != pricing.Derived || !strings.HasSuffix(o.Source, "an hour (Red Hat Enterprise Linux)") || (o.Purchase == pricing.Reserved) != (o.Recurring.String() == "0.0288 USD") {
			t.Errorf("%+v", o)
		}
	}
	for reason, n := range map[string]int{skipOtherLicence: 1, skipOldLicence: 1, skipRegion: 1, skipZero: 1, skipUnit: 1, skipEnded: 1, skipNoVCPUs: 3} {
		if got := skipped["licences of "+rhel][reason]; got != n {
			t.Errorf("%s: %d, want %d", reason, got, n)
		}
	}
}

// Two prices for one licence, two bands for one size, and a list without them
// give no price with a reason, never that of Linux.
func TestNoLicenceIsNoPrice(t *testing.T) {
	for name, fees := range map[string][]m{
		"none":         nil,
		"another size": {fee(rhel, "4 vCPU VM License", 0.0576), fee(sles, "5+ vCPU VM Support", 0.2)},
		"two prices":   {fee(rhel, "2 vCPU VM License", 0.0288), fee(rhel, "2-vCPU VM License", 0.03), fee(sles, "1-2 vCPU VM Support", 0.1), fee(sles, "1-2 vCPU VM Support", 0.2)},
		"two bands":    {fee(sles, "1-2 vCPU VM Support", 0.1), fee(sles, "2-4 vCPU VM Support", 0.2)},
	} {
		f := newFake(t, append([]m{vm("Standard_D2s_v3", ds, 0.096)}, fees...)...)
		items, err := collect(t, New(f.options()), "eastus")
		if err != nil {
			t.Fatal(name, err)
		}
		book, err := pricing.NewBook(pricing.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if added, err := book.Add(pricing.Reading{List: sourceName, Provider: "azure", Region: "eastus", At: today, Complete: true}, items); err != nil || len(added.Refused) > 0 {
			t.Fatal(name, err, added.Refused)
		}
		for _, os := range []string{"windows", "rhel", "suse"} {
			_, err := book.Lookup(pricing.OfferQuery{Provider: "azure", Region: "eastus", InstanceType: "Standard_D2s_v3", OS: os})
			if !errors.Is(err, pricing.ErrNoPrice) || !strings.Contains(err.Error(), "no list has it for "+os) || !strings.Contains(err.Error(), "known are linux") {
				t.Errorf("%s, %s: %v", name, os, err)
			}
		}
	}
}

// The vCPUs that a name tells are those of the embedded catalogue, for every
// size whose vCPUs it knows.
func TestVCPUsOfNames(t *testing.T) {
	facts, err := catalog.Open()
	if err != nil {
		t.Fatal(err)
	}
	told := 0
	for typ := range facts.Types("azure") {
		n, ok := vcpusOf(typ.Name)
		if !ok || !typ.VCPUs.OK {
			continue
		}
		if told++; n != typ.VCPUs.Value {
			t.Errorf("%s: %d vCPUs by its name, %d in the catalogue", typ.Name, n, typ.VCPUs.Value)
		}
	}
	if told < 1000 {
		t.Errorf("%d names tell", told)
	}
	for _, name := range []string{"Standard_D11_v2", "Standard_D3_v2_Promo", "Standard_DS3", "Standard_GS2", "Standard_E8-2s_v5", "Standard_D4ps_v5", "Basic_A1", "Standard_", "Standard_D99999s_v5", ""} {
		if n, ok := vcpusOf(name); ok {
			t.Errorf("%s: %d", name, n)
		}
	}
}
