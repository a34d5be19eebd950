package fleettest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

// plainCollector reports one gauge of one host: the least a collector is.
type plainCollector struct {
	now      time.Time
	interval time.Duration
	last     time.Time
	broken   bool
}

func (p *plainCollector) Collect(ctx context.Context) ([]fleet.Batch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var err error
	if p.broken {
		err = errors.New("memory of plain: cannot be read")
	}
	before, now := p.last.Truncate(p.interval), p.now.Truncate(p.interval)
	switch {
	case !p.last.IsZero() && now.Equal(before):
		return nil, err
	case p.last.IsZero() || !now.Equal(before.Add(p.interval)):
		p.last = p.now
		return nil, err
	}
	p.last = p.now
	b := batch("plain", fleet.CPUUsage, p.interval, "2024-01-01", 0.5)
	b.Start[0] = before.UnixMilli()
	if !p.broken {
		b = with(b, fleet.MemoryUsage, 0.25)
	}
	return []fleet.Batch{b}, err
}

func openPlain(*testing.T) CollectorRig {
	p := &plainCollector{now: at("2024-01-01T12:00"), interval: time.Minute}
	return CollectorRig{
		Collector: p, Interval: p.interval, Now: func() time.Time { return p.now },
		Advance:  func(d time.Duration) { p.now = p.now.Add(d) },
		SetClock: func(d time.Duration) { p.now = p.now.Add(d) },
		Break:    func() func() { p.broken = true; return func() { p.broken = false } },
	}
}

func TestCollectorSuite(t *testing.T) { Collector(t, openPlain) }

// TestCollectorSuiteFindsFaults shows that the checks of batches can fail.
func TestCollectorSuiteFindsFaults(t *testing.T) {
	good := func() fleet.Batch {
		b := batch("plain", fleet.CPUUsage, time.Minute, "2024-01-01T11:58", 0.5)
		return b
	}
	for name, c := range map[string]struct {
		change func(*fleet.Batch)
		want   string
	}{
		"good":     {func(*fleet.Batch) {}, ""},
		"invalid":  {func(b *fleet.Batch) { b.Columns[0].Values[0] = -1 }, "negative"},
		"host":     {func(b *fleet.Batch) { b.Host = "other" }, "the host was"},
		"origin":   {func(b *fleet.Batch) { b.Origin = "hearsay" }, "origin"},
		"step":     {func(b *fleet.Batch) { b.Step = 1000 }, "step"},
		"empty":    {func(b *fleet.Batch) { b.Columns = nil }, "no value"},
		"off grid": {func(b *fleet.Batch) { b.Start[0]++ }, "multiple"},
		"future":   {func(b *fleet.Batch) { b.Start[0] += 120_000 }, "has not ended"},
		"backward": {func(b *fleet.Batch) { b.Start[0] -= 120_000 }, "comes after"},
		"again":    {func(b *fleet.Batch) { b.Start[0] -= 60_000 }, "before"},
		"metric":   {func(b *fleet.Batch) { b.Columns[0].Metric.Den = 7 }, "resolution"},
	} {
		rig := openPlain(t)
		run := &collectorRun{CollectorRig: rig, t: t, host: "plain"}
		first := good()
		first.Start[0] -= 60_000
		if err := run.check(&first); err != nil {
			t.Fatal(err)
		}
		run.last = first.Start[0]
		b := good()
		c.change(&b)
		err := run.check(&b)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, not %q", name, err, c.want)
		}
	}
}

// TestCollectorSuiteFindsFaultsOfGroups shows that the checks of process groups
// can fail.
func TestCollectorSuiteFindsFaultsOfGroups(t *testing.T) {
	for name, c := range map[string]struct {
		change func(host, group *fleet.Batch)
		want   string
	}{
		"good":          {func(_, _ *fleet.Batch) {}, ""},
		"without host":  {func(host, _ *fleet.Batch) { host.Start[0] -= 60_000 }, "the host has none"},
		"other metric":  {func(_, group *fleet.Batch) { group.Columns[0].Metric = fleet.CapacityVCPUs }, "which groups have not"},
		"more than all": {func(_, group *fleet.Batch) { group.Columns[0].Values[0] = 10001 }, "more than its host has"},
	} {
		host := batch("plain", fleet.CPUUsage, time.Minute, "2024-01-01T11:58", 0.5)
		group := in("nginx", batch("plain", fleet.CPUUsage, time.Minute, "2024-01-01T11:58", 0.2))
		c.change(&host, &group)
		err := groupsBesideHost([]fleet.Batch{host, group}, host.Start)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, not %q", name, err, c.want)
		}
	}
}
