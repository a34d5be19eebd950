package chargeback_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/leanfleet/leanfleet/chargeback"
	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/fleettest"
	"github.com/leanfleet/leanfleet/internal/zones"
	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
)

// drawn is a random fleet with random prices.
type drawn struct {
	memory *fleettest.Memory
	env    chargeback.Environment
	grid   time.Duration // all times are multiples of it after begin
}

var (
	fleetBegin = at("2024-01-20")
	fleetEnd   = at("2024-03-12")
	fleetNow   = at("2024-04-01")
)

var drawnTypes = [][3]string{
	{"aws", "us-east-1", "m5.large"}, {"aws", "us-east-1", "m5.xlarge"}, {"gcp", "us-central1", "n1-standard-1"},
	{"gcp", "us-central1", "n2-standard-2"}, {"azure", "eastus", "Standard_D2s_v5"}, {"onprem", "dc1", "blade"}, {"gcp", "us-central1", "n1-highmem-2"}, {"gcp", "us-central1", "n1-standard-4"},
}

func drawTime(t *rapid.T, grid time.Duration, label string) time.Time {
	n := int64(fleetEnd.Sub(fleetBegin) / grid)
	return fleetBegin.Add(time.Duration(rapid.Int64Range(0, n).Draw(t, label)) * grid)
}

// drawFleet makes a fleet; stated leaves no state unknown.
func drawFleet(t *rapid.T, book *pricing.Book, grid time.Duration, stated bool) *drawn {
	d := &drawn{memory: fleettest.NewMemory(fleettest.Options{}), grid: grid}
	for i := range rapid.IntRange(1, 4).Draw(t, "hosts") {
		d.drawHost(t, fmt.Sprintf("h%d", i), stated)
	}
	d.env = chargeback.Environment{
		Environment: fleet.Environment{Source: d.memory, Metrics: fleettest.Metrics(), Now: fleetNow, Zone: zones.Load},
		Book:        book, ZoneData: zones.Version(),
	}
	return d
}

func (d *drawn) put(t *rapid.T, s fleet.Statement, effective time.Time) {
	if _, err := d.memory.PutRecords(context.Background(), []fleet.Statement{s}, fleet.Put{At: fleetNow, Effective: effective}); err != nil {
		t.Fatal(err)
	}
}

func (d *drawn) drawHost(t *rapid.T, name string, stated bool) {
	states := []fleet.State{fleet.StateRunning, fleet.StateRunning, fleet.StateStopped, fleet.StateTerminated}
	typ := rapid.SampledFrom(drawnTypes).Draw(t, "type")
	s := fleet.Statement{Record: fleet.Record{Host: fleet.HostID(name), Provider: typ[0], Region: typ[1], InstanceType: typ[2]}}
	if stated || rapid.Bool().Draw(t, "stated") {
		s.State = rapid.SampledFrom(states[:3]).Draw(t, "state")
	}
	s.From = fleetBegin
	if !stated {
		s.From = drawTime(t, d.grid, "from")
	}
	if rapid.Bool().Draw(t, "disks") {
		s.Disks = []fleet.Disk{{Type: "gp3", GiB: float64(rapid.IntRange(1, 500).Draw(t, "gib"))}}
	}
	if rapid.Bool().Draw(t, "addresses") {
		n := rapid.IntRange(0, 2).Draw(t, "n")
		s.Addresses = &n
	}
	s.Tags = fleet.Tags{"dept": "a"}
	d.put(t, s, time.Time{})
	for range rapid.IntRange(0, 6).Draw(t, "events") {
		e := fleet.Statement{Record: fleet.Record{Host: fleet.HostID(name)}}
		switch rapid.IntRange(0, 4).Draw(t, "event") {
		case 0:
			typ := rapid.SampledFrom(drawnTypes).Draw(t, "type")
			e.Provider, e.Region, e.InstanceType = typ[0], typ[1], typ[2]
		case 1:
			e.Tags = fleet.Tags{"dept": rapid.SampledFrom([]string{"a", "b"}).Draw(t, "dept")}
		case 2:
			e.Clear = []string{"tag_dept"}
		default:
			e.State = rapid.SampledFrom(states).Draw(t, "state")
		}
		d.put(t, e, drawTime(t, d.grid, "at"))
	}
	if !stated && rapid.Bool().Draw(t, "sampled") {
		d.samples(t, name)
	}
}

