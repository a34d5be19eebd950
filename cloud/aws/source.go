package aws

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/leanfleet/leanfleet/internal/webclient"
	"github.com/leanfleet/leanfleet/pricing"
)

// The lists that a source reads, by the name that their offers have as Source.
const (
	ListBulk         = "aws price list bulk"
	ListQuery        = "aws price list query"
	ListSavingsPlans = "aws savings plan list"
	ListSpot         = "aws spot price history"
)

// The sources of facts.
const (
	sourceAttributes = "aws price list"
	sourceTypes      = "aws ec2 instance types"
)

// Options is how prices are read.
type Options struct {
	// Now returns the time that prices count as observed at. It must be set.
	Now func() time.Time
	// Query reads the Price List Query API and EC2 with the credentials of the
	// SDK's default chain, instead of the public files.
	Query bool
	// CAFile is a file of certificates in PEM form that are trusted besides
	// those of the system; empty for none.
	CAFile string
	// BaseURL is where the public files lie, PricingURL and EC2URL are the
	// endpoints of the two services, all without a trailing slash. Empty ones
	// are AWS's own; others are for mirrors and VPC endpoints.
	BaseURL, PricingURL, EC2URL string
	// Progress is told of each part of a file that arrives; nil for nothing. It
	// is called from the goroutine that ranges over the items.
	Progress func(Progress)
	// Report is told at the end of each Items, complete or not; nil for nothing.
	Report func(Report)
}

// Progress is how much of a file, or of a service's pages, was read.
type Progress struct {
	List, Region string
	URL          string // empty for pages of a service
	Bytes        int64
	Total        int64 // 0 where it is not known
}

// Report is what a source did with a region.
type Report struct {
	Region string
	// Lists are those that were read to their end.
	Lists []string
	// Yielded counts what was yielded: offers, specifications, storage and
	// addresses.
	Yielded map[string]int
	// Skipped counts the rows that are no list price of a shared host, by the
	// reason.
	Skipped map[string]int
	// Notices are sentences on what is left out because AWS does not list it or
	// the account may not read it.
	Notices []string
}

// Source reads prices from AWS. It may be used by several goroutines.
type Source struct {
	options Options
	// sleep waits for d or until the context ends.
	sleep func(ctx context.Context, d time.Duration) error
	stall time.Duration
	// pause is that of the SDK between two tries; 0 for its own.
	pause time.Duration
	dial  func(ctx context.Context, region string) (*clients, error)

	hidden webclient.Secrets // what no text shows

	once      sync.Once
	transport *http.Transport
	err       error
}

var _ pricing.PriceSource = (*Source)(nil)

// New returns a source. It reads nothing yet; an unreadable CA file is an error
// of Items and Regions. It panics where Now is not set.
func New(o Options) *Source {
	if o.Now == nil {
		panic("BUG: aws.New without Options.Now")
	}
	s := &Source{options: o, sleep: webclient.Sleep, stall: time.Minute, hidden: webclient.SecretsOf([]string{o.BaseURL, o.PricingURL, o.EC2URL})}
	s.dial = s.dialSDK
	return s
}

// Name returns "aws".
func (s *Source) Name() string { return pricing.AWS }

// errStop says that the caller wants no more items.
var errStop = errors.New("stopped")

// Items yields the prices and specifications of a region, as the package says.
// Files and pages that fail are tried again, up to five times in all, with a
// growing pause. An error ends the stream.
func (s *Source) Items(ctx context.Context, region string) iter.Seq2[pricing.Item, error] {
	return func(yield func(pricing.Item, error) bool) {
		l := newList(s, region, yield)
		var err error
		if s.options.Query {
			err = s.query(ctx, l)
		} else {
			err = s.bulk(ctx, l)
		}
		if s.options.Report != nil {
			s.options.Report(l.report)
		}
		if err != nil && !errors.Is(err, errStop) {
			yield(pricing.Item{}, fmt.Errorf("read prices of aws %s: %w", region, err))
		}
	}
}

// Regions returns the regions that the public index of EC2 lists, in order. The
// regions of China are in a list of their own and not among them; Items reads
// them too.
func (s *Source) Regions(ctx context.Context) ([]string, error) {
	f := s.files("")
	index, err := f.index(ctx)
	if err == nil {
		var regions map[string]string
		if regions, err = f.regions(ctx, index, "AmazonEC2"); err == nil {
			return slices.Sorted(maps.Keys(regions)), nil
		}
	}
	return nil, fmt.Errorf("read the regions of aws: %w", err)
}
