package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/store/dayfile"
	"github.com/leanfleet/leanfleet/internal/store/head"
)

// ownMetric is a metric of the user's own, and the configuration that has it.
func ownMetric(t *testing.T, den int64, unit fleet.Unit) (fleet.Metric, func(*Options)) {
	t.Helper()
	metrics, err := fleet.CanonicalMetrics().With(fleet.Metric{Name: "queue", Unit: unit, Num: 1, Den: den, Exact: true})
	must(t, err)
	m, err := metrics.Lookup("queue")
	must(t, err)
	return m, func(o *Options) { o.Metrics, o.noSync = metrics, true }
}

// measured in another metric.
func in(m fleet.Metric, b fleet.Batch) fleet.Batch {
	b.Columns[0].Metric = m
	return b
}

// later moves a batch.
func later(hours int, b fleet.Batch) fleet.Batch {
	for i := range b.Start {
		b.Start[i] += int64(hours) * 3600_000
	}
	return b
}

// with gives a batch another metric beside cpu_usage.
func with(m fleet.Metric, value int32, b fleet.Batch) fleet.Batch {
	c := fleet.Column{Metric: m}
	for range b.Start {
		c.Values = append(c.Values, value)
	}
	b.Columns = append(b.Columns, c)
	return b
}

func (a *appending) refused(want string, batches ...fleet.Batch) {
	a.t.Helper()
	if _, err := a.s.Append(a.t.Context(), batches); err == nil || !strings.Contains(err.Error(), want) {
		a.t.Errorf("append: %v, not %q", err, want)
	}
}

// ask asks for a metric and tells what is damaged.
func (a *appending) ask(m fleet.Metric) (count int64, damaged string) {
	a.t.Helper()
	q := wholeQuery()
	q.Metric = m
	for p, err := range a.s.Profiles(a.t.Context(), q) {
		var d *fleet.DamagedError
		if errors.As(err, &d) {
			damaged += d.Error() + "\n"
			continue
		}
		must(a.t, err)
		count += p.Count
	}
	return count, damaged
}

// TestOtherUnit: where the configuration says another unit of a metric than rows
// that are not sealed have, the store opens: it seals them under theirs, and goes
// on; a reader answers as from sealed files of that unit.
func TestOtherUnit(t *testing.T) {
	count, counts := ownMetric(t, 10, fleet.UnitCount)
	cores, inCores := ownMetric(t, 10, fleet.UnitCores)
	a := newAppending(t, counts)
	a.append(in(count, crashBatch("a", 0, 2, 100)), crashBatch("b", 0, 2, 1))
	a.append(crashBatch("brought", 1, 1, 1))
	must(t, a.s.Close())
	look := func(what string, metric fleet.Metric, n int64, says string) {
		t.Helper()
		got, damaged := a.ask(metric)
		if got != n || !strings.Contains(damaged, says) || (damaged == "") != (says == "") {
			t.Errorf("%s: %d values of %s in %s, not %d; %q", what, got, metric.Name, metric.Unit, n, damaged)
		}
	}
	for range 2 { // a reader, which changes nothing, and then one behind a writer
		a.open(inCores, func(o *Options) { o.ReadOnly = true })
		look("reader", cores, 0, `metric queue is in "count", not in "cores"`)
		look("reader", fleet.CPUUsage, 9, "")
		a.check("reader")
		must(t, a.s.Close())
		a.open(inCores)
		a.wantSealed("2024-02-01", "2024-02-02")
		if left := generationsLeft(t, a.dir); len(left) != 1 {
			t.Errorf("generations: %v", left)
		}
		must(t, a.s.Close())
	}
	a.open(inCores)
	a.check("writer")
	look("writer", cores, 0, `metric queue is in "count", not in "cores"`)
	// Rows of that day go on, but for those of the metric.
	a.append(later(6, crashBatch("b", 1, 1, 5)), later(1, crashBatch("a", 1, 1, 5)))
	a.refused(`host a: day 2024-02-02: metric queue is stored in count, the configuration now says cores`, later(6, in(cores, crashBatch("a", 1, 1, 5))))
	a.append(in(cores, crashBatch("a", 2, 1, 500)))
	a.check("appended")
	look("appended", cores, 3, `metric queue is in "count", not in "cores"`)
	a.reopen(inCores)
	a.check("opened again")
	must(t, a.s.Seal(t.Context()))
	a.check("sealed")
	a.reopen(counts)
	look("as it was", count, 6, `metric queue is in "cores", not in "count"`)
	a.check("as it was")
}

