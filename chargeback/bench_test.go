package chargeback_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/chargeback"
	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/fleettest"
	"github.com/leanfleet/leanfleet/internal/zones"
	"github.com/leanfleet/leanfleet/pricing"
)

// benchTypes are what the hosts of a benchmark are, in turn.
var benchTypes = [][3]string{
	{"aws", "us-east-1", "m5.large"}, {"aws", "us-east-1", "m5.xlarge"}, {"aws", "us-east-1", "m5.2xlarge"}, {"aws", "us-east-1", "c5.large"},
	{"aws", "us-east-1", "r5.large"}, {"aws", "eu-west-1", "m5.large"}, {"gcp", "us-central1", "n1-standard-2"}, {"gcp", "us-central1", "n2-standard-4"},
	{"azure", "eastus", "Standard_D2s_v5"}, {"azure", "eastus", "Standard_D4s_v5"},
}

const benchCommitments = `id,purchase,provider,region,family,instance_type,count,size_flexible,vcpus,memory_gib,price_per_vcpu_hour,price_per_gib_hour,spend_per_hour,percent,price_per_hour,currency,start,end
ri-1,reserved,aws,us-east-1,,m5.large,40,,,,,,,,0.06,USD,2025-06-01,2027-06-01
ri-2,reserved,aws,us-east-1,,m5.xlarge,30,true,,,,,,,0.12,USD,2025-06-01,2027-06-01
ri-3,reserved,aws,eu-west-1,,m5.large,20,,,,,,,,0.067,USD,2026-01-11,2027-01-11
ri-4,reserved,azure,eastus,,Standard_D4s_v5,25,,,,,,,,0.11,USD,2025-06-01,2027-06-01
cud-1,committed_use,gcp,us-central1,n2,,,,200,800,0.02,0.0027,,,,USD,2025-06-01,2027-06-01
cud-2,committed_use,gcp,us-central1,n1,,,,50,200,0.02,0.0027,,,,USD,2025-06-01,2027-06-01
sp-1,savings_plan,aws,,,,,,,,,,8.5,28,,USD,2025-06-01,2027-06-01
sp-2,savings_plan,aws,,m5,,,,,,,,2.25,36,,USD,2026-01-16,2027-01-16
sp-3,savings_plan,azure,,,,,,,,,,3.125,17,,USD,2025-06-01,2027-06-01
`

// benchEnvironment has 1,000 hosts in January 2026: a fifth of them were
// launched or ended in some hour of it, a tenth stop each night.
func benchEnvironment(b *testing.B) chargeback.Environment {
	b.Helper()
	memory := fleettest.NewMemory(fleettest.Options{})
	start, now := at("2026-01-01"), at("2026-02-01")
	put := func(s fleet.Statement, effective time.Time) {
		if _, err := memory.PutRecords(b.Context(), []fleet.Statement{s}, fleet.Put{At: now, Effective: effective}); err != nil {
			b.Fatal(err)
		}
	}
	for i := range 1000 {
		id := fleet.HostID(fmt.Sprintf("h%03d", i))
		typ := benchTypes[i%len(benchTypes)]
		s := fleet.Statement{Record: fleet.Record{Host: id, Provider: typ[0], Region: typ[1], InstanceType: typ[2], State: fleet.StateRunning,
			Tags: fleet.Tags{"dept": fmt.Sprint("d", i%7)}, Disks: []fleet.Disk{}}}
		s.From = start.AddDate(0, -2, 0)
		if i%10 == 3 {
			s.From = start.Add(time.Duration(i*37%(31*24*60)) * time.Minute)
		}
		put(s, time.Time{})
		state := func(x fleet.State, when time.Time) {
			put(fleet.Statement{Record: fleet.Record{Host: id, State: x}}, when)
		}
		switch i % 10 {
		case 4:
			state(fleet.StateTerminated, start.Add(time.Duration(i*53%(31*24*60))*time.Minute))
		case 5:
			for day := range 31 {
				state(fleet.StateStopped, start.AddDate(0, 0, day).Add(time.Duration(i%60)*time.Minute))
				state(fleet.StateRunning, start.AddDate(0, 0, day).Add(7*time.Hour+time.Duration(i%60)*time.Minute))
			}
		}
	}
	set, err := pricing.ParseCommitments("c.csv", strings.NewReader(benchCommitments))
	if err != nil {
		b.Fatal(err)
	}
	return chargeback.Environment{
		Environment: fleet.Environment{Source: memory, Metrics: fleettest.Metrics(), Now: now, Zone: zones.Load},
		Book:        newBook(b), ZoneData: zones.Version(), Commitments: set,
	}
}

// BenchmarkCommitments is the cost of 1,000 hosts x 31 days by department under
// nine commitments: reserved instances, savings plans and committed use. Records
// lie in memory.
func BenchmarkCommitments(b *testing.B) {
	env := benchEnvironment(b)
	for name, with := range map[string]*pricing.Commitments{"with": env.Commitments, "without": nil} {
		b.Run(name, func(b *testing.B) {
			env := env
			env.Commitments = with
			for b.Loop() {
				r, err := chargeback.Report(b.Context(), env, chargeback.Request{Period: "2026-01", GroupBy: []string{"dept"}})
				if err != nil {
					b.Fatal(err)
				}
				if r.Total.Hosts < 990 || r.Total.Cost == nil || (with != nil && len(r.Commitments) != 9) {
					b.Fatalf("%d hosts, %v, %d commitments", r.Total.Hosts, r.Total.Cost, len(r.Commitments))
				}
			}
		})
	}
}
