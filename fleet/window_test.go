package fleet_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/zones"
)

// zone loads a zone of the pinned data.
func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := zones.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

// oddZones have days of 23, 24.5 and 25 hours, midnights that do not exist or
// exist twice, days that do not exist, and offsets of half and quarter hours.
var oddZones = []string{
	"UTC", "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Africa/Cairo", "Asia/Beirut", "America/Havana", "America/Asuncion",
	"Australia/Lord_Howe", "Asia/Kolkata", "Asia/Kathmandu", "Pacific/Apia", "Pacific/Kwajalein", "America/St_Johns", "Africa/Casablanca", "Antarctica/Troll",
}

func at(t testing.TB, s string) time.Time {
	t.Helper()
	x, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func window(t testing.TB, s string) fleet.Window {
	t.Helper()
	from, to, _ := strings.Cut(s, "..")
	var w fleet.Window
	if from != "" {
		w.Start = at(t, from)
	}
	if to != "" {
		w.End = at(t, to)
	}
	return w
}

func TestWindow(t *testing.T) {
	const a, b, c, d = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z", "2026-01-04T00:00:00Z"
	f := func(x, y, both string, overlap bool) {
		t.Helper()
		w, o := window(t, x), window(t, y)
		if got := w.Intersect(o); got != window(t, both) || o.Intersect(w) != got {
			t.Errorf("%s and %s share %v, want %s", x, y, got, both)
		}
		if w.Overlaps(o) != overlap || o.Overlaps(w) != overlap {
			t.Errorf("%s and %s overlap: %v", x, y, !overlap)
		}
	}
	f(a+".."+c, b+".."+d, b+".."+c, true)
	f(a+".."+b, b+".."+d, b+".."+b, false)
	f(a+".."+d, b+".."+c, b+".."+c, true)
	f("..", b+".."+c, b+".."+c, true)
	f(a+"..", ".."+c, a+".."+c, true)
	f(c+"..", ".."+c, c+".."+c, false)
	f("..", "..", "..", true)

	w := window(t, a+".."+b)
	if w.Empty() || w.Duration() != 24*time.Hour || w.IsZero() || !w.Contains(w.Start) || w.Contains(w.End) {
		t.Error("a day is wrong")
	}
	turned := fleet.Window{Start: w.End, End: w.Start}
	if !turned.Empty() || turned.Duration() != 0 || !(fleet.Window{}).IsZero() {
		t.Error("a window without time is wrong")
	}
	if !window(t, "..").Contains(w.Start) || window(t, b+"..").Contains(w.Start) || window(t, ".."+a).Contains(w.Start) {
		t.Error("open bounds are wrong")
	}
	if got := w.String(); got != a+".."+b {
		t.Error(got)
	}
}

func TestParseStep(t *testing.T) {
	for s, want := range map[string]fleet.Step{
		"hour": fleet.StepHour, "1h": fleet.StepHour, "60m": fleet.StepHour, "day": fleet.StepDay, "1d": fleet.StepDay, "24h": fleet.StepDay,
		"week": fleet.StepWeek, "1w": fleet.StepWeek, "7d": fleet.StepWeek, "month": fleet.StepMonth, "1mo": fleet.StepMonth, "1M": fleet.StepMonth, "whole": fleet.StepWhole,
		"1m": "1m", "60s": "1m", "5m": "5m", "15m": "15m", "900s": "15m", "30m": "30m", "10s": "10s", "90s": "90s", "1s": "1s", "3600s": fleet.StepHour,
	} {
		if got, err := fleet.ParseStep(s); err != nil || got != want {
			t.Errorf("%s is %s, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "2d", "Day", "2h", "7m", "0m", "0s", "120m", "7s", "5", "m", "-5m", "1.5m", "5ms", "5mm", "+5m", "99999999999999999999m"} {
		if got, err := fleet.ParseStep(s); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", s)) {
			t.Errorf("%q is %s, %v", s, got, err)
		}
	}
}

func TestParseWindow(t *testing.T) {
	berlin, paulo, asuncion := zone(t, "Europe/Berlin"), zone(t, "America/Sao_Paulo"), zone(t, "America/Asuncion")
	f := func(s, asOf string, loc *time.Location, want string) {
		t.Helper()
		got, err := fleet.ParseWindow(s, at(t, asOf), loc)
		if err != nil || got != window(t, want) {
			t.Errorf("%s as of %s: %v, %v; want %s", s, asOf, got, err, want)
		}
	}
	const now = "2026-03-31T10:30:00Z" // a Tuesday
	f("7d", now, nil, "2026-03-24T10:30:00Z..2026-03-31T10:30:00Z")
	f(" 2w ", now, nil, "2026-03-17T10:30:00Z..2026-03-31T10:30:00Z")
	f("36h", now, nil, "2026-03-29T22:30:00Z..2026-03-31T10:30:00Z")
	f("90m", now, nil, "2026-03-31T09:00:00Z..2026-03-31T10:30:00Z")
	f("30s", now, nil, "2026-03-31T10:29:30Z..2026-03-31T10:30:00Z")
	f("1d12h", now, nil, "2026-03-29T22:30:00Z..2026-03-31T10:30:00Z")
	f("1w2d", now, nil, "2026-03-22T10:30:00Z..2026-03-31T10:30:00Z")
	// Months end at the last day of shorter ones.
	f("1mo", now, nil, "2026-02-28T10:30:00Z..2026-03-31T10:30:00Z")
	f("1mo", "2024-03-30T10:30:00Z", nil, "2024-02-29T10:30:00Z..2024-03-30T10:30:00Z")
	f("3mo", now, nil, "2025-12-31T10:30:00Z..2026-03-31T10:30:00Z")
	f("13mo", now, nil, "2025-02-28T10:30:00Z..2026-03-31T10:30:00Z")
	f("1mo1d", now, nil, "2026-02-27T10:30:00Z..2026-03-31T10:30:00Z")

	f("today", now, nil, "2026-03-31T00:00:00Z..2026-04-01T00:00:00Z")
	f("yesterday", now, nil, "2026-03-30T00:00:00Z..2026-03-31T00:00:00Z")
	f("this-week", now, nil, "2026-03-30T00:00:00Z..2026-04-06T00:00:00Z")
	f("last-week", now, nil, "2026-03-23T00:00:00Z..2026-03-30T00:00:00Z")
	f("this-week", "2026-03-29T10:00:00Z", nil, "2026-03-23T00:00:00Z..2026-03-30T00:00:00Z") // a Sunday
	f("this-month", now, nil, "2026-03-01T00:00:00Z..2026-04-01T00:00:00Z")
	f("last-month", now, nil, "2026-02-01T00:00:00Z..2026-03-01T00:00:00Z")
	f("last-month", "2026-01-31T00:00:00Z", nil, "2025-12-01T00:00:00Z..2026-01-01T00:00:00Z")
	f("this-year", now, nil, "2026-01-01T00:00:00Z..2027-01-01T00:00:00Z")
	f("last-year", now, nil, "2025-01-01T00:00:00Z..2026-01-01T00:00:00Z")
	f("2026-01", now, nil, "2026-01-01T00:00:00Z..2026-02-01T00:00:00Z")
	f("2025-12", now, nil, "2025-12-01T00:00:00Z..2026-01-01T00:00:00Z")
	f("2026-01-15", now, nil, "2026-01-15T00:00:00Z..2026-01-16T00:00:00Z")
	f("2026-01-01..2026-01-31", now, nil, "2026-01-01T00:00:00Z..2026-02-01T00:00:00Z")
	f("2026-01-01T06:00:00Z..2026-01-02T06:00:00Z", now, nil, "2026-01-01T06:00:00Z..2026-01-02T06:00:00Z")
	f("2026-01-01 .. 2026-01-02T06:00", now, nil, "2026-01-01T00:00:00Z..2026-01-02T06:00:00Z")

	// Berlin set clocks forward on 29 March 2026: seven days are 167 hours.
	f("7d", now, berlin, "2026-03-24T11:30:00Z..2026-03-31T10:30:00Z")
	f("168h", now, berlin, "2026-03-24T10:30:00Z..2026-03-31T10:30:00Z")
	f("7d", "2026-10-26T12:00:00Z", berlin, "2026-10-19T11:00:00Z..2026-10-26T12:00:00Z")
	f("1d", "2026-03-30T00:30:00Z", berlin, "2026-03-29T01:00:00Z..2026-03-30T00:30:00Z") // 02:30 did not exist
	f("2026-03-29", now, berlin, "2026-03-28T23:00:00Z..2026-03-29T22:00:00Z")
	f("2026-10-25", now, berlin, "2026-10-24T22:00:00Z..2026-10-25T23:00:00Z")
	f("today", "2026-03-30T22:30:00Z", berlin, "2026-03-30T22:00:00Z..2026-03-31T22:00:00Z")
	f("last-month", now, berlin, "2026-01-31T23:00:00Z..2026-02-28T23:00:00Z")
	// Days and a month whose first midnight did not exist.
	f("2018-11-04", now, paulo, "2018-11-04T03:00:00Z..2018-11-05T02:00:00Z")
	f("2018-11-03..2018-11-04", now, paulo, "2018-11-03T03:00:00Z..2018-11-05T02:00:00Z")
	f("2018-11-04..2018-11-04", now, paulo, "2018-11-04T03:00:00Z..2018-11-05T02:00:00Z")
	f("2018-02-17", now, paulo, "2018-02-17T02:00:00Z..2018-02-18T03:00:00Z")
	f("2017-10", now, asuncion, "2017-10-01T04:00:00Z..2017-11-01T03:00:00Z")
	f("yesterday", "2041-01-01T12:00:00Z", berlin, "2040-12-30T23:00:00Z..2040-12-31T23:00:00Z")
	f("2017-09", now, asuncion, "2017-09-01T04:00:00Z..2017-10-01T04:00:00Z")
}

func TestParseWindowErrors(t *testing.T) {
	f := func(s, want string) {
		t.Helper()
		w, err := fleet.ParseWindow(s, at(t, "2026-03-31T10:30:00Z"), nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v; want an error with %q", s, w, err, want)
		}
	}
	for _, s := range []string{"", "7", "d", "0d", "7x", "7d-", "-7d", "1234567d", "last", "last-decade", "next-month", "2026", "2026-13", "2026-02-30", "7 d", "1d1"} {
		f(s, "is not understood")
	}
	f("2026-01-31..2026-01-01", "is empty")
	f("2026-01-01T00:00:00Z..2026-01-01T00:00:00Z", "is empty")
	f("2026-01-01..", "end: time \"\"")
	f("..2026-01-01", "start: time \"\"")
	f("2026-01-01..yesterday", "end: time \"yesterday\"")
	f("999999mo", "beyond the years")
	f("2026-01-01..9999-12-31", "beyond the years")
}

func TestParseTime(t *testing.T) {
	berlin := zone(t, "Europe/Berlin")
	f := func(s string, loc *time.Location, want, wantEnd string) {
		t.Helper()
		got, err := fleet.ParseTime(s, loc)
		end, err2 := fleet.ParseEnd(s, loc)
		if err != nil || err2 != nil || !got.Equal(at(t, want)) || !end.Equal(at(t, wantEnd)) || got.Location() != time.UTC {
			t.Errorf("%s: %v, %v; end %v, %v; want %s and %s", s, got, err, end, err2, want, wantEnd)
		}
	}
	same := func(s string, loc *time.Location, want string) { t.Helper(); f(s, loc, want, want) }
	f("2026-01-31", nil, "2026-01-31T00:00:00Z", "2026-02-01T00:00:00Z")
	f("2026-01-31", berlin, "2026-01-30T23:00:00Z", "2026-01-31T23:00:00Z")
	f("2018-11-04", zone(t, "America/Sao_Paulo"), "2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z")
	same("2026-01-31T08:00:00Z", berlin, "2026-01-31T08:00:00Z")
	same("2026-01-31T08:00:00.25+05:45", nil, "2026-01-31T02:15:00.25Z")
	same("2026-07-31T08:00:00", berlin, "2026-07-31T06:00:00Z")
	same("2026-07-31 08:00:00.5", berlin, "2026-07-31T06:00:00.5Z")
	same("2026-07-31T08:00", nil, "2026-07-31T08:00:00Z")
	same("2026-07-31 08:00", berlin, "2026-07-31T06:00:00Z")
	same("2026-03-29T02:30", berlin, "2026-03-29T01:00:00Z") // never shown: the jump
	same("2026-10-25T02:30", berlin, "2026-10-25T00:30:00Z") // shown twice: the first
	for _, s := range []string{"", "now", "2026-1-1", "2026-01-31T08", "31.01.2026", "2026-01-31T25:00:00Z"} {
		if got, err := fleet.ParseTime(s, nil); err == nil {
			t.Errorf("%q is %v", s, got)
		}
	}
}

func TestSplit(t *testing.T) {
	f := func(step fleet.Step, name, w string, want ...string) {
		t.Helper()
		got := step.Split(window(t, w), zone(t, name))
		var text []string
		for _, x := range got {
			text = append(text, x.Start.UTC().Format("01-02T15:04")+" "+x.Duration().String())
		}
		if strings.Join(text, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s of %s in %s:\n%s\nwant\n%s", step, w, name, strings.Join(text, "\n"), strings.Join(want, "\n"))
		}
	}
	f(fleet.StepWhole, "UTC", "2026-01-01T00:00:00Z..2026-01-03T00:00:00Z", "01-01T00:00 48h0m0s")
	f("", "UTC", "2026-01-01T00:00:00Z..2026-01-03T00:00:00Z", "01-01T00:00 48h0m0s")
	f(fleet.StepDay, "UTC", "2026-01-03T00:00:00Z..2026-01-01T00:00:00Z")
	f(fleet.StepDay, "UTC", "2026-01-01T12:00:00Z..2026-01-03T01:00:00Z", "01-01T12:00 12h0m0s", "01-02T00:00 24h0m0s", "01-03T00:00 1h0m0s")
	f(fleet.StepDay, "Europe/Berlin", "2026-03-27T23:00:00Z..2026-03-30T22:00:00Z", "03-27T23:00 24h0m0s", "03-28T23:00 23h0m0s", "03-29T22:00 24h0m0s")
	f(fleet.StepDay, "Europe/Berlin", "2026-10-24T22:00:00Z..2026-10-26T23:00:00Z", "10-24T22:00 25h0m0s", "10-25T23:00 24h0m0s")
	f(fleet.StepHour, "Europe/Berlin", "2026-10-25T00:00:00Z..2026-10-25T02:00:00Z", "10-25T00:00 1h0m0s", "10-25T01:00 1h0m0s")
	// Midnight that does not exist, midnight that exists twice.
	f(fleet.StepDay, "America/Sao_Paulo", "2018-11-03T03:00:00Z..2018-11-06T02:00:00Z", "11-03T03:00 24h0m0s", "11-04T03:00 23h0m0s", "11-05T02:00 24h0m0s")
	f(fleet.StepDay, "America/Sao_Paulo", "2018-02-17T02:00:00Z..2018-02-19T03:00:00Z", "02-17T02:00 25h0m0s", "02-18T03:00 24h0m0s")
	f(fleet.StepDay, "Africa/Cairo", "2024-04-24T22:00:00Z..2024-04-27T21:00:00Z", "04-24T22:00 24h0m0s", "04-25T22:00 23h0m0s", "04-26T21:00 24h0m0s")
	f(fleet.StepDay, "Asia/Beirut", "2024-03-29T22:00:00Z..2024-04-01T21:00:00Z", "03-29T22:00 24h0m0s", "03-30T22:00 23h0m0s", "03-31T21:00 24h0m0s")
	f(fleet.StepDay, "America/Havana", "2024-11-02T04:00:00Z..2024-11-04T05:00:00Z", "11-02T04:00 24h0m0s", "11-03T04:00 25h0m0s")
	// Half an hour of daylight saving: an hour of 30 minutes shown, then of 60.
	f(fleet.StepDay, "Australia/Lord_Howe", "2024-04-06T13:00:00Z..2024-04-08T13:30:00Z", "04-06T13:00 24h30m0s", "04-07T13:30 24h0m0s")
	f(fleet.StepHour, "Australia/Lord_Howe", "2024-04-06T14:00:00Z..2024-04-06T16:30:00Z", "04-06T14:00 1h0m0s", "04-06T15:00 30m0s", "04-06T15:30 1h0m0s")
	f("15m", "UTC", "2026-01-01T00:07:00Z..2026-01-01T00:50:00Z", "01-01T00:07 8m0s", "01-01T00:15 15m0s", "01-01T00:30 15m0s", "01-01T00:45 5m0s")
	f("30m", "Asia/Kathmandu", "2024-04-06T00:00:00Z..2024-04-06T01:15:00Z", "04-06T00:00 15m0s", "04-06T00:15 30m0s", "04-06T00:45 30m0s")
	f("20m", "Australia/Lord_Howe", "2024-04-06T14:30:00Z..2024-04-06T15:40:00Z", "04-06T14:30 10m0s", "04-06T14:40 20m0s", "04-06T15:00 10m0s", "04-06T15:10 20m0s", "04-06T15:30 10m0s")
	f(fleet.StepHour, "Asia/Kolkata", "2024-04-06T00:00:00Z..2024-04-06T02:00:00Z", "04-06T00:00 30m0s", "04-06T00:30 1h0m0s", "04-06T01:30 30m0s")
	f(fleet.StepHour, "Asia/Kathmandu", "2024-04-06T00:00:00Z..2024-04-06T01:15:00Z", "04-06T00:00 15m0s", "04-06T00:15 1h0m0s")
	// The zone data of the standard library ends at new years, and on the last
	// day of leap years before it began: neither ends an hour or a day.
	f(fleet.StepHour, "America/St_Johns", "2025-12-31T23:30:00Z..2026-01-01T01:30:00Z", "12-31T23:30 1h0m0s", "01-01T00:30 1h0m0s")
	f(fleet.StepHour, "Australia/Lord_Howe", "2048-12-31T00:00:00Z..2048-12-31T02:00:00Z", "12-31T00:00 1h0m0s", "12-31T01:00 1h0m0s")
	f(fleet.StepDay, "Europe/Berlin", "2040-12-30T23:00:00Z..2041-01-02T23:00:00Z", "12-30T23:00 24h0m0s", "12-31T23:00 24h0m0s", "01-01T23:00 24h0m0s")
	// A day that nobody saw.
	f(fleet.StepDay, "Pacific/Apia", "2011-12-28T10:00:00Z..2011-12-31T10:00:00Z", "12-28T10:00 24h0m0s", "12-29T10:00 24h0m0s", "12-30T10:00 24h0m0s")
	f(fleet.StepDay, "Pacific/Apia", "2011-12-29T10:00:00Z..2011-12-31T10:00:00Z", "12-29T10:00 24h0m0s", "12-30T10:00 24h0m0s")
	f(fleet.StepWeek, "UTC", "2026-01-01T00:00:00Z..2026-01-13T00:00:00Z", "01-01T00:00 96h0m0s", "01-05T00:00 168h0m0s", "01-12T00:00 24h0m0s")
	f(fleet.StepMonth, "Europe/Berlin", "2026-02-28T23:00:00Z..2026-04-30T22:00:00Z", "02-28T23:00 743h0m0s", "03-31T22:00 720h0m0s")
	// At 00:01 clocks were set back to 23:01 of the day before: the hour that
	// returned belongs to the day that had begun.
	f(fleet.StepDay, "America/St_Johns", "2010-11-07T02:45:00Z..2010-11-09T03:30:00Z", "11-07T02:45 24h45m0s", "11-08T03:30 24h0m0s")
	f(fleet.StepDay, "America/St_Johns", "2010-11-06T02:30:00Z..2010-11-08T03:30:00Z", "11-06T02:30 24h0m0s", "11-07T02:30 25h0m0s")
}

func TestSplitByAnUnknownStep(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	fleet.Step("fortnight").Split(window(t, "2026-01-01T00:00:00Z..2026-01-02T00:00:00Z"), nil)
}

// drawWindow draws a window of up to some days, often around a change of clocks.
func drawWindow(t *rapid.T, loc *time.Location, days int) fleet.Window {
	start := time.Unix(fleet.Between(t, 0, 3e9, "start"), 0).In(loc)
	switch rapid.IntRange(0, 2).Draw(t, "about") {
	case 0: // a new year
		start = time.Date(start.Year(), 12, rapid.IntRange(29, 34).Draw(t, "day"), 0, rapid.IntRange(0, 1440).Draw(t, "minute"), 0, 0, time.UTC).In(loc)
	case 1:
		if _, change := start.ZoneBounds(); !change.IsZero() {
			start = change.Add(time.Duration(fleet.Between(t, -200000, 100000, "off")) * time.Second)
		}
	}
	start = start.Add(time.Duration(rapid.SampledFrom([]int64{0, 1, 500e6, 999999999}).Draw(t, "ns")))
	return fleet.Window{Start: start, End: start.Add(time.Duration(fleet.Between(t, 1, int64(days)*86400, "length")) * time.Second)}
}

// TestSplitTiles: steps cover the window without gap or overlap; each inner
// boundary is one of the local calendar; each step lies in one unit of it; and
// hours tile days.
func TestSplitTiles(t *testing.T) {
	locations := map[string]*time.Location{}
	for _, name := range oddZones {
		locations[name] = zone(t, name)
	}
	rapid.Check(t, func(t *rapid.T) {
		loc := locations[rapid.SampledFrom(oddZones).Draw(t, "zone")]
		w := drawWindow(t, loc, 10)
		step := rapid.SampledFrom([]fleet.Step{fleet.StepHour, fleet.StepDay, fleet.StepWeek, fleet.StepMonth}).Draw(t, "step")
		steps := step.Split(w, loc)
		next := w.Start
		for i, x := range steps {
			if !x.Start.Equal(next) || x.Empty() {
				t.Fatalf("step %d of %v is %v, want one from %v", i, w, x, next)
			}
			next = x.End
			if i > 0 {
				checkBoundary(t, step, x.Start.In(loc))
			}
		}
		if !next.Equal(w.End) {
			t.Fatalf("steps of %v end at %v", w, next)
		}
		if step == fleet.StepDay {
			ends := map[int64]bool{w.End.UnixNano(): true}
			for _, h := range fleet.StepHour.Split(w, loc) {
				ends[h.End.UnixNano()] = true
			}
			for _, d := range steps {
				if !ends[d.End.UnixNano()] {
					t.Fatalf("no hour ends with the day %v", d)
				}
			}
		}
	})
}

// checkBoundary holds a boundary against the instant before it: there clocks
// show another hour, an earlier date, week or month.
func checkBoundary(t *rapid.T, step fleet.Step, x time.Time) {
	before := x.Add(-1)
	_, a := before.Zone()
	_, b := x.Zone()
	jump := a != b
	switch {
	case step == fleet.StepHour:
		if !jump && (x.Minute() != 0 || x.Second() != 0 || x.Nanosecond() != 0) {
			t.Fatalf("no hour begins at %v", x)
		}
		return
	case !jump && (x.Hour() != 0 || x.Minute() != 0 || x.Second() != 0 || x.Nanosecond() != 0):
		t.Fatalf("no day begins at %v", x)
	case before.Format(time.DateOnly) >= x.Format(time.DateOnly):
		t.Fatalf("the same day before %v", x)
	}
	if step == fleet.StepWeek && x.Weekday() != time.Monday || step == fleet.StepMonth && x.Day() != 1 {
		t.Fatalf("no %s begins at %v", step, x)
	}
}

// FuzzParseWindow: no text crashes; what is read is a window with time in it
// that reads back.
func FuzzParseWindow(f *testing.F) {
	for _, s := range []string{"7d", "1w2d", "3mo", "today", "last-year", "2026-01", "2026-01-15", "2026-01-01..2026-01-31", "2018-11-04T00:00..2018-11-04T01:00", "..", "999999mo", "0001-01-01..9999-12-30"} {
		for i := range oddZones {
			f.Add(s, int64(1541300000), uint8(i))
		}
	}
	f.Fuzz(func(t *testing.T, s string, asOf int64, z uint8) {
		loc := zone(t, oddZones[int(z)%len(oddZones)])
		w, err := fleet.ParseWindow(s, time.Unix(asOf%4e9, 0), loc)
		if err != nil {
			return
		}
		if w.Empty() || w.Start.Location() != time.UTC || w.End.Location() != time.UTC {
			t.Fatalf("%q is %v", s, w)
		}
		text := w.Start.Format(time.RFC3339Nano) + ".." + w.End.Format(time.RFC3339Nano)
		if again, err := fleet.ParseWindow(text, time.Time{}, nil); err != nil || again != w {
			t.Fatalf("%q is %v, read back as %v, %v", s, w, again, err)
		}
	})
}
