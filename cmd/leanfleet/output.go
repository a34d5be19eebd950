package main

import (
	"fmt"
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

// print prints an answer in the format asked for.
func (a *app) print(x answer) error {
	switch a.config.Output {
	case config.OutputJSON:
		return report.WriteJSON(a.out, x.result)
	case config.OutputJSONL:
		return report.WriteJSONLines(a.out, x.rows)
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

// dataNote says what the data covers when an answer is empty.
func dataNote(data *fleet.Window, loc *time.Location) []string {
	if data == nil {
		return nil
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
	if strings.HasSuffix(one, "y") {
		many = strings.TrimSuffix(one, "y") + "ies"
	}
	return report.FormatCount(n) + " " + many
}
