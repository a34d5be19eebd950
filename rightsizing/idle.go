package rightsizing

import (
	"fmt"
	"math"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/pricing"
)

// The published rules for idle hosts; docs/rightsizing.md has their sources.
const (
	idleDays     = 14
	idleLeast    = 5   // days on which both CPU and network are known
	idleMeasured = 0.8 // of the time in which CPU is, the network has to be

	awsPeak, awsBytes                   = 0.05, 5e6 // of the CPU; a day
	azureDays, azureLate                = 7, 3
	azureP95, azureLatest, azureNetwork = 0.03, 0.02, 0.02
	gcpCores, gcpCoresTime              = 0.03, 0.97
	gcpReceived, gcpSent, gcpTime       = 2000, 1000, 0.95

	wakesAt = 0.2 // of the CPU: an idle host that was once busier than this wakes
)

// quiet is the network of the last days, by direction (received, sent) and age in
// days.
type quiet struct {
	metrics [2]fleet.Metric
	days    [2][idleDays]cell
}

func (q *quiet) add(direction, age int, p *fleet.Profile, m fleet.Metric) {
	if age < 0 || age >= idleDays {
		return
	}
	q.metrics[direction] = m
	q.days[direction][age].add(p, m)
}

// bytes is what a day with both directions known comes to at its mean rate.
func (q *quiet) bytes(age int) (float64, bool) {
	in, out := &q.days[0][age], &q.days[1][age]
	if in.covered < minDay || out.covered < minDay {
		return 0, false
	}
	return (in.mean() + out.mean()) * day.Seconds(), true
}

// within is the share of the measured time of the last days at or below a rate.
func (q *quiet) within(direction int, limit float64) float64 {
	cells := q.days[direction][:]
	scaled := int64(math.Ceil(limit/q.metrics[direction].Resolution())) - 1
	return 1 - float64(timeAbove(cells, scaled))/math.Max(1, float64(measured(cells)))
}

// idle holds one host against the rules; nil where its CPU or network was not
// measured at all.
func idle(x *host, today *pricing.Specification) *Idle {
	q, cells := &x.beside.quiet, lastDays(x.cpu, idleDays)
	if measured(cells) == 0 && measured(q.days[0][:]) == 0 {
		return nil
	}
	out := &Idle{}
	days, most := 0, 0.0
	for i := range cells {
		b, ok := q.bytes(len(cells) - 1 - i)
		if ok && cells[i].covered >= minDay {
			days++
			most = math.Max(most, b)
		}
	}
	if measured(cells) > 0 {
		out.PeakCPU = known(largest(cells) / x.vcpus)
	}
	if days > 0 {
		out.NetworkPerDay = known(most)
	}
	seen := min(measured(q.days[0][:]), measured(q.days[1][:]))
	enough := ""
	switch {
	case measured(cells) == 0:
		enough = "CPU unknown"
	case seen == 0:
		enough = "network unknown"
	case days < idleLeast || float64(seen) < idleMeasured*float64(measured(cells)):
		enough = fmt.Sprintf("CPU and network are known of %d days", days)
	}
	for _, r := range []func(*host, *pricing.Specification, *Idle) IdleRule{idleAWS, idleAzure, idleGCP} {
		verdict := r(x, today, out)
		if enough != "" {
			verdict.Idle, verdict.Why = nil, enough
		}
		out.Rules = append(out.Rules, verdict)
	}
	return out
}

// idleAWS: no sample of CPU at 5 % or more, less than 5 MB of network on every
// day.
func idleAWS(_ *host, _ *pricing.Specification, i *Idle) IdleRule {
	r := IdleRule{Rule: pricing.AWS}
	if i.PeakCPU == nil || i.NetworkPerDay == nil {
		return r
	}
	yes := *i.PeakCPU < awsPeak && *i.NetworkPerDay < awsBytes
	r.Idle, r.Why = &yes, fmt.Sprintf("peak CPU %.2f %% (limit 5), network %.2f MB a day (limit 5)", 100**i.PeakCPU, *i.NetworkPerDay/1e6)
	return r
}

