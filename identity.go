package leanfleet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/hosts"
	"github.com/leanfleet/leanfleet/inventory"
)

// TagRequest states tags of hosts.
type TagRequest struct {
	// Hosts are ids or names. Select takes every host whose record matches at
	// the effective time. One of them is given.
	Hosts  []string `json:"hosts,omitempty"`
	Select string   `json:"select,omitempty"`
	// Set are the tags to state, Clear the keys of those that are no longer
	// known.
	Set   map[string]string `json:"set,omitempty"`
	Clear []string          `json:"clear,omitempty"`
	// Effective is from when they hold, with nothing said of the time before.
	// Zero is now; a tag that was unknown is then learned for the past, too.
	Effective time.Time `json:"effective,omitzero"`
	// Correct replaces what was wrong before in place of recording a change.
	Correct bool `json:"correct,omitempty"`
	// Why is kept in the history.
	Why string `json:"why,omitempty"`
}

// RenameRequest states that a host has another name.
type RenameRequest struct {
	// Host is an id or a name.
	Host string `json:"host"`
	// Name is the new one; the old one stays an alias for its time.
	Name      string    `json:"name"`
	Effective time.Time `json:"effective,omitzero"` // zero is now
	Why       string    `json:"why,omitempty"`
}

// RetireRequest states that hosts are gone for good.
type RetireRequest struct {
	Hosts  []string `json:"hosts,omitempty"` // ids or names
	Select string   `json:"select,omitempty"`
	// At is when they ended; zero is now.
	At  time.Time `json:"at,omitzero"`
	Why string    `json:"why,omitempty"`
}

// ChangeResult says what a statement about hosts did.
type ChangeResult struct {
	// Hosts are the ids of those it was about.
	Hosts []fleet.HostID `json:"hosts"`
	fleet.PutResult
}

// ConflictsRequest asks for the contradictions that nobody has settled.
type ConflictsRequest struct{}

// ConflictsResult is the answer to a [ConflictsRequest].
type ConflictsResult struct {
	// Conflicts are contradictions with the hosts that each is about, then, marked
	// ambiguous, the names that hosts merely share.
	Conflicts []inventory.Contradiction `json:"conflicts"`
}

// TagHosts states tags of hosts.
func (m *Monitor) TagHosts(ctx context.Context, req TagRequest) (ChangeResult, error) {
	if len(req.Set) == 0 && len(req.Clear) == 0 {
		return ChangeResult{}, fleet.BadRequest(errors.New("tag: no tag is given"))
	}
	s := fleet.Statement{Record: fleet.Record{Tags: fleet.Tags(maps.Clone(req.Set))}}
	for _, key := range req.Clear {
		if _, ok := req.Set[key]; ok {
			return ChangeResult{}, fleet.BadRequest(fmt.Errorf("tag %s is both set and cleared", key))
		}
		s.Clear = append(s.Clear, "tag_"+key)
	}
	return m.state(ctx, req.Hosts, req.Select, s, fleet.Put{Effective: req.Effective, Correct: req.Correct, Why: req.Why})
}

// RenameHost states that a host has another name. The name of another host that
// is not terminated then is refused: it would lose it without a word.
func (m *Monitor) RenameHost(ctx context.Context, req RenameRequest) (ChangeResult, error) {
	if req.Name == "" {
		return ChangeResult{}, fleet.BadRequest(errors.New("rename: the new name is empty"))
	}
	if err := m.nameIsFree(ctx, req); err != nil {
		return ChangeResult{}, err
	}
	return m.state(ctx, []string{req.Host}, "", fleet.Statement{Record: fleet.Record{Name: req.Name}}, fleet.Put{Effective: req.Effective, Why: req.Why})
}

// nameIsFree refuses a name that another host bears when it would change hands.
func (m *Monitor) nameIsFree(ctx context.Context, req RenameRequest) error {
	at := req.Effective
	if at.IsZero() {
		at = m.options.Clock()
	}
	ids, err := m.identify(ctx, []string{req.Host}, "", at)
	if err != nil {
		return err
	}
	records, err := m.store.Records(ctx, fleet.Selector{}, fleet.Window{Start: at, End: at.Add(time.Millisecond)})
	if err != nil {
		return fmt.Errorf("rename %s: %w", req.Host, err)
	}
	for _, r := range records {
		if !slices.Contains(ids, r.Host) && r.Name == req.Name && r.State != fleet.StateTerminated {
			return fmt.Errorf("rename %s: host %s is called %s already; rename or retire that one first, or merge the two if they are one machine", req.Host, r.Host, req.Name)
		}
	}
	return nil
}

// RetireHosts states that hosts are gone for good: they are charged and
// expected to be measured until then, and their names are free for others.
func (m *Monitor) RetireHosts(ctx context.Context, req RetireRequest) (ChangeResult, error) {
	return m.state(ctx, req.Hosts, req.Select, fleet.Statement{Record: fleet.Record{State: fleet.StateTerminated}}, fleet.Put{Effective: req.At, Why: req.Why})
}

