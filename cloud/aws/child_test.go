package aws

import (
	"bufio"
	"bytes"
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/pricing"
)

// childEnv makes the test binary a program that reads a region: a process of
// its own, for its environment and its memory.
const childEnv = "LEANFLEET_TEST_AWS"

func TestMain(m *testing.M) {
	if base, ok := os.LookupEnv(childEnv); ok {
		child(base)
		return
	}
	os.Exit(m.Run())
}

func child(base string) {
	o := Options{Now: func() time.Time { return now }, BaseURL: base, Query: os.Getenv("LEANFLEET_TEST_QUERY") != "", PricingURL: base, EC2URL: base}
	source := New(o)
	source.pause = time.Millisecond
	source.sleep = func(context.Context, time.Duration) error { return nil }
	var items []pricing.Item // a book keeps them too
	offers := 0
	for it, err := range source.Items(context.Background(), "us-east-1") {
		if err != nil {
			fmt.Println("error", err)
			break
		}
		items = append(items, it)
		if it.Offer != nil {
			offers++
		}
	}
	fmt.Println("items", len(items), "offers", offers, "peak", peakMemory())
}

// peakMemory returns the most memory the process has had at once, in MB: what
// the system says where it says so, else what the runtime took from it.
func peakMemory() uint64 {
	status, err := os.ReadFile("/proc/self/status")
	if err == nil {
		for line := range strings.Lines(string(status)) {
			if f := strings.Fields(line); len(f) == 3 && f[0] == "VmHWM:" {
				kb, _ := strconv.ParseUint(f[1], 10, 64)
				return kb >> 10
			}
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Sys >> 20
}

func runChild(t *testing.T, base string, env ...string) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append([]string{childEnv + "=" + base, "HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH"), "SYSTEMROOT=" + os.Getenv("SYSTEMROOT")}, env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

// template is a product or a term of a generated file, with the SKU in many
// places.
type template [][]byte

func templateOf(s string) template { return bytes.Split([]byte(s), []byte("@SKU@")) }

func (t template) write(w *bufio.Writer, sku []byte) (n int64) {
	for i, part := range t {
		if i > 0 {
			w.Write(sku)
			n += int64(len(sku))
		}
		w.Write(part)
		n += int64(len(part))
	}
	return n
}

const productForm = `    "@SKU@" : {
      "sku" : "@SKU@",
      "productFamily" : "Compute Instance",
      "attributes" : {
        "servicecode" : "AmazonEC2",
        "location" : "US East (N. Virginia)",
        "locationType" : "AWS Region",
        "instanceType" : "%s",
        "currentGeneration" : "Yes",
        "instanceFamily" : "General purpose",
        "vcpu" : "%d",
        "physicalProcessor" : "Intel Xeon Platinum 8175",
        "clockSpeed" : "3.1 GHz",
        "memory" : "%d GiB",
        "storage" : "EBS only",
        "networkPerformance" : "Up to 10 Gigabit",
        "processorArchitecture" : "64-bit",
        "tenancy" : "%s",
        "operatingSystem" : "%s",
        "licenseModel" : "No License required",
        "usagetype" : "BoxUsage:%s",
        "operation" : "%s",
        "availabilityzone" : "NA",
        "capacitystatus" : "%s",
        "classicnetworkingsupport" : "false",
        "dedicatedEbsThroughput" : "Up to 2120 Mbps",
        "ecu" : "10",
        "enhancedNetworkingSupported" : "Yes",
        "gpuMemory" : "NA",
        "intelAvxAvailable" : "Yes",
        "intelAvx2Available" : "Yes",
        "intelTurboAvailable" : "Yes",
        "marketoption" : "OnDemand",
        "normalizationSizeFactor" : "4",
        "preInstalledSw" : "%s",
        "processorFeatures" : "Intel AVX; Intel AVX2; Intel AVX512; Intel Turbo",
        "regionCode" : "us-east-1",
        "servicename" : "Amazon Elastic Compute Cloud",
        "vpcnetworkingsupport" : "true"
      }
    }`

const demandForm = `      "@SKU@" : {
        "@SKU@.JRTCKXETXF" : {
          "offerTermCode" : "JRTCKXETXF",
          "sku" : "@SKU@",
          "effectiveDate" : "2026-07-01T00:00:00Z",
          "priceDimensions" : {
            "@SKU@.JRTCKXETXF.6YS6EN2CT7" : {
              "rateCode" : "@SKU@.JRTCKXETXF.6YS6EN2CT7",
              "description" : "$0.096 per On Demand Linux m5.large Instance Hour",
              "beginRange" : "0",
              "endRange" : "Inf",
              "unit" : "Hrs",
              "pricePerUnit" : {
                "USD" : "0.0960000000"
              },
              "appliesTo" : [ ]
            }
          },
          "termAttributes" : { }
        }
      }`

const reservedForm = `        "@SKU@.%[1]s" : {
          "offerTermCode" : "%[1]s",
          "sku" : "@SKU@",
          "effectiveDate" : "2026-04-01T00:00:00Z",
          "priceDimensions" : {
            "@SKU@.%[1]s.2TG2D8R56U" : {
              "rateCode" : "@SKU@.%[1]s.2TG2D8R56U",
              "description" : "Upfront Fee",
              "unit" : "Quantity",
              "pricePerUnit" : {
                "USD" : "247"
              },
              "appliesTo" : [ ]
            },
            "@SKU@.%[1]s.6YS6EN2CT7" : {
              "rateCode" : "@SKU@.%[1]s.6YS6EN2CT7",
              "description" : "Linux/UNIX (Amazon VPC), m5.large reserved instance applied",
              "beginRange" : "0",
              "endRange" : "Inf",
              "unit" : "Hrs",
              "pricePerUnit" : {
                "USD" : "0.0280000000"
              },
              "appliesTo" : [ ]
            }
          },
          "termAttributes" : {
            "LeaseContractLength" : "%[2]s",
            "OfferingClass" : "%[3]s",
            "PurchaseOption" : "Partial Upfront"
          }
        }`

// generate writes a region file of about size bytes, in the proportions of a
// real one: a product has a twentieth in terms on demand and the rest of the
// file is reserved terms; 3 products in 16 are list prices of shared hosts.
func generate(out io.Writer, size int64) (types, skus int, err error) {
	w := bufio.NewWriterSize(out, 1<<20)
	sku := func(i int) []byte { return fmt.Appendf(nil, "SKU%013d", i) }
	total := int64(0)
	write := func(s string) { w.WriteString(s); total += int64(len(s)) }
	write("{\n  \"formatVersion\" : \"v1.0\",\n  \"publicationDate\" : \"2026-07-01T00:00:00Z\",\n  \"products\" : {\n")
	n := 0
	for ; total < size/6; n++ {
		if n > 0 {
			write(",\n")
		}
		name := fmt.Sprintf("m%d.large", n/16)
		tenancy, os, op, capacity, software := "Shared", "Linux", "RunInstances", "Used", "NA"
		switch v := n % 16; {
		case v == 1:
			os, op = "Windows", "RunInstances:0002"
		case v == 2:
			os, op = "RHEL", "RunInstances:0010"
		case v > 2 && v < 7:
			tenancy = "Dedicated"
		case v >= 7 && v < 11:
			capacity = "AllocatedCapacityReservation"
		case v >= 11:
			software = "SQL Ent"
		}
		total += templateOf(fmt.Sprintf(productForm, name, 2, 8, tenancy, os, name, op, capacity, software)).write(w, sku(n))
	}
	types, skus = (n+15)/16, 3*(n/16)+min(n%16, 3)
	write("\n  },\n  \"terms\" : {\n    \"OnDemand\" : {\n")
	demandOf := templateOf(demandForm)
	for i := range n {
		if i > 0 {
			write(",\n")
		}
		total += demandOf.write(w, sku(i))
	}
	write("\n    },\n    \"Reserved\" : {\n")
	var terms []string
	for i, length := range []string{"1yr", "1yr", "3yr", "3yr"} {
		terms = append(terms, fmt.Sprintf(reservedForm, fmt.Sprintf("TERM%06d", i), length, []string{"standard", "convertible"}[i%2]))
	}
	reservedOf := templateOf("      \"@SKU@\" : {\n" + strings.Join(terms, ",\n") + "\n      }")
	for i := range n {
		if i > 0 {
			write(",\n")
		}
		total += reservedOf.write(w, sku(i))
		if i == n-1 && total < size { // no SKU may come twice: fill with what is skipped
			for j := 0; total < size; j++ {
				write(",\n")
				total += reservedOf.write(w, fmt.Appendf(nil, "OTHER%011d", j))
			}
		}
	}
	write("\n    }\n  },\n  \"attributesList\" : { }\n}\n")
	return types, skus, w.Flush()
}

// TestMemory reads a file of 300 MB, generated as it is read, in a process of
// its own that keeps every item.
func TestMemory(t *testing.T) {
	size := int64(300 << 20)
	if testing.Short() || raced {
		size = 30 << 20
	}
	b := newBulkServer(t, "", theAddresses(), savingsFile())
	// The client is another process: nothing but the lock orders the two.
	var types, skus int
	b.mu.Lock()
	b.before = func(w http.ResponseWriter, r *http.Request, _ int) bool {
		if r.URL.Path != ec2File {
			return false
		}
		n, m, err := generate(w, size)
		if err != nil {
			t.Error(err)
		}
		b.mu.Lock()
		types, skus = n, m
		b.mu.Unlock()
		return true
	}
	b.mu.Unlock()
	out := runChild(t, b.URL)
	b.mu.Lock()
	defer b.mu.Unlock()
	var items, offers, peak int
	if _, err := fmt.Sscanf(out, "items %d offers %d peak %d", &items, &offers, &peak); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if offers != 5*skus || items != offers+types+2 || skus == 0 {
		t.Errorf("%d items with %d offers of %d products and %d types", items, offers, skus, types)
	}
	t.Logf("%d MB, %d items: %d MB of memory", size>>20, items, peak)
	if peak >= 200 && !raced {
		t.Errorf("%d MB of memory, want less than 200", peak)
	}
}

func BenchmarkBulkDecode(b *testing.B) {
	var file bytes.Buffer
	_, skus, err := generate(&file, 64<<20)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(file.Len()))
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		l := newList(New(Options{Now: func() time.Time { return now }}), "us-east-1", func(pricing.Item, error) bool { n++; return true })
		if err := l.decodeOffers(bytes.NewReader(file.Bytes())); err != nil || n < 5*skus {
			b.Fatal(n, err)
		}
	}
}

