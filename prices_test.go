package leanfleet_test

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
)

// priceNow is the clock of the tests of prices.
var priceNow = time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)

// priceList is a provider's list that a test fills.
type priceList struct {
	name  string
	items map[string][]pricing.Item // by region
	fails map[string]error          // behind the items of a region
	asked []string
	mu    sync.Mutex
}

func (l *priceList) Name() string { return l.name }

func (l *priceList) Regions(context.Context) ([]string, error) {
	var out []string
	for r := range l.items {
		out = append(out, r)
	}
	slices.Sort(out)
	return out, nil
}

func (l *priceList) Items(_ context.Context, region string) iter.Seq2[pricing.Item, error] {
	return func(yield func(pricing.Item, error) bool) {
		l.mu.Lock()
		l.asked = append(l.asked, region)
		items, err := slices.Clone(l.items[region]), l.fails[region]
		l.mu.Unlock()
		for _, it := range items {
			if !yield(it, nil) {
				return
			}
		}
		if err != nil {
			yield(pricing.Item{}, err)
		}
	}
}

func listPrice(t testing.TB, s string) money.Price {
	t.Helper()
	p, err := money.ParsePrice(s, money.USD)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// item is an offer of AWS for Linux on demand.
func item(t testing.TB, region, typ, price string) pricing.Item {
	return pricing.Item{Offer: &pricing.Offer{
		Provider: "aws", Region: region, InstanceType: typ, OS: "linux", Purchase: pricing.OnDemand,
		PerHour: listPrice(t, price), Basis: pricing.Observed, Source: "aws price list bulk",
	}}
}

// priceMonitor opens a monitor for prices with a clock that a test moves.
func priceMonitor(t testing.TB, dir string, now *time.Time, sources ...pricing.PriceSource) *leanfleet.Monitor {
	t.Helper()
	m, err := leanfleet.Open(t.Context(), leanfleet.Options{
		Dir: dir, PricesOnly: true, Clock: func() time.Time { return *now }, Prices: leanfleet.PriceOptions{Sources: sources},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// priceLine is the price of a type in us-east-1 with the layer and the source.
func priceLine(t testing.TB, m *leanfleet.Monitor, typ string) string {
	t.Helper()
	r, err := m.Price(t.Context(), leanfleet.PriceRequest{Provider: "aws", Region: "us-east-1", InstanceType: typ, OS: "linux"})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range r.Offers {
		if o.Purchase == pricing.OnDemand {
			s := o.PerHour.String() + " " + string(o.Layer) + " " + o.AsOf.Format(time.DateOnly)
			if o.Gone {
				s += " gone, last seen " + o.LastSeen.Format(time.DateOnly)
			}
			return s
		}
	}
	return "none: " + r.Reason
}

func update(t testing.TB, m *leanfleet.Monitor, regions ...string) (leanfleet.PricesUpdateResult, error) {
	t.Helper()
	return m.UpdatePrices(t.Context(), leanfleet.PricesUpdateRequest{Regions: regions})
}

func TestPriceOffline(t *testing.T) {
	now := priceNow
	dir := filepath.Join(t.TempDir(), "none")
	m := priceMonitor(t, dir, &now)
	if got := priceLine(t, m, "m5.large"); got != "0.096 USD embedded 2026-07-20" {
		t.Errorf("m5.large costs %s", got)
	}
	r, err := m.Price(t.Context(), leanfleet.PriceRequest{Provider: "aws", Region: "us-east-1", InstanceType: "m5.large", OS: "Ubuntu 24.04"})
	if err != nil || len(r.Offers) != 1 || len(r.Warnings) != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	// August 2026 has 744 hours: 744 x 0.096 = 71.424.
	if o := r.Offers[0]; o.PerMonth.String() != "71.42 USD" || r.Month.Hours != 744 || *o.AgeSeconds != (12*24+12)*3600 {
		t.Errorf("month %s of %g hours, age %v", o.PerMonth, r.Month.Hours, *o.AgeSeconds)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a question made the directory: %v", err)
	}
	// Past 90 days there is a warning, once for the place.
	now = now.AddDate(0, 3, 0)
	r, err = m.Price(t.Context(), leanfleet.PriceRequest{Provider: "aws", Region: "us-east-1", InstanceType: "m5.large"})
	if err != nil || len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "104 days old") || !r.Offers[0].Stale {
		t.Errorf("warnings %q, %v", r.Warnings, err)
	}
}

func TestPriceMonths(t *testing.T) {
	now := priceNow
	m := priceMonitor(t, t.TempDir(), &now)
	for _, c := range []struct {
		at    string
		zone  string
		hours float64
		month string // of 0.096 an hour
	}{
		{"2024-02-10T00:00:00Z", "", 696, "66.82 USD"},              // a leap year
		{"2026-03-10T00:00:00Z", "Europe/Berlin", 743, "71.33 USD"}, // a day of 23 hours
		{"2026-10-10T00:00:00Z", "Europe/Berlin", 745, "71.52 USD"}, // one of 25
		{"2026-02-28T23:30:00Z", "Europe/Berlin", 743, "71.33 USD"}, // March there
	} {
		at, err := time.Parse(time.RFC3339, c.at)
		if err != nil {
			t.Fatal(err)
		}
		r, err := m.Price(t.Context(), leanfleet.PriceRequest{InstanceType: "m5.large", Region: "us-east-1", AsOf: at, Timezone: c.zone})
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Offers[0].PerMonth.String(); r.Month.Hours != c.hours || got != c.month {
			t.Errorf("%s %s: %g hours, %s; want %g, %s", c.at, c.zone, r.Month.Hours, got, c.hours, c.month)
		}
	}
}

func TestPriceErrors(t *testing.T) {
	now := priceNow
	m := priceMonitor(t, t.TempDir(), &now)
	for _, c := range []struct {
		req  leanfleet.PriceRequest
		want string
		is   error
	}{
		{leanfleet.PriceRequest{Region: "us-east-1"}, "name an instance type", nil},
		{leanfleet.PriceRequest{InstanceType: "m5.larg", Region: "us-east-1"}, "did you mean m5.large", pricing.ErrUnknownType},
		{leanfleet.PriceRequest{Provider: "aws", InstanceType: "m5.larg", Region: "us-east-1"}, "did you mean m5.large", pricing.ErrUnknownType},
		{leanfleet.PriceRequest{InstanceType: "m5.large", Region: "us-east-9"}, "did you mean us-east-", pricing.ErrUnknownRegion},
		{leanfleet.PriceRequest{Provider: "asw", InstanceType: "m5.large", Region: "us-east-1"}, `did you mean "aws"`, nil},
		{leanfleet.PriceRequest{InstanceType: "m5.large"}, "name a region of aws", nil},
		{leanfleet.PriceRequest{InstanceType: "m5.large", Region: "us-east-1", Timezone: "Mars/Base"}, "Mars/Base", nil},
	} {
		_, err := m.Price(t.Context(), c.req)
		if err == nil || !strings.Contains(err.Error(), c.want) || (c.is != nil && !errors.Is(err, c.is)) {
			t.Errorf("%+v: %v; want %q", c.req, err, c.want)
		}
	}
	// A known type without a price is a result with the reason.
	r, err := m.Price(t.Context(), leanfleet.PriceRequest{InstanceType: "m5.large", Region: "us-east-1", OS: "windows"})
	if err != nil || len(r.Offers) != 0 || !strings.Contains(r.Reason, "windows") || !strings.Contains(r.Reason, `no list of aws us-east-1 was read yet: "leanfleet prices update --provider aws --region us-east-1" reads it`) {
		t.Errorf("windows: %+v, %v", r, err)
	}
	// Reading a list now tells nothing of an earlier day.
	r, err = m.Price(t.Context(), leanfleet.PriceRequest{InstanceType: "m5.large", Region: "us-east-1", PricesAsOf: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)})
	if err != nil || r.Reason == "" || strings.Contains(r.Reason, "update") {
		t.Errorf("of 2020: %q, %v", r.Reason, err)
	}
}

func TestPriceJSONIsFlatAndComesBack(t *testing.T) {
	now := priceNow
	m := priceMonitor(t, t.TempDir(), &now)
	r, err := m.Price(t.Context(), leanfleet.PriceRequest{InstanceType: "n2-standard-4", Region: "us-central1"})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	head := `{"provider":"gcp","region":"us-central1","instance_type":"n2-standard-4",`
	if !strings.HasPrefix(string(raw), head) || !strings.Contains(string(raw), `"price_per_hour":0.194236,"price_per_month":144.51,"currency":"USD"`) {
		t.Errorf("%s", raw)
	}
	var back leanfleet.PriceResult
	if err := json.Unmarshal(raw, &back); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(back)
	if err != nil || len(back.Offers) != 4 {
		t.Fatal(err)
	}
	// Amounts without their currency have no digits of it, so one decimal may
	// be missing; everything else is equal.
	if got, want := strings.ReplaceAll(string(again), " ", ""), strings.ReplaceAll(string(raw), " ", ""); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestOwnPrices(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	open := func(o leanfleet.PriceOptions) *leanfleet.Monitor {
		t.Helper()
		m, err := leanfleet.Open(t.Context(), leanfleet.Options{Dir: dir, PricesOnly: true, Clock: func() time.Time { return priceNow }, Prices: o})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	sheet := write("own.csv", "provider,region,instance_type,price_per_hour,currency,vcpus,memory_gib\nonprem,dc1,blade-16,0.40,EUR,16,64\n")
	discount := write("discount.yaml", "discounts:\n  - {provider: aws, family: m5, percent: 10}\n")
	rates := write("rates.csv", "date,from,to,rate,source\n2026-01-01,EUR,USD,1.10,ecb\n")
	m := open(leanfleet.PriceOptions{Sheets: []string{sheet, discount}, Rates: []string{rates}})
	r, err := m.Price(t.Context(), leanfleet.PriceRequest{InstanceType: "blade-16", Region: "dc1"})
	if err != nil || len(r.Offers) != 1 || r.Offers[0].PerHour.String() != "0.4 EUR" || r.Offers[0].Basis != pricing.Stated || r.Offers[0].AgeSeconds != nil {
		t.Fatalf("%+v, %v", r.Offers, err)
	}
	r, err = m.Price(t.Context(), leanfleet.PriceRequest{InstanceType: "m5.large", Region: "us-east-1"})
	// List and contracted are apart: 0.096 less 10 %.
	if err != nil || r.Offers[0].PerHour.String() != "0.096 USD" || r.Offers[0].Contracted.String() != "0.0864 USD" || r.Offers[0].ContractSource != discount+":2" {
		t.Fatalf("%+v, %v", r.Offers, err)
	}
	found, err := m.SearchPrices(t.Context(), leanfleet.PriceSearchRequest{Near: "onprem:dc1", VCPUs: 16, Older: true, AnyPurpose: true, Burstable: true})
	if err != nil || len(found.NoRegion) != 3 {
		t.Errorf("near the own data centre: %+v, %v", found, err)
	}
	twice := write("twice.csv", "provider,region,instance_type,price_per_hour,currency\nonprem,dc1,blade-16,0.50,EUR\n")
	for _, c := range []struct {
		o    leanfleet.PriceOptions
		want []string
	}{
		{leanfleet.PriceOptions{Sheets: []string{sheet, twice}}, []string{"own.csv:2", "twice.csv:2", "two prices for one thing"}},
		{leanfleet.PriceOptions{Sheets: []string{filepath.Join(dir, "none.csv")}}, []string{"read price sheet", "none.csv"}},
		{leanfleet.PriceOptions{Sheets: []string{write("bad.csv", "provider,percent\naws,x\n")}}, []string{"bad.csv:2"}},
		{leanfleet.PriceOptions{Commitments: []string{write("bad-c.csv", "provider,purchase\naws,spot\n")}}, []string{"bad-c.csv:2"}},
		{leanfleet.PriceOptions{Rates: []string{rates, rates}}, []string{"two rates from EUR to USD"}},
		{leanfleet.PriceOptions{Precedence: []pricing.Layer{"own"}}, []string{`unknown layer "own"`}},
	} {
		_, err := open(c.o).Price(t.Context(), leanfleet.PriceRequest{InstanceType: "m5.large", Region: "us-east-1"})
		for _, w := range c.want {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("%+v: %v; want %q", c.o, err, w)
			}
		}
	}
}

func TestUpdateKeepsTheLastGoodPrices(t *testing.T) {
	dir, now := t.TempDir(), priceNow
	list := &priceList{name: "aws", items: map[string][]pricing.Item{}, fails: map[string]error{}}
	m := priceMonitor(t, dir, &now, list)
	want := func(step string, u leanfleet.UpdatedPrices, items, added, changed, up, down, unchanged, gone, refused int) {
		t.Helper()
		got := []int{u.Items, u.New, u.Changed, u.Up, u.Down, u.Unchanged, u.Gone, len(u.Refused)}
		if !slices.Equal(got, []int{items, added, changed, up, down, unchanged, gone, refused}) {
			t.Errorf("%s: items, new, changed, up, down, unchanged, gone, refused are %v", step, got)
		}
	}
	price := func(step, typ, want string) {
		t.Helper()
		if got := priceLine(t, m, typ); got != want {
			t.Errorf("%s: %s is %s; want %s", step, typ, got, want)
		}
	}
	list.items["us-east-1"] = []pricing.Item{
		item(t, "us-east-1", "m5.large", "0.090"), item(t, "us-east-1", "m5.xlarge", "0.180"), item(t, "us-east-1", "m5.2xlarge", "0.360"),
	}
	r, err := update(t, m, "us-east-1")
	if err != nil {
		t.Fatal(err)
	}
	want("first", r.Updated[0], 3, 3, 0, 0, 0, 0, 0, 0)
	price("first", "m5.large", "0.09 USD live 2026-08-01")

	// One rises, one falls, one is gone: it keeps its price and its age.
	now = now.AddDate(0, 0, 1)
	list.items["us-east-1"] = []pricing.Item{item(t, "us-east-1", "m5.large", "0.099"), item(t, "us-east-1", "m5.xlarge", "0.170")}
	if r, err = update(t, m, "us-east-1"); err != nil {
		t.Fatal(err)
	}
	want("second", r.Updated[0], 2, 0, 2, 1, 1, 0, 1, 0)
	price("second", "m5.2xlarge", "0.36 USD live 2026-08-01 gone, last seen 2026-08-01")
	if g := r.Updated[0].GoneOffers; len(g) != 1 || g[0].Offer.InstanceType != "m5.2xlarge" || g[0].AgeSeconds != 86400 {
		t.Errorf("gone: %+v", g)
	}

	// A price of zero and two prices for one thing are refused by name.
	now = now.AddDate(0, 0, 1)
	list.items["us-east-1"] = []pricing.Item{
		item(t, "us-east-1", "m5.large", "0"), item(t, "us-east-1", "m5.xlarge", "0.170"), item(t, "us-east-1", "m5.xlarge", "0.175"), item(t, "us-east-1", "m5.4xlarge", "0.7"),
	}
	if r, err = update(t, m, "us-east-1"); err != nil {
		t.Fatal(err)
	}
	want("third", r.Updated[0], 4, 1, 0, 0, 0, 0, 0, 2)
	price("third", "m5.large", "0.099 USD live 2026-08-02")
	price("third", "m5.xlarge", "0.17 USD live 2026-08-02")

	// A stream that breaks off counts for what came, and takes nothing away.
	now = now.AddDate(0, 0, 1)
	list.items["us-east-1"], list.fails["us-east-1"] = []pricing.Item{item(t, "us-east-1", "m5.large", "0.097")}, errors.New("page 2: cut")
	r, err = update(t, m, "us-east-1")
	if err == nil || !strings.Contains(err.Error(), "aws us-east-1: page 2: cut") || r.Failed != 1 || r.Updated[0].Complete {
		t.Errorf("cut: %+v, %v", r, err)
	}
	want("cut", r.Updated[0], 1, 0, 1, 0, 1, 0, 0, 0)
	price("cut", "m5.large", "0.097 USD live 2026-08-04")
	price("cut", "m5.4xlarge", "0.7 USD live 2026-08-03")
	if len(r.Rest) != 1 || r.Rest[0].Region != "us-east-1" || *r.Rest[0].AgeSeconds != 86400 {
		t.Errorf("the failed region is not among the rest: %+v", r.Rest)
	}

	// A stream that fails at once, and an empty list, change nothing.
	before, err := os.ReadFile(filepath.Join(dir, "prices.book"))
	if err != nil {
		t.Fatal(err)
	}
	list.items["us-east-1"] = nil
	if _, err := update(t, m, "us-east-1"); err == nil {
		t.Error("a list that fails at once is no error")
	}
	list.fails = nil
	if _, err := update(t, m, "us-east-1"); err == nil || !strings.Contains(err.Error(), "no price of an instance type") {
		t.Errorf("an empty list: %v", err)
	}
	after, err := os.ReadFile(filepath.Join(dir, "prices.book"))
	if err != nil || string(after) != string(before) {
		t.Errorf("a failed update changed the file: %v", err)
	}
	// Another process sees what was written.
	if got := priceLine(t, priceMonitor(t, dir, &now), "m5.large"); got != "0.097 USD live 2026-08-04" {
		t.Errorf("from the file: %s", got)
	}
}

func TestUpdateRegions(t *testing.T) {
	dir, now := t.TempDir(), priceNow
	aws := &priceList{name: "aws", items: map[string][]pricing.Item{}}
	for _, r := range []string{"us-east-1", "eu-west-1", "mars-north-1"} {
		aws.items[r] = []pricing.Item{item(t, r, "m5.large", "0.1")}
	}
	azure := &priceList{name: "azure", items: map[string][]pricing.Item{}}
	m, err := leanfleet.Open(t.Context(), leanfleet.Options{Dir: dir, Clock: func() time.Time { return now }, Prices: leanfleet.PriceOptions{Sources: []pricing.PriceSource{aws, azure}}})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	run := func(req leanfleet.PricesUpdateRequest) (string, error) {
		aws.asked, azure.asked = nil, nil
		_, err := m.UpdatePrices(t.Context(), req)
		return strings.Join(append(aws.asked, azure.asked...), " "), err
	}
	for _, c := range []struct {
		req         leanfleet.PricesUpdateRequest
		asked, want string
	}{
		{leanfleet.PricesUpdateRequest{}, "", "no host of these providers is known: name regions"},
		{leanfleet.PricesUpdateRequest{Providers: []string{"asw"}}, "", `did you mean "aws"`},
		{leanfleet.PricesUpdateRequest{Regions: []string{"us-eat-1"}}, "", "did you mean us-east-1"},
		{leanfleet.PricesUpdateRequest{Regions: []string{"aws:mars-south-1"}}, "", `unknown region "mars-south-1"`},
		{leanfleet.PricesUpdateRequest{Regions: []string{"gcp:us-central1"}}, "", `lists of "gcp" are not read`},
		{leanfleet.PricesUpdateRequest{Providers: []string{"aws", "azure"}, Regions: []string{"us-east-1"}}, "", "none of the regions is one of azure"},
		{leanfleet.PricesUpdateRequest{Regions: []string{"us-east-1", "us-east-1", "aws:mars-north-1"}}, "us-east-1 mars-north-1", ""},
		{leanfleet.PricesUpdateRequest{Providers: []string{"aws"}, Regions: []string{"all"}}, "eu-west-1 mars-north-1 us-east-1", ""},
	} {
		asked, err := run(c.req)
		if asked != c.asked || (err == nil) != (c.want == "") || (err != nil && !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%+v: asked %q, %v; want %q, %q", c.req, asked, err, c.asked, c.want)
		}
	}
	// Without regions it is those with hosts.
	if err := m.AddHost(t.Context(), "web-1", nil, leanfleet.WithInstance("aws", "eu-west-1", "m5.large")); err != nil {
		t.Fatal(err)
	}
	if asked, err := run(leanfleet.PricesUpdateRequest{}); err != nil || asked != "eu-west-1" {
		t.Errorf("regions with hosts: %q, %v", asked, err)
	}
	if _, err := run(leanfleet.PricesUpdateRequest{Providers: []string{"azure"}}); err == nil || !strings.Contains(err.Error(), "no host of azure") {
		t.Errorf("a provider without hosts: %v", err)
	}
	// And the equivalents of a type are looked for from there.
	e, err := m.Equivalents(t.Context(), leanfleet.EquivalentsRequest{InstanceType: "m5.xlarge", To: []string{"gcp"}})
	if err != nil || e.From.Region != "eu-west-1" || len(e.Matches) == 0 {
		t.Errorf("%+v, %v", e, err)
	}
}

func TestUpdateInterrupted(t *testing.T) {
	dir, now := t.TempDir(), priceNow
	list := &priceList{name: "aws", items: map[string][]pricing.Item{
		"us-east-1": {item(t, "us-east-1", "m5.large", "0.1")}, "eu-west-1": {item(t, "eu-west-1", "m5.large", "0.2")},
	}}
	m := priceMonitor(t, dir, &now, list)
	ctx, cancel := context.WithCancel(t.Context())
	r, err := m.UpdatePrices(ctx, leanfleet.PricesUpdateRequest{Regions: []string{"us-east-1", "eu-west-1"}, Progress: func(p leanfleet.PriceProgress) {
		if p.Done != nil {
			cancel() // the first region is durable by now
		}
	}})
	if !errors.Is(err, context.Canceled) || len(r.Updated) != 1 || len(list.asked) != 1 {
		t.Errorf("%+v, %v, asked %v", r, err, list.asked)
	}
	if got := priceLine(t, priceMonitor(t, dir, &now), "m5.large"); got != "0.1 USD live 2026-08-01" {
		t.Errorf("the first region: %s", got)
	}
}

// TestUpdatesDoNotRace: updates at once, of monitors that do not know of each
// other, lose nothing.
func TestUpdatesDoNotRace(t *testing.T) {
	dir, now := t.TempDir(), priceNow
	regions := []string{"us-east-1", "us-east-2", "us-west-1", "us-west-2", "eu-west-1", "eu-central-1"}
	var wg sync.WaitGroup
	for _, region := range regions {
		list := &priceList{name: "aws", items: map[string][]pricing.Item{region: {item(t, region, "m5.large", "0.1")}}}
		m := priceMonitor(t, dir, &now, list)
		wg.Go(func() {
			if _, err := update(t, m, region); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	m := priceMonitor(t, dir, &now)
	for _, region := range regions {
		r, err := m.Price(t.Context(), leanfleet.PriceRequest{InstanceType: "m5.large", Region: region})
		if err != nil || r.Offers[0].Layer != pricing.LayerLive {
			t.Errorf("%s: %+v, %v", region, r.Offers, err)
		}
	}
}

func TestPricesExportImport(t *testing.T) {
	here, there, now := t.TempDir(), t.TempDir(), priceNow
	list := &priceList{name: "aws", items: map[string][]pricing.Item{
		"us-east-1": {item(t, "us-east-1", "m5.large", "0.1"), item(t, "us-east-1", "m5.xlarge", "0.2")}, "eu-west-1": {item(t, "eu-west-1", "m5.large", "0.2")},
	}}
	m := priceMonitor(t, here, &now, list)
	file := filepath.Join(t.TempDir(), "export")
	export := func(m *leanfleet.Monitor) {
		t.Helper()
		if _, err := m.ExportPrices(t.Context(), leanfleet.PricesExportRequest{File: file}); err != nil {
			t.Fatal(err)
		}
	}
	take := func(m *leanfleet.Monitor, outcome string, lists, older int) {
		t.Helper()
		r, err := m.ImportPrices(t.Context(), leanfleet.PricesImportRequest{File: file})
		if err != nil || r.Outcome != outcome || len(r.Lists) != lists || r.Older != older {
			t.Errorf("import: %+v, %v; want %s, %d lists, %d older", r, err, outcome, lists, older)
		}
	}
	if _, err := m.ExportPrices(t.Context(), leanfleet.PricesExportRequest{File: file}); err == nil || !strings.Contains(err.Error(), "none were read yet") {
		t.Errorf("nothing to export: %v", err)
	}
	if _, err := update(t, m, "us-east-1"); err != nil {
		t.Fatal(err)
	}
	export(m)
	other := priceMonitor(t, there, &now)
	take(other, leanfleet.ImportReplaced, 0, 0)
	take(other, leanfleet.ImportUnchanged, 0, 0)
	if got := priceLine(t, other, "m5.large"); got != "0.1 USD live 2026-08-01" {
		t.Errorf("imported: %s", got)
	}
	// It goes on: history and all.
	now = now.AddDate(0, 0, 1)
	list.items["us-east-1"] = []pricing.Item{item(t, "us-east-1", "m5.large", "0.11")}
	if _, err := update(t, m, "us-east-1"); err != nil {
		t.Fatal(err)
	}
	export(m)
	take(other, leanfleet.ImportReplaced, 0, 0)
	if got := priceLine(t, other, "m5.xlarge"); got != "0.2 USD live 2026-08-01 gone, last seen 2026-08-01" {
		t.Errorf("gone in an import: %s", got)
	}
	// Both went on: the newer list of each place wins, whichever comes last.
	now = now.AddDate(0, 0, 1)
	newer := priceMonitor(t, there, &now, &priceList{name: "aws", items: map[string][]pricing.Item{"us-east-1": {item(t, "us-east-1", "m5.large", "0.13")}}})
	if _, err := update(t, newer, "us-east-1"); err != nil {
		t.Fatal(err)
	}
	if _, err := update(t, m, "eu-west-1"); err != nil {
		t.Fatal(err)
	}
	export(m)
	take(newer, leanfleet.ImportMerged, 1, 1)
	if got := priceLine(t, newer, "m5.large"); got != "0.13 USD live 2026-08-03" {
		t.Errorf("an older list won: %s", got)
	}
	r, err := newer.Price(t.Context(), leanfleet.PriceRequest{InstanceType: "m5.large", Region: "eu-west-1"})
	if err != nil || r.Offers[0].PerHour.String() != "0.2 USD" || r.Offers[0].AsOf.Format(time.DateOnly) != "2026-08-03" {
		t.Errorf("the new region: %+v, %v", r.Offers, err)
	}
	// Damage changes nothing.
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(filepath.Join(there, "prices.book"))
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int{3, len(data) / 3, len(data) - 5} {
		bad := slices.Clone(data)
		bad[at] ^= 0x40
		if err := os.WriteFile(file, bad, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := newer.ImportPrices(t.Context(), leanfleet.PricesImportRequest{File: file}); !errors.Is(err, pricing.ErrBook) || !strings.Contains(err.Error(), "export") {
			t.Errorf("damage at %d: %v", at, err)
		}
	}
	if after, err := os.ReadFile(filepath.Join(there, "prices.book")); err != nil || string(after) != string(before) {
		t.Errorf("a damaged import changed the file: %v", err)
	}
	if _, err := m.ImportPrices(t.Context(), leanfleet.PricesImportRequest{File: file + ".none"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

// TestDamagedBook: the file of prices that is damaged is named, and nothing
// else breaks.
func TestDamagedBook(t *testing.T) {
	dir, now := t.TempDir(), priceNow
	if err := os.WriteFile(filepath.Join(dir, "prices.book"), []byte("not prices"), 0o644); err != nil {
		t.Fatal(err)
	}
	m := priceMonitor(t, dir, &now)
	_, err := m.Price(t.Context(), leanfleet.PriceRequest{InstanceType: "m5.large", Region: "us-east-1"})
	if !errors.Is(err, pricing.ErrBook) || !strings.Contains(err.Error(), "prices.book") {
		t.Errorf("%v", err)
	}
}

// TestPricesOnly: operations that need a store say so, and prices do not wait
// for a process that writes to it.
func TestPricesOnly(t *testing.T) {
	dir, now := t.TempDir(), priceNow
	writer, err := leanfleet.Open(t.Context(), leanfleet.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	m := priceMonitor(t, dir, &now)
	if got := priceLine(t, m, "m5.large"); !strings.HasPrefix(got, "0.096 USD") {
		t.Errorf("beside a writer: %s", got)
	}
	for _, op := range leanfleet.Operations() {
		if op.Prices {
			continue
		}
		if _, err := op.Run(t.Context(), m, op.NewRequest()); err == nil || !strings.Contains(err.Error(), "opened for prices only") {
			t.Errorf("operation %s: %v", op.Name, err)
		}
	}
}

func TestSearchAndEquivalents(t *testing.T) {
	now := priceNow
	m := priceMonitor(t, t.TempDir(), &now)
	limit, err := money.ParseNumber("0.16")
	if err != nil {
		t.Fatal(err)
	}
	r, err := m.SearchPrices(t.Context(), leanfleet.PriceSearchRequest{Near: "us-east-1", VCPUs: 4, MemoryBytes: 16 << 30, Arch: "aarch64", MaxPrice: limit})
	if err != nil || r.Near.Provider != "aws" || len(r.Types) == 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	clouds := map[string]bool{}
	for i, x := range r.Types {
		clouds[x.Provider] = true
		if *x.VCPUs < 4 || *x.MemoryBytes < 16<<30 || *x.Arch != "arm64" || x.FullMonthPerHour.Number().Cmp(limit) > 0 || x.AsOf == nil {
			t.Errorf("%+v does not meet the demand", x)
		}
		if i > 0 && x.FullMonthPerHour.Number().Cmp(r.Types[i-1].FullMonthPerHour.Number()) < 0 {
			t.Errorf("%s is out of order", x.InstanceType)
		}
	}
	if len(clouds) != 3 {
		t.Errorf("clouds %v", clouds)
	}
	for _, c := range []struct {
		req  leanfleet.PriceSearchRequest
		want string
	}{
		{leanfleet.PriceSearchRequest{}, "name a region"},
		{leanfleet.PriceSearchRequest{Near: "us-eat-1"}, "did you mean us-east-1"},
		{leanfleet.PriceSearchRequest{Near: "asw:us-east-1"}, `did you mean "aws"`},
		{leanfleet.PriceSearchRequest{Near: "us-east-1", Arch: "sparc"}, "unknown architecture"},
		{leanfleet.PriceSearchRequest{Near: "us-east-1", Providers: []string{"gpc"}}, `did you mean "gcp"`},
		{leanfleet.PriceSearchRequest{Near: "us-east-1", Currency: "EURO"}, "did you mean EUR"},
		{leanfleet.PriceSearchRequest{Near: "us-east-1", VCPUs: -1}, "is negative"},
		{leanfleet.PriceSearchRequest{Near: "us-east-1", VCPUs: math.NaN()}, "is not a number"},
		{leanfleet.PriceSearchRequest{Near: "us-east-1", GPUs: math.NaN()}, "is not a number"},
	} {
		if _, err := m.SearchPrices(t.Context(), c.req); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v; want %q", c.req, err, c.want)
		}
	}
	e, err := m.Equivalents(t.Context(), leanfleet.EquivalentsRequest{InstanceType: "m5.xlarge", Region: "us-east-1", To: []string{"azure", "gcp:us-central1"}, Limit: 2})
	if err != nil || len(e.Matches) != 4 || e.From.PerHour.String() != "0.192 USD" {
		t.Fatalf("%+v, %v", e, err)
	}
	for _, x := range e.Matches {
		saving, err := e.From.FullMonth.Sub(*x.FullMonth)
		if err != nil || x.Saving == nil || !saving.Equal(*x.Saving) || len(x.Reasons) == 0 || len(x.Checks) == 0 || x.Effort != "high" {
			t.Errorf("%+v: saving %v, %v", x, saving, err)
		}
		if x.MixedDates != !x.AsOf.Equal(*e.From.AsOf) {
			t.Errorf("%s: mixed dates %v", x.InstanceType, x.MixedDates)
		}
	}
	if e.Matches[2].Region != "us-central1" {
		t.Errorf("targets are out of order: %+v", e.Targets)
	}
	for _, c := range []struct {
		req  leanfleet.EquivalentsRequest
		want string
	}{
		{leanfleet.EquivalentsRequest{InstanceType: "m5.xlrge"}, "did you mean m5.xlarge"},
		{leanfleet.EquivalentsRequest{InstanceType: "m5.xlarge", Region: "us-eat-1"}, "did you mean us-east-1"},
		{leanfleet.EquivalentsRequest{InstanceType: "m5.xlarge", To: []string{"gpc"}}, `did you mean "gcp"`},
		{leanfleet.EquivalentsRequest{InstanceType: "m5.xlarge", Smaller: 1}, "smaller by a share"},
		{leanfleet.EquivalentsRequest{InstanceType: "m5.xlarge", Smaller: math.NaN()}, "smaller by a share"},
	} {
		if _, err := m.Equivalents(t.Context(), c.req); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v; want %q", c.req, err, c.want)
		}
	}
}
