package inventory

import (
	"cmp"
	"slices"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

// Kinds of conflicts.
const (
	conflictRows  = "rows"  // statements about a field contradict each other
	conflictName  = "name"  // another host has the name
	conflictAlias = "alias" // or the key
)

// conflict is a contradiction that waits for somebody to settle it.
type conflict struct {
	Kind   string    `json:"kind"`
	Key    string    `json:"key"` // the column or the name
	Reason string    `json:"reason"`
	At     time.Time `json:"at,omitzero"` // of the write that brought it
	// Since is from when a host has a name that others have, too.
	Since time.Time `json:"since,omitzero"`
}

// tell reports a contradiction.
func (w *writing) tell(id fleet.HostID, reason string) {
	r := fleet.Conflict{Host: id, Reason: reason}
	if _, told := w.told[r]; !told {
		w.told[r] = struct{}{}
		w.result.Conflicts = append(w.result.Conflicts, r)
	}
}

// conflict reports a contradiction, and keeps it until it is settled.
func (w *writing) conflict(id fleet.HostID, c conflict) {
	w.tell(id, c.Reason)
	w.keepConflict(id, c)
}

// keepConflict keeps a contradiction until it is settled.
func (w *writing) keepConflict(id fleet.HostID, c conflict) {
	c.At = clean(w.put.At)
	same := func(x conflict) bool { return x.Kind == c.Kind && x.Key == c.Key }
	i := slices.IndexFunc(w.book.get(id).conflicts, same)
	if i >= 0 && w.book.get(id).conflicts[i].Reason == c.Reason {
		return
	}
	h := w.book.write(id)
	if i >= 0 {
		h.conflicts[i] = c
		return
	}
	w.fresh[freshConflict{id, c.Kind, c.Key}] = struct{}{}
	h.conflicts = append(h.conflicts, c)
	slices.SortStableFunc(h.conflicts, func(a, b conflict) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Key, b.Key)) })
}

// settle forgets a conflict.
func (w *writing) settle(id fleet.HostID, kind, key string) {
	same := func(x conflict) bool { return x.Kind == kind && x.Key == key }
	if slices.ContainsFunc(w.book.get(id).conflicts, same) {
		h := w.book.write(id)
		h.conflicts = slices.DeleteFunc(h.conflicts, same)
	}
}

// Conflicts returns the contradictions that stand, by host: those no later
// statement settled. A conflict about a name ends, too, when only one host that
// lives is left with it, one about another key when one of its hosts is
// terminated or merged.
func (b *Book) Conflicts() []fleet.Conflict {
	var out []fleet.Conflict
	shared := map[string]bool{}
	for _, id := range b.Hosts() {
		h := b.get(id)
		for _, c := range h.conflicts {
			if b.stands(h, &c, shared) {
				out = append(out, fleet.Conflict{Host: id, Reason: c.Reason})
			}
		}
	}
	return out
}

// stands says whether the cause of a conflict is still there. It keeps which
// names are shared.
func (b *Book) stands(h *host, c *conflict, shared map[string]bool) bool {
	switch {
	case c.Kind == conflictRows:
		return true
	case b.canonical(h.id) != h.id || !h.lives():
		return false
	case c.Kind == conflictAlias:
		return b.standsAlias(h, c)
	case !h.called(c.Key):
		return false
	}
	several, known := shared[c.Key]
	if !known {
		several = b.shared(c.Key)
		shared[c.Key] = several
	}
	return several || b.othersLive(h, c.Key)
}

// othersLive says whether a key finds another host than this, which lives.
func (b *Book) othersLive(h *host, key string) bool {
	for _, c := range b.claims(key) {
		if id := b.canonical(c.host); c.to.IsZero() && id != h.id {
			return b.get(id).lives()
		}
	}
	return false
}

// standsAlias says whether a key still belongs to another host, or is claimed by
// one, and not to this.
func (b *Book) standsAlias(h *host, c *conflict) bool {
	for _, x := range b.claims(c.Key) {
		if x.to.IsZero() && b.canonical(x.host) == h.id {
			return false
		}
	}
	if b.othersLive(h, c.Key) {
		return true
	}
	for x := range b.all {
		if x != h && x.into == "" && x.lives() && slices.ContainsFunc(x.conflicts, func(o conflict) bool { return o.Kind == conflictAlias && o.Key == c.Key }) {
			return true
		}
	}
	return false
}
