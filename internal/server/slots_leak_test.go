package server

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet"
)

// TestSlotsComeBack: no slot is lost, however an answer ends.
func TestSlotsComeBack(t *testing.T) {
	pool := newSlots()
	pool.after = time.Millisecond
	op := leanfleet.Operation{Name: "stats"}
	take := func() *slot {
		x, err := pool.slot(t.Context(), op, false)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	paused := func(x *slot) func() error {
		return func() error {
			for {
				pool.mu.Lock()
				n := len(pool.waiting)
				pool.mu.Unlock()
				if n > 0 {
					return nil
				}
			}
		}
	}
	// The client goes away while the answer waits for a slot again.
	x := take()
	ctx, cancel := context.WithCancel(t.Context())
	var others []*slot
	err := x.write(ctx, func() error {
		err := paused(x)()
		for range atOnce { // the one that was lent, too
			others = append(others, take())
		}
		cancel()
		return err
	}, func() { t.Error("it was cut off") })
	x.release()
	if !errors.Is(err, context.Canceled) || x.held || len(pool.free) != atOnce || len(pool.waiting) != 0 {
		t.Errorf("error %v, held %v, %d slots taken, %d wait", err, x.held, len(pool.free), len(pool.waiting))
	}
	for _, y := range others {
		y.release()
		y.release() // once more does nothing
	}
	// The write fails while others have the slot.
	x, failed := take(), errors.New("the connection is gone")
	err = x.write(t.Context(), func() error { return errors.Join(failed, paused(x)()) }, func() {})
	x.release()
	if !errors.Is(err, failed) || len(pool.free) != 0 || len(pool.waiting) != 0 {
		t.Errorf("error %v, %d slots taken, %d wait", err, len(pool.free), len(pool.waiting))
	}
	// Too many wait: the first is cut off, and takes no slot again.
	pool.paused = 0
	x, cut := take(), make(chan bool)
	err = x.write(t.Context(), func() error { <-cut; return nil }, func() { close(cut) })
	x.release()
	if !errors.Is(err, errUnread) || len(pool.free) != 0 || len(pool.waiting) != 0 {
		t.Errorf("error %v, %d slots taken, %d wait", err, len(pool.free), len(pool.waiting))
	}
}

// TestPanics: an operation that panics gives its slot back.
func TestPanics(t *testing.T) {
	s := httptest.NewUnstartedServer(Handler(Options{})) // without a Monitor
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Start()
	defer s.Close()
	client := &http.Client{Timeout: 10 * time.Second}
	for i := range atOnce + 1 {
		answer, err := client.Post(s.URL+Prefix+"stats", "application/json", strings.NewReader("{}"))
		if err == nil {
			answer.Body.Close()
			t.Errorf("request %d was answered", i)
		}
		if err != nil && !strings.Contains(err.Error(), "EOF") {
			t.Fatalf("request %d: %v", i, err)
		}
	}
}
