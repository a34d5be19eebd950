package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/store/dayfile"
	"github.com/leanfleet/leanfleet/internal/store/head"
)

// appending is a store and a model that get the same appends.
type appending struct {
	t    *testing.T
	dir  string
	s    *Store
	want model
}

func newAppending(t *testing.T, change ...func(*Options)) *appending {
	a := &appending{t: t, dir: t.TempDir(), want: model{}}
	a.open(change...)
	return a
}

func (a *appending) open(change ...func(*Options)) {
	a.t.Helper()
	a.s = open(a.t, a.dir, append([]func(*Options){func(o *Options) { o.noSync = true }}, change...)...)
}

func (a *appending) append(batches ...fleet.Batch) {
	a.t.Helper()
	var n counts
	for _, b := range batches {
		n.add(a.want.apply(b))
	}
	got, err := a.s.Append(a.t.Context(), batches)
	if err != nil || !cmp.Equal(got, n.appended()) {
		a.t.Errorf("append: %+v, not %+v; %v", got, n.appended(), err)
	}
}

func (a *appending) check(what string) {
	a.t.Helper()
	if diff := cmp.Diff(a.want, everything(a.t, a.s)); diff != "" {
		a.t.Errorf("%s (-model +store):\n%s", what, diff)
	}
}

func (a *appending) reopen(change ...func(*Options)) {
	a.t.Helper()
	must(a.t, a.s.Close())
	a.open(change...)
}

// sealedDays are the days that have files.
func (a *appending) sealedDays() (out []string) {
	for _, d := range a.s.days[ofHosts] {
		out = append(out, d.Day.String())
	}
	return out
}

func (a *appending) wantSealed(want ...string) {
	a.t.Helper()
	if diff := cmp.Diff(want, a.sealedDays()); diff != "" {
		a.t.Errorf("sealed days (-want +got):\n%s", diff)
	}
}

// TestDue: a day is sealed an hour after its end, late rows ten minutes after the
// first of them came, everything when the head takes too much memory, and a
// clock that is set back or ahead does no harm.
func TestDue(t *testing.T) {
	clock := time.UnixMilli(dayStart).UTC()
	a := newAppending(t)
	a.s.opt.Clock, a.s.opt.SealAfter = func() time.Time { return clock }, time.Hour
	look := func(want ...string) {
		t.Helper()
		must(t, a.s.sealOnce(t.Context()))
		a.wantSealed(want...)
		a.check(fmt.Sprint("at ", clock))
	}
	a.append(crashBatch("a", 0, 1, 100))
	clock = clock.Add(24*time.Hour + 59*time.Minute)
	a.append(crashBatch("a", 1, 1, 200))
	look()
	clock = clock.Add(time.Minute)
	look("2024-02-01")
	generation := a.s.find(target{ofHosts, dayfile.DayOf(dayStart)}).Generation
	a.append(crashBatch("b", 0, 1, 300)) // late
	clock = clock.Add(9 * time.Minute)
	look("2024-02-01")
	a.append(crashBatch("a", 0, 1, 301))
	clock = clock.Add(-time.Hour) // the clock is set back: the rows wait
	look("2024-02-01")
	if got := a.s.find(target{ofHosts, dayfile.DayOf(dayStart)}).Generation; got != generation {
		t.Error("late rows were sealed at once")
	}
	clock = clock.Add(time.Hour + time.Minute)
	look("2024-02-01")
	if got := a.s.find(target{ofHosts, dayfile.DayOf(dayStart)}).Generation; got == generation || len(a.s.head.days) != 1 {
		t.Errorf("late rows were not sealed: generation %d, %d days in the head", got, len(a.s.head.days))
	}
	clock = clock.Add(time.Hour) // and ahead: a day more is over only when it is
	look("2024-02-01")
	// What was there before an opening does not wait.
	a.append(crashBatch("a", 0, 1, 302))
	must(t, a.s.Close())
	a.open()
	a.s.opt.Clock, a.s.opt.SealAfter = func() time.Time { return clock }, time.Hour
	look("2024-02-01")
	if len(a.s.head.days) != 1 {
		t.Error("late rows wait again after an opening")
	}
	a.s.opt.HeadMemory = 1
	look("2024-02-01", "2024-02-02")
	// The head goes on behind what was sealed of a day that is not over.
	more := crashBatch("a", 1, 1, 210)
	for i := range more.Start {
		more.Start[i] += 6 * 3600_000
	}
	a.s.opt.HeadMemory = 1 << 30
	a.append(more)
	look("2024-02-01", "2024-02-02")
	if st := a.s.head.hosts[head.Key{Host: "a"}].strips[0]; st.Over || st.Len() != 3 {
		t.Errorf("over the sealed rows %v, %d rows", st.Over, st.Len())
	}
	a.s.opt.Clock = nil // then the newest sample is now
	a.append(crashBatch("a", 3, 1, 400))
	a.s.head.days[dayfile.DayOf(dayStart)+1].since = ripe
	look("2024-02-01", "2024-02-02")
	if len(a.s.head.days) != 1 {
		t.Errorf("%d days in the head", len(a.s.head.days))
	}
}

