package chargeback_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leanfleet/leanfleet/chargeback"
	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
)

var update = flag.Bool("update", false, "rewrite golden files")

// exampleFleet is a small fleet in which everything that a report can say is
// found once.
const exampleFleet = `
now 2024-03-05
read 2023-01-01 aws/us-east-1/m5.large 0.10
read 2023-01-01 aws/us-east-1 disk gp3 0.08
read 2023-01-01 aws/us-east-1 address 0.005
read 2024-02-20 gcp/us-central1/n1-standard-1 0.0475
sheet discount,aws,,,,,,10,2024-02-15,,,,
commitment r1,reserved,aws,us-east-1,m5.large,1,0.06,,,USD,2024-02-10,2024-12-31
host web type=aws/us-east-1/m5.large state=running from=2024-01-01 disks=gp3:100 addresses=1 os=Ubuntu dept=eng
host web dept=data effective=2024-02-11T12:00
host db type=aws/us-east-1/m5.large disks=none addresses=0 dept=data
samples db 2024-02-05 2024-02-06 1h
samples db 2024-02-07 2024-02-08 1h
host app type=gcp/us-central1/n1-standard-1 state=running from=2024-02-01 dept=eng
host odd type=aws/us-east-1/m5.lrge state=running from=2024-02-27 purchase=reserved os=linux
host quiet type=aws/us-east-1/m5.large dept=eng
`

func exampleScript(t *testing.T) *script {
	s := newScript(t)
	s.run("example", exampleFleet)
	return s
}

// golden compares JSON with a file of testdata and reads it back: nothing is
// lost on the way. What names the catalogue inside the program is left out.
func golden[T any](t *testing.T, name string, x T) {
	t.Helper()
	got := append(asJSON(t, x), '\n')
	var back T
	if err := json.Unmarshal(got, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(got), string(asJSON(t, back))+"\n"); diff != "" {
		t.Errorf("read back (-written +read)\n%s", diff)
	}
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got)\n%s", name, diff)
	}
}

// TestJSON holds the documented JSON of a report and of its explanation.
func TestJSON(t *testing.T) {
	s := exampleScript(t)
	env, req, err := s.question("2024-02", []string{"by=dept"})
	if err != nil {
		t.Fatal(err)
	}
	env.ZoneData, req.Program = "2024a", "leanfleet test"
	r, err := chargeback.Report(t.Context(), env, req)
	if err != nil {
		t.Fatal(err)
	}
	checkSums(t, &r)
	r.Prices.Book.Embedded, r.Manifest.Prices.Embedded, r.Manifest.Digest = "catalogue", "catalogue", "digest"
	golden(t, "report.golden.json", r)
	x, err := chargeback.Explain(t.Context(), env, s.memory, chargeback.ExplainRequest{Request: req, Host: "web"})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "explain.golden.json", x)
}

// TestJSONFields holds the keys that others read.
func TestJSONFields(t *testing.T) {
	env, req, err := exampleScript(t).question("2024-02", []string{"by=dept"})
	if err != nil {
		t.Fatal(err)
	}
	r, err := chargeback.Report(t.Context(), env, req)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Period   struct{ Start, End, Timezone string }
		Currency string
		Total    struct {
			Cost, Effective_cost json.Number
			Host_hours           float64
		}
		Groups []struct {
			Group                map[string]*string
			Cost, Effective_cost json.Number
			Host_hours           float64
			Hosts                []struct {
				Host string
				Cost *json.Number
			}
		}
		Prices, Method map[string]any
	}
	if err := json.Unmarshal(asJSON(t, r), &got); err != nil {
		t.Fatal(err)
	}
	if got.Period.Start != "2024-02-01T00:00:00Z" || got.Period.End != "2024-03-01T00:00:00Z" || got.Period.Timezone != "UTC" || got.Currency != "USD" {
		t.Errorf("%+v", got.Period)
	}
	last := got.Groups[len(got.Groups)-1]
	if last.Group["dept"] != nil || last.Hosts[0].Host != "odd" || last.Hosts[0].Cost != nil {
		t.Errorf("the group without a department: %+v", last)
	}
	if _, frac, _ := strings.Cut(got.Total.Cost.String(), "."); len(frac) != 2 {
		t.Errorf("the total is %s", got.Total.Cost)
	}
	if len(got.Prices) == 0 || got.Method["rules"] != chargeback.Rules {
		t.Errorf("prices %v, method %v", got.Prices, got.Method)
	}
}

