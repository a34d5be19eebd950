package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/store/dayfile"
	"github.com/leanfleet/leanfleet/internal/store/head"
)

// stagedDay is a day's new file, written and synced but not yet true.
type stagedDay struct {
	kind  kind
	entry dayEntry
	path  string
}

func (d *stagedDay) target() target { return target{d.kind, d.entry.Day} }

// dayJob merges the chunks of one day, and the strips of the head, with its
// sealed file into a staged one.
type dayJob struct {
	s *Store
	l *load // nil without chunks
	target
	gen     uint64
	strips  []taken       // by their rows' key
	old     *dayfile.File // nil without a sealed file
	workers int           // of the file's writer
	heavy   *sync.Mutex   // held while a host with very many rows is merged
	// asStored says that metrics stay as the sealed file defines them.
	asStored bool

	folder  *folder
	column  map[string]int // the folder's column of a metric name
	shapes  [][]int        // the folder's columns of each shape
	layer   layer
	chunks  []byte // of the host at hand
	ends    []int
	starts  []int64
	scratch dayfile.Scratch

	out    *dayWriter // nil until a host differs
	copied int        // runs of old that are dealt with
}

// run merges the day. The result is nil when nothing in the day changes.
func (j *dayJob) run(ctx context.Context, rank []uint32, cursors []cursor) (*stagedDay, counts, error) {
	m, err := newMerger(rank, cursors)
	if err != nil {
		return nil, counts{}, err
	}
	if err := j.prepare(); err != nil {
		return nil, counts{}, fmt.Errorf("%s: %w", j.label(), err)
	}
	defer func() {
		if j.out != nil {
			j.out.abandon()
		}
	}()
	at := 0
	strips := j.strips
	for {
		if err := ctx.Err(); err != nil {
			return nil, counts{}, err
		}
		n, more := m.peek()
		if !more && len(strips) == 0 {
			break
		}
		var id fleet.HostID
		if more {
			id = j.l.hosts[n].id
		}
		var strip *head.Strip
		if len(strips) > 0 {
			if key := rowKey(head.Key{Host: strips[0].Host, Group: strips[0].Group}); !more || key <= id {
				more = more && key == id
				id, strip, strips = key, &strips[0].Strip, strips[1:]
			}
		}
		lo, hi := j.oldRuns(at, id)
		at = hi
		j.chunks, j.ends = j.chunks[:0], j.ends[:0]
		if more {
			if err := j.gather(m, n); err != nil {
				return nil, counts{}, err
			}
		}
		j.s.giveWay()
		if err := j.host(id, lo, hi, strip); err != nil {
			return nil, counts{}, fmt.Errorf("%s, host %s: %w", j.label(), id, err)
		}
	}
	if j.out == nil {
		return nil, j.folder.counts, nil
	}
	if err := j.keep(len(j.oldRunList())); err != nil {
		return nil, counts{}, err
	}
	staged, err := j.out.finish()
	j.out = nil
	return staged, j.folder.counts, err
}

func (j *dayJob) oldRunList() []dayfile.Run {
	if j.old == nil {
		return nil
	}
	return j.old.Runs()
}

// oldRuns returns the stored runs of a host, none of which comes before from.
func (j *dayJob) oldRuns(from int, id fleet.HostID) (lo, hi int) {
	runs := j.oldRunList()
	for from < len(runs) && runs[from].Host < id {
		from++
	}
	lo = from
	for from < len(runs) && runs[from].Host == id {
		from++
	}
	return lo, from
}

// prepare makes the columns of the day: those of the stored file, then those
// that arrive, in the order of the metrics. A column that arrives is as the
// configuration defines it today, any other, and with asStored each that the file
// has, as the file does.
func (j *dayJob) prepare() error {
	var metrics []fleet.Metric
	j.column = map[string]int{}
	if j.old != nil {
		metrics = slices.Clone(j.old.Metrics())
	}
	table := j.s.head.table.Metrics()
	for n, arrives := range j.arriving(table) { // the configured ones first, in their order
		if !arrives {
			continue
		}
		m := table[n]
		at := slices.IndexFunc(metrics, func(o fleet.Metric) bool { return o.Name == m.Name })
		switch {
		case at < 0:
			m.Column = freeColumn(metrics, m)
			metrics = append(metrics, m)
		case metrics[at].Unit != m.Unit:
			return fmt.Errorf("metric %s is stored in %s, the configuration now says %s", m.Name, metrics[at].Unit, m.Unit)
		case !j.asStored && (metrics[at].Num != m.Num || metrics[at].Den != m.Den):
			m.Column = freeColumn(metrics, m)
			metrics[at] = m // stored values are rounded anew
		}
	}
	for i, m := range metrics {
		j.column[m.Name] = i
	}
	if j.l != nil && j.kind == ofHosts {
		j.shapes = make([][]int, len(j.l.shapes))
		for shape := range j.l.days[j.day] {
			columns := make([]int, 0, len(j.l.shapes[shape]))
			for _, m := range j.l.shapes[shape] {
				columns = append(columns, j.column[j.l.metrics[m].Name])
			}
			j.shapes[shape] = columns
		}
	}
	j.folder = newFolder(metrics, MaxOrigins)
	return nil
}

