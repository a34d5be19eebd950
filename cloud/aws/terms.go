package aws

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/cloud/aws/internal/jsonscan"
	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
)

// maxTerms bounds the terms and prices of one SKU: ten times those of the
// largest.
const maxTerms = 1000

// rate is one price of a term.
type rate struct {
	unit, end string
	price     money.Price
}

// term is the price of a SKU under one way of buying it.
type term struct {
	from                  time.Time
	length, class, option string
	rates                 []rate
	foreign               bool // it has a price in an unknown currency
}

// terms reads the terms of one SKU and yields their offers.
func (l *list) terms(s *jsonscan.Scanner, k sku, reserved bool) error {
	var all []term
	err := s.Object(func([]byte) error {
		if len(all) >= maxTerms {
			return fmt.Errorf("byte %d: more than %d terms of one product", s.Offset(), maxTerms)
		}
		t, err := readTerm(s)
		all = append(all, t)
		return err
	})
	if err != nil {
		return err
	}
	if reserved {
		if k.kind != ofInstance {
			return nil
		}
		return l.reserved(k, all)
	}
	return l.onDemand(k, l.latest(all, func(term) pricing.Term { return pricing.Term{} }))
}

func readTerm(s *jsonscan.Scanner) (t term, err error) {
	err = s.Object(func(key []byte) (err error) {
		switch string(key) {
		case "effectiveDate":
			t.from, err = timeOf(s)
			return err
		case "priceDimensions":
			return s.Object(func([]byte) error {
				if len(t.rates) >= maxTerms {
					return fmt.Errorf("byte %d: more than %d prices of one term", s.Offset(), maxTerms)
				}
				r, err := readRate(s, &t)
				t.rates = append(t.rates, r)
				return err
			})
		case "termAttributes":
			return s.Object(func(key []byte) error {
				var into *string
				switch string(key) {
				case "LeaseContractLength":
					into = &t.length
				case "OfferingClass":
					into = &t.class
				case "PurchaseOption":
					into = &t.option
				default:
					return s.Skip()
				}
				raw, err := s.Scalar()
				*into = string(raw)
				return err
			})
		}
		return s.Skip()
	})
	return t, err
}

func readRate(s *jsonscan.Scanner, t *term) (r rate, err error) {
	err = s.Object(func(key []byte) error {
		switch string(key) {
		case "unit", "endRange":
			into := &r.unit
			if string(key) == "endRange" {
				into = &r.end
			}
			raw, err := s.Scalar()
			*into = string(raw)
			return err
		case "pricePerUnit":
			return readPrices(s, &r, t)
		}
		return s.Skip()
	})
	return r, err
}

// readPrices reads a price in one or more currencies: US dollars, else the
// first that is known.
func readPrices(s *jsonscan.Scanner, r *rate, t *term) error {
	return s.Object(func(key []byte) error {
		c := money.Currency(key)
		raw, err := s.Scalar()
		if err != nil {
			return err
		}
		switch {
		case len(raw) == 0:
			return nil
		case !c.Valid():
			t.foreign = true
			return nil
		case !r.price.IsZero() && c != money.USD:
			return nil
		}
		if r.price, err = money.ParsePrice(string(raw), c); err != nil {
			return fmt.Errorf("byte %d: %w", s.Offset(), err)
		}
		return nil
	})
}

// latest returns the terms of each key whose prices hold since the latest day.
// Those that begin after the reading are left out.
func (l *list) latest(all []term, key func(term) pricing.Term) []term {
	var out []term
	index := make(map[pricing.Term]int)
	for _, t := range all {
		t.from = cmp.Or(t.from, l.published)
		k := key(t)
		i, twice := index[k]
		switch {
		case t.from.After(l.observed):
			l.skip(SkippedTerm)
		case !twice:
			index[k] = len(out)
			out = append(out, t)
		case t.from.After(out[i].from):
			l.skip(SkippedSuperseded)
			out[i] = t
		case t.from.Equal(out[i].from):
			out = append(out, t) // a book says which of two is right
		default:
			l.skip(SkippedSuperseded)
		}
	}
	return out
}

// only returns the one price of a unit, or that of the last of its tiers. It
// is false where there is none.
func (t term) only(unit string) (money.Price, bool) {
	var found []rate
	for _, r := range t.rates {
		if strings.EqualFold(r.unit, unit) && !r.price.IsZero() {
			found = append(found, r)
		}
	}
	if len(found) == 1 {
		return found[0].price, true
	}
	var last []money.Price
	for _, r := range found {
		if r.end == "Inf" {
			last = append(last, r.price)
		}
	}
	if len(last) != 1 {
		return money.Price{}, false
	}
	return last[0], true
}

func (l *list) unpriced(t term) {
	if t.foreign {
		l.skip(SkippedCurrency)
		return
	}
	l.skip(SkippedUnit)
}

func (l *list) onDemand(k sku, all []term) error {
	for _, t := range all {
		unit := "Hrs"
		if k.kind == ofStorage {
			unit = "GB-Mo"
		}
		price, ok := t.only(unit)
		var err error
		switch {
		case !ok:
			l.unpriced(t)
		case k.kind == ofInstance:
			err = l.offer(k, pricing.Offer{Purchase: pricing.OnDemand, PerHour: price, ValidFrom: t.from})
		case k.kind == ofStorage:
			// What the list calls a GB is a GiB.
			err = l.storage(pricing.StorageOffer{DiskType: k.name, PerGiBMonth: price, ValidFrom: t.from})
		default:
			err = l.address(k, pricing.AddressOffer{PerHour: price, ValidFrom: t.from})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// reserved yields the reserved instances of a SKU.
func (l *list) reserved(k sku, all []term) error {
	known := all[:0]
	for _, t := range all {
		if t.commitment().Years == 0 {
			l.skip(SkippedTerm)
			continue
		}
		known = append(known, t)
	}
	for _, t := range l.latest(known, term.commitment) {
		commitment := t.commitment()
		recurring, hourly := t.only("Hrs")
		upfront, once := t.only("Quantity")
		needsHourly, needsOnce := commitment.Payment != pricing.AllUpfront, commitment.Payment != pricing.NoUpfront
		if (needsHourly && !hourly) || (needsOnce && !once) || t.foreign {
			l.unpriced(t)
			continue
		}
		per, err := pricing.Amortised(upfront, recurring, commitment)
		if err != nil {
			l.unpriced(t) // two currencies
			continue
		}
		err = l.offer(k, pricing.Offer{Purchase: pricing.Reserved, Term: commitment, PerHour: per, Upfront: upfront, Recurring: recurring, ValidFrom: t.from})
		if err != nil {
			return err
		}
	}
	return nil
}

// commitment returns the term as this program names it. Its years are 0 where
// it is none that is sold today.
func (t term) commitment() pricing.Term {
	class := strings.ToLower(t.class)
	if class == "" {
		class = "standard"
	}
	payment, err := pricing.ParsePayment(t.option)
	years := map[string]int{"1yr": 1, "3yr": 3}[strings.ReplaceAll(strings.ToLower(t.length), " ", "")]
	if err != nil || payment == "" || years == 0 || (class != "standard" && class != "convertible") {
		return pricing.Term{}
	}
	return pricing.Term{Years: years, Payment: payment, Class: class}
}
