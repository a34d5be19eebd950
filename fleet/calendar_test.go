package fleet_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/leanfleet/leanfleet/fleet"
)

func TestParseHours(t *testing.T) {
	weekdays := []time.Weekday{time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday}
	f := func(s string, want ...fleet.WeeklyHours) {
		t.Helper()
		got, err := fleet.ParseHours(s)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %v, %v; want %v", s, got, err, want)
		}
	}
	f("mon-fri 09:00-17:00", fleet.WeeklyHours{Days: weekdays, From: 540, To: 1020})
	f(" Mon-Fri  9:00 - 17:00 ", fleet.WeeklyHours{Days: weekdays, From: 540, To: 1020})
	f("monday,WED,fri 22:30-06:00", fleet.WeeklyHours{Days: []time.Weekday{1, 3, 5}, From: 1350, To: 360})
	f("sat-sun 00:00-24:00", fleet.WeeklyHours{Days: []time.Weekday{6, 0}, To: 1440})
	f("fri-mon 12:00-00:00", fleet.WeeklyHours{Days: []time.Weekday{5, 6, 0, 1}, From: 720})
	f("Daily 00:00-01:00", fleet.WeeklyHours{Days: []time.Weekday{1, 2, 3, 4, 5, 6, 0}, To: 60})
	f("tue,mon-wed 00:00-01:00", fleet.WeeklyHours{Days: []time.Weekday{2, 1, 3}, To: 60})
	f("mon 09:00-12:00; mon 13:00-17:00", fleet.WeeklyHours{Days: []time.Weekday{1}, From: 540, To: 720}, fleet.WeeklyHours{Days: []time.Weekday{1}, From: 780, To: 1020})
	for s, want := range map[string]string{
		"": "use mon-fri 09:00-17:00", "mon-fri": "use mon-fri", "mon-fri 09:00-17:00;": "use mon-fri", "mon-fry 09:00-17:00": `unknown day "fry"`,
		"mon 09:00": "not a range", "mon 09:00-09:00": "not a range", "mon 24:00-06:00": "not a range", "mon 09:00-25:00": "not a range", "mon 0900-1700": "not a range", "m 09:00-17:00": `unknown day "m"`, ",mon 09:00-17:00": `unknown day ""`,
	} {
		if got, err := fleet.ParseHours(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v; want an error with %q", s, got, err, want)
		}
	}
}

