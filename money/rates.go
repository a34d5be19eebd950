package money

import (
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strings"
	"time"
)

// ErrNoRate is the error of a conversion for which no rate was given.
var ErrNoRate = errors.New("no exchange rate")

// Rate says what one unit of a currency is worth in another. It is part of
// every result that was converted with it.
type Rate struct {
	From  Currency `json:"from"`
	To    Currency `json:"to"`
	Value Number   `json:"rate"`
	// Date is the day from which the rate holds, midnight UTC; zero for a rate
	// that holds always, as one given on the command line.
	Date   time.Time `json:"date,omitzero"`
	Source string    `json:"source"`
}

// Amount returns a converted, exactly.
func (r Rate) Amount(a Amount) Amount {
	return Amount{rat: new(big.Rat).Mul(a.value(), r.Value.rat()), code: codeOf(r.To)}
}

// Price returns p converted, rounded half away from zero to 18 digits.
func (r Rate) Price(p Price) Price {
	if p.IsZero() {
		return p
	}
	return p.Scale(r.Value).In(r.To)
}

// Rates holds the rates a user gave. The nil Rates holds none. It converts in
// the direction a rate was given only: the way back is a rate of its own.
type Rates struct {
	rates map[[2]Currency][]Rate // by date
}

// NewRates returns rates from single ones, as given on a command line.
func NewRates(rates ...Rate) (*Rates, error) {
	set := &Rates{}
	for _, r := range rates {
		if err := set.add(r); err != nil {
			return nil, err
		}
	}
	return set, nil
}

func (s *Rates) add(r Rate) error {
	switch {
	case !r.From.Valid() || !r.To.Valid():
		_, err := ParseCurrency(string(r.From))
		if err == nil {
			_, err = ParseCurrency(string(r.To))
		}
		return err
	case r.Value.Sign() <= 0:
		return fmt.Errorf("rate from %s to %s is %s: it must be above zero", r.From, r.To, r.Value)
	case r.From == r.To:
		return fmt.Errorf("rate from %s to itself", r.From)
	}
	key := [2]Currency{r.From, r.To}
	i, found := slices.BinarySearchFunc(s.rates[key], r, func(a, b Rate) int { return a.Date.Compare(b.Date) })
	if found {
		return fmt.Errorf("two rates from %s to %s for %s: %s and %s", r.From, r.To, dayOf(r.Date), s.rates[key][i].Source, r.Source)
	}
	if s.rates == nil {
		s.rates = make(map[[2]Currency][]Rate)
	}
	s.rates[key] = slices.Insert(s.rates[key], i, r)
	return nil
}

func dayOf(t time.Time) string {
	if t.IsZero() {
		return "all days"
	}
	return t.Format(time.DateOnly)
}

// ParseRates reads a rates file: CSV with the columns date, from, to, rate and
// source in any order, dates as 2006-01-02. An error names file and line. The
// source of a rate is its own text, with the file and line.
func ParseRates(name string, r io.Reader) (*Rates, error) {
	cr := csv.NewReader(r)
	cr.TrimLeadingSpace = true
	cr.Comment = '#'
	header, err := cr.Read()
	if err == io.EOF {
		return nil, fmt.Errorf("%s: no header: the columns are date, from, to, rate, source", name)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	column := make(map[string]int)
	for i, h := range header {
		h = strings.ToLower(strings.TrimSpace(strings.TrimPrefix(h, "\ufeff")))
		if _, twice := column[h]; twice {
			return nil, fmt.Errorf("%s:1: column %q is there twice", name, h)
		}
		column[h] = i
	}
	for _, c := range []string{"date", "from", "to", "rate"} {
		if _, ok := column[c]; !ok {
			return nil, fmt.Errorf("%s:1: column %q is missing", name, c)
		}
	}
	set := &Rates{}
	for {
		row, err := cr.Read()
		if err == io.EOF {
			return set, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		line, _ := cr.FieldPos(0)
		rate, err := parseRate(row, column)
		if err == nil {
			rate.Source = strings.TrimSpace(fmt.Sprintf("%s (%s:%d)", rate.Source, name, line))
			err = set.add(rate)
		}
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, line, err)
		}
	}
}

func parseRate(row []string, column map[string]int) (Rate, error) {
	cell := func(name string) string {
		if i, ok := column[name]; ok {
			return strings.TrimSpace(row[i])
		}
		return ""
	}
	var r Rate
	var err error
	if r.Date, err = time.Parse(time.DateOnly, cell("date")); err != nil {
		return r, fmt.Errorf("date: %q is not a date such as 2026-01-31", cell("date"))
	}
	if r.From, err = ParseCurrency(cell("from")); err != nil {
		return r, fmt.Errorf("from: %w", err)
	}
	if r.To, err = ParseCurrency(cell("to")); err != nil {
		return r, fmt.Errorf("to: %w", err)
	}
	if r.Value, err = ParseNumber(cell("rate")); err != nil {
		return r, fmt.Errorf("rate: %w", err)
	}
	r.Source = cell("source")
	return r, nil
}

// At returns the rate from one currency to another that holds at t: the latest
// one dated at or before it; at the zero time the latest of all. From a
// currency to itself it is 1. Where there is none the error wraps [ErrNoRate]
// and says what there is.
func (s *Rates) At(from, to Currency, t time.Time) (Rate, error) {
	if from == to {
		return Rate{From: from, To: to, Value: Whole(1), Source: "same currency"}, nil
	}
	var list []Rate
	if s != nil {
		list = s.rates[[2]Currency{from, to}]
	}
	if len(list) == 0 {
		err := fmt.Errorf("%w from %s to %s", ErrNoRate, from, to)
		if s != nil && len(s.rates[[2]Currency{to, from}]) > 0 {
			return Rate{}, fmt.Errorf("%w: there is one from %s to %s, give the way back as well", err, to, from)
		}
		return Rate{}, fmt.Errorf("%w: give one, or a rates file", err)
	}
	for _, r := range slices.Backward(list) {
		if t.IsZero() || !r.Date.After(t) {
			return r, nil
		}
	}
	return Rate{}, fmt.Errorf("%w from %s to %s at %s: the first is of %s", ErrNoRate, from, to, dayOf(t), dayOf(list[0].Date))
}

// Amount converts an amount at t and returns the rate used.
func (s *Rates) Amount(a Amount, to Currency, t time.Time) (Amount, Rate, error) {
	r, err := s.At(a.Currency(), to, t)
	if err != nil {
		return Amount{}, Rate{}, err
	}
	return r.Amount(a), r, nil
}

// Price converts a unit price at t and returns the rate used.
func (s *Rates) Price(p Price, to Currency, t time.Time) (Price, Rate, error) {
	r, err := s.At(p.Currency(), to, t)
	if err != nil {
		return Price{}, Rate{}, err
	}
	return r.Price(p), r, nil
}

// All returns the rates by currencies and date. The slice is the caller's.
func (s *Rates) All() []Rate {
	var all []Rate
	if s == nil {
		return nil
	}
	for _, list := range s.rates {
		all = append(all, list...)
	}
	slices.SortFunc(all, func(a, b Rate) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To), a.Date.Compare(b.Date))
	})
	return all
}
