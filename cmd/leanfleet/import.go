package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/config"
	"github.com/leanfleet/leanfleet/internal/files"
	"github.com/leanfleet/leanfleet/internal/report"
	"github.com/leanfleet/leanfleet/inventory"
)

func newImport(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:     "import",
		GroupID: groupData,
		Short:   "Store files of samples and inventories",
		Example: "  leanfleet import samples usage.csv.gz --inventory hosts.csv\n  leanfleet import inventory hosts.csv --effective 2026-01-01",
		Args:    noArgs,
	}
	c.AddCommand(newImportSamples(a), newImportInventory(a), newImportPrometheus(a))
	return c
}

// importFlags are those of both imports.
type importFlags struct {
	req       leanfleet.ImportRequest
	effective string
}

func (f *importFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.effective, "effective", "", "from when changes of the inventory hold, where a row has no valid_from: a `time` or date (default now)")
	c.Flags().BoolVar(&f.req.Correct, "correct", false, "replace what the inventory said before in place of recording a change")
	c.Flags().StringVar(&f.req.Why, "why", "", "a `reason` for the history of records")
}

// run imports and prints what was done.
func (f *importFlags) run(c *cobra.Command, a *app) error {
	var err error
	if f.req.Effective, err = a.time("--effective", f.effective); err != nil {
		return err
	}
	if err := a.checkNames(importAnswer(a, &leanfleet.ImportResult{})); err != nil {
		return err
	}
	f.req.Stdin = a.in
	bar := a.progress("reading")
	f.req.Progress = func(read, total int64) {
		if read == 0 && total == 0 {
			bar.phase("sealing")
			return
		}
		bar.bytes(read, total)
	}
	result, err := ask[leanfleet.ImportResult](c.Context(), a, "import", &f.req)
	bar.done()
	switch {
	case errors.Is(err, fleet.ErrImpossible) || errors.Is(err, files.ErrNoCapacity):
		return fmt.Errorf("%w\nNothing was stored; --skip-bad leaves such values out and counts them", err)
	case err != nil:
		return fmt.Errorf("%w\nNothing was stored", err)
	}
	return a.print(importAnswer(a, &result))
}

func newImportSamples(a *app) *cobra.Command {
	var f importFlags
	var rename map[string]string
	var step, tolerance string
	c := &cobra.Command{
		Use:   "samples FILE...",
		Short: "Store samples from CSV (plain, gzip, zstd) or Parquet files",
		Long: `Samples in wide form: the columns host and timestamp, then one column a metric,
named as in docs/metrics.md, or in absolute form (cpu_cores_used,
memory_used_bytes). Times are Unix seconds or milliseconds, or RFC 3339.
All files of one command are one commit: all of them or nothing. Importing a
file again changes nothing.`,
		Example: `  leanfleet import samples usage-*.csv.gz --inventory hosts.csv
  leanfleet import samples peaks.csv --map cpu_cores_used=cpu_cores_used_peak
  zcat usage.csv.gz | leanfleet import samples - --stamp end --step 5m --skip-bad`,
		Args: argsBetween(1, -1, "at least one file, or - for standard input"),
		RunE: func(c *cobra.Command, args []string) error {
			f.req.Samples, f.req.Map = args, rename
			if err := a.importDefaults(c, &f.req, step, tolerance); err != nil {
				return err
			}
			return f.run(c, a)
		},
	}
	c.Flags().StringSliceVar(&f.req.Inventory, "inventory", nil, "inventory `file`s to store in the same commit")
	c.Flags().StringToStringVar(&rename, "map", nil, "read a column of all files under another name: `theirs=ours`; theirs=- leaves it out")
	c.Flags().StringVar(&step, "step", "", "the `time` each row covers, such as 5m (default: each host's commonest difference)")
	c.Flags().StringVar(&f.req.Stamp, "stamp", "", "which end of its interval a time names: `start or end` (default start)")
	c.Flags().BoolVar(&f.req.SkipBad, "skip-bad", false, "leave impossible values out and count them, in place of stopping")
	c.Flags().StringVar(&tolerance, "future-tolerance", "", "how far ahead of the clock a `time` may be")
	f.add(c)
	return c
}

