package fleet

import (
	"fmt"
	"maps"
	"slices"
)

// Selector reads a selector as ParseSelector does; set=NAME and set!=NAME mean
// the configured set of that name. An error is a *RequestError.
func (e Environment) Selector(s string) (Selector, error) {
	sel, err := ParseSelector(s)
	if err != nil {
		return sel, BadRequest(err)
	}
	sel, err = sel.In(e.Sets)
	return sel, BadRequest(err)
}

// In returns the selector in which set=NAME stands for the selector of that
// name, and set!=NAME for hosts that it does not match. A set that is not there,
// and another operator, is an error. Without sets "set" is a tag like any other;
// tag:set always is.
func (s Selector) In(sets map[string]Selector) (Selector, error) {
	if len(sets) == 0 || !slices.Contains(s.Keys(), SetKey) {
		return s, nil
	}
	out := Selector{terms: slices.Clone(s.terms), text: s.text}
	for i := range out.terms {
		t := &out.terms[i]
		if t.key != SetKey {
			continue
		}
		if t.op != "=" && t.op != "!=" {
			return s, fmt.Errorf("selector %q: a set is named by set=NAME or set!=NAME; the tag is tag:set", s.text)
		}
		set, ok := sets[t.value]
		if !ok {
			names := slices.Sorted(maps.Keys(sets))
			return s, fmt.Errorf("selector %q: no set %q in the configuration (the tag is tag:set)%s", s.text, t.value, DidYouMean(t.value, names))
		}
		t.set = &set
	}
	return out, nil
}
