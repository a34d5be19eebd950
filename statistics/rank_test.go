package statistics_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/statistics"
)

// rough is a source whose shares of time are off: by half a percent, of days by
// a percent.
type rough struct {
	fleet.Source
	err error
}

func (r rough) RankError(_ context.Context, q fleet.Query) (float64, error) {
	switch {
	case q.Groups:
		return 0, r.err
	case q.Step == fleet.StepDay:
		return 0.01, r.err
	}
	return 0.005, r.err
}

// TestRankError: an answer says how far shares of time are off, where figures
// hang on them; of a source that reads every sample nothing is said.
func TestRankError(t *testing.T) {
	scope := fleet.Scope{Range: "2024-01-01..2024-01-02"}
	answers := map[string]func(fleet.Source) (float64, any, error){
		"stats": func(s fleet.Source) (float64, any, error) {
			r, err := statistics.Fleet(t.Context(), environment(s), statistics.Request{Metric: "cpu_usage", Scope: scope})
			return r.RankError, r, err
		},
		"stats over hosts": func(s fleet.Source) (float64, any, error) {
			r, err := statistics.Fleet(t.Context(), environment(s), statistics.Request{Metric: "cpu_usage", Scope: scope, Over: statistics.OverHosts})
			return r.RankError, r, err
		},
		"distribution over hosts": func(s fleet.Source) (float64, any, error) {
			r, err := statistics.Fleet(t.Context(), environment(s), statistics.Request{Metric: "cpu_usage", Scope: scope, Over: statistics.OverHosts, Distribution: true})
			return r.RankError, r, err
		},
		"nothing measured": func(s fleet.Source) (float64, any, error) {
			r, err := statistics.Fleet(t.Context(), environment(s), statistics.Request{Metric: "memory_usage", Scope: scope})
			return r.RankError, r, err
		},
		"trend": func(s fleet.Source) (float64, any, error) {
			r, err := statistics.Trend(t.Context(), environment(s), statistics.TrendRequest{Metric: "cpu_usage", Scope: scope})
			return r.RankError, r, err
		},
		"trend over hosts": func(s fleet.Source) (float64, any, error) {
			r, err := statistics.Trend(t.Context(), environment(s), statistics.TrendRequest{Metric: "cpu_usage", Scope: scope, Over: statistics.OverHosts})
			return r.RankError, r, err
		},
		"top": func(s fleet.Source) (float64, any, error) {
			r, err := statistics.Top(t.Context(), environment(s), statistics.TopRequest{Metric: "cpu_usage", Scope: scope})
			return r.RankError, r, err
		},
	}
	want := map[string]float64{"stats": 0.005, "distribution over hosts": 0.005, "trend": 0.01, "top": 0.005}
	memory := small(t)
	for name, answer := range answers {
		got, r, err := answer(rough{Source: memory})
		if err != nil || got != want[name] {
			t.Errorf("%s: rank error %v, want %v; error %v", name, got, want[name], err)
		}
		text, err := json.Marshal(r)
		if has := strings.Contains(string(text), `"rank_error":0.`); err != nil || has != (want[name] > 0) {
			t.Errorf("%s: %s, error %v", name, text, err)
		}
		if got, r, err = answer(memory); err != nil || got != 0 {
			t.Errorf("%s: rank error %v of a source that reads every sample; error %v", name, got, err)
		}
		if text, err = json.Marshal(r); err != nil || strings.Contains(string(text), "rank_error") {
			t.Errorf("%s: %s, error %v", name, text, err)
		}
		gone := errors.New("the engine is gone")
		if _, _, err = answer(rough{memory, gone}); want[name] > 0 && (!errors.Is(err, gone) || !strings.Contains(err.Error(), "see how exact cpu_usage is")) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}
