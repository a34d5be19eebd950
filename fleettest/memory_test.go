package fleettest

import "testing"

func openMemory(*testing.T) Engine { return NewMemory(Options{}) }

func TestMemory(t *testing.T) {
	t.Run("Source", func(t *testing.T) { Source(t, openMemory) })
	t.Run("Sink", func(t *testing.T) { Sink(t, openMemory) })
	t.Run("Loader", func(t *testing.T) { Loader(t, openMemory) })
}

// TestMemoryDifferential: Memory equals itself, whatever the random steps are;
// it is the random steps that are tested here.
func TestMemoryDifferential(t *testing.T) { Differential(t, openMemory, 1, 8) }
