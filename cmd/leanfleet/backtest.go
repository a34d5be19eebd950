package main

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/leanfleet/leanfleet/internal/chart"
	"github.com/leanfleet/leanfleet/internal/config"
	"github.com/leanfleet/leanfleet/internal/report"
	"github.com/leanfleet/leanfleet/rightsizing"
)

func newBacktest(a *app) *cobra.Command {
	var req rightsizing.BacktestRequest
	f := sizingFlags{several: true}
	var train, test, png string
	c := &cobra.Command{
		Use:     "backtest",
		GroupID: groupAnswers,
		Short:   "What advice would have saved and broken, had it been followed",
		Long: `Replays advice on the fleet's own history: at each split it advises from what was
known then, and judges by what came. Beside it stand the published rules of
others, doing nothing, and the clairvoyant, who knew what would come. The plot
shows what each saves and breaks; --png writes it as a picture.`,
		Example: `  leanfleet backtest --train 60d --test 14d --windows 4
  leanfleet backtest --as-of 2013-09-29 --confidence 90%,95%,97% --policies leanfleet,aws-default
  leanfleet backtest --png backtest.png
  leanfleet backtest -o json`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := f.resolve(a, c, &req.Request); err != nil {
				return err
			}
			req.Confidences = f.confidence.list
			for flag, x := range map[string]struct {
				text string
				into *time.Duration
			}{"train": {train, &req.Train}, "test": {test, &req.Test}} {
				d, err := config.ParseDuration(x.text)
				if err != nil {
					return usage(fmt.Errorf("--%s: %w", flag, err))
				}
				*x.into = time.Duration(d)
			}
			r, err := ask[rightsizing.BacktestResult](c.Context(), a, "backtest", &req)
			if err != nil {
				return err
			}
			if png != "" {
				var picture bytes.Buffer
				if err := backtestPlane(&r).WritePNG(&picture); err != nil {
					return err
				}
				if err := writeWhole(png, picture.Bytes()); err != nil {
					return err
				}
				a.note("wrote %s", png)
			}
			return a.printAmounts(func(a *app) answer { return backtestAnswer(a, &r, f.scope.location(a)) })
		},
	}
	f.add(c, &req.Request, "the windows before --as-of")
	g := c.Flags()
	g.StringVar(&train, "train", "60d", "`length` of the history before each split")
	g.StringVar(&test, "test", "14d", "`length` of the time after it")
	g.IntVar(&req.Windows, "windows", 4, "`number` of splits, a test length apart")
	g.Var(&f.confidence, "confidences", "the former name of --confidence, `shares`")
	_ = g.MarkHidden("confidences") // it is there
	g.StringSliceVar(&req.Policies, "policies", nil, "`rules` to compare; NAME+swap adds cheaper types of the same size (default all)")
	g.StringVar(&png, "png", "", "write what each rule saves and breaks as a picture to this `file`")
	return c
}

