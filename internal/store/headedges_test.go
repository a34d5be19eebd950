package store

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/store/dayfile"
)

// generationsLeft are the files of the log.
func generationsLeft(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, headName, "*"))
	must(t, err)
	return files
}

// TestFirstRowsBesideASeal: the generation that is written to gets its first rows
// of a day in the moment in which that day begins to be sealed; what is appended
// to it afterwards is there after a reopening.
func TestFirstRowsBesideASeal(t *testing.T) {
	a := newAppending(t)
	a.append(crashBatch("a", 0, 1, 100), crashBatch("b", 1, 1, 200))
	must(t, a.s.sealDays(t.Context(), a.s.headDays()[:1])) // appends go on in a generation without rows of the other day
	beside := crashBatch("b", 1, 1, 300)
	for i := range beside.Start {
		beside.Start[i] += 12 * 3600_000
	}
	a.s.opt.beforeCommit = func() {
		a.s.opt.beforeCommit = nil
		a.append(beside)
	}
	// Of those who have waited in vain the first is the next to have a mutex: the
	// seal, which looks whether it needs another generation, then the append.
	a.s.appending.Lock()
	var group sync.WaitGroup
	group.Go(func() { must(t, a.s.Seal(t.Context())) })
	time.Sleep(20 * time.Millisecond)
	first := crashBatch("b", 1, 1, 250)
	for i := range first.Start {
		first.Start[i] += 6 * 3600_000
	}
	group.Go(func() { a.append(first) })
	time.Sleep(20 * time.Millisecond)
	a.s.appending.Unlock()
	a.s.appending.Lock()
	time.Sleep(20 * time.Millisecond)
	a.s.appending.Unlock()
	group.Wait()
	a.check("sealed")
	a.reopen()
	a.check("opened again")
}

// TestRepeatedBesideASeal: rows that change nothing and come while their day is
// sealed do not come back after a load, or after the day is deleted, and do not
// keep their generation.
func TestRepeatedBesideASeal(t *testing.T) {
	sealBeside := func(t *testing.T) *appending {
		a := newAppending(t)
		a.append(crashBatch("a", 0, 1, 100))
		a.s.opt.beforeCommit = func() {
			a.s.opt.beforeCommit = nil
			a.append(crashBatch("a", 0, 1, 100))
		}
		must(t, a.s.Seal(t.Context()))
		a.check("sealed")
		return a
	}
	t.Run("load", func(t *testing.T) {
		a := sealBeside(t)
		must(t, bulk(t, a.s, nil, crashBatch("a", 0, 1, 500)))
		a.want.apply(crashBatch("a", 0, 1, 500))
		a.check("loaded")
		a.reopen()
		a.check("opened again")
	})
	t.Run("retain", func(t *testing.T) {
		a := sealBeside(t)
		must(t, bulk(t, a.s, nil, crashBatch("a", 9, 1, 500)))
		n, err := a.s.Retain(24 * time.Hour)
		if must(t, err); n != 1 {
			t.Errorf("%d days deleted", n)
		}
		a.want = model{}
		a.want.apply(crashBatch("a", 9, 1, 500))
		a.check("deleted")
		a.reopen()
		a.check("opened again")
	})
	t.Run("seal", func(t *testing.T) {
		a := sealBeside(t)
		must(t, a.s.Seal(t.Context()))
		a.append(crashBatch("a", 1, 1, 100))
		must(t, a.s.Seal(t.Context()))
		if left := generationsLeft(t, a.dir); len(left) != 1 {
			t.Errorf("generations: %v", left)
		}
	})
}

// TestRepeatedBesideALoad: a load comes after rows that changed nothing, too.
func TestRepeatedBesideALoad(t *testing.T) {
	a := newAppending(t)
	a.append(crashBatch("a", 0, 1, 100))
	c := newCrashFS(a.dir)
	a.s.fs = c
	c.onStep = func(_ int, what string) {
		if what == "syncdir days" {
			c.onStep = nil
			a.append(crashBatch("a", 0, 1, 100))
		}
	}
	must(t, bulk(t, a.s, nil, crashBatch("a", 0, 1, 500)))
	a.want.apply(crashBatch("a", 0, 1, 500))
	a.check("loaded")
	a.reopen()
	a.check("opened again")
}

// TestDayWithoutValues: rows without any value keep no generation.
func TestDayWithoutValues(t *testing.T) {
	a := newAppending(t)
	b := crashBatch("a", 0, 2, 100)
	b.Columns[0].Present = []bool{true, true, true, false, false, false}
	for i := range 2 {
		a.append(b)
		must(t, a.s.Seal(t.Context()))
		a.append(crashBatch("a", 5+i, 1, 1))
		must(t, a.s.Seal(t.Context()))
		if left := generationsLeft(t, a.dir); len(left) != 1 {
			t.Errorf("generations: %v", left)
		}
		a.reopen()
	}
	a.check("at the end")
}

