package gcp

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"time"

	"google.golang.org/api/cloudbilling/v1"
	"google.golang.org/api/compute/v1"

	"github.com/leanfleet/leanfleet/internal/webclient"
	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
)

// sourceName is what offers of this package name as their source.
const sourceName = "gcp cloud billing catalog"

// Options say what a [Source] reads and how.
type Options struct {
	// APIKey opens the Cloud Billing Catalog API. Without it the default
	// credentials are used (GOOGLE_APPLICATION_CREDENTIALS, gcloud, the metadata
	// server); the public prices need no role.
	APIKey string
	// Project is a project whose machine types are read for specifications,
	// with the default credentials; empty is none.
	Project string
	// Types yields the machine types to price where no Project says what there
	// is in a region, such as those of the embedded catalogue: name, vCPUs,
	// memory, GPUs and local disk have to be known. nil is none, so that only
	// components, f1-micro and g1-small have prices.
	Types iter.Seq[pricing.Specification]
	// Currency is the currency of the list; empty is USD.
	Currency money.Currency
	// Now dates what is read (ObservedAt). Without it ObservedAt is zero, for
	// which a price book puts the time of the reading.
	Now func() time.Time
	// BillingEndpoint and ComputeEndpoint are the addresses of the APIs; empty
	// are Google's.
	BillingEndpoint, ComputeEndpoint string
	// CAFile names a file of certificates in PEM that are trusted besides those
	// of the system.
	CAFile string
	// HTTPClient makes all requests as it is, authentication included, in place
	// of one that honours the proxy variables, CAFile, APIKey and the default
	// credentials.
	HTTPClient *http.Client
	// Progress is called from the reading goroutine after each page, before
	// each wait and at the end of each list.
	Progress func(Progress)
	// Wait sleeps before a request is tried again; nil sleeps. It returns the
	// error of a context that ends before.
	Wait func(ctx context.Context, d time.Duration) error
}

// Progress says how far the reading of a list has come.
type Progress struct {
	Region string // empty for the list of SKUs, which has all regions
	List   string // skus, machine types, prices
	Pages  int
	Rows   int // SKUs, machine types
	Items  int // what was yielded; known once the list is done
	// Skipped counts the rows that are no price or are not known, by reason; it
	// is the receiver's.
	Skipped map[string]int
	// Waiting is how long the next try waits after Cause; zero otherwise.
	Waiting time.Duration
	Cause   error
	Done    bool
}

// listAge is for how long the list of SKUs, which has all regions, serves
// further regions without being read again.
const listAge = time.Hour

// Source reads the lists of Compute Engine. It implements
// [pricing.PriceSource] and may be used by many goroutines at once. The list of
// SKUs is read once and its rates, some megabytes, serve all regions for an
// hour by Options.Now; without Now, for as long as the source lives.
type Source struct {
	o    Options
	err  error         // of the options, told by the first reading
	turn chan struct{} // holds one token: who has it may read or replace list
	list *catalog
	// hidden is what no text shows: the API key and what is in addresses.
	hidden webclient.Secrets

	skus  func(ctx context.Context, pageToken string) (*cloudbilling.ListSkusResponse, error)
	zones func(ctx context.Context, region string) ([]string, error)
	types func(ctx context.Context, zone, pageToken string) (*compute.MachineTypeList, error)
}

var _ pricing.PriceSource = (*Source)(nil)

// New returns a source. Nothing is read or resolved before Items or Regions,
// which also report options that cannot be used.
func New(o Options) *Source {
	s := &Source{turn: make(chan struct{}, 1)}
	s.turn <- struct{}{}
	if o.Currency == "" {
		o.Currency = money.USD
	}
	if !o.Currency.Valid() {
		_, s.err = money.ParseCurrency(string(o.Currency))
	}
	for _, endpoint := range []string{o.BillingEndpoint, o.ComputeEndpoint} {
		if err := checkEndpoint(endpoint); err != nil && s.err == nil {
			s.err = err
		}
	}
	if o.Wait == nil {
		o.Wait = webclient.Sleep
	}
	s.o = o
	s.hidden = webclient.SecretsOf([]string{o.BillingEndpoint, o.ComputeEndpoint}, o.APIKey)
	s.connect()
	return s
}

// checkEndpoint refuses an address that Google's client would panic on or read
// otherwise than it stands there. An empty one is Google's own.
func checkEndpoint(endpoint string) error {
	if endpoint == "" {
		return nil
	}
	u, err := url.Parse(endpoint)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http"):
		return fmt.Errorf("endpoint %q is no http(s) address", webclient.Show(endpoint))
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return fmt.Errorf("endpoint %q has a query, which Google's client does not send", webclient.Show(endpoint))
	}
	return nil
}

// Name returns "gcp".
func (s *Source) Name() string { return pricing.GCP }

var regionName = regexp.MustCompile(`^[a-z]+-[a-z]+[0-9]+$`)

func (s *Source) now() time.Time {
	if s.o.Now == nil {
		return time.Time{}
	}
	return s.o.Now().UTC()
}

// Items yields the prices of disks and addresses, the component rates, with a
// Project the specifications of the machine types, and the offers of the types
// of a region such as "us-central1", in this order. When the list of SKUs
// breaks off, what its rows give by then comes before the error that ends the
// stream.
func (s *Source) Items(ctx context.Context, region string) iter.Seq2[pricing.Item, error] {
	return func(yield func(pricing.Item, error) bool) {
		fail := func(err error) { yield(pricing.Item{}, fmt.Errorf("gcp prices of %s: %w", region, err)) }
		if !regionName.MatchString(region) {
			fail(fmt.Errorf("region %q: regions are named such as us-central1", region))
			return
		}
		list, broken := s.catalog(ctx)
		if list == nil {
			fail(broken)
			return
		}
		rates := list.regions[region]
		if len(rates) == 0 && broken == nil {
			fail(fmt.Errorf("none of the SKUs is sold there; the list has %d regions", len(list.names())))
			return
		}
		c := &composer{region: region, at: list.at, rates: rates, skipped: make(map[string]int)}
		r := &reading{source: s, region: region, list: "prices", skipped: c.skipped}
		put := func(item pricing.Item) bool { r.items++; return yield(item, nil) }
		if !c.singles(put) || !c.components(put) {
			return
		}
		types := s.o.Types
		if s.o.Project != "" && broken == nil {
			specs, err := s.machineTypes(ctx, region)
			if err != nil {
				broken = fmt.Errorf("machine types of project %s: %w", s.o.Project, err)
			} else {
				types = slices.Values(specs)
			}
			for _, spec := range specs {
				if !put(pricing.Item{Spec: &spec}) {
					return
				}
			}
		}
		if !c.machines(types, put) {
			return
		}
		if broken != nil {
			fail(broken)
			return
		}
		r.report(Progress{Done: true})
	}
}

// Regions returns the regions in which vCPUs are sold, sorted.
func (s *Source) Regions(ctx context.Context) ([]string, error) {
	list, err := s.catalog(ctx)
	if err != nil {
		return nil, fmt.Errorf("gcp regions: %w", err)
	}
	return list.names(), nil
}

// names returns the regions in which vCPUs are sold, sorted.
func (c *catalog) names() []string {
	var names []string
	for region, rates := range c.regions {
		if regionName.MatchString(region) && slices.ContainsFunc(slices.Collect(maps.Keys(rates)), func(k rateKey) bool { return k.part == partCore }) {
			names = append(names, region)
		}
	}
	slices.Sort(names)
	return names
}
