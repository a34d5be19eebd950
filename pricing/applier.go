package pricing

import (
	"cmp"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/leanfleet/leanfleet/money"
)

// Applier applies commitments to slot after slot of a fleet. It works out once
// what may be covered by what, in which order and at which price, so that a slot
// costs little more than walking through its usages. It is not safe for
// concurrent use.
type Applier struct {
	set   *Commitments
	rate  RateFunc
	kinds []Usage // one of each kind
	index map[usageKind]int
	specs map[*Specification]sizing
	draws []drawing // by commitment

	// What a slot needs, kept from one to the next.
	left    []time.Duration
	order   []int32
	counts  []int32
	budgets [2]big.Int
	length  big.Int
	product big.Int
}

// usageKind is all of a usage that decides what covers it.
type usageKind struct {
	provider, region, account, os string
	perHour, machine              money.Price
	sizing                        sizing
}

// sizing is what commitments and sustained use look at of a specification.
type sizing struct {
	known       bool
	typ, family string
	vcpus       Fact[int]
	billed      Fact[money.Number]
	memory      Fact[int64]
	hasNoFamily bool
	sustained   Fact[money.Number]
}

func sizingOf(s *Specification) sizing {
	if s == nil {
		return sizing{}
	}
	out := sizing{known: true, typ: s.InstanceType, family: s.Family.Value, vcpus: s.VCPUs, billed: s.BilledVCPUs, memory: s.MemoryBytes,
		hasNoFamily: !s.Family.Known, sustained: s.SustainedUseDiscount}
	out.vcpus.Source, out.billed.Source, out.memory.Source, out.sustained.Source = "", "", "", ""
	return out
}

// Use is a usage of a known kind in a slot.
type Use struct {
	Kind    int // as [Applier.Kind] returned it
	Running time.Duration
}

// Cover is what an hour of a kind of usage costs under a commitment. Covers are
// the same pointer as long as nothing about them changes.
type Cover struct {
	Commitment *Commitment
	// PerHour is the price of an hour. Size-flexible instances cost their own
	// price for hours of their own size; the part of it that an hour of the usage
	// costs is Parts / Of.
	PerHour   money.Price
	Parts, Of int64
}

// Cost returns what covering costs, exactly, out of what the commitment costs.
func (c *Cover) Cost(covered time.Duration) money.Amount {
	return c.PerHour.Times(covered).Fraction(money.Whole(c.Parts), money.Whole(c.Of))
}

// Applier returns what applies the commitments at the rates of a function, which
// is asked once for each kind of usage and must not depend on host or running
// time. It may be nil where every commitment to spend has a percentage.
func (s *Commitments) Applier(rate RateFunc) *Applier {
	a := &Applier{set: s, rate: rate, index: make(map[usageKind]int), specs: make(map[*Specification]sizing)}
	if s != nil {
		a.draws = make([]drawing, len(s.list))
	}
	return a
}

// Rates sets other rates for the slots that follow.
func (a *Applier) Rates(rate RateFunc) {
	a.rate = rate
	for i := range a.draws {
		if c := &a.set.list[i]; c.form() == formSpend && c.Percent.IsZero() {
			a.draws[i] = drawing{}
		}
	}
}

// Kind returns the number of the usage's kind: all that it says but host and
// running time.
func (a *Applier) Kind(u *Usage) int {
	size, ok := a.specs[u.Spec]
	if !ok {
		size = sizingOf(u.Spec)
		a.specs[u.Spec] = size
	}
	key := usageKind{u.Provider, u.Region, u.Account, u.OS, u.PerHour, u.Machine, size}
	if i, ok := a.index[key]; ok {
		return i
	}
	i := len(a.kinds)
	a.kinds, a.index[key] = append(a.kinds, *u), i
	return i
}

// Slot applies the commitments to the uses of a slot, which must be in the order
// of their hosts, and calls cover for each part that one covers, in the order
// the commitments are applied. What [Commitments.Apply] says of slots holds.
func (a *Applier) Slot(start time.Time, length time.Duration, uses []Use, cover func(use int, c *Cover, covered time.Duration)) error {
	return a.slot(start, length, uses, true, cover)
}

