package decisions

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/leanfleet/leanfleet/advice"
	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/money"
)

// day is midnight of a day of March 2024.
func day(n int) time.Time { return time.Date(2024, 3, n, 0, 0, 0, 0, time.UTC) }

// TestStandings: the last decision by its time holds, from when it was made
// until it runs out; the history keeps all.
func TestStandings(t *testing.T) {
	ledger := []advice.Decision{
		{Host: "web", Action: advice.DecisionAccept, To: "l2", At: day(2)},
		{Host: "db", Action: advice.DecisionDismiss, At: day(3), Until: day(10)},
		{Host: "web", Action: advice.DecisionDone, To: "l2", At: day(5)},
		{Host: "web", Action: advice.DecisionDismiss, At: day(4)}, // written late
		{Host: "app", Action: advice.DecisionAccept, To: "a", At: day(6)},
		{Host: "app", Action: advice.DecisionDismiss, At: day(6)}, // the same instant, further down
	}
	f := func(at time.Time, want string) {
		t.Helper()
		var got []string
		for _, s := range Standings(ledger, at) {
			got = append(got, fmt.Sprintf("%s %s of %d", s.Host, s.State, len(s.History)))
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%s: %s, want %s", at.Format(time.DateOnly), strings.Join(got, ", "), want)
		}
	}
	f(day(1), "")
	f(day(2), "web accepted of 1")
	f(day(3), "db dismissed of 1, web accepted of 1")
	f(day(4), "db dismissed of 1, web dismissed of 2")
	f(day(6), "app dismissed of 2, db dismissed of 1, web done of 3")
	f(day(10), "app dismissed of 2, db expired of 1, web done of 3")
	if d := Accepting(ledger, "web", day(3)); d == nil || d.To != "l2" {
		t.Errorf("accepting: %+v", d)
	}
	for host, at := range map[string]time.Time{"web": day(6), "db": day(4), "nobody": day(4)} {
		if d := Accepting(ledger, host, at); d != nil {
			t.Errorf("%s accepts: %+v", host, d)
		}
	}
}

// timeline reads records such as "l4 @5 l2 @9:stopped l2": types, and the day
// from which the next one holds.
func timeline(t *testing.T, text string) []fleet.Record {
	t.Helper()
	var out []fleet.Record
	for field := range strings.FieldsSeq(text) {
		if on, ok := strings.CutPrefix(field, "@"); ok {
			var n int
			if _, err := fmt.Sscan(on, &n); err != nil {
				t.Fatal(err)
			}
			out[len(out)-1].To = day(n)
			continue
		}
		name, state, _ := strings.Cut(field, ":")
		r := fleet.Record{Host: "h", InstanceType: name, State: fleet.State(state)}
		if n := len(out); n > 0 {
			r.From = out[n-1].To
		}
		out = append(out, r)
	}
	return out
}

// TestWatch: what the inventory shows on 20 March of a change from l4 to l2 that
// was said to be done on the 6th.
func TestWatch(t *testing.T) {
	d := advice.Decision{Host: "h", From: "l4", To: "l2", Action: advice.DecisionDone, At: day(6)}
	f := func(want string, timelines ...string) {
		t.Helper()
		var list [][]fleet.Record
		for _, x := range timelines {
			list = append(list, timeline(t, x))
		}
		s := Watch(d, list, day(20))
		var hours float64
		for _, span := range s.Spans {
			hours += span.Duration().Hours()
		}
		got := string(s.Progress) + " " + s.Now
		for _, x := range []time.Time{s.Since, s.Until} {
			got += " " + map[bool]string{true: "-", false: x.Format("2")}[x.IsZero()]
		}
		if got += fmt.Sprintf(" %gh", hours); got != want {
			t.Errorf("%v: %s, want %s", timelines, got, want)
		}
	}
	f("seen l2 5 - 360h", "l4 @5 l2")                       // before it was said
	f("seen l2 8 - 288h", "l4 @8 l2")                       // after
	f("seen l2 6 - 336h", "l2")                             // no record says since when
	f("not_seen_yet l4 - - 0h", "l4")                       // the inventory is old, or it was not done
	f("undone l4 8 12 96h", "l4 @8 l2 @12 l4")              // and back again
	f("seen l2 8 - 240h", "l4 @8 l2 @12 l4 @14 l2")         // and there again
	f("other_type l8 8 12 96h", "l4 @8 l2 @12 l8")          // something else since
	f("other_type l8 - - 0h", "l4 @8 l8")                   // something else
	f("seen l2 8 - 192h", "l4 @8 l2 @12 l2:stopped @16 l2") // stopped hosts save nothing
	f("gone  8 - 96h", "l4 @8 l2 @12 l2:terminated")        // terminated
	f("not_seen_yet l4 - - 0h", "l2 @3 l4")                 // it was l2 before the decision
	f("not_seen_yet l4 - - 0h", "l4 @25 l2")                // beyond the instant
	f("seen l2 8 - 528h", "l4 @8 l2", "l4 @10 l2")          // a group
	f("partly_seen l2 8 - 288h", "l4 @8 l2", "l4")          // a group on its way; ties by name
	f("seen l2 8 - 288h", "l4 @8 l2", "l4 @9 l4:terminated")
	f("undone l4 8 12 96h", "l4 @8 l2 @12 l4", "l4")
	f("other_type l8 - - 0h", "l8", "l4:terminated")
	f("gone  - - 0h")
}

