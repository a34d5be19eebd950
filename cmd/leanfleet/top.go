package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/leanfleet/leanfleet/internal/report"
	"github.com/leanfleet/leanfleet/statistics"
)

func newTop(a *app) *cobra.Command {
	var req statistics.TopRequest
	var scope scopeFlags
	var by string
	c := &cobra.Command{
		Use:     "top",
		GroupID: groupAnswers,
		Short:   "The hosts that use most, or least, of something",
		Long: `Hosts ranked by a figure of a metric in a window: the busiest first, or with
--lowest the most idle. With --groups, or --by group, it ranks the process groups
of hosts; docs/collect.md says how they come about.`,
		Example: `  leanfleet top --metric cpu_usage --range 7d
  leanfleet top --metric memory_used_bytes --by max -l provider=aws --limit 50
  leanfleet top --metric cpu_usage --by p99 --lowest
  leanfleet top --groups --metric memory_used_bytes`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if by == "group" {
				req.Groups, by = true, "p95"
			}
			req.By = by
			var err error
			if req.Scope, err = scope.resolve(a); err != nil {
				return err
			}
			result, err := ask[statistics.TopResult](c.Context(), a, "top", &req)
			if err != nil {
				return err
			}
			return a.print(topAnswer(a, &req, &result, &scope), append(narrowFigures(by), "instance_type")...)
		},
	}
	scope.add(c, statistics.DefaultRange)
	metricFlag(c, &req.Metric)
	c.Flags().StringVar(&by, "by", "p95", "rank by this `figure`: mean, median, p95, p99, p99.9, min, max, stddev; group ranks process groups by p95")
	c.Flags().BoolVar(&req.Groups, "groups", false, "rank process groups of hosts in place of hosts")
	c.Flags().BoolVar(&req.Lowest, "lowest", false, "the lowest first")
	return c
}

func topAnswer(a *app, req *statistics.TopRequest, r *statistics.TopResult, scope *scopeFlags) answer {
	loc := scope.location(a)
	t := &report.Table{
		Title: fmt.Sprintf("%s ranked by %s, %s", r.Metric, r.By, window(r.Window, loc)) + simulatedLabel(r.Simulated),
		Columns: []report.Column{
			{Key: "name", Header: "host"}, {Key: "host", Header: "id", Wide: true},
			{Key: "provider", Header: "provider", Wide: true}, {Key: "region", Header: "region", Wide: true},
			{Key: "instance_type", Header: "instance type"}, {Key: "tags", Header: "tags", Wide: true, Prose: true},
		},
		Notes: slices.Concat(a.dataNote(r.Data, r.Window, r.Of, r.Metric, scope.scope.Select, loc), a.blackoutNotes(r.Window, loc), damageNotes(r.Damaged), rankNote(r.RankError)),
	}
	if req.Groups {
		t.Title = "process groups: " + t.Title
		t.Columns = slices.Insert(t.Columns, 1, report.Column{Key: "group", Header: "group"})
		if len(r.Hosts) == 0 {
			t.Notes = append(t.Notes, "No process group was measured. They are named in the section collect of the configuration.")
		}
	}
	var percentiles []statistics.Percentile
	if len(r.Hosts) > 0 {
		percentiles = r.Hosts[0].Percentiles
	}
	t.Columns = append(t.Columns, onlyWide(figureColumns(r.Unit, percentiles), req.By, "samples", "min")...)
	for i := range r.Hosts {
		h := &r.Hosts[i]
		row := report.Row{text(h.Name), text(string(h.Host)), text(h.Provider), text(h.Region), text(h.InstanceType), tagsCell(h.Tags)}
		if req.Groups {
			row = slices.Insert(row, 1, text(h.Group))
		}
		t.Rows = append(t.Rows, append(row, figureCells(r.Unit, &h.Figures)...))
	}
	return answer{result: r, rows: r.Hosts, table: t}
}
