package fleettest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

// CollectorRig is a collector under test and the world it measures.
type CollectorRig struct {
	Collector fleet.Collector
	// Interval is the step of its rows; they start at its multiples since 1970.
	Interval time.Duration
	// Now is the collector's wall clock, which stands on a multiple of the
	// interval, or less than a twentieth of one behind it.
	Now func() time.Time
	// Advance lets time pass, for the clock and for what is measured.
	Advance func(d time.Duration)
	// SetClock sets the wall clock forward or back while nothing else passes; nil
	// for a collector whose clock cannot be set.
	SetClock func(d time.Duration)
	// Break makes part of what is measured unreadable, and returns what mends it
	// again; nil for a collector that nothing can fail.
	Break func() (mend func())
}

// Collector holds a collector against [fleet.Collector]. open returns a fresh
// one that has collected nothing yet.
//
//   - Every batch is valid, has one host that never changes, an origin, the step
//     of the collector, and at least one value; no group and start comes twice.
//   - Starts lie on the grid and increase from call to call; a row is of an
//     interval that has ended, and not reported twice.
//   - Every interval that passed between two calls is reported; time in which
//     nobody called is not made up.
//   - What fails is told in an error beside the batches of what did not, and
//     what was told once is not told again after it was mended.
//   - A clock that is set forward or back by an hour makes up no interval: the next
//     whole one is the next row, and times that come again may be told again.
//   - Rows of process groups have cpu_usage and memory_usage and nothing else, stand
//     beside the row of their host in the same call, and are shares of it: no more
//     than it has.
//   - A cancelled call returns the context's error, and the next one goes on.
//   - What was returned belongs to the caller.
func Collector(t *testing.T, open func(t *testing.T) CollectorRig) {
	t.Helper()
	for name, run := range map[string]func(t *testing.T, c *collectorRun){
		"EveryInterval":    everyInterval,
		"NothingTwice":     nothingTwice,
		"NothingMadeUp":    nothingMadeUp,
		"ErrorsBeside":     errorsBeside,
		"Cancelled":        cancelledCall,
		"BelongsToCaller":  belongsToCaller,
		"LateAndEarlyCall": lateCall,
		"ClockSetForward":  func(t *testing.T, c *collectorRun) { clockSet(t, c, time.Hour) },
		"ClockSetBack":     func(t *testing.T, c *collectorRun) { clockSet(t, c, -time.Hour) },
	} {
		t.Run(name, func(t *testing.T) { run(t, &collectorRun{CollectorRig: open(t), t: t}) })
	}
}

// collectorRun collects and checks what comes.
type collectorRun struct {
	CollectorRig
	t    *testing.T
	host fleet.HostID
	last int64 // start of the latest row
	told map[string]bool
}

// collect calls the collector, checks its batches, and returns the starts of
// the host's own rows.
func (c *collectorRun) collect(wantErr bool) []int64 {
	c.t.Helper()
	batches, err := c.Collector.Collect(c.t.Context())
	if (err != nil) != wantErr {
		c.t.Fatalf("at %s: error %v, expected one: %v", c.Now().Format(time.RFC3339Nano), err, wantErr)
	}
	var starts []int64
	for i := range batches {
		if err := c.check(&batches[i]); err != nil {
			c.t.Fatalf("at %s: batch %d: %v", c.Now().Format(time.RFC3339Nano), i, err)
		}
		if batches[i].Group == "" {
			starts = append(starts, batches[i].Start...)
		}
	}
	if err := groupsBesideHost(batches, starts); err != nil {
		c.t.Fatalf("at %s: %v", c.Now().Format(time.RFC3339Nano), err)
	}
	for _, s := range starts {
		c.last = max(c.last, s)
	}
	slices.Sort(starts)
	return starts
}

