package files

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// Bounds by which the magnitude of a whole number tells seconds from
// milliseconds: 1e11 seconds are in the year 5138, 1e11 milliseconds are in
// March 1973, and 1e14 milliseconds are in the year 5138 again.
const (
	firstMillisecond = 1e11
	pastMilliseconds = 1e14
)

var errStamp = errors.New("is not a time: use Unix seconds, Unix milliseconds or RFC 3339 (2026-01-31T08:00:00Z)")

// parseStamp reads the time of a sample: Unix seconds (with a fraction or
// without), Unix milliseconds, told by magnitude, or RFC 3339 with a zone. The
// result is in Unix milliseconds, rounded, and negative before 1970.
func parseStamp(b []byte) (int64, error) {
	n, whole := int64(0), len(b) > 0 && len(b) <= 15
	for _, c := range b {
		if c < '0' || c > '9' {
			whole = false
			break
		}
		n = n*10 + int64(c-'0')
	}
	if whole {
		return stampOfNumber(float64(n))
	}
	if v, err := parseNumber(b); err == nil {
		return stampOfNumber(v)
	}
	if ms, ok := parseDateTime(b); ok {
		return ms, nil
	}
	if hasNoZone(string(b)) {
		return 0, errNoZone(string(b))
	}
	return 0, errStamp
}

// stampOfNumber reads seconds or milliseconds since 1970, told by magnitude.
func stampOfNumber(v float64) (int64, error) {
	switch size := math.Abs(v); {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return 0, errStamp
	case size >= pastMilliseconds:
		return 0, errors.New("is too large for Unix milliseconds: divide microseconds by 1000 and nanoseconds by 1000000")
	case size >= firstMillisecond:
		return int64(math.Round(v)), nil
	}
	return int64(math.Round(v * 1000)), nil
}

// hasNoZone says whether a text is a date or a time that lacks only its zone.
func hasNoZone(s string) bool {
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly} {
		if _, err := time.Parse(layout, s); err == nil {
			return true
		}
	}
	return false
}

func errNoZone(s string) error {
	t := s
	switch {
	case len(s) == len("2006-01-02"):
		t = s + "T00:00:00"
	case len(s) == len("2006-01-02T15:04"):
		t = s + ":00"
	}
	b := []byte(t)
	b[10] = 'T'
	return fmt.Errorf("has no time zone: write %sZ for UTC, or add an offset such as +05:30", b)
}

// parseDateTime reads RFC 3339: 2026-01-31T08:00:00.25+05:30, with a space or a
// lower-case t in place of T too.
func parseDateTime(b []byte) (int64, bool) {
	if len(b) < len("2006-01-02T15:04:05Z") || b[4] != '-' || b[7] != '-' || b[13] != ':' || b[16] != ':' {
		return 0, false
	}
	if b[10] != 'T' && b[10] != 't' && b[10] != ' ' {
		return 0, false
	}
	century, ok1 := two(b, 0)
	year, ok2 := two(b, 2)
	month, ok3 := two(b, 5)
	day, ok4 := two(b, 8)
	hour, ok5 := two(b, 11)
	minute, ok6 := two(b, 14)
	second, ok7 := two(b, 17)
	if !(ok1 && ok2 && ok3 && ok4 && ok5 && ok6 && ok7) || hour > 23 || minute > 59 || second > 59 {
		return 0, false
	}
	t := time.Date(100*century+year, time.Month(month), day, hour, minute, second, 0, time.UTC)
	if t.Day() != day || int(t.Month()) != month {
		return 0, false
	}
	nanoseconds, rest, ok := fraction(b[19:])
	if !ok {
		return 0, false
	}
	offset, ok := zone(rest)
	if !ok {
		return 0, false
	}
	return t.UnixMilli() - int64(offset)*60_000 + (nanoseconds+500_000)/1_000_000, true
}

// two reads two digits.
func two(b []byte, at int) (int, bool) {
	x, y := b[at]-'0', b[at+1]-'0'
	return int(x)*10 + int(y), x <= 9 && y <= 9
}

// fraction reads an optional fraction of a second, in nanoseconds; digits
// beyond the ninth do not count.
func fraction(b []byte) (nanoseconds int64, rest []byte, ok bool) {
	if len(b) == 0 || b[0] != '.' {
		return 0, b, true
	}
	unit, i := int64(100_000_000), 1
	for ; i < len(b) && b[i] >= '0' && b[i] <= '9'; i++ {
		nanoseconds += int64(b[i]-'0') * unit
		unit /= 10
	}
	return nanoseconds, b[i:], i > 1
}

// zone reads Z or an offset from UTC such as +05:30, in minutes.
func zone(b []byte) (int, bool) {
	if len(b) == 1 {
		return 0, b[0] == 'Z' || b[0] == 'z'
	}
	if len(b) != len("+05:30") || b[3] != ':' || (b[0] != '+' && b[0] != '-') {
		return 0, false
	}
	hours, ok1 := two(b, 1)
	minutes, ok2 := two(b, 4)
	if !ok1 || !ok2 || hours > 23 || minutes > 59 {
		return 0, false
	}
	if b[0] == '-' {
		return -60*hours - minutes, true
	}
	return 60*hours + minutes, true
}
