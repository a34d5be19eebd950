package collect_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/leanfleet/leanfleet/collect"
	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/fleettest"
)

// clock is the bubble's, with a wall clock that can be set.
type clock struct {
	mu    sync.Mutex
	begun time.Time
	off   time.Duration
}

func newClock() *clock { return &clock{begun: time.Now()} }

func (c *clock) now() (time.Time, time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := time.Now()
	return t.Round(0).Add(c.off), t.Sub(c.begun)
}

func (c *clock) set(d time.Duration) { c.mu.Lock(); c.off += d; c.mu.Unlock() }

// counter is a collector that reports the minute that ended.
type counter struct {
	host     string
	clock    *clock
	interval time.Duration
	takes    time.Duration
	err      error
	bad      bool

	mu      sync.Mutex
	last    int64
	calls   []time.Time
	samples int
}

func (c *counter) Collect(ctx context.Context) ([]fleet.Batch, error) {
	now, _ := c.clock.now()
	if c.takes > 0 {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(c.takes):
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, now)
	step := c.interval.Milliseconds()
	slot := now.UnixMilli() / step * step
	before := c.last
	c.last = slot
	if before == 0 || slot != before+step {
		return nil, c.err
	}
	b := fleet.Batch{Host: fleet.HostID(c.host), Origin: fleet.OriginAgent, Start: []int64{before}, Step: int32(step),
		Columns: []fleet.Column{{Metric: fleet.CPUUsage, Values: []int32{int32(len(c.calls))}}, {Metric: fleet.MemoryUsage, Values: []int32{1}}}}
	if c.bad {
		b.Columns[0].Values[0] = -1
	}
	return []fleet.Batch{b}, c.err
}

func (c *counter) Sample(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.samples++
	return nil
}

func (c *counter) Statements(context.Context) ([]fleet.Statement, error) {
	return []fleet.Statement{{Record: fleet.Record{Host: fleet.HostID(c.host), OS: "linux"}}}, nil
}

func (c *counter) Notes() []string { return []string{"a note of " + c.host} }

// sink is an engine that can be told to fail.
type sink struct {
	*fleettest.Memory
	mu    sync.Mutex
	fail  error
	never string // a host that it takes nothing of
	puts  int
}

func (s *sink) Append(ctx context.Context, b []fleet.Batch) (fleet.Appended, error) {
	s.mu.Lock()
	err := s.fail
	if err == nil && slices.ContainsFunc(b, func(x fleet.Batch) bool { return string(x.Host) == s.never }) {
		err = errors.New("unknown metric of " + s.never)
	}
	s.mu.Unlock()
	if err != nil {
		return fleet.Appended{}, err
	}
	return s.Memory.Append(ctx, b)
}

func (s *sink) PutRecords(ctx context.Context, list []fleet.Statement, put fleet.Put) (fleet.PutResult, error) {
	s.mu.Lock()
	s.puts++
	s.mu.Unlock()
	return s.Memory.PutRecords(ctx, list, put)
}

func (s *sink) set(err error) { s.mu.Lock(); s.fail = err; s.mu.Unlock() }

// bench is a loop under test; its bubble begins at midnight, 2000-01-01.
type bench struct {
	t     *testing.T
	clock *clock
	sink  *sink
	hosts []*counter
	loop  *collect.Loop
	stop  context.CancelFunc
	done  chan error
}

func start(t *testing.T, hosts int, change func(*bench, *collect.Options)) *bench {
	b := &bench{t: t, clock: newClock(), sink: &sink{Memory: fleettest.NewMemory(fleettest.Options{})}, done: make(chan error, 1)}
	o := collect.Options{Now: b.clock.now}
	for i := range hosts {
		b.hosts = append(b.hosts, &counter{host: fmt.Sprintf("host-%04d", i), clock: b.clock, interval: time.Minute})
	}
	if change != nil {
		change(b, &o)
	}
	var tasks []collect.Task
	for _, h := range b.hosts {
		tasks = append(tasks, collect.Task{Name: h.host, Collector: h})
	}
	var err error
	if b.loop, err = collect.New(b.sink, tasks, o); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	b.stop = stop
	go func() { b.done <- b.loop.Run(ctx) }()
	return b
}

