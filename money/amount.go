package money

import (
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/shopspring/decimal"
)

// Amount is a sum of money in a currency. While it is added up it is an exact
// fraction, so sums do not depend on their order and those of two adjacent
// periods equal that of their union; Round brings it to the digits of its
// currency. The zero value is 0 in no currency and takes the currency of what
// is added to it. Amounts are values: no method changes its receiver. Compare
// with Equal, not with ==.
//
// In JSON an amount is a number literal with the digits of its currency, 12.30.
// An amount that was not rounded is written rounded: round or split amounts
// that have to sum to a total first.
type Amount struct {
	rat  *big.Rat // nil is 0; never written to
	code code
	// scale is one more than the decimals an amount was read with, so that it
	// is written as it was read; 0 for all others.
	scale int8
}

// NewAmount returns an amount of exactly d.
func NewAmount(d decimal.Decimal, c Currency) Amount { return Amount{rat: d.Rat(), code: codeOf(c)} }

// Zero returns nothing in a currency.
func Zero(c Currency) Amount { return Amount{code: codeOf(c)} }

// FromMinor returns an amount of n minor units: FromMinor(1230, "USD") is 12.30
// USD.
func FromMinor(n int64, c Currency) Amount {
	return fromMinor(big.NewInt(n), c)
}

func fromMinor(n *big.Int, c Currency) Amount {
	return Amount{rat: new(big.Rat).SetFrac(n, scaleOf(c.Digits())), code: codeOf(c)}
}

func scaleOf(digits int) *big.Int {
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits)), nil)
}

// ParseAmount reads an amount such as 12.30 exactly, see [ParseNumber].
func ParseAmount(s string, c Currency) (Amount, error) {
	p, err := ParsePrice(s, c)
	if err != nil {
		return Amount{}, err
	}
	return Amount{rat: p.number.rat(), code: p.code}, nil
}

func (a Amount) value() *big.Rat {
	if a.rat == nil {
		return new(big.Rat)
	}
	return a.rat
}

// Currency returns the currency, empty for the zero value and for an amount
// just read from JSON.
func (a Amount) Currency() Currency { return a.code.currency() }

// In returns the amount with the currency that stood beside it in a file.
func (a Amount) In(c Currency) Amount { return Amount{rat: a.rat, code: codeOf(c)} }

// Sign returns -1, 0 or 1.
func (a Amount) Sign() int { return a.value().Sign() }

// Equal reports whether two amounts are the same sum in the same currency.
func (a Amount) Equal(b Amount) bool { return a.code == b.code && a.value().Cmp(b.value()) == 0 }

// Cmp returns -1, 0 or 1 as a is less than, equal to or more than b. Different
// currencies are ordered by their codes.
func (a Amount) Cmp(b Amount) int {
	if a.code != b.code {
		return strings.Compare(string(a.Currency()), string(b.Currency()))
	}
	return a.value().Cmp(b.value())
}

// Add returns the exact sum of two amounts of one currency.
func (a Amount) Add(b Amount) (Amount, error) {
	k, err := commonCode(a, b)
	if err != nil {
		return Amount{}, err
	}
	switch {
	case a.rat == nil:
		return Amount{rat: b.rat, code: k}, nil
	case b.rat == nil:
		return Amount{rat: a.rat, code: k}, nil
	}
	return Amount{rat: new(big.Rat).Add(a.rat, b.rat), code: k}, nil
}

// Sub returns the exact difference of two amounts of one currency.
func (a Amount) Sub(b Amount) (Amount, error) { return a.Add(b.Neg()) }

func commonCode(a, b Amount) (code, error) {
	switch {
	case a.code == b.code || b.code == code{}:
		return a.code, nil
	case a.code == code{}:
		return b.code, nil
	}
	return code{}, fmt.Errorf("add %s to %s: %w", b.Currency(), a.Currency(), ErrCurrency)
}

