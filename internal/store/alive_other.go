//go:build !unix

package store

import "os"

// alive says whether a process exists: here one that is gone cannot be found.
func alive(pid int) bool {
	p, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	_ = p.Release()
	return true
}
