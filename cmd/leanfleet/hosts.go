package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/hosts"
	"github.com/leanfleet/leanfleet/internal/report"
	"github.com/leanfleet/leanfleet/internal/zones"
	"github.com/leanfleet/leanfleet/inventory"
)

func newHosts(a *app) *cobra.Command {
	var req hosts.ListRequest
	var asOf string
	c := &cobra.Command{
		Use:     "hosts",
		GroupID: groupAnswers,
		Short:   "The hosts there are: list, show, history, tag, rename, merge, retire, conflicts",
		Long: `Hosts as their records say, at a time. A record is valid from when to when, so
the list of last year shows last year's sizes and tags.`,
		Example: `  leanfleet hosts -l dept=eng,provider=aws
  leanfleet hosts --as-of 2026-01-31 -o csv
  leanfleet hosts show web-1
  leanfleet hosts history web-1`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var err error
			if req.AsOf, err = a.time("--as-of", asOf); err != nil {
				return err
			}
			result, err := ask[hosts.ListResult](c.Context(), a, "hosts", &req)
			if err != nil {
				return err
			}
			return a.print(hostsAnswer(a, &result), "state")
		},
	}
	c.Flags().StringVarP(&req.Select, "selector", "l", "", "hosts, such as `dept=eng,env!=dev,name=~web-.*`")
	c.Flags().StringVar(&asOf, "as-of", "", "the `time` the list is of (default now)")
	c.AddCommand(newHostsShow(a), newHostsHistory(a), newHostsTag(a), newHostsRename(a), newHostsMerge(a), newHostsRetire(a), newHostsConflicts(a))
	return c
}

// time reads a flag that is a time; "" is the zero time.
func (a *app) time(flag, s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	loc, err := zones.Load(string(a.config.TimeZone))
	if err != nil {
		return time.Time{}, err
	}
	t, err := fleet.ParseTime(s, loc)
	if err != nil {
		return time.Time{}, usage(fmt.Errorf("%s: %w", flag, err))
	}
	return t, nil
}

// location is the configured time zone.
func (a *app) location() *time.Location {
	loc, err := zones.Load(string(a.config.TimeZone))
	if err != nil {
		return time.UTC
	}
	return loc
}

func hostsAnswer(a *app, r *hosts.ListResult) answer {
	loc := a.location()
	t := &report.Table{
		Title: "hosts as of " + report.FormatTime(r.AsOf, loc) + simulatedLabel(fleet.AnySimulated(r.Hosts)),
		Columns: []report.Column{
			{Key: "name", Header: "host"}, {Key: "host", Header: "id", Wide: true},
			{Key: "provider", Header: "provider", Wide: true}, {Key: "account", Header: "account", Wide: true},
			{Key: "region", Header: "region"}, {Key: "zone", Header: "zone", Wide: true},
			{Key: "instance_type", Header: "instance type"},
			{Key: "vcpus", Header: "vCPUs", Kind: report.KindNumber},
			{Key: "memory_bytes", Header: "memory", Kind: report.KindBytes},
			{Key: "capacity_from", Header: "capacity from", Wide: true},
			{Key: "os", Header: "os", Wide: true}, {Key: "arch", Header: "arch", Wide: true},
			{Key: "state", Header: "state"}, {Key: "purchase", Header: "purchase", Wide: true},
			{Key: "owned_by", Header: "owned by", Wide: true},
			{Key: "disks_gib", Header: "disks GiB", Kind: report.KindNumber, Wide: true},
			{Key: "public_addresses", Header: "addresses", Kind: report.KindInteger, Wide: true},
			{Key: "tags", Header: "tags", Prose: true},
			{Key: "first_sample", Header: "first sample", Kind: report.KindTime, Wide: true},
			{Key: "last_sample", Header: "last sample", Kind: report.KindTime, Wide: true},
		},
	}
	for i := range r.Hosts {
		t.Rows = append(t.Rows, recordRow(&r.Hosts[i], loc))
		if i > 0 && r.Hosts[i].DisplayName() == r.Hosts[i-1].DisplayName() { // they are in the order of names
			t.Columns[1].Wide = false // only the id tells them apart
		}
	}
	if len(r.Hosts) == 0 {
		come := "Hosts come with \"leanfleet import inventory FILE\" or with their samples."
		if a.engine.url != "" {
			come = "Hosts come with their series in the engine, or with --inventory FILE."
		}
		t.Notes = append(t.Notes, "No host is known at this time. "+come)
	} else {
		t.Notes = append(t.Notes, plural(int64(len(r.Hosts)), "host"))
	}
	return answer{result: r, rows: r.Hosts, table: t}
}

