//go:build !linux

package store

// yieldThread lets another thread have the processor, where there is a call for
// it.
func yieldThread() {}
