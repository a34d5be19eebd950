package gcp

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"path"
	"regexp"
	"strings"
	"sync"
	"time"

	"cloud.google.com/go/auth"
	"cloud.google.com/go/auth/credentials"
	"google.golang.org/api/cloudbilling/v1"
	"google.golang.org/api/compute/v1"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/option"
	htransport "google.golang.org/api/transport/http"

	"github.com/leanfleet/leanfleet/internal/webclient"
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
	base, err := webclient.Transport(s.o.CAFile)
	if err != nil {
		return nil, err
	}
	if s.o.APIKey != "" {
		return &http.Client{Transport: keyed{base, s.o.APIKey}}, nil
	}
	client, err := signedIn(ctx, base, billingScope)
	if err != nil {
		return nil, fmt.Errorf("the Cloud Billing Catalog API needs an API key or credentials: give an API key, or set GOOGLE_APPLICATION_CREDENTIALS, or sign in with gcloud auth application-default login: %w: %w", ErrCredentials, err)
	}
	return client, nil
}

func (s *Source) computeClient(ctx context.Context) (*http.Client, error) {
	if s.o.HTTPClient != nil {
		return s.o.HTTPClient, nil
	}
	base, err := webclient.Transport(s.o.CAFile)
	if err != nil {
		return nil, err
	}
	client, err := signedIn(ctx, base, computeScope)
	if err != nil {
		return nil, fmt.Errorf("the Compute Engine API needs credentials, an API key is not enough: set GOOGLE_APPLICATION_CREDENTIALS, or sign in with gcloud auth application-default login, or leave the project out: %w: %w", ErrCredentials, err)
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
		most, after := passing(err)
		err = r.source.told(err)
		if attempt >= most {
			return v, err
		}
		after = webclient.Pause(attempt, after, maxWait)
		r.report(Progress{Waiting: after, Cause: err})
		if err := r.source.o.Wait(ctx, after); err != nil {
			return v, err
		}
	}
}

// ErrCredentials is the error of a reading for which Google takes no
// credentials: there are none, they have expired or they are not valid, and
// neither is an API key. What was read before it stays usable.
var ErrCredentials = errors.New("the credentials of Google Cloud are missing, expired or not valid")

// renew says what to do about ErrCredentials.
const renew = "sign in again (gcloud auth application-default login), or set GOOGLE_APPLICATION_CREDENTIALS to a valid key file, or give another API key"

// told returns an error as it may be told, whoever put a key or an address into
// it, and marks those about credentials.
func (s *Source) told(err error) error {
	var answer *googleapi.Error
	var token *auth.Error
	switch {
	case errors.Is(err, ErrCredentials):
		return s.hidden.Error(err)
	case errors.As(err, &token) && !token.Temporary():
		// Its text is the answer of the server that gives tokens.
		return fmt.Errorf("%w: %s: no token is given: %s", ErrCredentials, renew, oauthCode(token))
	case errors.As(err, &answer) && refusesCredentials(answer):
		return &credentialError{s.hidden.Text(fmt.Sprintf("%v: %s: the server answers %d: %s", ErrCredentials, renew, answer.Code, answer.Message))}
	}
	return s.hidden.Error(err)
}

// credentialError is ErrCredentials with more to tell.
type credentialError struct{ text string }

func (e *credentialError) Error() string { return e.text }
func (e *credentialError) Unwrap() error { return ErrCredentials }

// refusesCredentials reports whether an answer is about who asks and not about
// what they may do: 401, and 400 for an API key that is none.
func refusesCredentials(answer *googleapi.Error) bool {
	about := strings.ToLower(answer.Message + answer.Body)
	return answer.Code == http.StatusUnauthorized ||
		(answer.Code == http.StatusBadRequest && (strings.Contains(about, "api key not valid") || strings.Contains(about, "api key expired") || strings.Contains(about, "api_key_invalid")))
}

// oauthCodes are the words by which the server says why it gives no token.
var oauthCodes = regexp.MustCompile(`invalid_grant|invalid_client|unauthorized_client|invalid_scope|invalid_request|access_denied|invalid_rapt`)

func oauthCode(e *auth.Error) string {
	text := string(e.Body)
	if e.Response != nil { // without one it has no text
		text = e.Error()
	}
	if code := oauthCodes.FindString(text); code != "" || e.Response == nil {
		return cmp.Or(code, "the server was not reached")
	}
	return "the server answers " + e.Response.Status
}

// passing returns how often in all a request is tried that fails so, 1 for a
// fault that stays, and when the server says to come back.
func passing(err error) (attempts int, after time.Duration) {
	var answer *googleapi.Error
	if errors.As(err, &answer) {
		busy := answer.Code == http.StatusForbidden && strings.Contains(strings.ToLower(answer.Error()), "ratelimitexceeded")
		if busy || webclient.Temporary(answer.Code) {
			return maxAttempts, webclient.RetryAfter(answer.Header)
		}
		return 1, 0
	}
	var token *auth.Error
	if errors.As(err, &token) {
		if token.Temporary() {
			return maxAttempts, webclient.RetryAfter(token.Response.Header)
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