func recordRow(h *fleet.Record, loc *time.Location) report.Row {
	vcpus, memory := report.Unknown(""), report.Unknown("")
	if h.Capacity.VCPUs > 0 {
		digits := 0
		if h.Capacity.VCPUs != float64(int(h.Capacity.VCPUs)) {
			digits = 2
		}
		vcpus = report.Number(h.Capacity.VCPUs, digits)
	}
	if h.Capacity.MemoryBytes > 0 {
		memory = report.Bytes(float64(h.Capacity.MemoryBytes))
	}
	disks, addresses := report.Unknown(""), report.Unknown("")
	if h.Disks != nil {
		sum := 0.0
		for _, d := range h.Disks {
			sum += d.GiB
		}
		disks = report.Number(sum, 0)
	}
	if h.Addresses != nil {
		addresses = report.Integer(int64(*h.Addresses))
	}
	first, last := report.Unknown("no samples"), report.Unknown("no samples")
	if !h.Seen.IsZero() {
		first, last = report.Time(h.Seen.Start.In(loc)), report.Time(h.Seen.End.In(loc))
	}
	return report.Row{
		text(h.DisplayName()), text(string(h.Host)), text(h.Provider), text(h.Account), text(h.Region), text(h.Zone),
		text(h.InstanceType), vcpus, memory, text(h.CapacityFrom), text(h.OS), text(h.Arch),
		text(string(h.State)), text(string(h.Purchase)), text(h.OwnedBy), disks, addresses, tagsCell(h.Tags), first, last,
	}
}

// tagsCell prints tags as dept=eng env=prod.
func tagsCell(tags fleet.Tags) report.Value {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		parts = append(parts, k+"="+tags[k])
	}
	return text(strings.Join(parts, " "))
}

func newHostsShow(a *app) *cobra.Command {
	var req hosts.ShowRequest
	var scope scopeFlags
	c := &cobra.Command{
		Use:     "show HOST",
		Short:   "What one host is, how it is called, what it uses",
		Example: "  leanfleet hosts show web-1 --range 30d",
		Args:    argsBetween(1, 1, "one host: its name or id"),
		RunE: func(c *cobra.Command, args []string) error {
			var err error
			if req.Scope, err = scope.resolve(a); err != nil {
				return err
			}
			if req.Select != "" {
				return usage(fmt.Errorf("hosts show is about one host; -l %s has no meaning", req.Select))
			}
			req.Host = args[0]
			result, err := ask[hosts.ShowResult](c.Context(), a, "host", &req)
			if err != nil {
				return err
			}
			return a.print(showAnswer(a, &result, scope.location(a)), "samples", "coverage")
		},
	}
	scope.add(c, hosts.DefaultRange)
	return c
}

func showAnswer(a *app, r *hosts.ShowResult, loc *time.Location) answer {
	t := &report.Table{
		Title: "usage, " + window(r.Window, loc),
		Columns: []report.Column{
			{Key: "metric", Header: "metric"}, {Key: "samples", Header: "samples", Kind: report.KindInteger},
			{Key: "coverage", Header: "coverage", Kind: report.KindRatio},
			{Key: "mean", Header: "mean", Align: report.AlignRight}, {Key: "p95", Header: "p95", Align: report.AlignRight},
			{Key: "max", Header: "max", Align: report.AlignRight},
		},
		Notes: damageNotes(r.Damaged),
	}
	for i := range r.Usage {
		u := &r.Usage[i]
		cell := func(v float64) report.Value { return report.Text(figure(u.Unit, &v, "").String()) }
		t.Rows = append(t.Rows, report.Row{report.Text(u.Metric), report.Integer(u.Samples),
			ratio(u.Coverage, "no_lifetime"), cell(u.Mean), cell(u.P95), cell(u.Max)})
	}
	if len(r.Usage) == 0 {
		t.Notes = append(t.Notes, "No samples in this window.")
	}
	if a.forPeople() {
		printIdentity(a, r, loc)
	}
	return answer{result: r, rows: r.Usage, table: t}
}

