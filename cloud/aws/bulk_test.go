package aws

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/leanfleet/leanfleet/pricing"
)

const july = "2026-07-01T00:00:00Z"

// theRows are rows of every kind that a region file has.
func theRows() []row {
	m5 := instance("M5LINUX", "m5.large", "Linux", "RunInstances", "0.0960000000")
	m5.reserved = strings.Join([]string{
		reserve("M5LINUX", "A", "2026-04-01T00:00:00Z", "1yr", "standard", "No Upfront", "", "0.0605000000"),
		reserve("M5LINUX", "B", "2026-04-01T00:00:00Z", "1yr", "standard", "All Upfront", "494", "0.0000000000"),
		reserve("M5LINUX", "C", "2026-04-01T00:00:00Z", "3yr", "convertible", "Partial Upfront", "657", "0.0250000000"),
		reserve("M5LINUX", "C0", "2024-04-01T00:00:00Z", "3yr", "convertible", "Partial Upfront", "700", "0.0300000000"),
		reserve("M5LINUX", "D", "2026-04-01T00:00:00Z", "1yr", "standard", "Heavy Utilization", "100", "0.01"),
		reserve("M5LINUX", "E", "2026-04-01T00:00:00Z", "5yr", "standard", "No Upfront", "", "0.01"),
		reserve("M5LINUX", "F", "2027-04-01T00:00:00Z", "3yr", "standard", "No Upfront", "", "0.01"),
		reserve("M5LINUX", "G", "2026-04-01T00:00:00Z", "1yr", "convertible", "Partial Upfront", "", "0.03"),
	}, ", ")
	disk := row{sku: "GP3", family: "Storage", attributes: []string{"locationType", "AWS Region", "storageMedia", "SSD-backed", "volumeType", "General Purpose",
		"usagetype", "EBS:VolumeUsage.gp3", "regionCode", "us-east-1", "volumeApiName", "gp3"}}.priced("GB-Mo", "0.0800000000")
	eip := row{sku: "EIP", family: "IP Address", attributes: []string{"locationType", "AWS Region", "usagetype", "ElasticIP:IdleAddress", "regionCode", "us-east-1"}}
	eip.demand = strings.Replace(demand("EIP", july, "Hrs", `"USD" : "0.0070000000"`), `"priceDimensions" : {`, `"priceDimensions" : { "EIP.JRTCKXETXF.0" : { "beginRange" : "0", "endRange" : "1", "unit" : "Hrs", "pricePerUnit" : { "USD" : "0.0000000000" } },`, 1)
	return []row{
		m5,
		m5.with("M5DED", "tenancy", "Dedicated").priced("Hrs", "0.1020000000"),
		m5.with("M5HOST", "tenancy", "Host").priced("Hrs", "0.0000000000"),
		m5.with("M5UNUSED", "capacitystatus", "UnusedCapacityReservation"),
		m5.with("M5ALLOC", "capacitystatus", "AllocatedCapacityReservation").priced("Hrs", "0"),
		m5.with("M5SQL", "preInstalledSw", "SQL Ent").priced("Hrs", "1.5"),
		m5.with("M5UBUNTU", "operatingSystem", "Ubuntu Pro"),
		m5.with("M5BLOCK", "marketoption", "CapacityBlock").priced("Hrs", "0.05"),
		m5.with("M5LAX", "regionCode", "us-west-2-lax-1", "locationType", "AWS Local Zone").priced("Hrs", "0.12"),
		m5.with("M5OUT", "locationType", "AWS Outposts").priced("Hrs", "0.12"),
		m5.with("M5ODD", "operation", "RunInstances:SV001").priced("Hrs", "0.2"),
		m5.with("M5NAME", "instanceType", "m5 large\n"),
		instance("M5WIN", "m5.large", "Windows", "RunInstances:0002", "0.1880000000"),
		instance("M5BYOL", "m5.large", "Windows", "RunInstances:0800", "0.0960000000").with("M5BYOL", "licenseModel", "Bring your own license"),
		instance("M5RHEL", "m5.large", "RHEL", "RunInstances:0010", "0.1248000000"),
		instance("M5SUSE", "m5.large", "SUSE", "RunInstances:000g", "0.1523000000"),
		instance("M5ZERO", "m5.xlarge", "Linux", "RunInstances", "0.0000000000"),
		instance("METALD", "m5.metal", "Linux", "RunInstances", "4.6080000000").with("METALD", "tenancy", "Dedicated"),
		instance("C6METAL", "c6i.metal", "Linux", "RunInstances", "5.4400000000"),
		instance("C6METALD", "c6i.metal", "Linux", "RunInstances", "5.9900000000").with("C6METALD", "tenancy", "Dedicated"),
		instance("ODDUNIT", "m5.2xlarge", "Linux", "RunInstances", "1").priced("Quantity", "1"),
		disk,
		disk.with("IOPS", "usagetype", "EBS:VolumeP-IOPS.gp3"),
		disk.with("ST1", "volumeApiName", "st1", "usagetype", "EBS:VolumeUsage.st1").priced("GB-Mo", "0.0450000000"),
		{sku: "SNAP", family: "Storage Snapshot", attributes: []string{"usagetype", "EBS:SnapshotUsage"}},
		eip,
		{sku: "CARRIER", family: "IP Address", attributes: []string{"usagetype", "CarrierIP:IdleAddress", "regionCode", "us-east-1"}},
	}
}

