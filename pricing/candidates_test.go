package pricing_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
)

// marketBase has types of two clouds that differ in all that candidates are
// chosen by.
func marketBase(t testing.TB) *base {
	b := &base{specs: map[string]pricing.Specification{}, near: map[string]pricing.Neighbour{
		"aws us-east-1 gcp": {Provider: "gcp", Region: "us-east4", KmApprox: 10, SameCountry: true},
	}}
	put := func(s pricing.Specification, region, price string) {
		b.specs[s.Provider+" "+s.InstanceType] = s
		if price != "" {
			o := offer(t, s.InstanceType, price, "2026-01-01")
			o.Provider, o.Region = s.Provider, region
			b.offers = append(b.offers, o)
		}
	}
	with := func(s pricing.Specification, change func(s *pricing.Specification)) pricing.Specification {
		change(&s)
		return s
	}
	put(spec("aws", "m5.large", "m5", 2, 8), "us-east-1", "0.096")
	put(spec("aws", "m5.xlarge", "m5", 4, 16), "us-east-1", "0.192")
	put(spec("aws", "m6a.large", "m6a", 2, 8), "us-east-1", "0.0864")
	put(with(spec("aws", "m6g.large", "m6g", 2, 8), func(s *pricing.Specification) { s.Arch.Value = "arm64" }), "us-east-1", "0.077")
	put(with(spec("aws", "t3.large", "t3", 2, 8), func(s *pricing.Specification) { s.CPUKind.Value = "burstable" }), "us-east-1", "0.0832")
	put(with(spec("aws", "m1.large", "m1", 2, 7.5), func(s *pricing.Specification) { s.Status.Value = "previous" }), "us-east-1", "0.05")
	put(with(spec("aws", "g4dn.large", "g4dn", 2, 8), func(s *pricing.Specification) { s.GPUs.Value, s.Purpose.Value = 1, "accelerator" }), "us-east-1", "0.5")
	put(with(spec("aws", "m5d.large", "m5d", 2, 8), func(s *pricing.Specification) { s.LocalDisk.Value = pricing.LocalDisk{Present: true, GiB: 75} }), "us-east-1", "0.113")
	put(with(spec("aws", "odd.large", "odd", 2, 8), func(s *pricing.Specification) { s.MemoryBytes.Known = false }), "us-east-1", "0.01")
	put(spec("aws", "none.large", "none", 2, 8), "us-east-1", "")
	put(with(spec("gcp", "n2-standard-2", "n2", 2, 8), func(s *pricing.Specification) { s.SustainedUseDiscount = pricing.Known(num(t, "0.2"), "t") }), "us-east4", "0.1")
	put(with(spec("gcp", "e2-standard-2", "e2", 2, 8), func(s *pricing.Specification) { s.SustainedUseDiscount = pricing.Known(num(t, "0"), "t") }), "us-east4", "0.085")
	return b
}

func names(list []*pricing.Candidate) string {
	var out []string
	for _, c := range list {
		out = append(out, c.Spec.InstanceType)
	}
	return strings.Join(out, " ")
}

