package azure

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
)

var today = time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)

// options are those of a source of the fake that never sleeps.
func (f *fake) options() Options {
	return Options{
		Endpoint: f.URL + "/api/retail/prices",
		Now:      func() time.Time { return today },
		Wait:     func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	}
}

func collect(t testing.TB, s *Source, region string) ([]pricing.Item, error) {
	t.Helper()
	var items []pricing.Item
	for item, err := range s.Items(t.Context(), region) {
		if err != nil {
			return items, err
		}
		items = append(items, item)
	}
	return items, nil
}

// lines writes items in short, one a line.
func lines(items []pricing.Item) []string {
	var all []string
	for _, i := range items {
		switch {
		case i.Offer != nil:
			o := i.Offer
			s := fmt.Sprintf("%s %s %s", o.InstanceType, o.OS, o.Purchase)
			if o.Term != (pricing.Term{}) {
				s += " " + o.Term.String()
			}
			s += " " + o.PerHour.String()
			if !o.Upfront.IsZero() {
				s += " upfront " + o.Upfront.String()
			}
			all = append(all, s)
		case i.Storage != nil:
			o := i.Storage
			if o.PerDiskMonth.IsZero() {
				all = append(all, fmt.Sprintf("disk %s %s/GiB month %d", o.DiskType, o.PerGiBMonth, o.MonthHours))
			} else {
				all = append(all, fmt.Sprintf("disk %s %s up to %d", o.DiskType, o.PerDiskMonth, o.MaxGiB))
			}
		case i.Address != nil:
			all = append(all, fmt.Sprintf("address idle=%t %s", i.Address.Idle, i.Address.PerHour))
		case i.Spec != nil:
			all = append(all, "spec "+i.Spec.InstanceType)
		}
	}
	return all
}

func same(t *testing.T, got, want []string) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Error("-want +got:\n" + d)
	}
}

const ds = "Virtual Machines DSv3 Series"

// sample are the kinds of row that one size has.
func sample() []m {
	return []m{
		vm("Standard_D2s_v3", ds, 0.096, m{"savingsPlan": []m{
			{"unitPrice": 0.044, "retailPrice": 0.044, "term": "3 Years"}, {"unitPrice": 0.066, "retailPrice": 0.066, "term": "1 Year"}}}),
		vm("Standard_D2s_v3", ds+" Windows", 0.188, m{"savingsPlan": []m{
			{"retailPrice": 0.158, "term": "1 Year"}, {"retailPrice": 0.044, "term": "3 Years"}}}),
		spot("Standard_D2s_v3", ds, 0.0127),
		spot("Standard_D2s_v3", ds+" Windows", 0.0353),
		vm("Standard_D2s_v3", ds, 0.019, m{"meterName": "D2s v3 Low Priority", "skuName": "D2s v3 Low Priority"}),
		vm("Standard_D2s_v3", ds+" Windows", 0.096, m{"type": "DevTestConsumption"}),
		reserved("Standard_D2s_v3", ds, 501.0, "1 Year"),
		reserved("Standard_D2s_v3", ds, 968.0, "3 Years"),
		vm("Standard_D2s_v3", "Dv3 Series Cloud Services", 0.2),
		vm("Standard_D2s_v3", "DSv3 Series CloudServices Windows", 0.2),
		vm("Dsv3_Type1", "DSv3 Series Dedicated Host", 4.0),
		vm("Standard_D2s_v3", ds, 0.5, m{"armRegionName": "westus"}),
	}
}

