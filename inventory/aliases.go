package inventory

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

// isNatural says whether keys of a kind belong to one host at all times.
func isNatural(kind AliasKind) bool {
	return kind == AliasKey || kind == fleet.AliasInstance || kind == fleet.AliasMachine
}

// isAliasKind says whether keys of a kind can be stated.
func isAliasKind(kind AliasKind) bool {
	return slices.Contains([]AliasKind{fleet.AliasInstance, fleet.AliasMachine, fleet.AliasResource, fleet.AliasHostName}, kind)
}

// checkAliases says what is wrong with the aliases of a statement.
func checkAliases(list []fleet.Alias) error {
	for _, a := range list {
		if !isAliasKind(a.Kind) {
			return fmt.Errorf("alias %q: unknown kind %q: use %s, %s, %s or %s", a.Key, a.Kind,
				fleet.AliasInstance, fleet.AliasMachine, fleet.AliasResource, fleet.AliasHostName)
		}
		if a.Key == "" {
			return fmt.Errorf("alias of kind %s: the key is empty", a.Kind)
		}
	}
	return nil
}

// statedKey is a key that a row states of its host.
type statedKey struct {
	fleet.Alias
	host   fleet.HostID
	at     time.Time
	from   time.Time
	gone   bool // the host is terminated: it gives way
	origin fleet.Origin
}

// aliases gives hosts the keys that rows state beside their names, in the order
// of time.
func (w *writing) aliases(rows []*row) {
	byKey := map[string][]statedKey{}
	for _, r := range rows {
		for _, a := range r.Aliases {
			if !isNatural(a.Kind) && r.from.IsZero() && !startsBefore(r.at, r.to) {
				continue // of what was, since nobody knows when
			}
			byKey[a.Key] = append(byKey[a.Key], statedKey{a, w.book.canonical(r.host), r.at, r.from, r.gone, r.origin})
		}
	}
	if len(byKey) == 0 {
		return
	}
	called, named := map[string][]fleet.HostID{}, map[string][]fleet.HostID{} // by the keys and names that rows go by
	for _, r := range rows {
		for _, key := range []string{string(r.Host), r.Name} {
			if byKey[key] != nil {
				called[key] = append(called[key], w.book.canonical(r.host))
			}
		}
		if byKey[r.Name] != nil {
			named[r.Name] = append(named[r.Name], w.book.canonical(r.host))
		}
	}
	keys := make([]string, 0, len(byKey))
	for key := range byKey {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		list := byKey[key]
		slices.SortFunc(list, func(a, b statedKey) int {
			return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.host, b.host), a.from.Compare(b.from), cmp.Compare(a.origin, b.origin))
		})
		for i := range list {
			if !isNatural(list[i].Kind) && slices.Contains(named[key], list[i].host) {
				continue // it is its name, too
			}
			w.alsoKnown(&list[i], rivals(list, &list[i], called[key]))
		}
	}
}

// rivals are the hosts of which a key is stated that only one can have, or whose
// rows go by it: its own and others; nil where it is the only one.
func rivals(list []statedKey, s *statedKey, called []fleet.HostID) []string {
	var hosts []string
	for _, id := range called {
		if !slices.Contains(hosts, string(id)) {
			hosts = append(hosts, string(id))
		}
	}
	for i := range list {
		x := &list[i]
		rival := x.host == s.host || !x.gone && (isNatural(x.Kind) || isNatural(s.Kind) || x.at.Equal(s.at))
		if rival && !slices.Contains(hosts, string(x.host)) {
			hosts = append(hosts, string(x.host))
		}
	}
	if len(hosts) < 2 {
		return nil
	}
	slices.Sort(hosts)
	return hosts
}

// alsoKnown gives a host a key, where no other host has it. One that is not
// natural is taken over from the host that had it, unless this one lost it to
// that one before.
func (w *writing) alsoKnown(s *statedKey, rivals []string) {
	w.origin = s.origin
	other, held := w.book.holder(s.Key, s.at)
	reason := ""
	switch {
	case held && other == s.host:
		if rivals == nil {
			w.rekind(s)
		}
	case held && s.gone:
		return
	case rivals != nil:
		reason = fmt.Sprintf("%s %q is stated of %s at the same time; merge them if they are one", kindName(s.Kind), s.Key, list3(rivals))
	case held && (isNatural(s.Kind) || w.book.natural(s.Key, s.at) || string(other) == s.Key || w.lost(s)):
		reason = fmt.Sprintf("%s %q belongs to host %s; merge them if they are one", kindName(s.Kind), s.Key, other)
	default:
		valid := fleet.Window{}
		if !isNatural(s.Kind) {
			valid.Start = s.from
		}
		if reason = w.claim(s.host, s.Key, s.Kind, valid, s.at); reason != "" {
			break
		}
		h := w.book.write(s.host)
		if s.Kind == fleet.AliasInstance && !h.keyed {
			h = w.book.changed(s.host)
			h.keyed = true
		}
		c := Change{Field: "alias", Kind: Named, To: s.Key}
		for _, a := range h.aliases {
			if a.Key == s.Key && a.Kind == s.Kind && a.contains(s.at) {
				c.Effective, c.Until = a.From, a.To
			}
		}
		w.note(h, c)
	}
	if reason != "" {
		w.conflict(s.host, conflict{Kind: conflictAlias, Key: s.Key, Reason: reason})
		return
	}
	w.settle(s.host, conflictAlias, s.Key)
}