// freeColumn is the column of a metric, or another one where a metric that is no
// longer configured has it.
func freeColumn(metrics []fleet.Metric, m fleet.Metric) string {
	name := m.Column
	for slices.ContainsFunc(metrics, func(o fleet.Metric) bool { return o.Column == name && o.Name != m.Name }) {
		name += "_" + m.Name
	}
	return name
}

// arriving says which metrics, by number, chunks and strips have.
func (j *dayJob) arriving(table []fleet.Metric) []bool {
	out := make([]bool, len(table))
	if j.l != nil && j.kind == ofHosts {
		for shape := range j.l.days[j.day] {
			for _, m := range j.l.shapes[shape] {
				out[j.s.head.table.Number(j.l.metrics[m].Name)] = true
			}
		}
	}
	for i := range j.strips {
		j.strips[i].Metrics(out)
	}
	return out
}

// inDay converts the layer at hand where the file keeps its own resolutions.
func (j *dayJob) inDay(columns []int) error {
	for c, at := range columns {
		l := &j.layer
		converted, err := dayfile.Convert(fleet.Column{Metric: j.l.metrics[l.metrics[c]], Values: l.values[c], Present: l.present[c]}, j.folder.metrics[at])
		if err != nil {
			return err
		}
		copy(l.values[c], converted.Values)
	}
	return nil
}

// columnOf is the folder's column of a metric, -1 without one.
func (j *dayJob) columnOf(m fleet.Metric) int {
	if at, ok := j.column[m.Name]; ok {
		return at
	}
	return -1
}

// gather copies the chunks of the next host out of the merger.
func (j *dayJob) gather(m *merger, host uint32) error {
	for {
		n, ok := m.peek()
		if !ok || n != host {
			return nil
		}
		j.chunks = append(j.chunks, m.chunk()...)
		j.ends = append(j.ends, len(j.chunks))
		if err := m.advance(); err != nil {
			return err
		}
	}
}

// each decodes the gathered chunks in the order of their arrival.
func (j *dayJob) each(f func(chunk []byte) error) error {
	begin := 0
	for _, end := range j.ends {
		if err := f(j.chunks[begin:end]); err != nil {
			return err
		}
		begin = end
	}
	return nil
}

// heavyRows is the number of rows above which a host is merged alone.
const heavyRows = 100_000

// host merges the gathered chunks with stored runs [lo, hi) and the strip of
// the head, if there is one, and writes the host if it differs.
func (j *dayJob) host(id fleet.HostID, lo, hi int, strip *head.Strip) error {
	from := lo // the first stored run that counts
	if strip != nil && strip.Over {
		from = hi
	}
	if strip != nil && len(j.ends) == 0 {
		return j.asItIs(id, lo, from, hi, strip)
	}
	if err := j.times(from, hi, strip); err != nil {
		return err
	}
	if len(j.starts) > heavyRows {
		j.heavy.Lock()
		defer j.heavy.Unlock()
		small := j.folder
		j.folder = newFolder(small.metrics, MaxOrigins)
		defer func() {
			small.counts.add(j.folder.counts)
			j.folder, j.starts = small, nil
		}()
	}
	j.folder.begin(j.starts)
	j.starts = j.folder.starts
	if err := j.fill(from, hi, strip); err != nil {
		return err
	}
	err := j.each(func(chunk []byte) error {
		if err := j.layer.decode(chunk, j.day.Start(), j.l.shapes, len(j.l.origins)); err != nil {
			return err
		}
		columns := j.shapes[j.layer.shape]
		if columns == nil {
			return fmt.Errorf("%w: shape", errChunk)
		}
		if j.asStored {
			if err := j.inDay(columns); err != nil {
				return err
			}
		}
		return j.folder.apply(&j.layer, j.l.origins[j.layer.origin], columns)
	})
	if err != nil || !j.folder.dirty && (strip == nil || !strip.Changed()) {
		return err
	}
	if err := j.keep(lo); err != nil {
		return err
	}
	j.copied = hi
	return j.folder.emit(func(step int32, rows dayfile.Rows) error {
		return j.out.add(dayfile.Run{Host: id, Step: step}, rows)
	})
}

