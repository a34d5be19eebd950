package leanfleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/leanfleet/leanfleet/collect"
	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/diskspace"
	"github.com/leanfleet/leanfleet/internal/store"
	"github.com/leanfleet/leanfleet/inventory"
)

// Level is the outcome of a check, named as monitoring plugins name it.
type Level string

// The levels, with the exit codes of monitoring plugins: 0, 1, 2, 3.
const (
	LevelOK       Level = "ok"
	LevelWarning  Level = "warning"
	LevelCritical Level = "critical"
	LevelUnknown  Level = "unknown"
)

// ExitCode is the level's exit code.
func (l Level) ExitCode() int {
	switch l {
	case LevelOK:
		return 0
	case LevelWarning:
		return 1
	case LevelCritical:
		return 2
	}
	return 3
}

// StatusRequest asks what is stored and what is wrong with it.
type StatusRequest struct {
	// MaxAge makes it critical when the newest sample ended longer ago, and lists
	// with a warning each host whose own did though it is not known to be stopped;
	// 0 does not look at the age.
	MaxAge time.Duration `json:"max_age,omitzero"`
	// MinCoverage warns of hosts of whose lifetime in Range less than this share
	// was measured, in (0, 1]; 0 does not look at it.
	MinCoverage float64 `json:"min_coverage,omitzero"`
	// Range is the time that MinCoverage looks at; "" is 24h.
	Range string `json:"range,omitempty"`
	// MinFree warns when less than this share of the file system is left, and
	// makes a quarter of it critical; 0 is 0.05.
	MinFree float64 `json:"min_free,omitzero"`
	// Verify reads every file against its checksum.
	Verify bool `json:"verify,omitempty"`
}

const (
	defaultMinFree    = 0.05
	defaultStatusTime = "24h"
	// clockTolerance is how far ahead of the clock a sample may end.
	clockTolerance = 5 * time.Minute
)

// StatusResult is the answer to a [StatusRequest].
type StatusResult struct {
	Level Level `json:"level"`
	// Findings are sentences about what made the level what it is, the worst first;
	// FindingLevels are theirs.
	Findings      []string     `json:"findings"`
	FindingLevels []Level      `json:"finding_levels"`
	Store         store.Status `json:"store"`
	// BytesPerSample is about what a sample takes in sealed files, nil without any
	// there.
	BytesPerSample *float64 `json:"bytes_per_sample"`
	// AgeSeconds is how long ago the newest sample ended; nil without samples.
	AgeSeconds *float64 `json:"age_seconds"`
	// Simulated says that hosts of a synthetic fleet are stored.
	Simulated bool `json:"simulated"`
	// Space is what is left on the file system of the directory.
	Space *diskspace.Space `json:"space,omitempty"`
	// Silent are the hosts, not known to be stopped, whose newest sample ended
	// longer ago than MaxAge.
	Silent []HostAge `json:"silent,omitempty"`
	// Gaps are the hosts of which too little was measured in Window.
	Gaps   []HostCoverage `json:"gaps,omitempty"`
	Window *fleet.Window  `json:"window,omitempty"`
	// Ahead are the hosts whose newest sample ends in the future: their clock, or
	// this machine's, is wrong.
	Ahead []HostAge `json:"ahead,omitempty"`
	// Revenants are the hosts that are said to be terminated, or stopped for more
	// than a day, and were measured since.
	Revenants []Revenant `json:"revenants,omitempty"`
	// Contradictions counts what was said of hosts that contradicts what is known,
	// SharedNames the names that several hosts have, each known by an id.
	Contradictions int `json:"contradictions"`
	SharedNames    int `json:"shared_names"`
	// Collector is what the process did that holds the directory and measures.
	Collector *collect.Status `json:"collector,omitempty"`
}

// HostAge is how long ago the newest sample of a host ended; negative is in the
// future.
type HostAge struct {
	Host       fleet.HostID `json:"host"`
	Name       string       `json:"name"`
	AgeSeconds float64      `json:"age_seconds"`
}

