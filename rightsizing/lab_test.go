package rightsizing_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/fleettest"
	"github.com/leanfleet/leanfleet/pricing"
	"github.com/leanfleet/leanfleet/rightsizing"
)

const gib = 1 << 30

// labSheet is a provider whose sizes and prices can be kept in one's head: lN has
// N vCPUs and 4 N GiB and costs N cents an hour; mN has twice the memory for N x
// 1.5 cents; nN is lN at 0.8 of the price and of another, newer family.
const labSheet = `currency: USD
types:
  - {provider: lab, instance_type: l1, family: l, vcpus: 1, memory_gib: 4, arch: x86_64, gpus: 0}
  - {provider: lab, instance_type: l2, family: l, vcpus: 2, memory_gib: 8, arch: x86_64, gpus: 0}
  - {provider: lab, instance_type: l4, family: l, vcpus: 4, memory_gib: 16, arch: x86_64, gpus: 0}
  - {provider: lab, instance_type: l8, family: l, vcpus: 8, memory_gib: 32, arch: x86_64, gpus: 0}
  - {provider: lab, instance_type: l4copy, family: l, vcpus: 4, memory_gib: 16, arch: x86_64, gpus: 0}
  - {provider: lab, instance_type: m1, family: l, vcpus: 1, memory_gib: 8, arch: x86_64, gpus: 0}
  - {provider: lab, instance_type: a2, family: l, vcpus: 2, memory_gib: 8, arch: arm64, gpus: 0}
  - {provider: lab, instance_type: n2, family: n, vcpus: 2, memory_gib: 8, arch: x86_64, gpus: 0}
prices:
  - {provider: lab, instance_type: l1, price_per_hour: 0.01}
  - {provider: lab, instance_type: l2, price_per_hour: 0.02}
  - {provider: lab, instance_type: l4, price_per_hour: 0.04}
  - {provider: lab, instance_type: l8, price_per_hour: 0.08}
  - {provider: lab, instance_type: l4copy, price_per_hour: 0.04}
  - {provider: lab, instance_type: m1, price_per_hour: 0.015, valid_to: 2023-12-31}
  - {provider: lab, instance_type: m1, price_per_hour: 0.025, valid_from: 2024-01-01}
  - {provider: lab, instance_type: a2, price_per_hour: 0.015}
  - {provider: lab, instance_type: n2, price_per_hour: 0.016}
`

var labSizes = map[string]fleet.Capacity{
	"l1": {VCPUs: 1, MemoryBytes: 4 * gib}, "l2": {VCPUs: 2, MemoryBytes: 8 * gib}, "l4": {VCPUs: 4, MemoryBytes: 16 * gib}, "l8": {VCPUs: 8, MemoryBytes: 32 * gib},
}

func labTypes(_, instanceType string) (fleet.Capacity, bool) {
	c, ok := labSizes[instanceType]
	return c, ok
}

func labBook(t testing.TB) *pricing.Book {
	t.Helper()
	s, err := pricing.ParseSheet("lab.yaml", strings.NewReader(labSheet))
	if err != nil {
		t.Fatal(err)
	}
	b, err := book(t).With(pricing.Options{Sheet: s})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// asOf is the instant at which the lab asks; its hosts are older than that.
var asOf = time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC)

// lab is a small fleet in memory.
type lab struct {
	t      testing.TB
	memory *fleettest.Memory
}

func newLab(t testing.TB) *lab {
	return &lab{t, fleettest.NewMemory(fleettest.Options{Types: labTypes, Metrics: fleet.CanonicalMetrics()})}
}

func (l *lab) env() rightsizing.Environment {
	return rightsizing.Environment{Environment: environment(l.memory, asOf), Prices: labBook(l.t)}
}

// host states a host of a lab type that has been there for a year.
func (l *lab) host(name, instanceType string) {
	l.record(fleet.Record{Host: fleet.HostID(name), Provider: "lab", Region: "dc", InstanceType: instanceType, OS: "linux"})
}

func (l *lab) record(r fleet.Record) {
	l.t.Helper()
	put := fleet.Put{At: asOf, Effective: asOf.AddDate(-1, 0, 0)}
	if _, err := l.memory.PutRecords(l.t.Context(), []fleet.Statement{{Record: r}}, put); err != nil {
		l.t.Fatal(err)
	}
}

// load appends hourly samples that end at an instant: one value of a metric in
// its unit for every hour, by hours before the end. NaN is none.
func (l *lab) load(name string, m fleet.Metric, end time.Time, days int, value func(day, hour int) float64) {
	l.t.Helper()
	b := fleet.Batch{Host: fleet.HostID(name), Origin: fleet.OriginImport, Step: 3600000, Columns: []fleet.Column{{Metric: m}}}
	start := end.Add(-time.Duration(days) * 24 * time.Hour)
	for i := range days * 24 {
		v := value(i/24, i%24)
		if math.IsNaN(v) {
			continue
		}
		scaled, err := m.Scale(v)
		if err != nil {
			l.t.Fatal(err)
		}
		b.Start = append(b.Start, start.Add(time.Duration(i)*time.Hour).UnixMilli())
		b.Columns[0].Values = append(b.Columns[0].Values, scaled)
	}
	if _, err := l.memory.Append(l.t.Context(), []fleet.Batch{b}); err != nil {
		l.t.Fatal(err)
	}
}

func always(v float64) func(int, int) float64 { return func(int, int) float64 { return v } }

func (l *lab) recommend(req rightsizing.Request) rightsizing.Result {
	l.t.Helper()
	r, err := rightsizing.Recommend(l.t.Context(), l.env(), req)
	if err != nil {
		l.t.Fatal(err)
	}
	return r
}

// line is the line of one host.
func line(t testing.TB, r rightsizing.Result, name string) rightsizing.Recommendation {
	t.Helper()
	for _, x := range r.Recommendations {
		if string(x.Host) == name {
			return x
		}
	}
	t.Fatalf("no line for %s", name)
	return rightsizing.Recommendation{}
}

func to(l rightsizing.Recommendation) string {
	if l.Recommended == nil {
		return "keep"
	}
	return l.Recommended.InstanceType
}

func has(list []string, want string) bool {
	for _, x := range list {
		if x == want {
			return true
		}
	}
	return false
}

// why is what explain says of a type.
func why(t testing.TB, l rightsizing.Recommendation, instanceType string) string {
	t.Helper()
	for _, c := range l.Candidates {
		if c.InstanceType == instanceType {
			if c.Chosen {
				return "chosen"
			}
			return c.Rejected
		}
	}
	t.Fatalf("%s: %s is not explained", l.Host, instanceType)
	return ""
}
