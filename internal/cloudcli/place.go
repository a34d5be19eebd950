package cloudcli

import (
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

// PlaceOf is where a host is that is known by keys.
func PlaceOf(r *fleet.Record, keys []fleet.Alias) Place {
	p := Place{Provider: r.Provider, Account: r.Account, Region: r.Region, Zone: r.Zone}
	for _, a := range keys {
		if a.Kind == fleet.AliasResource && r.Provider == "azure" {
			p.Group = strings.ToLower(between(a.Key, "resourceGroups"))
		}
	}
	return p
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
