package fleettest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leanfleet/leanfleet/fleet"
)

// Sink holds an engine against [fleet.Sink] and what it says of identity.
func Sink(t *testing.T, open Open) {
	runAll(t, open, []scenario{
		{"CountsExactly", countsExactly},
		{"MergesPerMetric", mergesPerMetric},
		{"OriginsOutrank", originsOutrank},
		{"OriginsVouchForEqualValues", originsVouch},
		{"StepOfARow", stepOfARow},
		{"LateAndRepeated", lateAndRepeated},
		{"BatchesInOrder", batchesInOrder},
		{"NothingToStore", nothingToStore},
		{"AllOrNothing", allOrNothing},
		{"KeepsNoMemory", keepsNoMemory},
		{"UnknownHostBecomesOne", unknownHostBecomesOne},
		{"AliasAtTheTimeOfTheFirstRow", aliasAtTheTime},
		{"SamplesBeforeInventory", samplesBeforeInventory},
		{"PutRecordsCounts", putRecordsCounts},
		{"PutRecordsAllOrNothing", putRecordsAllOrNothing},
		{"PutRecordsConflicts", putRecordsConflicts},
		{"CorrectionReplaces", correctionReplaces},
		{"HistoryOfWrites", historyOfWrites},
		{"MergeOfUnknownHosts", mergeOfUnknownHosts},
		{"CancelledWritesNothing", cancelledWritesNothing},
		{"Durable", durable},
	})
}

const minute = time.Minute

func countsExactly(f *fixture) {
	f.wantCounts("first", 3, 0, 0, 0, batch("a", fleet.CPUUsage, minute, "2024-01-01", 0.1, gap, 0.3, 0.4))
	f.wantCounts("again", 0, 0, 3, 0, batch("a", fleet.CPUUsage, minute, "2024-01-01", 0.1, gap, 0.3, 0.4))
	f.wantCounts("one new, one other, one same", 1, 1, 1, 0, batch("a", fleet.CPUUsage, minute, "2024-01-01", 0.1, 0.2, 0.9))
	f.wantCounts("two hosts", 2, 0, 1, 0, batch("b", fleet.CPUUsage, minute, "2024-01-01", 0.1, 0.2), batch("a", fleet.CPUUsage, minute, "2024-01-01T00:03", 0.4))
	f.wantSeries(query(fleet.CPUUsage, day("2024-01-01"), ""), `
		a@- 1m 2024-01-01=0.1 2024-01-01T00:01=0.2 2024-01-01T00:02=0.9 2024-01-01T00:03=0.4
		b@- 1m 2024-01-01=0.1 2024-01-01T00:01=0.2`)
}

func mergesPerMetric(f *fixture) {
	f.wantCounts("cpu", 2, 0, 0, 0, batch("a", fleet.CPUUsage, minute, "2024-01-01", 0.1, gap, 0.3))
	f.wantCounts("memory of the same rows", 2, 0, 0, 0, batch("a", fleet.MemoryUsage, minute, "2024-01-01", gap, 0.6, 0.7))
	// A value that is not there does not take one away.
	f.wantCounts("both", 2, 1, 1, 0, with(batch("a", fleet.CPUUsage, minute, "2024-01-01", 0.2, 0.2, gap), fleet.MemoryUsage, 0.5, gap, 0.7))
	f.wantSeries(query(fleet.CPUUsage, day("2024-01-01"), ""), `a@- 1m 2024-01-01=0.2 2024-01-01T00:01=0.2 2024-01-01T00:02=0.3`)
	f.wantSeries(query(fleet.MemoryUsage, day("2024-01-01"), ""), `a@- 1m 2024-01-01=0.5 2024-01-01T00:01=0.6 2024-01-01T00:02=0.7`)
}

