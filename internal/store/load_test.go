package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/store/dayfile"
)

// TestAddRefuses: what cannot be stored is refused by name, and nothing of the
// load is stored.
func TestAddRefuses(t *testing.T) {
	s := open(t, t.TempDir(), func(o *Options) { o.noSync = true })
	f := func(want string, change func(b *fleet.Batch)) {
		t.Helper()
		b := crashBatch("a", 0, 1, 1)
		change(&b)
		load, err := s.Begin(t.Context())
		must(t, err)
		must(t, load.Add(t.Context(), []fleet.Batch{crashBatch("good", 0, 1, 1)}))
		if err := load.Add(t.Context(), []fleet.Batch{b}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, not %q", err, want)
		}
		if _, err := load.Commit(t.Context()); err == nil || !strings.Contains(err.Error(), "must be aborted") {
			t.Errorf("commit says %v", err)
		}
		must(t, load.Abort())
		must(t, load.Abort())
		if _, err := load.Commit(t.Context()); err == nil || !strings.Contains(err.Error(), "has ended") {
			t.Errorf("commit after abort says %v", err)
		}
	}
	f("without a host", func(b *fleet.Batch) { b.Host = "" })
	f("at most 1024 bytes", func(b *fleet.Batch) { b.Host = fleet.HostID(strings.Repeat("x", 1025)) })
	f("at most 1024 bytes of UTF-8", func(b *fleet.Batch) { b.Host = "a\xff" })
	f(`origin "Agent"`, func(b *fleet.Batch) { b.Origin = "Agent" })
	f(`unknown metric "cpu_usag"`, func(b *fleet.Batch) { b.Columns[0].Metric.Name = "cpu_usag" })
	f("a resolution of 1/100, the store's has 1/10000", func(b *fleet.Batch) { b.Columns[0].Metric.Den = 100 })
	f("metric cpu_usage stands twice", func(b *fleet.Batch) { b.Columns = append(b.Columns, b.Columns[0]) })
	f("time goes backwards", func(b *fleet.Batch) { b.Start[1] = b.Start[0] })
	f("out of range", func(b *fleet.Batch) { b.Start[2] = fleet.MaxTime + 1 })
	f("a step of 0 ms", func(b *fleet.Batch) { b.Step = 0 })
	f("2 values for 3 rows", func(b *fleet.Batch) { b.Columns[0].Values = b.Columns[0].Values[:2] })
	f("is not a stored one", func(b *fleet.Batch) { b.Columns[0].Metric = fleet.CPUCoresUsed })
	f("is negative", func(b *fleet.Batch) { b.Columns[0].Values[1] = -1 })
	if got := contentOf(t, s); len(got.Samples) != 0 || len(got.Records) != 0 {
		t.Errorf("stored: %v", got)
	}
	if _, err := s.PutRecords(t.Context(), []fleet.Statement{{Record: fleet.Record{Host: "\xff"}}}, fleet.Put{At: testClock()}); err == nil || !strings.Contains(err.Error(), "statement 1") {
		t.Errorf("a record without a proper id: %v", err)
	}
}

// TestNothingToStore: batches without rows or values add no host and no day.
func TestNothingToStore(t *testing.T) {
	s := open(t, t.TempDir(), func(o *Options) { o.noSync = true })
	none := crashBatch("b", 0, 1, 1)
	none.Columns[0].Present = make([]bool, 3)
	got, err := s.Append(t.Context(), []fleet.Batch{{Host: "a", Step: 1}, none})
	if err != nil || !cmp.Equal(got, fleet.Appended{}) {
		t.Errorf("%+v, %v", got, err)
	}
	if st, err := s.Status(); err != nil || st.Days != 0 || st.Hosts != 0 || st.Generation != 0 || st.Head != nil {
		t.Errorf("%+v, %v", st, err)
	}
	if problems, err := s.Verify(t.Context()); err != nil || len(problems) != 0 {
		t.Errorf("%v, %v", problems, err)
	}
}

// TestRowsWithoutValues are not stored, and are no evidence of the host.
func TestRowsWithoutValues(t *testing.T) {
	s := open(t, t.TempDir(), func(o *Options) { o.noSync = true })
	b := crashBatch("a", 0, 1, 5)
	b.Columns[0].Present = []bool{false, true, false}
	got, err := s.Append(t.Context(), []fleet.Batch{b})
	if err != nil || got.Inserted != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	c := contentOf(t, s)
	want := fleet.Window{Start: time.UnixMilli(dayStart + 3600_000).UTC(), End: time.UnixMilli(dayStart + 7200_000).UTC()}
	if len(c.Samples) != 1 || c.Records[0].Seen != want {
		t.Errorf("%v, seen %v", c.Samples, c.Records[0].Seen)
	}
}

