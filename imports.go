package leanfleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/catalog"
	"github.com/leanfleet/leanfleet/internal/files"
)

// ImportRequest asks for files of samples and inventories to be stored, all of
// them or nothing.
type ImportRequest struct {
	// Samples are paths of CSV (plain, gzip, zstd) or Parquet files; "-" is
	// standard input.
	Samples []string `json:"samples,omitempty"`
	// Inventory are paths of inventory files: in CSV, or as From says.
	Inventory []string `json:"inventory,omitempty"`
	// From is what wrote the inventory files: "csv" (the default), "aws-cli",
	// "az-cli", "gcloud", or "auto" for any of these tools.
	From string `json:"from,omitempty"`
	// Whole says of which scope the inventory files, listings of a cloud's tool,
	// name every host, so that those they lack are ended: each "account", "region",
	// "zone" or (resource) "group" that they show a host of, or a selector. ""
	// is of none: a host that is not named stays as it was.
	Whole string `json:"whole,omitempty"`
	// MaxEnded is the largest share of a scope's hosts that may be ended, 1 for
	// all; 0 is a half. Where more would be, nothing is stored.
	MaxEnded float64 `json:"max_ended,omitzero"`
	// Map renames columns of sample files: the file's name to ours, "-" to leave
	// one out.
	Map map[string]string `json:"map,omitempty"`
	// Step is what every row covers; 0 takes each host's commonest difference.
	Step time.Duration `json:"step,omitzero"`
	// Stamp says which end of its interval a time names: "start" (the default)
	// or "end".
	Stamp string `json:"stamp,omitempty"`
	// SkipBad leaves impossible values out and counts them.
	SkipBad bool `json:"skip_bad,omitempty"`
	// FutureTolerance is how far ahead of the clock a time may be; 0 is a day.
	FutureTolerance time.Duration `json:"future_tolerance,omitzero"`
	// RatioWarning is the ratio above which hosts are listed; 0 is 1.25.
	RatioWarning float64 `json:"ratio_warning,omitzero"`
	// Effective is from when changes of the inventory hold where a row has no
	// valid_from; zero is now.
	Effective time.Time `json:"effective,omitzero"`
	// Correct replaces what the inventory said before in place of recording a
	// change.
	Correct bool `json:"correct,omitempty"`
	// Why is kept in the history of records.
	Why string `json:"why,omitempty"`

	// Directory is where relative paths begin; "" is the process's own.
	Directory string `json:"-"`
	// Stdin is read for the path "-".
	Stdin io.Reader `json:"-"`
	// Progress is told of the bytes of sample files read, then with 0, 0 that
	// they are being sealed.
	Progress func(read, total int64) `json:"-"`
}

// ImportResult is what an import did.
type ImportResult struct {
	// Samples is what was read from the files, nil without sample files.
	Samples *files.SamplesSummary `json:"samples,omitempty"`
	// Stored is what became of the samples.
	Stored *fleet.Appended `json:"stored,omitempty"`
	// Inventory is what became of the statements, nil without inventory files. Its
	// conflicts are those that did not stand before.
	Inventory *fleet.PutResult `json:"inventory,omitempty"`
	// Standing counts the conflicts that the statements repeat, those of one reason
	// once.
	Standing int `json:"standing_conflicts,omitzero"`
	// Ended are hosts that are gone: that a whole listing lacks, or whose resource
	// id is another host's now.
	Ended []EndedHost `json:"ended,omitempty"`
	// Returned are hosts that were said to be gone, and are listed again.
	Returned []EndedHost `json:"returned,omitempty"`
	// Whole are the scopes of which every host is listed.
	Whole []WholeScope `json:"whole,omitempty"`
	// NewHosts are hosts nobody knew; they have a record that says only what the
	// samples say.
	NewHosts int `json:"new_hosts"`
	// UnknownTypes are instance types of the inventory that the catalogue does
	// not know, so that the size of their hosts is unknown.
	UnknownTypes []UnknownType `json:"unknown_types,omitempty"`
	// Notes are what a careful reader of the files should know.
	Notes []string `json:"notes,omitempty"`
	// Seconds is how long it took.
	Seconds float64 `json:"seconds"`
}

// UnknownType is an instance type that the catalogue does not know.
type UnknownType struct {
	// Provider is as the inventory has it; "" is none.
	Provider     string `json:"provider"`
	InstanceType string `json:"instance_type"`
	Hosts        int    `json:"hosts"`
	// Nearest are known types it may have been meant to be.
	Nearest []string `json:"nearest,omitempty"`
}

// Import stores files. Inventory and samples of one request are one commit:
// after an error nothing of it is stored. It may be repeated.
func (m *Monitor) Import(ctx context.Context, req ImportRequest) (ImportResult, error) {
	if len(req.Samples)+len(req.Inventory) == 0 {
		return ImportResult{}, errors.New("import: no files are named")
	}
	if n := count(req.Samples, "-") + count(req.Inventory, "-"); n > 1 {
		return ImportResult{}, errors.New("import: standard input can be read once only")
	}
	began := m.options.Clock()
	load, err := m.store.Begin(ctx)
	if err != nil {
		return ImportResult{}, fmt.Errorf("begin the import: %w", err)
	}
	result, err := m.load(ctx, load, req)
	if err != nil {
		return ImportResult{}, errors.Join(err, load.Abort())
	}
	stored, err := load.Commit(ctx)
	if err != nil {
		return ImportResult{}, errors.Join(fmt.Errorf("commit the import: %w", err), load.Abort())
	}
	if len(req.Samples) > 0 {
		result.Stored = &stored
	}
	result.Seconds = m.options.Clock().Sub(began).Seconds()
	return result, nil
}