// asItIs writes the stored runs [from, hi) of a host and its strip behind them:
// nothing else came, so there is nothing to merge. Runs before from do not count.
func (j *dayJob) asItIs(id fleet.HostID, lo, from, hi int, strip *head.Strip) error {
	if !strip.Changed() {
		return nil
	}
	if err := j.keep(lo); err != nil {
		return err
	}
	j.copied = hi
	for run := from; run < hi; run++ {
		rows, err := j.old.Rows(run, &j.scratch)
		if err != nil {
			return err
		}
		if err := j.out.add(j.old.Runs()[run], rows); err != nil {
			return err
		}
	}
	for i := range strip.Segments() {
		if err := j.out.add(dayfile.Run{Host: id, Step: strip.Run(i).Step}, strip.Rows(i, j.s.head.table)); err != nil {
			return err
		}
	}
	return nil
}

// fill takes the stored runs [lo, hi) and the rows of the head into the folder.
func (j *dayJob) fill(lo, hi int, strip *head.Strip) error {
	for run := lo; run < hi; run++ {
		rows, err := j.old.Rows(run, &j.scratch)
		if err != nil {
			return err
		}
		if err := j.folder.load(j.old.Runs()[run], &rows, j.columnOf); err != nil {
			return err
		}
	}
	if strip == nil {
		return nil
	}
	for i := range strip.Segments() {
		rows := strip.Rows(i, j.s.head.table)
		if err := j.folder.load(strip.Run(i), &rows, j.columnOf); err != nil {
			return err
		}
	}
	return nil
}

