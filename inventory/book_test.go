package inventory

import (
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leanfleet/leanfleet/fleet"
)

// fleetOf is an inventory of n hosts as a cloud states them.
func fleetOf(n int) []fleet.Statement {
	out := make([]fleet.Statement, n)
	for i := range out {
		addresses := i % 2
		out[i] = fleet.Statement{Record: fleet.Record{
			Host: fleet.HostID(fmt.Sprintf("aws/1/i-%06d", i)), Name: fmt.Sprintf("web-%d", i),
			Provider: "aws", Account: "1", Region: "eu-west-1", Zone: "eu-west-1a", InstanceType: []string{"small", "big"}[i%2],
			OS: "linux", Arch: "amd64", State: fleet.StateRunning, Purchase: fleet.PurchaseOnDemand,
			Disks: []fleet.Disk{{Type: "gp3", GiB: 100}}, Addresses: &addresses,
			Tags: fleet.Tags{"dept": []string{"eng", "data", "ops"}[i%3], "env": "prod"},
		}}
	}
	return out
}

func filled(t testing.TB, n int) *Book {
	t.Helper()
	b := NewBook(testTypes)
	r, err := b.Put(fleetOf(n), fleet.Put{At: day(10)})
	if err != nil || r.Added != n || len(r.Conflicts) > 0 {
		t.Fatalf("%+v %v", r, err)
	}
	for _, id := range b.Hosts() {
		b.See(id, fleet.Window{Start: day(1), End: day(9)})
	}
	return b
}

func TestPutRefuses(t *testing.T) {
	good := fleet.Statement{Record: fleet.Record{Host: "good", Region: "r"}}
	for want, s := range map[string]fleet.Statement{
		"host bad: vcpus: NaN vCPUs are not a size":     {Record: fleet.Record{Host: "bad", Capacity: fleet.Capacity{VCPUs: nan()}}},
		"host bad: vcpus: -1 vCPUs are not a size":      {Record: fleet.Record{Host: "bad", Capacity: fleet.Capacity{VCPUs: -1}}},
		"host bad: memory_bytes: -1 bytes of memory":    {Record: fleet.Record{Host: "bad", Capacity: fleet.Capacity{MemoryBytes: -1}}},
		"host bad: disks: disk \"a:-1\" is not":         {Record: fleet.Record{Host: "bad", Disks: []fleet.Disk{{Type: "a", GiB: -1}}}},
		"host bad: public_addresses: -1 public":         {Record: fleet.Record{Host: "bad", Addresses: pointer(-1)}},
		"host bad: state: unknown state \"asleep\"":     {Record: fleet.Record{Host: "bad", State: "asleep"}},
		"host bad: purchase: unknown purchase option":   {Record: fleet.Record{Host: "bad", Purchase: "barter"}},
		"host bad: a tag without a key":                 {Record: fleet.Record{Host: "bad", Tags: fleet.Tags{"": "x"}}},
		"host bad: clear: unknown field \"tag_\"":       {Record: fleet.Record{Host: "bad"}, Clear: []string{"tag_"}},
		"statement 2 of 2 (name \"n\"): the host is":    {Record: fleet.Record{Name: "n"}},
		"host bad: the year 10000 is out of range":      {Record: fleet.Record{Host: "bad", From: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}},
		"host bad: valid_from 2024-01-02T00:00:00Z is ": {Record: fleet.Record{Host: "bad", From: day(1), To: day(1)}},
		"host bad: alias \"k\": unknown kind \"name\"":  {Record: fleet.Record{Host: "bad"}, Aliases: []fleet.Alias{{Kind: AliasName, Key: "k"}}},
		"host bad: alias of kind machine_id: the key":   {Record: fleet.Record{Host: "bad"}, Aliases: []fleet.Alias{{Kind: fleet.AliasMachine}}},
		"host bad: only a state is inferred":            {Record: fleet.Record{Host: "bad", State: fleet.StateStopped, OS: "linux", From: day(1), To: day(2)}, Inferred: true},
		"host bad: the state \"terminated\" cannot":     {Record: fleet.Record{Host: "bad", State: fleet.StateTerminated, From: day(1), To: day(2)}, Inferred: true},
		"host bad: an inferred state needs":             {Record: fleet.Record{Host: "bad", State: fleet.StateStopped, From: day(1)}, Inferred: true},
	} {
		b := NewBook(nil)
		_, err := b.Put([]fleet.Statement{good, s}, fleet.Put{At: day(1)})
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
		if len(b.Hosts()) > 0 || len(b.Touched()) > 0 {
			t.Errorf("%s: something was written", want)
		}
	}
	if _, err := NewBook(nil).Put([]fleet.Statement{good}, fleet.Put{}); err == nil {
		t.Error("no time of writing, and no error")
	}
}

