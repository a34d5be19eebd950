package gcp

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"cloud.google.com/go/auth/credentials"
	"google.golang.org/api/cloudbilling/v1"
	"google.golang.org/api/compute/v1"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/option"
	htransport "google.golang.org/api/transport/http"
)

// computeService is the name of Compute Engine in the billing catalog.
const computeService = "services/6F81-5844-456A"

const (
	pageSize     = 5000 // the most the API gives
	maxAttempts  = 6
	maxUnreached = 3 // attempts to reach a server that does not answer at all
	maxWait      = 2 * time.Minute
	maxPages     = 5000
)

const (
	billingScope = "https://www.googleapis.com/auth/cloud-billing.readonly"
	computeScope = "https://www.googleapis.com/auth/compute.readonly"
)

// skuFields are the fields of a page that are used; the rest is not sent.
const skuFields = "nextPageToken,skus(description,category/usageType,serviceRegions,pricingInfo(effectiveTime,pricingExpression(usageUnit,tieredRates)))"

// keyed adds an API key to requests as a header, which proxies and errors do
// not show, unlike the address.
type keyed struct {
	base http.RoundTripper
	key  string
}

// RoundTrip implements [http.RoundTripper].
func (k keyed) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("X-Goog-Api-Key", k.key)
	return k.base.RoundTrip(req)
}

// signedIn returns a client with the default credentials.
func signedIn(ctx context.Context, base *http.Transport, scope string) (*http.Client, error) {
	creds, err := credentials.DetectDefault(&credentials.DetectOptions{Scopes: []string{scope}, Client: &http.Client{Transport: base}})
	if err != nil {
		return nil, err
	}
	rt, err := htransport.NewTransport(ctx, base, option.WithAuthCredentials(creds))
	if err != nil {
		return nil, err
	}
	return &http.Client{Transport: rt}, nil
}

func (s *Source) billingClient(ctx context.Context) (*http.Client, error) {
	if s.o.HTTPClient != nil {
		return s.o.HTTPClient, nil
	}
	base, err := newTransport(s.o.CAFile)
	if err != nil {
		return nil, err
	}
	if s.o.APIKey != "" {
		return &http.Client{Transport: keyed{base, s.o.APIKey}}, nil
	}
	client, err := signedIn(ctx, base, billingScope)
	if err != nil {
		return nil, fmt.Errorf("the Cloud Billing Catalog API needs an API key or credentials: give an API key, or set GOOGLE_APPLICATION_CREDENTIALS, or sign in with gcloud auth application-default login: %w", err)
	}
	return client, nil
}

func (s *Source) computeClient(ctx context.Context) (*http.Client, error) {
	if s.o.HTTPClient != nil {
		return s.o.HTTPClient, nil
	}
	base, err := newTransport(s.o.CAFile)
	if err != nil {
		return nil, err
	}
	client, err := signedIn(ctx, base, computeScope)
	if err != nil {
		return nil, fmt.Errorf("the Compute Engine API needs credentials, an API key is not enough: set GOOGLE_APPLICATION_CREDENTIALS, or sign in with gcloud auth application-default login, or leave the project out: %w", err)
	}
	return client, nil
}

func serviceOptions(client *http.Client, endpoint string) []option.ClientOption {
	o := []option.ClientOption{option.WithHTTPClient(client)}
	if endpoint != "" {
		o = append(o, option.WithEndpoint(strings.TrimSuffix(endpoint, "/")+"/"))
	}
	return o
}

