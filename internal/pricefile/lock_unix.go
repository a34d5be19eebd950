//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package pricefile

import (
	"errors"
	"os"
	"syscall"
)

// tryLock takes the lock of a file if nobody has it. It ends with the file, and
// with the process however that ends.
func tryLock(f *os.File) (bool, error) {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR) {
		return false, nil
	}
	return err == nil, err
}

// syncDir makes a renamed file stay renamed.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	return errors.Join(err, d.Close())
}