// slot is Slot; where it is not bounded, commitments may end within the slot.
func (a *Applier) slot(start time.Time, length time.Duration, uses []Use, bounded bool, cover func(use int, c *Cover, covered time.Duration)) error {
	a.left = a.left[:0]
	for _, u := range uses {
		a.left = append(a.left, u.Running)
	}
	a.length.SetInt64(int64(length))
	for i := range a.draws {
		c := &a.set.list[i]
		if !c.Active(start) {
			continue
		}
		if bounded && start.Add(length).After(c.End) {
			return fmt.Errorf("the slot at %s crosses the end of commitment %s", start.UTC().Format(time.RFC3339), c.ID)
		}
		d := &a.draws[i]
		d.learn(c, a.kinds, a.rate)
		a.draw(d, uses, cover)
	}
	return nil
}

// draw covers what is left of the uses.
func (a *Applier) draw(d *drawing, uses []Use, cover func(use int, c *Cover, covered time.Duration)) {
	budget, second := a.budgets[0].Mul(d.unit, &a.length), &a.budgets[1]
	if d.second != nil {
		second.Mul(d.second, &a.length)
	}
	for _, i := range a.inOrder(d, uses) {
		if budget.Sign() == 0 {
			return
		}
		k := uses[i].Kind
		covered := a.lasts(budget, d.takes[k], a.left[i])
		if d.second != nil {
			covered = a.lasts(second, d.also[k], covered)
		}
		if covered == 0 {
			continue
		}
		budget.Sub(budget, a.times(d.takes[k], covered))
		if d.second != nil {
			second.Sub(second, a.times(d.also[k], covered))
		}
		a.left[i] -= covered
		cover(int(i), d.covers[k], covered)
	}
}

// inOrder returns the uses of which something is left and that may be covered,
// by rank and then as they come.
func (a *Applier) inOrder(d *drawing, uses []Use) []int32 {
	a.counts = append(a.counts[:0], make([]int32, d.ranks+1)...)
	n := int32(0)
	for i := range uses {
		if r := d.rank[uses[i].Kind]; r >= 0 && a.left[i] > 0 {
			a.counts[r+1]++
			n++
		}
	}
	for r := range d.ranks {
		a.counts[r+1] += a.counts[r]
	}
	a.order = slices.Grow(a.order[:0], int(n))[:n]
	for i := range uses {
		if r := d.rank[uses[i].Kind]; r >= 0 && a.left[i] > 0 {
			a.order[a.counts[r]] = int32(i)
			a.counts[r]++
		}
	}
	return a.order
}

func (a *Applier) times(takes *big.Int, d time.Duration) *big.Int {
	return a.product.Mul(takes, a.product.SetInt64(int64(d)))
}

// lasts returns how many of the wanted nanoseconds a budget lasts.
func (a *Applier) lasts(budget, takes *big.Int, wanted time.Duration) time.Duration {
	switch {
	case wanted == 0 || budget.Cmp(takes) < 0:
		return 0
	case a.times(takes, wanted).Cmp(budget) <= 0:
		return wanted
	}
	return time.Duration(a.product.Quo(budget, takes).Int64())
}

// drawing is how a commitment covers each kind of usage.
type drawing struct {
	rank   []int32  // the order in which kinds are covered; -1 is not at all
	covers []*Cover // by kind, as all that follows
	// takes is what a nanosecond takes from the budget, also from a second one.
	// They are whole numbers in one unit with what a nanosecond of the slot adds
	// to the budgets.
	takes, also  []*big.Int
	unit, second *big.Int
	ranks        int

	numbers, others []money.Number // takes and also before they became whole
	orders          []*big.Rat
}