func hours(t testing.TB, s string) []fleet.WeeklyHours {
	t.Helper()
	list, err := fleet.ParseHours(s)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestWithin(t *testing.T) {
	f := func(h, name, w string, exclude []string, want ...string) {
		t.Helper()
		c := fleet.Calendar{Location: zone(t, name)}
		if h != "" {
			c.Hours = hours(t, h)
		}
		for _, x := range exclude {
			c.Exclude = append(c.Exclude, window(t, x))
		}
		var text []string
		var sum time.Duration
		for _, x := range c.Within(window(t, w)) {
			text = append(text, x.Start.UTC().Format("01-02T15:04")+" "+x.Duration().String())
			sum += x.Duration()
		}
		if !slices.Equal(text, want) {
			t.Errorf("%s in %s within %s: %v\nwant %v", h, name, w, text, want)
		}
		if got := c.Duration(window(t, w)); got != sum {
			t.Errorf("%s in %s within %s: %v counts, want %v", h, name, w, got, sum)
		}
	}
	const office, week = "mon-fri 09:00-17:00", "2026-03-26T00:00:00Z..2026-03-31T00:00:00Z" // from a Thursday
	f("", "UTC", week, nil, "03-26T00:00 120h0m0s")
	f(office, "UTC", week, nil, "03-26T09:00 8h0m0s", "03-27T09:00 8h0m0s", "03-30T09:00 8h0m0s")
	f(office, "Europe/Berlin", week, nil, "03-26T08:00 8h0m0s", "03-27T08:00 8h0m0s", "03-30T07:00 8h0m0s")
	f(office, "Asia/Kolkata", "2026-03-27T05:00:00Z..2026-03-28T00:00:00Z", nil, "03-27T05:00 6h30m0s")
	f(office, "UTC", "2026-03-27T16:59:59Z..2026-03-27T17:00:01Z", nil, "03-27T16:59 1s")
	f(office, "UTC", "2026-03-28T00:00:00Z..2026-03-29T00:00:00Z", nil)
	// Overnight: the hours of Friday run into Saturday, also from before the window.
	f("fri 22:00-06:00", "UTC", week, nil, "03-27T22:00 8h0m0s")
	f("fri 22:00-06:00", "UTC", "2026-03-28T01:00:00Z..2026-03-31T00:00:00Z", nil, "03-28T01:00 5h0m0s")
	f("daily 22:00-06:00", "UTC", "2026-03-28T00:00:00Z..2026-03-29T00:00:00Z", nil, "03-28T00:00 6h0m0s", "03-28T22:00 2h0m0s")
	f("fri 12:00-00:00", "UTC", week, nil, "03-27T12:00 12h0m0s")
	// Whole days join; a day of 23 hours.
	f("daily 00:00-24:00", "Europe/Berlin", week, nil, "03-26T00:00 120h0m0s")
	f("sun 00:00-24:00", "Europe/Berlin", week, nil, "03-28T23:00 23h0m0s")
	// Clocks jump from 02:00 to 03:00: the hours between are not shown; in
	// autumn they are shown twice.
	f("sun 01:00-04:00", "Europe/Berlin", week, nil, "03-29T00:00 2h0m0s")
	f("sun 02:00-03:00", "Europe/Berlin", week, nil)
	f("sun 01:00-04:00", "Europe/Berlin", "2026-10-24T00:00:00Z..2026-10-26T00:00:00Z", nil, "10-24T23:00 4h0m0s")
	f("sun 02:15-02:30", "Europe/Berlin", "2026-10-24T00:00:00Z..2026-10-26T00:00:00Z", nil, "10-25T00:15 15m0s", "10-25T01:15 15m0s")
	f("sat 22:00-02:00", "America/Sao_Paulo", "2018-11-03T00:00:00Z..2018-11-05T00:00:00Z", nil, "11-04T01:00 3h0m0s")
	f("sat 22:00-24:00", "America/Sao_Paulo", "2018-02-17T00:00:00Z..2018-02-19T00:00:00Z", nil, "02-18T00:00 3h0m0s")
	f("mon 23:00-24:00", "Europe/Berlin", "2040-12-30T00:00:00Z..2041-01-02T00:00:00Z", nil, "12-31T22:00 1h0m0s")
	f("fri 00:00-24:00", "Pacific/Apia", "2011-12-29T00:00:00Z..2012-01-01T00:00:00Z", nil) // that Friday never came
	// Excluded windows, overlapping and open ones too.
	day := "2026-03-27T00:00:00Z..2026-03-28T00:00:00Z"
	f("", "UTC", day, []string{"2026-03-27T10:00:00Z..2026-03-27T12:00:00Z", "2026-03-27T11:00:00Z..2026-03-27T13:00:00Z"}, "03-27T00:00 10h0m0s", "03-27T13:00 11h0m0s")
	f("", "UTC", day, []string{"2026-03-26T00:00:00Z..2026-03-29T00:00:00Z"})
	f("", "UTC", day, []string{"2026-03-27T18:00:00Z..", "..2026-03-27T06:00:00Z"}, "03-27T06:00 12h0m0s")
	f("", "UTC", day, []string{"2026-03-28T00:00:00Z..2026-03-29T00:00:00Z", "2026-03-27T12:00:00Z..2026-03-27T12:00:00Z"}, "03-27T00:00 24h0m0s")
	f(office, "UTC", day, []string{"2026-03-27T12:00:00Z..2026-03-27T13:00:00Z", "2026-03-27T16:00:00Z..2026-03-27T18:00:00Z"}, "03-27T09:00 3h0m0s", "03-27T13:00 3h0m0s")
	f(office, "UTC", "2026-03-28T00:00:00Z..2026-03-27T00:00:00Z", nil)
}

// TestWithinReadsClocks: an instant counts exactly when clocks there show a time
// within the hours and it is not excluded; the windows are in order, apart, and
// inside the one asked for.
func TestWithinReadsClocks(t *testing.T) {
	locations := map[string]*time.Location{}
	for _, name := range oddZones {
		locations[name] = zone(t, name)
	}
	rapid.Check(t, func(t *rapid.T) {
		loc := locations[rapid.SampledFrom(oddZones).Draw(t, "zone")]
		c := fleet.Calendar{Location: loc}
		for range rapid.IntRange(0, 3).Draw(t, "hours") {
			h := fleet.WeeklyHours{Days: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) time.Weekday {
				return time.Weekday(rapid.IntRange(0, 6).Draw(t, "day"))
			}), 1, 5).Draw(t, "days")}
			h.From = int(fleet.Between(t, 0, 1439, "from"))
			h.To = int(fleet.Between(t, 0, 1440, "to"))
			c.Hours = append(c.Hours, h)
		}
		w := drawWindow(t, loc, 9)
		for range rapid.IntRange(0, 3).Draw(t, "excluded") {
			start := w.Start.Add(time.Duration(fleet.Between(t, -86400, 9*86400, "start")) * time.Second)
			c.Exclude = append(c.Exclude, fleet.Window{Start: start, End: start.Add(time.Duration(fleet.Between(t, 0, 2*86400, "length")) * time.Second)})
		}
		got := c.Within(w)
		probes := []time.Time{w.Start, w.End.Add(-1)}
		for i, x := range got {
			if x.Empty() || x.Start.Before(w.Start) || x.End.After(w.End) || i > 0 && !x.Start.After(got[i-1].End) {
				t.Fatalf("window %d of %v in %v: %v", i, got, w, x)
			}
			probes = append(probes, x.Start.Add(-1), x.Start, x.End.Add(-1), x.End)
		}
		for range 20 {
			probes = append(probes, w.Start.Add(time.Duration(fleet.Between(t, 0, int64(w.Duration())-1, "probe"))))
		}
		for _, p := range probes {
			counts := slices.ContainsFunc(got, func(x fleet.Window) bool { return x.Contains(p) })
			if want := w.Contains(p) && clockCounts(c, p.In(loc)); counts != want {
				t.Fatalf("%v counts: %v, want %v; hours %v, windows %v", p.In(loc), counts, want, c.Hours, got)
			}
		}
	})
}

