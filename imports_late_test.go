package leanfleet_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet"
)

// TestListingsOfTheirTime: a host does not end by a listing of which newer evidence
// is known: a sample, or a later listing, be they read before or after it.
func TestListingsOfTheirTime(t *testing.T) {
	m, _ := faceMonitor(t) // its clock stands at 2024-02-01
	at := func(hour, minute int) time.Time { return time.Date(2024, 1, 31, hour, minute, 0, 0, time.UTC) }
	written := func(when time.Time, ids ...string) string {
		path := writeFile(t, "listing.json", fleetOf(map[string][]string{"us-east-1": ids}))
		if err := os.Chtimes(path, when, when); err != nil {
			t.Fatal(err)
		}
		return path
	}
	read := func(path, whole string, effective time.Time) leanfleet.ImportResult {
		t.Helper()
		r, err := m.Import(t.Context(), leanfleet.ImportRequest{From: "aws-cli", Whole: whole, Effective: effective, Inventory: []string{path}})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	ended := func(r leanfleet.ImportResult) string {
		var out []string
		for _, e := range r.Ended {
			out = append(out, fmt.Sprintf("%s %s", e.Host, e.At.UTC().Format("15:04")))
		}
		return strings.Join(out, ", ")
	}
	sample := func(host string, end time.Time) {
		t.Helper()
		text := "host,timestamp,cpu_usage\n" + host + "," + end.Add(-time.Minute).Format(time.RFC3339) + ",0.5\n"
		if _, err := m.Import(t.Context(), leanfleet.ImportRequest{Samples: []string{writeFile(t, "usage.csv", text)}, Step: time.Minute}); err != nil {
			t.Fatal(err)
		}
	}
	read(written(at(8, 0), "i-1", "i-2", "i-3", "i-4", "i-5"), "region", time.Time{})

	// A file is of when it was written, whenever it is read; i-1 is named by a later one.
	read(written(at(12, 0), "i-1", "i-2", "i-3", "i-5"), "", time.Time{})
	r := read(written(at(10, 0), "i-2", "i-3", "i-5"), "region", time.Time{})
	if got := ended(r); got != "i-4 10:00" {
		t.Errorf("a listing of 10:00 that is read after one of 12:00 ended %q", got)
	}
	if !slices.Contains(r.Notes, "Not listed, but named by a later listing, so they go on: i-1.") ||
		!slices.Contains(r.Notes, "The listing is taken to be of 2024-01-31T10:00:00Z, when its file was written; --effective says otherwise.") {
		t.Errorf("%q", r.Notes)
	}

	// What was measured after it, or seconds before, goes on; long before, it ends.
	sample("i-1", at(13, 30))
	sample("i-2", at(13, 59))
	sample("i-3", at(14, 20))
	r = read(written(at(14, 0), "i-5", "i-6", "i-7"), "region", time.Time{})
	if got := ended(r); got != "i-1 14:00" {
		t.Errorf("ended %q", got)
	}
	if !slices.Contains(r.Notes, "Not listed, but measured after the listing or just before it, so they go on: i-2, i-3.") {
		t.Errorf("%q", r.Notes)
	}
	r = read(written(at(15, 0), "i-5", "i-6", "i-7"), "region", time.Time{})
	if got := ended(r); got != "i-2 15:00, i-3 15:00" {
		t.Errorf("the next listing ended %q", got)
	}

	// A listing is no older than what it tells, nor newer than now.
	path := writeFile(t, "new.json", strings.ReplaceAll(fleetOf(map[string][]string{"us-east-1": {"i-8"}}), "2024-01-01", "2024-01-31"))
	if err := os.Chtimes(path, at(-30, 0), at(-30, 0)); err != nil {
		t.Fatal(err)
	}
	if r := read(path, "", time.Time{}); !slices.Contains(r.Notes, "The listing is taken to be of 2024-01-31T00:00:00Z, when its file was written; --effective says otherwise.") {
		t.Errorf("%q", r.Notes)
	}
	if r := read(written(at(100, 0), "i-5"), "", time.Time{}); len(r.Notes) > 0 {
		t.Errorf("%q", r.Notes)
	}
}

// TestPartialListings: a listing of one region, zone or resource group is not
// taken for one of the account.
func TestPartialListings(t *testing.T) {
	day := func(n int) time.Time { return time.Date(2024, 1, n, 0, 0, 0, 0, time.UTC) }
	gce := func(zone string, ids ...string) []string {
		var out []string
		for _, id := range ids {
			out = append(out, fmt.Sprintf(`{"id":%q,"name":"g%s","kind":"compute#instance","zone":"projects/p/zones/%s","status":"RUNNING","selfLink":"https://x/projects/p/zones/%s/instances/g%s"}`, id, id, zone, zone, id))
		}
		return out
	}
	vms := func(group string, names ...string) []string {
		var out []string
		for _, n := range names {
			out = append(out, azureVM(group+"/providers/Microsoft.Compute/virtualMachines/"+n, "id-"+n))
		}
		return out
	}
	list := func(machines ...[]string) string { return "[" + strings.Join(slices.Concat(machines...), ",") + "]" }
	for _, c := range []struct{ from, all, part, says string }{
		{"gcloud", list(gce("us-east1-b", "1", "2", "3"), gce("us-east1-c", "4")), list(gce("us-east1-b", "1", "2", "3")),
			"gcp p: all that is listed is of gcp p us-east1-b, and 1 host elsewhere would be ended: g4 (4); is the listing of gcp p us-east1-b only?"},
		{"az-cli", list(vms("g1", "a", "b", "c"), vms("g2", "d")), list(vms("g1", "a", "b", "c")),
			"azure s: all that is listed is of azure s group g1, and 1 host elsewhere would be ended: d (id-d)"},
		{"aws-cli", fleetOf(map[string][]string{"us-east-1": {"i-1", "i-2"}, "eu-west-1": {"i-3"}}), fleetOf(map[string][]string{"us-east-1": {"i-1", "i-2"}}),
			"aws 1: all that is listed is of aws 1 us-east-1, and 1 host elsewhere would be ended: i-3"},
	} {
		m, _ := faceMonitor(t)
		req := leanfleet.ImportRequest{From: c.from, Effective: day(2), Inventory: []string{writeFile(t, "all.json", c.all)}}
		if _, err := m.Import(t.Context(), req); err != nil {
			t.Fatal(err)
		}
		req = leanfleet.ImportRequest{From: c.from, Effective: day(3), Whole: "account", Inventory: []string{writeFile(t, "part.json", c.part)}}
		if _, err := m.Import(t.Context(), req); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.from, err)
		}
		req.MaxEnded = 1
		if r, err := m.Import(t.Context(), req); err != nil || len(r.Ended) != 1 {
			t.Errorf("%s: %+v, %v", c.from, r.Ended, err)
		}
	}
}
