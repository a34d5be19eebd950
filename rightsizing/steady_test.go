package rightsizing_test

import (
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/advice"
	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/rightsizing"
)

// remembered is what an answer makes the next one remember.
func remembered(r rightsizing.Result) []rightsizing.Prior {
	var out []rightsizing.Prior
	for _, x := range r.Recommendations {
		p := rightsizing.Prior{Host: x.Host, Current: x.Current.InstanceType, AsOf: r.AsOf}
		if x.Recommended != nil {
			p.Recommended = x.Recommended.InstanceType
		}
		out = append(out, p)
	}
	return out
}

// daily asks on so many days that end at an instant, each day remembering the last
// one or not. It counts how often a host's advice changed, and how often it came
// back to what it had been before.
func daily(t *testing.T, env rightsizing.Environment, end time.Time, days int, memory bool) (changes, returns int, last []rightsizing.Prior) {
	t.Helper()
	seen := map[fleet.HostID][]string{}
	for d := days; d >= 0; d-- {
		req := rightsizing.Request{Scope: fleet.Scope{AsOf: end.AddDate(0, 0, -d)}}
		if memory {
			req.Previous = last
		}
		r, err := rightsizing.Recommend(t.Context(), env, req)
		if err != nil {
			t.Fatal(err)
		}
		if r.Summary.StatedBreakShare > 0.05 || !r.Summary.ConfidenceMet {
			t.Errorf("%s: stated %.3f", r.AsOf, r.Summary.StatedBreakShare)
		}
		last = remembered(r)
		for _, p := range last {
			was := seen[p.Host]
			if len(was) > 0 && was[len(was)-1] != p.Recommended {
				changes++
				if has(was, p.Recommended) {
					returns++
				}
			}
			seen[p.Host] = append(was, p.Recommended)
		}
	}
	return changes, returns, last
}

// TestBitbrainsDailyAdviceIsSteady: asked every day for two weeks before a split,
// advice that remembers yesterday changes its mind much less often, at the
// same broken share and nearly the same saving.
func TestBitbrainsDailyAdviceIsSteady(t *testing.T) {
	env := trace(t, "bitbrains-*", "bitbrains-inventory.csv")
	splits := bitbrainsSplits()[:1]
	var changes, returns [2]int
	var prior []rightsizing.Prior
	for k, memory := range []bool{false, true} {
		for _, split := range splits {
			c, r, last := daily(t, env, split, 14, memory)
			changes[k] += c
			returns[k] += r
			if memory {
				prior = append(prior, last...)
			}
		}
	}
	var shares [2]rightsizing.PolicyOutcome
	for k, previous := range [][]rightsizing.Prior{nil, prior} {
		req := rightsizing.BacktestRequest{Policies: []string{"leanfleet"}, Splits: splits}
		req.Previous = previous
		r, err := rightsizing.Backtest(t.Context(), env, req)
		if err != nil {
			t.Fatal(err)
		}
		shares[k] = ours(t, r.Pooled, 0.95)
		t.Logf("changes of mind %d, returns %d; saved %s, broken %s", changes[k], returns[k], interval(shares[k].SavedShare), interval(shares[k].BrokenShare))
	}
	if float64(changes[1]) > 0.7*float64(changes[0]) || float64(returns[1]) > 0.5*float64(returns[0]) {
		t.Errorf("changes of mind %d with and %d without memory, returns %d and %d", changes[1], changes[0], returns[1], returns[0])
	}
	if percent(shares[1].BrokenShare) > percent(shares[0].BrokenShare)+0.5 || percent(shares[1].SavedShare) < percent(shares[0].SavedShare)-1.5 {
		t.Errorf("with memory: saved %s, broken %s", interval(shares[1].SavedShare), interval(shares[1].BrokenShare))
	}
}

// steadyLab is one idle l4, for which l2 at half and n2 at 0.4 of today's price are
// nearly as good where family n is allowed.
func idleLab(t *testing.T, names ...string) *lab {
	l := newLab(t)
	for _, n := range names {
		l.host(n, "l4")
		l.load(n, fleet.CPUUsage, asOf, 60, always(0.05))
		l.load(n, fleet.MemoryUsage, asOf, 60, always(0.05))
	}
	return l
}

