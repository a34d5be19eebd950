package store

import (
	"iter"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/store/dayfile"
)

// sums are the sum and number of a question's samples.
func sums(t testing.TB, q iter.Seq2[fleet.Profile, error]) (sum float64, n int64) {
	t.Helper()
	for p, err := range q {
		must(t, err)
		mean, _ := p.Mean()
		sum += mean * float64(p.Count)
		n += p.Count
	}
	return sum, n
}

// TestOneState: a question sees what was stored when it began, though days are
// written again and deleted while it is read.
func TestOneState(t *testing.T) {
	s := threeDays(t, t.TempDir())
	want, _ := sums(t, s.Profiles(t.Context(), wholeQuery()))
	next, stop := iter.Pull2(s.Profiles(t.Context(), wholeQuery()))
	defer stop()
	p, err, ok := next()
	if !ok || err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), []fleet.Batch{crashBatch("a", 0, 3, 900), crashBatch("b", 0, 3, 900), crashBatch("c", 0, 3, 900)}); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Retain(24 * time.Hour); err != nil || n != 2 {
		t.Fatalf("%d days deleted, %v", n, err)
	}
	_, err = s.PutRecords(t.Context(), []fleet.Statement{{Record: fleet.Record{Host: "a", Region: "eu-1"}}}, fleet.Put{At: testClock()})
	must(t, err)
	got := 0.0
	for ok {
		must(t, err)
		if p.Record.Region != "" {
			t.Errorf("host %s is shown in a region it was put into later", p.Record.Host)
		}
		mean, _ := p.Mean()
		got += mean * float64(p.Count)
		p, err, ok = next()
	}
	if got != want {
		t.Errorf("the sum is %v, it was %v when the question began", got, want)
	}
	if s.openFiles > 1 {
		t.Errorf("%d files are open after the question, of one day", s.openFiles)
	}
	if _, n := sums(t, s.Profiles(t.Context(), wholeQuery())); n != 3*3 {
		t.Errorf("a new question sees %d samples", n)
	}
}

// TestQuestionsBesideWrites: questions from several goroutines, all beside writes,
// see whole commits.
func TestQuestionsBesideWrites(t *testing.T) {
	s := open(t, t.TempDir(), func(o *Options) { o.noSync, o.OpenFiles = true, 2 })
	write := func(v int32) {
		flat := crashBatch("a", 0, 5, v)
		for i := range flat.Columns[0].Values {
			flat.Columns[0].Values[i] = v
		}
		if _, err := s.Append(t.Context(), []fleet.Batch{flat}); err != nil {
			t.Error(err)
		}
	}
	write(1)
	var group sync.WaitGroup
	done := make(chan struct{})
	for range 3 {
		group.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				for p, err := range s.Profiles(t.Context(), wholeQuery()) {
					if err != nil || p.Min != p.Max || p.Count != 15 {
						t.Errorf("values from %d to %d of %d samples: %v", p.Min, p.Max, p.Count, err)
						return
					}
				}
			}
		})
	}
	for v := range int32(30) {
		write(v + 2)
	}
	close(done)
	group.Wait()
	if s.openFiles > 2 {
		t.Errorf("%d files are open", s.openFiles)
	}
}

// TestSeries: the store streams series, days opened as needed.
func TestSeries(t *testing.T) {
	s := threeDays(t, t.TempDir())
	q := wholeQuery()
	q.Window.End = q.Window.Start.Add(48 * time.Hour)
	n := 0
	for series, err := range s.Series(t.Context(), q) {
		must(t, err)
		n += len(series.Values)
	}
	if n != 2*2*3 || s.openFiles != 2 {
		t.Errorf("%d samples, %d files open", n, s.openFiles)
	}
}

