package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/chargeback"
	"github.com/leanfleet/leanfleet/fleet"
)

// writeConfig writes a configuration and the files that it names, and returns its
// path.
func writeConfig(t *testing.T, config string, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(path, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// TestCommitmentNotes: beneath the table stands what the JSON has: a commitment
// that is dearer than what it covers, what another has no rate for, and what is
// unused.
func TestCommitmentNotes(t *testing.T) {
	c := newCommand(t)
	config := writeConfig(t, "prices:\n  sheets: [sheet.csv]\n  commitments: [commitments.csv]\n", map[string]string{
		"sheet.csv":       "kind,provider,region,instance_type,price_per_hour,currency\nlist,aws,us-east-1,m5.large,0.10,USD\nlist,aws,us-east-1,m5.xlarge,0.20,USD\n",
		"commitments.csv": "id,purchase,provider,region,instance_type,count,price_per_hour,spend_per_hour,currency,start,end,years\nr1,reserved,aws,us-east-1,m5.large,2,0.12,,USD,2026-07-01,2027-06-30,1\ns1,savings_plan,aws,us-east-1,,,,0.05,USD,2026-07-01,2027-06-30,1\n",
		"hosts.csv":       "host,provider,region,instance_type,os,state,valid_from,disks,public_addresses\nweb-1,aws,us-east-1,m5.large,linux,running,2026-06-01T00:00:00Z,none,0\nweb-2,aws,us-east-1,m5.xlarge,linux,running,2026-06-01T00:00:00Z,none,0\n",
	})
	c.ok("import", "inventory", filepath.Join(filepath.Dir(config), "hosts.csv"), "--effective", "2026-06-01")
	// July has 744 h: 89.28 under r1 for what is 74.40 on demand, as much unused,
	// and 37.20 of s1.
	out := c.ok("chargeback", "--config", config, "--period", "2026-07")
	for _, want := range []string{
		"Commitment r1: 89.28 USD of 178.56 USD is unused and in no group.",
		"Commitment r1: what it covers costs 89.28 USD under it and 74.40 USD on demand: it is dearer than what it stands in for.",
		"Commitment s1: 37.20 USD of 37.20 USD is unused and in no group.",
		"Commitment s1 has no rate for aws us-east-1 m5.xlarge linux savings_plan 1 year, 744.00 host hours, which are on demand: ",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	// Types without a rate for one reason are in one sentence.
	var many []chargeback.Unpriced
	for _, typ := range []string{"a", "b", "c", "d", "e"} {
		many = append(many, chargeback.Unpriced{InstanceType: typ, Reason: "why", Hours: 10})
	}
	many = append(many, chargeback.Unpriced{InstanceType: "f", Reason: "who knows?", Hours: 2})
	want := []string{"Commitment s has no rate for a, b, c and 2 more (-o json lists all), 50.00 host hours, which are on demand: why.",
		"Commitment s has no rate for f, 2.00 host hours, which are on demand: who knows?"}
	if diff := cmp.Diff(want, commitmentNotes([]chargeback.CommitmentUse{{Commitment: "s", Unrated: many}})); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	// A period in which nothing is charged has its total all the same.
	if out := c.ok("chargeback", "--config", config, "--period", "2020-01"); !strings.Contains(out, "0        0.00        0.00                  0.00") {
		t.Errorf("%s", out)
	}
}

// TestStaleNotes: what is old is named by its kind and place.
func TestStaleNotes(t *testing.T) {
	compute := chargeback.StalePrices{What: "compute", Provider: "aws", Region: "us-east-1", LastSeen: "2023-05-01", Days: 305}
	disk := chargeback.StalePrices{What: "disk", Provider: "aws", Region: "us-east-1", LastSeen: "2023-07-01", Days: 244}
	address := chargeback.StalePrices{What: "address", Provider: "aws", Region: "us-east-1", LastSeen: "2023-07-02", Days: 243}
	other := chargeback.StalePrices{What: "disk", Provider: "azure", Region: "eastus", LastSeen: "2023-04-01", Days: 335}
	f := func(want string, list ...chargeback.StalePrices) {
		t.Helper()
		if got := strings.Join(staleNotes(list), "\n"); got != want {
			t.Errorf("got:\n%s\nwant:\n%s", got, want)
		}
	}
	f("")
	f(`Prices of disks in aws us-east-1 were last seen on 2023-07-01, 244 days before the end of what is charged; "leanfleet prices update --provider aws --region us-east-1" reads new ones.`, disk)
	f(`Prices of instances, disks and public addresses in aws us-east-1 were last seen 243 to 305 days before the end of what is charged, those of instances in aws us-east-1 on 2023-05-01; "leanfleet prices update --provider aws --region us-east-1" reads new ones, -o json lists them.`,
		compute, disk, address)
	f(`Prices of instances and disks in 2 regions were last seen 244 to 335 days before the end of what is charged, those of disks in azure eastus on 2023-04-01; "leanfleet prices update" reads new ones, -o json lists them.`,
		compute, disk, other)
}

// TestGapNotes: the longest times without samples are named, by time, however
// many short ones come first.
func TestGapNotes(t *testing.T) {
	start := time.Date(2013, 8, 1, 0, 0, 0, 0, time.UTC)
	var gaps []fleet.Window
	for i := range 10 {
		gaps = append(gaps, fleet.Window{Start: start.Add(time.Duration(i) * time.Hour), End: start.Add(time.Duration(i)*time.Hour + time.Duration(i%4+1)*time.Second)})
	}
	gaps = append(gaps, fleet.Window{Start: start.AddDate(0, 0, 1), End: start.AddDate(0, 0, 31)})
	got := gapNotes(gaps, time.UTC)
	want := []string{
		"Estimated, without samples for 3s: [2013-08-01 02:00 UTC, 2013-08-01 02:00:03 UTC).",
		"Estimated, without samples for 4s: [2013-08-01 03:00 UTC, 2013-08-01 03:00:04 UTC).",
		"Estimated, without samples for 3s: [2013-08-01 06:00 UTC, 2013-08-01 06:00:03 UTC).",
		"Estimated, without samples for 4s: [2013-08-01 07:00 UTC, 2013-08-01 07:00:04 UTC).",
		"Estimated, without samples for 720h0m0s: [2013-08-02 00:00 UTC, 2013-09-01 00:00 UTC).",
		"... and 6 more times without samples, none of them longer; -o json lists all.",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if got := gapNotes(nil, time.UTC); got != nil {
		t.Errorf("%q", got)
	}
}

// TestKeyThatNobodyHas: a key to group by that no host has is named beneath the
// table, so that a slip is not taken for hosts without an owner.
func TestKeyThatNobodyHas(t *testing.T) {
	f := func(want int, by ...string) {
		t.Helper()
		eng := "eng"
		r := chargeback.Result{GroupBy: by}
		for _, v := range []*string{&eng, nil} {
			var key fleet.GroupKey
			for _, k := range by {
				x := fleet.GroupValue{Key: k}
				if k == "dept" {
					x.Value = v
				}
				key = append(key, x)
			}
			r.Groups = append(r.Groups, chargeback.Group{Group: key})
		}
		if got := unknownKeyNotes(&r); len(got) != want || want > 0 && !strings.HasPrefix(got[0], "No host in the report has dpt: ") {
			t.Errorf("%v: %q", by, got)
		}
	}
	f(0, "dept")
	f(1, "dpt")
	f(1, "dept", "dpt")
	if got := unknownKeyNotes(&chargeback.Result{GroupBy: []string{"dept"}}); got != nil {
		t.Errorf("without hosts: %q", got)
	}
}

// TestAboveOnDemandIsShown: prices that are above the one on demand carry it in
// JSON and are named beneath the table; own sheets make one so that is not at
// list.
func TestAboveOnDemandIsShown(t *testing.T) {
	c := newCommand(t)
	config := writeConfig(t, "prices:\n  sheets: [sheet.csv]\n", map[string]string{
		"sheet.csv": "kind,provider,region,instance_type,os,purchase,years,price_per_hour,currency,percent\n" +
			"list,aws,us-east-1,m5.large,linux,on_demand,,0.10,USD,\nlist,aws,us-east-1,m5.large,linux,spot,,0.12,USD,\nlist,aws,us-east-1,m5.large,linux,reserved,1,0.09,USD,\n" +
			"list,aws,us-east-1,m5.large,linux,reserved,3,0.04,USD,\nlist,aws,us-east-1,m5.large,windows,on_demand,,0.30,USD,\nlist,aws,us-east-1,m5.large,windows,spot,,0.20,USD,\ndiscount,aws,,,,on_demand,,,,20\n",
	})
	show := []string{"prices", "show", "--config", config, "--region", "us-east-1", "--type", "m5.large"}
	var r leanfleet.PriceResult
	c.json(&r, show...)
	var got []string
	for _, o := range r.Offers {
		if !o.AboveOnDemand.IsZero() {
			got = append(got, o.OS+" "+string(o.Purchase)+" "+o.PerHour.Literal()+" > "+o.AboveOnDemand.Literal())
		}
	}
	// Less 20 % an hour on demand is 0.08, below the 0.09 of a reserved one.
	if want := "linux spot 0.12 > 0.1, linux reserved 0.09 > 0.08"; strings.Join(got, ", ") != want {
		t.Errorf("%q, want %s", got, want)
	}
	out := c.ok(show...)
	for _, want := range []string{
		"Dearer than on demand, at list: spot for linux costs 0.12 USD an hour, on demand 0.1 USD.",
		"Dearer than on demand, contracted: reserved 1 year for linux costs 0.09 USD an hour, on demand 0.08 USD.",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if strings.Count(out, "Dearer than on demand") != 2 {
		t.Errorf("%s", out)
	}
}
