package head

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/leanfleet/leanfleet/fleet"
)

// boltSuffix ends the names of generations that are bbolt files, as they were
// once. They are read, sealed and deleted, and not written to.
const boltSuffix = ".db"

// readBolt hands on the records of a bbolt file, and returns its size.
func readBolt(path string, record func(number uint64, b []byte) error) (size int64, err error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second, ReadOnly: true})
	if errors.Is(err, berrors.ErrTimeout) {
		err = fmt.Errorf("%w: another process has the file open", fleet.ErrLocked)
	}
	if err != nil {
		return 0, fmt.Errorf("open %s: %w", path, err)
	}
	defer func() {
		if p := recover(); p != nil { // bbolt trusts the pages it reads
			err = fmt.Errorf("the database is damaged: %v", p)
		}
		if err = errors.Join(err, db.Close()); err != nil {
			err = fmt.Errorf("read %s: %w", path, err)
		}
	}()
	return size, db.View(func(tx *bbolt.Tx) error {
		size = tx.Size()
		b := tx.Bucket([]byte("records"))
		if b == nil {
			return errors.New("bucket records is missing")
		}
		next := uint64(0)
		return b.ForEach(func(k, v []byte) error {
			if len(k) != 8 || binary.BigEndian.Uint64(k) != next {
				return fmt.Errorf("record %d is missing", next)
			}
			if err := record(next, v); err != nil {
				return fmt.Errorf("record %d: %w", next, err)
			}
			next++
			return nil
		})
	})
}