// Sum returns the exact sum of amounts of one currency, the zero value for
// none.
func Sum(amounts ...Amount) (Amount, error) {
	var total Amount
	for _, a := range amounts {
		var err error
		if total, err = total.Add(a); err != nil {
			return Amount{}, err
		}
	}
	return total, nil
}

// Neg returns the amount with the other sign.
func (a Amount) Neg() Amount {
	if a.rat == nil {
		return a
	}
	return Amount{rat: new(big.Rat).Neg(a.rat), code: a.code, scale: a.scale}
}

// Scale returns the exact product of an amount and a number.
func (a Amount) Scale(n Number) Amount { return a.Fraction(n, Whole(1)) }

// Fraction returns the exact amount times num / den; den must not be zero.
func (a Amount) Fraction(num, den Number) Amount {
	if a.rat == nil {
		return Amount{code: a.code}
	}
	r := new(big.Rat).Quo(num.rat(), den.rat())
	return Amount{rat: r.Mul(r, a.rat), code: a.code}
}

// Round returns the amount rounded half away from zero to the digits of its
// currency.
func (a Amount) Round() Amount { return fromMinor(a.minor(), a.Currency()) }

// Rounded reports whether the amount has no more than the digits of its
// currency.
func (a Amount) Rounded() bool { return a.Equal(a.Round()) }

// Minor returns the rounded amount in minor units, or an error where they do
// not fit an int64.
func (a Amount) Minor() (int64, error) {
	n := a.minor()
	if !n.IsInt64() {
		return 0, fmt.Errorf("amount %s is out of range", a)
	}
	return n.Int64(), nil
}

// minor returns the amount in minor units, rounded half away from zero.
func (a Amount) minor() *big.Int {
	v := a.value()
	n := new(big.Int).Mul(v.Num(), scaleOf(a.Currency().Digits()))
	n.Lsh(n.Abs(n), 1).Add(n, v.Denom())
	n.Quo(n, new(big.Int).Lsh(v.Denom(), 1))
	if v.Sign() < 0 {
		n.Neg(n)
	}
	return n
}

// Exact returns the amount as a fraction of the caller's own.
func (a Amount) Exact() *big.Rat { return new(big.Rat).Set(a.value()) }

// Decimal returns the amount rounded to the given number of decimals, half away
// from zero, for arithmetic and display beyond the currency's digits.
func (a Amount) Decimal(decimals int) decimal.Decimal {
	v := a.value()
	return decimal.NewFromBigInt(v.Num(), 0).DivRound(decimal.NewFromBigInt(v.Denom(), 0), int32(decimals))
}

// Literal returns the amount with the digits of its currency and no sign of the
// currency, such as 12.30: its JSON literal.
func (a Amount) Literal() string {
	digits := a.Currency().Digits()
	if a.scale > 0 {
		digits = int(a.scale) - 1
	}
	return a.Decimal(digits).StringFixed(int32(digits))
}

// String returns the amount with its currency, such as "12.30 USD".
func (a Amount) String() string {
	return strings.TrimSuffix(a.Literal()+" "+string(a.Currency()), " ")
}

// MarshalJSON writes the amount as Literal has it.
func (a Amount) MarshalJSON() ([]byte, error) { return []byte(a.Literal()), nil }

// UnmarshalJSON reads a number literal exactly and keeps its number of
// decimals; give it its currency with In. Null is refused: an amount that is
// not known is a pointer that is nil.
func (a *Amount) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return errors.New("an amount is null")
	}
	n, err := ParseNumber(string(b))
	if err != nil {
		return err
	}
	_, fraction, _ := strings.Cut(string(b), ".")
	*a = Amount{rat: n.rat(), scale: int8(len(fraction) + 1)}
	return nil
}

// FromExact returns an amount of exactly r, which is copied.
func FromExact(r *big.Rat, c Currency) Amount {
	return Amount{rat: new(big.Rat).Set(r), code: codeOf(c)}
}
