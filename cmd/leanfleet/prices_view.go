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

// checkView refuses flags of the table where an answer is printed without one,
// so that none is ignored: -o json is the whole answer as it is. Verbs that can
// limit the answer itself name the flag.
func (a *app) checkView(c *cobra.Command, honoured ...string) error {
	return checkViewAs(c, a.config.Output, honoured...)
}

// checkViewAs is checkView for a format.
func checkViewAs(c *cobra.Command, format config.Output, honoured ...string) error {
	lines := format == config.OutputJSONL
	if format != config.OutputJSON && !lines {
		return nil
	}
	for _, flag := range []string{"sort-by", "columns", "limit"} {
		given := c.Flags().Changed(flag)
		if !given || slices.Contains(honoured, flag) || lines && flag != "columns" {
			continue
		}
		if lines {
			return usage(fmt.Errorf("--%s does not go with -o jsonl, whose lines are whole objects: use -o csv or a table", flag))
		}
		return usage(fmt.Errorf("--%s does not go with -o json, which is the whole answer as it is: use -o jsonl, csv or a table", flag))
	}
	return nil
}

// printView prints an answer. On a terminal that is too narrow for its table
// the columns named, the least useful first, are left out, and a note says so;
// lines of JSON are sorted as the table would be.
func (a *app) printView(x answer, drop ...string) error {
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
	return a.print(x)
}

// printAmounts is printView for answers whose amounts are numbers for people and
// exact text for machines: both are sorted as numbers are.
func (a *app) printAmounts(build func(*app) answer, drop ...string) error {
	x := build(a)
	if a.flags.sortBy == "" || a.forPeople() {
		return a.printView(x, drop...)
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
	return sorted.print(x)
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
