package store

import (
	"context"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/fleettest"
)

// engine is a store under the suites of fleettest.
type engine struct{ *Store }

// Reopen closes the store and opens it again on its directory.
func (e engine) Reopen(t *testing.T) fleettest.Engine {
	t.Helper()
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	return openEngine(t, e.dir)
}

func openEngine(t *testing.T, dir string) engine {
	t.Helper()
	return engine{open(t, dir, func(o *Options) {
		o.Metrics, o.Types = fleettest.Metrics(), fleettest.Types
		o.Clock = func() time.Time { return time.Unix(0, 0).UTC() }
		o.noSync = true
	})}
}

func openFresh(t *testing.T) fleettest.Engine { return openEngine(t, t.TempDir()) }

// sealing is a store that seals after each append, or after each second one.
type sealing struct {
	engine
	every, appends int
}

func (e *sealing) Append(ctx context.Context, batches []fleet.Batch) (fleet.Appended, error) {
	n, err := e.Store.Append(ctx, batches)
	if e.appends++; err == nil && e.appends%e.every == 0 {
		err = e.Seal(ctx)
	}
	return n, err
}

// Reopen closes the store and opens it again on its directory.
func (e *sealing) Reopen(t *testing.T) fleettest.Engine {
	t.Helper()
	return &sealing{engine: e.engine.Reopen(t).(engine), every: e.every}
}

// suites runs a suite on samples that are in the head, then on samples that are
// sealed, and on some of each.
func suites(t *testing.T, suite func(*testing.T, fleettest.Open)) {
	suite(t, openFresh)
	for name, every := range map[string]int{"Sealed": 1, "Mixed": 2} {
		t.Run(name, func(t *testing.T) {
			suite(t, func(t *testing.T) fleettest.Engine {
				return &sealing{engine: openEngine(t, t.TempDir()), every: every}
			})
		})
	}
}

// TestSource: the store answers as every engine must.
func TestSource(t *testing.T) { suites(t, fleettest.Source) }

// TestSink: the store takes what every engine must, and keeps it over a
// reopening.
func TestSink(t *testing.T) { suites(t, fleettest.Sink) }

// TestLoader: the store's loads are as every engine's.
func TestLoader(t *testing.T) { suites(t, fleettest.Loader) }