// TestSealerRuns: a store that is open seals what is due by itself, and writes
// down and publishes the hosts that samples brought.
func TestSealerRuns(t *testing.T) {
	a := newAppending(t)
	a.append(crashBatch("a", 0, 2, 100))
	must(t, a.s.Close())
	must(t, os.Remove(filepath.Join(a.dir, inventoryName)))
	a.s = open(t, a.dir, func(o *Options) { o.SealAfter = 0 }) // by the clock of tests the days are long over
	deadline := time.After(20 * time.Second)
	for {
		a.s.mu.RLock()
		n := len(a.s.days[ofHosts])
		a.s.mu.RUnlock()
		if n == 2 {
			break
		}
		select {
		case <-deadline:
			t.Fatal("nothing was sealed")
		case <-time.After(5 * time.Millisecond):
		}
	}
	a.check("sealed")
	must(t, a.s.Close())
	if _, err := os.Stat(filepath.Join(a.dir, inventoryName)); err != nil {
		t.Error(err)
	}
	files, err := filepath.Glob(filepath.Join(a.dir, headName, "*"))
	if must(t, err); len(files) > 1 {
		t.Errorf("generations that are sealed are kept: %v", files)
	}
}

// TestAppendsBesideASeal: rows that come while their day is sealed, behind those
// that are and between them, are stored once and stay in the head.
func TestAppendsBesideASeal(t *testing.T) {
	f := func(name string, before, beside []fleet.Batch) {
		t.Run(name, func(t *testing.T) {
			a := newAppending(t)
			for i := range before {
				a.append(before[i])
				if i == 0 && len(before) > 1 {
					must(t, a.s.Seal(t.Context()))
				}
			}
			a.s.opt.beforeCommit = func() {
				a.s.opt.beforeCommit = nil
				a.append(beside...)
				a.check("in the middle")
			}
			must(t, a.s.Seal(t.Context()))
			a.check("sealed")
			a.append(crashBatch("a", 0, 1, 900))
			a.check("written on")
			a.reopen()
			a.check("opened again")
			must(t, a.s.Seal(t.Context()))
			a.check("sealed again")
			if len(a.s.head.days)+len(a.s.head.hosts) != 0 {
				t.Errorf("%d days and %d hosts are left in the head", len(a.s.head.days), len(a.s.head.hosts))
			}
		})
	}
	hours := func(host fleet.HostID, from int, value int32) fleet.Batch {
		b := crashBatch(host, 0, 1, value)
		for i := range b.Start {
			b.Start[i] += int64(from) * 3600_000
		}
		return b
	}
	list := func(b ...fleet.Batch) []fleet.Batch { return b }
	f("nothing", list(hours("a", 0, 100)), nil)
	f("behind", list(hours("a", 0, 100)), list(hours("a", 3, 200)))
	f("between", list(hours("a", 0, 100)), list(hours("a", 1, 200)))
	f("another host", list(hours("a", 0, 100)), list(hours("b", 0, 200)))
	f("behind what extends", list(hours("a", 0, 100), hours("a", 3, 110)), list(hours("a", 6, 200)))
	f("between what extends", list(hours("a", 0, 100), hours("a", 3, 110)), list(hours("a", 4, 200)))
	f("before what extends", list(hours("a", 0, 100), hours("a", 3, 110)), list(hours("a", 1, 200)))
	f("before, over what is sealed", list(hours("a", 0, 100), hours("a", 1, 110)), list(hours("a", 0, 200), hours("a", 9, 210)))
	f("the same again", list(hours("a", 0, 100), hours("a", 3, 110)), list(hours("a", 3, 110)))
}

