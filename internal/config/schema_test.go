package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/invopop/jsonschema"
	validator "github.com/santhosh-tekuri/jsonschema/v6"
	yaml "go.yaml.in/yaml/v4"
)

var update = flag.Bool("update", false, "rewrite golden files")

// golden compares got with a file, or writes the file under -update.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (run the test with -update to write it)", err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (run the tests with -update, twice where comments of keys changed, then read the change)\n--- got\n%s--- want\n%s", path, got, want)
	}
}

const packagePath = "github.com/leanfleet/leanfleet/internal/config"

// TestSchemaGolden makes the schema from the structs and their comments and
// holds the embedded and the published copy against it.
func TestSchemaGolden(t *testing.T) {
	got := generateSchema(t)
	golden(t, "schema.json", got)
	golden(t, filepath.Join("..", "..", "docs", "config.schema.json"), got)
	if !*update && !bytes.Equal(Schema(), got) {
		t.Error("Schema() is not the generated schema")
	}
}

func generateSchema(t *testing.T) []byte {
	t.Helper()
	r := &jsonschema.Reflector{Anonymous: true, DoNotReference: true, ExpandedStruct: true, RequiredFromJSONSchemaTags: true, Mapper: mapType}
	if err := r.AddGoComments(packagePath, "."); err != nil {
		t.Fatal(err)
	}
	s := r.Reflect(&Config{})
	s.Title = "leanfleet configuration"
	s.Description = "All settings of leanfleet. Values may refer to environment variables as ${NAME} or ${NAME:-default}."
	s.Definitions = jsonschema.Definitions{"reference": {
		Type: "string", Pattern: `\$\{`, Description: "A value that refers to environment variables, as ${NAME} or ${NAME:-default}.",
	}}
	finishSection(t, s, reflect.ValueOf(Default()).Elem())
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(s); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// mapType gives the schema of the types that are read from text.
func mapType(t reflect.Type) *jsonschema.Schema {
	if w, ok := reflect.Zero(t).Interface().(worded); ok {
		var words []any
		for _, word := range w.words() {
			words = append(words, word)
		}
		return &jsonschema.Schema{Type: "string", Enum: words}
	}
	text := func(pattern string) *jsonschema.Schema { return &jsonschema.Schema{Type: "string", Pattern: pattern} }
	switch t {
	case timeType:
		return &jsonschema.Schema{Type: "string", Format: "date-time"}
	case reflect.TypeFor[Duration]():
		s := text(durationPattern)
		s.MinLength = new(uint64)
		*s.MinLength = 2
		return s
	case reflect.TypeFor[Bytes]():
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "integer", Minimum: "0"}, text(bytesPattern)}}
	case reflect.TypeFor[Share]():
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "number", Minimum: "0", Maximum: "1"}, text(sharePattern)}}
	case reflect.TypeFor[Amount]():
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "number", Minimum: "0"}, text(amountPattern)}}
	case reflect.TypeFor[Clock]():
		return text(clockPattern)
	case reflect.TypeFor[DayRange]():
		return text(dayPattern)
	case reflect.TypeFor[TimeZone]():
		return text("")
	case reflect.TypeFor[Selector]():
		return text(`\S`)
	case reflect.TypeFor[Percentile]():
		return &jsonschema.Schema{Type: "number", ExclusiveMinimum: "0", ExclusiveMaximum: "100"}
	case reflect.TypeFor[Resolution]():
		var values []any
		for _, r := range resolutions {
			values = append(values, json.Number(r.text))
		}
		return &jsonschema.Schema{Type: "number", Enum: values}
	}
	return nil
}

// finishSection adds what the reflector cannot know: descriptions for users,
// defaults, examples, rules for names, and references to variables.
func finishSection(t *testing.T, s *jsonschema.Schema, v reflect.Value) {
	t.Helper()
	for _, f := range fieldsOf(v.Type()) {
		p, ok := s.Properties.Get(f.name)
		if !ok {
			t.Fatalf("the reflector lost %s", f.name)
		}
		value := v.Field(f.index)
		p = finish(t, p, value)
		text := p.Description
		for _, verb := range []string{" is ", " are "} {
			if rest, ok := strings.CutPrefix(text, f.goName+verb); ok {
				text = strings.ToUpper(rest[:1]) + rest[1:]
			}
		}
		if text == p.Description || !strings.HasSuffix(text, ".") {
			t.Errorf("the comment of %s.%s must be sentences beginning with %q; it is %q", v.Type(), f.goName, f.goName+" is", p.Description)
		}
		p.Description = text
		if !f.required && kindOf(f.typ) != kindSection {
			p.Default = value.Interface()
		}
		if f.example != "" {
			p.Examples = []any{plainYAML(t, f.example)}
		}
		s.Properties.Set(f.name, p)
	}
}

func finish(t *testing.T, s *jsonschema.Schema, v reflect.Value) *jsonschema.Schema {
	t.Helper()
	switch k := kindOf(v.Type()); k {
	case kindSection:
		finishSection(t, s, v)
	case kindMap:
		s.PropertyNames = &jsonschema.Schema{Pattern: nameRule}
		s.AdditionalProperties = finish(t, s.AdditionalProperties, fresh(v.Type().Elem()))
	case kindList:
		s.Items = finish(t, s.Items, fresh(v.Type().Elem()))
	default:
		if s.Type == "string" && s.Pattern == "" && s.Enum == nil && s.Format == "" {
			return s // any text is right, references too
		}
		value := *s
		value.Description = ""
		alternatives := []*jsonschema.Schema{&value}
		if len(value.AnyOf) > 0 {
			alternatives = value.AnyOf
		}
		return &jsonschema.Schema{Description: s.Description, AnyOf: append(alternatives, &jsonschema.Schema{Ref: "#/$defs/reference"})}
	}
	return s
}

