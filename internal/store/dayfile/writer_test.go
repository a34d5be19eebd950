package dayfile

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

func TestDay(t *testing.T) {
	for _, c := range []struct {
		ms   int64
		want string
	}{
		{0, "1970-01-01"}, {86_399_999, "1970-01-01"}, {86_400_000, "1970-01-02"}, {-1, "1969-12-31"},
		{1_375_315_200_000, "2013-08-01"}, {1_375_401_599_999, "2013-08-01"}, {fleet.MaxTime, "2262-04-11"},
	} {
		d := DayOf(c.ms)
		if d.String() != c.want || !d.Contains(c.ms) {
			t.Errorf("%d ms is on %s, not %s", c.ms, d, c.want)
		}
		back, err := ParseDay(c.want)
		if err != nil || back != d {
			t.Errorf("%s is day %d, not %d: %v", c.want, back, d, err)
		}
	}
	w := testDay.Window()
	if w.Start != time.Date(2013, 8, 1, 0, 0, 0, 0, time.UTC) || w.Duration() != 24*time.Hour || testDay.Start() != w.Start.UnixMilli() {
		t.Errorf("window %s", w)
	}
	if _, err := ParseDay("2013-8-1"); err == nil || err.Error() != `day "2013-8-1" is not of the form 2013-08-01` {
		t.Errorf("got %v", err)
	}
}

// TestAddRefuses keeps the message of each mistake, and that a file is not
// finished after one.
func TestAddRefuses(t *testing.T) {
	start := testDay.Start()
	cpu := func(values ...int32) []fleet.Column {
		return []fleet.Column{{Metric: fleet.CPUUsage, Values: values}}
	}
	inCores := fleet.CPUUsage
	inCores.Unit = fleet.UnitCores
	coarse := fleet.CPUUsage
	coarse.Num, coarse.Den = 1000000, 1
	long := strings.Repeat("x", MaxNameBytes+1)
	for _, c := range []struct {
		name string
		host fleet.HostID
		step int32
		rows Rows
		want string
	}{
		{"no host", "", 1, Rows{Start: []int64{start}}, "rows without a host"},
		{"long host", fleet.HostID(long), 1, Rows{Start: []int64{start}}, "longer than 4096"},
		{"no step", "h", 0, Rows{Start: []int64{start}}, "host h: a step of 0 ms is not between 1 ms and 24 h"},
		{"day before", "h", 1, Rows{Start: []int64{start - 1}}, "do not lie in 2013-08-01"},
		{"day after", "h", 1, Rows{Start: []int64{start, start + millisPerDay}}, "do not lie in 2013-08-01"},
		{"time stands", "h", 1, Rows{Start: []int64{start, start}}, "host h, row 1: time does not advance"},
		{"origins", "h", 1, Rows{Start: []int64{start}, Origin: []string{"a", "b"}}, "host h: 2 origins for 1 rows"},
		{"long origin", "h", 1, Rows{Start: []int64{start}, Origin: []string{long}}, "host h: an origin of 4097 bytes"},
		{"long default", "h", 1, Rows{Start: []int64{start}, Default: long}, "host h: an origin of 4097 bytes"},
		{"unknown metric", "h", 1, Rows{Start: []int64{start}, Columns: []fleet.Column{{Metric: fleet.CapacityVCPUs, Values: []int32{1}}}}, `metric "capacity_vcpus" is not among those of the file`},
		{"metric twice", "h", 1, Rows{Start: []int64{start}, Columns: append(cpu(1), cpu(1)...)}, "host h: metric cpu_usage stands twice"},
		{"values", "h", 1, Rows{Start: []int64{start}, Columns: cpu(1, 2)}, "metric cpu_usage has 2 values and 0 marks for 1 rows"},
		{"marks", "h", 1, Rows{Start: []int64{start}, Columns: []fleet.Column{{Metric: fleet.CPUUsage, Values: []int32{1}, Present: []bool{true, true}}}}, "2 marks for 1 rows"},
		{"negative", "h", 1, Rows{Start: []int64{start}, Columns: cpu(-1)}, "metric cpu_usage: impossible value: a value is negative"},
		{"unit", "h", 1, Rows{Start: []int64{start}, Columns: []fleet.Column{{Metric: inCores, Values: []int32{1}}}}, `metric cpu_usage is in "cores", not in "ratio"`},
		{"too large", "h", 1, Rows{Start: []int64{start}, Columns: []fleet.Column{{Metric: coarse, Values: []int32{1}}}}, "is above the largest"},
		{"host order", "a", 1, Rows{Start: []int64{start}}, "host a comes after host g"},
		{"time order", "g", 1, Rows{Start: []int64{start}}, "host g: rows from 1375315200000 ms come after a row at 1375315200000 ms"},
	} {
		w, err := NewWriter(io.Discard, testDay, []fleet.Metric{fleet.CPUUsage}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Add(Run{Host: "g", Step: 1}, Rows{Start: []int64{start}}); err != nil {
			t.Fatal(err)
		}
		err = w.Add(Run{Host: c.host, Step: c.step}, c.rows)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "write day 2013-08-01: ") {
			t.Errorf("%s: got %v, want ...%s...", c.name, err, c.want)
		}
		if again := w.Add(Run{Host: "z", Step: 1}, Rows{Start: []int64{start}}); again != err {
			t.Errorf("%s: rows are taken after an error", c.name)
		}
		if _, last := w.Close(); last != err {
			t.Errorf("%s: the file is finished after an error", c.name)
		}
	}
}

