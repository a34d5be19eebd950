package rightsizing

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/leanfleet/leanfleet/advice"
	"github.com/leanfleet/leanfleet/fleet"
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
	RejectedPressed      = "pressed"         // fewer vCPUs, and today's were above the limit for long
	RejectedOlder        = "older"           // no less of anything, but of an older generation: no swap without risk
	RejectedRecent       = "recent_day"      // less than half of what one of the last 14 days took
	RejectedRisk         = "risk"            // chance of breaking above the bound of a line
	RejectedSavings      = "savings"         // saves less than the least saving asked for
	RejectedGroup        = "group"           // like hosts have begun to outgrow it
	RejectedCostlier     = "worse"           // price and risk together are worse than those of what is advised
	RejectedDismissed    = "dismissed"       // somebody decided against it
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
	reasonRuleExcludes   = "rule_excludes"   // a rule of the request leaves the host out
	reasonDismissed      = "dismissed"       // with why, by whom and until when
	reasonMixedTypes     = "mixed_types"     // members of a group have several types
	reasonNetUnknown     = "network_unknown" // advised although use or limit of the network is not known
	reasonDiskUnknown    = "disk_unknown"    // the same of disk throughput or operations
	reasonWakes          = "wakes"           // idle, but the CPU was once above 20 %
	reasonCovered        = "covered_by_commitment"
	reasonCurrency       = "commitments_currency" // commitments are in another currency
	reasonStopped        = "stopped"              // pays for disks and addresses only, as long as it is
	reasonDay            = "exceptional_day"      // one day, which is set aside, took more than what is advised has
	reasonOlder          = "older_generation"     // what is advised is of an older generation than today's type
)

// candidate is a type that a host could have.
type candidate struct {
	*pricing.Candidate
	vcpus, memory float64
	price         float64 // per hour, all month
	lessCPU       bool
	lessMem       bool
	remembered    bool // there only because it was advised before: another dominates it

	pCPU, pMem, p float64 // chances of breaking
	group         float64 // share of safe look-alikes that outgrew it on one day
	groupOver     float64 // weight of safe look-alikes
}

func (c *candidate) shrinks() bool { return c.lessCPU || c.lessMem }

// place is where candidates of a host are sold.
type place struct {
	provider, region, os string
	purchase             pricing.Purchase
}

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
		Provider: p.provider, Region: p.region, OS: p.os, Purchase: p.purchase, At: s.req.PricesAsOf, AsOf: s.req.PricesAsOf, Currency: s.req.Currency,
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
	terms     *terms
	os        string
	today     *pricing.Candidate // nil without a price
	osAssumed bool
	reason    string // why there is no quote
	all       []*pricing.Candidate
	pressed   bool         // above the limit for long: its vCPUs are not reduced
	lately    [2]float64   // most vCPUs that one of the last 14 days needed, and most bytes
	beside    [3]*float64  // what it needs of the resources beside CPU and memory
	members   []int        // of a scaling group, among the model's quotes
	peers     []*quote     // of its members
	projected *[2]*float64 // see projection
	mean      float64      // the number of members that amounts are for
	before    *Prior       // what was last advised
	prior     int          // its place in the list, -1 without one
	decision  *advice.Decision
	// list is today's type, then the cheaper candidates that no other dominates,
	// cheapest first, then what was advised before where another dominates it.
	list []candidate
}

// hosts is the number of hosts that amounts are for.
func (q *quote) hosts() float64 {
	if q.mean > 0 {
		return q.mean
	}
	return 1
}

// sizeOf is the nominal size of a record; zero is unknown.
func (s *shop) sizeOf(r *fleet.Record) (vcpus, memory float64) {
	vcpus, memory = r.Capacity.VCPUs, float64(r.Capacity.MemoryBytes)
	if spec, known := s.book.Specification(r.Provider, r.InstanceType); known {
		if vcpus == 0 && spec.VCPUs.Known {
			vcpus = float64(spec.VCPUs.Value)
		}
		if memory == 0 && spec.MemoryBytes.Known {
			memory = float64(spec.MemoryBytes.Value)
		}
	}
	return vcpus, memory
}

