package main

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/leanfleet/leanfleet/internal/config"
	"github.com/leanfleet/leanfleet/internal/report"
)

// The options about tables that all verbs share.
const (
	optionSort    = "sort-by"
	optionColumns = "columns"
	optionLimit   = "limit"
)

// viewRule says which options about tables a verb heeds. What it does not heed is
// refused before anything is done, so that no option does nothing.
type viewRule struct {
	// formats are those that -o may name; nil is every one.
	formats []string
	// table, lines and whole are the options heeded with tables and CSV, with
	// -o jsonl and with -o json.
	table, lines, whole []string
	// late says that the verb finds its format out by itself and checks then.
	late bool
}

// ruleOf is the rule of a verb. Most print rows: tables, CSV and lines of JSON
// are sorted and limited, and -o json is the whole answer as it is.
func ruleOf(path string) viewRule {
	if strings.HasPrefix(path, "leanfleet completion ") {
		return viewRule{formats: []string{}}
	}
	r := viewRule{table: []string{optionSort, optionColumns, optionLimit}, lines: []string{optionSort, optionLimit}}
	switch strings.TrimPrefix(path, "leanfleet ") {
	case "collect", "version", "config check", "config schema", "export samples", "export inventory":
		return viewRule{formats: []string{}}
	case "config show":
		return viewRule{formats: []string{string(config.OutputJSON)}}
	case "demo":
		return viewRule{formats: []string{string(config.OutputTable), string(config.OutputWide)}, table: []string{optionLimit}}
	case "prices search", "prices equivalents": // the operation itself is limited
		r.whole = []string{optionLimit}
	case "chargeback":
		r.late = true
	case "trend", "status", "seal", "retain", "simulate", "import samples", "import inventory", "import prometheus",
		"hosts history", "hosts merge", "hosts tag", "hosts rename", "hosts retire", "prices export", "prices import":
		r.lines = []string{optionLimit} // a line is more, or less, than a row of the table
	}
	return r
}

// checkView refuses options about tables that a verb would not heed.
func (a *app) checkView(c *cobra.Command) error {
	rule := ruleOf(c.CommandPath())
	switch {
	case c.Annotations[groupOnly] != "" || c.Name() == "help":
		return nil
	case rule.formats != nil && a.flags.output != "" && !slices.Contains(rule.formats, a.flags.output):
		return usage(fmt.Errorf("%s does not write -o %s%s", c.CommandPath(), a.flags.output, orFormats(rule.formats)))
	case slices.Contains(strings.Fields(c.Annotations[moreFormats]), a.flags.output):
		return refuseOptions(c, nil, "-o "+a.flags.output+", which is for another program")
	case a.engine.explain:
		return refuseOptions(c, nil, "--explain-queries, which prints no table")
	case rule.late:
		return nil
	}
	return checkViewAs(c, a.config.Output)
}

// checkNames refuses columns, and an order, that the table of an answer lacks,
// before anything is written that brings the answer.
func (a *app) checkNames(x answer) error {
	t := report.Table{Columns: x.table.Columns}
	if _, err := t.View(report.View{SortBy: a.flags.sortBy, Columns: a.flags.columns}); err != nil {
		return usage(err)
	}
	return nil
}

// orFormats names the formats there are instead.
func orFormats(formats []string) string {
	if len(formats) == 0 {
		return ": it prints no table"
	}
	return ": only " + strings.Join(formats, " and ")
}

// checkViewAs is checkView for a format.
func checkViewAs(c *cobra.Command, format config.Output) error {
	rule := ruleOf(c.CommandPath())
	switch {
	case rule.formats != nil:
		return refuseOptions(c, rule.table, c.CommandPath()+", which prints no table for it")
	case format == config.OutputJSON:
		return refuseOptions(c, rule.whole, "-o json, which is the whole answer as it is: use -o jsonl, csv or a table")
	case format == config.OutputJSONL:
		return refuseOptions(c, rule.lines, "-o jsonl, whose lines are whole objects: use -o csv or a table")
	}
	return nil
}

// refuseOptions refuses the options about tables that were given and are not
// heeded. A limit of 0 is all, which is heeded everywhere.
func refuseOptions(c *cobra.Command, heeded []string, with string) error {
	for _, option := range []string{optionSort, optionColumns, optionLimit} {
		f := c.Flags().Lookup(option)
		if f == nil || !f.Changed || option == optionLimit && f.Value.String() == "0" || slices.Contains(heeded, option) {
			continue
		}
		return usage(fmt.Errorf("--%s does not go with %s", option, with))
	}
	return nil
}

// narrowFigures are the columns of figures that a narrow terminal can do without,
// the least useful first, save for one.
func narrowFigures(needed string) []string {
	list := []string{"min", "samples", "median", "coverage", "p99", "hosts"}
	return slices.DeleteFunc(list, func(key string) bool { return key == needed })
}

// onlyWide leaves columns of figures to -o wide, save for one.
func onlyWide(columns []report.Column, needed string, keys ...string) []report.Column {
	for i, c := range columns {
		if c.Key != needed && slices.Contains(keys, c.Key) {
			columns[i].Wide = true
		}
	}
	return columns
}

