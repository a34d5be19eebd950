package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"
	"pgregory.net/rapid"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/store/dayfile"
	"github.com/leanfleet/leanfleet/internal/store/head"
)

// The model is the store's contract in maps: what a sample does to what is
// stored, one after another, with no regard for memory, days or files.

type modelKey struct {
	Host  fleet.HostID
	Start int64
}

type modelRow struct {
	Step    int32
	Values  map[string]int32
	Origins map[string]fleet.Origin
}

type model map[modelKey]modelRow

func (m model) apply(b fleet.Batch) (n counts) {
	for i, start := range b.Start {
		key := modelKey{rowKey(head.Key{Host: b.Host, Group: b.Group}), start}
		row, ok := m[key]
		if !ok {
			row = modelRow{b.Step, map[string]int32{}, map[string]fleet.Origin{}}
		}
		highest := 0
		for _, o := range row.Origins {
			highest = max(highest, o.Rank())
		}
		mayStep := !ok || b.Origin.Rank() >= highest
		has := false
		for _, c := range b.Columns {
			if !c.Has(i) {
				continue
			}
			has = true
			name := c.Metric.Name
			v, stored := row.Values[name]
			if stored && v == c.Values[i] && b.Origin.Rank() > row.Origins[name].Rank() {
				row.Origins[name] = b.Origin
			}
			switch {
			case !stored:
				row.Values[name], row.Origins[name] = c.Values[i], b.Origin
				n.inserted++
			case v == c.Values[i] && mayStep && row.Step != b.Step:
				n.changed++
			case v == c.Values[i]:
				n.unchanged++
			case b.Origin.Rank() >= row.Origins[name].Rank():
				row.Values[name], row.Origins[name] = c.Values[i], b.Origin
				n.changed++
			default:
				n.outranked++
			}
		}
		if has {
			if mayStep {
				row.Step = b.Step
			}
			m[key] = row
		}
	}
	return n
}

// dump reads everything a store holds of hosts.
func dump(t testing.TB, s *Store) model {
	t.Helper()
	return dumpOf(t, s, ofHosts)
}

// dumpOf reads everything a store holds of hosts, or of process groups, whose
// names stand behind a zero byte.
func dumpOf(t testing.TB, s *Store, k kind) model {
	t.Helper()
	v, err := s.look(k, fleet.Window{})
	if err != nil {
		t.Fatal(err)
	}
	defer v.release()
	out := model{}
	for _, d := range v.openAll() {
		if d.Err != nil {
			t.Fatalf("%s: %v", d.Path, d.Err)
		}
		over := map[fleet.HostID]bool{}
		key := func(s *head.Strip) fleet.HostID { return rowKey(head.Key{Host: s.Host, Group: s.Group}) }
		for i := range d.Head {
			over[key(&d.Head[i])] = d.Head[i].Over
		}
		if d.File != nil {
			dumpDay(t, d.File, over, out)
		}
		for i := range d.Head {
			for k := range d.Head[i].Segments() {
				dumpRows(t, key(&d.Head[i]), d.Head[i].Run(k).Step, d.Head[i].Rows(k, s.head.table), out)
			}
		}
	}
	return out
}

// dumpDay reads the rows of a file, but for those of some hosts.
func dumpDay(t testing.TB, f *dayfile.File, but map[fleet.HostID]bool, out model) {
	t.Helper()
	var scratch dayfile.Scratch
	for i, run := range f.Runs() {
		if but[run.Host] {
			continue
		}
		rows, err := f.Rows(i, &scratch)
		if err != nil {
			t.Fatal(err)
		}
		dumpRows(t, run.Host, run.Step, rows, out)
	}
}

func dumpRows(t testing.TB, host fleet.HostID, step int32, rows dayfile.Rows, out model) {
	t.Helper()
	table := newOriginTable(MaxOrigins)
	for r, start := range rows.Start {
		row := modelRow{step, map[string]int32{}, map[string]fleet.Origin{}}
		parsed, err := table.parse(rows.OriginOf(r))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range rows.Columns {
			if !c.Has(r) {
				continue
			}
			row.Values[c.Metric.Name] = c.Values[r]
			n := parsed.common
			if other, ok := parsed.other[c.Metric.Name]; ok {
				n = other
			}
			row.Origins[c.Metric.Name] = table.list[n-1]
		}
		key := modelKey{host, start}
		if _, twice := out[key]; twice {
			t.Fatalf("%v is stored twice", key)
		}
		out[key] = row
	}
}