func theAddresses() string {
	idle := row{sku: "IDLE", attributes: []string{"servicecode", "AmazonVPC", "locationType", "AWS Region", "group", "VPCPublicIPv4Address", "usagetype", "USE1-PublicIPv4:IdleAddress", "regionCode", "us-east-1"}}.priced("Hrs", "0.0050000000")
	return offerFile("AmazonVPC", idle, idle.with("INUSE", "usagetype", "USE1-PublicIPv4:InUseAddress"),
		idle.with("BLOCK", "usagetype", "USE1-PublicIPv4:ContiguousBlockAddress").priced("Hrs", "0.008"),
		row{sku: "NAT", family: "NAT Gateway", attributes: []string{"usagetype", "NatGateway-Hours"}})
}

func theSavings() string {
	return savingsFile(planTerm("SPCOMPUTE", "1", planRate("M5LINUX", "0.0690")+", "+planRate("M5WIN", "0.1610")+", "+planRate("M5DED", "0.0734")+", "+planRate("FARGATE", "0.01")),
		planTerm("SPEC2", "3", planRate("M5LINUX", "0.0410")+", "+planRate("GP3", "0.1")+", "+strings.Replace(planRate("M5LINUX", "0.01"), `"Hrs"`, `"Seconds"`, 1)+", "+strings.Replace(planRate("M5LINUX", "0.01"), "USD", "XTS", 1)),
		planTerm("SPOTHER", "3", planRate("M5LINUX", "0.01")), planTerm("SPEC2", "2", planRate("M5LINUX", "0.01")))
}

var theLines = []string{
	"m5.large linux on_demand 0.096 USD 2026-07-01 aws price list bulk",
	"m5.large windows on_demand 0.188 USD 2026-07-01 aws price list bulk",
	"m5.large rhel on_demand 0.1248 USD 2026-07-01 aws price list bulk",
	"m5.large suse on_demand 0.1523 USD 2026-07-01 aws price list bulk",
	"m5.metal linux on_demand 4.608 USD 2026-07-01 aws price list bulk",
	"c6i.metal linux on_demand 5.44 USD 2026-07-01 aws price list bulk",
	"disk gp3 0.08 USD 2026-07-01 aws price list bulk",
	"disk st1 0.045 USD 2026-07-01 aws price list bulk",
}

