package report

import (
	"fmt"
	"slices"
	"strings"
)

// Align says to which side of its column a text is set.
type Align uint8

// The alignments. AlignAuto sets text and times to the left and everything that is a quantity to the right.
const (
	AlignAuto Align = iota
	AlignLeft
	AlignRight
)

// Column describes one column of a Table.
type Column struct {
	// Key names the column for --columns, --sort-by, CSV and JSON: snake_case, or the user's own tag key.
	Key string
	// Header is what people read above the column; empty means the key.
	Header string
	// Unit is the unit of the numbers where the kind does not say it, such as "cores". It is printed after the header
	// and appended to the key for machines.
	Unit string
	// Kind is the kind of every known value in the column.
	Kind Kind
	// Align overrides the alignment of the kind.
	Align Align
	// Wide leaves the column out of FormatTable unless it is asked for by name.
	Wide bool
	// Prose marks a column of sentences or lists, which is trimmed before names are where a line would be too long.
	Prose bool
	// Decoration marks a column which only pleases the eye, such as a bar; machine formats leave it out.
	Decoration bool
}

// MachineName returns the name of the column in CSV and JSON: its key, followed by the unit of its values in
// snake_case unless the key ends in it already, such as mean_ratio, memory_bytes or run_time_seconds.
func (c Column) MachineName() string {
	unit := c.Unit
	if unit == "" {
		unit = c.Kind.unit()
	}
	unit = snake(unit)
	if unit == "" || c.Key == unit || strings.HasSuffix(c.Key, "_"+unit) {
		return c.Key
	}
	return c.Key + "_" + unit
}

// snake turns a unit such as "USD/month" into usd_per_month.
func snake(unit string) string {
	unit = strings.ReplaceAll(strings.ToLower(unit), "/", "_per_")
	return strings.Join(strings.FieldsFunc(unit, func(r rune) bool { return r == '_' || r == ' ' || r == '-' }), "_")
}

// title returns what is printed above the column.
func (c Column) title() string {
	title := c.Header
	if title == "" {
		title = c.Key
	}
	if c.Unit != "" && (c.Kind == KindInteger || c.Kind == KindNumber) {
		title += " (" + c.Unit + ")"
	}
	return title
}

// right says whether the column is set to the right.
func (c Column) right() bool {
	if c.Align == AlignAuto {
		return c.Kind != KindText && c.Kind != KindTime
	}
	return c.Align == AlignRight
}

// Row holds one value for each column of its table.
type Row []Value

// Table is an answer in rows and columns. Its fields are set by whoever builds it; sorting, choosing and limiting are
// done by View, which leaves the table as it was.
type Table struct {
	Title   string
	Columns []Column
	Rows    []Row
	// Totals are printed beneath the rows, whatever the limit, by the formats for people and in JSON. CSV and JSON Lines
	// leave them out, because a total is not a row.
	Totals []Row
	// Notes are sentences printed beneath the table, one a line, and listed in JSON.
	Notes []string

	hidden int // rows a limit left out
}

// Hidden returns how many rows the limit of a View left out.
func (t *Table) Hidden() int { return t.hidden }

// Check returns an error if a column has no key, two columns share a name, a row is not as long as the columns, or a
// known value is not of its column's kind (text is welcome anywhere in a total). Every renderer and View checks first,
// so nothing is written of a table built wrongly.
func (t *Table) Check() error {
	seen := make(map[string]bool, len(t.Columns))
	for i, c := range t.Columns {
		name := c.MachineName()
		switch {
		case c.Key == "":
			return fmt.Errorf("table %q: column %d has no key", t.Title, i+1)
		case int(c.Kind) >= len(kindNames):
			return fmt.Errorf("table %q: column %q is of unknown %s", t.Title, c.Key, c.Kind)
		case seen[name]:
			return fmt.Errorf("table %q: two columns are named %q", t.Title, name)
		}
		seen[name] = true
	}
	for i, row := range t.Rows {
		if err := t.checkRow(row, false); err != nil {
			return fmt.Errorf("table %q: row %d: %w", t.Title, i+1, err)
		}
	}
	for i, row := range t.Totals {
		if err := t.checkRow(row, true); err != nil {
			return fmt.Errorf("table %q: total %d: %w", t.Title, i+1, err)
		}
	}
	return nil
}