func (d *drawn) samples(t *rapid.T, name string) {
	b := fleet.Batch{Host: fleet.HostID(name), Origin: fleet.OriginImport, Step: 3600000, Columns: []fleet.Column{{Metric: fleet.CPUUsage}}}
	start := drawTime(t, time.Hour, "samples")
	for range rapid.IntRange(1, 200).Draw(t, "count") {
		if rapid.IntRange(0, 9).Draw(t, "gap") > 0 {
			b.Start, b.Columns[0].Values = append(b.Start, start.UnixMilli()), append(b.Columns[0].Values, 1)
		}
		start = start.Add(time.Hour)
	}
	if len(b.Start) == 0 {
		return
	}
	if _, err := d.memory.Append(context.Background(), []fleet.Batch{b}); err != nil {
		t.Fatal(err)
	}
}

// drawBook makes a price book: the catalogue, live readings, a sheet.
func drawBook(t *rapid.T, empty func() *pricing.Book, grid time.Duration) *pricing.Book {
	return drawBookIn(t, empty, grid, money.USD)
}

// drawBookIn is drawBook with machines of one's own in a currency.
func drawBookIn(t *rapid.T, empty func() *pricing.Book, grid time.Duration, own money.Currency) *pricing.Book {
	b := empty()
	var times []time.Time
	for range rapid.IntRange(0, 5).Draw(t, "readings") {
		times = append(times, drawTime(t, grid, "read"))
	}
	slices.SortFunc(times, time.Time.Compare)
	for _, when := range times {
		typ := rapid.SampledFrom(drawnTypes[:5]).Draw(t, "type")
		p, err := money.ParsePrice(fmt.Sprintf("0.%06d", rapid.IntRange(1, 999999).Draw(t, "price")), money.USD)
		if err != nil {
			t.Fatal(err)
		}
		items := []pricing.Item{
			{Offer: &pricing.Offer{Provider: typ[0], Region: typ[1], InstanceType: typ[2], OS: pricing.Linux, Purchase: pricing.OnDemand, PerHour: p, ObservedAt: when, Basis: pricing.Observed, Source: "test"}},
			{Storage: &pricing.StorageOffer{Provider: typ[0], Region: typ[1], DiskType: "gp3", PerGiBMonth: p, ObservedAt: when, Basis: pricing.Observed, Source: "test"}},
			{Address: &pricing.AddressOffer{Provider: typ[0], Region: typ[1], PerHour: p, Idle: rapid.Bool().Draw(t, "idle"), ObservedAt: when, Basis: pricing.Observed, Source: "test"}},
		}
		if typ[0] == pricing.AWS && rapid.Bool().Draw(t, "plan") {
			rate := *items[0].Offer
			rate.Purchase, rate.Term = pricing.SavingsPlan, pricing.Term{Years: 1}
			rate.PerHour = rate.PerHour.Less(money.Whole(int64(rapid.IntRange(-20, 60).Draw(t, "off"))))
			items = append(items, pricing.Item{Offer: &rate})
		}
		if rapid.Bool().Draw(t, "valid") {
			items[0].Offer.ValidFrom = drawTime(t, grid, "since")
		}
		if _, err := b.Add(pricing.Reading{List: "test", Provider: typ[0], Region: typ[1], At: when}, items); err != nil {
			t.Fatal(err)
		}
	}
	if !rapid.Bool().Draw(t, "sheet") {
		return b
	}
	sheet, err := pricing.ParseSheet("s.csv", strings.NewReader(sheetHeader+"\nprice,onprem,dc1,blade,,0.123457,"+string(own)+",,,,,,\ndiscount,aws,,,,,,12.5,2024-02-10,2024-02-20,,,\n"))
	if err != nil {
		t.Fatal(err)
	}
	if b, err = b.With(pricing.Options{Sheet: sheet}); err != nil {
		t.Fatal(err)
	}
	return b
}

