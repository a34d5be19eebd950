package cloudcli

import (
	"slices"
	"strings"

	"github.com/leanfleet/leanfleet/fleet"
)

// Place is where a machine is; what nobody tells is empty.
type Place struct {
	Provider, Account, Region, Zone string
	// Group is the resource group, which only Azure has.
	Group string
}

// Level is how narrow a place is.
type Level string

// The levels.
const (
	Account Level = "account" // an account, subscription or project
	Region  Level = "region"  // of an account
	Zone    Level = "zone"    // of an account
	Group   Level = "group"   // a resource group of a subscription
)

// Levels lists the levels.
func Levels() []Level { return []Level{Account, Region, Zone, Group} }

// PlacesOf is where a host is that is known by keys: one place, but for a machine of
// Azure that was moved to another resource group, which keeps the keys of both.
func PlacesOf(r *fleet.Record, keys []fleet.Alias) []Place {
	p := Place{Provider: r.Provider, Account: r.Account, Region: r.Region, Zone: r.Zone}
	var out []Place
	for _, a := range keys {
		if a.Kind == fleet.AliasResource && r.Provider == "azure" {
			p.Group = strings.ToLower(between(a.Key, "resourceGroups"))
			if !slices.Contains(out, p) {
				out = append(out, p)
			}
		}
	}
	if len(out) == 0 {
		out = []Place{p}
	}
	return out
}

// IsResource says whether the key of a host is a resource id of Azure, as in a
// listing without vmId.
func IsResource(key string) bool { return strings.HasPrefix(key, "/subscriptions/") }

// SetOf is the scale set whose own list, not that of machines, names the machine
// of a resource id; "" is none.
func SetOf(resource string) string {
	const set = "/virtualmachinescalesets/"
	before, after, ok := strings.Cut(resource, set)
	name, _, of := strings.Cut(after, "/")
	if !ok || !of {
		return ""
	}
	return before + set + name
}

// Cut is the place of a level that holds p; false where p does not tell it.
func (p Place) Cut(to Level) (Place, bool) {
	out := p.cut(to)
	narrow := map[Level]string{Account: out.Account, Region: out.Region, Zone: out.Zone, Group: out.Group}[to]
	return out, out.Provider != "" && out.Account != "" && narrow != ""
}

func (p Place) cut(to Level) Place {
	out := Place{Provider: p.Provider, Account: p.Account}
	switch to {
	case Region:
		out.Region = p.Region
	case Zone:
		out.Region, out.Zone = p.Region, p.Zone
	case Group:
		out.Group = p.Group
	}
	return out
}

// String is a place as people write it: aws 123456789012 us-east-1.
func (p Place) String() string {
	parts := []string{p.Provider, p.Account}
	switch {
	case p.Zone != "":
		parts = append(parts, p.Zone)
	case p.Region != "":
		parts = append(parts, p.Region)
	}
	if p.Group != "" {
		parts = append(parts, "group", p.Group)
	}
	return strings.Join(parts, " ")
}
