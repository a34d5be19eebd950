package config

import (
	"encoding"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseDuration(t *testing.T) {
	for _, c := range []struct {
		in   string
		want time.Duration
		out  string
	}{
		{"90s", 90 * time.Second, "1m30s"},
		{"5m", 5 * time.Minute, "5m"},
		{"24h", day, "1d"},
		{"7d", week, "1w"},
		{"2w", 2 * week, "2w"},
		{"1w2d", 9 * day, "9d"},
		{"1d12h", 36 * time.Hour, "1d12h"},
		{"400d", 400 * day, "400d"},
		{"1w2d3h4m5s6ms", 9*day + 3*time.Hour + 4*time.Minute + 5*time.Second + 6*time.Millisecond, "9d3h4m5s6ms"},
		{"0s", 0, "0s"},
		{"0w0ms", 0, "0s"},
		{"007d", week, "1w"},
	} {
		got, err := ParseDuration(c.in)
		if err != nil || time.Duration(got) != c.want || got.String() != c.out {
			t.Errorf("ParseDuration(%q) = %v (%s), %v; want %v (%s)", c.in, time.Duration(got), got, err, c.want, c.out)
		}
	}
	for in, want := range map[string]string{
		"":                       "empty duration",
		"5":                      "5 has no unit",
		"d":                      "expected a number",
		"-1h":                    "expected a number",
		"1.5h":                   "has a fraction",
		"1h30":                   "30 has no unit",
		"1h1d":                   "the larger first",
		"1d1d":                   "once each",
		"1y":                     `unknown unit "y"`,
		"1 d":                    `unknown unit " d"`,
		"1D":                     `unknown unit "D"`,
		"99999999999999999999w":  "longer than 292 years",
		"15250w1d":               "",
		"15251w":                 "longer than 292 years",
		"15250w2d99999999h":      "longer than 292 years",
		"1d\n":                   "unknown unit",
		strings.Repeat("1d", 99): "once each",
	} {
		d, err := ParseDuration(in)
		if want == "" {
			if err != nil {
				t.Errorf("ParseDuration(%q): %v", in, err)
			}
		} else if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseDuration(%q) = %v, %v; want an error with %q", in, d, err, want)
		}
	}
	if got := Duration(1500 * time.Microsecond).String(); got != "1ms" {
		t.Errorf("below a millisecond: %s", got)
	}
}

func TestDurationRoundTrip(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		d := Duration(rapid.Int64Range(0, math.MaxInt64/int64(time.Millisecond)).Draw(r, "ms") * int64(time.Millisecond))
		if again, err := ParseDuration(d.String()); err != nil || again != d {
			r.Fatalf("%d prints as %s, which is %d, %v", d, d, again, err)
		}
	})
}

func TestParseBytes(t *testing.T) {
	for _, c := range []struct {
		in   string
		want Bytes
		out  string
	}{
		{"0", 0, "0B"}, {"1024", 1024, "1KiB"}, {"1B", 1, "1B"}, {"256MiB", 256 << 20, "256MiB"}, {"256 MiB", 256 << 20, "256MiB"}, {"1.5GiB", 3 << 29, "1536MiB"},
		{"1kB", 1000, "1kB"}, {"1.5GB", 1500000000, "1500MB"}, {"2PiB", 2 << 50, "2PiB"}, {"3TB", 3000000000000, "3TB"}, {"1234567", 1234567, "1234567B"},
	} {
		got, err := ParseBytes(c.in)
		if err != nil || got != c.want || got.String() != c.out {
			t.Errorf("ParseBytes(%q) = %d (%s), %v; want %d (%s)", c.in, got, got, err, c.want, c.out)
		}
	}
	for in, want := range map[string]string{
		"":                                 "not a number",
		"MiB":                              "not a number",
		"-1MiB":                            "not a number",
		"1..5MiB":                          "not a number",
		".5MiB":                            "not a number",
		"5.MiB":                            "not a number",
		"1e3":                              "unknown unit",
		"256mib":                           "did you mean MiB?",
		"256M":                             "did you mean MiB?",
		"1KB":                              "did you mean kB?",
		"1  MiB":                           "unknown unit",
		"1 apple":                          "use a unit such as",
		"0.5B":                             "not a whole number",
		"1.0000001KiB":                     "not a whole number",
		"9999999PiB":                       "too large",
		strings.Repeat("1", 50):            "not a number",
		"0." + strings.Repeat("0", 999999): "not a number",
	} {
		if got, err := ParseBytes(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseBytes(%.20q) = %d, %v; want an error with %q", in, got, err, want)
		}
	}
	rapid.Check(t, func(r *rapid.T) {
		b := Bytes(rapid.Int64Range(0, math.MaxInt64).Draw(r, "bytes"))
		if again, err := ParseBytes(b.String()); err != nil || again != b {
			r.Fatalf("%d prints as %s, which is %d, %v", b, b, again, err)
		}
	})
}

