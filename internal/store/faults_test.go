package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/store/dayfile"
)

// TestEveryChangeMayFail: with a disk that is full, or broken, from any change of
// files on, a write either is stored or says what it could not do to which file
// and leaves the store as it was; and when there is room again, it succeeds
// without a reopening.
func TestEveryChangeMayFail(t *testing.T) {
	t.Parallel()
	ops := scenario(t)
	states := uninterrupted(t, ops)
	for name, failure := range map[string]struct {
		err  error
		once bool
	}{"full": {errDiskFull, false}, "broken once": {errDisk, true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			failed := 0
			for n := 1; ; n++ {
				f := &faultRun{t: t, fs: newCrashFS(t.TempDir()), n: n, err: failure.err, ops: ops, states: states}
				f.fs.failAt, f.fs.failOn, f.fs.failWith = n, !failure.once, failure.err
				f.run()
				failed += f.failures
				if f.fs.step < n {
					break
				}
				must(t, os.RemoveAll(f.fs.root))
			}
			if failed < 30 {
				t.Errorf("only %d failures were told of", failed)
			}
		})
	}
}

type faultRun struct {
	t        *testing.T
	fs       *crashFS
	n        int // the change that fails
	err      error
	ops      []operation
	states   []content
	failures int
}

func (f *faultRun) run() {
	t, dir := f.t, filepath.Join(f.fs.root, "data")
	s, err := Open(t.Context(), crashOptions(f.fs, dir))
	if err != nil {
		f.told(err)
		if s, err = Open(t.Context(), crashOptions(f.fs, dir)); err != nil {
			t.Fatalf("change %d: open again: %v", f.n, err)
		}
	}
	defer func() { _ = s.Close() }()
	for i, op := range f.ops {
		if err := op.do(s); err != nil {
			f.told(err)
			f.same(s, i, op.name+", which failed")
			if err := op.do(s); err != nil {
				t.Fatalf("change %d: %s, again: %v", f.n, op.name, err)
			}
		}
		f.same(s, i+1, op.name)
	}
	f.fs.failAt = 0
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(t.Context(), crashOptions(f.fs, dir)); err != nil {
		t.Fatal(err)
	}
	f.same(s, len(f.ops), "opening again")
	if err := inOrder(t, s); err != nil {
		t.Errorf("change %d: %v", f.n, err)
	}
}

// told checks an error and lets changes succeed again.
func (f *faultRun) told(err error) {
	f.failures++
	if !errors.Is(err, f.err) || !strings.Contains(err.Error(), f.fs.root) {
		f.t.Errorf("change %d: the error does not say what failed on which file: %v", f.n, err)
	}
	f.fs.failAt, f.fs.failOn = 0, false
}

func (f *faultRun) same(s *Store, state int, after string) {
	f.t.Helper()
	if f.fs.step < f.n {
		return // nothing has failed so far
	}
	got := contentOf(f.t, s)
	if reflect.DeepEqual(f.states[state], got) { // quicker than cmp, and at least as strict
		return
	}
	if diff := cmp.Diff(f.states[state], got); diff != "" {
		f.t.Fatalf("change %d: after %s (-want +got):\n%s", f.n, after, diff)
	}
}

// threeDays stores a day each of three samples of two hosts.
func threeDays(t testing.TB, dir string) *Store {
	t.Helper()
	s := open(t, dir, func(o *Options) { o.noSync = true })
	if err := bulk(t, s, nil, crashBatch("a", 0, 3, 100), crashBatch("b", 0, 3, 200)); err != nil {
		t.Fatal(err)
	}
	return s
}

func fileOfDay(s *Store, n int) string {
	return filepath.Join(s.daysDir(), target{ofHosts, dayfile.DayOf(dayStart) + dayfile.Day(n)}.name())
}

