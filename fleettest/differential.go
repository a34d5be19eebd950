package fleettest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/leanfleet/leanfleet/fleet"
)

// Differential compares an engine with [Memory] on random fleets: in each
// round the same random batches, statements, merges and loads go into both,
// and all they answer must be equal, field by field. A failure prints the
// steps of its round; the same seed and round fail again.
func Differential(t *testing.T, open Open, seed uint64, rounds int) {
	for round := range rounds {
		t.Run(fmt.Sprintf("Seed%dRound%d", seed, round), func(t *testing.T) {
			d := &differential{
				fixture: newFixture(t, open), memory: NewMemory(Options{}),
				rand: rand.New(rand.NewPCG(seed, uint64(round))), metrics: Metrics(),
			}
			d.locations = []*time.Location{nil, d.zone("Europe/Berlin"), d.zone("Asia/Kolkata")}
			defer func() {
				if t.Failed() {
					t.Logf("steps:\n%s", strings.Join(d.log, "\n"))
				}
			}()
			for range 3 + d.rand.IntN(12) {
				d.step()
				if t.Failed() {
					return
				}
			}
			d.compare()
		})
	}
}

type differential struct {
	*fixture
	memory    *Memory
	rand      *rand.Rand
	metrics   fleet.Metrics
	locations []*time.Location
	loading   bool
	log       []string
}

func (d *differential) note(format string, args ...any) {
	d.log = append(d.log, fmt.Sprintf(format, args...))
}

func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

// The fleet's days: Berlin sets its clocks in the night to March 31.
var epoch = at("2024-03-28")

const fleetDays = 7

// moment is a time in the fleet's days, often a round one.
func (d *differential) moment() time.Time {
	t := epoch.Add(time.Duration(d.rand.Int64N(fleetDays*86400)) * time.Second)
	switch d.rand.IntN(4) {
	case 0:
		return t.Truncate(24 * time.Hour)
	case 1:
		return t.Truncate(time.Hour)
	case 2:
		return t.Truncate(15 * time.Minute)
	}
	return t.Add(time.Duration(d.rand.IntN(1000)) * time.Millisecond)
}

func (d *differential) key() string {
	return pick(d.rand, "a", "b", "c", "d", "e", "name-1", "name-2")
}

// same fails the test where the engine and Memory differ.
func (d *differential) same(what string, want, got any, wantErr, gotErr error) {
	d.Helper()
	if (wantErr == nil) != (gotErr == nil) {
		d.Fatalf("%s: error %v, of Memory %v", what, gotErr, wantErr)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		d.Fatalf("%s differ (-Memory +engine):\n%s", what, diff)
	}
}

func (d *differential) step() {
	switch n := d.rand.IntN(21); {
	case n < 8:
		batches := d.batches()
		want, wantErr := d.memory.Append(d.ctx, batches)
		got, gotErr := d.engine.Append(d.ctx, batches)
		d.same("counts", want, got, wantErr, gotErr)
	case n < 13:
		statements, put := d.statements()
		want, wantErr := d.memory.PutRecords(d.ctx, statements, put)
		got, gotErr := d.engine.PutRecords(d.ctx, statements, put)
		d.same("put results", want, got, wantErr, gotErr)
	case n < 14:
		into, from, put := d.key(), d.key(), fleet.Put{At: d.moment(), Who: "tester"}
		d.note("merge %s %s at %s", into, from, showTime(put.At))
		d.same("merges", nil, nil, d.memory.MergeHosts(into, from, put), d.engine.MergeHosts(into, from, put))
	case n < 17:
		d.load()
	case n < 18:
		d.note("reopen")
		d.reopen()
	case n < 19:
		if s, ok := d.engine.(Sealer); ok {
			d.note("seal")
			d.same("seals", nil, nil, nil, s.Seal(d.ctx))
		}
	default:
		d.compare()
	}
}

func (d *differential) load() {
	d.note("begin")
	d.loading = true
	defer func() { d.loading = false }()
	want, err := d.memory.Begin(d.ctx)
	if err != nil {
		d.Fatal(err)
	}
	got := d.begin()
	for range 1 + d.rand.IntN(4) {
		switch d.rand.IntN(3) {
		case 0:
			statements, put := d.statements()
			x, wantErr := want.PutRecords(d.ctx, statements, put)
			y, gotErr := got.PutRecords(d.ctx, statements, put)
			d.same("staged put results", x, y, wantErr, gotErr)
		default:
			batches := d.batches()
			d.same("adds", nil, nil, want.Add(d.ctx, batches), got.Add(d.ctx, batches))
		}
		key, at := d.key(), d.moment()
		x, wantErr := want.Records(d.ctx, key, at)
		y, gotErr := got.Records(d.ctx, key, at)
		d.same("staged records of "+key, x, y, wantErr, gotErr)
	}
	if d.rand.IntN(4) == 0 {
		d.note("abort")
		d.same("aborts", nil, nil, want.Abort(), got.Abort())
		return
	}
	d.note("commit")
	x, wantErr := want.Commit(d.ctx)
	y, gotErr := got.Commit(d.ctx)
	d.same("counts of a load", x, y, wantErr, gotErr)
}

