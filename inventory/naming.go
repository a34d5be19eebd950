package inventory

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

// identify finds the host of every row, adding those nobody knows.
func (w *writing) identify(rows []*row) {
	w.ambiguous(rows)
	follows := w.followers(rows)
	var rest []*row
	for _, r := range rows {
		if follows[r] == nil {
			rest = append(rest, r)
		}
	}
	var unknown [][]*row
	for _, of := range groupBy(rest, func(r *row) string { return string(r.Host) }) {
		if !w.known(of) {
			unknown = append(unknown, of)
		}
	}
	// Hosts known by name only come first, so that another row's key of the same
	// put can belong to them.
	for _, named := range []bool{false, true} {
		for _, of := range unknown {
			if (nameOf(of) != nil) == named {
				w.introduce(of, rows)
			}
		}
	}
	for _, r := range rows {
		if t := follows[r]; t != nil {
			r.host = t.host
		}
	}
	w.unnamed(rows)
}

// followers are the rows that find their host by a name that another row of the
// put states for its host: they mean that one, whoever had the name before. A
// row that states another name for a host it finds so takes part without the
// name, and is a conflict: put again it would mean another host.
func (w *writing) followers(rows []*row) map[*row]*row {
	out := map[*row]*row{}
	for _, of := range groupBy(rows, func(r *row) string { return string(r.Host) }) {
		takers := w.takers[string(of[0].Host)]
		for _, r := range of {
			_, held := w.book.holder(string(r.Host), r.at)
			means := func(t named) bool {
				return startsBefore(r.at, t.to) && (!t.at.After(r.at) || t.from.IsZero() && !held)
			}
			i := slices.IndexFunc(takers, func(t named) bool { return means(t) && w.takers[string(t.Host)] == nil })
			if i < 0 { // only rows that may be found by names themselves
				i = slices.IndexFunc(takers, means)
			}
			if i < 0 || w.book.natural(string(r.Host), r.at) {
				for _, x := range of { // all of a key or none
					delete(out, x)
				}
				break
			}
			out[r] = takers[i].row
		}
	}
	for r, t := range out {
		if out[t] != nil {
			r.renames = true
		}
	}
	for r := range out {
		if r.renames {
			r.Name = ""
			delete(out, r)
		}
	}
	return out
}

// unnamed takes the name from rows that rename hosts they find by names in a
// circle.
func (w *writing) unnamed(rows []*row) {
	for _, r := range rows {
		if r.renames {
			w.conflict(r.host, conflict{Kind: conflictRows, Key: "name",
				Reason: fmt.Sprintf("%q is both stated as a name and used to find another host; use ids", r.Host)})
			r.fields = slices.DeleteFunc(r.fields, func(s stated) bool { return s.column == "name" })
		}
	}
}

// nameOf is the first of the rows of a key that states a name other than it.
func nameOf(of []*row) *row {
	for _, r := range of {
		if r.Name != "" && r.Name != string(r.Host) {
			return r
		}
	}
	return nil
}

// known finds the host of rows of one key; false when nobody knows it at the
// time of one of them.
func (w *writing) known(of []*row) bool {
	key := string(of[0].Host)
	for _, r := range of {
		id, ok := w.book.meant(key, r.at)
		if !ok { // a name that one host had once, unless the put gives it to another
			if id, ok = w.book.Resolve(key, r.at); !ok || w.passedOn(key, id, r.at) {
				return false
			}
		}
		r.host = id
	}
	for _, r := range of {
		w.keep(r)
	}
	return true
}

// passedOn says whether a name that a host does not have at a time, but had
// last before or gets later, is given to another host in between by the put.
func (w *writing) passedOn(name string, id fleet.HostID, at time.Time) bool {
	var last time.Time
	for _, c := range w.book.claims(name) {
		if w.book.canonical(c.host) == id && !c.to.After(at) {
			last = latest(last, c.to)
		}
	}
	return slices.ContainsFunc(w.takers[name], func(t named) bool {
		if last.IsZero() && t.at.After(at) {
			return true
		}
		return t.to.After(last) && !t.to.After(at)
	})
}

// introduce adds the key of rows to the book: to the host whose name they
// state, if that is all it is known by, else as a new host.
func (w *writing) introduce(of, rows []*row) {
	key := string(of[0].Host)
	for _, r := range of {
		w.origin = r.origin
		id, ok := w.book.meant(key, r.at)
		if ok {
			r.host = id
			continue
		}
		name := ""
		id, ok = w.byAlias(of, rows)
		if named := nameOf(of); named != nil {
			name = named.Name
			if !ok && !slices.ContainsFunc(of, func(r *row) bool { return r.ambiguous != "" }) {
				id, ok = w.adopter(named)
				ok = ok && !w.otherMachine(of, id)
			}
		}
		if !ok {
			r.host, r.added = w.newHost(key, name, r.at), true
			continue
		}
		r.host = id
		h := w.book.changed(id)
		kind := ownKind(of)
		h.keyed = h.keyed || isNatural(kind)
		w.claim(id, key, kind, fleet.Window{}, r.at)
		w.note(h, Change{Field: "alias", Kind: Named, To: key})
	}
}

