package local

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

// Collector measures one machine. It implements [fleet.Collector] and
// [fleet.Inventory]. Its methods may be called from several goroutines.
type Collector struct {
	opt     Options
	metrics []fleet.Metric
	source  source
	groups  *grouper // nil without groups
	self    identity
	host    fleet.HostID

	mu    sync.Mutex
	last  *reading // at the end of the last interval, or nil
	fine  []moment // finer readings since
	notes []string
	begun int64 // start of the last row reported, in milliseconds
}

// moment is one finer reading.
type moment struct {
	mono  time.Duration
	times cpuTimes
}

// New returns a collector of this machine, or of the one below Options.Root.
// It looks up who the machine is; what cannot be found out is left out.
func New(o Options) (*Collector, error) {
	if err := o.normalize(); err != nil {
		return nil, err
	}
	c := &Collector{opt: o, begun: -1}
	for _, m := range fleet.CanonicalMetrics().Stored() {
		if o.Metrics == nil || slices.Contains(o.Metrics, m.Name) {
			c.metrics = append(c.metrics, m)
		}
	}
	if o.Root != "" || runtime.GOOS == "linux" {
		t := newTree(o.Root, o.Space, c.wants)
		c.source, c.self = t, identify(t)
		if len(o.Groups) > 0 {
			g, err := newGrouper(t, o.Groups, o.MaxGroups)
			if err != nil {
				return nil, err
			}
			c.groups = g
		}
	} else {
		c.source, c.self = portable{space: o.Space, wants: c.wants}, identifyPortable()
		if len(o.Groups) > 0 {
			return nil, fmt.Errorf("measure this machine: process groups are measured on Linux only, this is %s", runtime.GOOS)
		}
	}
	c.host = o.Host
	if c.host == "" {
		c.host = c.self.host()
	}
	if c.host == "" {
		return nil, errors.New("measure this machine: it has no name, no machine id and no instance id: give the host's id")
	}
	return c, nil
}

// wants says whether any of some metrics is to be measured.
func (c *Collector) wants(names ...string) bool {
	return slices.ContainsFunc(c.metrics, func(m fleet.Metric) bool { return slices.Contains(names, m.Name) })
}

// Host is the id that batches carry: the given one, else the cloud's instance
// id where firmware tells it (EC2, second-generation Azure machines), else the
// machine id of a machine in no known cloud, else the host name. Clouds'
// machines without a readable instance id go by their name, so that the
// cloud's inventory finds them by it.
func (c *Collector) Host() fleet.HostID { return c.host }

// Interval is what a row stands for.
func (c *Collector) Interval() time.Duration { return c.opt.Interval }

// Notes are what a reader of the numbers should know, such as that a container's
// limits are measured, in no particular order; nil when there is nothing.
func (c *Collector) Notes() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.notes)
}

// Sample takes one of the finer readings from which cpu_usage_peak comes. It
// reads the counters of CPU time only. A peak is reported for intervals whose
// readings, Collect's included, are at most a quarter of the interval apart.
func (c *Collector) Sample(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last == nil || !c.wants("cpu_usage_peak") {
		return nil
	}
	t, err := c.source.times(ctx)
	if err != nil {
		return fmt.Errorf("measure %s: %w", c.host, err)
	}
	m := moment{times: t}
	_, m.mono = c.opt.Now()
	if len(c.fine) < 4096 { // more would be a caller that never collects
		c.fine = append(c.fine, m)
	}
	return nil
}

// Collect reads the machine and returns the interval that ended since the last
// call: a batch of one row for the host, and one for each process group. It
// returns nothing at the first call, before an interval has ended, and for
// intervals that no two readings tell of: those in which the machine was
// suspended, the clock was set, or nobody called. An error names what could not
// be read; what could be stands in the batches beside it.
func (c *Collector) Collect(ctx context.Context) ([]fleet.Batch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	wall, _ := c.opt.Now()
	if c.last != nil && c.slot(wall) == c.slot(c.last.wall) {
		return nil, nil
	}
	r := &reading{}
	err := c.source.read(ctx, r)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if c.groups != nil {
		var groupErr error
		r.groups, groupErr = c.groups.read()
		err = errors.Join(err, groupErr)
	}
	r.wall, r.mono = c.opt.Now()
	if err != nil {
		err = fmt.Errorf("measure %s: %w", c.host, err)
	}
	if errors.Is(err, errNothing) {
		c.last, c.fine = nil, nil
		return nil, err
	}
	c.note(r)
	last, fine := c.last, c.fine
	c.last, c.fine = r, nil
	if last == nil || !c.complete(last, r) {
		return nil, err
	}
	batches, rowErr := c.rows(last, r, fine)
	return batches, errors.Join(err, rowErr)
}

// slot is the start of the interval that a time lies in, in milliseconds. A
// clock that is slewed may show a boundary a moment early, so a fiftieth of
// the interval, and at most a second, counts as the next one.
func (c *Collector) slot(t time.Time) int64 {
	early := min(c.opt.Interval/50, time.Second)
	step := c.opt.Interval.Milliseconds()
	ms := t.Add(early).UnixMilli()
	return ms - ((ms%step)+step)%step
}

// complete says whether two readings tell of one interval, the one that a lies
// in: b lies in the next, they are about an interval apart by both clocks, and
// those agree.
func (c *Collector) complete(a, b *reading) bool {
	step := c.opt.Interval
	elapsed, shown := b.mono-a.mono, b.wall.Round(0).Sub(a.wall.Round(0))
	skew := shown - elapsed
	return c.slot(b.wall) == c.slot(a.wall)+step.Milliseconds() &&
		elapsed >= step*3/4 && elapsed <= step*5/4 &&
		skew.Abs() <= step/10 &&
		c.slot(a.wall) >= fleet.MinTime
}

// note keeps what is to be said of a reading.
func (c *Collector) note(r *reading) {
	c.notes = nil
	if l := r.limit; l.any() {
		c.notes = append(c.notes, "container_limited: "+l.String())
	}
	if r.networks.ok && len(r.networks.v) == 0 {
		c.notes = append(c.notes, "no physical network interface is visible: network rates are unknown")
	}
	if r.disks.ok && len(r.disks.v) == 0 {
		c.notes = append(c.notes, "no physical disk is visible: disk rates are unknown")
	}
	if c.groups != nil {
		c.notes = append(c.notes, c.groups.notes()...)
	}
}

// String tells limits to people.
func (l limits) String() string {
	switch {
	case l.cpus > 0 && l.memory > 0:
		return fmt.Sprintf("%.4g CPUs and %d MiB of memory by its control group", l.cpus, l.memory>>20)
	case l.cpus > 0:
		return fmt.Sprintf("%.4g CPUs by its control group", l.cpus)
	}
	return fmt.Sprintf("%d MiB of memory by its control group", l.memory>>20)
}
