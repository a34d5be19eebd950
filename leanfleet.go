package leanfleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/leanfleet/leanfleet/collect"
	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/catalog"
	"github.com/leanfleet/leanfleet/internal/store"
	"github.com/leanfleet/leanfleet/internal/zones"
	"github.com/leanfleet/leanfleet/pricing"
	"github.com/leanfleet/leanfleet/rightsizing"
)

// Options say where a Monitor keeps its data and how questions are understood.
type Options struct {
	// Dir is the data directory. It is created when missing, unless ReadOnly.
	Dir string
	// ReadOnly opens the directory for questions only; it may be read by many
	// processes at once, but not beside one that writes.
	ReadOnly bool
	// Existing refuses to create a directory or a store where there is none.
	Existing bool
	// Clock tells the time; nil is time.Now.
	Clock func() time.Time
	// Who is named in the history of records; "" is "library".
	Who string
	// Timezone is the IANA zone of questions that name none; "" is UTC.
	Timezone string
	// Sets are named host sets, for grouping by "set".
	Sets map[string]fleet.Selector
	// Hours are named weekly hours that questions may be limited to.
	Hours map[string]fleet.Calendar
	// Blackouts are windows that no question looks at.
	Blackouts []fleet.Window
	// Metrics are the canonical ones and the user's own; empty is the canonical ones.
	Metrics fleet.Metrics
	// MemoryBudget bounds the memory that imports stage data in, in bytes; 0 is
	// the store's default.
	MemoryBudget int64
	// Prices are the user's own prices and the sources of live ones.
	Prices PriceOptions
	// Collecting tells what the collectors of this process did, for Status; nil
	// is none.
	Collecting func() collect.Status
	// Engine answers questions in place of the embedded store, which is not opened
	// then: nothing is stored, and Dir has prices at most; it may be empty.
	Engine fleet.Source
	// History makes of a request the engine whose history [Monitor.Copy] copies;
	// nil is none.
	History func(CopyRequest) (History, error)
	// PricesOnly opens no store: Dir need not exist, and a process that writes
	// to it is no hindrance. Only operations about prices can then be run.
	PricesOnly bool
}

// Monitor answers questions about a fleet and takes its measurements. It is
// safe for use by several goroutines.
type Monitor struct {
	store   *store.Store // nil with Options.PricesOnly
	options Options
	catalog *catalog.Catalog
	prices  priceState
	sized   rightsizing.Memory // of questions about sizes
	shared  bool               // the store is another Monitor's to close
}

// Open opens a data directory. Close it when done.
func Open(ctx context.Context, o Options) (*Monitor, error) {
	if o.Dir == "" && o.Engine == nil {
		return nil, errors.New("open: Options.Dir is empty: name a data directory")
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Who == "" {
		o.Who = "library"
	}
	if len(o.Metrics.All()) == 0 {
		o.Metrics = fleet.CanonicalMetrics()
	}
	types, err := catalog.Open()
	if err != nil {
		return nil, fmt.Errorf("open the embedded catalogue: %w", err)
	}
	m := &Monitor{options: o, catalog: types}
	if o.PricesOnly || o.Engine != nil {
		return m, nil
	}
	if m.store, err = m.openStore(ctx, o.ReadOnly); err != nil {
		return nil, fmt.Errorf("open %s: %w", o.Dir, err)
	}
	return m, nil
}

func (m *Monitor) openStore(ctx context.Context, readOnly bool) (*store.Store, error) {
	o := m.options
	return store.Open(ctx, store.Options{
		Dir: o.Dir, ReadOnly: readOnly, Existing: o.Existing, Types: nominal(m.catalog), Metrics: o.Metrics,
		Clock: o.Clock, MemoryBudget: o.MemoryBudget,
	})
}

// As returns a Monitor on the same open directory that answers with other
// settings: those about who asks, zones, sets, hours, blackouts and prices.
// What concerns the directory, its metrics and the clock stays as it was opened. Closing it
// releases nothing.
func (m *Monitor) As(o Options) *Monitor {
	own := m.options
	own.Who, own.Timezone, own.Sets, own.Hours, own.Blackouts, own.Prices, own.History = o.Who, o.Timezone, o.Sets, o.Hours, o.Blackouts, o.Prices, o.History
	return &Monitor{store: m.store, options: own, catalog: m.catalog, shared: true}
}

// Close releases the data directory. Answers that are still being read end
// with an error.
func (m *Monitor) Close() error {
	if m.store == nil || m.shared {
		return nil
	}
	return m.store.Close()
}

// NominalTypes is the embedded types table, for who makes an engine of its own:
// the capacity of an instance type, as far as it is known.
func NominalTypes() func(provider, instanceType string) (fleet.Capacity, bool) {
	types, err := catalog.Open()
	if err != nil {
		return func(string, string) (fleet.Capacity, bool) { return fleet.Capacity{}, false }
	}
	return nominal(types)
}

// nominal is the types table: the capacity of an instance type, as far as it
// is known. Custom types of GCP, which no table has, say theirs themselves.
func nominal(types *catalog.Catalog) func(provider, instanceType string) (fleet.Capacity, bool) {
	return func(provider, instanceType string) (fleet.Capacity, bool) {
		t, ok := types.Type(provider, instanceType)
		if !ok {
			if vcpus, memory, custom := pricing.CustomSize(instanceType); custom && provider == catalog.GCP {
				return fleet.Capacity{VCPUs: float64(vcpus), MemoryBytes: memory}, true
			}
			return fleet.Capacity{}, false
		}
		return fleet.Capacity{VCPUs: float64(t.VCPUs.Value), MemoryBytes: t.MemoryBytes.Value}, t.VCPUs.OK || t.MemoryBytes.OK
	}
}

// environment is what questions run in.
func (m *Monitor) environment() fleet.Environment {
	return fleet.Environment{
		Source: m.source(), Metrics: m.options.Metrics, Now: m.options.Clock(), Zone: zones.Load,
		Timezone: m.options.Timezone, Sets: m.options.Sets, Hours: m.options.Hours, Blackouts: m.options.Blackouts,
	}
}
