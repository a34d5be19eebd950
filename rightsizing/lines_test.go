package rightsizing_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/pricing"
	"github.com/leanfleet/leanfleet/rightsizing"
)

func metric(t testing.TB, name string) fleet.Metric {
	t.Helper()
	m, err := fleet.CanonicalMetrics().Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// traffic is what a host receives and sends in an hour, in bytes per second.
func (l *lab) traffic(name string, days int, received, sent func(day, hour int) float64) {
	l.t.Helper()
	l.load(name, metric(l.t, "network_receive_bytes_per_second"), asOf, days, received)
	l.load(name, metric(l.t, "network_transmit_bytes_per_second"), asOf, days, sent)
}

func (l *lab) aws(name, instanceType string, vcpus float64, memory int64) {
	l.record(fleet.Record{Host: fleet.HostID(name), Provider: "aws", Region: "us-east-1", InstanceType: instanceType, OS: "linux", Capacity: fleet.Capacity{VCPUs: vcpus, MemoryBytes: memory}})
}

// An idle m5.2xlarge (2.5 Gbit/s) that sends 100 MB/s = 0.8 Gbit/s: m5.xlarge has
// 1.25, of which 80 % = 1.0 is enough; m5.large has 0.75. No policy may take it, and
// no clairvoyant.
func TestNetworkConstrains(t *testing.T) {
	busy := func(bytes float64) *lab {
		l := newLab(t)
		l.aws("web", "m5.2xlarge", 8, 32*gib)
		l.load("web", fleet.CPUUsage, asOf, 60, always(0.02))
		l.load("web", fleet.MemoryUsage, asOf, 60, always(0.02))
		if bytes > 0 {
			l.traffic("web", 60, always(1000), always(bytes))
		}
		return l
	}
	small := rightsizing.Filter{AllowFamilies: []string{"m5"}}
	l := busy(100e6)
	for _, policy := range []string{"leanfleet", "max", "aws-default"} {
		x := line(t, l.recommend(rightsizing.Request{Filter: small, Policy: policy, Confidence: 0.5, Explain: true}), "web")
		if to(x) != "m5.xlarge" || why(t, x, "m5.large") != rightsizing.ResourceNetwork || has(x.Reasons, "network_unknown") || !has(x.Reasons, "disk_unknown") {
			t.Errorf("%s: %s, m5.large %q, %v", policy, to(x), why(t, x, "m5.large"), x.Reasons)
		}
		n := x.Options[0].Limits[0]
		if n.State != rightsizing.LimitOK || math.Abs(*n.Demand/100e6-1) > 0.01 || *n.Capacity != 1.25e9/8 || *n.Today != 2.5e9/8 {
			t.Errorf("%s: %+v", policy, n)
		}
	}
	r, err := rightsizing.Backtest(t.Context(), l.env(), rightsizing.BacktestRequest{Windows: 1, Request: rightsizing.Request{Filter: small}})
	if err != nil {
		t.Fatal(err)
	}
	// 0.384 to 0.192 an hour, not to 0.096.
	if saved := outcomeOf(t, r.Pooled, "clairvoyant").Saved.String(); saved != "140.16 USD" {
		t.Errorf("the clairvoyant saves %s, want 0.192 x 730 = 140.16", saved)
	}
	x := line(t, busy(0).recommend(rightsizing.Request{Filter: small, Confidence: 0.5}), "web")
	if to(x) != "m5.large" || !has(x.Reasons, "network_unknown") {
		t.Errorf("network unknown: %s %v", to(x), x.Reasons)
	}
}

// 1,024 B/s in one hour of the day are 3.7 MB, in two 7.4: above AWS's 5 MB a day.
func TestIdle(t *testing.T) {
	for _, c := range []struct {
		name       string
		cpu, hours float64
		want       string
	}{
		{"quiet", 0.049, 1, "idle_aws"},
		{"CPU at its limit", 0.05, 1, ""},
		{"too much traffic", 0.01, 2, ""},
		{"network unknown", 0.01, -1, ""},
	} {
		l := newLab(t)
		l.host("x", "l4")
		l.load("x", fleet.CPUUsage, asOf, 30, always(c.cpu))
		l.load("x", fleet.MemoryUsage, asOf, 30, always(0.97)) // short of memory, were it not idle
		if c.hours >= 0 {
			l.traffic("x", 30, func(_, hour int) float64 {
				if float64(hour) < c.hours {
					return 1024
				}
				return 0
			}, always(0))
		}
		r := l.recommend(rightsizing.Request{})
		x := line(t, r, "x")
		if idle := x.Finding == rightsizing.FindingIdle; idle != (c.want != "") || idle != has(x.Reasons, "idle_aws") {
			t.Errorf("%s: %s %v, want %q", c.name, x.Finding, x.Reasons, c.want)
		}
		if c.want == "" {
			if r.Summary.Idle.Hosts != 0 || x.Idle.StopMonthlySavings != nil {
				t.Errorf("%s: %+v", c.name, r.Summary.Idle)
			}
			if c.hours < 0 && (x.Idle.Rules[0].Idle != nil || x.Idle.Rules[0].Why != "network unknown") {
				t.Errorf("%s: %+v", c.name, x.Idle.Rules)
			}
			continue
		}
		if s := r.Summary.Idle; s.Hosts != 1 || s.StopMonthlySavings.String() != "29.20 USD" || x.Idle.StopMonthlySavings.String() != "29.20 USD" || r.Summary.Grows.Hosts != 0 || to(x) != "keep" {
			t.Errorf("%s: %+v, advised %s", c.name, s, to(x))
		}
		if n := *x.Idle.NetworkPerDay; math.Abs(n-1024*3600) > 1 {
			t.Errorf("%s: %v bytes a day", c.name, n)
		}
	}
}

// Two hours of a fortnight at half of the CPU are 0.6 % of the time: idle by GCP's
// rule, on GCP alone, and not by AWS's. Azure's holds where the network of the type
// is known.
func TestIdleByTheOwnProvidersRule(t *testing.T) {
	ask := func(provider, region, instanceType string, cpu func(int, int) float64) rightsizing.Recommendation {
		l := newLab(t)
		l.record(fleet.Record{Host: "x", Provider: provider, Region: region, InstanceType: instanceType, OS: "linux", Capacity: fleet.Capacity{VCPUs: 4, MemoryBytes: 16 * gib}})
		l.load("x", fleet.CPUUsage, asOf, 30, cpu)
		l.traffic("x", 30, always(512), always(512))
		return line(t, l.recommend(rightsizing.Request{}), "x")
	}
	twice := func(d, hour int) float64 {
		if d > 27 && hour == 3 {
			return 0.5
		}
		return 0.005
	}
	if x := ask("gcp", "us-central1", "n2-standard-4", twice); x.Finding != rightsizing.FindingIdle || !has(x.Reasons, "idle_gcp") || !has(x.Reasons, "wakes") || has(x.Reasons, "idle_aws") {
		t.Errorf("gcp: %s %v %+v", x.Finding, x.Reasons, x.Idle)
	}
	if x := ask("aws", "us-east-1", "m5.xlarge", twice); x.Finding == rightsizing.FindingIdle || x.Idle.Rules[2].Idle == nil || !*x.Idle.Rules[2].Idle {
		t.Errorf("aws: %s %v %+v", x.Finding, x.Reasons, x.Idle)
	}
	often := func(_, hour int) float64 { // 4 % of the time
		if hour == 3 {
			return 0.5
		}
		return 0.005
	}
	if x := ask("gcp", "us-central1", "n2-standard-4", often); x.Finding == rightsizing.FindingIdle {
		t.Errorf("busy for 4 %% of the time: %s %v", x.Finding, x.Reasons)
	}
	if x := ask("azure", "eastus", "Standard_D4s_v5", always(0.005)); x.Idle.Rules[1].Idle != nil || !strings.Contains(x.Idle.Rules[1].Why, "network of the type") {
		t.Errorf("azure: %+v", x.Idle.Rules[1])
	}
}

// A scaling group of two l4 that are there, idle, and one that is gone: it ran from
// day 20 to 40 and used 2 of its 4 vCPUs, so the group needs 2 / 0.8 = 2.5 on those
// days, and an l2 is too small for it.
func scalingLab(t *testing.T, gone bool) *lab {
	l := newLab(t)
	member := func(name string, from, days int, use float64) {
		start := asOf.AddDate(0, 0, -60+from)
		r := fleet.Record{Host: fleet.HostID(name), Name: name, Provider: "lab", Account: "1", Region: "dc", InstanceType: "l4", OS: "linux", OwnedBy: "web", State: fleet.StateRunning}
		if _, err := l.memory.PutRecords(t.Context(), []fleet.Statement{{Record: r}}, fleet.Put{At: asOf, Effective: start}); err != nil {
			t.Fatal(err)
		}
		end := start.AddDate(0, 0, days)
		l.load(name, fleet.CPUUsage, end, days, always(use))
		l.load(name, fleet.MemoryUsage, end, days, always(0.05))
		if end.Before(asOf) {
			r.State = fleet.StateTerminated
			if _, err := l.memory.PutRecords(t.Context(), []fleet.Statement{{Record: r}}, fleet.Put{At: asOf, Effective: end}); err != nil {
				t.Fatal(err)
			}
		}
	}
	member("web-1", 0, 60, 0.05)
	member("web-2", 0, 60, 0.04)
	if gone {
		member("web-3", 20, 20, 0.5)
	}
	return l
}

func TestScalingGroup(t *testing.T) {
	r := scalingLab(t, false).recommend(rightsizing.Request{Confidence: 0.8, MaxRisk: 0.05})
	if len(r.Recommendations) != 1 {
		t.Fatalf("%d lines, want the group's", len(r.Recommendations))
	}
	x := r.Recommendations[0]
	if x.Host != "group:lab/1/dc/web" || x.Name != "web" || x.OwnedBy != "web" || len(x.Members) != 2 || x.Members[1].Name != "web-2" || *x.MeanMembers != 2 {
		t.Errorf("%s %s %+v, mean %v", x.Host, x.Name, x.Members, *x.MeanMembers)
	}
	// Two l4 at 29.20 become two l2 at 14.60.
	if to(x) != "l2" || x.Current.MonthlyCost.String() != "58.40 USD" || x.MonthlySavings.String() != "29.20 USD" || x.Recommended.MonthlyCost.String() != "29.20 USD" || r.Summary.Shrinks.MonthlySavings.String() != "29.20 USD" {
		t.Errorf("advised %s, %s, saves %s", to(x), x.Current.MonthlyCost, x.MonthlySavings)
	}
	if math.Abs(*x.Evidence.WorstCPU-0.25) > 0.01 {
		t.Errorf("worst %v, want 0.05 x 4 / 0.8 of the busier member", *x.Evidence.WorstCPU)
	}

	l := scalingLab(t, true)
	r = l.recommend(rightsizing.Request{Confidence: 0.8, Explain: true, Host: "web-2"})
	x = r.Recommendations[0]
	if to(x) != "keep" || why(t, x, "l2") != rightsizing.RejectedRisk || math.Abs(*x.Evidence.WorstCPU-2.5) > 0.03 || len(x.Members) != 2 {
		t.Errorf("with a member that is gone: %s, l2 %s, worst %v, members %+v", to(x), why(t, x, "l2"), *x.Evidence.WorstCPU, x.Members)
	}
	if x.Evidence.WorstMemberCPU != "web-3" || x.Evidence.WorstMemberMemory == "" {
		t.Errorf("worst member %q, of memory %q; want web-3, which is gone", x.Evidence.WorstMemberCPU, x.Evidence.WorstMemberMemory)
	}
	if math.Abs(*x.MeanMembers-140.0/60) > 0.01 { // 60 + 60 + 20 host-days over 60 days
		t.Errorf("mean members %v", *x.MeanMembers)
	}
	if len(x.Plot.Days) != 60 || *x.Plot.Days[30].NeededVCPUs < 2.4 || *x.Plot.Days[50].NeededVCPUs > 0.3 || math.Abs(*x.Plot.Days[30].PeakVCPUs-2) > 0.02 || x.Plot.VCPUs != 4 {
		t.Errorf("plot %+v", x.Plot.Days[30])
	}
}

// A member whose type differs saves from what it costs itself; one that nobody
// measures keeps the group as it is; a rule or selector takes the group by a member.
func TestScalingGroupOfMixedTypes(t *testing.T) {
	l := scalingLab(t, false)
	l.record(fleet.Record{Host: "web-4", Provider: "lab", Account: "1", Region: "dc", InstanceType: "l8", OS: "linux", OwnedBy: "web", Tags: fleet.Tags{"a": "b"}})
	l.load("web-4", fleet.CPUUsage, asOf, 60, always(0.01))
	x := line(t, l.recommend(rightsizing.Request{Confidence: 0.8}), "group:lab/1/dc/web")
	if to(x) != "keep" || !has(x.Reasons, "mixed_types") || !has(x.Reasons, "memory_unknown") {
		t.Errorf("without memory of one: %s %v", to(x), x.Reasons)
	}
	l.load("web-4", fleet.MemoryUsage, asOf, 60, always(0.01))
	x = line(t, l.recommend(rightsizing.Request{Confidence: 0.8, MaxRisk: 0.05, Scope: fleet.Scope{Select: "a=b"}}), "group:lab/1/dc/web")
	// (0.04 + 0.04 + 0.08) x 730 = 116.80 to 3 x 0.02 x 730 = 43.80.
	if to(x) != "l2" || x.Current.InstanceType != "l4" || x.Current.MonthlyCost.String() != "116.80 USD" || x.MonthlySavings.String() != "73.00 USD" {
		t.Errorf("advised %s from %s at %s, saves %s", to(x), x.Current.InstanceType, x.Current.MonthlyCost, x.MonthlySavings)
	}
}

// A back-test changes all members of a group and judges each of them.
func TestScalingGroupInBacktest(t *testing.T) {
	l := scalingLab(t, false)
	req := rightsizing.BacktestRequest{Windows: 1, Policies: []string{"leanfleet", "max"}, Request: rightsizing.Request{Confidence: 0.8, MaxRisk: 0.05}}
	r, err := rightsizing.Backtest(t.Context(), l.env(), req)
	if err != nil {
		t.Fatal(err)
	}
	us := ours(t, r.Pooled, 0.8)
	if us.Hosts != 2 || us.Changed != 2 || us.Shrunk != 2 || us.Broken != 0 || us.Saved.String() != "29.20 USD" || len(r.Windows[0].Hosts) != 2 {
		t.Errorf("%+v", us.Tally)
	}
	// Judged by the member that needs more: web-1 uses all of 4 vCPUs in the test.
	l.load("web-1", fleet.CPUUsage, asOf, 10, always(1))
	if r, err = rightsizing.Backtest(t.Context(), l.env(), req); err != nil {
		t.Fatal(err)
	}
	us = ours(t, r.Pooled, 0.8)
	if us.Hosts != 2 || us.Broken != 0 || us.Changed != 2 {
		// above 80 % of its own 4 vCPUs for 10 of 14 days: an l2 adds nothing to that
		t.Errorf("broken %d of %d", us.Broken, us.Changed)
	}
	l.load("web-1", fleet.CPUUsage, asOf, 10, always(0.6)) // 2.4 of 4 vCPUs
	if r, err = rightsizing.Backtest(t.Context(), l.env(), req); err != nil {
		t.Fatal(err)
	}
	us = ours(t, r.Pooled, 0.8)
	if us.Broken != 1 || us.ClairvoyantSaved.String() != "0.00 USD" {
		t.Errorf("broken %d, the clairvoyant saves %s; want 1 and nothing, as one template holds both", us.Broken, us.ClairvoyantSaved)
	}
}

// Elsewhere is asked for by name: an l4 at 0.04 has a spot price of 0.012, and costs
// 0.03 in region far; an l2 there costs 0.019.
func TestElsewhere(t *testing.T) {
	sheet, err := pricing.ParseSheet("more.yaml", strings.NewReader(labSheet+`  - {provider: lab, instance_type: l4, purchase: spot, price_per_hour: 0.012}
  - {provider: lab, instance_type: l4, region: far, price_per_hour: 0.03}
  - {provider: lab, instance_type: l2, region: far, price_per_hour: 0.019}
  - {provider: lab, instance_type: l1, region: far, price_per_hour: 0.05}
  - {provider: lab, instance_type: m1, region: far, price_per_hour: 0.05}
`))
	if err != nil {
		t.Fatal(err)
	}
	l := idleLab(t, "x")
	l.aws("y", "m5.2xlarge", 8, 32*gib)
	l.load("y", fleet.CPUUsage, asOf, 60, always(0.05))
	l.load("y", fleet.MemoryUsage, asOf, 60, always(0.05))
	env := l.env()
	if env.Prices, err = env.Prices.With(pricing.Options{Sheet: sheet}); err != nil {
		t.Fatal(err)
	}
	ask := func(f rightsizing.Filter) (rightsizing.Result, map[string][]string) {
		r, err := rightsizing.Recommend(t.Context(), env, rightsizing.Request{Confidence: 0.8, MaxRisk: 0.05, Filter: f})
		if err != nil {
			t.Fatal(err)
		}
		out := map[string][]string{}
		for _, x := range r.Recommendations {
			for _, o := range x.Options {
				if o.Kind == rightsizing.KindSpot || o.Kind == rightsizing.KindMove {
					out[x.Name] = append(out[x.Name], fmt.Sprintf("%s %s %s %s %s", o.Kind, o.InstanceType, o.Provider, o.Region, o.Checks[len(o.Checks)-1].Code))
				}
			}
			if x.Kind == rightsizing.KindSpot || x.Kind == rightsizing.KindMove {
				t.Errorf("%s is advised %s", x.Name, x.Kind)
			}
		}
		return r, out
	}
	if r, got := ask(rightsizing.Filter{}); len(got) != 0 || r.Summary.Spot != nil || r.Summary.Moves != nil {
		t.Errorf("unasked: %v", got)
	}
	r, got := ask(rightsizing.Filter{Spot: true})
	if fmt.Sprint(got["x"]) != "[spot l4   interruption]" || r.Summary.Spot.Hosts != len(got) || len(got["y"]) == 0 && r.Summary.Spot.MonthlySavings.String() != "20.44 USD" { // 0.028 x 730
		t.Errorf("spot: %v, %+v", got, r.Summary.Spot)
	}
	r, got = ask(rightsizing.Filter{Regions: []string{"far", "us-east-2"}})
	if fmt.Sprint(got["x"]) != "[move l2  far region]" || len(got["y"]) != 1 || r.Summary.Moves.Hosts != 2 || r.Summary.Shrinks.Hosts == 0 {
		t.Errorf("regions: %v, %+v", got, r.Summary.Moves)
	}
	_, got = ask(rightsizing.Filter{Providers: []string{"gcp"}})
	if len(got["x"]) != 0 || len(got["y"]) != 1 || !strings.HasPrefix(got["y"][0], "move ") || !strings.Contains(got["y"][0], " gcp us-east4 ") {
		t.Errorf("providers: %v", got)
	}
	for text, f := range map[string]rightsizing.Filter{`provider "gcq"`: {Providers: []string{"gcq"}}, `region "us-esat-1"`: {Regions: []string{"us-esat-1"}}} {
		if _, err := rightsizing.Recommend(t.Context(), env, rightsizing.Request{Filter: f}); err == nil || !strings.Contains(err.Error(), text) || !strings.Contains(err.Error(), "did you mean") {
			t.Errorf("%+v: %v", f, err)
		}
	}
}

// Two idle m5.xlarge at 0.192 and one reserved instance for them. To make one of
// them an m5.large at 0.096 saves 0.096 an hour, 70.08 a month: the reservation
// covers the other one. To make both saves nothing: 0.192 before, 2 x 0.096 after.
// A host alone under its reservation
// would pay 0.096 on demand where it pays nothing more today: it loses 70.08.
func TestSavingsAfterCommitments(t *testing.T) {
	ask := func(hosts int, purchase fleet.PurchaseOption, text string) rightsizing.Result {
		l := newLab(t)
		for i := range hosts {
			name := fmt.Sprintf("h%d", i)
			l.record(fleet.Record{Host: fleet.HostID(name), Provider: "aws", Region: "us-east-1", InstanceType: "m5.xlarge", OS: "linux", Purchase: purchase, Capacity: fleet.Capacity{VCPUs: 4, MemoryBytes: 16 * gib}})
			l.load(name, fleet.CPUUsage, asOf, 60, always(0.02))
			l.load(name, fleet.MemoryUsage, asOf, 60, always(0.02))
		}
		env := l.env()
		if text != "" {
			set, err := pricing.ParseCommitments("c.csv", strings.NewReader("id,purchase,provider,region,instance_type,count,price_per_hour,currency,start,end\n"+text))
			if err != nil {
				t.Fatal(err)
			}
			env.Commitments = set
		}
		r, err := rightsizing.Recommend(t.Context(), env, rightsizing.Request{Confidence: 0.5, Filter: rightsizing.Filter{AllowFamilies: []string{"m5"}}})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	const one = "ri,reserved,aws,us-east-1,m5.xlarge,1,0.12,USD,2024-01-01,2024-12-31\n"
	x := line(t, ask(1, "", ""), "h0")
	if to(x) != "m5.large" || x.MonthlySavings.String() != "70.08 USD" || x.MonthlySavingsAfterCommitments != nil {
		t.Fatalf("without commitments: %s saves %s, after them %v", to(x), x.MonthlySavings, x.MonthlySavingsAfterCommitments)
	}
	r := ask(1, "", one)
	x = line(t, r, "h0")
	if x.MonthlySavingsAfterCommitments.String() != "-70.08 USD" || !has(x.Reasons, "covered_by_commitment") || x.MonthlySavings.String() != "70.08 USD" {
		t.Errorf("alone under a reservation: %s %v", x.MonthlySavingsAfterCommitments, x.Reasons)
	}
	r = ask(2, "", one)
	for _, h := range []string{"h0", "h1"} {
		if x := line(t, r, h); x.MonthlySavingsAfterCommitments.String() != "70.08 USD" || x.AnnualSavingsAfterCommitments.String() != "840.96 USD" || has(x.Reasons, "covered_by_commitment") {
			t.Errorf("%s alone: %s %v", h, x.MonthlySavingsAfterCommitments, x.Reasons)
		}
	}
	// 0.12 + 0.192 an hour before; both m5.large leave the reservation unused.
	s := r.Summary.AfterCommitments
	if s.MonthlyCost.String() != "227.76 USD" || s.Commitments.String() != "87.60 USD" || s.MonthlySavings.String() != "0.00 USD" || s.UnusedBefore.String() != "0.00 USD" || s.UnusedAfter.String() != "87.60 USD" {
		t.Errorf("both: %+v", s)
	}
	// It ended before: nothing is covered.
	if x := line(t, ask(1, "", strings.Replace(one, "2024-12-31", "2024-02-01", 1)), "h0"); x.MonthlySavingsAfterCommitments.String() != "70.08 USD" {
		t.Errorf("ended: %s", x.MonthlySavingsAfterCommitments)
	}
	if x := line(t, ask(1, fleet.PurchaseSpot, one), "h0"); x.MonthlySavingsAfterCommitments.String() != "70.08 USD" {
		t.Errorf("on spot: %s", x.MonthlySavingsAfterCommitments)
	}
	r = ask(1, "", strings.Replace(one, "USD", "EUR", 1))
	if x := line(t, r, "h0"); x.MonthlySavingsAfterCommitments != nil || !has(x.Reasons, "commitments_currency") || r.Summary.AfterCommitments != nil {
		t.Errorf("in another currency: %v %v", x.MonthlySavingsAfterCommitments, x.Reasons)
	}
}
