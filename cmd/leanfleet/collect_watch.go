package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/collect"
	"github.com/leanfleet/leanfleet/internal/report"
)

// retainEvery is how often a collector looks for days beyond the retention.
const retainEvery = time.Hour

// retention drops old days while a process collects.
type retention struct {
	keep, every time.Duration

	mu    sync.Mutex
	state collect.Retention
}

// in is a status with what was dropped.
func (r *retention) in(s collect.Status) collect.Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	state := r.state
	state.Keep, state.Every = r.keep, r.every
	s.Retention = &state
	return s
}

// run drops the days beyond the retention, now and then, until the context ends.
func (r *retention) run(ctx context.Context, a *app, m *leanfleet.Monitor) error {
	for {
		dropped, err := m.Retain(ctx, leanfleet.RetainRequest{Keep: r.keep})
		if ctx.Err() != nil {
			return nil
		}
		r.mu.Lock()
		before := r.state.LastError
		r.state.Ran, r.state.LastError = a.now(), ""
		r.state.DaysDropped += dropped.DaysDropped
		if err != nil {
			r.state.LastError = err.Error()
		}
		r.mu.Unlock()
		switch {
		case err != nil && err.Error() != before:
			a.complain(fmt.Errorf("retention: %w", err))
		case dropped.DaysDropped > 0:
			a.note("Dropped %s beyond the retention of %s.", plural(int64(dropped.DaysDropped), "day"), report.FormatDuration(r.keep))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(r.every):
		}
	}
}

// watchEvery is how often a collector's trouble is looked for, at most.
const watchEvery = 10 * time.Second

// watch tells of trouble when it begins and when it is over, for the log of a
// service; --quiet does not silence it.
func (a *app) watch(ctx context.Context, loop *collect.Loop, every time.Duration) error {
	last := loop.Status()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(every):
		}
		s := loop.Status()
		for _, line := range trouble(&last, &s) {
			a.complain(errors.New(line))
		}
		last = s
	}
}

// trouble is what went wrong, or right again, between two looks.
func trouble(before, now *collect.Status) []string {
	var out []string
	stuck := func(s *collect.Status) bool { return s.Waiting > 0 && s.LastSinkErrorAt.After(s.LastStored) }
	switch {
	case stuck(now) && (!stuck(before) || now.LastSinkError != before.LastSinkError):
		out = append(out, fmt.Sprintf("%s to be stored, and tried again: %s", waits(now.Waiting), now.LastSinkError))
	case stuck(before) && !stuck(now):
		out = append(out, fmt.Sprintf("samples are stored again; %s lost", report.FormatCount(now.Dropped+now.Refused)))
	}
	if n := now.Dropped + now.Refused - before.Dropped - before.Refused; n > 0 {
		out = append(out, plural(n, "sample")+" lost")
	}
	if n := now.Skipped - before.Skipped; n > 0 {
		out = append(out, plural(n, "interval")+" skipped: this process did not run, or the clock was set")
	}
	for i := range now.Tasks {
		x := &now.Tasks[i]
		var y collect.TaskStatus
		if i < len(before.Tasks) {
			y = before.Tasks[i]
		}
		switch {
		case x.Consecutive > 0 && (y.Consecutive == 0 || x.LastError != y.LastError):
			out = append(out, fmt.Sprintf("measuring %s: %s", x.Name, x.LastError))
		case x.Consecutive == 0 && y.Consecutive > 0:
			out = append(out, fmt.Sprintf("measuring %s works again", x.Name))
		}
	}
	return out
}

// waits is "1 sample waits" or "3 samples wait".
func waits(n int64) string {
	if n == 1 {
		return plural(n, "sample") + " waits"
	}
	return plural(n, "sample") + " wait"
}
