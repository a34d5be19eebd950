package store

import (
	"path/filepath"
	"testing"

	"github.com/leanfleet/leanfleet/fleettest"
)

// TestDifferential: random writes and questions have the same answers as in the
// plain engine in memory.
func TestDifferential(t *testing.T) {
	rounds := 100
	if testing.Short() {
		rounds = 10
	}
	fleettest.Differential(t, openFresh, 1, rounds)
}

// TestScripts runs the scripts of the statistics, the drill among them, whose
// numbers a reviewer checks by hand, against the store.
func TestScripts(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join("..", "..", "statistics", "testdata", "*.script"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) { fleettest.RunScript(t, path, openFresh(t)) })
	}
}
