package files

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
)

// Stamp says which end of its interval a time stamp of a file names.
type Stamp string

// The ends of an interval. The zero value is the start.
const (
	StampStart Stamp = "start"
	StampEnd   Stamp = "end"
)

// Defaults of [SamplesOptions].
const (
	// DefaultFutureTolerance lets clocks and time zones be wrong by a day before
	// a time is called impossible.
	DefaultFutureTolerance = 24 * time.Hour
	// DefaultRatioWarning is the ratio above which a host is listed: hypervisors
	// report a little more than all of a capacity, but not a quarter more.
	DefaultRatioWarning = 1.25
)

// ErrNoCapacity is wrapped when an absolute value (cores, bytes) is refused
// because nobody says how large its host was.
var ErrNoCapacity = errors.New("no capacity is known")

// SamplesOptions say how files of samples are to be read. The zero value reads
// files whose columns are named as leanfleet names metrics.
type SamplesOptions struct {
	// Metrics are those that columns may name; the zero value is the canonical
	// ones.
	Metrics fleet.Metrics
	// Map renames columns: a file's header to the name it is read as. "-" leaves
	// the column out.
	Map map[string]string
	// Ignore names columns to leave out.
	Ignore []string
	// Step is the time every row covers, 1 ms to 24 h; 0 takes for each host its
	// commonest difference in the file.
	Step time.Duration
	// Stamp says what times name; "" is the start.
	Stamp Stamp
	// SkipBad leaves impossible values out and counts them, in place of stopping.
	SkipBad bool
	// Now is when the import happens. Times more than FutureTolerance later are
	// impossible; a zero Now lets all times pass.
	Now time.Time
	// FutureTolerance defaults to DefaultFutureTolerance.
	FutureTolerance time.Duration
	// RatioWarning defaults to DefaultRatioWarning.
	RatioWarning float64
	// Origin of the batches; "" is fleet.OriginImport.
	Origin fleet.Origin
	// Records returns the timeline of a host, found by id or alias at a time, and
	// nothing when nobody knows it. It is asked, once for each host and UTC day,
	// for the capacity of absolute values whose row states none; nil knows none.
	Records func(host string, at time.Time) ([]fleet.Record, error)
	// Directory is where relative paths begin; "" is the process's own.
	Directory string
	// Stdin is read for the path "-"; nil is the process's own.
	Stdin io.Reader
	// TempDir holds copies of pipes that must be read twice; "" is the system's.
	TempDir string
	// Progress is told how many bytes of the inputs, as they lie on disk, are
	// dealt with. The total is 0 when it is unknown. It may be called from
	// another goroutine, but never twice at a time.
	Progress func(read, total int64)
}

// SamplesSummary counts what was read. A sample is one value.
type SamplesSummary struct {
	Files   int   `json:"files"`
	Rows    int64 `json:"rows"`
	Samples int64 `json:"samples"`
	Hosts   int   `json:"hosts"`
	// Window runs from the first interval's start to the last one's end.
	Window fleet.Window `json:"window,omitzero"`
	// Steps are the steps found or given, and how many hosts have them.
	Steps []StepCount `json:"steps,omitempty"`
	// Repeated samples stood again in a file for the same host and time, with
	// the same value.
	Repeated int64 `json:"repeated"`
	// AboveOne counts ratios above 1. They are data.
	AboveOne int64 `json:"above_one"`
	// High lists hosts with ratios above the warning, by host, then metric.
	High []HighRatio `json:"high,omitempty"`
	// Skipped is what was left out as impossible, by reason.
	Skipped []Skip `json:"skipped,omitempty"`
}

// StepCount is a step and the number of hosts that have it.
type StepCount struct {
	Seconds float64 `json:"step_seconds"`
	Hosts   int     `json:"hosts"`
}

// HighRatio is a host that uses far more than all of a capacity: either the
// capacity is wrong or the source is.
type HighRatio struct {
	Host    string  `json:"host"`
	Metric  string  `json:"metric"`
	Highest float64 `json:"highest"`
	Samples int64   `json:"samples"`
}

// Skip counts what was left out for one reason.
type Skip struct {
	Reason string `json:"reason"`
	// Samples is the number of values, those in left-out rows included; Rows is
	// the number of rows left out whole.
	Samples int64 `json:"samples"`
	Rows    int64 `json:"rows"`
	// First says where and what the first one was.
	First string `json:"first"`
}

