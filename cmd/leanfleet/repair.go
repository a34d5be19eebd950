package main

import (
	"github.com/spf13/cobra"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/internal/report"
)

func newRepair(a *app) *cobra.Command {
	var req leanfleet.RepairRequest
	c := &cobra.Command{
		Use:     "repair",
		GroupID: groupData,
		Short:   "List the days that cannot be read, and drop them where you say so",
		Long: `Lists the days whose files are missing or not what was written. Restoring them
from a backup is best. With --drop they are taken off the list and what is left
of their files is deleted: their samples are lost, and the day can be imported
again.`,
		Example: "  leanfleet repair\n  leanfleet repair --verify\n  leanfleet repair --drop && leanfleet import samples backup.csv",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			t := &report.Table{Columns: []report.Column{{Key: "path", Header: "file"}, {Key: "problem", Header: "problem"}}}
			if err := a.checkNames(answer{table: t}); err != nil {
				return err
			}
			r, err := ask[leanfleet.RepairResult](c.Context(), a, "repair", &req)
			if err != nil {
				return err
			}
			for _, d := range r.Damaged {
				t.Rows = append(t.Rows, report.Row{report.Text(d.Path), report.Text(d.Problem)})
			}
			switch {
			case len(r.Damaged) == 0:
				t.Notes = append(t.Notes, "No day is damaged.")
			case r.Dropped:
				t.Notes = append(t.Notes, plural(int64(len(r.Damaged)), "day")+" dropped; import them again if you can.")
			default:
				t.Notes = append(t.Notes, "Nothing was changed; --drop takes these days off the list.")
			}
			return a.print(answer{result: &r, rows: r.Damaged, table: t})
		},
	}
	c.Flags().BoolVar(&req.Drop, "drop", false, "drop them: their samples are lost")
	c.Flags().BoolVar(&req.Verify, "verify", false, "read every file against its checksum")
	return c
}
