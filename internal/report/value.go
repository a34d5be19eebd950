package report

import (
	"cmp"
	"math"
	"strconv"
	"strings"
	"time"
)

// Kind says what the values of a column, or the numbers of a plot, are: how they are printed, in which unit machines
// get them and how they sort.
type Kind uint8

// The kinds. The comment names what people see and what machines get.
const (
	KindText     Kind = iota // text; text
	KindInteger              // 43,200,000; 43200000
	KindNumber               // 1,234.50 with the value's own decimals; all digits
	KindRatio                // 40.3 %; 0.4032
	KindBytes                // 1.5 GiB; bytes
	KindByteRate             // 1.5 MiB/s; bytes per second
	KindDuration             // 3d4h; seconds
	KindTime                 // 2013-08-01 00:00 UTC; RFC 3339 in UTC
)

var kindNames = [...]string{"text", "integer", "number", "ratio", "bytes", "byte rate", "duration", "time"}

// String returns the kind's name for messages.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "kind " + strconv.Itoa(int(k))
}

// unit returns the unit in which machines get values of the kind, empty where the kind implies none.
func (k Kind) unit() string {
	switch k {
	case KindRatio:
		return "ratio"
	case KindBytes:
		return "bytes"
	case KindByteRate:
		return "bytes_per_second"
	case KindDuration:
		return "seconds"
	default:
		return ""
	}
}

// descends says whether a column of the kind is sorted with the greatest first when no direction is asked for: whoever
// sorts by a size looks for the biggest.
func (k Kind) descends() bool {
	return k != KindText && k != KindTime
}

// Value is one typed cell of a table. The zero Value is unknown without a stated reason. Values are immutable.
type Value struct {
	kind   Kind
	known  bool
	digits int
	whole  int64     // integer; duration in nanoseconds
	number float64   // number, ratio, bytes, bytes per second
	text   string    // text; of an unknown value its reason
	time   time.Time // time
}

// Text returns a text value. Characters that are not printable are shown escaped in tables and kept in CSV and JSON.
func Text(s string) Value { return Value{kind: KindText, known: true, text: s} }

// Integer returns a whole number.
func Integer(n int64) Value { return Value{kind: KindInteger, known: true, whole: n} }

// Number returns a number printed with the given count of decimals; machines get all of it. A number that is not finite
// is unknown.
func Number(f float64, digits int) Value {
	v := float(KindNumber, f)
	v.digits = digits
	return v
}

// Ratio returns a ratio, 1 being the whole, printed as a percentage. A ratio that is not finite is unknown.
func Ratio(f float64) Value { return float(KindRatio, f) }

// Bytes returns a number of bytes, which may have a fraction when it is a mean. One that is not finite is unknown.
func Bytes(f float64) Value { return float(KindBytes, f) }

// ByteRate returns a number of bytes per second. One that is not finite is unknown.
func ByteRate(f float64) Value { return float(KindByteRate, f) }

// Duration returns a duration.
func Duration(d time.Duration) Value {
	return Value{kind: KindDuration, known: true, whole: int64(d)}
}

// Time returns a time, printed in its own location; the zero time is unknown.
func Time(t time.Time) Value {
	if t.IsZero() {
		return Unknown("no_time")
	}
	return Value{kind: KindTime, known: true, time: t}
}

// Unknown returns a value nobody knows, with the reason as a short snake_case word such as "no_samples". It fits a
// column of any kind.
func Unknown(reason string) Value { return Value{text: reason} }

func float(kind Kind, f float64) Value {
	if !finite(f) {
		return Unknown("not_a_number")
	}
	return Value{kind: kind, known: true, number: f}
}

// Known says whether the value is known.
func (v Value) Known() bool { return v.known }

// Reason returns why the value is unknown; it is empty for known values and where no reason was stated.
func (v Value) Reason() string {
	if v.known {
		return ""
	}
	return v.text
}

// String returns the value as people read it, "-" for an unknown one. Text is returned as it is.
func (v Value) String() string {
	if !v.known {
		return unknownMark
	}
	switch v.kind {
	case KindInteger:
		return FormatCount(v.whole)
	case KindNumber:
		return FormatNumber(v.number, v.digits)
	case KindRatio:
		return FormatRatio(v.number)
	case KindBytes:
		return FormatBytes(v.number)
	case KindByteRate:
		return FormatByteRate(v.number)
	case KindDuration:
		return FormatDuration(time.Duration(v.whole))
	case KindTime:
		return FormatTime(v.time, v.time.Location())
	default:
		return v.text
	}
}

// machine returns the value in its base unit with nothing rounded away, empty when unknown.
func (v Value) machine() string {
	if !v.known {
		return ""
	}
	switch v.kind {
	case KindInteger:
		return strconv.FormatInt(v.whole, 10)
	case KindNumber, KindRatio, KindBytes, KindByteRate:
		return machineFloat(v.number)
	case KindDuration:
		return machineSeconds(v.whole)
	case KindTime:
		return v.time.UTC().Format(time.RFC3339Nano)
	default:
		return v.text
	}
}

// machineFloat writes the shortest digits that read back as f, with an exponent only where it is very large or small.
func machineFloat(f float64) string {
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}

// machineSeconds writes nanoseconds as seconds exactly, which a float64 could not.
func machineSeconds(nanoseconds int64) string {
	sign, n := "", uint64(nanoseconds)
	if nanoseconds < 0 {
		sign, n = "-", -n
	}
	s := sign + strconv.FormatUint(n/1e9, 10)
	if fraction := n % 1e9; fraction != 0 {
		digits := strconv.FormatUint(1e9+fraction, 10)[1:]
		s += "." + strings.TrimRight(digits, "0")
	}
	return s
}

// MarshalJSON returns a number literal for numbers, seconds for a duration, a string for text and times, and null for
// an unknown value.
func (v Value) MarshalJSON() ([]byte, error) {
	switch {
	case !v.known:
		return []byte("null"), nil
	case v.kind == KindText || v.kind == KindTime:
		return marshalCompact(v.machine())
	default:
		return []byte(v.machine()), nil
	}
}

// compareValues orders two known values of one kind, the smaller first.
func compareValues(a, b Value) int {
	if a.kind != b.kind {
		return cmp.Compare(a.kind, b.kind)
	}
	switch a.kind {
	case KindInteger, KindDuration:
		return cmp.Compare(a.whole, b.whole)
	case KindNumber, KindRatio, KindBytes, KindByteRate:
		return cmp.Compare(a.number, b.number)
	case KindTime:
		return a.time.Compare(b.time)
	default:
		return compareNatural(a.text, b.text)
	}
}

// compareNatural orders texts by their bytes, except that runs of digits count as numbers, so that vm2 comes before
// vm10. Texts that differ in leading zeros only are ordered by their bytes.
func compareNatural(a, b string) int {
	x, y := a, b
	for x != "" && y != "" {
		if !isDigit(x[0]) || !isDigit(y[0]) {
			if x[0] != y[0] {
				return cmp.Compare(x[0], y[0])
			}
			x, y = x[1:], y[1:]
			continue
		}
		var m, n string
		m, x = cutDigits(x)
		n, y = cutDigits(y)
		if c := cmp.Or(cmp.Compare(len(m), len(n)), cmp.Compare(m, n)); c != 0 {
			return c
		}
	}
	return cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(a, b))
}

// cutDigits splits the digits at the beginning of s, without leading zeros, from the rest.
func cutDigits(s string) (digits, rest string) {
	n := 0
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	return strings.TrimLeft(s[:n], "0"), s[n:]
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
