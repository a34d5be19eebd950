package source_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/catalog"
	"github.com/leanfleet/leanfleet/internal/embedded"
	"github.com/leanfleet/leanfleet/internal/simulate"
	"github.com/leanfleet/leanfleet/internal/store"
	"github.com/leanfleet/leanfleet/internal/zones"
	"github.com/leanfleet/leanfleet/inventory"
	"github.com/leanfleet/leanfleet/pricing"
	"github.com/leanfleet/leanfleet/prom/source"
	"github.com/leanfleet/leanfleet/rightsizing"
)

// seriesLoad takes a simulated fleet as series for an engine, and its inventory.
type seriesLoad struct {
	t    testing.TB
	w    writer
	book *inventory.Book
	list map[string]*testSeries
	n    int
}

func (l *seriesLoad) Add(_ context.Context, batches []fleet.Batch) error {
	for i := range batches {
		b := &batches[i]
		step := strconv.FormatFloat(float64(b.Step)/1000, 'f', -1, 64)
		for c := range b.Columns {
			col := &b.Columns[c]
			name := "leanfleet_" + col.Metric.Name
			if col.Metric.Unit == fleet.UnitRatio {
				name += "_ratio"
			}
			id := string(b.Host) + name + step
			s := l.list[id]
			if s == nil {
				s = &testSeries{labels: map[string]string{"__name__": name, "host": string(b.Host), "step": step}}
				l.list[id] = s
			}
			for r, at := range b.Start {
				if col.Has(r) {
					s.times, s.values = append(s.times, at+int64(b.Step)), append(s.values, col.Metric.Value(int64(col.Values[r])))
					l.n++
				}
			}
		}
	}
	if l.n > 2_000_000 {
		l.flush()
	}
	return nil
}

func (l *seriesLoad) flush() {
	var all []testSeries
	for _, s := range l.list {
		all = append(all, *s)
	}
	l.w.write(l.t, all)
	l.list, l.n = map[string]*testSeries{}, 0
}

func (l *seriesLoad) PutRecords(_ context.Context, s []fleet.Statement, p fleet.Put) (fleet.PutResult, error) {
	return l.book.Put(s, p)
}

func (l *seriesLoad) Records(_ context.Context, key string, at time.Time) ([]fleet.Record, error) {
	id, ok := l.book.Resolve(key, at)
	if !ok {
		return nil, nil
	}
	return l.book.Timeline(id), nil
}

func (l *seriesLoad) Commit(context.Context) (fleet.Appended, error) {
	l.flush()
	l.w.settle(l.t)
	return fleet.Appended{}, nil
}

func (l *seriesLoad) Abort() error { return nil }

func types(t testing.TB) (inventory.Types, *pricing.Book) {
	t.Helper()
	c, err := catalog.Open()
	if err != nil {
		t.Fatal(err)
	}
	base := embedded.New(c)
	book, err := pricing.NewBook(pricing.Options{Base: base})
	if err != nil {
		t.Fatal(err)
	}
	return func(provider, instanceType string) (fleet.Capacity, bool) {
		s, ok := base.Specification(provider, instanceType)
		if !ok {
			return fleet.Capacity{}, false
		}
		return fleet.Capacity{VCPUs: float64(s.VCPUs.Value), MemoryBytes: int64(s.MemoryBytes.Value)}, s.VCPUs.Known && s.MemoryBytes.Known
	}, book
}

// simulated puts a fleet into a store, or into an engine and a book.
func simulated(t testing.TB, o simulate.Options, load fleet.Load) {
	t.Helper()
	if _, err := simulate.Run(t.Context(), o, load, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := load.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// decisions are what right-sizing says of each host.
func decisions(t *testing.T, s fleet.Source, prices *pricing.Book, now time.Time, days int) map[fleet.HostID]string {
	t.Helper()
	env := fleet.Environment{Source: s, Metrics: fleet.CanonicalMetrics(), Now: now, Zone: zones.Load}
	r, err := rightsizing.Recommend(t.Context(), rightsizing.Environment{Environment: env, Prices: prices}, rightsizing.Request{Scope: fleet.Scope{Range: fmt.Sprintf("%dd", days)}})
	if err != nil {
		t.Fatal(err)
	}
	out := map[fleet.HostID]string{}
	for _, l := range r.Recommendations {
		what := "keep"
		if l.Recommended != nil {
			what = fmt.Sprint(*l.Recommended)
			if l.Recommended.MonthlyCost != nil {
				what = l.Recommended.InstanceType + " " + l.Recommended.MonthlyCost.String()
			}
		}
		out[l.Host] = string(l.Finding) + " " + what
	}
	return out
}

// Right-sizing decides the same from an engine as from the embedded store: it
// asks for days, which are read whole. Where a user wants a grid all the same,
// few hosts get another size.
func TestSameDecisions(t *testing.T) {
	t.Parallel()
	capacities, prices := types(t)
	days := 21
	o := simulate.Options{Seed: 5, Hosts: 40, Days: days, Start: begin, Interval: 2 * time.Minute, Metrics: []fleet.Metric{fleet.CPUUsage, fleet.MemoryUsage, fleet.CapacityVCPUs, fleet.CapacityMemory}}
	st, err := store.Open(t.Context(), store.Options{Dir: t.TempDir(), Types: capacities})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	load, err := st.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	simulated(t, o, load)
	w := newVictoria(t)
	other := &seriesLoad{t: t, w: w, book: inventory.NewBook(capacities), list: map[string]*testSeries{}}
	simulated(t, o, other)
	now := begin.AddDate(0, 0, days)
	want := decisions(t, st, prices, now, days)
	changes := 0
	for _, d := range want {
		if len(d) > 0 && d[len(d)-4:] != "keep" {
			changes++
		}
	}
	if len(want) < 25 || changes < 5 {
		t.Fatalf("%d hosts, %d changes: too few to compare", len(want), changes)
	}
	for _, c := range []struct {
		o     source.Options
		least float64
	}{{source.Options{ExactUpTo: 1}, 1}, {source.Options{Method: source.MethodGrid}, 0.9}} {
		c.o.URL, c.o.Now, c.o.Lookback, c.o.Book = w.url(), time.Now, 20*365*24*time.Hour, other.book
		s, err := source.New(c.o)
		if err != nil {
			t.Fatal(err)
		}
		got := decisions(t, s, prices, now, days)
		same := 0
		for id, d := range want {
			if got[id] == d {
				same++
			} else {
				t.Logf("%s: %s from the store, %s by %s", id, d, got[id], c.o.Method)
			}
		}
		t.Logf("%s: the same for %d of %d hosts, of which %d are to change; %+v", c.o.Method, same, len(want), changes, s.Cost())
		if float64(same) < c.least*float64(len(want)) || len(got) != len(want) {
			t.Errorf("%s: the same decision for %d of %d hosts", c.o.Method, same, len(want))
		}
	}
}
