package rightsizing

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/leanfleet/leanfleet/advice"
	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/pricing"
)

// checkPlaces refuses clouds and regions that the book does not know.
func (r *Request) checkPlaces(b *pricing.Book) error {
	providers := b.Providers()
	for _, p := range r.Providers {
		if !slices.Contains(providers, p) {
			return fmt.Errorf("provider %q has no prices%s", p, fleet.DidYouMean(p, providers))
		}
	}
	if len(r.Regions) == 0 {
		return nil
	}
	var regions []string
	for _, p := range providers {
		regions = append(regions, b.Regions(p)...)
	}
	for _, name := range r.Regions {
		if !slices.Contains(regions, name) {
			return fmt.Errorf("region %q has no prices%s", name, fleet.DidYouMean(name, regions))
		}
	}
	return nil
}

// elsewhere adds the options that were asked for beside those of the same kind of
// purchase, region and cloud: today's type at its spot price, and the best type of
// each further place. They are never advised.
func (a *advisor) elsewhere(l *Recommendation, i int) error {
	q := a.m.quotes[i]
	r := q.host.record
	if a.req.Spot {
		list, err := a.m.shop.everything(place{r.Provider, r.Region, q.os, pricing.Spot})
		if err != nil {
			return err
		}
		for _, c := range list {
			if c.Spec.InstanceType == r.InstanceType && cheaper(c, q.today) {
				l.Options = append(l.Options, a.spot(q, c))
			}
		}
	}
	for _, p := range a.places(r) {
		if err := a.move(l, i, p); err != nil {
			return err
		}
	}
	return nil
}

// spot is today's type at its spot price.
func (a *advisor) spot(q *quote, c *pricing.Candidate) Option {
	y := a.m.shop.candidate(q.host, c)
	y.vcpus, y.memory, y.lessCPU, y.lessMem = q.host.vcpus, q.host.memory, false, false
	o := a.option(q, &y, KindSpot)
	o.Purchase = pricing.Spot
	o.Checks = append(o.Checks, advice.Check{
		Code: advice.CheckInterruption, From: string(pricing.OnDemand), To: string(pricing.Spot),
		Text: "the provider may take the host away at short notice: the work has to survive that, and the price changes",
	})
	o.Effort = advice.EffortOf(o.Checks)
	return o
}

// places are the further regions of a host's cloud and the nearest ones of other
// clouds, in the order asked for.
func (a *advisor) places(r *fleet.Record) []pricing.Target {
	var out []pricing.Target
	own := a.m.shop.book.Regions(r.Provider)
	for _, name := range a.req.Regions {
		if name != r.Region && slices.Contains(own, name) {
			out = append(out, pricing.Target{Provider: r.Provider, Region: name})
		}
	}
	for _, p := range a.req.Providers {
		if p == r.Provider {
			continue
		}
		if near, ok := a.m.shop.book.Near(r.Provider, r.Region, p); ok {
			out = append(out, pricing.Target{Provider: p, Region: near.Region})
		}
	}
	return out
}

// move adds the best type of another place: by price and risk together, at most at
// the bound of a line.
func (a *advisor) move(l *Recommendation, i int, to pricing.Target) error {
	q, of := a.m.quotes[i], a.choice.of[i]
	list, err := a.m.shop.everything(place{to.Provider, to.Region, q.os, pricing.OnDemand})
	if err != nil {
		return err
	}
	chances := a.m.chancesOf(i)
	var best *candidate
	least := 0.0
	for _, c := range list {
		if !cheaper(c, q.today) {
			break // cheapest first
		}
		if a.m.shop.rejects(q, c) != "" && !(c.Spec.InstanceType == q.today.Spec.InstanceType && to.Provider == q.host.record.Provider) {
			continue
		}
		y := a.m.shop.candidate(q.host, c)
		chances(&y)
		if y.p > q.terms.maxRisk || y.lessCPU && q.pressed {
			continue
		}
		if o := objective(q, &y, of.lambda, of.mean); best == nil || o < least {
			best, least = &y, o
		}
	}
	if best == nil {
		return nil
	}
	o := a.option(q, best, KindMove)
	r := q.host.record
	o.Region = to.Region
	if to.Provider != r.Provider {
		o.Provider = to.Provider
	}
	if cmp.Or(o.Provider, r.Provider) == r.Provider {
		o.Checks = append(o.Checks, advice.Check{
			Code: advice.CheckRegion, From: r.Region, To: to.Region,
			Text: "another region: disks, addresses and whatever the host talks to have to come along, or pay for the traffic and wait for it",
		})
	}
	o.Effort = advice.EffortOf(o.Checks)
	l.Options = append(l.Options, o)
	return nil
}
