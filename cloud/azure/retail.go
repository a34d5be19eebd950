package azure

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/internal/webclient"
)

// apiVersion is the only one that has savings plans.
const apiVersion = "2023-01-01-preview"

const (
	maxAttempts  = 6
	maxUnreached = 3
	maxWait      = 2 * time.Minute
	maxPages     = 20_000    // of 100 rows: all there is, several times
	maxPage      = 256 << 20 // bytes
	maxProblem   = 400       // bytes of an answer that are told in an error
)

// row is a row of the list, with its figures as they stand there.
type row struct {
	CurrencyCode     string      `json:"currencyCode"`
	TierMinimumUnits float64     `json:"tierMinimumUnits"`
	RetailPrice      json.Number `json:"retailPrice"`
	ArmRegionName    string      `json:"armRegionName"`
	EffectiveStart   string      `json:"effectiveStartDate"`
	EffectiveEnd     string      `json:"effectiveEndDate"`
	MeterName        string      `json:"meterName"`
	ProductName      string      `json:"productName"`
	SkuName          string      `json:"skuName"`
	UnitOfMeasure    string      `json:"unitOfMeasure"`
	Type             string      `json:"type"`
	PrimaryMeter     bool        `json:"isPrimaryMeterRegion"`
	ArmSkuName       string      `json:"armSkuName"`
	ReservationTerm  string      `json:"reservationTerm"`
	SavingsPlan      []struct {
		RetailPrice json.Number `json:"retailPrice"`
		Term        string      `json:"term"`
	} `json:"savingsPlan"`
}

// decodePage decodes a page row by row, so that rows before a cut are not lost,
// and returns the link to the next page, empty at the end. The row that each
// gets is reused.
func decodePage(r io.Reader, each func(*row) error) (next string, err error) {
	dec := json.NewDecoder(r)
	if err := expect(dec, json.Delim('{')); err != nil {
		return "", err
	}
	items := false
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return "", err
		}
		switch key {
		case "Items":
			items = true
			if err := decodeRows(dec, each); err != nil {
				return "", err
			}
		case "NextPageLink":
			var link *string
			if err := dec.Decode(&link); err != nil {
				return "", fmt.Errorf("NextPageLink: %w", err)
			}
			if link != nil {
				next = *link
			}
		default:
			var ignored json.RawMessage
			if err := dec.Decode(&ignored); err != nil {
				return "", fmt.Errorf("%v: %w", key, err)
			}
		}
	}
	if err := expect(dec, json.Delim('}')); err != nil {
		return "", err
	}
	if !items {
		return "", errors.New("the answer has no Items")
	}
	return next, nil
}

func decodeRows(dec *json.Decoder, each func(*row) error) error {
	if err := expect(dec, json.Delim('[')); err != nil {
		return fmt.Errorf("Items: %w", err)
	}
	for n := 1; dec.More(); n++ {
		var r row
		if err := dec.Decode(&r); err != nil {
			return fmt.Errorf("row %d of the page: %w", n, err)
		}
		if err := each(&r); err != nil {
			return fmt.Errorf("row %d of the page: %w", n, err)
		}
	}
	return expect(dec, json.Delim(']'))
}

func expect(dec *json.Decoder, want json.Delim) error {
	got, err := dec.Token()
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err == nil && got != want {
		err = fmt.Errorf("%v stands where %v should", got, want)
	}
	return err
}

// reading is the reading of one list.
type reading struct {
	source       *Source
	region, list string

	pages, rows, items int
	skipped            map[string]int
}

func (r *reading) skip(reason string) { r.skipped[reason]++ }

// report calls the progress function with what p says and the counts.
func (r *reading) report(p Progress) {
	if r.source.o.Progress == nil {
		return
	}
	p.Region, p.List, p.Pages, p.Rows, p.Items, p.Skipped = r.region, r.list, r.pages, r.rows, r.items, maps.Clone(r.skipped)
	r.source.o.Progress(p)
}

// read follows the pages of a query. A page that breaks off is read again, so
// take may get a row twice; it is counted once.
func (r *reading) read(ctx context.Context, filter string, take func(*row, func(string))) error {
	link := r.first(filter)
	seen := make(map[string]bool)
	for link != nil {
		if seen[link.String()] || len(seen) >= maxPages {
			return fmt.Errorf("page %d: the links to the next page do not end", r.pages+1)
		}
		seen[link.String()] = true
		next, err := r.page(ctx, link, take)
		if err != nil {
			return fmt.Errorf("page %d: %w", r.pages+1, err)
		}
		r.pages++
		r.report(Progress{})
		link = next
	}
	return nil
}

