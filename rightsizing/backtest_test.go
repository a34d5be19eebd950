package rightsizing_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/rightsizing"
)

// A fleet of three: "calm" stays idle, "riser" rises to 3 of 4 vCPUs after the
// split, and "blind" has no memory. The split is 14 days before asOf.
func backtestLab(t *testing.T) *lab {
	l := newLab(t)
	for _, n := range []string{"calm", "riser", "blind"} {
		l.host(n, "l4")
		l.load(n, fleet.CPUUsage, asOf, 74, func(d, _ int) float64 {
			if n == "riser" && d >= 60 {
				return 0.75
			}
			return 0.05
		})
		if n != "blind" {
			l.load(n, fleet.MemoryUsage, asOf, 74, always(0.05))
		}
	}
	return l
}

func outcomeOf(t *testing.T, list []rightsizing.PolicyOutcome, policy string) rightsizing.PolicyOutcome {
	t.Helper()
	for _, p := range list {
		if p.Policy == policy {
			return p
		}
	}
	t.Fatalf("no policy %s", policy)
	return rightsizing.PolicyOutcome{}
}

// By hand, at 29.20 a month for each l4 and 7.30 for an l1: 0.2 vCPUs in use need
// 0.25, so the rules shrink calm and riser to l1 (0.8 of 16 GiB over 0.8 = 1 GiB
// fits 4) and keep blind. riser then needs 3 / 0.8 = 3.75 vCPUs and breaks. The
// clairvoyant shrinks calm alone.
func TestBacktestByHand(t *testing.T) {
	l := backtestLab(t)
	r, err := rightsizing.Backtest(t.Context(), l.env(), rightsizing.BacktestRequest{Request: rightsizing.Request{Confidence: 0.8, MaxRisk: 1}, Windows: 1})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Windows) != 1 || r.Windows[0].Shift || !r.Windows[0].Test.Start.Equal(asOf.AddDate(0, 0, -14)) || !r.Windows[0].Train.End.Equal(r.Windows[0].Test.Start) {
		t.Fatalf("windows %+v", r.Windows)
	}
	p := outcomeOf(t, r.Pooled, "aws-default")
	if p.Hosts != 3 || p.Changed != 2 || p.Shrunk != 2 || p.Broken != 1 || p.BrokenShrunk != 1 || p.Swapped != 0 {
		t.Errorf("aws-default: %+v", p.Tally)
	}
	if got := p.CostBefore.String() + ", " + p.Saved.String() + ", " + p.ClairvoyantSaved.String(); got != "87.60 USD, 43.80 USD, 21.90 USD" {
		t.Errorf("aws-default amounts %s", got)
	}
	if v := *p.BrokenShare.Value; v != 0.5 || p.BrokenShare.Numerator != 1 || p.BrokenShare.Denominator != 2 {
		t.Errorf("broken share %+v", p.BrokenShare)
	}
	// riser is at 3 of 1 vCPU all the time: a third of all time is above 100 %.
	if math.Abs(p.TimeAbove80-1.0/3) > 1e-9 || math.Abs(p.TimeAbove100-1.0/3) > 1e-9 {
		t.Errorf("time above 80 %% %.4f, 100 %% %.4f, want a third", p.TimeAbove80, p.TimeAbove100)
	}
	if c := outcomeOf(t, r.Pooled, rightsizing.PolicyClairvoyant); c.Broken != 0 || c.Changed != 1 || *c.OfClairvoyant.Value != 1 {
		t.Errorf("clairvoyant: %+v", c.Tally)
	}
	if d := outcomeOf(t, r.Pooled, rightsizing.PolicyDoNothing); d.Changed != 0 || d.Saved.Sign() != 0 || d.BrokenShare.Value != nil {
		t.Errorf("do-nothing: %+v", d.Tally)
	}
	ours := r.Windows[0].Hosts
	if len(ours) != 2 || string(ours[0].Host) != "calm" || ours[0].Broken || string(ours[1].Host) != "riser" || !ours[1].Broken || math.Abs(ours[1].NeededVCPUs-3.75) > 0.02 {
		t.Errorf("hosts of ours: %+v", ours)
	}
}

