package azure

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// m is a row as it goes over the wire.
type m = map[string]any

// vm returns a row of a virtual machine in the shape of the API; change
// overrides fields.
func vm(size, product string, price any, change ...m) m {
	name := strings.ReplaceAll(strings.TrimPrefix(size, "Standard_"), "_", " ")
	r := m{
		"currencyCode": "USD", "tierMinimumUnits": 0.0, "retailPrice": price, "unitPrice": price,
		"armRegionName": "eastus", "location": "US East", "effectiveStartDate": "2020-08-01T00:00:00Z",
		"meterId": "00000000-0000-0000-0000-000000000001", "meterName": name, "productId": "SAMPLE000001", "skuId": "SAMPLE000001/0001",
		"availabilityId": nil, "productName": product, "skuName": name, "serviceName": "Virtual Machines", "serviceId": "DZH313Z7MMC8",
		"serviceFamily": "Compute", "unitOfMeasure": "1 Hour", "type": "Consumption", "isPrimaryMeterRegion": true, "armSkuName": size,
	}
	for _, c := range change {
		maps.Copy(r, c)
	}
	return r
}

func spot(size, product string, price any) m {
	r := vm(size, product, price)
	r["meterName"], r["skuName"] = r["meterName"].(string)+" Spot", r["skuName"].(string)+" Spot"
	return r
}

func reserved(size, product string, price any, term string) m {
	return vm(size, product, price, m{"type": "Reservation", "reservationTerm": term})
}

// meter returns a row of storage or networking.
func meter(service, product, name, unit string, price any, change ...m) m {
	r := vm("", product, price, m{"serviceName": service, "meterName": name, "skuName": name, "unitOfMeasure": unit, "armSkuName": ""})
	for _, c := range change {
		maps.Copy(r, c)
	}
	return r
}

// fake speaks the Retail Prices API over a set of rows: filters, pages of a
// size the client cannot know, currencies, versions.
type fake struct {
	*httptest.Server
	rows     []m
	pageSize int
	// before is asked before each answer and may give one itself.
	before func(n int, w http.ResponseWriter, r *http.Request) bool
	// page may change a page before it is sent.
	page func(skip int, body []byte) []byte

	mu       sync.Mutex
	requests []string
}

func newFake(t testing.TB, rows ...m) *fake {
	f := &fake{rows: rows, pageSize: 3}
	f.Server = httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(f.Close)
	return f
}

var clause = regexp.MustCompile(`^(?:contains\((\w+), *'([^']*)'\)|(\w+) eq '([^']*)')$`)

func (f *fake) serve(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.requests = append(f.requests, r.URL.RequestURI())
	n := len(f.requests)
	f.mu.Unlock()
	if f.before != nil && f.before(n, w, r) {
		return
	}
	q := r.URL.Query()
	rows, err := f.filter(q.Get("$filter"))
	if err != nil {
		http.Error(w, `{"Error":{"Code":"BadRequest","Message":"`+err.Error()+`"}}`, http.StatusBadRequest)
		return
	}
	currency := strings.Trim(q.Get("currencyCode"), "'")
	if currency == "" {
		currency = "USD"
	}
	rows = slices.DeleteFunc(rows, func(r m) bool { return r["currencyCode"] != currency })
	skip, _ := strconv.Atoi(q.Get("$skip"))
	rest := rows[min(skip, len(rows)):]
	answer := m{"BillingCurrency": currency, "CustomerEntityId": "Default", "CustomerEntityType": "Retail", "NextPageLink": nil}
	if len(rest) > f.pageSize {
		rest = rest[:f.pageSize]
		next := *r.URL
		v := next.Query()
		v.Set("$skip", strconv.Itoa(skip+f.pageSize))
		next.RawQuery, next.Scheme, next.Host = v.Encode(), "http", r.Host
		answer["NextPageLink"] = next.String()
	}
	items := make([]m, 0, len(rest))
	for _, r := range rest {
		r = maps.Clone(r)
		if q.Get("api-version") != "2023-01-01-preview" {
			delete(r, "savingsPlan")
		}
		items = append(items, r)
	}
	answer["Items"], answer["Count"] = items, len(items)
	// The API sends Items before NextPageLink.
	var body bytes.Buffer
	body.WriteString(`{"BillingCurrency":` + quoted(answer["BillingCurrency"]) + `,"CustomerEntityId":"Default","CustomerEntityType":"Retail","Items":`)
	body.WriteString(quoted(answer["Items"]) + `,"NextPageLink":` + quoted(answer["NextPageLink"]) + `,"Count":` + quoted(answer["Count"]) + `}`)
	out := body.Bytes()
	if f.page != nil {
		out = f.page(skip, out)
		if out == nil { // cut the connection in the middle
			w.Header().Set("Content-Length", strconv.Itoa(body.Len()))
			_, _ = w.Write(body.Bytes()[:body.Len()*2/3])
			return
		}
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_, _ = w.Write(out)
}

func quoted(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// filter knows the part of OData that the API knows: no or, and case matters.
func (f *fake) filter(s string) ([]m, error) {
	if strings.Contains(s, " or ") {
		return nil, fmt.Errorf("or is not supported")
	}
	rows := slices.Clone(f.rows)
	for c := range strings.SplitSeq(s, " and ") {
		parts := clause.FindStringSubmatch(c)
		if parts == nil {
			return nil, fmt.Errorf("invalid filter %q", c)
		}
		rows = slices.DeleteFunc(rows, func(r m) bool {
			if parts[1] != "" {
				text, _ := r[parts[1]].(string)
				return !strings.Contains(text, parts[2])
			}
			field := parts[3]
			if field == "priceType" {
				field = "type"
			}
			return r[field] != parts[4]
		})
	}
	return rows, nil
}