// importDefaults fills in what the configuration says.
func (a *app) importDefaults(c *cobra.Command, req *leanfleet.ImportRequest, step, tolerance string) error {
	s := a.config.Import
	req.Step, req.FutureTolerance, req.RatioWarning = time.Duration(s.Step), time.Duration(s.FutureTolerance), s.RatioWarning
	for flag, target := range map[string]*time.Duration{"step": &req.Step, "future-tolerance": &req.FutureTolerance} {
		text := map[string]string{"step": step, "future-tolerance": tolerance}[flag]
		if text == "" {
			continue
		}
		d, err := config.ParseDuration(text)
		if err != nil {
			return usage(fmt.Errorf("--%s: %w", flag, err))
		}
		*target = time.Duration(d)
	}
	switch req.Stamp {
	case "":
		req.Stamp = string(s.Stamp)
	case "start", "end":
	default:
		return usage(fmt.Errorf("--stamp %q: use start or end", req.Stamp))
	}
	if !c.Flags().Changed("skip-bad") {
		req.SkipBad = s.SkipBad
	}
	return nil
}

func newImportInventory(a *app) *cobra.Command {
	var f importFlags
	c := &cobra.Command{
		Use:   "inventory FILE...",
		Short: "Store what hosts are, from CSV or what a cloud's own tool prints",
		Long: `In CSV, columns: host, name, provider, account, region, zone, instance_type, vcpus,
memory_bytes, arch, os, state, purchase, owned_by, disks, public_addresses,
valid_from, valid_to and tag_NAME. Only host is required. An empty cell leaves
a field as it was, "-" clears it. What was unknown is learned for the whole
past; another value is a change from --effective on; with --correct it
replaces what was wrong. docs/inventory.md has the rules.

With --from it reads what "aws ec2 describe-instances --output json", "az vm list
-d -o json" or "gcloud compute instances list --format json" prints, and beside
them "aws ec2 describe-volumes", "az disk list" or "gcloud compute disks list" for
the sizes and types of disks. Run it again and again: what changed between two
runs becomes the history. docs/collect.md has the table of fields.

A listing does not tell which machines were deleted. With --whole it lists all
there is of a scope, and what earlier listings had there and this one lacks is
ended and named: each region of an account, account, zone or resource group
that it shows a machine of, or a selector. docs/inventory-listings.md has the
rules.`,
		Example: `  leanfleet import inventory hosts.csv
  aws ec2 describe-instances --output json | leanfleet import inventory --from aws-cli -
  leanfleet import inventory --from aws-cli --whole region instances.json volumes.json
  az vm list -d -o json | leanfleet import inventory --from az-cli --whole account -
  gcloud compute instances list --format json | leanfleet import inventory --from gcloud --whole account=my-project -
  leanfleet import inventory hosts.csv --effective 2026-01-01T00:00:00Z
  leanfleet import inventory fixed.csv --correct --why "wrong region in the old list"`,
		Args: argsBetween(1, -1, "at least one file, or - for standard input"),
		RunE: func(c *cobra.Command, args []string) error {
			f.req.Inventory = args
			if c.Flags().Changed("max-ended") && (f.req.Whole == "" || f.req.MaxEnded == 0) {
				return usage(errors.New("--max-ended is the share of the hosts of --whole that may be ended at once, above 0; without --whole none is"))
			}
			return f.run(c, a)
		},
	}
	f.add(c)
	c.Flags().StringVar(&f.req.From, "from", "csv", "what wrote the files: csv, aws-cli, az-cli, gcloud, or auto for any of these `tool`s")
	c.Flags().StringVar(&f.req.Whole, "whole", "", "the `scope` of which the files list every machine, so that others of it are ended: region, account, zone, group, or a selector")
	c.Flags().Var((*percent)(&f.req.MaxEnded), "max-ended", "the `share` of a scope's hosts that may be ended (default 50%); where more would be, nothing is stored")
	return c
}