// TestReaderSeesPending: a reader after a crash between commit and renames sees
// the commit, and changes nothing.
func TestReaderSeesPending(t *testing.T) {
	root := t.TempDir()
	c := newCrashFS(root)
	s, err := Open(t.Context(), crashOptions(c, filepath.Join(root, "data")))
	must(t, err)
	defer func() { _ = s.Close() }()
	must(t, bulk(t, s, nil, crashBatch("a", 0, 3, 100)))
	c.onStep = func(step int, what string) {
		if what == "rename 2024-02-02.parquet" {
			c.failAt, c.failWith, c.failOn = step, errDisk, true
		}
	}
	if err := bulk(t, s, nil, crashBatch("a", 0, 3, 500)); err != nil {
		t.Fatalf("the commit is true, and yet: %v", err)
	}
	want := contentOf(t, s)
	if st, err := s.Status(); err != nil || st.Pending != 3 || len(st.Problems) != 1 {
		t.Errorf("status: %+v, %v", st, err)
	}
	if err := bulk(t, s, nil, crashBatch("a", 0, 3, 600)); err == nil {
		t.Error("a write on top of a pending one is taken")
	}
	to := t.TempDir()
	c.crash(t, powerLoss, to)
	dir := filepath.Join(to, "data")
	before, err := filepath.Glob(filepath.Join(dir, daysName, "*"))
	must(t, err)
	reader := open(t, dir, func(o *Options) { o.ReadOnly = true })
	if diff := cmp.Diff(want, contentOf(t, reader)); diff != "" {
		t.Errorf("(-want +reader):\n%s", diff)
	}
	if st, err := reader.Status(); err != nil || len(st.Damaged)+len(st.Unlisted) != 0 || st.Pending != 3 {
		t.Errorf("status: %+v, %v", st, err)
	}
	must(t, reader.Close())
	after, err := filepath.Glob(filepath.Join(dir, daysName, "*"))
	must(t, err)
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("the reader changed files (-before +after):\n%s", diff)
	}
}

// TestCommittedFileLost: where the disk lost a staged file that it had confirmed,
// or a part of it, that day is told of as damaged, what there is of it is kept,
// and the rest is served.
func TestCommittedFileLost(t *testing.T) {
	for name, lose := range map[string]func(path string) error{
		"missing":   os.Remove,
		"truncated": func(path string) error { return os.Truncate(path, 100) },
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			c := newCrashFS(root)
			dir := filepath.Join(root, "data")
			s, err := Open(t.Context(), crashOptions(c, dir))
			must(t, err)
			must(t, bulk(t, s, nil, crashBatch("a", 0, 3, 100)))
			c.onStep = func(step int, what string) {
				if c.failAt == 0 && what == "rename 2024-02-01.parquet" {
					c.failAt, c.failWith, c.failOn = step+1, errDisk, true // that one succeeds still
				}
			}
			must(t, bulk(t, s, nil, crashBatch("a", 0, 3, 500)))
			must(t, s.Close())
			staged := filepath.Join(dir, daysName, target{ofHosts, dayfile.DayOf(dayStart) + 2}.stagedName(s.generation))
			must(t, lose(staged))
			for _, readOnly := range []bool{true, false, false} {
				s := open(t, dir, func(o *Options) { o.ReadOnly = readOnly })
				st, err := s.Status()
				must(t, err)
				if len(st.Damaged) != 1 || filepath.Base(st.Damaged[0].Path) != "2024-02-03.parquet" {
					t.Errorf("read only %v: damaged %v", readOnly, st.Damaged)
				}
				served := 0
				for p, err := range s.Profiles(t.Context(), wholeQuery()) {
					if err == nil {
						served += int(p.Count)
					}
				}
				if served != 6 {
					t.Errorf("%d samples of the other days are served", served)
				}
				must(t, s.Close())
			}
			if _, err := os.Stat(staged + damagedSuffix); (err == nil) != (name == "truncated") {
				t.Errorf("what is left of the file: %v", err)
			}
			s = open(t, dir)
			if st, err := s.Status(); err != nil || (len(st.Unlisted) == 1) != (name == "truncated") {
				t.Errorf("unlisted %v, %v", st.Unlisted, err)
			}
		})
	}
}

