package config

import (
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	yaml "go.yaml.in/yaml/v4"
)

// maxValues bounds the values that one file may hold after following aliases,
// so that a small file cannot ask for much memory.
const maxValues = 100_000

// nameRule is what users may call sets and business hours.
const nameRule = `^[A-Za-z0-9][A-Za-z0-9_.-]*$`

var namePattern = regexp.MustCompile(nameRule)

// position is where a value stands in a file, both from 1.
type position struct{ line, column int }

// decoder fills settings from a parsed document and notes every mistake.
type decoder struct {
	file     string
	env      Env
	problems problems
	at       map[string]position // where each key's value was found
	values   int                 // values read so far
}

func (d *decoder) fail(at position, path, format string, args ...any) {
	d.problems.add(Problem{File: d.file, Line: at.line, Column: at.column, Path: path, Message: fmt.Sprintf(format, args...)})
}

func where(n *yaml.Node) position { return position{n.Line, n.Column} }

// value reads a node into v. Mistakes are attributed to the node itself, or to
// the alias that led to it.
func (d *decoder) value(n *yaml.Node, v reflect.Value, path string) {
	at := where(n)
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if d.values++; d.values > maxValues {
		if d.values == maxValues+1 {
			d.fail(at, path, "more than %d values", maxValues)
		}
		return
	}
	if path != "" {
		d.at[path] = at
	}
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		d.fail(at, path, "has no value; give one, or leave the key out to get the default")
		return
	}
	switch k := kindOf(v.Type()); k {
	case kindSection:
		if d.want(n, at, path, yaml.MappingNode, "keys and values") {
			d.section(n, v, path)
		}
	case kindMap:
		if d.want(n, at, path, yaml.MappingNode, "names and values") {
			d.names(n, v, path)
		}
	case kindList:
		if d.want(n, at, path, yaml.SequenceNode, "a list") {
			d.list(n, v, path)
		}
	default:
		if d.want(n, at, path, yaml.ScalarNode, "a single value") {
			d.scalar(n, at, v, path)
		}
	}
}

// want checks the kind of a node and refuses tags of the user's own.
func (d *decoder) want(n *yaml.Node, at position, path string, kind yaml.Kind, what string) bool {
	if strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!") {
		d.fail(at, path, "tag %s is not known here", n.Tag)
		return false
	}
	if n.Kind == kind {
		return true
	}
	got := "a single value"
	switch n.Kind {
	case yaml.MappingNode:
		got = "keys and values"
	case yaml.SequenceNode:
		got = "a list"
	}
	d.fail(at, path, "must be %s; not %s", what, got)
	return false
}

