package leanfleet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/simulate"
	"github.com/leanfleet/leanfleet/internal/zones"
)

// SimulateRequest asks for a synthetic fleet. The same request gives the same
// fleet, on any machine.
type SimulateRequest struct {
	Seed  uint64 `json:"seed"`
	Hosts int    `json:"hosts"`
	Days  int    `json:"days"`
	// Interval is the step of the samples; 0 is a minute.
	Interval time.Duration `json:"interval,omitzero"`
	// Start is a midnight in UTC; zero lets the days end with the last midnight.
	Start time.Time `json:"start,omitzero"`
	// Timezone is the IANA zone of offices and nightly jobs; "" is UTC.
	Timezone string `json:"timezone,omitempty"`
	// Mix gives the weight of each kind of host, such as "idle=40,web=10"; "" is
	// a mix in which much is idle, as in real fleets.
	Mix string `json:"mix,omitempty"`
	// Force allows it beside hosts that are not simulated.
	Force bool `json:"force,omitempty"`
	// Progress is told of the sample values made.
	Progress func(done, total int64) `json:"-"`
}

// SimulateResult says what was made.
type SimulateResult struct {
	Window fleet.Window   `json:"window"`
	Hosts  int            `json:"hosts"`
	Stored fleet.Appended `json:"stored"`
	// Truth is the file that says what is true of the fleet but hidden from its
	// samples.
	Truth   string  `json:"truth"`
	Seconds float64 `json:"seconds"`
}

// Simulate stores a synthetic fleet, all of it or nothing. It is labelled
// simulated wherever it shows. The hidden truth about it is written beside the
// data, so that analyses can be judged.
func (m *Monitor) Simulate(ctx context.Context, req SimulateRequest) (SimulateResult, error) {
	began := m.options.Clock()
	options, err := simulateOptions(req, began)
	if err != nil {
		return SimulateResult{}, err
	}
	if err := m.onlySimulated(ctx, req.Force); err != nil {
		return SimulateResult{}, err
	}
	load, err := m.store.Begin(ctx)
	if err != nil {
		return SimulateResult{}, fmt.Errorf("begin the simulation: %w", err)
	}
	summary, err := simulate.Run(ctx, options, load, req.Progress)
	if err == nil && len(summary.Records.Conflicts) > 0 {
		c := summary.Records.Conflicts[0]
		err = fmt.Errorf("simulate: host %s: %s; use another seed or directory", c.Host, c.Reason)
	}
	if err != nil {
		return SimulateResult{}, errors.Join(err, load.Abort())
	}
	r := SimulateResult{Window: summary.Window, Hosts: summary.Hosts,
		Truth: filepath.Join(m.options.Dir, fmt.Sprintf("simulated-truth-%d.json", req.Seed))}
	staged := r.Truth + ".tmp"
	if err := writeTruth(staged, summary.Truth); err != nil {
		return SimulateResult{}, errors.Join(err, load.Abort())
	}
	if r.Stored, err = load.Commit(ctx); err != nil {
		return SimulateResult{}, errors.Join(fmt.Errorf("commit the simulation: %w", err), load.Abort(), os.Remove(staged))
	}
	if err := os.Rename(staged, r.Truth); err != nil {
		return r, fmt.Errorf("the fleet is stored, but not its truth: %w", err)
	}
	r.Seconds = m.options.Clock().Sub(began).Seconds()
	return r, nil
}

// onlySimulated refuses a directory that holds real hosts: a synthetic fleet
// among them would spoil every answer, and could not be taken out again.
func (m *Monitor) onlySimulated(ctx context.Context, force bool) error {
	records, err := m.store.Records(ctx, fleet.Selector{}, fleet.Window{})
	if err != nil || force {
		return err
	}
	for i := range records {
		if !records[i].Simulated() {
			return fmt.Errorf("simulate: %s holds hosts that are not simulated, such as %s; name another directory", m.options.Dir, records[i].DisplayName())
		}
	}
	return nil
}

func simulateOptions(req SimulateRequest, now time.Time) (simulate.Options, error) {
	o := simulate.Options{Seed: req.Seed, Hosts: req.Hosts, Days: req.Days, Interval: req.Interval, Start: req.Start, At: now}
	if o.Start.IsZero() {
		o.Start = now.UTC().Truncate(24*time.Hour).AddDate(0, 0, -req.Days)
	}
	var err error
	if req.Mix != "" {
		if o.Mix, err = simulate.ParseMix(req.Mix); err != nil {
			return o, err
		}
	}
	if o.Location, err = zones.Load(req.Timezone); err != nil {
		return o, err
	}
	return o, o.Validate()
}

func writeTruth(path string, t simulate.Truth) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("write the truth: %w", err)
	}
	if err := errors.Join(simulate.WriteTruth(f, t), f.Close()); err != nil {
		return fmt.Errorf("write the truth to %s: %w", path, err)
	}
	return nil
}
