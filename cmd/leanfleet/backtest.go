package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/leanfleet/leanfleet/internal/config"
	"github.com/leanfleet/leanfleet/internal/report"
	"github.com/leanfleet/leanfleet/rightsizing"
)

func newBacktest(a *app) *cobra.Command {
	var req rightsizing.BacktestRequest
	var scope scopeFlags
	var train, test string
	c := &cobra.Command{
		Use:     "backtest",
		GroupID: groupAnswers,
		Short:   "What advice would have saved and broken, had it been followed",
		Long: `Replays advice on the fleet's own history: at each split it advises from what was
known then, and judges by what came. Beside it stand the published rules of
others, doing nothing, and the clairvoyant, who knew what would come.`,
		Example: `  leanfleet backtest --train 60d --test 14d --windows 4
  leanfleet backtest --as-of 2013-09-29 --confidences 0.90,0.95,0.97 --policies leanfleet,aws-default
  leanfleet backtest -o json`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var err error
			if req.Scope, err = scope.resolve(a); err != nil {
				return err
			}
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
			return a.print(backtestAnswer(a, &r, scope.location(a)))
		},
	}
	scope.add(c, "the windows before --as-of")
	sizingFlags(c, &req.Request)
	f := c.Flags()
	f.StringVar(&train, "train", "60d", "`length` of the history before each split")
	f.StringVar(&test, "test", "14d", "`length` of the time after it")
	f.IntVar(&req.Windows, "windows", 4, "`number` of splits, a test length apart")
	f.Float64SliceVar(&req.Confidences, "confidences", []float64{rightsizing.DefaultConfidence}, "`shares` at which leanfleet is replayed")
	f.StringSliceVar(&req.Policies, "policies", nil, "`rules` to compare; NAME+swap adds cheaper types of the same size (default all)")
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
			{Key: "saved_share", Header: "saved", Kind: report.KindRatio}, {Key: "of_clairvoyant", Header: "of clairvoyant", Kind: report.KindRatio},
			moneyColumn(a, "saved", r.Currency, false), {Key: "memory_exceeded", Header: "memory exceeded", Kind: report.KindInteger, Wide: true},
		},
		Notes: damageNotes(r.Damaged),
	}
	for i := range r.Pooled {
		p := &r.Pooled[i]
		t.Rows = append(t.Rows, report.Row{
			text(p.Policy), ratio(p.Confidence, "states_none"), report.Integer(int64(p.Hosts)), report.Integer(int64(p.Changed)), report.Integer(int64(p.Shrunk)),
			ratio(p.BrokenShare.Value, "none_changed"), ratio(p.BrokenShare.Low, ""), ratio(p.BrokenShare.High, ""),
			ratio(p.BrokenShrunkShare.Value, "none_shrunk"), ratio(p.SavedShare.Value, ""), ratio(p.OfClairvoyant.Value, ""),
			moneyCell(a, &p.Saved, ""), report.Integer(int64(p.MemoryExceeded)),
		})
	}
	for _, w := range r.Windows {
		shift := ""
		if w.Shift {
			shift = ", a fleet-wide shift"
		}
		t.Notes = append(t.Notes, fmt.Sprintf("learned from %s, judged in %s%s", window(w.Train, loc), window(w.Test, loc), shift))
	}
	for _, b := range r.Calibration {
		if b.Candidates > 0 {
			t.Notes = append(t.Notes, fmt.Sprintf("stated %s to %s: %s, mean %s, %s broke", report.FormatRatio(b.From), report.FormatRatio(b.To),
				plural(int64(b.Candidates), "candidate"), report.FormatRatio(b.Stated), report.FormatRatio(b.Observed)))
		}
	}
	return answer{result: r, rows: r.Pooled, table: t}
}
