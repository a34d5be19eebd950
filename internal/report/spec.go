package report

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// Direction is the order in which a column is sorted.
type Direction uint8

// The directions. DirectionDefault is the column's own: quantities with the greatest first, texts and times ascending.
const (
	DirectionDefault Direction = iota
	Ascending
	Descending
)

// SortKey names a column to sort by.
type SortKey struct {
	Column    string
	Direction Direction
	written   string // with its sign; a tag key may begin with one
}

// ParseSort reads a sort specification such as "dept,-p95": column keys separated by commas, the first deciding, each
// with "-" before it for descending, "+" for ascending, or nothing for the direction that suits the column. A key that
// holds a comma is put in double quotes. An empty specification has no keys.
func ParseSort(spec string) ([]SortKey, error) {
	names, err := splitSpec(spec)
	if err != nil {
		return nil, fmt.Errorf("sort order %q: %w", spec, err)
	}
	if len(names) == 0 {
		return nil, nil
	}
	keys := make([]SortKey, len(names))
	for i, name := range names {
		keys[i] = SortKey{Column: name, written: name}
		switch name[0] {
		case '-':
			keys[i].Direction = Descending
		case '+':
			keys[i].Direction = Ascending
		default:
			continue
		}
		if keys[i].Column = strings.TrimSpace(name[1:]); keys[i].Column == "" {
			return nil, fmt.Errorf("sort order %q: %q names no column", spec, name)
		}
	}
	return keys, nil
}

// ParseColumns reads column keys separated by commas, such as "dept,p95". A key that holds a comma is put in double
// quotes. An empty specification has no keys.
func ParseColumns(spec string) ([]string, error) {
	names, err := splitSpec(spec)
	if err != nil {
		return nil, fmt.Errorf("columns %q: %w", spec, err)
	}
	return names, nil
}

// splitSpec splits a list at its commas and trims its names, none of which may be empty.
func splitSpec(spec string) ([]string, error) {
	if strings.TrimSpace(spec) == "" {
		return nil, nil
	}
	if strings.ContainsAny(spec, "\r\n") {
		return nil, errors.New("a list is written on one line")
	}
	r := csv.NewReader(strings.NewReader(spec))
	r.TrimLeadingSpace = true
	names, err := r.Read()
	if err != nil && err != io.EOF {
		var syntax *csv.ParseError
		if errors.As(err, &syntax) {
			return nil, fmt.Errorf("character %d: %w", syntax.Column, syntax.Err)
		}
		return nil, err
	}
	for i := range names {
		if names[i] = strings.TrimSpace(names[i]); names[i] == "" {
			return nil, fmt.Errorf("name %d is empty", i+1)
		}
	}
	return names, nil
}

// sorted returns the rows in the order of the keys; without keys the rows themselves.
func (t *Table) sorted(keys []SortKey) ([]Row, error) {
	if len(keys) == 0 {
		return t.Rows, nil
	}
	type order struct {
		column  int
		descend bool
	}
	orders := make([]order, len(keys))
	for i, key := range keys {
		if key.Direction != DirectionDefault && key.written != "" && t.has(key.written) {
			key = SortKey{Column: key.written}
		}
		position, err := t.column(key.Column)
		if err != nil {
			return nil, err
		}
		descend := key.Direction == Descending
		if key.Direction == DirectionDefault {
			descend = t.Columns[position].Kind.descends()
		}
		orders[i] = order{position, descend}
	}
	rows := slices.Clone(t.Rows)
	slices.SortStableFunc(rows, func(a, b Row) int {
		for _, o := range orders {
			x, y := a[o.column], b[o.column]
			switch {
			case !x.known && !y.known:
				continue
			case !x.known:
				return 1
			case !y.known:
				return -1
			}
			if c := compareValues(x, y); c != 0 {
				if o.descend {
					return -c
				}
				return c
			}
		}
		return 0
	})
	return rows, nil
}

// UnknownNameError says that a name is none of those that can be chosen from. Its message offers the nearest one and
// lists all.
type UnknownNameError struct {
	What  string   // what is named: "column", "output format"
	Name  string   // as it was given
	Valid []string // the names there are, in their natural order
}

// Error returns the message.
func (e *UnknownNameError) Error() string {
	message := fmt.Sprintf("unknown %s %q", e.What, e.Name)
	if nearest := e.Nearest(); nearest != "" {
		message += fmt.Sprintf(", did you mean %q?", nearest)
	}
	return message + " (valid: " + strings.Join(e.Valid, ", ") + ")"
}

// Nearest returns the valid name which the given one was probably meant to be, empty when none is close.
func (e *UnknownNameError) Nearest() string {
	nearest, least := "", len(e.Name)/3+2
	for _, valid := range e.Valid {
		// A name that is longer or shorter by so much cannot be near, and need not be compared however long it is.
		if apart := utf8.RuneCountInString(e.Name) - utf8.RuneCountInString(valid); max(apart, -apart) >= min(least, len(valid)) {
			continue
		}
		if d := editDistance(strings.ToLower(e.Name), strings.ToLower(valid)); d < least && d < len(valid) {
			nearest, least = valid, d
		}
	}
	return nearest
}

// editDistance counts the letters to insert, remove, replace or swap with their neighbour to get from a to b.
func editDistance(a, b string) int {
	x, y := []rune(a), []rune(b)
	before, last, row := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(x); i++ {
		row[0] = i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(y)]
}