// TestProxy has both kinds of requests go through the proxy that the
// environment names.
func TestProxy(t *testing.T) {
	files := newBulkServer(t, offerFile("AmazonEC2", theRows()...), theAddresses(), theSavings())
	var mu sync.Mutex
	var hosts []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		if !slices.Contains(hosts, r.Method+" "+r.URL.Host) {
			hosts = append(hosts, r.Method+" "+r.URL.Host)
		}
		mu.Unlock()
		if r.Method == http.MethodPost {
			fault(w, http.StatusBadRequest, "AccessDeniedException", "no")
			return
		}
		files.ServeHTTP(w, r)
	}))
	defer proxy.Close()
	asked := func() []string { // since it was asked last
		mu.Lock()
		defer mu.Unlock()
		was := hosts
		hosts = nil
		return was
	}
	out := runChild(t, "http://prices.example", "HTTP_PROXY="+proxy.URL)
	if got := asked(); !strings.HasPrefix(out, "items 21 offers 12 ") || !slices.Equal(got, []string{"GET prices.example"}) {
		t.Errorf("%s, hosts %v", out, got)
	}
	secrets := []string{"AWS_ACCESS_KEY_ID=" + testKey, "AWS_SECRET_ACCESS_KEY=" + testSecret, "AWS_EC2_METADATA_DISABLED=true", "LEANFLEET_TEST_QUERY=1"}
	out = runChild(t, "http://api.example", append(secrets, "HTTP_PROXY="+proxy.URL)...)
	if got := asked(); !strings.Contains(out, "AccessDeniedException") || !slices.Equal(got, []string{"POST api.example"}) {
		t.Errorf("%s, hosts %v", out, got)
	}
	for _, env := range [][]string{nil, secrets} {
		out = runChild(t, "http://prices.example", append(env, "HTTP_PROXY=http://user:proxy-password@127.0.0.1:1")...)
		if strings.Contains(out, "password") || !strings.Contains(out, "proxyconnect") {
			t.Errorf("a proxy that is not there: %s", out)
		}
	}
}

