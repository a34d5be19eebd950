package fleettest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

// Loader holds an engine against [fleet.Loader] and [fleet.Load].
func Loader(t *testing.T, open Open) {
	runAll(t, open, []scenario{
		{"NothingVisibleBeforeCommit", nothingVisibleBeforeCommit},
		{"AbortLeavesNothing", abortLeavesNothing},
		{"AbortAfterCommit", abortAfterCommit},
		{"EndedLoads", endedLoads},
		{"CommitCounts", commitCounts},
		{"RecordsSeeWhatIsStaged", recordsSeeWhatIsStaged},
		{"LoadKeepsNoMemory", loadKeepsNoMemory},
		{"AnyOrder", anyOrder},
		{"OverWhatIsStored", overWhatIsStored},
		{"ErrorDoomsTheLoad", errorDoomsTheLoad},
		{"WritesBesideALoad", writesBesideALoad},
		{"TwoLoads", twoLoads},
		{"CancelledLoad", cancelledLoad},
		{"DurableLoad", durableLoad},
	})
}

func (f *fixture) begin() fleet.Load {
	f.Helper()
	l, err := f.engine.Begin(f.ctx)
	if err != nil {
		f.Fatalf("begin: %v", err)
	}
	f.Cleanup(func() { _ = l.Abort() })
	return l
}

func (f *fixture) add(l fleet.Load, batches ...fleet.Batch) {
	f.Helper()
	if err := l.Add(f.ctx, batches); err != nil {
		f.Fatalf("add: %v", err)
	}
}

func (f *fixture) stage(l fleet.Load, statements ...fleet.Statement) fleet.PutResult {
	f.Helper()
	r, err := l.PutRecords(f.ctx, statements, fleet.Put{At: written, Who: "tester", Why: "a load", Origin: fleet.OriginImport})
	if err != nil {
		f.Fatalf("put records: %v", err)
	}
	return r
}

func (f *fixture) commit(l fleet.Load) fleet.Appended {
	f.Helper()
	n, err := l.Commit(f.ctx)
	if err != nil {
		f.Fatalf("commit: %v", err)
	}
	return n
}

func nothingVisibleBeforeCommit(f *fixture) {
	f.put(says("a", "dept", "eng"))
	f.append(batch("a", fleet.CPUUsage, minute, "2024-01-01", 0.1))
	w := window("2023-12-31", "2024-01-05")
	before := f.everything(w)
	l := f.begin()
	f.add(l, batch("a", fleet.CPUUsage, minute, "2024-01-01", 0.9, 0.9), batch("new", fleet.CPUUsage, minute, "2024-01-03", 0.5))
	if r := f.stage(l, says("a", "dept", "data"), says("new", "dept", "web")); r.Changed != 1 || r.Learned != 1 {
		f.Errorf("staged: %+v", r)
	}
	f.equalLines("before the commit, everything", before, lines(f.everything(w)))
	f.equalCounts("commit", f.commit(l), 2, 1, 0, 0)
	f.wantSeries(query(fleet.CPUUsage, w, ""), `
		a@- 1m 2024-01-01=0.9 2024-01-01T00:01=0.9
		new@- 1m 2024-01-03=0.5`)
	f.wantRecords("", fleet.Window{}, func(r *fleet.Record) string { return showRecord(r) + " " + r.Tags["dept"] + " " + showWindow(r.Seen) }, `
		a@- eng 2024-01-01..2024-01-01T00:02
		a@2024-06-01 data 2024-01-01..2024-01-01T00:02
		new@- web 2024-01-03..2024-01-03T00:01`)
}

func abortLeavesNothing(f *fixture) {
	f.append(batch("a", fleet.CPUUsage, minute, "2024-01-01", 0.1))
	w := window("2023-12-31", "2024-01-05")
	before := f.everything(w)
	l := f.begin()
	f.add(l, batch("a", fleet.CPUUsage, minute, "2024-01-01", 0.9, 0.9), batch("new", fleet.CPUUsage, minute, "2024-01-03", 0.5))
	f.stage(l, says("a", "dept", "data"))
	if err := l.Abort(); err != nil {
		f.Fatal(err)
	}
	f.equalLines("after the abort, everything", before, lines(f.everything(w)))
	f.reopen()
	f.equalLines("after opening again, everything", before, lines(f.everything(w)))
}

