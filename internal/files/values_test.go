package files

import (
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/fleet"

	"pgregory.net/rapid"
)

func TestParseNumber(t *testing.T) {
	f := func(text string, want float64) {
		t.Helper()
		got, err := parseNumber([]byte(text))
		if err != nil || math.Float64bits(got) != math.Float64bits(want) && !(math.IsNaN(got) && math.IsNaN(want)) {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
	}
	f("0", 0)
	f("12", 12)
	f("0.4032", 0.4032)
	f(".5", .5)
	f("5.", 5)
	f("123456789012345", 123456789012345)
	f("0.1234567890123456789", 0.1234567890123456789)
	f("-1.5", -1.5)
	f("+1.5", 1.5)
	f("1e3", 1000)
	f("1E-3", .001)
	f("1e999", math.Inf(1))
	f("NaN", math.NaN())
	f("-inf", math.Inf(-1))
	f("Infinity", math.Inf(1))
	for _, text := range []string{"", "abc", "1,5", "1_000", "0x10", "1.2.3", ".", "-", "1e", "n/a", "null", "١"} {
		if v, err := parseNumber([]byte(text)); err == nil {
			t.Errorf("%q is read as %v", text, v)
		}
	}
}

func FuzzParseNumber(f *testing.F) {
	for _, s := range []string{"0", "0.4032", "1e400", "-0", "123456789012345678", "nan", "0x1p-2", "1_0", "."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := parseNumber([]byte(s))
		want, wantErr := strconv.ParseFloat(s, 64)
		if err != nil {
			if wantErr == nil && !strings.ContainsAny(s, "_xXpP") {
				t.Errorf("%q is refused; strconv reads %v", s, want)
			}
			return
		}
		if math.Float64bits(got) != math.Float64bits(want) && !(math.IsNaN(got) && math.IsNaN(want)) {
			t.Errorf("%q is %v; strconv reads %v", s, got, want)
		}
	})
}

func TestParseStamp(t *testing.T) {
	f := func(text string, want int64) {
		t.Helper()
		if got, err := parseStamp([]byte(text)); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", text, got, err, want)
		}
	}
	f("0", 0)
	f("1372629804", 1372629804000)
	f("1372629804.25", 1372629804250)
	f("1372629804.2506", 1372629804251)
	f("1.372629804e9", 1372629804000)
	f("1372629804123", 1372629804123)
	f("99999999999", 99999999999000)
	f("100000000000", 100000000000)
	f("-5", -5000)
	f("2026-01-31T08:00:00Z", 1769846400000)
	f("2026-01-31t08:00:00z", 1769846400000)
	f("2026-01-31 08:00:00+00:00", 1769846400000)
	f("2026-01-31T13:30:00.5+05:30", 1769846400500)
	f("2026-01-31T03:00:00.0004999-05:00", 1769846400000)
	f("2024-02-29T00:00:00.9996Z", 1709164801000)
	f("1969-12-31T23:59:59.5Z", -500)

	bad := func(text, want string) {
		t.Helper()
		if got, err := parseStamp([]byte(text)); err == nil || err.Error() != want {
			t.Errorf("%q: %d, error %v; want %s", text, got, err, want)
		}
	}
	usage := "is not a time: use Unix seconds, Unix milliseconds or RFC 3339 (2026-01-31T08:00:00Z)"
	for _, text := range []string{"", "abc", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-01-31T24:00:00Z", "2026-01-31T08:60:00Z", "2026-01-31T08:00:00.Z", "2026-01-31T08:00:00+5", "2026-01-31T08:00:00+05:60", "2026-01-31T08:00:00x", "NaN", "31/01/2026"} {
		bad(text, usage)
	}
	bad("2026-01-31T08:00:00", "has no time zone: write 2026-01-31T08:00:00Z for UTC, or add an offset such as +05:30")
	bad("2026-01-31 08:00:00.25", "has no time zone: write 2026-01-31T08:00:00.25Z for UTC, or add an offset such as +05:30")
	bad("2026-01-31 08:00", "has no time zone: write 2026-01-31T08:00:00Z for UTC, or add an offset such as +05:30")
	bad("2026-01-31", "has no time zone: write 2026-01-31T00:00:00Z for UTC, or add an offset such as +05:30")
	bad("1372629804123456", "is too large for Unix milliseconds: divide microseconds by 1000 and nanoseconds by 1000000")
	bad("1372629804123456789", "is too large for Unix milliseconds: divide microseconds by 1000 and nanoseconds by 1000000")
}

func FuzzParseStamp(f *testing.F) {
	for _, s := range []string{"1372629804", "2026-01-31T08:00:00Z", "2026-01-31T08:00:00.25+05:30", "2026-01-31 08:00", "1e12", "0001-01-01T00:00:00Z"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := parseStamp([]byte(s))
		want, wantErr := time.Parse(time.RFC3339, s)
		if wantErr != nil || strings.Contains(s, ",") {
			return
		}
		if err != nil {
			t.Fatalf("%q is refused: %v", s, err)
		}
		if exact := want.Add(500 * time.Microsecond).UnixMilli(); got != exact {
			t.Errorf("%q is %d; time.Parse has %d", s, got, exact)
		}
	})
}

// Every stored integer of every metric is printed so that it is read back.
func TestAppendScaledRoundTrip(t *testing.T) {
	metrics, err := fleet.CanonicalMetrics().With(
		fleet.Metric{Name: "thirds", Unit: fleet.UnitCount, Num: 1, Den: 3},
		fleet.Metric{Name: "billionths", Unit: fleet.UnitCount, Num: 1, Den: 1e9},
		fleet.Metric{Name: "tiny", Unit: fleet.UnitCount, Num: 1, Den: 1e12},
		fleet.Metric{Name: "huge", Unit: fleet.UnitCount, Num: 1 << 40, Den: 1},
		fleet.Metric{Name: "odd", Unit: fleet.UnitCount, Num: 7, Den: 64},
	)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range metrics.Stored() {
		decimals, factor := digits(m)
		rapid.Check(t, func(t *rapid.T) {
			n := rapid.Int32Range(0, math.MaxInt32).Draw(t, "stored")
			text := appendScaled(nil, m, decimals, factor, n)
			v, err := parseNumber(text)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := m.Scale(v); err != nil || got != n {
				t.Fatalf("%s: %d is printed as %s and read as %d, %v", m.Name, n, text, got, err)
			}
		})
	}
}

func TestAppendScaled(t *testing.T) {
	f := func(name string, stored int32, want string) {
		t.Helper()
		m, err := fleet.CanonicalMetrics().Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		decimals, factor := digits(m)
		if got := string(appendScaled(nil, m, decimals, factor, stored)); got != want {
			t.Errorf("%s %d: %s, want %s", name, stored, got, want)
		}
	}
	f("cpu_usage", 4032, "0.4032")
	f("cpu_usage", 10000, "1.0000")
	f("load1", 7, "0.07")
	f("disk_read_bytes_per_second", 3, "307.2")
	f("disk_read_bytes_per_second", math.MaxInt32, "219902325452.8")
	f("capacity_memory_bytes", 16384, "17179869184")
	f("processes", 12, "12")
}
