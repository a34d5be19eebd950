package simulate

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"hash/fnv"
	"slices"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

// collected is a load in memory: what a run handed over, in order.
type collected struct {
	statements []fleet.Statement
	puts       []fleet.Put
	batches    []fleet.Batch
	each       func(*fleet.Batch) // in place of keeping batches
	fail       error              // from Add
	calls      int
}

func (c *collected) Add(_ context.Context, batches []fleet.Batch) error {
	c.calls++
	if c.fail != nil && c.calls > 1 {
		return c.fail
	}
	for i := range batches {
		b := batches[i]
		if err := b.Validate(); err != nil {
			return err
		}
		if c.each != nil {
			c.each(&b)
			continue
		}
		b.Start = slices.Clone(b.Start)
		b.Columns = slices.Clone(b.Columns)
		for k := range b.Columns {
			b.Columns[k].Values = slices.Clone(b.Columns[k].Values)
		}
		c.batches = append(c.batches, b)
	}
	return nil
}

func (c *collected) PutRecords(_ context.Context, statements []fleet.Statement, put fleet.Put) (fleet.PutResult, error) {
	c.statements = append(c.statements, statements...)
	c.puts = append(c.puts, put)
	return fleet.PutResult{Added: len(statements)}, nil
}

func (c *collected) Records(context.Context, string, time.Time) ([]fleet.Record, error) {
	return nil, errors.New("not asked for by a simulation")
}

func (c *collected) Commit(context.Context) (fleet.Appended, error) { return fleet.Appended{}, nil }
func (c *collected) Abort() error                                   { return nil }

// monday is a Monday; the month ends within three weeks.
var monday = time.Date(2026, 3, 9, 0, 0, 0, 0, time.UTC)

func run(t testing.TB, o Options) (*collected, Summary) {
	t.Helper()
	c := new(collected)
	s, err := Run(t.Context(), o, c, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c, s
}

// fingerprint of everything a run handed over.
type fingerprint struct{ h hash.Hash64 }

func newFingerprint() fingerprint { return fingerprint{fnv.New64a()} }

func (f fingerprint) statements(list []fleet.Statement) {
	for i := range list {
		b, err := json.Marshal(&list[i])
		if err != nil {
			panic(err)
		}
		f.h.Write(b)
	}
}

func (f fingerprint) batch(b *fleet.Batch) {
	fmt.Fprintf(f.h, "%s %s %d\n", b.Host, b.Origin, b.Step)
	binary.Write(f.h, binary.LittleEndian, b.Start)
	for _, c := range b.Columns {
		fmt.Fprintf(f.h, "%s\n", c.Metric.Name)
		binary.Write(f.h, binary.LittleEndian, c.Values)
	}
}

func (f fingerprint) String() string { return fmt.Sprintf("%016x", f.h.Sum64()) }

func metricsNamed(t testing.TB, names ...string) []fleet.Metric {
	t.Helper()
	var out []fleet.Metric
	for _, name := range names {
		m, err := fleet.CanonicalMetrics().Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, m)
	}
	return out
}
