package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/store/dayfile"
)

// FormatVersion is the version of leanfleet.db that this package writes. It
// reads version 1 too, which knew neither the head nor process groups, and 2,
// where bbolt wrote the log of the head.
const FormatVersion = 3

const (
	dbName        = "leanfleet.db"
	lockName      = "leanfleet.lock"
	daysName      = "days"
	groupsName    = "groups"
	headName      = "head"
	inventoryName = "inventory.parquet"
	tmpSuffix     = ".tmp"
	dayFileSuffix = ".parquet"
)

// The buckets of leanfleet.db and the keys of its bucket meta.
var (
	bucketMeta    = []byte("meta")
	bucketDays    = []byte("days")
	bucketHosts   = []byte("hosts")
	bucketGroups  = []byte("groups") // days of process groups
	bucketPending = []byte("pending")
	bucketSealed  = []byte("sealed") // generation and day of rows of the head that are sealed

	keyFormat     = []byte("format")
	keyGeneration = []byte("generation")
	keyRecords    = []byte("records")
	keyHead       = []byte("head")
)

// dayEntry is what leanfleet.db knows of a sealed day.
type dayEntry struct {
	Day dayfile.Day `json:"-"`
	// Generation of the commit that wrote the file; no two files share one day
	// and generation.
	Generation uint64 `json:"generation"`
	fileSum
	Rows  int64 `json:"rows"`
	Hosts int   `json:"hosts"`
	// First and Last are starts of samples in Unix milliseconds, End is where the
	// last sample ends.
	First int64 `json:"first"`
	Last  int64 `json:"last"`
	End   int64 `json:"end"`
	// Samples counts the values of each metric.
	Samples map[string]int64 `json:"samples"`
}

// fileSum identifies a file's content.
type fileSum struct {
	Size int64 `json:"size"`
	// Checksum is xxHash64 of the whole file.
	Checksum hash64 `json:"checksum"`
	// Tail is xxHash64 of the last tailSize bytes, which hold the footer and its
	// checksum: it tells two versions of a day apart without reading either.
	Tail hash64 `json:"tail"`
}

// hash64 is written as 16 hexadecimal digits, because JSON numbers end at 2^53.
type hash64 uint64

// MarshalText writes 16 hexadecimal digits.
func (h hash64) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%016x", uint64(h)), nil }

// UnmarshalText reads hexadecimal digits.
func (h *hash64) UnmarshalText(b []byte) error {
	n, err := strconv.ParseUint(string(b), 16, 64)
	*h = hash64(n)
	return err
}

// pendingOp is a change of files that a commit has made true and that may still
// have to be carried out: a staged file to be renamed over its target, or a
// target to be deleted. Names are relative to their directory.
type pendingOp struct {
	// Dir is "groups" or "head"; "" means the directory of days.
	Dir string `json:"dir,omitempty"`
	// Staged is empty for a deletion.
	Staged string `json:"staged,omitempty"`
	Target string `json:"target"`
	fileSum
}

func (p *pendingOp) dir() string {
	if p.Dir == "" {
		return daysName
	}
	return p.Dir
}

// state is the content of leanfleet.db, but for the hosts.
type state struct {
	format     uint64
	generation uint64
	records    uint64
	head       uint64 // the highest number of a generation of the head
	days       [kinds][]dayEntry
	pending    []pendingOp
	sealed     map[sealedDay]struct{}
}

// lockWait is how long an opening waits for another process.
const lockWait = 2 * time.Second

// lockPoll is the longest it waits before it looks whether it is cancelled.
const lockPoll = 100 * time.Millisecond

// openDB opens leanfleet.db and takes its lock, exclusive or shared. noSync is
// for tests that simulate crashes by other means.
func openDB(ctx context.Context, dir string, readOnly, noSync bool) (*bbolt.DB, error) {
	path := filepath.Join(dir, dbName)
	options := &bbolt.Options{
		Timeout:      lockPoll,
		ReadOnly:     readOnly,
		FreelistType: bbolt.FreelistMapType,
		// The free list is rebuilt on opening: one page less for each commit.
		NoFreelistSync: true,
		NoSync:         noSync,
		NoGrowSync:     noSync,
	}
	for waited := time.Duration(0); ; waited += lockPoll {
		db, err := bbolt.Open(path, 0o600, options)
		switch {
		case err == nil:
			return db, nil
		case !errors.Is(err, berrors.ErrTimeout):
			return nil, fmt.Errorf("open %s: %w", path, err)
		case ctx.Err() != nil:
			return nil, fmt.Errorf("open %s: %w", path, ctx.Err())
		case waited >= lockWait-lockPoll:
			return nil, lockedError(dir)
		}
	}
}