// TestAppendsBesideALoad: a load comes after the appends that were acknowledged
// while it was being committed.
func TestAppendsBesideALoad(t *testing.T) {
	a := newAppending(t)
	a.append(crashBatch("a", 0, 2, 100))
	c := newCrashFS(a.dir)
	a.s.fs = c
	beside := [][]fleet.Batch{
		{crashBatch("a", 0, 1, 200), crashBatch("new", 1, 1, 300)},
		{crashBatch("b", 0, 1, 400)},
	}
	syncs := 0
	c.onStep = func(_ int, what string) {
		if what != "syncdir days" {
			return
		}
		// The first is of the staged files, the second, for which appends wait, of
		// those that are staged again, the third after the renames.
		if syncs++; syncs != 2 && len(beside) > 0 {
			next := beside[0]
			beside = beside[1:]
			a.append(next...)
		}
	}
	load, err := a.s.Begin(t.Context())
	must(t, err)
	loaded := []fleet.Batch{crashBatch("a", 0, 1, 500), crashBatch("new", 2, 1, 600)}
	must(t, load.Add(t.Context(), loaded))
	got, err := load.Commit(t.Context())
	must(t, err)
	// The second append came when the load was true already.
	late := a.want
	a.want = model{}
	for _, b := range []fleet.Batch{crashBatch("a", 0, 2, 100), crashBatch("a", 0, 1, 200), crashBatch("new", 1, 1, 300)} {
		a.want.apply(b)
	}
	var n counts
	for _, b := range loaded {
		n.add(a.want.apply(b))
	}
	a.want.apply(crashBatch("b", 0, 1, 400))
	if !cmp.Equal(got, n.appended()) || len(late) == 0 || len(beside) > 0 {
		t.Errorf("load: %+v, not %+v; %d appends were not made", got, n.appended(), len(beside))
	}
	a.check("loaded")
	a.reopen()
	a.check("opened again")
}

// TestReaderSeesHead: a reader sees what is not sealed, the hosts that samples
// brought among it, and changes nothing.
func TestReaderSeesHead(t *testing.T) {
	a := newAppending(t)
	a.append(crashBatch("a", 0, 2, 100))
	must(t, a.s.Seal(t.Context()))
	a.append(crashBatch("a", 1, 2, 200), crashBatch("b", 5, 1, 300), group("nginx", crashBatch("b", 5, 1, 400)))
	records := contentOf(t, a.s).Records
	// The process ends without closing the store.
	image := t.TempDir()
	c := newCrashFS(a.dir)
	c.crash(t, killed, image)
	before := treeOf(t, image)
	reader := open(t, image, func(o *Options) { o.ReadOnly = true })
	if diff := cmp.Diff(a.want, everything(t, reader)); diff != "" {
		t.Errorf("(-model +reader):\n%s", diff)
	}
	if diff := cmp.Diff(records, contentOf(t, reader).Records); diff != "" {
		t.Errorf("records (-writer +reader):\n%s", diff)
	}
	if st, err := reader.Status(); err != nil || st.Head == nil || st.Head.Rows != 9 || st.Rows != 3*4 || len(st.Unlisted) != 0 {
		t.Errorf("%+v, %v", st, err)
	}
	if problems, err := reader.Verify(t.Context()); err != nil || len(problems) != 0 {
		t.Errorf("%v, %v", problems, err)
	}
	if w, ok := reader.DataWindow(); !ok || w.End.UnixMilli() != dayStart+5*dayMillis+3*3600_000 {
		t.Errorf("%v, %v", w, ok)
	}
	must(t, reader.Close())
	if diff := cmp.Diff(before, treeOf(t, image)); diff != "" {
		t.Errorf("the reader changed files (-before +after):\n%s", diff)
	}
}

// treeOf is the files below a directory with their content.
func treeOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	must(t, filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			out[path] = string(read(t, path))
		}
		return err
	}))
	return out
}

