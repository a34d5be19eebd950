package inventory

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

// writing is one write under way.
type writing struct {
	book    *Book
	put     fleet.Put
	origin  fleet.Origin // of the statement at hand
	entries map[fleet.HostID]int
	takers  map[string][]named                    // rows by the name they state, but for ambiguous ones
	names   map[string]map[fleet.HostID]time.Time // what it is about, and from when it states it of hosts
	told    map[fleet.Conflict]struct{}
	fresh   map[freshConflict]struct{} // conflicts that it brought
	result  fleet.PutResult
}

func newWriting(b *Book, put fleet.Put) *writing {
	return &writing{book: b, put: put, entries: map[fleet.HostID]int{}, takers: map[string][]named{}, names: map[string]map[fleet.HostID]time.Time{}, told: map[fleet.Conflict]struct{}{}, fresh: map[freshConflict]struct{}{}}
}

// A row is a statement on its way into the book.
type row struct {
	*fleet.Statement
	Name   string // the statement's, but for rows that rename in a circle
	fields []stated
	from   time.Time // valid_from
	to     time.Time // valid_to
	at     time.Time // from when a change holds; the identity is resolved then
	origin fleet.Origin

	host      fleet.HostID
	added     bool
	gone      bool   // a row of the key states that the host is terminated
	yields    bool   // and another row states its name of a host that lives
	renames   bool   // by a name, in a circle of rows
	ambiguous string // other hosts that are stated to have the name at the same time
}

// Put writes what a source states of hosts, as docs/inventory.md defines it.
// An error, which names the host, means that nothing was written. Statements
// that contradict each other or what is known of a name are not applied in
// what they contradict; they are among the result's Conflicts, and those of the
// book until later statements settle them. The order of the statements does
// not matter, and the same statements put again leave all unchanged, unless
// some find hosts by names that others move at other times.
func (b *Book) Put(statements []fleet.Statement, put fleet.Put) (fleet.PutResult, error) {
	rows, err := b.readRows(statements, put)
	if err != nil {
		return fleet.PutResult{}, err
	}
	unclear, err := b.clear(rows, statements, put)
	if err != nil {
		return fleet.PutResult{}, err
	}
	w := newWriting(b, put)
	w.run(without(rows, unclear))
	for i := range unclear {
		w.tell(rows[i].Statement.Host, fmt.Sprintf("%q: "+sayWhich, rows[i].Statement.Host))
	}
	slices.SortStableFunc(w.result.Conflicts, func(a, b fleet.Conflict) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Reason, b.Reason))
	})
	return w.result, nil
}

// foundByName says whether a row finds its host by a name that others may have.
func (b *Book) foundByName(r *row) bool {
	key := string(r.Host)
	id, ok := b.Resolve(key, r.at)
	return ok && !b.natural(key, r.at) && b.get(id).keyed
}

// unclear says whether several hosts are called as a row calls its host.
func (b *Book) unclear(r *row) bool {
	key := string(r.Host)
	if _, apart := b.apart(key); apart || !b.shared(key) || b.natural(key, r.at) {
		return false
	}
	return r.from.IsZero() || b.contested(key, r.at)
}

// clear returns the rows that go by names which several hosts have, be it when all
// is written. That shows in a copy.
func (b *Book) clear(rows []*row, statements []fleet.Statement, put fleet.Put) (unclear map[int]bool, err error) {
	unclear = map[int]bool{}
	var byName []int
	stated := map[string]bool{}
	for _, r := range rows {
		stated[r.Name] = stated[r.Name] || r.Name != string(r.Host)
	}
	for i, r := range rows {
		switch {
		case b.unclear(r):
			unclear[i] = true
		case b.foundByName(r), stated[string(r.Host)]:
			byName = append(byName, i)
		}
	}
	for more := len(byName) > 0; more; {
		again, err := b.readRows(statements, put) // writing changes rows
		if err != nil {
			return nil, err
		}
		trial := b.Clone()
		newWriting(trial, put).run(without(again, unclear))
		more = false
		twice := map[string]bool{} // stated of several hosts by these rows
		for _, r := range again {
			twice[r.Name] = twice[r.Name] || r.ambiguous != ""
		}
		for _, i := range byName {
			key := string(rows[i].Host)
			_, apart := b.apart(key)
			if !unclear[i] && (trial.unclear(rows[i]) || twice[key] && !apart && !b.natural(key, rows[i].at)) {
				unclear[i], more = true, true
			}
		}
	}
	return unclear, nil
}

