package head

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/leanfleet/leanfleet/fleet"
)

func contains(s, part string) bool { return strings.Contains(s, part) }

// files is the real file layer, without waiting for the disk.
type files struct {
	failSync bool
	wrap     func(*os.File) File
}

func (files) Rename(from, to string) error               { return os.Rename(from, to) }
func (files) Remove(path string) error                   { return os.Remove(path) }
func (files) ReadDir(path string) ([]os.DirEntry, error) { return os.ReadDir(path) }
func (f files) SyncDir(string) error {
	if f.failSync {
		return errors.New("the disk is broken")
	}
	return nil
}

func (f files) Create(path string) (File, error) {
	return f.file(os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600))
}

func (f files) Open(path string, readOnly bool) (File, error) {
	if readOnly {
		return f.file(os.Open(path))
	}
	return f.file(os.OpenFile(path, os.O_RDWR, 0))
}

func (f files) file(o *os.File, err error) (File, error) {
	if err != nil {
		return nil, err
	}
	if f.wrap != nil {
		return f.wrap(o), nil
	}
	return loose{o}, nil
}

// loose is a file that is not synced.
type loose struct{ *os.File }

func (loose) SyncData() error { return nil }

func testOptions(t testing.TB) Options {
	return Options{Dir: t.TempDir(), Files: files{}, Table: newTestTable(), Ahead: 4096}
}

// plain is a batch with values that are not there as 0, and no memory shared.
func plain(b *fleet.Batch) fleet.Batch {
	out := *b
	out.Start = slices.Clone(b.Start)
	out.Columns = nil
	for _, c := range b.Columns {
		c.Values = slices.Clone(c.Values)
		c.Present = slices.Clone(c.Present)
		if c.Present != nil && !slices.Contains(c.Present, false) {
			c.Present = nil
		}
		for i := range c.Values {
			if !c.Has(i) {
				c.Values[i] = 0
			}
		}
		out.Columns = append(out.Columns, c)
	}
	return out
}

func readAll(t testing.TB, o Options, number uint64) (g *Generation, added []Added, rows []fleet.Batch) {
	t.Helper()
	g, err := Open(context.Background(), o, Name(number),
		func(a *Added) error { added = append(added, *a); return nil },
		func(r *Rows) error {
			b := plain(r.Batch.Batch)
			if (Key{b.Host, b.Group}) != r.Key || o.Table.OriginText(r.Batch.Origin) != string(b.Origin) {
				t.Errorf("rows of %v with origin %d are told as of %s", r.Key, r.Batch.Origin, b.Host)
			}
			rows = append(rows, b)
			return nil
		})
	if err != nil {
		t.Fatal(err)
	}
	return g, added, rows
}

// TestGenerationRoundTrip: what is committed is read back in order, over
// reopenings, and what was forgotten is not.
func TestGenerationRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		o := testOptions(t)
		g, err := Create(context.Background(), o, 7)
		if err != nil {
			rt.Fatal(err)
		}
		var want []fleet.Batch
		var hosts []Added
		for range rapid.IntRange(1, 4).Draw(rt, "sessions") {
			for range rapid.IntRange(0, 4).Draw(rt, "commits") {
				keep := rapid.IntRange(0, 3).Draw(rt, "keep") > 0
				for range rapid.IntRange(1, 4).Draw(rt, "batches") {
					b := drawBatch(rt, o.Table, rapid.Int64Range(0, 1<<40).Draw(rt, "start"))
					b.Host = rapid.SampledFrom([]fleet.HostID{"a", "b", "c"}).Draw(rt, "host")
					b.Group = rapid.SampledFrom([]string{"", "", "nginx"}).Draw(rt, "group")
					a := Added{Key: string(b.Host), At: b.Start[0], ID: b.Host + "~2", Put: fleet.Put{At: time.Unix(0, 42).UTC(), Who: "test", Why: "new", Origin: "agent"}}
					g.AddHost(&a)
					g.Add(Key{b.Host, b.Group}, b)
					if keep {
						want, hosts = append(want, plain(b.Batch)), append(hosts, a)
					}
				}
				if !keep {
					g.Forget()
				} else if _, err := g.Commit(); err != nil {
					rt.Fatal(err)
				}
			}
			if err := g.Close(); err != nil {
				rt.Fatal(err)
			}
			o.Table = newTestTable()
			var added []Added
			var rows []fleet.Batch
			g, added, rows = readAll(t, o, 7)
			if diff := cmp.Diff(want, rows, cmpopts.EquateEmpty()); diff != "" {
				rt.Fatalf("rows (-written +read):\n%s", diff)
			}
			if diff := cmp.Diff(hosts, added); diff != "" {
				rt.Fatalf("hosts (-written +read):\n%s", diff)
			}
		}
		if err := g.Close(); err != nil {
			rt.Fatal(err)
		}
	})
}

