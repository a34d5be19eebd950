package leanfleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/advice"
	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
)

// PriceSearchRequest asks for instance types by what they are and cost, in the
// region that is near and in those of other providers that lie nearest to it.
type PriceSearchRequest struct {
	// Near is a region, or PROVIDER:REGION.
	Near string `json:"near"`
	// Providers are those searched; empty is all.
	Providers []string `json:"providers,omitempty"`
	// VCPUs and MemoryBytes are the least, MaxVCPUs and MaxMemoryBytes the most.
	VCPUs          float64 `json:"vcpus,omitzero"`
	MemoryBytes    int64   `json:"memory_bytes,omitzero"`
	MaxVCPUs       float64 `json:"max_vcpus,omitzero"`
	MaxMemoryBytes int64   `json:"max_memory_bytes,omitzero"`
	Arch           string  `json:"arch,omitempty"` // x86_64 or arm64
	GPUs           float64 `json:"gpus,omitzero"`
	// MaxPrice bounds the price of an hour in a month of running all the time.
	MaxPrice money.Number `json:"max_price_per_hour,omitzero"`
	// Currency is that of MaxPrice and of the answer; empty is USD.
	Currency money.Currency `json:"currency,omitempty"`
	OS       string         `json:"os,omitempty"` // empty is linux
	// Spot asks for spot prices in place of those on demand.
	Spot bool `json:"spot,omitempty"`
	// Burstable, Older and AnyPurpose allow burstable and shared CPUs, families
	// that are not current, and families made for storage, accelerators and the
	// like.
	Burstable  bool      `json:"burstable,omitempty"`
	Older      bool      `json:"older,omitempty"`
	AnyPurpose bool      `json:"any_purpose,omitempty"`
	LocalDisk  bool      `json:"local_disk,omitempty"` // it has to be there
	PricesAsOf time.Time `json:"prices_as_of,omitzero"`
	Timezone   string    `json:"timezone,omitempty"`
	Limit      int       `json:"limit,omitzero"` // 0 is all
}

// PricedType is an instance type with its price in a region; what is not known
// is nil.
type PricedType struct {
	Provider     string             `json:"provider"`
	Region       string             `json:"region"`
	InstanceType string             `json:"instance_type"`
	Family       *string            `json:"family"`
	VCPUs        *int               `json:"vcpus"`
	MemoryBytes  *int64             `json:"memory_bytes"`
	Arch         *string            `json:"arch"`
	CPUKind      *string            `json:"cpu_kind"`
	GPUs         *float64           `json:"gpus"`
	LocalDisk    *pricing.LocalDisk `json:"local_disk"`
	NetworkGbps  *float64           `json:"network_gbps"`
	NetworkKind  string             `json:"network_kind,omitempty"`
	// PerHour is the list price, PerMonth that of the calendar month's hours;
	// no price and nil where nobody knows it.
	PerHour  money.Price    `json:"price_per_hour"`
	PerMonth *money.Amount  `json:"price_per_month"`
	Currency money.Currency `json:"currency"`
	// FullMonthPerHour is what an hour costs on average in a month of running
	// all the time, own sheets and the provider's discount applied; FullMonth is
	// that month.
	FullMonthPerHour money.Price   `json:"full_month_per_hour"`
	FullMonth        *money.Amount `json:"full_month"`
	AsOf             *time.Time    `json:"as_of"`
	AgeSeconds       *float64      `json:"age_seconds"`
	Stale            bool          `json:"stale"`
	Basis            pricing.Basis `json:"basis,omitempty"`
	PriceBasis       string        `json:"price_basis,omitempty"`
	Layer            pricing.Layer `json:"layer,omitempty"`
	// KmApprox is how far the region lies from the one asked about; 0 for itself.
	KmApprox int `json:"km_approx"`
}

// PriceSearchResult is the answer to a [PriceSearchRequest], cheapest first by
// the price of a full month.
type PriceSearchResult struct {
	Near     PriceRegion  `json:"near"`
	Types    []PricedType `json:"types"`
	Currency string       `json:"currency"`
	// NoRegion lists providers without a known region near the one asked for.
	NoRegion []string `json:"no_region"`
	// Unknown counts types left out because a figure asked for is not known.
	Unknown  int              `json:"unknown"`
	Month    PriceMonth       `json:"month"`
	Revision pricing.Revision `json:"price_revision"`
	Warnings []string         `json:"warnings"`
}

