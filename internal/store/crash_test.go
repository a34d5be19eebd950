package store

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/store/dayfile"
)

// The crash tests write to a store through a file layer that knows what a crash
// would leave, and look at that at every step.

// operation is one write of the scenario.
type operation struct {
	name string
	do   func(s *Store) error
}

// scenario has every kind of write: an import, appends to sealed and to new days,
// a first seal and a reseal, records, a merge of hosts, an import that spills and
// meets rows of the head, retention of days that are sealed and of rows that are
// not.
func scenario(t testing.TB) []operation {
	ctx := t.Context()
	appends := func(batches ...fleet.Batch) func(s *Store) error {
		return func(s *Store) error {
			_, err := s.Append(ctx, batches)
			return err
		}
	}
	seal := func(s *Store) error { return s.Seal(ctx) }
	return []operation{
		{"import", func(s *Store) error {
			return bulk(t, s, []fleet.Statement{{Record: fleet.Record{Host: "web-1", Tags: fleet.Tags{"dept": "eng"}}}},
				crashBatch("web-1", 0, 3, 100), crashBatch("web-2", 0, 2, 200), crashBatch("db-1", 1, 2, 300))
		}},
		{"append", appends(crashBatch("web-2", 1, 1, 400), crashBatch("new-1", 0, 1, 500), group("nginx", crashBatch("web-2", 1, 2, 1400)))},
		{"append more", appends(crashBatch("web-2", 4, 1, 410), crashBatch("new-2", 3, 2, 510))},
		{"append beside a seal", appends(crashBatch("new-2", 5, 1, 515))},
		{"seal", seal},
		{"overwrite sealed", func(s *Store) error { return bulk(t, s, nil, crashBatch("web-2", 1, 1, 416)) }},
		{"records", func(s *Store) error {
			_, err := s.PutRecords(ctx, []fleet.Statement{{Record: fleet.Record{Host: "web-1", Region: "eu-1", Tags: fleet.Tags{"dept": "data"}}}},
				fleet.Put{At: testClock(), Effective: time.UnixMilli(dayStart + 3600_000).UTC(), Who: "test"})
			return err
		}},
		{"late", appends(crashBatch("web-2", 1, 1, 420), crashBatch("web-1", 3, 1, 520), group("nginx", crashBatch("web-2", 1, 1, 1420)))},
		{"merge", func(s *Store) error {
			return s.MergeHosts("web-1", "new-1", fleet.Put{At: testClock(), Who: "test"})
		}},
		{"append beside a reseal", appends(crashBatch("db-1", 5, 1, 525))},
		{"seal late", seal},
		{"overwrite", func(s *Store) error {
			return bulk(t, s, nil, crashBatch("web-2", 1, 1, 430), crashBatch("web-1", 3, 1, 530))
		}},
		{"append again", appends(crashBatch("web-2", 2, 1, 440), crashBatch("db-1", 4, 1, 540), group("cron", crashBatch("db-1", 3, 2, 1440)))},
		{"spilled", func(s *Store) error {
			return bulk(t, s, nil, crashBatch("web-2", 2, 2, 600), crashBatch("db-1", 0, 1, 700), crashBatch("web-1", 3, 1, 800))
		}},
		{"append old", appends(crashBatch("web-1", 0, 1, 450), crashBatch("web-1", 4, 1, 550))},
		{"retain", func(s *Store) error {
			_, err := s.Retain(3 * 24 * time.Hour)
			return err
		}},
		{"append last", appends(crashBatch("web-1", 4, 1, 560))},
	}
}

// around says whether an operation is a seal. It changes nothing that questions
// see, and the operation before it is done in its middle.
func (op *operation) around() bool { return strings.HasPrefix(op.name, "seal") }

// crashBatch is a few rows on each of some days.
func crashBatch(host fleet.HostID, firstDay, days int, value int32) fleet.Batch {
	b := fleet.Batch{Host: host, Origin: fleet.OriginAgent, Step: 3600_000}
	c := fleet.Column{Metric: fleet.CPUUsage}
	for d := range days {
		for h := range 3 {
			b.Start = append(b.Start, dayStart+int64(firstDay+d)*dayMillis+int64(h)*3600_000)
			c.Values = append(c.Values, value+int32(10*d+h))
		}
	}
	b.Columns = []fleet.Column{c}
	return b
}

