package money

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrCurrency is the error of arithmetic over two different currencies: convert
// one of them first.
var ErrCurrency = errors.New("different currencies")

// USD is the currency of the embedded catalogue and of most providers' lists.
const USD Currency = "USD"

// Currency is a currency by its ISO 4217 code in capital letters. The empty
// currency is none: amounts and prices just read from JSON have it.
type Currency string

// codes are the active codes of ISO 4217 for money that people pay with, funds,
// metals and testing left out, by their number of minor digits.
var codes = map[int8]string{
	0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
	2: "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF " +
		"CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF " +
		"IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR " +
		"MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD " +
		"SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG",
	3: "BHD IQD JOD KWD LYD OMR TND",
}

// code is a currency in three bytes, so that a price is small and comparable.
// The zero code is no currency.
type code [3]byte

func codeOf(c Currency) (k code) {
	copy(k[:], c)
	return k
}

func (k code) currency() Currency {
	switch k {
	case code{}:
		return ""
	case code{'U', 'S', 'D'}:
		return USD
	}
	return Currency(k[:])
}

// ParseCurrency reads an ISO 4217 code in any case, with blanks around it. An
// unknown one is an error that names the nearest codes.
func ParseCurrency(s string) (Currency, error) {
	c := Currency(strings.ToUpper(strings.TrimSpace(s)))
	if c.Valid() {
		return c, nil
	}
	if near := nearestCurrencies(string(c)); len(near) > 0 {
		return "", fmt.Errorf("unknown currency %q: did you mean %s?", s, strings.Join(near, ", "))
	}
	return "", fmt.Errorf("unknown currency %q: use an ISO 4217 code such as USD or EUR", s)
}

// Valid reports whether c is an active ISO 4217 code.
func (c Currency) Valid() bool {
	_, ok := c.digits()
	return ok
}

// Digits returns the number of minor digits of the currency, 2 for USD, 0 for
// JPY, and 2 for a currency that is not valid.
func (c Currency) Digits() int {
	if n, ok := c.digits(); ok {
		return n
	}
	return 2
}

func (c Currency) digits() (int, bool) {
	if c == USD {
		return 2, true
	}
	if len(c) != 3 {
		return 0, false
	}
	for n, list := range codes {
		if i := strings.Index(list, string(c)); i >= 0 && i%4 == 0 {
			return int(n), true
		}
	}
	return 0, false
}

// Currencies returns the valid codes in alphabetical order. The slice is the
// caller's.
func Currencies() []Currency {
	var all []Currency
	for _, list := range codes {
		for c := range strings.FieldsSeq(list) {
			all = append(all, Currency(c))
		}
	}
	slices.Sort(all)
	return all
}

// nearestCurrencies returns up to three codes that s may have meant: those with
// the same letters in another order, then those that differ in one letter or
// lack one.
func nearestCurrencies(s string) []string {
	if len(s) < 2 || len(s) > 4 {
		return nil
	}
	var same, near []string
	for _, c := range Currencies() {
		switch k := string(c); {
		case sortedLetters(k) == sortedLetters(s):
			same = append(same, k)
		case len(s) == 3 && differing(k, s) == 1, len(s) != 3 && (strings.HasPrefix(k, s) || strings.HasPrefix(s, k)):
			near = append(near, k)
		}
	}
	all := append(same, near...)
	return all[:min(3, len(all))]
}

func sortedLetters(s string) string {
	b := []byte(s)
	slices.Sort(b)
	return string(b)
}

func differing(a, b string) int {
	n := 0
	for i := range len(a) {
		if a[i] != b[i] {
			n++
		}
	}
	return n
}
