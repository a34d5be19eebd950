package config

import (
	"fmt"
	"reflect"
	"strings"
)

// Key describes one setting.
type Key struct {
	Path        string `json:"path"`        // such as import.step, business_hours.NAME.from, metrics[].name
	Type        string `json:"type"`        // what a value looks like
	Default     string `json:"default"`     // YAML; "required" where there is none
	Variable    string `json:"variable"`    // the environment variable, empty where the key has none
	Example     string `json:"example"`     // YAML, empty where the default shows the form
	Description string `json:"description"` // one or more sentences
}

// Keys returns every setting in the order of documents, sections before their
// keys. NAME stands for a name of the user's, [] for any item of a list.
func Keys() []Key {
	return appendKeys(nil, reflect.ValueOf(Default()).Elem(), parsedSchema(), "", true)
}

// appendKeys appends the keys of a section; fixed says that the section exists
// once, so that its single values have variables.
func appendKeys(keys []Key, v reflect.Value, d *described, prefix string, fixed bool) []Key {
	for _, f := range fieldsOf(v.Type()) {
		part := d.property(f.name)
		value := v.Field(f.index)
		k := Key{Path: join(prefix, f.name), Type: typeName(f.typ), Example: f.example, Description: part.description()}
		kind := kindOf(f.typ)
		switch {
		case f.required:
			k.Default = "required"
		case kind != kindSection:
			k.Default = inline(value)
		}
		if fixed && kind.scalar() {
			k.Variable = variable(k.Path)
		}
		keys = append(keys, k)
		switch kind {
		case kindSection:
			keys = appendKeys(keys, value, part, k.Path, fixed)
		case kindMap, kindList:
			if element := f.typ.Elem(); kindOf(element) == kindSection {
				suffix := ".NAME"
				if kind == kindList {
					suffix = "[]"
				}
				keys = appendKeys(keys, fresh(element), part.element(), k.Path+suffix, false)
			}
		}
	}
	return keys
}

// inline returns a value as one line of YAML.
func inline(v reflect.Value) string {
	switch kindOf(v.Type()) {
	case kindMap:
		if v.Len() == 0 {
			return "{}"
		}
	case kindList:
		items := make([]string, v.Len())
		for i := range items {
			items[i] = inline(v.Index(i))
		}
		return "[" + strings.Join(items, ", ") + "]"
	default:
		if n, err := encodeScalar(v); err == nil && n.Value != "" {
			return n.Value
		}
		return `""`
	}
	return fmt.Sprint(v.Interface())
}

func typeName(t reflect.Type) string {
	if w, ok := reflect.Zero(t).Interface().(worded); ok {
		return strings.Join(w.words(), ", ")
	}
	switch t {
	case reflect.TypeFor[Duration]():
		return "duration"
	case reflect.TypeFor[Bytes]():
		return "size"
	case reflect.TypeFor[Resolution](), reflect.TypeFor[Percentile]():
		return "number"
	case reflect.TypeFor[Share]():
		return "share"
	case reflect.TypeFor[Amount]():
		return "amount"
	case reflect.TypeFor[TimeZone]():
		return "time zone"
	case reflect.TypeFor[Selector]():
		return "selector"
	case reflect.TypeFor[Clock]():
		return "time of day"
	case reflect.TypeFor[DayRange]():
		return "day or range of days"
	}
	switch kindOf(t) {
	case kindTime:
		return "instant"
	case kindInt:
		return "whole number"
	case kindFloat:
		return "number"
	case kindBool:
		return "true, false"
	case kindSection:
		return "section"
	case kindMap:
		return "names, each a " + typeName(t.Elem())
	case kindList:
		return "list, each a " + typeName(t.Elem())
	}
	return "text"
}

// KeysTable returns the settings as a table in Markdown, for the documentation.
func KeysTable() string {
	var b strings.Builder
	b.WriteString("| key | value | default | variable | meaning |\n|---|---|---|---|---|\n")
	for _, k := range Keys() {
		meaning := k.Description
		if k.Example != "" {
			meaning += " Example: " + code(k.Example) + "."
		}
		value := k.Default
		if value != "required" {
			value = code(value)
		}
		cells := []string{code(k.Path), k.Type, value, code(k.Variable), meaning}
		for i, c := range cells {
			cells[i] = strings.ReplaceAll(c, "|", `\|`)
		}
		fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | "))
	}
	return b.String()
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}
