package leanfleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/files"
)

// ExportRequest asks for stored samples or records in a file that can be
// imported again.
type ExportRequest struct {
	// What is "samples" (the default) or "inventory".
	What string `json:"what,omitempty"`
	fleet.Scope
	// Metrics are those to write; empty is all stored metrics that have samples.
	Metrics []string `json:"metrics,omitempty"`
	// Format is "csv" (the default) or, for samples, "parquet".
	Format string `json:"format,omitempty"`
	// Times is "rfc3339" (the default) or "unix_ms", for samples as CSV.
	Times string `json:"times,omitempty"`
	// Output receives the file.
	Output io.Writer `json:"-"`
}

// ExportResult says what was written.
type ExportResult struct {
	What    string         `json:"what"`
	Window  fleet.Window   `json:"window"`
	Hosts   int            `json:"hosts"`
	Rows    int64          `json:"rows"`
	Samples int64          `json:"samples"`
	Damaged []fleet.Damage `json:"damaged,omitempty"`
}

// DefaultExportRange is the window of an export when none is asked for.
const DefaultExportRange = "30d"

// Export writes stored samples or records. Samples are in the metrics' own
// units at their resolution, stamped with the start of their interval, so that
// importing the file again stores the same integers.
func (m *Monitor) Export(ctx context.Context, req ExportRequest) (ExportResult, error) {
	if req.Output == nil {
		return ExportResult{}, errors.New("export: no output is given")
	}
	env := m.environment()
	env.Blackouts = nil // what questions leave out is stored all the same
	q, err := env.Resolve(req.Scope, DefaultExportRange)
	if err != nil {
		return ExportResult{}, err
	}
	r := ExportResult{What: req.What, Window: q.Window}
	switch req.What {
	case "", "samples":
		r.What = "samples"
		err = m.exportSamples(ctx, env, q, req, &r)
	case "inventory":
		err = m.exportInventory(ctx, q, req, &r)
	default:
		err = fmt.Errorf("export %q: use samples or inventory", req.What)
	}
	return r, err
}

func (m *Monitor) exportInventory(ctx context.Context, q fleet.Question, req ExportRequest, r *ExportResult) error {
	if req.Format != "" && req.Format != "csv" {
		return fmt.Errorf("export the inventory as %q: use csv; inventory.parquet in the data directory holds it as Parquet", req.Format)
	}
	r.Window = fleet.Window{}
	records, err := m.store.Records(ctx, q.Hosts, fleet.Window{})
	if err != nil {
		return fmt.Errorf("read records: %w", err)
	}
	r.Rows = int64(len(records))
	var last fleet.HostID
	for i := range records {
		if records[i].Host != last || i == 0 {
			r.Hosts++
		}
		last = records[i].Host
	}
	return files.WriteInventory(req.Output, records)
}

func (m *Monitor) exportSamples(ctx context.Context, env fleet.Environment, q fleet.Question, req ExportRequest, r *ExportResult) error {
	metrics, err := m.exported(ctx, q, req, r)
	if err != nil {
		return err
	}
	rows := wideRows(ctx, env.Source, q, metrics, func(err error) error { return fleet.Tolerate(err, req.Partial, &r.Damaged) })
	counted := func(yield func(fleet.Batch, error) bool) {
		var last fleet.HostID
		for b, err := range rows {
			if err == nil && b.Host != last {
				r.Hosts++
				last = b.Host
			}
			if !yield(b, err) {
				return
			}
		}
	}
	var sum files.ExportSummary
	switch req.Format {
	case "", "csv":
		sum, err = files.WriteSamplesCSV(ctx, req.Output, metrics, counted, files.TimeFormat(req.Times))
	case "parquet":
		sum, err = files.WriteSamplesParquet(ctx, req.Output, metrics, counted)
	default:
		err = fmt.Errorf("export samples as %q: use csv or parquet", req.Format)
	}
	r.Rows, r.Samples = sum.Rows, sum.Samples
	return err
}

// exported are the metrics asked for, or those that have a sample.
func (m *Monitor) exported(ctx context.Context, q fleet.Question, req ExportRequest, r *ExportResult) ([]fleet.Metric, error) {
	var metrics []fleet.Metric
	for _, name := range req.Metrics {
		x, err := m.options.Metrics.Lookup(name)
		if err != nil {
			return nil, err
		}
		metrics = append(metrics, x)
	}
	if len(metrics) > 0 {
		return metrics, nil
	}
	for _, x := range m.options.Metrics.Stored() {
		for _, err := range m.store.Series(ctx, fleet.Query{Metric: x, Hosts: q.Hosts, Window: q.Window, Within: q.Within}) {
			if err != nil {
				if err = fleet.Tolerate(err, req.Partial, &r.Damaged); err != nil {
					return nil, err
				}
				continue
			}
			metrics = append(metrics, x)
			break
		}
	}
	return metrics, nil
}

