package config

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/zones"
)

const (
	day  = 24 * time.Hour
	week = 7 * day
)

// Duration is a length of time in nanoseconds, never negative, written as whole
// numbers with units from the largest down: "90s", "5m", "24h", "7d", "1w2d".
// A day has 24 hours. Only whole milliseconds can be written.
type Duration time.Duration

type durationUnit struct {
	name string
	size time.Duration
}

// durationUnits are the units, largest first.
var durationUnits = [...]durationUnit{
	{"w", week}, {"d", day}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond},
}

// durationPattern is the form of [Duration] for the schema.
const durationPattern = `^(?:[0-9]+w)?(?:[0-9]+d)?(?:[0-9]+h)?(?:[0-9]+m)?(?:[0-9]+s)?(?:[0-9]+ms)?$`

// ParseDuration reads a duration such as "1d12h". Units are w, d, h, m, s and
// ms, each at most once, the larger first. Fractions, signs and numbers without
// a unit are errors.
func ParseDuration(s string) (Duration, error) {
	if s == "" {
		return 0, fmt.Errorf("empty duration; use a form such as 90s, 24h, 7d or 1d12h")
	}
	var total time.Duration
	next := 0 // index of the largest unit still allowed
	for rest := s; rest != ""; {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		name := rest[digits:]
		if i := strings.IndexAny(name, "0123456789"); i >= 0 {
			name = name[:i]
		}
		switch {
		case digits == 0:
			return 0, fmt.Errorf("duration %q: expected a number at %q; use a form such as 90s, 24h, 7d or 1d12h", s, rest)
		case name == "":
			return 0, fmt.Errorf("duration %q: %s has no unit; use a form such as 90s, 24h, 7d or 1d12h", s, rest[:digits])
		case strings.HasPrefix(name, "."):
			return 0, fmt.Errorf("duration %q has a fraction; use a smaller unit, such as 90m instead of 1.5h", s)
		}
		i := slices.IndexFunc(durationUnits[:], func(u durationUnit) bool { return u.name == name })
		if i < 0 {
			return 0, fmt.Errorf("duration %q: unknown unit %q; units are w, d, h, m, s and ms", s, name)
		}
		if i < next {
			return 0, fmt.Errorf("duration %q: units must come once each, the larger first", s)
		}
		n, err := strconv.ParseInt(rest[:digits], 10, 64)
		size := durationUnits[i].size
		if err != nil || n > int64(math.MaxInt64-total)/int64(size) {
			return 0, fmt.Errorf("duration %q is longer than 292 years", s)
		}
		total += time.Duration(n) * size
		next, rest = i+1, rest[digits+len(name):]
	}
	return Duration(total), nil
}

// String returns the canonical form: weeks if there are whole weeks only, else
// days and smaller units, so that 400d stays 400d and 14d becomes 2w. What lies
// below a millisecond is cut off.
func (d Duration) String() string {
	rest := time.Duration(d)
	if rest < time.Millisecond {
		return "0s"
	}
	units := durationUnits[:]
	if rest%week != 0 {
		units = units[1:]
	}
	var b strings.Builder
	for _, u := range units {
		if n := rest / u.size; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, u.name)
			rest -= n * u.size
		}
	}
	return b.String()
}

// MarshalText returns the canonical form.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what [ParseDuration] reads.
func (d *Duration) UnmarshalText(text []byte) (err error) {
	*d, err = ParseDuration(string(text))
	return err
}

// Bytes is a number of bytes, never negative, written with a binary or decimal
// unit ("256MiB", "1.5GB") or without one.
type Bytes int64

type byteUnit struct {
	name string
	size int64
}

// byteUnits are the units, largest first; at equal rank the binary one.
var byteUnits = [...]byteUnit{
	{"PiB", 1 << 50}, {"PB", 1e15}, {"TiB", 1 << 40}, {"TB", 1e12}, {"GiB", 1 << 30}, {"GB", 1e9},
	{"MiB", 1 << 20}, {"MB", 1e6}, {"KiB", 1 << 10}, {"kB", 1e3}, {"B", 1},
}

// bytesPattern is the form of [Bytes] for the schema.
const bytesPattern = `^[0-9]+(?:\.[0-9]+)? ?(?:[KMGTP]iB|[kMGTP]?B)?$`

