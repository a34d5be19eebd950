package local

import (
	"errors"
	"fmt"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

// DefaultInterval is the interval that rows stand for when none is given.
const DefaultInterval = time.Minute

// DefaultMaxGroups is how many process groups are told apart when no number is
// given.
const DefaultMaxGroups = 32

// Options say what is measured and how.
type Options struct {
	// Now tells the wall clock, and the time passed on a clock that is never
	// set; only differences of the latter are used. It must be set. Both are
	// needed to tell a suspended machine and a clock that was set from time that
	// passed.
	Now func() (wall time.Time, monotonic time.Duration)
	// Interval is what a row stands for, between 1 s and 24 h; 0 is
	// DefaultInterval. Rows start at its multiples since 1970.
	Interval time.Duration
	// Host is the id that batches carry; "" is found out, see [Collector.Host].
	Host fleet.HostID
	// Root is the folder below which proc, sys, etc and run lie, such as /host in
	// a container that measures its host; "" is this machine itself. It takes
	// Linux's files, on whatever system this runs.
	Root string
	// Groups are the process groups to measure, tried in their order: a process
	// belongs to the first that matches. With none, no processes are looked at.
	Groups []GroupRule
	// MaxGroups is how many groups are told apart; 0 is DefaultMaxGroups. Further
	// ones, and processes that no rule matches, are the group "other".
	MaxGroups int
	// Metrics are those to be measured, by name; nil is all.
	Metrics []string
	// Space tells size, used and available bytes of the file system at a mount
	// point; nil asks the operating system.
	Space func(mountPoint string) (Space, error)
}

// Space is how full a file system is, in bytes.
type Space struct {
	Used      uint64
	Available uint64 // to those who are not root
}

func (o *Options) normalize() error {
	if o.Interval == 0 {
		o.Interval = DefaultInterval
	}
	if o.MaxGroups == 0 {
		o.MaxGroups = DefaultMaxGroups
	}
	switch {
	case o.Now == nil:
		return errors.New("measure this machine: the clock is missing")
	case o.Interval < time.Second || o.Interval > fleet.MaxStep:
		return fmt.Errorf("measure this machine: an interval of %s is not between 1 s and 24 h", o.Interval)
	case o.Interval%time.Millisecond != 0:
		return fmt.Errorf("measure this machine: an interval of %s is not whole milliseconds", o.Interval)
	case o.MaxGroups < 0:
		return fmt.Errorf("measure this machine: at most %d process groups is not a number of groups", o.MaxGroups)
	}
	known := fleet.CanonicalMetrics()
	for _, name := range o.Metrics {
		m, err := known.Lookup(name)
		if err != nil {
			return fmt.Errorf("measure this machine: %w", err)
		}
		if m.Derived() {
			return fmt.Errorf("measure this machine: %s is derived from %s and %s: name those", name, m.Ratio, m.Capacity)
		}
	}
	return nil
}
