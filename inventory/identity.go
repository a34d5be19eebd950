package inventory

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

// claim is an alias in the index of keys.
type claim struct {
	host     fleet.HostID
	natural  bool
	from, to time.Time
}

func (c *claim) window() fleet.Window { return fleet.Window{Start: c.from, End: c.to} }

func (b *Book) claims(key string) []claim {
	if id, ok := strings.CutPrefix(key, exact); ok {
		if b.get(fleet.HostID(id)) == nil {
			return nil
		}
		return []claim{{host: fleet.HostID(id), natural: true}}
	}
	c, _ := look(&b.keys, key)
	return c
}

// exact begins a key that is an id whatever names there are.
const exact = "\x00"

// Exactly returns the key that means the host of an id, also where its id is a
// name that passed to another host. A statement of it about a host that is not
// there is an error.
func Exactly(id fleet.HostID) fleet.HostID { return exact + id }

// Resolve returns the host that a key, an id or alias, meant at a time; merges
// are followed. It means the host that had the key then. Where none had it
// then it means the one that had it last before, as a renamed host's agent may
// still use its old name; where none had it before, the host that gets it
// later, if that is one host only. A name that several hosts share finds none
// of them from then on, but what is known by nothing else.
func (b *Book) Resolve(key string, at time.Time) (fleet.HostID, bool) {
	list := b.claims(key)
	if len(list) == 0 {
		return "", false
	}
	if id, ok := b.meant(key, at); ok {
		return id, true
	}
	if b.contested(key, at) {
		return "", false
	}
	last, only := -1, b.canonical(list[0].host)
	for i, c := range list {
		if !c.to.IsZero() && !c.to.After(at) && (last < 0 || c.to.After(list[last].to)) {
			last = i
		}
		if b.canonical(c.host) != only {
			only = ""
		}
	}
	if last >= 0 {
		return b.canonical(list[last].host), true
	}
	return only, only != ""
}

// holder is Resolve without the leniency.
func (b *Book) holder(key string, at time.Time) (fleet.HostID, bool) {
	for _, c := range b.claims(key) {
		if c.window().Contains(at) {
			return b.canonical(c.host), true
		}
	}
	return "", false
}

// natural says whether a key is a host's natural key at a time.
func (b *Book) natural(key string, at time.Time) bool {
	for _, c := range b.claims(key) {
		if c.natural && c.window().Contains(at) {
			return true
		}
	}
	return false
}

// isID says whether a key is the id of a host, or of one merged into it.
func (b *Book) isID(key string, host fleet.HostID) bool {
	id := fleet.HostID(key)
	return b.get(id) != nil && b.canonical(id) == host
}

// Ensure resolves a key at a time, and adds a host where nobody knows it: of
// that name, valid from the beginning of time, nothing else known.
func (b *Book) Ensure(key string, at time.Time, put fleet.Put) fleet.HostID {
	if id, ok := b.Resolve(key, at); ok {
		return id
	}
	w := newWriting(b, put)
	w.origin = put.Origin
	return w.newHost(key, "", clean(at))
}

// newHost adds a host under a key that nobody holds at a time, as a natural
// key if it comes with another name. Its id is the key; where an older host has
// that id, and lost it as a name, a number is added.
func (w *writing) newHost(key, name string, at time.Time) fleet.HostID {
	id := fleet.HostID(key)
	for n := 2; w.book.get(id) != nil; n++ {
		id = fleet.HostID(fmt.Sprintf("%s~%d", key, n))
	}
	h := w.book.add(id)
	h.keyed = name != "" && name != key
	w.note(h, Change{Kind: Added})
	kind := AliasName
	if h.keyed {
		kind = AliasKey
	}
	if id != fleet.HostID(key) {
		w.alias(id, string(id), AliasKey, fleet.Window{})
	}
	if w.book.contested(key, at) {
		w.setApart(id, key, kind)
	} else {
		w.claim(id, key, kind, fleet.Window{}, at)
	}
	return id
}

// alias adds a key to a host, as it is: no other host may hold it in the window.
func (w *writing) alias(id fleet.HostID, key string, kind AliasKind, valid fleet.Window) {
	h := w.book.write(id)
	a := Alias{Key: key, Kind: kind, From: valid.Start, To: valid.End, At: clean(w.put.At), Origin: w.origin}
	list := h.aliases[:0:0]
	for _, x := range h.aliases { // joined with what it touches
		if x.Key == key && x.Kind == kind && startsBefore(a.From, x.To) && startsBefore(x.From, a.To) ||
			x.Key == key && x.Kind == kind && (x.To.Equal(a.From) && !a.From.IsZero() || a.To.Equal(x.From) && !a.To.IsZero()) {
			if x.From.Before(a.From) {
				a.From = x.From
			}
			if endsBefore(a.To, x.To) {
				a.To = x.To
			}
			if x.At.Before(a.At) {
				a.At, a.Origin = x.At, x.Origin
			}
			continue
		}
		list = append(list, x)
	}
	h.aliases = append(list, a)
	w.book.index(h, key)
}