// without is rows but for some.
func without(rows []*row, some map[int]bool) []*row {
	if len(some) == 0 {
		return rows
	}
	var out []*row
	for i, r := range rows {
		if !some[i] {
			out = append(out, r)
		}
	}
	return out
}

// run writes rows.
func (w *writing) run(rows []*row) {
	w.identify(rows)
	groups := groupBy(rows, func(r *row) string { return string(r.host) })
	names := make([][]op, len(groups))
	for i, of := range groups {
		names[i] = w.apply(of)
	}
	for i, of := range groups { // when all names that are given up are free
		for j := range names[i] {
			w.origin = names[i][j].row.origin
			w.name(of[0].host, &names[i][j])
		}
	}
	w.aliases(rows)
	for i, of := range groups { // names that several hosts had before they had other keys
		for j := range names[i] {
			if names[i][j].contested {
				w.origin = names[i][j].row.origin
				w.name(of[0].host, &names[i][j])
			}
		}
	}
	for _, of := range groups {
		w.calledBy(w.book.get(of[0].host))
	}
	w.contend()
	if len(w.entries)+len(w.fresh) > 0 {
		w.settleAll()
	}
	for _, of := range groups {
		w.list(of)
		w.count(of)
	}
}

// readRows checks statements. Rows come in an order that does not depend on
// that of the statements, but for rows that say different things of one host
// at one time.
func (b *Book) readRows(statements []fleet.Statement, put fleet.Put) ([]*row, error) {
	if put.At.IsZero() {
		return nil, fmt.Errorf("put statements: the time of writing is missing")
	}
	rows := make([]*row, len(statements))
	for i := range statements {
		s := &statements[i]
		r := &row{Statement: s, Name: s.Name, from: clean(s.From), to: clean(s.To), origin: s.Origin}
		if r.origin == "" {
			r.origin = put.Origin
		}
		r.at = clean(put.At)
		if !put.Effective.IsZero() {
			r.at = clean(put.Effective)
		}
		if !r.from.IsZero() {
			r.at = r.from
		}
		var err error
		switch {
		case strings.HasPrefix(string(s.Host), exact) && b.claims(string(s.Host)) == nil:
			return nil, fmt.Errorf("%w %q", fleet.ErrUnknownHost, s.Host[len(exact):])
		case s.Host == "":
			return nil, fmt.Errorf("statement %d of %d (name %q): the host is missing", i+1, len(statements), s.Name)
		case !r.from.IsZero() && !startsBefore(r.from, r.to):
			return nil, fmt.Errorf("host %s: valid_from %s is not before valid_to %s", s.Host, r.from.Format(time.RFC3339Nano), r.to.Format(time.RFC3339Nano))
		}
		for _, t := range []time.Time{r.at, r.to} {
			if !inRange(t) {
				return nil, fmt.Errorf("host %s: the year %d is out of range", s.Host, t.Year())
			}
		}
		if err = checkAliases(s.Aliases); err == nil {
			r.fields, err = fieldsOf(b.fields, s)
		}
		if err == nil && s.Inferred {
			err = r.checkInferred()
		}
		if err != nil {
			return nil, fmt.Errorf("host %s: %w", s.Host, err)
		}
		rows[i] = r
	}
	slices.SortStableFunc(rows, func(a, b *row) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), a.from.Compare(b.from), a.to.Compare(b.to), cmp.Compare(a.Name, b.Name))
	})
	return rows, nil
}