// group says that rows are of a process group.
func group(name string, b fleet.Batch) fleet.Batch {
	b.Group = name
	return b
}

func bulk(t testing.TB, s *Store, statements []fleet.Statement, batches ...fleet.Batch) error {
	l, err := s.Begin(t.Context())
	if err != nil {
		return err
	}
	defer func() { _ = l.Abort() }()
	if _, err := l.PutRecords(t.Context(), statements, fleet.Put{At: testClock(), Who: "test"}); err != nil {
		return err
	}
	for _, b := range batches {
		if err := l.Add(t.Context(), []fleet.Batch{b}); err != nil {
			return err
		}
	}
	_, err = l.Commit(t.Context())
	return err
}

// content is all that a store answers.
type content struct {
	Samples, Groups model
	Records         []fleet.Record
}

func contentOf(t testing.TB, s *Store) content {
	t.Helper()
	records, err := s.Records(t.Context(), fleet.Selector{}, fleet.Window{})
	if err != nil {
		t.Fatal(err)
	}
	return content{dump(t, s), dumpOf(t, s, ofGroups), records}
}

// crashOptions make every step happen in one order, and every load spill.
func crashOptions(c FS, dir string) Options {
	return Options{Dir: dir, Clock: testClock, FS: c, Workers: 1, MemoryBudget: 1, SealAfter: -1, noSync: true, logAhead: 4096}
}