func backtestAnswer(a *app, r *rightsizing.BacktestResult, loc *time.Location) answer {
	t := &report.Table{
		Title: fmt.Sprintf("back-test over %s, amounts in %s a month", plural(int64(len(r.Windows)), "window"), r.Currency),
		Columns: []report.Column{
			{Key: "policy", Header: "policy"}, {Key: "confidence", Header: "stated", Kind: report.KindRatio},
			{Key: "hosts", Header: "hosts", Kind: report.KindInteger, Wide: true}, {Key: "changed", Header: "changed", Kind: report.KindInteger},
			{Key: "shrunk", Header: "shrunk", Kind: report.KindInteger}, {Key: "broken_share", Header: "broken", Kind: report.KindRatio},
			{Key: "broken_low", Header: "low", Kind: report.KindRatio, Wide: true}, {Key: "broken_high", Header: "high", Kind: report.KindRatio, Wide: true},
			{Key: "broken_shrunk_share", Header: "of shrunk", Kind: report.KindRatio},
			{Key: "saved_share", Header: "saved", Kind: report.KindRatio}, {Key: "of_clairvoyant", Header: "of best", Kind: report.KindRatio},
			moneyColumn(a, "saved", r.Currency, true), moneyColumn(a, "saved_swaps", r.Currency, true),
			{Key: "memory_exceeded", Header: "memory exceeded", Kind: report.KindInteger, Wide: true},
			{Key: "time_above_80", Header: "time over 80 %", Kind: report.KindRatio, Wide: true}, {Key: "time_above_100", Header: "over 100 %", Kind: report.KindRatio, Wide: true},
			{Key: "busy_broken_share", Header: "busy broken", Kind: report.KindRatio, Wide: true}, {Key: "busy_saved_share", Header: "busy saved", Kind: report.KindRatio, Wide: true},
		},
		Notes: damageNotes(r.Damaged),
	}
	for i := range r.Pooled {
		p := &r.Pooled[i]
		t.Rows = append(t.Rows, report.Row{
			text(p.Policy), ratio(p.Confidence, "states_none"), report.Integer(int64(p.Hosts)), report.Integer(int64(p.Changed)), report.Integer(int64(p.Shrunk)),
			ratio(p.BrokenShare.Value, "none_changed"), ratio(p.BrokenShare.Low, ""), ratio(p.BrokenShare.High, ""),
			ratio(p.BrokenShrunkShare.Value, "none_shrunk"), ratio(p.SavedShare.Value, ""), ratio(p.OfClairvoyant.Value, ""),
			moneyCell(a, &p.Saved, ""), moneyCell(a, &p.SavedSwaps, ""), report.Integer(int64(p.MemoryExceeded)),
			report.Ratio(p.TimeAbove80), report.Ratio(p.TimeAbove100), ratio(p.Busy.BrokenShare.Value, "none_changed"), ratio(p.Busy.SavedShare.Value, ""),
		})
	}
	t.Notes = append(t.Notes, "broken is of the changed hosts, of shrunk of those that lost CPU or memory; saved of the cost, of best of what the clairvoyant saves.")
	for _, w := range r.Windows {
		shift := ""
		if w.Shift {
			shift = ", a fleet-wide shift"
		}
		t.Notes = append(t.Notes, fmt.Sprintf("learned from %s, judged in %s%s: %s", window(w.Train, loc), window(w.Test, loc), shift, windowText(&w)))
	}
	for _, b := range r.Calibration {
		if b.Candidates > 0 {
			t.Notes = append(t.Notes, fmt.Sprintf("stated %s to %s: %s, mean %s, %s broke", report.FormatRatio(b.From), report.FormatRatio(b.To),
				plural(int64(b.Candidates), "candidate"), report.FormatRatio(b.Stated), report.FormatRatio(b.Observed)))
		}
	}
	t.Notes = a.wrapped(t.Notes)
	return answer{result: r, rows: r.Pooled, table: t, after: func() error {
		if len(r.Pooled) == 0 {
			return nil
		}
		fmt.Fprintln(a.out)
		return report.Scatter(a.out, a.style, backtestScatter(r))
	}}
}

// windowText is what the first policy came to in a window, or why no host counts.
func windowText(w *rightsizing.WindowOutcome) string {
	words := map[string]string{
		"no_type": "without a known type or size", "no_price": "without a price", "rule_excludes": "left out by a rule", "gone": "gone by the end",
		"before_unmeasured": "measured too little before", "test_unmeasured": "measured too little in it",
	}
	var left []string
	for _, reason := range slices.Sorted(maps.Keys(w.Unjudged)) {
		left = append(left, fmt.Sprintf("%s %s", report.FormatCount(int64(w.Unjudged[reason])), cmp.Or(words[reason], reason)))
	}
	text := "no host counts"
	if len(w.Policies) > 0 && w.Policies[0].Hosts > 0 {
		p := &w.Policies[0]
		text = fmt.Sprintf("%s, %s of them above the limit unchanged; %s changed %s, %s broke", plural(int64(p.Hosts), "host"), shareText(w.AboveLimit.Value),
			policyName(p), report.FormatCount(int64(p.Changed)), report.FormatCount(int64(p.Broken)))
	}
	if len(left) > 0 {
		text += "; not judged: " + strings.Join(left, ", ")
	}
	return text + "."
}

func shareText(v *float64) string {
	if v == nil {
		return "an unknown share"
	}
	return report.FormatRatio(*v)
}

// limitOf is the share that may break by the highest confidence but one that was
// asked for: that of the list; false where none was.
func limitOf(r *rightsizing.BacktestResult) (confidence float64, ok bool) {
	for i := range r.Pooled {
		if c := r.Pooled[i].Confidence; c != nil {
			if *c == rightsizing.DefaultConfidence || !ok {
				confidence, ok = *c, true
			}
		}
	}
	return confidence, ok
}

