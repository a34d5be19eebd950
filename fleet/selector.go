package fleet

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Selector matches records by their fields and tags: all terms must hold. The
// zero Selector matches every record.
//
//	dept=eng,env!=dev         equal, not equal
//	name=~web-[0-9]+          the whole value matches the regular expression
//	region!~us-.*             it does not
//	owner                     known at all
//	!owner                    unknown
//	team="a, b"               a value with a comma or quotes, written in quotes
//	note=""                   the tag with nothing in it
//	set=web,set!=dev          in one configured set and not in another, see In
//	tag:region=north          the tag, where a built-in key has the same name
//	"Cost Center"=7           a key with spaces or signs, written in quotes
//
// == is =. Inside quotes \" and \\ stand for a quote and a backslash. Outside,
// a comma ends a value, save one inside the brackets of a regular expression,
// such as x{2,3}; a value that is left out is an error.
//
// An unknown value equals nothing and matches no expression, so env!=dev and
// env!~dev hold for a host without the tag env.
type Selector struct {
	terms []term
	text  string
}

type term struct {
	key, op, value string
	re             *regexp.Regexp
	set            *Selector // of a configured set, see In
}

// ParseSelector reads a selector. The error says at which character it fails.
func ParseSelector(s string) (Selector, error) {
	text := strings.TrimSpace(s)
	if text == "" {
		return Selector{}, nil
	}
	sel := Selector{text: text}
	before := strings.Index(s, text)
	for pos := 0; pos < len(text); {
		t, next, err := parseTerm(text, pos)
		if err != nil {
			return Selector{}, fmt.Errorf("selector %q, character %d: %w", s, utf8.RuneCountInString(s[:before+next])+1, err)
		}
		sel.terms = append(sel.terms, t)
		pos = next
		if pos < len(text) {
			pos++ // the comma
			if pos == len(text) {
				return Selector{}, fmt.Errorf("selector %q ends with a comma", s)
			}
		}
	}
	return sel, nil
}

// MustSelector is ParseSelector for constants in code; it panics on an error.
func MustSelector(s string) Selector {
	sel, err := ParseSelector(s)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return sel
}

const (
	blanks = " \t\r\n"
	keyEnd = "=!~,\"" + blanks
)

func parseTerm(s string, pos int) (term, int, error) {
	pos += spaces(s[pos:])
	var t term
	if strings.HasPrefix(s[pos:], "!") {
		t.op = "absent"
		pos += 1 + spaces(s[pos+1:])
	}
	end, err := t.parseKey(s, pos)
	if err != nil {
		return t, end, err
	}
	pos = end + spaces(s[end:])
	if t.op == "absent" || pos == len(s) || s[pos] == ',' {
		if t.op == "" {
			t.op = "present"
		}
		if pos < len(s) && s[pos] != ',' {
			return t, pos, fmt.Errorf("%q after !%s", s[pos], t.key)
		}
		return t, pos, nil
	}
	for _, op := range []string{"=~", "!~", "!=", "==", "="} {
		if strings.HasPrefix(s[pos:], op) {
			t.op = op
			pos += len(op)
			break
		}
	}
	if t.op == "" {
		return t, pos, fmt.Errorf("one of = != =~ !~ is missing after %s", t.key)
	}
	if t.op == "==" {
		t.op = "="
	}
	start := pos + spaces(s[pos:])
	next, err := t.parseValue(s, start)
	if err != nil {
		return t, next, err
	}
	if t.op == "=~" || t.op == "!~" {
		if t.re, err = wholeValue(t.value); err != nil {
			return t, start, err
		}
	}
	return t, next, nil
}

// wholeValue compiles an expression that has to match all of a value.
func wholeValue(expression string) (*regexp.Regexp, error) {
	if _, err := regexp.Compile(expression); err != nil {
		return nil, fmt.Errorf("regular expression %q: %w", expression, err)
	}
	re, err := regexp.Compile("^(?:" + expression + ")$") // may still fail: a \Q without \E
	if err != nil {
		return nil, fmt.Errorf("regular expression %q: %w", expression, err)
	}
	return re, nil
}

