package pricing

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/money"
)

// Refused is an item that a book did not take, with the reason. The last good
// price of its key stays.
type Refused struct {
	What   string `json:"what"`
	Reason string `json:"reason"`
}

// PriceChange is an offer whose price a reading changed.
type PriceChange struct {
	Before Offer `json:"before"`
	After  Offer `json:"after"`
}

// Added says what a reading did to a book.
type Added struct {
	Revision  Revision      `json:"revision"`
	New       int           `json:"new"`       // keys never seen before
	Changed   int           `json:"changed"`   // keys with another value than before
	Unchanged int           `json:"unchanged"` // keys confirmed
	Returned  int           `json:"returned"`  // keys that had been gone
	Gone      int           `json:"gone"`      // keys a complete list no longer holds; their last price stays
	Refused   []Refused     `json:"refused"`
	Changes   []PriceChange `json:"changes"` // of offers, by type
	// Flagged are offers that were taken but contradict another: spot or a
	// commitment above on demand.
	Flagged []Refused `json:"flagged"`
}

// Add takes in what was read from a list, all in one step: readers see either
// none or all of it. Items of a price of zero or below, without a currency or
// with a field missing are refused, and so are two different prices for one
// thing, both of them. Where the reading is complete, offers of the same list
// that it lacks are noted as gone and keep their last price. A value that is
// equal to the last one is not stored again. Items of another region or
// provider than the reading's are refused; specifications belong to the
// provider as a whole.
func (b *Book) Add(r Reading, items []Item) (Added, error) {
	if b.upTo != math.MaxInt32 {
		return Added{}, errors.New("add prices: the book is seen at an older revision")
	}
	if r.List == "" || r.Provider == "" || r.At.IsZero() {
		return Added{}, errors.New("add prices: a reading needs a list, a provider and a time")
	}
	r.At = r.At.UTC().Truncate(time.Second)
	l := b.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.batches) >= maxBatches {
		return Added{}, fmt.Errorf("add prices: the book holds %d readings already", len(l.batches))
	}
	a := &adding{ledger: l, reading: r, number: int32(len(l.batches) + 1), digest: sha256.New()}
	if err := a.open(); err != nil {
		return Added{}, err
	}
	a.start()
	a.take(items)
	a.commit()
	a.flag()
	a.added.Revision = Revision{Live: l.revision(a.number), Sheet: b.sheet.digest, Embedded: b.base.Revision(), Order: slices.Clone(b.order)}
	return a.added, nil
}

const maxBatches = 1 << 20

// adding is one Add under way.
type adding struct {
	ledger  *ledger
	reading Reading
	number  int32
	at      place
	shelf   *shelf // of the region
	types   *shelf // of the provider: specifications
	digest  interface {
		Write(p []byte) (int, error)
		Sum(b []byte) []byte
	}
	added Added

	offers     map[offerKey]*Offer
	storage    map[storageKey]*StorageOffer
	addresses  map[bool]*AddressOffer
	components map[componentKey]*ComponentOffer
	specs      map[string]*Specification
	clashes    map[offerKey]bool // keys with two prices
}

// open unpacks the shelves that will change.
func (a *adding) open() error {
	a.at = place{a.reading.Provider, a.reading.Region}
	for _, s := range []struct {
		at   place
		into **shelf
	}{{a.at, &a.shelf}, {place{a.reading.Provider, ""}, &a.types}} {
		shelf, err := a.ledger.shelf(s.at)
		if err != nil {
			return fmt.Errorf("add prices of %s %s: %w", s.at.provider, s.at.region, err)
		}
		if shelf == nil {
			shelf = newShelf()
		}
		*s.into = shelf
	}
	if a.at.region == "" {
		a.types = a.shelf
	}
	return nil
}

func (a *adding) start() {
	l, r := a.ledger, a.reading
	if n := len(l.batches); n > 0 {
		a.digest.Write(l.batches[n-1].hash[:])
	}
	a.note("reading", r)
	a.offers, a.storage = make(map[offerKey]*Offer), make(map[storageKey]*StorageOffer)
	a.addresses, a.components = make(map[bool]*AddressOffer), make(map[componentKey]*ComponentOffer)
	a.specs, a.clashes = make(map[string]*Specification), make(map[offerKey]bool)
	a.added.Refused, a.added.Changes, a.added.Flagged = []Refused{}, []PriceChange{}, []Refused{}
}

// note adds a change to the digest of the batch.
func (a *adding) note(kind string, v any) {
	raw, err := json.Marshal(v)
	if err != nil {
		panic("BUG: digest of a " + kind + ": " + err.Error())
	}
	var size [binary.MaxVarintLen64]byte
	a.digest.Write([]byte(kind))
	a.digest.Write(size[:binary.PutUvarint(size[:], uint64(len(raw)))])
	a.digest.Write(raw)
}

func (a *adding) refuse(what, reason string) {
	a.added.Refused = append(a.added.Refused, Refused{what, reason})
}

// checkPrice returns why a price is no price, "" where it is one.
func checkPrice(p money.Price) string {
	switch {
	case p.IsZero():
		return "no price"
	case !p.Currency().Valid():
		return fmt.Sprintf("unknown currency %q", p.Currency())
	case p.Sign() == 0:
		return "a price of zero"
	case p.Sign() < 0:
		return "a price below zero"
	}
	return ""
}

func offerWords(o *Offer) string {
	return strings.TrimSpace(fmt.Sprintf("%s %s %s %s", o.InstanceType, o.OS, o.Purchase, o.Term))
}

