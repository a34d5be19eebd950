package leanfleet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/leanfleet/leanfleet/internal/pricefile"
	"github.com/leanfleet/leanfleet/pricing"
)

// PricesExportRequest asks for the prices that were read to be written to a
// file, for a site without network.
type PricesExportRequest struct {
	File string `json:"file"`
}

// PricesExportResult is what was written.
type PricesExportResult struct {
	File     string           `json:"file"`
	Readings int              `json:"readings"`
	Regions  int              `json:"regions"`
	Bytes    int64            `json:"bytes"`
	Revision pricing.Revision `json:"price_revision"`
}

// ExportPrices writes what was read live to a file, which appears only when it
// is whole.
func (m *Monitor) ExportPrices(ctx context.Context, req PricesExportRequest) (PricesExportResult, error) {
	r := PricesExportResult{File: req.File}
	if req.File == "" {
		return r, errors.New("export prices: name a file")
	}
	b, err := m.uncheckedBook(ctx)
	if err != nil {
		return r, err
	}
	r.Revision, r.Readings, r.Regions = b.Revision(), len(b.Readings()), regionsRead(b)
	if r.Readings == 0 {
		return r, errors.New("export prices: none were read yet: \"leanfleet prices update\" reads them, and the embedded ones are in every copy of leanfleet")
	}
	r.Bytes, err = pricefile.WriteTo(req.File, b)
	return r, err
}

// regionsRead counts the regions of which something was read.
func regionsRead(b *pricing.Book) int {
	n := 0
	for _, p := range b.Places() {
		if p.Region != "" {
			n++
		}
	}
	return n
}

// PricesImportRequest asks for an exported file to be added to the price book.
type PricesImportRequest struct {
	File string `json:"file"`
}

// The ways in which an import ends.
const (
	// ImportReplaced: the file goes on where the price book ends, and took its
	// place with all of its history.
	ImportReplaced = "replaced"
	// ImportMerged: both know something the other does not; the newer lists of
	// the file were added.
	ImportMerged = "merged"
	// ImportUnchanged: the price book knows all that the file does.
	ImportUnchanged = "unchanged"
)

// PricesImportResult is what an import did.
type PricesImportResult struct {
	File string `json:"file"`
	// Outcome is replaced, merged or unchanged.
	Outcome  string `json:"outcome"`
	Readings int    `json:"readings"` // of the file
	Regions  int    `json:"regions"`  // of the file
	// Lists are those that were merged, Older how many were not because the
	// price book has a newer reading of them.
	Lists    []ImportedList   `json:"lists"`
	Older    int              `json:"older"`
	Newest   time.Time        `json:"newest"` // reading of the file
	Revision pricing.Revision `json:"price_revision"`
}

// ImportedList is a list of a region that an import added.
type ImportedList struct {
	List     string    `json:"list"`
	Provider string    `json:"provider"`
	Region   string    `json:"region"`
	ReadAt   time.Time `json:"read_at"`
	New      int       `json:"new"`
	Changed  int       `json:"changed"`
	Refused  int       `json:"refused"`
}

// ImportPrices adds a file that ExportPrices wrote. Prices keep the times at
// which they were read. A damaged file changes nothing.
func (m *Monitor) ImportPrices(ctx context.Context, req PricesImportRequest) (PricesImportResult, error) {
	r := PricesImportResult{File: req.File, Lists: []ImportedList{}}
	data, err := os.ReadFile(req.File)
	if err != nil {
		return r, fmt.Errorf("import prices: %w", err)
	}
	m.prices.mu.Lock()
	o, err := m.bookOptions()
	m.prices.mu.Unlock()
	if err != nil {
		return r, err
	}
	theirs, err := pricing.ReadBook(data, o)
	if err != nil {
		return r, fmt.Errorf("import prices: %s: %w", filepath.Base(req.File), err)
	}
	// Sections are checked when they are opened: all of them, before anything
	// is taken over.
	if err := whole(theirs); err != nil {
		return r, fmt.Errorf("import prices: %s: %w", filepath.Base(req.File), err)
	}
	readings := theirs.Readings()
	r.Readings, r.Regions = len(readings), regionsRead(theirs)
	for _, x := range readings {
		if x.At.After(r.Newest) {
			r.Newest = x.At
		}
	}
	b, err := m.replaceBook(ctx, func(ours *pricing.Book) (*pricing.Book, error) {
		if err := whole(ours); err != nil {
			path := filepath.Join(m.options.Dir, pricefile.Name)
			return nil, fmt.Errorf("import prices into %s: %w; move that file away and import again", path, err)
		}
		mine, his := ours.Revision(), theirs.Revision()
		if _, err := ours.At(his); err == nil {
			r.Outcome = ImportUnchanged
			return ours, nil
		}
		if _, err := theirs.At(mine); err == nil {
			r.Outcome = ImportReplaced
			return theirs, nil
		}
		r.Outcome = ImportMerged
		return ours, r.merge(ours, theirs)
	})
	if err != nil {
		return r, err
	}
	r.Revision = b.Revision()
	return r, nil
}