// TestDamageBelowTheHead: where the sealed file of a day is damaged under rows
// that came late, the day is told of and not answered from half of it; when the
// file is dropped, what was appended since is answered.
func TestDamageBelowTheHead(t *testing.T) {
	a := newAppending(t)
	a.append(crashBatch("a", 0, 2, 100), crashBatch("b", 0, 1, 200))
	must(t, a.s.Seal(t.Context()))
	late := []fleet.Batch{crashBatch("a", 0, 1, 300), crashBatch("c", 0, 1, 400)}
	a.append(late...)
	path := fileOfDay(a.s, 0)
	must(t, a.s.Close())
	must(t, os.Truncate(path, 100))
	a.open()
	a.s.opt.HeadMemory = 1 // all of it is due
	damaged, samples := 0, int64(0)
	for p, err := range a.s.Profiles(t.Context(), wholeQuery()) {
		var d *fleet.DamagedError
		if errors.As(err, &d) {
			if damaged++; d.Day != "2024-02-01" || d.File != path {
				t.Errorf("%s of %s", d.File, d.Day)
			}
			continue
		}
		must(t, err)
		samples += p.Count
	}
	if damaged != 1 || samples != 3 {
		t.Errorf("%d damaged days, %d samples of the others", damaged, samples)
	}
	if _, err := a.s.Append(t.Context(), late[:1]); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a write to the day: %v", err)
	}
	// The other days are sealed nevertheless, by themselves too.
	a.append(crashBatch("a", 3, 1, 600))
	if err := a.s.sealOnce(t.Context()); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a seal of the day: %v", err)
	}
	if a.s.find(target{ofHosts, dayfile.DayOf(dayStart) + 3}) == nil {
		t.Error("a day is not sealed because another one cannot be")
	}
	if err := a.s.Seal(t.Context()); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a seal of the day: %v", err)
	}
	found, err := a.s.DropDamaged(t.Context(), false, false)
	if err != nil || len(found) != 1 {
		t.Fatalf("%v, %v", found, err)
	}
	for key := range a.want {
		if key.Start < dayStart+dayMillis {
			delete(a.want, key)
		}
	}
	for _, b := range late {
		a.want.apply(b)
	}
	a.check("dropped")
	a.append(crashBatch("a", 0, 1, 500))
	must(t, a.s.Seal(t.Context()))
	a.check("sealed")
}

// TestDamagedLog: a generation of the head that is not what was written keeps the
// store closed, and is named.
func TestDamagedLog(t *testing.T) {
	a := newAppending(t)
	a.append(crashBatch("a", 0, 1, 100))
	path := a.s.head.current.Path()
	must(t, a.s.Close())
	data := read(t, path)
	data[len(data)-20] ^= 1
	must(t, os.WriteFile(path, data, 0o600))
	for _, readOnly := range []bool{true, false} {
		_, err := Open(t.Context(), Options{Dir: a.dir, ReadOnly: readOnly})
		if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "move the file away") {
			t.Errorf("%v", err)
		}
	}
	must(t, os.Rename(path, filepath.Join(a.dir, "kept")))
	a.open()
	a.want = model{}
	a.check("without it")
	a.append(crashBatch("a", 0, 1, 100))
	if a.s.head.current.Number != 1 && a.s.head.current.Number != 2 {
		t.Error(a.s.head.current.Number)
	}
}

// TestGenerationNumbers: no number is used twice, whatever is deleted.
func TestGenerationNumbers(t *testing.T) {
	a := newAppending(t)
	seen := map[uint64]bool{}
	for i := range int32(6) {
		a.append(crashBatch("a", int(i), 1, i))
		if n := a.s.head.current.Number; seen[n] {
			t.Errorf("generation %d again", n)
		} else {
			seen[n] = true
		}
		must(t, a.s.Seal(t.Context()))
		n := a.s.head.current.Number
		a.append(crashBatch("a", int(i), 1, 100+i))
		if seen[n] {
			t.Errorf("generation %d was written to before the seal", n)
		}
		must(t, a.s.Seal(t.Context()))
		seen[n] = true
		if i%2 == 0 {
			a.reopen()
		}
	}
	a.check("at the end")
}

// TestAppendFails: when the log cannot take a commit, nothing of the call is
// stored, and what was before is.
func TestAppendFails(t *testing.T) {
	a := newAppending(t)
	a.append(crashBatch("a", 0, 1, 100))
	path := a.s.head.current.Path()
	must(t, a.s.head.current.Close())
	_, err := a.s.Append(t.Context(), []fleet.Batch{crashBatch("b", 0, 1, 200)})
	if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "open the store again") {
		t.Errorf("%v", err)
	}
	a.check("afterwards")
	if _, err := a.s.Append(t.Context(), []fleet.Batch{crashBatch("b", 0, 1, 200)}); err == nil {
		t.Error("a store of which nobody knows what it holds takes appends")
	}
	_ = a.s.Close()
	a.open()
	a.check("opened again")
	if _, err := a.s.Host("b", time.Time{}); !errors.Is(err, fleet.ErrUnknownHost) {
		t.Errorf("the host of rows that were not stored: %v", err)
	}
}

