package rightsizing_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/rightsizing"
)

// An idle l4 for 20 days: no pseudo-split fits in, so a = a0 = 3 + 0.7 ln(60/20)
// = 3.769 for CPU and 5.8 + 0.769 = 6.569 for memory. It uses 0.2 of 4 vCPUs =
// 0.8 in every hour, so every D and R is 0.8/0.8 = 1 vCPU, and 0.1 of 16 GiB =
// 1.6 GiB.
//
//	l2, CPU:    z = 2 ln(1/2) + 2 ln 0.05   = -1.3863 - 5.9915 = -7.3778, p = 0.01 + 0.99 / (1 + e^3.6088) = 0.03613
//	l2, memory: z = 2 ln(1.6/8) + 2 ln 0.05 = -3.2189 - 5.9915 = -9.2104, p = 0.02 + 0.98 / (1 + e^2.6414) = 0.08519
//
// together 1 - 0.96387 x 0.91481 = 0.11824.
func TestChanceByHand(t *testing.T) {
	l := newLab(t)
	l.host("idle", "l4")
	l.load("idle", fleet.CPUUsage, asOf, 20, always(0.2))
	l.load("idle", fleet.MemoryUsage, asOf, 20, always(0.1))
	r := l.recommend(rightsizing.Request{Confidence: 0.8})
	x := line(t, r, "idle")
	if to(x) != "l2" || x.Kind != rightsizing.KindShrink || x.Finding != rightsizing.FindingOverProvisioned {
		t.Fatalf("advised %s (%s, %s), want l2", to(x), x.Kind, x.Finding)
	}
	o := x.Options[0]
	for name, pair := range map[string][2]float64{
		"cpu": {o.BreakCPU, 0.03613}, "memory": {o.BreakMemory, 0.08519}, "both": {*x.BreakProbability, 0.11824}, "confidence": {*x.Confidence, 0.88176},
		"projected cpu": {*o.ProjectedCPU, 0.4}, "projected memory": {*o.ProjectedMemory, 0.2}, "a cpu": {r.Learned.CPU, 3.76903}, "a memory": {r.Learned.Memory, 6.56903},
	} {
		if math.Abs(pair[0]-pair[1]) > 0.002 {
			t.Errorf("%s is %.5f, by hand %.5f", name, pair[0], pair[1])
		}
	}
	// 0.04 x 730 = 29.20 before, 14.60 after.
	if got := x.Current.MonthlyCost.String() + " " + x.MonthlySavings.String() + " " + x.AnnualSavings.String(); got != "29.20 USD 14.60 USD 175.20 USD" {
		t.Errorf("amounts %s", got)
	}
	// At 0.95 nothing may be stated above 0.05 / 1.25 = 0.04 on average.
	if x := line(t, l.recommend(rightsizing.Request{}), "idle"); to(x) != "keep" || x.Finding != rightsizing.FindingRightSized {
		t.Errorf("at 0.95: %s, want keep", to(x))
	}
	// The strict reading: no line above 0.10.
	if x := line(t, l.recommend(rightsizing.Request{Confidence: 0.8, MaxRisk: 0.10, Explain: true}), "idle"); to(x) != "keep" || why(t, x, "l2") != rightsizing.RejectedRisk {
		t.Errorf("with max-risk 0.10: %s, l2 %s", to(x), why(t, x, "l2"))
	}
}