// whole is an error where a section of a price book is damaged.
func whole(b *pricing.Book) error {
	for _, p := range b.Places() {
		if _, err := b.Items(p); err != nil {
			return err
		}
	}
	return nil
}

// listName is a list of a place.
type listName struct {
	list  string
	place pricing.Place
}

// newestReadings are the last readings of each list.
func newestReadings(b *pricing.Book) map[listName]pricing.Reading {
	out := map[listName]pricing.Reading{}
	for _, x := range b.Readings() {
		k := listName{x.List, pricing.Place{Provider: x.Provider, Region: x.Region}}
		if had, ok := out[k]; !ok || !x.At.Before(had.At) {
			out[k] = x
		}
	}
	return out
}

// merge adds the lists of which theirs has a newer reading.
func (r *PricesImportResult) merge(ours, theirs *pricing.Book) error {
	only := pricing.Options{Precedence: []pricing.Layer{pricing.LayerLive}}
	live, err := theirs.With(only)
	if err != nil {
		return err
	}
	known, err := ours.With(only)
	if err != nil {
		return err
	}
	here, there := newestReadings(ours), newestReadings(theirs)
	for _, p := range theirs.Places() {
		lists, err := itemsByList(live, p)
		if err != nil {
			return err
		}
		for _, name := range slices.Sorted(maps.Keys(lists)) {
			k := listName{name, p}
			reading, ok := there[k]
			if had, known := here[k]; !ok || (known && !had.At.Before(reading.At)) {
				r.Older++
				continue
			}
			added, err := ours.Add(reading, olderIn(known, lists[name], reading.At))
			if err != nil {
				return err
			}
			r.Lists = append(r.Lists, ImportedList{List: name, Provider: p.Provider, Region: p.Region, ReadAt: reading.At,
				New: added.New, Changed: added.Changed, Refused: len(added.Refused)})
		}
	}
	return nil
}

// olderIn are the items whose price was not seen later in another list that the
// price book knows.
func olderIn(known *pricing.Book, items []pricing.Item, at time.Time) []pricing.Item {
	return slices.DeleteFunc(items, func(it pricing.Item) bool {
		f, err := foundOf(known, it.Offer)
		return err == nil && f.LastSeen.After(at)
	})
}

// foundOf looks up the newest offer for the same thing.
func foundOf(b *pricing.Book, o *pricing.Offer) (pricing.Found, error) {
	if o == nil {
		return pricing.Found{}, pricing.ErrNoPrice
	}
	return b.Lookup(pricing.OfferQuery{Provider: o.Provider, Region: o.Region, InstanceType: o.InstanceType, OS: o.OS, Purchase: o.Purchase, Term: o.Term})
}

// itemsByList are the items of a place that are in their lists still.
func itemsByList(live *pricing.Book, p pricing.Place) (map[string][]pricing.Item, error) {
	items, err := live.Items(p)
	if err != nil {
		return nil, err
	}
	out := map[string][]pricing.Item{}
	for _, it := range items {
		if it.Offer != nil {
			if f, err := foundOf(live, it.Offer); err != nil || f.Gone {
				continue
			}
		}
		name := listOf(it, p.Provider)
		out[name] = append(out[name], it)
	}
	return out, nil
}