func drawCommitments(t *rapid.T) *pricing.Commitments {
	if rapid.Bool().Draw(t, "no commitments") {
		return nil
	}
	rows := []string{
		commitmentHeader,
		"s2,savings_plan,aws,us-east-1,,,,0.04,,USD,2024-01-01,2024-12-31,1",
		"r1,reserved,aws,us-east-1,m5.large,1,0.06,,,USD,2024-01-01,2024-02-14,",
		"g1,committed_use,gcp,us-central1,n1-standard-1,1,0.02,,,USD,2024-02-01,2024-12-31,",
		"s1,savings_plan,aws,,,,,0.03,20,USD,2024-02-03,2024-12-31,",
		"z1,reserved,azure,westeurope,Standard_D2s_v5,3,0.05,,,USD,2024-01-01,2024-12-31,", // nothing is there
	}
	c, err := pricing.ParseCommitments("c.csv", strings.NewReader(strings.Join(rows, "\n")+"\n"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// drawRates are rates between all currencies, some of which change on a day.
func drawRates(t *rapid.T) *money.Rates {
	var list []money.Rate
	all := []money.Currency{"USD", "EUR", "JPY", "KWD"}
	for _, from := range all {
		for _, to := range all {
			if from == to {
				continue
			}
			for _, day := range []string{"2023-01-01", "2024-02-11"} {
				list = append(list, money.Rate{From: from, To: to, Date: at(day), Source: "test", Value: money.FromScaled(rapid.Int64Range(1, 1e6).Draw(t, "rate"), 4)})
			}
		}
	}
	r, err := money.NewRates(list...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func windowText(from, to time.Time) string {
	return from.Format(time.RFC3339) + ".." + to.Format(time.RFC3339)
}

// TestPartsSumToTheWhole: for random fleets, tags, states, prices in several
// currencies, commitments, zones with days of 23 hours, and periods over the end
// of a leap February, parts sum to lines, lines to groups, groups to the total; the
// total is the same however the fleet is grouped; explained pieces sum to their
// line.
func TestPartsSumToTheWhole(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		own := rapid.SampledFrom([]money.Currency{"USD", "EUR", "JPY"}).Draw(r, "own currency")
		d := drawFleet(r, drawBookIn(r, func() *pricing.Book { return newBook(t) }, time.Second, own), time.Second, false)
		d.env.Commitments = drawCommitments(r)
		d.env.Rates = drawRates(r)
		from, to := drawTime(r, time.Second, "start"), drawTime(r, time.Second, "end")
		if !from.Before(to) {
			from, to = to, from.Add(time.Second)
		}
		req := chargeback.Request{Period: windowText(from, to), GroupBy: []string{"dept"}, Timezone: rapid.SampledFrom([]string{"", "Europe/Berlin", "Asia/Kolkata", "America/New_York"}).Draw(r, "zone"),
			StrictPrices: rapid.Bool().Draw(r, "strict"), Currency: rapid.SampledFrom([]money.Currency{"USD", "JPY", "KWD"}).Draw(r, "currency")}
		grouped, err := chargeback.Report(t.Context(), d.env, req)
		if err != nil {
			r.Fatal(err)
		}
		checkSums(t, &grouped)
		for _, by := range [][]string{nil, {"instance_type", "dept"}, {"host"}} {
			other := req
			other.GroupBy = by
			x, err := chargeback.Report(t.Context(), d.env, other)
			if err != nil {
				r.Fatal(err)
			}
			checkSums(t, &x)
			if a, b := showFigures(&grouped.Total.Figures), showFigures(&x.Total.Figures); withoutParts(a) != withoutParts(b) {
				r.Fatalf("by dept: %s\nby %v: %s", a, by, b)
			}
		}
		for _, g := range grouped.Groups {
			for _, l := range g.Hosts {
				checkExplained(r, d, req, l.Host)
			}
		}
	})
}

// withoutParts leaves out disks and addresses, which are sums of rounded
// parts and may differ by some units from grouping to grouping.
func withoutParts(s string) string {
	return strings.Join(slices.DeleteFunc(strings.Fields(s), func(w string) bool {
		return strings.HasPrefix(w, "disks=") || strings.HasPrefix(w, "addresses=")
	}), " ")
}

func checkExplained(r *rapid.T, d *drawn, req chargeback.Request, host fleet.HostID) {
	x, err := chargeback.Explain(context.Background(), d.env, d.memory, chargeback.ExplainRequest{Request: req, Host: string(host)})
	if err != nil {
		r.Fatal(err)
	}
	sums := map[string]money.Amount{}
	for _, p := range x.Pieces {
		if p.Cost == nil {
			continue
		}
		if sums[p.Group.ID()], err = sums[p.Group.ID()].Add(p.Cost.In(x.Currency)); err != nil {
			r.Fatal(err)
		}
	}
	for _, l := range x.Lines {
		if l.Cost == nil {
			continue
		}
		if sum := sums[l.Group.ID()].In(x.Currency); !sum.Equal(l.Cost.In(x.Currency)) {
			r.Fatalf("%s in %s costs %s, its pieces %s", host, l.Group, l.Cost, sum)
		}
	}
}

// TestAdjacentPeriodsEqualTheirUnion: exact costs of two periods are those of
// the period they make, in each group, with sustained use, commitments, the
// minimum of a start and zones whose hours are not whole.
func TestAdjacentPeriodsEqualTheirUnion(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		d := drawFleet(r, drawBook(r, func() *pricing.Book { return newBook(t) }, time.Second), time.Second, false)
		d.env.Commitments = drawCommitments(r)
		cuts := []time.Time{drawTime(r, time.Second, "a"), drawTime(r, time.Second, "b"), drawTime(r, time.Second, "c")}
		slices.SortFunc(cuts, time.Time.Compare)
		if !cuts[0].Before(cuts[1]) || !cuts[1].Before(cuts[2]) {
			return
		}
		zone := rapid.SampledFrom([]string{"", "Europe/Berlin", "Asia/Kolkata", "America/New_York"}).Draw(r, "zone")
		ask := func(from, to time.Time) map[string][3]*big.Rat {
			x, err := chargeback.Exact(t.Context(), d.env, chargeback.Request{Period: windowText(from, to), GroupBy: []string{"dept"}, Timezone: zone})
			if err != nil {
				r.Fatal(err)
			}
			return x
		}
		first, second, both := ask(cuts[0], cuts[1]), ask(cuts[1], cuts[2]), ask(cuts[0], cuts[2])
		for group, want := range both {
			for i := range want {
				sum := new(big.Rat)
				for _, part := range []map[string][3]*big.Rat{first, second} {
					if x, ok := part[group]; ok {
						sum.Add(sum, x[i])
					}
				}
				if sum.Cmp(want[i]) != 0 {
					r.Fatalf("cost %d of %q: %s and then %s, together %s", i, group, rat(first, group, i), rat(second, group, i), want[i].FloatString(12))
				}
			}
		}
	})
}

// TestCommitmentsAreThePlainOnes: a report is the same, to the last byte, as one
// whose commitments are applied in the plain way; beside what that one does not
// look at: the rates that were used.
func TestCommitmentsAreThePlainOnes(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		d := drawFleet(r, drawBook(r, func() *pricing.Book { return newBook(t) }, time.Second), time.Second, false)
		for d.env.Commitments == nil {
			d.env.Commitments = drawCommitments(r)
		}
		from, to := drawTime(r, time.Second, "start"), drawTime(r, time.Second, "end")
		if !from.Before(to) {
			from, to = to, from.Add(time.Second)
		}
		req := chargeback.Request{Period: windowText(from, to), GroupBy: []string{"dept"}, StrictPrices: rapid.Bool().Draw(r, "strict")}
		got, err := chargeback.Report(t.Context(), d.env, req)
		if err != nil {
			r.Fatal(err)
		}
		want, err := chargeback.PlainReport(t.Context(), d.env, req)
		if err != nil {
			r.Fatal(err)
		}
		for _, x := range []*chargeback.Result{&got, &want} {
			x.Prices = chargeback.Prices{}
			unmark := func(f *chargeback.Figures) { f.PriceBasis, f.NearestLaterHours = "", 0 }
			unmark(&x.Total.Figures)
			for i := range x.Groups {
				unmark(&x.Groups[i].Figures)
				for j := range x.Groups[i].Hosts {
					l := &x.Groups[i].Hosts[j]
					unmark(&l.Figures)
					l.Basis, l.PriceDates = nil, nil
				}
			}
		}
		if a, b := asJSON(t, got), asJSON(t, want); !bytes.Equal(a, b) {
			r.Fatalf("got:\n%s\nwant:\n%s", a, b)
		}
	})
}