// idleAzure: over 7 days the P95 of CPU below 3 % and that of what is sent below
// 2 % of the network, and no sample of the last 3 days above 2 % CPU.
func idleAzure(x *host, today *pricing.Specification, _ *Idle) IdleRule {
	r := IdleRule{Rule: pricing.Azure}
	if !today.NetworkGbps.Known {
		r.Why = "the network of the type is unknown"
		return r
	}
	p95, ok := percentile(fleet.CPUCoresUsed, lastDays(x.cpu, azureDays), 9500)
	sent, sentKnown := percentile(x.beside.quiet.metrics[1], x.beside.quiet.days[1][:azureDays], 9500)
	if !ok || !sentKnown {
		r.Why = "nothing measured in the last 7 days"
		return r
	}
	p95 /= x.vcpus
	late, share := largest(lastDays(x.cpu, azureLate))/x.vcpus, sent/(today.NetworkGbps.Value*bytesPerGB)
	yes := p95 < azureP95 && late <= azureLatest && share < azureNetwork
	r.Idle, r.Why = &yes, fmt.Sprintf("P95 of CPU %.2f %% (limit 3), largest of 3 days %.2f %% (limit 2), sent %.2f %% of the network (limit 2)", 100*p95, 100*late, 100*share)
	return r
}

// idleGCP: less than 0.03 vCPU for 97 % of the time, less than 2,000 B/s received
// and 1,000 B/s sent for 95 %.
func idleGCP(x *host, _ *pricing.Specification, _ *Idle) IdleRule {
	r := IdleRule{Rule: pricing.GCP}
	cells, q := lastDays(x.cpu, idleDays), &x.beside.quiet
	if measured(cells) == 0 || measured(q.days[0][:]) == 0 || measured(q.days[1][:]) == 0 {
		return r
	}
	cores := 1 - float64(timeAbove(cells, int64(math.Round(gcpCores/fleet.CPUCoresUsed.Resolution()))-1))/float64(measured(cells))
	in, out := q.within(0, gcpReceived), q.within(1, gcpSent)
	yes := cores >= gcpCoresTime && in >= gcpTime && out >= gcpTime
	r.Idle, r.Why = &yes, fmt.Sprintf("under 0.03 vCPU for %.1f %% of the time (97), under 2 kB/s received for %.1f %% and 1 kB/s sent for %.1f %% (95)", 100*cores, 100*in, 100*out)
	return r
}

// idleOf holds a host against the rules: the members of a group have to be idle
// all of them.
func idleOf(x *host, today *pricing.Specification) *Idle {
	var out *Idle
	for _, p := range x.current() {
		one := idle(p, today)
		switch {
		case one == nil:
			return nil
		case out == nil:
			out = one
		default:
			out.join(one)
		}
	}
	return out
}

// join takes in another member: what is unknown or not of one is so of both.
func (i *Idle) join(o *Idle) {
	larger := func(a, b *float64) *float64 {
		if a == nil || b == nil {
			return nil
		}
		return known(math.Max(*a, *b))
	}
	i.PeakCPU, i.NetworkPerDay = larger(i.PeakCPU, o.PeakCPU), larger(i.NetworkPerDay, o.NetworkPerDay)
	for k := range i.Rules {
		if a, b := i.Rules[k].Idle, o.Rules[k].Idle; a != nil && *a && (b == nil || !*b) {
			i.Rules[k] = o.Rules[k]
		}
	}
}

// is says by which rules a host counts as idle: AWS's, which is the strictest
// about bursts, and that of its own provider.
func (i *Idle) is(provider string) []string {
	var out []string
	for _, r := range i.Rules {
		if r.Idle != nil && *r.Idle && (r.Rule == pricing.AWS || r.Rule == provider) {
			out = append(out, "idle_"+r.Rule)
		}
	}
	return out
}
