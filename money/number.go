package money

import (
	"cmp"
	"fmt"
	"math/big"
	"math/bits"
	"strconv"
	"strings"

	"github.com/shopspring/decimal"
)

// maxDigits is the most significant digits a Number has: every mantissa of that
// many digits fits an int64. Providers state prices with 10 decimals at most.
const maxDigits = 18

// Number is an exact decimal number of at most 18 digits, 18 of them after the
// point. Equal numbers are equal under ==. The zero value is 0. In JSON it is a
// number literal.
type Number struct {
	mantissa int64
	exponent int8 // in [-18, 0]; no trailing zero in the fraction
}

// Whole returns n as a number. It must have at most 18 digits, which every
// count does.
func Whole(n int64) Number { return Number{mantissa: n} }

// ParseNumber reads a decimal number exactly: an optional sign, digits with an
// optional fraction and an optional exponent, as JSON writes numbers. More than
// 18 digits, blanks and thousands separators are errors.
func ParseNumber(s string) (Number, error) {
	bad := func() (Number, error) { return Number{}, fmt.Errorf("%q is not a decimal number", s) }
	body, negative := strings.CutPrefix(s, "-")
	shift := 0
	if i := strings.IndexAny(body, "eE"); i >= 0 {
		e, err := strconv.Atoi(body[i+1:])
		if err != nil || e < -40 || e > 40 {
			return bad()
		}
		body, shift = body[:i], e
	}
	whole, fraction, point := strings.Cut(body, ".")
	if whole == "" || (point && fraction == "") || len(body) > 64 {
		return bad()
	}
	digits := strings.TrimLeft(whole+fraction, "0")
	if strings.Trim(whole+fraction, "0123456789") != "" {
		return bad()
	}
	decimals := len(fraction) - shift
	for decimals > 0 && strings.HasSuffix(digits, "0") {
		digits, decimals = digits[:len(digits)-1], decimals-1
	}
	if digits == "" {
		return Number{}, nil
	}
	if decimals < 0 {
		digits, decimals = digits+strings.Repeat("0", -decimals), 0
	}
	if len(digits) > maxDigits || decimals > maxDigits {
		return Number{}, fmt.Errorf("%q has more than %d digits", s, maxDigits)
	}
	m, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return bad()
	}
	if negative {
		m = -m
	}
	return Number{m, int8(-decimals)}, nil
}

// NumberOf returns d as a number, or an error where it has more digits than a
// number holds.
func NumberOf(d decimal.Decimal) (Number, error) {
	n := numberOf(d)
	if !n.Decimal().Equal(d) {
		return Number{}, fmt.Errorf("%s has more than %d digits", d, maxDigits)
	}
	return n, nil
}

// numberOf rounds d half away from zero to at most 18 digits. A whole part of
// more digits gives the largest number: no true price comes near it.
func numberOf(d decimal.Decimal) Number {
	places := int32(maxDigits)
	if whole := int32(d.NumDigits()) + d.Exponent(); whole > 0 {
		places -= whole
	}
	if -d.Exponent() > places {
		d = d.Round(max(places, 0))
	}
	m, e := d.Coefficient(), d.Exponent()
	if e > 0 {
		m.Mul(m, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(min(e, 40))), nil))
		e = 0
	}
	if !m.IsInt64() || magnitude(m.Int64()) >= pow10(maxDigits) {
		return Number{mantissa: int64(m.Sign()) * (int64(pow10(maxDigits)) - 1)}
	}
	return canonical(m.Int64(), int(-e))
}

// canonical returns mantissa / 10^decimals without trailing zeros.
func canonical(mantissa int64, decimals int) Number {
	if mantissa == 0 {
		return Number{}
	}
	for decimals > 0 && mantissa%10 == 0 {
		mantissa /= 10
		decimals--
	}
	return Number{mantissa, int8(-decimals)}
}

// Decimal returns the number for arithmetic of arbitrary precision.
func (n Number) Decimal() decimal.Decimal { return decimal.New(n.mantissa, int32(n.exponent)) }

// Scaled returns the number as mantissa / 10^decimals, decimals in [0, 18], in
// its shortest form. [FromScaled] is the way back.
func (n Number) Scaled() (mantissa int64, decimals int) { return n.mantissa, -int(n.exponent) }

// FromScaled returns mantissa / 10^decimals; decimals must be in [0, 18].
func FromScaled(mantissa int64, decimals int) Number {
	if decimals < 0 || decimals > maxDigits {
		panic(fmt.Sprintf("BUG: %d decimals", decimals))
	}
	return canonical(mantissa, decimals)
}

// Sign returns -1, 0 or 1.
func (n Number) Sign() int { return cmp.Compare(n.mantissa, 0) }

// IsZero reports whether the number is 0.
func (n Number) IsZero() bool { return n.mantissa == 0 }

// Cmp returns -1, 0 or 1 as n is less than, equal to or more than o.
func (n Number) Cmp(o Number) int {
	if n.exponent == o.exponent || n.Sign() != o.Sign() {
		return cmp.Compare(n.mantissa, o.mantissa)
	}
	// Bring both to the finer of the two scales in 128 bits; the signs are equal.
	a, b := magnitude(n.mantissa), magnitude(o.mantissa)
	var ah, bh uint64
	if n.exponent > o.exponent {
		ah, a = bits.Mul64(a, pow10(int(n.exponent-o.exponent)))
	} else {
		bh, b = bits.Mul64(b, pow10(int(o.exponent-n.exponent)))
	}
	c := cmp.Or(cmp.Compare(ah, bh), cmp.Compare(a, b))
	if n.mantissa < 0 {
		return -c
	}
	return c
}

func magnitude(v int64) uint64 {
	if v < 0 {
		return -uint64(v)
	}
	return uint64(v)
}

// pow10 returns 10^n for n in [0, 19].
func pow10(n int) uint64 {
	p := uint64(1)
	for ; n > 0; n-- {
		p *= 10
	}
	return p
}

// rat returns the number as a fraction of the caller's own.
func (n Number) rat() *big.Rat {
	if n.exponent == 0 {
		return new(big.Rat).SetInt64(n.mantissa)
	}
	den := new(big.Int).SetUint64(pow10(-int(n.exponent)))
	return new(big.Rat).SetFrac(big.NewInt(n.mantissa), den)
}

// String returns the number in plain decimal notation, such as 0.096, which is
// also its JSON literal.
func (n Number) String() string { return string(n.appendTo(nil)) }

func (n Number) appendTo(b []byte) []byte {
	if n.exponent == 0 {
		return strconv.AppendInt(b, n.mantissa, 10)
	}
	if n.mantissa < 0 {
		b = append(b, '-')
	}
	digits := strconv.FormatUint(magnitude(n.mantissa), 10)
	decimals := -int(n.exponent)
	if pad := decimals + 1 - len(digits); pad > 0 {
		digits = strings.Repeat("0", pad) + digits
	}
	b = append(b, digits[:len(digits)-decimals]...)
	b = append(b, '.')
	return append(b, digits[len(digits)-decimals:]...)
}

// MarshalJSON writes the number as a literal with all its digits.
func (n Number) MarshalJSON() ([]byte, error) { return n.appendTo(nil), nil }

// UnmarshalJSON reads a number literal exactly; a text is refused.
func (n *Number) UnmarshalJSON(b []byte) error {
	v, err := ParseNumber(string(b))
	if err != nil {
		return err
	}
	*n = v
	return nil
}