// HostCoverage is how much of a host's lifetime was measured.
type HostCoverage struct {
	Host     fleet.HostID `json:"host"`
	Name     string       `json:"name"`
	Coverage float64      `json:"coverage"`
}

// Status answers what is stored and what is wrong with it.
func (m *Monitor) Status(ctx context.Context, req StatusRequest) (StatusResult, error) {
	if req.MinCoverage < 0 || req.MinCoverage > 1 || req.MinFree < 0 || req.MinFree >= 1 || req.MaxAge < 0 {
		return StatusResult{}, fleet.BadRequest(fmt.Errorf("status: shares lie between 0 and 1, ages are not negative"))
	}
	s, err := m.store.Status()
	if err != nil {
		return StatusResult{}, err
	}
	r := StatusResult{Level: LevelOK, Findings: []string{}, FindingLevels: []Level{}, Store: s}
	if req.Verify {
		found, err := m.store.Verify(ctx)
		if err != nil {
			return StatusResult{}, err
		}
		r.Store.Damaged = addProblems(r.Store.Damaged, r.Store.Unlisted, found)
	}
	now := m.options.Clock()
	if s.Samples > 0 {
		age := now.Sub(s.Seen.End).Seconds()
		r.AgeSeconds = &age
		if s.SealedSamples > 0 && s.DayBytes > 0 {
			perSample := float64(s.DayBytes) / float64(s.SealedSamples)
			r.BytesPerSample = &perSample
		}
	}
	if space, err := diskspace.Of(s.Dir); err == nil {
		r.Space = &space
	}
	if m.options.Collecting != nil {
		c := m.options.Collecting()
		r.Collector = &c
	}
	if err := m.statusOfHosts(ctx, req, now, &r); err != nil {
		return StatusResult{}, err
	}
	r.judge(req)
	return r, nil
}

// statusOfHosts looks at each host: whether it is silent, ahead of the clock,
// measured.
func (m *Monitor) statusOfHosts(ctx context.Context, req StatusRequest, now time.Time, r *StatusResult) error {
	records, err := m.store.Records(ctx, fleet.Selector{}, fleet.Window{})
	if err != nil {
		return err
	}
	r.Simulated = fleet.AnySimulated(records)
	if r.Revenants, err = m.revenants(ctx, records); err != nil {
		return err
	}
	conflicts, err := m.store.Conflicts(ctx)
	if err != nil {
		return err
	}
	for _, c := range inventory.Group(conflicts) {
		if c.Ambiguous {
			r.SharedNames++
		} else {
			r.Contradictions++
		}
	}
	last := map[fleet.HostID]*fleet.Record{}
	for i := range records {
		last[records[i].Host] = &records[i] // in the order of time
	}
	for _, id := range slices.Sorted(maps.Keys(last)) {
		x := last[id]
		if x.Seen.IsZero() {
			continue
		}
		age := now.Sub(x.Seen.End)
		entry := HostAge{Host: id, Name: x.DisplayName(), AgeSeconds: age.Seconds()}
		switch {
		case age < -clockTolerance:
			r.Ahead = append(r.Ahead, entry)
		case req.MaxAge > 0 && age > req.MaxAge && x.State != fleet.StateStopped && x.State != fleet.StateTerminated:
			r.Silent = append(r.Silent, entry)
		}
	}
	if req.MinCoverage == 0 {
		return nil
	}
	return m.statusCoverage(ctx, req, r, last)
}

