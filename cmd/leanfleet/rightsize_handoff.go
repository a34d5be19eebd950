package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/handoff"
	"github.com/leanfleet/leanfleet/internal/report"
	"github.com/leanfleet/leanfleet/rightsizing"
)

// formatPrometheus is -o prometheus.
const formatPrometheus = "prometheus"

// handoffFormats are the formats of rightsize beside the usual ones.
func handoffFormats() []string {
	var out []string
	for _, t := range handoff.Tools() {
		out = append(out, string(t))
	}
	return append(out, formatPrometheus)
}

// handOff writes changes for a tool that carries them out.
func (a *app) handOff(f *rightsizeFlags, r *rightsizing.Result) error {
	changes, left := handoff.Changes(r, f.accepted)
	text, all, err := handoff.Render(handoff.Tool(a.flags.output), r, changes, left)
	if err != nil {
		return err
	}
	if err := a.deliver(f.file, text); err != nil {
		return err
	}
	a.note("%s handed off; %d left out", plural(int64(len(changes)+len(left)-len(all)), "change"), len(all))
	return nil
}

// deliver writes a text to a file, which appears only when it is whole, or to
// standard output.
func (a *app) deliver(file, text string) error {
	if file != "" {
		return writeWhole(file, []byte(text))
	}
	_, err := io.WriteString(a.out, text)
	return err
}

// savings answers what advice comes to by group.
func (a *app) savings(c *cobra.Command, f *rightsizeFlags) error {
	req := leanfleet.SavingsRequest{Request: *f.req, GroupBy: list(f.groupBy)}
	r, err := ask[leanfleet.SavingsResult](c.Context(), a, "potential_savings", &req)
	if err != nil {
		return err
	}
	if a.flags.output != formatPrometheus {
		return a.printAmounts(func(a *app) answer { return savingsAnswer(a, &req, &r) }, "idle", "grows")
	}
	advice := rightsizing.Result{AsOf: r.AsOf, Currency: r.Currency, Confidence: r.Confidence}
	text, err := handoff.Figures(&advice, r.Groups)
	if err != nil {
		return usage(err)
	}
	for _, n := range damageNotes(r.Damaged) {
		a.note("%s", n)
	}
	return a.deliver(f.file, text)
}

func savingsAnswer(a *app, req *leanfleet.SavingsRequest, r *leanfleet.SavingsResult) answer {
	money := func(key, header string, wide bool) report.Column {
		c := moneyColumn(a, key, r.Currency, wide)
		if a.forPeople() {
			c.Header, c.Unit = header, ""
		}
		return c
	}
	t := &report.Table{
		Title: fmt.Sprintf("what sizes by %s at confidence %.4g would save, in %s a month", r.Policy, r.Confidence, r.Currency),
		Columns: append(groupColumns(req.GroupBy),
			report.Column{Key: "hosts", Header: "hosts", Kind: report.KindInteger}, money("monthly_cost", "cost", false), money("monthly_savings", "saves", false),
			report.Column{Key: "shrinks", Header: "shrinks", Kind: report.KindInteger}, money("shrinks_monthly_savings", "by shrinks", true),
			report.Column{Key: "swaps", Header: "swaps", Kind: report.KindInteger}, money("swaps_monthly_savings", "by swaps", true),
			report.Column{Key: "grows", Header: "grows", Kind: report.KindInteger}, money("grows_monthly_savings", "by grows", true),
			report.Column{Key: "idle", Header: "idle", Kind: report.KindInteger}, money("idle_monthly_savings", "if stopped", false),
			report.Column{Key: "stated_break_share", Header: "risk", Kind: report.KindRatio}),
		Notes: damageNotes(r.Damaged),
	}
	var groups []fleet.GroupKey
	for i := range r.Groups {
		g := &r.Groups[i]
		groups = append(groups, g.Group)
		row := append(groupCells(g.Group), report.Integer(int64(g.Hosts)), moneyCell(a, &g.MonthlyCost, ""), moneyCell(a, &g.MonthlySavings, ""))
		for _, x := range []*rightsizing.Total{&g.Shrinks, &g.Swaps, &g.Grows} {
			row = append(row, report.Integer(int64(x.Hosts)), moneyCell(a, &x.MonthlySavings, ""))
		}
		t.Rows = append(t.Rows, append(row, report.Integer(int64(g.Idle.Hosts)), moneyCell(a, &g.Idle.StopMonthlySavings, ""), ratio(g.StatedBreakShare, "none_changed")))
	}
	t.Notes = append(t.Notes, groupNotes(req.GroupBy, groups)...)
	advice := rightsizing.Result{Policy: r.Policy, Confidence: r.Confidence, MaxRisk: r.MaxRisk, Currency: r.Currency, Summary: r.Summary}
	t.Notes = append(t.Notes, "saves is of shrinks and swaps; risk their mean chance of breaking.")
	t.Notes = a.wrapped(append(t.Notes, rightsizeNotes(&advice, true)...))
	return answer{result: r, rows: r.Groups, table: t}
}
