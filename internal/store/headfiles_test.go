package store

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"go.etcd.io/bbolt"
)

// unopened is a file layer that cannot open generations of the log for a while.
type unopened struct {
	FS
	err error
}

func (u *unopened) failure(path string) error {
	if u.err != nil && strings.HasSuffix(path, ".log") {
		return &os.PathError{Op: "open", Path: path, Err: u.err}
	}
	return nil
}

func (u *unopened) Open(path string) (File, error) {
	if err := u.failure(path); err != nil {
		return nil, err
	}
	return u.FS.Open(path)
}

func (u *unopened) OpenWrite(path string) (File, error) {
	if err := u.failure(path); err != nil {
		return nil, err
	}
	return u.FS.OpenWrite(path)
}

// TestLogNotOpened: nobody is told to move a log away that cannot be opened for a
// while, and a store that could not read it again is closed without a further error.
func TestLogNotOpened(t *testing.T) {
	fsys := &unopened{FS: noSyncFS()}
	with := func(o *Options) { o.FS = fsys }
	a := newAppending(t, with)
	a.append(crashBatch("a", 0, 1, 100))
	path := a.s.head.current.Path()
	must(t, a.s.Close())
	for _, failure := range []error{syscall.EMFILE, syscall.EACCES} {
		for _, readOnly := range []bool{true, false} {
			fsys.err = failure
			_, err := Open(t.Context(), Options{Dir: a.dir, ReadOnly: readOnly, FS: fsys})
			if !errors.Is(err, failure) || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "move the file away") {
				t.Errorf("%v", err)
			}
		}
	}
	fsys.err = nil
	a.open(with)
	a.check("opened again")
	fsys.err = syscall.EMFILE
	a.s.appending.Lock()
	err := a.s.headAgain(t.Context(), []target{{ofHosts, a.s.headDays()[0]}})
	a.s.appending.Unlock()
	if !errors.Is(err, syscall.EMFILE) || !strings.Contains(err.Error(), path) {
		t.Errorf("%v", err)
	}
	fsys.err = nil
	must(t, a.s.Close())
	a.open(with)
	a.check("at last")
}

// TestPendingBolt: a generation that bbolt wrote and whose deletion was pending is
// deleted by the next opening for writing.
func TestPendingBolt(t *testing.T) {
	a := newAppending(t)
	a.append(crashBatch("a", 0, 1, 100))
	must(t, a.s.Close())
	path := strings.TrimSuffix(generationsLeft(t, a.dir)[0], "000001.log") + "000000.db"
	db, err := bbolt.Open(path, 0o600, nil)
	must(t, err)
	must(t, db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket([]byte("records"))
		return err
	}))
	must(t, db.Close())
	db, err = openDB(t.Context(), a.dir, false, true)
	must(t, err)
	must(t, db.Update(func(tx *bbolt.Tx) error {
		return putJSON(tx.Bucket(bucketPending), putUint(0), &pendingOp{Dir: headName, Target: "000000.db"})
	}))
	must(t, changeBucket(db, bucketMeta, keyFormat, putUint(2)))
	must(t, db.Close())
	a.both()
	if got := generationsLeft(t, a.dir); len(got) != 1 || got[0] == path {
		t.Errorf("%v", got)
	}
}