// clockCounts is the definition, read off the clock.
func clockCounts(c fleet.Calendar, t time.Time) bool {
	for _, x := range c.Exclude {
		if x.Contains(t) {
			return false
		}
	}
	if len(c.Hours) == 0 {
		return true
	}
	shown := time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute + time.Duration(t.Second())*time.Second + time.Duration(t.Nanosecond())
	before := (t.Weekday() + 6) % 7
	for _, h := range c.Hours {
		from, to := time.Duration(h.From)*time.Minute, time.Duration(h.To)*time.Minute
		today, yesterday := slices.Contains(h.Days, t.Weekday()), slices.Contains(h.Days, before)
		if from < to {
			if today && from <= shown && shown < to {
				return true
			}
			continue
		}
		if today && shown >= from || yesterday && shown < to {
			return true
		}
	}
	return false
}

func TestCalendarIsZero(t *testing.T) {
	if !(fleet.Calendar{Location: time.UTC}).IsZero() || (fleet.Calendar{Exclude: []fleet.Window{{}}}).IsZero() {
		t.Error("IsZero is wrong")
	}
	w := window(t, "2026-03-27T00:00:00Z..2026-03-28T00:00:00Z")
	if got := (fleet.Calendar{Hours: hours(t, "fri 09:00-17:00")}).Duration(w); got != 8*time.Hour {
		t.Errorf("without a location: %v", got)
	}
}

// FuzzParseHours: no text crashes, and what is read has days and hours.
func FuzzParseHours(f *testing.F) {
	for _, s := range []string{"mon-fri 09:00-17:00", "sat,sun 22:00-06:00; daily 12:00-13:00", "fri-mon 00:00-24:00", ";", "mon ", "daily 24:00-24:00"} {
		f.Add(s)
	}
	w := fleet.Window{Start: time.Unix(1774656000, 0), End: time.Unix(1774656000+7*86400, 0)}
	f.Fuzz(func(t *testing.T, s string) {
		list, err := fleet.ParseHours(s)
		if err != nil {
			return
		}
		for _, h := range list {
			if len(h.Days) == 0 || len(h.Days) > 7 || h.From < 0 || h.From >= 1440 || h.To < 0 || h.To > 1440 || h.From == h.To {
				t.Fatalf("%q: %+v", s, h)
			}
		}
		if d := (fleet.Calendar{Hours: list}).Duration(w); d <= 0 || d > w.Duration() {
			t.Fatalf("%q: %v of a week", s, d)
		}
	})
}