// TestOtherUnitCutOff: an opening that seals what the log has under its own
// definitions may fail, or the machine stop, at any of its changes.
func TestOtherUnitCutOff(t *testing.T) {
	count, counts := ownMetric(t, 10, fleet.UnitCount)
	_, inCores := ownMetric(t, 10, fleet.UnitCores)
	begin := func() (*crashFS, string, model) {
		c := newCrashFS(t.TempDir())
		a := &appending{t: t, dir: filepath.Join(c.root, "data"), want: model{}}
		a.open(counts, func(o *Options) { o.FS = c })
		a.append(in(count, crashBatch("a", 0, 2, 100)), crashBatch("b", 0, 2, 1))
		must(t, a.s.Seal(t.Context()))
		a.append(later(1, in(count, crashBatch("a", 0, 2, 200))), crashBatch("new", 3, 1, 7))
		must(t, a.s.Close())
		return c, a.dir, a.want
	}
	options := func(c FS, dir string) Options {
		o := crashOptions(c, dir)
		inCores(&o)
		return o
	}
	t.Run("fails", func(t *testing.T) {
		for n := 1; ; n++ {
			c, dir, want := begin()
			c.failAt, c.failWith = c.step+n, errDisk
			s, err := Open(t.Context(), options(c, dir))
			if err != nil {
				if !errors.Is(err, errDisk) {
					t.Errorf("change %d: %v", n, err)
				}
				c.failAt = 0
				s, err = Open(t.Context(), options(c, dir))
				must(t, err)
			}
			if diff := cmp.Diff(want, everything(t, s)); diff != "" {
				t.Errorf("change %d (-model +store):\n%s", n, diff)
			}
			must(t, s.Close())
			if c.step < c.failAt || c.failAt > 0 && n > 100 {
				if n < 8 {
					t.Errorf("%d changes", n)
				}
				return
			}
		}
	})
	t.Run("stops", func(t *testing.T) {
		c, dir, want := begin()
		steps := 0
		c.onStep = func(step int, what string) {
			for _, kind := range images {
				image := t.TempDir()
				c.crash(t, kind, image)
				s, err := Open(t.Context(), options(osFS{}, filepath.Join(image, "data")))
				must(t, err)
				if diff := cmp.Diff(want, everything(t, s)); diff != "" {
					t.Errorf("step %d, %s, %v (-model +store):\n%s", step, what, kind, diff)
				}
				must(t, s.Close())
			}
			steps++
		}
		s, err := Open(t.Context(), options(c, dir))
		must(t, err)
		c.onStep = nil
		must(t, s.Close())
		if steps < 8 {
			t.Errorf("%d steps", steps)
		}
	})
}

