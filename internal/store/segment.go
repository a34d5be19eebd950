package store

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"sort"

	"github.com/leanfleet/leanfleet/internal/store/dayfile"
)

// dayMillis is the length of a UTC day.
const dayMillis = int64(24 * 60 * 60 * 1000)

// arena holds the chunks of a load until they are spilled or committed: an
// external merge sort's memory. Chunks lie in slabs, their places in entries.
type arena struct {
	slabs   [][]byte
	spare   [][]byte // emptied slabs, to be used again
	entries []arenaEntry
	bytes   int64
}

// arenaEntry is the place of a chunk.
type arenaEntry struct {
	day  dayfile.Day
	host uint32 // a number of the load's hosts
	slab uint32
	off  uint32
	len  uint32
}

const (
	minSlab   = 16 << 10
	maxSlab   = 1 << 20
	entrySize = 20
)

// add copies a chunk into the arena.
func (a *arena) add(day dayfile.Day, host uint32, chunk []byte) {
	last := len(a.slabs) - 1
	if last < 0 || cap(a.slabs[last])-len(a.slabs[last]) < len(chunk) {
		a.slabs = append(a.slabs, a.newSlab(len(chunk)))
		last++
	}
	off := len(a.slabs[last])
	a.slabs[last] = append(a.slabs[last], chunk...)
	a.entries = append(a.entries, arenaEntry{day, host, uint32(last), uint32(off), uint32(len(chunk))})
}

func (a *arena) newSlab(need int) []byte {
	if n := len(a.spare); n > 0 && cap(a.spare[n-1]) >= need {
		slab := a.spare[n-1]
		a.spare = a.spare[:n-1]
		a.bytes += int64(cap(slab))
		return slab[:0]
	}
	size := minSlab
	if n := len(a.slabs); n > 0 {
		size = min(maxSlab, 2*cap(a.slabs[n-1]))
	}
	size = max(size, need)
	a.bytes += int64(size)
	return make([]byte, 0, size)
}

// used is the memory the arena holds.
func (a *arena) used() int64 { return a.bytes + int64(len(a.entries))*entrySize }

// reset empties the arena and keeps its larger slabs.
func (a *arena) reset() {
	for _, slab := range a.slabs {
		if cap(slab) >= maxSlab {
			a.spare = append(a.spare, slab)
		}
	}
	a.slabs, a.entries, a.bytes = a.slabs[:0], a.entries[:0], 0
}

// sort orders the chunks by day, host id, then arrival. rank orders host numbers
// as their ids are.
func (a *arena) sort(rank []uint32) {
	slices.SortFunc(a.entries, func(x, y arenaEntry) int {
		return cmp.Or(cmp.Compare(x.day, y.day), cmp.Compare(rank[x.host], rank[y.host]),
			cmp.Compare(x.slab, y.slab), cmp.Compare(x.off, y.off))
	})
}

func (a *arena) chunk(e arenaEntry) []byte { return a.slabs[e.slab][e.off : e.off+e.len] }

// days returns the distinct days of a sorted arena.
func (a *arena) days() []dayfile.Day {
	var out []dayfile.Day
	for _, e := range a.entries {
		if len(out) == 0 || out[len(out)-1] != e.day {
			out = append(out, e.day)
		}
	}
	return out
}

// ofDay returns the entries of a day in a sorted arena.
func (a *arena) ofDay(day dayfile.Day) []arenaEntry {
	lo := sort.Search(len(a.entries), func(i int) bool { return a.entries[i].day >= day })
	hi := sort.Search(len(a.entries), func(i int) bool { return a.entries[i].day > day })
	return a.entries[lo:hi]
}

// cursor walks the chunks of one day in one segment, by host, then arrival.
type cursor interface {
	// next moves to the next chunk; false at the end or after an error.
	next() bool
	// host and chunk are those next moved to, valid until the next call.
	host() uint32
	chunk() []byte
	err() error
}

