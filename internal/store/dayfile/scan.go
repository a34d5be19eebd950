package dayfile

import (
	"fmt"
	"slices"

	"github.com/leanfleet/leanfleet/fleet"
)

// Scan yields the values of a metric run by run, for the runs [lo, hi). It reads
// the pages of that metric which hold rows of these runs, and nothing else.
//
// values are those that are there, packed, in time order and in the resolution
// of the metric asked for; present says which rows of the run they belong to,
// nil meaning all of them. Both are valid until yield returns. Runs without a
// value are left out, so a metric that the file lacks yields nothing. An error
// of yield ends the scan and is returned as it is. Within yield the Scratch may
// be used to Scan other metrics and for Starts, but not for Rows.
func (f *File) Scan(metric fleet.Metric, lo, hi int, s *Scratch, yield func(run int, values []int32, present []bool) error) error {
	if err := f.checkRuns(lo, hi); err != nil {
		return err
	}
	at, ok := f.layout.byName[metric.Name]
	if !ok {
		return nil
	}
	for run := lo; run < hi; run++ {
		values, present, err := f.values(s, at, run, f.rows[hi])
		if err != nil {
			return err
		}
		if len(values) == 0 {
			continue
		}
		if own := f.index.metrics[at]; !sameResolution(own, metric) {
			c, err := Convert(fleet.Column{Metric: own, Values: values}, metric)
			if err != nil {
				return fmt.Errorf("host %s: %w", f.index.runs[run].Host, err)
			}
			values = c.Values
		}
		if err := yield(run, values, present); err != nil {
			return err
		}
	}
	return nil
}

func (f *File) checkRuns(lo, hi int) error {
	if lo < 0 || hi > len(f.index.runs) || lo > hi {
		return fmt.Errorf("runs %d to %d are not among the %d of day %s", lo, hi, len(f.index.runs), f.index.day)
	}
	return nil
}

// values returns the values of metric at of a run; they are valid until the
// next call for the same metric. Rows up to until are read ahead.
func (f *File) values(s *Scratch, at, run int, until int64) ([]int32, []bool, error) {
	from, to := f.rows[run], f.rows[run+1]
	sl, err := f.seek(s, firstMetric+at, from, until)
	if err != nil {
		return nil, nil, err
	}
	if to <= sl.end {
		values, present := sl.part(from, to)
		return values, present, nil
	}
	// The run crosses pages: gather it.
	r := &sl.run
	r.values, r.present = r.values[:0], r.present[:0]
	some := false
	for row := from; row < to; {
		if sl, err = f.seek(s, firstMetric+at, row, until); err != nil {
			return nil, nil, err
		}
		end := min(to, sl.end)
		values, present := sl.part(row, end)
		r.values = append(r.values, values...)
		if present != nil {
			some = true
			r.present = append(r.present, present...)
		} else {
			r.present = appendTrue(r.present, int(end-row))
		}
		row = end
	}
	if !some {
		return r.values, nil, nil
	}
	return r.values, r.present, nil
}

// Starts yields the starts of the rows of the runs [lo, hi) in Unix
// milliseconds. Those of a regular run are computed, not read. They are valid
// until yield returns.
func (f *File) Starts(lo, hi int, s *Scratch, yield func(run int, starts []int64) error) error {
	if err := f.checkRuns(lo, hi); err != nil {
		return err
	}
	for run := lo; run < hi; run++ {
		starts, err := f.starts(s, run, f.rows[hi])
		if err != nil {
			return err
		}
		if err := yield(run, starts); err != nil {
			return err
		}
	}
	return nil
}

// starts returns the starts of a run's rows, valid until the next call.
func (f *File) starts(s *Scratch, run int, until int64) ([]int64, error) {
	r := f.index.runs[run]
	if r.Regular {
		sl := s.slot(columnTime)
		sl.run.times = slices.Grow(sl.run.times[:0], r.Rows)[:r.Rows]
		for i := range sl.run.times {
			sl.run.times[i] = r.First + int64(i)*int64(r.Step)
		}
		return sl.run.times, nil
	}
	starts, err := f.storedStarts(s, run, until)
	if err != nil {
		return nil, err
	}
	if starts[0] != r.First || starts[len(starts)-1] != r.Last {
		return nil, fmt.Errorf("host %s: times %d to %d are not those of the index, %d to %d", r.Host, starts[0], starts[len(starts)-1], r.First, r.Last)
	}
	return starts, nil
}

// storedStarts reads the starts of a run's rows from the time column.
func (f *File) storedStarts(s *Scratch, run int, until int64) ([]int64, error) {
	from, to := f.rows[run], f.rows[run+1]
	sl, err := f.seek(s, columnTime, from, until)
	if err != nil {
		return nil, err
	}
	if to <= sl.end {
		return sl.times[from-sl.first : to-sl.first], nil
	}
	sl.run.times = sl.run.times[:0]
	for row := from; row < to; {
		if sl, err = f.seek(s, columnTime, row, until); err != nil {
			return nil, err
		}
		end := min(to, sl.end)
		sl.run.times = append(sl.run.times, sl.times[row-sl.first:end-sl.first]...)
		row = end
	}
	return sl.run.times, nil
}