// TestFinerThanValues: where the configuration says a resolution in which values
// that are not sealed have no place, they are sealed as they are, and late rows
// of other hosts are rounded as the day's file is.
func TestFinerThanValues(t *testing.T) {
	whole, wholes := ownMetric(t, 1, fleet.UnitCount)
	_, tenths := ownMetric(t, 10, fleet.UnitCount)
	fine, hundredths := ownMetric(t, 100, fleet.UnitCount)
	a := newAppending(t, wholes)
	big := in(whole, crashBatch("a", 0, 1, 2_000_000_000))
	a.append(big, in(whole, crashBatch("b", 0, 1, 7)))
	must(t, a.s.Close())
	a.open(hundredths, func(o *Options) { o.ReadOnly = true })
	if n, damaged := a.ask(fine); n != 3 || !strings.Contains(damaged, "queue: impossible value: 2e+09 is above the largest") {
		t.Errorf("a reader: %d values, %q", n, damaged)
	}
	must(t, a.s.Close())
	a.open(hundredths)
	a.wantSealed("2024-02-01")
	a.check("opened")
	// The host's rows cannot be told in the configuration's resolution.
	a.refused("2e+09 is above the largest", later(1, in(fine, crashBatch("a", 0, 1, 5))))
	a.refused("host a: day 2024-02-01", later(1, crashBatch("a", 0, 1, 5)))
	// Others' can, and the file stays as it is.
	if _, err := a.s.Append(t.Context(), []fleet.Batch{later(6, in(fine, crashBatch("c", 0, 1, 1240)))}); err != nil {
		t.Error(err)
	}
	must(t, a.s.Seal(t.Context()))
	must(t, bulk(t, a.s, nil, in(fine, crashBatch("d", 0, 1, 990))))
	rows := dump(t, a.s)
	for key, want := range map[modelKey]int32{{"a", dayStart}: 2_000_000_000, {"b", dayStart}: 7, {"c", dayStart + 6*3600_000}: 12, {"d", dayStart}: 10} {
		if rows[key].Values["queue"] != want {
			t.Errorf("%v: %v, not %d", key, rows[key].Values, want)
		}
	}
	a.reopen(tenths)
	a.refused("host a: day 2024-02-01", later(1, crashBatch("a", 0, 1, 5)))
}

// TestNoLongerConfigured: rows of the log that have a metric that is no longer
// configured, in the resolution of the time, are sealed as they are.
func TestNoLongerConfigured(t *testing.T) {
	coarse, coarsely := ownMetric(t, 10, fleet.UnitCount)
	fine, finely := ownMetric(t, 100, fleet.UnitCount)
	a := newAppending(t, coarsely)
	a.append(in(coarse, crashBatch("a", 0, 1, 10)))
	must(t, a.s.Close())
	a.open(finely)
	if _, err := a.s.Append(t.Context(), []fleet.Batch{in(fine, crashBatch("b", 0, 1, 123))}); err != nil {
		t.Error(err)
	}
	must(t, a.s.Close())
	for _, readOnly := range []bool{true, false} {
		a.open(func(o *Options) { o.ReadOnly = readOnly })
		rows := everything(t, a.s)
		if got := rows[modelKey{"a", dayStart}].Values["queue"]; got != 100 {
			t.Errorf("read only %v: %d", readOnly, got)
		}
		if got := rows[modelKey{"b", dayStart}].Values["queue"]; got != 123 {
			t.Errorf("read only %v: %d", readOnly, got)
		}
		must(t, a.s.Close())
	}
}

// TestOldDefinitions: late rows leave what days have of a metric that is no
// longer configured as each of them defines it.
func TestOldDefinitions(t *testing.T) {
	a := newAppending(t)
	must(t, a.s.Close())
	for day, den := range []int64{10, 100, 1} {
		m, configured := ownMetric(t, den, []fleet.Unit{fleet.UnitCount, fleet.UnitCount, fleet.UnitCores}[day])
		a.open(configured)
		for _, host := range []fleet.HostID{"a", "b"} {
			a.append(with(m, 123, crashBatch(host, day, 1, 5)))
		}
		must(t, a.s.Seal(t.Context()))
		must(t, a.s.Close())
	}
	a.open()
	for day := range 3 {
		a.append(later(1, crashBatch("a", day, 1, 9)))
	}
	a.check("late")
	a.reopen()
	a.check("opened again")
	must(t, a.s.Seal(t.Context()))
	a.check("sealed")
	for day, want := range []int64{10, 100, 1} {
		p := a.s.pin(a.s.days[ofHosts][day : day+1])
		must(t, p.open(0))
		for _, m := range p.days[0].file.Metrics() {
			if m.Name == "queue" && m.Den != want {
				t.Errorf("day %d: 1/%d", day, m.Den)
			}
		}
		p.release()
	}
}

