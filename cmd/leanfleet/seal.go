package main

import (
	"github.com/spf13/cobra"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/internal/report"
)

func newSeal(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "seal",
		GroupID: groupData,
		Short:   "Write what came lately into the files of days now",
		Long: `What is measured goes to a log first and is written into the Parquet file of its
day an hour after the day's end. "leanfleet seal" does it now, today's samples too,
for programs that read the files themselves, such as DuckDB and pandas. leanfleet's
own answers are the same before and after it. A day is written anew by each seal:
every few minutes is too often for a large fleet.`,
		Example: "  leanfleet seal",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			t := &report.Table{Columns: []report.Column{{Key: "what", Header: "sealed"}, {Key: "count", Header: "count", Kind: report.KindInteger}}}
			if err := a.checkNames(answer{table: t}); err != nil {
				return err
			}
			r, err := ask[leanfleet.SealResult](c.Context(), a, "seal", &leanfleet.SealRequest{})
			if err != nil {
				return err
			}
			t.Rows = []report.Row{
				{report.Text("days"), report.Integer(int64(r.Days))},
				{report.Text("samples"), report.Integer(r.Samples)},
			}
			return a.print(answer{result: &r, rows: []leanfleet.SealResult{r}, table: t})
		},
	}
}
