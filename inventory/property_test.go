package inventory

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/leanfleet/leanfleet/fleet"
)

var epoch = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

func day(n int) time.Time { return epoch.AddDate(0, 0, n) }

// genStatement draws statements that collide often: few hosts, names and times.
func genStatement(t *rapid.T) fleet.Statement {
	pick := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
	var s fleet.Statement
	s.Host = fleet.HostID(pick("host", "i-1", "i-2", "i-3", "web", "db", "m-1"))
	s.Name = pick("name", "", "", "web", "db", "api")
	s.Region = pick("region", "", "r1", "r2")
	s.InstanceType = pick("type", "", "small", "big")
	s.State = fleet.State(pick("state", "", "", "running", "stopped", "terminated"))
	s.Capacity.VCPUs = float64(rapid.SampledFrom([]int{0, 0, 1, 2}).Draw(t, "vcpus"))
	if dept := pick("dept", "", "eng", "data"); dept != "" {
		s.Tags = fleet.Tags{"dept": dept}
	} else if rapid.IntRange(0, 5).Draw(t, "clear") == 0 {
		s.Clear = []string{"tag_dept"}
	}
	if s.Host == "web" || s.Host == "db" {
		return s // found by a name, as of the put: see docs/inventory.md on names that rows of one put move
	}
	if rapid.IntRange(0, 2).Draw(t, "aliased") == 0 {
		s.Aliases = rapid.SliceOfN(rapid.Custom(genAlias), 1, 3).Draw(t, "aliases")
	}
	from, to := rapid.IntRange(-20, 20).Draw(t, "from"), rapid.IntRange(-20, 25).Draw(t, "to")
	if from > 0 {
		s.From = day(from)
	}
	if to > max(from, 0) {
		s.To = day(to)
	}
	return s
}

// untimeNames takes the times from rows that state names, where another row finds its
// host by a name: they may move that name, to their host or away from it, which
// docs/inventory.md leaves out.
func untimeNames(list []fleet.Statement) {
	byName := func(s *fleet.Statement) bool { return s.Host == "web" || s.Host == "db" }
	for i := range list {
		for j := range list {
			if list[i].Name != "" && list[i].Host != list[j].Host && byName(&list[j]) {
				list[i].From, list[i].To = time.Time{}, time.Time{}
			}
		}
	}
}

// genAlias draws keys that are also hosts, or names.
func genAlias(t *rapid.T) fleet.Alias {
	if rapid.Bool().Draw(t, "natural") {
		return fleet.Alias{
			Kind: rapid.SampledFrom([]fleet.AliasKind{fleet.AliasInstance, fleet.AliasMachine}).Draw(t, "kind"),
			Key:  rapid.SampledFrom([]string{"i-1", "i-2", "m-1", "m-2"}).Draw(t, "key"),
		}
	}
	return fleet.Alias{
		Kind: rapid.SampledFrom([]fleet.AliasKind{fleet.AliasResource, fleet.AliasHostName}).Draw(t, "kind"),
		Key:  rapid.SampledFrom([]string{"web", "res", "box"}).Draw(t, "key"),
	}
}

func genPut(t *rapid.T) fleet.Put {
	put := fleet.Put{At: day(rapid.IntRange(1, 20).Draw(t, "at")), Correct: rapid.IntRange(0, 3).Draw(t, "correct") == 0, Origin: fleet.OriginImport}
	if n := rapid.IntRange(-10, 20).Draw(t, "effective"); n > 0 {
		put.Effective = day(n)
	}
	return put
}

// brief prints statements.
func brief(list []fleet.Statement) string {
	var b strings.Builder
	for _, s := range list {
		r := s.Record
		fmt.Fprintf(&b, "\n  host=%s %s clear=%v aliases=%v", r.Host, showRecord(&r), s.Clear, s.Aliases)
	}
	return b.String()
}

func testTypes(_, t string) (fleet.Capacity, bool) {
	switch t {
	case "small":
		return fleet.Capacity{VCPUs: 1, MemoryBytes: 1 << 30}, true
	case "big":
		return fleet.Capacity{VCPUs: 8, MemoryBytes: 8 << 30}, true
	}
	return fleet.Capacity{}, false
}

