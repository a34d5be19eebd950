package local_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/collect/local"
	"github.com/leanfleet/leanfleet/collect/local/proctree"
	"github.com/leanfleet/leanfleet/fleet"
)

// clock is a wall clock that can be set, and one that cannot.
type clock struct {
	mu   sync.Mutex
	wall time.Time
	mono time.Duration
}

func newClock() *clock {
	return &clock{wall: time.Date(2024, 6, 1, 12, 0, 0, 0, time.UTC), mono: time.Hour}
}

func (c *clock) now() (time.Time, time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wall, c.mono
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	c.wall, c.mono = c.wall.Add(d), c.mono+d
	c.mu.Unlock()
}
func (c *clock) set(d time.Duration) { c.mu.Lock(); c.wall = c.wall.Add(d); c.mu.Unlock() }

// world is a recorded machine, its clock and its collector.
type world struct {
	t     *testing.T
	host  *proctree.Host
	clock *clock
	*local.Collector
}

func newWorld(t *testing.T, m proctree.Machine, change func(*local.Options)) *world {
	t.Helper()
	if m.Name == "" {
		m.Name = "web-1"
	}
	w := &world{t: t, host: proctree.New(t.TempDir(), m), clock: newClock()}
	w.write()
	o := local.Options{Now: w.clock.now, Root: w.host.Dir, Space: func(string) (local.Space, error) { return local.Space{Used: 30, Available: 70}, nil }}
	if change != nil {
		change(&o)
	}
	c, err := local.New(o)
	if err != nil {
		t.Fatal(err)
	}
	w.Collector = c
	return w
}

func (w *world) write() {
	w.t.Helper()
	if err := w.host.Write(); err != nil {
		w.t.Fatal(err)
	}
}

// pass lets the machine work for some time.
func (w *world) pass(d time.Duration, l proctree.Load) {
	w.t.Helper()
	w.host.Advance(d, l)
	w.write()
	w.clock.pass(d)
}

func (w *world) sample() {
	w.t.Helper()
	if err := w.Sample(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// collect returns what is collected, one line a batch.
func (w *world) collect() string {
	w.t.Helper()
	batches, err := w.Collect(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return show(batches)
}

// wants compares what is collected, or the part of it that the expected line
// names.
func (w *world) wants(want string) {
	w.t.Helper()
	got := w.collect()
	if want == "" || got == "" {
		if want != got {
			w.t.Fatalf("collected\n%s\nwanted\n%s", got, want)
		}
		return
	}
	for _, line := range strings.Split(want, "\n") {
		words := strings.Fields(line)
		found := false
		for _, g := range strings.Split(got, "\n") {
			have := strings.Fields(g)
			if have[0] == words[0] {
				found = true
				for _, x := range words[1:] {
					name, isAbsent := strings.CutPrefix(x, "!")
					if isAbsent == slices.ContainsFunc(have, func(s string) bool { return s == x || isAbsent && strings.HasPrefix(s, name+"=") }) {
						w.t.Errorf("wanted %s in\n%s", x, g)
					}
				}
			}
		}
		if !found {
			w.t.Errorf("wanted %s in\n%s", words[0], got)
		}
	}
}

// show prints batches: START or START/GROUP, then metric=value.
func show(batches []fleet.Batch) string {
	var lines []string
	for _, b := range batches {
		line := time.UnixMilli(b.Start[0]).UTC().Format("15:04:05")
		if b.Group != "" {
			line += "/" + b.Group
		}
		values := map[string]string{}
		for _, c := range b.Columns {
			values[c.Metric.Name] = fmt.Sprintf("%g", c.Metric.Value(int64(c.Values[0])))
		}
		for _, name := range slices.Sorted(maps.Keys(values)) {
			line += fmt.Sprintf(" %s=%s", name, values[name])
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}