// plainYAML reads YAML as a JSON reader would see it.
func plainYAML(t *testing.T, text string) any {
	t.Helper()
	var v any
	loader, err := yaml.NewLoader(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := loader.Load(&v); err != nil && !errors.Is(err, io.EOF) {
		t.Fatalf("%v in %s", err, text)
	}
	v, err = asJSON(v)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func asJSON(v any) (any, error) {
	var err error
	switch x := v.(type) {
	case map[string]any:
		for k := range x {
			if x[k], err = asJSON(x[k]); err != nil {
				return nil, err
			}
		}
	case map[any]any:
		return nil, fmt.Errorf("a key that is not text in %v", x)
	case []any:
		for i := range x {
			if x[i], err = asJSON(x[i]); err != nil {
				return nil, err
			}
		}
	case time.Time:
		return x.Format(time.RFC3339Nano), nil
	}
	return v, nil
}

func compileSchema(t *testing.T) *validator.Schema {
	t.Helper()
	doc, err := validator.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := validator.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("config.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("config.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSchemaAccepts holds the published schema and Parse against each other on
// every valid example.
func TestSchemaAccepts(t *testing.T) {
	s := compileSchema(t)
	for _, path := range files(t, "testdata/valid/*") {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(path, data, testEnv); err != nil {
			t.Errorf("Parse refuses a valid example:\n%v", err)
		}
		if err := checkSchema(t, s, data); err != nil {
			t.Errorf("the schema refuses %s: %v", path, err)
		}
	}
}

func checkSchema(t *testing.T, s *validator.Schema, data []byte) error {
	v := plainYAML(t, string(plainJSON(data)))
	if v == nil {
		v = map[string]any{} // a file of comments only
	}
	return s.Validate(v)
}

// TestSchemaRefuses shows that the schema sees the mistakes that do not depend
// on meaning or on the syntax of YAML itself.
func TestSchemaRefuses(t *testing.T) {
	s := compileSchema(t)
	n := 0
	for _, path := range files(t, "testdata/invalid/schema_*.yaml") {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		n++
		if checkSchema(t, s, data) == nil {
			t.Errorf("the schema accepts %s", path)
		}
	}
	for _, c := range []string{
		"timezone: 5", "output: tabel", "limit: -1", "limit: '5'", "limit: 1.5", "retention: 5", "retention: ''", "retention: 1.5h", "retention: 1h1d",
		"sets: {'': a=b}", "sets: {web: ''}", "sets: {web: ' '}", "sets: {_x: a=b}", "sets: []", "business_hours: {o: {days: []}}", "business_hours: {o: {days: [monday]}}",
		"business_hours: {o: {from: '9:00'}}", "business_hours: {o: {to: '24:01'}}", "blackouts: [{from: 2026-01-01T00:00:00Z}]",
		"blackouts: [{from: yesterday, to: 2026-01-01T00:00:00Z}]", "metrics: [{name: X, unit: count, resolution: 1}]", "metrics: [{name: x, unit: count, resolution: 3}]",
		"import: {memory_budget: 5 apples}", "import: {ratio_warning: 0.5}", "import: {skip_bad: 'yes'}", "import: {stamp: middle}",
		"statistics: {percentiles: [0]}", "statistics: {percentiles: [100]}", "statistics: {percentiles: ['50']}", "prices: {precedence: []}", "prices: {precedence: [own]}", "prices: {warn_age: 5}", "prices: {sheets: a.csv}",
		"prices: {aws: {query: 'no'}}", "data: null", "nothing: 1",
	} {
		if checkSchema(t, s, []byte(c)) == nil {
			t.Errorf("the schema accepts %s", c)
		}
		if _, err := Parse("x", []byte(c), testEnv); err == nil {
			t.Errorf("Parse accepts %s", c)
		}
	}
	if n == 0 {
		t.Error("no invalid examples")
	}
}

// TestExamples holds every example in a comment against Parse.
func TestExamples(t *testing.T) {
	for _, k := range Keys() {
		if k.Example == "" || strings.ContainsAny(k.Path, "[N") {
			continue
		}
		section, name := cutLast(k.Path)
		text := name + ": " + k.Example
		for section != "" {
			section, name = cutLast(section)
			text = name + ": {" + text + "}"
		}
		if _, err := Parse(k.Path, []byte(text), testEnv); err != nil {
			t.Errorf("example of %s: %v", k.Path, err)
		}
	}
}

func files(t *testing.T, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no files %s: %v", pattern, err)
	}
	return paths
}

// testEnv is the environment of tests.
func testEnv(name string) (string, bool) {
	value, ok := map[string]string{
		"ZONE": "Asia/Tokyo", "ROWS": "50", "EMPTY": "", "YES": "true", "WORDS": "one two", "HOME": "/home/ada", "RICH": "${ZONE}$$",
		"BEGIN": "2026-01-01T00:00:00+01:00",
	}[name]
	return value, ok
}
