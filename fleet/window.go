package fleet

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Window is the half-open time [Start, End). A zero bound is open where a
// record's validity is meant, and an error where a question is.
type Window struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}

// IsZero says whether both bounds are unset.
func (w Window) IsZero() bool { return w.Start.IsZero() && w.End.IsZero() }

// Empty says whether a window with two bounds holds no time.
func (w Window) Empty() bool { return !w.Start.Before(w.End) }

// Duration is the length of a window with two bounds, 0 when it is empty.
func (w Window) Duration() time.Duration {
	if w.Empty() {
		return 0
	}
	return w.End.Sub(w.Start)
}

// Contains says whether t lies in the window; a zero bound is open.
func (w Window) Contains(t time.Time) bool {
	return (w.Start.IsZero() || !t.Before(w.Start)) && (w.End.IsZero() || t.Before(w.End))
}

// Intersect returns the time in both windows; zero bounds are open.
func (w Window) Intersect(o Window) Window {
	if w.Start.IsZero() || (!o.Start.IsZero() && o.Start.After(w.Start)) {
		w.Start = o.Start
	}
	if w.End.IsZero() || (!o.End.IsZero() && o.End.Before(w.End)) {
		w.End = o.End
	}
	return w
}

// Overlaps says whether two windows share time; zero bounds are open.
func (w Window) Overlaps(o Window) bool {
	x := w.Intersect(o)
	return x.Start.IsZero() || x.End.IsZero() || x.Start.Before(x.End)
}

// String prints the window as START..END in RFC 3339.
func (w Window) String() string {
	return w.Start.Format(time.RFC3339) + ".." + w.End.Format(time.RFC3339)
}

// Step is the length of the pieces a question is answered in. Steps follow the
// calendar of the question's location: days may have 23 or 25 hours, weeks
// begin on Monday. Beside the named ones it is a part of an hour, in minutes or
// seconds: "15m", "5m", "30s".
type Step string

// The named steps.
const (
	StepWhole Step = "whole"
	StepHour  Step = "hour"
	StepDay   Step = "day"
	StepWeek  Step = "week"
	StepMonth Step = "month"
)

// ParseStep reads hour or 1h, day or 1d, week or 1w or 7d, month or 1mo, whole,
// and parts of an hour, minutes or seconds that divide it: 30m, 15m, 5m, 1m, 10s.
func ParseStep(s string) (Step, error) {
	switch s {
	case "hour", "1h":
		return StepHour, nil
	case "day", "1d", "24h":
		return StepDay, nil
	case "week", "1w", "7d":
		return StepWeek, nil
	case "month", "1mo", "1M":
		return StepMonth, nil
	case "whole":
		return StepWhole, nil
	}
	n, second := strings.CutSuffix(s, "s")
	n, minute := strings.CutSuffix(n, "m")
	length := time.Second
	if minute {
		length = time.Minute
	}
	if count, err := strconv.ParseUint(n, 10, 12); err == nil && second != minute {
		switch d := time.Duration(count) * length; {
		case d == 0 || time.Hour%d != 0:
			return "", fmt.Errorf("step %q does not divide an hour: use 30m, 20m, 15m, 12m, 10m, 6m, 5m, 4m, 3m, 2m, 1m, 30s, 20s, 15s, 10s and the like", s)
		case d == time.Hour:
			return StepHour, nil
		case d%time.Minute == 0:
			return Step(strconv.Itoa(int(d/time.Minute)) + "m"), nil
		default:
			return Step(strconv.Itoa(int(d/time.Second)) + "s"), nil
		}
	}
	return "", fmt.Errorf("unknown step %q: use 1h, 1d, 1w or 1mo, a part of an hour such as 15m, or whole", s)
}

// ofHour is the length of an hour or a part of one; 0 where it is a longer step.
func (s Step) ofHour() time.Duration {
	if s == StepHour {
		return time.Hour
	}
	if s == "" || s[0] < '0' || s[0] > '9' {
		return 0
	}
	d, err := time.ParseDuration(string(s))
	if err != nil || d <= 0 || time.Hour%d != 0 || d%time.Second != 0 {
		return 0
	}
	return d
}

// Split cuts a window into steps in a location, nil being UTC. The first and
// the last step are cut to the window.
func (s Step) Split(w Window, loc *time.Location) []Window {
	if w.Empty() {
		return nil
	}
	if s == StepWhole || s == "" {
		return []Window{w}
	}
	var out []Window
	for start := w.Start; start.Before(w.End); {
		end := s.next(start, loc)
		if end.After(w.End) {
			end = w.End
		}
		out = append(out, Window{start, end})
		start = end
	}
	return out
}

