package pricing

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/money"
)

// Demand is what a candidate has to be. Zero fields ask for nothing.
type Demand struct {
	VCPUs       float64 // at least
	MemoryBytes int64   // at least
	// MaxVCPUs and MaxMemoryBytes bound the size from above.
	MaxVCPUs       float64
	MaxMemoryBytes int64
	Arch           string
	GPUs           float64     // at least; 0 takes only types without accelerators unless AnyGPU
	AnyGPU         bool        // GPUs do not matter
	MaxPrice       money.Price // per hour at the order's price, in the query's currency
	// Purposes are the purposes of families that are taken: nil is general,
	// compute and memory, and an empty slice is all. Families are taken
	// whatever their purpose and status.
	Purposes []string
	Families []string
	// OlderToo takes families that are not current.
	OlderToo bool
	// BurstableToo takes burstable and shared CPUs.
	BurstableToo bool
	LocalDisk    bool // a local disk has to be there
	// Match is asked last, where it is not nil.
	Match func(s *Specification) bool
}

// Order is by which price candidates are sorted and bounded.
type Order string

// The orders. The price of a full month is what an hour costs on average if the
// host runs all month: the contracted price less the sustained-use discount.
const (
	OrderFullMonth Order = "full_month" // the default
	OrderList      Order = "list"
)

// CandidateQuery asks for the types of a region that meet a demand.
type CandidateQuery struct {
	Provider, Region string
	OS               string   // empty is linux
	Purchase         Purchase // empty is on demand
	Term             Term
	At, AsOf         time.Time
	Currency         money.Currency // empty is USD
	Order            Order
	Demand           Demand
	Limit            int // 0 is all
}

// Candidate is a type with its price. Spec is shared and must not be written
// to.
type Candidate struct {
	Spec       *Specification
	List       money.Price
	Contracted money.Price
	// Machine is the part of Contracted without the licence of the operating
	// system, no price where it is not known: see [Found.Machine].
	Machine money.Price
	// FullMonth is the average price of an hour of a host that runs all month.
	FullMonth  money.Price
	ObservedAt time.Time
	LastSeen   time.Time
	Basis      Basis
	Layer      Layer
	PriceBasis string
}

// Candidates are the types that meet a demand, cheapest first, equal prices by
// fewer vCPUs, less memory, then name.
type Candidates struct {
	// List is shared with other answers and must not be written to.
	List []*Candidate
	// Unknown counts types left out because a figure that was asked for is not
	// known of them, NoPrice those without a price, OtherCurrency those whose
	// price no rate converts.
	Unknown, NoPrice, OtherCurrency int
}

type candidateKey struct {
	provider, region, os string
	purchase             Purchase
	term                 Term
	at, asOf             int64
	currency             money.Currency
	order                Order
}

// candidateList is all types of a region with a price, in order.
type candidateList struct {
	list                   []Candidate
	noPrice, otherCurrency int
}

// maxCandidateLists bounds the cache; one takes some 200 KB.
const maxCandidateLists = 64

// Candidates returns the types of a region that meet a demand.
func (b *Book) Candidates(q CandidateQuery) (Candidates, error) {
	q.OS, q.Purchase = cmp.Or(q.OS, Linux), cmp.Or(q.Purchase, OnDemand)
	q.Currency, q.Order = cmp.Or(q.Currency, money.USD), cmp.Or(q.Order, OrderFullMonth)
	all, err := b.candidateList(&q)
	if err != nil {
		return Candidates{}, err
	}
	out := Candidates{NoPrice: all.noPrice, OtherCurrency: all.otherCurrency}
	out.List = make([]*Candidate, 0, len(all.list))
	for i := range all.list {
		c := &all.list[i]
		if d := &q.Demand; !d.MaxPrice.IsZero() && q.price(c).Number().Cmp(d.MaxPrice.Number()) > 0 {
			break
		}
		switch q.Demand.meets(c.Spec) {
		case meetsUnknown:
			out.Unknown++
		case meetsYes:
			if q.Limit == 0 || len(out.List) < q.Limit {
				out.List = append(out.List, c)
			}
		}
	}
	return out, nil
}

func (q *CandidateQuery) price(c *Candidate) money.Price {
	if q.Order == OrderList {
		return c.List
	}
	return c.FullMonth
}

type meets int

const (
	meetsNo meets = iota
	meetsYes
	meetsUnknown
)

var usualPurposes = []string{"general", "compute", "memory"}