func rat(m map[string][3]*big.Rat, group string, i int) string {
	if x, ok := m[group]; ok {
		return x[i].FloatString(12)
	}
	return "nothing"
}

// TestAgainstPlainComputation holds reports against a computation that walks
// through time in steps of ten minutes and asks for each host and step what it
// was and what it cost then.
func TestAgainstPlainComputation(t *testing.T) {
	const grid = 10 * time.Minute
	rapid.Check(t, func(r *rapid.T) {
		d := drawFleet(r, drawBook(r, func() *pricing.Book { return newBook(t) }, grid), grid, true)
		from, to := drawTime(r, grid, "start"), drawTime(r, grid, "end")
		if !from.Before(to) {
			from, to = to, from.Add(grid)
		}
		got, err := chargeback.Exact(t.Context(), d.env, chargeback.Request{Period: windowText(from, to), GroupBy: []string{"dept"}})
		if err != nil {
			r.Fatal(err)
		}
		want := d.plain(r, from, to)
		for group := range got {
			if want[group] == ([3]*big.Rat{}) {
				want[group] = [3]*big.Rat{new(big.Rat), new(big.Rat), new(big.Rat)}
			}
		}
		for group, w := range want {
			g, ok := got[group]
			for i := range w {
				if !ok && w[i].Sign() == 0 {
					continue
				}
				if !ok || g[i].Cmp(w[i]) != 0 {
					r.Fatalf("cost %d of %q is %s, step by step %s", i, group, rat(got, group, i), w[i].FloatString(12))
				}
			}
		}
	})
}

