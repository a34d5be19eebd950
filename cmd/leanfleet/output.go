package main

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/config"
	"github.com/leanfleet/leanfleet/internal/report"
)

// answer is a Result with its table.
type answer struct {
	// result is what -o json prints.
	result any
	// rows is the slice whose items -o jsonl prints, a line each.
	rows any
	// table is what the other formats print.
	table *report.Table
	// after prints more for people, such as a plot, beneath the table.
	after func() error
}

// write writes an answer in the format asked for.
func (a *app) write(x answer) error {
	switch a.config.Output {
	case config.OutputJSON:
		return report.WriteJSON(a.out, x.result)
	case config.OutputJSONL:
		a.notes(x.table.Notes)
		return report.WriteJSONLines(a.out, limited(x.rows, a.config.Limit))
	case config.OutputCSV:
		a.notes(x.table.Notes)
	}
	view, err := x.table.View(report.View{SortBy: a.flags.sortBy, Columns: a.flags.columns, Limit: a.config.Limit})
	if err != nil {
		return usage(err)
	}
	if err := view.Write(a.out, report.Format(a.config.Output), a.style); err != nil {
		return err
	}
	if x.after != nil && a.forPeople() {
		return x.after()
	}
	return nil
}

// notes prints on standard error what the formats for machines have no place
// for, such as files that were left out.
func (a *app) notes(list []string) {
	for _, n := range list {
		a.note("%s", n)
	}
}

// limited is the first items of a slice; a limit of 0 is all.
func limited(rows any, limit int) any {
	v := reflect.ValueOf(rows)
	if limit == 0 || v.Kind() != reflect.Slice || v.Len() <= limit {
		return rows
	}
	return v.Slice(0, limit).Interface()
}

// forPeople says whether the output is a table.
func (a *app) forPeople() bool {
	return a.config.Output == config.OutputTable || a.config.Output == config.OutputWide
}

// note prints a line on standard error unless --quiet.
func (a *app) note(format string, args ...any) {
	if !a.flags.quiet {
		fmt.Fprintf(a.err, format+"\n", args...)
	}
}

// complain prints an error, each of its lines once.
func (a *app) complain(err error) {
	prefix := "leanfleet: "
	if a.errStyle.Color {
		prefix = "\x1b[31mleanfleet:\x1b[0m "
	}
	fmt.Fprintf(a.err, "%s%s\n", prefix, err)
}

// flagNames are the names of the flags a command takes.
func flagNames(c *cobra.Command) []string {
	var names []string
	c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	return names
}

// kindOf is how a metric's values are printed.
func kindOf(unit fleet.Unit) report.Kind {
	switch unit {
	case fleet.UnitRatio:
		return report.KindRatio
	case fleet.UnitBytes:
		return report.KindBytes
	case fleet.UnitBytesPerSecond:
		return report.KindByteRate
	case fleet.UnitSeconds:
		return report.KindDuration
	}
	return report.KindNumber
}

// figure is a metric's value as a cell; nil is unknown.
func figure(unit fleet.Unit, v *float64, reason string) report.Value {
	if v == nil {
		return report.Unknown(reason)
	}
	switch unit {
	case fleet.UnitRatio:
		return report.Ratio(*v)
	case fleet.UnitBytes:
		return report.Bytes(*v)
	case fleet.UnitBytesPerSecond:
		return report.ByteRate(*v)
	case fleet.UnitSeconds:
		return report.Duration(time.Duration(*v * float64(time.Second)))
	}
	return report.Number(*v, 2)
}

// ratio is a ratio as a cell; nil is unknown.
func ratio(v *float64, reason string) report.Value { return figure(fleet.UnitRatio, v, reason) }

// text is a text as a cell; "" is unknown.
func text(s string) report.Value {
	if s == "" {
		return report.Unknown("")
	}
	return report.Text(s)
}

