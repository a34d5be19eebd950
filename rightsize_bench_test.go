package leanfleet_test

import (
	"testing"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/rightsizing"
)

// sized asks for the sizes of a fleet of 1,000 hosts with 60 days of 60-second
// samples.
func sized(b *testing.B, m *leanfleet.Monitor) {
	b.Helper()
	r, err := m.Rightsize(b.Context(), rightsizing.Request{Scope: fleet.Scope{Range: "60d", AsOf: benchStart.AddDate(0, 0, 60)}})
	if err != nil {
		b.Fatal(err)
	}
	if len(r.Recommendations) < 900 || r.Learned.Days != 60 {
		b.Fatalf("%d lines, %d days", len(r.Recommendations), r.Learned.Days)
	}
}

// BenchmarkRightsize1000x60d: sizes for 1,000 hosts from 60 d x 60 s against all
// types of their regions, from the store, reading and learning included: "cold" by
// a process that has asked nothing yet, "again" by one that has.
func BenchmarkRightsize1000x60d(b *testing.B) {
	dir := benchFleet(b, 1000, 60)
	b.Run("cold", func(b *testing.B) {
		for b.Loop() {
			m := openFleet(b, dir)
			sized(b, m)
			if err := m.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("again", func(b *testing.B) {
		m := openFleet(b, dir)
		defer m.Close()
		sized(b, m)
		for b.Loop() {
			sized(b, m)
		}
	})
}
