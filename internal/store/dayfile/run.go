package dayfile

import (
	"errors"
	"fmt"
	"math"

	"github.com/leanfleet/leanfleet/fleet"
)

// Errors that callers branch on. Every other error of [Open] means that the
// file is damaged.
var (
	// ErrForeign is returned for a file that is not a leanfleet day file at all.
	ErrForeign = errors.New("not a leanfleet day file")
	// ErrVersion is returned for an undamaged day file of a newer format.
	ErrVersion = errors.New("the format is newer than this program")
)

// Bounds of what a file holds. They keep a damaged or hostile file from asking
// for memory without end.
const (
	// MaxNameBytes is the longest name of a host, an origin or a metric.
	MaxNameBytes = 4096
	// maxPageRows is the most rows of a page.
	maxPageRows = 1 << 20
	// maxGroupRows is the most rows of a row group.
	maxGroupRows = 1 << 27
	// maxGroups is the most row groups of a file: Parquet counts them in 16 bits.
	maxGroups = math.MaxInt16
	// maxDictionary is the most bytes of the names in one row group's column.
	maxDictionary = 1 << 25
)

// Run is consecutive rows of one host with one step. A host has several runs in
// time order where its step changed.
type Run struct {
	// Host is the id of the host.
	Host fleet.HostID
	// Rows is the number of rows, above zero.
	Rows int
	// Step is the milliseconds that each row covers.
	Step int32
	// First and Last are the starts of the first and the last row in Unix
	// milliseconds.
	First, Last int64
	// Regular says that the starts are exactly First + i × Step.
	Regular bool
}

// Rows is rows of one run in memory.
type Rows struct {
	// Start holds the start of each row in Unix milliseconds, strictly
	// increasing and within the day.
	Start []int64
	// Origin says for each row how its values came in: "agent", or
	// "agent;memory_usage=cloud" where they differ. Nil means that Default holds
	// for every row.
	Origin []string
	// Default is the origin of every row when Origin is nil.
	Default string
	// Columns hold one value for each row, each metric at most once.
	Columns []fleet.Column
}

// OriginOf is the origin of row i.
func (r *Rows) OriginOf(i int) string {
	if r.Origin == nil {
		return r.Default
	}
	return r.Origin[i]
}

// describe returns the run that starts make, and what is wrong with them.
func describe(day Day, host fleet.HostID, step int32, starts []int64) (Run, error) {
	run := Run{Host: host, Rows: len(starts), Step: step, Regular: true}
	switch {
	case host == "":
		return run, fmt.Errorf("rows without a host")
	case len(host) > MaxNameBytes:
		return run, fmt.Errorf("host %.40s...: a name of %d bytes is longer than %d", host, len(host), MaxNameBytes)
	case step <= 0 || int64(step) > fleet.MaxStep.Milliseconds():
		return run, fmt.Errorf("host %s: a step of %d ms is not between 1 ms and 24 h", host, step)
	case len(starts) == 0:
		return run, nil
	}
	run.First, run.Last = starts[0], starts[len(starts)-1]
	if !day.Contains(run.First) || !day.Contains(run.Last) {
		return run, fmt.Errorf("host %s: rows from %d ms to %d ms do not lie in %s", host, run.First, run.Last, day)
	}
	for i := 1; i < len(starts); i++ {
		d := starts[i] - starts[i-1]
		if d <= 0 {
			return run, fmt.Errorf("host %s, row %d: time does not advance from %d ms to %d ms", host, i, starts[i-1], starts[i])
		}
		if d != int64(step) {
			run.Regular = false
		}
	}
	return run, nil
}
