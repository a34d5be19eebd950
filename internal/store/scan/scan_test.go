package scan

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/store/dayfile"
	"github.com/leanfleet/leanfleet/inventory"
)

const (
	minute = int64(60_000)
	hour   = 60 * minute
	day    = 24 * hour
	none   = int32(-1)
)

// monday is 2024-01-01. Times in these tests are milliseconds from its start.
const monday = dayfile.Day(19723)

func at(ms int64) time.Time { return time.UnixMilli(monday.Start() + ms).UTC() }

func window(from, to int64) fleet.Window { return fleet.Window{Start: at(from), End: at(to)} }

// row is a row of cpu_usage and capacity_vcpus, each none where there is none.
type row struct {
	start           int64
	value, capacity int32
	step            int64 // of the run, filled in by seal
}

// run is rows of one host as they lie in a day file.
type run struct {
	host string
	step int64
	rows []row
}

// every makes rows a step apart, without a capacity.
func every(host string, first, step int64, values ...int32) run {
	r := run{host: host, step: step}
	for i, v := range values {
		r.rows = append(r.rows, row{start: first + int64(i)*step, value: v, capacity: none})
	}
	return r
}

// world is day files made by hand, the hosts in them, and what was written.
type world struct {
	testing.TB
	view     View
	rows     map[string][]row // by host, as they were written
	files    [][]byte         // of view.Days
	pageRows int
}