// connect sets the functions behind which the clients stand; the clients are
// made by the first call that works.
func (s *Source) connect() {
	var mu sync.Mutex
	var billing *cloudbilling.APIService
	var machines *compute.Service
	s.skus = func(ctx context.Context, pageToken string) (*cloudbilling.ListSkusResponse, error) {
		mu.Lock()
		if billing == nil {
			client, err := s.billingClient(ctx)
			if err == nil {
				billing, err = cloudbilling.NewService(ctx, serviceOptions(client, s.o.BillingEndpoint)...)
			}
			if err != nil {
				mu.Unlock()
				return nil, err
			}
		}
		mu.Unlock()
		call := billing.Services.Skus.List(computeService).Context(ctx).PageSize(pageSize).
			CurrencyCode(string(s.o.Currency)).Fields(skuFields)
		if pageToken != "" {
			call.PageToken(pageToken)
		}
		return call.Do()
	}
	service := func(ctx context.Context) (*compute.Service, error) {
		mu.Lock()
		defer mu.Unlock()
		if machines != nil {
			return machines, nil
		}
		client, err := s.computeClient(ctx)
		if err != nil {
			return nil, err
		}
		machines, err = compute.NewService(ctx, serviceOptions(client, s.o.ComputeEndpoint)...)
		return machines, err
	}
	s.zones = func(ctx context.Context, region string) ([]string, error) {
		c, err := service(ctx)
		if err != nil {
			return nil, err
		}
		r, err := c.Regions.Get(s.o.Project, region).Context(ctx).Fields("zones").Do()
		if err != nil {
			return nil, err
		}
		zones := make([]string, 0, len(r.Zones))
		for _, z := range r.Zones {
			zones = append(zones, path.Base(z))
		}
		return zones, nil
	}
	s.types = func(ctx context.Context, zone, pageToken string) (*compute.MachineTypeList, error) {
		c, err := service(ctx)
		if err != nil {
			return nil, err
		}
		call := c.MachineTypes.List(s.o.Project, zone).Context(ctx)
		if pageToken != "" {
			call.PageToken(pageToken)
		}
		return call.Do()
	}
}

// reading is the reading of one list.
type reading struct {
	source       *Source
	region, list string

	pages, rows, items int
	skipped            map[string]int
}

// report calls the progress function with what p says and the counts.
func (r *reading) report(p Progress) {
	if r.source.o.Progress == nil {
		return
	}
	p.Region, p.List, p.Pages, p.Rows, p.Items, p.Skipped = r.region, r.list, r.pages, r.rows, r.items, maps.Clone(r.skipped)
	r.source.o.Progress(p)
}

// call makes a request, trying again after faults that pass.
func call[T any](ctx context.Context, r *reading, request func() (T, error)) (T, error) {
	for attempt := 1; ; attempt++ {
		v, err := request()
		if err == nil {
			return v, nil
		}
		if ctx.Err() != nil {
			return v, ctx.Err()
		}
		err = r.source.scrub(err)
		most, after := passing(err)
		if attempt >= most {
			return v, err
		}
		if after <= 0 {
			after = time.Second << (attempt - 1)
		}
		after = min(after, maxWait)
		r.report(Progress{Waiting: after, Cause: err})
		if err := r.source.o.Wait(ctx, after); err != nil {
			return v, err
		}
	}
}

// scrub takes the API key out of an error, whoever put it there.
func (s *Source) scrub(err error) error {
	if s.o.APIKey == "" || !strings.Contains(err.Error(), s.o.APIKey) {
		return err
	}
	return errors.New(strings.ReplaceAll(err.Error(), s.o.APIKey, "[API key]"))
}

// passing returns how often in all a request is tried that fails so, 1 for a
// fault that stays, and when the server says to come back.
func passing(err error) (attempts int, after time.Duration) {
	var answer *googleapi.Error
	if errors.As(err, &answer) {
		busy := answer.Code == http.StatusForbidden && strings.Contains(strings.ToLower(answer.Error()), "ratelimitexceeded")
		if busy || answer.Code == http.StatusTooManyRequests || answer.Code == http.StatusRequestTimeout || answer.Code >= 500 {
			return maxAttempts, retryAfter(answer.Header)
		}
		return 1, 0
	}
	var syntax *json.SyntaxError
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || (errors.As(err, &syntax) && strings.Contains(syntax.Error(), "unexpected end")) {
		return maxAttempts, 0
	}
	var untrusted *tls.CertificateVerificationError
	var network interface{ Timeout() bool } // as *url.Error and *net.OpError have it
	if errors.As(err, &network) && !errors.As(err, &untrusted) {
		return maxUnreached, 0
	}
	return 1, 0
}

// retryAfter reads Retry-After in seconds or as a date, which it measures by
// the server's own Date.
func retryAfter(h http.Header) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if n, err := strconv.ParseUint(v, 10, 16); err == nil {
		return time.Duration(n) * time.Second
	}
	until, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	from, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0
	}
	return max(0, until.Sub(from))
}