// TestOtherDefinitions: values are rounded anew where the configuration changed
// a resolution, such a generation is not written on, and a change of the unit is
// refused, and so is one that is no longer configured; what they were is told.
func TestOtherDefinitions(t *testing.T) {
	o := testOptions(t)
	queue := fleet.Metric{Name: "queue", Unit: fleet.UnitCount, Num: 1, Den: 10, Exact: true, Column: "queue", Digits: 1}
	with := func(m fleet.Metric) *Table {
		return NewTable(append(slices.Clone(fleet.CanonicalMetrics().Stored()), m))
	}
	o.Table = with(queue)
	g, err := Create(context.Background(), o, 1)
	if err != nil {
		t.Fatal(err)
	}
	b := &fleet.Batch{Host: "a", Step: 1000, Start: []int64{5, 6}, Columns: []fleet.Column{{Metric: queue, Values: []int32{15, 25}}}}
	shape, err := o.Table.ShapeOf(b)
	if err != nil {
		t.Fatal(err)
	}
	g.Add(Key{Host: "a"}, &Batch{Batch: b, Shape: shape})
	if _, err := g.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	finer := queue
	finer.Den = 100
	o.Table = with(finer)
	g, _, rows := readAll(t, o, 1)
	if len(rows) != 1 || !slices.Equal(rows[0].Columns[0].Values, []int32{150, 250}) || g.Writable() {
		t.Errorf("%+v, writable %v", rows, g.Writable())
	}
	_ = g.Close()
	f := func(table *Table, want string) {
		t.Helper()
		o.Table = table
		_, err = Open(context.Background(), o, Name(1), nil, nil)
		if !errors.Is(err, ErrDefinition) || !contains(err.Error(), want) || !contains(err.Error(), Name(1)) {
			t.Errorf("%v", err)
		}
	}
	f(newTestTable(), "metric queue is stored, the configuration does not have it any more")
	finer.Den = 1 << 40
	f(with(finer), "host a: queue: impossible value")
	other := queue
	other.Unit = fleet.UnitCores
	f(with(other), "metric queue is stored in count, the configuration now says cores")
	metrics, err := Definitions(context.Background(), o, []string{Name(1)})
	if err != nil || !slices.Equal(metrics, []fleet.Metric{queue}) {
		t.Errorf("%+v, %v", metrics, err)
	}
	if _, err := Definitions(context.Background(), o, []string{Name(1), Name(2)}); err == nil || !contains(err.Error(), Name(2)) {
		t.Errorf("%v", err)
	}
}

// TestManyShapes: a source that sends ever other metrics grows neither the table
// nor what a generation remembers; its rows are read back as they were.
func TestManyShapes(t *testing.T) {
	o := testOptions(t)
	g, err := Create(context.Background(), o, 1)
	if err != nil {
		t.Fatal(err)
	}
	var want []fleet.Batch
	strip := &Strip{Host: "a"}
	at := int64(0)
	for i := 1; i <= 6000; i++ {
		b := fleet.Batch{Host: "a", Step: 1000}
		for range 1 + i%2 {
			at += 1000
			b.Start = append(b.Start, at)
		}
		for m, metric := range o.Table.Metrics() {
			if i>>m&1 == 1 {
				b.Columns = append(b.Columns, fleet.Column{Metric: metric, Values: []int32{int32(i), int32(m)}[:len(b.Start)]})
			}
		}
		shape, err := o.Table.ShapeOf(&b)
		if err != nil {
			t.Fatal(err)
		}
		batch := Batch{Batch: &b, Shape: shape}
		strip.Push(o.Table, &batch, 0, len(b.Start))
		g.Add(Key{Host: "a"}, &batch)
		want = append(want, plain(&b))
	}
	if _, err := g.Commit(); err != nil {
		t.Fatal(err)
	}
	if n := len(o.Table.shapes) + len(o.Table.sets) + len(g.enc.codes.shapes); n > 3*maxShapes+1 {
		t.Errorf("%d shapes and sets", n)
	}
	if n := len(strip.tail.set.from); n > maxShapes {
		t.Errorf("%d shapes of a set", n)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	o.Table = newTestTable()
	g, _, rows := readAll(t, o, 1)
	defer func() { _ = g.Close() }()
	for i := range rows { // those that are wide say of most columns that they have nothing
		rows[i].Columns = slices.DeleteFunc(rows[i].Columns, func(c fleet.Column) bool { return c.Count() == 0 })
		slices.SortFunc(want[i].Columns, func(a, b fleet.Column) int { return o.Table.Number(a.Metric.Name) - o.Table.Number(b.Metric.Name) })
	}
	if diff := cmp.Diff(want, rows, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-written +read):\n%.2000s", diff)
	}
}