func TestExplain(t *testing.T) {
	l := newLab(t)
	l.host("idle", "l4")
	l.load("idle", fleet.CPUUsage, asOf, 60, always(0.05))
	l.load("idle", fleet.MemoryUsage, asOf, 60, always(0.05))
	explain := func(req rightsizing.Request) rightsizing.Recommendation {
		req.Explain, req.Confidence = true, 0.8
		return line(t, l.recommend(req), "idle")
	}
	x := explain(rightsizing.Request{})
	for typ, want := range map[string]string{
		"l4": rightsizing.RejectedCurrent, "l8": rightsizing.RejectedNotCheaper, "l4copy": rightsizing.RejectedNotCheaper, "a2": rightsizing.RejectedArchitecture,
		"n2": rightsizing.RejectedNotCurrent, "m1": rightsizing.RejectedDominated, // 0.025 for less than l2 has at 0.02
	} {
		if got := why(t, x, typ); got != want {
			t.Errorf("%s: %s, want %s", typ, got, want)
		}
	}
	if to(x) != "l1" && to(x) != "l2" || why(t, x, to(x)) != "chosen" {
		t.Errorf("advised %s", to(x))
	}
	if got := why(t, explain(rightsizing.Request{Filter: rightsizing.Filter{DenyFamilies: []string{"l"}}}), "l2"); got != rightsizing.RejectedFamily {
		t.Errorf("l2 with its family denied: %s", got)
	}
	x = explain(rightsizing.Request{Filter: rightsizing.Filter{AllowFamilies: []string{"n"}}})
	if to(x) != "n2" || why(t, x, "l2") != rightsizing.RejectedFamily {
		t.Errorf("with family n alone: %s, l2 %s", to(x), why(t, x, "l2"))
	}
	x = explain(rightsizing.Request{Filter: rightsizing.Filter{AllowARM: true}, MinMonthlySavings: 20})
	// a2 saves 0.025 x 730 = 18.25, l1 21.90 a month.
	if got := why(t, x, "a2"); got != rightsizing.RejectedSavings {
		t.Errorf("a2 where 20 a month have to be saved: %s", got)
	}
}

// Two price dates: m1 cost 0.015 in 2023, when l2 did not dominate it.
func TestPriceDates(t *testing.T) {
	l := newLab(t)
	l.host("idle", "l4")
	l.load("idle", fleet.CPUUsage, asOf, 60, always(0.02))
	l.load("idle", fleet.MemoryUsage, asOf, 60, always(0.4)) // 6.4 GiB: l1 has too little
	then := time.Date(2023, 6, 1, 0, 0, 0, 0, time.UTC)
	x := line(t, l.recommend(rightsizing.Request{Confidence: 0.5, MaxRisk: 1, Explain: true, PricesAsOf: then}), "idle")
	if got := why(t, x, "m1"); got == rightsizing.RejectedDominated {
		t.Errorf("m1 at 2023's price: %s", got)
	}
	x = line(t, l.recommend(rightsizing.Request{Confidence: 0.5, MaxRisk: 1, Explain: true}), "idle")
	if got := why(t, x, "m1"); got != rightsizing.RejectedDominated {
		t.Errorf("m1 at today's price: %s, want dominated", got)
	}
}

// A host of 8 vCPUs that became one of 4 thirty days ago uses 2 vCPUs' worth all
// along: 25 % before, 50 % after. Its demand is 2, it needs 2 / 0.8 = 2.5 vCPUs.
func TestResizeInsideTheWindow(t *testing.T) {
	l := newLab(t)
	l.host("grew-down", "l8")
	resized := asOf.AddDate(0, 0, -30)
	put := fleet.Put{At: asOf, Effective: resized}
	if _, err := l.memory.PutRecords(t.Context(), []fleet.Statement{{Record: fleet.Record{Host: "grew-down", InstanceType: "l4"}}}, put); err != nil {
		t.Fatal(err)
	}
	l.load("grew-down", fleet.CPUUsage, resized, 30, always(0.25))
	l.load("grew-down", fleet.CPUUsage, asOf, 30, always(0.50))
	l.load("grew-down", fleet.MemoryUsage, asOf, 60, always(0.1))
	x := line(t, l.recommend(rightsizing.Request{Explain: true}), "grew-down")
	e := x.Evidence
	if x.Current.InstanceType != "l4" || e.KnownDaysCPU != 60 || math.Abs(*e.WorstCPU-2.5) > 0.02 || math.Abs(*e.TypicalCPU-2.5) > 0.02 {
		t.Errorf("on %s, %d known days, worst %.3f, typical %.3f; want l4, 60, 2.5, 2.5", x.Current.InstanceType, e.KnownDaysCPU, *e.WorstCPU, *e.TypicalCPU)
	}
	if got := why(t, x, "l2"); got != rightsizing.RejectedRisk {
		t.Errorf("l2: %s, want %s", got, rightsizing.RejectedRisk)
	}
}

