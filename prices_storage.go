package leanfleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
)

// StoragePricesRequest asks what block storage costs in a region.
type StoragePricesRequest struct {
	// Provider may be empty where one provider alone has the region.
	Provider string `json:"provider,omitempty"`
	// Region is a region, or PROVIDER:REGION.
	Region string `json:"region"`
	// DiskType is a type of disk, in any case, or the first words of several;
	// empty is all that are known.
	DiskType string `json:"disk_type,omitempty"`
	// AsOf is the hour of use; zero is the newest known prices.
	AsOf time.Time `json:"as_of,omitzero"`
	// PricesAsOf hides what was observed later; zero hides nothing.
	PricesAsOf time.Time `json:"prices_as_of,omitzero"`
}

// StoragePricesResult is the answer to a [StoragePricesRequest].
type StoragePricesResult struct {
	Provider string         `json:"provider"`
	Region   string         `json:"region"`
	Disks    []StoragePrice `json:"disks"`
	// Reason says why there are none, and how to get them; "" where there are.
	Reason   string           `json:"reason,omitempty"`
	Revision pricing.Revision `json:"price_revision"`
	// Warnings are sentences about prices that are old.
	Warnings []string `json:"warnings"`
}

// StoragePrice is the price of a type of disk, or of one of its sizes.
type StoragePrice struct {
	DiskType string `json:"disk_type"`
	// PerGiBMonth is the price of a GiB for a month. Where disks are sold in
	// sizes it is no price, and PerDiskMonth is that of a disk of up to MaxGiB.
	PerGiBMonth  money.Price    `json:"price_per_gib_month"`
	PerDiskMonth money.Price    `json:"price_per_disk_month"`
	MaxGiB       int64          `json:"max_gib,omitzero"`
	Currency     money.Currency `json:"currency"`
	// MonthHours is the length of the month: 730 where the list counts so, 0 for
	// the calendar month.
	MonthHours int `json:"month_hours,omitzero"`
	PriceSource
}

// PriceSource is where a price comes from, and how old it is. Its fields mean
// what they mean in [PriceOffer].
type PriceSource struct {
	AsOf       *time.Time    `json:"as_of"`
	LastSeen   *time.Time    `json:"last_seen"`
	ValidFrom  time.Time     `json:"valid_from,omitzero"`
	AgeSeconds *float64      `json:"age_seconds"`
	Stale      bool          `json:"stale"`
	Gone       bool          `json:"gone"`
	Basis      pricing.Basis `json:"basis"`
	PriceBasis string        `json:"price_basis,omitempty"`
	Layer      pricing.Layer `json:"layer"`
	Source     string        `json:"source"`
}

// AddressPricesRequest asks what a public IPv4 address costs in a region.
type AddressPricesRequest struct {
	// Provider, Region, AsOf and PricesAsOf are as in [StoragePricesRequest].
	Provider   string    `json:"provider,omitempty"`
	Region     string    `json:"region"`
	AsOf       time.Time `json:"as_of,omitzero"`
	PricesAsOf time.Time `json:"prices_as_of,omitzero"`
	// Timezone is the IANA zone of the calendar month; empty is that of Options.
	Timezone string `json:"timezone,omitempty"`
}

// AddressPricesResult is the answer to an [AddressPricesRequest].
type AddressPricesResult struct {
	Provider string `json:"provider"`
	Region   string `json:"region"`
	// Addresses are at most two: in use, and idle.
	Addresses []AddressPrice `json:"addresses"`
	// Reason says why one of them is missing, and how to get it; "" where both
	// are there.
	Reason   string           `json:"reason,omitempty"`
	Month    PriceMonth       `json:"month"`
	Revision pricing.Revision `json:"price_revision"`
	Warnings []string         `json:"warnings"`
}

// The uses of a public address, which lists price apart.
const (
	AddressInUse = "in_use"
	AddressIdle  = "idle"
)

// AddressPrice is the price of a public address.
type AddressPrice struct {
	// Use is in_use or idle: an idle address is used by no running host.
	Use string `json:"use"`
	// PerHour is the list price, PerMonth that of the hours of the calendar
	// month.
	PerHour  money.Price    `json:"price_per_hour"`
	PerMonth money.Amount   `json:"price_per_month"`
	Currency money.Currency `json:"currency"`
	PriceSource
}

