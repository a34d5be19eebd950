package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/chargeback"
	"github.com/leanfleet/leanfleet/internal/report"
)

// command runs the command line in this process with a data directory, an
// environment and a clock of its own.
type command struct {
	t   *testing.T
	dir string
	env map[string]string
	now time.Time
}

func newCommand(t *testing.T) *command {
	return &command{t: t, dir: t.TempDir(), env: map[string]string{}, now: time.Date(2026, 8, 2, 12, 0, 0, 0, time.UTC)}
}

func (c *command) clock() func() time.Time { return func() time.Time { return c.now } }

func (c *command) lookup() func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := c.env[name]; return v, ok }
}

func (c *command) run(args ...string) (stdout, stderr string, code int) {
	c.t.Helper()
	var out, errs bytes.Buffer
	a := &app{in: strings.NewReader(""), out: &out, err: &errs, style: report.Style{Unicode: true}, now: c.clock(), env: c.lookup()}
	code = a.run(context.Background(), append(args, "--data", c.dir))
	return out.String(), errs.String(), code
}

// ok runs a command that has to succeed.
func (c *command) ok(args ...string) string {
	c.t.Helper()
	out, errs, code := c.run(args...)
	if code != 0 {
		c.t.Fatalf("%s: exit %d\n%s%s", strings.Join(args, " "), code, out, errs)
	}
	return out
}

// json runs a command and decodes its JSON.
func (c *command) json(into any, args ...string) {
	c.t.Helper()
	if err := json.Unmarshal([]byte(c.ok(append(args, "-o", "json")...)), into); err != nil {
		c.t.Fatal(err)
	}
}

// awsFake speaks the wire of AWS's public price list files for one region.
type awsFake struct {
	*httptest.Server
	mu     sync.Mutex
	prices map[string]string // of instance types on Linux
	status int               // of the file of EC2, 0 for 200
	hang   func()            // called in the middle of the file of EC2, which then never ends
}