// check says what is wrong with a batch.
func (c *collectorRun) check(b *fleet.Batch) error {
	if err := b.Validate(); err != nil {
		return err
	}
	if c.host == "" {
		c.host = b.Host
	}
	step := c.Interval.Milliseconds()
	switch {
	case b.Host != c.host:
		return fmt.Errorf("the host was %q, and is %q now", c.host, b.Host)
	case b.Origin.Rank() == 0:
		return fmt.Errorf("the origin %q is unknown", b.Origin)
	case int64(b.Step) != step:
		return fmt.Errorf("the step is %d ms, not %d ms", b.Step, step)
	case b.Samples() == 0:
		return errors.New("it has no value")
	}
	if c.told == nil {
		c.told = map[string]bool{}
	}
	for _, s := range b.Start {
		key := fmt.Sprint(b.Group, " ", s)
		switch {
		case s%step != 0:
			return fmt.Errorf("start %d ms is not a multiple of %d ms", s, step)
		case s+step > c.Now().UnixMilli()+step/20:
			return fmt.Errorf("the interval that starts at %s has not ended", stampOf(s))
		case s <= c.last && c.told[key]:
			return fmt.Errorf("the row of group %q at %s was reported before", b.Group, stampOf(s))
		case b.Group == "" && c.last != 0 && s <= c.last:
			return fmt.Errorf("start %s comes after %s", stampOf(s), stampOf(c.last))
		}
		c.told[key] = true
	}
	known := fleet.CanonicalMetrics()
	for i := range b.Columns {
		m := b.Columns[i].Metric
		if canon, err := known.Lookup(m.Name); err == nil && (canon.Num != m.Num || canon.Den != m.Den) {
			return fmt.Errorf("%s has a resolution of %d/%d, not %d/%d", m.Name, m.Num, m.Den, canon.Num, canon.Den)
		}
	}
	return nil
}

// groupsBesideHost says what is wrong with the rows of process groups in what a
// call returned, the host's own rows of which start at some times.
func groupsBesideHost(batches []fleet.Batch, starts []int64) error {
	for i := range batches {
		b := &batches[i]
		if b.Group == "" {
			continue
		}
		for _, s := range b.Start {
			if !slices.Contains(starts, s) {
				return fmt.Errorf("group %q has a row at %s, and the host has none", b.Group, stampOf(s))
			}
		}
		for k := range b.Columns {
			m := &b.Columns[k].Metric
			if m.Name != fleet.CPUUsage.Name && m.Name != fleet.MemoryUsage.Name {
				return fmt.Errorf("group %q has %s, which groups have not", b.Group, m.Name)
			}
			for row, v := range b.Columns[k].Values {
				if b.Columns[k].Has(row) && m.Value(int64(v)) > 1 {
					return fmt.Errorf("group %q has %s %g, more than its host has", b.Group, m.Name, m.Value(int64(v)))
				}
			}
		}
	}
	return nil
}

func stampOf(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339Nano) }

// start calls once, so that there is something to compare with.
func (c *collectorRun) start() { c.t.Helper(); c.collect(false) }

// wants collects and wants the rows of some intervals, which end with now.
func (c *collectorRun) wants(intervals int) {
	c.t.Helper()
	got := c.collect(false)
	step := c.Interval.Milliseconds()
	end := c.Now().UnixMilli() / step * step
	var want []int64
	for i := intervals; i > 0; i-- {
		want = append(want, end-int64(i)*step)
	}
	if !slices.Equal(got, want) {
		c.t.Fatalf("at %s: rows start at %v, not %v", c.Now().Format(time.RFC3339Nano), got, want)
	}
}

func everyInterval(t *testing.T, c *collectorRun) {
	c.start()
	for range 5 {
		c.Advance(c.Interval)
		c.wants(1)
	}
}

func nothingTwice(t *testing.T, c *collectorRun) {
	c.start()
	c.Advance(c.Interval)
	c.wants(1)
	c.wants(0) // at the same moment
	c.Advance(c.Interval / 3)
	if got := c.collect(false); len(got) > 0 {
		t.Fatalf("inside of an interval there are rows that start at %v", got)
	}
	c.Advance(c.Interval - c.Interval/3)
	c.wants(1)
}

