//go:build unix

package diskspace

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Of returns the space of the file system that a path is on.
func Of(path string) (Space, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return Space{}, fmt.Errorf("read the space of the file system of %s: %w", path, err)
	}
	size := int64(s.Bsize) // of another type on other systems
	return Space{Total: int64(s.Blocks) * size, Free: int64(s.Bavail) * size}, nil
}
