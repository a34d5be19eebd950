package report

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// unknownMark is what an unknown value looks like to people.
const unknownMark = "-"

// day is 24 hours; durations know nothing of daylight saving.
const day = 24 * time.Hour

// FormatRatio writes a ratio as a percentage with one decimal, 0.4032 as "40.3 %". A ratio that is not a finite number
// is written as "-".
func FormatRatio(ratio float64) string {
	return formatPercent(ratio, 1)
}

func formatPercent(ratio float64, digits int) string {
	if !finite(ratio) {
		return unknownMark
	}
	return FormatNumber(ratio*100, digits) + " %"
}

// binaryUnits are the steps of 1,024 a size is written in; a float64 beyond 1,024 QiB stays in QiB.
var binaryUnits = [...]string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB", "RiB", "QiB"}

// FormatBytes writes a number of bytes in the binary unit that leaves less than 1,024 before the point, with one
// decimal from KiB up: 1610612736 as "1.5 GiB". A number that is not finite is written as "-".
func FormatBytes(bytes float64) string {
	return formatBytes(bytes, 0)
}

// formatBytes is FormatBytes with as many decimals, up to 6, as tell numbers apart that differ by a step.
func formatBytes(bytes, step float64) string {
	if !finite(bytes) {
		return unknownMark
	}
	unit := 0
	// 1023.95 KiB would be printed as 1024.0 KiB, so the limit is where rounding to one decimal gets there.
	for limit := 1023.5; math.Abs(bytes) >= limit && unit < len(binaryUnits)-1; limit = 1023.95 {
		bytes /= 1024
		step /= 1024
		unit++
	}
	digits := 1
	if unit == 0 {
		digits = 0
	}
	for ; step > 0 && step < 1 && digits < 6 && step*math.Pow10(digits) < 1; digits++ {
	}
	return FormatNumber(bytes, digits) + " " + binaryUnits[unit]
}

// FormatByteRate writes bytes per second as FormatBytes does, followed by "/s".
func FormatByteRate(bytesPerSecond float64) string {
	if !finite(bytesPerSecond) {
		return unknownMark
	}
	return FormatBytes(bytesPerSecond) + "/s"
}

// FormatDuration writes a duration in its two largest units without spaces, rounded to the smaller of them: "3d4h",
// "1h30m", "12m30s", "45s", "2.5s", "250ms". A day is 24 hours.
func FormatDuration(d time.Duration) string {
	if d < 0 {
		if d == math.MinInt64 {
			d++ // has no positive counterpart; a nanosecond in 292 years is not seen
		}
		return "-" + FormatDuration(-d)
	}
	if d < time.Second {
		return formatSubsecond(d)
	}
	if d < 10*time.Second {
		if r := d.Round(100 * time.Millisecond); r < 10*time.Second {
			return strconv.FormatFloat(r.Seconds(), 'f', -1, 64) + "s"
		}
	}
	r := d.Round(time.Second)
	if r < time.Minute {
		return strconv.FormatInt(int64(r/time.Second), 10) + "s"
	}
	if r < time.Hour {
		return twoUnits(r, time.Minute, "m", time.Second, "s")
	}
	if r = d.Round(time.Minute); r < day {
		return twoUnits(r, time.Hour, "h", time.Minute, "m")
	}
	return twoUnits(d.Round(time.Hour), day, "d", time.Hour, "h")
}

func formatSubsecond(d time.Duration) string {
	switch {
	case d == 0:
		return "0s"
	case d < time.Microsecond:
		return strconv.FormatInt(int64(d), 10) + "ns"
	case d.Round(time.Microsecond) < time.Millisecond:
		return strconv.FormatInt(int64(d.Round(time.Microsecond)/time.Microsecond), 10) + "us"
	}
	if r := d.Round(time.Millisecond); r < time.Second {
		return strconv.FormatInt(int64(r/time.Millisecond), 10) + "ms"
	}
	return "1s"
}

func twoUnits(d, large time.Duration, largeName string, small time.Duration, smallName string) string {
	s := strconv.FormatInt(int64(d/large), 10) + largeName
	if rest := d % large / small; rest != 0 {
		s += strconv.FormatInt(int64(rest), 10) + smallName
	}
	return s
}

// FormatCount writes a whole number with a comma between thousands, 43200000 as "43,200,000".
func FormatCount(n int64) string {
	return groupThousands(strconv.FormatInt(n, 10))
}

// FormatNumber writes a number with the given count of decimals (negative counts as none) and a comma between
// thousands, 1234.5 with two as "1,234.50". A number that is not finite is written as "-"; one that rounds to zero has
// no sign.
func FormatNumber(number float64, digits int) string {
	if !finite(number) {
		return unknownMark
	}
	s := strconv.FormatFloat(number, 'f', max(digits, 0), 64)
	if s[0] == '-' && strings.Trim(s, "-0.") == "" {
		s = s[1:]
	}
	return groupThousands(s)
}

// groupThousands puts commas into the whole part of a decimal number.
func groupThousands(s string) string {
	sign := ""
	if s[0] == '-' {
		sign, s = s[:1], s[1:]
	}
	whole, fraction, _ := strings.Cut(s, ".")
	var b strings.Builder
	b.WriteString(sign)
	for i, digit := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(digit)
	}
	if fraction != "" {
		b.WriteString("." + fraction)
	}
	return b.String()
}

// FormatTime writes a time in a location (nil means UTC) to the minute, or to the second where it has seconds, with
// the zone's abbreviation: "2013-08-01 00:00 UTC". The zero time is written as "-".
func FormatTime(t time.Time, location *time.Location) string {
	if t.IsZero() {
		return unknownMark
	}
	if location == nil {
		location = time.UTC
	}
	t = t.In(location)
	if t.Second() == 0 {
		return t.Format("2006-01-02 15:04 MST")
	}
	return t.Format("2006-01-02 15:04:05 MST")
}

func finite(f float64) bool {
	return !math.IsNaN(f) && !math.IsInf(f, 0)
}