func (b *bench) end(want string) collect.Status {
	b.t.Helper()
	b.stop()
	err := <-b.done
	if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
		b.t.Errorf("run ended with %v, not %q", err, want)
	}
	return b.loop.Status()
}

// stored are the starts of a host's samples, as minutes since the begin.
func (b *bench) stored(host string) (out []int) {
	b.t.Helper()
	q := fleet.Query{Metric: fleet.MemoryUsage, Hosts: fleet.SelectHost(fleet.HostID(host)), Window: fleet.Window{Start: b.clock.begun.Add(-48 * time.Hour), End: b.clock.begun.Add(48 * time.Hour)}}
	for s, err := range b.sink.Series(b.t.Context(), q) {
		if err != nil {
			b.t.Fatal(err)
		}
		for _, x := range s.Start {
			out = append(out, int(time.UnixMilli(x).Sub(b.clock.begun)/time.Minute))
		}
	}
	return out
}

func (b *bench) wantStored(host string, want ...int) {
	b.t.Helper()
	if got := b.stored(host); !slices.Equal(got, want) {
		b.t.Errorf("%s has samples of the minutes %v, not %v", host, got, want)
	}
}

func TestThousandCollectors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, 1000, func(b *bench, o *collect.Options) { o.SampleEvery = -1; o.Spread = 20 * time.Second; o.Workers = 32 })
		time.Sleep(5*time.Minute + 30*time.Second)
		s := b.end("")
		if s.Collections != 6000 || s.Failures != 0 || s.Collected != 10000 || s.Stored.Inserted != 10000 || s.Waiting+s.Dropped+s.Refused+s.Skipped+s.LeftOut != 0 {
			t.Errorf("%+v", s.Stored)
		}
		for _, h := range []string{"host-0000", "host-0999"} {
			b.wantStored(h, 0, 1, 2, 3, 4)
		}
		if c := b.hosts[500].calls[1].Sub(b.clock.begun); c != time.Minute+10*time.Second {
			t.Errorf("the middle one was called %s after the beginning", c)
		}
		if len(s.Tasks) != 1000 || s.Tasks[7].Name != "host-0007" || s.Tasks[7].Samples != 10 || s.Tasks[7].LastSuccess.IsZero() || s.LastStored.IsZero() {
			t.Errorf("%+v", s.Tasks[7])
		}
	})
}

func TestSinkFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, 3, nil)
		time.Sleep(90 * time.Second)
		b.sink.set(errors.New("the disk is full"))
		time.Sleep(4 * time.Minute)
		if s := b.loop.Status(); s.Waiting != 3*2*4 || s.SinkErrors == 0 || s.LastSinkError != "the disk is full" {
			t.Errorf("while it fails: %+v", s)
		}
		b.sink.set(nil)
		time.Sleep(time.Minute)
		if s := b.loop.Status(); s.Waiting != 0 || s.Dropped != 0 {
			t.Errorf("afterwards: %+v", s)
		}
		b.end("")
		b.wantStored("host-0001", 0, 1, 2, 3, 4, 5)
	})
}

func TestBufferIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, 1, func(b *bench, o *collect.Options) { o.Buffer = 6; b.sink.fail = errors.New("no") })
		time.Sleep(10*time.Minute + time.Second)
		if s := b.loop.Status(); s.Waiting != 6 || s.Dropped != 14 {
			t.Errorf("%d samples wait, %d dropped", s.Waiting, s.Dropped)
		}
		b.sink.set(nil)
		b.end("")
		b.wantStored("host-0000", 7, 8, 9)
	})
}

func TestSinkThatNeverTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, 2, func(b *bench, o *collect.Options) { b.sink.fail = errors.New("no") })
		time.Sleep(150 * time.Second)
		b.end("8 samples are lost, the sink did not take them: no")
	})
}

// TestRefusedBatch: what a sink refuses of one host keeps no other out.
func TestRefusedBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, 20, func(b *bench, o *collect.Options) { b.sink.never = "host-0003"; b.hosts[4].bad = true })
		time.Sleep(6*time.Minute + 30*time.Second)
		b.sink.mu.Lock()
		b.sink.never = "" // mended
		b.sink.mu.Unlock()
		s := b.end("")
		b.wantStored("host-0002", 0, 1, 2, 3, 4, 5)
		if s.Refused == 0 || s.Refused%2 != 0 || int(s.Refused)/2+len(b.stored("host-0003")) != 6 {
			t.Errorf("%d samples refused, stored %v", s.Refused, b.stored("host-0003"))
		}
		if x := s.Tasks[4]; x.Failures != 6 || x.Consecutive != 6 || x.Samples != 0 || !strings.Contains(x.LastError, "cannot be stored") || !strings.Contains(x.LastError, "negative") {
			t.Errorf("%+v", x)
		}
	})
}

func TestEndsAndFlushes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, 2, func(b *bench, o *collect.Options) { b.hosts[1].takes = 10 * time.Second })
		time.Sleep(60*time.Second + 50*time.Millisecond) // collected, not yet stored
		if s := b.loop.Status(); s.Waiting != 2 {
			t.Errorf("%d samples wait", s.Waiting)
		}
		begun := time.Now()
		s := b.end("")
		if d := time.Since(begun); d > time.Second {
			t.Errorf("it took %s to end", d)
		}
		b.wantStored("host-0000", 0)
		if s.Waiting != 0 || s.Failures != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestTimeNobodyRan(t *testing.T) {
	for name, c := range map[string]struct {
		jump    time.Duration
		want    []int
		skipped int64
	}{
		"Suspended":    {30 * time.Minute, []int{0, 1, 33, 34, 35}, 30},
		"SetBack":      {-time.Hour, []int{-56, -55, 0, 1}, 0},
		"SetForAWhile": {20 * time.Second, []int{0, 1, 4, 5}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := start(t, 1, nil)
				time.Sleep(2*time.Minute + 30*time.Second)
				b.clock.set(c.jump)
				time.Sleep(4 * time.Minute)
				s := b.end("")
				got := b.stored("host-0000")
				for _, w := range c.want {
					if !slices.Contains(got, w) {
						t.Errorf("the minute %d is missing in %v", w, got)
					}
				}
				if len(got) > 6 || s.Skipped != c.skipped {
					t.Errorf("minutes %v, %d skipped, not %d", got, s.Skipped, c.skipped)
				}
			})
		})
	}
}

// TestSuspendedProcess stops the whole process for seven minutes: its clocks
// go on, nothing is called.
func TestSuspendedProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, 1, nil)
		time.Sleep(90 * time.Second)
		b.clock.set(7 * time.Minute)
		b.clock.mu.Lock()
		b.clock.begun = b.clock.begun.Add(-7 * time.Minute)
		b.clock.mu.Unlock()
		time.Sleep(3 * time.Minute)
		s := b.end("")
		b.clock.begun = b.clock.begun.Add(7 * time.Minute)
		b.wantStored("host-0000", 0, 9, 10)
		if s.Skipped != 7 {
			t.Errorf("%d skipped", s.Skipped)
		}
	})
}