// dump is all a book tells, for comparison.
func dump(t *rapid.T, b *Book) map[string]string {
	out := map[string]string{}
	for h := range b.all {
		data, err := b.Marshal(h.id)
		if err != nil {
			t.Fatal(err)
		}
		out[string(h.id)] = string(data) + fmt.Sprint(b.Timeline(h.id), b.Members(h.id))
	}
	for _, s := range &b.keys {
		if s == nil {
			continue
		}
		for k := range s.m {
			for d := range 25 {
				id, ok := b.Resolve(k, day(d))
				out[k+" "+fmt.Sprint(d)] = fmt.Sprint(id, ok)
			}
		}
	}
	return out
}

// TestAnyWrites is the properties that hold after any writes: what checkBook
// checks, the same put again changes nothing, the order of its statements does
// not matter, a snapshot stays as it was, and everything survives a round trip.
func TestAnyWrites(t *testing.T) { rapid.Check(t, anyWrites(genStatement)) }

// TestAnyAliases is the same of statements that are mostly about keys and states,
// inferred ones too.
func TestAnyAliases(t *testing.T) { rapid.Check(t, anyWrites(genKeys)) }

// genKeys draws statements of names, keys and states.
func genKeys(t *rapid.T) fleet.Statement {
	s := fleet.Statement{Record: fleet.Record{Host: fleet.HostID(rapid.SampledFrom([]string{"i-1", "i-2", "i-3", "m-1", "web"}).Draw(t, "host"))}}
	if from := rapid.IntRange(-60, 20).Draw(t, "inferred"); from > 0 && s.Host != "web" {
		s.State, s.From, s.To = rapid.SampledFrom([]fleet.State{fleet.StateRunning, fleet.StateStopped}).Draw(t, "state"), day(from), day(from+rapid.IntRange(1, 9).Draw(t, "days"))
		s.Inferred = true
		return s
	}
	if s.Host != "web" {
		s.Name = rapid.SampledFrom([]string{"", "", "web", "db"}).Draw(t, "name")
		if from := rapid.IntRange(-20, 20).Draw(t, "from"); from > 0 {
			s.From = day(from)
		}
		s.Aliases = rapid.SliceOfN(rapid.Custom(genAlias), 0, 3).Draw(t, "aliases")
	}
	switch rapid.IntRange(0, 8).Draw(t, "ends") {
	case 0:
		s.State = fleet.StateTerminated
	case 1:
		s.State = fleet.StateStopped
	case 2:
		s.State = fleet.StateRunning
	}
	return s
}

// leftOut says whether a put left out rows whose names several hosts have.
func leftOut(r fleet.PutResult) bool {
	return slices.ContainsFunc(r.Conflicts, func(c fleet.Conflict) bool { return strings.HasSuffix(c.Reason, sayWhich) })
}