func originsOutrank(f *fixture) {
	cloud := func(values ...float64) fleet.Batch {
		return from(fleet.OriginCloud, batch("a", fleet.CPUUsage, minute, "2024-01-01", values...))
	}
	agent := func(values ...float64) fleet.Batch {
		return from(fleet.OriginAgent, batch("a", fleet.CPUUsage, minute, "2024-01-01", values...))
	}
	f.wantCounts("cloud", 3, 0, 0, 0, cloud(0.1, 0.2, 0.3))
	f.wantCounts("an agent knows better", 0, 1, 1, 0, agent(0.5, 0.2))
	f.wantCounts("the cloud does not", 1, 1, 0, 1, cloud(0.6, gap, 0.7, 0.8))
	f.wantCounts("the cloud says the same", 0, 0, 1, 0, cloud(0.5))
	f.wantCounts("of equal ranks the later wins", 0, 1, 0, 0, agent(0.4))
	f.wantCounts("simulated ranks lowest of those known", 0, 0, 1, 3, from(fleet.OriginSimulated, batch("a", fleet.CPUUsage, minute, "2024-01-01", 0, 0.2, 0, 0)))
	// It is by metric: the cloud may tell what the agent does not.
	f.wantCounts("another metric", 1, 0, 0, 1, from(fleet.OriginCloud, with(batch("a", fleet.CPUUsage, minute, "2024-01-01", 0.9), fleet.MemoryUsage, 0.9)))
	f.wantSeries(query(fleet.CPUUsage, day("2024-01-01"), ""), `a@- 1m 2024-01-01=0.4 2024-01-01T00:01=0.2 2024-01-01T00:02=0.7 2024-01-01T00:03=0.8`)
	f.wantSeries(query(fleet.MemoryUsage, day("2024-01-01"), ""), `a@- 1m 2024-01-01=0.9`)
}

func originsVouch(f *fixture) {
	one := func(o fleet.Origin, v float64) fleet.Batch {
		return from(o, batch("a", fleet.CPUUsage, minute, "2024-01-01", v))
	}
	f.wantCounts("import", 1, 0, 0, 0, one(fleet.OriginImport, 0.5))
	f.wantCounts("the agent says the same", 0, 0, 1, 0, one(fleet.OriginAgent, 0.5))
	f.wantCounts("the cloud differs from what the agent said", 0, 0, 0, 1, one(fleet.OriginCloud, 0.6))
	f.wantSeries(query(fleet.CPUUsage, day("2024-01-01"), ""), `a@- 1m 2024-01-01=0.5`)
}

func stepOfARow(f *fixture) {
	f.wantCounts("minutes", 2, 0, 0, 0, batch("a", fleet.CPUUsage, minute, "2024-01-01", 0.1, 0.2))
	f.wantCounts("it was five minutes", 0, 1, 0, 0, batch("a", fleet.CPUUsage, 5*minute, "2024-01-01T00:01", 0.2))
	f.wantSeries(query(fleet.CPUUsage, day("2024-01-01"), ""), "a@- 1m 2024-01-01=0.1\na@- 5m 2024-01-01T00:01=0.2")
	// A lower-ranked origin does not change the step of what it does not change.
	f.wantCounts("another metric, simulated", 1, 0, 0, 0, from(fleet.OriginSimulated, batch("a", fleet.MemoryUsage, time.Hour, "2024-01-01", 0.9)))
	f.wantSeries(query(fleet.MemoryUsage, day("2024-01-01"), ""), "a@- 1m 2024-01-01=0.9")
}