func abortAfterCommit(f *fixture) {
	l := f.begin()
	f.add(l, batch("a", fleet.CPUUsage, minute, "2024-01-01", 0.1))
	f.commit(l)
	for range 2 {
		if err := l.Abort(); err != nil {
			f.Errorf("abort after commit: %v", err)
		}
	}
	f.wantSeries(query(fleet.CPUUsage, day("2024-01-01"), ""), `a@- 1m 2024-01-01=0.1`)
}

func endedLoads(f *fixture) {
	done, aborted := f.begin(), f.begin()
	f.commit(done)
	if err := aborted.Abort(); err != nil {
		f.Fatal(err)
	}
	for what, l := range map[string]fleet.Load{"committed": done, "aborted": aborted} {
		if err := l.Add(f.ctx, []fleet.Batch{batch("a", fleet.CPUUsage, minute, "2024-01-01", 0.1)}); err == nil {
			f.Errorf("add to a load that was %s: no error", what)
		}
		if _, err := l.PutRecords(f.ctx, []fleet.Statement{says("a")}, fleet.Put{At: written}); err == nil {
			f.Errorf("put records into a load that was %s: no error", what)
		}
		if _, err := l.Commit(f.ctx); err == nil {
			f.Errorf("commit of a load that was %s: no error", what)
		}
	}
	f.wantRecords("", fleet.Window{}, showRecord, ``)
}

func commitCounts(f *fixture) {
	f.append(from(fleet.OriginAgent, batch("a", fleet.CPUUsage, minute, "2024-01-01", 0.1)), batch("a", fleet.CPUUsage, minute, "2024-01-01T00:01", 0.2, 0.3))
	l := f.begin()
	f.add(l, batch("a", fleet.CPUUsage, minute, "2024-01-01", 0.9, 0.2))
	f.add(l, batch("a", fleet.CPUUsage, minute, "2024-01-01T00:02", 0.4, 0.5), batch("a", fleet.CPUUsage, minute, "2024-01-01T00:03", 0.6))
	// 0.9 is outranked, 0.2 there already, 0.4 other; 0.5 is new, then 0.6 other.
	f.equalCounts("commit", f.commit(l), 1, 2, 1, 1)
	f.equalCounts("an empty load", f.commit(f.begin()), 0, 0, 0, 0)
}

func recordsSeeWhatIsStaged(f *fixture) {
	f.put(says("a", "dept", "eng"))
	l := f.begin()
	show := func(key, when string) []string {
		list, err := l.Records(f.ctx, key, at(when))
		if err != nil {
			f.Fatalf("records of %s: %v", key, err)
		}
		var out []string
		for i := range list {
			out = append(out, strings.TrimSpace(showRecord(&list[i])+" "+list[i].Tags["dept"]+" "+showWindow(list[i].Seen)))
		}
		return out
	}
	f.equalLines("a known host", "a@- eng -..-", show("a", "2024-01-01"))
	f.equalLines("nobody", "", show("b", "2024-01-01"))
	s := typed(says("i-1", "dept", "web"), "m5.large")
	s.Name = "b"
	f.stage(l, says("a", "dept", "data"), s)
	f.equalLines("a changed host", "a@- eng -..-\na@2024-06-01 data -..-", show("a", "2024-01-01"))
	f.equalLines("a new host by its name", "i-1@- web -..-", show("b", "2024-01-01"))
	f.add(l, batch("b", fleet.CPUUsage, minute, "2024-01-01", 0.1), batch("c", fleet.CPUUsage, minute, "2024-01-01", 0.1))
	f.equalLines("a host with samples", "i-1@- web 2024-01-01..2024-01-01T00:01", show("b", "2024-01-01"))
	f.equalLines("a host that samples bring", "c@-  2024-01-01..2024-01-01T00:01", show("c", "2024-01-01"))
	list, err := l.Records(f.ctx, "i-1", at("2024-01-01"))
	if err != nil || len(list) != 1 || list[0].Capacity.VCPUs != 2 {
		f.Errorf("the capacity that is staged: %+v, error %v", list, err)
	}
	f.wantRecords("", fleet.Window{}, showRecord, "a@-")
	f.commit(l)
	f.wantRecords("", fleet.Window{}, func(r *fleet.Record) string { return showRecord(r) + " " + showWindow(r.Seen) }, `
		a@- -..-
		a@2024-06-01 -..-
		c@- 2024-01-01..2024-01-01T00:01
		i-1@- 2024-01-01..2024-01-01T00:01`)
}