// PriceRegion is a region of a provider.
type PriceRegion struct {
	Provider string `json:"provider"`
	Region   string `json:"region"`
}

// SearchPrices answers which instance types meet a demand and what they cost.
func (m *Monitor) SearchPrices(ctx context.Context, req PriceSearchRequest) (PriceSearchResult, error) {
	b, err := m.book(ctx)
	if err != nil {
		return PriceSearchResult{}, err
	}
	if req.Near == "" {
		return PriceSearchResult{}, fleet.BadRequest(errors.New("search prices: name a region to search near"))
	}
	near, err := placeNamed(b, req.Near)
	if err != nil {
		return PriceSearchResult{}, err
	}
	for _, p := range req.Providers {
		if err := knownProvider(b, p); err != nil {
			return PriceSearchResult{}, err
		}
	}
	month, err := m.month(req.Timezone, req.PricesAsOf)
	if err != nil {
		return PriceSearchResult{}, err
	}
	q, err := req.query()
	if err != nil {
		return PriceSearchResult{}, fleet.BadRequest(err)
	}
	found, err := b.Search(pricing.SearchQuery{Providers: req.Providers, NearProvider: near.Provider, Region: near.Region, Query: q})
	if err != nil {
		return PriceSearchResult{}, err
	}
	if len(found.Hits) == 0 && !slices.Contains(found.NoRegion, near.Provider) {
		if _, err := pricedIn(b, q, near); err != nil {
			return PriceSearchResult{}, err
		}
	}
	r := PriceSearchResult{
		Near: near, Types: []PricedType{}, Currency: string(q.Currency), NoRegion: append([]string{}, found.NoRegion...),
		Unknown: found.Unknown, Month: month, Revision: b.Revision(),
	}
	v := m.pricer(&month)
	for i := range found.Hits {
		h := &found.Hits[i]
		t := v.candidate(&h.Candidate, h.Region)
		t.KmApprox = h.KmApprox
		r.Types = append(r.Types, t)
	}
	r.Warnings = v.ages.warnings()
	return r, nil
}

// pricedIn returns the candidates of a region. That none of its prices is in
// the currency asked for, or can be converted, is an error.
func pricedIn(b *pricing.Book, q pricing.CandidateQuery, in PriceRegion) (pricing.Candidates, error) {
	q.Provider, q.Region = in.Provider, in.Region
	found, err := b.Candidates(q)
	if err != nil || len(found.List) > 0 || found.OtherCurrency == 0 {
		return found, err
	}
	q.Demand = pricing.Demand{AnyGPU: true, Purposes: []string{}, OlderToo: true, BurstableToo: true}
	if all, err := b.Candidates(q); err == nil && len(all.List)+all.Unknown == 0 {
		return found, fmt.Errorf("prices of %s %s in %s: %w from the currency of the lists: give a rates file", in.Provider, in.Region, q.Currency, money.ErrNoRate)
	}
	return found, nil
}

