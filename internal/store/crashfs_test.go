package store

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/cespare/xxhash/v2"
)

// crashFS is a file layer over a real directory that knows what would be left
// of it if the machine lost its power now: what Sync made durable of files, and
// what SyncDir made durable of directories. leanfleet.db is bbolt's: it is left as
// of its last commit, unless its directory was not synced.
//
// It can make the n-th change fail, and can pretend the n-th sync.
type crashFS struct {
	osFS
	root string // always there

	mu      sync.Mutex
	live    map[string]*node // by path
	durable map[string]map[string]*node
	step    int // changes so far
	syncs   int // syncs so far

	// onStep is called before each change with what it is about to be.
	onStep func(step int, what string)
	// failAt is the change that fails, 0 none; failWith is its error. All after
	// it fail too while failOn is set.
	failAt   int
	failWith error
	failOn   bool
	// shorter are files that were cut off and not synced since: that takes no room of
	// a disk that is full.
	shorter map[string]bool
	// again are the syncs of files that had been synced as they were, but for zeros at
	// the end.
	again map[int]bool
	// swallow is the sync that does nothing, 0 none.
	swallow int
}

// noSyncFS is the real file layer without waiting for the disk.
func noSyncFS() FS { return osFS{noSync: true} }

// node is a file or directory, whatever its name.
type node struct {
	dir    bool
	bolt   bool   // bbolt writes and syncs it
	synced []byte // of bbolt's once it is removed
}

// isBolt says whether bbolt writes a file.
func isBolt(path string) bool { return filepath.Base(path) == dbName }

func newCrashFS(root string) *crashFS {
	c := &crashFS{root: root, shorter: map[string]bool{}, again: map[int]bool{}, live: map[string]*node{}, durable: map[string]map[string]*node{}}
	// What a test finds there was there for long.
	_ = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		n := &node{dir: e.IsDir(), bolt: isBolt(path)}
		if !e.IsDir() {
			n.synced, _ = os.ReadFile(path)
		}
		c.live[path] = n
		c.entries(filepath.Dir(path))[filepath.Base(path)] = n
		return nil
	})
	return c
}

func (c *crashFS) entries(dir string) map[string]*node {
	if c.durable[dir] == nil {
		c.durable[dir] = map[string]*node{}
	}
	return c.durable[dir]
}

// change counts a change and says whether it is to fail.
func (c *crashFS) change(what, path string) error {
	c.mu.Lock()
	c.step++
	step, hook := c.step, c.onStep
	fail := step == c.failAt || (c.failOn && c.failAt > 0 && step > c.failAt && what != "truncate" && !c.shorter[path])
	if !fail && what == "truncate" {
		c.shorter[path] = true
	} else if !fail && what == "sync" {
		delete(c.shorter, path)
	}
	c.mu.Unlock()
	if hook != nil {
		hook(step, what+" "+filepath.Base(path))
	}
	if fail {
		return &fs.PathError{Op: what, Path: path, Err: c.failWith}
	}
	return nil
}

// pretend counts a sync and says whether it is to do nothing.
func (c *crashFS) pretend() bool {
	c.syncs++
	return c.syncs == c.swallow
}

func (c *crashFS) Mkdir(path string) error {
	if err := c.change("mkdir", path); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.osFS.Mkdir(path); err != nil {
		return err
	}
	c.live[path] = &node{dir: true}
	return nil
}

func (c *crashFS) Create(path string) (File, error) {
	if err := c.change("create", path); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	f, err := c.osFS.Create(path)
	if err != nil {
		return nil, err
	}
	n := &node{}
	c.live[path] = n
	return &crashFile{File: f, fs: c, node: n, path: path}, nil
}

func (c *crashFS) OpenWrite(path string) (File, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f, err := c.osFS.OpenWrite(path)
	if err != nil {
		return nil, err
	}
	return &crashFile{File: f, fs: c, node: c.live[path], path: path}, nil
}

func (c *crashFS) Rename(from, to string) error {
	if err := c.change("rename", to); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entriesNow(filepath.Dir(from))
	if err := c.osFS.Rename(from, to); err != nil {
		return err
	}
	c.live[to] = c.live[from]
	delete(c.live, from)
	return nil
}

func (c *crashFS) Remove(path string) error {
	if err := c.change("remove", path); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entriesNow(filepath.Dir(path))
	if n := c.live[path]; n != nil && n.bolt {
		n.synced, _ = os.ReadFile(path)
	}
	if err := c.osFS.Remove(path); err != nil {
		return err
	}
	delete(c.live, path)
	return nil
}

func (c *crashFS) SyncDir(path string) error {
	if err := c.change("syncdir", path); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pretend() {
		return nil
	}
	c.durable[path] = c.entriesNow(path)
	return nil
}

// entriesNow is a directory as it is, with bbolt's files, which come and go
// beside this layer.
func (c *crashFS) entriesNow(dir string) map[string]*node {
	files, _ := os.ReadDir(dir)
	for _, e := range files {
		if path := filepath.Join(dir, e.Name()); isBolt(path) && c.live[path] == nil {
			c.live[path] = &node{bolt: true}
		}
	}
	now := map[string]*node{}
	for path, n := range c.live {
		if filepath.Dir(path) == dir {
			now[filepath.Base(path)] = n
		}
	}
	return now
}

type crashFile struct {
	File
	fs   *crashFS
	node *node
	path string
}

// Write writes a part of what it is given when it is to fail.
func (f *crashFile) Write(p []byte) (int, error) {
	if err := f.fs.change("write", f.path); err != nil {
		n, _ := f.File.Write(p[:len(p)/2])
		return n, err
	}
	return f.File.Write(p)
}