func loadKeepsNoMemory(f *fixture) {
	l := f.begin()
	b := batch("a", fleet.CPUUsage, minute, "2024-01-01", 0.1, gap, 0.3)
	s := says("b", "dept", "eng")
	list, statements := []fleet.Batch{b}, []fleet.Statement{s}
	f.add(l, list...)
	f.stage(l, statements...)
	b.Start[0], b.Columns[0].Values[2], b.Columns[0].Present[1] = 0, 7, true
	b.Columns[0].Metric = fleet.MemoryUsage
	list[0].Host = "x"
	s.Tags["dept"] = "data"
	f.put(says("z")) // a write beside the load, which has it worked out again
	f.commit(l)
	f.wantSeries(query(fleet.CPUUsage, day("2024-01-01"), ""), `a@- 1m 2024-01-01=0.1 2024-01-01T00:02=0.3`)
	f.wantRecords("", fleet.Window{}, func(r *fleet.Record) string { return strings.TrimSpace(showRecord(r) + " " + r.Tags["dept"]) }, "a@-\nb@- eng\nz@-")
}

func anyOrder(f *fixture) {
	l := f.begin()
	const days, hosts = 5, 7
	for i := range days * hosts { // days and hosts in a scrambled order
		k := (i * 13) % (days * hosts)
		f.add(l, batch(fmt.Sprintf("h%d", k%hosts), fleet.CPUUsage, 6*time.Hour, fmt.Sprintf("2024-01-0%dT12:00", 1+k/hosts), 0.1, 0.2, 0.3, 0.4))
	}
	f.equalCounts("commit", f.commit(l), 4*days*hosts, 0, 0, 0)
	var want strings.Builder
	for h := range hosts {
		fmt.Fprintf(&want, "h%d@- 2024-01-01 n=2 covered=12h expected=12h 0.1:6h 0.2:6h\n", h)
		for d := 2; d <= days; d++ {
			fmt.Fprintf(&want, "h%d@- 2024-01-0%d n=4 covered=24h expected=24h 0.1:6h 0.2:6h 0.3:6h 0.4:6h\n", h, d)
		}
		fmt.Fprintf(&want, "h%d@- 2024-01-06 n=2 covered=12h expected=12h 0.3:6h 0.4:6h\n", h)
	}
	f.wantProfiles(query(fleet.CPUUsage, window("2024-01-01", "2024-01-08"), fleet.StepDay), want.String())
}

func overWhatIsStored(f *fixture) {
	f.append(batch("a", fleet.CPUUsage, time.Hour, "2024-01-01", 0.1, 0.2), batch("b", fleet.CPUUsage, time.Hour, "2024-01-01", 0.5))
	l := f.begin()
	f.add(l, batch("a", fleet.MemoryUsage, time.Hour, "2024-01-01T01:00", 0.9, 0.8), batch("a", fleet.CPUUsage, time.Hour, "2024-01-01", 0.3))
	f.equalCounts("commit", f.commit(l), 2, 1, 0, 0)
	f.wantSeries(query(fleet.CPUUsage, day("2024-01-01"), ""), "a@- 1h 2024-01-01=0.3 2024-01-01T01:00=0.2\nb@- 1h 2024-01-01=0.5")
	f.wantSeries(query(fleet.MemoryUsage, day("2024-01-01"), ""), "a@- 1h 2024-01-01T01:00=0.9 2024-01-01T02:00=0.8")
}

func errorDoomsTheLoad(f *fixture) {
	for name, bad := range badBatches() {
		l := f.begin()
		f.add(l, batch("a", fleet.CPUUsage, minute, "2024-01-01", 0.1))
		if err := l.Add(f.ctx, []fleet.Batch{batch("b", fleet.CPUUsage, minute, "2024-01-01", 0.1), bad.batch}); err == nil {
			f.Errorf("%s: no error", name)
		}
		if _, err := l.Commit(f.ctx); err == nil {
			f.Errorf("%s: a load with an error was committed", name)
		}
		if err := l.Abort(); err != nil {
			f.Errorf("%s: abort: %v", name, err)
		}
	}
	f.wantRecords("", fleet.Window{}, showRecord, ``)
}

