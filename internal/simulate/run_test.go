package simulate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leanfleet/leanfleet/fleet"
)

// TestSameSeedSameBytes compares what runs hand over, hashed, between numbers of
// processors and with testdata/fingerprints.json.
func TestSameSeedSameBytes(t *testing.T) {
	const file = "testdata/fingerprints.json"
	cases := map[string]Options{
		"seed 1, 60 hosts, 40 days, 5 minutes": {Seed: 1, Hosts: 60, Days: 40, Start: monday, Interval: 5 * time.Minute},
		"seed 1, 30 hosts, 2 days, 1 minute":   {Seed: 1, Hosts: 30, Days: 2, Start: monday},
		"seed 2, 30 hosts, 2 days, 1 minute":   {Seed: 2, Hosts: 30, Days: 2, Start: monday},
		"seed 1, 2 hosts, 1 day, 1 second":     {Seed: 1, Hosts: 2, Days: 1, Start: monday, Interval: time.Second},
		"seed 1, 20 hosts, 3 days, 1 hour":     {Seed: 1, Hosts: 20, Days: 3, Start: monday, Interval: time.Hour},
	}
	got := map[string]string{}
	for name, o := range cases {
		for _, procs := range []int{1, 3} {
			before := runtime.GOMAXPROCS(procs)
			f := newFingerprint()
			c := &collected{each: f.batch}
			_, err := Run(t.Context(), o, c, nil)
			runtime.GOMAXPROCS(before)
			if err != nil {
				t.Fatal(err)
			}
			f.statements(c.statements)
			if sum := f.String(); got[name] != "" && got[name] != sum {
				t.Errorf("%s: %s on one processor, %s on %d", name, got[name], sum, procs)
			} else {
				got[name] = sum
			}
		}
	}
	if *update {
		writeJSON(t, file, got)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]string
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("a seed gives other bytes than committed (-want +got):\n%s", diff)
	}
}

// TestMoreKeepsWhatWas: the first hosts and the first days of a fleet are the
// same however many follow.
func TestMoreKeepsWhatWas(t *testing.T) {
	small := Options{Seed: 7, Hosts: 70, Days: 25, Start: monday, Interval: 15 * time.Minute, At: monday}
	large := small
	large.Hosts, large.Days = 95, 64
	few, fewSummary := run(t, small)
	many, _ := run(t, large)
	hosts := map[fleet.HostID]bool{}
	for _, h := range fewSummary.Truth.Hosts {
		hosts[h.Host] = true
	}
	end := small.Window().End
	var batches []fleet.Batch
	for _, b := range many.batches {
		if hosts[b.Host] && b.Start[0] < end.UnixMilli() {
			batches = append(batches, b)
		}
	}
	var statements []fleet.Statement
	for _, s := range many.statements {
		if hosts[s.Host] && s.From.Before(end) {
			statements = append(statements, s)
		}
	}
	if len(statements) < 80 || len(batches) < 1000 {
		t.Fatalf("only %d statements and %d batches to compare", len(statements), len(batches))
	}
	if diff := cmp.Diff(few.statements, statements); diff != "" {
		t.Errorf("statements change as the fleet grows:\n%s", diff)
	}
	if len(batches) != len(few.batches) {
		t.Fatalf("%d batches become %d as the fleet grows", len(few.batches), len(batches))
	}
	for i := range batches {
		if !reflect.DeepEqual(few.batches[i], batches[i]) {
			t.Fatalf("rows change as the fleet grows:\n%s", cmp.Diff(few.batches[i], batches[i]))
		}
	}
}

// TestMetricsSubset: a metric has the same values whichever others are emitted.
func TestMetricsSubset(t *testing.T) {
	o := Options{Seed: 3, Hosts: 8, Days: 2, Start: monday}
	all, _ := run(t, o)
	o.Metrics = metricsNamed(t, "load1", "cpu_usage")
	some, summary := run(t, o)
	if summary.Samples != 2*summary.Rows {
		t.Errorf("%d samples of %d rows and two metrics", summary.Samples, summary.Rows)
	}
	for i, b := range all.batches {
		want := []fleet.Column{b.Columns[colLoad], b.Columns[colCPU]}
		if diff := cmp.Diff(want, some.batches[i].Columns); diff != "" {
			t.Fatalf("batch %d: %s", i, diff)
		}
	}
}

