package scan

import (
	"sort"
	"sync"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/store/dayfile"
	"github.com/leanfleet/leanfleet/internal/store/head"
	"github.com/leanfleet/leanfleet/inventory"
)

// DayView is one sealed day as a query sees it.
type DayView struct {
	Day dayfile.Day
	// File is open; nil when Err is set.
	File *dayfile.File
	Path string
	// Err says why the day cannot be read.
	Err error
	// Head is the rows that are not sealed, by host, then process group. File is
	// also nil when all rows of the day are there.
	Head []head.Strip
}

// View is one consistent state of the store.
type View struct {
	// Days are ascending.
	Days []DayView
	// Hosts are the days of the hosts themselves, from [SizeHolds] before the
	// window on, where Days are those of process groups whose absolute figures are
	// asked for.
	Hosts   []DayView
	Book    *inventory.Book
	Metrics fleet.Metrics
	// Table numbers the metrics of Head; nil when no day has any.
	Table *head.Table
	// Memory is used by one question after the other; nil is none.
	Memory *Memory
	// GiveWay is called between pieces of work of some tenth of a millisecond, so
	// that others get a processor; nil does nothing.
	GiveWay func()
}

func (v *View) giveWay() {
	if v.GiveWay != nil {
		v.GiveWay()
	}
}

// Memory keeps the counters of profiles, which are large, from question to
// question. The zero Memory is ready, and may be used by several questions at
// once.
type Memory struct{ builders sync.Pool }

// builder returns an empty builder.
func (m *Memory) builder(metric fleet.Metric) *fleet.ProfileBuilder {
	if m != nil {
		if b, ok := m.builders.Get().(*fleet.ProfileBuilder); ok {
			b.Reset(metric)
			return b
		}
	}
	return fleet.NewProfileBuilder(metric)
}

// keep takes builders back.
func (m *Memory) keep(states []*state) {
	if m == nil {
		return
	}
	for _, s := range states {
		m.builders.Put(s.builder)
	}
}

// millis is a half-open range of Unix milliseconds.
type millis struct{ from, to int64 }

const (
	beginning = -1 << 62
	end       = 1 << 62
)

// millisOf turns a window with open bounds into milliseconds: a start at t
// lies in the window when from <= t < to.
func millisOf(w fleet.Window) millis {
	m := millis{beginning, end}
	if !w.Start.IsZero() {
		m.from = ceilMillis(w.Start)
	}
	if !w.End.IsZero() {
		m.to = ceilMillis(w.End)
	}
	return m
}

func ceilMillis(t time.Time) int64 {
	ms := t.UnixMilli()
	if t.Nanosecond()%1e6 != 0 {
		ms++
	}
	return ms
}

func (m millis) overlap(o millis) int64 { return max(0, min(m.to, o.to)-max(m.from, o.from)) }

// piece is a stretch of time that counts, within one step.
type piece struct {
	millis
	step int
}

// plan is a query made ready: its pieces of time and its hosts.
type plan struct {
	view   View
	query  fleet.Query
	window millis
	steps  []fleet.Window
	bounds []millis // of the steps
	pieces []piece  // ascending, disjoint
	first  []int    // index of each step's first piece; one more at the end
	days   []DayView
	hosts  []host
	// ratio and capacity are the columns of a derived metric.
	ratio, capacity fleet.Metric
	// inHead are the numbers of the metric that is read, as it was defined one
	// time or another, in the head.
	inHead []int
}

// stored is the metric that is read.
func (p *plan) stored() fleet.Metric {
	if p.query.Metric.Derived() {
		return p.ratio
	}
	return p.query.Metric
}

// host is a host with a matching record.
type host struct {
	id       fleet.HostID
	timeline []fleet.Record
	records  []millis
	matches  []bool
	members  []fleet.HostID // more than one where hosts were merged
}

func newPlan(v View, q fleet.Query) (*plan, error) {
	p := &plan{view: v, query: q, window: millisOf(q.Window)}
	if q.Window.Start.IsZero() || q.Window.End.IsZero() {
		return nil, errOpenWindow
	}
	if q.Metric.Derived() {
		var err error
		if p.ratio, err = v.Metrics.Lookup(q.Metric.Ratio); err != nil {
			return nil, err
		}
		if p.capacity, err = v.Metrics.Lookup(q.Metric.Capacity); err != nil {
			return nil, err
		}
	}
	if v.Table != nil {
		p.inHead = v.Table.Named(p.stored().Name)
	}
	step := q.Step
	if step == "" {
		step = fleet.StepWhole
	}
	p.steps = step.Split(q.Window, q.Location)
	p.cut()
	for _, d := range v.Days {
		if millisOf(d.Day.Window()).overlap(p.window) > 0 {
			p.days = append(p.days, d)
		}
	}
	p.findHosts()
	return p, nil
}

// cut makes the pieces of each step.
func (p *plan) cut() {
	for i, s := range p.steps {
		p.bounds = append(p.bounds, millisOf(s))
		p.first = append(p.first, len(p.pieces))
		if p.query.Within.IsZero() {
			p.pieces = append(p.pieces, piece{millisOf(s), i})
			continue
		}
		for _, w := range p.query.Within.Within(s) {
			p.pieces = append(p.pieces, piece{millisOf(w), i})
		}
	}
	p.first = append(p.first, len(p.pieces))
}

func (p *plan) findHosts() {
	for _, id := range p.view.Book.Hosts() {
		timeline := p.view.Book.Timeline(id)
		var h host
		for i := range timeline {
			r := &timeline[i]
			w := millisOf(r.Window())
			if !p.query.Hosts.Matches(r) || w.overlap(p.window) == 0 {
				continue
			}
			if h.matches == nil {
				h = host{id: id, timeline: timeline, matches: make([]bool, len(timeline)), members: p.view.Book.Members(id)}
			}
			h.matches[i] = true
		}
		if h.matches == nil {
			continue
		}
		for i := range timeline {
			h.records = append(h.records, millisOf(timeline[i].Window()))
		}
		p.hosts = append(p.hosts, h)
	}
}

// pieceAt is the index of the first piece that ends after t.
func (p *plan) pieceAt(t int64) int {
	if len(p.pieces) == 1 {
		if t < p.pieces[0].to {
			return 0
		}
		return 1
	}
	return sort.Search(len(p.pieces), func(i int) bool { return p.pieces[i].to > t })
}

// recordAt is the index of the first record that ends after t.
func (h *host) recordAt(t int64) int {
	if len(h.records) == 1 {
		return 0
	}
	return sort.Search(len(h.records), func(i int) bool { return h.records[i].to > t })
}

// holds says whether the record that recordAt found is one that matches and
// valid at t. Samples of a host are evidence of it, and there is a record at
// each; those of process groups are none.
func (h *host) holds(record int, t int64) bool {
	return record < len(h.records) && h.matches[record] && t >= h.records[record].from && t < h.records[record].to
}

// expected is the time, in milliseconds, that counts in a step while the host
// was known to run under a record.
func (p *plan) expected(step int, lifetime []millis) int64 {
	var sum int64
	for _, l := range lifetime {
		if l.overlap(p.bounds[step]) == 0 {
			continue
		}
		for _, x := range p.pieces[p.first[step]:p.first[step+1]] {
			sum += x.overlap(l)
		}
	}
	return sum
}