// adopter is the host that a row with a key nobody knows tells of: the one
// that has the row's name then, if the name is all it is known by, no other host
// has it, and it is not gone.
func (w *writing) adopter(r *row) (fleet.HostID, bool) {
	id, ok := w.book.holder(r.Name, r.at)
	if !ok || w.book.get(id).keyed || w.book.natural(r.Name, r.at) || w.book.shared(r.Name) {
		return "", false
	}
	if w.book.get(id).terminatedAt(r.at) && r.State != fleet.StateTerminated {
		return "", false
	}
	return id, true
}

// keep makes a host's id its natural key when a row states it beside another
// name: it is no name that another host could take over.
func (w *writing) keep(r *row) {
	h := w.book.get(r.host)
	if h.keyed || r.Name == "" || r.Name == string(h.id) || string(r.Host) != string(h.id) {
		return
	}
	h = w.book.changed(r.host)
	h.keyed = true
	h.aliases = slices.Clone(h.aliases)
	for i := range h.aliases {
		if a := &h.aliases[i]; a.Key == string(h.id) && a.Kind == AliasName && a.To.IsZero() {
			a.Kind = AliasKey
			w.book.index(h, a.Key)
		}
	}
}

// named is a row that states a name, and for which time.
type named struct {
	*row
	key      string // the host's id where the row has a natural key of it
	from, to time.Time
}

// ambiguous marks rows whose name another row states of another host for the
// same time, and lists those whose name is not. A
// terminated host gives way: it gets no name that a row of the put states of a
// host that lives, whatever becomes of that.
func (w *writing) ambiguous(rows []*row) {
	live, gone := map[string][]named{}, map[string][]named{}
	var names []string
	for _, of := range groupBy(rows, func(r *row) string { return string(r.Host) }) {
		key := string(of[0].Host)
		if id, ok := w.book.holder(key, of[0].at); ok && (w.book.natural(key, of[0].at) || w.book.isID(key, id)) {
			key = string(id)
		}
		ended := slices.ContainsFunc(of, func(r *row) bool { return r.State == fleet.StateTerminated })
		for i, r := range of {
			r.gone = ended
			if r.Name == "" || r.Name == string(r.Host) {
				continue
			}
			if live[r.Name] == nil && gone[r.Name] == nil {
				names = append(names, r.Name)
			}
			n := named{r, key, r.from, until(r, of[i+1:])}
			if ended {
				gone[r.Name] = append(gone[r.Name], n)
			} else {
				live[r.Name] = append(live[r.Name], n)
			}
		}
	}
	for _, name := range names {
		list := live[name]
		if list == nil {
			list = gone[name]
		}
		if slices.ContainsFunc(list, func(n named) bool { return n.key != list[0].key }) {
			markOverlaps(name, live[name])
		}
		for _, n := range gone[name] {
			n.yields = slices.ContainsFunc(live[name], func(x named) bool { return startsBefore(x.from, n.to) && startsBefore(n.from, x.to) })
		}
		w.takers[name] = slices.DeleteFunc(list, func(n named) bool { return n.ambiguous != "" })
	}
}

// until is when a row's name ends: with the row, or with the next of its key
// that states another one.
func until(r *row, next []*row) time.Time {
	for _, n := range next {
		if n.Name != "" && n.Name != r.Name && n.from.After(r.from) {
			if endsBefore(n.from, r.to) {
				return n.from
			}
			break
		}
	}
	return r.to
}

// markOverlaps marks rows that state one name for one time of several hosts.
func markOverlaps(name string, list []named) {
	slices.SortStableFunc(list, func(a, b named) int { return cmp.Or(a.from.Compare(b.from), cmp.Compare(a.Host, b.Host)) })
	for start := 0; start < len(list); { // runs of rows that overlap
		end, to := start+1, list[start].to
		for end < len(list) && startsBefore(list[end].from, to) {
			if endsBefore(to, list[end].to) {
				to = list[end].to
			}
			end++
		}
		var keys []string // as they stand in the rows
		told := map[string]bool{}
		for _, n := range list[start:end] {
			if !told[n.key] {
				told[n.key] = true
				keys = append(keys, string(n.Host))
			}
		}
		if len(keys) > 1 {
			slices.Sort(keys)
			reason := fmt.Sprintf("%q is stated as the name of %s at the same time", name, list3(keys))
			for _, n := range list[start:end] {
				n.ambiguous = reason
			}
		}
		start = end
	}
}

