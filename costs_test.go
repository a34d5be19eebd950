package leanfleet_test

import (
	"context"
	"encoding/json"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/chargeback"
	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/catalog"
	"github.com/leanfleet/leanfleet/internal/embedded"
	"github.com/leanfleet/leanfleet/internal/store"
	"github.com/leanfleet/leanfleet/internal/zones"
	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
)

// TestRealTraceChargeback charges the Bitbrains trace of 2013 with the prices of
// the catalogue, all of which are later, and holds every department against a
// computation over the same files: hours from a host's first to its last sample
// times the price of its type.
func TestRealTraceChargeback(t *testing.T) {
	dir := traces(t)
	m := traceMonitor(t)
	samples, err := filepath.Glob(filepath.Join(dir, "bitbrains-*.csv.gz"))
	if err != nil {
		t.Fatal(err)
	}
	inventory := filepath.Join(dir, "bitbrains-inventory.csv")
	if _, err := m.Import(t.Context(), leanfleet.ImportRequest{Samples: samples, Inventory: []string{inventory}}); err != nil {
		t.Fatal(err)
	}
	r, err := m.Chargeback(t.Context(), chargeback.Request{Period: "2013-08", GroupBy: []string{"dept"}})
	if err != nil {
		t.Fatal(err)
	}
	want := plainCosts(t, samples, inventory)
	total := new(big.Rat)
	for _, g := range r.Groups {
		exact := want[*g.Group[0].Value]
		total.Add(total, exact)
		diff := g.Cost.In(money.USD).Exact()
		diff.Sub(diff, exact)
		if diff.Abs(diff).Cmp(big.NewRat(1, 100)) >= 0 {
			t.Errorf("%s costs %s, independently %s", g.Group, g.Cost, exact.FloatString(4))
		}
		if g.PriceBasis != pricing.NearestLater || g.NearestLaterHours != g.HostHours {
			t.Errorf("%s: %q, %v of %v hours are marked", g.Group, g.PriceBasis, g.NearestLaterHours, g.HostHours)
		}
		for _, l := range g.Hosts {
			if l.Cost == nil || l.PriceBasis != pricing.NearestLater || len(l.PriceDates) == 0 {
				t.Errorf("%s: %v %q %v", l.Name, l.Cost, l.PriceBasis, l.PriceDates)
			}
		}
	}
	if got := money.FromExact(total, money.USD).Round(); !r.Total.Cost.In(money.USD).Equal(got) || len(r.Groups) != len(want) {
		t.Errorf("%d groups cost %s, independently %s", len(r.Groups), r.Total.Cost, got)
	}
	t.Logf("%d hosts cost %s, effective %s, %v of %v hours estimated", r.Total.Hosts, r.Total.Cost, r.Total.EffectiveCost, r.Total.EstimatedHours, r.Total.HostHours)
	strict, err := m.Chargeback(t.Context(), chargeback.Request{Period: "2013-08", GroupBy: []string{"dept"}, StrictPrices: true})
	if err != nil {
		t.Fatal(err)
	}
	if strict.Total.Cost != nil || strict.Total.UnpricedHours != strict.Total.HostHours || len(strict.Unpriced) == 0 {
		t.Errorf("with strict prices: %v, %v of %v hours without a price", strict.Total.Cost, strict.Total.UnpricedHours, strict.Total.HostHours)
	}
}

