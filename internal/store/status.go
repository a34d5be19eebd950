package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

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
	// Days and DayBytes are of the sealed days of hosts, Rows and Samples of all
	// that is stored of hosts; DatabaseBytes is the size of leanfleet.db.
	Days          int   `json:"days"`
	DayBytes      int64 `json:"day_bytes"`
	DatabaseBytes int64 `json:"database_bytes"`
	Rows          int64 `json:"rows"`
	Samples       int64 `json:"samples"`
	// SealedSamples are those of Samples that are in the files of days.
	SealedSamples int64 `json:"sealed_samples"`
	// Metrics counts samples by metric.
	Metrics map[string]int64 `json:"metrics"`
	// GroupDays and GroupBytes are of the sealed days of process groups.
	GroupDays  int   `json:"group_days,omitempty"`
	GroupBytes int64 `json:"group_bytes,omitempty"`
	// Head is what is stored and not yet sealed; nil when there is nothing.
	Head *HeadStatus `json:"head,omitempty"`
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

// HeadStatus is what the head holds.
type HeadStatus struct {
	// Generations is the number of files of its log, LogBytes their size.
	Generations int   `json:"generations"`
	LogBytes    int64 `json:"log_bytes"`
	// MemoryBytes is about what its rows take in memory.
	MemoryBytes int64 `json:"memory_bytes"`
	// Days, Rows and Samples are of hosts and process groups. Rows that come late
	// are held together with the sealed ones of their host and day; these are not
	// among them.
	Days    int   `json:"days"`
	Rows    int64 `json:"rows"`
	Samples int64 `json:"samples"`
}

// FileProblem is a file and what is wrong with it.
type FileProblem struct {
	Path    string `json:"path"`
	Problem string `json:"problem"`
}

// Status describes the store. It reads the end of every day file that is not
// open, and no page.
func (s *Store) Status() (Status, error) {
	s.lookAgain(context.Background())
	v, err := s.look(ofHosts, fleet.Window{})
	if err != nil {
		return Status{}, fmt.Errorf("status: %w", err)
	}
	defer v.release()
	groups, err := s.look(ofGroups, fleet.Window{})
	if err != nil {
		return Status{}, fmt.Errorf("status: %w", err)
	}
	defer groups.release()
	st := Status{Dir: s.dir, FormatVersion: FormatVersion, Hosts: len(v.book.Hosts()), Metrics: map[string]int64{}}
	s.mu.RLock()
	st.Generation, st.Pending = s.generation, len(s.pending)
	for _, err := range []error{s.broken, s.pendingErr, s.publishErr, s.sealErr, s.closeErr} {
		if err != nil {
			st.Problems = append(st.Problems, err.Error())
		}
	}
	s.mu.RUnlock()
	if info, err := s.fs.Stat(s.dbPath()); err == nil {
		st.DatabaseBytes = info.Size()
	}
	st.count(v, groups)
	s.countLog(st.Head)
	for _, x := range []*view{v, groups} {
		for _, d := range x.openAll() {
			if isUnavailable(d.Err) {
				st.Problems = append(st.Problems, d.Err.Error())
			} else if d.Err != nil {
				st.Damaged = append(st.Damaged, FileProblem{d.Path, d.Err.Error()})
			}
		}
	}
	if st.Unlisted, err = s.unlisted(); err != nil {
		return Status{}, fmt.Errorf("status: %w", err)
	}
	return st, nil
}