func importAnswer(a *app, r *leanfleet.ImportResult) answer {
	t := &report.Table{Columns: []report.Column{
		{Key: "what", Header: "import"}, {Key: "count", Header: "count", Kind: report.KindInteger},
	}}
	add := func(what string, n int64) {
		t.Rows = append(t.Rows, report.Row{report.Text(what), report.Integer(n)})
	}
	note := func(format string, args ...any) { t.Notes = append(t.Notes, fmt.Sprintf(format, args...)) }
	if s := r.Samples; s != nil {
		add("files", int64(s.Files))
		add("hosts", int64(s.Hosts))
		add("rows", s.Rows)
		add("samples read", s.Samples)
		add("samples inserted", r.Stored.Inserted)
		add("samples changed", r.Stored.Changed)
		add("samples unchanged", r.Stored.Unchanged)
		add("samples outranked", r.Stored.Outranked)
		var refused int64
		for _, x := range r.Stored.Refused {
			refused += x.Samples
			note("refused %s of %s: %s", plural(x.Samples, "sample"), x.Host, x.Reason)
		}
		for _, x := range s.Skipped {
			refused += x.Samples
			note("left out %s: %s, first at %s", plural(x.Samples, "sample"), x.Reason, x.First)
		}
		add("samples refused", refused)
		if !s.Window.IsZero() {
			note("The samples cover %s.", window(s.Window, a.location()))
		}
		importNotes(r, note)
	}
	if p := r.Inventory; p != nil {
		add("hosts added", int64(p.Added))
		add("hosts learned of", int64(p.Learned))
		add("hosts changed", int64(p.Changed))
		add("hosts corrected", int64(p.Corrected))
		add("hosts unchanged", int64(p.Unchanged))
		endedNotes(a, r, add, note)
		for _, x := range r.UnknownTypes {
			provider := x.Provider
			if provider == "" {
				provider = "no provider"
			}
			hint := ""
			if len(x.Nearest) > 0 {
				hint = "; meant was perhaps " + strings.Join(x.Nearest, " or ")
			}
			note("%s of %s, instance type %s: the catalogue does not know it, so their size is unknown%s.", plural(int64(x.Hosts), "host"), provider, x.InstanceType, hint)
		}
		for _, x := range r.Notes {
			note("%s", x)
		}
		conflictNotes(r, note)
	}
	note("done in %s", time.Duration(r.Seconds*float64(time.Second)).Round(10*time.Millisecond))
	return answer{result: r, rows: []*leanfleet.ImportResult{r}, table: t}
}

// importNotes say what a careful reader of the files should know.
func importNotes(r *leanfleet.ImportResult, note func(string, ...any)) {
	s := r.Samples
	var steps []string
	for _, x := range s.Steps {
		steps = append(steps, fmt.Sprintf("%s (%s)", report.FormatDuration(time.Duration(x.Seconds*float64(time.Second))), plural(int64(x.Hosts), "host")))
	}
	if len(steps) > 0 {
		note("Steps: %s.", strings.Join(steps, ", "))
	}
	if r.NewHosts > 0 {
		note("%s that no inventory names; their record says what the samples say.", plural(int64(r.NewHosts), "host"))
	}
	if s.AboveOne > 0 {
		note("%s above 100 %%; hypervisors report such values, they are stored as they are.", plural(s.AboveOne, "ratio"))
	}
	for i, h := range s.High {
		if i == 5 {
			note("... and %s more; -o json lists all", plural(int64(len(s.High)-5), "host"))
			break
		}
		question := "is its capacity right?"
		if h.Highest > 2 {
			question = "is the file in percent? Ratios are 0.403, not 40.3; import it again when it is mended"
		}
		note("%s: %s of %s, highest %s: %s", h.Host, plural(h.Samples, "sample"), h.Metric, report.FormatRatio(h.Highest), question)
	}
}

