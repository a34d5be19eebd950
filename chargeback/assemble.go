package chargeback

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/pricing"
)

// sum is what a line, a group or all of them cost, exactly.
type sum struct {
	cost, contracted, effective money.Amount
	parts                       [3]money.Amount // of cost, by kind
	known                       [3]bool
	priced                      bool
	ran, stood, unpriced        length
	estimate, nearestLater      length
	isNearestLater              bool
}

func (s *sum) addAll(o *sum) {
	if o.priced {
		s.priced = true
		s.cost, s.contracted, s.effective = mustAdd(s.cost, o.cost), mustAdd(s.contracted, o.contracted), mustAdd(s.effective, o.effective)
	}
	s.ran.addAll(o.ran)
	s.stood.addAll(o.stood)
	s.unpriced.addAll(o.unpriced)
	s.estimate.addAll(o.estimate)
	s.nearestLater.addAll(o.nearestLater)
	s.isNearestLater = s.isNearestLater || o.isNearestLater
}

// add counts a piece.
func (s *sum) add(x *piece) {
	if x.kind == compute && !x.known {
		s.unpriced.add(x.Duration())
	}
	if !x.known {
		return
	}
	s.known[x.kind] = true
	s.parts[x.kind] = mustAdd(s.parts[x.kind], x.cost)
	s.cost, s.contracted, s.effective = mustAdd(s.cost, x.cost), mustAdd(s.contracted, x.contracted), mustAdd(s.effective, x.effective)
	if later := x.later(); later > 0 {
		s.isNearestLater = true
		if x.kind == compute {
			s.nearestLater.add(later)
		}
	}
}

// sumOf adds up a line. It has a cost if any of its compute has a price, if a
// disk or an address costs something, or if all of it is known.
func sumOf(l *line) *sum {
	s := &sum{ran: l.ran, stood: l.stood, estimate: l.estimate}
	all := true
	for _, x := range l.pieces {
		s.add(x)
		all = all && x.known
	}
	s.priced = s.known[compute] || s.cost.Sign() != 0 || all
	return s
}

// figures are the figures of a sum whose costs come rounded.
func (s *sum) figures() Figures {
	f := Figures{
		HostHours: s.ran.hours(), StoppedHours: s.stood.hours(), UnpricedHours: s.unpriced.hours(),
		EstimatedHours: s.estimate.hours(), NearestLaterHours: s.nearestLater.hours(),
	}
	if s.isNearestLater {
		f.PriceBasis = pricing.NearestLater
	}
	return f
}

// groupOf is a group while it is put together.
type groupOf struct {
	key   fleet.GroupKey
	lines []*line
	sums  []*sum
	total *sum
}

// sorted returns the groups by key, with their lines by name.
func (b *bill) sorted() []*groupOf {
	byID := map[string]*groupOf{}
	for id, l := range b.lines {
		g := byID[id.group]
		if g == nil {
			g = &groupOf{key: l.group, total: &sum{}}
			byID[id.group] = g
		}
		g.lines = append(g.lines, l)
	}
	out := make([]*groupOf, 0, len(byID))
	for _, g := range byID {
		slices.SortFunc(g.lines, func(a, b *line) int { return cmp.Or(strings.Compare(a.name, b.name), cmp.Compare(a.host, b.host)) })
		for _, l := range g.lines {
			s := sumOf(l)
			g.sums = append(g.sums, s)
			g.total.addAll(s)
		}
		out = append(out, g)
	}
	slices.SortFunc(out, func(a, b *groupOf) int { return a.key.Compare(b.key) })
	return out
}

// three picks one of the three costs of a sum, and where it is written.
type three struct {
	exact func(*sum) money.Amount
	at    func(*Figures) **money.Amount
}

func (c three) put(f *Figures, a *money.Amount) { *c.at(f) = a }
func (c three) get(f *Figures) *money.Amount    { return *c.at(f) }

// threeCosts begins with list cost, which the others are held against.
var threeCosts = [...]three{
	{func(s *sum) money.Amount { return s.cost }, func(f *Figures) **money.Amount { return &f.Cost }},
	{func(s *sum) money.Amount { return s.contracted }, func(f *Figures) **money.Amount { return &f.ContractedCost }},
	{func(s *sum) money.Amount { return s.effective }, func(f *Figures) **money.Amount { return &f.EffectiveCost }},
}

// assemble rounds from the total down and writes the groups of the result.
func (b *bill) assemble(r *Result) error {
	groups := b.sorted()
	total := &sum{}
	hosts := map[fleet.HostID]bool{}
	r.Groups = make([]Group, len(groups))
	for i, g := range groups {
		total.addAll(g.total)
		r.Groups[i] = Group{Group: g.key, Figures: g.total.figures(), Hosts: make([]Line, len(g.lines))}
		for j, l := range g.lines {
			hosts[l.host] = true
			r.Groups[i].Hosts[j] = lineResult(l, g.sums[j])
		}
	}
	total.priced = total.priced || len(groups) == 0
	r.Total = Total{Figures: total.figures(), Hosts: len(hosts)}
	for _, c := range threeCosts {
		if err := b.round(r, c, total, groups); err != nil {
			return err
		}
	}
	return b.parts(r, groups)
}