func TestCAFile(t *testing.T) {
	files := newBulkServer(t, offerFile("AmazonEC2", theRows()...), theAddresses(), theSavings())
	secure := func(h http.Handler) *httptest.Server {
		s := httptest.NewUnstartedServer(h)
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.StartTLS()
		t.Cleanup(s.Close)
		return s
	}
	server := secure(files)
	dir := t.TempDir()
	ca := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := read(t, Options{BaseURL: server.URL, CAFile: ca}, "us-east-1"); r.err != nil || len(r.lines) == 0 {
		t.Errorf("with the CA file: %v", r.err)
	}
	if r := read(t, Options{BaseURL: server.URL}, "us-east-1"); r.err == nil || !strings.Contains(r.err.Error(), "certificate") || len(r.pauses) > 0 {
		t.Errorf("without the CA file: %v", r.err)
	}
	s := newServices(t)
	tls := secure(s.prices)
	o := s.options()
	o.PricingURL, o.CAFile = tls.URL, ca
	if r := read(t, o, "us-east-1"); r.err != nil || len(r.lines) != len(theQueried) {
		t.Errorf("the SDK with the CA file: %v", r.err)
	}
	o.CAFile = ""
	if r := read(t, o, "us-east-1"); r.err == nil || !strings.Contains(r.err.Error(), "certificate") {
		t.Errorf("the SDK without the CA file: %v", r.err)
	}
	empty := filepath.Join(dir, "empty.pem")
	if err := os.WriteFile(empty, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{filepath.Join(dir, "none.pem"): "read CA file: open", empty: "empty.pem holds no certificate in PEM form"} {
		for _, query := range []bool{false, true} {
			o := s.options()
			o.CAFile, o.Query = file, query
			if r := read(t, o, "us-east-1"); r.err == nil || !strings.Contains(r.err.Error(), want) || len(r.pauses) > 0 {
				t.Errorf("query %v: %v, want %s", query, r.err, want)
			}
		}
	}
}
