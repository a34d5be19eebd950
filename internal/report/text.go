package report

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// columnGap separates columns; a line is never longer than its columns and their gaps.
const columnGap = "  "

// narrowest is the number of cells a text column is not trimmed below, unless it is narrower by itself.
const narrowest = 8

// WriteText writes the table for people: title, header, rows, the number of rows a limit left out, totals, what the
// "-" of unknown values stand for, and notes. Wide columns are left out unless wide is set. If Style.Width is set and
// the lines would be longer, columns of prose and then the longest text columns are trimmed, with "…" where something is missing; numbers and
// times never are, so that a table of too many columns may still be wider. Characters that are not printable are
// shown escaped, so that no name can confuse the terminal.
func (t *Table) WriteText(w io.Writer, style Style, wide bool) error {
	if err := t.Check(); err != nil {
		return err
	}
	shown := t.without(func(c Column) bool { return c.Wide && !wide })
	var b strings.Builder
	if shown.Title != "" {
		b.WriteString(style.paint(ansiBold, printable(shown.Title)) + "\n")
	}
	if len(shown.Columns) > 0 {
		shown.writeGrid(&b, style)
	}
	if reasons := shown.reasons(); reasons != "" {
		b.WriteString(style.paint(ansiDim, unknownMark+" is unknown: "+reasons) + "\n")
	}
	for _, note := range shown.Notes {
		b.WriteString(printable(note) + "\n")
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}

// writeGrid writes header, rows and totals.
func (t *Table) writeGrid(b *strings.Builder, style Style) {
	header := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		header[i] = printable(c.title())
	}
	rows, totals := texts(t.Rows), texts(t.Totals)
	widths := t.fit(style, header, rows, totals)

	out := table.NewWriter()
	out.SetStyle(gridStyle(style))
	configs := make([]table.ColumnConfig, len(t.Columns))
	for i, c := range t.Columns {
		align := text.AlignLeft
		if c.right() {
			align = text.AlignRight
		}
		configs[i] = table.ColumnConfig{Number: i + 1, Align: align, AlignHeader: align, AlignFooter: align}
	}
	out.SetColumnConfigs(configs)
	out.AppendHeader(cells(style, widths, header, func(int) string { return ansiBold }))
	for n, row := range rows {
		out.AppendRow(cells(style, widths, row, func(i int) string {
			if !t.Rows[n][i].known {
				return ansiDim
			}
			return ""
		}))
	}
	for _, row := range totals {
		out.AppendFooter(cells(style, widths, row, func(int) string { return ansiBold }))
	}
	lines := strings.Split(out.Render(), "\n")
	for i, line := range lines {
		b.WriteString(strings.TrimRight(line, " ") + "\n")
		// Header and its rule are two lines, and no cell is ever broken into several.
		if t.hidden > 0 && i == 1+len(rows) {
			b.WriteString("and " + FormatCount(int64(t.hidden)) + " more, --limit 0 shows all\n")
		}
	}
}

// texts returns what people see of each value, before trimming and colour.
func texts(rows []Row) [][]string {
	out := make([][]string, len(rows))
	for n, row := range rows {
		out[n] = make([]string, len(row))
		for i, v := range row {
			out[n][i] = v.String()
			if v.kind == KindText || v.kind == KindTime {
				out[n][i] = printable(out[n][i])
			}
		}
	}
	return out
}

// cells trims texts to the widths of their columns and paints them.
func cells(style Style, widths []int, row []string, attribute func(column int) string) table.Row {
	out := make(table.Row, len(row))
	for i, s := range row {
		out[i] = style.paint(attribute(i), trim(style, s, widths[i]))
	}
	return out
}

// fit returns the width of each column: its widest text, or less for text columns where the line would not fit.
func (t *Table) fit(style Style, header []string, bodies ...[][]string) []int {
	widths := make([]int, len(header))
	total := (len(header) - 1) * len(columnGap)
	for i := range widths {
		widths[i] = cellWidth(header[i])
		for _, rows := range bodies {
			for _, row := range rows {
				widths[i] = max(widths[i], cellWidth(row[i]))
			}
		}
		total += widths[i]
	}
	for style.Width > 0 && total > style.Width {
		longest := t.longest(widths, true)
		if longest < 0 {
			longest = t.longest(widths, false)
		}
		if longest < 0 {
			break
		}
		widths[longest]--
		total--
	}
	return widths
}

// longest is the widest text column that may be trimmed, of prose or of names; -1 is none.
func (t *Table) longest(widths []int, prose bool) int {
	longest := -1
	for i, c := range t.Columns {
		if c.Kind == KindText && c.Prose == prose && widths[i] > narrowest && (longest < 0 || widths[i] > widths[longest]) {
			longest = i
		}
	}
	return longest
}

// gridStyle is a grid without borders: columns two spaces apart, a rule beneath the header and above the totals.
func gridStyle(style Style) table.Style {
	rule := "-"
	if style.Unicode {
		rule = "─"
	}
	return table.Style{
		Name: "leanfleet",
		Box: table.BoxStyle{
			MiddleHorizontal: rule,
			MiddleSeparator:  columnGap,
			MiddleVertical:   columnGap,
		},
		Format: table.FormatOptions{
			Header: text.FormatDefault, // go-pretty's own default is upper case
			Row:    text.FormatDefault,
			Footer: text.FormatDefault,
		},
		Options: table.Options{SeparateColumns: true, SeparateHeader: true, SeparateFooter: true},
	}
}

// reasons lists why values in the visible rows and totals are unknown, each reason once, in the order met, with the
// number of values.
func (t *Table) reasons() string {
	var order []string
	count := map[string]int{}
	for _, rows := range [][]Row{t.Rows, t.Totals} {
		for _, row := range rows {
			for _, v := range row {
				if reason := v.Reason(); reason != "" {
					if count[reason] == 0 {
						order = append(order, reason)
					}
					count[reason]++
				}
			}
		}
	}
	for i, reason := range order {
		values := " values)"
		if count[reason] == 1 {
			values = " value)"
		}
		order[i] = printable(reason) + " (" + FormatCount(int64(count[reason])) + values
	}
	return strings.Join(order, ", ")
}

// cellWidth returns how many character cells a printable text takes: two for a CJK character, none for a combining
// accent.
func cellWidth(s string) int {
	return text.StringWidthWithoutEscSequences(s)
}

// trim shortens a printable text to a number of cells, marking the cut.
func trim(style Style, s string, width int) string {
	if cellWidth(s) <= width {
		return s
	}
	mark := style.ellipsis()
	if room := width - cellWidth(mark); room > 0 {
		return text.Trim(s, room) + mark
	}
	return text.Trim(s, width)
}

// printable replaces control characters, format characters such as those that reverse the direction of writing, and
// bytes that are not UTF-8 by their escapes.
func printable(s string) string {
	escape := func(r rune) bool { return !unicode.IsGraphic(r) || r == unicode.ReplacementChar }
	if strings.IndexFunc(s, escape) < 0 {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == unicode.ReplacementChar && !strings.HasPrefix(s[i:], string(unicode.ReplacementChar)):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == unicode.ReplacementChar, unicode.IsGraphic(r):
			b.WriteRune(r)
		default:
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
	}
	return b.String()
}