func TestCandidates(t *testing.T) {
	b := newBook(t, pricing.Options{Base: marketBase(t)})
	f := func(name string, d pricing.Demand, want string) {
		t.Helper()
		got, err := b.Candidates(pricing.CandidateQuery{Provider: "aws", Region: "us-east-1", Demand: d})
		if err != nil || names(got.List) != want {
			t.Errorf("%s: %q, %v; want %q", name, names(got.List), err, want)
		}
	}
	f("current and dedicated by default", pricing.Demand{VCPUs: 2, MemoryBytes: 8 << 30}, "m6g.large m6a.large m5.large m5d.large m5.xlarge")
	f("of an architecture", pricing.Demand{VCPUs: 2, MemoryBytes: 8 << 30, Arch: "arm64"}, "m6g.large")
	f("burstable too", pricing.Demand{VCPUs: 2, MemoryBytes: 8 << 30, BurstableToo: true, MaxVCPUs: 2}, "m6g.large t3.large m6a.large m5.large m5d.large")
	f("older too", pricing.Demand{VCPUs: 2, MemoryBytes: 7 << 30, OlderToo: true, MaxMemoryBytes: 8 << 30}, "m1.large m6g.large m6a.large m5.large m5d.large")
	f("a family whatever its status", pricing.Demand{VCPUs: 2, Families: []string{"m1"}, MaxMemoryBytes: 8 << 30, MaxPrice: usd(t, "0.06")}, "m1.large")
	f("up to a price", pricing.Demand{VCPUs: 2, MemoryBytes: 8 << 30, MaxPrice: usd(t, "0.0864")}, "m6g.large m6a.large")
	f("with a GPU", pricing.Demand{VCPUs: 2, MemoryBytes: 8 << 30, GPUs: 1, Purposes: []string{}}, "g4dn.large")
	f("GPUs do not matter", pricing.Demand{VCPUs: 2, MemoryBytes: 8 << 30, AnyGPU: true, Purposes: []string{"accelerator"}}, "g4dn.large")
	f("with a local disk", pricing.Demand{VCPUs: 2, MemoryBytes: 8 << 30, LocalDisk: true}, "m5d.large")
	f("a question of one's own", pricing.Demand{VCPUs: 2, MemoryBytes: 8 << 30, Match: func(s *pricing.Specification) bool { return s.Family.Value == "m5" }}, "m5.large m5.xlarge")

	got, err := b.Candidates(pricing.CandidateQuery{Provider: "aws", Region: "us-east-1", Limit: 1, Demand: pricing.Demand{VCPUs: 2, MemoryBytes: 8 << 30}})
	if err != nil || names(got.List) != "m6g.large" || got.Unknown != 1 || got.NoPrice != 1 {
		t.Errorf("%s, %d unknown, %d without a price, %v", names(got.List), got.Unknown, got.NoPrice, err)
	}
	_, err = b.Candidates(pricing.CandidateQuery{Provider: "aws", Region: "us-eest-1"})
	if !errors.Is(err, pricing.ErrUnknownRegion) {
		t.Error(err)
	}
	wantError(t, err, "us-east-1")
}

func TestCandidatesAreComparedAsTheyArePaid(t *testing.T) {
	b := newBook(t, pricing.Options{Base: marketBase(t)})
	q := pricing.CandidateQuery{Provider: "gcp", Region: "us-east4", Demand: pricing.Demand{VCPUs: 2}}
	got, err := b.Candidates(q)
	if err != nil || names(got.List) != "n2-standard-2 e2-standard-2" || got.List[0].FullMonth != usd(t, "0.08") || got.List[0].List != usd(t, "0.1") {
		t.Errorf("%s, %v", names(got.List), err)
	}
	q.Order = pricing.OrderList
	if got, err := b.Candidates(q); err != nil || names(got.List) != "e2-standard-2 n2-standard-2" {
		t.Errorf("%s, %v", names(got.List), err)
	}
}

func TestCandidatesInAnotherCurrency(t *testing.T) {
	s := sheet(t, "s.csv", "provider,instance_type,price_per_hour,currency\naws,m5.xlarge,0.09,EUR\n")
	q := pricing.CandidateQuery{Provider: "aws", Region: "us-east-1", Demand: pricing.Demand{VCPUs: 4}}
	b := newBook(t, pricing.Options{Base: marketBase(t), Sheet: s})
	if got, err := b.Candidates(q); err != nil || len(got.List) != 0 || got.OtherCurrency != 1 {
		t.Errorf("%s, %d, %v", names(got.List), got.OtherCurrency, err)
	}
	rates, err := money.NewRates(money.Rate{From: "EUR", To: "USD", Value: num(t, "1.1"), Source: "user"})
	if err != nil {
		t.Fatal(err)
	}
	b, err = b.With(pricing.Options{Sheet: s, Rates: rates})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := b.Candidates(q); err != nil || len(got.List) != 1 || got.List[0].Contracted != usd(t, "0.099") {
		t.Errorf("%s, %v", names(got.List), err)
	}
}

// What is read later is in the next answer.
func TestCandidatesFollowTheBook(t *testing.T) {
	b := newBook(t, pricing.Options{Base: marketBase(t)})
	q := pricing.CandidateQuery{Provider: "aws", Region: "us-east-1", Demand: pricing.Demand{VCPUs: 4}}
	if got, err := b.Candidates(q); err != nil || got.List[0].List != usd(t, "0.192") {
		t.Fatalf("%v", err)
	}
	add(t, b, live(at(t, "2026-02-01"), true), items(offer(t, "m5.xlarge", "0.15", "2026-02-01"), offer(t, "new.xlarge", "0.1", "2026-02-01")))
	got, err := b.Candidates(q)
	if err != nil || names(got.List) != "m5.xlarge" || got.List[0].List != usd(t, "0.15") || got.List[0].Layer != pricing.LayerLive {
		t.Errorf("%s, %v", names(got.List), err)
	}
}