// Rows returns everything that a run holds, in the resolutions of the file. The
// columns are those of the metrics of which the run has values. The memory is
// the caller's. Reading runs one after the other decodes each page once.
func (f *File) Rows(run int, s *Scratch) (Rows, error) {
	if err := f.checkRuns(run, run+1); err != nil {
		return Rows{}, err
	}
	n := f.index.runs[run].Rows
	starts, err := f.starts(s, run, f.rows[run+1])
	if err != nil {
		return Rows{}, err
	}
	out := Rows{Start: slices.Clone(starts)}
	if err := f.origins(s, run, &out); err != nil {
		return Rows{}, err
	}
	for at, metric := range f.index.metrics {
		packed, present, err := f.values(s, at, run, f.rows[run+1])
		if err != nil {
			return Rows{}, err
		}
		if len(packed) == 0 {
			continue
		}
		c := fleet.Column{Metric: metric}
		if present == nil {
			c.Values = slices.Clone(packed)
		} else {
			c.Values, c.Present = make([]int32, n), slices.Clone(present)
			for i, p := range present {
				if p {
					c.Values[i], packed = packed[0], packed[1:]
				}
			}
		}
		out.Columns = append(out.Columns, c)
	}
	return out, nil
}

// origins fills in the origin of each row, or the default of all of them.
func (f *File) origins(s *Scratch, run int, out *Rows) error {
	from, to := f.rows[run], f.rows[run+1]
	for row := from; row < to; {
		sl, err := f.seek(s, columnOrigin, row, to)
		if err != nil {
			return err
		}
		end := min(to, sl.end)
		for _, code := range sl.values[row-sl.first : end-sl.first] {
			name := sl.names[code]
			switch {
			case row == from:
				out.Default = name
			case out.Origin == nil && name != out.Default:
				out.Origin = make([]string, 0, to-from)
				for range row - from {
					out.Origin = append(out.Origin, out.Default)
				}
			}
			if out.Origin != nil {
				out.Origin = append(out.Origin, name)
			}
			row++
		}
	}
	if out.Origin != nil {
		out.Default = ""
	}
	return nil
}

// Check reads everything and compares it with the index: every checksum, that
// times advance and are those of the runs, that names are those of the hosts.
func (f *File) Check(s *Scratch) error {
	if err := f.checkPages(s); err != nil {
		return err
	}
	for run, r := range f.index.runs {
		starts, err := f.storedStarts(s, run, f.rows[run+1])
		if err != nil {
			return err
		}
		got, err := describe(f.index.day, r.Host, r.Step, starts)
		if err != nil {
			return err
		}
		if got != r {
			return fmt.Errorf("host %s: times say %+v, the index says %+v", r.Host, got, r)
		}
		if err := f.checkNames(s, run); err != nil {
			return err
		}
		if err := f.origins(s, run, &Rows{}); err != nil {
			return err
		}
		for at := range f.index.metrics {
			if _, _, err := f.values(s, at, run, f.rows[run+1]); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkPages checks the sum of each page, also of those that no value needs.
func (f *File) checkPages(s *Scratch) error {
	for g := range f.index.groups {
		for column := range f.index.groups[g].chunks {
			c := &f.index.groups[g].chunks[column]
			if c.dictionary.size != 0 {
				if _, err := s.bytes(f, c.dictionary, c.end()); err != nil {
					return fmt.Errorf("dictionary of %s: %w", f.where(column, g, -1), err)
				}
			}
			for i, p := range c.pages {
				if _, err := s.bytes(f, p, c.end()); err != nil {
					return fmt.Errorf("%s: %w", f.where(column, g, i), err)
				}
			}
		}
	}
	return nil
}

func (f *File) checkNames(s *Scratch, run int) error {
	host, group := splitHost(f.index.runs[run].Host, f.index.grouped)
	if err := f.checkName(s, run, columnHost, host); err != nil || !f.index.grouped {
		return err
	}
	return f.checkName(s, run, f.index.columns()-1, group)
}

// checkName says whether a column of strings has one in all rows of a run.
func (f *File) checkName(s *Scratch, run, column int, name string) error {
	for row := f.rows[run]; row < f.rows[run+1]; {
		sl, err := f.seek(s, column, row, f.rows[run+1])
		if err != nil {
			return err
		}
		end := min(f.rows[run+1], sl.end)
		for _, code := range sl.values[row-sl.first : end-sl.first] {
			if sl.names[code] != name {
				return fmt.Errorf("the %s column says %q, the index says %q", f.layout.columns[column].name, sl.names[code], name)
			}
		}
		row = end
	}
	return nil
}