func (n counts) appended() fleet.Appended {
	return fleet.Appended{Inserted: n.inserted, Changed: n.changed, Unchanged: n.unchanged, Outranked: n.outranked}
}

// testClock is the clock of tests.
func testClock() time.Time { return time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC) }

func open(t testing.TB, dir string, change ...func(*Options)) *Store {
	t.Helper()
	o := Options{Dir: dir, Clock: testClock, SealAfter: -1}
	for _, f := range change {
		f(&o)
	}
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// dayStart is the begin of the days that tests write to.
var dayStart = time.Date(2024, 2, 1, 0, 0, 0, 0, time.UTC).UnixMilli()

func minutes(n ...int64) []int64 {
	out := make([]int64, len(n))
	for i := range n {
		out[i] = dayStart + n[i]*60_000
	}
	return out
}

// metric finds a canonical metric.
func metric(name string) fleet.Metric {
	m, err := fleet.CanonicalMetrics().Lookup(name)
	if err != nil {
		panic(err)
	}
	return m
}

func column(name string, values ...int32) fleet.Column {
	return fleet.Column{Metric: metric(name), Values: values}
}

// drawBatches draws batches that meet often: few hosts, times and values.
func drawBatches(t *rapid.T) []fleet.Batch {
	names := []string{"cpu_usage", "memory_usage", "load1"}
	origins := []fleet.Origin{fleet.OriginAgent, fleet.OriginCloud, fleet.OriginImport, "elsewhere"}
	n := rapid.IntRange(1, 12).Draw(t, "batches")
	out := make([]fleet.Batch, n)
	for i := range out {
		b := fleet.Batch{
			Host:   fleet.HostID(rapid.SampledFrom([]string{"a", "b", "c", "zz"}).Draw(t, "host")),
			Origin: rapid.SampledFrom(origins).Draw(t, "origin"),
			Step:   rapid.SampledFrom([]int32{60_000, 300_000}).Draw(t, "step"),
		}
		times := rapid.SliceOfNDistinct(rapid.Int64Range(0, 15), 1, 8, rapid.ID).Draw(t, "times")
		slices.Sort(times)
		for _, at := range times {
			b.Start = append(b.Start, dayStart+at*5*3600_000+at%3) // some three days
		}
		for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(names), 1, 3, rapid.ID).Draw(t, "metrics") {
			c := fleet.Column{Metric: metric(name)}
			c.Values = rapid.SliceOfN(rapid.Int32Range(0, 3), len(times), len(times)).Draw(t, "values")
			if rapid.Bool().Draw(t, "gaps") {
				c.Present = rapid.SliceOfN(rapid.Bool(), len(times), len(times)).Draw(t, "present")
			}
			b.Columns = append(b.Columns, c)
		}
		out[i] = b
	}
	return out
}

// TestMergeAsModel: whatever is written, in whatever pieces, with or without
// spilling, the store holds and counts what the model does, and keeps it over a
// reopening.
func TestMergeAsModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir := t.TempDir()
		budget := rapid.SampledFrom([]int64{1, 4 * 60, 4 << 20}).Draw(rt, "budget")
		o := Options{Dir: dir, Clock: testClock, MemoryBudget: budget}
		s, err := Open(context.Background(), o)
		if err != nil {
			rt.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		want := model{}
		for range rapid.IntRange(1, 3).Draw(rt, "loads") {
			load, err := s.Begin(context.Background())
			if err != nil {
				rt.Fatal(err)
			}
			var n counts
			for range rapid.IntRange(1, 3).Draw(rt, "adds") {
				batches := drawBatches(rt)
				if err := load.Add(context.Background(), batches); err != nil {
					rt.Fatal(err)
				}
				for _, b := range batches {
					n.add(want.apply(b))
				}
			}
			got, err := load.Commit(context.Background())
			if err != nil {
				rt.Fatal(err)
			}
			if diff := cmp.Diff(n.appended(), got); diff != "" {
				rt.Fatalf("counts (-model +store):\n%s", diff)
			}
			if diff := cmp.Diff(want, dump(t, s)); diff != "" {
				rt.Fatalf("(-model +store):\n%s", diff)
			}
		}
		if err := s.Close(); err != nil {
			rt.Fatal(err)
		}
		if s, err = Open(context.Background(), o); err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(want, dump(t, s)); diff != "" {
			rt.Fatalf("after opening again (-model +store):\n%s", diff)
		}
	})
}