// Conflicts lists the contradictions that nobody has settled.
func (m *Monitor) Conflicts(ctx context.Context, _ ConflictsRequest) (ConflictsResult, error) {
	list, err := m.store.Conflicts(ctx)
	if err != nil {
		return ConflictsResult{}, err
	}
	records, err := m.store.Records(ctx, fleet.Selector{}, fleet.Window{})
	if err != nil {
		return ConflictsResult{}, err
	}
	revenants, err := m.revenants(ctx, records)
	for _, x := range revenants {
		why := "it runs, or another machine uses its name"
		if x.State == fleet.StateStopped {
			why = "it ran since, which a newer listing would tell, or another machine uses its name"
		}
		list = append(list, fleet.Conflict{Host: x.Host, Reason: fmt.Sprintf("it was %s at %s, but is measured since, until %s: %s",
			x.State, x.Ended.UTC().Format(time.RFC3339), x.Measured.UTC().Format(time.RFC3339), why)})
	}
	return ConflictsResult{Conflicts: inventory.Group(list)}, err
}

// Revenant is a host that is terminated or stopped, and measured nevertheless.
type Revenant struct {
	Host fleet.HostID `json:"host"`
	Name string       `json:"name"`
	// State is terminated or stopped.
	State fleet.State `json:"state"`
	// Ended is since when it is said to be, Measured when its newest sample ended.
	Ended    time.Time `json:"ended"`
	Measured time.Time `json:"measured"`
}

// listingDelay is how long after a stated stop samples say no more than that the
// next listing is still to come: who lists machines does it each day.
const listingDelay = 24 * time.Hour

// revenants finds, among records of all time, the hosts that have samples which
// began when they were terminated already, or stopped for longer than listings
// are late.
func (m *Monitor) revenants(ctx context.Context, records []fleet.Record) ([]Revenant, error) {
	var out []Revenant
	for i := range records {
		state := records[i].State
		if i+1 < len(records) && records[i+1].Host == records[i].Host || state != fleet.StateTerminated && state != fleet.StateStopped {
			continue
		}
		first := i
		for first > 0 && records[first-1].Host == records[i].Host && records[first-1].State == state {
			first--
		}
		r, since := &records[i], records[first].From
		if since.Before(records[first].Stated) {
			since = records[first].Stated // what was learned of the time before is no evidence
		}
		from := since
		if state == fleet.StateStopped {
			from = since.Add(listingDelay)
		}
		measured, err := m.sampledAfter(ctx, r.Host, fleet.Window{Start: from, End: r.Seen.End})
		if err != nil {
			return nil, err
		}
		if measured {
			out = append(out, Revenant{Host: r.Host, Name: r.DisplayName(), State: state, Ended: since, Measured: r.Seen.End})
		}
	}
	return out, nil
}

// sampledAfter says whether a host has a sample that began in a window, of any metric.
func (m *Monitor) sampledAfter(ctx context.Context, id fleet.HostID, w fleet.Window) (bool, error) {
	if !w.End.After(w.Start) {
		return false, nil
	}
	for _, metric := range m.options.Metrics.All() {
		for p, err := range m.store.Profiles(ctx, fleet.Query{Metric: metric, Hosts: fleet.SelectHost(id), Window: w}) {
			if err != nil {
				return false, fmt.Errorf("look for samples of %s after its end: %w", id, err)
			}
			if p.Count > 0 {
				return true, nil
			}
		}
	}
	return false, nil
}

// state makes one statement of each of the hosts. Those of the statement that
// one contradicts are listed in the result and not applied.
func (m *Monitor) state(ctx context.Context, keys []string, sel string, s fleet.Statement, put fleet.Put) (ChangeResult, error) {
	from := put.Effective // nothing is said of the time before
	if s.State == fleet.StateTerminated && from.IsZero() {
		from = m.options.Clock()
	}
	put = m.put(put)
	at := put.Effective
	if at.IsZero() {
		at = put.At
	}
	ids, err := m.identify(ctx, keys, sel, at)
	if err != nil {
		return ChangeResult{}, err
	}
	statements := make([]fleet.Statement, len(ids))
	for i, id := range ids {
		statements[i] = s
		statements[i].Host = inventory.Exactly(id)
		statements[i].From = from
		statements[i].Tags = maps.Clone(s.Tags)
	}
	put.Origin = inventory.OriginHand
	done, err := m.store.PutRecords(ctx, statements, put)
	return ChangeResult{Hosts: ids, PutResult: done}, err
}

// identify finds hosts by name, or by a selector at a time, each once.
func (m *Monitor) identify(ctx context.Context, keys []string, sel string, at time.Time) ([]fleet.HostID, error) {
	switch {
	case len(keys) > 0 && sel != "":
		return nil, fleet.BadRequest(errors.New("name hosts or a selector, not both"))
	case len(keys) == 0 && sel == "":
		return nil, fleet.BadRequest(errors.New("no host is named, and no selector"))
	}
	var ids []fleet.HostID
	for _, key := range keys {
		h, err := hosts.Find(ctx, m.store, m.store, key, at)
		if err != nil {
			return nil, err
		}
		id := h.ID
		if h.Into != "" {
			id = h.Into
		}
		ids = append(ids, id)
	}
	if sel != "" {
		matching, err := m.environment().Selector(sel)
		if err != nil {
			return nil, err
		}
		records, err := m.store.Records(ctx, matching, fleet.Window{Start: at, End: at.Add(time.Millisecond)})
		if err != nil {
			return nil, fmt.Errorf("find hosts: %w", err)
		}
		for i := range records {
			ids = append(ids, records[i].Host)
		}
		if len(ids) == 0 {
			return nil, fmt.Errorf("no host matches %q at %s", sel, at.UTC().Format(time.RFC3339))
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}
