package cloudcli

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

// machine is what is said of one machine: what it is, and since when it is in
// its state.
type machine struct {
	fleet.Record
	// created is when it was made; zero when unknown.
	created time.Time
	// states in the order of time; a time is zero where it is unknown, which only
	// a single state can be.
	states []since
	// aliases say what kind of key Host is, and name others.
	aliases []fleet.Alias
	// group is the resource group.
	group string
	// tagsTold: Tags are all that the machine has.
	tagsTold bool
	// attached are its disks; nil where the output does not tell them.
	attached []attached
}

type since struct {
	state fleet.State
	at    time.Time
}

// statements are what the machine is, without a time, then its states.
func (m *machine) statements() []fleet.Statement {
	out := append(make([]fleet.Statement, 0, 1+len(m.states)), fleet.Statement{Record: m.Record, Aliases: m.aliases})
	for _, s := range m.states {
		out = append(out, fleet.Statement{Record: fleet.Record{Host: m.Host, State: s.state, From: s.at}})
	}
	return out
}

// listed is what is kept of the machine beside its statements, of which those
// from first on are its.
func (m *machine) listed(first int) Listed {
	out := Listed{Host: m.Host, Name: m.Name, Place: Place{m.Provider, m.Account, m.Region, m.Zone, m.group}, Created: m.created,
		Tags: m.Tags, TagsTold: m.tagsTold, statement: first, attached: m.attached}
	for _, a := range m.aliases {
		if a.Kind == fleet.AliasResource {
			out.Resource = a.Key
		}
	}
	if n := len(m.states); n > 0 {
		out.State = m.states[n-1].state
	}
	return out
}

// is sets the machine's state: the present one with its time, and the one before
// it with its. Times that contradict one another are left out.
func (m *machine) is(state fleet.State, at time.Time, before fleet.State, from time.Time) {
	switch {
	case state == "":
	case at.IsZero():
		m.states = []since{{state, at}}
	case !from.IsZero() && from.Before(at):
		m.states = []since{{before, from}, {state, at}}
	default:
		m.states = []since{{state, at}}
	}
}

// key adds a key of the machine, if the output tells it.
func (m *machine) key(kind fleet.AliasKind, key string) {
	if key != "" {
		m.aliases = append(m.aliases, fleet.Alias{Kind: kind, Key: key})
	}
}

// stamp is a time as the tools print it: RFC 3339, of AWS CLI 1 with
// milliseconds. null and "" are zero. What is wrong with it is kept until somebody
// asks who can say which field it is of.
type stamp struct {
	time.Time
	wrong string
}

// UnmarshalJSON reads a time.
func (s *stamp) UnmarshalJSON(data []byte) error {
	var text *string
	if err := json.Unmarshal(data, &text); err != nil {
		s.wrong = fmt.Sprintf("%.40s is no time", data)
		return nil
	}
	if text == nil || *text == "" {
		return nil
	}
	t, err := time.Parse(time.RFC3339Nano, *text)
	switch {
	case err != nil:
		s.wrong = fmt.Sprintf("%q is no time in RFC 3339", *text)
	case t.Year() < 1970 || t.Year() > 2260:
		s.wrong = fmt.Sprintf("%q is out of range", *text)
	default:
		s.Time = t.UTC()
	}
	return nil
}

// wrong is what is wrong with a field, nil where that is nothing.
func wrong(field, what string) error {
	if what == "" {
		return nil
	}
	return fmt.Errorf("%s: %s", field, what)
}

// size is a number of GiB as JSON writes 64 bits, in a text, or bare. null is unknown.
type size struct {
	gib   float64
	known bool
	wrong string
}

// UnmarshalJSON reads a size.
func (s *size) UnmarshalJSON(data []byte) error {
	text := strings.Trim(string(data), `"`)
	if text == "null" || text == "" {
		return nil
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || n < 0 || math.IsInf(n, 0) || math.IsNaN(n) {
		s.wrong = fmt.Sprintf("%.40s is no number of GiB", data)
		return nil
	}
	s.gib, s.known = n, true
	return nil
}

// last is the last part of a path or URL.
func last(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// between is the part of a path or URL that follows a name, whatever its case.
func between(path, name string) string {
	parts := strings.Split(path, "/")
	for i := range len(parts) - 1 {
		if strings.EqualFold(parts[i], name) {
			return parts[i+1]
		}
	}
	return ""
}

// tags leaves out tags without a key.
func tags(in map[string]string) fleet.Tags {
	out := fleet.Tags{}
	for k, v := range in {
		if k != "" {
			out[k] = v
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}
