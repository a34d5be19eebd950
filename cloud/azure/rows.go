package azure

import (
	"cmp"
	"errors"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
)

// The reasons for which a row is left out.
const (
	skipCloudServices = "cloud services"
	skipDedicated     = "dedicated host"
	skipDevTest       = "dev/test"
	skipLowPriority   = "low priority"
	skipSoftware      = "other software"
	skipZero          = "zero price"
	skipUnit          = "unknown unit"
	skipRegion        = "other region"
	skipEnded         = "price has ended"
	skipLicence       = "licence not included"
	skipNoSize        = "no size"
	skipUnknown       = "unknown kind of row"
	skipFigure        = "not a figure"
	skipAmbiguous     = "two prices"
)

// candidate is a price that a row gives, with what ranks it against others of
// the same thing.
type candidate struct {
	price, upfront money.Price
	start          time.Time
	primary        bool
	tier           float64
	clash          bool // an equally ranked row gives another price
}

// rank is positive where c counts before d.
func (c *candidate) rank(d *candidate) int {
	switch {
	case c.primary != d.primary:
		if c.primary {
			return 1
		}
		return -1
	case c.tier != d.tier:
		return cmp.Compare(d.tier, c.tier)
	}
	return c.start.Compare(d.start)
}

// keep puts the better of two candidates.
func keep[K comparable](m map[K]candidate, k K, c candidate) {
	old, ok := m[k]
	if !ok {
		m[k] = c
		return
	}
	switch r := c.rank(&old); {
	case r > 0:
		m[k] = c
	case r == 0 && (c.price != old.price || c.upfront != old.upfront):
		old.clash = true
		m[k] = old
	}
}

// parsePrice reads a figure of the list exactly. Lists in other currencies than
// USD hold figures of more digits than a price has; they are rounded to 12
// decimals.
func parsePrice(s string, c money.Currency) (money.Price, error) {
	p, err := money.ParsePrice(s, c)
	if err == nil {
		return p, nil
	}
	if len(s) > 64 || strings.ContainsAny(s, "eE") {
		return money.Price{}, err
	}
	d, derr := decimal.NewFromString(s)
	if derr != nil {
		return money.Price{}, err
	}
	return money.NewPrice(d.Round(12), c)
}

var errZero = errors.New(skipZero)

// price returns a figure that is a price: above zero.
func (s *Source) price(figure string) (money.Price, error) {
	p, err := parsePrice(figure, s.o.Currency)
	switch {
	case err != nil:
		return money.Price{}, errors.New(skipFigure)
	case p.Sign() <= 0:
		return money.Price{}, errZero
	}
	return p, nil
}

// start returns what the row says of its time, and whether it is over at a
// time; the zero time ends nothing.
func (r *row) start(at time.Time) (start time.Time, over bool) {
	start, _ = time.Parse(time.RFC3339, r.EffectiveStart)
	if end, err := time.Parse(time.RFC3339, r.EffectiveEnd); err == nil && !at.IsZero() && !end.After(at) {
		over = true
	}
	if !at.IsZero() && start.After(at) {
		over = true // not yet begun
	}
	return start.UTC(), over
}

// unit splits a unit of measure such as "100 Hours" or "1 GiB/Month" into its
// number and its name in lower case without a plural.
func unit(s string) (int64, string) {
	i := strings.IndexFunc(s, func(c rune) bool { return c < '0' || c > '9' })
	if i <= 0 {
		return 0, ""
	}
	n, err := strconv.ParseInt(s[:i], 10, 32)
	if err != nil || n <= 0 {
		return 0, ""
	}
	return n, strings.TrimSuffix(strings.ToLower(strings.TrimSpace(s[i:])), "s")
}

// years reads a term such as "1 Year" or "3 Years".
func years(term string) (int, bool) {
	n, name := unit(term)
	return int(n), name == "year" && n <= 10
}

type offerKey struct {
	size, os string
	purchase pricing.Purchase
	years    int
}

// machines makes offers of the rows of virtual machines.
type machines struct {
	region string
	at     time.Time
	source *Source
	found  map[offerKey]candidate
}