// nothingMadeUp lets a long time pass without a call: no more than its last
// interval may be known.
func nothingMadeUp(t *testing.T, c *collectorRun) {
	c.start()
	c.Advance(c.Interval)
	c.wants(1)
	c.Advance(7 * c.Interval)
	if got := c.collect(false); len(got) > 1 {
		t.Fatalf("nobody called for seven intervals, and there are rows that start at %v", got)
	}
	c.Advance(c.Interval)
	c.wants(1)
}

func errorsBeside(t *testing.T, c *collectorRun) {
	if c.Break == nil {
		t.Log("this collector says that nothing of it can fail")
		return
	}
	c.start()
	c.Advance(c.Interval)
	c.wants(1)
	mend := c.Break()
	c.Advance(c.Interval)
	c.collect(true)
	c.Advance(c.Interval)
	if got := c.collect(true); len(got) != 1 {
		t.Fatalf("part of the machine can be read, and there are rows that start at %v", got)
	}
	mend()
	c.Advance(c.Interval)
	c.collect(false)
	c.Advance(c.Interval)
	c.wants(1)
}

func cancelledCall(t *testing.T, c *collectorRun) {
	c.start()
	c.Advance(c.Interval)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if batches, err := c.Collector.Collect(ctx); !errors.Is(err, context.Canceled) || len(batches) > 0 {
		t.Fatalf("a cancelled call returned %d batches and the error %v", len(batches), err)
	}
	c.wants(1) // it was not lost
	c.Advance(c.Interval)
	c.wants(1)
}

func belongsToCaller(t *testing.T, c *collectorRun) {
	c.start()
	c.Advance(c.Interval)
	first, err := c.Collector.Collect(t.Context())
	if err != nil || len(first) == 0 {
		t.Fatalf("%d batches, error %v", len(first), err)
	}
	kept := make([]fleet.Batch, len(first))
	for i, b := range first {
		kept[i] = b
		kept[i].Start = slices.Clone(b.Start)
		kept[i].Columns = slices.Clone(b.Columns)
		for j := range b.Columns {
			kept[i].Columns[j].Values = slices.Clone(b.Columns[j].Values)
		}
	}
	c.Advance(c.Interval)
	second, err := c.Collector.Collect(t.Context())
	if err != nil || !reflect.DeepEqual(kept, first) {
		t.Fatalf("another call changed what was returned before (error %v)", err)
	}
	for i := range first { // and what callers do to it changes nothing
		clear(first[i].Start)
		for j := range first[i].Columns {
			clear(first[i].Columns[j].Values)
		}
	}
	for i := range second {
		if err := c.check(&second[i]); err != nil {
			t.Fatal(err)
		}
	}
}

// clockSet sets the clock by some time, as people and daemons do.
func clockSet(t *testing.T, c *collectorRun, by time.Duration) {
	if c.SetClock == nil {
		t.Log("the clock of this collector cannot be set")
		return
	}
	c.start()
	c.Advance(c.Interval)
	c.wants(1)
	c.SetClock(by)
	if by < 0 { // these times come again
		c.last, c.told = 0, nil
	}
	c.Advance(c.Interval)
	if got := c.collect(false); len(got) > 1 {
		t.Fatalf("the clock was set by %s in one interval, and there are rows that start at %v", by, got)
	}
	for range 3 {
		c.Advance(c.Interval)
		c.wants(1)
	}
}

// lateCall calls a little after the interval's end, as a busy machine does.
func lateCall(t *testing.T, c *collectorRun) {
	c.start()
	c.Advance(c.Interval + c.Interval/25)
	c.wants(1)
	c.Advance(c.Interval - c.Interval/25)
	c.wants(1)
}