func TestOffersOfOneSize(t *testing.T) {
	f := newFake(t, sample()...)
	var last Progress
	o := f.options()
	o.Progress = func(p Progress) {
		if p.List == "virtual machines" {
			last = p
		}
	}
	items, err := collect(t, New(o), "eastus")
	if err != nil {
		t.Fatal(err)
	}
	same(t, lines(items), []string{
		"Standard_D2s_v3 linux on_demand 0.096 USD",
		"Standard_D2s_v3 linux reserved 1 year 0.057191780822 USD upfront 501 USD",  // 501 / 8760
		"Standard_D2s_v3 linux reserved 3 years 0.036834094368 USD upfront 968 USD", // 968 / 26280
		"Standard_D2s_v3 linux savings_plan 1 year 0.066 USD",
		"Standard_D2s_v3 linux savings_plan 3 years 0.044 USD",
		"Standard_D2s_v3 linux spot 0.0127 USD",
		"Standard_D2s_v3 windows on_demand 0.188 USD",
		"Standard_D2s_v3 windows savings_plan 1 year 0.158 USD",
		"Standard_D2s_v3 windows spot 0.0353 USD",
	})
	first := items[0].Offer
	if first.Provider != "azure" || first.Region != "eastus" || !first.ObservedAt.Equal(today) || first.Basis != pricing.Observed ||
		first.Source != "azure retail prices" || !first.ValidFrom.Equal(time.Date(2020, 8, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("offer %+v", first)
	}
	want := map[string]int{skipLowPriority: 1, skipDevTest: 1, skipCloudServices: 2, skipDedicated: 1, "savings plan: " + skipLicence: 1}
	if d := cmp.Diff(want, last.Skipped); d != "" {
		t.Error("skipped:\n" + d)
	}
	if !last.Done || last.Rows != 11 || last.Items != 9 || last.Pages != 4 {
		t.Errorf("progress %+v", last)
	}
	// The query is one that the API takes: this version, this case of letters.
	if !strings.Contains(f.requests[0], "api-version=2023-01-01-preview") || strings.Contains(f.requests[0], "currencyCode") ||
		!strings.Contains(f.requests[0], "$filter=serviceName%20eq%20%27Virtual%20Machines%27") {
		t.Error(f.requests[0])
	}
}

func TestRowsThatAreLeftOut(t *testing.T) {
	const a1 = "Virtual Machines A Series"
	for _, c := range []struct {
		reason string
		row    m
	}{
		{skipZero, vm("Standard_A1", a1, 0.0)},
		{skipZero, vm("Standard_A1", a1, -1.0)},
		{skipFigure, vm("Standard_A1", a1, nil)},
		{skipUnit, vm("Standard_A1", a1, 1.0, m{"unitOfMeasure": "1/Month"})},
		{skipUnit, vm("Standard_A1", a1, 1.0, m{"unitOfMeasure": "Hour"})},
		{skipUnit, vm("Standard_A1", a1, 1.0, m{"unitOfMeasure": "99999999999 Hours"})},
		{skipNoSize, vm("", a1, 1.0)},
		{skipSoftware, vm("Standard_A1", a1+" RHEL", 1.0)},
		{skipLicence, reserved("Standard_A1", a1+" Windows", 500, "1 Year")},
		{skipUnknown, reserved("Standard_A1", a1, 500, "forever")},
		{skipUnknown, reserved("Standard_A1", a1, 500, "")},
		{skipZero, reserved("Standard_A1", a1, 0, "1 Year")},
		{skipZero, reserved("Standard_A1", a1, jsonNumber("1e-18"), "1 Year")},
		{skipZero, vm("Standard_A1", a1, jsonNumber("1e-18"), m{"unitOfMeasure": "100 Hours"})},
		{skipUnknown, vm("Standard_A1", a1, 1.0, m{"type": "Barter"})},
		{skipEnded, vm("Standard_A1", a1, 1.0, m{"effectiveEndDate": "2024-01-01T00:00:00Z"})},
		{skipEnded, vm("Standard_A1", a1, 1.0, m{"effectiveStartDate": "2027-01-01T00:00:00Z"})},
	} {
		f := newFake(t, c.row)
		var last Progress
		o := f.options()
		o.Progress = func(p Progress) {
			if p.List == "virtual machines" {
				last = p
			}
		}
		items, err := collect(t, New(o), "eastus")
		if err != nil || len(items) != 0 {
			t.Errorf("%s: %v %v", c.reason, lines(items), err)
		}
		if last.Skipped[c.reason] != 1 {
			t.Errorf("%s: skipped %v", c.reason, last.Skipped)
		}
	}
}

func TestRowsOfOneThing(t *testing.T) {
	for _, c := range []struct {
		name string
		rows []m
		want []string
	}{
		{"primary meter before others", []m{
			vm("Standard_B1s", "BS Series", 0.02, m{"isPrimaryMeterRegion": false}), vm("Standard_B1s", "BS Series", 0.01)},
			[]string{"Standard_B1s linux on_demand 0.01 USD"}},
		{"only a meter of another region", []m{vm("Standard_B1s", "BS Series", 0.02, m{"isPrimaryMeterRegion": false})},
			[]string{"Standard_B1s linux on_demand 0.02 USD"}},
		{"the later start", []m{
			vm("Standard_B1s", "BS Series", 0.01, m{"effectiveStartDate": "2025-01-01T00:00:00Z"}), vm("Standard_B1s", "BS Series", 0.02)},
			[]string{"Standard_B1s linux on_demand 0.01 USD"}},
		{"the lower tier", []m{
			vm("Standard_B1s", "BS Series", 0.005, m{"tierMinimumUnits": 100.0}), vm("Standard_B1s", "BS Series", 0.02)},
			[]string{"Standard_B1s linux on_demand 0.02 USD"}},
		{"the tier behind a free one", []m{
			vm("Standard_B1s", "BS Series", 0.005, m{"tierMinimumUnits": 100.0}), vm("Standard_B1s", "BS Series", 0.0)},
			[]string{"Standard_B1s linux on_demand 0.005 USD"}},
		{"twice the same", []m{vm("Standard_B1s", "BS Series", 0.02), vm("Standard_B1s", "BS Series", 0.02)},
			[]string{"Standard_B1s linux on_demand 0.02 USD"}},
		{"two prices", []m{vm("Standard_B1s", "BS Series", 0.02), vm("Standard_B1s", "BS Series", 0.03)}, nil},
		{"a hundred hours", []m{vm("Standard_B1s", "BS Series", 2.5, m{"unitOfMeasure": "100 Hours"})},
			[]string{"Standard_B1s linux on_demand 0.025 USD"}},
		{"Windows in the middle of the name", []m{vm("Standard_B1s", "Virtual Machines BS Series Windows Promo", 0.03)},
			[]string{"Standard_B1s windows on_demand 0.03 USD"}},
		{"digits beyond a price", []m{vm("Standard_B1s", "BS Series", 0.10400000000000001)},
			[]string{"Standard_B1s linux on_demand 0.10400000000000001 USD"}},
		{"many more digits", []m{vm("Standard_B1s", "BS Series", jsonNumber("1.23456789012345678901234"))},
			[]string{"Standard_B1s linux on_demand 1.234567890123 USD"}},
	} {
		items, err := collect(t, New(newFake(t, c.rows...).options()), "eastus")
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if d := cmp.Diff(c.want, lines(items)); d != "" {
			t.Errorf("%s:\n%s", c.name, d)
		}
	}
}

type jsonNumber string

func (n jsonNumber) MarshalJSON() ([]byte, error) { return []byte(n), nil }

func TestDisksAndAddresses(t *testing.T) {
	const premium, hdd = "Premium SSD Managed Disks", "Standard HDD Managed Disks"
	f := newFake(t, vm("Standard_D2s_v3", ds, 0.0),
		meter("Storage", premium, "P10 LRS Disk", "1/Month", 19.71),
		meter("Storage", premium, "P10 ZRS Disk", "1/Month", 29.57),
		meter("Storage", premium, "P10 LRS Disk Mount", "1/Month", 1.0),
		meter("Storage", premium, "P11 LRS Disk", "1/Month", 1.0),
		meter("Storage", premium, "P30 LRS Disk", "1 Hour", 1.0),
		meter("Storage", premium, "P30 LRS Disk", "1/Month", 1500.0, m{"type": "Reservation", "reservationTerm": "1 Year"}),
		meter("Storage", "Standard SSD Managed Disks", "E10 LRS Disk", "1/Month", 9.6),
		meter("Storage", "Standard SSD Managed Disks", "E10 LRS Disk Operations", "10K", 0.002),
		meter("Storage", hdd, "S80 LRS Disk", "1/Month", 1048.0),
		meter("Storage", hdd, "LRS Snapshots", "1 GB/Month", 0.05),
		meter("Storage", "Azure Premium SSD v2", "Premium LRS Provisioned Capacity", "1 GiB/Hour", 0.000110),
		meter("Storage", "Azure Premium SSD v2", "Premium LRS Provisioned IOPS", "1/Hour", 0.000007),
		meter("Storage", "Ultra Disks", "Ultra LRS Provisioned Capacity", "1 GiB/Month", 0.12),
		meter("Storage", "Blob Storage", "Hot LRS Data Stored", "1 GB/Month", 0.02),
		meter("Virtual Network", "IP Addresses", "Standard IPv4 Static Public IP", "1 Hour", 0.005),
		meter("Virtual Network", "IP Addresses", "Basic IPv4 Static Public IP", "1 Hour", 0.0036),
		meter("Virtual Network", "IP Addresses", "Global IPv4 Static Public IP", "1 Hour", 0.01),
	)
	items, err := collect(t, New(f.options()), "eastus")
	if err != nil {
		t.Fatal(err)
	}
	same(t, lines(items), []string{
		"disk Premium_LRS P10 19.71 USD up to 128",
		"disk Premium_ZRS P10 29.57 USD up to 128",
		"disk StandardSSD_LRS E10 9.6 USD up to 128",
		"disk Standard_LRS S80 1048 USD up to 32767",
		"disk PremiumV2_LRS 0.0803 USD/GiB month 730", // 0.000110 x 730
		"disk UltraSSD_LRS 0.12 USD/GiB month 0",
		"address idle=true 0.005 USD",
		"address idle=false 0.005 USD",
	})
	if s := items[4].Storage.Source; s != "azure retail prices: GiB-hour x 730" {
		t.Error(s)
	}
}

func TestExtrasThatAreLeftOut(t *testing.T) {
	const address, capacity = "Standard IPv4 Static Public IP", "Premium LRS Provisioned Capacity"
	at := func(change m) m { return meter("Virtual Network", "IP Addresses", address, "1 Hour", 0.005, change) }
	for _, c := range []struct {
		reason string
		rows   []m
	}{
		{skipRegion, []m{at(m{"armRegionName": "westus"})}},
		{skipEnded, []m{at(m{"effectiveEndDate": "2024-01-01T00:00:00Z"})}},
		{skipUnknown, []m{at(m{"type": "Reservation"})}},
		{skipUnit, []m{at(m{"unitOfMeasure": "1/Month"})}},
		{skipUnit, []m{at(m{"unitOfMeasure": "1K"})}},
		{skipUnit, []m{at(m{"meterName": capacity})}},
		{skipZero, []m{at(m{"retailPrice": 0})}},
		{skipAmbiguous, []m{at(nil), at(m{"retailPrice": 0.006})}},
	} {
		s := New(Options{})
		e := s.lists("eastus", today)[4]
		r := &reading{source: s, skipped: make(map[string]int)}
		for _, raw := range c.rows {
			var row row
			if err := json.Unmarshal([]byte(quoted(raw)), &row); err != nil {
				t.Fatal(err)
			}
			e.take(&row, r.skip)
		}
		for item := range e.settle(r) {
			t.Errorf("%s: %+v", c.reason, item)
		}
		if r.skipped[c.reason] != 1 {
			t.Errorf("%s: %v", c.reason, r.skipped)
		}
	}
}

func TestTwoCurrencies(t *testing.T) {
	f := newFake(t, vm("Standard_D2s_v3", ds, 0.096), vm("Standard_D2s_v3", ds, 0.0821, m{"currencyCode": "EUR"}))
	o := f.options()
	o.Currency = "EUR"
	items, err := collect(t, New(o), "eastus")
	if err != nil {
		t.Fatal(err)
	}
	same(t, lines(items), []string{"Standard_D2s_v3 linux on_demand 0.0821 EUR"})
	if !strings.Contains(f.requests[0], "currencyCode=%27EUR%27") {
		t.Error(f.requests[0])
	}
	// A list that ignores the question must not pass as euros.
	f.before = func(_ int, w http.ResponseWriter, _ *http.Request) bool {
		fmt.Fprint(w, `{"Items":[`+quoted(f.rows[0])+`],"NextPageLink":null}`)
		return true
	}
	if items, err := collect(t, New(o), "eastus"); err == nil || len(items) > 0 || !strings.Contains(err.Error(), `the list is in "USD", asked for EUR`) {
		t.Error(items, err)
	}
}

func TestThrottling(t *testing.T) {
	f := newFake(t, sample()...)
	want, err := collect(t, New(f.options()), "eastus")
	if err != nil {
		t.Fatal(err)
	}
	var waits []time.Duration
	o := f.options()
	o.Wait = func(_ context.Context, d time.Duration) error { waits = append(waits, d); return nil }
	f.requests = nil
	f.before = func(n int, w http.ResponseWriter, _ *http.Request) bool {
		switch n {
		case 1:
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusTooManyRequests)
		case 2:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 3:
			w.Header().Set("Date", "Tue, 24 Nov 2026 09:00:00 GMT")
			w.Header().Set("Retry-After", "Tue, 24 Nov 2026 09:00:09 GMT")
			w.WriteHeader(http.StatusTooManyRequests)
		case 4:
			w.Header().Set("Retry-After", "60000")
			w.WriteHeader(http.StatusBadGateway)
		default:
			return false
		}
		return true
	}
	got, err := collect(t, New(o), "eastus")
	if err != nil {
		t.Fatal(err)
	}
	same(t, lines(got), lines(want))
	if d := cmp.Diff([]time.Duration{7 * time.Second, 2 * time.Second, 9 * time.Second, maxWait}, waits); d != "" {
		t.Error(d)
	}
	// A server that never recovers is an error that says so.
	f.before = func(_ int, w http.ResponseWriter, _ *http.Request) bool {
		http.Error(w, "too many\nrequests", http.StatusTooManyRequests)
		return true
	}
	waits = nil
	if _, err := collect(t, New(o), "eastus"); err == nil || len(waits) != maxAttempts-1 ||
		!strings.Contains(err.Error(), "azure prices of eastus: virtual machines: page 1: the server answers 429 Too Many Requests: too many requests") {
		t.Error(err, waits)
	}
}

