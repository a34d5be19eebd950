package decisions

import (
	"time"

	"github.com/leanfleet/leanfleet/advice"
	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/money"
)

// Progress is what the inventory shows of a change.
type Progress string

// What the inventory shows. Of a scaling group it is PartlySeen while some of
// its members are of the new type.
const (
	Seen       Progress = "seen"
	PartlySeen Progress = "partly_seen"
	NotSeenYet Progress = "not_seen_yet"
	Undone     Progress = "undone"     // it was of the new type, and is of the old one again
	OtherType  Progress = "other_type" // it is neither of the old type nor of the new one
	Gone       Progress = "gone"       // no record holds any more
)

// Span is a time in which a host was of the new type and not stopped.
type Span struct {
	fleet.Window
	// Record is what the host was then.
	Record *fleet.Record
}

// Sight is what the inventory shows of a decided change.
type Sight struct {
	Progress Progress
	// Now is the instance type at the instant; of a group the commonest.
	Now string
	// Since is when the change was first seen, Until when it was undone; zero
	// where it was not.
	Since, Until time.Time
	// Members is how many hosts are of the new type at the instant.
	Members int
	// Spans are the times, from the change on, that count for what was saved.
	Spans []Span
}

// Watch looks for a decided change in what the inventory shows up to an instant:
// the timeline of the host, or those of a scaling group's members, each a
// host's records in time. A change counts from where the new type holds at the
// time of the decision, or begins after it.
func Watch(d advice.Decision, timelines [][]fleet.Record, at time.Time) Sight {
	var out Sight
	count := map[Progress]int{}
	types := map[string]int{}
	for _, records := range timelines {
		one := watchOne(d, records, at)
		count[one.Progress]++
		if one.Now != "" {
			types[one.Now]++
		}
		if !one.Since.IsZero() && (out.Since.IsZero() || one.Since.Before(out.Since)) {
			out.Since = one.Since
		}
		if one.Until.After(out.Until) {
			out.Until = one.Until
		}
		out.Spans = append(out.Spans, one.Spans...)
	}
	for t, n := range types {
		if best := types[out.Now]; n > best || n == best && t < out.Now {
			out.Now = t
		}
	}
	out.Members = count[Seen]
	// Members that are gone were replaced: they say nothing of the group.
	switch living := len(timelines) - count[Gone]; {
	case living == 0:
		out.Progress = Gone
	case count[Seen] == living:
		out.Progress, out.Until = Seen, time.Time{}
	case count[Seen] > 0:
		out.Progress, out.Until = PartlySeen, time.Time{}
	case count[Undone] > 0:
		out.Progress = Undone
	case count[OtherType] > 0:
		out.Progress = OtherType
	default:
		out.Progress = NotSeenYet
	}
	return out
}

// watchOne looks at one host.
func watchOne(d advice.Decision, records []fleet.Record, at time.Time) Sight {
	var out Sight
	alive := false
	for i := range records {
		r := &records[i]
		w := clip(r.Window(), at)
		if w.End.Before(w.Start) || w.End.Equal(w.Start) {
			continue
		}
		if r.ValidAt(at) && r.State != fleet.StateTerminated {
			alive, out.Now = true, r.InstanceType
		}
		if r.InstanceType != d.To || !r.To.IsZero() && !r.To.After(d.At) {
			if !out.Since.IsZero() && out.Until.IsZero() && r.InstanceType != d.To {
				out.Until = w.Start
			}
			continue
		}
		if out.Since.IsZero() {
			out.Since = w.Start
			if w.Start.Equal(beginning) {
				out.Since = d.At
			}
		}
		out.Until = time.Time{}
		w.Start = later(w.Start, out.Since)
		if r.State != fleet.StateStopped && r.State != fleet.StateTerminated {
			out.Spans = append(out.Spans, Span{w, r})
		}
	}
	switch {
	case !alive:
		out.Progress = Gone
	case d.To != "" && out.Now == d.To:
		out.Progress = Seen
	case d.From != "" && out.Now != d.From:
		out.Progress = OtherType
	case !out.Since.IsZero():
		out.Progress = Undone
	default:
		out.Progress = NotSeenYet
	}
	return out
}

// beginning stands for the beginning of time.
var beginning = time.Unix(0, 0).UTC()

// clip closes a record's window at an instant.
func clip(w fleet.Window, at time.Time) fleet.Window {
	if w.Start.IsZero() {
		w.Start = beginning
	}
	if w.End.IsZero() || w.End.After(at) {
		w.End = at
	}
	return w
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// Price is what an hour of a type costs where a record says the host is; false
// when that is not known.
type Price func(r *fleet.Record, instanceType string) (money.Price, bool)

// Savings is what a change has come to.
type Savings struct {
	// RunningHours is how long hosts ran on the new type, of a group over all
	// members.
	RunningHours float64 `json:"running_hours"`
	// Monthly is what a month of 730 hours saves by the prices of the two types
	// with the hosts that are of the new type now; Total what was saved in the
	// hours of running. Nil is unknown, Reason then says why.
	Monthly *money.Amount `json:"monthly_savings"`
	Total   *money.Amount `json:"total"`
	Reason  string        `json:"reason,omitempty"`
}

const (
	hoursPerMonth = 730
	hour          = int64(time.Hour / time.Second)
)

// Realise prices what was seen of a change from one type to another, both at
// the same prices.
func (s *Sight) Realise(d advice.Decision, price Price) Savings {
	var out Savings
	var seconds int64
	for _, span := range s.Spans {
		seconds += int64(span.Duration() / time.Second)
	}
	out.RunningHours = float64(seconds) / float64(hour)
	switch {
	case len(s.Spans) == 0:
		out.Reason = "the change was not seen"
		return out
	case d.From == "" || d.To == "":
		out.Reason = "the types before and after were not named"
		return out
	}
	for _, span := range s.Spans {
		before, ok1 := price(span.Record, d.From)
		after, ok2 := price(span.Record, d.To)
		if !ok1 || !ok2 {
			return Savings{RunningHours: out.RunningHours, Reason: "a price of " + d.From + " or " + d.To + " is not known"}
		}
		month, err := difference(before, after, money.Whole(hoursPerMonth))
		if err != nil {
			return Savings{RunningHours: out.RunningHours, Reason: err.Error()}
		}
		total := month.Fraction(money.Whole(int64(span.Duration()/time.Second)), money.Whole(hoursPerMonth*hour))
		if out.Total != nil {
			if total, err = total.Add(*out.Total); err != nil {
				return Savings{RunningHours: out.RunningHours, Reason: err.Error()}
			}
		}
		month = month.Scale(money.Whole(int64(s.Members)))
		out.Monthly, out.Total = &month, &total
	}
	month, total := out.Monthly.Round(), out.Total.Round()
	out.Monthly, out.Total = &month, &total
	return out
}

func difference(before, after money.Price, hours money.Number) (money.Amount, error) {
	return before.Per(hours).Sub(after.Per(hours))
}