// statusCoverage finds the hosts of which too little was measured. What counts
// is the metric that was measured most.
func (m *Monitor) statusCoverage(ctx context.Context, req StatusRequest, r *StatusResult, last map[fleet.HostID]*fleet.Record) error {
	env := m.environment()
	env.Blackouts = nil
	q, err := env.Resolve(fleet.Scope{Range: req.Range}, defaultStatusTime)
	if err != nil {
		return err
	}
	r.Window = &q.Window
	type sum struct{ covered, expected time.Duration }
	best := map[fleet.HostID]float64{}
	for _, name := range []string{"cpu_usage", "memory_usage"} {
		metric, err := m.options.Metrics.Lookup(name)
		if err != nil {
			return err
		}
		hosts := map[fleet.HostID]sum{}
		for p, err := range m.store.Profiles(ctx, fleet.Query{Metric: metric, Window: q.Window}) {
			if err != nil {
				return err
			}
			s := hosts[p.Record.Host]
			s.covered += min(p.Covered, p.Expected)
			s.expected += p.Expected
			hosts[p.Record.Host] = s
		}
		for id, s := range hosts {
			if s.expected > 0 {
				best[id] = max(best[id], s.covered.Seconds()/s.expected.Seconds())
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(best)) {
		if best[id] < req.MinCoverage {
			r.Gaps = append(r.Gaps, HostCoverage{Host: id, Name: last[id].DisplayName(), Coverage: best[id]})
		}
	}
	slices.SortStableFunc(r.Gaps, func(a, b HostCoverage) int { return cmp.Compare(a.Coverage, b.Coverage) })
	return nil
}

// addProblems adds what was found to a list, unless that or another list has it.
func addProblems(list, other, found []store.FileProblem) []store.FileProblem {
	for _, f := range found {
		same := func(have store.FileProblem) bool { return have.Path == f.Path }
		if !slices.ContainsFunc(list, same) && !slices.ContainsFunc(other, same) {
			list = append(list, f)
		}
	}
	return list
}

// find adds a finding; the level is that of the worst.
func (r *StatusResult) find(l Level, format string, args ...any) {
	rank := []Level{LevelCritical, LevelWarning, LevelUnknown, LevelOK}
	at := len(r.Findings)
	for at > 0 && slices.Index(rank, l) < slices.Index(rank, r.FindingLevels[at-1]) {
		at--
	}
	r.Findings = slices.Insert(r.Findings, at, fmt.Sprintf(format, args...))
	r.FindingLevels = slices.Insert(r.FindingLevels, at, l)
	r.Level = r.FindingLevels[0]
}

// judge sets the level by the worst finding.
func (r *StatusResult) judge(req StatusRequest) {
	for _, p := range r.Store.Damaged {
		r.find(LevelCritical, "%s: %s", p.Path, p.Problem)
	}
	for _, p := range r.Store.Unlisted {
		r.find(LevelWarning, "%s: %s", p.Path, p.Problem)
	}
	for _, p := range r.Store.Problems {
		r.find(LevelWarning, "%s", p)
	}
	r.judgeSpace(cmp.Or(req.MinFree, defaultMinFree))
	r.judgeCollector()
	if n := r.Contradictions; n > 0 {
		r.find(LevelWarning, "%s what is known; leanfleet hosts conflicts lists %s", counted(n, "statement about hosts contradicts", "statements about hosts contradict"), itThem(n))
	}
	if len(r.Revenants) > 0 {
		var gone, stopped []string
		for _, x := range r.Revenants {
			if x.State == fleet.StateStopped {
				stopped = append(stopped, named(x.Name, x.Host))
			} else {
				gone = append(gone, named(x.Name, x.Host))
			}
		}
		if len(gone) > 0 {
			r.find(LevelWarning, "measured since they were said to be gone: %s", few(gone))
		}
		if len(stopped) > 0 {
			r.find(LevelWarning, "measured more than a day after they were said to be stopped, and not charged since: %s", few(stopped))
		}
	}
	if r.AgeSeconds == nil {
		r.find(LevelUnknown, "no samples are stored")
		return
	}
	age := time.Duration(*r.AgeSeconds * float64(time.Second))
	if req.MaxAge > 0 && age > req.MaxAge {
		r.find(LevelCritical, "the newest sample ended %s ago, more than %s", age.Round(time.Second), req.MaxAge)
	}
	if n := len(r.Ahead); n > 0 {
		r.find(LevelWarning, "the newest sample of %s ends in the future, up to %s: a clock is wrong, or the file's", hostList(r.Ahead), time.Duration(-leastAge(r.Ahead)*float64(time.Second)).Round(time.Second))
	}
	if len(r.Silent) > 0 {
		r.find(LevelWarning, "silent for more than %s, and not known to be stopped: %s", req.MaxAge, hostList(r.Silent))
	}
	if n := len(r.Gaps); n > 0 {
		var names []string // the worst first
		for _, g := range r.Gaps {
			names = append(names, fmt.Sprintf("%s %.3g %%", g.Name, g.Coverage*100))
		}
		r.find(LevelWarning, "measured for less than %.4g %% of the time they ran: %s: %s", req.MinCoverage*100, counted(n, "host", "hosts"), few(names))
	}
}

// counted is a number with one or the other word.
func counted(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

func itThem(n int) string {
	if n == 1 {
		return "it"
	}
	return "them"
}

// named is a name with the id, where that is another.
func named(name string, id fleet.HostID) string {
	if name == string(id) {
		return name
	}
	return fmt.Sprintf("%s (%s)", name, id)
}

func (r *StatusResult) judgeSpace(least float64) {
	if r.Space == nil || r.Space.Total == 0 {
		return
	}
	left := float64(r.Space.Free) / float64(r.Space.Total)
	level := LevelWarning
	if left < least/4 {
		level = LevelCritical
	}
	if left < least {
		r.find(level, "%.2g %% of the file system is left, less than %.4g %%", left*100, least*100)
	}
}

// judgeCollector looks at what the measuring process did.
func (r *StatusResult) judgeCollector() {
	c := r.Collector
	if c == nil {
		return
	}
	for _, t := range c.Tasks {
		if t.Consecutive >= 3 {
			r.find(LevelWarning, "collector %s failed %d times in a row: %s", t.Name, t.Consecutive, t.LastError)
		}
	}
	if c.Waiting > 0 && c.LastSinkError != "" {
		r.find(LevelWarning, "%d samples wait to be stored: %s", c.Waiting, c.LastSinkError)
	}
	if x := c.Retention; x != nil && x.LastError != "" {
		r.find(LevelWarning, "days beyond the retention could not be dropped: %s", x.LastError)
	}
	if lost := c.Dropped + c.Refused; lost > 0 {
		r.find(LevelCritical, "%d samples were lost: %d dropped, %d refused", lost, c.Dropped, c.Refused)
	}
}

// hostList names the first of some hosts.
func hostList(list []HostAge) string {
	var names []string
	for i, h := range list {
		if i == 5 {
			names = append(names, fmt.Sprintf("%d more", len(list)-i))
			break
		}
		names = append(names, h.Name)
	}
	return strings.Join(names, ", ")
}

func leastAge(list []HostAge) float64 {
	return slices.MinFunc(list, func(a, b HostAge) int { return cmp.Compare(a.AgeSeconds, b.AgeSeconds) }).AgeSeconds
}

// RetainRequest asks to drop the days beyond the retention.
type RetainRequest struct {
	// Keep is how long samples are kept, counted back from the newest day stored.
	Keep time.Duration `json:"keep"`
}

// RetainResult says what was dropped.
type RetainResult struct {
	DaysDropped int `json:"days_dropped"`
	// Left is what remains.
	Left fleet.Window `json:"left"`
}

// Retain drops the days beyond the retention.
func (m *Monitor) Retain(ctx context.Context, req RetainRequest) (RetainResult, error) {
	if req.Keep < 24*time.Hour {
		return RetainResult{}, errors.New("retain: keep at least a day")
	}
	n, err := m.store.Retain(req.Keep)
	if err != nil {
		return RetainResult{}, err
	}
	s, err := m.store.Status()
	return RetainResult{DaysDropped: n, Left: s.Seen}, err
}