func TestBulk(t *testing.T) {
	b := newBulkServer(t, offerFile("AmazonEC2", theRows()...), theAddresses(), theSavings())
	var heard []Progress
	r := read(t, Options{BaseURL: b.URL + "/", Progress: func(p Progress) { heard = append(heard, p) }}, "us-east-1")
	if r.err != nil {
		t.Fatal(r.err)
	}
	r.want(t, append(slices.Clone(theLines[:8]),
		"m5.large linux reserved 1 year no_upfront standard 0.0605 USD (0 + 0.0605 USD) 2026-04-01 aws price list bulk",
		"m5.large linux reserved 1 year all_upfront standard 0.056392694064 USD (494 USD + 0 USD) 2026-04-01 aws price list bulk",
		"m5.large linux reserved 3 years partial_upfront convertible 0.05 USD (657 USD + 0.025 USD) 2026-04-01 aws price list bulk",
		"address idle=true 0.005 USD 2026-07-01 aws price list bulk",
		"address idle=false 0.005 USD 2026-07-01 aws price list bulk",
		"m5.large linux savings_plan 1 year no_upfront compute 0.069 USD 2026-06-15 aws savings plan list",
		"m5.large windows savings_plan 1 year no_upfront compute 0.161 USD 2026-06-15 aws savings plan list",
		"m5.large linux savings_plan 3 years all_upfront ec2_instance 0.041 USD 2026-06-15 aws savings plan list",
	)...)
	wantSkipped := map[string]int{
		SkippedTenancy: 2, SkippedCapacity: 2, SkippedSoftware: 1, SkippedSystem: 1, SkippedMarket: 1, SkippedPlace: 2, SkippedName: 1,
		SkippedLicence: 1, SkippedZero: 1, SkippedUnit: 3, SkippedTerm: 3, SkippedSuperseded: 1, SkippedVariant: 3, SkippedUnknownPlan: 2, SkippedCurrency: 1,
	}
	if !maps.Equal(r.report.Skipped, wantSkipped) {
		t.Errorf("skipped %v, want %v", r.report.Skipped, wantSkipped)
	}
	want := Report{Region: "us-east-1", Lists: []string{ListBulk, ListSavingsPlans}, Skipped: wantSkipped,
		Yielded: map[string]int{"offers": 12, "storage": 2, "addresses": 2, "specifications": 5}}
	if !reflect.DeepEqual(r.report, want) {
		t.Errorf("report %+v, want %+v", r.report, want)
	}
	for _, it := range r.items {
		if o := it.Offer; o != nil && (!o.ObservedAt.Equal(now) || o.Basis != pricing.Observed || o.Provider != "aws" || o.Region != "us-east-1") {
			t.Errorf("offer %+v", o)
		}
	}
	last := heard[len(heard)-1]
	if last.List != ListSavingsPlans || last.Bytes != int64(len(b.files[planFile])) || last.Total != last.Bytes || last.URL != b.URL+planFile || last.Region != "us-east-1" {
		t.Errorf("progress %+v", last)
	}
}

func TestBulkIntoBook(t *testing.T) {
	b := newBulkServer(t, offerFile("AmazonEC2", theRows()...), theAddresses(), theSavings())
	r := read(t, Options{BaseURL: b.URL}, "us-east-1")
	book, err := pricing.NewBook(pricing.Options{})
	if err != nil {
		t.Fatal(err)
	}
	reading := pricing.Reading{List: ListBulk, Provider: "aws", Region: "us-east-1", At: now, Complete: true}
	added, err := book.Add(reading, r.items)
	if err != nil || len(added.Refused) > 0 || len(added.Flagged) > 0 || added.New == 0 {
		t.Fatalf("%+v, %v", added, err)
	}
	// The next day the Windows row is gone: its last price stays.
	rows := slices.DeleteFunc(theRows(), func(r row) bool { return r.sku == "M5WIN" })
	b.files[ec2File] = offerFile("AmazonEC2", rows...)
	later := now.Add(24 * time.Hour)
	r = read(t, Options{BaseURL: b.URL, Now: func() time.Time { return later }}, "us-east-1")
	reading.At = later
	added, err = book.Add(reading, r.items)
	if err != nil || added.Gone == 0 || added.Changed != 0 {
		t.Fatalf("%+v, %v", added, err)
	}
	f, err := book.Lookup(pricing.OfferQuery{Provider: "aws", Region: "us-east-1", InstanceType: "m5.large", OS: "windows", Purchase: pricing.OnDemand, At: later, AsOf: later})
	if err != nil || f.List.PerHour.String() != "0.188 USD" {
		t.Errorf("the price of a row that is gone: %v, %v", f, err)
	}
}