func TestNewWriterRefuses(t *testing.T) {
	bad := func(change func(*fleet.Metric)) []fleet.Metric {
		m := ownMetric()
		change(&m)
		return []fleet.Metric{fleet.CPUUsage, m}
	}
	for name, c := range map[string]struct {
		day     Day
		metrics []fleet.Metric
		opt     Options
	}{
		"options":    {testDay, nil, Options{Workers: -1}},
		"day":        {-1, nil, Options{}},
		"late day":   {maxDay + 1, nil, Options{}},
		"derived":    {testDay, []fleet.Metric{fleet.CPUCoresUsed}, Options{}},
		"no column":  {testDay, bad(func(m *fleet.Metric) { m.Column = "" }), Options{}},
		"resolution": {testDay, bad(func(m *fleet.Metric) { m.Den = 0 }), Options{}},
		"digits":     {testDay, bad(func(m *fleet.Metric) { m.Digits = 10 }), Options{}},
		"long":       {testDay, bad(func(m *fleet.Metric) { m.Description = strings.Repeat("x", 5000) }), Options{}},
		"name twice": {testDay, bad(func(m *fleet.Metric) { m.Name = "cpu_usage" }), Options{}},
		"column":     {testDay, bad(func(m *fleet.Metric) { m.Column = "cpu_usage" }), Options{}},
		"key column": {testDay, bad(func(m *fleet.Metric) { m.Column = "time" }), Options{}},
	} {
		if _, err := NewWriter(io.Discard, c.day, c.metrics, c.opt); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// failing takes n bytes.
type failing struct {
	n     int
	short bool
}

var errFull = errors.New("disk full")

func (f *failing) Write(b []byte) (int, error) {
	if f.n -= len(b); f.n < 0 {
		if f.short {
			return 0, nil
		}
		return 0, errFull
	}
	return len(b), nil
}

func TestWriteFails(t *testing.T) {
	metrics, pieces := smallDay()
	data, _ := write(t, metrics, pieces, Options{GroupRows: 60, PageRows: 20})
	for n := 0; n < len(data); n += 97 {
		out := &failing{n: n, short: n%2 == 1}
		w, err := NewWriter(out, testDay, metrics, Options{GroupRows: 60, PageRows: 20})
		for _, p := range pieces {
			if err == nil {
				err = w.Add(Run{Host: p.Host, Step: p.Step}, p.Rows)
			}
		}
		if err == nil {
			_, err = w.Close()
		}
		if want := errFull; !out.short && !errors.Is(err, want) || out.short && !errors.Is(err, io.ErrShortWrite) {
			t.Fatalf("after %d bytes: %v", n, err)
		}
	}
}

func TestClosed(t *testing.T) {
	w, err := NewWriter(io.Discard, testDay, nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	sum, err := w.Close()
	if err != nil || sum.Rows != 0 || sum.First != 0 || sum.Last != 0 {
		t.Fatalf("an empty file: %+v, %v", sum, err)
	}
	if err := w.Add(Run{Host: "h", Step: 1}, Rows{Start: []int64{testDay.Start()}}); err == nil {
		t.Error("rows are added to a finished file")
	}
	if _, err := w.Close(); err == nil {
		t.Error("a file is finished twice")
	}
}

func TestFindHost(t *testing.T) {
	metrics, pieces := smallDay()
	data, _ := write(t, metrics, pieces, Options{})
	f := open(t, data)
	for host, want := range map[fleet.HostID][2]int{
		"": {0, 0}, "ash": {0, 1}, "aspen": {1, 1}, "birch": {1, 3}, "cedar": {3, 4}, "zelkova": {4, 4},
	} {
		if lo, hi := f.FindHost(host); lo != want[0] || hi != want[1] {
			t.Errorf("%q: runs [%d, %d), not %v", host, lo, hi, want)
		}
	}
	runs := f.Runs()
	if !runs[0].Regular || runs[1].Regular || !runs[2].Regular || runs[1].Step != 60_000 || runs[2].Step != 300_000 {
		t.Errorf("runs %+v", runs)
	}
}

// TestLongHost spreads a host with a row each second over pages and row groups.
func TestLongHost(t *testing.T) {
	long := plainRows(1, 86_400, 1000, fleet.CPUUsage)
	long.Columns[0].Present = make([]bool, 86_400)
	for i := range long.Columns[0].Present {
		long.Columns[0].Present[i] = i < 30_000 || i%1000 > 5
	}
	pieces := []piece{
		{"ash", 60_000, plainRows(2, 1440, 60_000, fleet.CPUUsage)},
		{"birch", 1000, long},
		{"cedar", 60_000, plainRows(3, 1440, 60_000, fleet.MemoryUsage)},
	}
	data, _ := write(t, stored(), pieces, Options{GroupRows: 10_000, PageRows: 1000})
	f := open(t, data)
	if len(f.index.groups) < 4 || len(f.Runs()) != 3 {
		t.Errorf("%d row groups, %d runs", len(f.index.groups), len(f.Runs()))
	}
	want := normal(pieces, stored())
	for lo := range 3 {
		if err := sameScan(f, lo, 3, stored(), want); err != nil {
			t.Error(err)
		}
	}
	if err := f.Check(new(Scratch)); err != nil {
		t.Error(err)
	}
	segments := f.Segments()
	if len(segments) != 1 || segments[0].Rows != f.NumRows() {
		t.Errorf("segments %+v", segments)
	}
}

// TestSegments keeps that row groups end between hosts and how large they are.
func TestSegments(t *testing.T) {
	var pieces []piece
	for i := range 35 {
		pieces = append(pieces, piece{hostName(i), 60_000, plainRows(uint64(i), 100, 60_000, fleet.CPUUsage)})
	}
	data, _ := write(t, stored(), pieces, Options{GroupRows: 1000, PageRows: 200})
	f := open(t, data)
	var got []int
	for _, s := range f.Segments() {
		got = append(got, s.Hi-s.Lo)
	}
	if !slices.Equal(got, []int{10, 10, 10, 5}) {
		t.Errorf("segments of %v hosts", got)
	}
	if pages := len(f.index.groups[0].chunks[columnTime].pages); pages != 5 {
		t.Errorf("%d pages of two hosts each", pages)
	}
}

// TestOtherResolution keeps that a metric whose resolution was changed is
// answered in the resolution asked for, whatever the file has.
func TestOtherResolution(t *testing.T) {
	old := ownMetric() // 2.5 messages
	rows := Rows{Default: "agent", Start: []int64{testDay.Start(), testDay.Start() + 1}, Columns: []fleet.Column{{Metric: old, Values: []int32{4, 7}}}}
	data, _ := write(t, []fleet.Metric{old}, []piece{{"ash", 1, rows}}, Options{})
	f := open(t, data)
	fine := old
	fine.Num, fine.Den = 1, 10 // 0.1 messages
	var got []int32
	err := f.Scan(fine, 0, 1, new(Scratch), func(_ int, values []int32, _ []bool) error {
		got = append(got, values...)
		return nil
	})
	if err != nil || !slices.Equal(got, []int32{100, 175}) {
		t.Errorf("4 and 7 times 2.5 are %v tenths: %v", got, err)
	}
	other := old
	other.Unit = fleet.UnitBytes
	if err := f.Scan(other, 0, 1, new(Scratch), func(int, []int32, []bool) error { return nil }); err == nil || !strings.Contains(err.Error(), `is in "messages", not in "bytes"`) {
		t.Errorf("another unit: %v", err)
	}
	// Copying into a file with the new resolution writes the rows anew.
	var out bytes.Buffer
	w, err := NewWriter(&out, testDay, []fleet.Metric{fleet.CPUUsage, fine}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if copied, err := w.Copy(f, f.Segments()[0], new(Scratch)); err != nil || copied {
		t.Fatalf("copied %v: %v", copied, err)
	}
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := open(t, out.Bytes()).Rows(0, new(Scratch))
	if err != nil || !slices.Equal(again.Columns[0].Values, []int32{100, 175}) {
		t.Errorf("%+v, %v", again, err)
	}
}

func TestCopyRefuses(t *testing.T) {
	metrics, pieces := smallDay()
	data, _ := write(t, metrics, pieces, Options{})
	f := open(t, data)
	seg := f.Segments()[0]
	for name, c := range map[string]struct {
		day     Day
		metrics []fleet.Metric
		before  fleet.HostID
		seg     Segment
		want    string
	}{
		"day":     {testDay + 1, metrics, "", seg, "they are of day 2013-08-01"},
		"segment": {testDay, metrics, "", Segment{Lo: 3, Hi: 9}, "is not one of the file"},
		"order":   {testDay, metrics, "b", seg, "host ash comes after host b"},
		"metric":  {testDay, []fleet.Metric{fleet.CPUUsage}, "", seg, `metric "memory_usage" is not among those of the file`},
	} {
		w, err := NewWriter(io.Discard, c.day, c.metrics, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if c.before != "" {
			if err := w.Add(Run{Host: c.before, Step: 1}, Rows{Start: []int64{c.day.Start()}}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := w.Copy(f, c.seg, new(Scratch)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want ...%s", name, err, c.want)
		}
		if _, err := w.Copy(f, seg, new(Scratch)); err == nil {
			t.Errorf("%s: a segment is copied after an error", name)
		}
	}
}

func TestRunsOutOfRange(t *testing.T) {
	f := open(t, tinyDay(t))
	var s Scratch
	values := func(int, []int32, []bool) error { return nil }
	for _, r := range [][2]int{{-1, 1}, {0, 3}, {2, 1}} {
		if err := f.Scan(fleet.CPUUsage, r[0], r[1], &s, values); err == nil {
			t.Errorf("scan of %v: no error", r)
		}
		if err := f.Starts(r[0], r[1], &s, func(int, []int64) error { return nil }); err == nil {
			t.Errorf("starts of %v: no error", r)
		}
	}
	if _, err := f.Rows(2, &s); err == nil {
		t.Error("rows of run 2: no error")
	}
	if err := f.Scan(fleet.MemoryUsage, 0, 2, &s, func(int, []int32, []bool) error { return errFull }); err != nil {
		t.Errorf("a metric the file lacks: %v", err)
	}
	if _, ok := f.Metric("memory_usage"); ok || f.Samples(fleet.MemoryUsage) != 0 {
		t.Error("the file has memory_usage")
	}
	if m, ok := f.Metric("queue_depth"); !ok || m != ownMetric() || f.Samples(m) != 9 {
		t.Errorf("queue_depth is %+v, %d samples", m, f.Samples(m))
	}
	if err := f.Scan(fleet.CPUUsage, 0, 2, &s, func(int, []int32, []bool) error { return errFull }); err != errFull {
		t.Errorf("the error of yield became %v", err)
	}
	if err := f.Starts(0, 2, &s, func(int, []int64) error { return errFull }); err != errFull {
		t.Errorf("the error of yield became %v", err)
	}
}

// TestNested reads a second metric and the times while the first is scanned,
// with one Scratch, as derived metrics do.
func TestNested(t *testing.T) {
	var pieces []piece
	for i := range 12 {
		rows := plainRows(uint64(i), 30, 60_000, fleet.CPUUsage, fleet.CapacityVCPUs)
		rows.Start[3] += int64(i % 2)
		pieces = append(pieces, piece{hostName(i), 60_000, rows})
	}
	data, _ := write(t, stored(), pieces, Options{GroupRows: 100, PageRows: 50})
	f := open(t, data)
	var s Scratch
	seen := 0
	err := f.Scan(fleet.CPUUsage, 0, 12, &s, func(run int, cpu []int32, _ []bool) error {
		rows := pieces[run].Rows
		err := f.Scan(fleet.CapacityVCPUs, run, run+1, &s, func(_ int, values []int32, _ []bool) error {
			return f.Starts(run, run+1, &s, func(_ int, starts []int64) error {
				if !slices.Equal(values, rows.Columns[1].Values) || !slices.Equal(starts, rows.Start) {
					t.Errorf("run %d: %v, %v", run, values, starts)
				}
				return nil
			})
		})
		if !slices.Equal(cpu, rows.Columns[0].Values) {
			t.Errorf("run %d: %v", run, cpu)
		}
		seen++
		return err
	})
	if err != nil || seen != 12 {
		t.Errorf("%d runs, %v", seen, err)
	}
}

// TestConcurrentReaders reads one File from several goroutines.
func TestConcurrentReaders(t *testing.T) {
	metrics, pieces := smallDay()
	data, _ := write(t, metrics, pieces, Options{GroupRows: 60, PageRows: 20})
	f := open(t, data)
	want := normal(pieces, metrics)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			got, err := read(f)
			if err != nil || diff(got, want) != "" {
				t.Errorf("rows differ: %v", err)
			}
			w, err := NewWriter(io.Discard, testDay, metrics, Options{})
			if err != nil {
				t.Error(err)
				return
			}
			for _, seg := range f.Segments() {
				if _, err := w.Copy(f, seg, new(Scratch)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
}

// TestSameBytes keeps that a file does not depend on how rows were handed over
// nor on the number of workers.
func TestSameBytes(t *testing.T) {
	metrics, pieces := smallDay()
	want, _ := write(t, metrics, pieces, Options{GroupRows: 60, PageRows: 20, Workers: 1})
	var split []piece
	for _, p := range pieces {
		for i := range p.Rows.Start {
			one := piece{p.Host, p.Step, Rows{Start: p.Rows.Start[i : i+1], Default: p.Rows.OriginOf(i)}}
			for _, c := range p.Rows.Columns {
				next := fleet.Column{Metric: c.Metric, Values: c.Values[i : i+1]}
				if c.Present != nil {
					next.Present = c.Present[i : i+1]
				}
				one.Rows.Columns = append(one.Rows.Columns, next)
			}
			split = append(split, one)
		}
	}
	got, _ := write(t, metrics, split, Options{GroupRows: 60, PageRows: 20, Workers: 3})
	if !bytes.Equal(got, want) {
		t.Errorf("row by row makes %d other bytes than %d", len(got), len(want))
	}
}
