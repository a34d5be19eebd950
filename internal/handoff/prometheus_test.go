package handoff

import (
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/rightsizing"
)

// departments is advice for two departments, one of them with an idle host, and
// for a host without one.
func departments() *rightsizing.Result {
	r := answer()
	r.Recommendations = r.Recommendations[:2]
	r.Recommendations[1].Tags = fleet.Tags{"dept": "a \"b\"\\\nc"}
	r.Recommendations[1].Kind = rightsizing.KindSwap
	r.Recommendations[1].BreakProbability = share(0)
	grow := line("g", "g", "aws", "us-east-1", "m5.large", "m5.xlarge", -7000)
	grow.Kind, grow.Finding, grow.BreakProbability = rightsizing.KindGrow, rightsizing.FindingUnderProvisioned, share(0)
	idle := line("i", "i", "aws", "us-east-1", "m5.large", "", 100)
	idle.Finding, idle.Kind, idle.Recommended, idle.MonthlySavings, idle.Tags = rightsizing.FindingIdle, "", nil, nil, nil
	idle.Idle = &rightsizing.Idle{StopMonthlySavings: usd(200)}
	unpriced := rightsizing.Recommendation{Host: "u", Name: "u", Tags: fleet.Tags{"dept": "eng"}, Finding: rightsizing.FindingExcluded}
	r.Recommendations = append(r.Recommendations, grow, idle, unpriced)
	return r
}

// TestTotals: each amount and count by hand.
func TestTotals(t *testing.T) {
	r := departments()
	got, err := Totals(r, []string{"dept"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, g := range got {
		share := "-"
		if g.StatedBreakShare != nil {
			share = strconv.FormatFloat(*g.StatedBreakShare, 'f', 3, 64)
		}
		b.WriteString(strings.Join([]string{g.Group.String(), strconv.Itoa(g.Hosts), g.MonthlyCost.String(), "swap", g.Swaps.MonthlySavings.String(), "shrink", g.Shrinks.MonthlySavings.String(),
			"grow", g.Grows.MonthlySavings.String(), "idle", g.Idle.StopMonthlySavings.String(), "saves", g.MonthlySavings.String(), share}, " ") + "\n")
	}
	want := "dept=a \"b\"\\\nc 1 173.28 USD swap 86.64 USD shrink 0.00 USD grow 0.00 USD idle 0.00 USD saves 86.64 USD 0.000\n" +
		"dept=eng 3 280.48 USD swap 0.00 USD shrink 210.24 USD grow -70.00 USD idle 0.00 USD saves 210.24 USD 0.031\n" +
		"dept=- 1 2.00 USD swap 0.00 USD shrink 0.00 USD grow 0.00 USD idle 2.00 USD saves 0.00 USD -\n"
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
	sets := map[string]fleet.Selector{"all": {}, "eng": mustSelect(t, "dept=eng")}
	if got, err := Totals(r, []string{"set"}, sets); err != nil || len(got) != 2 || got[0].Hosts != 5 || got[1].Hosts != 3 {
		t.Errorf("by set: %+v, %v", got, err)
	}
	if got, err := Totals(r, nil, nil); err != nil || len(got) != 1 || got[0].Hosts != 5 || got[0].Findings[rightsizing.FindingIdle] != 1 {
		t.Errorf("all: %+v, %v", got, err)
	}
	r.Recommendations[0].State, r.Recommendations[0].Arch, r.Recommendations[0].Purchase = fleet.StateStopped, "arm64", "spot"
	for _, by := range []string{"state", "arch", "purchase"} {
		want := map[string]string{"state": "state=stopped", "arch": "arch=arm64", "purchase": "purchase=spot"}[by]
		if got, err := Totals(r, []string{by}, nil); err != nil || len(got) != 2 || got[0].Group.String() != want || got[0].Hosts != 1 || got[1].Hosts != 4 {
			t.Errorf("by %s: %+v, %v", by, got, err)
		}
	}
	for _, by := range [][]string{{"dept", "dept"}, {"set"}} {
		if _, err := Totals(r, by, nil); err == nil {
			t.Errorf("grouped by %v", by)
		}
	}
}

func mustSelect(t *testing.T, s string) fleet.Selector {
	t.Helper()
	sel, err := fleet.ParseSelector(s)
	if err != nil {
		t.Fatal(err)
	}
	return sel
}

// exposition is a line of Prometheus's text format with a value.
var exposition = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{([a-zA-Z_][a-zA-Z0-9_]*="([^"\\\n]|\\["\\n])*",?)*\})? (\S+)$`)

// TestFigures: the text holds every figure once, in families with help and type,
// and both a strict reading and promtool take it.
func TestFigures(t *testing.T) {
	r := departments()
	totals, err := Totals(r, []string{"dept", "kind", "tag:cost-center"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := Figures(r, totals)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "figures.golden.prom", text)
	family, seen := "", map[string]bool{}
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		if name, ok := strings.CutPrefix(line, "# HELP "); ok {
			family, _, _ = strings.Cut(name, " ")
			if seen[family] {
				t.Errorf("family %s stands twice", family)
			}
			seen[family] = true
			continue
		}
		if strings.HasPrefix(line, "# TYPE ") {
			if line != "# TYPE "+family+" gauge" {
				t.Errorf("line %q in family %s", line, family)
			}
			continue
		}
		m := exposition.FindStringSubmatch(line)
		if m == nil || m[1] != family {
			t.Errorf("line %q in family %s", line, family)
			continue
		}
		if _, err := strconv.ParseFloat(m[5], 64); err != nil || m[2] != "" && seen[m[1]+m[2]] {
			t.Errorf("line %q: %v, or twice", line, err)
		}
		seen[m[1]+m[2]] = m[2] != ""
	}
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skipf("promtool is not installed (Debian package prometheus): the text was not read by Prometheus's own parser (%v)", err)
	}
	cmd := exec.Command(promtool, "check", "metrics")
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}

// TestFiguresRefused: two keys that would be one label, two groups that would be
// one series.
func TestFiguresRefused(t *testing.T) {
	r := departments()
	r.Recommendations[0].Tags, r.Recommendations[1].Tags = fleet.Tags{"dept": "\xff"}, fleet.Tags{"dept": "\xfe"}
	same, err := Totals(r, []string{"dept"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Figures(r, same); err == nil || !strings.Contains(err.Error(), "the same labels") {
		t.Errorf("got %v", err)
	}
	r.Recommendations[0].Tags = fleet.Tags{"dept": ""}
	if same, err = Totals(r, []string{"dept"}, nil); err != nil {
		t.Fatal(err)
	}
	if text, err := Figures(r, same); err != nil || !strings.Contains(text, `{dept="(empty)",`) || !strings.Contains(text, `{dept="",`) {
		t.Errorf("an empty value beside an unknown one: %v\n%s", err, text)
	}
	totals, err := Totals(r, []string{"cost-center", "cost_center"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Figures(r, totals); err == nil || !strings.Contains(err.Error(), "both are the label cost_center") {
		t.Errorf("got %v", err)
	}
}

func TestLabelName(t *testing.T) {
	f := func(key, want string) {
		t.Helper()
		if got := labelName(key); got != want {
			t.Errorf("%q: %q, want %q", key, got, want)
		}
	}
	f("dept", "dept")
	f("tag:region", "region")
	f("cost-center", "cost_center")
	f("kind", "tag_kind")
	f("1st", "tag_1st")
	f("__name__", "tag_name__")
	f("über", "_ber")
	f("tag:", "tag_")
}
