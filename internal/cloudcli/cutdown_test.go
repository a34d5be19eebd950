package cloudcli_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/cloudcli"
)

// TestCutDown: a --query or --format leaves a few fields; what the tool, the
// account and the paths of names are is told by those that are left.
func TestCutDown(t *testing.T) {
	f := func(text string, format cloudcli.Format, host, account, resource string, notes ...string) {
		t.Helper()
		inv, err := cloudcli.Parse("x", []byte(text), cloudcli.Auto)
		if err != nil || inv.Format != format || len(inv.Statements) == 0 {
			t.Errorf("%s: %s, %d statements, %v", text, inv.Format, len(inv.Statements), err)
			return
		}
		got := inv.Statements[0]
		i := slices.IndexFunc(got.Aliases, func(a fleet.Alias) bool { return a.Kind == fleet.AliasResource })
		if string(got.Host) != host || got.Account != account || (i >= 0) != (resource != "") || i >= 0 && got.Aliases[i].Key != resource {
			t.Errorf("%s: host %q of %q, %v", text, got.Host, got.Account, got.Aliases)
		}
		if !slices.Equal(inv.Notes, notes) {
			t.Errorf("%s: %q, want %q", text, inv.Notes, notes)
		}
	}
	const vm = "/subscriptions/1a/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/vm3"
	f(`[{"name":"vm3","id":"`+vm+`","location":"westeurope"}]`, cloudcli.Azure, strings.ToLower(vm), "1a", strings.ToLower(vm),
		"1 of 1 machines have no state; with az, -d (--show-details) prints it.")
	const gcp = "https://www.googleapis.com/compute/v1/projects/p1/zones/us-central1-a"
	f(`[{"id":"2","name":"g2","machineType":"`+gcp+`/machineTypes/e2-small","zone":"`+gcp+`","status":"RUNNING"}]`,
		cloudcli.GCP, "2", "p1", "projects/p1/zones/us-central1-a/instances/g2")
	f(`[{"id":"2","name":"g2","machineType":"`+gcp+`/machineTypes/e2-small","status":"RUNNING"}]`, cloudcli.GCP, "2", "p1", "")
	f(`[{"id":"2","selfLink":"`+gcp+`/instances/g2","name":"g2","status":"RUNNING"}]`, cloudcli.GCP, "2", "p1", "projects/p1/zones/us-central1-a/instances/g2")
	f(`[{"id":"2","name":"g2","machineType":"e2-small","zone":"us-central1-a","status":"RUNNING"}]`, cloudcli.GCP, "2", "", "")
	f(`[{"InstanceId":"i-1"}]`, cloudcli.AWS, "i-1", "", "", "1 of 1 machines have no state.")

	for _, text := range []string{`[{"id":"/x/virtualMachines/vm/extensions/e"}]`, `[{"id":"virtualMachines"}]`, `[{"id":7}]`, `[{"selfLink":"projects/p/zones/z/disks/d"}]`} {
		if _, err := cloudcli.Parse("x", []byte(text), cloudcli.Auto); err == nil {
			t.Errorf("%s: was taken for a machine", text)
		}
	}
}