// plainCosts computes what each department costs from the files alone.
func plainCosts(t *testing.T, samples []string, inventory string) map[string]*big.Rat {
	t.Helper()
	starts := map[string][]int64{}
	for _, path := range samples {
		readCSV(t, path, func(field func(string) string) {
			n, err := strconv.ParseInt(field("timestamp"), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			starts[field("host")] = append(starts[field("host")], n)
		})
	}
	c, err := catalog.Open()
	if err != nil {
		t.Fatal(err)
	}
	base := embedded.New(c)
	out := map[string]*big.Rat{}
	readCSV(t, inventory, func(field func(string) string) {
		list := starts[field("host")]
		if len(list) == 0 {
			return
		}
		slices.Sort(list)
		// A host's step is the commonest difference.
		steps := map[int64]int{}
		for i := 1; i < len(list); i++ {
			steps[list[i]-list[i-1]]++
		}
		var step int64
		for d, n := range steps {
			if n > steps[step] {
				step = d
			}
		}
		begin, end := list[0], list[len(list)-1]+step
		begin, end = max(begin, time.Date(2013, 8, 1, 0, 0, 0, 0, time.UTC).Unix()), min(end, time.Date(2013, 9, 1, 0, 0, 0, 0, time.UTC).Unix())
		var perHour *big.Rat
		for _, o := range base.Offers(field("provider"), field("region"), field("instance_type")) {
			if o.OS == pricing.Linux && o.Purchase == pricing.OnDemand {
				perHour = o.PerHour.Decimal().Rat()
			}
		}
		if perHour == nil {
			t.Fatalf("no price of %s", field("instance_type"))
		}
		dept := field("tag_dept")
		if out[dept] == nil {
			out[dept] = new(big.Rat)
		}
		out[dept].Add(out[dept], perHour.Mul(perHour, big.NewRat(end-begin, 3600)))
	})
	return out
}

// stateless is a source in which nobody stated a state, so that samples have to
// tell whether hosts ran.
type stateless struct{ fleet.Source }

func (s stateless) Records(ctx context.Context, sel fleet.Selector, w fleet.Window) ([]fleet.Record, error) {
	list, err := s.Source.Records(ctx, sel, w)
	for i := range list {
		list[i].State, list[i].Stated = fleet.StateUnknown, time.Time{}
	}
	return list, err
}

// benchCommitments are reserved instances, savings plans and committed use for
// the simulated fleet.
const benchCommitments = `id,purchase,provider,region,family,instance_type,count,size_flexible,vcpus,memory_gib,price_per_vcpu_hour,price_per_gib_hour,spend_per_hour,percent,price_per_hour,currency,start,end
ri-1,reserved,aws,us-east-1,,c6i.large,15,,,,,,,,0.06,USD,2025-06-01,2027-06-01
ri-2,reserved,aws,us-east-1,,m6i.large,10,true,,,,,,,0.065,USD,2025-06-01,2027-06-01
ri-3,reserved,aws,eu-west-1,,m6i.xlarge,8,,,,,,,,0.14,USD,2026-01-11,2027-01-11
ri-4,reserved,azure,eastus,,Standard_D2s_v5,20,,,,,,,,0.06,USD,2025-06-01,2027-06-01
cud-1,committed_use,gcp,us-central1,n2,,,,60,120,0.02,0.0027,,,,USD,2025-06-01,2027-06-01
cud-2,committed_use,gcp,europe-west1,e2,,,,20,80,0.015,0.002,,,,USD,2025-06-01,2027-06-01
sp-1,savings_plan,aws,,,,,,,,,,8.5,28,,USD,2025-06-01,2027-06-01
sp-2,savings_plan,aws,,m7g,,,,,,,,1.25,36,,USD,2026-01-16,2027-01-16
sp-3,savings_plan,azure,,,,,,,,,,3.125,17,,USD,2025-06-01,2027-06-01
`

// BenchmarkChargeback1000x31d is the cost of 1,000 hosts in a month by
// department, with opening the data directory and the catalogue: with states as
// the inventory has them, under nine commitments, with no states, where the
// samples of the month are read, and by the program, its start included, without
// and with the commitments.
func BenchmarkChargeback1000x31d(b *testing.B) {
	dir := benchFleet(b, 1000, 31)
	now := benchStart.AddDate(0, 1, 0)
	files := b.TempDir()
	commitments, config := filepath.Join(files, "commitments.csv"), filepath.Join(files, "config.yaml")
	for path, text := range map[string]string{commitments: benchCommitments, config: "prices:\n  commitments: [commitments.csv]\n"} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	check := func(r chargeback.Result, err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
		if r.Total.Hosts < 900 || r.Total.Cost == nil {
			b.Fatalf("%d hosts, cost %v", r.Total.Hosts, r.Total.Cost)
		}
	}
	req := chargeback.Request{Period: "2026-01", GroupBy: []string{"dept"}}
	for name, prices := range map[string]leanfleet.PriceOptions{"stated": {}, "commitments": {Commitments: []string{commitments}}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				m, err := leanfleet.Open(b.Context(), leanfleet.Options{Dir: dir, ReadOnly: true, Clock: func() time.Time { return now }, Prices: prices})
				if err != nil {
					b.Fatal(err)
				}
				r, err := m.Chargeback(b.Context(), req)
				check(r, err)
				used := 0
				for _, c := range r.Commitments {
					if c.Used.Sign() > 0 {
						used++
					}
				}
				if name == "commitments" && (used != 9 || len(r.Commitments) != 9) {
					b.Fatalf("%d of %d commitments are used", used, len(r.Commitments))
				}
				if err := m.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	program := filepath.Join(files, "leanfleet")
	if out, err := exec.Command("go", "build", "-o", program, "./cmd/leanfleet").CombinedOutput(); err != nil {
		b.Fatalf("build the program: %v\n%s", err, out)
	}
	for name, args := range map[string][]string{"process": nil, "process-commitments": {"--config", config}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				out, err := exec.Command(program, append([]string{"chargeback", "--data", dir, "--period", "2026-01", "--group-by", "dept", "-o", "json", "-q"}, args...)...).Output()
				if err != nil {
					b.Fatal(err)
				}
				var r chargeback.Result
				err = json.Unmarshal(out, &r)
				check(r, err)
			}
		})
	}
	b.Run("unknown", func(b *testing.B) {
		for b.Loop() {
			c, err := catalog.Open()
			if err != nil {
				b.Fatal(err)
			}
			s, err := store.Open(b.Context(), store.Options{Dir: dir, ReadOnly: true, Metrics: fleet.CanonicalMetrics(), Clock: func() time.Time { return now }})
			if err != nil {
				b.Fatal(err)
			}
			book, err := pricing.NewBook(pricing.Options{Base: embedded.New(c)})
			if err != nil {
				b.Fatal(err)
			}
			env := chargeback.Environment{Environment: fleet.Environment{Source: stateless{s}, Metrics: fleet.CanonicalMetrics(), Now: now, Zone: zones.Load}, Book: book}
			check(chargeback.Report(b.Context(), env, req))
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
