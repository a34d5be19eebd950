package leanfleet

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/hosts"
	"github.com/leanfleet/leanfleet/inventory"
)

// source is what questions are asked: another engine, or the embedded store.
func (m *Monitor) source() fleet.Source {
	if m.options.Engine != nil {
		return m.options.Engine
	}
	return m.store
}

// directory finds hosts by what they are called.
func (m *Monitor) directory() hosts.Directory {
	if m.options.Engine != nil {
		return engineDirectory{m.options.Engine}
	}
	return m.store
}

// engineDirectory finds hosts of another engine by id and name. It knows no
// history of writes.
type engineDirectory struct{ source fleet.Source }

// Host finds a host by its id, else by the name it has at a time.
func (d engineDirectory) Host(key string, at time.Time) (inventory.Host, error) {
	records, err := d.source.Records(context.Background(), fleet.Selector{}, fleet.Window{})
	if err != nil {
		return inventory.Host{}, fmt.Errorf("host %s: %w", key, err)
	}
	var names []string
	for _, named := range []bool{false, true} {
		for i := range records {
			r := &records[i]
			match := string(r.Host) == key
			if named {
				match = r.Name == key && !at.Before(r.From) && (r.To.IsZero() || at.Before(r.To))
				names = append(names, r.DisplayName())
			}
			if match {
				return inventory.Host{ID: r.Host, Aliases: []inventory.Alias{}, History: []inventory.Entry{}}, nil
			}
		}
	}
	return inventory.Host{}, fmt.Errorf("%w %q%s", fleet.ErrUnknownHost, key, fleet.DidYouMean(key, names))
}

// History is an engine whose samples can be copied into the store.
type History interface {
	// Address is what it is called, without secrets.
	Address() string
	// Statements says what the selected of its hosts are.
	Statements(ctx context.Context, sel fleet.Selector) ([]fleet.Statement, error)
	// Notes says what a reader should know of its data in a window: that its
	// samples begin later.
	Notes(ctx context.Context, w fleet.Window) ([]string, error)
	// Days tells how many host-days of a window there are, and yields those that
	// done does not name, day by day, then by host; done is told whether the host
	// has process groups on that day, too. A day that is not over is yielded
	// always. With verify the engine counts what was copied, and a difference is an
	// error of that day.
	Days(ctx context.Context, w fleet.Window, sel fleet.Selector, verify bool, done func(host fleet.HostID, day time.Time, groups bool) bool) (total int, days iter.Seq2[HistoryDay, error], err error)
}

// HistoryDay is what was copied of one host and UTC day. Batches are valid until
// the next.
type HistoryDay struct {
	Host    fleet.HostID
	Day     time.Time
	Batches []fleet.Batch
	Samples int64
}

// CopyRequest asks to copy the history of another engine into the store.
type CopyRequest struct {
	// URL and Settings say which; Options.History makes it of them.
	URL      string            `json:"url"`
	Settings map[string]string `json:"settings,omitempty"`
	// Scope is what to copy, 90 days of all hosts by default, widened to whole UTC
	// days.
	fleet.Scope
	// Again copies days that are stored, too.
	Again bool `json:"again,omitempty"`
	// NoVerify leaves out that the engine counts what was copied.
	NoVerify bool `json:"no_verify,omitempty"`

	// Progress is told of host-days.
	Progress func(done, total int64) `json:"-"`
}

// Streams returns the streams of the request.
func (r *CopyRequest) Streams() Streams { return Streams{Progress: r.Progress} }

// SetStreams replaces the streams of the request.
func (r *CopyRequest) SetStreams(s Streams) { r.Progress = s.Progress }

// CopyResult says what was copied.
type CopyResult struct {
	From   string       `json:"from"`
	Window fleet.Window `json:"window"`
	// HostDays were copied, Skipped were stored before.
	HostDays int `json:"host_days"`
	Skipped  int `json:"skipped_host_days"`
	// Samples were read of the engine; Stored is what became of them.
	Samples int64          `json:"samples"`
	Stored  fleet.Appended `json:"stored"`
	// Inventory is what became of what the engine says of its hosts.
	Inventory fleet.PutResult `json:"inventory"`
	// Wrong are host-days whose copy differs from what the engine counts; they
	// are not stored, and another copy tries them again.
	Wrong []string `json:"wrong,omitempty"`
	// Notes say what the engine lacks of the window.
	Notes   []string `json:"notes,omitempty"`
	Seconds float64  `json:"seconds"`
}

const defaultCopyRange = "90d"