// group is now and then a process group.
func (d *differential) group() string {
	if d.loading {
		return "" // groups are appended only
	}
	return pick(d.rand, "", "", "", "", "nginx", "postgres")
}

func (d *differential) batches() []fleet.Batch {
	var out []fleet.Batch
	for range 1 + d.rand.IntN(4) {
		b := d.batch()
		d.note("append %s%s %s step=%dms start=%s rows=%d: %s", b.Host, showGroup(b.Group), b.Origin, b.Step, showTime(time.UnixMilli(b.Start[0])), len(b.Start), showColumns(&b))
		out = append(out, b)
	}
	return out
}

func showColumns(b *fleet.Batch) string {
	var parts []string
	for i := range b.Columns {
		c := &b.Columns[i]
		parts = append(parts, fmt.Sprintf("%s %v %v", c.Metric.Name, c.Values, c.Present))
	}
	return strings.Join(parts, "; ")
}

func (d *differential) batch() fleet.Batch {
	step := pick(d.rand, time.Minute, 5*time.Minute, 5*time.Minute, 15*time.Minute, time.Hour, 90*time.Second, 7*time.Second)
	rows := 1 + d.rand.IntN(pick(d.rand, 4, 40, 300))
	origin := pick(d.rand, fleet.OriginImport, fleet.OriginImport, fleet.OriginAgent, fleet.OriginCloud, fleet.OriginSimulated)
	start := d.moment()
	if d.rand.IntN(3) > 0 {
		start = start.Truncate(step)
	}
	b := fleet.Batch{Host: fleet.HostID(d.key()), Group: d.group(), Origin: origin, Step: int32(step.Milliseconds()), Start: make([]int64, rows)}
	ragged := d.rand.IntN(3) == 0
	t := start.UnixMilli()
	for i := range b.Start {
		b.Start[i] = t
		t += step.Milliseconds()
		if ragged {
			t += d.rand.Int64N(3) * step.Milliseconds() * d.rand.Int64N(2)
			t += d.rand.Int64N(2) * d.rand.Int64N(500)
		}
	}
	names := []string{"cpu_usage", "memory_usage", "capacity_vcpus", "capacity_memory_bytes", "disk_read_ops_per_second", "queue_depth", "load1"}
	if b.Group != "" {
		names = names[:2]
	}
	d.rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	for _, name := range names[:1+d.rand.IntN(min(3, len(names)))] {
		b.Columns = append(b.Columns, d.column(name, rows))
	}
	return b
}

// column has few different values, so that some repeat what is stored.
func (d *differential) column(name string, rows int) fleet.Column {
	c := fleet.Column{Metric: lookup(name), Values: make([]int32, rows)}
	spread := pick[int32](d.rand, 2, 20, 12000, 1<<30)
	for i := range c.Values {
		c.Values[i] = d.rand.Int32N(spread)
	}
	if d.rand.IntN(3) == 0 {
		c.Present = make([]bool, rows)
		likely := d.rand.Float64()
		for i := range c.Present {
			c.Present[i] = d.rand.Float64() < likely
		}
	}
	return c
}

func (d *differential) statements() ([]fleet.Statement, fleet.Put) {
	put := fleet.Put{At: d.moment(), Who: "tester", Why: "a round", Origin: pick(d.rand, fleet.OriginImport, fleet.OriginCloud), Correct: d.rand.IntN(5) == 0}
	if d.rand.IntN(2) == 0 {
		put.Effective = d.moment()
	}
	var out []fleet.Statement
	for range 1 + d.rand.IntN(3) {
		s := says(d.key())
		if d.rand.IntN(2) == 0 {
			s.Tags = fleet.Tags{"dept": pick(d.rand, "eng", "data", "web")}
		}
		if d.rand.IntN(3) == 0 {
			s = typed(s, pick(d.rand, "m5.large", "m5.xlarge", "m5.2xlarge", "unheard.of"))
		}
		if d.rand.IntN(4) == 0 {
			s.State = pick(d.rand, fleet.StateRunning, fleet.StateRunning, fleet.StateStopped, fleet.StateTerminated)
		}
		if d.rand.IntN(4) == 0 {
			s.Name = pick(d.rand, "name-1", "name-2")
		}
		if d.rand.IntN(4) == 0 {
			s.From = d.moment()
			if d.rand.IntN(2) == 0 {
				s.To = s.From.Add(time.Duration(1+d.rand.IntN(72)) * time.Hour)
			}
		}
		if d.rand.IntN(8) == 0 && s.Tags == nil {
			s.Clear = []string{"tag_dept"}
		}
		d.note("put %+v clear=%v at=%s effective=%s correct=%v", s.Record, s.Clear, showTime(put.At), showTime(put.Effective), put.Correct)
		out = append(out, s)
	}
	return out, put
}

