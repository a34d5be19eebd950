package fleettest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leanfleet/leanfleet/fleet"
)

// Source holds an engine against [fleet.Source].
func Source(t *testing.T, open Open) {
	runAll(t, open, slices.Concat(recordScenarios(), profileScenarios(), capacityScenarios(), calendarScenarios(), seriesScenarios(), groupScenarios(), answerScenarios()))
}

func recordScenarios() []scenario {
	return []scenario{
		{"RecordsByHostThenTime", recordsByHostThenTime},
		{"RecordsAreWhole", recordsAreWhole},
		{"RecordsHalfOpen", recordsHalfOpen},
		{"RecordsSelected", recordsSelected},
		{"SeenFromFirstToLastSample", seenFromFirstToLastSample},
		{"CapacitiesResolved", capacitiesResolved},
	}
}

func profileScenarios() []scenario {
	return []scenario{
		{"ProfilesByHostRecordStep", profilesByHostRecordStep},
		{"EmptyWhereKnownToRun", emptyWhereKnownToRun},
		{"StatesBeginAndEndLifetimes", statesBeginAndEndLifetimes},
		{"HalfOpenWindow", halfOpenWindow},
		{"SampleBelongsToTheStepOfItsStart", sampleBelongsToTheStepOfItsStart},
		{"CutAtRecords", cutAtRecords},
		{"SelectedRecordsOnly", selectedRecordsOnly},
		{"IrregularSteps", irregularSteps},
		{"GapsAndJitter", gapsAndJitter},
		{"MissingMetrics", missingMetrics},
		{"BinnedMetric", binnedMetric},
		{"OwnMetric", ownMetric},
		{"LargestValues", largestValues},
		{"FirstMoments", firstMoments},
		{"MergedHosts", mergedHosts},
		{"ManyHosts", manyHosts},
	}
}

func calendarScenarios() []scenario {
	return []scenario{
		{"BusinessHours", businessHours},
		{"HoursAcrossMidnight", hoursAcrossMidnight},
		{"ExcludedWindows", excludedWindows},
		{"BerlinSetsItsClocks", berlinSetsItsClocks},
		{"KolkataDays", kolkataDays},
		{"PartsOfAnHour", partsOfAnHour},
		{"WeeksAndMonths", weeksAndMonths},
	}
}

func answerScenarios() []scenario {
	return []scenario{
		{"OneStateHoweverLongRead", oneStateHoweverLongRead},
		{"StoppedEarly", stoppedEarly},
		{"Cancelled", cancelled},
		{"OpenWindowRefused", openWindowRefused},
		{"EmptyEngine", emptyEngine},
		{"SideBySide", sideBySide},
	}
}

func recordsByHostThenTime(f *fixture) {
	f.put(says("c"), says("a", "dept", "eng"), says("b"))
	f.change("2024-02-01", says("a", "dept", "data"))
	show := func(r *fleet.Record) string { return showRecord(r) + " " + r.Tags["dept"] }
	f.wantRecords("", fleet.Window{}, func(r *fleet.Record) string { return strings.TrimSpace(show(r)) }, `
		a@- eng
		a@2024-02-01 data
		b@-
		c@-`)
}

func recordsAreWhole(f *fixture) {
	f.put(says("a", "dept", "eng"))
	f.change("2024-02-01", says("a", "dept", "data"))
	f.change("2024-03-01", says("a", "dept", "web"))
	f.wantRecords("", window("2024-02-10", "2024-02-11"), showValidity, `a 2024-02-01..2024-03-01`)
}

func showValidity(r *fleet.Record) string { return string(r.Host) + " " + showWindow(r.Window()) }

func recordsHalfOpen(f *fixture) {
	f.put(says("a", "dept", "eng"))
	f.change("2024-02-01", says("a", "dept", "data"))
	f.wantRecords("", window("2024-01-01", "2024-02-01"), showValidity, `a -..2024-02-01`)
	f.wantRecords("", window("2024-02-01", "2024-02-02"), showValidity, `a 2024-02-01..-`)
	f.wantRecords("", fleet.Window{Start: at("2024-02-01")}, showValidity, `a 2024-02-01..-`)
	f.wantRecords("", fleet.Window{End: at("2024-02-01")}, showValidity, `a -..2024-02-01`)
	f.wantRecords("", window("2024-01-31", "2024-02-01T00:01"), showValidity, `
		a -..2024-02-01
		a 2024-02-01..-`)
}

