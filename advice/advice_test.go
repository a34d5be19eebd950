package advice_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/advice"
	"github.com/leanfleet/leanfleet/money"
)

func TestEffortOf(t *testing.T) {
	f := func(want advice.Effort, codes ...advice.Code) {
		t.Helper()
		var checks []advice.Check
		for _, c := range codes {
			checks = append(checks, advice.Check{Code: c})
		}
		if got := advice.EffortOf(checks); got != want {
			t.Errorf("%v: %s, want %s", codes, got, want)
		}
	}
	f(advice.EffortLow)
	f(advice.EffortLow, advice.CheckNetwork, advice.CheckMemory, advice.CheckCPU, advice.CheckBurstable)
	f(advice.EffortMedium, advice.CheckNetwork, advice.CheckHypervisor)
	f(advice.EffortMedium, advice.CheckUnknown)
	f(advice.EffortHigh, advice.CheckHypervisor, advice.CheckArchitecture)
	f(advice.EffortHigh, advice.CheckProvider)
	f(advice.EffortHigh, advice.CheckRegion)
	f(advice.EffortMedium, advice.CheckInterruption)
}

func TestChangeJSON(t *testing.T) {
	saved := money.FromMinor(1230, "USD")
	raw, err := json.Marshal(advice.Change{Action: advice.ActionResize, Host: "h", From: "a", To: "b", MonthlySavings: &saved, Currency: "USD", Effort: advice.EffortLow, Checks: []advice.Check{}})
	want := `{"action":"resize","host":"h","from":"a","to":"b","monthly_savings":12.30,"monthly_effective_savings":null,"currency":"USD","effort":"low","checks":[]}`
	if err != nil || string(raw) != want {
		t.Errorf("%s, %v", raw, err)
	}
}

func TestDecision(t *testing.T) {
	noon := time.Date(2024, 3, 1, 12, 0, 0, 0, time.UTC)
	d := advice.Decision{Host: "h", From: "l4", To: "l2", Action: advice.DecisionDismiss, At: noon, Until: noon.Add(24 * time.Hour)}
	for offset, want := range map[time.Duration]bool{-time.Second: false, 0: true, 24*time.Hour - 1: true, 24 * time.Hour: false} {
		if got := d.Active(noon.Add(offset)); got != want {
			t.Errorf("%v after it was made: active %v", offset, got)
		}
	}
	if d.Until = (time.Time{}); !d.Active(noon.AddDate(10, 0, 0)) {
		t.Error("a decision for good ran out")
	}
	if !d.About("l2") || d.About("l1") {
		t.Error("a decision about l2")
	}
	if d.To = ""; !d.About("l1") {
		t.Error("a decision about every change of the host")
	}
	if !d.Action.Valid() || advice.DecisionAction("perhaps").Valid() {
		t.Error("actions")
	}
	d.To = "l2"
	raw, err := json.Marshal(d)
	want := `{"host":"h","from":"l4","to":"l2","action":"dismiss","at":"2024-03-01T12:00:00Z","monthly_savings":null}`
	if err != nil || string(raw) != want {
		t.Errorf("%s, %v", raw, err)
	}
}
