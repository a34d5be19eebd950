package store

import (
	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/internal/store/scan"
)

// lookFor takes a view of what a query is answered from. Absolute figures of
// process groups are shares of sizes that the rows of their hosts tell, so both
// are looked at in one state.
func (s *Store) lookFor(q fleet.Query) (*view, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, err := s.lookLocked(kindOfQuery(q), q.Window)
	if err != nil || !q.Groups || !q.Metric.Derived() {
		return v, err
	}
	w := q.Window
	if !w.Start.IsZero() {
		w.Start = w.Start.Add(-scan.SizeHolds)
	}
	v.hosts, err = s.lookLocked(ofHosts, w)
	return v, err
}

// release gives back what the view holds.
func (v *view) release() {
	v.pinned.release()
	if v.hosts != nil {
		v.hosts.pinned.release()
	}
}