func recordsSelected(f *fixture) {
	f.put(says("a", "dept", "eng"), says("b", "dept", "data", "env", "prod"), says("c"))
	f.change("2024-02-01", says("a", "dept", "data"))
	f.wantRecords("dept=data", fleet.Window{}, showRecord, "a@2024-02-01\nb@-")
	f.wantRecords("dept=data", window("2024-01-01", "2024-02-01"), showRecord, "b@-")
	f.wantRecords("!dept", fleet.Window{}, showRecord, "c@-")
	f.wantRecords("dept=~eng|data,env!=prod", fleet.Window{}, showRecord, "a@-\na@2024-02-01")
	f.wantRecords("host=c", fleet.Window{}, showRecord, "c@-")
}

func showSeen(r *fleet.Record) string { return string(r.Host) + " " + showWindow(r.Seen) }

func seenFromFirstToLastSample(f *fixture) {
	f.put(says("never"))
	f.append(batch("a", fleet.CPUUsage, 5*time.Minute, "2024-01-10T12:00", 0.1, 0.2))
	f.wantRecords("", fleet.Window{}, showSeen, "a 2024-01-10T12:00..2024-01-10T12:10\nnever -..-")
	f.append(batch("a", fleet.MemoryUsage, time.Minute, "2024-01-08T23:59", 0.1), batch("a", fleet.CPUUsage, time.Hour, "2024-01-11", 0.1))
	f.wantRecords("host=a", fleet.Window{}, showSeen, "a 2024-01-08T23:59..2024-01-11T01:00")
	// A row without a value is no sample.
	f.append(batch("a", fleet.CPUUsage, time.Hour, "2024-01-07", gap, gap, 0.5, gap), batch("a", fleet.CPUUsage, time.Hour, "2024-01-12", 0.5, gap))
	f.wantRecords("host=a", fleet.Window{}, showSeen, "a 2024-01-07T02:00..2024-01-12T01:00")
	// It is over all records.
	f.change("2024-01-10", says("a", "dept", "eng"))
	f.change("2024-01-11", says("a", "dept", "data"))
	f.wantRecords("host=a", window("2024-01-11", "2024-01-12"), showSeen, "a 2024-01-07T02:00..2024-01-12T01:00")
}

func capacitiesResolved(f *fixture) {
	f.put(typed(says("a"), "m5.large"), typed(says("b"), "x9.huge"), fleet.Statement{Record: fleet.Record{Host: "c", Capacity: fleet.Capacity{VCPUs: 3, MemoryBytes: 5 * gib}}})
	f.wantRecords("", fleet.Window{}, func(r *fleet.Record) string {
		return fmt.Sprintf("%s %g %d %q", r.Host, r.Capacity.VCPUs, r.Capacity.MemoryBytes/gib, r.CapacityFrom)
	}, `
		a 2 8 "catalogue"
		b 0 0 ""
		c 3 5 "inventory"`)
}

func profilesByHostRecordStep(f *fixture) {
	for _, host := range []string{"c", "a", "b"} {
		f.append(batch(host, fleet.CPUUsage, 12*time.Hour, "2024-01-01", 0.1, 0.2, 0.3, 0.4))
	}
	f.change("2024-01-01T12:00", says("a", "dept", "eng"))
	// dept was unknown, so eng is true of all time; data is a change.
	f.change("2024-01-01T12:00", says("a", "dept", "data"))
	f.wantProfiles(query(fleet.CPUUsage, window("2024-01-01", "2024-01-03"), fleet.StepDay), `
		a@- 2024-01-01 n=1 covered=12h expected=12h 0.1:12h
		a@2024-01-01T12:00 2024-01-01 n=1 covered=12h expected=12h 0.2:12h
		a@2024-01-01T12:00 2024-01-02 n=2 covered=24h expected=24h 0.3:12h 0.4:12h
		b@- 2024-01-01 n=2 covered=24h expected=24h 0.1:12h 0.2:12h
		b@- 2024-01-02 n=2 covered=24h expected=24h 0.3:12h 0.4:12h
		c@- 2024-01-01 n=2 covered=24h expected=24h 0.1:12h 0.2:12h
		c@- 2024-01-02 n=2 covered=24h expected=24h 0.3:12h 0.4:12h`)
}

