package azure

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v8"

	"github.com/leanfleet/leanfleet/internal/webclient"
	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
)

// DefaultEndpoint is the address of the Retail Prices API.
const DefaultEndpoint = "https://prices.azure.com/api/retail/prices"

// sourceName is what offers of this package name as their source.
const sourceName = "azure retail prices"

// Options say what a [Source] reads and how. The zero value reads list prices
// in USD from Azure without an account and no specifications.
type Options struct {
	// Currency is the currency of the list; empty is USD.
	Currency money.Currency
	// Now dates what is read (ObservedAt) and leaves out rows that have ended.
	// Without it ObservedAt is zero, for which a price book puts the time of
	// the reading.
	Now func() time.Time
	// Endpoint is the address of the Retail Prices API; empty is
	// DefaultEndpoint.
	Endpoint string
	// CAFile names a file of certificates in PEM that are trusted besides those
	// of the system.
	CAFile string
	// HTTPClient makes all requests, in place of one that honours the proxy
	// variables and CAFile.
	HTTPClient *http.Client
	// Subscription is the id of a subscription whose Resource SKUs are read for
	// specifications; without it there are none.
	Subscription string
	// Credential is used for the Resource SKUs; nil is azidentity's default
	// chain.
	Credential azcore.TokenCredential
	// ClientOptions are those of the Resource SKUs client, such as the cloud;
	// nil are the defaults. A transport set there is kept.
	ClientOptions *arm.ClientOptions
	// Progress is called from the reading goroutine after each page, before
	// each wait and at the end of each list.
	Progress func(Progress)
	// Wait sleeps before a request is tried again; nil sleeps. It returns the
	// error of a context that ends before.
	Wait func(ctx context.Context, d time.Duration) error
}

// Progress says how far the reading of a list has come.
type Progress struct {
	Region string
	List   string // virtual machines, managed disks, ..., resource skus
	Pages  int
	Rows   int
	Items  int // what was yielded; known once the list is done
	// Skipped counts the rows that are no price or are not known, by reason; it
	// is the receiver's.
	Skipped map[string]int
	// Waiting is how long the next try waits after Cause; zero otherwise.
	Waiting time.Duration
	Cause   error
	Done    bool
}

// Source reads the lists of Azure. It implements [pricing.PriceSource] and may
// be used by many goroutines at once.
type Source struct {
	o        Options
	endpoint *url.URL
	err      error             // of the options, told by the first reading
	hidden   webclient.Secrets // what no text shows

	get  func(*http.Request) (*http.Response, error)
	skus func(ctx context.Context, location string, page func([]*armcompute.ResourceSKU) error) error
}

var _ pricing.PriceSource = (*Source)(nil)

// New returns a source. Nothing is read or resolved before Items or Regions,
// which also report options that cannot be used.
func New(o Options) *Source {
	s := &Source{hidden: webclient.SecretsOf([]string{o.Endpoint})}
	if o.Currency == "" {
		o.Currency = money.USD
	}
	if o.Endpoint == "" {
		o.Endpoint = DefaultEndpoint
	}
	if o.Wait == nil {
		o.Wait = webclient.Sleep
	}
	endpoint, err := url.Parse(o.Endpoint)
	switch {
	case err != nil || endpoint.Host == "" || (endpoint.Scheme != "https" && endpoint.Scheme != "http"):
		err = fmt.Errorf("endpoint %q is no http(s) address", webclient.Show(o.Endpoint))
	case !o.Currency.Valid():
		_, err = money.ParseCurrency(string(o.Currency))
	}
	client := o.HTTPClient
	if client == nil && err == nil {
		client, err = newClient(o.CAFile)
	}
	s.o, s.endpoint, s.err = o, endpoint, err
	if err == nil {
		s.get = client.Do
		s.skus = func(ctx context.Context, location string, page func([]*armcompute.ResourceSKU) error) error {
			return listSKUs(ctx, &s.o, client, location, page)
		}
	}
	return s
}

// newClient returns a client that honours the proxy variables and trusts the
// certificates of caFile besides the system's.
func newClient(caFile string) (*http.Client, error) {
	t, err := webclient.Transport(caFile)
	if err != nil {
		return nil, err
	}
	return &http.Client{Transport: t, CheckRedirect: func(req *http.Request, via []*http.Request) error {
		if !sameOrigin(req.URL, via[0].URL) {
			return fmt.Errorf("redirected to another host, %s", req.URL.Host)
		}
		if len(via) > 5 {
			return errors.New("redirected more than 5 times")
		}
		return nil
	}}, nil
}

// Name returns "azure".
func (s *Source) Name() string { return pricing.Azure }

var regionName = regexp.MustCompile(`^[a-z0-9]{2,40}$`)