// TestWatchAtOnce: asked at the very instant of the decision, a change that was
// made before is seen.
func TestWatchAtOnce(t *testing.T) {
	d := advice.Decision{From: "l4", To: "l2", Action: advice.DecisionDone, At: day(6)}
	s := Watch(d, [][]fleet.Record{timeline(t, "l4 @5 l2")}, day(6))
	if s.Progress != Seen || !s.Since.Equal(day(5)) || s.Members != 1 {
		t.Errorf("%+v", s)
	}
}

func price(t *testing.T, s string) money.Price {
	t.Helper()
	p, err := money.ParsePrice(s, money.USD)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestRealise: what a change has saved, by hand: 0.20 - 0.05 USD an hour.
func TestRealise(t *testing.T) {
	d := advice.Decision{Host: "h", From: "l4", To: "l2", Action: advice.DecisionDone, At: day(6)}
	prices := map[string]money.Price{"l4": price(t, "0.20"), "l2": price(t, "0.05")}
	book := func(_ *fleet.Record, name string) (money.Price, bool) { p, ok := prices[name]; return p, ok }
	f := func(d advice.Decision, want string, timelines ...string) {
		t.Helper()
		var list [][]fleet.Record
		for _, x := range timelines {
			list = append(list, timeline(t, x))
		}
		s := Watch(d, list, day(20))
		r := s.Realise(d, book)
		got := fmt.Sprintf("%gh", r.RunningHours)
		if r.Monthly != nil {
			got += " " + r.Monthly.String() + " " + r.Total.String()
		}
		if r.Reason != "" {
			got += ": " + r.Reason
		}
		if got != want {
			t.Errorf("%v: %s, want %s", timelines, got, want)
		}
	}
	f(d, "360h 109.50 USD 54.00 USD", "l4 @5 l2")
	f(d, "192h 109.50 USD 28.80 USD", "l4 @8 l2 @12 l2:stopped @16 l2")
	f(d, "528h 219.00 USD 79.20 USD", "l4 @8 l2", "l4 @10 l2") // two members
	f(d, "96h 0.00 USD 14.40 USD", "l4 @8 l2 @12 l4")          // undone: no more, but what was saved stays
	f(d, "0h: the change was not seen", "l4")
	unpriced := d
	unpriced.From = "x1"
	f(unpriced, "360h: a price of x1 or l2 is not known", "l4 @5 l2")
	unnamed := d
	unnamed.From = ""
	f(unnamed, "360h: the types before and after were not named", "l4 @5 l2")
	prices["l4"] = prices["l4"].In("EUR")
	s := Watch(d, [][]fleet.Record{timeline(t, "l4 @5 l2")}, day(20))
	if r := s.Realise(d, book); r.Reason == "" || r.Total != nil {
		t.Errorf("two currencies: %+v", r)
	}
}

// TestStandingsProperties: the order of writing decides only between decisions
// of one time, and no decision is lost.
func TestStandingsProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 20).Draw(t, "n")
		var ledger []advice.Decision
		for i := range n {
			ledger = append(ledger, advice.Decision{
				Host: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "host"), Why: fmt.Sprint(i), At: day(1).Add(time.Duration(i) * time.Hour),
				Action: rapid.SampledFrom([]advice.DecisionAction{advice.DecisionAccept, advice.DecisionDismiss, advice.DecisionDone}).Draw(t, "action"),
			})
		}
		shuffled := rapid.Permutation(ledger).Draw(t, "order")
		a, b := Standings(ledger, day(30)), Standings(shuffled, day(30))
		if fmt.Sprint(a) != fmt.Sprint(b) {
			t.Errorf("%v\n%v", a, b)
		}
		total := 0
		for _, s := range a {
			total += len(s.History)
		}
		if total != n {
			t.Errorf("%d decisions of %d", total, n)
		}
	})
}