func emptyWhereKnownToRun(f *fixture) {
	f.put(says("never"))
	f.append(
		batch("a", fleet.CPUUsage, time.Hour, "2024-01-02T12:00", 0.1),
		batch("a", fleet.CPUUsage, time.Hour, "2024-01-04T06:00", 0.2))
	f.wantProfiles(query(fleet.CPUUsage, window("2024-01-01", "2024-01-06"), fleet.StepDay), `
		a@- 2024-01-02 n=1 covered=1h expected=12h 0.1:1h
		a@- 2024-01-03 n=0 covered=0h expected=24h
		a@- 2024-01-04 n=1 covered=1h expected=7h 0.2:1h`)
	f.wantProfiles(query(fleet.CPUUsage, window("2024-01-01", "2024-01-06"), fleet.StepWhole), `
		a@- 2024-01-01 n=2 covered=2h expected=43h 0.1:1h 0.2:1h`)
	f.wantProfiles(query(fleet.CPUUsage, window("2024-01-05", "2024-01-06"), ""), ``)
	f.wantProfiles(query(fleet.CPUUsage, day("2024-01-03"), ""), `a@- 2024-01-03 n=0 covered=0h expected=24h`)
}

func statesBeginAndEndLifetimes(f *fixture) {
	f.change("2024-01-02T12:00", stated(says("idle"), fleet.StateRunning), stated(says("web"), fleet.StateRunning))
	f.change("2024-01-03T06:00", stated(says("web"), fleet.StateStopped))
	f.append(batch("web", fleet.CPUUsage, time.Hour, "2024-01-02T14:00", 0.3))
	f.wantProfiles(query(fleet.CPUUsage, window("2024-01-01", "2024-01-05"), fleet.StepDay), `
		idle@- 2024-01-02 n=0 covered=0h expected=12h
		idle@- 2024-01-03 n=0 covered=0h expected=24h
		idle@- 2024-01-04 n=0 covered=0h expected=24h
		web@- 2024-01-02 n=1 covered=1h expected=12h 0.3:1h
		web@- 2024-01-03 n=0 covered=0h expected=6h`)
	// A sample of a host that is said to be stopped is stored all the same.
	f.append(batch("web", fleet.CPUUsage, time.Hour, "2024-01-04T01:00", 0.4))
	f.wantProfiles(query(fleet.CPUUsage, day("2024-01-04"), fleet.StepDay), `
		idle@- 2024-01-04 n=0 covered=0h expected=24h
		web@2024-01-03T06:00 2024-01-04 n=1 covered=1h expected=0h 0.4:1h`)
}

func halfOpenWindow(f *fixture) {
	f.append(batch("a", fleet.CPUUsage, time.Hour, "2024-01-01T00:30", 0.1, 0.2, 0.3, 0.4))
	f.wantProfiles(query(fleet.CPUUsage, window("2024-01-01T01:30", "2024-01-01T03:30"), ""), `
		a@- 2024-01-01T01:30 n=2 covered=2h expected=2h 0.2:1h 0.3:1h`)
	// The last sample counts whole though it reaches past the window, and the
	// one that began before does not count at all.
	f.wantProfiles(query(fleet.CPUUsage, window("2024-01-01T02:00", "2024-01-01T03:00"), ""), `
		a@- 2024-01-01T02:00 n=1 covered=1h expected=1h 0.3:1h`)
	f.wantProfiles(query(fleet.CPUUsage, window("2024-01-01T02:31", "2024-01-01T03:30"), ""), `
		a@- 2024-01-01T02:31 n=0 covered=0h expected=59m`)
}

func sampleBelongsToTheStepOfItsStart(f *fixture) {
	f.append(batch("a", fleet.CPUUsage, 40*time.Minute, "2024-01-01T23:00", 0.1, 0.2, 0.3))
	f.wantProfiles(query(fleet.CPUUsage, window("2024-01-01", "2024-01-03"), fleet.StepHour), `
		a@- 2024-01-01T23:00 n=2 covered=80m expected=1h 0.1:40m 0.2:40m
		a@- 2024-01-02 n=1 covered=40m expected=1h 0.3:40m`)
	f.wantProfiles(query(fleet.CPUUsage, window("2024-01-01", "2024-01-03"), fleet.StepDay), `
		a@- 2024-01-01 n=2 covered=80m expected=1h 0.1:40m 0.2:40m
		a@- 2024-01-02 n=1 covered=40m expected=1h 0.3:40m`)
}

