package store

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/store/dayfile"
)

// TestChunkRoundTrip: what is encoded is decoded.
func TestChunkRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		times := rapid.SliceOfNDistinct(rapid.Int64Range(0, dayMillis-1), 1, 40, rapid.ID).Draw(t, "times")
		if rapid.Bool().Draw(t, "regular") {
			for i := range times {
				times[i] = int64(i) * 60_000
			}
		}
		slices.Sort(times)
		b := fleet.Batch{Step: rapid.Int32Range(1, 86_400_000).Draw(t, "step")}
		for _, at := range times {
			b.Start = append(b.Start, dayStart+at)
		}
		shape, cols := []int{}, []int{}
		for i := range rapid.IntRange(1, 3).Draw(t, "columns") {
			c := fleet.Column{Values: rapid.SliceOfN(rapid.Int32Range(0, math.MaxInt32), len(times), len(times)).Draw(t, "values")}
			if rapid.Bool().Draw(t, "constant") {
				for k := range c.Values {
					c.Values[k] = c.Values[0]
				}
			}
			if rapid.Bool().Draw(t, "gaps") {
				c.Present = rapid.SliceOfN(rapid.Bool(), len(times), len(times)).Draw(t, "present")
			}
			b.Columns, shape, cols = append(b.Columns, c), append(shape, i+7), append(cols, i)
		}
		chunk := appendChunk(nil, chunkHeader{shape: 1, origin: 2, step: b.Step}, dayStart, &b, cols, 0, len(times))
		var l layer
		for range 2 { // the second time in used memory
			if err := l.decode(chunk, dayStart, [][]int{nil, shape}, 3); err != nil {
				t.Fatal(err)
			}
			if l.shape != 1 || l.origin != 2 || l.step != b.Step || !slices.Equal(l.starts, b.Start) || !slices.Equal(l.metrics, shape) {
				t.Fatalf("decoded %+v", l)
			}
			for c := range b.Columns {
				for i := range times {
					has := l.present[c] == nil || l.present[c][i]
					if has != b.Columns[c].Has(i) || has && l.values[c][i] != b.Columns[c].Values[i] {
						t.Fatalf("column %d, row %d: %v %d", c, i, has, l.values[c][i])
					}
				}
			}
		}
	})
}

// chunkTables are the tables of a load with two shapes and three origins.
var chunkTables = [][]int{{0}, {0, 1, 2}}

// FuzzChunk: no bytes make the decoder panic, and what it takes is within bounds.
func FuzzChunk(f *testing.F) {
	b := fleet.Batch{Start: []int64{dayStart, dayStart + 5, dayStart + 60_000}, Columns: []fleet.Column{
		{Values: []int32{1, 2, 3}}, {Values: []int32{7, 7, 7}}, {Values: []int32{9, 0, math.MaxInt32}, Present: []bool{true, false, true}},
	}}
	f.Add(appendChunk(nil, chunkHeader{shape: 1, origin: 2, step: 60_000}, dayStart, &b, []int{0, 1, 2}, 0, 3))
	f.Add(appendChunk(nil, chunkHeader{shape: 0, step: 60_000}, dayStart, &b, []int{0}, 0, 1))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, chunk []byte) {
		var l layer
		if err := l.decode(chunk, dayStart, chunkTables, 3); err != nil {
			if !errors.Is(err, errChunk) {
				t.Fatal(err)
			}
			return
		}
		if !increasing(l.starts) || l.starts[0] < dayStart || l.starts[len(l.starts)-1] >= dayStart+dayMillis || l.step <= 0 || l.origin > 2 {
			t.Fatalf("%+v", l)
		}
		for c := range l.values {
			for i, v := range l.values[c] {
				if v < 0 && (l.present[c] == nil || l.present[c][i]) {
					t.Fatalf("value %d", v)
				}
			}
		}
	})
}

// TestChunkDamaged: a chunk cut anywhere is refused.
func TestChunkDamaged(t *testing.T) {
	b := fleet.Batch{Start: []int64{dayStart, dayStart + 5, dayStart + 70_000}, Columns: []fleet.Column{
		{Values: []int32{1, 2, 3}}, {Values: []int32{7, 7, 7}}, {Values: []int32{9, 0, 11}, Present: []bool{true, false, true}},
	}}
	whole := appendChunk(nil, chunkHeader{shape: 1, origin: 2, step: 60_000}, dayStart, &b, []int{0, 1, 2}, 0, 3)
	var l layer
	for n := range whole {
		if err := l.decode(whole[:n], dayStart, chunkTables, 3); !errors.Is(err, errChunk) {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
	}
	if err := l.decode(append(slices.Clone(whole), 0), dayStart, chunkTables, 3); !errors.Is(err, errChunk) {
		t.Errorf("with a byte too many: %v", err)
	}
	if err := l.decode(whole, dayStart, chunkTables[:1], 3); !errors.Is(err, errChunk) {
		t.Errorf("of an unknown shape: %v", err)
	}
}

// spillOf spills segments of chunks of one day, host numbers as given.
func spillOf(t *testing.T, segments ...[]uint32) (*spill, dayfile.Day) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "spill.tmp")
	file, err := osFS{}.Create(path)
	must(t, err)
	t.Cleanup(func() { _ = file.Close() })
	s := &spill{file: file, path: path, spans: map[dayfile.Day][]span{}}
	day := dayfile.DayOf(dayStart)
	for n, hosts := range segments {
		var a arena
		for i, h := range hosts {
			a.add(day, h, bytes.Repeat([]byte{byte(n), byte(i)}, 3000))
		}
		a.sort([]uint32{0, 1, 2, 3})
		must(t, s.write(&a))
	}
	return s, day
}

