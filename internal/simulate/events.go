package simulate

import (
	"math"
	"slices"
	"sort"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

const dayMillis = int64(24 * time.Hour / time.Millisecond)

// The names of events in a [Truth].
const (
	EventLaunch    = "launch"    // the host comes to be
	EventTerminate = "terminate" // and ceases to be
	EventStop      = "stop"      // it is stopped, until started again
	EventReboot    = "reboot"    // it is down for some minutes
	EventResize    = "resize"    // its instance type changes, with a reboot
	EventTags      = "tags"      // it moves to another department or cost centre
	EventOutage    = "outage"    // it runs, but its agent sends nothing
	EventRestart   = "restart"   // its leaking service is restarted
)

// Event is something that happened to a host.
type Event struct {
	Kind string `json:"kind"`
	// At is when it began, to the second.
	At time.Time `json:"at"`
	// Until is when samples came again; zero for events without a gap. It may lie
	// beyond the simulated time.
	Until time.Time `json:"until,omitzero"`
	// From and To are what changed: instance types, or tags as key=value.
	From string `json:"from,omitzero"`
	To   string `json:"to,omitzero"`
}

// nightly says when a host that is stopped at night and at weekends runs.
type nightly struct{ hours string }

// timeline is what happens to a host, up to the end of the simulated time.
type timeline struct {
	spans   []span
	resizes []resize
	changes []change
	events  []Event
}

// span is time [from, to) in Unix ms in which a host runs and is measured.
type span struct {
	from, to int64
	boot     int64
	resizes  int // how many resizes lie before it
}

type resize struct {
	at   int64
	size int
}

// change is what an inventory says of a host from a time on.
type change struct {
	at     int64
	record fleet.Record
}

// happening is an event while the timeline is being drawn.
type happening struct {
	kind     string
	at, till int64
}

// drawTimeline draws everything that happens to the host before the end of the
// window. What happens in a calendar month is drawn from the month's own
// stream and depends on earlier months only, so a longer window adds events
// and changes none.
func (h *host) drawTimeline(w fleet.Window, loc *time.Location) {
	start, end := w.Start.UnixMilli(), w.End.UnixMilli()
	s := newStream(h.seed, forEvents, h.index, 0)
	born, boot := start, start-int64(s.between(1, 120)*float64(dayMillis))/1000*1000
	if s.chance(0.04) {
		born = start + int64(s.between(0.2, 12)*float64(dayMillis))/1000*1000
		boot = born
		h.timeline.events = append(h.timeline.events, Event{Kind: EventLaunch, At: utc(born)})
	}
	if born >= end {
		return
	}
	running := []span{{from: born, to: end, boot: boot}}
	if h.schedule != nil {
		running = h.nightly(fleet.Window{Start: utc(born), End: w.End}, loc, born, boot)
	}
	happenings := h.drawHappenings(born, end)
	first := h.record()
	first.State = fleet.StateRunning
	if len(running) == 0 || running[0].from > born {
		first.State = fleet.StateStopped
	}
	if born > start {
		first.From = utc(born)
	}
	h.timeline.changes = append(h.timeline.changes, change{math.MinInt64, first})
	h.applySchedule(running, end)
	h.apply(running, happenings, end)
	sort.SliceStable(h.timeline.changes, func(i, j int) bool { return h.timeline.changes[i].at < h.timeline.changes[j].at })
	sort.SliceStable(h.timeline.events, func(i, j int) bool { return h.timeline.events[i].At.Before(h.timeline.events[j].At) })
}

func utc(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// nightly returns the spans in which a scheduled host runs. It boots when it is
// started; where it already runs at the beginning, it was booted before.
func (h *host) nightly(w fleet.Window, loc *time.Location, born, boot int64) []span {
	hours, err := fleet.ParseHours(h.schedule.hours)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	var out []span
	for _, x := range (fleet.Calendar{Hours: hours, Location: loc}).Within(w) {
		p := span{from: x.Start.UnixMilli(), to: x.End.UnixMilli()}
		if p.boot = p.from; p.from == born {
			p.boot = max(boot, born-6*3_600_000)
		}
		out = append(out, p)
	}
	return out
}

// applySchedule states each stop and start of a scheduled host.
func (h *host) applySchedule(running []span, end int64) {
	if h.schedule == nil {
		return
	}
	for i, p := range running {
		if i > 0 || h.timeline.changes[0].record.State == fleet.StateStopped {
			h.state(p.from, fleet.StateRunning)
		}
		if p.to < end {
			h.state(p.to, fleet.StateStopped)
		}
	}
}

func (h *host) state(at int64, s fleet.State) {
	h.timeline.changes = append(h.timeline.changes, change{at, fleet.Record{State: s}})
}

// drawHappenings draws what happens in every calendar month up to the end, in
// order of time. A host that is stopped every night is neither resized nor
// rebooted nor stopped for longer.
func (h *host) drawHappenings(born, end int64) []happening {
	var out []happening
	free := born + 6*3_600_000
	first := utc(born)
	for m := time.Date(first.Year(), first.Month(), 1, 0, 0, 0, 0, time.UTC); m.UnixMilli() < end; m = m.AddDate(0, 1, 0) {
		for _, x := range h.drawMonth(m) {
			if x.kind == EventTags && x.at > born && x.at < end {
				out = append(out, x)
				continue
			}
			if x.at < free || x.at >= end || h.schedule != nil && x.kind != EventOutage {
				continue
			}
			out = append(out, x)
			free = x.till + 2*3_600_000
			if x.kind == EventTerminate {
				return out
			}
		}
	}
	return out
}

// drawMonth draws what may happen in a month that begins at m.
func (h *host) drawMonth(m time.Time) []happening {
	s := newStream(h.seed, forEvents, h.index, uint64(m.Year())<<4|uint64(m.Month()))
	var out []happening
	add := func(kind string, chance, firstDay, lastDay, firstHour, lastHour, shortest, longest float64) {
		yes, day, hour := s.chance(chance), math.Floor(s.between(firstDay, lastDay)), s.between(firstHour, lastHour)
		last := s.unit()
		if !yes {
			return
		}
		at := m.UnixMilli() + int64(float64((day-1)*24)+hour)*3_600_000 + int64(s.below(3600))*1000
		till := at
		if longest > 0 {
			till += int64(float64(logLerp(shortest, longest, last)*60)) * 1000
		}
		out = append(out, happening{kind, at, till})
	}
	const hour, day = 60.0, 24 * 60.0
	add(EventReboot, 0.5, 1, 29, 0, 5, 1, 5)
	add(EventResize, 0.08, 1, 29, 7, 18, 2, 7)
	add(EventStop, 0.05, 1, 29, 6, 20, 1.5*day, 8*day)
	add(EventOutage, 0.1, 1, 29, 0, 24, 10, 36*hour)
	add(EventTags, 0.06, 9, 21, 8, 17, 0, 0)
	add(EventTerminate, 0.012, 2, 29, 8, 18, 0, 0)
	sort.SliceStable(out, func(i, j int) bool { return out[i].at < out[j].at })
	return out
}

// apply cuts the running spans by what happens and states what changes.
func (h *host) apply(running []span, happenings []happening, end int64) {
	t := &h.timeline
	size := h.size
	for _, x := range happenings {
		e := Event{Kind: x.kind, At: utc(x.at)}
		if x.till > x.at {
			e.Until = utc(x.till)
		}
		switch x.kind {
		case EventTags:
			h.moveTags(x.at, &e)
		case EventResize:
			next, ok := h.neighbour(size, x.at)
			if !ok {
				continue
			}
			e.From, e.To = h.family.sizes[size].name, h.family.sizes[next].name
			size = next
			t.resizes = append(t.resizes, resize{x.at, size})
			t.changes = append(t.changes, change{x.at, fleet.Record{InstanceType: e.To, Capacity: h.family.sizes[size].capacity()}})
			running = cut(running, x, true, 1)
		case EventStop:
			h.state(x.at, fleet.StateStopped)
			if x.till < end {
				h.state(x.till, fleet.StateRunning)
			}
			running = cut(running, x, true, 0)
		case EventReboot:
			running = cut(running, x, true, 0)
		case EventOutage:
			running = cut(running, x, false, 0)
		case EventTerminate:
			h.state(x.at, fleet.StateTerminated)
			running = cut(running, happening{x.kind, x.at, math.MaxInt64}, true, 0)
		}
		t.events = append(t.events, e)
	}
	t.spans = running
}

// neighbour is the size a resize goes to, drawn by the time: up more often than
// down, and never to one whose memory would be too small. It is false when
// there is none.
func (h *host) neighbour(from int, at int64) (int, bool) {
	fits := func(to int) bool {
		if to < 0 || to >= len(h.family.sizes) {
			return false
		}
		most := (h.noise.memory + h.noise.leakLimit) >> 4
		return most*h.family.sizes[h.size].seen()/h.family.sizes[to].seen() <= 8000
	}
	s := newStream(h.seed, forEvents, h.index, uint64(at))
	first, second := from+1, from-1
	if s.chance(0.3) {
		first, second = second, first
	}
	if fits(first) {
		return first, true
	}
	return second, fits(second)
}

// moveTags changes the department and its cost centre, or the cost centre only.
func (h *host) moveTags(at int64, e *Event) {
	names, centres, _ := departments()
	s := newStream(h.seed, forEvents, h.index, uint64(at))
	from := h.dept
	for i := range h.timeline.changes {
		if d, ok := h.timeline.changes[i].record.Tags["dept"]; ok {
			from = slices.Index(names, d)
		}
	}
	to := (from + 1 + s.below(len(names)-1)) % len(names)
	tags := fleet.Tags{"dept": names[to], "cost_center": centres[to]}
	e.From, e.To = "dept="+names[from], "dept="+names[to]
	h.timeline.changes = append(h.timeline.changes, change{at, fleet.Record{Tags: tags}})
}

// cut takes the time of a happening out of the spans. What follows it counts as
// after a resize, and where a span goes on after it, as booted then.
func cut(spans []span, x happening, boots bool, resizes int) []span {
	var out []span
	for _, p := range spans {
		if before := p; before.from < min(p.to, x.at) {
			before.to = min(p.to, x.at)
			out = append(out, before)
		}
		if after := p; max(p.from, x.till) < p.to {
			if boots && p.from < x.till {
				after.boot = x.till
			}
			after.from = max(p.from, x.till)
			after.resizes += resizes
			out = append(out, after)
		}
	}
	return out
}

// record is what the inventory says of the host at first.
func (h *host) record() fleet.Record {
	size := h.family.sizes[h.size]
	names, centres, _ := departments()
	addresses := 0
	if h.kind == KindWeb {
		addresses = 1
	}
	purchase := fleet.PurchaseOnDemand
	if h.spot {
		purchase = fleet.PurchaseSpot
	}
	return fleet.Record{
		Host: h.id, Name: h.name, Provider: h.family.provider, Account: account, Region: h.region, Zone: h.zone,
		InstanceType: size.name, OS: "linux", Arch: h.family.arch, Purchase: purchase, Capacity: size.capacity(),
		Disks: []fleet.Disk{{Type: diskType(h.family.provider), GiB: h.disk}}, Addresses: &addresses, OwnedBy: h.owner,
		Tags:   fleet.Tags{"dept": names[h.dept], "env": h.env, "cost_center": centres[h.dept], "role": h.role, tagSimulated: "true"},
		Origin: fleet.OriginSimulated,
	}
}

// statements returns what the inventory says of the host, in order of time.
func (h *host) statements() []fleet.Statement {
	var out []fleet.Statement
	for _, c := range h.timeline.changes {
		r := c.record
		r.Host, r.Origin = h.id, fleet.OriginSimulated
		if c.at != math.MinInt64 {
			r.From = utc(c.at)
		}
		out = append(out, fleet.Statement{Record: r})
	}
	return out
}