func cutAtRecords(f *fixture) {
	f.put(typed(says("a", "dept", "eng"), "m5.large"))
	f.append(batch("a", fleet.CPUUsage, 6*time.Hour, "2024-01-01", 0.1, 0.2, 0.3, 0.4))
	f.change("2024-01-01T06:00", typed(says("a"), "m5.xlarge"))         // a resize at a sample
	f.change("2024-01-01T13:00", says("a", "dept", "data"))             // a move inside one
	f.change("2024-01-01T20:00", typed(says("a"), "m5.2xlarge"))        // a resize within the last one
	f.change("2024-01-01T22:00", stated(says("a"), fleet.StateRunning)) // learnt: no new record
	f.wantProfiles(query(fleet.CPUUsage, day("2024-01-01"), fleet.StepDay), `
		a@- 2024-01-01 n=1 covered=6h expected=6h 0.1:6h
		a@2024-01-01T06:00 2024-01-01 n=2 covered=12h expected=7h 0.2:6h 0.3:6h
		a@2024-01-01T13:00 2024-01-01 n=1 covered=6h expected=7h 0.4:6h
		a@2024-01-01T20:00 2024-01-01 n=0 covered=0h expected=4h`)
	for _, p := range f.profiles(query(fleet.CPUUsage, day("2024-01-01"), fleet.StepDay)) {
		if p.Window != day("2024-01-01") {
			f.Errorf("the window of %s is %s, not the whole step", showProfile(fleet.CPUUsage, &p), p.Window)
		}
	}
}

func selectedRecordsOnly(f *fixture) {
	f.put(says("a", "dept", "eng"), says("b", "dept", "data"), says("c"))
	for _, host := range []string{"a", "b", "c"} {
		f.append(batch(host, fleet.CPUUsage, 12*time.Hour, "2024-01-01", 0.1, 0.2))
	}
	f.change("2024-01-01T12:00", says("a", "dept", "data"))
	ask := func(selector string) fleet.Query {
		q := query(fleet.CPUUsage, day("2024-01-01"), "")
		q.Hosts = fleet.MustSelector(selector)
		return q
	}
	f.wantProfiles(ask("dept=eng"), `a@- 2024-01-01 n=1 covered=12h expected=12h 0.1:12h`)
	f.wantProfiles(ask("dept=data"), `
		a@2024-01-01T12:00 2024-01-01 n=1 covered=12h expected=12h 0.2:12h
		b@- 2024-01-01 n=2 covered=24h expected=24h 0.1:12h 0.2:12h`)
	f.wantProfiles(ask("!dept"), `c@- 2024-01-01 n=2 covered=24h expected=24h 0.1:12h 0.2:12h`)
	f.wantProfiles(ask("name=~[ab],dept!=eng"), `
		a@2024-01-01T12:00 2024-01-01 n=1 covered=12h expected=12h 0.2:12h
		b@- 2024-01-01 n=2 covered=24h expected=24h 0.1:12h 0.2:12h`)
	f.wantProfiles(ask("dept=nobody"), ``)
}

func irregularSteps(f *fixture) {
	f.append(
		batch("a", fleet.CPUUsage, time.Minute, "2024-01-01T00:00", 0.1, 0.1, 0.3),
		batch("a", fleet.CPUUsage, 5*time.Minute, "2024-01-01T00:05", 0.3, 0.5),
		batch("a", fleet.CPUUsage, 90*time.Second, "2024-01-01T00:15", 0.7))
	f.wantProfiles(query(fleet.CPUUsage, day("2024-01-01"), ""), `
		a@- 2024-01-01 n=6 covered=870s expected=990s 0.1:2m 0.3:6m 0.5:5m 0.7:90s`)
	f.wantProfiles(query(fleet.CPUUsage, window("2024-01-01T00:01", "2024-01-01T00:10"), ""), `
		a@- 2024-01-01T00:01 n=3 covered=7m expected=9m 0.1:1m 0.3:6m`)
}

func gapsAndJitter(f *fixture) {
	b := batch("a", fleet.CPUUsage, time.Minute, "2024-01-01T10:00", 0.1, 0.2, 0.3, 0.4, 0.5)
	for i, late := range []int64{0, 13, -250, 59000, 3600000} {
		b.Start[i] += late
	}
	f.append(b)
	f.wantProfiles(query(fleet.CPUUsage, window("2024-01-01T10:00", "2024-01-01T12:00"), fleet.StepHour), `
		a@- 2024-01-01T10:00 n=4 covered=4m expected=1h 0.1:1m 0.2:1m 0.3:1m 0.4:1m
		a@- 2024-01-01T11:00 n=1 covered=1m expected=5m 0.5:1m`)
	w := window("2024-01-01T10:00", "2024-01-01T10:02")
	w.Start = w.Start.Add(60013 * time.Millisecond)
	f.wantProfiles(query(fleet.CPUUsage, w, ""), `
		a@- 2024-01-01T10:01:00.013Z n=2 covered=2m expected=59.987s 0.2:1m 0.3:1m`)
	w.Start = w.Start.Add(time.Millisecond)
	f.wantProfiles(query(fleet.CPUUsage, w, ""), `
		a@- 2024-01-01T10:01:00.014Z n=1 covered=1m expected=59.986s 0.3:1m`)
}

