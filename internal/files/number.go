package files

import (
	"bytes"
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/leanfleet/leanfleet/fleet"
)

// powersOfTen are exact in a float64, and so is a quotient's rounding: a
// mantissa below 2^53 over one of them is the number nearest to the text.
var powersOfTen = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

// errNotNumber says that a cell cannot be read as a number.
var errNotNumber = errors.New("is not a number")

// trim cuts spaces and tabs around a cell.
func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// parseNumber reads a decimal number. "NaN" and "Inf" are numbers here: they
// are impossible values, not unreadable ones. Numbers beyond a float64 are
// infinite.
func parseNumber(b []byte) (float64, error) {
	mantissa, digits, point := uint64(0), 0, -1
	for i, c := range b {
		switch {
		case c >= '0' && c <= '9':
			mantissa = mantissa*10 + uint64(c-'0')
			digits++
		case c == '.' && point < 0:
			point = i
		default:
			return parseSlowly(b)
		}
	}
	if digits == 0 || digits > 15 {
		return parseSlowly(b)
	}
	if point < 0 {
		return float64(mantissa), nil
	}
	return float64(mantissa) / powersOfTen[len(b)-1-point], nil
}

func parseSlowly(b []byte) (float64, error) {
	text := string(b)
	switch strings.TrimLeft(strings.ToLower(text), "+-") {
	case "nan":
		return math.NaN(), nil
	case "inf", "infinity":
		if text[0] == '-' {
			return math.Inf(-1), nil
		}
		return math.Inf(1), nil
	}
	if len(b) == 0 || len(bytes.Trim(b, "0123456789+-.eE")) > 0 {
		return 0, errNotNumber
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, errNotNumber
	}
	return v, nil
}

// digits is the number of decimals that shows every value of a metric so that
// it is read back as the same stored integer, and the factor that turns stored
// integers into units of the last decimal; 0 when no such factor is whole.
func digits(m fleet.Metric) (decimals int, factor int64) {
	num, den := m.Num, m.Den
	for decimals = 0; decimals <= 9; decimals++ {
		if num%den == 0 {
			if num/den > math.MaxInt32 {
				return 0, 0
			}
			return decimals, num / den
		}
		if num > math.MaxInt64/10 {
			break
		}
		num *= 10
	}
	return 0, 0
}

// appendScaled writes a stored integer in the metric's unit, in as many
// decimals as its resolution has.
func appendScaled(dst []byte, m fleet.Metric, decimals int, factor int64, scaled int32) []byte {
	if factor == 0 {
		return strconv.AppendFloat(dst, m.Value(int64(scaled)), 'f', -1, 64)
	}
	n := int64(scaled) * factor
	if decimals == 0 {
		return strconv.AppendInt(dst, n, 10)
	}
	unit := int64(powersOfTen[decimals])
	dst = strconv.AppendInt(dst, n/unit, 10)
	dst = append(dst, '.')
	for unit /= 10; unit > 0; unit /= 10 {
		dst = append(dst, byte('0'+n/unit%10))
	}
	return dst
}
