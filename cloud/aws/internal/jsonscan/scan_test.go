package jsonscan

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
)

// read reads any value by the scanner's means, numbers as texts of their kind.
func read(s *Scanner) (any, error) {
	c, err := s.peek()
	switch {
	case err != nil:
		return nil, err
	case c == '{':
		m := map[string]any{}
		err := s.Object(func(key []byte) error {
			k := string(key)
			v, err := read(s)
			m[k] = v
			return err
		})
		return m, err
	case c == '[':
		list := []any{}
		err := s.Array(func() error {
			v, err := read(s)
			list = append(list, v)
			return err
		})
		return list, err
	case c == '"':
		text, err := s.Text()
		return string(text), err
	}
	raw, err := s.Scalar()
	switch string(raw) {
	case "null":
		return nil, err
	case "true":
		return true, err
	case "false":
		return false, err
	}
	return json.Number(raw), err
}

func readAll(r io.Reader) (any, error) {
	s := New(r)
	v, err := read(s)
	if err == nil {
		err = s.End()
	}
	return v, err
}

func skipAll(r io.Reader) error {
	s := New(r)
	if err := s.Skip(); err != nil {
		return err
	}
	return s.End()
}

func standard(doc string) (any, error) {
	d := json.NewDecoder(strings.NewReader(doc))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("something follows")
	}
	return v, nil
}

// long is a document whose texts lie across the ends of the buffer.
func long() string {
	return `{"a":"` + strings.Repeat(`x\"y`, 150_000) + `","b":[` + strings.Repeat(`{"k":"value \\ ]"},`, 40_000) + `null]}`
}

func TestValid(t *testing.T) {
	docs := []string{
		`{}`, `[]`, ` { "a" : 1 , "b" : [ true , false , null ] } `, `"text"`, `12.50e-3`, `"a\"b\\"`, `"\u00e9\n"`, `[[[["deep"]]]]`,
		`{"":""}`, `{"a":{"b":{"c":[]}}}`, "\n[\t1,\r2]\n", long(),
	}
	for _, doc := range docs {
		want, err := standard(doc)
		if err != nil {
			t.Fatal(err)
		}
		for name, r := range map[string]io.Reader{"whole": strings.NewReader(doc), "bytes": iotest.OneByteReader(strings.NewReader(doc)), "halves": iotest.HalfReader(strings.NewReader(doc)), "last with the end": iotest.DataErrReader(strings.NewReader(doc))} {
			if got, err := readAll(r); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s: read %.40q: %.80v, %v", name, doc, got, err)
			}
		}
		for name, r := range map[string]io.Reader{"whole": strings.NewReader(doc), "bytes": iotest.OneByteReader(strings.NewReader(doc))} {
			if err := skipAll(r); err != nil {
				t.Errorf("%s: skip %.40q: %v", name, doc, err)
			}
		}
	}
}

