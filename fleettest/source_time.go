package fleettest

import (
	"slices"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

func (f *fixture) hours(text, zone string) fleet.Calendar {
	f.Helper()
	list, err := fleet.ParseHours(text)
	if err != nil {
		f.Fatal(err)
	}
	return fleet.Calendar{Hours: list, Location: f.zone(zone)}
}

func businessHours(f *fixture) {
	// A sample every half hour from Friday, 2024-01-05, to the end of Monday.
	f.append(batch("a", fleet.CPUUsage, 30*time.Minute, "2024-01-05", slices.Repeat([]float64{0.1}, 4*48)...))
	f.append(batch("a", fleet.CPUUsage, 30*time.Minute, "2024-01-05T08:30", 0.2, 0.3, 0.4)) // 08:30, 09:00, 09:30
	f.append(batch("a", fleet.CPUUsage, 30*time.Minute, "2024-01-05T16:30", 0.5, 0.6))      // 16:30, 17:00
	q := query(fleet.CPUUsage, window("2024-01-05", "2024-01-09"), fleet.StepDay)
	q.Within = f.hours("mon-fri 09:00-17:00", "UTC")
	f.wantProfiles(q, `
		a@- 2024-01-05 n=16 covered=8h expected=8h 0.1:390m 0.3:30m 0.4:30m 0.5:30m
		a@- 2024-01-08 n=16 covered=8h expected=8h 0.1:8h`)
	q.Step = fleet.StepHour
	q.Window = window("2024-01-05T08:00", "2024-01-05T10:00")
	f.wantProfiles(q, `a@- 2024-01-05T09:00 n=2 covered=1h expected=1h 0.3:30m 0.4:30m`)
	// In Kolkata, 5 h 30 min ahead, 09:00 is 03:30 UTC.
	q.Window, q.Step = day("2024-01-05"), ""
	q.Within = f.hours("mon-fri 09:00-14:00", "Asia/Kolkata")
	f.append(batch("a", fleet.CPUUsage, 30*time.Minute, "2024-01-05T03:00", 0.7, 0.8), batch("a", fleet.CPUUsage, 30*time.Minute, "2024-01-05T08:00", 0.9))
	f.wantProfiles(q, `a@- 2024-01-05 n=10 covered=5h expected=5h 0.1:4h 0.8:30m 0.9:30m`)
}

func hoursAcrossMidnight(f *fixture) {
	f.append(batch("a", fleet.CPUUsage, time.Hour, "2024-01-05", slices.Repeat([]float64{0.1}, 72)...))
	q := query(fleet.CPUUsage, window("2024-01-05T12:00", "2024-01-07"), fleet.StepDay)
	q.Within = f.hours("fri 22:00-03:00", "UTC")
	f.wantProfiles(q, `
		a@- 2024-01-05T12:00 n=2 covered=2h expected=2h 0.1:2h
		a@- 2024-01-06 n=3 covered=3h expected=3h 0.1:3h`)
}

func excludedWindows(f *fixture) {
	f.append(batch("a", fleet.CPUUsage, time.Hour, "2024-01-01", slices.Repeat([]float64{0.1}, 24)...))
	f.append(batch("a", fleet.CPUUsage, time.Hour, "2024-01-01T06:00", 0.9, 0.9))
	q := query(fleet.CPUUsage, day("2024-01-01"), "")
	q.Within.Exclude = []fleet.Window{window("2024-01-01T06:00", "2024-01-01T08:00"), window("2024-01-01T07:30", "2024-01-01T08:30"), window("2023-12-31", "2024-01-01")}
	f.wantProfiles(q, `a@- 2024-01-01 n=21 covered=21h expected=1290m 0.1:21h`)
	q.Within = f.hours("daily 08:00-10:00", "UTC")
	q.Within.Exclude = []fleet.Window{window("2024-01-01T09:00", "2024-01-01T09:30")}
	f.wantProfiles(q, `a@- 2024-01-01 n=1 covered=1h expected=90m 0.1:1h`)
	q.Within.Exclude = []fleet.Window{day("2024-01-01")}
	f.wantProfiles(q, ``)
}

func berlinSetsItsClocks(f *fixture) {
	// From Saturday to Monday at the end of March 2024 and of October 2024,
	// local time: Sundays of 23 and of 25 hours.
	f.append(
		batch("a", fleet.CPUUsage, time.Hour, "2024-03-29T23:00", slices.Repeat([]float64{0.1}, 24+23+24)...),
		batch("b", fleet.CPUUsage, time.Hour, "2024-10-25T22:00", slices.Repeat([]float64{0.1}, 24+25+24)...))
	spring := query(fleet.CPUUsage, window("2024-03-29T23:00", "2024-04-01T22:00"), fleet.StepDay)
	spring.Hosts = fleet.MustSelector("name=a")
	spring.Location = f.zone("Europe/Berlin")
	f.wantProfiles(spring, `
		a@- 2024-03-29T23:00 n=24 covered=24h expected=24h 0.1:24h
		a@- 2024-03-30T23:00 n=23 covered=23h expected=23h 0.1:23h
		a@- 2024-03-31T22:00 n=24 covered=24h expected=24h 0.1:24h`)
	autumn := query(fleet.CPUUsage, window("2024-10-25T22:00", "2024-10-28T23:00"), fleet.StepDay)
	autumn.Hosts = fleet.MustSelector("name=b")
	autumn.Location = spring.Location
	f.wantProfiles(autumn, `
		b@- 2024-10-25T22:00 n=24 covered=24h expected=24h 0.1:24h
		b@- 2024-10-26T22:00 n=25 covered=25h expected=25h 0.1:25h
		b@- 2024-10-27T23:00 n=24 covered=24h expected=24h 0.1:24h`)
	// 01:00 to 04:00 of that night are two hours in spring and four in autumn.
	spring.Within = f.hours("sun 01:00-04:00", "Europe/Berlin")
	autumn.Within = spring.Within
	f.wantProfiles(spring, `a@- 2024-03-30T23:00 n=2 covered=2h expected=2h 0.1:2h`)
	f.wantProfiles(autumn, `b@- 2024-10-26T22:00 n=4 covered=4h expected=4h 0.1:4h`)
	// Office hours are at 08:00 UTC on Friday and at 07:00 UTC on Monday.
	f.append(batch("a", fleet.CPUUsage, time.Hour, "2024-04-01T06:00", 0.2, 0.3))
	spring.Within = f.hours("mon-fri 09:00-10:00", "Europe/Berlin")
	f.wantProfiles(spring, `a@- 2024-03-31T22:00 n=1 covered=1h expected=1h 0.3:1h`)
}

func kolkataDays(f *fixture) {
	// Midnight in Kolkata is 18:30 UTC: inside a sample of an hour.
	f.append(batch("a", fleet.CPUUsage, time.Hour, "2024-01-01", slices.Repeat([]float64{0.1}, 48)...))
	q := query(fleet.CPUUsage, window("2024-01-01", "2024-01-03"), fleet.StepDay)
	q.Location = f.zone("Asia/Kolkata")
	f.wantProfiles(q, `
		a@- 2024-01-01 n=19 covered=19h expected=1110m 0.1:19h
		a@- 2024-01-01T18:30 n=24 covered=24h expected=24h 0.1:24h
		a@- 2024-01-02T18:30 n=5 covered=5h expected=330m 0.1:5h`)
	q.Step, q.Window = fleet.StepHour, window("2024-01-01T17:45", "2024-01-01T19:40")
	f.wantProfiles(q, `
		a@- 2024-01-01T17:45 n=1 covered=1h expected=45m 0.1:1h
		a@- 2024-01-01T18:30 n=1 covered=1h expected=1h 0.1:1h
		a@- 2024-01-01T19:30 n=0 covered=0h expected=10m`)
}

func partsOfAnHour(f *fixture) {
	f.append(batch("a", fleet.CPUUsage, 5*time.Minute, "2024-01-01", 0.1, 0.2, 0.3, 0.4, gap, 0.6, 0.7))
	f.wantProfiles(query(fleet.CPUUsage, window("2024-01-01T00:05", "2024-01-01T00:50"), "15m"), `
		a@- 2024-01-01T00:05 n=2 covered=10m expected=10m 0.2:5m 0.3:5m
		a@- 2024-01-01T00:15 n=2 covered=10m expected=15m 0.4:5m 0.6:5m
		a@- 2024-01-01T00:30 n=1 covered=5m expected=5m 0.7:5m`)
	f.wantProfiles(query(fleet.CPUUsage, window("2024-01-01T00:15", "2024-01-01T00:30"), "5m"), `
		a@- 2024-01-01T00:15 n=1 covered=5m expected=5m 0.4:5m
		a@- 2024-01-01T00:20 n=0 covered=0h expected=5m
		a@- 2024-01-01T00:25 n=1 covered=5m expected=5m 0.6:5m`)
	// Steps shorter than a sample: it belongs whole to that of its start.
	f.wantProfiles(query(fleet.CPUUsage, window("2024-01-01T00:05", "2024-01-01T00:07"), "1m"), `
		a@- 2024-01-01T00:05 n=1 covered=5m expected=1m 0.2:5m
		a@- 2024-01-01T00:06 n=0 covered=0h expected=1m`)
}

func weeksAndMonths(f *fixture) {
	// A sample a day from Wednesday, 2024-01-31, on: leap February has 29 days.
	f.append(batch("a", fleet.CPUUsage, 24*time.Hour, "2024-01-31", slices.Repeat([]float64{0.1}, 31)...))
	f.wantProfiles(query(fleet.CPUUsage, window("2024-01-15", "2024-03-15"), fleet.StepMonth), `
		a@- 2024-01-15 n=1 covered=24h expected=24h 0.1:24h
		a@- 2024-02-01 n=29 covered=696h expected=696h 0.1:696h
		a@- 2024-03-01 n=1 covered=24h expected=24h 0.1:24h`)
	f.wantProfiles(query(fleet.CPUUsage, window("2024-01-31", "2024-02-14"), fleet.StepWeek), `
		a@- 2024-01-31 n=5 covered=120h expected=120h 0.1:120h
		a@- 2024-02-05 n=7 covered=168h expected=168h 0.1:168h
		a@- 2024-02-12 n=2 covered=48h expected=48h 0.1:48h`)
	berlin := query(fleet.CPUUsage, window("2024-01-31", "2024-03-02"), fleet.StepMonth)
	berlin.Location = f.zone("Europe/Berlin")
	f.wantProfiles(berlin, `
		a@- 2024-01-31 n=1 covered=24h expected=23h 0.1:24h
		a@- 2024-01-31T23:00 n=29 covered=696h expected=696h 0.1:696h
		a@- 2024-02-29T23:00 n=1 covered=24h expected=25h 0.1:24h`)
}

func seriesScenarios() []scenario {
	return []scenario{
		{"SeriesInTimeOrder", seriesInTimeOrder},
		{"SeriesCutAtRecordsAndSteps", seriesCutAtRecordsAndSteps},
		{"SeriesWithinHours", seriesWithinHours},
		{"SeriesBlocksFollowEachOther", seriesBlocksFollowEachOther},
	}
}

func seriesInTimeOrder(f *fixture) {
	f.append(batch("b", fleet.CPUUsage, time.Hour, "2024-01-02", 0.4, gap, 0.5), batch("a", fleet.CPUUsage, time.Hour, "2024-01-01T23:00", 0.3))
	f.append(batch("b", fleet.CPUUsage, time.Hour, "2024-01-01T22:00", 0.1, 0.2))
	f.wantSeries(query(fleet.CPUUsage, window("2024-01-01T23:00", "2024-01-02T02:00"), ""), `
		a@- 1h 2024-01-01T23:00=0.3
		b@- 1h 2024-01-01T23:00=0.2 2024-01-02=0.4`)
	f.wantSeries(query(fleet.CPUUsage, window("2024-01-01T23:00", "2024-01-02T02:01"), fleet.StepHour), `
		a@- 1h 2024-01-01T23:00=0.3
		b@- 1h 2024-01-01T23:00=0.2 2024-01-02=0.4 2024-01-02T02:00=0.5`)
	f.wantSeries(query(fleet.MemoryUsage, window("2024-01-01", "2024-01-03"), ""), ``)
}

func seriesCutAtRecordsAndSteps(f *fixture) {
	f.put(says("a", "dept", "eng"))
	f.append(
		batch("a", fleet.CPUUsage, time.Hour, "2024-01-01", 0.1, 0.2, 0.3),
		batch("a", fleet.CPUUsage, 30*time.Minute, "2024-01-01T03:00", 0.4, 0.5),
		batch("a", fleet.CPUUsage, time.Hour, "2024-01-01T04:00", 0.6))
	f.change("2024-01-01T01:30", says("a", "dept", "data"))
	q := query(fleet.CPUUsage, day("2024-01-01"), "")
	f.wantSeries(q, `
		a@- 1h 2024-01-01=0.1 2024-01-01T01:00=0.2
		a@2024-01-01T01:30 1h 2024-01-01T02:00=0.3
		a@2024-01-01T01:30 30m 2024-01-01T03:00=0.4 2024-01-01T03:30=0.5
		a@2024-01-01T01:30 1h 2024-01-01T04:00=0.6`)
	q.Hosts = fleet.MustSelector("dept=eng")
	f.wantSeries(q, `a@- 1h 2024-01-01=0.1 2024-01-01T01:00=0.2`)
}

func seriesWithinHours(f *fixture) {
	f.append(batch("a", fleet.CPUUsage, 30*time.Minute, "2024-01-05T08:30", 0.1, 0.2, 0.3, 0.4))
	q := query(fleet.CPUUsage, day("2024-01-05"), "")
	q.Within = f.hours("fri 09:00-10:00", "UTC")
	f.wantSeries(q, `a@- 30m 2024-01-05T09:00=0.2 2024-01-05T09:30=0.3`)
}

func seriesBlocksFollowEachOther(f *fixture) {
	const n = 3*1440 + 7
	values := make([]float64, n)
	for i := range values {
		values[i] = float64(i%997) / 1000
	}
	f.append(batch("a", fleet.CPUUsage, time.Minute, "2024-01-01T00:30", values...), batch("b", fleet.CPUUsage, time.Minute, "2024-01-01", 0.5))
	last := map[fleet.HostID]int64{}
	var hosts []fleet.HostID
	count := map[fleet.HostID]int{}
	for s, err := range f.engine.Series(f.ctx, query(fleet.CPUUsage, window("2024-01-01", "2024-01-10"), "")) {
		if err != nil {
			f.Fatal(err)
		}
		id := s.Record.Host
		if len(s.Start) == 0 || len(s.Start) != len(s.Values) || s.Step != 60000 {
			f.Errorf("a block of %d starts and %d values, step %d", len(s.Start), len(s.Values), s.Step)
		}
		if count[id] == 0 {
			hosts = append(hosts, id)
		}
		for i, t := range s.Start {
			if t <= last[id] {
				f.Fatalf("%s: %s does not follow what was before", id, showTime(time.UnixMilli(t)))
			}
			last[id] = t
			if id == "a" && s.Values[i] != int64((count[id]%997)*10) {
				f.Fatalf("value %d is %d", count[id], s.Values[i])
			}
			count[id]++
		}
	}
	if !slices.Equal(hosts, []fleet.HostID{"a", "b"}) || count["a"] != n || count["b"] != 1 {
		f.Errorf("series of %v with %v samples", hosts, count)
	}
}