// both has a reader and then a writer open a directory of a version before, and
// answer as before.
func (a *appending) both() {
	a.t.Helper()
	a.s = open(a.t, a.dir, func(o *Options) { o.ReadOnly = true })
	a.check("to a reader")
	must(a.t, a.s.Close())
	a.open()
	a.check("to a writer")
}

// TestFormatOne: a directory of the version before the head is read, and becomes
// one of today when it is opened for writing.
func TestFormatOne(t *testing.T) {
	a := newAppending(t)
	a.append(crashBatch("a", 0, 2, 100))
	must(t, a.s.Seal(t.Context()))
	must(t, a.s.Close())
	must(t, os.RemoveAll(filepath.Join(a.dir, headName)))
	must(t, os.RemoveAll(filepath.Join(a.dir, groupsName)))
	db, err := openDB(t.Context(), a.dir, false, true)
	must(t, err)
	must(t, db.Update(func(tx *bbolt.Tx) error {
		return errors.Join(tx.DeleteBucket(bucketGroups), tx.DeleteBucket(bucketSealed), tx.Bucket(bucketMeta).Put(keyFormat, putUint(1)))
	}))
	must(t, db.Close())
	a.both()
	a.append(crashBatch("a", 1, 2, 200))
	a.reopen()
	a.check("written to")
	if format, err := formatOf(a.s.db); err != nil || format != FormatVersion {
		t.Errorf("format %d, %v", format, err)
	}
}

// recordsOf are the records of a file of the log.
func recordsOf(t testing.TB, path string) (records [][]byte) {
	t.Helper()
	data := read(t, path)[64:] // behind the header
	for len(data) > 32 {
		length, n := binary.LittleEndian.Uint32(data), binary.LittleEndian.Uint32(data[4:])
		body := bytes.Clone(data[32:][:length])
		for i := range body {
			body[i] ^= 0xa5
		}
		for range n {
			size, k := binary.Uvarint(body)
			records = append(records, body[k:k+int(size)])
			body = body[k+int(size):]
		}
		data = data[32+length:]
	}
	return records
}

// TestFormatTwo: a directory of the version in which bbolt wrote the log is read,
// and its log is sealed and deleted by one that writes.
func TestFormatTwo(t *testing.T) {
	a := newAppending(t)
	a.append(crashBatch("a", 0, 2, 100))
	must(t, a.s.Seal(t.Context()))
	a.append(crashBatch("a", 2, 1, 200), crashBatch("b", 0, 1, 300))
	a.append(crashBatch("b", 1, 1, 400))
	must(t, a.s.Close())
	path := generationsLeft(t, a.dir)[0]
	records := recordsOf(t, path)
	must(t, os.Remove(path))
	path = strings.TrimSuffix(path, ".log") + ".db"
	db, err := bbolt.Open(path, 0o600, nil)
	must(t, err)
	must(t, db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket([]byte("records"))
		for i, r := range records {
			err = errors.Join(err, b.Put(binary.BigEndian.AppendUint64(nil, uint64(i)), r))
		}
		return err
	}))
	must(t, db.Close())
	db, err = openDB(t.Context(), a.dir, false, true)
	must(t, err)
	must(t, changeBucket(db, bucketMeta, keyFormat, putUint(2)))
	must(t, db.Close())
	a.both()
	a.append(crashBatch("b", 2, 1, 500))
	a.reopen()
	a.check("written to")
	if got := generationsLeft(t, a.dir); len(got) != 2 || got[0] != path {
		t.Errorf("%v", got)
	}
	if problems, err := a.s.unlisted(); err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
	must(t, a.s.Seal(t.Context()))
	a.check("sealed")
	if got := generationsLeft(t, a.dir); len(got) != 1 || got[0] == path {
		t.Errorf("%v", got)
	}
	if format, err := formatOf(a.s.db); err != nil || format != FormatVersion {
		t.Errorf("format %d, %v", format, err)
	}
}

// TestLargeAppend: an append of very many values is merged at once, and one of
// some is not.
func TestLargeAppend(t *testing.T) {
	s := open(t, t.TempDir(), func(o *Options) { o.noSync = true })
	g := &generated{metrics: sixteen()[:5]}
	var b fleet.Batch
	g.batch(&b, 1, 0, MaxRowsPerDay)
	for i := range b.Start {
		b.Start[i] = dayStart + int64(i)*100
	}
	b.Step = 100
	for i, want := range []fleet.Appended{{Inserted: 5 * MaxRowsPerDay}, {Unchanged: 5 * MaxRowsPerDay}} {
		got, err := s.Append(t.Context(), []fleet.Batch{b})
		if err != nil || !cmp.Equal(got, want) {
			t.Errorf("%d: %+v, %v", i, got, err)
		}
	}
	if st, err := s.Status(); err != nil || st.Head != nil || st.Days != 1 {
		t.Errorf("%+v, %v", st, err)
	}
}

