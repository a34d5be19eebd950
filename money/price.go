package money

import (
	"bytes"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/shopspring/decimal"
)

// Price is what one unit costs (an hour, a GiB-month), exactly as its source
// states it, in a currency. Equal prices are equal under ==. The zero value is
// no price at all, which is not a price of zero. In JSON it is a number literal
// with all its digits; the currency stands beside it.
type Price struct {
	number Number
	code   code
}

// NewPrice returns a price of d, which must have at most 18 digits.
func NewPrice(d decimal.Decimal, c Currency) (Price, error) {
	n, err := NumberOf(d)
	if err != nil {
		return Price{}, err
	}
	return PriceOf(n, c), nil
}

// PriceOf returns a price of n in a valid currency.
func PriceOf(n Number, c Currency) Price { return Price{n, codeOf(c)} }

// ParsePrice reads a price such as 0.0960000000 exactly, see [ParseNumber].
func ParsePrice(s string, c Currency) (Price, error) {
	if !c.Valid() {
		_, err := ParseCurrency(string(c))
		return Price{}, err
	}
	n, err := ParseNumber(s)
	if err != nil {
		return Price{}, fmt.Errorf("price: %w", err)
	}
	return PriceOf(n, c), nil
}

// IsZero reports whether p is no price at all. A price of zero is not: see Sign.
func (p Price) IsZero() bool { return p == Price{} }

// Sign returns -1, 0 or 1.
func (p Price) Sign() int { return p.number.Sign() }

// Currency returns the currency, empty for no price and for one just read from
// JSON.
func (p Price) Currency() Currency { return p.code.currency() }

// Number returns the figure without its currency.
func (p Price) Number() Number { return p.number }

// Decimal returns the figure for arithmetic of arbitrary precision.
func (p Price) Decimal() decimal.Decimal { return p.number.Decimal() }

// In returns the price with the currency that stood beside it in a file.
func (p Price) In(c Currency) Price { return Price{p.number, codeOf(c)} }

// String returns the price with its currency, such as "0.096 USD".
func (p Price) String() string {
	return strings.TrimSuffix(p.number.String()+" "+string(p.Currency()), " ")
}

// Literal returns the figure in plain decimal notation.
func (p Price) Literal() string { return p.number.String() }

// Times returns what d costs at a price per hour, exactly.
func (p Price) Times(d time.Duration) Amount {
	r := p.number.rat()
	return Amount{rat: r.Mul(r, big.NewRat(int64(d), int64(time.Hour))), code: p.code}
}

// Per returns what n units cost, exactly.
func (p Price) Per(n Number) Amount {
	r := p.number.rat()
	return Amount{rat: r.Mul(r, n.rat()), code: p.code}
}

// Scale returns the price times n, rounded half away from zero to 18 digits
// where it has more.
func (p Price) Scale(n Number) Price {
	return Price{numberOf(p.Decimal().Mul(n.Decimal())), p.code}
}

// Less returns the price less a discount in percent: Less of 12.5 is 87.5 % of
// the price, rounded as Scale does.
func (p Price) Less(percent Number) Price {
	keep := decimal.NewFromInt(100).Sub(percent.Decimal()).Shift(-2)
	return Price{numberOf(p.Decimal().Mul(keep)), p.code}
}

// Add returns the sum of two prices of one currency. No price adds nothing.
func (p Price) Add(o Price) (Price, error) {
	switch {
	case p.IsZero():
		return o, nil
	case o.IsZero():
		return p, nil
	case p.code != o.code:
		return Price{}, fmt.Errorf("add %v to %v: %w", o, p, ErrCurrency)
	}
	return Price{numberOf(p.Decimal().Add(o.Decimal())), p.code}, nil
}

// unitDecimals is the precision of prices that come from a division: a hundred
// times finer than the finest list.
const unitDecimals = 12

// Over returns the price divided by n, rounded half away from zero to 12
// decimals: an upfront payment over the hours of its term. n must not be zero.
func (p Price) Over(n Number) Price {
	return Price{numberOf(p.Decimal().DivRound(n.Decimal(), unitDecimals)), p.code}
}

// ComparePrices orders prices by currency, then by figure, so that a list of
// one currency is in the order of its figures.
func ComparePrices(a, b Price) int {
	if a.code == b.code {
		return a.number.Cmp(b.number)
	}
	return bytes.Compare(a.code[:], b.code[:])
}

// MarshalJSON writes the figure as a number literal, and no price as null.
func (p Price) MarshalJSON() ([]byte, error) {
	if p.IsZero() {
		return []byte("null"), nil
	}
	return p.number.MarshalJSON()
}

// UnmarshalJSON reads a number literal exactly; give it its currency with In.
// It reads null as no price.
func (p *Price) UnmarshalJSON(b []byte) error {
	*p = Price{}
	if string(b) == "null" {
		return nil
	}
	return p.number.UnmarshalJSON(b)
}
