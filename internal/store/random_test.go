package store

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/store/dayfile"
)

// The random test drives a store through a long life: appends in order, late and
// repeated, seals, imports, records, retention, crashes, reopenings and
// questions, each compared with a plain model in maps.

type life struct {
	t    *testing.T
	coin *rand.Rand
	fs   *crashFS
	dir  string
	s    *Store
	now  time.Time
	rows model
	tags map[fleet.HostID]string
	did  map[string]int
	log  []string

	metrics map[string]fleet.Metric
}

const (
	lifeHosts = 6
	lifeKeep  = 4 * 24 * time.Hour
)

func (l *life) note(format string, args ...any) {
	if l.log = append(l.log, fmt.Sprintf(format, args...)); len(l.log) > 60 {
		l.log = l.log[len(l.log)-60:]
	}
}

func (l *life) fatalf(format string, args ...any) {
	l.t.Helper()
	for _, line := range l.log {
		l.t.Log(line)
	}
	l.t.Fatalf(format, args...)
}

func (l *life) open() {
	s, err := Open(l.t.Context(), Options{Dir: l.dir, FS: l.fs, Workers: 1, SealAfter: -1, noSync: true, logAhead: 4096, Clock: func() time.Time { return l.now }})
	if err != nil {
		l.fatalf("open: %v", err)
	}
	l.s = s
}

func (l *life) host() fleet.HostID {
	return fleet.HostID(fmt.Sprintf("host-%d", l.coin.IntN(lifeHosts)))
}

// batch is a few rows, mostly of now, sometimes late by up to four days.
func (l *life) batch() fleet.Batch {
	b := fleet.Batch{Host: l.host(), Step: 600_000, Origin: fleet.OriginAgent}
	switch l.coin.IntN(12) {
	case 0:
		b.Origin = fleet.OriginCloud
	case 1:
		b.Step = 300_000
	case 2:
		b.Group = [...]string{"nginx", "cron"}[l.coin.IntN(2)]
	}
	at := l.now.UnixMilli()/600_000*600_000 - 600_000*l.coin.Int64N(6)
	if l.coin.IntN(20) == 0 {
		at -= 600_000 * l.coin.Int64N(4*144)
	}
	n := 1
	if l.coin.IntN(10) == 0 {
		n += l.coin.IntN(12)
	}
	for i := range n {
		b.Start = append(b.Start, at+int64(i)*600_000)
	}
	names := []string{"cpu_usage", "memory_usage", "load1"}
	if b.Group != "" {
		names = names[:2]
	}
	for _, name := range names {
		if len(b.Columns) > 0 && l.coin.IntN(3) == 0 {
			continue
		}
		c := fleet.Column{Metric: l.metrics[name]}
		for range n {
			c.Values = append(c.Values, l.coin.Int32N(4))
		}
		if l.coin.IntN(8) == 0 {
			c.Present = make([]bool, n)
			for i := range c.Present {
				c.Present[i] = l.coin.IntN(2) == 0
			}
		}
		b.Columns = append(b.Columns, c)
	}
	return b
}

func (l *life) step() {
	switch n := l.coin.IntN(10_000); {
	case n < 8_900:
		l.append()
	case n < 9_780:
		l.ask()
	case n < 9_900:
		l.put()
	case n < 9_925:
		l.load()
	case n < 9_950:
		l.within("seal", func() error { return l.s.Seal(l.t.Context()) }, l.rows)
	case n < 9_960:
		l.retain()
	case n < 9_966:
		l.reopen()
	case n < 9_972:
		l.crash()
	case n < 9_975:
		l.read()
	case n < 9_980:
		l.compare("as it is")
	default:
		l.append()
	}
	// Time goes on, at times back for a while, or ahead.
	switch l.coin.IntN(400) {
	case 0:
		l.now = l.now.Add(-time.Hour)
	case 1:
		l.now = l.now.Add(time.Hour)
	default:
		l.now = l.now.Add(45 * time.Second)
	}
}

func (l *life) append() {
	batches := make([]fleet.Batch, 1+l.coin.IntN(2))
	var want counts
	for i := range batches {
		batches[i] = l.batch()
		want.add(l.rows.apply(batches[i]))
		b := &batches[i]
		l.note("append %s/%s %s step=%d from %d: %+v", b.Host, b.Group, b.Origin, b.Step, b.Start[0], b.Columns)
	}
	got, err := l.s.Append(l.t.Context(), batches)
	if err != nil || !cmp.Equal(got, want.appended()) {
		l.fatalf("append: %+v, not %+v; %v", got, want.appended(), err)
	}
	l.did["appends"]++
	if want.changed+want.unchanged+want.outranked > 0 {
		l.did["merges"]++
	}
}

