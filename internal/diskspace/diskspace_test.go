package diskspace_test

import (
	"path/filepath"
	"testing"

	"github.com/leanfleet/leanfleet/internal/diskspace"
)

// TestOf: a directory is on a file system with a size and not more left than
// that; nothing is said of a path that is not there.
func TestOf(t *testing.T) {
	dir := t.TempDir()
	s, err := diskspace.Of(dir)
	if err != nil || s.Total <= 0 || s.Free < 0 || s.Free > s.Total {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := diskspace.Of(filepath.Join(dir, "missing")); err == nil {
		t.Error("a missing path has space")
	}
}