func TestFaultsThatStay(t *testing.T) {
	for _, c := range []struct{ name, body, want string }{
		{"no object", `[]`, "stands where"},
		{"no items", `{"Count":0}`, "no Items"},
		{"items is no list", `{"Items":{}}`, "Items"},
		{"a row is no row", `{"Items":["x"]}`, "row 1 of the page"},
		{"a price is no figure", `{"Items":[{"currencyCode":"USD","retailPrice":"cheap"}]}`, "row 1 of the page"},
		{"a link to another host", `{"Items":[],"NextPageLink":"https://example.invalid/api"}`, "another host, https://example.invalid"},
		{"a link that is none", `{"Items":[],"NextPageLink":"http://%zz"}`, "NextPageLink"},
		{"a link that is a number", `{"Items":[],"NextPageLink":7}`, "NextPageLink"},
		{"a link to itself", `{"Items":[],"NextPageLink":"?$filter=again"}`, "do not end"},
	} {
		f := newFake(t)
		f.before = func(_ int, w http.ResponseWriter, _ *http.Request) bool { fmt.Fprint(w, c.body); return true }
		if _, err := collect(t, New(f.options()), "eastus"); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
		if c.name != "a link to itself" && len(f.requests) != 1 {
			t.Errorf("%s: asked %d times", c.name, len(f.requests))
		}
	}
	f := newFake(t)
	f.before = func(_ int, w http.ResponseWriter, _ *http.Request) bool {
		http.Error(w, `{"Error":{"Code":"BadRequest"}}`, http.StatusBadRequest)
		return true
	}
	if _, err := collect(t, New(f.options()), "eastus"); err == nil || !strings.Contains(err.Error(), `400 Bad Request: {"Error":{"Code":"BadRequest"}}`) || len(f.requests) != 1 {
		t.Error(err)
	}
}