// learn takes in the kinds that it does not know yet.
func (d *drawing) learn(c *Commitment, kinds []Usage, rate RateFunc) {
	if len(d.covers) == len(kinds) && d.unit != nil {
		return
	}
	for i := len(d.covers); i < len(kinds); i++ {
		cover, takes, also, order := c.covering(&kinds[i], rate)
		d.covers, d.numbers, d.others, d.orders = append(d.covers, cover), append(d.numbers, takes), append(d.others, also), append(d.orders, order)
	}
	unit, second := c.unit()
	d.unit, d.takes = whole(unit, d.numbers)
	if c.form() == formResources {
		d.second, d.also = whole(second, d.others)
	}
	var order []int
	for i, cover := range d.covers {
		if cover != nil {
			order = append(order, i)
		}
	}
	compare := func(x, y int) int {
		return cmp.Or(d.orders[x].Cmp(d.orders[y]), money.ComparePrices(d.covers[x].PerHour, d.covers[y].PerHour))
	}
	slices.SortStableFunc(order, compare)
	d.rank, d.ranks = make([]int32, len(kinds)), 0
	for i := range d.rank {
		d.rank[i] = -1
	}
	for i, k := range order {
		if i > 0 && compare(order[i-1], k) != 0 {
			d.ranks++
		}
		d.rank[k] = int32(d.ranks)
	}
	d.ranks++
}

// whole brings numbers to one unit in which all of them are whole.
func whole(unit money.Number, list []money.Number) (*big.Int, []*big.Int) {
	_, decimals := unit.Scaled()
	for _, n := range list {
		_, d := n.Scaled()
		decimals = max(decimals, d)
	}
	scaled := func(n money.Number) *big.Int {
		m, d := n.Scaled()
		f := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(decimals-d)), nil)
		return f.Mul(f, big.NewInt(m))
	}
	out := make([]*big.Int, len(list))
	for i, n := range list {
		out[i] = scaled(n)
	}
	return scaled(unit), out
}

// unit returns what a nanosecond of a slot adds to the budget: normalized units
// of instances, vCPUs and GiB, or the spend of an hour.
func (c *Commitment) unit() (first, second money.Number) {
	switch c.form() {
	case formResources:
		return c.VCPUs, c.MemoryGiB
	case formSpend:
		return c.Spend.Number(), money.Number{}
	}
	units := int64(c.Count)
	if c.SizeFlexible {
		f, _ := normalizationOf(c.InstanceType)
		units *= f
	}
	return money.Whole(units), money.Number{}
}

// covering returns what an hour of a usage costs under the commitment, what it
// takes from the budgets, and its place in the order: lower is first. It is nil
// where the commitment does not cover it.
func (c *Commitment) covering(u *Usage, rate RateFunc) (cover *Cover, takes, also money.Number, order *big.Rat) {
	order = new(big.Rat)
	if !c.Covers(u) {
		return nil, takes, also, order
	}
	cover, takes = &Cover{Commitment: c, PerHour: c.PerHour, Parts: 1, Of: 1}, money.Whole(1)
	switch c.form() {
	case formInstances:
		if c.SizeFlexible {
			own, _ := normalizationOf(c.InstanceType)
			its, _ := normalizationOf(u.Spec.InstanceType)
			takes, cover.Parts, cover.Of = money.Whole(its), its, own
			order.SetInt64(its)
		}
	case formResources:
		if !u.Spec.VCPUs.Known || !u.Spec.MemoryBytes.Known {
			return nil, takes, also, order
		}
		takes = money.Whole(int64(u.Spec.VCPUs.Value))
		if u.Spec.BilledVCPUs.Known {
			takes = u.Spec.BilledVCPUs.Value
		}
		var err error
		also, err = money.NumberOf(money.Whole(u.Spec.MemoryBytes.Value).Decimal().DivRound(money.Whole(1<<30).Decimal(), 12))
		if err != nil || takes.Sign() <= 0 || also.Sign() <= 0 {
			return nil, takes, also, order
		}
		if cover.PerHour, err = ComponentPrice(ComponentOffer{PerVCPUHour: c.PerVCPUHour, PerGiBHour: c.PerGiBHour}, takes, also, money.Number{}); err != nil {
			return nil, takes, also, order
		}
	case formSpend:
		r, ok := c.rateOf(u, rate)
		if !ok {
			return nil, takes, also, order
		}
		cover.PerHour, takes = r, r.Number()
		order.Quo(r.Decimal().Rat(), u.PerHour.Decimal().Rat()) // the smaller the share that is paid, the larger the discount
	}
	return cover, takes, also, order
}
