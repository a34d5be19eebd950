package dayfile

import (
	"fmt"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

// Day is a UTC day, counted from 1970-01-01, which is day 0.
type Day int32

// millisPerDay is the length of a UTC day; leap seconds are not counted.
const millisPerDay = 24 * 60 * 60 * 1000

// maxDay is the day that holds fleet.MaxTime.
const maxDay = Day(fleet.MaxTime / millisPerDay)

// DayOf returns the day that holds a time in Unix milliseconds.
func DayOf(ms int64) Day {
	d := ms / millisPerDay
	if ms%millisPerDay < 0 {
		d--
	}
	return Day(d)
}

// ParseDay reads a day such as 2013-08-01.
func ParseDay(s string) (Day, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return 0, fmt.Errorf("day %q is not of the form 2013-08-01", s)
	}
	return DayOf(t.UnixMilli()), nil
}

// String prints the day as 2013-08-01.
func (d Day) String() string { return time.UnixMilli(d.Start()).UTC().Format(time.DateOnly) }

// Start is the day's first instant in Unix milliseconds.
func (d Day) Start() int64 { return int64(d) * millisPerDay }

// Window is the day's time, in UTC.
func (d Day) Window() fleet.Window {
	start := time.UnixMilli(d.Start()).UTC()
	return fleet.Window{Start: start, End: start.AddDate(0, 0, 1)}
}

// Contains says whether a time in Unix milliseconds lies in the day.
func (d Day) Contains(ms int64) bool { return DayOf(ms) == d }