func nan() float64 {
	zero := 0.0
	return zero / zero
}

func pointer(n int) *int { return &n }

func TestUnknownHost(t *testing.T) {
	b := filled(t, 20)
	if err := b.Merge("web-1", "wbe-2", fleet.Put{At: day(11)}); !errors.Is(err, fleet.ErrUnknownHost) || !strings.Contains(err.Error(), "web-2") {
		t.Error(err)
	}
	if _, err := b.Marshal("nobody"); !errors.Is(err, fleet.ErrUnknownHost) {
		t.Error(err)
	}
	if b.Timeline("nobody") != nil || b.Members("nobody") != nil {
		t.Error("a host nobody knows has something")
	}
	if _, ok := b.Host("nobody"); ok {
		t.Error("a host nobody knows is known")
	}
	b.See("nobody", fleet.Window{Start: day(1), End: day(2)})
	if near := b.Nearest("WEB-7", 2); len(near) == 0 || near[0] != "web-7" {
		t.Error(near)
	}
	if near := b.Nearest("i-000007", 1); len(near) == 0 || near[0] != "aws/1/i-000007" {
		t.Error(near)
	}
	if near := b.Nearest("zzzzzzzzzzzzzzzzzzzzzzzz", 2); near != nil {
		t.Error(near)
	}
}

// TestCloneBesideReaders writes to a book while snapshots of it are read and
// cloned; the race detector watches.
func TestCloneBesideReaders(t *testing.T) {
	b := filled(t, 300)
	var wg sync.WaitGroup
	for round := range 8 {
		snapshot := b.Clone()
		want := len(snapshot.Hosts())
		wg.Add(2)
		for range 2 {
			go func() {
				defer wg.Done()
				for _, c := range []*Book{snapshot, snapshot.Clone()} {
					if got := c.Records(fleet.MustSelector("region=eu-west-1"), fleet.Window{}); len(got) != 300+300*round {
						t.Errorf("round %d: %d records", round, len(got))
					}
					if len(c.Hosts()) != want || len(c.Conflicts()) != 0 {
						t.Errorf("round %d: %d hosts", round, len(c.Hosts()))
					}
				}
			}()
		}
		statements := fleetOf(300)
		for i := range statements {
			statements[i].Tags["dept"] = fmt.Sprint(round)
		}
		if _, err := b.Put(statements, fleet.Put{At: day(20 + round)}); err != nil {
			t.Fatal(err)
		}
		b.See(b.Ensure(fmt.Sprint("new-", round), day(1), fleet.Put{At: day(1)}), fleet.Window{Start: day(1), End: day(2)})
	}
	wg.Wait()
}

func TestTouched(t *testing.T) {
	b := filled(t, 3)
	all := b.Touched()
	if len(all) != 3 {
		t.Fatal(all)
	}
	b.ClearTouched()
	b.See(all[1], fleet.Window{Start: day(2), End: day(3)}) // inside what was seen
	if got := b.Touched(); len(got) > 0 {
		t.Fatal(got)
	}
	b.See(all[1], fleet.Window{Start: day(2), End: day(30)})
	if got := b.Touched(); !slices.Equal(got, all[1:2]) {
		t.Fatal(got)
	}
	snapshot := b.Clone()
	b.ClearTouched()
	if err := b.Merge(string(all[0]), string(all[2]), fleet.Put{At: day(30)}); err != nil {
		t.Fatal(err)
	}
	if got := b.Touched(); !slices.Equal(got, []fleet.HostID{all[0], all[2]}) {
		t.Fatal(got)
	}
	if got := snapshot.Touched(); !slices.Equal(got, all[1:2]) {
		t.Fatal(got)
	}
	merged, _ := b.Host(all[2])
	if merged.Into != all[0] || merged.History[len(merged.History)-1].Action != Merged {
		t.Fatalf("%+v", merged)
	}
	b.See(all[2], fleet.Window{Start: day(30), End: day(40)}) // of the one host now
	if seen := b.Timeline(all[0])[0].Seen; !seen.End.Equal(day(40)) {
		t.Fatal(seen)
	}
}

