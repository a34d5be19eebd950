package inventory

import (
	"cmp"
	"slices"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

// Timeline returns what a host was: records that follow each other without a
// gap, with nominal capacities resolved and Seen filled. It begins at the
// beginning of time unless an inventory stated from when the host is valid and
// nothing is known and no sample lies before; it ends likewise. It is nil for
// an id nobody knows, and shared: do not change it.
func (b *Book) Timeline(id fleet.HostID) []fleet.Record {
	h := b.get(b.canonical(id))
	if h == nil {
		return nil
	}
	if p := h.cached.Load(); p != nil {
		return *p
	}
	base := h.base.Load()
	if base == nil {
		list := h.assemble(b.types, b.fields)
		base = &list
		h.base.Store(base)
	}
	out := slices.Clone(*base)
	for i := range out {
		out[i].Seen = h.seen
	}
	h.cached.Store(&out)
	return out
}

// assemble cuts the lines into records.
func (h *host) assemble(types Types, all []field) []fleet.Record {
	valid := h.validity()
	cuts := []time.Time{valid.Start}
	for _, n := range h.lines {
		for _, s := range n.line[1:] {
			if s.from.After(valid.Start) && startsBefore(s.from, valid.End) {
				cuts = append(cuts, s.from)
			}
		}
	}
	slices.SortFunc(cuts, time.Time.Compare)
	cuts = slices.CompactFunc(cuts, time.Time.Equal)
	out := make([]fleet.Record, len(cuts))
	for i, from := range cuts {
		out[i].From, out[i].To = from, valid.End
		if i+1 < len(cuts) {
			out[i].To = cuts[i+1]
		}
		h.record(all, &out[i], types)
	}
	return out
}

// validity is the time the timeline covers: all of it, less what lies before
// the earliest valid_from, and after the latest valid_to, if nothing is known
// and no sample lies there.
func (h *host) validity() fleet.Window {
	w := fleet.Window{Start: h.launched, End: h.ended}
	sampled := !h.seen.IsZero()
	if sampled && h.seen.Start.Before(w.Start) {
		w.Start = time.Time{}
	}
	if sampled && endsBefore(w.End, h.seen.End) {
		w.End = time.Time{}
	}
	for _, n := range h.lines {
		if n.column == "name" {
			continue
		}
		if s := n.line[0]; s.known || n.line.end(0).Before(w.Start) && len(n.line) > 1 {
			w.Start = time.Time{}
		}
		if s := n.line[len(n.line)-1]; s.known || endsBefore(w.End, s.from) && len(n.line) > 1 {
			w.End = time.Time{}
		}
	}
	if w.Empty() && !w.End.IsZero() {
		return fleet.Window{}
	}
	return w
}

// record fills the record that begins at r.From.
func (h *host) record(all []field, r *fleet.Record, types Types) {
	r.Host = h.id
	write, seen := 0, seenSize{}
	for _, n := range h.lines {
		s := n.line[n.line.at(r.From)]
		if !s.known {
			continue
		}
		if err := setField(all, r, n.column, s.value); err != nil {
			panic("BUG: host " + string(h.id) + ": " + err.Error()) // was checked when it was stated or read
		}
		write = max(write, s.write)
		switch n.column {
		case "state":
			r.Stated, r.Inferred = s.stated, s.inferred
		case "vcpus":
			seen.vcpus = h.scraped(s.write)
		case "memory_bytes":
			seen.memory = h.scraped(s.write)
		}
	}
	if r.Name == "" && !h.keyed {
		r.Name = string(h.id)
	}
	if write < len(h.origins) {
		r.Origin = h.origins[write]
	}
	seen.complete(r, types)
}

// scraped says whether a write came of what hosts told of themselves.
func (h *host) scraped(write int) bool {
	return write < len(h.origins) && h.origins[write] == fleet.OriginScrape
}

// seenSize says which figures of a size are what the host saw itself.
type seenSize struct{ vcpus, memory bool }

// complete completes what the inventory states of a size from the types table,
// which knows better than the host itself: a kernel keeps some memory.
func (s seenSize) complete(r *fleet.Record, types Types) {
	c := &r.Capacity
	if c.VCPUs > 0 && !s.vcpus || c.MemoryBytes > 0 && !s.memory {
		r.CapacityFrom = "inventory"
	}
	if r.InstanceType != "" && (c.VCPUs == 0 || s.vcpus || c.MemoryBytes == 0 || s.memory) {
		if nominal, ok := types(r.Provider, r.InstanceType); ok {
			r.CapacityFrom = cmp.Or(r.CapacityFrom, "catalogue")
			if c.VCPUs == 0 || s.vcpus {
				c.VCPUs = nominal.VCPUs
			}
			if c.MemoryBytes == 0 || s.memory {
				c.MemoryBytes = nominal.MemoryBytes
			}
		}
	}
	if *c != (fleet.Capacity{}) {
		r.CapacityFrom = cmp.Or(r.CapacityFrom, "measured")
	}
}
