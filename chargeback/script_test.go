package chargeback_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leanfleet/leanfleet/chargeback"
	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/fleettest"
	"github.com/leanfleet/leanfleet/internal/catalog"
	"github.com/leanfleet/leanfleet/internal/embedded"
	"github.com/leanfleet/leanfleet/internal/zones"
	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
)

// TestScripts runs the scripts of testdata, whose numbers are worked out by
// hand in their comments. A line is a command; the lines expected as its answer
// stand indented beneath.
//
//	now TIME
//	sheet ROW                a row of an own price sheet, in CSV by sheetHeader
//	commitment ROW           a row of a commitments file, by commitmentHeader
//	rate EUR/USD=1.08 [DATE]
//	read TIME PROVIDER/REGION/TYPE PRICE [valid=TIME] [os=OS [licence=PRICE, which is added]] [purchase=P] [years=N] [currency=C]
//	read TIME PROVIDER/REGION disk TYPE PRICE | address PRICE [idle] | components SERIES VCPU-HOUR GIB-HOUR
//	host KEY type=PROVIDER/REGION/TYPE state= os= purchase= account= disks=gp3:100;gp3:50 addresses= dept= env=
//	         from= to= (valid_from, valid_to) effective= clear=FIELD
//	samples KEY FROM TO STEP [METRIC]
//	charge PERIOD [by=KEYS] [zone=] [select=] [strict] [currency=] [rate=] [prices-as-of=] [as-of=]
//	explain HOST PERIOD [...]
//	lines PERIOD [...]       as charge, with the lines of the hosts
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.script")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".script"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			newScript(t).run(file, string(text))
		})
	}
}

const (
	sheetHeader      = "kind,provider,region,instance_type,os,price_per_hour,currency,percent,valid_from,valid_to,disk_type,price_per_gib_month,idle"
	commitmentHeader = "id,purchase,provider,region,instance_type,count,price_per_hour,spend_per_hour,percent,currency,start,end,years"
)

type script struct {
	t           *testing.T
	now         time.Time
	memory      *fleettest.Memory
	book        *pricing.Book
	sheet       []string
	commitments []string
	rates       []money.Rate
}

func newScript(t *testing.T) *script {
	return &script{t: t, memory: fleettest.NewMemory(fleettest.Options{}), book: newBook(t)}
}

