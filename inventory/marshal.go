package inventory

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

// version of the documents that Marshal writes.
const version = 1

// document is a host as it is kept.
type document struct {
	Version   int                       `json:"version"`
	Host      fleet.HostID              `json:"host"`
	Into      fleet.HostID              `json:"into,omitzero"`
	Merged    []fleet.HostID            `json:"merged,omitempty"`
	Keyed     bool                      `json:"keyed,omitzero"`
	Launched  time.Time                 `json:"launched,omitzero"`
	Ended     time.Time                 `json:"ended,omitzero"`
	Seen      *fleet.Window             `json:"seen,omitempty"`
	Listed    time.Time                 `json:"listed,omitzero"`
	Fields    map[string][]spanDocument `json:"fields,omitempty"`
	Aliases   []Alias                   `json:"aliases,omitempty"`
	Origins   []fleet.Origin            `json:"origins,omitempty"` // of the writes in the history
	Conflicts []conflict                `json:"conflicts,omitempty"`
}

// spanDocument is a span of a field; Value is null where it is unknown.
type spanDocument struct {
	From   time.Time `json:"from,omitzero"`
	Value  *string   `json:"value"`
	Stated time.Time `json:"stated,omitzero"`
	Write  int       `json:"write,omitzero"`
	// Inferred is set of a state that nobody stated.
	Inferred bool `json:"inferred,omitzero"`
}

// Marshal returns all that is known of a host, under its exact id: a JSON
// document with a version, and on a second line the checksum (CRC-32C, eight
// hexadecimal digits) and the JSON of its history, which is most of it and read
// only when somebody asks. The error wraps [fleet.ErrUnknownHost].
func (b *Book) Marshal(id fleet.HostID) ([]byte, error) {
	h := b.get(id)
	if h == nil {
		return nil, fmt.Errorf("write host %s: %w", id, fleet.ErrUnknownHost)
	}
	d := document{Version: version, Host: h.id, Into: h.into, Merged: h.merged, Keyed: h.keyed, Launched: h.launched,
		Ended: h.ended, Aliases: h.aliases, Origins: h.origins, Conflicts: h.conflicts, Listed: h.listed}
	if !h.seen.IsZero() {
		d.Seen = &h.seen
	}
	if len(h.lines) > 0 {
		d.Fields = make(map[string][]spanDocument, len(h.lines))
	}
	for _, n := range h.lines {
		list := make([]spanDocument, len(n.line))
		for i, s := range n.line {
			list[i] = spanDocument{From: s.from, Stated: s.stated, Write: s.write, Inferred: s.inferred}
			if s.known {
				list[i].Value = &s.value
			}
		}
		d.Fields[n.column] = list
	}
	data, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("write host %s: %w", id, err)
	}
	past := h.past
	if past == nil && len(h.history) > 0 {
		if past, err = json.Marshal(h.history); err != nil {
			return nil, fmt.Errorf("write host %s: its history: %w", id, err)
		}
	}
	if len(past) > 0 {
		data = fmt.Appendf(data, "\n%08x", crc32.Checksum(past, castagnoli()))
		data = append(data, past...)
	}
	return data, nil
}

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// splitPast cuts a document into what is read at once and the history.
func splitPast(data []byte) (core, past []byte, err error) {
	core, rest, ok := bytes.Cut(data, []byte{'\n'})
	if !ok {
		return core, nil, nil
	}
	if len(rest) < 8 {
		return nil, nil, fmt.Errorf("its history is cut off")
	}
	sum, err := strconv.ParseUint(string(rest[:8]), 16, 32)
	if err != nil || uint32(sum) != crc32.Checksum(rest[8:], castagnoli()) {
		return nil, nil, fmt.Errorf("its history is damaged: the checksum is not right")
	}
	return core, bytes.Clone(rest[8:]), nil
}

// entries is the host's history, decoded if it is not yet.
func (h *host) entries() []Entry {
	if h.past == nil {
		return h.history
	}
	var list []Entry
	if err := json.Unmarshal(h.past, &list); err != nil { // whoever wrote it got it wrong
		return []Entry{{Action: Unreadable, Why: err.Error()}}
	}
	return list
}

// Unmarshal puts a host that [Book.Marshal] wrote into the book, in place of
// what the book knows of it; hosts may come in any order. It is not touched by
// that. The error says which host and field is wrong; the book is then as it
// was.
func (b *Book) Unmarshal(data []byte) error {
	h, err := b.parse(data)
	if err != nil {
		return err
	}
	b.place(h)
	return nil
}

// UnmarshalAll is Unmarshal for many hosts, read side by side. An error comes
// with the number of the document that is wrong, and leaves the book as it was.
// The documents may be used again afterwards.
func (b *Book) UnmarshalAll(documents [][]byte) (wrong int, err error) {
	hosts := make([]*host, len(documents))
	errs := make([]error, len(documents))
	const piece = 64
	var next atomic.Int64
	var running sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), (len(documents)+piece-1)/piece) {
		running.Go(func() {
			for {
				first := int(next.Add(piece)) - piece
				if first >= len(documents) {
					return
				}
				for i := first; i < min(first+piece, len(documents)); i++ {
					if hosts[i], errs[i] = b.parse(documents[i]); errs[i] == nil {
						list := hosts[i].assemble(b.types, b.fields) // most questions want it
						hosts[i].base.Store(&list)
					}
				}
			}
		})
	}
	running.Wait()
	for i, err := range errs {
		if err != nil {
			return i, err
		}
	}
	for _, h := range hosts {
		b.place(h)
	}
	return 0, nil
}

