package fleet

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Scope is the part of a request that all questions share: which hosts, which
// time. The zero Scope is every host and the question's default range up to
// now.
type Scope struct {
	// Range is a time range as ParseWindow reads it.
	Range string `json:"range,omitempty"`
	// AsOf is the end of relative ranges; zero is now.
	AsOf time.Time `json:"as_of,omitzero"`
	// Timezone is the IANA name of the zone whose calendar is used; "" is the
	// configured one, else UTC.
	Timezone string `json:"timezone,omitempty"`
	// Select is a selector as ParseSelector reads it.
	Select string `json:"select,omitempty"`
	// Hours are weekly hours as ParseHours reads them, or the name of hours in
	// the configuration; "" is all time.
	Hours string `json:"hours,omitempty"`
	// Partial asks for an answer from what can be read where files are damaged;
	// the answer lists them. Otherwise a damaged file is an error.
	Partial bool `json:"partial,omitempty"`
}

// Environment is what a question runs in: where data comes from, the time, and
// what the configuration says.
type Environment struct {
	Source  Source
	Metrics Metrics
	Now     time.Time
	// Zone finds a time zone by its IANA name.
	Zone func(name string) (*time.Location, error)
	// Timezone is the configured default zone.
	Timezone string
	// Sets are the configured named host sets.
	Sets map[string]Selector
	// Hours are the configured named hours; without a Location of their own they
	// are read in the question's.
	Hours map[string]Calendar
	// Blackouts are windows that no question looks at.
	Blackouts []Window
}

// RequestError says that a request cannot be understood: a range, a selector, a
// metric, a zone. The message of Err stands for itself.
type RequestError struct{ Err error }

// Error is the message of Err.
func (e *RequestError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *RequestError) Unwrap() error { return e.Err }

// BadRequest wraps an error about a request; nil stays nil.
func BadRequest(err error) error {
	if err == nil {
		return nil
	}
	return &RequestError{err}
}

// Question is a resolved Scope.
type Question struct {
	Hosts    Selector
	Window   Window
	Location *time.Location
	Within   Calendar
	AsOf     time.Time
}

// Resolve turns a scope into a question. The default range is used where the
// scope has none. An error is a *RequestError.
func (e Environment) Resolve(s Scope, defaultRange string) (Question, error) {
	q, err := e.resolve(s, defaultRange)
	return q, BadRequest(err)
}

func (e Environment) resolve(s Scope, defaultRange string) (Question, error) {
	q := Question{AsOf: s.AsOf}
	if q.AsOf.IsZero() {
		q.AsOf = e.Now
	}
	name := s.Timezone
	if name == "" {
		name = e.Timezone
	}
	var err error
	if q.Location, err = e.zone(name); err != nil {
		return q, err
	}
	if s.Range == "" {
		s.Range = defaultRange
	}
	if q.Window, err = ParseWindow(s.Range, q.AsOf, q.Location); err != nil {
		return q, err
	}
	if q.Hosts, err = e.Selector(s.Select); err != nil {
		return q, err
	}
	q.Within, err = e.calendar(s.Hours, q.Location)
	return q, err
}

func (e Environment) zone(name string) (*time.Location, error) {
	if name == "" || name == "UTC" {
		return time.UTC, nil
	}
	if e.Zone == nil {
		return nil, fmt.Errorf("time zone %q: no zone data is at hand", name)
	}
	return e.Zone(name)
}

func (e Environment) calendar(hours string, loc *time.Location) (Calendar, error) {
	c := Calendar{Location: loc}
	if hours != "" {
		named, ok := e.Hours[hours]
		switch {
		case ok:
			c = named
			if c.Location == nil {
				c.Location = loc
			}
		case strings.Contains(hours, " "):
			list, err := ParseHours(hours)
			if err != nil {
				return c, err
			}
			c.Hours = list
		default:
			known := slices.Sorted(maps.Keys(e.Hours))
			return c, fmt.Errorf("hours %q: no such hours in the configuration%s; or write them out, such as \"mon-fri 09:00-17:00\"", hours, DidYouMean(hours, known))
		}
	}
	c.Exclude = append(slices.Clone(c.Exclude), e.Blackouts...)
	return c, nil
}