func anyWrites(statement func(*rapid.T) fleet.Statement) func(t *rapid.T) {
	return func(t *rapid.T) {
		b := NewBook(testTypes)
		for range rapid.IntRange(1, 6).Draw(t, "writes") {
			before := dump(t, b)
			snapshot, other := b.Clone(), b.Clone()
			switch rapid.IntRange(0, 4).Draw(t, "write") {
			case 0:
				from := rapid.IntRange(0, 20).Draw(t, "seen")
				id := b.Ensure(rapid.SampledFrom([]string{"web", "db", "x", "m-1"}).Draw(t, "key"), day(from), fleet.Put{At: day(from)})
				b.See(id, fleet.Window{Start: day(from), End: day(from + 1)})
			case 1:
				hosts := b.Hosts()
				if len(hosts) < 2 {
					break
				}
				into, from := rapid.SampledFrom(hosts).Draw(t, "into"), rapid.SampledFrom(hosts).Draw(t, "from")
				_ = b.Merge(string(into), string(from), fleet.Put{At: day(10)})
			default:
				put := genPut(t)
				statements := rapid.SliceOfN(rapid.Custom(statement), 1, 4).Draw(t, "statements")
				untimeNames(statements)
				first, err := b.Put(statements, put)
				if err != nil {
					t.Fatal(err)
				}
				shuffled := rapid.Permutation(statements).Draw(t, "order")
				if _, err := other.Put(shuffled, put); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(dump(t, b), dump(t, other)); diff != "" {
					t.Fatalf("another order of the statements gives another book (-first +other):\n%s", diff)
				}
				after := dump(t, b)
				again, err := b.Put(statements, put)
				if leftOut(first) {
					break // what a name did not find may be found now
				}
				if err != nil || again.Added+again.Changed+again.Corrected+again.Learned > 0 {
					t.Fatalf("put again: %+v, %v, after %+v of %s %+v", again, err, first, brief(statements), put)
				}
				if diff := cmp.Diff(after, dump(t, b)); diff != "" {
					t.Fatalf("the same put again changes the book:\n%s", diff)
				}
			}
			checkBook(t, b)
			if diff := cmp.Diff(before, dump(t, snapshot)); diff != "" {
				t.Fatalf("the snapshot changed:\n%s", diff)
			}
		}
		read := NewBook(testTypes)
		ids := b.Touched()
		for _, id := range rapid.Permutation(ids).Draw(t, "read in") {
			data, err := b.Marshal(id)
			if err != nil {
				t.Fatal(err)
			}
			if err := read.Unmarshal(data); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(dump(t, b), dump(t, read)); diff != "" {
			t.Fatalf("read back (-written +read):\n%s", diff)
		}
		if len(read.Touched()) > 0 {
			t.Fatalf("reading touched %v", read.Touched())
		}
	}
}

// TestPutAgain is puts that TestAnyWrites found to change the book when they were put
// again: the second and third of each are equal.
func TestPutAgain(t *testing.T) {
	s := func(host, name string, of fleet.Record) fleet.Statement {
		of.Host, of.Name = fleet.HostID(host), name
		return fleet.Statement{Record: of}
	}
	for _, c := range []struct {
		name      string
		first     []fleet.Statement
		into      string // "i-1" is merged into this
		again     []fleet.Statement
		conflicts int
	}{
		{
			"a terminated host and two that contend for its name, which finds one of them later",
			[]fleet.Statement{s("i-2", "db", fleet.Record{From: day(2)}), s("i-1", "", fleet.Record{Region: "r1"})}, "",
			[]fleet.Statement{
				s("i-1", "db", fleet.Record{State: fleet.StateTerminated}), s("m-1", "db", fleet.Record{}),
				s("db", "", fleet.Record{State: fleet.StateRunning}), s("i-2", "db", fleet.Record{}),
			},
			3,
		},
		{
			"two rows of one merged host, one of which says that the other's key is natural, and a row of their name",
			[]fleet.Statement{
				{Record: fleet.Record{Host: "i-2"}, Aliases: []fleet.Alias{{Kind: fleet.AliasResource, Key: "web"}}},
				s("i-3", "", fleet.Record{Region: "r1"}), s("i-1", "", fleet.Record{Region: "r1"}),
			}, "i-3",
			[]fleet.Statement{
				s("web", "api", fleet.Record{InstanceType: "small"}),
				{Record: fleet.Record{Host: "i-3", Name: "web"}, Aliases: []fleet.Alias{{Kind: fleet.AliasInstance, Key: "i-1"}}},
				s("i-1", "web", fleet.Record{InstanceType: "big"}),
			},
			2,
		},
		{
			"a name that a host had until the put, a terminated one that states it, and two that rename each other",
			[]fleet.Statement{s("i-1", "db", fleet.Record{To: day(1), Region: "r1"})}, "",
			[]fleet.Statement{
				s("i-2", "db", fleet.Record{State: fleet.StateTerminated, Tags: fleet.Tags{"dept": "eng"}}),
				s("web", "db", fleet.Record{Tags: fleet.Tags{"dept": "eng"}}),
				{Record: fleet.Record{Host: "db", Name: "web"}, Clear: []string{"tag_dept"}},
			},
			2,
		},
		{
			"two that rename each other, one of which another row means by its id",
			[]fleet.Statement{
				{Record: fleet.Record{Host: "i-2"}, Aliases: []fleet.Alias{{Kind: fleet.AliasResource, Key: "web"}}},
				s("db", "", fleet.Record{Region: "r1"}), s("i-1", "", fleet.Record{Region: "r1"}),
			}, "db",
			[]fleet.Statement{
				s("web", "db", fleet.Record{State: fleet.StateStopped}), s("db", "web", fleet.Record{State: fleet.StateRunning}),
				{Record: fleet.Record{Host: "i-1", Name: "web"}, Aliases: []fleet.Alias{{Kind: fleet.AliasInstance, Key: "i-1"}}},
			},
			3,
		},
		{
			"a name that contradicts another of its host, that a terminated one states, and that finds a third",
			[]fleet.Statement{s("i-1", "web", fleet.Record{From: day(3)}), s("i-2", "", fleet.Record{Region: "r1"})}, "",
			[]fleet.Statement{
				s("m-1", "web", fleet.Record{State: fleet.StateTerminated}), s("i-2", "db", fleet.Record{}),
				s("db", "web", fleet.Record{}), s("web", "api", fleet.Record{Region: "r1"}),
			},
			2,
		},
	} {
		b := NewBook(testTypes)
		put := fleet.Put{At: day(1), Origin: fleet.OriginImport}
		if _, err := b.Put(c.first, put); err != nil {
			t.Fatal(err)
		}
		if c.into != "" {
			if err := b.Merge(c.into, "i-1", put); err != nil {
				t.Fatal(err)
			}
		}
		var after [2]map[string]string
		for i := range after {
			r, err := b.Put(c.again, put)
			if err != nil || len(r.Conflicts) != c.conflicts {
				t.Errorf("%s: put %d: %v, %v", c.name, i+2, r.Conflicts, err)
			}
			if after[i] = map[string]string{}; err == nil {
				for _, id := range b.Hosts() {
					data, _ := b.Marshal(id)
					after[i][string(id)] = string(data)
				}
			}
		}
		if diff := cmp.Diff(after[0], after[1]); diff != "" {
			t.Errorf("%s: put again (-before +after):\n%s", c.name, diff)
		}
	}
}

// TestLineModel puts random statements of one field, and compares with a model
// that has one value a day.
func TestLineModel(t *testing.T) {
	const days = 12
	rapid.Check(t, func(t *rapid.T) {
		var model [days]string // "" unknown; the first is all time before, the last all after
		b := NewBook(nil)
		b.Ensure("h", day(0), fleet.Put{At: day(0)})
		for range rapid.IntRange(1, 8).Draw(t, "puts") {
			value := rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(t, "value")
			at := rapid.IntRange(1, days-1).Draw(t, "at")
			explicit := rapid.Bool().Draw(t, "from")
			to := rapid.IntRange(0, days-1).Draw(t, "to")
			correct := rapid.Bool().Draw(t, "correct")
			s := fleet.Statement{Record: fleet.Record{Host: "h", Region: value}}
			if value == "" {
				s.Clear = []string{"region"}
			}
			put := fleet.Put{At: day(at), Correct: correct}
			if explicit {
				s.From = day(at)
			}
			switch {
			case explicit && to <= at:
				to = 0
			case to > 0:
				s.To = day(to)
			}
			if _, err := b.Put([]fleet.Statement{s}, put); err != nil {
				t.Fatal(err)
			}
			apply(&model, value, at, to, explicit, correct)
			l := b.get("h").line("region").whole()
			for d := range days {
				if got := l[l.at(day(d))]; got.value != model[d] || got.known != (model[d] != "") {
					t.Fatalf("day %d: %q, want %q of %q", d, got.value, model[d], model)
				}
			}
		}
	})
}

// apply is the rules, day by day.
func apply(model *[12]string, value string, at, to int, explicit, correct bool) {
	if to > 0 && !explicit && to <= at { // only until when
		last := model[to-1]
		if last != "" && !correct {
			return
		}
		for d := to - 1; d >= 0 && model[d] == last; d-- {
			defer func() { model[d] = value }()
		}
		return
	}
	old := *model
	for d := range model {
		reached := d >= at
		if !explicit && (old[at] == "" || correct) && d < at { // back to where the field is as it is at the time
			reached = true
			for x := d; x < at; x++ {
				reached = reached && old[x] == old[at]
			}
		}
		if to > 0 {
			reached = reached && d < to
		} else {
			for x := at; x <= d; x++ {
				reached = reached && old[x] == old[at] // until the next known change
			}
		}
		if reached {
			model[d] = value
		}
	}
}

// TestHistoryInAnyOrder puts rows with valid_from one by one: the order does
// not matter.
func TestHistoryInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 6).Draw(t, "rows")
		order := rapid.Permutation(slices.Collect(func(yield func(int) bool) {
			for i := range n {
				if !yield(i) {
					return
				}
			}
		})).Draw(t, "order")
		b := NewBook(nil)
		sampled := rapid.IntRange(0, n).Draw(t, "sampled after")
		for i, row := range order {
			if i == sampled {
				b.See(b.Ensure("h", day(0), fleet.Put{At: day(50)}), fleet.Window{Start: day(0), End: day(1)})
			}
			s := fleet.Statement{Record: fleet.Record{Host: "h", From: day(row + 1), Region: fmt.Sprint(row)}}
			if _, err := b.Put([]fleet.Statement{s}, fleet.Put{At: day(40)}); err != nil {
				t.Fatal(err)
			}
		}
		timeline := b.Timeline("h")
		if sampled < n {
			if r := timeline[0]; r.Region != "" || !r.From.IsZero() || !r.To.Equal(day(1)) {
				t.Fatalf("before the first row: %+v", r)
			}
			timeline = timeline[1:]
		}
		if len(timeline) != n {
			t.Fatalf("%d records of %d rows: %v", len(timeline), n, timeline)
		}
		for i, r := range timeline {
			if r.Region != fmt.Sprint(i) || !r.From.Equal(day(i+1)) {
				t.Fatalf("record %d: %+v", i, r)
			}
		}
	})
}

