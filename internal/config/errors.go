package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one mistake in the settings.
type Problem struct {
	File    string // the file as it was named; empty for the environment
	Line    int    // line from 1; 0 where there is none
	Column  int    // column in characters from 1; 0 where there is none
	Path    string // the key, such as business_hours.office.from, or the variable; empty for the file as a whole
	Message string // what is wrong, and where possible what to write instead
}

// Error returns the mistake as FILE:LINE:COLUMN: PATH: MESSAGE without the
// parts that are not known.
func (p Problem) Error() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
		}
		b.WriteString(": ")
	}
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Message)
	return b.String()
}

// Errors holds all mistakes found, at least one, in the order of file, line
// and column. Use errors.As to find it.
type Errors struct{ Problems []Problem }

// Error returns the mistakes one to a line.
func (e *Errors) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// problems collects mistakes.
type problems []Problem

func (p *problems) add(x Problem) { *p = append(*p, x) }

// err returns nil, or the mistakes sorted as *Errors.
func (p problems) err() error {
	if len(p) == 0 {
		return nil
	}
	slices.SortStableFunc(p, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return &Errors{Problems: p}
}
