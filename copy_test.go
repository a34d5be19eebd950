package leanfleet_test

import (
	"context"
	"errors"
	"iter"
	"testing"
	"time"

	"github.com/leanfleet/leanfleet"
	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/hosts"
)

// otherEngine is a history of two hosts over three days, of which one has a
// process group on the second.
type otherEngine struct {
	labels  map[string]string // of each host
	typed   string            // the label that tells the type
	groups  bool              // are measured
	cut     context.CancelFunc
	yielded []string
}

var copyStart = time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC)

func (e *otherEngine) Address() string { return "http://other" }

func (e *otherEngine) Notes(context.Context, fleet.Window) ([]string, error) { return nil, nil }

func (e *otherEngine) Statements(context.Context, fleet.Selector) (list []fleet.Statement, err error) {
	for _, host := range []fleet.HostID{"a", "b"} {
		x := fleet.Statement{Record: fleet.Record{Host: host, Tags: fleet.Tags{}}}
		for label, value := range e.labels {
			if label == e.typed {
				x.InstanceType = value
			} else {
				x.Tags[label] = value
			}
		}
		list = append(list, x)
	}
	return list, nil
}

func (e *otherEngine) Days(ctx context.Context, _ fleet.Window, _ fleet.Selector, _ bool, done func(fleet.HostID, time.Time, bool) bool) (int, iter.Seq2[leanfleet.HistoryDay, error], error) {
	return 6, func(yield func(leanfleet.HistoryDay, error) bool) {
		for day := range 3 {
			for _, host := range []fleet.HostID{"a", "b"} {
				at := copyStart.AddDate(0, 0, day)
				group := e.groups && host == "a" && day == 1
				if done(host, at, group) {
					continue
				}
				if e.cut != nil && day == 2 && host == "b" {
					e.cut()
					yield(leanfleet.HistoryDay{}, ctx.Err())
					return
				}
				e.yielded = append(e.yielded, string(host)+at.Format(" 02"))
				one := fleet.Batch{Host: host, Origin: fleet.OriginScrape, Step: 3600_000, Start: []int64{at.UnixMilli(), at.UnixMilli() + 3600_000},
					Columns: []fleet.Column{{Metric: fleet.CPUUsage, Values: []int32{1000, 2000}}}}
				d := leanfleet.HistoryDay{Host: host, Day: at, Batches: []fleet.Batch{one}, Samples: 2}
				if group {
					one.Group = "db"
					d.Batches, d.Samples = append(d.Batches, one), 4
				}
				if !yield(d, nil) {
					return
				}
			}
		}
	}, nil
}

// copyFrom copies the history into a data directory.
func copyFrom(ctx context.Context, t *testing.T, dir string, e *otherEngine) (leanfleet.CopyResult, error) {
	t.Helper()
	m, err := leanfleet.Open(t.Context(), leanfleet.Options{Dir: dir, Clock: func() time.Time { return copyStart.AddDate(0, 0, 10) },
		History: func(leanfleet.CopyRequest) (leanfleet.History, error) { return e, nil }})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}()
	return m.Copy(ctx, leanfleet.CopyRequest{})
}

// TestCopyFetchesGroups: a host-day that was copied before its process groups
// were there is copied once more, and no other is.
func TestCopyFetchesGroups(t *testing.T) {
	dir, e := t.TempDir(), &otherEngine{}
	if r, err := copyFrom(t.Context(), t, dir, e); err != nil || r.HostDays != 6 || r.Samples != 12 || r.Stored.Inserted != 12 {
		t.Fatalf("%+v, error %v", r, err)
	}
	e.groups, e.yielded = true, nil
	if r, err := copyFrom(t.Context(), t, dir, e); err != nil || r.HostDays != 1 || r.Skipped != 5 || r.Stored.Inserted != 2 || r.Stored.Unchanged != 2 || len(e.yielded) != 1 || e.yielded[0] != "a 02" {
		t.Errorf("%+v, copied %q, error %v", r, e.yielded, err)
	}
	if r, err := copyFrom(t.Context(), t, dir, e); err != nil || r.HostDays != 0 || r.Skipped != 6 {
		t.Errorf("%+v, error %v", r, err)
	}
}

// TestCopyThatIsCut: what is counted is what is stored.
func TestCopyThatIsCut(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	dir, e := t.TempDir(), &otherEngine{cut: cancel}
	r, err := copyFrom(ctx, t, dir, e)
	if !errors.Is(err, context.Canceled) || r.HostDays != 4 || r.Samples != 8 || r.Stored.Inserted != 8 {
		t.Errorf("%+v, error %v", r, err)
	}
	e.cut = nil
	if r, err := copyFrom(t.Context(), t, dir, e); err != nil || r.HostDays != 2 || r.Skipped != 4 || r.Stored.Inserted != 4 {
		t.Errorf("it does not go on: %+v, error %v", r, err)
	}
}

// TestCopyKeepsTypesOutOfTags: the label that told the type in one copy is made
// no tag by the next, which is not told that it does.
func TestCopyKeepsTypesOutOfTags(t *testing.T) {
	dir, e := t.TempDir(), &otherEngine{labels: map[string]string{"node_type": "m5.large", "dept": "eng"}, typed: "node_type"}
	for _, typed := range []string{"node_type", ""} {
		e.typed = typed
		if _, err := copyFrom(t.Context(), t, dir, e); err != nil {
			t.Fatal(err)
		}
		m, err := leanfleet.Open(t.Context(), leanfleet.Options{Dir: dir, ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		r, err := m.Hosts(t.Context(), hosts.ListRequest{})
		if err != nil || len(r.Hosts) != 2 || r.Hosts[0].InstanceType != "m5.large" || len(r.Hosts[0].Tags) != 1 || r.Hosts[0].Tags["dept"] != "eng" {
			t.Errorf("with %q: %+v, error %v", typed, r.Hosts, err)
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
	// Where nothing told the type, it is a tag.
	dir, e.typed = t.TempDir(), ""
	if r, err := copyFrom(t.Context(), t, dir, e); err != nil || r.Inventory.Added != 2 {
		t.Fatalf("%+v, error %v", r, err)
	}
}
