package leanfleet_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/advice"
	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/decisions"
	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/rightsizing"
)

// sleepers is a fleet of hosts that hardly do anything, in January 2024, and its
// clock.
func sleepers(t *testing.T, dir string, clock *time.Time, names ...string) *leanfleet.Monitor {
	t.Helper()
	m, err := leanfleet.Open(t.Context(), leanfleet.Options{Dir: dir, Clock: func() time.Time { return *clock }, Who: "carlos"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	var batches []fleet.Batch
	for _, name := range names {
		if err := m.AddHost(t.Context(), name, fleet.Tags{"dept": name[:2]}, leanfleet.WithInstance("aws", "us-east-1", "m5.4xlarge")); err != nil {
			t.Fatal(err)
		}
		b := fleet.Batch{Host: fleet.HostID(name), Origin: fleet.OriginAgent, Step: 600000, Columns: []fleet.Column{{Metric: fleet.CPUUsage}, {Metric: fleet.MemoryUsage}}}
		for at := clock.AddDate(0, 0, -31); at.Before(*clock); at = at.Add(10 * time.Minute) {
			b.Start = append(b.Start, at.UnixMilli())
			b.Columns[0].Values = append(b.Columns[0].Values, int32(200+at.Hour()))
			b.Columns[1].Values = append(b.Columns[1].Values, 600)
		}
		batches = append(batches, b)
	}
	if _, err := m.Append(t.Context(), batches); err != nil {
		t.Fatal(err)
	}
	return m
}

func lineOf(t *testing.T, r *rightsizing.Result, host string) *rightsizing.Recommendation {
	t.Helper()
	for i := range r.Recommendations {
		if r.Recommendations[i].Name == host {
			return &r.Recommendations[i]
		}
	}
	t.Fatalf("no line of %s", host)
	return nil
}

// TestDecisionsAreHeeded: what was accepted stands on the line, what was
// dismissed is not advised, and both outlive the process.
func TestDecisionsAreHeeded(t *testing.T) {
	now := time.Date(2024, 2, 1, 0, 0, 0, 0, time.UTC)
	dir := t.TempDir()
	m := sleepers(t, dir, &now, "aa-1", "bb-1")
	before, err := m.Rightsize(t.Context(), rightsizing.Request{})
	if err != nil {
		t.Fatal(err)
	}
	advised := lineOf(t, &before, "aa-1").Recommended
	if advised == nil || lineOf(t, &before, "bb-1").Recommended == nil {
		t.Fatal("nothing is advised for hosts that do nothing")
	}
	got, err := m.Decide(t.Context(), leanfleet.DecideRequest{Action: advice.DecisionAccept, Hosts: []string{"aa-1"}, Why: "why not"})
	if err != nil {
		t.Fatal(err)
	}
	d := got.Decisions[0]
	if d.To != advised.InstanceType || d.From != "m5.4xlarge" || d.Who != "carlos" || !d.At.Equal(now) || !d.MonthlySavings.Equal(*lineOf(t, &before, "aa-1").MonthlySavings) {
		t.Errorf("accepted: %+v", d)
	}
	if _, err = m.Decide(t.Context(), leanfleet.DecideRequest{Action: advice.DecisionDismiss, Hosts: []string{"bb-1"}, Until: now.AddDate(0, 0, 7)}); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	m, err = leanfleet.Open(t.Context(), leanfleet.Options{Dir: dir, ReadOnly: true, Clock: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	after, err := m.Rightsize(t.Context(), rightsizing.Request{})
	if err != nil {
		t.Fatal(err)
	}
	if l := lineOf(t, &after, "aa-1"); l.Decision == nil || l.Decision.Action != advice.DecisionAccept {
		t.Errorf("the decision is not on the line: %+v", l.Decision)
	}
	if l := lineOf(t, &after, "bb-1"); l.Recommended != nil || after.Summary.Dismissed != 1 {
		t.Errorf("a dismissed change is advised: %+v", l.Recommended)
	}
	now = now.AddDate(0, 0, 7)
	if later, err := m.Rightsize(t.Context(), rightsizing.Request{Scope: fleet.Scope{AsOf: now}}); err != nil || later.Summary.Dismissed != 0 {
		t.Errorf("a dismissal that ran out counts: %d, %v", later.Summary.Dismissed, err)
	}
	if _, err := m.Decide(t.Context(), leanfleet.DecideRequest{Action: advice.DecisionAccept, Hosts: []string{"aa-1"}}); err == nil {
		t.Error("a reader decides")
	}
}

// TestRealisedSavings: a change is accepted, made, seen by the inventory, and
// undone; its savings by hand. m5.4xlarge costs 0.768 USD an hour, m5a.large
// 0.086.
func TestRealisedSavings(t *testing.T) {
	now := time.Date(2024, 2, 1, 0, 0, 0, 0, time.UTC)
	m := sleepers(t, t.TempDir(), &now, "aa-1")
	decide := func(action advice.DecisionAction, to string) {
		t.Helper()
		if _, err := m.Decide(t.Context(), leanfleet.DecideRequest{Action: action, Hosts: []string{"aa-1"}, To: to, Request: rightsizing.Request{Scope: fleet.Scope{AsOf: time.Date(2024, 2, 1, 0, 0, 0, 0, time.UTC)}}}); err != nil {
			t.Fatal(err)
		}
	}
	become := func(instanceType string) {
		t.Helper()
		s := fleet.Statement{Record: fleet.Record{Host: "aa-1", InstanceType: instanceType}}
		if _, err := m.PutRecords(t.Context(), []fleet.Statement{s}, fleet.Put{Effective: now}); err != nil {
			t.Fatal(err)
		}
	}
	check := func(want string) {
		t.Helper()
		r, err := m.Decisions(t.Context(), leanfleet.DecisionsRequest{Host: "aa-1"})
		if err != nil {
			t.Fatal(err)
		}
		d := r.Decisions[0]
		show := func(a *money.Amount) string {
			if a == nil {
				return "-"
			}
			return a.String()
		}
		got := fmt.Sprintf("%s %s %s %s %s of %s", d.State, d.Progress, show(d.Decision.MonthlySavings), show(d.Realised.Monthly), show(d.Realised.Total), show(d.ExpectedTotal))
		if got != want {
			t.Errorf("%s: %s, want %s", now.Format(time.DateOnly), got, want)
		}
	}
	decide(advice.DecisionAccept, "m5a.large")
	check("accepted not_seen_yet 497.86 USD - - of -")
	now = now.AddDate(0, 0, 1)
	decide(advice.DecisionDone, "")
	check("done not_seen_yet 497.86 USD - - of -")
	now = now.AddDate(0, 0, 1)
	become("m5a.large")
	now = now.AddDate(0, 0, 10) // 240 hours at 0.682
	check("done seen 497.86 USD 497.86 USD 163.68 USD of 163.68 USD")
	become("m5.4xlarge")
	now = now.AddDate(0, 0, 5)
	check("done undone 497.86 USD 0.00 USD 163.68 USD of 163.68 USD")
	now = now.AddDate(0, 0, 1)
	become("m5a.xlarge")
	now = now.AddDate(0, 0, 1)
	check("done other_type 497.86 USD 0.00 USD 163.68 USD of 163.68 USD")
	// Said to be done after the inventory knew: the type before is in its history.
	decide(advice.DecisionDone, "m5a.xlarge")
	r, err := m.Decisions(t.Context(), leanfleet.DecisionsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	d := r.Decisions[0]
	if d.Decision.From != "m5.4xlarge" || d.Progress != decisions.Seen || len(d.History) != 3 || r.States[decisions.Done] != 1 {
		t.Errorf("done after the fact: %+v", d)
	}
}

// TestDecideRefuses: what cannot be kept is refused, and nothing of it is kept.
func TestDecideRefuses(t *testing.T) {
	now := time.Date(2024, 2, 1, 0, 0, 0, 0, time.UTC)
	m := sleepers(t, t.TempDir(), &now, "aa-1", "bb-1")
	f := func(req leanfleet.DecideRequest, want string) {
		t.Helper()
		if _, err := m.Decide(t.Context(), req); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %s", req, err, want)
		}
	}
	accept := advice.DecisionAccept
	f(leanfleet.DecideRequest{Action: "perhaps", Hosts: []string{"aa-1"}}, "not accept, dismiss or done")
	f(leanfleet.DecideRequest{Action: accept}, "no hosts are named")
	f(leanfleet.DecideRequest{Action: accept, Hosts: []string{"aa-1"}, At: now.Add(time.Second)}, "lies in the future")
	f(leanfleet.DecideRequest{Action: accept, Hosts: []string{"aa-1"}, Until: now}, "is not after")
	f(leanfleet.DecideRequest{Action: advice.DecisionDone, Hosts: []string{"aa-1"}, Until: now.Add(1)}, "does not run out")
	f(leanfleet.DecideRequest{Action: accept, Hosts: []string{"aa-1", "aa-1"}}, "named twice")
	f(leanfleet.DecideRequest{Action: accept, Hosts: []string{"aa-1", "cc-1"}}, `unknown host "cc-1" in this advice`)
	f(leanfleet.DecideRequest{Action: accept, Hosts: []string{"aa-1"}, To: "m5.4xlarge"}, "is m5.4xlarge already")
	f(leanfleet.DecideRequest{Action: advice.DecisionDone, Hosts: []string{"aa-1"}, To: "m5.4xlarge"}, "was m5.4xlarge all the time")
	if r, err := m.Decisions(t.Context(), leanfleet.DecisionsRequest{}); err != nil || len(r.Decisions) != 0 {
		t.Errorf("something was kept: %+v, %v", r.Decisions, err)
	}
	if _, err := m.Decisions(t.Context(), leanfleet.DecisionsRequest{Host: "aa-1"}); err == nil {
		t.Error("a host that nothing was decided about")
	}
	if _, err := m.Decide(t.Context(), leanfleet.DecideRequest{Action: accept, Hosts: []string{"cc-1"}}); !errors.Is(err, fleet.ErrUnknownHost) {
		t.Errorf("an unknown host: %v", err)
	}
}

// TestDecisionFollowsAMerge: a host that was found to be another one takes its
// decisions along.
func TestDecisionFollowsAMerge(t *testing.T) {
	now := time.Date(2024, 2, 1, 0, 0, 0, 0, time.UTC)
	m := sleepers(t, t.TempDir(), &now, "aa-1", "bb-1")
	if _, err := m.Decide(t.Context(), leanfleet.DecideRequest{Action: advice.DecisionDismiss, Hosts: []string{"bb-1"}}); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Hour)
	if _, err := m.MergeHosts(t.Context(), leanfleet.MergeRequest{Into: "aa-1", From: "bb-1"}); err != nil {
		t.Fatal(err)
	}
	r, err := m.Decisions(t.Context(), leanfleet.DecisionsRequest{})
	if err != nil || len(r.Decisions) != 1 || r.Decisions[0].Host != "aa-1" {
		t.Errorf("%+v, %v", r.Decisions, err)
	}
}

// TestRememberedAdvice: what was remembered comes back with the next question,
// and is the same advice.
func TestRememberedAdvice(t *testing.T) {
	now := time.Date(2024, 2, 1, 0, 0, 0, 0, time.UTC)
	m := sleepers(t, t.TempDir(), &now, "aa-1", "bb-1")
	first, err := m.RememberAdvice(t.Context(), rightsizing.Request{})
	if err != nil || first.Changed != 2 {
		t.Fatalf("%d changed, %v", first.Changed, err)
	}
	again, err := m.RememberAdvice(t.Context(), rightsizing.Request{})
	if err != nil || again.Changed != 0 {
		t.Errorf("%d changed, %v", again.Changed, err)
	}
	for i := range first.Recommendations {
		a, b := &first.Recommendations[i], &again.Recommendations[i]
		if (a.Recommended == nil) != (b.Recommended == nil) || a.Recommended != nil && a.Recommended.InstanceType != b.Recommended.InstanceType {
			t.Errorf("%s: %+v, then %+v", a.Name, a.Recommended, b.Recommended)
		}
	}
	if _, err := m.RememberAdvice(t.Context(), rightsizing.Request{Policy: "max"}); err == nil {
		t.Error("the advice of another rule is remembered")
	}
}

// TestPotentialSavings: the groups come to what the list comes to.
func TestPotentialSavings(t *testing.T) {
	now := time.Date(2024, 2, 1, 0, 0, 0, 0, time.UTC)
	m := sleepers(t, t.TempDir(), &now, "aa-1", "aa-2", "bb-1")
	r, err := m.PotentialSavings(t.Context(), leanfleet.SavingsRequest{GroupBy: []string{"dept"}})
	if err != nil || len(r.Groups) != 2 || r.Groups[0].Hosts != 2 {
		t.Fatalf("%+v, %v", r.Groups, err)
	}
	sum := money.Zero(r.Currency)
	for _, g := range r.Groups {
		if sum, err = sum.Add(g.MonthlySavings); err != nil {
			t.Fatal(err)
		}
	}
	want, err := r.Summary.Shrinks.MonthlySavings.Add(r.Summary.Swaps.MonthlySavings)
	if err != nil || !sum.Equal(want) || sum.Sign() <= 0 {
		t.Errorf("the groups save %s, the list %s (%v)", sum, want, err)
	}
	if _, err := m.PotentialSavings(t.Context(), leanfleet.SavingsRequest{GroupBy: []string{"set"}}); err == nil {
		t.Error("by sets that nobody configured")
	}
}

// TestAdviceFollowsTheData: what a Monitor keeps in memory between questions never
// outlives the data: samples, records and sizes that come later count at once.
func TestAdviceFollowsTheData(t *testing.T) {
	now := time.Date(2024, 2, 1, 0, 0, 0, 0, time.UTC)
	m := sleepers(t, t.TempDir(), &now, "aa-1")
	line := func() *rightsizing.Recommendation {
		t.Helper()
		r, err := m.Rightsize(t.Context(), rightsizing.Request{})
		if err != nil {
			t.Fatal(err)
		}
		again, err := m.Rightsize(t.Context(), rightsizing.Request{})
		if err != nil {
			t.Fatal(err)
		}
		if a, b := fmt.Sprintf("%+v", lineOf(t, &r, "aa-1").Evidence.KnownDaysCPU), fmt.Sprintf("%+v", lineOf(t, &again, "aa-1").Evidence.KnownDaysCPU); a != b {
			t.Errorf("asked again: %s and %s", a, b)
		}
		return lineOf(t, &again, "aa-1")
	}
	if x := line(); x.Recommended == nil || x.Current.InstanceType != "m5.4xlarge" || x.Finding == rightsizing.FindingUnderProvisioned {
		t.Fatalf("at first: %+v", x)
	}
	// A stretch of January was measured before the host was known to be busy.
	b := fleet.Batch{Host: "aa-1", Origin: fleet.OriginAgent, Step: 600000, Columns: []fleet.Column{{Metric: fleet.CPUUsage}, {Metric: fleet.MemoryUsage}}}
	for at := now.AddDate(0, 0, -40); at.Before(now.AddDate(0, 0, -31)); at = at.Add(10 * time.Minute) {
		b.Start = append(b.Start, at.UnixMilli())
		b.Columns[0].Values = append(b.Columns[0].Values, 9900)
		b.Columns[1].Values = append(b.Columns[1].Values, 600)
	}
	if _, err := m.Append(t.Context(), []fleet.Batch{b}); err != nil {
		t.Fatal(err)
	}
	if x := line(); x.Evidence.KnownDaysCPU != 40 || x.Recommended != nil && x.Recommended.VCPUs < 16 {
		t.Errorf("with earlier, busy days: %d days known, advised %+v", x.Evidence.KnownDaysCPU, x.Recommended)
	}
	csv := filepath.Join(t.TempDir(), "new.csv")
	if err := os.WriteFile(csv, []byte("host,provider,region,instance_type,os\naa-1,aws,us-east-1,m5.8xlarge,linux\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Import(t.Context(), leanfleet.ImportRequest{Inventory: []string{csv}, Effective: now.AddDate(0, 0, -1)}); err != nil {
		t.Fatal(err)
	}
	if x := line(); x.Current.InstanceType != "m5.8xlarge" || x.Current.VCPUs != 32 {
		t.Errorf("after a resize: %+v", x.Current)
	}
}