// TestDamagedDays: a day file that is missing, cut, changed or another one is
// told of by name, by questions, by status and by writes to that day, and the
// other days are served and written.
func TestDamagedDays(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, s *Store, path string){
		"missing":   func(t *testing.T, s *Store, path string) { must(t, os.Remove(path)) },
		"truncated": func(t *testing.T, s *Store, path string) { must(t, os.Truncate(path, 100)) },
		"empty":     func(t *testing.T, s *Store, path string) { must(t, os.Truncate(path, 0)) },
		"footer bit": func(t *testing.T, s *Store, path string) {
			data := read(t, path)
			data[len(data)-40] ^= 4
			must(t, os.WriteFile(path, data, 0o644))
		},
		"another day": func(t *testing.T, s *Store, path string) {
			must(t, os.WriteFile(path, read(t, fileOfDay(s, 2)), 0o644))
		},
		"a directory":  func(t *testing.T, s *Store, path string) { must(t, os.Remove(path)); must(t, os.Mkdir(path, 0o755)) },
		"text instead": func(t *testing.T, s *Store, path string) { must(t, os.WriteFile(path, []byte("hello"), 0o644)) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := threeDays(t, dir)
			path := fileOfDay(s, 1)
			must(t, s.Close())
			damage(t, s, path)
			s = open(t, dir)
			samples, damaged := int64(0), 0
			for p, err := range s.Profiles(t.Context(), wholeQuery()) {
				var d *fleet.DamagedError
				if errors.As(err, &d) {
					damaged++
					if d.File != path || d.Day != "2024-02-02" {
						t.Errorf("the error names %s of %s", d.File, d.Day)
					}
					continue
				}
				must(t, err)
				samples += p.Count
			}
			if damaged != 1 || samples != 2*2*3 {
				t.Errorf("%d damaged days and %d samples of the others", damaged, samples)
			}
			st, err := s.Status()
			must(t, err)
			if len(st.Damaged) != 1 || st.Damaged[0].Path != path {
				t.Errorf("status says %v", st.Damaged)
			}
			problems, err := s.Verify(t.Context())
			must(t, err)
			if len(problems) != 1 || problems[0].Path != path {
				t.Errorf("verify says %v", problems)
			}
			if _, err := s.Append(t.Context(), []fleet.Batch{crashBatch("c", 1, 1, 1)}); err == nil || !strings.Contains(err.Error(), path) {
				t.Errorf("a write to the damaged day: %v", err)
			}
			if _, err := s.Append(t.Context(), []fleet.Batch{crashBatch("c", 0, 1, 1)}); err != nil {
				t.Errorf("a write to another day: %v", err)
			}
		})
	}
}

// TestDamagedPage: a flipped bit among the values is found by who reads them and
// by Verify, and a restored file is served again without a reopening.
func TestDamagedPage(t *testing.T) {
	dir := t.TempDir()
	s := threeDays(t, dir)
	g := &generated{metrics: []fleet.Metric{fleet.CPUUsage}}
	batches := make([]fleet.Batch, 8)
	for h := range batches {
		g.batch(&batches[h], h, 1440, 2*1440)
	}
	if _, err := s.Append(t.Context(), batches); err != nil {
		t.Fatal(err)
	}
	must(t, s.Seal(t.Context()))
	must(t, s.Close())
	path := fileOfDay(s, 1)
	good := read(t, path)
	bad := append([]byte(nil), good...)
	bad[len(bad)-tailSize-100] ^= 1
	must(t, os.WriteFile(path, bad, 0o644))
	s = open(t, dir)
	if st, err := s.Status(); err != nil || len(st.Damaged) != 0 {
		t.Errorf("status reads no pages: %v, %v", st.Damaged, err)
	}
	damaged := 0
	for _, err := range s.Profiles(t.Context(), wholeQuery()) {
		var d *fleet.DamagedError
		if errors.As(err, &d) && d.File == path {
			damaged++
		} else {
			must(t, err)
		}
	}
	problems, err := s.Verify(t.Context())
	must(t, err)
	if damaged != 1 || len(problems) != 1 || problems[0].Path != path {
		t.Errorf("a question says %d times, verify says %v", damaged, problems)
	}
	must(t, os.WriteFile(path, good, 0o644))
	if problems, err = s.Verify(t.Context()); err != nil || len(problems) != 0 {
		t.Errorf("after the file was restored: %v, %v", problems, err)
	}
}