// count sums up the days.
func (st *Status) count(hosts, groups *view) {
	var seen extent
	for _, d := range hosts.days {
		st.Days++
		st.DayBytes += d.Size
		st.Rows += d.Rows
		for name, n := range d.Samples {
			st.Metrics[name] += n
			st.Samples += n
			st.SealedSamples += n
		}
		seen.add(d.First, d.End)
	}
	for _, d := range groups.days {
		st.GroupDays++
		st.GroupBytes += d.Size
	}
	table := hosts.s.head.table
	days := map[dayfile.Day]bool{}
	var h HeadStatus
	for k, v := range []*view{hosts, groups} {
		counts := make([]int64, len(table.Metrics()))
		rows := int64(0)
		for i := range v.head {
			for j := range v.head[i].strips {
				x := &v.head[i].strips[j]
				days[v.head[i].day] = true
				rows += x.Beyond(counts)
				h.MemoryBytes += x.Memory()
				if kind(k) == ofHosts {
					seen.add(x.First(), x.Reach())
				}
			}
		}
		h.Rows += rows
		if kind(k) == ofHosts {
			st.Rows += rows
		}
		for i, n := range counts {
			h.Samples += n
			if kind(k) == ofHosts && n != 0 {
				st.Samples += n
				st.Metrics[table.Metrics()[i].Name] += n
			}
		}
	}
	if h.Days = len(days); h.Days > 0 {
		st.Head = &h
	}
	st.Seen, _ = seen.window()
}

// countLog sums up the files of the head's log.
func (s *Store) countLog(h *HeadStatus) {
	if h == nil {
		return
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, g := range s.head.generations {
		h.Generations++
		h.LogBytes += g.size
		if info, err := s.fs.Stat(filepath.Join(s.headDir(), g.name)); err == nil && g.size == 0 {
			h.LogBytes += info.Size()
		}
	}
}

// unlisted finds files among the days that nobody listed. Temporary files of
// writes that are going on are not among them.
func (s *Store) unlisted() (out []FileProblem, err error) {
	for _, dir := range []string{daysName, groupsName, headName} {
		entries, err := s.fs.ReadDir(s.dirOf(dir))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("list directory %s: %w", s.dirOf(dir), err)
		}
		for _, e := range entries {
			if isTmp(e.Name()) || s.knows(dir, e.Name()) {
				continue
			}
			problem := "the store does not know this file; move it away"
			if strings.HasSuffix(e.Name(), dayFileSuffix) {
				problem += ", and import it if its samples are wanted"
			}
			out = append(out, FileProblem{filepath.Join(s.dirOf(dir), e.Name()), problem})
		}
	}
	return out, nil
}

// knows says whether a name is that of a listed day, of a generation of the head,
// or of one whose deletion is pending.
func (s *Store) knows(dir, name string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for i := range s.pending {
		if s.pending[i].dir() == dir && s.pending[i].Target == name {
			return true
		}
	}
	if dir == headName {
		return slices.ContainsFunc(s.head.generations, func(g *generation) bool { return g.name == name })
	}
	k := ofHosts
	if dir == groupsName {
		k = ofGroups
	}
	date, err := dayfile.ParseDay(strings.TrimSuffix(name, dayFileSuffix))
	if err != nil || (target{k, date}).name() != name {
		return false
	}
	return slices.ContainsFunc(s.days[k], func(d *day) bool { return d.Day == date })
}

// Verify reads every day file against its checksum, and inventory.parquet
// against the records, and returns what is not as it was written. A store open
// for writing writes inventory.parquet again where that is wrong. The error is
// about reading, not about what was found.
func (s *Store) Verify(ctx context.Context) ([]FileProblem, error) {
	var out []FileProblem
	for k := range kinds {
		v, err := s.look(k, fleet.Window{})
		if err != nil {
			return nil, fmt.Errorf("verify: %w", err)
		}
		out = append(out, v.verify(ctx)...)
		v.release()
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

// verify reads the pinned files.
func (p *pinned) verify(ctx context.Context) (out []FileProblem) {
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
	return out
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
	book, revision, err := s.stated, s.records, s.writable()
	s.mu.RUnlock()
	problem = s.checkPublished(book, revision)
	if problem != nil && err == nil {
		removeQuietly(s.fs, s.inventoryPath())
		s.publish()
	}
	return problem, nil
}