// maxExportRows bounds a batch of exported rows.
const maxExportRows = 4096

// wideRows puts the series of several metrics side by side: batches by host,
// then time. The series of all metrics are read along with each other, host by
// host; tolerate decides about errors.
func wideRows(ctx context.Context, source fleet.Source, q fleet.Question, metrics []fleet.Metric, tolerate func(error) error) iter.Seq2[fleet.Batch, error] {
	return func(yield func(fleet.Batch, error) bool) {
		readers := make([]*seriesReader, len(metrics))
		for i, x := range metrics {
			next, stop := iter.Pull2(source.Series(ctx, fleet.Query{
				Metric: x, Hosts: q.Hosts, Window: q.Window, Location: q.Location, Within: q.Within}))
			defer stop()
			readers[i] = &seriesReader{next: next, tolerate: tolerate}
		}
		for {
			host, ok, err := nextHost(readers)
			if err != nil {
				yield(fleet.Batch{}, err)
				return
			}
			if !ok {
				return
			}
			if !hostRows(host, metrics, readers, yield) {
				return
			}
		}
	}
}

// seriesReader reads one metric's series a host at a time.
type seriesReader struct {
	next     func() (fleet.Series, error, bool)
	tolerate func(error) error
	block    fleet.Series
	have     bool // block is not yet taken
	done     bool
	samples  []exportSample // of the host at hand
}

type exportSample struct {
	start, value int64
	step         int32
}

// peek returns the host of the next block.
func (r *seriesReader) peek() (fleet.HostID, bool, error) {
	for !r.have && !r.done {
		s, err, ok := r.next()
		switch {
		case !ok:
			r.done = true
		case err != nil:
			if err := r.tolerate(err); err != nil {
				return "", false, err
			}
		default:
			r.block, r.have = s, true
		}
	}
	if r.done {
		return "", false, nil
	}
	return r.block.Record.Host, true, nil
}

// read takes all blocks of a host.
func (r *seriesReader) read(host fleet.HostID) error {
	r.samples = r.samples[:0]
	for {
		h, ok, err := r.peek()
		if err != nil || !ok || h != host {
			return err
		}
		for i, t := range r.block.Start {
			r.samples = append(r.samples, exportSample{t, r.block.Values[i], r.block.Step})
		}
		r.have = false
	}
}

// nextHost is the first host any of the readers has.
func nextHost(readers []*seriesReader) (fleet.HostID, bool, error) {
	var first fleet.HostID
	found := false
	for _, r := range readers {
		h, ok, err := r.peek()
		if err != nil {
			return "", false, err
		}
		if ok && (!found || h < first) {
			first, found = h, true
		}
	}
	return first, found, nil
}

// hostRows yields one host's rows.
func hostRows(host fleet.HostID, metrics []fleet.Metric, readers []*seriesReader, yield func(fleet.Batch, error) bool) bool {
	var times []exportSample
	for _, r := range readers {
		if err := r.read(host); err != nil {
			return yield(fleet.Batch{}, err)
		}
		times = append(times, r.samples...)
	}
	slices.SortFunc(times, func(a, b exportSample) int { return cmp.Compare(a.start, b.start) })
	times = slices.CompactFunc(times, func(a, b exportSample) bool { return a.start == b.start })
	at := make([]int, len(readers))
	for len(times) > 0 {
		n := 1
		for n < len(times) && n < maxExportRows && times[n].step == times[0].step {
			n++
		}
		b := fleet.Batch{Host: host, Step: times[0].step}
		for _, x := range times[:n] {
			b.Start = append(b.Start, x.start)
		}
		for i, r := range readers {
			c := fleet.Column{Metric: metrics[i], Values: make([]int32, n), Present: make([]bool, n)}
			has := false
			for row, start := range b.Start {
				if at[i] < len(r.samples) && r.samples[at[i]].start == start {
					c.Values[row], c.Present[row], has = int32(r.samples[at[i]].value), true, true
					at[i]++
				}
			}
			if has {
				b.Columns = append(b.Columns, c)
			}
		}
		if !yield(b, nil) {
			return false
		}
		times = times[n:]
	}
	return true
}