// uninterrupted returns what the store answers before and after each operation.
func uninterrupted(t testing.TB, ops []operation) []content {
	t.Helper()
	s := open(t, t.TempDir(), func(o *Options) { *o = crashOptions(noSyncFS(), o.Dir) })
	states := []content{contentOf(t, s)}
	for _, op := range ops {
		if err := op.do(s); err != nil {
			t.Fatalf("%s: %v", op.name, err)
		}
		states = append(states, contentOf(t, s))
	}
	for i := 1; i < len(states); i++ {
		if cmp.Equal(states[i-1], states[i]) != ops[i-1].around() {
			t.Fatalf("%s changes nothing, so the test would show nothing", ops[i-1].name)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return states
}

// crashRun drives a scenario through a crashFS and has images of crashes checked.
type crashRun struct {
	t      testing.TB
	fs     *crashFS
	dir    string // the data directory below the root
	ops    []operation
	states []content
	work   string // where images go
	kinds  []image
	// from is the sync before which images are not looked at.
	from int
	// finish says whether the work is done to the end after each fifth crash.
	finish bool

	done    int // operations that have returned
	images  int
	checked int // of them that differ
	seen    map[seenImage]struct{}
	failed  []string
}

// seenImage is an image that was checked, and when it was.
type seenImage struct {
	sum   uint64
	done  int
	quiet bool
}

func newCrashRun(t testing.TB, ops []operation, states []content) *crashRun {
	root := t.TempDir()
	r := &crashRun{t: t, fs: newCrashFS(root), dir: filepath.Join("fleet", "data"), ops: ops, states: states, work: t.TempDir(), kinds: images, finish: true, seen: map[seenImage]struct{}{}}
	r.fs.onStep = func(step int, what string) { r.look(fmt.Sprintf("before step %d, %s", step, what), false) }
	return r
}

// run does the whole scenario. An import and a seal are killed between their
// commit and their renames, and so is the creation of the store before its first
// sync.
func (r *crashRun) run() {
	dir := filepath.Join(r.fs.root, r.dir)
	s := r.killAt(func() (*Store, error) { return Open(r.t.Context(), crashOptions(r.fs, dir)) }, "syncdir")
	for i, op := range r.ops {
		if s == nil {
			var err error
			if s, err = Open(r.t.Context(), crashOptions(r.fs, dir)); err != nil {
				r.t.Fatal(err)
			}
		}
		if i+1 < len(r.ops) && r.ops[i+1].around() {
			s.opt.beforeCommit = func() {
				s.opt.beforeCommit = nil
				if err := op.do(s); err != nil {
					r.t.Fatalf("%s: %v", op.name, err)
				}
				r.done = i + 1
				r.look("after "+op.name, true)
			}
			continue
		}
		if op.name == "import" || op.name == "seal late" {
			opened := s
			_ = r.killAt(func() (*Store, error) { return opened, op.do(opened) }, "rename 2024")
			if err := opened.Close(); err != nil {
				r.t.Fatal(err)
			}
			s = nil
		} else if err := op.do(s); err != nil {
			r.t.Fatalf("%s: %v", op.name, err)
		}
		if r.done < i {
			r.t.Fatalf("%s was not done beside %s", r.ops[i-1].name, op.name)
		}
		r.done = i + 1
		r.look("after "+op.name, true)
		if len(r.failed) > 0 {
			break
		}
	}
	if s != nil {
		if err := s.Close(); err != nil {
			r.t.Fatal(err)
		}
	}
}

// killAt lets every change fail from the first of a kind on, as if the process
// had ended there.
func (r *crashRun) killAt(do func() (*Store, error), what string) *Store {
	before := r.fs.onStep
	r.fs.onStep = func(step int, is string) {
		before(step, is)
		if r.fs.failAt == 0 && strings.HasPrefix(is, what) {
			r.fs.failAt, r.fs.failWith, r.fs.failOn = step, errDisk, true
		}
	}
	s, err := do()
	r.fs.onStep = before
	r.fs.failAt, r.fs.failOn = 0, false
	if err != nil {
		return nil
	}
	return s
}

// look checks every image of a crash now; one that was checked within the same
// operation is good. quiet means that no operation is under way.
func (r *crashRun) look(when string, quiet bool) {
	if r.fs.syncs < r.from || len(r.failed) > 0 {
		return
	}
	for _, kind := range r.kinds {
		r.images++
		left := r.fs.leaves(r.t, kind)
		key := seenImage{left.sum(), r.done, quiet}
		if _, ok := r.seen[key]; ok {
			continue
		}
		r.seen[key] = struct{}{}
		r.checked++
		to := filepath.Join(r.work, fmt.Sprint(r.images))
		left.write(r.t, to)
		if err := r.check(filepath.Join(to, r.dir), quiet); err != nil {
			r.failed = append(r.failed, fmt.Sprintf("%s, %s: %v", when, kind, err))
		}
		if err := os.RemoveAll(to); err != nil {
			r.t.Fatal(err)
		}
	}
}

// check opens what a crash left, for reading and for writing.
func (r *crashRun) check(dir string, quiet bool) error {
	if err := wholeFiles(dir); err != nil {
		return err
	}
	allowed := map[int]content{r.done: r.states[r.done]}
	if !quiet && r.done+1 < len(r.states) {
		allowed[r.done+1] = r.states[r.done+1]
	}
	ctx := r.t.Context()
	reader, err := Open(ctx, Options{Dir: dir, ReadOnly: true})
	seen := -1
	switch {
	case errors.Is(err, ErrNoData) && r.done == 0:
		seen = 0
	case err != nil:
		return err
	default:
		defer func() { _ = reader.Close() }()
		if seen, err = r.which(reader, allowed); err != nil {
			return fmt.Errorf("reader: %w", err)
		}
		_ = reader.Close()
	}
	s, err := Open(ctx, crashOptions(noSyncFS(), dir))
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	again, err := r.which(s, allowed)
	if err != nil {
		return err
	}
	if again != seen {
		return fmt.Errorf("a reader saw state %d, recovery makes it %d", seen, again)
	}
	if err := inOrder(r.t, s); err != nil {
		return err
	}
	if !r.finish || r.checked%5 != 0 {
		return nil
	}
	for _, op := range r.ops[seen:] {
		if err := op.do(s); err != nil {
			return fmt.Errorf("%s, again: %w", op.name, err)
		}
	}
	if _, err := r.which(s, map[int]content{len(r.ops): r.states[len(r.ops)]}); err != nil {
		return fmt.Errorf("after the work was finished: %w", err)
	}
	return inOrder(r.t, s)
}

// which finds the state that a store is in.
func (r *crashRun) which(s *Store, allowed map[int]content) (int, error) {
	st, err := s.Status()
	if err != nil {
		return 0, err
	}
	if len(st.Damaged)+len(st.Unlisted) > 0 {
		return 0, fmt.Errorf("damaged %v, unlisted %v", st.Damaged, st.Unlisted)
	}
	got := contentOf(r.t, s)
	diffs := ""
	for _, n := range slices.Sorted(maps.Keys(allowed)) {
		want := allowed[n]
		if reflect.DeepEqual(want, got) { // quicker than cmp, and at least as strict
			return n, nil
		}
		diff := cmp.Diff(want, got)
		if diff == "" {
			return n, nil
		}
		diffs += fmt.Sprintf("state %d (-want +got):\n%s", n, diff)
	}
	return 0, errors.New(diffs)
}

// inOrder says what is wrong with a store that was recovered.
func inOrder(t testing.TB, s *Store) error {
	problems, err := s.Verify(t.Context())
	if err != nil {
		return err
	}
	st, err := s.Status()
	if err != nil {
		return err
	}
	if len(problems)+len(st.Problems)+st.Pending > 0 {
		return fmt.Errorf("files %v, problems %v, %d pending", problems, st.Problems, st.Pending)
	}
	left, err := filepath.Glob(filepath.Join(s.dir, "*", "*"+tmpSuffix))
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("files are left over: %v", left)
	}
	return err
}

// wholeFiles says whether what other tools find under the published names can
// be read.
func wholeFiles(dir string) error {
	days, err := filepath.Glob(filepath.Join(dir, daysName, "*"+dayFileSuffix))
	if err != nil {
		return err
	}
	groups, err := filepath.Glob(filepath.Join(dir, groupsName, "*"+dayFileSuffix))
	if err != nil {
		return err
	}
	days = append(days, groups...)
	for _, path := range days {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		info, err := f.Stat()
		if err == nil {
			_, err = dayfile.Open(f, info.Size())
		}
		if _ = f.Close(); err != nil {
			return fmt.Errorf("an outside reader finds %s damaged: %w", filepath.Base(path), err)
		}
	}
	path := filepath.Join(dir, inventoryName)
	if _, err := os.Stat(path); err != nil {
		return nil
	}
	if _, err := parquet.ReadFile[publishedRecord](path); err != nil {
		return fmt.Errorf("an outside reader finds %s damaged: %w", inventoryName, err)
	}
	return nil
}

// TestCrashAtEveryStep: whenever the machine or the process stops, nothing
// committed is lost or doubled, nothing half-done is visible, and the work can be
// done again.
func TestCrashAtEveryStep(t *testing.T) {
	t.Parallel()
	ops := scenario(t)
	r := newCrashRun(t, ops, uninterrupted(t, ops))
	r.run()
	for _, f := range r.failed {
		t.Error(f)
	}
	if r.fs.step < 60 || r.images < 4*r.fs.step {
		t.Errorf("%d steps and %d images: the scenario is not what it was", r.fs.step, r.images)
	}
	t.Logf("%d steps, %d syncs, %d images of crashes, %d of them different", r.fs.step, r.fs.syncs, r.images, r.checked)
}

// TestEverySyncCounts: with any one of the store's own syncs swallowed, a crash
// loses something, and the test above would see it. So no sync is missing from
// the test and none is done for nothing.
func TestEverySyncCounts(t *testing.T) {
	t.Parallel()
	ops := scenario(t)
	states := uninterrupted(t, ops)
	run := func(swallow int) *crashRun {
		r := newCrashRun(t, ops, states)
		r.fs.swallow, r.from, r.finish = swallow, swallow, false
		r.kinds = []image{powerLoss, eagerNames}
		r.run()
		return r
	}
	whole := newCrashRun(t, ops, states)
	whole.kinds, whole.finish = []image{powerLoss}, false
	whole.run()
	if len(whole.failed) > 0 {
		t.Fatalf("without a swallowed sync: %v", whole.failed)
	}
	// An opening syncs the log once more: the process before may have been killed
	// before it did. That the layer can't show; TestSettled does.
	if len(whole.fs.again) != 1 {
		t.Errorf("%d syncs of what was synced", len(whole.fs.again))
	}
	for n := 1; n <= whole.fs.syncs; n++ {
		if whole.fs.again[n] {
			continue
		}
		if r := run(n); len(r.failed) == 0 {
			t.Errorf("sync %d was swallowed and no crash showed it", n)
		}
	}
	t.Logf("%d syncs, each of them needed", whole.fs.syncs)
}