// TestLoadsSideBySide: loads and other writes do not wait for each other, and
// both come true.
func TestLoadsSideBySide(t *testing.T) {
	ctx := t.Context()
	s := open(t, t.TempDir(), func(o *Options) { o.noSync = true; o.MemoryBudget = 1 })
	var loads []fleet.Load
	for range 2 {
		l, err := s.Begin(ctx)
		must(t, err)
		loads = append(loads, l)
	}
	must(t, loads[0].Add(ctx, []fleet.Batch{crashBatch("a", 0, 2, 100)}))
	must(t, loads[1].Add(ctx, []fleet.Batch{crashBatch("b", 0, 2, 200), crashBatch("a", 1, 1, 300)}))
	_, err := loads[1].PutRecords(ctx, []fleet.Statement{{Record: fleet.Record{Host: "b", Tags: fleet.Tags{"dept": "eng"}}}}, fleet.Put{At: testClock()})
	must(t, err)
	_, err = s.PutRecords(ctx, []fleet.Statement{{Record: fleet.Record{Host: "a", Region: "eu-1"}}}, fleet.Put{At: testClock()})
	must(t, err)
	for i, want := range []fleet.Appended{{Inserted: 6}, {Inserted: 6, Changed: 3}} {
		got, err := loads[i].Commit(ctx)
		if err != nil || !cmp.Equal(got, want) {
			t.Errorf("load %d: %+v, %v", i, got, err)
		}
	}
	records, err := s.Records(ctx, fleet.Selector{}, fleet.Window{})
	must(t, err)
	if len(records) != 2 || records[0].Region != "eu-1" || records[1].Tags["dept"] != "eng" || records[0].Seen.IsZero() {
		t.Errorf("%+v", records)
	}
}

// TestLoadMeetsOtherHost: when a name that a load used has become another host,
// the load says so and stores nothing.
func TestLoadMeetsOtherHost(t *testing.T) {
	ctx := t.Context()
	s := open(t, t.TempDir(), func(o *Options) { o.noSync = true })
	_, err := s.PutRecords(ctx, []fleet.Statement{{Record: fleet.Record{Host: "a"}}, {Record: fleet.Record{Host: "b"}}}, fleet.Put{At: testClock()})
	must(t, err)
	l, err := s.Begin(ctx)
	must(t, err)
	must(t, l.Add(ctx, []fleet.Batch{crashBatch("b", 0, 1, 1)}))
	must(t, s.MergeHosts("a", "b", fleet.Put{At: testClock()}))
	if _, err := l.Commit(ctx); err == nil || !strings.Contains(err.Error(), "b was host b and is now \"a\"; load again") {
		t.Errorf("%v", err)
	}
	must(t, l.Abort())
	if got := dump(t, s); len(got) != 0 {
		t.Errorf("stored: %v", got)
	}
	if _, err := s.Append(ctx, []fleet.Batch{crashBatch("b", 0, 1, 1)}); err != nil {
		t.Error(err)
	}
	for key := range dump(t, s) {
		if key.Host != "a" {
			t.Errorf("samples of a merged host are stored as %s", key.Host)
		}
	}
	h, err := s.Host("b", time.Time{})
	if err != nil || h.ID != "a" {
		t.Errorf("b is %+v, %v", h, err)
	}
	if _, err := s.Host("bb", time.Time{}); !errors.Is(err, fleet.ErrUnknownHost) {
		t.Errorf("%v", err)
	}
	if err := s.MergeHosts("a", "nobody", fleet.Put{At: testClock()}); !errors.Is(err, fleet.ErrUnknownHost) {
		t.Errorf("%v", err)
	}
}

// TestTooManyRows: a host with more rows in a day than one may have is refused.
func TestTooManyRows(t *testing.T) {
	s := open(t, t.TempDir(), func(o *Options) { o.noSync = true })
	b := fleet.Batch{Host: "a", Step: 1, Columns: []fleet.Column{{Metric: fleet.CPUUsage, Values: make([]int32, MaxRowsPerDay+1)}}}
	for i := range b.Columns[0].Values {
		b.Start = append(b.Start, dayStart+int64(i))
	}
	_, err := s.Append(t.Context(), []fleet.Batch{b, b, b})
	if err == nil || !strings.Contains(err.Error(), "day 2024-02-01, host a: it has more than 864000 rows") {
		t.Errorf("%v", err)
	}
	if list, err := os.ReadDir(s.daysDir()); err != nil || len(list) != 0 {
		t.Errorf("left behind: %v, %v", list, err)
	}
}

