package head

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
)

// disk is a file in the memory of a system, and what of it is on a disk: pages are
// written there by a sync. One that fails writes some of their sectors, and the
// system takes them for written nevertheless.
type disk struct {
	memory
	stable []byte
	dirty  map[int]bool // pages
	coin   *rand.Rand
	fails  int // one of how many operations, 0 none
}

const page = 4096

func (d *disk) touch(from, to int) {
	for p := from / page; p*page < to; p++ {
		d.dirty[p] = true
	}
}

func (d *disk) failing() bool { return d.fails > 0 && d.coin.IntN(d.fails) == 0 }

func (d *disk) WriteAt(p []byte, at int64) (n int, err error) {
	if d.failing() {
		p, err = p[:d.coin.IntN(len(p)+1)], syscall.ENOSPC
	}
	n, _ = d.memory.WriteAt(p, at)
	d.touch(int(at), int(at)+n)
	return n, err
}

func (d *disk) Truncate(size int64) error {
	if d.failing() {
		return syscall.EIO
	}
	d.data = append(make([]byte, 0, size), d.data[:size]...)
	d.touch(int(size), int(size)+1)
	return nil
}

func (d *disk) SyncData() error {
	if d.failing() {
		d.stable = d.some()
		clear(d.dirty)
		return syscall.EIO
	}
	d.stable = d.after(func() bool { return true })
	clear(d.dirty)
	return nil
}

// after is what is on the disk once some sectors of the dirty pages are written.
func (d *disk) after(written func() bool) []byte {
	out := make([]byte, len(d.data))
	copy(out, d.stable)
	for p := range d.dirty {
		for at := p * page; at < min((p+1)*page, len(out)); at += sector {
			if written() {
				copy(out[at:min(at+sector, len(out))], d.data[at:])
			}
		}
	}
	return out
}

// some is what may be on the disk: some sectors, and some of the length.
func (d *disk) some() []byte {
	out := d.after(func() bool { return d.coin.IntN(2) == 0 })
	switch n := len(d.stable); {
	case len(out) > n && d.coin.IntN(2) == 0:
		out = out[:n+d.coin.IntN(len(out)-n+1)]
	case len(out) < n && d.coin.IntN(2) == 0:
		return append(out, d.stable[len(out):]...)
	}
	return out
}

// TestDisk: whatever of writes and syncs fails, and whenever the process or the
// machine stops, the log has what was acknowledged, in order, and beyond it at most
// the commit that was under way.
func TestDisk(t *testing.T) {
	for seed := range uint64(400) {
		coin := rand.New(rand.NewPCG(seed, 7))
		d := &disk{dirty: map[int]bool{}, coin: coin}
		l, err := newLog(d, 1, 3000)
		if err != nil {
			t.Fatal(err)
		}
		var want [][]byte
		for range 6 {
			d.fails = 4 + coin.IntN(30)
			var perhaps []byte
			for range coin.IntN(12) {
				r := make([]byte, coin.IntN(1+[]int{30, 300, 9000}[coin.IntN(3)]))
				if coin.IntN(2) == 0 {
					r = append(r, byte(seed), byte(len(want)))
				}
				uncertain, err := l.commit([][]byte{r})
				if err == nil {
					want = append(want, r)
				} else if uncertain {
					perhaps = r
					break
				}
			}
			d.fails = 0
			stopped := coin.IntN(3)
			if stopped == 0 && perhaps == nil { // in the middle of a commit
				perhaps = make([]byte, coin.IntN(5000))
				f, _ := l.frame([][]byte{perhaps})
				_ = l.write(f, [][]byte{perhaps}, int64(coin.IntN(2)*3000))
			}
			if stopped < 2 { // the machine
				d.data = d.some()
				d.stable = slices.Clone(d.data)
				clear(d.dirty)
			}
			var got [][]byte
			l, err = openLog(d, 1, func(_ uint64, b []byte) error { got = append(got, bytes.Clone(b)); return nil })
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if perhaps != nil && len(got) == len(want)+1 && bytes.Equal(got[len(want)], perhaps) {
				want = append(want, perhaps)
			}
			if !slices.EqualFunc(got, want, bytes.Equal) {
				t.Fatalf("seed %d: %d records, not %d", seed, len(got), len(want))
			}
			l.ahead = 3000
			if err := l.settle(true); err != nil {
				t.Fatal(err)
			}
		}
	}
}
