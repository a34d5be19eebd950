package rightsizing

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/advice"
	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/pricing"
)

// remember finds what was last advised for the hosts and decided about it, up to
// the as-of instant.
func (m *model) remember(at time.Time) {
	priors := map[fleet.HostID]*Prior{}
	for i := range m.shop.req.Previous {
		p := &m.shop.req.Previous[i]
		if old := priors[p.Host]; !p.AsOf.After(at) && (old == nil || !p.AsOf.Before(old.AsOf)) {
			priors[p.Host] = p
		}
	}
	decisions := map[fleet.HostID]*advice.Decision{}
	for i := range m.shop.req.Decisions {
		d := &m.shop.req.Decisions[i]
		id := fleet.HostID(d.Host)
		if old := decisions[id]; !d.At.After(at) && (old == nil || !d.At.Before(old.At)) {
			decisions[id] = d
		}
	}
	for _, q := range m.quotes {
		id := q.host.record.Host
		if d := decisions[id]; d != nil && d.Active(at) {
			q.decision = d
		}
		q.prior = -1
		if p := priors[id]; p != nil {
			q.before = p
			q.prior = m.shop.recall(q, p.target(q.host.record.InstanceType))
		}
	}
}

// target is the type that was advised, today's where it was to keep or has been
// done; "" where the advice was about another type than today's.
func (p *Prior) target(today string) string {
	switch {
	case p.Recommended == today, p.Current == today && p.Recommended == "":
		return today
	case p.Current == today:
		return p.Recommended
	}
	return ""
}

// recall is the place of a type in a quote's list, -1 where it may not be there. A
// type that another dominates by now comes back into the list.
func (s *shop) recall(q *quote, instanceType string) int {
	named := func(c *pricing.Candidate) bool { return c.Spec.InstanceType == instanceType }
	if j := slices.IndexFunc(q.list, func(c candidate) bool { return named(c.Candidate) }); j >= 0 {
		return j
	}
	i := slices.IndexFunc(q.all, named)
	if i < 0 || !cheaper(q.all[i], q.today) || s.rejects(q, q.all[i]) != "" {
		return -1
	}
	y := s.candidate(q.host, q.all[i])
	y.remembered = true
	q.list = append(q.list, y)
	return len(q.list) - 1
}

// dismissed says whether somebody decided against a change to a type.
func (q *quote) dismissed(instanceType string) bool {
	d := q.decision
	return d != nil && d.Action == advice.DecisionDismiss && d.About(instanceType) && (d.From == "" || d.From == q.host.record.InstanceType)
}

// whyDismissed is the reason on the line of a dismissed change.
func whyDismissed(d *advice.Decision) string {
	var b strings.Builder
	b.WriteString(reasonDismissed)
	if d.Why != "" {
		fmt.Fprintf(&b, ": %s", d.Why)
	}
	if d.Who != "" {
		fmt.Fprintf(&b, " by %s", d.Who)
	}
	if !d.Until.IsZero() {
		fmt.Fprintf(&b, " until %s", d.Until.UTC().Format("2006-01-02 15:04 MST"))
	}
	return b.String()
}

// heldOn is whether a line holds on to what was advised before, and what would be
// advised without.
func (a *advisor) heldOn(i int) *Held {
	q := a.m.quotes[i]
	fresh, ok := a.choice.fresh[i]
	if !ok || q.before == nil {
		return nil
	}
	h := &Held{Since: q.before.AsOf}
	if fresh > 0 {
		h.Instead = q.list[fresh].Spec.InstanceType
	}
	return h
}