// groupColumns are the columns of a group's keys.
func groupColumns(by []string) []report.Column {
	var out []report.Column
	for _, key := range by {
		out = append(out, report.Column{Key: key, Header: key})
	}
	return out
}

// groupCells are the values of a group's keys.
func groupCells(key fleet.GroupKey) report.Row {
	var row report.Row
	for _, v := range key {
		if v.Value == nil {
			row = append(row, report.Unknown("no value"))
			continue
		}
		row = append(row, report.Text(*v.Value))
	}
	return row
}

// totalCells begin the line of totals.
func totalCells(by []string) report.Row {
	row := make(report.Row, len(by))
	for i := range row {
		row[i] = report.Text("")
	}
	if len(row) > 0 {
		row[0] = report.Text("total")
	}
	return row
}

// window prints a half-open window in the location a question was asked in.
func window(w fleet.Window, loc *time.Location) string {
	return fmt.Sprintf("[%s, %s)", report.FormatTime(w.Start, loc), report.FormatTime(w.End, loc))
}

// dataNote says why an answer is empty: no host, no sample of the metric, or
// another time than the data covers; and which verb tells more, of an engine
// elsewhere by asking that.
func (a *app) dataNote(data *fleet.Window, asked fleet.Window, hosts int, metric, selector string, loc *time.Location) []string {
	switch {
	case data == nil:
		return nil
	case hosts == 0 && selector != "" && data.Overlaps(asked):
		return []string{fmt.Sprintf("No host matches %s in this window; leanfleet hosts%s lists those there are.", selector, a.elsewhere())}
	case data.Overlaps(asked):
		tells := "leanfleet status -o wide counts the samples of each metric"
		if more := a.elsewhere(); more != "" {
			tells = fmt.Sprintf("leanfleet hosts show HOST%s counts the samples of each metric of a host", more)
		}
		return []string{fmt.Sprintf("No samples of %s in this window, though there are others; %s.", metric, tells)}
	}
	return []string{fmt.Sprintf("No samples in this window. The data covers %s; try --as-of %s.",
		window(*data, loc), data.End.UTC().Format(time.RFC3339))}
}

// damageNotes list files that a partial answer had to do without.
func damageNotes(list []fleet.Damage) []string {
	var out []string
	for _, d := range list {
		out = append(out, fmt.Sprintf("Left out: %s (%s): %s", d.Day, d.File, d.Reason))
	}
	return out
}

// plural is "1 host" or "3 hosts".
func plural(n int64, one string) string {
	if n == 1 {
		return "1 " + one
	}
	many := one + "s"
	if stem, ok := strings.CutSuffix(one, "y"); ok && !strings.HasSuffix(stem, "a") { // not days
		many = stem + "ies"
	}
	return report.FormatCount(n) + " " + many
}

// simulatedLabel marks the title of an answer about a synthetic fleet.
func simulatedLabel(simulated bool) string {
	if simulated {
		return " (simulated)"
	}
	return ""
}

// blackoutNotes say which configured blackouts an answer left out.
func (a *app) blackoutNotes(w fleet.Window, loc *time.Location) []string {
	var out []string
	for _, b := range a.config.Blackouts {
		x := fleet.Window{Start: b.From, End: b.To}
		if !x.Overlaps(w) {
			continue
		}
		why := ""
		if b.Reason != "" {
			why = ": " + b.Reason
		}
		out = append(out, fmt.Sprintf("Left out: the blackout %s%s", window(x, loc), why))
	}
	return out
}

// groupNotes say which keys no host of the answer has a value for.
func groupNotes(by []string, groups []fleet.GroupKey) []string {
	var out []string
	for i, key := range by {
		none := len(groups) > 0
		for _, g := range groups {
			none = none && g[i].Value == nil
		}
		if none {
			out = append(out, fmt.Sprintf("No host has a value for %s; leanfleet hosts shows the tags there are.", key))
		}
	}
	return out
}