// TestUnlistedDay: a day file that the store does not know is kept, told of, and
// never written over.
func TestUnlistedDay(t *testing.T) {
	dir := t.TempDir()
	s := threeDays(t, dir)
	stray := fileOfDay(s, 7)
	must(t, os.WriteFile(stray, read(t, fileOfDay(s, 0)), 0o644))
	must(t, os.WriteFile(filepath.Join(s.daysDir(), "notes.txt"), []byte("hello"), 0o644))
	must(t, s.Close())
	s = open(t, dir)
	st, err := s.Status()
	must(t, err)
	if len(st.Unlisted) != 2 || st.Unlisted[0].Path != stray || !strings.Contains(st.Unlisted[0].Problem, "move it away") {
		t.Errorf("status says %v", st.Unlisted)
	}
	if _, err := s.Append(t.Context(), []fleet.Batch{crashBatch("a", 7, 1, 1)}); err == nil || !strings.Contains(err.Error(), stray) {
		t.Errorf("a write to the day of the stray file: %v", err)
	}
	if _, err := os.Stat(stray); err != nil {
		t.Error(err)
	}
	must(t, os.Remove(stray))
	if _, err := s.Append(t.Context(), []fleet.Batch{crashBatch("a", 7, 1, 1)}); err != nil {
		t.Errorf("after it was moved away: %v", err)
	}
}

// TestUnfinishedFiles: what a crash left unfinished is deleted on opening for
// writing, and by no reader.
func TestUnfinishedFiles(t *testing.T) {
	dir := t.TempDir()
	s := threeDays(t, dir)
	must(t, s.Close())
	left := []string{filepath.Join(s.daysDir(), "2024-02-01.000099.tmp"), filepath.Join(s.daysDir(), "load-000001.tmp"), filepath.Join(dir, inventoryName+tmpSuffix)}
	for _, path := range left {
		must(t, os.WriteFile(path, []byte("half"), 0o644))
	}
	reader := open(t, dir, func(o *Options) { o.ReadOnly = true })
	must(t, reader.Close())
	for _, path := range left {
		if _, err := os.Stat(path); err != nil {
			t.Errorf("a reader deleted it: %v", err)
		}
	}
	open(t, dir)
	for _, path := range left {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is still there: %v", path, err)
		}
	}
}

// TestDamagedDatabase: a leanfleet.db that is none is an error that names it, and
// so is one of another version.
func TestDamagedDatabase(t *testing.T) {
	f := func(name, want string, damage func(t *testing.T, path string)) {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			must(t, threeDays(t, dir).Close())
			damage(t, filepath.Join(dir, dbName))
			for _, readOnly := range []bool{true, false} {
				s, err := Open(t.Context(), Options{Dir: dir, ReadOnly: readOnly})
				if err == nil {
					_ = s.Close()
					t.Fatal("it was opened")
				}
				if !strings.Contains(err.Error(), filepath.Join(dir, dbName)) || !strings.Contains(err.Error(), want) {
					t.Errorf("%v", err)
				}
			}
		})
	}
	f("text", "invalid", func(t *testing.T, path string) {
		must(t, os.WriteFile(path, []byte(fmt.Sprintf("%8192s", "hello")), 0o600))
	})
	f("version", "format version is 4, this leanfleet reads up to 3", func(t *testing.T, path string) {
		db, err := openDB(t.Context(), filepath.Dir(path), false, true)
		must(t, err)
		must(t, changeBucket(db, bucketMeta, keyFormat, putUint(4)))
		must(t, db.Close())
	})
	f("day", `day "2024-02-02"`, func(t *testing.T, path string) {
		db, err := openDB(t.Context(), filepath.Dir(path), false, true)
		must(t, err)
		must(t, changeBucket(db, bucketDays, []byte("2024-02-02"), []byte("{")))
		must(t, db.Close())
	})
	f("date", `day "yesterday"`, func(t *testing.T, path string) {
		db, err := openDB(t.Context(), filepath.Dir(path), false, true)
		must(t, err)
		must(t, changeBucket(db, bucketDays, []byte("yesterday"), []byte("{}")))
		must(t, db.Close())
	})
	f("pending", "not the name of a day file", func(t *testing.T, path string) {
		db, err := openDB(t.Context(), filepath.Dir(path), false, true)
		must(t, err)
		must(t, changeBucket(db, bucketPending, putUint(0), []byte(`{"target":"../../etc/passwd"}`)))
		must(t, db.Close())
	})
	f("host", `host "a"`, func(t *testing.T, path string) {
		db, err := openDB(t.Context(), filepath.Dir(path), false, true)
		must(t, err)
		must(t, changeBucket(db, bucketHosts, []byte("a"), []byte("{")))
		must(t, db.Close())
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wholeQuery asks for cpu_usage of all hosts in all the time that tests use.
func wholeQuery() fleet.Query {
	d := dayfile.DayOf(dayStart)
	return fleet.Query{Metric: fleet.CPUUsage, Window: fleet.Window{Start: d.Window().Start, End: (d + 30).Window().End}}
}