// kindName is a kind as people read it.
func kindName(kind AliasKind) string { return strings.ReplaceAll(string(kind), "_", " ") }

func (a *Alias) contains(t time.Time) bool {
	w := a.Window()
	return w.Contains(t)
}

// lost says whether a host had a key before it passed to another.
func (w *writing) lost(s *statedKey) bool {
	return slices.ContainsFunc(w.book.claims(s.Key), func(c claim) bool {
		return w.book.canonical(c.host) == s.host && !c.to.IsZero() && !c.to.After(s.at)
	})
}

// rekind keeps what kind of key one of a host is, where nobody said it yet; what
// was stated as its name stays one.
func (w *writing) rekind(s *statedKey) {
	if !isNatural(s.Kind) {
		return
	}
	for _, id := range w.book.Members(s.host) {
		fits := func(a Alias) bool {
			return a.Key == s.Key && a.To.IsZero() && (a.Kind == AliasKey || a.Kind == AliasName && a.Key == string(id)) && a.contains(s.at)
		}
		if !slices.ContainsFunc(w.book.get(id).aliases, fits) {
			continue
		}
		h := w.book.write(id)
		h.aliases = slices.Clone(h.aliases)
		for i := range h.aliases {
			if fits(h.aliases[i]) {
				h.aliases[i].Kind = s.Kind
			}
		}
		w.book.index(h, s.Key)
	}
}

// ownKind is what rows of one key say of its kind: a natural one unless they say
// otherwise.
func ownKind(of []*row) AliasKind {
	for _, kind := range []AliasKind{fleet.AliasInstance, fleet.AliasMachine, fleet.AliasHostName, fleet.AliasResource} {
		for _, r := range of {
			if !slices.Contains(r.Aliases, fleet.Alias{Kind: kind, Key: string(r.Host)}) {
				continue
			}
			if isNatural(kind) {
				return kind
			}
			return AliasName
		}
	}
	return AliasKey
}

// byAlias is the host that the natural keys mean which rows of a key nobody knows
// state beside it, if every natural key of that host is among them, and no other
// row of the put is about it or one of the keys.
func (w *writing) byAlias(of []*row, rows []*row) (fleet.HostID, bool) {
	at := of[0].at
	stated := map[string]bool{string(of[0].Host): true}
	var found []fleet.HostID
	for _, r := range of {
		for _, a := range r.Aliases {
			if !isNatural(a.Kind) {
				continue
			}
			stated[a.Key] = true
			if id, ok := w.book.holder(a.Key, at); ok && !slices.Contains(found, id) {
				found = append(found, id)
			}
		}
	}
	if len(found) != 1 {
		return "", false
	}
	for _, r := range rows {
		if r.Host == of[0].Host {
			continue
		}
		if r.host == found[0] || stated[string(r.Host)] || slices.ContainsFunc(r.Aliases, func(a fleet.Alias) bool { return isNatural(a.Kind) && stated[a.Key] }) {
			return "", false
		}
	}
	for _, id := range w.book.Members(found[0]) {
		for _, a := range w.book.get(id).aliases {
			if isNatural(a.Kind) && !stated[a.Key] {
				return "", false
			}
		}
	}
	return found[0], true
}

// otherMachine says whether rows state a machine id, and a host has another.
func (w *writing) otherMachine(of []*row, host fleet.HostID) bool {
	var stated []string
	for _, r := range of {
		for _, a := range r.Aliases {
			if a.Kind == fleet.AliasMachine {
				stated = append(stated, a.Key)
			}
		}
	}
	known := false
	for _, id := range w.book.Members(host) {
		for _, a := range w.book.get(id).aliases {
			if a.Kind == fleet.AliasMachine {
				if slices.Contains(stated, a.Key) {
					return false
				}
				known = true
			}
		}
	}
	return known && len(stated) > 0
}