func TestPageCutInTheMiddle(t *testing.T) {
	rows := sample()
	f := newFake(t, rows...)
	whole, err := collect(t, New(f.options()), "eastus")
	if err != nil {
		t.Fatal(err)
	}
	// Cut once: the page is read again, and rows are counted once.
	cuts := 0
	f.page = func(skip int, body []byte) []byte {
		if skip == 3 && cuts < 1 {
			cuts++
			return nil
		}
		return body
	}
	var rowsRead int
	o := f.options()
	o.Progress = func(p Progress) {
		if p.List == "virtual machines" {
			rowsRead = p.Rows
		}
	}
	again, err := collect(t, New(o), "eastus")
	if err != nil || cuts != 1 {
		t.Fatal(err, cuts)
	}
	same(t, lines(again), lines(whole))
	if rowsRead != 11 {
		t.Errorf("%d rows", rowsRead)
	}
	// Cut for good: what came before stays, then the error.
	f.page = func(skip int, body []byte) []byte {
		if skip == 3 {
			return nil
		}
		return body
	}
	before, err := collect(t, New(f.options()), "eastus")
	if err == nil || !strings.Contains(err.Error(), "page 2: the page breaks off") {
		t.Fatal(err)
	}
	got := lines(before)
	if len(got) < 5 || !slices.Contains(got, "Standard_D2s_v3 linux on_demand 0.096 USD") || slices.Contains(got, "Standard_D2s_v3 linux reserved 3 years 0.036834094368 USD upfront 968 USD") {
		t.Error(got)
	}
}