// classify says what a row of a virtual machine prices, or why it is left out.
func classify(r *row) (os string, purchase pricing.Purchase, reason string) {
	product := strings.ToLower(r.ProductName)
	names := strings.ToLower(r.SkuName + "\x00" + r.MeterName)
	switch {
	case strings.Contains(product, "cloud services"), strings.Contains(product, "cloudservices"):
		return "", "", skipCloudServices
	case strings.Contains(product, "dedicated host"):
		return "", "", skipDedicated
	case strings.EqualFold(r.Type, "DevTestConsumption"):
		return "", "", skipDevTest
	case strings.Contains(names, "low priority"), strings.Contains(product, "low priority"):
		return "", "", skipLowPriority
	case strings.Contains(product, "red hat"), strings.Contains(product, "rhel"), strings.Contains(product, "suse"), strings.Contains(product, "sql server"):
		return "", "", skipSoftware
	case !strings.HasPrefix(r.ArmSkuName, "Standard_") && !strings.HasPrefix(r.ArmSkuName, "Basic_"):
		return "", "", skipNoSize
	}
	os = pricing.Linux
	if strings.Contains(product, "windows") {
		os = pricing.Windows
	}
	spot := strings.Contains(names, "spot")
	switch {
	case strings.EqualFold(r.Type, "Reservation") && os == pricing.Windows:
		return "", "", skipLicence
	case strings.EqualFold(r.Type, "Reservation") && !spot:
		return os, pricing.Reserved, ""
	case strings.EqualFold(r.Type, "Consumption") && spot:
		return os, pricing.Spot, ""
	case strings.EqualFold(r.Type, "Consumption"):
		return os, pricing.OnDemand, ""
	}
	return "", "", skipUnknown
}

func (m *machines) take(r *row, skip func(string)) {
	os, purchase, reason := classify(r)
	if reason != "" {
		skip(reason)
		return
	}
	if !strings.EqualFold(r.ArmRegionName, m.region) {
		skip(skipRegion)
		return
	}
	c := candidate{primary: r.PrimaryMeter, tier: r.TierMinimumUnits}
	var over bool
	if c.start, over = r.start(m.at); over {
		skip(skipEnded)
		return
	}
	k := offerKey{size: r.ArmSkuName, os: os, purchase: purchase}
	if purchase == pricing.Reserved {
		m.takeReserved(r, k, c, skip)
		return
	}
	n, name := unit(r.UnitOfMeasure)
	if name != "hour" {
		skip(skipUnit)
		return
	}
	figure := func(s string) (money.Price, error) {
		p, err := m.source.price(s)
		if err != nil || n == 1 {
			return p, err
		}
		if p = p.Over(money.Whole(n)); p.Sign() == 0 {
			err = errZero
		}
		return p, err
	}
	p, err := figure(r.RetailPrice.String())
	if err != nil {
		skip(err.Error())
		return
	}
	c.price = p
	keep(m.found, k, c)
	if purchase != pricing.OnDemand {
		return
	}
	k.purchase = pricing.SavingsPlan
	for _, plan := range r.SavingsPlan {
		p, err := figure(plan.RetailPrice.String())
		y, ok := years(plan.Term)
		switch {
		case !ok:
			skip("savings plan: " + skipUnknown)
			continue
		case err != nil:
			skip("savings plan: " + err.Error())
			continue
		}
		k.years, c.price = y, p
		keep(m.found, k, c)
	}
}

func (m *machines) takeReserved(r *row, k offerKey, c candidate, skip func(string)) {
	y, ok := years(r.ReservationTerm)
	if !ok {
		skip(skipUnknown)
		return
	}
	total, err := m.source.price(r.RetailPrice.String())
	if err != nil {
		skip(err.Error())
		return
	}
	k.years, c.upfront = y, total
	c.price, err = pricing.Amortised(total, money.Price{}, pricing.Term{Years: y})
	if err == nil && c.price.Sign() == 0 {
		err = errZero
	}
	if err != nil {
		skip(err.Error())
		return
	}
	keep(m.found, k, c)
}

// settle yields the offers in the order of their keys.
func (m *machines) settle(r *reading) iter.Seq[pricing.Item] {
	return func(yield func(pricing.Item) bool) {
		for _, k := range slices.SortedFunc(maps.Keys(m.found), compareOffers) {
			c := m.found[k]
			if c.clash {
				r.skip(skipAmbiguous)
				continue
			}
			if k.purchase == pricing.SavingsPlan && k.os == pricing.Windows && !m.licensed(k, c) {
				r.skip("savings plan: " + skipLicence)
				continue
			}
			if !yield(pricing.Item{Offer: &pricing.Offer{
				Provider: pricing.Azure, Region: m.region, InstanceType: k.size, OS: k.os,
				Purchase: k.purchase, Term: pricing.Term{Years: k.years}, PerHour: c.price, Upfront: c.upfront,
				ValidFrom: c.start, ObservedAt: m.at, Basis: pricing.Observed, Source: sourceName,
			}}) {
				return
			}
		}
	}
}

// licensed reports whether a Windows savings-plan rate is above that of Linux,
// where there is one to compare it with.
func (m *machines) licensed(k offerKey, c candidate) bool {
	k.os = pricing.Linux
	linux, ok := m.found[k]
	return !ok || linux.price.Number().Cmp(c.price.Number()) < 0
}
