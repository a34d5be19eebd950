package advice_test

import (
	"encoding/json"
	"testing"

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
}

func TestChangeJSON(t *testing.T) {
	saved := money.FromMinor(1230, "USD")
	raw, err := json.Marshal(advice.Change{Action: advice.ActionResize, Host: "h", From: "a", To: "b", MonthlySavings: &saved, Currency: "USD", Effort: advice.EffortLow, Checks: []advice.Check{}})
	want := `{"action":"resize","host":"h","from":"a","to":"b","monthly_savings":12.30,"monthly_effective_savings":null,"currency":"USD","effort":"low","checks":[]}`
	if err != nil || string(raw) != want {
		t.Errorf("%s, %v", raw, err)
	}
}