// Items yields the offers of virtual machines, with Red Hat's and SUSE's
// licences too, the prices of managed disks and public addresses, and, with a subscription, the specifications of the sizes
// of a region such as "eastus", in this order. When a list breaks off, what was
// settled from its rows comes before the error that ends the stream. Memory
// grows with the number of prices of the region, not with the size of the
// lists.
func (s *Source) Items(ctx context.Context, region string) iter.Seq2[pricing.Item, error] {
	return func(yield func(pricing.Item, error) bool) {
		if err := s.check(region); err != nil {
			yield(pricing.Item{}, fmt.Errorf("azure prices: %w", err))
			return
		}
		at := s.now()
		for _, l := range s.lists(region, at) {
			r := &reading{source: s, region: region, list: l.name, skipped: make(map[string]int)}
			err := r.read(ctx, l.filter, l.take)
			for item := range l.settle(r) {
				r.items++
				if !yield(item, nil) {
					return
				}
			}
			if err == nil && r.rows == 0 && l.required {
				err = errors.New("the list is empty: Azure prices no region of this name")
			}
			if err != nil {
				yield(pricing.Item{}, fmt.Errorf("azure prices of %s: %s: %w", region, l.name, err))
				return
			}
			r.report(Progress{Done: true})
		}
		if s.o.Subscription != "" {
			s.specifications(ctx, region, yield)
		}
	}
}

func (s *Source) check(region string) error {
	if s.err != nil {
		return s.err
	}
	if !regionName.MatchString(region) {
		return fmt.Errorf("region %q: Azure region names are lower-case letters and digits, such as eastus", region)
	}
	return nil
}

func (s *Source) now() time.Time {
	if s.o.Now == nil {
		return time.Time{}
	}
	return s.o.Now().UTC()
}

// list is one list of the API and what is made of its rows.
type list struct {
	name, filter string
	take         func(r *row, skip func(reason string))
	settle       func(r *reading) iter.Seq[pricing.Item]
	required     bool // an empty list is no list of a region
}

func (s *Source) lists(region string, at time.Time) []list {
	vms := &machines{region: region, at: at, source: s, found: make(map[offerKey]candidate)}
	in := fmt.Sprintf(" and armRegionName eq '%s'", region)
	all := []list{{"virtual machines", "serviceName eq 'Virtual Machines'" + in, vms.take, vms.settle, true}}
	for _, d := range distributions {
		l := &licences{machines: vms, distribution: d, found: make(map[band]candidate)}
		all = append(all, list{"licences of " + d.product, fmt.Sprintf("serviceName eq 'Virtual Machines Licenses' and productName eq '%s' and priceType eq 'Consumption'", d.product), l.take, l.settle, false})
	}
	for _, l := range []struct{ name, filter string }{
		{"managed disks", "serviceName eq 'Storage' and contains(productName, 'Managed Disks') and priceType eq 'Consumption'"},
		{"premium ssd v2", "serviceName eq 'Storage' and productName eq 'Azure Premium SSD v2' and priceType eq 'Consumption'"},
		{"ultra disks", "serviceName eq 'Storage' and productName eq 'Ultra Disks' and priceType eq 'Consumption'"},
		{"public addresses", "serviceName eq 'Virtual Network' and productName eq 'IP Addresses' and priceType eq 'Consumption'"},
	} {
		e := &extras{region: region, at: at, source: s, found: make(map[extraKey]candidate)}
		all = append(all, list{l.name, l.filter + in, e.take, e.settle, false})
	}
	return all
}

// regionSizes are sizes of which one or the other is sold in every region.
var regionSizes = []string{"Standard_D2s_v3", "Standard_D2s_v5", "Standard_D2as_v5"}

// Regions returns the regions that price one of a few sizes sold nearly
// everywhere, sorted. The API has no list of regions.
func (s *Source) Regions(ctx context.Context) ([]string, error) {
	if s.err != nil {
		return nil, fmt.Errorf("azure regions: %w", s.err)
	}
	var regions []string
	for _, size := range regionSizes {
		r := &reading{source: s, list: "regions", skipped: make(map[string]int)}
		err := r.read(ctx, fmt.Sprintf("serviceName eq 'Virtual Machines' and armSkuName eq '%s' and priceType eq 'Consumption'", size), func(row *row, skip func(string)) {
			if regionName.MatchString(row.ArmRegionName) {
				regions = append(regions, row.ArmRegionName)
				return
			}
			skip("no region")
		})
		if err != nil {
			return nil, fmt.Errorf("azure regions: %w", err)
		}
		slices.Sort(regions)
		regions = slices.Compact(regions)
	}
	return regions, nil
}