func newAWSFake(t *testing.T) *awsFake {
	f := &awsFake{prices: map[string]string{}}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

const awsIndex = `{ "formatVersion" : "v1.0", "offers" : {
  "AmazonEC2" : { "offerCode" : "AmazonEC2", "currentRegionIndexUrl" : "/offers/v1.0/aws/AmazonEC2/current/region_index.json",
    "currentSavingsPlanIndexUrl" : "/savingsPlan/v1.0/aws/AWSComputeSavingsPlan/current/region_index.json" },
  "AmazonVPC" : { "offerCode" : "AmazonVPC", "currentRegionIndexUrl" : "/offers/v1.0/aws/AmazonVPC/current/region_index.json" } } }`

func (f *awsFake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	region := func(path string) string {
		return `{ "formatVersion" : "v1.0", "regions" : { "us-east-1" : { "regionCode" : "us-east-1", "currentVersionUrl" : "` + path + `" } } }`
	}
	switch r.URL.Path {
	case "/offers/v1.0/aws/index.json":
		fmt.Fprint(w, awsIndex)
	case "/offers/v1.0/aws/AmazonEC2/current/region_index.json":
		fmt.Fprint(w, region("/ec2.json"))
	case "/offers/v1.0/aws/AmazonVPC/current/region_index.json":
		fmt.Fprint(w, region("/vpc.json"))
	case "/savingsPlan/v1.0/aws/AWSComputeSavingsPlan/current/region_index.json":
		fmt.Fprint(w, `{ "regions" : [ { "regionCode" : "us-east-1", "versionUrl" : "/plans.json" } ] }`)
	case "/plans.json":
		fmt.Fprint(w, `{ "version" : "1", "publicationDate" : "2026-07-01T00:00:00Z", "regionCode" : "us-east-1", "products" : [ ], "terms" : { "savingsPlan" : [ ] } }`)
	case "/vpc.json":
		fmt.Fprint(w, awsFile("AmazonVPC", awsProduct{"IPIDLE", "", "USE1-PublicIPv4:IdleAddress", "", `"group" : "VPCPublicIPv4Address"`, "0.0050000000", ""}))
	case "/ec2.json":
		switch {
		case f.status != 0:
			http.Error(w, "<Error><Code>AccessDenied</Code></Error>", f.status)
		case f.hang != nil:
			file := f.ec2()
			fmt.Fprint(w, file[:len(file)/2])
			_ = http.NewResponseController(w).Flush()
			f.hang()
			<-r.Context().Done()
		default:
			fmt.Fprint(w, f.ec2())
		}
	default:
		http.NotFound(w, r)
	}
}

// awsProduct is a product with its price on demand; reserved is that of one
// year without upfront, if it has one.
type awsProduct struct{ sku, family, usage, typ, more, price, reserved string }

func (f *awsFake) ec2() string {
	var products []awsProduct
	for typ, price := range f.prices {
		sku := strings.ToUpper(strings.NewReplacer(".", "", "-", "").Replace(typ))
		linux := awsProduct{sku, "Compute Instance", "BoxUsage:" + typ, typ, `"operatingSystem" : "Linux", "operation" : "RunInstances"`, price, "0.0600000000"}
		windows := linux
		windows.sku, windows.price, windows.reserved = sku+"WIN", "9.9900000000", ""
		windows.more = `"operatingSystem" : "Windows", "operation" : "RunInstances:0002"`
		dedicated := linux
		dedicated.sku, dedicated.price, dedicated.reserved = sku+"DED", "0.1000000000", ""
		dedicated.more += `, "tenancy" : "Dedicated"`
		products = append(products, linux, windows, dedicated)
	}
	products = append(products, awsProduct{"GP3", "Storage", "EBS:VolumeUsage.gp3", "", `"volumeApiName" : "gp3", "volumeType" : "General Purpose"`, "0.0800000000", ""})
	return awsFile("AmazonEC2", products...)
}

func awsFile(code string, list ...awsProduct) string {
	var products, demands, reserves []string
	for _, p := range list {
		attributes := []string{`"servicecode" : "` + code + `"`, `"locationType" : "AWS Region"`, `"regionCode" : "us-east-1"`, `"usagetype" : "` + p.usage + `"`}
		unit := "GB-Mo"
		if p.typ != "" {
			unit = "Hrs"
			attributes = append(attributes, `"instanceType" : "`+p.typ+`"`, `"currentGeneration" : "Yes"`, `"instanceFamily" : "General purpose"`, `"vcpu" : "2"`,
				`"memory" : "8 GiB"`, `"storage" : "EBS only"`, `"networkPerformance" : "Up to 10 Gigabit"`, `"physicalProcessor" : "Intel Xeon"`,
				`"licenseModel" : "No License required"`, `"capacitystatus" : "Used"`, `"preInstalledSw" : "NA"`, `"marketoption" : "OnDemand"`)
			if !strings.Contains(p.more, "tenancy") {
				attributes = append(attributes, `"tenancy" : "Shared"`)
			}
		}
		if strings.Contains(p.usage, "PublicIPv4") {
			unit = "Hrs"
		}
		if p.more != "" {
			attributes = append(attributes, p.more)
		}
		family := ""
		if p.family != "" {
			family = `"productFamily" : "` + p.family + `", `
		}
		products = append(products, fmt.Sprintf(`"%s" : { "sku" : "%s", %s"attributes" : { %s } }`, p.sku, p.sku, family, strings.Join(attributes, ", ")))
		term := func(code, price, attributes string) string {
			return fmt.Sprintf(`"%[1]s" : { "%[1]s.%[2]s" : { "offerTermCode" : "%[2]s", "sku" : "%[1]s", "effectiveDate" : "2026-07-01T00:00:00Z",
        "priceDimensions" : { "%[1]s.%[2]s.6YS6EN2CT7" : { "rateCode" : "%[1]s.%[2]s.6YS6EN2CT7", "beginRange" : "0", "endRange" : "Inf", "unit" : "%[3]s",
          "pricePerUnit" : { "USD" : "%[4]s" }, "appliesTo" : [ ] } }, "termAttributes" : { %[5]s } } }`, p.sku, code, unit, price, attributes)
		}
		demands = append(demands, term("JRTCKXETXF", p.price, ""))
		if p.reserved != "" {
			reserves = append(reserves, term("4NA7Y494T4", p.reserved, `"LeaseContractLength" : "1yr", "OfferingClass" : "standard", "PurchaseOption" : "No Upfront"`))
		}
	}
	return fmt.Sprintf(`{ "formatVersion" : "v1.0", "offerCode" : %q, "version" : "20260701000000", "publicationDate" : "2026-07-01T00:00:00Z",
  "products" : { %s },
  "terms" : { "OnDemand" : { %s }, "Reserved" : { %s } } }`, code, strings.Join(products, ",\n"), strings.Join(demands, ",\n"), strings.Join(reserves, ",\n"))
}

// TestPricesEndToEnd goes from a price API that speaks the real wire shape
// through prices update to prices show and a line of a chargeback.
func TestPricesEndToEnd(t *testing.T) {
	c, fake := newCommand(t), newAWSFake(t)
	c.env["LEANFLEET_PRICES_AWS_URL"] = fake.URL + "/"
	fake.prices["m5.large"], fake.prices["m5.xlarge"] = "0.0900000000", "0.1800000000"
	inventory := filepath.Join(t.TempDir(), "hosts.csv")
	if err := os.WriteFile(inventory, []byte("host,provider,region,instance_type,os,state,valid_from,tag_dept\nweb-1,aws,us-east-1,m5.large,linux,running,2026-07-01T00:00:00Z,eng\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	c.ok("import", "inventory", inventory, "--effective", "2026-07-01")

	// The regions are those with hosts.
	out, errs, code := c.run("prices", "update", "-o", "json")
	var updated leanfleet.PricesUpdateResult
	if err := json.Unmarshal([]byte(out), &updated); err != nil || code != 0 {
		t.Fatalf("%v, exit %d\n%s%s", err, code, out, errs)
	}
	u := updated.Updated[0]
	// Two types on Linux and Windows, and one reserved price of each; a disk and
	// an address; two specifications.
	if len(updated.Updated) != 1 || !u.Complete || u.Region != "us-east-1" || u.Items != 10 || u.New != 10 || len(u.Refused) != 0 {
		t.Errorf("%+v", u)
	}
	if !strings.Contains(errs, "aws us-east-1 (1 of 1): 10 read, 10 new, 0 changed") {
		t.Errorf("progress:\n%s", errs)
	}

	var shown leanfleet.PriceResult
	c.json(&shown, "prices", "show", "--provider", "aws", "--region", "us-east-1", "--type", "m5.large")
	want := []string{"linux on_demand 0.09 66.96", "linux reserved 0.06 44.64", "windows on_demand 9.99 7432.56"}
	for i, o := range shown.Offers {
		got := fmt.Sprintf("%s %s %s %s", o.OS, o.Purchase, o.PerHour.Literal(), o.PerMonth.In("USD").Literal())
		if i >= len(want) || got != want[i] || o.Layer != "live" || o.Source != "aws price list bulk" || o.AsOf.Format(time.DateOnly) != "2026-08-02" {
			t.Errorf("offer %d is %s of %s, %s", i, got, o.Layer, o.Source)
		}
	}

	// July has 744 hours: 744 x 0.09 = 66.96. The list holds since July.
	charge := func() string {
		t.Helper()
		var r chargeback.Result
		c.json(&r, "chargeback", "--period", "2026-07", "--group-by", "dept")
		if len(r.Groups) != 1 {
			t.Fatalf("%+v", r.Groups)
		}
		return r.Groups[0].Cost.Literal()
	}
	if got := charge(); got != "66.96" {
		t.Errorf("web-1 costs %s in July", got)
	}

	// A price rises, a type is gone.
	c.now = c.now.AddDate(0, 0, 1)
	delete(fake.prices, "m5.xlarge")
	fake.prices["m5.large"] = "0.0990000000"
	out = c.ok("prices", "update", "--region", "us-east-1")
	for _, want := range []string{
		"m5.large linux on_demand from 0.09 USD to 0.099 USD an hour (+10.0 %)",
		"m5.xlarge linux on_demand is gone from its list, last seen 2026-08-02; it keeps its price of 0.18 USD an hour",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	// What the provider says later about the same time counts: it holds since July.
	if got := charge(); got != "73.66" {
		t.Errorf("web-1 costs %s in July by the newer list", got)
	}

	// A region that fails keeps its last good prices, and the command says so.
	c.now = c.now.AddDate(0, 0, 1)
	fake.status = http.StatusForbidden
	out, errs, code = c.run("prices", "update", "--region", "us-east-1")
	if code != exitFailed || !strings.Contains(errs, "403") || !strings.Contains(errs, "The last good prices stay") || !strings.Contains(out, "failed") || !strings.Contains(out, "how old the rest is") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	if got := charge(); got != "73.66" {
		t.Errorf("web-1 costs %s after a failed update", got)
	}

	// And they go to a site without network.
	file := filepath.Join(t.TempDir(), "export")
	c.ok("prices", "export", file)
	other := newCommand(t)
	other.env["LEANFLEET_PRICES_AWS_URL"] = "http://127.0.0.1:1"
	if out := other.ok("prices", "import", file, "-o", "csv"); !strings.Contains(out, "replaced,1,") {
		t.Errorf("import:\n%s", out)
	}
	if out := other.ok("prices", "show", "--region", "us-east-1", "--type", "m5.large", "--os", "linux", "-o", "csv", "--columns", "purchase,price_per_hour,last_seen"); out !=
		"purchase,price_per_hour,last_seen\non_demand,0.099,2026-08-03T12:00:00Z\nreserved,0.06,2026-08-03T12:00:00Z\n" {
		t.Errorf("imported:\n%s", out)
	}
}

// TestUpdateOtherClouds: the lists of Azure and GCP are read through their
// addresses of the configuration; without anything GCP says what to set.
func TestUpdateOtherClouds(t *testing.T) {
	azure := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		items := "[]"
		if strings.Contains(r.URL.Query().Get("$filter"), "Virtual Machines") {
			items = `[{"currencyCode":"USD","tierMinimumUnits":0.0,"retailPrice":0.09,"unitPrice":0.09,"armRegionName":"eastus","location":"US East",
"effectiveStartDate":"2020-08-01T00:00:00Z","meterName":"D2s v5","productName":"Virtual Machines Dsv5 Series","skuName":"D2s v5","serviceName":"Virtual Machines",
"unitOfMeasure":"1 Hour","type":"Consumption","isPrimaryMeterRegion":true,"armSkuName":"Standard_D2s_v5"}]`
		}
		fmt.Fprintf(w, `{"BillingCurrency":"USD","Items":%s,"NextPageLink":null,"Count":1}`, items)
	}))
	defer azure.Close()
	gcp := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Goog-Api-Key") != "a-key" {
			http.Error(w, `{"error":{"code":403,"message":"The request is missing a valid API key."}}`, http.StatusForbidden)
			return
		}
		sku := func(part, unit string, nanos int) string {
			return fmt.Sprintf(`{"description":"N2 Instance %s running in Americas","category":{"usageType":"OnDemand"},"serviceRegions":["us-central1"],
"pricingInfo":[{"effectiveTime":"2026-07-30T00:00:00Z","pricingExpression":{"usageUnit":%q,"tieredRates":[{"startUsageAmount":0,"unitPrice":{"currencyCode":"USD","units":"0","nanos":%d}}]}}]}`, part, unit, nanos)
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"skus":[%s,%s]}`, sku("Core", "h", 30000000), sku("Ram", "GiBy.h", 4000000))
	}))
	defer gcp.Close()
	c := newCommand(t)
	c.env["LEANFLEET_PRICES_AZURE_URL"], c.env["LEANFLEET_PRICES_GCP_URL"] = azure.URL, gcp.URL
	c.env["LEANFLEET_GCP_API_KEY"] = "a-key"
	out := c.ok("prices", "update", "--region", "eastus,us-central1", "-o", "csv", "--columns", "provider,region,outcome,refused")
	if out != "provider,region,outcome,refused\nazure,eastus,complete,0\ngcp,us-central1,complete,0\n" {
		t.Errorf("%s", out)
	}
	for _, x := range []struct{ region, typ, want string }{
		{"eastus", "Standard_D2s_v5", "0.09,live\n"},
		// 2 x 0.03 + 8 x 0.004
		{"us-central1", "n2-standard-2", "0.092,live\n"},
	} {
		out := c.ok("prices", "show", "--region", x.region, "--type", x.typ, "-o", "csv", "--columns", "price_per_hour,layer", "--limit", "1")
		if out != "price_per_hour,layer\n"+x.want {
			t.Errorf("%s: %s", x.typ, out)
		}
	}
	c.env["LEANFLEET_GCP_API_KEY"] = "another-secret"
	_, errs, code := c.run("prices", "update", "--region", "us-central1")
	if code != exitFailed || !strings.Contains(errs, "API key") || strings.Contains(errs, "another-secret") {
		t.Errorf("a wrong key: exit %d\n%s", code, errs)
	}
	// Without a key and without credentials it says what to set.
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "")
	t.Setenv("HOME", t.TempDir())
	delete(c.env, "LEANFLEET_GCP_API_KEY")
	_, errs, code = c.run("prices", "update", "--region", "us-central1")
	if code != exitFailed || !strings.Contains(errs, "needs an API key in "+gcpKeyVariable) {
		t.Errorf("no credentials: exit %d\n%s", code, errs)
	}
	// A CA file that is none is named.
	c.env["LEANFLEET_PRICES_CA_FILE"] = filepath.Join(t.TempDir(), "none.pem")
	if _, errs, code = c.run("prices", "update", "--region", "eastus"); code != exitFailed || !strings.Contains(errs, "none.pem") {
		t.Errorf("no CA file: exit %d\n%s", code, errs)
	}
}

// TestOldPricesWarn: past the configured age there is a warning on standard
// error and in the answer, and --quiet leaves out the one on standard error.
func TestOldPricesWarn(t *testing.T) {
	c := newCommand(t)
	c.now = time.Date(2026, 10, 19, 0, 0, 0, 0, time.UTC) // 91 days after the list
	show := []string{"prices", "show", "--region", "us-east-1", "--type", "m5.large"}
	const want = "warning: prices of aws us-east-1 are up to 91 days old (the embedded catalogue, 2026-07-20); \"leanfleet prices update --provider aws --region us-east-1\" reads new ones\n"
	if _, errs, code := c.run(show...); code != 0 || errs != want {
		t.Errorf("exit %d, %q", code, errs)
	}
	if _, errs, _ := c.run(append(show, "--quiet")...); errs != "" {
		t.Errorf("quiet: %q", errs)
	}
	var r leanfleet.PriceResult
	c.json(&r, show...)
	if len(r.Warnings) != 1 || !r.Offers[0].Stale {
		t.Errorf("%+v", r)
	}
	c.env["LEANFLEET_PRICES_WARN_AGE"] = "92d"
	if _, errs, _ := c.run(show...); errs != "" {
		t.Errorf("with a greater age: %q", errs)
	}
}

// TestPricesOnATerminal: a search shows twenty rows there and all elsewhere.
func TestPricesOnATerminal(t *testing.T) {
	c := newCommand(t)
	search := []string{"prices", "search", "--near", "us-east-1", "--vcpu", "4"}
	if n := strings.Count(c.ok(append(search, "-o", "jsonl")...), "\n"); n < 100 {
		t.Errorf("%d types", n)
	}
	var r leanfleet.PriceSearchResult
	c.json(&r, append(search, "--limit", "3")...)
	if len(r.Types) != 3 {
		t.Errorf("--limit 3 gives %d types", len(r.Types))
	}
	var e leanfleet.EquivalentsResult
	c.json(&e, "prices", "equivalents", "m5.xlarge", "--to", "azure,gcp", "--limit", "2")
	if len(e.Matches) != 4 {
		t.Errorf("--limit 2 gives %d matches of two providers", len(e.Matches))
	}
}
