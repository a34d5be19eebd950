package aws

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/pricing"
)

var now = time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)

// row is a product of a test's price list: its SKU, family and attributes in
// turn, with the terms behind it.
type row struct {
	sku, family string
	attributes  []string
	demand      string // terms of the SKU, without braces
	reserved    string
}

// with returns the row with some attributes set otherwise.
func (r row) with(sku string, attributes ...string) row {
	r.attributes = slices.Clone(r.attributes)
	for i := 0; i < len(attributes); i += 2 {
		j := slices.Index(r.attributes, attributes[i])
		if j < 0 {
			r.attributes = append(r.attributes, attributes[i], attributes[i+1])
			continue
		}
		r.attributes[j+1] = attributes[i+1]
	}
	r.demand, r.reserved = strings.ReplaceAll(r.demand, r.sku, sku), strings.ReplaceAll(r.reserved, r.sku, sku)
	r.sku = sku
	return r
}

// priced returns the row with an on-demand price.
func (r row) priced(unit, price string) row {
	r.demand = demand(r.sku, "2026-07-01T00:00:00Z", unit, `"USD" : "`+price+`"`)
	return r
}

func instance(sku, typ, os, op, price string) row {
	r := row{sku: sku, family: "Compute Instance", attributes: []string{
		"servicecode", "AmazonEC2", "location", "US East (N. Virginia)", "locationType", "AWS Region", "instanceType", typ,
		"currentGeneration", "Yes", "instanceFamily", "General purpose", "vcpu", "2", "physicalProcessor", "Intel Xeon Platinum 8175",
		"clockSpeed", "3.1 GHz", "memory", "8 GiB", "storage", "EBS only", "networkPerformance", "Up to 10 Gigabit",
		"processorArchitecture", "64-bit", "tenancy", "Shared", "operatingSystem", os, "licenseModel", "No License required",
		"usagetype", "BoxUsage:" + typ, "operation", op, "capacitystatus", "Used", "marketoption", "OnDemand",
		"preInstalledSw", "NA", "regionCode", "us-east-1",
	}}
	if strings.Contains(typ, "metal") {
		r.family = "Compute Instance (bare metal)"
	}
	return r.priced("Hrs", price)
}

func demand(sku, from, unit, prices string) string {
	return fmt.Sprintf(`"%[1]s.JRTCKXETXF" : {
        "offerTermCode" : "JRTCKXETXF", "sku" : "%[1]s", "effectiveDate" : "%[2]s",
        "priceDimensions" : { "%[1]s.JRTCKXETXF.6YS6EN2CT7" : {
          "rateCode" : "%[1]s.JRTCKXETXF.6YS6EN2CT7", "description" : "$ per hour, \"list\"", "beginRange" : "0", "endRange" : "Inf",
          "unit" : "%[3]s", "pricePerUnit" : { %[4]s }, "appliesTo" : [ ] } },
        "termAttributes" : { } }`, sku, from, unit, prices)
}

// reserve is a reserved term; an empty upfront or hourly price has no row.
func reserve(sku, code, from, length, class, option, upfront, hourly string) string {
	var dims []string
	if upfront != "" {
		dims = append(dims, fmt.Sprintf(`"%s.%s.2TG2D8R56U" : { "description" : "Upfront Fee", "unit" : "Quantity", "pricePerUnit" : { "USD" : "%s" }, "appliesTo" : [ ] }`, sku, code, upfront))
	}
	if hourly != "" {
		dims = append(dims, fmt.Sprintf(`"%s.%s.6YS6EN2CT7" : { "beginRange" : "0", "endRange" : "Inf", "unit" : "Hrs", "pricePerUnit" : { "USD" : "%s" }, "appliesTo" : [ ] }`, sku, code, hourly))
	}
	return fmt.Sprintf(`"%[1]s.%[2]s" : { "offerTermCode" : "%[2]s", "sku" : "%[1]s", "effectiveDate" : "%[3]s",
        "priceDimensions" : { %[7]s },
        "termAttributes" : { "LeaseContractLength" : "%[4]s", "OfferingClass" : "%[5]s", "PurchaseOption" : "%[6]s" } }`,
		sku, code, from, length, class, option, strings.Join(dims, ", "))
}

func (r row) product() string {
	var b strings.Builder
	fmt.Fprintf(&b, `{ "sku" : %q, `, r.sku)
	if r.family != "" {
		fmt.Fprintf(&b, `"productFamily" : %q, `, r.family)
	}
	b.WriteString(`"attributes" : { `)
	for i := 0; i < len(r.attributes); i += 2 {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%q : %q", r.attributes[i], r.attributes[i+1])
	}
	b.WriteString(" } }")
	return b.String()
}

