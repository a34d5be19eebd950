package inventory

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/leanfleet/leanfleet/fleet"
)

// quickDocument reads a document in the form that Marshal writes it: no white
// space, no repeated keys, no escapes, nothing that Marshal leaves out. It is false for anything else, which
// encoding/json then reads or refuses. Opening a store reads a document for
// every host, and this is several times faster.
func quickDocument(data []byte) (document, []fieldSpans, bool) {
	q := quick{b: string(data)} // values are parts of this one string
	var d document
	var fields []fieldSpans
	q.object(func(key string) {
		switch key {
		case "version":
			d.Version = q.int()
		case "host":
			d.Host = fleet.HostID(q.string())
		case "into":
			d.Into = fleet.HostID(q.string())
		case "merged":
			q.list(func() { d.Merged = append(d.Merged, fleet.HostID(q.string())) })
		case "keyed":
			d.Keyed = q.bool()
		case "launched":
			d.Launched = q.time()
		case "ended":
			d.Ended = q.time()
		case "seen":
			d.Seen = &fleet.Window{}
			q.object(func(key string) {
				switch key {
				case "start":
					d.Seen.Start = q.time()
				case "end":
					d.Seen.End = q.time()
				default:
					q.fail()
				}
			})
		case "listed":
			d.Listed = q.time()
		case "fields":
			fields = make([]fieldSpans, 0, 24)
			q.object(func(key string) {
				if n := len(fields); n > 0 && fields[n-1].column >= key {
					q.fail() // Marshal sorts them
				}
				fields = append(fields, fieldSpans{key, q.spans()})
			})
		case "aliases":
			q.list(func() { d.Aliases = append(d.Aliases, q.alias()) })
		case "origins":
			q.list(func() { d.Origins = append(d.Origins, fleet.Origin(q.string())) })
		default: // conflicts are rare
			q.fail()
		}
	})
	return d, fields, !q.failed && q.i == len(data)
}

// fieldSpans is the spans of a field.
type fieldSpans struct {
	column string
	list   []spanDocument
}

// quick is a place in a document.
type quick struct {
	b      string
	i      int
	failed bool
	spare  []spanDocument // room for the spans of the next fields
	values []string       // and for their values
}

func (q *quick) fail() {
	q.failed = true
	q.i = len(q.b)
}

// is passes a text if it comes next.
func (q *quick) is(text string) bool {
	if strings.HasPrefix(q.b[q.i:], text) {
		q.i += len(text)
		return true
	}
	return false
}

func (q *quick) want(text string) {
	if !q.is(text) {
		q.fail()
	}
}

// object reads an object whose keys do not repeat, in any order.
func (q *quick) object(value func(key string)) {
	q.want("{")
	var known [16]string
	seen := known[:0]
	for first := true; !q.failed && !q.is("}"); first = false {
		if !first {
			q.want(",")
		}
		key := q.string()
		q.want(":")
		if len(seen) < len(known) { // more keys only fields have, and those ascend
			for _, k := range seen {
				if k == key {
					q.fail()
				}
			}
			seen = append(seen, key)
		}
		if !q.failed {
			value(key)
		}
	}
}

func (q *quick) list(item func()) {
	q.want("[")
	if q.is("]") {
		q.fail() // Marshal leaves empty lists out
	}
	for first := true; !q.failed && !q.is("]"); first = false {
		if !first {
			q.want(",")
		}
		if !q.failed {
			item()
		}
	}
}

func (q *quick) string() string {
	q.want(`"`)
	n := strings.IndexByte(q.b[q.i:], '"')
	if n < 0 {
		q.fail()
		return ""
	}
	s := q.b[q.i : q.i+n]
	ascii := true
	for i := range len(s) {
		c := s[i]
		if c == '\\' || c < 0x20 {
			q.fail()
			return ""
		}
		ascii = ascii && c < utf8.RuneSelf
	}
	if !ascii && !utf8.ValidString(s) {
		q.fail()
		return ""
	}
	q.i += n + 1
	return s
}

func (q *quick) time() time.Time {
	t, err := time.Parse(time.RFC3339Nano, q.string())
	if err != nil {
		q.fail()
	}
	return t
}

func (q *quick) int() int {
	n := q.i
	for n < len(q.b) && q.b[n] >= '0' && q.b[n] <= '9' {
		n++
	}
	v, err := strconv.Atoi(q.b[q.i:n])
	if err != nil || q.b[q.i] == '0' && n > q.i+1 {
		q.fail()
		return 0
	}
	q.i = n
	return v
}

func (q *quick) bool() bool {
	q.want("true") // Marshal leaves false out
	return !q.failed
}

func (q *quick) spans() []spanDocument {
	if len(q.spare) == 0 {
		q.spare, q.values = make([]spanDocument, 24), make([]string, 24)
	}
	list, values := q.spare[:0:1], q.values[:1:1] // most fields have one span
	q.spare, q.values = q.spare[1:], q.values[1:]
	q.list(func() {
		var s spanDocument
		q.object(func(key string) {
			switch key {
			case "from":
				s.From = q.time()
			case "value":
				if !q.is("null") {
					s.Value = &values[0]
					if len(list) > 0 {
						s.Value = new(string)
					}
					*s.Value = q.string()
				}
			case "stated":
				s.Stated = q.time()
			case "write":
				s.Write = q.int()
			case "inferred":
				s.Inferred = q.bool()
			default:
				q.fail()
			}
		})
		list = append(list, s)
	})
	return list
}

func (q *quick) alias() Alias {
	var a Alias
	q.object(func(key string) {
		switch key {
		case "key":
			a.Key = q.string()
		case "kind":
			a.Kind = AliasKind(q.string())
		case "from":
			a.From = q.time()
		case "to":
			a.To = q.time()
		case "at":
			a.At = q.time()
		case "origin":
			a.Origin = fleet.Origin(q.string())
		default:
			q.fail()
		}
	})
	return a
}
