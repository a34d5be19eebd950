package fleettest

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/zones"
)

// fixture is an engine under test and what makes its tests short.
type fixture struct {
	*testing.T
	ctx    context.Context
	engine Engine
}

func newFixture(t *testing.T, open Open) *fixture {
	t.Helper()
	return &fixture{t, t.Context(), open(t)}
}

// scenario is one test of a suite.
type scenario struct {
	name string
	run  func(*fixture)
}

func runAll(t *testing.T, open Open, list []scenario) {
	for _, s := range list {
		t.Run(s.name, func(t *testing.T) { s.run(newFixture(t, open)) })
	}
}

// at reads a time: 2024-01-01, 2024-01-01T08:00 or RFC 3339.
func at(s string) time.Time {
	t, err := fleet.ParseTime(s, time.UTC)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return t
}

func window(from, to string) fleet.Window { return fleet.Window{Start: at(from), End: at(to)} }

// day is the window of one UTC day.
func day(s string) fleet.Window { return fleet.Window{Start: at(s), End: at(s).Add(24 * time.Hour)} }

func (f *fixture) zone(name string) *time.Location {
	f.Helper()
	loc, err := zones.Load(name)
	if err != nil {
		f.Fatal(err)
	}
	return loc
}

// gap is a value that is not there.
var gap = math.NaN()

// batch is samples of one metric of a host that follow each other.
func batch(host string, m fleet.Metric, step time.Duration, start string, values ...float64) fleet.Batch {
	t := at(start).UnixMilli()
	starts := make([]int64, len(values))
	for i := range values {
		starts[i] = t + int64(i)*step.Milliseconds()
	}
	return fleet.Batch{Host: fleet.HostID(host), Origin: fleet.OriginImport, Start: starts, Step: int32(step.Milliseconds()), Columns: []fleet.Column{column(m, values...)}}
}

func column(m fleet.Metric, values ...float64) fleet.Column {
	c := fleet.Column{Metric: m, Values: make([]int32, len(values))}
	for i, v := range values {
		if math.IsNaN(v) {
			if c.Present == nil {
				c.Present = slices.Repeat([]bool{true}, len(values))
			}
			c.Present[i] = false
			continue
		}
		scaled, err := m.Scale(v)
		if err != nil {
			panic("BUG: " + err.Error())
		}
		c.Values[i] = scaled
	}
	return c
}

// with adds a column to a batch.
func with(b fleet.Batch, m fleet.Metric, values ...float64) fleet.Batch {
	b.Columns = append(slices.Clone(b.Columns), column(m, values...))
	return b
}

// from gives a batch an origin.
func from(o fleet.Origin, b fleet.Batch) fleet.Batch {
	b.Origin = o
	return b
}

// append stores batches and returns what became of them.
func (f *fixture) append(batches ...fleet.Batch) fleet.Appended {
	f.Helper()
	n, err := f.engine.Append(f.ctx, batches)
	if err != nil {
		f.Fatalf("append: %v", err)
	}
	return n
}

// wantCounts appends and compares the counts.
func (f *fixture) wantCounts(what string, inserted, changed, unchanged, outranked int64, batches ...fleet.Batch) {
	f.Helper()
	f.equalCounts(what, f.append(batches...), inserted, changed, unchanged, outranked)
}

func (f *fixture) equalCounts(what string, got fleet.Appended, inserted, changed, unchanged, outranked int64) {
	f.Helper()
	want := fleet.Appended{Inserted: inserted, Changed: changed, Unchanged: unchanged, Outranked: outranked}
	if d := cmp.Diff(want, got); d != "" {
		f.Errorf("%s: counts differ (-want +got):\n%s", what, d)
	}
}

// written is when the statements of the suites are written.
var written = at("2024-06-01")

// put states what hosts are.
func (f *fixture) put(statements ...fleet.Statement) fleet.PutResult {
	f.Helper()
	return f.putWith(fleet.Put{At: written, Who: "tester", Why: "a test", Origin: fleet.OriginImport}, statements...)
}

func (f *fixture) putWith(p fleet.Put, statements ...fleet.Statement) fleet.PutResult {
	f.Helper()
	r, err := f.engine.PutRecords(f.ctx, statements, p)
	if err != nil {
		f.Fatalf("put records: %v", err)
	}
	return r
}

// change states something that holds from a time on.
func (f *fixture) change(effective string, statements ...fleet.Statement) {
	f.Helper()
	f.putWith(fleet.Put{At: written, Effective: at(effective), Who: "tester", Origin: fleet.OriginImport}, statements...)
}

// merge records that two hosts are one.
func (f *fixture) merge(into, from string) {
	f.Helper()
	if err := f.engine.MergeHosts(into, from, fleet.Put{At: written, Who: "tester", Why: "found to be one"}); err != nil {
		f.Fatal(err)
	}
}

// says is a statement with tags, given as key and value in turn.
func says(host string, tags ...string) fleet.Statement {
	s := fleet.Statement{Record: fleet.Record{Host: fleet.HostID(host)}}
	for i := 0; i+1 < len(tags); i += 2 {
		if s.Tags == nil {
			s.Tags = fleet.Tags{}
		}
		s.Tags[tags[i]] = tags[i+1]
	}
	return s
}

// typed adds an instance type of [Types] to a statement.
func typed(s fleet.Statement, instanceType string) fleet.Statement {
	s.Provider, s.Region, s.InstanceType = "aws", "us-east-1", instanceType
	return s
}