// Damage is a file an answer had to do without.
type Damage struct {
	File   string `json:"file"`
	Day    string `json:"day"`
	Reason string `json:"reason"`
}

// Tolerate decides about an error of a Source's answer: with partial, a damaged
// file is added to the list and nil is returned; any other error comes back.
func Tolerate(err error, partial bool, list *[]Damage) error {
	var d *DamagedError
	if !errors.As(err, &d) {
		return err
	}
	if !partial {
		return fmt.Errorf("%w; leave %s out of the range, restore the file, or ask for what is left with --partial", err, d.Day)
	}
	for _, have := range *list {
		if have.File == d.File {
			return nil
		}
	}
	*list = append(*list, Damage{File: d.File, Day: d.Day, Reason: d.Err.Error()})
	return nil
}

// GroupKey is the values a group of hosts shares, in the order asked for. A nil
// value is unknown.
type GroupKey []GroupValue

// GroupValue is one key of a [GroupKey].
type GroupValue struct {
	Key   string
	Value *string
}

// SetKey is the group-by key of the configured named sets.
const SetKey = "set"

// GroupsOf returns the groups a record belongs to: one, or with the key "set"
// one for each set it is in.
func GroupsOf(r *Record, by []string, sets map[string]Selector) []GroupKey {
	groups := []GroupKey{make(GroupKey, 0, len(by))}
	for _, key := range by {
		if key == SetKey {
			groups = timesSets(groups, r, sets)
			continue
		}
		v := GroupValue{Key: key}
		if s, ok := r.Field(key); ok {
			v.Value = &s
		}
		for i := range groups {
			groups[i] = append(groups[i], v)
		}
	}
	return groups
}

func timesSets(groups []GroupKey, r *Record, sets map[string]Selector) []GroupKey {
	var names []*string
	for _, name := range slices.Sorted(maps.Keys(sets)) {
		if sel := sets[name]; sel.Matches(r) {
			names = append(names, &name)
		}
	}
	if len(names) == 0 {
		names = []*string{nil}
	}
	var out []GroupKey
	for _, g := range groups {
		for _, name := range names {
			out = append(out, append(slices.Clone(g), GroupValue{SetKey, name}))
		}
	}
	return out
}

// CheckGroupBy refuses duplicate keys and, without configured sets, "set".
func CheckGroupBy(by []string, sets map[string]Selector) error {
	seen := map[string]bool{}
	for _, key := range by {
		switch {
		case key == "" || key == "tag:":
			return fmt.Errorf("group by: an empty key")
		case seen[key]:
			return fmt.Errorf("group by: %s stands twice", key)
		case key == SetKey && len(sets) == 0:
			return fmt.Errorf("group by set: the configuration names no sets")
		}
		seen[key] = true
	}
	return nil
}

// Compare orders group keys by value, unknown last.
func (k GroupKey) Compare(o GroupKey) int {
	for i := range min(len(k), len(o)) {
		a, b := k[i].Value, o[i].Value
		switch {
		case a == nil && b == nil:
		case a == nil:
			return 1
		case b == nil:
			return -1
		default:
			if c := strings.Compare(*a, *b); c != 0 {
				return c
			}
		}
	}
	return len(k) - len(o)
}

// ID is a string that no other key with the same names has.
func (k GroupKey) ID() string {
	var b strings.Builder
	for _, v := range k {
		if v.Value == nil {
			b.WriteString("?;")
			continue
		}
		fmt.Fprintf(&b, "%d:%s;", len(*v.Value), *v.Value)
	}
	return b.String()
}

// String is dept=eng,env=prod; unknown values print as -.
func (k GroupKey) String() string {
	parts := make([]string, len(k))
	for i, v := range k {
		parts[i] = v.Key + "=-"
		if v.Value != nil {
			parts[i] = v.Key + "=" + *v.Value
		}
	}
	return strings.Join(parts, ",")
}
