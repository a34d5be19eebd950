package pricing

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/money"
	yaml "go.yaml.in/yaml/v4"
)

// record is one row of a CSV file or one entry of a YAML list. Its readers note
// which keys were used and keep the first error.
type record struct {
	source string // file:line
	kind   string
	fields map[string]string
	used   map[string]bool
	err    error
}

func (r *record) fail(key string, err error) {
	if r.err == nil {
		r.err = fmt.Errorf("%s: %s: %w", r.source, key, err)
	}
}

func (r *record) text(key string) string {
	r.used[key] = true
	return r.fields[key]
}

func (r *record) required(key string) string {
	v := r.text(key)
	if v == "" {
		r.fail(key, errors.New("it is missing"))
	}
	return v
}

func (r *record) number(key string) money.Number {
	v := r.text(key)
	if v == "" {
		return money.Number{}
	}
	n, err := money.ParseNumber(v)
	if err != nil {
		r.fail(key, err)
	}
	return n
}

// above reads a number that must be above zero where it is given.
func (r *record) above(key string) money.Number {
	n := r.number(key)
	if r.fields[key] != "" && n.Sign() <= 0 {
		r.fail(key, fmt.Errorf("%s is not above zero", r.fields[key]))
	}
	return n
}

func (r *record) price(key string) money.Price {
	n := r.above(key)
	if r.fields[key] == "" || r.err != nil {
		return money.Price{}
	}
	c, err := money.ParseCurrency(r.text("currency"))
	if err != nil {
		r.fail("currency", err)
	}
	return money.PriceOf(n, c)
}

func (r *record) count(key string) int {
	v := r.text(key)
	if v == "" {
		return 0
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 || n > 1e9 {
		r.fail(key, fmt.Errorf("%q is not a number of things", v))
		return 0
	}
	return n
}

func (r *record) bool(key string) bool {
	switch v := strings.ToLower(r.text(key)); v {
	case "", "false", "no", "0":
		return false
	case "true", "yes", "1":
		return true
	default:
		r.fail(key, fmt.Errorf("%q is not true or false", v))
		return false
	}
}

// day reads a date as the midnight UTC it begins with.
func (r *record) day(key string) time.Time {
	v := r.text(key)
	if v == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.DateOnly, v)
	if err != nil {
		r.fail(key, fmt.Errorf("%q is not a date such as 2026-01-31", v))
	}
	return t
}

// span reads a first and a last day and returns the half-open time of both.
func (r *record) span(from, to string) (time.Time, time.Time) {
	start, end := r.day(from), r.day(to)
	if !end.IsZero() {
		end = end.AddDate(0, 0, 1)
		if !start.IsZero() && !start.Before(end) {
			r.fail(to, fmt.Errorf("%s lies before %s", r.fields[to], r.fields[from]))
		}
	}
	return start, end
}

// done returns the first error, or that a key means nothing here.
func (r *record) done() error {
	if r.err != nil {
		return r.err
	}
	for _, key := range sortedKeys(r.fields, strings.Compare) {
		if r.fields[key] != "" && !r.used[key] {
			return fmt.Errorf("%s: %q means nothing for a %s", r.source, key, r.kind)
		}
	}
	return nil
}

// maxFile bounds a file of prices that people write.
const maxFile = 64 << 20

// readRecords reads a CSV or YAML file, told apart by its name: .yaml and .yml
// are YAML. lists gives the kind of the records under each top-level key of
// YAML; keys are the keys a record may have.
func readRecords(name string, r io.Reader, lists map[string]string, keys []string) ([]*record, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("%s: more than %d bytes", name, maxFile)
	}
	switch strings.ToLower(path.Ext(name)) {
	case ".yaml", ".yml":
		return yamlRecords(name, data, lists, keys)
	}
	return csvRecords(name, data, keys)
}

func knownKey(name string, line int, key string, keys []string) error {
	if slices.Contains(keys, key) {
		return nil
	}
	return fmt.Errorf("%s:%d: %s", name, line, withNearest(fmt.Sprintf("unknown name %q", key), nearest(keys, key, 3)))
}

func csvRecords(name string, data []byte, keys []string) ([]*record, error) {
	cr := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(data, []byte("\ufeff"))))
	cr.Comment, cr.TrimLeadingSpace = '#', true
	header, err := cr.Read()
	if err == io.EOF {
		return nil, fmt.Errorf("%s: it is empty, a header is missing", name)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	for i := range header {
		header[i] = strings.ToLower(strings.TrimSpace(header[i]))
		line, _ := cr.FieldPos(i)
		if err := knownKey(name, line, header[i], append(keys, "kind")); err != nil {
			return nil, err
		}
		if slices.Contains(header[:i], header[i]) {
			return nil, fmt.Errorf("%s:%d: column %q is there twice", name, line, header[i])
		}
	}
	var out []*record
	for {
		row, err := cr.Read()
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		line, _ := cr.FieldPos(0)
		rec := &record{source: fmt.Sprintf("%s:%d", name, line), fields: make(map[string]string), used: make(map[string]bool)}
		for i, h := range header {
			rec.fields[h] = strings.TrimSpace(row[i])
		}
		rec.kind = rec.text("kind")
		out = append(out, rec)
	}
}

func yamlRecords(name string, data []byte, lists map[string]string, keys []string) ([]*record, error) {
	var doc yaml.Node
	if err := yaml.Load(data, &doc, yaml.WithUniqueKeys()); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	top := &doc
	if top.Kind == yaml.DocumentNode && len(top.Content) == 1 {
		top = top.Content[0]
	}
	if top.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s: at the top it needs keys such as %s", name, strings.Join(sortedKeys(lists, strings.Compare), ", "))
	}
	defaults := make(map[string]string)
	var out []*record
	for i := 0; i+1 < len(top.Content); i += 2 {
		key, value := top.Content[i], top.Content[i+1]
		kind, ok := lists[key.Value]
		switch {
		case !ok:
			if value.Kind != yaml.ScalarNode {
				return nil, knownKey(name, key.Line, key.Value, append(sortedKeys(lists, strings.Compare), ""))
			}
			if err := knownKey(name, key.Line, key.Value, keys); err != nil {
				return nil, err
			}
			defaults[key.Value] = value.Value
		case value.Kind == yaml.ScalarNode && value.Tag == "!!null":
		case value.Kind != yaml.SequenceNode:
			return nil, fmt.Errorf("%s:%d: %s: a list is needed", name, value.Line, key.Value)
		default:
			for _, entry := range value.Content {
				rec, err := yamlRecord(name, entry, keys)
				if err != nil {
					return nil, err
				}
				rec.kind = kind
				out = append(out, rec)
			}
		}
	}
	for _, rec := range out {
		for key, v := range defaults {
			if _, ok := rec.fields[key]; !ok {
				rec.fields[key] = v
				rec.used[key] = true // a default may be useless for some kinds
			}
		}
	}
	return out, nil
}

func yamlRecord(name string, n *yaml.Node, keys []string) (*record, error) {
	if n.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s:%d: keys and values are needed", name, n.Line)
	}
	rec := &record{source: fmt.Sprintf("%s:%d", name, n.Line), fields: make(map[string]string), used: make(map[string]bool)}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if err := knownKey(name, key.Line, key.Value, keys); err != nil {
			return nil, err
		}
		if value.Kind != yaml.ScalarNode {
			return nil, fmt.Errorf("%s:%d: %s: a single value is needed", name, value.Line, key.Value)
		}
		if value.Tag != "!!null" {
			rec.fields[key.Value] = strings.TrimSpace(value.Value)
		}
	}
	return rec, nil
}