// TestManifestRefuses: what a report depends on and is no longer so is named.
func TestManifestRefuses(t *testing.T) {
	f := func(name, want string, change func(s *script, env *chargeback.Environment, m *chargeback.Manifest)) {
		t.Helper()
		s := exampleScript(t)
		env, req, err := s.question("2024-02", []string{"by=dept"})
		if err != nil {
			t.Fatal(err)
		}
		r, err := chargeback.Report(t.Context(), env, req)
		if err != nil {
			t.Fatal(err)
		}
		m := r.Manifest
		change(s, &env, &m)
		again, err := chargeback.Report(t.Context(), env, chargeback.Request{Manifest: &m})
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case want == "":
			if diff := cmp.Diff(string(asJSON(t, r)), string(asJSON(t, again))); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		case !errors.Is(err, chargeback.ErrManifest) || !strings.Contains(err.Error(), want):
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	run := func(line string) func(*script, *chargeback.Environment, *chargeback.Manifest) {
		return func(s *script, _ *chargeback.Environment, _ *chargeback.Manifest) { s.run("change", line) }
	}
	f("nothing", "", run(""))
	f("a record after the period", "", run("host web dept=ops effective=2024-03-02"))
	f("a record of the period", "records of hosts changed", run("host web dept=ops effective=2024-02-20"))
	f("a host that moved in", "records of hosts changed", run("host new type=aws/us-east-1/m5.large state=running from=2024-02-03"))
	f("samples of a stated host", "", run("samples web 2024-02-05 2024-02-06 1h"))
	f("samples in a gap", "the samples of the period changed", run("samples db 2024-02-06 2024-02-07 1h"))
	f("samples that show it ran longer", "records of hosts changed", run("samples db 2024-02-20 2024-02-21 1h"))
	f("prices", "", run("read 2024-02-02 aws/us-east-1/m5.large 0.12"))
	f("rules", "rules", func(_ *script, _ *chargeback.Environment, m *chargeback.Manifest) { m.Rules = "chargeback/0" })
	f("zone data", "zone data", func(_ *script, _ *chargeback.Environment, m *chargeback.Manifest) { m.ZoneData = "1999a" })
	f("commitments", "commitments differ", func(_ *script, env *chargeback.Environment, _ *chargeback.Manifest) { env.Commitments = nil })
	f("a revision nobody has", "readings", func(_ *script, _ *chargeback.Environment, m *chargeback.Manifest) { m.Prices.Live = "99-00" })
	f("another selector", "changed since it was written", func(_ *script, _ *chargeback.Environment, m *chargeback.Manifest) { m.Request.Select = "dept=eng" })
	f("another digest of records", "changed since it was written", func(_ *script, _ *chargeback.Environment, m *chargeback.Manifest) {
		m.Inputs.Records = strings.Repeat("0", 64)
	})
	f("another program", "changed since it was written", func(_ *script, _ *chargeback.Environment, m *chargeback.Manifest) { m.Program = "hand" })
	f("no digest", "has no digest", func(_ *script, _ *chargeback.Environment, m *chargeback.Manifest) { m.Digest = "" })
	f("a manifest in a manifest", "manifest itself", func(_ *script, _ *chargeback.Environment, m *chargeback.Manifest) {
		m.Request.Manifest = &chargeback.Manifest{}
	})
}

// TestManifestKeepsRates: the rates of a report come from its manifest.
func TestManifestKeepsRates(t *testing.T) {
	s := exampleScript(t)
	s.run("rates", "rate USD/EUR=0.90")
	env, req, err := s.question("2024-02", []string{"currency=EUR"})
	if err != nil {
		t.Fatal(err)
	}
	first, err := chargeback.Report(t.Context(), env, req)
	if err != nil {
		t.Fatal(err)
	}
	env.Rates = nil
	again, err := chargeback.Report(t.Context(), env, chargeback.Request{Manifest: &first.Manifest})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(asJSON(t, first)), string(asJSON(t, again))); diff != "" {
		t.Error(diff)
	}
	if len(first.Prices.Rates) != 1 || first.Currency != "EUR" {
		t.Errorf("%+v", first.Prices.Rates)
	}
}