// query is the request in the book's words.
func (req *PriceSearchRequest) query() (pricing.CandidateQuery, error) {
	os, err := priceOS(req.OS)
	if err != nil {
		return pricing.CandidateQuery{}, err
	}
	q := pricing.CandidateQuery{
		OS: cmp.Or(os, pricing.Linux), Purchase: pricing.OnDemand, AsOf: req.PricesAsOf, Currency: cmp.Or(req.Currency, money.USD), Limit: req.Limit,
		Demand: pricing.Demand{
			VCPUs: req.VCPUs, MemoryBytes: req.MemoryBytes, MaxVCPUs: req.MaxVCPUs, MaxMemoryBytes: req.MaxMemoryBytes,
			GPUs: req.GPUs, BurstableToo: req.Burstable, OlderToo: req.Older, LocalDisk: req.LocalDisk,
		},
	}
	if req.Spot {
		q.Purchase = pricing.Spot
	}
	if req.AnyPurpose || req.GPUs > 0 {
		q.Demand.Purposes = []string{}
	}
	if !q.Currency.Valid() {
		_, err := money.ParseCurrency(string(q.Currency))
		return q, err
	}
	if req.MaxPrice.Sign() > 0 {
		q.Demand.MaxPrice = money.PriceOf(req.MaxPrice, q.Currency)
	}
	switch strings.ToLower(req.Arch) {
	case "":
	case "x86_64", "amd64", "x64":
		q.Demand.Arch = "x86_64"
	case "arm64", "aarch64":
		q.Demand.Arch = "arm64"
	default:
		return q, fmt.Errorf("unknown architecture %q: use x86_64 or arm64", req.Arch)
	}
	for what, n := range map[string]float64{
		"number of vCPUs": min(req.VCPUs, req.MaxVCPUs), "memory": float64(min(req.MemoryBytes, req.MaxMemoryBytes)),
		"number of GPUs": req.GPUs, "price": float64(req.MaxPrice.Sign()), "limit": float64(req.Limit),
	} {
		if n < 0 {
			return q, fmt.Errorf("search prices: the %s is negative", what)
		}
		if math.IsNaN(n) || math.IsInf(n, 0) {
			return q, fmt.Errorf("search prices: the %s is not a number", what)
		}
	}
	return q, nil
}

// placeNamed finds the region that REGION or PROVIDER:REGION names.
func placeNamed(b *pricing.Book, name string) (PriceRegion, error) {
	provider, region, given := strings.Cut(name, ":")
	providers := []string{provider}
	if !given {
		region, providers = name, b.Providers()
	} else if err := knownProvider(b, provider); err != nil {
		return PriceRegion{}, err
	}
	var have, near []string
	for _, p := range providers {
		if slices.Contains(b.Regions(p), region) {
			have = append(have, p)
		}
		near = append(near, b.NearestRegions(p, region, 2)...)
	}
	switch {
	case len(have) == 1:
		return PriceRegion{have[0], region}, nil
	case len(have) > 1:
		return PriceRegion{}, fleet.BadRequest(fmt.Errorf("region %s is one of %s: write PROVIDER:REGION", region, strings.Join(have, " and of ")))
	case len(near) > 0:
		return PriceRegion{}, fleet.BadRequest(fmt.Errorf("%w %q: did you mean %s?", pricing.ErrUnknownRegion, region, strings.Join(near, ", ")))
	}
	return PriceRegion{}, fleet.BadRequest(fmt.Errorf("%w %q", pricing.ErrUnknownRegion, region))
}

// pricer turns candidates into rows.
type pricer struct {
	now   time.Time
	limit time.Duration
	month *PriceMonth
	ages  *ages
}

func (m *Monitor) pricer(month *PriceMonth) *pricer {
	now := m.options.Clock()
	return &pricer{now: now, limit: m.warnAge(), month: month, ages: newAges(now, m.warnAge())}
}

// bare is a type without a price.
func (p *pricer) bare(s *pricing.Specification, region string) PricedType {
	return PricedType{
		Provider: s.Provider, Region: region, InstanceType: s.InstanceType,
		Family: factOf(s.Family), VCPUs: factOf(s.VCPUs), MemoryBytes: factOf(s.MemoryBytes), Arch: factOf(s.Arch), CPUKind: factOf(s.CPUKind),
		GPUs: factOf(s.GPUs), LocalDisk: factOf(s.LocalDisk), NetworkGbps: factOf(s.NetworkGbps), NetworkKind: s.NetworkKind,
	}
}

// candidate is a type with its price.
func (p *pricer) candidate(c *pricing.Candidate, region string) PricedType {
	t := p.bare(c.Spec, region)
	month, full := c.List.Times(p.month.length()).Round(), c.FullMonth.Times(p.month.length()).Round()
	t.PerHour, t.PerMonth, t.Currency, t.FullMonthPerHour, t.FullMonth = c.List, &month, c.List.Currency(), c.FullMonth, &full
	t.AsOf, t.Basis, t.PriceBasis, t.Layer = known(c.ObservedAt), c.Basis, c.PriceBasis, c.Layer
	if age, ok := ageOf(c.Layer, c.LastSeen, p.now); ok {
		seconds := age.Seconds()
		t.AgeSeconds, t.Stale = &seconds, age > p.limit
	}
	p.ages.see(t.Provider, region, c.Layer, c.LastSeen)
	return t
}