// TestLongCommit: a long commit is several records of one frame, and when
// it fails none of them.
func TestLongCommit(t *testing.T) {
	o := testOptions(t)
	g, err := Create(context.Background(), o, 1)
	if err != nil {
		t.Fatal(err)
	}
	b := fleet.Batch{Host: "a", Step: 1000, Columns: []fleet.Column{{Metric: o.Table.Metrics()[0]}}}
	for i := range int64(1 << 20) {
		b.Start = append(b.Start, i*1000+i%3)
		b.Columns[0].Values = append(b.Columns[0].Values, int32(i*7919%1e6))
	}
	shape, err := o.Table.ShapeOf(&b)
	if err != nil {
		t.Fatal(err)
	}
	add := func() {
		for i := range 8 {
			g.Add(Key{Host: fleet.HostID(strconv.Itoa(i))}, &Batch{Batch: &b, Shape: shape})
		}
	}
	add()
	if n := len(g.enc.full); n < 1 {
		t.Fatalf("%d records are full", n)
	}
	g.Forget()
	if !g.enc.empty() {
		t.Error("something is left")
	}
	add()
	if _, err := g.Commit(); err != nil || g.log.next != 1 || cap(g.enc.b) > keepBytes || cap(g.log.b) > 2*pieceBytes {
		t.Errorf("%d commits, %d bytes kept, %v", g.log.next, cap(g.enc.b), err)
	}
	add()
	_ = g.log.file.Close()
	if _, err := g.Commit(); err == nil || !g.enc.empty() || len(g.enc.codes.hosts) != 8 {
		t.Errorf("after a failure: %v, %d hosts", err, len(g.enc.codes.hosts))
	}
	g, _, rows := readAll(t, o, 1)
	defer func() { _ = g.Close() }()
	if len(rows) != 8 || !slices.Equal(rows[7].Start, b.Start) || !slices.Equal(rows[7].Columns[0].Values, b.Columns[0].Values) || g.log.next != 1 {
		t.Errorf("%d batches in %d commits", len(rows), g.log.next)
	}
}