func writesBesideALoad(f *fixture) {
	f.put(says("a", "dept", "eng"))
	l := f.begin()
	f.add(l, batch("a", fleet.CPUUsage, minute, "2024-01-01", 0.1, 0.2), batch("n", fleet.CPUUsage, minute, "2024-01-01", 0.7))
	f.append(batch("a", fleet.CPUUsage, minute, "2024-01-01T00:01", 0.9, 0.9), batch("b", fleet.CPUUsage, minute, "2024-01-02", 0.5))
	f.change("2024-01-01T00:01", says("a", "dept", "data"))
	f.stage(l, says("n", "dept", "web"))
	// The load is written when it is committed: its samples come after those of the append.
	f.equalCounts("commit", f.commit(l), 2, 1, 0, 0)
	f.wantSeries(query(fleet.CPUUsage, window("2024-01-01", "2024-01-03"), ""), `
		a@- 1m 2024-01-01=0.1
		a@2024-01-01T00:01 1m 2024-01-01T00:01=0.2 2024-01-01T00:02=0.9
		b@- 1m 2024-01-02=0.5
		n@- 1m 2024-01-01=0.7`)
	f.wantRecords("dept=web", fleet.Window{}, showRecord, "n@-")
}

func twoLoads(f *fixture) {
	one, two := f.begin(), f.begin()
	f.add(one, batch("a", fleet.CPUUsage, minute, "2024-01-01", 0.1), batch("b", fleet.CPUUsage, minute, "2024-01-01", 0.1))
	f.add(two, batch("a", fleet.CPUUsage, minute, "2024-01-01", 0.2), batch("c", fleet.CPUUsage, minute, "2024-01-01", 0.2))
	f.equalCounts("the second", f.commit(two), 2, 0, 0, 0)
	f.equalCounts("the first", f.commit(one), 1, 1, 0, 0)
	f.wantSeries(query(fleet.CPUUsage, day("2024-01-01"), ""), "a@- 1m 2024-01-01=0.1\nb@- 1m 2024-01-01=0.1\nc@- 1m 2024-01-01=0.2")
}

func cancelledLoad(f *fixture) {
	gone, cancel := context.WithCancel(f.ctx)
	cancel()
	if l, err := f.engine.Begin(gone); !errors.Is(err, context.Canceled) {
		f.Errorf("begin with a cancelled context: %v, %v", l, err)
	}
	l := f.begin()
	f.add(l, batch("a", fleet.CPUUsage, minute, "2024-01-01", 0.1))
	if err := l.Add(gone, []fleet.Batch{batch("a", fleet.CPUUsage, minute, "2024-01-02", 0.1)}); !errors.Is(err, context.Canceled) {
		f.Errorf("add with a cancelled context: %v", err)
	}
	if _, err := l.Commit(gone); !errors.Is(err, context.Canceled) {
		f.Errorf("commit with a cancelled context: %v", err)
	}
	if err := l.Abort(); err != nil {
		f.Error(err)
	}
	f.wantRecords("", fleet.Window{}, showRecord, ``)
}

func durableLoad(f *fixture) {
	l := f.begin()
	f.stage(l, typed(says("a", "dept", "eng"), "m5.large"))
	f.add(l, batch("a", fleet.CPUUsage, 6*time.Hour, "2024-01-01", 0.1, 0.2, 0.3, 0.4, 0.5, 0.6))
	f.commit(l)
	open := f.begin()
	f.add(open, batch("lost", fleet.CPUUsage, minute, "2024-01-01", 0.1))
	w := window("2023-12-31", "2024-01-05")
	before := f.everything(w)
	if !strings.Contains(before, "cpu_cores_used a@- 6h 2024-01-01=0.2") || strings.Contains(before, "lost") {
		f.Errorf("after the commit:\n%s", before)
	}
	f.reopen()
	f.equalLines("after opening again, everything", before, lines(f.everything(w)))
}
