package catalog

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/shopspring/decimal"
)

// maxDigits is the most digits a Number may have: every mantissa of that many
// digits fits an int64 with room for a factor of nine.
const maxDigits = 18

// Number is an exact decimal number, Mantissa x 10^Exponent. Numbers made by
// this package are canonical, without trailing zeros in the fraction and with
// an exponent in [-18, 0], so equal numbers are equal values under ==. The
// zero value is 0.
type Number struct {
	Mantissa int64
	Exponent int8
}

// Decimal returns the number as a decimal of arbitrary precision, for
// arithmetic. Nothing is rounded.
func (n Number) Decimal() decimal.Decimal {
	return decimal.New(n.Mantissa, int32(n.Exponent))
}

// String returns the number in plain decimal notation without an exponent,
// such as 0.096, which is also a valid JSON number literal.
func (n Number) String() string { return n.Decimal().String() }

// ParseNumber reads a plain decimal number: an optional minus sign, digits and
// an optional fraction, at most 18 digits in all. It refuses exponents, blanks,
// thousands separators and everything else.
func ParseNumber(s string) (Number, error) {
	digits := strings.TrimPrefix(s, "-")
	whole, fraction, point := strings.Cut(digits, ".")
	if whole == "" || (point && fraction == "") {
		return Number{}, fmt.Errorf("%q is not a decimal number", s)
	}
	if len(whole)+len(fraction) > maxDigits {
		return Number{}, fmt.Errorf("%q has more than %d digits", s, maxDigits)
	}
	m, err := strconv.ParseUint(whole+fraction, 10, 63)
	if err != nil {
		return Number{}, fmt.Errorf("%q is not a decimal number", s)
	}
	mantissa := int64(m)
	if len(digits) < len(s) {
		mantissa = -mantissa
	}
	return canonical(mantissa, len(fraction)), nil
}

// canonical returns mantissa / 10^decimals without trailing zeros.
func canonical(mantissa int64, decimals int) Number {
	for decimals > 0 && mantissa%10 == 0 {
		mantissa /= 10
		decimals--
	}
	return Number{Mantissa: mantissa, Exponent: int8(-decimals)}
}

// scaledTo returns the number's mantissa with the given number of decimals, or
// false where that is not exact or does not fit.
func (n Number) scaledTo(decimals int) (int64, bool) {
	shift := decimals + int(n.Exponent)
	m := n.Mantissa
	for ; shift > 0; shift-- {
		if m > math.MaxInt64/10 || m < math.MinInt64/10 {
			return 0, false
		}
		m *= 10
	}
	for ; shift < 0; shift++ {
		if m%10 != 0 {
			return 0, false
		}
		m /= 10
	}
	return m, true
}

// pow10 returns 10^n for n in [0, 18].
func pow10(n int) int64 {
	p := int64(1)
	for ; n > 0; n-- {
		p *= 10
	}
	return p
}
