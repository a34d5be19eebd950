package pricing

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/advice"
	"github.com/leanfleet/leanfleet/money"
)

// Target is a region in which equivalents are looked for.
type Target struct {
	Provider, Region string
}

// EquivalentQuery asks for the types that can stand in for one.
type EquivalentQuery struct {
	Provider, Region, InstanceType string
	OS                             string   // empty is linux
	Targets                        []Target // empty is the own region
	At, AsOf                       time.Time
	Currency                       money.Currency // empty is USD
	// Smaller is how much less than the original a match may have of vCPUs or
	// memory, as a share: 0 asks for at least as much of both.
	Smaller float64
	// OtherArch takes types of another architecture as well.
	OtherArch bool
	// OlderToo takes families that are not current.
	OlderToo bool
	Limit    int // for each target; 0 is 5
}

// Match is a type that can stand in for another.
type Match struct {
	Candidate
	Region    string
	KmApprox  int // from the original's region, where known
	Reasons   []string
	Unknown   []string // what is not known of the match, by the name of the fact
	Checks    []advice.Check
	Surplus   float64 // how much larger it is: see Equivalents
	Different int     // how many kinds of checks it needs
}

// Equivalents returns the types of the targets that can stand in for one, best
// first within each target, targets in the order given. A match has at least
// the vCPUs and memory of the original, the same number of GPUs, a dedicated
// CPU where the original has one, a local disk where it has one, and unless
// asked otherwise its architecture and a current family. Types whose vCPUs,
// memory, GPUs, CPU kind or architecture are unknown are no match.
//
// They are ranked by surplus in halves of a doubling, then by the number of
// checks, then by the price of a full month, then by name. Surplus is
// log2(vCPUs / original) + log2(memory / original), each at least 0 unless
// smaller ones are allowed, where it is taken without its sign.
func (b *Book) Equivalents(q EquivalentQuery) ([]Match, error) {
	from, ok := b.Specification(q.Provider, q.InstanceType)
	if !ok {
		return nil, &unknownTypeError{withNearest("instance type "+quoted(q.InstanceType)+" of "+q.Provider, b.NearestTypes(q.Provider, q.InstanceType, 3))}
	}
	if !from.VCPUs.Known || !from.MemoryBytes.Known {
		return nil, fmt.Errorf("equivalents of %s: its vCPUs or memory are unknown", q.InstanceType)
	}
	if len(q.Targets) == 0 {
		q.Targets = []Target{{q.Provider, q.Region}}
	}
	var out []Match
	for _, t := range q.Targets {
		matches, err := b.equivalentsIn(&q, from, t)
		if err != nil {
			return nil, err
		}
		out = append(out, matches...)
	}
	return out, nil
}

func (b *Book) equivalentsIn(q *EquivalentQuery, from *Specification, t Target) ([]Match, error) {
	keep := 1 - q.Smaller
	d := Demand{
		VCPUs: float64(from.VCPUs.Value) * keep, MemoryBytes: int64(float64(from.MemoryBytes.Value) * keep),
		GPUs: from.GPUs.Value, BurstableToo: from.CPUKind.Known && from.CPUKind.Value != CPUDedicated, OlderToo: q.OlderToo,
		LocalDisk: from.LocalDisk.Known && from.LocalDisk.Value.Present,
		Match: func(s *Specification) bool {
			return !(s.Provider == from.Provider && s.InstanceType == from.InstanceType) && s.GPUs.Value == from.GPUs.Value
		},
	}
	if from.Arch.Known && !q.OtherArch {
		d.Arch = from.Arch.Value
	}
	if from.Purpose.Known && !slices.Contains(usualPurposes, from.Purpose.Value) {
		d.Purposes = append(slices.Clone(usualPurposes), from.Purpose.Value)
	}
	found, err := b.Candidates(CandidateQuery{Provider: t.Provider, Region: t.Region, OS: q.OS, At: q.At, AsOf: q.AsOf, Currency: q.Currency, Demand: d})
	if err != nil {
		return nil, err
	}
	matches := make([]Match, 0, len(found.List))
	near, known := b.Near(q.Provider, q.Region, t.Provider)
	for _, c := range found.List {
		m := Match{Candidate: *c, Region: t.Region, Checks: Checks(from, c.Spec), Unknown: c.Spec.Unknown()}
		if known && near.Region == t.Region {
			m.KmApprox = near.KmApprox
		}
		m.Surplus = math.Abs(math.Log2(float64(c.Spec.VCPUs.Value)/float64(from.VCPUs.Value))) +
			math.Abs(math.Log2(float64(c.Spec.MemoryBytes.Value)/float64(from.MemoryBytes.Value)))
		kinds := make(map[advice.Code]bool)
		for _, check := range m.Checks {
			kinds[check.Code] = true
		}
		m.Different = len(kinds)
		matches = append(matches, m)
	}
	slices.SortStableFunc(matches, func(x, y Match) int {
		return cmp.Or(cmp.Compare(math.Floor(2*x.Surplus), math.Floor(2*y.Surplus)), cmp.Compare(x.Different, y.Different),
			money.ComparePrices(x.FullMonth, y.FullMonth), strings.Compare(x.Spec.InstanceType, y.Spec.InstanceType))
	})
	matches = matches[:min(len(matches), cmp.Or(q.Limit, 5))]
	for i := range matches {
		matches[i].Reasons = reasons(from, matches[i].Spec)
	}
	return matches, nil
}

