package inventory

import (
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

// Types returns the nominal capacity of an instance type; false where it is
// unknown. It must always answer the same, and be safe for concurrent use.
type Types func(provider, instanceType string) (fleet.Capacity, bool)

// shards is how many parts hosts and keys are in: a write after a [Book.Clone]
// copies one part of each, 40 of 10,000 hosts, and a clone copies the list.
const shards = 256

// owner marks what a book may change in place; everything else is copied first.
type owner struct{ _ byte }

type shard[V any] struct {
	owner *owner
	m     map[string]V
}

// Book is all hosts: timelines, aliases with validity, merges, the history of
// writes, and from when to when each was sampled. Methods that write are for
// one goroutine at a time, and not beside readers of the same Book; readers
// use a [Book.Clone]. What a Book returns is shared with it and must not be
// changed.
type Book struct {
	types   Types
	fields  []field // never changed
	owner   atomic.Pointer[owner]
	hosts   [shards]*shard[*host]
	keys    [shards]*shard[[]claim]
	names   [shards]*shard[*bearing]
	touched map[fleet.HostID]struct{}
	sorted  atomic.Pointer[[]fleet.HostID] // canonical ids; nil when not known
}

// NewBook returns an empty book that reads nominal capacities from types; nil
// knows none.
func NewBook(types Types) *Book {
	if types == nil {
		types = func(string, string) (fleet.Capacity, bool) { return fleet.Capacity{}, false }
	}
	b := &Book{types: types, fields: fields(), touched: map[fleet.HostID]struct{}{}}
	b.owner.Store(&owner{})
	return b
}

// Clone returns a snapshot that is written and read apart from b. It costs
// some microseconds whatever the number of hosts; what is written afterwards,
// in either, is copied first, host by host. It may be called beside readers
// of b and beside other calls of Clone, not beside a write.
func (b *Book) Clone() *Book {
	c := &Book{types: b.types, fields: b.fields, hosts: b.hosts, keys: b.keys, names: b.names, touched: maps.Clone(b.touched)}
	c.owner.Store(&owner{})
	c.sorted.Store(b.sorted.Load())
	b.owner.Store(&owner{})
	return c
}

// shardOf is the shard of a key (FNV-1a).
func shardOf(key string) int {
	h := uint32(2166136261)
	for i := range len(key) {
		h = (h ^ uint32(key[i])) * 16777619
	}
	return int(h^h>>16) % shards
}

// own returns a shard's map to write to.
func own[V any](list *[shards]*shard[V], key string, o *owner) map[string]V {
	p := &list[shardOf(key)]
	switch {
	case *p == nil:
		*p = &shard[V]{o, map[string]V{}}
	case (*p).owner != o:
		*p = &shard[V]{o, maps.Clone((*p).m)}
	}
	return (*p).m
}

func look[V any](list *[shards]*shard[V], key string) (V, bool) {
	if s := list[shardOf(key)]; s != nil {
		v, ok := s.m[key]
		return v, ok
	}
	var none V
	return none, false
}

// host is everything known of one host. Slices in it are never changed in
// place, so that a copy of the struct is a copy of the host.
type host struct {
	owner     *owner
	id        fleet.HostID
	into      fleet.HostID // set: this host was found to be that one
	merged    []fleet.HostID
	keyed     bool // it has a natural key other than a name
	lines     []namedLine
	launched  time.Time // earliest valid_from stated; zero when none was
	ended     time.Time // latest valid_to stated
	seen      fleet.Window
	listed    time.Time // when a cloud's listing last named it
	aliases   []Alias
	history   []Entry
	past      []byte         // the history as it was read, until somebody asks
	origins   []fleet.Origin // of the writes in the history
	conflicts []conflict

	base   atomic.Pointer[[]fleet.Record] // the timeline without Seen
	cached atomic.Pointer[[]fleet.Record] // and with it
}

// namedLine is the line of a column.
type namedLine struct {
	column string
	line   line
}

func (h *host) clone(o *owner) *host {
	c := &host{owner: o, id: h.id, into: h.into, merged: h.merged, keyed: h.keyed, lines: slices.Clone(h.lines),
		launched: h.launched, ended: h.ended, seen: h.seen, listed: h.listed, aliases: slices.Clone(h.aliases),
		history: slices.Clip(h.history), past: h.past, origins: slices.Clip(h.origins), conflicts: slices.Clone(h.conflicts)}
	c.base.Store(h.base.Load())
	c.cached.Store(h.cached.Load())
	return c
}

// line returns the line of a column, nil when nothing was ever known.
func (h *host) line(column string) line {
	i, ok := slices.BinarySearchFunc(h.lines, column, compareColumn)
	if !ok {
		return nil
	}
	return h.lines[i].line
}

func (h *host) setLine(column string, l line) {
	i, ok := slices.BinarySearchFunc(h.lines, column, compareColumn)
	if ok {
		h.lines[i].line = l
		return
	}
	h.lines = slices.Insert(h.lines, i, namedLine{column, l})
}

func compareColumn(n namedLine, column string) int {
	switch {
	case n.column < column:
		return -1
	case n.column > column:
		return 1
	}
	return 0
}

// get returns a host by its exact id.
func (b *Book) get(id fleet.HostID) *host {
	h, _ := look(&b.hosts, string(id))
	return h
}

// write returns a host to change, copied if it is shared, and marks it touched.
func (b *Book) write(id fleet.HostID) *host {
	o := b.owner.Load()
	m := own(&b.hosts, string(id), o)
	h := m[string(id)]
	if h == nil {
		panic("BUG: host " + string(id) + " is written before it is added")
	}
	if h.owner != o {
		h = h.clone(o)
		m[string(id)] = h
	}
	b.touched[id] = struct{}{}
	return h
}

// changed returns a host to change in what its timeline shows.
func (b *Book) changed(id fleet.HostID) *host {
	h := b.write(id)
	h.base.Store(nil)
	h.cached.Store(nil)
	return h
}

// add puts a new, empty host into the book.
func (b *Book) add(id fleet.HostID) *host {
	o := b.owner.Load()
	h := &host{owner: o, id: id}
	own(&b.hosts, string(id), o)[string(id)] = h
	b.touched[id] = struct{}{}
	b.sorted.Store(nil)
	return h
}

// canonical follows merges. An id nobody knows is returned as it is.
func (b *Book) canonical(id fleet.HostID) fleet.HostID {
	for range 1000 { // a bound for documents that name each other in a circle
		h := b.get(id)
		if h == nil || h.into == "" || b.get(h.into) == nil {
			break
		}
		id = h.into
	}
	return id
}

// all yields every host, merged ones too, in no order.
func (b *Book) all(yield func(*host) bool) {
	for _, s := range &b.hosts {
		if s == nil {
			continue
		}
		for _, h := range s.m {
			if !yield(h) {
				return
			}
		}
	}
}

// Hosts returns the ids of all hosts in order. A host that was merged into
// another is not among them.
func (b *Book) Hosts() []fleet.HostID {
	if p := b.sorted.Load(); p != nil {
		return *p
	}
	var out []fleet.HostID
	for h := range b.all {
		if h.into == "" || b.canonical(h.id) == h.id {
			out = append(out, h.id)
		}
	}
	slices.Sort(out)
	out = slices.Clip(out)
	b.sorted.Store(&out)
	return out
}

// Members returns the ids under which samples of a host may be stored: its own
// first, then those merged into it, in the order of the merges. It is nil for
// an id nobody knows.
func (b *Book) Members(id fleet.HostID) []fleet.HostID {
	h := b.get(b.canonical(id))
	if h == nil {
		return nil
	}
	return append([]fleet.HostID{h.id}, h.merged...)
}

// See widens the evidence of a host's samples to a window from the start of a
// sample to the end of one. Unknown ids and empty windows are ignored.
func (b *Book) See(id fleet.HostID, w fleet.Window) {
	id = b.canonical(id)
	h := b.get(id)
	if h == nil || w.Empty() || w.Start.IsZero() {
		return
	}
	seen := widen(h.seen, w)
	if seen == h.seen {
		return
	}
	h = b.write(id)
	if seen.Start != h.seen.Start || !h.ended.IsZero() {
		h.base.Store(nil) // may show a record before the launch or after the end
	}
	h.cached.Store(nil)
	h.seen = seen
}

func widen(a, b fleet.Window) fleet.Window {
	b = fleet.Window{Start: clean(b.Start), End: clean(b.End)}
	if a.IsZero() {
		return b
	}
	if b.IsZero() {
		return a
	}
	return fleet.Window{Start: earliest(a.Start, b.Start), End: latest(a.End, b.End)}
}

// clean is a time as the book keeps it: UTC, without a monotonic clock.
func clean(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.Round(0).UTC()
}

// Touched returns the ids of hosts that changed since [Book.ClearTouched], in
// order, those merged away or widened by [Book.See] included: what is to be
// persisted.
func (b *Book) Touched() []fleet.HostID {
	return slices.Sorted(maps.Keys(b.touched))
}

// ClearTouched forgets which hosts changed.
func (b *Book) ClearTouched() { b.touched = map[fleet.HostID]struct{}{} } // a cleared map stays as large as it was

// Records returns the records that match and overlap a window, by host, then
// time, whole. A zero bound of the window is open. Their maps and slices are
// shared.
func (b *Book) Records(sel fleet.Selector, w fleet.Window) []fleet.Record {
	var found []*fleet.Record // pointers first: a record has some 600 bytes
	for _, id := range b.Hosts() {
		timeline := b.Timeline(id)
		for i := range timeline {
			if r := &timeline[i]; r.Window().Overlaps(w) && sel.Matches(r) {
				found = append(found, r)
			}
		}
	}
	out := make([]fleet.Record, len(found))
	for i, r := range found {
		out[i] = *r
	}
	return out
}