func TestMalformed(t *testing.T) {
	for _, c := range []struct{ doc, want string }{
		{`{"a":1`, "byte 6: the document ends early"},
		{`{"a":1,}`, `byte 7: malformed JSON: '}' where '"' belongs`},
		{`{"a" 1}`, `byte 5: malformed JSON: '1' where ':' belongs`},
		{`{"a":1 "b":2}`, `byte 7: malformed JSON: '"' where a comma or '}' belongs`},
		{`[1 2]`, "where a comma"},
		{`[1,]`, "where a value belongs"},
		{`[01]`, `"01" is no value`},
		{`[nul]`, `"nul" is no value`},
		{"\"a\nb\"", "a control character"},
		{`"\x"`, "invalid character"},
		{`{"a":1}}`, `byte 7: malformed JSON: '}' after the end`},
		{`"abc`, "ends early"},
		{`"abc\`, "ends early"},
		{``, "ends early"},
		{`{"a":{"b"`, "ends early"},
		{strings.Repeat("[", MaxDepth+1), "nested deeper than 64"},
		{`"` + strings.Repeat("x", MaxText+1) + `"`, "a text of more than"},
		{`"` + strings.Repeat("x", 3*MaxText), "a text of more than"},
	} {
		_, err := readAll(strings.NewReader(c.doc))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.30q: %v, want %s", c.doc, err, c.want)
		}
		if early := strings.Contains(c.want, "early"); err != nil && errors.Is(err, io.ErrUnexpectedEOF) != early || !early && !errors.Is(err, ErrSyntax) {
			t.Errorf("%.30q: %v has the wrong kind", c.doc, err)
		}
	}
}

func TestSkipMalformed(t *testing.T) {
	for _, c := range []struct{ doc, want string }{
		{`{"a":[1}`, "byte 8: malformed JSON: '}' closes another bracket"},
		{`{"a":"b`, "ends early"},
		{`{"a":"b\`, "ends early"},
		{`{"a":"b]"`, "ends early"},
		{`,`, "where a value belongs"},
		{strings.Repeat("[", MaxDepth), "nested deeper than 64"},
		{strings.Repeat(`{"a":`, 70) + "1" + strings.Repeat("}", 70), "nested deeper than 64"},
	} {
		if err := skipAll(strings.NewReader(c.doc)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.30q: %v, want %s", c.doc, err, c.want)
		}
	}
	if err := skipAll(strings.NewReader(`"` + strings.Repeat("x", 5*MaxText) + `"`)); err != nil {
		t.Errorf("a long text is skipped: %v", err)
	}
}

func TestWrongKind(t *testing.T) {
	for name, f := range map[string]func(s *Scanner) error{
		"object": func(s *Scanner) error { return s.Object(nil) },
		"array":  func(s *Scanner) error { return s.Array(nil) },
		"text":   func(s *Scanner) error { _, err := s.Text(); return err },
	} {
		if err := f(New(strings.NewReader("1"))); !errors.Is(err, ErrSyntax) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := New(strings.NewReader("{}")).Scalar(); !errors.Is(err, ErrSyntax) {
		t.Errorf("scalar: %v", err)
	}
}

func TestReaderErrors(t *testing.T) {
	cut := errors.New("connection reset")
	for _, doc := range []string{`{"a":"b`, `[1,2`, `  `, `"a`} {
		if _, err := readAll(io.MultiReader(strings.NewReader(doc), iotest.ErrReader(cut))); !errors.Is(err, cut) {
			t.Errorf("read %q: %v", doc, err)
		}
		if err := skipAll(io.MultiReader(strings.NewReader(doc), iotest.ErrReader(cut))); !errors.Is(err, cut) {
			t.Errorf("skip %q: %v", doc, err)
		}
	}
	if _, err := readAll(stuck{}); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a reader without progress: %v", err)
	}
	stop := errors.New("stop")
	if err := New(strings.NewReader(`{"a":1}`)).Object(func([]byte) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("error of a member: %v", err)
	}
	if err := New(strings.NewReader(`[1]`)).Array(func() error { return stop }); !errors.Is(err, stop) {
		t.Errorf("error of an element: %v", err)
	}
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

// FuzzScan holds the scanner against encoding/json: what one reads, the other
// reads alike, and what is valid is skipped whole.
func FuzzScan(f *testing.F) {
	for _, doc := range []string{`{"a":[1,"b\\",{"c":null}]}`, `{"a":"\ud800"}`, `[1e5,-0.5,true]`, `{"a":[}`, `"\"`, `{"a":1}{`, ` `} {
		f.Add([]byte(doc))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		want, wantErr := standard(string(doc))
		got, err := readAll(bytes.NewReader(doc))
		slow, slowErr := readAll(iotest.OneByteReader(bytes.NewReader(doc)))
		if !reflect.DeepEqual(got, slow) || (err == nil) != (slowErr == nil) {
			t.Fatalf("read whole %v %v, by bytes %v %v", got, err, slow, slowErr)
		}
		skipErr := skipAll(bytes.NewReader(doc))
		if slow := skipAll(iotest.OneByteReader(bytes.NewReader(doc))); (skipErr == nil) != (slow == nil) {
			t.Fatalf("skip whole %v, by bytes %v", skipErr, slow)
		}
		if deep := bytes.Count(doc, []byte("[")) + bytes.Count(doc, []byte("{")); deep >= MaxDepth {
			return
		}
		if (wantErr == nil) != (err == nil) {
			t.Fatalf("%q: encoding/json says %v, the scanner %v", doc, wantErr, err)
		}
		if wantErr == nil {
			if skipErr != nil {
				t.Fatalf("%q is valid and not skipped: %v", doc, skipErr)
			}
			// encoding/json replaces invalid UTF-8, the scanner keeps it.
			if bytes.ContainsRune(doc, '\ufffd') || strings.ToValidUTF8(string(doc), "") != string(doc) {
				return
			}
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("%q: %v, want %v", doc, got, want)
			}
		}
	})
}
