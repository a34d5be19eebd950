package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/advice"
	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/decisions"
	"github.com/leanfleet/leanfleet/internal/report"
	"github.com/leanfleet/leanfleet/internal/zones"
	"github.com/leanfleet/leanfleet/rightsizing"
)

// decideTexts are the help of the verbs that decide.
var decideTexts = map[string][3]string{
	"accept": {"Keep that an advised change is to be made",
		`Keeps that a change is to be made: the one that is advised, or the one to the type
of --to. rightsize --accepted -o aws-cli and its like hand such changes off, and
rightsize decisions says when the inventory shows them.`,
		`  leanfleet rightsize accept web-1 web-2 --why "agreed with the web team"
  leanfleet rightsize accept db-1 --to r6i.xlarge`},
	"dismiss": {"Keep that an advised change is not to be made",
		`Keeps that a host is not to be changed, or not to the type of --to. It is not
advised again until the date of --until, or until its type changes.`,
		`  leanfleet rightsize dismiss db-1 --why "licence is by host" --until 2026-12-31
  leanfleet rightsize dismiss web-1 --to m5.large`},
	"done": {"Keep that an advised change was made",
		`Keeps that a change was made: the accepted one, else the one that is advised, or
the one to the type of --to. rightsize decisions says whether the inventory shows
it, and what it has saved since.`,
		`  leanfleet rightsize done web-1
  leanfleet rightsize done db-1 --to r6i.xlarge --at 2026-03-01`},
}

// newDecide is accept, dismiss or done.
func newDecide(a *app, action string) *cobra.Command {
	req := leanfleet.DecideRequest{Action: advice.DecisionAction(action)}
	var f sizingFlags
	var at, until string
	var to []string
	help := decideTexts[action]
	c := &cobra.Command{
		Use: action + " HOST...", Short: help[0], Long: help[1], Example: help[2],
		Args: argsBetween(1, -1, "the names of hosts"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := f.resolve(a, c, &req.Request); err != nil {
				return err
			}
			if req.Hosts = args; len(to) > 1 {
				return usage(errors.New("--to takes one instance type"))
			}
			for _, name := range list(to) {
				req.To = name
			}
			loc := f.scope.location(a)
			var err error
			if req.At, err = instantFlag("--at", at, loc, fleet.ParseTime); err != nil {
				return err
			}
			if req.Until, err = instantFlag("--until", until, loc, fleet.ParseEnd); err != nil {
				return err
			}
			if err := a.checkNames(decidedAnswer(a, &leanfleet.DecideResult{}, loc)); err != nil {
				return err
			}
			r, err := ask[leanfleet.DecideResult](c.Context(), a, "decide", &req)
			if err != nil {
				return err
			}
			return a.printAmounts(func(a *app) answer { return decidedAnswer(a, &r, loc) })
		},
	}
	f.add(c, &req.Request, rightsizing.DefaultRange)
	g := c.Flags()
	g.StringSliceVar(&to, "to", nil, "the instance `type` (default: the advised one"+map[string]string{"dismiss": "; every change", "done": "; the accepted one first"}[action]+")")
	g.StringVar(&req.Why, "why", "", "`reason`, kept for people")
	g.StringVar(&req.Who, "who", "", "`person` who decided (default: the user)")
	g.StringVar(&at, "at", "", "`time` or date at which it was decided or done (default now)")
	if action != "done" {
		g.StringVar(&until, "until", "", "`time` or date, included, until which it counts (default for good)")
	}
	return c
}

// instantFlag reads a time or a date; "" is none.
func instantFlag(flag, text string, loc *time.Location, parse func(string, *time.Location) (time.Time, error)) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := parse(text, loc)
	if err != nil {
		return t, usage(fmt.Errorf("%s: %w", flag, err))
	}
	return t, nil
}

func decidedAnswer(a *app, r *leanfleet.DecideResult, loc *time.Location) answer {
	t := &report.Table{Columns: []report.Column{
		{Key: "host", Header: "host"}, {Key: "action", Header: "decision"}, {Key: "from", Header: "from"}, {Key: "to", Header: "to"},
		moneyColumn(a, "monthly_savings", r.Currency, false), {Key: "who", Header: "who"}, {Key: "until", Header: "until", Kind: report.KindTime}, {Key: "why", Header: "why"},
	}}
	for i := range r.Decisions {
		d := &r.Decisions[i]
		t.Rows = append(t.Rows, report.Row{text(d.Host), text(string(d.Action)), text(d.From), toCell(d), moneyCell(a, d.MonthlySavings, "no_price"), text(d.Who), instantCell(d.Until, loc), text(d.Why)})
	}
	return answer{result: r, rows: r.Decisions, table: t}
}

// toCell is the type of a decision; of none it is about every change.
func toCell(d *advice.Decision) report.Value {
	if d.To == "" {
		return report.Text("any")
	}
	return report.Text(d.To)
}

// instantCell is a time as a cell; zero is none.
func instantCell(t time.Time, loc *time.Location) report.Value {
	if t.IsZero() {
		return report.Unknown("")
	}
	return report.Time(t.In(loc))
}