// Where the list has a type for Linux only, or with a licence for some, the rest
// has no price and the reason says what is known: never that of Linux.
func TestNoLicenceIsNoPrice(t *testing.T) {
	linux := instance("M5LINUX", "m5.large", "Linux", "RunInstances", "0.0960000000")
	for name, rows := range map[string][]row{
		"Linux only":              {linux},
		"licences brought along":  {linux, instance("M5BYOL", "m5.large", "Windows", "RunInstances:0800", "0.0960000000").with("M5BYOL", "licenseModel", "Bring your own license")},
		"installed software":      {linux, instance("M5SQL", "m5.large", "Windows", "RunInstances:0102", "0.4").with("M5SQL", "preInstalledSw", "SQL Web")},
		"a licence for nothing":   {linux, instance("M5SUSE", "m5.large", "SUSE", "RunInstances:000g", "0.0000000000")},
		"high availability":       {linux, instance("M5HA", "m5.large", "Red Hat Enterprise Linux with HA", "RunInstances:1010", "0.15")},
		"licences on hosts alone": {linux, instance("M5HOST", "m5.large", "Windows", "RunInstances:0002", "0.19").with("M5HOST", "tenancy", "Dedicated")},
	} {
		b := newBulkServer(t, offerFile("AmazonEC2", rows...), theAddresses(), savingsFile())
		r := read(t, Options{BaseURL: b.URL}, "us-east-1")
		book, err := pricing.NewBook(pricing.Options{})
		if err != nil || r.err != nil {
			t.Fatal(name, err, r.err)
		}
		if added, err := book.Add(pricing.Reading{List: ListBulk, Provider: "aws", Region: "us-east-1", At: now, Complete: true}, r.items); err != nil || len(added.Refused) > 0 {
			t.Fatal(name, err, added.Refused)
		}
		for _, os := range []string{pricing.Windows, pricing.RHEL, pricing.SUSE, pricing.RHELForSAP} {
			_, err := book.Lookup(pricing.OfferQuery{Provider: "aws", Region: "us-east-1", InstanceType: "m5.large", OS: os})
			if !errors.Is(err, pricing.ErrNoPrice) || !strings.Contains(err.Error(), "no list has it for "+os) || !strings.Contains(err.Error(), "known are linux") {
				t.Errorf("%s, %s: %v", name, os, err)
			}
		}
	}
}

func TestOldAddresses(t *testing.T) {
	b := newBulkServer(t, offerFile("AmazonEC2", theRows()[len(theRows())-2]), theAddresses(), theSavings())
	b.files["/offers/v1.0/aws/index.json"] = strings.Replace(index, "AmazonVPC", "AmazonXPC", 1)
	r := read(t, Options{BaseURL: b.URL}, "us-east-1")
	r.want(t, "address idle=true 0.007 USD 2026-07-01 aws price list bulk")
	if r.err != nil || len(r.report.Notices) != 1 {
		t.Errorf("%v, notices %q", r.err, r.report.Notices)
	}
	b.files["/offers/v1.0/aws/index.json"] = strings.Replace(index, "currentSavingsPlanIndexUrl", "x", 1)
	b.files["/offers/v1.0/aws/AmazonVPC/current/region_index.json"] = `{"regions":{}}`
	if r = read(t, Options{BaseURL: b.URL}, "us-east-1"); r.err != nil || len(r.lines) != 1 || len(r.report.Notices) != 2 || !slices.Equal(r.report.Lists, []string{ListBulk}) {
		t.Errorf("%v, %q, %+v", r.err, r.lines, r.report)
	}
}

// TestChina reads a list in yuan, and prices in several currencies.
func TestChina(t *testing.T) {
	two := instance("TWO", "m5.xlarge", "Linux", "RunInstances", "1")
	two.demand = demand("TWO", july, "Hrs", `"CNY" : "1.4", "USD" : "0.192", "EUR" : "0.18"`)
	unknown := instance("UNKNOWN", "m5.2xlarge", "Linux", "RunInstances", "1")
	unknown.demand = demand("UNKNOWN", july, "Hrs", `"XTS" : "1.4"`)
	file := strings.NewReplacer(`"USD" : "0.66`, `"CNY" : "0.66`, "us-east-1", "cn-north-1").Replace(
		offerFile("AmazonEC2", instance("M5", "m5.large", "Linux", "RunInstances", "0.6600000000"), two, unknown))
	b := newBulkServer(t, file, "", "")
	for path, body := range b.files {
		b.files[strings.Replace(path, "/aws/", "/cn/", 1)] = strings.NewReplacer("/aws/", "/cn/", "us-east-1", "cn-north-1", "AmazonVPC", "x", "SavingsPlanIndex", "x").Replace(body)
	}
	b.files["/offers/v1.0/cn/AmazonEC2/20260701000000/cn-north-1/index.json"] = file
	r := read(t, Options{BaseURL: b.URL}, "cn-north-1")
	if r.err != nil {
		t.Fatal(r.err)
	}
	r.want(t, "m5.large linux on_demand 0.66 CNY 2026-07-01 aws price list bulk", "m5.xlarge linux on_demand 0.192 USD 2026-07-01 aws price list bulk")
	if r.report.Skipped[SkippedCurrency] != 1 {
		t.Errorf("skipped %v", r.report.Skipped)
	}
	if f := New(Options{Now: time.Now}).files("cn-north-1"); f.base != "https://pricing.cn-north-1.amazonaws.com.cn" {
		t.Errorf("base %s", f.base)
	}
}

