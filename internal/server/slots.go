package server

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/leanfleet/leanfleet"
)

// atOnce is how many questions are answered at the same time; each may take some
// hundred megabytes and all cores.
const atOnce = 4

// mostPaused is how many answers may wait for clients that do not read, such as
// a pager; each holds the files it reads and what it had read ahead, some 65 MB
// for an export of a hundred hosts. When there is one more the one that waits
// longest is cut off.
const mostPaused = 4

// pausedAfter is how long a piece of an answer may take to be written before its
// client counts as one that does not read.
const pausedAfter = 250 * time.Millisecond

// errUnread ends an answer that nobody reads while others wait.
var errUnread = errors.New("nobody reads the answer, and too many others are not read either")

// slots are rights to compute: few, so that memory is bounded. An answer whose
// client does not read computes nothing, and others have its slot meanwhile.
type slots struct {
	free   chan struct{}
	after  time.Duration // see pausedAfter
	paused int           // see mostPaused

	mu      sync.Mutex
	waiting []*slot // for their clients, the longest first
}

func newSlots() *slots {
	return &slots{free: make(chan struct{}, atOnce), after: pausedAfter, paused: mostPaused}
}

// slot is one answer's right to compute; nil computes without one.
type slot struct {
	pool *slots
	held bool
	cut  func()
	gone bool // it was cut off; guarded by the pool's mutex
}

// slot waits until an operation may be run. A status is told at once, and so is
// what comes as input begun: it takes as long as its sender likes.
func (s *slots) slot(ctx context.Context, op leanfleet.Operation, input bool) (*slot, error) {
	if s == nil || input || op.Name == "status" {
		return nil, nil
	}
	x := &slot{pool: s}
	return x, x.take(ctx)
}

func (x *slot) take(ctx context.Context) error {
	select {
	case x.pool.free <- struct{}{}:
		x.held = true
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// release ends the right to compute.
func (x *slot) release() {
	if x != nil && x.held {
		x.held = false
		<-x.pool.free
	}
}

// write writes a piece of the answer. When that takes long others have the slot
// until it is done. Cut ends the write from outside. Calls must not overlap.
func (x *slot) write(ctx context.Context, piece func() error, cut func()) error {
	if x == nil {
		return piece()
	}
	var mu sync.Mutex
	done, lent := false, false
	timer := time.AfterFunc(x.pool.after, func() {
		mu.Lock()
		defer mu.Unlock()
		if !done {
			lent = true
			x.release()
			x.pool.pause(x, cut)
		}
	})
	err := piece()
	timer.Stop()
	mu.Lock()
	done = true
	mu.Unlock()
	if !lent {
		return err
	}
	if x.pool.resume(x) {
		return errors.Join(errUnread, err)
	}
	if err != nil {
		return err
	}
	return x.take(ctx)
}

// pause notes that an answer waits for its client, and cuts off the one that
// waits longest where there are too many.
func (s *slots) pause(x *slot, cut func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x.cut = cut
	s.waiting = append(s.waiting, x)
	if len(s.waiting) > s.paused {
		first := s.waiting[0]
		s.waiting = s.waiting[1:]
		first.gone = true
		first.cut()
	}
}

// resume notes that a client reads again, and says whether the answer was cut off.
func (s *slots) resume(x *slot) (gone bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = slices.DeleteFunc(s.waiting, func(y *slot) bool { return y == x })
	return x.gone
}