// Copy copies the history of another engine into the store. Each UTC day is
// stored whole or not at all, so a copy that was cut goes on where it was.
func (m *Monitor) Copy(ctx context.Context, req CopyRequest) (CopyResult, error) {
	if m.options.History == nil {
		return CopyResult{}, errors.New("copy: no other engine can be reached from here: Options.History is nil")
	}
	began := m.options.Clock()
	from, err := m.options.History(req)
	if err != nil {
		return CopyResult{}, fleet.BadRequest(err)
	}
	env := m.environment()
	env.Blackouts = nil
	q, err := env.Resolve(req.Scope, defaultCopyRange)
	if err != nil {
		return CopyResult{}, err
	}
	r := CopyResult{From: from.Address(), Window: q.Window}
	statements, err := from.Statements(ctx, q.Hosts)
	if err != nil {
		return r, fmt.Errorf("read the hosts of %s: %w", r.From, err)
	}
	if err := m.dropTypeTags(ctx, statements); err != nil {
		return r, fmt.Errorf("see what is known of the hosts of %s: %w", r.From, err)
	}
	if r.Inventory, err = m.store.PutRecords(ctx, statements, m.put(fleet.Put{Origin: fleet.OriginScrape, Why: "copied from " + r.From})); err != nil {
		return r, err
	}
	if r.Notes, err = from.Notes(ctx, q.Window); err != nil {
		return r, fmt.Errorf("read %s: %w", r.From, err)
	}
	have, err := m.copied(ctx, q, req.Again)
	if err != nil {
		return r, err
	}
	done := func(host fleet.HostID, day time.Time, groups bool) bool {
		at := hostDay{m.canonical(host, day), day.Unix()}
		ok := have.hosts[at] && (!groups || have.groups[at])
		if ok {
			r.Skipped++
		}
		return ok
	}
	total, days, err := from.Days(ctx, q.Window, q.Hosts, !req.NoVerify, done)
	if err != nil {
		return r, fmt.Errorf("read %s: %w", r.From, err)
	}
	c := copying{m: m, r: &r, progress: func() {
		if req.Progress != nil {
			req.Progress(int64(r.HostDays+r.Skipped+len(r.Wrong)), int64(total))
		}
	}}
	err = c.run(ctx, days)
	r.Seconds = m.options.Clock().Sub(began).Seconds()
	return r, err
}

// dropTypeTags takes labels that told the type in an earlier copy, and are not
// said to tell it in this one, out of the tags: their value is the type that is
// known. A tag that is known under the same name stays.
func (m *Monitor) dropTypeTags(ctx context.Context, statements []fleet.Statement) error {
	records, err := m.store.Records(ctx, fleet.Selector{}, fleet.Window{})
	if err != nil {
		return err
	}
	known := map[fleet.HostID][]*fleet.Record{}
	for i := range records {
		known[records[i].Host] = append(known[records[i].Host], &records[i])
	}
	now := m.options.Clock()
	for i := range statements {
		x := &statements[i]
		if x.InstanceType != "" || len(x.Tags) == 0 {
			continue
		}
		list := known[m.canonical(x.Host, now)]
		maps.DeleteFunc(x.Tags, func(tag, value string) bool {
			typed := false
			for _, r := range list {
				if _, ok := r.Tags[tag]; ok {
					return false
				}
				typed = typed || value != "" && r.InstanceType == value
			}
			return typed
		})
	}
	return nil
}

// hostDay is a host's UTC day, by its first second.
type hostDay struct {
	host fleet.HostID
	day  int64
}

// canonical is the store's id of a host of another engine.
func (m *Monitor) canonical(host fleet.HostID, at time.Time) fleet.HostID {
	h, err := m.store.Host(string(host), at)
	switch {
	case err != nil:
		return host
	case h.Into != "":
		return h.Into
	}
	return h.ID
}

// storedDays are the host-days of which something is stored, of hosts
// themselves and of their process groups.
type storedDays struct{ hosts, groups map[hostDay]bool }

// copied are the host-days of which something is stored.
func (m *Monitor) copied(ctx context.Context, q fleet.Question, again bool) (storedDays, error) {
	have := storedDays{map[hostDay]bool{}, map[hostDay]bool{}}
	if again {
		return have, nil
	}
	for _, name := range []string{"cpu_usage", "memory_usage"} {
		metric, err := m.options.Metrics.Lookup(name)
		if err != nil {
			return have, err
		}
		for _, groups := range []bool{false, true} {
			days := have.hosts
			if groups {
				days = have.groups
			}
			for p, err := range m.store.Profiles(ctx, fleet.Query{Metric: metric, Window: q.Window, Step: fleet.StepDay, Groups: groups}) {
				if err != nil {
					return have, fmt.Errorf("see what is stored: %w", err)
				}
				if p.Count > 0 {
					days[hostDay{p.Record.Host, p.Window.Start.UTC().Truncate(24 * time.Hour).Unix()}] = true
				}
			}
		}
	}
	return have, nil
}