// endedNotes say which hosts are gone, and which are back.
func endedNotes(a *app, r *leanfleet.ImportResult, add func(string, int64), note func(string, ...any)) {
	if len(r.Ended)+len(r.Whole) > 0 {
		add("hosts ended", int64(len(r.Ended)))
	}
	loc := a.location()
	where := func(x *leanfleet.EndedHost) string {
		return strings.Join(nonEmpty(string(x.Host), x.Account, x.Region), ", ")
	}
	const most = 20
	for i := range r.Returned {
		x := &r.Returned[i]
		if i == most {
			note("... and %s more that are back; -o json lists all", plural(int64(len(r.Returned)-most), "host"))
			break
		}
		note("back: %s (%s) is listed again, so it did not end at %s", x.Name, where(x), report.FormatTime(x.At, loc))
	}
	for i := range r.Ended {
		x := &r.Ended[i]
		if i == most {
			note("... and %s more that ended; -o json lists all", plural(int64(len(r.Ended)-most), "host"))
			break
		}
		reason := "not listed"
		if x.By != "" {
			reason = fmt.Sprintf("replaced by %s", x.By)
		}
		note("ended: %s (%s) at %s, %s", x.Name, where(x), report.FormatTime(x.At, loc), reason)
	}
	more := 0
	for i, s := range r.Whole {
		switch {
		case s.Ended > 0:
			note("whole: %s: %s listed, %d ended", s.Scope, plural(int64(s.Listed), "host"), s.Ended)
		case i < 5:
			note("whole: %s: %s listed, none is gone", s.Scope, plural(int64(s.Listed), "host"))
		default:
			more++
		}
	}
	if more > 0 {
		note("whole: %s more, of which no host is gone", plural(int64(more), "scope"))
	}
}

// conflictNotes say what was not applied, hosts of one reason together, as the
// members of a scaling group often have one name.
func conflictNotes(r *leanfleet.ImportResult, note func(string, ...any)) {
	hosts := map[string][]string{}
	var reasons []string
	for _, x := range r.Inventory.Conflicts {
		if hosts[x.Reason] == nil {
			reasons = append(reasons, x.Reason)
		}
		hosts[x.Reason] = append(hosts[x.Reason], string(x.Host))
	}
	const most = 3
	for _, reason := range reasons {
		what := "conflict, not applied"
		if x := inventory.Group([]fleet.Conflict{{Reason: reason}}); x[0].Ambiguous {
			what = "shared name"
		}
		note("%s: %s: %s", what, firstOf(hosts[reason], most), reason)
	}
	if r.Standing > 0 {
		note("%s stood before; leanfleet hosts conflicts lists all", plural(int64(r.Standing), "conflict"))
	}
}

// bar is a progress bar on standard error, or nothing.
type bar struct {
	a    *app
	p    *progressbar.ProgressBar
	what string
}

func (a *app) progress(what string) *bar {
	return &bar{a: a, what: what}
}

// shown says whether somebody watches.
func (b *bar) shown() bool { return !b.a.flags.quiet && b.a.errStyle.Terminal }

func (b *bar) phase(what string) {
	b.done()
	b.what = what
	if b.shown() {
		fmt.Fprintf(b.a.err, "%s ...\r", what)
	}
}

func (b *bar) start(total int64, bytes bool) {
	b.p = progressbar.NewOptions64(max(total, -1),
		progressbar.OptionSetWriter(b.a.err), progressbar.OptionSetDescription(b.what),
		progressbar.OptionShowBytes(bytes), progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(), progressbar.OptionSetWidth(30), progressbar.OptionShowCount(),
		progressbar.OptionUseANSICodes(b.a.errStyle.Color))
}

func (b *bar) bytes(read, total int64) { b.set(read, total, true) }
func (b *bar) items(done, total int64) { b.set(done, total, false) }

func (b *bar) set(done, total int64, bytes bool) {
	if !b.shown() {
		return
	}
	if b.p == nil {
		if total == 0 {
			total = -1
		}
		b.start(total, bytes)
	}
	_ = b.p.Set64(done) // the bar is decoration
}

func (b *bar) done() {
	if b.p != nil {
		_ = b.p.Clear()
		b.p = nil
	}
}