// printIdentity prints what a host is, above its usage.
func printIdentity(a *app, r *hosts.ShowResult, loc *time.Location) {
	line := func(key, value string) {
		if value != "" {
			fmt.Fprintf(a.out, "%-14s %s\n", key, value)
		}
	}
	line("id", string(r.Host))
	if x := r.Record; x != nil {
		row := recordRow(x, loc)
		line("name", nameText(r))
		line("where", strings.Join(nonEmpty(x.Provider, x.Account, x.Region, x.Zone), " / "))
		line("instance type", x.InstanceType)
		size := row[7].String() + " vCPUs, " + row[8].String()
		if seen := r.Capacity.Seen; x.CapacityFrom == "" && seen.VCPUs > 0 && seen.MemoryBytes > 0 {
			size = fmt.Sprintf("%.4g vCPUs, %s (as it sees itself; no inventory tells)", seen.VCPUs, report.FormatBytes(float64(seen.MemoryBytes)))
		} else if x.CapacityFrom == "" {
			size = "unknown"
		} else {
			size += " (" + x.CapacityFrom + ")"
		}
		line("size", size)
		line("state", stateText(x))
		line("purchase", string(x.Purchase))
		line("disks", diskText(x.Disks))
		line("os", strings.Join(nonEmpty(x.OS, x.Arch), ", "))
		line("owned by", x.OwnedBy)
		line("tags", strings.Join(nonEmpty(tagText(x.Tags)), ""))
		line("valid", validity(x, loc))
		if !x.Seen.IsZero() {
			line("samples", window(x.Seen, loc))
		}
	} else {
		line("record", "none is valid at "+report.FormatTime(r.AsOf, loc))
	}
	for _, d := range r.Capacity.Differences {
		line("check", d)
	}
	if !r.Listed.IsZero() {
		line("listed", report.FormatTime(r.Listed, loc)+" (the last listing of a cloud that names it)")
	}
	for i := range r.Aliases {
		line("called", aliasText(&r.Aliases[i], loc))
	}
	for _, m := range r.Merged {
		line("merged", string(m))
	}
	fmt.Fprintln(a.out)
}

// nameText is a host's name, and that others have it, too.
func nameText(r *hosts.ShowResult) string {
	name := r.Record.DisplayName()
	finds := func(x inventory.Alias) bool {
		w := x.Window()
		return x.Key == name && w.Contains(r.AsOf)
	}
	if name == string(r.Host) || slices.ContainsFunc(r.Aliases, finds) {
		return name
	}
	return name + " (does not find it alone: leanfleet hosts conflicts)"
}