// What the back-test did at a split is what Recommend says when nothing at or
// after the split can be read; the days after it change no advice.
func TestLearnerNeverSeesTheTest(t *testing.T) {
	l := backtestLab(t)
	split := asOf.AddDate(0, 0, -14)
	req := rightsizing.Request{Confidence: 0.8, Scope: fleet.Scope{AsOf: split}}
	env := l.env()
	env.Source = sealed{l.memory, split, func(w fleet.Window) { t.Errorf("asked for %s, beyond %s", w, split.Format(time.RFC3339)) }}
	advice, err := rightsizing.Recommend(t.Context(), env, req)
	if err != nil {
		t.Fatal(err)
	}
	r, err := rightsizing.Backtest(t.Context(), l.env(), rightsizing.BacktestRequest{Request: rightsizing.Request{Confidence: 0.8}, Splits: []time.Time{split}, Policies: []string{"leanfleet"}})
	if err != nil {
		t.Fatal(err)
	}
	replayed := map[fleet.HostID]rightsizing.HostOutcome{}
	for _, h := range r.Windows[0].Hosts {
		replayed[h.Host] = h
	}
	changed := 0
	for _, x := range advice.Recommendations {
		h, ok := replayed[x.Host]
		if ok != (x.Recommended != nil) || ok && (h.To != x.Recommended.InstanceType || h.BreakProbability != *x.BreakProbability) {
			t.Errorf("%s: advised %s, replayed %+v", x.Host, to(x), h)
		}
		if ok {
			changed++
		}
	}
	if changed == 0 {
		t.Error("nothing was advised, so nothing was compared")
	}
}

// The seal itself has teeth: advice as of the end is noticed.
func TestSealIsNoticed(t *testing.T) {
	l := backtestLab(t)
	noticed := 0
	env := l.env()
	env.Source = sealed{l.memory, asOf.AddDate(0, 0, -14), func(fleet.Window) { noticed++ }}
	if _, err := rightsizing.Recommend(t.Context(), env, rightsizing.Request{}); err != nil {
		t.Fatal(err)
	}
	if noticed == 0 {
		t.Error("advice as of the end did not read beyond the cut")
	}
}

// A window is a shift where more than twice the median share of hosts is above
// the limit unchanged: here all three in the last of four windows.
func TestShift(t *testing.T) {
	l := newLab(t)
	for _, n := range []string{"a", "b", "c"} {
		l.host(n, "l4")
		l.load(n, fleet.CPUUsage, asOf, 100, func(d, _ int) float64 {
			if d >= 86 || n == "a" {
				return 0.85
			}
			return 0.1
		})
	}
	r, err := rightsizing.Backtest(t.Context(), l.env(), rightsizing.BacktestRequest{Train: 30 * 24 * time.Hour, Windows: 4, Policies: []string{"leanfleet", "aws-default"}})
	if err != nil {
		t.Fatal(err)
	}
	var got []bool
	for _, w := range r.Windows {
		got = append(got, w.Shift)
	}
	if len(got) != 4 || got[0] || got[1] || got[2] || !got[3] {
		t.Errorf("shifts %v, want the last alone", got)
	}
	with, without := outcomeOf(t, r.Pooled, "leanfleet"), outcomeOf(t, r.PooledWithoutShift, "leanfleet")
	if with.Hosts != 12 || without.Hosts != 9 {
		t.Errorf("hosts with shifts %d, without %d; want 12 and 9", with.Hosts, without.Hosts)
	}
}