// next returns the first step boundary after t.
func (s Step) next(t time.Time, loc *time.Location) time.Time {
	if loc == nil {
		loc = time.UTC
	}
	l := t.In(loc)
	if length := s.ofHour(); length > 0 {
		// An hour of local time, or a part of it: where a zone is 30 or 45 minutes
		// off, so are its hours, and a transition inside an hour ends it.
		_, offset := l.Zone()
		seconds := int64(length / time.Second)
		into := time.Duration(((t.Unix()+int64(offset))%seconds+seconds)%seconds)*time.Second + time.Duration(t.Nanosecond())
		n := t.Add(length - into)
		if change, ok := nextChange(l, n); ok {
			n = change
		}
		return n.UTC()
	}
	// Where clocks are set back over midnight, a day returns after the next one
	// began; that time belongs to the next one, which has no boundary left.
	y, m, d := l.Date()
	for i := 1; ; i++ {
		var n time.Time
		switch s {
		case StepDay:
			n = startOfDay(y, m, d+i, loc)
		case StepWeek:
			n = startOfDay(y, m, d-(int(l.Weekday())+6)%7+7*i, loc)
		case StepMonth:
			n = startOfDay(y, m+time.Month(i), 1, loc)
		default:
			panic("BUG: step " + string(s) + " has no boundaries")
		}
		if n.After(t) {
			return n.UTC()
		}
	}
}

// startOfDay is the first instant of a local day, also where its midnight does
// not exist (some zones set clocks forward at midnight) or exists twice.
func startOfDay(y int, m time.Month, d int, loc *time.Location) time.Time {
	return atClock(time.Date(y, m, d, 0, 0, 0, 0, time.UTC), loc)
}

// atClock is the first instant at which clocks in a location show a date and
// time, which is given as if it were UTC; the instant of the jump where they
// are set forward over it.
func atClock(shown time.Time, loc *time.Location) time.Time {
	at := shown.Add(-16 * time.Hour).In(loc) // no clock anywhere shows it yet
	for {
		_, offset := at.Zone()
		begin := shown.Add(-time.Duration(offset) * time.Second).In(loc)
		if begin.Before(at) {
			return at // set forward over it
		}
		change, ok := nextChange(at, begin)
		if !ok {
			return begin
		}
		at = change
	}
}

// nextChange is the first instant after t, and at most limit, at which clocks in
// t's location are changed; false when there is none. ZoneBounds alone does not
// tell: beyond the changes that a zone lists it also ends at each new year, and
// on 31 December of leap years its end is not after t.
func nextChange(t, limit time.Time) (time.Time, bool) {
	_, offset := t.Zone()
	for at := t; ; {
		_, end := at.ZoneBounds()
		if !end.IsZero() && !end.After(at) {
			end = time.Date(at.UTC().Year()+1, 1, 1, 0, 0, 0, 0, time.UTC).In(t.Location())
		}
		if end.IsZero() || end.After(limit) {
			return time.Time{}, false
		}
		if _, next := end.Zone(); next != offset {
			return end, true
		}
		at = end
	}
}

// clockAt is what clocks in t's location show at t, as if it were UTC.
func clockAt(t time.Time) time.Time {
	_, offset := t.Zone()
	return t.UTC().Add(time.Duration(offset) * time.Second)
}

// ParseWindow reads a time range and resolves it against asOf in a location
// (nil is UTC):
//
//	7d, 2w, 36h, 3mo, 1d12h  so long, ending at asOf; d, w and mo by the calendar
//	today, yesterday, this-week, last-week, this-month, last-month, this-year, last-year
//	                       whole, so that today ends tomorrow at midnight
//	2026-01                the calendar month
//	2026-01-15             the day
//	2026-01-01..2026-01-31 both days included
//	2026-01-01T06:00:00Z..2026-01-02T06:00:00Z  the end excluded
//
// By the calendar means that clocks show the same time at both ends, so that 1d
// may be 23 or 25 hours; a month before 31 March is the last day of February.
func ParseWindow(s string, asOf time.Time, loc *time.Location) (Window, error) {
	if loc == nil {
		loc = time.UTC
	}
	w, err := parseWindow(strings.TrimSpace(s), asOf, loc)
	if err != nil {
		return Window{}, err
	}
	w.Start, w.End = w.Start.UTC(), w.End.UTC()
	if w.Start.Year() < 1 || w.End.Year() > 9999 {
		return Window{}, fmt.Errorf("range %q reaches beyond the years 1 to 9999", s)
	}
	if w.Empty() {
		return Window{}, fmt.Errorf("range %q is empty: it ends at %s, not after its start %s", s, w.End.Format(time.RFC3339), w.Start.Format(time.RFC3339))
	}
	return w, nil
}

