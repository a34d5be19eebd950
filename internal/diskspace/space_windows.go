package diskspace

import (
	"fmt"

	"golang.org/x/sys/windows"
)

// Of returns the space of the volume that a path is on.
func Of(path string) (Space, error) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return Space{}, fmt.Errorf("read the space of the volume of %s: %w", path, err)
	}
	var free, total, all uint64
	if err := windows.GetDiskFreeSpaceEx(name, &free, &total, &all); err != nil {
		return Space{}, fmt.Errorf("read the space of the volume of %s: %w", path, err)
	}
	return Space{Total: int64(total), Free: int64(free)}, nil
}
