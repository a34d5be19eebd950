package collect

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

// queue holds batches until the sink has taken them.
type queue struct {
	most int // samples
	wake chan struct{}

	mu      sync.Mutex
	items   []item
	samples int
	dropped int64 // samples
	refused int64
}

// item is a batch that waits.
type item struct {
	batch   fleet.Batch
	samples int
	strikes int // how often it was refused while others were taken
}

// add appends batches, drops the oldest when there are too many, and returns
// the number of samples.
func (q *queue) add(batches []fleet.Batch) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for _, b := range batches {
		s := b.Samples()
		if s == 0 {
			continue
		}
		n += s
		q.items = append(q.items, item{batch: b, samples: s})
	}
	q.samples += n
	q.bound()
	if n > 0 {
		select {
		case q.wake <- struct{}{}:
		default:
		}
	}
	return n
}

// take returns up to n items and forgets them.
func (q *queue) take(n int) []item {
	q.mu.Lock()
	defer q.mu.Unlock()
	n = min(n, len(q.items))
	out := slices.Clone(q.items[:n])
	q.items = q.items[n:]
	if len(q.items) == 0 {
		q.items = nil // what was taken is not held
	}
	for i := range out {
		q.samples -= out[i].samples
	}
	return out
}

// giveBack puts items before those that wait; the oldest are dropped when that
// is too many.
func (q *queue) giveBack(items []item) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range items {
		q.samples += items[i].samples
	}
	q.items = append(slices.Clone(items), q.items...)
	q.bound()
}

// bound drops the oldest items while there are too many.
func (q *queue) bound() {
	for q.samples > q.most && len(q.items) > 0 {
		q.samples -= q.items[0].samples
		q.dropped += int64(q.items[0].samples)
		q.items = q.items[1:]
	}
}

func (q *queue) refuse(n int) {
	q.mu.Lock()
	q.refused += int64(n)
	q.mu.Unlock()
}

func (q *queue) counts() (waiting int, dropped, refused int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.samples, q.dropped, q.refused
}

// chunk is how many batches are offered to the sink at once.
const chunk = 1000

// gather is how long batches may wait for others to be stored with them, so
// that a sink that commits each call has fewer to commit.
const gather = 200 * time.Millisecond

// store offers batches to the sink until stop is closed. While the sink takes
// none it tries again after a second, then two, and so on up to half a minute.
func (l *Loop) store(ctx context.Context, stop <-chan struct{}) {
	pause := time.Duration(0)
	for {
		if pause == 0 {
			select {
			case <-stop:
				return
			case <-l.queue.wake:
			}
		}
		timer := time.NewTimer(max(pause, min(gather, l.opt.Interval/10)))
		select {
		case <-stop:
			timer.Stop()
			return
		case <-timer.C:
		}
		if l.flush(ctx) == nil {
			pause = 0
			continue
		}
		pause = min(max(time.Second, 2*pause), 30*time.Second)
	}
}

// flush offers all that waits to the sink.
func (l *Loop) flush(ctx context.Context) error {
	for {
		items := l.queue.take(chunk)
		if len(items) == 0 {
			return nil
		}
		if err := l.offer(ctx, items); err != nil {
			return err
		}
	}
}

// offer stores items together, else one by one: a batch that the sink refuses
// must not keep others out. One that was refused three times while others
// were taken is given up.
func (l *Loop) offer(ctx context.Context, items []item) error {
	err := l.append(ctx, items)
	if err == nil {
		return nil
	}
	if len(items) == 1 || ctx.Err() != nil { // whose fault it is shows when there are others
		l.queue.giveBack(items)
		return err
	}
	const enough = 5 // failures in a row mean that it is the sink's fault
	var failed []item
	taken, row := 0, 0
	for i := range items {
		if row == enough && taken == 0 {
			failed = append(failed, items[i:]...)
			break
		}
		if e := l.append(ctx, items[i:i+1]); e != nil {
			err = e
			failed = append(failed, items[i])
			row++
			continue
		}
		taken++
		row = 0
	}
	if len(failed) == 0 {
		return nil
	}
	if taken > 0 {
		failed = l.strike(failed)
	}
	l.queue.giveBack(failed)
	if len(failed) == 0 {
		return nil
	}
	return err
}

// strike notes that items were refused while others were taken, and leaves out
// those that are given up.
func (l *Loop) strike(items []item) []item {
	const most = 3
	kept := items[:0]
	for _, it := range items {
		if it.strikes++; it.strikes >= most {
			l.queue.refuse(it.samples)
			continue
		}
		kept = append(kept, it)
	}
	return kept
}

func (l *Loop) append(ctx context.Context, items []item) error {
	batches := make([]fleet.Batch, len(items))
	for i := range items {
		batches[i] = items[i].batch
	}
	n, err := l.sink.Append(ctx, batches)
	wall, _ := l.opt.Now()
	l.count(func(s *Status) {
		if err != nil {
			if ctx.Err() != nil {
				return // told to end, not refused
			}
			s.SinkErrors++
			s.LastSinkError, s.LastSinkErrorAt = err.Error(), wall.Round(0)
			return
		}
		s.LastStored = wall.Round(0)
		s.Stored.add(n)
	})
	if err == nil && l.opt.Stored != nil {
		l.opt.Stored(n)
	}
	return err
}

// drain stores what waits when the loop ends.
func (l *Loop) drain(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.opt.FlushTimeout)
	defer cancel()
	err := l.flush(ctx)
	if waiting, _, _ := l.queue.counts(); waiting > 0 {
		return fmt.Errorf("collect: %d samples are lost, the sink did not take them: %w", waiting, err)
	}
	return nil
}