// TestRequests: what a request may not say, and what it means when it says
// nothing.
func TestRequests(t *testing.T) {
	env, _, err := exampleScript(t).question("", nil)
	if err != nil {
		t.Fatal(err)
	}
	f := func(req chargeback.Request, want string) {
		t.Helper()
		var bad *fleet.RequestError
		if _, err := chargeback.Report(t.Context(), env, req); !errors.As(err, &bad) || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v (%T), want a wrong request with %q", req, err, err, want)
		}
	}
	f(chargeback.Request{GroupBy: []string{"set"}}, "sets may overlap")
	f(chargeback.Request{GroupBy: []string{"dept", "dept"}}, "stands twice")
	f(chargeback.Request{Period: "2024-02", Currency: "EUR"}, "EUR")
	f(chargeback.Request{Period: "2024-02", Start: "2024-02-01"}, "either a period or start and end")
	f(chargeback.Request{Start: "2024-02-01"}, "without an end")
	f(chargeback.Request{End: "2024-02-01"}, "without a start")
	f(chargeback.Request{Start: "2024-02-02", End: "2024-02-01"}, "is empty")
	f(chargeback.Request{Period: "2024-04"}, "lies in the future")
	f(chargeback.Request{Period: "1800-01-01..2024-01-01"}, "longer than 100 years")
	f(chargeback.Request{Select: "dept="}, "selector")
	f(chargeback.Request{Currency: "EURO"}, "did you mean EUR")
	f(chargeback.Request{Rates: []money.Rate{{From: "EUR", To: "EUR", Value: money.Whole(1)}}}, "to itself")
	f(chargeback.Request{Timezone: "Mars/Olympus"}, "Mars/Olympus")
	r, err := chargeback.Report(t.Context(), env, chargeback.Request{})
	if err != nil || r.Period.Start != at("2024-02-01") || r.Period.End != at("2024-03-01") || len(r.Groups) != 1 {
		t.Errorf("without words: %v %+v", err, r.Period)
	}
	same, err := chargeback.Report(t.Context(), env, chargeback.Request{Start: "2024-02-01", End: "2024-02-29"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(asJSON(t, r)), string(asJSON(t, same))); diff != "" {
		t.Errorf("start and end: %s", diff)
	}
}

// failing is a source of which something fails.
type failing struct {
	fleet.Source
	records, samples error
}

func (f failing) Records(ctx context.Context, sel fleet.Selector, w fleet.Window) ([]fleet.Record, error) {
	if f.records != nil {
		return nil, f.records
	}
	return f.Source.Records(ctx, sel, w)
}

func (f failing) Profiles(ctx context.Context, q fleet.Query) iter.Seq2[fleet.Profile, error] {
	return func(yield func(fleet.Profile, error) bool) {
		if f.samples != nil && !yield(fleet.Profile{}, f.samples) {
			return
		}
		f.Source.Profiles(ctx, q)(yield)
	}
}

