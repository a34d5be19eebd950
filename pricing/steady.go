package pricing

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/money"
)

// Steady is a fleet in a month of [HoursPerMonth] hours in which nothing
// changes: all hosts run the whole month at the prices and under the commitments
// of one time. It answers what the fleet costs, and what it would cost if one
// host were another type: the difference is what such a change saves after
// commitments, which may be nothing where a commitment that is paid anyway
// covered the host. It is not safe for concurrent use.
type Steady struct {
	set     *Commitments
	at      time.Time
	applier *Applier
	uses    []Use // by host
	place   []int // of each usage among uses
	fixed   money.Amount
	demand  map[demanded]money.Amount
	found   map[demanded]int64 // of the last hour
	covered tally
}

// demanded is a time on demand in each hour of a month, at a price.
type demanded struct {
	perHour money.Price
	machine money.Price // the part that the rule is about
	rule    SustainedUse
	left    time.Duration
}

// MonthCost is what a fleet costs in a month of [HoursPerMonth] hours, exactly.
type MonthCost struct {
	// OnDemand is paid for what no commitment covers, less the sustained-use
	// discount that each host earns on it.
	OnDemand money.Amount
	// Committed is what the commitments cost, whether they are used or not;
	// Unused is the part of it that covers nothing.
	Committed, Unused money.Amount
	// Total is OnDemand and Committed.
	Total money.Amount
}

// Steady returns a fleet under the commitments that are active at a time; there
// may be none, and the set may be nil. Usages are hosts that run on demand, each
// at its contracted price per hour; their running times mean nothing. The rates
// are those of commitments to spend without a percentage, see
// [Book.CommitmentRates]; nil knows none.
func (s *Commitments) Steady(at time.Time, usages []Usage, rate RateFunc) (*Steady, error) {
	f := &Steady{set: s, at: at, applier: s.Applier(rate), uses: make([]Use, len(usages)), place: make([]int, len(usages)),
		demand: make(map[demanded]money.Amount), found: make(map[demanded]int64), covered: make(tally)}
	order := make([]int, len(usages))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(x, y int) int { return strings.Compare(usages[x].Host, usages[y].Host) })
	for at, i := range order {
		f.uses[at], f.place[i] = Use{f.applier.Kind(&usages[i]), time.Hour}, at
	}
	for i := range s.All() {
		c := &s.list[i]
		if !c.Active(at) {
			continue
		}
		perHour, err := c.CostPerHour()
		if err == nil {
			f.fixed, err = f.fixed.Add(perHour.Per(money.Whole(HoursPerMonth)))
		}
		if err != nil {
			return nil, fmt.Errorf("commitment %s: %w", c.ID, err)
		}
	}
	return f, nil
}

// Month returns what the fleet costs. The error wraps [money.ErrCurrency] where
// prices and commitments are in several currencies.
func (f *Steady) Month() (MonthCost, error) {
	clear(f.found)
	for _, n := range f.covered {
		n.times = 0
	}
	if err := f.hour(); err != nil {
		return MonthCost{}, err
	}
	out := MonthCost{Committed: f.fixed}
	var err error
	for k, hosts := range f.found {
		if out.OnDemand, err = out.OnDemand.Add(f.onDemand(k).Scale(money.Whole(hosts))); err != nil {
			return MonthCost{}, fmt.Errorf("a month on demand: %w", err)
		}
	}
	used := money.Amount{}
	for _, n := range f.covered {
		if used, err = used.Add(n.cost.Scale(money.Whole(n.times * HoursPerMonth))); err != nil {
			return MonthCost{}, fmt.Errorf("a month under commitments: %w", err)
		}
	}
	if out.Unused, err = f.fixed.Sub(used); err == nil {
		out.Total, err = out.OnDemand.Add(f.fixed)
	}
	if err != nil {
		return MonthCost{}, fmt.Errorf("a month on demand and under commitments: %w", err)
	}
	return out, nil
}

// MonthWith returns what the fleet would cost if the usage at a place in the
// list given to [Commitments.Steady] were another; nil is one that stands still.
// The fleet stays as it is. It takes about as long as one slot.
func (f *Steady) MonthWith(i int, other *Usage) (MonthCost, error) {
	at := f.place[i]
	kept := f.uses[at]
	defer func() { f.uses[at] = kept }()
	if other == nil {
		f.uses[at].Running = 0
	} else {
		f.uses[at].Kind = f.applier.Kind(other)
	}
	return f.Month()
}

// Change makes the change of [Steady.MonthWith] stay: what is asked afterwards
// is about the fleet with it.
func (f *Steady) Change(i int, other *Usage) {
	u := &f.uses[f.place[i]]
	if *u = (Use{u.Kind, 0}); other != nil {
		*u = Use{f.applier.Kind(other), time.Hour}
	}
}

// hour covers one hour, and counts what was covered and what is on demand.
func (f *Steady) hour() error {
	if err := f.applier.slot(f.at, time.Hour, f.uses, false, func(_ int, c *Cover, covered time.Duration) { f.covered.add(c, covered) }); err != nil {
		return err
	}
	last, same := demanded{}, int64(0)
	kind := -1
	for i, left := range f.applier.left {
		if left == 0 {
			continue
		}
		if k := f.uses[i].Kind; k != kind || left != last.left {
			f.count(last, same)
			u := &f.applier.kinds[k]
			kind, same, last = k, 0, demanded{u.PerHour, u.machine(), SustainedUseOf(u.Spec), left}
		}
		same++
	}
	f.count(last, same)
	return nil
}

func (f *Steady) count(k demanded, hosts int64) {
	if hosts > 0 {
		f.found[k] += hosts
	}
}

// onDemand returns what a host pays in a month for the part of each hour that
// no commitment covers.
func (f *Steady) onDemand(k demanded) money.Amount {
	a, ok := f.demand[k]
	if !ok {
		const month = HoursPerMonth * time.Hour
		run := HoursPerMonth * k.left
		a = k.perHour.Times(run)
		if !k.machine.IsZero() {
			a = k.rule.ChargeMachine(k.perHour, k.machine, month, 0, run)
		}
		f.demand[k] = a
	}
	return a
}