// diskText lists disks, equal ones together: 2 x gp3 100 GiB, io2 500 GiB. Of a
// host whose disks nobody told it is empty.
func diskText(disks []fleet.Disk) string {
	if disks != nil && len(disks) == 0 {
		return "none"
	}
	var parts []string
	counts := map[fleet.Disk]int{}
	for _, d := range disks {
		counts[d]++
	}
	for _, d := range disks {
		n := counts[d]
		delete(counts, d)
		s := fmt.Sprintf("%s %.4g GiB", d.Type, d.GiB)
		switch {
		case n > 1:
			s = fmt.Sprintf("%d x %s", n, s)
		case n == 0: // is in the list
			continue
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, ", ")
}

// firstOf names the first of a list, and says how many more there are.
func firstOf(names []string, most int) string {
	if n := len(names); n > most {
		names = append(names[:most:most], fmt.Sprintf("%d more", n-most))
	}
	return strings.Join(names, ", ")
}

// stateText is a state, and that it was inferred.
func stateText(r *fleet.Record) string {
	if r.Inferred {
		return string(r.State) + " (inferred: nobody stated it)"
	}
	return string(r.State)
}

func tagText(tags fleet.Tags) string {
	if len(tags) == 0 {
		return ""
	}
	return tagsCell(tags).String()
}

func nonEmpty(list ...string) []string {
	return slices.DeleteFunc(list, func(s string) bool { return s == "" })
}

func validity(r *fleet.Record, loc *time.Location) string {
	return bound(r.From, "the beginning", loc) + " to " + bound(r.To, "now on", loc)
}

func bound(t time.Time, open string, loc *time.Location) string {
	if t.IsZero() {
		return open
	}
	return report.FormatTime(t, loc)
}

func aliasText(x *inventory.Alias, loc *time.Location) string {
	s := fmt.Sprintf("%s (%s", x.Key, strings.ReplaceAll(string(x.Kind), "_", " "))
	if !x.From.IsZero() {
		s += " from " + report.FormatTime(x.From, loc)
	}
	if !x.To.IsZero() {
		s += " until " + report.FormatTime(x.To, loc)
	}
	if x.Origin != "" {
		s += ", by " + string(x.Origin)
	}
	return s + ")"
}

func newHostsHistory(a *app) *cobra.Command {
	var req hosts.HistoryRequest
	var asOf string
	c := &cobra.Command{
		Use:     "history HOST",
		Short:   "What a host's record went through: who wrote what, when and why",
		Example: "  leanfleet hosts history web-1",
		Args:    argsBetween(1, 1, "one host: its name or id"),
		RunE: func(c *cobra.Command, args []string) error {
			var err error
			if req.AsOf, err = a.time("--as-of", asOf); err != nil {
				return err
			}
			req.Host = args[0]
			result, err := ask[hosts.HistoryResult](c.Context(), a, "host_history", &req)
			if err != nil {
				return err
			}
			return a.print(historyAnswer(a, &result), narrowHistory()...)
		},
	}
	c.Flags().StringVar(&asOf, "as-of", "", "the `time` at which the host was called so (default now)")
	return c
}

// narrowHistory are the columns of a history that a narrow terminal can do
// without, the least useful first.
func narrowHistory() []string { return []string{"until", "who", "why", "effective"} }

func historyAnswer(a *app, r *hosts.HistoryResult) answer {
	loc := a.location()
	t := &report.Table{
		Title: "history of " + string(r.Host),
		Columns: []report.Column{
			{Key: "at", Header: "written", Kind: report.KindTime}, {Key: "who", Header: "who"},
			{Key: "action", Header: "what"}, {Key: "field", Header: "field"},
			{Key: "before", Header: "before"}, {Key: "after", Header: "after"},
			{Key: "effective", Header: "holds from"}, {Key: "until", Header: "until"}, {Key: "why", Header: "why", Prose: true},
		},
	}
	for _, e := range r.Writes {
		changes := e.Changes
		if len(changes) == 0 {
			changes = []inventory.Change{{Kind: e.Action}}
		}
		for _, c := range changes {
			t.Rows = append(t.Rows, report.Row{
				report.Time(e.At.In(loc)), text(e.Who), text(c.Kind), text(c.Field), text(c.From), text(c.To),
				report.Text(bound(c.Effective, "the beginning", loc)), report.Text(bound(c.Until, "now on", loc)), text(e.Why),
			})
		}
	}
	return answer{result: r, rows: r.Writes, table: t}
}

func newHostsMerge(a *app) *cobra.Command {
	var req leanfleet.MergeRequest
	c := &cobra.Command{
		Use:   "merge INTO FROM",
		Short: "Say that two hosts were found to be one",
		Long: `FROM becomes an alias of INTO; both stay findable, and their samples are read as
those of one host. Nothing stored is rewritten.`,
		Example: "  leanfleet hosts merge web-1 i-0123456789abcdef0 --why \"same machine, two agents\"",
		Args:    argsBetween(2, 2, "two hosts: the one that stays, and the one found to be it"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := a.checkNames(historyAnswer(a, &leanfleet.MergeResult{})); err != nil {
				return err
			}
			req.Into, req.From = args[0], args[1]
			result, err := ask[leanfleet.MergeResult](c.Context(), a, "merge_hosts", &req)
			if err != nil {
				return err
			}
			return a.print(historyAnswer(a, &result), narrowHistory()...)
		},
	}
	c.Flags().StringVar(&req.Why, "why", "", "a `reason` for the history")
	return c
}