// plain adds up costs step by step.
func (d *drawn) plain(r *rapid.T, from, to time.Time) map[string][3]*big.Rat {
	out := map[string][3]*big.Rat{}
	records, err := d.memory.Records(context.Background(), fleet.Selector{}, fleet.Window{})
	if err != nil {
		r.Fatal(err)
	}
	ran := used{}
	y, m, _ := from.Date()
	for at := time.Date(y, m, 1, 0, 0, 0, 0, time.UTC); at.Before(to); at = at.Add(d.grid) {
		for i := range records {
			x := &records[i]
			if !x.ValidAt(at) || x.State == fleet.StateTerminated {
				continue
			}
			c := d.step(r, x, at, ran)
			if at.Before(from) {
				continue
			}
			group := "dept=-"
			if v, ok := x.Tags["dept"]; ok {
				group = "dept=" + v
			}
			for _, key := range []string{"", group} {
				sum := out[key]
				for k := range sum {
					if sum[k] == nil {
						sum[k] = new(big.Rat)
					}
					sum[k].Add(sum[k], c[k])
				}
				out[key] = sum
			}
		}
	}
	return out
}

// sustained is a type that earns sustained use: its series, vCPUs and quarter
// GiB, and what is left in each quarter of a month.
type sustained struct {
	family       string
	vcpus, units int
	tiers        [4]*big.Rat
}

var (
	tiersOf30 = [4]*big.Rat{big.NewRat(1, 1), big.NewRat(4, 5), big.NewRat(3, 5), big.NewRat(2, 5)}
	tiersOf20 = [4]*big.Rat{big.NewRat(1, 1), big.NewRat(13, 15), big.NewRat(11, 15), big.NewRat(3, 5)}

	sustainedTypes = map[string]sustained{
		"n1-standard-1": {"n1", 1, 15, tiersOf30}, "n1-standard-4": {"n1", 4, 60, tiersOf30}, "n1-highmem-2": {"n1", 2, 52, tiersOf30},
		"n2-standard-2": {"n2", 2, 32, tiersOf20},
	}
)

// used is for how many steps each unit of a host's resources ran on demand.
type used map[usedBy]*[2][60]int64

type usedBy struct {
	host   fleet.HostID
	family string
	month  time.Month
}

// share is the part of a price that is left in a step: each vCPU and each
// quarter GiB is in the quarter of the month that it ran itself, and the price
// is that of all vCPUs and that of all memory.
func (s sustained) share(r *rapid.T, d *drawn, x *fleet.Record, at time.Time, ran used, month int64) *big.Rat {
	key := usedBy{x.Host, s.family, at.Month()}
	if ran[key] == nil {
		ran[key] = &[2][60]int64{}
	}
	average := func(what, n int) *big.Rat {
		var in [4]int64
		for i := range n {
			in[ran[key][what][i]*4/month]++
			ran[key][what][i]++
		}
		sum := new(big.Rat)
		for i, units := range in {
			sum.Add(sum, new(big.Rat).Mul(s.tiers[i], big.NewRat(units, int64(n))))
		}
		return sum
	}
	vcpus, memory := average(0, s.vcpus), average(1, s.units)
	if vcpus.Cmp(memory) == 0 {
		return vcpus
	}
	c, err := d.env.Book.Components(pricing.OfferQuery{Provider: "gcp", Region: x.Region, Purchase: pricing.OnDemand}, s.family, false)
	if errors.Is(err, pricing.ErrNoPrice) {
		return vcpus // the type has none either there
	}
	if err != nil {
		r.Fatal(err)
	}
	ofVCPUs := c.PerVCPUHour.Decimal().Rat()
	ofVCPUs.Mul(ofVCPUs, big.NewRat(int64(s.vcpus), 1))
	ofMemory := c.PerGiBHour.Decimal().Rat()
	ofMemory.Mul(ofMemory, big.NewRat(int64(s.units), 4))
	both := new(big.Rat).Add(ofVCPUs, ofMemory)
	return vcpus.Quo(vcpus.Mul(vcpus, ofVCPUs).Add(vcpus, memory.Mul(memory, ofMemory)), both)
}