// TestOriginsOfOneHost: a host whose rows of a day, sealed and not, have more
// origins than either may, is sealed; so are the others.
func TestOriginsOfOneHost(t *testing.T) {
	a := newAppending(t)
	row := func(minute int, origin string) fleet.Batch {
		b := crashBatch("a", 0, 1, 1)
		b.Start, b.Columns[0].Values = []int64{dayStart + int64(minute)*60_000}, []int32{int32(minute)}
		b.Origin = fleet.Origin(origin)
		return b
	}
	load, err := a.s.Begin(t.Context())
	must(t, err)
	for i := range 250 {
		b := row(i, fmt.Sprint("loaded-", i))
		must(t, load.Add(t.Context(), []fleet.Batch{b}))
		a.want.apply(b)
	}
	_, err = load.Commit(t.Context())
	must(t, err)
	for i := range 100 {
		a.append(row(300+i, fmt.Sprint("appended-", i)))
	}
	// Rows that come while it is sealed, between those that are.
	a.s.opt.beforeCommit = func() {
		a.s.opt.beforeCommit = nil
		b := row(350, "beside")
		b.Start[0] += 1000
		a.append(b)
	}
	must(t, a.s.Seal(t.Context()))
	a.check("sealed")
	b := row(300, "late")
	for i := range 99 { // over chunks of ever different origins
		b.Start, b.Columns[0].Values = append(b.Start, dayStart+int64(301+i)*60_000), append(b.Columns[0].Values, 7)
	}
	a.append(b)
	a.append(row(10, "late"))
	a.check("late")
	a.append(crashBatch("b", 0, 2, 1)) // nobody is refused for it
	a.reopen()
	a.check("opened again")
	must(t, a.s.Seal(t.Context()))
	a.check("sealed again")
	if len(a.s.head.unsealed()) > 0 {
		t.Error("days are left")
	}
}

// TestOriginsOfManyHosts: the hosts of a day may have many origins together.
func TestOriginsOfManyHosts(t *testing.T) {
	a := newAppending(t)
	var batches, late []fleet.Batch
	for i := range 600 {
		host := fleet.HostID(fmt.Sprint("h", i))
		b := crashBatch(host, 0, 1, 1)
		b.Origin = fleet.Origin(fmt.Sprint("source-", i))
		batches, late = append(batches, b), append(late, later(1, crashBatch(host, 0, 1, 2)))
		a.want.apply(b)
	}
	must(t, bulk(t, a.s, nil, batches...))
	a.append(late...)
	must(t, a.s.Seal(t.Context()))
	a.check("sealed")
	must(t, bulk(t, a.s, nil, late...))
	a.check("loaded")
}

// TestLargeCommits: a commit takes some calls and leaves others for the next one
// when they are large, and a large call is several records in one transaction.
func TestLargeCommits(t *testing.T) {
	a := newAppending(t)
	b := group("g", fleet.Batch{Origin: fleet.OriginAgent, Step: 100, Columns: []fleet.Column{{Metric: fleet.CPUUsage}}})
	for i := range 800_000 {
		b.Start = append(b.Start, dayStart+int64(i)*100)
		b.Columns[0].Values = append(b.Columns[0].Values, int32(i%7919))
	}
	large := func(host string) fleet.Batch {
		b.Host = fleet.HostID(host)
		return b
	}
	var calls []*appendCall
	for i := range 40 {
		c := &appendCall{ctx: t.Context(), done: make(chan struct{}, 1)}
		must(t, c.prepare(a.s, []fleet.Batch{large(fmt.Sprint("h", i%2))}))
		calls = append(calls, c)
	}
	waiting := &Store{appends: make(chan *appendCall, appendQueue)}
	for _, c := range calls[1:] {
		waiting.appends <- c
	}
	taken := waiting.gather(calls[:1:1], 40)
	if len(taken) < 2 || len(taken) > 20 {
		t.Errorf("one commit has %d calls of 800,000 rows", len(taken))
	}
	batches := make([]fleet.Batch, 30)
	for i := range batches {
		batches[i] = large(fmt.Sprint("h", i))
	}
	if _, err := a.s.Append(t.Context(), batches); err != nil {
		t.Fatal(err)
	}
	must(t, a.s.Close())
	records := recordsOf(t, generationsLeft(t, a.dir)[0])
	longest := 0
	for _, r := range records {
		longest = max(longest, len(r))
	}
	if len(records) < 2 || longest > 24<<20 {
		t.Errorf("%d records, the longest of %d bytes", len(records), longest)
	}
	a.open()
	if rows := a.s.head.hosts[head.Key{Host: "h29", Group: "g"}].strips[0].Len(); rows != 800_000 {
		t.Errorf("%d rows after a reopening", rows)
	}
}

