package fleet_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/leanfleet/leanfleet/fleet"
)

func TestBatchValidate(t *testing.T) {
	good := func() fleet.Batch {
		return fleet.Batch{
			Host: "a", Start: []int64{0, 60000, 180000}, Step: 60000,
			Columns: []fleet.Column{
				{Metric: fleet.CPUUsage, Values: []int32{1, 2, 3}},
				{Metric: fleet.MemoryUsage, Values: []int32{4, -1, 5}, Present: []bool{true, false, true}},
			},
		}
	}
	b := good()
	if err := b.Validate(); err != nil {
		t.Error(err)
	}
	if b.Samples() != 5 || b.Columns[0].Count() != 3 || b.Columns[1].Count() != 2 || !b.Columns[0].Has(1) || b.Columns[1].Has(1) || !b.Columns[1].Has(2) {
		t.Errorf("%d samples", b.Samples())
	}
	empty := fleet.Batch{Host: "a", Step: 1}
	if err := empty.Validate(); err != nil || empty.Samples() != 0 {
		t.Error(err)
	}
	f := func(want string, change func(b *fleet.Batch)) {
		t.Helper()
		b := good()
		change(&b)
		if err := b.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	f("without a host", func(b *fleet.Batch) { b.Host = "" })
	f("host a: a step of 0 ms", func(b *fleet.Batch) { b.Step = 0 })
	f("host a: a step of -1 ms", func(b *fleet.Batch) { b.Step = -1 })
	f("a step of 86400001 ms", func(b *fleet.Batch) { b.Step = 86400001 })
	f("host a, row 0: time -1 ms is out of range", func(b *fleet.Batch) { b.Start[0] = -1 })
	f("host a, row 2: time 9223372036855 ms", func(b *fleet.Batch) { b.Start[2] = fleet.MaxTime + 1 })
	f("host a, row 2: time goes backwards, 1970-01-01T00:00:30Z after 1970-01-01T00:01:00Z", func(b *fleet.Batch) { b.Start[2] = 30000 })
	f("row 1: time goes backwards", func(b *fleet.Batch) { b.Start[1] = 0 })
	f("host a: metric cpu_usage has 2 values for 3 rows", func(b *fleet.Batch) { b.Columns[0].Values = []int32{1, 2} })
	f("host a: metric memory_usage says of 1 rows out of 3", func(b *fleet.Batch) { b.Columns[1].Present = []bool{true} })
	f("host a: metric cpu_usage stands twice", func(b *fleet.Batch) { b.Columns[1].Metric = fleet.CPUUsage })
	f(`metric "cpu_cores_used" is not a stored one`, func(b *fleet.Batch) { b.Columns[0].Metric = fleet.CPUCoresUsed })
	f(`metric "" is not a stored one`, func(b *fleet.Batch) { b.Columns[0].Metric = fleet.Metric{} })
	f("metric memory_usage at 1970-01-01T00:03:00Z: impossible value: -0.0005 is negative", func(b *fleet.Batch) { b.Columns[1].Values[2] = -5 })
	b = good()
	b.Columns[0].Values[0] = -1
	if err := b.Validate(); !errors.Is(err, fleet.ErrImpossible) {
		t.Errorf("%v does not wrap ErrImpossible", err)
	}
	b = good()
	b.Step, b.Start[2] = 86400000, fleet.MaxTime
	if err := b.Validate(); err != nil {
		t.Errorf("the largest step and time: %v", err)
	}
}

// TestBatchCut: the two parts are the batch again, with and without missing
// values.
func TestBatchCut(t *testing.T) {
	b := fleet.Batch{Host: "a", Step: 1000, Start: []int64{1000, 2000, 3000}, Columns: []fleet.Column{
		{Metric: fleet.CPUUsage, Values: []int32{1, 2, 3}},
		{Metric: fleet.MemoryUsage, Values: []int32{4, 0, 6}, Present: []bool{true, false, true}},
	}}
	for row := range 4 {
		before, after := b.Cut(row)
		if len(before.Start) != row || len(after.Start) != 3-row || before.Samples()+after.Samples() != b.Samples() {
			t.Errorf("cut at %d: %v and %v", row, before.Start, after.Start)
		}
		if before.Host != b.Host || after.Step != b.Step {
			t.Errorf("cut at %d: %+v, %+v", row, before, after)
		}
		for i := row; i < 3; i++ {
			if after.Columns[0].Values[i-row] != b.Columns[0].Values[i] || after.Columns[1].Has(i-row) != b.Columns[1].Has(i) {
				t.Errorf("cut at %d: row %d", row, i)
			}
		}
	}
}
