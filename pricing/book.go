package pricing

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/leanfleet/leanfleet/money"
)

// Layer is where an offer of a book lies.
type Layer string

// The layers, from the one believed first to the one believed last.
const (
	LayerSheet    Layer = "sheet"
	LayerLive     Layer = "live"
	LayerEmbedded Layer = "embedded"
)

// Layers returns the default precedence. The slice is the caller's.
func Layers() []Layer { return []Layer{LayerSheet, LayerLive, LayerEmbedded} }

// Options are what a book consists of besides what was read live.
type Options struct {
	Base  Base   // nil for none
	Sheet *Sheet // nil for none; see [MergeSheets] for several
	// Precedence lists the layers from the one believed first; a layer that is
	// not in it is not used. Nil is [Layers].
	Precedence []Layer
	// Rates convert candidates in other currencies. Nil converts nothing.
	Rates *money.Rates
}

// Book is the price book: the embedded facts, the lists that were read live,
// and own sheets. What was read is only ever added to: every Add makes a new
// revision, and the book can be seen as it was at any of them. Its methods may
// be called by many goroutines at once.
type Book struct {
	ledger *ledger
	upTo   int32 // batches that are seen; math.MaxInt32 for all
	base   *baseCache
	sheet  *Sheet
	order  []Layer
	rates  *money.Rates

	mu         sync.Mutex
	candidates map[candidateKey]*candidateList
	specs      map[[2]string]*Specification
	specsAt    int // batches when specs and candidates were made
}

// NewBook returns a book into which nothing was read yet.
func NewBook(o Options) (*Book, error) {
	order := o.Precedence
	if order == nil {
		order = Layers()
	}
	for i, l := range order {
		if !slices.Contains(Layers(), l) {
			return nil, fmt.Errorf("unknown layer %q of prices: use sheet, live and embedded", l)
		}
		if slices.Contains(order[:i], l) {
			return nil, fmt.Errorf("layer %q of prices is there twice", l)
		}
	}
	if o.Base == nil {
		o.Base = noBase{}
	}
	sheet := o.Sheet
	if sheet == nil {
		sheet = &Sheet{}
	}
	return &Book{ledger: newLedger(), upTo: math.MaxInt32, base: newBaseCache(o.Base), sheet: sheet, order: slices.Clone(order), rates: o.Rates}, nil
}

// With returns a book over the same readings with another sheet, precedence or
// rates; its base stays. Both see what is added to either.
func (b *Book) With(o Options) (*Book, error) {
	o.Base = b.base.Base
	n, err := NewBook(o)
	if err != nil {
		return nil, err
	}
	n.ledger, n.upTo, n.base = b.ledger, b.upTo, b.base
	return n, nil
}

// seen returns the number of batches the book sees. The caller holds the
// ledger's lock.
func (b *Book) seen() int32 { return min(b.upTo, int32(len(b.ledger.batches))) }

// Readings returns what was read into the book, in order. The slice is the
// caller's.
func (b *Book) Readings() []Reading {
	b.ledger.mu.RLock()
	defer b.ledger.mu.RUnlock()
	out := make([]Reading, b.seen())
	for i := range out {
		out[i] = b.ledger.batches[i].Reading
	}
	return out
}

// Places returns the regions of a provider for which something was read live,
// sorted.
func (b *Book) livePlaces(provider string) []string {
	b.ledger.mu.RLock()
	defer b.ledger.mu.RUnlock()
	set := make(map[string]bool)
	for _, r := range b.ledger.batches[:b.seen()] {
		if r.Provider == provider && r.Region != "" {
			set[r.Region] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// Revision identifies what a book says: books with equal revisions give equal
// answers to equal questions.
type Revision struct {
	// Live is the number of readings and the first digits of the digest over
	// all of them, "0" when nothing was read.
	Live     string  `json:"live"`
	Sheet    string  `json:"sheet,omitzero"`    // digest of the own sheets
	Embedded string  `json:"embedded,omitzero"` // revision of the embedded facts
	Order    []Layer `json:"order"`
}

// Revision returns the book's revision.
func (b *Book) Revision() Revision {
	b.ledger.mu.RLock()
	defer b.ledger.mu.RUnlock()
	return Revision{Live: b.ledger.revision(b.seen()), Sheet: b.sheet.digest, Embedded: b.base.Revision(), Order: slices.Clone(b.order)}
}

func (l *ledger) revision(n int32) string {
	if n == 0 {
		return "0"
	}
	return fmt.Sprintf("%d-%x", n, l.batches[n-1].hash[:8])
}

// ErrRevision is the error of a revision that a book does not hold.
var ErrRevision = errors.New("not a revision of this price book")

// At returns the book as it was at a revision: what was read later is not seen,
// whatever its dates. The error wraps [ErrRevision] and says whether the
// readings, the sheets or the embedded facts differ.
func (b *Book) At(r Revision) (*Book, error) {
	b.ledger.mu.RLock()
	defer b.ledger.mu.RUnlock()
	switch {
	case r.Sheet != b.sheet.digest:
		return nil, fmt.Errorf("%w: own sheets differ (%q, here %q)", ErrRevision, r.Sheet, b.sheet.digest)
	case r.Embedded != b.base.Revision():
		return nil, fmt.Errorf("%w: embedded prices differ (%q, here %q)", ErrRevision, r.Embedded, b.base.Revision())
	}
	var n int32
	if r.Live != "0" {
		if _, err := fmt.Sscanf(r.Live, "%d-", &n); err != nil || n < 1 || n > b.seen() || b.ledger.revision(n) != r.Live {
			return nil, fmt.Errorf("%w: readings %q, here %q", ErrRevision, r.Live, b.ledger.revision(b.seen()))
		}
	}
	c, err := NewBook(Options{Base: b.base.Base, Sheet: b.sheet, Precedence: r.Order, Rates: b.rates})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRevision, err)
	}
	c.ledger, c.upTo, c.base = b.ledger, n, b.base
	return c, nil
}

// baseCache keeps the offers of the base by place and type once they were
// asked for.
type baseCache struct {
	Base
	mu    sync.RWMutex
	cells map[cell][]Offer
}

type cell struct{ provider, region, typ string }

func newBaseCache(b Base) *baseCache { return &baseCache{Base: b, cells: make(map[cell][]Offer)} }

// maxCells bounds the cache: all types of eight regions, 30 MB.
const maxCells = 12000

// offers returns the offers of a type in a region; they are not to be written
// to.
func (c *baseCache) offers(provider, region, typ string) []Offer {
	k := cell{provider, region, typ}
	c.mu.RLock()
	offers, ok := c.cells[k]
	c.mu.RUnlock()
	if ok {
		return offers
	}
	offers = c.Base.Offers(provider, region, typ)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.cells) >= maxCells {
		clear(c.cells)
	}
	c.cells[k] = offers
	return offers
}

// StaleAfter is the age from which a price deserves a warning.
const StaleAfter = 90 * 24 * time.Hour
