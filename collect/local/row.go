package local

import (
	"errors"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

// rows turns two readings around an interval, and finer ones in it, into
// batches.
func (c *Collector) rows(a, b *reading, fine []moment) ([]fleet.Batch, error) {
	start := c.slot(a.wall)
	sameBoot := c.sameBoot(a, b)
	values := map[string]known[float64]{"up": is(1.0)}
	c.gauges(b, values)
	if sameBoot {
		c.rates(a, b, fine, values)
	}
	host, err := c.batch("", start, values)
	batches := []fleet.Batch{host}
	if c.groups == nil || !sameBoot || a.groups == nil || b.groups == nil {
		return batches, err
	}
	for _, g := range c.groups.usage(a, b) {
		row, rowErr := c.batch(g.name, start, map[string]known[float64]{"cpu_usage": g.cpu, "memory_usage": g.memory})
		err = errors.Join(err, rowErr)
		if len(row.Columns) > 0 {
			batches = append(batches, row)
		}
	}
	return batches, err
}

// sameBoot says whether a machine did not boot between two readings: its boot is
// the same, and the time since it grew by about the time that passed.
func (c *Collector) sameBoot(a, b *reading) bool {
	if a.boot != b.boot {
		return false
	}
	if !a.uptime.ok || !b.uptime.ok {
		return true
	}
	inexact := max(2*time.Second, c.opt.Interval/10) // some systems tell whole seconds
	return b.uptime.v-a.uptime.v >= (b.mono - a.mono - inexact).Seconds()
}

// batch is one row; values that are unknown or not wanted have no column.
func (c *Collector) batch(group string, start int64, values map[string]known[float64]) (fleet.Batch, error) {
	b := fleet.Batch{Host: c.host, Group: group, Origin: fleet.OriginAgent, Start: []int64{start}, Step: int32(c.opt.Interval.Milliseconds())}
	var errs []error
	for _, m := range c.metrics {
		v := values[m.Name]
		if !v.ok {
			continue
		}
		scaled, err := m.Scale(v.v)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		b.Columns = append(b.Columns, fleet.Column{Metric: m, Values: []int32{scaled}})
	}
	return b, errors.Join(errs...)
}

// gauges are the metrics that one reading tells.
func (c *Collector) gauges(r *reading, values map[string]known[float64]) {
	if r.vcpus > 0 {
		values["capacity_vcpus"] = is(r.capacityCPUs())
	}
	if m := r.memory; m.ok && m.v.total > 0 {
		values["capacity_memory_bytes"] = is(float64(m.v.total))
		values["memory_usage"] = is(part(m.v.total-min(m.v.available, m.v.total), m.v.total))
		if m.v.swapTotal > 0 {
			values["swap_usage"] = is(part(m.v.swapTotal-min(m.v.swapFree, m.v.swapTotal), m.v.swapTotal))
		}
	}
	values["load1"] = r.load1
	values["disk_usage"] = r.fullest
	values["uptime_seconds"] = r.uptime
	values["processes"] = known[float64]{float64(r.processes.v), r.processes.ok}
	values["sessions"] = known[float64]{float64(r.sessions.v), r.sessions.ok}
}

// capacityCPUs is the number of CPUs that may be used.
func (r *reading) capacityCPUs() float64 {
	if r.limit.cpus > 0 {
		return r.limit.cpus
	}
	return float64(r.vcpus)
}

func part(n, of uint64) float64 { return float64(n) / float64(of) }

// rates are the metrics that two readings tell.
func (c *Collector) rates(a, b *reading, fine []moment, values map[string]known[float64]) {
	elapsed := b.mono - a.mono
	if a.cpu.ok && b.cpu.ok && a.limit.cpus == b.limit.cpus {
		x, y := a.cpu.v, b.cpu.v
		set := func(name string, v float64, ok bool) { values[name] = known[float64]{v, ok} }
		mean, ok := usage(x, y, elapsed, b.limit)
		set("cpu_usage", mean, ok)
		steal, stealOK := share(x.steal, y.steal, x, y)
		set("cpu_steal", steal, stealOK)
		wait, waitOK := share(x.iowait, y.iowait, x, y)
		set("cpu_iowait", wait, waitOK)
		if ok {
			values["cpu_usage_peak"] = c.peak(a, b, fine, mean)
		}
	}
	for name, from := range map[string]struct {
		a, b  known[map[string]counters]
		which int
		wraps bool
	}{
		"disk_read_bytes_per_second":        {a.disks, b.disks, bytesIn, false},
		"disk_write_bytes_per_second":       {a.disks, b.disks, bytesOut, false},
		"disk_read_ops_per_second":          {a.disks, b.disks, opsIn, false},
		"disk_write_ops_per_second":         {a.disks, b.disks, opsOut, false},
		"network_receive_bytes_per_second":  {a.networks, b.networks, bytesIn, true},
		"network_transmit_bytes_per_second": {a.networks, b.networks, bytesOut, true},
	} {
		if n, ok := grown(from.a, from.b, from.which, from.wraps); ok {
			values[name] = is(float64(n) / elapsed.Seconds())
		}
	}
}

// peak is the highest usage between two neighbouring readings. It is unknown
// where they lie too far apart to show one. Pieces shorter than a twentieth of
// the interval and 200 ms are joined with the next: the counters of few CPUs
// count in hundredths of a second.
func (c *Collector) peak(a, b *reading, fine []moment, mean float64) known[float64] {
	const shortest = 200 * time.Millisecond
	highest := mean
	from := moment{a.mono, a.cpu.v}
	before := from
	for _, m := range append(fine, moment{b.mono, b.cpu.v}) {
		if m.mono-before.mono > c.opt.Interval/4 {
			return known[float64]{}
		}
		before = m
		gap := m.mono - from.mono
		if gap < max(shortest, c.opt.Interval/20) {
			continue
		}
		if u, ok := usage(from.times, m.times, gap, b.limit); ok {
			highest = max(highest, u)
		}
		from = m
	}
	return is(highest)
}