// print prints an answer in the format asked for. On a terminal that is too
// narrow for its table the columns named, the least useful first, are left out,
// and a note says so; lines of JSON are sorted as the table would be.
func (a *app) print(x answer, drop ...string) error {
	var err error
	switch {
	case a.config.Output == config.OutputJSONL && a.flags.sortBy != "":
		var order []int
		if order, err = orderOf(x.table, a.flags.sortBy); err == nil {
			x.rows = reordered(x.rows, order)
		}
	case a.config.Output == config.OutputTable && a.flags.columns == "" && a.style.Terminal && a.style.Width > 0:
		x.table, err = a.narrowed(x.table, drop)
	}
	if err != nil {
		return usage(err)
	}
	return a.write(x)
}

// printAmounts is print for answers whose amounts are numbers for people and
// exact text for machines: both are sorted as numbers are.
func (a *app) printAmounts(build func(*app) answer, drop ...string) error {
	x := build(a)
	if a.flags.sortBy == "" || a.forPeople() {
		return a.print(x, drop...)
	}
	people, settings := *a, *a.config
	settings.Output, people.config = config.OutputTable, &settings
	order, err := orderOf(build(&people).table, a.flags.sortBy)
	if err != nil {
		return usage(err)
	}
	rows := make([]report.Row, len(order))
	for i, n := range order {
		rows[i] = x.table.Rows[n]
	}
	x.table.Rows, x.rows = rows, reordered(x.rows, order)
	sorted := *a
	sorted.flags.sortBy = ""
	return sorted.write(x)
}

// orderOf are the places that the rows of a table have before they are sorted.
func orderOf(t *report.Table, by string) ([]int, error) {
	const place = "place in the answer"
	x := *t
	x.Columns = append(slices.Clone(t.Columns), report.Column{Key: place})
	x.Rows, x.Totals = nil, nil
	for i, row := range t.Rows {
		x.Rows = append(x.Rows, append(slices.Clone(row), report.Text(strconv.Itoa(i))))
	}
	sorted, err := x.View(report.View{SortBy: by})
	if err != nil {
		return nil, err
	}
	order := make([]int, len(sorted.Rows))
	for i, row := range sorted.Rows {
		if order[i], err = strconv.Atoi(row[len(row)-1].String()); err != nil {
			return nil, err
		}
	}
	return order, nil
}

// reordered is a slice whose items are those of a table's rows, in an order.
func reordered(rows any, order []int) any {
	v := reflect.ValueOf(rows)
	if v.Kind() != reflect.Slice || v.Len() != len(order) {
		panic("BUG: rows of an answer that are not those of its table")
	}
	out := reflect.MakeSlice(v.Type(), 0, len(order))
	for _, i := range order {
		out = reflect.Append(out, v.Index(i))
	}
	return out.Interface()
}

// narrowed leaves columns out of a table until it fits into the terminal.
func (a *app) narrowed(t *report.Table, drop []string) (*report.Table, error) {
	shown, err := t.View(report.View{SortBy: a.flags.sortBy, Limit: a.config.Limit})
	if err != nil {
		return nil, err
	}
	out := *t
	out.Columns = slices.Clone(t.Columns)
	shown.Title, shown.Notes = "", nil
	shown.Columns = out.Columns
	sorted, err := report.ParseSort(a.flags.sortBy)
	if err != nil {
		return nil, err
	}
	drop = slices.DeleteFunc(slices.Clone(drop), func(key string) bool {
		return slices.ContainsFunc(sorted, func(k report.SortKey) bool { return k.Column == key })
	})
	var gone []string
	for _, key := range drop {
		width, err := widthOf(shown)
		if err != nil {
			return nil, err
		}
		if width <= a.style.Width {
			break
		}
		i := slices.IndexFunc(out.Columns, func(c report.Column) bool { return c.Key == key })
		if i < 0 || out.Columns[i].Wide {
			continue
		}
		out.Columns[i].Wide = true
		gone = append(gone, leftOut(shown, i))
	}
	if len(gone) > 0 {
		out.Notes = append(slices.Clone(t.Notes), "Left out for want of room: "+strings.Join(gone, ", ")+"; -o wide has all.")
	}
	return &out, nil
}

// leftOut names a column that is left out, with its values where they are few.
func leftOut(t *report.Table, column int) string {
	c := t.Columns[column]
	name := c.Header
	if name == "" {
		name = c.Key
	}
	if c.Kind != report.KindText {
		return name
	}
	const few = 2
	var values []string
	for _, row := range t.Rows {
		if v := row[column].String(); !slices.Contains(values, v) {
			values = append(values, v)
		}
	}
	values = slices.DeleteFunc(values, func(v string) bool { return v == "" || v == report.Unknown("").String() })
	if len(values) == 0 || len(values) > few {
		return name
	}
	slices.Sort(values)
	return name + " (" + strings.Join(values, ", ") + ")"
}

// widthOf is the width of a table's lines where no more than sentences are
// trimmed.
func widthOf(t *report.Table) (int, error) {
	var b bytes.Buffer
	if err := t.WriteText(&b, report.Style{}, false); err != nil {
		return 0, err
	}
	// Header and rule come first; the rule is as wide as all columns are.
	lines := strings.SplitN(b.String(), "\n", 3)
	width := utf8.RuneCountInString(lines[min(1, len(lines)-1)])
	for i, c := range t.Columns {
		if c.Wide || c.Kind != report.KindText {
			continue
		}
		longest := 0
		for _, row := range t.Rows {
			longest = max(longest, utf8.RuneCountInString(row[i].String()))
		}
		width -= max(0, longest-sentenceWidth)
	}
	return width, nil
}

// sentenceWidth is how much of a sentence a column has to show: longer ones are
// cut before columns are left out.
const sentenceWidth = 40