// TestOtherResolution: where the configuration changed the resolution of a
// metric, late samples of it have the stored ones of that day rounded anew; a
// change of the unit is refused.
func TestOtherResolution(t *testing.T) {
	dir := t.TempDir()
	with := func(den int64, unit fleet.Unit) (fleet.Metric, func(*Options)) {
		metrics, err := fleet.CanonicalMetrics().With(fleet.Metric{Name: "queue", Unit: unit, Num: 1, Den: den, Exact: true})
		must(t, err)
		m, err := metrics.Lookup("queue")
		must(t, err)
		return m, func(o *Options) { o.Metrics, o.noSync = metrics, true }
	}
	m, options := with(10, fleet.UnitCount)
	s := open(t, dir, options)
	a, b := crashBatch("a", 0, 1, 1), crashBatch("b", 0, 1, 5)
	a.Columns[0].Metric, b.Columns[0].Metric = m, m
	if _, err := s.Append(t.Context(), []fleet.Batch{a, b}); err != nil {
		t.Fatal(err)
	}
	must(t, s.Seal(t.Context()))
	must(t, s.Close())
	m, options = with(100, fleet.UnitCount)
	s = open(t, dir, options)
	a.Columns[0] = fleet.Column{Metric: m, Values: []int32{10, 25, 30}}
	got, err := s.Append(t.Context(), []fleet.Batch{a})
	if err != nil || !cmp.Equal(got, fleet.Appended{Unchanged: 2, Changed: 1}) {
		t.Errorf("%+v, %v", got, err)
	}
	must(t, s.Seal(t.Context()))
	rows := dump(t, s)
	for key, want := range map[modelKey]int32{{"a", dayStart}: 10, {"a", dayStart + 3600_000}: 25, {"b", dayStart}: 50} {
		if rows[key].Values["queue"] != want {
			t.Errorf("%v: %v, not %d", key, rows[key], want)
		}
	}
	must(t, s.Close())
	m, options = with(100, fleet.UnitCores)
	s = open(t, dir, options)
	a.Columns[0].Metric = m
	if _, err := s.Append(t.Context(), []fleet.Batch{a}); err == nil || !strings.Contains(err.Error(), "day 2024-02-01: metric queue is stored in count, the configuration now says cores") {
		t.Errorf("%v", err)
	}
	// A metric that is no longer configured stays in the file.
	must(t, s.Close())
	s = open(t, dir, func(o *Options) { o.noSync = true })
	if _, err := s.Append(t.Context(), []fleet.Batch{crashBatch("a", 0, 1, 7)}); err != nil {
		t.Fatal(err)
	}
	row := dump(t, s)[modelKey{"a", dayStart}]
	if !cmp.Equal(row.Values, map[string]int32{"queue": 10, "cpu_usage": 7}) {
		t.Errorf("%v", row)
	}
}

// TestCancelled: a cancelled write stores nothing, leaves nothing, and hinders
// nobody.
func TestCancelled(t *testing.T) {
	s := open(t, t.TempDir(), func(o *Options) { o.noSync = true; o.MemoryBudget = 1 })
	ctx, cancel := context.WithCancel(t.Context())
	l, err := s.Begin(ctx)
	must(t, err)
	must(t, l.Add(ctx, []fleet.Batch{crashBatch("a", 0, 2, 100)}))
	cancel()
	if _, err := s.Begin(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("begin: %v", err)
	}
	for what, do := range map[string]func() error{
		"add":     func() error { return l.Add(ctx, []fleet.Batch{crashBatch("a", 0, 2, 100)}) },
		"records": func() error { _, err := l.Records(ctx, "a", testClock()); return err },
		"put":     func() error { _, err := l.PutRecords(ctx, nil, fleet.Put{}); return err },
		"commit":  func() error { _, err := l.Commit(ctx); return err },
		"append":  func() error { _, err := s.Append(ctx, nil); return err },
		"put now": func() error { _, err := s.PutRecords(ctx, nil, fleet.Put{}); return err },
		"read":    func() error { _, err := s.Records(ctx, fleet.Selector{}, fleet.Window{}); return err },
		"verify":  func() error { _, err := s.Verify(ctx); return err },
	} {
		if err := do(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", what, err)
		}
	}
	must(t, l.Abort())
	if list, err := os.ReadDir(s.daysDir()); err != nil || len(list) != 0 {
		t.Errorf("left behind: %v, %v", list, err)
	}
	if _, err := s.Append(t.Context(), []fleet.Batch{crashBatch("a", 0, 1, 1)}); err != nil {
		t.Error(err)
	}
}

