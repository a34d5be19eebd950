package inventory

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

// bearing is the hosts that a name was ever stated of, those merged away too.
type bearing struct {
	owner *owner
	hosts []fleet.HostID
}

// bear notes that a name was stated of a host.
func (b *Book) bear(name string, id fleet.HostID) {
	o := b.owner.Load()
	m := own(&b.names, name, o)
	x := m[name]
	switch {
	case x == nil:
		x = &bearing{owner: o}
	case x.owner != o:
		x = &bearing{o, slices.Clone(x.hosts)}
	}
	x.hosts = append(x.hosts, id)
	m[name] = x
}

// bore says whether a name was ever stated of a host.
func (h *host) bore(name string) bool {
	return slices.ContainsFunc(h.line("name"), func(s span) bool { return s.known && s.value == name })
}

// called says whether a host is called by a name as far as is known: the name was
// stated last, and did not pass to another since, or is all that it is known by.
func (h *host) called(name string) bool {
	if l := h.line("name"); len(l) > 0 && l[len(l)-1].known {
		return l[len(l)-1].value == name && !h.yielded(name)
	}
	return !h.keyed && slices.ContainsFunc(h.aliases, func(a Alias) bool {
		return a.Key == name && a.Kind == AliasName && a.To.IsZero()
	})
}

// yielded says whether a host's name passed to another without a conflict.
func (h *host) yielded(name string) bool {
	had := false
	for _, a := range h.aliases {
		if a.Key == name && a.To.IsZero() {
			return false
		}
		had = had || a.Key == name
	}
	return had && !slices.ContainsFunc(h.conflicts, func(c conflict) bool { return c.Kind == conflictName && c.Key == name })
}

// stateless says whether nobody stated whether a host runs.
func (h *host) stateless() bool {
	l := h.line("state")
	return len(l) == 0 || !l[len(l)-1].known || l[len(l)-1].inferred
}

// lives says whether nobody said that a host is gone.
func (h *host) lives() bool {
	gone, _ := h.gone()
	return !gone
}

// gone says whether a host is terminated, or valid no more, and since when.
func (h *host) gone() (bool, time.Time) {
	l := h.line("state")
	if n := len(l); n > 0 && l[n-1].value == string(fleet.StateTerminated) && l[n-1].known {
		return true, l[n-1].from
	}
	end := h.validity().End
	return !end.IsZero(), end
}

// terminatedAt says whether a host was stated to be terminated at a time.
func (h *host) terminatedAt(t time.Time) bool {
	l := h.line("state").whole()
	s := l[l.at(t)]
	return s.known && s.value == string(fleet.StateTerminated)
}

// bearers are the hosts that live and are called by a name, in order, up to as
// many as are enough; 0 is all.
func (b *Book) bearers(name string, enough int) []fleet.HostID {
	var stated []fleet.HostID
	if x, ok := look(&b.names, name); ok {
		stated = x.hosts
	}
	claims := b.claims(name)
	out := map[fleet.HostID]struct{}{}
	add := func(id fleet.HostID) bool {
		id = b.canonical(id)
		if h := b.get(id); h != nil && h.called(name) && h.lives() {
			out[id] = struct{}{}
		}
		return enough == 0 || len(out) < enough
	}
	for _, id := range stated {
		if !add(id) {
			return slices.Sorted(maps.Keys(out))
		}
	}
	for _, c := range claims {
		if !add(c.host) {
			break
		}
	}
	return slices.Sorted(maps.Keys(out))
}

// shared says whether more than one host that lives is called by a name.
func (b *Book) shared(name string) bool {
	return b.known(name) > 1 && len(b.bearers(name, 2)) == 2
}

// known is how many hosts a name was stated of, or finds: none, one, or more.
func (b *Book) known(name string) int {
	var first fleet.HostID
	if x, ok := look(&b.names, name); ok {
		if len(x.hosts) > 1 {
			return len(x.hosts)
		}
		first = x.hosts[0]
	}
	for _, c := range b.claims(name) {
		switch {
		case first == "":
			first = c.host
		case first != c.host:
			return 2
		}
	}
	if first == "" {
		return 0
	}
	return 1
}

// sharedSince is from when a shared name means nobody: the second of its bearers
// is called by it since then.
func (b *Book) sharedSince(name string) (time.Time, bool) {
	var since []time.Time
	for _, id := range b.bearers(name, 0) {
		for _, c := range b.get(id).conflicts {
			if c.Kind == conflictName && c.Key == name {
				since = append(since, c.Since)
			}
		}
	}
	if len(since) < 2 {
		return time.Time{}, false
	}
	slices.SortFunc(since, time.Time.Compare)
	return since[1], true
}

