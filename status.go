package leanfleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/store"
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
	// MaxAge makes it critical when the newest sample ended longer ago; 0 does
	// not look at the age.
	MaxAge time.Duration `json:"max_age,omitzero"`
	// Verify reads every file against its checksum.
	Verify bool `json:"verify,omitempty"`
}

// StatusResult is the answer to a [StatusRequest].
type StatusResult struct {
	Level Level `json:"level"`
	// Findings are sentences about what made the level what it is.
	Findings []string     `json:"findings"`
	Store    store.Status `json:"store"`
	// BytesPerSample is what a sample takes in sealed files, nil without samples.
	BytesPerSample *float64 `json:"bytes_per_sample"`
	// AgeSeconds is how long ago the newest sample ended; nil without samples.
	AgeSeconds *float64 `json:"age_seconds"`
	// Simulated says that hosts of a synthetic fleet are stored.
	Simulated bool `json:"simulated"`
}

// Status answers what is stored and what is wrong with it.
func (m *Monitor) Status(ctx context.Context, req StatusRequest) (StatusResult, error) {
	s, err := m.store.Status()
	if err != nil {
		return StatusResult{}, err
	}
	r := StatusResult{Level: LevelOK, Findings: []string{}, Store: s}
	if req.Verify {
		found, err := m.store.Verify(ctx)
		if err != nil {
			return StatusResult{}, err
		}
		r.Store.Damaged = addProblems(r.Store.Damaged, r.Store.Unlisted, found)
	}
	if s.Samples > 0 {
		perSample := float64(s.DayBytes) / float64(s.Samples)
		age := m.options.Clock().Sub(s.Seen.End).Seconds()
		r.BytesPerSample, r.AgeSeconds = &perSample, &age
	}
	if r.Simulated, err = m.simulated(ctx); err != nil {
		return StatusResult{}, err
	}
	r.judge(req)
	return r, nil
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

// judge sets the level by the worst finding.
func (r *StatusResult) judge(req StatusRequest) {
	find := func(l Level, format string, args ...any) {
		r.Findings = append(r.Findings, fmt.Sprintf(format, args...))
		if l == LevelCritical || r.Level == LevelOK {
			r.Level = l
		}
	}
	for _, p := range r.Store.Damaged {
		find(LevelCritical, "%s: %s", p.Path, p.Problem)
	}
	for _, p := range r.Store.Unlisted {
		find(LevelWarning, "%s: %s", p.Path, p.Problem)
	}
	for _, p := range r.Store.Problems {
		find(LevelWarning, "%s", p)
	}
	if r.AgeSeconds == nil {
		find(LevelUnknown, "no samples are stored")
		return
	}
	age := time.Duration(*r.AgeSeconds * float64(time.Second))
	if age < 0 {
		find(LevelWarning, "the newest sample ends %s in the future: a clock is wrong, or the file's", (-age).Round(time.Second))
	}
	if req.MaxAge > 0 && age > req.MaxAge {
		find(LevelCritical, "the newest sample ended %s ago, more than %s", age.Round(time.Second), req.MaxAge)
	}
}

// simulated says whether any host is of a synthetic fleet.
func (m *Monitor) simulated(ctx context.Context) (bool, error) {
	records, err := m.store.Records(ctx, fleet.Selector{}, fleet.Window{})
	if err != nil {
		return false, err
	}
	return fleet.AnySimulated(records), nil
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