// newBook is a book over the embedded catalogue.
func newBook(tb testing.TB) *pricing.Book {
	tb.Helper()
	c, err := catalog.Open()
	if err != nil {
		tb.Fatal(err)
	}
	b, err := pricing.NewBook(pricing.Options{Base: embedded.New(c)})
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func at(s string) time.Time {
	t, err := fleet.ParseTime(s, nil)
	if err != nil {
		panic(err)
	}
	return t
}

func (s *script) run(file, text string) {
	s.t.Helper()
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); {
		line, n := strings.TrimSpace(lines[i]), i+1
		i++
		if line == "" || line[0] == '#' {
			continue
		}
		var want []string
		for i < len(lines) && strings.HasPrefix(lines[i], "  ") {
			if l := strings.TrimRight(lines[i], " "); !strings.HasPrefix(strings.TrimSpace(l), "#") {
				want = append(want, strings.TrimPrefix(l, "  "))
			}
			i++
		}
		got, err := s.command(strings.Fields(line))
		if err != nil {
			got = []string{"error: " + err.Error()}
			if len(want) == 1 && strings.HasPrefix(want[0], "error: ") && strings.Contains(got[0], strings.TrimPrefix(want[0], "error: ")) {
				continue
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			s.t.Errorf("%s:%d: %s (-want +got)\n%s", file, n, line, diff)
		}
	}
}

func (s *script) command(f []string) ([]string, error) {
	rest := strings.Join(f[1:], " ")
	switch f[0] {
	case "now":
		s.now = at(f[1])
	case "sheet":
		s.sheet = append(s.sheet, rest)
	case "commitment":
		if strings.Count(rest, ",") < strings.Count(commitmentHeader, ",") {
			rest += "," // years are left out
		}
		s.commitments = append(s.commitments, rest)
	case "rate":
		return nil, s.rate(f[1:])
	case "read":
		return nil, s.read(f[1:])
	case "host":
		return nil, s.host(f[1:])
	case "samples":
		return nil, s.samples(f[1:])
	case "charge", "lines":
		env, req, err := s.question(f[1], f[2:])
		if err != nil {
			return nil, err
		}
		r, err := chargeback.Report(s.t.Context(), env, req)
		if err != nil {
			return nil, err
		}
		checkSums(s.t, &r)
		return showResult(&r, f[0] == "lines"), nil
	case "explain":
		env, req, err := s.question(f[2], f[3:])
		if err != nil {
			return nil, err
		}
		r, err := chargeback.Explain(s.t.Context(), env, s.memory, chargeback.ExplainRequest{Request: req, Host: f[1]})
		if err != nil {
			return nil, err
		}
		return showExplained(&r), nil
	default:
		return nil, fmt.Errorf("unknown command %s", f[0])
	}
	return nil, nil
}

func (s *script) rate(f []string) error {
	pair, value, _ := strings.Cut(f[0], "=")
	from, to, _ := strings.Cut(pair, "/")
	n, err := money.ParseNumber(value)
	r := money.Rate{From: money.Currency(from), To: money.Currency(to), Value: n, Source: "test"}
	if len(f) > 1 {
		r.Date = at(f[1])
	}
	s.rates = append(s.rates, r)
	return err
}

func options(f []string) map[string]string {
	out := map[string]string{}
	for _, w := range f {
		k, v, _ := strings.Cut(w, "=")
		out[k] = v
	}
	return out
}

func price(s, currency string) (money.Price, error) {
	if currency == "" {
		currency = "USD"
	}
	return money.ParsePrice(s, money.Currency(currency))
}

// read adds a reading of one live price to the book.
func (s *script) read(f []string) error {
	place := strings.Split(f[1], "/")
	var item pricing.Item
	o := options(f[2:])
	switch f[2] {
	case "disk":
		p, err := price(f[4], "")
		if err != nil {
			return err
		}
		item.Storage = &pricing.StorageOffer{Provider: place[0], Region: place[1], DiskType: f[3], PerGiBMonth: p, ObservedAt: at(f[0]), Basis: pricing.Observed, Source: "test"}
		if h := o["month"]; h != "" {
			item.Storage.MonthHours, _ = strconv.Atoi(h)
		}
	case "components":
		vcpu, err := price(f[4], "")
		if err != nil {
			return err
		}
		gib, err := price(f[5], "")
		if err != nil {
			return err
		}
		item.Component = &pricing.ComponentOffer{Provider: place[0], Region: place[1], Family: f[3], Purchase: pricing.OnDemand, PerVCPUHour: vcpu, PerGiBHour: gib,
			ObservedAt: at(f[0]), Basis: pricing.Observed, Source: "test"}
	case "address":
		p, err := price(f[3], "")
		if err != nil {
			return err
		}
		_, idle := o["idle"]
		item.Address = &pricing.AddressOffer{Provider: place[0], Region: place[1], PerHour: p, Idle: idle, ObservedAt: at(f[0]), Basis: pricing.Observed, Source: "test"}
	default:
		p, err := price(f[2], o["currency"])
		if err != nil {
			return err
		}
		item.Offer = &pricing.Offer{Provider: place[0], Region: place[1], InstanceType: place[2], OS: pricing.Linux, Purchase: pricing.OnDemand, PerHour: p, ObservedAt: at(f[0]), Basis: pricing.Observed, Source: "test"}
		if o["licence"] != "" {
			licence, err := price(o["licence"], o["currency"])
			if err != nil {
				return err
			}
			if *item.Offer, err = pricing.WithLicence(item.Offer, o["os"], "test", licence); err != nil {
				return err
			}
		} else if o["os"] != "" {
			item.Offer.OS = o["os"]
		}
		if o["purchase"] != "" {
			item.Offer.Purchase = pricing.Purchase(o["purchase"])
		}
		if o["years"] != "" {
			item.Offer.Term.Years, _ = strconv.Atoi(o["years"])
		}
		if o["valid"] != "" {
			item.Offer.ValidFrom = at(o["valid"])
		}
	}
	added, err := s.book.Add(pricing.Reading{List: "test", Provider: place[0], Region: place[1], At: at(f[0])}, []pricing.Item{item})
	if err == nil && len(added.Refused) > 0 {
		err = errors.New(added.Refused[0].Reason)
	}
	return err
}

func (s *script) host(f []string) error {
	st := fleet.Statement{Record: fleet.Record{Host: fleet.HostID(f[0])}}
	put := fleet.Put{At: s.now}
	for _, w := range f[1:] {
		k, v, _ := strings.Cut(w, "=")
		switch k {
		case "type":
			p := strings.Split(v, "/")
			st.Provider, st.Region, st.InstanceType = p[0], p[1], p[2]
		case "state":
			st.State = fleet.State(v)
		case "os":
			st.OS = v
		case "purchase":
			st.Purchase = fleet.PurchaseOption(v)
		case "account":
			st.Account = v
		case "name":
			st.Name = v
		case "disks":
			st.Disks = []fleet.Disk{}
			for d := range strings.SplitSeq(v, ";") {
				if d == "none" {
					continue
				}
				typ, gib, _ := strings.Cut(d, ":")
				n, err := strconv.ParseFloat(gib, 64)
				if err != nil {
					return err
				}
				st.Disks = append(st.Disks, fleet.Disk{Type: typ, GiB: n})
			}
		case "addresses":
			n, err := strconv.Atoi(v)
			if err != nil {
				return err
			}
			st.Addresses = &n
		case "from":
			st.From = at(v)
		case "to":
			st.To = at(v)
		case "effective":
			put.Effective = at(v)
		case "clear":
			st.Clear = append(st.Clear, v)
		case "correct":
			put.Correct = true
		default:
			if st.Tags == nil {
				st.Tags = fleet.Tags{}
			}
			st.Tags[k] = v
		}
	}
	r, err := s.memory.PutRecords(s.t.Context(), []fleet.Statement{st}, put)
	if err == nil && len(r.Conflicts) > 0 {
		err = errors.New(r.Conflicts[0].Reason)
	}
	return err
}

func (s *script) samples(f []string) error {
	step, err := time.ParseDuration(f[3])
	if err != nil {
		return err
	}
	metric := fleet.CPUUsage
	if len(f) > 4 {
		if metric, err = fleettest.Metrics().Lookup(f[4]); err != nil {
			return err
		}
	}
	b := fleet.Batch{Host: fleet.HostID(f[0]), Origin: fleet.OriginImport, Step: int32(step.Milliseconds()), Columns: []fleet.Column{{Metric: metric}}}
	for t := at(f[1]); t.Before(at(f[2])); t = t.Add(step) {
		b.Start = append(b.Start, t.UnixMilli())
		b.Columns[0].Values = append(b.Columns[0].Values, 1)
	}
	_, err = s.memory.Append(s.t.Context(), []fleet.Batch{b})
	return err
}

// environment is what a report is made from.
func (s *script) environment() (chargeback.Environment, error) {
	env := chargeback.Environment{
		Environment: fleet.Environment{Source: s.memory, Metrics: fleettest.Metrics(), Now: s.now, Zone: zones.Load}, Book: s.book, ZoneData: zones.Version(),
	}
	var err error
	if len(s.sheet) > 0 {
		sheet, err := pricing.ParseSheet("prices.csv", strings.NewReader(sheetHeader+"\n"+strings.Join(s.sheet, "\n")+"\n"))
		if err != nil {
			return env, err
		}
		if env.Book, err = s.book.With(pricing.Options{Sheet: sheet}); err != nil {
			return env, err
		}
	}
	if len(s.commitments) > 0 {
		if env.Commitments, err = pricing.ParseCommitments("commitments.csv", strings.NewReader(commitmentHeader+"\n"+strings.Join(s.commitments, "\n")+"\n")); err != nil {
			return env, err
		}
	}
	env.Rates, err = money.NewRates(s.rates...)
	return env, err
}

func (s *script) question(period string, f []string) (chargeback.Environment, chargeback.Request, error) {
	env, err := s.environment()
	o := options(f)
	req := chargeback.Request{Period: period, Timezone: o["zone"], Select: o["select"], Currency: money.Currency(o["currency"])}
	if o["by"] != "" {
		req.GroupBy = strings.Split(o["by"], ",")
	}
	if o["prices-as-of"] != "" {
		req.PricesAsOf = at(o["prices-as-of"])
	}
	if o["as-of"] != "" {
		req.AsOf = at(o["as-of"])
	}
	if o["rate"] != "" {
		given := script{}
		if err := given.rate([]string{o["rate"]}); err != nil {
			return env, req, err
		}
		req.Rates = given.rates
	}
	_, req.StrictPrices = o["strict"]
	return env, req, err
}

func showAmount(a *money.Amount) string {
	if a == nil {
		return "-"
	}
	return a.Literal()
}

func showHours(h float64) string { return strconv.FormatFloat(h, 'f', -1, 64) }

// showFigures prints costs, hours that are not zero, and parts that are not the
// only one.
func showFigures(f *chargeback.Figures) string {
	out := "cost=" + showAmount(f.Cost)
	if showAmount(f.ContractedCost) != showAmount(f.Cost) {
		out += " contracted=" + showAmount(f.ContractedCost)
	}
	if showAmount(f.EffectiveCost) != showAmount(f.ContractedCost) {
		out += " effective=" + showAmount(f.EffectiveCost)
	}
	for _, p := range []struct {
		name string
		a    *money.Amount
	}{{"disks", f.DiskCost}, {"addresses", f.AddressCost}} {
		if p.a != nil && p.a.Sign() != 0 {
			out += " " + p.name + "=" + p.a.Literal()
		}
	}
	for _, h := range []struct {
		name string
		v    float64
	}{{"hours", f.HostHours}, {"stopped", f.StoppedHours}, {"estimated", f.EstimatedHours}, {"unpriced", f.UnpricedHours}, {"nearest-later", f.NearestLaterHours}} {
		if h.v != 0 {
			out += " " + h.name + "=" + showHours(h.v)
		}
	}
	return out
}

func showResult(r *chargeback.Result, lines bool) []string {
	out := []string{"total " + showFigures(&r.Total.Figures)}
	if r.Period.ChargedUntil != nil {
		out = append(out, "until "+r.Period.ChargedUntil.Format(time.RFC3339))
	}
	for i := range r.Groups {
		g := &r.Groups[i]
		if len(r.GroupBy) > 0 {
			out = append(out, g.Group.String()+" "+showFigures(&g.Figures))
		}
		for j := range g.Hosts {
			if l := &g.Hosts[j]; lines {
				text := "  " + l.Name + " " + showFigures(&l.Figures)
				if l.SilentSince != nil {
					text += " silent-since=" + l.SilentSince.Format(time.RFC3339)
				}
				if strings.Contains(l.Reason, "has no rate") {
					text += " reason: " + l.Reason
				}
				out = append(out, text)
			}
		}
	}
	for _, u := range r.Unpriced {
		if u.What == "compute" || lines {
			out = append(out, fmt.Sprintf("no price: %s %s%s %sh: %s", u.What, u.InstanceType, u.DiskType, showHours(u.Hours), u.Reason))
		}
	}
	for _, c := range r.Commitments {
		out = append(out, fmt.Sprintf("commitment %s cost=%s used=%s unused=%s", c.Commitment, c.Cost.Literal(), c.Used.Literal(), c.Unused.Literal()))
		if c.AboveOnDemand {
			out[len(out)-1] += " above on demand at " + c.OnDemand.Literal()
		}
		for _, u := range c.Unrated {
			out = append(out, fmt.Sprintf("  no rate: %s %s %s %sh: %s", u.InstanceType, u.Purchase, u.Term, showHours(u.Hours), u.Reason))
		}
	}
	for _, n := range r.NotCharged {
		out = append(out, "not charged: "+n.Name+" "+n.Reason)
	}
	return out
}

func showExplained(r *chargeback.ExplainResult) []string {
	var out []string
	for i := range r.Pieces {
		p := &r.Pieces[i]
		if p.What != "compute" && (p.Cost == nil || p.Cost.Sign() == 0) {
			continue
		}
		perHour := "-"
		if p.Priced != nil {
			perHour = p.Priced.Price.Literal()
		}
		out = append(out, fmt.Sprintf("%s %s %s %s %s%s %s cost=%s effective=%s", p.From.Format("2006-01-02T15:04:05Z"), p.To.Format("2006-01-02T15:04:05Z"), p.State, p.What, p.InstanceType, p.DiskType, perHour, showAmount(p.Cost), showAmount(p.EffectiveCost)))
	}
	for _, g := range r.Gaps {
		out = append(out, "gap "+g.String())
	}
	return out
}

// checkSums holds that lines sum to groups, groups to the total, and parts to
// their line, in all three costs.
func checkSums(t testing.TB, r *chargeback.Result) {
	t.Helper()
	costs := []func(*chargeback.Figures) *money.Amount{
		func(f *chargeback.Figures) *money.Amount { return f.Cost },
		func(f *chargeback.Figures) *money.Amount { return f.ContractedCost },
		func(f *chargeback.Figures) *money.Amount { return f.EffectiveCost },
		func(f *chargeback.Figures) *money.Amount { return f.ComputeCost },
		func(f *chargeback.Figures) *money.Amount { return f.DiskCost },
		func(f *chargeback.Figures) *money.Amount { return f.AddressCost },
	}
	same := func(what string, whole *money.Amount, parts []*money.Amount) {
		t.Helper()
		sum := money.Zero(r.Currency)
		known := len(parts) == 0
		for _, p := range parts {
			if p != nil {
				known = true
				var err error
				if sum, err = sum.Add(p.In(r.Currency)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if known != (whole != nil) {
			t.Errorf("%s: %s, but of its parts %v is known", what, showAmount(whole), known)
		} else if known && !whole.In(r.Currency).Equal(sum) {
			t.Errorf("%s: %s, but its parts sum to %s", what, showAmount(whole), sum)
		}
	}
	for i, c := range costs {
		var groups []*money.Amount
		for j := range r.Groups {
			g := &r.Groups[j]
			groups = append(groups, c(&g.Figures))
			var lines []*money.Amount
			for k := range g.Hosts {
				l := &g.Hosts[k]
				lines = append(lines, c(&l.Figures))
				if i == 0 && l.Cost != nil {
					same("parts of "+l.Name, l.Cost, []*money.Amount{l.ComputeCost, l.DiskCost, l.AddressCost})
				}
			}
			same("lines of "+g.Group.String(), c(&g.Figures), lines)
		}
		if i < 3 || len(groups) > 0 {
			same("groups", c(&r.Total.Figures), groups)
		}
	}
	hours := 0.0
	for i := range r.Groups {
		hours += r.Groups[i].HostHours
	}
	if d := hours - r.Total.HostHours; d > 1e-3 || d < -1e-3 {
		t.Errorf("groups have %v host hours, the total %v", hours, r.Total.HostHours)
	}
	if !slices.IsSortedFunc(r.Groups, func(a, b chargeback.Group) int { return a.Group.Compare(b.Group) }) {
		t.Error("groups are not in order")
	}
}
