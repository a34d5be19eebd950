package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/internal/config"
	"github.com/leanfleet/leanfleet/internal/report"
)

func newStatus(a *app) *cobra.Command {
	var req leanfleet.StatusRequest
	var age string
	c := &cobra.Command{
		Use:     "status",
		GroupID: groupAnswers,
		Short:   "What is stored, and what is wrong with it",
		Long: `What is stored, how large it is, and what is wrong with it. The exit code is that
of a monitoring plugin: 0 ok, 1 warning, 2 critical, 3 unknown.`,
		Example: `  leanfleet status
  leanfleet status --verify
  leanfleet status --max-age 10m -o json`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if age != "" {
				d, err := config.ParseDuration(age)
				if err != nil {
					return usage(fmt.Errorf("--max-age: %w", err))
				}
				req.MaxAge = time.Duration(d)
			}
			result, err := ask[leanfleet.StatusResult](c.Context(), a, "status", &req)
			if err != nil {
				return &exitError{leanfleet.LevelUnknown.ExitCode(), err}
			}
			if err := a.print(statusAnswer(a, &result)); err != nil {
				return err
			}
			if code := result.Level.ExitCode(); code != 0 {
				return &exitError{code: code}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&req.Verify, "verify", false, "read every file against its checksum")
	c.Flags().StringVar(&age, "max-age", "", "critical when the newest sample ended longer ago than this `time`, such as 10m")
	return c
}

func statusAnswer(a *app, r *leanfleet.StatusResult) answer {
	s := &r.Store
	t := &report.Table{Columns: []report.Column{{Key: "what", Header: "status"}, {Key: "value", Header: strings.ToUpper(string(r.Level))}}}
	add := func(what, value string) {
		t.Rows = append(t.Rows, report.Row{report.Text(what), report.Text(value)})
	}
	add("directory", s.Dir)
	hosts := report.FormatCount(int64(s.Hosts))
	if r.Simulated {
		hosts += " (simulated)"
	}
	add("hosts", hosts)
	add("days", report.FormatCount(int64(s.Days)))
	add("rows", report.FormatCount(s.Rows))
	add("samples", report.FormatCount(s.Samples))
	add("size of days", report.FormatBytes(float64(s.DayBytes)))
	add("size of leanfleet.db", report.FormatBytes(float64(s.DatabaseBytes)))
	if r.BytesPerSample != nil {
		add("bytes per sample", fmt.Sprintf("%.2f", *r.BytesPerSample))
		add("samples cover", window(s.Seen, a.location()))
		age := time.Duration(*r.AgeSeconds * float64(time.Second)).Round(time.Second)
		when := report.FormatDuration(age) + " ago"
		if age < 0 {
			when = "in " + report.FormatDuration(-age)
		}
		add("newest sample", when)
	}
	metrics := slices.Sorted(maps.Keys(s.Metrics))
	if a.config.Output == config.OutputWide {
		for _, name := range metrics {
			add(name, plural(s.Metrics[name], "sample"))
		}
	} else if len(metrics) > 0 {
		add("metrics", fmt.Sprintf("%d; -o wide counts the samples of each", len(metrics)))
	}
	t.Notes = append(t.Notes, r.Findings...)
	return answer{result: r, rows: []*leanfleet.StatusResult{r}, table: t}
}