// lockedError says who holds the directory.
func lockedError(dir string) error {
	pid, ok := lockHolder(dir)
	if !ok {
		return fmt.Errorf("%w: %s is being read by another process; try again when it is done", fleet.ErrLocked, dir)
	}
	return fmt.Errorf("%w: process %d writes to %s; try again when it is done", fleet.ErrLocked, pid, dir)
}

// lockHolder returns the process that says it writes to the directory, if that
// process lives.
func lockHolder(dir string) (int, bool) {
	text, err := os.ReadFile(filepath.Join(dir, lockName))
	if err != nil {
		return 0, false
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 0 || !alive(pid) {
		return 0, false
	}
	return pid, true
}

// writeLock leaves this process's id for others to name. The lock itself is the
// one on leanfleet.db, which ends with the process however it ends.
func writeLock(dir string) error {
	path := filepath.Join(dir, lockName)
	if err := os.WriteFile(path, fmt.Appendln(nil, os.Getpid()), 0o644); err != nil {
		return fmt.Errorf("write lock file: %w", err)
	}
	return nil
}

// formatOf is the version of a database, 0 when it was never set up.
func formatOf(db *bbolt.DB) (format uint64, err error) {
	err = db.View(func(tx *bbolt.Tx) error {
		if b := tx.Bucket(bucketMeta); b != nil {
			format = getUint(b.Get(keyFormat))
		}
		return nil
	})
	return format, err
}

// initDB sets up a new database, or one of an older version.
func initDB(db *bbolt.DB, path string) error {
	err := db.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{bucketMeta, bucketDays, bucketGroups, bucketHosts, bucketPending, bucketSealed} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return tx.Bucket(bucketMeta).Put(keyFormat, putUint(FormatVersion))
	})
	if err != nil {
		return fmt.Errorf("set up %s: %w", path, err)
	}
	return nil
}

// errNoData is returned inside the package for a database without content.
var errNoData = errors.New("no data")

// readState reads everything but the hosts, whose documents go to hosts, which
// says which of them is wrong.
func readState(db *bbolt.DB, hosts func(documents [][]byte) (int, error)) (st state, err error) {
	defer func() {
		if p := recover(); p != nil { // bbolt trusts the pages it reads
			err = fmt.Errorf("the database is damaged: %v", p)
		}
	}()
	err = db.View(func(tx *bbolt.Tx) error {
		meta := tx.Bucket(bucketMeta)
		if meta == nil {
			return errNoData
		}
		if st.format = getUint(meta.Get(keyFormat)); st.format == 0 || st.format > FormatVersion {
			return fmt.Errorf("format version is %d, this leanfleet reads up to %d", st.format, FormatVersion)
		}
		buckets := [][]byte{bucketDays, bucketHosts, bucketPending, bucketGroups, bucketSealed}
		if st.format == 1 {
			buckets = buckets[:3]
		}
		for _, name := range buckets {
			if tx.Bucket(name) == nil {
				return fmt.Errorf("bucket %s is missing", name)
			}
		}
		st.generation = getUint(meta.Get(keyGeneration))
		st.records, st.head = getUint(meta.Get(keyRecords)), getUint(meta.Get(keyHead))
		if err := st.addDays(tx.Bucket(bucketDays), ofHosts); err != nil {
			return err
		}
		if st.format > 1 {
			if err := st.addDays(tx.Bucket(bucketGroups), ofGroups); err != nil {
				return err
			}
			if err := tx.Bucket(bucketSealed).ForEach(st.addSealed); err != nil {
				return err
			}
		}
		if err := tx.Bucket(bucketPending).ForEach(st.addPending); err != nil {
			return err
		}
		var keys, documents [][]byte // good until the transaction ends
		err := tx.Bucket(bucketHosts).ForEach(func(k, v []byte) error {
			keys, documents = append(keys, k), append(documents, v)
			return nil
		})
		if err != nil {
			return err
		}
		if wrong, err := hosts(documents); err != nil {
			return fmt.Errorf("host %q: %w", keys[wrong], err)
		}
		return nil
	})
	return st, err
}

func (st *state) addDays(b *bbolt.Bucket, k kind) error {
	return b.ForEach(func(key, v []byte) error {
		var e dayEntry
		if err := json.Unmarshal(v, &e); err != nil {
			return fmt.Errorf("day %q: %w", key, err)
		}
		day, err := dayfile.ParseDay(string(key))
		if err != nil {
			return fmt.Errorf("day %q: %w", key, err)
		}
		e.Day = day
		st.days[k] = append(st.days[k], e) // keys are dates, so days ascend
		return nil
	})
}

