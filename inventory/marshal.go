package inventory

import (
	"encoding/json"
	"fmt"
	"slices"
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
	Fields    map[string][]spanDocument `json:"fields,omitempty"`
	Aliases   []Alias                   `json:"aliases,omitempty"`
	History   []Entry                   `json:"history,omitempty"`
	Conflicts []conflict                `json:"conflicts,omitempty"`
}

// spanDocument is a span of a field; Value is null where it is unknown.
type spanDocument struct {
	From   time.Time `json:"from,omitzero"`
	Value  *string   `json:"value"`
	Stated time.Time `json:"stated,omitzero"`
	Write  int       `json:"write,omitzero"`
}

// Marshal returns all that is known of a host, under its exact id, as a JSON
// document with a version. The error wraps [fleet.ErrUnknownHost].
func (b *Book) Marshal(id fleet.HostID) ([]byte, error) {
	h := b.get(id)
	if h == nil {
		return nil, fmt.Errorf("write host %s: %w", id, fleet.ErrUnknownHost)
	}
	d := document{Version: version, Host: h.id, Into: h.into, Merged: h.merged, Keyed: h.keyed, Launched: h.launched,
		Ended: h.ended, Aliases: h.aliases, History: h.history, Conflicts: h.conflicts}
	if !h.seen.IsZero() {
		d.Seen = &h.seen
	}
	if len(h.lines) > 0 {
		d.Fields = make(map[string][]spanDocument, len(h.lines))
	}
	for _, n := range h.lines {
		list := make([]spanDocument, len(n.line))
		for i, s := range n.line {
			list[i] = spanDocument{From: s.from, Stated: s.stated, Write: s.write}
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
	return data, nil
}

// Unmarshal puts a host that [Book.Marshal] wrote into the book, in place of
// what the book knows of it; hosts may come in any order. It is not touched by
// that. The error says which host and field is wrong; the book is then as it
// was.
func (b *Book) Unmarshal(data []byte) error {
	var head struct {
		Version int          `json:"version"`
		Host    fleet.HostID `json:"host"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return fmt.Errorf("read a host: %w", err)
	}
	if head.Version != version {
		return fmt.Errorf("read host %s: its document has version %d, this program reads version %d", head.Host, head.Version, version)
	}
	var d document
	if err := json.Unmarshal(data, &d); err != nil {
		return fmt.Errorf("read host %s: %w", head.Host, err)
	}
	h, err := d.read(b.fields)
	if err != nil {
		return fmt.Errorf("read host %s: %w", head.Host, err)
	}
	h.owner = b.owner.Load()
	if old := b.get(h.id); old != nil {
		gone := &host{id: h.id}
		for _, a := range old.aliases {
			b.index(gone, a.Key)
		}
	}
	own(&b.hosts, string(h.id), h.owner)[string(h.id)] = h
	for _, a := range h.aliases {
		b.index(h, a.Key)
	}
	b.sorted.Store(nil)
	return nil
}

// read checks a document.
func (d *document) read(all []field) (*host, error) {
	h := &host{id: d.Host, into: d.Into, merged: d.Merged, keyed: d.Keyed, launched: clean(d.Launched), ended: clean(d.Ended),
		aliases: d.Aliases, history: d.History, conflicts: d.Conflicts}
	if d.Host == "" {
		return nil, fmt.Errorf("the id is missing")
	}
	if d.Into == d.Host || slices.Contains(d.Merged, d.Host) {
		return nil, fmt.Errorf("it is merged into itself")
	}
	if !inRange(h.launched) || !inRange(h.ended) {
		return nil, fmt.Errorf("it is valid from %s to %s", h.launched, h.ended)
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
		if a.Key == "" || (a.Kind != AliasKey && a.Kind != AliasName) || !startsBefore(a.From, a.To) || !inRange(a.From) || !inRange(a.To) {
			return nil, fmt.Errorf("alias %d (%q) is not one", i+1, a.Key)
		}
	}
	for column, list := range d.Fields {
		l, err := readLine(all, column, list)
		if err != nil {
			return nil, fmt.Errorf("field %s: %w", column, err)
		}
		h.setLine(column, l)
	}
	return h, nil
}

func readLine(all []field, column string, list []spanDocument) (line, error) {
	if len(list) == 0 || !list[0].From.IsZero() {
		return nil, fmt.Errorf("it does not begin at the beginning of time")
	}
	l := make(line, len(list))
	for i, s := range list {
		l[i] = span{from: clean(s.From), known: s.Value != nil, stated: clean(s.Stated), write: max(s.Write, 0)}
		if s.Value != nil {
			l[i].value = *s.Value
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
