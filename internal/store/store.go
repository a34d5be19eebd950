package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/store/dayfile"
	"github.com/leanfleet/leanfleet/internal/store/scan"
	"github.com/leanfleet/leanfleet/inventory"
)

// Options say where a store is and what it knows from elsewhere.
type Options struct {
	// Dir is the data directory. It is created by an opening for writing.
	Dir string
	// ReadOnly opens the store for questions alone: nothing in the directory is
	// changed, and several processes may do so at once.
	ReadOnly bool
	// Existing refuses, with ErrNoData, to create a store where there is none.
	Existing bool
	// Types gives the nominal capacity of instance types; nil knows none.
	Types inventory.Types
	// Metrics are those that samples may have; the zero value is the canonical
	// ones.
	Metrics fleet.Metrics
	// Clock tells when hosts that samples bring were added, and what retention
	// takes for the future; with nil that is the start of 1970, and retention
	// trusts the newest day.
	Clock func() time.Time
	// FS is the file layer; nil is the real one.
	FS FS
	// MemoryBudget is the memory in bytes that a load may hold, a quarter of it
	// for samples that wait, the rest for merging them; 0 means 192 MiB.
	MemoryBudget int64
	// Workers is how many days are merged or opened at once; 0 means one for each
	// processor, two at most.
	Workers int
	// OpenFiles is how many day files are kept open between questions; 0 means
	// 512.
	OpenFiles int

	// SealAfter is how long after its end a day is sealed by the store itself; 0
	// means an hour. Rows that come later are sealed together, some ten minutes
	// after the first of them. Below 0 days are sealed by Seal alone.
	SealAfter time.Duration
	// HeadMemory is the memory in bytes of samples that are not sealed from which
	// the store seals all of them, today's too; 0 means 512 MiB.
	HeadMemory int64

	// noSync lets tests do without the disk: those that have no file layer of their
	// own, whose leanfleet.db alone it is then.
	noSync bool
	// logAhead is how many zeros are written ahead in the log of the head, 0 for
	// what is good for disks.
	logAhead int64
	// beforeAppend and beforeCommit are told before a transaction of the head's
	// log and of leanfleet.db is written.
	beforeAppend, beforeCommit func()
}

func (o Options) complete() Options {
	if o.FS == nil {
		o.FS = osFS{noSync: o.noSync}
	}
	if len(o.Metrics.All()) == 0 {
		o.Metrics = fleet.CanonicalMetrics()
	}
	if o.MemoryBudget <= 0 {
		o.MemoryBudget = 192 << 20
	}
	if o.Workers <= 0 {
		o.Workers = min(2, runtime.GOMAXPROCS(0))
	}
	if o.OpenFiles <= 0 {
		o.OpenFiles = 512
	}
	if o.SealAfter == 0 {
		o.SealAfter = sealAfter
	}
	if o.HeadMemory <= 0 {
		o.HeadMemory = headMemory
	}
	return o
}

// Store is an open data directory. Its methods may be called from several
// goroutines: questions run beside each other and beside writes, and each sees
// one state; writes go one after another.
type Store struct {
	opt Options
	fs  FS
	dir string
	db  *bbolt.DB

	// writing holds one token while a write is made true. It is taken before
	// appending, and that before mu.
	writing chan struct{}
	// appending is held while a commit of the head is made true, and while what
	// it depends on changes: the hosts, which days are sealed.
	appending sync.Mutex
	appends   chan *appendCall
	// appendsUnderWay is the number of calls of Append that are not durable yet.
	appendsUnderWay atomic.Int64
	calls           sync.Pool // of appendCall: callers of one row are many
	memory          scan.Memory
	encoders        dayfile.Encoders
	quit            chan struct{} // closed to end the committer, which closes committed
	committed       chan struct{}
	wake            chan struct{} // tells the sealer to look
	stopped         chan struct{} // closed to end the sealer, once
	closing         sync.Once

	mu         sync.RWMutex
	closed     bool
	days       [kinds][]*day   // ascending; the slices are replaced, not changed
	head       *headState      // see there
	book       *inventory.Book // replaced, not changed
	stated     *inventory.Book // as leanfleet.db has it
	brought    bool            // appends brought hosts that leanfleet.db lacks
	generation uint64
	records    uint64 // generation at which records last changed
	pending    []pendingOp
	pendingErr error // why pending could not be carried out
	broken     error // why nothing can be written any more
	publishErr error // why inventory.parquet is not of today
	sealErr    error // why the sealer could not seal what is due
	closeErr   error // of a generation of the head
	openFiles  int
	useCount   uint64
	loads      map[*load]struct{}
	loadCount  int
}