// TestManyHosts: row groups that no late sample touches are copied as they are,
// and the file stays in one order; new hosts go where they belong.
func TestManyHosts(t *testing.T) {
	s := open(t, t.TempDir(), func(o *Options) { o.noSync = true })
	g := &generated{hosts: 300, rows: 480, metrics: []fleet.Metric{fleet.CPUUsage, fleet.MemoryUsage}}
	want := model{}
	var b fleet.Batch
	var batches []fleet.Batch
	for h := range g.hosts {
		var one fleet.Batch
		g.batch(&one, h, 0, g.rows)
		want.apply(one)
		batches = append(batches, one)
	}
	if _, err := s.Append(t.Context(), batches); err != nil {
		t.Fatal(err)
	}
	for _, late := range []fleet.HostID{"host-00150", "aaa", "host-00150x", "zzz"} {
		g.batch(&b, 7, 480, 490)
		b.Host = late
		n := want.apply(b)
		got, err := s.Append(t.Context(), []fleet.Batch{b})
		if err != nil || !cmp.Equal(got, n.appended()) {
			t.Fatalf("%s: %+v, %v", late, got, err)
		}
	}
	if diff := cmp.Diff(want, dump(t, s)); diff != "" {
		t.Errorf("(-want +got):\n%.2000s", diff)
	}
	st, err := s.Status()
	must(t, err)
	if st.Rows != int64(len(want)) || st.Samples != 2*int64(len(want)) || st.Metrics["cpu_usage"] != int64(len(want)) || st.Hosts != 303 {
		t.Errorf("%+v", st)
	}
	if end := time.UnixMilli(dayStart + 490*60_000).UTC(); st.Seen.End != end || st.Seen.Start.UnixMilli() != dayStart {
		t.Errorf("seen %v", st.Seen)
	}
}

// TestCommitFailed: when the database cannot take a commit, nothing is stored and
// the files are as they were.
func TestCommitFailed(t *testing.T) {
	dir := t.TempDir()
	s := threeDays(t, dir)
	before := contentOf(t, s)
	must(t, s.db.Close())
	err := bulk(t, s, nil, crashBatch("c", 0, 1, 1))
	if err == nil || !strings.Contains(err.Error(), filepath.Join(dir, dbName)) {
		t.Errorf("%v", err)
	}
	if _, err := s.PutRecords(t.Context(), nil, fleet.Put{At: testClock()}); err == nil || !strings.Contains(err.Error(), "open the store again") {
		t.Errorf("afterwards: %v", err)
	}
	if diff := cmp.Diff(before, contentOf(t, s)); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
	if st, err := s.Status(); err != nil || len(st.Problems) != 1 {
		t.Errorf("status: %v, %v", st.Problems, err)
	}
	_ = s.Close()
	s = open(t, dir)
	if diff := cmp.Diff(before, contentOf(t, s)); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
	if _, err := s.fs.Stat(filepath.Join(s.daysDir(), target{ofHosts, dayfile.DayOf(dayStart)}.name())); err != nil {
		t.Error(err)
	}
}

// TestCloseDuringLoad: closing the store removes the spill file of a load that
// nobody ended.
func TestCloseDuringLoad(t *testing.T) {
	s := open(t, t.TempDir(), func(o *Options) { o.noSync, o.MemoryBudget = true, 1 })
	l, err := s.Begin(t.Context())
	must(t, err)
	must(t, l.Add(t.Context(), []fleet.Batch{crashBatch("a", 0, 2, 100)}))
	if list, err := os.ReadDir(s.daysDir()); err != nil || len(list) != 1 {
		t.Errorf("%v, %v", list, err)
	}
	must(t, s.Close())
	if list, err := os.ReadDir(s.daysDir()); err != nil || len(list) != 0 {
		t.Errorf("left behind: %v, %v", list, err)
	}
	must(t, l.Abort())
}

// TestNoClock: without a clock, hosts that samples bring were added in 1970.
func TestNoClock(t *testing.T) {
	s := open(t, t.TempDir(), func(o *Options) { o.noSync, o.Clock = true, nil })
	if _, err := s.Append(t.Context(), []fleet.Batch{crashBatch("a", 0, 1, 1)}); err != nil {
		t.Fatal(err)
	}
	h, err := s.Host("a", time.UnixMilli(dayStart))
	if err != nil || len(h.History) != 1 || h.History[0].At.Unix() != 0 {
		t.Errorf("%+v, %v", h, err)
	}
}
