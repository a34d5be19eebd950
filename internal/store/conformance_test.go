package store

import (
	"testing"
	"time"

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

// TestSource: the store answers as every engine must.
func TestSource(t *testing.T) { fleettest.Source(t, openFresh) }

// TestSink: the store takes what every engine must, and keeps it over a
// reopening.
func TestSink(t *testing.T) { fleettest.Sink(t, openFresh) }

// TestLoader: the store's loads are as every engine's.
func TestLoader(t *testing.T) { fleettest.Loader(t, openFresh) }
