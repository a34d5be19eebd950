package gcp

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/pricing"
)

// m is an object as it goes over the wire.
type m = map[string]any

// americas are the regions that the SKUs "in Americas" serve.
var americas = []string{"us-central1", "us-east1", "us-west1"}

// sku returns a SKU in the shape of the API: usage type by the words of the
// description, units as text, nanos as a number.
func sku(description, unit string, nanos int64, change ...m) m {
	usage := "OnDemand"
	switch {
	case strings.Contains(description, "Preemptible"):
		usage = "Preemptible"
	case strings.Contains(description, "for 1 Year"):
		usage = "Commit1Yr"
	case strings.Contains(description, "for 3 Year"):
		usage = "Commit3Yr"
	}
	s := m{
		"name": "services/6F81-5844-456A/skus/0000-0000-0001", "skuId": "0000-0000-0001", "description": description,
		"category":       m{"serviceDisplayName": "Compute Engine", "resourceFamily": "Compute", "resourceGroup": "CPU", "usageType": usage},
		"serviceRegions": americas,
		"pricingInfo": []m{{"summary": "", "pricingExpression": m{
			"usageUnit": unit, "usageUnitDescription": "hour", "baseUnit": "s", "baseUnitDescription": "second",
			"baseUnitConversionFactor": 3600, "displayQuantity": 1, "tieredRates": []m{tier(0, nanos)}},
			"aggregationInfo":        m{"aggregationLevel": "ACCOUNT", "aggregationInterval": "MONTHLY", "aggregationCount": 1},
			"currencyConversionRate": 1, "effectiveTime": "2026-07-30T00:00:00Z"}},
		"serviceProviderName": "Google",
	}
	for _, c := range change {
		maps.Copy(s, c)
	}
	return s
}

func tier(from float64, nanos int64) m {
	return m{"startUsageAmount": from, "unitPrice": m{"currencyCode": "USD", "units": strconv.FormatInt(nanos/1e9, 10), "nanos": nanos % 1e9}}
}

// tiers returns the change that makes a SKU one of several tiers.
func tiers(unit string, list ...m) m {
	return m{"pricingInfo": []m{{"pricingExpression": m{"usageUnit": unit, "tieredRates": list}, "effectiveTime": "2026-07-30T00:00:00Z"}}}
}

func in(regions ...string) m { return m{"serviceRegions": regions} }

// filed overrides the usage type.
func filed(usage string) m { return m{"category": m{"usageType": usage}} }

// fake speaks the Cloud Billing Catalog API and the machine types of the
// Compute Engine API.
type fake struct {
	*httptest.Server
	skus     []m
	pageSize int
	zones    map[string][]m // machine types by zone
	// before is asked before each answer and may give one itself.
	before func(n int, w http.ResponseWriter, r *http.Request) bool
	// cut ends the connection in the middle of the page that begins there.
	cut func(from int) bool

	mu       sync.Mutex
	requests []*http.Request
}

func newFake(t testing.TB, skus ...m) *fake {
	f := &fake{skus: skus, pageSize: 4}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/services/6F81-5844-456A/skus", f.list)
	mux.HandleFunc("GET /projects/{project}/regions/{region}", f.region)
	mux.HandleFunc("GET /projects/{project}/zones/{zone}/machineTypes", f.types)
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.requests = append(f.requests, r.Clone(context.Background()))
		n := len(f.requests)
		f.mu.Unlock()
		if f.before == nil || !f.before(n, w, r) {
			mux.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(f.Close)
	return f
}

func (f *fake) list(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	from, _ := strconv.Atoi(strings.TrimPrefix(q.Get("pageToken"), "from-"))
	to := min(from+f.pageSize, len(f.skus))
	next := ""
	if to < len(f.skus) {
		next = fmt.Sprint("from-", to)
	}
	page := make([]m, 0, f.pageSize)
	for _, s := range f.skus[from:to] {
		if c := q.Get("currencyCode"); c != "USD" && s["eur"] != nil {
			s = s["eur"].(m)
		}
		page = append(page, s)
	}
	send(w, m{"skus": page, "nextPageToken": next}, f.cut != nil && f.cut(from))
}

func (f *fake) region(w http.ResponseWriter, r *http.Request) {
	var zones []string
	for z := range f.zones {
		zones = append(zones, "https://www.googleapis.com/compute/v1/projects/p/zones/"+z)
	}
	send(w, m{"name": r.PathValue("region"), "zones": zones}, false)
}

func (f *fake) types(w http.ResponseWriter, r *http.Request) {
	all := f.zones[r.PathValue("zone")]
	from, _ := strconv.Atoi(r.URL.Query().Get("pageToken"))
	page := m{"items": all[from:min(from+2, len(all))]}
	if from+2 < len(all) {
		page["nextPageToken"] = strconv.Itoa(from + 2)
	}
	send(w, page, false)
}

func send(w http.ResponseWriter, v any, cut bool) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	if cut {
		w.Header().Set("Content-Length", strconv.Itoa(len(b)))
		b = b[:len(b)*2/3]
	}
	_, _ = w.Write(b)
}

var today = time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)

const key = "AIza-secret-key"

// options are those of a source of the fake that never sleeps.
func (f *fake) options(types ...pricing.Specification) Options {
	o := Options{
		APIKey: key, BillingEndpoint: f.URL, ComputeEndpoint: f.URL,
		Now:  func() time.Time { return today },
		Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	}
	if types != nil {
		o.Types = func(yield func(pricing.Specification) bool) {
			for _, t := range types {
				if !yield(t) {
					return
				}
			}
		}
	}
	return o
}

// mt returns a machine type with what the embedded catalogue knows of one.
func mt(name string, vcpus int, gib float64) pricing.Specification {
	return pricing.Specification{
		Provider: "gcp", InstanceType: name, VCPUs: pricing.Known(vcpus, "test"), MemoryBytes: pricing.Known(int64(gib*(1<<30)), "test"),
		GPUs: pricing.Known(0.0, "test"), LocalDisk: pricing.Known(pricing.LocalDisk{}, "test"),
	}
}

func withSSD(s pricing.Specification, gib float64) pricing.Specification {
	s.LocalDisk = pricing.Known(pricing.LocalDisk{Present: true, GiB: gib}, "test")
	return s
}

func withGPUs(s pricing.Specification, n float64) pricing.Specification {
	s.GPUs = pricing.Known(n, "test")
	return s
}
