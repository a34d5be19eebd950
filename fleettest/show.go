package fleettest

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

// showTime prints a time in UTC as short as it allows: the date, then hours and
// minutes, then all of it.
func showTime(t time.Time) string {
	t = t.UTC()
	switch {
	case t.IsZero():
		return "-"
	case t.Nanosecond() != 0:
		return t.Format(time.RFC3339Nano)
	case t.Second() != 0:
		return t.Format("2006-01-02T15:04:05")
	case t.Hour() != 0 || t.Minute() != 0:
		return t.Format("2006-01-02T15:04")
	}
	return t.Format(time.DateOnly)
}

func showWindow(w fleet.Window) string { return showTime(w.Start) + ".." + showTime(w.End) }

// showDuration prints 25h, 90m, 30s.
func showDuration(d time.Duration) string {
	switch {
	case d%time.Hour == 0:
		return strconv.FormatInt(int64(d/time.Hour), 10) + "h"
	case d%time.Minute == 0:
		return strconv.FormatInt(int64(d/time.Minute), 10) + "m"
	case d%time.Second == 0:
		return strconv.FormatInt(int64(d/time.Second), 10) + "s"
	}
	return d.String()
}

// showFloat prints up to ten significant digits, without the noise of floats.
func showFloat(v float64) string { return strconv.FormatFloat(v, 'g', 10, 64) }

// showGroup names a process group behind its host.
func showGroup(group string) string {
	if group == "" {
		return ""
	}
	return "/" + group
}

// showRecord names a record by host and the start of its validity.
func showRecord(r *fleet.Record) string {
	if r == nil {
		return "?"
	}
	return string(r.Host) + "@" + showTime(r.From)
}

// showProfile prints a profile on one line:
//
//	web-1@- 2024-01-01 n=3 covered=15m expected=24h 0.1:10m 0.2:5m
//
// record, and the process group behind it, start of the step, samples, time covered and expected, and the time
// spent at each value.
func showProfile(m fleet.Metric, p *fleet.Profile) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s%s %s n=%d covered=%s expected=%s", showRecord(p.Record), showGroup(p.Group), showTime(p.Window.Start), p.Count, showDuration(p.Covered), showDuration(p.Expected))
	if p.WithoutCapacity > 0 {
		fmt.Fprintf(&b, " without_capacity=%d", p.WithoutCapacity)
	}
	for i := range p.Distribution.Len() {
		x := p.Distribution.Bin(i)
		fmt.Fprintf(&b, " %s:%s", showFloat(m.Value(x.Value)), showDuration(time.Duration(x.Weight)*time.Millisecond))
	}
	return b.String()
}

// showSeries prints a block of a series on one line:
//
//	web-1@- 5m 2024-01-01T00:00=0.1 2024-01-01T00:05=0.2
func showSeries(m fleet.Metric, s *fleet.Series) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s%s %s", showRecord(s.Record), showGroup(s.Group), showDuration(time.Duration(s.Step)*time.Millisecond))
	for i, t := range s.Start {
		fmt.Fprintf(&b, " %s=%s", showTime(time.UnixMilli(t)), showFloat(m.Value(s.Values[i])))
	}
	return b.String()
}