func factOf[T any](f pricing.Fact[T]) *T {
	if !f.Known {
		return nil
	}
	return &f.Value
}

// EquivalentsRequest asks for the types that can stand in for one.
type EquivalentsRequest struct {
	InstanceType string `json:"instance_type"`
	// Provider may be empty where one provider alone has the type.
	Provider string `json:"provider,omitempty"`
	// Region is where the type runs; empty is the region with most hosts of the
	// provider, else its first one.
	Region string `json:"region,omitempty"`
	// To are where matches are looked for: providers, whose nearest region is
	// taken, or PROVIDER:REGION. Empty is all providers.
	To       []string       `json:"to,omitempty"`
	OS       string         `json:"os,omitempty"` // empty is linux
	Currency money.Currency `json:"currency,omitempty"`
	// Smaller is how much less of vCPUs or memory a match may have, in [0, 1).
	Smaller    float64   `json:"smaller,omitzero"`
	OtherArch  bool      `json:"other_arch,omitempty"`
	Older      bool      `json:"older,omitempty"`
	PricesAsOf time.Time `json:"prices_as_of,omitzero"`
	Timezone   string    `json:"timezone,omitempty"`
	Limit      int       `json:"limit,omitzero"` // for each target; 0 is 5
}

// EquivalentsResult is the answer to an [EquivalentsRequest].
type EquivalentsResult struct {
	// From is the type asked about, without a price where nobody knows it.
	From    PricedType       `json:"from"`
	Matches []EquivalentType `json:"matches"`
	// Targets are the regions that were searched, NoRegion the providers without
	// a known region near.
	Targets  []PriceRegion    `json:"targets"`
	NoRegion []string         `json:"no_region"`
	Month    PriceMonth       `json:"month"`
	Revision pricing.Revision `json:"price_revision"`
	Warnings []string         `json:"warnings"`
}

// EquivalentType is a type that can stand in for another.
type EquivalentType struct {
	PricedType
	// Saving is what a full month of the original costs more than one of this
	// type, below zero where it costs less; nil where a price is not known.
	Saving *money.Amount `json:"saving_per_month"`
	// MixedDates says that the two prices are of different days.
	MixedDates bool           `json:"mixed_dates"`
	Reasons    []string       `json:"reasons"`
	Unknown    []string       `json:"unknown"`
	Checks     []advice.Check `json:"checks"`
	Effort     advice.Effort  `json:"effort"`
	Surplus    float64        `json:"surplus"`
}

// firstRegions are the regions that are taken where nobody names one.
var firstRegions = map[string]string{pricing.AWS: "us-east-1", pricing.Azure: "eastus", pricing.GCP: "us-central1"}

// Equivalents answers which types can stand in for one, best first within each
// target, and what a person has to verify before a change.
func (m *Monitor) Equivalents(ctx context.Context, req EquivalentsRequest) (EquivalentsResult, error) {
	var r EquivalentsResult
	b, err := m.book(ctx)
	if err != nil {
		return r, err
	}
	if req.Provider, err = m.providerOf(b, req.Provider, req.InstanceType); err != nil {
		return r, err
	}
	if !(req.Smaller >= 0 && req.Smaller < 1) || req.Limit < 0 {
		return r, fleet.BadRequest(fmt.Errorf("equivalents of %s: a match may be smaller by a share from 0 to below 1, and the limit is not negative", req.InstanceType))
	}
	if req.Region, err = m.usualRegion(ctx, b, req.Provider, req.Region); err != nil {
		return r, err
	}
	if r.Month, err = m.month(req.Timezone, req.PricesAsOf); err != nil {
		return r, err
	}
	if r.Targets, r.NoRegion, err = targets(b, &req); err != nil {
		return r, err
	}
	os, err := priceOS(req.OS)
	if err != nil {
		return r, err
	}
	q := pricing.EquivalentQuery{
		Provider: req.Provider, Region: req.Region, InstanceType: req.InstanceType, OS: cmp.Or(os, pricing.Linux),
		AsOf: req.PricesAsOf, Currency: cmp.Or(req.Currency, money.USD), Smaller: req.Smaller, OtherArch: req.OtherArch, OlderToo: req.Older, Limit: req.Limit,
	}
	if !q.Currency.Valid() {
		_, err := money.ParseCurrency(string(q.Currency))
		return r, fleet.BadRequest(err)
	}
	for _, t := range r.Targets {
		q.Targets = append(q.Targets, pricing.Target{Provider: t.Provider, Region: t.Region})
	}
	v := m.pricer(&r.Month)
	if r.From, err = m.original(b, &q, v); err != nil {
		return r, err
	}
	r.Matches, r.Revision = []EquivalentType{}, b.Revision()
	if len(q.Targets) > 0 {
		matches, err := b.Equivalents(q)
		if err != nil {
			return r, err
		}
		for i := range matches {
			r.Matches = append(r.Matches, r.From.match(&matches[i], v))
		}
	}
	r.Warnings = v.ages.warnings()
	return r, nil
}

