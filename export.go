package leanfleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

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
// then time, each valid until the next. The series of all metrics are read along
// with each other, a block of each at a time; tolerate decides about errors.
func wideRows(ctx context.Context, source fleet.Source, q fleet.Question, metrics []fleet.Metric, tolerate func(error) error) iter.Seq2[fleet.Batch, error] {
	return func(yield func(fleet.Batch, error) bool) {
		readers := make([]*seriesReader, len(metrics))
		for i, x := range metrics {
			next, stop := iter.Pull2(source.Series(ctx, fleet.Query{
				Metric: x, Hosts: q.Hosts, Window: q.Window, Location: q.Location, Within: q.Within}))
			defer stop()
			readers[i] = &seriesReader{next: next, tolerate: tolerate}
		}
		w := wideBatch{values: make([]wideColumn, len(metrics))}
		for {
			host, ok, err := nextHost(readers)
			if err != nil {
				yield(fleet.Batch{}, err)
				return
			}
			if !ok {
				return
			}
			if !hostRows(host, metrics, readers, &w, yield) {
				return
			}
		}
	}
}

// seriesReader reads one metric's series, a block at a time.
type seriesReader struct {
	next     func() (fleet.Series, error, bool)
	tolerate func(error) error
	block    fleet.Series
	at       int  // the sample of the block that is next
	have     bool // there is one
	done     bool
}

// peek returns the host of the next sample.
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
			r.block, r.at, r.have = s, 0, len(s.Start) > 0
		}
	}
	if r.done {
		return "", false, nil
	}
	return r.block.Record.Host, true, nil
}

// take goes on to the next sample, and says whether that is of the same block.
func (r *seriesReader) take() bool {
	r.at++
	r.have = r.at < len(r.block.Start)
	return r.have
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

// wideBatch is rows on their way out; its memory is used again.
type wideBatch struct {
	batch  fleet.Batch
	values []wideColumn
}

type wideColumn struct {
	values  []int32
	present []bool
	has     bool
}

// hostRows yields one host's rows.
func hostRows(host fleet.HostID, metrics []fleet.Metric, readers []*seriesReader, w *wideBatch, yield func(fleet.Batch, error) bool) bool {
	of := make([]*seriesReader, len(readers)) // those that are at the host
	for i, r := range readers {
		if h, ok, err := r.peek(); err != nil {
			return yield(fleet.Batch{}, err)
		} else if ok && h == host {
			of[i] = r
		}
	}
	w.begin(host, 0)
	for {
		first := -1
		for i, r := range of {
			if r != nil && (first < 0 || r.block.Start[r.at] < of[first].block.Start[of[first].at]) {
				first = i
			}
		}
		if first < 0 {
			return w.send(metrics, yield)
		}
		start, step := of[first].block.Start[of[first].at], of[first].block.Step
		if n := len(w.batch.Start); n == maxExportRows || n > 0 && step != w.batch.Step {
			if !w.send(metrics, yield) {
				return false
			}
			w.begin(host, step)
		}
		w.batch.Step = step
		n := len(w.batch.Start)
		w.batch.Start = append(w.batch.Start, start)
		for i, r := range of {
			if r == nil || r.block.Start[r.at] != start {
				continue
			}
			c := &w.values[i]
			c.values[n], c.present[n], c.has = int32(r.block.Values[r.at]), true, true
			if r.take() {
				continue
			}
			if h, ok, err := r.peek(); err != nil {
				return yield(fleet.Batch{}, err)
			} else if !ok || h != host {
				of[i] = nil
			}
		}
	}
}

// begin begins a batch.
func (w *wideBatch) begin(host fleet.HostID, step int32) {
	w.batch = fleet.Batch{Host: host, Step: step, Start: w.batch.Start[:0], Columns: w.batch.Columns[:0]}
	for i := range w.values {
		c := &w.values[i]
		if c.values == nil {
			c.values, c.present = make([]int32, maxExportRows), make([]bool, maxExportRows)
		}
		if c.has {
			clear(c.values)
			clear(c.present)
			c.has = false
		}
	}
}

// send yields a batch that has rows.
func (w *wideBatch) send(metrics []fleet.Metric, yield func(fleet.Batch, error) bool) bool {
	n := len(w.batch.Start)
	if n == 0 {
		return true
	}
	for i := range w.values {
		if c := &w.values[i]; c.has {
			w.batch.Columns = append(w.batch.Columns, fleet.Column{Metric: metrics[i], Values: c.values[:n], Present: c.present[:n]})
		}
	}
	return yield(w.batch, nil)
}