func lateAndRepeated(f *fixture) {
	f.append(batch("a", fleet.CPUUsage, minute, "2024-01-03T12:00", 0.3))
	f.append(batch("b", fleet.CPUUsage, minute, "2024-01-03T12:00", 0.3))
	f.wantCounts("a day before", 2, 0, 0, 0, batch("a", fleet.CPUUsage, minute, "2024-01-01T12:00", 0.1, 0.1))
	f.wantCounts("between", 1, 0, 0, 0, batch("a", fleet.CPUUsage, minute, "2024-01-02T12:00", 0.2))
	f.wantCounts("around what is there", 2, 0, 1, 0, batch("a", fleet.CPUUsage, minute, "2024-01-03T11:59", 0.2, 0.3, 0.4))
	f.wantCounts("over a day's end", 2, 0, 0, 0, batch("a", fleet.CPUUsage, minute, "2024-01-03T23:59", 0.5, 0.6))
	f.wantCounts("another host on an old day", 1, 0, 0, 0, batch("c", fleet.CPUUsage, minute, "2024-01-01T12:00", 0.1))
	f.wantProfiles(query(fleet.CPUUsage, window("2024-01-01", "2024-01-05"), fleet.StepDay), `
		a@- 2024-01-01 n=2 covered=2m expected=12h 0.1:2m
		a@- 2024-01-02 n=1 covered=1m expected=24h 0.2:1m
		a@- 2024-01-03 n=4 covered=4m expected=24h 0.2:1m 0.3:1m 0.4:1m 0.5:1m
		a@- 2024-01-04 n=1 covered=1m expected=1m 0.6:1m
		b@- 2024-01-03 n=1 covered=1m expected=1m 0.3:1m
		c@- 2024-01-01 n=1 covered=1m expected=1m 0.1:1m`)
}

func batchesInOrder(f *fixture) {
	f.wantCounts("twice in a call", 2, 1, 1, 0,
		batch("a", fleet.CPUUsage, minute, "2024-01-01", 0.1, 0.2),
		batch("a", fleet.CPUUsage, minute, "2024-01-01", 0.9, 0.2))
	f.wantCounts("an agent first", 1, 0, 0, 1,
		from(fleet.OriginAgent, batch("b", fleet.CPUUsage, minute, "2024-01-01", 0.1)),
		batch("b", fleet.CPUUsage, minute, "2024-01-01", 0.9))
	f.wantSeries(query(fleet.CPUUsage, day("2024-01-01"), ""), "a@- 1m 2024-01-01=0.9 2024-01-01T00:01=0.2\nb@- 1m 2024-01-01=0.1")
}

func nothingToStore(f *fixture) {
	f.wantCounts("no batches", 0, 0, 0, 0)
	f.wantCounts("no rows", 0, 0, 0, 0, fleet.Batch{Host: "a", Step: 60000})
	f.wantCounts("no columns", 0, 0, 0, 0, fleet.Batch{Host: "a", Step: 60000, Start: []int64{0}})
	f.wantCounts("no values", 0, 0, 0, 0, batch("a", fleet.CPUUsage, minute, "2024-01-01", gap, gap))
	f.wantRecords("", fleet.Window{}, showRecord, ``)
	r, err := f.engine.PutRecords(f.ctx, nil, fleet.Put{At: written})
	if err != nil || cmp.Diff(fleet.PutResult{}, r) != "" {
		f.Errorf("no statements: %+v, error %v", r, err)
	}
}