// parse reads a document; it may run beside others.
func (b *Book) parse(data []byte) (*host, error) {
	core, past, err := splitPast(data)
	d, fields, quickly := quickDocument(core)
	if err == nil && !quickly {
		d = document{}
		err = json.Unmarshal(core, &d)
		fields = d.fields()
	}
	switch {
	case d.Version != version && (err == nil || json.Valid(core)):
		return nil, fmt.Errorf("read host %s: its document has version %d, this program reads version %d", d.Host, d.Version, version)
	case err != nil && d.Host == "":
		return nil, fmt.Errorf("read a host: %w", err)
	case err != nil:
		return nil, fmt.Errorf("read host %s: %w", d.Host, err)
	}
	h, err := d.read(b.fields, fields)
	if err != nil {
		return nil, fmt.Errorf("read host %s: %w", d.Host, err)
	}
	h.past = past
	return h, nil
}

// place puts a host into the book.
func (b *Book) place(h *host) {
	h.owner = b.owner.Load()
	old, names := b.get(h.id), h.line("name")
	if old != nil {
		gone := &host{id: h.id}
		for _, a := range old.aliases {
			b.index(gone, a.Key)
		}
	}
	own(&b.hosts, string(h.id), h.owner)[string(h.id)] = h
	for _, a := range h.aliases {
		b.index(h, a.Key)
	}
	for i, s := range names {
		before := func(x span) bool { return x.known && x.value == s.value }
		if s.known && !slices.ContainsFunc(names[:i], before) && (old == nil || !old.bore(s.value)) {
			b.bear(s.value, h.id)
		}
	}
	b.sorted.Store(nil)
}

// fields lists the fields of a document by column.
func (d *document) fields() []fieldSpans {
	list := make([]fieldSpans, 0, len(d.Fields))
	for _, column := range slices.Sorted(maps.Keys(d.Fields)) {
		list = append(list, fieldSpans{column, d.Fields[column]})
	}
	return list
}

// read checks a document.
func (d *document) read(all []field, fields []fieldSpans) (*host, error) {
	h := &host{id: d.Host, into: d.Into, merged: d.Merged, keyed: d.Keyed, launched: clean(d.Launched), ended: clean(d.Ended),
		aliases: d.Aliases, origins: d.Origins, conflicts: d.Conflicts, listed: clean(d.Listed)}
	if d.Host == "" {
		return nil, fmt.Errorf("the id is missing")
	}
	if d.Into == d.Host || slices.Contains(d.Merged, d.Host) {
		return nil, fmt.Errorf("it is merged into itself")
	}
	if !inRange(h.launched) || !inRange(h.ended) || !inRange(h.listed) {
		return nil, fmt.Errorf("it is valid from %s to %s, and was listed at %s", h.launched, h.ended, h.listed)
	}
	if d.Seen != nil {
		h.seen = fleet.Window{Start: clean(d.Seen.Start), End: clean(d.Seen.End)}
		if h.seen.Empty() || h.seen.Start.IsZero() || !inRange(h.seen.Start) || !inRange(h.seen.End) {
			return nil, fmt.Errorf("its samples run from %s to %s", h.seen.Start, h.seen.End)
		}
	}
	for i := range h.aliases {
		a := &h.aliases[i]
		a.From, a.To, a.At = clean(a.From), clean(a.To), clean(a.At)
		if a.Key == "" || (a.Kind != AliasKey && a.Kind != AliasName && !isAliasKind(a.Kind)) || !startsBefore(a.From, a.To) || !inRange(a.From) || !inRange(a.To) {
			return nil, fmt.Errorf("alias %d (%q) is not one", i+1, a.Key)
		}
	}
	h.lines = make([]namedLine, 0, len(fields))
	total := 0
	for _, f := range fields {
		total += len(f.list)
	}
	room := make(line, total)
	for _, f := range fields {
		n := len(f.list)
		l, err := readLine(all, f.column, f.list, room[:n:n])
		room = room[n:]
		if err != nil {
			return nil, fmt.Errorf("field %s: %w", f.column, err)
		}
		h.lines = append(h.lines, namedLine{f.column, l}) // fields ascend
	}
	return h, nil
}

// readLine checks the spans of a field and puts them into a line of as many.
func readLine(all []field, column string, list []spanDocument, l line) (line, error) {
	if len(list) == 0 || !list[0].From.IsZero() {
		return nil, fmt.Errorf("it does not begin at the beginning of time")
	}
	for i, s := range list {
		l[i] = span{from: clean(s.From), known: s.Value != nil, stated: clean(s.Stated), write: max(s.Write, 0), inferred: s.Inferred}
		if s.Value != nil {
			l[i].value = *s.Value
		}
		if s.Inferred && (column != "state" || s.Value == nil) {
			return nil, fmt.Errorf("value %d cannot be inferred", i+1)
		}
		var scratch fleet.Record
		if err := setField(all, &scratch, column, l[i].value); err != nil && (l[i].known || !isField(all, column)) {
			return nil, err
		}
		if !inRange(l[i].from) || !inRange(l[i].stated) || i > 0 && (!l[i].from.After(l[i-1].from) || l[i].same(l[i-1])) {
			return nil, fmt.Errorf("value %d does not follow the one before", i+1)
		}
	}
	return l, nil
}
