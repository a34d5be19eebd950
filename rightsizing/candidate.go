package rightsizing

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
)

// Reasons why a type is no candidate or is not advised, stable for scripts.
const (
	RejectedCurrent      = "current"         // it is today's type
	RejectedNotCheaper   = "not_cheaper"     // costs no less than today's type
	RejectedUnknown      = "unknown"         // a fact that matters is not known
	RejectedArchitecture = "architecture"    // another processor
	RejectedAccelerator  = "accelerator"     // accelerators differ
	RejectedLocalDisk    = "local_disk"      // the host's local disk would be gone
	RejectedConfidential = "confidential"    // protection of memory in use would be gone
	RejectedFamily       = "family"          // family denied, or not among those allowed
	RejectedNotCurrent   = "not_current"     // family not sold as a current one
	RejectedPurpose      = "purpose"         // neither general, compute nor memory
	RejectedBurstable    = "burstable"       // burstable or shared CPU
	RejectedBaseline     = "baseline"        // the baseline does not cover the mean demand of a day
	RejectedDominated    = "dominated"       // another costs no more and has no less
	RejectedCPUUnknown   = "cpu_unknown"     // fewer vCPUs, and CPU is not known
	RejectedMemUnknown   = "memory_unknown"  // less memory, and memory is not known
	RejectedPressed      = "pressed"         // fewer vCPUs, and today's are above the limit for long
	RejectedRisk         = "risk"            // chance of breaking above the bound of a line
	RejectedSavings      = "savings"         // saves less than the least saving asked for
	RejectedGroup        = "group"           // like hosts have begun to outgrow it
	RejectedCostlier     = "worse"           // price and risk together are worse than those of what is advised
	RejectedTooSmall     = "too_small"       // does not cover the demand of an under-provisioned host
	reasonNoPrice        = "no_price"        // today's type has no price
	reasonNoType         = "no_type"         // today's type or size is not known
	reasonOSAssumed      = "os_assumed"      // priced as linux
	reasonNoSamples      = "no_samples"      // never measured
	reasonFewDays        = "few_days"        // fewer than three days known
	reasonSilent         = "silent"          // no known day among the last seven
	reasonMemoryUnknown  = "memory_unknown"  // memory is not known and stays
	reasonAboveLimit     = "above_limit"     // already above the limit on today's type
	reasonPressureCPU    = "cpu_short"       // CPU at its ceiling
	reasonPressureMem    = "memory_short"    // memory at its ceiling
	reasonNoLarger       = "no_larger_type"  // nothing covers the demand
	reasonNothingBetter  = "nothing_cheaper" // no candidate at an acceptable risk
)

// candidate is a type that a host could have.
type candidate struct {
	*pricing.Candidate
	vcpus, memory float64
	price         float64 // per hour, all month
	lessCPU       bool
	lessMem       bool

	pCPU, pMem, p float64 // chances of breaking
	group         float64 // share of safe look-alikes that outgrew it on one day
	groupOver     float64 // weight of safe look-alikes
}

func (c *candidate) shrinks() bool { return c.lessCPU || c.lessMem }

// place is where candidates of a host are sold.
type place struct{ provider, region, os string }

// shop finds candidates; lists are shared by hosts.
type shop struct {
	book  *pricing.Book
	req   *Request
	lists map[place][]*pricing.Candidate
}

func newShop(book *pricing.Book, req *Request) *shop {
	return &shop{book: book, req: req, lists: map[place][]*pricing.Candidate{}}
}

// everything is all priced types of a place, cheapest first; none where nothing
// is sold.
func (s *shop) everything(p place) ([]*pricing.Candidate, error) {
	if list, ok := s.lists[p]; ok {
		return list, nil
	}
	found, err := s.book.Candidates(pricing.CandidateQuery{
		Provider: p.provider, Region: p.region, OS: p.os, At: s.req.PricesAsOf, AsOf: s.req.PricesAsOf, Currency: s.req.Currency,
		Demand: pricing.Demand{Purposes: []string{}, OlderToo: true, BurstableToo: true, AnyGPU: true},
	})
	if err != nil && !errors.Is(err, pricing.ErrNoPrice) && !errors.Is(err, pricing.ErrUnknownRegion) {
		return nil, fmt.Errorf("prices of %s %s: %w", p.provider, p.region, err)
	}
	s.lists[p] = found.List
	return found.List, nil
}

// quote is a host's today's type with its price, and what it could have instead.
type quote struct {
	host      *host
	today     *pricing.Candidate // nil without a price
	osAssumed bool
	reason    string // why there is no quote
	all       []*pricing.Candidate
	pressed   bool // above the limit for long: its vCPUs are not reduced
	// list is today's type, then the cheaper candidates that no other dominates,
	// cheapest first.
	list []candidate
}