func TestRetries(t *testing.T) {
	b := newBulkServer(t, offerFile("AmazonEC2", theRows()...), theAddresses(), theSavings())
	whole := read(t, Options{BaseURL: b.URL}, "us-east-1")
	b.asked = make(map[string]int)
	file := b.files[ec2File]
	b.before = func(w http.ResponseWriter, r *http.Request, n int) bool {
		switch {
		case r.URL.Path == "/offers/v1.0/aws/index.json" && n == 1:
			w.Header().Set("Retry-After", "7")
			http.Error(w, "slow down", http.StatusTooManyRequests)
		case r.URL.Path == vpcFile && n <= 2:
			http.Error(w, "", http.StatusServiceUnavailable)
		case r.URL.Path == ec2File && n == 1:
			cut(w, file, 2000) // in the products
		case r.URL.Path == ec2File && n == 2:
			cut(w, file, 1000) // before the place of the first cut
		case r.URL.Path == ec2File && n == 3:
			cut(w, file, len(file)-500) // in the terms
		default:
			return false
		}
		return true
	}
	r := read(t, Options{BaseURL: b.URL}, "us-east-1")
	if r.err != nil || !slices.Equal(r.lines, whole.lines) || !reflect.DeepEqual(r.report, whole.report) {
		t.Errorf("%v: %d items, want %d; %+v", r.err, len(r.lines), len(whole.lines), r.report)
	}
	if len(r.pauses) != 6 || r.pauses[0] != 7*time.Second || b.asked[ec2File] != 4 {
		t.Errorf("pauses %v, %d requests for the file", r.pauses, b.asked[ec2File])
	}
	for i, most := range []time.Duration{1, 2, 4} {
		if p := r.pauses[1+i]; p < most*time.Second/2 || p > most*time.Second {
			t.Errorf("pause %d is %v", i, p)
		}
	}
}

// TestCut has a file that never arrives whole: what came before stays.
func TestCut(t *testing.T) {
	b := newBulkServer(t, offerFile("AmazonEC2", theRows()...), theAddresses(), theSavings())
	file := b.files[ec2File]
	at := strings.Index(file, `"Reserved" :`)
	b.before = func(w http.ResponseWriter, r *http.Request, n int) bool {
		if r.URL.Path != ec2File {
			return false
		}
		cut(w, file, at)
		return true
	}
	r := read(t, Options{BaseURL: b.URL}, "us-east-1")
	r.want(t, theLines[:8]...)
	if r.err == nil || !errors.Is(r.err, io.ErrUnexpectedEOF) || !strings.Contains(r.err.Error(), b.URL+ec2File+": 5 tries") || len(r.report.Lists) > 0 {
		t.Errorf("%v, lists %v", r.err, r.report.Lists)
	}

	// A whole answer that holds a part of the file is not asked for again.
	b.before, b.asked = nil, make(map[string]int)
	b.files[ec2File] = file[:at]
	r = read(t, Options{BaseURL: b.URL}, "us-east-1")
	r.want(t, theLines[:8]...)
	if r.err == nil || !errors.Is(r.err, io.ErrUnexpectedEOF) || !strings.Contains(r.err.Error(), "ends early") || !strings.Contains(r.err.Error(), ec2File) || b.asked[ec2File] != 1 {
		t.Errorf("%v", r.err)
	}

	// The file is another one after the cut.
	b.files[ec2File] = strings.Replace(file, "0.0960000000", "0.0970000000", 1)
	b.asked = make(map[string]int)
	b.before = func(w http.ResponseWriter, r *http.Request, n int) bool {
		if r.URL.Path == ec2File && n == 1 {
			cut(w, file, at)
			return true
		}
		return false
	}
	if r = read(t, Options{BaseURL: b.URL}, "us-east-1"); r.err == nil || !strings.Contains(r.err.Error(), "changed while it was read") {
		t.Errorf("%v", r.err)
	}

	// A cut in the savings plans leaves the price list complete.
	plans := b.files[planFile]
	b.files[ec2File] = file
	b.before = func(w http.ResponseWriter, r *http.Request, n int) bool {
		if r.URL.Path == planFile {
			cut(w, plans, len(plans)-200)
			return true
		}
		return false
	}
	if r = read(t, Options{BaseURL: b.URL}, "us-east-1"); r.err == nil || !slices.Equal(r.report.Lists, []string{ListBulk}) {
		t.Errorf("%v, lists %v", r.err, r.report.Lists)
	}
}

