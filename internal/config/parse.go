package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	yaml "go.yaml.in/yaml/v4"
)

// maxFileBytes bounds the size of a configuration file.
const maxFileBytes = 1 << 20

// Parse reads settings in YAML or JSON over the defaults. The name is what
// errors call the file. Variables are looked up with env. An empty document
// gives the defaults. The error, if any, is an [*Errors] with every mistake, and
// the settings are then nil.
func Parse(name string, data []byte, env Env) (*Config, error) {
	cfg, problems := parse(name, data, env)
	if err := problems.err(); err != nil {
		return nil, err
	}
	return cfg, nil
}

// parse does the work of Parse. The settings are only complete when there are
// no problems.
func parse(name string, data []byte, env Env) (*Config, problems) {
	cfg := Default()
	d := &decoder{file: name, env: env, at: map[string]position{}}
	if len(data) > maxFileBytes {
		d.fail(position{}, "", "larger than %d bytes", maxFileBytes)
		return cfg, d.problems
	}
	root := d.document(plainJSON(data))
	if root == nil {
		return cfg, d.problems
	}
	d.value(root, reflect.ValueOf(cfg).Elem(), "")
	failed := map[string]bool{}
	for _, p := range d.problems {
		failed[p.Path] = true
	}
	validate(cfg, func(path, message string) {
		if at, given := d.at[path]; given && !failed[path] {
			d.fail(at, path, "%s", message)
		}
	})
	return cfg, d.problems
}

// document returns the root of the only document, nil when there is nothing to
// decode.
func (d *decoder) document(data []byte) *yaml.Node {
	if at, ok := firstInvalid(data); !ok {
		d.fail(at, "", "not UTF-8 text")
		return nil
	}
	loader, err := yaml.NewLoader(bytes.NewReader(data), yaml.WithKnownFields(), yaml.WithUniqueKeys())
	if err != nil {
		d.syntax(err)
		return nil
	}
	var first, second yaml.Node
	if err := loader.Load(&first); errors.Is(err, io.EOF) {
		return nil
	} else if err != nil {
		d.syntax(err)
		return nil
	}
	if err := loader.Load(&second); err == nil {
		d.fail(where(&second), "", "a second document begins here; put all settings into one")
	} else if !errors.Is(err, io.EOF) {
		d.syntax(err)
	}
	if len(first.Content) == 0 {
		return nil
	}
	root := first.Content[0]
	if root.Kind == yaml.ScalarNode && root.Tag == "!!null" && root.Value == "" {
		return nil // nothing but comments or a document mark
	}
	return root
}

// syntax notes the positions of a parser's error.
func (d *decoder) syntax(err error) {
	note := func(e *yaml.LoadError) {
		message := e.Message
		if e.ContextMsg != "" {
			message += " (" + e.ContextMsg + ")"
		}
		d.fail(position{e.Mark.Line, e.Mark.Column}, "", "%s", message)
	}
	var many *yaml.LoadErrors
	var one *yaml.LoadError
	switch {
	case errors.As(err, &many) && len(many.Errors) > 0:
		for _, e := range many.Errors {
			note(e)
		}
	case errors.As(err, &one):
		note(one)
	default:
		d.fail(position{}, "", "%s", err)
	}
}

// firstInvalid returns where the text stops being UTF-8, and whether it never
// does.
func firstInvalid(data []byte) (position, bool) {
	at := position{1, 1}
	for len(data) > 0 {
		r, size := utf8.DecodeRune(data)
		if r == utf8.RuneError && size == 1 {
			return at, false
		}
		at.column++
		if r == '\n' {
			at = position{at.line + 1, 1}
		}
		data = data[size:]
	}
	return at, true
}

var surrogates = regexp.MustCompile(`\\+u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}`)

// plainJSON rewrites the one thing of JSON that YAML lacks: characters written
// as two escapes, as JSON encoders do by default beyond the basic plane. Columns
// behind such a character in the same line move left.
func plainJSON(data []byte) []byte {
	if !bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("{")) || !json.Valid(data) {
		return data
	}
	return surrogates.ReplaceAllFunc(data, func(match []byte) []byte {
		slashes := bytes.IndexByte(match, 'u')
		if slashes%2 == 0 {
			return match // an escaped backslash, then plain text
		}
		hex := match[slashes:]
		high, err1 := strconv.ParseUint(string(hex[1:5]), 16, 16)
		low, err2 := strconv.ParseUint(string(hex[7:11]), 16, 16)
		if err1 != nil || err2 != nil {
			return match
		}
		r := utf16.DecodeRune(rune(high), rune(low))
		return fmt.Appendf(nil, `%s\U%08X`, match[:slashes-1], r)
	})
}
