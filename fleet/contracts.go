package fleet

import (
	"context"
	"errors"
	"iter"
	"slices"
	"time"
)

// Query is what analyses ask of a [Source].
type Query struct {
	// Metric is a stored or a derived one.
	Metric Metric
	// Hosts selects records: a host that moved counts under each record for its
	// time there.
	Hosts Selector
	// Groups asks for process groups instead of hosts.
	Groups bool
	// Window has two bounds.
	Window Window
	// Step cuts the window for Profiles; "" is the whole window. Series ignores it.
	Step Step
	// Location is whose calendar steps follow; nil is UTC.
	Location *time.Location
	// Within is the time that counts; samples that start outside are left out.
	Within Calendar
}

// Series is a piece of one host's samples of a metric in time order, under one
// record.
type Series struct {
	Record *Record
	// Group is the process group, "" for the host itself.
	Group string
	// Start of each sample in Unix milliseconds, strictly increasing.
	Start []int64
	// Step is the milliseconds each sample covers.
	Step int32
	// Values are scaled to the metric's resolution.
	Values []int64
}

// Source answers questions about stored or remote measurements. Every query
// sees one state, however long its answer is read.
type Source interface {
	// Records returns the records that match and overlap the window, by host,
	// then time, whole (not cut to the window), with Seen filled and capacities
	// resolved.
	Records(ctx context.Context, sel Selector, w Window) ([]Record, error)
	// Profiles yields, by host, then record, then step, a profile for every
	// matching record and step in which the host was known to run in the time that
	// counts, or has samples of the metric; Count is 0 where it ran unmeasured. A *DamagedError is
	// yielded for each file that cannot be read, after which the rest follows;
	// any other error ends the answer. Of process groups there are profiles with
	// samples only, by host, then group, then record, then step.
	Profiles(ctx context.Context, q Query) iter.Seq2[Profile, error]
	// Series yields the samples by host, then time, in blocks cut at records and
	// at changes of the step. Errors are as in Profiles. A block is valid until
	// the next one.
	Series(ctx context.Context, q Query) iter.Seq2[Series, error]
}

// DamagedError says that a stored file is missing or cannot be trusted. What it
// held is left out of the answer; the rest is served.
type DamagedError struct {
	// File is the file's path.
	File string
	// Day is the UTC day it holds.
	Day string
	// Err is what was found.
	Err error
}

// Error names the file and what was found.
func (e *DamagedError) Error() string { return e.File + " is damaged: " + e.Err.Error() }

// Unwrap returns what was found.
func (e *DamagedError) Unwrap() error { return e.Err }

// Refusal is samples a sink did not take, and why.
type Refusal struct {
	Reason  string `json:"reason"`
	Host    HostID `json:"host,omitzero"`
	Samples int64  `json:"samples"`
}

// Appended counts what became of samples. One sample is one metric of one host
// at one time.
type Appended struct {
	Inserted  int64 `json:"inserted"`
	Changed   int64 `json:"changed"`
	Unchanged int64 `json:"unchanged"`
	// Outranked samples met a stored one of a higher-ranked origin, which stays.
	Outranked int64     `json:"outranked"`
	Refused   []Refusal `json:"refused,omitempty"`
}

// Statement is what a source says of a host: a partial [Record]. Zero fields
// leave what is known as it was. From is the source's valid_from, To its
// valid_to; zero when it states none.
type Statement struct {
	Record
	// Clear names fields ("region", "disks", "tag_dept", by the columns of
	// inventory files) that are no longer known.
	Clear []string `json:"clear,omitempty"`
	// Aliases are keys of the host beside Host and Name, or what kind of key
	// Host is. They hold from From on, natural ones at all times.
	Aliases []Alias `json:"aliases,omitempty"`
	// Inferred says that State, running or stopped in [From, To), is a conclusion
	// that nobody stated: it is learned where no state is known, and gives way to
	// any that is stated. Nothing else can be stated with it.
	Inferred bool `json:"inferred,omitempty"`
}

// Clone returns a copy that shares nothing with s.
func (s Statement) Clone() Statement {
	s.Record = s.Record.Clone()
	s.Clear, s.Aliases = slices.Clone(s.Clear), slices.Clone(s.Aliases)
	return s
}