// arenaCursor walks a sorted arena.
type arenaCursor struct {
	a       *arena
	entries []arenaEntry
	at      int
}

func (c *arenaCursor) next() bool    { c.at++; return c.at <= len(c.entries) }
func (c *arenaCursor) host() uint32  { return c.entries[c.at-1].host }
func (c *arenaCursor) chunk() []byte { return c.a.chunk(c.entries[c.at-1]) }
func (c *arenaCursor) err() error    { return nil }

// A spill file holds sorted segments, one after another; a segment holds its
// days, one after another; a day is frames:
//
//	length of the payload, CRC-32C of the payload (4 bytes each, little endian)
//	payload: host number, length of the chunk (varints), chunk; and so on
//
// Which days lie where is known to the load alone: the file does not outlive it.

// frameSize is where a frame ends. Each segment's cursor holds one frame.
const frameSize = 16 << 10

// maxFrame bounds a frame's payload: one chunk may exceed frameSize.
const maxFrame = 16 << 20

const frameHeader = 8

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// span is where the frames of one day of one segment lie in the spill file.
type span struct{ off, len int64 }

// spill is a load's spill file.
type spill struct {
	file  File
	path  string
	size  int64
	spans map[dayfile.Day][]span // in order of the segments
	buf   []byte                 // frames to be written
	frame []byte
}

// spillBuffer is how much is written at once.
const spillBuffer = 512 << 10

// write appends a sorted arena as a segment.
func (s *spill) write(a *arena) error {
	for _, day := range a.days() {
		begin := s.size + int64(len(s.buf))
		for _, e := range a.ofDay(day) {
			s.frame = binary.AppendUvarint(s.frame, uint64(e.host))
			s.frame = binary.AppendUvarint(s.frame, uint64(e.len))
			s.frame = append(s.frame, a.chunk(e)...)
			if len(s.frame) >= frameSize {
				if err := s.endFrame(); err != nil {
					return err
				}
			}
		}
		if err := s.endFrame(); err != nil {
			return err
		}
		s.spans[day] = append(s.spans[day], span{begin, s.size + int64(len(s.buf)) - begin})
	}
	return s.flush()
}

func (s *spill) endFrame() error {
	if len(s.frame) == 0 {
		return nil
	}
	s.buf = binary.LittleEndian.AppendUint32(s.buf, uint32(len(s.frame)))
	s.buf = binary.LittleEndian.AppendUint32(s.buf, crc32.Checksum(s.frame, castagnoli))
	s.buf = append(s.buf, s.frame...)
	s.frame = s.frame[:0]
	if len(s.buf) >= spillBuffer {
		return s.flush()
	}
	return nil
}

func (s *spill) flush() error {
	n, err := s.file.Write(s.buf)
	s.size += int64(n)
	if err == nil && n < len(s.buf) {
		err = io.ErrShortWrite
	}
	s.buf = s.buf[:0]
	if err != nil {
		return fmt.Errorf("write %s: %w", s.path, err)
	}
	return nil
}

// frameCursor walks the frames of one span of a spill file.
type frameCursor struct {
	file     io.ReaderAt
	path     string
	off, end int64
	buf      []byte
	rest     []byte
	curHost  uint32
	curChunk []byte
	failed   error
}

func (c *frameCursor) host() uint32  { return c.curHost }
func (c *frameCursor) chunk() []byte { return c.curChunk }
func (c *frameCursor) err() error    { return c.failed }

func (c *frameCursor) next() bool {
	if c.failed != nil {
		return false
	}
	if len(c.rest) == 0 {
		if c.off >= c.end {
			return false
		}
		if c.failed = c.readFrame(); c.failed != nil {
			return false
		}
	}
	host, n := binary.Uvarint(c.rest)
	if n > 0 && host <= 1<<32-1 {
		size, m := binary.Uvarint(c.rest[n:])
		if m > 0 && size <= uint64(len(c.rest)-n-m) {
			c.curHost = uint32(host)
			c.curChunk = c.rest[n+m : n+m+int(size)]
			c.rest = c.rest[n+m+int(size):]
			return true
		}
	}
	c.failed = fmt.Errorf("read %s before byte %d: %w", c.path, c.off, errChunk)
	return false
}