// FuzzUnmarshal reads any bytes: an error, or a host that works and survives a
// round trip.
func FuzzUnmarshal(f *testing.F) {
	b := NewBook(nil)
	one := fleet.Statement{Record: fleet.Record{Host: "i-1", Name: "web", Region: "r", State: fleet.StateRunning, Disks: []fleet.Disk{{Type: "a;b%", GiB: 1}}, Tags: fleet.Tags{"dept": ""}}}
	for _, at := range []int{1, 2} {
		if _, err := b.Put([]fleet.Statement{one}, fleet.Put{At: day(at), Who: "w"}); err != nil {
			f.Fatal(err)
		}
		one.Name, one.Region, one.From, one.To = "web2", "r2", day(5), day(6)
	}
	b.See(b.Ensure("x", day(1), fleet.Put{At: day(1)}), fleet.Window{Start: day(1), End: day(2)})
	for _, s := range []fleet.Statement{
		{Record: fleet.Record{Host: "x"}, Aliases: []fleet.Alias{{Kind: fleet.AliasMachine, Key: "m"}, {Kind: fleet.AliasHostName, Key: "x.local"}}},
		{Record: fleet.Record{Host: "x", State: fleet.StateStopped, From: day(3), To: day(4)}, Inferred: true},
	} {
		if _, err := b.Put([]fleet.Statement{s}, fleet.Put{At: day(5)}); err != nil {
			f.Fatal(err)
		}
	}
	if err := b.Merge("i-1", "x", fleet.Put{At: day(3)}); err != nil {
		f.Fatal(err)
	}
	for _, id := range b.Touched() {
		data, err := b.Marshal(id)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if quickly, fields, ok := quickDocument(data); ok {
			var slowly document
			if err := json.Unmarshal(data, &slowly); err != nil {
				t.Fatalf("only the quick reader takes it: %v", err)
			}
			if fields != nil {
				quickly.Fields = map[string][]spanDocument{}
			}
			for _, f := range fields {
				quickly.Fields[f.column] = f.list
			}
			if diff := cmp.Diff(slowly, quickly); diff != "" {
				t.Fatal(diff)
			}
		}
		b := NewBook(testTypes)
		if b.Unmarshal(data) != nil {
			if len(b.Hosts()) > 0 {
				t.Fatal("an error left a host")
			}
			return
		}
		checkBook(t, b)
		for _, id := range b.Hosts() {
			out, err := b.Marshal(id)
			if err != nil {
				t.Fatal(err)
			}
			c := NewBook(testTypes)
			if err := c.Unmarshal(out); err != nil {
				t.Fatalf("%v in %s", err, out)
			}
			if diff := cmp.Diff(b.Timeline(id), c.Timeline(id)); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}
