package head

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"go.etcd.io/bbolt"

	"github.com/leanfleet/leanfleet/fleet"
)

// commitHosts commits hosts of one name after the other, each in a commit of its
// own whose record has some bytes.
func commitHosts(t testing.TB, g *Generation, some int, names ...string) {
	t.Helper()
	for _, name := range names {
		g.AddHost(&Added{Key: name, ID: fleet.HostID(name), Put: fleet.Put{At: time.Unix(0, 0), Why: filler(some)}})
		if _, err := g.Commit(); err != nil {
			t.Fatal(err)
		}
	}
}

// filler is text without zeros.
func filler(n int) string { return strings.Repeat("leanfleet", n/9+1)[:n] }

func openNames(o Options, number uint64) (*Generation, string, error) {
	var names []string
	g, err := Open(context.Background(), o, Name(number), func(a *Added) error { names = append(names, a.Key); return nil }, func(*Rows) error { return nil })
	return g, strings.Join(names, " "), err
}

// TestEveryBitOfLog: with any bit of a log flipped, it is refused, or it has all
// that it had.
func TestEveryBitOfLog(t *testing.T) {
	o := testOptions(t)
	o.Ahead = 100
	g, err := Create(t.Context(), o, 1)
	if err != nil {
		t.Fatal(err)
	}
	commitHosts(t, g, 200, "a", "b", "c", "d")
	path := g.Path()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.log.file.Close(); err != nil {
		t.Fatal(err)
	}
	if zeros := len(data) - int(g.log.end); zeros < 32 || zeros > 100 {
		t.Fatalf("%d zeros", zeros)
	}
	o.ReadOnly = true
	refused := 0
	for i := range data {
		for bit := range 8 {
			data[i] ^= 1 << bit
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			g, names, err := openNames(o, 1)
			if err == nil && names != "a b c d" {
				t.Errorf("byte %d: %s", i, names)
			}
			if err != nil {
				refused++
				if !errors.Is(err, errDamaged) || !contains(err.Error(), path) {
					t.Errorf("byte %d: %v", i, err)
				}
			} else {
				_ = g.Close()
			}
			data[i] ^= 1 << bit
		}
	}
	if refused < 8*int(g.log.end) {
		t.Errorf("%d of %d bits are missed", 8*int(g.log.end)-refused, 8*g.log.end)
	}
}