// list3 names up to three of a list, and says how many more there are.
func list3(keys []string) string {
	if len(keys) > 3 {
		return fmt.Sprintf("%s and %d others", strings.Join(keys[:2], ", "), len(keys)-2)
	}
	return strings.Join(keys[:len(keys)-1], ", ") + " and " + keys[len(keys)-1]
}

// rename lets go of the name that a host no longer has in a piece of time. A
// corrected name still finds the host, as samples may have come under it.
func (w *writing) rename(id fleet.HostID, p piece) {
	if p.kind != Changed || !p.old.known {
		return
	}
	w.cut(id, p.old.value, fleet.Window{Start: p.from, End: p.to}, func(k AliasKind) bool { return k == AliasName })
}

// name gives a host the name an op states, where no other host has it.
func (w *writing) name(id fleet.HostID, o *op) {
	l := w.book.get(id).line("name").whole()
	i, at := l.at(o.at), o.at
	if o.until {
		i = l.atEnd(o.to)
		at = l[i].from
	}
	if !o.known || !l[i].known || l[i].value != o.value {
		return // cleared, or it contradicts what is known
	}
	name := o.value
	h := w.book.get(id)
	live := h.called(name) && h.lives()
	contested := live && w.book.shared(name)
	o.contested = contested
	w.mention(name, id, at)
	other, held := w.book.holder(name, at)
	reason := ""
	switch {
	case held && other == id:
	case contested && held && w.succeeds(o, other): // a source that dates the name says that it passed on
		reason = w.claim(id, name, AliasName, fleet.Window{Start: l[i].from, End: l.end(i)}, at)
		contested = false
	case contested && (held || o.row.ambiguous != "" || !w.book.claimedAfter(name, id, at)):
	case o.row.ambiguous != "":
		reason = o.row.ambiguous
	case o.row.yields, held && o.row.gone:
	case held && string(other) == name && !o.row.added && !w.book.get(other).terminatedAt(at): // adoption is for keys that are new
		reason = taken(name, other, false)
	case held && !o.wrote:
		reason = taken(name, other, w.book.natural(name, at))
	default:
		reason = w.claim(id, name, AliasName, fleet.Window{Start: l[i].from, End: l.end(i)}, at)
	}
	switch {
	case contested: // told when all is written
	case reason != "" && live:
		w.conflict(id, conflict{Kind: conflictName, Key: name, Reason: reason})
	case reason != "":
		w.tell(id, reason)
	default:
		w.settle(id, conflictName, name)
	}
}

// succeeds says whether an op passes a name on from a host that has it: its row has
// the resource id of that one, or it says since when, and nobody stated that the
// other one is there at all.
func (w *writing) succeeds(o *op, other fleet.HostID) bool {
	h := w.book.get(other)
	if o.row.ambiguous != "" || !h.keyed {
		return false
	}
	replaces := func(a fleet.Alias) bool {
		id, held := w.book.holder(a.Key, o.at)
		return a.Kind == fleet.AliasResource && held && id == other
	}
	return !o.from.IsZero() && h.stateless() || slices.ContainsFunc(o.row.Aliases, replaces)
}

// claimedAfter says whether a name finds another host after a time.
func (b *Book) claimedAfter(name string, id fleet.HostID, at time.Time) bool {
	return slices.ContainsFunc(b.claims(name), func(c claim) bool { return c.from.After(at) && b.canonical(c.host) != id })
}

// mention notes that a write is about a name, and from when it says that a host
// has it.
func (w *writing) mention(name string, id fleet.HostID, at time.Time) {
	if w.book.known(name) < 2 {
		return
	}
	m := w.names[name]
	if m == nil {
		m = map[fleet.HostID]time.Time{}
		w.names[name] = m
	}
	if id != "" {
		m[id] = at
	}
}

// calledBy notes that a write is about the name that a host has.
func (w *writing) calledBy(h *host) {
	if l := h.line("name"); len(l) > 0 && l[len(l)-1].known {
		w.mention(l[len(l)-1].value, "", time.Time{})
	} else if !h.keyed {
		for _, a := range h.aliases {
			w.mention(a.Key, "", time.Time{})
		}
	}
}

// taken is the reason of a conflict about a name that another host has.
func taken(name string, other fleet.HostID, natural bool) string {
	if natural || string(other) == name {
		return fmt.Sprintf("%q is the id of host %s; merge them if they are one", name, other)
	}
	return fmt.Sprintf("%q names host %s; rename one of them, or merge them if they are one", name, other)
}
