package inventory

import (
	"fmt"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

// TestMeasuredSizes: a size that a host's own metrics told is what is known
// where nobody else says; the types table and the inventory know better.
func TestMeasuredSizes(t *testing.T) {
	const gib = 1 << 30
	b := NewBook(func(_, name string) (fleet.Capacity, bool) {
		return fleet.Capacity{VCPUs: 2, MemoryBytes: 8 * gib}, name == "m5.large"
	})
	at := time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC)
	put := func(origin fleet.Origin, r fleet.Record) string {
		t.Helper()
		at = at.Add(time.Hour)
		r.Host = "a"
		if _, err := b.Put([]fleet.Statement{{Record: r}}, fleet.Put{At: at, Origin: origin}); err != nil {
			t.Fatal(err)
		}
		list := b.Timeline("a")
		x := list[len(list)-1]
		return fmt.Sprintf("%g vCPUs, %.1f GiB, %s", x.Capacity.VCPUs, float64(x.Capacity.MemoryBytes)/gib, x.CapacityFrom)
	}
	for _, step := range []struct {
		origin fleet.Origin
		record fleet.Record
		want   string
	}{
		{fleet.OriginScrape, fleet.Record{Capacity: fleet.Capacity{VCPUs: 2, MemoryBytes: 7 * gib}}, "2 vCPUs, 7.0 GiB, measured"},
		{fleet.OriginScrape, fleet.Record{InstanceType: "custom"}, "2 vCPUs, 7.0 GiB, measured"},
	} {
		if got := put(step.origin, step.record); got != step.want {
			t.Errorf("%+v: %s, want %s", step.record, got, step.want)
		}
	}
	b = NewBook(b.types)
	for _, step := range []struct {
		origin fleet.Origin
		record fleet.Record
		want   string
	}{
		{fleet.OriginScrape, fleet.Record{Capacity: fleet.Capacity{VCPUs: 2, MemoryBytes: 7 * gib}}, "2 vCPUs, 7.0 GiB, measured"},
		{fleet.OriginImport, fleet.Record{InstanceType: "m5.large"}, "2 vCPUs, 8.0 GiB, catalogue"},
		{fleet.OriginImport, fleet.Record{Capacity: fleet.Capacity{MemoryBytes: 6 * gib}}, "2 vCPUs, 6.0 GiB, inventory"},
	} {
		if got := put(step.origin, step.record); got != step.want {
			t.Errorf("%+v: %s, want %s", step.record, got, step.want)
		}
	}
}