// checkOffer returns why an offer cannot be taken, "" where it can.
func (a *adding) checkOffer(o *Offer) string {
	_, err := ParsePurchase(string(o.Purchase))
	switch {
	case o.Provider != a.at.provider || o.Region != a.at.region:
		return fmt.Sprintf("it is of %s %s, not of the region that was read", o.Provider, o.Region)
	case o.InstanceType == "" || o.OS == "":
		return "no instance type or operating system"
	case err != nil:
		return err.Error()
	case o.Purchase.Committed() != (o.Term.Years > 0) || o.Term.Years > 100:
		return "commitments need a term in years, other offers have none"
	}
	return checkPrice(o.PerHour)
}

// take sorts the items into what the reading says of each key.
func (a *adding) take(items []Item) {
	for _, it := range items {
		switch {
		case it.Offer != nil:
			a.takeOffer(*it.Offer)
		case it.Storage != nil:
			a.takeStorage(*it.Storage)
		case it.Address != nil:
			a.takeAddress(*it.Address)
		case it.Component != nil:
			a.takeComponent(*it.Component)
		case it.Spec != nil:
			a.takeSpec(*it.Spec)
		}
	}
	sortRefused(a.added.Refused)
}

func sortRefused(r []Refused) {
	slices.SortStableFunc(r, func(x, y Refused) int { return strings.Compare(x.What+"\x00"+x.Reason, y.What+"\x00"+y.Reason) })
}

// once keeps the first value of a key, and nil where a second one says
// otherwise. It reports whether they agree.
func once[K comparable, V any](m map[K]*V, k K, v V, same func(a, b *V) bool) bool {
	old, twice := m[k]
	switch {
	case !twice:
		m[k] = &v
	case old == nil:
		return false
	case !same(old, &v):
		m[k] = nil
		return false
	}
	return true
}

func (a *adding) takeOffer(o Offer) {
	if o.ObservedAt.IsZero() {
		o.ObservedAt = a.reading.At
	}
	o.ValidTo = time.Time{}
	k := offerKey{o.InstanceType, o.OS, o.Purchase, o.Term}
	if reason := a.checkOffer(&o); reason != "" {
		a.refuse(offerWords(&o), reason)
		if _, seen := a.offers[k]; !seen {
			a.offers[k] = nil // it is still in the list
		}
		return
	}
	switch old := a.offers[k]; {
	case a.clashes[k]:
	case old == nil:
		a.offers[k] = &o
	case old.PerHour != o.PerHour || old.Upfront != o.Upfront || old.Recurring != o.Recurring:
		x, y := old.PerHour.String(), o.PerHour.String()
		a.refuse(offerWords(&o), fmt.Sprintf("two prices, %s and %s", min(x, y), max(x, y)))
		a.offers[k], a.clashes[k] = nil, true
	}
}

func (a *adding) takeStorage(o StorageOffer) {
	if o.ObservedAt.IsZero() {
		o.ObservedAt = a.reading.At
	}
	what := "disk " + o.DiskType
	price := o.PerGiBMonth
	if price.IsZero() {
		price = o.PerDiskMonth
	}
	reason := checkPrice(price)
	if o.Provider != a.at.provider || o.Region != a.at.region || o.DiskType == "" || o.MaxGiB < 0 || o.MonthHours < 0 {
		reason = "no disk type, or not of the region that was read"
	}
	if reason != "" {
		a.refuse(what, reason)
		return
	}
	if !once(a.storage, storageKey{o.DiskType, o.MaxGiB}, o, func(x, y *StorageOffer) bool {
		return x.PerGiBMonth == y.PerGiBMonth && x.PerDiskMonth == y.PerDiskMonth
	}) {
		a.refuse(what, "two prices")
	}
}

func (a *adding) takeAddress(o AddressOffer) {
	if o.ObservedAt.IsZero() {
		o.ObservedAt = a.reading.At
	}
	what := map[bool]string{false: "address in use", true: "idle address"}[o.Idle]
	reason := checkPrice(o.PerHour)
	if o.Provider != a.at.provider || o.Region != a.at.region {
		reason = "not of the region that was read"
	}
	if reason != "" {
		a.refuse(what, reason)
		return
	}
	if !once(a.addresses, o.Idle, o, func(x, y *AddressOffer) bool { return x.PerHour == y.PerHour }) {
		a.refuse(what, "two prices")
	}
}

func (a *adding) takeComponent(o ComponentOffer) {
	if o.ObservedAt.IsZero() {
		o.ObservedAt = a.reading.At
	}
	what := fmt.Sprintf("components of %s %s", o.Family, o.Purchase)
	reason := checkPrice(o.PerVCPUHour)
	if reason == "" {
		reason = checkPrice(o.PerGiBHour)
	}
	_, err := ParsePurchase(string(o.Purchase))
	switch {
	case o.Provider != a.at.provider || o.Region != a.at.region || o.Family == "":
		reason = "no series, or not of the region that was read"
	case err != nil:
		reason = err.Error()
	case o.PerVCPUHour.Currency() != o.PerGiBHour.Currency():
		reason = "two currencies"
	}
	if reason != "" {
		a.refuse(what, reason)
		return
	}
	if !once(a.components, componentKey{o.Family, o.Purchase, o.Term, o.Custom}, o, func(x, y *ComponentOffer) bool {
		return x.PerVCPUHour == y.PerVCPUHour && x.PerGiBHour == y.PerGiBHour && x.PerExtendedGiBHour == y.PerExtendedGiBHour
	}) {
		a.refuse(what, "two prices")
	}
}

func (a *adding) takeSpec(s Specification) {
	if s.Provider != a.at.provider || s.InstanceType == "" {
		a.refuse("specification of "+s.InstanceType, "no instance type, or not of the provider that was read")
		return
	}
	if old := a.specs[s.InstanceType]; old != nil {
		s = old.Merge(s)
	}
	a.specs[s.InstanceType] = &s
}