// addSealed reads a key of the bucket of sealed rows: the number of a
// generation and the day, 8 bytes each.
func (st *state) addSealed(k, _ []byte) error {
	if len(k) != 16 {
		return fmt.Errorf("sealed rows %x: not a generation and a day", k)
	}
	if st.sealed == nil {
		st.sealed = map[sealedDay]struct{}{}
	}
	st.sealed[sealedDay{getUint(k[:8]), dayfile.Day(int64(getUint(k[8:])))}] = struct{}{}
	return nil
}

func (x sealedDay) key() []byte {
	return append(putUint(x.generation), putUint(uint64(int64(x.day)))...)
}

func (st *state) addPending(k, v []byte) error {
	var p pendingOp
	if err := json.Unmarshal(v, &p); err != nil {
		return fmt.Errorf("pending change %x: %w", k, err)
	}
	if !fs.ValidPath(p.Target) || strings.Contains(p.Target, "/") || strings.Contains(p.Staged, "/") {
		return fmt.Errorf("pending change %x: %q is not the name of a day file", k, p.Target)
	}
	if d := p.dir(); d != daysName && d != groupsName && d != headName {
		return fmt.Errorf("pending change %x: %q is not a directory of the store", k, d)
	}
	st.pending = append(st.pending, p)
	return nil
}

// commitTx is one transaction: what becomes true at once.
type commitTx struct {
	generation uint64
	// records is set when the records of any host changed.
	records bool
	put     []putDay
	remove  []target
	hosts   map[fleet.HostID][]byte
	pending []pendingOp
	// sealed is rows of the head that the files now hold or that are removed;
	// head is the highest number that one of its generations ever had.
	sealed []sealedDay
	head   uint64
}

// putDay is a day's new file.
type putDay struct {
	kind  kind
	entry dayEntry
}

// empty says that nothing would become true.
func (c *commitTx) empty() bool {
	return len(c.put)+len(c.remove)+len(c.hosts)+len(c.sealed)+len(c.pending) == 0
}

func bucketOf(k kind) []byte {
	if k == ofGroups {
		return bucketGroups
	}
	return bucketDays
}

// apply writes a transaction. It is the commit point of the store.
func (c *commitTx) apply(db *bbolt.DB) error {
	return db.Update(func(tx *bbolt.Tx) error {
		meta, pending, sealed := tx.Bucket(bucketMeta), tx.Bucket(bucketPending), tx.Bucket(bucketSealed)
		if err := meta.Put(keyGeneration, putUint(c.generation)); err != nil {
			return err
		}
		if c.records {
			if err := meta.Put(keyRecords, putUint(c.generation)); err != nil {
				return err
			}
		}
		for i := range c.put {
			e := &c.put[i].entry
			if err := putJSON(tx.Bucket(bucketOf(c.put[i].kind)), []byte(e.Day.String()), e); err != nil {
				return err
			}
		}
		for _, d := range c.remove {
			if err := tx.Bucket(bucketOf(d.kind)).Delete([]byte(d.day.String())); err != nil {
				return err
			}
		}
		for _, x := range c.sealed {
			if err := sealed.Put(x.key(), []byte{}); err != nil {
				return err
			}
		}
		if c.head > 0 {
			if err := meta.Put(keyHead, putUint(c.head)); err != nil {
				return err
			}
		}
		hosts := tx.Bucket(bucketHosts)
		for id, doc := range c.hosts {
			if err := hosts.Put([]byte(id), doc); err != nil {
				return fmt.Errorf("host %q: %w", id, err)
			}
		}
		for i := range c.pending {
			if err := putJSON(pending, putUint(uint64(i)), &c.pending[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// clearPending forgets pending changes, which have been carried out, and what
// was sealed of generations of the head that are deleted: no other will have
// their numbers.
func clearPending(db *bbolt.DB, gone []uint64) error {
	return db.Update(func(tx *bbolt.Tx) error {
		if err := tx.DeleteBucket(bucketPending); err != nil {
			return err
		}
		if _, err := tx.CreateBucket(bucketPending); err != nil {
			return err
		}
		sealed := tx.Bucket(bucketSealed)
		for _, n := range gone {
			prefix := putUint(n)
			var keys [][]byte
			c := sealed.Cursor()
			for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = c.Next() {
				keys = append(keys, bytes.Clone(k))
			}
			for _, k := range keys {
				if err := sealed.Delete(k); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func putJSON(b *bbolt.Bucket, key []byte, v any) error {
	doc, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return b.Put(key, doc)
}

func putUint(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// getUint reads what putUint wrote; anything else is 0.
func getUint(b []byte) uint64 {
	if len(b) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}
