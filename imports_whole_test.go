package leanfleet_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/fleet"
)

// fleetOf is a listing of machines, by region.
func fleetOf(machines map[string][]string) string {
	var list []string
	for _, region := range slices.Sorted(maps.Keys(machines)) {
		for _, id := range machines[region] {
			list = append(list, fmt.Sprintf(`{"InstanceId":%q,"InstanceType":"m5.large","LaunchTime":"2024-01-01T00:00:00Z","Placement":{"AvailabilityZone":"%sa"},"State":{"Name":"running"}}`, id, region))
		}
	}
	return `{"Reservations":[{"OwnerId":"1","Instances":[` + strings.Join(list, ",") + `]}]}`
}

// TestWholeListings reads listings of random fleets, some of one region only, and
// compares with a model: what is listed runs, what a listed region lacks has ended,
// and what is listed again never had.
func TestWholeListings(t *testing.T) {
	regions := []string{"us-east-1", "eu-west-1", "ap-south-1"}
	for seed := range uint64(4) {
		m, _ := faceMonitor(t)
		random := rand.New(rand.NewPCG(seed, 7))
		states := map[string]fleet.State{}
		begin := time.Date(2024, 1, 2, 0, 0, 0, 0, time.UTC)
		for step := range 12 {
			at := begin.Add(time.Duration(step) * time.Hour)
			listed := map[string][]string{}
			for i, region := range regions {
				if random.IntN(4) == 0 {
					continue // another run lists it
				}
				for n := range 6 {
					if random.IntN(3) > 0 {
						listed[region] = append(listed[region], fmt.Sprintf("i-%d%d", i, n))
					}
				}
			}
			want := maps.Clone(states)
			ended := 0
			for i, region := range regions {
				for n := range 6 {
					id := fmt.Sprintf("i-%d%d", i, n)
					switch {
					case slices.Contains(listed[region], id):
						want[id] = fleet.StateRunning
					case len(listed[region]) > 0 && states[id] == fleet.StateRunning:
						want[id] = fleet.StateTerminated
						ended++
					}
				}
			}
			name := writeFile(t, "listing.json", fleetOf(listed))
			req := leanfleet.ImportRequest{Inventory: []string{name}, From: "aws-cli", Whole: "region", MaxEnded: 1, Effective: at}
			r, err := m.Import(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Ended) != ended || len(r.Whole) != len(listed) {
				t.Errorf("seed %d, step %d: %d ended of %d scopes, wanted %d of %d", seed, step, len(r.Ended), len(r.Whole), ended, len(listed))
			}
			if again, err := m.Import(t.Context(), req); err != nil || len(again.Ended)+len(again.Returned)+again.Inventory.Changed+again.Inventory.Learned > 0 {
				t.Errorf("seed %d, step %d: again: %+v, %v", seed, step, again, err)
			}
			states = want
			if got := statesAt(t, m, at); !maps.Equal(got, want) {
				t.Errorf("seed %d, step %d: %v, wanted %v", seed, step, got, want)
			}
		}
		// Who runs at the end never ended in between.
		for id, state := range states {
			records, err := m.Records(t.Context(), fleet.SelectHost(fleet.HostID(id)), fleet.Window{})
			if err != nil {
				t.Fatal(err)
			}
			gone := slices.ContainsFunc(records, func(r fleet.Record) bool { return r.State == fleet.StateTerminated })
			if gone != (state == fleet.StateTerminated) {
				t.Errorf("seed %d: %s is %s, its records: %v", seed, id, state, records)
			}
		}
	}
}

func statesAt(t *testing.T, m *leanfleet.Monitor, at time.Time) map[string]fleet.State {
	t.Helper()
	records, err := m.Records(t.Context(), fleet.Selector{}, fleet.Window{Start: at, End: at.Add(time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]fleet.State{}
	for _, r := range records {
		out[string(r.Host)] = r.State
	}
	return out
}

// TestWholeRefused: nothing is stored of a listing that cannot be whole.
func TestWholeRefused(t *testing.T) {
	m, _ := faceMonitor(t)
	list := func(ids ...string) string {
		return writeFile(t, "listing.json", fleetOf(map[string][]string{"us-east-1": ids}))
	}
	at := time.Date(2024, 1, 2, 0, 0, 0, 0, time.UTC)
	req := leanfleet.ImportRequest{From: "aws-cli", Effective: at, Inventory: []string{list("i-1", "i-2", "i-3", "i-4", "i-5")}}
	if _, err := m.Import(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	req.Effective = at.Add(time.Hour)
	req.Inventory = []string{list("i-1", "i-6")}
	for _, c := range []struct {
		whole string
		max   float64
		want  string
		bad   bool
	}{
		{"region", 0, "aws 1 us-east-1: 4 of 6 hosts are not listed and would be ended, more than 50 %: i-2, i-3, i-4, i-5; is the listing whole?", false},
		{"account", 0.6, "more than 60 %", false},
		{"group", 1, "i-1: the listing does not tell its group", false},
		{"regions", 0, "use account, region, zone, group", true},
		{"region", 1.5, "between 0 and 1", true},
		{"region", -0.5, "between 0 and 1", true},
		{"account=~[", 0, "selector", true},
	} {
		req.Whole, req.MaxEnded = c.whole, c.max
		_, err := m.Import(t.Context(), req)
		var bad *fleet.RequestError
		if err == nil || !strings.Contains(err.Error(), c.want) || errors.As(err, &bad) != c.bad {
			t.Errorf("%s, %v: %v, wanted %q", c.whole, c.max, err, c.want)
		}
	}
	if got := statesAt(t, m, req.Effective); len(got) != 5 || got["i-2"] != fleet.StateRunning {
		t.Errorf("something was stored: %v", got)
	}
	req.Whole, req.MaxEnded = "region=us-east-1", 0.9
	r, err := m.Import(t.Context(), req)
	if err != nil || len(r.Ended) != 4 || !slices.Equal(r.Whole, []leanfleet.WholeScope{{Scope: "region=us-east-1", Listed: 2, Ended: 4}}) {
		t.Errorf("%+v, %v", r, err)
	}
}