// checkInferred says what is wrong with a row of an inferred state.
func (r *row) checkInferred() error {
	switch {
	case len(r.fields) != 1 || r.fields[0].column != "state" || len(r.Aliases) > 0:
		return errors.New("only a state is inferred, and nothing is stated with it")
	case r.State != fleet.StateRunning && r.State != fleet.StateStopped:
		return fmt.Errorf("the state %q cannot be inferred", r.State)
	case r.from.IsZero() || r.to.IsZero():
		return errors.New("an inferred state needs valid_from and valid_to")
	}
	return nil
}

// inRange says whether a time can be kept: zero, or of a year with four digits.
func inRange(t time.Time) bool {
	return t.IsZero() || (t.Year() >= 1000 && t.Year() <= 9999)
}

// groupBy cuts rows into those of one key, in the order of first appearance.
func groupBy(rows []*row, key func(*row) string) [][]*row {
	at := make(map[string]int, len(rows))
	var out [][]*row
	for _, r := range rows {
		k := key(r)
		i, ok := at[k]
		if !ok {
			i = len(out)
			at[k] = i
			out = append(out, nil)
		}
		out[i] = append(out[i], r)
	}
	return out
}

// apply writes the rows of one host, and returns what they say of its name.
func (w *writing) apply(rows []*row) (names []op) {
	id := rows[0].host
	w.extend(id, rows)
	ops := w.plan(id, rows)
	for _, o := range ops {
		w.origin = o.row.origin
		o.wrote = w.write(id, &o, ops)
		if o.column == "name" {
			names = append(names, o)
		}
	}
	w.infer(id, rows)
	return names
}

// infer learns the states that rows conclude, where nobody stated one.
func (w *writing) infer(id fleet.HostID, rows []*row) {
	var list []*row
	for _, r := range rows {
		if r.Inferred {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b *row) int {
		return cmp.Or(a.from.Compare(b.from), a.to.Compare(b.to), cmp.Compare(a.State, b.State), cmp.Compare(a.origin, b.origin))
	})
	for _, r := range list {
		w.origin = r.origin
		old := w.book.get(id).line("state").whole()
		l := old.infer(span{from: r.from, value: string(r.State), known: true, stated: r.from, inferred: true}, r.to)
		if slices.Equal(l, old) {
			continue
		}
		h := w.book.changed(id)
		w.note(h, Change{Field: "state", Kind: Inferred, To: string(r.State), Effective: r.from, Until: r.to})
		for i := range l {
			if l[i].inferred && !slices.Contains(old, l[i]) {
				l[i].write = w.entries[id]
			}
		}
		h.setLine("state", l)
	}
}

// list keeps when a cloud's listing named a host as one that is there.
func (w *writing) list(rows []*row) {
	at := w.at()
	named := func(r *row) bool { return r.origin == fleet.OriginCloud && !r.gone }
	if h := w.book.get(rows[0].host); at.After(h.listed) && slices.ContainsFunc(rows, named) {
		w.book.write(h.id).listed = at
	}
}

// count counts what became of the rows of one host.
func (w *writing) count(rows []*row) {
	h := w.book.get(rows[0].host)
	action := ""
	if i, ok := w.entries[h.id]; ok {
		action = h.history[i].Action
	}
	switch {
	case slices.ContainsFunc(rows, func(r *row) bool { return r.added }):
		w.result.Added++
	case action == Changed:
		w.result.Changed++
	case action == Corrected:
		w.result.Corrected++
	case action == Learned || action == Named || action == Inferred:
		w.result.Learned++
	default: // what was left out of a host in conflict changed nothing
		w.result.Unchanged++
	}
}

// extend widens the validity that inventories state of a host.
func (w *writing) extend(id fleet.HostID, rows []*row) {
	h := w.book.get(id)
	launched, ended := h.launched, h.ended
	for _, r := range rows {
		if r.Inferred {
			continue
		}
		launched = earliest(launched, r.from)
		ended = latest(ended, r.to)
	}
	if launched != h.launched || ended != h.ended {
		h = w.book.changed(id)
		h.launched, h.ended = launched, ended
	}
}

