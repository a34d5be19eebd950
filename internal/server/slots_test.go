package server_test

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/server"
	"github.com/leanfleet/leanfleet/statistics"
)

// pager is a reader of an answer who reads a first piece and no more until he is
// told to.
type pager struct {
	bytes.Buffer
	reading sync.Once
	first   chan struct{} // closed with the first piece
	goOn    chan struct{}
}

func (p *pager) Write(b []byte) (int, error) {
	p.reading.Do(func() { close(p.first) })
	<-p.goOn
	return p.Buffer.Write(b)
}

// TestPagers: answers whose clients do not read hold up nobody, and are whole
// when they are read at last; when too many are paused the one that waits longest
// is cut off, and says so.
func TestPagers(t *testing.T) {
	h := hold(t, t.TempDir())
	if _, err := h.monitor.Simulate(t.Context(), leanfleet.SimulateRequest{Hosts: 8, Days: 8, Interval: 10 * time.Minute, Seed: 7}); err != nil {
		t.Fatal(err)
	}
	scope := fleet.Scope{Range: "7d"}
	var want bytes.Buffer
	if _, err := h.monitor.Export(t.Context(), leanfleet.ExportRequest{Scope: scope, Output: &want}); err != nil {
		t.Fatal(err)
	}
	if want.Len() < 1<<20 {
		t.Fatalf("%d bytes fit into buffers", want.Len())
	}
	goOn := make(chan struct{})
	var pagers []*pager
	errs := make(chan error, 100)
	export := func() {
		p := &pager{first: make(chan struct{}), goOn: goOn}
		pagers = append(pagers, p)
		client, err := server.Connect(t.Context(), h.dir, server.Settings{Who: "carlos"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(client.Close)
		go func() {
			_, err := client.Run(t.Context(), operation(t, "export"), &leanfleet.ExportRequest{Scope: scope, Output: p})
			errs <- err
		}()
	}
	ask := func() {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		client, err := server.Connect(ctx, h.dir, server.Settings{Who: "carlos"})
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		if _, err := client.Run(ctx, operation(t, "stats"), &statistics.Request{Scope: scope, Metric: "cpu_usage"}); err != nil {
			t.Fatalf("beside %d paused exports: %v", len(pagers), err)
		}
	}
	begun := func() { <-pagers[len(pagers)-1].first }
	for range max(server.AtOnce, server.MostPaused) {
		export()
		begun()
	}
	ask()
	export() // one too many
	begun()
	ask()
	// Only then all are surely paused, the last too.
	select {
	case err := <-errs:
		t.Errorf("an export that nobody read to its end: %v", err)
	case <-time.After(600 * time.Millisecond):
	}
	close(goOn)
	cut := 0
	for range pagers {
		if err := <-errs; err != nil {
			cut++
			if !strings.Contains(err.Error(), "the answer was cut off") {
				t.Error(err)
			}
		}
	}
	whole := 0
	for _, p := range pagers {
		if bytes.Equal(p.Bytes(), want.Bytes()) {
			whole++
		}
	}
	if cut != 1 || whole != len(pagers)-1 {
		t.Errorf("of %d exports %d were cut off and %d are whole", len(pagers), cut, whole)
	}
	ask()
}
