package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/internal/config"
	"github.com/leanfleet/leanfleet/internal/report"
)

func newRetain(a *app) *cobra.Command {
	var req leanfleet.RetainRequest
	var keep string
	c := &cobra.Command{
		Use:     "retain",
		GroupID: groupData,
		Short:   "Drop the days beyond the retention",
		Long: `Drops sealed days that ended longer ago than the retention, counted back from
the newest day stored: old archives may be imported and kept. Records of hosts
stay. "leanfleet collect" does the same by itself, with the configured retention,
when it starts and once an hour; nothing else ever drops a day.`,
		Example: "  leanfleet retain\n  leanfleet retain --keep 90d",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			req.Keep = time.Duration(a.config.Retention)
			if keep != "" {
				d, err := config.ParseDuration(keep)
				if err != nil {
					return usage(fmt.Errorf("--keep: %w", err))
				}
				req.Keep = time.Duration(d)
			}
			t := &report.Table{Columns: []report.Column{{Key: "what", Header: "retention"}, {Key: "count", Header: "count", Kind: report.KindInteger}}}
			if err := a.checkNames(answer{table: t}); err != nil {
				return err
			}
			r, err := ask[leanfleet.RetainResult](c.Context(), a, "retain", &req)
			if err != nil {
				return err
			}
			t.Rows = []report.Row{{report.Text("days dropped"), report.Integer(int64(r.DaysDropped))}}
			if !r.Left.IsZero() {
				t.Notes = append(t.Notes, "What is left covers "+window(r.Left, a.location())+".")
			}
			return a.print(answer{result: &r, rows: []leanfleet.RetainResult{r}, table: t})
		},
	}
	c.Flags().StringVar(&keep, "keep", "", "the `time` to keep (default: the configured retention, 400d)")
	return c
}