// l1 saves 0.25 of today's price more than l2: an earlier l2 is given up for it. n2
// at 0.016 saves 0.1 more than l2 at 0.02, a2 at 0.015 only 0.025 more than n2: an
// earlier n2 is held on to.
func TestEarlierAdviceIsHeldOnTo(t *testing.T) {
	l := idleLab(t, "idle")
	both := rightsizing.Filter{AllowFamilies: []string{"l", "n"}, AllowARM: true}
	yesterday := asOf.AddDate(0, 0, -1)
	for _, c := range []struct {
		name  string
		prior rightsizing.Prior
		want  string
		held  bool
	}{
		{"nothing before", rightsizing.Prior{}, "a2", false},
		{"hardly better", rightsizing.Prior{Current: "l4", Recommended: "n2"}, "n2", true},
		{"much better", rightsizing.Prior{Current: "l4", Recommended: "l2"}, "a2", false},
		{"of another type", rightsizing.Prior{Current: "l8", Recommended: "n2"}, "a2", false},
		{"later than the as-of", rightsizing.Prior{Current: "l4", Recommended: "n2", AsOf: asOf.Add(time.Hour)}, "a2", false},
		{"no longer sold", rightsizing.Prior{Current: "l4", Recommended: "z9"}, "a2", false},
	} {
		c.prior.Host = "idle"
		if c.prior.AsOf.IsZero() {
			c.prior.AsOf = yesterday
		}
		// At most 0.12: l1 and m1 are riskier than that.
		r := l.recommend(rightsizing.Request{Confidence: 0.8, MaxRisk: 0.05, Filter: both, Previous: []rightsizing.Prior{c.prior}})
		x := line(t, r, "idle")
		if to(x) != c.want || (x.Held != nil) != c.held {
			t.Errorf("%s: %s, held %+v; want %s", c.name, to(x), x.Held, c.want)
		}
		if c.held && (x.Held.Instead != "a2" || !x.Held.Since.Equal(yesterday) || r.Summary.Held != 1) {
			t.Errorf("%s: held %+v", c.name, x.Held)
		}
	}
	if x := line(t, l.recommend(rightsizing.Request{Confidence: 0.8, MaxRisk: 0.02, Filter: both, Previous: []rightsizing.Prior{{Host: "idle", Current: "l4", Recommended: "n2", AsOf: yesterday}}}), "idle"); to(x) != "keep" {
		t.Errorf("an earlier advice above the bound of a line: %s", to(x))
	}
}

func TestDecisions(t *testing.T) {
	l := idleLab(t, "a", "b")
	day := func(n int) time.Time { return asOf.AddDate(0, 0, n) }
	ask := func(d ...advice.Decision) (rightsizing.Result, rightsizing.Recommendation) {
		r := l.recommend(rightsizing.Request{Confidence: 0.8, MaxRisk: 0.05, Explain: true, Decisions: d})
		return r, line(t, r, "a")
	}
	no := advice.Decision{Host: "a", From: "l4", To: "l2", Action: advice.DecisionDismiss, Who: "ann", Why: "licence", At: day(-3), Until: day(30)}
	r, x := ask(no)
	if to(x) != "keep" || x.Finding != rightsizing.FindingOverProvisioned || !has(x.Reasons, "dismissed: licence by ann until 2024-03-31 00:00 UTC") || x.Kind != "" || x.MonthlySavings != nil {
		t.Errorf("dismissed: %s, %s %v", to(x), x.Finding, x.Reasons)
	}
	if x.Decision == nil || x.Decision.Who != "ann" || r.Summary.Dismissed != 1 || r.Summary.Shrinks.Hosts != 1 || why(t, x, "l2") != rightsizing.RejectedDismissed {
		t.Errorf("dismissed: %+v, %+v", x.Decision, r.Summary)
	}
	if to(line(t, r, "b")) != "l2" {
		t.Errorf("the other host: %s", to(line(t, r, "b")))
	}
	for name, change := range map[string]func(*advice.Decision){
		"another target": func(d *advice.Decision) { d.To = "l1" },
		"another type":   func(d *advice.Decision) { d.From = "l8" },
		"run out":        func(d *advice.Decision) { d.Until = day(-1) },
		"of tomorrow":    func(d *advice.Decision) { d.At = day(1) },
		"accepted":       func(d *advice.Decision) { d.Action = advice.DecisionAccept },
	} {
		d := no
		change(&d)
		if _, x := ask(d); to(x) != "l2" || name == "accepted" && (x.Decision == nil || x.Decision.Action != advice.DecisionAccept) {
			t.Errorf("%s: %s, %+v", name, to(x), x.Decision)
		}
	}
	later := no
	later.Action, later.At = advice.DecisionAccept, day(-1)
	if _, x := ask(later, no); to(x) != "l2" {
		t.Errorf("accepted after it was dismissed: %s", to(x))
	}
	for text, d := range map[string]advice.Decision{"action \"maybe\"": {Host: "a", Action: "maybe"}, "needs a host": {Action: advice.DecisionDone}} {
		_, err := rightsizing.Recommend(t.Context(), l.env(), rightsizing.Request{Decisions: []advice.Decision{d}})
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%+v: %v", d, err)
		}
	}
}

