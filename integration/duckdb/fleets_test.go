package duckdb

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/fleet"
)

// start is the first day of every fleet, and end the instant after the last.
var (
	start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	end   = start.AddDate(0, 0, 3)
)

// window is all of it, as questions say it.
func window() fleet.Scope { return fleet.Scope{Range: "3d", AsOf: end} }

// create opens a Monitor on a new data directory.
func create(t *testing.T) (m *leanfleet.Monitor, dir string) {
	t.Helper()
	dir = t.TempDir()
	m, err := leanfleet.Open(t.Context(), leanfleet.Options{Dir: dir, Clock: func() time.Time { return end }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m, dir
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// change states something of hosts that holds from a time on.
func change(t *testing.T, m *leanfleet.Monitor, at time.Time, hosts ...fleet.Record) {
	t.Helper()
	statements := make([]fleet.Statement, len(hosts))
	for i, h := range hosts {
		statements[i].Record = h
	}
	r, err := m.PutRecords(t.Context(), statements, fleet.Put{Effective: at, Why: "test"})
	must(t, err)
	if r.Changed != len(hosts) || len(r.Conflicts) > 0 {
		t.Fatalf("%d hosts should change: %+v", len(hosts), r)
	}
}

// series is what the tests themselves append, with gaps in time and missing
// values.
type series struct {
	host   string
	from   time.Time
	to     time.Time
	step   time.Duration
	seed   uint64
	skip   int // every so many rows are not there; 0 is none
	absent int // every so many rows have no cpu_usage; 0 is none
}

// batch makes the rows of a series, the same ones each time.
func (s series) batch() fleet.Batch {
	random := rand.New(rand.NewPCG(s.seed, 1))
	b := fleet.Batch{Host: fleet.HostID(s.host), Origin: fleet.OriginImport, Step: int32(s.step.Milliseconds()),
		Columns: []fleet.Column{{Metric: fleet.CPUUsage, Present: []bool{}}, {Metric: fleet.MemoryUsage}}}
	cpu, memory := &b.Columns[0], &b.Columns[1]
	n := 0
	for at := s.from; at.Before(s.to); at = at.Add(s.step) {
		n++
		if s.skip > 0 && n%s.skip == 0 {
			continue
		}
		b.Start = append(b.Start, at.UnixMilli())
		cpu.Values = append(cpu.Values, random.Int32N(12500)) // hypervisors report more than 1
		cpu.Present = append(cpu.Present, s.absent == 0 || n%s.absent != 0)
		memory.Values = append(memory.Values, random.Int32N(10001))
	}
	return b
}

func add(t *testing.T, m *leanfleet.Monitor, list ...series) {
	t.Helper()
	batches := make([]fleet.Batch, len(list))
	for i := range list {
		batches[i] = list[i].batch()
	}
	_, err := m.Append(t.Context(), batches)
	must(t, err)
	_, err = m.Seal(t.Context(), leanfleet.SealRequest{})
	must(t, err)
}

// web1 is a host whose rows have gaps, missing values and no capacity.
var web1 = series{host: "web-1", from: start.Add(3 * time.Hour), to: end, step: time.Minute, seed: 5, skip: 13, absent: 7}

// minute is in the middle of a day, where hosts have a sample: it is of the
// record that begins there. moment lies between two samples.
var (
	minute = start.Add(35*time.Hour + 30*time.Minute)
	moment = minute.Add(30 * time.Second)
)

// uniform is 20 simulated hosts and two of the test's own at one step. Three
// simulated ones change departments in the middle of a day, one of its own is
// resized, and the other belongs to no department and has no known size.
func uniform(t *testing.T) (*leanfleet.Monitor, string) {
	m, dir := create(t)
	_, err := m.Simulate(t.Context(), leanfleet.SimulateRequest{Seed: 1, Hosts: 20, Days: 3, Start: start})
	must(t, err)
	must(t, m.AddHost(t.Context(), "web-1", fleet.Tags{"dept": "eng", "env": "prod"}, leanfleet.WithInstance("aws", "us-east-1", "m5.large")))
	must(t, m.AddHost(t.Context(), "stray-1", nil))
	add(t, m, web1, series{host: "stray-1", from: start.Add(20 * time.Hour), to: start.Add(50 * time.Hour), step: time.Minute, seed: 6})
	list, err := m.Hosts(t.Context(), hostsAt(start))
	must(t, err)
	var moved []fleet.Record
	for _, h := range list.Hosts {
		if h.Origin == fleet.OriginSimulated && len(moved) < 3 {
			moved = append(moved, fleet.Record{Host: h.Host, Tags: fleet.Tags{"dept": "moved in mid-day"}})
		}
	}
	change(t, m, moment, moved...)
	change(t, m, start.Add(33*time.Hour), fleet.Record{Host: "web-1", InstanceType: "m5.xlarge", Tags: fleet.Tags{"dept": "data"}})
	return m, dir
}

// mixed is simulated hosts at a minute beside hosts at five minutes and one
// that changes its step at a midnight.
func mixed(t *testing.T) (*leanfleet.Monitor, string) {
	m, dir := create(t)
	_, err := m.Simulate(t.Context(), leanfleet.SimulateRequest{Seed: 2, Hosts: 5, Days: 3, Start: start})
	must(t, err)
	for _, name := range []string{"slow-1", "slow-2", "shift-1"} {
		must(t, m.AddHost(t.Context(), name, fleet.Tags{"dept": "eng"}))
	}
	midnight := start.AddDate(0, 0, 2)
	add(t, m,
		series{host: "slow-1", from: start, to: end, step: 5 * time.Minute, seed: 1, skip: 4},
		series{host: "slow-2", from: start.Add(10 * time.Hour), to: end, step: 5 * time.Minute, seed: 2, absent: 3},
		series{host: "shift-1", from: start, to: midnight, step: time.Minute, seed: 3},
		series{host: "shift-1", from: midnight, to: end, step: 10 * time.Minute, seed: 4},
	)
	change(t, m, minute, fleet.Record{Host: "slow-1", Tags: fleet.Tags{"dept": "data"}})
	return m, dir
}

// merged is a host that was known by two ids, beside one that was not.
func merged(t *testing.T) (*leanfleet.Monitor, string) {
	m, dir := create(t)
	must(t, m.AddHost(t.Context(), "old-1", fleet.Tags{"dept": "eng"}))
	must(t, m.AddHost(t.Context(), "new-1", fleet.Tags{"dept": "eng"}))
	must(t, m.AddHost(t.Context(), "other-1", fleet.Tags{"dept": "eng"}))
	change(t, m, minute, fleet.Record{Host: "new-1", Tags: fleet.Tags{"dept": "data"}})
	half := start.Add(30 * time.Hour)
	add(t, m,
		series{host: "old-1", from: start, to: half, step: time.Minute, seed: 1, absent: 9},
		series{host: "new-1", from: half, to: end, step: time.Minute, seed: 2},
		series{host: "other-1", from: start, to: end, step: time.Minute, seed: 3},
	)
	_, err := m.MergeHosts(t.Context(), leanfleet.MergeRequest{Into: "new-1", From: "old-1"})
	must(t, err)
	return m, dir
}