// contested says whether a name meant several hosts at a time.
func (b *Book) contested(name string, at time.Time) bool {
	if !b.shared(name) {
		return false
	}
	since, ok := b.sharedSince(name)
	return ok && !at.Before(since)
}

// apart is the host that a shared name finds nevertheless: what is known by
// nothing but that name, or the host it was merged into.
func (b *Book) apart(name string) (fleet.HostID, bool) {
	var found fleet.HostID
	for _, c := range b.claims(name) {
		if b.get(c.host).keyed || !b.get(b.canonical(c.host)).lives() || found != "" && found < c.host {
			continue
		}
		found = c.host
	}
	return b.canonical(found), found != ""
}

// freshConflict is a conflict that a write under way brought.
type freshConflict struct {
	host      fleet.HostID
	kind, key string
}

// holdsApart says whether what a key finds at a time is known by nothing else, and
// lives.
func (b *Book) holdsApart(key string, at time.Time) bool {
	return slices.ContainsFunc(b.claims(key), func(c claim) bool {
		return c.window().Contains(at) && !b.get(c.host).keyed && b.get(b.canonical(c.host)).lives()
	})
}

// meant is the host that had a key at a time. Of a name that several hosts share
// it is the one that is known by nothing else.
func (b *Book) meant(key string, at time.Time) (fleet.HostID, bool) {
	id, ok := b.holder(key, at)
	if ok && (b.natural(key, at) || b.holdsApart(key, at)) || !b.contested(key, at) {
		return id, ok
	}
	return b.apart(key)
}

// Parts of the reasons of conflicts about names, by which [Group] tells them.
const (
	sharedNames  = "is the name of several hosts"
	whichOfThem  = "which may be any of them: merge it with the one it is"
	sayWhich     = "several hosts have that name; say which one by an id"
	findsNone    = ", so it finds none of them"
	findsOneOnly = "; it finds %s alone, by a merge"
)

// sharedReason is the reason of the conflict about a shared name. It does not tell
// the hosts, as groups grow and shrink.
func (b *Book) sharedReason(name string) string {
	s := fmt.Sprintf("%q %s", name, sharedNames)
	switch id, ok := b.apart(name); {
	case !ok:
		return s + findsNone
	case b.get(id).keyed:
		return s + fmt.Sprintf(findsOneOnly, id)
	case len(b.bearers(name, 3)) == 2:
		return fmt.Sprintf("%q is all that is known of host %s, and the name of another; merge them if they are one", name, id)
	default:
		return s + fmt.Sprintf(", and all that is known of host %s, %s", id, whichOfThem)
	}
}

// contend lists the names that more than one host has by now.
func (w *writing) contend() {
	for _, name := range slices.Sorted(maps.Keys(w.names)) {
		if !w.book.shared(name) {
			continue
		}
		list := w.book.bearers(name, 0)
		reason := w.book.sharedReason(name)
		for _, id := range list {
			at, stated := w.names[name][id]
			h := w.book.get(id)
			i := slices.IndexFunc(h.conflicts, func(c conflict) bool { return c.Kind == conflictName && c.Key == name })
			if stated || i < 0 || h.conflicts[i].Reason != reason {
				w.tell(id, reason)
			}
			switch {
			case i < 0:
				if !stated {
					at = w.at()
				}
				w.keepConflict(id, conflict{Kind: conflictName, Key: name, Reason: reason, Since: h.firstCalled(name, at)})
			case h.conflicts[i].Reason != reason:
				c := h.conflicts[i]
				c.Reason = reason
				w.keepConflict(id, c)
			}
		}
	}
}

// at is when a write holds that says no more.
func (w *writing) at() time.Time {
	if !w.put.Effective.IsZero() {
		return clean(w.put.Effective)
	}
	return clean(w.put.At)
}

// firstCalled is from when a name finds a host, or a time where it does not.
func (h *host) firstCalled(name string, otherwise time.Time) time.Time {
	first := otherwise
	for _, a := range h.aliases {
		if a.Key == name && a.Kind == AliasName && a.From.Before(first) {
			first = a.From
		}
	}
	return first
}

// setApart gives a host that nobody knew a shared name: what comes under it is
// kept apart from the hosts that have it.
func (w *writing) setApart(id fleet.HostID, name string, kind AliasKind) {
	since, _ := w.book.sharedSince(name)
	for _, c := range slices.Clone(w.book.claims(name)) {
		if c.host != id {
			w.release(c.host, name, since)
		}
	}
	w.alias(id, name, kind, fleet.Window{Start: since})
	w.names[name] = map[fleet.HostID]time.Time{}
	w.contend()
}