// TestTornCommit: a commit that was being written when the machine stopped, of
// which any sectors are on the disk and others are not, is not there, what was
// before is, and others follow. When only it is damaged, or one before it lacks
// a sector, the log is refused.
func TestTornCommit(t *testing.T) {
	coin := rand.New(rand.NewPCG(1, 2))
	for round := range 200 {
		o := testOptions(t)
		g, err := Create(t.Context(), o, 1)
		if err != nil {
			t.Fatal(err)
		}
		commitHosts(t, g, coin.IntN(1500), "a", "b")
		before := g.log.end
		commitHosts(t, g, coin.IntN(6000), "c")
		data, err := os.ReadFile(g.Path())
		if err != nil {
			t.Fatal(err)
		}
		_ = g.log.file.Close()
		lost := 0
		if coin.IntN(3) == 0 {
			lost++
			clear(data[before+int64(coin.IntN(int(g.log.end-before))):])
		}
		for at := before / sector * sector; at < g.log.end; at += sector {
			from, to := max(at, before), min(at+sector, g.log.end)
			if coin.IntN(3) == 0 {
				lost++
				clear(data[from:to])
			}
		}
		if coin.IntN(4) == 0 || lost == 0 {
			lost++
			data = data[:before+int64(coin.IntN(int(g.log.end-before)))]
		}
		write := func() {
			if err := os.WriteFile(g.Path(), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write()
		o.ReadOnly = true
		again, names, err := openNames(o, 1)
		if err != nil || names != "a b" {
			t.Fatalf("round %d, %d lost: %q, %v", round, lost, names, err)
		}
		_ = again.Close()
		o.ReadOnly = false
		if again, _, err = openNames(o, 1); err != nil {
			t.Fatal(err)
		}
		commitHosts(t, again, coin.IntN(3000), "d", "e")
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
		if again, names, err = openNames(o, 1); err != nil || names != "a b d e" {
			t.Fatalf("round %d, written on: %q, %v", round, names, err)
		}
		_ = again.Close()
		if data, err = os.ReadFile(g.Path()); err != nil {
			t.Fatal(err)
		}
		lack := before + 8 + int64(coin.IntN(8))
		data[lack] ^= 0xff
		write()
		if _, _, err = openNames(o, 1); !errors.Is(err, errDamaged) || !contains(err.Error(), "commit 2 is not what was written, and commit 3 follows") {
			t.Fatalf("round %d: %v", round, err)
		}
	}
}

// faulty is a file that fails in some way.
type faulty struct {
	loose
	write, truncate, sync error
	writes, syncs         int
}

func (f *faulty) WriteAt(p []byte, at int64) (int, error) {
	if f.writes++; f.write != nil {
		n, _ := f.loose.WriteAt(p[:len(p)/2], at)
		return n, f.write
	}
	return f.loose.WriteAt(p, at)
}

func (f *faulty) Truncate(size int64) error {
	if f.truncate != nil {
		return f.truncate
	}
	return f.loose.Truncate(size)
}

func (f *faulty) SyncData() error {
	f.syncs++
	return f.sync
}

// TestCommitFails: a commit that cannot be written is not there, and others go on;
// where nothing can be taken back, nobody knows.
func TestCommitFails(t *testing.T) {
	full, broken := error(&os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}), error(syscall.EIO)
	for i, x := range []struct {
		write, truncate, sync error
		uncertain             bool
	}{
		{write: full}, {write: broken}, {sync: full, uncertain: true}, {sync: broken, uncertain: true},
		{write: full, truncate: broken, uncertain: true}, {write: full, sync: broken, uncertain: true},
	} {
		o := testOptions(t)
		var f *faulty
		o.Files = files{wrap: func(file *os.File) File { f = &faulty{loose: loose{file}}; return f }}
		g, err := Create(t.Context(), o, 1)
		if err != nil {
			t.Fatal(err)
		}
		commitHosts(t, g, 100, "a")
		f.write, f.truncate, f.sync = x.write, x.truncate, x.sync
		g.AddHost(&Added{Key: "b", ID: "b", Put: fleet.Put{At: time.Unix(0, 0)}})
		uncertain, err := g.Commit()
		if err == nil || !contains(err.Error(), g.Path()) || uncertain != x.uncertain {
			t.Errorf("%d: %v, uncertain %v", i, err, uncertain)
		}
		f.write, f.truncate, f.sync = nil, nil, nil
		if !uncertain {
			commitHosts(t, g, 100, "c")
		}
		_ = g.log.file.Close()
		_, names, err := openNames(o, 1)
		if want := "a c"; err != nil || !uncertain && names != want || !strings.HasPrefix(names, "a") {
			t.Errorf("%d: %q, %v", i, names, err)
		}
	}
}

// TestSyncFails: where a sync fails, and the next one does not, the commit is taken
// back, and the end of what was before is written again.
func TestSyncFails(t *testing.T) {
	o := testOptions(t)
	once := 0
	o.Files = files{wrap: func(file *os.File) File { return &syncOnce{loose{file}, &once} }}
	g, err := Create(t.Context(), o, 1)
	if err != nil {
		t.Fatal(err)
	}
	commitHosts(t, g, 100, "a")
	once = 1
	g.AddHost(&Added{Key: "b", ID: "b", Put: fleet.Put{At: time.Unix(0, 0)}})
	if uncertain, err := g.Commit(); !errors.Is(err, syscall.ENOSPC) || uncertain {
		t.Errorf("%v, %v", uncertain, err)
	}
	commitHosts(t, g, 100, "c")
	_ = g.Close()
	if _, names, err := openNames(o, 1); err != nil || names != "a c" {
		t.Errorf("%q, %v", names, err)
	}
}

type syncOnce struct {
	loose
	fails *int
}

func (s *syncOnce) SyncData() error {
	if *s.fails > 0 {
		*s.fails--
		return syscall.ENOSPC
	}
	return nil
}

// TestSettled: a log that is opened to be written to has its last commit written
// and synced once more, before anybody may rely on it.
func TestSettled(t *testing.T) {
	o := testOptions(t)
	g, err := Create(t.Context(), o, 1)
	if err != nil {
		t.Fatal(err)
	}
	commitHosts(t, g, 3*pieceBytes, "a", "b")
	_ = g.log.file.Close()
	var f *faulty
	o.Files = files{wrap: func(file *os.File) File { f = &faulty{loose: loose{file}}; return f }}
	if g, _, err = openNames(o, 1); err != nil || f.writes < 3 || f.syncs != 1 {
		t.Errorf("%d writes, %d syncs, %v", f.writes, f.syncs, err)
	}
	_ = g.Close()
	o.Files = files{wrap: func(file *os.File) File { return &faulty{loose: loose{file}, sync: syscall.EIO} }}
	if _, _, err = openNames(o, 1); !errors.Is(err, syscall.EIO) {
		t.Errorf("%v", err)
	}
	o.ReadOnly = true
	if g, names, err := openNames(o, 1); err != nil || names != "a b" || g.Writable() {
		t.Errorf("%q, %v", names, err)
	}
}

// TestAhead: short commits find zeros behind them, which a closed file does not
// keep.
func TestAhead(t *testing.T) {
	o := testOptions(t)
	o.Ahead = 0
	g, err := Create(t.Context(), o, 1)
	if err != nil {
		t.Fatal(err)
	}
	commitHosts(t, g, 10, "a", "b")
	info, err := os.Stat(g.Path())
	if err != nil || info.Size() < aheadBytes || g.Size() > 1000 {
		t.Errorf("%v, %d in use, %v", info, g.Size(), err)
	}
	commitHosts(t, g, 2*smallFrame, "c")
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	if info, err = os.Stat(g.Path()); err != nil || info.Size() != g.Size() {
		t.Errorf("%d bytes, %d in use, %v", info.Size(), g.Size(), err)
	}
}

// TestBoltGeneration: a generation that bbolt wrote is read, and not written to.
func TestBoltGeneration(t *testing.T) {
	o := testOptions(t)
	path := filepath.Join(o.Dir, "000007.db")
	write := func(change func(b *bbolt.Bucket) error) {
		_ = os.Remove(path)
		db, err := bbolt.Open(path, 0o600, nil)
		if err != nil {
			t.Fatal(err)
		}
		e := newEncoder(o.Table, codes{})
		e.added(&Added{Key: "a", ID: "a", Put: fleet.Put{At: time.Unix(0, 0)}})
		record := slices.Clone(e.finish()[0])
		err = db.Update(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists([]byte("records"))
			if err == nil {
				err = b.Put(make([]byte, 8), record)
			}
			return errors.Join(err, change(b))
		})
		if err := errors.Join(err, db.Close()); err != nil {
			t.Fatal(err)
		}
	}
	open := func() (*Generation, string, error) {
		var names []string
		g, err := Open(t.Context(), o, "000007.db", func(a *Added) error { names = append(names, a.Key); return nil }, nil)
		return g, strings.Join(names, " "), err
	}
	write(func(*bbolt.Bucket) error { return nil })
	if list, err := List(o); err != nil || !slices.Equal(list, []string{"000007.db"}) {
		t.Errorf("%v, %v", list, err)
	}
	g, names, err := open()
	if err != nil || names != "a" || g.Writable() || g.Number != 7 || g.Size() == 0 || g.Close() != nil {
		t.Errorf("%q, %v", names, err)
	}
	for want, change := range map[string]func(b *bbolt.Bucket) error{
		"record 1 is missing":          func(b *bbolt.Bucket) error { return b.Put([]byte("key"), []byte("x")) },
		"bucket records is missing":    func(b *bbolt.Bucket) error { return b.Tx().DeleteBucket([]byte("records")) },
		"record 0: a record is damage": func(b *bbolt.Bucket) error { return b.Put(make([]byte, 8), []byte("none")) },
	} {
		write(change)
		if _, _, err := open(); err == nil || !contains(err.Error(), want) || !contains(err.Error(), path) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// memory is a file in memory.
type memory struct{ data []byte }

func (m *memory) ReadAt(p []byte, at int64) (int, error) {
	return bytes.NewReader(m.data).ReadAt(p, at)
}
func (m *memory) WriteAt(p []byte, at int64) (int, error) {
	if n := int(at) + len(p) - len(m.data); n > 0 {
		m.data = append(m.data, make([]byte, n)...)
	}
	return copy(m.data[at:], p), nil
}
func (m *memory) Truncate(size int64) error  { m.data = m.data[:size]; return nil }
func (m *memory) Close() error               { return nil }
func (m *memory) SyncData() error            { return nil }
func (m *memory) Stat() (os.FileInfo, error) { return memoryInfo{size: int64(len(m.data))}, nil }

type memoryInfo struct {
	os.FileInfo
	size int64
}

func (m memoryInfo) Size() int64 { return m.size }

// FuzzLog: no bytes make the reader of a log panic or read more than there is;
// what it takes for the log is read again when it was settled and written on.
func FuzzLog(f *testing.F) {
	const number = 3
	file := &memory{}
	l, err := newLog(file, number, 64)
	if err != nil {
		f.Fatal(err)
	}
	l.salt = 0
	_, _ = file.WriteAt(l.header(), 0)
	for i := range 3 {
		if _, err := l.commit([][]byte{[]byte(fmt.Sprint("record ", i)), nil}); err != nil {
			f.Fatal(err)
		}
		f.Add(slices.Clone(file.data[headerBytes:]), uint8(0), uint16(0))
		f.Add(slices.Clone(file.data[headerBytes:]), uint8(1), uint16(40))
	}
	header := slices.Clone(file.data[:headerBytes])
	f.Fuzz(func(t *testing.T, data []byte, mend uint8, at uint16) {
		file := &memory{data: append(slices.Clone(header), data...)}
		if mend > 0 && int(at)+frameHeader <= len(data) { // sums that are right
			b := file.data[headerBytes+int(at):]
			n := min(int(binary.LittleEndian.Uint32(b)), len(b)-frameHeader)
			l := &log{}
			body := bytes.NewReader(b[frameHeader:][:max(n, 0)])
			fr := frame{length: uint32(body.Len()) &^ 7, records: binary.LittleEndian.Uint32(b[4:]), number: binary.LittleEndian.Uint64(b[8:])}
			plain := slices.Clone(b[frameHeader:][:fr.length])
			mask(plain)
			fr.sum = xxhash.Sum64(plain)
			copy(b, l.appendFrame(nil, fr))
		}
		var records []string
		read := func(_ uint64, b []byte) error { records = append(records, string(b)); return nil }
		l, err := openLog(file, number, read)
		if err != nil {
			return
		}
		l.ahead = 10
		if err := l.settle(true); err != nil {
			t.Fatal(err)
		}
		if _, err := l.commit([][]byte{[]byte("more")}); err != nil {
			t.Fatal(err)
		}
		want := append(records, "more")
		records = nil
		if _, err := openLog(file, number, read); err != nil || !slices.Equal(records, want) {
			t.Fatalf("%q, not %q, %v", records, want, err)
		}
	})
}
