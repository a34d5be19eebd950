package leanfleet

import (
	"context"
	"errors"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/leanfleet/leanfleet/fleet"
)

// blocksOf is a source of series that are handed out in blocks whose memory is used
// again.
type blocksOf struct {
	fleet.Source
	series map[string][]fleet.Series
	fail   string
}

func (s blocksOf) Series(_ context.Context, q fleet.Query) iter.Seq2[fleet.Series, error] {
	return func(yield func(fleet.Series, error) bool) {
		var out fleet.Series
		for _, x := range s.series[q.Metric.Name] {
			out.Record, out.Step = x.Record, x.Step
			out.Start, out.Values = append(out.Start[:0], x.Start...), append(out.Values[:0], x.Values...)
			if !yield(out, nil) {
				return
			}
		}
		if s.fail == q.Metric.Name {
			yield(fleet.Series{}, errors.New("damaged"))
		}
	}
}

// TestWideRows puts random series side by side, and compares with a map of all
// values: each is in its row once, rows come in order, and no batch is of several
// steps or too long.
func TestWideRows(t *testing.T) {
	metrics := []fleet.Metric{fleet.CPUUsage, fleet.MemoryUsage, fleet.CPUUsagePeak}
	type place struct {
		host   fleet.HostID
		start  int64
		metric string
	}
	random := rand.New(rand.NewPCG(3, 4))
	for round := range 10 {
		source := blocksOf{series: map[string][]fleet.Series{}}
		want := map[place]int32{}
		for _, m := range metrics {
			for _, host := range []fleet.HostID{"a", "b", "c"} {
				if random.IntN(4) == 0 {
					continue
				}
				record := &fleet.Record{Host: host}
				for _, step := range []int32{60_000, 300_000} { // as time goes on
					at := int64(step) * 1_000_000
					for range random.IntN(4) {
						x := fleet.Series{Record: record, Step: step}
						for range 1 + random.IntN(3000) {
							at += int64(step) * int64(1+random.IntN(2))
							v := random.Int32()
							x.Start, x.Values = append(x.Start, at), append(x.Values, int64(v))
							want[place{host, at, m.Name}] = v
						}
						source.series[m.Name] = append(source.series[m.Name], x)
					}
				}
			}
		}
		got, before := map[place]int32{}, place{}
		tolerate := func(err error) error { return err }
		for b, err := range wideRows(t.Context(), source, fleet.Question{}, metrics, tolerate) {
			if err != nil {
				t.Fatal(err)
			}
			if n := len(b.Start); n == 0 || n > maxExportRows {
				t.Errorf("round %d: a batch of %d rows", round, n)
			}
			for i, start := range b.Start {
				if b.Host < before.host || b.Host == before.host && start <= before.start || start%int64(b.Step) != 0 {
					t.Fatalf("round %d: %s at %d of step %d comes behind %s at %d", round, b.Host, start, b.Step, before.host, before.start)
				}
				before = place{host: b.Host, start: start}
				for _, c := range b.Columns {
					if c.Has(i) {
						got[place{b.Host, start, c.Metric.Name}] = c.Values[i]
					}
				}
			}
		}
		if !maps.Equal(got, want) {
			t.Errorf("round %d: %d values came out of %d", round, len(got), len(want))
		}
		source.fail = metrics[1].Name
		failed := slices.Collect(func(yield func(error) bool) {
			for _, err := range wideRows(t.Context(), source, fleet.Question{}, metrics, tolerate) {
				if err != nil && !yield(err) {
					return
				}
			}
		})
		if len(failed) != 1 || failed[0].Error() != "damaged" {
			t.Errorf("round %d: errors %v", round, failed)
		}
	}
}