// TestEvidenceBesideASeal: what is known of when hosts ran is kept when a host is
// brought while a day is sealed.
func TestEvidenceBesideASeal(t *testing.T) {
	a := newAppending(t)
	a.append(crashBatch("a", 0, 1, 100))
	must(t, bulk(t, a.s, nil, crashBatch("z", 0, 1, 1)))
	a.append(crashBatch("a", 3, 1, 150))
	want := func(what string) {
		t.Helper()
		h, err := a.s.Host("a", time.Time{})
		must(t, err)
		records, err := a.s.Records(t.Context(), fleet.MustSelector("host=a"), fleet.Window{})
		must(t, err)
		seen := fleet.Window{}
		for _, r := range records {
			seen = r.Seen
		}
		if seen.Start.UnixMilli() != dayStart || seen.End.UnixMilli() < dayStart+3*dayMillis+3*3600_000 {
			t.Errorf("%s: host %s was seen %v", what, h.ID, seen)
		}
	}
	logging, sealing := make(chan struct{}), make(chan struct{})
	a.s.opt.beforeAppend = func() {
		a.s.opt.beforeAppend = nil
		close(logging)
		<-sealing
	}
	appended := make(chan struct{})
	c := newCrashFS(a.dir)
	a.s.fs = c
	c.onStep = func(_ int, what string) {
		if what == "syncdir days" {
			c.onStep = nil
			go func() { a.append(crashBatch("new", 9, 1, 200)); close(appended) }()
			<-logging
		}
	}
	a.s.opt.beforeCommit = func() {
		a.s.opt.beforeCommit = nil
		close(sealing)
		<-appended
	}
	must(t, a.s.sealDays(t.Context(), a.s.headDays()))
	want("sealed")
	a.append(crashBatch("a", 5, 1, 300))
	want("appended")
	must(t, a.s.Seal(t.Context()))
	a.reopen()
	want("opened again")
}

// TestRefusedLeavesNothing: what a call that is refused looked at is not kept.
func TestRefusedLeavesNothing(t *testing.T) {
	a := newAppending(t)
	a.append(crashBatch("a", 0, 2, 100))
	must(t, a.s.Seal(t.Context()))
	must(t, os.WriteFile(filepath.Join(a.dir, daysName, (target{ofHosts, dayfile.DayOf(dayStart) + 7}).name()), nil, 0o600))
	f := func(name, want string, batches ...fleet.Batch) {
		t.Helper()
		_, err := a.s.Append(t.Context(), batches)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
		if len(a.s.head.hosts)+len(a.s.head.days) > 0 {
			t.Errorf("%s: %d hosts and %d days are left in the head", name, len(a.s.head.hosts), len(a.s.head.days))
		}
	}
	bad := crashBatch("other", 7, 1, 1)
	f("a new host", "move it away", bad)
	f("a late row", "move it away", crashBatch("a", 0, 1, 200), bad)
	f("another day", "move it away", crashBatch("a", 3, 3, 200), bad)
	groups := make([]fleet.Batch, MaxGroups+1)
	for i := range groups {
		groups[i] = group(fmt.Sprintf("worker-%d", i), crashBatch("a", 4, 1, 1))
	}
	f("groups", "process groups", groups...)
	a.check("afterwards")
	if _, err := a.s.Append(t.Context(), groups[:1]); err != nil {
		t.Error(err)
	}
}

// TestTooManyRowsAtOnce: the rows of a day are counted over all batches of a call
// and all calls of a commit.
func TestTooManyRowsAtOnce(t *testing.T) {
	a := newAppending(t)
	half := func(from int64) fleet.Batch {
		b := fleet.Batch{Host: "a", Origin: fleet.OriginAgent, Step: 100, Columns: []fleet.Column{{Metric: fleet.CPUUsage}}}
		for i := range int64(500_000) {
			b.Start = append(b.Start, dayStart+from+i*80)
			b.Columns[0].Values = append(b.Columns[0].Values, int32(i%1000))
		}
		return b
	}
	_, err := a.s.Append(t.Context(), []fleet.Batch{half(0), half(40_000_000)})
	if err == nil || !strings.Contains(err.Error(), "864000 rows") {
		t.Errorf("%v", err)
	}
	if _, err := a.s.Append(t.Context(), []fleet.Batch{half(0), half(0)}); err != nil { // the same rows
		t.Error(err)
	}
	must(t, a.s.Seal(t.Context()))
}

