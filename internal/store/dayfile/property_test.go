package dayfile

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/leanfleet/leanfleet/fleet"
)

// drawDay draws a day of any shape: few or many hosts, irregular steps, gaps,
// stamps off the grid, metrics that come and go, columns that nobody has.
func drawDay(t *rapid.T) ([]fleet.Metric, []piece) {
	all := append(stored(), ownMetric())
	metrics := all[:rapid.IntRange(0, len(all)).Draw(t, "metrics")]
	if rapid.Bool().Draw(t, "reversed") {
		metrics = slices.Clone(metrics)
		slices.Reverse(metrics)
	}
	var pieces []piece
	for h := range rapid.IntRange(0, 6).Draw(t, "hosts") {
		at := testDay.Start() + rapid.Int64Range(0, 7_200_000).Draw(t, "begin")
		for range rapid.IntRange(1, 3).Draw(t, "pieces") {
			p := drawPiece(t, hostName(100*h), at, metrics)
			if n := len(p.Rows.Start); n > 0 {
				at = p.Rows.Start[n-1] + 1
			}
			pieces = append(pieces, p)
		}
	}
	return metrics, pieces
}

func drawPiece(t *rapid.T, host fleet.HostID, at int64, metrics []fleet.Metric) piece {
	p := piece{Host: host, Step: rapid.SampledFrom([]int32{1, 1000, 60_000, 300_000, 86_400_000}).Draw(t, "step")}
	advance := rapid.SampledFrom([]int64{0, 1, 1000, 61_000}).Draw(t, "irregular")
	for range rapid.IntRange(0, 40).Draw(t, "rows") {
		if !testDay.Contains(at) {
			break
		}
		p.Rows.Start = append(p.Rows.Start, at)
		at += int64(p.Step)
		if advance > 0 {
			at += rapid.Int64Range(0, advance).Draw(t, "off")
		}
	}
	n := len(p.Rows.Start)
	origins := []string{"", "agent", "import", "agent;memory_usage=cloud"}
	p.Rows.Default = rapid.SampledFrom(origins).Draw(t, "origin")
	if rapid.Bool().Draw(t, "mixed") {
		for range n {
			p.Rows.Origin = append(p.Rows.Origin, rapid.SampledFrom(origins).Draw(t, "origin"))
		}
	}
	for _, m := range metrics {
		kind := rapid.SampledFrom([]string{"absent", "all", "some", "none", "constant"}).Draw(t, m.Name)
		if kind == "absent" {
			continue
		}
		c := fleet.Column{Metric: m, Values: make([]int32, n)}
		if kind == "some" || kind == "none" {
			c.Present = make([]bool, n)
		}
		for i := range c.Values {
			if c.Present != nil {
				c.Present[i] = kind == "some" && rapid.Bool().Draw(t, "present")
			}
			if kind != "constant" {
				c.Values[i] = rapid.Int32Range(0, 1<<31-1).Draw(t, "value")
			}
		}
		p.Rows.Columns = append(p.Rows.Columns, c)
	}
	return p
}

func drawOptions(t *rapid.T) Options {
	return Options{
		GroupRows: rapid.SampledFrom([]int{0, 1, 10, 50}).Draw(t, "group rows"),
		PageRows:  rapid.SampledFrom([]int{0, 1, 3, 20}).Draw(t, "page rows"),
		Workers:   rapid.IntRange(0, 3).Draw(t, "workers"),
	}
}

func drawFile(t *rapid.T, metrics []fleet.Metric, pieces []piece, opt Options) *File {
	var out bytes.Buffer
	w, err := NewWriter(&out, testDay, metrics, opt)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pieces {
		if err := w.Add(Run{Host: p.Host, Step: p.Step}, p.Rows); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := Open(bytes.NewReader(out.Bytes()), int64(out.Len()))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestRoundTripProperty keeps that whatever is written is read back, through
// Rows, Scan and Starts alike, however the file is cut.
func TestRoundTripProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		metrics, pieces := drawDay(t)
		f := drawFile(t, metrics, pieces, drawOptions(t))
		want := normal(pieces, metrics)
		got, err := read(f)
		if err != nil {
			t.Fatal(err)
		}
		if d := diff(got, want); d != "" {
			t.Fatalf("rows differ (-want +got):\n%s", d)
		}
		if err := f.Check(new(Scratch)); err != nil {
			t.Fatal(err)
		}
		lo := rapid.IntRange(0, len(want)).Draw(t, "lo")
		hi := rapid.IntRange(lo, len(want)).Draw(t, "hi")
		if err := sameScan(f, lo, hi, metrics, want); err != nil {
			t.Fatal(err)
		}
	})
}

