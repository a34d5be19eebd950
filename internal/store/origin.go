package store

import (
	"fmt"
	"strings"

	"github.com/leanfleet/leanfleet/fleet"
)

// originTable numbers origins, so that each value's origin is two bytes. Number 0
// stands for no value.
type originTable struct {
	limit int
	list  []fleet.Origin // list[i] has number i+1
	rank  []uint8        // by number; rank[0] is 0, origins rank from 1
	num   map[fleet.Origin]uint16
	// parsed and joined remember the texts of sealed files.
	parsed map[string]rowOrigin
	joined map[string]string
	key    []byte
}

// rowOrigin is the origin text of a row, parsed: a default and what differs.
type rowOrigin struct {
	common uint16
	other  map[string]uint16 // by metric name
}

func newOriginTable(limit int) *originTable {
	return &originTable{
		limit: limit, rank: []uint8{0}, num: map[fleet.Origin]uint16{},
		parsed: map[string]rowOrigin{}, joined: map[string]string{},
	}
}

// much says whether the table remembers so much that a new one had better begin.
func (t *originTable) much() bool {
	return len(t.list) > 200 || len(t.parsed)+len(t.joined) > 10_000
}

// number returns the number of an origin.
func (t *originTable) number(o fleet.Origin) (uint16, error) {
	if n, ok := t.num[o]; ok {
		return n, nil
	}
	if len(t.list) == t.limit {
		return 0, fmt.Errorf("more than %d origins, the last being %q", t.limit, o)
	}
	t.list = append(t.list, o)
	n := uint16(len(t.list))
	t.num[o] = n
	t.rank = append(t.rank, uint8(o.Rank()+1))
	return n, nil
}

// checkOrigin says whether an origin can be written into an origin text.
func checkOrigin(o fleet.Origin) error {
	if len(o) > 64 || strings.Trim(string(o), "abcdefghijklmnopqrstuvwxyz0123456789_-") != "" {
		return fmt.Errorf("origin %q: an origin has lower-case letters, digits, - and _", o)
	}
	return nil
}

// parse reads an origin text, "agent" or "agent;memory_usage=cloud".
func (t *originTable) parse(text string) (rowOrigin, error) {
	if r, ok := t.parsed[text]; ok {
		return r, nil
	}
	common, rest, more := strings.Cut(text, ";")
	var r rowOrigin
	var err error
	if r.common, err = t.number(fleet.Origin(common)); err != nil {
		return r, err
	}
	for more {
		var part string
		part, rest, more = strings.Cut(rest, ";")
		metric, origin, ok := strings.Cut(part, "=")
		if !ok {
			return r, fmt.Errorf("origin %q is not of the form agent;memory_usage=cloud", text)
		}
		n, err := t.number(fleet.Origin(origin))
		if err != nil {
			return r, err
		}
		if r.other == nil {
			r.other = map[string]uint16{}
		}
		r.other[metric] = n
	}
	t.parsed[text] = r
	return r, nil
}

// originsOf are the origins of an origin text.
func originsOf(text string) (out []fleet.Origin) {
	for i, part := range strings.Split(text, ";") {
		if i > 0 {
			_, part, _ = strings.Cut(part, "=")
		}
		out = append(out, fleet.Origin(part))
	}
	return out
}

// join writes the origin text of a row. numbers has the origin of each metric, 0
// where the row has no value. The highest-ranked origin is the row's own.
func (t *originTable) join(numbers []uint16, metrics []fleet.Metric) string {
	t.key = t.key[:0]
	for _, n := range numbers {
		t.key = append(t.key, byte(n), byte(n>>8))
	}
	if text, ok := t.joined[string(t.key)]; ok {
		return text
	}
	var common uint16
	for _, n := range numbers {
		if n != 0 && (common == 0 || t.higher(n, common)) {
			common = n
		}
	}
	if common == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString(string(t.list[common-1]))
	for i, n := range numbers {
		if n != 0 && n != common {
			fmt.Fprintf(&b, ";%s=%s", metrics[i].Name, t.list[n-1])
		}
	}
	t.joined[string(t.key)] = b.String()
	return b.String()
}

// higher orders two origins by rank, those of equal rank by name.
func (t *originTable) higher(a, b uint16) bool {
	if t.rank[a] != t.rank[b] {
		return t.rank[a] > t.rank[b]
	}
	return t.list[a-1] < t.list[b-1]
}