// TestOriginIsChecked also behind a batch that has no rows.
func TestOriginIsChecked(t *testing.T) {
	a := newAppending(t)
	empty, b := crashBatch("a", 0, 1, 1), crashBatch("a", 0, 1, 1)
	empty.Start, empty.Columns[0].Values = nil, nil
	empty.Origin, b.Origin = "x;y", "x;y"
	if _, err := a.s.Append(t.Context(), []fleet.Batch{empty, b}); err == nil || !strings.Contains(err.Error(), `origin "x;y"`) {
		t.Errorf("%v", err)
	}
}

// TestStatusBesideASeal: samples are counted once that are in a sealed file and,
// since rows came while it was written, in the head.
func TestStatusBesideASeal(t *testing.T) {
	hours := func(from int, value int32) fleet.Batch {
		b := crashBatch("a", 0, 1, value)
		for i := range b.Start {
			b.Start[i] += int64(from) * 3600_000
		}
		return b
	}
	f := func(name string, beside fleet.Batch, before ...fleet.Batch) {
		t.Run(name, func(t *testing.T) {
			a := newAppending(t)
			for i := range before {
				if i > 0 {
					must(t, a.s.Seal(t.Context()))
				}
				a.append(before[i])
			}
			a.s.opt.beforeCommit = func() {
				a.s.opt.beforeCommit = nil
				a.append(beside)
			}
			must(t, a.s.Seal(t.Context()))
			for _, when := range []string{"sealed", "opened again", "sealed again"} {
				st, err := a.s.Status()
				if must(t, err); st.Rows != int64(len(a.want)) || st.Samples != int64(len(a.want)) {
					t.Errorf("%s: %d rows and %d samples of %d", when, st.Rows, st.Samples, len(a.want))
				}
				if when == "sealed" {
					a.reopen()
				} else {
					must(t, a.s.Seal(t.Context()))
				}
			}
		})
	}
	f("behind", hours(6, 200), hours(0, 100))
	f("between", hours(1, 200), hours(0, 100))
	f("between what extends", hours(4, 200), hours(0, 100), hours(3, 110))
	f("before what extends", hours(1, 200), hours(0, 100), hours(3, 110))
	f("over what came late", hours(1, 200), hours(0, 100), hours(1, 110))
}

// TestQuestionsBesideARepair: questions go on while damaged days are dropped and
// the log is read again, and see one state.
func TestQuestionsBesideARepair(t *testing.T) {
	a := newAppending(t)
	for i := range 500 {
		a.append(crashBatch(fleet.HostID(fmt.Sprint("h", i)), 0, 2, 100))
	}
	must(t, a.s.Seal(t.Context()))
	for i := range 500 {
		a.append(crashBatch(fleet.HostID(fmt.Sprint("h", i)), 0, 1, 200))
		a.append(crashBatch(fleet.HostID(fmt.Sprint("h", i)), 4, 1, 200))
	}
	must(t, a.s.Close())
	must(t, os.Truncate(fileOfDay(a.s, 0), 100))
	a.open()
	done := make(chan struct{})
	var group sync.WaitGroup
	for range 2 {
		group.Go(func() {
			q := wholeQuery()
			q.Window.Start = q.Window.Start.Add(4 * 24 * time.Hour)
			for {
				select {
				case <-done:
					return
				default:
				}
				v, err := a.s.look(ofHosts, q.Window)
				if err != nil || len(v.head) != 1 || len(v.head[0].strips) != 500 {
					t.Errorf("a question sees %d days, %v", len(v.head), err)
				}
				v.release()
				if err != nil || t.Failed() {
					return
				}
			}
		})
	}
	time.Sleep(10 * time.Millisecond)
	_, err := a.s.DropDamaged(t.Context(), false, false)
	must(t, err)
	close(done)
	group.Wait()
	a.check("dropped")
}

// TestRepairCancelled: who gives up while damaged days are dropped leaves a store
// that goes on.
func TestRepairCancelled(t *testing.T) {
	a := newAppending(t)
	a.append(crashBatch("a", 0, 2, 100))
	must(t, a.s.Seal(t.Context()))
	a.append(crashBatch("a", 0, 1, 200))
	must(t, a.s.Close())
	must(t, os.Truncate(fileOfDay(a.s, 0), 100))
	a.open()
	ctx, cancel := context.WithCancel(t.Context())
	a.s.opt.beforeCommit = cancel
	if _, err := a.s.DropDamaged(ctx, false, false); err != nil {
		t.Error(err)
	}
	a.append(crashBatch("a", 0, 1, 300))
	a.check("afterwards")
}

