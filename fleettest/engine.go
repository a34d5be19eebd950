package fleettest

import (
	"context"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/inventory"
)

// Engine is what the suites test: the contracts of package fleet, and the two
// writes and look-ups about identity that go with them.
type Engine interface {
	fleet.Source
	fleet.Sink
	fleet.Loader
	// MergeHosts records that two hosts, found by id or alias as of put.At, are
	// one.
	MergeHosts(into, from string, put fleet.Put) error
	// Host finds a host by its id or by an alias valid at a time. The error of an
	// unknown one wraps [fleet.ErrUnknownHost].
	Host(key string, at time.Time) (inventory.Host, error)
}

// Reopener is an engine that can be closed and opened again on what it keeps.
// The suites then check that what was stored outlives it. The old engine is
// not used any more.
type Reopener interface {
	Engine
	Reopen(t *testing.T) Engine
}

// Sealer is an engine that keeps what is appended apart for a while. The suites
// then check that sealing it changes no answer.
type Sealer interface {
	Engine
	Seal(ctx context.Context) error
}

// Open returns a fresh, empty engine that knows [Metrics] and [Types], and
// cleans up after itself when the test ends.
type Open func(t *testing.T) Engine

// queueDepth is a metric of the user's own that the engines of the suites know.
var queueDepth = fleet.Metric{Name: "queue_depth", Unit: fleet.UnitCount, Num: 1, Den: 10, Exact: true, Column: "queue_depth", Digits: 1, Description: "jobs that wait"}

// Metrics are the metrics that engines under test know: the canonical ones and
// queue_depth, a user's own with a resolution of 0.1.
func Metrics() fleet.Metrics {
	m, err := fleet.CanonicalMetrics().With(queueDepth)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return m
}

const gib = 1 << 30

// Types is the table of instance types that engines under test know.
//
//	m5.large    2 vCPUs   8 GiB
//	m5.xlarge   4 vCPUs  16 GiB
//	m5.2xlarge  8 vCPUs  32 GiB
func Types(provider, instanceType string) (fleet.Capacity, bool) {
	if provider != "aws" {
		return fleet.Capacity{}, false
	}
	switch instanceType {
	case "m5.large":
		return fleet.Capacity{VCPUs: 2, MemoryBytes: 8 * gib}, true
	case "m5.xlarge":
		return fleet.Capacity{VCPUs: 4, MemoryBytes: 16 * gib}, true
	case "m5.2xlarge":
		return fleet.Capacity{VCPUs: 8, MemoryBytes: 32 * gib}, true
	}
	return fleet.Capacity{}, false
}