func parseWindow(s string, asOf time.Time, loc *time.Location) (Window, error) {
	if from, to, ok := strings.Cut(s, ".."); ok {
		start, err := ParseTime(strings.TrimSpace(from), loc)
		if err != nil {
			return Window{}, fmt.Errorf("range %q: start: %w", s, err)
		}
		end, err := ParseEnd(strings.TrimSpace(to), loc)
		if err != nil {
			return Window{}, fmt.Errorf("range %q: end: %w", s, err)
		}
		return Window{start, end}, nil
	}
	if w, ok := namedWindow(s, asOf.In(loc)); ok {
		return w, nil
	}
	if t, err := time.Parse("2006-01", s); err == nil {
		y, m, _ := t.Date()
		return Window{startOfDay(y, m, 1, loc), startOfDay(y, m+1, 1, loc)}, nil
	}
	if t, err := time.Parse(time.DateOnly, s); err == nil {
		y, m, d := t.Date()
		return Window{startOfDay(y, m, d, loc), startOfDay(y, m, d+1, loc)}, nil
	}
	start, err := before(s, asOf, loc)
	if err != nil {
		return Window{}, fmt.Errorf("range %q is not understood: use 7d, 2w, 36h, last-month, 2026-01 or 2026-01-01..2026-01-31", s)
	}
	return Window{start, asOf}, nil
}

func namedWindow(s string, now time.Time) (Window, bool) {
	which, unit, _ := strings.Cut(s, "-")
	switch s {
	case "today":
		which, unit = "this", "day"
	case "yesterday":
		which, unit = "last", "day"
	}
	y, m, d := now.Date()
	at := func(y int, m time.Month, d int) time.Time { return startOfDay(y, m, d, now.Location()) }
	back := 0
	switch which {
	case "this":
	case "last":
		back = 1
	default:
		return Window{}, false
	}
	switch unit {
	case "day":
		return Window{at(y, m, d-back), at(y, m, d-back+1)}, true
	case "week":
		monday := d - (int(now.Weekday())+6)%7 - 7*back
		return Window{at(y, m, monday), at(y, m, monday+7)}, true
	case "month":
		return Window{at(y, m-time.Month(back), 1), at(y, m-time.Month(back)+1, 1)}, true
	case "year":
		return Window{at(y-back, 1, 1), at(y-back+1, 1, 1)}, true
	}
	return Window{}, false
}

// before returns asOf less a length such as 7d or 1w2d or 36h.
func before(s string, asOf time.Time, loc *time.Location) (time.Time, error) {
	t := asOf.In(loc)
	if s == "" {
		return t, fmt.Errorf("empty length")
	}
	for s != "" {
		n, digits := 0, 0
		for digits < len(s) && s[digits] >= '0' && s[digits] <= '9' && digits < 6 {
			n = n*10 + int(s[digits]-'0')
			digits++
		}
		rest := s[digits:]
		unit := rest
		if i := strings.IndexAny(rest, "0123456789"); i >= 0 {
			unit = rest[:i]
		}
		if digits == 0 || n == 0 {
			return t, fmt.Errorf("length %q is not understood", s)
		}
		switch unit {
		case "s":
			t = t.Add(-time.Duration(n) * time.Second)
		case "m":
			t = t.Add(-time.Duration(n) * time.Minute)
		case "h":
			t = t.Add(-time.Duration(n) * time.Hour)
		case "d":
			t = atClock(clockAt(t).AddDate(0, 0, -n), loc)
		case "w":
			t = atClock(clockAt(t).AddDate(0, 0, -7*n), loc)
		case "mo":
			t = atClock(monthsBefore(clockAt(t), n), loc)
		default:
			return t, fmt.Errorf("length %q is not understood", s)
		}
		s = rest[len(unit):]
	}
	return t, nil
}

// monthsBefore is the same day of the month n months before, or the last day of
// that month where it is shorter.
func monthsBefore(t time.Time, n int) time.Time {
	last := time.Date(t.Year(), t.Month()-time.Month(n)+1, 0, 0, 0, 0, 0, time.UTC)
	y, m, d := last.Date()
	return time.Date(y, m, min(d, t.Day()), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// ParseTime reads a date (its first instant in loc), an RFC 3339 time stamp, or
// one without an offset, which is what clocks in loc show: the first of two
// such instants, and the instant of the jump where they are set forward over it.
func ParseTime(s string, loc *time.Location) (time.Time, error) {
	if loc == nil {
		loc = time.UTC
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t.UTC(), nil
	}
	for _, layout := range []string{time.DateOnly, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04"} {
		if t, err := time.Parse(layout, s); err == nil {
			return atClock(t, loc).UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("time %q is not understood: use 2026-01-31 or 2026-01-31T08:00:00Z", s)
}

// ParseEnd reads the end of a range: a date includes that day, a time stamp is
// excluded.
func ParseEnd(s string, loc *time.Location) (time.Time, error) {
	if loc == nil {
		loc = time.UTC
	}
	if t, err := time.Parse(time.DateOnly, s); err == nil {
		y, m, d := t.Date()
		return startOfDay(y, m, d+1, loc).UTC(), nil
	}
	return ParseTime(s, loc)
}
