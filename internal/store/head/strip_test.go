package head

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/store/dayfile"
)

// day is the day of the strips of tests.
const day = dayfile.Day(19000)

// row is a row of the plain model: a strip is a map of them by start.
type row struct {
	Step   int32
	Origin string
	Values map[string]int32
}

func newTestTable() *Table { return NewTable(fleet.CanonicalMetrics().Stored()) }

// content reads a strip in every way there is and says where they differ.
func content(t testing.TB, s *Strip, table *Table) map[int64]row {
	t.Helper()
	out := map[int64]row{}
	metrics := table.Metrics()
	counts := make([]int64, len(metrics))
	for i := range s.Segments() {
		run := s.Run(i)
		rows := s.Rows(i, table)
		if run.Rows != len(rows.Start) || run.First != rows.Start[0] || run.Last != rows.Start[len(rows.Start)-1] || run.Host != s.Host {
			t.Fatalf("segment %d is described as %+v, and has %d rows from %d to %d", i, run, len(rows.Start), rows.Start[0], rows.Start[len(rows.Start)-1])
		}
		regular := true
		for k := 1; k < len(rows.Start); k++ {
			regular = regular && rows.Start[k]-rows.Start[k-1] == int64(run.Step)
		}
		if regular != run.Regular {
			t.Fatalf("segment %d: regular %v", i, run.Regular)
		}
		if diff := cmp.Diff(rows.Start, s.Starts(i, nil)); diff != "" {
			t.Fatal(diff)
		}
		for k, at := range rows.Start {
			if _, twice := out[at]; twice {
				t.Fatalf("two rows start at %d", at)
			}
			r := row{run.Step, rows.OriginOf(k), map[string]int32{}}
			for _, c := range rows.Columns {
				if c.Has(k) {
					r.Values[c.Metric.Name] = c.Values[k]
				}
			}
			out[at] = r
		}
		for m := range metrics {
			var buf Column
			values, present := s.Values(i, m, &buf)
			counts[m] += int64(len(values))
			k := 0
			for r, at := range rows.Start {
				want, has := out[at].Values[metrics[m].Name]
				if len(values) == 0 {
					if has {
						t.Fatalf("%s of row %d is not found alone", metrics[m].Name, r)
					}
					continue
				}
				if has != (present == nil || present[r]) {
					t.Fatalf("%s of row %d: present %v", metrics[m].Name, r, has)
				}
				if has {
					if values[k] != want {
						t.Fatalf("%s of row %d is %d alone and %d with others", metrics[m].Name, r, values[k], want)
					}
					k++
				}
			}
		}
	}
	got := make([]int64, len(metrics))
	s.Count(got)
	if diff := cmp.Diff(counts, got); diff != "" || s.Len() != len(out) {
		t.Fatalf("%d rows, counts differ:\n%s", s.Len(), diff)
	}
	return out
}

func drawBatch(t *rapid.T, table *Table, from int64) *Batch {
	b := &fleet.Batch{Host: "a", Origin: rapid.SampledFrom([]fleet.Origin{"agent", "cloud"}).Draw(t, "origin"), Step: rapid.SampledFrom([]int32{1000, 1000, 1000, 5000}).Draw(t, "step")}
	n := rapid.SampledFrom([]int{1, 2, 3, 40, 300}).Draw(t, "rows")
	at := from
	jitter := rapid.IntRange(0, 3).Draw(t, "jitter") == 0
	for i := range n {
		b.Start = append(b.Start, at)
		at += int64(b.Step)
		if jitter && i%7 == 3 {
			at += 13
		}
	}
	metrics := table.Metrics()
	for _, m := range rapid.SliceOfNDistinct(rapid.IntRange(0, 5), 1, 4, rapid.ID).Draw(t, "metrics") {
		c := fleet.Column{Metric: metrics[m], Values: make([]int32, n)}
		spread := rapid.SampledFrom([]int32{1, 3, 1000, 1<<31 - 1}).Draw(t, "spread")
		seed := rapid.Uint32().Draw(t, "seed")
		for i := range c.Values {
			seed = seed*1664525 + 1013904223
			c.Values[i] = int32(seed>>1) % spread
		}
		switch rapid.IntRange(0, 3).Draw(t, "present") {
		case 0:
			c.Present = make([]bool, n)
			for i := range c.Present {
				seed = seed*1664525 + 1013904223
				c.Present[i] = seed>>16&3 != 0
			}
		case 1:
			c.Present = slices.Repeat([]bool{true}, n)
		}
		b.Columns = append(b.Columns, c)
	}
	shape, err := table.ShapeOf(b)
	if err != nil {
		t.Fatal(err)
	}
	return &Batch{Batch: b, Shape: shape, Origin: table.Origin(string(b.Origin))}
}