// An l4 that is idle but for one busy hour on the first of each month (1 January,
// 1 February): one of the two days is set aside, the other one keeps speaking.
func TestMonthEndPeak(t *testing.T) {
	chance := func(peaks bool) (float64, rightsizing.Recommendation) {
		l := newLab(t)
		l.host("books", "l4")
		l.load("books", fleet.CPUUsage, asOf, 60, func(d, hour int) float64 {
			at := asOf.Add(time.Duration(d-60) * 24 * time.Hour)
			if peaks && at.Day() == 1 && hour == 3 || peaks && d == 0 && hour == 3 { // 1 February and 1 January
				return 0.75
			}
			return 0.05
		})
		l.load("books", fleet.MemoryUsage, asOf, 60, always(0.05))
		x := line(t, l.recommend(rightsizing.Request{Explain: true}), "books")
		for _, c := range x.Candidates {
			if c.InstanceType == "l2" {
				return *c.BreakCPU, x
			}
		}
		t.Fatal("l2 is no candidate")
		return 0, x
	}
	calm, _ := chance(false)
	peaky, x := chance(true)
	if peaky < 4*calm || to(x) != "keep" {
		t.Errorf("chance of l2 %.4f without and %.4f with peaks, advised %s; want four times as much and keep", calm, peaky, to(x))
	}
	if e := x.Evidence; e.SetAsideCPU == "" || math.Abs(*e.WorstCPU-0.75*4/0.8) > 0.03 {
		t.Errorf("evidence %+v: want a day set aside and 3.75 as the worst of the rest", e)
	}
}

// Memory that grows by 0.2 GiB a day from 2 to 13.8 of 16 GiB is above 8 GiB on the
// last thirty days.
func TestMemoryLeak(t *testing.T) {
	l := newLab(t)
	l.host("leak", "l4")
	l.load("leak", fleet.CPUUsage, asOf, 60, always(0.02))
	l.load("leak", fleet.MemoryUsage, asOf, 60, func(d, _ int) float64 { return (2 + 0.2*float64(d)) / 16 })
	x := line(t, l.recommend(rightsizing.Request{Confidence: 0.5, MaxRisk: 0.5, Explain: true}), "leak")
	if to(x) != "keep" || why(t, x, "l2") != rightsizing.RejectedRisk {
		t.Errorf("advised %s, l2 %s; want keep", to(x), why(t, x, "l2"))
	}
}

// Fewer than three known days: no shrinking, whatever the confidence; and none
// without a known day among the last seven.
func TestFewDays(t *testing.T) {
	for _, c := range []struct {
		days   int
		end    time.Time
		reason string
	}{
		{2, asOf, "few_days"},
		{0, asOf, "no_samples"},
		{30, asOf.AddDate(0, 0, -8), "silent"},
		{3, asOf, ""},
	} {
		l := newLab(t)
		l.host("young", "l4")
		if c.days > 0 {
			l.load("young", fleet.CPUUsage, c.end, c.days, always(0.01))
			l.load("young", fleet.MemoryUsage, c.end, c.days, always(0.01))
		}
		x := line(t, l.recommend(rightsizing.Request{Confidence: 0.01, MaxRisk: 1, Explain: true}), "young")
		if c.reason == "" {
			if to(x) == "keep" {
				t.Errorf("%d days at any risk: kept", c.days)
			}
			continue
		}
		if to(x) != "keep" || x.Finding != rightsizing.FindingNotEnoughData || !has(x.Reasons, c.reason) {
			t.Errorf("%d days: %s, %s %v; want keep and %s", c.days, to(x), x.Finding, x.Reasons, c.reason)
		}
		if got := why(t, x, "l2"); got != rightsizing.RejectedCPUUnknown {
			t.Errorf("%d days: l2 %s", c.days, got)
		}
	}
}