// ParseBytes reads a size such as "256MiB", "1.5 GB" or "1024". Units are B,
// kB, MB, GB, TB, PB (powers of 1000) and KiB, MiB, GiB, TiB, PiB (powers of
// 1024). The size must be a whole number of bytes.
func ParseBytes(s string) (Bytes, error) {
	digits := len(s) - len(strings.TrimLeft(s, "0123456789."))
	number, name := s[:digits], strings.TrimPrefix(s[digits:], " ")
	if digits == 0 || number[0] == '.' || number[digits-1] == '.' || strings.Count(number, ".") > 1 {
		return 0, fmt.Errorf("size %q is not a number of bytes; use a form such as 256MiB or 1.5GB", s)
	}
	size := int64(1)
	if name != "" {
		i := slices.IndexFunc(byteUnits[:], func(u byteUnit) bool { return u.name == name })
		if i < 0 {
			return 0, fmt.Errorf("size %q: unknown unit %q%s", s, name, likelyByteUnit(name))
		}
		size = byteUnits[i].size
	}
	r, ok := new(big.Rat).SetString(number)
	if !ok || digits > 40 {
		return 0, fmt.Errorf("size %q is not a number of bytes; use a form such as 256MiB or 1.5GB", s)
	}
	r.Mul(r, new(big.Rat).SetInt64(size))
	switch {
	case !r.IsInt():
		return 0, fmt.Errorf("size %q is not a whole number of bytes", s)
	case !r.Num().IsInt64():
		return 0, fmt.Errorf("size %q is too large", s)
	}
	return Bytes(r.Num().Int64()), nil
}

func likelyByteUnit(name string) string {
	for _, u := range byteUnits {
		if strings.EqualFold(u.name, name) {
			return "; did you mean " + u.name + "?"
		}
	}
	for _, u := range byteUnits {
		if strings.EqualFold(u.name, name+"iB") {
			return "; did you mean " + u.name + "?"
		}
	}
	return "; use a unit such as kB, MB, GB, KiB, MiB or GiB"
}

// String returns the size in the largest unit that gives a whole number.
func (b Bytes) String() string {
	if b <= 0 {
		return "0B"
	}
	for _, u := range byteUnits {
		if int64(b)%u.size == 0 {
			return strconv.FormatInt(int64(b)/u.size, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(b), 10) + "B"
}

// MarshalText returns the form of String.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// UnmarshalText reads what [ParseBytes] reads.
func (b *Bytes) UnmarshalText(text []byte) (err error) {
	*b, err = ParseBytes(string(text))
	return err
}

func (*Bytes) acceptsNumber() {}
func (*Bytes) acceptsText()   {}

// Resolution is the smallest difference a metric keeps: a power of ten from
// 0.000001 to 1, or 1024 or 1048576 for bytes kept in KiB or MiB. Others could
// not be read from the sealed files as they lie.
type Resolution float64

// resolutions are the allowed values, in the order messages list them.
var resolutions = [...]struct {
	text     string
	value    Resolution
	num, den int64
	digits   int
}{
	{"0.000001", 0.000001, 1, 1000000, 6}, {"0.00001", 0.00001, 1, 100000, 5}, {"0.0001", 0.0001, 1, 10000, 4},
	{"0.001", 0.001, 1, 1000, 3}, {"0.01", 0.01, 1, 100, 2}, {"0.1", 0.1, 1, 10, 1}, {"1", 1, 1, 1, 0},
	{"1024", 1024, 1024, 1, 0}, {"1048576", 1048576, 1048576, 1, 0},
}

// UnmarshalText reads one of the allowed numbers, in any notation.
func (r *Resolution) UnmarshalText(text []byte) error {
	value, err := strconv.ParseFloat(string(text), 64)
	var known []string
	for _, allowed := range resolutions {
		if err == nil && Resolution(value) == allowed.value {
			*r = allowed.value
			return nil
		}
		known = append(known, allowed.text)
	}
	return fmt.Errorf("must be one of %s; not %q", strings.Join(known, ", "), text)
}

// MarshalText returns the number without an exponent.
func (r Resolution) MarshalText() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(r), 'f', -1, 64), nil
}

