package pricing

import (
	"sync"
	"time"

	"github.com/leanfleet/leanfleet/money"
)

// place is where offers lie: a region of a provider. Specifications lie in the
// place with the empty region.
type place struct{ provider, region string }

// offerKey is an offer within its place.
type offerKey struct {
	typ, os  string
	purchase Purchase
	term     Term
}

type storageKey struct {
	disk   string
	maxGiB int64
}

type componentKey struct {
	family   string
	purchase Purchase
	term     Term
	custom   bool
}

// offerRecord is an offer without its key, small because a book holds many.
type offerRecord struct {
	perHour, upfront, recurring money.Price
	validFrom, observedAt       int64 // Unix seconds; noTime is unknown
	basis                       Basis
	source                      string
}

const noTime = -1 << 62

func unixOf(t time.Time) int64 {
	if t.IsZero() {
		return noTime
	}
	return t.Unix()
}

func timeOf(s int64) time.Time {
	if s == noTime {
		return time.Time{}
	}
	return time.Unix(s, 0).UTC()
}

func recordOf(o *Offer) offerRecord {
	return offerRecord{o.PerHour, o.Upfront, o.Recurring, unixOf(o.ValidFrom), unixOf(o.ObservedAt), o.Basis, o.Source}
}

func (r *offerRecord) offer(at place, k offerKey) Offer {
	return Offer{
		Provider: at.provider, Region: at.region, InstanceType: k.typ, OS: k.os, Purchase: k.purchase, Term: k.term,
		PerHour: r.perHour, Upfront: r.upfront, Recurring: r.recurring,
		ValidFrom: timeOf(r.validFrom), ObservedAt: timeOf(r.observedAt), Basis: r.basis, Source: r.source,
	}
}

// same reports whether two records tell the same price, whenever and wherever
// it was read.
func (r *offerRecord) same(o *offerRecord) bool {
	return r.perHour == o.perHour && r.upfront == o.upfront && r.recurring == o.recurring && r.validFrom == o.validFrom && r.basis == o.basis
}

// stamp is a value that a batch added, or the note that the list of a batch no
// longer held it.
type stamp[T any] struct {
	batch int32
	gone  bool
	value T // of the last good value where gone
}

// history is what batches told of one key, in their order.
type history[T any] []stamp[T]

// upTo returns the part of the history that the first n batches told.
func (h history[T]) upTo(n int32) history[T] {
	for len(h) > 0 && h[len(h)-1].batch > n {
		h = h[:len(h)-1]
	}
	return h
}

// shelf holds what was read of one place.
type shelf struct {
	offers     map[offerKey]history[offerRecord]
	storage    map[storageKey]history[StorageOffer]
	addresses  map[bool]history[AddressOffer] // by idle
	components map[componentKey]history[ComponentOffer]
	specs      map[string]history[Specification]

	types map[string][]offerKey // keys of each type, built on first use
}

func newShelf() *shelf {
	return &shelf{
		offers:     make(map[offerKey]history[offerRecord]),
		storage:    make(map[storageKey]history[StorageOffer]),
		addresses:  make(map[bool]history[AddressOffer]),
		components: make(map[componentKey]history[ComponentOffer]),
		specs:      make(map[string]history[Specification]),
	}
}

// slot is a shelf that may still be packed as it lay in a file.
type slot struct {
	packed []byte // section of the file; nil when there is none or it is out of date
	open   func() (*shelf, error)
}

func slotOf(s *shelf) *slot {
	return &slot{open: func() (*shelf, error) { return s, nil }}
}

// Reading says of what list and when a batch of items was read.
type Reading struct {
	// List names the list, such as "aws price list bulk": what a complete
	// reading lacks is gone from that list only.
	List     string
	Provider string
	Region   string
	At       time.Time // to the second
	// Complete says that the list was read to its end.
	Complete bool
}

// batch is a reading that a book took in. Batches are numbered from 1.
type batch struct {
	Reading
	hash [16]byte // of the batch and the hash before it
}

type listKey struct {
	list string
	at   place
}

// ledger is the append-only record of all readings. Books that show it up to an
// older revision share it.
type ledger struct {
	mu      sync.RWMutex
	batches []batch
	slots   map[place]*slot
	// complete has the numbers of the complete readings of each list.
	complete map[listKey][]int32
}

func newLedger() *ledger {
	return &ledger{slots: make(map[place]*slot), complete: make(map[listKey][]int32)}
}

// shelf returns the shelf of a place, nil where nothing was read.
func (l *ledger) shelf(at place) (*shelf, error) {
	s, ok := l.slots[at]
	if !ok {
		return nil, nil
	}
	return s.open()
}

// lastSeen returns when the newest stamp of a history was last found in its
// list by one of the first n batches, and whether it is gone since.
func (l *ledger) lastSeen(at place, of int32, gone bool, added, n int32, observed time.Time) time.Time {
	seen := observed
	list := l.batches[added-1].List
	numbers := l.complete[listKey{list, at}]
	for i := len(numbers) - 1; i >= 0; i-- {
		k := numbers[i]
		if k > n || (gone && k >= of) {
			continue
		}
		if k < added {
			break
		}
		if t := l.batches[k-1].At; t.After(seen) {
			seen = t
		}
		break
	}
	return seen
}
