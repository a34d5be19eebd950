package collect

import (
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

// Status is what a loop did so far. Counts of samples are values: one metric of
// one host at one time.
type Status struct {
	Started  time.Time     `json:"started"`
	Interval time.Duration `json:"interval_ns"`
	// Collections and Failures count calls of collectors, and those that
	// returned an error, be it beside batches.
	Collections int64 `json:"collections"`
	Failures    int64 `json:"failures"`
	// Collected is the samples that collectors returned.
	Collected int64 `json:"collected"`
	// Skipped is the intervals in which nothing was called, because the process
	// did not run or the clock was set.
	Skipped int64 `json:"skipped_intervals"`
	// LeftOut is the calls that were not made because a round lasted too long.
	LeftOut int64 `json:"left_out"`
	// Stored is what became of samples in the sink.
	Stored Stored `json:"stored"`
	// Waiting is the samples that the sink has not taken yet, Dropped those given
	// up because there were too many, Refused those that it took nothing of.
	Waiting int64 `json:"waiting"`
	Dropped int64 `json:"dropped"`
	Refused int64 `json:"refused"`
	// SinkErrors counts writes that failed; they are tried again.
	SinkErrors      int64     `json:"sink_errors"`
	LastSinkError   string    `json:"last_sink_error,omitempty"`
	LastSinkErrorAt time.Time `json:"last_sink_error_at,omitzero"`
	LastStored      time.Time `json:"last_stored,omitzero"`
	// Longest and Total are the time of calls of collectors.
	Longest time.Duration `json:"longest_ns"`
	Total   time.Duration `json:"total_ns"`
	// Retention is what the process drops that collects; nil where it drops
	// nothing. The loop leaves it to its caller.
	Retention *Retention `json:"retention,omitempty"`
	// Tasks are the collectors, in their order.
	Tasks []TaskStatus `json:"collectors"`
}

// Retention is what became of old days while a process collected.
type Retention struct {
	// Keep is how long samples are kept, counted back from the newest day stored.
	Keep time.Duration `json:"keep_ns"`
	// Every is the time between two looks, Ran when the last one was.
	Every time.Duration `json:"every_ns"`
	Ran   time.Time     `json:"ran,omitzero"`
	// DaysDropped is the days dropped since the process began.
	DaysDropped int `json:"days_dropped"`
	// LastError is why days could not be dropped at the last look.
	LastError string `json:"last_error,omitempty"`
}

// Stored counts what became of samples, see [fleet.Appended].
type Stored struct {
	Inserted  int64 `json:"inserted"`
	Changed   int64 `json:"changed"`
	Unchanged int64 `json:"unchanged"`
	Outranked int64 `json:"outranked"`
	Refused   int64 `json:"refused"`
}

func (s *Stored) add(n fleet.Appended) {
	s.Inserted += n.Inserted
	s.Changed += n.Changed
	s.Unchanged += n.Unchanged
	s.Outranked += n.Outranked
	for _, r := range n.Refused {
		s.Refused += r.Samples
	}
}

// TaskStatus is what one collector did.
type TaskStatus struct {
	Name        string `json:"name"`
	Collections int64  `json:"collections"`
	Failures    int64  `json:"failures"`
	// Consecutive is the failures since the last call without an error.
	Consecutive int64 `json:"consecutive_failures"`
	// Overruns is the calls not made because the one before was still under way.
	Overruns int64 `json:"overruns"`
	Samples  int64 `json:"samples"`
	// SampleErrors counts finer readings that failed.
	SampleErrors int64         `json:"sample_errors"`
	LastSuccess  time.Time     `json:"last_success,omitzero"`
	LastSamples  time.Time     `json:"last_samples,omitzero"`
	LastError    string        `json:"last_error,omitempty"`
	LastErrorAt  time.Time     `json:"last_error_at,omitzero"`
	Last         time.Duration `json:"last_ns"`
	Longest      time.Duration `json:"longest_ns"`
	// Notes are what the collector says to readers of its numbers, if it is a
	// [Noter].
	Notes []string `json:"notes,omitempty"`
}

func (s *Status) collected(d time.Duration, samples int, failed bool) {
	s.Collections++
	s.Collected += int64(samples)
	s.Total += d
	s.Longest = max(s.Longest, d)
	if failed {
		s.Failures++
	}
}

func (t *TaskStatus) add(now time.Time, d time.Duration, samples int, err error) {
	t.Collections++
	t.Samples += int64(samples)
	t.Last = d
	t.Longest = max(t.Longest, d)
	if samples > 0 {
		t.LastSamples = now
	}
	if err != nil {
		t.Failures++
		t.Consecutive++
		t.LastError, t.LastErrorAt = err.Error(), now
		return
	}
	t.Consecutive = 0
	t.LastSuccess = now
}

// Status returns what the loop did so far. It may be called at any time, by any
// goroutine.
func (l *Loop) Status() Status {
	waiting, dropped, refused := l.queue.counts()
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.status
	s.Waiting, s.Dropped, s.Refused = int64(waiting), dropped, refused
	s.Tasks = make([]TaskStatus, len(l.tasks))
	for i, t := range l.tasks {
		s.Tasks[i] = t.status
		s.Tasks[i].Notes = t.notes
	}
	return s
}
