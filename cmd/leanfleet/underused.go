package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/leanfleet/leanfleet/internal/report"
	"github.com/leanfleet/leanfleet/rightsizing"
)

func newUnderused(a *app) *cobra.Command {
	req := rightsizing.UnderusedRequest{Below: rightsizing.DefaultBelow, Share: rightsizing.DefaultTimeShare, Coverage: rightsizing.DefaultCoverage}
	var scope scopeFlags
	c := &cobra.Command{
		Use:     "underused",
		GroupID: groupAnswers,
		Short:   "The hosts that hardly use what they have",
		Long: `Hosts of which each known one of CPU and memory stays below a share of the
capacity valid at the time, for most of the measured time. What is unknown is
shown as unknown.`,
		Example: `  leanfleet underused --below 20% --share 95% --range 30d
  leanfleet underused --any -l env=dev -o csv`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var err error
			if req.Scope, err = scope.resolve(a); err != nil {
				return err
			}
			r, err := ask[rightsizing.UnderusedResult](c.Context(), a, "underused", &req)
			if err != nil {
				return err
			}
			t := &report.Table{
				Title: fmt.Sprintf("below %s for %s of the time, %s", report.FormatRatio(r.Below), report.FormatRatio(r.Share), window(r.Window, scope.location(a))),
				Columns: []report.Column{
					{Key: "name", Header: "host"}, {Key: "host", Header: "id", Wide: true}, {Key: "instance_type", Header: "type"},
					{Key: "cpu_below", Header: "cpu below", Kind: report.KindRatio}, {Key: "cpu_p95", Header: "cpu p95", Kind: report.KindRatio}, {Key: "cpu_max", Header: "cpu max", Kind: report.KindRatio},
					{Key: "memory_below", Header: "mem below", Kind: report.KindRatio}, {Key: "memory_p95", Header: "mem p95", Kind: report.KindRatio}, {Key: "memory_max", Header: "mem max", Kind: report.KindRatio},
					{Key: "tags", Header: "tags", Wide: true, Prose: true},
				},
				Notes: append(damageNotes(r.Damaged), fmt.Sprintf("%s of %s; of %s too little is known", plural(int64(len(r.Hosts)), "host"), report.FormatCount(int64(r.Of)), report.FormatCount(int64(len(r.Undecided))))),
			}
			for i := range r.Hosts {
				h := &r.Hosts[i]
				row := report.Row{text(h.Name), text(string(h.Host)), text(h.InstanceType)}
				for _, u := range []*rightsizing.Use{&h.CPU, &h.Memory} {
					row = append(row, ratio(u.ShareBelow, u.Reason), ratio(u.P95, u.Reason), ratio(u.Max, u.Reason))
				}
				t.Rows = append(t.Rows, append(row, tagsCell(h.Tags)))
			}
			return a.print(answer{result: &r, rows: r.Hosts, table: t}, "cpu_p95", "memory_p95", "instance_type")
		},
	}
	scope.add(c, rightsizing.DefaultUnderusedRange)
	f := c.Flags()
	f.Var((*percent)(&req.Below), "below", "`share` of the capacity that use stays below: 20% or 0.2")
	f.Var((*percent)(&req.Share), "share", "`share` of the measured time: 95% or 0.95")
	f.Var((*percent)(&req.Coverage), "coverage", "`share` of the lifetime that has to be measured: 80% or 0.8")
	f.BoolVar(&req.Any, "any", false, "content with one of CPU and memory")
	return c
}