// targets are the regions in which equivalents are looked for.
func targets(b *pricing.Book, req *EquivalentsRequest) (list []PriceRegion, none []string, err error) {
	to, none := req.To, []string{}
	if len(to) == 0 {
		to = b.Providers()
	}
	for _, name := range to {
		if strings.Contains(name, ":") {
			t, err := placeNamed(b, name)
			if err != nil {
				return nil, nil, err
			}
			list = append(list, t)
			continue
		}
		if err := knownProvider(b, name); err != nil {
			return nil, nil, err
		}
		near, ok := b.Near(req.Provider, req.Region, name)
		if !ok {
			none = append(none, name)
			continue
		}
		list = append(list, PriceRegion{near.Provider, near.Region})
	}
	return list, none, nil
}

// original is the type asked about with its price, as candidates have it.
func (m *Monitor) original(b *pricing.Book, q *pricing.EquivalentQuery, v *pricer) (PricedType, error) {
	spec, ok := b.Specification(q.Provider, q.InstanceType)
	if !ok {
		_, err := b.Equivalents(*q) // it says so, with the nearest names
		return PricedType{}, fleet.BadRequest(err)
	}
	found, err := pricedIn(b, pricing.CandidateQuery{
		OS: q.OS, AsOf: q.AsOf, Currency: q.Currency,
		Demand: pricing.Demand{AnyGPU: true, Purposes: []string{}, OlderToo: true, BurstableToo: true, Match: func(s *pricing.Specification) bool {
			return s.InstanceType == q.InstanceType
		}},
	}, PriceRegion{q.Provider, q.Region})
	if err != nil {
		return PricedType{}, err
	}
	if len(found.List) == 0 {
		return v.bare(spec, q.Region), nil
	}
	return v.candidate(found.List[0], q.Region), nil
}

// match puts a match beside the original.
func (t *PricedType) match(x *pricing.Match, v *pricer) EquivalentType {
	e := EquivalentType{
		PricedType: v.candidate(&x.Candidate, x.Region), Reasons: x.Reasons, Unknown: append([]string{}, x.Unknown...),
		Checks: append([]advice.Check{}, x.Checks...), Effort: advice.EffortOf(x.Checks), Surplus: x.Surplus,
	}
	e.KmApprox = x.KmApprox
	if t.FullMonth != nil {
		if saving, err := t.FullMonth.Sub(*e.FullMonth); err == nil {
			e.Saving = &saving
		}
		e.MixedDates = t.AsOf != nil && e.AsOf != nil && !t.AsOf.Equal(*e.AsOf)
	}
	return e
}

// usualRegion is the region given, else the one with most hosts of a provider,
// else its first one.
func (m *Monitor) usualRegion(ctx context.Context, b *pricing.Book, provider, region string) (string, error) {
	if region != "" {
		_, err := placeNamed(b, provider+":"+region)
		return region, err
	}
	places, err := m.hostPlaces(ctx)
	if err != nil {
		return "", fmt.Errorf("look for the region with most hosts of %s: %w; name a region", provider, err)
	}
	most := 0
	for _, p := range places {
		if p.Provider == provider && p.Hosts > most && slices.Contains(b.Regions(provider), p.Region) {
			region, most = p.Region, p.Hosts
		}
	}
	if region = cmp.Or(region, firstRegions[provider]); region == "" {
		return "", fleet.BadRequest(fmt.Errorf("name a region of %s", provider))
	}
	return region, nil
}
