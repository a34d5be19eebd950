package aws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/pricing"
)

const (
	testKey    = "AKIATESTTESTTESTTEST"
	testSecret = "secret/secret+secret=secret"
	testToken  = "session//token+token=="
)

// credentials lets the SDK's default chain find those of a test and no others.
func credentials(t *testing.T) {
	for k, v := range map[string]string{
		"AWS_ACCESS_KEY_ID": testKey, "AWS_SECRET_ACCESS_KEY": testSecret, "AWS_SESSION_TOKEN": testToken, "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent", "AWS_PROFILE": "", "AWS_CA_BUNDLE": "", "AWS_ENDPOINT_URL": "",
	} {
		t.Setenv(k, v)
	}
}

// priceService speaks the JSON 1.1 of the Price List Query API.
type priceService struct {
	*httptest.Server
	t    *testing.T
	rows map[string][]row // by service code
	page int
	// before answers the n-th request instead where it returns true.
	before  func(w http.ResponseWriter, token string, n int) bool
	asked   int
	filters []string
}

func (p *priceService) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.asked++
	var in struct {
		ServiceCode, FormatVersion, NextToken string
		MaxResults                            int
		Filters                               []struct{ Type, Field, Value string }
	}
	err := json.NewDecoder(r.Body).Decode(&in)
	auth := r.Header.Get("Authorization")
	if err != nil || r.Header.Get("X-Amz-Target") != "AWSPriceListService.GetProducts" || in.FormatVersion != "aws_v1" || in.MaxResults != 100 ||
		!strings.Contains(auth, "/us-east-1/pricing/aws4_request") || r.Header.Get("X-Amz-Security-Token") != testToken {
		p.t.Errorf("request %+v, %v, %v", in, r.Header, err)
	}
	if p.before != nil && p.before(w, in.NextToken, p.asked) {
		return
	}
	var docs []string
	var said []string
	for _, f := range in.Filters {
		if f.Type != "TERM_MATCH" {
			p.t.Errorf("filter %+v", f)
		}
		said = append(said, f.Field+"="+f.Value)
	}
	if in.NextToken == "" {
		p.filters = append(p.filters, in.ServiceCode+" "+strings.Join(said, " "))
	}
	for _, row := range p.rows[in.ServiceCode] {
		fits := true
		for _, f := range in.Filters {
			i := slices.Index(row.attributes, f.Field)
			if f.Field == "productFamily" {
				fits = fits && row.family == f.Value
			} else {
				fits = fits && i >= 0 && row.attributes[i+1] == f.Value
			}
		}
		if fits {
			docs = append(docs, row.document())
		}
	}
	from, _ := strconv.Atoi(in.NextToken)
	out := map[string]any{"FormatVersion": "aws_v1", "PriceList": docs[from:min(from+p.page, len(docs))]}
	if from+p.page < len(docs) {
		out["NextToken"] = strconv.Itoa(from + p.page)
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	json.NewEncoder(w).Encode(out)
}

// fault answers with an error of the service.
func fault(w http.ResponseWriter, status int, code, text string) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"__type": code, "message": text})
}

// ec2Service speaks the query protocol of EC2.
type ec2Service struct {
	*httptest.Server
	t      *testing.T
	types  []string // XML items
	spots  []string
	before func(w http.ResponseWriter, action string, n int) bool
	asked  int
}