// badBatches are batches that must be refused, and what the error names.
func badBatches() map[string]struct {
	batch fleet.Batch
	names []string
} {
	type bad = struct {
		batch fleet.Batch
		names []string
	}
	good := func() fleet.Batch { return batch("bad-host", fleet.CPUUsage, minute, "2024-01-01", 0.1, 0.2) }
	with := func(change func(*fleet.Batch), names ...string) bad {
		b := good()
		change(&b)
		return bad{b, names}
	}
	return map[string]bad{
		"negative":        with(func(b *fleet.Batch) { b.Columns[0].Values[1] = -1 }, "bad-host", "cpu_usage", "negative"),
		"backwards":       with(func(b *fleet.Batch) { b.Start[1] = b.Start[0] - 1 }, "bad-host"),
		"repeated":        with(func(b *fleet.Batch) { b.Start[1] = b.Start[0] }, "bad-host"),
		"before 1970":     with(func(b *fleet.Batch) { b.Start[0] = -1 }, "bad-host"),
		"after 2261":      with(func(b *fleet.Batch) { b.Start[1] = fleet.MaxTime + 1 }, "bad-host"),
		"no step":         with(func(b *fleet.Batch) { b.Step = 0 }, "bad-host"),
		"longer than day": with(func(b *fleet.Batch) { b.Step = 86400001 }, "bad-host"),
		"no host":         with(func(b *fleet.Batch) { b.Host = "" }),
		"few values":      with(func(b *fleet.Batch) { b.Columns[0].Values = b.Columns[0].Values[:1] }, "bad-host", "cpu_usage"),
		"few presences":   with(func(b *fleet.Batch) { b.Columns[0].Present = []bool{true} }, "bad-host", "cpu_usage"),
		"metric twice":    with(func(b *fleet.Batch) { b.Columns = append(b.Columns, b.Columns[0]) }, "bad-host", "cpu_usage"),
		"derived metric":  with(func(b *fleet.Batch) { b.Columns[0].Metric = fleet.CPUCoresUsed }, "bad-host", "cpu_cores_used"),
		"unknown metric":  with(func(b *fleet.Batch) { b.Columns[0].Metric.Name = "cpu_usge" }, "cpu_usge"),
		"resolution":      with(func(b *fleet.Batch) { b.Columns[0].Metric.Den = 100 }, "cpu_usage"),
	}
}

func allOrNothing(f *fixture) {
	f.append(batch("a", fleet.CPUUsage, minute, "2024-01-01", 0.1))
	for name, bad := range badBatches() {
		good := batch("new", fleet.CPUUsage, minute, "2024-01-01", 0.5)
		other := batch("a", fleet.CPUUsage, minute, "2024-01-01", 0.9, 0.9)
		n, err := f.engine.Append(f.ctx, []fleet.Batch{good, other, bad.batch})
		if err == nil {
			f.Errorf("%s: no error", name)
			continue
		}
		for _, want := range bad.names {
			if !strings.Contains(err.Error(), want) {
				f.Errorf("%s: the error does not name %s: %v", name, want, err)
			}
		}
		if d := cmp.Diff(fleet.Appended{}, n); d != "" {
			f.Errorf("%s: counts of nothing: %s", name, d)
		}
	}
	f.wantRecords("", fleet.Window{}, showRecord, "a@-")
	f.wantSeries(query(fleet.CPUUsage, day("2024-01-01"), ""), `a@- 1m 2024-01-01=0.1`)
	f.wantCounts("afterwards", 1, 0, 1, 0, batch("a", fleet.CPUUsage, minute, "2024-01-01", 0.1, 0.2))
}

func keepsNoMemory(f *fixture) {
	b := batch("a", fleet.CPUUsage, minute, "2024-01-01", 0.1, gap, 0.3)
	s := says("b", "dept", "eng")
	s.Disks = []fleet.Disk{{Type: "gp3", GiB: 100}}
	f.append(b)
	f.put(s)
	b.Start[0], b.Columns[0].Values[2], b.Columns[0].Present[1] = 0, 7, true
	s.Tags["dept"], s.Disks[0].GiB = "data", 1
	f.wantSeries(query(fleet.CPUUsage, day("2024-01-01"), ""), `a@- 1m 2024-01-01=0.1 2024-01-01T00:02=0.3`)
	f.wantRecords("host=b", fleet.Window{}, func(r *fleet.Record) string { return fmt.Sprint(r.Tags["dept"], r.Disks) }, `eng[{gp3 100}]`)
}

