package gcp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/api/cloudbilling/v1"

	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
)

// rate is the price of a unit of something in a region.
type rate struct {
	price   money.Price
	start   time.Time
	regions int  // that the SKU serves
	clash   bool // another SKU that serves as many has another price
}

// catalog is what is kept of the list of SKUs.
type catalog struct {
	at      time.Time
	regions map[string]map[rateKey]rate
	rates   int
}

// maxRates bounds what is kept; the list of 2026 gives some ten thousand.
const maxRates = 2_000_000

// anywhere is the region of SKUs that are the same in all regions.
const anywhere = "global"

// catalog returns the list of SKUs, reading it where that is due. On an error
// it also returns what was read by then, if anything.
func (s *Source) catalog(ctx context.Context) (*catalog, error) {
	if s.err != nil {
		return nil, s.err
	}
	select {
	case <-s.turn:
		defer func() { s.turn <- struct{}{} }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	now := s.now()
	if s.list != nil && (now.IsZero() || (!now.Before(s.list.at) && now.Sub(s.list.at) < listAge)) {
		return s.list, nil
	}
	list, err := s.read(ctx, now)
	if err == nil {
		s.list = list
	}
	if list.rates == 0 && err != nil {
		return nil, err
	}
	return list, err
}

// read reads the list page by page and keeps the rates.
func (s *Source) read(ctx context.Context, at time.Time) (*catalog, error) {
	c := &catalog{at: at, regions: make(map[string]map[rateKey]rate)}
	r := &reading{source: s, list: "skus", skipped: make(map[string]int)}
	seen := make(map[string]bool)
	for token := ""; ; {
		page, err := call(ctx, r, func() (*cloudbilling.ListSkusResponse, error) { return s.skus(ctx, token) })
		if err != nil {
			return c, fmt.Errorf("page %d of the SKUs: %w", r.pages+1, err)
		}
		for _, sku := range page.Skus {
			r.rows++
			if err := c.take(sku, s.o.Currency, r.skipped); err != nil {
				return c, fmt.Errorf("page %d of the SKUs: %w", r.pages+1, err)
			}
		}
		r.pages++
		token = page.NextPageToken
		if token == "" {
			break
		}
		if seen[token] || r.pages >= maxPages {
			return c, fmt.Errorf("page %d of the SKUs: the tokens of the next page do not end", r.pages)
		}
		seen[token] = true
		r.report(Progress{})
	}
	if r.rows == 0 {
		return c, errors.New("the list of SKUs is empty")
	}
	c.everywhere()
	r.items = c.rates
	r.report(Progress{Done: true})
	return c, nil
}

// take keeps the rate of a SKU, or counts why not.
func (c *catalog) take(sku *cloudbilling.Sku, currency money.Currency, skipped map[string]int) error {
	if sku == nil {
		return nil
	}
	usage := ""
	if sku.Category != nil {
		usage = sku.Category.UsageType
	}
	k, reason := describe(sku.Description, usage)
	if reason != "" {
		skipped[reason]++
		return nil
	}
	r, reason, err := priceOf(sku, k, currency)
	if err != nil {
		return fmt.Errorf("SKU %q: %w", sku.Description, err)
	}
	if reason != "" {
		skipped[reason]++
		return nil
	}
	for _, region := range sku.ServiceRegions {
		rates := c.regions[region]
		if rates == nil {
			rates = make(map[rateKey]rate)
			c.regions[region] = rates
		}
		old, ok := rates[k]
		switch {
		case !ok:
			if c.rates++; c.rates > maxRates {
				return fmt.Errorf("the list has more than %d rates", maxRates)
			}
			rates[k] = r
		case r.regions < old.regions:
			rates[k] = r
		case r.regions == old.regions && r.price != old.price:
			old.clash = true
			rates[k] = old
		}
	}
	return nil
}

// everywhere gives all regions what is the same in all of them and not priced
// in the region itself.
func (c *catalog) everywhere() {
	for region, rates := range c.regions {
		if region == anywhere {
			continue
		}
		for k, r := range c.regions[anywhere] {
			if _, ok := rates[k]; !ok && (k.part == partInUse || k.part == partLicence) {
				rates[k] = r
			}
		}
	}
}

// current returns the price information that begins last.
func current(infos []*cloudbilling.PricingInfo) (*cloudbilling.PricingInfo, time.Time) {
	var best *cloudbilling.PricingInfo
	var start time.Time
	for _, i := range infos {
		if i == nil || i.PricingExpression == nil {
			continue
		}
		t, _ := time.Parse(time.RFC3339Nano, i.EffectiveTime)
		if best == nil || t.After(start) {
			best, start = i, t
		}
	}
	return best, start.UTC()
}

// priceOf returns the price of a unit that a SKU states. An error is a list in
// another currency than asked for.
func priceOf(sku *cloudbilling.Sku, k rateKey, currency money.Currency) (r rate, reason string, err error) {
	info, start := current(sku.PricingInfo)
	if info == nil || len(info.PricingExpression.TieredRates) == 0 {
		return r, skipNoPrice, nil
	}
	tiers := slices.DeleteFunc(slices.Clone(info.PricingExpression.TieredRates), func(t *cloudbilling.TierRate) bool { return t == nil || t.UnitPrice == nil })
	slices.SortStableFunc(tiers, func(a, b *cloudbilling.TierRate) int { return cmp.Compare(a.StartUsageAmount, b.StartUsageAmount) })
	for _, t := range tiers {
		if c := t.UnitPrice.CurrencyCode; c != string(currency) {
			return r, "", fmt.Errorf("it is priced in %q, asked for %s", c, currency)
		}
		p, ok := exact(t.UnitPrice, currency)
		if !ok {
			return r, skipFigure, nil
		}
		if p.Sign() == 0 { // a free tier
			continue
		}
		if p, ok = inUnit(p, k, info.PricingExpression.UsageUnit); !ok {
			return r, skipUnit, nil
		}
		return rate{price: p, start: start, regions: len(sku.ServiceRegions)}, "", nil
	}
	return r, skipZero, nil
}

// exact returns units + nanos / 1e9.
func exact(m *cloudbilling.Money, currency money.Currency) (money.Price, bool) {
	const nanos = 1_000_000_000
	if m.Units < 0 || m.Nanos < 0 || m.Nanos >= nanos || m.Units >= 1e8 {
		return money.Price{}, false
	}
	return money.PriceOf(money.FromScaled(m.Units*nanos+m.Nanos, 9), currency), true
}

// inUnit returns a price in the unit of its part: an hour, a GiB-hour of memory
// or a GiB-month of storage.
func inUnit(p money.Price, k rateKey, unit string) (money.Price, bool) {
	switch k.part {
	case partCore, partMachine, partGPU, partIdle, partInUse:
		return p, unit == "h"
	case partRAM, partExtended:
		return p, unit == "GiBy.h"
	case partLicence:
		// Of what is not an hour it matters only that it is not free.
		return p, unit == "h" || k.licence.other
	}
	switch unit {
	case "GiBy.mo":
		return p, true
	case "GiBy.h":
		return p.Scale(money.Whole(pricing.HoursPerMonth)), true
	}
	return p, false
}