// load imports a few rows of one day, the current one among others.
func (l *life) load() {
	var batches []fleet.Batch
	var want counts
	for range 3 {
		b := l.batch()
		b.Group, b.Origin = "", fleet.OriginImport
		batches = append(batches, b)
	}
	after := maps.Clone(l.rows)
	for _, b := range batches {
		for _, at := range b.Start {
			key := modelKey{b.Host, at}
			if row, ok := after[key]; ok {
				after[key] = modelRow{row.Step, maps.Clone(row.Values), maps.Clone(row.Origins)}
			}
		}
		want.add(after.apply(b))
	}
	l.note("load %+v", batches)
	l.within("load", func() error {
		load, err := l.s.Begin(l.t.Context())
		if err != nil {
			return err
		}
		if err := load.Add(l.t.Context(), batches); err != nil {
			return err
		}
		got, err := load.Commit(l.t.Context())
		if err == nil && !cmp.Equal(got, want.appended()) {
			l.fatalf("load: %+v, not %+v", got, want.appended())
		}
		return err
	}, after)
}

// within does something that changes the model to after. Now and then the
// machine loses its power in its middle, and life goes on with what is left.
func (l *life) within(what string, do func() error, after model) {
	l.note("%s", what)
	l.did[what+"s"]++
	image := ""
	if l.coin.IntN(4) == 0 {
		left := 1 + l.coin.IntN(12)
		kind := images[l.coin.IntN(len(images))]
		l.fs.onStep = func(int, string) {
			if left--; left == 0 {
				image = l.t.TempDir()
				l.fs.crash(l.t, kind, image)
			}
		}
	}
	err := do()
	l.fs.onStep = nil
	if err != nil {
		l.fatalf("%s: %v", what, err)
	}
	if image == "" {
		l.rows = after
		return
	}
	l.did["crashes inside"]++
	l.goOn(image)
	got := l.stored()
	if !got.equal(l.rows) && !got.equal(after) {
		l.fatalf("after a crash inside %s (-before +left):\n%s(-after +left):\n%s", what, cmp.Diff(l.rows, got), cmp.Diff(after, got))
	}
	l.rows = got
}

// goOn lets life go on with an image of the directory.
func (l *life) goOn(image string) {
	old := l.fs.root
	if err := l.s.Close(); err != nil {
		l.fatalf("close: %v", err)
	}
	l.fs = newCrashFS(image)
	l.dir = filepath.Join(image, "data")
	must(l.t, os.RemoveAll(old))
	l.open()
}

func (l *life) crash() {
	kind := images[l.coin.IntN(len(images))]
	l.note("crash, %s", kind)
	image := l.t.TempDir()
	l.fs.crash(l.t, kind, image)
	l.goOn(image)
	l.did["crashes"]++
	l.compare("after a crash, " + kind.String())
}

func (l *life) reopen() {
	l.note("reopen")
	if err := l.s.Close(); err != nil {
		l.fatalf("close: %v", err)
	}
	l.open()
	l.did["reopenings"]++
	l.compare("after opening again")
}

// read opens the directory for reading, beside nobody.
func (l *life) read() {
	l.note("read")
	if err := l.s.Close(); err != nil {
		l.fatalf("close: %v", err)
	}
	reader, err := Open(l.t.Context(), Options{Dir: l.dir, ReadOnly: true})
	if err != nil {
		l.fatalf("open to read: %v", err)
	}
	l.s = reader
	l.compare("to a reader")
	must(l.t, reader.Close())
	l.open()
	l.did["readers"]++
}

// put gives a host another tag. A host that nobody knows is known then.
func (l *life) put() {
	host, tag := l.host(), strconv.Itoa(l.coin.IntN(3))
	l.note("put %s %s", host, tag)
	_, err := l.s.PutRecords(l.t.Context(), []fleet.Statement{{Record: fleet.Record{Host: host, Tags: fleet.Tags{"n": tag}}}},
		fleet.Put{At: l.now, Correct: true, Who: "test"})
	if err != nil {
		l.fatalf("put: %v", err)
	}
	l.tags[host] = tag
	l.did["records"]++
}

func (l *life) retain() {
	newest, found := dayfile.Day(0), false
	for key := range l.rows {
		if d := dayfile.DayOf(key.Start); !d.Window().Start.After(l.now) {
			newest, found = max(newest, d), true
		}
	}
	after := model{}
	for key, row := range l.rows {
		if !found || dayfile.DayOf(key.Start).Window().End.After(newest.Window().End.Add(-lifeKeep)) {
			after[key] = row
		}
	}
	l.within("retention", func() error { _, err := l.s.Retain(lifeKeep); return err }, after)
}