// WriteAt is as Write.
func (f *crashFile) WriteAt(p []byte, at int64) (int, error) {
	if err := f.fs.change("write", f.path); err != nil {
		n, _ := f.File.WriteAt(p[:len(p)/2], at)
		return n, err
	}
	return f.File.WriteAt(p, at)
}

func (f *crashFile) Truncate(size int64) error {
	if err := f.fs.change("truncate", f.path); err != nil {
		return err
	}
	return f.File.Truncate(size)
}

func (f *crashFile) SyncData() error { return f.Sync() }

func (f *crashFile) Sync() error {
	if err := f.fs.change("sync", f.path); err != nil {
		return err
	}
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.fs.pretend() {
		return nil
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	data := make([]byte, info.Size())
	if _, err := f.ReadAt(data, 0); err != nil && len(data) > 0 {
		return err
	}
	if f.node.synced != nil && bytes.Equal(bytes.TrimRight(f.node.synced, "\x00"), bytes.TrimRight(data, "\x00")) {
		f.fs.again[f.fs.syncs] = true
	}
	f.node.synced = data
	return nil
}

// An image is what a crash leaves.
type image int

const (
	// powerLoss leaves only what was synced.
	powerLoss image = iota
	// eagerNames has every change of names, but of contents only what was synced:
	// the worst of a file system that writes names first.
	eagerNames
	// killed leaves everything, as the end of a process does.
	killed
	// mixed keeps or loses each unsynced change by a coin, and tears contents.
	mixed
)

func (i image) String() string {
	return [...]string{"powerLoss", "eagerNames", "killed", "mixed"}[i]
}

var images = []image{powerLoss, eagerNames, killed, mixed}

// left is what a crash leaves: directories, which come before what is in them, and
// files, by their paths below the root.
type left struct {
	paths []string
	data  map[string][]byte // of files
}

// sum tells two of them apart.
func (l *left) sum() uint64 {
	h := xxhash.New()
	for _, path := range l.paths {
		data, file := l.data[path]
		_, _ = fmt.Fprintf(h, "%q %v %d ", path, file, len(data))
		_, _ = h.Write(data)
	}
	return h.Sum64()
}

func (l *left) write(t testing.TB, to string) {
	t.Helper()
	if err := os.MkdirAll(to, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, path := range l.paths {
		data, file := l.data[path]
		err := error(nil)
		if path = filepath.Join(to, path); file {
			err = os.WriteFile(path, data, 0o644)
		} else {
			err = os.Mkdir(path, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// crash writes an image of the root into a new directory.
func (c *crashFS) crash(t testing.TB, kind image, to string) {
	t.Helper()
	c.leaves(t, kind).write(t, to)
}

// leaves is an image of the root.
func (c *crashFS) leaves(t testing.TB, kind image) *left {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := &left{data: map[string][]byte{}}
	c.crashDir(t, kind, rand.New(rand.NewPCG(uint64(c.step), uint64(kind))), c.root, "", l)
	return l
}

func (c *crashFS) crashDir(t testing.TB, kind image, coin *rand.Rand, dir, to string, l *left) {
	entries := c.entries(dir)
	now := c.entriesNow(dir)
	switch kind {
	case eagerNames, killed:
		entries = now
	case mixed:
		entries = mix(coin, entries, now)
	}
	for _, name := range sortedKeys(entries) {
		n, from, target := entries[name], filepath.Join(dir, name), filepath.Join(to, name)
		l.paths = append(l.paths, target)
		if n.dir {
			c.crashDir(t, kind, coin, from, target, l)
			continue
		}
		data := n.synced
		if live := c.pathOf(n); n.bolt && live != "" {
			data = read(t, live)
		} else if live := c.pathOf(n); live != "" && (kind == killed || kind == mixed && coin.IntN(2) == 0) {
			data = read(t, live)
			if kind == mixed {
				data = torn(coin, n.synced, data)
			}
		}
		l.data[target] = data
	}
}

// torn is a file of which some sectors are as they were when it was synced, and
// the others are what was written since.
func torn(coin *rand.Rand, synced, now []byte) []byte {
	low, high := min(len(synced), len(now)), max(len(synced), len(now))
	out := make([]byte, low+coin.IntN(high-low+1))
	for at := 0; at < len(out); at += 512 {
		from := synced
		if coin.IntN(2) == 0 {
			from = now
		}
		if at < len(from) {
			copy(out[at:min(at+512, len(out))], from[at:])
		}
	}
	return out
}

func (c *crashFS) pathOf(n *node) string {
	for path, x := range c.live {
		if x == n {
			return path
		}
	}
	return ""
}

// mix lets each file have the names from before or those from after: a rename
// is never half done.
func mix(coin *rand.Rand, before, after map[string]*node) map[string]*node {
	choice := map[*node]bool{}
	choose := func(n *node) bool {
		if _, ok := choice[n]; !ok {
			choice[n] = coin.IntN(2) == 0
		}
		return choice[n]
	}
	out := map[string]*node{}
	for _, name := range sortedKeys(before) {
		if n := before[name]; !choose(n) || after[name] == n {
			out[name] = n
		}
	}
	for _, name := range sortedKeys(after) {
		if n := after[name]; choose(n) {
			out[name] = n // over a file it replaced
		}
	}
	return out
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

var (
	errDiskFull = fmt.Errorf("%w", syscall.ENOSPC)
	errDisk     = fmt.Errorf("%w", syscall.EIO)
)
