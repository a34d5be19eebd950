package store

import (
	"os"
	"syscall"
)

// SyncData makes durable what was written, and the length of the file.
func (f osFile) SyncData() error {
	for {
		err := syscall.Fdatasync(int(f.Fd()))
		if err == nil {
			return nil
		}
		if err != syscall.EINTR {
			return &os.PathError{Op: "sync", Path: f.Name(), Err: err}
		}
	}
}