// TestRetain: retention counts from the newest day that is not in the future, and
// is refused during an import.
func TestRetain(t *testing.T) {
	clock := time.UnixMilli(dayStart).UTC().Add(5*24*time.Hour + time.Hour)
	s := open(t, t.TempDir(), func(o *Options) { o.noSync = true; o.Clock = func() time.Time { return clock } })
	must(t, bulk(t, s, nil, crashBatch("a", 0, 6, 1), crashBatch("a", 400, 1, 1)))
	days := func() (out []string) {
		for _, d := range s.days[ofHosts] {
			out = append(out, d.Day.String())
		}
		return out
	}
	l, err := s.Begin(t.Context())
	must(t, err)
	if _, err := s.Retain(24 * time.Hour); err == nil {
		t.Error("retention during an import is taken")
	}
	must(t, l.Abort())
	f := func(keep time.Duration, deleted int, want ...string) {
		t.Helper()
		n, err := s.Retain(keep)
		if err != nil || n != deleted {
			t.Errorf("%d days deleted, %v", n, err)
		}
		if diff := cmp.Diff(want, days()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		files, err := filepath.Glob(filepath.Join(s.daysDir(), "*"))
		if err != nil || len(files) != len(want) {
			t.Errorf("%v, %v", files, err)
		}
	}
	f(400*24*time.Hour, 0, "2024-02-01", "2024-02-02", "2024-02-03", "2024-02-04", "2024-02-05", "2024-02-06", "2025-03-07")
	f(5*24*time.Hour, 1, "2024-02-02", "2024-02-03", "2024-02-04", "2024-02-05", "2024-02-06", "2025-03-07")
	f(36*time.Hour, 3, "2024-02-05", "2024-02-06", "2025-03-07")
	if _, err := s.Retain(0); err == nil {
		t.Error("a retention of nothing is taken")
	}
	clock = time.UnixMilli(dayStart).UTC().Add(-time.Hour) // everything is in the future
	f(time.Hour, 0, "2024-02-05", "2024-02-06", "2025-03-07")
	s.opt.Clock = nil
	f(time.Hour, 2, "2025-03-07")
}

// TestInventoryFile: the records are published after each change of them, whole,
// and again when the file is missing, old or damaged.
func TestInventoryFile(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	s := open(t, dir, func(o *Options) { o.noSync = true })
	path := s.inventoryPath()
	two, change := 2, time.UnixMilli(dayStart).UTC()
	_, err := s.PutRecords(ctx, []fleet.Statement{{Record: fleet.Record{
		Host: "b", Name: "web", Provider: "aws", Account: "1", Region: "eu-1", Zone: "eu-1a", InstanceType: "m5.large",
		OS: "linux", Arch: "arm64", State: fleet.StateRunning, Purchase: fleet.PurchaseSpot, OwnedBy: "pool",
		Capacity: fleet.Capacity{VCPUs: 2, MemoryBytes: 8 << 30}, Disks: []fleet.Disk{{Type: "gp3", GiB: 100}, {Type: "gp3", GiB: 0.5}},
		Addresses: &two, Tags: fleet.Tags{"dept": "eng", "env": "prod"},
	}}, {Record: fleet.Record{Host: "a", Disks: []fleet.Disk{}}}}, fleet.Put{At: change})
	must(t, err)
	_, err = s.PutRecords(ctx, []fleet.Statement{{Record: fleet.Record{Host: "b", Region: "eu-2"}}}, fleet.Put{At: change, Effective: change})
	must(t, err)
	rows, err := parquet.ReadFile[publishedRecord](path)
	must(t, err)
	disks, none, addresses := "gp3:100;gp3:0.5", "", int32(2)
	b := publishedRecord{Host: "b", Name: "web", ValidTo: &change, Provider: "aws", Account: "1", Region: "eu-1", Zone: "eu-1a", InstanceType: "m5.large",
		VCPUs: 2, MemoryBytes: 8 << 30, Arch: "arm64", OS: "linux", State: "running", Purchase: "spot", OwnedBy: "pool",
		Disks: &disks, PublicAddresses: &addresses, Tags: map[string]string{"dept": "eng", "env": "prod"}}
	b2 := b
	b2.ValidFrom, b2.ValidTo, b2.Region = &change, nil, "eu-2"
	if diff := cmp.Diff([]publishedRecord{{Host: "a", Name: "a", Disks: &none, Tags: map[string]string{}}, b, b2}, rows); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	good := read(t, path)
	if _, err := s.Append(ctx, []fleet.Batch{crashBatch("a", 0, 1, 1)}); err != nil {
		t.Fatal(err)
	}
	if string(read(t, path)) != string(good) {
		t.Error("samples changed the published records")
	}
	for what, damage := range map[string]func(){
		"missing": func() { must(t, os.Remove(path)) },
		"cut":     func() { must(t, os.Truncate(path, 50)) },
		"flipped": func() {
			bad := append([]byte(nil), good...)
			bad[30] ^= 1
			must(t, os.WriteFile(path, bad, 0o644))
		},
	} {
		damage()
		problems, err := s.Verify(ctx)
		if err != nil || len(problems) != 1 || problems[0].Path != path {
			t.Errorf("%s: %v, %v", what, problems, err)
		}
		if string(read(t, path)) != string(good) {
			t.Errorf("%s: the file is not as before", what)
		}
	}
	must(t, s.Close())
	must(t, os.Remove(path))
	reader := open(t, dir, func(o *Options) { o.ReadOnly = true })
	if problems, err := reader.Verify(ctx); err != nil || len(problems) != 1 {
		t.Errorf("a reader: %v, %v", problems, err)
	}
	must(t, reader.Close())
	open(t, dir)
	if string(read(t, path)) != string(good) {
		t.Error("opening did not publish the records again")
	}
}

// TestPublishFails: where the records cannot be published they are stored all the
// same, and status says so.
func TestPublishFails(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, func(o *Options) { o.noSync = true })
	blocked := s.inventoryPath() + tmpSuffix
	must(t, os.Mkdir(blocked, 0o755))
	put := func(host fleet.HostID) {
		t.Helper()
		_, err := s.PutRecords(t.Context(), []fleet.Statement{{Record: fleet.Record{Host: host}}}, fleet.Put{At: testClock()})
		must(t, err)
	}
	put("a")
	st, err := s.Status()
	must(t, err)
	if len(st.Problems) != 1 || st.Hosts != 1 {
		t.Errorf("%+v", st)
	}
	_ = os.Remove(blocked) // the failed attempt may have
	put("b")
	if st, err = s.Status(); err != nil || len(st.Problems) != 0 {
		t.Errorf("%+v, %v", st, err)
	}
	if rows, err := parquet.ReadFile[publishedRecord](s.inventoryPath()); err != nil || len(rows) != 2 {
		t.Errorf("%v, %v", rows, err)
	}
}