func TestMemoryUnknownIsNeverReduced(t *testing.T) {
	l := newLab(t)
	l.host("blind", "l4")
	l.load("blind", fleet.CPUUsage, asOf, 60, always(0.01))
	for _, policy := range rightsizing.Policies() {
		x := line(t, l.recommend(rightsizing.Request{Policy: policy, Confidence: 0.01, MaxRisk: 1, Explain: true}), "blind")
		if to(x) != "keep" || !has(x.Reasons, "memory_unknown") {
			t.Errorf("%s: %s %v", policy, to(x), x.Reasons)
		}
		if got := why(t, x, "l2"); policy == rightsizing.PolicyLeanfleet && got != rightsizing.RejectedMemUnknown {
			t.Errorf("l2: %s", got)
		}
	}
}

func TestExcluded(t *testing.T) {
	l := newLab(t)
	l.host("strange", "l16")
	l.record(fleet.Record{Host: "elsewhere", Provider: "aws", Region: "mars-1", InstanceType: "m5.large", OS: "linux"})
	l.record(fleet.Record{Host: "bare"})
	l.record(fleet.Record{Host: "gone", Provider: "lab", Region: "dc", InstanceType: "l4", State: fleet.StateTerminated})
	r := l.recommend(rightsizing.Request{})
	for host, reason := range map[string]string{"strange": "no_type", "elsewhere": "no_price", "bare": "no_type"} {
		if x := line(t, r, host); x.Finding != rightsizing.FindingExcluded || !has(x.Reasons, reason) || x.Recommended != nil || x.MonthlySavings != nil || x.Current.MonthlyCost != nil {
			t.Errorf("%s: %s %v, cost %v", host, x.Finding, x.Reasons, x.Current.MonthlyCost)
		}
	}
	if len(r.Recommendations) != 3 || r.Summary.Findings[rightsizing.FindingExcluded] != 3 {
		t.Errorf("%d lines, findings %v", len(r.Recommendations), r.Summary.Findings)
	}
}

// An m4.xlarge (Xen, no longer current) is advised a current type of no less, a
// swap without any sizing risk; another old family is no candidate, and its
// sizes are told apart from shrinking.
func TestOldFamily(t *testing.T) {
	l := newLab(t)
	l.record(fleet.Record{Host: "old", Provider: "aws", Region: "us-east-1", InstanceType: "m4.xlarge", OS: "linux"})
	x := line(t, l.recommend(rightsizing.Request{Explain: true}), "old")
	if x.Kind != rightsizing.KindSwap || *x.BreakProbability != 0 || x.Recommended.VCPUs < 4 || x.Recommended.MemoryBytes < 16*gib {
		t.Fatalf("advised %+v (%s)", x.Recommended, x.Kind)
	}
	if len(x.Checks) == 0 || x.Effort == "low" {
		t.Errorf("from Xen without checks: %v, effort %s", x.Checks, x.Effort)
	}
	for typ, want := range map[string]string{"c4.xlarge": rightsizing.RejectedNotCurrent, "t3.xlarge": rightsizing.RejectedBurstable, "m6g.xlarge": rightsizing.RejectedArchitecture} {
		if got := why(t, x, typ); got != want {
			t.Errorf("%s: %s, want %s", typ, got, want)
		}
	}
}

// TestNothingMeasured: a host that was never measured is not called right-sized,
// also where a type of no less costs less.
func TestNothingMeasured(t *testing.T) {
	l := newLab(t)
	l.record(fleet.Record{Host: "listed", Provider: "aws", Region: "us-east-1", InstanceType: "m4.xlarge", OS: "linux"})
	l.host("kept", "l4")
	r := l.recommend(rightsizing.Request{})
	for host, kind := range map[string]rightsizing.Kind{"listed": rightsizing.KindSwap, "kept": ""} {
		x := line(t, r, host)
		if x.Finding != rightsizing.FindingNotEnoughData || !has(x.Reasons, "no_samples") || x.Kind != kind {
			t.Errorf("%s: %s %v, %q", host, x.Finding, x.Reasons, x.Kind)
		}
	}
	if got := r.Summary.Unadvised["no_samples"]; got != 1 || r.Summary.Findings[rightsizing.FindingRightSized] != 0 {
		t.Errorf("%d are unadvised, findings %v", got, r.Summary.Findings)
	}
}