// times collects the starts of the host's stored, appended and gathered rows.
func (j *dayJob) times(lo, hi int, strip *head.Strip) error {
	j.starts = j.starts[:0]
	if hi > lo {
		err := j.old.Starts(lo, hi, &j.scratch, func(_ int, starts []int64) error {
			j.starts = append(j.starts, starts...)
			return nil
		})
		if err != nil {
			return err
		}
	}
	if strip != nil {
		for i := range strip.Segments() {
			j.starts = strip.Starts(i, j.starts)
		}
	}
	err := j.each(func(chunk []byte) error {
		r := chunkReader{b: chunk}
		if err := j.layer.decodeTimes(&r, j.day.Start(), j.l.shapes, len(j.l.origins)); err != nil {
			return err
		}
		j.starts = append(j.starts, j.layer.starts...)
		if len(j.starts) > 2*MaxRowsPerDay {
			slices.Sort(j.starts)
			j.starts = slices.Compact(j.starts)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(j.starts) > MaxRowsPerDay {
		slices.Sort(j.starts)
		if j.starts = slices.Compact(j.starts); len(j.starts) > MaxRowsPerDay {
			return fmt.Errorf("it has more than %d rows in one day, the most a host may have", MaxRowsPerDay)
		}
	}
	return nil
}

// keep writes the stored runs before end that are not dealt with, as they are,
// and begins the file if need be.
func (j *dayJob) keep(end int) error {
	if j.out == nil {
		rows := int64(0)
		for _, r := range j.oldRunList() {
			rows += int64(r.Rows)
		}
		var err error
		if j.out, err = newDayWriter(j, rows); err != nil {
			return err
		}
	}
	lo := j.copied
	j.copied = max(lo, end)
	return j.out.copyRuns(j.old, lo, end, &j.scratch)
}

// dayWriter writes a staged file.
type dayWriter struct {
	fs   FS
	path string
	target
	gen  uint64
	file File
	buf  *bufio.Writer
	sum  *summer
	w    *dayfile.Writer
	end  int64 // where the last sample ends
}

func newDayWriter(j *dayJob, oldRows int64) (*dayWriter, error) {
	d := &dayWriter{fs: j.s.fs, target: j.target, gen: j.gen, path: filepath.Join(j.s.dirOf(j.kind.dir()), j.stagedName(j.gen))}
	var err error
	if d.file, err = d.fs.Create(d.path); err != nil {
		return nil, fmt.Errorf("create %s: %w", j.label(), err)
	}
	d.sum = newSummer(d.file)
	d.buf = bufio.NewWriterSize(d.sum, 256<<10)
	opt := dayfile.Options{Workers: j.workers, Groups: j.kind == ofGroups, Encoders: &j.s.encoders}
	hosts := len(j.strips)
	if j.l != nil {
		hosts += len(j.l.hosts)
	}
	if oldRows+int64(hosts)*1440 > 5000*1440 {
		opt.GroupRows = 500_000
	}
	if d.w, err = dayfile.NewWriter(d.buf, j.day, j.folder.metrics, opt); err != nil {
		d.abandon()
		return nil, fmt.Errorf("create %s: %w", d.path, err)
	}
	return d, nil
}

func (d *dayWriter) add(run dayfile.Run, rows dayfile.Rows) error {
	if err := d.w.Add(run, rows); err != nil {
		return fmt.Errorf("write %s: %w", d.path, err)
	}
	d.end = max(d.end, rows.Start[len(rows.Start)-1]+int64(run.Step))
	return nil
}

// minCopy is the rows below which a row group is not copied as it is but
// written into its neighbours: a quarter of a usual one. Copying every group
// would leave ever smaller ones behind.
const minCopy = 36_000

// copyRuns writes runs [lo, hi) of an older file as they are: whole row groups
// without decoding them, the rest row by row.
func (d *dayWriter) copyRuns(old *dayfile.File, lo, hi int, scratch *dayfile.Scratch) error {
	if lo >= hi {
		return nil
	}
	for _, r := range old.Runs()[lo:hi] {
		d.end = max(d.end, r.Last+int64(r.Step))
	}
	for _, seg := range old.Segments() {
		if seg.Hi <= lo || seg.Lo >= hi {
			continue
		}
		if seg.Lo >= lo && seg.Hi <= hi && seg.Rows >= minCopy {
			if _, err := d.w.Copy(old, seg, scratch); err != nil {
				return fmt.Errorf("write %s: %w", d.path, err)
			}
			continue
		}
		for run := max(lo, seg.Lo); run < min(hi, seg.Hi); run++ {
			rows, err := old.Rows(run, scratch)
			if err != nil {
				return err
			}
			if err := d.add(old.Runs()[run], rows); err != nil {
				return err
			}
		}
	}
	return nil
}

// finish completes and syncs the file and says what it holds.
func (d *dayWriter) finish() (*stagedDay, error) {
	summary, err := d.w.Close()
	if err == nil {
		err = d.buf.Flush()
	}
	if err == nil {
		err = d.file.Sync()
	}
	if err != nil {
		d.abandon()
		return nil, fmt.Errorf("write %s: %w", d.path, err)
	}
	if err := d.file.Close(); err != nil {
		removeQuietly(d.fs, d.path)
		return nil, fmt.Errorf("close %s: %w", d.path, err)
	}
	entry := dayEntry{
		Day: d.day, Generation: d.gen, fileSum: d.sum.sum(), Rows: summary.Rows, Hosts: summary.Hosts,
		First: summary.First, Last: summary.Last, End: d.end, Samples: summary.Samples,
	}
	if uint64(entry.Checksum) != summary.Checksum || entry.Size != summary.Bytes {
		return nil, errors.New("BUG: the checksum of " + d.path + " is not that of its writer")
	}
	return &stagedDay{kind: d.kind, entry: entry, path: d.path}, nil
}

// abandon gives the file up.
func (d *dayWriter) abandon() {
	_ = d.file.Close()
	removeQuietly(d.fs, d.path)
}

// cursorsOf returns cursors over everything staged of a day, oldest first.
func (l *load) cursorsOf(day dayfile.Day) []cursor {
	var out []cursor
	if l.spill != nil {
		for _, sp := range l.spill.spans[day] {
			out = append(out, &frameCursor{file: l.spill.file, path: l.spill.path, off: sp.off, end: sp.off + sp.len})
		}
	}
	if entries := l.arena.ofDay(day); len(entries) > 0 {
		out = append(out, &arenaCursor{a: &l.arena, entries: entries})
	}
	return out
}