// reasons says in words why a type is a match.
func reasons(from, to *Specification) []string {
	compare := func(what, fw, tw string, same bool) string {
		if same {
			return "same " + what + " (" + tw + ")"
		}
		return what + " " + tw + " instead of " + fw
	}
	r := []string{
		compare("vCPUs", words(from.VCPUs), words(to.VCPUs), from.VCPUs.Value == to.VCPUs.Value),
		compare("memory", memoryWords(from), memoryWords(to), from.MemoryBytes.Value == to.MemoryBytes.Value),
	}
	for _, f := range []struct {
		what     string
		from, to string
	}{
		{"architecture", words(from.Arch), words(to.Arch)},
		{"CPU kind", words(from.CPUKind), words(to.CPUKind)},
		{"number of GPUs", words(from.GPUs), words(to.GPUs)},
		{"local disk", diskWords(from), diskWords(to)},
	} {
		if f.from != unknownWord && f.to != unknownWord {
			r = append(r, compare(f.what, f.from, f.to, f.from == f.to))
		}
	}
	if from.NetworkGbps.Known && to.NetworkGbps.Known && from.NetworkKind == to.NetworkKind {
		r = append(r, compare("network", words(from.NetworkGbps)+" Gbit/s", words(to.NetworkGbps)+" Gbit/s", from.NetworkGbps.Value == to.NetworkGbps.Value))
	}
	if to.Status.Known {
		r = append(r, to.Status.Value+" family "+to.Family.Value)
	}
	return r
}

// SearchQuery asks for types by what they are and cost, in the regions of
// several providers that lie nearest to one.
type SearchQuery struct {
	// Providers are those searched; empty is all that the book knows.
	Providers []string
	// Region is the region that is searched, of NearProvider; the regions of
	// other providers are the ones nearest to it.
	NearProvider, Region string
	Query                CandidateQuery // provider and region are filled in
}

// SearchHit is a type that meets the demand of a search.
type SearchHit struct {
	Candidate
	Region   string
	KmApprox int
}

// SearchResult is what a search found, by the order of its query.
type SearchResult struct {
	Hits []SearchHit
	// NoRegion lists providers without a known region near the one asked for.
	NoRegion []string
	Unknown  int // types left out because a figure asked for is not known
}

// Search returns the types that meet a demand, cheapest first across providers.
func (b *Book) Search(q SearchQuery) (SearchResult, error) {
	if len(q.Providers) == 0 {
		q.Providers = b.Providers()
	}
	if !slices.Contains(b.Regions(q.NearProvider), q.Region) {
		return SearchResult{}, &unknownRegionError{withNearest("region "+quoted(q.Region)+" of "+q.NearProvider, b.NearestRegions(q.NearProvider, q.Region, 3))}
	}
	var out SearchResult
	order := cmp.Or(q.Query.Order, OrderFullMonth)
	for _, p := range q.Providers {
		near, ok := b.Near(q.NearProvider, q.Region, p)
		if !ok {
			out.NoRegion = append(out.NoRegion, p)
			continue
		}
		c := q.Query
		c.Provider, c.Region = p, near.Region
		found, err := b.Candidates(c)
		if err != nil {
			return SearchResult{}, err
		}
		out.Unknown += found.Unknown
		for _, f := range found.List {
			out.Hits = append(out.Hits, SearchHit{*f, near.Region, near.KmApprox})
		}
	}
	by := CandidateQuery{Order: order}
	slices.SortStableFunc(out.Hits, func(x, y SearchHit) int {
		return cmp.Or(money.ComparePrices(by.price(&x.Candidate), by.price(&y.Candidate)), strings.Compare(x.Spec.Provider, y.Spec.Provider), strings.Compare(x.Spec.InstanceType, y.Spec.InstanceType))
	})
	if q.Query.Limit > 0 {
		out.Hits = out.Hits[:min(len(out.Hits), q.Query.Limit)]
	}
	return out, nil
}