func (e *ec2Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.asked++
	action := r.PostFormValue("Action")
	if !strings.Contains(r.Header.Get("Authorization"), "/us-east-1/ec2/aws4_request") {
		e.t.Errorf("headers %v", r.Header)
	}
	if e.before != nil && e.before(w, action, e.asked) {
		return
	}
	items, set := e.types, "instanceTypeSet"
	if action == "DescribeSpotPriceHistory" {
		items, set = e.spots, "spotPriceHistorySet"
		if r.PostFormValue("StartTime") != "2026-08-01T12:00:00Z" || r.PostFormValue("EndTime") != "2026-08-01T12:00:00Z" || r.PostFormValue("ProductDescription.4") != "SUSE Linux" {
			e.t.Errorf("form %v", r.PostForm)
		}
	} else if action != "DescribeInstanceTypes" {
		e.t.Errorf("form %v", r.PostForm)
	}
	from, _ := strconv.Atoi(r.PostFormValue("NextToken"))
	next := ""
	if from+1 < len(items) {
		next = "<nextToken>" + strconv.Itoa(from+1) + "</nextToken>"
	}
	w.Header().Set("Content-Type", "text/xml")
	fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><%[1]sResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>r</requestId><%[2]s>%[3]s</%[2]s>%[4]s</%[1]sResponse>`,
		action, set, items[from], next)
}

func ec2Fault(w http.ResponseWriter, status int, code, text string) {
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, `<?xml version="1.0"?><Response><Errors><Error><Code>%s</Code><Message>%s</Message></Error></Errors><RequestID>r</RequestID></Response>`, code, text)
}

const theType = `<item><instanceType>m5.large</instanceType><currentGeneration>true</currentGeneration><bareMetal>false</bareMetal><hypervisor>nitro</hypervisor>
 <processorInfo><supportedArchitectures><item>x86_64</item></supportedArchitectures></processorInfo>
 <vCpuInfo><defaultVCpus>2</defaultVCpus></vCpuInfo><memoryInfo><sizeInMiB>8192</sizeInMiB></memoryInfo>
 <instanceStorageSupported>false</instanceStorageSupported><ebsInfo><nvmeSupport>required</nvmeSupport></ebsInfo>
 <networkInfo><networkCards><item><networkCardIndex>0</networkCardIndex><baselineBandwidthInGbps>0.75</baselineBandwidthInGbps><peakBandwidthInGbps>10.0</peakBandwidthInGbps></item></networkCards></networkInfo>
 <burstablePerformanceSupported>false</burstablePerformanceSupported></item>`

const theMetal = `<item><instanceType>m5.metal</instanceType><bareMetal>true</bareMetal></item>`

func spotItem(typ, product, zone, price, from string) string {
	return fmt.Sprintf(`<item><instanceType>%s</instanceType><productDescription>%s</productDescription><spotPrice>%s</spotPrice><timestamp>%s</timestamp><availabilityZone>%s</availabilityZone></item>`, typ, product, price, from, zone)
}

// services are the three servers of a query.
type services struct {
	prices *priceService
	ec2    *ec2Service
	bulk   *bulkServer
}

func newServices(t *testing.T) services {
	credentials(t)
	rows := theRows()
	vpc := row{sku: "IDLE", attributes: []string{"locationType", "AWS Region", "group", "VPCPublicIPv4Address", "usagetype", "PublicIPv4:IdleAddress", "regionCode", "us-east-1"}}.priced("Hrs", "0.0050000000")
	s := services{
		prices: &priceService{t: t, page: 2, rows: map[string][]row{"AmazonEC2": rows, "AmazonVPC": {vpc, vpc.with("INUSE", "usagetype", "PublicIPv4:InUseAddress")}}},
		ec2: &ec2Service{t: t, types: []string{theType, theMetal}, spots: []string{
			spotItem("m5.large", "Linux/UNIX", "us-east-1a", "0.0350000000", "2026-08-01T09:00:00.000Z"),
			spotItem("m5.large", "Windows", "us-east-1a", "0.1200000000", "2026-08-01T08:00:00.000Z") + spotItem("m5.large", "Linux/UNIX", "us-east-1b", "0.0410000000", "2026-08-01T10:00:00.000Z"),
			spotItem("m5.large", "Linux/UNIX", "us-east-1b", "0.0390000000", "2026-08-01T11:00:00.000Z") + spotItem("m5.large", "Linux/UNIX", "us-east-1a", "0.5", "2026-07-31T11:00:00.000Z") +
				spotItem("m5.large", "Other", "us-east-1a", "0.5", "2026-08-01T11:00:00.000Z") + spotItem("m5.xlarge", "SUSE Linux", "us-east-1a", "0.0000000000", "2026-08-01T11:00:00.000Z"),
		}},
		bulk: newBulkServer(t, "", "", theSavings()),
	}
	s.prices.Server, s.ec2.Server = httptest.NewServer(s.prices), httptest.NewServer(s.ec2)
	t.Cleanup(s.prices.Close)
	t.Cleanup(s.ec2.Close)
	return s
}

func (s services) options() Options {
	return Options{Query: true, BaseURL: s.bulk.URL, PricingURL: s.prices.URL, EC2URL: s.ec2.URL}
}

var theQueried = []string{
	"m5.large linux on_demand 0.096 USD 2026-07-01 aws price list query",
	"m5.large linux reserved 1 year no_upfront standard 0.0605 USD (0 + 0.0605 USD) 2026-04-01 aws price list query",
	"m5.large linux reserved 1 year all_upfront standard 0.056392694064 USD (494 USD + 0 USD) 2026-04-01 aws price list query",
	"m5.large linux reserved 3 years partial_upfront convertible 0.05 USD (657 USD + 0.025 USD) 2026-04-01 aws price list query",
	"c6i.metal linux on_demand 5.44 USD 2026-07-01 aws price list query",
	"m5.large windows on_demand 0.188 USD 2026-07-01 aws price list query",
	"m5.large rhel on_demand 0.1248 USD 2026-07-01 aws price list query",
	"m5.large suse on_demand 0.1523 USD 2026-07-01 aws price list query",
	"disk gp3 0.08 USD 2026-07-01 aws price list query",
	"disk st1 0.045 USD 2026-07-01 aws price list query",
	"address idle=true 0.005 USD 2026-07-01 aws price list query",
	"address idle=false 0.005 USD 2026-07-01 aws price list query",
	"m5.metal linux on_demand 4.608 USD 2026-07-01 aws price list query",
	"m5.large linux spot 0.039 USD 2026-08-01 aws spot price history",
	"m5.large windows spot 0.12 USD 2026-08-01 aws spot price history",
	"m5.large linux savings_plan 1 year no_upfront compute 0.069 USD 2026-06-15 aws savings plan list",
	"m5.large windows savings_plan 1 year no_upfront compute 0.161 USD 2026-06-15 aws savings plan list",
	"m5.large linux savings_plan 3 years all_upfront ec2_instance 0.041 USD 2026-06-15 aws savings plan list",
}

func TestQuery(t *testing.T) {
	s := newServices(t)
	o := s.options()
	var heard Progress
	o.Progress = func(p Progress) {
		if p.List == ListQuery {
			heard = p
		}
	}
	r := read(t, o, "us-east-1")
	if r.err != nil {
		t.Fatal(r.err)
	}
	r.want(t, theQueried...)
	if !slices.Equal(r.report.Lists, []string{ListQuery, ListSpot, ListSavingsPlans}) || len(r.report.Notices) > 0 || r.report.Skipped[SkippedZero] != 2 || r.report.Skipped[SkippedVariant] != 2 {
		t.Errorf("%+v", r.report)
	}
	wantFilters := []string{
		"AmazonEC2 tenancy=Shared preInstalledSw=NA capacitystatus=Used marketoption=OnDemand licenseModel=No License required operatingSystem=Linux regionCode=us-east-1",
		"AmazonEC2 tenancy=Shared preInstalledSw=NA capacitystatus=Used marketoption=OnDemand licenseModel=No License required operatingSystem=Windows regionCode=us-east-1",
		"AmazonEC2 tenancy=Shared preInstalledSw=NA capacitystatus=Used marketoption=OnDemand licenseModel=No License required operatingSystem=RHEL regionCode=us-east-1",
		"AmazonEC2 tenancy=Shared preInstalledSw=NA capacitystatus=Used marketoption=OnDemand licenseModel=No License required operatingSystem=SUSE regionCode=us-east-1",
		"AmazonEC2 tenancy=Dedicated preInstalledSw=NA capacitystatus=Used marketoption=OnDemand licenseModel=No License required productFamily=Compute Instance (bare metal) regionCode=us-east-1",
		"AmazonEC2 productFamily=Storage regionCode=us-east-1",
		"AmazonVPC group=VPCPublicIPv4Address regionCode=us-east-1",
	}
	if !slices.Equal(s.prices.filters, wantFilters) {
		t.Errorf("queries\n%s", strings.Join(s.prices.filters, "\n"))
	}
	if heard.Bytes == 0 || heard.Region != "us-east-1" {
		t.Errorf("progress %+v", heard)
	}
	m5, metal := r.specs[0], r.specs[1]
	for name, ok := range map[string]bool{
		"m5":         m5.InstanceType == "m5.large" && m5.VCPUs == told(2) && m5.MemoryBytes == told[int64](8<<30) && m5.Family == told("m5"),
		"hypervisor": m5.Hypervisor == told(pricing.HypervisorNitro) && m5.DiskInterface == told(pricing.DiskNVMe) && m5.CPUKind == told(pricing.CPUDedicated),
		"network":    m5.NetworkGbps == told(0.75) && m5.NetworkKind == pricing.NetworkBaseline && m5.LocalDisk == told(pricing.LocalDisk{}) && m5.GPUs == told(0.0),
		"metal":      metal.Hypervisor == told(pricing.HypervisorMetal) && !metal.VCPUs.Known && !metal.CPUKind.Known && !metal.LocalDisk.Known && !metal.Arch.Known,
		"no status":  !m5.Status.Known,
	} {
		if !ok {
			t.Errorf("%s: %+v %+v", name, m5, metal)
		}
	}
}

// TestQueryTrouble has throttling, expired tokens, and a page cut in the middle
// that comes whole the next time: nothing is lost and nothing comes twice.
func TestQueryTrouble(t *testing.T) {
	s := newServices(t)
	expired := 0
	s.prices.before = func(w http.ResponseWriter, token string, n int) bool {
		switch {
		case n <= 2:
			fault(w, http.StatusBadRequest, "ThrottlingException", "Rate exceeded")
		case token == "2" && expired < 2:
			expired++
			fault(w, http.StatusBadRequest, "ExpiredNextTokenException", "The token expired")
		case n == 8:
			cut(w, `{"FormatVersion":"aws_v1","PriceList":["{}"]}`, 30)
		case n == 9:
			fault(w, http.StatusInternalServerError, "InternalErrorException", "sorry")
		default:
			return false
		}
		return true
	}
	s.ec2.before = func(w http.ResponseWriter, action string, n int) bool {
		if n == 1 {
			ec2Fault(w, http.StatusServiceUnavailable, "RequestLimitExceeded", "Request limit exceeded.")
		}
		return n == 1
	}
	r := read(t, s.options(), "us-east-1")
	if r.err != nil || expired != 2 {
		t.Fatal(r.err, expired)
	}
	r.want(t, theQueried...)
}

func TestQueryFailures(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer func(w http.ResponseWriter, token string, n int) bool
		items  int
		want   string
	}{
		{"throttled for ever", func(w http.ResponseWriter, _ string, _ int) bool {
			fault(w, http.StatusBadRequest, "ThrottlingException", "Rate exceeded")
			return true
		}, 0, "ThrottlingException"},
		{"cut on the second page", func(w http.ResponseWriter, token string, _ int) bool {
			if token != "" {
				cut(w, `{"FormatVersion":"aws_v1","PriceList":["{}"]}`, 30)
			}
			return token != ""
		}, 4, "query the price list of AmazonEC2: operation error Pricing: GetProducts"},
		{"expired for ever", func(w http.ResponseWriter, token string, _ int) bool {
			if token != "" {
				fault(w, http.StatusBadRequest, "ExpiredNextTokenException", "The token expired")
			}
			return token != ""
		}, 4, "ExpiredNextTokenException"},
		{"no product", func(w http.ResponseWriter, _ string, _ int) bool {
			io.WriteString(w, `{"FormatVersion":"aws_v1","PriceList":["{\"product\":{}"]}`)
			return true
		}, 0, "decode a product of the price list: byte 13: the document ends early"},
		{"no terms", func(w http.ResponseWriter, _ string, _ int) bool {
			doc := strings.Replace(theRows()[0].document(), "0.0960000000", "cheap", 1)
			json.NewEncoder(w).Encode(map[string]any{"PriceList": []string{doc}})
			return true
		}, 0, `decode product "M5LINUX": byte`},
		{"the signature is wrong", func(w http.ResponseWriter, _ string, _ int) bool {
			fault(w, http.StatusForbidden, "InvalidSignatureException", "The Canonical String for this request should have been 'POST\nx-amz-security-token:"+testToken+"\nx-amz-security-token=session%2F%2Ftoken%2Btoken%3D%3D' Credential="+testKey+" "+testSecret)
			return true
		}, 0, "x-amz-security-token:[redacted]\nx-amz-security-token=[redacted]' Credential=[redacted] [redacted]"},
	} {
		s := newServices(t)
		s.prices.before = c.answer
		r := read(t, s.options(), "us-east-1")
		if r.err == nil || !strings.Contains(r.err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, r.err, c.want)
		}
		if len(r.lines) != c.items || len(r.report.Lists) > 0 {
			t.Errorf("%s: %d items, lists %v", c.name, len(r.lines), r.report.Lists)
		}
		secretFree(t, r)
	}
}

// secretFree checks that nothing a reading says holds credentials.
func secretFree(t *testing.T, r reading) {
	t.Helper()
	chain := ""
	for err := r.err; err != nil; err = errors.Unwrap(err) {
		chain += fmt.Sprintf("%v %+v %#v\n", err, err, err)
	}
	for _, secret := range []string{testKey, testSecret, testToken} {
		if strings.Contains(chain+fmt.Sprintf("%+v", r.report), secret) {
			t.Errorf("an error holds credentials: %s", chain)
		}
	}
}

// TestDenied has an account that may read prices only.
func TestDenied(t *testing.T) {
	s := newServices(t)
	s.ec2.before = func(w http.ResponseWriter, action string, n int) bool {
		ec2Fault(w, http.StatusForbidden, "UnauthorizedOperation", "You are not authorized to perform this operation. "+testKey)
		return true
	}
	r := read(t, s.options(), "us-east-1")
	if r.err != nil || len(r.report.Notices) != 2 || !slices.Equal(r.report.Lists, []string{ListQuery, ListSavingsPlans}) {
		t.Errorf("%v, %+v", r.err, r.report)
	}
	secretFree(t, r)
	// Any other failure comes behind the prices.
	s.ec2.before = func(w http.ResponseWriter, action string, n int) bool {
		if action == "DescribeInstanceTypes" {
			ec2Fault(w, http.StatusBadRequest, "InvalidParameterValue", "no")
		}
		return action == "DescribeInstanceTypes"
	}
	r = read(t, s.options(), "us-east-1")
	r.want(t, theQueried...)
	if r.err == nil || !strings.Contains(r.err.Error(), "describe the instance types of EC2") || len(r.report.Lists) != 3 {
		t.Errorf("%v, %+v", r.err, r.report)
	}
	s.ec2.before = func(w http.ResponseWriter, action string, n int) bool {
		if action == "DescribeSpotPriceHistory" {
			ec2Fault(w, http.StatusBadRequest, "InvalidParameterValue", "no")
		}
		return action == "DescribeSpotPriceHistory"
	}
	if r = read(t, s.options(), "us-east-1"); r.err == nil || !strings.Contains(r.err.Error(), "read the spot prices") {
		t.Errorf("%v", r.err)
	}
	s.ec2.before, s.ec2.spots = nil, []string{spotItem("m5.large", "Windows", "a", "cheap", "2026-08-01T08:00:00.000Z")}
	if r = read(t, s.options(), "us-east-1"); r.err == nil || !strings.Contains(r.err.Error(), `spot price of "m5.large": price: "cheap"`) {
		t.Errorf("%v", r.err)
	}
}

func TestNoCredentials(t *testing.T) {
	s := newServices(t)
	for _, k := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} {
		t.Setenv(k, "")
	}
	r := read(t, s.options(), "us-east-1")
	if r.err == nil || !strings.Contains(r.err.Error(), "credentials") || s.prices.asked+s.ec2.asked > 0 {
		t.Errorf("%v", r.err)
	}
}

func TestQueryStopAndCancel(t *testing.T) {
	s := newServices(t)
	all := len(read(t, s.options(), "us-east-1").items)
	for stop := range all {
		var r reading
		n := 0
		for _, err := range testSource(s.options(), &r).Items(context.Background(), "us-east-1") {
			if n++; err != nil {
				t.Fatal(err)
			}
			if n > stop {
				break
			}
		}
		if n != stop+1 {
			t.Fatalf("%d items, stopped after %d", n, stop+1)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var r reading
	var last error
	for it, err := range testSource(s.options(), &r).Items(ctx, "us-east-1") {
		if last = err; err == nil && it.Offer != nil {
			cancel()
		}
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("%v", last)
	}
}
