package inventory

import (
	"errors"
	"testing"

	"github.com/leanfleet/leanfleet/fleet"
)

// TestExactly: a host is meant by its id also where that is the name of another
// host by now.
func TestExactly(t *testing.T) {
	b := NewBook(nil)
	b.Ensure("web", day(1), fleet.Put{At: day(1)})
	put := func(at int, s fleet.Statement) {
		t.Helper()
		if r, err := b.Put([]fleet.Statement{s}, fleet.Put{At: day(at)}); err != nil || len(r.Conflicts) > 0 {
			t.Fatal(r, err)
		}
	}
	put(2, fleet.Statement{Record: fleet.Record{Host: "i-1", Name: "web"}})
	put(3, fleet.Statement{Record: fleet.Record{Host: "i-1", Name: "front"}})
	put(4, fleet.Statement{Record: fleet.Record{Host: "i-2", Name: "web"}})
	if id, ok := b.Resolve("web", day(5)); !ok || id != "i-2" {
		t.Fatal(id)
	}
	if id, ok := b.Resolve(string(Exactly("web")), day(5)); !ok || id != "web" {
		t.Fatal(id)
	}
	put(5, fleet.Statement{Record: fleet.Record{Host: Exactly("web"), State: fleet.StateTerminated}})
	if r := b.Timeline("i-2"); r[len(r)-1].State != "" {
		t.Errorf("the host that has the name was ended: %+v", r)
	}
	if r := b.Timeline("web"); r[len(r)-1].State != fleet.StateTerminated {
		t.Errorf("the host of the id was not ended: %+v", r)
	}
	if _, err := b.Put([]fleet.Statement{{Record: fleet.Record{Host: Exactly("nobody"), Region: "r"}}}, fleet.Put{At: day(6)}); !errors.Is(err, fleet.ErrUnknownHost) {
		t.Error(err)
	}
}

// TestGroup: conflicts of one reason are one contradiction; those that only share
// a name come last.
func TestGroup(t *testing.T) {
	b := NewBook(nil)
	of := func(host, name string) fleet.Statement {
		return fleet.Statement{Record: fleet.Record{Host: fleet.HostID(host), Name: name}}
	}
	put := func(list ...fleet.Statement) {
		t.Helper()
		if _, err := b.Put(list, fleet.Put{At: day(1)}); err != nil {
			t.Fatal(err)
		}
	}
	put(of("a-2", "asg"), of("a-1", "asg"), of("a-3", "asg"), of("b-1", "box"), of("b-2", "box"))
	b.Ensure("box", day(2), fleet.Put{At: day(2)})
	got := Group(b.Conflicts())
	if len(got) != 2 || got[0].Ambiguous || len(got[0].Hosts) != 3 || !got[1].Ambiguous || len(got[1].Hosts) != 3 || got[1].Hosts[0] != "a-1" {
		t.Errorf("%+v", got)
	}
}
