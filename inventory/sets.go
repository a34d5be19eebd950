package inventory

import (
	"maps"
	"slices"

	"github.com/leanfleet/leanfleet/fleet"
)

// Sets are named sets of hosts, each the records that a selector matches. They
// may overlap, so no total may be formed over them.
type Sets map[string]fleet.Selector

// Of returns the names of the sets a record is in, in order.
func (s Sets) Of(r *fleet.Record) []string {
	var out []string
	for name, sel := range s {
		if sel.Matches(r) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// Names returns the names of all sets, in order.
func (s Sets) Names() []string { return slices.Sorted(maps.Keys(s)) }
