package config

import (
	_ "embed"
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"
)

//go:embed schema.json
var schema []byte

// Schema returns the JSON Schema (draft 2020-12) of the configuration. It
// accepts references to variables wherever a value may stand. It cannot say
// what depends on meaning: that zones exist, that selectors parse, that ends lie
// after beginnings; [Parse] checks that too. The caller owns the slice.
func Schema() []byte { return slices.Clone(schema) }

// described is the part of a JSON Schema that documentation needs.
type described struct {
	Description          string                `json:"description"`
	Properties           map[string]*described `json:"properties"`
	AdditionalProperties json.RawMessage       `json:"additionalProperties"`
	Items                *described            `json:"items"`
}

// parsedSchema is the embedded schema, parsed once on first use and never
// changed.
var parsedSchema = sync.OnceValue(func() *described {
	var d described
	if err := json.Unmarshal(schema, &d); err != nil {
		panic("BUG: embedded schema: " + err.Error())
	}
	return &d
})

// element is the schema of a list's items or a map's values, nil when there is
// none.
func (d *described) element() *described {
	if d == nil || d.Items != nil {
		return d.items()
	}
	var e described
	if json.Unmarshal(d.AdditionalProperties, &e) != nil {
		return nil
	}
	return &e
}

func (d *described) items() *described {
	if d == nil {
		return nil
	}
	return d.Items
}

func (d *described) property(name string) *described {
	if d == nil {
		return nil
	}
	return d.Properties[name]
}

func (d *described) description() string {
	if d == nil {
		return ""
	}
	return d.Description
}

// field is one key of a section.
type field struct {
	name     string
	goName   string
	index    int
	typ      reflect.Type
	required bool
	example  string // YAML, for keys whose default does not show their form
}

// fieldsOf returns the keys of a struct type in order.
func fieldsOf(t reflect.Type) []field {
	fields := make([]field, t.NumField())
	for i := range fields {
		f := t.Field(i)
		fields[i] = field{
			name:     f.Tag.Get("json"),
			goName:   f.Name,
			index:    i,
			typ:      f.Type,
			required: slices.Contains(strings.Split(f.Tag.Get("jsonschema"), ","), "required"),
			example:  f.Tag.Get("example"),
		}
	}
	return fields
}

var (
	timeType     = reflect.TypeFor[time.Time]()
	textType     = reflect.TypeFor[encoding.TextUnmarshaler]()
	numberType   = reflect.TypeFor[interface{ acceptsNumber() }]()
	bothType     = reflect.TypeFor[interface{ acceptsText() }]() // of those that accept numbers, too
	defaultsType = reflect.TypeFor[defaulted]()
)

// kind is what a type is in a document.
type kind int

const (
	kindText    kind = iota // read by UnmarshalText
	kindTime                // an instant in RFC 3339
	kindString              // any text
	kindInt                 // a whole number
	kindFloat               // a number
	kindBool                // true or false
	kindSection             // keys with fixed names
	kindMap                 // keys with names of the user's
	kindList                // a list
)

// kindOf returns the kind of a setting's type.
func kindOf(t reflect.Type) kind {
	switch {
	case t == timeType:
		return kindTime
	case reflect.PointerTo(t).Implements(textType):
		return kindText
	}
	switch t.Kind() {
	case reflect.String:
		return kindString
	case reflect.Int:
		return kindInt
	case reflect.Float64:
		return kindFloat
	case reflect.Bool:
		return kindBool
	case reflect.Struct:
		return kindSection
	case reflect.Map:
		return kindMap
	case reflect.Slice:
		return kindList
	}
	panic("BUG: a setting cannot have type " + t.String())
}

// scalar says whether values of the kind are single values.
func (k kind) scalar() bool { return k < kindSection }

// fresh returns a settable value of the type with its defaults.
func fresh(t reflect.Type) reflect.Value {
	v := reflect.New(t)
	if v.Type().Implements(defaultsType) {
		v.Interface().(defaulted).setDefaults()
	}
	return v.Elem()
}

// setScalar reads one value from text without a type of its own, as variables
// have it.
func setScalar(v reflect.Value, text string) error {
	switch kindOf(v.Type()) {
	case kindText:
		return v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text))
	case kindTime:
		t, err := time.ParseInLocation(time.RFC3339, text, time.UTC)
		if err != nil {
			return fmt.Errorf("%q is not an instant; use RFC 3339, such as 2026-03-14T22:00:00Z", text)
		}
		v.Set(reflect.ValueOf(t.UTC()))
	case kindString:
		v.SetString(text)
	case kindInt:
		n, err := parseInt(text)
		if err != nil {
			return err
		}
		v.SetInt(n)
	case kindFloat:
		n, err := parseFloat(text)
		if err != nil {
			return err
		}
		v.SetFloat(n)
	case kindBool:
		if text != "true" && text != "false" {
			return fmt.Errorf("must be true or false; not %q", text)
		}
		v.SetBool(text == "true")
	}
	return nil
}