// push is Push in the model.
func push(m map[int64]row, b *Batch) (samples int64) {
	for i, at := range b.Start {
		r := row{b.Step, string(b.Batch.Origin), map[string]int32{}}
		for _, c := range b.Columns {
			if c.Has(i) {
				r.Values[c.Metric.Name] = c.Values[i]
				samples++
			}
		}
		if len(r.Values) > 0 {
			m[at] = r
		}
	}
	return samples
}

// emitter yields rows of the model as runs.
func emitter(m map[int64]row, table *Table, lo, hi int64) (about int, emit func(yield func(step int32, rows dayfile.Rows) error) error) {
	var keys []int64
	for at := range m {
		if at >= lo && at <= hi {
			keys = append(keys, at)
		}
	}
	slices.Sort(keys)
	return len(keys), func(yield func(step int32, rows dayfile.Rows) error) error {
		for _, at := range keys {
			rows := dayfile.Rows{Start: []int64{at}, Default: m[at].Origin}
			for _, name := range slices.Sorted(maps.Keys(m[at].Values)) {
				rows.Columns = append(rows.Columns, fleet.Column{Metric: table.Metrics()[table.Number(name)], Values: []int32{m[at].Values[name]}})
			}
			if err := yield(m[at].Step, rows); err != nil {
				return err
			}
		}
		return nil
	}
}

// TestStripAsModel: whatever is pushed and spliced, a strip holds what a plain
// map does, however it is read, and snapshots stay as they were.
func TestStripAsModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		table := newTestTable()
		s := &Strip{Host: "a", Day: day, Base: Base{Over: true}}
		want := map[int64]row{}
		type snapshot struct {
			strip Strip
			rows  map[int64]row
		}
		var snapshots []snapshot
		next := day.Start()
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			switch what := rapid.IntRange(0, 4).Draw(rt, "what"); {
			case what == 4 && s.Len() > 0:
				// Rows are changed and put in between, as a merge does.
				keys := slices.Sorted(maps.Keys(want))
				lo := rapid.SampledFrom(keys).Draw(rt, "from") - 1
				hi := lo + rapid.Int64Range(0, 300_000).Draw(rt, "length")
				from, to := s.Overlap(lo, hi)
				first, last := lo, hi
				if from < to {
					first, last = min(first, s.Run(from).First), max(last, s.Run(to-1).Last)
				}
				for _, at := range keys {
					if at >= lo && at <= hi {
						want[at].Values["load1"] = int32(at % 97)
					}
				}
				want[lo] = row{1000, "cloud", map[string]int32{"cpu_usage": 5}}
				about, emit := emitter(want, table, first, last)
				if err := s.Splice(table, from, to, about, emit); err != nil {
					rt.Fatal(err)
				}
				next = max(next, s.End()+1000)
			default:
				b := drawBatch(rt, table, next)
				if got, samples := s.Push(table, b, 0, len(b.Start)), push(want, b); got != samples {
					rt.Fatalf("%d samples were pushed, not %d", got, samples)
				}
				next = b.Start[len(b.Start)-1] + rapid.Int64Range(1, 5000).Draw(rt, "pause")
			}
			if diff := cmp.Diff(want, content(t, s, table)); diff != "" {
				rt.Fatalf("(-model +strip):\n%s", diff)
			}
			kept := map[int64]row{}
			for at, r := range want {
				r.Values = maps.Clone(r.Values)
				kept[at] = r
			}
			snapshots = append(snapshots, snapshot{*s, kept})
		}
		for i := range snapshots {
			if diff := cmp.Diff(snapshots[i].rows, content(t, &snapshots[i].strip, table)); diff != "" {
				rt.Fatalf("snapshot %d changed:\n%s", i, diff)
			}
		}
		if len(want) == 0 {
			return
		}
		keys := slices.Sorted(maps.Keys(want))
		if s.First() != keys[0] || s.End() != keys[len(keys)-1] {
			rt.Fatalf("from %d to %d, not %d to %d", s.First(), s.End(), keys[0], keys[len(keys)-1])
		}
		cut := rapid.SampledFrom(keys).Draw(rt, "cut")
		behind := map[int64]row{}
		for at, r := range want {
			if at > cut {
				behind[at] = r
			}
		}
		rest := s.After(table, cut, 7)
		if diff := cmp.Diff(behind, content(t, rest, table)); diff != "" || rest.Total() != len(behind)+7 || rest.Over {
			rt.Fatalf("after %d: %d rows in all, (-model +strip):\n%s", cut, rest.Total(), diff)
		}
		// The rows before are put back.
		_, emit := emitter(want, table, 0, cut)
		if err := rest.Cover(table, emit); err != nil {
			rt.Fatal(err)
		}
		counts := make([]int64, len(table.Metrics()))
		if diff := cmp.Diff(want, content(t, rest, table)); diff != "" || rest.Beyond(counts) != int64(len(behind)) || !rest.Over {
			rt.Fatalf("covered, %d rows beyond (-model +strip):\n%s", len(behind), diff)
		}
	})
}

