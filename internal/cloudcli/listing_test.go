package cloudcli_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/cloudcli"
)

func parse(t *testing.T, text string) cloudcli.Inventory {
	t.Helper()
	inv, err := cloudcli.Parse("in.json", []byte(text), cloudcli.Auto)
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

// TestTruncated: a page that says that there is more is followed by the next of the
// same place.
func TestTruncated(t *testing.T) {
	page := func(account, zone, token string, ids ...string) string {
		var list []string
		for _, id := range ids {
			list = append(list, fmt.Sprintf(`{"InstanceId":%q,"Placement":{"AvailabilityZone":%q},"State":{"Name":"running"}}`, id, zone))
		}
		return fmt.Sprintf(`{"Reservations":[{"OwnerId":%q,"Instances":[%s]}],"NextToken":%q}`, account, strings.Join(list, ","), token)
	}
	for _, c := range []struct {
		name, text string
		want       bool
	}{
		{"one page", page("1", "us-east-1a", "", "i-1"), false},
		{"one page of several", page("1", "us-east-1a", "t", "i-1"), true},
		{"two pages", page("1", "us-east-1a", "t", "i-1") + page("1", "us-east-1b", "", "i-2"), false},
		{"two pages, the last one empty, as another region's may be", page("1", "us-east-1a", "t", "i-1") + page("1", "", ""), true},
		{"three pages, the middle one empty", page("1", "us-east-1a", "t", "i-1") + page("1", "", "u") + page("1", "us-east-1a", "", "i-2"), false},
		{"a page, an empty one, another region", page("1", "us-east-1a", "t", "i-1") + page("1", "", "u") + page("1", "eu-west-1a", "", "i-2"), true},
		{"two regions of one page", page("1", "us-east-1a", "", "i-1") + page("1", "eu-west-1a", "", "i-2"), false},
		{"a page of a region, then another region", page("1", "us-east-1a", "t", "i-1") + page("1", "eu-west-1a", "", "i-2"), true},
		{"a page of an account, then another account", page("1", "us-east-1a", "t", "i-1") + page("2", "us-east-1a", "", "i-2"), true},
		{"volumes", page("1", "us-east-1a", "", "i-1") + `{"Volumes":[{"VolumeId":"v","Size":1,"VolumeType":"gp3"}],"NextToken":"t"}`, true},
		{"pages of volumes between", page("1", "us-east-1a", "t", "i-1") + `{"Volumes":[],"NextToken":"t"}{"Volumes":[]}` + page("1", "us-east-1a", "", "i-2"), false},
	} {
		if inv := parse(t, c.text); inv.Truncated != c.want {
			t.Errorf("%s: %v, %q", c.name, inv.Truncated, inv.Notes)
		}
	}
}

// TestJoin joins a list of machines with one of disks in another file.
func TestJoin(t *testing.T) {
	machines := parse(t, `[{"InstanceId":"i-1","State":{"Name":"running"},"BlockDeviceMappings":[{"Ebs":{"VolumeId":"v1"}},{"Ebs":{"VolumeId":"v2"}}]},
		{"InstanceId":"i-2","State":{"Name":"running"},"BlockDeviceMappings":[{"Ebs":{"VolumeId":"v3"}}]},
		{"InstanceId":"i-3","State":{"Name":"running"},"BlockDeviceMappings":[]},{"InstanceId":"i-4","State":{"Name":"running"}}]`)
	disks := parse(t, `{"Volumes":[{"VolumeId":"v2","Size":200,"VolumeType":"io2"},{"VolumeId":"v1","Size":8,"VolumeType":"gp3"}]}`)
	if disks.Machines != 0 || disks.Volumes() != 2 || disks.Notes != nil || machines.Volumes() != 0 {
		t.Errorf("%+v, %d volumes", disks, disks.Volumes())
	}
	list := []cloudcli.Inventory{machines, disks}
	notes := cloudcli.Join(list)
	if len(notes) != 1 || !strings.HasPrefix(notes[0], "1 of 3 machines have disks that are not listed, the first is i-2") {
		t.Errorf("%q", notes)
	}
	want := map[fleet.HostID][]fleet.Disk{"i-1": {{Type: "gp3", GiB: 8}, {Type: "io2", GiB: 200}}, "i-2": nil, "i-3": {}, "i-4": nil}
	for i, l := range machines.Listed {
		if diff := cmp.Diff(want[l.Host], machines.First(machines.Statements, i).Disks); diff != "" {
			t.Errorf("%s (-want +got):\n%s", l.Host, diff)
		}
	}
	if notes := cloudcli.Join(list[:1]); notes != nil {
		t.Errorf("without a list of disks: %q", notes)
	}
}

func TestKeepTypes(t *testing.T) {
	told := []fleet.Disk{{Type: "persistent", GiB: 50}, {Type: "local-ssd", GiB: 375}}
	for _, c := range []struct{ known, want []fleet.Disk }{
		{nil, told},
		{told[:1], told},
		{[]fleet.Disk{{Type: "pd-ssd", GiB: 40}, {Type: "local-ssd", GiB: 375}}, []fleet.Disk{{Type: "pd-ssd", GiB: 50}, {Type: "local-ssd", GiB: 375}}},
		{[]fleet.Disk{{Type: "local-ssd", GiB: 375}, {Type: "pd-ssd", GiB: 40}}, told},
	} {
		if got := cloudcli.KeepTypes(told, c.known); !slices.Equal(got, c.want) {
			t.Errorf("%v known: %v, wanted %v", c.known, got, c.want)
		}
	}
}

func TestPlaces(t *testing.T) {
	aws := parse(t, `{"Reservations":[{"OwnerId":"1","Instances":[{"InstanceId":"i-1","Placement":{"AvailabilityZone":"us-east-1a"}}]}]}`).Listed[0].Place
	azure := parse(t, `[{"vmId":"A","id":"/subscriptions/S/resourceGroups/RG/providers/x/virtualMachines/v","location":"westeurope","zones":["2"]}]`).Listed[0].Place
	gcp := parse(t, `[{"id":"7","kind":"compute#instance","name":"x","zone":"z/europe-west1-b","selfLink":"https://h/v1/projects/p/zones/europe-west1-b/instances/x"}]`).Listed[0].Place
	cut := parse(t, `[[{"InstanceId":"i-1"}]]`).Listed[0].Place
	for _, c := range []struct {
		at    cloudcli.Place
		level cloudcli.Level
		want  string // "" does not tell it
	}{
		{aws, cloudcli.Account, "aws 1"}, {aws, cloudcli.Region, "aws 1 us-east-1"}, {aws, cloudcli.Zone, "aws 1 us-east-1a"}, {aws, cloudcli.Group, ""},
		{azure, cloudcli.Account, "azure s"}, {azure, cloudcli.Group, "azure s group rg"}, {azure, cloudcli.Zone, "azure s westeurope-2"},
		{gcp, cloudcli.Account, "gcp p"}, {gcp, cloudcli.Region, "gcp p europe-west1"},
		{cut, cloudcli.Account, ""}, {cut, cloudcli.Region, ""},
	} {
		got, ok := c.at.Cut(c.level)
		if ok != (c.want != "") || ok && got.String() != c.want {
			t.Errorf("%s of %v is %q, %v, wanted %q", c.level, c.at, got, ok, c.want)
		}
	}
	r := fleet.Record{Provider: "azure", Account: "s", Region: "westeurope", Zone: "westeurope-2"}
	keys := []fleet.Alias{{Kind: fleet.AliasInstance, Key: "a"}, {Kind: fleet.AliasResource, Key: "/subscriptions/s/resourcegroups/rg/providers/x/virtualmachines/v"}}
	if got := cloudcli.PlacesOf(&r, keys); !slices.Equal(got, []cloudcli.Place{azure}) {
		t.Errorf("a host is at %v, the machine at %v", got, azure)
	}
	moved := azure
	moved.Group = "other"
	keys = append(keys, fleet.Alias{Kind: fleet.AliasResource, Key: "/subscriptions/s/resourcegroups/other/providers/x/virtualmachines/v"})
	if got := cloudcli.PlacesOf(&r, keys); !slices.Equal(got, []cloudcli.Place{azure, moved}) {
		t.Errorf("a machine that was moved is at %v", got)
	}
	if got := cloudcli.PlacesOf(&r, nil); len(got) != 1 || got[0].Group != "" {
		t.Errorf("a host without keys is at %v", got)
	}
	for key, want := range map[string]string{
		"/subscriptions/s/resourcegroups/rg/providers/x/virtualmachinescalesets/ss/virtualmachines/0": "/subscriptions/s/resourcegroups/rg/providers/x/virtualmachinescalesets/ss",
		"/subscriptions/s/resourcegroups/rg/providers/x/virtualmachines/v":                            "",
		"projects/p/zones/z/instances/x":                                                              "",
	} {
		if got := cloudcli.SetOf(key); got != want {
			t.Errorf("%s is of %q, wanted %q", key, got, want)
		}
	}
	for _, f := range cloudcli.Formats() {
		if (f.Provider() == "") != (f == cloudcli.Auto) {
			t.Errorf("%s is of %q", f, f.Provider())
		}
	}
}