// stored is everything that the store has.
func (l *life) stored() model {
	out := dump(l.t, l.s)
	for key, row := range dumpOf(l.t, l.s, ofGroups) {
		out[key] = row
	}
	return out
}

func (l *life) compare(what string) {
	if got := l.stored(); !l.rows.equal(got) {
		l.fatalf("%s (-model +store):\n%s", what, cmp.Diff(l.rows, got))
	}
	records, err := l.s.Records(l.t.Context(), fleet.Selector{}, fleet.Window{})
	must(l.t, err)
	for i := range records {
		if got, want := records[i].Tags["n"], l.tags[records[i].Host]; got != want {
			l.fatalf("%s: host %s has tag %q, not %q", what, records[i].Host, got, want)
		}
	}
	l.did["comparisons"]++
}

// ask asks for a metric of a host, or of its process groups, in some window.
func (l *life) ask() {
	host := l.host()
	m := l.metrics[[...]string{"cpu_usage", "memory_usage", "load1"}[l.coin.IntN(3)]]
	from := l.now.Add(-time.Duration(l.coin.IntN(4*24*60)) * time.Minute).Truncate(time.Minute)
	w := fleet.Window{Start: from, End: from.Add(time.Duration(1+l.coin.IntN(2*24*60)) * time.Minute)}
	groups := l.coin.IntN(8) == 0
	if groups {
		m = fleet.CPUUsage
	}
	q := fleet.Query{Metric: m, Hosts: fleet.MustSelector("host=" + string(host)), Window: w, Groups: groups}
	var count, sum, gotCount, gotSum int64
	for key, row := range l.rows {
		id, group, grouped := splitKey(key.Host)
		v, has := row.Values[m.Name]
		if id != host || grouped != groups || !has || !w.Contains(time.UnixMilli(key.Start)) {
			continue
		}
		_ = group
		count++
		sum += int64(v) * int64(row.Step)
	}
	for p, err := range l.s.Profiles(l.t.Context(), q) {
		if err != nil {
			l.fatalf("ask: %v", err)
		}
		gotCount += p.Count
		gotSum += int64(p.Sum.Float64())
	}
	if gotCount != count || gotSum != sum {
		l.fatalf("%s of %s, groups %v, in %v: %d samples with a sum of %d, not %d and %d", m.Name, host, groups, w, gotCount, gotSum, count, sum)
	}
	l.did["questions"]++
}

// equal is cmp.Equal, but faster.
func (m model) equal(o model) bool {
	return maps.EqualFunc(m, o, func(a, b modelRow) bool {
		return a.Step == b.Step && maps.Equal(a.Values, b.Values) && maps.Equal(a.Origins, b.Origins)
	})
}

// splitKey parts a key into host and process group.
func splitKey(id fleet.HostID) (host fleet.HostID, group string, grouped bool) {
	if i := slices.Index([]byte(id), 0); i >= 0 {
		return id[:i], string(id[i+1:]), true
	}
	return id, "", false
}

// TestLife is 200,000 operations of a store's life, each with the answer of a
// plain model.
func TestLife(t *testing.T) {
	operations := 200_000
	if testing.Short() || raceDetector {
		operations = 20_000
	}
	if n, err := strconv.Atoi(os.Getenv("LEANFLEET_LIFE_OPERATIONS")); err == nil {
		operations = n
	}
	root := t.TempDir()
	l := &life{
		t: t, coin: rand.New(rand.NewPCG(3, uint64(operations))), fs: newCrashFS(root), dir: filepath.Join(root, "data"),
		now: time.UnixMilli(dayStart).UTC(), rows: model{}, tags: map[fleet.HostID]string{}, did: map[string]int{},
		metrics: map[string]fleet.Metric{},
	}
	for _, m := range fleet.CanonicalMetrics().All() {
		l.metrics[m.Name] = m
	}
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // the model is all small maps
	l.open()
	for range operations {
		l.step()
	}
	l.compare("at the end")
	if err := inOrder(t, l.s); err != nil {
		t.Error(err)
	}
	must(t, l.s.Close())
	t.Log(l.did)
	for _, what := range []string{"appends", "merges", "questions", "records", "loads", "seals", "retentions", "reopenings", "crashes", "crashes inside", "readers", "comparisons"} {
		if l.did[what] < operations/20_000 {
			t.Errorf("%d %s", l.did[what], what)
		}
	}
}