func missingMetrics(f *fixture) {
	f.append(
		with(batch("a", fleet.CPUUsage, time.Hour, "2024-01-01T10:00", 0.1, gap, 0.3), fleet.MemoryUsage, gap, 0.6, 0.7),
		batch("b", fleet.CPUUsage, time.Hour, "2024-01-01T10:00", 0.5, gap, gap, 0.5))
	w := window("2024-01-01T10:00", "2024-01-01T14:00")
	f.wantProfiles(query(fleet.CPUUsage, w, ""), `
		a@- 2024-01-01T10:00 n=2 covered=2h expected=3h 0.1:1h 0.3:1h
		b@- 2024-01-01T10:00 n=2 covered=2h expected=4h 0.5:2h`)
	f.wantProfiles(query(fleet.MemoryUsage, w, ""), `
		a@- 2024-01-01T10:00 n=2 covered=2h expected=3h 0.6:1h 0.7:1h
		b@- 2024-01-01T10:00 n=0 covered=0h expected=4h`)
	f.wantProfiles(query(lookup("load1"), w, ""), `
		a@- 2024-01-01T10:00 n=0 covered=0h expected=3h
		b@- 2024-01-01T10:00 n=0 covered=0h expected=4h`)
	w = window("2024-01-01T11:00", "2024-01-01T13:00")
	f.wantProfiles(query(fleet.CPUUsage, w, fleet.StepHour), `
		a@- 2024-01-01T11:00 n=0 covered=0h expected=1h
		a@- 2024-01-01T12:00 n=1 covered=1h expected=1h 0.3:1h
		b@- 2024-01-01T11:00 n=0 covered=0h expected=1h
		b@- 2024-01-01T12:00 n=0 covered=0h expected=1h`)
}

// lookup finds a metric of the suites by name.
func lookup(name string) fleet.Metric {
	m, err := Metrics().Lookup(name)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return m
}

func binnedMetric(f *fixture) {
	m := lookup("disk_read_ops_per_second")
	f.append(batch("a", m, time.Hour, "2024-01-01", 7, 255, 1000, 1001, 100000))
	list := f.profiles(query(m, day("2024-01-01"), ""))
	if len(list) != 1 {
		f.Fatalf("%d profiles", len(list))
	}
	p := &list[0]
	hour := time.Hour.Milliseconds()
	if p.Distribution.Exact() || p.Count != 5 || p.Min != 7 || p.Max != 100000 || p.Sum != fleet.Int128From((7+255+1000+1001+100000)*hour) {
		f.Errorf("%s: exact %v, %d samples from %d to %d, sum %v", showProfile(m, p), p.Distribution.Exact(), p.Count, p.Min, p.Max, p.Sum)
	}
	// 1000 and 1001 lie in one bin, from 1000 to 1003.
	if got, want := showProfile(m, p), "a@- 2024-01-01 n=5 covered=5h expected=5h 7:1h 255:1h 1001:2h 100095:1h"; got != want {
		f.Errorf("got  %s\nwant %s", got, want)
	}
}

func ownMetric(f *fixture) {
	f.append(with(batch("a", queueDepth, time.Hour, "2024-01-01", 1.5, 20), fleet.CPUUsage, 0.1, 0.2), batch("b", fleet.CPUUsage, time.Hour, "2024-01-01", 0.1))
	f.wantProfiles(query(queueDepth, day("2024-01-01"), ""), `
		a@- 2024-01-01 n=2 covered=2h expected=2h 1.5:1h 20:1h
		b@- 2024-01-01 n=0 covered=0h expected=1h`)
}

