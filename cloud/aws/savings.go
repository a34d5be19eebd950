package aws

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/cloud/aws/internal/jsonscan"
	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
)

// maxPlans bounds the savings plans of a region: ten times those of the
// largest.
const maxPlans = 50_000

// plan is a savings plan: what it is and how it is paid.
type plan struct {
	class   string
	payment pricing.Payment
}

// savings reads the savings plans of the region. Their rates name the products
// that they are for, so the price list must have been read.
func (f files) savings(ctx context.Context, l *list, index map[string]service) error {
	ref := index["AmazonEC2"].SavingsPlans
	if ref == "" {
		l.notice("The price list names no savings plans.")
		return nil
	}
	at, err := f.at(ref)
	if err != nil {
		return err
	}
	var regions struct {
		Regions []struct {
			Code string `json:"regionCode"`
			URL  string `json:"versionUrl"`
		} `json:"regions"`
	}
	if err := f.source.small(ctx, at, &regions); err != nil {
		return err
	}
	for _, r := range regions.Regions {
		if r.Code != l.region {
			continue
		}
		d, err := f.open(ctx, ListSavingsPlans, r.URL)
		if err != nil {
			return err
		}
		defer d.Close()
		l.source = ListSavingsPlans
		if err := named(d, l.decodeSavings(d)); err != nil {
			return err
		}
		l.done(ListSavingsPlans)
		return nil
	}
	l.notice("The savings plans lack the region.")
	return nil
}

// decodeSavings decodes the savings plans of a region as they arrive.
func (l *list) decodeSavings(r io.Reader) error {
	s := jsonscan.New(r)
	plans := make(map[string]plan)
	var products, terms bool
	l.published = time.Time{}
	err := s.Object(func(key []byte) error {
		switch string(key) {
		case "publicationDate":
			t, err := timeOf(s)
			l.published = t
			return err
		case "products":
			products = true
			return s.Array(func() error { return readPlan(s, plans) })
		case "terms":
			if terms = true; !products {
				return fmt.Errorf("byte %d: the terms stand before the products", s.Offset())
			}
			return s.Object(func(key []byte) error {
				if string(key) != "savingsPlan" {
					return s.Skip()
				}
				return s.Array(func() error { return l.savingsTerm(s, plans) })
			})
		}
		return s.Skip()
	})
	if err != nil {
		return err
	}
	if !products || !terms {
		return fmt.Errorf("the file holds no products or no terms: it is no list of savings plans")
	}
	return s.End()
}

// readPlan reads a product of the list.
func readPlan(s *jsonscan.Scanner, plans map[string]plan) error {
	var id, family, option string
	err := s.Object(func(key []byte) error {
		switch string(key) {
		case "sku":
			return scalar(s, &id)
		case "productFamily":
			return scalar(s, &family)
		case "attributes":
			return s.Object(func(key []byte) error {
				if string(key) == "purchaseOption" {
					return scalar(s, &option)
				}
				return s.Skip()
			})
		}
		return s.Skip()
	})
	if err != nil {
		return err
	}
	class := map[string]string{"ComputeSavingsPlans": "compute", "EC2InstanceSavingsPlans": "ec2_instance"}[family]
	payment, err := pricing.ParsePayment(option)
	switch {
	case class == "" || err != nil || payment == "":
		return nil // plans of other services
	case len(plans) >= maxPlans:
		return fmt.Errorf("byte %d: more than %d savings plans", s.Offset(), maxPlans)
	}
	plans[id] = plan{class, payment}
	return nil
}

func scalar(s *jsonscan.Scanner, into *string) error {
	raw, err := s.Scalar()
	*into = string(raw)
	return err
}

// discount is a rate of a savings plan for one product.
type discount struct {
	sku   sku
	price money.Price
}

// savingsTerm reads one savings plan with its rates.
func (l *list) savingsTerm(s *jsonscan.Scanner, plans map[string]plan) error {
	var id, duration, unit string
	var from time.Time
	var rates []discount
	err := s.Object(func(key []byte) (err error) {
		switch string(key) {
		case "sku":
			return scalar(s, &id)
		case "effectiveDate":
			from, err = timeOf(s)
			return err
		case "leaseContractLength":
			return s.Object(func(key []byte) error {
				switch string(key) {
				case "duration":
					return scalar(s, &duration)
				case "unit":
					return scalar(s, &unit)
				}
				return s.Skip()
			})
		case "rates":
			return s.Array(func() error {
				d, ok, err := l.discount(s)
				if ok {
					rates = append(rates, d)
				}
				return err
			})
		}
		return s.Skip()
	})
	if err != nil {
		return err
	}
	p, known := plans[id]
	years := map[string]int{"1": 1, "3": 3}[duration]
	if !known || years == 0 || !strings.HasPrefix(unit, "year") {
		l.report.Skipped[SkippedUnknownPlan] += len(rates)
		return nil
	}
	if from.IsZero() {
		from = l.published
	}
	for _, d := range rates {
		o := pricing.Offer{Purchase: pricing.SavingsPlan, Term: pricing.Term{Years: years, Payment: p.payment, Class: p.class}, PerHour: d.price, ValidFrom: from}
		if err := l.offer(d.sku, o); err != nil {
			return err
		}
	}
	return nil
}

// discount reads a rate. It is false for a product that is not kept.
func (l *list) discount(s *jsonscan.Scanner) (d discount, ok bool, err error) {
	var unit, currency, price string
	err = s.Object(func(key []byte) error {
		switch string(key) {
		case "discountedSku":
			raw, err := s.Scalar()
			d.sku, ok = l.skus[string(raw)]
			return err
		case "unit":
			return scalar(s, &unit)
		case "discountedRate":
			return s.Object(func(key []byte) error {
				switch string(key) {
				case "price":
					return scalar(s, &price)
				case "currency":
					return scalar(s, &currency)
				}
				return s.Skip()
			})
		}
		return s.Skip()
	})
	if err != nil || !ok || d.sku.kind != ofInstance {
		return d, false, err
	}
	c := money.Currency(currency)
	switch {
	case !strings.EqualFold(unit, "Hrs"):
		l.skip(SkippedUnit)
		return d, false, nil
	case !c.Valid():
		l.skip(SkippedCurrency)
		return d, false, nil
	}
	if d.price, err = money.ParsePrice(price, c); err != nil {
		return d, false, fmt.Errorf("byte %d: %w", s.Offset(), err)
	}
	return d, true, nil
}