// offerFile is a bulk file of the rows.
func offerFile(code string, rows ...row) string {
	var products, demands, reserves []string
	for _, r := range rows {
		products = append(products, fmt.Sprintf("    %q : %s", r.sku, r.product()))
		if r.demand != "" {
			demands = append(demands, fmt.Sprintf("      %q : { %s }", r.sku, r.demand))
		}
		if r.reserved != "" {
			reserves = append(reserves, fmt.Sprintf("      %q : { %s }", r.sku, r.reserved))
		}
	}
	return fmt.Sprintf(`{
  "formatVersion" : "v1.0",
  "disclaimer" : "This pricing list is for informational purposes only.",
  "offerCode" : %q,
  "version" : "20260701000000",
  "publicationDate" : "2026-07-01T00:00:00Z",
  "products" : {
%s
  },
  "terms" : {
    "OnDemand" : {
%s
    },
    "Reserved" : {
%s
    }
  },
  "attributesList" : { }
}
`, code, strings.Join(products, ",\n"), strings.Join(demands, ",\n"), strings.Join(reserves, ",\n"))
}

// document is what the query API answers for a row.
func (r row) document() string {
	return fmt.Sprintf(`{"product":%s,"serviceCode":"AmazonEC2","terms":{"OnDemand":{%s},"Reserved":{%s}},"version":"20260701000000","publicationDate":"2026-07-01T00:00:00Z"}`, r.product(), r.demand, r.reserved)
}

// rate is one of a savings plan.
func planRate(sku, price string) string {
	return fmt.Sprintf(`{ "discountedSku" : %q, "discountedUsageType" : "BoxUsage:m5.large", "discountedOperation" : "RunInstances", "discountedServiceCode" : "AmazonEC2",
      "rateCode" : "PLAN.%s", "unit" : "Hrs", "discountedRate" : { "price" : %q, "currency" : "USD" }, "discountedRegionCode" : "us-east-1", "discountedInstanceType" : "m5.large" }`, sku, sku, price)
}

func savingsFile(terms ...string) string {
	return `{ "version" : "20260701000000", "publicationDate" : "2026-07-01T00:00:00Z", "regionCode" : "us-east-1",
  "products" : [
    { "sku" : "SPCOMPUTE", "productFamily" : "ComputeSavingsPlans", "serviceCode" : "ComputeSavingsPlans", "usageType" : "ComputeSP:1yrNoUpfront", "operation" : "",
      "attributes" : { "purchaseOption" : "No Upfront", "granularity" : "hourly", "purchaseTerm" : "1yr", "location" : "Any" } },
    { "sku" : "SPEC2", "productFamily" : "EC2InstanceSavingsPlans", "serviceCode" : "ComputeSavingsPlans", "usageType" : "EC2SP:m5.3yrAllUpfront",
      "attributes" : { "purchaseOption" : "All Upfront", "purchaseTerm" : "3yr", "instanceType" : "m5" } },
    { "sku" : "SPOTHER", "productFamily" : "MachineLearningSavingsPlans", "attributes" : { "purchaseOption" : "All Upfront" } } ],
  "terms" : { "savingsPlan" : [ ` + strings.Join(terms, ",\n") + ` ] } }`
}

func planTerm(sku, years, rates string) string {
	return fmt.Sprintf(`{ "sku" : %q, "description" : "a plan", "effectiveDate" : "2026-06-15T08:00:00Z", "leaseContractLength" : { "duration" : %s, "unit" : "year" }, "rates" : [ %s ] }`, sku, years, rates)
}

const index = `{ "formatVersion" : "v1.0", "disclaimer" : "...", "publicationDate" : "2026-07-01T00:00:00Z", "offers" : {
  "AmazonEC2" : { "offerCode" : "AmazonEC2", "versionIndexUrl" : "/offers/v1.0/aws/AmazonEC2/index.json",
    "currentVersionUrl" : "/offers/v1.0/aws/AmazonEC2/current/index.json", "currentRegionIndexUrl" : "/offers/v1.0/aws/AmazonEC2/current/region_index.json",
    "currentSavingsPlanIndexUrl" : "/savingsPlan/v1.0/aws/AWSComputeSavingsPlan/current/region_index.json" },
  "AmazonVPC" : { "offerCode" : "AmazonVPC", "currentRegionIndexUrl" : "/offers/v1.0/aws/AmazonVPC/current/region_index.json" } } }`

const (
	ec2File  = "/offers/v1.0/aws/AmazonEC2/20260701000000/us-east-1/index.json"
	vpcFile  = "/offers/v1.0/aws/AmazonVPC/20260601000000/us-east-1/index.json"
	planFile = "/savingsPlan/v1.0/aws/AWSComputeSavingsPlan/20260615000000/us-east-1/index.json"
)

// bulkServer is a server of public files.
type bulkServer struct {
	*httptest.Server
	mu    sync.Mutex
	files map[string]string
	// before answers a request instead of the file where it returns true. n is
	// the number of requests for the path so far.
	before func(w http.ResponseWriter, r *http.Request, n int) bool
	asked  map[string]int
}