func count(list []string, s string) int {
	n := 0
	for _, x := range list {
		if x == s {
			n++
		}
	}
	return n
}

// load stages the files: inventories first, because samples may need the
// capacities they state.
func (m *Monitor) load(ctx context.Context, load fleet.Load, req ImportRequest) (ImportResult, error) {
	var result ImportResult
	if err := m.inventories(ctx, load, &req, &result); err != nil {
		return result, err
	}
	if len(req.Samples) == 0 {
		return result, nil
	}
	known := map[fleet.HostID]bool{}
	options := files.SamplesOptions{
		Metrics: m.options.Metrics, Map: req.Map, Step: req.Step, Stamp: files.Stamp(req.Stamp),
		SkipBad: req.SkipBad, Now: m.options.Clock(), FutureTolerance: req.FutureTolerance,
		RatioWarning: req.RatioWarning, Stdin: req.Stdin, Progress: req.Progress, Directory: req.Directory,
		Records: func(host string, at time.Time) ([]fleet.Record, error) { return load.Records(ctx, host, at) },
	}
	summary, err := files.ReadSamples(ctx, req.Samples, options, func(b fleet.Batch) error {
		if !known[b.Host] {
			known[b.Host] = true
			records, err := load.Records(ctx, string(b.Host), time.UnixMilli(b.Start[0]).UTC())
			if err != nil {
				return err
			}
			if len(records) == 0 {
				result.NewHosts++
			}
		}
		return addCut(ctx, load, b)
	})
	if err != nil {
		return result, err
	}
	if req.Progress != nil {
		req.Progress(0, 0)
	}
	result.Samples = &summary
	return result, nil
}

// addCut adds a batch, cut where the name of its host passes to another host.
func addCut(ctx context.Context, load fleet.Load, b fleet.Batch) error {
	var failed error
	hostAt := func(row int) fleet.HostID {
		records, err := load.Records(ctx, string(b.Host), time.UnixMilli(b.Start[row]).UTC())
		if err != nil {
			failed = err
		}
		if len(records) == 0 {
			return ""
		}
		return records[0].Host
	}
	for {
		first, rest := b, fleet.Batch{}
		if n := len(b.Start); n > 1 {
			if id := hostAt(0); hostAt(n-1) != id {
				first, rest = b.Cut(sort.Search(n, func(row int) bool { return hostAt(row) != id }))
			}
		}
		if failed != nil {
			return failed
		}
		if err := load.Add(ctx, []fleet.Batch{first}); err != nil {
			return err
		}
		if len(rest.Start) == 0 {
			return nil
		}
		b = rest
	}
}

// unknownTypes adds the types of statements whose hosts have no capacity.
func (m *Monitor) unknownTypes(ctx context.Context, load fleet.Load, statements []fleet.Statement, list []UnknownType) ([]UnknownType, error) {
	seen := map[fleet.HostID]bool{}
	for i := range statements {
		s := &statements[i]
		if s.InstanceType == "" || seen[s.Host] {
			continue
		}
		seen[s.Host] = true
		records, err := load.Records(ctx, string(s.Host), m.options.Clock())
		if err != nil {
			return list, err
		}
		if len(records) == 0 || records[len(records)-1].Capacity.VCPUs > 0 || records[len(records)-1].Capacity.MemoryBytes > 0 {
			continue
		}
		r := records[len(records)-1]
		at := slices.IndexFunc(list, func(u UnknownType) bool { return u.Provider == r.Provider && u.InstanceType == r.InstanceType })
		if at < 0 {
			list = append(list, UnknownType{Provider: r.Provider, InstanceType: r.InstanceType, Nearest: m.nearestTypes(r.Provider, r.InstanceType)})
			at = len(list) - 1
		}
		list[at].Hosts++
	}
	return list, nil
}

// nearestTypes are known types like one, written with their provider where the
// inventory names none that is known.
func (m *Monitor) nearestTypes(provider, instanceType string) []string {
	providers := []string{catalog.AWS, catalog.Azure, catalog.GCP}
	if slices.Contains(providers, provider) {
		return m.catalog.Nearest(provider, instanceType, 2)
	}
	var out []string
	for _, p := range providers {
		if _, ok := m.catalog.Type(p, instanceType); ok {
			out = append(out, "provider "+p)
		}
	}
	return out
}

func addPut(sum *fleet.PutResult, r fleet.PutResult) *fleet.PutResult {
	if sum == nil {
		return &r
	}
	sum.Added += r.Added
	sum.Learned += r.Learned
	sum.Changed += r.Changed
	sum.Corrected += r.Corrected
	sum.Unchanged += r.Unchanged
	sum.Conflicts = slices.Concat(sum.Conflicts, r.Conflicts)
	return sum
}