// TestSeenOnly checks that a timeline shown before is not changed by what is
// seen later.
func TestSeenOnly(t *testing.T) {
	b := filled(t, 1)
	id := b.Hosts()[0]
	before := b.Timeline(id)
	b.See(id, fleet.Window{Start: day(9), End: day(20)})
	if !before[0].Seen.End.Equal(day(9)) || !b.Timeline(id)[0].Seen.End.Equal(day(20)) {
		t.Fatal(before[0].Seen, b.Timeline(id)[0].Seen)
	}
}

func TestUnmarshalRefuses(t *testing.T) {
	for doc, want := range map[string]string{
		`{"version":1,"host":"h","fields":{"region":[{"value":"r","inferred":true}]}}`: "read host h: field region: value 1 cannot be inferred",
		`{`:                                   "read a host: ",
		`{"version":2,"host":"h"}`:            "read host h: its document has version 2, this program reads version 1",
		`{"version":1}`:                       "read host : the id is missing",
		`{"version":1,"host":"h","into":"h"}`: "read host h: it is merged into itself",
		`{"version":1,"host":"h","keyed":3}`:  "read host h: json",
		`{"version":1,"host":"h","seen":{"start":"2024-01-02T00:00:00Z","end":"2024-01-01T00:00:00Z"}}`: "read host h: its samples run from",
		`{"version":1,"host":"h","launched":"0100-01-01T00:00:00Z"}`:                                    "read host h: it is valid from",
		`{"version":1,"host":"h","aliases":[{"key":"k","kind":"x"}]}`:                                   "read host h: alias 1 (\"k\") is not one",
		`{"version":1,"host":"h","fields":{"colour":[{"value":"x"}]}}`:                                  "read host h: field colour: unknown field",
		`{"version":1,"host":"h","fields":{"state":[{"value":"asleep"}]}}`:                              "read host h: field state: unknown state",
		`{"version":1,"host":"h","fields":{"region":[]}}`:                                               "read host h: field region: it does not begin",
		`{"version":1,"host":"h","fields":{"region":[{"value":"x"},{"value":"y"}]}}`:                    "read host h: field region: value 2 does not follow",
	} {
		b := NewBook(nil)
		if err := b.Unmarshal([]byte(doc)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %s", doc, err, want)
		}
		if len(b.Hosts()) > 0 {
			t.Errorf("%s: a host is there", doc)
		}
	}
}

// TestUnmarshalReplaces reads a host over itself: keys it no longer has go.
func TestUnmarshalReplaces(t *testing.T) {
	b := NewBook(nil)
	if _, err := b.Put([]fleet.Statement{{Record: fleet.Record{Host: "i-1", Name: "old"}}}, fleet.Put{At: day(1)}); err != nil {
		t.Fatal(err)
	}
	if err := b.Unmarshal([]byte(`{"version":1,"host":"i-1","aliases":[{"key":"new","kind":"name"}]}`)); err != nil {
		t.Fatal(err)
	}
	if _, ok := b.Resolve("old", day(1)); ok {
		t.Error("the old name finds something")
	}
	if id, _ := b.Resolve("new", day(1)); id != "i-1" {
		t.Error("the new name finds", id)
	}
	// A circle of merges ends.
	for _, doc := range []string{`{"version":1,"host":"a","into":"b"}`, `{"version":1,"host":"b","into":"a"}`, `{"version":1,"host":"c","into":"a"}`} {
		if err := b.Unmarshal([]byte(doc)); err != nil {
			t.Fatal(err)
		}
	}
	b.Timeline("c")
	b.Hosts()
}

func TestSets(t *testing.T) {
	s := Sets{"critical": fleet.MustSelector("env=prod"), "web": fleet.MustSelector("name=~web-.*"), "dev": fleet.MustSelector("env=dev")}
	r := fleet.Record{Host: "i-1", Name: "web-1", Tags: fleet.Tags{"env": "prod"}}
	if got := s.Of(&r); !slices.Equal(got, []string{"critical", "web"}) {
		t.Error(got)
	}
	if got := s.Names(); !slices.Equal(got, []string{"critical", "dev", "web"}) {
		t.Error(got)
	}
	if got := (Sets)(nil).Of(&r); got != nil {
		t.Error(got)
	}
}