func (t *Table) checkRow(row Row, total bool) error {
	if len(row) != len(t.Columns) {
		return fmt.Errorf("it has %d of %d values", len(row), len(t.Columns))
	}
	for i, v := range row {
		if v.known && v.kind != t.Columns[i].Kind && !(total && v.kind == KindText) {
			return fmt.Errorf("column %q holds a value of kind %s, not %s", t.Columns[i].Key, v.kind, t.Columns[i].Kind)
		}
	}
	return nil
}

// View says how a table is to be looked at: the flags --sort-by, --columns and --limit.
type View struct {
	// SortBy is a specification as ParseSort reads it; empty keeps the order of the rows.
	SortBy string
	// Columns is a specification as ParseColumns reads it; empty keeps all columns.
	Columns string
	// Limit is the number of rows to keep, 0 for all; negative is refused.
	Limit int
}

// View returns the table sorted, then reduced to the chosen columns, then limited, sharing values with t, which stays
// as it was. Rows may be sorted by a column that is not chosen. Sorting is stable, text counts runs of digits as
// numbers, and unknown values come last in either direction. A column that is chosen by name is no longer Wide. A name
// that is no column is an *UnknownNameError.
func (t *Table) View(v View) (*Table, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	keys, err := ParseSort(v.SortBy)
	if err != nil {
		return nil, err
	}
	names, err := ParseColumns(v.Columns)
	if err != nil {
		return nil, err
	}
	if v.Limit < 0 {
		return nil, fmt.Errorf("limit %d: the number of rows cannot be negative; 0 shows all", v.Limit)
	}
	shown := *t
	if shown.Rows, err = t.sorted(keys); err != nil {
		return nil, err
	}
	if v.Limit > 0 && len(shown.Rows) > v.Limit {
		shown.hidden += len(shown.Rows) - v.Limit
		shown.Rows = shown.Rows[:v.Limit:v.Limit]
	}
	if len(names) == 0 {
		return &shown, nil
	}
	chosen := make([]int, len(names))
	for i, name := range names {
		if chosen[i], err = t.column(name); err != nil {
			return nil, err
		}
		if slices.Contains(chosen[:i], chosen[i]) {
			return nil, fmt.Errorf("columns %q: %q is named twice", v.Columns, t.Columns[chosen[i]].Key)
		}
	}
	shown = shown.project(chosen)
	for i := range shown.Columns {
		shown.Columns[i].Wide = false
	}
	return &shown, nil
}

// project returns the table with only the columns at the given positions, in that order.
func (t *Table) project(positions []int) Table {
	out := *t
	out.Columns = pick(t.Columns, positions)
	out.Rows = make([]Row, len(t.Rows))
	for i, row := range t.Rows {
		out.Rows[i] = pick(row, positions)
	}
	out.Totals = make([]Row, len(t.Totals))
	for i, row := range t.Totals {
		out.Totals[i] = pick(row, positions)
	}
	return out
}

func pick[S ~[]E, E any](from S, positions []int) S {
	out := make(S, len(positions))
	for i, p := range positions {
		out[i] = from[p]
	}
	return out
}

// without returns the table lacking the columns for which drop says so.
func (t *Table) without(drop func(Column) bool) Table {
	var keep []int
	for i, c := range t.Columns {
		if !drop(c) {
			keep = append(keep, i)
		}
	}
	if len(keep) == len(t.Columns) {
		return *t
	}
	return t.project(keep)
}

// column returns the position of the column with the given key or machine name, or,
// where none has it, of the one column with that heading.
func (t *Table) column(name string) (int, error) {
	byMachine, byHeading, headings := -1, -1, 0
	valid := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		if c.Key == name {
			return i, nil
		}
		if c.MachineName() == name {
			byMachine = i
		}
		if c.Header == name {
			byHeading = i
			headings++
		}
		valid[i] = c.Key
	}
	if byMachine >= 0 {
		return byMachine, nil
	}
	if headings == 1 {
		return byHeading, nil
	}
	return 0, &UnknownNameError{What: "column", Name: name, Valid: valid}
}

// has says whether a column is named exactly so.
func (t *Table) has(name string) bool {
	_, err := t.column(name)
	return err == nil
}