// parseKey reads a key, plain or in quotes, and returns where it ends.
func (t *term) parseKey(s string, pos int) (int, error) {
	end := pos
	if strings.HasPrefix(s[pos:], `"`) {
		var err error
		if t.key, end, err = unquote(s, pos); err != nil {
			return end, err
		}
	} else {
		for end < len(s) && strings.IndexByte(keyEnd, s[end]) < 0 {
			end++
		}
		t.key = s[pos:end]
	}
	if t.key == "" || t.key == "tag:" {
		return pos, fmt.Errorf("a key such as dept is missing")
	}
	return end, nil
}

// parseValue reads a value, plain or in quotes, and returns where it ends.
func (t *term) parseValue(s string, pos int) (int, error) {
	if strings.HasPrefix(s[pos:], `"`) {
		value, end, err := unquote(s, pos)
		if err != nil {
			return end, err
		}
		end += spaces(s[end:])
		if end < len(s) && s[end] != ',' {
			return end, fmt.Errorf("a comma is missing after the quoted value")
		}
		t.value = value
		return end, nil
	}
	end := pos
	if t.op == "=~" || t.op == "!~" {
		end = expressionEnd(s, pos)
	} else if i := strings.IndexByte(s[pos:], ','); i >= 0 {
		end += i
	} else {
		end = len(s)
	}
	t.value = strings.TrimRight(s[pos:end], blanks)
	if t.value == "" {
		return pos, fmt.Errorf(`a value is missing after %s%s; write %s%s"" for an empty one`, t.key, t.op, t.key, t.op)
	}
	return end, nil
}

// unquote reads from an opening quote and returns what the quotes hold and the
// position behind the closing one.
func unquote(s string, pos int) (string, int, error) {
	var b strings.Builder
	for i := pos + 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\'):
			i++
			b.WriteByte(s[i])
		case s[i] == '"':
			return b.String(), i + 1, nil
		default:
			b.WriteByte(s[i])
		}
	}
	return "", pos, fmt.Errorf("the quote is not closed")
}

// quote writes a text so that unquote reads it.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// expressionEnd is the position of the comma that ends a regular expression:
// none inside {2,3}, (a,b) and [,].
func expressionEnd(s string, pos int) int {
	depth, class := 0, -1 // class is where a [ began
	for i := pos; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			i++
		case class >= 0:
			if strings.HasPrefix(s[i:], "[:") {
				if n := strings.Index(s[i+2:], ":]"); n >= 0 {
					i += 2 + n + 1 // [:alpha:]
					continue
				}
			}
			first := i == class+1 || i == class+2 && s[class+1] == '^' // ] as a member
			if c == ']' && !first {
				class = -1
			}
		case c == '[':
			class = i
		case c == '{' || c == '(':
			depth++
		case c == '}' || c == ')':
			depth--
		case c == ',' && depth <= 0:
			return i
		}
	}
	return len(s)
}

func spaces(s string) int { return len(s) - len(strings.TrimLeft(s, blanks)) }

// Matches says whether every term holds for the record.
func (s Selector) Matches(r *Record) bool {
	for i := range s.terms {
		if !s.terms[i].matches(r) {
			return false
		}
	}
	return true
}

func (t *term) matches(r *Record) bool {
	if t.set != nil {
		return t.set.Matches(r) == (t.op == "=")
	}
	v, known := r.Field(t.key)
	switch t.op {
	case "present":
		return known
	case "absent":
		return !known
	case "=":
		return known && v == t.value
	case "!=":
		return !known || v != t.value
	case "=~":
		return known && t.re.MatchString(v)
	default:
		return !known || !t.re.MatchString(v)
	}
}

// All says whether the selector matches every record.
func (s Selector) All() bool { return len(s.terms) == 0 }

// Keys returns the keys the selector looks at, in order.
func (s Selector) Keys() []string {
	var keys []string
	for _, t := range s.terms {
		keys = append(keys, t.key)
	}
	return keys
}

// String is the selector as it was written.
func (s Selector) String() string { return s.text }

// SelectHost matches the records of one host.
func SelectHost(id HostID) Selector {
	return Selector{terms: []term{{key: "host", op: "=", value: string(id)}}, text: "host=" + quote(string(id))}
}
