package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/leanfleet/leanfleet/advice"
	"github.com/leanfleet/leanfleet/internal/report"
	"github.com/leanfleet/leanfleet/rightsizing"
)

func newRightsize(a *app) *cobra.Command {
	var req rightsizing.Request
	var scope scopeFlags
	var all bool
	c := &cobra.Command{
		Use:     "rightsize",
		GroupID: groupAnswers,
		Short:   "A size for each host, with its chance of breaking",
		Long: `Advises an instance type for each host, from its own history, from hosts that
look alike, and from what became of like changes in the fleet's earlier history.

--confidence is a promise about the list: of the hosts changed as advised at
least that share stays within the limits in the following 14 days. Each line
carries its own chance of breaking, bounded by --max-risk; set that to 0.05 for
the strict reading of 0.95 on every line. docs/rightsizing.md has the method.`,
		Example: `  leanfleet rightsize --min-savings 20% --min-monthly-savings 10
  leanfleet rightsize --host web-1 --explain
  leanfleet rightsize -l env=dev --confidence 0.90 --burstable-types exclude -o json
  leanfleet rightsize --policy aws-default`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var err error
			if req.Scope, err = scope.resolve(a); err != nil {
				return err
			}
			r, err := ask[rightsizing.Result](c.Context(), a, "rightsize", &req)
			if err != nil {
				return err
			}
			if req.Explain && req.Host != "" {
				return a.print(candidatesAnswer(a, &r))
			}
			return a.print(rightsizeAnswer(a, &r, all || req.Host != "", scope.location(a)))
		},
	}
	scope.add(c, rightsizing.DefaultRange)
	sizingFlags(c, &req)
	f := c.Flags()
	f.StringVar(&req.Policy, "policy", "", "the `rule`: "+strings.Join(rightsizing.Policies(), ", ")+" (default leanfleet)")
	f.Float64Var(&req.Confidence, "confidence", rightsizing.DefaultConfidence, "`share` of the changed hosts that stay within the limits")
	f.StringVar(&req.Host, "host", "", "only the line of this `host`, by name or id")
	f.BoolVar(&req.Explain, "explain", false, "with --host: every type of the region, and what speaks against it")
	f.BoolVar(&all, "all", false, "also the hosts that should stay as they are, with the reasons")
	return c
}

// sizingFlags are those of advice and of its back-test.
func sizingFlags(c *cobra.Command, req *rightsizing.Request) {
	f := c.Flags()
	f.Float64Var(&req.MaxRisk, "max-risk", rightsizing.DefaultMaxRisk, "largest `chance` of breaking of a line")
	f.Var((*percent)(&req.MinSavings), "min-savings", "least saving of a change, `share` of the cost: 20% or 0.2")
	f.Float64Var(&req.MinMonthlySavings, "min-monthly-savings", 0, "least saving of a change in a month, an `amount`")
	f.StringVar((*string)(&req.Burstable), "burstable-types", "", "burstable types are offered: `keep` (for hosts that have one), allow or exclude")
	f.BoolVar(&req.AllowARM, "allow-arm", false, "offer types of the other architecture too")
	f.StringSliceVar(&req.AllowFamilies, "families", nil, "only these `families`")
	f.StringSliceVar(&req.DenyFamilies, "deny-families", nil, "never these `families`")
}

// percent is a flag such as 20% or 0.2.
type percent float64

func (p *percent) String() string { return report.FormatRatio(float64(*p)) }

func (p *percent) Type() string { return "share" }

func (p *percent) Set(s string) error {
	var v float64
	number, isPercent := strings.CutSuffix(s, "%")
	if n, err := fmt.Sscanf(number+" end", "%g end", &v); n != 1 || err != nil {
		return fmt.Errorf("%q is not a share such as 20%% or 0.2", s)
	}
	if isPercent {
		v /= 100
	}
	*p = percent(v)
	return nil
}