func TestOrderAndLabels(t *testing.T) {
	o := Options{Seed: 1, Hosts: 60, Days: 3, Start: monday}
	c, s := run(t, o)
	var samples, rows int64
	last := ""
	for i := range c.batches {
		b := &c.batches[i]
		day := time.UnixMilli(b.Start[0]).UTC().Format(time.DateOnly)
		if end := time.UnixMilli(b.Start[len(b.Start)-1]).UTC().Format(time.DateOnly); end != day {
			t.Errorf("a batch of %s runs from %s to %s", b.Host, day, end)
		}
		if key := day + " " + string(b.Host); key <= last {
			t.Errorf("%s comes after %s", key, last)
		} else {
			last = key
		}
		if b.Origin != fleet.OriginSimulated || b.Step != 60_000 || !strings.Contains(string(b.Host), "/simulated/") {
			t.Errorf("batch of %s: origin %q, step %d", b.Host, b.Origin, b.Step)
		}
		samples, rows = samples+int64(b.Samples()), rows+int64(len(b.Start))
	}
	if samples != s.Samples || rows != s.Rows || s.Statements != len(c.statements) || s.Records.Added != len(c.statements) {
		t.Errorf("summary says %d samples, %d rows, %d statements; counted %d, %d, %d", s.Samples, s.Rows, s.Statements, samples, rows, len(c.statements))
	}
	seen := map[fleet.HostID]bool{}
	for _, st := range c.statements {
		if st.Origin != fleet.OriginSimulated {
			t.Errorf("statement about %s of origin %q", st.Host, st.Origin)
		}
		if !seen[st.Host] && (st.Account != "simulated" || st.Tags["simulated"] != "true") {
			t.Errorf("%s is not labelled: account %q, tags %v", st.Host, st.Account, st.Tags)
		}
		seen[st.Host] = true
	}
	if len(seen) != s.Hosts || len(s.Truth.Hosts) != s.Hosts {
		t.Errorf("%d hosts stated, %d in the truth, %d in the summary", len(seen), len(s.Truth.Hosts), s.Hosts)
	}
	p := c.puts[0]
	if p.Origin != fleet.OriginSimulated || !p.Effective.Equal(monday) || !p.At.Equal(s.Window.End) || p.Who != "simulate" || p.Why != "simulated fleet of seed 1" {
		t.Errorf("put %+v", p)
	}
}

func TestMixTakesTurns(t *testing.T) {
	kinds, ranks := assignKinds(DefaultMix(), 300)
	count := map[Kind]int{}
	for i, k := range kinds {
		if int(ranks[i]) != count[k] {
			t.Fatalf("host %d is number %d of its kind, said to be %d", i, count[k], ranks[i])
		}
		count[k]++
		if i == 99 {
			if diff := cmp.Diff(DefaultMix(), count); diff != "" {
				t.Errorf("a hundred hosts: %s", diff)
			}
		}
	}
	kinds, _ = assignKinds(map[Kind]int{KindWeb: 1, KindIdle: 3}, 8)
	want := []Kind{KindIdle, KindIdle, KindWeb, KindIdle, KindIdle, KindIdle, KindWeb, KindIdle}
	if !slices.Equal(kinds, want) {
		t.Errorf("three to one: %v, want %v", kinds, want)
	}
}

func TestOptionErrors(t *testing.T) {
	good := Options{Hosts: 1, Days: 1, Start: monday}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	f := func(want string, change func(*Options)) {
		t.Helper()
		o := good
		change(&o)
		err := o.Validate()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
		if _, runErr := Run(t.Context(), o, new(collected), nil); runErr == nil || runErr.Error() != err.Error() {
			t.Errorf("Run says %v, Validate says %v", runErr, err)
		}
	}
	f("0 hosts are not between 1 and 1000000", func(o *Options) { o.Hosts = 0 })
	f("1000001 hosts", func(o *Options) { o.Hosts = MaxHosts + 1 })
	f("-1 days are not between", func(o *Options) { o.Days = -1 })
	f("no start", func(o *Options) { o.Start = time.Time{} })
	f("not a midnight in UTC", func(o *Options) { o.Start = monday.Add(time.Hour) })
	f("not a midnight in UTC", func(o *Options) { o.Start = monday.Add(time.Nanosecond) })
	f("not within the years 1970", func(o *Options) { o.Start = time.Date(1970, 1, 2, 0, 0, 0, 0, time.UTC) })
	f("not within the years 1970", func(o *Options) { o.Start, o.Days = time.Date(2261, 1, 1, 0, 0, 0, 0, time.UTC), 3660 })
	f("interval 7s is not between", func(o *Options) { o.Interval = 7 * time.Second })
	f("interval 2h0m0s", func(o *Options) { o.Interval = 2 * time.Hour })
	f("interval 500ms", func(o *Options) { o.Interval = 500 * time.Millisecond })
	f("interval -1m0s", func(o *Options) { o.Interval = -time.Minute })
	f(`unknown kind "offise"; did you mean "office"?`, func(o *Options) { o.Mix = map[Kind]int{"offise": 1} })
	f("weight -1 of idle", func(o *Options) { o.Mix = map[Kind]int{KindIdle: -1} })
	f("no kind has a weight", func(o *Options) { o.Mix = map[Kind]int{} })
	f("list of metrics is empty", func(o *Options) { o.Metrics = []fleet.Metric{} })
	f(`metric "cpu_cores_used" is not a canonical stored one`, func(o *Options) { o.Metrics = []fleet.Metric{fleet.CPUCoresUsed} })
	f("metric cpu_usage stands twice", func(o *Options) { o.Metrics = []fleet.Metric{fleet.CPUUsage, fleet.CPUUsage} })
	for mix, want := range map[string]string{
		"idle":          `"idle" is not of the form`,
		"idle=x":        `weight "x" of idle is not a whole number`,
		"idle=1,idle=2": "idle stands twice",
		"idle=0":        "no kind has a weight",
		"":              "not of the form",
	} {
		if _, err := ParseMix(mix); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("mix %q: error %v, want one with %q", mix, err, want)
		}
	}
}

