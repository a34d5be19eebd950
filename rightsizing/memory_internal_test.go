package rightsizing

import (
	"testing"

	"github.com/leanfleet/leanfleet/fleet"
)

// What was derived for one size does not stand for another one: it is derived again
// from the days, and where they are gone that is said.
func TestDerivedForOneSize(t *testing.T) {
	x := &host{record: &fleet.Record{Host: "h"}, vcpus: 4, cpu: make([]cell, 20), mem: make([]cell, 20)}
	if !deriveAll([]*host{x}, 20) || x.load == nil {
		t.Fatal("nothing was derived")
	}
	first := x.load
	if !x.derive(20) || x.load != first {
		t.Error("derived again for the same size")
	}
	x.vcpus = 8
	if !x.derive(20) || x.load == first || x.load.vcpus != 8 {
		t.Error("not derived for the new size")
	}
	x.slim, x.vcpus = true, 2
	if x.derive(20) || deriveAll([]*host{x}, 20) {
		t.Error("derived without the days")
	}
}