// unreadable is a file layer that cannot open some file for a while.
type unreadable struct {
	FS
	path string
	err  error
}

func (u *unreadable) Open(path string) (File, error) {
	if u.err != nil && path == u.path {
		return nil, &os.PathError{Op: "open", Path: path, Err: u.err}
	}
	return u.FS.Open(path)
}

// TestUnreadableForAWhile: a sealed file under late rows that cannot be opened,
// for want of permission or of file descriptors, is not damaged: questions and
// appends say what the matter is, and go on when it can be opened.
func TestUnreadableForAWhile(t *testing.T) {
	for _, readOnly := range []bool{false, true} {
		for _, failure := range []error{syscall.EMFILE, syscall.EACCES} {
			t.Run(fmt.Sprintf("%v, read only %v", failure, readOnly), func(t *testing.T) {
				a := newAppending(t)
				a.append(crashBatch("a", 0, 2, 100))
				must(t, a.s.Seal(t.Context()))
				a.append(later(1, crashBatch("a", 0, 1, 200)))
				must(t, a.s.Close())
				u := &unreadable{FS: osFS{}, path: fileOfDay(a.s, 0), err: failure}
				a.open(func(o *Options) { o.FS, o.ReadOnly = u, readOnly })
				for _, err := range a.s.Profiles(t.Context(), wholeQuery()) {
					var d *fleet.DamagedError
					if !errors.Is(err, failure) || errors.As(err, &d) {
						t.Errorf("a question: %v", err)
					}
				}
				if st, err := a.s.Status(); err != nil || len(st.Damaged) != 0 || len(st.Problems) == 0 || !strings.Contains(st.Problems[0], failure.Error()) {
					t.Errorf("status: %v, %v, %v", st.Damaged, st.Problems, err)
				}
				if !readOnly {
					b := later(2, crashBatch("a", 0, 1, 300))
					if _, err := a.s.Append(t.Context(), []fleet.Batch{b}); !errors.Is(err, failure) || strings.Contains(err.Error(), "backup") {
						t.Errorf("an append: %v", err)
					}
					if err := a.s.Seal(t.Context()); !errors.Is(err, failure) {
						t.Errorf("a seal: %v", err)
					}
					a.append(crashBatch("a", 5, 1, 200)) // other days go on
				}
				u.err = nil
				if n, damaged := a.ask(fleet.CPUUsage); n != int64(len(a.want)) || damaged != "" {
					t.Errorf("%d values, %q", n, damaged)
				}
				a.check("readable again")
				if !readOnly {
					a.append(later(2, crashBatch("a", 0, 1, 300)))
					must(t, a.s.Seal(t.Context()))
					a.check("sealed")
				}
			})
		}
	}
}

