package rightsizing_test

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"sync"
	"testing"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/rightsizing"
)

// counted counts what is asked of a source, and refuses when told to.
type counted struct {
	fleet.Source
	asked  int
	refuse bool
}

var errRefused = errors.New("asked again")

func (c *counted) Profiles(ctx context.Context, q fleet.Query) iter.Seq2[fleet.Profile, error] {
	c.asked++
	if c.refuse {
		return func(yield func(fleet.Profile, error) bool) { yield(fleet.Profile{}, errRefused) }
	}
	return c.Source.Profiles(ctx, q)
}

// TestMemoryChangesNoAnswer: what was read once is not read again as long as the
// data are the same, and every answer is the one without memory.
func TestMemoryChangesNoAnswer(t *testing.T) {
	l := scalingLab(t, true)
	for _, name := range []string{"a", "b"} {
		l.host(name, "l4")
		l.load(name, fleet.CPUUsage, asOf, 60, func(d, hour int) float64 { return 0.05 + 0.001*float64((d*7+hour)%11) })
		l.load(name, fleet.MemoryUsage, asOf, 60, always(0.1))
		for _, m := range []string{"network_receive_bytes_per_second", "network_transmit_bytes_per_second", "disk_read_ops_per_second", "disk_write_ops_per_second"} {
			metric, err := fleet.CanonicalMetrics().Lookup(m)
			if err != nil {
				t.Fatal(err)
			}
			l.load(name, metric, asOf, 60, always(1e6))
		}
	}
	env := l.env()
	source := &counted{Source: env.Source}
	env.Source = source
	var memory rightsizing.Memory
	ask := func(revision string, req rightsizing.Request) (string, error) {
		e := env
		if revision != "" {
			e.Memory, e.Revision = &memory, revision
		}
		r, err := rightsizing.Recommend(t.Context(), e, req)
		if err != nil {
			return "", err
		}
		raw, err := json.Marshal(r)
		return string(raw), err
	}
	requests := []rightsizing.Request{
		{Confidence: 0.8, Explain: true}, {Confidence: 0.7}, {Confidence: 0.8, Policy: "aws-default"}, {Confidence: 0.8, Policy: "vpa"},
		{Confidence: 0.8, Filter: rightsizing.Filter{Burstable: rightsizing.BurstableAllow}}, {Confidence: 0.8, Host: "b"},
	}
	var want []string
	for _, req := range requests {
		text, err := ask("", req)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, text)
	}
	if _, err := ask("one", requests[0]); err != nil {
		t.Fatal(err)
	}
	source.refuse = true
	var group sync.WaitGroup
	for i, req := range requests {
		for range 2 {
			group.Go(func() {
				if got, err := ask("one", req); err != nil || got != want[i] {
					t.Errorf("%+v: %v, or another answer than without memory", req, err)
				}
			})
		}
	}
	group.Wait()
	if _, err := ask("two", requests[0]); !errors.Is(err, errRefused) {
		t.Errorf("other data: %v, want to read again", err)
	}
	other := requests[0]
	other.AsOf = asOf.AddDate(0, 0, -1)
	if _, err := ask("one", other); !errors.Is(err, errRefused) {
		t.Errorf("another time: %v, want to read again", err)
	}
	other = requests[0]
	other.Hours = "mon-fri 09:00-17:00"
	if _, err := ask("one", other); !errors.Is(err, errRefused) {
		t.Errorf("other hours: %v, want to read again", err)
	}
	if _, err := ask("", requests[0]); !errors.Is(err, errRefused) {
		t.Errorf("without a revision: %v, want to read again", err)
	}
}