// TestMergeByHand is the model's rules, one at a time.
func TestMergeByHand(t *testing.T) {
	ctx := t.Context()
	s := open(t, t.TempDir())
	put := func(want fleet.Appended, b fleet.Batch) {
		t.Helper()
		b.Host = "web-1"
		if b.Step == 0 {
			b.Step = 60_000
		}
		got, err := s.Append(ctx, []fleet.Batch{b})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	generation := func() uint64 {
		t.Helper()
		must(t, s.Seal(ctx))
		return s.find(target{ofHosts, dayfile.DayOf(dayStart)}).Generation
	}
	put(fleet.Appended{Inserted: 2}, fleet.Batch{Origin: fleet.OriginCloud, Start: minutes(0, 1), Columns: []fleet.Column{column("cpu_usage", 10, 20)}})
	put(fleet.Appended{Inserted: 2}, fleet.Batch{Origin: fleet.OriginAgent, Start: minutes(0, 1), Columns: []fleet.Column{column("memory_usage", 7, 8)}})
	before := generation()
	put(fleet.Appended{Unchanged: 2}, fleet.Batch{Origin: fleet.OriginAgent, Start: minutes(0, 1), Columns: []fleet.Column{column("memory_usage", 7, 8)}})
	put(fleet.Appended{Unchanged: 1, Outranked: 1}, fleet.Batch{Origin: fleet.OriginImport, Start: minutes(0, 1), Columns: []fleet.Column{column("memory_usage", 7, 9)}})
	if generation() != before {
		t.Error("a day that did not change was written again")
	}
	put(fleet.Appended{Changed: 1, Unchanged: 1}, fleet.Batch{Origin: fleet.OriginAgent, Start: minutes(0, 1), Columns: []fleet.Column{column("cpu_usage", 10, 21)}})
	// The step of a row is changed by those who may change the row.
	put(fleet.Appended{Unchanged: 1}, fleet.Batch{Origin: fleet.OriginImport, Step: 300_000, Start: minutes(0), Columns: []fleet.Column{column("cpu_usage", 10)}})
	put(fleet.Appended{Changed: 1}, fleet.Batch{Origin: fleet.OriginAgent, Step: 300_000, Start: minutes(0), Columns: []fleet.Column{column("cpu_usage", 10)}})
	// What differs by origin is told apart in the file.
	put(fleet.Appended{Inserted: 1}, fleet.Batch{Origin: fleet.OriginCloud, Start: minutes(0), Columns: []fleet.Column{column("load1", 5)}})
	want := model{
		{"web-1", minutes(0)[0]}: {300_000, map[string]int32{"cpu_usage": 10, "memory_usage": 7, "load1": 5},
			map[string]fleet.Origin{"cpu_usage": fleet.OriginAgent, "memory_usage": fleet.OriginAgent, "load1": fleet.OriginCloud}},
		{"web-1", minutes(1)[0]}: {60_000, map[string]int32{"cpu_usage": 21, "memory_usage": 8},
			map[string]fleet.Origin{"cpu_usage": fleet.OriginAgent, "memory_usage": fleet.OriginAgent}},
	}
	if diff := cmp.Diff(want, dump(t, s)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	must(t, s.Seal(ctx))
	if diff := cmp.Diff(want, dump(t, s)); diff != "" {
		t.Errorf("sealed (-want +got):\n%s", diff)
	}
	v, err := s.look(ofHosts, fleet.Window{})
	if err != nil {
		t.Fatal(err)
	}
	defer v.release()
	f := v.openAll()[0].File
	rows, err := f.Rows(0, new(dayfile.Scratch))
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(rows.OriginOf(0)); got != "agent;load1=cloud" {
		t.Errorf("origin is %q", got)
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// changeBucket writes one key of leanfleet.db.
func changeBucket(db *bbolt.DB, bucket, key, value []byte) error {
	return db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(bucket).Put(key, value) })
}