// TestRestoredBelowTheHead: a damaged file under late rows that is restored is
// answered from again, without a reopening.
func TestRestoredBelowTheHead(t *testing.T) {
	a := newAppending(t)
	a.append(crashBatch("a", 0, 2, 100))
	must(t, a.s.Seal(t.Context()))
	a.append(later(1, crashBatch("a", 0, 1, 200)))
	must(t, a.s.Close())
	path := fileOfDay(a.s, 0)
	good := read(t, path)
	must(t, os.Truncate(path, 100))
	a.open()
	if _, damaged := a.ask(fleet.CPUUsage); !strings.Contains(damaged, path) {
		t.Errorf("%q", damaged)
	}
	a.refused("restore the file from a backup", later(2, crashBatch("a", 0, 1, 300)))
	must(t, os.WriteFile(path, good, 0o600))
	a.append(later(2, crashBatch("a", 0, 1, 300)))
	a.check("restored")
	if _, damaged := a.ask(fleet.CPUUsage); damaged != "" {
		t.Errorf("%q", damaged)
	}
	must(t, a.s.Seal(t.Context()))
	a.check("sealed")
}

// TestManySubsets: rows with ever other metrics are there after a reopening, and
// are sealed.
func TestManySubsets(t *testing.T) {
	a := newAppending(t)
	metrics := fleet.CanonicalMetrics().Stored()
	subset := func(i int) fleet.Batch {
		b := fleet.Batch{Host: "a", Origin: fleet.OriginAgent, Step: 1000, Start: []int64{dayStart + int64(i)*1000, dayStart + int64(i)*1000 + 500}}
		if i%2 == 0 {
			b.Start = b.Start[:1]
		}
		for m := range metrics {
			if (i+1)>>m&1 == 1 {
				b.Columns = append(b.Columns, fleet.Column{Metric: metrics[m], Values: []int32{int32(i), int32(m)}[:len(b.Start)]})
			}
		}
		return b
	}
	var batches []fleet.Batch
	for i := range 5000 {
		batches = append(batches, subset(i))
	}
	a.append(batches...)
	a.check("appended")
	a.reopen()
	a.check("opened again")
	for i := range 100 {
		a.append(later(12, subset(7*i)))
	}
	must(t, a.s.Seal(t.Context()))
	a.check("sealed")
	days := a.s.pin(a.s.days[ofHosts])
	defer days.release()
	must(t, days.open(0))
	if n := len(days.days[0].file.Metrics()); n != 13 {
		t.Errorf("the file has %d metrics", n)
	}
}

// TestRefusedOrigins: origins that are refused are not remembered.
func TestRefusedOrigins(t *testing.T) {
	a := newAppending(t)
	unlisted := (target{ofHosts, dayfile.DayOf(dayStart) + 7}).name()
	must(t, os.WriteFile(filepath.Join(a.dir, daysName, unlisted), nil, 0o600))
	a.append(crashBatch("a", 0, 1, 1))
	before := a.s.head.table.Origin("before")
	for i := range 100 {
		b := crashBatch("a", 7, 1, 1)
		b.Origin = fleet.Origin(fmt.Sprint("refused-", i))
		a.refused("move it away", b)
	}
	if n := a.s.head.table.Origin("after") - before; n != 1 || len(a.s.head.origins) != 1 {
		t.Errorf("%d origins of calls that were refused, %d in the head", n-1, len(a.s.head.origins))
	}
}

// TestTakenColumn: a metric whose column is that of one that was configured before
// goes into the same file beside it.
func TestTakenColumn(t *testing.T) {
	configured := func(name string) (fleet.Metric, func(*Options)) {
		metrics, err := fleet.CanonicalMetrics().With(fleet.Metric{Name: name, Unit: fleet.UnitCount, Num: 1, Den: 1, Column: "q"})
		must(t, err)
		m, err := metrics.Lookup(name)
		must(t, err)
		return m, func(o *Options) { o.Metrics, o.noSync = metrics, true }
	}
	first, options := configured("first")
	a := newAppending(t, options)
	a.append(in(first, crashBatch("a", 0, 1, 1)))
	must(t, a.s.Seal(t.Context()))
	second, options := configured("second")
	a.reopen(options)
	a.append(later(1, in(second, crashBatch("a", 0, 1, 1))), in(second, crashBatch("b", 0, 1, 1)))
	must(t, a.s.Seal(t.Context()))
	a.check("sealed")
}
