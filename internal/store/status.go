package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/store/dayfile"
)

// Status is what a store holds and what is wrong with it.
type Status struct {
	// Dir is the data directory, as an absolute path.
	Dir string `json:"dir"`
	// FormatVersion is the version of leanfleet.db.
	FormatVersion int `json:"format_version"`
	// Generation is the last number given to a commit.
	Generation uint64 `json:"generation"`
	// Days, DayBytes, Rows and Samples are of the sealed days; DatabaseBytes is
	// the size of leanfleet.db.
	Days          int   `json:"days"`
	DayBytes      int64 `json:"day_bytes"`
	DatabaseBytes int64 `json:"database_bytes"`
	Rows          int64 `json:"rows"`
	Samples       int64 `json:"samples"`
	// Metrics counts samples by metric.
	Metrics map[string]int64 `json:"metrics"`
	// Hosts is the number of hosts known, measured or not.
	Hosts int `json:"hosts"`
	// Seen runs from the start of the first sample to the end of the last one;
	// it is zero without samples.
	Seen fleet.Window `json:"seen,omitzero"`
	// Damaged are day files that are missing or not what was written, as far as
	// their size and end tell; [Store.Verify] reads them whole.
	Damaged []FileProblem `json:"damaged,omitempty"`
	// Unlisted are files among the days that the store does not know. They are
	// kept.
	Unlisted []FileProblem `json:"unlisted,omitempty"`
	// Pending is the number of renames and deletions that remain to be done.
	Pending int `json:"pending"`
	// Problems are further things that went wrong and are being made good.
	Problems []string `json:"problems,omitempty"`
}

// FileProblem is a file and what is wrong with it.
type FileProblem struct {
	Path    string `json:"path"`
	Problem string `json:"problem"`
}

// Status describes the store. It reads the end of every day file that is not
// open, and no page.
func (s *Store) Status() (Status, error) {
	p, book, err := s.look(fleet.Window{})
	if err != nil {
		return Status{}, fmt.Errorf("status: %w", err)
	}
	defer p.release()
	st := Status{Dir: s.dir, FormatVersion: FormatVersion, Hosts: len(book.Hosts()), Metrics: map[string]int64{}}
	s.mu.RLock()
	st.Generation, st.Pending = s.generation, len(s.pending)
	for _, err := range []error{s.broken, s.pendingErr, s.publishErr} {
		if err != nil {
			st.Problems = append(st.Problems, err.Error())
		}
	}
	s.mu.RUnlock()
	if info, err := s.fs.Stat(s.dbPath()); err == nil {
		st.DatabaseBytes = info.Size()
	}
	st.count(p.days)
	for i, v := range p.openAll() {
		if v.Err != nil {
			st.Damaged = append(st.Damaged, FileProblem{p.paths[i], v.Err.Error()})
		}
	}
	if st.Unlisted, err = s.unlisted(); err != nil {
		return Status{}, fmt.Errorf("status: %w", err)
	}
	return st, nil
}

// count sums up the days.
func (st *Status) count(days []*day) {
	var first, end int64
	for i, d := range days {
		st.Days++
		st.DayBytes += d.Size
		st.Rows += d.Rows
		for name, n := range d.Samples {
			st.Metrics[name] += n
			st.Samples += n
		}
		if i == 0 {
			first = d.First
		}
		end = max(end, d.End)
	}
	if len(days) > 0 {
		st.Seen = fleet.Window{Start: time.UnixMilli(first).UTC(), End: time.UnixMilli(end).UTC()}
	}
}

// unlisted finds files among the days that nobody listed. Temporary files of
// writes that are going on are not among them.
func (s *Store) unlisted() ([]FileProblem, error) {
	entries, err := s.fs.ReadDir(s.daysDir())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list directory %s: %w", s.daysDir(), err)
	}
	var out []FileProblem
	for _, e := range entries {
		if isTmp(e.Name()) || s.knows(e.Name()) {
			continue
		}
		problem := "the store does not know this file; move it away"
		if strings.HasSuffix(e.Name(), dayFileSuffix) {
			problem += ", and import it if its samples are wanted"
		}
		out = append(out, FileProblem{filepath.Join(s.daysDir(), e.Name()), problem})
	}
	return out, nil
}

// knows says whether a name is that of a listed day, or of one whose deletion
// is pending.
func (s *Store) knows(name string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for i := range s.pending {
		if s.pending[i].Target == name {
			return true
		}
	}
	day, err := dayfile.ParseDay(strings.TrimSuffix(name, dayFileSuffix))
	if err != nil || dayName(day) != name {
		return false
	}
	for _, d := range s.days {
		if d.Day == day {
			return true
		}
	}
	return false
}

// Verify reads every day file against its checksum, and inventory.parquet
// against the records, and returns what is not as it was written. A store open
// for writing writes inventory.parquet again where that is wrong. The error is
// about reading, not about what was found.
func (s *Store) Verify(ctx context.Context) ([]FileProblem, error) {
	p, _, err := s.look(fleet.Window{})
	if err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	defer p.release()
	var out []FileProblem
	for i, d := range p.days {
		if ctx.Err() != nil {
			break
		}
		err := p.open(i)
		if err == nil {
			err = d.verify(d.fd)
		}
		if err != nil {
			out = append(out, FileProblem{p.paths[i], err.Error()})
		}
	}
	unlisted, err := s.unlisted()
	if err != nil {
		return out, fmt.Errorf("verify: %w", err)
	}
	out = append(out, unlisted...)
	if err := ctx.Err(); err != nil {
		return out, fmt.Errorf("verify: %w", err)
	}
	problem, err := s.verifyPublished(ctx)
	if err != nil {
		return out, fmt.Errorf("verify: %w", err)
	}
	if problem != nil {
		out = append(out, FileProblem{s.inventoryPath(), problem.Error()})
	}
	return out, nil
}

// verifyPublished checks inventory.parquet, while nothing changes the records.
func (s *Store) verifyPublished(ctx context.Context) (problem, err error) {
	select {
	case s.writing <- struct{}{}:
		defer func() { <-s.writing }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	s.mu.RLock()
	book, revision, err := s.book, s.records, s.writable()
	s.mu.RUnlock()
	problem = s.checkPublished(book, revision)
	if problem != nil && err == nil {
		removeQuietly(s.fs, s.inventoryPath())
		s.publish()
	}
	return problem, nil
}