// StoragePrices answers what block storage costs in a region. The embedded
// catalogue has no disks: what was neither read nor stands in a sheet is a
// result without disks that says how to get them. An unknown region or type is
// an error with the nearest names.
func (m *Monitor) StoragePrices(ctx context.Context, req StoragePricesRequest) (StoragePricesResult, error) {
	r := StoragePricesResult{Disks: []StoragePrice{}, Warnings: []string{}}
	b, err := m.book(ctx)
	if err != nil {
		return r, err
	}
	where, err := m.extrasPlace(b, req.Provider, req.Region)
	if err != nil {
		return r, err
	}
	r.Provider, r.Region, r.Revision = where.Provider, where.Region, b.Revision()
	found, err := b.ListedStorage(where.Provider, where.Region, req.AsOf, req.PricesAsOf)
	if err != nil {
		return r, err
	}
	if len(found) == 0 {
		r.Reason, err = m.noExtras(b, where, "disks", "disk", req.PricesAsOf)
		return r, err
	}
	now := m.options.Clock()
	ages := newAges(now, m.warnAge())
	var names []string
	for i := range found {
		f := &found[i]
		names = append(names, f.DiskType)
		if !isDiskType(f.DiskType, req.DiskType) {
			continue
		}
		price := f.PerGiBMonth
		if price.IsZero() {
			price = f.PerDiskMonth
		}
		p := StoragePrice{
			DiskType: f.DiskType, PerGiBMonth: f.PerGiBMonth, PerDiskMonth: f.PerDiskMonth, MaxGiB: f.MaxGiB, Currency: price.Currency(), MonthHours: f.MonthHours,
			PriceSource: PriceSource{AsOf: known(f.ObservedAt), LastSeen: known(f.LastSeen), ValidFrom: f.ValidFrom, Gone: f.Gone, Basis: f.Basis, PriceBasis: f.PriceBasis, Layer: f.Layer, Source: f.Source},
		}
		p.aged(now, m.warnAge())
		ages.see(where.Provider, where.Region, f.Layer, f.LastSeen)
		r.Disks = append(r.Disks, p)
	}
	if len(r.Disks) == 0 {
		return r, fleet.BadRequest(fmt.Errorf("unknown disk type %q of %s in %s%s", req.DiskType, where.Provider, where.Region, knownNames(req.DiskType, names)))
	}
	r.Warnings = ages.warnings()
	return r, nil
}

// AddressPrices answers what a public IPv4 address costs in a region, in use
// and idle. What is missing is as in [Monitor.StoragePrices].
func (m *Monitor) AddressPrices(ctx context.Context, req AddressPricesRequest) (AddressPricesResult, error) {
	r := AddressPricesResult{Addresses: []AddressPrice{}, Warnings: []string{}}
	b, err := m.book(ctx)
	if err != nil {
		return r, err
	}
	where, err := m.extrasPlace(b, req.Provider, req.Region)
	if err != nil {
		return r, err
	}
	r.Provider, r.Region, r.Revision = where.Provider, where.Region, b.Revision()
	if r.Month, err = m.month(req.Timezone, req.AsOf, req.PricesAsOf); err != nil {
		return r, err
	}
	found, err := b.ListedAddresses(where.Provider, where.Region, req.AsOf, req.PricesAsOf)
	if err != nil {
		return r, err
	}
	missing := map[bool]string{false: "addresses in use", true: "idle addresses"}
	now := m.options.Clock()
	ages := newAges(now, m.warnAge())
	for i := range found {
		f := &found[i]
		delete(missing, f.Idle)
		p := AddressPrice{
			Use: AddressInUse, PerHour: f.PerHour, PerMonth: f.PerHour.Times(r.Month.length()).Round(), Currency: f.PerHour.Currency(),
			PriceSource: PriceSource{AsOf: known(f.ObservedAt), LastSeen: known(f.LastSeen), ValidFrom: f.ValidFrom, Gone: f.Gone, Basis: f.Basis, PriceBasis: f.PriceBasis, Layer: f.Layer, Source: f.Source},
		}
		if f.Idle {
			p.Use = AddressIdle
		}
		p.aged(now, m.warnAge())
		ages.see(where.Provider, where.Region, f.Layer, f.LastSeen)
		r.Addresses = append(r.Addresses, p)
	}
	r.Warnings = ages.warnings()
	if len(missing) == 0 {
		return r, nil
	}
	what := "public addresses"
	if len(missing) == 1 {
		what = missing[false] + missing[true] // one of them is ""
	}
	r.Reason, err = m.noExtras(b, where, what, "address", req.PricesAsOf)
	return r, err
}