// Open opens a data directory. For writing it creates what is missing, carries
// out what a crash left pending, deletes what a crash left unfinished, and
// locks out other writers. It waits two seconds for another process and then
// returns an error that wraps [fleet.ErrLocked].
func Open(ctx context.Context, o Options) (*Store, error) {
	o = o.complete()
	if o.Dir == "" {
		return nil, errors.New("open store: no data directory is named")
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", o.Dir, err)
	}
	s := &Store{
		opt: o, fs: o.FS, dir: dir, writing: make(chan struct{}, 1), loads: map[*load]struct{}{},
		head: newHeadState(o.Metrics.Stored()), appends: make(chan *appendCall, appendQueue),
		quit: make(chan struct{}), committed: make(chan struct{}),
		wake: make(chan struct{}, 1), stopped: make(chan struct{}),
	}
	if o.ReadOnly {
		err = s.openReader(ctx)
	} else {
		err = s.openWriter(ctx)
	}
	if err != nil {
		if s.head.current != nil {
			_ = s.head.current.Close()
		}
		if s.db != nil {
			_ = s.db.Close()
		}
		return nil, fmt.Errorf("open store: %w", err)
	}
	if !o.ReadOnly {
		go s.commitAppends()
		if o.SealAfter > 0 {
			go s.sealDue()
			s.wakeSealer()
		}
	}
	return s, nil
}

func (s *Store) daysDir() string { return filepath.Join(s.dir, daysName) }
func (s *Store) dbPath() string  { return filepath.Join(s.dir, dbName) }

// ErrNoData is wrapped when a directory without a store is opened for reading.
var ErrNoData = errors.New("no data")

func (s *Store) noData() error {
	return fmt.Errorf("%w in %s; import samples first", ErrNoData, s.dir)
}

func (s *Store) openReader(ctx context.Context) error {
	info, err := s.fs.Stat(s.dbPath())
	if errors.Is(err, fs.ErrNotExist) || (err == nil && info.Size() == 0) {
		return s.noData()
	}
	if err != nil {
		return fmt.Errorf("look at %s: %w", s.dbPath(), err)
	}
	if s.db, err = openDB(ctx, s.dir, true, false); err != nil {
		return err
	}
	st, err := s.readState()
	if errors.Is(err, errNoData) {
		return s.noData()
	}
	if err != nil {
		return err
	}
	s.locateDays()
	return s.openLogged(ctx, st)
}

// locateDays finds the files of days where renames are pending.
func (s *Store) locateDays() {
	for k := range kinds {
		for _, d := range s.days[k] {
			d.path = s.pathOf(k, d)
		}
	}
}

func (s *Store) openWriter(ctx context.Context) error {
	if s.opt.Existing {
		if _, err := s.fs.Stat(s.dbPath()); errors.Is(err, fs.ErrNotExist) {
			return s.noData()
		}
	}
	changed, err := s.makeDirs()
	if err != nil {
		return err
	}
	if s.db, err = openDB(ctx, s.dir, false, s.opt.noSync); err != nil {
		return err
	}
	if err := writeLock(s.dir); err != nil {
		return err
	}
	format, err := formatOf(s.db)
	if err != nil {
		return fmt.Errorf("read %s: %w", s.dbPath(), err)
	}
	if format < FormatVersion { // also when an opening before was cut off
		changed = append(changed, filepath.Dir(s.dir), s.dir)
	}
	if err := s.begun(format, changed); err != nil {
		return err
	}
	st, err := s.readState()
	if err != nil {
		return err
	}
	if err := s.recover(ctx); err != nil {
		return err
	}
	if err := s.openLogged(ctx, st); err != nil {
		return err
	}
	if err := s.writeBook(); err != nil {
		return err
	}
	s.publish()
	return nil
}