// A size that is gone from the list keeps its last price in a book, never zero.
func TestSizeGoneFromTheList(t *testing.T) {
	f := newFake(t, vm("Standard_D2s_v3", ds, 0.096), vm("Standard_D4s_v3", ds, 0.192))
	book, err := pricing.NewBook(pricing.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := New(f.options())
	var gone int
	for day := range 2 {
		items, err := collect(t, s, "eastus")
		if err != nil {
			t.Fatal(err)
		}
		added, err := book.Add(pricing.Reading{List: "azure retail prices", Provider: s.Name(), Region: "eastus", At: today.AddDate(0, 0, day), Complete: true}, items)
		if err != nil || len(added.Refused) > 0 {
			t.Fatal(err, added.Refused)
		}
		gone = added.Gone
		f.rows = f.rows[:1]
	}
	found, err := book.Lookup(pricing.OfferQuery{Provider: "azure", Region: "eastus", InstanceType: "Standard_D4s_v3", OS: "linux"})
	if err != nil || gone != 1 || !found.Gone || found.List.PerHour.String() != "0.192 USD" {
		t.Errorf("%v gone %d: %+v", err, gone, found)
	}
	if _, err := book.Lookup(pricing.OfferQuery{Provider: "azure", Region: "eastus", InstanceType: "Standard_D4s_v3", OS: "windows"}); !errors.Is(err, pricing.ErrNoPrice) {
		t.Error("windows is priced as linux:", err)
	}
}

// A region of which there is nothing must not pass as one whose prices are gone.
func TestUnknownRegion(t *testing.T) {
	f := newFake(t, sample()...)
	items, err := collect(t, New(f.options()), "marsnorth")
	if err == nil || len(items) > 0 || !strings.Contains(err.Error(), "azure prices of marsnorth: virtual machines: the list is empty: Azure prices no region of this name") {
		t.Error(err, lines(items))
	}
}

func TestRegions(t *testing.T) {
	f := newFake(t,
		vm("Standard_D2s_v3", ds, 0.1, m{"armRegionName": "westeurope"}), vm("Standard_D2s_v3", ds, 0.1),
		vm("Standard_D2s_v3", ds, 0.1, m{"armRegionName": ""}), vm("Standard_D2s_v3", ds+" Windows", 0.1),
		vm("Standard_D2s_v5", ds, 0.1, m{"armRegionName": "newregion1"}), vm("Standard_E2s_v5", ds, 0.1, m{"armRegionName": "elsewhere"}))
	got, err := New(f.options()).Regions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, []string{"eastus", "newregion1", "westeurope"})
	f.Close()
	if _, err := New(f.options()).Regions(t.Context()); err == nil || !strings.Contains(err.Error(), "azure regions") {
		t.Error(err)
	}
}

