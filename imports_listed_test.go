package leanfleet_test

import (
	"fmt"
	"maps"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/fleet"
)

// azureVM is a machine as az prints it; without an id it goes by its path.
func azureVM(path, id string, more ...string) string {
	if id != "" {
		more = append(more, fmt.Sprintf(`"vmId":%q`, id))
	}
	more = append(more, fmt.Sprintf(`"name":%q,"id":"/subscriptions/s/resourceGroups/%s","location":"westeurope","powerState":"VM running","hardwareProfile":{"vmSize":"Standard_D2s_v5"}`,
		path[strings.LastIndexByte(path, '/')+1:], path))
	return "{" + strings.Join(more, ",") + "}"
}

// TestListingsOfNames: machines whose path of names says less than an id would.
func TestListingsOfNames(t *testing.T) {
	day := func(n int) time.Time { return time.Date(2024, 1, n, 0, 0, 0, 0, time.UTC) }
	vm := func(group, name string) string {
		return group + "/providers/Microsoft.Compute/virtualMachines/" + name
	}
	path := func(group, name string) string {
		return strings.ToLower("/subscriptions/s/resourceGroups/" + vm(group, name))
	}
	type run struct {
		day   int
		whole string
		files [][]string
		ended int
	}
	one := func(machines ...string) [][]string { return [][]string{machines} }
	inSet := func(n string) string {
		return azureVM("rg/providers/Microsoft.Compute/virtualMachineScaleSets/ss/virtualMachines/"+n, "s"+n)
	}
	const runs, gone = fleet.StateRunning, fleet.StateTerminated
	for _, c := range []struct {
		name string
		runs []run
		at   int
		want map[string]fleet.State
	}{
		{"a host known by its path only is the listed one, or not: nobody knows", []run{
			{2, "", one(azureVM(vm("rg", "v1"), ""), azureVM(vm("rg", "v2"), "")), 0},
			{3, "account", one(azureVM(vm("rg", "v1"), "a"), azureVM(vm("rg", "v2"), "b")), 0},
		}, 4, map[string]fleet.State{path("rg", "v1"): runs, path("rg", "v2"): runs, "a": runs, "b": runs}},
		{"known by its path it ends, too", []run{
			{2, "", one(azureVM(vm("rg", "v1"), ""), azureVM(vm("rg", "v2"), "")), 0},
			{3, "account", one(azureVM(vm("rg", "v2"), "")), 1},
			{10, "account", one(azureVM(vm("rg", "v1"), ""), azureVM(vm("rg", "v2"), "")), 0},
		}, 5, map[string]fleet.State{path("rg", "v1"): gone, path("rg", "v2"): runs}},
		{"and the next one of the path does not take that back", []run{
			{2, "", one(azureVM(vm("rg", "v1"), ""), azureVM(vm("rg", "v2"), "")), 0},
			{3, "account", one(azureVM(vm("rg", "v2"), "")), 1},
			{10, "account", one(azureVM(vm("rg", "v1"), ""), azureVM(vm("rg", "v2"), "")), 0},
		}, 11, map[string]fleet.State{path("rg", "v1"): runs, path("rg", "v2"): runs}},
		{"moved to another group, by its name after the first", []run{
			{2, "", one(azureVM(vm("g1", "v1"), "a"), azureVM(vm("g1", "v2"), "b")), 0},
			{3, "group", one(azureVM(vm("g2", "v1"), "a")), 0},
			{4, "group", one(azureVM(vm("g1", "v2"), "b")), 0},
		}, 5, map[string]fleet.State{"a": runs, "b": runs}},
		{"moved to another group, by its name before the first", []run{
			{2, "", one(azureVM(vm("g2", "v1"), "a"), azureVM(vm("g2", "v2"), "b")), 0},
			{3, "group", one(azureVM(vm("g1", "v1"), "a")), 0},
			{4, "group", one(azureVM(vm("g2", "v2"), "b")), 0},
		}, 5, map[string]fleet.State{"a": runs, "b": runs}},
		{"moved, and in neither group any more", []run{
			{2, "", one(azureVM(vm("g2", "v1"), "a"), azureVM(vm("g2", "v2"), "b"), azureVM(vm("g1", "v3"), "c")), 0},
			{3, "", one(azureVM(vm("g1", "v1"), "a")), 0},
			{4, "group", one(azureVM(vm("g2", "v2"), "b"), azureVM(vm("g1", "v3"), "c")), 1},
		}, 5, map[string]fleet.State{"a": gone, "b": runs, "c": runs}},
		{"an old listing read late ends nobody who came later", []run{
			{20, "", one(azureVM(vm("rg", "v1"), "b")), 0},
			{10, "", one(azureVM(vm("rg", "v1"), "a")), 0},
		}, 25, map[string]fleet.State{"a": runs, "b": runs}},
		{"two files list the one that replaces another", []run{
			{2, "", one(azureVM(vm("rg", "v1"), "a")), 0},
			{3, "", [][]string{{azureVM(vm("rg", "v1"), "b")}, {azureVM(vm("rg", "v1"), "b", `"tags":{}`)}}, 1},
		}, 4, map[string]fleet.State{"a": gone, "b": runs}},
		{"another command lists the machines of scale sets", []run{
			{2, "", one(azureVM(vm("rg", "v1"), "a"), azureVM(vm("rg", "v2"), "b"), inSet("0"), inSet("1"), inSet("2")), 0},
			{3, "account", one(azureVM(vm("rg", "v1"), "a"), azureVM(vm("rg", "v2"), "b")), 0},
			{4, "account", one(inSet("0"), inSet("1")), 1},
		}, 5, map[string]fleet.State{"a": runs, "b": runs, "s0": runs, "s1": runs, "s2": gone}},
	} {
		m, _ := faceMonitor(t)
		for _, x := range c.runs {
			req := leanfleet.ImportRequest{From: "az-cli", Whole: x.whole, Effective: day(x.day)}
			for i, machines := range x.files {
				req.Inventory = append(req.Inventory, writeFile(t, fmt.Sprintf("%d.json", i), "["+strings.Join(machines, ",")+"]"))
			}
			r, err := m.Import(t.Context(), req)
			if err != nil {
				t.Fatalf("%s: day %d: %v", c.name, x.day, err)
			}
			if len(r.Ended) != x.ended || len(r.Returned) > 0 {
				t.Errorf("%s: day %d: ended %v, returned %v", c.name, x.day, r.Ended, r.Returned)
			}
			if again, err := m.Import(t.Context(), req); err != nil || len(again.Ended)+len(again.Returned)+again.Inventory.Changed > 0 {
				t.Errorf("%s: day %d again: %+v, %v", c.name, x.day, again, err)
			}
		}
		if got := statesAt(t, m, day(c.at)); !maps.Equal(got, c.want) {
			t.Errorf("%s: %v, wanted %v", c.name, got, c.want)
		}
	}
	m, _ := faceMonitor(t)
	name := writeFile(t, "a.json", "["+azureVM(vm("rg", "v1"), "a")+"]")
	if _, err := m.Import(t.Context(), leanfleet.ImportRequest{From: "az-cli", Whole: "account", MaxEnded: math.NaN(), Inventory: []string{name}}); err == nil {
		t.Error("a share that is no number is one")
	}
}
