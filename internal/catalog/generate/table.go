package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/internal/catalog"
)

// maxRefusals is the most bad rows of a file that are listed.
const maxRefusals = 20

// row is one line of a source file. The first bad field sticks; every field is
// asked for by the name of its column.
type row struct {
	file   string
	line   int
	column map[string]int
	fields []string
	err    error
}

// readTable reads NAME.csv or NAME.csv.gz of the folder and calls each for its
// rows. The header must have exactly the given columns, in any order.
func readTable(dir, name string, columns []string, each func(r *row)) (catalog.SourceFile, error) {
	file, data, err := load(dir, name)
	if err != nil {
		return catalog.SourceFile{}, err
	}
	sum := sha256.Sum256(data)
	source := catalog.SourceFile{Name: file, SHA256: hex.EncodeToString(sum[:])}
	var in io.Reader = bytes.NewReader(data)
	if strings.HasSuffix(file, ".gz") {
		if in, err = gzip.NewReader(in); err != nil {
			return source, fmt.Errorf("read %s: %w", file, err)
		}
	}
	lines := csv.NewReader(in)
	lines.ReuseRecord = true
	header, err := lines.Read()
	if err != nil {
		return source, fmt.Errorf("%s:1: header: %w", file, err)
	}
	index := make(map[string]int)
	for i, h := range header {
		index[h] = i
	}
	sorted := slices.Sorted(slices.Values(header))
	if !slices.Equal(sorted, slices.Sorted(slices.Values(columns))) {
		return source, fmt.Errorf("%s:1: columns are %s, expected are %s", file, strings.Join(header, ","), strings.Join(columns, ","))
	}
	var refused []error
	for len(refused) < maxRefusals {
		fields, err := lines.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			// A broken line leaves the place of the next one in doubt.
			var parse *csv.ParseError
			if errors.As(err, &parse) {
				err = fmt.Errorf("%s:%d: %w", file, parse.StartLine, parse.Err)
			} else {
				err = fmt.Errorf("%s: %w", file, err)
			}
			refused = append(refused, err)
			break
		}
		line, _ := lines.FieldPos(0)
		r := &row{file: file, line: line, column: index, fields: fields}
		each(r)
		if r.err != nil {
			refused = append(refused, r.err)
		}
		source.Rows++
	}
	return source, errors.Join(refused...)
}

// load returns the plain or the packed file of a name.
func load(dir, name string) (string, []byte, error) {
	var missing error
	for _, file := range []string{name + ".csv", name + ".csv.gz"} {
		data, err := os.ReadFile(filepath.Join(dir, file))
		if err == nil {
			return file, data, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return file, nil, fmt.Errorf("read source: %w", err)
		}
		if missing == nil {
			missing = err
		}
	}
	return "", nil, fmt.Errorf("read source: %w (nor %s.csv.gz)", missing, name)
}

// refuse marks the row as bad.
func (r *row) refuse(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%s:%d: %s", r.file, r.line, fmt.Sprintf(format, args...))
	}
}

// text returns a field without blanks around it, which the Azure family names
// of the source have.
func (r *row) text(column string) string {
	return strings.Clone(strings.TrimSpace(r.fields[r.column[column]]))
}

// need returns a field that must not be empty.
func (r *row) need(column string) string {
	s := r.text(column)
	if s == "" {
		r.refuse("%s is empty", column)
	}
	return s
}

// one returns a field that must be one of the given words.
func one[T ~string](r *row, column string, words ...T) T {
	s := T(r.text(column))
	if !slices.Contains(words, s) {
		r.refuse("%s is %q, expected is one of %q", column, s, words)
	}
	return s
}

func (r *row) provider(column string) string {
	return one(r, column, catalog.AWS, catalog.Azure, catalog.GCP)
}

// number returns an exact number in [0, ...).
func (r *row) number(column string) catalog.Number {
	n, err := catalog.ParseNumber(r.text(column))
	if err != nil {
		r.refuse("%s: %v", column, err)
	}
	if n.Mantissa < 0 {
		r.refuse("%s is negative: %v", column, n)
	}
	return n
}

// price returns a number above zero: a list has no free machine, only one whose
// price went missing.
func (r *row) price(column string) catalog.Number {
	n := r.number(column)
	if n.Mantissa == 0 {
		r.refuse("%s is zero", column)
	}
	return n
}

// figure returns a number that may be missing.
func (r *row) figure(column string) catalog.Known[float64] {
	if r.text(column) == "" {
		return catalog.Known[float64]{}
	}
	return catalog.KnownAs(float(r.number(column)))
}

// whole returns a whole number in [low, high].
func (r *row) whole(column string, low, high int) int {
	n, err := strconv.Atoi(r.text(column))
	if err != nil || n < low || n > high {
		r.refuse("%s is %q, expected is a whole number from %d to %d", column, r.text(column), low, high)
	}
	return n
}

// coordinate returns degrees in [-bound, bound].
func (r *row) coordinate(column string, bound float64) float64 {
	n, err := catalog.ParseNumber(r.text(column))
	if err != nil {
		r.refuse("%s: %v", column, err)
	}
	f := float(n)
	if f < -bound || f > bound {
		r.refuse("%s is %v, beyond %v degrees", column, n, bound)
	}
	return f
}

func (r *row) date(column string) time.Time {
	t, err := time.Parse(time.DateOnly, r.text(column))
	if err != nil {
		r.refuse("%s is %q, expected is a date such as 2026-03-01", column, r.text(column))
	}
	return t
}

// gib returns GiB as bytes, rounded to the nearest.
func (r *row) gib(column string) catalog.Known[int64] {
	if r.text(column) == "" {
		return catalog.Known[int64]{}
	}
	b, ok := bytesOf(r.price(column))
	if !ok {
		r.refuse("%s is out of range", column)
	}
	return catalog.KnownAs(b)
}

// bytesOf returns a number of GiB as bytes, half a byte rounded up.
func bytesOf(gib catalog.Number) (int64, bool) {
	den := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(-gib.Exponent)), nil)
	num := new(big.Int).Lsh(big.NewInt(gib.Mantissa), 31) // twice 2^30: one bit to round by
	num.Add(num, den)
	num.Div(num, den.Lsh(den, 1))
	return num.Int64(), num.IsInt64()
}

// float returns the float64 nearest to a number. Numbers of the source that
// are no prices have few digits, so it reads back exactly.
func float(n catalog.Number) float64 {
	f, _ := n.Decimal().Float64()
	return f
}