// TestErrorsOfTheSource: an error ends a report; a damaged file does so unless
// what is left is asked for, and then it is named.
func TestErrorsOfTheSource(t *testing.T) {
	s := exampleScript(t)
	env, req, err := s.question("2024-02", nil)
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	env.Source = failing{Source: s.memory, records: broken}
	if _, err := chargeback.Report(t.Context(), env, req); !errors.Is(err, broken) {
		t.Errorf("records: %v", err)
	}
	env.Source = failing{Source: s.memory, samples: broken}
	if _, err := chargeback.Report(t.Context(), env, req); !errors.Is(err, broken) {
		t.Errorf("samples: %v", err)
	}
	env.Source = failing{Source: s.memory, samples: &fleet.DamagedError{File: "days/2024-02-05.parquet", Day: "2024-02-05", Err: broken}}
	if _, err := chargeback.Report(t.Context(), env, req); err == nil || !strings.Contains(err.Error(), "--partial") {
		t.Errorf("damage: %v", err)
	}
	req.Partial = true
	r, err := chargeback.Report(t.Context(), env, req)
	if err != nil || len(r.Damaged) != 1 || r.Damaged[0].Day != "2024-02-05" {
		t.Errorf("partial: %v %+v", err, r.Damaged)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	env.Source = s.memory
	if _, err := chargeback.Report(ctx, env, req); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestDamagedBook: a book that cannot be read is an error, never no price.
func TestDamagedBook(t *testing.T) {
	s := exampleScript(t)
	env, req, err := s.question("2024-02", nil)
	if err != nil {
		t.Fatal(err)
	}
	var file strings.Builder
	if _, err := s.book.WriteTo(&file); err != nil {
		t.Fatal(err)
	}
	data := []byte(file.String())
	data[len(data)-3] ^= 0x40
	if env.Book, err = pricing.ReadBook(data, pricing.Options{}); err == nil {
		_, err = chargeback.Report(t.Context(), env, req)
	}
	if !errors.Is(err, pricing.ErrBook) {
		t.Errorf("%v", err)
	}
}

// TestStalePrices: prices that were last seen in their list long before the use
// are named, those that were confirmed since and those of own sheets are not.
func TestStalePrices(t *testing.T) {
	s := newScript(t)
	s.run("stale", `
now 2024-03-05
read 2023-06-01 aws/us-east-1/m5.large 0.10
read 2023-05-01 aws/us-east-1/m5.xlarge 0.20
read 2023-06-01 aws/us-west-2/m5.large 0.10
read 2024-02-01 aws/us-west-2/m5.large 0.10
sheet price,onprem,dc1,blade,,0.50,USD,,,,,,
read 2023-07-01 aws/us-east-1 disk gp3 0.08
read 2023-07-02 aws/us-east-1 address 0.005
read 2023-06-01 aws/us-west-2 disk gp3 0.08
read 2024-02-01 aws/us-west-2 disk gp3 0.08
sheet disk,onprem,dc1,,,,USD,,,,ssd,0.05,
host a type=aws/us-east-1/m5.large state=running from=2024-01-01 disks=gp3:10 addresses=1
host b type=aws/us-east-1/m5.xlarge state=running from=2024-01-01 disks=none addresses=0
host c type=aws/us-west-2/m5.large state=running from=2024-01-01 disks=gp3:10 addresses=0
host d type=onprem/dc1/blade state=running disks=ssd:10 from=2024-01-01 addresses=0
`)
	env, req, err := s.question("2024-02", nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := chargeback.Report(t.Context(), env, req)
	if err != nil {
		t.Fatal(err)
	}
	want := []chargeback.StalePrices{
		{What: "compute", Provider: "aws", Region: "us-east-1", LastSeen: "2023-05-01", Days: 305},
		{What: "disk", Provider: "aws", Region: "us-east-1", LastSeen: "2023-07-01", Days: 244},
		{What: "address", Provider: "aws", Region: "us-east-1", LastSeen: "2023-07-02", Days: 243},
	}
	if diff := cmp.Diff(want, r.Prices.Stale); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// TestMixedState: a record of which a state was stated in the middle is
// estimated up to there only.
func TestMixedState(t *testing.T) {
	s := newScript(t)
	s.run("mixed", `
now 2024-03-05
read 2023-01-01 aws/us-east-1/m5.large 0.10
host a type=aws/us-east-1/m5.large disks=none addresses=0
samples a 2024-02-10 2024-02-11 1h
samples a 2024-02-12 2024-02-14 1h
`)
	// Learned today and for the past, but evidence from the 13th only.
	if _, err := s.memory.PutRecords(t.Context(), []fleet.Statement{{Record: fleet.Record{Host: "a", State: fleet.StateRunning}}}, fleet.Put{At: s.now, Effective: at("2024-02-13")}); err != nil {
		t.Fatal(err)
	}
	s.run("mixed", `
lines 2024-02
  # from the 10th, 20 days; unknown until the 13th, of which the 11th has no sample
  total cost=48.00 hours=480 estimated=24
    a cost=48.00 hours=480 estimated=24
explain a 2024-02
  2024-02-10T00:00:00Z 2024-02-13T00:00:00Z unknown compute m5.large 0.1 cost=7.20 effective=7.20
  2024-02-13T00:00:00Z 2024-03-01T00:00:00Z running compute m5.large 0.1 cost=40.80 effective=40.80
  gap 2024-02-11T00:00:00Z..2024-02-12T00:00:00Z
`)
}

// TestManyHosts goes past the number of hosts that are asked for by name.
func TestManyHosts(t *testing.T) {
	s := newScript(t)
	s.run("many", "now 2024-03-05\nread 2023-01-01 aws/us-east-1/m5.large 0.10")
	for i := range 150 {
		name := time.Duration(i).String()
		s.run("many", "host "+name+" type=aws/us-east-1/m5.large\nsamples "+name+" 2024-02-10 2024-02-10T02:00 1h memory_usage")
	}
	s.run("many", "charge 2024-02\n  total cost=30.00 hours=300")
}
