package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"slices"
)

// Format is a form of output, as -o names it.
type Format string

// The formats. FormatTable and FormatWide are for people, the others for machines.
const (
	FormatTable     Format = "table"
	FormatWide      Format = "wide"
	FormatJSON      Format = "json"
	FormatJSONLines Format = "jsonl"
	FormatCSV       Format = "csv"
)

// ParseFormat returns the format of a name, or an *UnknownNameError that lists the formats there are.
func ParseFormat(name string) (Format, error) {
	formats := []string{string(FormatTable), string(FormatWide), string(FormatJSON), string(FormatJSONLines), string(FormatCSV)}
	for _, f := range formats {
		if f == name {
			return Format(f), nil
		}
	}
	return "", &UnknownNameError{What: "output format", Name: name, Valid: formats}
}

// Write writes the table in a format. The style matters to the formats for people only. Callers which have a Result
// write that with WriteJSON or WriteJSONLines instead of its table.
func (t *Table) Write(w io.Writer, format Format, style Style) error {
	switch format {
	case FormatTable:
		return t.WriteText(w, style, false)
	case FormatWide:
		return t.WriteText(w, style, true)
	case FormatJSON:
		return t.WriteJSON(w)
	case FormatJSONLines:
		return t.WriteJSONLines(w)
	case FormatCSV:
		return t.WriteCSV(w)
	}
	_, err := ParseFormat(string(format))
	return err
}

// WriteCSV writes the rows as RFC 4180 CSV with line feeds: a header of machine names, then values in base units with
// all their digits, times in UTC, unknown values empty. Title, totals and notes are not rows and are left out. Fields
// are quoted where CSV needs it and otherwise written as they are.
func (t *Table) WriteCSV(w io.Writer) error {
	if err := t.Check(); err != nil {
		return err
	}
	plain := t.without(func(c Column) bool { return c.Decoration })
	out := csv.NewWriter(w)
	record := make([]string, len(plain.Columns))
	for i, c := range plain.Columns {
		record[i] = c.MachineName()
	}
	if err := out.Write(record); err != nil {
		return fmt.Errorf("write CSV header: %w", err)
	}
	for n, row := range plain.Rows {
		for i, v := range row {
			record[i] = v.machine()
		}
		if err := writeRecord(w, out, record); err != nil {
			return fmt.Errorf("write CSV row %d: %w", n+1, err)
		}
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("write CSV: %w", err)
	}
	return nil
}

// writeRecord writes one record. A record of a single empty field would be an empty line, which readers skip, so it is
// quoted, which encoding/csv does not do.
func writeRecord(w io.Writer, out *csv.Writer, record []string) error {
	if len(record) != 1 || record[0] != "" {
		return out.Write(record)
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\"\"\n")
	return err
}

// object is a row as a JSON object whose members stand in the order of the columns.
type object struct {
	columns []Column
	row     Row
}

// MarshalJSON writes a member for each column under its machine name, and in "reasons" (followed by as many "_" as it
// takes to differ from every column) why values are unknown.
func (o object) MarshalJSON() ([]byte, error) {
	var b, reasons bytes.Buffer
	beside := "reasons"
	for slices.ContainsFunc(o.columns, func(c Column) bool { return c.MachineName() == beside }) {
		beside += "_"
	}
	b.WriteByte('{')
	for i, c := range o.columns {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := member(&b, c.MachineName(), o.row[i]); err != nil {
			return nil, err
		}
		if reason := o.row[i].Reason(); reason != "" {
			if reasons.Len() > 0 {
				reasons.WriteByte(',')
			}
			if err := member(&reasons, c.MachineName(), reason); err != nil {
				return nil, err
			}
		}
	}
	if reasons.Len() > 0 {
		b.WriteString(`,"` + beside + `":{` + reasons.String() + "}")
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func member(b *bytes.Buffer, name string, value any) error {
	key, err := marshalCompact(name)
	if err != nil {
		return err
	}
	text, err := marshalCompact(value)
	if err != nil {
		return err
	}
	b.Write(key)
	b.WriteByte(':')
	b.Write(text)
	return nil
}

// marshalCompact is json.Marshal without the escaping of <, > and &.
func marshalCompact(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func (t *Table) objects(rows []Row) []object {
	out := make([]object, len(rows))
	for i, row := range rows {
		out[i] = object{t.Columns, row}
	}
	return out
}

// WriteJSON writes the table as one JSON object: title, rows and totals as objects with machine names, notes, and
// under "hidden" how many rows a limit left out. Unknown values are null, with their reasons beside them.
func (t *Table) WriteJSON(w io.Writer) error {
	if err := t.Check(); err != nil {
		return err
	}
	plain := t.without(func(c Column) bool { return c.Decoration })
	return WriteJSON(w, struct {
		Title  string   `json:"title,omitempty"`
		Rows   []object `json:"rows"`
		Totals []object `json:"totals,omitempty"`
		Notes  []string `json:"notes,omitempty"`
		Hidden int      `json:"hidden,omitempty"`
	}{plain.Title, plain.objects(plain.Rows), plain.objects(plain.Totals), plain.Notes, plain.hidden})
}

// WriteJSONLines writes each row of the table as one JSON object on a line of its own; title, totals and notes are left
// out.
func (t *Table) WriteJSONLines(w io.Writer) error {
	if err := t.Check(); err != nil {
		return err
	}
	plain := t.without(func(c Column) bool { return c.Decoration })
	return WriteJSONLines(w, plain.objects(plain.Rows))
}

// WriteJSON writes a value as JSON indented by two spaces and ended by a newline, leaving <, > and & as they are. The
// same value gives the same bytes: members come in the order of their fields, keys of maps sorted. Nothing is written
// if the value cannot be encoded.
func WriteJSON(w io.Writer, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("encode JSON: %w", err)
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}

// WriteJSONLines writes each element of a slice or array as compact JSON on a line of its own, leaving <, > and & as
// they are; anything else is refused. Elements before one that cannot be encoded are written.
func WriteJSONLines(w io.Writer, slice any) error {
	s := reflect.ValueOf(slice)
	if !s.IsValid() || s.Kind() != reflect.Slice && s.Kind() != reflect.Array {
		return fmt.Errorf("encode JSON lines: %T is not a slice", slice)
	}
	for i := range s.Len() {
		line, err := marshalCompact(s.Index(i).Interface())
		if err != nil {
			return fmt.Errorf("encode JSON line %d: %w", i+1, err)
		}
		if _, err := w.Write(append(line, '\n')); err != nil {
			return fmt.Errorf("write JSON line %d: %w", i+1, err)
		}
	}
	return nil
}