// The JSON fields that others read.
func TestContracts(t *testing.T) {
	l := backtestLab(t)
	keys := func(v any, path ...string) map[string]any {
		t.Helper()
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var x any
		if err := json.Unmarshal(data, &x); err != nil {
			t.Fatal(err)
		}
		for _, p := range path {
			if list, ok := x.(map[string]any)[p].([]any); ok {
				x = list[0]
			} else {
				x = x.(map[string]any)[p]
			}
		}
		return x.(map[string]any)
	}
	want := func(m map[string]any, names string) {
		t.Helper()
		for _, n := range strings.Fields(names) {
			if _, ok := m[n]; !ok {
				t.Errorf("no %q among %d fields", n, len(m))
			}
		}
	}
	a := l.recommend(rightsizing.Request{Confidence: 0.8})
	want(keys(a), "as_of window policy confidence currency recommendations summary calibration")
	want(keys(a, "recommendations"), "host provider region current finding reasons recommended options break_probability confidence monthly_savings annual_savings checks evidence")
	want(keys(a, "recommendations", "current"), "instance_type vcpus memory_bytes monthly_cost")
	b, err := rightsizing.Backtest(t.Context(), l.env(), rightsizing.BacktestRequest{Windows: 1})
	if err != nil {
		t.Fatal(err)
	}
	want(keys(b), "windows pooled")
	want(keys(b, "windows"), "train test shift policies")
	want(keys(b, "windows", "policies"), "policy confidence hosts changed shrunk broken broken_shrunk saved cost_before clairvoyant_saved")
	data, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	again, err := rightsizing.Backtest(t.Context(), l.env(), rightsizing.BacktestRequest{Windows: 1})
	if err != nil {
		t.Fatal(err)
	}
	if second, err := json.Marshal(again); err != nil || string(second) != string(data) {
		t.Errorf("asked twice, two answers (%v)", err)
	}
}

// Each preset's rule on one host of 8 vCPUs and 32 GiB, 14 days of hourly samples:
// 0.4 vCPUs but for one hour at 4 in each of the last 14 days (1 in 24 hours, so
// above P95 but below P96), and 4 GiB but for one hour at 8.
//
//	aws-default: P99.5 = 4, / 0.8 = 5       -> 8 vCPUs, memory 8 / 0.8 = 10: keep
//	aws-max-performance: 4 / 0.7            -> keep
//	aws-balanced: P95 = 0.4, / 0.7 = 0.57; 8 / 0.7 = 11.4 GiB  -> l4
//	aws-max-savings: P90 = 0.4; 8 / 0.9 = 8.9 GiB              -> l4
//	azure-user: P95 / 0.4 = 1; P99 = 8, / 0.6 = 13.3 GiB       -> l4
//	azure-other: 0.5; 8 / 0.8 = 10 GiB                         -> l4
//	gcp, max: max 4 vCPUs, 8 GiB                               -> l4
//	krr: 0.4; 8 x 1.15 = 9.2 GiB                               -> l4
//	vpa: 0.4 x 1.15; 8 x 1.15 = 9.2 GiB                        -> l4
func TestPresetsByHand(t *testing.T) {
	l := newLab(t)
	l.host("one", "l8")
	spike := func(usual, hour3 float64) func(int, int) float64 {
		return func(_, hour int) float64 {
			if hour == 3 {
				return hour3
			}
			return usual
		}
	}
	l.load("one", fleet.CPUUsage, asOf, 14, spike(0.05, 0.5))
	l.load("one", fleet.MemoryUsage, asOf, 14, spike(0.125, 0.25))
	for policy, want := range map[string]string{
		"aws-default": "keep", "aws-max-performance": "keep", "aws-balanced": "l4", "aws-max-savings": "l4", "azure-user": "l4", "azure-other": "l4",
		"gcp": "l4", "max": "l4", "krr": "l4", "vpa": "l4", "do-nothing": "keep",
	} {
		if got := to(line(t, l.recommend(rightsizing.Request{Policy: policy}), "one")); got != want {
			t.Errorf("%s: %s, want %s", policy, got, want)
		}
	}
}