func largestValues(f *fixture) {
	m := lookup("uptime_seconds")
	const n = 1440
	b := batch("a", m, time.Minute, "2024-01-01", slices.Repeat([]float64{math.MaxInt32}, n)...)
	b.Columns = append(b.Columns, fleet.Column{Metric: fleet.CPUUsage, Values: slices.Repeat([]int32{math.MaxInt32}, n)},
		fleet.Column{Metric: fleet.CapacityMemory, Values: slices.Repeat([]int32{math.MaxInt32}, n)}, fleet.Column{Metric: fleet.MemoryUsage, Values: slices.Repeat([]int32{math.MaxInt32}, n)})
	f.append(b)
	for _, m := range []fleet.Metric{m, fleet.CPUUsage} {
		p := f.profiles(query(m, day("2024-01-01"), ""))[0]
		square := fleet.Mul128(math.MaxInt32, math.MaxInt32).MulUint64(n * 60000)
		if p.Min != math.MaxInt32 || p.Max != math.MaxInt32 || p.Sum != fleet.Mul128(math.MaxInt32, n*60000) || p.SumSquares != square {
			f.Errorf("%s: from %d to %d, sums %v and %v", m.Name, p.Min, p.Max, p.Sum, p.SumSquares)
		}
	}
	p := f.profiles(query(fleet.MemoryUsedBytes, day("2024-01-01"), ""))[0]
	if largest := int64(math.MaxInt32) * math.MaxInt32; p.Max != largest || p.Sum != fleet.Mul128(largest, n*60000) {
		f.Errorf("memory_used_bytes: up to %d, sum %v", p.Max, p.Sum)
	}
}

func firstMoments(f *fixture) {
	f.append(batch("a", fleet.CPUUsage, time.Hour, "1970-01-01", 0.1, 0.2), batch("b", fleet.CPUUsage, time.Hour, "2261-12-31T22:00", 0.3))
	f.wantProfiles(query(fleet.CPUUsage, day("1970-01-01"), ""), `a@- 1970-01-01 n=2 covered=2h expected=2h 0.1:1h 0.2:1h`)
	f.wantProfiles(query(fleet.CPUUsage, day("2261-12-31"), ""), `b@- 2261-12-31 n=1 covered=1h expected=1h 0.3:1h`)
	f.wantRecords("", fleet.Window{}, showSeen, "a 1970-01-01..1970-01-01T02:00\nb 2261-12-31T22:00..2261-12-31T23:00")
}

func mergedHosts(f *fixture) {
	f.put(says("i-1", "dept", "eng"))
	f.append(
		batch("old", fleet.CPUUsage, time.Hour, "2024-01-01", 0.1, 0.2, 0.3),
		with(batch("i-1", fleet.CPUUsage, time.Hour, "2024-01-01T02:00", 0.7, gap, 0.9), fleet.MemoryUsage, gap, 0.5, gap),
		batch("third", fleet.CPUUsage, time.Hour, "2024-01-01", 0.4, 0.4, 0.4, 0.4, 0.4, 0.4))
	f.merge("i-1", "old")
	w := day("2024-01-01")
	f.wantProfiles(query(fleet.CPUUsage, w, ""), `
		i-1@- 2024-01-01 n=4 covered=4h expected=5h 0.1:1h 0.2:1h 0.7:1h 0.9:1h
		third@- 2024-01-01 n=6 covered=6h expected=6h 0.4:6h`)
	f.wantProfiles(query(fleet.MemoryUsage, w, ""), `
		i-1@- 2024-01-01 n=1 covered=1h expected=5h 0.5:1h
		third@- 2024-01-01 n=0 covered=0h expected=6h`)
	f.wantRecords("", fleet.Window{}, showSeen, "i-1 2024-01-01..2024-01-01T05:00\nthird 2024-01-01..2024-01-01T06:00")
	// A further one fills what none has; the ones merged earlier win.
	f.merge("old", "third")
	f.wantSeries(query(fleet.CPUUsage, w, ""), `
		i-1@- 1h 2024-01-01=0.1 2024-01-01T01:00=0.2 2024-01-01T02:00=0.7 2024-01-01T03:00=0.4 2024-01-01T04:00=0.9 2024-01-01T05:00=0.4`)
	f.wantProfiles(query(fleet.CPUUsage, w, fleet.StepDay), `
		i-1@- 2024-01-01 n=6 covered=6h expected=6h 0.1:1h 0.2:1h 0.4:2h 0.7:1h 0.9:1h`)
	// What comes in under any of the names is the one host's from then on.
	f.wantCounts("a sample under the old name", 1, 0, 0, 0, batch("old", fleet.CPUUsage, time.Hour, "2024-01-01T03:00", 0.8))
	f.wantProfiles(query(fleet.CPUUsage, window("2024-01-01T03:00", "2024-01-01T05:00"), ""), `
		i-1@- 2024-01-01T03:00 n=2 covered=2h expected=2h 0.8:1h 0.9:1h`)
}

