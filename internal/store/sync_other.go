//go:build !linux

package store

// SyncData makes durable what was written, and the length of the file.
func (f osFile) SyncData() error { return f.Sync() }