// quote prices a host and picks its candidates. It sets the host's size.
func (s *shop) quote(x *host) (*quote, error) {
	r := x.record
	q := &quote{host: x, terms: s.req.termsFor(r), prior: -1}
	var ok bool
	if q.os, ok = pricing.PriceOS(r.OS); !ok {
		q.os, q.osAssumed = pricing.Linux, true
	}
	x.vcpus, x.memory = s.sizeOf(r)
	if _, known := s.book.Specification(r.Provider, r.InstanceType); !known || x.vcpus == 0 || x.memory == 0 {
		q.reason = reasonNoType
		return q, nil
	}
	for _, p := range x.members {
		// What is less than the largest member of a group has is less for that one.
		if !p.gone {
			x.vcpus, x.memory = math.Max(x.vcpus, p.vcpus), math.Max(x.memory, p.memory)
		}
	}
	q.needBeside()
	var err error
	if q.all, err = s.everything(place{r.Provider, r.Region, q.os, pricing.OnDemand}); err != nil {
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
		if !cheaper(c, q.today) || s.rejects(q, c) != "" {
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
		if b := &before[i]; b.vcpus >= c.vcpus && b.memory >= c.memory && !b.remembered {
			return b
		}
	}
	return nil
}

// rejects says why a type is no candidate for a host whatever its CPU, memory and
// price, except for the baseline of a burstable one; "" where it is one. What the
// host needs beside them, and the type is known not to have, is named by its
// resource.
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
	if reason := s.rejectsBurstable(q, c); reason != "" {
		return reason
	}
	return q.shortOf(then)
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
	if b := q.terms.burstable; b == BurstableExclude || b == BurstableKeep && !has {
		return RejectedBurstable
	}
	base := c.Spec.BurstBaseline
	if !base.Known {
		return RejectedUnknown
	}
	share := base.Value.Decimal().InexactFloat64() * float64(c.Spec.VCPUs.Value)
	seen := false
	for _, p := range q.host.parts() {
		for i := range p.cpu {
			x := &p.cpu[i]
			if x.covered < minDay {
				continue
			}
			seen = true
			if x.mean() > share {
				return RejectedBaseline
			}
		}
	}
	if !seen {
		return RejectedCPUUnknown
	}
	return ""
}

// monthly is what a price per hour is in a month.
func monthly(p money.Price) money.Amount { return p.Per(money.Whole(HoursPerMonth)) }

// older says that a type is of an older generation than another one of its line.
func older(now, then *pricing.Specification) bool {
	return now.Provider == then.Provider && lineOf(now) == lineOf(then) && now.GenerationRank.Known && then.GenerationRank.Known && then.GenerationRank.Value < now.GenerationRank.Value
}

// lineOf is the types among which generations count: those of the same letters
// before the first digit. The general, compute and memory types of AWS, and the
// D and E sizes of Azure, share their generations.
func lineOf(s *pricing.Specification) string {
	name := strings.TrimPrefix(s.InstanceType, "Standard_")
	if i := strings.IndexAny(name, "0123456789"); i >= 0 {
		name = name[:i]
	}
	shared := map[string]string{"aws c": "m", "aws r": "m", "azure E": "D"}
	return cmp.Or(shared[s.Provider+" "+name], name)
}

// olderCheck is what to verify of a type of an older generation: a vCPU of it
// does less, and demand is measured in vCPUs of today's type.
func olderCheck(now, then *pricing.Specification) advice.Check {
	return advice.Check{
		Code: advice.CheckGeneration, Text: "an older generation: a vCPU of it does less than one of today's type, by which demand is measured",
		From: now.Family.Value, To: then.Family.Value,
	}
}