// policyName is a policy with what it states.
func policyName(p *rightsizing.PolicyOutcome) string {
	if p.Confidence == nil {
		return p.Policy
	}
	return fmt.Sprintf("%s %.4g %%", p.Policy, *p.Confidence*100)
}

const swapSuffix = "+swap"

// backtestScatter is what each policy saved and broke: digits for leanfleet,
// letters for rules, in upper case with swaps added.
func backtestScatter(r *rightsizing.BacktestResult) report.ScatterSpec {
	s := report.ScatterSpec{Title: "what each rule saves and breaks", XName: "saved, of the cost", YName: "broken, of the changed hosts",
		XKind: report.KindRatio, YKind: report.KindRatio}
	if c, ok := limitOf(r); ok {
		limit := 1 - c
		s.Limit, s.LimitName = &limit, fmt.Sprintf("%.4g %%", limit*100)
	}
	letters := map[string]rune{}
	digit := '1'
	for i := range r.Pooled {
		p := &r.Pooled[i]
		x := report.ScatterPoint{Name: policyName(p), X: orNaN(p.SavedShare.Value), Y: orNaN(p.BrokenShare.Value)}
		base, swapped := strings.CutSuffix(p.Policy, swapSuffix)
		switch p.Policy {
		case rightsizing.PolicyLeanfleet:
			x.Mark, x.Strong = digit, true
			digit = min(digit+1, '9')
		case rightsizing.PolicyClairvoyant:
			x.Mark = '*'
		case rightsizing.PolicyDoNothing:
			continue // it is where the axes begin
		default:
			if letters[base] == 0 {
				letters[base] = 'a' + rune(len(letters)%26)
			}
			if x.Mark = letters[base]; swapped {
				x.Mark += 'A' - 'a'
			}
		}
		s.Points = append(s.Points, x)
	}
	return s
}

// backtestPlane is the same as a picture.
func backtestPlane(r *rightsizing.BacktestResult) *chart.Plane {
	p := &chart.Plane{Title: "What advice would have saved, and broken", XLabel: "saved, of the cost", YLabel: "broken, of the changed hosts"}
	if n := len(r.Windows); n > 0 {
		first, last := &r.Windows[0], &r.Windows[n-1]
		p.Subtitle = fmt.Sprintf("back-test on %s: %s of %.0f days from %s to %s", plural(hostsOf(r), "host"), plural(int64(n), "window"),
			first.Test.Duration().Hours()/24, first.Test.Start.Format(time.DateOnly), last.Test.End.Add(-time.Second).Format(time.DateOnly))
	}
	if c, ok := limitOf(r); ok {
		p.Limit, p.LimitLabel = 1-c, fmt.Sprintf("%.4g %% may break at %.4g %%", (1-c)*100, c*100)
	}
	for i := range r.Pooled {
		x := &r.Pooled[i]
		if x.SavedShare.Value == nil {
			continue
		}
		m := chart.Mark{Label: policyName(x), Role: chart.Other, Saved: *x.SavedShare.Value}
		if x.BrokenShare.Value != nil {
			m.Broken = *x.BrokenShare.Value
		}
		base, swapped := strings.CutSuffix(x.Policy, swapSuffix)
		switch {
		case x.Policy == rightsizing.PolicyLeanfleet:
			m.Role = chart.Own
			if x.BrokenShare.Low != nil && x.BrokenShare.High != nil {
				m.Low, m.High = *x.BrokenShare.Low, *x.BrokenShare.High
			}
		case x.Policy == rightsizing.PolicyClairvoyant:
			m.Role = chart.Bound
		case x.Policy == rightsizing.PolicyDoNothing:
			m.Role = chart.Origin
		case swapped:
			m.Role, m.Of = chart.Variant, base
		}
		p.Marks = append(p.Marks, m)
	}
	return p
}

// hostsOf is the number of hosts judged in the window that judges most.
func hostsOf(r *rightsizing.BacktestResult) int64 {
	n := 0
	for _, w := range r.Windows {
		for i := range w.Policies {
			n = max(n, w.Policies[i].Hosts)
		}
	}
	return int64(n)
}
