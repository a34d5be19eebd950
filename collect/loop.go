package collect

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

// Task is a collector and what it is called in [Status] and errors.
type Task struct {
	Name      string
	Collector fleet.Collector
}

// Sampler is a collector that takes finer readings between two calls of
// Collect.
type Sampler interface {
	Sample(ctx context.Context) error
}

// Noter is a collector that has something to say to readers of its numbers, such
// as that a container's limits are measured; [Status] has it.
type Noter interface {
	Notes() []string
}

// Options say when and how collectors are called.
type Options struct {
	// Now tells the wall clock, and the time passed on a clock that is never set.
	// It must be set.
	Now func() (wall time.Time, monotonic time.Duration)
	// Interval between two calls of a collector; 0 is a minute. Calls are made at
	// its multiples since 1970.
	Interval time.Duration
	// SampleEvery is how often collectors that are a Sampler take finer readings;
	// 0 is a twelfth of the interval, a negative one never.
	SampleEvery time.Duration
	// Spread is how much of the interval the calls of many collectors are spread
	// over, each always at the same place; 0 makes all at the interval's end. At
	// most half of the interval.
	Spread time.Duration
	// Workers is how many collectors are called at once; 0 is 8.
	Workers int
	// Timeout of one call; 0 is the interval.
	Timeout time.Duration
	// Buffer is how many samples are kept while the sink takes none; 0 is five
	// million, some 50 MB. Beyond, the oldest are dropped and counted.
	Buffer int
	// FlushTimeout bounds the last write when Run ends; 0 is 10 s.
	FlushTimeout time.Duration
	// State is given what collectors that are a [fleet.Inventory] say of their
	// hosts: at the beginning, and when they say something else. nil writes it to
	// the sink.
	State func(ctx context.Context, statements []fleet.Statement) error
	// Stored is called after samples were stored, by one goroutine at a time; it
	// may be nil.
	Stored func(fleet.Appended)
}

// Loop calls collectors. Make one with [New].
type Loop struct {
	sink  fleet.Sink
	tasks []*task
	opt   Options
	queue queue

	mu     sync.Mutex
	status Status
}

// task is a Task under way.
type task struct {
	Task
	mu     sync.Mutex // held while it collects
	status TaskStatus // guarded by the loop's mutex
	notes  []string   // guarded by the loop's mutex
	stated string     // what was stated last
}

// New returns a loop over collectors.
func New(sink fleet.Sink, tasks []Task, o Options) (*Loop, error) {
	if o.Interval == 0 {
		o.Interval = time.Minute
	}
	if o.SampleEvery == 0 {
		o.SampleEvery = o.Interval / 12
	}
	if o.Workers == 0 {
		o.Workers = 8
	}
	if o.Timeout == 0 {
		o.Timeout = o.Interval
	}
	if o.Buffer == 0 {
		o.Buffer = 5_000_000
	}
	if o.FlushTimeout == 0 {
		o.FlushTimeout = 10 * time.Second
	}
	switch {
	case sink == nil:
		return nil, errors.New("collect: there is nowhere to store to")
	case o.Now == nil:
		return nil, errors.New("collect: the clock is missing")
	case o.Interval < 10*time.Millisecond || o.Interval > fleet.MaxStep:
		return nil, fmt.Errorf("collect: an interval of %s is not between 10 ms and 24 h", o.Interval)
	case o.Spread < 0 || o.Spread > o.Interval/2:
		return nil, fmt.Errorf("collect: calls cannot be spread over %s of an interval of %s: at most half of it", o.Spread, o.Interval)
	case o.Workers < 0 || o.Timeout < 0 || o.Buffer < 0 || o.FlushTimeout < 0:
		return nil, errors.New("collect: workers, timeouts and buffer cannot be negative")
	}
	l := &Loop{sink: sink, opt: o}
	seen := map[string]bool{}
	for _, t := range tasks {
		switch {
		case t.Collector == nil || t.Name == "":
			return nil, fmt.Errorf("collect: task %q has no name or no collector", t.Name)
		case seen[t.Name]:
			return nil, fmt.Errorf("collect: two tasks are called %q", t.Name)
		}
		seen[t.Name] = true
		l.tasks = append(l.tasks, &task{Task: t, status: TaskStatus{Name: t.Name}})
	}
	l.queue = queue{most: o.Buffer, wake: make(chan struct{}, 1)}
	l.status.Interval = o.Interval
	return l, nil
}

// Run collects until the context ends, then stores what is left and returns
// nil, or an error that says how many samples could not be stored. It is to be
// called once.
func (l *Loop) Run(ctx context.Context) error {
	wall, _ := l.opt.Now()
	l.mu.Lock()
	l.status.Started = wall.Round(0)
	l.mu.Unlock()

	var collecting, storing sync.WaitGroup
	jobs := make(chan *task)
	for range min(l.opt.Workers, max(1, len(l.tasks))) {
		collecting.Go(func() {
			for t := range jobs {
				l.collect(ctx, t)
			}
		})
	}
	collecting.Go(func() { l.sample(ctx) })
	stop := make(chan struct{})
	storing.Go(func() { l.store(ctx, stop) })

	l.schedule(ctx, jobs)
	close(jobs)
	collecting.Wait()
	close(stop)
	storing.Wait()
	return l.drain(ctx)
}

// schedule hands tasks out until the context ends: all at once, so that they
// have a first reading, then at each boundary of the grid.
func (l *Loop) schedule(ctx context.Context, jobs chan<- *task) {
	if !l.round(ctx, jobs, time.Time{}) {
		return
	}
	for {
		boundary, ok := l.boundary(ctx)
		if !ok || !l.round(ctx, jobs, boundary) {
			return
		}
	}
}