// compare asks both the same questions.
func (d *differential) compare() {
	d.note("compare")
	for range 6 {
		sel := d.selector()
		w := d.window()
		if d.rand.IntN(2) == 0 {
			w = fleet.Window{}
		}
		want, wantErr := d.memory.Records(d.ctx, sel, w)
		got, gotErr := d.engine.Records(d.ctx, sel, w)
		d.same(fmt.Sprintf("records %q in %s", sel, showWindow(w)), want, got, wantErr, gotErr)
		key, at := d.key(), d.moment()
		x, wantErr := d.memory.Host(key, at)
		y, gotErr := d.engine.Host(key, at)
		d.same("the host "+key+" at "+showTime(at), x.ID, y.ID, wantErr, gotErr)
	}
	for range 12 {
		q := d.query()
		what := fmt.Sprintf("%s %q in %s by %q in %v within %v", q.Metric.Name, q.Hosts, showWindow(q.Window), q.Step, q.Location, q.Within)
		d.compareProfiles(what, q)
		d.compareSeries(what, q)
		q.Groups = true
		d.compareProfiles(what+" of process groups", q)
		d.compareSeries(what+" of process groups", q)
	}
}

func (d *differential) selector() fleet.Selector {
	return fleet.MustSelector(pick(d.rand, "", "", "", "dept=eng", "dept!=eng", "dept", "!dept", "instance_type=~m5.*", "name=~[abc]", "state=running"))
}

func (d *differential) window() fleet.Window {
	if d.rand.IntN(4) == 0 {
		return fleet.Window{Start: epoch.AddDate(0, 0, -2), End: epoch.AddDate(0, 0, fleetDays+3)}
	}
	w := fleet.Window{Start: d.moment(), End: d.moment()}
	if w.End.Before(w.Start) {
		w.Start, w.End = w.End, w.Start
	}
	return w
}

func (d *differential) query() fleet.Query {
	q := fleet.Query{Metric: pick(d.rand, d.metrics.All()...), Hosts: d.selector(), Window: d.window(), Step: pick(d.rand, "", fleet.StepWhole, fleet.Step("20m"), fleet.StepHour, fleet.StepDay, fleet.StepWeek, fleet.StepMonth), Location: pick(d.rand, d.locations...)}
	if q.Step == "20m" && q.Window.Duration() > 48*time.Hour {
		q.Step = fleet.StepHour // thousands of profiles take long to compare
	}
	if d.rand.IntN(4) > 0 {
		q.Metric = lookup(pick(d.rand, "cpu_usage", "memory_usage", "cpu_cores_used", "memory_used_bytes", "disk_read_ops_per_second", "queue_depth"))
	}
	if d.rand.IntN(3) == 0 {
		hours, err := fleet.ParseHours(pick(d.rand, "mon-fri 09:00-17:00", "daily 22:00-06:00", "sun 01:00-04:00; mon 00:00-24:00", "daily 00:15-00:45"))
		if err != nil {
			d.Fatal(err)
		}
		q.Within = fleet.Calendar{Hours: hours, Location: pick(d.rand, d.locations...)}
	}
	for range d.rand.IntN(3) {
		q.Within.Exclude = append(q.Within.Exclude, d.window())
	}
	if d.rand.IntN(2) == 0 {
		q.Within.Exclude = nil
	}
	return q
}

// comparableProfile is a profile with its distribution spelt out.
type comparableProfile struct {
	Line              string
	Group             string
	Record            fleet.Record
	Window            fleet.Window
	Count             int64
	Covered, Expected time.Duration
	Sum, SumSquares   fleet.Int128
	Min, Max          int64
	Exact             bool
	Bins              []fleet.Bin
	WithoutCapacity   int64
}

func spell(m fleet.Metric, p *fleet.Profile) comparableProfile {
	x := comparableProfile{
		Line: showProfile(m, p), Group: p.Group, Record: *p.Record, Window: p.Window, Count: p.Count, Covered: p.Covered, Expected: p.Expected,
		Sum: p.Sum, SumSquares: p.SumSquares, Min: p.Min, Max: p.Max, WithoutCapacity: p.WithoutCapacity,
		Exact: p.Count > 0 && p.Distribution.Exact(),
	}
	for i := range p.Distribution.Len() {
		x.Bins = append(x.Bins, p.Distribution.Bin(i))
	}
	return x
}

func (d *differential) compareProfiles(what string, q fleet.Query) {
	d.Helper()
	read := func(s fleet.Source) (out []comparableProfile, err error) {
		list, err := readProfiles(d.ctx, s, q)
		for i := range list {
			checkProfile(d.T, q.Metric, &list[i])
			out = append(out, spell(q.Metric, &list[i]))
		}
		return out, err
	}
	want, wantErr := read(d.memory)
	got, gotErr := read(d.engine)
	d.same("profiles of "+what, want, got, wantErr, gotErr)
}

func (d *differential) compareSeries(what string, q fleet.Query) {
	d.Helper()
	want, wantErr := readSeries(context.Background(), d.memory, q)
	got, gotErr := readSeries(d.ctx, d.engine, q)
	for _, list := range [][]fleet.Series{want, got} {
		for i := range list {
			if !slices.IsSorted(list[i].Start) {
				d.Fatalf("series of %s: times go backwards", what)
			}
		}
	}
	d.same("series of "+what, want, got, wantErr, gotErr)
}
