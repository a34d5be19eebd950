package fleettest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"iter"
	"maps"
	"slices"
	"testing"

	"github.com/leanfleet/leanfleet/fleet"
	"github.com/leanfleet/leanfleet/inventory"
)

// Stored is a sample as [Memory] keeps it.
type Stored struct {
	// Host is the id that the sample was stored under; another one than the
	// host's where hosts were merged.
	Host fleet.HostID
	// Group is the process group, "" for the host itself.
	Group  string
	Metric fleet.Metric
	Start  int64 // Unix milliseconds
	Step   int32 // milliseconds
	Value  int32 // scaled
}

// Stored yields every sample, by host, group, metric and start, so that an engine which
// is written to in another way can be given the same.
func (m *Memory) Stored() iter.Seq[Stored] {
	s := m.current()
	return func(yield func(Stored) bool) {
		for _, key := range slices.SortedFunc(maps.Keys(s.data), func(a, b owner) int {
			return cmp.Or(cmp.Compare(a.host, b.host), cmp.Compare(a.group, b.group))
		}) {
			d := s.data[key]
			for _, metric := range m.metrics.Stored() {
				list := d.values[metric.Name]
				for _, start := range slices.Sorted(maps.Keys(list)) {
					if !yield(Stored{key.host, key.group, metric, start, d.steps[start], list[start].scaled}) {
						return
					}
				}
			}
		}
	}
}

// Book returns a copy of what is known of hosts, without the evidence of
// samples: an inventory as it stands beside an engine that has the samples.
func (m *Memory) Book(types inventory.Types) (*inventory.Book, error) {
	if types == nil {
		types = Types
	}
	from, to := m.current().book, inventory.NewBook(types)
	ids := map[fleet.HostID]bool{}
	for _, id := range from.Hosts() {
		for _, member := range from.Members(id) {
			ids[member] = true
		}
	}
	for id := range ids {
		data, err := from.Marshal(id)
		if err != nil {
			return nil, err
		}
		core, rest, _ := bytes.Cut(data, []byte{'\n'})
		var document map[string]json.RawMessage
		if err := json.Unmarshal(core, &document); err != nil {
			return nil, err
		}
		delete(document, "seen")
		if core, err = json.Marshal(document); err != nil {
			return nil, err
		}
		if err := to.Unmarshal(append(append(core, '\n'), rest...)); err != nil {
			return nil, err
		}
	}
	return to, nil
}

// SourceExcept is [Source] without some scenarios, each with the reason why the
// engine cannot be held against it, which is logged. A name that is no scenario's
// fails the test.
func SourceExcept(t *testing.T, open Open, reasons map[string]string) {
	all := slices.Concat(recordScenarios(), profileScenarios(), capacityScenarios(), calendarScenarios(), seriesScenarios(), groupScenarios(), answerScenarios())
	left := maps.Clone(reasons)
	all = slices.DeleteFunc(all, func(s scenario) bool {
		why, ok := reasons[s.name]
		if ok {
			t.Logf("LEFT OUT %s: %s", s.name, why)
			delete(left, s.name)
		}
		return ok
	})
	for name := range left {
		t.Errorf("no scenario is called %s", name)
	}
	runAll(t, open, all)
}