func (c *frameCursor) readFrame() error {
	var header [frameHeader]byte
	if c.end-c.off < frameHeader {
		return fmt.Errorf("read %s at byte %d: %w: a frame is cut off", c.path, c.off, errChunk)
	}
	if _, err := c.file.ReadAt(header[:], c.off); err != nil {
		return fmt.Errorf("read %s at byte %d: %w", c.path, c.off, err)
	}
	size := int64(binary.LittleEndian.Uint32(header[:]))
	if size == 0 || size > maxFrame || size > c.end-c.off-frameHeader {
		return fmt.Errorf("read %s at byte %d: %w: a frame of %d bytes", c.path, c.off, errChunk, size)
	}
	c.buf = grow(c.buf, int(size))
	if _, err := c.file.ReadAt(c.buf, c.off+frameHeader); err != nil {
		return fmt.Errorf("read %s at byte %d: %w", c.path, c.off, err)
	}
	if crc32.Checksum(c.buf, castagnoli) != binary.LittleEndian.Uint32(header[4:]) {
		return fmt.Errorf("read %s at byte %d: %w: checksum of a frame", c.path, c.off, errChunk)
	}
	c.off += frameHeader + size
	c.rest = c.buf
	return nil
}

// merger yields the chunks of one day from several segments by host, then
// segment, then arrival: the order in which they were added, for each host.
type merger struct {
	rank    []uint32
	cursors []cursor // a heap, by rank of the host, then segment
	order   []int    // segment of each cursor in the heap
}

func newMerger(rank []uint32, cursors []cursor) (*merger, error) {
	m := &merger{rank: rank}
	for i, c := range cursors {
		if !c.next() {
			if err := c.err(); err != nil {
				return nil, err
			}
			continue
		}
		if err := m.check(c); err != nil {
			return nil, err
		}
		m.cursors, m.order = append(m.cursors, c), append(m.order, i)
	}
	for i := len(m.cursors)/2 - 1; i >= 0; i-- {
		m.down(i)
	}
	return m, nil
}

func (m *merger) check(c cursor) error {
	if int(c.host()) >= len(m.rank) {
		return fmt.Errorf("%w: host number %d", errChunk, c.host())
	}
	return nil
}

func (m *merger) less(i, j int) bool {
	a, b := m.rank[m.cursors[i].host()], m.rank[m.cursors[j].host()]
	return a < b || (a == b && m.order[i] < m.order[j])
}

func (m *merger) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(m.cursors) {
			return
		}
		if child+1 < len(m.cursors) && m.less(child+1, child) {
			child++
		}
		if !m.less(child, i) {
			return
		}
		m.cursors[i], m.cursors[child] = m.cursors[child], m.cursors[i]
		m.order[i], m.order[child] = m.order[child], m.order[i]
		i = child
	}
}

// peek returns the host of the next chunk; false at the end.
func (m *merger) peek() (host uint32, ok bool) {
	if len(m.cursors) == 0 {
		return 0, false
	}
	return m.cursors[0].host(), true
}

// chunk is the next chunk, valid until advance.
func (m *merger) chunk() []byte { return m.cursors[0].chunk() }

// advance moves past the next chunk.
func (m *merger) advance() error {
	c := m.cursors[0]
	if c.next() {
		if err := m.check(c); err != nil {
			return err
		}
	} else {
		if err := c.err(); err != nil {
			return err
		}
		last := len(m.cursors) - 1
		m.cursors[0], m.order[0] = m.cursors[last], m.order[last]
		m.cursors, m.order = m.cursors[:last], m.order[:last]
	}
	m.down(0)
	return nil
}