// TestSealFailsOften: a day that cannot be sealed does not have appends turned to
// another generation at each try.
func TestSealFailsOften(t *testing.T) {
	a := newAppending(t)
	a.append(crashBatch("a", 0, 1, 100))
	must(t, a.s.Seal(t.Context()))
	b := crashBatch("a", 0, 1, 200)
	for i := range b.Start {
		b.Start[i] += 6 * 3600_000
	}
	a.append(b)
	path := fileOfDay(a.s, 0)
	good := read(t, path)
	must(t, os.Remove(path))
	a.s.mu.Lock()
	for _, d := range a.s.days[ofHosts] {
		d.close(a.s)
	}
	a.s.mu.Unlock()
	for i := range 5 {
		for j := range b.Start {
			b.Start[j] += 60_000
		}
		a.append(b)
		if err := a.s.Seal(t.Context()); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("seal %d: %v", i, err)
		}
	}
	if left := generationsLeft(t, a.dir); len(left) > 2 {
		t.Errorf("generations: %v", left)
	}
	must(t, os.WriteFile(path, good, 0o600))
	must(t, a.s.Seal(t.Context()))
	a.check("restored")
}

// TestFutureRows: rows of a host whose clock is wrong do not keep the log of all
// the others.
func TestFutureRows(t *testing.T) {
	clock := time.UnixMilli(dayStart).UTC()
	a := newAppending(t)
	a.s.opt.Clock, a.s.opt.SealAfter = func() time.Time { return clock }, time.Hour
	for day := range 10 {
		for h := range 24 {
			for i, host := range []fleet.HostID{"a", "ahead"} {
				b := crashBatch(host, day+500*i, 1, 100)
				b.Start, b.Columns[0].Values = []int64{b.Start[0] + int64(h)*3600_000}, []int32{int32(day)}
				a.append(b)
			}
			must(t, a.s.sealOnce(t.Context()))
			clock = clock.Add(time.Hour)
		}
		if left := generationsLeft(t, a.dir); len(left) > 3 {
			t.Fatalf("day %d, generations: %v", day, left)
		}
	}
	a.check("at the end")
}

// TestManyOrigins: rows come late to a host whose sealed day has very many
// origins.
func TestManyOrigins(t *testing.T) {
	a := newAppending(t)
	load, err := a.s.Begin(t.Context())
	must(t, err)
	for i := range 400 {
		b := crashBatch("a", 0, 1, 1)
		b.Start, b.Columns[0].Values = []int64{b.Start[0] + int64(i)*60_000}, []int32{1}
		b.Origin = fleet.Origin(fmt.Sprintf("source-%d", i))
		must(t, load.Add(t.Context(), []fleet.Batch{b}))
		a.want.apply(b)
	}
	_, err = load.Commit(t.Context())
	must(t, err)
	for range 2 {
		for h := range 5 {
			b := crashBatch("a", 0, 1, 2)
			b.Start, b.Columns[0].Values = []int64{dayStart + int64(h)*3600_000}, b.Columns[0].Values[:1]
			a.append(b)
		}
	}
	a.check("afterwards")
	must(t, a.s.Seal(t.Context()))
	a.check("sealed")
}

// TestOriginsComeAndGo: origins count while the head has rows of them.
func TestOriginsComeAndGo(t *testing.T) {
	a := newAppending(t)
	for i := range maxOrigins + 2500 {
		b := crashBatch("a", i/2500, 1, 1)
		b.Start, b.Columns[0].Values = []int64{b.Start[0] + int64(i%2500)*1000}, b.Columns[0].Values[:1]
		b.Origin = fleet.Origin(fmt.Sprintf("source-%d", i))
		a.append(b)
		if i%2500 == 2499 {
			must(t, a.s.Seal(t.Context()))
		}
	}
	for i := range maxOrigins {
		b := crashBatch("a", 20, 1, 1)
		b.Origin = fleet.Origin(fmt.Sprintf("more-%d", i))
		b.Start, b.Columns[0].Values = []int64{b.Start[0] + int64(i)*1000}, b.Columns[0].Values[:1]
		if _, err := a.s.Append(t.Context(), []fleet.Batch{b}); err != nil && i < maxOrigins/2 {
			t.Fatal(err)
		}
	}
	a.refused("there are 10000 others already", fleet.Batch{Host: "b", Origin: "one-too-many", Start: []int64{dayStart}, Step: 1, Columns: []fleet.Column{{Metric: fleet.CPUUsage, Values: []int32{1}}}})
}