// index sets the claims of a host on a key from its aliases.
func (b *Book) index(h *host, key string) {
	m := own(&b.keys, key, b.owner.Load())
	list := make([]claim, 0, len(m[key])+1)
	for _, c := range m[key] {
		if c.host != h.id {
			list = append(list, c)
		}
	}
	for _, a := range h.aliases {
		if a.Key == key {
			list = append(list, claim{h.id, isNatural(a.Kind), a.From, a.To})
		}
	}
	if len(list) == 0 {
		delete(m, key)
		return
	}
	m[key] = list
}

// cut ends a host's key of some kinds in a window, and says whether it had it
// then.
func (w *writing) cut(id fleet.HostID, key string, out fleet.Window, kinds func(AliasKind) bool) bool {
	h := w.book.write(id)
	list := h.aliases[:0:0]
	done := false
	for _, x := range h.aliases {
		if x.Key != key || !kinds(x.Kind) || !startsBefore(out.Start, x.To) || !startsBefore(x.From, out.End) {
			list = append(list, x)
			continue
		}
		if !x.From.Before(out.Start) {
			list = append(list, x) // it would not even be the last to have it: kept until taken over
			continue
		}
		done = true
		left := x
		left.To = out.Start
		list = append(list, left)
		if endsBefore(out.End, x.To) {
			x.From = out.End
			list = append(list, x)
		}
	}
	if done {
		h.aliases = list
		w.book.index(h, key)
	}
	return done
}

// claim gives a host a key in a window, on behalf of a statement effective at a
// time. A name that another host had until then is taken over; what a key
// belongs to otherwise is returned as a conflict's reason.
func (w *writing) claim(id fleet.HostID, key string, kind AliasKind, valid fleet.Window, at time.Time) (reason string) {
	id = w.book.canonical(id)
	var losers []fleet.HostID
	for _, c := range w.book.claims(key) {
		other := w.book.canonical(c.host)
		ended := !c.to.IsZero() && !c.to.After(at)
		switch {
		case other == id:
			continue
		case ended:
			valid.Start = latest(valid.Start, c.to)
		case c.from.After(at):
			if endsBefore(c.from, valid.End) {
				valid.End = c.from
			}
		case c.natural:
			return taken(key, other, true)
		case c.from.Before(at):
			valid.Start = latest(valid.Start, at)
			losers = append(losers, c.host)
		default:
			return taken(key, other, false)
		}
	}
	if !startsBefore(valid.Start, valid.End) {
		return ""
	}
	for _, l := range losers { // for as long as the statement holds
		if w.cut(l, key, fleet.Window{Start: at, End: valid.End}, func(k AliasKind) bool { return !isNatural(k) }) {
			w.note(w.book.write(w.book.canonical(l)), Change{Field: "alias", Kind: Unnamed, From: key, Effective: at, Until: valid.End})
		}
	}
	w.alias(id, key, kind, valid)
	return ""
}

// Merge records that two hosts, found by id or alias as of put.At, are one. It
// is an alias, never a rewrite: both ids stay, and where both know a field
// into's value is kept. The error wraps [fleet.ErrUnknownHost] and names the
// nearest known names where one of them is unknown.
func (b *Book) Merge(into, from string, put fleet.Put) error {
	at := clean(put.At)
	var ids [2]fleet.HostID
	for i, key := range []string{into, from} {
		id, ok := b.Resolve(key, at)
		if !ok {
			return fmt.Errorf("merge %s into %s: %w", from, into, b.unknown(key))
		}
		ids[i] = id
	}
	if ids[0] == ids[1] {
		if into == from {
			return fmt.Errorf("merge %s into itself: name two hosts", from)
		}
		return fmt.Errorf("merge %s into %s: they are one host already, %s", from, into, ids[0])
	}
	w := newWriting(b, put)
	w.origin = put.Origin
	target, source := b.changed(ids[0]), b.changed(ids[1])
	c := Change{Field: "host", Kind: Merged, From: string(source.id), To: string(target.id), Effective: time.Time{}}
	w.note(target, c)
	w.note(source, c)
	write := len(target.origins) - 1
	for _, n := range source.lines {
		target.setLine(n.column, target.line(n.column).fill(n.line, write))
	}
	target.keyed = target.keyed || source.keyed
	target.launched = earliest(target.launched, source.launched)
	target.ended = latest(target.ended, source.ended)
	target.seen = widen(target.seen, source.seen)
	target.listed = latest(target.listed, source.listed)
	target.merged = append(append(slices.Clone(target.merged), source.id), source.merged...)
	source.into = target.id
	b.sorted.Store(nil)
	for _, s := range source.line("name") {
		if s.known {
			b.bear(s.value, target.id)
		}
	}
	w.calledBy(target)
	w.contend()
	w.settleAll()
	return nil
}

// unknown is the error for a key that nobody knows.
func (b *Book) unknown(key string) error {
	if near := b.Nearest(key, 3); len(near) > 0 {
		return fmt.Errorf("%w %q: did you mean %s?", fleet.ErrUnknownHost, key, list(near))
	}
	return fmt.Errorf("%w %q", fleet.ErrUnknownHost, key)
}