func TestClock(t *testing.T) {
	for m := Clock(0); m <= 1440; m++ {
		var again Clock
		if err := again.UnmarshalText([]byte(m.String())); err != nil || again != m {
			t.Fatalf("%d prints as %s, which is %d, %v", m, m, again, err)
		}
	}
	for _, in := range []string{"", "9:00", "09:60", "24:01", "25:00", "09.00", "09:0", "+9:00", "09:+1", "0900", "09:00:00"} {
		var c Clock
		if err := c.UnmarshalText([]byte(in)); err == nil {
			t.Errorf("%q reads as %s", in, c)
		}
	}
}

func TestDayRange(t *testing.T) {
	for _, c := range []struct{ in, days string }{
		{"mon", "Monday"},
		{"mon-wed", "Monday Tuesday Wednesday"},
		{"sat-mon", "Saturday Sunday Monday"},
		{"sun-sat", "Sunday Monday Tuesday Wednesday Thursday Friday Saturday"},
	} {
		var r DayRange
		if err := r.UnmarshalText([]byte(c.in)); err != nil || r.String() != c.in {
			t.Errorf("%q reads as %s, %v", c.in, r, err)
		}
		var names []string
		for _, d := range r.Days() {
			names = append(names, d.String())
		}
		if got := strings.Join(names, " "); got != c.days {
			t.Errorf("%s is %s, want %s", c.in, got, c.days)
		}
	}
	for _, in := range []string{"", "-", "mon-", "-fri", "monday", "Mon", "mon-fri-sat", "mo"} {
		var r DayRange
		if err := r.UnmarshalText([]byte(in)); err == nil {
			t.Errorf("%q reads as %s", in, r)
		}
	}
}

// FuzzValues feeds every reader of a single value: what it takes, it must write
// so that it reads the same again.
func FuzzValues(f *testing.F) {
	for _, s := range []string{"1w2d", "400d", "1h1h", "256MiB", "1.5 GB", "09:00", "24:00", "mon-fri", "99.9", "0.0001", "1048576", "Europe/Berlin", "dept=eng,env!=dev", "${A:-b}$$", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if out, referred, mistakes := expand(escape(s), testEnv); out != s || referred || len(mistakes) > 0 {
			t.Errorf("expand(escape(%q)) = %q, %v, %v", s, out, referred, mistakes)
		}
		again(t, s, new(Duration), new(Duration))
		again(t, s, new(Bytes), new(Bytes))
		again(t, s, new(Clock), new(Clock))
		again(t, s, new(DayRange), new(DayRange))
		again(t, s, new(Percentile), new(Percentile))
		again(t, s, new(Resolution), new(Resolution))
		_ = new(TimeZone).UnmarshalText([]byte(s))
		_ = new(Selector).UnmarshalText([]byte(s))
	})
}

// again reads s into a, and what a writes into b.
func again[T comparable](t *testing.T, s string, a, b *T) {
	t.Helper()
	if any(a).(encoding.TextUnmarshaler).UnmarshalText([]byte(s)) != nil {
		return
	}
	text, err := any(a).(encoding.TextMarshaler).MarshalText()
	if err == nil {
		err = any(b).(encoding.TextUnmarshaler).UnmarshalText(text)
	}
	if err != nil || *a != *b {
		t.Errorf("%q reads as %v, which is written %q and reads as %v, %v", s, *a, text, *b, err)
	}
}

// TestShareAndAmount: what is taken, and what number it is.
func TestShareAndAmount(t *testing.T) {
	share := func(text string, want float64, given bool) {
		t.Helper()
		var s Share
		if err := s.UnmarshalText([]byte(text)); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if v, ok := s.Value(); v != want || ok != given {
			t.Errorf("%q: %v, %v", text, v, ok)
		}
	}
	share("", 0, false)
	share("0", 0, true)
	share("1", 1, true)
	share("0.95", 0.95, true)
	share("95%", 0.95, true)
	share("0.5%", 0.005, true)
	for _, text := range []string{"101%", "1.1", "-0.1", "many", "%", "95 %", "NaN", "1e9%"} {
		var s Share
		if err := s.UnmarshalText([]byte(text)); err == nil || s != "" {
			t.Errorf("%q was taken", text)
		}
	}
	amount := func(text string, want float64, given bool) {
		t.Helper()
		var a Amount
		if err := a.UnmarshalText([]byte(text)); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if v, ok := a.Value(); v != want || ok != given {
			t.Errorf("%q: %v, %v", text, v, ok)
		}
	}
	amount("", 0, false)
	amount("12.50", 12.5, true)
	for _, text := range []string{"-1", "ten", "$5", "Inf"} {
		var a Amount
		if err := a.UnmarshalText([]byte(text)); err == nil || a != "" {
			t.Errorf("%q was taken", text)
		}
	}
}
