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
	At     time.Time `json:"at,omitzero"`
}

// conflict reports a contradiction, and keeps it until it is settled.
func (w *writing) conflict(id fleet.HostID, c conflict) {
	r := fleet.Conflict{Host: id, Reason: c.Reason}
	if _, told := w.told[r]; !told {
		w.told[r] = struct{}{}
		w.result.Conflicts = append(w.result.Conflicts, r)
	}
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
// statement settled. A conflict about a name ends, too, when the host is
// renamed, terminated or merged, one about another key when it is terminated or
// merged.
func (b *Book) Conflicts() []fleet.Conflict {
	var out []fleet.Conflict
	for _, id := range b.Hosts() {
		h := b.get(id)
		for _, c := range h.conflicts {
			if c.Kind == conflictName && !b.stands(h, c.Key) || c.Kind == conflictAlias && !b.standsAlias(h, c.Key) {
				continue
			}
			out = append(out, fleet.Conflict{Host: id, Reason: c.Reason})
		}
	}
	return out
}

// stands says whether a host is still called by a name that does not find it.
func (b *Book) stands(h *host, name string) bool {
	timeline := b.Timeline(h.id)
	last := &timeline[len(timeline)-1]
	return last.Name == name && b.standsAlias(h, name)
}

// standsAlias says whether a key still does not find a host.
func (b *Book) standsAlias(h *host, key string) bool {
	timeline := b.Timeline(h.id)
	if timeline[len(timeline)-1].State == fleet.StateTerminated {
		return false
	}
	for _, c := range b.claims(key) {
		if c.to.IsZero() && b.canonical(c.host) == h.id {
			return false
		}
	}
	return true
}