// What a host has beside vCPUs and memory is kept: accelerators of the same model,
// a local disk.
func TestHardwareIsKept(t *testing.T) {
	for _, c := range []struct{ from, to, want string }{
		{"g4dn.2xlarge", "m5.large", rightsizing.RejectedAccelerator},
		{"m5d.xlarge", "m5.large", rightsizing.RejectedLocalDisk},
		{"m5.xlarge", "g4dn.xlarge", rightsizing.RejectedAccelerator},
	} {
		l := newLab(t)
		l.record(fleet.Record{Host: "special", Provider: "aws", Region: "us-east-1", InstanceType: c.from, OS: "linux"})
		x := line(t, l.recommend(rightsizing.Request{Explain: true}), "special")
		if got := why(t, x, c.to); got != c.want {
			t.Errorf("%s to %s: %s, want %s", c.from, c.to, got, c.want)
		}
	}
	l := newLab(t)
	l.record(fleet.Record{Host: "gpu", Provider: "aws", Region: "us-east-1", InstanceType: "g4dn.2xlarge", OS: "linux", Capacity: fleet.Capacity{VCPUs: 8, MemoryBytes: 32 * gib}})
	l.load("gpu", fleet.CPUUsage, asOf, 60, always(0.02))
	l.load("gpu", fleet.MemoryUsage, asOf, 60, always(0.02))
	x := line(t, l.recommend(rightsizing.Request{Explain: true, Confidence: 0.5}), "gpu")
	if to(x) != "g4dn.xlarge" { // one T4 as well, and a local disk
		t.Errorf("an idle g4dn.2xlarge is advised %s, want g4dn.xlarge (%s)", to(x), why(t, x, "g4dn.xlarge"))
	}
}

// Nothing is larger than an l8.
func TestNoLargerType(t *testing.T) {
	l := newLab(t)
	l.host("hot", "l8")
	l.load("hot", fleet.CPUUsage, asOf, 30, always(1))
	l.load("hot", fleet.MemoryUsage, asOf, 30, always(0.97))
	x := line(t, l.recommend(rightsizing.Request{}), "hot")
	if to(x) != "keep" || x.Finding != rightsizing.FindingUnderProvisioned || !has(x.Reasons, "no_larger_type") || !has(x.Reasons, "memory_short") || !has(x.Reasons, "cpu_short") {
		t.Errorf("%s, %s %v", to(x), x.Finding, x.Reasons)
	}
}

// Burstable types are taken when allowed and when their baseline covers the mean
// of every day: a t3.large may use 2 x 30 % = 0.6 vCPUs all the time.
func TestBurstable(t *testing.T) {
	for _, c := range []struct {
		use  float64 // of 2 vCPUs
		want string
	}{{0.28, ""}, {0.31, rightsizing.RejectedBaseline}} {
		l := newLab(t)
		l.record(fleet.Record{Host: "web", Provider: "aws", Region: "us-east-1", InstanceType: "m5.large", OS: "linux", Capacity: fleet.Capacity{VCPUs: 2, MemoryBytes: 8 * gib}})
		l.load("web", fleet.CPUUsage, asOf, 30, func(d, _ int) float64 {
			if d == 12 {
				return c.use
			}
			return 0.05
		})
		x := line(t, l.recommend(rightsizing.Request{Explain: true, Filter: rightsizing.Filter{Burstable: rightsizing.BurstableAllow}}), "web")
		got := why(t, x, "t3.large")
		if (got == rightsizing.RejectedBaseline) != (c.want == rightsizing.RejectedBaseline) || got == rightsizing.RejectedBurstable {
			t.Errorf("a day at %.2f: t3.large %q, want %q", c.use, got, c.want)
		}
	}
}