// ReadSamples reads files of samples and hands them on as batches, each of one
// host with rows in time order; batches of a host follow one another in time
// order within a file. A batch is valid during the call of emit. The first
// structural error, or error of emit, ends the reading; what was emitted before
// it is then part of nothing whole and ought to be thrown away. Errors of
// impossible values wrap fleet.ErrImpossible, those of absolute values without
// a capacity [ErrNoCapacity].
//
// Rules of the formats are in docs/files.md.
func ReadSamples(ctx context.Context, paths []string, opt SamplesOptions, emit func(fleet.Batch) error) (SamplesSummary, error) {
	in, err := newIntake(ctx, opt, emit)
	if err != nil {
		return SamplesSummary{}, err
	}
	passes := int64(1)
	if opt.Step == 0 {
		passes = 2
	}
	in.meter = &meter{report: opt.Progress, total: totalSize(paths), passes: passes}
	for i, path := range paths {
		in.lastFile = i == len(paths)-1
		if err := in.file(path); err != nil {
			return in.summary(), err
		}
		in.sum.Files++
	}
	return in.summary(), nil
}

// totalSize is the size of all files, 0 when one has none.
func totalSize(paths []string) int64 {
	total := int64(0)
	for _, p := range paths {
		info, err := os.Stat(p)
		if p == "-" || err != nil || !info.Mode().IsRegular() {
			return 0
		}
		total += info.Size()
	}
	return total
}

func checkSamplesOptions(opt *SamplesOptions) error {
	if len(opt.Metrics.All()) == 0 {
		opt.Metrics = fleet.CanonicalMetrics()
	}
	if opt.Stamp == "" {
		opt.Stamp = StampStart
	}
	if opt.FutureTolerance == 0 {
		opt.FutureTolerance = DefaultFutureTolerance
	}
	if opt.RatioWarning == 0 {
		opt.RatioWarning = DefaultRatioWarning
	}
	if opt.Origin == "" {
		opt.Origin = fleet.OriginImport
	}
	switch {
	case opt.Stamp != StampStart && opt.Stamp != StampEnd:
		return fmt.Errorf("stamp %q: use start or end", opt.Stamp)
	case opt.Step != 0 && (opt.Step < time.Millisecond || opt.Step > fleet.MaxStep || opt.Step%time.Millisecond != 0):
		return fmt.Errorf("step %s: use whole milliseconds, 1 ms to 24 h", opt.Step)
	}
	for from, to := range opt.Map {
		if to != "-" && !isColumn(opt.Metrics, to) {
			return fmt.Errorf("map %s=%s: there is no column %q to read it as%s", from, to, to, fleet.DidYouMean(to, columnNames(opt.Metrics)))
		}
	}
	return nil
}

// file reads one input.
func (in *intake) file(path string) (err error) {
	src, err := openSource(in.ctx, path, sourceOptions{stdin: in.opt.Stdin, directory: in.opt.Directory, tempDir: in.opt.TempDir, again: in.opt.Step == 0})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, src.close()) }()
	in.begin()
	if src.kind == kindParquet {
		err = in.parquet(src)
	} else {
		err = in.csv(src)
	}
	if err != nil {
		return err
	}
	if err := in.flush(true); err != nil {
		return err
	}
	in.meter.finish(src.size)
	return nil
}

// summary completes the counts.
func (in *intake) summary() SamplesSummary {
	s := in.sum
	s.Hosts = len(in.names)
	if in.last > in.first {
		s.Window = fleet.Window{Start: time.UnixMilli(in.first).UTC(), End: time.UnixMilli(in.last).UTC()}
	}
	steps := map[int32]int{}
	for hs := range in.hostSteps {
		steps[hs.step]++
	}
	for step, hosts := range steps {
		s.Steps = append(s.Steps, StepCount{float64(step) / 1000, hosts})
	}
	slices.SortFunc(s.Steps, func(a, b StepCount) int {
		return cmp.Or(cmp.Compare(b.Hosts, a.Hosts), cmp.Compare(a.Seconds, b.Seconds))
	})
	for _, h := range in.high {
		s.High = append(s.High, *h)
	}
	slices.SortFunc(s.High, func(a, b HighRatio) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Metric, b.Metric))
	})
	for _, k := range in.skips {
		s.Skipped = append(s.Skipped, *k)
	}
	slices.SortFunc(s.Skipped, func(a, b Skip) int { return cmp.Compare(a.Reason, b.Reason) })
	return s
}