// sameScan compares what Scan and Starts yield of the runs [lo, hi) with rows.
func sameScan(f *File, lo, hi int, metrics []fleet.Metric, want []piece) error {
	var s Scratch
	for _, m := range metrics {
		next := lo
		err := f.Scan(m, lo, hi, &s, func(run int, values []int32, present []bool) error {
			for ; next < run; next++ {
				if columnOf(want[next], m) != nil {
					return fmt.Errorf("%s of run %d is left out", m.Name, next)
				}
			}
			next = run + 1
			c := columnOf(want[run], m)
			if c == nil {
				return fmt.Errorf("%s of run %d has values %v", m.Name, run, values)
			}
			var packed []int32
			for i, v := range c.Values {
				if c.Has(i) {
					packed = append(packed, v)
				}
			}
			if !slices.Equal(packed, values) || !slices.Equal(c.Present, present) {
				return fmt.Errorf("%s of run %d: %v, %v", m.Name, run, values, present)
			}
			return nil
		})
		if err != nil {
			return err
		}
		for ; next < hi; next++ {
			if columnOf(want[next], m) != nil {
				return fmt.Errorf("%s of run %d is left out", m.Name, next)
			}
		}
	}
	next := lo
	return f.Starts(lo, hi, &s, func(run int, starts []int64) error {
		if run != next || !slices.Equal(starts, want[run].Rows.Start) {
			return fmt.Errorf("starts of run %d: %v", run, starts)
		}
		next++
		return nil
	})
}

func columnOf(p piece, m fleet.Metric) *fleet.Column {
	for i := range p.Rows.Columns {
		if p.Rows.Columns[i].Metric.Name == m.Name {
			return &p.Rows.Columns[i]
		}
	}
	return nil
}

// TestCopyProperty keeps that a file whose segments are copied into another, or
// read and added, has the same rows, whatever else the other's columns are.
func TestCopyProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		metrics, pieces := drawDay(t)
		f := drawFile(t, metrics, pieces, drawOptions(t))
		wider := rapid.Permutation(append(stored(), ownMetric())).Draw(t, "columns")
		if rapid.Bool().Draw(t, "same columns") {
			wider = metrics
		}
		var out bytes.Buffer
		var s Scratch
		w, err := NewWriter(&out, testDay, wider, drawOptions(t))
		if err != nil {
			t.Fatal(err)
		}
		runs := 0
		for _, seg := range f.Segments() {
			if seg.Lo != runs || seg.Hi <= seg.Lo {
				t.Fatalf("segment %+v does not follow run %d", seg, runs)
			}
			runs = seg.Hi
			if rapid.Bool().Draw(t, "recode") {
				err = w.recode(f, seg, &s)
			} else {
				var copied bool
				if copied, err = w.Copy(f, seg, &s); err == nil && !copied {
					t.Fatal("a segment was not copied")
				}
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if runs != len(f.Runs()) {
			t.Fatalf("segments end at run %d of %d", runs, len(f.Runs()))
		}
		sum, err := w.Close()
		if err != nil {
			t.Fatal(err)
		}
		g, err := Open(bytes.NewReader(out.Bytes()), int64(out.Len()))
		if err != nil {
			t.Fatal(err)
		}
		got, err := read(g)
		if err != nil {
			t.Fatal(err)
		}
		if d := diff(got, normal(pieces, wider)); d != "" {
			t.Fatalf("rows differ (-want +got):\n%s", d)
		}
		if err := g.Check(&s); err != nil {
			t.Fatal(err)
		}
		for _, m := range wider {
			if a, b, c := f.Samples(m), g.Samples(m), sum.Samples[m.Name]; a != b || a != c {
				t.Fatalf("%s: %d samples became %d, %d in the summary", m.Name, a, b, c)
			}
		}
		if sum.Rows != f.NumRows() || sum.Runs != len(f.Runs()) {
			t.Fatalf("summary %+v of a file with %d rows in %d runs", sum, f.NumRows(), len(f.Runs()))
		}
	})
}