func manyHosts(f *fixture) {
	const n = 130
	var batches []fleet.Batch
	for i := range n {
		host := fmt.Sprintf("h%03d", (i*37)%n)
		batches = append(batches, batch(host, fleet.CPUUsage, time.Hour, "2024-01-01", 0.1, float64((i*37)%n)/1000))
	}
	f.append(batches...)
	var want strings.Builder
	for i := range n {
		low, high := min(0.1, float64(i)/1000), max(0.1, float64(i)/1000)
		if low == high {
			fmt.Fprintf(&want, "h%03d@- 2024-01-01 n=2 covered=2h expected=2h %g:2h\n", i, low)
			continue
		}
		fmt.Fprintf(&want, "h%03d@- 2024-01-01 n=2 covered=2h expected=2h %g:1h %g:1h\n", i, low, high)
	}
	f.wantProfiles(query(fleet.CPUUsage, day("2024-01-01"), ""), want.String())
	var hosts []string
	list, err := readSeries(f.ctx, f.engine, query(fleet.CPUUsage, day("2024-01-01"), ""))
	if err != nil {
		f.Fatal(err)
	}
	for i := range list {
		hosts = append(hosts, string(list[i].Record.Host))
	}
	if len(hosts) != n || !slices.IsSorted(hosts) {
		f.Errorf("series of %d hosts, in this order: %s", len(hosts), hosts)
	}
}

// nextOf pulls an iterator once.
func nextOf[V any](next func() (V, error, bool), t *testing.T) V {
	t.Helper()
	v, err, ok := next()
	if err != nil || !ok {
		t.Fatalf("next: %v, %v", err, ok)
	}
	return v
}

func oneStateHoweverLongRead(f *fixture) {
	const hosts = 100
	var first, second []fleet.Batch
	for i := range hosts {
		host := fmt.Sprintf("h%03d", i)
		first = append(first, batch(host, fleet.CPUUsage, time.Hour, "2024-01-01", 0.1))
		second = append(second, batch(host, fleet.CPUUsage, time.Hour, "2024-01-01", 0.9, 0.9))
	}
	f.append(first...)
	q := query(fleet.CPUUsage, day("2024-01-01"), "")
	nextProfile, stopProfiles := iter.Pull2(f.engine.Profiles(f.ctx, q))
	defer stopProfiles()
	nextSeries, stopSeries := iter.Pull2(f.engine.Series(f.ctx, q))
	defer stopSeries()
	profiles := []fleet.Profile{nextOf(nextProfile, f.T)}
	series := 1
	nextOf(nextSeries, f.T)
	f.append(second...)
	f.change("2024-01-01T12:00", says("h050", "dept", "eng"))
	f.append(batch("h0505", fleet.CPUUsage, time.Hour, "2024-01-01", 0.5))
	for {
		p, err, ok := nextProfile()
		if !ok {
			break
		}
		if err != nil {
			f.Fatal(err)
		}
		profiles = append(profiles, p)
	}
	for {
		s, err, ok := nextSeries()
		if !ok {
			break
		}
		if err != nil {
			f.Fatal(err)
		}
		if len(s.Values) != 1 || s.Values[0] != 1000 {
			f.Errorf("a series begun before a write has %s", showSeries(fleet.CPUUsage, &s))
		}
		series++
	}
	for i := range profiles {
		if got, want := showProfile(fleet.CPUUsage, &profiles[i]), fmt.Sprintf("h%03d@- 2024-01-01 n=1 covered=1h expected=1h 0.1:1h", i); got != want {
			f.Errorf("an answer begun before a write: got %s, want %s", got, want)
		}
	}
	if len(profiles) != hosts || series != hosts {
		f.Errorf("%d profiles and %d series of %d hosts", len(profiles), series, hosts)
	}
	if n := len(f.profiles(q)); n != hosts+1 {
		f.Errorf("%d profiles after the write", n)
	}
}

func stoppedEarly(f *fixture) {
	for _, host := range []string{"a", "b", "c"} {
		f.append(batch(host, fleet.CPUUsage, time.Hour, "2024-01-01", 0.1))
	}
	q := query(fleet.CPUUsage, day("2024-01-01"), "")
	for p, err := range f.engine.Profiles(f.ctx, q) {
		if err != nil || p.Record.Host != "a" {
			f.Fatalf("first profile: %v, %v", p, err)
		}
		break
	}
	for s, err := range f.engine.Series(f.ctx, q) {
		if err != nil || s.Record.Host != "a" {
			f.Fatalf("first series: %v, %v", s, err)
		}
		break
	}
	f.append(batch("d", fleet.CPUUsage, time.Hour, "2024-01-01", 0.1))
	if n := len(f.profiles(q)); n != 4 {
		f.Errorf("%d profiles after answers that were not read to their end", n)
	}
	// An iterator may be read twice.
	twice := f.engine.Profiles(f.ctx, q)
	for range 2 {
		n := 0
		for _, err := range twice {
			if err != nil {
				f.Fatal(err)
			}
			n++
		}
		if n != 4 {
			f.Errorf("%d profiles of an iterator that is read twice", n)
		}
	}
}