func unknownHostBecomesOne(f *fixture) {
	f.append(batch("web-7", fleet.CPUUsage, minute, "2024-01-01", 0.1))
	f.wantRecords("", fleet.Window{}, func(r *fleet.Record) string {
		return fmt.Sprintf("%s %s name=%s origin=%s", r.Host, showWindow(r.Window()), r.Name, r.Origin)
	}, `web-7 -..- name=web-7 origin=import`)
	h, err := f.engine.Host("web-7", written)
	if err != nil || h.ID != "web-7" || len(h.History) != 1 || h.History[0].Action != "added" {
		f.Errorf("host: %+v, error %v", h, err)
	}
	_, err = f.engine.Host("web7", written)
	if !errors.Is(err, fleet.ErrUnknownHost) || !strings.Contains(err.Error(), "web-7") {
		f.Errorf("a misspelt name: %v", err)
	}
}

func aliasAtTheTime(f *fixture) {
	// i-1 is called web until June; then i-2 is.
	named := func(id, name string) fleet.Statement {
		s := says(id)
		s.Name = name
		return s
	}
	f.put(named("i-1", "web"))
	f.change("2024-06-01", named("i-1", "web-old"))
	f.change("2024-06-01", named("i-2", "web"))
	f.append(
		batch("web", fleet.CPUUsage, minute, "2024-05-31T23:58", 0.1, 0.2, 0.3, 0.4),
		batch("web", fleet.CPUUsage, minute, "2024-06-02", 0.5),
		batch("web-old", fleet.CPUUsage, minute, "2024-06-03", 0.6),
		batch("i-1", fleet.CPUUsage, minute, "2024-06-04", 0.7))
	var got []string
	list, err := readSeries(f.ctx, f.engine, query(fleet.CPUUsage, window("2024-05-01", "2024-07-01"), ""))
	if err != nil {
		f.Fatal(err)
	}
	for i := range list {
		got = append(got, fmt.Sprint(list[i].Record.Host, " ", list[i].Values))
	}
	// The first batch is resolved as a whole, at the time of its first row.
	f.equalLines("series", `
		i-1 [1000 2000]
		i-1 [3000 4000 6000 7000]
		i-2 [5000]`, got)
	for _, x := range []struct{ key, at, want string }{{"web", "2024-05-31", "i-1"}, {"web", "2024-06-01", "i-2"}, {"web-old", "2024-06-01", "i-1"}, {"i-1", "2024-05-01", "i-1"}} {
		if h, err := f.engine.Host(x.key, at(x.at)); err != nil || string(h.ID) != x.want {
			f.Errorf("%s at %s is host %s, error %v", x.key, x.at, h.ID, err)
		}
	}
}

func samplesBeforeInventory(f *fixture) {
	f.append(batch("web", fleet.CPUUsage, time.Hour, "2024-01-01", 0.5))
	s := typed(says("i-1", "dept", "eng"), "m5.large")
	s.Name = "web"
	f.put(s)
	f.wantCounts("under the key", 1, 0, 0, 0, batch("i-1", fleet.CPUUsage, time.Hour, "2024-01-01T01:00", 0.25))
	// The id is the first key learnt and does not change; what the inventory
	// fills in is true of the past.
	f.wantSeries(query(fleet.CPUCoresUsed, day("2024-01-01"), ""), `web@- 1h 2024-01-01=1 2024-01-01T01:00=0.5`)
	f.wantRecords("dept=eng", fleet.Window{}, showSeen, `web 2024-01-01..2024-01-01T02:00`)
}

