package head

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

// TestEveryBitOfZeros: a record with sectors of zeros, as rows that stay the same
// have, is no frame that lacks them: each flipped bit of it is damage.
func TestEveryBitOfZeros(t *testing.T) {
	o := testOptions(t)
	o.Ahead = 64
	g, err := Create(t.Context(), o, 1)
	if err != nil {
		t.Fatal(err)
	}
	commitHosts(t, g, 10, "a")
	last := g.log.end
	g.AddHost(&Added{Key: "b", ID: "b", Put: fleet.Put{At: time.Unix(0, 0), Why: strings.Repeat("\x00", 1200) + "\x01" + strings.Repeat("\x00", 1200)}})
	if _, err := g.Commit(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(g.Path())
	if err != nil {
		t.Fatal(err)
	}
	end := g.log.end
	_ = g.log.file.Close()
	o.ReadOnly = true
	missed := 0
	for i := last; i < end; i++ {
		bit := byte(1) << (i % 8)
		data[i] ^= bit
		if err := os.WriteFile(g.Path(), data, 0o600); err != nil {
			t.Fatal(err)
		}
		if again, _, err := openNames(o, 1); err == nil {
			missed++
			_ = again.Close()
		} else if !errors.Is(err, errDamaged) {
			t.Errorf("byte %d: %v", i, err)
		}
		data[i] ^= bit
	}
	if missed > 0 {
		t.Errorf("%d of %d bits are missed", missed, end-last)
	}
}

// TestLostSectorOfTwo: a lost sector that one commit ends in and another begins
// in is damage where the other goes on behind it: behind a frame that was being
// written there is nothing.
func TestLostSectorOfTwo(t *testing.T) {
	o := testOptions(t)
	g, err := Create(t.Context(), o, 1)
	if err != nil {
		t.Fatal(err)
	}
	commitHosts(t, g, 600, "a")
	if g.log.end%sector == 0 {
		t.Fatal("the next commit begins a sector")
	}
	at := g.log.end / sector * sector
	commitHosts(t, g, 1000, "b")
	_ = g.log.file.Close()
	data, err := os.ReadFile(g.Path())
	if err != nil {
		t.Fatal(err)
	}
	clear(data[at : at+sector])
	if err := os.WriteFile(g.Path(), data, 0o600); err != nil {
		t.Fatal(err)
	}
	if again, names, err := openNames(o, 1); !errors.Is(err, errDamaged) {
		t.Errorf("%q, %v", names, err)
		_ = again.Close()
	}
}

// written notes where a file is written to.
type written struct {
	loose
	at   []int64
	sync error
}

func (w *written) WriteAt(p []byte, at int64) (int, error) {
	w.at = append(w.at, at)
	return w.loose.WriteAt(p, at)
}

func (w *written) SyncData() error {
	err := w.sync
	w.sync = nil
	return err
}

// TestFirstSyncFails: where the sync of the first commit fails, the header, which
// has its sector, is written again.
func TestFirstSyncFails(t *testing.T) {
	o := testOptions(t)
	var f *written
	o.Files = files{wrap: func(file *os.File) File { f = &written{loose: loose{file}}; return f }}
	g, err := Create(t.Context(), o, 1)
	if err != nil {
		t.Fatal(err)
	}
	f.sync = syscall.EIO
	g.AddHost(&Added{Key: "a", ID: "a", Put: fleet.Put{At: time.Unix(0, 0)}})
	if uncertain, err := g.Commit(); err == nil || uncertain {
		t.Errorf("%v, %v", uncertain, err)
	}
	if len(f.at) != 2 || f.at[1] != 0 {
		t.Errorf("written at %v", f.at)
	}
	commitHosts(t, g, 10, "b")
	_ = g.Close()
	if again, names, err := openNames(o, 1); err != nil || names != "b" {
		t.Errorf("%q, %v", names, err)
	} else {
		_ = again.Close()
	}
}

// TestCloseTwice: a generation that is closed may be closed again.
func TestCloseTwice(t *testing.T) {
	o := testOptions(t)
	g, err := Create(t.Context(), o, 1)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	}
}

// once is a file layer that opens no file again.
type once struct{ files }

func (once) Open(path string, _ bool) (File, error) {
	return nil, &os.PathError{Op: "open", Path: path, Err: syscall.EMFILE}
}

// TestCreateFails: a generation that cannot be opened again leaves no file.
func TestCreateFails(t *testing.T) {
	o := testOptions(t)
	o.Files = once{}
	if _, err := Create(t.Context(), o, 1); !errors.Is(err, syscall.EMFILE) {
		t.Error(err)
	}
	if names, err := List(o); err != nil || len(names) > 0 {
		t.Errorf("%v, %v", names, err)
	}
}

// TestSettledThoughFixed: a generation that is opened to be written to and cannot
// be, because a resolution is another one, has its last commit made durable and the
// zeros behind it cut off like any other.
func TestSettledThoughFixed(t *testing.T) {
	o := testOptions(t)
	queue := fleet.Metric{Name: "queue", Unit: fleet.UnitCount, Num: 1, Den: 10, Exact: true, Column: "queue", Digits: 1}
	o.Table = NewTable([]fleet.Metric{queue})
	g, err := Create(t.Context(), o, 1)
	if err != nil {
		t.Fatal(err)
	}
	b := &fleet.Batch{Host: "a", Step: 1000, Start: []int64{5}, Columns: []fleet.Column{{Metric: queue, Values: []int32{15}}}}
	shape, err := o.Table.ShapeOf(b)
	if err != nil {
		t.Fatal(err)
	}
	g.Add(Key{Host: "a"}, &Batch{Batch: b, Shape: shape})
	if _, err := g.Commit(); err != nil {
		t.Fatal(err)
	}
	_ = g.log.file.Close()
	queue.Den = 100
	o.Table = NewTable([]fleet.Metric{queue})
	var f *written
	o.Files = files{wrap: func(file *os.File) File { f = &written{loose: loose{file}}; return f }}
	if g, _, err = openNames(o, 1); err != nil || g.Writable() {
		t.Fatalf("%v", err)
	}
	if info, err := os.Stat(g.Path()); err != nil || info.Size() != g.Size() || len(f.at) != 1 {
		t.Errorf("%d bytes, %d in use, written at %v, %v", info.Size(), g.Size(), f.at, err)
	}
	if err := g.Close(); err != nil {
		t.Error(err)
	}
}