// step is what a host costs in one step.
func (d *drawn) step(r *rapid.T, x *fleet.Record, at time.Time, ran used) [3]*big.Rat {
	out := [3]*big.Rat{new(big.Rat), new(big.Rat), new(big.Rat)}
	steps := big.NewRat(int64(d.grid), int64(time.Hour))
	month := time.Date(at.Year(), at.Month()+1, 1, 0, 0, 0, 0, time.UTC).Sub(time.Date(at.Year(), at.Month(), 1, 0, 0, 0, 0, time.UTC))
	add := func(i int, p money.Price, factors ...*big.Rat) {
		v := p.Decimal().Rat()
		for _, f := range factors {
			v.Mul(v, f)
		}
		out[i].Add(out[i], v)
	}
	if x.State == fleet.StateRunning {
		share := big.NewRat(1, 1)
		if t, ok := sustainedTypes[x.InstanceType]; ok {
			share = t.share(r, d, x, at, ran, int64(month/d.grid))
		}
		if f, err := d.env.Book.Lookup(pricing.OfferQuery{Provider: x.Provider, Region: x.Region, InstanceType: x.InstanceType, At: at}); err == nil {
			add(0, f.List.PerHour, steps)
			add(1, f.Contracted, steps)
			add(2, f.Contracted, steps, share)
		}
	}
	for _, disk := range x.Disks {
		if f, err := d.env.Book.Storage(pricing.StorageQuery{Provider: x.Provider, Region: x.Region, DiskType: disk.Type, GiB: disk.GiB, At: at}); err == nil {
			for i := range out {
				add(i, f.PerGiBMonth, big.NewRat(int64(disk.GiB), 1), big.NewRat(int64(d.grid), int64(month)))
			}
		}
	}
	if x.Addresses != nil {
		if f, err := d.env.Book.Address(x.Provider, x.Region, x.State == fleet.StateStopped, at, time.Time{}, false); err == nil {
			for i := range out {
				add(i, f.PerHour, big.NewRat(int64(*x.Addresses), 1), steps)
			}
		}
	}
	return out
}

// TestManifestGivesTheSameReport: a report made from its manifest is the same,
// byte for byte, also after prices were read and time went by.
func TestManifestGivesTheSameReport(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		d := drawFleet(r, drawBook(r, func() *pricing.Book { return newBook(t) }, time.Second), time.Second, false)
		d.env.Commitments = drawCommitments(r)
		from, to := drawTime(r, time.Second, "start"), drawTime(r, time.Second, "end")
		if !from.Before(to) {
			from, to = to, from.Add(time.Second)
		}
		first, err := chargeback.Report(t.Context(), d.env, chargeback.Request{Period: windowText(from, to), GroupBy: []string{"dept"}, Program: "test 1"})
		if err != nil {
			r.Fatal(err)
		}
		if _, err := d.env.Book.Add(pricing.Reading{List: "later", Provider: "aws", Region: "us-east-1", At: fleetBegin}, []pricing.Item{
			{Offer: &pricing.Offer{Provider: "aws", Region: "us-east-1", InstanceType: "m5.large", OS: pricing.Linux, Purchase: pricing.OnDemand, PerHour: mustPrice("9.99"), ObservedAt: fleetBegin, Basis: pricing.Observed, Source: "later"}},
		}); err != nil {
			r.Fatal(err)
		}
		// The manifest goes through JSON, as it does in a file.
		var m chargeback.Manifest
		if err := json.Unmarshal(asJSON(t, first.Manifest), &m); err != nil {
			r.Fatal(err)
		}
		d.env.Now = fleetNow.AddDate(0, 3, 0)
		again, err := chargeback.Report(t.Context(), d.env, chargeback.Request{Manifest: &m, Program: "test 2"})
		if err != nil {
			r.Fatal(err)
		}
		if a, b := asJSON(t, first), asJSON(t, again); !bytes.Equal(a, b) {
			r.Fatalf("first:\n%s\nagain:\n%s", a, b)
		}
	})
}

func mustPrice(s string) money.Price {
	p, err := money.ParsePrice(s, money.USD)
	if err != nil {
		panic(err)
	}
	return p
}

func asJSON(t testing.TB, x any) []byte {
	t.Helper()
	b, err := json.MarshalIndent(x, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return b
}