// Production asks for 0.95 on every line, development takes more; a third team wants
// no advice. Each list keeps its own promise.
func TestRules(t *testing.T) {
	l := idleLab(t)
	for name, env := range map[string]string{"p": "prod", "d": "dev", "x": "legacy", "o": ""} {
		tags := fleet.Tags{}
		if env != "" {
			tags["env"] = env
		}
		l.record(fleet.Record{Host: fleet.HostID(name), Provider: "lab", Region: "dc", InstanceType: "l4", OS: "linux", Tags: tags})
		l.load(name, fleet.CPUUsage, asOf, 60, always(0.05))
		l.load(name, fleet.MemoryUsage, asOf, 60, always(0.05))
	}
	rules := []rightsizing.Rule{
		{Name: "production", Select: "env=prod", MaxRisk: 0.01, Confidence: 0.99},
		{Select: "env=dev", MaxRisk: 0.5, Confidence: 0.6},
		{Name: "out", Select: "env=legacy", Exclude: true},
	}
	r := l.recommend(rightsizing.Request{Confidence: 0.8, MaxRisk: 0.05, Rules: rules})
	for host, want := range map[string][2]string{"p": {"keep", "production"}, "d": {"l1", "env=dev"}, "x": {"keep", "out"}, "o": {"l2", ""}} {
		if x := line(t, r, host); to(x) != want[0] || x.Rule != want[1] {
			t.Errorf("%s: %s by rule %q, want %v", host, to(x), x.Rule, want)
		}
	}
	if x := line(t, r, "x"); x.Finding != rightsizing.FindingExcluded || !has(x.Reasons, "rule_excludes") || x.Current.MonthlyCost == nil {
		t.Errorf("left out: %s %v", x.Finding, x.Reasons)
	}
	if len(r.Summary.Rules) != 3 || r.Summary.Rules[0].Confidence != 0.99 || r.Summary.Rules[1].Changed != 1 || r.Summary.Rules[2].Rule != "" {
		t.Errorf("rules %+v", r.Summary.Rules)
	}
	// The first rule that matches holds.
	r = l.recommend(rightsizing.Request{Confidence: 0.8, MaxRisk: 0.05, Rules: append([]rightsizing.Rule{{Name: "all", Exclude: true}}, rules...)})
	if r.Summary.Findings[rightsizing.FindingExcluded] != 4 {
		t.Errorf("findings %v", r.Summary.Findings)
	}
	for text, rule := range map[string]rightsizing.Rule{
		"rule 1 (x): confidence 2": {Name: "x", Confidence: 2}, "max-risk -1": {MaxRisk: -1}, "burstable": {Burstable: "no"}, "rule 1 (a~): ": {Select: "a~"},
	} {
		if _, err := rightsizing.Recommend(t.Context(), l.env(), rightsizing.Request{Rules: []rightsizing.Rule{rule}}); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%+v: %v, want %q", rule, err, text)
		}
	}
}