// TestGenerationFails: what is wrong with a file is said by name.
func TestGenerationFails(t *testing.T) {
	o := testOptions(t)
	none := func(*Added) error { return nil }
	ignore := func(*Rows) error { return nil }
	f := func(what, want string, err error) {
		t.Helper()
		if err == nil || !contains(err.Error(), want) || !contains(err.Error(), Name(3)) && !contains(err.Error(), o.Dir) {
			t.Errorf("%s: %v", what, err)
		}
	}
	broken := o
	broken.Files = files{failSync: true}
	_, err := Create(t.Context(), broken, 3)
	f("a directory that cannot be synced", "the disk is broken", err)
	if list, err := List(o); err != nil || len(list) != 0 {
		t.Errorf("left behind: %v, %v", list, err)
	}
	if list, err := List(Options{Dir: filepath.Join(o.Dir, "none"), Files: files{}}); err != nil || list != nil {
		t.Errorf("%v, %v", list, err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Create(cancelled, o, 3); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	write := func(change func(data []byte) []byte) {
		t.Helper()
		path := filepath.Join(o.Dir, Name(3))
		_ = os.Remove(path)
		g, err := Create(t.Context(), o, 3)
		if err != nil {
			t.Fatal(err)
		}
		g.AddHost(&Added{Key: "a", ID: "a", Put: fleet.Put{At: time.Unix(0, 0)}})
		if _, err := g.Commit(); err != nil {
			t.Fatal(err)
		}
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, change(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	open := func(o Options) error {
		_, err := Open(t.Context(), o, Name(3), none, ignore)
		return err
	}
	write(func(data []byte) []byte { data[len(data)-9] ^= 1; return data })
	f("a flipped bit", "commit 0, the last one, is not what was written", open(o))
	write(func(data []byte) []byte { return []byte(strings.Repeat("hello", 4000)) })
	f("text", "it does not begin as one", open(o))
	write(func([]byte) []byte { return nil })
	f("nothing", "it does not begin as one", open(o))
	write(func(data []byte) []byte { data[30] ^= 1; return data })
	f("another salt", "its header is not what was written", open(o))
	write(func(data []byte) []byte { return append(data, data[headerBytes:]...) })
	f("a commit twice", "commit 1, the last one", open(o))
	write(func(data []byte) []byte { return data })
	if err := os.Rename(filepath.Join(o.Dir, Name(3)), filepath.Join(o.Dir, Name(4))); err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), o, Name(4), none, ignore)
	if err == nil || !contains(err.Error(), "it is generation 3") {
		t.Errorf("%v", err)
	}
	f("none", "no such file", open(o))

	write(func(data []byte) []byte { return data })
	g, _, _ := readAll(t, o, 3)
	if err := g.log.file.Close(); err != nil {
		t.Fatal(err)
	}
	if uncertain, err := g.Commit(); uncertain || err != nil {
		t.Errorf("a commit of nothing: %v, %v", uncertain, err)
	}
	g.AddHost(&Added{Key: "b", ID: "b", Put: fleet.Put{At: time.Unix(0, 0)}})
	uncertain, err := g.Commit()
	if f("a closed file", "already closed", err); !uncertain {
		t.Error("it is certain what became of a commit that nobody can look for")
	}
}

// TestNames: only names that are written are read as those of generations.
func TestNames(t *testing.T) {
	for name, want := range map[string]uint64{"000042.log": 42, "1234567.log": 1234567} {
		if n, ok := ParseName(name); !ok || n != want || Name(n) != name {
			t.Errorf("%s: %d, %v", name, n, ok)
		}
	}
	if n, ok := ParseName("000042.db"); !ok || n != 42 {
		t.Error("one that bbolt wrote is not seen")
	}
	for _, name := range []string{"42.log", "000042.log.tmp", "00004x.log", "0000042.log", "leanfleet.db", ".log", ".db", "42.db"} {
		if _, ok := ParseName(name); ok {
			t.Errorf("%s is taken for a generation", name)
		}
	}
}

// sealRecord makes a record of items, with its sum.
func sealRecord(items []byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, crc32.Checksum(items, castagnoli))
	return append(b, items...)
}

// FuzzRecord: no record makes the decoder panic or ask for memory without end,
// and what it reads can be written and read again.
func FuzzRecord(f *testing.F) {
	table := newTestTable()
	e := newEncoder(table, codes{})
	e.added(&Added{Key: "a", ID: "a", Put: fleet.Put{At: time.Unix(1, 0), Who: "test"}})
	for _, rows := range []int{1, 3} {
		b := &fleet.Batch{Host: "a", Origin: "agent", Step: 60_000, Columns: []fleet.Column{{Metric: fleet.CPUUsage}, {Metric: fleet.MemoryUsage, Present: make([]bool, rows)}}}
		for i := range rows {
			b.Start = append(b.Start, int64(60_000*i*i))
			for c := range b.Columns {
				b.Columns[c].Values = append(b.Columns[c].Values, int32(100*i*i+c))
			}
		}
		if rows > 1 {
			b.Columns[1].Present[0] = true
		}
		shape, err := table.ShapeOf(b)
		if err != nil {
			f.Fatal(err)
		}
		e.rows(Key{"a", "nginx"}, &Batch{Batch: b, Shape: shape})
		f.Add(slices.Clone(e.finish()[0][4:]))
	}
	f.Add([]byte("b"))
	f.Fuzz(func(t *testing.T, items []byte) {
		table := newTestTable()
		d := &decoder{table: table}
		again := newEncoder(table, codes{})
		var want []fleet.Batch
		err := d.record(sealRecord(items), func(a *Added) error { return nil }, func(r *Rows) error {
			b := plain(r.Batch.Batch)
			for i := range b.Columns {
				for _, v := range b.Columns[i].Values {
					if v < 0 {
						t.Fatalf("value %d", v)
					}
				}
			}
			if len(b.Start) <= 1000 {
				want = append(want, b)
				again.rows(r.Key, &r.Batch)
			}
			return nil
		})
		if err != nil || len(d.other) > 0 {
			return
		}
		var got []fleet.Batch
		back := &decoder{table: table}
		err = back.record(again.finish()[0], nil, func(r *Rows) error { got = append(got, plain(r.Batch.Batch)); return nil })
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("(-read +written and read):\n%s", diff)
		}
	})
}