// CPU above 90 % for half of the time: the need is 1 x 4 / 0.8 = 5 vCPUs.
func TestUnderProvisioned(t *testing.T) {
	l := newLab(t)
	l.host("hot", "l4")
	l.host("nightly", "l4")
	l.load("hot", fleet.CPUUsage, asOf, 30, func(_, hour int) float64 {
		if hour < 13 {
			return 1
		}
		return 0.2
	})
	l.load("nightly", fleet.CPUUsage, asOf, 30, func(_, hour int) float64 {
		if hour < 2 {
			return 1
		}
		return 0.01
	})
	r := l.recommend(rightsizing.Request{Explain: true})
	x := line(t, r, "hot")
	if to(x) != "l8" || x.Kind != rightsizing.KindGrow || x.Finding != rightsizing.FindingUnderProvisioned || x.MonthlySavings.String() != "-29.20 USD" {
		t.Errorf("hot: %s %s %s", to(x), x.Kind, x.Finding)
	}
	if got := why(t, x, "l4copy"); got != rightsizing.RejectedTooSmall {
		t.Errorf("l4copy: %s", got)
	}
	if x := line(t, r, "nightly"); x.Finding == rightsizing.FindingUnderProvisioned || !has(x.Reasons, "above_limit") {
		t.Errorf("nightly: %s %v", x.Finding, x.Reasons)
	}
	if r.Summary.Grows.Hosts != 1 || r.Summary.Grows.MonthlySavings.String() != "-29.20 USD" {
		t.Errorf("grows %+v", r.Summary.Grows)
	}
}

// A job that takes all of the CPU for 2 of 24 hours was above the limit for 8 % of
// the time: by the definition of broken a smaller size would break no more, and
// still its vCPUs are not reduced; a host at 1 of 24 hours, 4 %, is judged by its
// chance.
func TestPressedHostsKeepTheirVCPUs(t *testing.T) {
	for hours, want := range map[int]bool{2: true, 1: false} {
		l := newLab(t)
		l.host("job", "l4")
		l.load("job", fleet.CPUUsage, asOf, 60, func(_, hour int) float64 {
			if hour < hours {
				return 1
			}
			return 0.02
		})
		l.load("job", fleet.MemoryUsage, asOf, 60, always(0.02))
		x := line(t, l.recommend(rightsizing.Request{Confidence: 0.5, Explain: true}), "job")
		if got := why(t, x, "l2"); (got == rightsizing.RejectedPressed) != want {
			t.Errorf("%d of 24 hours at full speed: l2 %s", hours, got)
		}
	}
}

