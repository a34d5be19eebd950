package statistics_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/leanfleet/leanfleet/fleettest"
)

// TestScripts runs the scripts of testdata, whose numbers are worked out by
// hand in their comments.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.script")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".script"), func(t *testing.T) {
			fleettest.RunScript(t, file, fleettest.NewMemory(fleettest.Options{}))
		})
	}
}