// boundary waits for the next boundary of the grid. When more time passed than
// was waited for, the process was stopped, the machine slept, or the clock was
// set: the boundaries between are skipped and counted, and the next is waited for.
func (l *Loop) boundary(ctx context.Context) (time.Time, bool) {
	late := l.opt.Interval / 4
	now, _ := l.opt.Now()
	now = now.Round(0)
	next := after(now, l.opt.Interval)
	for {
		if !sleep(ctx, min(next.Sub(now), l.opt.Interval)) {
			return time.Time{}, false
		}
		now, _ = l.opt.Now()
		now = now.Round(0)
		switch d := now.Sub(next); {
		case d > late:
			reached := after(now, l.opt.Interval).Add(-l.opt.Interval)
			l.skipped(int64(reached.Sub(next) / l.opt.Interval))
			if now.Sub(reached) <= late {
				return reached, true
			}
			l.skipped(1)
			next = reached.Add(l.opt.Interval)
		case d < -l.opt.Interval: // the clock was set back
			next = after(now, l.opt.Interval)
		case d >= 0:
			return next, true
		}
	}
}

// after is the first multiple of d since 1970 that lies after a time.
func after(t time.Time, d time.Duration) time.Time {
	past := time.Duration(t.UnixNano()) % d
	return t.Round(0).Add(d - past)
}

func (l *Loop) skipped(n int64) {
	l.mu.Lock()
	l.status.Skipped += n
	l.mu.Unlock()
}

// sleep waits, and is false when the context ended.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// round hands out all tasks, each at its place behind a boundary; at once when
// there is none. It is false when the context ended. A round that lasts into the
// next one's time leaves the rest of its tasks out; they are counted.
func (l *Loop) round(ctx context.Context, jobs chan<- *task, boundary time.Time) bool {
	begun := l.monotonic()
	for i, t := range l.tasks {
		if !boundary.IsZero() {
			place := l.opt.Spread * time.Duration(i) / time.Duration(len(l.tasks))
			if place > 0 && !sleep(ctx, place-(l.monotonic()-begun)) {
				return false
			}
			if l.monotonic()-begun > l.opt.Interval*3/4 {
				l.count(func(s *Status) { s.LeftOut += int64(len(l.tasks) - i) })
				return true
			}
		}
		select {
		case <-ctx.Done():
			return false
		case jobs <- t:
		}
	}
	return true
}

func (l *Loop) monotonic() time.Duration {
	_, mono := l.opt.Now()
	return mono
}

func (l *Loop) count(change func(*Status)) {
	l.mu.Lock()
	change(&l.status)
	l.mu.Unlock()
}

// collect calls one collector, unless it is still busy with the last call.
func (l *Loop) collect(ctx context.Context, t *task) {
	if !t.mu.TryLock() {
		l.count(func(*Status) { t.status.Overruns++ })
		return
	}
	defer t.mu.Unlock()
	limited, cancel := context.WithTimeout(ctx, l.opt.Timeout)
	defer cancel()
	begun := l.monotonic()
	batches, err := t.Collector.Collect(limited)
	err = errors.Join(err, l.describe(limited, t))
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		err = nil // Run was told to end
	}
	var kept []fleet.Batch
	for i := range batches {
		if bad := batches[i].Validate(); bad != nil {
			err = errors.Join(err, fmt.Errorf("it returned what cannot be stored: %w", bad))
			continue
		}
		kept = append(kept, batches[i])
	}
	samples := l.queue.add(kept)
	wall, mono := l.opt.Now()
	var notes []string
	if n, ok := t.Collector.(Noter); ok {
		notes = n.Notes()
	}
	l.count(func(s *Status) {
		t.notes = notes
		t.status.add(wall.Round(0), mono-begun, samples, err)
		s.collected(mono-begun, samples, err != nil)
	})
}

// describe states what a collector knows of its host, when that is news.
func (l *Loop) describe(ctx context.Context, t *task) error {
	inv, ok := t.Collector.(fleet.Inventory)
	if !ok {
		return nil
	}
	statements, err := inv.Statements(ctx)
	key := ""
	for i := range statements {
		key += fmt.Sprintf("%+v\n", statements[i])
	}
	if len(statements) == 0 || key == t.stated {
		return err
	}
	put := l.opt.State
	if put == nil {
		put = func(ctx context.Context, list []fleet.Statement) error {
			now, _ := l.opt.Now()
			_, err := l.sink.PutRecords(ctx, list, fleet.Put{At: now.Round(0), Who: "leanfleet collect", Why: "as the host itself says", Origin: fleet.OriginAgent})
			return err
		}
	}
	if putErr := put(ctx, statements); putErr != nil {
		return errors.Join(err, fmt.Errorf("state what the host is: %w", putErr))
	}
	t.stated = key
	return err
}

// sample takes finer readings until the context ends.
func (l *Loop) sample(ctx context.Context) {
	var list []*task
	for _, t := range l.tasks {
		if _, ok := t.Collector.(Sampler); ok {
			list = append(list, t)
		}
	}
	every := l.opt.SampleEvery
	if every <= 0 || len(list) == 0 {
		return
	}
	for {
		now, _ := l.opt.Now()
		now = now.Round(0)
		if !sleep(ctx, min(after(now, every).Sub(now), every)) {
			return
		}
		if now, _ = l.opt.Now(); l.opt.Interval-after(now, l.opt.Interval).Sub(now.Round(0)) < every/2 {
			continue // Collect reads by itself
		}
		for _, t := range list {
			if err := t.Collector.(Sampler).Sample(ctx); err != nil && ctx.Err() == nil {
				l.count(func(*Status) { t.status.SampleErrors++; t.status.LastError = err.Error() })
			}
		}
	}
}