// Two hosts that are alike in everything get the same advice, and asking twice
// gives the same bytes, whatever order the hosts came in.
func TestTiesAndDeterminism(t *testing.T) {
	answer := func(names ...string) string {
		l := newLab(t)
		for _, n := range names {
			l.host(n, "l8")
			l.load(n, fleet.CPUUsage, asOf, 60, always(0.05))
			l.load(n, fleet.MemoryUsage, asOf, 60, always(0.05))
		}
		r := l.recommend(rightsizing.Request{Confidence: 0.9, Explain: true})
		if a, b := line(t, r, "a"), line(t, r, "b"); to(a) != to(b) || to(a) == "keep" || *a.BreakProbability != *b.BreakProbability {
			t.Errorf("a is advised %s, b %s", to(a), to(b))
		}
		out, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	first := answer("a", "b", "c", "d")
	for range 3 {
		if again := answer("d", "b", "a", "c"); again != first {
			t.Fatalf("another answer:\n%s\n%s", first, again)
		}
	}
}

// Eight idle hosts; one day ago all eight rose together. None is shrunk alone to
// what the others outgrew: bets within a group are limited.
func TestOneGroupOneBet(t *testing.T) {
	bets := func(rose int) int {
		l := newLab(t)
		for i := range 20 {
			name := fmt.Sprintf("h%02d", i)
			l.host(name, "l8")
			l.load(name, fleet.CPUUsage, asOf, 60, func(d, _ int) float64 {
				if i < rose && d == 40 {
					return 0.5 // needs 5 vCPUs on one day, which is set aside
				}
				return 0.05
			})
			l.load(name, fleet.MemoryUsage, asOf, 60, always(0.02))
		}
		r := l.recommend(rightsizing.Request{})
		n := 0
		for _, x := range r.Recommendations {
			if x.Recommended != nil && x.Recommended.VCPUs < 5 {
				n++
			}
		}
		return n
	}
	if calm, shocked := bets(0), bets(8); calm != 20 || shocked >= 5 {
		t.Errorf("shrunk %d of 20 without a precedent and %d with one; want 20 and fewer than 5", calm, shocked)
	}
}

// Blackout windows are left out: the surge of a migration is not demand.
func TestBlackout(t *testing.T) {
	l := newLab(t)
	l.host("moved", "l4")
	surge := fleet.Window{Start: asOf.AddDate(0, 0, -20), End: asOf.AddDate(0, 0, -16)}
	l.load("moved", fleet.CPUUsage, asOf, 60, func(d, _ int) float64 {
		if d >= 40 && d < 44 {
			return 0.75
		}
		return 0.05
	})
	l.load("moved", fleet.MemoryUsage, asOf, 60, always(0.05))
	worst := func(blackouts ...fleet.Window) (float64, int) {
		env := l.env()
		env.Blackouts = blackouts
		r, err := rightsizing.Recommend(t.Context(), env, rightsizing.Request{})
		if err != nil {
			t.Fatal(err)
		}
		e := line(t, r, "moved").Evidence
		return *e.WorstCPU, e.KnownDaysCPU
	}
	if v, n := worst(); math.Abs(v-3.75) > 0.03 || n != 60 {
		t.Errorf("with the surge: worst %.3f over %d days, want 0.75 x 4 / 0.8 = 3.75 over 60", v, n)
	}
	if v, n := worst(surge); math.Abs(v-0.25) > 0.01 || n != 56 {
		t.Errorf("without it: worst %.3f over %d days, want 0.25 over 56", v, n)
	}
}

// Where sub-interval peaks are known they are the demand.
func TestPeaksTakeThePlaceOfMeans(t *testing.T) {
	l := newLab(t)
	l.host("bursty", "l4")
	l.load("bursty", fleet.CPUUsage, asOf, 30, always(0.1))
	l.load("bursty", fleet.CPUUsagePeak, asOf, 30, always(0.6))
	e := line(t, l.recommend(rightsizing.Request{}), "bursty").Evidence
	if math.Abs(*e.WorstCPU-3) > 0.02 {
		t.Errorf("worst %.3f, want 0.6 x 4 / 0.8 = 3", *e.WorstCPU)
	}
}

func TestOneHostOutOfTheSameList(t *testing.T) {
	l := newLab(t)
	for _, n := range []string{"a", "b"} {
		l.host(n, "l4")
		l.load(n, fleet.CPUUsage, asOf, 60, always(0.03))
		l.load(n, fleet.MemoryUsage, asOf, 60, always(0.03))
	}
	all, one := l.recommend(rightsizing.Request{}), l.recommend(rightsizing.Request{Host: "b"})
	if len(one.Recommendations) != 1 || to(one.Recommendations[0]) != to(line(t, all, "b")) || one.Summary.Hosts != 2 {
		t.Errorf("one host: %d lines, %s; in the list %s", len(one.Recommendations), to(one.Recommendations[0]), to(line(t, all, "b")))
	}
	_, err := rightsizing.Recommend(t.Context(), l.env(), rightsizing.Request{Host: "bb"})
	if !errors.Is(err, fleet.ErrUnknownHost) {
		t.Errorf("an unknown host: %v", err)
	}
}

func TestRefused(t *testing.T) {
	l := newLab(t)
	for text, req := range map[string]rightsizing.Request{
		"confidence 1":           {Confidence: 1},
		"max-risk -0.1":          {MaxRisk: -0.1},
		"min-savings 1":          {MinSavings: 1},
		"min-monthly-savings -1": {MinMonthlySavings: -1},
		"options -1":             {Options: -1},
		`currency "XXY"`:         {Currency: "XXY"},
		`burstable "never"`:      {Filter: rightsizing.Filter{Burstable: "never"}},
		`did you mean "aws-defa`: {Policy: "aws-defualt"},
		"range \"soon\"":         {Scope: fleet.Scope{Range: "soon"}},
	} {
		if _, err := rightsizing.Recommend(t.Context(), l.env(), req); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%+v: %v, want an error with %q", req, err, text)
		}
	}
	env := l.env()
	env.Prices = nil
	if _, err := rightsizing.Recommend(t.Context(), env, rightsizing.Request{}); err == nil || !strings.Contains(err.Error(), "price book") {
		t.Errorf("without a price book: %v", err)
	}
	for text, req := range map[string]rightsizing.BacktestRequest{
		"test 1h0m0s": {Test: time.Hour}, "windows -1": {Windows: -1}, "confidence 2": {Confidences: []float64{2}}, `policy "x"`: {Policies: []string{"x"}},
	} {
		if _, err := rightsizing.Backtest(t.Context(), l.env(), req); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%+v: %v, want an error with %q", req, err, text)
		}
	}
}