func TestEquivalents(t *testing.T) {
	b := newBook(t, pricing.Options{Base: marketBase(t)})
	f := func(name string, change func(q *pricing.EquivalentQuery), want string) {
		t.Helper()
		q := pricing.EquivalentQuery{Provider: "aws", Region: "us-east-1", InstanceType: "m5.large"}
		change(&q)
		got, err := b.Equivalents(q)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, m := range got {
			out = append(out, m.Spec.InstanceType)
		}
		if s := strings.Join(out, " "); s != want {
			t.Errorf("%s: %q, want %q", name, s, want)
		}
	}
	f("in its region", func(*pricing.EquivalentQuery) {}, "m6a.large m5d.large m5.xlarge")
	f("of any architecture", func(q *pricing.EquivalentQuery) { q.OtherArch = true }, "m6a.large m5d.large m6g.large m5.xlarge")
	f("older too, a little smaller", func(q *pricing.EquivalentQuery) { q.OlderToo, q.Smaller = true, 0.1 }, "m6a.large m5d.large m1.large m5.xlarge") // m1 is on Xen: more to check
	f("the best", func(q *pricing.EquivalentQuery) { q.Limit = 1 }, "m6a.large")
	f("of a burstable type", func(q *pricing.EquivalentQuery) { q.InstanceType = "t3.large" }, "m6a.large m5.large m5d.large m5.xlarge")
	f("of one with a local disk", func(q *pricing.EquivalentQuery) { q.InstanceType = "m5d.large" }, "")
	f("in another cloud", func(q *pricing.EquivalentQuery) { q.Targets = []pricing.Target{{Provider: "gcp", Region: "us-east4"}} }, "n2-standard-2 e2-standard-2")

	got, err := b.Equivalents(pricing.EquivalentQuery{Provider: "aws", Region: "us-east-1", InstanceType: "m5.large", Targets: []pricing.Target{{Provider: "gcp", Region: "us-east4"}}, Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	m := got[0]
	if m.KmApprox != 10 || m.Region != "us-east4" || m.Surplus != 0 || !strings.Contains(strings.Join(m.Reasons, "; "), "same vCPUs (2); same memory (8 GiB)") ||
		!strings.Contains(strings.Join(m.Unknown, " "), "network_gbps") || !strings.Contains(codes(m.Checks), "provider") {
		t.Errorf("%+v", m)
	}
	_, err = b.Equivalents(pricing.EquivalentQuery{Provider: "aws", InstanceType: "m5.lage"})
	if !errors.Is(err, pricing.ErrUnknownType) {
		t.Error(err)
	}
	wantError(t, err, "m5.large")
	_, err = b.Equivalents(pricing.EquivalentQuery{Provider: "aws", Region: "us-east-1", InstanceType: "odd.large"})
	wantError(t, err, "odd.large", "unknown")
	_, err = b.Equivalents(pricing.EquivalentQuery{Provider: "aws", Region: "us-east-1", InstanceType: "m5.large", Targets: []pricing.Target{{Provider: "gcp", Region: "x"}}})
	if !errors.Is(err, pricing.ErrUnknownRegion) {
		t.Error(err)
	}
}

func TestSearch(t *testing.T) {
	b := newBook(t, pricing.Options{Base: marketBase(t)})
	got, err := b.Search(pricing.SearchQuery{NearProvider: "aws", Region: "us-east-1", Query: pricing.CandidateQuery{Limit: 3, Demand: pricing.Demand{VCPUs: 2, MemoryBytes: 8 << 30}}})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, h := range got.Hits {
		out = append(out, h.Spec.Provider+" "+h.Region+" "+h.Spec.InstanceType)
	}
	if s := strings.Join(out, ", "); s != "aws us-east-1 m6g.large, gcp us-east4 n2-standard-2, gcp us-east4 e2-standard-2" || strings.Join(got.NoRegion, " ") != "azure" || got.Unknown != 1 {
		t.Errorf("%s, no region for %v, %d unknown", s, got.NoRegion, got.Unknown)
	}
	_, err = b.Search(pricing.SearchQuery{NearProvider: "aws", Region: "us-eest-1"})
	wantError(t, err, "us-east-1")
}