func TestSlowAndFailing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, 4, func(b *bench, o *collect.Options) {
			b.hosts[1].takes = 150 * time.Second // cut by the timeout
			b.hosts[2].err = errors.New("memory: permission denied")
			b.hosts[3].takes = 75 * time.Second
			o.Timeout = 80 * time.Second
			o.Stored = func(fleet.Appended) {}
		})
		time.Sleep(10*time.Minute + time.Second)
		s := b.end("")
		if x := s.Tasks[1]; x.Failures == 0 || x.Overruns == 0 || !strings.Contains(x.LastError, "deadline") || x.Longest != 80*time.Second {
			t.Errorf("slow: %+v", x)
		}
		if x := s.Tasks[2]; x.Failures != 11 || x.Samples != 20 || x.LastError != "memory: permission denied" || x.LastErrorAt.IsZero() || !x.LastSuccess.IsZero() {
			t.Errorf("failing: %+v", x)
		}
		if x := s.Tasks[3]; x.Overruns == 0 || x.Failures != 0 {
			t.Errorf("slower than the interval: %+v", x)
		}
		b.wantStored("host-0000", 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
		b.wantStored("host-0002", 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
	})
}

// TestTooManyForTheTime has calls for longer than the interval has time.
func TestTooManyForTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, 10, func(b *bench, o *collect.Options) {
			for _, h := range b.hosts {
				h.takes = 10 * time.Second
			}
			o.Workers = 1
		})
		time.Sleep(10 * time.Minute)
		if s := b.end(""); s.LeftOut == 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestSamplesAndStatements(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, 2, nil)
		time.Sleep(3*time.Minute + time.Second)
		if s := b.end(""); len(s.Tasks[1].Notes) != 1 || s.Tasks[1].Notes[0] != "a note of host-0001" {
			t.Errorf("notes %q", s.Tasks[1].Notes)
		}
		if n := b.hosts[0].samples; n != 33 { // eleven a minute: the twelfth is Collect's
			t.Errorf("%d finer readings", n)
		}
		if b.sink.puts != 2 {
			t.Errorf("%d statements, not one for each host", b.sink.puts)
		}
		r, err := b.sink.Records(t.Context(), fleet.MustSelector("os=linux"), fleet.Window{})
		if err != nil || len(r) != 2 {
			t.Errorf("%v %v", r, err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		b := start(t, 1, func(b *bench, o *collect.Options) {
			o.State = func(context.Context, []fleet.Statement) error {
				if calls++; calls < 3 {
					return errors.New("nobody listens")
				}
				return nil
			}
		})
		time.Sleep(5 * time.Minute)
		s := b.end("")
		if calls != 3 || s.Tasks[0].Failures != 2 || !strings.Contains(s.Tasks[0].LastError, "state what the host is: nobody listens") {
			t.Errorf("%d calls, %+v", calls, s.Tasks[0])
		}
	})
}

func TestOptions(t *testing.T) {
	now := func() (time.Time, time.Duration) { return time.Time{}, 0 }
	m := fleettest.NewMemory(fleettest.Options{})
	c := &counter{}
	for want, f := range map[string]func() (*collect.Loop, error){
		"nowhere": func() (*collect.Loop, error) { return collect.New(nil, nil, collect.Options{Now: now}) },
		"clock":   func() (*collect.Loop, error) { return collect.New(m, nil, collect.Options{}) },
		"between 10 ms and 24 h": func() (*collect.Loop, error) {
			return collect.New(m, nil, collect.Options{Now: now, Interval: 25 * time.Hour})
		},
		"half": func() (*collect.Loop, error) {
			return collect.New(m, nil, collect.Options{Now: now, Spread: time.Hour})
		},
		"negative": func() (*collect.Loop, error) { return collect.New(m, nil, collect.Options{Now: now, Workers: -1}) },
		"no name": func() (*collect.Loop, error) {
			return collect.New(m, []collect.Task{{Collector: c}}, collect.Options{Now: now})
		},
		"two tasks": func() (*collect.Loop, error) {
			return collect.New(m, []collect.Task{{"a", c}, {"a", c}}, collect.Options{Now: now})
		},
	} {
		if _, err := f(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, not %q", err, want)
		}
	}
}