// TestDisks checks that types with the separators come back.
func TestDisks(t *testing.T) {
	b := NewBook(nil)
	want := []fleet.Disk{{Type: "a;b:c%3B%", GiB: 0.1}, {Type: "", GiB: 1e6}}
	if _, err := b.Put([]fleet.Statement{{Record: fleet.Record{Host: "h", Disks: want}}}, fleet.Put{At: day(1)}); err != nil {
		t.Fatal(err)
	}
	if got := b.Timeline("h")[0].Disks; !slices.Equal(got, want) {
		t.Error(got)
	}
}

func BenchmarkPut10000Hosts(b *testing.B) {
	statements := fleetOf(10_000)
	for b.Loop() {
		if _, err := NewBook(testTypes).Put(statements, fleet.Put{At: day(1)}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPutUnchanged10000Hosts(b *testing.B) {
	book := filled(b, 10_000)
	statements := fleetOf(10_000)
	for b.Loop() {
		if r, err := book.Put(statements, fleet.Put{At: day(11)}); err != nil || r.Unchanged != 10_000 {
			b.Fatal(r, err)
		}
	}
}

func BenchmarkResolve(b *testing.B) {
	book := filled(b, 10_000)
	for b.Loop() {
		if _, ok := book.Resolve("web-5000", day(3)); !ok {
			b.Fatal("unknown")
		}
	}
}

func BenchmarkRecords10000Hosts(b *testing.B) {
	book := filled(b, 10_000)
	sel := fleet.MustSelector("dept=eng")
	for b.Loop() {
		if n := len(book.Records(sel, fleet.Window{Start: day(1), End: day(2)})); n != 3334 {
			b.Fatal(n)
		}
	}
}

// BenchmarkSeeAfterClone is what an append costs the inventory: a snapshot is
// published, then one host's evidence widens.
func BenchmarkSeeAfterClone(b *testing.B) {
	book := filled(b, 10_000)
	book.ClearTouched()
	id := book.Hosts()[5000]
	end := day(9)
	for b.Loop() {
		book.Clone()
		end = end.Add(time.Minute)
		book.See(id, fleet.Window{Start: day(1), End: end})
	}
}

// TestHistoryOnSecondLine: the history is kept behind a checksum, read when
// somebody asks, and added to by later writes.
func TestHistoryOnSecondLine(t *testing.T) {
	at := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	b := NewBook(nil)
	put := func(b *Book, region string, day int) {
		t.Helper()
		s := []fleet.Statement{{Record: fleet.Record{Host: "i-1", Region: region}}}
		if _, err := b.Put(s, fleet.Put{At: at.AddDate(0, 0, day), Who: "ops", Origin: fleet.OriginCloud}); err != nil {
			t.Fatal(err)
		}
	}
	put(b, "us-east-1", 0)
	data, err := b.Marshal("i-1")
	if err != nil {
		t.Fatal(err)
	}
	read := NewBook(nil)
	if err := read.Unmarshal(data); err != nil {
		t.Fatal(err)
	}
	if again, err := read.Marshal("i-1"); err != nil || string(again) != string(data) {
		t.Errorf("read and written again: %s, %v, want %s", again, err, data)
	}
	if r := read.Timeline("i-1"); r[0].Origin != fleet.OriginCloud {
		t.Errorf("origin %q", r[0].Origin)
	}
	put(read, "us-west-2", 1)
	h, _ := read.Host("i-1")
	if len(h.History) != 2 || h.History[0].Action != Added || h.History[1].Action != Changed {
		t.Errorf("history %+v", h.History)
	}
	line := strings.IndexByte(string(data), '\n')
	for _, damaged := range []string{string(data[:line+5]), string(data[:len(data)-1]), string(data[:line+1]) + "zzzzzzzz" + string(data[line+9:])} {
		if err := NewBook(nil).Unmarshal([]byte(damaged)); err == nil || !strings.Contains(err.Error(), "i-1") && !strings.Contains(err.Error(), "history") {
			t.Errorf("damaged history: %v", err)
		}
	}
	other := []byte(string(data[:line+1]) + "00000000" + "{}")
	copy(other[line+1:], fmt.Sprintf("%08x", crc32.Checksum([]byte("{}"), castagnoli())))
	odd := NewBook(nil)
	if err := odd.Unmarshal(other); err != nil {
		t.Fatal(err)
	}
	if h, _ := odd.Host("i-1"); len(h.History) != 1 || h.History[0].Action != Unreadable {
		t.Errorf("an unreadable history: %+v", h.History)
	}
}

// BenchmarkUnmarshal reads a host of twenty fields, as opening a store does for
// every host.
func BenchmarkUnmarshal(b *testing.B) {
	book := NewBook(nil)
	s := fleet.Statement{Record: fleet.Record{Host: "aws/1/i-1", Name: "web-1", Provider: "aws", Account: "1", Region: "us-east-1", Zone: "us-east-1a",
		InstanceType: "m5.large", OS: "linux", Arch: "x86_64", State: fleet.StateRunning, Purchase: fleet.PurchaseOnDemand,
		Capacity: fleet.Capacity{VCPUs: 2, MemoryBytes: 8 << 30}, Disks: []fleet.Disk{{Type: "gp3", GiB: 100}},
		Tags: fleet.Tags{"dept": "eng", "env": "prod", "cost_center": "cc-1", "role": "web"}}}
	if _, err := book.Put([]fleet.Statement{s}, fleet.Put{At: time.Unix(1700000000, 0)}); err != nil {
		b.Fatal(err)
	}
	data, err := book.Marshal("aws/1/i-1")
	if err != nil {
		b.Fatal(err)
	}
	read := NewBook(nil)
	b.ReportAllocs()
	for b.Loop() {
		if err := read.Unmarshal(data); err != nil {
			b.Fatal(err)
		}
	}
}

// TestUnmarshalAll reads many hosts at once as one by one.
func TestUnmarshalAll(t *testing.T) {
	b := filled(t, 300)
	var documents [][]byte
	for _, id := range b.Hosts() {
		data, err := b.Marshal(id)
		if err != nil {
			t.Fatal(err)
		}
		documents = append(documents, data)
	}
	all := NewBook(testTypes)
	if _, err := all.UnmarshalAll(documents); err != nil {
		t.Fatal(err)
	}
	one := NewBook(testTypes)
	for _, d := range documents {
		if err := one.Unmarshal(d); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range b.Hosts() {
		if diff := cmp.Diff(one.Timeline(id), all.Timeline(id)); diff != "" {
			t.Fatal(diff)
		}
	}
	documents[123] = []byte("{")
	none := NewBook(nil)
	if wrong, err := none.UnmarshalAll(documents); err == nil || wrong != 123 || len(none.Hosts()) != 0 {
		t.Errorf("document %d, %v, %d hosts", wrong, err, len(none.Hosts()))
	}
}

// TestOldDocuments: documents from before keys had kinds are read, and what kind
// a key is is learned.
func TestOldDocuments(t *testing.T) {
	b := NewBook(nil)
	old := `{"version":1,"host":"i-1","keyed":true,"fields":{"name":[{"value":"web"}]},"aliases":[{"key":"i-1","kind":"key"},{"key":"web","kind":"name"}]}`
	if err := b.Unmarshal([]byte(old)); err != nil {
		t.Fatal(err)
	}
	s := fleet.Statement{Record: fleet.Record{Host: "i-1"}, Aliases: []fleet.Alias{{Kind: fleet.AliasInstance, Key: "i-1"}, {Kind: fleet.AliasHostName, Key: "web"}}}
	r, err := b.Put([]fleet.Statement{s}, fleet.Put{At: day(1)})
	if err != nil || r.Unchanged != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	h, _ := b.Host("i-1")
	if len(h.Aliases) != 2 || h.Aliases[0].Kind != fleet.AliasInstance || h.Aliases[1].Kind != AliasName {
		t.Errorf("%+v", h.Aliases)
	}
}

// TestDowntime: a boot after the last sample is a stop, unless it is soon.
func TestDowntime(t *testing.T) {
	for boot, want := range map[time.Time]bool{day(0): false, day(1): false, day(1).Add(4 * time.Minute): false, day(1).Add(5 * time.Minute): true, day(2): true} {
		w, ok := Downtime(day(1), boot, 5*time.Minute)
		if ok != want || ok && (w.Start != day(1) || w.End != boot) {
			t.Errorf("boot at %s: %s, %v", boot, w, ok)
		}
	}
	if _, ok := Downtime(time.Time{}, day(1), 0); ok {
		t.Error("a host that was never measured was down")
	}
}