// copying is a copy under way: one load for each day.
type copying struct {
	m        *Monitor
	r        *CopyResult
	progress func()

	load   fleet.Load
	day    time.Time
	days   int // host-days in the load, and their samples
	taken  int64
	groups []fleet.Batch // of its process groups, which are not loaded but appended
	rows   int           // in groups
}

// groupRows is how many rows of process groups are appended at once.
const groupRows = 50_000

func (c *copying) run(ctx context.Context, days iter.Seq2[HistoryDay, error]) error {
	for d, err := range days {
		if err != nil && d.Host != "" {
			c.r.Wrong = append(c.r.Wrong, err.Error()) // of that day alone
			c.progress()
			continue
		}
		if err == nil {
			err = c.add(ctx, d)
		}
		if err != nil {
			return errors.Join(fmt.Errorf("copy from %s: %w", c.r.From, err), c.abort())
		}
	}
	if err := ctx.Err(); err != nil {
		return errors.Join(err, c.abort())
	}
	return c.commit(ctx)
}

func (c *copying) add(ctx context.Context, d HistoryDay) error {
	if c.load != nil && !d.Day.Equal(c.day) {
		if err := c.commit(ctx); err != nil {
			return err
		}
	}
	if c.load == nil {
		var err error
		if c.load, err = c.m.store.Begin(ctx); err != nil {
			return err
		}
		c.day = d.Day
	}
	if err := c.addBatches(ctx, d.Batches); err != nil {
		return err
	}
	c.days++
	c.taken += d.Samples
	c.r.Samples += d.Samples
	c.r.HostDays++
	c.progress()
	return nil
}

// addBatches stages a host's day. Samples of process groups, which come behind
// the host's, are appended before the day is committed: cut between the two, the
// day is copied again, and they are found unchanged.
func (c *copying) addBatches(ctx context.Context, batches []fleet.Batch) error {
	first := slices.IndexFunc(batches, func(b fleet.Batch) bool { return b.Group != "" })
	if first < 0 {
		return c.load.Add(ctx, batches)
	}
	if err := c.load.Add(ctx, batches[:first]); err != nil {
		return err
	}
	for _, b := range batches[first:] {
		b.Start, b.Columns = slices.Clone(b.Start), slices.Clone(b.Columns)
		for i := range b.Columns {
			b.Columns[i].Values, b.Columns[i].Present = slices.Clone(b.Columns[i].Values), slices.Clone(b.Columns[i].Present)
		}
		c.groups = append(c.groups, b)
		c.rows += len(b.Start)
	}
	if c.rows < groupRows {
		return nil
	}
	return c.appendGroups(ctx)
}

func (c *copying) appendGroups(ctx context.Context) error {
	if len(c.groups) == 0 {
		return nil
	}
	stored, err := c.m.Append(ctx, c.groups)
	if err != nil {
		return fmt.Errorf("store process groups of %s: %w", c.day.Format(time.DateOnly), err)
	}
	c.stored(stored)
	c.groups, c.rows = nil, 0
	return nil
}

// stored counts what became of samples.
func (c *copying) stored(a fleet.Appended) {
	s := &c.r.Stored
	s.Inserted += a.Inserted
	s.Changed += a.Changed
	s.Unchanged += a.Unchanged
	s.Outranked += a.Outranked
	s.Refused = slices.Concat(s.Refused, a.Refused)
}

func (c *copying) commit(ctx context.Context) error {
	if c.load == nil {
		return nil
	}
	if err := c.appendGroups(ctx); err != nil {
		return errors.Join(err, c.abort())
	}
	stored, err := c.load.Commit(ctx)
	if err != nil {
		return errors.Join(fmt.Errorf("store %s: %w", c.day.Format(time.DateOnly), err), c.abort())
	}
	c.stored(stored)
	c.load, c.days, c.taken = nil, 0, 0
	return nil
}

func (c *copying) abort() error {
	if c.load == nil {
		return nil
	}
	c.r.HostDays -= c.days
	c.r.Samples -= c.taken
	c.days, c.taken = 0, 0
	c.groups, c.rows = nil, 0
	err := c.load.Abort()
	c.load = nil
	return err
}