// TestSmallPieces: rows that come one by one, backwards, do not leave a chunk
// each.
func TestSmallPieces(t *testing.T) {
	table := newTestTable()
	s := &Strip{Host: "a", Day: day, Base: Base{Over: true}}
	want := map[int64]row{}
	for i := int64(1000); i > 0; i-- {
		at := day.Start() + i*1000
		want[at] = row{1000, "agent", map[string]int32{"cpu_usage": int32(i)}}
		from, to := s.Overlap(at, at)
		lo, hi := at, at
		if from < to {
			lo, hi = min(lo, s.Run(from).First), max(hi, s.Run(to-1).Last)
		}
		about, emit := emitter(want, table, lo, hi)
		if err := s.Splice(table, from, to, about, emit); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want, content(t, s, table)); diff != "" {
		t.Errorf("(-model +strip):\n%s", diff)
	}
	if n := s.Segments(); n > 20 {
		t.Errorf("%d segments of 1,000 rows", n)
	}
}

// TestMemory: a host's day of 18 metrics takes some 60 kB.
func TestMemory(t *testing.T) {
	table := newTestTable()
	s := &Strip{Host: "a", Day: day, Base: Base{Over: true}}
	for i := range int64(1440) {
		b := &fleet.Batch{Start: []int64{day.Start() + i*60_000}, Step: 60_000, Origin: "agent"}
		for m, metric := range table.Metrics()[:18] {
			b.Columns = append(b.Columns, fleet.Column{Metric: metric, Values: []int32{int32(1000*m) + int32(i*7919%200)}})
		}
		shape, err := table.ShapeOf(b)
		if err != nil {
			t.Fatal(err)
		}
		s.Push(table, &Batch{Batch: b, Shape: shape}, 0, 1)
	}
	if got := s.Memory(); got > 100_000 || s.Len() != 1440 {
		t.Errorf("%d bytes for %d rows", got, s.Len())
	}
}

// TestShapes: metrics that cannot be stored are refused by name, and the same
// ones are one shape.
func TestShapes(t *testing.T) {
	table := newTestTable()
	foreign := fleet.Metric{Name: "queue", Unit: fleet.UnitCount, Num: 1, Den: 1, Column: "queue"}
	table.AddMetric(foreign)
	cpu, load := table.Metrics()[0], table.Metrics()[4]
	other := cpu
	other.Den = 7
	of := func(metrics ...fleet.Metric) (*Shape, error) {
		b := &fleet.Batch{}
		for _, m := range metrics {
			b.Columns = append(b.Columns, fleet.Column{Metric: m})
		}
		return table.ShapeOf(b)
	}
	a, err := of(cpu, load)
	if err != nil {
		t.Fatal(err)
	}
	b, err := of(load, cpu)
	if err != nil {
		t.Fatal(err)
	}
	again, _ := of(cpu, load)
	if a == b || a != again || a.set != b.set {
		t.Errorf("shapes %p %p %p, sets %p %p", a, b, again, a.set, b.set)
	}
	for want, list := range map[string][]fleet.Metric{
		"stands twice":                 {cpu, load, cpu},
		`metric "queue" is not known`:  {foreign},
		"the store's has 1/10000":      {other},
		`metric "nothing" is not know`: {{Name: "nothing"}},
	} {
		if _, err := of(list...); err == nil || !contains(err.Error(), want) {
			t.Errorf("%v: %v", fmt.Sprint(want), err)
		}
	}
}