// round rounds one of the three costs: the total, the groups to it, the lines to
// their group. What is unknown stays nil. What costs no more than at list is not
// printed above its list cost, which was rounded first.
func (b *bill) round(r *Result, c three, total *sum, groups []*groupOf) error {
	if !total.priced {
		return nil
	}
	whole := c.exact(total).In(b.plan.req.Currency).Round()
	c.put(&r.Total.Figures, &whole)
	var of []int
	var sums []*sum
	var figures []*Figures
	for i, g := range groups {
		if g.total.priced {
			of, sums, figures = append(of, i), append(sums, g.total), append(figures, &r.Groups[i].Figures)
		}
	}
	if err := c.roundAll(whole, sums, figures); err != nil {
		return err
	}
	for _, i := range of {
		g, group := groups[i], &r.Groups[i]
		var sums []*sum
		var figures []*Figures
		for j, s := range g.sums {
			if s.priced {
				sums, figures = append(sums, s), append(figures, &group.Hosts[j].Figures)
			}
		}
		if err := c.roundAll(*c.get(&group.Figures), sums, figures); err != nil {
			return err
		}
	}
	return nil
}

// roundAll rounds the cost of sums to a whole and writes it to their figures.
func (c three) roundAll(whole money.Amount, sums []*sum, figures []*Figures) error {
	exact, list, rounded := make([]money.Amount, len(sums)), make([]money.Amount, len(sums)), make([]*money.Amount, len(sums))
	for i, s := range sums {
		exact[i], list[i], rounded[i] = c.exact(s), s.cost, figures[i].Cost
	}
	parts, err := roundTo(whole, exact, ceilings(exact, list, rounded))
	if err != nil {
		return err
	}
	for i := range parts {
		c.put(figures[i], &parts[i])
	}
	return nil
}

// parts rounds compute, disks and addresses to the cost of their line, and adds
// them up for the groups and the total.
func (b *bill) parts(r *Result, groups []*groupOf) error {
	cells := func(f *Figures) [3]**money.Amount {
		return [...]**money.Amount{&f.ComputeCost, &f.DiskCost, &f.AddressCost}
	}
	for i, g := range groups {
		for j, s := range g.sums {
			line := &r.Groups[i].Hosts[j].Figures
			if !s.priced {
				continue
			}
			rounded, err := money.RoundPartsTo(*line.Cost, s.parts[:])
			if err != nil {
				return err
			}
			for k := range rounded {
				if !s.known[k] {
					continue
				}
				*cells(line)[k] = &rounded[k]
				for _, f := range []*Figures{&r.Groups[i].Figures, &r.Total.Figures} {
					cell := cells(f)[k]
					sum := rounded[k]
					if *cell != nil {
						sum = mustAdd(**cell, sum)
					}
					*cell = &sum
				}
			}
		}
	}
	return nil
}

// lineResult says everything of a line but its costs.
func lineResult(l *line, s *sum) Line {
	out := Line{Host: l.host, Name: l.name, Figures: s.figures(), InstanceTypes: []string{}, Basis: []pricing.Basis{}, PriceDates: []string{}}
	var reasons []string
	for _, x := range l.pieces {
		if r := x.span.record; x.kind == compute || len(out.InstanceTypes) == 0 && r.InstanceType != "" {
			out.InstanceTypes = appendNew(out.InstanceTypes, r.InstanceType)
			out.Provider, out.Region = r.Provider, r.Region
		}
		if x.reason != "" {
			reasons = appendNew(reasons, x.reason)
		}
		for _, why := range x.unrated {
			reasons = appendNew(reasons, why)
		}
		if !x.known || x.list.IsZero() {
			continue
		}
		quotes := []*quote{&x.quote}
		for i := range x.covers {
			if c := &x.covers[i]; c.rate.known {
				quotes = append(quotes, &c.rate)
			}
		}
		for _, q := range quotes {
			out.Basis = appendNew(out.Basis, q.basis)
			if !q.observed.IsZero() {
				out.PriceDates = appendNew(out.PriceDates, day(q.observed))
			}
		}
	}
	out.InstanceTypes = slices.DeleteFunc(out.InstanceTypes, func(s string) bool { return s == "" })
	slices.Sort(out.Basis)
	slices.Sort(out.PriceDates)
	out.Reason = strings.Join(reasons, "; ")
	if !l.silent.IsZero() {
		out.SilentSince = &l.silent
	}
	return out
}

func appendNew[T comparable](list []T, x T) []T {
	if slices.Contains(list, x) {
		return list
	}
	return append(list, x)
}

// day is a date as it is printed; "" for none.
func day(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.DateOnly)
}