// makeDirs makes the data directory and those in it, and returns the directories
// that got a new entry.
func (s *Store) makeDirs() (changed []string, err error) {
	for _, dir := range []string{s.dir, s.daysDir(), s.dirOf(groupsName), s.headDir()} {
		made, err := makeDir(s.fs, dir)
		if err != nil {
			return nil, err
		}
		changed = append(changed, made...)
	}
	return changed, nil
}

// begun makes the names of directories and of a new database durable, which
// bbolt does not do, and only then sets the database up: one that is set up is
// known to stay.
func (s *Store) begun(format uint64, changed []string) error {
	slices.Sort(changed)
	for _, dir := range slices.Compact(changed) {
		if err := s.fs.SyncDir(dir); err != nil {
			return fmt.Errorf("sync directory %s: %w", dir, err)
		}
	}
	if format >= FormatVersion { // a newer one is refused when it is read
		return nil
	}
	return initDB(s.db, s.dbPath())
}

// readState takes over what leanfleet.db holds.
func (s *Store) readState() (state, error) {
	book := inventory.NewBook(s.opt.Types)
	st, err := readState(s.db, book.UnmarshalAll)
	if errors.Is(err, errNoData) {
		return st, err
	}
	if err != nil {
		return st, fmt.Errorf("read %s: %w", s.dbPath(), err)
	}
	book.ClearTouched()
	s.book, s.stated, s.generation, s.records, s.pending = book, book, st.generation, st.records, st.pending
	for k := range kinds {
		s.days[k] = nil
		for _, e := range st.days[k] {
			s.days[k] = append(s.days[k], &day{dayEntry: e, kind: k, path: filepath.Join(s.dirOf(k.dir()), target{k, e.Day}.name())})
		}
	}
	return st, nil
}

// Close ends the store: loads that are open are aborted, questions that are
// being answered go on. Closing twice does nothing.
func (s *Store) Close() error {
	s.closing.Do(func() { close(s.stopped) })
	s.writing <- struct{}{} // a write that is being made true ends first
	defer func() { <-s.writing }()
	s.mu.RLock()
	closed, writable := s.closed, s.writable() == nil
	s.mu.RUnlock()
	if closed {
		return nil
	}
	if writable && s.finish() == nil {
		_ = s.writeBook() // else the next opening does
	}
	s.mu.Lock()
	s.closed = true
	loads := s.loads
	s.loads = map[*load]struct{}{}
	for _, list := range s.days {
		for _, d := range list {
			d.drop(s)
		}
	}
	s.mu.Unlock()
	errs := []error{s.closeErr}
	if !s.opt.ReadOnly {
		close(s.quit)
		<-s.committed
	}
	if s.head.current != nil {
		errs = append(errs, s.head.current.Close())
	}
	for l := range loads { // their own goroutines find the store closed
		removeQuietly(s.fs, filepath.Join(s.daysDir(), l.name))
	}
	if !s.opt.ReadOnly {
		removeQuietly(osFS{}, filepath.Join(s.dir, lockName))
	}
	if err := s.db.Close(); err != nil {
		errs = append(errs, fmt.Errorf("close %s: %w", s.dbPath(), err))
	}
	return errors.Join(errs...)
}

// writable says whether the store takes writes. The caller holds mu.
func (s *Store) writable() error {
	switch {
	case s.closed:
		return fleet.ErrClosed
	case s.opt.ReadOnly:
		return fmt.Errorf("%s is open for reading only", s.dir)
	case s.broken != nil:
		return s.broken
	}
	return nil
}

// lockWrites waits until no other write is being made true, and carries out
// what the one before left pending. unlock must be called when err is nil.
func (s *Store) lockWrites(ctx context.Context) (unlock func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case s.writing <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	unlock = func() { <-s.writing }
	s.mu.RLock()
	err = s.writable()
	s.mu.RUnlock()
	if err == nil {
		err = s.finish()
	}
	if err != nil {
		unlock()
		return nil, err
	}
	return unlock, nil
}

// stamp is the put of what the store itself states.
func (s *Store) stamp(why string, origin fleet.Origin) fleet.Put {
	now := time.Unix(0, 0).UTC()
	if s.opt.Clock != nil {
		now = s.opt.Clock()
	}
	return fleet.Put{At: now, Who: "leanfleet", Why: why, Origin: origin}
}

// isTmp says whether a file is one that a crash may leave and an opening
// deletes.
func isTmp(name string) bool { return strings.HasSuffix(name, tmpSuffix) }