func rightsizeAnswer(a *app, r *rightsizing.Result, all bool, loc *time.Location) answer {
	t := &report.Table{
		Title: fmt.Sprintf("right-sizing by %s at confidence %.4g, %s, in %s a month of %d h", r.Policy, r.Confidence, window(r.Window, loc), r.Currency, r.Summary.HoursPerMonth),
		Columns: []report.Column{
			{Key: "name", Header: "host"}, {Key: "host", Header: "id", Wide: true}, {Key: "region", Header: "region", Wide: true},
			{Key: "finding", Header: "finding"}, {Key: "instance_type", Header: "type"}, {Key: "recommended", Header: "recommended"},
			{Key: "kind", Header: "kind"}, moneyColumn(a, "monthly_savings", r.Currency, false), moneyColumn(a, "monthly_list_savings", r.Currency, true),
			{Key: "break_probability", Header: "may break", Kind: report.KindRatio}, {Key: "effort", Header: "effort", Wide: true},
			{Key: "checks", Header: "to check"}, {Key: "reasons", Header: "reasons", Wide: !all},
		},
		Notes: damageNotes(r.Damaged),
	}
	lines := []rightsizing.Recommendation{}
	for i := range r.Recommendations {
		x := &r.Recommendations[i]
		if !all && x.Recommended == nil {
			continue
		}
		lines = append(lines, *x)
		to, kind, broken := report.Unknown("keep"), report.Unknown("keep"), report.Unknown("keep")
		if x.Recommended != nil {
			to, kind, broken = report.Text(x.Recommended.InstanceType), report.Text(string(x.Kind)), report.Ratio(x.BreakProbability)
		}
		t.Rows = append(t.Rows, report.Row{
			text(x.Name), text(string(x.Host)), text(x.Region), text(string(x.Finding)), text(x.Current.InstanceType), to, kind,
			moneyCell(a, x.MonthlySavings, "keep"), moneyCell(a, x.MonthlyListSavings, "keep"), broken, text(string(x.Effort)),
			text(checkCodes(x.Checks)), text(strings.Join(x.Reasons, "; ")),
		})
	}
	s := &r.Summary
	for _, k := range []struct {
		name string
		t    rightsizing.Total
	}{{"swaps (same size, newer or cheaper)", s.Swaps}, {"shrinks", s.Shrinks}, {"grows", s.Grows}} {
		if k.t.Hosts > 0 {
			t.Notes = append(t.Notes, fmt.Sprintf("%s: %s, %s a month; %.2f stated to break.", k.name, plural(int64(k.t.Hosts), "host"), k.t.MonthlySavings, k.t.StatedBroken))
		}
	}
	t.Notes = append(t.Notes, fmt.Sprintf("%s cost %s a month now; of the changed %s are stated to break.", plural(int64(s.Hosts), "host"), s.MonthlyCost, report.FormatRatio(s.StatedBreakShare)))
	if !all {
		t.Notes = append(t.Notes, "--all shows the others with their reasons; --host NAME --explain every candidate; leanfleet backtest what such advice was worth.")
	}
	return answer{result: r, rows: lines, table: t}
}

// checkCodes are what a person has to verify, by name.
func checkCodes(list []advice.Check) string {
	var codes []string
	for _, c := range list {
		if code := string(c.Code); !slices.Contains(codes, code) {
			codes = append(codes, code)
		}
	}
	return strings.Join(codes, " ")
}

func candidatesAnswer(a *app, r *rightsizing.Result) answer {
	t := &report.Table{Columns: []report.Column{
		{Key: "instance_type", Header: "type"}, {Key: "vcpus", Header: "vCPUs", Kind: report.KindNumber}, {Key: "memory_bytes", Header: "memory", Kind: report.KindBytes},
		moneyColumn(a, "monthly_cost", r.Currency, false), {Key: "break_probability", Header: "may break", Kind: report.KindRatio},
		{Key: "rejected", Header: "what speaks against it"},
	}}
	var rows []rightsizing.Explained
	for i := range r.Recommendations {
		x := &r.Recommendations[i]
		t.Title = fmt.Sprintf("%s is %s: %s", x.Name, x.Current.InstanceType, x.Finding)
		rows = append(rows, x.Candidates...)
		for _, c := range x.Candidates {
			why := c.Rejected
			if c.By != "" {
				why += " by " + c.By
			}
			if c.Chosen {
				why = "advised"
			}
			t.Rows = append(t.Rows, report.Row{text(c.InstanceType), report.Number(c.VCPUs, 0), report.Bytes(float64(c.MemoryBytes)),
				moneyCell(a, c.MonthlyCost, "no_price"), ratio(c.BreakProbability, "not_asked"), text(why)})
		}
		t.Notes = append(t.Notes, x.Reasons...)
		for _, c := range x.Checks {
			t.Notes = append(t.Notes, "Check "+string(c.Code)+": "+c.Text)
		}
	}
	return answer{result: r, rows: rows, table: t}
}
