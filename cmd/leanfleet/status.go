package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/collect"
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
of a monitoring plugin: 0 ok, 1 warning, 2 critical, 3 unknown. Damage, clocks that
are wrong, a full disk, contradictions about hosts and hosts that are measured though
they are said to be gone, or stopped for a day, are always looked for; silent hosts
and gaps where it is asked. Beside a running "leanfleet collect" it shows what that
did.`,
		Example: `  leanfleet status
  leanfleet status --verify
  leanfleet status --max-age 10m --min-coverage 95% -o json`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if age != "" {
				d, err := config.ParseDuration(age)
				if err != nil {
					return unknownStatus(fmt.Errorf("--max-age: %w", err))
				}
				req.MaxAge = time.Duration(d)
			}
			result, err := ask[leanfleet.StatusResult](c.Context(), a, "status", &req)
			if err != nil {
				return unknownStatus(err)
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
	c.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return unknownStatus(fmt.Errorf("%w\nSee %q", flagError(c, err), c.CommandPath()+" --help"))
	})
	c.Flags().BoolVar(&req.Verify, "verify", false, "read every file against its checksum")
	c.Flags().StringVar(&age, "max-age", "", "critical when the newest sample ended longer ago than this `time`, such as 10m; hosts that are silent for so long and not known to be stopped are a warning")
	c.Flags().Var((*percent)(&req.MinCoverage), "min-coverage", "warn of hosts of whose recent life less than this `share` was measured, such as 95%")
	c.Flags().StringVar(&req.Range, "coverage-over", "", "the `range` that --min-coverage looks at (default 24h)")
	c.Flags().Var((*percent)(&req.MinFree), "min-free", "warn when less than this `share` of the disk is left (default 5%); a quarter of it is critical")
	return c
}

// unknownStatus is the error of a check that could not be made, wrong usage
// included: 2 would be critical.
func unknownStatus(err error) error {
	return &exitError{leanfleet.LevelUnknown.ExitCode(), errors.New(err.Error())}
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
	if r.Contradictions+r.SharedNames > 0 {
		add("contradictions", fmt.Sprintf("%d, and %s; \"leanfleet hosts conflicts\" lists them", r.Contradictions, plural(int64(r.SharedNames), "shared name")))
	}
	add("days", report.FormatCount(int64(s.Days)))
	add("rows", report.FormatCount(s.Rows))
	add("samples", report.FormatCount(s.Samples))
	add("size of days", report.FormatBytes(float64(s.DayBytes)))
	if h := s.Head; h != nil {
		groups := ""
		if h.Samples > s.Samples-s.SealedSamples {
			groups = ", process groups too"
		}
		add("not sealed yet", fmt.Sprintf("%s of %s%s, %s on disk, %s in memory", plural(h.Samples, "sample"), plural(int64(h.Days), "day"), groups,
			report.FormatBytes(float64(h.LogBytes)), report.FormatBytes(float64(h.MemoryBytes))))
	}
	add("size of leanfleet.db", report.FormatBytes(float64(s.DatabaseBytes)))
	if r.BytesPerSample != nil {
		add("bytes per sample", fmt.Sprintf("%.2f", *r.BytesPerSample))
	}
	if r.AgeSeconds != nil {
		add("samples cover", window(s.Seen, a.location()))
		age := time.Duration(*r.AgeSeconds * float64(time.Second)).Round(time.Second)
		when := report.FormatDuration(age) + " ago"
		if age < 0 {
			when = "in " + report.FormatDuration(-age)
		}
		add("newest sample", when)
	}
	if r.Space != nil && r.Space.Total > 0 {
		add("free on disk", fmt.Sprintf("%s, %.0f %%", report.FormatBytes(float64(r.Space.Free)), 100*float64(r.Space.Free)/float64(r.Space.Total)))
	}
	addCollector(add, r.Collector, a.location())
	add("retention", a.retentionText(r.Collector))
	metrics := slices.Sorted(maps.Keys(s.Metrics))
	if a.config.Output == config.OutputWide {
		for _, name := range metrics {
			add(name, plural(s.Metrics[name], "sample"))
		}
	} else if len(metrics) > 0 {
		add("metrics", fmt.Sprintf("%d; -o wide counts the samples of each", len(metrics)))
	}
	if a.forPeople() {
		a.printFindings(r)
	} else {
		t.Notes = append(t.Notes, r.Findings...)
	}
	return answer{result: r, rows: []*leanfleet.StatusResult{r}, table: t}
}

// printFindings prints what is wrong, the worst first, above all else.
func (a *app) printFindings(r *leanfleet.StatusResult) {
	if len(r.Findings) == 0 {
		fmt.Fprintln(a.out, "OK: nothing was found to be wrong")
	}
	for i, f := range r.Findings {
		fmt.Fprintf(a.out, "%s: %s\n", strings.ToUpper(string(r.FindingLevels[i])), f)
	}
	fmt.Fprintln(a.out)
}

// addCollector adds what the measuring process did.
func addCollector(add func(what, value string), c *collect.Status, loc *time.Location) {
	if c == nil {
		return
	}
	add("collecting", fmt.Sprintf("%s every %s, since %s", plural(int64(len(c.Tasks)), "host"), report.FormatDuration(c.Interval), report.FormatTime(c.Started.Truncate(time.Second), loc)))
	add("collections", fmt.Sprintf("%s, %d failed, %d intervals skipped", report.FormatCount(c.Collections), c.Failures, c.Skipped))
	add("collected", fmt.Sprintf("%s samples, %d waiting, %d lost", report.FormatCount(c.Collected), c.Waiting, c.Dropped+c.Refused))
	if c.Collections > 0 {
		add("a collection takes", fmt.Sprintf("%s on average, %s at most", (c.Total/time.Duration(c.Collections)).Round(10*time.Microsecond), c.Longest.Round(10*time.Microsecond)))
	}
	if c.LastSinkError != "" {
		when := report.FormatTime(c.LastSinkErrorAt.Truncate(time.Second), loc)
		if c.LastStored.After(c.LastSinkErrorAt) {
			when += ", stored again since"
		}
		add("last storing error", c.LastSinkError+" ("+when+")")
	}
	for i, t := range c.Tasks {
		if i == 5 {
			add("and", plural(int64(len(c.Tasks)-i), "more collector")+"; -o json has them")
			break
		}
		for _, n := range t.Notes {
			add("note of "+t.Name, n)
		}
	}
}

// retentionText says how long samples are kept, and who drops older ones.
func (a *app) retentionText(c *collect.Status) string {
	if c == nil || c.Retention == nil {
		return report.FormatDuration(time.Duration(a.config.Retention)) + "; older days go with \"leanfleet retain\", or hourly while collect runs"
	}
	x := c.Retention
	s := report.FormatDuration(x.Keep) + "; looked at every " + report.FormatDuration(x.Every)
	if !x.Ran.IsZero() {
		s += ", last " + report.FormatTime(x.Ran.Truncate(time.Second), a.location())
	}
	return s + ", " + plural(int64(x.DaysDropped), "day") + " dropped"
}