func putRecordsCounts(f *fixture) {
	check := func(what string, got fleet.PutResult, want fleet.PutResult) {
		f.Helper()
		if d := cmp.Diff(want, got); d != "" {
			f.Errorf("%s (-want +got):\n%s", what, d)
		}
	}
	check("new", f.put(says("a", "dept", "eng"), says("b")), fleet.PutResult{Added: 2})
	check("the same again", f.put(says("a", "dept", "eng"), says("b")), fleet.PutResult{Unchanged: 2})
	check("learnt and changed", f.put(says("a", "dept", "data"), says("b", "dept", "web"), says("c")), fleet.PutResult{Added: 1, Learned: 1, Changed: 1})
	check("corrected", f.putWith(fleet.Put{At: written, Correct: true}, says("b", "dept", "eng")), fleet.PutResult{Corrected: 1})
	// A change holds from the put's effective time, by default from when it is written.
	f.wantRecords("host=a", fleet.Window{}, func(r *fleet.Record) string { return showRecord(r) + " " + r.Tags["dept"] }, "a@- eng\na@2024-06-01 data")
	f.change("2024-05-01", says("c", "dept", "x"))
	s := says("c", "dept", "y")
	s.From = at("2024-05-15")
	f.change("2024-05-20", s)
	f.wantRecords("host=c", fleet.Window{}, func(r *fleet.Record) string { return showRecord(r) + " " + r.Tags["dept"] }, "c@- x\nc@2024-05-15 y")
	clear := says("c")
	clear.Clear = []string{"tag_dept"}
	f.change("2024-05-25", clear)
	f.wantRecords("host=c,!dept", fleet.Window{}, showRecord, "c@2024-05-25")
}

func putRecordsAllOrNothing(f *fixture) {
	f.put(says("a", "dept", "eng"))
	bad := map[string]fleet.Statement{
		"no host":           {},
		"unknown field":     {Record: fleet.Record{Host: "x"}, Clear: []string{"colour"}},
		"ends before":       {Record: fleet.Record{Host: "x", From: at("2024-02-01"), To: at("2024-01-01")}},
		"a tag with no key": {Record: fleet.Record{Host: "x", Tags: fleet.Tags{"": "v"}}},
	}
	for name, s := range bad {
		r, err := f.engine.PutRecords(f.ctx, []fleet.Statement{says("new"), says("a", "dept", "data"), s}, fleet.Put{At: written})
		if err == nil || cmp.Diff(fleet.PutResult{}, r) != "" {
			f.Errorf("%s: %+v, error %v", name, r, err)
		}
		if s.Host != "" && err != nil && !strings.Contains(err.Error(), "x") {
			f.Errorf("%s: the error names no host: %v", name, err)
		}
	}
	f.wantRecords("", fleet.Window{}, func(r *fleet.Record) string { return showRecord(r) + " " + r.Tags["dept"] }, "a@- eng")
}

func putRecordsConflicts(f *fixture) {
	f.put(says("a", "dept", "eng"))
	r := f.put(says("b", "dept", "x"), says("b", "dept", "y"), says("a", "dept", "data"))
	if r.Added != 1 || r.Changed != 1 || len(r.Conflicts) != 1 || r.Conflicts[0].Host != "b" || r.Conflicts[0].Reason == "" {
		f.Errorf("contradicting statements: %+v", r)
	}
	f.wantRecords("host=b", fleet.Window{}, func(r *fleet.Record) string { return showRecord(r) + r.Tags["dept"] }, "b@-")
}

func correctionReplaces(f *fixture) {
	f.put(says("a", "dept", "eng"))
	f.append(batch("a", fleet.CPUUsage, time.Hour, "2024-01-01", 0.1, 0.2, 0.3))
	f.change("2024-01-01T02:00", says("a", "dept", "web"))
	f.putWith(fleet.Put{At: written, Effective: at("2024-01-01T01:00"), Correct: true}, says("a", "dept", "data"))
	q := query(fleet.CPUUsage, day("2024-01-01"), "")
	q.Hosts = fleet.MustSelector("dept=data")
	f.wantProfiles(q, `a@- 2024-01-01 n=2 covered=2h expected=2h 0.1:1h 0.2:1h`)
	q.Hosts = fleet.MustSelector("dept=eng")
	f.wantProfiles(q, ``)
}