// pairs calls f for each key of a mapping that is usable and new.
func (d *decoder) pairs(n *yaml.Node, path string, f func(key, value *yaml.Node)) {
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch {
		case key.Kind != yaml.ScalarNode:
			d.fail(where(key), path, "a key must be a single word")
		case key.Tag == "!!merge":
			d.fail(where(key), path, "merge keys (<<) are not supported; repeat the keys")
		case seen[key.Value] > 0:
			d.fail(where(key), join(path, key.Value), "given twice; first in line %d", seen[key.Value])
		default:
			seen[key.Value] = key.Line
			f(key, value)
		}
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func (d *decoder) section(n *yaml.Node, v reflect.Value, path string) {
	fields := fieldsOf(v.Type())
	given := map[string]bool{}
	d.pairs(n, path, func(key, value *yaml.Node) {
		for _, f := range fields {
			if f.name == key.Value {
				given[f.name] = true
				d.value(value, v.Field(f.index), join(path, f.name))
				return
			}
		}
		d.fail(where(key), path, "unknown key %q%s", key.Value, hint(key.Value, fields))
	})
	for _, f := range fields {
		if f.required && !given[f.name] {
			d.fail(where(n), path, "lacks the key %q", f.name)
		}
	}
}

// hint says which key may have been meant: one of this section spelled like
// it, else the same key where it belongs, else what the section knows.
func hint(key string, here []field) string {
	var names []string
	for _, f := range here {
		names = append(names, f.name)
	}
	if s := didYouMean(key, names); s != "" {
		return s
	}
	for _, k := range Keys() {
		if section, name := cutLast(k.Path); name == key {
			if section == "" {
				return "; it belongs to the top level"
			}
			return "; it belongs to " + section
		}
	}
	return "; known keys are " + strings.Join(names, ", ")
}

func cutLast(path string) (section, name string) {
	i := strings.LastIndexByte(path, '.')
	return path[:max(0, i)], path[i+1:]
}

// names reads a mapping whose keys the user chooses.
func (d *decoder) names(n *yaml.Node, v reflect.Value, path string) {
	m := reflect.MakeMapWithSize(v.Type(), len(n.Content)/2)
	d.pairs(n, path, func(key, value *yaml.Node) {
		if !namePattern.MatchString(key.Value) {
			d.fail(where(key), path, "name %q must begin with a letter or digit and go on with letters, digits and . _ -", key.Value)
			return
		}
		e := fresh(v.Type().Elem())
		d.value(value, e, join(path, key.Value))
		m.SetMapIndex(reflect.ValueOf(key.Value), e)
	})
	v.Set(m)
}

func (d *decoder) list(n *yaml.Node, v reflect.Value, path string) {
	list := reflect.MakeSlice(v.Type(), 0, min(len(n.Content), maxValues))
	for i, item := range n.Content {
		if d.values > maxValues {
			return
		}
		e := fresh(v.Type().Elem())
		d.value(item, e, fmt.Sprintf("%s[%d]", path, i))
		list = reflect.Append(list, e)
	}
	v.Set(list)
}

// scalar expands the variables of a single value and reads it. A value with
// variables counts as what its text says, in quotes or not; one without must
// be of the right type.
func (d *decoder) scalar(n *yaml.Node, at position, v reflect.Value, path string) {
	text, referred, mistakes := expand(n.Value, d.env)
	for _, m := range mistakes {
		d.fail(at, path, "%s", m)
	}
	if len(mistakes) > 0 {
		return
	}
	err := setScalar(v, text)
	if err == nil && !referred {
		err = checkTag(n, v.Type())
	}
	if err != nil {
		d.fail(at, path, "%s", err)
	}
}

// checkTag refuses a value that reads well but that YAML takes for another
// type, so that every reader of the file agrees on it.
func checkTag(n *yaml.Node, t reflect.Type) error {
	text, number, boolean := n.Tag == "!!str" || n.Tag == "!!timestamp", n.Tag == "!!int" || n.Tag == "!!float", n.Tag == "!!bool"
	numeric := reflect.PointerTo(t).Implements(numberType)
	switch k := kindOf(t); {
	case k == kindInt || k == kindFloat:
		if !number {
			return fmt.Errorf("must be a number, without quotes")
		}
	case k == kindBool:
		if !boolean {
			return fmt.Errorf("must be true or false, without quotes")
		}
	case numeric && !reflect.PointerTo(t).Implements(bothType):
		if !number {
			return fmt.Errorf("must be a number, without quotes")
		}
	case numeric && number:
	case !text:
		return fmt.Errorf("must be text; write it in quotes: %q", n.Value)
	}
	return nil
}

var (
	intPattern   = regexp.MustCompile(`^-?(?:0|[1-9][0-9]*)$`)
	floatPattern = regexp.MustCompile(`^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?$`)
)

func parseInt(text string) (int64, error) {
	if intPattern.MatchString(text) {
		if n, err := strconv.ParseInt(text, 10, strconv.IntSize); err == nil {
			return n, nil
		}
	}
	return 0, fmt.Errorf("must be a whole number; not %q", text)
}

func parseFloat(text string) (float64, error) {
	if floatPattern.MatchString(text) {
		if n, err := strconv.ParseFloat(text, 64); err == nil && !math.IsInf(n, 0) {
			return n, nil
		}
	}
	return 0, fmt.Errorf("must be a number; not %q", text)
}
