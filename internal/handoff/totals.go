package handoff

import (
	"fmt"
	"slices"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/money"
	"github.com/leanfleet/leanfleet/rightsizing"
)

// Total is what advice comes to for a group of hosts.
type Total struct {
	Group fleet.GroupKey `json:"group"`
	// Hosts counts lines: a scaling group is one.
	Hosts    int                         `json:"hosts"`
	Findings map[rightsizing.Finding]int `json:"findings"`
	// MonthlyCost is of the hosts with a price.
	MonthlyCost money.Amount      `json:"monthly_cost"`
	Swaps       rightsizing.Total `json:"swaps"`
	Shrinks     rightsizing.Total `json:"shrinks"`
	Grows       rightsizing.Total `json:"grows"`
	// Idle is what stopping the idle hosts would save, instead of and not on top
	// of changes of their size.
	Idle rightsizing.IdleTotal `json:"idle"`
	// MonthlySavings is of swaps and shrinks.
	MonthlySavings money.Amount `json:"monthly_savings"`
	// StatedBreakShare is the mean chance of breaking over swaps and shrinks; nil
	// without any.
	StatedBreakShare *float64 `json:"stated_break_share"`
}

// Totals sums up the lines of an answer by group, in the order of the groups,
// unknown last. With the key "set" a host counts in each of its sets. Without
// keys there is one group of all.
func Totals(r *rightsizing.Result, by []string, sets map[string]fleet.Selector) ([]Total, error) {
	if err := fleet.CheckGroupBy(by, sets); err != nil {
		return nil, err
	}
	index := map[string]*Total{}
	var out []*Total
	for i := range r.Recommendations {
		l := &r.Recommendations[i]
		record := fleet.Record{Host: l.Host, Name: l.Name, Provider: l.Provider, Account: l.Account, Region: l.Region, Zone: l.Zone,
			InstanceType: l.Current.InstanceType, OS: l.OS, OwnedBy: l.OwnedBy, Tags: l.Tags, State: l.State, Arch: l.Arch, Purchase: l.Purchase}
		for _, key := range fleet.GroupsOf(&record, by, sets) {
			t := index[key.ID()]
			if t == nil {
				t = newTotal(key, r.Currency)
				index[key.ID()] = t
				out = append(out, t)
			}
			if err := t.add(l); err != nil {
				return nil, fmt.Errorf("group %s: host %s: %w", key, l.Name, err)
			}
		}
	}
	slices.SortFunc(out, func(a, b *Total) int { return a.Group.Compare(b.Group) })
	list := make([]Total, len(out))
	for i, t := range out {
		if n := t.Swaps.Hosts + t.Shrinks.Hosts; n > 0 {
			share := (t.Swaps.StatedBroken + t.Shrinks.StatedBroken) / float64(n)
			t.StatedBreakShare = &share
		}
		list[i] = *t
	}
	return list, nil
}

func newTotal(key fleet.GroupKey, c money.Currency) *Total {
	zero := money.Zero(c)
	total := rightsizing.Total{MonthlySavings: zero}
	return &Total{Group: key, Findings: map[rightsizing.Finding]int{}, MonthlyCost: zero, Swaps: total, Shrinks: total, Grows: total,
		Idle: rightsizing.IdleTotal{MonthlyCost: zero, StopMonthlySavings: zero}, MonthlySavings: zero}
}

func (t *Total) add(l *rightsizing.Recommendation) error {
	t.Hosts++
	t.Findings[l.Finding]++
	var err error
	sum := func(into *money.Amount, x *money.Amount) {
		if x != nil && err == nil {
			*into, err = into.Add(*x)
		}
	}
	sum(&t.MonthlyCost, l.Current.MonthlyCost)
	if l.Finding == rightsizing.FindingIdle {
		t.Idle.Hosts++
		sum(&t.Idle.MonthlyCost, l.Current.MonthlyCost)
		if l.Idle != nil {
			sum(&t.Idle.StopMonthlySavings, l.Idle.StopMonthlySavings)
		}
	}
	into := map[rightsizing.Kind]*rightsizing.Total{rightsizing.KindSwap: &t.Swaps, rightsizing.KindShrink: &t.Shrinks, rightsizing.KindGrow: &t.Grows}[l.Kind]
	if into == nil || l.Recommended == nil || l.MonthlySavings == nil {
		return err
	}
	into.Hosts++
	if p := l.BreakProbability; p != nil {
		into.StatedBroken += *p
	}
	sum(&into.MonthlySavings, l.MonthlySavings)
	if l.Kind != rightsizing.KindGrow {
		sum(&t.MonthlySavings, l.MonthlySavings)
	}
	return err
}