// stated adds a state to a statement.
func stated(s fleet.Statement, state fleet.State) fleet.Statement {
	s.State = state
	return s
}

// query asks for a metric of all hosts.
func query(m fleet.Metric, w fleet.Window, step fleet.Step) fleet.Query {
	return fleet.Query{Metric: m, Window: w, Step: step}
}

// records asks for records.
func (f *fixture) records(selector string, w fleet.Window) []fleet.Record {
	f.Helper()
	list, err := f.engine.Records(f.ctx, fleet.MustSelector(selector), w)
	if err != nil {
		f.Fatalf("records: %v", err)
	}
	return list
}

// profiles asks for profiles, checks what holds for all of them, and returns
// them.
func (f *fixture) profiles(q fleet.Query) []fleet.Profile {
	f.Helper()
	list, err := readProfiles(f.ctx, f.engine, q)
	if err != nil {
		f.Fatalf("profiles of %s: %v", q.Metric.Name, err)
	}
	for i := range list {
		checkProfile(f.T, q.Metric, &list[i])
	}
	return list
}

func readProfiles(ctx context.Context, s fleet.Source, q fleet.Query) ([]fleet.Profile, error) {
	var list []fleet.Profile
	for p, err := range s.Profiles(ctx, q) {
		if err != nil {
			return list, err
		}
		list = append(list, p)
	}
	return list, nil
}

// readSeries reads series and joins blocks that only the engine's block size
// kept apart.
func readSeries(ctx context.Context, s fleet.Source, q fleet.Query) ([]fleet.Series, error) {
	var list []fleet.Series
	for x, err := range s.Series(ctx, q) {
		if err != nil {
			return list, err
		}
		if n := len(list); n > 0 && list[n-1].Step == x.Step && list[n-1].Group == x.Group && showRecord(list[n-1].Record) == showRecord(x.Record) {
			list[n-1].Start = append(list[n-1].Start, x.Start...)
			list[n-1].Values = append(list[n-1].Values, x.Values...)
			continue
		}
		x.Start, x.Values = slices.Clone(x.Start), slices.Clone(x.Values)
		list = append(list, x)
	}
	return list, nil
}

// checkProfile checks that a profile's figures agree with its distribution.
func checkProfile(t *testing.T, m fleet.Metric, p *fleet.Profile) {
	t.Helper()
	line := showProfile(m, p)
	d := &p.Distribution
	if p.Record == nil {
		t.Errorf("%s: no record", line)
	}
	if d.Weight() != p.Covered.Milliseconds() {
		t.Errorf("%s: the distribution holds %d ms", line, d.Weight())
	}
	if p.Count == 0 {
		if d.Len() != 0 || p.Covered != 0 || p.Sum != (fleet.Int128{}) || p.SumSquares != (fleet.Int128{}) {
			t.Errorf("%s: figures of no sample: %+v", line, p)
		}
		return
	}
	if !m.Exact {
		return
	}
	if !d.Exact() {
		t.Errorf("%s: bins of a metric whose distribution is exact", line)
	}
	var sum, squares fleet.Int128
	for i := range d.Len() {
		b := d.Bin(i)
		sum = sum.Add(fleet.Mul128(b.Value, b.Weight))
		squares = squares.Add(fleet.Mul128(b.Value, b.Value).MulUint64(uint64(b.Weight)))
	}
	if sum != p.Sum || squares != p.SumSquares {
		t.Errorf("%s: sums %v and %v, by the distribution %v and %v", line, p.Sum, p.SumSquares, sum, squares)
	}
	if lowest, highest := d.Bin(0).Value, d.Bin(d.Len()-1).Value; p.Min != lowest || p.Max != highest {
		t.Errorf("%s: from %d to %d, by the distribution from %d to %d", line, p.Min, p.Max, lowest, highest)
	}
}

// wantProfiles compares an answer with expected lines.
func (f *fixture) wantProfiles(q fleet.Query, want string) {
	f.Helper()
	var got []string
	for _, p := range f.profiles(q) {
		got = append(got, showProfile(q.Metric, &p))
	}
	f.equalLines("profiles of "+q.Metric.Name, want, got)
}

// wantSeries compares a series with expected lines.
func (f *fixture) wantSeries(q fleet.Query, want string) {
	f.Helper()
	list, err := readSeries(f.ctx, f.engine, q)
	if err != nil {
		f.Fatalf("series of %s: %v", q.Metric.Name, err)
	}
	var got []string
	for i := range list {
		got = append(got, showSeries(q.Metric, &list[i]))
	}
	f.equalLines("series of "+q.Metric.Name, want, got)
}

// wantRecords compares records, shown by field functions, with expected lines.
func (f *fixture) wantRecords(selector string, w fleet.Window, show func(*fleet.Record) string, want string) {
	f.Helper()
	var got []string
	for _, r := range f.records(selector, w) {
		got = append(got, show(&r))
	}
	f.equalLines("records", want, got)
}

func (f *fixture) equalLines(what, want string, got []string) {
	f.Helper()
	if d := cmp.Diff(lines(want), got, cmp.Transformer("nil", func(s []string) []string { return append([]string{}, s...) })); d != "" {
		f.Errorf("%s differ (-want +got):\n%s\nall of it:\n%s", what, d, strings.Join(got, "\n"))
	}
}

// lines are the trimmed lines of a text that are not empty.
func lines(text string) []string {
	var out []string
	for l := range strings.SplitSeq(text, "\n") {
		if l = strings.TrimSpace(l); l != "" {
			out = append(out, l)
		}
	}
	return out
}