// quote prices a host and picks its candidates. It sets the host's size.
func (s *shop) quote(x *host) (*quote, error) {
	q := &quote{host: x}
	r := x.record
	os, ok := pricing.PriceOS(r.OS)
	if !ok {
		os, q.osAssumed = pricing.Linux, true
	}
	spec, known := s.book.Specification(r.Provider, r.InstanceType)
	x.vcpus, x.memory = r.Capacity.VCPUs, float64(r.Capacity.MemoryBytes)
	if known {
		if x.vcpus == 0 && spec.VCPUs.Known {
			x.vcpus = float64(spec.VCPUs.Value)
		}
		if x.memory == 0 && spec.MemoryBytes.Known {
			x.memory = float64(spec.MemoryBytes.Value)
		}
	}
	if !known || x.vcpus == 0 || x.memory == 0 {
		q.reason = reasonNoType
		return q, nil
	}
	var err error
	if q.all, err = s.everything(place{r.Provider, r.Region, os}); err != nil {
		return nil, err
	}
	i := slices.IndexFunc(q.all, func(c *pricing.Candidate) bool { return c.Spec.InstanceType == r.InstanceType })
	if i < 0 {
		q.reason = reasonNoPrice
		return q, nil
	}
	q.today = q.all[i]
	q.list = append(q.list, s.candidate(x, q.today))
	q.list[0].vcpus, q.list[0].memory, q.list[0].lessCPU, q.list[0].lessMem = x.vcpus, x.memory, false, false
	for _, c := range q.all {
		if s.rejects(q, c) != "" || !cheaper(c, q.today) {
			continue
		}
		if y := s.candidate(x, c); dominator(q.list[1:], &y) == nil {
			q.list = append(q.list, y)
		}
	}
	return q, nil
}

func cheaper(a, b *pricing.Candidate) bool { return money.ComparePrices(a.FullMonth, b.FullMonth) < 0 }

func (s *shop) candidate(x *host, c *pricing.Candidate) candidate {
	y := candidate{Candidate: c, vcpus: float64(c.Spec.VCPUs.Value), memory: float64(c.Spec.MemoryBytes.Value)}
	y.price = c.FullMonth.Decimal().InexactFloat64()
	y.lessCPU, y.lessMem = y.vcpus < x.vcpus-1e-9, y.memory < x.memory
	return y
}

// dominator is a candidate before c, so no dearer, that has no less of both.
func dominator(before []candidate, c *candidate) *candidate {
	for i := range before {
		if b := &before[i]; b.vcpus >= c.vcpus && b.memory >= c.memory {
			return b
		}
	}
	return nil
}

// rejects says why a type is no candidate for a host whatever its load and
// price, except for the baseline of a burstable one; "" where it is one.
func (s *shop) rejects(q *quote, c *pricing.Candidate) string {
	now, then := q.today.Spec, c.Spec
	family := then.Family.Value
	named := slices.Contains(s.req.AllowFamilies, family)
	own := then.Family.Known && now.Family.Known && family == now.Family.Value
	switch {
	case then.InstanceType == now.InstanceType:
		return RejectedCurrent
	case !then.VCPUs.Known || !then.MemoryBytes.Known || unknownThere(now.Arch.Known, then.Arch.Known) ||
		unknownThere(now.GPUs.Known, then.GPUs.Known) || unknownThere(now.CPUKind.Known, then.CPUKind.Known):
		return RejectedUnknown
	case slices.Contains(s.req.DenyFamilies, family), len(s.req.AllowFamilies) > 0 && !named:
		return RejectedFamily
	case !s.req.AllowARM && then.Arch.Known && then.Arch.Value != cmp.Or(q.host.record.Arch, now.Arch.Value):
		return RejectedArchitecture
	case !sameAccelerators(now, then):
		return RejectedAccelerator
	case now.LocalDisk.Known && now.LocalDisk.Value.Present && (!then.LocalDisk.Known || !then.LocalDisk.Value.Present):
		return RejectedLocalDisk
	case now.Confidential.Known && now.Confidential.Value && (!then.Confidential.Known || !then.Confidential.Value):
		return RejectedConfidential
	case !named && !own && !then.IsCurrent():
		return RejectedNotCurrent
	case !named && !own && !slices.Contains([]string{"general", "compute", "memory"}, then.Purpose.Value):
		return RejectedPurpose
	}
	return s.rejectsBurstable(q, c)
}

// unknownThere says that a fact is unknown of another type but known of today's.
// What is unknown of both, as of machines in one's own sheet, is taken as equal.
func unknownThere(now, then bool) bool { return now && !then }

// sameAccelerators says that a type has at least as many accelerators of the same
// model; where no model is known, those of one family are of one.
func sameAccelerators(now, then *pricing.Specification) bool {
	if !now.GPUs.Known || now.GPUs.Value == 0 {
		return then.GPUs.Value == 0
	}
	model := now.Accelerator.Known && then.Accelerator.Known && now.Accelerator.Value == then.Accelerator.Value
	family := !now.Accelerator.Known && !then.Accelerator.Known && now.Family.Known && then.Family.Known && now.Family.Value == then.Family.Value
	return then.GPUs.Value >= now.GPUs.Value && (model || family)
}

func (s *shop) rejectsBurstable(q *quote, c *pricing.Candidate) string {
	if !c.Spec.CPUKind.Known || c.Spec.CPUKind.Value == pricing.CPUDedicated {
		return ""
	}
	has := q.today.Spec.CPUKind.Known && q.today.Spec.CPUKind.Value != pricing.CPUDedicated
	if s.req.Burstable == BurstableExclude || s.req.Burstable == BurstableKeep && !has {
		return RejectedBurstable
	}
	base := c.Spec.BurstBaseline
	if !base.Known {
		return RejectedUnknown
	}
	share := base.Value.Decimal().InexactFloat64() * float64(c.Spec.VCPUs.Value)
	seen := false
	for i := range q.host.cpu {
		x := &q.host.cpu[i]
		if x.covered < minDay {
			continue
		}
		seen = true
		if x.mean() > share {
			return RejectedBaseline
		}
	}
	if !seen {
		return RejectedCPUUnknown
	}
	return ""
}

// monthly is what a price per hour is in a month.
func monthly(p money.Price) money.Amount { return p.Per(money.Whole(HoursPerMonth)) }
