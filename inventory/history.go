package inventory

import (
	"slices"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

// AliasKind says what a key of a host is.
type AliasKind = fleet.AliasKind

// The kinds of keys beside those that statements name (see [fleet.AliasKind]): a
// natural key of which nobody said more, and a name, which can be taken over.
const (
	AliasKey  AliasKind = "key"
	AliasName AliasKind = "name"
)

// Alias is a key by which a host is found, in [From, To); a zero bound is open.
type Alias struct {
	Key  string    `json:"key"`
	Kind AliasKind `json:"kind"`
	From time.Time `json:"from,omitzero"`
	To   time.Time `json:"to,omitzero"`
	// At is when it was written, by a source of Origin.
	At     time.Time    `json:"at,omitzero"`
	Origin fleet.Origin `json:"origin,omitzero"`
}

// Window is the alias's validity; a zero bound is open.
func (a *Alias) Window() fleet.Window { return fleet.Window{Start: a.From, End: a.To} }

// Kinds of a [Change].
const (
	Learned   = "learned"   // was unknown
	Changed   = "changed"   // was otherwise before
	Corrected = "corrected" // was wrong
	Dropped   = "dropped"   // a stated capacity of the instance type before
	Inferred  = "inferred"  // a state that nobody stated
	Named     = "named"     // found by a further key
	Unnamed   = "unnamed"   // no longer found by it
	Merged    = "merged"    // found to be one with another host
	Settled   = "settled"   // a conflict whose cause is gone
)

// Change is what a write did to one field of a host.
type Change struct {
	// Field is a column of inventory files, "alias", "host" or "conflict".
	Field string `json:"field"`
	// Kind is learned, changed, corrected, dropped, inferred, named, unnamed,
	// merged or settled.
	Kind string `json:"kind"`
	// From and To are the values before and after as inventory files write
	// them; empty is unknown (or an empty tag).
	From string `json:"from"`
	To   string `json:"to"`
	// Effective is from when it holds, Until until when; zero is the beginning
	// and the end of time.
	Effective time.Time `json:"effective,omitzero"`
	Until     time.Time `json:"until,omitzero"`
}

// Entry is one write that did something to a host.
type Entry struct {
	At     time.Time    `json:"at,omitzero"`
	Who    string       `json:"who,omitzero"`
	Why    string       `json:"why,omitzero"`
	Origin fleet.Origin `json:"origin,omitzero"`
	// Action is added, learned, changed, corrected, inferred, named, unnamed, merged or settled:
	// the weightiest of the changes.
	Action  string   `json:"action"`
	Changes []Change `json:"changes,omitempty"`
}

// Added is the [Entry] action of the write that brought a host.
const Added = "added"

// Unreadable is the [Entry] action that stands for a history that cannot be
// read; Why says what is wrong.
const Unreadable = "unreadable"

// Host is what is known of a host beside its timeline.
type Host struct {
	ID fleet.HostID `json:"host"`
	// Into is set when this host was found to be another one.
	Into fleet.HostID `json:"into,omitzero"`
	// Merged are the hosts found to be this one, in the order of the merges.
	Merged []fleet.HostID `json:"merged,omitempty"`
	// Listed is when a cloud's listing last named it, and did not say that it is
	// terminated; zero when none did.
	Listed time.Time `json:"listed,omitzero"`
	// Aliases are the keys by which it is found, those of merged hosts too, by
	// key, then time.
	Aliases []Alias `json:"aliases"`
	// History are the writes that did something, oldest first as written.
	History []Entry `json:"history"`
}

// Host returns what is known of a host beside its timeline, under its exact
// id: a host that was merged away tells its own history and where it went.
func (b *Book) Host(id fleet.HostID) (Host, bool) {
	h := b.get(id)
	if h == nil {
		return Host{}, false
	}
	out := Host{ID: id, Merged: slices.Clone(h.merged), Listed: h.listed, History: slices.Clone(h.entries())}
	if c := b.canonical(id); c != id {
		out.Into = c
	}
	for _, m := range append([]fleet.HostID{id}, h.merged...) {
		if member := b.get(m); member != nil {
			out.Aliases = append(out.Aliases, member.aliases...)
		}
	}
	slices.SortStableFunc(out.Aliases, func(a, b Alias) int {
		if a.Key != b.Key {
			if a.Key < b.Key {
				return -1
			}
			return 1
		}
		return a.From.Compare(b.From)
	})
	return out, true
}

// weight orders actions, so that an entry is called by its weightiest.
func weight(action string) int {
	return slices.Index([]string{Settled, Named, Unnamed, Inferred, Learned, Corrected, Dropped, Changed, Merged, Added}, action)
}

// note adds changes to the entry of the write under way, the last one of the
// host's history if it was begun by this write.
func (w *writing) note(h *host, changes ...Change) {
	i, begun := w.entries[h.id]
	if !begun {
		h.history, h.past = h.entries(), nil
		i = len(h.history)
		h.origins = append(slices.Clip(h.origins), w.origin)
		h.history = append(slices.Clip(h.history), Entry{At: clean(w.put.At), Who: w.put.Who, Why: w.put.Why, Origin: w.origin})
		w.entries[h.id] = i
	}
	e := &h.history[i] // its own since this write began
	for _, c := range changes {
		if weight(c.Kind) > weight(e.Action) {
			e.Action = c.Kind
		}
		if c.Kind != Added {
			e.Changes = append(e.Changes, c)
		}
	}
	if e.Action == Dropped {
		e.Action = Changed
	}
}

// OriginHand is the origin of what somebody stated of a host by hand: its tags,
// its name, its end.
const OriginHand fleet.Origin = "hand"