// MarshalJSON returns the number without an exponent.
func (r Resolution) MarshalJSON() ([]byte, error) { return r.MarshalText() }

func (*Resolution) acceptsNumber() {}

// Percentile is a percentile in percent, above 0 and below 100, with at most 4
// decimals.
type Percentile float64

// UnmarshalText reads a number such as 99.9.
func (p *Percentile) UnmarshalText(text []byte) error {
	s := string(text)
	value, err := strconv.ParseFloat(s, 64)
	_, decimals, _ := strings.Cut(s, ".")
	if err != nil || strings.Trim(s, "0123456789.") != "" || !(value > 0 && value < 100) || len(decimals) > 4 {
		return fmt.Errorf("%q is not a percentile; use a number above 0 and below 100 with at most 4 decimals, such as 99.9", s)
	}
	*p = Percentile(value)
	return nil
}

// MarshalText returns the number without an exponent.
func (p Percentile) MarshalText() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(p), 'f', -1, 64), nil
}

// MarshalJSON returns the number without an exponent.
func (p Percentile) MarshalJSON() ([]byte, error) { return p.MarshalText() }

func (*Percentile) acceptsNumber() {}

// Share is a share from 0 to 1, written 0.95 or "95%". The empty text is none
// given.
type Share string

// sharePattern is the form of [Share] for the schema.
const sharePattern = `^(?:[0-9]+(?:\.[0-9]+)?%?)?$`

// UnmarshalText reads a number from 0 to 1, a percentage, or nothing.
func (s *Share) UnmarshalText(text []byte) error {
	if v, given := Share(text).Value(); given && !(v >= 0 && v <= 1) {
		return fmt.Errorf("%q is not a share; use a number from 0 to 1 or a percentage, such as 0.95 or 95%%", text)
	}
	*s = Share(text)
	return nil
}

// Value returns the share, and whether one is given. A text that UnmarshalText
// would refuse is not a number.
func (s Share) Value() (v float64, given bool) {
	if s == "" {
		return 0, false
	}
	number, percent := strings.CutSuffix(string(s), "%")
	v, err := parseFloat(number)
	if err != nil {
		return math.NaN(), true
	}
	if percent {
		v /= 100
	}
	return v, true
}

func (*Share) acceptsNumber() {}
func (*Share) acceptsText()   {}

// Amount is an amount of money, not negative, in the currency asked for. The
// empty text is none given.
type Amount string

// amountPattern is the form of [Amount] for the schema.
const amountPattern = `^(?:[0-9]+(?:\.[0-9]+)?)?$`

// UnmarshalText reads a number that is not negative, or nothing.
func (a *Amount) UnmarshalText(text []byte) error {
	if v, given := Amount(text).Value(); given && !(v >= 0) {
		return fmt.Errorf("%q is not an amount; use a number that is not negative, such as 10 or 12.50", text)
	}
	*a = Amount(text)
	return nil
}

// Value returns the amount, and whether one is given. A text that UnmarshalText
// would refuse is not a number.
func (a Amount) Value() (v float64, given bool) {
	if a == "" {
		return 0, false
	}
	v, err := parseFloat(string(a))
	if err != nil {
		return math.NaN(), true
	}
	return v, true
}

func (*Amount) acceptsNumber() {}
func (*Amount) acceptsText()   {}

// TimeZone is the name of an IANA time zone of package zones; empty means UTC,
// or the zone of the surrounding settings.
type TimeZone string

// UnmarshalText takes the name of a known zone.
func (z *TimeZone) UnmarshalText(text []byte) error {
	if _, err := zones.Load(string(text)); err != nil {
		return err
	}
	*z = TimeZone(text)
	return nil
}

// Selector is the text of a [fleet.Selector].
type Selector string

// UnmarshalText takes a selector that fleet can parse and that has a term.
func (s *Selector) UnmarshalText(text []byte) error {
	if strings.TrimSpace(string(text)) == "" {
		return fmt.Errorf("empty selector; use a form such as dept=eng,env!=dev")
	}
	if _, err := fleet.ParseSelector(string(text)); err != nil {
		return err
	}
	*s = Selector(text)
	return nil
}
