package report

import (
	"math"
	"testing"
	"time"
)

func TestFormatNumbers(t *testing.T) {
	f := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f(FormatRatio(0.4032), "40.3 %")
	f(FormatRatio(0), "0.0 %")
	f(FormatRatio(-0.0001), "0.0 %")
	f(FormatRatio(-0.25), "-25.0 %")
	f(FormatRatio(12.5), "1,250.0 %")
	f(FormatRatio(math.NaN()), "-")

	f(FormatBytes(0), "0 B")
	f(FormatBytes(1023), "1,023 B")
	f(FormatBytes(1023.4), "1,023 B")
	f(FormatBytes(1023.5), "1.0 KiB")
	f(FormatBytes(1024), "1.0 KiB")
	f(FormatBytes(1<<20-1), "1.0 MiB") // 1023.999 KiB
	f(FormatBytes(1023.9*1024), "1,023.9 KiB")
	f(FormatBytes(1610612736), "1.5 GiB")
	f(FormatBytes(-1536), "-1.5 KiB")
	f(FormatBytes(math.Pow(1024, 11)), "1,024.0 QiB")
	f(FormatBytes(math.Inf(1)), "-")
	f(FormatByteRate(1536), "1.5 KiB/s")
	f(FormatByteRate(math.NaN()), "-")

	f(FormatCount(0), "0")
	f(FormatCount(999), "999")
	f(FormatCount(1000), "1,000")
	f(FormatCount(43200000), "43,200,000")
	f(FormatCount(-1234), "-1,234")
	f(FormatCount(-123), "-123")
	f(FormatCount(math.MinInt64), "-9,223,372,036,854,775,808")

	f(FormatNumber(1234.5, 2), "1,234.50")
	f(FormatNumber(-0.004, 2), "0.00")
	f(FormatNumber(-0.006, 2), "-0.01")
	f(FormatNumber(2.6, 0), "3")
	f(FormatNumber(2.6, -4), "3")
	f(FormatNumber(math.Inf(-1), 1), "-")
}

func TestFormatDuration(t *testing.T) {
	f := func(d time.Duration, want string) {
		t.Helper()
		if got := FormatDuration(d); got != want {
			t.Errorf("%d ns: got %q, want %q", d, got, want)
		}
	}
	f(0, "0s")
	f(1, "1ns")
	f(1500, "2us")
	f(999_600, "1ms")
	f(250*time.Millisecond, "250ms")
	f(999_600*time.Microsecond, "1s")
	f(time.Second, "1s")
	f(2500*time.Millisecond, "2.5s")
	f(9960*time.Millisecond, "10s")
	f(45*time.Second, "45s")
	f(59700*time.Millisecond, "1m")
	f(12*time.Minute+30*time.Second, "12m30s")
	f(59*time.Minute+59800*time.Millisecond, "1h")
	f(90*time.Minute, "1h30m")
	f(3*time.Hour+20*time.Minute+31*time.Second, "3h21m")
	f(23*time.Hour+59*time.Minute+45*time.Second, "1d")
	f(76*time.Hour, "3d4h")
	f(72*time.Hour+29*time.Minute, "3d")
	f(400*24*time.Hour, "400d")
	f(-90*time.Minute, "-1h30m")
	f(math.MinInt64, "-106751d23h") // 23 h 47 min is rounded to the hour below, which the day's end is 13 min from
	f(math.MaxInt64, "106751d23h")
}

func TestFormatTime(t *testing.T) {
	kolkata := time.FixedZone("IST", 5*3600+1800)
	at := time.Date(2013, 8, 1, 0, 0, 0, 0, time.UTC)
	f := func(t2 time.Time, l *time.Location, want string) {
		t.Helper()
		if got := FormatTime(t2, l); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f(at, nil, "2013-08-01 00:00 UTC")
	f(at, kolkata, "2013-08-01 05:30 IST")
	f(at.Add(7*time.Second), time.UTC, "2013-08-01 00:00:07 UTC")
	f(time.Time{}, nil, "-")
}