func TestStall(t *testing.T) {
	b := newBulkServer(t, offerFile("AmazonEC2", theRows()...), theAddresses(), theSavings())
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	b.before = func(w http.ResponseWriter, r *http.Request, n int) bool {
		if r.URL.Path != ec2File {
			return false
		}
		io.WriteString(w, b.files[ec2File][:3000])
		w.(http.Flusher).Flush()
		select {
		case <-release:
		case <-r.Context().Done():
		}
		return true
	}
	var r reading
	s := testSource(Options{BaseURL: b.URL}, &r)
	s.stall = 20 * time.Millisecond
	for _, err := range s.Items(context.Background(), "us-east-1") {
		r.err = err
	}
	if !errors.Is(r.err, ErrStalled) {
		t.Errorf("%v", r.err)
	}
}

func TestRefusals(t *testing.T) {
	good := offerFile("AmazonEC2", theRows()...)
	for _, c := range []struct{ name, path, body, region, want string }{
		{"no region", "", "", "mars-1", `the price list of AmazonEC2 has no region "mars-1"`},
		{"no file", ec2File, "", "us-east-1", "index.json: the server answered 404"},
		{"no index", "/offers/v1.0/aws/index.json", "{}", "us-east-1", "names no region index of AmazonEC2"},
		{"no JSON", "/offers/v1.0/aws/index.json", "<html>", "us-east-1", "index.json: invalid character"},
		{"another place", "/offers/v1.0/aws/AmazonEC2/current/region_index.json", `{"regions":{"us-east-1":{"currentVersionUrl":"ftp%"}}}`, "us-east-1", "which is no URL"},
		{"terms first", ec2File, `{"terms":{},"products":{}}`, "us-east-1", "the terms stand before the products"},
		{"products twice", ec2File, `{"products":{},"terms":{},"products":{}}`, "us-east-1", "the products stand behind the terms"},
		{"no list", ec2File, `{"error":"sorry"}`, "us-east-1", "it is no price list"},
		{"more behind", ec2File, good + "}", "us-east-1", "after the end of the document"},
		{"a price of words", ec2File, strings.Replace(good, "0.0960000000", "cheap", 1), "us-east-1", `"cheap" is not a decimal number`},
		{"a list for an object", ec2File, `{"products":[],"terms":{}}`, "us-east-1", "byte 12: malformed JSON"},
		{"too many terms", ec2File, offerFile("AmazonEC2", func() row {
			r := theRows()[0]
			r.demand = strings.Repeat(r.demand+",", maxTerms) + r.demand
			return r
		}()), "us-east-1", "more than 1000 terms"},
		{"plans without terms", planFile, `{"products":[]}`, "us-east-1", "it is no list of savings plans"},
		{"plans behind", planFile, `{"terms":{},"products":[]}`, "us-east-1", "the terms stand before the products"},
		{"a rate of words", planFile, strings.Replace(theSavings(), "0.0690", "cheap", 1), "us-east-1", `"cheap" is not a decimal number`},
	} {
		b := newBulkServer(t, good, theAddresses(), theSavings())
		if c.path != "" {
			b.files[c.path] = c.body
		}
		r := read(t, Options{BaseURL: b.URL}, c.region)
		if r.err == nil || !strings.Contains(r.err.Error(), c.want) || !strings.HasPrefix(r.err.Error(), "read prices of aws "+c.region+": ") {
			t.Errorf("%s: %v, want %s", c.name, r.err, c.want)
		}
		if len(r.pauses) > 0 {
			t.Errorf("%s: tried again", c.name)
		}
	}
}