// first returns the address of the first page of a query.
func (r *reading) first(filter string) *url.URL {
	u := *r.source.endpoint
	q := u.Query()
	q.Set("api-version", apiVersion)
	if c := r.source.o.Currency; c != "USD" {
		q.Set("currencyCode", "'"+string(c)+"'")
	}
	q.Set("$filter", filter)
	// OData services do not all take + for a blank or %24 for $.
	u.RawQuery = strings.NewReplacer("+", "%20", "%24filter", "$filter").Replace(q.Encode())
	return &u
}

// page reads one page, trying again after faults that pass.
func (r *reading) page(ctx context.Context, link *url.URL, take func(*row, func(string))) (*url.URL, error) {
	for attempt := 1; ; attempt++ {
		rows, skipped := 0, make(map[string]int)
		next, err := r.request(ctx, link, func(row *row) error {
			if !strings.EqualFold(row.CurrencyCode, string(r.source.o.Currency)) {
				return fmt.Errorf("the list is in %q, asked for %s", row.CurrencyCode, r.source.o.Currency)
			}
			rows++
			take(row, func(reason string) { skipped[reason]++ })
			return nil
		})
		var again *passing
		if err == nil || !errors.As(err, &again) || attempt >= again.attempts() || ctx.Err() != nil {
			r.rows += rows
			for reason, n := range skipped {
				r.skipped[reason] += n
			}
			if ctx.Err() != nil {
				err = ctx.Err()
			}
			return next, err
		}
		pause := webclient.Pause(attempt, again.after, maxWait)
		r.report(Progress{Waiting: pause, Cause: err})
		if err := r.source.o.Wait(ctx, pause); err != nil {
			return nil, err
		}
	}
}

// passing is a fault that may pass; after is when the server says to come back,
// zero where it does not. A server that was not reached is given up sooner.
type passing struct {
	err       error
	after     time.Duration
	unreached bool
}

func (e *passing) Error() string { return e.err.Error() }
func (e *passing) Unwrap() error { return e.err }

func (e *passing) attempts() int {
	if e.unreached {
		return maxUnreached
	}
	return maxAttempts
}

// unreached marks the error of a request without an answer as passing, but not
// that of a certificate nobody trusts.
func unreached(err error) error {
	if errors.As(err, new(*tls.CertificateVerificationError)) {
		return err
	}
	return &passing{err: err, unreached: true}
}

func (r *reading) request(ctx context.Context, link *url.URL, each func(*row) error) (*url.URL, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, link.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := r.source.get(req)
	if err != nil {
		return nil, unreached(r.source.hidden.Error(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, r.source.refused(resp)
	}
	body := &io.LimitedReader{R: resp.Body, N: maxPage}
	next, err := decodePage(body, each)
	if err != nil {
		if body.N == 0 {
			return nil, fmt.Errorf("the page has more than %d MiB", maxPage>>20)
		}
		return nil, broken(err)
	}
	if next == "" {
		return nil, nil
	}
	u, err := link.Parse(next)
	if err != nil {
		return nil, fmt.Errorf("NextPageLink %q is no address", r.source.hidden.Text(webclient.Show(next)))
	}
	if !sameOrigin(u, r.source.endpoint) {
		return nil, fmt.Errorf("NextPageLink leads to another host, %s://%s", u.Scheme, u.Host)
	}
	if u.User == nil { // the link is without the user of a mirror
		u.User = r.source.endpoint.User
	}
	return u, nil
}

// broken marks an error of a body that ended early as passing; what is
// complete but wrong stays wrong.
func broken(err error) error {
	var syntax *json.SyntaxError
	var typ *json.UnmarshalTypeError
	cut := errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.As(err, new(interface{ Timeout() bool }))
	if errors.As(err, &syntax) {
		cut = strings.Contains(syntax.Error(), "unexpected end")
	}
	if cut && !errors.As(err, &typ) {
		return &passing{err: fmt.Errorf("the page breaks off: %w", err)}
	}
	return err
}

// refused turns an answer that is no page into an error.
func (s *Source) refused(resp *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxProblem))
	err := fmt.Errorf("the server answers %s", resp.Status)
	if t := strings.Join(strings.Fields(strings.ToValidUTF8(string(text), "?")), " "); t != "" {
		err = fmt.Errorf("%w: %s", err, s.hidden.Text(t))
	}
	if webclient.Temporary(resp.StatusCode) {
		return &passing{err: err, after: webclient.RetryAfter(resp.Header)}
	}
	return err
}

// sameOrigin reports whether two addresses have the same scheme, host and port.
func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	return map[string]string{"http": "80", "https": "443"}[u.Scheme]
}
