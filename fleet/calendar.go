package fleet

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Calendar says which time counts: the weekly hours, if any are given, less
// the excluded windows. The zero Calendar is all time. It is a value, so that
// an engine can push it down.
type Calendar struct {
	// Hours are the weekly hours that count; empty means all of them.
	Hours []WeeklyHours `json:"hours,omitempty"`
	// Location is where Hours are read; nil is UTC.
	Location *time.Location `json:"-"`
	// Exclude are windows left out, such as maintenance; a zero bound is open.
	Exclude []Window `json:"exclude,omitempty"`
}

// WeeklyHours are the hours [From, To) of the given days, in minutes of the
// local day; To is at most 1440, and at or below From it runs past midnight
// into the next day. An instant counts when clocks there show such a time: an
// hour shown twice counts twice, one never shown does not count.
type WeeklyHours struct {
	Days     []time.Weekday `json:"days"`
	From, To int
}

// IsZero says whether the calendar is all time.
func (c Calendar) IsZero() bool { return len(c.Hours) == 0 && len(c.Exclude) == 0 }

// ParseHours reads weekly hours such as "mon-fri 09:00-17:00", several joined
// by "; ", a day list such as "mon,wed,fri" or "sat-sun", and "daily". Hours
// such as 22:00-06:00 run into the next day; a day ends at 24:00.
func ParseHours(s string) ([]WeeklyHours, error) {
	var out []WeeklyHours
	for part := range strings.SplitSeq(s, ";") {
		days, hours, ok := strings.Cut(strings.TrimSpace(part), " ")
		if !ok {
			return nil, fmt.Errorf("hours %q: use mon-fri 09:00-17:00", part)
		}
		list, err := parseDays(days)
		if err != nil {
			return nil, fmt.Errorf("hours %q: %w", part, err)
		}
		from, to, ok := strings.Cut(hours, "-")
		f, err1 := parseClock(strings.TrimSpace(from))
		t, err2 := parseClock(strings.TrimSpace(to))
		if !ok || err1 != nil || err2 != nil || f == t || f == 1440 {
			return nil, fmt.Errorf("hours %q: %q is not a range of hours such as 09:00-17:00", part, hours)
		}
		out = append(out, WeeklyHours{Days: list, From: f, To: t})
	}
	return out, nil
}

func parseDays(s string) ([]time.Weekday, error) {
	s = strings.ToLower(s)
	if s == "daily" {
		s = "mon-sun"
	}
	var out []time.Weekday
	for part := range strings.SplitSeq(s, ",") {
		from, to, isRange := strings.Cut(part, "-")
		a, err := parseDay(from)
		if err != nil {
			return nil, err
		}
		b := a
		if isRange {
			if b, err = parseDay(to); err != nil {
				return nil, err
			}
		}
		for d := a; ; d = (d + 1) % 7 {
			if !slices.Contains(out, d) {
				out = append(out, d)
			}
			if d == b {
				break
			}
		}
	}
	return out, nil
}

func parseDay(s string) (time.Weekday, error) {
	for d := time.Sunday; d <= time.Saturday; d++ {
		if name := strings.ToLower(d.String()); s == name || s == name[:3] {
			return d, nil
		}
	}
	return 0, fmt.Errorf("unknown day %q: use mon, tue, wed, thu, fri, sat, sun", s)
}

func parseClock(s string) (int, error) {
	if s == "24:00" {
		return 1440, nil
	}
	t, err := time.Parse("15:04", s)
	if err != nil {
		return 0, fmt.Errorf("unknown time of day %q: use 09:00", s)
	}
	return t.Hour()*60 + t.Minute(), nil
}

// Within returns the parts of a window that count, in order, none touching
// the next.
func (c Calendar) Within(w Window) []Window {
	if w.Empty() {
		return nil
	}
	open := []Window{w}
	if len(c.Hours) > 0 {
		open = c.weekly(w)
	}
	if len(c.Exclude) == 0 {
		return open
	}
	var holes []Window
	for _, x := range c.Exclude {
		holes = append(holes, x.Intersect(w))
	}
	return subtract(open, union(holes))
}

// Duration is the time in a window that counts.
func (c Calendar) Duration(w Window) time.Duration {
	if c.IsZero() {
		return w.Duration()
	}
	var sum time.Duration
	for _, x := range c.Within(w) {
		sum += x.Duration()
	}
	return sum
}

// weekly works through the stretches of time between two changes of clocks, in
// which local time is a constant off UTC.
func (c Calendar) weekly(w Window) []Window {
	loc := c.Location
	if loc == nil {
		loc = time.UTC
	}
	var out []Window
	for at := w.Start.In(loc); at.Before(w.End); {
		_, offset := at.Zone()
		stretch := Window{at.UTC(), w.End.UTC()}
		if change, ok := nextChange(at, w.End); ok {
			stretch.End = change.UTC()
		}
		out = c.within(out, stretch, time.Duration(offset)*time.Second)
		at = stretch.End.In(loc)
	}
	return union(out)
}

// within appends the hours in a stretch of time in which clocks are offset
// ahead of UTC.
func (c Calendar) within(out []Window, stretch Window, offset time.Duration) []Window {
	y, m, d := stretch.Start.Add(offset).Date()
	day := time.Date(y, m, d-1, 0, 0, 0, 0, time.UTC) // hours of the day before may run into the stretch
	for ; day.Before(stretch.End.Add(offset)); day = day.AddDate(0, 0, 1) {
		for _, h := range c.Hours {
			if !slices.Contains(h.Days, day.Weekday()) {
				continue
			}
			to := h.To
			if to <= h.From {
				to += 1440
			}
			begin := day.Add(-offset)
			x := Window{begin.Add(time.Duration(h.From) * time.Minute), begin.Add(time.Duration(to) * time.Minute)}.Intersect(stretch)
			if !x.Empty() {
				out = append(out, x)
			}
		}
	}
	return out
}

// union sorts windows and joins those that touch or overlap.
func union(list []Window) []Window {
	slices.SortFunc(list, func(a, b Window) int { return a.Start.Compare(b.Start) })
	var out []Window
	for _, x := range list {
		if x.Empty() {
			continue
		}
		if n := len(out); n > 0 && !x.Start.After(out[n-1].End) {
			if x.End.After(out[n-1].End) {
				out[n-1].End = x.End
			}
			continue
		}
		out = append(out, x)
	}
	return out
}

// subtract removes windows from windows; both are sorted and disjoint.
func subtract(from, holes []Window) []Window {
	var out []Window
	for _, x := range from {
		for _, h := range holes {
			if !h.End.After(x.Start) || !h.Start.Before(x.End) {
				continue
			}
			if h.Start.After(x.Start) {
				out = append(out, Window{x.Start, h.Start})
			}
			x.Start = h.End
			if !x.Start.Before(x.End) {
				break
			}
		}
		if !x.Empty() {
			out = append(out, x)
		}
	}
	return out
}