func newBulkServer(t testing.TB, ec2, vpc, plans string) *bulkServer {
	b := &bulkServer{asked: make(map[string]int), files: map[string]string{
		"/offers/v1.0/aws/index.json":                                           index,
		"/offers/v1.0/aws/AmazonEC2/current/region_index.json":                  `{ "formatVersion" : "v1.0", "regions" : { "us-east-1" : { "regionCode" : "us-east-1", "currentVersionUrl" : "` + ec2File + `" }, "eu-west-1" : { "regionCode" : "eu-west-1", "currentVersionUrl" : "/x" } } }`,
		"/offers/v1.0/aws/AmazonVPC/current/region_index.json":                  `{ "formatVersion" : "v1.0", "regions" : { "us-east-1" : { "regionCode" : "us-east-1", "currentVersionUrl" : "` + vpcFile + `" } } }`,
		"/savingsPlan/v1.0/aws/AWSComputeSavingsPlan/current/region_index.json": `{ "disclaimer" : "", "publicationDate" : "2026-06-15T00:00:00Z", "regions" : [ { "regionCode" : "us-east-1", "versionUrl" : "` + planFile + `" } ] }`,
		ec2File: ec2, vpcFile: vpc, planFile: plans,
	}}
	b.Server = httptest.NewServer(b)
	t.Cleanup(b.Close)
	return b
}

func (b *bulkServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	b.asked[r.URL.Path]++
	n, file, before := b.asked[r.URL.Path], b.files[r.URL.Path], b.before
	b.mu.Unlock()
	switch {
	case r.Header.Get("Authorization") != "":
		http.Error(w, "a public file needs no credentials", http.StatusBadRequest)
	case before != nil && before(w, r, n):
	case file == "":
		http.NotFound(w, r)
	default:
		w.Header().Set("Content-Length", strconv.Itoa(len(file)))
		io.WriteString(w, file)
	}
}

// cut answers with a part of a file and then breaks the connection.
func cut(w http.ResponseWriter, file string, bytes int) {
	conn, buf, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	writeHead(buf, len(file))
	buf.WriteString(file[:bytes])
	buf.Flush()
}

func writeHead(w *bufio.ReadWriter, length int) {
	fmt.Fprintf(w, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", length)
}

// reading is what a source yielded for a region.
type reading struct {
	lines  []string // offers, storage and addresses
	specs  []pricing.Specification
	items  []pricing.Item
	err    error
	report Report
	pauses []time.Duration
}

// read reads a region with a source whose pauses are noted, not made.
func read(t testing.TB, o Options, region string) reading {
	t.Helper()
	var r reading
	source := testSource(o, &r)
	for it, err := range source.Items(context.Background(), region) {
		if err != nil {
			if r.err != nil {
				t.Fatal("two errors")
			}
			r.err = err
			continue
		}
		if r.err != nil {
			t.Fatal("an item behind the error")
		}
		r.add(it)
	}
	return r
}

func testSource(o Options, r *reading) *Source {
	if o.Now == nil {
		o.Now = func() time.Time { return now }
	}
	o.Report = func(p Report) { r.report = p }
	source := New(o)
	source.pause = time.Millisecond
	source.sleep = func(ctx context.Context, d time.Duration) error {
		r.pauses = append(r.pauses, d)
		return ctx.Err()
	}
	return source
}

func (r *reading) add(it pricing.Item) {
	r.items = append(r.items, it)
	date := func(t time.Time) string { return t.Format(time.DateOnly) }
	switch {
	case it.Offer != nil:
		o := it.Offer
		line := fmt.Sprintf("%s %s %s", o.InstanceType, o.OS, o.Purchase)
		if o.Term.Years > 0 {
			line += " " + o.Term.String()
		}
		line += " " + o.PerHour.String()
		if !o.Upfront.IsZero() || !o.Recurring.IsZero() {
			line += fmt.Sprintf(" (%v + %v)", o.Upfront, o.Recurring)
		}
		r.lines = append(r.lines, line+" "+date(o.ValidFrom)+" "+o.Source)
	case it.Storage != nil:
		o := it.Storage
		r.lines = append(r.lines, fmt.Sprintf("disk %s %v %s %s", o.DiskType, o.PerGiBMonth, date(o.ValidFrom), o.Source))
	case it.Address != nil:
		o := it.Address
		r.lines = append(r.lines, fmt.Sprintf("address idle=%v %v %s %s", o.Idle, o.PerHour, date(o.ValidFrom), o.Source))
	case it.Spec != nil:
		r.specs = append(r.specs, *it.Spec)
	}
}

func (r *reading) want(t *testing.T, lines ...string) {
	t.Helper()
	for i := range max(len(lines), len(r.lines)) {
		var got, want string
		if i < len(r.lines) {
			got = r.lines[i]
		}
		if i < len(lines) {
			want = lines[i]
		}
		if got != want {
			t.Errorf("item %d is\n%s, want\n%s", i, got, want)
		}
	}
}
