package dayfile

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/leanfleet/leanfleet/fleet"
)

// testDay is the day that tests write: 2013-08-01.
const testDay = Day(15918)

// piece is rows of one host with one step, as added and as read back.
type piece struct {
	Host fleet.HostID
	Step int32
	Rows Rows
}

func stored() []fleet.Metric { return fleet.CanonicalMetrics().Stored() }

// ownMetric is a metric of a user's own.
func ownMetric() fleet.Metric {
	return fleet.Metric{Name: "queue_depth", Unit: "messages", Num: 5, Den: 2, Column: "queue_depth", Description: "messages waiting"}
}

// write writes pieces to memory.
func write(t testing.TB, metrics []fleet.Metric, pieces []piece, opt Options) ([]byte, Summary) {
	t.Helper()
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
	sum, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	if sum.Bytes != int64(out.Len()) {
		t.Fatalf("the summary says %d bytes, there are %d", sum.Bytes, out.Len())
	}
	if got, err := Checksum(bytes.NewReader(out.Bytes())); err != nil || got != sum.Checksum {
		t.Fatalf("checksum %x, %v; the summary says %x", got, err, sum.Checksum)
	}
	return out.Bytes(), sum
}

func open(t testing.TB, data []byte) *File {
	t.Helper()
	f, err := Open(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// read reads everything back.
func read(f *File) ([]piece, error) {
	var s Scratch
	var out []piece
	for i, run := range f.Runs() {
		rows, err := f.Rows(i, &s)
		if err != nil {
			return nil, err
		}
		out = append(out, piece{run.Host, run.Step, rows})
	}
	return out, nil
}

// normal brings pieces into the form in which they are read back: those of one
// host and step that follow each other joined, columns in order, values that
// are missing zero, columns without values left out.
func normal(pieces []piece, metrics []fleet.Metric) []piece {
	var out []piece
	for _, p := range pieces {
		n := len(p.Rows.Start)
		if n == 0 {
			continue
		}
		next := piece{Host: p.Host, Step: p.Step, Rows: Rows{Start: slices.Clone(p.Rows.Start)}}
		for i := range n {
			next.Rows.Origin = append(next.Rows.Origin, p.Rows.OriginOf(i))
		}
		for _, m := range metrics {
			c := fleet.Column{Metric: m, Values: make([]int32, n), Present: make([]bool, n)}
			for _, from := range p.Rows.Columns {
				if from.Metric.Name != m.Name {
					continue
				}
				for i := range n {
					if from.Has(i) {
						c.Values[i], c.Present[i] = from.Values[i], true
					}
				}
			}
			next.Rows.Columns = append(next.Rows.Columns, c)
		}
		if k := len(out) - 1; k >= 0 && out[k].Host == next.Host && out[k].Step == next.Step {
			last := &out[k].Rows
			last.Start = append(last.Start, next.Rows.Start...)
			last.Origin = append(last.Origin, next.Rows.Origin...)
			for i := range last.Columns {
				last.Columns[i].Values = append(last.Columns[i].Values, next.Rows.Columns[i].Values...)
				last.Columns[i].Present = append(last.Columns[i].Present, next.Rows.Columns[i].Present...)
			}
			continue
		}
		out = append(out, next)
	}
	for i := range out {
		rows := &out[i].Rows
		if !slices.ContainsFunc(rows.Origin, func(o string) bool { return o != rows.Origin[0] }) {
			rows.Default, rows.Origin = rows.Origin[0], nil
		}
		rows.Columns = slices.DeleteFunc(rows.Columns, func(c fleet.Column) bool { return !slices.Contains(c.Present, true) })
		for k := range rows.Columns {
			if !slices.Contains(rows.Columns[k].Present, false) {
				rows.Columns[k].Present = nil
			}
		}
	}
	return out
}

func diff(got, want []piece) string { return cmp.Diff(want, got, cmpopts.EquateEmpty()) }

// plainRows are rows a step apart from the beginning of the day, with values
// for the first metrics.
func plainRows(seed uint64, n int, step int64, metrics ...fleet.Metric) Rows {
	r := rand.New(rand.NewPCG(seed, 1))
	rows := Rows{Default: "agent"}
	for i := range n {
		rows.Start = append(rows.Start, testDay.Start()+int64(i)*step)
	}
	for _, m := range metrics {
		c := fleet.Column{Metric: m, Values: make([]int32, n)}
		v := r.Int32N(5000)
		for i := range c.Values {
			v = max(0, v+r.Int32N(401)-200)
			c.Values[i] = v
		}
		rows.Columns = append(rows.Columns, c)
	}
	return rows
}

func hostName(i int) fleet.HostID { return fleet.HostID(fmt.Sprintf("host-%05d", i)) }

// smallDay is a few hosts with everything that can differ.
func smallDay() ([]fleet.Metric, []piece) {
	metrics := append(stored(), ownMetric())
	own, cpu := ownMetric(), fleet.CPUUsage
	irregular := plainRows(3, 50, 60_000, cpu, own)
	for i := range irregular.Start {
		irregular.Start[i] += int64(i % 3)
	}
	irregular.Columns[1].Present = make([]bool, 50)
	for i := range irregular.Columns[1].Present {
		irregular.Columns[1].Present[i] = i%7 != 0
	}
	irregular.Origin, irregular.Default = make([]string, 50), ""
	for i := range irregular.Origin {
		irregular.Origin[i] = []string{"agent", "agent", "agent;memory_usage=cloud"}[i%3]
	}
	late := plainRows(4, 10, 300_000, cpu)
	for i := range late.Start {
		late.Start[i] += 43_200_000
	}
	return metrics, []piece{
		{"ash", 60_000, plainRows(1, 100, 60_000, cpu, fleet.MemoryUsage)},
		{"birch", 60_000, irregular},
		{"birch", 300_000, late},
		{"cedar", 86_400_000, plainRows(5, 1, 1, fleet.MemoryUsage)},
	}
}

func TestRoundTrip(t *testing.T) {
	metrics, pieces := smallDay()
	data, sum := write(t, metrics, pieces, Options{GroupRows: 60, PageRows: 20})
	f := open(t, data)
	got, err := read(f)
	if err != nil {
		t.Fatal(err)
	}
	if d := diff(got, normal(pieces, metrics)); d != "" {
		t.Errorf("rows differ (-want +got):\n%s", d)
	}
	if err := f.Check(new(Scratch)); err != nil {
		t.Errorf("check: %v", err)
	}
	if sum.Hosts != 3 || sum.Runs != 4 || sum.Rows != 161 || f.NumRows() != 161 || sum.Samples["cpu_usage"] != 160 || sum.Samples["queue_depth"] != 42 {
		t.Errorf("summary %+v", sum)
	}
	if d := cmp.Diff(metrics, f.Metrics()); d != "" {
		t.Errorf("metrics differ:\n%s", d)
	}
	if f.Day() != testDay || f.Version() != 1 || f.Size() != int64(len(data)) {
		t.Errorf("day %s, version %d, size %d", f.Day(), f.Version(), f.Size())
	}
}