func historyOfWrites(f *fixture) {
	f.putWith(fleet.Put{At: at("2024-03-01"), Who: "ann", Why: "first", Origin: fleet.OriginCloud}, says("a", "dept", "eng"))
	f.putWith(fleet.Put{At: at("2024-04-01"), Who: "bob", Why: "moved"}, says("a", "dept", "data"))
	h, err := f.engine.Host("a", written)
	if err != nil {
		f.Fatal(err)
	}
	var got []string
	for _, e := range h.History {
		got = append(got, fmt.Sprintf("%s %s %s %s", showTime(e.At), e.Who, e.Why, e.Action))
	}
	f.equalLines("history", "2024-03-01 ann first added\n2024-04-01 bob moved changed", got)
}

func mergeOfUnknownHosts(f *fixture) {
	f.put(says("a"))
	for _, x := range [][2]string{{"a", "nobody"}, {"nobody", "a"}} {
		if err := f.engine.MergeHosts(x[0], x[1], fleet.Put{At: written}); !errors.Is(err, fleet.ErrUnknownHost) {
			f.Errorf("merge %s into %s: %v", x[1], x[0], err)
		}
	}
	if err := f.engine.MergeHosts("a", "a", fleet.Put{At: written}); err == nil {
		f.Error("a host was merged into itself")
	}
}

func cancelledWritesNothing(f *fixture) {
	ctx, cancel := context.WithCancel(f.ctx)
	cancel()
	if _, err := f.engine.Append(ctx, []fleet.Batch{batch("a", fleet.CPUUsage, minute, "2024-01-01", 0.1)}); !errors.Is(err, context.Canceled) {
		f.Errorf("append with a cancelled context: %v", err)
	}
	if _, err := f.engine.PutRecords(ctx, []fleet.Statement{says("a")}, fleet.Put{At: written}); !errors.Is(err, context.Canceled) {
		f.Errorf("put with a cancelled context: %v", err)
	}
	f.wantRecords("", fleet.Window{}, showRecord, ``)
}

// reopen opens the engine again where it can be.
func (f *fixture) reopen() {
	f.Helper()
	if r, ok := f.engine.(Reopener); ok {
		f.engine = r.Reopen(f.T)
	}
}

func durable(f *fixture) {
	f.append(
		with(batch("a", fleet.CPUUsage, minute, "2024-01-01", 0.1, gap, 0.3), fleet.MemoryUsage, 0.5, 0.5, gap),
		batch("old", queueDepth, minute, "2024-01-01T23:59", 0.1, 0.2))
	f.put(typed(says("a", "dept", "eng"), "m5.large"), says("b"))
	f.change("2024-01-01T00:01", says("a", "dept", "data"))
	f.merge("b", "old")
	before := f.everything(window("2023-12-31", "2024-01-04"))
	f.reopen()
	f.equalLines("after opening again, everything", before, lines(f.everything(window("2023-12-31", "2024-01-04"))))
	f.wantCounts("again", 0, 0, 2, 0, batch("a", fleet.CPUUsage, minute, "2024-01-01", 0.1, gap, 0.3))
	f.wantCounts("more", 1, 0, 0, 0, batch("old", queueDepth, minute, "2024-01-02T00:01", 0.3))
	before = f.everything(window("2023-12-31", "2024-01-04"))
	f.reopen()
	f.equalLines("after opening once more, everything", before, lines(f.everything(window("2023-12-31", "2024-01-04"))))
}

// everything prints all records and series.
func (f *fixture) everything(w fleet.Window) string {
	f.Helper()
	var out []string
	for _, r := range f.records("", fleet.Window{}) {
		out = append(out, strings.ReplaceAll(fmt.Sprintf("%+v", r), "\n", " "))
		h, err := f.engine.Host(string(r.Host), written)
		if err != nil {
			f.Fatal(err)
		}
		out = append(out, fmt.Sprintf("%+v", h))
	}
	for _, m := range Metrics().All() {
		list, err := readSeries(f.ctx, f.engine, query(m, w, ""))
		if err != nil {
			f.Fatal(err)
		}
		for i := range list {
			out = append(out, m.Name+" "+showSeries(m, &list[i]))
		}
	}
	return strings.Join(slices.Compact(out), "\n")
}