// release ends a host's name from a time on, as if it had never had it since.
func (w *writing) release(id fleet.HostID, name string, from time.Time) {
	h := w.book.write(id)
	list := h.aliases[:0:0]
	for _, a := range h.aliases {
		if a.Key == name && !isNatural(a.Kind) && startsBefore(from, a.To) {
			if !a.From.Before(from) {
				continue
			}
			a.To = from
		}
		list = append(list, a)
	}
	h.aliases = list
	w.book.index(h, name)
}

// settleAll forgets the conflicts about names and keys whose cause is gone, and
// says so in the history of their hosts. A name that one host has left finds it.
func (w *writing) settleAll() {
	for settled := true; settled; {
		settled = false
		type open struct {
			id fleet.HostID
			conflict
		}
		var over []open
		shared := map[string]bool{}
		for h := range w.book.all {
			for _, c := range h.conflicts {
				if c.Kind != conflictRows && !w.book.stands(h, &c, shared) {
					over = append(over, open{h.id, c})
				}
			}
		}
		if slices.ContainsFunc(over, func(x open) bool { return x.Kind == conflictName }) {
			// A name that finds a host again may be what another key contradicts.
			over = slices.DeleteFunc(over, func(x open) bool { return x.Kind != conflictName })
		}
		slices.SortFunc(over, func(a, b open) int {
			return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Key, b.Key))
		})
		w.origin = w.put.Origin
		for _, x := range over {
			settled = true
			w.settle(x.id, x.Kind, x.Key)
			if _, fresh := w.fresh[freshConflict{x.id, x.Kind, x.Key}]; fresh {
				w.result.Conflicts = slices.DeleteFunc(w.result.Conflicts, func(c fleet.Conflict) bool { return c.Host == x.id && c.Reason == x.Reason })
				continue
			}
			w.note(w.book.write(x.id), Change{Field: "conflict", Kind: Settled, From: x.Reason})
		}
		for _, x := range over {
			if h := w.book.get(x.id); x.Kind == conflictName && h.into == "" && h.called(x.Key) && h.lives() {
				w.inherit(x.id, x.Key, x.Since)
			}
		}
	}
}

// inherit gives the one host that is left with a name the alias, from when the
// others gave it up.
func (w *writing) inherit(id fleet.HostID, name string, from time.Time) {
	var others []claim
	for _, c := range w.book.claims(name) {
		other := w.book.canonical(c.host)
		if other == id {
			if c.to.IsZero() {
				return
			}
			continue
		}
		to := c.to
		if to.IsZero() {
			gone, since := w.book.get(other).gone()
			if c.natural || !gone || !w.book.get(c.host).keyed {
				return // what goes by a name only keeps it: files may name it
			}
			to = since
		}
		from = latest(from, to)
		others = append(others, c)
	}
	for _, c := range others {
		w.release(c.host, name, from)
	}
	w.alias(id, name, AliasName, fleet.Window{Start: from})
	w.note(w.book.write(id), Change{Field: "alias", Kind: Named, To: name, Effective: from})
}

// Contradiction is conflicts of one reason.
type Contradiction struct {
	// Ambiguous says that hosts merely share a name, each with a key of its own, as
	// the members of a scaling group often do: nothing was left out.
	Ambiguous bool `json:"ambiguous"`
	// Hosts are those it is about, in order.
	Hosts []fleet.HostID `json:"hosts"`
	// Reason is a sentence about what contradicts what.
	Reason string `json:"reason"`
}

// Group puts conflicts of one reason together: contradictions first, then the
// names that hosts merely share, each in the order of their first hosts.
func Group(list []fleet.Conflict) []Contradiction {
	at := map[string]int{}
	out := []Contradiction{}
	for _, c := range list {
		i, ok := at[c.Reason]
		if !ok {
			i = len(out)
			at[c.Reason] = i
			out = append(out, Contradiction{Reason: c.Reason,
				Ambiguous: strings.Contains(c.Reason, "\" "+sharedNames) && !strings.HasSuffix(c.Reason, whichOfThem)})
		}
		out[i].Hosts = append(out[i].Hosts, c.Host)
	}
	for i := range out {
		slices.Sort(out[i].Hosts)
	}
	slices.SortStableFunc(out, func(a, b Contradiction) int {
		switch {
		case a.Ambiguous == b.Ambiguous:
			return 0
		case b.Ambiguous:
			return -1
		}
		return 1
	})
	return out
}