// TestSamplesBeforeRecords: hosts that samples bring have a record from the
// beginning of time, and a load says what its records would be.
func TestSamplesBeforeRecords(t *testing.T) {
	ctx := t.Context()
	s := open(t, t.TempDir(), func(o *Options) { o.noSync = true })
	l, err := s.Begin(ctx)
	must(t, err)
	defer func() { _ = l.Abort() }()
	if r, err := l.Records(ctx, "a", testClock()); err != nil || len(r) != 0 {
		t.Errorf("%v, %v", r, err)
	}
	must(t, l.Add(ctx, []fleet.Batch{crashBatch("a", 0, 1, 1)}))
	_, err = l.PutRecords(ctx, []fleet.Statement{{Record: fleet.Record{Host: "a", Region: "eu-1"}}}, fleet.Put{At: testClock()})
	must(t, err)
	staged, err := l.Records(ctx, "a", testClock())
	must(t, err)
	if r, err := s.Records(ctx, fleet.Selector{}, fleet.Window{}); err != nil || len(r) != 0 {
		t.Errorf("visible before the commit: %v, %v", r, err)
	}
	if _, err := l.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	stored, err := s.Records(ctx, fleet.Selector{}, fleet.Window{})
	must(t, err)
	if diff := cmp.Diff(staged, stored); diff != "" {
		t.Errorf("(-staged +stored):\n%s", diff)
	}
	if len(stored) != 1 || !stored[0].From.IsZero() || stored[0].Region != "eu-1" || stored[0].Seen.IsZero() {
		t.Errorf("%+v", stored)
	}
}