// A rule of others does not change a host for less than the least saving either.
func TestLeastSavingHoldsForEveryPolicy(t *testing.T) {
	l := newLab(t)
	l.host("young", "l4")
	l.load("young", fleet.CPUUsage, asOf, 2, always(0.01)) // too few days for leanfleet
	l.load("young", fleet.MemoryUsage, asOf, 2, always(0.01))
	for least, want := range map[float64]string{20: "l1", 25: "keep"} { // l1 saves 21.90
		r := l.recommend(rightsizing.Request{Policy: "aws-default", MinMonthlySavings: least})
		if got := to(line(t, r, "young")); got != want || r.Summary.ConfidenceMet != (want == "keep") {
			t.Errorf("with a least saving of %v: %s, want %s; confidence met: %v", least, got, want, r.Summary.ConfidenceMet)
		}
	}
}

// Days are 24 hours counted back from the as-of instant, whatever its time of
// day: an hour at 3 vCPUs an hour and a half before 07:30 is in the last day.
func TestDaysEndAtTheAsOf(t *testing.T) {
	l := newLab(t)
	end := asOf.Add(7*time.Hour + 30*time.Minute)
	l.host("x", "l4")
	l.load("x", fleet.CPUUsage, end, 20, func(d, hour int) float64 {
		if d == 19 && hour == 22 {
			return 0.75
		}
		return 0.05
	})
	r := l.recommend(rightsizing.Request{Scope: fleet.Scope{AsOf: end, Range: "20d"}})
	e := line(t, r, "x").Evidence
	if e.Days != 20 || e.KnownDaysCPU != 20 || math.Abs(*e.WorstCPU-3.75) > 0.03 || !r.AsOf.Equal(end) {
		t.Errorf("%d days, %d known, worst %.3f as of %s", e.Days, e.KnownDaysCPU, *e.WorstCPU, r.AsOf)
	}
}

// sealed is a source that reports when it is asked for anything at or after a
// cut.
type sealed struct {
	fleet.Source
	cut    time.Time
	report func(w fleet.Window)
}

func (s sealed) check(w fleet.Window) {
	if w.End.IsZero() || w.End.After(s.cut) {
		s.report(w)
	}
}

func (s sealed) Records(ctx context.Context, sel fleet.Selector, w fleet.Window) ([]fleet.Record, error) {
	s.check(w)
	return s.Source.Records(ctx, sel, w)
}

func (s sealed) Profiles(ctx context.Context, q fleet.Query) iter.Seq2[fleet.Profile, error] {
	s.check(q.Window)
	return s.Source.Profiles(ctx, q)
}

func (s sealed) Series(ctx context.Context, q fleet.Query) iter.Seq2[fleet.Series, error] {
	s.check(q.Window)
	return s.Source.Series(ctx, q)
}