// TestSideBySide: appends from many goroutines, seals, loads, records and
// questions beside each other lose and double nothing.
func TestSideBySide(t *testing.T) {
	s := open(t, t.TempDir(), func(o *Options) { o.noSync, o.OpenFiles = true, 2 })
	ctx := t.Context()
	const callers, rounds = 8, 60
	var group, beside sync.WaitGroup
	done := make(chan struct{})
	for c := range callers {
		group.Go(func() {
			host := fleet.HostID(fmt.Sprintf("host-%d", c))
			for r := range rounds {
				b := crashBatch(host, r/20, 1, int32(r))
				for i := range b.Start {
					b.Start[i] = dayStart + int64(r/20)*dayMillis + int64(r%20*3+i)*60_000
				}
				if got, err := s.Append(ctx, []fleet.Batch{b}); err != nil || got.Inserted != 3 {
					t.Errorf("%s, round %d: %+v, %v", host, r, got, err)
					return
				}
			}
		})
	}
	every := func(do func(n int) error) {
		beside.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				case <-time.After(time.Millisecond):
				}
				if err := do(n); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	every(func(int) error { return s.Seal(ctx) })
	every(func(n int) error {
		return bulk(t, s, nil, crashBatch("imported", n%3, 1, int32(n)), crashBatch(fleet.HostID(fmt.Sprintf("import-%d", n%5)), 1, 1, 1))
	})
	every(func(n int) error {
		_, err := s.PutRecords(ctx, []fleet.Statement{{Record: fleet.Record{Host: "host-1", Tags: fleet.Tags{"n": fmt.Sprint(n)}}}}, fleet.Put{At: testClock(), Correct: true})
		return err
	})
	every(func(int) error { _, err := s.Status(); return err })
	last := int64(0)
	every(func(int) error {
		n := int64(0)
		for p, err := range s.Profiles(ctx, fleet.Query{Metric: fleet.CPUUsage, Hosts: fleet.MustSelector("host=host-0"), Window: wholeQuery().Window}) {
			if err != nil {
				return err
			}
			n += p.Count
		}
		if n < last || n%3 != 0 {
			return fmt.Errorf("a question sees %d samples, the one before saw %d", n, last)
		}
		last = n
		return nil
	})
	group.Wait()
	close(done)
	beside.Wait()
	count := func(s *Store) map[fleet.HostID]int {
		out := map[fleet.HostID]int{}
		for key := range dump(t, s) {
			out[key.Host]++
		}
		return out
	}
	for range 2 {
		got := count(s)
		for c := range callers {
			if host := fleet.HostID(fmt.Sprintf("host-%d", c)); got[host] != 3*rounds {
				t.Errorf("%s has %d rows, not %d", host, got[host], 3*rounds)
			}
		}
		must(t, inOrder(t, s))
		must(t, s.Close())
		s = open(t, s.dir)
	}
}

// TestCloseDuringAppends: an append is stored or told that the store is closed.
func TestCloseDuringAppends(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, func(o *Options) { o.noSync = true })
	var group sync.WaitGroup
	var mu sync.Mutex
	stored := map[modelKey]bool{}
	for c := range 16 {
		group.Go(func() {
			for r := range 1000 {
				b := crashBatch(fleet.HostID(fmt.Sprint("h", c)), r, 1, 1)
				_, err := s.Append(context.Background(), []fleet.Batch{b})
				if errors.Is(err, fleet.ErrClosed) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				for _, at := range b.Start {
					stored[modelKey{b.Host, at}] = true
				}
				mu.Unlock()
			}
		})
	}
	time.Sleep(20 * time.Millisecond)
	must(t, s.Close())
	group.Wait()
	s = open(t, dir)
	got := dump(t, s)
	for key := range stored {
		if _, ok := got[key]; !ok {
			t.Fatalf("%v was acknowledged and is not stored", key)
		}
	}
	if len(stored) == 0 || len(got) != len(stored) {
		t.Errorf("%d rows are stored, %d were acknowledged", len(got), len(stored))
	}
}