func TestRunStops(t *testing.T) {
	o := Options{Seed: 1, Hosts: 90, Days: 20, Start: monday}
	full := errors.New("disk full")
	if _, err := Run(t.Context(), o, &collected{fail: full}, nil); !errors.Is(err, full) || !strings.Contains(err.Error(), "add rows of the simulated fleet") {
		t.Errorf("a load that fails: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	_, err := Run(ctx, o, &collected{each: func(*fleet.Batch) {
		if calls++; calls == 100 {
			cancel()
		}
	}}, nil)
	if !errors.Is(err, context.Canceled) || calls > 400 {
		t.Errorf("cancelled: %v after %d batches", err, calls)
	}
}

func TestProgressEndsAtTotal(t *testing.T) {
	var before, total int64
	_, err := Run(t.Context(), Options{Seed: 1, Hosts: 30, Days: 4, Start: monday}, &collected{each: func(*fleet.Batch) {}}, func(done, all int64) {
		if done <= before || all < done || total != 0 && all != total {
			t.Errorf("progress %d of %d after %d of %d", done, all, before, total)
		}
		before, total = done, all
	})
	if err != nil || before != total || total == 0 {
		t.Errorf("progress ends at %d of %d (%v)", before, total, err)
	}
}

func TestTruthRoundTrip(t *testing.T) {
	_, s := run(t, Options{Seed: 1, Hosts: 40, Days: 14, Start: monday, Interval: 5 * time.Minute})
	var b bytes.Buffer
	if err := WriteTruth(&b, s.Truth); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), `"simulated": true`) {
		t.Errorf("the truth is not labelled: %.200s", b.String())
	}
	back, err := ReadTruth(bytes.NewReader(b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s.Truth, back); diff != "" {
		t.Errorf("the truth reads back otherwise:\n%s", diff)
	}
	for _, bad := range []string{"", "{}", `{"simulated":true,"version":99}`, `{"unknown":1}`} {
		if _, err := ReadTruth(strings.NewReader(bad)); err == nil {
			t.Errorf("%q is read as a truth", bad)
		}
	}
	if err := WriteTruth(failing{}, s.Truth); err == nil || !strings.Contains(err.Error(), "write truth") {
		t.Errorf("a failing writer: %v", err)
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("full") }

// BenchmarkGenerate makes all canonical metrics of 200 hosts and a day, with a
// load that does nothing.
func BenchmarkGenerate(b *testing.B) {
	o := Options{Seed: 1, Hosts: 200, Days: 1, Start: monday}
	var samples int64
	c := &discard{}
	b.ReportAllocs()
	for b.Loop() {
		s, err := Run(b.Context(), o, c, nil)
		if err != nil {
			b.Fatal(err)
		}
		samples += s.Samples
	}
	b.ReportMetric(float64(samples)/b.Elapsed().Seconds(), "values/s")
}

// BenchmarkRows makes the rows of one host and day, on one processor.
func BenchmarkRows(b *testing.B) {
	for _, kind := range []Kind{KindIdle, KindBursty, KindWeb} {
		b.Run(string(kind), func(b *testing.B) {
			o := Options{Seed: 1, Hosts: 1, Days: 1, Start: monday, Mix: map[Kind]int{kind: 1}}
			p := newPlan(o)
			m := &maker{tables: newTables(), interval: 60_000, since: monday.UnixMilli(), level: make([]int32, 1440)}
			var d slots
			var c chunk
			d.fill(monday.UnixMilli(), time.UTC)
			b.ReportAllocs()
			for b.Loop() {
				p.hosts[0].rows.span = 0
				p.fill(&c, m, &d, p.hosts)
			}
			b.ReportMetric(float64(1440*columns*b.N)/b.Elapsed().Seconds(), "values/s")
		})
	}
}

type discard struct{ collected }

func (*discard) Add(context.Context, []fleet.Batch) error { return nil }

func ExampleRun() {
	load := new(collected) // of the store, in earnest
	summary, err := Run(context.Background(), Options{
		Seed: 1, Hosts: 20, Days: 1, Start: time.Date(2026, 3, 9, 0, 0, 0, 0, time.UTC),
	}, load, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(summary.Window, len(summary.Truth.Hosts) == summary.Hosts)
	// Output:
	// 2026-03-09T00:00:00Z..2026-03-10T00:00:00Z true
}