// op is what one row states of one field.
type op struct {
	stated
	row *row
	// from is set by valid_from, to by valid_to or a later row of the field.
	from, to time.Time
	at       time.Time
	// until: the field had the value before to, since when is not said.
	until bool
	// after: rows of the same put say what the field was until then.
	after time.Time
	// wrote: the line was not as the op states it.
	wrote bool
	// contested: several hosts have the name.
	contested bool
}

// plan lists what rows of one host state, in the order of time. A field of
// which they state two things of one time is left out and is a conflict.
func (w *writing) plan(id fleet.HostID, rows []*row) []op {
	byField := map[string][]op{}
	var columns []string
	for _, r := range rows {
		if r.Inferred {
			continue
		}
		for _, s := range r.fields {
			if byField[s.column] == nil {
				columns = append(columns, s.column)
			}
			byField[s.column] = append(byField[s.column], op{stated: s, row: r, from: r.from, to: r.to, at: r.at})
		}
	}
	slices.Sort(columns) // instance_type before memory_bytes and vcpus: a change of it drops those stated before
	var out []op
	for _, c := range columns {
		ops := byField[c]
		bound(ops)
		slices.SortStableFunc(ops, byTime)
		if reason := contradiction(ops); reason != "" {
			w.conflict(id, conflict{Kind: conflictRows, Key: c, Reason: reason})
			continue
		}
		out = append(out, ops...)
	}
	slices.SortStableFunc(out, byTime)
	return out
}

// byTime orders ops by when they hold: first those of which only the end is
// said.
func byTime(a, b op) int {
	if a.until != b.until {
		if a.until {
			return -1
		}
		return 1
	}
	return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.column, b.column), cmp.Compare(a.value, b.value))
}

// bound ends ops of one field: a row without valid_from beside rows with one is
// what was before them.
func bound(ops []op) {
	var first, until time.Time
	for _, o := range ops {
		first = earliest(first, o.from)
	}
	for i := range ops {
		o := &ops[i]
		if !o.from.IsZero() {
			continue
		}
		if !first.IsZero() && !first.After(o.at) && endsBefore(first, o.to) {
			o.to = first
		}
		o.until = !o.to.IsZero() && !o.at.Before(o.to)
		if o.until {
			o.at = o.to
			until = latest(until, o.to)
		}
	}
	for i := range ops {
		ops[i].after = until
	}
}

// contradiction says which two ops of a field, in order, state different values
// of one time.
func contradiction(ops []op) string {
	reach := -1 // the op of those before that ends last, among those that say when
	for i := range ops {
		o := &ops[i]
		if i > 0 && ops[i-1].until == o.until && (o.until || ops[i-1].at.Equal(o.at)) && !ops[i-1].agrees(o) {
			return fmt.Sprintf("two rows state %s as %s and as %s at the same time", o.column, ops[i-1].quoted(), o.quoted())
		}
		if !o.until && reach >= 0 && startsBefore(o.at, ops[reach].to) && !ops[reach].agrees(o) {
			return fmt.Sprintf("a row states %s as %s until %s, another as %s from %s on", o.column, ops[reach].quoted(),
				ops[reach].to.Format(time.RFC3339Nano), o.quoted(), o.at.Format(time.RFC3339Nano))
		}
		if !o.to.IsZero() && (reach < 0 || endsBefore(ops[reach].to, o.to)) {
			reach = i
		}
	}
	return ""
}

func (o *op) agrees(x *op) bool { return o.known == x.known && o.value == x.value }

func (s *stated) quoted() string {
	if !s.known {
		return "unknown"
	}
	return fmt.Sprintf("%q", s.value)
}

// A piece is a part of a line that an op sets.
type piece struct {
	from, to time.Time
	old      span
	kind     string
}