// AliasKind says what a key of a host is.
type AliasKind string

// The kinds of keys that can be stated. An instance id and a machine id are
// natural: they belong to one host at all times. A resource id or a host name
// comes again with another host, which then takes it over.
const (
	AliasInstance AliasKind = "instance_id" // a cloud's id of the instance
	AliasMachine  AliasKind = "machine_id"  // the operating system's id
	AliasResource AliasKind = "resource_id" // a cloud's path of names to the instance
	AliasHostName AliasKind = "host_name"   // what the machine calls itself
)

// Alias is a key by which a host is found.
type Alias struct {
	Kind AliasKind `json:"kind"`
	Key  string    `json:"key"`
}

// Put is how statements are to be written.
type Put struct {
	// At is when they are written.
	At time.Time
	// Effective is from when changes hold, where a statement has no From of its
	// own; zero means At.
	Effective time.Time
	// Correct replaces known values in place of recording a change.
	Correct bool
	// Who and Why are kept in the host's history.
	Who, Why string
	// Origin of the statements.
	Origin Origin
}

// Conflict is a statement that contradicts what is known in a way nobody should
// guess about; it was not applied.
type Conflict struct {
	Host   HostID `json:"host"`
	Reason string `json:"reason"`
}

// PutResult counts what became of statements, by host.
type PutResult struct {
	Added     int        `json:"added"`
	Learned   int        `json:"learned"`
	Changed   int        `json:"changed"`
	Corrected int        `json:"corrected"`
	Unchanged int        `json:"unchanged"`
	Conflicts []Conflict `json:"conflicts,omitempty"`
}

// Sink takes measurements and records one write at a time.
type Sink interface {
	// Append stores batches in their order; they are durable when it returns. An
	// error means that nothing of the call was stored. Samples merge metric by
	// metric at a host and start: a value that is not there is inserted, an equal
	// one unchanged, another one changes it unless the stored one is of a
	// higher-ranked origin. An equal value of a higher-ranked origin raises the
	// stored one's rank. A row, all metrics of a host at a start, has one step:
	// that of the last batch with a value in it whose origin ranks no lower than
	// any there; values repeated under another step are changed. Rows without any
	// value are no samples: they add no host and widen no evidence.
	Append(ctx context.Context, batches []Batch) (Appended, error)
	// PutRecords states what hosts are; durable when it returns, and all or
	// nothing.
	PutRecords(ctx context.Context, statements []Statement, put Put) (PutResult, error)
}

// Loader begins bulk loads: any size, any order, bounded memory.
type Loader interface {
	Begin(ctx context.Context) (Load, error)
}

// Load is one bulk load: nothing of it is visible before Commit returns, and
// all of it after. It is for one goroutine, and ends with Commit or Abort.
type Load interface {
	// Add stages batches; it may keep none of the memory they point to. An
	// error leaves the load to be aborted.
	Add(ctx context.Context, batches []Batch) error
	// PutRecords stages statements.
	PutRecords(ctx context.Context, statements []Statement, put Put) (PutResult, error)
	// Records returns the records that a host, found by id or alias at a time,
	// would have after the commit; none when nobody knows it.
	Records(ctx context.Context, key string, at time.Time) ([]Record, error)
	// Commit makes everything durable and visible at once.
	Commit(ctx context.Context) (Appended, error)
	// Abort discards everything. After Commit it does nothing.
	Abort() error
}

// Collector measures hosts. It may return batches and an error.
type Collector interface {
	Collect(ctx context.Context) ([]Batch, error)
}

// Inventory says what hosts are. It may return statements and an error.
type Inventory interface {
	Statements(ctx context.Context) ([]Statement, error)
}

// Errors a caller may branch on.
var (
	// ErrUnknownHost is wrapped where a host is asked for by a name or id that
	// nobody knows.
	ErrUnknownHost = errors.New("unknown host")
	// ErrLocked is wrapped when another process writes to the same directory.
	ErrLocked = errors.New("the data directory is in use")
	// ErrClosed is wrapped when a closed store is asked.
	ErrClosed = errors.New("the store is closed")
)