func cancelled(f *fixture) {
	const hosts = 100
	var batches []fleet.Batch
	for i := range hosts {
		batches = append(batches, batch(fmt.Sprintf("h%03d", i), fleet.CPUUsage, time.Hour, "2024-01-01", 0.1))
	}
	f.append(batches...)
	q := query(fleet.CPUUsage, day("2024-01-01"), "")
	gone, cancel := context.WithCancel(f.ctx)
	cancel()
	if list, err := readProfiles(gone, f.engine, q); !errors.Is(err, context.Canceled) {
		f.Errorf("profiles with a cancelled context: %d, error %v", len(list), err)
	}
	if list, err := readSeries(gone, f.engine, q); !errors.Is(err, context.Canceled) {
		f.Errorf("series with a cancelled context: %d, error %v", len(list), err)
	}
	if _, err := f.engine.Records(gone, fleet.Selector{}, fleet.Window{}); err != nil && !errors.Is(err, context.Canceled) {
		f.Errorf("records with a cancelled context: error %v", err)
	}
	// Half-way through, an answer is either whole or ends in the error.
	half := func(read func(context.Context, func()) (int, error)) {
		ctx, cancel := context.WithCancel(f.ctx)
		defer cancel()
		if n, err := read(ctx, cancel); n != hosts && !errors.Is(err, context.Canceled) {
			f.Errorf("%d of %d after the context was cancelled, error %v", n, hosts, err)
		}
	}
	half(func(ctx context.Context, cancel func()) (n int, err error) {
		for _, err = range f.engine.Profiles(ctx, q) {
			if err != nil {
				return n, err
			}
			n++
			cancel()
		}
		return n, nil
	})
	half(func(ctx context.Context, cancel func()) (n int, err error) {
		for _, err = range f.engine.Series(ctx, q) {
			if err != nil {
				return n, err
			}
			n++
			cancel()
		}
		return n, nil
	})
}

func openWindowRefused(f *fixture) {
	f.append(batch("a", fleet.CPUUsage, time.Hour, "2024-01-01", 0.1))
	for _, w := range []fleet.Window{{}, {Start: at("2024-01-01")}, {End: at("2024-01-02")}} {
		if list, err := readProfiles(f.ctx, f.engine, query(fleet.CPUUsage, w, "")); err == nil {
			f.Errorf("profiles in %s: %d and no error", showWindow(w), len(list))
		}
		if list, err := readSeries(f.ctx, f.engine, query(fleet.CPUUsage, w, "")); err == nil {
			f.Errorf("series in %s: %d and no error", showWindow(w), len(list))
		}
	}
	f.wantProfiles(query(fleet.CPUUsage, window("2024-01-02", "2024-01-02"), ""), ``)
}

func emptyEngine(f *fixture) {
	f.wantRecords("", fleet.Window{}, showRecord, ``)
	f.wantProfiles(query(fleet.CPUUsage, day("2024-01-01"), fleet.StepDay), ``)
	f.wantProfiles(query(fleet.CPUCoresUsed, day("2024-01-01"), fleet.StepDay), ``)
	f.wantSeries(query(fleet.CPUUsage, day("2024-01-01"), ""), ``)
	if _, err := f.engine.Host("nobody", written); !errors.Is(err, fleet.ErrUnknownHost) {
		f.Errorf("an unknown host: error %v", err)
	}
}

func sideBySide(f *fixture) {
	f.append(batch("a", fleet.CPUUsage, time.Hour, "2024-01-01", 0.1))
	q := query(fleet.CPUUsage, day("2024-01-01"), "")
	want := map[int64]bool{1: true, 2: true, 3: true, 4: true}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 20 {
				list, err := readProfiles(f.ctx, f.engine, q)
				if err != nil || len(list) != 1 || !want[list[0].Count] {
					f.Errorf("beside a write: %v, error %v", list, err)
				}
			}
		})
	}
	for i := range 3 {
		f.append(batch("a", fleet.CPUUsage, time.Hour, "2024-01-01", slices.Repeat([]float64{0.2}, i+2)...))
	}
	all.Wait()
	if d := cmp.Diff(int64(4), f.profiles(q)[0].Count); d != "" {
		f.Error(d)
	}
}