// pieces returns what an op sets in a line. It is a reason where the op
// contradicts the line.
func (o *op) pieces(l line, correct bool) (out []piece, reason string) {
	l = l.whole()
	if o.until {
		i := l.atEnd(o.to)
		if l[i].known && !correct && (l[i].value != o.value || !o.known) {
			return nil, fmt.Sprintf("%s is stated as %s until %s, but not since when; before that %q is known: state valid_from",
				o.column, o.quoted(), o.to.Format(time.RFC3339Nano), l[i].value)
		}
		return o.add(nil, l[i], l[i].from, o.to, correct), ""
	}
	i := l.at(o.at)
	start := o.at
	if o.from.IsZero() && (correct || !l[i].known) {
		start = latest(l[i].from, o.after)
	}
	if o.to.IsZero() {
		return o.add(nil, l[i], start, l.end(i), correct), ""
	}
	for ; i < len(l) && startsBefore(l[i].from, o.to); i++ {
		end := l.end(i)
		if endsBefore(o.to, end) {
			end = o.to
		}
		out = o.add(out, l[i], latest(start, l[i].from), end, correct)
	}
	return out, ""
}

func (o *op) add(list []piece, old span, from, to time.Time, correct bool) []piece {
	if old.known == o.known && old.value == o.value {
		return list
	}
	kind := Changed
	switch {
	case !old.known:
		kind = Learned
	case correct:
		kind = Corrected
	}
	return append(list, piece{from, to, old, kind})
}

// write applies an op, one of ops, to a host, and says whether that changed anything.
func (w *writing) write(id fleet.HostID, o *op, ops []op) bool {
	old := w.book.get(id).line(o.column)
	pieces, reason := o.pieces(old.said(), w.put.Correct)
	pieces = old.around(pieces, o.at)
	if reason != "" {
		w.conflict(id, conflict{Kind: conflictRows, Key: o.column, Reason: reason})
		return false
	}
	w.settle(id, conflictRows, o.column)
	if len(pieces) == 0 {
		if o.column == "state" && o.known {
			w.restate(id, o)
		}
		return false
	}
	h := w.book.changed(id)
	for _, p := range pieces {
		w.note(h, Change{Field: o.column, Kind: p.kind, From: p.old.value, To: o.value, Effective: p.from, Until: p.to})
		s := span{from: p.from, value: o.value, known: o.known, write: w.entries[id]}
		if o.column == "state" && o.known {
			s.stated = o.at
		}
		if o.column == "name" && o.known && !h.bore(o.value) {
			w.book.bear(o.value, id)
		}
		h.setLine(o.column, h.line(o.column).set(s, p.to))
		switch {
		case o.column == "instance_type" && o.known && p.old.known:
			w.dropCapacity(h, ops, p)
		case o.column == "name":
			w.rename(id, p)
		}
	}
	return true
}

// restate keeps the earliest time at which a state was stated.
func (w *writing) restate(id fleet.HostID, o *op) {
	l := w.book.get(id).line("state")
	i := l.at(o.at)
	if o.until {
		i = l.atEnd(o.to)
	}
	if !o.at.Before(l[i].stated) {
		return
	}
	l = slices.Clone(l)
	l[i].stated = o.at
	w.book.changed(id).setLine("state", l)
}

// dropCapacity makes a stated capacity unknown where the instance type became
// another one, but for the time of which rows of the same put state it.
func (w *writing) dropCapacity(h *host, ops []op, p piece) {
	for _, column := range []string{"memory_bytes", "vcpus"} {
		from, to := p.from, p.to
		for i := range ops {
			switch o := &ops[i]; {
			case o.column != column:
			case o.until || !o.at.After(p.from) && !o.to.IsZero():
				from = latest(from, o.to)
			case o.at.Equal(p.from):
				to = p.from
			case o.at.After(p.from) && endsBefore(o.at, to):
				to = o.at
			}
		}
		if !startsBefore(from, to) {
			continue
		}
		l := h.line(column).whole()
		i := l.at(from)
		if !l[i].known {
			continue
		}
		if end := l.end(i); endsBefore(end, to) {
			to = end
		}
		w.note(h, Change{Field: column, Kind: Dropped, From: l[i].value, Effective: from, Until: to})
		h.setLine(column, l.set(span{from: from, write: w.entries[h.id]}, to))
	}
}