func TestStopAndCancel(t *testing.T) {
	b := newBulkServer(t, offerFile("AmazonEC2", theRows()...), theAddresses(), theSavings())
	all := len(read(t, Options{BaseURL: b.URL}, "us-east-1").items)
	for stop := range all {
		var r reading
		n := 0
		for _, err := range testSource(Options{BaseURL: b.URL}, &r).Items(context.Background(), "us-east-1") {
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
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var r reading
	var last error
	for it, err := range testSource(Options{BaseURL: b.URL}, &r).Items(ctx, "us-east-1") {
		if last = err; err == nil && it.Offer != nil {
			cancel()
		}
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("%v", last)
	}
}

func TestRegions(t *testing.T) {
	b := newBulkServer(t, "", "", "")
	got, err := New(Options{Now: time.Now, BaseURL: b.URL}).Regions(context.Background())
	if err != nil || !slices.Equal(got, []string{"eu-west-1", "us-east-1"}) {
		t.Errorf("%v, %v", got, err)
	}
	b.files["/offers/v1.0/aws/AmazonEC2/current/region_index.json"] = ""
	if _, err := New(Options{Now: time.Now, BaseURL: b.URL}).Regions(context.Background()); err == nil || !strings.Contains(err.Error(), "read the regions of aws: read http") {
		t.Errorf("%v", err)
	}
	defer func() {
		if recover() == nil {
			t.Error("a source without a clock")
		}
	}()
	New(Options{})
}

// decoded decodes a file of offers and one of savings plans for their items.
func decoded(offers, plans io.Reader) (reading, error, error) {
	var r reading
	l := newList(New(Options{Now: func() time.Time { return now }}), "us-east-1", func(it pricing.Item, _ error) bool { r.add(it); return true })
	l.source = ListBulk
	err := l.decodeOffers(offers)
	planErr := l.decodeSavings(plans)
	r.report = l.report
	return r, err, planErr
}

// squeeze returns a document without its blanks.
func squeeze(doc string) string {
	var b bytes.Buffer
	if err := json.Compact(&b, []byte(doc)); err != nil {
		panic(err)
	}
	return b.String()
}

func FuzzBulk(f *testing.F) {
	// Short seeds: long ones make the fuzzer shorten more than it tries.
	brief := theRows()[0]
	brief.reserved = reserve("M5LINUX", "B", july, "1yr", "standard", "All Upfront", "494", "0.0")
	f.Add([]byte(squeeze(offerFile("AmazonEC2", brief))), []byte(squeeze(savingsFile(planTerm("SPCOMPUTE", "1", planRate("M5LINUX", "0.0690"))))))
	f.Add([]byte(squeeze(offerFile("", theRows()[21]))), []byte(savingsFile()))
	f.Add([]byte(`{"products":{},"terms":{"OnDemand":{"X":{}}}}`), []byte(`{"products":[],"terms":{"savingsPlan":[{}]}}`))
	f.Fuzz(func(t *testing.T, offers, plans []byte) {
		r, err, planErr := decoded(strings.NewReader(string(offers)), strings.NewReader(string(plans)))
		s, slowErr, slowPlanErr := decoded(iotest.OneByteReader(strings.NewReader(string(offers))), iotest.HalfReader(strings.NewReader(string(plans))))
		if !reflect.DeepEqual(r.lines, s.lines) || !reflect.DeepEqual(r.specs, s.specs) || (err == nil) != (slowErr == nil) || (planErr == nil) != (slowPlanErr == nil) {
			t.Fatalf("read whole %v %v %v, in parts %v %v %v", r.lines, err, planErr, s.lines, slowErr, slowPlanErr)
		}
		for _, it := range r.items {
			if o := it.Offer; o != nil && (o.PerHour.Sign() <= 0 || !plain(o.InstanceType) || !o.PerHour.Currency().Valid()) {
				t.Fatalf("offer %+v", o)
			}
		}
	})
}