func newDecisions(a *app) *cobra.Command {
	var req leanfleet.DecisionsRequest
	var asOf, zone string
	c := &cobra.Command{
		Use:   "decisions",
		Short: "What was decided about advised changes, and what became of it",
		Long: `The last decision about each host, whether the inventory shows the change, and
what it has saved since: by today's prices of the two types, over the hours in
which the host was of the new type and not stopped. With --host all decisions
about one host.`,
		Example: `  leanfleet rightsize decisions
  leanfleet rightsize decisions --host web-1
  leanfleet rightsize decisions -o csv`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if zone == "" {
				zone = string(a.config.TimeZone)
			}
			loc, err := zones.Load(zone)
			if err != nil {
				return usage(err)
			}
			if req.AsOf, err = instantFlag("--as-of", asOf, loc, fleet.ParseEnd); err != nil {
				return err
			}
			r, err := ask[leanfleet.DecisionsResult](c.Context(), a, "decisions", &req)
			if err != nil {
				return err
			}
			return a.printAmounts(func(a *app) answer { return decisionsAnswer(a, &r, req.Host != "", loc) })
		},
	}
	g := c.Flags()
	g.StringVar(&req.Host, "host", "", "only this `host`, by name or id, with all that was decided about it")
	g.StringVar(&asOf, "as-of", "", "end of relative ranges: a `time` such as 2026-01-31T00:00:00Z, or a date, which is included (default now)")
	g.StringVar(&zone, "timezone", "", "IANA `zone` of dates (default: the configured one, else UTC)")
	return c
}

func decisionsAnswer(a *app, r *leanfleet.DecisionsResult, history bool, loc *time.Location) answer {
	amount := func(key, header string, wide bool) report.Column {
		c := moneyColumn(a, key, r.Currency, wide)
		if a.forPeople() {
			c.Header, c.Unit = header, ""
		}
		return c
	}
	t := &report.Table{
		Title: fmt.Sprintf("decisions as of %s, in %s", report.FormatTime(r.AsOf, loc), r.Currency),
		Columns: []report.Column{
			{Key: "name", Header: "host"}, {Key: "host", Header: "id", Wide: true}, {Key: "state", Header: "state"}, {Key: "from", Header: "from"}, {Key: "to", Header: "to"},
			{Key: "progress", Header: "inventory"}, {Key: "since", Header: "since", Kind: report.KindTime, Wide: true},
			amount("expected_monthly_savings", "expected", false), amount("realised_monthly_savings", "realised", false), amount("realised_total", "so far", false),
			amount("expected_total", "expected so far", true),
			{Key: "who", Header: "who", Wide: !history}, {Key: "at", Header: "decided", Kind: report.KindTime, Wide: true}, {Key: "until", Header: "until", Kind: report.KindTime, Wide: true}, {Key: "why", Header: "why", Wide: !history},
		},
	}
	for i := range r.Decisions {
		d := &r.Decisions[i]
		t.Rows = append(t.Rows, decisionRow(a, d, loc))
		if history {
			for _, h := range d.History {
				t.Notes = append(t.Notes, historyLine(&h, loc))
			}
			if d.Realised != nil && d.Realised.Reason != "" {
				t.Notes = append(t.Notes, "What was realised is not known: "+d.Realised.Reason+".")
			}
		}
	}
	if n := r.States[decisions.Done]; n > 0 {
		t.Notes = append(t.Notes, fmt.Sprintf("%s done: %s a month expected, %s realised at today's prices; %s saved so far.",
			plural(int64(n), "change"), amountText(r.ExpectedMonthly), amountText(r.RealisedMonthly), amountText(r.RealisedTotal)))
	}
	if len(r.Decisions) == 0 {
		t.Notes = append(t.Notes, "Nothing was decided yet; leanfleet rightsize accept, dismiss and done keep decisions.")
	}
	return answer{result: r, rows: r.Decisions, table: t}
}

func decisionRow(a *app, d *leanfleet.DecisionStanding, loc *time.Location) report.Row {
	x := &d.Decision
	progress, month, total := report.Unknown(""), report.Unknown("nothing_to_make"), report.Unknown("nothing_to_make")
	if d.Realised != nil {
		shown := strings.ReplaceAll(string(d.Progress), "_", " ")
		if !a.forPeople() {
			shown = string(d.Progress)
		} else if d.Progress == decisions.OtherType {
			shown = "is " + d.Now
		}
		progress = report.Text(shown)
		month, total = moneyCell(a, d.Realised.Monthly, "not_seen"), moneyCell(a, d.Realised.Total, "not_seen")
	}
	return report.Row{text(d.Name), text(d.Host), text(string(d.State)), text(x.From), toCell(x), progress, instantCell(d.Since, loc),
		moneyCell(a, x.MonthlySavings, "no_price"), month, total, moneyCell(a, d.ExpectedTotal, "not_seen"),
		text(x.Who), instantCell(x.At, loc), instantCell(x.Until, loc), text(x.Why)}
}

// historyLine is one decision in words.
func historyLine(d *advice.Decision, loc *time.Location) string {
	verb := map[advice.DecisionAction]string{advice.DecisionAccept: "accepted", advice.DecisionDismiss: "dismissed", advice.DecisionDone: "said to be done"}[d.Action]
	line := fmt.Sprintf("%s: %s by %s", report.FormatTime(d.At, loc), verb, d.Who)
	if d.To != "" {
		line += fmt.Sprintf(", %s to %s", d.From, d.To)
	}
	if d.Why != "" {
		line += ": " + d.Why
	}
	if !d.Until.IsZero() {
		line += "; until " + report.FormatTime(d.Until, loc)
	}
	return line
}
