package pricing

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"github.com/leanfleet/leanfleet/money"
)

// Sheet is what a user says of prices himself: negotiated discounts, stated
// prices, machines of his own, disks and addresses. The zero value says
// nothing. A sheet does not change once it is read.
type Sheet struct {
	digest    string
	prices    sheetPrices // what the user pays
	lists     sheetPrices // list prices of his own
	discounts []Discount
	specs     map[[2]string]Specification
	storage   []StorageOffer
	addresses []AddressOffer
	seen      map[string][]claim
	rows      []sheetRow
}

// claim is a row that says something of a key in a time.
type claim struct {
	from, to time.Time
	source   string
}

// Discount is a percentage off the list price.
type Discount struct {
	Provider string
	// Region, Family, OS and Purchase narrow the discount; empty is any.
	Region, Family, OS string
	Purchase           Purchase
	Percent            money.Number // in (0, 100]
	ValidFrom, ValidTo time.Time    // zero is open
	Source             string
}

// sheetCell is where a sheet has prices; the empty region is any.
type sheetCell struct{ provider, region, typ string }

type sheetPrices map[sheetCell][]Offer

// pick picks from the prices of the region, else from those of any region.
func (s sheetPrices) pick(p *pick, provider, region string, k offerKey) {
	if len(s) == 0 {
		return
	}
	p.listed(s[sheetCell{provider, region, k.typ}], LayerSheet, k)
	if p.fit != fitValid {
		before := p.start
		p.listed(s[sheetCell{provider, "", k.typ}], LayerSheet, k)
		if p.found.List.Region == "" && p.found.Layer == LayerSheet && (p.fit != fitNone || before != p.start) {
			p.found.List.Region = region
		}
	}
}

// discount returns the discount that holds: among those that match, the one
// that names the family, then the region, then the purchase option, then the
// operating system. Two of equal standing cannot both hold, see [MergeSheets].
func (s *Sheet) discount(provider, region, family string, k offerKey, m moment) *Discount {
	var best *Discount
	for i := range s.discounts {
		d := &s.discounts[i]
		if d.Provider != provider || (d.Region != "" && d.Region != region) || (d.Family != "" && d.Family != family) ||
			(d.OS != "" && d.OS != k.os) || (d.Purchase != "" && d.Purchase != k.purchase) {
			continue
		}
		held := span{start: unixOf(d.ValidFrom), end: spanOfOffer(&Offer{ValidTo: d.ValidTo}).end, observed: noTime}
		if m.fit(held) == fitValid && (best == nil || d.weight() > best.weight()) {
			best = d
		}
	}
	return best
}

func (d *Discount) weight() int {
	w := 0
	for i, set := range []bool{d.OS != "", d.Purchase != "", d.Region != "", d.Family != ""} {
		w += number(set) << i
	}
	return w
}

// Discounts returns the discounts in the order of their sheets. The slice is
// the caller's.
func (s *Sheet) Discounts() []Discount { return slices.Clone(s.discounts) }

// Revision returns the digest of what the sheet says, empty when it says
// nothing.
func (s *Sheet) Revision() string { return s.digest }

// Prices returns how many prices the sheet states.
func (s *Sheet) Prices() int {
	n := 0
	for _, m := range []sheetPrices{s.prices, s.lists} {
		for _, offers := range m {
			n += len(offers)
		}
	}
	return n
}

// claimed notes that a row speaks of a key, and refuses a second row that
// speaks of it in an overlapping time.
func (s *Sheet) claimed(key string, c claim) error {
	for _, other := range s.seen[key] {
		if before(c.from, other.to) && before(other.from, c.to) {
			return fmt.Errorf("two prices for one thing (%s): %s and %s", key, other.source, c.source)
		}
	}
	if s.seen == nil {
		s.seen = make(map[string][]claim)
	}
	s.seen[key] = append(s.seen[key], c)
	return nil
}

// before reports whether a start lies before an end; zero is open.
func before(start, end time.Time) bool { return start.IsZero() || end.IsZero() || start.Before(end) }

// MergeSheets returns one sheet that says what all of them say. Two rows that
// state a price for one thing at overlapping times are an error that names file
// and line of both, and so are two discounts for the same provider, region,
// family, system and purchase option.
func MergeSheets(sheets ...*Sheet) (*Sheet, error) {
	out := &Sheet{prices: make(sheetPrices), lists: make(sheetPrices), specs: make(map[[2]string]Specification)}
	sum := sha256.New()
	said := false
	for _, s := range sheets {
		if s == nil || s.digest == "" {
			continue
		}
		said = true
		fmt.Fprintln(sum, s.digest)
		for _, key := range sortedKeys(s.seen, cmp.Compare[string]) {
			for _, c := range s.seen[key] {
				if err := out.claimed(key, c); err != nil {
					return nil, err
				}
			}
		}
		for c, offers := range s.prices {
			out.prices[c] = append(out.prices[c], offers...)
		}
		for c, offers := range s.lists {
			out.lists[c] = append(out.lists[c], offers...)
		}
		for k, spec := range s.specs {
			out.specs[k] = spec
		}
		out.discounts = append(out.discounts, s.discounts...)
		out.storage = append(out.storage, s.storage...)
		out.addresses = append(out.addresses, s.addresses...)
		out.rows = append(out.rows, s.rows...)
	}
	if said {
		out.digest = fmt.Sprintf("%x", sum.Sum(nil)[:8])
	}
	return out, nil
}
