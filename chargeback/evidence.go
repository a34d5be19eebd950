package chargeback

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

// evidenceMetrics show that a host ran, in the order in which they are asked
// for: the next one only for hosts without any sample of those before.
var evidenceMetrics = []string{fleet.CPUUsage.Name, fleet.MemoryUsage.Name, "up"}

// recordKey identifies a record.
type recordKey struct {
	host fleet.HostID
	from time.Time
}

func keyOf(r *fleet.Record) recordKey { return recordKey{r.Host, r.From} }

// evidence is what samples show of records in which nobody stated a state.
type evidence struct {
	covered map[recordKey]time.Duration
	asked   []string // metrics, in order
	damaged []fleet.Damage
}

// estimate works out how much of the time that hosts are assumed to have run no
// sample covers, line by line.
func (b *bill) estimate(ctx context.Context) (*evidence, error) {
	e := &evidence{covered: map[recordKey]time.Duration{}}
	missing := map[recordKey]*fleet.Record{}
	for _, l := range b.lines {
		for r := range l.assumed {
			missing[keyOf(r)] = r
		}
	}
	for _, name := range evidenceMetrics {
		if len(missing) == 0 {
			break
		}
		if err := b.ask(ctx, e, name, missing); err != nil {
			return nil, err
		}
	}
	for _, l := range b.lines {
		for r, d := range l.assumed {
			covered := e.covered[keyOf(r)]
			l.estimate.add(max(0, d-covered))
		}
	}
	return e, nil
}

// ask fills in what samples of a metric cover, and leaves in missing the records
// without any.
func (b *bill) ask(ctx context.Context, e *evidence, name string, missing map[recordKey]*fleet.Record) error {
	metric, err := b.plan.env.Metrics.Lookup(name)
	if err != nil {
		return err
	}
	e.asked = append(e.asked, name)
	mixed := map[fleet.HostID]bool{}
	q := fleet.Query{Metric: metric, Hosts: selectHosts(missing), Window: b.plan.charged, Location: b.plan.loc}
	for p, err := range b.plan.env.Source.Profiles(ctx, q) {
		if err != nil {
			if err = fleet.Tolerate(err, b.plan.req.Partial, &e.damaged); err != nil {
				return fmt.Errorf("read %s: %w", name, err)
			}
			continue
		}
		k := keyOf(p.Record)
		r, ok := missing[k]
		if !ok || p.Count == 0 && p.WithoutCapacity == 0 {
			continue
		}
		if _, stated := statedWindow(r); stated {
			mixed[r.Host] = true // the profile has samples of both parts
			continue
		}
		e.covered[k] += p.Covered
		delete(missing, k)
	}
	for host := range mixed {
		if err := b.askSeries(ctx, e, metric, host, missing); err != nil {
			return err
		}
	}
	return nil
}

// askSeries fills in what samples cover of records of which only a part is of a
// stated state.
func (b *bill) askSeries(ctx context.Context, e *evidence, m fleet.Metric, host fleet.HostID, missing map[recordKey]*fleet.Record) error {
	q := fleet.Query{Metric: m, Hosts: fleet.SelectHost(host), Window: b.plan.charged, Location: b.plan.loc}
	for s, err := range b.plan.env.Source.Series(ctx, q) {
		if err != nil {
			if err = fleet.Tolerate(err, b.plan.req.Partial, &e.damaged); err != nil {
				return fmt.Errorf("read %s of %s: %w", m.Name, host, err)
			}
			continue
		}
		r, ok := missing[keyOf(s.Record)]
		if !ok {
			continue
		}
		stated, isStated := statedWindow(r)
		for _, ms := range s.Start {
			if !isStated || !stated.Contains(time.UnixMilli(ms)) {
				e.covered[keyOf(r)] += time.Duration(s.Step) * time.Millisecond
			}
		}
	}
	for k := range missing {
		if k.host == host && e.covered[k] > 0 {
			delete(missing, k)
		}
	}
	return nil
}

// mostNamed is how many hosts a selector names before it is cheaper to read all.
const mostNamed = 100

// selectHosts matches the hosts of some records, or all hosts where they are
// many.
func selectHosts(missing map[recordKey]*fleet.Record) fleet.Selector {
	names := map[fleet.HostID]bool{}
	for k := range missing {
		names[k.host] = true
	}
	if len(names) > mostNamed {
		return fleet.Selector{}
	}
	var list []string
	for n := range names {
		list = append(list, regexp.QuoteMeta(string(n)))
	}
	slices.Sort(list)
	s, err := fleet.ParseSelector(`host=~"` + strings.ReplaceAll(strings.ReplaceAll(strings.Join(list, "|"), `\`, `\\`), `"`, `\"`) + `"`)
	if err != nil {
		return fleet.Selector{}
	}
	return s
}

// gaps are the times of unknown state of a host that no sample of a metric
// covers, in order.
func (b *bill) gaps(ctx context.Context, h *hostBill, e *evidence) ([]fleet.Window, error) {
	var open []fleet.Window
	for _, s := range h.spans {
		if w := s.Intersect(b.plan.charged); s.state == assumed && !w.Empty() {
			open = append(open, w)
		}
	}
	if len(open) == 0 {
		return nil, nil
	}
	var covered []fleet.Window
	for _, name := range e.asked {
		metric, err := b.plan.env.Metrics.Lookup(name)
		if err != nil {
			return nil, err
		}
		q := fleet.Query{Metric: metric, Hosts: fleet.SelectHost(h.timeline[0].Host), Window: b.plan.charged, Location: b.plan.loc}
		for s, err := range b.plan.env.Source.Series(ctx, q) {
			if err != nil {
				if err = fleet.Tolerate(err, b.plan.req.Partial, &e.damaged); err != nil {
					return nil, fmt.Errorf("read %s of %s: %w", name, h.timeline[0].Host, err)
				}
				continue
			}
			covered = appendCovered(covered, &s)
		}
		if len(covered) > 0 {
			break
		}
	}
	return lacking(open, covered), nil
}

// appendCovered adds what a block of samples covers, joining neighbours.
func appendCovered(list []fleet.Window, s *fleet.Series) []fleet.Window {
	for _, ms := range s.Start {
		w := windowOf(time.UnixMilli(ms).UTC(), time.UnixMilli(ms+int64(s.Step)).UTC())
		if n := len(list); n > 0 && !w.Start.After(list[n-1].End) {
			list[n-1].End = later(list[n-1].End, w.End)
			continue
		}
		list = append(list, w)
	}
	return list
}

// lacking returns the parts of the open windows that are not covered; both lists
// are in order.
func lacking(open, covered []fleet.Window) []fleet.Window {
	var out []fleet.Window
	add := func(w fleet.Window) {
		if n := len(out); n > 0 && out[n-1].End.Equal(w.Start) {
			out[n-1].End = w.End
			return
		}
		out = append(out, w)
	}
	for _, w := range open {
		for _, c := range covered {
			if w.Empty() || !c.Start.Before(w.End) {
				break
			}
			if !c.End.After(w.Start) {
				continue
			}
			if c.Start.After(w.Start) {
				add(windowOf(w.Start, c.Start))
			}
			w.Start = c.End
		}
		if !w.Empty() {
			add(w)
		}
	}
	return out
}

// text writes what was found of a record, for the digest.
func (e *evidence) text(r *fleet.Record) string {
	return strconv.FormatInt(int64(e.covered[keyOf(r)]), 10)
}