// aged sets how old a price is.
func (p *PriceSource) aged(now time.Time, limit time.Duration) {
	if p.LastSeen == nil {
		return
	}
	if age, ok := ageOf(p.Layer, *p.LastSeen, now); ok {
		seconds := age.Seconds()
		p.AgeSeconds, p.Stale = &seconds, age > limit
	}
}

// extrasPlace is the region that a question about disks or addresses is about.
// Regions of one's own need not be known: sheets give disks without any.
func (m *Monitor) extrasPlace(b *pricing.Book, provider, region string) (PriceRegion, error) {
	if p, rest, given := strings.Cut(region, ":"); given {
		if provider != "" && provider != p {
			return PriceRegion{}, fleet.BadRequest(fmt.Errorf("region %s is not one of %s", region, provider))
		}
		provider, region = p, rest
	}
	if region == "" {
		return PriceRegion{}, fleet.BadRequest(errors.New("prices of disks and addresses: name a region"))
	}
	if provider == "" {
		return placeNamed(b, region)
	}
	return PriceRegion{provider, region}, nil
}

// noExtras is why a region has no price of a thing, or that nobody knows the
// region. kind is that of a row of a sheet.
func (m *Monitor) noExtras(b *pricing.Book, where PriceRegion, what, kind string, asOf time.Time) (string, error) {
	if where.Provider != pricing.OnPremises {
		if _, err := placeNamed(b, where.Provider+":"+where.Region); err != nil {
			return "", err
		}
	}
	sheet := fmt.Sprintf("an own price sheet gives them (rows of the kind %s, docs/prices.md)", kind)
	if !slices.Contains([]string{pricing.AWS, pricing.Azure, pricing.GCP}, where.Provider) {
		return fmt.Sprintf("nobody knows what %s cost in %s %s: %s", what, where.Provider, where.Region, sheet), nil
	}
	for _, x := range b.Readings() {
		if x.Provider != where.Provider || x.Region != where.Region {
			continue
		}
		if !asOf.IsZero() && x.At.After(asOf) {
			continue
		}
		return fmt.Sprintf("the lists that were read of %s %s have no price of %s: %s", where.Provider, where.Region, what, sheet), nil
	}
	return fmt.Sprintf("prices of %s are in no embedded catalogue, and no list of %s %s was read%s: \"leanfleet prices update --provider %s --region %s\" reads it, or %s",
		what, where.Provider, where.Region, until(asOf), where.Provider, where.Region, sheet), nil
}

func until(asOf time.Time) string {
	if asOf.IsZero() {
		return ""
	}
	return " until " + asOf.UTC().Format(time.DateOnly)
}

// isDiskType reports whether a type of disk is the one that is asked for, or
// one of its sizes: "Premium_LRS P10" is a Premium_LRS.
func isDiskType(have, asked string) bool {
	have, asked = strings.ToLower(have), strings.ToLower(strings.TrimSpace(asked))
	return asked == "" || have == asked || strings.HasPrefix(have, asked+" ")
}

// knownNames are the names that somebody may have meant.
func knownNames(name string, names []string) string {
	names = slices.Compact(slices.Clone(names))
	if hint := fleet.DidYouMean(name, names); hint != "" {
		return hint
	}
	const most = 8
	more := ""
	if len(names) > most {
		names, more = names[:most], ", ..."
	}
	return "; known are " + strings.Join(names, ", ") + more
}