func TestOptionsThatCannotBe(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(empty, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		o      Options
		region string
		want   string
	}{
		{Options{Endpoint: "prices"}, "eastus", "no http(s) address"},
		{Options{Currency: "EURO"}, "eastus", "EUR"},
		{Options{CAFile: filepath.Join(t.TempDir(), "none.pem")}, "eastus", "read CA file"},
		{Options{CAFile: empty}, "eastus", "holds no certificate"},
		{Options{}, "us-east-1", `region "us-east-1"`},
		{Options{}, "eastus' or 1 eq 1", "lower-case"},
	} {
		_, err := collect(t, New(c.o), c.region)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v", err)
		}
		if c.region == "eastus" {
			if _, err := New(c.o).Regions(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("regions: %v", err)
			}
		}
	}
}

func TestCAFileAndProxy(t *testing.T) {
	f := newFake(t, vm("Standard_D2s_v3", ds, 0.096))
	secure := httptest.NewTLSServer(f.Config.Handler)
	defer secure.Close()
	o := f.options()
	o.Endpoint = secure.URL
	calls := 0
	o.Wait = func(context.Context, time.Duration) error { calls++; return nil }
	if _, err := collect(t, New(o), "eastus"); err == nil || !strings.Contains(err.Error(), "certificate") || calls != 0 {
		t.Error("an unknown certificate:", err, calls)
	}
	o.CAFile = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(o.CAFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	items, err := collect(t, New(o), "eastus")
	if err != nil || len(items) != 1 {
		t.Error(items, err)
	}
	c, err := newClient("")
	if err != nil || c.Transport.(*http.Transport).Proxy == nil {
		t.Error("the proxy variables are not honoured:", err)
	}
	away := httptest.NewServer(http.RedirectHandler(f.URL, http.StatusFound))
	defer away.Close()
	o = f.options()
	o.Endpoint = away.URL
	if _, err := collect(t, New(o), "eastus"); err == nil || !strings.Contains(err.Error(), "redirected to another host") {
		t.Error(err)
	}
}

func TestCancel(t *testing.T) {
	f := newFake(t, sample()...)
	ctx, cancel := context.WithCancel(t.Context())
	f.before = func(n int, w http.ResponseWriter, _ *http.Request) bool {
		if n == 2 {
			cancel()
		}
		return false
	}
	var last error
	for _, err := range New(f.options()).Items(ctx, "eastus") {
		last = err
	}
	if !errors.Is(last, context.Canceled) {
		t.Error(last)
	}
	// While waiting, too.
	ctx, cancel = context.WithCancel(t.Context())
	f.before = func(n int, w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Retry-After", "100")
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	}
	o := f.options()
	o.Wait = nil
	o.Progress = func(p Progress) {
		if p.Waiting != 100*time.Second || p.Cause == nil {
			t.Errorf("progress %+v", p)
		}
		cancel()
	}
	for _, err := range New(o).Items(ctx, "eastus") {
		last = err
	}
	if !errors.Is(last, context.Canceled) {
		t.Error(last)
	}
}

func TestStopEarly(t *testing.T) {
	f := newFake(t, append(sample(), meter("Virtual Network", "IP Addresses", addressMeter, "1 Hour", 0.005))...)
	n := 0
	for range New(f.options()).Items(t.Context(), "eastus") {
		n++
		break
	}
	if n != 1 || slices.ContainsFunc(f.requests, func(s string) bool { return strings.Contains(s, "Storage") }) {
		t.Error(n, f.requests)
	}
}

// The names of the embedded lists and those of this source are the same.
func TestName(t *testing.T) {
	if s := New(Options{}); s.Name() != pricing.Azure || s.err != nil {
		t.Error(s.Name(), s.err)
	}
	if s := New(Options{}); s.o.Currency != money.USD || s.endpoint.String() != DefaultEndpoint {
		t.Error(s.o)
	}
}
