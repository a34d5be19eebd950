package simulate

import (
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/inventory"
)

// TestStatementsMakeTimelines puts a fleet's statements into a real inventory:
// none contradicts another, each record holds what the truth says happened, and
// a second time changes nothing.
func TestStatementsMakeTimelines(t *testing.T) {
	o := Options{Seed: 5, Hosts: 120, Days: 61, Start: monday, Interval: time.Hour}
	c, s := run(t, o)
	book := inventory.NewBook(nil)
	result, err := book.Put(c.statements, c.puts[0])
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Conflicts) > 0 || result.Added != s.Hosts {
		t.Errorf("%d hosts added of %d, conflicts %v", result.Added, s.Hosts, result.Conflicts)
	}
	at := func(id fleet.HostID, when time.Time) *fleet.Record {
		for _, r := range book.Timeline(id) {
			if r.ValidAt(when) {
				return &r
			}
		}
		t.Fatalf("%s has no record at %s", id, when)
		return nil
	}
	second := time.Second
	for _, h := range s.Truth.Hosts {
		if r := at(h.Host, s.Window.End.Add(-second)); r.Account != "simulated" || r.Tags["simulated"] != "true" || r.Name != h.Name {
			t.Errorf("%s at the end: account %q, tags %v, name %q", h.Name, r.Account, r.Tags, r.Name)
		}
		for _, e := range h.Events {
			after := at(h.Host, e.At)
			switch e.Kind {
			case EventLaunch:
				if !after.From.Equal(e.At) || after.State != fleet.StateRunning && h.Schedule == "" {
					t.Errorf("%s after its launch at %s: %s from %s", h.Name, e.At, after.State, after.From)
				}
			case EventResize:
				if before := at(h.Host, e.At.Add(-second)); before.InstanceType != e.From || after.InstanceType != e.To || after.Capacity == before.Capacity {
					t.Errorf("%s: %s becomes %s at %s, want %s to %s", h.Name, before.InstanceType, after.InstanceType, e.At, e.From, e.To)
				}
			case EventTags:
				if before := at(h.Host, e.At.Add(-second)); "dept="+before.Tags["dept"] != e.From || "dept="+after.Tags["dept"] != e.To || before.Tags["env"] != after.Tags["env"] {
					t.Errorf("%s: tags %v become %v at %s, want %s to %s", h.Name, before.Tags, after.Tags, e.At, e.From, e.To)
				}
			case EventStop:
				if after.State != fleet.StateStopped {
					t.Errorf("%s is %s from %s on, when it stops", h.Name, after.State, e.At)
				}
				if e.Until.Before(s.Window.End) && at(h.Host, e.Until).State != fleet.StateRunning {
					t.Errorf("%s does not run at %s, when it starts again", h.Name, e.Until)
				}
			case EventTerminate:
				if after.State != fleet.StateTerminated {
					t.Errorf("%s is %s from %s on, when it ends", h.Name, after.State, e.At)
				}
			}
		}
	}
	again, err := book.Put(c.statements, c.puts[0])
	if err != nil {
		t.Fatal(err)
	}
	if again.Added+again.Learned+again.Changed+again.Corrected != 0 || len(again.Conflicts) > 0 {
		t.Errorf("the same statements a second time: %+v", again)
	}
}
