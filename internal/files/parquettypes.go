package files

import (
	"errors"
	"fmt"
	"math"
	"math/big"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// logical is the logical type of a column, nil when it has none.
func logical(t parquet.Type) format.LogicalTypeValue {
	if lt := t.LogicalType(); lt != nil {
		return lt.Value
	}
	return nil
}

// checkText says whether a column can hold names.
func checkText(t parquet.Type) error {
	switch logical(t).(type) {
	case nil, *format.StringType, *format.EnumType:
		if k := t.Kind(); k == parquet.ByteArray || k == parquet.FixedLenByteArray {
			return nil
		}
	}
	return fmt.Errorf("is of type %s; names of hosts are text (STRING)", t)
}

// timeOf says how to read times, in Unix milliseconds, from a column.
func timeOf(t parquet.Type) (func(parquet.Value) (int64, error), error) {
	switch lt := logical(t).(type) {
	case *format.TimestampType:
		if !lt.IsAdjustedToUTC {
			return nil, errors.New("holds times without a time zone: write them as UTC (isAdjustedToUTC), in pandas with tz_localize, in DuckDB as TIMESTAMPTZ")
		}
		unit := int64(lt.Unit.Value.Duration())
		return func(v parquet.Value) (int64, error) { return toMilliseconds(v.Int64(), unit), nil }, nil
	case nil, *format.IntType:
		switch t.Kind() {
		case parquet.Int32:
			return func(v parquet.Value) (int64, error) { return stampOfNumber(float64(v.Int32())) }, nil
		case parquet.Int64:
			return func(v parquet.Value) (int64, error) { return stampOfNumber(float64(v.Int64())) }, nil
		case parquet.Double:
			return func(v parquet.Value) (int64, error) { return stampOfNumber(v.Double()) }, nil
		case parquet.Int96:
			return nil, errors.New("is of the outdated type INT96; write times as TIMESTAMP")
		case parquet.ByteArray:
			return textTime, nil
		}
	case *format.StringType:
		return textTime, nil
	}
	return nil, fmt.Errorf("is of type %s; times are TIMESTAMP, a number since 1970, or RFC 3339 text", t)
}

func textTime(v parquet.Value) (int64, error) {
	b := trim(v.ByteArray())
	ms, err := parseStamp(b)
	if err != nil {
		return 0, fmt.Errorf("%q %w", b, err)
	}
	return ms, nil
}

// toMilliseconds turns a count of units, a unit being some nanoseconds, into
// milliseconds, rounded.
func toMilliseconds(n, unit int64) int64 {
	if unit >= 1e6 {
		return n * (unit / 1e6)
	}
	per := int64(1e6) / unit
	ms, rest := n/per, n%per
	switch {
	case 2*rest >= per:
		ms++
	case 2*rest < -per:
		ms--
	}
	return ms
}

// numberOf says how to read numbers from a column.
func numberOf(t parquet.Type) (func(parquet.Value) float64, error) {
	switch lt := logical(t).(type) {
	case *format.DecimalType:
		return decimalOf(t.Kind(), int(lt.Scale))
	case *format.IntType:
		if !lt.IsSigned && t.Kind() == parquet.Int32 {
			return func(v parquet.Value) float64 { return float64(v.Uint32()) }, nil
		} else if !lt.IsSigned {
			return func(v parquet.Value) float64 { return float64(v.Uint64()) }, nil
		} else if t.Kind() == parquet.Int32 {
			return func(v parquet.Value) float64 { return float64(v.Int32()) }, nil
		}
		return func(v parquet.Value) float64 { return float64(v.Int64()) }, nil
	case nil:
		switch t.Kind() {
		case parquet.Int32:
			return func(v parquet.Value) float64 { return float64(v.Int32()) }, nil
		case parquet.Int64:
			return func(v parquet.Value) float64 { return float64(v.Int64()) }, nil
		case parquet.Float:
			return func(v parquet.Value) float64 { return float64(v.Float()) }, nil
		case parquet.Double:
			return func(v parquet.Value) float64 { return v.Double() }, nil
		case parquet.Boolean:
			return func(v parquet.Value) float64 {
				if v.Boolean() {
					return 1
				}
				return 0
			}, nil
		}
	}
	return nil, fmt.Errorf("is of type %s; values are integers, FLOAT, DOUBLE or DECIMAL", t)
}

func decimalOf(kind parquet.Kind, scale int) (func(parquet.Value) float64, error) {
	unit := math.Pow10(scale)
	switch kind {
	case parquet.Int32:
		return func(v parquet.Value) float64 { return float64(v.Int32()) / unit }, nil
	case parquet.Int64:
		return func(v parquet.Value) float64 { return float64(v.Int64()) / unit }, nil
	}
	return func(v parquet.Value) float64 { return bigDecimal(v.ByteArray()) / unit }, nil
}

// bigDecimal reads a big-endian integer in two's complement.
func bigDecimal(b []byte) float64 {
	if len(b) <= 8 {
		n := int64(0)
		if len(b) > 0 && b[0] >= 0x80 {
			n = -1
		}
		for _, x := range b {
			n = n<<8 | int64(x)
		}
		return float64(n)
	}
	n := new(big.Int).SetBytes(b)
	if b[0] >= 0x80 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	f, _ := new(big.Float).SetInt(n).Float64()
	return f
}
