package leanfleet

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/leanfleet/leanfleet/internal/embedded"
	"github.com/leanfleet/leanfleet/internal/files"
	"github.com/leanfleet/leanfleet/internal/pricefile"
	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
)

// PriceOptions say which prices a Monitor uses besides the embedded ones and
// those that were read into its data directory. Files are read when prices are
// first asked for.
type PriceOptions struct {
	// Sheets, Commitments and Rates are paths of own price sheets, of
	// commitments (CSV or YAML) and of dated exchange rates (CSV).
	Sheets, Commitments, Rates []string
	// Directory is where relative paths of these begin; "" is the process's own.
	Directory string
	// Precedence lists the layers from the one believed first; empty is own
	// sheets, live lists, embedded facts.
	Precedence []pricing.Layer
	// WarnAge is the age from which a price deserves a warning; 0 is 90 days.
	WarnAge time.Duration
	// Sources read the providers' lists, one for each provider; without them
	// prices are not updated.
	Sources []pricing.PriceSource
}

// priceState is what a Monitor knows of prices once they were asked for.
type priceState struct {
	mu  sync.Mutex
	own *ownPrices
	// book is nil until it is asked for.
	book *pricing.Book
	// checked says that the names of the own sheets were held against it.
	checked bool
}

// ownPrices is what the user's files say.
type ownPrices struct {
	sheet       *pricing.Sheet
	commitments *pricing.Commitments
	rates       *money.Rates
}

// warnAge is the age from which a price deserves a warning.
func (m *Monitor) warnAge() time.Duration {
	return cmp.Or(m.options.Prices.WarnAge, pricing.StaleAfter)
}

// book returns the price book: the embedded facts, what was read into the data
// directory, and own sheets. It is read on first use and kept. A sheet that
// names what nobody knows is an error.
func (m *Monitor) book(ctx context.Context) (*pricing.Book, error) {
	b, err := m.uncheckedBook(ctx)
	if err != nil {
		return nil, err
	}
	m.prices.mu.Lock()
	defer m.prices.mu.Unlock()
	if !m.prices.checked {
		own, err := m.readOwn()
		if err != nil {
			return nil, err
		}
		if err := own.sheet.Check(b); err != nil {
			return nil, fmt.Errorf("read price sheet: %w", err)
		}
		m.prices.checked = true
	}
	return b, nil
}

// uncheckedBook is book without a look at the names in own sheets: a region
// that is new has to be read before a sheet can name it.
func (m *Monitor) uncheckedBook(ctx context.Context) (*pricing.Book, error) {
	m.prices.mu.Lock()
	defer m.prices.mu.Unlock()
	if m.prices.book != nil {
		return m.prices.book, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	o, err := m.bookOptions()
	if err != nil {
		return nil, err
	}
	if m.options.Dir == "" { // of another engine alone
		m.prices.book, err = pricing.NewBook(o)
		return m.prices.book, err
	}
	m.prices.book, err = pricefile.Read(m.options.Dir, o)
	return m.prices.book, err
}

// updateBook adds to the price book and its file.
func (m *Monitor) updateBook(ctx context.Context, change func(*pricing.Book) error) (*pricing.Book, error) {
	return m.replaceBook(ctx, func(b *pricing.Book) (*pricing.Book, error) { return b, change(b) })
}

// replaceBook puts another price book in the place of the one in the file.
func (m *Monitor) replaceBook(ctx context.Context, change func(*pricing.Book) (*pricing.Book, error)) (*pricing.Book, error) {
	m.prices.mu.Lock()
	defer m.prices.mu.Unlock()
	o, err := m.bookOptions()
	if err != nil {
		return nil, err
	}
	b, err := pricefile.Update(ctx, m.options.Dir, o, change)
	if err != nil {
		return nil, err
	}
	m.prices.book = b
	return b, nil
}

// bookOptions are what the book consists of besides what was read live. The
// caller holds the lock.
func (m *Monitor) bookOptions() (pricing.Options, error) {
	own, err := m.readOwn()
	if err != nil {
		return pricing.Options{}, err
	}
	o := pricing.Options{Base: embedded.New(m.catalog), Sheet: own.sheet, Rates: own.rates}
	if len(m.options.Prices.Precedence) > 0 {
		o.Precedence = m.options.Prices.Precedence
	}
	return o, nil
}

// commitments are those of the user's files.
func (m *Monitor) commitments() (*pricing.Commitments, error) {
	m.prices.mu.Lock()
	defer m.prices.mu.Unlock()
	own, err := m.readOwn()
	if err != nil {
		return nil, err
	}
	return own.commitments, nil
}

// rates are the exchange rates of the user's files.
func (m *Monitor) rates() (*money.Rates, error) {
	m.prices.mu.Lock()
	defer m.prices.mu.Unlock()
	own, err := m.readOwn()
	if err != nil {
		return nil, err
	}
	return own.rates, nil
}

// readOwn reads the user's files once. The caller holds the lock.
func (m *Monitor) readOwn() (*ownPrices, error) {
	if m.prices.own != nil {
		return m.prices.own, nil
	}
	given := m.options.Prices
	own := &ownPrices{}
	sheets, err := readFiles("price sheet", given.Directory, given.Sheets, pricing.ParseSheet)
	if err != nil {
		return nil, err
	}
	if own.sheet, err = pricing.MergeSheets(sheets...); err != nil {
		return nil, fmt.Errorf("own price sheets: %w", err)
	}
	sets, err := readFiles("commitments", given.Directory, given.Commitments, pricing.ParseCommitments)
	if err != nil {
		return nil, err
	}
	var commitments []pricing.Commitment
	for _, s := range sets {
		commitments = append(commitments, s.All()...)
	}
	if own.commitments, err = pricing.NewCommitments(commitments...); err != nil {
		return nil, err
	}
	lists, err := readFiles("exchange rates", given.Directory, given.Rates, money.ParseRates)
	if err != nil {
		return nil, err
	}
	var rates []money.Rate
	for _, l := range lists {
		rates = append(rates, l.All()...)
	}
	if own.rates, err = money.NewRates(rates...); err != nil {
		return nil, fmt.Errorf("exchange rates: %w", err)
	}
	m.prices.own = own
	return own, nil
}

// readFiles parses each of the files, whose relative paths begin at a directory.
func readFiles[T any](what, directory string, paths []string, parse func(name string, r io.Reader) (T, error)) ([]T, error) {
	var out []T
	for _, path := range paths {
		f, err := files.Open(directory, path)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", what, err)
		}
		v, err := parse(path, f)
		if closeErr := f.Close(); err == nil {
			err = closeErr
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", what, err)
		}
		out = append(out, v)
	}
	return out, nil
}