// meets says whether a type meets the demand. A type that fails by what is
// known of it is out whatever is unknown.
func (d *Demand) meets(s *Specification) meets {
	named := s.Family.Known && slices.Contains(d.Families, s.Family.Value)
	if !named {
		purposes := d.Purposes
		if purposes == nil {
			purposes = usualPurposes
		}
		if (!d.OlderToo && !s.IsCurrent()) || (len(purposes) > 0 && !slices.Contains(purposes, s.Purpose.Value)) {
			return meetsNo
		}
	}
	unknown := false
	short := func(known, fails bool) bool {
		unknown = unknown || !known
		return known && fails
	}
	vcpus, memory, gpus := float64(s.VCPUs.Value), s.MemoryBytes.Value, s.GPUs.Value
	switch {
	case (d.VCPUs > 0 || d.MaxVCPUs > 0) && short(s.VCPUs.Known, vcpus < d.VCPUs || (d.MaxVCPUs > 0 && vcpus > d.MaxVCPUs)),
		(d.MemoryBytes > 0 || d.MaxMemoryBytes > 0) && short(s.MemoryBytes.Known, memory < d.MemoryBytes || (d.MaxMemoryBytes > 0 && memory > d.MaxMemoryBytes)),
		d.Arch != "" && short(s.Arch.Known, s.Arch.Value != d.Arch),
		!d.AnyGPU && short(s.GPUs.Known, gpus < d.GPUs || (d.GPUs == 0 && gpus > 0)),
		!d.BurstableToo && short(s.CPUKind.Known, s.CPUKind.Value != CPUDedicated),
		d.LocalDisk && short(s.LocalDisk.Known, !s.LocalDisk.Value.Present),
		d.Match != nil && !d.Match(s):
		return meetsNo
	case unknown:
		return meetsUnknown
	}
	return meetsYes
}

// candidateList returns all priced types of the query's region in its order.
func (b *Book) candidateList(q *CandidateQuery) (*candidateList, error) {
	m := momentOf(&OfferQuery{At: q.At, AsOf: q.AsOf})
	key := candidateKey{q.Provider, q.Region, q.OS, q.Purchase, q.Term, m.at, m.asOf, q.Currency, q.Order}
	b.mu.Lock()
	b.ledger.mu.RLock()
	b.forget()
	b.ledger.mu.RUnlock()
	made, ok := b.candidates[key]
	b.mu.Unlock()
	if ok {
		return made, nil
	}
	made = &candidateList{}
	for _, typ := range b.types(q.Provider, q.Region, false) {
		found, err := b.Lookup(OfferQuery{Provider: q.Provider, Region: q.Region, InstanceType: typ, OS: q.OS, Purchase: q.Purchase, Term: q.Term, At: q.At, AsOf: q.AsOf})
		if err != nil {
			if !isNoPrice(err) {
				return nil, err
			}
			made.noPrice++
			continue
		}
		spec, ok := b.Specification(q.Provider, typ)
		if !ok { // a list prices it, and that is all anybody knows
			bare := applyRules(Specification{Provider: q.Provider, InstanceType: typ})
			spec = &bare
		}
		c, converted := b.candidate(q, spec, &found)
		if !converted {
			made.otherCurrency++
			continue
		}
		made.list = append(made.list, c)
	}
	if len(made.list) == 0 && !slices.Contains(b.Regions(q.Provider), q.Region) {
		return nil, &unknownRegionError{withNearest("region "+quoted(q.Region)+" of "+q.Provider, b.NearestRegions(q.Provider, q.Region, 3))}
	}
	slices.SortFunc(made.list, func(x, y Candidate) int {
		return cmp.Or(money.ComparePrices(q.price(&x), q.price(&y)), cmp.Compare(x.Spec.VCPUs.Value, y.Spec.VCPUs.Value),
			cmp.Compare(x.Spec.MemoryBytes.Value, y.Spec.MemoryBytes.Value), strings.Compare(x.Spec.InstanceType, y.Spec.InstanceType))
	})
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.candidates == nil || len(b.candidates) >= maxCandidateLists {
		b.candidates = make(map[candidateKey]*candidateList)
	}
	b.candidates[key] = made
	return made, nil
}

// candidate puts a type and its price together, in the query's currency.
func (b *Book) candidate(q *CandidateQuery, spec *Specification, f *Found) (Candidate, bool) {
	c := Candidate{Spec: spec, List: f.List.PerHour, Contracted: f.Contracted, ObservedAt: f.List.ObservedAt, LastSeen: f.LastSeen,
		Basis: f.List.Basis, Layer: f.Layer, PriceBasis: f.PriceBasis}
	c.Machine = f.Machine
	for _, p := range []*money.Price{&c.List, &c.Contracted, &c.Machine} {
		if p.IsZero() || p.Currency() == q.Currency {
			continue
		}
		converted, _, err := b.rates.Price(*p, q.Currency, q.At)
		if err != nil {
			return Candidate{}, false
		}
		*p = converted
	}
	c.FullMonth = c.Contracted
	if d := spec.SustainedUseDiscount; q.Purchase == OnDemand && d.Known && d.Value.Sign() > 0 {
		c.FullMonth = fullMonth(c.Contracted, c.Machine, spec)
	}
	return c, true
}