func newWorld(t testing.TB, pageRows int) *world {
	return &world{TB: t, pageRows: pageRows, rows: map[string][]row{}, view: View{Book: inventory.NewBook(nil), Metrics: fleet.CanonicalMetrics()}}
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// seal adds a day; its runs come by host, then time.
func (w *world) seal(n int, runs ...run) {
	w.Helper()
	var out bytes.Buffer
	metrics := []fleet.Metric{fleet.CPUUsage, fleet.CapacityVCPUs}
	d := monday + dayfile.Day(n)
	file, err := dayfile.NewWriter(&out, d, metrics, dayfile.Options{GroupRows: 4 * w.pageRows, PageRows: w.pageRows})
	w.must(err)
	for _, r := range runs {
		rows := dayfile.Rows{Default: "agent", Columns: make([]fleet.Column, len(metrics))}
		for _, x := range r.rows {
			x.step = r.step
			w.rows[r.host] = append(w.rows[r.host], x)
			rows.Start = append(rows.Start, monday.Start()+x.start)
			for i, v := range []int32{x.value, x.capacity} {
				c := &rows.Columns[i]
				c.Metric, c.Values, c.Present = metrics[i], append(c.Values, max(0, v)), append(c.Present, v != none)
			}
		}
		w.must(file.Add(dayfile.Run{Host: fleet.HostID(r.host), Step: int32(r.step)}, rows))
		id := w.view.Book.Ensure(r.host, at(0), fleet.Put{At: at(0)})
		w.view.Book.See(id, window(r.rows[0].start, r.rows[len(r.rows)-1].start+r.step))
	}
	_, err = file.Close()
	w.must(err)
	w.files = append(w.files, out.Bytes())
	w.view.Days = append(w.view.Days, DayView{Day: d, File: w.open(bytes.Clone(out.Bytes())), Path: d.String() + ".parquet"})
}

func (w *world) open(data []byte) *dayfile.File {
	f, err := dayfile.Open(bytes.NewReader(data), int64(len(data)))
	w.must(err)
	return f
}

// change puts a host into a department from a time on, in "off" it is stopped;
// 0 vCPUs are unknown.
func (w *world) change(host string, ms int64, dept string, vcpus float64) {
	w.Helper()
	s := fleet.Statement{Record: fleet.Record{Host: fleet.HostID(host), Tags: fleet.Tags{"dept": dept}, Capacity: fleet.Capacity{VCPUs: vcpus}}}
	if dept == "off" {
		s.State = fleet.StateStopped
	}
	_, err := w.view.Book.Put([]fleet.Statement{s}, fleet.Put{At: at(ms)})
	w.must(err)
}

func (w *world) query(m fleet.Metric, from, to int64, step fleet.Step, selector string) fleet.Query {
	w.Helper()
	hosts, err := fleet.ParseSelector(selector)
	w.must(err)
	return fleet.Query{Metric: m, Hosts: hosts, Window: window(from, to), Step: step}
}

// show writes a profile as a line, all of it or what tests by hand look at.
func show(p *fleet.Profile, all bool) string {
	line := fmt.Sprintf("%s %s %s n=%d expected=%s", p.Record.Host, p.Record.Tags["dept"], p.Window.Start.Format("02T15:04"), p.Count, p.Expected)
	if p.WithoutCapacity > 0 {
		line += fmt.Sprintf(" without=%d", p.WithoutCapacity)
	}
	if p.Count > 0 {
		line += fmt.Sprintf(" %d..%d", p.Min, p.Max)
	}
	if all {
		rest := *p
		rest.Record = nil
		line += fmt.Sprintf(" %+v", rest)
	}
	return line
}

// ask returns an answer as lines, errors last and in order.
func (w *world) ask(q fleet.Query, workers int, all bool) (lines []string) {
	var errs []string
	for p, err := range Profiles(w.Context(), w.view, q, workers) {
		if err != nil {
			errs = append(errs, w.told(err))
			continue
		}
		lines = append(lines, show(&p, all))
	}
	slices.Sort(errs)
	return append(lines, errs...)
}

// told is an error, that of a damaged file by its day.
func (w *world) told(err error) string {
	var d *fleet.DamagedError
	if errors.As(err, &d) && d.File == d.Day+".parquet" {
		return "damaged " + d.Day
	}
	return err.Error()
}

func (w *world) want(q fleet.Query, want ...string) {
	w.Helper()
	if d := cmp.Diff(want, w.ask(q, 3, false)); d != "" {
		w.Errorf("(-want +got):\n%s", d)
	}
}

// series returns start, step and value of each host's samples, and errors.
func (w *world) series(q fleet.Query) map[string][]int64 {
	out := map[string][]int64{}
	for s, err := range Series(w.Context(), w.view, q) {
		if err != nil {
			out[w.told(err)] = append(out[w.told(err)], 1)
			continue
		}
		host := string(s.Record.Host)
		for i, v := range s.Values {
			if !s.Record.ValidAt(time.UnixMilli(s.Start[i])) {
				w.Errorf("a sample of host %s at %d is not of its block's record", host, s.Start[i])
			}
			out[host] = append(out[host], s.Start[i]-monday.Start(), int64(s.Step), v)
		}
	}
	return out
}

// TestCuts: boundaries of records, steps and windows inside a run fall between
// the right rows, be they not a step apart or without a value.
func TestCuts(t *testing.T) {
	w := newWorld(t, 4)
	w.seal(0, run{"a", minute, []row{{0, 10, none, 0}, {61_000, 20, none, 0}, {2 * minute, none, none, 0},
		{3*minute - 1, 30, none, 0}, {3 * minute, 40, none, 0}, {hour, 50, none, 0}}},
		every("b", 58*minute, minute, none, 1, none, none, 2, 3, none), every("c", 0, minute, 5, 6))
	w.change("a", 0, "eng", 0)
	w.change("a", 3*minute, "data", 0)
	w.change("c", 0, "eng", 0)
	w.change("c", minute, "web", 0)
	w.want(w.query(fleet.CPUUsage, 0, day, fleet.StepHour, ""),
		"a eng 01T00:00 n=3 expected=3m0s 10..30",
		"a data 01T00:00 n=1 expected=57m0s 40..40",
		"a data 01T01:00 n=1 expected=1m0s 50..50",
		"b  01T00:00 n=1 expected=2m0s 1..1",
		"b  01T01:00 n=2 expected=5m0s 2..3",
		"c eng 01T00:00 n=1 expected=1m0s 5..5",
		"c web 01T00:00 n=1 expected=1m0s 6..6")
	w.want(w.query(fleet.CPUUsage, 61_000, 3*minute, "", "host=a"), "a eng 01T00:01 n=2 expected=1m59s 20..30")
	w.want(w.query(fleet.CPUUsage, 61_001, 3*minute-1, "", "host=a"), "a eng 01T00:01 n=0 expected=1m58.998s")
	w.want(w.query(fleet.CPUUsage, 61_000, 3*minute+1, "", "dept=data"), "a data 01T00:01 n=1 expected=1ms 40..40")
}

// TestPartialCapacity: a derived metric takes the capacity beside each sample,
// else the record's, else counts the sample as one without.
func TestPartialCapacity(t *testing.T) {
	w := newWorld(t, 2)
	w.seal(0, run{"a", minute, []row{{0, 10, 200, 0}, {minute, 20, none, 0}, {2 * minute, none, 300, 0}, {3 * minute, 30, none, 0}, {4 * minute, 40, 100, 0}}},
		every("b", 0, minute, 5))
	w.change("a", 0, "eng", 3)
	w.change("a", 3*minute, "data", 5)
	w.change("b", 0, "web", 0)
	w.want(w.query(fleet.CPUCoresUsed, 0, hour, "", ""),
		"a eng 01T00:00 n=2 expected=3m0s 2000..6000",
		"a data 01T00:00 n=2 expected=2m0s 4000..15000",
		"b web 01T00:00 n=0 expected=1m0s without=1")
}

// TestMergedHosts: where two ids of one host tell of the same start, the host's
// own wins, also across days and in a series.
func TestMergedHosts(t *testing.T) {
	w := newWorld(t, 3)
	w.seal(0, every("a", 0, minute, 1, 2, 3), every("m", 0, minute, 9, 9), every("z", minute, minute, 7, 7, 8))
	w.seal(1, every("z", day, minute, 4))
	w.must(w.view.Book.Merge("z", "a", fleet.Put{At: at(0)}))
	q := w.query(fleet.CPUUsage, 0, 2*day, "", "")
	w.want(q, "m  01T00:00 n=2 expected=2m0s 9..9", "z  01T00:00 n=5 expected=24h1m0s 1..8")
	want := map[string][]int64{
		"m": {0, minute, 9, minute, minute, 9},
		"z": {0, minute, 1, minute, minute, 7, 2 * minute, minute, 7, 3 * minute, minute, 8, day, minute, 4},
	}
	if d := cmp.Diff(want, w.series(q)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestStretches: few unwanted runs are read along, more are sought over, and
// neither shows in the answer.
func TestStretches(t *testing.T) {
	w := newWorld(t, 2)
	var runs []run
	for i := range 22 {
		runs = append(runs, every(fmt.Sprintf("h%02d", i), 0, minute, int32(i), int32(i)))
	}
	w.seal(0, runs...)
	q := w.query(fleet.CPUUsage, 0, day, "", "host=~h00|h09|h19|h20")
	p, err := newPlan(w.view, q)
	w.must(err)
	got := stretches(&w.view.Days[0], p.hosts)
	want := []wanted{{0, 10, []int{0, -1, -1, -1, -1, -1, -1, -1, -1, 1}}, {19, 21, []int{2, 3}}}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(wanted{})); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	w.want(q, "h00  01T00:00 n=2 expected=2m0s 0..0", "h09  01T00:00 n=2 expected=2m0s 9..9",
		"h19  01T00:00 n=2 expected=2m0s 19..19", "h20  01T00:00 n=2 expected=2m0s 20..20")
}

// spoil flips a byte of a day on which one column of a host depends, and no
// other: "time" or the name of a metric.
func (w *world) spoil(n int, host, column string) {
	w.Helper()
	reads := func(f *dayfile.File, what string) error {
		lo, hi := f.FindHost(fleet.HostID(host))
		if what == "time" {
			return f.Starts(lo, hi, new(dayfile.Scratch), func(int, []int64) error { return nil })
		}
		m, err := w.view.Metrics.Lookup(what)
		w.must(err)
		return f.Scan(m, lo, hi, new(dayfile.Scratch), func(int, []int32, []bool) error { return nil })
	}
	before := w.view.Days[n].File
	for i := 4; i < len(w.files[n]); i++ {
		w.files[n][i] ^= 1
		f, err := dayfile.Open(bytes.NewReader(w.files[n]), int64(len(w.files[n])))
		if err != nil {
			break // behind the pages
		}
		hit := true
		for _, what := range []string{"time", fleet.CPUUsage.Name, fleet.CapacityVCPUs.Name} {
			hit = hit && (what == column) == (reads(f, what) != nil && reads(before, what) == nil)
		}
		if hit {
			w.view.Days[n].File = w.open(bytes.Clone(w.files[n]))
			return
		}
		w.files[n][i] ^= 1
	}
	w.Fatalf("no byte of day %d holds %s of host %s alone", n, column, host)
}

// fourEach are hosts with four rows each, a page of its own with pages of four.
func fourEach(first int64, hosts ...string) (runs []run) {
	for i, h := range hosts {
		runs = append(runs, every(h, first, minute, int32(i), int32(i+2), int32(i+1), int32(i)))
	}
	return runs
}

// TestDamagedPages: hosts on damaged pages are left out for the day, all others
// are served, before and behind, and each file is named once.
func TestDamagedPages(t *testing.T) {
	w := newWorld(t, 4)
	w.seal(0, fourEach(0, "a", "b", "c", "d", "e", "f")...)
	w.seal(1, fourEach(day, "a", "b", "c", "d", "e", "f")...)
	w.seal(2, fourEach(2*day, "a")...)
	w.spoil(0, "c", fleet.CPUUsage.Name)
	w.spoil(0, "e", fleet.CPUUsage.Name)
	w.spoil(1, "c", fleet.CPUUsage.Name)
	w.view.Days[2].File, w.view.Days[2].Err = nil, fs.ErrNotExist
	q := w.query(fleet.CPUUsage, 0, 3*day, "", "")
	w.want(q, "a  01T00:00 n=8 expected=48h4m0s 0..2", "b  01T00:00 n=8 expected=24h4m0s 1..3",
		"c  01T00:00 n=0 expected=24h4m0s", "d  01T00:00 n=8 expected=24h4m0s 3..5",
		"e  01T00:00 n=4 expected=24h4m0s 4..6", "f  01T00:00 n=8 expected=24h4m0s 5..7",
		"damaged 2024-01-01", "damaged 2024-01-02", "damaged 2024-01-03")
	w.want(w.query(fleet.CPUUsage, 0, day, "", "host=~c|d"), "c  01T00:00 n=0 expected=24h0m0s", "d  01T00:00 n=4 expected=24h0m0s 3..5", "damaged 2024-01-01")
	w.want(w.query(fleet.CPUUsage, 0, day, "", "host=~d|e"), "d  01T00:00 n=4 expected=24h0m0s 3..5", "e  01T00:00 n=0 expected=24h0m0s", "damaged 2024-01-01")
	if got := w.series(q); len(got["c"]) != 0 || len(got["d"]) != 24 || len(got["e"]) != 12 || len(got["damaged 2024-01-01"]) != 1 {
		t.Errorf("series: %v", got)
	}
}

// TestDamageNotNeeded: damage on pages that are only read along, or to times
// that are regular or cut by no boundary, takes nothing from an answer.
func TestDamageNotNeeded(t *testing.T) {
	w := newWorld(t, 4)
	runs := fourEach(0, "a", "b", "c")
	runs[1].rows[2].start++
	w.seal(0, runs...)
	w.spoil(0, "b", "time")
	w.want(w.query(fleet.CPUUsage, 0, day, "", ""),
		"a  01T00:00 n=4 expected=4m0s 0..2", "b  01T00:00 n=4 expected=4m0s 1..3", "c  01T00:00 n=4 expected=4m0s 2..4")
	w.want(w.query(fleet.CPUUsage, 0, 3*minute, "", ""), "a  01T00:00 n=3 expected=3m0s 0..2",
		"b  01T00:00 n=0 expected=3m0s", "c  01T00:00 n=3 expected=3m0s 2..4", "damaged 2024-01-01")
	w.spoil(0, "b", fleet.CPUUsage.Name)
	q := w.query(fleet.CPUUsage, 0, day, "", "host!=b")
	w.want(q, "a  01T00:00 n=4 expected=4m0s 0..2", "c  01T00:00 n=4 expected=4m0s 2..4")
	if got := w.series(q); len(got) != 2 || len(got["a"]) != 12 || len(got["c"]) != 12 {
		t.Errorf("series: %v", got)
	}
}

// TestOpenWindow: a question needs both bounds.
func TestOpenWindow(t *testing.T) {
	w := newWorld(t, 4)
	for _, x := range []fleet.Window{{}, {Start: at(0)}, {End: at(0)}} {
		q := fleet.Query{Metric: fleet.CPUUsage, Window: x}
		w.want(q, errOpenWindow.Error())
		if got := w.series(q); len(got) != 1 || len(got[errOpenWindow.Error()]) != 1 {
			t.Errorf("series in %s: %v", x, got)
		}
	}
}

// TestNothingRunsOn: whoever stops reading, panics or cancels leaves no goroutine
// behind, and a cancelled answer does not pass for a whole one.
func TestNothingRunsOn(t *testing.T) {
	w := newWorld(t, 100)
	var runs []run
	for i := range 40 * blockHosts {
		runs = append(runs, every(fmt.Sprintf("host-%05d", i), 0, minute, int32(i)))
	}
	w.seal(0, runs...)
	q := w.query(fleet.CPUUsage, 0, day, "", "")
	read := func(ctx context.Context, workers, stopAt int, stop func() bool) (n int, last error) {
		defer func() { _ = recover() }()
		for _, err := range Profiles(ctx, w.view, q, workers) {
			last = err
			if n++; n == stopAt && stop() {
				break
			}
		}
		return n, last
	}
	for _, workers := range []int{0, 1, 7} {
		before := runtime.NumGoroutine()
		_, _ = read(t.Context(), workers, 1, func() bool { return true })
		_, _ = read(t.Context(), workers, blockHosts+1, func() bool { panic("the reader") })
		ctx, cancel := context.WithCancel(t.Context())
		n, last := read(ctx, workers, blockHosts+1, func() bool { cancel(); return false })
		if !errors.Is(last, context.Canceled) || n >= len(runs) {
			t.Errorf("%d workers: cancelled, %d of %d profiles came, then %v", workers, n, len(runs), last)
		}
		if n, last = read(ctx, workers, 0, nil); n != 1 || !errors.Is(last, context.Canceled) {
			t.Errorf("%d workers: cancelled before, %d answers, %v", workers, n, last)
		}
		for s, err := range Series(ctx, w.view, q) {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("series, cancelled before: %v, %v", s, err)
			}
		}
		for i := 0; i < 1000 && runtime.NumGoroutine() > before; i++ { // one that has told it is done may not be gone yet
			time.Sleep(time.Millisecond)
		}
		if n := runtime.NumGoroutine(); n > before {
			t.Errorf("%d workers: %d goroutines, %d before", workers, n, before)
		}
	}
}

// random fills a world with two days of hosts of every kind.
func random(t testing.TB, r *rand.Rand) *world {
	w := newWorld(t, 1+r.IntN(12))
	departments := []string{"eng", "data", "off"}
	const hosts = 2*blockHosts + 5
	for n := range 2 {
		var runs []run
		for h := range hosts {
			start := int64(n)*day + r.Int64N(hour)
			for range r.IntN(3) {
				x := run{host: fmt.Sprintf("h%02d", h), step: []int64{1000, minute, 5 * minute}[r.IntN(3)]}
				irregular, sparse := r.IntN(3) == 0, r.IntN(2) == 0
				for range 1 + r.IntN(20) {
					v := row{start: start, value: r.Int32N(12000), capacity: none}
					if sparse && r.IntN(3) == 0 {
						v.value = none
					}
					if r.IntN(2) == 0 {
						v.capacity = r.Int32N(800)
					}
					x.rows = append(x.rows, v)
					if start += x.step; irregular {
						start += r.Int64N(2 * x.step)
					}
				}
				runs = append(runs, x)
			}
		}
		w.seal(n, runs...)
	}
	for _, id := range w.view.Book.Hosts() {
		for range r.IntN(4) {
			w.change(string(id), w.someTime(r), departments[r.IntN(3)], float64(r.IntN(3)))
		}
	}
	for _, pair := range [][2]string{{"h03", "h30"}, {"h31", "h04"}, {"h31", "h05"}} {
		_ = w.view.Book.Merge(pair[0], pair[1], fleet.Put{At: at(0)}) // unless one has no rows
	}
	return w
}

// someTime is anywhere in the two days, or where some row starts.
func (w *world) someTime(r *rand.Rand) int64 {
	if rows := w.rows[fmt.Sprintf("h%02d", r.IntN(9))]; len(rows) > 0 && r.IntN(3) > 0 {
		return rows[r.IntN(len(rows))].start
	}
	return r.Int64N(2*hour) + day*r.Int64N(2)
}

// randomQuery asks for anything.
func (w *world) randomQuery(r *rand.Rand) fleet.Query {
	from, to := w.someTime(r), w.someTime(r)
	q := w.query(fleet.CPUUsage, min(from, to), max(from, to), []fleet.Step{"", fleet.StepHour, fleet.StepDay}[r.IntN(3)], []string{"", "dept=eng", "host=~h.[0-4]"}[r.IntN(3)])
	if r.IntN(2) == 0 {
		q.Metric = fleet.CPUCoresUsed
	}
	if r.IntN(4) == 0 { // a start at a whole millisecond lies before it
		q.Window.Start, q.Window.End = q.Window.Start.Add(999_999), q.Window.End.Add(999_999)
	}
	if r.IntN(2) == 0 {
		q.Location = time.FixedZone("", 5*3600+1800)
		hours, err := fleet.ParseHours("daily 05:40-05:50; daily 06:10-07:30")
		w.must(err)
		q.Within = fleet.Calendar{Hours: hours, Location: q.Location, Exclude: []fleet.Window{window(hour, hour+90_001)}}
	}
	return q
}

// samples are a host's samples in time order.
func (w *world) samples(id fleet.HostID) (out []row) {
	taken := map[int64]bool{}
	for _, member := range w.view.Book.Members(id) {
		for _, x := range w.rows[string(member)] {
			if x.value != none && !taken[x.start] {
				taken[x.start] = true
				out = append(out, x)
			}
		}
	}
	slices.SortFunc(out, func(a, b row) int { return int(a.start - b.start) })
	return out
}

// naive answers a query sample by sample from what was written.
func (w *world) naive(q fleet.Query) (lines []string, series map[string][]int64) {
	series = map[string][]int64{}
	for _, id := range w.view.Book.Hosts() {
		timeline := w.view.Book.Timeline(id)
		life := inventory.Lifetime(timeline)
		samples := slices.DeleteFunc(w.samples(id), func(x row) bool {
			return q.Within.Duration(fleet.Window{Start: at(x.start), End: at(x.start + 1)}) == 0
		})
		for i := range timeline {
			r := &timeline[i]
			if !q.Hosts.Matches(r) {
				continue
			}
			for _, step := range q.Step.Split(q.Window, q.Location) {
				b := fleet.NewProfileBuilder(q.Metric)
				for _, x := range samples {
					if !r.ValidAt(at(x.start)) || !step.Contains(at(x.start)) {
						continue
					}
					v := int64(x.value)
					if q.Metric.Derived() {
						c := int64(max(0, x.capacity))
						if c == 0 {
							c = int64(r.Capacity.VCPUs * 100)
						}
						if v *= c; c == 0 {
							b.AddWithoutCapacity(1)
							continue
						}
					}
					b.Add(v, x.step)
					series[string(id)] = append(series[string(id)], x.start, x.step, v)
				}
				p := b.Build(r, step)
				for _, l := range life[i] {
					p.Expected += q.Within.Duration(step.Intersect(l))
				}
				if p.Expected = p.Expected.Round(time.Millisecond); !b.Empty() || p.Expected > 0 {
					lines = append(lines, show(&p, true))
				}
			}
		}
	}
	return lines, series
}

// TestAsNaive: profiles and series of whatever hosts are those of a computation
// sample by sample, with one worker and with many.
func TestAsNaive(t *testing.T) {
	samples := 0
	for seed := range uint64(25) {
		r := rand.New(rand.NewPCG(seed, 7))
		w := random(t, r)
		for range 4 {
			q := w.randomQuery(r)
			lines, series := w.naive(q)
			for _, workers := range []int{1, 5} {
				if d := cmp.Diff(lines, w.ask(q, workers, true)); d != "" {
					t.Fatalf("seed %d, %d workers, %s in %s by %q (-want +got):\n%s", seed, workers, q.Metric.Name, q.Window, q.Step, d)
				}
			}
			if d := cmp.Diff(series, w.series(q)); d != "" {
				t.Fatalf("seed %d, series of %s in %s (-want +got):\n%s", seed, q.Metric.Name, q.Window, d)
			}
			for _, v := range series {
				samples += len(v) / 3
			}
		}
	}
	if samples < 10_000 {
		t.Errorf("%d samples were compared: the worlds are not what they were", samples)
	}
}

// BenchmarkProfiles reads five days of 200 hosts at one row a minute.
func BenchmarkProfiles(b *testing.B) {
	w := newWorld(b, 14_400)
	values := make([]int32, 1440)
	for n := range int64(5) {
		var runs []run
		for h := range 200 {
			for i := range values {
				values[i] = 3000 + rand.Int32N(500)
			}
			runs = append(runs, every(fmt.Sprintf("host-%03d", h), n*day, minute, values...))
		}
		w.seal(int(n), runs...)
	}
	for _, step := range []fleet.Step{fleet.StepWhole, fleet.StepDay, fleet.StepHour} {
		b.Run(string(step), func(b *testing.B) {
			for b.Loop() {
				for _, err := range Profiles(b.Context(), w.view, w.query(fleet.CPUUsage, 0, 5*day, step, ""), 2) {
					w.must(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(5*200*1440), "ns/sample")
		})
	}
}

// TestGivesWay: a question gives way between the days of each block of hosts.
func TestGivesWay(t *testing.T) {
	w := newWorld(t, 100)
	const hosts, days = 65, 3
	for d := range days {
		var runs []run
		for h := range hosts {
			runs = append(runs, every(fmt.Sprintf("h%03d", h), int64(d)*day, hour, 1, 2, 3))
		}
		w.seal(d, runs...)
	}
	times := 0
	w.view.GiveWay = func() { times++ }
	n := 0
	for p, err := range Profiles(t.Context(), w.view, fleet.Query{Metric: fleet.CPUUsage, Window: window(0, days*day)}, 1) {
		w.must(err)
		n += int(p.Count)
	}
	if least := days * (hosts + blockHosts - 1) / blockHosts; n != hosts*days*3 || times < least {
		t.Errorf("%d samples, gave way %d times, want at least %d", n, times, least)
	}
}
