package config

import (
	"bytes"
	"encoding"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	yaml "go.yaml.in/yaml/v4"
)

// commentWidth is how many characters wide comments are wrapped.
const commentWidth = 100

// Marshal returns the settings as YAML with every key that has a value,
// sections in the order of [Config] and names in alphabetical order. With
// comments, a comment above each key of fixed name tells what it is, and gives
// an example where the value does not show its form. [Parse] of the text gives
// equal settings.
func Marshal(c *Config, comments bool) ([]byte, error) {
	var described *described
	if comments {
		described = parsedSchema()
	}
	root, err := encode(reflect.ValueOf(c).Elem(), described)
	if err != nil {
		return nil, fmt.Errorf("marshal configuration: %w", err)
	}
	var b bytes.Buffer
	dumper, err := yaml.NewDumper(&b, yaml.WithIndent(2), yaml.WithLineWidth(-1))
	if err != nil {
		return nil, fmt.Errorf("marshal configuration: %w", err)
	}
	if err := dumper.Dump(root); err != nil {
		return nil, fmt.Errorf("marshal configuration: %w", err)
	}
	if err := dumper.Close(); err != nil {
		return nil, fmt.Errorf("marshal configuration: %w", err)
	}
	return b.Bytes(), nil
}

// encode returns the node of a value; d is its part of the schema, nil where no
// comments are wanted.
func encode(v reflect.Value, d *described) (*yaml.Node, error) {
	switch kindOf(v.Type()) {
	case kindSection:
		return encodeSection(v, d)
	case kindMap:
		n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		names := slices.Sorted(maps.Keys(keySet(v)))
		for _, name := range names {
			item, err := encode(v.MapIndex(reflect.ValueOf(name)), nil)
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, stringNode(name), item)
		}
		flowIfEmpty(n)
		return n, nil
	case kindList:
		n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for i := range v.Len() {
			item, err := encode(v.Index(i), nil)
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, item)
		}
		if kindOf(v.Type().Elem()).scalar() {
			n.Style = yaml.FlowStyle
		}
		flowIfEmpty(n)
		return n, nil
	}
	return encodeScalar(v)
}

func encodeSection(v reflect.Value, d *described) (*yaml.Node, error) {
	n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	for _, f := range fieldsOf(v.Type()) {
		item, err := encode(v.Field(f.index), d.property(f.name))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
		key := stringNode(f.name)
		if d != nil {
			text := d.property(f.name).description()
			if f.example != "" {
				text += "\nExample: " + f.example
			}
			key.HeadComment = comment(text)
		}
		n.Content = append(n.Content, key, item)
	}
	flowIfEmpty(n)
	return n, nil
}

// encodeScalar returns the node of a single value; its tag makes the writer
// quote a text that would read as something else.
func encodeScalar(v reflect.Value) (*yaml.Node, error) {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str"}
	switch kindOf(v.Type()) {
	case kindTime:
		n.Value = v.Interface().(time.Time).Format(time.RFC3339Nano)
		n.Tag = "!!timestamp"
	case kindInt:
		n.Tag, n.Value = "!!int", strconv.FormatInt(v.Int(), 10)
	case kindFloat:
		n.Tag, n.Value = floatTag(v.Float()), strconv.FormatFloat(v.Float(), 'f', -1, 64)
	case kindBool:
		n.Tag, n.Value = "!!bool", strconv.FormatBool(v.Bool())
	default:
		text := v.String()
		if m, ok := v.Interface().(encoding.TextMarshaler); ok {
			b, err := m.MarshalText()
			if err != nil {
				return nil, err
			}
			text = string(b)
		}
		if reflect.PointerTo(v.Type()).Implements(numberType) && v.Kind() == reflect.Float64 {
			n.Tag, n.Value = floatTag(v.Float()), text
			return n, nil
		}
		return stringNode(escape(text)), nil
	}
	return n, nil
}

func floatTag(f float64) string {
	if f == float64(int64(f)) {
		return "!!int"
	}
	return "!!float"
}

func stringNode(s string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
	if strings.ContainsAny(s, "\r\n") {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}

func flowIfEmpty(n *yaml.Node) {
	if len(n.Content) == 0 {
		n.Style = yaml.FlowStyle
	}
}

func keySet(v reflect.Value) map[string]struct{} {
	set := make(map[string]struct{}, v.Len())
	for _, k := range v.MapKeys() {
		set[k.String()] = struct{}{}
	}
	return set
}

func sortedKeys[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }

// comment wraps a text into lines that begin with "# ".
func comment(text string) string {
	var lines []string
	for paragraph := range strings.SplitSeq(text, "\n") {
		line := "#"
		for _, word := range strings.Fields(paragraph) {
			if len(line)+1+len(word) > commentWidth && line != "#" {
				lines = append(lines, line)
				line = "#"
			}
			line += " " + word
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}