func cursorsOver(s *spill, day dayfile.Day) []cursor {
	var out []cursor
	for _, sp := range s.spans[day] {
		out = append(out, &frameCursor{file: s.file, path: s.path, off: sp.off, end: sp.off + sp.len})
	}
	return out
}

// TestSpillOrder: chunks come back by host, and those of a host in the order in
// which they were added.
func TestSpillOrder(t *testing.T) {
	s, day := spillOf(t, []uint32{2, 0, 2, 1}, []uint32{1, 1, 3}, []uint32{0, 2})
	m, err := newMerger([]uint32{0, 1, 2, 3}, cursorsOver(s, day))
	must(t, err)
	var got []string
	for {
		h, ok := m.peek()
		if !ok {
			break
		}
		c := m.chunk()
		got = append(got, string([]byte{'0' + byte(h), ':', '0' + c[0], '0' + c[1]}))
		must(t, m.advance())
	}
	want := []string{"0:01", "0:20", "1:03", "1:10", "1:11", "2:00", "2:02", "2:21", "3:12"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestSpillDamaged: any flipped byte of a spill file is found, whatever it hits.
func TestSpillDamaged(t *testing.T) {
	s, day := spillOf(t, []uint32{0, 1, 2, 3, 0, 1}, []uint32{1})
	good := read(t, s.path)
	for i := 0; i < len(good); i += 97 {
		bad := slices.Clone(good)
		bad[i] ^= 0x41
		must(t, os.WriteFile(s.path, bad, 0o644))
		m, err := newMerger([]uint32{0, 1, 2, 3}, cursorsOver(s, day))
		for err == nil {
			if _, ok := m.peek(); !ok {
				break
			}
			err = m.advance()
		}
		if !errors.Is(err, errChunk) || !strings.Contains(err.Error(), s.path) {
			t.Fatalf("byte %d: %v", i, err)
		}
	}
	must(t, os.WriteFile(s.path, good, 0o644))
	if _, err := newMerger(nil, cursorsOver(s, day)); !errors.Is(err, errChunk) {
		t.Errorf("a host that nobody numbered: %v", err)
	}
	must(t, os.Truncate(s.path, int64(len(good)-10)))
	m, err := newMerger([]uint32{0, 1, 2, 3}, cursorsOver(s, day)[1:])
	if err == nil {
		t.Errorf("a cut file: %v", m)
	}
}

// TestOrigins: origin texts are parsed as they are joined.
func TestOrigins(t *testing.T) {
	metrics := []fleet.Metric{fleet.CPUUsage, fleet.MemoryUsage, fleet.CapacityVCPUs}
	table := newOriginTable(MaxOrigins)
	number := func(o fleet.Origin) uint16 {
		n, err := table.number(o)
		must(t, err)
		return n
	}
	cloud, agent, other := number(fleet.OriginCloud), number(fleet.OriginAgent), number("elsewhere")
	f := func(want string, numbers ...uint16) {
		t.Helper()
		for range 2 {
			if got := table.join(numbers, metrics); got != want {
				t.Errorf("%v is %q, not %q", numbers, got, want)
			}
		}
		r, err := newOriginTable(MaxOrigins).parse(want)
		if err != nil {
			t.Errorf("%q: %v", want, err)
		}
		if len(r.other) != strings.Count(want, ";") {
			t.Errorf("%q: %+v", want, r)
		}
	}
	f("", 0, 0, 0)
	f("cloud", cloud, 0, cloud)
	f("agent;cpu_usage=cloud", cloud, agent, 0)
	f("agent;cpu_usage=cloud;capacity_vcpus=elsewhere", cloud, agent, other)
	if _, err := table.parse("agent;cpu_usage"); err == nil {
		t.Error("an origin without its end is taken")
	}
	if _, err := table.parse("agent;a=b"); err != nil {
		t.Error(err)
	}
	for i := len(table.list); i < MaxOrigins; i++ {
		number(fleet.Origin(strconv.Itoa(i)))
	}
	if _, err := table.number("one too many"); err == nil {
		t.Error("one origin too many is taken")
	}
	if _, err := table.parse("two too many;a=b"); err == nil {
		t.Error("two origins too many are taken")
	}
	if _, err := table.parse("agent;a=three too many"); err == nil {
		t.Error("three origins too many are taken")
	}
	for _, bad := range []fleet.Origin{"Agent", "a;b", "a=b", "a b", fleet.Origin(strings.Repeat("x", 65))} {
		if checkOrigin(bad) == nil {
			t.Errorf("origin %q is taken", bad)
		}
	}
}
