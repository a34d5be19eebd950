package rightsizing_test

import (
	"context"
	"iter"
	"testing"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/rightsizing"
)

// TestUnderused holds the rule against 30 days of hourly samples, 720 of them:
// 95 % are 684 hours, 94 % 676.8, so 677 hours under are too few and 684 enough.
func TestUnderused(t *testing.T) {
	hours := func(under int, low, high float64) func(int, int) float64 {
		return func(day, hour int) float64 {
			if day*24+hour < under {
				return low
			}
			return high
		}
	}
	for name, c := range map[string]struct {
		cpu, memory func(int, int) float64
		cpuDays     int
		anyOf       bool
		want        string // yes, no, undecided
	}{
		"19.99 % always":                       {always(0.1999), always(0.1999), 30, false, "yes"},
		"20.00 % always":                       {always(0.20), always(0.1), 30, false, "no"},
		"memory at 20.00 %":                    {always(0.1), always(0.20), 30, false, "no"},
		"under for 95 % of the time":           {hours(684, 0.1999, 0.9), always(0.1), 30, false, "yes"},
		"under for one hour less":              {hours(683, 0.1999, 0.9), always(0.1), 30, false, "no"},
		"under for 94 % of the time":           {hours(677, 0.1, 0.9), always(0.1), 30, false, "no"},
		"memory unknown, CPU under":            {always(0.1), nil, 30, false, "yes"},
		"memory unknown, CPU not under":        {always(0.3), nil, 30, false, "no"},
		"CPU unknown, memory under":            {nil, always(0.1), 30, false, "yes"},
		"nothing known":                        {nil, nil, 30, false, "undecided"},
		"CPU known for 24 of 30 days":          {always(0.1), always(0.1), 24, false, "yes"},
		"CPU known for 23 of 30 days":          {always(0.1), always(0.1), 23, false, "undecided"},
		"CPU little known, memory not under":   {always(0.1), always(0.5), 23, false, "no"},
		"any: CPU under, memory not":           {always(0.1), always(0.5), 30, true, "yes"},
		"any: neither":                         {always(0.3), always(0.5), 30, true, "no"},
		"any: CPU little known, memory at 50%": {always(0.1), always(0.5), 23, true, "undecided"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			l.record(fleet.Record{Host: "x", Provider: "lab", Region: "dc", InstanceType: "l4", State: fleet.StateRunning})
			if c.cpu != nil {
				l.load("x", fleet.CPUUsage, asOf, c.cpuDays, c.cpu)
			}
			if c.memory != nil {
				l.load("x", fleet.MemoryUsage, asOf, 30, c.memory)
			}
			r, err := rightsizing.Underused(t.Context(), l.env(), rightsizing.UnderusedRequest{Any: c.anyOf})
			if err != nil {
				t.Fatal(err)
			}
			got := "no"
			if len(r.Hosts) > 0 {
				got = "yes"
			} else if len(r.Undecided) > 0 {
				got = "undecided"
			}
			if got != c.want || r.Of != 1 {
				t.Errorf("%s (of %d), want %s: %+v", got, r.Of, c.want, r)
			}
			if c.memory == nil && c.cpu != nil && got == "yes" {
				if m := r.Hosts[0].Memory; m.Under != nil || m.Mean != nil || m.Reason != "no_samples" {
					t.Errorf("unknown memory is shown as %+v", m)
				}
			}
		})
	}
}

// A host of 8 vCPUs at 15 % that became one of 2 at 15 %: the ratio is of the
// capacity valid at the time, so it is underused, and is one host.
func TestUnderusedThroughAResize(t *testing.T) {
	l := newLab(t)
	l.host("x", "l8")
	half := asOf.AddDate(0, 0, -15)
	if _, err := l.memory.PutRecords(t.Context(), []fleet.Statement{{Record: fleet.Record{Host: "x", InstanceType: "l2"}}}, fleet.Put{At: asOf, Effective: half}); err != nil {
		t.Fatal(err)
	}
	l.load("x", fleet.CPUUsage, asOf, 30, always(0.15))
	r, err := rightsizing.Underused(t.Context(), l.env(), rightsizing.UnderusedRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Hosts) != 1 || r.Hosts[0].InstanceType != "l2" || *r.Hosts[0].CPU.ShareBelow != 1 || *r.Hosts[0].CPU.Coverage != 1 {
		t.Errorf("%+v", r)
	}
}

func TestUnderusedRefuses(t *testing.T) {
	l := newLab(t)
	for _, req := range []rightsizing.UnderusedRequest{{Below: 1.5}, {Share: -1}, {Coverage: 2}, {Scope: fleet.Scope{Range: "soon"}}} {
		if _, err := rightsizing.Underused(t.Context(), l.env(), req); err == nil {
			t.Errorf("%+v was taken", req)
		}
	}
}

// broken is a source of which a day cannot be read.
type broken struct{ fleet.Source }

func (b broken) Profiles(ctx context.Context, q fleet.Query) iter.Seq2[fleet.Profile, error] {
	return func(yield func(fleet.Profile, error) bool) {
		if !yield(fleet.Profile{}, &fleet.DamagedError{File: "2024-02-01.parquet", Day: "2024-02-01", Err: context.DeadlineExceeded}) {
			return
		}
		for p, err := range b.Source.Profiles(ctx, q) {
			if !yield(p, err) {
				return
			}
		}
	}
}

// A damaged file stops an answer, or is named in one that was asked to go on.
func TestDamage(t *testing.T) {
	l := backtestLab(t)
	env := l.env()
	env.Source = broken{l.memory}
	ask := map[string]func(partial bool) (int, error){
		"recommend": func(partial bool) (int, error) {
			r, err := rightsizing.Recommend(t.Context(), env, rightsizing.Request{Scope: fleet.Scope{Partial: partial}})
			return len(r.Damaged), err
		},
		"underused": func(partial bool) (int, error) {
			r, err := rightsizing.Underused(t.Context(), env, rightsizing.UnderusedRequest{Scope: fleet.Scope{Partial: partial}})
			return len(r.Damaged), err
		},
		"backtest": func(partial bool) (int, error) {
			r, err := rightsizing.Backtest(t.Context(), env, rightsizing.BacktestRequest{Request: rightsizing.Request{Scope: fleet.Scope{Partial: partial}}, Windows: 2})
			return len(r.Damaged), err
		},
	}
	for name, f := range ask {
		if _, err := f(false); err == nil {
			t.Errorf("%s: a damaged file was passed over in silence", name)
		}
		if n, err := f(true); err != nil || n != 1 {
			t.Errorf("%s: %d damaged files named, want 1 (%v)", name, n, err)
		}
	}
}
