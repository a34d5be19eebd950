package source_test

import (
	"testing"

	"github.com/leanfleet/leanfleet/fleettest"
	"github.com/leanfleet/leanfleet/prom/source"
)

// cannot are the scenarios that no engine behind HTTP can be held against.
var cannot = map[string]string{
	"FirstMoments": "engines keep no samples of 1970 and 2261 beside each other",
}

func TestConformance(t *testing.T) {
	for name, open := range map[string]func(testing.TB) writer{
		"VictoriaMetrics": func(t testing.TB) writer { return newVictoria(t) },
		"Prometheus":      func(t testing.TB) writer { return newPrometheus(t) },
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t)
			each := func(t *testing.T) fleettest.Engine { return newEngine(t, w, source.Options{}) }
			t.Run("Source", func(t *testing.T) { fleettest.SourceExcept(t, each, cannot) })
			t.Run("Differential", func(t *testing.T) { fleettest.Differential(t, each, 1, 12) })
		})
	}
}
